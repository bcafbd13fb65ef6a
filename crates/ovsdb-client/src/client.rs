//! A client of a database: connected to one of its servers, again and again if need be.
//!
//! This is the handle; the work is done by one task (`line`). It keeps no copy of the database: replicas do.

mod conversation;
mod line;
mod replicas;
mod wishes;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use ovsdb_net::{Method, SocketOptions, Tls, TlsSettings};
use ovsdb_proto::json::Json;
use ovsdb_proto::schema::Schema;
use ovsdb_proto::uuid::Uuid;
use tokio::sync::watch;
use tokio::time::{Duration, Instant};

use crate::chance;
use crate::connector::{Connector, Retry};
use crate::delivery::Received;
use crate::dial::Dial;
use crate::error::{ConnectError, RequestError};
use crate::link::Link;
use crate::lock::{AlreadyWanted, Lock, Wanted, table::Table};
use crate::remotes::Remotes;
use crate::session::{Options, Session};
use crate::upstream::{ConnectionId, Registrar, Server, Upstream, registrar};
use line::Line;
use replicas::Entrance;
use wishes::{Servers, Watcher, Wishes};

/// How a client stands.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Status {
    /// It has no connection.
    Connecting {
        /// Why the last attempt or connection came to its end, for people.
        last: Option<Arc<str>>,
    },
    /// It is connected and asks whether the server will do.
    Choosing {
        /// Who is asked.
        server: Server,
    },
    /// It is connected to a server that will do.
    Ready {
        /// Which.
        server: Server,
        /// The connection, another one after each reconnection.
        connection: ConnectionId,
    },
    /// It has been closed.
    Closed,
}

/// A client of the servers that serve one database. Clones share its connection; it is closed with the last of them.
///
/// ```no_run
/// use std::time::Duration;
/// use ovsdb_client::Client;
/// use tokio::time::Instant;
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let soon = Some(Instant::now() + Duration::from_secs(10));
/// let client = Client::builder("tcp:127.0.0.1:6640").connect(soon).await?;
/// println!("{:?}", client.list_dbs(soon).await?);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Client {
    handle: Arc<Handle>,
}

#[derive(Debug)]
struct Handle {
    status: watch::Receiver<Status>,
    registrar: Registrar,
    shared: Arc<Shared>,
    /// Without it the client's task ends.
    wishes: watch::Sender<Wishes>,
    shuffles: bool,
}

/// What the handles of a client and its task have in common.
#[derive(Debug, Default)]
struct Shared {
    current: Mutex<Option<Session>>,
    entrance: Entrance,
    wanted: Arc<Wanted>,
    counters: Counters,
}

impl Shared {
    fn set_current(&self, session: Option<Session>) {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        *current = session;
    }
}

#[derive(Debug, Default)]
struct Counters {
    connections: AtomicU64,
    unfit: AtomicU64,
    received: Arc<Received>,
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// What a client has been through, counted since its start.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct ClientMetrics {
    /// Connections that were made.
    pub connections: u64,
    /// Servers that were given up because they would not do, or no longer.
    pub unfit: u64,
    /// Notifications that came.
    pub notifications: u64,
    /// Answers to requests of replicas that came.
    pub replies: u64,
}

/// What a client is to be like.
#[derive(Clone, Debug)]
#[must_use = "a client begins with `start` or `connect`"]
pub struct Builder {
    remotes: Remotes,
    database: Option<String>,
    leader_only: bool,
    shuffles: bool,
    sockets: SocketOptions,
    dial: Option<Arc<dyn Dial>>,
    backoff: (Duration, Duration),
    probe_interval: Option<Duration>,
    limits: Options,
}

impl Builder {
    /// The database that a server must have. Without one any server will do, and there can be no replica.
    pub fn database(mut self, name: impl Into<String>) -> Self {
        self.database = Some(name.into());
        self
    }

