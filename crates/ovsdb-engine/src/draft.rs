//! The next version of a database while a transaction works on it.
//!
//! A draft knows which rows were touched, what they were before and what they are now. Every change of a row
//! goes through [`Draft::set`], which keeps the indexes in step, or, in columns that no index knows of, through
//! [`Draft::edit`]; reference counts follow at commit ([`passes`](crate::passes)). Rows that are inserted one after the other
//! ([`Draft::insert`]) are entered into the tables together ([`Draft::settle`]), in order, which for many takes a fraction of
//! the time. Likewise an operation that changes many rows ([`Draft::set_all`]) leaves the indexes behind until somebody looks
//! something up in them ([`Draft::settle_indexes`]), so that they follow once however many operations change the same rows.
//! Dropping a draft is how a transaction is aborted.

use std::sync::Arc;

use hashbrown::HashMap;
use ovsdb_proto::schema::{ColumnId, Schema, TableId};
use ovsdb_proto::uuid::Uuid;

use crate::database::{
    Database, Index, IndexKey, Row, Table, TablePlan, index_key, kept_count, usual_count,
};
use crate::hashing::RowHash;
use crate::index::ColumnIndex;

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
    /// How many there will be as far as can be told.
    foreseen: usize,
    /// How many of those the tables know of; the others are new rows.
    settled: usize,
    /// Where in `touched` a row stands, once there are more than [`SCANNED_MAX`].
    places: HashMap<RowKey, usize, RowHash>,
    /// Counts of references as they were before they were changed, in the order of the changes.
    counts: Vec<Count>,
    /// Rows that indexes do not know as they are now, and as what they know them.
    behind: HashMap<RowKey, Option<Arc<Row>>, RowHash>,
    /// Some row came to have the key of another one in an index, and may have it still.
    is_contested: bool,
}

/// So few rows are looked through more quickly than found by their keys.
pub(crate) const SCANNED_MAX: usize = 8;

/// So few new rows are entered into the tables one by one.
const ENTERED_SINGLY_MAX: usize = 32;

/// What a count of references was.
#[derive(Clone, Copy, Debug)]
enum Count {
    /// What was kept of it.
    Strong(RowKey, Option<usize>),
    Weak(RowKey, RowKey, usize),
}

/// How many strong references there are to a row before and after a step. `None`: there is no such row, or its references
/// have not been counted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counted {
    pub(crate) to: RowKey,
    pub(crate) before: Option<usize>,
    pub(crate) after: Option<usize>,
}

impl Draft {
    /// A draft that begins with `base`.
    pub(crate) fn new(base: &Database) -> Draft {
        Draft::on(base.clone())
    }

    /// A draft that begins with `base`. What nobody else holds of it is changed in place; [`Draft::revert`] gives it back.
    pub(crate) fn on(mut base: Database) -> Draft {
        base.adopt_indexes();
        Draft {
            next: base,
            touched: Vec::new(),
            foreseen: 1,
            settled: 0,
            places: HashMap::default(),
            counts: Vec::new(),
            behind: HashMap::default(),
            is_contested: false,
        }
    }

    /// Makes room for so many touched rows.
    pub(crate) fn reserve(&mut self, rows: usize) {
        self.touched.reserve(rows);
        self.places.reserve(rows);
    }

    /// Has room made for so many touched rows when the first comes, and for no more: the list goes into a commit that may
    /// be kept for long.
    pub(crate) fn foresee(&mut self, rows: usize) {
        self.foreseen = rows;
    }

    pub(crate) fn schema(&self) -> &Arc<Schema> {
        self.next.schema()
    }

    /// The table as the transaction sees it now.
    pub(crate) fn table(&self, table: TableId) -> &Table {
        debug_assert!(self.is_settled());
        self.next.table(table)
    }

    pub(crate) fn plan(&self, table: TableId) -> &TablePlan {
        self.next.plan(table)
    }

