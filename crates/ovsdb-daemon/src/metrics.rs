//! Figures of a daemon in the text format of Prometheus, version 0.0.4.
//!
//! Only the form is known here; what there is to tell is the daemon's.

use std::fmt::Write as _;

/// The type of the text.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What the values of a metric are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// They only grow, from the start of the process.
    Counter,
    /// They go up and down.
    Gauge,
    /// Numbers of observations up to each of several bounds, and the sum of all that was observed.
    Histogram,
}

impl Kind {
    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// A value, as it is written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value {
    /// A whole number.
    Whole(u64),
    /// Any number.
    Real(f64),
}

impl From<u64> for Value {
    fn from(value: u64) -> Self {
        Self::Whole(value)
    }
}

impl From<usize> for Value {
    fn from(value: usize) -> Self {
        Self::Whole(value as u64)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Whole(u64::from(value))
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Real(value)
    }
}

/// What was observed, by bounds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observed {
    /// Each bound, and how many observations were not above it and above the one before. Ascending.
    pub buckets: Vec<(f64, u64)>,
    /// How many were above all bounds.
    pub above: u64,
    /// The sum of all.
    pub sum: f64,
}

/// A label: its name and its value.
pub type Label<'a> = (&'a str, &'a str);

/// The text, as far as it has been written.
#[derive(Debug, Default)]
pub struct Text {
    text: String,
}

impl Text {
    /// Begins with nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Goes on with the samples of a metric, all of which must come together.
    pub fn metric<'a>(&'a mut self, name: &'a str, kind: Kind, help: &str) -> Samples<'a> {
        let text = &mut self.text;
        text.push_str("# HELP ");
        text.push_str(name);
        text.push(' ');
        push_escaped(text, help, false);
        text.push_str("\n# TYPE ");
        text.push_str(name);
        text.push(' ');
        text.push_str(kind.word());
        text.push('\n');
        Samples { text, name }
    }

    /// Goes on with all that `other` says, of other metrics.
    pub fn append(&mut self, other: &Text) {
        self.text.push_str(&other.text);
    }

    /// The whole text.
    #[must_use]
    pub fn finish(self) -> String {
        self.text
    }
}

/// Writes the samples of one metric.
#[derive(Debug)]
pub struct Samples<'a> {
    text: &'a mut String,
    name: &'a str,
}

