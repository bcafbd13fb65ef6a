//! What became of rows between two versions, found by comparing them.
//!
//! There is no queue of changes: whoever wants to know keeps the version that it has seen, and pays for what differs. Who has
//! seen the one before is told what the update between them changed, if that is not much; else what
//! the versions share is not looked at, and of a row that changed often there is one change. After another schema came, what
//! has one name is one thing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ecow::EcoString;
use ovsdb_pmap::Difference;
use ovsdb_proto::datum::Datum;
use ovsdb_proto::schema::{ColumnId, Schema, TableId, TableSchema};
use ovsdb_proto::uuid::Uuid;

use super::following;
use super::read::RowView;
use super::version::{Row, StepRow, Version};
use crate::typed::Model;

/// What somebody wants to know of what changes: everything, or the tables that are named.
#[derive(Clone, Debug, Default)]
pub struct Interest {
    tables: BTreeMap<EcoString, Columns>,
    /// Columns, by tables, whose references are followed.
    follows: BTreeMap<EcoString, BTreeSet<EcoString>>,
}

/// Which columns of a table matter.
#[derive(Clone, Debug)]
enum Columns {
    All,
    Only(BTreeSet<EcoString>),
    AllBut(BTreeSet<EcoString>),
}

/// The column whose value is new whenever a row changes.
const VERSION: &str = "_version";

impl Interest {
    /// Everything is of interest.
    pub fn all() -> Interest {
        Interest::default()
    }

    /// A table is of interest, beside others that are named.
    pub fn table(mut self, name: impl Into<EcoString>) -> Interest {
        self.tables.insert(name.into(), Columns::All);
        self
    }

    /// A table is of interest: new rows, rows that went, and those of which one of these columns changed.
    pub fn columns<C: Into<EcoString>>(
        mut self,
        table: impl Into<EcoString>,
        columns: impl IntoIterator<Item = C>,
    ) -> Interest {
        let columns = columns.into_iter().map(Into::into).collect();
        self.tables.insert(table.into(), Columns::Only(columns));
        self
    }

    /// A table is of interest: new rows, rows that went, and those of which another column than these changed. This is for
    /// columns that the program itself writes, or that change often and say little.
    pub fn all_but<C: Into<EcoString>>(
        mut self,
        table: impl Into<EcoString>,
        columns: impl IntoIterator<Item = C>,
    ) -> Interest {
        let columns = columns.into_iter().map(Into::into);
        // It changes with every other.
        let columns = columns.chain([VERSION.into()]).collect();
        self.tables.insert(table.into(), Columns::AllBut(columns));
        self
    }

    /// The table of a model is of interest, with the columns that the model has.
    pub fn model<M: Model>(self) -> Interest {
        self.columns(M::TABLE, M::COLUMNS.iter().map(|column| column.name))
    }

    /// [`Interest::model`], and the references in all columns of the model are [followed](Interest::following).
    pub fn model_following<M: Model>(self) -> Interest {
        let columns = M::COLUMNS.iter().map(|column| column.name);
        self.model::<M>().following(M::TABLE, columns)
    }

    /// A row of a table counts as changed also if a row to which one of these columns refers has come, changed or gone, as far
    /// as the replica has it. The table is of interest then, with all columns unless some are named.
    ///
    /// References may be followed over several tables: if those of `Bridge` to `Port` are, and those of `Port` to `Interface`,
    /// a change of an interface is one of its port and its bridge. Of a table to which references lead and that is of interest
    /// itself only what is of interest counts; of any other everything does.
    ///
    /// ```
    /// use ovsdb_client::replica::Interest;
    ///
    /// let bridges = Interest::all()
    ///     .following("Bridge", ["ports"])
    ///     .following("Port", ["interfaces"])
    ///     .all_but("Interface", ["statistics"]);
    /// ```
    ///
    /// What refers to a row that changed is found by looking at all rows of the table, or by an
    /// [`Index`](super::Index) by the [elements](super::Index::element) of the column, if the replica
    /// [has one](super::Replica::add_index).
    pub fn following<C: Into<EcoString>>(
        mut self,
        table: impl Into<EcoString>,
        columns: impl IntoIterator<Item = C>,
    ) -> Interest {
        let table = table.into();
        self.tables.entry(table.clone()).or_insert(Columns::All);
        let followed = self.follows.entry(table).or_default();
        followed.extend(columns.into_iter().map(Into::into));
        self
    }

