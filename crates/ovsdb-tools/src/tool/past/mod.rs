//! What the commands about the past of a database file have in common: their options, how they open and read the file,
//! and what they say of files that are damaged.
//!
//! Files are read and never written, so one that a server is writing to is as good as any other.

pub(super) mod blame;
pub(super) mod diff;
mod json;
pub(super) mod log;
mod moment;
mod newest_first;
pub(super) mod restore;
mod text;

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::Path;

use indicatif::ProgressBar;
use ovsdb_daemon::program;
use ovsdb_engine::history::{Annotations, Found, RowSelection};
use ovsdb_proto::schema::TableId;
use ovsdb_proto::uuid::Uuid;
use ovsdb_server::file::FileError;
use ovsdb_server::past::{Past, Record};

use super::progress;
use super::{Call, ToolError};
use crate::timestamp;

/// The options of these commands, as they were given.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    /// `--since` and `--until`.
    pub(super) since: Option<String>,
    pub(super) until: Option<String>,
    /// `--table`, `--row` and `--column`.
    pub(super) table: Option<String>,
    pub(super) row: Option<String>,
    pub(super) column: Option<String>,
    /// `--comment`.
    pub(super) comment: Option<String>,
    /// `--limit`.
    pub(super) limit: Option<String>,
    /// `--oldest-first`.
    pub(super) oldest_first: bool,
    /// `--at`.
    pub(super) at: Option<String>,
}

/// How answers are written.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs: a JSON object a line.
    Json,
}

/// The form that `--format` asks for.
fn format(call: &Call<'_>) -> Result<Format, ToolError> {
    match call.settings.format {
        None | Some("text") => Ok(Format::Text),
        Some("json") => Ok(Format::Json),
        Some(other) => Err(ToolError::UnknownFormat {
            format: other.to_owned(),
            known: "text, json",
        }),
    }
}

/// A database file that is read, with a bar on the terminal if it is large.
struct Reading {
    past: Past,
    bar: ProgressBar,
}

impl Reading {
    /// The table with this name.
    fn table(&self, name: &str) -> Result<TableId, ToolError> {
        let schema = self.past.schema();
        schema.table_id(name).ok_or_else(|| {
            let known = schema.tables.iter().map(|table| table.name.to_string());
            let mut known: Vec<String> = known.collect();
            known.sort_unstable();
            ToolError::NoSuchTable {
                name: self.past.name().to_owned(),
                table: name.to_owned(),
                known,
            }
        })
    }

    /// Checks that a table has a column, or any table if none is given.
    fn check_column(&self, table: Option<TableId>, column: &str) -> Result<(), ToolError> {
        let schema = self.past.schema();
        let has = |id: TableId| schema.table(id).column_id(column).is_some();
        let exists = match table {
            Some(id) => has(id),
            None => schema.table_ids().any(has),
        };
        if exists {
            return Ok(());
        }
        Err(ToolError::NoSuchColumn {
            name: self.past.name().to_owned(),
            table: table.map(|id| schema.table(id).name.to_string()),
            column: column.to_owned(),
        })
    }

    fn open(path: &Path) -> Result<Reading, ToolError> {
        let past = Past::open(path)?;
        let bar = progress::bar(path);
        Ok(Reading { past, bar })
    }

    /// Shows all records to `each`, until it breaks off, and warns of what cannot be read.
    fn walk(
        &mut self,
        each: &mut dyn FnMut(Record<'_>) -> Result<ControlFlow<()>, ToolError>,
    ) -> Result<(), ToolError> {
        let mut result = Ok(());
        let bar = &self.bar;
        let (version, fault) = self.past.walk(&mut |record| {
            bar.set_position(record.end);
            match each(record) {
                Ok(flow) => flow,
                Err(error) => {
                    result = Err(error);
                    ControlFlow::Break(())
                }
            }
        });
        self.bar.finish_and_clear();
        result?;
        warn(fault.as_ref(), self.past.name(), version.number);
        Ok(())
    }

    /// The rows that `selection` names, now or at any time before, in one table or in all. Nothing is said of what cannot
    /// be read.
    fn find(
        &mut self,
        selection: &RowSelection,
        table: Option<TableId>,
    ) -> Result<BTreeSet<(TableId, Uuid)>, ToolError> {
        let schema = self.past.schema().clone();
        let ids = || {
            schema
                .table_ids()
                .filter(|id| table.is_none_or(|only| only == *id))
        };
        if let Some(uuid) = selection.uuid() {
            return Ok(ids().map(|id| (id, uuid)).collect());
        }
        let mut found = Found::default();
        let bar = &self.bar;
        self.past.walk(&mut |record| {
            bar.set_position(record.end);
            for change in record.changes() {
                let Some((id, _)) = schema.table_by_name(&change.table().name) else {
                    continue;
                };
                if table.is_some_and(|only| only != id) {
                    continue;
                }
                // A row that goes has been looked at when it came to have its values.
                if let Some((table, row)) = change.new {
                    selection.look_at(id, table, row, &mut found);
                }
            }
            ControlFlow::Continue(())
        });
        self.bar.finish_and_clear();
        if found.is_ambiguous() {
            let uuids = found.rows().iter().map(|(_, uuid)| *uuid).collect();
            return Err(ToolError::ambiguous(
                self.past.name(),
                selection.text(),
                &uuids,
            ));
        }
        if found.rows().is_empty() {
            if let Some((column, _)) = selection.text().split_once('=') {
                self.check_column(table, column)?;
            }
            return Err(ToolError::NoSuchRow {
                name: self.past.name().to_owned(),
                table: table.map(|id| schema.table(id).name.to_string()),
                text: selection.text().to_owned(),
            });
        }
        Ok(found.rows().clone())
    }
}

/// Says on standard error that a file could be read up to record `number` only.
fn warn(fault: Option<&FileError>, name: &str, number: u64) {
    if let Some(fault) = fault {
        program::error(format_args!(
            "warning: {name}: nothing is read after record {number}: {fault}"
        ));
    }
}

/// A record as people refer to it: its number, its date and why it was written.
fn heading(number: u64, annotations: &Annotations) -> String {
    let mut text = format!("record {number}:");
    if let Some(date_ms) = annotations.date_ms {
        text = format!("{text} {}", timestamp::text(date_ms));
    }
    if let Some(comment) = &annotations.comment {
        text = format!("{text} {}", text::quoted(comment));
    }
    text
}
