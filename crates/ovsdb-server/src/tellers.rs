//! Who tells clients what is new: a few tasks that go from session to session, behind everybody's requests.
//!
//! A commit may concern thousands of clients. If each of their sessions were woken for it, all of them would stand before
//! the next request. Instead the [`Desk`] of each session that has something to tell waits in one queue, and at most all
//! but one of the threads of the runtime are at work on it. Whoever commits meanwhile adds to what the sessions in the
//! queue have to tell, so that the more there is to do, the more is told at once. Nobody waits for more: what is alone in
//! the queue is told right away. Nothing here knows monitors or sockets.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use tokio::runtime::Handle;

use crate::limits;

/// Where a session leaves what it takes to tell its client something, while it has nothing else to do.
pub(crate) trait Desk: Send + Sync {
    /// Tells what is new, or has the session do it.
    fn tell(&self);

    /// The desk's place in the queue.
    fn ticket(&self) -> &Ticket;
}

/// Whether a desk waits in the queue.
#[derive(Debug, Default)]
pub(crate) struct Ticket {
    is_waiting: AtomicBool,
}

/// See the module's documentation.
pub(crate) struct Tellers {
    runtime: Handle,
    /// How many may be at work.
    max: usize,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    /// Bounded by the number of sessions: each is in it once at most.
    desks: VecDeque<Arc<dyn Desk>>,
    /// How many are at work.
    at_work: usize,
}

impl Tellers {
    /// Tellers that work in the runtime within which this is called.
    pub(crate) fn new() -> Arc<Tellers> {
        let runtime = Handle::current();
        let threads = runtime.metrics().num_workers();
        Arc::new(Tellers {
            max: threads.saturating_sub(1).max(1),
            runtime,
            queue: Mutex::default(),
        })
    }

    /// Has a desk's news told soon. From any thread.
    pub(crate) fn add(self: &Arc<Self>, desk: &Arc<dyn Desk>) {
        if desk.ticket().is_waiting.swap(true, Ordering::AcqRel) {
            return;
        }
        let mut queue = self.queue.lock();
        queue.desks.push_back(desk.clone());
        // Another one comes only if there is enough to do.
        let wanted = queue.desks.len().div_ceil(limits::TELLS_IN_A_ROW);
        let start = queue.at_work < wanted.min(self.max);
        queue.at_work += usize::from(start);
        drop(queue);
        if start {
            self.runtime.spawn(work(self.clone()));
        }
    }

    /// Takes some desks from the queue. If there are none, the teller who asked has stopped.
    fn next(&self, desks: &mut Vec<Arc<dyn Desk>>) {
        let mut queue = self.queue.lock();
        let count = queue.desks.len().min(limits::TELLS_IN_A_ROW);
        desks.extend(queue.desks.drain(..count));
        if desks.is_empty() {
            queue.at_work -= 1;
        }
    }
}

async fn work(tellers: Arc<Tellers>) {
    let mut desks = Vec::with_capacity(limits::TELLS_IN_A_ROW);
    loop {
        tellers.next(&mut desks);
        if desks.is_empty() {
            return;
        }
        for desk in desks.drain(..) {
            // Before it is told: what comes from now on may come too late for that.
            desk.ticket().is_waiting.store(false, Ordering::Release);
            desk.tell();
        }
        // Requests that have arrived meanwhile come first.
        tokio::task::yield_now().await;
    }
}
