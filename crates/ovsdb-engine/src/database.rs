//! A database at one moment, as a value: tables of shared rows, with the maps that keep commits cheap.
//!
//! A [`Database`] never changes once others can see it; a clone costs one reference count. The maps beside
//! the rows (index entries, counts of strong references, sources of weak references) are functions of the
//! rows; [`Draft`](crate::draft::Draft) keeps them in step.

use std::sync::Arc;

use ovsdb_proto::atom::Atom;
use ovsdb_proto::datum::Datum;
use ovsdb_proto::schema::{ColumnId, Schema, TableId, TableSchema};
use ovsdb_proto::types::BaseType;
use ovsdb_proto::uuid::Uuid;

use crate::index::ColumnIndex;
use crate::passes::for_each_reference;
use crate::pmap::{Difference, Iter, PMap};
use crate::usage::{Signals, Usage};

/// One row: a datum for each column of its table, `_uuid` and `_version` first.
///
/// A row that is older than the last columns of its table ends before them; they have the value that goes with their
/// numbers ([`ColumnId::of`]). A row that is changed gets them all.
#[derive(Clone, Debug)]
pub struct Row {
    columns: Box<[Datum]>,
}

impl Row {
    /// A row with every column at its default value (RFC 7047, section 5.2.1).
    pub fn with_defaults(table: &TableSchema, uuid: Uuid, version: Uuid) -> Row {
        let mut columns: Box<[Datum]> = table.defaults().into();
        columns[ColumnId::UUID.index()] = Datum::from_atom(Atom::Uuid(uuid));
        columns[ColumnId::VERSION.index()] = Datum::from_atom(Atom::Uuid(version));
        Row { columns }
    }

    /// [`Row::with_defaults`] with these values, in the order of their columns, in the place of defaults. `_uuid` and
    /// `_version` are not among those that count.
    pub(crate) fn of(
        table: &TableSchema,
        uuid: Uuid,
        version: Uuid,
        values: &[(ColumnId, Datum)],
    ) -> Row {
        let mut values = values.iter().peekable();
        let columns = table.column_ids().zip(table.defaults());
        let columns = columns.map(|(id, default)| {
            let given = values.next_if(|(column, _)| *column == id);
            match id {
                ColumnId::UUID => Datum::from_atom(Atom::Uuid(uuid)),
                ColumnId::VERSION => Datum::from_atom(Atom::Uuid(version)),
                _ => given.map_or(default, |(_, datum)| datum).clone(),
            }
        });
        Row {
            columns: columns.collect(),
        }
    }

    /// The row's identity, unique within its table.
    pub fn uuid(&self) -> Uuid {
        self.uuid_at(ColumnId::UUID)
    }

    /// Changes with every change of the row; not kept in files.
    pub fn version(&self) -> Uuid {
        self.uuid_at(ColumnId::VERSION)
    }

    fn uuid_at(&self, column: ColumnId) -> Uuid {
        match self.get(column).as_atom() {
            Some(Atom::Uuid(uuid)) => *uuid,
            _ => unreachable!("_uuid and _version hold one UUID each"),
        }
    }

    /// The value of one column.
    pub fn get(&self, column: ColumnId) -> &Datum {
        column.of(&self.columns)
    }

    /// The values of the columns, by [`ColumnId`], without those that are younger than the row.
    pub fn columns(&self) -> &[Datum] {
        &self.columns
    }

    /// About how many bytes of memory the row takes that `other`, another version of it, does not share.
    pub fn bytes_beside(&self, other: Option<&Row>) -> usize {
        let nothing = Datum::empty();
        let columns = self.columns.iter().enumerate().map(|(at, datum)| {
            let other = other.and_then(|other| other.columns.get(at));
            datum.bytes_beside(other.unwrap_or(&nothing))
        });
        // The counters of the shared row, the row, and its columns, which are an allocation of their own.
        2 * size_of::<usize>()
            + size_of::<Row>()
            + size_of_val(&*self.columns)
            + columns.sum::<usize>()
    }

    /// A copy that has all columns of its table, to be changed.
    pub(crate) fn to_change(&self, table: &TableSchema) -> Row {
        if self.columns.len() == table.columns.len() {
            return self.clone();
        }
        let younger = table.column_ids().skip(self.columns.len());
        let younger = younger.map(|id| id.fill().clone());
        Row {
            columns: self.columns.iter().cloned().chain(younger).collect(),
        }
    }

