//! Small transactions that many clients watch: one after the other, and 16 in flight.

use super::{Bench, Figure, Unit, Workload, WorkloadError};
use crate::rows::item;
use crate::watchers::{Told, Watchers};
use crate::watching::{Protocol, write_and_watch};

/// Monitors of everything, by one of the protocols.
pub(crate) struct Fanout {
    name: &'static str,
    about: &'static str,
    protocol: Protocol,
}

pub(crate) const MONITOR: Fanout = Fanout {
    name: "fanout_monitor",
    about: "2,000 small transactions while 200 clients watch everything by monitor",
    protocol: Protocol::Monitor,
};

pub(crate) const COND: Fanout = Fanout {
    name: "fanout_cond",
    about: "the same by monitor_cond",
    protocol: Protocol::Cond,
};

pub(crate) const SINCE: Fanout = Fanout {
    name: "fanout_since",
    about: "the same by monitor_cond_since",
    protocol: Protocol::Since,
};

/// Clients that watch.
const WATCHERS: usize = 200;

/// Transactions while they do.
const TRANSACTIONS: usize = 2_000;

impl Workload for Fanout {
    fn name(&self) -> &'static str {
        self.name
    }

    fn about(&self) -> &'static str {
        self.about
    }

    fn figures(&self) -> &'static [Figure] {
        const FIGURES: &[Figure] = &[
            Figure::new(
                "one_at_a_time",
                Unit::Milliseconds,
                "until the last client has the last row, the writer waiting for every reply",
            ),
            Figure::new(
                "in_flight_16",
                Unit::Milliseconds,
                "the same with 16 transactions in flight",
            ),
        ];
        FIGURES
    }

    fn run(&self, bench: &mut Bench) -> Result<(), WorkloadError> {
        let count = bench.size().of(TRANSACTIONS);
        let mut watchers = Watchers::connect(bench.method(), bench.size().clients(WATCHERS))?;
        let monitor = "{\"Datapath\":{},\"Flow\":{},\"Item\":{},\"Port\":{}}";
        let told = watchers.call(self.protocol.method(), |_| self.protocol.params(monitor))?;
        for (figure, in_flight) in [("one_at_a_time", 1), ("in_flight_16", 16)] {
            let requests: Vec<String> = (0..count)
                .map(|number| item(in_flight, number, false))
                .collect();
            let expected = vec![Told::of(in_flight, 0..count); told.len()];
            let effort = write_and_watch(bench, &requests, in_flight, &mut watchers, &expected)?;
            bench.record(figure, effort.ms(), &effort);
        }
        Ok(())
    }
}
