//! The other end of the control socket: finding a daemon and calling its commands.

use std::path::PathBuf;

use ovsdb_net::{Connection, Method, NetError, RecvError, SendError};
use ovsdb_proto::json::Json;
use ovsdb_proto::jsonrpc::Message;

use super::default_socket_name;
use crate::dirs;
use crate::pidfile::{self, PidfileError};

/// Why a daemon could not be called. What it answers, be it an error, is none of these.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
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
    /// The connection broke before the answer came.
    #[error("{target}: transaction error ({reason})")]
    Broken {
        /// The target as given.
        target: String,
        /// The operating system's words.
        reason: String,
    },
}

/// The control socket of `target`: an absolute path of a socket, or a program's name, whose pidfile in the run folder
/// tells the rest.
///
/// # Errors
/// [`ClientError::Pidfile`].
pub fn socket_path(target: &str) -> Result<PathBuf, ClientError> {
    if target.starts_with('/') {
        return Ok(PathBuf::from(target));
    }
    let rundir = dirs::rundir();
    let path = rundir.join(format!("{target}.pid"));
    match pidfile::read(&path) {
        Ok(pid) => Ok(rundir.join(default_socket_name(target, pid))),
        Err(source) => Err(ClientError::Pidfile { path, source }),
    }
}

/// A connection to a daemon's control socket.
#[derive(Debug)]
pub struct Client {
    connection: Connection,
    target: String,
    next_id: i64,
}

impl Client {
    /// Connects to `target`; see [`socket_path`].
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn connect(target: &str) -> Result<Self, ClientError> {
        let path = socket_path(target)?;
        match Connection::connect(&Method::unix(&path)).await {
            Ok(connection) => Ok(Self {
                connection,
                target: target.to_owned(),
                next_id: 0,
            }),
            Err(source) => {
                tracing::warn!(target: "unixctl", "failed to connect to {}", path.display());
                Err(ClientError::Connect { path, source })
            }
        }
    }

    /// Calls a command and waits for the daemon's result (`Ok`) or error (`Err`).
    ///
    /// # Errors
    /// [`ClientError::Broken`].
    pub async fn call(
        &mut self,
        command: &str,
        args: &[String],
    ) -> Result<Result<Json, Json>, ClientError> {
        let id = Json::Integer(self.next_id);
        self.next_id += 1;
        let params = args.iter().map(|arg| Json::string(arg.as_str())).collect();
        let request = Message::request(command, params, id.clone());
        if let Err(error) = self.connection.send_message(&request).await {
            return Err(self.broken(&error));
        }
        loop {
            match self.connection.recv_message().await {
                Ok(Message::Reply { result, id: of }) if of == id => return Ok(Ok(result)),
                Ok(Message::Error { error, id: of }) if of == id => return Ok(Err(error)),
                // An answer to nothing that was asked is no answer.
                Ok(_) => {}
                Err(error) => return Err(self.broken(&error)),
            }
        }
    }

    fn broken(&self, error: &dyn Reason) -> ClientError {
        let reason = error.reason();
        tracing::warn!(target: "unixctl", "error communicating with {}: {reason}", self.connection.name());
        ClientError::Broken {
            target: self.target.clone(),
            reason,
        }
    }
}

trait Reason {
    fn reason(&self) -> String;
}

impl Reason for RecvError {
    fn reason(&self) -> String {
        RecvError::reason(self)
    }
}

impl Reason for SendError {
    fn reason(&self) -> String {
        SendError::reason(self)
    }
}

/// Connects to `target`, calls one command and returns the daemon's result or error.
///
/// # Errors
/// See [`ClientError`].
pub async fn call(
    target: &str,
    command: &str,
    args: &[String],
) -> Result<Result<Json, Json>, ClientError> {
    Client::connect(target).await?.call(command, args).await
}
