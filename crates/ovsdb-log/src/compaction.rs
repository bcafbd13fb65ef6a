//! When a log is to be compacted without being asked: the rule of the reference program, as pure functions.
//!
//! Ten to twenty minutes after a compaction at the earliest, once the file has doubled and is larger than 10 MB, and at
//! least a hundred records have been seen; after a day in any case, if there is anything to gain.

/// The smallest file, in bytes, that is compacted because it has grown.
const GROWN_BYTES_MIN: u64 = 10 << 20;

/// The smallest number of records seen before a file is compacted because it has grown.
const RECORDS_MIN: u64 = 100;

const MINUTE_MS: u64 = 60 * 1000;
const DAY_MS: u64 = 24 * 60 * MINUTE_MS;

/// Whether a file of `size` bytes has grown enough above the `base` bytes left by its last compaction.
pub fn grew_lots(size: u64, base: u64) -> bool {
    size > GROWN_BYTES_MIN && size / 2 > base
}

/// What the decision depends on, apart from the time.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Growth {
    /// Size of the file in bytes.
    pub size: u64,
    /// Its size in bytes after the last compaction.
    pub base: u64,
    /// Records read and written since the file was opened.
    pub records: u64,
    /// Records in the file beyond those that a compaction leaves.
    pub records_since_base: u64,
}

/// The times between which the next compaction may, and at which it must, take place, in milliseconds of the caller's
/// monotonic clock.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Schedule {
    earliest_ms: u64,
    latest_ms: u64,
}

impl Schedule {
    /// The schedule after opening or compacting at `now_ms`. `random` is any number: it spreads servers that were
    /// started together over ten minutes.
    pub fn new(now_ms: u64, random: u64) -> Schedule {
        let base = 10 * MINUTE_MS;
        Schedule {
            earliest_ms: now_ms + base + random % base,
            latest_ms: now_ms + DAY_MS,
        }
    }

    /// The schedule after a compaction failed at `now_ms`: another attempt in one to two minutes.
    #[must_use]
    pub fn retry(self, now_ms: u64, random: u64) -> Schedule {
        Schedule {
            earliest_ms: now_ms + MINUTE_MS + random % MINUTE_MS,
            ..self
        }
    }

    /// Whether to compact now.
    pub fn is_due(&self, now_ms: u64, growth: &Growth) -> bool {
        if now_ms < self.earliest_ms {
            false
        } else if now_ms < self.latest_ms {
            growth.records >= RECORDS_MIN && grew_lots(growth.size, growth.base)
        } else {
            growth.records_since_base > 0
        }
    }

    /// When the answer of [`Schedule::is_due`] may change although nothing is written, in milliseconds; `None` if it
    /// will not.
    pub fn next_ms(&self, now_ms: u64) -> Option<u64> {
        [self.earliest_ms, self.latest_ms]
            .into_iter()
            .find(|at| *at > now_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MB: u64 = 1 << 20;

    #[test]
    fn file_has_grown_when_it_is_large_and_more_than_twice_its_base() {
        for (size, base, expect) in [
            (0, 0, false),
            (10 * MB, 0, false),
            (10 * MB + 1, 0, true),
            (20 * MB, 10 * MB, false),
            (20 * MB + 1, 10 * MB, false),
            (20 * MB + 2, 10 * MB, true),
        ] {
            assert_eq!(grew_lots(size, base), expect, "{size} over {base}");
        }
    }

    #[track_caller]
    fn check_due(minutes: u64, size: u64, records: u64, since: u64, expect: bool) {
        let schedule = Schedule::new(1000, 5 * MINUTE_MS);
        let growth = Growth {
            size,
            base: MB,
            records,
            records_since_base: since,
        };
        assert_eq!(schedule.is_due(1000 + minutes * MINUTE_MS, &growth), expect);
    }

    #[test]
    fn compaction_waits_for_time_and_growth_and_records() {
        check_due(14, 100 * MB, 1000, 1000, false);
        check_due(15, 100 * MB, 1000, 1000, true);
        check_due(15, 100 * MB, 99, 99, false);
        check_due(15, 9 * MB, 1000, 1000, false);
    }

    #[test]
    fn after_a_day_any_record_will_do_but_there_must_be_one() {
        check_due(24 * 60 - 1, 2 * MB, 1, 1, false);
        check_due(24 * 60, 2 * MB, 1, 1, true);
        check_due(24 * 60, 2 * MB, 1000, 0, false);
    }

    #[test]
    fn failed_compaction_is_tried_again_soon_and_keeps_its_last_date() {
        let schedule = Schedule::new(0, 0);
        let retry = schedule.retry(10 * MINUTE_MS, MINUTE_MS - 1);
        assert_eq!(retry.next_ms(10 * MINUTE_MS), Some(12 * MINUTE_MS - 1));
        assert_eq!(retry.next_ms(12 * MINUTE_MS), Some(DAY_MS));
        assert_eq!(retry.next_ms(DAY_MS), None);
    }

    #[test]
    fn random_part_stays_within_ten_minutes() {
        for random in [0, 1, u64::MAX] {
            let next = Schedule::new(0, random).next_ms(0).expect("a time to come");
            assert!((10 * MINUTE_MS..20 * MINUTE_MS).contains(&next));
        }
    }
}
