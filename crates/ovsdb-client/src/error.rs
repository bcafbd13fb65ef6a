//! What can go wrong between a client and its server.

use std::io;
use std::sync::Arc;

use ovsdb_net::errno_text;
use ovsdb_proto::json::Json;

/// Why a session has ended. It can be cloned: every request that was waiting is told.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Disconnect {
    /// The server closed the connection.
    #[error("End of file")]
    EndOfFile,
    /// Reading or writing failed.
    #[error("{}", errno_text(.0))]
    Io(Arc<io::Error>),
    /// What the server sent is not JSON-RPC; the log says why.
    #[error("Protocol error")]
    Protocol,
    /// The server sent more `echo` requests than it read answers to.
    #[error("the server probes without reading the answers")]
    Probes,
    /// This side gave the session up.
    #[error("the session was closed")]
    Closed,
}

/// Why a request has no result.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// The server answered with an error: the reply's `error` member.
    #[error("{0}")]
    Server(Json),
    /// The session ended before the reply came. The request may or may not have taken effect.
    #[error(transparent)]
    Disconnected(#[from] Disconnect),
    /// The reply had not come at the deadline. The request may still take effect.
    #[error("no reply before the deadline")]
    DeadlineExceeded,
}
