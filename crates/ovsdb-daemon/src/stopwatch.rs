//! Stopwatches: how long things of one kind take, for `stopwatch/show` and `stopwatch/reset`.
//!
//! A stopwatch is a `static` for what happens now and then: adding to it takes a lock. It is known to the commands once it
//! has been registered.

use std::fmt::Write as _;
use std::time::Duration;

use parking_lot::Mutex;

use crate::unixctl::Commands;

/// The samples of which the percentile is told: the last ones.
const RECENT_MAX: usize = 256;
/// The weight of a sample in the average of the last few.
const SHORT_TERM_WEIGHT: f64 = 0.5;
/// The weight of a sample in the average of many.
const LONG_TERM_WEIGHT: f64 = 0.01;
/// The percentile that is told.
const PERCENTILE: usize = 95;

/// The unit in which a stopwatch counts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Unit {
    /// Milliseconds.
    Milliseconds,
    /// Microseconds.
    Microseconds,
}

impl Unit {
    fn name(self) -> &'static str {
        match self {
            Self::Milliseconds => "msec",
            Self::Microseconds => "usec",
        }
    }

    fn of(self, duration: Duration) -> u64 {
        let count = match self {
            Self::Milliseconds => duration.as_millis(),
            Self::Microseconds => duration.as_micros(),
        };
        u64::try_from(count).unwrap_or(u64::MAX)
    }
}

/// A named stopwatch.
#[derive(Debug)]
pub struct Stopwatch {
    name: &'static str,
    unit: Unit,
    samples: Mutex<Samples>,
}

#[derive(Debug)]
struct Samples {
    count: u64,
    max: u64,
    min: u64,
    short_term: f64,
    long_term: f64,
    /// The last samples, the oldest of them at `count % RECENT_MAX` if there are as many.
    recent: Vec<u64>,
}

impl Samples {
    const NONE: Samples = Samples {
        count: 0,
        max: 0,
        min: 0,
        short_term: 0.0,
        long_term: 0.0,
        recent: Vec::new(),
    };

    fn add(&mut self, sample: u64) {
        // Averages are for people to read; their last digits do not matter.
        #[allow(clippy::cast_precision_loss)]
        let value = sample as f64;
        if self.count == 0 {
            (self.min, self.max) = (sample, sample);
            (self.short_term, self.long_term) = (value, value);
        } else {
            (self.min, self.max) = (self.min.min(sample), self.max.max(sample));
            self.short_term += (value - self.short_term) * SHORT_TERM_WEIGHT;
            self.long_term += (value - self.long_term) * LONG_TERM_WEIGHT;
        }
        match self.recent.len() {
            RECENT_MAX => {
                // The remainder is less than the number of elements.
                let oldest = (self.count % RECENT_MAX as u64) as usize;
                self.recent[oldest] = sample;
            }
            _ => self.recent.push(sample),
        }
        self.count += 1;
    }

    /// The smallest of the last samples that no more than five in a hundred of them exceed.
    fn percentile(&self) -> u64 {
        let mut sorted = self.recent.clone();
        sorted.sort_unstable();
        let place = (sorted.len() * PERCENTILE).div_ceil(100).saturating_sub(1);
        sorted.get(place).copied().unwrap_or(0)
    }
}

impl Stopwatch {
    /// A stopwatch without samples, for a `static`.
    #[must_use]
    pub const fn new(name: &'static str, unit: Unit) -> Self {
        Self {
            name,
            unit,
            samples: Mutex::new(Samples::NONE),
        }
    }

    /// Adds a sample.
    pub fn add(&self, duration: Duration) {
        self.samples.lock().add(self.unit.of(duration));
    }

    /// Adds samples.
    pub fn add_all(&self, durations: impl Iterator<Item = Duration>) {
        let mut samples = self.samples.lock();
        durations.for_each(|duration| samples.add(self.unit.of(duration)));
    }

    fn reset(&self) {
        *self.samples.lock() = Samples::NONE;
    }

