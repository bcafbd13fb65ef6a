//! Moments as people write them: dates, times before now, milliseconds since 1970, and numbers of records.
//!
//! What names no time zone is UTC, as the programs print dates.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use ovsdb_server::past::Moment;

use crate::tool::ToolError;

/// Integers from here on are milliseconds since 1970 (from the year 1973 on), smaller ones number a record.
const MILLISECONDS_MIN: i64 = 100_000_000_000;

/// A time, in milliseconds since 1970: a date as RFC 3339 has it or a part of one (`2026-11-22T10:00:00.5+01:00`,
/// `2026-11-22 10:00`, `2026-11-22`), `now`, `today`, `yesterday`, a span before now (`2 hours ago`, `1d 3h ago`), or
/// milliseconds since 1970. `place` is the option or the argument in which it stands.
///
/// # Errors
/// [`ToolError::Time`].
pub(super) fn parse_time(place: &str, text: &str) -> Result<i64, ToolError> {
    time(text, Timestamp::now()).ok_or_else(|| ToolError::Time {
        place: place.to_owned(),
        text: text.to_owned(),
    })
}

/// A time, or the number of a record.
///
/// # Errors
/// As [`parse_time`].
pub(super) fn parse_moment(place: &str, text: &str) -> Result<Moment, ToolError> {
    match text.trim().parse::<i64>() {
        Ok(number) if (0..MILLISECONDS_MIN).contains(&number) => {
            Ok(Moment::Record(number.unsigned_abs()))
        }
        _ => parse_time(place, text).map(Moment::Time),
    }
}

fn time(text: &str, now: Timestamp) -> Option<i64> {
    let text = text.trim();
    if let Ok(ms) = text.parse::<i64>() {
        return Some(ms);
    }
    if let Ok(timestamp) = text.parse::<Timestamp>() {
        return Some(timestamp.as_millisecond());
    }
    let now = now.to_zoned(TimeZone::UTC);
    let begin_of_day = |days: i64| {
        let day = now
            .date()
            .checked_sub(Span::new().try_days(days).ok()?)
            .ok()?;
        day.to_zoned(TimeZone::UTC).ok()
    };
    let zoned = match text {
        "now" => Some(now.clone()),
        "today" => begin_of_day(0),
        "yesterday" => begin_of_day(1),
        _ if text.ends_with("ago") => {
            let span: Span = text.parse().ok()?;
            now.checked_add(span).ok()
        }
        _ => text.parse::<DateTime>().ok()?.to_zoned(TimeZone::UTC).ok(),
    };
    Some(zoned?.timestamp().as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_MS: i64 = 3_600_000;

    #[test]
    fn times_are_read_in_all_their_forms() {
        let now: Timestamp = "2026-11-22T10:00:00.500Z".parse().expect("a date");
        let now_ms = now.as_millisecond();
        let midnight = now_ms - 10 * HOUR_MS - 500;
        for (text, expected) in [
            ("now", Some(now_ms)),
            ("today", Some(midnight)),
            ("yesterday", Some(midnight - 24 * HOUR_MS)),
            ("2 hours ago", Some(now_ms - 2 * HOUR_MS)),
            ("90s ago", Some(now_ms - 90_000)),
            ("1 day, 3 hours ago", Some(now_ms - 27 * HOUR_MS)),
            ("1 month ago", Some(now_ms - 31 * 24 * HOUR_MS)),
            ("2026-11-22", Some(midnight)),
            ("2026-11-22 10:00", Some(now_ms - 500)),
            ("2026-11-22 10:00:00.500", Some(now_ms)),
            ("2026-11-22T10:00:00.5Z", Some(now_ms)),
            ("2026-11-22T11:00:00.5+01:00", Some(now_ms)),
            ("1795264782918", Some(1_795_264_782_918)),
            ("12", Some(12)),
            ("-1", Some(-1)),
            ("2 hours", None),
            ("ago", None),
            ("tomorrow", None),
            ("2026-13-01", None),
            ("", None),
        ] {
            assert_eq!(time(text, now), expected, "{text:?}");
        }
    }

    #[test]
    fn small_integers_number_records() {
        let moment = |text| parse_moment("--at", text).expect("a moment");
        assert_eq!(moment("0"), Moment::Record(0));
        assert_eq!(moment("99999999999"), Moment::Record(99_999_999_999));
        assert_eq!(moment("100000000000"), Moment::Time(100_000_000_000));
        assert!(matches!(moment("2026-11-22"), Moment::Time(_)));
        assert!(parse_moment("--at", "soon").is_err());
    }
}
