//! One connection to a server: requests out, replies matched to them, everything else in order as events.

mod methods;
mod pending;
mod shared;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use bytes::Bytes;
use ovsdb_net::Stream;
use ovsdb_proto::json::Json;
use ovsdb_proto::jsonrpc::{self, Message};
use ovsdb_proto::words::Method;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::Instant;

use crate::delivery::Delivery;
use crate::driver::{Driver, Outgoing, Sink};
use crate::error::{Disconnect, RequestError};
use crate::event::{Event, RawEvent, RequestId};
use crate::queue;

pub use methods::Since;
pub use pending::{Cancellation, Pending};
pub(crate) use shared::{Shared, Waiter};

/// Limits of a session.
#[derive(Clone, Debug)]
pub struct Options {
    /// Requests that may await their replies at one time; further ones wait for their turn.
    pub in_flight_max: usize,
    /// Messages that may wait to be written; further ones wait for their turn.
    pub unsent_max: usize,
    /// Events that may wait for [`Events::next`]. While that many wait, nothing is read from the server: it will take
    /// this side for dead when its probes go unanswered.
    pub unread_max: usize,
    /// Bytes of messages that may wait there likewise. A message that is longer waits alone.
    pub unread_bytes_max: usize,
    /// The longest message from the server, in bytes; a longer one ends the session.
    pub message_bytes_max: usize,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            in_flight_max: 4096,
            unsent_max: 256,
            unread_max: 256,
            unread_bytes_max: 64 << 20,
            message_bytes_max: 4 << 30,
        }
    }
}

/// A handle on a connection, for making requests. Clones share the connection, which ends with the last of them.
///
/// Requests are sent in the order in which they were made and may be in flight together; a reply is matched to
/// its request by id. `echo` requests of the server are answered unasked.
#[derive(Clone, Debug)]
pub struct Session {
    name: Arc<str>,
    shared: Arc<Shared>,
    outgoing: mpsc::Sender<Outgoing>,
    in_flight: Arc<Semaphore>,
}

/// The events of a session, in the order in which the server sent them.
///
/// Whoever awaits a reply while [`Options::unread_max`] events wait here, waits for ever: take events at the same
/// time, or drop this value, after which events are discarded.
#[derive(Debug)]
pub struct Events {
    incoming: queue::Receiver<Event>,
    shared: Arc<Shared>,
}

/// The events of a session whose contents nobody has read yet, in the order in which the server sent them, but for those that
/// replicas have already.
#[derive(Debug)]
pub(crate) struct RawEvents {
    incoming: queue::Receiver<RawEvent>,
    shared: Arc<Shared>,
}

impl Session {
    /// Starts a session on a connected stream. The work is done by a task of the current tokio runtime.
    pub fn start(stream: Stream, options: &Options) -> (Session, Events) {
        let name: Arc<str> = stream.name().into();
        let (reader, writer) = stream.into_split();
        Session::on(name, reader, writer, options)
    }

    /// Starts a session on any pair of byte streams; `name` is for logs.
    pub fn on(
        name: Arc<str>,
        reader: impl AsyncRead + Send + Unpin + 'static,
        writer: impl AsyncWrite + Send + Unpin + 'static,
        options: &Options,
    ) -> (Session, Events) {
        let (to_user, incoming) = queue::channel(options.unread_max, options.unread_bytes_max);
        let sink = Sink::Parsed(to_user);
        let session = Session::begin(name, reader, writer, options, Arc::default(), sink);
        let shared = Arc::clone(&session.shared);
        (session, Events { incoming, shared })
    }

    /// Starts a session whose events come unread: to `replicas` those that are for them, as far as there is room, and here all
    /// others. Its requests take their ids from `next_id`.
    pub(crate) fn raw(
        stream: Stream,
        options: &Options,
        next_id: Arc<AtomicU64>,
        replicas: Arc<Delivery>,
    ) -> (Session, RawEvents) {
        let name: Arc<str> = stream.name().into();
        let (reader, writer) = stream.into_split();
        let (to_user, incoming) = queue::channel(options.unread_max, options.unread_bytes_max);
        let sink = Sink::Raw {
            replicas,
            to_client: to_user,
        };
        let session = Session::begin(name, reader, writer, options, next_id, sink);
        let shared = Arc::clone(&session.shared);
        (session, RawEvents { incoming, shared })
    }

