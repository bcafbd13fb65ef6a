//! Where sessions go on that have much to do, so that those that have little to do never wait behind them.
//!
//! The threads of the runtime serve sessions in turn, so a client waits for the turns of others, and those of one who asks
//! for much are long. Such a session goes on in the lane: threads of its own, one fewer than the runtime has, so that there
//! is always a processor for short turns. Its task moves as a whole, between two turns, when the session says so ([`wish`])
//! because of what it is about to do; how long a turn took says little about who caused that. It comes back when it has not
//! said so for a while. The task has its socket watched where it is; whoever wakes it otherwise need not know where that is.
//!
//! In a simulation, and in a runtime of one thread, there is no lane. Nothing here knows requests.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use parking_lot::{Condvar, Mutex};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::limits;
use crate::runtime::{self, Who};

/// Where a session's turn takes place.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Place {
    /// There is no lane, or this is no turn of a session that may go there.
    Nowhere,
    /// Where it may be wished for.
    Outside,
    Lane,
}

thread_local! {
    /// Of the lane of which this thread is one, if it is.
    static LONG_PIECES: RefCell<Option<Arc<LongPieces>>> = const { RefCell::new(None) };
    /// It is at a long piece of work.
    static IS_LONG: Cell<bool> = const { Cell::new(false) };
    /// Of the turn that this thread is at.
    static PLACE: Cell<Place> = const { Cell::new(Place::Nowhere) };
    /// Whether the session whose turn it is has wished for the lane.
    static IS_WANTED: Cell<bool> = const { Cell::new(false) };
}

/// To be called by a session that is about to do much. True if it should let its turn end before that: then it goes on in
/// the lane. False if it is there, or there is none.
pub(crate) fn wish() -> bool {
    let place = PLACE.get();
    IS_WANTED.set(place != Place::Nowhere);
    place == Place::Outside
}

/// Whether a session that has wished for the lane goes there when its turn ends.
pub(crate) fn is_ahead() -> bool {
    IS_WANTED.get() && PLACE.get() == Place::Outside
}

/// Those who are at a long piece of work in the lane: no more than it has threads. Nobody who holds a lock waits here.
#[derive(Debug)]
struct LongPieces {
    max: usize,
    at_work: Mutex<usize>,
    one_less: Condvar,
}

/// While this lives, its thread is at a long piece of work.
struct AtLongPiece<'a>(&'a LongPieces);

impl LongPieces {
    fn begin(&self) -> AtLongPiece<'_> {
        let mut at_work = self.at_work.lock();
        self.one_less
            .wait_while(&mut at_work, |at_work| *at_work >= self.max);
        *at_work += 1;
        IS_LONG.set(true);
        AtLongPiece(self)
    }
}

impl Drop for AtLongPiece<'_> {
    fn drop(&mut self) {
        IS_LONG.set(false);
        *self.0.at_work.lock() -= 1;
        self.0.one_less.notify_one();
    }
}

/// Does a long piece of work in the lane while other sessions there go on, when there are no more such pieces under way
/// than the lane has threads.
pub(crate) fn in_turn<T>(work: impl FnOnce() -> T) -> T {
    let pieces = LONG_PIECES.with_borrow(Clone::clone);
    match pieces.filter(|_| !IS_LONG.get()) {
        None => work(),
        Some(pieces) => runtime::in_place(|| {
            let _at_work = pieces.begin();
            work()
        }),
    }
}

/// Whether this is a thread of the lane, which need not be kept free for others.
pub(crate) fn is_here() -> bool {
    LONG_PIECES.with_borrow(Option::is_some)
}

/// See the module's documentation.
#[derive(Debug, Default)]
pub(crate) struct Lane {
    threads: OnceLock<Option<Threads>>,
    /// How often sessions have wished for it and gone there.
    wishes: AtomicUsize,
}

