//! The command line: what is to be measured, and how much of it.

use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use ovsdb_daemon::options::{Arg, COMMON, Common, OptionError, Order, Spec, Table};
use ovsdb_daemon::program;

use crate::replicas::Named;
use crate::rows;
use crate::socket::PATIENCE_SECS;
use crate::workload::{ALL, Size, Workload};

/// An option of the program.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Opt {
    /// `--remote`
    Remote,
    /// `--vs`
    Versus,
    /// `--runs`
    Runs,
    /// `--only`
    Only,
    /// `--workload`
    Workload,
    /// `--scale`
    Scale,
    /// `--quick`
    Quick,
    /// `--patience`
    Patience,
    /// `--json`
    Json,
    /// `--schema`
    Schema,
    /// `--replicas`
    Replicas,
    /// `--southbound`
    Southbound,
    /// `--sbctl`
    Sbctl,
    /// `--python`
    Python,
    /// `--keep`
    Keep,
    /// One that every program has.
    Common(Common),
}

/// The table of options.
#[must_use]
pub fn table() -> Table<Opt> {
    Table::new()
        .group(
            "Servers",
            [
                Spec::long(
                    Opt::Remote,
                    "remote",
                    Arg::Required("METHOD"),
                    "measure the running server at METHOD\n(unix:FILE or tcp:HOST:PORT); all rows of its\ndatabase Bench are deleted",
                ),
                Spec::long(
                    Opt::Versus,
                    "vs",
                    Arg::Required("PROGRAM"),
                    "measure PROGRAM too, in turn, and compare",
                ),
                Spec::long(
                    Opt::Schema,
                    "schema",
                    Arg::No,
                    "print the schema that a running server must serve",
                ),
            ],
        )
        .group(
            "Workloads",
            [
                Spec::long(
                    Opt::Only,
                    "only",
                    Arg::Required("NAME[,NAME...]"),
                    "run these workloads, or groups of them such as\nfanout (default: all but those that say so); may\nbe repeated",
                ),
                Spec::both(
                    Opt::Workload,
                    "workload",
                    'w',
                    Arg::Required("NAME"),
                    "the same as --only",
                ),
                Spec::both(
                    Opt::Runs,
                    "runs",
                    'n',
                    Arg::Required("N"),
                    "run every workload N times (default: 3)",
                ),
                Spec::long(
                    Opt::Scale,
                    "scale",
                    Arg::Required("PERCENT"),
                    "do so much of the usual work (default: 100)",
                ),
                Spec::long(
                    Opt::Quick,
                    "quick",
                    Arg::No,
                    "run once, with few clients and little work\n(unless -n or --scale say otherwise)",
                ),
                Spec::long(
                    Opt::Patience,
                    "patience",
                    Arg::Required("SECONDS"),
                    "take a server that says nothing for so long as\nfailed (default: 120)",
                ),
                Spec::long(
                    Opt::Json,
                    "json",
                    Arg::Optional("FILE"),
                    "print one JSON object in place of the table, or\nwrite it to FILE beside it",
                ),
            ],
        )
        .group(
            "Replicas",
            [
                Spec::long(
                    Opt::Replicas,
                    "replicas",
                    Arg::No,
                    "have PROGRAM serve 200,000 rows of OVN_Southbound,\nand measure clients that keep all of it: ours, the\nC IDL (of ovn-sbctl) and Python's, if installed",
                ),
                Spec::long(
                    Opt::Southbound,
                    "southbound",
                    Arg::Required("FILE"),
                    "the schema of OVN_Southbound (default:\n/usr/share/ovn/ovn-sb.ovsschema)",
                ),
                Spec::long(
                    Opt::Sbctl,
                    "sbctl",
                    Arg::Required("PROGRAM"),
                    "the ovn-sbctl to measure",
                ),
                Spec::long(
                    Opt::Python,
                    "python",
                    Arg::Required("PROGRAM"),
                    "the interpreter that has the package ovs",
                ),
                Spec::long(
                    Opt::Keep,
                    "keep",
                    Arg::Required("METHOD"),
                    "be the client of ours: follow the OVN_Southbound at\nMETHOD, and answer on standard output",
                ),
            ],
        )
        .shared("Other options", COMMON, Opt::Common)
}

