//! Patterns of log lines: `%D{%Y-%m-%dT%H:%M:%S.###Z}|%05N|%c%T|%p|%m` and the like (ovs-appctl(8), "vlog").
//!
//! In place of a pattern a destination may have lines of JSON.
//!
//! A pattern is taken apart once, when it is set. Formatting reads no clock; the moment is an argument.

use std::fmt::{self, Write as _};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use ovsdb_proto::json::write;

use super::level::Level;

/// The moment's form if `%d` or `%D` gives none.
const DEFAULT_TIME: &str = "%Y-%m-%d %H:%M:%S.###";

/// A pattern and its parts.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    text: String,
    parts: Vec<Part>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Part {
    Literal(String),
    Json,
    Field(Field),
}

#[derive(Clone, Debug, Eq, PartialEq)]
struct Field {
    what: What,
    left: bool,
    zeros: bool,
    width: usize,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum What {
    Program,
    Priority,
    Module,
    LocalTime(String),
    UtcTime(String),
    Host,
    Message,
    Number,
    NewLine,
    Level,
    Pid,
    Uptime,
    Thread,
    ThreadInParentheses,
    Char(char),
}

/// What a line is about.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record<'a> {
    pub(super) program: &'a str,
    pub(super) subprogram: Option<&'a str>,
    pub(super) module: &'a str,
    pub(super) level: Level,
    pub(super) message: fmt::Arguments<'a>,
    pub(super) number: u64,
    pub(super) now: Timestamp,
    pub(super) uptime_ms: u128,
    pub(super) facility: u32,
}

impl Pattern {
    pub(super) fn new(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            parts: parse(text),
        }
    }

    /// Each line a JSON object with everything that there is to say.
    pub(super) fn json() -> Self {
        Self {
            text: "JSON".to_owned(),
            parts: vec![Part::Json],
        }
    }

    /// Whether it is [`Pattern::json`].
    pub(super) fn is_json(&self) -> bool {
        self.parts == [Part::Json]
    }

    /// The pattern as it was set.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Appends the line, without a final line feed.
    pub(super) fn format(&self, record: &Record<'_>, line: &mut String) {
        for part in &self.parts {
            match part {
                Part::Literal(text) => line.push_str(text),
                Part::Field(field) => field.format(record, line),
                Part::Json => push_json(record, line),
            }
        }
    }
}

fn parse(text: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('%') {
        if at > 0 {
            parts.push(Part::Literal(rest[..at].to_owned()));
        }
        let mut field = Field {
            what: What::Char('%'),
            left: false,
            zeros: false,
            width: 0,
        };
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('-') {
            field.left = true;
            rest = after;
        }
        if let Some(after) = rest.strip_prefix('0') {
            field.zeros = true;
            rest = after;
        }
        let digits = rest
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(rest.len());
        // A width beyond any line is no width worth honouring.
        field.width = rest[..digits].parse().unwrap_or(0).min(4096);
        rest = &rest[digits..];
        let mut chars = rest.chars();
        let Some(letter) = chars.next() else { break };
        rest = chars.as_str();
        field.what = match letter {
            'A' => What::Program,
            'B' => What::Priority,
            'c' => {
                // A precision in braces is accepted and means nothing.
                let _ = braces(&mut rest);
                What::Module
            }
            'd' => What::LocalTime(braces(&mut rest).unwrap_or(DEFAULT_TIME).to_owned()),
            'D' => What::UtcTime(braces(&mut rest).unwrap_or(DEFAULT_TIME).to_owned()),
            'E' => What::Host,
            'm' => What::Message,
            'N' => What::Number,
            'n' => What::NewLine,
            'p' => What::Level,
            'P' => What::Pid,
            'r' => What::Uptime,
            't' => What::Thread,
            'T' => What::ThreadInParentheses,
            other => What::Char(other),
        };
        parts.push(Part::Field(field));
    }
    if !rest.is_empty() {
        parts.push(Part::Literal(rest.to_owned()));
    }
    parts
}

