//! The rows of all tables at one moment, such that the next moment shares what does not change.
//!
//! A database has dozens of tables, and most updates change one of them. If all were in one list, to copy it would touch the
//! memory of every table once when a version begins and once when it ends; of a list of short lists only one is copied.

use std::sync::Arc;

use ovsdb_pmap::PMap;
use ovsdb_proto::schema::TableId;
use ovsdb_proto::uuid::Uuid;

/// Tables of a short list. A change copies two lists: for the tables of any schema in use, this makes both short.
const LIST_TABLES: usize = 8;

/// The rows of a few tables.
type List<R> = Arc<[PMap<Uuid, R>]>;

/// The rows (`R`) of tables, by the numbers of these. A clone is the same rows.
#[derive(Clone, Debug)]
pub(super) struct Tables<R>(Arc<[List<R>]>);

impl<R> Tables<R> {
    /// So many tables without rows.
    pub(super) fn empty(count: usize) -> Tables<R> {
        let list: List<R> = (0..LIST_TABLES).map(|_| PMap::new()).collect();
        Tables(vec![list; count.div_ceil(LIST_TABLES)].into())
    }

    /// The rows of a table.
    pub(super) fn rows(&self, table: TableId) -> &PMap<Uuid, R> {
        &self.0[table.index() / LIST_TABLES][table.index() % LIST_TABLES]
    }
}

impl<R: Clone> Tables<R> {
    /// The rows of a table, to be changed in place. Those of other tables stay shared.
    pub(super) fn rows_mut(&mut self, table: TableId) -> &mut PMap<Uuid, R> {
        let list = &mut Arc::make_mut(&mut self.0)[table.index() / LIST_TABLES];
        &mut Arc::make_mut(list)[table.index() % LIST_TABLES]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_of_one_table_shares_all_others_and_leaves_the_copy_as_it_was() {
        for count in [1, LIST_TABLES, LIST_TABLES + 1, 3 * LIST_TABLES] {
            let ids = || (0..count).map(|id| TableId(u32::try_from(id).expect("it is small")));
            let mut before = Tables::empty(count);
            for id in ids() {
                let uuid = Uuid::from_bytes([id.0.to_le_bytes()[0]; 16]);
                before.rows_mut(id).insert(uuid, "old");
            }
            for changed in ids() {
                let mut after = before.clone();
                let rows = after.rows_mut(changed);
                rows.insert(Uuid::from_bytes([0xff; 16]), "new");
                for id in ids() {
                    let is_shared = after.rows(id).is_shared_with(before.rows(id));
                    assert_eq!(is_shared, id != changed);
                    assert_eq!(before.rows(id).len(), 1);
                    assert_eq!(after.rows(id).len(), 1 + usize::from(id == changed));
                }
            }
        }
    }
}
