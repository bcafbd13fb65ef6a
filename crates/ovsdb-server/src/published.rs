//! A version that has been published, and a commit that led to one, with what monitors are told of it as far as that has
//! been put into words.
//!
//! Monitors that are equal share the words for the whole commit, and so do those that differ in their conditions alone
//! if these admit the same of it. Of a commit of many changes they share the words for each row.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use foldhash::fast::RandomState;
use ovsdb_engine::monitor::{Form, Monitor, RowUpdate, Shape};
use ovsdb_engine::{Commit, Database};
use ovsdb_proto::monitor::Select;
use ovsdb_proto::uuid::Uuid;
use parking_lot::Mutex;

use crate::routes::Concern;

/// A text that is written by the first who wants it. An empty one says that there is nothing to tell.
pub type Text = Arc<OnceLock<Vec<u8>>>;

/// A version of a database that the journal has accepted.
#[derive(Clone, Debug)]
pub struct Version {
    /// The contents.
    pub database: Database,
    /// How many commits led here since the process opened the database.
    pub number: u64,
    /// The transaction id of the commit that led here: what clients call this version (ovsdb-server(7), section 4.1.15).
    pub id: Uuid,
}

impl Version {
    /// What the version is called.
    pub fn name(&self) -> VersionId {
        VersionId {
            number: self.number,
            id: self.id,
        }
    }
}

/// Which version somebody has been told of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct VersionId {
    /// See [`Version::number`].
    pub number: u64,
    /// See [`Version::id`].
    pub id: Uuid,
}

impl VersionId {
    /// The later one of the two.
    pub(crate) fn later(self, other: VersionId) -> VersionId {
        if other.number > self.number {
            other
        } else {
            self
        }
    }
}

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct Published {
    pub(crate) commit: Arc<Commit>,
    /// The version that it led to.
    pub(crate) version: VersionId,
    /// The numbers of its changes, sorted by table and row.
    order: OnceLock<Vec<u32>>,
    texts: Mutex<Texts>,
    rows: Mutex<HashMap<RowKey, RowText, RandomState>>,
}

/// What monitors are told.
#[derive(Debug, Default)]
struct Texts {
    /// Of the first monitor. Mostly there is no other one.
    first: Option<(Arc<Monitor>, Text)>,
    /// By the address of the monitor, which is kept so that no other gets it.
    others: HashMap<usize, (Arc<Monitor>, Text), RandomState>,
    /// Of the last [`Outcome`] that was asked for. Mostly the next one is the same.
    last: Option<(OutcomeKey, Text)>,
    /// Of all of them, by the address of the shape, which is kept.
    outcomes: HashMap<OutcomeKey, (Arc<Shape>, Text), RandomState>,
}

/// What each change of a commit is for a monitor: its kind, or that it is none of its business. Two bits each.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
struct Outcome(u64);

impl Outcome {
    /// Of so many changes there is one.
    const CHANGES_MAX: usize = u64::BITS as usize / 2;

    /// Notes what a change, by its number, is for the monitor.
    fn note(&mut self, number: u32, kind: Select) {
        let kind = match kind {
            Select::INSERT => 1,
            Select::DELETE => 2,
            _ => 3,
        };
        self.0 |= kind << (2 * number);
    }
}

/// By the address of the shape.
type OutcomeKey = (usize, Form, Outcome);

impl Texts {
    /// What `monitor` is told.
    fn of(&mut self, monitor: &Arc<Monitor>) -> Text {
        let new = || (monitor.clone(), Text::default());
        let (first, text) = self.first.get_or_insert_with(new);
        if Arc::ptr_eq(first, monitor) {
            return text.clone();
        }
        let address = Arc::as_ptr(monitor).addr();
        self.others.entry(address).or_insert_with(new).1.clone()
    }

    /// What monitors like `monitor` are told for whom the commit is this.
    fn of_outcome(&mut self, monitor: &Monitor, outcome: Outcome) -> Text {
        let shape = monitor.shape();
        let key = (Arc::as_ptr(shape).addr(), monitor.form(), outcome);
        if let Some((_, text)) = self.last.as_ref().filter(|(last, _)| *last == key) {
            return text.clone();
        }
        let new = || (shape.clone(), Text::default());
        let text = self.outcomes.entry(key).or_insert_with(new).1.clone();
        self.last = Some((key, text.clone()));
        text
    }
}

