//! One connection to a server: requests out, replies matched to them, everything else in order as events.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use ovsdb_net::Stream;
use ovsdb_proto::json::Json;
use ovsdb_proto::jsonrpc::Message;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::Instant;

use crate::driver::Driver;
use crate::error::{Disconnect, RequestError};
use crate::event::{Event, RequestId};

/// Limits of a session.
#[derive(Clone, Debug)]
pub struct Options {
    /// Requests that may await their replies at one time; further ones wait for their turn.
    pub in_flight_max: usize,
    /// Messages that may wait to be written; further ones wait for their turn.
    pub unsent_max: usize,
    /// Events that may wait for [`Events::next`]. While that many wait, nothing is read from the server.
    pub unread_max: usize,
    /// The longest message from the server, in bytes; a longer one ends the session.
    pub message_bytes_max: usize,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            in_flight_max: 4096,
            unsent_max: 256,
            unread_max: 256,
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
    outgoing: mpsc::Sender<Bytes>,
    in_flight: Arc<Semaphore>,
}

/// The events of a session, in the order in which the server sent them.
///
/// Whoever awaits a reply while [`Options::unread_max`] events wait here, waits for ever: take events at the same
/// time, or drop this value, after which events are discarded.
#[derive(Debug)]
pub struct Events {
    incoming: mpsc::Receiver<Event>,
    shared: Arc<Shared>,
}

/// A request under way: a future of its result. Dropping it forgets the reply, not the request.
#[derive(Debug)]
#[must_use = "the request has been made, but nobody awaits the reply"]
pub struct Pending {
    id: u64,
    reply: oneshot::Receiver<Result<Json, RequestError>>,
    shared: Arc<Shared>,
}

/// Where the reply to a request goes.
enum Waiter {
    Caller(oneshot::Sender<Result<Json, RequestError>>),
    Events,
}

#[derive(Default)]
struct State {
    waiting: HashMap<u64, (Waiter, OwnedSemaphorePermit)>,
    ended: Option<Disconnect>,
}

/// What the handles of a session and its driver have in common.
pub(crate) struct Shared {
    next_id: AtomicU64,
    state: Mutex<State>,
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
        let shared = Arc::new(Shared {
            next_id: AtomicU64::new(0),
            state: Mutex::default(),
        });
        let (outgoing, to_write) = mpsc::channel(options.unsent_max);
        let (to_user, incoming) = mpsc::channel(options.unread_max);
        let in_flight = Arc::new(Semaphore::new(options.in_flight_max));
        let driver = Driver {
            name: Arc::clone(&name),
            shared: Arc::clone(&shared),
            to_write,
            to_user,
            message_bytes_max: options.message_bytes_max,
        };
        tokio::spawn(driver.run(reader, writer));
        (
            Session {
                name,
                shared: Arc::clone(&shared),
                outgoing,
                in_flight,
            },
            Events { incoming, shared },
        )
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
    /// [`RequestError::Disconnected`] when the session has ended.
    pub async fn send(&self, method: &str, params: Vec<Json>) -> Result<Pending, RequestError> {
        let (waiter, reply) = oneshot::channel();
        let id = self.enqueue(method, params, Waiter::Caller(waiter)).await?;
        Ok(Pending {
            id,
            reply,
            shared: Arc::clone(&self.shared),
        })
    }

    /// Makes a request whose reply is to come among the [`Events`], in its place between the notifications.
    ///
    /// # Errors
    ///
    /// [`RequestError::Disconnected`] when the session has ended.
    pub async fn subscribe(
        &self,
        method: &str,
        params: Vec<Json>,
    ) -> Result<RequestId, RequestError> {
        Ok(RequestId(
            self.enqueue(method, params, Waiter::Events).await?,
        ))
    }

    /// Sends a notification, which has no reply.
    ///
    /// # Errors
    ///
    /// [`RequestError::Disconnected`] when the session has ended.
    pub async fn notify(&self, method: &str, params: Vec<Json>) -> Result<(), RequestError> {
        self.write(&Message::notification(method, params)).await
    }

    async fn enqueue(
        &self,
        method: &str,
        params: Vec<Json>,
        waiter: Waiter,
    ) -> Result<u64, RequestError> {
        let Ok(permit) = Arc::clone(&self.in_flight).acquire_owned().await else {
            // The semaphore is never closed; were it, the session would be over.
            return Err(self.shared.end_reason().into());
        };
        let id = self.shared.next_id.fetch_add(1, Ordering::Relaxed);
        self.shared.expect(id, waiter, permit)?;
        // A caller that gives up here must not leave its entry behind.
        let forget = Forget {
            id,
            shared: &self.shared,
        };
        let request = Message::request(method, params, Json::Integer(id.cast_signed()));
        self.write(&request).await?;
        std::mem::forget(forget);
        Ok(id)
    }

    async fn write(&self, message: &Message) -> Result<(), RequestError> {
        tracing::debug!(target: "jsonrpc", "{}: send {message}", self.name);
        if self.outgoing.send(message.to_bytes().into()).await.is_err() {
            return Err(self.shared.end_reason().into());
        }
        Ok(())
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

impl Future for Pending {
    type Output = Result<Json, RequestError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let reply = ready!(Pin::new(&mut self.reply).poll(cx));
        Poll::Ready(reply.unwrap_or_else(|_| Err(self.shared.end_reason().into())))
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.shared.forget(self.id);
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state = self.state();
        f.debug_struct("Shared")
            .field("in_flight", &state.waiting.len())
            .field("ended", &state.ended)
            .finish()
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // Every change to the state is one call on a map: a panic elsewhere leaves it whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn expect(
        &self,
        id: u64,
        waiter: Waiter,
        permit: OwnedSemaphorePermit,
    ) -> Result<(), Disconnect> {
        let mut state = self.state();
        if let Some(reason) = &state.ended {
            return Err(reason.clone());
        }
        state.waiting.insert(id, (waiter, permit));
        Ok(())
    }

    fn forget(&self, id: u64) {
        self.state().waiting.remove(&id);
    }

    fn end_reason(&self) -> Disconnect {
        self.state().ended.clone().unwrap_or(Disconnect::Closed)
    }

    /// Hands a reply to whoever awaits it; what is to go to the events comes back.
    pub(crate) fn complete(&self, id: &Json, result: Result<Json, RequestError>) -> Option<Event> {
        let Json::Integer(number) = id else {
            return None;
        };
        let id = u64::try_from(*number).ok()?;
        let (waiter, _permit) = self.state().waiting.remove(&id)?;
        match waiter {
            // A receiver that is gone has lost interest.
            Waiter::Caller(caller) => drop(caller.send(result)),
            Waiter::Events => {
                return Some(Event::Reply {
                    id: RequestId(id),
                    result,
                });
            }
        }
        None
    }

    /// Ends the session: everyone who waits learns why.
    pub(crate) fn end(&self, reason: Disconnect) {
        let waiting = {
            let mut state = self.state();
            state.ended.get_or_insert(reason.clone());
            std::mem::take(&mut state.waiting)
        };
        for (waiter, _permit) in waiting.into_values() {
            if let Waiter::Caller(caller) = waiter {
                drop(caller.send(Err(RequestError::Disconnected(reason.clone()))));
            }
        }
    }
}

#[cfg(test)]
mod tests;
