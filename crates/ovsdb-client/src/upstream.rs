//! What a client and a replica say to each other, and nothing of how either does its part.
//!
//! A client keeps a connection to a server that serves its database; a replica keeps a copy of what it monitors there.
//! The client gives each replica an [`Upstream`]: [`Inbound`] comes out of it, [`Outbound`] goes in by its [`Requests`].
//! The client's end of both is a [`Downstream`].
//!
//! What both sides may rely on:
//!
//! 1. What comes is, again and again: [`Inbound::Up`], then any number of [`Inbound::Notification`], [`Inbound::Reply`] and
//!    [`Inbound::Schema`], then [`Inbound::Down`] with the same connection. Connections have rising numbers. After the
//!    end of the client there is [`None`], with or without a `Down` before it.
//! 2. Notifications and replies keep the order in which the server sent them, also where a replica is told directly, which is
//!    only while its queue is empty; so an update that the server sends before
//!    the reply to a transaction comes before that reply.
//! 3. A request that was accepted has one `Reply`, or the `Down` of its connection and no reply. No id is used twice
//!    by the same client, over all its connections.
//!    Only `cancel` (RFC 7047, section 4.1.4) has no reply ever: it is sent as the notification that it is.
//! 4. After a `Down`, requests in its [`in_doubt`](Inbound::Down::in_doubt) may have taken effect. All others of that
//!    connection that have no reply never left this process.
//! 5. Notifications come only for monitors whose id was made by [`Requests::monitor_id`] of this replica, but also for those
//!    that it has canceled: what was under way keeps coming.
//! 6. The queue is bounded by bytes. When it is full the client reads no further, and other replicas of that client
//!    wait too. So a replica takes what comes without waiting for its readers, and asks by
//!    [`Requests::try_request`], which never waits.
//! 7. Texts are whole JSON values by their brackets and quotes, in UTF-8; their insides were not checked. A replica that finds
//!    something else there says so by [`Requests::reject`].

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use bytes::Bytes;
use ovsdb_proto::json::Json;
use ovsdb_proto::json::cursor::{Cursor, Stop};
use ovsdb_proto::schema::Schema;
use ovsdb_proto::words::Method;
use tokio::sync::{mpsc, watch};

use crate::error::Disconnect;
use crate::event::RequestId;
use crate::queue;

/// Requests of replicas that may wait for the client to send them.
pub const REQUESTS_MAX: usize = 4096;

/// Messages that may wait for a replica to take them.
pub const INBOUND_MAX: usize = 1024;

/// Bytes of messages that may wait for a replica to take them; one that is longer waits alone.
pub const INBOUND_BYTES_MAX: usize = 64 << 20;

/// The first element of the ids of monitors, by which this library knows its own.
const MONITOR_ID: &str = "ovsdb-rs";

/// The number by which the client itself goes, where replicas have theirs.
pub(crate) const OWN: u64 = u64::MAX;

/// One connection of a client among all those it has had. The first has number 1.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ConnectionId(pub u64);

/// A server as a client knows it.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Server {
    /// Its connection method, or the peer's name where it came to us; as logs show it.
    pub name: Arc<str>,
}

impl Server {
    /// A server with this name.
    pub fn new(name: impl Into<Arc<str>>) -> Server {
        Server { name: name.into() }
    }
}

/// What a replica learns from its client, in order.
#[derive(Clone, Debug)]
pub enum Inbound {
    /// There is a connection to a server that serves the database. No monitor of this replica exists there.
    Up {
        /// The connection; requests for it name it.
        connection: ConnectionId,
        /// To whom.
        server: Server,
        /// The schema of the database on this server.
        schema: Arc<Schema>,
    },
    /// The database has another schema now. The server has ended every monitor of it, and says so for each by
    /// `monitor_canceled`, before or after this.
    Schema(Arc<Schema>),
    /// The server sent a notification for a monitor of this replica.
    Notification {
        /// `update`, `update2`, `update3` or `monitor_canceled`.
        method: Method,
        /// The monitor, which is the first of the parameters.
        monitor: MonitorId,
        /// All the parameters, as the text of an array.
        params: Bytes,
    },
    /// The server answered a request of this replica.
    Reply {
        /// The request.
        id: RequestId,
        /// The text of its result, which is not `null`, or the error.
        result: Result<Bytes, Json>,
    },
    /// The connection is over.
    Down {
        /// The connection.
        connection: ConnectionId,
        /// Why.
        why: Disconnect,
        /// Requests without a reply that the server may have seen, in the order in which they were made.
        in_doubt: Vec<RequestId>,
    },
}

