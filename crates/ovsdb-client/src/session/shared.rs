//! What the handles of a session and its driver have in common: who awaits which reply, and how the session stands.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ovsdb_proto::json::Json;
use tokio::sync::{Notify, OwnedSemaphorePermit, oneshot};
use tokio::time::{Duration, Instant};

use crate::error::{Disconnect, RequestError};
use crate::event::RequestId;

/// Where the reply to a request goes.
pub(crate) enum Waiter {
    /// To a caller, as a value.
    Caller(oneshot::Sender<Result<Json, RequestError>>),
    /// Among the events, for one of those who share them.
    Events { owner: u64 },
}

struct Waiting {
    waiter: Waiter,
    /// Whether the server may have seen the request.
    is_sent: bool,
    _place: OwnedSemaphorePermit,
}

#[derive(Default)]
struct State {
    waiting: HashMap<u64, Waiting>,
    /// Whose the replies are that are among the events and that nobody has taken from there, by id.
    unread: BTreeMap<u64, u64>,
    ended: Option<Disconnect>,
    /// Requests of [`Waiter::Events`] that were sent and had no reply when the session ended, by id.
    in_doubt: Vec<(u64, RequestId)>,
}

/// See the module's documentation.
pub(crate) struct Shared {
    next_id: Arc<AtomicU64>,
    state: Mutex<State>,
    stop: Notify,
    started: Instant,
    heard_ms: AtomicU64,
    is_held_up: AtomicBool,
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
    /// Of a session that begins now and takes the ids of its requests from `next_id`.
    pub(crate) fn new(next_id: Arc<AtomicU64>) -> Shared {
        Shared {
            next_id,
            state: Mutex::default(),
            stop: Notify::new(),
            started: Instant::now(),
            heard_ms: AtomicU64::new(0),
            is_held_up: AtomicBool::new(false),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change to the state is one call on a map or list: a panic elsewhere leaves it whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An id that no other request has.
    pub(crate) fn next_id(&self) -> u64 {
        self.next_id.fetch_add(1, Ordering::Relaxed)
    }

    /// Expects the reply to a request that is about to be sent.
    pub(crate) fn expect(
        &self,
        id: u64,
        waiter: Waiter,
        place: OwnedSemaphorePermit,
    ) -> Result<(), Disconnect> {
        let mut state = self.state();
        if let Some(reason) = &state.ended {
            return Err(reason.clone());
        }
        let waiting = Waiting {
            waiter,
            is_sent: false,
            _place: place,
        };
        state.waiting.insert(id, waiting);
        Ok(())
    }

    /// Expects the reply no longer. Says whether it was still awaited.
    pub(crate) fn forget(&self, id: u64) -> bool {
        self.state().waiting.remove(&id).is_some()
    }

    /// Notes that requests are about to be written, which they must not be if this says that the session is over: whoever
    /// awaits them has been told then that they were not sent.
    #[must_use]
    pub(crate) fn may_send(&self, ids: &[u64]) -> bool {
        let mut state = self.state();
        for id in ids {
            if let Some(waiting) = state.waiting.get_mut(id) {
                waiting.is_sent = true;
            }
        }
        state.ended.is_none()
    }

    /// Whether the session has ended.
    pub(crate) fn has_ended(&self) -> bool {
        self.state().ended.is_some()
    }

    /// Why the session has ended.
    pub(crate) fn end_reason(&self) -> Disconnect {
        self.state().ended.clone().unwrap_or(Disconnect::Closed)
    }

    /// Whether anybody awaits the reply to the request with this id.
    pub(crate) fn is_awaited(&self, id: &Json) -> bool {
        request_id(id).is_some_and(|id| self.state().waiting.contains_key(&id))
    }

    /// Whose the awaited reply among the events is; `None` if it goes to a caller or nobody awaits it.
    pub(crate) fn owner(&self, id: &Json) -> Option<u64> {
        let id = request_id(id)?;
        match self.state().waiting.get(&id)?.waiter {
            Waiter::Events { owner } => Some(owner),
            Waiter::Caller(_) => None,
        }
    }

    /// Takes note of a reply that goes to the events, from where somebody is to [take](Shared::taken) it. `None` if nobody
    /// awaits it there.
    pub(crate) fn complete_event(&self, id: &Json) -> Option<RequestId> {
        let id = request_id(id)?;
        let mut state = self.state();
        if let Waiter::Events { owner } = state.waiting.remove(&id)?.waiter {
            state.unread.insert(id, owner);
        }
        Some(RequestId(id))
    }

    /// A reply was taken from the events. Until then whoever asked has no answer: it may go with the session.
    pub(crate) fn taken(&self, id: RequestId) {
        self.state().unread.remove(&id.0);
    }

    /// Hands a reply to the caller who awaits it; what is to go to the events comes back.
    pub(crate) fn complete(
        &self,
        id: &Json,
        result: Result<Json, RequestError>,
    ) -> Option<(RequestId, Result<Json, RequestError>)> {
        let id = request_id(id)?;
        let waiting = self.state().waiting.remove(&id)?;
        match waiting.waiter {
            Waiter::Caller(caller) => {
                // A receiver that is gone has lost interest.
                drop(caller.send(result));
                None
            }
            Waiter::Events { .. } => Some((RequestId(id), result)),
        }
    }

    /// Ends the session: everyone who waits learns why. The first reason counts.
    pub(crate) fn end(&self, reason: Disconnect) {
        let (reason, waiting) = {
            let mut state = self.state();
            let reason = state.ended.get_or_insert(reason).clone();
            let waiting = std::mem::take(&mut state.waiting);
            let in_doubt = waiting.iter().filter_map(|(id, waiting)| {
                let Waiter::Events { owner } = waiting.waiter else {
                    return None;
                };
                waiting.is_sent.then_some((owner, RequestId(*id)))
            });
            let mut in_doubt: Vec<_> = in_doubt.collect();
            in_doubt.sort_unstable();
            state.in_doubt.extend(in_doubt);
            (reason, waiting)
        };
        // They hear of it in the order in which they asked.
        let mut waiting: Vec<_> = waiting.into_iter().collect();
        waiting.sort_unstable_by_key(|(id, _)| *id);
        for (_, waiting) in waiting {
            if let Waiter::Caller(caller) = waiting.waiter {
                let why = reason.clone();
                let error = match waiting.is_sent {
                    true => RequestError::Disconnected(why),
                    false => RequestError::NotSent(why),
                };
                drop(caller.send(Err(error)));
            }
        }
        self.stop.notify_one();
    }

    /// What the server may have seen of the requests of an owner, whose replies did not come or were not taken.
    pub(crate) fn in_doubt(&self, owner: u64) -> Vec<RequestId> {
        let state = self.state();
        let unanswered = state.in_doubt.iter().copied();
        let unread = state.unread.iter();
        let unread = unread.map(|(id, whose)| (*whose, RequestId(*id)));
        let all = unanswered.chain(unread);
        let mut own: Vec<_> = all
            .filter_map(|(whose, id)| (whose == owner).then_some(id))
            .collect();
        own.sort_unstable();
        own
    }

    /// Returns when the session has been ended from this side.
    pub(crate) async fn stopped(&self) {
        self.stop.notified().await;
    }

    /// Notes that something came from the server.
    pub(crate) fn hear(&self) {
        let ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.heard_ms.store(ms, Ordering::Relaxed);
    }

    /// Notes whether this side is too busy to read.
    pub(crate) fn hold_up(&self, is_held_up: bool) {
        self.is_held_up.store(is_held_up, Ordering::Relaxed);
    }

    /// When something last came from the server. While this side does not read, the server cannot be blamed.
    pub(crate) fn last_heard(&self) -> Instant {
        if self.is_held_up.load(Ordering::Relaxed) {
            return Instant::now();
        }
        self.started + Duration::from_millis(self.heard_ms.load(Ordering::Relaxed))
    }
}

fn request_id(id: &Json) -> Option<u64> {
    match id {
        Json::Integer(number) => u64::try_from(*number).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::Semaphore;

    use super::*;

    #[tokio::test]
    async fn what_was_not_sent_when_the_session_ended_never_is() {
        let shared = Shared::new(Arc::default());
        let places = Arc::new(Semaphore::new(2));
        let mut replies = Vec::new();
        for id in 0..2 {
            let place = Arc::clone(&places).acquire_owned().await;
            let (caller, reply) = oneshot::channel();
            shared
                .expect(id, Waiter::Caller(caller), place.expect("there is room"))
                .expect("the session goes on");
            replies.push(reply);
        }
        assert!(shared.may_send(&[0]));
        shared.end(Disconnect::Silent);
        assert!(!shared.may_send(&[1]));
        let unsent = replies.pop().expect("there are two").await;
        assert!(matches!(unsent, Ok(Err(RequestError::NotSent(_)))));
        let sent = replies.pop().expect("there are two").await;
        assert!(matches!(sent, Ok(Err(RequestError::Disconnected(_)))));
    }
}
