//! The command line of `ovsdb-server`.
//!
//! Options of services that this server does not have are known, so that they are refused with a clear message instead
//! of being taken for something else.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use ovsdb_daemon::daemonize::{self, Daemonize, UserError};
use ovsdb_daemon::http::{self, HttpAddress, HttpAddressError};
use ovsdb_daemon::options::{Arg, COMMON, Common, OptionError, Order, Spec, Table};
use ovsdb_daemon::vlog::{self, VlogOptionError};
use ovsdb_daemon::{dirs, program, unixctl};
use ovsdb_proto::error::OvsdbError;
use ovsdb_proto::json::{self, JsonError};
use ovsdb_proto::schema::Schema;
use ovsdb_server::file::{self, FileError};
use ovsdb_server::remotes::RemoteOptions;

use super::config::{Config, DatabaseConfig, Model, Sync};
use crate::tls_options::{self, TlsOptions};

/// The options of `ovsdb-server`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Id {
    /// `--remote`.
    Remote,
    /// `--create`.
    Create,
    /// `--run`.
    Run,
    /// `--no-dbs`.
    NoDbs,
    /// `--unixctl`.
    Unixctl,
    /// `--disable-file-column-diff`.
    DisableFileColumnDiff,
    /// `--disable-file-no-data-conversion`.
    DisableFileNoDataConversion,
    /// `--http`.
    Http,
    /// `--config-file`.
    ConfigFile,
    /// `--sync-from`.
    SyncFrom,
    /// `--sync-exclude-tables`.
    SyncExcludeTables,
    /// `--active`.
    Active,
    /// Files and names for TLS.
    Tls(tls_options::Opt),
    /// A service that this server does not offer.
    Unsupported(&'static str),
    /// Every daemon's.
    Daemon(daemonize::Opt),
    /// Every program's, for logging.
    Vlog(vlog::Opt),
    /// Every program's.
    Common(Common),
}

/// All options, for the command line, the help text and the man page.
pub fn table() -> Table<Id> {
    let file = Arg::Required("FILE");
    let unsupported = |name, arg, help| Spec::long(Id::Unsupported(name), name, arg, help);
    Table::new()
        .group(
            "JSON-RPC options (may be specified any number of times)",
            [Spec::long(
                Id::Remote,
                "remote",
                Arg::Required("REMOTE"),
                "connect or listen to REMOTE",
            )],
        )
        .group(
            "Database options",
            [
                Spec::long(
                    Id::Create,
                    "create",
                    Arg::Required("SCHEMA"),
                    "create each DATABASE that is missing\nwith the schema in the file SCHEMA",
                ),
                Spec::long(Id::NoDbs, "no-dbs", Arg::No, "do not add default database"),
                Spec::long(
                    Id::DisableFileColumnDiff,
                    "disable-file-column-diff",
                    Arg::No,
                    "don't use column diff in database file",
                ),
                Spec::long(
                    Id::DisableFileNoDataConversion,
                    "disable-file-no-data-conversion",
                    Arg::No,
                    "accepted for compatibility; concerns clusters only",
                ),
            ],
        )
        .group(
            "Configuration file",
            [Spec::long(
                Id::ConfigFile,
                "config-file",
                file,
                "take databases and remotes from FILE, and again\nafter ovsdb-server/reload; assumes --no-dbs",
            )],
        )
        .shared(tls_options::FILES_TITLE, tls_options::FILES, Id::Tls)
        .shared(tls_options::PROTOCOL_TITLE, tls_options::PROTOCOL, Id::Tls)
        .shared("Daemon options", daemonize::OPTIONS, Id::Daemon)
        .shared("Logging options", vlog::OPTIONS, Id::Vlog)
        .group(
            "Syncing options (this server is never a backup)",
            [
                Spec::long(
                    Id::SyncFrom,
                    "sync-from",
                    Arg::Required("SERVER"),
                    "the other server of two; only with --active",
                ),
                Spec::long(
                    Id::SyncExcludeTables,
                    "sync-exclude-tables",
                    Arg::Required("DB:TABLE,..."),
                    "what a backup would leave out",
                ),
                Spec::long(Id::Active, "active", Arg::No, "start in active mode"),
            ],
        )
        .group(
            "Options of services that are not supported",
            [
                unsupported("record", Arg::Optional("DIR"), "write a recording"),
                unsupported("replay", Arg::Optional("DIR"), "run from a recording"),
            ],
        )
        .group(
            "Other options",
            [
                Spec::long(
                    Id::Run,
                    "run",
                    Arg::Required("COMMAND"),
                    "run COMMAND as subprocess then exit",
                ),
                unixctl::OPTION.map(|()| Id::Unixctl),
                http::OPTION.map(|()| Id::Http),
            ],
        )
        .shared("Common options", COMMON, Id::Common)
        // The reference does not have these, and its abbreviations are to be good here.
        .whole(&["create", "http", "option"])
        .possibilities(&REFERENCE_ORDER)
}