    /// For `_version`, and for all columns of a row that has them all.
    pub(crate) fn get_mut(&mut self, column: ColumnId) -> &mut Datum {
        &mut self.columns[column.index()]
    }

    /// Whether the two rows of `table` agree in every column, `_version` included.
    pub(crate) fn same_contents(&self, other: &Row, table: &TableSchema) -> bool {
        if self.columns.len() == other.columns.len() {
            return self.columns == other.columns;
        }
        table.column_ids().all(|id| self.get(id) == other.get(id))
    }
}

/// The values of an index's columns in one row (RFC 7047, section 3.2, "indexes"). Clones share what is big.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum IndexKey {
    /// The value of the only column.
    One(Datum),
    /// The values in the order of the index. All keys of one index have as many.
    Several(Arc<[Datum]>),
}

impl FromIterator<Datum> for IndexKey {
    fn from_iter<I: IntoIterator<Item = Datum>>(values: I) -> IndexKey {
        let mut values = values.into_iter();
        match (values.next(), values.next()) {
            (Some(only), None) => IndexKey::One(only),
            (first, second) => {
                IndexKey::Several(first.into_iter().chain(second).chain(values).collect())
            }
        }
    }
}

/// The values of `columns` in `row`, in the order of the index.
pub(crate) fn index_key(row: &Row, columns: &[ColumnId]) -> IndexKey {
    match columns {
        [only] => IndexKey::One(row.get(*only).clone()),
        several => several.iter().map(|&id| row.get(id).clone()).collect(),
    }
}

/// How many strong references there mostly are to a row of `table`: one where rows live by them, none elsewhere. Only what
/// differs is kept, since most rows that live by references have one owner.
pub(crate) fn usual_count(table: &TableSchema) -> usize {
    usize::from(!table.is_root)
}

/// How `count` strong references to a row of `table` are kept.
pub(crate) fn kept_count(table: &TableSchema, count: usize) -> Option<usize> {
    (count != usual_count(table)).then_some(count)
}

/// The entries of one index.
pub(crate) type Index = PMap<(IndexKey, Uuid), ()>;

/// The rows of one table, and what can be told from them quickly.
#[derive(Clone, Debug, Default)]
pub struct Table {
    pub(crate) rows: PMap<Uuid, Arc<Row>>,
    /// For each index of the schema its entries. Only inside a draft can two rows share a key.
    pub(crate) indexes: Vec<Index>,
    /// How many strong references point to a row, those from the row itself aside, where that is not [`usual_count`].
    pub(crate) strong_refs: PMap<Uuid, usize>,
    /// Which rows refer weakly to which of this table: (to, table from, row from), and how many times.
    pub(crate) weak_refs: PMap<(Uuid, TableId, Uuid), usize>,
    /// Indexes that have come by use, in no order.
    pub(crate) by_use: Vec<ColumnIndex>,
    /// How the table is used; shared by all versions.
    pub(crate) usage: Arc<Usage>,
}

impl Table {
    /// The number of rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether the table has no row.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The row with this UUID.
    pub fn get(&self, uuid: &Uuid) -> Option<&Arc<Row>> {
        self.rows.get(uuid)
    }

    /// All rows, in the order of their UUIDs.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Row>> {
        self.rows.values()
    }

    /// The rows that differ between this version of the table and a later one, both of one schema, in the order of their
    /// UUIDs: what is here and what is there. Costs what the two do not share.
    pub fn differences<'a>(
        &'a self,
        later: &'a Table,
    ) -> impl Iterator<Item = (Option<&'a Arc<Row>>, Option<&'a Arc<Row>>)> {
        let differences = self.rows.differences(&later.rows);
        differences.filter_map(|difference| match difference {
            Difference::First(_, old) => Some((Some(old), None)),
            Difference::Second(_, new) => Some((None, Some(new))),
            Difference::Both(_, old, new) => {
                // Every change of a row gives it another `_version`.
                (old.version() != new.version()).then_some((Some(old), Some(new)))
            }
        })
    }

    /// All rows, some at a time, whose values in `column` are about to be looked at.
    pub(crate) fn chunks(&self, column: ColumnId) -> Chunks<'_> {
        Chunks::new(&self.rows, column)
    }

    /// [`Table::chunks`] of the rows whose UUIDs are not below `from`.
    pub(crate) fn chunks_from(&self, from: &Uuid, column: ColumnId) -> Chunks<'_> {
        Chunks {
            rows: self.rows.range_from(from),
            column,
        }
    }

    /// The rows whose values in the columns of index number `index` equal `key`.
    pub(crate) fn index_matches<'a>(
        &'a self,
        index: usize,
        key: &'a IndexKey,
    ) -> impl Iterator<Item = Uuid> + 'a {
        // The least UUID comes first, so this is where the entries with `key` begin.
        let from = (key.clone(), Uuid::ZERO);
        self.indexes[index]
            .range_from(&from)
            .take_while(move |((found, _), ())| found == key)
            .map(|((_, uuid), ())| *uuid)
    }
}

