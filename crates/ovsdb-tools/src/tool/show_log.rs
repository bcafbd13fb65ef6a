//! `show-log [DB]`: the records of a database file, in words. Each `-m` adds to them: rows, then columns.
//!
//! Tables, rows and columns come in the order of their names.

use std::collections::HashMap;

use ovsdb_log::CLUSTERED_MAGIC;
use ovsdb_proto::datum::Datum;
use ovsdb_proto::json::{Json, Object};
use ovsdb_proto::schema::{Schema, TableSchema};
use ovsdb_proto::symbols::Symbols;
use ovsdb_proto::text::datum_to_string;
use ovsdb_server::file::{self, FileError};

use super::schema::version_text;
use super::{Answer, Call, ToolError, db};
use crate::timestamp;

/// Dates of this size and less are seconds, as old files have them, and not milliseconds.
const DATE_SECONDS_MAX: i64 = i32::MAX as i64 - 1;

/// How many characters of a row's UUID stand for it.
const SHORT_UUID: usize = 8;

pub(super) fn run(call: &mut Call<'_>) -> Result<Answer, ToolError> {
    let mut log = db::open(&call.database(0))?;
    if log.magic() == CLUSTERED_MAGIC {
        return Err(FileError::Clustered {
            name: log.name().to_owned(),
        }
        .into());
    }

    let mut names = HashMap::new();
    let mut schema = None;
    let mut number = 0;
    while let Some(json) = file::read_json(&mut log)? {
        write!(call.out, "record {number}:")?;
        match &schema {
            None => {
                let read = Schema::from_json(&json)?;
                let (name, version, cksum) = (&read.name, version_text(&read), &read.cksum);
                call.line(format_args!(
                    " \"{name}\" schema, version=\"{version}\", cksum=\"{cksum}\""
                ))?;
                schema = Some(read);
            }
            Some(schema) => Printer {
                call,
                schema,
                names: &mut names,
            }
            .record(&json)?,
        }
        call.line("")?;
        number += 1;
    }
    Ok(Answer::Yes)
}

/// Prints one record.
struct Printer<'a, 'c> {
    call: &'a mut Call<'c>,
    schema: &'a Schema,
    /// What to call a row, by its UUID: its column `name` as far as it is known, or the beginning of its UUID.
    names: &'a mut HashMap<String, String>,
}

impl Printer<'_, '_> {
    fn record(&mut self, json: &Json) -> Result<(), ToolError> {
        let Json::Object(members) = json else {
            return Ok(());
        };
        if let Some(Json::Integer(date)) = members.get("_date") {
            let date_ms = if *date <= DATE_SECONDS_MAX {
                date.saturating_mul(1000)
            } else {
                *date
            };
            write!(self.call.out, " {}", timestamp::text(date_ms))?;
        }
        if let Some(Json::String(comment)) = members.get("_comment") {
            write!(self.call.out, " \"{comment}\"")?;
        }
        if self.call.settings.verbosity > 0 {
            self.tables(members)
        } else {
            Ok(())
        }
    }

    fn tables(&mut self, members: &Object) -> Result<(), ToolError> {
        let is_diff = matches!(members.get("_is_diff"), Some(Json::Bool(true)));
        let mut first = true;
        for (table, rows) in members.iter() {
            let Json::Object(rows) = rows else { continue };
            if table.starts_with('_') {
                continue;
            }
            if std::mem::take(&mut first) {
                self.call.line("")?;
            }
            for (uuid, columns) in rows.iter() {
                self.row(table, uuid, columns, is_diff)?;
            }
        }
        Ok(())
    }

    fn row(
        &mut self,
        table: &str,
        uuid: &str,
        columns: &Json,
        is_diff: bool,
    ) -> Result<(), ToolError> {
        let short = uuid.get(..SHORT_UUID).unwrap_or(uuid);
        let new_name = columns.get("name").map(Json::to_string);
        let old_name = self.names.get(uuid);
        let what = match (old_name, &new_name) {
            (Some(name), _) => {
                format!("row {name} ({short}){}", if is_diff { " diff" } else { "" })
            }
            (None, Some(name)) => format!("insert row {name} ({short})"),
            (None, None) => format!("insert row {short}"),
        };
        let is_new = old_name.is_none();
        self.call.line(format_args!("  table {table} {what}:"))?;

        match columns {
            Json::Object(columns) => {
                if self.call.settings.verbosity > 1 {
                    self.columns(table, columns)?;
                }
                if let Some(name) = new_name {
                    self.names.insert(uuid.to_owned(), name);
                } else if is_new {
                    self.names.insert(uuid.to_owned(), short.to_owned());
                }
            }
            Json::Null => {
                self.call.line("    delete row")?;
                self.names.remove(uuid);
            }
            _ => {}
        }
        Ok(())
    }

    fn columns(&mut self, table: &str, columns: &Object) -> Result<(), ToolError> {
        let table = self.schema.table_by_name(table).map(|(_, table)| table);
        for (column, value) in columns.iter() {
            let value = table
                .and_then(|table| value_text(table, column, value))
                .unwrap_or_else(|| value.to_string());
            self.call.line(format_args!("    {column}={value}"))?;
        }
        Ok(())
    }
}

/// A value as people write it; `None` if there is no such column or the value does not fit it, as differences may not.
fn value_text(table: &TableSchema, column: &str, value: &Json) -> Option<String> {
    let ty = &table.column(table.column_id(column)?).ty;
    let datum = Datum::from_json(value, ty, &mut Symbols::none()).ok()?;
    Some(datum_to_string(&datum, ty))
}
