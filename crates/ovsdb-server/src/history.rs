//! The commits of the recent past by transaction id, so that a client that was away gets only what it missed
//! (`monitor_cond_since`; ovsdb-server(7), section 4.1.15).
//!
//! Bounded by bytes: the oldest commits go first. Nothing here knows sessions or files; who reads a file puts its commits
//! here, so that the past does not begin with the process.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use foldhash::fast::RandomState;
use ovsdb_engine::Commit;
use ovsdb_proto::monitor::{MonitorRequests, TableRequest};
use ovsdb_proto::schema::Schema;
use ovsdb_proto::uuid::Uuid;

use crate::limits;
use crate::transaction_id::{RecordPart, is_without_record, record_part};

/// How much a history may hold, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Whatever the database.
    pub base: usize,
    /// More for each of its rows.
    pub per_row: usize,
    /// But no more than this.
    pub max: usize,
}

impl Default for Bounds {
    fn default() -> Bounds {
        Bounds {
            base: limits::HISTORY_BYTES_BASE,
            per_row: limits::HISTORY_BYTES_PER_ROW,
            max: limits::HISTORY_BYTES_MAX,
        }
    }
}

/// Whether what a monitor shows can be told from a file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Shown {
    /// Yes: all that it shows depends on columns that files keep.
    KeptColumns,
    /// No: some of it depends on ephemeral columns or on `_version`.
    OtherColumns,
}

impl Shown {
    /// What a monitor with these requests shows. Which rows there are does not depend on ephemeral columns: a column whose
    /// references keep rows alive is never ephemeral, whatever the schema says.
    pub fn of(schema: &Schema, requests: &MonitorRequests) -> Shown {
        let depends_on_others = |request: &TableRequest| {
            let table = schema.table(request.table);
            let asked = request.columns.iter().map(|asked| asked.column);
            let mut columns = asked.chain(request.condition.columns());
            columns.any(|id| !table.column(id).persistent)
        };
        if requests.tables.iter().any(depends_on_others) {
            Shown::OtherColumns
        } else {
            Shown::KeptColumns
        }
    }
}

/// The most recent commits of a database. See the module's documentation.
///
/// Versions are numbered: the oldest one known has the number `oldest`, and each step leads to the next.
#[derive(Debug)]
pub struct History {
    bounds: Bounds,
    /// How many rows the latest version has.
    rows: usize,
    oldest: u64,
    oldest_id: Uuid,
    steps: VecDeque<Step>,
    numbers: HashMap<Key, u64, RandomState>,
    /// The first version that is this process' own; those before it came from a file.
    own: u64,
    bytes: usize,
}

/// How a version is found.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
enum Key {
    /// One with a record, by the part of its id that versions without a record share.
    Recorded(RecordPart),
    /// One without a record, by its id.
    Unrecorded(Uuid),
}

impl Key {
    fn of(id: Uuid) -> Key {
        if is_without_record(id) {
            Key::Unrecorded(id)
        } else {
            Key::Recorded(record_part(id))
        }
    }
}

/// What leads from one version to the next.
#[derive(Debug)]
struct Step {
    /// The id of the version it leads to.
    id: Uuid,
    /// `None` where the two versions do not differ in anything that a commit tells.
    commit: Option<Arc<Commit>>,
    bytes: usize,
}

/// What a step takes beside its commit: itself, an entry in the map, which may be half empty, and the counters of the
/// commit.
const STEP_BYTES: usize = size_of::<Step>() + 2 * size_of::<(Key, u64)>() + 2 * size_of::<usize>();

impl History {
    /// A history that begins with the version `id`, of `rows` rows.
    pub fn new(id: Uuid, rows: usize) -> History {
        History::with_bounds(id, rows, Bounds::default())
    }

    /// The same with other bounds than the default ones.
    pub fn with_bounds(id: Uuid, rows: usize, bounds: Bounds) -> History {
        History::beginning(0, id, rows, bounds)
    }

    /// A history that begins with the version number `number`.
    fn beginning(number: u64, id: Uuid, rows: usize, bounds: Bounds) -> History {
        let mut history = History {
            bounds,
            rows,
            oldest: number,
            oldest_id: id,
            steps: VecDeque::new(),
            numbers: HashMap::default(),
            own: number,
            bytes: 0,
        };
        history.learn(id);
        history
    }