impl Inbound {
    /// How many bytes this counts for in the queue.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Inbound::Notification { params, .. } => params.len(),
            Inbound::Reply {
                result: Ok(bytes), ..
            } => bytes.len(),
            _ => 0,
        }
    }
}

/// What a replica asks its client to send.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Outbound {
    /// The replica that asks.
    pub replica: u64,
    /// The request's id on the wire.
    pub id: RequestId,
    /// The connection that it is for. The client drops a request for any other.
    pub connection: ConnectionId,
    /// The method.
    pub method: Method,
    /// The text of an array: the parameters.
    pub params: Bytes,
}

/// The id of a monitor of a replica: `["ovsdb-rs",REPLICA,NTH]` on the wire.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct MonitorId {
    /// The replica, by its number among those of the client.
    pub replica: u64,
    /// The monitor among those of the replica. Whoever gives no number twice knows stragglers of an old monitor.
    pub nth: u64,
}

impl MonitorId {
    /// The id on the wire.
    pub fn to_json(self) -> Json {
        Json::Array(vec![
            Json::string(MONITOR_ID),
            Json::Integer(self.replica.cast_signed()),
            Json::Integer(self.nth.cast_signed()),
        ])
    }

    /// Reads the first of the parameters of a notification, if it is an id that [`MonitorId::to_json`] made.
    pub(crate) fn first_of(params: &[u8]) -> Option<MonitorId> {
        let mut cursor = Cursor::new(std::str::from_utf8(params).ok()?);
        let mut read = || {
            cursor.expect(b'[')?;
            cursor.expect(b'[')?;
            let tag = cursor.string()?;
            cursor.expect(b',')?;
            let replica = cursor.integer()?;
            cursor.expect(b',')?;
            let nth = cursor.integer()?;
            cursor.expect(b']')?;
            Ok::<_, Stop>((tag == MONITOR_ID).then_some((replica, nth)))
        };
        let (replica, nth) = read().ok()??;
        Some(MonitorId {
            replica: replica.cast_unsigned(),
            nth: nth.cast_unsigned(),
        })
    }

    /// Reads an id that [`MonitorId::to_json`] made; `None` for ids that others made.
    pub fn from_json(json: &Json) -> Option<MonitorId> {
        let [
            Json::String(tag),
            Json::Integer(replica),
            Json::Integer(nth),
        ] = json.as_array()?
        else {
            return None;
        };
        (tag == MONITOR_ID).then_some(MonitorId {
            replica: replica.cast_unsigned(),
            nth: nth.cast_unsigned(),
        })
    }
}

/// Why a request was not accepted.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum NotAccepted {
    /// [`REQUESTS_MAX`] requests wait already.
    #[error("too many requests wait to be sent")]
    Full,
    /// The client has ended.
    #[error("the client is closed")]
    Closed,
}

/// Why a replica wants no more of a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Rejection {
    /// The server sent what is no answer to what was asked, or no JSON.
    #[error("the server does not keep to the protocol")]
    Protocol,
    /// Again and again, what the server sent did not fit to what it had sent before.
    #[error("the server contradicts itself")]
    Inconsistent,
}

/// A replica that takes what comes without a queue, by whoever brings it.
pub(crate) trait Direct: Send + Sync {
    /// Takes it if that takes little time now, and gives it back if not. Called only while nothing is in the queue, and nothing
    /// that was is still [held](Upstream::next_held). If more `has_more` come at once, what follows from it may be left until
    /// [`Direct::settle`], which comes soon then.
    ///
    /// # Errors
    /// It has to go through the queue.
    fn take(&self, inbound: Inbound, has_more: bool) -> Result<(), Inbound>;

    /// Does what was left.
    fn settle(&self);
}

/// Where a replica says how it can be told directly.
#[derive(Clone, Default)]
struct Shortcut(Arc<OnceLock<Weak<dyn Direct>>>);

impl fmt::Debug for Shortcut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_known = self.0.get().is_some();
        f.debug_tuple("Shortcut").field(&is_known).finish()
    }
}

/// A replica's end.
#[derive(Debug)]
pub struct Upstream {
    inbound: queue::Receiver<Inbound>,
    shortcut: Shortcut,
    requests: Requests,
}

