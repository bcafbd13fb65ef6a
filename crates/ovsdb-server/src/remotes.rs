//! Where sessions come from: listening sockets, and connections that the server makes itself.
//!
//! [`Remotes`] holds what is open and brings it in line with what is wanted. Which remotes are wanted, and why, is not
//! decided here.

mod opening;

use std::collections::BTreeMap;
use std::sync::Arc;

use ovsdb_net::{
    Action, Disconnect, Gate, Incoming, Listener, Method, NetError, Reconnect, ReconnectStats,
    SocketOptions, Stream,
};
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::access::Access;
use crate::limits;
use crate::locks::LockState;
use crate::mailbox::{Letter, Mailbox, SessionId};
use crate::meters;
use crate::server::Server;
use crate::session::{Session, SessionOptions};

use self::opening::Openings;

/// How a remote is served.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RemoteOptions {
    /// Milliseconds of silence after which a peer is probed, and again given up; 0 for never.
    pub probe_interval_ms: u64,
    /// Longest pause between attempts to connect, in milliseconds; 0 for the default.
    pub max_backoff_ms: u64,
    /// Differentiated services code point of the connections.
    pub dscp: u8,
    /// Refuse everything that could change a database or a lock.
    pub read_only: bool,
    /// The role that clients have under access control. Empty or `None`: all may do everything.
    pub role: Option<String>,
}

impl Default for RemoteOptions {
    /// No probes, and the default DSCP.
    fn default() -> RemoteOptions {
        RemoteOptions {
            probe_interval_ms: 0,
            max_backoff_ms: 0,
            dscp: ovsdb_net::DSCP_DEFAULT,
            read_only: false,
            role: None,
        }
    }
}

impl RemoteOptions {
    /// Sets the differentiated services code point; to the default if `dscp` is none.
    pub fn set_dscp(&mut self, dscp: i64) {
        let dscp = u8::try_from(dscp).ok().filter(|dscp| *dscp <= 63);
        self.dscp = dscp.unwrap_or(ovsdb_net::DSCP_DEFAULT);
    }

    /// What a remote gets that is named without options: probes where a dead peer can go unnoticed.
    pub fn default_for(target: &str) -> RemoteOptions {
        let needs_probes = Method::parse(target).is_ok_and(|method| method.needs_probes());
        let probe_interval_ms = if needs_probes {
            limits::PROBE_INTERVAL.as_millis() as u64
        } else {
            0
        };
        RemoteOptions {
            probe_interval_ms,
            ..RemoteOptions::default()
        }
    }

    fn needs_restart(&self, other: &RemoteOptions) -> bool {
        self.dscp != other.dscp || self.role != other.role || self.read_only != other.read_only
    }

    /// What the peer at the other end of `stream` may do.
    fn access(&self, stream: &Stream) -> Access {
        let role = self.role.as_deref().filter(|role| !role.is_empty());
        Access {
            read_only: self.read_only,
            role: role.map(Arc::from),
            client_id: stream.client_id().cloned(),
        }
    }
}

/// What is known of an open remote.
#[derive(Clone, Debug, Default)]
pub struct RemoteStatus {
    /// Whether anybody is connected.
    pub is_connected: bool,
    /// How many are connected.
    pub connections: usize,
    /// Whether it is a listener.
    pub is_listening: bool,
    /// The TCP port that a listener was given.
    pub bound_port: Option<u16>,
    /// For a connection that the server makes itself: how it fares.
    pub reconnect: Option<ReconnectStats>,
    /// Likewise: its locks.
    pub locks: Vec<(String, LockState)>,
}

struct Remote {
    options: Arc<Mutex<RemoteOptions>>,
    bound_port: Option<u16>,
    /// For an active remote.
    reconnect: Option<Arc<Mutex<Reconnect>>>,
    task: JoinHandle<()>,
}

/// Handshakes under way.
struct Handshakes {
    /// What they pass through, so that many at a time leave the others a part of the processors.
    gate: Gate,
    /// Whose they are, the oldest first.
    clients: Mutex<BTreeMap<SessionId, Arc<Mailbox>>>,
}

impl Handshakes {
    fn new(at_a_time: usize) -> Handshakes {
        Handshakes {
            gate: Gate::new(at_a_time),
            clients: Mutex::default(),
        }
    }