/// See [`Table::chunks`].
pub(crate) struct Chunks<'a> {
    rows: Iter<'a, Uuid, Arc<Row>>,
    column: ColumnId,
}

impl<'a> Chunks<'a> {
    pub(crate) fn new(rows: &'a PMap<Uuid, Arc<Row>>, column: ColumnId) -> Chunks<'a> {
        Chunks {
            rows: rows.iter(),
            column,
        }
    }
}

impl<'a> Iterator for Chunks<'a> {
    type Item = &'a [(Uuid, Arc<Row>)];

    fn next(&mut self) -> Option<Self::Item> {
        let chunk = self.rows.next_chunk()?;
        // Rows and their values are anywhere in memory. Touched in a loop this short they come from there side by side;
        // one after the other they would take several times as long.
        let touched = chunk.iter().map(|(_, row)| row.get(self.column).len());
        std::hint::black_box(touched.sum::<usize>());
        Some(chunk)
    }
}

/// What is derived once from a table's schema, to be at hand in every commit.
#[derive(Debug, Default)]
pub(crate) struct TablePlan {
    /// Columns that hold strong references.
    pub(crate) strong: Vec<ColumnId>,
    /// Columns that hold weak references.
    pub(crate) weak: Vec<ColumnId>,
}

/// One version of a database. See the module's documentation.
#[derive(Clone, Debug)]
pub struct Database {
    inner: Arc<Inner>,
}

#[derive(Clone, Debug)]
struct Inner {
    schema: Arc<Schema>,
    plans: Arc<[TablePlan]>,
    tables: Vec<Arc<Table>>,
    /// Shared by all versions.
    signals: Arc<Signals>,
}

impl Database {
    /// An empty database.
    pub fn new(schema: Arc<Schema>) -> Database {
        Database::with_tables(schema, Vec::new())
    }

    /// A database of these tables, which obey the schema together; those that are missing at the end are empty.
    pub(crate) fn with_tables(schema: Arc<Schema>, mut tables: Vec<Arc<Table>>) -> Database {
        let plans = schema.tables.iter().map(|table| {
            let with = |wanted: fn(&ovsdb_proto::types::ColumnType) -> bool| {
                let wanted = |&id: &ColumnId| wanted(&table.column(id).ty);
                table.column_ids().filter(wanted).collect()
            };
            TablePlan {
                strong: with(|ty| ty.has_strong_refs()),
                weak: with(|ty| ty.has_weak_refs()),
            }
        });
        let signals = Arc::new(Signals::default());
        let usage = |table: &TableSchema| Arc::new(Usage::new(table.column_ids(), &signals));
        for (table, schema) in tables.iter_mut().zip(&schema.tables) {
            // Versions of another schema go their own way.
            *table = Arc::new(Table {
                usage: usage(schema),
                ..Table::clone(table)
            });
        }
        let missing = &schema.tables[tables.len()..];
        tables.extend(missing.iter().map(|table| {
            Arc::new(Table {
                indexes: vec![Index::new(); table.indexes.len()],
                usage: usage(table),
                ..Table::default()
            })
        }));
        Database {
            inner: Arc::new(Inner {
                plans: plans.collect(),
                tables,
                schema,
                signals,
            }),
        }
    }

    /// What concerns the indexes of all tables.
    pub(crate) fn signals(&self) -> &Signals {
        &self.inner.signals
    }

    /// The schema that every row obeys.
    pub fn schema(&self) -> &Arc<Schema> {
        &self.inner.schema
    }

    /// The rows of one table.
    pub fn table(&self, table: TableId) -> &Table {
        &self.inner.tables[table.index()]
    }

    /// The rows of one table, to be shared.
    pub(crate) fn shared_table(&self, table: TableId) -> &Arc<Table> {
        &self.inner.tables[table.index()]
    }

