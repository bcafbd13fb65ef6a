//! `show-log [DB]`: the records of a database file, in words. Each `-m` adds to them: rows, then columns.
//!
//! Tables, rows and columns come in the order of their names.

mod ahead;
mod outline;

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::Write as _;

use ovsdb_engine::history::date_ms;
use ovsdb_log::RecordFault;
use ovsdb_proto::datum::{Datum, RowReader};
use ovsdb_proto::json::cursor::{Cursor, Stop};
use ovsdb_proto::json::write;
use ovsdb_proto::schema::{ColumnId, Schema, TableSchema};
use ovsdb_proto::symbols::Symbols;
use ovsdb_proto::text::push_datum;
use ovsdb_server::file;

use self::ahead::Refused;
use self::outline::{Outline, members, tree};
use super::schema::version_text;
use super::{Answer, Call, ToolError, db};
use crate::timestamp;

/// How many characters of a row's UUID stand for it.
const SHORT_UUID: usize = 8;

pub(super) fn run(call: &mut Call<'_>) -> Result<Answer, ToolError> {
    let mut log = db::open(&call.database(0))?;
    db::refuse_clustered(&log)?;

    let Some(json) = file::read_json(&mut log)? else {
        return Ok(Answer::Yes);
    };
    write!(call.out, "record 0:")?;
    let schema = Schema::from_json(&json)?;
    let (name, version, cksum) = (&schema.name, version_text(&schema), &schema.cksum);
    call.line(format_args!(
        " \"{name}\" schema, version=\"{version}\", cksum=\"{cksum}\"\n"
    ))?;

    let mut printer = Printer::new(&schema, call.settings.verbosity);
    let mut number: u64 = 1;
    let out = &mut *call.out;
    ahead::each_record(&mut log, &mut |record| {
        // Strings need not be UTF-8; what is not cannot be shown either.
        let text = match std::str::from_utf8(record) {
            Ok(text) => Cow::Borrowed(text),
            Err(_) => String::from_utf8_lossy(record),
        };
        let outline = Outline::of(&text)?;
        let printed = printer.record(number, &outline);
        let printed = printed.map_err(|stop| RecordFault::NotJson(stop.to_string()));
        out.write_all(printed?.as_bytes())
            .map_err(Refused::Output)?;
        number += 1;
        Ok(())
    })?;
    Ok(Answer::Yes)
}

/// Puts records into words.
struct Printer<'s> {
    schema: &'s Schema,
    verbosity: usize,
    /// What reads the rows of each table.
    readers: Vec<RowReader<'s>>,
    /// For each table the places of its columns in the order of their names.
    ranks: Vec<Vec<u32>>,
    /// What to call a row, by its UUID: its column `name` as far as it is known, or the beginning of its UUID.
    names: HashMap<String, String>,
    /// The columns of the row at hand.
    values: Vec<(ColumnId, Datum)>,
    /// What is said of the record at hand.
    out: String,
}

