//! A server from its start to its end, and what is done to it meanwhile.

use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use ovsdb_log::{LockPolicy, OpenMode, compose_header};
use ovsdb_server::database::Storage;
use ovsdb_server::file;
use ovsdb_server::server::Server;
use ovsdb_server::writer::WriterOptions;
use ovsdb_testkit::differential::dice::Dice;
use ovsdb_testkit::disk::{Errno, Fault, SimulatedDisk};
use serde_json::Value as Json;
use tokio::task::{JoinSet, LocalSet};
use tokio::time::{sleep, timeout};

use crate::chronicle::Tag;
use crate::client::Client;
use crate::requests::schema;
use crate::world::{NAME, Phase, World};

/// The database file.
const PATH: &str = "/simulated/db";

/// How a life ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Ending {
    /// Everybody goes home.
    Peace,
    /// The process is killed.
    Kill,
    /// The power is cut.
    PowerCut,
}

/// A disk with a new database.
pub(crate) fn new_disk(dice: &mut Dice) -> SimulatedDisk {
    let disk = SimulatedDisk::new(dice.between(0, i64::MAX) as u64);
    let mut file = Vec::new();
    let ledger = r#"{"Ledger":{"11111111-1111-4111-8111-111111111111":{}}}"#;
    let schema: Json = serde_json::from_str(&schema(0)).expect("JSON");
    for record in [&schema.to_string(), ledger] {
        let record = format!("{record}\n").into_bytes();
        compose_header("JSON", &record, &mut file);
        file.extend(record);
    }
    disk.put(PATH, file);
    disk
}

/// The marks that the first records of the file have left.
fn marks(disk: &SimulatedDisk, records: u64) -> Vec<Tag> {
    let disk = Arc::new(disk.after_kill(0));
    let opened = file::open_on(disk, Path::new(PATH), OpenMode::ReadOnly, LockPolicy::Never);
    let (mut log, _) = opened.expect("it was opened before");
    let mut marks = Vec::new();
    for _ in 1..records {
        let record = file::read_json(&mut log).expect("it was read before");
        let record = record.expect("it was read before").to_string();
        let record: Json = serde_json::from_str(&record).expect("JSON");
        if let Some(rows) = record["Ledger"].as_object() {
            let row = rows.values().next().expect("a row that changes");
            marks.push(row["tag"].as_i64().unwrap_or(0));
        }
    }
    marks
}

/// Opens the database and serves it. Everything acknowledged is there if the machine has gone on since.
async fn open(world: &World, server: &Server, disk: &SimulatedDisk, is_same: bool) {
    let path = Path::new(PATH).to_owned();
    let loaded = file::load_to_serve_on(Arc::new(disk.clone()), &path);
    let loaded = loaded.expect("the file can be read");
    let is_torn = loaded.fault.is_some();
    world.is_torn.set(world.is_torn.get() || is_torn);
    if world.chronicle.borrow().has_begun() {
        let marks = marks(disk, loaded.records);
        // A sync that fails may lose what nobody has asked to be durable.
        let is_same = is_same && world.faults.get() == 0;
        let mut chronicle = world.chronicle.borrow_mut();
        chronicle.recovers(&loaded.database, &marks, is_same);
    }
    let loaded = Box::new(loaded);
    let added = server.add_database(Storage::File { loaded, path }).await;
    added.expect("there is no other one");
    world.is_absent.set(false);
}

fn any_fault(dice: &mut Dice) -> Fault {
    let errno = *dice.pick(&[Errno::EIO, Errno::ENOSPC]);
    match dice.below(6) {
        0 => Fault::Short,
        1 => Fault::ShortThen(errno),
        2 => Fault::Forgotten(errno),
        3 => Fault::Discarded(errno),
        4 => Fault::Kept(errno),
        _ => Fault::Error(errno),
    }
}

/// Does things to a server until its busy time is over.
async fn govern(world: Rc<World>, server: Arc<Server>, disk: SimulatedDisk, mut dice: Dice) {
    for _ in 0..1 + dice.below(6) {
        sleep(Duration::from_millis(dice.below(150) as u64)).await;
        match dice.below(8) {
            0 | 1 => {
                let (world, served) = (world.clone(), server.database(NAME));
                world.note(|| String::from("compaction"));
                tokio::task::spawn_local(async move {
                    if let Some(served) = served {
                        let compacted = served.compact().await;
                        world.note(|| format!("compacted: {compacted:?}"));
                        // A conversion writes the file itself.
                        let is_stale = world.weather.databases_change;
                        let may_fail = world.faults.get() > 0 || is_stale;
                        if let (Err(error), false) = (compacted, may_fail) {
                            world
                                .alarm
                                .replace(Some(format!("compaction failed: {error}")));
                        }
                    }
                });
            }
            2 | 3 if world.weather.disk_fails => {
                world.faults.set(world.faults.get() + 1);
                world.note(|| String::from("the disk fails"));
                let percent = *dice.pick(&[5, 30, 100]);
                let mut chance = Dice::new(dice.between(0, i64::MAX) as u64);
                if dice.chance(30) {
                    let room = disk.used_bytes() + dice.below(3000) as u64;
                    disk.set_capacity_bytes(Some(room));
                } else {
                    disk.faults
                        .script(move |_| chance.chance(percent).then(|| any_fault(&mut chance)));
                }
                sleep(Duration::from_millis(dice.below(150) as u64)).await;
                heal(&world, &disk);
            }
            4 if world.weather.databases_change => {
                // It is read again by the same machine.
                heal(&world, &disk);
                world.note(|| String::from("the database goes"));
                world.is_absent.set(true);
                world.changes.set(world.changes.get() + 1);
                assert!(server.remove(NAME, "the simulation wants it").await);
                sleep(Duration::from_millis(dice.below(50) as u64)).await;
                open(&world, &server, &disk, true).await;
            }
            _ => {}
        }
    }
}