    /// Tables and columns that are followed.
    pub(super) fn followed(&self) -> impl Iterator<Item = (&str, &str)> {
        self.follows.iter().flat_map(|(table, columns)| {
            let columns = columns.iter();
            columns.map(|column| (table.as_str(), column.as_str()))
        })
    }

    pub(super) fn has_table(&self, name: &str) -> bool {
        self.tables.is_empty() || self.tables.contains_key(name)
    }

    /// Whether rows that refer to the row count as changed.
    pub(super) fn counts(&self, change: &Change<'_>) -> bool {
        !self.tables.contains_key(change.table()) || self.has(change)
    }

    fn has(&self, change: &Change<'_>) -> bool {
        let is_modified = change.kind() == ChangeKind::Modify;
        match self.tables.get(change.table()) {
            Some(Columns::Only(columns)) if is_modified => {
                change.columns().any(|name| columns.contains(name))
            }
            Some(Columns::AllBut(columns)) if is_modified => {
                change.columns().any(|name| !columns.contains(name))
            }
            Some(_) => true,
            None => self.tables.is_empty(),
        }
    }
}

/// What differs between two versions of one replica.
#[derive(Clone, Debug)]
pub struct Changes {
    older: Arc<Version>,
    newer: Arc<Version>,
}

/// The ways in which a row can change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChangeKind {
    /// It is in the newer version only.
    Insert,
    /// It is in both, and differs.
    Modify,
    /// It is in the older version only.
    Delete,
}

/// What became of a row.
#[derive(Clone, Copy, Debug)]
pub struct Change<'a> {
    sides: Sides<'a>,
    is_by_reference: bool,
}

/// A row and its table, which may be another one in the newer version.
type Side<'a> = (&'a TableSchema, &'a Row);