    fn begin(
        name: Arc<str>,
        reader: impl AsyncRead + Send + Unpin + 'static,
        writer: impl AsyncWrite + Send + Unpin + 'static,
        options: &Options,
        next_id: Arc<AtomicU64>,
        sink: Sink,
    ) -> Session {
        let shared = Arc::new(Shared::new(next_id));
        let (outgoing, to_write) = mpsc::channel(options.unsent_max);
        let driver = Driver {
            name: Arc::clone(&name),
            shared: Arc::clone(&shared),
            to_write,
            sink,
            message_bytes_max: options.message_bytes_max,
        };
        tokio::spawn(driver.run(reader, writer));
        Session {
            name,
            shared,
            outgoing,
            in_flight: Arc::new(Semaphore::new(options.in_flight_max)),
        }
    }

    /// The peer, as logs and messages show it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Makes a request and awaits its result.
    ///
    /// # Errors
    ///
    /// See [`RequestError`]. Without a deadline this waits as long as the connection lasts.
    pub async fn call(
        &self,
        method: &str,
        params: Vec<Json>,
        deadline: Option<Instant>,
    ) -> Result<Json, RequestError> {
        let reply = async { self.send(method, params).await?.await };
        match deadline {
            None => reply.await,
            Some(deadline) => tokio::time::timeout_at(deadline, reply)
                .await
                .unwrap_or(Err(RequestError::DeadlineExceeded)),
        }
    }

    /// Makes a request and returns when it is on its way, so that others can follow it before its reply comes.
    ///
    /// # Errors
    ///
    /// [`RequestError::NotSent`] when the session has ended.
    pub async fn send(&self, method: &str, params: Vec<Json>) -> Result<Pending, RequestError> {
        let (waiter, reply) = oneshot::channel();
        let id = self.enqueue(method, params, Waiter::Caller(waiter)).await?;
        let outgoing = self.outgoing.downgrade();
        let shared = Arc::clone(&self.shared);
        let in_flight = Arc::clone(&self.in_flight);
        Ok(Pending::new(id, reply, shared, outgoing, in_flight, method))
    }

    /// Makes a request whose reply is to come among the [`Events`], in its place between the notifications.
    ///
    /// # Errors
    ///
    /// [`RequestError::NotSent`] when the session has ended.
    pub async fn subscribe(
        &self,
        method: &str,
        params: Vec<Json>,
    ) -> Result<RequestId, RequestError> {
        Ok(RequestId(
            self.enqueue(method, params, Waiter::Events { owner: 0 })
                .await?,
        ))
    }

    /// Sends a notification, which has no reply.
    ///
    /// # Errors
    ///
    /// [`RequestError::NotSent`] when the session has ended.
    pub async fn notify(&self, method: &str, params: Vec<Json>) -> Result<(), RequestError> {
        let message = Message::notification(method, params);
        tracing::debug!(target: "jsonrpc", "{}: send {message}", self.name);
        self.write(Outgoing {
            bytes: message.to_bytes().into(),
            request: None,
        })
        .await
    }

    /// Asks the server to cancel a request (RFC 7047, section 4.1.4). Its reply comes either way.
    ///
    /// # Errors
    ///
    /// [`RequestError::NotSent`] when the session has ended.
    pub async fn cancel(&self, id: RequestId) -> Result<(), RequestError> {
        self.write(pending::cancellation(id.0)).await
    }

    /// Ends the session at once, for all handles. What has not been written yet never will be.
    pub fn close(&self) {
        self.end(Disconnect::Closed);
    }

    /// Whether the session is over.
    pub(crate) fn is_over(&self) -> bool {
        self.outgoing.is_closed()
    }

    /// Returns when the session is over.
    pub(crate) async fn over(&self) {
        self.outgoing.closed().await;
    }

    /// Whether the session has been ended, and is over or about to be.
    pub(crate) fn has_ended(&self) -> bool {
        self.shared.has_ended()
    }

    /// Why the session has ended.
    pub(crate) fn end_reason(&self) -> Disconnect {
        self.shared.end_reason()
    }

    /// [`Session::close`] with a reason for those who wait.
    pub(crate) fn end(&self, why: Disconnect) {
        self.shared.end(why);
    }

