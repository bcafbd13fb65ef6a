//! Many clients that each watch the rows with some values of their own.

use super::{Bench, Figure, Unit, Workload, WorkloadError, fill};
use crate::probe::Probe;
use crate::rows::valued;
use crate::watchers::{Told, Watchers};
use crate::watching::{Protocol, change, one_of, write_and_watch};

/// Clients with conditions of so many values.
pub(crate) struct Cond {
    name: &'static str,
    about: &'static str,
    values: usize,
}

pub(crate) const ONE: Cond = Cond {
    name: "cond1",
    about: "500 clients that each watch one value of their own, among 100,000 rows",
    values: 1,
};

pub(crate) const TWENTY: Cond = Cond {
    name: "cond20",
    about: "the same with 20 values each",
    values: 20,
};

/// Clients that watch.
const WATCHERS: usize = 500;

/// Transactions while they do, each of which concerns one of them.
const TRANSACTIONS: usize = 2_000;

/// Rows that are there before.
const ROWS: usize = 100_000;

/// Who writes the rows that are there before, and who writes the others.
const FILLER: usize = 1;
const WRITER: usize = 2;

impl Workload for Cond {
    fn name(&self) -> &'static str {
        self.name
    }

    fn about(&self) -> &'static str {
        self.about
    }

    fn figures(&self) -> &'static [Figure] {
        const FIGURES: &[Figure] = &[
            Figure::new(
                "initial",
                Unit::Milliseconds,
                "until all have their rows by monitor_cond_since",
            ),
            Figure::new(
                "updates",
                Unit::Milliseconds,
                "2,000 transactions, each of which concerns one of them",
            ),
            Figure::new(
                "changes",
                Unit::Milliseconds,
                "until all have the rows of other values (monitor_cond_change)",
            ),
        ];
        FIGURES
    }

    fn run(&self, bench: &mut Bench) -> Result<(), WorkloadError> {
        let (clients, rows) = (bench.size().clients(WATCHERS), bench.size().of(ROWS));
        // Every client has its values before and after the change, and nobody else has them.
        let distinct = 2 * clients * self.values;
        fill::items(&mut bench.client()?, FILLER, rows, distinct)?;
        let own = |watcher: usize, after: bool| {
            let first = (2 * watcher + usize::from(after)) * self.values;
            first..first + self.values
        };
        let has = |after| {
            (0..clients)
                .map(|watcher| {
                    let numbers =
                        own(watcher, after).flat_map(|value| (value..rows).step_by(distinct));
                    Told::of(FILLER, numbers)
                })
                .collect::<Vec<_>>()
        };

        let mut watchers = Watchers::connect(bench.method(), clients)?;
        watchers.queue(Protocol::Since.method(), |watcher| {
            let clauses = one_of(own(watcher, false));
            Protocol::Since.params(&format!("{{\"Item\":{{\"where\":[{clauses}]}}}}"))
        });
        let section = bench.section(Probe::Write)?;
        watchers.exchange()?;
        let initial = section.end()?;
        watchers.check(&has(false))?;

        let mut expected = vec![Told::default(); clients];
        let requests: Vec<String> = (0..bench.size().of(TRANSACTIONS))
            .map(|number| {
                let watcher = number % clients;
                expected[watcher].add(WRITER, number);
                let value = own(watcher, false).start + number / clients % self.values;
                valued(WRITER, number, value)
            })
            .collect();
        let updates = write_and_watch(bench, &requests, 1, &mut watchers, &expected)?;

        watchers.queue("monitor_cond_change", |watcher| {
            change(&one_of(own(watcher, true)))
        });
        let section = bench.section(Probe::Write)?;
        watchers.exchange()?;
        let changes = section.end()?;
        watchers.check(&has(true))?;

        bench.record("initial", initial.ms(), &initial);
        bench.record("updates", updates.ms(), &updates);
        bench.record("changes", changes.ms(), &changes);
        Ok(())
    }
}