    /// Whether a server of a cluster must lead it, as it must unless this says otherwise. What others show may be old.
    pub fn leader_only(mut self, leader_only: bool) -> Self {
        self.leader_only = leader_only;
        self
    }

    /// Whether the servers are tried in an order that chance decides, as they are unless this says otherwise; so the clients
    /// of a cluster spread over it.
    pub fn shuffle(mut self, shuffles: bool) -> Self {
        self.shuffles = shuffles;
        self
    }

    /// Options for sockets, keys and certificates for TLS among them.
    pub fn sockets(mut self, sockets: SocketOptions) -> Self {
        self.sockets = sockets;
        self
    }

    /// Keys and certificates for `ssl` and `pssl`, for this client alone. Without them those of the process are used, if it
    /// has any.
    pub fn tls(mut self, settings: TlsSettings) -> Self {
        self.sockets.tls = Tls::new();
        self.sockets.tls.set(settings);
        self
    }

    /// Makes connections to active methods in another way than by sockets.
    pub fn dial(mut self, dial: impl Dial) -> Self {
        self.dial = Some(Arc::new(dial));
        self
    }

    /// The shortest and the longest pause between attempts, which is also how long an attempt may take: one second and
    /// eight unless this says otherwise, and nothing shorter than one.
    pub fn backoff(mut self, min: Duration, max: Duration) -> Self {
        self.backoff = (min, max);
        self
    }

    /// The silence after which a server is probed, and given up when it goes on as long again. Five seconds unless this says
    /// otherwise; `None` never probes, nor is a local server probed.
    pub fn probe_interval(mut self, interval: Option<Duration>) -> Self {
        self.probe_interval = interval;
        self
    }

    /// Limits of each connection.
    pub fn limits(mut self, limits: Options) -> Self {
        self.limits = limits;
        self
    }

    /// Starts the client, and does not wait for its connection. Call it within a tokio runtime.
    ///
    /// # Errors
    /// [`ConnectError::NoServers`], [`ConnectError::Method`].
    pub fn start(self) -> Result<Client, ConnectError> {
        let servers = servers(self.remotes, self.shuffles)?;
        let connector = Connector::new(servers.methods.clone(), Retry::Forever)
            .by(self.sockets, self.dial)
            .every(self.backoff, self.probe_interval)
            .by_rounds(chance::number());
        let (registrar, asked) = registrar();
        let (to_status, status) = watch::channel(Status::Connecting { last: None });
        let (leader_only, cluster) = (self.leader_only, servers.cluster);
        let (wishes, wished) = watch::channel(Wishes {
            is_closed: false,
            leader_only,
            reconnects: 0,
            index_resets: 0,
            servers: Arc::new(servers),
        });
        let shared = Arc::default();
        let link = self
            .database
            .map(|database| Link::new(database, cluster, leader_only));
        let line = Line {
            connector,
            link,
            locks: Table::default(),
            limits: self.limits,
            next_id: registrar.ids(),
            asked,
            shared: Arc::clone(&shared),
            status: to_status,
            wishes: Watcher::new(wished),
            useful: self.backoff.0,
        };
        tokio::spawn(line.run());
        let handle = Handle {
            status,
            registrar,
            shared,
            wishes,
            shuffles: self.shuffles,
        };
        Ok(Client {
            handle: Arc::new(handle),
        })
    }

    /// Starts the client and waits for its connection.
    ///
    /// # Errors
    /// See [`ConnectError`].
    pub async fn connect(self, deadline: Option<Instant>) -> Result<Client, ConnectError> {
        let client = self.start()?;
        client.ready(deadline).await?;
        Ok(client)
    }
}

/// What a list of servers says, checked and in the order in which they are to be tried.
fn servers(remotes: Remotes, shuffles: bool) -> Result<Servers, ConnectError> {
    let Remotes {
        mut methods,
        cluster,
    } = remotes;
    if methods.is_empty() {
        return Err(ConnectError::NoServers);
    }
    for method in &methods {
        Method::parse(method)?;
    }
    if shuffles {
        methods.sort_by_cached_key(|_| chance::number());
    }
    Ok(Servers { methods, cluster })
}