/// Takes `{TEXT}` off the front.
fn braces<'a>(rest: &mut &'a str) -> Option<&'a str> {
    let inner = rest.strip_prefix('{')?;
    let (text, after) = inner.split_once('}').unwrap_or((inner, ""));
    *rest = after;
    Some(text)
}

impl Field {
    fn format(&self, record: &Record<'_>, line: &mut String) {
        let start = line.len();
        self.what.format(record, line);
        let used = line[start..].chars().count();
        if used < self.width {
            let fill = if self.zeros { "0" } else { " " }.repeat(self.width - used);
            if self.left {
                line.push_str(&fill);
            } else {
                line.insert_str(start, &fill);
            }
        }
    }
}

impl What {
    fn format(&self, record: &Record<'_>, line: &mut String) {
        // Writing to a String cannot fail.
        let _ = match self {
            Self::Program => line.write_str(record.program),
            Self::Priority => {
                let facility = if record.facility == 0 {
                    super::facility::LOCAL0
                } else {
                    record.facility
                };
                write!(line, "{}", facility + record.level.severity())
            }
            Self::Module => line.write_str(record.module),
            Self::LocalTime(format) => {
                push_time(format, record.now, TimeZone::system(), line);
                Ok(())
            }
            Self::UtcTime(format) => {
                push_time(format, record.now, TimeZone::UTC, line);
                Ok(())
            }
            Self::Host => line.write_str(&rustix::system::uname().nodename().to_string_lossy()),
            Self::Message => {
                let written = line.write_fmt(record.message);
                line.truncate(line.trim_end_matches('\n').len());
                written
            }
            Self::Number => write!(line, "{}", record.number),
            Self::NewLine => line.write_char('\n'),
            Self::Level => line.write_str(record.level.name()),
            Self::Pid => write!(line, "{}", std::process::id()),
            Self::Uptime => write!(line, "{}", record.uptime_ms),
            Self::Thread => line.write_str(record.subprogram.unwrap_or("main")),
            Self::ThreadInParentheses => match record.subprogram {
                Some(name) => write!(line, "({name})"),
                None => Ok(()),
            },
            Self::Char(c) => line.write_char(*c),
        };
    }
}

/// Appends a record as a JSON object. Nothing in it begins another line.
fn push_json(record: &Record<'_>, line: &mut String) {
    let mut time = String::new();
    push_time(
        "%Y-%m-%dT%H:%M:%S.###Z",
        record.now,
        TimeZone::UTC,
        &mut time,
    );
    let message = record.message.to_string();
    let texts = [
        ("program", Some(record.program)),
        ("role", record.subprogram),
        ("module", Some(record.module)),
        ("level", Some(record.level.name())),
        ("message", Some(message.trim_end_matches('\n'))),
    ];
    let mut json = Vec::with_capacity(256);
    json.extend_from_slice(b"{\"time\":");
    write::string(&time, &mut json);
    for (name, number) in [
        ("number", record.number),
        ("pid", std::process::id().into()),
    ] {
        json.push(b',');
        write::string(name, &mut json);
        json.push(b':');
        write::integer(i64::try_from(number).unwrap_or(i64::MAX), &mut json);
    }
    for (name, text) in texts {
        if let Some(text) = text {
            json.push(b',');
            write::string(name, &mut json);
            json.push(b':');
            write::string(text, &mut json);
        }
    }
    json.push(b'}');
    // All that went in is UTF-8, and so nothing is replaced.
    line.push_str(&String::from_utf8_lossy(&json));
}