    /// How many strong references there are to a row, those from itself aside. Of a new row, once they are counted.
    pub(crate) fn strong_count(&self, to: &RowKey) -> usize {
        let counts = &self.table(to.0).strong_refs;
        let kept = counts.get(&to.1).copied();
        kept.unwrap_or_else(|| usual_count(self.schema().table(to.0)))
    }

    /// Keeps a count of strong references, or none.
    fn keep_strong_count(&mut self, to: RowKey, kept: Option<usize>) {
        let counts = &mut self.next.table_mut(to.0).strong_refs;
        let before = match kept {
            None => counts.remove(&to.1),
            Some(count) => counts.insert(to.1, count),
        };
        self.counts.push(Count::Strong(to, before));
    }

    /// Changes [`Draft::strong_count`] of several rows, each once.
    pub(crate) fn set_strong_counts(&mut self, changes: impl Iterator<Item = Counted>) {
        let schema = self.schema().clone();
        let kept = |to: &RowKey, count: Option<usize>| kept_count(schema.table(to.0), count?);
        let changes = changes.map(|Counted { to, before, after }| {
            let (before, after) = (kept(&to, before), kept(&to, after));
            (to, before, after)
        });
        let changes = changes.filter(|(_, before, after)| before != after);
        let mut changes: Vec<(RowKey, Option<usize>, Option<usize>)> = changes.collect();
        changes.sort_unstable_by_key(|(to, ..)| *to);
        if changes.len() <= ENTERED_SINGLY_MAX {
            for (to, _, kept) in changes {
                self.keep_strong_count(to, kept);
            }
            return;
        }
        let before = changes.iter();
        let before = before.map(|(to, before, _)| Count::Strong(*to, *before));
        self.counts.extend(before);
        for of_table in changes.chunk_by(|(a, ..), (b, ..)| a.0 == b.0) {
            let counts = &mut self.next.table_mut(of_table[0].0.0).strong_refs;
            let (mut new, mut gone) = (Vec::new(), Vec::new());
            for ((_, uuid), before, after) in of_table {
                match (before, after) {
                    (None, None) => {}
                    (None, Some(after)) => new.push((*uuid, *after)),
                    (Some(_), None) => gone.push(*uuid),
                    (Some(_), Some(after)) => {
                        counts.insert(*uuid, *after);
                    }
                }
            }
            counts.extend_sorted(new);
            counts.remove_sorted(&gone);
        }
    }

    /// How many weak references there are from a row to another one.
    pub(crate) fn weak_count(&self, to: &RowKey, from: &RowKey) -> usize {
        let counts = &self.table(to.0).weak_refs;
        counts.get(&(to.1, from.0, from.1)).copied().unwrap_or(0)
    }

    /// Changes [`Draft::weak_count`].
    pub(crate) fn set_weak_count(&mut self, to: RowKey, from: RowKey, count: usize) {
        let entry = (to.1, from.0, from.1);
        let counts = &mut self.next.table_mut(to.0).weak_refs;
        let before = match count {
            0 => counts.remove(&entry),
            count => counts.insert(entry, count),
        };
        self.counts.push(Count::Weak(to, from, before.unwrap_or(0)));
    }

    /// The row as the transaction sees it now.
    pub(crate) fn row(&self, key: &RowKey) -> Option<&Arc<Row>> {
        debug_assert!(self.is_settled());
        self.next.row(key.0, &key.1)
    }

    /// What the transaction did to a row, if it touched it.
    pub(crate) fn touch(&self, key: &RowKey) -> Option<&Touched> {
        self.place(key).map(|at| &self.touched[at])
    }

    /// Whether there is such a row, or was one before the transaction deleted it.
    pub(crate) fn is_or_was(&self, key: &RowKey) -> bool {
        match self.touch(key) {
            Some(touched) => touched.old.is_some() || touched.new.is_some(),
            None => self.next.row(key.0, &key.1).is_some(),
        }
    }

    /// All touched rows, in the order of first touch.
    pub(crate) fn touched(&self) -> &[Touched] {
        &self.touched
    }

