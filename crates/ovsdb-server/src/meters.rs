//! What is counted while the server works, for whoever watches it.
//!
//! Counting costs no lock and at most one atomic operation, and nobody waits for who reads. The figures are for people: one
//! may be ahead of another that belongs to it. What they are called outside is not known here.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

/// Counts what many threads do at once.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Nothing yet.
    pub const fn new() -> Counter {
        Counter(AtomicU64::new(0))
    }

    /// Counts `count` more.
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    /// How many there have been.
    pub fn total(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A number that only one thread changes at a time, because it holds a lock. That costs no more than a number of its own; of
/// those who do not hold the lock some count would be lost.
#[derive(Debug, Default)]
pub struct Tally(AtomicU64);

impl Tally {
    /// Counts `count` more.
    pub fn add(&self, count: u64) {
        self.set(self.get().wrapping_add(count));
    }

    /// Takes another value.
    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// The value.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// How many there are of something that comes and goes.
#[derive(Debug, Default)]
pub struct Gauge(AtomicI64);

impl Gauge {
    /// None.
    pub const fn new() -> Gauge {
        Gauge(AtomicI64::new(0))
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed).try_into().unwrap_or(0)
    }
}

/// Counts somebody in a gauge for as long as something is so with him.
#[derive(Debug)]
pub struct Flag {
    gauge: &'static Gauge,
    is_up: bool,
}

impl Flag {
    /// It is not so yet.
    pub const fn new(gauge: &'static Gauge) -> Flag {
        Flag {
            gauge,
            is_up: false,
        }
    }

    /// Whether it is so.
    pub fn set(&mut self, is_up: bool) {
        if is_up != self.is_up {
            self.is_up = is_up;
            let change = if is_up { 1 } else { -1 };
            self.gauge.0.fetch_add(change, Ordering::Relaxed);
        }
    }
}

impl Drop for Flag {
    fn drop(&mut self) {
        self.set(false);
    }
}

/// The bounds of times, in microseconds: from what a small transaction takes to what nobody waits for.
pub const TIME_BOUNDS_US: [u64; 21] = [
    10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000,
    500_000, 1_000_000, 2_000_000, 5_000_000, 10_000_000, 20_000_000, 60_000_000,
];

/// The bounds of sizes of batches.
pub const SIZE_BOUNDS: [u64; 11] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024];

/// How often something was how large. Like a [`Tally`], it is for one thread at a time.
#[derive(Debug)]
pub struct Histogram<const BOUNDS: usize> {
    bounds: &'static [u64; BOUNDS],
    buckets: [Tally; BOUNDS],
    above: Tally,
    sum: Tally,
}

/// How long something takes, in microseconds.
pub type Times = Histogram<{ TIME_BOUNDS_US.len() }>;
/// How much comes at once.
pub type Sizes = Histogram<{ SIZE_BOUNDS.len() }>;

impl Default for Times {
    fn default() -> Times {
        Histogram::new(&TIME_BOUNDS_US)
    }
}

impl Default for Sizes {
    fn default() -> Sizes {
        Histogram::new(&SIZE_BOUNDS)
    }
}

impl<const BOUNDS: usize> Histogram<BOUNDS> {
    fn new(bounds: &'static [u64; BOUNDS]) -> Self {
        Histogram {
            bounds,
            buckets: std::array::from_fn(|_| Tally::default()),
            above: Tally::default(),
            sum: Tally::default(),
        }
    }

    /// Counts a value.
    pub fn add(&self, value: u64) {
        let at = self.bounds.partition_point(|bound| *bound < value);
        self.buckets.get(at).unwrap_or(&self.above).add(1);
        self.sum.add(value);
    }

    /// Each bound, and how many values were not above it but above the one before.
    pub fn buckets(&self) -> impl Iterator<Item = (u64, u64)> {
        let counts = self.buckets.iter().map(Tally::get);
        self.bounds.iter().copied().zip(counts)
    }

    /// How many values were above all bounds.
    pub fn above(&self) -> u64 {
        self.above.get()
    }

    /// The sum of all values.
    pub fn sum(&self) -> u64 {
        self.sum.get()
    }
}