/// Makes a request on the current connection, and on the next one if the connection ended before it was sent.
macro_rules! ask {
    ($client:ident, $deadline:ident, $session:ident => $request:expr) => {
        loop {
            let $session = $client.session($deadline).await?;
            match $request.await {
                Err(RequestError::NotSent(_)) => {}
                result => break result,
            }
        }
    };
}

impl Client {
    /// A client of these servers: `METHOD1,METHOD2,...`, with `cid:UUID` among them if the database must belong to that cluster.
    pub fn builder(servers: &str) -> Builder {
        Builder {
            remotes: Remotes::parse(servers),
            database: None,
            leader_only: true,
            shuffles: true,
            sockets: SocketOptions::default(),
            dial: None,
            backoff: (Duration::from_secs(1), Duration::from_secs(8)),
            probe_interval: Some(Duration::from_secs(5)),
            limits: Options {
                message_bytes_max: 1 << 30,
                ..Options::default()
            },
        }
    }

    /// How the client stands, now and later.
    pub fn status(&self) -> watch::Receiver<Status> {
        self.handle.status.clone()
    }

    /// Waits for a connection to a server that will do.
    ///
    /// # Errors
    /// [`ConnectError::Deadline`], [`ConnectError::Closed`].
    pub async fn ready(&self, deadline: Option<Instant>) -> Result<Server, ConnectError> {
        let mut status = self.status();
        let ready =
            status.wait_for(|status| matches!(status, Status::Ready { .. } | Status::Closed));
        let status = match deadline {
            None => ready.await.ok().map(|status| status.clone()),
            Some(deadline) => match tokio::time::timeout_at(deadline, ready).await {
                Ok(status) => status.ok().map(|status| status.clone()),
                Err(_) => return Err(self.too_late()),
            },
        };
        match status {
            Some(Status::Ready { server, .. }) => Ok(server),
            _ => Err(ConnectError::Closed),
        }
    }

    /// The connection, when there is one: for what this client has no function for. Notifications do not come by it.
    ///
    /// # Errors
    /// [`ConnectError::Deadline`], [`ConnectError::Closed`].
    pub async fn session(&self, deadline: Option<Instant>) -> Result<Session, ConnectError> {
        let mut status = self.status();
        let session = async {
            loop {
                let is_closed = *status.borrow_and_update() == Status::Closed;
                if is_closed {
                    return Err(ConnectError::Closed);
                }
                let current = self.handle.shared.current.lock();
                let current = current.unwrap_or_else(PoisonError::into_inner).clone();
                // One that is over is about to be replaced.
                if let Some(session) = current.filter(|session| !session.is_over()) {
                    return Ok(session);
                }
                if status.changed().await.is_err() {
                    return Err(ConnectError::Closed);
                }
            }
        };
        match deadline {
            None => session.await,
            Some(deadline) => tokio::time::timeout_at(deadline, session)
                .await
                .unwrap_or_else(|_| Err(self.too_late())),
        }
    }

    fn too_late(&self) -> ConnectError {
        ConnectError::Deadline {
            last: match &*self.handle.status.borrow() {
                Status::Connecting { last } => last.clone(),
                _ => None,
            },
        }
    }

    /// A place for a replica to learn what happens and to ask: see [`upstream`](crate::upstream). Of use only for a client
    /// with a [database](Builder::database).
    pub fn attach(&self) -> Upstream {
        let (upstream, downstream) = self.handle.registrar.register();
        self.handle.shared.entrance.enter(downstream);
        upstream
    }

    /// Asks for a lock, which somebody else may hold (RFC 7047, section 4.1.8).
    ///
    /// # Errors
    /// [`AlreadyWanted`]
    pub fn lock(&self, name: &str) -> Result<Lock, AlreadyWanted> {
        self.handle.shared.wanted.want(name, false)
    }

