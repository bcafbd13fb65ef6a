//! The contents of a replica at one moment, and how an update leads from one to the next.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ovsdb_pmap::PMap;
use ovsdb_proto::atom::Atom;
use ovsdb_proto::datum::Datum;
use ovsdb_proto::error::OvsdbError;
use ovsdb_proto::row::RowColumns;
use ovsdb_proto::schema::{ColumnId, Projection, Schema, TableId, TableSchema};
use ovsdb_proto::types::BaseType;
use ovsdb_proto::updates::{RowUpdate, TableUpdates};
use ovsdb_proto::uuid::Uuid;

use super::index::{Entries, Index};
use super::tables::Tables;

/// A row: the values of all columns of its table in the [`Projection`]. A clone is the same row.
#[derive(Clone, Debug, PartialEq)]
pub struct Row(Arc<[Datum]>);

impl Row {
    /// The row's name.
    pub fn uuid(&self) -> Uuid {
        let uuid = ColumnId::UUID.of(&self.0).as_atom();
        // An update's row begins with its name, and no update changes that.
        uuid.and_then(|atom| atom.as_uuid())
            .expect("a row begins with its name")
    }

    /// The value of a column of the row's table. `_version` is zero if it is not told.
    pub fn get(&self, column: ColumnId) -> &Datum {
        column.of(&self.0)
    }

    /// The values of all columns, by their numbers.
    pub fn values(&self) -> &[Datum] {
        &self.0
    }

    /// True if both are certainly equal, found without looking at values; false says nothing.
    pub fn is_shared_with(&self, other: &Row) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// About how many bytes of memory it needs.
    fn n_bytes(&self) -> usize {
        let values: usize = self
            .0
            .iter()
            .map(|value| value.bytes_beside(&Datum::empty()))
            .sum();
        values + size_of_val(&*self.0) + ROW_BYTES
    }

    /// About how many bytes its values need that those of another version of it do not share.
    fn bytes_beside(&self, other: &Row) -> usize {
        let pairs = self.0.iter().zip(&*other.0);
        pairs.map(|(value, other)| value.bytes_beside(other)).sum()
    }

    /// The row that differs from this one by `differences`. Of the others nothing is looked at.
    fn modified(
        &self,
        table: &TableSchema,
        differences: &RowColumns,
    ) -> Result<Modified, OvsdbError> {
        let mut row = Arc::clone(&self.0);
        let (mut bytes_gone, mut bytes_come) = (0, 0);
        for (column, difference) in differences {
            let old = column.of(&self.0);
            let new = old.apply_diff(difference, &table.column(*column).ty)?;
            bytes_gone += old.bytes_beside(&new);
            bytes_come += new.bytes_beside(old);
            if *old != new {
                // Copied the first time, when it is shared with `self`.
                Arc::make_mut(&mut row)[column.index()] = new;
            }
        }
        Ok(Modified {
            row: Row(row),
            bytes_gone,
            bytes_come,
        })
    }
}

/// What became of a row.
struct Modified {
    /// The very same row if nothing changed.
    row: Row,
    /// About how many bytes its values needed that the new ones do not share, and the other way round.
    bytes_gone: usize,
    bytes_come: usize,
}

/// Bytes of a row beside its values: its place in the table, and the counters of what is shared.
const ROW_BYTES: usize = size_of::<(Uuid, Row)>() + 2 * size_of::<usize>();

/// The contents of a replica at one moment.
#[derive(Clone, Debug)]
pub struct Version {
    projection: Arc<Projection>,
    tables: Tables<Row>,
    indexes: Vec<Entries>,
    n_rows: usize,
    bytes: usize,
    generation: u64,
    /// Which rows these are, among all that there have been in this process.
    contents: u64,
    step: Option<Arc<Step>>,
}

/// Versions remember so many rows that the updates before them changed, and keep what these were: whoever hears of each version
/// need not compare it with the one before. More is not remembered.
pub(super) const STEP_ROWS_MAX: usize = 256;

/// A row that an update, or several together, changed: what it was, and what it is.
pub(super) type StepRow = (TableId, Option<Row>, Option<Row>);

/// How contents came to be what they are.
#[derive(Debug)]
struct Step {
    /// The contents before.
    from: u64,
    /// In the order of tables, then of rows, each once.
    rows: Vec<StepRow>,
}

/// A number for contents that differ from all others.
fn new_contents() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// An update does not fit the rows that it is to change, or the other way round.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("row {row} of table {table}: {kind}")]
pub struct Misfit {
    /// The table.
    pub table: String,
    /// The row.
    pub row: Uuid,
    /// In what way.
    pub kind: MisfitKind,
}

