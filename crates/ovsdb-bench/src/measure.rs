//! Runs the workloads on the servers, in turn, and tells what came of it.

use crate::options::{Plan, Target};
use crate::progress::Progress;
use crate::report::{self, LETTERS, Outcome};
use crate::tell::{TellError, Teller};
use crate::workload::{Bench, Sample, Size, Workload, WorkloadError};
use crate::{process, server, socket};
use ovsdb_daemon::signals;

/// Does what is planned. Says whether nothing failed.
pub(crate) fn measure(plan: &Plan) -> Result<bool, TellError> {
    // Servers that are started here have as many, by inheritance.
    process::raise_descriptors();
    socket::set_patience(plan.patience);
    // Not being able to means that a server is left behind by Ctrl-C, no more.
    let _ = signals::install();
    signals::on_fatal(server::end_running);
    let names: Vec<String> = plan.targets.iter().map(Target::name).collect();
    let steps = plan.workloads.len() * plan.runs * names.len();
    let mut teller = Teller::begin(&plan.json, names, true)?;
    let progress = Progress::new(steps);
    for workload in &plan.workloads {
        let result = report::Result {
            name: workload.name(),
            about: workload.about(),
            figures: workload.figures(),
            outcomes: run(plan, *workload, &progress),
        };
        teller.add(result, &progress)?;
    }
    drop(progress);
    teller.end(plan.runs, plan.size)
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