    /// The row with this UUID in one table.
    pub fn row(&self, table: TableId, uuid: &Uuid) -> Option<&Arc<Row>> {
        self.table(table).get(uuid)
    }

    /// The number of rows in all tables.
    pub fn rows(&self) -> usize {
        self.inner.tables.iter().map(|table| table.len()).sum()
    }

    /// The ids of all tables, in order.
    pub fn table_ids(&self) -> impl Iterator<Item = TableId> + use<> {
        self.inner.schema.table_ids()
    }

    pub(crate) fn plan(&self, table: TableId) -> &TablePlan {
        &self.inner.plans[table.index()]
    }

    pub(crate) fn table_mut(&mut self, table: TableId) -> &mut Table {
        let inner = Arc::make_mut(&mut self.inner);
        Arc::make_mut(&mut inner.tables[table.index()])
    }
}

impl Database {
    /// Compares what is kept beside the rows (index entries, reference counts, weak referrers) with what
    /// follows from the rows. For tests and for doubts; it walks everything.
    ///
    /// # Errors
    /// Says which table is wrong, and in what.
    pub fn check_consistency(&self) -> Result<(), String> {
        let mut expected = Database::new(self.schema().clone());
        for id in self.table_ids() {
            for row in self.table(id).iter() {
                self.count_row(&mut expected, id, row);
            }
        }
        for id in self.table_ids() {
            let name = &self.schema().table(id).name;
            let (actual, expected) = (self.table(id), expected.table(id));
            let same_indexes = actual
                .indexes
                .iter()
                .zip(&expected.indexes)
                .all(|(a, b)| a.iter().eq(b.iter()));
            if !same_indexes {
                return Err(format!("table {name}: the indexes do not match the rows"));
            }
            for index in &actual.by_use {
                if !index.agrees_with(&actual.rows) {
                    let column = &self.schema().table(id).column(index.column()).name;
                    return Err(format!(
                        "table {name}: the index of {column} does not match the rows"
                    ));
                }
            }
            let counted = expected_counts(self.schema().table(id), &actual.rows, expected);
            if !actual.strong_refs.iter().eq(counted.iter()) {
                return Err(format!(
                    "table {name}: strong references {:?}, counted {counted:?}",
                    actual.strong_refs
                ));
            }
            if !actual.weak_refs.iter().eq(expected.weak_refs.iter()) {
                return Err(format!(
                    "table {name}: weak references {:?}, counted {:?}",
                    actual.weak_refs, expected.weak_refs
                ));
            }
        }
        Ok(())
    }

    /// Adds what follows from one row to the maps of `expected`.
    fn count_row(&self, expected: &mut Database, id: TableId, row: &Row) {
        let schema = self.schema().clone();
        let table = schema.table(id);
        for (columns, entries) in table
            .indexes
            .iter()
            .zip(&mut expected.table_mut(id).indexes)
        {
            entries.insert((index_key(row, columns), row.uuid()), ());
        }
        for column in table.column_ids() {
            let (datum, ty) = (row.get(column), &table.column(column).ty);
            for_each_reference(datum, ty, BaseType::is_strong_ref, |(to, uuid)| {
                if (to, uuid) != (id, row.uuid()) {
                    let counts = &mut expected.table_mut(to).strong_refs;
                    let count = counts.get(&uuid).copied().unwrap_or(0);
                    counts.insert(uuid, count + 1);
                }
            });
            for_each_reference(datum, ty, BaseType::is_weak_ref, |(to, uuid)| {
                let counts = &mut expected.table_mut(to).weak_refs;
                let entry = (uuid, id, row.uuid());
                let count = counts.get(&entry).copied().unwrap_or(0);
                counts.insert(entry, count + 1);
            });
        }
    }
}

/// What is to be kept of the strong references to `rows`, each of which `counted` has.
fn expected_counts(
    schema: &TableSchema,
    rows: &PMap<Uuid, Arc<Row>>,
    counted: &Table,
) -> PMap<Uuid, usize> {
    let counts = rows.iter().filter_map(|(uuid, _)| {
        let count = counted.strong_refs.get(uuid).copied().unwrap_or(0);
        Some((*uuid, kept_count(schema, count)?))
    });
    let counted = counted.strong_refs.iter();
    let dangling = counted.filter(|(uuid, _)| !rows.contains_key(*uuid));
    let dangling = dangling.map(|(uuid, count)| (*uuid, *count));
    counts.chain(dangling).collect()
}
