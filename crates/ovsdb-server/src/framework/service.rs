//! Databases that the program answers for itself, and what clients may ask of it.
//!
//! Every call is a task of its own. See [`Service`] for the order in which they run and what bounds there are.

use std::future::{Future, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ovsdb_proto::error::{ErrorTag, OvsdbError};
use ovsdb_proto::json::{Json, Object};
use ovsdb_proto::schema::Schema;
use ovsdb_proto::words::{Method, UNKNOWN_METHOD};

use super::engine::Engine;
use super::monitor::{MonitorChange, MonitorRequest};
use super::peer::Peer;
use crate::mailbox::{Letter, Token};

/// Why a service does not do what it is asked for: the `error` of the reply.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Nobody here knows the method. Clients that can do with another one try that then: from `monitor_cond_since` they go
    /// back to `monitor_cond`, and from that to `monitor`.
    #[error("{UNKNOWN_METHOD}")]
    UnknownMethod,
    /// An `<error>` (RFC 7047, section 3.1).
    #[error(transparent)]
    Error(#[from] OvsdbError),
}

impl Refusal {
    fn not_supported(method: Method, database: &str) -> Refusal {
        let details = format!("{method} is not supported by {database}");
        Refusal::Error(OvsdbError::new(ErrorTag::NotSupported, details))
    }

    /// As it stands in the reply.
    pub(crate) fn to_json(&self) -> Json {
        match self {
            Refusal::UnknownMethod => Json::string(UNKNOWN_METHOD),
            Refusal::Error(error) => error.to_json(),
        }
    }
}

/// What a service answers: the `result` of the reply, or its `error`.
pub type Reply = Result<Json, Refusal>;

/// What a client wants with a lock.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LockWish {
    /// To have it, when nobody else does (RFC 7047, section 4.1.8). The reply says `{"locked":true}`, or `{"locked":false}`
    /// if a notification `locked` is to come later.
    Lock,
    /// To have it at once. Who had it gets a notification `stolen`.
    Steal,
    /// Not to have it any more, or not to wait for it.
    Unlock,
}

/// A program's own OVSDB: databases for which it answers, and methods that nobody else knows.
///
/// The methods are meant to be written as `async fn`. Each has a default, so that a service says only what it can do. What
/// concerns databases of the engine never comes here, nor what the server does for all databases alike: `list_dbs`,
/// `get_schema`, `get_server_id`, `echo`, `set_db_change_aware`.
///
/// # Order and bounds
///
/// - Calls of one client are begun in the order in which it has sent its requests. Several `transact` may be under way at
///   a time, as many as [`SESSION_CALLS_MAX`](crate::limits::SESSION_CALLS_MAX), and are answered as they end. All other
///   requests wait for the calls before them, and those after them wait in turn, unless a call steps aside
///   ([`Call::step_aside`]).
/// - Calls of different clients are independent of each other: a slow one holds up nobody else. A call must not block its
///   thread, though; what does belongs into `tokio::task::spawn_blocking`.
/// - What a call tells its client leaves before its reply; what a monitor is told waits for the reply that begins it.
/// - A call is dropped where it waits when its client has gone or has canceled it (RFC 7047, section 4.1.4). What must not be
///   torn apart is to be done in a task of the service's own.
/// - A call that panics is answered with an `internal error`, and harms nobody else.
pub trait Service: Send + Sync + 'static {
    /// The schemas of the databases that the service answers for; each brings its name along. It is asked when an engine
    /// begins to use the service, and after [`Engine::refresh_service`].
    fn schemas(&self) -> Vec<Arc<Schema>> {
        Vec::new()
    }

    /// `transact` on one of its databases: the result is an array of one result an operation (RFC 7047, section 4.1.3). A
    /// [`Snapshot`](super::Snapshot) can answer operations that only read.
    fn transact(
        &self,
        call: &Call,
        database: &str,
        operations: &[Json],
    ) -> impl Future<Output = Reply> + Send {
        let _ = (call, operations);
        ready(Err(Refusal::not_supported(Method::Transact, database)))
    }

    /// `monitor`, `monitor_cond` or `monitor_cond_since` on one of its databases: the result is what the monitor begins with.
    /// The id is one that the client does not use yet. See [`MonitorRequest::watcher`] for how to go on.
    fn monitor(&self, call: &Call, request: &MonitorRequest) -> impl Future<Output = Reply> + Send {
        let _ = call;
        ready(Err(match request.method {
            Method::Monitor => Refusal::not_supported(request.method, &request.database),
            _ => Refusal::UnknownMethod,
        }))
    }

    /// `monitor_cond_change` of one of its monitors. Unless a service says otherwise, the [`Watcher`](super::Watcher) of the
    /// monitor goes on under the new conditions; of a monitor without one this is no method.
    fn monitor_cond_change(
        &self,
        call: &Call,
        change: &MonitorChange,
    ) -> impl Future<Output = Reply> + Send {
        let _ = call;
        change.apply()
    }

    /// `monitor_cancel` of one of its monitors. Whatever this says, it is told nothing any more.
    fn monitor_cancel(&self, call: &Call, id: &Json) -> impl Future<Output = Reply> + Send {
        let _ = (call, id);
        ready(Ok(Json::Object(Object::new())))
    }

    /// Whether the service looks after locks. If not, the engine does; they are the same for all databases.
    fn has_locks(&self) -> bool {
        false
    }

    /// `lock`, `steal` or `unlock`, if the service looks after locks. It is not called for clients that may only read.
    fn lock(&self, call: &Call, name: &str, wish: LockWish) -> impl Future<Output = Reply> + Send {
        let _ = (call, name, wish);
        ready(Err(Refusal::UnknownMethod))
    }

    /// Any method that neither the server nor this trait knows, and `convert` of one of its databases.
    fn call(
        &self,
        call: &Call,
        method: &str,
        params: &[Json],
    ) -> impl Future<Output = Reply> + Send {
        let _ = (call, method, params);
        ready(Err(Refusal::UnknownMethod))
    }

    /// A client has gone that the service was called for. Calls of it may still be about to be dropped.
    /// [`Engine::close`] returns when this has returned for all clients.
    fn disconnected(&self, peer: &Peer) {
        let _ = peer;
    }
}

/// A request of a client to a service.
#[derive(Debug)]
pub struct Call {
    peer: Peer,
    engine: Engine,
    token: Token,
    is_aside: AtomicBool,
}

impl Call {
    pub(crate) fn new(peer: Peer, engine: Engine, token: Token) -> Call {
        let is_aside = AtomicBool::new(false);
        Call {
            peer,
            engine,
            token,
            is_aside,
        }
    }

    /// Who asks.
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// The engine that serves the client.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Says that the call may take long, as one that waits for something to happen: later requests of the same client need
    /// not wait for it. Of such calls each client may have
    /// [`SESSION_PARKED_MAX`](crate::limits::SESSION_PARKED_MAX), waiting transactions of the engine included.
    pub fn step_aside(&self) {
        if !self.is_aside.swap(true, Ordering::Relaxed) {
            self.peer.mailbox().deliver(Letter::Parked(self.token));
        }
    }
}
