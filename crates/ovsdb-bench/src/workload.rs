//! What is measured: each workload is a file of its own here, and a line of [`ALL`].
//!
//! # Adding a workload
//!
//! Write `workload/NAME.rs` with a type that implements [`Workload`], add the module below and a line to [`ALL`], name it
//! and its figures in `docs/performance.md` (a test looks), and write the man pages anew (`cargo run -p xtask -- man`). [`Workload::run`] is given a [`Bench`]: a server on an empty database (schema
//! `bench.ovsschema`), and what it takes to measure it:
//!
//! ```text
//! fn run(&self, bench: &mut Bench) -> Result<(), WorkloadError> {
//!     let mut client = bench.client()?;
//!     let count = bench.size().of(5_000);                    // 5,000 at --scale 100
//!     let requests = ...;                                     // made before the section begins
//!     let section = bench.section(Probe::Write)?;             // another client asks meanwhile
//!     ...                                                     // nothing but what is measured
//!     let effort = section.end()?;
//!     expect_rows(count, bench.client()?.count(&["Item"])?)?; // checks come afterwards
//!     bench.record("rate", effort.rate(count), &effort);      // a figure of `figures()`
//!     Ok(())
//! }
//! ```
//!
//! [`fill`] puts rows into tables, [`Client`] is one client, [`pipeline`] sends requests ahead of replies,
//! [`crate::watchers`] is many clients that count what they are told, [`crate::load`] many that transact. An error of any
//! kind makes the workload count as failed by that server; the others go on. Make requests before a section, use the
//! ways that do not parse replies within it, and check afterwards.

mod bulk;
mod compact;
mod cond;
mod cond3000;
mod conns;
mod fanout;
pub(crate) mod fill;
mod groups;
mod hostile;
mod initial;
mod lookup;
mod memory;
mod mutate_big_set;
mod refs_gc;
mod soak;
mod startup;
mod txn_par;
mod txn_seq;

use std::path::Path;

use crate::client::{Client, ClientError};
use crate::download::Received;
use crate::probe::Probe;
use crate::section::{Effort, Section};
use crate::server::{Server, ServerError};
use crate::watchers::WatchError;

/// Every workload, in the order in which they are run and shown.
pub(crate) const ALL: &[&dyn Workload] = &[
    &txn_seq::PLAIN,
    &txn_seq::DURABLE,
    &txn_par::PLAIN,
    &txn_par::DURABLE,
    &bulk::Bulk,
    &initial::Initial,
    &fanout::MONITOR,
    &fanout::COND,
    &fanout::SINCE,
    &cond::ONE,
    &cond::TWENTY,
    &cond3000::Cond3000,
    &lookup::Lookup,
    &mutate_big_set::MutateBigSet,
    &refs_gc::RefsGc,
    &startup::Startup,
    &startup::StartupLog,
    &memory::Memory,
    &compact::Compact,
    &conns::Conns,
    &hostile::ATTACKS[0],
    &hostile::ATTACKS[1],
    &hostile::ATTACKS[2],
    &hostile::ATTACKS[3],
    &hostile::ATTACKS[4],
    &hostile::ATTACKS[5],
    &hostile::ATTACKS[6],
    &hostile::ATTACKS[7],
    &hostile::ATTACKS[8],
    &hostile::ATTACKS[9],
    &hostile::ATTACKS[10],
    &soak::Soak,
];

/// Something to be measured.
pub(crate) trait Workload: Sync {
    /// What it is called in options, tables and JSON: lower case, digits and underscores.
    fn name(&self) -> &'static str;

    /// What it does, in a phrase without a final stop.
    fn about(&self) -> &'static str;

    /// What it measures. The names are those given to [`Bench::record`].
    fn figures(&self) -> &'static [Figure];

    /// Whether it must start or control the server itself, so that it cannot be run on somebody else's.
    fn needs_program(&self) -> bool {
        false
    }

