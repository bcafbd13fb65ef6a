//! What everybody in a simulated world shares: chance, the clock, the record of what has happened.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use ovsdb_engine::Commit;
use ovsdb_proto::uuid::Uuid;
use ovsdb_server::hub::Version;
use ovsdb_server::runtime::{self, Who};
use ovsdb_testkit::differential::dice::Dice;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::chronicle::{Chronicle, Tag};
use crate::locks::LockBook;
use crate::network::Pace;
use crate::watching::Memory;

/// The database that everything is about.
pub(crate) const NAME: &str = "Monitored";

/// What is going on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Phase {
    /// Everybody does what comes to his mind.
    Busy,
    /// Nobody begins anything new, and nothing goes wrong any more.
    Settling,
    /// Everything has been answered by now.
    Quiet,
    /// All go away.
    Over,
}

/// How things are in a world.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Weather {
    /// Of a hundred times that somebody of the server could go on, how often he waits, and for how long at most.
    pub(crate) pauses: u32,
    pub(crate) pause_ms_max: usize,
    /// How long a sync takes at most.
    pub(crate) sync_ms_max: usize,
    /// How often another thread has the writer.
    pub(crate) taken: u32,
    /// How often a line breaks by itself.
    pub(crate) breaks: u32,
    /// How often a client does something the next moment.
    pub(crate) haste: u32,
    /// Whether some values are so large that what clients are owed piles up.
    pub(crate) is_fat: bool,
    /// Whether disks fail.
    pub(crate) disk_fails: bool,
    /// Whether the set of databases and their schemas change.
    pub(crate) databases_change: bool,
}

impl Weather {
    fn any(dice: &mut Dice) -> Weather {
        Weather {
            pauses: *dice.pick(&[0, 10, 40]),
            pause_ms_max: *dice.pick(&[1, 5, 40]),
            sync_ms_max: *dice.pick(&[1, 10, 200]),
            taken: *dice.pick(&[0, 20, 100]),
            breaks: *dice.pick(&[0, 0, 15, 50]),
            haste: *dice.pick(&[20, 60, 90]),
            is_fat: dice.chance(4),
            disk_fails: dice.chance(25),
            databases_change: dice.chance(30),
        }
    }
}

/// See the module's documentation.
pub(crate) struct World {
    pub(crate) weather: Weather,
    pub(crate) chronicle: RefCell<Chronicle>,
    pub(crate) locks: RefCell<LockBook>,
    phase: Cell<Phase>,
    /// Rung when another phase begins, for all in the order in which they came.
    pub(crate) turned: Notify,
    /// How often the set of databases, or a schema, has changed in a way that disconnects who is not aware of it.
    pub(crate) changes: Cell<u64>,
    /// The database is not served at the moment.
    pub(crate) is_absent: Cell<bool>,
    /// What clients knew when they went away.
    pub(crate) memories: RefCell<BTreeMap<u64, Vec<Memory>>>,
    /// How often the disk has been made to fail.
    pub(crate) faults: Cell<u64>,
    /// What somebody has found wrong whom nobody would hear.
    pub(crate) alarm: RefCell<Option<String>>,
    /// A file was found whose end could not be read.
    pub(crate) is_torn: Cell<bool>,
    schedule: RefCell<Dice>,
    uuids: RefCell<Dice>,
    last_tag: Cell<Tag>,
    trace: Cell<u64>,
    events: Cell<u64>,
    begun: Cell<Option<Instant>>,
    now_ms: Cell<u64>,
    is_told: bool,
}

impl World {
    pub(crate) fn new(seed: u64, is_told: bool) -> (Rc<World>, Dice) {
        let mut dice = Dice::new(seed);
        let weather = Weather::any(&mut dice);
        let mut branch = || RefCell::new(Dice::new(dice.between(0, i64::MAX) as u64));
        let world = World {
            weather,
            chronicle: RefCell::default(),
            locks: RefCell::default(),
            phase: Cell::new(Phase::Busy),
            turned: Notify::new(),
            changes: Cell::new(0),
            is_absent: Cell::new(false),
            memories: RefCell::default(),
            faults: Cell::new(0),
            alarm: RefCell::default(),
            is_torn: Cell::new(false),
            schedule: branch(),
            uuids: branch(),
            last_tag: Cell::new(0),
            trace: Cell::new(seed),
            events: Cell::new(0),
            begun: Cell::new(None),
            now_ms: Cell::new(0),
            is_told,
        };
        world.note(|| format!("{weather:?}"));
        (Rc::new(world), dice)
    }

    /// A mark that no transaction has.
    pub(crate) fn fresh_tag(&self) -> Tag {
        self.last_tag.set(self.last_tag.get() + 1);
        self.last_tag.get()
    }

