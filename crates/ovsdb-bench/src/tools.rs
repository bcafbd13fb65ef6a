//! The command line tools: what it takes `ovsdb-client` and `ovsdb-tool` to deal with big files and with a server of many
//! rows, by turns with those of another side, and whether both say the same.

mod call;
mod check;
mod files;
mod meter;
mod task;

use std::io;
use std::path::{Path, PathBuf};

use crate::options::ToolPlan;
use crate::progress::Progress;
use crate::report::{self, LETTERS, Outcome};
use crate::server::{self, ServerError};
use crate::tell::{TellError, Teller};
use crate::workload::Sample;
use crate::{process, socket};
use call::{CallError, Commands};
use check::{CheckError, Left};
use files::Files;
use ovsdb_daemon::signals;
use task::Call;

pub(crate) use call::{Side, SideError};
pub(crate) use meter::{Meter, MeterError};
pub(crate) use task::{ALL, Task};

/// Why nothing could be measured.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ToolError {
    #[error("{}: {source} (--southbound names another schema of OVN_Southbound)", .path.display())]
    Schema { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Side(#[from] SideError),
    #[error(transparent)]
    Files(#[from] files::FilesError),
    #[error(transparent)]
    Server(#[from] ServerError),
    #[error(transparent)]
    Tell(#[from] TellError),
}

/// Why a run is worth nothing.
#[derive(Debug, thiserror::Error)]
enum RunError {
    #[error(transparent)]
    Server(#[from] ServerError),
    #[error(transparent)]
    Call(#[from] CallError),
    #[error(transparent)]
    Check(#[from] CheckError),
    #[error("{}: {source}", .path.display())]
    Remove { path: PathBuf, source: io::Error },
}

/// Does what is planned. Says whether nothing failed; a side that does not know a command has not failed.
pub(crate) fn measure(plan: &ToolPlan) -> Result<bool, ToolError> {
    process::raise_descriptors();
    socket::set_patience(plan.patience);
    // Not being able to means that processes are left behind by Ctrl-C, no more.
    let _ = signals::install();
    signals::on_fatal(server::end_running);
    let schema = std::fs::read(&plan.southbound).map_err(|source| ToolError::Schema {
        path: plan.southbound.clone(),
        source,
    })?;
    let commands: Vec<Commands> = plan
        .sides
        .iter()
        .map(Side::commands)
        .collect::<Result<_, _>>()?;
    let names = plan.sides.iter().map(|side| side.name.clone()).collect();
    let progress = Progress::new(plan.tasks.len() * plan.runs * plan.sides.len());
    let files = Files::make(&plan.server, &schema, plan.size, &progress)?;
    let mut teller = Teller::begin(&plan.json, names, false)?;
    for task in &plan.tasks {
        let result = report::Result {
            name: task.name,
            about: task.about,
            figures: task.figures,
            outcomes: run(plan, task, &commands, &files, &progress),
        };
        teller.add(result, &progress)?;
    }
    drop(progress);
    Ok(teller.end(plan.runs, plan.size)?)
}

/// One task by all sides that know the command. Who fails once is not tried again.
fn run(
    plan: &ToolPlan,
    task: &Task,
    commands: &[Commands],
    files: &Files,
    progress: &Progress,
) -> Vec<Outcome> {
    let mut outcomes: Vec<Outcome> = commands
        .iter()
        .map(|commands| match commands.know(task.program, task.command) {
            true => Outcome::Measured(Vec::new()),
            false => Outcome::NotRun,
        })
        .collect();
    // What the first call for each figure left: all others must leave the same.
    let mut left: Vec<Option<Left>> = vec![None; task.figures.len()];
    for number in 1..=plan.runs {
        // In turn, so that what else the machine does meets both.
        for ((side, outcome), letter) in plan.sides.iter().zip(&mut outcomes).zip(LETTERS) {
            if let Outcome::Measured(samples) = outcome {
                let (name, runs) = (task.name, plan.runs);
                progress.begin(format!("{name}, run {number} of {runs}, side {letter}"));
                match run_once(side, task, files, &mut left) {
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
    side: &Side,
    task: &Task,
    files: &Files,
    left: &mut [Option<Left>],
) -> Result<Vec<Sample>, RunError> {
    let sandbox = files.sandbox()?;
    let (printed, new) = (sandbox.path("printed"), sandbox.path("new.db"));
    let calls = (task.calls)(files, &new);
    debug_assert_eq!(calls.len(), task.figures.len());
    let mut samples = Vec::new();
    for ((call, figure), left) in calls.iter().zip(task.figures).zip(left) {
        let Call {
            arguments,
            writes,
            check,
        } = call;
        remove(&new)?;
        let effort = side.call(sandbox, task.program, arguments, &printed)?;
        let made = if *writes { &new } else { &printed };
        *left = Some(check.look(made, *left)?);
        samples.push(Sample {
            figure: figure.name,
            value: effort.ms(),
            effort,
        });
    }
    Ok(samples)
}

/// Removes what an earlier call has left, if it has.
fn remove(path: &Path) -> Result<(), RunError> {
    match std::fs::remove_file(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => Err(RunError::Remove {
            path: path.to_owned(),
            source,
        }),
        _ => Ok(()),
    }
}