    /// Takes a lock from whoever holds it (RFC 7047, section 4.1.8). If it is lost with the connection it is waited for.
    ///
    /// # Errors
    /// [`AlreadyWanted`]
    pub fn steal(&self, name: &str) -> Result<Lock, AlreadyWanted> {
        self.handle.shared.wanted.want(name, true)
    }

    /// Uses other servers from now on: a list as [`Client::builder`] takes. A connection to one of them stays, unless the database
    /// must be of another cluster than before.
    ///
    /// # Errors
    /// [`ConnectError::NoServers`], [`ConnectError::Method`]; then nothing changes.
    pub fn set_remotes(&self, list: &str) -> Result<(), ConnectError> {
        let servers = servers(Remotes::parse(list), self.handle.shuffles)?;
        self.wish(|wishes| wishes.servers = Arc::new(servers));
        Ok(())
    }

    /// Whether a server of a cluster must lead it from now on: see [`Builder::leader_only`]. One that does not is left.
    pub fn set_leader_only(&self, leader_only: bool) {
        self.wish(|wishes| wishes.leader_only = leader_only);
    }

    /// Ends the connection, if there is one, and makes the next one without a pause.
    pub fn reconnect(&self) {
        self.wish(|wishes| wishes.reconnects += 1);
    }

    /// Makes do with servers that show an older state of the database than this client has seen. Of use after a cluster was
    /// rebuilt: until then all of its servers are [stale](crate::Unfit::Stale).
    pub fn reset_min_index(&self) {
        self.wish(|wishes| wishes.index_resets += 1);
    }

    fn wish(&self, change: impl FnOnce(&mut Wishes)) {
        self.handle.wishes.send_modify(change);
    }

    /// What the client has been through.
    pub fn metrics(&self) -> ClientMetrics {
        let counters = &self.handle.shared.counters;
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        ClientMetrics {
            connections: read(&counters.connections),
            unfit: read(&counters.unfit),
            notifications: read(&counters.received.notifications),
            replies: read(&counters.received.replies),
        }
    }

    /// Closes the connection for all clones, for good.
    pub fn close(&self) {
        self.wish(|wishes| wishes.is_closed = true);
    }

    /// See [`Session::list_dbs`].
    ///
    /// # Errors
    /// See [`RequestError`].
    pub async fn list_dbs(&self, deadline: Option<Instant>) -> Result<Vec<String>, RequestError> {
        ask!(self, deadline, session => session.list_dbs(deadline))
    }

    /// See [`Session::get_schema`].
    ///
    /// # Errors
    /// See [`RequestError`].
    pub async fn get_schema(
        &self,
        database: &str,
        deadline: Option<Instant>,
    ) -> Result<Schema, RequestError> {
        ask!(self, deadline, session => session.get_schema(database, deadline))
    }

    /// See [`Session::transact`]. What may have been sent is never sent again.
    ///
    /// # Errors
    /// See [`RequestError`]; after [`RequestError::Disconnected`] and [`RequestError::DeadlineExceeded`] nobody knows
    /// whether the operations were carried out.
    pub async fn transact(
        &self,
        database: &str,
        operations: &[Json],
        deadline: Option<Instant>,
    ) -> Result<Vec<Json>, RequestError> {
        ask!(self, deadline, session => session.transact(database, operations.to_vec(), deadline))
    }

    /// See [`Session::get_server_id`].
    ///
    /// # Errors
    /// See [`RequestError`].
    pub async fn get_server_id(&self, deadline: Option<Instant>) -> Result<Uuid, RequestError> {
        ask!(self, deadline, session => session.get_server_id(deadline))
    }

    /// See [`Session::convert`].
    ///
    /// # Errors
    /// See [`RequestError`].
    pub async fn convert(
        &self,
        database: &str,
        schema: &Json,
        deadline: Option<Instant>,
    ) -> Result<(), RequestError> {
        ask!(self, deadline, session => session.convert(database, schema.clone(), deadline))
    }
}

#[cfg(test)]
mod tests;
