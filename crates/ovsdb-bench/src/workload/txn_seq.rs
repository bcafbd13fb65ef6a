//! One client, one small transaction after the other; plain, and with a durable commit.

use std::time::{Duration, Instant};

use super::{Bench, Figure, Unit, Workload, WorkloadError, expect_rows};
use crate::probe::Probe;
use crate::rows::item;

/// Transactions in sequence.
pub(crate) struct Sequence {
    durable: bool,
}

/// A reply says that the transaction is in the file.
pub(crate) const PLAIN: Sequence = Sequence { durable: false };

/// A reply says that the transaction is on the disk.
pub(crate) const DURABLE: Sequence = Sequence { durable: true };

/// Transactions of a run.
const COUNT: usize = 10_000;

impl Workload for Sequence {
    fn name(&self) -> &'static str {
        if self.durable {
            "txn_durable"
        } else {
            "txn_seq"
        }
    }

    fn about(&self) -> &'static str {
        if self.durable {
            "the same, and each is on the disk before its reply"
        } else {
            "one client, one small transaction after the other"
        }
    }

    fn figures(&self) -> &'static [Figure] {
        const FIGURES: &[Figure] = &[
            Figure::new("rate", Unit::PerSecond, "transactions"),
            Figure::new("p50", Unit::Microseconds, "median time of a transaction"),
            Figure::new("p99", Unit::Microseconds, "99th percentile of the time"),
        ];
        FIGURES
    }

    fn run(&self, bench: &mut Bench) -> Result<(), WorkloadError> {
        let count = bench.size().of(COUNT);
        let requests: Vec<String> = (0..count)
            .map(|number| item(0, number, self.durable))
            .collect();
        let mut client = bench.client()?;
        let mut latencies = Vec::with_capacity(count);
        let section = bench.section(Probe::Write)?;
        for request in &requests {
            let sent = Instant::now();
            client.transact(request)?;
            latencies.push(sent.elapsed());
        }
        let effort = section.end()?;
        expect_rows(count, bench.client()?.count(&["Item"])?)?;
        latencies.sort_unstable();
        bench.record("rate", effort.rate(count), &effort);
        bench.record("p50", percentile_us(&latencies, 50), &effort);
        bench.record("p99", percentile_us(&latencies, 99), &effort);
        Ok(())
    }
}

/// The time below which so many percent of the sorted times are, in microseconds.
fn percentile_us(sorted: &[Duration], percent: usize) -> f64 {
    let at = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
    sorted
        .get(at)
        .map_or(0.0, |latency| latency.as_secs_f64() * 1e6)
}
