//! `blame DB TABLE ROW [COLUMN]`: which transaction set each value of a row.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

use ovsdb_engine::Row;
use ovsdb_engine::history::{Annotations, Blame, ColumnBlame, RowSelection, Value, row_name};
use ovsdb_proto::json::{Json, Object};
use ovsdb_proto::schema::{TableId, TableSchema};
use ovsdb_proto::text::datum_to_string;
use ovsdb_proto::uuid::Uuid;

use super::{Format, Reading, format, heading, json, text};
use crate::tool::{Answer, Call, ToolError};

/// Values with more characters than this do not push the words behind them further to the right.
const VALUE_WIDTH_MAX: usize = 40;

/// A record that set something.
#[derive(Debug)]
struct Origin {
    number: u64,
    annotations: Annotations,
}

impl Origin {
    /// Whether the record holds all that the database had: what it set may have been so before.
    fn is_snapshot(&self) -> bool {
        self.number == 1 && self.annotations.is_snapshot()
    }
}

pub(in crate::tool) fn run(call: &mut Call<'_>) -> Result<Answer, ToolError> {
    let [path, table, row, column @ ..] = call.arguments else {
        unreachable!("the table of commands says three or four");
    };
    let format = format(call)?;
    let mut reading = Reading::open(&PathBuf::from(path))?;
    let schema = reading.past.schema().clone();
    let id = reading.table(table)?;
    let column = column.first().map(String::as_str);
    if let Some(column) = column {
        reading.check_column(Some(id), column)?;
    }
    let uuid = chosen(&mut reading, id, row)?;

    let table = schema.table(id);
    let mut blame: Blame<Arc<Origin>> = Blame::default();
    reading.walk(&mut |record| {
        let mut changes = record.changes();
        let change = changes.find(|change| {
            change.uuid == uuid && std::ptr::eq(change.table(), record.database.schema().table(id))
        });
        if let Some(change) = change {
            let origin = Arc::new(Origin {
                number: record.number,
                annotations: record.annotations.clone(),
            });
            blame.note(table, change.new.map(|(_, row)| row), &origin);
        }
        Ok(ControlFlow::Continue(()))
    })?;
    let Some(found) = blame.row() else {
        return Err(ToolError::NoSuchRow {
            name: reading.past.name().to_owned(),
            table: Some(table.name.to_string()),
            text: row.clone(),
        });
    };
    let columns = blame.columns().iter();
    let columns = columns
        .filter(|blamed| column.is_none_or(|wanted| table.column(blamed.column).name == wanted));
    let told = Told {
        table,
        row: found,
        blame: &blame,
        columns: columns.collect(),
    };
    match format {
        Format::Text => call.out.write_all(told.text().as_bytes())?,
        Format::Json => call.line(told.json())?,
    }
    Ok(Answer::Yes)
}

/// The row that is meant. A name may have been that of several: then it is the one that is there at the end, or else the one
/// that was deleted last.
fn chosen(reading: &mut Reading, id: TableId, words: &str) -> Result<Uuid, ToolError> {
    let found = reading.find(&RowSelection::new(words), Some(id))?;
    let candidates: BTreeSet<Uuid> = found.into_iter().map(|(_, uuid)| uuid).collect();
    if let (Some(only), 1) = (candidates.first(), candidates.len()) {
        return Ok(*only);
    }
    let mut last = None;
    let mut living = BTreeSet::new();
    reading.walk(&mut |record| {
        let table = record.database.schema().table(id);
        for change in record.changes() {
            if !std::ptr::eq(change.table(), table) || !candidates.contains(&change.uuid) {
                continue;
            }
            if change.new.is_some() {
                living.insert(change.uuid);
            } else {
                living.remove(&change.uuid);
                last = Some(change.uuid);
            }
        }
        Ok(ControlFlow::Continue(()))
    })?;
    let chosen = living.first().copied().or(last);
    match chosen {
        Some(chosen) if living.len() <= 1 => Ok(chosen),
        _ => Err(ToolError::ambiguous(reading.past.name(), words, &living)),
    }
}

/// What is told.
struct Told<'a> {
    table: &'a TableSchema,
    row: &'a Row,
    blame: &'a Blame<Arc<Origin>>,
    columns: Vec<&'a ColumnBlame<Arc<Origin>>>,
}

