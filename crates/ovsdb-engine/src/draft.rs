//! The next version of a database while a transaction works on it.
//!
//! A draft knows which rows were touched, what they were before and what they are now. Every change of a row
//! goes through [`Draft::set`], which keeps the indexes in step, or, in columns that no index knows of, through
//! [`Draft::edit`]; reference counts follow at commit ([`passes`](crate::passes)). Dropping a draft is how a
//! transaction is aborted.

use std::sync::Arc;

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use hashbrown::hash_map::Entry;
use ovsdb_proto::schema::{ColumnId, Schema, TableId};
use ovsdb_proto::uuid::Uuid;

use crate::database::{Database, Row, Table, TablePlan, index_key};

/// Names a row within a database.
pub(crate) type RowKey = (TableId, Uuid);

/// A row that the transaction wrote, be it to no effect.
#[derive(Clone, Debug)]
pub(crate) struct Touched {
    pub(crate) key: RowKey,
    /// The row before the transaction; `None`: there was none.
    pub(crate) old: Option<Arc<Row>>,
    /// The row as it is now; `None`: it is gone.
    pub(crate) new: Option<Arc<Row>>,
}

/// A version in the making. See the module's documentation.
pub(crate) struct Draft {
    next: Database,
    /// The touched rows, in the order in which they were first touched.
    touched: Vec<Touched>,
    /// Where in `touched` a row stands.
    places: HashMap<RowKey, usize, FixedState>,
}

impl Draft {
    pub(crate) fn new(base: &Database) -> Draft {
        let mut next = base.clone();
        next.adopt_indexes();
        Draft {
            next,
            touched: Vec::new(),
            places: HashMap::default(),
        }
    }

    pub(crate) fn schema(&self) -> &Arc<Schema> {
        self.next.schema()
    }

    /// The table as the transaction sees it now.
    pub(crate) fn table(&self, table: TableId) -> &Table {
        self.next.table(table)
    }

    pub(crate) fn plan(&self, table: TableId) -> &TablePlan {
        self.next.plan(table)
    }

    /// For the maps that do not follow from one row alone; rows go through [`Draft::set`].
    pub(crate) fn table_mut(&mut self, table: TableId) -> &mut Table {
        self.next.table_mut(table)
    }

    /// The row as the transaction sees it now.
    pub(crate) fn row(&self, key: &RowKey) -> Option<&Arc<Row>> {
        self.next.row(key.0, &key.1)
    }

    /// What the transaction did to a row, if it touched it.
    pub(crate) fn touch(&self, key: &RowKey) -> Option<&Touched> {
        self.places.get(key).map(|&at| &self.touched[at])
    }

    /// Whether there is such a row, or was one before the transaction deleted it.
    pub(crate) fn is_or_was(&self, key: &RowKey) -> bool {
        match self.touch(key) {
            Some(touched) => touched.old.is_some() || touched.new.is_some(),
            None => self.row(key).is_some(),
        }
    }

    /// All touched rows, in the order of first touch.
    pub(crate) fn touched(&self) -> &[Touched] {
        &self.touched
    }

    /// Makes `new` the row's contents; `None` deletes it.
    pub(crate) fn set(&mut self, key: RowKey, new: Option<Arc<Row>>) {
        let (id, uuid) = key;
        let schema = self.next.schema().clone();
        let table = self.next.table_mut(id);
        let before = match &new {
            Some(row) => table.rows.insert(uuid, row.clone()),
            None => table.rows.remove(&uuid),
        };
        for (columns, entries) in schema.table(id).indexes.iter().zip(&mut table.indexes) {
            if let (Some(before), Some(new)) = (&before, &new) {
                let same = |&column: &ColumnId| before.get(column) == new.get(column);
                if columns.iter().all(same) {
                    continue;
                }
            }
            if let Some(before) = &before {
                entries.remove(&(index_key(before, columns), uuid));
            }
            if let Some(new) = &new {
                entries.insert((index_key(new, columns), uuid), ());
            }
        }
        table.change_indexes(uuid, before.as_deref(), new.as_deref());
        match self.places.entry(key) {
            Entry::Occupied(place) => self.touched[*place.get()].new = new,
            Entry::Vacant(place) => {
                place.insert(self.touched.len());
                self.touched.push(Touched {
                    key,
                    old: before,
                    new,
                });
            }
        }
    }

    /// Changes the touched row number `at`, which exists, in columns that no index knows of.
    pub(crate) fn edit(&mut self, at: usize, f: impl FnOnce(&mut Row)) {
        let touched = &mut self.touched[at];
        let (id, uuid) = touched.key;
        // Nobody else may hold the row, or it would have to be copied.
        touched.new = None;
        if let Some(row) = self.next.table_mut(id).rows.get_mut(&uuid) {
            f(Arc::make_mut(row));
            touched.new = Some(row.clone());
        }
    }

    /// Puts every row that was touched to no effect back to what it was, and forgets those.
    pub(crate) fn drop_unchanged(&mut self) {
        let schema = self.next.schema().clone();
        let unchanged = |touched: &Touched| match (&touched.old, &touched.new) {
            (None, None) => true,
            (Some(old), Some(new)) => {
                Arc::ptr_eq(old, new) || old.same_contents(new, schema.table(touched.key.0))
            }
            _ => false,
        };
        if !self.touched.iter().any(unchanged) {
            return;
        }
        let (forgotten, kept) = std::mem::take(&mut self.touched)
            .into_iter()
            .partition(unchanged);
        self.touched = kept;
        self.places.clear();
        self.places.extend(
            self.touched
                .iter()
                .enumerate()
                .map(|(at, touched)| (touched.key, at)),
        );
        for touched in forgotten {
            if let Some(old) = touched.old {
                // What it was is what it is: no index has to follow.
                self.next
                    .table_mut(touched.key.0)
                    .rows
                    .insert(touched.key.1, old);
            }
        }
    }

    /// Ends the work: the next version, and the rows that it touched.
    pub(crate) fn finish(self) -> (Database, Vec<Touched>) {
        (self.next, self.touched)
    }
}