/// Room for the words for a commit, and for each of its changes, which is enough for many.
const TEXT_BYTES: usize = 64;
const CHANGE_TEXT_BYTES: usize = 128;
/// No room is made beforehand for more changes.
const CHANGES_FORESEEN: usize = 64;

/// The words for one row: by the address of the shape, the number of the change and its kind.
type RowKey = (usize, Form, u32, Select);

/// The shape is kept so that no other gets its address.
type RowText = (Arc<Shape>, Arc<[u8]>);

impl Published {
    pub(crate) fn new(commit: Arc<Commit>, version: VersionId) -> Published {
        Published {
            commit,
            version,
            order: OnceLock::new(),
            texts: Mutex::default(),
            rows: Mutex::default(),
        }
    }

    /// What `monitor` is told of the commit, which others are told, too.
    pub(crate) fn text(&self, monitor: &Arc<Monitor>, concern: &Concern) -> Text {
        let text = match self.outcome(monitor, concern) {
            Some(outcome) => self.texts.lock().of_outcome(monitor, outcome),
            None => self.texts.lock().of(monitor),
        };
        // Whoever comes while another writes it waits for that one.
        text.get_or_init(|| {
            let changes = self.commit.changes.len().min(CHANGES_FORESEEN);
            let mut out = Vec::with_capacity(TEXT_BYTES + CHANGE_TEXT_BYTES * changes);
            self.write(monitor, concern, &mut out);
            out
        });
        text
    }

    /// What the commit is for a monitor that has a condition, unless it has very many changes.
    fn outcome(&self, monitor: &Monitor, concern: &Concern) -> Option<Outcome> {
        let changes = &self.commit.changes;
        if changes.len() > Outcome::CHANGES_MAX || monitor.is_unconditional() {
            return None;
        }
        let mut outcome = Outcome(0);
        let mut note = |number: u32| {
            if let Some(kind) = monitor.kind_of(&changes[number as usize]) {
                outcome.note(number, kind);
            }
        };
        match concern {
            Concern::Any => (0..changes.len() as u32).for_each(note),
            Concern::Some(numbers) => numbers.iter().copied().for_each(&mut note),
        }
        Some(outcome)
    }

    /// Appends what `monitor` is told of the commit. False, and nothing appended, if there is nothing to tell.
    pub(crate) fn write(&self, monitor: &Monitor, concern: &Concern, out: &mut Vec<u8>) -> bool {
        let (shape, form) = (monitor.shape(), monitor.form());
        // Those without a condition are equal, and share more than rows.
        let is_shared = !monitor.is_unconditional();
        let write = |number: u32, update: RowUpdate<'_>, out: &mut Vec<u8>| {
            if is_shared {
                out.extend_from_slice(&self.row(shape, form, number, update));
            } else {
                update.write(shape, form, out);
            }
        };
        match concern {
            Concern::Any => {
                let changes = self.order().iter().copied();
                monitor.write_commit(&self.commit, changes, write, out)
            }
            Concern::Some(changes) => {
                let mut changes = changes.to_vec();
                self.sort(&mut changes);
                monitor.write_commit(&self.commit, changes.into_iter(), write, out)
            }
        }
    }

    fn row(&self, shape: &Arc<Shape>, form: Form, number: u32, update: RowUpdate<'_>) -> Arc<[u8]> {
        let key = (Arc::as_ptr(shape).addr(), form, number, update.kind());
        if let Some((_, text)) = self.rows.lock().get(&key) {
            return text.clone();
        }
        let mut text = Vec::new();
        update.write(shape, form, &mut text);
        let text: Arc<[u8]> = text.into();
        let known = (shape.clone(), text.clone());
        self.rows.lock().insert(key, known);
        text
    }

    fn order(&self) -> &[u32] {
        self.order.get_or_init(|| {
            let mut order: Vec<u32> = (0..self.commit.changes.len() as u32).collect();
            self.sort(&mut order);
            order
        })
    }

    fn sort(&self, changes: &mut [u32]) {
        changes.sort_unstable_by_key(|&number| {
            let change = &self.commit.changes[number as usize];
            (change.table, change.uuid)
        });
    }
}
