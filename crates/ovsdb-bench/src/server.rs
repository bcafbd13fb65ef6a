//! A server under measurement: started on a database of its own in a temporary folder, or somebody else's.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ovsdb_log::{LockPolicy, Log, LogError, OpenMode, STANDALONE_MAGIC};
use ovsdb_proto::json::{self, JsonError};
use ovsdb_testkit::daemon::Daemon;
use ovsdb_testkit::sandbox::Sandbox;

use crate::client::{Client, ClientError};
use crate::rows::SCHEMA;

/// Why a server is of no use.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServerError {
    #[error("{}: {output}", .program.display())]
    Start { program: PathBuf, output: String },
    #[error("database file: {0}")]
    Log(#[from] LogError),
    #[error("schema: {0}")]
    Schema(#[from] JsonError),
    #[error("{0}: unreadable, or the server has ended")]
    Process(String),
    #[error(transparent)]
    Client(#[from] ClientError),
}

/// A running server of ours to start and stop.
pub(crate) struct Server {
    program: PathBuf,
    sandbox: Sandbox,
    daemon: Option<Daemon>,
}

impl Server {
    /// Starts `program` on an empty database.
    pub(crate) fn start(program: &Path) -> Result<Server, ServerError> {
        let sandbox = Sandbox::new();
        let mut log = Log::open(
            &sandbox.path("bench.db"),
            OpenMode::CreateExcl,
            &[STANDALONE_MAGIC],
            LockPolicy::Never,
        )?;
        let mut schema = json::parse(SCHEMA.as_bytes())?.to_bytes();
        schema.push(b'\n');
        log.append(&schema)?;
        log.commit()?;
        drop(log);
        let mut server = Server {
            program: program.to_owned(),
            sandbox,
            daemon: None,
        };
        server.restart()?;
        Ok(server)
    }

    /// Stops the server, if it runs, and starts it on the same file. Answers with how long it took to be ready.
    pub(crate) fn restart(&mut self) -> Result<Duration, ServerError> {
        if let Some(daemon) = self.daemon.take() {
            daemon.stop();
        }
        let arguments: Vec<OsString> = [
            self.sandbox.path("bench.db").into_os_string(),
            "--remote=punix:bench.sock".into(),
            "--unixctl=bench.ctl".into(),
            "-vconsole:off".into(),
            "-vsyslog:off".into(),
        ]
        .into();
        let begin = Instant::now();
        let daemon = Daemon::try_start(&self.sandbox, &self.program, "bench", &arguments);
        let took = begin.elapsed();
        self.daemon = Some(daemon.map_err(|output| ServerError::Start {
            program: self.program.clone(),
            output: output.to_string(),
        })?);
        Ok(took)
    }

    /// Where clients connect.
    pub(crate) fn method(&self) -> String {
        format!("unix:{}", self.sandbox.path("bench.sock").display())
    }

    /// Compacts the database.
    pub(crate) fn compact(&self) -> Result<(), ServerError> {
        let mut control = Client::connect(&format!(
            "unix:{}",
            self.sandbox.path("bench.ctl").display()
        ))?;
        control.call("ovsdb-server/compact", "[]")?;
        Ok(())
    }

    /// Resident memory in bytes.
    pub(crate) fn resident_bytes(&self) -> Result<u64, ServerError> {
        let pid = self.daemon.as_ref().map_or(0, Daemon::pid);
        let path = format!("/proc/{pid}/status");
        let status = std::fs::read_to_string(&path).unwrap_or_default();
        let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = kib.and_then(|text| text.trim().trim_end_matches(" kB").parse::<u64>().ok());
        kib.map(|kib| kib * 1024).ok_or(ServerError::Process(path))
    }

    /// Processor time used since the last start, by all threads. It counts in steps of 10 ms.
    pub(crate) fn cpu_time(&self) -> Result<Duration, ServerError> {
        /// Of `/proc/PID/stat`: clock ticks per second, the same on every Linux.
        const TICKS_PER_SECOND: u64 = 100;
        let path = format!("/proc/{}/stat", self.daemon.as_ref().map_or(0, Daemon::pid));
        let stat = std::fs::read_to_string(&path).unwrap_or_default();
        // The name may hold spaces, and ends at the last parenthesis; user and system time are fields 14 and 15.
        let fields = stat
            .rsplit_once(')')
            .map_or("", |(_, fields)| fields)
            .split_ascii_whitespace();
        let ticks: Vec<u64> = fields
            .skip(11)
            .take(2)
            .map_while(|field| field.parse().ok())
            .collect();
        match ticks[..] {
            [user, system] => Ok(Duration::from_millis(
                (user + system) * 1000 / TICKS_PER_SECOND,
            )),
            _ => Err(ServerError::Process(path)),
        }
    }

    /// Size of the database file in bytes.
    pub(crate) fn file_bytes(&self) -> u64 {
        std::fs::metadata(self.sandbox.path("bench.db")).map_or(0, |metadata| metadata.len())
    }
}
