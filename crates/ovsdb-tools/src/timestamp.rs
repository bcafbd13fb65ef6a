//! Dates as the programs print them: in UTC, to the millisecond.

use jiff::Timestamp;

const FORMAT: &str = "%Y-%m-%d %H:%M:%S%.3f";

/// Now.
pub(crate) fn now() -> String {
    Timestamp::now().strftime(FORMAT).to_string()
}

/// A date in milliseconds since 1970. One that the calendar does not reach is printed as that number.
pub(crate) fn text(date_ms: i64) -> String {
    match Timestamp::from_millisecond(date_ms) {
        Ok(date) => date.strftime(FORMAT).to_string(),
        Err(_) => format!("{date_ms} ms"),
    }
}

/// A date in milliseconds since 1970 as RFC 3339 has it. One that the calendar does not reach is that number.
pub(crate) fn rfc3339(date_ms: i64) -> String {
    match Timestamp::from_millisecond(date_ms) {
        Ok(date) => format!("{date:.3}"),
        Err(_) => date_ms.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_for_programs_are_those_of_rfc_3339() {
        assert_eq!(rfc3339(1_795_264_782_918), "2026-11-21T12:39:42.918Z");
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(rfc3339(i64::MAX), "9223372036854775807");
    }

    #[test]
    fn dates_are_printed_to_the_millisecond_in_utc() {
        assert_eq!(text(1_795_264_782_918), "2026-11-21 12:39:42.918");
        assert_eq!(text(1_234_567_890_012), "2009-02-13 23:31:30.012");
        assert_eq!(text(0), "1970-01-01 00:00:00.000");
        assert_eq!(text(i64::MAX), "9223372036854775807 ms");
    }
}
