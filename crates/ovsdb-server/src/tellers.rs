//! Who tells clients what is new: a few tasks that go from session to session, behind everybody's requests.
//!
//! A commit may concern thousands of clients. If each of their sessions were woken for it, all of them would stand before
//! the next request. Instead the [`Desk`] of each session that has something to tell waits in one queue, and at most all
//! but one of the threads of the runtime are at work on it. Whoever commits meanwhile adds to what the sessions in the
//! queue have to tell, so that the more there is to do, the more is told at once. Nobody waits for more: what is alone in
//! the queue is told right away, and requests without end do not keep anybody from being told. Nothing here knows monitors or sockets.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::Poll;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::time::Instant;

use crate::limits;
use crate::runtime::{self, Who};
use crate::session::Joined;

/// Where a session leaves what it takes to tell its client something, while it has nothing else to do.
pub(crate) trait Desk: Send + Sync {
    /// Tells what is new, or has the session do it. `joined` is what has been told to others before.
    fn tell(&self, joined: &mut Joined);

    /// Ends the session, since to tell its client something has failed in the middle.
    fn give_up(&self);

    /// Who is at the desk.
    fn ticket(&self) -> &Ticket;
}

/// Whether a session is at work, and whether its desk is in the queue.
#[derive(Debug)]
pub(crate) struct Ticket {
    state: AtomicU8,
}

/// The session is at work, and looks for news before it leaves.
const AT_WORK: u8 = 1;
/// There has been news since it came; or the desk is in the queue, and there is.
const NEWS: u8 = 2;
/// The desk is in the queue.
const IN_QUEUE: u8 = 4;

impl Default for Ticket {
    /// That of a session at work.
    fn default() -> Ticket {
        Ticket {
            state: AtomicU8::new(AT_WORK),
        }
    }
}

impl Ticket {
    fn update(&self, change: impl Fn(u8) -> u8) -> u8 {
        let change = |state| Some(change(state));
        match self
            .state
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, change)
        {
            Ok(before) | Err(before) => before,
        }
    }

    /// Notes that there is news. True if the desk is to be put into the queue.
    fn announce(&self) -> bool {
        let before = self.update(|state| match state & (AT_WORK | IN_QUEUE) {
            0 => state | NEWS | IN_QUEUE,
            _ => state | NEWS,
        });
        before & (AT_WORK | IN_QUEUE) == 0
    }

    /// Notes that the desk has left the queue. True if its session is not at work.
    fn call(&self) -> bool {
        let before = self.update(|state| match state & AT_WORK {
            0 => state & !(NEWS | IN_QUEUE),
            _ => state & !IN_QUEUE,
        });
        before & AT_WORK == 0
    }

    /// The session is at work, and will look for news, or is about to look again.
    pub(crate) fn work(&self) {
        self.update(|state| (state | AT_WORK) & !NEWS);
    }

    /// The session has looked and leaves. False, and it is still at work, if there has been news since.
    pub(crate) fn leave(&self) -> bool {
        let before = self.update(|state| match state & NEWS {
            0 => state & !AT_WORK,
            _ => state,
        });
        before & NEWS == 0
    }
}

/// See the module's documentation.
#[derive(Default)]
pub(crate) struct Tellers {
    crew: OnceLock<Crew>,
    queue: Mutex<Queue>,
}

struct Crew {
    runtime: Handle,
    /// How many may be at work.
    max: usize,
}

#[derive(Default)]
struct Queue {
    /// Bounded by the number of sessions: each is in it once at most.
    desks: VecDeque<Arc<dyn Desk>>,
    /// How many are at work.
    at_work: usize,
}

impl Tellers {
    /// Has the tellers work in the runtime within which this is called. Without that nobody is told.
    pub(crate) fn employ(&self) {
        self.crew.get_or_init(|| {
            let runtime = Handle::current();
            let threads = runtime.metrics().num_workers();
            Crew {
                max: threads.saturating_sub(1).max(1),
                runtime,
            }
        });
    }

    /// Has a desk's news told soon, unless its session is at work. From any thread.
    pub(crate) fn announce(self: &Arc<Self>, desk: &Arc<dyn Desk>) {
        let Some(crew) = self.crew.get() else { return };
        if !desk.ticket().announce() {
            return;
        }
        let mut queue = self.queue.lock();
        queue.desks.push_back(desk.clone());
        // Another one comes only if there is enough to do.
        let wanted = queue.desks.len().div_ceil(limits::TELLS_IN_A_ROW);
        let start = queue.at_work < wanted.min(crew.max);
        queue.at_work += usize::from(start);
        drop(queue);
        if start {
            runtime::spawn(&crew.runtime, Who::Teller, work(self.clone()));
        }
    }

