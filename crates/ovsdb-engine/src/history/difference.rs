//! Two databases compared: which rows only one of them has, and which have other values.
//!
//! Rows are the same if their UUIDs are, in tables of one name. The schemas may differ.

use std::sync::Arc;

use ovsdb_proto::schema::{Schema, TableSchema};

use super::change::{Change, kept_columns};
use crate::database::{Database, Row, Table};

/// The rows that differ between two databases, in the order of the names of their tables, then of their UUIDs.
pub fn differences<'a>(old: &'a Database, new: &'a Database) -> impl Iterator<Item = Change<'a>> {
    let names = names_of_both(old.schema(), new.schema());
    names.into_iter().flat_map(move |name| {
        let (old, new) = (Side::of(old, name), Side::of(new, name));
        Differences { old, new }
    })
}

/// The names of all tables, in order.
fn names_of_both<'a>(old: &'a Schema, new: &'a Schema) -> Vec<&'a str> {
    let tables = old.tables.iter().chain(&new.tables);
    let mut names: Vec<_> = tables.map(|table| table.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// The rows of a table that have not been compared yet, in the order of their UUIDs.
struct Side<'a> {
    /// `None` if the schema does not have the table.
    table: Option<&'a TableSchema>,
    rows: std::iter::Peekable<Box<dyn Iterator<Item = &'a Arc<Row>> + 'a>>,
}

impl<'a> Side<'a> {
    fn of(database: &'a Database, name: &str) -> Side<'a> {
        let found = database.schema().table_by_name(name);
        let rows: Box<dyn Iterator<Item = &'a Arc<Row>>> = match found {
            Some((id, _)) => Box::new(Table::iter(database.table(id))),
            None => Box::new(std::iter::empty()),
        };
        Side {
            table: found.map(|(_, table)| table),
            rows: rows.peekable(),
        }
    }

    fn next(&mut self) -> Option<(&'a TableSchema, &'a Arc<Row>)> {
        self.table.zip(self.rows.next())
    }
}

struct Differences<'a> {
    old: Side<'a>,
    new: Side<'a>,
}

impl<'a> Iterator for Differences<'a> {
    type Item = Change<'a>;

    fn next(&mut self) -> Option<Change<'a>> {
        loop {
            let uuids = [self.old.rows.peek(), self.new.rows.peek()];
            let uuid = uuids.into_iter().flatten().map(|row| row.uuid()).min()?;
            let [takes_old, takes_new] = uuids.map(|row| row.is_some_and(|row| row.uuid() == uuid));
            let old = if takes_old { self.old.next() } else { None };
            let new = if takes_new { self.new.next() } else { None };
            let change = Change { uuid, old, new };
            match (old, new) {
                // Versions of one database share what did not change.
                (Some((table, old)), Some((new_table, new)))
                    if std::ptr::eq(table, new_table) && Arc::ptr_eq(old, new) => {}
                (Some(_), Some(_)) if change.columns().is_empty() => {}
                _ => return Some(change),
            }
        }
    }
}

/// How the schemas of two databases differ, of what concerns their contents.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SchemaDifference<'a> {
    /// Only the old one has the table.
    TableRemoved(&'a str),
    /// Only the new one has the table.
    TableAdded(&'a str),
    /// Only the old one has the column, of this table.
    ColumnRemoved(&'a str, &'a str),
    /// Only the new one has the column, of this table.
    ColumnAdded(&'a str, &'a str),
    /// The column of this table has another type.
    TypeChanged(&'a str, &'a str),
}

/// The differences between the tables of two schemas and between their columns that files keep, by name.
pub fn schema_differences<'a>(old: &'a Schema, new: &'a Schema) -> Vec<SchemaDifference<'a>> {
    let mut found = Vec::new();
    for name in names_of_both(old, new) {
        let tables = [old, new].map(|schema| schema.table_by_name(name).map(|(_, table)| table));
        match tables {
            [Some(old), Some(new)] => column_differences(name, old, new, &mut found),
            [Some(_), None] => found.push(SchemaDifference::TableRemoved(name)),
            _ => found.push(SchemaDifference::TableAdded(name)),
        }
    }
    found
}

fn column_differences<'a>(
    name: &'a str,
    old: &'a TableSchema,
    new: &'a TableSchema,
    found: &mut Vec<SchemaDifference<'a>>,
) {
    let columns = |table: &'a TableSchema| {
        kept_columns(table).map(move |id| (table.column(id).name.as_str(), &table.column(id).ty))
    };
    for (column, ty) in columns(old) {
        match columns(new).find(|(other, _)| *other == column) {
            None => found.push(SchemaDifference::ColumnRemoved(name, column)),
            Some((_, new)) if ty != new => found.push(SchemaDifference::TypeChanged(name, column)),
            Some(_) => {}
        }
    }
    for (column, _) in columns(new) {
        if !columns(old).any(|(other, _)| other == column) {
            found.push(SchemaDifference::ColumnAdded(name, column));
        }
    }
}