/// Appends a moment in the form of `strftime`, in which runs of `#` become digits of the second's fraction.
pub(super) fn push_time(format: &str, now: Timestamp, zone: TimeZone, line: &mut String) {
    let start = line.len();
    let time = now.to_zoned(zone);
    let config = jiff::fmt::strtime::Config::new().lenient(true);
    let broken = jiff::fmt::strtime::BrokenDownTime::from(&time);
    let written =
        broken.format_with_config(&config, format, &mut jiff::fmt::StdFmtWrite(&mut *line));
    if written.is_err() {
        line.truncate(start);
        line.push_str(format);
    }
    if line[start..].contains('#') {
        let text = line.split_off(start);
        let millis = format!("{:03}", time.millisecond());
        let mut digits = millis.chars();
        for c in text.chars() {
            if c == '#' {
                line.push(digits.next().unwrap_or('0'));
            } else {
                digits = millis.chars();
                line.push(c);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, subprogram: Option<&str>, expect: &str) {
        let record = Record {
            program: "prog",
            subprogram,
            module: "jsonrpc",
            level: Level::Warn,
            message: format_args!("a message\n\n"),
            number: 42,
            now: Timestamp::from_millisecond(1_767_323_045_007).expect("in range"),
            uptime_ms: 1234,
            facility: 0,
        };
        let mut line = String::new();
        Pattern::new(pattern).format(&record, &mut line);
        assert_eq!(line, expect, "{pattern}");
    }

    #[test]
    fn every_field_has_its_letter() {
        check("", None, "");
        check("plain", None, "plain");
        check("%A", None, "prog");
        check("%B", None, "132");
        check("%c", None, "jsonrpc");
        check("%c{1}x", None, "jsonrpcx");
        check("%m", None, "a message");
        check("%N", None, "42");
        check("%n", None, "\n");
        check("%p", None, "WARN");
        check("%P", None, &std::process::id().to_string());
        check("%r", None, "1234");
        check("%t", None, "main");
        check("%t", Some("monitor"), "monitor");
        check("%T", None, "");
        check("%T", Some("monitor"), "(monitor)");
        check("%%", None, "%");
        check("%z", None, "z");
        check("50%", None, "50");
    }

    #[test]
    fn lines_of_json_hold_the_whole_record() {
        for (subprogram, role) in [(None, ""), (Some("monitor"), r#""role":"monitor","#)] {
            let message = "a \"message\"\nof two lines \u{1F980}\x1b";
            let record = Record {
                program: "prog",
                subprogram,
                module: "jsonrpc",
                level: Level::Warn,
                message: format_args!("{message}\n"),
                number: 42,
                now: Timestamp::from_millisecond(1_767_323_045_007).expect("in range"),
                uptime_ms: 1234,
                facility: 0,
            };
            let mut line = String::new();
            Pattern::json().format(&record, &mut line);
            assert_eq!(
                line,
                format!(
                    r#"{{"time":"2026-01-02T03:04:05.007Z","number":42,"pid":{},"program":"prog",{role}"module":"jsonrpc","level":"WARN","message":"a \"message\"\nof two lines \u{{1F980}}\u001b"}}"#,
                    std::process::id()
                )
                .replace("\\u{1F980}", "\u{1F980}")
            );
        }
    }

    #[test]
    fn times_have_milliseconds_on_request() {
        check("%D", None, "2026-01-02 03:04:05.007");
        check("%D{%Y-%m-%dT%H:%M:%SZ}", None, "2026-01-02T03:04:05Z");
        check("%D{%H:%M:%S.###Z}", None, "03:04:05.007Z");
        check("%D{#.#####}", None, "0.00700");
        check("%D{%h %e %T}", None, "Jan  2 03:04:05");
        check("%D{}", None, "");
        check("%D{%Y", None, "2026");
    }

    #[test]
    fn widths_pad_on_either_side() {
        check("%05N", None, "00042");
        check("%5N", None, "   42");
        check("%-5N|", None, "42   |");
        check("%-05N|", None, "42000|");
        check("%1N", None, "42");
        check("%10p|", None, "      WARN|");
    }

    #[test]
    fn default_patterns_give_the_familiar_lines() {
        use super::super::level::Destination;
        check(
            Destination::File.default_pattern(),
            None,
            "2026-01-02T03:04:05.007Z|00042|jsonrpc|WARN|a message",
        );
        check(
            Destination::Console.default_pattern(),
            Some("monitor"),
            "2026-01-02T03:04:05Z|00042|jsonrpc(monitor)|WARN|a message",
        );
        check(
            Destination::Syslog.default_pattern(),
            None,
            "ovs|00042|jsonrpc|WARN|a message",
        );
    }
}
