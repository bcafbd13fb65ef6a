//! What can go wrong between a caller and a control socket.

use std::path::PathBuf;
use std::time::Duration;

use ovsdb_net::{NetError, PidfileError, RecvError, SendError};

/// Why a daemon could not be reached.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The daemon is not running, or not where it is looked for.
    #[error("cannot read pidfile \"{}\" ({})", .path.display(), .source.reason())]
    Pidfile {
        /// Where the pidfile should be.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: PidfileError,
    },
    /// Nobody listens.
    #[error("cannot connect to \"{}\" ({})", .path.display(), .source.reason())]
    Connect {
        /// The socket.
        path: PathBuf,
        /// What went wrong.
        #[source]
        source: NetError,
    },
    /// The daemon's queue of callers is full, and stayed so.
    #[error("cannot connect to \"{}\" within {after:?}", .path.display())]
    Deadline {
        /// The socket.
        path: PathBuf,
        /// How long it was tried.
        after: Duration,
    },
}

/// Why a connection brings no answer. After [`TransportError::Broken`] it is of no more use.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// The connection broke before the answer came, or what came is no answer to anybody.
    #[error("{target}: transaction error ({})", .source.reason())]
    Broken {
        /// The target as given.
        target: String,
        /// What went wrong.
        #[source]
        source: Broken,
    },
    /// The answer had not come in time. Should it still come, it is passed over.
    #[error("{target}: no answer to \"{command}\" within {after:?}")]
    Deadline {
        /// The target as given.
        target: String,
        /// The command.
        command: String,
        /// How long the answer was waited for.
        after: Duration,
    },
}

/// How a connection broke.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Broken {
    /// The command could not be sent.
    #[error(transparent)]
    Send(#[from] SendError),
    /// The answer could not be received.
    #[error(transparent)]
    Recv(#[from] RecvError),
}

impl Broken {
    /// The words that Open vSwitch programs print for this error.
    #[must_use]
    pub fn reason(&self) -> String {
        match self {
            Self::Send(error) => error.reason(),
            Self::Recv(error) => error.reason(),
        }
    }
}

/// Why a command has no answer that can be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// There is no answer.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The daemon refuses: it does not know the command, or it cannot do it now or not with these arguments.
    #[error("{target}: \"{command}\" is refused: {}", .text.trim_end())]
    Refused {
        /// The target as given.
        target: String,
        /// The command.
        command: String,
        /// The daemon's words.
        text: String,
    },
    /// The answer is JSON of another type than was asked for.
    #[error("{target}: \"{command}\" is answered with JSON of type {found}")]
    Type {
        /// The target as given.
        target: String,
        /// The command.
        command: String,
        /// The type that came.
        found: &'static str,
    },
    /// The answer is text that is no answer to this command.
    #[error("{target}: {source}")]
    Answer {
        /// The target as given.
        target: String,
        /// What is wrong with it.
        #[source]
        source: AnswerError,
    },
}

/// A text that is no answer to its command, of whatever version: something that each of them says is missing.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the answer to \"{command}\" does not say {missing}")]
pub struct AnswerError {
    /// The command.
    pub command: &'static str,
    /// What is not said, or not in a way that can be understood.
    pub missing: &'static str,
}
