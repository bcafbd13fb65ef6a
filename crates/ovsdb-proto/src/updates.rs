//! What a monitor tells: `<table-updates>` (RFC 7047, section 4.1.6) and `<table-updates2>` (ovsdb-server(7), section
//! 4.1.14), read by their receiver.
//!
//! They are read straight from the text; only what the cursor stops at goes by way of a tree, which has the words for what
//! is wrong. Nothing here knows rows that were there before: whether an update fits them is for whoever keeps them.

mod read;
mod tree;

use std::fmt;
use std::sync::Arc;

use ecow::EcoString;

use crate::atom::Atom;
use crate::datum::{Datum, RowMemory};
use crate::error::OvsdbError;
use crate::json::cursor::{Cursor, Stop};
use crate::json::{self, Json, JsonError};
use crate::row::RowColumns;
use crate::schema::{ColumnId, Schema, TableId, TableSchema};
use crate::uuid::Uuid;

/// The form of an update, which follows from the method that asked for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Form {
    /// `<table-updates>`, of a `monitor`.
    Updates,
    /// `<table-updates2>`, of a `monitor_cond` or `monitor_cond_since`.
    Updates2,
}

/// What became of a row.
#[derive(Clone, Debug, PartialEq)]
pub enum RowUpdate {
    /// It is new: `_uuid`, `_version` and all columns of the table by their numbers. Columns that the update does not have
    /// hold their default values.
    Insert(Arc<[Datum]>),
    /// It was there, and is this now. Only [`Form::Updates`] says it like that.
    Replace(Arc<[Datum]>),
    /// It was there, and these columns changed: each value is what [`Datum::diff`] gives. Only [`Form::Updates2`] says it
    /// like that.
    Modify(RowColumns),
    /// It is gone.
    Delete,
}

/// What became of the rows of a table.
#[derive(Clone, Debug, PartialEq)]
pub struct TableUpdate {
    /// The table.
    pub table: TableId,
    /// The rows of which there is something to tell, in ascending order, each once.
    pub rows: Vec<(Uuid, RowUpdate)>,
}

/// An update: the tables of which there is something to tell, in ascending order, each once.
pub type TableUpdates = Vec<TableUpdate>;

/// Where in an update something is wrong, and what.
#[derive(Clone, Debug, PartialEq)]
pub struct UpdatesError {
    /// The name under which the table stands there, if it is about one.
    pub table: Option<EcoString>,
    /// The name under which the row stands there, if it is about one.
    pub row: Option<EcoString>,
    /// What is wrong.
    pub fault: Fault,
}

/// What is wrong in an update.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The text is not JSON.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// What should be an object is none.
    #[error("it is not an object")]
    NotObject,
    /// The schema has no such table.
    #[error("there is no such table")]
    UnknownTable,
    /// The name of the row is not a UUID.
    #[error("the name of the row is not a UUID")]
    NotUuid,
    /// The members of a row's update are not those of its form.
    #[error("it has not the members of an update")]
    Members,
    /// A column or value that the table does not have.
    #[error("{0}")]
    Row(Box<OvsdbError>),
}

impl fmt::Display for UpdatesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("update")?;
        if let Some(table) = &self.table {
            write!(f, " of table {table}")?;
        }
        if let Some(row) = &self.row {
            write!(f, " row {row}")?;
        }
        write!(f, ": {}", self.fault)
    }
}

impl std::error::Error for UpdatesError {}

impl From<OvsdbError> for Fault {
    fn from(error: OvsdbError) -> Fault {
        Fault::Row(Box::new(error))
    }
}

/// Reads updates of the tables of one schema. What repeats in rows that came in earlier updates is shared with them, so
/// one reader should read all that one monitor tells.
pub struct UpdatesReader {
    schema: Arc<Schema>,
    /// For each table by number.
    memories: Vec<RowMemory>,
    /// A row that is being made.
    row: Vec<Datum>,
}

impl UpdatesReader {
    /// A reader that has read nothing.
    pub fn new(schema: Arc<Schema>) -> UpdatesReader {
        let mut memories = Vec::new();
        memories.resize_with(schema.tables.len(), RowMemory::default);
        UpdatesReader {
            schema,
            memories,
            row: Vec::new(),
        }
    }

    /// The schema of what is read.
    pub fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// Reads the text of a whole update.
    ///
    /// # Errors
    /// The first thing that is wrong with it; of tables and rows, the first by name.
    pub fn read(&mut self, form: Form, text: &[u8]) -> Result<TableUpdates, UpdatesError> {
        if let Ok(text) = std::str::from_utf8(text)
            && let Ok(updates) = self.read_text(form, text)
        {
            return Ok(updates);
        }
        let json = json::parse(text).map_err(|error| UpdatesError {
            table: None,
            row: None,
            fault: error.into(),
        })?;
        self.read_json(form, &json)
    }

    /// Reads an update that is a tree already.
    ///
    /// # Errors
    /// As [`UpdatesReader::read`].
    pub fn read_json(&self, form: Form, json: &Json) -> Result<TableUpdates, UpdatesError> {
        tree::updates(&self.schema, form, json)
    }

    /// Reads the text of an update that is as updates mostly are.
    fn read_text(&mut self, form: Form, text: &str) -> Result<TableUpdates, Stop> {
        let mut cursor = Cursor::new(text);
        let updates = read::updates(self, form, &mut cursor)?;
        match cursor.peek() {
            Err(Stop::End) => Ok(updates),
            _ => Err(Stop::Unexpected),
        }
    }
}

/// Makes of `row`, which is the default row of `table` with what was told put in, the row called `uuid`. Leaves nothing in
/// it.
fn complete(row: &mut Vec<Datum>, uuid: Uuid) -> Arc<[Datum]> {
    row[ColumnId::UUID.index()] = Datum::from_atom(Atom::Uuid(uuid));
    row.drain(..).collect()
}

/// Puts the default row of `table` into `row`.
fn begin(row: &mut Vec<Datum>, table: &TableSchema) {
    row.clear();
    row.extend_from_slice(table.defaults());
}

#[cfg(test)]
mod tests;
