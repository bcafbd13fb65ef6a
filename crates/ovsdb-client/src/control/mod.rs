//! The control client: commands for any running daemon of Open vSwitch or OVN, over its control socket.
//!
//! [`Control`] connects and calls; what `ovs-appctl` prints is what [`Control::text`] returns. Some answers have types:
//! [`Commands`], [`Version`], [`Memory`], [`Coverage`], [`ClusterStatus`], [`SyncStatus`] and [`Datapaths`]. Each is read
//! from its text by a pure `parse` of its own, which takes the forms of Open vSwitch 2.13 to 3.7. Lines that none of
//! these versions has are no error: they are kept, in a member `other`.
//!
//! An answer is bounded in length and in time ([`Options`]). This module starts no tasks: a call is a future, and whoever
//! drops it goes on with the next call on the same connection.
//!
//! ```no_run
//! use ovsdb_client::control::Control;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let mut server = Control::connect("ovsdb-server").await?;
//! println!("{}", server.version().await?.version);
//! if server.list_commands().await?.contains("cluster/status") {
//!     let status = server.cluster_status("OVN_Northbound").await?;
//!     println!("{:?} in term {}", status.role, status.term);
//! }
//! # Ok(())
//! # }
//! ```

mod cluster_status;
mod coverage;
mod datapaths;
mod error;
mod lines;
mod list_commands;
mod memory;
mod statistics;
mod sync_status;
mod target;
mod version;

use std::time::Duration;

use ovsdb_net::{Connection, Limits, Method, Stream};
use ovsdb_proto::json::Json;
use ovsdb_proto::jsonrpc::Message;

pub use cluster_status::{
    ClusterStatus, Direction, Election, Member, Membership, Moving, PeerConnection, Role, Who,
};
pub use coverage::{Coverage, Event};
pub use datapaths::{Bridge, Datapath, Datapaths, Port};
pub use error::{AnswerError, Broken, CallError, ConnectError, TransportError};
pub use list_commands::{Command, Commands};
pub use memory::Memory;
pub use statistics::{CacheHits, DatapathPort, DatapathStatistics, DatapathStatus, Lookups, Masks};
pub use sync_status::{Replication, SyncState, SyncStatus, Synced};
pub use target::socket_path;
pub use version::Version;

/// Longest answer of a daemon that is taken unless told otherwise, in bytes. What daemons are asked to list grows with
/// what they manage: a hundred bytes or so for each flow or address.
pub const ANSWER_BYTES_MAX: usize = 256 << 20;

/// The time that a daemon has for an answer unless told otherwise, and for accepting the connection. A daemon answers
/// between two rounds of its work, which may be long where it is busy.
pub const ANSWER_TIME_MAX: Duration = Duration::from_secs(30);

/// Limits of a connection to a control socket.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// The time for connecting, and for each answer. `None` waits as long as the connection lasts.
    pub answer_time_max: Option<Duration>,
    /// The longest answer, in bytes; a longer one ends the connection.
    pub answer_bytes_max: usize,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            answer_time_max: Some(ANSWER_TIME_MAX),
            answer_bytes_max: ANSWER_BYTES_MAX,
        }
    }
}

impl Options {
    /// With this much time for each answer, or with no limit.
    #[must_use]
    pub fn answer_time_max(mut self, time: Option<Duration>) -> Self {
        self.answer_time_max = time;
        self
    }

    /// With answers of at most so many bytes.
    #[must_use]
    pub fn answer_bytes_max(mut self, bytes: usize) -> Self {
        self.answer_bytes_max = bytes;
        self
    }
}

/// A connection to a daemon's control socket.
#[derive(Debug)]
pub struct Control {
    connection: Connection,
    target: String,
    next_id: i64,
    answer_time_max: Option<Duration>,
    /// Whether the daemon was asked to answer in JSON.
    in_json: bool,
}

impl Control {
    /// Connects to `target`: an absolute path of a socket, or the name of a program whose pidfile is in the run folder.
    ///
    /// # Errors
    /// See [`ConnectError`].
    pub async fn connect(target: &str) -> Result<Self, ConnectError> {
        Self::connect_with(target, &Options::default()).await
    }

