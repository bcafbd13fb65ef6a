//! How the server's own work is run: on threads, by the system's clocks and random numbers, or in a simulation.
//!
//! As shipped, a `Worker` has a thread of its own. Within a simulation ([`enter`]) everything that starts on the thread
//! of the simulation are tasks of one tokio runtime without other threads; the same state machines take the same turns
//! there, in an order and after pauses that the simulated [`World`] chooses. Moments are those of tokio's clock, which a
//! simulation pauses. Nothing here knows what the work is.

use std::cell::RefCell;
use std::fmt;
use std::future::{Future, poll_fn};
use std::marker::PhantomData;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use ovsdb_engine::Commit;
use ovsdb_proto::uuid::Uuid;
use parking_lot::Mutex;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::task::AbortHandle;
use tokio::time::{Instant, Sleep};

use crate::hub::Version;

/// What a simulation puts in the place of the operating system, apart from the clock, which is that of its tokio runtime,
/// and from files and connections, which the server is given.
pub trait World {
    /// Random bytes.
    fn random(&self) -> [u8; 16];

    /// The time of day: milliseconds since 1970.
    fn date_ms(&self) -> i64;

    /// For how long somebody who could go on now has to wait nevertheless. `None`: not at all; zero: until others who are
    /// ready have had their turn.
    fn pause(&self, who: Who) -> Option<Duration>;

    /// Whether a session finds another thread at work in the writer right now, or wanting to be.
    fn is_writer_taken(&self) -> bool;

    /// Hears of every version of every database that is published, before anybody else does, and by which commits it came
    /// about since the one before, each with the id of the version that it makes. Of the first version there are none.
    fn published(&self, version: &Version, commits: &[(Arc<Commit>, Uuid)]) {
        // Not every simulation wants to know.
        let _ = (version, commits);
    }
}

/// Those who can be held up in a simulation.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Who {
    /// The thread of a writer.
    Writer,
    /// The thread that syncs a file.
    Sync,
    /// The thread that writes a compacted file.
    Compaction,
    /// The thread that closes a file that has been replaced.
    Close,
    /// The task of a session.
    Session,
    /// A task that tells sessions' clients what is new.
    Teller,
}

impl Who {
    /// The name of the thread.
    fn name(self) -> &'static str {
        match self {
            Who::Writer => "writer",
            Who::Sync => "sync",
            Who::Compaction => "compaction",
            Who::Close => "close",
            Who::Session => "session",
            Who::Teller => "teller",
        }
    }
}

/// How many threads are in a simulation, so that all others need not ask further.
static SIMULATIONS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static WORLD: RefCell<Option<Rc<dyn World>>> = const { RefCell::new(None) };
}

/// While this lives, its thread is in a simulation.
#[derive(Debug)]
pub struct Entered {
    /// It belongs to its thread.
    _not_send: PhantomData<Rc<()>>,
}

/// Begins a simulation on this thread: whatever of a server is started here from now on runs here, in `world`. It needs a
/// tokio runtime of this thread alone, whose clock is paused.
///
/// # Panics
/// The thread is in a simulation already.
pub fn enter(world: Rc<dyn World>) -> Entered {
    let before = WORLD.with(|current| current.borrow_mut().replace(world));
    assert!(before.is_none(), "a thread is in one simulation at a time");
    SIMULATIONS.fetch_add(1, Ordering::Relaxed);
    Entered {
        _not_send: PhantomData,
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        SIMULATIONS.fetch_sub(1, Ordering::Relaxed);
        WORLD.with(|current| current.borrow_mut().take());
    }
}

fn simulated<T>(ask: impl FnOnce(&dyn World) -> T) -> Option<T> {
    if SIMULATIONS.load(Ordering::Relaxed) == 0 {
        return None;
    }
    let world = WORLD.with(|current| current.borrow().clone());
    world.map(|world| ask(world.as_ref()))
}

/// Whether this thread is in a simulation.
pub(crate) fn is_simulated() -> bool {
    simulated(|_| ()).is_some()
}

/// A UUID of version 4 that nobody has used before.
pub fn fresh_uuid() -> Uuid {
    let bytes = match simulated(|world| world.random()) {
        Some(random) => uuid::Builder::from_random_bytes(random).into_uuid(),
        None => uuid::Uuid::new_v4(),
    };
    Uuid::from_bytes(bytes.into_bytes())
}

/// A random number.
pub(crate) fn random() -> u64 {
    match simulated(|world| world.random()) {
        Some(random) => u64::from_ne_bytes(random[..8].try_into().expect("eight of sixteen bytes")),
        None => uuid::Uuid::new_v4().as_u64_pair().0,
    }
}

/// Milliseconds since 1970, for records; a clock before that counts as then.
pub(crate) fn date_ms() -> i64 {
    simulated(|world| world.date_ms()).unwrap_or_else(|| {
        SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .map_or(0, |since| since.as_millis() as i64)
    })
}

/// Whether a session has to leave its transaction to the writer's thread because another thread is at work there, who
/// cannot be seen in a simulation.
pub(crate) fn is_writer_taken() -> bool {
    simulated(|world| world.is_writer_taken()).unwrap_or(false)
}

/// Tells a simulation of a version that is about to be published.
pub(crate) fn published(version: &Version, commits: &[(Arc<Commit>, Uuid)]) {
    simulated(|world| world.published(version, commits));
}

