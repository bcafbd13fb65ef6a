//! `log [DB]`: what happened to a database, as its file tells it: which transactions, when, why, and which values they changed.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::path::PathBuf;

use ovsdb_engine::history::{Change, ColumnChange, RowSelection};
use ovsdb_proto::json::{Json, Object};
use ovsdb_proto::schema::{Schema, TableId};
use ovsdb_proto::uuid::Uuid;
use ovsdb_server::past::Record;

use super::newest_first::NewestFirst;
use super::{Format, Reading, Wanted, format, heading, json, moment, text};
use crate::tool::{Answer, Call, ToolError};

pub(in crate::tool) fn run(call: &mut Call<'_>) -> Result<Answer, ToolError> {
    let path: PathBuf = call.database(0);
    let wanted = call.settings.wanted;
    let format = format(call)?;
    let limit = match &wanted.limit {
        None => usize::MAX,
        Some(text) => text.parse().map_err(|_| ToolError::Limit(text.clone()))?,
    };
    let mut reading = Reading::open(&path)?;
    let mut filter = Filter::new(wanted, &mut reading)?;

    let mut newest_first = NewestFirst::new(limit);
    let mut printed = 0;
    let out = &mut *call.out;
    let bar = reading.bar.clone();
    reading.walk(&mut |record| {
        let Some(entry) = filter.entry(&record) else {
            return Ok(ControlFlow::Continue(()));
        };
        let entry = match format {
            Format::Text => entry.text().into_bytes(),
            Format::Json => entry.json(),
        };
        if !wanted.oldest_first {
            newest_first.push(entry).map_err(ToolError::Temporary)?;
        } else if printed < limit {
            printed += 1;
            bar.suspend(|| out.write_all(&entry))?;
        }
        let is_enough = wanted.oldest_first && printed >= limit;
        Ok(match is_enough {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        })
    })?;
    newest_first.print(call.out)?;
    Ok(Answer::Yes)
}

/// Which records and which of their changes are wanted.
struct Filter<'w> {
    since_ms: Option<i64>,
    until_ms: Option<i64>,
    table: Option<TableId>,
    rows: Option<BTreeSet<(TableId, Uuid)>>,
    column: Option<&'w str>,
    comment: Option<&'w str>,
    /// The date of the record before: one without a date goes with it.
    last_ms: Option<i64>,
}