    /// Counts another one, until what is returned is dropped. If there are too many, the oldest is to end.
    fn begin(&self, mailbox: &Arc<Mailbox>) -> UnderWay<'_> {
        let mut clients = self.clients.lock();
        if clients.len() >= limits::HANDSHAKES_MAX
            && let Some((_, oldest)) = clients.pop_first()
        {
            oldest.close(None);
        }
        clients.insert(mailbox.id(), mailbox.clone());
        UnderWay {
            handshakes: self,
            id: mailbox.id(),
        }
    }
}

/// A handshake that counts.
struct UnderWay<'a> {
    handshakes: &'a Handshakes,
    id: SessionId,
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.handshakes.clients.lock().remove(&self.id);
    }
}

/// Why a remote is not open.
#[derive(Debug, thiserror::Error)]
enum OpenError {
    #[error("too many remotes")]
    TooMany,
    #[error("DNS resolution in progress or host not found")]
    Unresolved,
    #[error(transparent)]
    Net(NetError),
}

impl From<NetError> for OpenError {
    fn from(error: NetError) -> OpenError {
        match error {
            NetError::Unresolved { .. } => OpenError::Unresolved,
            error => OpenError::Net(error),
        }
    }
}

impl OpenError {
    /// As it is logged.
    fn reason(&self) -> String {
        match self {
            OpenError::Net(error) => error.reason(),
            OpenError::TooMany | OpenError::Unresolved => self.to_string(),
        }
    }
}

/// The open remotes of a server. Dropping it closes the listeners.
pub struct Remotes {
    server: Arc<Server>,
    handshakes: Arc<Handshakes>,
    open: BTreeMap<String, Remote>,
    openings: Openings,
    /// Remotes that could not be opened, and the reason, so that it is logged once.
    failed: BTreeMap<String, String>,
}

impl Remotes {
    /// No remotes yet.
    pub fn new(server: Arc<Server>) -> Remotes {
        let workers = Handle::try_current().map_or(1, |handle| handle.metrics().num_workers());
        Remotes {
            server,
            handshakes: Arc::new(Handshakes::new(workers / 2)),
            open: BTreeMap::new(),
            openings: Openings::default(),
            failed: BTreeMap::new(),
        }
    }

    /// Closes what is not wanted any more, opens what is, and tells the rest its options. What cannot be opened is
    /// logged and tried again with the next call. So is a listener with a host name that takes long to be looked up.
    pub async fn set(&mut self, wanted: &BTreeMap<String, RemoteOptions>) {
        self.failed.retain(|name, _| wanted.contains_key(name));
        self.openings.retain(|name, dscp| {
            let options = wanted.get(name);
            options.is_some_and(|options| options.dscp == dscp)
        });
        let old: Vec<String> = self.open.keys().cloned().collect();
        for name in old {
            match wanted.get(&name) {
                None => {
                    tracing::info!(target: "ovsdb_jsonrpc_server", "{name}: remote deconfigured");
                    self.close(&name).await;
                }
                Some(options) if options.needs_restart(&self.open[&name].options.lock()) => {
                    self.close(&name).await;
                }
                Some(options) => self.update(&name, options),
            }
        }
        let resolved_until = self.begin_openings(wanted);
        for (name, options) in wanted {
            if self.open.contains_key(name) {
                continue;
            }
            let opened = if self.open.len() < limits::REMOTES_MAX {
                self.open(name, options, resolved_until).await
            } else {
                Err(OpenError::TooMany)
            };
            match opened {
                Ok(remote) => {
                    self.failed.remove(name);
                    self.open.insert(name.clone(), remote);
                }
                Err(error) => {
                    let reason = error.reason();
                    if self.failed.insert(name.clone(), reason.clone()).as_ref() == Some(&reason) {
                        continue;
                    }
                    // Somebody may give the name an address sooner or later.
                    if matches!(error, OpenError::Unresolved) {
                        tracing::debug!(target: "stream_tcp", "{name}: {reason}");
                    } else {
                        tracing::error!(target: "ovsdb_jsonrpc_server", "{name}: listen failed: {reason}");
                    }
                }
            }
        }
    }

