//! A server in this process with real sockets and files, clients that speak bytes, and a disk that fails or dawdles on demand.

#![allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    reason = "each test program uses the part of this that it needs"
)]

pub mod engine;
pub mod writing;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use ovsdb_log::FileSystem;
use ovsdb_proto::json;
use ovsdb_proto::schema::Schema;
use ovsdb_server::configuration::Configuration;
use ovsdb_server::database::Storage;
use ovsdb_server::file;
use ovsdb_server::limits::Limits;
use ovsdb_server::remotes::{RemoteOptions, Remotes};
use ovsdb_server::server::Server;
use ovsdb_server::writer::WriterOptions;
use ovsdb_testkit::client::RawClient;
use ovsdb_testkit::disk::{Errno, Fault, FaultyDisk, Held, Kind, Operation};
use tokio::runtime::Runtime;

/// A schema with what the tests need: a table of named numbers, unique by name, and one that is not kept.
pub fn schema(name: &str) -> Schema {
    let text = format!(
        r#"{{"name":"{name}","version":"1.0.0","tables":{{
            "T":{{"isRoot":true,"indexes":[["name"]],"columns":{{
                "name":{{"type":"string"}},
                "n":{{"type":"integer"}},
                "tags":{{"type":{{"key":"string","min":0,"max":"unlimited"}}}},
                "note":{{"type":"string","ephemeral":true}}}}}},
            "U":{{"isRoot":true,"columns":{{"n":{{"type":"integer"}}}}}}}}}}"#
    );
    Schema::from_json(&json::parse(text.as_bytes()).expect("valid JSON")).expect("a valid schema")
}

/// A server under test, with its files in a folder of its own.
pub struct Fixture {
    pub runtime: Runtime,
    pub server: Arc<Server>,
    pub configuration: Arc<Configuration>,
    pub disk: FailingDisk,
    folder: Arc<tempfile::TempDir>,
}

impl Fixture {
    /// A server that serves a new database file for each name.
    pub fn new(databases: &[&str]) -> Fixture {
        Fixture::with_limits(databases, Limits::default())
    }

    /// Listens for clients that are probed at the shortest interval there is. Says where, for as long as the remotes are
    /// kept.
    pub fn probing_remote(&self) -> (PathBuf, Remotes) {
        let path = self.path("probed").with_extension("sock");
        let options = RemoteOptions {
            probe_interval_ms: 1000,
            ..RemoteOptions::default()
        };
        let wanted = BTreeMap::from([(format!("punix:{}", path.display()), options)]);
        let mut remotes = Remotes::new(self.server.clone());
        self.runtime.block_on(remotes.set(&wanted));
        (path, remotes)
    }

    /// The same with limits of its own.
    pub fn with_limits(databases: &[&str], limits: Limits) -> Fixture {
        Fixture::create(databases, limits, 2)
    }

    /// The same with a single thread for all sessions, so that one of them could hold up the others.
    pub fn on_one_thread(databases: &[&str]) -> Fixture {
        Fixture::create(databases, Limits::default(), 1)
    }

    fn create(databases: &[&str], limits: Limits, threads: usize) -> Fixture {
        let folder = Arc::new(tempfile::tempdir().expect("a temporary folder"));
        for name in databases {
            file::create(&folder.path().join(format!("{name}.db")), &schema(name))
                .expect("a new file");
        }
        Fixture::open(folder, databases, limits, threads)
    }

    fn open(
        folder: Arc<tempfile::TempDir>,
        databases: &[&str],
        limits: Limits,
        threads: usize,
    ) -> Fixture {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads)
            .enable_all()
            .build()
            .expect("a runtime");
        let options = WriterOptions { column_diff: true };
        let server = Server::with_limits(options, limits).expect("a thread");
        let configuration = Configuration::new(server.clone());
        let fixture = Fixture {
            runtime,
            server,
            configuration,
            disk: FailingDisk::default(),
            folder,
        };
        for name in databases {
            fixture.serve(name);
        }
        fixture.runtime.block_on(async {
            let socket = format!("punix:{}", fixture.socket().display());
            fixture
                .configuration
                .add(&socket)
                .await
                .expect("a connection method is no column");
            fixture
                .configuration
                .apply()
                .await
                .expect("no remote is a column");
        });
        fixture
    }

    /// Serves the file `NAME.db`.
    pub fn serve(&self, name: &str) {
        let path = self.path(name);
        let disk = self.disk.file_system();
        let loaded = file::load_to_serve_on(disk, &path).expect("a sound file");
        assert!(loaded.fault.is_none(), "{:?}", loaded.fault);
        let loaded = Box::new(loaded);
        let added = self.server.add_database(Storage::File { loaded, path });
        self.runtime.block_on(added).expect("a new database");
    }

    /// Ends the server and starts another on the same files.
    pub fn restart(self, databases: &[&str]) -> Fixture {
        self.runtime.block_on(self.server.close());
        let folder = self.folder.clone();
        drop(self);
        Fixture::open(folder, databases, Limits::default(), 2)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(format!("{name}.db"))
    }

    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("db.sock")
    }

    pub fn connect(&self) -> Client {
        Client::connect(&self.socket())
    }

    /// Waits until the server has noticed that clients have gone.
    pub fn wait_for_sessions(&self, count: usize) {
        while self.server.sessions() != count {
            std::thread::yield_now();
        }
    }
}

/// A client that sends what it is told.
pub struct Client {
    pub raw: RawClient,
}

