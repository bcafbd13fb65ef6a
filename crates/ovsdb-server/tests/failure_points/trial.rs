//! One run of a workload on a server of one thread, and what is looked at on the way.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::Path;
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ovsdb_engine::Database;
use ovsdb_server::database::Storage;
use ovsdb_server::file;
use ovsdb_server::runtime::{self, Who, World};
use ovsdb_server::server::Server;
use ovsdb_server::writer::WriterOptions;
use ovsdb_testkit::disk::{Fault, Kind, SimulatedDisk};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::observer::{Converted, End, Fate, Observer};
use crate::oracle::{schema, schema_number, tokens};
use crate::plan::Plan;
use crate::workload::{Size, Step, WRITERS, schema_text, steps};

/// The database file.
const NAME: &str = "/data/db";

const DAY: Duration = Duration::from_secs(25 * 60 * 60);
const MINUTES: Duration = Duration::from_secs(200);

/// Turns after which all have done what they can do without waiting.
const SETTLING_TURNS: usize = 60;

/// At which operations it is looked what the next process would find.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Images {
    Everywhere,
    /// At those that follow the fault, and at the end.
    AfterFault,
}

/// A workload with the disk that it begins on.
pub(crate) struct Setup {
    seed: u64,
    size: Size,
    disk: SimulatedDisk,
    base: Database,
    /// Whether the file has nothing at its end that a power cut has torn.
    is_sound: bool,
}

/// What came of a run.
pub(crate) struct Report {
    /// All file operations.
    pub(crate) operations: Vec<Kind>,
    pub(crate) accepted: usize,
    /// Transactions that failed because of the disk.
    pub(crate) refused: usize,
    /// How often it was looked what the next process would find.
    pub(crate) images: usize,
    /// In how many of these images there was room behind the last record.
    pub(crate) images_with_room: usize,
    /// What a power cut left at the operation where one was to come.
    pub(crate) cut: Option<SimulatedDisk>,
}

/// Chance in a simulation: not the same as that of the disk, so that one more question here changes nothing there.
struct SeededWorld {
    bytes: RefCell<StdRng>,
    pauses: RefCell<StdRng>,
}

impl World for SeededWorld {
    fn random(&self) -> [u8; 16] {
        self.bytes.borrow_mut().random()
    }

    fn date_ms(&self) -> i64 {
        1_700_000_000_000
    }

    fn pause(&self, who: Who) -> Option<Duration> {
        let mut random = self.pauses.borrow_mut();
        match (who, random.random_range(0..4)) {
            (Who::Sync | Who::Compaction, 0) => None,
            (Who::Sync | Who::Compaction, 1) => Some(Duration::ZERO),
            (Who::Sync | Who::Compaction, _) => {
                Some(Duration::from_millis(random.random_range(1..20)))
            }
            (_, 0) => Some(Duration::ZERO),
            _ => None,
        }
    }

    fn is_writer_taken(&self) -> bool {
        self.pauses.borrow_mut().random_bool(0.5)
    }
}

/// What the disk's script and the workload share.
struct Trial {
    observer: Observer,
    operations: Vec<Kind>,
    images: usize,
    /// In how many of them there was room behind the last record.
    images_with_room: usize,
    /// A file could not be cut.
    is_uncut: bool,
    /// The system has lost what it had accepted.
    is_discarded: bool,
    /// Nothing fails any more.
    is_healed: bool,
    cut: Option<SimulatedDisk>,
}

type Shared = Arc<Mutex<Trial>>;

fn lock(trial: &Shared) -> MutexGuard<'_, Trial> {
    trial.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Trial {
    /// Looks what the next process would find: after a power cut with this seed, or after a kill. Which of what was told
    /// it must find, `end` says.
    fn look(&mut self, disk: &SimulatedDisk, end: End, seed: Option<u64>) {
        if self.observer.wrong.is_some() {
            return;
        }
        self.images += 1;
        let (what, image) = match seed {
            Some(seed) => (format!("power cut {seed}"), disk.power_cut(seed)),
            None => (String::from("kill"), disk.after_kill(0)),
        };
        let found = file::load_to_serve_on(Arc::new(image), Path::new(NAME));
        let result = match found {
            Ok(found) => {
                let has_room = found.fault.is_none() && found.log.length() > found.log.offset();
                self.images_with_room += usize::from(has_room);
                self.observer.check(&found.database, found.id, end)
            }
            Err(error) => Err(error.to_string()),
        };
        if let Err(wrong) = result {
            let number = self.operations.len();
            self.observer
                .fail(format!("{what} before operation {number}: {wrong}"));
        }
    }

    fn look_everywhere(&mut self, disk: &SimulatedDisk, seeds: u64) {
        self.observer.observe();
        let kill = match (self.is_discarded, self.is_uncut) {
            (true, _) => End::PowerCut,
            (false, true) => End::KillUncut,
            (false, false) => End::Kill,
        };
        self.look(disk, kill, None);
        let first = self.operations.len() as u64 * 100;
        for seed in first..first + seeds {
            self.look(disk, End::PowerCut, Some(seed));
        }
    }
}