    /// Begins to open listeners with host names. Says until when those are worth waiting for that are new.
    fn begin_openings(&mut self, wanted: &BTreeMap<String, RemoteOptions>) -> Instant {
        let mut until = Instant::now();
        for (name, options) in wanted {
            let method = match Method::parse(name) {
                Ok(method) if method.is_passive() && method.needs_resolver() => method,
                _ => continue,
            };
            let count = self.open.len() + self.openings.len();
            if self.open.contains_key(name) || count >= limits::REMOTES_MAX {
                continue;
            }
            if !self.failed.contains_key(name) {
                until = Instant::now() + limits::RESOLVING;
            }
            let socket = socket_options(options);
            let bind = async move { Listener::bind_with(&method, &socket).await };
            self.openings.begin(name, options.dscp, bind);
        }
        until
    }

    async fn open(
        &mut self,
        name: &str,
        options: &RemoteOptions,
        resolved_until: Instant,
    ) -> Result<Remote, OpenError> {
        let shared = Arc::new(Mutex::new(options.clone()));
        let server = self.server.clone();
        match Method::parse(name) {
            Ok(method) if method.is_passive() => {
                let listener = if method.needs_resolver() {
                    let finished = self.openings.finish(name, resolved_until).await;
                    finished.ok_or(OpenError::Unresolved)?
                } else {
                    Listener::bind_with(&method, &socket_options(options)).await
                };
                let listener = listener?;
                let bound_port = listener.bound_port();
                let task = tokio::spawn(accept_loop(
                    server,
                    name.to_owned(),
                    listener,
                    shared.clone(),
                    self.handshakes.clone(),
                ));
                Ok(Remote {
                    options: shared,
                    bound_port,
                    reconnect: None,
                    task,
                })
            }
            method => {
                let mut reconnect = Reconnect::new(name, server.now_ms());
                // One that cannot be read as written is tried like one that is dialled.
                reconnect.set_passive(is_passive(name), server.now_ms());
                reconnect.set_probe_interval(options.probe_interval_ms);
                reconnect.set_backoff(0, options.max_backoff_ms);
                reconnect.enable(server.now_ms());
                let reconnect = Arc::new(Mutex::new(reconnect));
                let method = method.map_err(NetError::from);
                let task = connect_loop(
                    server,
                    name.to_owned(),
                    method,
                    shared.clone(),
                    reconnect.clone(),
                );
                let task = tokio::spawn(task);
                Ok(Remote {
                    options: shared,
                    bound_port: None,
                    reconnect: Some(reconnect),
                    task,
                })
            }
        }
    }

    fn update(&self, name: &str, options: &RemoteOptions) {
        let remote = &self.open[name];
        let old = std::mem::replace(&mut *remote.options.lock(), options.clone());
        if let Some(reconnect) = &remote.reconnect {
            let mut reconnect = reconnect.lock();
            reconnect.set_backoff(0, options.max_backoff_ms);
            reconnect.set_probe_interval(options.probe_interval_ms);
        } else if old.probe_interval_ms != options.probe_interval_ms {
            for mailbox in self.server.sessions_of(name) {
                mailbox.deliver(Letter::ProbeInterval(options.probe_interval_ms));
            }
        }
    }

    /// Closes everything.
    pub(crate) async fn close_all(&mut self) {
        let names: Vec<String> = self.open.keys().cloned().collect();
        for name in names {
            self.close(&name).await;
        }
    }

    /// Why a remote could not be opened when that was last tried.
    pub(crate) fn failure(&self, name: &str) -> Option<&str> {
        self.failed.get(name).map(String::as_str)
    }

    async fn close(&mut self, name: &str) {
        if let Some(remote) = self.open.remove(name) {
            remote.task.abort();
            // When it has ended, its address is free for a listener with other options, and nobody who came by it is
            // missing from the books. That it was aborted is no news.
            let _ = remote.task.await;
            for mailbox in self.server.sessions_of(name) {
                mailbox.close(None);
            }
        }
    }

    /// How many of the connections that the server makes itself are not there at the moment.
    pub fn unconnected(&self) -> usize {
        let dialled = self.open.values();
        let dialled = dialled.filter_map(|remote| remote.reconnect.as_ref());
        let now_ms = self.server.now_ms();
        dialled
            .filter(|reconnect| !reconnect.lock().stats(now_ms).is_connected)
            .count()
    }

