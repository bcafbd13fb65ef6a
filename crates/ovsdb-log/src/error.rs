//! Why a log could not do what it was asked, in the words that scripts and people know from ovsdb(5) programs.
//!
//! `Display` gives the whole text (`I/O error: db: open failed (No such file or directory)`); [`LogError::kind`],
//! [`LogError::details`] and [`LogError::os_error`] give its parts, for replies that carry them apart.

use std::fmt;
use std::io;

/// An error number of the operating system, shown as C's `strerror` shows it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct OsError(i32);

impl OsError {
    /// Wraps an `errno` value.
    pub fn from_raw(code: i32) -> OsError {
        OsError(code)
    }

    /// The `errno` value.
    pub fn raw(self) -> i32 {
        self.0
    }
}

impl From<io::Error> for OsError {
    fn from(error: io::Error) -> OsError {
        OsError::from(&error)
    }
}

impl From<&io::Error> for OsError {
    fn from(error: &io::Error) -> OsError {
        // An error that the standard library made up itself carries no number; all of those mean that the device did
        // not do as it was told.
        OsError(
            error
                .raw_os_error()
                .unwrap_or(rustix::io::Errno::IO.raw_os_error()),
        )
    }
}

impl From<rustix::io::Errno> for OsError {
    fn from(errno: rustix::io::Errno) -> OsError {
        OsError(errno.raw_os_error())
    }
}

impl fmt::Display for OsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The standard library appends " (os error N)" to what strerror_r() says.
        let text = io::Error::from_raw_os_error(self.0).to_string();
        let suffix = format!(" (os error {})", self.0);
        f.write_str(text.strip_suffix(suffix.as_str()).unwrap_or(&text))
    }
}

/// The class of an error: the first word of its text, and the `error` member where it goes into a reply.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The operating system refused, or the file ended too early.
    Io,
    /// The file's contents are not what they should be.
    Syntax,
    /// Anything else.
    Other,
}

impl ErrorKind {
    /// The words that begin an error of this class.
    pub fn as_str(self) -> &'static str {
        match self {
            ErrorKind::Io => "I/O error",
            ErrorKind::Syntax => "syntax error",
            ErrorKind::Other => "ovsdb error",
        }
    }
}

/// Why a lock file could not be locked. Each case has been logged as a warning already.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum LockError {
    /// This process holds the lock.
    #[error("{}", self.os_error())]
    HeldByThisProcess,
    /// Another process holds the lock; its process id where the system tells it.
    #[error("{}", self.os_error())]
    HeldByProcess(Option<i32>),
    /// The lock file could not be looked at, opened or locked.
    #[error("{0}")]
    Os(OsError),
}

impl LockError {
    /// The error number that stands for this refusal.
    pub fn os_error(self) -> OsError {
        match self {
            LockError::HeldByThisProcess => rustix::io::Errno::DEADLK.into(),
            LockError::HeldByProcess(_) => rustix::io::Errno::AGAIN.into(),
            LockError::Os(code) => code,
        }
    }
}

/// Why an operation on a log failed.
///
/// `name` is always the name of the file as the caller gave it.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{}: {}{}", self.kind().as_str(), self.details(), Parenthesis(self.reason()))]
#[non_exhaustive]
pub enum LogError {
    /// The lock file `.NAME.~lock~` could not be locked.
    Lock {
        /// The database file, not the lock file.
        name: String,
        /// Who or what stands in the way.
        source: LockError,
    },
    /// The file could not be opened or created.
    Open {
        /// The file.
        name: String,
        /// `open`, `create` or `create or open`.
        action: &'static str,
        /// The system's reason.
        code: OsError,
    },
    /// Another file operation failed.
    Io {
        /// What was tried, with the file's name.
        context: String,
        /// The system's reason.
        code: OsError,
    },
    /// The file ends, or cannot be read, inside the data of a record.
    ShortData {
        /// The file.
        name: String,
        /// How many bytes were still to be read.
        length: u64,
        /// Where the data of the record begins.
        offset: u64,
        /// The system's reason; `None` at the end of the file.
        code: Option<OsError>,
    },
    /// The file does not begin with a record of any kind.
    UnexpectedFormat {
        /// The file.
        name: String,
    },
    /// The file's magic is not among those asked for, or it is empty and there is a choice.
    UnknownType {
        /// The file.
        name: String,
    },
    /// A header line is not one.
    Header {
        /// The file.
        name: String,
        /// Where the header line begins.
        offset: u64,
        /// The line, as far as it could be made out.
        line: String,
    },
    /// The data of a record do not have the hash that its header states.
    Sha1 {
        /// The file.
        name: String,
        /// Length of the data in bytes.
        length: u64,
        /// Where the data begin.
        offset: u64,
        /// The hash of the data, in hexadecimal digits.
        actual: String,
        /// The hash in the header, in hexadecimal digits.
        expected: String,
    },
    /// The caller found the data of a record not to be JSON.
    NotJson {
        /// The file.
        name: String,
        /// Length of the data in bytes.
        length: u64,
        /// Where the data begin.
        offset: u64,
        /// The parser's reason.
        reason: String,
    },
    /// The caller found the data of a record to be JSON, but not an object.
    NotObject {
        /// The file.
        name: String,
        /// Length of the data in bytes.
        length: u64,
        /// Where the data begin.
        offset: u64,
    },
    /// Records were taken back, the log stopped accepting any, or another replacement was begun, after this one had been
    /// begun. The old file stays in place; a new replacement may succeed.
    StaleReplacement {
        /// The file.
        name: String,
    },
}