    /// Makes `new` the row's contents; `None` deletes it.
    pub(crate) fn set(&mut self, key: RowKey, new: Option<Arc<Row>>) {
        debug_assert!(self.is_settled());
        let before = self.enter(key, new.as_ref());
        self.note_new(key, before, new);
    }

    /// Notes that a row, known to its table as it is now, has come to be `new`.
    fn note_new(&mut self, key: RowKey, before: Option<Arc<Row>>, new: Option<Arc<Row>>) {
        match self.place(&key) {
            Some(at) => self.touched[at].new = new,
            None => {
                let old = before;
                self.touch_first(Touched { key, old, new });
                self.settled += 1;
            }
        }
    }

    /// Makes each of `changed` the contents of the row of its UUID, which is there and stands among them once. Indexes do not
    /// follow if they are many: see [`Draft::settle_indexes`].
    pub(crate) fn set_all(&mut self, id: TableId, changed: Vec<Arc<Row>>) {
        debug_assert!(self.is_settled());
        if changed.len() <= ENTERED_SINGLY_MAX {
            for row in changed {
                self.set((id, row.uuid()), Some(row));
            }
            return;
        }
        let schema = self.next.schema().clone();
        let mut indexed: Vec<ColumnId> = schema.table(id).indexes.concat();
        indexed.extend(self.next.table(id).by_use.iter().map(ColumnIndex::column));
        for row in changed {
            let key = (id, row.uuid());
            let rows = &mut self.next.table_mut(id).rows;
            let before = rows.insert(key.1, row.clone());
            if let Some(before) = &before
                && indexed
                    .iter()
                    .any(|&column| before.get(column) != row.get(column))
            {
                let known = self.behind.entry(key);
                known.or_insert_with(|| Some(before.clone()));
            }
            self.note_new(key, before, Some(row));
        }
    }

    /// Adds a row. There is none of that name, and the transaction has not touched one either. The tables have to be
    /// [settled](Draft::settle) before anybody looks at them.
    pub(crate) fn insert(&mut self, key: RowKey, row: Arc<Row>) {
        debug_assert!(self.place(&key).is_none());
        self.touch_first(Touched {
            key,
            old: None,
            new: Some(row),
        });
    }

    /// Deletes rows that exist, each of which is there once, in the order in which they are touched.
    pub(crate) fn remove_all(&mut self, mut gone: Vec<(RowKey, Arc<Row>)>) {
        if gone.len() <= ENTERED_SINGLY_MAX {
            for (key, _) in gone {
                self.set(key, None);
            }
            return;
        }
        self.reserve(gone.len());
        for (key, row) in &gone {
            match self.place(key) {
                Some(at) => self.touched[at].new = None,
                None => {
                    self.touch_first(Touched {
                        key: *key,
                        old: Some(row.clone()),
                        new: None,
                    });
                    self.settled += 1;
                }
            }
        }
        gone.sort_unstable_by_key(|(key, _)| *key);
        let schema = self.next.schema().clone();
        for of_table in gone.chunk_by(|(a, _), (b, _)| a.0 == b.0) {
            let id = of_table[0].0.0;
            let table = self.next.table_mut(id);
            let uuids: Vec<Uuid> = of_table.iter().map(|((_, uuid), _)| *uuid).collect();
            table.rows.remove_sorted(&uuids);
            for (columns, entries) in schema.table(id).indexes.iter().zip(&mut table.indexes) {
                let keys = of_table.iter();
                let keys = keys.map(|((_, uuid), row)| (index_key(row, columns), *uuid));
                let mut keys: Vec<(IndexKey, Uuid)> = keys.collect();
                keys.sort_unstable();
                entries.remove_sorted(&keys);
            }
            for ((_, uuid), row) in of_table {
                table.change_indexes(*uuid, Some(row), None);
            }
        }
    }

    fn touch_first(&mut self, touched: Touched) {
        if self.touched.is_empty() {
            self.touched.reserve_exact(self.foreseen);
        }
        self.touched.push(touched);
        self.note_places();
    }