/// Why nothing can be measured.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BenchError {
    #[error(transparent)]
    Option(#[from] OptionError),
    #[error("{0}: not a number above 0")]
    Number(String),
    #[error("{0}: no such workload (--help names them)")]
    Workload(String),
    #[error("{program}: {source}")]
    Program {
        program: String,
        source: std::io::Error,
    },
    #[error("name one program of a server to measure, or a running server with --remote")]
    Target,
    #[error("--replicas measures one PROGRAM, without {0}")]
    NotOfReplicas(&'static str),
    #[error(transparent)]
    Measure(#[from] crate::measure::MeasureError),
    #[error(transparent)]
    Replicas(#[from] crate::replicas::ReplicaError),
    #[error(transparent)]
    Keep(#[from] crate::replicas::OwnError),
}

/// A server to measure.
pub(crate) enum Target {
    Program(PathBuf),
    Remote(String),
}

impl Target {
    /// A program by its path. Servers are started in folders of their own, so the path is made absolute.
    fn program(path: String) -> Result<Target, BenchError> {
        let checked = std::fs::canonicalize(&path).and_then(|absolute| {
            let metadata = std::fs::metadata(&absolute)?;
            if metadata.is_file() && metadata.permissions().mode() & 0o111 != 0 {
                Ok(absolute)
            } else {
                Err(std::io::Error::other("not a program"))
            }
        });
        match checked {
            Ok(path) => Ok(Target::Program(path)),
            Err(source) => Err(BenchError::Program {
                program: path,
                source,
            }),
        }
    }

    /// The program's path, or the method.
    pub(crate) fn name(&self) -> String {
        match self {
            Target::Program(path) => path.display().to_string(),
            Target::Remote(method) => method.clone(),
        }
    }
}

/// Where the JSON goes.
pub(crate) enum JsonTo {
    /// Nowhere.
    None,
    /// To standard output, in place of the table.
    Output,
    /// To a file, beside the table.
    File(PathBuf),
}

/// What is to be done.
pub(crate) struct Plan {
    pub(crate) targets: Vec<Target>,
    pub(crate) workloads: Vec<&'static dyn Workload>,
    pub(crate) runs: usize,
    pub(crate) size: Size,
    /// How long a server may say nothing, in seconds.
    pub(crate) patience: u64,
    pub(crate) json: JsonTo,
}

/// What is to be measured of replicas.
pub(crate) struct ReplicaPlan {
    pub(crate) server: PathBuf,
    /// The file with the schema.
    pub(crate) southbound: PathBuf,
    pub(crate) named: Named,
    pub(crate) runs: usize,
    pub(crate) size: Size,
    /// How long a process may say nothing, in seconds.
    pub(crate) patience: u64,
    pub(crate) json: JsonTo,
}

/// What the command line asks for.
pub(crate) enum Command {
    Print(String),
    Measure(Plan),
    Replicas(ReplicaPlan),
    /// Keep a replica of what is served by this method.
    Keep(String),
}

/// The schema that packages of OVN install.
const SOUTHBOUND: &str = "/usr/share/ovn/ovn-sb.ovsschema";

/// Percent of the usual work that `--quick` does.
const QUICK_PERCENT: usize = 5;

/// Reads a command line, without the program's name.
pub(crate) fn parse(args: impl Iterator<Item = OsString>) -> Result<Command, BenchError> {
    let table = table();
    let parsed = table.parse(args, Order::Anywhere)?;
    for (option, _) in &parsed.options {
        let text = match option {
            Opt::Schema => rows::SCHEMA.to_owned(),
            Opt::Common(Common::Help) => help(&table),
            Opt::Common(Common::ListOptions) => table.list(),
            Opt::Common(Common::Version) => program::version_text(),
            _ => continue,
        };
        return Ok(Command::Print(text));
    }
    plan(parsed.options, parsed.operands)
}

fn help(table: &Table<Opt>) -> String {
    let name = program::name();
    let workloads: String = ALL
        .iter()
        .map(|workload| format!("  {:<16} {}\n", workload.name(), workload.about()))
        .collect();
    format!(
        "{name}: measures OVSDB servers\nusage: {name} [OPTIONS] PROGRAM\n       {name} [OPTIONS] --remote=METHOD\n\
         {0:7}{name} [OPTIONS] --replicas PROGRAM\n\
         PROGRAM is an ovsdb-server, started on databases in temporary folders.\n{1}\nThe workloads:\n{workloads}",
        "",
        table.help()
    )
}

fn plan(options: Vec<(Opt, Option<String>)>, operands: Vec<String>) -> Result<Command, BenchError> {
    let mut targets: Vec<Target> = operands
        .into_iter()
        .map(Target::program)
        .collect::<Result<_, _>>()?;
    let mut versus = None;
    let mut chosen: Vec<&'static str> = Vec::new();
    let (mut runs, mut scale, mut quick, mut json) = (None, None, false, JsonTo::None);
    let mut patience = PATIENCE_SECS;
    let mut of_replicas = false;
    let mut southbound = PathBuf::from(SOUTHBOUND);
    let mut programs = Named::default();
    for (option, value) in options {
        match (option, value) {
            (Opt::Remote, value) => targets.push(Target::Remote(value.unwrap_or_default())),
            (Opt::Versus, value) => versus = Some(Target::program(value.unwrap_or_default())?),
            (Opt::Runs, value) => runs = Some(number(value.unwrap_or_default())?),
            (Opt::Scale, value) => scale = Some(number(value.unwrap_or_default())?),
            (Opt::Quick, _) => quick = true,
            (Opt::Patience, value) => patience = number(value.unwrap_or_default())? as u64,
            (Opt::Json, Some(file)) => json = JsonTo::File(file.into()),
            (Opt::Json, None) => json = JsonTo::Output,
            (Opt::Only | Opt::Workload, value) => {
                for name in value.unwrap_or_default().split(',') {
                    chosen.extend(named(name)?);
                }
            }
            (Opt::Replicas, _) => of_replicas = true,
            (Opt::Southbound, value) => southbound = value.unwrap_or_default().into(),
            (Opt::Sbctl, value) => programs.sbctl = Some(named_program(value.unwrap_or_default())),
            (Opt::Python, value) => {
                programs.python = Some(named_program(value.unwrap_or_default()));
            }
            (Opt::Keep, value) => return Ok(Command::Keep(value.unwrap_or_default())),
            (Opt::Schema | Opt::Common(_), _) => {}
        }
    }
    let runs = runs.unwrap_or(if quick { 1 } else { 3 });
    let size = Size {
        percent: scale.unwrap_or(if quick { QUICK_PERCENT } else { 100 }),
        quick,
    };
    if of_replicas {
        let server = match targets.pop() {
            Some(Target::Program(program)) if targets.is_empty() => program,
            Some(Target::Remote(_)) => return Err(BenchError::NotOfReplicas("--remote")),
            _ => return Err(BenchError::Target),
        };
        if versus.is_some() {
            return Err(BenchError::NotOfReplicas("--vs"));
        }
        if !chosen.is_empty() {
            return Err(BenchError::NotOfReplicas("--only"));
        }
        return Ok(Command::Replicas(ReplicaPlan {
            server,
            southbound: std::path::absolute(&southbound).unwrap_or(southbound),
            named: programs,
            runs,
            size,
            patience,
            json,
        }));
    }
    if targets.len() != 1 {
        return Err(BenchError::Target);
    }
    targets.extend(versus);
    let is_chosen = |workload: &&dyn Workload| match chosen.is_empty() {
        true => workload.is_for_everyday(),
        false => chosen.contains(&workload.name()),
    };
    Ok(Command::Measure(Plan {
        targets,
        workloads: ALL.iter().copied().filter(is_chosen).collect(),
        runs,
        size,
        patience,
        json,
    }))
}

/// A program by its path, which is made absolute because it is started in another folder, or by its name.
fn named_program(program: String) -> PathBuf {
    match program.contains('/') {
        true => std::path::absolute(&program).unwrap_or_else(|_| program.into()),
        false => program.into(),
    }
}

/// The workload of this name, or those whose names begin with it and an underscore.
fn named(name: &str) -> Result<Vec<&'static str>, BenchError> {
    let names = || ALL.iter().map(|workload| workload.name());
    let in_group = |of: &&'static str| {
        of.strip_prefix(name)
            .is_some_and(|rest| rest.starts_with('_'))
    };
    let found: Vec<&'static str> = match names().find(|of| *of == name) {
        Some(exact) => vec![exact],
        None => names().filter(in_group).collect(),
    };
    if found.is_empty() {
        return Err(BenchError::Workload(name.to_owned()));
    }
    Ok(found)
}

fn number(text: String) -> Result<usize, BenchError> {
    text.parse()
        .ok()
        .filter(|number| *number > 0)
        .ok_or(BenchError::Number(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planned(line: &str) -> Result<Plan, String> {
        match parse(line.split_whitespace().map(OsString::from)) {
            Ok(Command::Measure(plan)) => Ok(plan),
            Ok(Command::Print(text)) => Err(text),
            Ok(Command::Replicas(_) | Command::Keep(_)) => Err("of replicas".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn workloads_are_chosen_by_name_and_by_group_and_run_in_their_order() {
        // (options, the workloads)
        let cases = [
            ("--only=bulk,txn_seq", "txn_seq bulk"),
            ("--only=bulk -w txn_seq", "txn_seq bulk"),
            ("--only=fanout", "fanout_monitor fanout_cond fanout_since"),
            ("--only=txn_par", "txn_par"),
        ];
        for (options, expected) in cases {
            let plan = planned(&format!("--remote=unix:x {options}")).expect(options);
            let names: Vec<_> = plan.workloads.iter().map(|w| w.name()).collect();
            assert_eq!(names.join(" "), expected, "{options}");
        }
    }

    #[test]
    fn quick_is_one_small_run_unless_told_otherwise() {
        // (options, runs, percent, quick)
        let cases = [
            ("", 3, 100, false),
            ("--quick", 1, 5, true),
            ("--quick -n 2 --scale=1", 2, 1, true),
            ("--scale=300", 3, 300, false),
        ];
        for (options, runs, percent, quick) in cases {
            let plan = planned(&format!("--remote=unix:x {options}")).expect(options);
            assert_eq!(
                (plan.runs, plan.size),
                (runs, Size { percent, quick }),
                "{options}"
            );
        }
    }

    #[test]
    fn what_cannot_be_measured_is_refused() {
        // (command line, what is said)
        let cases = [
            ("", "name one program"),
            ("--remote=unix:x --remote=unix:y", "name one program"),
            ("--remote=unix:x --only=unheard_of", "no such workload"),
            ("--remote=unix:x --scale=0", "not a number above 0"),
            ("/nowhere/ovsdb-server", "No such file"),
            ("/", "not a program"),
            ("--replicas", "name one program"),
            ("--replicas --remote=unix:x", "without --remote"),
            ("--replicas --only=bulk /bin/sh", "without --only"),
            ("--replicas --vs=/bin/sh /bin/sh", "without --vs"),
        ];
        for (line, expected) in cases {
            let error = planned(line).err().unwrap_or_default();
            assert!(error.contains(expected), "{line}: {error}");
        }
    }
}
