//! Keeps a thread of the runtime awake for a moment before it sleeps, because a client is about to send its next request.
//!
//! A client that asks for one thing after another asks again some ten microseconds after an answer. To put a thread to
//! sleep and to wake it costs both sides more than that, in time and in work. So a thread that has nothing else to do looks
//! at the socket of such a client for a while before it sleeps: at that of one client at a time, and for one that has been
//! waited for in vain more and more seldom. In a simulation, and in a runtime whose threads were not told
//! ([`keep_awake`]), nothing of that happens. Nothing here reads from a socket.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ovsdb_net::Glance;
use parking_lot::Mutex;
use tokio::runtime::Builder;
use tokio::time::Instant;

use crate::limits;

/// Has the threads of a runtime that is being built stay awake when that is worth it.
pub fn keep_awake(runtime: &mut Builder) {
    VIGIL.is_kept.store(true, Ordering::Relaxed);
    runtime
        .on_thread_park(|| VIGIL.before_sleep())
        .on_thread_unpark(|| VIGIL.after_sleep());
}

/// That of this process.
static VIGIL: Vigil = Vigil::new();

thread_local! {
    /// This thread is the one that waits for input, or is about to.
    static LISTENS: Cell<bool> = const { Cell::new(false) };
    /// This thread has waited for a disk since it last slept.
    static HAS_SYNCED: Cell<bool> = const { Cell::new(false) };
}

/// To be called after this thread has waited for a disk. Next to that, what is saved by staying awake is little.
pub(crate) fn has_synced() {
    HAS_SYNCED.set(true);
}

/// What threads look at before they sleep.
#[derive(Debug)]
struct Vigil {
    /// Somebody looks.
    is_kept: AtomicBool,
    /// There is something to look at.
    is_wanted: AtomicBool,
    /// A thread of the runtime sleeps until there is input. Others sleep until somebody wakes them, and need not look.
    is_listening: AtomicBool,
    watched: Mutex<Option<Arc<Watched>>>,
}

/// A socket from which the next request is expected.
#[derive(Debug)]
struct Watched {
    glance: Glance,
    /// The client has sent something while it was looked at.
    has_come: AtomicBool,
    /// It was looked at to no avail.
    in_vain: AtomicBool,
}

impl Vigil {
    const fn new() -> Vigil {
        Vigil {
            is_kept: AtomicBool::new(false),
            is_wanted: AtomicBool::new(false),
            is_listening: AtomicBool::new(false),
            watched: Mutex::new(None),
        }
    }

    /// Has threads look at a socket, if they look at none.
    fn watch(&'static self, glance: impl FnOnce() -> Option<Glance>) -> Option<Watch> {
        let mut current = self.watched.try_lock()?;
        if current.is_some() {
            return None;
        }
        let watched = Arc::new(Watched {
            glance: glance()?,
            has_come: AtomicBool::new(false),
            in_vain: AtomicBool::new(false),
        });
        *current = Some(watched.clone());
        self.is_wanted.store(true, Ordering::Relaxed);
        Some(Watch {
            vigil: self,
            watched,
        })
    }

    fn before_sleep(&self) {
        let others_listen = self.is_listening.load(Ordering::Relaxed);
        if !HAS_SYNCED.replace(false) && self.is_wanted.load(Ordering::Relaxed) && !others_listen {
            self.look();
        }
        if !self.is_listening.swap(true, Ordering::Relaxed) {
            LISTENS.set(true);
        }
    }

    fn after_sleep(&self) {
        if LISTENS.replace(false) {
            self.is_listening.store(false, Ordering::Relaxed);
        }
    }

    /// Looks at the socket until something arrives there, but not for long.
    fn look(&self) {
        let Some(watched) = self.watched.lock().clone() else {
            return;
        };
        if watched.in_vain.load(Ordering::Relaxed) {
            return;
        }
        let until = Instant::now() + limits::AWAKE;
        // Its session may be run by another thread, which has been woken.
        while self.is_wanted.load(Ordering::Relaxed) {
            if watched.glance.has_input() {
                return watched.has_come.store(true, Ordering::Relaxed);
            }
            if Instant::now() >= until {
                return watched.in_vain.store(true, Ordering::Relaxed);
            }
        }
    }
}

/// While this lives, threads look at a client's socket before they sleep.
#[derive(Debug)]
pub(crate) struct Watch {
    vigil: &'static Vigil,
    watched: Arc<Watched>,
}