    fn is_settled(&self) -> bool {
        self.settled == self.touched.len()
    }

    /// Enters what was inserted into the tables.
    pub(crate) fn settle(&mut self) {
        let begin = std::mem::replace(&mut self.settled, self.touched.len());
        let count = self.touched.len() - begin;
        if count <= ENTERED_SINGLY_MAX {
            for at in begin..self.touched.len() {
                let Touched { key, new, .. } = self.touched[at].clone();
                self.enter(key, new.as_ref());
            }
            return;
        }
        let new = self.touched[begin..].iter();
        let new = new.filter_map(|touched| Some((touched.key, touched.new.clone()?)));
        let mut new: Vec<(RowKey, Arc<Row>)> = new.collect();
        new.sort_unstable_by_key(|(key, _)| *key);
        for of_table in new.chunk_by(|(a, _), (b, _)| a.0 == b.0) {
            self.enter_all(of_table[0].0.0, of_table);
        }
    }

    /// Enters new rows of one table into it, in the order of their UUIDs.
    fn enter_all(&mut self, id: TableId, new: &[(RowKey, Arc<Row>)]) {
        let schema = self.next.schema().clone();
        let table = self.next.table_mut(id);
        let rows = new.iter().map(|((_, uuid), row)| (*uuid, row.clone()));
        table.rows.extend_sorted(rows.collect());
        for (columns, entries) in schema.table(id).indexes.iter().zip(&mut table.indexes) {
            let keys = new.iter();
            let keys = keys.map(|((_, uuid), row)| (index_key(row, columns), *uuid));
            self.is_contested |= !enter_all(entries, keys.collect());
        }
        for ((_, uuid), row) in new {
            table.change_indexes(*uuid, None, Some(row));
        }
    }

    /// Whether indexes have to [follow](Draft::settle_indexes) before anybody looks anything up in them.
    pub(crate) fn is_behind(&self) -> bool {
        !self.behind.is_empty()
    }

    /// Has the indexes follow what [`Draft::set_all`] has changed. Nobody looks anything up in an index before.
    pub(crate) fn settle_indexes(&mut self) {
        if !self.is_behind() {
            return;
        }
        let behind = std::mem::take(&mut self.behind).into_iter();
        let mut behind: Vec<(RowKey, Option<Arc<Row>>)> = behind.collect();
        behind.sort_unstable_by_key(|(key, _)| *key);
        let schema = self.next.schema().clone();
        for of_table in behind.chunk_by(|(a, _), (b, _)| a.0 == b.0) {
            let id = of_table[0].0.0;
            let table = self.next.table_mut(id);
            for (columns, entries) in schema.table(id).indexes.iter().zip(&mut table.indexes) {
                let (mut gone, mut come) = (Vec::new(), Vec::new());
                for ((_, uuid), known) in of_table {
                    let key = |row: &Arc<Row>| (index_key(row, columns), *uuid);
                    let (known, now) = (known.as_ref().map(key), table.rows.get(uuid).map(key));
                    if known != now {
                        gone.extend(known);
                        come.extend(now);
                    }
                }
                gone.sort_unstable();
                entries.remove_sorted(&gone);
                self.is_contested |= !enter_all(entries, come);
            }
            for ((_, uuid), known) in of_table {
                let now = table.rows.get(uuid).cloned();
                table.change_indexes(*uuid, known.as_deref(), now.as_deref());
            }
        }
    }

