//! A request under way, as seen by whoever awaits its reply.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use ovsdb_proto::error::ErrorTag;
use ovsdb_proto::json::Json;
use ovsdb_proto::jsonrpc::Message;
use ovsdb_proto::words::Method;
use tokio::sync::{Semaphore, mpsc, oneshot};

use super::shared::{Shared, Waiter};
use crate::driver::Outgoing;
use crate::error::RequestError;
use crate::event::RequestId;

/// A request under way: a future of its result.
///
/// Dropping it forgets the reply. Of a `transact` request the server is asked to cancel it then, as it might be held back
/// by a `wait` for ever; whether it was carried out, nobody knows.
#[derive(Debug)]
#[must_use = "the request has been made, but nobody awaits the reply"]
pub struct Pending {
    id: u64,
    reply: oneshot::Receiver<Result<Json, RequestError>>,
    shared: Arc<Shared>,
    /// Does not keep the session alive.
    outgoing: mpsc::WeakSender<Outgoing>,
    in_flight: Arc<Semaphore>,
    cancels_on_drop: bool,
}

/// What became of a request that was to be cancelled.
#[derive(Clone, Debug, PartialEq)]
pub enum Cancellation {
    /// It was not carried out, and will not be.
    Canceled,
    /// The server has taken it back without a word, as the reference does in sessions that did not call
    /// [`set_db_change_aware`](crate::Session::set_db_change_aware). It is not carried out, unless it was on its way through a
    /// cluster already.
    Unanswered,
    /// It was carried out before it could be cancelled; this is its result.
    Done(Json),
}

impl Pending {
    /// The request with this id.
    pub(crate) fn new(
        id: u64,
        reply: oneshot::Receiver<Result<Json, RequestError>>,
        shared: Arc<Shared>,
        outgoing: mpsc::WeakSender<Outgoing>,
        in_flight: Arc<Semaphore>,
        method: &str,
    ) -> Pending {
        Pending {
            id,
            reply,
            shared,
            outgoing,
            in_flight,
            cancels_on_drop: method == Method::Transact.as_str(),
        }
    }

    /// The request's id, as [`Session::cancel`](crate::Session::cancel) takes it.
    pub fn id(&self) -> RequestId {
        RequestId(self.id)
    }

    /// Asks the server to cancel the request (RFC 7047, section 4.1.4), and awaits what becomes of it.
    ///
    /// # Errors
    /// As of the request itself: see [`RequestError`].
    pub async fn cancel(mut self) -> Result<Cancellation, RequestError> {
        self.cancels_on_drop = false;
        let (waiter, echoed) = oneshot::channel();
        self.send_cancellation(waiter).await;
        let echo = tokio::select! {
            biased;
            reply = &mut self => return answered(reply),
            echo = echoed => echo,
        };
        match self.reply.try_recv() {
            Ok(reply) => answered(reply),
            // The echo came after the server's last word on the request: there is none.
            Err(_) if matches!(echo, Ok(Ok(_))) => Ok(Cancellation::Unanswered),
            Err(_) => answered((&mut self).await),
        }
    }

    /// Sends what cancels the request, and an `echo` after it. If that fails the session is over, as the reply says.
    async fn send_cancellation(&self, echoed: oneshot::Sender<Result<Json, RequestError>>) {
        let Ok(place) = Arc::clone(&self.in_flight).acquire_owned().await else {
            return;
        };
        let Some(outgoing) = self.outgoing.upgrade() else {
            return;
        };
        let id = self.shared.next_id();
        if self
            .shared
            .expect(id, Waiter::Caller(echoed), place)
            .is_err()
        {
            return;
        }
        let echo = Message::request(
            Method::Echo.as_str(),
            vec![],
            Json::Integer(id.cast_signed()),
        );
        let echo = Outgoing {
            bytes: Bytes::from(echo.to_bytes()),
            request: Some(id),
        };
        if outgoing.send(cancellation(self.id)).await.is_ok() {
            drop(outgoing.send(echo).await);
        }
    }
}

/// What the reply says of a request that was to be cancelled.
fn answered(reply: Result<Json, RequestError>) -> Result<Cancellation, RequestError> {
    match reply {
        Ok(result) => Ok(Cancellation::Done(result)),
        Err(RequestError::Server(error)) if is_canceled(&error) => Ok(Cancellation::Canceled),
        Err(error) => Err(error),
    }
}

/// Whether the `error` member of a reply says that the request was cancelled. The reference sends the bare word.
fn is_canceled(error: &Json) -> bool {
    let word = error.as_str().or_else(|| error.get("error")?.as_str());
    word == Some(ErrorTag::Canceled.as_str())
}

/// The notification that asks for a request to be cancelled.
pub(super) fn cancellation(id: u64) -> Outgoing {
    let params = vec![Json::Integer(id.cast_signed())];
    Outgoing {
        bytes: Bytes::from(Message::notification(Method::Cancel.as_str(), params).to_bytes()),
        request: None,
    }
}

impl Future for Pending {
    type Output = Result<Json, RequestError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let reply = ready!(Pin::new(&mut self.reply).poll(cx));
        Poll::Ready(
            reply.unwrap_or_else(|_| Err(RequestError::Disconnected(self.shared.end_reason()))),
        )
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if self.shared.forget(self.id)
            && self.cancels_on_drop
            && let Some(outgoing) = self.outgoing.upgrade()
        {
            // Where there is no room the request goes on, as it would if the word came too late.
            drop(outgoing.try_send(cancellation(self.id)));
        }
    }
}
