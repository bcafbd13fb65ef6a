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

    /// Takes over the indexes that are offered, and drops some if they have grown to more than all may have.
    pub(crate) fn adopt_indexes(&mut self) {
        self.adopt_within(INDEX_ENTRIES_TOTAL_MAX);
    }

    fn adopt_within(&mut self, entries_max: usize) {
        let signals = self.signals();
        if signals.has_grown.load(Ordering::Acquire)
            && signals.has_grown.swap(false, Ordering::AcqRel)
        {
            self.limit_indexes(entries_max);
        }
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
            for Offer {
                mut index,
                rows,
                is_far,
            } in usage.offers()
            {
                let (table, column) = (self.table(id), index.column());
                if is_far || table.index_by_use(column).is_some() {
                    continue;
                }
                if !index.follow(&rows, &table.rows, ADOPTED_ROWS_MAX) {
                    usage.want_nearer(column, table.len());
                } else if !self.table_mut(id).add_index(index) {
                    usage.settle_offers(|offer| offer.index.column() == column);
                }
            }
        }
    }
}

impl Database {
    /// Drops indexes until all together have no more than so many entries.
    fn limit_indexes(&mut self, entries_max: usize) {
        loop {
            let of_table = |id| {
                let indexes = self.table(id).by_use.iter();
                indexes.map(move |index| (id, index.column(), index.is_used(), index.len()))
            };
            let all: Vec<_> = self.table_ids().flat_map(of_table).collect();
            if all.iter().map(|(.., len)| len).sum::<usize>() <= entries_max {
                return;
            }
            let goes = all.iter().max_by_key(|(.., is_used, len)| (!is_used, *len));
            let &(table, column, ..) = goes.expect("some have entries");
            let indexes = &mut self.table_mut(table).by_use;
            indexes.retain(|index| index.column() != column);
        }
    }
}

impl Offer {
    fn new(index: ColumnIndex, rows: PMap<Uuid, Arc<Row>>) -> Offer {
        Offer {
            index,
            rows,
            is_far: false,
        }
    }

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
            ..
        }) = offers.find(|offer| offer.index.column() == column)
        {
            index.follow(&of, &rows, usize::MAX);
            return Some(Offer::new(index, rows));
        }
        let all = self.all_indexes();
        if all.len() >= INDEXES_PER_TABLE_MAX && all.iter().all(ColumnIndex::is_used) {
            // Those that are not used from now on have to give way the next time.
            all.iter().for_each(ColumnIndex::forget_use);
            return None;
        }
        let index = ColumnIndex::build(column, &rows, entries_max).ok()?;
        Some(Offer::new(index, rows))
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
        let mut grows = false;
        self.by_use.retain_mut(|index| {
            grows |= index.change_grows(row, before, after);
            index.is_worth_keeping()
        });
        if grows {
            self.usage.note_growth();
        }
    }
}

#[cfg(test)]
mod tests {
    use ovsdb_proto::json;
    use ovsdb_proto::operation::parse_transact;
    use ovsdb_proto::schema::Schema;

    use super::*;
    use crate::{Context, Outcome, execute};

    const SCHEMA: &str = r#"{"name": "S", "tables": {
        "T": {"isRoot": true, "columns": {"a": {"type": "integer"}, "b": {"type": "integer"}}}}}"#;

    /// The version after `count` rows have come.
    fn insert(database: &Database, count: usize) -> Database {
        let row = |n| format!(r#"{{"op":"insert","table":"T","row":{{"a":{n},"b":{n}}}}}"#);
        let rows: Vec<String> = (0..count).map(row).collect();
        let json = json::parse(format!("[{}]", rows.join(",")).as_bytes()).expect("valid JSON");
        let mut number = database.rows() as u128;
        let mut fresh = || {
            number += 1;
            Uuid::from_bytes(number.to_be_bytes())
        };
        let operations = json.as_array().expect("an array");
        let transact = parse_transact(database.schema(), operations, &mut fresh);
        match execute(database, &transact, &mut Context::unrestricted(&mut fresh)) {
            Outcome::Prepared(prepared) => prepared.next,
            other => panic!("{other:?}"),
        }
    }

    /// A version with indexes of two columns, and these columns.
    fn indexed(rows: usize) -> (Database, TableId, [ColumnId; 2]) {
        let schema = json::parse(SCHEMA.as_bytes()).expect("valid JSON");
        let schema = Arc::new(Schema::from_json(&schema).expect("a valid schema"));
        let (table, in_table) = schema.table_by_name("T").expect("it is there");
        let columns = ["a", "b"].map(|name| in_table.column_id(name).expect("it is there"));
        let database = insert(&Database::new(schema.clone()), rows);
        for column in columns {
            database.want_index(table, column);
        }
        database.build_indexes();
        (insert(&database, 1), table, columns)
    }

    fn entries(database: &Database) -> Vec<usize> {
        let indexes = database.indexes_by_use();
        indexes.iter().map(|index| index.entries).collect()
    }

    #[test]
    fn indexes_that_grow_to_more_than_all_may_have_go() {
        let (mut database, table, [a, b]) = indexed(999);
        let index =
            |database: &Database, column| database.table(table).index_by_use(column).cloned();
        index(&database, a).expect("there is one").forget_use();
        index(&database, b).expect("there is one").note_use();
        database.adopt_within(500);
        assert_eq!(entries(&database), [1000, 1000], "nothing has grown since");
        let mut database = insert(&database, GROWN);
        let len = 1000 + GROWN;
        database.adopt_within(2 * len);
        assert_eq!(entries(&database), [len, len], "as many as may be");
        let mut database = insert(&database, GROWN);
        let len = len + GROWN;
        database.adopt_within(2 * len - 1);
        assert_eq!(entries(&database), [len]);
        assert!(index(&database, b).is_some(), "that which is used stays");
        let mut database = insert(&database, GROWN);
        database.adopt_within(len);
        assert_eq!(entries(&database), [0; 0]);
    }

    /// Rows after which it is looked how large indexes are.
    const GROWN: usize = 5000;

    #[test]
    fn who_finds_an_offer_far_away_is_the_only_one_who_looks() {
        let (database, table, [a, _]) = indexed(100);
        let mut database = database;
        database.table_mut(table).by_use.clear();
        let usage = database.table(table).usage.clone();
        usage.settle_offers(|_| true);
        database.want_index(table, a);
        database.build_indexes();
        let mut near = database.clone();
        // Others have changed much meanwhile, by a way that does not look at offers.
        let offer = usage.offers().remove(0);
        let mut rows = database.table(table).rows.clone();
        let row = rows.iter().next().map(|(_, row)| row.clone());
        let row = row.expect("there are rows");
        for number in 0..=ADOPTED_ROWS_MAX {
            let uuid = Uuid::from_bytes((1 << 64 | number as u128).to_be_bytes());
            rows.insert(uuid, row.clone());
        }
        database.table_mut(table).rows = rows;
        database.adopt_indexes();
        assert_eq!(database.table(table).by_use.len(), 0);
        assert!(usage.offers()[0].is_far && !offer.is_far);
        assert!(database.wants_indexes());
        near.adopt_indexes();
        assert_eq!(near.table(table).by_use.len(), 0, "nobody has looked");
        // Brought nearer, it is taken.
        database.build_indexes();
        assert!(!usage.offers()[0].is_far);
        database.adopt_indexes();
        assert_eq!(database.table(table).by_use.len(), 1);
    }
}