    /// Like [`Control::connect`], with limits of the caller's own.
    ///
    /// # Errors
    /// See [`ConnectError`].
    pub async fn connect_with(target: &str, options: &Options) -> Result<Self, ConnectError> {
        let path = socket_path(target)?;
        let method = Method::unix(&path);
        let connecting = Stream::connect(&method);
        let connected = match options.answer_time_max {
            None => connecting.await,
            Some(after) => match tokio::time::timeout(after, connecting).await {
                Ok(connected) => connected,
                Err(_) => return Err(ConnectError::Deadline { path, after }),
            },
        };
        match connected {
            Ok(stream) => Ok(Self::over(stream, target, options)),
            Err(source) => {
                tracing::warn!(target: "unixctl", "failed to connect to {}", path.display());
                Err(ConnectError::Connect { path, source })
            }
        }
    }

    /// Speaks over a stream that is connected already; `target` is for messages.
    pub fn over(stream: Stream, target: impl Into<String>, options: &Options) -> Self {
        let limits = Limits {
            message_bytes_max: options.answer_bytes_max,
            ..Limits::default()
        };
        Self {
            connection: Connection::new(stream, limits),
            target: target.into(),
            next_id: 0,
            answer_time_max: options.answer_time_max,
            in_json: false,
        }
    }

    /// The target as given.
    #[must_use]
    pub fn target(&self) -> &str {
        &self.target
    }

    /// Calls a command and waits for the daemon's result (`Ok`) or error (`Err`), as they come.
    ///
    /// # Errors
    /// See [`TransportError`].
    pub async fn call<A: AsRef<str>>(
        &mut self,
        command: &str,
        args: &[A],
    ) -> Result<Result<Json, Json>, TransportError> {
        let Some(after) = self.answer_time_max else {
            return self.answer(command, args).await;
        };
        match tokio::time::timeout(after, self.answer(command, args)).await {
            Ok(answer) => answer,
            Err(_) => Err(TransportError::Deadline {
                target: self.target.clone(),
                command: command.to_owned(),
                after,
            }),
        }
    }

    async fn answer<A: AsRef<str>>(
        &mut self,
        command: &str,
        args: &[A],
    ) -> Result<Result<Json, Json>, TransportError> {
        let id = Json::Integer(self.next_id);
        self.next_id += 1;
        let params = args.iter().map(|arg| Json::string(arg.as_ref())).collect();
        let request = Message::request(command, params, id.clone());
        if let Err(error) = self.connection.send_message(&request).await {
            return Err(self.broken(error.into()));
        }
        loop {
            match self.connection.recv_message().await {
                Ok(Message::Reply { result, id: of }) if of == id => return Ok(Ok(result)),
                Ok(Message::Error { error, id: of }) if of == id => return Ok(Err(error)),
                // An answer to nothing that was asked is no answer, and one that comes too late has been given up.
                Ok(_) => {}
                Err(error) => return Err(self.broken(error.into())),
            }
        }
    }

    fn broken(&self, source: Broken) -> TransportError {
        tracing::warn!(target: "unixctl", "error communicating with {}: {}",
            self.connection.name(), source.reason());
        TransportError::Broken {
            target: self.target.clone(),
            source,
        }
    }