    /// The id of the latest version.
    pub fn last(&self) -> Uuid {
        self.steps.back().map_or(self.oldest_id, |step| step.id)
    }

    /// About how many bytes of memory the history takes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Adds the commit that leads to the version `id`.
    pub fn push(&mut self, id: Uuid, commit: Arc<Commit>) {
        for change in &commit.changes {
            match (&change.old, &change.new) {
                (None, Some(_)) => self.rows += 1,
                (Some(_), None) => self.rows = self.rows.saturating_sub(1),
                _ => {}
            }
        }
        self.step(id, Some(commit));
    }

    /// Adds a version that does not differ in any row from the one before.
    pub fn push_same(&mut self, id: Uuid) {
        self.step(id, None);
    }

    /// Ends the reading of a file. The versions so far are what the file kept; the same contents with what files do not
    /// keep, which is new, are the version `id`, the first of this process.
    pub fn begin_own(&mut self, id: Uuid) {
        self.push_same(id);
        self.own = self.latest();
    }

    /// Forgets everything but the latest version, which is `id` from now on and may be unlike all before it.
    pub fn clear_to(&mut self, id: Uuid, rows: usize) {
        *self = History::beginning(self.latest() + 1, id, rows, self.bounds);
    }

    /// The commits that lead from the version `id`, as a client got it, to the latest. `None` if that version is not
    /// known, or no longer, or if what the monitor has shown of it is not known.
    ///
    /// The latter is the case with versions from before this process: what their ephemeral columns and their `_version`s
    /// were, nobody knows any more.
    pub fn since(&self, id: Uuid, shown: Shown) -> Option<Vec<Arc<Commit>>> {
        let number = match self.number(id) {
            Some(number) if number >= self.own => number,
            known if shown == Shown::KeptColumns => known.or_else(|| self.kept(id))?,
            _ => return None,
        };
        let missed = self.steps.range((number - self.oldest) as usize..);
        Some(missed.filter_map(|step| step.commit.clone()).collect())
    }

    /// The version known by exactly this id.
    fn number(&self, id: Uuid) -> Option<u64> {
        let number = *self.numbers.get(&Key::of(id))?;
        let known = match number.checked_sub(self.oldest + 1) {
            Some(step) => self.steps[step as usize].id,
            None => self.oldest_id,
        };
        (known == id).then_some(number)
    }

    /// The version that holds all that a file kept of `id`, a version without a record of some other process.
    fn kept(&self, id: Uuid) -> Option<u64> {
        let key = Key::Recorded(record_part(id));
        let number = self.numbers.get(&key).copied();
        number.filter(|_| is_without_record(id))
    }

    fn latest(&self) -> u64 {
        self.oldest + self.steps.len() as u64
    }

    fn step(&mut self, id: Uuid, commit: Option<Arc<Commit>>) {
        let bytes = STEP_BYTES + commit.as_ref().map_or(0, |commit| commit.bytes());
        self.bytes += bytes;
        self.steps.push_back(Step { id, commit, bytes });
        self.learn(id);
        let of_rows = self.rows.saturating_mul(self.bounds.per_row);
        let bytes_max = self.bounds.base.saturating_add(of_rows);
        while self.bytes > bytes_max.min(self.bounds.max) && self.drop_oldest() {}
    }

    /// Enters the latest version into the map.
    fn learn(&mut self, id: Uuid) {
        self.numbers.insert(Key::of(id), self.latest());
    }

    /// Forgets the oldest version, unless it is the only one.
    fn drop_oldest(&mut self) -> bool {
        let Some(step) = self.steps.pop_front() else {
            return false;
        };
        let key = Key::of(self.oldest_id);
        // By chance a later version may have the same key.
        if self.numbers.get(&key) == Some(&self.oldest) {
            self.numbers.remove(&key);
        }
        self.oldest += 1;
        self.oldest_id = step.id;
        self.bytes -= step.bytes;
        true
    }
}

#[cfg(test)]
mod tests;