fn heal(world: &World, disk: &SimulatedDisk) {
    world.note(|| String::from("the disk is well"));
    disk.faults.heal();
    disk.set_capacity_bytes(None);
}

/// Lets a server live on a disk, and returns the disk that the next one finds.
pub(crate) fn live(
    world: &Rc<World>,
    dice: &mut Dice,
    disk: SimulatedDisk,
    is_same: bool,
    ending: Ending,
) -> SimulatedDisk {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
    world.turn(Phase::Busy);
    let local = LocalSet::new();
    runtime.block_on(local.run_until(async {
        world.begins_clock();
        world.note(|| format!("a server begins; it ends in {ending:?}"));
        let options = WriterOptions {
            column_diff: dice.chance(50),
        };
        let server = Server::new(options).expect("a server");
        open(world, &server, &disk, is_same).await;
        let mut everybody = JoinSet::new();
        for number in 1..=1 + dice.below(6) as u64 {
            let dice = Dice::new(dice.between(0, i64::MAX) as u64);
            let mut client = Client::new(world.clone(), number, dice);
            let server = server.clone();
            everybody.spawn_local(async move { client.live(server).await });
        }
        let chance = Dice::new(dice.between(0, i64::MAX) as u64);
        let govern = govern(world.clone(), server.clone(), disk.clone(), chance);
        let lasts = Duration::from_millis(20 + dice.below(600) as u64);
        let rest = async {
            match ending {
                Ending::Peace => govern.await,
                // In the middle of everything.
                Ending::Kill | Ending::PowerCut => drop(timeout(lasts, govern).await),
            }
            let seed = dice.between(0, i64::MAX) as u64;
            match ending {
                Ending::Kill => return disk.after_kill(seed),
                Ending::PowerCut => return disk.power_cut(seed),
                Ending::Peace => {}
            }
            settle(world, &disk).await;
            assert_eq!(*world.alarm.borrow(), None);
            end(world, &server, &disk).await;
            disk.after_kill(seed)
        };
        // Whoever finds something wrong panics.
        let everybody = async {
            while let Some(ended) = everybody.join_next().await {
                if let Err(error) = ended {
                    std::panic::resume_unwind(error.into_panic());
                }
            }
            std::future::pending().await
        };
        tokio::select! {
            biased;
            () = everybody => unreachable!("it goes on for ever"),
            after = rest => after,
        }
    }))
}

/// Lets everybody come to an end with what he has begun, and go.
async fn settle(world: &World, disk: &SimulatedDisk) {
    heal(world, disk);
    let phases = [
        // Enough for a file to be written anew after a sync has failed.
        (Phase::Settling, 130),
        (Phase::Quiet, 20),
        (Phase::Over, 20),
    ];
    for (phase, seconds) in phases {
        world.note(|| format!("{phase:?}"));
        if phase == Phase::Quiet {
            world.locks.borrow().check_quiet();
        }
        world.turn(phase);
        sleep(Duration::from_secs(seconds)).await;
    }
}

/// Asserts that nothing is left of clients that have gone, and stops the server.
async fn end(world: &World, server: &Arc<Server>, disk: &SimulatedDisk) {
    assert_eq!(server.sessions(), 0, "sessions are left");
    assert!(server.locks().is_empty(), "locks are left");
    assert_eq!(server.budget().used(), 0, "requests are accounted for");
    for served in server.databases() {
        assert_eq!(served.parked(), 0, "transactions are held back");
        assert_eq!(served.hub().monitors(), 0, "monitors are left");
        assert_eq!(served.hub().feeds(), 0, "feeds are left");
    }
    world.is_absent.set(true);
    server.close().await;
    sleep(Duration::from_secs(10)).await;
    let tasks = tokio::runtime::Handle::current().metrics();
    assert_eq!(tasks.num_alive_tasks(), 0, "tasks are left");
    let disk = Arc::new(disk.after_kill(0));
    let found = file::load_to_serve_on(disk.clone(), Path::new(PATH)).expect("a sound file");
    let has_failed = world.faults.get() > 0;
    // What a write left behind that failed, or a crash, is cut off by the next one.
    let may_be_torn = has_failed || world.is_torn.get();
    assert!(found.fault.is_none() || may_be_torn, "{:?}", found.fault);
    let marks = marks(&disk, found.records);
    let mut chronicle = world.chronicle.borrow_mut();
    chronicle.recovers(&found.database, &marks, !has_failed);
}
