//! `coverage/show`: how often what has happened in a daemon, in all and lately.

use super::error::AnswerError;
use super::lines::{lines, number};

/// How the line above the table begins.
const HEADING: &str = "Event coverage";

/// After the number of the last line.
const NEVER_HIT: &str = " events never hit";

/// How often what has happened.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Coverage {
    /// Seconds of the shortest of the three spans for which rates are told: 5 in all versions so far.
    pub interval_s: Option<u64>,
    /// A number that is the same for the same events.
    pub hash: Option<u32>,
    /// What has happened at least once, in the daemon's order.
    pub events: Vec<Event>,
    /// How many kinds of events have not happened.
    pub never_hit: Option<u64>,
    /// Lines that are none of these.
    pub other: Vec<String>,
}

/// A kind of event.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Event {
    /// Its name.
    pub name: String,
    /// Events each second over [`Coverage::interval_s`].
    pub rate: f64,
    /// Events each second over the last minute.
    pub rate_minute: f64,
    /// Events each second over the last hour.
    pub rate_hour: f64,
    /// Events since the start of the daemon.
    pub total: u64,
}

impl Coverage {
    /// Reads the answer to `coverage/show`.
    ///
    /// # Errors
    /// See [`AnswerError`].
    pub fn parse(text: &str) -> Result<Self, AnswerError> {
        let mut out = Self::default();
        let mut has_heading = false;
        for line in lines(text) {
            if line.starts_with(HEADING) && !has_heading {
                has_heading = true;
                let after = |name: &str| line.split_once(name).map(|(_, rest)| rest);
                out.interval_s = after("last: ")
                    .and_then(|rest| rest.split_once(' '))
                    .and_then(|(seconds, _)| number(seconds));
                out.hash = after("hash=")
                    .and_then(|rest| rest.split_once(':'))
                    .and_then(|(hash, _)| u32::from_str_radix(hash, 16).ok());
            } else if let Some(count) = line.strip_suffix(NEVER_HIT).and_then(number) {
                out.never_hit = Some(count);
            } else if let Some(event) = Event::parse(line) {
                out.events.push(event);
            } else {
                out.other.push(line.to_owned());
            }
        }
        if !has_heading {
            return Err(AnswerError {
                command: "coverage/show",
                missing: "over what time it counts",
            });
        }
        Ok(out)
    }

    /// How often an event has happened since the daemon's start; `None` if not once, or if there is no such event.
    #[must_use]
    pub fn total(&self, name: &str) -> Option<u64> {
        let event = self.events.iter().find(|event| event.name == name);
        event.map(|event| event.total)
    }
}

impl Event {
    fn parse(line: &str) -> Option<Self> {
        let words: [&str; 6] = collect(line.split_ascii_whitespace())?;
        let [name, rate, rate_minute, rate_hour, "total:", total] = words else {
            return None;
        };
        Some(Event {
            name: name.to_owned(),
            rate: per_second(rate)?,
            rate_minute: per_second(rate_minute)?,
            rate_hour: per_second(rate_hour)?,
            total: number(total)?,
        })
    }
}

/// Exactly so many words.
fn collect<'a, const N: usize>(mut words: impl Iterator<Item = &'a str>) -> Option<[&'a str; N]> {
    let mut out = [""; N];
    for slot in &mut out {
        *slot = words.next()?;
    }
    words.next().is_none().then_some(out)
}

/// A rate such as `0.017/sec`.
fn per_second(word: &str) -> Option<f64> {
    let digits = word.strip_suffix("/sec")?;
    let plain = digits
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.');
    plain.then(|| digits.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{letters, recorded};
    use super::*;
    use proptest::prelude::*;

    fn text_of(coverage: &Coverage) -> String {
        let mut text = format!(
            "{HEADING}, avg rate over last: {} seconds, last minute, last hour,  hash={:08x}:\n",
            coverage.interval_s.expect("the interval"),
            coverage.hash.expect("the hash")
        );
        for event in &coverage.events {
            text += &format!(
                "{:<24} {:5.1}/sec {:9.3}/sec {:13.4}/sec   total: {}\n",
                event.name, event.rate, event.rate_minute, event.rate_hour, event.total
            );
        }
        text + &format!("{}{NEVER_HIT}\n", coverage.never_hit.expect("their number"))
    }

    #[test]
    fn recorded_tables_are_read_without_loss() {
        for (name, text) in recorded("coverage-show") {
            let coverage = Coverage::parse(&text).expect("a table");
            assert_eq!(text_of(&coverage), text, "{name}");
            assert!(coverage.total("hmap_expand").is_some(), "{name}");
        }
    }

    #[test]
    fn other_lines_are_kept_and_a_table_needs_its_heading() {
        let coverage = Coverage::parse("Event coverage\nx 1/sec\n3 events never hit\n");
        let coverage = coverage.expect("a table");
        assert_eq!(coverage.other, ["x 1/sec"]);
        assert_eq!((coverage.interval_s, coverage.never_hit), (None, Some(3)));
        assert!(Coverage::parse("3 events never hit\n").is_err());
    }

    proptest! {
        #[test]
        fn what_is_told_is_read(
            hash: u32,
            never_hit: u64,
            events in prop::collection::vec((letters(), 0..10_000_000u32, any::<u64>()), 0..5),
        ) {
            let event = |(name, rate, total): (String, u32, u64)| Event {
                name,
                rate: f64::from(rate / 1000) / 10.0,
                rate_minute: f64::from(rate / 10) / 1000.0,
                rate_hour: f64::from(rate) / 10_000.0,
                total,
            };
            let coverage = Coverage {
                interval_s: Some(5),
                hash: Some(hash),
                events: events.into_iter().map(event).collect(),
                never_hit: Some(never_hit),
                other: Vec::new(),
            };
            prop_assert_eq!(Coverage::parse(&text_of(&coverage)), Ok(coverage));
        }
    }
}