impl Client {
    pub fn connect(socket: &Path) -> Client {
        Client {
            raw: RawClient::connect(socket),
        }
    }

    /// Sends a request with an id.
    pub fn request(&mut self, id: &str, method: &str, params: &str) {
        let text = format!(r#"{{"id":{id},"method":"{method}","params":{params}}}"#);
        self.raw.send(text.as_bytes()).expect("the server reads");
    }

    /// Sends a notification.
    pub fn notify(&mut self, method: &str, params: &str) {
        self.request("null", method, params);
    }

    /// The next message, with every UUID replaced by `U`.
    pub fn next(&mut self) -> String {
        match self.raw.receive() {
            Ok(Some(bytes)) => without_uuids(&String::from_utf8_lossy(&bytes)),
            Ok(None) => String::from("end"),
            Err(error) => panic!("no message: {error}"),
        }
    }

    /// Sends a request and returns the next message.
    pub fn call(&mut self, method: &str, params: &str) -> String {
        self.request("0", method, params);
        self.next()
    }

    /// Executes operations on the database `D` and returns the results.
    pub fn transact(&mut self, operations: &str) -> String {
        let reply = self.call("transact", &format!(r#"["D",{operations}]"#));
        let result = reply
            .strip_prefix(r#"{"error":null,"id":0,"result":"#)
            .and_then(|rest| rest.strip_suffix('}'));
        result
            .unwrap_or_else(|| panic!("no result: {reply}"))
            .to_owned()
    }

    /// Executes operations and checks the results.
    #[track_caller]
    pub fn check(&mut self, operations: &str, results: &str) {
        assert_eq!(self.transact(operations), results, "{operations}");
    }
}

/// The text with every UUID replaced by `U`.
pub fn without_uuids(text: &str) -> String {
    let is_uuid = |part: &str| {
        part.len() == 36
            && part.bytes().enumerate().all(|(at, byte)| match at {
                8 | 13 | 18 | 23 => byte == b'-',
                _ => byte.is_ascii_hexdigit(),
            })
    };
    let parts: Vec<&str> = text
        .split('"')
        .map(|part| if is_uuid(part) { "U" } else { part })
        .collect();
    parts.join("\"")
}

/// The disk, except that writing and syncing fail, and syncing waits, while they are told to.
#[derive(Clone)]
pub struct FailingDisk {
    disk: FaultyDisk,
    failing: Arc<Failing>,
}

/// Error numbers; 0 for none.
#[derive(Default)]
struct Failing {
    writes: AtomicI32,
    syncs: AtomicI32,
    served_syncs: AtomicI32,
    directory_syncs: AtomicI32,
}

/// The error numbers that the tests use.
pub const ENOSPC: i32 = Errno::ENOSPC as i32;
/// See [`ENOSPC`].
pub const EIO: i32 = Errno::EIO as i32;

impl Default for FailingDisk {
    fn default() -> FailingDisk {
        let (disk, failing) = (FaultyDisk::default(), Arc::new(Failing::default()));
        let told = failing.clone();
        disk.faults.script(move |operation| {
            let load = |errno: &AtomicI32| errno.load(Ordering::SeqCst);
            let errno = match operation.kind {
                Kind::Write => load(&told.writes),
                Kind::SyncDirectory => load(&told.directory_syncs),
                Kind::Sync if is_served_sync(operation) => {
                    load(&told.syncs).max(load(&told.served_syncs))
                }
                Kind::Sync => load(&told.syncs),
                _ => 0,
            };
            (errno != 0).then(|| Fault::Error(Errno::from_raw(errno)))
        });
        FailingDisk { disk, failing }
    }
}

/// Whether this syncs a file that is served, but not one that is to take its place, nor once it has.
fn is_served_sync(operation: &Operation<'_>) -> bool {
    operation.kind == Kind::Sync && !operation.is_of_replacement()
}

impl FailingDisk {
    /// As the server is given it.
    pub fn file_system(&self) -> Arc<dyn FileSystem> {
        Arc::new(self.disk.clone())
    }

    /// Has every write fail with an error number; 0 ends that.
    pub fn fail_writes(&self, errno: i32) {
        self.failing.writes.store(errno, Ordering::SeqCst);
    }

    /// Has every sync wait until the result is dropped, so that durable transactions stay under way.
    pub fn hold_syncs(&self) -> Held {
        self.disk
            .faults
            .hold(|operation| operation.kind == Kind::Sync)
    }

    /// Has every write wait until the result is dropped, so that whoever writes is stuck.
    pub fn hold_writes(&self) -> Held {
        self.disk
            .faults
            .hold(|operation| operation.kind == Kind::Write)
    }

    /// Has every sync of a file that is served wait until the result is dropped, but not of one that is to take its place,
    /// nor once it has.
    pub fn hold_served_syncs(&self) -> Held {
        self.disk.faults.hold(is_served_sync)
    }

    /// Has every sync of such a file fail with an error number when it has waited; 0 ends that.
    pub fn fail_served_syncs(&self, errno: i32) {
        self.failing.served_syncs.store(errno, Ordering::SeqCst);
    }

    /// Has every sync of a folder fail with an error number; 0 ends that.
    pub fn fail_directory_syncs(&self, errno: i32) {
        self.failing.directory_syncs.store(errno, Ordering::SeqCst);
    }

    /// Has every sync fail with an error number; 0 ends that.
    pub fn fail_syncs(&self, errno: i32) {
        self.failing.syncs.store(errno, Ordering::SeqCst);
    }
}
