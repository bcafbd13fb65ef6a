//! Where sessions go on that have much to do, so that those that have little to do never wait behind them.
//!
//! The threads of the runtime serve sessions in turn, so a client waits for the turns of others, and those of one who asks
//! for much are long. Such a session goes on in the lane: threads of its own, one fewer than the runtime has, so that there
//! is always a processor for short turns. Its task moves as a whole, between two turns: when the session says so
//! ([`wish`]), because of what it is about to do, or after a turn that was long. It comes back when its turns have been
//! short for a while. The task has its socket watched where it is; whoever wakes it otherwise need not know where that is.
//!
//! In a simulation, and in a runtime of one thread, there is no lane. Nothing here knows requests.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

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
    /// Of the lane of which this thread is one.
    static LONG_PIECES: RefCell<Option<Arc<LongPieces>>> = const { RefCell::new(None) };
    /// This thread is one of a lane.
    static IS_LANE: Cell<bool> = const { Cell::new(false) };
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
    IS_LANE.get()
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
                IS_LANE.set(true);
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
                    record: Record::default(),
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
    record: Record,
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
        let is_lane = IS_LANE.get();
        let place = match is_lane {
            true => Place::Lane,
            false => Place::Outside,
        };
        let at_turn = AtTurn;
        PLACE.set(place);
        let begin = Instant::now();
        let used = || runtime::thread_time();
        let used_before = guest.record.is_watched().then(used);
        if task.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        let turn = Turn {
            took: begin.elapsed(),
            used: used_before.map(|before| used().saturating_sub(before)),
            is_wanted: IS_WANTED.get(),
        };
        drop(at_turn);
        if guest.record.belongs_in_lane(&turn, begin) == is_lane {
            return Poll::Pending;
        }
        if turn.is_wanted {
            guest.lane.wishes.fetch_add(1, Ordering::Relaxed);
        }
        let next = Guest {
            lane: guest.lane.clone(),
            task: guest.task.take(),
            record: std::mem::take(&mut guest.record),
        };
        // There it is asked at once, and says anew what it waits for.
        if let Some(runtime) = guest.lane.runtime(!is_lane) {
            runtime.spawn(next);
        }
        Poll::Ready(())
    }
}

/// What a turn of a session cost.
struct Turn {
    /// By the clock: the system may have had the thread wait.
    took: Duration,
    /// Processor time, if it was looked at.
    used: Option<Duration>,
    is_wanted: bool,
}

/// What is known of the turns that a session had.
#[derive(Debug, Default)]
struct Record {
    /// Until when it belongs in the lane, if it does.
    until: Option<Instant>,
    /// For how many more turns it is looked at how much processor time they use, which is not free.
    watched: u32,
    /// How many of those turns used much.
    long: u32,
}

impl Record {
    fn is_watched(&self) -> bool {
        self.watched > 0
    }

    /// Takes note of a turn that began at `begin`. Says whether the session belongs in the lane.
    fn belongs_in_lane(&mut self, turn: &Turn, begin: Instant) -> bool {
        self.until = self.until.filter(|until| *until > begin);
        self.watched = self.watched.saturating_sub(1);
        if self.watched == 0 {
            self.long = 0;
        }
        if turn.took > limits::LANE_TURN || turn.is_wanted {
            self.watched = limits::LANE_WATCHED_TURNS;
        }
        let used = turn.used.filter(|used| *used > limits::LANE_TURN);
        self.long += u32::from(used.is_some());
        // A single one may have been long for reasons that are not the client's, as where a machine is shared with others.
        let is_known = self.until.is_some() || self.long >= limits::LANE_LONG_TURNS;
        if used.is_some() && is_known || turn.is_wanted {
            let stay = used.unwrap_or_default() * limits::LANE_STAY_TURNS;
            let stay = stay.clamp(limits::LANE_STAY_MIN, limits::LANE_STAY_MAX);
            self.until = self.until.max(Some(begin + stay));
        }
        let end = begin + turn.took;
        self.until = self.until.filter(|until| *until > end);
        self.until.is_some()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    const SHORT: Duration = Duration::from_micros(50);
    const LONG: Duration = Duration::from_millis(5);

    #[test]
    fn a_session_goes_to_the_lane_for_turns_that_use_much_and_comes_back() {
        // (by the clock, processor time, wished for, milliseconds since the turn before, whether it belongs there)
        let cases = [
            (SHORT, None, false, 0, false),
            // The system may have had the thread wait: it is looked at more closely from now on.
            (LONG, None, false, 0, false),
            (LONG, Some(SHORT), false, 0, false),
            (LONG, Some(LONG), false, 0, false),
            (SHORT, Some(SHORT), false, 0, false),
            (LONG, Some(LONG), false, 0, false),
            (LONG, Some(LONG), false, 0, true),
            (SHORT, Some(SHORT), false, 10, true),
            (LONG, Some(LONG), false, 10, true),
            (SHORT, Some(SHORT), false, 200, false),
            (SHORT, Some(SHORT), true, 0, true),
            (SHORT, Some(SHORT), false, 10, true),
            (SHORT, Some(SHORT), false, 200, false),
        ];
        let (mut record, mut now) = (Record::default(), Instant::now());
        for (number, (took, used, is_wanted, pause_ms, expected)) in cases.into_iter().enumerate() {
            now += Duration::from_millis(pause_ms);
            assert_eq!(record.is_watched(), number > 1, "{number}");
            let turn = Turn {
                took,
                used,
                is_wanted,
            };
            assert_eq!(record.belongs_in_lane(&turn, now), expected, "{number}");
            now += took;
        }
        for number in 0..=limits::LANE_WATCHED_TURNS {
            let turn = Turn {
                took: SHORT,
                used: Some(SHORT),
                is_wanted: number == 0,
            };
            record.belongs_in_lane(&turn, now);
            let left = limits::LANE_WATCHED_TURNS - number;
            assert_eq!(record.is_watched(), left > 0, "{number}");
        }
        let turn = |used| Turn {
            took: used,
            used: Some(used),
            is_wanted: false,
        };
        now += limits::LANE_STAY_MAX;
        let after = now + limits::LANE_STAY_MAX;
        for number in 1..limits::LANE_LONG_TURNS {
            assert!(!record.belongs_in_lane(&turn(LONG), now), "{number}");
        }
        for _ in 0..limits::LANE_WATCHED_TURNS {
            record.belongs_in_lane(&turn(SHORT), now);
        }
        assert!(
            !record.belongs_in_lane(&turn(LONG), after),
            "so much between is forgotten"
        );
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
