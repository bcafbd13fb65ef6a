//! Coverage counters: how often noteworthy things happen, for `coverage/show` and `coverage/read-counter`.
//!
//! A counter is a `static` that costs one atomic addition to count. It is known to `coverage/show` once it has counted or
//! has been registered.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use crate::timeval::LONG_POLL_INTERVAL;
use crate::unixctl::Commands;

/// Interval between two samples of the rates.
const INTERVAL: Duration = Duration::from_secs(5);
/// Samples of a minute.
const MINUTE_SAMPLES: usize = 12;
/// Minutes of an hour.
const HOUR_MINUTES: usize = 60;

/// A named counter.
#[derive(Debug)]
pub struct Counter {
    name: &'static str,
    total: AtomicU64,
    known: AtomicBool,
}

impl Counter {
    /// A counter at zero, for a `static`.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self {
            name,
            total: AtomicU64::new(0),
            known: AtomicBool::new(false),
        }
    }

    /// Counts `n` events.
    pub fn add(&'static self, n: u64) {
        self.total.fetch_add(n, Ordering::Relaxed);
        self.register();
    }

    /// Makes the counter known before it has counted anything.
    pub fn register(&'static self) {
        if !self.known.load(Ordering::Relaxed) && !self.known.swap(true, Ordering::Relaxed) {
            REGISTRY.lock().entries.push(Entry {
                counter: self,
                last_total: 0,
                minute: [0; MINUTE_SAMPLES],
                hour: [0; HOUR_MINUTES],
            });
        }
    }

    /// Events so far.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }
}

#[derive(Debug)]
struct Entry {
    counter: &'static Counter,
    last_total: u64,
    minute: [u64; MINUTE_SAMPLES],
    hour: [u64; HOUR_MINUTES],
}

/// How often something has happened.
#[derive(Clone, Copy, Debug)]
pub struct Figure {
    /// The counter.
    pub name: &'static str,
    /// Events so far.
    pub total: u64,
    /// Events a second in the last five seconds.
    pub last: f64,
    /// Events a second in the last minute.
    pub minute: f64,
    /// Events a second in the last hour.
    pub hour: f64,
}

#[derive(Debug)]
struct Registry {
    entries: Vec<Entry>,
    /// Counts samples, up to an hour of them.
    index: usize,
}

static REGISTRY: Mutex<Registry> = Mutex::new(Registry {
    entries: Vec::new(),
    index: 0,
});

impl Registry {
    fn sample(&mut self) {
        let (minute, hour) = (self.index % MINUTE_SAMPLES, self.index / MINUTE_SAMPLES);
        for entry in &mut self.entries {
            let total = entry.counter.total();
            let count = total - entry.last_total;
            entry.last_total = total;
            entry.minute[minute] = count;
            if minute == 0 {
                entry.hour[hour] = count;
            } else {
                entry.hour[hour] += count;
            }
        }
        self.index = (self.index + 1) % (MINUTE_SAMPLES * HOUR_MINUTES);
    }

    fn figures(&self) -> Vec<Figure> {
        let last = (self.index + MINUTE_SAMPLES * HOUR_MINUTES - 1) % MINUTE_SAMPLES;
        // Rates are for people to read; their last digits do not matter.
        #[allow(clippy::cast_precision_loss)]
        let rate = |count: u64, seconds: f64| count as f64 / seconds;
        let figures = self.entries.iter().map(|entry| Figure {
            name: entry.counter.name,
            total: entry.counter.total(),
            last: rate(entry.minute[last], INTERVAL.as_secs_f64()),
            minute: rate(entry.minute.iter().sum(), 60.0),
            hour: rate(entry.hour.iter().sum(), 3600.0),
        });
        figures.collect()
    }

    fn show(&self) -> String {
        let mut text = format!(
            "Event coverage, avg rate over last: {} seconds, last minute, last hour,  hash={:08x}:\n",
            INTERVAL.as_secs(),
            self.hash()
        );
        let mut never = 0;
        for figure in self.figures() {
            if figure.total == 0 {
                never += 1;
                continue;
            }
            // Writing to a String cannot fail.
            let _ = writeln!(
                text,
                "{:<24} {:5.1}/sec {:9.3}/sec {:13.4}/sec   total: {}",
                figure.name, figure.last, figure.minute, figure.hour, figure.total,
            );
        }
        let _ = writeln!(text, "{never} events never hit");
        text
    }

