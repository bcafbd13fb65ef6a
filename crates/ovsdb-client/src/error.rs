//! What can go wrong between a client and its server.

use std::io;
use std::sync::Arc;

use ovsdb_net::{MethodError, errno_text};
use ovsdb_proto::json::Json;
use ovsdb_proto::words::Method;

use crate::upstream::Rejection;

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
    /// The server did not answer a probe in time.
    #[error("no response to inactivity probe")]
    Silent,
    /// A replica had no use for what the server sent.
    #[error(transparent)]
    Rejected(Rejection),
    /// The server does not serve the database, or not as was asked.
    #[error(transparent)]
    Unfit(Unfit),
    /// This client was told to make another connection, or to use other servers.
    #[error("another connection was asked for")]
    Asked,
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
    Disconnected(Disconnect),
    /// The session ended before the request was sent. It certainly has no effect.
    #[error(transparent)]
    NotSent(Disconnect),
    /// The reply had not come at the deadline. The request may still take effect.
    #[error("no reply before the deadline")]
    DeadlineExceeded,
    /// There was no connection. The request certainly has no effect.
    #[error(transparent)]
    NotConnected(#[from] ConnectError),
    /// The server answered with a result that this method does not have.
    #[error("unexpected result of \"{method}\": {why}")]
    Unexpected {
        /// The method.
        method: Method,
        /// What is wrong with the result.
        why: String,
    },
}

/// Why a server will not do.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Unfit {
    /// It does not have the database.
    #[error("the server does not have the database")]
    NoSuchDatabase,
    /// The database is not that of the cluster that was asked for.
    #[error("the database is not that of the cluster")]
    WrongCluster,
    /// It is to serve the database as part of a cluster or from another server, and has not got it yet.
    #[error(
        "the server has not joined its cluster yet, or has not reached the server that it relays"
    )]
    NotJoined,
    /// It is cut off from where the database comes from.
    #[error(
        "the server is cut off from the rest of its cluster, or from the server that it relays"
    )]
    Disconnected,
    /// It does not lead its cluster, and a leader was asked for.
    #[error("the server does not lead its cluster")]
    NotLeader,
    /// It shows the past: it lacks what this client has seen already.
    #[error(
        "the server has only {index} entries of its cluster's log, and {min} were seen elsewhere"
    )]
    Stale {
        /// How far the server has come in the log of the cluster.
        index: i64,
        /// How far others had come.
        min: i64,
    },
    /// It relays another server, and so cannot lead; a leader was asked for.
    #[error("the server only relays the database")]
    Relay,
    /// It has the database and does not say how it is made.
    #[error("the server does not say what schema the database has")]
    NoSchema,
    /// It lives, and does not answer what it is asked about the database.
    #[error("the server does not say whether it has the database")]
    Undecided,
    /// It answered what it was asked about its databases with something else.
    #[error("{0}")]
    Protocol(String),
}

/// Why there is no connection.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// No connection method was given.
    #[error("no server given")]
    NoServers,
    /// A connection method is not usable as written.
    #[error(transparent)]
    Method(#[from] MethodError),
    /// There was none at the deadline.
    #[error("not connected before the deadline: {}", last.as_deref().unwrap_or("no attempt has ended"))]
    Deadline {
        /// Why the last attempt failed.
        last: Option<Arc<str>>,
    },
    /// The client has been closed.
    #[error("the client is closed")]
    Closed,
    /// A [blocking](crate::blocking) call came from within an asynchronous runtime.
    #[error("a blocking call would hold up the asynchronous runtime that it comes from")]
    InsideRuntime,
    /// The system has no thread or no descriptor for a [blocking](crate::blocking) client.
    #[error("cannot start the runtime of a blocking client: {0}")]
    Runtime(io::ErrorKind),
}
