//! `ovsdb-tool`: looks at database and schema files, and changes database files, without a server (ovsdb-tool(1)).
//!
//! This module reads the command line and picks the command; each command has a file of its own, and `commands` lists them. What a command
//! prints, its messages and its exit code are the reference program's.

mod cluster;
mod commands;
mod compact;
mod compare_versions;
mod convert;
mod create;
mod db;
mod error;
mod examples;
mod options;
mod past;
mod progress;
mod rewrite;
mod schema;
mod schema_dot;
mod schema_page;
mod show_log;
mod transact;
mod usage;

use std::ffi::OsString;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use ovsdb_daemon::options::{Common, Order, Parsed};
use ovsdb_daemon::{dirs, program, vlog};

use commands::{COMMANDS, Command, DIFF};
use past::Wanted;

pub use error::ToolError;
pub use options::{Opt, options};
pub(crate) use schema::read_schema;

/// What a command is given, and where it prints.
struct Call<'a> {
    /// The command's name.
    command: &'static str,
    /// The words after the command's name; as many as the command takes.
    arguments: &'a [String],
    settings: Settings<'a>,
    out: &'a mut dyn Write,
}

/// What options say to commands.
#[derive(Clone, Copy)]
struct Settings<'a> {
    /// How often `-m` was given.
    verbosity: usize,
    /// The role for transactions.
    role: Option<&'a str>,
    /// The language of what is printed, for the commands that know several.
    format: Option<&'a str>,
    /// What is wanted of the past.
    wanted: &'a Wanted,
}

impl Call<'_> {
    /// Argument number `at` as a database file, or the default one.
    fn database(&self, at: usize) -> PathBuf {
        self.arguments
            .get(at)
            .map_or_else(default_database, PathBuf::from)
    }

    /// Argument number `at` as a schema file, or the default one.
    fn schema(&self, at: usize) -> PathBuf {
        self.arguments
            .get(at)
            .map_or_else(default_schema, PathBuf::from)
    }

    /// Prints a line.
    fn line(&mut self, text: impl std::fmt::Display) -> Result<(), ToolError> {
        Ok(writeln!(self.out, "{text}")?)
    }
}

fn default_database() -> PathBuf {
    dirs::dbdir().join("conf.db")
}

fn default_schema() -> PathBuf {
    dirs::pkgdatadir().join("vswitch.ovsschema")
}

/// The time, in milliseconds since 1970, for records.
fn date_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    // A clock before 1970 is no reason not to work; i64 lasts for 292 million years.
    since.map_or(0, |since| since.as_millis() as i64)
}

/// What a command tells its caller when it has done its work.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Answer {
    /// Done, or yes: exit code 0.
    Yes,
    /// No: exit code 2, so that it is no failure.
    No,
    /// What was compared differs: exit code 1, as that of diff(1).
    Different,
    /// What was compared cannot be read to its end, so it may differ in other ways: exit code 2, as that of diff(1).
    Doubtful,
}

impl Answer {
    fn code(self) -> u8 {
        match self {
            Answer::Yes => 0,
            Answer::Different => 1,
            Answer::No | Answer::Doubtful => 2,
        }
    }
}

impl From<bool> for Answer {
    fn from(yes: bool) -> Answer {
        if yes { Answer::Yes } else { Answer::No }
    }
}

/// The commands of `ovsdb-tool`: how each is written, and what it does.
pub fn commands() -> impl Iterator<Item = (String, &'static str)> {
    COMMANDS
        .iter()
        .map(|command| (command.synopsis(), command.help))
}

/// An example of a command of `ovsdb-tool`: what it shows, and the words behind the program's name.
pub fn example(command: &str) -> Option<(&'static str, &'static str)> {
    examples::of(command)
}

