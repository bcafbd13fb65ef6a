//! What was measured, as a table that is Markdown and as JSON: medians, and how two servers compare.
//!
//! The JSON is one object whose names stay; `docs/performance.md` says what they mean.

use ovsdb_proto::json::{Json, Object};

use crate::section::{Effort, ms};
use crate::workload::{Figure, Sample, Size, mebibytes};

/// What became of a workload on one server.
#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    /// The samples of all runs.
    Measured(Vec<Sample>),
    /// Why it is worth nothing.
    Failed(String),
    /// It needs a server that can be started here.
    NotRun,
}

/// What became of a workload on each server, or of a task by the programs of each side.
pub(crate) struct Result {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) figures: &'static [Figure],
    pub(crate) outcomes: Vec<Outcome>,
}

/// Which columns a table has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    /// How many servers, or sides, are compared.
    pub(crate) sides: usize,
    /// Whether it is told how long another client waited.
    pub(crate) waits: bool,
}

/// The letters that stand for the servers.
pub(crate) const LETTERS: [&str; 2] = ["A", "B"];

/// How wide the columns of the table are: figure, unit, value, ratio, and what it cost.
const WIDTHS: [usize; 5] = [30, 4, 12, 6, 19];

/// The head of the table.
pub(crate) fn head(layout: Layout) -> String {
    let mut titles = vec!["median of runs", "unit"];
    titles.extend(&LETTERS[..layout.sides]);
    if layout.sides > 1 {
        titles.push("A is");
    }
    titles.extend(["CPU s", "peak MiB"]);
    if layout.waits {
        titles.extend(["longest wait ms", "p99 wait ms"]);
    }
    let titles: Vec<String> = titles.into_iter().map(str::to_owned).collect();
    let widths = widths(layout);
    let rule = widths
        .iter()
        .enumerate()
        .map(|(column, width)| match column {
            0 | 1 => format!("|{}", "-".repeat(width + 2)),
            _ => format!("|{}:", "-".repeat(width + 1)),
        });
    format!("{}\n{}|", line(&titles, layout), rule.collect::<String>())
}

fn widths(layout: Layout) -> Vec<usize> {
    let [figure, unit, value, ratio, cost] = WIDTHS;
    let two = layout.sides > 1;
    let mut widths = vec![figure, unit];
    widths.extend(vec![value; layout.sides]);
    if two {
        widths.push(ratio);
    }
    // What it cost is one column for both servers.
    let costs = if layout.waits { 4 } else { 2 };
    widths.extend(vec![if two { cost } else { cost - 4 }; costs]);
    widths
}

fn line(cells: &[String], layout: Layout) -> String {
    let cells = cells.iter().zip(widths(layout)).enumerate();
    let cells = cells.map(|(column, (cell, width))| match column {
        0 | 1 => format!("| {cell:<width$} "),
        _ => format!("| {cell:>width$} "),
    });
    format!("{}|", cells.collect::<String>())
}

impl Result {
    /// The lines of the table, one for each figure.
    pub(crate) fn lines(&self, layout: Layout) -> Vec<String> {
        let figures = self.figures.iter();
        figures.map(|figure| self.line(figure, layout)).collect()
    }

    fn line(&self, figure: &Figure, layout: Layout) -> String {
        let mut cells = vec![
            format!("{} {}", self.name, figure.name),
            figure.unit.name().to_owned(),
        ];
        let medians: Vec<Median> = self
            .outcomes
            .iter()
            .map(|outcome| Median::of(outcome, figure))
            .collect();
        for (outcome, median) in self.outcomes.iter().zip(&medians) {
            cells.push(match outcome {
                Outcome::Failed(_) => "FAILED".to_owned(),
                _ => shown(median.value, 1),
            });
        }
        if layout.sides > 1 {
            cells.push(match ratio(&medians, figure) {
                Some(ratio) => format!("{ratio:.2}"),
                None => "-".to_owned(),
            });
        }
        let mut costs = vec![
            (medians.iter().map(|m| m.cpu_s).collect::<Vec<_>>(), 2),
            (medians.iter().map(|m| m.peak_mib).collect(), 1),
        ];
        if layout.waits {
            costs.push((medians.iter().map(|m| m.longest_ms).collect(), 2));
            costs.push((medians.iter().map(|m| m.percentile_ms).collect(), 2));
        }
        for (cost, digits) in costs {
            let shown: Vec<String> = cost.into_iter().map(|cost| shown(cost, digits)).collect();
            cells.push(shown.join(" / "));
        }
        line(&cells, layout)
    }