impl Told<'_> {
    fn value(&self, column: &ColumnBlame<Arc<Origin>>) -> Value<'_> {
        Value {
            datum: self.row.get(column.column),
            ty: &self.table.column(column.column).ty,
        }
    }

    fn text(&self) -> String {
        let mut out = format!("{} {}", self.table.name, self.row.uuid());
        if let Some(name) = row_name(self.table, self.row) {
            out.push_str(&format!(" {}", text::quoted(&name)));
        }
        out.push('\n');
        let events = [
            ("inserted by", self.blame.inserted()),
            ("deleted by", self.blame.deleted()),
        ];
        for (event, origin) in events {
            if let Some(origin) = origin {
                out.push_str(&format!("{event} {}\n", told(origin)));
            }
        }
        let lines: Vec<(String, &Origin)> = self
            .columns
            .iter()
            .flat_map(|column| self.lines(column))
            .collect();
        let widths = lines.iter().map(|(value, _)| value.chars().count());
        let width = widths.filter(|width| *width <= VALUE_WIDTH_MAX).max();
        let width = width.unwrap_or(VALUE_WIDTH_MAX);
        for (value, origin) in lines {
            writeln!(out, "{value:<width$}  {}", told(origin)).expect("a string has room");
        }
        out
    }

    /// A column's value, or its elements one by one, with who set them.
    fn lines<'a>(&'a self, column: &'a ColumnBlame<Arc<Origin>>) -> Vec<(String, &'a Origin)> {
        let name = &self.table.column(column.column).name;
        let Value { datum, ty } = self.value(column);
        let Some(elements) = &column.elements else {
            let line = format!("{name}: {}", datum_to_string(datum, ty));
            return vec![(line, &column.set)];
        };
        let lines = datum.iter().map(|(key, value)| {
            let line = format!("{name}: {}", text::element(key, value));
            (line, elements.get(key).unwrap_or(&column.set).as_ref())
        });
        let mut lines: Vec<_> = lines.collect();
        // What took something away set none of what is there.
        if !lines
            .iter()
            .any(|(_, origin)| origin.number == column.set.number)
        {
            let line = match datum.is_empty() {
                true => format!("{name}: {}", datum_to_string(datum, ty)),
                false => format!("{name}: (the last to go)"),
            };
            lines.push((line, &column.set));
        }
        lines
    }

    fn json(&self) -> Json {
        let origin = |origin: &Origin| {
            let mut told = json::origin(origin.number, &origin.annotations);
            told.insert("is_snapshot", Json::Bool(origin.is_snapshot()));
            Json::Object(told)
        };
        let event = |event: Option<&Arc<Origin>>| event.map_or(Json::Null, |found| origin(found));
        let mut columns = Object::with_capacity(self.columns.len());
        for column in &self.columns {
            let value = self.value(column);
            let elements = column.elements.as_ref().map(|elements| {
                let told = value.datum.iter().map(|(key, element)| {
                    let set = elements.get(key).unwrap_or(&column.set);
                    json::object([
                        ("key", key.to_json()),
                        (
                            "value",
                            element.map_or(Json::Null, ovsdb_proto::atom::Atom::to_json),
                        ),
                        ("set", origin(set)),
                    ])
                });
                ("elements", Json::Array(told.collect()))
            });
            let members = [("value", json::value(value)), ("set", origin(&column.set))];
            columns.insert(
                self.table.column(column.column).name.clone(),
                json::object(members.into_iter().chain(elements)),
            );
        }
        let name = row_name(self.table, self.row);
        json::object([
            ("table", Json::string(self.table.name.clone())),
            ("row", Json::string(self.row.uuid().to_string())),
            ("name", name.map_or(Json::Null, Json::string)),
            ("inserted", event(self.blame.inserted())),
            ("deleted", event(self.blame.deleted())),
            ("columns", Json::Object(columns)),
        ])
    }
}

/// A record, with a word if nobody knows what was before it.
fn told(origin: &Origin) -> String {
    let heading = heading(origin.number, &origin.annotations);
    if origin.is_snapshot() {
        return format!("{heading}, or before: earlier changes are not in the file");
    }
    match origin.annotations.command() {
        Some(command) if origin.annotations.comment.as_deref() != Some(command) => {
            format!("{heading} ({command})")
        }
        _ => heading,
    }
}