    /// A number that changes when the order of the counters by total does: FNV-1a over their names.
    fn hash(&self) -> u32 {
        let mut hit: Vec<_> = self
            .entries
            .iter()
            .map(|entry| entry.counter)
            .filter(|c| c.total() > 0)
            .collect();
        hit.sort_by_key(|counter| (std::cmp::Reverse(counter.total()), counter.name));
        hit.iter()
            .flat_map(|counter| counter.name.bytes().chain([0]))
            .fold(0x811c_9dc5, |hash, byte| {
                (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
            })
    }
}

/// Counters of the reference's `ovsdb-server` that dashboards ask for, and that count nothing here.
static REFERENCE: [Counter; 19] = [
    Counter::new("hmap_pathological"),
    Counter::new("hmap_expand"),
    Counter::new("hmap_shrink"),
    Counter::new("hmap_reserve"),
    Counter::new("lockfile_lock"),
    Counter::new("lockfile_error"),
    Counter::new("lockfile_unlock"),
    Counter::new("poll_create_node"),
    Counter::new("poll_zero_timeout"),
    Counter::new("seq_change"),
    Counter::new("pstream_open"),
    Counter::new("stream_open"),
    Counter::new("util_xalloc"),
    Counter::new("jsonrpc_recv_incomplete"),
    Counter::new("txn_forward_cancel"),
    Counter::new("txn_forward_complete"),
    Counter::new("txn_forward_create"),
    Counter::new("txn_forward_sent"),
    Counter::new("raft_entry_serialize"),
];

/// Makes counters of the reference's `ovsdb-server` known that have no meaning here: whoever reads them reads zero, instead
/// of an error.
pub fn register_reference() {
    REFERENCE.iter().for_each(Counter::register);
    LONG_POLL_INTERVAL.register();
}

/// Samples the rates for ever; to be spawned once in a daemon.
pub async fn run() -> std::convert::Infallible {
    let mut ticks = tokio::time::interval(INTERVAL);
    // Late samples count for the time that has passed; a burst of them would show rates that never were.
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    ticks.tick().await;
    loop {
        ticks.tick().await;
        REGISTRY.lock().sample();
    }
}

/// All counters that are known.
#[must_use]
pub fn figures() -> Vec<Figure> {
    REGISTRY.lock().figures()
}

/// The table that `coverage/show` prints.
#[must_use]
pub fn show() -> String {
    REGISTRY.lock().show()
}

/// The value of a counter that is known.
#[must_use]
pub fn read(name: &str) -> Option<u64> {
    let registry = REGISTRY.lock();
    registry
        .entries
        .iter()
        .find(|entry| entry.counter.name == name)
        .map(|entry| entry.counter.total())
}

/// Adds `coverage/show` and `coverage/read-counter`.
pub fn register_commands(commands: &Commands) {
    commands.register("coverage/show", Some(""), 0..=0, |_| Ok(show()));
    commands.register("coverage/read-counter", Some("COUNTER"), 1..=1, |call| {
        read(&call.args[0])
            .map(|total| format!("{total}\n"))
            .ok_or_else(|| "No such counter".to_owned())
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    static ONE: Counter = Counter::new("test_one");
    static TWO: Counter = Counter::new("test_two");

    #[test]
    fn rates_are_over_five_seconds_a_minute_and_an_hour() {
        let entry = |counter| Entry {
            counter,
            last_total: 0,
            minute: [0; MINUTE_SAMPLES],
            hour: [0; HOUR_MINUTES],
        };
        let mut registry = Registry {
            entries: vec![entry(&ONE), entry(&TWO)],
            index: 0,
        };
        ONE.total.fetch_add(10, Ordering::Relaxed);
        registry.sample();
        ONE.total.fetch_add(20, Ordering::Relaxed);
        registry.sample();
        let text = registry.show();
        let mut lines = text.lines();
        let head = lines.next().expect("a headline");
        assert!(head.starts_with(
            "Event coverage, avg rate over last: 5 seconds, last minute, last hour,  hash="
        ));
        assert_eq!(
            lines.collect::<Vec<_>>(),
            [
                "test_one                   4.0/sec     0.500/sec        0.0083/sec   total: 30",
                "1 events never hit",
            ]
        );
        // A minute without events: only the hour remembers.
        for _ in 0..MINUTE_SAMPLES {
            registry.sample();
        }
        assert!(
            registry
                .show()
                .contains("  0.0/sec     0.000/sec        0.0083/sec   total: 30")
        );
        for _ in 0..MINUTE_SAMPLES * HOUR_MINUTES {
            registry.sample();
        }
        assert!(
            registry
                .show()
                .contains("  0.0/sec     0.000/sec        0.0000/sec   total: 30")
        );
    }

    #[test]
    fn counters_are_found_by_name() {
        static COUNTED: Counter = Counter::new("test_counted");
        static REGISTERED: Counter = Counter::new("test_registered");
        assert_eq!(read("test_counted"), None);
        COUNTED.add(2);
        COUNTED.add(3);
        REGISTERED.register();
        assert_eq!(
            (read("test_counted"), read("test_registered")),
            (Some(5), Some(0))
        );
    }
}