/// The order in which the reference knows its options: errors about abbreviations name them in it.
pub(super) const REFERENCE_ORDER: [&str; 34] = [
    "remote",
    "unixctl",
    "run",
    "help",
    "version",
    "detach",
    "no-chdir",
    "no-self-confinement",
    "pidfile",
    "overwrite-pidfile",
    "monitor",
    "user",
    "verbose",
    "log-file",
    "syslog-method",
    "syslog-target",
    "bootstrap-ca-cert",
    "peer-ca-cert",
    "private-key",
    "certificate",
    "ca-cert",
    "ssl-protocols",
    "ssl-ciphers",
    "ssl-ciphersuites",
    "ssl-server-name",
    "record",
    "replay",
    "sync-from",
    "sync-exclude-tables",
    "active",
    "no-dbs",
    "disable-file-column-diff",
    "disable-file-no-data-conversion",
    "config-file",
];

/// What the command line asks for.
#[derive(Debug)]
pub(super) enum Command {
    /// To serve.
    Serve(Box<Settings>),
    /// To print something and end.
    Print(String),
}

/// How the server is to be set up.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) config: Config,
    /// Where databases and remotes come from instead.
    pub(super) config_file: Option<PathBuf>,
    pub(super) unixctl: Option<String>,
    /// Where figures are served over HTTP.
    pub(super) http: Option<HttpAddress>,
    pub(super) run: Option<String>,
    pub(super) column_diff: bool,
    /// Conversions of clustered databases carry data, as older servers want it.
    pub(super) data_conversion: bool,
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
    #[error("--{0} is not supported by this server")]
    Unsupported(&'static str),
    #[error("{0}: relays are not supported by this server")]
    Relay(String),
    #[error("--config-file is mutually exclusive with --sync-from, --sync-exclude and --active")]
    ConfigFileAndSync,
    #[error("--config-file is mutually exclusive with --remote")]
    ConfigFileAndRemote,
    #[error("Databases should be specified in a config file")]
    ConfigFileAndDatabase,
    #[error("--create needs a DATABASE")]
    CreateWithoutDatabase,
    #[error("{}: failed to read schema ({reason})", .path.display())]
    SchemaFile { path: PathBuf, reason: String },
    #[error("{}: {source}", .path.display())]
    SchemaJson { path: PathBuf, source: JsonError },
    #[error("{source}")]
    Schema { source: OvsdbError },
    #[error(transparent)]
    Create(#[from] FileError),
}

impl ArgumentError {
    /// Whether `getopt_long` would have complained.
    pub(super) fn is_usage(&self) -> bool {
        matches!(self, ArgumentError::Option(_))
    }
}

/// Reads the command line, without the program's name, and makes missing files for `--create`.
pub(super) fn parse(
    arguments: impl IntoIterator<Item = OsString>,
) -> Result<Command, ArgumentError> {
    let table = table();
    let parsed = table.parse(arguments, Order::Anywhere)?;
    let mut settings = Settings {
        config: Config::default(),
        config_file: None,
        unixctl: None,
        http: None,
        run: None,
        column_diff: true,
        data_conversion: false,
        tls: TlsOptions::default(),
        daemonize: Daemonize::new(),
    };
    let mut create = None;
    let mut default_database = true;
    let mut active = false;
    for (id, value) in parsed.options {
        let text = value.clone().unwrap_or_default();
        match id {
            Id::Remote => {
                let options = RemoteOptions::default_for(&text);
                settings.config.remotes.entry(text).or_insert(options);
            }
            Id::ConfigFile => {
                settings.config_file = Some(dirs::dbdir().join(text));
                default_database = false;
            }
            Id::SyncFrom => settings.config.sync.from = Some(text),
            Id::SyncExcludeTables => settings.config.sync.exclude = Some(text),
            Id::Active => active = true,
            Id::Create => create = Some(PathBuf::from(text)),
            Id::Run => settings.run = Some(text),
            Id::NoDbs => default_database = false,
            Id::Unixctl => settings.unixctl = Some(text),
            Id::Http => {
                let address = value.as_deref().map(str::parse).transpose()?;
                settings.http = Some(address.unwrap_or_default());
            }
            Id::DisableFileColumnDiff => settings.column_diff = false,
            Id::DisableFileNoDataConversion => settings.data_conversion = true,
            Id::Tls(option) => settings.tls.apply(option, &text),
            Id::Unsupported(name) => return Err(ArgumentError::Unsupported(name)),
            Id::Daemon(option) => settings.daemonize.apply(option, value.as_deref())?,
            Id::Vlog(option) => vlog::apply(option, value.as_deref())?,
            Id::Common(Common::Help) => return Ok(Command::Print(help(&table))),
            Id::Common(Common::ListOptions) => return Ok(Command::Print(table.list())),
            Id::Common(Common::Version) => return Ok(Command::Print(program::version_text())),
        }
    }
    let operands = parsed.operands;
    if settings.config_file.is_some() {
        check_config_file(&settings.config, active, &operands)?;
    }
    if settings.config.sync.from.is_some() && !active {
        return Err(ArgumentError::Unsupported("sync-from"));
    }
    if let Some(relay) = operands.iter().find(|name| is_relay(name)) {
        return Err(ArgumentError::Relay(relay.clone()));
    }
    if let Some(schema) = create {
        if operands.is_empty() {
            return Err(ArgumentError::CreateWithoutDatabase);
        }
        create_missing(&schema, &operands)?;
    }
    let model = match settings.config.sync.from {
        Some(_) => Model::Active,
        None => Model::Unknown,
    };
    let databases = &mut settings.config.databases;
    if operands.is_empty() && default_database {
        let path = dirs::dbdir().join("conf.db");
        databases.insert(path.display().to_string(), DatabaseConfig { model });
    }
    for name in operands {
        let before = databases.insert(name.clone(), DatabaseConfig { model });
        if before.is_some() {
            tracing::warn!(target: "ovsdb_server", "Duplicate database configuration: {name}");
        }
    }
    Ok(Command::Serve(Box::new(settings)))
}

/// What goes into a configuration file has no place beside it.
fn check_config_file(
    config: &Config,
    active: bool,
    operands: &[String],
) -> Result<(), ArgumentError> {
    if active || config.sync != Sync::default() {
        Err(ArgumentError::ConfigFileAndSync)
    } else if !config.remotes.is_empty() {
        Err(ArgumentError::ConfigFileAndRemote)
    } else if !operands.is_empty() {
        Err(ArgumentError::ConfigFileAndDatabase)
    } else {
        Ok(())
    }
}

/// Whether what stands in the place of a database file names a database of another server: `relay:DB:REMOTES`. Anything
/// less is the name of a file.
pub(super) fn is_relay(name: &str) -> bool {
    let parts = name
        .strip_prefix("relay:")
        .and_then(|rest| rest.split_once(':'));
    parts.is_some_and(|(_, remotes)| !remotes.is_empty())
}

fn create_missing(schema: &Path, databases: &[String]) -> Result<(), ArgumentError> {
    let missing: Vec<&String> = databases
        .iter()
        .filter(|name| !Path::new(name).exists())
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let path = || schema.to_owned();
    let text = std::fs::read(schema).map_err(|error| ArgumentError::SchemaFile {
        path: path(),
        reason: ovsdb_net::errno_text(&error),
    })?;
    let json = json::parse(&text).map_err(|source| ArgumentError::SchemaJson {
        path: path(),
        source,
    })?;
    let schema = Schema::from_json(&json).map_err(|source| ArgumentError::Schema { source })?;
    for name in missing {
        file::create(Path::new(name), &schema)?;
    }
    Ok(())
}

fn help(table: &Table<Id>) -> String {
    let name = program::name();
    format!(
        "{name}: Open vSwitch database server\n\
         usage: {name} [OPTIONS] [DATABASE...]\n\
         where each DATABASE is a database file in ovsdb format.\n\
         The default DATABASE, if none is given, is\n{}/conf.db.\n\
         \n\
         Active JSON-RPC connection methods:\n\
         \x20 ssl:HOST:PORT           SSL/TLS PORT at remote HOST\n\
         \x20 tcp:HOST:PORT           PORT at remote HOST\n\
         \x20 unix:FILE               Unix domain socket named FILE\n\
         Passive JSON-RPC connection methods:\n\
         \x20 pssl:PORT[:IP]          listen for SSL/TLS on PORT on IP\n\
         \x20 ptcp:PORT[:IP]          listen to TCP PORT on IP\n\
         \x20 punix:FILE              listen on Unix domain socket FILE\n\
         \x20 pfd:N                   listen on the inherited descriptor N\n\
         \x20 db:DB,TABLE,COLUMN      what that column says\n{}",
        dirs::dbdir().display(),
        table.help(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expected: &str) {
        let shown = match parse(line.split_whitespace().map(OsString::from)) {
            Ok(Command::Serve(settings)) => {
                let Config {
                    databases, remotes, ..
                } = &settings.config;
                let names = |names: Vec<&str>| names.join(" ");
                let databases = names(databases.keys().map(String::as_str).collect());
                let remotes = names(remotes.keys().map(String::as_str).collect());
                match &settings.config_file {
                    Some(path) => format!("config file {}", path.display()),
                    None => format!("{databases} | {remotes}"),
                }
            }
            Ok(Command::Print(text)) => text.lines().next().unwrap_or_default().to_owned(),
            Err(error) => error.to_string(),
        };
        assert_eq!(shown, expected, "{line}");
    }

    #[test]
    fn databases_and_remotes_are_taken_as_given_and_once() {
        check("a.db", "a.db | ");
        check(
            "a.db --remote=punix:x b.db --remote ptcp:0 --remote=punix:x",
            "a.db b.db | ptcp:0 punix:x",
        );
        check("--no-dbs --remote=db:A,B,C", " | db:A,B,C");
        check("a.db a.db", "a.db | ");
    }

    #[test]
    fn what_start_scripts_pass_is_accepted() {
        check(
            "a.db --remote=punix:x --private-key=db:Open_vSwitch,SSL,private_key \
             --certificate=db:Open_vSwitch,SSL,certificate --bootstrap-ca-cert=db:Open_vSwitch,SSL,ca_cert \
             --ssl-protocols=db:X,SSL,p --ssl-ciphersuites=db:X,SSL,c --disable-file-column-diff",
            "a.db | punix:x",
        );
    }

    #[test]
    fn a_configuration_file_stands_alone() {
        check("--config-file=/x", "config file /x");
        check("--config-file=/x --no-dbs", "config file /x");
        let sync =
            "--config-file is mutually exclusive with --sync-from, --sync-exclude and --active";
        check("--config-file=/x --active --remote=punix:x a.db", sync);
        check("--config-file=/x --sync-from=tcp:x", sync);
        check("--sync-exclude-tables=A:B --config-file=/x", sync);
        check(
            "--config-file=/x --remote=punix:x a.db",
            "--config-file is mutually exclusive with --remote",
        );
        check(
            "a.db --config-file=/x",
            "Databases should be specified in a config file",
        );
    }

    #[test]
    fn what_concerns_backups_is_accepted_by_an_active_server() {
        check("--active a.db", "a.db | ");
        check("--sync-exclude-tables=A:B a.db", "a.db | ");
        check("--sync-from=tcp:x --active a.db", "a.db | ");
    }

    #[test]
    fn abbreviations_are_the_references() {
        let ambiguous =
            |given, possible| format!("option '--{given}' is ambiguous; possibilities: {possible}");
        check(
            "--c",
            "option '--c' is ambiguous; possibilities: '--certificate' '--ca-cert' '--config-file'",
        );
        check("--cr=x", "unrecognized option '--cr=x'");
        check("--ht", "unrecognized option '--ht'");
        check("--opt", "unrecognized option '--opt'");
        check("--o a.db", "a.db | ");
        check(
            "--s",
            &ambiguous(
                "s",
                "'--syslog-method' '--syslog-target' '--ssl-protocols' '--ssl-ciphers' '--ssl-ciphersuites' \
                 '--ssl-server-name' '--sync-from' '--sync-exclude-tables'",
            ),
        );
    }

    #[test]
    fn every_abbreviation_means_what_it_means_to_the_reference() {
        let table = table();
        for name in REFERENCE_ORDER {
            for length in 1..=name.len() {
                let given = &name[..length];
                let meant: Vec<&str> = match REFERENCE_ORDER.contains(&given) {
                    true => vec![given],
                    false => {
                        let names = REFERENCE_ORDER.into_iter();
                        names.filter(|name| name.starts_with(given)).collect()
                    }
                };
                let found = match table.find(given) {
                    Ok(spec) => vec![spec.long],
                    Err(OptionError::Ambiguous { possible, .. }) => possible,
                    Err(error) => panic!("--{given}: {error}"),
                };
                assert_eq!(found, meant, "--{given}");
            }
        }
    }

    #[test]
    fn what_cannot_be_served_is_refused_by_name() {
        check(
            "--sync-from=tcp:1.2.3.4:5",
            "--sync-from is not supported by this server",
        );
        check("--replay", "--replay is not supported by this server");
        check(
            "relay:A:tcp:x",
            "relay:A:tcp:x: relays are not supported by this server",
        );
        check("relay:A relay:A: relay", "relay relay:A relay:A: | ");
        check("--create=x", "--create needs a DATABASE");
        check(
            "--create=/no/such a.db",
            "/no/such: failed to read schema (No such file or directory)",
        );
        check(
            "--http=localhost",
            "--http: \"localhost\" is neither IP:PORT nor unix:FILE",
        );
        check("--bogus", "unrecognized option '--bogus'");
    }
}