/// In what way an update does not fit.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum MisfitKind {
    /// A row is said to be new, and was there.
    #[error("inserted, but it was there")]
    Known,
    /// A row is said to have changed or to have gone, and was not there.
    #[error("changed or deleted, but it was not there")]
    Unknown,
    /// Among rows that are all there are, one is said to have changed or to have gone.
    #[error("changed or deleted among the initial contents")]
    NotInitial,
    /// A difference leads to a value that the column cannot hold.
    #[error("{0}")]
    Difference(OvsdbError),
}

/// A version that is being made, of the one before and of updates one after another. What it shares with nobody is changed in
/// place: several updates that come at once cost less than a version for each.
pub(super) struct Draft {
    /// Complete but for its step.
    version: Version,
    /// The contents before.
    from: u64,
    n_updates: usize,
    /// The rows that changed, each time anew, if they are not too many to be remembered.
    rows: Option<Vec<StepRow>>,
}

impl Draft {
    /// Has one more update happen.
    ///
    /// # Errors
    /// It cannot have happened to these rows. Nothing comes of this draft any more.
    pub(super) fn update(&mut self, updates: TableUpdates) -> Result<(), Misfit> {
        self.n_updates += 1;
        let n_rows: usize = updates.iter().map(|update| update.rows.len()).sum();
        match &mut self.rows {
            Some(rows) if rows.len() + n_rows <= STEP_ROWS_MAX => rows.reserve(n_rows),
            _ => self.rows = None,
        }
        for update in updates {
            let table = update.table;
            for (uuid, change) in update.rows {
                let is_whole = matches!(change, RowUpdate::Replace(_));
                let (old, new) = self
                    .version
                    .apply(table, uuid, change)
                    .map_err(|kind| self.version.misfit(table, uuid, kind))?;
                if let Some(rows) = &mut self.rows
                    && differ(old.as_ref(), new.as_ref(), is_whole)
                {
                    rows.push((table, old, new));
                }
            }
        }
        Ok(())
    }

    /// The version.
    pub(super) fn finish(self) -> Version {
        let Draft {
            mut version,
            from,
            n_updates,
            rows,
        } = self;
        version.step = rows.map(|rows| {
            let rows = if n_updates > 1 { merged(rows) } else { rows };
            Arc::new(Step { from, rows })
        });
        version
    }
}

/// Whether a row has changed. Differences that change nothing lead to the very same row; only one that came as a whole has to be
/// compared.
fn differ(old: Option<&Row>, new: Option<&Row>, is_whole: bool) -> bool {
    match (old, new) {
        (Some(old), Some(new)) => !(old.is_shared_with(new) || (is_whole && old == new)),
        (None, None) => false,
        _ => true,
    }
}

/// Each row once, with what it was first and what it is last, in the order of tables, then of rows.
fn merged(mut rows: Vec<StepRow>) -> Vec<StepRow> {
    let name = |(table, old, new): &StepRow| (*table, old.as_ref().or(new.as_ref()).map(Row::uuid));
    // Stable: what happened to one row stays in order.
    rows.sort_by_cached_key(name);
    let mut merged = Vec::with_capacity(rows.len());
    for row in rows.chunk_by_mut(|one, other| name(one) == name(other)) {
        let is_once = row.len() == 1;
        let new = row.last_mut().and_then(|(_, _, new)| new.take());
        let (table, old, _) = &mut row[0];
        let old = old.take();
        // It may have come and gone, or be again as it was.
        if is_once || differ(old.as_ref(), new.as_ref(), true) {
            merged.push((*table, old, new));
        }
    }
    merged
}

impl Version {
    /// No rows.
    pub fn empty(projection: Arc<Projection>) -> Version {
        Version {
            tables: Tables::empty(projection.schema.tables.len()),
            projection,
            indexes: Vec::new(),
            n_rows: 0,
            bytes: 0,
            generation: 0,
            contents: new_contents(),
            step: None,
        }
    }

    /// The tables and columns that are there, and those that were chosen and are not.
    pub fn projection(&self) -> &Arc<Projection> {
        &self.projection
    }

    /// The tables and columns that are there.
    pub fn schema(&self) -> &Schema {
        &self.projection.schema
    }

    /// The rows of a table of the [schema](Version::schema), in order of their names.
    pub fn rows(&self, table: TableId) -> &PMap<Uuid, Row> {
        self.tables.rows(table)
    }

