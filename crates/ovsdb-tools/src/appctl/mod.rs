//! `ovs-appctl`: gives a command to a running daemon and prints its answer (ovs-appctl(8)).
//!
//! Which commands there are is the daemon's business; every word after the first operand is passed on as it is.

mod reply;

use std::io::Write as _;
use std::process::ExitCode;

use ovsdb_client::control::{self, ConnectError, Control, TransportError};
use ovsdb_daemon::options::{Arg, COMMON, Common, Order, Spec, Table, unsigned};
use ovsdb_daemon::unixctl::Format;
use ovsdb_daemon::{program, signals, vlog};

use reply::ReplyError;

/// The daemon that is meant if none is named.
const DEFAULT_TARGET: &str = "ovs-vswitchd";

/// The exit code when the daemon answers with an error.
const DAEMON_ERROR: u8 = 2;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Opt {
    Target,
    Execute,
    Format,
    Pretty,
    Timeout,
    Common(Common),
    Vlog(vlog::Opt),
}

/// What the command line says.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Settings {
    target: String,
    format: Format,
    pretty: bool,
    timeout_s: Option<u32>,
    command: String,
    args: Vec<String>,
}

/// What to do about a command line.
enum Todo {
    Call(Settings),
    Print(String),
}

/// Why a command line is refused.
#[derive(Debug, thiserror::Error)]
enum UsageError {
    #[error("-t or --target may be specified only once")]
    TwoTargets,
    #[error("-e or --execute may be speciifed only once")]
    TwoExecutes,
    #[error("value {0} on -f or --format is invalid")]
    Format(String),
    #[error("value {0} on -T or --timeout is invalid")]
    Timeout(String),
    #[error("--pretty is supported with --format json only")]
    Pretty,
    #[error("at least one non-option argument is required (use --help for help)")]
    NoCommand,
    #[error(transparent)]
    Vlog(#[from] vlog::VlogOptionError),
}

/// Why there is no answer to print.
#[derive(Debug, thiserror::Error)]
enum CallError {
    #[error("cannot start ({})", ovsdb_net::errno_text(.0))]
    Start(#[from] std::io::Error),
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The text goes to standard error as it is.
    #[error("{target}: server returned an error")]
    Daemon { target: String, text: String },
    #[error(transparent)]
    Reply(#[from] ReplyError),
}

/// The options, also for the man page.
#[must_use]
pub fn options() -> Table<impl Clone> {
    table()
}

fn table() -> Table<Opt> {
    Table::new()
        .group(
            "Targets",
            [Spec::both(
                Opt::Target,
                "target",
                't',
                Arg::Required("TARGET"),
                "pidfile or socket to contact",
            )],
        )
        .group(
            "Output options",
            [
                Spec::both(
                    Opt::Format,
                    "format",
                    'f',
                    Arg::Required("FMT"),
                    "output format, one of 'json' or 'text'\n(default: text)",
                ),
                Spec::long(
                    Opt::Pretty,
                    "pretty",
                    Arg::No,
                    "format the output in a more readable fashion;\nrequires --format=json",
                ),
                Spec::both(
                    Opt::Timeout,
                    "timeout",
                    'T',
                    Arg::Required("SECS"),
                    "wait at most SECS seconds for a response",
                ),
                Spec::both(
                    Opt::Execute,
                    "execute",
                    'e',
                    Arg::No,
                    "ignored, for old scripts",
                ),
            ],
        )
        .shared("Logging options", vlog::OPTIONS, Opt::Vlog)
        .shared("Other options", COMMON, Opt::Common)
        .possibilities(&REFERENCE_ORDER)
}

/// The order in which the reference knows its options: errors about abbreviations name them in it.
const REFERENCE_ORDER: [&str; 12] = [
    "target",
    "execute",
    "format",
    "help",
    "option",
    "pretty",
    "version",
    "timeout",
    "verbose",
    "log-file",
    "syslog-method",
    "syslog-target",
];

fn help() -> String {
    let name = program::name();
    format!(
        "{name}, for querying and controlling Open vSwitch daemons\n\
         usage: {name} [TARGET] COMMAND [ARG...]\n\
         \n\
         Common commands:\n\
         \x20 list-commands      list commands supported by the target\n\
         \x20 version            print version of the target\n\
         \x20 vlog/list          list current logging levels\n\
         \x20 vlog/list-pattern  list logging patterns for each destination\n\
         \x20 vlog/set [SPEC]    set log levels as SPEC says: a module, a destination\n\
         \x20                    (syslog, console, file) and a level (off, emer, err,\n\
         \x20                    warn, info, dbg), each optional\n\
         \x20 vlog/reopen        make the program reopen its log file\n{}\n\
         For example, log what a server says to its clients:\n\
         \x20   {name} -t ovsdb-server vlog/set jsonrpc:file:dbg\n",
        table().help()
    )
}

fn read_command_line(parsed: ovsdb_daemon::options::Parsed<Opt>) -> Result<Todo, UsageError> {
    let (mut target, mut execute, mut pretty, mut timeout_s) = (None, false, false, None);
    let mut format = Format::Text;
    for (option, value) in parsed.options {
        let text = value.as_deref().unwrap_or_default();
        match option {
            Opt::Target if target.is_some() => return Err(UsageError::TwoTargets),
            Opt::Target => target = Some(text.to_owned()),
            Opt::Execute if execute => return Err(UsageError::TwoExecutes),
            Opt::Execute => execute = true,
            Opt::Format => {
                format =
                    Format::from_name(text).ok_or_else(|| UsageError::Format(text.to_owned()))?
            }
            Opt::Pretty => pretty = true,
            Opt::Timeout => {
                let secs = unsigned(text).filter(|secs| *secs > 0);
                timeout_s = Some(secs.ok_or_else(|| UsageError::Timeout(text.to_owned()))?);
            }
            Opt::Common(Common::Help) => return Ok(Todo::Print(help())),
            Opt::Common(Common::ListOptions) => return Ok(Todo::Print(table().list())),
            Opt::Common(Common::Version) => return Ok(Todo::Print(program::version_text())),
            Opt::Vlog(option) => vlog::apply(option, value.as_deref())?,
        }
    }
    let mut operands = parsed.operands.into_iter();
    let command = operands.next().ok_or(UsageError::NoCommand)?;
    if pretty && format != Format::Json {
        return Err(UsageError::Pretty);
    }
    Ok(Todo::Call(Settings {
        target: target.unwrap_or_else(|| DEFAULT_TARGET.to_owned()),
        format,
        pretty,
        timeout_s,
        command,
        args: operands.collect(),
    }))
}

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    program::init("ovs-appctl");
    vlog::init();
    let parsed = match table().parse(std::env::args_os().skip(1), Order::OptionsFirst) {
        Ok(parsed) => parsed,
        Err(error) => program::usage_error(error),
    };
    let todo = read_command_line(parsed).unwrap_or_else(|error| program::fatal(error));
    let output = match todo {
        Todo::Print(text) => Ok(text),
        Todo::Call(settings) => call(&settings),
    };
    match output {
        Ok(text) => match std::io::stdout().write_all(text.as_bytes()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => program::fatal(format_args!(
                "write to stdout failed ({})",
                ovsdb_net::errno_text(&error)
            )),
        },
        Err(error) => {
            let code = match &error {
                CallError::Daemon { text, .. } => {
                    // Nobody is left to tell if standard error is gone.
                    let _ = std::io::stderr().write_all(text.as_bytes());
                    DAEMON_ERROR
                }
                CallError::Reply(_) => DAEMON_ERROR,
                CallError::Start(_) | CallError::Connect(_) | CallError::Transport(_) => 1,
            };
            program::error(error);
            ExitCode::from(code)
        }
    }
}

fn call(settings: &Settings) -> Result<String, CallError> {
    signals::set_timeout(settings.timeout_s)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        // The time is the user's business (`--timeout`), and answers are as long as they are.
        let options = control::Options::default()
            .answer_time_max(None)
            .answer_bytes_max(ovsdb_net::DEFAULT_MESSAGE_BYTES_MAX);
        let mut control = Control::connect_with(&settings.target, &options).await?;
        let daemon_error = |error| match reply::text(&error) {
            Ok(text) => CallError::Daemon {
                target: settings.target.clone(),
                text,
            },
            Err(error) => CallError::Reply(error),
        };
        if settings.format != Format::Text {
            let options = ["--format", settings.format.name()];
            control
                .call("set-options", &options)
                .await?
                .map_err(daemon_error)?;
        }
        let result = control
            .call(&settings.command, &settings.args)
            .await?
            .map_err(daemon_error)?;
        Ok(match settings.format {
            Format::Text => reply::text(&result)?,
            Format::Json => reply::json(&result, settings.pretty),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expect: &str) {
        let shown =
            match table().parse(line.split_whitespace().map(Into::into), Order::OptionsFirst) {
                Err(error) => error.to_string(),
                Ok(parsed) => match read_command_line(parsed) {
                    Err(error) => error.to_string(),
                    Ok(Todo::Print(text)) => text.lines().next().unwrap_or_default().to_owned(),
                    Ok(Todo::Call(settings)) => format!(
                        "{} {}{} {:?} {} {:?}",
                        settings.target,
                        settings.format.name(),
                        if settings.pretty { "!" } else { "" },
                        settings.timeout_s,
                        settings.command,
                        settings.args
                    ),
                },
            };
        assert_eq!(shown, expect, "{line}");
    }

    #[test]
    fn command_lines_are_read() {
        check("version", "ovs-vswitchd text None version []");
        check(
            "-t ovsdb-server -T 5 exit now",
            "ovsdb-server text Some(5) exit [\"now\"]",
        );
        check("--target=/x.ctl -e foo", "/x.ctl text None foo []");
        check(
            "vlog/set -v --target",
            "ovs-vswitchd text None vlog/set [\"-v\", \"--target\"]",
        );
        check("-f json --pretty x", "ovs-vswitchd json! None x []");
        check("--format TEXT x", "ovs-vswitchd text None x []");
        check("-V", &program::version());
        check("-o", "--target=ARG");
    }

    #[test]
    fn wrong_command_lines_are_refused() {
        check(
            "",
            "at least one non-option argument is required (use --help for help)",
        );
        check("-t a -t b x", "-t or --target may be specified only once");
        check("-e -e x", "-e or --execute may be speciifed only once");
        check("-T 0 x", "value 0 on -T or --timeout is invalid");
        check("-T 1s x", "value 1s on -T or --timeout is invalid");
        check("-f xml x", "value xml on -f or --format is invalid");
        check(
            "--pretty x",
            "--pretty is supported with --format json only",
        );
        check(
            "-v=bogus x",
            "processing \"=bogus\": no destination, level, or module \"=bogus\"",
        );
        check("--nonsense", "unrecognized option '--nonsense'");
    }
}
