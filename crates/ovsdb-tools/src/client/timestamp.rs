//! The time of day, as `--timestamp` prints it.

use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

const FORMAT: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day] [hour]:[minute]:[second].[subsecond digits:3]");

/// Now, in UTC with milliseconds.
pub(crate) fn now() -> String {
    text(OffsetDateTime::now_utc())
}

fn text(time: OffsetDateTime) -> String {
    // The format asks for nothing that a date could lack.
    time.format(FORMAT).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_has_milliseconds() {
        let time =
            OffsetDateTime::from_unix_timestamp_nanos(1_234_567_890_012_345_678).expect("in range");
        assert_eq!(text(time), "2009-02-13 23:31:30.012");
    }
}
