//! What a server sends in its own time.

use bytes::Bytes;
use ovsdb_proto::json::Json;
use ovsdb_proto::words::Method;

use crate::error::RequestError;

/// Names a request whose reply comes as an [`Event`].
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct RequestId(pub(crate) u64);

/// One thing that the server sent, in the order of the connection.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// A notification.
    Notification(Notification),
    /// The reply to a request made with [`Session::subscribe`](crate::Session::subscribe).
    Reply {
        /// The request.
        id: RequestId,
        /// Its result, or [`RequestError::Server`].
        result: Result<Json, RequestError>,
    },
}

/// One thing that the server sent, with its contents unread: they end where they should if they are JSON.
#[derive(Clone, Debug)]
pub(crate) enum RawEvent {
    /// A notification with a method that is known.
    Notification {
        /// The method.
        method: Method,
        /// The text of an array.
        params: Bytes,
    },
    /// The reply to a request.
    Reply {
        /// Whose it is among those who share the session.
        owner: u64,
        /// The request.
        id: RequestId,
        /// The text of the result, or the error.
        result: Result<Bytes, Json>,
    },
}

/// A notification as it came.
#[derive(Clone, Debug, PartialEq)]
pub struct Notification {
    /// The method's name.
    pub method: String,
    /// Its parameters.
    pub params: Vec<Json>,
}

/// A notification understood.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Typed<'a> {
    /// `update` (RFC 7047, section 4.1.6).
    Update {
        /// The `<json-value>` of the monitor request.
        monitor: &'a Json,
        /// The `<table-updates>`.
        updates: &'a Json,
    },
    /// `update2` (ovsdb-server(7), section 4.1.14).
    Update2 {
        /// The `<json-value>` of the monitor request.
        monitor: &'a Json,
        /// The `<table-updates2>`.
        updates: &'a Json,
    },
    /// `update3` (ovsdb-server(7), section 4.1.16).
    Update3 {
        /// The `<json-value>` of the monitor request.
        monitor: &'a Json,
        /// The id of the last transaction that the update contains.
        last_transaction: &'a str,
        /// The `<table-updates2>`.
        updates: &'a Json,
    },
    /// `locked`: this session now owns the lock (RFC 7047, section 4.1.9).
    Locked(&'a str),
    /// `stolen`: this session no longer owns the lock (RFC 7047, section 4.1.10).
    Stolen(&'a str),
    /// `monitor_canceled`: the database went away or changed its schema (ovsdb-server(7), section 4.1.17).
    MonitorCanceled(&'a Json),
    /// Anything else, or one of the above with other parameters.
    Other,
}

impl Notification {
    /// Matches the method and the shape of its parameters.
    pub fn typed(&self) -> Typed<'_> {
        let Some(method) = Method::from_text(&self.method) else {
            return Typed::Other;
        };
        match (method, self.params.as_slice()) {
            (Method::Update, [monitor, updates]) => Typed::Update { monitor, updates },
            (Method::Update2, [monitor, updates]) => Typed::Update2 { monitor, updates },
            (Method::Update3, [monitor, Json::String(last_transaction), updates]) => {
                Typed::Update3 {
                    monitor,
                    last_transaction,
                    updates,
                }
            }
            (Method::Locked, [Json::String(lock)]) => Typed::Locked(lock),
            (Method::Stolen, [Json::String(lock)]) => Typed::Stolen(lock),
            (Method::MonitorCanceled, [monitor]) => Typed::MonitorCanceled(monitor),
            _ => Typed::Other,
        }
    }
}
