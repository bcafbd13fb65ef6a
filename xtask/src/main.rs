//! Development tasks of this workspace: `cargo run -p xtask -- TASK`.
//!
//! Each task is a module; this file only maps words to calls. No task changes anything but the files it
//! names, and none is needed to build or to use the programs.

mod compatibility;
mod completions;
mod limits;
mod man;
mod metrics;
mod reference;
mod tidy;
mod workspace;

use std::process::ExitCode;

use workspace::Workspace;

/// One task: its name, what it does, and the function that does it.
struct Task {
    name: &'static str,
    help: &'static str,
    run: fn(&Workspace) -> Result<ExitCode, Error>,
}

const TASKS: &[Task] = &[
    Task {
        name: "tidy",
        help: "check what the compiler does not: headers, edges between crates, words, lengths",
        run: tidy::run,
    },
    Task {
        name: "man",
        help: "write the man pages into docs/man",
        run: man::run,
    },
    Task {
        name: "completions",
        help: "write what shells need to complete command lines into packaging/completions",
        run: completions::run,
    },
    Task {
        name: "limits",
        help: "write docs/limits.md from the constants of the code",
        run: limits::run,
    },
    Task {
        name: "compatibility",
        help: "write docs/compatibility.md from the table in the code",
        run: compatibility::run,
    },
    Task {
        name: "metrics",
        help: "write docs/metrics.md and docs/metrics-exporter.md from the tables in the code",
        run: metrics::run,
    },
    Task {
        name: "reference-tests",
        help: "print the tests that need the reference programs, a line a package",
        run: reference::run,
    },
];

/// Why a task could not be done, as opposed to done with a bad result.
type Error = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let task = match arguments.as_slice() {
        [name] => TASKS.iter().find(|task| task.name == name),
        _ => None,
    };
    let Some(task) = task else {
        eprintln!("usage: cargo run -p xtask -- TASK\n");
        for Task { name, help, .. } in TASKS {
            eprintln!("  {name:16} {help}");
        }
        return ExitCode::from(2);
    };
    match Workspace::load()
        .map_err(Error::from)
        .and_then(|workspace| (task.run)(&workspace))
    {
        Ok(code) => code,
        Err(error) => {
            eprintln!("xtask: {}: {error}", task.name);
            ExitCode::from(2)
        }
    }
}
