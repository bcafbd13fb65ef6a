//! `xtask metrics`: writes `docs/metrics.md` from the table in the code.
//!
//! `xtask tidy` compares what stands there with what would be written.

use std::fs;
use std::process::ExitCode;

use ovsdb_tools::metrics::metric::Metric;
use ovsdb_tools::server::metrics::table;

use crate::Error;
use crate::workspace::Workspace;

/// Where the page is kept.
const PATH: &str = "docs/metrics.md";

const HEAD: &str = "# Metrics of `ovsdb-server`

What stands on the page `/metrics` that `--http` serves, in its order. How to ask for it stands in
[operating.md](operating.md#metrics-and-health); this page is written by `cargo run -p xtask -- metrics`.

| name | kind | labels | |
|---|---|---|---|
";

/// Writes the page.
pub(crate) fn run(workspace: &Workspace) -> Result<ExitCode, Error> {
    for (path, text) in files() {
        fs::write(workspace.root.join(&path), text)?;
        println!("{path}");
    }
    Ok(ExitCode::SUCCESS)
}

/// The page: its path from the workspace's root, and its text.
pub(crate) fn files() -> Vec<(String, String)> {
    let lines = table::all().map(line);
    let text = HEAD.to_owned() + &lines.collect::<String>();
    vec![(PATH.to_owned(), text)]
}

fn line(metric: &Metric) -> String {
    let quoted = |words: &[String]| {
        let words = words.iter().map(|word| format!("`{word}`"));
        words.collect::<Vec<_>>().join(", ")
    };
    let labels: Vec<String> = metric.labels.iter().map(ToString::to_string).collect();
    let (names, labels) = (quoted(&metric.names()), quoted(&labels));
    format!(
        "| {names} | {} | {labels} | {} |\n",
        metric.kind.word(),
        metric.help
    )
}
