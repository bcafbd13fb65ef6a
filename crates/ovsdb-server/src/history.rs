//! The commits of the recent past by transaction id, so that a client that was away gets only what it missed
//! (`monitor_cond_since`; ovsdb-server(7), section 4.1.15).
//!
//! Bounded by bytes: the oldest commits go first. Nothing here knows sessions or files; who reads a file puts its commits
//! here, so that the past does not begin with the process.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use foldhash::fast::RandomState;
use ovsdb_engine::{Commit, Database};
use ovsdb_proto::monitor::{MonitorRequests, TableRequest};
use ovsdb_proto::schema::{Schema, TableId};
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
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Shown {
    /// Yes: all that it shows depends on columns that files keep.
    KeptColumns,
    /// No: what it shows of these tables depends on ephemeral columns or on `_version`.
    OtherColumns(Vec<TableId>),
}

impl Shown {
    /// What a monitor with these requests shows. Which rows there are does not depend on ephemeral columns: a column whose
    /// references keep rows alive is never ephemeral, whatever the schema says.
    pub fn of(schema: &Schema, requests: &MonitorRequests) -> Shown {
        let depends_on_others = |request: &&TableRequest| {
            let table = schema.table(request.table);
            let asked = request.columns.iter().map(|asked| asked.column);
            let mut columns = asked.chain(request.condition.columns());
            columns.any(|id| !table.column(id).persistent)
        };
        let tables = requests.tables.iter().filter(depends_on_others);
        let tables: Vec<TableId> = tables.map(|request| request.table).collect();
        if tables.is_empty() {
            Shown::KeptColumns
        } else {
            Shown::OtherColumns(tables)
        }
    }
}

/// What leads from a version that a client knows to the latest.
#[derive(Debug)]
pub struct Missed {
    /// What the history has put aside in chunks, of the first of which some steps are skipped.
    chunks: Vec<Arc<Chunk>>,
    skipped: usize,
    /// What comes after that.
    recent: Vec<Arc<Commit>>,
    /// Tables of whose rows at the version that the client knows not all is known that the client has been shown.
    doubtful: Vec<TableId>,
}

impl Missed {
    /// The commits, oldest first.
    pub fn commits(&self) -> impl Iterator<Item = &Arc<Commit>> {
        let steps = self.chunks.iter().flat_map(|chunk| &chunk.steps);
        let put_aside = steps.skip(self.skipped);
        put_aside
            .filter_map(|step| step.commit.as_ref())
            .chain(&self.recent)
    }

    /// Whether the client has all that it needs, together with the commits, to know `latest`, the version that they lead
    /// to.
    ///
    /// What ephemeral columns and `_version`s were before this process, nobody knows any more. That does not matter if
    /// there was no row to have them.
    pub fn is_sound(&self, latest: &Database) -> bool {
        if self.doubtful.is_empty() {
            return true;
        }
        let rows = |table: &TableId| (*table, latest.table(*table).len());
        let mut before: HashMap<TableId, usize> = self.doubtful.iter().map(rows).collect();
        for change in self.commits().flat_map(|commit| &commit.changes) {
            if let Some(rows) = before.get_mut(&change.table) {
                // Counted backwards; in between, it may be less than none.
                match (&change.old, &change.new) {
                    (None, Some(_)) => *rows = rows.wrapping_sub(1),
                    (Some(_), None) => *rows = rows.wrapping_add(1),
                    _ => {}
                }
            }
        }
        before.values().all(|rows| *rows == 0)
    }
}

