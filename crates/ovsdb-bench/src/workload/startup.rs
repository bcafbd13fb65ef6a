//! Start-up: from a compacted file, and from a log of many small transactions.

use super::{Bench, Figure, Unit, Workload, WorkloadError, expect_rows, fill};
use crate::load::Load;
use crate::rows::{NETWORK_TABLES, item};
use crate::section::Effort;
use crate::server::ServerError;

/// From a compacted file.
pub(crate) struct Startup;

/// From a log.
pub(crate) struct StartupLog;

/// Rows of the compacted file.
const ROWS: usize = 200_000;
/// Transactions in the log.
const TRANSACTIONS: usize = 100_000;
/// Clients that write the log, and how many transactions each has in flight.
const CLIENTS: usize = 16;
const IN_FLIGHT: usize = 32;

impl Workload for Startup {
    fn name(&self) -> &'static str {
        "startup"
    }

    fn about(&self) -> &'static str {
        "from the start to the first client, with 200,000 rows in a compacted file"
    }

    fn figures(&self) -> &'static [Figure] {
        const FIGURES: &[Figure] = &[Figure::new(
            "rows",
            Unit::Milliseconds,
            "until the server is ready",
        )];
        FIGURES
    }

    fn needs_program(&self) -> bool {
        true
    }

    fn run(&self, bench: &mut Bench) -> Result<(), WorkloadError> {
        let count = bench.size().of(ROWS);
        fill::network(&mut bench.client()?, count)?;
        bench.server().compact()?;
        let effort = restart(bench)?;
        expect_rows(count, bench.client()?.count(&NETWORK_TABLES)?)?;
        bench.record("rows", effort.ms(), &effort);
        Ok(())
    }
}

impl Workload for StartupLog {
    fn name(&self) -> &'static str {
        "startup_log"
    }

    fn about(&self) -> &'static str {
        "from the start to the first client, with a log of 100,000 small transactions"
    }

    fn figures(&self) -> &'static [Figure] {
        const FIGURES: &[Figure] = &[Figure::new(
            "log",
            Unit::Milliseconds,
            "until the server is ready",
        )];
        FIGURES
    }

    fn needs_program(&self) -> bool {
        true
    }

    fn run(&self, bench: &mut Bench) -> Result<(), WorkloadError> {
        let each = (bench.size().of(TRANSACTIONS) / CLIENTS).max(1);
        let rows = |client| (0..each).map(move |number| item(client, number, false));
        Load::connect(bench.method(), CLIENTS, IN_FLIGHT, rows)?.run()?;
        let effort = restart(bench)?;
        expect_rows(each * CLIENTS, bench.client()?.count(&["Item"])?)?;
        bench.record("log", effort.ms(), &effort);
        Ok(())
    }
}

/// Starts the server again, and says what that takes.
fn restart(bench: &mut Bench) -> Result<Effort, WorkloadError> {
    let took = bench.server_mut().restart()?;
    let process = bench.server().process().ok_or(ServerError::Process)?;
    Ok(Effort {
        took,
        cpu: process.cpu_time(),
        peak_bytes: process.peak_bytes(),
        waits: None,
    })
}
