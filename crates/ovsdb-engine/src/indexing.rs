//! How indexes that come by use are made, offered, taken over and given up. The idea: [`index`](crate::index).

use std::sync::Arc;
use std::sync::atomic::Ordering;

use ovsdb_proto::schema::{ColumnId, TableId};
use ovsdb_proto::uuid::Uuid;

use crate::database::{Database, Row, Table};
use crate::index::{ColumnIndex, INDEX_ENTRIES_TOTAL_MAX, INDEXES_PER_TABLE_MAX};
use crate::pmap::{Difference, PMap};
use crate::usage::Offer;

/// Rows that may differ between an index and the version of a transaction that takes it over: what it takes no longer than
/// a few milliseconds to enter.
const ADOPTED_ROWS_MAX: usize = 8192;

/// An index that has come by use.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct IndexByUse {
    /// The table.
    pub table: TableId,
    /// The column whose elements are found by it.
    pub column: ColumnId,
    /// How many entries it has: one for each element of the column in each row, or for having none.
    pub entries: usize,
}

impl Database {
    /// Whether look-ups have cost so much that an index should be made. It costs next to nothing to ask.
    pub fn wants_indexes(&self) -> bool {
        self.signals().is_wanted.load(Ordering::Acquire)
    }

    /// Wants an index of a column, as if many look-ups had cost too much without it.
    pub fn want_index(&self, table: TableId, column: ColumnId) {
        let table = self.table(table);
        table.usage.want(column, table.len());
    }

    /// Makes the indexes that are wanted, for the rows of this version, and offers them to readers of the same rows and to
    /// later transactions. It takes about as long as reading each table through a few times; nothing is locked meanwhile.
    pub fn build_indexes(&self) {
        if !self.signals().is_wanted.swap(false, Ordering::AcqRel) {
            return;
        }
        let tables = || self.table_ids().map(|id| self.table(id));
        for table in tables() {
            for column in table.usage.begin_building(table.len()) {
                let total: usize = tables().map(Table::index_entries).sum();
                let made = table.build_index(column, INDEX_ENTRIES_TOTAL_MAX.saturating_sub(total));
                table.usage.end_building(column, made);
            }
        }
    }

    /// The indexes that have come by use, those that are offered included.
    pub fn indexes_by_use(&self) -> Vec<IndexByUse> {
        let of_table = |id: TableId| {
            let table = self.table(id);
            table
                .all_indexes()
                .into_iter()
                .map(move |index| IndexByUse {
                    table: id,
                    column: index.column(),
                    entries: index.len(),
                })
        };
        self.table_ids().flat_map(of_table).collect()
    }

    /// Takes over the indexes that are offered.
    pub(crate) fn adopt_indexes(&mut self) {
        if self.signals().offered.load(Ordering::Acquire) == 0 {
            return;
        }
        for id in self.table_ids() {
            let table = self.table(id);
            if !table.usage.has_offers() {
                continue;
            }
            let usage = table.usage.clone();
            // What the version has that a transaction starts from, later ones will have as well. As long as nothing has
            // changed, readers may be left with one that has not.
            usage.settle_offers(|offer| {
                table.index_by_use(offer.index.column()).is_some() && offer.is_past(&table.rows)
            });
            for Offer { mut index, rows } in usage.offers() {
                let (table, column) = (self.table(id), index.column());
                if table.index_by_use(column).is_some() {
                    continue;
                }
                if !index.follow(&rows, &table.rows, ADOPTED_ROWS_MAX) {
                    usage.want(column, table.len());
                } else if !self.table_mut(id).add_index(index) {
                    usage.settle_offers(|offer| offer.index.column() == column);
                }
            }
        }
    }
}

impl Offer {
    /// Whether `rows` are others than those for which the index was made, or too far from them to tell.
    fn is_past(&self, rows: &PMap<Uuid, Arc<Row>>) -> bool {
        let mut differences = self.rows.differences(rows).enumerate();
        differences.any(|(visited, difference)| {
            // What was undone has left nodes that are not shared, with the same rows in them.
            visited == ADOPTED_ROWS_MAX
                || !matches!(difference, Difference::Both(_, a, b) if Arc::ptr_eq(a, b))
        })
    }
}

impl Table {
    fn index_by_use(&self, column: ColumnId) -> Option<&ColumnIndex> {
        let mut indexes = self.by_use.iter();
        indexes.find(|index| index.column() == column)
    }

    /// The index of `column` that has come by use.
    pub(crate) fn index_of(&self, column: ColumnId) -> Option<ColumnIndex> {
        let own = self.index_by_use(column).cloned();
        own.or_else(|| self.usage.offered(column, &self.rows))
    }

    fn all_indexes(&self) -> Vec<ColumnIndex> {
        let mut all = self.by_use.clone();
        for offer in self.usage.offers() {
            if self.index_by_use(offer.index.column()).is_none() {
                all.push(offer.index);
            }
        }
        all
    }

    fn index_entries(&self) -> usize {
        self.all_indexes().iter().map(ColumnIndex::len).sum()
    }

    /// The index of `column`, unless the table has it, or cannot have another one.
    fn build_index(&self, column: ColumnId, entries_max: usize) -> Option<Offer> {
        if self.index_by_use(column).is_some() || column.is_standard() {
            return None;
        }
        let rows = self.rows.clone();
        let mut offers = self.usage.offers().into_iter();
        if let Some(Offer {
            mut index,
            rows: of,
        }) = offers.find(|offer| offer.index.column() == column)
        {
            index.follow(&of, &rows, usize::MAX);
            return Some(Offer { index, rows });
        }
        let all = self.all_indexes();
        if all.len() >= INDEXES_PER_TABLE_MAX && all.iter().all(ColumnIndex::is_used) {
            // Those that are not used from now on have to give way the next time.
            all.iter().for_each(ColumnIndex::forget_use);
            return None;
        }
        let index = ColumnIndex::build(column, &rows, entries_max).ok()?;
        Some(Offer { index, rows })
    }

    /// Adds an index; if there are too many, one goes that has not been used for a while. False if there is none.
    fn add_index(&mut self, index: ColumnIndex) -> bool {
        if self.by_use.len() >= INDEXES_PER_TABLE_MAX {
            let mut indexes = self.by_use.iter();
            let Some(unused) = indexes.position(|index| !index.is_used()) else {
                return false;
            };
            self.by_use.swap_remove(unused);
        }
        self.by_use.push(index);
        true
    }

    /// Enters into the indexes that a row has other contents; `None`: it is not there.
    pub(crate) fn change_indexes(&mut self, row: Uuid, before: Option<&Row>, after: Option<&Row>) {
        self.by_use.retain_mut(|index| {
            index.change(row, before, after);
            index.is_worth_keeping()
        });
    }
}