/// The most recent commits of a database. See the module's documentation.
///
/// Versions are numbered: the oldest one known has the number `oldest`, and each step leads to the next. Steps are put
/// aside in chunks, so that somebody who has missed many can be given them at once, while nothing is published.
#[derive(Debug)]
pub struct History {
    bounds: Bounds,
    /// How many rows the latest version has.
    rows: usize,
    oldest: u64,
    oldest_id: Uuid,
    latest: u64,
    last: Uuid,
    chunks: VecDeque<Arc<Chunk>>,
    /// The steps after those in chunks.
    recent: VecDeque<Step>,
    recent_bytes: usize,
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

/// Steps that follow each other.
#[derive(Debug)]
struct Chunk {
    /// The version that the first one leads from.
    from: u64,
    steps: Vec<Step>,
}

/// What a history has forgotten, to be dropped where nobody waits for that.
#[derive(Debug, Default)]
#[must_use = "to drop it may take a while"]
pub struct Forgotten {
    chunks: Vec<Arc<Chunk>>,
    steps: Vec<Step>,
}

/// How many steps there are in a chunk, unless they take more than [`CHUNK_BYTES`].
const CHUNK_STEPS: usize = 128;

/// How many bytes are put aside at once, and forgotten at once.
const CHUNK_BYTES: usize = 64 << 10;

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
            latest: number,
            last: id,
            chunks: VecDeque::new(),
            recent: VecDeque::new(),
            recent_bytes: 0,
            numbers: HashMap::default(),
            own: number,
            bytes: 0,
        };
        history.learn(id);
        history
    }

    /// The id of the latest version.
    pub fn last(&self) -> Uuid {
        self.last
    }

    /// About how many bytes of memory the history takes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Adds the commit that leads to the version `id`. What is forgotten for it goes to `forgotten`.
    pub fn push(&mut self, id: Uuid, commit: Arc<Commit>, forgotten: &mut Forgotten) {
        for change in &commit.changes {
            match (&change.old, &change.new) {
                (None, Some(_)) => self.rows += 1,
                (Some(_), None) => self.rows = self.rows.saturating_sub(1),
                _ => {}
            }
        }
        self.step(id, Some(commit), forgotten);
    }

    /// Adds a version that does not differ in any row from the one before.
    pub fn push_same(&mut self, id: Uuid) {
        self.step(id, None, &mut Forgotten::default());
    }

    /// Ends the reading of a file. The versions so far are what the file kept; the same contents with what files do not
    /// keep, which is new, are the version `id`, the first of this process.
    pub fn begin_own(&mut self, id: Uuid) {
        self.push_same(id);
        self.own = self.latest;
    }

    /// Forgets everything but the latest version, which is `id` from now on and may be unlike all before it.
    pub fn clear_to(&mut self, id: Uuid, rows: usize) {
        *self = History::beginning(self.latest + 1, id, rows, self.bounds);
    }

    /// What leads from the version `id`, as a client got it, to the latest. `None` if that version is not known, or no
    /// longer. Whether what the monitor has shown of it is known is yet to be [found out](Missed::is_sound).
    ///
    /// Takes little time however much there is.
    pub fn since(&self, id: Uuid, shown: Shown) -> Option<Missed> {
        let number = self.number(id).or_else(|| self.kept(id))?;
        // Ids of this process that have no record are known by the whole, others by what the file kept.
        let is_own = number >= self.own && self.number(id).is_some();
        let doubtful = match shown {
            Shown::OtherColumns(tables) if !is_own => tables,
            _ => Vec::new(),
        };
        let first = self.chunks.partition_point(|chunk| chunk.end() <= number);
        let chunks: Vec<Arc<Chunk>> = self.chunks.range(first..).cloned().collect();
        let skipped = chunks.first().map_or(0, |chunk| number - chunk.from);
        let of_recent = number.saturating_sub(self.recent_from());
        let recent = self.recent.range(of_recent as usize..);
        Some(Missed {
            chunks,
            skipped: skipped as usize,
            recent: recent.filter_map(|step| step.commit.clone()).collect(),
            doubtful,
        })
    }

    /// The version known by exactly this id.
    fn number(&self, id: Uuid) -> Option<u64> {
        let number = *self.numbers.get(&Key::of(id))?;
        let known = match number > self.oldest {
            true => self.step_to(number).id,
            false => self.oldest_id,
        };
        (known == id).then_some(number)
    }

    /// The step that leads to a version that is known and not the oldest.
    fn step_to(&self, number: u64) -> &Step {
        let place = |from| (number - from - 1) as usize;
        if number > self.recent_from() {
            return &self.recent[place(self.recent_from())];
        }
        let chunk = self.chunks.partition_point(|chunk| chunk.end() < number);
        let chunk = &self.chunks[chunk];
        &chunk.steps[place(chunk.from)]
    }

    /// The version from which the first step leads that is in no chunk.
    fn recent_from(&self) -> u64 {
        self.latest - self.recent.len() as u64
    }

    /// The version that holds all that a file kept of `id`, a version without a record of some other process.
    fn kept(&self, id: Uuid) -> Option<u64> {
        let key = Key::Recorded(record_part(id));
        let number = self.numbers.get(&key).copied();
        number.filter(|_| is_without_record(id))
    }

    fn step(&mut self, id: Uuid, commit: Option<Arc<Commit>>, forgotten: &mut Forgotten) {
        let bytes = STEP_BYTES + commit.as_ref().map_or(0, |commit| commit.bytes());
        self.bytes += bytes;
        self.recent_bytes += bytes;
        self.recent.push_back(Step { id, commit, bytes });
        self.latest += 1;
        self.last = id;
        self.learn(id);
        if self.recent.len() >= CHUNK_STEPS || self.recent_bytes >= CHUNK_BYTES {
            self.put_aside();
        }
        let of_rows = self.rows.saturating_mul(self.bounds.per_row);
        let bytes_max = self.bounds.base.saturating_add(of_rows);
        while self.bytes > bytes_max.min(self.bounds.max) && self.drop_oldest(forgotten) {}
    }

    /// Makes a chunk of what is in none.
    fn put_aside(&mut self) {
        let chunk = Chunk {
            from: self.recent_from(),
            steps: self.recent.drain(..).collect(),
        };
        self.recent_bytes = 0;
        self.chunks.push_back(Arc::new(chunk));
    }

    /// Enters the latest version into the map.
    fn learn(&mut self, id: Uuid) {
        self.numbers.insert(Key::of(id), self.latest);
    }

    /// Forgets the oldest version, unless it is the only one; or several at once, if they are in one chunk.
    fn drop_oldest(&mut self, forgotten: &mut Forgotten) -> bool {
        if let Some(chunk) = self.chunks.pop_front() {
            for step in &chunk.steps {
                self.forget_oldest(step);
            }
            forgotten.chunks.push(chunk);
        } else if let Some(step) = self.recent.pop_front() {
            self.recent_bytes -= step.bytes;
            self.forget_oldest(&step);
            forgotten.steps.push(step);
        } else {
            return false;
        }
        true
    }

    /// Forgets the oldest version, of which `step` leads to the next.
    fn forget_oldest(&mut self, step: &Step) {
        let key = Key::of(self.oldest_id);
        // By chance a later version may have the same key.
        if self.numbers.get(&key) == Some(&self.oldest) {
            self.numbers.remove(&key);
        }
        self.oldest += 1;
        self.oldest_id = step.id;
        self.bytes -= step.bytes;
    }
}

impl Chunk {
    /// The version that the last step leads to.
    fn end(&self) -> u64 {
        self.from + self.steps.len() as u64
    }
}

#[cfg(test)]
mod tests;