    /// Whether it is run when nobody names it.
    fn is_for_everyday(&self) -> bool {
        true
    }

    /// Does it once, on an empty database.
    fn run(&self, bench: &mut Bench) -> Result<(), WorkloadError>;
}

/// One quantity that a workload measures.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figure {
    /// Its name within the workload: lower case, digits and underscores.
    pub(crate) name: &'static str,
    /// What it is, in a phrase without a final stop.
    pub(crate) about: &'static str,
    pub(crate) unit: Unit,
}

impl Figure {
    pub(crate) const fn new(name: &'static str, unit: Unit, about: &'static str) -> Figure {
        Figure { name, about, unit }
    }
}

/// A unit, and so whether more or less is better.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Unit {
    /// More is better.
    PerSecond,
    /// Less is better.
    Microseconds,
    /// Less is better.
    Milliseconds,
    /// Less is better.
    Mebibytes,
    /// Less is better.
    Bytes,
}

impl Unit {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Unit::PerSecond => "1/s",
            Unit::Microseconds => "us",
            Unit::Milliseconds => "ms",
            Unit::Mebibytes => "MiB",
            Unit::Bytes => "B",
        }
    }

    /// Whether more of it is better.
    pub(crate) fn more_is_better(self) -> bool {
        self == Unit::PerSecond
    }
}

/// How much work a run is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Size {
    /// Percent of the usual numbers of transactions and rows.
    pub(crate) percent: usize,
    /// Whether there are only a tenth of the usual clients, too.
    pub(crate) quick: bool,
}

impl Size {
    /// So many transactions or rows, of `full` at the usual size; one at least.
    pub(crate) fn of(self, full: usize) -> usize {
        (full * self.percent / 100).max(1)
    }

    /// So many clients, of `full` at the usual size; two at least, unless one is all there are.
    pub(crate) fn clients(self, full: usize) -> usize {
        if self.quick {
            (full / 10).max(full.min(2))
        } else {
            full
        }
    }
}

/// One result of one run.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    /// The name of the figure.
    pub(crate) figure: &'static str,
    pub(crate) value: f64,
    pub(crate) effort: Effort,
}

