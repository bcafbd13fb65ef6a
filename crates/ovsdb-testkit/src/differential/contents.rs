//! What both databases are known to hold, as of the last full comparison.

use std::collections::BTreeMap;

use crate::raw::Raw;

/// A row: its columns, `_uuid` and `_version` among them, with numbers for UUIDs.
#[derive(Clone, Debug)]
pub struct Row {
    columns: BTreeMap<String, Raw>,
}

impl Row {
    /// The value of a column.
    pub fn column(&self, name: &str) -> Option<&Raw> {
        self.columns.get(name)
    }

    /// The number of the row's UUID.
    pub fn number(&self) -> u32 {
        match self.column("_uuid").and_then(|uuid| uuid.of_tag("uuid")) {
            Some(Raw::Name(number)) => *number,
            other => panic!("a row of a dump has a known UUID, not {other:?}"),
        }
    }

    /// The columns that an `insert` of the same row would name.
    pub fn own_columns(&self) -> impl Iterator<Item = (&String, &Raw)> {
        self.columns
            .iter()
            .filter(|(name, _)| !name.starts_with('_'))
    }
}

/// The rows of each table.
#[derive(Clone, Debug, Default)]
pub struct Contents {
    tables: BTreeMap<String, Vec<Row>>,
}

impl Contents {
    /// Replaces the rows of a table by those of a `select` result whose UUIDs are numbers.
    pub fn set_rows(&mut self, table: &str, rows: &[Raw]) {
        let rows = rows.iter().map(|row| match row {
            Raw::Object(members) => Row {
                columns: members.iter().cloned().collect(),
            },
            other => panic!("a row is an object, not {other}"),
        });
        self.tables.insert(table.to_owned(), rows.collect());
    }

    /// The rows of a table.
    pub fn rows(&self, table: &str) -> &[Row] {
        self.tables.get(table).map_or(&[], Vec::as_slice)
    }

    /// All tables with their rows.
    pub fn tables(&self) -> impl Iterator<Item = (&String, &Vec<Row>)> {
        self.tables.iter()
    }

    /// How many rows there are in all tables.
    pub fn len(&self) -> usize {
        self.tables.values().map(Vec::len).sum()
    }

    /// True if there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