    /// How many rows there are in all tables together.
    pub fn n_rows(&self) -> usize {
        self.n_rows
    }

    /// About how many bytes of memory the rows need. What rows share is counted for each, and indexes are not.
    pub fn n_bytes(&self) -> usize {
        self.bytes
    }

    /// A number that is higher than that of any earlier version of the same replica.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The rows that are found by exactly this key in an index: one datum for each of its parts, of one element where it is by
    /// an element or by the value of a map. None where there is no such index, or its table or columns are not there.
    pub fn find<'a>(&'a self, index: &Index, key: &'a [Datum]) -> impl Iterator<Item = &'a Row> {
        let entries = self.entries(index, key);
        let entries = entries.take_while(move |(found, _)| *found == key);
        entries.map(|(_, row)| row)
    }

    /// Whether there is such an index, and of a table and columns that are there.
    pub(super) fn has_index(&self, index: &Index) -> bool {
        let entries = self
            .indexes
            .iter()
            .find(|entries| **entries.index() == *index);
        entries.is_some_and(|entries| entries.from(&[]).is_some())
    }

    /// The rows with their keys in an index, in order of the keys, from `first` on: with no datums, all that it has. A row is
    /// there once for each of its keys.
    pub fn entries<'a>(
        &'a self,
        index: &Index,
        first: &[Datum],
    ) -> impl Iterator<Item = (&'a [Datum], &'a Row)> {
        let entries = self
            .indexes
            .iter()
            .find(|entries| **entries.index() == *index);
        let found = entries.and_then(|entries| entries.from(first));
        found.into_iter().flat_map(|(table, entries)| {
            let rows = self.rows(table);
            entries.filter_map(|(key, uuid)| Some((key, rows.get(&uuid)?)))
        })
    }

    /// The rows that a column of a row refers to, as far as they are there.
    pub fn referred<'a>(
        &'a self,
        table: TableId,
        column: ColumnId,
        row: &'a Row,
    ) -> impl Iterator<Item = (TableId, &'a Row)> {
        let ty = &self.schema().table(table).column(column).ty;
        let value = row.get(column);
        let target = |base: &BaseType| base.ref_table_id();
        let keys = target(&ty.key).into_iter();
        let keys = keys.flat_map(move |table| value.keys().map(move |atom| (table, atom)));
        let values = ty.value.as_ref().and_then(target).into_iter();
        let values = values.flat_map(move |table| value.values().map(move |atom| (table, atom)));
        let rows = keys.chain(values);
        rows.filter_map(|(table, atom)| Some((table, self.rows(table).get(&atom.as_uuid()?)?)))
    }

    /// The rows that refer to a row, with their tables and columns. Looks at all rows of tables that can; where that is often
    /// wanted of one column, an index by its elements finds them at once.
    pub fn referrers(
        &self,
        table: TableId,
        uuid: Uuid,
    ) -> impl Iterator<Item = (TableId, ColumnId, &Row)> {
        let tables = self.schema().table_ids();
        let columns = tables.flat_map(|id| {
            let columns = self.schema().table(id).column_ids_by_name().iter();
            columns.map(move |&column| (id, column))
        });
        columns.flat_map(move |(id, column)| {
            let ty = &self.schema().table(id).column(column).ty;
            let refers = |base: &BaseType| base.ref_table_id() == Some(table);
            let by_key = refers(&ty.key);
            let by_value = ty.value.as_ref().is_some_and(refers);
            let is_candidate = by_key || by_value;
            let rows = is_candidate.then(|| self.rows(id).values());
            let atom = Atom::Uuid(uuid);
            rows.into_iter().flatten().filter_map(move |row| {
                let value = row.get(column);
                let found = (by_key && value.contains_key(&atom))
                    || (by_value && value.values().any(|value| *value == atom));
                found.then_some((id, column, row))
            })
        })
    }

    /// The same contents with one index more, if there is none such.
    #[must_use]
    pub fn indexed(&self, index: &Arc<Index>) -> Version {
        let mut version = self.clone();
        if self.indexes.iter().all(|entries| entries.index() != index) {
            let entries = Entries::of(Arc::clone(index), &self.projection, &self.tables);
            version.indexes.push(entries);
            version.generation += 1;
        }
        version
    }

    /// The version after this one, which has the rows in `updates` and no others.
    ///
    /// # Errors
    /// There is something else than new rows.
    pub fn replaced(
        &self,
        projection: Arc<Projection>,
        updates: TableUpdates,
    ) -> Result<Version, Misfit> {
        let mut version = Version {
            generation: self.generation + 1,
            ..Version::empty(projection)
        };
        for update in updates {
            let rows = update.rows.into_iter().map(|(uuid, row)| match row {
                RowUpdate::Insert(row) => Ok((uuid, Row(row))),
                RowUpdate::Replace(_) | RowUpdate::Modify(_) | RowUpdate::Delete => {
                    Err(version.misfit(update.table, uuid, MisfitKind::NotInitial))
                }
            });
            let rows = rows.collect::<Result<Vec<_>, Misfit>>()?;
            version.n_rows += rows.len();
            version.bytes += rows.iter().map(|(_, row)| row.n_bytes()).sum::<usize>();
            *version.tables.rows_mut(update.table) = PMap::from_sorted(rows);
        }
        let indexes = self.indexes.iter().map(|entries| {
            let index = Arc::clone(entries.index());
            Entries::of(index, &version.projection, &version.tables)
        });
        version.indexes = indexes.collect();
        Ok(version)
    }

    /// The version after this one, in which `updates` have happened.
    ///
    /// # Errors
    /// They cannot have happened to these rows.
    pub fn updated(&self, updates: TableUpdates) -> Result<Version, Misfit> {
        let mut draft = self.draft();
        draft.update(updates)?;
        Ok(draft.finish())
    }

    /// The version after this one, before anything has happened in it.
    pub(super) fn draft(&self) -> Draft {
        Draft {
            version: Version {
                projection: Arc::clone(&self.projection),
                tables: self.tables.clone(),
                indexes: self.indexes.clone(),
                n_rows: self.n_rows,
                bytes: self.bytes,
                generation: self.generation + 1,
                contents: new_contents(),
                step: None,
            },
            from: self.contents,
            n_updates: 0,
            rows: Some(Vec::new()),
        }
    }

    /// The rows that changed between an earlier version and this one, the next after it, in the order of tables and rows. `None` if that is not remembered.
    pub(super) fn step_from(&self, earlier: &Version) -> Option<&[StepRow]> {
        let step = self.step.as_ref()?;
        (step.from == earlier.contents).then_some(&*step.rows)
    }

    /// What the row was, and what it is.
    fn apply(
        &mut self,
        table: TableId,
        uuid: Uuid,
        change: RowUpdate,
    ) -> Result<(Option<Row>, Option<Row>), MisfitKind> {
        let (old, new) = self.apply_to_rows(table, uuid, change)?;
        for entries in &mut self.indexes {
            entries.update(table, uuid, old.as_ref(), new.as_ref());
        }
        Ok((old, new))
    }

    fn apply_to_rows(
        &mut self,
        table: TableId,
        uuid: Uuid,
        change: RowUpdate,
    ) -> Result<(Option<Row>, Option<Row>), MisfitKind> {
        let rows = self.tables.rows_mut(table);
        Ok(match change {
            RowUpdate::Insert(row) => {
                let row = Row(row);
                self.bytes += row.n_bytes();
                if rows.insert(uuid, row.clone()).is_some() {
                    return Err(MisfitKind::Known);
                }
                self.n_rows += 1;
                (None, Some(row))
            }
            RowUpdate::Replace(new) => {
                let row = rows.get_mut(&uuid).ok_or(MisfitKind::Unknown)?;
                let new = Row(new);
                self.bytes =
                    self.bytes.saturating_sub(row.bytes_beside(&new)) + new.bytes_beside(row);
                (Some(std::mem::replace(row, new.clone())), Some(new))
            }
            RowUpdate::Modify(differences) => {
                let row = rows.get_mut(&uuid).ok_or(MisfitKind::Unknown)?;
                let table = self.projection.schema.table(table);
                let modified = row
                    .modified(table, &differences)
                    .map_err(MisfitKind::Difference)?;
                self.bytes = self.bytes.saturating_sub(modified.bytes_gone) + modified.bytes_come;
                let new = modified.row;
                (Some(std::mem::replace(row, new.clone())), Some(new))
            }
            RowUpdate::Delete => {
                let row = rows.remove(&uuid).ok_or(MisfitKind::Unknown)?;
                self.bytes = self.bytes.saturating_sub(row.n_bytes());
                self.n_rows -= 1;
                (Some(row), None)
            }
        })
    }

    fn misfit(&self, table: TableId, row: Uuid, kind: MisfitKind) -> Misfit {
        Misfit {
            table: self.schema().table(table).name.to_string(),
            row,
            kind,
        }
    }
}