impl Times {
    /// Counts a time.
    pub fn add_time(&self, time: Duration) {
        self.add(u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
    }
}

/// What the writer of a database counts, under its lock.
#[derive(Debug, Default)]
pub struct WriterMeters {
    /// From the arrival of requests to the answer, of transactions that succeeded.
    pub succeeded: Times,
    /// The same, of those that failed.
    pub failed: Times,
    /// How many transactions were executed and written together.
    pub batches: Sizes,
    /// How long it took to write the file anew.
    pub compactions: Times,
    /// Attempts to do so that failed.
    pub compactions_failed: Tally,
    /// How long it took to convert the database.
    pub conversions: Times,
}

/// What the journal of a file counts.
#[derive(Debug, Default)]
pub struct JournalMeters {
    /// Bytes in the file.
    pub bytes: Tally,
    /// Bytes in the file after the last time that it was written anew.
    pub base_bytes: Tally,
    /// Bytes of records that were written behind the others.
    pub appended_bytes: Tally,
    /// Those records.
    pub appended: Tally,
    /// Writes that failed.
    pub failed: Tally,
    /// How long it took to bring records to the disk. One sync comes after the other.
    pub syncs: Times,
    /// Syncs that failed.
    pub syncs_failed: Tally,
}

/// Clients that came back with a version that they know.
#[derive(Debug, Default)]
pub struct Resumptions {
    /// Those that were told what they had missed.
    pub known: Counter,
    /// Those that were told everything.
    pub unknown: Counter,
}

/// How often something that is shared was made, and how often it was there already.
#[derive(Debug, Default)]
pub struct Sharing {
    /// How often it was made.
    pub made: Counter,
    /// How often somebody found it.
    pub found: Counter,
}

impl Sharing {
    const fn new() -> Sharing {
        Sharing {
            made: Counter::new(),
            found: Counter::new(),
        }
    }

    /// Counts somebody who wanted it.
    pub fn count(&self, was_made: bool) {
        match was_made {
            true => self.made.add(1),
            false => self.found.add(1),
        }
    }
}

/// Pieces of initial contents.
pub static CONTENTS: Sharing = Sharing::new();
/// What clients are told of commits.
pub static UPDATES: Sharing = Sharing::new();
/// Clients that have not taken everything that they were sent.
pub static BEHIND: Gauge = Gauge::new();
/// TLS handshakes of clients that connect.
#[derive(Debug, Default)]
pub struct Handshakes {
    /// Those that succeeded.
    pub succeeded: Counter,
    /// Those that failed: one of the two did not like the other.
    pub failed: Counter,
    /// Those that took too long, or had to give way to others.
    pub given_up: Counter,
}

/// TLS handshakes.
pub static HANDSHAKES: Handshakes = Handshakes {
    succeeded: Counter::new(),
    failed: Counter::new(),
    given_up: Counter::new(),
};
/// Connections that were refused because there are too many clients.
pub static REFUSED: Counter = Counter::new();

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(values: &[u64], expected: &[(u64, u64)], above: u64) {
        let times = Times::default();
        values.iter().for_each(|value| times.add(*value));
        let counted: Vec<(u64, u64)> = times.buckets().filter(|(_, count)| *count > 0).collect();
        assert_eq!((counted.as_slice(), times.above()), (expected, above));
        assert_eq!(times.sum(), values.iter().sum::<u64>());
    }

    #[test]
    fn values_are_counted_at_the_first_bound_that_they_do_not_exceed() {
        check(&[], &[], 0);
        check(&[0, 10, 11, 20, 21], &[(10, 2), (20, 2), (50, 1)], 0);
        check(&[60_000_000, 60_000_001], &[(60_000_000, 1)], 1);
    }

    #[test]
    fn bounds_ascend() {
        assert!(TIME_BOUNDS_US.is_sorted_by(|a, b| a < b));
        assert!(SIZE_BOUNDS.is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn who_is_counted_is_counted_once_and_not_beyond_his_end() {
        static GAUGE: Gauge = Gauge::new();
        let mut flags = [Flag::new(&GAUGE), Flag::new(&GAUGE)];
        for up in [true, true, false, true] {
            flags[0].set(up);
        }
        flags[1].set(true);
        assert_eq!(GAUGE.count(), 2);
        drop(flags);
        assert_eq!(GAUGE.count(), 0);
    }
}