impl Watch {
    /// Whether the client has sent something while it was looked at; `None` if nobody came to look.
    fn has_come(&self) -> Option<bool> {
        let has_come = self.watched.has_come.load(Ordering::Relaxed);
        let in_vain = self.watched.in_vain.load(Ordering::Relaxed);
        (has_come || in_vain).then_some(has_come)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.vigil.is_wanted.store(false, Ordering::Relaxed);
        self.vigil.watched.lock().take();
    }
}

/// A session's experience with its client.
#[derive(Debug, Default)]
pub(crate) struct Patience {
    /// How often in a row it was waited for in vain.
    in_vain: u32,
    /// How often it is not even tried.
    skip: u32,
}

impl Patience {
    /// Has threads look at the client's socket until the answer is dropped, if that is worth it and nobody else's is being
    /// looked at. To be called when the session has answered and is about to wait.
    pub(crate) fn watch(&mut self, glance: impl FnOnce() -> Option<Glance>) -> Option<Watch> {
        let is_kept = VIGIL.is_kept.load(Ordering::Relaxed);
        (is_kept && self.is_worth_it())
            .then(|| VIGIL.watch(glance))
            .flatten()
    }

    /// Takes note of what came of it.
    pub(crate) fn note(&mut self, watch: &Watch) {
        if let Some(has_come) = watch.has_come() {
            self.learn(has_come);
        }
    }

    fn is_worth_it(&mut self) -> bool {
        let is_skipped = self.skip > 0;
        self.skip = self.skip.saturating_sub(1);
        !is_skipped
    }

    fn learn(&mut self, has_come: bool) {
        if has_come {
            self.in_vain = 0;
        } else {
            self.in_vain = (self.in_vain + 1).min(limits::AWAKE_SKIPS_BITS);
            self.skip = 1 << self.in_vain;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::net::UnixStream;

    use ovsdb_net::Stream;

    use super::*;

    fn vigil() -> &'static Vigil {
        Box::leak(Box::new(Vigil::new()))
    }

    /// A client, and how it is looked at.
    fn client() -> (UnixStream, Option<Glance>) {
        let (peer, ours) = UnixStream::pair().expect("a pair of sockets");
        let stream = Stream::from_unix(ours).expect("room for a socket");
        let (read, write) = stream.into_split();
        // The direction that is closed thereby is not the one that is looked at.
        drop(write);
        (peer, read.glance())
    }

    #[tokio::test]
    async fn a_thread_that_is_about_to_sleep_sees_what_a_client_sends() {
        // (the client sends something, another thread listens already, this one had to sync, what comes of it)
        let cases = [
            (true, false, false, Some(true)),
            (false, false, false, Some(false)),
            (true, true, false, None),
            (false, true, false, None),
            (true, false, true, None),
        ];
        for (sends, is_listening, syncs, expected) in cases {
            let vigil = vigil();
            let (mut peer, glance) = client();
            let watch = vigil.watch(|| glance).expect("nobody else is watched");
            vigil.is_listening.store(is_listening, Ordering::Relaxed);
            if sends {
                peer.write_all(b"{}").expect("an open socket");
            }
            if syncs {
                has_synced();
            }
            vigil.before_sleep();
            let case = format!("{sends} {is_listening} {syncs}");
            assert_eq!(watch.has_come(), expected, "{case}");
            vigil.after_sleep();
            assert_eq!(vigil.is_listening.load(Ordering::Relaxed), is_listening);
        }
    }

    #[tokio::test]
    async fn one_client_is_watched_at_a_time() {
        let vigil = vigil();
        let first = vigil.watch(|| client().1).expect("nobody else is watched");
        assert!(vigil.watch(|| client().1).is_none());
        drop(first);
        assert!(vigil.watch(|| client().1).is_some());
    }

    /// How often in a row it is not worth it.
    fn pause(patience: &mut Patience) -> usize {
        std::iter::from_fn(|| (!patience.is_worth_it()).then_some(())).count()
    }

    #[test]
    fn a_client_that_is_waited_for_in_vain_is_waited_for_more_and_more_seldom() {
        let mut patience = Patience::default();
        assert_eq!(pause(&mut patience), 0);
        for expected in [2, 4, 8] {
            patience.learn(false);
            assert_eq!(pause(&mut patience), expected);
        }
        for _ in 0..100 {
            patience.learn(false);
        }
        assert_eq!(pause(&mut patience), 1 << limits::AWAKE_SKIPS_BITS);
        patience.learn(true);
        assert_eq!(pause(&mut patience), 0, "a client that comes at once");
        patience.learn(false);
        assert_eq!(pause(&mut patience), 2, "what was before is forgotten");
    }
}
