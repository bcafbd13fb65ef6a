//! Where sessions go on that have much to do, so that those that have little to do never wait behind them.
//!
//! The threads of the runtime serve sessions in turn, so a client waits for the turns of others, and those of one who asks
//! for much are long. Such a session goes on in the lane: threads of its own, one fewer than the runtime has, so that there
//! is always a processor for short turns. Its task moves as a whole, between two turns: when the session says so
//! ([`wish`]), because of what it is about to do, or after a turn that was long. It comes back when its turns have been
//! short for a while. The task has its socket watched where it is; whoever wakes it otherwise need not know where that is.
//!
//! In a simulation, and in a runtime of one thread, there is no lane. Nothing here knows requests.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime};
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
    /// This thread is one of the lane.
    static IS_LANE: Cell<bool> = const { Cell::new(false) };
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
    /// Always there, but while it is dropped.
    lane: Option<Runtime>,
    outside: Handle,
}

impl Threads {
    /// Those beside the runtime within which this is called, if there are to be any.
    fn start() -> Option<Threads> {
        let outside = Handle::current();
        let count = outside.metrics().num_workers();
        if runtime::is_simulated() || count < 2 {
            return None;
        }
        let lane = Builder::new_multi_thread()
            .worker_threads(count - 1)
            .thread_name("lane")
            .on_thread_start(|| IS_LANE.set(true))
            .enable_all()
            .build();
        match lane {
            Ok(lane) => Some(Threads {
                lane: Some(lane),
                outside,
            }),
            Err(error) => {
                tracing::warn!(target: "ovsdb_server", "no threads for clients that ask for much ({error})");
                None
            }
        }
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        if let Some(lane) = self.lane.take() {
            // Who drops it may be one of its own threads, which cannot wait for itself.
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

    /// The runtime in which a task is to go on.
    fn runtime(&self, in_lane: bool) -> Option<&Handle> {
        let threads = self.threads.get()?.as_ref()?;
        match in_lane {
            true => threads.lane.as_ref().map(Runtime::handle),
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
    fn a_task_that_wishes_for_the_lane_goes_on_there_if_there_is_one() {
        assert_eq!(visit(2), (true, true));
        assert_eq!(visit(1), (false, false));
    }
}
