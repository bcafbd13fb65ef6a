//! The options of `ovsdb-tool`: those of ovsdb-tool(1), and those of the commands that other programs of this name do not have.

use ovsdb_daemon::options::{Arg, COMMON, Common, Spec, Table};
use ovsdb_daemon::vlog;

/// The options.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Opt {
    /// `-m`, `--more`.
    More,
    /// `--rbac-role`.
    RbacRole,
    /// `--cid`.
    Cid,
    /// `--election-timer`.
    ElectionTimer,
    /// `-f`, `--format`.
    Format,
    /// `--since`.
    Since,
    /// `--until`.
    Until,
    /// `--table`.
    Table,
    /// `--row`.
    Row,
    /// `--column`.
    Column,
    /// `--comment`.
    Comment,
    /// `--limit`.
    Limit,
    /// `--oldest-first`.
    OldestFirst,
    /// `--at`.
    At,
    /// One of logging.
    Vlog(vlog::Opt),
    /// One that every program has.
    Common(Common),
}

impl Opt {
    /// Whether it means something to some commands only, which name it. Options of ovsdb-tool(1) are not among them: commands
    /// that have no use for these ignore them.
    pub(super) fn is_of_some(self) -> bool {
        match self {
            Opt::Format
            | Opt::Since
            | Opt::Until
            | Opt::Table
            | Opt::Row
            | Opt::Column
            | Opt::Comment
            | Opt::Limit
            | Opt::OldestFirst
            | Opt::At => true,
            Opt::More
            | Opt::RbacRole
            | Opt::Cid
            | Opt::ElectionTimer
            | Opt::Vlog(_)
            | Opt::Common(_) => false,
        }
    }

    /// Its name, without the hyphens.
    pub(super) fn name(self) -> &'static str {
        let table = options();
        let spec = table.specs().find(|spec| spec.id == self);
        spec.expect("the table has all options").long
    }
}

/// The options of `ovsdb-tool`.
pub fn options() -> Table<Opt> {
    Table::new()
        .shared("Logging options", vlog::OPTIONS, Opt::Vlog)
        .group(
            "Other options",
            [
                Spec::both(
                    Opt::More,
                    "more",
                    'm',
                    Arg::No,
                    "print more with show-log; may be repeated",
                ),
                Spec::long(
                    Opt::RbacRole,
                    "rbac-role",
                    Arg::Required("ROLE"),
                    "the role under which transact and query run",
                ),
                Spec::both(
                    Opt::Format,
                    "format",
                    'f',
                    Arg::Required("FORMAT"),
                    "schema-doc: markdown or html; schema-dot: dot; log, blame and diff: text or json",
                ),
            ],
        )
        .group(
            "Options for clustered databases, which are not supported",
            [
                Spec::long(
                    Opt::Cid,
                    "cid",
                    Arg::Required("UUID"),
                    "the cluster that join-cluster would join",
                ),
                Spec::long(
                    Opt::ElectionTimer,
                    "election-timer",
                    Arg::Required("MS"),
                    "milliseconds until a cluster of create-cluster would elect a leader",
                ),
            ],
        )
        .group(
            "Options for the past",
            [
                Spec::own(
                    Opt::Since,
                    "since",
                    Arg::Required("TIME"),
                    "log: only what happened at TIME or later",
                ),
                Spec::own(
                    Opt::Until,
                    "until",
                    Arg::Required("TIME"),
                    "log: only what happened at TIME or earlier",
                ),
                Spec::own(
                    Opt::Table,
                    "table",
                    Arg::Required("TABLE"),
                    "log: only changes in TABLE",
                ),
                Spec::own(
                    Opt::Row,
                    "row",
                    Arg::Required("ROW"),
                    "log: only changes of ROW: a UUID or its beginning, a name, or COLUMN=VALUE",
                ),
                Spec::own(
                    Opt::Column,
                    "column",
                    Arg::Required("COLUMN"),
                    "log: only changes of COLUMN",
                ),
                Spec::own(
                    Opt::Comment,
                    "comment",
                    Arg::Required("TEXT"),
                    "log: only transactions with TEXT in their comment",
                ),
                Spec::own(
                    Opt::Limit,
                    "limit",
                    Arg::Required("N"),
                    "log: at most N transactions",
                ),
                Spec::own(
                    Opt::OldestFirst,
                    "oldest-first",
                    Arg::No,
                    "log: in the order in which things happened",
                ),
                Spec::own(
                    Opt::At,
                    "at",
                    Arg::Required("MOMENT"),
                    "restore: a time, or the number of a record",
                ),
            ],
        )
        .shared("More options", COMMON, Opt::Common)
        // The reference does not have these, and its abbreviations are to be good here.
        .whole(&["log-file", "syslog-method", "syslog-target", "format"])
        .possibilities(&REFERENCE_ORDER)
}

/// The order in which the reference knows its options: errors about abbreviations, and the list of options, name them in it.
const REFERENCE_ORDER: [&str; 8] = [
    "more",
    "rbac-role",
    "cid",
    "election-timer",
    "verbose",
    "help",
    "option",
    "version",
];