#[derive(Debug)]
struct Threads {
    lane: Handle,
    outside: Handle,
    /// Dropped, it ends the lane.
    _end: oneshot::Sender<()>,
}

/// The threads of the lane, which end with this. A task outside has it: nobody is left in the lane when that runtime ends.
struct Ends(Option<Runtime>);

impl Threads {
    /// Those beside the runtime within which this is called, if there are to be any.
    fn start() -> Option<Threads> {
        let outside = Handle::current();
        let count = outside.metrics().num_workers();
        if runtime::is_simulated() || count < 2 {
            return None;
        }
        let pieces = Arc::new(LongPieces {
            max: count - 1,
            at_work: Mutex::default(),
            one_less: Condvar::new(),
        });
        let lane = Builder::new_multi_thread()
            .worker_threads(count - 1)
            .thread_name("lane")
            .on_thread_start(move || {
                LONG_PIECES.set(Some(pieces.clone()));
            })
            .enable_all()
            .build();
        match lane {
            Ok(lane) => {
                let (end, ended) = oneshot::channel();
                let handle = lane.handle().clone();
                let lane = Ends(Some(lane));
                outside.spawn(async move {
                    let _lane = lane;
                    let _ = ended.await;
                });
                Some(Threads {
                    lane: handle,
                    outside,
                    _end: end,
                })
            }
            Err(error) => {
                tracing::warn!(target: "ovsdb_server", "no threads for clients that ask for much ({error})");
                None
            }
        }
    }
}

impl Drop for Ends {
    fn drop(&mut self) {
        if let Some(lane) = self.0.take() {
            // A task cannot wait for threads.
            lane.shutdown_background();
        }
    }
}

impl Lane {
    /// Runs the task of a session in the runtime within which this is called first, and in the lane.
    pub(crate) fn spawn(self: &Arc<Self>, task: impl Future<Output = ()> + Send + 'static) {
        match self.threads.get_or_init(Threads::start) {
            None => runtime::spawn(&Handle::current(), Who::Session, task),
            Some(threads) => {
                threads.outside.spawn(Guest {
                    lane: self.clone(),
                    task: Some(Box::pin(task)),
                    stay: Stay::default(),
                });
            }
        }
    }

    /// How often sessions have wished for it and gone there.
    #[cfg(test)]
    pub(crate) fn wishes(&self) -> usize {
        self.wishes.load(Ordering::Relaxed)
    }

    /// The runtime that is not the lane, whichever of them this is called within.
    pub(crate) fn outside(&self) -> Handle {
        let threads = self.threads.get().and_then(Option::as_ref);
        threads.map_or_else(Handle::current, |threads| threads.outside.clone())
    }

    /// The runtime in which a task is to go on.
    fn runtime(&self, in_lane: bool) -> Option<&Handle> {
        let threads = self.threads.get()?.as_ref()?;
        match in_lane {
            true => Some(&threads.lane),
            false => Some(&threads.outside),
        }
    }
}

/// A session's task, wherever it is.
struct Guest {
    lane: Arc<Lane>,
    /// `None` once it has gone elsewhere.
    task: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    stay: Stay,
}

/// While this lives, its thread is at the turn of a session.
struct AtTurn;

impl Drop for AtTurn {
    fn drop(&mut self) {
        PLACE.set(Place::Nowhere);
        IS_WANTED.set(false);
    }
}

impl Future for Guest {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let guest = &mut *self;
        let Some(task) = &mut guest.task else {
            return Poll::Ready(());
        };
        let is_lane = is_here();
        let place = match is_lane {
            true => Place::Lane,
            false => Place::Outside,
        };
        let at_turn = AtTurn;
        PLACE.set(place);
        if task.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        let is_wanted = IS_WANTED.get();
        drop(at_turn);
        if guest.stay.is_in_lane(is_wanted, Instant::now) == is_lane {
            return Poll::Pending;
        }
        if is_wanted {
            guest.lane.wishes.fetch_add(1, Ordering::Relaxed);
        }
        let next = Guest {
            lane: guest.lane.clone(),
            task: guest.task.take(),
            stay: std::mem::take(&mut guest.stay),
        };
        // There it is asked at once, and says anew what it waits for.
        if let Some(runtime) = guest.lane.runtime(!is_lane) {
            runtime.spawn(next);
        }
        Poll::Ready(())
    }
}