/// Does a long piece of work without holding up the other tasks of this thread, if others can take them over.
pub(crate) fn in_place<T>(work: impl FnOnce() -> T) -> T {
    let alone = Handle::try_current()
        .is_ok_and(|runtime| runtime.runtime_flavor() == RuntimeFlavor::CurrentThread);
    if alone {
        work()
    } else {
        tokio::task::block_in_place(work)
    }
}

/// Runs a task in `runtime`.
pub(crate) fn spawn(runtime: &Handle, who: Who, task: impl Future<Output = ()> + Send + 'static) {
    if is_simulated() {
        runtime.spawn(held_up(who, task));
    } else {
        runtime.spawn(task);
    }
}

/// A future that has to wait now and then although it could go on.
async fn held_up(who: Who, future: impl Future<Output = ()>) {
    let mut future = pin!(future);
    let mut pause = Pause::default();
    poll_fn(|cx| {
        if pause.poll(who, cx).is_pending() {
            return Poll::Pending;
        }
        pause.over = false;
        future.as_mut().poll(cx)
    })
    .await;
}

/// A pause that the simulated world makes somebody take.
#[derive(Default)]
struct Pause {
    sleep: Option<Pin<Box<Sleep>>>,
    over: bool,
}

impl Pause {
    fn poll(&mut self, who: Who, cx: &mut Context<'_>) -> Poll<()> {
        if self.sleep.is_none() && !self.over {
            self.over = true;
            match simulated(|world| world.pause(who)).flatten() {
                None => {}
                Some(Duration::ZERO) => {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Some(length) => self.sleep = Some(Box::pin(tokio::time::sleep(length))),
            }
        }
        if let Some(sleep) = &mut self.sleep {
            if sleep.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            self.sleep = None;
        }
        Poll::Ready(())
    }
}

/// What comes after a worker's turn.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Turn {
    /// Another turn: when something arrives, or at this moment.
    Wait(Option<Instant>),
    /// Another turn.
    Again,
    /// Nothing more, now and whenever it is asked again.
    Closed,
}

/// A state machine with a thread of its own.
pub(crate) trait Worker: Send + 'static {
    /// Does what there is to do.
    fn turn(&mut self) -> Turn;
}

/// Where a worker waits for something to do.
pub(crate) trait Bell: Send + Sync + 'static {
    /// Waits on this thread until something has arrived, or until `deadline`.
    fn wait(&self, deadline: Option<Instant>);

    /// The same for a task.
    fn rung(&self, deadline: Option<Instant>) -> impl Future<Output = ()> + Send;
}

/// For workers that never wait.
pub(crate) struct NeverWaits;

impl Bell for NeverWaits {
    fn wait(&self, _deadline: Option<Instant>) {}

    async fn rung(&self, _deadline: Option<Instant>) {}
}

/// A worker that has been started.
pub(crate) enum Started {
    /// `None` once it is known to have ended.
    Thread(Option<std::thread::JoinHandle<()>>),
    /// Its task is somewhere between two turns.
    Task(Arc<Mutex<dyn Worker>>, AbortHandle),
}

impl fmt::Debug for Started {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Started::Thread(_) => f.write_str("Thread"),
            Started::Task(..) => f.write_str("Task"),
        }
    }
}

impl Started {
    /// To be called before this thread waits for something that the worker makes. Where the two share a thread, the worker
    /// takes a turn now.
    pub(crate) fn go_on(&self) {
        if let Started::Task(worker, _) = self {
            worker.lock().turn();
        }
    }

    /// Waits until the worker has come to its end. It has been told to, or does by itself.
    pub(crate) fn join(&mut self) {
        match self {
            Started::Thread(thread) => {
                if let Some(thread) = thread.take() {
                    // A panic over there has been reported by its own thread.
                    let _ = thread.join();
                }
            }
            Started::Task(worker, task) => {
                while worker.lock().turn() != Turn::Closed {}
                task.abort();
            }
        }
    }
}

/// Starts a worker, which has its first turn when `bell` rings.
///
/// # Errors
/// The system does not give us a thread.
pub(crate) fn start<W: Worker>(
    who: Who,
    worker: Arc<Mutex<W>>,
    bell: Arc<impl Bell>,
) -> std::io::Result<Started> {
    if is_simulated() {
        let shared = worker.clone();
        let task = tokio::spawn(async move {
            let mut deadline = None;
            loop {
                bell.rung(deadline).await;
                let mut pause = Pause::default();
                poll_fn(|cx| pause.poll(who, cx)).await;
                let turn = worker.lock().turn();
                match turn {
                    Turn::Wait(until) => deadline = until,
                    Turn::Again => deadline = Some(Instant::now()),
                    Turn::Closed => return,
                }
            }
        });
        return Ok(Started::Task(shared, task.abort_handle()));
    }
    let work = move || {
        let mut deadline = None;
        loop {
            bell.wait(deadline);
            let mut turn = worker.lock().turn();
            while turn == Turn::Again {
                turn = worker.lock().turn();
            }
            match turn {
                Turn::Wait(until) => deadline = until,
                Turn::Again => unreachable!("it has had all its turns"),
                Turn::Closed => return,
            }
        }
    };
    let thread = std::thread::Builder::new()
        .name(who.name().to_owned())
        .spawn(work)?;
    Ok(Started::Thread(Some(thread)))
}