impl<'w> Filter<'w> {
    fn new(wanted: &'w Wanted, reading: &mut Reading) -> Result<Filter<'w>, ToolError> {
        let time = |option: &str, text: &Option<String>| {
            let text = text.as_deref();
            text.map(|text| moment::parse_time(option, text))
                .transpose()
        };
        let since_ms = time("--since", &wanted.since)?;
        let until_ms = time("--until", &wanted.until)?;
        let table = wanted.table.as_deref();
        let table = table.map(|name| reading.table(name)).transpose()?;
        let column = wanted.column.as_deref();
        if let Some(column) = column {
            reading.check_column(table, column)?;
        }
        let rows = match &wanted.row {
            Some(text) => Some(reading.find(&RowSelection::new(text), table)?),
            None => None,
        };
        Ok(Filter {
            since_ms,
            until_ms,
            table,
            rows,
            column,
            comment: wanted.comment.as_deref(),
            last_ms: None,
        })
    }

    /// What is told of a record; `None` if that is nothing.
    fn entry<'a>(&mut self, record: &'a Record<'_>) -> Option<Entry<'a>> {
        self.last_ms = record.annotations.date_ms.or(self.last_ms);
        let is_in_time = self
            .since_ms
            .is_none_or(|since| self.last_ms >= Some(since))
            && self
                .until_ms
                .is_none_or(|until| self.last_ms.is_some_and(|date| date <= until));
        let comment = record.annotations.comment.as_deref();
        let has_comment = self
            .comment
            .is_none_or(|wanted| comment.is_some_and(|comment| comment.contains(wanted)));
        if !is_in_time || !has_comment {
            return None;
        }
        let schema = record.database.schema();
        let is_snapshot = record.number == 1 && record.annotations.is_snapshot();
        let shown = if is_snapshot && self.rows.is_none() && self.column.is_none() {
            Shown::Rows(self.count(schema, record))
        } else {
            let mut changes: Vec<_> = record
                .changes()
                .filter_map(|change| Some((change, self.columns(schema, &change)?)))
                .collect();
            changes.sort_by(|(a, _), (b, _)| {
                (&a.table().name, a.uuid).cmp(&(&b.table().name, b.uuid))
            });
            Shown::Changes(changes)
        };
        // What changed nothing is of interest only if it says why.
        let is_for_all = self.table.is_none() && self.rows.is_none() && self.column.is_none();
        let says_something = comment.is_some() && is_for_all && record.is_empty();
        let entry = Entry {
            record,
            is_snapshot,
            shown,
        };
        (says_something || !entry.is_empty()).then_some(entry)
    }

    /// The columns of a change that are wanted; `None` if the change is not.
    fn columns<'a>(&self, schema: &Schema, change: &Change<'a>) -> Option<Vec<ColumnChange<'a>>> {
        if self.table.is_some() || self.rows.is_some() {
            let id = schema.table_id(&change.table().name)?;
            let is_wanted = self.table.is_none_or(|table| table == id)
                && (self.rows.as_ref()).is_none_or(|rows| rows.contains(&(id, change.uuid)));
            if !is_wanted {
                return None;
            }
        }
        let mut columns = change.columns();
        if let Some(name) = self.column {
            columns.retain(|column| column.column == name);
            if columns.is_empty() {
                return None;
            }
        }
        Some(columns)
    }

    /// How many rows of each table there are.
    fn count<'a>(&self, schema: &'a Schema, record: &'a Record<'_>) -> BTreeMap<&'a str, usize> {
        let tables = schema
            .table_ids()
            .filter(|id| self.table.is_none_or(|only| only == *id));
        let counts = tables.map(|id| {
            let name = schema.table(id).name.as_str();
            (name, record.database.table(id).len())
        });
        counts.filter(|(_, count)| *count > 0).collect()
    }
}

/// What is told of one record.
struct Entry<'a> {
    record: &'a Record<'a>,
    /// The record holds all that the database had.
    is_snapshot: bool,
    shown: Shown<'a>,
}

enum Shown<'a> {
    Changes(Vec<(Change<'a>, Vec<ColumnChange<'a>>)>),
    /// The number of rows by table, where they are all that there was.
    Rows(BTreeMap<&'a str, usize>),
}

impl Entry<'_> {
    fn is_empty(&self) -> bool {
        matches!(&self.shown, Shown::Changes(changes) if changes.is_empty())
    }

    fn text(&self) -> String {
        let mut out = heading(self.record.number, &self.record.annotations);
        out.push('\n');
        if self.is_snapshot {
            out.push_str(
                "  This is all that the database held then. What had happened before, the file does not tell.\n",
            );
        }
        match &self.shown {
            Shown::Changes(changes) => {
                for (change, columns) in changes {
                    text::change(change, columns, &mut out);
                }
            }
            Shown::Rows(counts) => {
                for (table, count) in counts {
                    out.push_str(&format!("  {table}: {count} rows\n"));
                }
            }
        }
        out.push('\n');
        out
    }

    fn json(&self) -> Vec<u8> {
        let mut object = json::origin(self.record.number, &self.record.annotations);
        object.insert("is_snapshot", Json::Bool(self.is_snapshot));
        match &self.shown {
            Shown::Changes(changes) => {
                let changes = changes
                    .iter()
                    .map(|(change, columns)| json::change(change, columns));
                object.insert("changes", Json::Array(changes.collect()));
            }
            Shown::Rows(counts) => {
                let mut rows = Object::with_capacity(counts.len());
                for (table, count) in counts {
                    rows.insert(*table, Json::Integer(*count as i64));
                }
                object.insert("rows", Json::Object(rows));
            }
        }
        let mut out = Json::Object(object).to_bytes();
        out.push(b'\n');
        out
    }
}
