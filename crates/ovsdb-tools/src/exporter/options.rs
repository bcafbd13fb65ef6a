//! The command line of `ovsdb-exporter`.

use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use ovsdb_daemon::daemonize::{self, Daemonize, UserError};
use ovsdb_daemon::http::{HttpAddress, HttpAddressError};
use ovsdb_daemon::options::{Arg, COMMON, Common, OptionError, Order, Spec, Table};
use ovsdb_daemon::vlog::{self, VlogOptionError};
use ovsdb_daemon::{program, unixctl};

use super::component::{self, Component, Database};
use crate::tls_options::{self, TlsOptions};

/// Where pages are served if no address is given: for this machine alone.
const DEFAULT_ADDRESS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9476);

/// The options of `ovsdb-exporter`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Id {
    /// `--http`.
    Http,
    /// `--control`.
    Control,
    /// `--database-file`.
    DatabaseFile,
    /// `--daemon-log`.
    DaemonLog,
    /// `--unixctl`.
    Unixctl,
    /// Files and names for TLS.
    Tls(tls_options::Opt),
    /// Every daemon's.
    Daemon(daemonize::Opt),
    /// Every program's, for logging.
    Vlog(vlog::Opt),
    /// Every program's.
    Common(Common),
}

/// All options, for the command line, the help text and the man page.
pub fn table() -> Table<Id> {
    Table::new()
        .group(
            "What to look at (each may be specified any number of times)",
            [
                Spec::long(
                    Id::Control,
                    "control",
                    Arg::Required("NAME=TARGET"),
                    "ask the daemon with this control socket\nor pidfile, and call it NAME; \"none\": ask nobody",
                ),
                Spec::long(
                    Id::DatabaseFile,
                    "database-file",
                    Arg::Required("NAME=FILE"),
                    "where the daemon NAME has its database",
                ),
                Spec::long(
                    Id::DaemonLog,
                    "daemon-log",
                    Arg::Required("NAME=FILE"),
                    "where the daemon NAME has its log",
                ),
            ],
        )
        .group(
            "Where to tell it",
            [
                Spec::long(
                    Id::Http,
                    "http",
                    Arg::Required("ADDRESS"),
                    "serve /metrics, /healthz and /readyz over HTTP\non IP:PORT or unix:FILE (default: 127.0.0.1:9476)",
                ),
                unixctl::OPTION.map(|()| Id::Unixctl),
            ],
        )
        .shared(tls_options::FILES_TITLE, tls_options::FILES, Id::Tls)
        .shared(tls_options::PROTOCOL_TITLE, tls_options::PROTOCOL, Id::Tls)
        .shared("Daemon options", daemonize::OPTIONS, Id::Daemon)
        .shared("Logging options", vlog::OPTIONS, Id::Vlog)
        .shared("Common options", COMMON, Id::Common)
}

/// What the command line asks for.
#[derive(Debug)]
pub(super) enum Asked {
    /// To look and to tell.
    Export(Box<Settings>),
    /// To print something and end.
    Print(String),
}

/// What to look at, and where to tell it.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) databases: Vec<Database>,
    pub(super) components: Vec<Component>,
    pub(super) http: HttpAddress,
    pub(super) unixctl: Option<String>,
    pub(super) tls: TlsOptions,
    pub(super) daemonize: Daemonize,
}

