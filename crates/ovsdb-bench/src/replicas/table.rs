//! What came of measuring replicas, as a table in Markdown or as JSON.

use ovsdb_proto::json::Json;

use super::keeper::Library;
use super::{FIGURES, Figure, Sample};
use crate::options::ReplicaPlan;
use crate::report::{integer, median, number, object, shown};

/// What became of one library.
pub(crate) enum Outcome {
    /// The samples of all runs.
    Measured { about: String, samples: Vec<Sample> },
    /// Why its replica is worth nothing.
    Failed(String),
    /// What is missing here.
    LeftOut(String),
}

impl Outcome {
    /// What it measured of a figure in each run.
    fn samples(&self, figure: &Figure) -> Vec<f64> {
        match self {
            Outcome::Measured { samples, .. } => samples
                .iter()
                .filter_map(|sample| sample.get(figure.name).copied())
                .collect(),
            _ => Vec::new(),
        }
    }

    fn median(&self, figure: &Figure) -> f64 {
        median(&self.samples(figure))
    }
}

/// How wide the columns of the table are: figure, unit, value, ratio.
const WIDTHS: [usize; 4] = [12, 4, 10, 13];

/// How many times as much as the first library's another one's figure is.
fn ratio(outcomes: &[(Library, Outcome)], other: &Outcome, figure: &Figure) -> f64 {
    let first = outcomes.first();
    let first = first.map_or(f64::NAN, |(_, first)| first.median(figure));
    other.median(figure) / first
}

/// The table, with a line for each library before it that says what it is.
pub(crate) fn table(rows: usize, outcomes: &[(Library, Outcome)]) -> String {
    let mut lines = Vec::new();
    for (library, outcome) in outcomes {
        if let Outcome::Measured { about, .. } = outcome {
            lines.push(format!("{}: {about}", library.name()));
        }
    }
    lines.push(String::new());
    let mut head = vec![format!("{rows} rows"), "unit".to_owned()];
    head.extend(
        outcomes
            .iter()
            .map(|(library, _)| library.name().to_owned()),
    );
    let others = || outcomes.iter().skip(1);
    head.extend(others().map(|(library, _)| format!("{} / ours", library.name())));
    lines.push(line(outcomes, &head));
    let rule = widths(outcomes).into_iter().enumerate();
    let rule = rule.map(|(column, width)| match column {
        0 | 1 => format!("|{}", "-".repeat(width + 2)),
        _ => format!("|{}:", "-".repeat(width + 1)),
    });
    lines.push(format!("{}|", rule.collect::<String>()));
    for figure in &FIGURES {
        let mut cells = vec![figure.name.to_owned(), figure.unit.name().to_owned()];
        cells.extend(outcomes.iter().map(|(_, outcome)| match outcome {
            Outcome::Failed(_) => "FAILED".to_owned(),
            _ => shown(outcome.median(figure), 1),
        }));
        cells.extend(others().map(|(_, other)| shown(ratio(outcomes, other, figure), 2)));
        lines.push(line(outcomes, &cells));
    }
    lines.push(String::new());
    lines.join("\n")
}

fn widths(outcomes: &[(Library, Outcome)]) -> Vec<usize> {
    let [figure, unit, value, ratio] = WIDTHS;
    let mut widths = vec![figure, unit];
    widths.extend(vec![value; outcomes.len()]);
    widths.extend(vec![ratio; outcomes.len().saturating_sub(1)]);
    widths
}

fn line(outcomes: &[(Library, Outcome)], cells: &[String]) -> String {
    let cells = cells.iter().zip(widths(outcomes)).enumerate();
    let cells = cells.map(|(column, (cell, width))| match column {
        0 | 1 => format!("| {cell:<width$} "),
        _ => format!("| {cell:>width$} "),
    });
    format!("{}|", cells.collect::<String>())
}

/// What is to be said beside the table: who is missing from it, and why.
pub(crate) fn remarks(outcomes: &[(Library, Outcome)]) -> Vec<String> {
    let remark = |(library, outcome): &(Library, Outcome)| {
        let name = library.name();
        match outcome {
            Outcome::Measured { .. } => None,
            Outcome::Failed(reason) => Some(format!("{name} FAILED: {reason}")),
            Outcome::LeftOut(reason) => Some(format!("{name} is left out: {reason}")),
        }
    };
    outcomes.iter().filter_map(remark).collect()
}

/// All of it as one JSON object.
pub(crate) fn json(plan: &ReplicaPlan, rows: usize, outcomes: &[(Library, Outcome)]) -> Json {
    let libraries = outcomes.iter().map(|(library, outcome)| {
        let name = ("name", Json::string(library.name()));
        let (word, member, text) = match outcome {
            Outcome::Measured { about, .. } => ("measured", "about", about),
            Outcome::Failed(reason) => ("failed", "reason", reason),
            Outcome::LeftOut(reason) => ("left out", "reason", reason),
        };
        object([
            name,
            ("outcome", Json::string(word)),
            (member, Json::string(text.as_str())),
        ])
    });
    let figures = FIGURES.iter().map(|figure| {
        let libraries = outcomes.iter().map(|(_, outcome)| {
            let samples = outcome.samples(figure);
            object([
                ("median", number(median(&samples))),
                ("ratio", number(ratio(outcomes, outcome, figure))),
                ("samples", Json::array(samples.into_iter().map(number))),
            ])
        });
        object([
            ("name", Json::string(figure.name)),
            ("about", Json::string(figure.about)),
            ("unit", Json::string(figure.unit.name())),
            ("libraries", Json::array(libraries)),
        ])
    });
    object([
        ("format", Json::Integer(1)),
        ("version", Json::string(ovsdb_daemon::program::VERSION)),
        ("server", Json::string(plan.server.display().to_string())),
        ("rows", integer(rows)),
        ("runs", integer(plan.runs)),
        ("scale", integer(plan.size.percent)),
        ("libraries", Json::array(libraries)),
        ("figures", Json::array(figures)),
    ])
}
