//! What one monitor is told: initial contents, changes, and what a new condition adds and takes away, in the forms of
//! RFC 7047 (sections 4.1.5, 4.1.6) and of ovsdb-server(7) (sections 4.1.12 to 4.1.15).
//!
//! A [`Monitor`] is a [`Shape`], which is shared by all who ask for the same tables, columns and kinds of change, and a
//! [`Filter`] for each table. Monitors read versions and commits and keep nothing but a [`Pending`] change set for a
//! receiver that is not ready: for each row the first old and the latest new contents, so that a slow receiver costs
//! memory for what differs, never for how often it changed.
//!
//! A row that does not meet the condition does not exist for the monitor: one that comes to meet it is inserted, one
//! that ceases to is deleted.

mod filter;
mod initial;
mod kept;
mod object;
mod shape;
mod updates;

use std::sync::Arc;

use hashbrown::HashMap;
use ovsdb_proto::condition::{Clause, Condition};
use ovsdb_proto::monitor::{MonitorRequests, Select};
use ovsdb_proto::schema::{Schema, TableId};
use ovsdb_proto::uuid::Uuid;

use crate::commit::{Commit, RowChange};
use crate::database::{Database, Row};
use crate::hashing::RowHash;

pub use self::filter::{Filter, Key};
pub use self::initial::{Initial, PieceMax, Place};
pub use self::kept::Kept;
pub use self::shape::{Form, RowUpdate, Shape};
use self::updates::UpdatesWriter;

/// A monitor of some columns of some rows of some tables.
#[derive(Clone, Debug)]
pub struct Monitor {
    shape: Arc<Shape>,
    form: Form,
    /// For each table of the shape.
    conditions: Vec<Condition>,
    /// The conditions, arranged.
    filters: Vec<Filter>,
}

/// Changes that a monitor was not told of yet, merged row by row.
#[derive(Clone, Debug, Default)]
pub struct Pending {
    rows: HashMap<(TableId, Uuid), Versions, RowHash>,
}

/// A row before the first and after the last change.
#[derive(Clone, Debug)]
struct Versions {
    old: Option<Arc<Row>>,
    new: Option<Arc<Row>>,
}

impl Pending {
    /// Whether there is nothing to tell.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The number of rows with changes.
    pub fn len(&self) -> usize {
        self.rows.len()
    }
}

impl Monitor {
    /// A monitor as requested of a database of `schema`, with a shape of its own.
    pub fn new(schema: Arc<Schema>, requests: &MonitorRequests, form: Form) -> Monitor {
        let shape = Arc::new(Shape::new(schema, requests));
        let conditions = Monitor::conditions_of(&shape, requests);
        Monitor::with_conditions(shape, form, conditions)
    }

    /// A monitor of `shape`, with a condition for each of its tables, in their order.
    pub fn with_conditions(shape: Arc<Shape>, form: Form, conditions: Vec<Condition>) -> Monitor {
        let filters = conditions.iter().enumerate();
        let filters = filters.map(|(at, condition)| Filter::new(shape.table_schema(at), condition));
        Monitor {
            filters: filters.collect(),
            shape,
            form,
            conditions,
        }
    }

    /// The conditions of `requests` in the order of the tables of their `shape`.
    pub fn conditions_of(shape: &Shape, requests: &MonitorRequests) -> Vec<Condition> {
        let of_table = |table| {
            let mut requests = requests.tables.iter();
            requests.find(|request| request.table == table)
        };
        let condition = |table| of_table(table).map(|request| request.condition.clone());
        shape
            .tables()
            .map(|table| condition(table).unwrap_or_default())
            .collect()
    }

    /// What this monitor shares with others.
    pub fn shape(&self) -> &Arc<Shape> {
        &self.shape
    }

    /// How it tells changes.
    pub fn form(&self) -> Form {
        self.form
    }

    /// The condition for each table of the shape.
    pub fn conditions(&self) -> &[Condition] {
        &self.conditions
    }

    /// For each table that is monitored the filter of its rows.
    pub fn filters(&self) -> impl Iterator<Item = (TableId, &Filter)> {
        self.shape.tables().zip(&self.filters)
    }