    /// The TCP ports on which remotes listen, by their names.
    pub fn ports(&self) -> BTreeMap<String, u16> {
        let open = self.open.iter();
        open.filter_map(|(name, remote)| Some((name.clone(), remote.bound_port?)))
            .collect()
    }

    /// What is known of an open remote; `None` if it is not open.
    pub fn status(&self, name: &str) -> Option<RemoteStatus> {
        let remote = self.open.get(name)?;
        let sessions = self.server.sessions_of(name);
        let Some(reconnect) = &remote.reconnect else {
            return Some(RemoteStatus {
                is_connected: !sessions.is_empty(),
                connections: sessions.len(),
                is_listening: true,
                bound_port: remote.bound_port,
                ..RemoteStatus::default()
            });
        };
        let stats = reconnect.lock().stats(self.server.now_ms());
        let locks = sessions
            .iter()
            .flat_map(|mailbox| self.server.locks().of(mailbox.id()));
        Some(RemoteStatus {
            is_connected: stats.is_connected,
            connections: 1,
            is_listening: false,
            bound_port: None,
            locks: locks.collect(),
            reconnect: Some(stats),
        })
    }
}

impl Drop for Remotes {
    fn drop(&mut self) {
        for remote in self.open.values() {
            remote.task.abort();
        }
    }
}

/// Serves the client at the other end of `stream`, as one that `remote` with these options has accepted, until it or
/// the server ends the session. If there are too many sessions, the connection is closed at once.
///
/// For programs that accept connections in ways of their own. Under a role, a stream's
/// [client id](Stream::client_id) is the name that permissions are given to.
pub fn serve(server: &Arc<Server>, remote: &str, stream: Stream, options: &RemoteOptions) {
    let Some((mailbox, reconnect)) = enroll(server, remote, stream.name(), options) else {
        return;
    };
    let settings = SessionOptions {
        access: options.access(&stream),
    };
    let session = Box::new(Session::new(server.clone(), mailbox, stream, settings));
    let task = async move { session.run(&Mutex::new(reconnect)).await };
    // Before the session can be anywhere else: tellers are no part of the lane.
    server.tellers();
    server.lane().spawn(task);
}

/// Likewise for one that has to show who it is before it is a client. Meanwhile it counts as one.
fn serve_incoming(
    server: &Arc<Server>,
    remote: &str,
    incoming: Incoming,
    options: &RemoteOptions,
    handshakes: &Arc<Handshakes>,
) {
    let incoming = match incoming.ready() {
        Ok(stream) => return serve(server, remote, stream, options),
        Err(incoming) => incoming,
    };
    let name = incoming.name().to_owned();
    let Some((mailbox, mut reconnect)) = enroll(server, remote, &name, options) else {
        return;
    };
    let (served, options) = (server.clone(), options.clone());
    let handshakes = handshakes.clone();
    let task = async move {
        let server = served;
        let under_way = handshakes.begin(&mailbox);
        let handshake =
            tokio::time::timeout(limits::HANDSHAKE, incoming.establish(&handshakes.gate));
        let established = tokio::select! {
            established = handshake => established.ok(),
            () = mailbox.dismissed() => None,
        };
        drop(under_way);
        match established {
            Some(Ok(stream)) => {
                meters::HANDSHAKES.succeeded.add(1);
                let settings = SessionOptions {
                    access: options.access(&stream),
                };
                let session = Box::new(Session::new(server, mailbox, stream, settings));
                session.run(&Mutex::new(reconnect)).await;
            }
            Some(Err(error)) => {
                meters::HANDSHAKES.failed.add(1);
                let reason = error.reason();
                tracing::warn!(target: "jsonrpc", per_minute = 5, burst = 5, "{name}: receive error: {reason}");
                reconnect.disconnected(server.now_ms(), &Disconnect::Error(reason));
                server.forget_session(mailbox.id());
            }
            // It took too long, others wait, or the remote is closed.
            None => {
                meters::HANDSHAKES.given_up.add(1);
                reconnect.disconnected(server.now_ms(), &Disconnect::Unspecified);
                server.forget_session(mailbox.id());
            }
        }
    };
    server.tellers();
    server.lane().spawn(task);
}

