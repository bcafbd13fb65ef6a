//! Notices when the process does not give its tasks their turn, and says so in the log like the reference's programs.
//!
//! Whoever waits for an answer in such a moment waits, too: the lines say whether the processor, the disk or others had it.

use std::convert::Infallible;
use std::time::Duration;

use nix::sys::resource::{Usage, UsageWho, getrusage};
use nix::sys::time::{TimeVal, TimeValLike as _};
use tokio::time::Instant;

use crate::coverage::{self, Counter};

/// How often the task wants its turn.
const INTERVAL: Duration = Duration::from_millis(250);
/// How late it is when that is worth a line.
const LATE_MIN: Duration = Duration::from_secs(1);

/// How often a turn came as late as that.
pub static LONG_POLL_INTERVAL: Counter = Counter::new("long_poll_interval");

/// What the system has counted for the process.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Used {
    user_ms: i64,
    system_ms: i64,
    minor_faults: i64,
    major_faults: i64,
    reads: i64,
    writes: i64,
    voluntary: i64,
    involuntary: i64,
}

impl Used {
    fn now() -> Self {
        // It cannot fail with a valid argument.
        getrusage(UsageWho::RUSAGE_SELF)
            .map(Self::from)
            .unwrap_or_default()
    }

    fn since(self, before: Self) -> Self {
        Self {
            user_ms: self.user_ms - before.user_ms,
            system_ms: self.system_ms - before.system_ms,
            minor_faults: self.minor_faults - before.minor_faults,
            major_faults: self.major_faults - before.major_faults,
            reads: self.reads - before.reads,
            writes: self.writes - before.writes,
            voluntary: self.voluntary - before.voluntary,
            involuntary: self.involuntary - before.involuntary,
        }
    }
}

impl From<Usage> for Used {
    fn from(usage: Usage) -> Self {
        let ms = |time: TimeVal| time.num_milliseconds();
        Self {
            user_ms: ms(usage.user_time()),
            system_ms: ms(usage.system_time()),
            minor_faults: usage.minor_page_faults(),
            major_faults: usage.major_page_faults(),
            reads: usage.block_reads(),
            writes: usage.block_writes(),
            voluntary: usage.voluntary_context_switches(),
            involuntary: usage.involuntary_context_switches(),
        }
    }
}

/// What there is to say of a turn that came after `took`, while the process used `used`; nothing if it came in time.
fn lines(took: Duration, used: Used) -> Vec<String> {
    if took < INTERVAL + LATE_MIN {
        return Vec::new();
    }
    let Used {
        user_ms,
        system_ms,
        minor_faults,
        major_faults,
        reads,
        writes,
        voluntary,
        involuntary,
    } = used;
    let took_ms = took.as_millis();
    let pairs = [
        (
            format!("faults: {minor_faults} minor, {major_faults} major"),
            minor_faults + major_faults,
        ),
        (
            format!("disk: {reads} reads, {writes} writes"),
            reads + writes,
        ),
        (
            format!("context switches: {voluntary} voluntary, {involuntary} involuntary"),
            voluntary + involuntary,
        ),
    ];
    let first = format!(
        "Unreasonably long {took_ms}ms poll interval ({user_ms}ms user, {system_ms}ms system)"
    );
    let others = pairs.into_iter().filter(|(_, count)| *count > 0);
    std::iter::once(first)
        .chain(others.map(|(line, _)| line))
        .collect()
}

/// Takes a turn four times a second for ever, and logs when it comes late by a second; to be spawned once in a daemon.
pub async fn run() -> Infallible {
    let (mut last, mut before) = (Instant::now(), Used::now());
    loop {
        tokio::time::sleep(INTERVAL).await;
        let (now, used) = (Instant::now(), Used::now());
        let lines = lines(now - last, used.since(before));
        for line in &lines {
            tracing::warn!(target: "timeval", "{line}");
        }
        if !lines.is_empty() {
            LONG_POLL_INTERVAL.add(1);
            for line in coverage::show().lines() {
                tracing::info!(target: "coverage", per_minute = 60, burst = 60, "{line}");
            }
        }
        // What the lines took is nobody's delay.
        (last, before) = (Instant::now(), Used::now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(took_ms: u64, used: Used, expected: &[&str]) {
        assert_eq!(lines(Duration::from_millis(took_ms), used), expected);
    }

    #[test]
    fn a_turn_that_comes_late_by_a_second_is_told_with_what_was_used_meanwhile() {
        let used = Used {
            user_ms: 1200,
            system_ms: 34,
            minor_faults: 5,
            ..Used::default()
        };
        let first = "Unreasonably long 1250ms poll interval (1200ms user, 34ms system)";
        check(0, used, &[]);
        check(1249, used, &[]);
        check(1250, used, &[first, "faults: 5 minor, 0 major"]);
        check(
            61_000,
            Used {
                reads: 1,
                writes: 2,
                voluntary: 3,
                involuntary: 4,
                ..Used::default()
            },
            &[
                "Unreasonably long 61000ms poll interval (0ms user, 0ms system)",
                "disk: 1 reads, 2 writes",
                "context switches: 3 voluntary, 4 involuntary",
            ],
        );
    }

    #[test]
    fn what_was_used_is_counted_from_the_last_turn_on() {
        let before = Used::now();
        assert_eq!(before.since(before), Used::default());
        let page = vec![1_u8; 1 << 20];
        let faults = Used::now().since(before).minor_faults;
        assert!(faults > 0, "{} bytes were touched", page.len());
    }
}
