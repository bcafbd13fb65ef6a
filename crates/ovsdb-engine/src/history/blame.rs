//! Who set the values of one row: for each column, and for each element of sets and maps, the change since which it is as it
//! is.

use std::collections::BTreeMap;
use std::sync::Arc;

use ovsdb_proto::atom::Atom;
use ovsdb_proto::datum::Datum;
use ovsdb_proto::schema::{ColumnId, TableSchema};

use super::change::kept_columns;
use crate::database::Row;

/// Where the values of one row come from. `O` says which change it was, and is copied a lot.
#[derive(Clone, Debug)]
pub struct Blame<O> {
    /// The row as it is, or as it was when it was deleted; `None` as long as there was none.
    row: Option<Arc<Row>>,
    inserted: Option<O>,
    deleted: Option<O>,
    columns: Vec<ColumnBlame<O>>,
}

/// Where the value of one column comes from.
#[derive(Clone, Debug)]
pub struct ColumnBlame<O> {
    /// The column.
    pub column: ColumnId,
    /// The last change of the value.
    pub set: O,
    /// For a column that can hold several elements, the change since which each has been there; for a pair of a map, since
    /// which its key has had its value.
    pub elements: Option<BTreeMap<Atom, O>>,
}

impl<O> Default for Blame<O> {
    fn default() -> Blame<O> {
        Blame {
            row: None,
            inserted: None,
            deleted: None,
            columns: Vec::new(),
        }
    }
}

impl<O: Clone> Blame<O> {
    /// Notes that `origin` made `new` of the row, which has been told here as it was before. `table` is the schema of its
    /// table.
    pub fn note(&mut self, table: &TableSchema, new: Option<&Arc<Row>>, origin: &O) {
        let Some(new) = new else {
            self.deleted = Some(origin.clone());
            return;
        };
        match self.row.take() {
            Some(old) if self.deleted.is_none() => {
                for column in &mut self.columns {
                    column.note(
                        table,
                        old.get(column.column),
                        new.get(column.column),
                        origin,
                    );
                }
            }
            _ => self.insert(table, new, origin),
        }
        self.row = Some(Arc::clone(new));
    }

    fn insert(&mut self, table: &TableSchema, new: &Row, origin: &O) {
        self.inserted = Some(origin.clone());
        self.deleted = None;
        let columns = kept_columns(table).map(|column| ColumnBlame {
            column,
            set: origin.clone(),
            elements: table.column(column).ty.is_composite().then(|| {
                let keys = new.get(column).keys();
                keys.map(|key| (key.clone(), origin.clone())).collect()
            }),
        });
        self.columns = columns.collect();
    }

    /// The row as it is, or as it was when it was deleted; `None` if there never was one.
    pub fn row(&self) -> Option<&Arc<Row>> {
        self.row.as_ref()
    }

    /// The change that inserted the row, for the last time if it came back.
    pub fn inserted(&self) -> Option<&O> {
        self.inserted.as_ref()
    }

    /// The change that deleted it, if it is gone.
    pub fn deleted(&self) -> Option<&O> {
        self.deleted.as_ref()
    }

    /// The columns that files keep, in the order of their names.
    pub fn columns(&self) -> &[ColumnBlame<O>] {
        &self.columns
    }
}

impl<O: Clone> ColumnBlame<O> {
    fn note(&mut self, table: &TableSchema, old: &Datum, new: &Datum, origin: &O) {
        if old == new {
            return;
        }
        self.set = origin.clone();
        let Some(elements) = &mut self.elements else {
            return;
        };
        debug_assert!(table.column(self.column).ty.is_composite());
        let (added, removed) = Datum::added_removed(old, new);
        for key in removed.keys() {
            elements.remove(key);
        }
        for key in added.keys() {
            elements.insert(key.clone(), origin.clone());
        }
    }
}
