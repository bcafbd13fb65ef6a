//! The machine that the server of a simulated world runs on: its chance, its clock and its disk, and the server as a process
//! that is killed and starts again.

use std::cell::{Cell, RefCell};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ovsdb_log::compose_header;
use ovsdb_server::database::Storage;
use ovsdb_server::file;
use ovsdb_server::runtime::{self, Who};
use ovsdb_server::server::Server;
use ovsdb_server::writer::WriterOptions;
use ovsdb_testkit::differential::dice::Dice;
use ovsdb_testkit::disk::SimulatedDisk;
use tokio::time::Instant;

use crate::lines::Network;
use crate::schemas::FIRST;

/// The database file.
const PATH: &str = "/simulated/db";

/// What is by chance for the server, and what its clock shows.
pub(crate) struct Chance {
    dice: RefCell<Dice>,
    begun: Cell<Option<Instant>>,
}

impl Chance {
    pub(crate) fn new(dice: Dice) -> Chance {
        Chance {
            dice: RefCell::new(dice),
            begun: Cell::new(None),
        }
    }
}

impl runtime::World for Chance {
    fn random(&self) -> [u8; 16] {
        let mut dice = self.dice.borrow_mut();
        std::array::from_fn(|_| dice.between(0, 255) as u8)
    }

    fn date_ms(&self) -> i64 {
        let begun = self.begun.get().unwrap_or_else(Instant::now);
        self.begun.set(Some(begun));
        1_700_000_000_000 + begun.elapsed().as_millis() as i64
    }

    fn pause(&self, who: Who) -> Option<Duration> {
        let mut dice = self.dice.borrow_mut();
        let ms = match who {
            Who::Sync | Who::Compaction | Who::Close => dice.below(10),
            Who::Writer | Who::Session | Who::Teller if dice.chance(20) => dice.below(5),
            Who::Writer | Who::Session | Who::Teller => return None,
        };
        Some(Duration::from_millis(ms as u64))
    }

    fn is_writer_taken(&self) -> bool {
        self.dice.borrow_mut().chance(20)
    }
}

/// See the module's documentation.
pub(crate) struct Host {
    disk: SimulatedDisk,
    server: Option<Arc<Server>>,
    network: Network,
    dice: Dice,
}

impl Host {
    /// A machine with a new database, on which no server runs yet.
    pub(crate) fn new(network: Network, mut dice: Dice) -> Host {
        let disk = SimulatedDisk::new(dice.between(0, i64::MAX) as u64);
        let schema = ovsdb_proto::json::parse(FIRST.as_bytes()).expect("JSON");
        let record = format!("{schema}\n").into_bytes();
        let mut file = Vec::new();
        compose_header("JSON", &record, &mut file);
        file.extend(record);
        disk.put(PATH, file);
        Host {
            disk,
            server: None,
            network,
            dice,
        }
    }

    /// Starts the server, if it does not run.
    pub(crate) async fn start(&mut self) {
        if self.server.is_some() {
            return;
        }
        let options = WriterOptions {
            column_diff: self.dice.chance(50),
        };
        let server = Server::new(options).expect("a server");
        let path = Path::new(PATH).to_owned();
        let loaded = file::load_to_serve_on(Arc::new(self.disk.clone()), &path);
        let loaded = Box::new(loaded.expect("what was killed can be read"));
        let added = server.add_database(Storage::File { loaded, path }).await;
        added.expect("there is no other one");
        self.network.lead_to(Some(server.clone()));
        self.server = Some(server);
    }

    /// Kills the server: what it does from now on nobody hears, and the next one does not find.
    pub(crate) async fn kill(&mut self) {
        if let Some(server) = self.server.take() {
            self.disk = self.disk.after_kill(self.dice.between(0, i64::MAX) as u64);
            self.network.lead_to(None);
            self.network.cut(100);
            server.close().await;
        }
    }

    /// Ends the server in peace.
    pub(crate) async fn stop(&mut self) {
        self.network.lead_to(None);
        if let Some(server) = self.server.take() {
            assert_eq!(server.sessions(), 0, "sessions are left");
            assert!(server.locks().is_empty(), "locks are left");
            for served in server.databases() {
                assert_eq!(served.parked(), 0, "transactions are held back");
                assert_eq!(served.hub().monitors(), 0, "monitors are left");
            }
            server.close().await;
        }
    }
}