/// The way by which a replica asks. Clones ask for the same replica.
#[derive(Clone, Debug)]
pub struct Requests {
    replica: u64,
    next_id: Arc<AtomicU64>,
    outbound: mpsc::Sender<Outbound>,
    rejected: watch::Sender<Option<(ConnectionId, Rejection)>>,
}

/// The client's end for one replica.
#[derive(Clone, Debug)]
pub struct Downstream {
    replica: u64,
    inbound: queue::Sender<Inbound>,
    shortcut: Shortcut,
}

/// What a client's replicas ask, all of them together.
#[derive(Debug)]
pub struct Asked {
    /// Requests in the order in which they were made.
    pub requests: mpsc::Receiver<Outbound>,
    /// The last connection that a replica rejected.
    pub rejected: watch::Receiver<Option<(ConnectionId, Rejection)>>,
}

/// Makes upstreams for the replicas of one client.
#[derive(Clone, Debug)]
pub struct Registrar {
    next_replica: Arc<AtomicU64>,
    next_id: Arc<AtomicU64>,
    outbound: mpsc::Sender<Outbound>,
    rejected: watch::Sender<Option<(ConnectionId, Rejection)>>,
}

/// What a client needs for its replicas: whom to register with, and where to hear what they ask.
pub fn registrar() -> (Registrar, Asked) {
    let (outbound, requests) = mpsc::channel(REQUESTS_MAX);
    let (reject, rejected) = watch::channel(None);
    let registrar = Registrar {
        next_replica: Arc::new(AtomicU64::new(0)),
        next_id: Arc::new(AtomicU64::new(0)),
        outbound,
        rejected: reject,
    };
    (registrar, Asked { requests, rejected })
}

impl Registrar {
    /// Both ends for one more replica.
    pub fn register(&self) -> (Upstream, Downstream) {
        let replica = self.next_replica.fetch_add(1, Ordering::Relaxed);
        let (to, inbound) = queue::channel(INBOUND_MAX, INBOUND_BYTES_MAX);
        let requests = Requests {
            replica,
            next_id: Arc::clone(&self.next_id),
            outbound: self.outbound.clone(),
            rejected: self.rejected.clone(),
        };
        let shortcut = Shortcut::default();
        let upstream = Upstream {
            inbound,
            shortcut: shortcut.clone(),
            requests,
        };
        let downstream = Downstream {
            replica,
            inbound: to,
            shortcut,
        };
        (upstream, downstream)
    }

    /// Where ids of requests come from: those of replicas, and all others of the client's connections.
    pub(crate) fn ids(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.next_id)
    }
}

impl Upstream {
    /// What comes next; `None` when the client has ended. Safe to cancel.
    pub async fn next(&mut self) -> Option<Inbound> {
        self.inbound.recv().await
    }

    /// What comes next, as [`Upstream::next`] does. Nothing is told [directly](Upstream::tell_directly) until what comes with it
    /// is dropped.
    pub(crate) async fn next_held(&mut self) -> Option<(Inbound, queue::Held)> {
        self.inbound.recv_held().await
    }

    /// From now on, notifications that come while nothing else waits go to `replica` as long as it is there, and into the queue
    /// only if it does not take them.
    pub(crate) fn tell_directly(&self, replica: Weak<dyn Direct>) {
        // An upstream has one replica; a second one would have to take the queue from the first.
        let is_first = self.shortcut.0.set(replica).is_ok();
        debug_assert!(is_first, "an upstream has one replica");
    }

    /// The way to ask.
    pub fn requests(&self) -> &Requests {
        &self.requests
    }
}

impl Requests {
    /// The number of the replica among those of the client.
    pub fn replica(&self) -> u64 {
        self.replica
    }

    /// An id for a monitor of this replica.
    pub fn monitor_id(&self, nth: u64) -> MonitorId {
        MonitorId {
            replica: self.replica,
            nth,
        }
    }

    /// Asks for a request to be sent on a connection; `params` is the text of an array. Never waits.
    ///
    /// # Errors
    /// [`NotAccepted`]; the request is then forgotten.
    pub fn try_request(
        &self,
        connection: ConnectionId,
        method: Method,
        params: Bytes,
    ) -> Result<RequestId, NotAccepted> {
        let place = self.outbound.try_reserve().map_err(|error| match error {
            mpsc::error::TrySendError::Full(()) => NotAccepted::Full,
            mpsc::error::TrySendError::Closed(()) => NotAccepted::Closed,
        })?;
        let id = RequestId(self.next_id.fetch_add(1, Ordering::Relaxed));
        place.send(Outbound {
            replica: self.replica,
            id,
            connection,
            method,
            params,
        });
        Ok(id)
    }