    /// Why which server failed, if one did.
    pub(crate) fn failures(&self) -> impl Iterator<Item = String> + '_ {
        let outcomes = self.outcomes.iter().zip(LETTERS);
        outcomes.filter_map(|(outcome, letter)| match outcome {
            Outcome::Failed(reason) => Some(format!("{} FAILED on {letter}: {reason}", self.name)),
            _ => None,
        })
    }

    fn json(&self) -> Json {
        let figures = self.figures.iter().map(|figure| {
            let medians: Vec<Median> = self
                .outcomes
                .iter()
                .map(|outcome| Median::of(outcome, figure))
                .collect();
            let better = if figure.unit.more_is_better() {
                "more"
            } else {
                "less"
            };
            object([
                ("name", Json::string(figure.name)),
                ("about", Json::string(figure.about)),
                ("unit", Json::string(figure.unit.name())),
                ("better", Json::string(better)),
                ("servers", Json::array(medians.iter().map(Median::json))),
                ("ratio", number(ratio(&medians, figure).unwrap_or(f64::NAN))),
            ])
        });
        let outcomes = self.outcomes.iter().map(|outcome| match outcome {
            Outcome::Measured(_) => object([("outcome", Json::string("measured"))]),
            Outcome::NotRun => object([("outcome", Json::string("not run"))]),
            Outcome::Failed(reason) => object([
                ("outcome", Json::string("failed")),
                ("reason", Json::string(reason.as_str())),
            ]),
        });
        object([
            ("name", Json::string(self.name)),
            ("about", Json::string(self.about)),
            ("servers", Json::array(outcomes)),
            ("figures", Json::array(figures)),
        ])
    }
}

/// All results as one JSON object. `servers` are the programs or methods, in the order of the letters.
pub(crate) fn json(results: &[Result], servers: &[String], runs: usize, size: Size) -> Json {
    let servers = servers.iter().zip(LETTERS).map(|(server, letter)| {
        object([
            ("letter", Json::string(letter)),
            ("server", Json::string(server.as_str())),
        ])
    });
    object([
        ("format", Json::Integer(1)),
        ("version", Json::string(ovsdb_daemon::program::VERSION)),
        ("runs", integer(runs)),
        ("scale", integer(size.percent)),
        ("quick", Json::Bool(size.quick)),
        ("servers", Json::array(servers)),
        ("workloads", Json::array(results.iter().map(Result::json))),
    ])
}

/// The medians of what was measured of one figure on one server. What is not known is not a number.
struct Median {
    value: f64,
    samples: Vec<f64>,
    cpu_s: f64,
    peak_mib: f64,
    longest_ms: f64,
    percentile_ms: f64,
}

impl Median {
    fn of(outcome: &Outcome, figure: &Figure) -> Median {
        let samples: Vec<&Sample> = match outcome {
            Outcome::Measured(samples) => samples
                .iter()
                .filter(|sample| sample.figure == figure.name)
                .collect(),
            _ => Vec::new(),
        };
        let cost = |of: fn(&Effort) -> Option<f64>| {
            let known = samples.iter().filter_map(|sample| of(&sample.effort));
            median(&known.collect::<Vec<_>>())
        };
        let values: Vec<f64> = samples.iter().map(|sample| sample.value).collect();
        Median {
            value: median(&values),
            cpu_s: cost(|effort| effort.cpu.map(|cpu| cpu.as_secs_f64())),
            peak_mib: cost(|effort| effort.peak_bytes.map(mebibytes)),
            longest_ms: cost(|effort| effort.waits.map(|waits| ms(waits.longest))),
            percentile_ms: cost(|effort| effort.waits.map(|waits| ms(waits.percentile_99))),
            samples: values,
        }
    }

    fn json(&self) -> Json {
        object([
            ("median", number(self.value)),
            (
                "samples",
                Json::array(self.samples.iter().copied().map(number)),
            ),
            ("cpu_s", number(self.cpu_s)),
            ("peak_mib", number(self.peak_mib)),
            ("longest_wait_ms", number(self.longest_ms)),
            ("p99_wait_ms", number(self.percentile_ms)),
        ])
    }
}

/// How many times better the first of two servers is.
fn ratio(medians: &[Median], figure: &Figure) -> Option<f64> {
    let [first, second] = medians else {
        return None;
    };
    let ratio = if figure.unit.more_is_better() {
        first.value / second.value
    } else {
        second.value / first.value
    };
    Some(ratio).filter(|ratio| ratio.is_finite())
}

/// The middle value, or the mean of the two middle values; of none, not a number.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => values[middle],
        _ => f64::midpoint(values[middle - 1], values[middle]),
    }
}

