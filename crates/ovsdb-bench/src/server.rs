//! A server under measurement: started on a database of its own in a temporary folder, or somebody else's.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use ovsdb_log::{LockPolicy, Log, LogError, OpenMode, STANDALONE_MAGIC};
use ovsdb_proto::json::{self, JsonError};
use ovsdb_testkit::daemon::Daemon;
use ovsdb_testkit::sandbox::Sandbox;

use crate::client::{Client, ClientError, succeeded};
use crate::process::{self, Process};
use crate::rows::{DATABASE, SCHEMA};

/// What is known of the servers that were started here. Servers work in their folders, and nobody else does.
struct Here {
    folders: Vec<PathBuf>,
    /// This process ends: nothing is started any more.
    ending: bool,
}

static HERE: Mutex<Here> = Mutex::new(Here {
    folders: Vec::new(),
    ending: false,
});

/// Ends the servers that were started here, even while they start, and removes their folders: this process ends before its
/// time.
pub(crate) fn end_running() {
    /// A process that is killed is gone soon; one that cannot be killed is not waited for.
    const ROUNDS: usize = 1_000;
    let folders = {
        let mut here = HERE.lock().unwrap_or_else(PoisonError::into_inner);
        here.ending = true;
        std::mem::take(&mut here.folders)
    };
    for folder in folders {
        for _ in 0..ROUNDS {
            let processes = process::working_in(&folder);
            if processes.is_empty() {
                break;
            }
            for process in processes {
                process.kill();
            }
            std::thread::yield_now();
        }
        // What does not go stays: there is nobody left to tell.
        let _ = std::fs::remove_dir_all(folder);
    }
}

/// Changes the list of folders: of servers that are to be started, or that are no more. Does not return while this process
/// ends: what fails then fails for that reason, and is not worth telling.
fn change_folders<T>(change: impl FnOnce(&mut Vec<PathBuf>) -> T) -> T {
    let mut here = HERE.lock().unwrap_or_else(PoisonError::into_inner);
    if !here.ending {
        return change(&mut here.folders);
    }
    drop(here);
    loop {
        std::thread::park();
    }
}

/// Starts something that works in the folder of a server, or puts something there, which must be quick. Does not return while
/// this process ends: what is started then would be left behind.
pub(crate) fn begin_there<T>(begin: impl FnOnce() -> T) -> T {
    change_folders(|_| begin())
}