    /// Returns when there may be room for a request again, or the client has ended. Safe to cancel.
    pub async fn room(&self) {
        // The place is given back at once. Somebody else may take it; then there is another wait.
        drop(self.outbound.reserve().await);
    }

    /// Gives a connection up: the client ends it and looks for another server. Without effect on later ones.
    pub fn reject(&self, connection: ConnectionId, why: Rejection) {
        self.rejected.send_if_modified(|last| {
            let is_new = last.is_none_or(|(rejected, _)| rejected < connection);
            if is_new {
                *last = Some((connection, why));
            }
            is_new
        });
    }
}

/// The replica is gone.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the replica is gone")]
pub struct ReplicaGone;

impl Downstream {
    /// The number of the replica among those of the client.
    pub fn replica(&self) -> u64 {
        self.replica
    }

    /// Tells the replica something directly if it can be, or if its queue has room; gives it back if not, or if the replica is
    /// gone. If more `has_more` come at once, [`Downstream::settle`] has to follow.
    pub(crate) fn offer(&self, inbound: Inbound, has_more: bool) -> Result<(), Inbound> {
        let inbound = match self.tell_directly(inbound, has_more) {
            Ok(()) => return Ok(()),
            Err(inbound) => inbound,
        };
        let bytes = inbound.bytes();
        self.inbound.offer(inbound, bytes)
    }

    /// Has the replica do what it left until more had come.
    pub(crate) fn settle(&self) {
        if let Some(replica) = self.shortcut.0.get().and_then(Weak::upgrade) {
            replica.settle();
        }
    }

    fn tell_directly(&self, inbound: Inbound, has_more: bool) -> Result<(), Inbound> {
        if !matches!(inbound, Inbound::Notification { .. }) || !self.inbound.is_idle() {
            return Err(inbound);
        }
        match self.shortcut.0.get().and_then(Weak::upgrade) {
            Some(replica) => replica.take(inbound, has_more),
            None => Err(inbound),
        }
    }