impl Setup {
    /// The workload with this seed, on a file that has been there for long.
    pub(crate) fn new(size: Size, seed: u64) -> Setup {
        let disk = SimulatedDisk::new(seed);
        let fs = Arc::new(disk.clone());
        let path = Path::new(NAME);
        file::create_on(fs.clone(), path, &schema(0)).expect("the disk is well");
        let mut loaded = file::load_to_serve_on(fs, path).expect("the disk is well");
        let row = r#"{"Counter":{"00000000-0000-4000-8000-000000000000":{}}}"#;
        let record = format!("{row}\n");
        loaded
            .log
            .append(record.as_bytes())
            .and_then(|()| loaded.log.commit())
            .expect("the disk is well");
        drop(loaded);
        let fs = Arc::new(disk.after_kill(0));
        let base = file::load_to_serve_on(fs, path).expect("the disk is well");
        assert_eq!(base.database.rows(), 1);
        Setup {
            seed,
            size,
            disk: disk.after_kill(seed),
            base: base.database,
            is_sound: true,
        }
    }

    /// The workload with this seed, on what a power cut has left.
    pub(crate) fn after(seed: u64, disk: &SimulatedDisk) -> Result<Setup, String> {
        let fs = Arc::new(disk.after_kill(0));
        let found =
            file::load_to_serve_on(fs, Path::new(NAME)).map_err(|error| error.to_string())?;
        Ok(Setup {
            seed,
            size: Size::Small,
            disk: disk.after_kill(seed),
            base: found.database,
            is_sound: false,
        })
    }

    /// Does the workload once.
    pub(crate) fn run(&self, plan: Option<Plan>, images: Images) -> Result<Report, String> {
        self.run_and_cut(plan, images, None)
    }