#[derive(Clone, Copy, Debug)]
enum Sides<'a> {
    Old(Side<'a>),
    New(Side<'a>),
    Both(Side<'a>, Side<'a>),
}

impl Changes {
    /// What has to change in `older` to make it `newer`.
    pub fn between(older: Arc<Version>, newer: Arc<Version>) -> Changes {
        Changes { older, newer }
    }

    /// The version before the changes.
    pub fn older(&self) -> &Arc<Version> {
        &self.older
    }

    /// The version after the changes.
    pub fn newer(&self) -> &Arc<Version> {
        &self.newer
    }

    /// The changes that are of interest, in the order of the names of tables, then of rows.
    pub fn iter<'a>(&'a self, interest: &'a Interest) -> impl Iterator<Item = Change<'a>> {
        let is_plain = interest.follows.is_empty();
        let plain = is_plain.then(|| {
            let changes = self.of_tables(|name| interest.has_table(name));
            changes.filter(|change| interest.has(change))
        });
        let followed = (!is_plain).then(|| following::changes(self, interest));
        let followed = followed.into_iter().flatten();
        plain.into_iter().flatten().chain(followed)
    }

    /// Whether any change is of interest.
    pub(super) fn has_any(&self, interest: &Interest) -> bool {
        match self.newer.step_from(&self.older) {
            Some(step) if interest.follows.is_empty() => {
                let mut changes = step.iter().filter_map(|row| self.of_step(row));
                changes.any(|change| interest.has(&change))
            }
            _ => self.iter(interest).next().is_some(),
        }
    }

    /// All changes.
    pub(super) fn every(&self) -> impl Iterator<Item = Change<'_>> {
        self.of_tables(|_| true)
    }

    /// The row of a change in the older version, from where its references lead to rows of the same moment; if it was there.
    pub fn old_view(&self, change: &Change<'_>) -> Option<RowView<'_>> {
        change.old_side()?;
        self.older.table_named(change.table())?.row(change.uuid())
    }

    /// The row of a change in the newer version, from where its references lead to rows of the same moment; if it is there.
    pub fn new_view(&self, change: &Change<'_>) -> Option<RowView<'_>> {
        change.new_side()?;
        self.newer.table_named(change.table())?.row(change.uuid())
    }

    /// The change of a row that is in both versions, and refers to what changed.
    pub(super) fn by_reference<'a>(
        &'a self,
        table: &'a TableSchema,
        row: &'a Row,
    ) -> Option<Change<'a>> {
        let (id, old_table) = self.older.schema().table_by_name(&table.name)?;
        let old = self.older.rows(id).get(&row.uuid())?;
        Some(Change {
            sides: Sides::Both((old_table, old), (table, row)),
            is_by_reference: true,
        })
    }

    /// What changed in some of the tables.
    fn of_tables<'a>(
        &'a self,
        has_table: impl Fn(&str) -> bool + 'a,
    ) -> impl Iterator<Item = Change<'a>> {
        let step = self.newer.step_from(&self.older);
        let steps = step.unwrap_or_default().iter();
        let steps = steps.filter_map(|row| self.of_step(row));
        let compared = step.is_none().then(|| self.compared(has_table));
        steps.chain(compared.into_iter().flatten())
    }

    /// What became of a row that the update between the two versions changed.
    fn of_step<'a>(&'a self, (table, old, new): &'a StepRow) -> Option<Change<'a>> {
        let table = self.newer.schema().table(*table);
        Some(Change::of(match (old, new) {
            (None, None) => return None,
            (Some(old), None) => Sides::Old((table, old)),
            (None, Some(new)) => Sides::New((table, new)),
            (Some(old), Some(new)) => Sides::Both((table, old), (table, new)),
        }))
    }

    /// What differs in the tables that are of interest.
    fn compared<'a>(
        &'a self,
        has_table: impl Fn(&str) -> bool + 'a,
    ) -> impl Iterator<Item = Change<'a>> {
        let (older, newer) = (self.older.schema(), self.newer.schema());
        let is_same = Arc::ptr_eq(self.older.projection(), self.newer.projection());
        type Place<'a> = Option<(TableId, &'a TableSchema)>;
        let tables: Box<dyn Iterator<Item = (Place<'a>, Place<'a>)>> = if is_same {
            // They are numbered in the order of their names. Most are as they were, and are not looked at further.
            let tables = newer
                .table_ids()
                .filter(|&id| !self.older.rows(id).is_shared_with(self.newer.rows(id)));
            let tables = tables.map(|id| Some((id, newer.table(id))));
            Box::new(tables.map(|table| (table, table)))
        } else {
            // In most cases one table after another of both.
            let names: BTreeSet<&str> = names(older).chain(names(newer)).collect();
            let tables = names.into_iter();
            Box::new(tables.map(|name| (older.table_by_name(name), newer.table_by_name(name))))
        };
        tables
            .filter(move |(old, new)| {
                let table = new.or(*old);
                table.is_some_and(|(_, table)| has_table(&table.name))
            })
            .flat_map(move |(old, new)| self.of_table(old, new, is_same))
    }

    fn of_table<'a>(
        &'a self,
        old: Option<(TableId, &'a TableSchema)>,
        new: Option<(TableId, &'a TableSchema)>,
        is_same: bool,
    ) -> Box<dyn Iterator<Item = Change<'a>> + 'a> {
        let sides: Box<dyn Iterator<Item = Sides<'a>>> = match (old, new) {
            (None, None) => Box::new(std::iter::empty()),
            (Some((id, table)), None) => {
                let rows = self.older.rows(id).values();
                Box::new(rows.map(move |row| Sides::Old((table, row))))
            }
            (None, Some((id, table))) => {
                let rows = self.newer.rows(id).values();
                Box::new(rows.map(move |row| Sides::New((table, row))))
            }
            (Some((old_id, old)), Some((new_id, new))) => {
                let differences = self.older.rows(old_id).differences(self.newer.rows(new_id));
                Box::new(differences.filter_map(move |difference| match difference {
                    Difference::First(_, row) => Some(Sides::Old((old, row))),
                    Difference::Second(_, row) => Some(Sides::New((new, row))),
                    Difference::Both(_, before, after) => {
                        let (before, after) = ((old, before), (new, after));
                        let is_equal = match is_same {
                            true => before.1.is_shared_with(after.1) || before.1 == after.1,
                            false => differing(before, after).next().is_none(),
                        };
                        (!is_equal).then_some(Sides::Both(before, after))
                    }
                }))
            }
        };
        Box::new(sides.map(Change::of))
    }
}