    /// Whether every row of every table is of interest.
    pub fn is_unconditional(&self) -> bool {
        let mut filters = self.filters.iter();
        filters.all(|filter| matches!(filter, Filter::All))
    }

    /// How many rows [`Monitor::write_initial`] looks at.
    pub fn rows_tried(&self, database: &Database) -> usize {
        self.filters()
            .map(|(table, filter)| filter.rows_tried(database.table(table)))
            .sum()
    }

    /// Appends the initial contents: all rows of interest, for tables that select `initial`.
    pub fn write_initial(&self, database: &Database, out: &mut Vec<u8>) {
        let mut updates = UpdatesWriter::new(&self.shape, out);
        for (at, monitored) in self.shape.tables.iter().enumerate() {
            if !monitored.select.contains(Select::INITIAL) {
                continue;
            }
            self.filters[at].for_each(database.table(monitored.id), |row| {
                let update = RowUpdate {
                    at,
                    kind: Select::INITIAL,
                    old: None,
                    new: Some(row),
                };
                update.write(&self.shape, self.form, updates.row(at, row.uuid()));
            });
        }
        if !updates.finish() {
            out.extend_from_slice(b"{}");
        }
    }

    /// What this monitor is to be told of a row that went from `old` to `new`, if anything.
    fn update<'a>(
        &self,
        at: usize,
        old: Option<&'a Row>,
        new: Option<&'a Row>,
    ) -> Option<RowUpdate<'a>> {
        let (monitored, filter) = (&self.shape.tables[at], &self.filters[at]);
        let old = old.filter(|row| filter.admits(row));
        let new = new.filter(|row| filter.admits(row));
        let kind = match (old, new) {
            (None, None) => return None,
            (None, Some(_)) => Select::INSERT,
            (Some(_), None) => Select::DELETE,
            (Some(_), Some(_)) => Select::MODIFY,
        };
        if !monitored.select.contains(kind) {
            return None;
        }
        if let (Some(old), Some(new)) = (old, new)
            && !monitored.differs(old, new)
        {
            return None;
        }
        Some(RowUpdate { at, kind, old, new })
    }

    fn update_of<'a>(&self, change: &'a RowChange) -> Option<RowUpdate<'a>> {
        let at = self.shape.position(change.table)?;
        self.update(at, change.old.as_deref(), change.new.as_deref())
    }

    /// Whether this monitor is to be told of a change.
    pub fn is_concerned(&self, change: &RowChange) -> bool {
        self.update_of(change).is_some()
    }

    /// What a change is for this monitor, if it is to be told of it: exactly one kind. Monitors of the same shape and form
    /// for which it is of the same kind are told the same of it.
    pub fn kind_of(&self, change: &RowChange) -> Option<Select> {
        self.update_of(change).map(|update| update.kind)
    }

    /// Adds a commit to what is to be told. Rows that are of no interest are left out.
    pub fn add(&self, pending: &mut Pending, commit: &Commit) {
        for change in &commit.changes {
            self.add_change(pending, change);
        }
    }

    /// [`Monitor::add`] for some of the changes of a commit, by their numbers. All others must be of no interest, before
    /// and after.
    pub fn add_some(&self, pending: &mut Pending, commit: &Commit, changes: &[u32]) {
        for &change in changes {
            self.add_change(pending, &commit.changes[change as usize]);
        }
    }

    /// [`Monitor::add`] for a receiver that was away: what it is told follows from the first and the last state of each
    /// row, also where it would not have been told of what came first, since its monitor selects some kinds of change
    /// only.
    pub fn add_missed(&self, pending: &mut Pending, commit: &Commit) {
        for change in &commit.changes {
            if self.shape.position(change.table).is_some() {
                Self::merge(pending, change, || true);
            }
        }
    }

    fn add_change(&self, pending: &mut Pending, change: &RowChange) {
        Self::merge(pending, change, || self.update_of(change).is_some());
    }

    fn merge(pending: &mut Pending, change: &RowChange, is_of_interest: impl Fn() -> bool) {
        let key = (change.table, change.uuid);
        if let Some(versions) = pending.rows.get_mut(&key) {
            // Whatever happens to a row that is already on the list belongs there: what will be told follows from its
            // first and its last state.
            versions.new.clone_from(&change.new);
            if versions.old.is_none() && versions.new.is_none() {
                pending.rows.remove(&key);
            }
        } else if is_of_interest() {
            let versions = Versions {
                old: change.old.clone(),
                new: change.new.clone(),
            };
            pending.rows.insert(key, versions);
        }
    }

    /// Takes all that is pending and appends it. False, and nothing appended, if there is nothing to tell, for instance
    /// because the changes cancel each other.
    pub fn write_pending(&self, pending: &mut Pending, out: &mut Vec<u8>) -> bool {
        let mut rows: Vec<((TableId, Uuid), Versions)> = pending.rows.drain().collect();
        rows.sort_unstable_by_key(|(key, _)| *key);
        let mut updates = UpdatesWriter::new(&self.shape, out);
        for ((table, uuid), versions) in &rows {
            let Some(at) = self.shape.position(*table) else {
                continue;
            };
            let update = self.update(at, versions.old.as_deref(), versions.new.as_deref());
            if let Some(update) = update {
                update.write(&self.shape, self.form, updates.row(at, *uuid));
            }
        }
        updates.finish()
    }

    /// Appends what is to be told of one commit. `changes` are the numbers of those that can be of interest, sorted by
    /// table and row; `write` appends what is told of the change with a number. False, and nothing appended, if there is
    /// nothing to tell.
    pub fn write_commit(
        &self,
        commit: &Commit,
        changes: impl Iterator<Item = u32>,
        mut write: impl FnMut(u32, RowUpdate<'_>, &mut Vec<u8>),
        out: &mut Vec<u8>,
    ) -> bool {
        let mut updates = UpdatesWriter::new(&self.shape, out);
        for number in changes {
            let change = &commit.changes[number as usize];
            if let Some(update) = self.update_of(change) {
                write(number, update, updates.row(update.at, change.uuid));
            }
        }
        updates.finish()
    }

    /// Appends what a receiver who knows what `old`, a monitor of the same shape, shows of `database` has to be told to
    /// know what this one shows of it. False, and nothing appended, if that is nothing.
    pub fn write_difference(&self, old: &Monitor, database: &Database, out: &mut Vec<u8>) -> bool {
        let mut updates = UpdatesWriter::new(&self.shape, out);
        for (at, monitored) in self.shape.tables.iter().enumerate() {
            let (before, after) = (&old.conditions[at], &self.conditions[at]);
            if before == after {
                continue;
            }
            let (before_filter, after_filter) = (&old.filters[at], &self.filters[at]);
            let candidates = Filter::new(self.shape.table_schema(at), &either(before, after));
            candidates.for_each(database.table(monitored.id), |row| {
                let (old, new): (Option<&Row>, Option<&Row>) =
                    match (before_filter.admits(row), after_filter.admits(row)) {
                        (false, true) => (None, Some(row)),
                        (true, false) => (Some(row), None),
                        _ => return,
                    };
                let kind = match new {
                    Some(_) => Select::INSERT,
                    None => Select::DELETE,
                };
                if monitored.select.contains(kind) {
                    let update = RowUpdate { at, kind, old, new };
                    update.write(&self.shape, self.form, updates.row(at, row.uuid()));
                }
            });
        }
        updates.finish()
    }
}

/// A condition that every row meets that meets just one of the two, and as few others as can be told from the clauses:
/// those that only one of them has.
fn either(a: &Condition, b: &Condition) -> Condition {
    if a.is_true_for_monitor() || b.is_true_for_monitor() {
        return Condition::always();
    }
    let only = |these: &Condition, others: &Condition| -> Vec<Clause> {
        let others = others.clauses();
        let is_new = |clause: &&Clause| others.binary_search(clause).is_err();
        these.clauses().iter().filter(is_new).cloned().collect()
    };
    let mut clauses = only(a, b);
    clauses.extend(only(b, a));
    if clauses.is_empty() {
        // The same clauses, some of them more than once.
        clauses.push(Clause::constant(false));
    }
    Condition::new(clauses)
}