/// The program: takes the command line of this process and answers with its exit code.
pub fn main() -> ExitCode {
    program::init("ovsdb-tool");
    vlog::init();

    let words: Vec<OsString> = std::env::args_os().skip(1).collect();
    let failure = code_of_failure(&words);
    let parsed = match options().parse(words, Order::Anywhere) {
        Ok(parsed) => parsed,
        Err(error) => {
            program::complain_of_usage(error);
            return ExitCode::from(failure);
        }
    };
    let mut out = BufWriter::new(io::stdout().lock());
    let result = act(parsed, &mut out);
    // What was printed before an error is wanted as well: the good records of a damaged file.
    let flushed = out.flush().map_err(ToolError::from);
    match result.and_then(|answer| flushed.map(|()| answer)) {
        Ok(answer) => ExitCode::from(answer.code()),
        Err(error) if error.is_logged() && failure == FAILED => {
            vlog::fatal("command_line", format_args!("{error}"))
        }
        Err(error) => {
            program::error(error);
            ExitCode::from(failure)
        }
    }
}

/// The exit code of a failure.
const FAILED: u8 = 1;

/// The exit code when the program with these arguments fails. Of `diff`, 1 has another meaning.
fn code_of_failure(words: &[OsString]) -> u8 {
    // Options may be what is wrong, so they are not looked at.
    let command = words
        .iter()
        .find(|word| !word.as_encoded_bytes().starts_with(b"-"));
    match command {
        Some(command) if command == DIFF => Answer::Doubtful.code(),
        _ => FAILED,
    }
}

/// Does what the options and the command say.
fn act(parsed: Parsed<Opt>, out: &mut dyn Write) -> Result<Answer, ToolError> {
    let mut verbosity = 0;
    let mut role = None;
    let mut format = None;
    let mut wanted = Wanted::default();
    let mut of_some = Vec::new();
    for (option, value) in parsed.options {
        if option.is_of_some() {
            of_some.push(option);
        }
        let argument = value.as_deref().unwrap_or_default();
        let mut print = |text: String| {
            out.write_all(text.as_bytes())?;
            Ok(Answer::Yes)
        };
        match option {
            Opt::Common(Common::Help) => {
                let command = parsed.operands.first();
                return print(usage::about(command.map(String::as_str)));
            }
            Opt::Common(Common::ListOptions) => return print(options().list()),
            Opt::Common(Common::Version) => return print(program::version_text()),
            Opt::More => verbosity += 1,
            Opt::RbacRole => role = value,
            Opt::Cid => cluster::check_cluster_id(argument)?,
            Opt::ElectionTimer => cluster::check_election_timer(argument)?,
            Opt::Format => format = value,
            Opt::Since => wanted.since = value,
            Opt::Until => wanted.until = value,
            Opt::Table => wanted.table = value,
            Opt::Row => wanted.row = value,
            Opt::Column => wanted.column = value,
            Opt::Comment => wanted.comment = value,
            Opt::Limit => wanted.limit = value,
            Opt::OldestFirst => wanted.oldest_first = true,
            Opt::At => wanted.at = value,
            Opt::Vlog(option) => vlog::apply(option, value.as_deref())?,
        }
    }
    let settings = Settings {
        verbosity,
        role: role.as_deref(),
        format: format.as_deref(),
        wanted: &wanted,
    };
    run(&parsed.operands, &of_some, settings, out)
}

/// Runs the command that the operands name. `of_some` are the options that were given to it and that not all commands take.
fn run(
    operands: &[String],
    of_some: &[Opt],
    settings: Settings<'_>,
    out: &mut dyn Write,
) -> Result<Answer, ToolError> {
    let Some((name, arguments)) = operands.split_first() else {
        return Err(ToolError::MissingCommand);
    };
    let Some(command) = Command::find(name) else {
        return Err(ToolError::UnknownCommand(name.clone()));
    };
    if arguments.len() < command.arguments_min {
        return Err(ToolError::TooFewArguments {
            command: command.name,
            min: command.arguments_min,
        });
    }
    if arguments.len() > command.arguments_max {
        return Err(ToolError::TooManyArguments {
            command: command.name,
            max: command.arguments_max,
        });
    }
    let mut of_some = of_some.iter();
    if let Some(option) = of_some.find(|option| !command.options.contains(option)) {
        return Err(ToolError::OptionOfOthers {
            command: command.name,
            option: option.name(),
        });
    }
    (command.run)(&mut Call {
        command: command.name,
        arguments,
        settings,
        out,
    })
}
