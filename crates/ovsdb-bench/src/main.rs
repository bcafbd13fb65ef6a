//! `ovsdb-bench`: measures an OVSDB server, or two in turn.
//!
//! Starts servers on databases of its own in temporary folders, or uses one that runs and serves the schema that
//! `--schema` prints. Every workload checks that what it wrote is there.

mod client;
mod report;
mod rows;
mod server;
mod watchers;
mod watching;
mod workload;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use ovsdb_daemon::options::{Arg, COMMON, Common, OptionError, Order, Spec, Table};
use ovsdb_daemon::program;

use report::Report;
use watching::Watching;
use workload::{Size, WORKLOADS, Workload, WorkloadError};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Opt {
    Remote,
    Versus,
    Runs,
    Workload,
    Scale,
    Schema,
    Common(Common),
}

fn options() -> Table<Opt> {
    Table::new()
        .group(
            "Options",
            [
                Spec::long(
                    Opt::Remote,
                    "remote",
                    Arg::Required("METHOD"),
                    "measure the running server at METHOD\n(unix:FILE or tcp:HOST:PORT)",
                ),
                Spec::long(
                    Opt::Versus,
                    "vs",
                    Arg::Required("PROGRAM"),
                    "measure PROGRAM too, in turn, and compare",
                ),
                Spec::both(
                    Opt::Runs,
                    "runs",
                    'n',
                    Arg::Required("N"),
                    "run every workload N times (default: 3)",
                ),
                Spec::both(
                    Opt::Workload,
                    "workload",
                    'w',
                    Arg::Required("NAME"),
                    "run this workload (default: all); may be repeated",
                ),
                Spec::long(
                    Opt::Scale,
                    "scale",
                    Arg::Required("PERCENT"),
                    "do so much of the usual work (default: 100)",
                ),
                Spec::long(
                    Opt::Schema,
                    "schema",
                    Arg::No,
                    "print the schema that a running server must serve",
                ),
            ],
        )
        .shared("Other options", COMMON, Opt::Common)
}

#[derive(Debug, thiserror::Error)]
enum BenchError {
    #[error(transparent)]
    Option(#[from] OptionError),
    #[error("{0}: not a number above 0")]
    Number(String),
    #[error("{name}: no such workload; there are {known}")]
    Workload { name: String, known: String },
    #[error("{program}: {source}")]
    Program {
        program: String,
        source: std::io::Error,
    },
    #[error("name one program of a server to measure, or a running server with --remote")]
    Target,
    #[error("{workload} on {target}: {source}")]
    Run {
        workload: &'static str,
        target: String,
        source: Box<WorkloadError>,
    },
}

/// A server to measure.
enum Target {
    Program(PathBuf),
    Remote(String),
}

impl Target {
    /// A program by its path. Servers are started in folders of their own, so the path is made absolute.
    fn program(path: String) -> Result<Target, BenchError> {
        match std::fs::canonicalize(&path) {
            Ok(path) => Ok(Target::Program(path)),
            Err(source) => Err(BenchError::Program {
                program: path,
                source,
            }),
        }
    }