    /// The same, and says what a power cut leaves at the operation with this number.
    pub(crate) fn run_and_cut(
        &self,
        plan: Option<Plan>,
        images: Images,
        cut_at: Option<u64>,
    ) -> Result<Report, String> {
        let disk = self.disk.after_kill(self.seed);
        let trial = Arc::new(Mutex::new(Trial {
            observer: Observer::new(self.base.clone()),
            operations: Vec::new(),
            images: 0,
            images_with_room: 0,
            is_uncut: false,
            is_discarded: false,
            is_healed: false,
            cut: None,
        }));
        let (looked_at, watched, seed) = (disk.clone(), trial.clone(), self.seed);
        disk.faults.script(move |operation| {
            let mut trial = lock(&watched);
            if cut_at == Some(operation.number) {
                trial.look_everywhere(&looked_at, 4);
                // One of those that have just been looked at.
                trial.cut = Some(looked_at.power_cut(operation.number * 100 + seed % 4));
            }
            match images {
                Images::Everywhere => trial.look_everywhere(&looked_at, 4),
                Images::AfterFault => {
                    let since = plan.and_then(|plan| operation.number.checked_sub(plan.point + 1));
                    if since.is_some_and(|since| since < 2) {
                        trial.look_everywhere(&looked_at, 1);
                    }
                }
            }
            trial.operations.push(operation.kind);
            let failing = plan.filter(|_| !trial.is_healed);
            let fault = failing.and_then(|plan| plan.fault(operation, &looked_at));
            if operation.kind == Kind::SetLength && fault.and_then(Fault::errno).is_some() {
                trial.is_uncut = true;
            }
            trial.is_discarded |= matches!(fault, Some(Fault::Discarded(_)));
            fault
        });

        let world = SeededWorld {
            bytes: RefCell::new(StdRng::seed_from_u64(self.seed)),
            pauses: RefCell::new(StdRng::seed_from_u64(self.seed)),
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime");
        let entered = runtime::enter(Rc::new(world));
        let result = runtime.block_on(work(self, &disk, &trial, plan.map(|plan| plan.point)));
        drop(runtime);
        drop(entered);
        disk.faults.heal();
        result?;
        let trial = lock(&trial);
        if let Some(wrong) = &trial.observer.wrong {
            return Err(wrong.clone());
        }
        Ok(Report {
            operations: trial.operations.clone(),
            accepted: trial
                .observer
                .count(|_, fate| matches!(fate, Fate::Accepted(_))),
            refused: trial.observer.count(|_, fate| fate == Fate::Refused),
            images: trial.images,
            images_with_room: trial.images_with_room,
            cut: trial.cut.clone(),
        })
    }
}

async fn turns(count: usize) {
    for _ in 0..count {
        tokio::task::yield_now().await;
    }
}

/// Returns when nobody has anything to do any more.
async fn settle() {
    tokio::time::sleep(Duration::from_secs(1)).await;
}

/// Has the disk work again.
fn heal(disk: &SimulatedDisk, trial: &Shared) {
    disk.set_capacity_bytes(None);
    disk.faults.forget_short();
    lock(trial).is_healed = true;
}

async fn work(
    setup: &Setup,
    disk: &SimulatedDisk,
    trial: &Shared,
    point: Option<u64>,
) -> Result<(), String> {
    let path = Path::new(NAME);
    let fs = Arc::new(disk.clone());
    let loaded = file::load_to_serve_on(fs.clone(), path).or_else(|_| {
        // Whoever starts it tries again.
        heal(disk, trial);
        file::load_to_serve_on(fs, path).map_err(|error| error.to_string())
    })?;
    if let Some(fault) = loaded.fault.as_ref().filter(|_| setup.is_sound) {
        return Err(format!("a sound file was not read to its end: {fault}"));
    }
    let server = Server::new(WriterOptions { column_diff: true }).expect("no thread is needed");
    server
        .add_database(Storage::File {
            loaded: Box::new(loaded),
            path: path.to_owned(),
        })
        .await
        .map_err(|error| error.to_string())?;
    lock(trial).observer.connect(&server, WRITERS);
    settle().await;

    let token = tokens(&setup.base).last().copied().unwrap_or(0);
    let steps = steps(setup.size, setup.seed, token, schema_number(&setup.base));
    let last_heal = steps
        .iter()
        .rposition(|step| matches!(step, Step::Heal))
        .expect("every workload heals the disk");
    let mut first_after_heal = None;
    for (at, step) in steps.into_iter().enumerate() {
        match step {
            Step::Transact(transaction) => {
                if at > last_heal {
                    first_after_heal.get_or_insert(transaction.token);
                }
                lock(trial).observer.send(transaction);
                if at > last_heal {
                    turns(3).await;
                }
            }
            Step::Yield(count) => turns(count).await,
            Step::Settle => settle().await,
            Step::Compact => compact(&server, trial),
            Step::Day => tokio::time::sleep(DAY).await,
            Step::Minutes => tokio::time::sleep(MINUTES).await,
            // What is to fail later does.
            Step::Heal if at < last_heal && point.is_none_or(|at| at >= disk.faults.count()) => {}
            Step::Heal => heal(disk, trial),
            Step::Convert(number) => {
                // What was sent before it is executed before it.
                turns(SETTLING_TURNS).await;
                lock(trial).observer.convert(number, &schema_text(number));
                settle().await;
                let mut trial = lock(trial);
                trial.observer.observe();
                if trial.observer.converted(number) == Converted::Waiting {
                    trial
                        .observer
                        .fail(format!("no answer to conversion {number}"));
                }
                trial.observer.monitor();
            }
        }
        lock(trial).observer.observe();
        if lock(trial).observer.wrong.is_some() {
            return Ok(());
        }
    }
    settle().await;
    check_end(disk, trial, &server, first_after_heal.unwrap_or(1)).await
}

/// Has the file compacted, and takes note if that succeeds.
fn compact(server: &Arc<Server>, trial: &Shared) {
    let Some(database) = server.database("D") else {
        return;
    };
    let shared = trial.clone();
    lock(trial).observer.observe();
    let accepted: BTreeSet<u64> = lock(trial).observer.accepted();
    tokio::spawn(async move {
        if database.compact().await.is_ok() {
            lock(&shared).observer.compacted(accepted);
        }
    });
}

/// The disk is well, and everything has come to rest.
async fn check_end(
    disk: &SimulatedDisk,
    trial: &Shared,
    server: &Arc<Server>,
    first_after_heal: u64,
) -> Result<(), String> {
    {
        let mut trial = lock(trial);
        trial.observer.observe();
        let waiting = trial.observer.count(|_, fate| fate == Fate::Waiting);
        if waiting > 0 {
            return Err(format!("{waiting} transactions were never answered"));
        }
        if !trial.observer.all_accepted_from(first_after_heal) {
            return Err(String::from(
                "the disk is well, but not every transaction succeeds",
            ));
        }
    }
    let database = server.database("D").ok_or("the database is gone")?;
    if let Some(trouble) = database.trouble() {
        return Err(format!("the disk is well, but there is trouble: {trouble}"));
    }
    database
        .compact()
        .await
        .map_err(|error| format!("the disk is well, but the file cannot be compacted: {error}"))?;
    let served = database.version();
    {
        // What the file holds is what is served, while it is served and afterwards.
        let mut trial = lock(trial);
        trial.look(disk, End::Kill, None);
        let result = trial.observer.check(&served.database, served.id, End::Kill);
        if let Err(wrong) = result {
            trial.observer.fail(format!("served at the end: {wrong}"));
        }
    }
    server.close().await;
    let mut trial = lock(trial);
    for seed in 0..2 {
        trial.look(disk, End::PowerCut, Some(seed));
    }
    trial.look(disk, End::Kill, None);
    let found = file::load_to_serve_on(Arc::new(disk.after_kill(0)), Path::new(NAME))
        .map_err(|error| error.to_string())?;
    match found.fault {
        Some(fault) => Err(format!("the file ends badly: {fault}")),
        None => Ok(()),
    }
}