impl<'s> Printer<'s> {
    fn new(schema: &'s Schema, verbosity: usize) -> Printer<'s> {
        Printer {
            schema,
            verbosity,
            readers: schema.tables.iter().map(RowReader::new).collect(),
            ranks: schema.tables.iter().map(ranks).collect(),
            names: HashMap::new(),
            values: Vec::new(),
            out: String::new(),
        }
    }

    /// Writes formatted text; strings take all that is written.
    fn put(&mut self, text: std::fmt::Arguments<'_>) {
        self.out
            .write_fmt(text)
            .expect("strings take all that is written");
    }

    fn record(&mut self, number: u64, record: &Outline<'_>) -> Result<&str, Stop> {
        self.out.clear();
        self.put(format_args!("record {number}:"));
        if let Some(date) = record.date {
            self.put(format_args!(" {}", timestamp::text(date_ms(date))));
        }
        if let Some(comment) = &record.comment {
            self.put(format_args!(" \"{comment}\""));
        }
        if self.verbosity > 0 {
            for (at, (table, rows)) in record.tables.iter().enumerate() {
                if at == 0 {
                    self.out.push('\n');
                }
                for (uuid, columns) in members(rows)? {
                    self.row(table, &uuid, columns, record.is_diff)?;
                }
            }
        }
        self.out.push('\n');
        Ok(&self.out)
    }

    fn row(&mut self, table: &str, uuid: &str, columns: &str, is_diff: bool) -> Result<(), Stop> {
        let short = uuid.get(..SHORT_UUID).unwrap_or(uuid);
        let is_object = columns.starts_with('{');
        let members = if is_object {
            members(columns)?
        } else {
            Vec::new()
        };
        let new_name = members.iter().find(|(column, _)| column == "name");
        let new_name = new_name
            .map(|(_, value)| value_as_json(value))
            .transpose()?;
        let old_name = self.names.get(uuid);
        let is_new = old_name.is_none();
        let what = match (old_name, &new_name) {
            (Some(name), _) => {
                format!("row {name} ({short}){}", if is_diff { " diff" } else { "" })
            }
            (None, Some(name)) => format!("insert row {name} ({short})"),
            (None, None) => format!("insert row {short}"),
        };
        self.put(format_args!("  table {table} {what}:\n"));
        if is_object {
            if self.verbosity > 1 && !self.known_columns(table, columns) {
                self.columns(table, &members)?;
            }
            if let Some(name) = new_name {
                self.names.insert(uuid.to_owned(), name);
            } else if is_new {
                self.names.insert(uuid.to_owned(), short.to_owned());
            }
        } else if columns == "null" {
            self.out.push_str("    delete row\n");
            self.names.remove(uuid);
        }
        Ok(())
    }

    /// Prints the columns of a row whose values are all as their columns want them. Says whether it is one; if not, nothing
    /// is printed.
    fn known_columns(&mut self, table: &str, row: &str) -> bool {
        let Some((id, table)) = self.schema.table_by_name(table) else {
            return false;
        };
        self.values.clear();
        let values = &mut self.values;
        let each = |column, value| values.push((column, value));
        let reader = &mut self.readers[id.index()];
        if reader
            .read(&mut Cursor::new(row), &mut Symbols::none(), each)
            .is_err()
        {
            return false;
        }
        let ranks = &self.ranks[id.index()];
        values.sort_by_key(|(column, _)| ranks[column.index()]);
        for (column, value) in self.values.drain(..) {
            let column = table.column(column);
            self.out.push_str("    ");
            self.out.push_str(&column.name);
            self.out.push('=');
            push_datum(&value, &column.ty, &mut self.out);
            self.out.push('\n');
        }
        true
    }

    /// Prints columns one by one, some of which may not exist, or hold something else than their values: differences.
    fn columns(&mut self, table: &str, columns: &outline::Members<'_>) -> Result<(), Stop> {
        let table = self.schema.table_by_name(table).map(|(_, table)| table);
        for (column, value) in columns {
            let text = match table.and_then(|table| value_text(table, column, value)) {
                Some(text) => text,
                None => value_as_json(value)?,
            };
            self.put(format_args!("    {column}={text}\n"));
        }
        Ok(())
    }
}

/// For each column of a table its place in the order of their names.
fn ranks(table: &TableSchema) -> Vec<u32> {
    let mut in_order: Vec<ColumnId> = table.column_ids().collect();
    in_order.sort_by(|&a, &b| table.column(a).name.cmp(&table.column(b).name));
    let mut ranks = vec![0; in_order.len()];
    for (rank, column) in (0..).zip(in_order) {
        ranks[column.index()] = rank;
    }
    ranks
}

/// A value as the project's programs write JSON.
fn value_as_json(text: &str) -> Result<String, Stop> {
    // What is behind it ends a string as well as a number.
    if let Ok(string) = Cursor::new(text).string() {
        let mut written = Vec::with_capacity(text.len());
        write::string(&string, &mut written);
        return Ok(String::from_utf8_lossy(&written).into_owned());
    }
    Ok(tree(text).map_err(|_| Stop::Unexpected)?.to_string())
}

/// A value as people write it; `None` if there is no such column or the value does not fit it, as differences may not.
fn value_text(table: &TableSchema, column: &str, value: &str) -> Option<String> {
    let ty = &table.column(table.column_id(column)?).ty;
    let datum = Datum::from_json(&tree(value).ok()?, ty, &mut Symbols::none()).ok()?;
    let mut text = String::new();
    push_datum(&datum, ty, &mut text);
    Some(text)
}
