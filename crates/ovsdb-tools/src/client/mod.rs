//! `ovsdb-client`: talks to a database server (ovsdb-client(1)).
//!
//! This module reads the command line, finds the server and picks the command; each command has a file of its own.
//! What a command prints, its messages and its exit code are the reference program's, with two exceptions: what that
//! prints in the order of its hash tables is sorted by name, and a lock or monitor that the server refuses is an
//! error instead of a wait for ever.

mod background;
mod backup;
mod commands;
mod dump;
mod error;
mod examples;
mod keep_uuids;
mod lock;
mod monitor;
mod monitor_print;
mod monitor_request;
mod options;
mod output;
mod query;
mod restore;
mod schema;
mod server;
mod snapshot;
#[cfg(feature = "sql")]
mod sql;
mod tables;
mod usage;
mod wait;
#[cfg(feature = "watch")]
mod watch;

use std::process::ExitCode;

#[cfg(feature = "sql")]
use ovsdb_daemon::options::Parsed;
use ovsdb_daemon::options::{Common, Order};
use ovsdb_daemon::{memory, program, signals, vlog};
use ovsdb_net::Tls;

use commands::{COMMANDS, Command, Invocation};
pub use error::{ClientError, Shape};
pub use options::{ChangeAware, Opt, Settings, options};
use output::Output;
#[cfg(feature = "sql")]
pub use sql::Failure as SqlFailure;
#[cfg(feature = "watch")]
pub use watch::Failure as WatchFailure;

/// The commands of `ovsdb-client`: how each is written, and what it does.
pub fn commands() -> impl Iterator<Item = (String, &'static str)> {
    COMMANDS.iter().map(|command| {
        let synopsis = format!("{} {}", command.name, command.usage);
        (synopsis.trim_end().to_owned(), command.help)
    })
}

/// An example of a command of `ovsdb-client`: what it shows, and the words behind the program's name.
pub fn example(command: &str) -> Option<(&'static str, &'static str)> {
    examples::of(command)
}

/// Spares who asks one question with `sql` the words about the connection that it takes, unless options ask for them. Who
/// watches wants to know when the connection is lost.
#[cfg(feature = "sql")]
fn quiet(parsed: &Parsed<Opt>) {
    let is_sql = parsed.operands.first().is_some_and(|name| name == "sql");
    let is_watched = parsed
        .options
        .iter()
        .any(|(option, _)| matches!(option, Opt::Watch));
    if is_sql && !is_watched {
        vlog::set_level(
            Some("reconnect"),
            Some(vlog::Destination::Console),
            vlog::Level::Warn,
        )
        .expect("the module is there");
    }
}

/// The program: takes the command line of this process and answers with its exit code.
pub fn main() -> ExitCode {
    program::init("ovsdb-client");
    vlog::init();
    // What is read of a large database is touched once. To clear huge pages for it may cost as much as all the rest.
    memory::use_small_pages();

    let table = options();
    let parsed = match table.parse(std::env::args_os().skip(1), Order::Anywhere) {
        Ok(parsed) => parsed,
        Err(error) => program::usage_error(error),
    };
    #[cfg(feature = "sql")]
    quiet(&parsed);
    let mut settings = Settings::default();
    for (option, value) in parsed.options {
        let printed = match option {
            Opt::Common(Common::Help) => {
                let command = parsed.operands.first();
                Some(usage::about(command.map(String::as_str)))
            }
            Opt::Common(Common::ListOptions) => Some(table.list()),
            Opt::Common(Common::Version) => Some(program::version_text()),
            _ => None,
        };
        if let Some(text) = printed {
            let mut out = Output::new(settings.style);
            return finish(out.bytes(text.as_bytes()), &mut out);
        }
        if let Err(error) = settings.apply(option, value.as_deref()) {
            return failed(error);
        }
    }
    Tls::process().set(settings.tls.settings());
    let mut out = Output::new(settings.style.clone());
    let result = run(parsed.operands, settings, &mut out);
    finish(result, &mut out)
}

fn run(
    mut operands: Vec<String>,
    mut settings: Settings,
    out: &mut Output,
) -> Result<(), ClientError> {
    if operands.is_empty() {
        return Err(ClientError::MissingCommand);
    }
    let name = operands.remove(0);
    let command = Command::find(&name).ok_or(ClientError::UnknownCommand(name))?;

    // Forking comes before the first thread.
    let daemon = if command.stays() {
        settings.daemonize.keep_stdout();
        if command.keeps_stderr() {
            settings.daemonize.keep_stderr();
        }
        Some(settings.daemonize.clone().start())
    } else {
        signals::install().map_err(ClientError::System)?;
        None
    };
    signals::set_timeout(settings.timeout_s).map_err(ClientError::System)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(ClientError::System)?;
    runtime.block_on(commands::execute(
        command,
        Invocation {
            args: operands,
            settings: &settings,
            daemon,
        },
        out,
    ))
}

/// What was printed before an error is wanted as well.
fn finish(result: Result<(), ClientError>, out: &mut Output) -> ExitCode {
    let flushed = out.flush();
    match result.and(flushed) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(error),
    }
}

fn failed(error: ClientError) -> ExitCode {
    if error.is_logged() {
        vlog::fatal("ovsdb_client", format_args!("{error}"));
    }
    program::fatal(error)
}
