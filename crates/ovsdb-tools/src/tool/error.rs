//! Why `ovsdb-tool` fails, each cause with the words that its users know. Every failure ends with exit code 1, of `diff` with 2.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;

use ovsdb_daemon::vlog::VlogOptionError;
use ovsdb_log::{LockError, LogError, OsError};
use ovsdb_proto::error::OvsdbError;
use ovsdb_proto::json::JsonError;
use ovsdb_proto::uuid::Uuid;
use ovsdb_server::file::FileError;
use ovsdb_server::past::PastError;

use crate::timestamp;

/// A failure of the program.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// There is no command on the command line.
    #[error("missing command name; use --help for help")]
    MissingCommand,
    /// The command does not exist.
    #[error("unknown command '{0}'; use --help for help")]
    UnknownCommand(String),
    /// The command has too few arguments.
    #[error("'{command}' command requires at least {min} arguments")]
    TooFewArguments {
        /// The command.
        command: &'static str,
        /// How many it wants.
        min: usize,
    },
    /// The command has too many arguments.
    #[error("'{command}' command takes at most {max} arguments")]
    TooManyArguments {
        /// The command.
        command: &'static str,
        /// How many it takes.
        max: usize,
    },
    /// The command does not take an option that was given.
    #[error("'{command}' command does not take --{option}; use '{command} --help' for help")]
    OptionOfOthers {
        /// The command.
        command: &'static str,
        /// The option, without hyphens.
        option: &'static str,
    },
    /// The argument of `--cid` is no UUID, or zeros.
    #[error("{0}: not a valid UUID")]
    ClusterId(String),
    /// The argument of `--election-timer` is none.
    #[error("ovsdb error: election timer must be between {min} and {max}, in msec.")]
    ElectionTimer {
        /// The least, in milliseconds.
        min: i64,
        /// The most, in milliseconds.
        max: i64,
    },
    /// The command is for clustered databases, or a file is one; the text names it.
    #[error("{0}: clustered databases are not supported by this program")]
    Clustered(String),
    /// The command is for clustered databases, and the file is none.
    #[error("{0}: not a clustered database")]
    NotClustered(String),
    /// The file that `cluster-to-standalone` is to convert is none of a clustered database.
    #[error("Database is not clustered db.\n")]
    NothingToConvert,
    /// A logging option is refused.
    #[error(transparent)]
    Vlog(#[from] VlogOptionError),
    /// A file of a database cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// A record cannot be read or written.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A schema does not make sense, or its file cannot be read.
    #[error(transparent)]
    Schema(#[from] OvsdbError),
    /// The contents of a database do not obey the schema that it is to have.
    #[error("{0}")]
    Conversion(OvsdbError),
    /// A transaction is not JSON.
    #[error("\"{text}\": {source}")]
    Transaction {
        /// The transaction as given.
        text: String,
        /// What is wrong with it.
        source: JsonError,
    },
    /// A file is being written by someone else.
    #[error("{}: failed to lock lockfile ({source})", .path.display())]
    Lock {
        /// The file.
        path: PathBuf,
        /// Who or what stands in the way.
        source: LockError,
    },
    /// A new file cannot take its place.
    #[error("failed to rename \"{}\" to \"{}\" ({code})", .from.display(), .to.display())]
    Rename {
        /// The new file.
        from: PathBuf,
        /// Its place.
        to: PathBuf,
        /// The system's reason.
        code: OsError,
    },
    /// Not a version of a schema.
    #[error("{0}: not an OVSDB version number in format x.y.z")]
    Version(String),
    /// Not a comparison.
    #[error("{0}: not a relational operator")]
    Operator(String),
    /// The command does not write in that format.
    #[error("unknown format \"{format}\" (known here: {known})")]
    UnknownFormat {
        /// The value of `--format`.
        format: String,
        /// What could have been given.
        known: &'static str,
    },
    /// Not a time.
    #[error(
        "{place}: \"{text}\" is not a time; try 2026-11-22T10:00:00Z, \"2026-11-22 10:00\" (UTC), \"2 hours ago\", or milliseconds since 1970"
    )]
    Time {
        /// The option or the argument.
        place: String,
        /// What should be a time.
        text: String,
    },
    /// Not a number of records.
    #[error("--limit: \"{0}\" is not a number of records")]
    Limit(String),
    /// A command needs an option that is missing.
    #[error("'{command}' command requires {option}")]
    MissingOption {
        /// The command.
        command: &'static str,
        /// The option.
        option: &'static str,
    },
    /// A moment cannot be told.
    #[error("{}", past_text(.0))]
    Past(#[from] PastError),
    /// The database has no such table.
    #[error("{name}: there is no table {table}; there are {}", some(.known))]
    NoSuchTable {
        /// The file.
        name: String,
        /// The table.
        table: String,
        /// The tables that there are.
        known: Vec<String>,
    },
    /// The table has no such column, or no table has.
    #[error("{name}: there is no column {column} in {}", .table.as_deref().unwrap_or("any table"))]
    NoSuchColumn {
        /// The file.
        name: String,
        /// The table, if one was named.
        table: Option<String>,
        /// The column.
        column: String,
    },
    /// The file tells of no such row.
    #[error("{name}: there never was a row {text} in {}", .table.as_deref().unwrap_or("any table"))]
    NoSuchRow {
        /// The file.
        name: String,
        /// The table, if one was named.
        table: Option<String>,
        /// The row.
        text: String,
    },
    /// Several rows may be meant.
    #[error("{name}: {text} may be any of several rows: {}", some(.uuids))]
    AmbiguousRow {
        /// The file.
        name: String,
        /// What was given.
        text: String,
        /// The rows.
        uuids: Vec<String>,
    },
    /// A file that is to be made is there already.
    #[error("{}: exists already", .0.display())]
    Exists(PathBuf),
    /// There is no room for a temporary file.
    #[error("cannot use a temporary file ({0})")]
    Temporary(#[source] io::Error),
    /// Nobody takes what is printed.
    #[error("write to stdout failed")]
    Output(#[from] io::Error),
}

/// So many of several things that may be meant are named.
const SHOWN_MAX: usize = 8;

/// The first of several things, and how many more there are.
fn some(names: &[String]) -> String {
    let shown = names[..names.len().min(SHOWN_MAX)].join(", ");
    match names.len().saturating_sub(SHOWN_MAX) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// The error with dates as the commands print them.
fn past_text(error: &PastError) -> String {
    match error {
        PastError::BeforeBeginning {
            name,
            asked_ms,
            begin_ms,
        } => format!(
            "{name}: nothing is known of {}, since the first record is of {}",
            timestamp::text(*asked_ms),
            timestamp::text(*begin_ms)
        ),
        other => other.to_string(),
    }
}

impl ToolError {
    /// `text` may mean any of these rows of the file `name`.
    pub(super) fn ambiguous(name: &str, text: &str, rows: &BTreeSet<Uuid>) -> ToolError {
        ToolError::AmbiguousRow {
            name: name.to_owned(),
            text: text.to_owned(),
            uuids: rows.iter().map(Uuid::to_string).collect(),
        }
    }

    /// Whether the logs are told as well: of errors in the command's words, as opposed to those of its work.
    pub(super) fn is_logged(&self) -> bool {
        matches!(
            self,
            ToolError::UnknownCommand(_)
                | ToolError::TooFewArguments { .. }
                | ToolError::TooManyArguments { .. }
                | ToolError::Output(_)
        )
    }
}