impl LogError {
    pub(crate) fn io(context: String, code: impl Into<OsError>) -> LogError {
        LogError::Io {
            context,
            code: code.into(),
        }
    }

    /// The class of this error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            LogError::Lock { .. }
            | LogError::Open { .. }
            | LogError::Io { .. }
            | LogError::ShortData { .. } => ErrorKind::Io,
            LogError::Header { .. }
            | LogError::Sha1 { .. }
            | LogError::NotJson { .. }
            | LogError::NotObject { .. } => ErrorKind::Syntax,
            LogError::UnexpectedFormat { .. }
            | LogError::UnknownType { .. }
            | LogError::StaleReplacement { .. } => ErrorKind::Other,
        }
    }

    /// Whether the system could not read the file, which says nothing about what is in it.
    pub fn is_unreadable(&self) -> bool {
        matches!(
            self,
            LogError::Io { .. } | LogError::ShortData { code: Some(_), .. }
        )
    }

    /// The text between class and reason.
    pub fn details(&self) -> String {
        match self {
            LogError::Lock { name, .. } => format!("{name}: failed to lock lockfile"),
            LogError::Open { name, action, .. } => format!("{name}: {action} failed"),
            LogError::Io { context, .. } => context.clone(),
            LogError::ShortData {
                name,
                length,
                offset,
                ..
            } => {
                format!("{name}: error reading {length} bytes starting at offset {offset}")
            }
            LogError::UnexpectedFormat { name } => format!("{name}: unexpected file format"),
            LogError::UnknownType { name } => format!("{name}: cannot identify file type"),
            LogError::Header { name, offset, line } => {
                format!("{name}: parse error at offset {offset} in header line \"{line}\"")
            }
            LogError::Sha1 {
                name,
                length,
                offset,
                actual,
                expected,
            } => format!(
                "{name}: {length} bytes starting at offset {offset} have SHA-1 hash {actual} but should have hash \
                 {expected}"
            ),
            LogError::NotJson {
                name,
                length,
                offset,
                reason,
            } => {
                format!(
                    "{name}: {length} bytes starting at offset {offset} are not valid JSON ({reason})"
                )
            }
            LogError::NotObject {
                name,
                length,
                offset,
            } => {
                format!("{name}: {length} bytes starting at offset {offset} are not a JSON object")
            }
            LogError::StaleReplacement { name } => {
                format!("{name}: records were taken back while a replacement was being written")
            }
        }
    }

    /// The system's reason, where there is one.
    pub fn os_error(&self) -> Option<OsError> {
        match self {
            LogError::Lock { source, .. } => Some(source.os_error()),
            LogError::Open { code, .. } | LogError::Io { code, .. } => Some(*code),
            LogError::ShortData { code, .. } => *code,
            _ => None,
        }
    }

    /// The text of the reason, as it goes into the `io-error` member of a reply: the system's words, or `End of file`.
    pub fn reason(&self) -> Option<String> {
        match self {
            LogError::ShortData { code: None, .. } => Some("End of file".to_owned()),
            _ => self.os_error().map(|code| code.to_string()),
        }
    }
}

/// A reason in parentheses, or nothing.
struct Parenthesis(Option<String>);

impl fmt::Display for Parenthesis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(text) => write!(f, " ({text})"),
            None => Ok(()),
        }
    }
}
