//! Answers as tables: a column of the database is shown as the other commands show it, everything else as what it is.

use std::io::IsTerminal;

use ovsdb_proto::atom::AtomType;
use ovsdb_proto::json::Json;
use ovsdb_proto::types::ColumnType;
use ovsdb_sql::{Answer, Value};

use crate::client::error::ClientError;
use crate::client::output::Output;
use crate::table::{Cell, Table};
use crate::timestamp;

/// Clears the screen and goes to its upper left corner (ECMA-48: CUP, ED).
const CLEAR: &[u8] = b"\x1b[H\x1b[2J";

const INTEGER: &ColumnType = &ColumnType::scalar(AtomType::Integer);
const REAL: &ColumnType = &ColumnType::scalar(AtomType::Real);
const TEXT: &ColumnType = &ColumnType::scalar(AtomType::String);

/// Prints one answer, or one after another.
pub(super) struct Printer<'a> {
    /// The statement that is repeated, and whether to tell the time.
    watched: Option<(&'a str, bool)>,
    /// Whether each answer takes the place of the one before.
    on_screen: bool,
}

impl<'a> Printer<'a> {
    pub(super) fn new(watched: Option<(&'a str, bool)>) -> Printer<'a> {
        Printer {
            watched,
            on_screen: watched.is_some() && std::io::stdout().is_terminal(),
        }
    }

    pub(super) fn print(&mut self, answer: &Answer, out: &mut Output) -> Result<(), ClientError> {
        let headings = answer.columns.iter().map(|column| column.name.as_str());
        let mut table = Table::new(headings);
        for row in &answer.rows {
            let cells = row.iter().zip(&answer.columns);
            let cells = cells.map(|(value, column)| cell(value, column.ty.as_ref()));
            table.push_row(cells.collect());
        }
        let now = match self.watched {
            Some((statement, _)) if self.on_screen => {
                out.bytes(CLEAR)?;
                out.line(&format!("{}  {statement}", timestamp::now()))?;
                None
            }
            Some((_, true)) => Some(timestamp::now()),
            _ => None,
        };
        out.table(&table, now.as_deref())
    }
}

fn cell<'a>(value: &Value, ty: Option<&'a ColumnType>) -> Cell<'a> {
    if let Some(ty) = ty
        && let Some(datum) = value.to_datum(ty)
    {
        return Cell::Datum {
            value: datum.to_json(ty),
            ty,
        };
    }
    let (value, ty) = match value {
        Value::Null => return Cell::Empty,
        Value::Integer(value) => (Json::Integer(*value), INTEGER),
        Value::Real(value) => (Json::Real(*value), REAL),
        Value::Text(text) => (Json::string(text.as_str()), TEXT),
        Value::Blob(bytes) => return Cell::Text(hexadecimal(bytes)),
    };
    Cell::Datum { value, ty }
}

/// Bytes as SQL writes them.
fn hexadecimal(bytes: &[u8]) -> String {
    let digits: String = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
    format!("x'{digits}'")
}