    /// Calls a command and returns the text of its answer.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn text<A: AsRef<str>>(
        &mut self,
        command: &str,
        args: &[A],
    ) -> Result<String, CallError> {
        if self.in_json {
            self.set_format("text").await?;
        }
        match self.result(command, args).await? {
            Json::String(text) => Ok(text.to_string()),
            other => Err(self.other_type(command, &other)),
        }
    }

    /// Calls a command and returns its answer in JSON, where the daemon and the command can do that (Open vSwitch 3.4
    /// and later, for a few commands); otherwise its text as a JSON string.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn json<A: AsRef<str>>(
        &mut self,
        command: &str,
        args: &[A],
    ) -> Result<Json, CallError> {
        if !self.in_json {
            match self.set_format("json").await {
                // Daemons that cannot do this do not know the command.
                Ok(()) | Err(CallError::Refused { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        let answer = self.result(command, args).await?;
        Ok(match plain_reply(&answer) {
            Some(text) => Json::string(text),
            None => answer,
        })
    }

    async fn set_format(&mut self, format: &str) -> Result<(), CallError> {
        // Until the answer is there, either may be in force; `text` asks again then.
        self.in_json = true;
        let answer = self.result("set-options", &["--format", format]).await;
        if !matches!(answer, Err(CallError::Transport(_))) {
            self.in_json = answer.is_ok() && format == "json";
        }
        answer.map(drop)
    }

    async fn result<A: AsRef<str>>(
        &mut self,
        command: &str,
        args: &[A],
    ) -> Result<Json, CallError> {
        let error = match self.call(command, args).await? {
            Ok(result) => return Ok(result),
            Err(error) => error,
        };
        Err(match error {
            Json::String(text) => CallError::Refused {
                target: self.target.clone(),
                command: command.to_owned(),
                text: text.to_string(),
            },
            other => self.other_type(command, &other),
        })
    }

    fn other_type(&self, command: &str, found: &Json) -> CallError {
        CallError::Type {
            target: self.target.clone(),
            command: command.to_owned(),
            found: found.type_name(),
        }
    }

    async fn parsed<T>(
        &mut self,
        command: &str,
        args: &[&str],
        parse: impl FnOnce(&str) -> Result<T, AnswerError>,
    ) -> Result<T, CallError> {
        let text = self.text(command, args).await?;
        parse(&text).map_err(|source| CallError::Answer {
            target: self.target.clone(),
            source,
        })
    }

    /// `list-commands`: what the daemon can be told.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn list_commands(&mut self) -> Result<Commands, CallError> {
        let text = self.text::<&str>("list-commands", &[]).await?;
        Ok(Commands::parse(&text))
    }

    /// `version`: which program this is.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn version(&mut self) -> Result<Version, CallError> {
        self.parsed("version", &[], Version::parse).await
    }

    /// `memory/show`: how much there is of what takes memory.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn memory(&mut self) -> Result<Memory, CallError> {
        let text = self.text::<&str>("memory/show", &[]).await?;
        Ok(Memory::parse(&text))
    }

    /// `coverage/show`: how often what has happened.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn coverage(&mut self) -> Result<Coverage, CallError> {
        self.parsed("coverage/show", &[], Coverage::parse).await
    }

    /// `cluster/status`: how a server sees the cluster that keeps `database`. Refused where the database is none of a
    /// cluster's, and where no database is: then the command is not known.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn cluster_status(&mut self, database: &str) -> Result<ClusterStatus, CallError> {
        self.parsed("cluster/status", &[database], ClusterStatus::parse)
            .await
    }

    /// `ovsdb-server/sync-status`: whether a server is active or keeps copies of another's databases.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn sync_status(&mut self) -> Result<SyncStatus, CallError> {
        self.parsed("ovsdb-server/sync-status", &[], SyncStatus::parse)
            .await
    }

    /// `dpif/show`: the datapaths of a switch with their bridges and ports.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn dpif_show(&mut self) -> Result<Datapaths, CallError> {
        let text = self.text::<&str>("dpif/show", &[]).await?;
        Ok(Datapaths::parse(&text))
    }

    /// `dpctl/show`: what the datapaths of a switch have looked up, their flows and their ports.
    ///
    /// # Errors
    /// See [`CallError`]; [`CallError::Refused`] also if there is no datapath.
    pub async fn dpctl_show(&mut self) -> Result<DatapathStatistics, CallError> {
        let text = self.text::<&str>("dpctl/show", &[]).await?;
        Ok(DatapathStatistics::parse(&text))
    }
}

/// The text in a JSON answer of a command that knows text only.
fn plain_reply(answer: &Json) -> Option<&str> {
    let Json::Object(members) = answer else {
        return None;
    };
    let member = |name: &str| members.get(name).and_then(Json::as_str);
    (member("reply-format") == Some("plain"))
        .then(|| member("reply"))
        .flatten()
}

#[cfg(test)]
mod tests;
