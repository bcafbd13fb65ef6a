//! `xtask metrics`: writes `docs/metrics.md` and `docs/metrics-exporter.md` from the tables in the code.
//!
//! `xtask tidy` compares what stands there with what would be written.

use std::fs;
use std::process::ExitCode;

use ovsdb_tools::metrics::metric::Metric;
use ovsdb_tools::{exporter, server};

use crate::Error;
use crate::workspace::Workspace;

/// The page of the server.
const SERVER: (&str, &str) = (
    "docs/metrics.md",
    "# Metrics of `ovsdb-server`

What stands on the page `/metrics` that `--http` serves, in its order. How to ask for it stands in
[operating.md](operating.md#metrics-and-health); this page is written by `cargo run -p xtask -- metrics`.
What `ovsdb-exporter` tells of any server stands in [metrics-exporter.md](metrics-exporter.md).
",
);

/// The page of the exporter.
const EXPORTER: (&str, &str) = (
    "docs/metrics-exporter.md",
    "# Metrics of `ovsdb-exporter`

What stands on its page `/metrics`, as far as it has found it. How to run it stands in
[operating.md](operating.md#metrics-of-servers-and-daemons-of-others); this page is written by `cargo run -p xtask -- metrics`.
",
);

const HEAD: &str = "
| name | kind | labels | |
|---|---|---|---|
";

/// Writes the pages.
pub(crate) fn run(workspace: &Workspace) -> Result<ExitCode, Error> {
    for (path, text) in files() {
        fs::write(workspace.root.join(&path), text)?;
        println!("{path}");
    }
    Ok(ExitCode::SUCCESS)
}

/// The pages: the path of each from the workspace's root, and its text.
pub(crate) fn files() -> Vec<(String, String)> {
    let page = |(path, title): (&str, &str), lines: String| {
        (path.to_owned(), format!("{title}{HEAD}{lines}"))
    };
    vec![
        page(SERVER, server::metrics::table::all().map(line).collect()),
        page(EXPORTER, exporter::table::all().map(line).collect()),
    ]
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