impl Samples<'_> {
    /// Adds a sample.
    pub fn add(&mut self, labels: &[Label<'_>], value: impl Into<Value>) -> &mut Self {
        self.line("", labels, None, value.into());
        self
    }

    /// Adds what was observed, of a histogram.
    pub fn observed(&mut self, labels: &[Label<'_>], observed: &Observed) -> &mut Self {
        let mut count = 0;
        for (bound, observations) in &observed.buckets {
            count += observations;
            let bound = bound.to_string();
            self.line("_bucket", labels, Some(("le", &bound)), count.into());
        }
        count += observed.above;
        self.line("_bucket", labels, Some(("le", "+Inf")), count.into());
        self.line("_sum", labels, None, observed.sum.into());
        self.line("_count", labels, None, count.into());
        self
    }

    fn line(&mut self, suffix: &str, labels: &[Label<'_>], last: Option<Label<'_>>, value: Value) {
        let text = &mut *self.text;
        text.push_str(self.name);
        text.push_str(suffix);
        let mut before = '{';
        for (name, value) in labels.iter().chain(last.as_ref()) {
            text.push(before);
            text.push_str(name);
            text.push_str("=\"");
            push_escaped(text, value, true);
            text.push('"');
            before = ',';
        }
        if before == ',' {
            text.push('}');
        }
        // Writing to a String cannot fail.
        let _ = match value {
            Value::Whole(value) => writeln!(text, " {value}"),
            Value::Real(value) if value.is_infinite() => {
                writeln!(text, " {}Inf", if value > 0.0 { '+' } else { '-' })
            }
            Value::Real(value) => writeln!(text, " {value}"),
        };
    }
}

fn push_escaped(text: &mut String, raw: &str, is_quoted: bool) {
    for letter in raw.chars() {
        match letter {
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '"' if is_quoted => text.push_str("\\\""),
            letter => text.push(letter),
        }
    }
}

#[cfg(test)]
mod tests {
    use prometheus_parse::{Sample, Scrape, Value as Parsed};

    use super::*;

    /// What a parser that others wrote finds.
    fn parse(text: Text) -> Vec<Sample> {
        let text = text.finish();
        let lines = text.lines().map(|line| Ok(line.to_owned()));
        let scrape = Scrape::parse(lines);
        scrape.expect("lines that can be read").samples
    }

    #[test]
    fn samples_are_read_back() {
        let mut text = Text::new();
        text.metric("a_total", Kind::Counter, "What a\\b\ncounts \"so\".")
            .add(&[], 12_u64)
            .add(&[("x", "1"), ("y", "2")], true);
        text.metric("b", Kind::Gauge, "").add(&[], 0.25);
        let samples = parse(text);
        let shown = samples.iter().map(|sample| {
            let mut labels: Vec<_> = sample
                .labels
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            labels.sort();
            format!("{} {} {:?}", sample.metric, labels.join(","), sample.value)
        });
        assert_eq!(
            shown.collect::<Vec<_>>(),
            [
                "a_total  Counter(12.0)",
                "a_total x=1,y=2 Counter(1.0)",
                "b  Gauge(0.25)"
            ]
        );
    }

    #[test]
    fn what_was_observed_is_counted_up_to_each_bound() {
        let mut text = Text::new();
        let observed = Observed {
            buckets: vec![(0.001, 3), (0.01, 0), (60.0, 2)],
            above: 1,
            sum: 100.5,
        };
        text.metric("t_seconds", Kind::Histogram, "Times.")
            .observed(&[("db", "a")], &observed);
        assert_eq!(
            text.text,
            "# HELP t_seconds Times.\n\
             # TYPE t_seconds histogram\n\
             t_seconds_bucket{db=\"a\",le=\"0.001\"} 3\n\
             t_seconds_bucket{db=\"a\",le=\"0.01\"} 3\n\
             t_seconds_bucket{db=\"a\",le=\"60\"} 5\n\
             t_seconds_bucket{db=\"a\",le=\"+Inf\"} 6\n\
             t_seconds_sum{db=\"a\"} 100.5\n\
             t_seconds_count{db=\"a\"} 6\n"
        );
        let samples = parse(text);
        let buckets = samples.iter().find_map(|sample| match &sample.value {
            Parsed::Histogram(buckets) => Some(buckets),
            _ => None,
        });
        let buckets = buckets.unwrap_or_else(|| panic!("no histogram: {samples:?}"));
        let counts: Vec<f64> = buckets.iter().map(|bucket| bucket.count).collect();
        assert_eq!(counts, [3.0, 3.0, 5.0, 6.0]);
    }

    #[track_caller]
    fn check(label: &str, value: f64, expected: &str) {
        let mut text = Text::new();
        let mut samples = Samples {
            text: &mut text.text,
            name: "a",
        };
        samples.add(&[("x", label)], value);
        assert_eq!(text.finish(), format!("{expected}\n"));
    }

    #[test]
    fn letters_and_numbers_have_the_forms_of_the_format() {
        check("\\ \"q\" \n ü", 1.0, "a{x=\"\\\\ \\\"q\\\" \\n ü\"} 1");
        check("", f64::INFINITY, "a{x=\"\"} +Inf");
        check("", f64::NEG_INFINITY, "a{x=\"\"} -Inf");
        check("", f64::NAN, "a{x=\"\"} NaN");
        check("", 1e-7, "a{x=\"\"} 0.0000001");
    }
}
