//! Compaction of a big database while a client goes on transacting.

use super::{Bench, Figure, Unit, Workload, WorkloadError, expect_rows, fill};
use crate::probe::Probe;
use crate::rows::NETWORK_TABLES;

/// See the module's documentation.
pub(crate) struct Compact;

/// Rows of the database.
const ROWS: usize = 200_000;

impl Workload for Compact {
    fn name(&self) -> &'static str {
        "compact"
    }

    fn about(&self) -> &'static str {
        "compaction of 200,000 rows while a client goes on transacting"
    }

    fn figures(&self) -> &'static [Figure] {
        const FIGURES: &[Figure] = &[
            Figure::new(
                "total",
                Unit::Milliseconds,
                "from the command to its answer",
            ),
            Figure::new(
                "stall",
                Unit::Milliseconds,
                "the longest transaction of the client meanwhile",
            ),
        ];
        FIGURES
    }

    fn needs_program(&self) -> bool {
        true
    }

    fn run(&self, bench: &mut Bench) -> Result<(), WorkloadError> {
        let count = bench.size().of(ROWS);
        fill::network(&mut bench.client()?, count)?;
        let section = bench.section(Probe::WriteOften)?;
        bench.server().compact()?;
        let effort = section.end()?;
        // What is in the file is what counts.
        bench.server_mut().restart()?;
        expect_rows(count, bench.client()?.count(&NETWORK_TABLES)?)?;
        bench.record("total", effort.ms(), &effort);
        bench.record("stall", effort.longest_wait_ms(), &effort);
        Ok(())
    }
}
