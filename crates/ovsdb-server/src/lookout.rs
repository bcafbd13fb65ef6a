//! Has the other threads of the runtime look after the sockets while one of them is held up by a slow disk.
//!
//! A small transaction runs on the thread of the runtime that received it (see [`writer`](crate::writer)), and writes its
//! record there, or brings it to the disk if that was quick the last time. Mostly that takes microseconds. But a file may
//! take seconds, and a runtime that had nothing else to do has put its other threads to sleep, so that nobody would wait for
//! input. A thread of our own notices and wakes one of them. It sleeps while no transactions run.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::Thread;

use tokio::runtime::Handle;

use crate::limits;

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct Lookout {
    shared: Arc<Shared>,
    thread: Thread,
    runtime: Option<Handle>,
}

#[derive(Debug, Default)]
struct Shared {
    begun: AtomicU64,
    ended: AtomicU64,
    /// The thread sleeps until somebody wakes it.
    asleep: AtomicBool,
    closed: AtomicBool,
}

/// Something that may take long is being done on a thread of the runtime.
#[derive(Debug)]
pub(crate) struct AtWork<'a>(&'a Shared);

impl Lookout {
    /// Starts the thread, for the runtime within which this is called.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub(crate) fn start() -> std::io::Result<Lookout> {
        let shared = Arc::new(Shared::default());
        let runtime = Handle::try_current().ok();
        let (watched, watching) = (shared.clone(), runtime.clone());
        let watch = move || {
            if let Some(runtime) = watching {
                watch(&watched, &runtime);
            }
        };
        let thread = std::thread::Builder::new()
            .name(String::from("lookout"))
            .spawn(watch)?;
        Ok(Lookout {
            shared,
            thread: thread.thread().clone(),
            runtime,
        })
    }

    /// Whether there is another thread of the runtime to be woken when one is held up.
    pub(crate) fn has_others(&self) -> bool {
        let runtime = self.runtime.as_ref();
        runtime.is_some_and(|runtime| runtime.metrics().num_workers() >= 2)
    }

    /// To be called before something that may take long. It is over when the answer is dropped.
    pub(crate) fn at_work(&self) -> AtWork<'_> {
        self.shared.begun.fetch_add(1, Ordering::SeqCst);
        if self.shared.asleep.load(Ordering::SeqCst)
            && self.shared.asleep.swap(false, Ordering::SeqCst)
        {
            self.thread.unpark();
        }
        AtWork(&self.shared)
    }
}

impl Drop for AtWork<'_> {
    fn drop(&mut self) {
        self.0.ended.fetch_add(1, Ordering::SeqCst);
    }
}

impl Drop for Lookout {
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::SeqCst);
        self.thread.unpark();
    }
}

fn watch(shared: &Shared, runtime: &Handle) {
    let (mut seen, mut idle_looks) = (0, 0);
    while !shared.closed.load(Ordering::SeqCst) {
        std::thread::park_timeout(limits::LOOKOUT_INTERVAL);
        // The end first: a difference then means that something is being done.
        let ended = shared.ended.load(Ordering::SeqCst);
        let is_idle = shared.begun.load(Ordering::SeqCst) == ended;
        if ended != seen || !is_idle {
            idle_looks = 0;
        }
        if !is_idle && ended == seen {
            // Whatever there is to run wakes a sleeping thread, which then waits for input, too.
            runtime.spawn(std::future::ready(()));
        }
        seen = ended;
        idle_looks += 1;
        if idle_looks <= limits::LOOKOUT_IDLE_MAX {
            continue;
        }
        shared.asleep.store(true, Ordering::SeqCst);
        // Whoever began before that does not wake us.
        while shared.asleep.load(Ordering::SeqCst)
            && shared.begun.load(Ordering::SeqCst) == ended
            && !shared.closed.load(Ordering::SeqCst)
        {
            std::thread::park();
        }
        shared.asleep.store(false, Ordering::SeqCst);
        idle_looks = 0;
    }
}