pub(crate) fn shown(value: f64, digits: usize) -> String {
    if value.is_nan() {
        return "-".to_owned();
    }
    format!("{value:.digits$}")
}

pub(crate) fn object<const N: usize>(members: [(&str, Json); N]) -> Json {
    let mut object = Object::with_capacity(N);
    for (name, value) in members {
        object.insert(name, value);
    }
    Json::Object(object)
}

pub(crate) fn integer(number: usize) -> Json {
    Json::Integer(i64::try_from(number).unwrap_or(i64::MAX))
}

/// A number, or `null` for what is not known.
pub(crate) fn number(value: f64) -> Json {
    if value.is_finite() {
        Json::Real(value)
    } else {
        Json::Null
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::probe::Waits;
    use crate::workload::Unit;

    const FIGURES: &[Figure] = &[
        Figure::new("rate", Unit::PerSecond, "more is better"),
        Figure::new("time", Unit::Milliseconds, "less is better"),
    ];

    const TWO: Layout = Layout {
        sides: 2,
        waits: true,
    };

    /// Samples of both figures with these values.
    fn measured(values: [f64; 3]) -> Outcome {
        let effort = Effort {
            took: Duration::from_secs(1),
            cpu: Some(Duration::from_millis(1500)),
            peak_bytes: Some(3 << 20),
            waits: Some(Waits {
                longest: Duration::from_millis(7),
                percentile_99: Duration::from_micros(250),
            }),
        };
        let samples = ["rate", "time"].into_iter().flat_map(|figure| {
            values.map(|value| Sample {
                figure,
                value,
                effort,
            })
        });
        Outcome::Measured(samples.collect())
    }

    fn result(outcomes: Vec<Outcome>) -> Result {
        Result {
            name: "example",
            about: "what is shown here",
            figures: FIGURES,
            outcomes,
        }
    }

    /// The cells of a line without what fills them up.
    fn cells(line: &str) -> Vec<&str> {
        line.trim_matches('|').split('|').map(str::trim).collect()
    }

    #[test]
    fn medians_are_compared_so_that_more_than_one_is_better() {
        let result = result(vec![
            measured([300.0, 100.0, 200.0]),
            measured([90.0, 100.0, 110.0]),
        ]);
        let lines = result.lines(TWO);
        assert_eq!(
            cells(&lines[0]),
            [
                "example rate",
                "1/s",
                "200.0",
                "100.0",
                "2.00",
                "1.50 / 1.50",
                "3.0 / 3.0",
                "7.00 / 7.00",
                "0.25 / 0.25"
            ]
        );
        assert_eq!(cells(&lines[1])[2..5], ["200.0", "100.0", "0.50"]);
    }

    #[test]
    fn every_line_of_the_table_has_as_many_cells_as_its_head() {
        for (sides, waits) in [(1, true), (2, true), (1, false), (2, false)] {
            let layout = Layout { sides, waits };
            let outcomes = vec![measured([1.0, 2.0, 3.0]); sides];
            let head = head(layout);
            let mut lines: Vec<String> = head.lines().map(str::to_owned).collect();
            lines.extend(result(outcomes).lines(layout));
            let counts: Vec<usize> = lines.iter().map(|line| cells(line).len()).collect();
            assert_eq!(counts, vec![counts[0]; lines.len()], "{lines:#?}");
        }
    }

    #[test]
    fn a_server_that_failed_has_no_figure_and_no_ratio() {
        let result = result(vec![
            measured([1.0, 2.0, 3.0]),
            Outcome::Failed("it lost one".to_owned()),
        ]);
        assert_eq!(cells(&result.lines(TWO)[0])[2..5], ["2.0", "FAILED", "-"]);
        assert_eq!(
            result.failures().collect::<Vec<_>>(),
            ["example FAILED on B: it lost one"]
        );
        let size = Size {
            percent: 100,
            quick: false,
        };
        let names = ["a".to_owned(), "b".to_owned()];
        let json = json(&[result], &names, 3, size);
        let workload = &json
            .get("workloads")
            .and_then(Json::as_array)
            .expect("a list")[0];
        let servers = workload
            .get("servers")
            .and_then(Json::as_array)
            .expect("a list");
        assert_eq!(
            servers[1].get("outcome").and_then(Json::as_str),
            Some("failed")
        );
        let figure = &workload
            .get("figures")
            .and_then(Json::as_array)
            .expect("a list")[0];
        assert_eq!(figure.get("ratio"), Some(&Json::Null));
    }

    #[test]
    fn median_of_an_even_number_is_between_the_middle_two() {
        assert_eq!(median(&[4.0, 1.0, 3.0, 2.0]), 2.5);
        assert!(median(&[]).is_nan());
    }
}