fn names(schema: &Schema) -> impl Iterator<Item = &str> {
    schema.tables.iter().map(|table| table.name.as_str())
}

/// The columns, in the order of their names, that differ between two rows. One that only the newer table has is taken to
/// have held its default value; of one that it lost there is nothing to tell.
fn differing<'a>(
    (old_table, old): Side<'a>,
    (new_table, new): Side<'a>,
) -> impl Iterator<Item = &'a str> {
    let own = new_table.column_ids_by_name().iter().copied();
    std::iter::once(ColumnId::VERSION)
        .chain(own)
        .filter_map(move |id| {
            let name = new_table.column(id).name.as_str();
            let before = match old_table.column_id(name) {
                Some(old_id) => old.get(old_id),
                None => &new_table.defaults()[id.index()],
            };
            (before != new.get(id)).then_some(name)
        })
}

impl<'a> Change<'a> {
    fn of(sides: Sides<'a>) -> Change<'a> {
        Change {
            sides,
            is_by_reference: false,
        }
    }

    /// Whether nothing of interest changed in the row itself, but in what it refers to: see [`Interest::following`]. It is a
    /// [modification](ChangeKind::Modify) then.
    pub fn is_by_reference(&self) -> bool {
        self.is_by_reference
    }

    /// What kind of change it is.
    pub fn kind(&self) -> ChangeKind {
        match self.sides {
            Sides::Old(_) => ChangeKind::Delete,
            Sides::New(_) => ChangeKind::Insert,
            Sides::Both(..) => ChangeKind::Modify,
        }
    }

    /// The name of the table.
    pub fn table(&self) -> &'a str {
        &self.any().0.name
    }

    /// The row's name.
    pub fn uuid(&self) -> Uuid {
        self.any().1.uuid()
    }

    /// The row as it was, if it was there.
    pub fn old_row(&self) -> Option<&'a Row> {
        self.old_side().map(|(_, row)| row)
    }

    /// The row as it is, if it is there.
    pub fn new_row(&self) -> Option<&'a Row> {
        self.new_side().map(|(_, row)| row)
    }

    /// The value that a column had, if row and column were there.
    pub fn old_value(&self, column: &str) -> Option<&'a Datum> {
        value(self.old_side()?, column)
    }

    /// The value that a column has, if row and column are there.
    pub fn new_value(&self, column: &str) -> Option<&'a Datum> {
        value(self.new_side()?, column)
    }

    /// The columns that changed, in the order of their names but that `_version` comes first: for a row that came or went,
    /// all of its table's.
    pub fn columns(&self) -> Box<dyn Iterator<Item = &'a str> + 'a> {
        match self.sides {
            Sides::Both(old, new) => Box::new(differing(old, new)),
            Sides::Old((table, _)) | Sides::New((table, _)) => {
                let own = table.column_ids_by_name().iter();
                Box::new(own.map(|&id| table.column(id).name.as_str()))
            }
        }
    }

    fn old_side(&self) -> Option<Side<'a>> {
        match self.sides {
            Sides::Old(side) | Sides::Both(side, _) => Some(side),
            Sides::New(_) => None,
        }
    }

    fn new_side(&self) -> Option<Side<'a>> {
        match self.sides {
            Sides::New(side) | Sides::Both(_, side) => Some(side),
            Sides::Old(_) => None,
        }
    }

    /// The newer of the sides that there are.
    fn any(&self) -> Side<'a> {
        match self.sides {
            Sides::Old(side) | Sides::New(side) | Sides::Both(_, side) => side,
        }
    }
}

fn value<'a>((table, row): Side<'a>, column: &str) -> Option<&'a Datum> {
    Some(row.get(table.column_id(column)?))
}

#[cfg(test)]
mod tests;