    /// Tells the replica something when its queue has room.
    ///
    /// # Errors
    /// [`ReplicaGone`].
    pub async fn send(&self, inbound: Inbound) -> Result<(), ReplicaGone> {
        let bytes = inbound.bytes();
        self.inbound
            .send(inbound, bytes)
            .await
            .map_err(|queue::Gone| ReplicaGone)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::AtomicBool;

    use ovsdb_proto::json;

    use super::*;

    #[test]
    fn only_ids_of_our_own_making_are_read_back() {
        let id = MonitorId {
            replica: 3,
            nth: u64::MAX,
        };
        assert_eq!(MonitorId::from_json(&id.to_json()), Some(id));
        let params = format!(" [ {} , {{}}]", id.to_json());
        assert_eq!(MonitorId::first_of(params.as_bytes()), Some(id));
        assert_eq!(MonitorId::first_of(b"[]"), None);
        assert_eq!(MonitorId::from_json(&Json::string(MONITOR_ID)), None);
        for other in [
            "{}",
            "[]",
            r#"["ovsdb-rs",1]"#,
            r#"["ovsdb-rs",1,2,3]"#,
            r#"["other",1,2]"#,
            r#"["ovsdb-rs","1",2]"#,
        ] {
            let json = json::parse(other.as_bytes()).expect("the case is JSON");
            assert_eq!(MonitorId::from_json(&json), None, "{other}");
            let params = format!("[{other},{{}}]");
            assert_eq!(MonitorId::first_of(params.as_bytes()), None, "{other}");
        }
    }

    /// Takes what it is told, as long as it may.
    #[derive(Default)]
    struct Taker {
        is_busy: AtomicBool,
        taken: Mutex<Vec<Inbound>>,
    }

    impl Direct for Taker {
        fn take(&self, inbound: Inbound, _: bool) -> Result<(), Inbound> {
            if self.is_busy.load(Ordering::Relaxed) {
                return Err(inbound);
            }
            self.taken.lock().expect("nobody panics").push(inbound);
            Ok(())
        }

        fn settle(&self) {}
    }

    fn update(nth: u64) -> Inbound {
        Inbound::Notification {
            method: Method::Update3,
            monitor: MonitorId { replica: 0, nth },
            params: Bytes::from_static(b"[]"),
        }
    }

    fn nth(inbound: &Inbound) -> Option<u64> {
        match inbound {
            Inbound::Notification { monitor, .. } => Some(monitor.nth),
            _ => None,
        }
    }

    #[tokio::test]
    async fn what_comes_directly_overtakes_nothing() {
        let (registrar, _asked) = registrar();
        let (mut upstream, downstream) = registrar.register();
        let taker = Arc::<Taker>::default();
        let direct: Arc<dyn Direct> = Arc::clone(&taker) as _;
        upstream.tell_directly(Arc::downgrade(&direct));
        let offer = |number| downstream.offer(update(number), false).is_ok();
        let taken = || -> Vec<Option<u64>> {
            let taken = taker.taken.lock().expect("nobody panics");
            taken.iter().map(nth).collect()
        };

        assert!(offer(1));
        assert_eq!(taken(), [Some(1)]);
        taker.is_busy.store(true, Ordering::Relaxed);
        assert!(offer(2));
        taker.is_busy.store(false, Ordering::Relaxed);
        // The second is in the queue, then in the hands of whoever took it from there.
        assert!(offer(3));
        assert_eq!(taken(), [Some(1)]);
        let (second, held) = upstream.next_held().await.expect("it was offered");
        assert_eq!(nth(&second), Some(2));
        let (third, held_too) = upstream.next_held().await.expect("it was offered");
        assert_eq!(nth(&third), Some(3));
        drop(held);
        assert!(offer(4));
        assert_eq!(taken(), [Some(1)]);
        drop(held_too);
        let fourth = upstream.next().await.expect("it was offered");
        assert_eq!(nth(&fourth), Some(4));
        assert!(offer(5));
        assert_eq!(taken(), [Some(1), Some(5)]);

        // Replies come by the queue, and without the replica everything does.
        let reply = Inbound::Reply {
            id: RequestId(1),
            result: Ok(Bytes::from_static(b"[]")),
        };
        assert!(downstream.offer(reply, false).is_ok());
        assert!(upstream.next().await.is_some());
        drop((direct, taker));
        assert!(downstream.offer(update(6), false).is_ok());
        let sixth = upstream.next().await.expect("it was offered");
        assert_eq!(nth(&sixth), Some(6));
    }

    #[tokio::test]
    async fn requests_of_all_replicas_are_heard_in_order_with_ids_of_their_own() {
        let (registrar, mut asked) = registrar();
        let (first, _down_first) = registrar.register();
        let (second, _down_second) = registrar.register();
        let connection = ConnectionId(1);
        let mut expected = Vec::new();
        for upstream in [&first, &second, &first] {
            let requests = upstream.requests();
            let id = requests
                .try_request(connection, Method::Echo, Bytes::from_static(b"[]"))
                .expect("there is room");
            expected.push((requests.replica(), id));
        }
        let mut heard = Vec::new();
        while let Ok(outbound) = asked.requests.try_recv() {
            heard.push((outbound.replica, outbound.id));
        }
        assert_eq!(heard, expected);
        assert_eq!(
            heard
                .iter()
                .map(|(replica, _)| *replica)
                .collect::<Vec<_>>(),
            [0, 1, 0]
        );
        assert!(heard.windows(2).all(|pair| pair[0].1 < pair[1].1));
    }

    #[tokio::test]
    async fn one_request_beyond_the_limit_is_not_accepted() {
        let (registrar, asked) = registrar();
        let (upstream, _downstream) = registrar.register();
        let ask = || {
            upstream.requests().try_request(
                ConnectionId(1),
                Method::Echo,
                Bytes::from_static(b"[]"),
            )
        };
        for _ in 0..REQUESTS_MAX {
            assert!(ask().is_ok());
        }
        assert_eq!(ask(), Err(NotAccepted::Full));
        drop(asked);
        assert_eq!(ask(), Err(NotAccepted::Closed));
    }

    #[test]
    fn an_old_rejection_does_not_hide_a_newer_one() {
        let (registrar, mut asked) = registrar();
        let (upstream, _downstream) = registrar.register();
        let requests = upstream.requests();
        requests.reject(ConnectionId(2), Rejection::Protocol);
        requests.reject(ConnectionId(1), Rejection::Inconsistent);
        assert_eq!(
            *asked.rejected.borrow_and_update(),
            Some((ConnectionId(2), Rejection::Protocol))
        );
    }
}