    /// Milliseconds since the life of this server began. Between two lives no time passes.
    fn now_ms(&self) -> u64 {
        if Handle::try_current().is_ok() {
            let begun = self.begun.get().unwrap_or_else(Instant::now);
            self.begun.set(Some(begun));
            self.now_ms.set(begun.elapsed().as_millis() as u64);
        }
        self.now_ms.get()
    }

    /// The clock of another tokio runtime counts from now on.
    pub(crate) fn begins_clock(&self) {
        self.begun.set(None);
    }

    /// Writes down something that has happened.
    pub(crate) fn note(&self, what: impl FnOnce() -> String) {
        let what = what();
        self.note_text(0, "", what.as_bytes());
    }

    /// Writes down a message to or from a client.
    pub(crate) fn note_text(&self, who: u64, way: &str, text: &[u8]) {
        let now_ms = match self.events.get() {
            0 => 0,
            _ => self.now_ms(),
        };
        if self.is_told {
            let text = String::from_utf8_lossy(text);
            eprintln!("{now_ms:>8} {who} {way} {text}");
        }
        self.events.set(self.events.get() + 1);
        let mut hash = self.trace.get() ^ now_ms ^ who;
        for part in text.chunks(8) {
            let mut bytes = [0; 8];
            bytes[..part.len()].copy_from_slice(part);
            hash = (hash.rotate_left(5) ^ u64::from_le_bytes(bytes))
                .wrapping_mul(0x517c_c1b7_2722_0a95);
        }
        self.trace.set(hash);
    }

    /// A number that tells whether all of this has happened before.
    pub(crate) fn trace(&self) -> u64 {
        self.trace.get()
    }

    /// How a new line carries bytes.
    pub(crate) fn pace(&self, dice: &mut Dice) -> Pace {
        match dice.below(20) {
            // A byte at a time.
            0 if dice.chance(50) && !self.weather.is_fat => Pace {
                capacity: 64,
                piece: 1,
                pauses: 2,
                pause_ms_max: 3,
            },
            1 => Pace {
                capacity: 256,
                piece: 200,
                pauses: 10,
                pause_ms_max: 1500,
            },
            2..6 => Pace {
                capacity: 2048,
                piece: 700,
                pauses: 30,
                pause_ms_max: 20,
            },
            _ => Pace {
                pauses: 50,
                pause_ms_max: 5,
                ..Pace::CALM
            },
        }
    }

    /// Whether databases have changed since they had changed that often, or are about to.
    pub(crate) fn has_changed_since(&self, changes: u64) -> bool {
        self.changes.get() > changes || self.is_absent.get()
    }

    pub(crate) fn phase(&self) -> Phase {
        self.phase.get()
    }

    /// Begins another phase.
    pub(crate) fn turn(&self, phase: Phase) {
        self.phase.set(phase);
        self.turned.notify_waiters();
    }
}

impl runtime::World for World {
    fn random(&self) -> [u8; 16] {
        let mut bytes = [0; 16];
        let text = self.uuids.borrow_mut().uuid();
        let digits: Vec<u8> = text.bytes().filter(|&byte| byte != b'-').collect();
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks(2)) {
            let digit = |digit: u8| (digit as char).to_digit(16).expect("it is hexadecimal") as u8;
            *byte = digit(pair[0]) * 16 + digit(pair[1]);
        }
        bytes
    }

    fn date_ms(&self) -> i64 {
        1_700_000_000_000 + self.now_ms() as i64
    }

    fn pause(&self, who: Who) -> Option<Duration> {
        let mut dice = self.schedule.borrow_mut();
        let weather = &self.weather;
        let ms = match who {
            Who::Sync => dice.below(weather.sync_ms_max + 1),
            Who::Compaction | Who::Close => dice.below(weather.sync_ms_max + weather.pause_ms_max),
            Who::Writer | Who::Session | Who::Teller => {
                if !dice.chance(weather.pauses) {
                    return None;
                }
                match dice.chance(70) {
                    true => 0,
                    false => dice.below(weather.pause_ms_max + 1),
                }
            }
        };
        Some(Duration::from_millis(ms as u64))
    }

    fn is_writer_taken(&self) -> bool {
        self.schedule.borrow_mut().chance(self.weather.taken)
    }

    fn published(&self, version: &Version, commits: &[(Arc<Commit>, Uuid)]) {
        self.note(|| {
            format!(
                "version {} of {}",
                version.id,
                version.database.schema().name
            )
        });
        if *version.database.schema().name == *NAME {
            if commits.is_empty() {
                self.changes.set(self.changes.get() + 1);
            }
            self.chronicle.borrow_mut().publishes(version, commits);
        }
    }
}