/// Why a run is worth nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WorkloadError {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error(transparent)]
    Server(#[from] ServerError),
    #[error("{found} rows are there, {expected} should be")]
    Rows { expected: usize, found: usize },
    #[error(transparent)]
    Watch(#[from] WatchError),
    #[error("client {client} received {received:?}, {expected:?} should have come")]
    Download {
        client: usize,
        expected: Received,
        received: Received,
    },
    #[error("{needed} descriptors are needed, {allowed} are allowed (see ulimit -Hn)")]
    Descriptors { needed: u64, allowed: u64 },
    #[error("{} MiB of memory in use, {} MiB are what this may cost", .peak >> 20, .bound >> 20)]
    Memory { peak: u64, bound: u64 },
    #[error("{what} grew from {early} to {late} while there was nothing more to keep")]
    Growth {
        what: &'static str,
        early: u64,
        late: u64,
    },
    #[error("{found} elements are in {column}, {expected} should be")]
    Elements {
        column: &'static str,
        expected: usize,
        found: usize,
    },
    #[error("what a client was told does not lead to what is there: {0}")]
    Replica(String),
    #[error("there was no attack")]
    NoAttack,
    #[error("a client's thread has panicked")]
    Thread,
}

/// A server on an empty database, and what has been measured of it.
pub(crate) struct Bench {
    server: Server,
    size: Size,
    samples: Vec<Sample>,
}

impl Bench {
    /// A fresh server of `program`.
    pub(crate) fn on_program(program: &Path, size: Size) -> Result<Bench, ServerError> {
        Ok(Bench::on(Server::start(program)?, size))
    }

    /// The server at `method`, whose database is emptied.
    pub(crate) fn on_remote(method: &str, size: Size) -> Result<Bench, ServerError> {
        Ok(Bench::on(Server::attach(method)?, size))
    }

    fn on(server: Server, size: Size) -> Bench {
        Bench {
            server,
            size,
            samples: Vec::new(),
        }
    }

    /// How much is to be done.
    pub(crate) fn size(&self) -> Size {
        self.size
    }

    /// The server.
    pub(crate) fn server(&self) -> &Server {
        &self.server
    }

    /// The server, to restart it.
    pub(crate) fn server_mut(&mut self) -> &mut Server {
        &mut self.server
    }

    /// Where clients connect.
    pub(crate) fn method(&self) -> &str {
        self.server.method()
    }

    /// A new connection. For checks after a long section take a new one: a server may have closed one that was idle.
    pub(crate) fn client(&self) -> Result<Client, ClientError> {
        self.server.client()
    }

    /// Begins to measure, with another client that asks for little meanwhile.
    pub(crate) fn section(&self, probe: Probe) -> Result<Section, ClientError> {
        Section::begin(&self.server, probe)
    }

    /// Notes a result, and what the section it comes from cost.
    pub(crate) fn record(&mut self, figure: &'static str, value: f64, effort: &Effort) {
        self.samples.push(Sample {
            figure,
            value,
            effort: *effort,
        });
    }

    /// What has been noted.
    pub(crate) fn into_samples(self) -> Vec<Sample> {
        self.samples
    }
}

/// Rows must be there, neither fewer nor more.
pub(crate) fn expect_rows(expected: usize, found: usize) -> Result<(), WorkloadError> {
    if found == expected {
        Ok(())
    } else {
        Err(WorkloadError::Rows { expected, found })
    }
}

/// Bytes in MiB.
pub(crate) fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// Sends all requests, never more than `in_flight` ahead of the replies, each of which must tell of success. Sends again
/// when half of them are answered, so that both sides can work on several at a time.
pub(crate) fn pipeline(
    client: &mut Client,
    requests: &[String],
    in_flight: usize,
) -> Result<(), ClientError> {
    let mut rest = requests.iter();
    loop {
        if client.in_flight() <= in_flight / 2 {
            for request in rest.by_ref().take(in_flight - client.in_flight()) {
                client.queue("transact", request);
            }
            client.flush()?;
        }
        if client.in_flight() == 0 {
            return Ok(());
        }
        client.receive_success()?;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_and_fit_for_options_and_json() {
        let fit = |name: &str| {
            !name.is_empty()
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
        };
        let mut names = BTreeSet::new();
        for workload in ALL {
            assert!(fit(workload.name()), "{}", workload.name());
            assert!(names.insert(workload.name()), "{}", workload.name());
            let mut figures = BTreeSet::new();
            for figure in workload.figures() {
                assert!(
                    fit(figure.name) && figures.insert(figure.name),
                    "{} {}",
                    workload.name(),
                    figure.name
                );
            }
            assert!(!figures.is_empty(), "{}", workload.name());
        }
    }

    #[test]
    fn the_page_about_performance_names_every_workload_and_figure() {
        let page = include_str!("../../../docs/performance.md");
        for workload in ALL {
            let name = format!("`{}`", workload.name());
            let mut lines = page.lines().filter(|line| line.starts_with("| `"));
            let line = lines.find(|line| line.contains(&name));
            let line = line.unwrap_or_else(|| panic!("docs/performance.md does not name {name}"));
            for figure in workload.figures() {
                let figure = format!("`{}`", figure.name);
                assert!(line.contains(&figure), "{name} lacks {figure}: {line}");
            }
        }
    }

    #[test]
    fn sizes_never_become_nothing() {
        let size = Size {
            percent: 1,
            quick: true,
        };
        assert_eq!((size.of(5_000), size.of(10)), (50, 1));
        assert_eq!(
            (size.clients(500), size.clients(16), size.clients(1)),
            (50, 2, 1)
        );
    }
}
