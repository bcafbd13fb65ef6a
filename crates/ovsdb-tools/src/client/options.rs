//! The options of ovsdb-client(1).

use ovsdb_daemon::daemonize::{self, Daemonize};
use ovsdb_daemon::options::{Arg, COMMON, Common, Spec, Table, unsigned};
use ovsdb_daemon::vlog;

use super::error::ClientError;
use crate::table::{Format, Style};
use crate::tls_options::{self, TlsOptions};

/// One option.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Opt {
    /// `-f`, `--format`.
    Format,
    /// `-d`, `--data`.
    Data,
    /// `--no-headings`.
    NoHeadings,
    /// `--pretty`.
    Pretty,
    /// `--bare`.
    Bare,
    /// `--max-column-width`.
    MaxColumnWidth,
    /// `--timestamp`.
    Timestamp,
    /// `--force`.
    Force,
    /// `--keep-uuids`.
    KeepUuids,
    /// `--watch`.
    #[cfg(feature = "sql")]
    Watch,
    /// `-t`, `--timeout`.
    Timeout,
    /// `--leader-only`.
    LeaderOnly,
    /// `--no-leader-only`.
    NoLeaderOnly,
    /// `--db-change-aware`.
    ChangeAware,
    /// `--no-db-change-aware`.
    NoChangeAware,
    /// A service that this program does not offer: it is known, so that it is refused by its name.
    Unsupported(&'static str),
    /// One of TLS.
    Tls(tls_options::Opt),
    /// One of a daemon.
    Daemon(daemonize::Opt),
    /// One of logging.
    Vlog(vlog::Opt),
    /// One that every program has.
    Common(Common),
}

/// All options, by heading.
pub fn options() -> Table<Opt> {
    let unsupported =
        |name, help| Spec::long(Opt::Unsupported(name), name, Arg::Optional("DIR"), help);
    Table::new()
        .group(
            "Output formatting options",
            [
                Spec::both(
                    Opt::Format,
                    "format",
                    'f',
                    Arg::Required("FORMAT"),
                    "lay tables out as FORMAT\n(\"table\", \"list\", \"html\", \"csv\" or \"json\")",
                ),
                Spec::both(
                    Opt::Data,
                    "data",
                    'd',
                    Arg::Required("FORMAT"),
                    "lay cells out as FORMAT\n(\"string\", \"bare\" or \"json\")",
                ),
                Spec::long(Opt::NoHeadings, "no-headings", Arg::No, "omit table heading row"),
                Spec::long(Opt::Pretty, "pretty", Arg::No, "pretty-print JSON in output"),
                Spec::long(
                    Opt::Bare,
                    "bare",
                    Arg::No,
                    "equivalent to\n\"--format=list --data=bare --no-headings\"",
                ),
                Spec::long(
                    Opt::MaxColumnWidth,
                    "max-column-width",
                    Arg::Required("N"),
                    "cut cells of tables after N bytes",
                ),
                Spec::long(Opt::Timestamp, "timestamp", Arg::No, "timestamp \"monitor\" output"),
            ],
        )
        .group(
            "Command options",
            [
                Spec::long(
                    Opt::Force,
                    "force",
                    Arg::No,
                    "let \"restore\" ignore differences of schemas",
                ),
            Spec::own(
                Opt::KeepUuids,
                "keep-uuids",
                Arg::No,
                "have \"restore\" give rows the UUIDs of the snapshot",
            ),
                #[cfg(feature = "sql")]
                Spec::own(
                    Opt::Watch,
                    "watch",
                    Arg::No,
                    "let \"sql\" answer again whenever the answer changes",
                ),
            ],
        )
        .group(
            "Connection options",
            [
                Spec::both(
                    Opt::Timeout,
                    "timeout",
                    't',
                    Arg::Required("SECS"),
                    "end after SECS seconds, with SIGALRM",
                ),
                Spec::long(
                    Opt::LeaderOnly,
                    "leader-only",
                    Arg::No,
                    "of several servers, accept the leader only\n(the default)",
                ),
                Spec::long(
                    Opt::NoLeaderOnly,
                    "no-leader-only",
                    Arg::No,
                    "accept any server of the cluster",
                ),
                Spec::long(
                    Opt::ChangeAware,
                    "db-change-aware",
                    Arg::No,
                    "insist on being told of database changes",
                ),
                Spec::long(
                    Opt::NoChangeAware,
                    "no-db-change-aware",
                    Arg::No,
                    "do not ask to be told of database changes",
                ),
            ],
        )
        .shared(tls_options::FILES_TITLE, tls_options::FILES, Opt::Tls)
        .shared(tls_options::PROTOCOL_TITLE, tls_options::PROTOCOL, Opt::Tls)
        .shared("Daemon options", daemonize::OPTIONS, Opt::Daemon)
        .shared("Logging options", vlog::OPTIONS, Opt::Vlog)
        .group(
            "Options of services that are not supported",
            [
                unsupported("record", "write a recording"),
                unsupported("replay", "run from a recording"),
            ],
        )
        .shared("Other options", COMMON, Opt::Common)
        // The reference does not have this, and its abbreviations are to be good here.
        .whole(&["option"])
        .possibilities(&REFERENCE_ORDER)
}

