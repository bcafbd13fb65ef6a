//! Start-up from a compacted file, and memory.

use super::{Bench, Figure, Unit, Workload, WorkloadError, expect_rows, fill, mebibytes};
use crate::rows::NETWORK_TABLES;
use crate::section::Effort;
use crate::server::ServerError;

/// See the module's documentation.
pub(crate) struct Startup;

/// Rows of the file.
const ROWS: usize = 200_000;

impl Workload for Startup {
    fn name(&self) -> &'static str {
        "startup"
    }

    fn about(&self) -> &'static str {
        "from the start to the first client, with 200,000 rows in a compacted file"
    }

    fn figures(&self) -> &'static [Figure] {
        const FIGURES: &[Figure] = &[
            Figure::new("rows", Unit::Milliseconds, "until the server is ready"),
            Figure::new(
                "memory_filled",
                Unit::Mebibytes,
                "resident after the rows were written",
            ),
            Figure::new(
                "memory_started",
                Unit::Mebibytes,
                "resident after the start",
            ),
            Figure::new("file", Unit::Mebibytes, "the compacted file"),
        ];
        FIGURES
    }

    fn needs_program(&self) -> bool {
        true
    }

    fn run(&self, bench: &mut Bench) -> Result<(), WorkloadError> {
        let count = bench.size().of(ROWS);
        fill::network(&mut bench.client()?, count)?;
        let filled = bench.server().resident_bytes()?;
        bench.server().compact()?;
        let took = bench.server_mut().restart()?;
        let process = bench.server().process().ok_or(ServerError::Process)?;
        let effort = Effort {
            took,
            cpu: process.cpu_time(),
            peak_bytes: process.peak_bytes(),
            waits: None,
        };
        let started = process.resident_bytes().ok_or(ServerError::Process)?;
        expect_rows(count, bench.client()?.count(&NETWORK_TABLES)?)?;
        bench.record("rows", effort.ms(), &effort);
        let nothing = Effort::default();
        bench.record("memory_filled", mebibytes(filled), &nothing);
        bench.record("memory_started", mebibytes(started), &nothing);
        bench.record("file", mebibytes(bench.server().file_bytes()?), &nothing);
        Ok(())
    }
}