    /// Enters a row's new contents into its table, and gives back what was there.
    fn enter(&mut self, (id, uuid): RowKey, new: Option<&Arc<Row>>) -> Option<Arc<Row>> {
        let schema = self.next.schema().clone();
        let table = self.next.table_mut(id);
        let before = match new {
            Some(row) => table.rows.insert(uuid, row.clone()),
            None => table.rows.remove(&uuid),
        };
        // Of such a row the indexes know something else yet than what it was.
        if !self.behind.is_empty() && self.behind.contains_key(&(id, uuid)) {
            return before;
        }
        for (columns, entries) in schema.table(id).indexes.iter().zip(&mut table.indexes) {
            if let (Some(before), Some(new)) = (&before, new) {
                let same = |&column: &ColumnId| before.get(column) == new.get(column);
                if columns.iter().all(same) {
                    continue;
                }
            }
            if let Some(before) = &before {
                entries.remove(&(index_key(before, columns), uuid));
            }
            if let Some(new) = new {
                self.is_contested |= !enter(entries, index_key(new, columns), uuid);
            }
        }
        table.change_indexes(uuid, before.as_deref(), new.map(|row| &**row));
        before
    }

    /// Whether two rows may agree in all columns of an index.
    pub(crate) fn is_contested(&self) -> bool {
        self.is_contested
    }

    /// Where in `touched` a row stands.
    fn place(&self, key: &RowKey) -> Option<usize> {
        if self.touched.len() <= SCANNED_MAX {
            let mut touched = self.touched.iter();
            touched.position(|touched| touched.key == *key)
        } else {
            self.places.get(key).copied()
        }
    }

    /// Brings `places` up to date with what was added to `touched`.
    fn note_places(&mut self) {
        if self.touched.len() > SCANNED_MAX {
            let known = self.places.len();
            let new = self.touched.iter().enumerate().skip(known);
            self.places
                .extend(new.map(|(at, touched)| (touched.key, at)));
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
        self.settled = self.touched.len();
        self.places.clear();
        self.note_places();
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

    /// Undoes everything, and gives back what the draft began with.
    pub(crate) fn revert(mut self) -> Database {
        for count in std::mem::take(&mut self.counts).into_iter().rev() {
            match count {
                Count::Strong(to, before) => self.keep_strong_count(to, before),
                Count::Weak(to, from, before) => self.set_weak_count(to, from, before),
            }
        }
        // What no table knows of need not be taken out.
        for at in 0..self.settled {
            let Touched { key, old, new } = &mut self.touched[at];
            if old.is_some() || new.is_some() {
                let (key, old) = (*key, old.take());
                self.enter(key, old.as_ref());
            }
        }
        // Of most of these the indexes have never known anything else.
        self.settle_indexes();
        self.next
    }

    /// Ends the work: the next version, and the rows that it touched.
    pub(crate) fn finish(self) -> (Database, Vec<Touched>) {
        (self.next, self.touched)
    }
}

/// Enters that rows have these keys in an index. False if some row has the key of another one.
fn enter_all(entries: &mut Index, mut keys: Vec<(IndexKey, Uuid)>) -> bool {
    keys.sort_unstable();
    if 2 * keys.len() < entries.len() {
        let keys = keys.into_iter();
        return keys.fold(true, |is_alone, (key, row)| {
            enter(entries, key, row) & is_alone
        });
    }
    entries.extend_sorted(keys.into_iter().map(|entry| (entry, ())).collect());
    let keys = entries.iter().map(|((key, _), ())| key);
    keys.is_sorted_by(|a, b| a != b)
}

/// Enters that a row has this key in an index. False if another row has it as well.
fn enter(entries: &mut Index, key: IndexKey, row: Uuid) -> bool {
    // Rows with the same key stand beside each other; at the end of a node one does not see both sides.
    let mut is_alone = false;
    let entry = (key.clone(), row);
    entries.insert_among(entry, (), |(key, _), beside, at| {
        let before = at.checked_sub(1).and_then(|before| beside.get(before));
        let differs = |other: Option<&((IndexKey, Uuid), ())>| {
            other.is_some_and(|((other, _), ())| other != key)
        };
        is_alone = differs(before) && differs(beside.get(at));
    });
    is_alone || {
        let first = (key, Uuid::ZERO);
        let others = entries.range_from(&first);
        let same = others.take_while(|((other, _), ())| *other == first.0);
        same.take(2).count() < 2
    }
}