/// Until when a session belongs in the lane, if it does.
#[derive(Debug, Default)]
struct Stay(Option<Instant>);

impl Stay {
    /// Takes note of a turn that has ended. Says whether the session belongs in the lane.
    fn is_in_lane(&mut self, is_wanted: bool, now: impl FnOnce() -> Instant) -> bool {
        if is_wanted {
            self.0 = Some(now() + limits::LANE_STAY);
        } else if self.0.is_some() {
            // Nobody else needs to know what time it is.
            let now = now();
            self.0 = self.0.filter(|until| *until > now);
        }
        self.0.is_some()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn a_session_stays_in_the_lane_for_a_while_after_its_last_wish() {
        // (wished for, how much of a stay after the turn before, whether it belongs there)
        let cases = [
            (false, 0.0, false),
            (true, 0.0, true),
            (false, 0.9, true),
            (true, 0.0, true),
            (false, 0.9, true),
            (false, 0.2, false),
            (false, 0.0, false),
        ];
        let (mut stay, mut now) = (Stay::default(), Instant::now());
        for (number, (is_wanted, pause, expected)) in cases.into_iter().enumerate() {
            now += limits::LANE_STAY.mul_f64(pause);
            assert_eq!(stay.is_in_lane(is_wanted, || now), expected, "{number}");
        }
    }

    /// What a task in a runtime of so many threads finds: whether it was told to let its turn end, and whether it is in the
    /// lane then.
    fn visit(threads: usize) -> (bool, bool) {
        let mut runtime = Builder::new_multi_thread();
        let runtime = runtime.worker_threads(threads).enable_all().build();
        let runtime = runtime.expect("threads");
        let lane = Arc::<Lane>::default();
        let (found, finds) = mpsc::channel();
        runtime.block_on(async {
            lane.spawn(async move {
                assert!(!is_here());
                let told = wish();
                assert_eq!(is_ahead(), told);
                tokio::task::yield_now().await;
                assert!(!wish(), "it is there, or there is none");
                let _ = found.send((told, is_here()));
            });
        });
        finds.recv().expect("no panic")
    }

    #[test]
    fn long_pieces_in_the_lane_are_no_more_than_its_threads() {
        let mut runtime = Builder::new_multi_thread();
        let runtime = runtime.worker_threads(3).enable_all().build();
        let runtime = runtime.expect("threads");
        let lane = Arc::<Lane>::default();
        let (at_work, most) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let (done, finished) = mpsc::channel();
        runtime.block_on(async {
            for _ in 0..16 {
                let (at_work, most, done) = (at_work.clone(), most.clone(), done.clone());
                lane.spawn(async move {
                    wish();
                    tokio::task::yield_now().await;
                    assert!(is_here());
                    for _ in 0..16 {
                        in_turn(|| {
                            let now = at_work.fetch_add(1, Ordering::SeqCst) + 1;
                            most.fetch_max(now, Ordering::SeqCst);
                            // One that is part of another does not wait for it.
                            in_turn(std::thread::yield_now);
                            at_work.fetch_sub(1, Ordering::SeqCst);
                        });
                    }
                    let _ = done.send(());
                });
            }
        });
        drop(done);
        assert_eq!(finished.iter().count(), 16);
        assert!((1..=2).contains(&most.load(Ordering::SeqCst)));
    }

    #[test]
    fn a_task_that_wishes_for_the_lane_goes_on_there_if_there_is_one() {
        assert_eq!(visit(2), (true, true));
        assert_eq!(visit(1), (false, false));
    }
}
