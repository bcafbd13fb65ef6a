//! A commit: what a transaction changed, as a value.
//!
//! Monitors, parked transactions, the log and history read commits; the engine calls none of them. A
//! commit can be applied to the version before it, and backwards to the version after it.

use std::sync::Arc;

use ovsdb_proto::schema::TableId;
use ovsdb_proto::uuid::Uuid;
use smallvec::SmallVec;

use crate::database::{Database, Row};
use crate::draft::Draft;
use crate::pmap::{Difference, PMap};

/// One row before and after a transaction.
#[derive(Clone, Debug)]
pub struct RowChange {
    /// The table that has, or had, the row.
    pub table: TableId,
    /// The row.
    pub uuid: Uuid,
    /// The row before; `None` if it was inserted.
    pub old: Option<Arc<Row>>,
    /// The row after; `None` if it was deleted.
    pub new: Option<Arc<Row>>,
}

/// What a transaction changed: each changed row once, never empty.
#[derive(Clone, Debug)]
pub struct Commit {
    /// The changes, in the order in which the rows were first touched.
    pub changes: Vec<RowChange>,
}

impl RowChange {
    /// How the rows of a table differ in what two of its versions do not share.
    pub(crate) fn between<'a>(
        table: TableId,
        before: &'a PMap<Uuid, Arc<Row>>,
        after: &'a PMap<Uuid, Arc<Row>>,
    ) -> impl Iterator<Item = RowChange> + 'a {
        before.differences(after).filter_map(move |difference| {
            let (uuid, old, new) = match difference {
                Difference::First(uuid, old) => (uuid, Some(old), None),
                Difference::Second(uuid, new) => (uuid, None, Some(new)),
                Difference::Both(_, old, new) if Arc::ptr_eq(old, new) => return None,
                Difference::Both(uuid, old, new) => (uuid, Some(old), Some(new)),
            };
            Some(RowChange {
                table,
                uuid: *uuid,
                old: old.cloned(),
                new: new.cloned(),
            })
        })
    }
}

impl Commit {
    /// What has become of some tables between two versions of the same schema, as one commit; `None` if that is nothing.
    /// Looks at what the two do not share.
    pub fn between(
        before: &Database,
        after: &Database,
        tables: impl Iterator<Item = TableId>,
    ) -> Option<Commit> {
        let changes = tables.flat_map(|table| {
            let (before, after) = (before.table(table), after.table(table));
            RowChange::between(table, &before.rows, &after.rows)
        });
        let changes: Vec<RowChange> = changes.collect();
        (!changes.is_empty()).then_some(Commit { changes })
    }

    /// The tables with a change, each once, in ascending order.
    pub fn tables(&self) -> SmallVec<[TableId; 4]> {
        let mut tables: SmallVec<[TableId; 4]> = SmallVec::new();
        for change in &self.changes {
            // Changes of one table mostly come in a row.
            if tables.last() != Some(&change.table) {
                tables.push(change.table);
            }
        }
        tables.sort_unstable();
        tables.dedup();
        tables
    }

    /// About how many bytes of memory are in use for the commit alone: its list, and the old rows.
    ///
    /// The new rows do not count: those that are no longer in the database are the old rows of later commits, and count
    /// there. So the sum over a row of commits, up to the present version, is what keeping them costs.
    pub fn bytes(&self) -> usize {
        let of_old = |change: &RowChange| {
            let old = change.old.as_ref();
            old.map_or(0, |old| old.bytes_beside(change.new.as_deref()))
        };
        size_of::<Commit>()
            + self.changes.capacity() * size_of::<RowChange>()
            + self.changes.iter().map(of_old).sum::<usize>()
    }

    pub(crate) fn from_draft(draft: Draft) -> (Database, Option<Commit>) {
        let (next, touched) = draft.finish();
        let changes: Vec<RowChange> = touched
            .into_iter()
            // A row that came and went within the transaction is no change.
            .filter(|touched| touched.old.is_some() || touched.new.is_some())
            .map(|touched| RowChange {
                table: touched.key.0,
                uuid: touched.key.1,
                old: touched.old,
                new: touched.new,
            })
            .collect();
        let commit = (!changes.is_empty()).then_some(Commit { changes });
        (next, commit)
    }
}
