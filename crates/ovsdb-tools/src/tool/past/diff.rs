//! `diff A B`: how two databases differ, of which each is a file, as it is or as it was at a moment (`FILE@MOMENT`).
//!
//! Rows are the same if their UUIDs are. The exit code is that of diff(1): 0 if nothing differs, 1 if something does, 2 if
//! that cannot be told, or not of all of a damaged file.

use std::io::Write;
use std::path::{Path, PathBuf};

use ovsdb_engine::history::{SchemaDifference, differences, schema_differences};
use ovsdb_proto::json::Json;
use ovsdb_proto::schema::Schema;
use ovsdb_server::past::{Moment, Version};

use super::{Format, Reading, format, heading, json, moment, text, warn};
use crate::tool::{Answer, Call, ToolError};

pub(in crate::tool) fn run(call: &mut Call<'_>) -> Result<Answer, ToolError> {
    let format = format(call)?;
    let [a, b] = [0, 1].map(|at| Side::parse(&call.arguments[at]));
    let [a, b] = [a?, b?];
    let names = [a.name(), b.name()];
    let (versions, is_whole) = read(&a, &b)?;
    let is_different = match format {
        Format::Text => print_text(&names, &versions, call.out)?,
        Format::Json => print_json(&versions, call.out)?,
    };
    Ok(match (is_whole, is_different) {
        (false, _) => Answer::Doubtful,
        (true, true) => Answer::Different,
        (true, false) => Answer::Yes,
    })
}

/// One of the two databases.
struct Side {
    path: PathBuf,
    moment: Moment,
    /// As it was given.
    text: String,
}

impl Side {
    /// `FILE` or `FILE@MOMENT`. What is the name of a file is taken for one.
    fn parse(text: &str) -> Result<Side, ToolError> {
        let whole = Side {
            path: PathBuf::from(text),
            moment: Moment::End,
            text: text.to_owned(),
        };
        match text.rsplit_once('@') {
            Some((path, moment)) if !whole.path.exists() => Ok(Side {
                path: PathBuf::from(path),
                moment: moment::parse_moment(text, moment)?,
                ..whole
            }),
            _ => Ok(whole),
        }
    }

    fn name(&self) -> String {
        self.text.clone()
    }
}

/// Both databases, and whether the files could be read as far as they are asked about.
fn read(a: &Side, b: &Side) -> Result<([Version; 2], bool), ToolError> {
    if a.path == b.path {
        // What did not change between the two is there once.
        return read_moments(&a.path, [a.moment, b.moment]);
    }
    let ([old], old_is_whole) = read_moments(&a.path, [a.moment])?;
    let ([new], new_is_whole) = read_moments(&b.path, [b.moment])?;
    Ok(([old, new], old_is_whole && new_is_whole))
}

/// The database of a file at these moments, and whether the file could be read that far.
fn read_moments<const N: usize>(
    path: &Path,
    moments: [Moment; N],
) -> Result<([Version; N], bool), ToolError> {
    let mut reading = Reading::open(path)?;
    let bar = &reading.bar;
    let (versions, fault) = reading
        .past
        .versions_at(moments, &mut |offset| bar.set_position(offset))?;
    bar.finish_and_clear();
    let last = versions.iter().map(|version| version.number).max();
    warn(fault.as_ref(), reading.past.name(), last.unwrap_or(0));
    Ok((versions, fault.is_none()))
}

fn print_text(
    names: &[String; 2],
    versions: &[Version; 2],
    out: &mut dyn Write,
) -> Result<bool, ToolError> {
    let [old, new] = versions;
    let mut is_different = false;
    // Nothing is printed of what is the same.
    let begin = |out: &mut dyn Write, is_different: &mut bool| {
        if std::mem::replace(is_different, true) {
            return Ok(());
        }
        for ((mark, name), version) in ["---", "+++"].into_iter().zip(names).zip(versions) {
            let heading = heading(version.number, &version.annotations);
            writeln!(out, "{mark} {name}: {heading}")?;
        }
        Ok::<(), ToolError>(())
    };
    for difference in schema_changes(old.database.schema(), new.database.schema()) {
        begin(out, &mut is_different)?;
        let place = |table: &str, column: &str| format!("column {column} of table {table}");
        let line = match difference {
            SchemaDifference::TableRemoved(table) => format!("- table {table}"),
            SchemaDifference::TableAdded(table) => format!("+ table {table}"),
            SchemaDifference::ColumnRemoved(table, column) => {
                format!("- {}", place(table, column))
            }
            SchemaDifference::ColumnAdded(table, column) => format!("+ {}", place(table, column)),
            SchemaDifference::TypeChanged(table, column) => {
                format!("  {} has another type", place(table, column))
            }
        };
        writeln!(out, "{line}")?;
    }
    for change in differences(&old.database, &new.database) {
        begin(out, &mut is_different)?;
        let mut told = String::new();
        text::change(&change, &change.columns(), &mut told);
        out.write_all(told.as_bytes())?;
    }
    Ok(is_different)
}

fn print_json(versions: &[Version; 2], out: &mut dyn Write) -> Result<bool, ToolError> {
    let [old, new] = versions;
    let mut is_different = false;
    for difference in schema_changes(old.database.schema(), new.database.schema()) {
        is_different = true;
        let (change, table, column) = match difference {
            SchemaDifference::TableRemoved(table) => ("delete", table, None),
            SchemaDifference::TableAdded(table) => ("insert", table, None),
            SchemaDifference::ColumnRemoved(table, column) => ("delete", table, Some(column)),
            SchemaDifference::ColumnAdded(table, column) => ("insert", table, Some(column)),
            SchemaDifference::TypeChanged(table, column) => ("modify", table, Some(column)),
        };
        let schema = json::object([
            ("table", Json::string(table)),
            ("column", column.map_or(Json::Null, Json::string)),
            ("change", Json::string(change)),
        ]);
        writeln!(out, "{}", json::object([("schema", schema)]))?;
    }
    for change in differences(&old.database, &new.database) {
        is_different = true;
        writeln!(out, "{}", json::change(&change, &change.columns()))?;
    }
    Ok(is_different)
}

fn schema_changes<'a>(old: &'a Schema, new: &'a Schema) -> Vec<SchemaDifference<'a>> {
    match std::ptr::eq(old, new) {
        true => Vec::new(),
        false => schema_differences(old, new),
    }
}