    fn name(&self) -> String {
        match self {
            Target::Program(path) => path.display().to_string(),
            Target::Remote(method) => method.clone(),
        }
    }
}

/// What is to be done.
struct Plan {
    targets: Vec<Target>,
    workloads: Vec<(&'static str, Workload)>,
    runs: usize,
    size: Size,
}

fn main() -> ExitCode {
    program::init("ovsdb-bench");
    match bench(std::env::args_os().skip(1)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            program::error(error);
            ExitCode::FAILURE
        }
    }
}

fn bench(args: impl Iterator<Item = OsString>) -> Result<(), BenchError> {
    let table = options();
    let parsed = table.parse(args, Order::Anywhere)?;
    for (option, _) in &parsed.options {
        let text = match option {
            Opt::Schema => rows::SCHEMA.to_owned(),
            Opt::Common(Common::Help) => help(&table),
            Opt::Common(Common::ListOptions) => table.list(),
            Opt::Common(Common::Version) => program::version_text(),
            _ => continue,
        };
        print!("{text}");
        return Ok(());
    }
    measure(&plan(parsed.options, parsed.operands)?)
}

fn help(table: &Table<Opt>) -> String {
    let name = program::name();
    format!(
        "{name}: measures OVSDB servers\nusage: {name} [OPTIONS] PROGRAM\n       {name} [OPTIONS] --remote=METHOD\n\
         PROGRAM is an ovsdb-server. The workloads are {}.\n{}",
        workload_names(),
        table.help()
    )
}

fn workload_names() -> String {
    WORKLOADS
        .iter()
        .map(|(name, _)| *name)
        .collect::<Vec<_>>()
        .join(", ")
}

fn plan(options: Vec<(Opt, Option<String>)>, operands: Vec<String>) -> Result<Plan, BenchError> {
    let mut targets: Vec<Target> = operands
        .into_iter()
        .map(Target::program)
        .collect::<Result<_, _>>()?;
    let mut versus = None;
    let mut workloads = Vec::new();
    let mut runs = 3;
    let mut scale = 100;
    for (option, value) in options {
        let value = value.unwrap_or_default();
        match option {
            Opt::Remote => targets.push(Target::Remote(value)),
            Opt::Versus => versus = Some(Target::program(value)?),
            Opt::Runs => runs = number(value)?,
            Opt::Scale => scale = number(value)?,
            Opt::Workload => {
                let known = WORKLOADS.iter().find(|(name, _)| *name == value);
                workloads.push(*known.ok_or(BenchError::Workload {
                    name: value,
                    known: workload_names(),
                })?);
            }
            Opt::Schema | Opt::Common(_) => {}
        }
    }
    if targets.len() != 1 {
        return Err(BenchError::Target);
    }
    targets.extend(versus);
    if workloads.is_empty() {
        workloads.extend_from_slice(WORKLOADS);
    }
    let full = Size::default();
    let part = |count: usize| (count * scale / 100).max(1);
    let part_of = |watching: Watching| Watching {
        transactions: part(watching.transactions),
        rows: watching.rows * scale / 100,
        ..watching
    };
    let size = Size {
        sequence: part(full.sequence),
        pipelined: part(full.pipelined),
        bulk: part(full.bulk),
        startup: part(full.startup),
        fanout: part_of(full.fanout),
        conditions: part_of(full.conditions),
    };
    Ok(Plan {
        targets,
        workloads,
        runs,
        size,
    })
}

fn number(text: String) -> Result<usize, BenchError> {
    text.parse()
        .ok()
        .filter(|number| *number > 0)
        .ok_or(BenchError::Number(text))
}

fn measure(plan: &Plan) -> Result<(), BenchError> {
    for (number, target) in plan.targets.iter().enumerate() {
        println!("{}: {}", ["A", "B"][number.min(1)], target.name());
    }
    let mut heading = format!("{:<20} {:>4} {:>12}", "median", "", "A");
    if plan.targets.len() > 1 {
        heading.push_str(&format!(" {:>12} {:>8}", "B", "A is"));
    }
    println!("{heading}");
    for (name, workload) in &plan.workloads {
        let mut report = Report::new(plan.targets.len());
        for run in 0..plan.runs {
            // In turn, so that what else the machine does meets both.
            for (number, target) in plan.targets.iter().enumerate() {
                let samples = match target {
                    Target::Program(program) => workload.run_on_program(program, &plan.size),
                    Target::Remote(_) if workload.needs_program() => Ok(Vec::new()),
                    Target::Remote(method) => workload.run_on_server(method, &plan.size, run),
                };
                let samples = samples.map_err(|source| BenchError::Run {
                    workload: name,
                    target: target.name(),
                    source: Box::new(source),
                })?;
                samples.iter().for_each(|sample| report.add(number, sample));
            }
        }
        report.lines().iter().for_each(|line| println!("{line}"));
    }
    Ok(())
}
