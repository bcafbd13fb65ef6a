//! What clients of a world saw and did, and when, as a number.

use std::fmt::Display;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};

use ovsdb_client::replica::Replica;
use tokio::time::Instant;

/// See the module's documentation. Clones are the same.
#[derive(Clone)]
pub(crate) struct Trace {
    begun: Instant,
    is_told: bool,
    seen: Arc<Mutex<DefaultHasher>>,
}

impl Trace {
    /// One that begins now. If `is_told`, it is also written to standard error.
    pub(crate) fn new(is_told: bool) -> Trace {
        Trace {
            begun: Instant::now(),
            is_told,
            seen: Arc::default(),
        }
    }

    pub(crate) fn note(&self, who: &str, what: impl Display) {
        let ms = self.begun.elapsed().as_millis();
        let what = what.to_string();
        if self.is_told {
            eprintln!("{ms:>8} {who}: {what}");
        }
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        (ms, who, what).hash(&mut *seen);
    }

    /// Notes each version that a replica comes by, until its client is closed.
    pub(crate) async fn follow(self, nth: usize, replica: Replica) {
        let who = format!("client {nth}");
        let mut generation = 0;
        loop {
            let next = replica.wait_for(None, |version| {
                (version.generation() > generation).then(|| Arc::clone(version))
            });
            let Ok(version) = next.await else {
                return;
            };
            generation = version.generation();
            self.note(&who, format_args!("sees {}", version.digest()));
        }
    }

    pub(crate) fn number(&self) -> u64 {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.finish()
    }
}
