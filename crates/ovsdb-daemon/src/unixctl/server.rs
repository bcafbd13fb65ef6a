//! The daemon's end of the control socket.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ovsdb_net::{Connection, Limits, Listener, Method, NetError, Stream, control_socket_name};
use ovsdb_proto::json::Json;
use ovsdb_proto::jsonrpc::Message;
use tokio::sync::Semaphore;

use super::commands::{Answer, Commands, Format, with_newline};
use crate::coverage::Counter;
use crate::dirs;
use crate::options::{Arg, Order, Spec, Table};
use crate::program;

/// Connections served at a time; further ones wait.
const CONNECTIONS_MAX: usize = 256;

/// Longest request, in bytes.
const REQUEST_BYTES_MAX: usize = 16 << 20;

/// The pause after a failure to accept, which would otherwise repeat at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

static RECEIVED: Counter = Counter::new("unixctl_received");
static REPLIED: Counter = Counter::new("unixctl_replied");

/// The control socket could not be set up.
#[derive(Debug, thiserror::Error)]
#[error("{}: could not initialize control socket ({})", .path.display(), .source.reason())]
pub struct ServerError {
    /// Where it should have been.
    pub path: PathBuf,
    /// What went wrong.
    #[source]
    pub source: NetError,
}

/// A control socket that is listened on. Its file goes when this is dropped.
#[derive(Debug)]
pub struct Server {
    listener: Listener,
    path: PathBuf,
    commands: Commands,
}

impl Server {
    /// Listens on `path`, on `NAME.PID.ctl` without one, relative to the run folder; not at all (`None`) on `none`.
    /// A daemon calls this after it has detached, because of the process id in the name.
    ///
    /// # Errors
    /// See [`ServerError`].
    pub async fn bind(path: Option<&str>, commands: Commands) -> Result<Option<Self>, ServerError> {
        if path == Some("none") {
            return Ok(None);
        }
        let name = path.map_or_else(
            || control_socket_name(program::name(), std::process::id()),
            str::to_owned,
        );
        let path = dirs::rundir().join(name);
        match Listener::bind(&Method::punix(&path)).await {
            Ok(listener) => Ok(Some(Self {
                listener,
                path,
                commands,
            })),
            Err(source) => Err(ServerError { path, source }),
        }
    }

    /// Where the socket is.
    #[must_use]
    pub fn path(&self) -> &std::path::Path {
        &self.path
    }

    /// Serves for ever, every connection in a task of its own. Dropping the future stops listening; tasks of standing
    /// connections go on.
    pub async fn run(self) -> std::convert::Infallible {
        let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        loop {
            let slot = Arc::clone(&slots)
                .acquire_owned()
                .await
                .expect("the semaphore is never closed");
            match self.listener.accept().await {
                Ok(stream) => {
                    let commands = self.commands.clone();
                    tokio::spawn(async move {
                        serve(stream, &commands).await;
                        drop(slot);
                    });
                }
                Err(error) => {
                    tracing::warn!(target: "unixctl", per_minute = 5, burst = 5,
                        "{}: accept failed: {}", self.listener.name(), ovsdb_net::errno_text(&error));
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

async fn serve(stream: Stream, commands: &Commands) {
    let limits = Limits {
        message_bytes_max: REQUEST_BYTES_MAX,
        ..Limits::default()
    };
    let mut connection = Connection::new(stream, limits);
    let mut format = Format::default();
    // Errors end the connection and are logged where they arise.
    while let Ok(message) = connection.recv_message().await {
        let Message::Request { method, params, id } = message else {
            tracing::warn!(target: "unixctl", per_minute = 5, burst = 5,
                "{}: received unexpected {} message", connection.name(), message.kind());
            return;
        };
        RECEIVED.add(1);
        tracing::debug!(target: "unixctl", "received request {method}{}, id={id}", Json::Array(params.clone()));
        let result = match commands.start(&method, &params, format) {
            Ok(_) if method == "set-options" => set_options(&params, &mut format),
            Ok(pending) => pending.await,
            Err(error) => Err(error),
        };
        let (reply, then) = match result {
            Ok(answer) => {
                let (result, then) = answer.into_parts(format);
                tracing::debug!(target: "unixctl", "replying with success, id={id}: \"{result}\"");
                (Message::Reply { result, id }, then)
            }
            Err(error) => {
                let error = Json::string(with_newline(&error));
                tracing::debug!(target: "unixctl", "replying with error, id={id}: \"{error}\"");
                (Message::Error { error, id }, None)
            }
        };
        REPLIED.add(1);
        let sent = connection.send_message(&reply).await;
        if let Some(then) = then {
            then();
        }
        if sent.is_err() {
            return;
        }
    }
}

fn set_options(params: &[Json], format: &mut Format) -> Result<Answer, String> {
    let table = Table::new().group("", [Spec::long((), "format", Arg::Required("FORMAT"), "")]);
    let args = params.iter().filter_map(Json::as_str).map(Into::into);
    let parsed = table
        .parse(args, Order::OptionsFirst)
        .map_err(|error| error.to_string())?;
    for (_, value) in parsed.options {
        let value = value.unwrap_or_default();
        *format = Format::from_name(&value)
            .ok_or_else(|| format!("option format has invalid value {value}"))?;
    }
    Ok(Answer::from(()))
}
