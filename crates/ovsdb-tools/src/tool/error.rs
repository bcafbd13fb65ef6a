//! Why `ovsdb-tool` fails, each cause with the words that its users know. Every failure ends with exit code 1.

use std::io;
use std::path::PathBuf;

use ovsdb_log::{LockError, LogError, OsError};
use ovsdb_proto::error::OvsdbError;
use ovsdb_proto::json::JsonError;
use ovsdb_server::file::FileError;

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
    /// Nobody takes what is printed.
    #[error("write to stdout failed")]
    Output(#[from] io::Error),
}

impl ToolError {
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
