//! Runs the workloads on the servers, in turn, and tells what came of it.

use std::io::{self, Write};
use std::path::PathBuf;

use crate::options::{JsonTo, Plan, Target};
use crate::progress::Progress;
use crate::report::{self, LETTERS, Outcome};
use crate::workload::{Bench, Sample, Size, Workload, WorkloadError};
use crate::{process, server, socket};
use ovsdb_daemon::signals;

/// Why the results cannot be told.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MeasureError {
    #[error("standard output: {0}")]
    Output(#[from] io::Error),
    #[error("{}: {source}", .path.display())]
    File { path: PathBuf, source: io::Error },
}

/// Does what is planned. Says whether nothing failed.
pub(crate) fn measure(plan: &Plan) -> Result<bool, MeasureError> {
    // Servers that are started here have as many, by inheritance.
    process::raise_descriptors();
    socket::set_patience(plan.patience);
    // Not being able to means that a server is left behind by Ctrl-C, no more.
    let _ = signals::install();
    signals::on_fatal(server::end_running);
    let names: Vec<String> = plan.targets.iter().map(Target::name).collect();
    let with_table = !matches!(plan.json, JsonTo::Output);
    if with_table {
        for (letter, name) in LETTERS.iter().zip(&names) {
            writeln!(io::stdout(), "{letter}: {name}")?;
        }
        writeln!(io::stdout(), "\n{}", report::head(names.len()))?;
    }
    let progress = Progress::new(plan.workloads.len() * plan.runs * names.len());
    let mut results = Vec::new();
    for workload in &plan.workloads {
        let result = report::Result {
            workload: *workload,
            outcomes: run(plan, *workload, &progress),
        };
        let mut told = Ok(());
        progress.aside(|| {
            let failures = result.failures().try_for_each(|failure| {
                // Beside the table, so that what is printed there stays a table.
                writeln!(io::stderr(), "{failure}")
            });
            let lines = result.lines();
            let mut lines = lines.iter().filter(|_| with_table);
            told =
                failures.and_then(|()| lines.try_for_each(|line| writeln!(io::stdout(), "{line}")));
        });
        told?;
        results.push(result);
    }
    drop(progress);
    let json = || {
        let mut text = report::json(&results, &names, plan.runs, plan.size).to_bytes();
        text.push(b'\n');
        text
    };
    match &plan.json {
        JsonTo::None => {}
        JsonTo::Output => io::stdout().write_all(&json())?,
        JsonTo::File(path) => {
            std::fs::write(path, json()).map_err(|source| MeasureError::File {
                path: path.clone(),
                source,
            })?;
        }
    }
    Ok(results
        .iter()
        .all(|result| result.failures().next().is_none()))
}

/// One workload on all servers. Who fails once is not tried again.
fn run(plan: &Plan, workload: &dyn Workload, progress: &Progress) -> Vec<Outcome> {
    let mut outcomes: Vec<Outcome> = plan
        .targets
        .iter()
        .map(|target| match target {
            Target::Remote(_) if workload.needs_program() => Outcome::NotRun,
            _ => Outcome::Measured(Vec::new()),
        })
        .collect();
    for number in 1..=plan.runs {
        // In turn, so that what else the machine does meets both.
        for ((target, outcome), letter) in plan.targets.iter().zip(&mut outcomes).zip(LETTERS) {
            if let Outcome::Measured(samples) = outcome {
                progress.begin(format!(
                    "{}, run {number} of {}, server {letter}",
                    workload.name(),
                    plan.runs
                ));
                match run_once(target, workload, plan.size) {
                    Ok(more) => samples.extend(more),
                    Err(error) => *outcome = Outcome::Failed(error.to_string()),
                }
            }
            progress.end(1);
        }
    }
    outcomes
}

fn run_once(
    target: &Target,
    workload: &dyn Workload,
    size: Size,
) -> Result<Vec<Sample>, WorkloadError> {
    let mut bench = match target {
        Target::Program(program) => Bench::on_program(program, size)?,
        Target::Remote(method) => Bench::on_remote(method, size)?,
    };
    workload.run(&mut bench)?;
    Ok(bench.into_samples())
}