/// Why a command line is refused.
#[derive(Debug, thiserror::Error)]
pub(super) enum ArgumentError {
    #[error(transparent)]
    Option(#[from] OptionError),
    #[error(transparent)]
    Vlog(#[from] VlogOptionError),
    #[error(transparent)]
    User(#[from] UserError),
    #[error("--http: {0}")]
    Http(#[from] HttpAddressError),
    #[error("\"{0}\" is not DATABASE=SERVER")]
    Database(String),
    #[error("--{option}: \"{value}\" is not NAME={wanted}")]
    Pair {
        option: &'static str,
        value: String,
        wanted: &'static str,
    },
    #[error("--{option}: there is no daemon \"{name}\"")]
    NoSuchDaemon { option: &'static str, name: String },
    #[error("{0} is named twice")]
    Twice(String),
}

impl ArgumentError {
    /// Whether `getopt_long` would have complained.
    pub(super) fn is_usage(&self) -> bool {
        matches!(self, ArgumentError::Option(_))
    }
}

/// Files of daemons that the command line names: the option, the daemon, the file.
type Files = Vec<(&'static str, String, PathBuf)>;

/// Reads the command line, without the program's name.
pub(super) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Asked, ArgumentError> {
    let table = table();
    let parsed = table.parse(arguments, Order::Anywhere)?;
    let mut settings = Settings {
        databases: Vec::new(),
        components: Vec::new(),
        http: HttpAddress::Tcp(DEFAULT_ADDRESS),
        unixctl: None,
        tls: TlsOptions::default(),
        daemonize: Daemonize::new(),
    };
    let mut asks_nobody = false;
    let mut files: Files = Vec::new();
    for (id, value) in parsed.options {
        let text = value.clone().unwrap_or_default();
        match id {
            Id::Http => settings.http = text.parse()?,
            Id::Control if text == "none" => asks_nobody = true,
            Id::Control => {
                let (name, target) = pair("control", &text, "TARGET")?;
                settings.components.push(Component::named(name, target));
            }
            Id::DatabaseFile => {
                let (name, file) = pair("database-file", &text, "FILE")?;
                files.push(("database-file", name.to_owned(), file.into()));
            }
            Id::DaemonLog => {
                let (name, file) = pair("daemon-log", &text, "FILE")?;
                files.push(("daemon-log", name.to_owned(), file.into()));
            }
            Id::Unixctl => settings.unixctl = Some(text),
            Id::Tls(option) => settings.tls.apply(option, &text),
            Id::Daemon(option) => settings.daemonize.apply(option, value.as_deref())?,
            Id::Vlog(option) => vlog::apply(option, value.as_deref())?,
            Id::Common(Common::Help) => return Ok(Asked::Print(help(&table))),
            Id::Common(Common::ListOptions) => return Ok(Asked::Print(table.list())),
            Id::Common(Common::Version) => return Ok(Asked::Print(program::version_text())),
        }
    }
    for operand in &parsed.operands {
        settings.databases.push(database(operand)?);
    }
    if settings.databases.is_empty() {
        settings.databases = component::default_databases();
    }
    if settings.components.is_empty() && !asks_nobody {
        settings.components = component::default_components();
    }
    name_files(files, &mut settings.components)?;
    // Each would tell the same metrics again.
    let databases = settings.databases.iter().map(|it| &it.name);
    let mut databases: Vec<&String> = databases.collect();
    let components = settings.components.iter().map(|it| &it.name);
    let mut components: Vec<&String> = components.collect();
    for names in [&mut databases, &mut components] {
        names.sort();
        if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(ArgumentError::Twice(twice[0].clone()));
        }
    }
    Ok(Asked::Export(Box::new(settings)))
}

fn database(operand: &str) -> Result<Database, ArgumentError> {
    match operand.split_once('=') {
        Some((name, servers)) if !name.is_empty() && !servers.is_empty() => Ok(Database {
            name: name.to_owned(),
            servers: servers.to_owned(),
            is_wanted: true,
        }),
        _ => Err(ArgumentError::Database(operand.to_owned())),
    }
}

fn pair<'a>(
    option: &'static str,
    value: &'a str,
    wanted: &'static str,
) -> Result<(&'a str, &'a str), ArgumentError> {
    let found = value.split_once('=');
    let found = found.filter(|(name, target)| !name.is_empty() && !target.is_empty());
    found.ok_or_else(|| ArgumentError::Pair {
        option,
        value: value.to_owned(),
        wanted,
    })
}

fn name_files(files: Files, components: &mut [Component]) -> Result<(), ArgumentError> {
    for (option, name, file) in files {
        let component = components.iter_mut().find(|it| it.name == name);
        let Some(component) = component else {
            return Err(ArgumentError::NoSuchDaemon { option, name });
        };
        match option {
            "daemon-log" => component.log_files = vec![file],
            _ => component.database_files = vec![file],
        }
    }
    Ok(())
}

fn help(table: &Table<Id>) -> String {
    let name = program::name();
    format!(
        "{name}: metrics of OVSDB servers, Open vSwitch and OVN for Prometheus\n\
         usage: {name} [OPTIONS] [DATABASE=SERVER[,SERVER...]]...\n\
         where each SERVER is an active connection method: ssl:HOST:PORT, tcp:HOST:PORT\n\
         or unix:FILE. Without any DATABASE, and without any --control, it looks at what\n\
         is there of Open vSwitch and OVN on this machine.\n{}",
        table.help(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, expected: &str) {
        let shown = match parse(line.split_whitespace().map(OsString::from)) {
            Ok(Asked::Export(settings)) => {
                let databases = settings.databases.iter();
                let databases = databases.map(|it| format!("{}@{}", it.name, it.servers));
                let components = settings.components.iter();
                let components = components.map(|it| format!("{}@{:?}", it.name, it.place));
                let all: Vec<String> = databases.chain(components).collect();
                all.join(" ")
            }
            Ok(Asked::Print(text)) => text.lines().next().unwrap_or_default().to_owned(),
            Err(error) => error.to_string(),
        };
        assert_eq!(shown, expected, "{line}");
    }

    #[test]
    fn what_is_named_takes_the_place_of_what_is_usual() {
        check(
            "A=unix:a,tcp:1.2.3.4:5 --control=none",
            "A@unix:a,tcp:1.2.3.4:5",
        );
        check(
            "--control=x=/y.ctl A=unix:a --database-file=x=/z.db --daemon-log x=/z.log",
            "A@unix:a x@Target(\"/y.ctl\")",
        );
    }

    #[test]
    fn without_names_it_is_open_vswitch_and_ovn() {
        let Ok(Asked::Export(settings)) = parse([]) else {
            panic!("no settings");
        };
        let names = settings.databases.iter().map(|it| it.name.as_str());
        let expected = ["Open_vSwitch", "OVN_Northbound", "OVN_Southbound"];
        assert_eq!(names.collect::<Vec<_>>(), expected);
        assert!(settings.components.iter().all(|it| !it.is_wanted));
        assert_eq!(settings.http.to_string(), "127.0.0.1:9476");
    }

    #[test]
    fn what_is_wrong_is_said() {
        check("A", "\"A\" is not DATABASE=SERVER");
        check("=tcp:x", "\"=tcp:x\" is not DATABASE=SERVER");
        check("--control=x", "--control: \"x\" is not NAME=TARGET");
        check(
            "--daemon-log=x=/y",
            "--daemon-log: there is no daemon \"x\"",
        );
        check("A=tcp:a A=tcp:b", "A is named twice");
        check("--control=x=/y --control=x=/z", "x is named twice");
        check(
            "--http=80",
            "--http: \"80\" is neither IP:PORT nor unix:FILE",
        );
    }
}
