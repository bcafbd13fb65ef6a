//! Many clients, each with several small transactions in flight; plain, and with durable commits.

use super::{Bench, Figure, Unit, Workload, WorkloadError, expect_rows};
use crate::load::Load;
use crate::probe::Probe;
use crate::rows::item;

/// Transactions in parallel.
pub(crate) struct Parallel {
    durable: bool,
}

/// A reply says that the transaction is in the file.
pub(crate) const PLAIN: Parallel = Parallel { durable: false };

/// A reply says that the transaction is on the disk.
pub(crate) const DURABLE: Parallel = Parallel { durable: true };

/// Clients, and the name of what they measure.
const CLIENTS: [(usize, &str); 2] = [(16, "clients_16"), (64, "clients_64")];

/// Transactions in flight, of each client.
const IN_FLIGHT: usize = 8;

/// Transactions of a run, of all clients together.
const COUNT: usize = 200_000;

/// The same where each waits for the disk.
const COUNT_DURABLE: usize = 40_000;

impl Workload for Parallel {
    fn name(&self) -> &'static str {
        if self.durable {
            "txn_par_durable"
        } else {
            "txn_par"
        }
    }

    fn about(&self) -> &'static str {
        if self.durable {
            "the same, and each is on the disk before its reply"
        } else {
            "16 and 64 clients, each with 8 small transactions in flight"
        }
    }

    fn figures(&self) -> &'static [Figure] {
        const FIGURES: &[Figure] = &[
            Figure::new("clients_16", Unit::PerSecond, "transactions of 16 clients"),
            Figure::new("clients_64", Unit::PerSecond, "transactions of 64 clients"),
        ];
        FIGURES
    }

    fn run(&self, bench: &mut Bench) -> Result<(), WorkloadError> {
        let count = if self.durable { COUNT_DURABLE } else { COUNT };
        let mut rows = 0;
        for (clients, figure) in CLIENTS {
            let each = (bench.size().of(count) / clients).max(1);
            let mut load = Load::connect(bench.method(), clients, IN_FLIGHT, |client| {
                (0..each).map(move |number| item(1000 * clients + client, number, self.durable))
            })?;
            let section = bench.section(Probe::Write)?;
            load.run()?;
            let effort = section.end()?;
            rows += each * clients;
            expect_rows(rows, bench.client()?.count(&["Item"])?)?;
            bench.record(figure, effort.rate(each * clients), &effort);
        }
        Ok(())
    }
}
