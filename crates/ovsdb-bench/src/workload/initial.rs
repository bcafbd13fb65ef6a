//! Everything of a big database to one client, and to many at once.

use std::time::Instant;

use super::{Bench, Figure, Unit, Workload, WorkloadError, fill};
use crate::contents;
use crate::download::Downloads;
use crate::probe::Probe;
use crate::rows::{DATABASE, NETWORK_TABLES};
use crate::watching::UNKNOWN_ID;

/// See the module's documentation.
pub(crate) struct Initial;

/// Rows of the database.
const ROWS: usize = 200_000;

/// Clients that come at once.
const CLIENTS: usize = 50;

/// How many bytes the reply has at most for each row.
const REPLY_BYTES: usize = 1024;

impl Workload for Initial {
    fn name(&self) -> &'static str {
        "initial"
    }

    fn about(&self) -> &'static str {
        "everything of 200,000 rows by monitor_cond_since, to one client and to 50 at once"
    }

    fn figures(&self) -> &'static [Figure] {
        const FIGURES: &[Figure] = &[
            Figure::new("one", Unit::Milliseconds, "until the client has it all"),
            Figure::new(
                "fifty",
                Unit::Milliseconds,
                "until the last of 50 clients has it all",
            ),
        ];
        FIGURES
    }

    fn run(&self, bench: &mut Bench) -> Result<(), WorkloadError> {
        let count = bench.size().of(ROWS);
        fill::network(&mut bench.client()?, count)?;
        let params = format!(
            "[\"{DATABASE}\",\"m\",{{\"Datapath\":[{{}}],\"Flow\":[{{}}],\"Port\":[{{}}]}},\"{UNKNOWN_ID}\"]"
        );
        let request = ("monitor_cond_since", params.as_str());

        let mut one = Downloads::connect(bench.method(), 1, request, REPLY_BYTES * count)?;
        let section = bench.section(Probe::Write)?;
        let end: Instant = one.run()?;
        let effort = section.end_at(end)?;
        contents::check(one.kept()?, &NETWORK_TABLES, count)?;
        let expected = one.received().next();
        bench.record("one", effort.ms(), &effort);
        drop(one);

        let clients = bench.size().clients(CLIENTS);
        let mut many = Downloads::connect(bench.method(), clients, request, 0)?;
        // The other client reads: all are to be given the same version.
        let section = bench.section(Probe::Read)?;
        let end = many.run()?;
        let effort = section.end_at(end)?;
        for (client, received) in many.received().enumerate() {
            let expected = expected.unwrap_or_default();
            if received != expected {
                return Err(WorkloadError::Download {
                    client,
                    expected,
                    received,
                });
            }
        }
        bench.record("fifty", effort.ms(), &effort);
        Ok(())
    }
}
