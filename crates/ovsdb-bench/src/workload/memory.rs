//! What rows take in memory.

use super::{Bench, Figure, Unit, Workload, WorkloadError, expect_rows, fill};
use crate::rows::NETWORK_TABLES;
use crate::section::Effort;

/// See the module's documentation.
pub(crate) struct Memory;

/// Rows in memory.
const ROWS: usize = 200_000;

impl Workload for Memory {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn about(&self) -> &'static str {
        "resident bytes of each of 200,000 rows, beyond those of a server without rows"
    }

    fn figures(&self) -> &'static [Figure] {
        const FIGURES: &[Figure] = &[
            Figure::new("written", Unit::Bytes, "a row, after all were written"),
            Figure::new(
                "started",
                Unit::Bytes,
                "a row, after a start from the compacted file",
            ),
            Figure::new("file", Unit::Bytes, "a row in the compacted file"),
        ];
        FIGURES
    }

    fn needs_program(&self) -> bool {
        true
    }

    fn run(&self, bench: &mut Bench) -> Result<(), WorkloadError> {
        let count = bench.size().of(ROWS);
        let empty = bench.server().resident_bytes()?;
        fill::network(&mut bench.client()?, count)?;
        let written = bench.server().resident_bytes()?;
        bench.server().compact()?;
        bench.server_mut().restart()?;
        let started = bench.server().resident_bytes()?;
        let file = bench.server().file_bytes()?;
        expect_rows(count, bench.client()?.count(&NETWORK_TABLES)?)?;
        let nothing = Effort::default();
        for (figure, bytes) in [
            ("written", written.saturating_sub(empty)),
            ("started", started.saturating_sub(empty)),
            ("file", file),
        ] {
            bench.record(figure, bytes as f64 / count as f64, &nothing);
        }
        Ok(())
    }
}