    fn show(&self) -> String {
        let samples = self.samples.lock();
        let unit = self.unit.name();
        let mut text = format!("Statistics for '{}'\n", self.name);
        let whole = [("Maximum", samples.max), ("Minimum", samples.min)];
        #[allow(clippy::cast_precision_loss)]
        let fractional = [
            ("95th percentile", samples.percentile() as f64),
            ("Short term average", samples.short_term),
            ("Long term average", samples.long_term),
        ];
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  Total samples: {}", samples.count);
        for (what, value) in whole {
            let _ = writeln!(text, "  {what}: {value} {unit}");
        }
        for (what, value) in fractional {
            let _ = writeln!(text, "  {what}: {value:.6} {unit}");
        }
        text
    }
}

/// Adds `stopwatch/show` and `stopwatch/reset` for these stopwatches.
pub fn register_commands(commands: &Commands, stopwatches: &'static [&'static Stopwatch]) {
    let wanted = |name: Option<&String>| {
        let name = name.cloned();
        let all = stopwatches.iter();
        all.filter(move |stopwatch| name.as_ref().is_none_or(|name| name == stopwatch.name))
    };
    commands.register("stopwatch/show", Some("[NAME]"), 0..=1, move |call| {
        let text: String = wanted(call.args.first())
            .map(|stopwatch| stopwatch.show())
            .collect();
        if text.is_empty() {
            Err("No such stopwatch".to_owned())
        } else {
            Ok(text)
        }
    });
    // Nothing to be reset is nothing wrong.
    commands.register("stopwatch/reset", Some("[NAME]"), 0..=1, move |call| {
        wanted(call.args.first()).for_each(|stopwatch| stopwatch.reset());
        Ok(())
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(samples: impl IntoIterator<Item = u64>, expected: &str) {
        let stopwatch = Stopwatch::new("test", Unit::Milliseconds);
        for sample in samples {
            stopwatch.add(Duration::from_millis(sample));
        }
        let shown = stopwatch.show();
        let lines = shown.lines().map(|line| {
            let value = line.rsplit(": ").next().unwrap_or_default();
            value.strip_suffix(" msec").unwrap_or(value)
        });
        assert_eq!(lines.skip(1).collect::<Vec<_>>().join(" "), expected);
    }

    #[test]
    fn samples_are_told_by_their_extremes_and_averages() {
        check([], "0 0 0 0.000000 0.000000 0.000000");
        check([10], "1 10 10 10.000000 10.000000 10.000000");
        check([10, 20], "2 20 10 20.000000 15.000000 10.100000");
        // Of a hundred samples five exceed the percentile.
        check((1..=100).rev(), "100 100 1 95.000000 2.000000 63.396766");
    }

    #[test]
    fn the_percentile_is_that_of_the_last_samples() {
        let old = std::iter::repeat_n(1000, 300);
        let new = std::iter::repeat_n(1, RECENT_MAX);
        let stopwatch = Stopwatch::new("test", Unit::Microseconds);
        for sample in old.chain(new) {
            stopwatch.add(Duration::from_micros(sample));
        }
        let samples = stopwatch.samples.lock();
        assert_eq!((samples.percentile(), samples.max), (1, 1000));
    }

    #[test]
    fn the_text_has_the_form_that_scripts_know() {
        let stopwatch = Stopwatch::new("fsync", Unit::Microseconds);
        stopwatch.add(Duration::from_micros(7));
        assert_eq!(
            stopwatch.show(),
            "Statistics for 'fsync'\n\
             \x20 Total samples: 1\n\
             \x20 Maximum: 7 usec\n\
             \x20 Minimum: 7 usec\n\
             \x20 95th percentile: 7.000000 usec\n\
             \x20 Short term average: 7.000000 usec\n\
             \x20 Long term average: 7.000000 usec\n"
        );
        stopwatch.reset();
        assert!(stopwatch.show().contains("Total samples: 0\n"));
    }
}
