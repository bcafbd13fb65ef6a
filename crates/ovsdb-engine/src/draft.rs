//! The next version of a database while a transaction works on it.
//!
//! A draft knows which rows were touched and what they were before. Every change of a row goes through
//! [`Draft::set`], which keeps the indexes in step; reference counts follow at commit
//! ([`passes`](crate::passes)). Dropping a draft is how a transaction is aborted.

use std::sync::Arc;

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use ovsdb_proto::schema::{ColumnId, Schema, TableId};
use ovsdb_proto::uuid::Uuid;

use crate::database::{Database, Row, Table, TablePlan, index_key};

/// Names a row within a database.
pub(crate) type RowKey = (TableId, Uuid);

/// A version in the making. See the module's documentation.
pub(crate) struct Draft {
    next: Database,
    /// The rows before the transaction, for every row that it touched. `None`: there was none.
    old: HashMap<RowKey, Option<Arc<Row>>, FixedState>,
    /// The keys of `old` in the order in which they were first touched.
    order: Vec<RowKey>,
}

impl Draft {
    pub(crate) fn new(base: &Database) -> Draft {
        Draft {
            next: base.clone(),
            old: HashMap::default(),
            order: Vec::new(),
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

    /// The row before the transaction; for an untouched row, as it is.
    pub(crate) fn old_row(&self, key: &RowKey) -> Option<&Arc<Row>> {
        match self.old.get(key) {
            Some(old) => old.as_ref(),
            None => self.row(key),
        }
    }

    /// Whether the transaction touched the row, be it to no effect.
    pub(crate) fn is_touched(&self, key: &RowKey) -> bool {
        self.old.contains_key(key)
    }

    /// How many rows were touched so far.
    pub(crate) fn touched_len(&self) -> usize {
        self.order.len()
    }

    /// The touched row number `at`, in the order of first touch.
    pub(crate) fn touched(&self, at: usize) -> RowKey {
        self.order[at]
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
        self.old.entry(key).or_insert_with(|| {
            self.order.push(key);
            before
        });
    }

    /// Changes a row that the transaction made, in place, in columns that no index knows of.
    pub(crate) fn edit(&mut self, key: &RowKey, f: impl FnOnce(&mut Row)) {
        if let Some(row) = self.next.table_mut(key.0).rows.get_mut(&key.1) {
            f(Arc::make_mut(row));
        }
    }

    /// Puts every row that was touched to no effect back to what it was, and forgets those.
    pub(crate) fn drop_unchanged(&mut self) {
        let order = std::mem::take(&mut self.order);
        for key in order {
            let old = self.old[&key].clone();
            let same = match (&old, self.row(&key)) {
                (None, None) => true,
                (Some(old), Some(new)) => Arc::ptr_eq(old, new) || old.same_contents(new),
                _ => false,
            };
            if same {
                if let Some(old) = old {
                    self.set(key, Some(old));
                }
                self.old.remove(&key);
            } else {
                self.order.push(key);
            }
        }
    }

    /// Ends the work: the next version, and the rows that differ with their old and new contents.
    pub(crate) fn finish(
        mut self,
    ) -> (Database, Vec<(RowKey, Option<Arc<Row>>, Option<Arc<Row>>)>) {
        let mut changes = Vec::with_capacity(self.order.len());
        for key in &self.order {
            let old = self.old.remove(key).flatten();
            let new = self.next.row(key.0, &key.1).cloned();
            if old.is_some() || new.is_some() {
                changes.push((*key, old, new));
            }
        }
        (self.next, changes)
    }
}
