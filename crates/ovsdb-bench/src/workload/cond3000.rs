//! One client with a condition of thousands of clauses, of which a few change again and again.

use super::{Bench, Figure, Unit, Workload, WorkloadError, fill};
use crate::probe::Probe;
use crate::watchers::{Told, Watchers};
use crate::watching::{Protocol, change, one_of};

/// See the module's documentation.
pub(crate) struct Cond3000;

/// Clauses of the condition.
const CLAUSES: usize = 3_000;

/// So many of them change at a time.
const MOVED: usize = CLAUSES / 100;

/// Changes.
const CHANGES: usize = 50;

/// Rows that are there.
const ROWS: usize = 100_000;

/// Who writes them.
const FILLER: usize = 1;

impl Workload for Cond3000 {
    fn name(&self) -> &'static str {
        "cond3000"
    }

    fn about(&self) -> &'static str {
        "one client with a condition of 3,000 clauses, 30 of which change 50 times"
    }

    fn figures(&self) -> &'static [Figure] {
        const FIGURES: &[Figure] = &[Figure::new(
            "change",
            Unit::Milliseconds,
            "from one monitor_cond_change to its reply",
        )];
        FIGURES
    }

    fn run(&self, bench: &mut Bench) -> Result<(), WorkloadError> {
        let rows = bench.size().of(ROWS);
        let distinct = CLAUSES + CHANGES * MOVED;
        fill::items(&mut bench.client()?, FILLER, rows, distinct)?;
        let told = |values: std::ops::Range<usize>| {
            Told::of(
                FILLER,
                values.flat_map(|value| (value..rows).step_by(distinct)),
            )
        };
        let condition = |change: usize| one_of(change * MOVED..change * MOVED + CLAUSES);

        let mut watchers = Watchers::connect(bench.method(), 1)?;
        let initial = condition(0);
        watchers.queue(Protocol::Since.method(), |_| {
            Protocol::Since.params(&format!("{{\"Item\":{{\"where\":[{initial}]}}}}"))
        });
        watchers.exchange()?;
        watchers.check(&[told(0..CLAUSES)])?;

        let requests: Vec<String> = (1..=CHANGES)
            .map(|number| change(&condition(number)))
            .collect();
        let mut found = Vec::with_capacity(CHANGES);
        let section = bench.section(Probe::Write)?;
        for request in requests {
            watchers.queue("monitor_cond_change", |_| request.clone());
            watchers.exchange()?;
            found.extend(watchers.take_told());
        }
        let effort = section.end()?;
        // An update of another kind than those of the changes would be one too many.
        watchers.check(&[Told::default()])?;
        for (number, found) in found.into_iter().enumerate() {
            let first = CLAUSES + number * MOVED;
            told(first..first + MOVED).expect(found, 0)?;
        }
        bench.record("change", effort.ms() / CHANGES as f64, &effort);
        Ok(())
    }
}