    /// Sends an `echo` request whose reply counts only as a sign of life. With that much to send already that there is
    /// no room, other replies will be that sign.
    pub(crate) fn probe(&self) {
        let id = Json::Integer(self.shared.next_id().cast_signed());
        let probe = Message::request(Method::Echo.as_str(), vec![], id);
        tracing::debug!(target: "jsonrpc", "{}: send {probe}", self.name);
        let outgoing = Outgoing {
            bytes: probe.to_bytes().into(),
            request: None,
        };
        drop(self.outgoing.try_send(outgoing));
    }

    /// When something last came from the server.
    pub(crate) fn last_heard(&self) -> Instant {
        self.shared.last_heard()
    }

    /// Makes a request, with an id from the session's source of ids, whose reply is to come among the events of `owner`.
    pub(crate) async fn send_for(
        &self,
        owner: u64,
        id: RequestId,
        method: Method,
        params: &[u8],
    ) -> Result<(), RequestError> {
        let mut bytes = Vec::with_capacity(params.len() + 64);
        if method == Method::Cancel {
            // A notification (RFC 7047, section 4.1.4): no reply to it is to be expected.
            jsonrpc::write_notification(method.as_str(), params, &mut bytes);
            let outgoing = Outgoing {
                bytes: bytes.into(),
                request: None,
            };
            return self.write(outgoing).await;
        }
        let wire_id = Json::Integer(id.0.cast_signed());
        jsonrpc::write_request(method.as_str(), params, &wire_id, &mut bytes);
        tracing::debug!(target: "jsonrpc", "{}: send request, method=\"{method}\", params={}, id={wire_id}",
            self.name, String::from_utf8_lossy(params));
        self.expect_and_write(id.0, Waiter::Events { owner }, bytes.into())
            .await
    }

    async fn enqueue(
        &self,
        method: &str,
        params: Vec<Json>,
        waiter: Waiter,
    ) -> Result<u64, RequestError> {
        let id = self.shared.next_id();
        let request = Message::request(method, params, Json::Integer(id.cast_signed()));
        tracing::debug!(target: "jsonrpc", "{}: send {request}", self.name);
        self.expect_and_write(id, waiter, request.to_bytes().into())
            .await?;
        Ok(id)
    }

    async fn expect_and_write(
        &self,
        id: u64,
        waiter: Waiter,
        bytes: Bytes,
    ) -> Result<(), RequestError> {
        let Ok(place) = Arc::clone(&self.in_flight).acquire_owned().await else {
            // The semaphore is never closed; were it, the session would be over.
            return Err(RequestError::NotSent(self.shared.end_reason()));
        };
        self.shared
            .expect(id, waiter, place)
            .map_err(RequestError::NotSent)?;
        // A caller that gives up here must not leave its entry behind.
        let forget = Forget {
            id,
            shared: &self.shared,
        };
        let request = Some(id);
        self.write(Outgoing { bytes, request }).await?;
        std::mem::forget(forget);
        Ok(())
    }

    async fn write(&self, outgoing: Outgoing) -> Result<(), RequestError> {
        self.outgoing
            .send(outgoing)
            .await
            .map_err(|_| RequestError::NotSent(self.shared.end_reason()))
    }
}

struct Forget<'a> {
    id: u64,
    shared: &'a Shared,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        self.shared.forget(self.id);
    }
}

impl Events {
    /// The next event.
    ///
    /// # Errors
    ///
    /// Why there will be no more of them.
    pub async fn next(&mut self) -> Result<Event, Disconnect> {
        match self.incoming.recv().await {
            Some(event) => Ok(event),
            None => Err(self.shared.end_reason()),
        }
    }
}

impl RawEvents {
    /// The next event. Safe to cancel.
    ///
    /// # Errors
    ///
    /// Why there will be no more of them.
    pub(crate) async fn next(&mut self) -> Result<RawEvent, Disconnect> {
        let event = self.incoming.recv().await;
        let event = event.ok_or_else(|| self.shared.end_reason())?;
        if let RawEvent::Reply { id, .. } = &event {
            self.shared.taken(*id);
        }
        Ok(event)
    }

    /// After the end: requests of `owner` that the server may have seen, without a reply or with one that is not among the
    /// events that were taken.
    pub(crate) fn in_doubt(&self, owner: u64) -> Vec<RequestId> {
        self.shared.in_doubt(owner)
    }
}

#[cfg(test)]
mod tests;
