//! The command line: what is to be measured, and how much of it.

use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use ovsdb_daemon::options::{Arg, COMMON, Common, OptionError, Order, Spec, Table};
use ovsdb_daemon::program;

use crate::replicas::Named;
use crate::rows;
use crate::socket::PATIENCE_SECS;
use crate::tools::{self, Meter, Side, SideError, Task};
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
    /// `--read`
    Read,
    /// `--tools`
    Tools,
    /// `--meter`
    Meter,
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
                    "measure PROGRAM too, in turn, and compare (with\n--tools: a folder)",
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
                    "run these workloads, or groups of them such as\nfanout (default: all but those that say so), or\nthese tasks; may be repeated",
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
                    "have PROGRAM serve 200,000 rows of OVN_Southbound,\nand measure clients that keep all of it: ours, the\nC IDL (of ovn-sbctl) and Python's, if installed; and\none that only reads",
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
                Spec::long(
                    Opt::Read,
                    "read",
                    Arg::Required("METHOD"),
                    "be the one that only reads what it is told of the\nOVN_Southbound at METHOD",
                ),
            ],
        )
        .group(
            "Tools",
            [
                Spec::long(
                    Opt::Tools,
                    "tools",
                    Arg::No,
                    "measure ovsdb-client and ovsdb-tool of a FOLDER\n(or beside a program, or in several folders with\ncolons between them), on files and a database that\nthe ovsdb-server there makes and serves",
                ),
                Spec::long(
                    Opt::Meter,
                    "meter",
                    Arg::Required("FILE"),
                    "run the program that the other arguments name, with\nits output in FILE, and print what it took",
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
    #[error("{0}: no such task (--help names them)")]
    Task(String),
    #[error("{program}: {source}")]
    Program {
        program: String,
        source: std::io::Error,
    },
    #[error("name one program of a server to measure, or a running server with --remote")]
    Target,
    #[error("--replicas measures one PROGRAM, without {0}")]
    NotOfReplicas(&'static str),
    #[error("name one folder of tools to measure, and at most another one with --vs")]
    Folder,
    #[error("--tools measures a FOLDER, without {0}")]
    NotOfTools(&'static str),
    #[error("--meter runs a program: name it")]
    Metered,
    #[error(transparent)]
    Side(#[from] SideError),
    #[error(transparent)]
    Tell(#[from] crate::tell::TellError),
    #[error(transparent)]
    Tools(#[from] crate::tools::ToolError),
    #[error(transparent)]
    Meter(#[from] crate::tools::MeterError),
    #[error(transparent)]
    Replicas(#[from] crate::replicas::ReplicaError),
    #[error(transparent)]
    Keep(#[from] crate::replicas::OwnError),
    #[error(transparent)]
    Read(#[from] crate::replicas::BareError),
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

/// What is to be measured of tools.
pub(crate) struct ToolPlan {
    pub(crate) sides: Vec<Side>,
    /// The server of the first side.
    pub(crate) server: PathBuf,
    pub(crate) tasks: Vec<&'static Task>,
    /// The file with the schema.
    pub(crate) southbound: PathBuf,
    pub(crate) runs: usize,
    pub(crate) size: Size,
    /// How long a server may say nothing, and a tool may take, in seconds.
    pub(crate) patience: u64,
    pub(crate) json: JsonTo,
}

/// What the command line asks for.
pub(crate) enum Command {
    Print(String),
    Measure(Plan),
    Replicas(ReplicaPlan),
    Tools(ToolPlan),
    /// Run one program.
    Meter(Meter),
    /// Keep a replica of what is served by this method.
    Keep(String),
    /// Read what is served by this method.
    Read(String),
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
    let tasks: String = tools::ALL
        .iter()
        .map(|task| format!("  {:<16} {}\n", task.name, task.about))
        .collect();
    format!(
        "{name}: measures OVSDB servers\nusage: {name} [OPTIONS] PROGRAM\n       {name} [OPTIONS] --remote=METHOD\n\
         {0:7}{name} [OPTIONS] --replicas PROGRAM\n{0:7}{name} [OPTIONS] --tools FOLDER\n\
         PROGRAM is an ovsdb-server, started on databases in temporary folders.\n{1}\nThe workloads:\n{workloads}\n\
         The tasks of --tools:\n{tasks}",
        "",
        table.help()
    )
}

/// What the options say, of whatever is to be done.
struct Asked {
    operands: Vec<String>,
    remotes: Vec<String>,
    versus: Option<String>,
    chosen: Vec<String>,
    runs: usize,
    size: Size,
    patience: u64,
    json: JsonTo,
    southbound: PathBuf,
    named: Named,
}

fn plan(options: Vec<(Opt, Option<String>)>, operands: Vec<String>) -> Result<Command, BenchError> {
    let (mut remotes, mut versus, mut chosen) = (Vec::new(), None, Vec::new());
    let (mut runs, mut scale, mut quick, mut json) = (None, None, false, JsonTo::None);
    let mut patience = PATIENCE_SECS;
    let (mut of_replicas, mut of_tools, mut meter) = (false, false, None);
    let mut southbound = PathBuf::from(SOUTHBOUND);
    let mut named = Named::default();
    for (option, value) in options {
        match (option, value) {
            (Opt::Remote, value) => remotes.push(value.unwrap_or_default()),
            (Opt::Versus, value) => versus = Some(value.unwrap_or_default()),
            (Opt::Runs, value) => runs = Some(number(value.unwrap_or_default())?),
            (Opt::Scale, value) => scale = Some(number(value.unwrap_or_default())?),
            (Opt::Quick, _) => quick = true,
            (Opt::Patience, value) => patience = number(value.unwrap_or_default())? as u64,
            (Opt::Json, Some(file)) => json = JsonTo::File(file.into()),
            (Opt::Json, None) => json = JsonTo::Output,
            (Opt::Only | Opt::Workload, value) => {
                let names = value.unwrap_or_default();
                chosen.extend(names.split(',').map(str::to_owned));
            }
            (Opt::Replicas, _) => of_replicas = true,
            (Opt::Tools, _) => of_tools = true,
            (Opt::Southbound, value) => southbound = value.unwrap_or_default().into(),
            (Opt::Sbctl, value) => named.sbctl = Some(named_program(value.unwrap_or_default())),
            (Opt::Python, value) => {
                named.python = Some(named_program(value.unwrap_or_default()));
            }
            (Opt::Keep, value) => return Ok(Command::Keep(value.unwrap_or_default())),
            (Opt::Read, value) => return Ok(Command::Read(value.unwrap_or_default())),
            (Opt::Meter, value) => meter = value,
            (Opt::Schema | Opt::Common(_), _) => {}
        }
    }
    if let Some(printed) = meter {
        return metered(printed.into(), patience, operands);
    }
    let asked = Asked {
        operands,
        remotes,
        versus,
        chosen,
        runs: runs.unwrap_or(if quick { 1 } else { 3 }),
        size: Size {
            percent: scale.unwrap_or(if quick { QUICK_PERCENT } else { 100 }),
            quick,
        },
        patience,
        json,
        southbound: std::path::absolute(&southbound).unwrap_or(southbound),
        named,
    };
    match (of_replicas, of_tools) {
        (true, true) => Err(BenchError::NotOfTools("--replicas")),
        (true, false) => asked.of_replicas(),
        (false, true) => asked.of_tools(),
        (false, false) => asked.of_servers(),
    }
}

fn metered(printed: PathBuf, patience: u64, operands: Vec<String>) -> Result<Command, BenchError> {
    let mut words = operands.into_iter();
    Ok(Command::Meter(Meter {
        printed,
        program: words.next().ok_or(BenchError::Metered)?,
        arguments: words.collect(),
        patience: Duration::from_secs(patience),
    }))
}

impl Asked {
    /// The servers that are named, but for the one to compare with.
    fn targets(&mut self) -> Result<Vec<Target>, BenchError> {
        let programs = std::mem::take(&mut self.operands);
        let programs: Result<Vec<Target>, _> = programs.into_iter().map(Target::program).collect();
        let mut targets = programs?;
        targets.extend(self.remotes.drain(..).map(Target::Remote));
        Ok(targets)
    }

    fn of_servers(mut self) -> Result<Command, BenchError> {
        let mut targets = self.targets()?;
        let versus = self.versus.map(Target::program).transpose()?;
        let mut chosen = Vec::new();
        for name in &self.chosen {
            let names = ALL.iter().map(|workload| workload.name());
            let found = named(name, names);
            chosen.extend(found.ok_or_else(|| BenchError::Workload(name.clone()))?);
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
            runs: self.runs,
            size: self.size,
            patience: self.patience,
            json: self.json,
        }))
    }

    fn of_replicas(mut self) -> Result<Command, BenchError> {
        let mut targets = self.targets()?;
        let server = match targets.pop() {
            Some(Target::Program(program)) if targets.is_empty() => program,
            Some(Target::Remote(_)) => return Err(BenchError::NotOfReplicas("--remote")),
            _ => return Err(BenchError::Target),
        };
        if self.versus.is_some() {
            return Err(BenchError::NotOfReplicas("--vs"));
        }
        if !self.chosen.is_empty() {
            return Err(BenchError::NotOfReplicas("--only"));
        }
        Ok(Command::Replicas(ReplicaPlan {
            server,
            southbound: self.southbound,
            named: self.named,
            runs: self.runs,
            size: self.size,
            patience: self.patience,
            json: self.json,
        }))
    }

    fn of_tools(self) -> Result<Command, BenchError> {
        if !self.remotes.is_empty() {
            return Err(BenchError::NotOfTools("--remote"));
        }
        let mut chosen = Vec::new();
        for name in &self.chosen {
            let found = named(name, tools::ALL.iter().map(|task| task.name));
            chosen.extend(found.ok_or_else(|| BenchError::Task(name.clone()))?);
        }
        let Ok([first]) = <[String; 1]>::try_from(self.operands) else {
            return Err(BenchError::Folder);
        };
        let mut sides = vec![Side::find(first)?];
        let server = sides[0].server()?;
        sides.extend(self.versus.map(Side::find).transpose()?);
        let is_chosen = |task: &&Task| chosen.is_empty() || chosen.contains(&task.name);
        Ok(Command::Tools(ToolPlan {
            sides,
            server,
            tasks: tools::ALL.iter().filter(is_chosen).collect(),
            southbound: self.southbound,
            runs: self.runs,
            size: self.size,
            patience: self.patience,
            json: self.json,
        }))
    }
}

/// A program by its path, which is made absolute because it is started in another folder, or by its name.
fn named_program(program: String) -> PathBuf {
    match program.contains('/') {
        true => std::path::absolute(&program).unwrap_or_else(|_| program.into()),
        false => program.into(),
    }
}

/// The one of this name, or those whose names begin with it and an underscore, if there are any.
fn named(
    name: &str,
    names: impl Iterator<Item = &'static str> + Clone,
) -> Option<Vec<&'static str>> {
    let in_group = |of: &&'static str| {
        of.strip_prefix(name)
            .is_some_and(|rest| rest.starts_with('_'))
    };
    let found: Vec<&'static str> = match names.clone().find(|of| *of == name) {
        Some(exact) => vec![exact],
        None => names.filter(in_group).collect(),
    };
    (!found.is_empty()).then_some(found)
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
            Ok(_) => Err("of something else".to_owned()),
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
            ("--tools", "name one folder"),
            ("--tools /bin /sbin", "name one folder"),
            ("--tools /dev", "there is no program ovsdb-client"),
            ("--tools --remote=unix:x", "without --remote"),
            ("--tools --only=bulk /dev", "no such task"),
            ("--tools --replicas /bin/sh", "without --replicas"),
            ("--meter=x", "name it"),
        ];
        for (line, expected) in cases {
            let error = planned(line).err().unwrap_or_default();
            assert!(error.contains(expected), "{line}: {error}");
        }
    }
}