    /// How many clients are about to be told what is new.
    pub(crate) fn waiting(&self) -> usize {
        self.queue.lock().desks.len()
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
    let mut joined = Joined::default();
    // How many have been told, and since when, and how long others were at work before.
    let (mut told, mut begin, mut paused) = (0, Instant::now(), Duration::ZERO);
    loop {
        tellers.next(&mut desks);
        if desks.is_empty() {
            return;
        }
        told += desks.len();
        for desk in desks.drain(..) {
            // Before it is told: what comes from now on may come too late for that.
            if desk.ticket().call() {
                tell(desk.as_ref(), &mut joined);
            }
        }
        joined.count();
        // Where requests never end, telling gets as much time as they do, within limits.
        let at_least = paused.min(limits::TELLING_MAX);
        if told >= limits::TELLS_IN_A_ROW && begin.elapsed() >= at_least {
            // Requests that have arrived meanwhile come first.
            let pause = Instant::now();
            let_others().await;
            paused = pause.elapsed();
            (told, begin) = (0, Instant::now());
        }
    }
}

/// Tells the client of one desk what is new. A panic there ends that client's session, as one of its own task would, and not
/// the teller, for whom all others wait.
fn tell(desk: &dyn Desk, joined: &mut Joined) {
    if catch_unwind(AssertUnwindSafe(|| desk.tell(joined))).is_err() {
        *joined = Joined::default();
        desk.give_up();
    }
}

/// Goes on when those have had their turn who are ready now. (What `tokio::task::yield_now` waits for is that its thread has
/// nothing else to do, or looks for requests, and no other thread can take over meanwhile. That may take as long as many
/// long turns, and what is to be told piles up.)
async fn let_others() {
    let mut has_waited = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut has_waited, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;

    /// A desk that counts how often it is told.
    #[derive(Default)]
    struct Counting {
        ticket: Ticket,
        told: AtomicU8,
        panics: AtomicBool,
        is_given_up: AtomicBool,
    }

    impl Desk for Counting {
        fn tell(&self, _joined: &mut Joined) {
            assert!(!self.panics.load(Ordering::SeqCst), "it is to panic");
            self.told.fetch_add(1, Ordering::SeqCst);
        }

        fn give_up(&self) {
            self.is_given_up.store(true, Ordering::SeqCst);
        }

        fn ticket(&self) -> &Ticket {
            &self.ticket
        }
    }

    /// Tellers within a runtime of this thread, and desks whose sessions have left.
    fn fixture(count: usize) -> (tokio::runtime::Runtime, Arc<Tellers>, Vec<Arc<Counting>>) {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let runtime = runtime.expect("a runtime");
        let tellers = Arc::<Tellers>::default();
        runtime.block_on(async { tellers.employ() });
        let desks = (0..count).map(|_| {
            let desk = Arc::<Counting>::default();
            assert!(desk.ticket.leave());
            desk
        });
        let desks = desks.collect();
        (runtime, tellers, desks)
    }

    fn announce(tellers: &Arc<Tellers>, desk: &Arc<Counting>) {
        let desk: Arc<dyn Desk> = desk.clone();
        tellers.announce(&desk);
    }

    fn told(desks: &[Arc<Counting>]) -> Vec<u8> {
        let told = desks.iter().map(|desk| desk.told.load(Ordering::SeqCst));
        told.collect()
    }

    #[test]
    fn what_comes_while_a_desk_is_in_the_queue_is_told_at_once() {
        let (runtime, tellers, desks) = fixture(2);
        for _ in 0..3 {
            announce(&tellers, &desks[0]);
        }
        runtime.block_on(tokio::task::yield_now());
        assert_eq!(told(&desks), [1, 0]);
        announce(&tellers, &desks[0]);
        announce(&tellers, &desks[1]);
        runtime.block_on(tokio::task::yield_now());
        assert_eq!(told(&desks), [2, 1]);
    }

    #[test]
    fn a_session_at_work_is_left_alone_and_looks_again_before_it_leaves() {
        let (runtime, tellers, desks) = fixture(1);
        let ticket = &desks[0].ticket;
        ticket.work();
        announce(&tellers, &desks[0]);
        runtime.block_on(tokio::task::yield_now());
        assert_eq!(told(&desks), [0]);
        assert!(!ticket.leave(), "there was news");
        ticket.work();
        assert!(ticket.leave());
        // Now it comes to work while it is in the queue.
        announce(&tellers, &desks[0]);
        ticket.work();
        announce(&tellers, &desks[0]);
        runtime.block_on(tokio::task::yield_now());
        assert_eq!(told(&desks), [0]);
        assert!(!ticket.leave(), "there was news");
        ticket.work();
        assert!(ticket.leave());
        announce(&tellers, &desks[0]);
        runtime.block_on(tokio::task::yield_now());
        assert_eq!(told(&desks), [1]);
    }

    #[test]
    fn a_panic_at_one_desk_ends_that_session_and_the_others_are_told() {
        let (runtime, tellers, desks) = fixture(3);
        desks[1].panics.store(true, Ordering::SeqCst);
        for _ in 0..2 {
            for desk in &desks {
                announce(&tellers, desk);
            }
            runtime.block_on(tokio::task::yield_now());
        }
        assert_eq!(told(&desks), [2, 0, 2]);
        let given_up = desks.iter().map(|desk| &desk.is_given_up);
        let given_up: Vec<bool> = given_up.map(|it| it.load(Ordering::SeqCst)).collect();
        assert_eq!(given_up, [false, true, false]);
    }

    #[test]
    fn requests_get_their_turn_before_all_have_been_told() {
        let (runtime, tellers, desks) = fixture(4 * limits::TELLS_IN_A_ROW);
        for desk in &desks {
            announce(&tellers, desk);
        }
        let counted = desks.clone();
        let request = async move {
            let count = || told(&counted).into_iter().map(usize::from).sum::<usize>();
            let mut counts = Vec::new();
            while count() < counted.len() {
                counts.push(count());
                let_others().await;
            }
            counts
        };
        let counts = runtime.block_on(async { tokio::spawn(request).await });
        let counts = counts.expect("no panic");
        let first = counts.into_iter().find(|&count| count > 0);
        assert_eq!(first, Some(limits::TELLS_IN_A_ROW));
        assert_eq!(told(&desks), vec![1; desks.len()]);
        runtime.block_on(tokio::task::yield_now());
        assert_eq!(tellers.queue.lock().at_work, 0);
    }
}