/// Has a new client counted; `None` if there are too many.
fn enroll(
    server: &Arc<Server>,
    remote: &str,
    name: &str,
    options: &RemoteOptions,
) -> Option<(Arc<Mailbox>, Reconnect)> {
    let Some(mailbox) = server.try_enroll_session(remote) else {
        meters::REFUSED.add(1);
        tracing::warn!(
            target: "ovsdb_jsonrpc_server", per_minute = 1, burst = 5,
            "{name}: connection refused: too many clients ({})", server.limits().sessions_max
        );
        return None;
    };
    let mut reconnect = Reconnect::new(name, server.now_ms());
    // Such connections are often short-lived, and it is for the peer to connect again.
    reconnect.set_quiet(true);
    reconnect.set_tries_left(Some(0));
    reconnect.set_probe_interval(options.probe_interval_ms);
    reconnect.connected(server.now_ms());
    Some((mailbox, reconnect))
}

fn socket_options(options: &RemoteOptions) -> SocketOptions {
    SocketOptions {
        dscp: options.dscp,
        ..SocketOptions::default()
    }
}

async fn accept_loop(
    server: Arc<Server>,
    name: String,
    listener: Listener,
    options: Arc<Mutex<RemoteOptions>>,
    handshakes: Arc<Handshakes>,
) {
    loop {
        match listener.accept_incoming().await {
            Ok(incoming) => {
                let options = options.lock().clone();
                serve_incoming(&server, &name, incoming, &options, &handshakes);
            }
            Err(error) => {
                let reason = ovsdb_net::errno_text(&error);
                tracing::warn!(
                    target: "ovsdb_jsonrpc_server", per_minute = 1, burst = 5,
                    "{}: accept failed: {reason}", listener.name()
                );
                tokio::time::sleep(limits::ACCEPT_RETRY).await;
            }
        }
    }
}

/// Whether the name is one of a listener, be it wrong otherwise.
fn is_passive(name: &str) -> bool {
    let method = name.split_once(':').map_or("", |(method, _)| method);
    matches!(method, "ptcp" | "pssl" | "punix" | "pfd")
}

async fn connect_loop(
    server: Arc<Server>,
    name: String,
    method: Result<Method, NetError>,
    options: Arc<Mutex<RemoteOptions>>,
    reconnect: Arc<Mutex<Reconnect>>,
) {
    loop {
        let action = reconnect.lock().run(server.now_ms());
        match action {
            Some(Action::Connect) => {
                reconnect.lock().connecting(server.now_ms());
                let settings = options.lock().clone();
                match connect(&server, method.as_ref(), &settings, &reconnect).await {
                    Ok(stream) => {
                        reconnect.lock().connected(server.now_ms());
                        let mailbox = server.enroll_session(&name);
                        let settings = SessionOptions {
                            access: settings.access(&stream),
                        };
                        let session = Session::new(server.clone(), mailbox, stream, settings);
                        Box::new(session).run(&reconnect).await;
                    }
                    Err(why) => reconnect.lock().connect_failed(server.now_ms(), &why),
                }
            }
            Some(Action::Disconnect | Action::Probe) => {
                reconnect
                    .lock()
                    .disconnected(server.now_ms(), &Disconnect::Unspecified);
            }
            None => {
                let deadline = reconnect.lock().deadline_ms(server.now_ms());
                match deadline {
                    Some(at_ms) => server.sleep_until(at_ms).await,
                    None => return,
                }
            }
        }
    }
}

async fn connect(
    server: &Server,
    method: Result<&Method, &NetError>,
    options: &RemoteOptions,
    reconnect: &Mutex<Reconnect>,
) -> Result<Stream, Disconnect> {
    let method = method.map_err(|error| {
        let reason = error.reason();
        match error {
            NetError::Method(error) => error.log(reconnect.lock().name()),
            _ => ovsdb_net::log_useless(reconnect.lock().name(), &reason),
        }
        Disconnect::Error(reason)
    })?;
    let deadline = reconnect
        .lock()
        .deadline_ms(server.now_ms())
        .map(|at_ms| server.instant_of(at_ms));
    let socket = socket_options(options);
    let connected = Stream::connect_with(method, &socket);
    let result = match deadline {
        Some(deadline) => match tokio::time::timeout_at(deadline, connected).await {
            Ok(result) => result,
            Err(_) => return Err(Disconnect::Unspecified),
        },
        None => connected.await,
    };
    result.map_err(|error| Disconnect::Error(error.reason()))
}
