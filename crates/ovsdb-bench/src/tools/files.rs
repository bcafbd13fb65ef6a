//! The files that the tools are given, and the server that serves one of them.
//!
//! A server makes them: it is filled, and compacts one of them. What is in them follows from their sizes, but for UUIDs and
//! dates.

use std::io;
use std::path::{Path, PathBuf};

use ovsdb_log::{LockPolicy, Log, LogError, OpenMode, STANDALONE_MAGIC};
use ovsdb_testkit::sandbox::Sandbox;

use crate::client::ClientError;
use crate::progress::Progress;
use crate::server::{self, Server, ServerError};
use crate::southbound;
use crate::workload::{Size, pipeline};

/// Rows of the big database.
const ROWS: usize = 200_000;

/// Transactions of the log that change one row each.
const CHANGES: usize = 100_000;

/// Rows that change in it: a multiple of 100.
const CHANGING_ROWS: usize = 1_000;

/// Transactions that are sent ahead of their replies.
const IN_FLIGHT: usize = 32;

/// Above the priorities that flows have at first, and how many of them there are: the schema's are below 65,536.
const FIRST_PRIORITY: usize = 1_000;
const PRIORITIES: usize = 60_000;

/// Why there are no files.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FilesError {
    #[error(transparent)]
    Server(#[from] ServerError),
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error(transparent)]
    Log(#[from] LogError),
    #[error("{}: {source}", .path.display())]
    Copy { path: PathBuf, source: io::Error },
    #[error("the server wrote {written} records for {transactions} transactions")]
    Records { written: usize, transactions: usize },
}

/// The files, in a folder that goes with this.
pub(crate) struct Files {
    /// Serves a file that is the same as `rows_db`.
    server: Server,
    /// A compacted file with many rows.
    pub(crate) rows_db: PathBuf,
    /// How many rows are in it.
    pub(crate) rows: usize,
    /// How many flows there are beside the first port of their datapath, and beside any.
    pub(crate) flows_beside_one: usize,
    pub(crate) flows_beside_any: usize,
    /// A file with many small transactions.
    pub(crate) log_db: PathBuf,
    /// How many rows there are after all of them.
    pub(crate) log_rows: usize,
    /// How many transactions are in it.
    pub(crate) transactions: usize,
    /// The flow that changed last.
    pub(crate) flow: String,
    /// The comment of that change.
    pub(crate) comment: String,
}

impl Files {
    /// Has the server make them. `schema` is that of OVN_Southbound.
    pub(crate) fn make(
        program: &Path,
        schema: &[u8],
        size: Size,
        progress: &Progress,
    ) -> Result<Files, FilesError> {
        let count = size.of(ROWS);
        progress.begin(format!("making a file with {count} rows"));
        let mut server = Server::start_with(program, schema)?;
        southbound::fill(&mut server.client()?, count)?;
        server.compact()?;
        // What it has in memory is then what is in the file.
        server.restart()?;
        let rows_db = server.sandbox()?.path("rows.db");
        copy(&server, &rows_db)?;
        let log_db = server.sandbox()?.path("log.db");
        let changes = size.of(CHANGES);
        progress.begin(format!("making a file with {changes} transactions"));
        let (flow, comment) = write_log(program, schema, changes, &log_db)?;
        // The one of what is filled in has the schema.
        let transactions = records(&log_db)?.saturating_sub(1);
        if transactions < changes {
            return Err(FilesError::Records {
                written: transactions,
                transactions: changes,
            });
        }
        Ok(Files {
            server,
            rows_db,
            // One more tells how far changes have come.
            rows: count + 1,
            flows_beside_one: southbound::flows_beside(1, count),
            flows_beside_any: southbound::flows_beside(southbound::PORTS_PER_HUNDRED, count),
            log_db,
            log_rows: CHANGING_ROWS + 1,
            transactions,
            flow,
            comment,
        })
    }

    /// Where clients connect.
    pub(crate) fn method(&self) -> &str {
        self.server.method()
    }

    /// The folder.
    pub(crate) fn sandbox(&self) -> Result<&Sandbox, ServerError> {
        self.server.sandbox()
    }
}

/// Has a server of its own write a log of so many changes. Says which flow changed last, and the comment.
fn write_log(
    program: &Path,
    schema: &[u8],
    changes: usize,
    to: &Path,
) -> Result<(String, String), FilesError> {
    let mut server = Server::start_with(program, schema)?;
    let mut client = server.client()?;
    southbound::fill(&mut client, CHANGING_ROWS)?;
    let flows = southbound::flows(&mut client)?;
    let comment = |number: usize| format!("change {number}");
    let requests: Vec<String> = (0..changes)
        .map(|number| {
            let at = number % flows.len();
            let priority = FIRST_PRIORITY + number % PRIORITIES;
            let request = southbound::modify(&flows[at..=at], priority);
            southbound::commented(request, &comment(number))
        })
        .collect();
    pipeline(&mut client, &requests, IN_FLIGHT)?;
    server.stop()?;
    copy(&server, to)?;
    let last = changes - 1;
    let flow = &flows[last % flows.len()];
    Ok((flow.uuid.clone(), comment(last)))
}

fn copy(of: &Server, to: &Path) -> Result<(), FilesError> {
    let from = of.file()?;
    let copied = server::begin_there(|| std::fs::copy(from, to));
    copied.map(drop).map_err(|source| FilesError::Copy {
        path: to.to_owned(),
        source,
    })
}

/// How many records a file has.
fn records(path: &Path) -> Result<usize, LogError> {
    let magics = [STANDALONE_MAGIC];
    let mut log = Log::open(path, OpenMode::ReadOnly, &magics, LockPolicy::Never)?;
    let mut records = 0;
    while log.read()?.is_some() {
        records += 1;
    }
    Ok(records)
}