/// The order in which the reference knows its options: errors about abbreviations name them in it.
const REFERENCE_ORDER: [&str; 36] = [
    "help",
    "version",
    "timestamp",
    "force",
    "timeout",
    "db-change-aware",
    "no-db-change-aware",
    "leader-only",
    "no-leader-only",
    "verbose",
    "log-file",
    "syslog-method",
    "syslog-target",
    "detach",
    "no-self-confinement",
    "no-chdir",
    "pidfile",
    "overwrite-pidfile",
    "monitor",
    "user",
    "bootstrap-ca-cert",
    "private-key",
    "certificate",
    "ca-cert",
    "ssl-protocols",
    "ssl-ciphers",
    "ssl-ciphersuites",
    "ssl-server-name",
    "format",
    "data",
    "no-headings",
    "pretty",
    "bare",
    "max-column-width",
    "record",
    "replay",
];

/// Whether to ask the server to tell of database changes instead of closing the connection.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum ChangeAware {
    /// Where it is of use, and if the server can.
    #[default]
    IfPossible,
    /// Everywhere, and it is an error if the server cannot.
    Required,
    /// Nowhere.
    Never,
}

/// What the options say, apart from those that take effect at once.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How to print.
    pub style: Style,
    /// Whether monitors tell the time.
    pub timestamp: bool,
    /// Whether `restore` ignores differences of schemas.
    pub force: bool,
    /// Whether `restore` gives rows the UUIDs that they have in the snapshot.
    pub keep_uuids: bool,
    /// Whether `sql` goes on.
    pub watch: bool,
    /// The program's lifetime in seconds.
    pub timeout_s: Option<u32>,
    /// Whether, of several servers, only a leader will do.
    pub leader_only: bool,
    /// Whether to be told of database changes.
    pub change_aware: ChangeAware,
    /// How to speak TLS.
    pub tls: TlsOptions,
    /// How to go to the background.
    pub daemonize: Daemonize,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            style: Style::new(Format::Table),
            timestamp: false,
            force: false,
            keep_uuids: false,
            watch: false,
            timeout_s: None,
            leader_only: true,
            change_aware: ChangeAware::default(),
            tls: TlsOptions::default(),
            daemonize: Daemonize::new(),
        }
    }
}

impl Settings {
    /// Takes one option, except those of [`COMMON`], which print something instead.
    ///
    /// # Errors
    ///
    /// When its argument is wrong.
    pub fn apply(&mut self, option: Opt, value: Option<&str>) -> Result<(), ClientError> {
        let argument = value.unwrap_or_default();
        match option {
            Opt::Format => self.style.format = argument.parse()?,
            Opt::Data => self.style.cells = argument.parse()?,
            Opt::NoHeadings => self.style.headings = false,
            Opt::Pretty => self.style.pretty = true,
            Opt::Bare => self.style.set_bare(),
            Opt::MaxColumnWidth => self.style.set_max_column_width(argument),
            Opt::Timestamp => self.timestamp = true,
            Opt::Force => self.force = true,
            Opt::KeepUuids => self.keep_uuids = true,
            #[cfg(feature = "sql")]
            Opt::Watch => self.watch = true,
            Opt::Timeout => match unsigned(argument) {
                Some(seconds) if seconds > 0 => self.timeout_s = Some(seconds),
                _ => return Err(ClientError::Timeout(argument.to_owned())),
            },
            Opt::LeaderOnly => self.leader_only = true,
            Opt::NoLeaderOnly => self.leader_only = false,
            Opt::ChangeAware => self.change_aware = ChangeAware::Required,
            Opt::NoChangeAware => self.change_aware = ChangeAware::Never,
            Opt::Unsupported(name) => return Err(ClientError::Unsupported(name)),
            Opt::Tls(option) => self.tls.apply(option, argument),
            Opt::Daemon(option) => self.daemonize.apply(option, value)?,
            Opt::Vlog(option) => vlog::apply(option, value)?,
            Opt::Common(_) => {}
        }
        Ok(())
    }
}