/// Why a server is of no use.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServerError {
    #[error("{}: {output}", .program.display())]
    Start { program: PathBuf, output: String },
    #[error("database file: {0}")]
    Log(#[from] LogError),
    #[error("schema: {0}")]
    Schema(#[from] JsonError),
    #[error("the process of the server cannot be looked at, or has ended")]
    Process,
    #[error("this needs a server that was started here")]
    NotStartedHere,
    #[error(transparent)]
    Client(#[from] ClientError),
}

/// A running server.
pub(crate) struct Server {
    method: String,
    process: Option<Process>,
    started: Option<Started>,
}

/// What there is of a server that was started here.
struct Started {
    program: PathBuf,
    sandbox: Sandbox,
    daemon: Option<Daemon>,
}

impl Server {
    /// Starts `program` on an empty database for workloads.
    pub(crate) fn start(program: &Path) -> Result<Server, ServerError> {
        Server::start_with(program, SCHEMA.as_bytes())
    }

    /// Starts `program` on an empty database with this schema.
    pub(crate) fn start_with(program: &Path, schema: &[u8]) -> Result<Server, ServerError> {
        let mut sandbox = Sandbox::new();
        // Clients that stay are started there, too.
        sandbox.set("OVS_CTL_TIMEOUT", "0");
        change_folders(|folders| folders.push(sandbox.folder().to_owned()));
        let mut log = Log::open(
            &sandbox.path("bench.db"),
            OpenMode::CreateExcl,
            &[STANDALONE_MAGIC],
            LockPolicy::Never,
        )?;
        let mut schema = json::parse(schema)?.to_bytes();
        schema.push(b'\n');
        log.append(&schema)?;
        log.commit()?;
        drop(log);
        let mut server = Server {
            method: format!("unix:{}", sandbox.path("bench.sock").display()),
            process: None,
            started: Some(Started {
                program: program.to_owned(),
                sandbox,
                daemon: None,
            }),
        };
        server.restart()?;
        Ok(server)
    }

    /// Another server of the same program, on an empty database of its own.
    ///
    /// # Errors
    /// [`ServerError::NotStartedHere`] for somebody else's server, whose program is not known.
    pub(crate) fn start_another(&self) -> Result<Server, ServerError> {
        let started = self.started.as_ref().ok_or(ServerError::NotStartedHere)?;
        Server::start(&started.program)
    }

    /// Uses the server at `method`, and deletes every row of its database.
    pub(crate) fn attach(method: &str) -> Result<Server, ServerError> {
        let mut client = Client::connect(method)?;
        let server = Server {
            method: method.to_owned(),
            process: client.peer().and_then(Process::known),
            started: None,
        };
        let schema = json::parse(SCHEMA.as_bytes())?;
        let tables = schema.get("tables").and_then(|tables| tables.as_object());
        let deletes: Vec<String> = tables
            .into_iter()
            .flat_map(|tables| tables.names())
            .map(|table| format!(",{{\"op\":\"delete\",\"table\":\"{table}\",\"where\":[]}}"))
            .collect();
        let params = format!("[\"{DATABASE}\"{}]", deletes.concat());
        succeeded(&client.call("transact", &params)?, deletes.len())?;
        Ok(server)
    }

    /// Stops the server, if it runs, and starts it on the same file. Says how long it took to be ready.
    ///
    /// # Errors
    /// [`ServerError::NotStartedHere`] for somebody else's server.
    pub(crate) fn restart(&mut self) -> Result<Duration, ServerError> {
        self.stop()?;
        let started = self.started.as_mut().ok_or(ServerError::NotStartedHere)?;
        let arguments: Vec<OsString> = [
            started.sandbox.path("bench.db").into_os_string(),
            "--remote=punix:bench.sock".into(),
            "--unixctl=bench.ctl".into(),
            "-vconsole:off".into(),
            "-vsyslog:off".into(),
        ]
        .into();
        let begin = Instant::now();
        let daemon = Daemon::try_start(&started.sandbox, &started.program, "bench", &arguments);
        let took = begin.elapsed();
        let daemon = daemon.map_err(|output| ServerError::Start {
            program: started.program.clone(),
            output: output.to_string(),
        })?;
        self.process = Process::known(daemon.pid());
        started.daemon = Some(daemon);
        Ok(took)
    }

    /// Stops the server, if it runs and was started here. Its file stays, for [`Server::restart`].
    ///
    /// # Errors
    /// [`ServerError::NotStartedHere`] for somebody else's server.
    pub(crate) fn stop(&mut self) -> Result<(), ServerError> {
        let started = self.started.as_mut().ok_or(ServerError::NotStartedHere)?;
        self.process = None;
        if let Some(daemon) = started.daemon.take() {
            daemon.stop();
        }
        Ok(())
    }

    /// Where clients connect.
    pub(crate) fn method(&self) -> &str {
        &self.method
    }

    /// Its folder. What is started there ends with this process.
    ///
    /// # Errors
    /// [`ServerError::NotStartedHere`] for somebody else's server.
    pub(crate) fn sandbox(&self) -> Result<&Sandbox, ServerError> {
        let started = self.started.as_ref().ok_or(ServerError::NotStartedHere)?;
        Ok(&started.sandbox)
    }

    /// The process, if its use of resources may be known.
    pub(crate) fn process(&self) -> Option<Process> {
        self.process
    }

    /// A connection.
    pub(crate) fn client(&self) -> Result<Client, ClientError> {
        Client::connect(&self.method)
    }

    /// Compacts the database, and comes back when that is done.
    ///
    /// # Errors
    /// [`ServerError::NotStartedHere`] for somebody else's server, whose control socket is not known.
    pub(crate) fn compact(&self) -> Result<(), ServerError> {
        let started = self.started.as_ref().ok_or(ServerError::NotStartedHere)?;
        let socket = started.sandbox.path("bench.ctl");
        let mut control = Client::connect(&format!("unix:{}", socket.display()))?;
        control.call("ovsdb-server/compact", "[]")?;
        Ok(())
    }

    /// Resident memory in bytes.
    pub(crate) fn resident_bytes(&self) -> Result<u64, ServerError> {
        let resident = self.process.and_then(Process::resident_bytes);
        resident.ok_or(ServerError::Process)
    }

    /// The database file.
    ///
    /// # Errors
    /// [`ServerError::NotStartedHere`] for somebody else's server, whose file is not known.
    pub(crate) fn file(&self) -> Result<PathBuf, ServerError> {
        Ok(self.sandbox()?.path("bench.db"))
    }

    /// Size of the database file in bytes.
    ///
    /// # Errors
    /// [`ServerError::NotStartedHere`] for somebody else's server, whose file is not known.
    pub(crate) fn file_bytes(&self) -> Result<u64, ServerError> {
        Ok(std::fs::metadata(self.file()?).map_or(0, |metadata| metadata.len()))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(started) = &mut self.started {
            // Killed before it is forgotten, so that it is never running and unknown.
            started.daemon = None;
            let folder = started.sandbox.folder();
            change_folders(|folders| folders.retain(|it| it != folder));
        }
    }
}
