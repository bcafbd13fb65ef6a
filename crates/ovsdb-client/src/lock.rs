//! Locks of a server that a client holds or waits for (RFC 7047, section 4.1.8), over all its connections.
//!
//! This is what users have in their hands; what is asked of the server, and when, is for [`table`].

pub(crate) mod table;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use crate::error::ConnectError;
use table::Wish;

/// How it stands with a lock.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum LockState {
    /// The server has not been asked yet, or has not answered.
    Requested,
    /// Somebody else holds it. It comes to this client when its turn is there.
    Waiting,
    /// It is held.
    Held,
    /// Somebody has stolen it. It comes back when its turn is there.
    Stolen,
    /// The connection was lost, and the lock with it. It will be asked for again.
    Lost,
    /// The server does not give such a lock: its words. It is asked again by the next connection.
    Refused(Arc<str>),
}

/// A lock that a client holds or waits for. It is given back when this is dropped.
///
/// Each server of a cluster has locks of its own: after a change of the server somebody else may believe to hold what this
/// client holds there. So whoever writes under a lock puts an `assert` of it into each transaction.
#[derive(Debug)]
#[must_use = "the lock is given back when this is dropped"]
pub struct Lock {
    name: Arc<str>,
    generation: u64,
    state: watch::Receiver<LockState>,
    wanted: Arc<Wanted>,
}

/// The client has asked for the lock of this name already.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("this client has asked for lock {0} already")]
pub struct AlreadyWanted(pub Arc<str>);

impl Lock {
    /// Its name, as an `assert` operation names it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How it stands with it, now and later. The channel ends with the client.
    pub fn state(&self) -> watch::Receiver<LockState> {
        self.state.clone()
    }

    /// Whether it is held, as far as is known here.
    pub fn is_held(&self) -> bool {
        *self.state.borrow() == LockState::Held
    }

    /// Waits until it is held.
    ///
    /// # Errors
    /// [`ConnectError::Deadline`], [`ConnectError::Closed`].
    pub async fn held(&self, deadline: Option<Instant>) -> Result<(), ConnectError> {
        let mut state = self.state();
        let held = state.wait_for(|state| *state == LockState::Held);
        let held = match deadline {
            None => held.await.is_ok(),
            Some(deadline) => match tokio::time::timeout_at(deadline, held).await {
                Ok(held) => held.is_ok(),
                Err(_) => return Err(ConnectError::Deadline { last: None }),
            },
        };
        match held {
            true => Ok(()),
            false => Err(ConnectError::Closed),
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        self.wanted.give_back(&self.name, self.generation);
    }
}

/// The locks that a client is to have.
#[derive(Debug, Default)]
pub(crate) struct Wanted {
    locks: Mutex<Locks>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Locks {
    by_name: BTreeMap<Arc<str>, Entry>,
    generations: u64,
    is_connected: bool,
    is_closed: bool,
}

#[derive(Debug)]
struct Entry {
    wish: Wish,
    state: watch::Sender<LockState>,
}

impl Wanted {
    fn locks(&self) -> MutexGuard<'_, Locks> {
        // Every change is one call on the map: a panic elsewhere leaves it whole.
        self.locks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wants one more lock.
    pub(crate) fn want(self: &Arc<Self>, name: &str, steals: bool) -> Result<Lock, AlreadyWanted> {
        let mut locks = self.locks();
        if locks.by_name.contains_key(name) {
            return Err(AlreadyWanted(name.into()));
        }
        let generation = locks.generations;
        locks.generations += 1;
        let name: Arc<str> = name.into();
        let (to, state) = watch::channel(LockState::Requested);
        if !locks.is_closed {
            let wish = Wish { generation, steals };
            let entry = Entry { wish, state: to };
            locks.by_name.insert(Arc::clone(&name), entry);
        }
        drop(locks);
        self.changed.notify_one();
        Ok(Lock {
            name,
            generation,
            state,
            wanted: Arc::clone(self),
        })
    }

    fn give_back(&self, name: &str, generation: u64) {
        let mut locks = self.locks();
        let is_this = |entry: &Entry| entry.wish.generation == generation;
        if locks.by_name.get(name).is_some_and(is_this) {
            locks.by_name.remove(name);
            drop(locks);
            self.changed.notify_one();
        }
    }

    /// Returns when other locks may be wanted than before.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// What is wanted now.
    pub(crate) fn wishes(&self) -> BTreeMap<Arc<str>, Wish> {
        let locks = self.locks();
        let wish = |(name, entry): (&Arc<str>, &Entry)| (Arc::clone(name), entry.wish);
        locks.by_name.iter().map(wish).collect()
    }

    /// There is a connection that gives locks.
    pub(crate) fn connected(&self) {
        self.locks().is_connected = true;
    }

    /// The connection is over, and with it all that was given by it; what it has told and nobody has read yet counts for
    /// nothing.
    pub(crate) fn lost(&self) {
        let mut locks = self.locks();
        locks.is_connected = false;
        for entry in locks.by_name.values() {
            entry.state.send_if_modified(|state| {
                let is_of_connection = !matches!(state, LockState::Requested | LockState::Lost);
                if is_of_connection {
                    *state = LockState::Lost;
                }
                is_of_connection
            });
        }
    }

    /// Tells whoever wants a lock how it stands with it.
    pub(crate) fn show(&self, name: &str, generation: u64, state: LockState) {
        let locks = self.locks();
        let is_news = locks.is_connected || state == LockState::Lost;
        if let Some(entry) = locks.by_name.get(name)
            && entry.wish.generation == generation
            && is_news
        {
            entry.state.send_if_modified(|before| {
                let is_other = *before != state;
                *before = state;
                is_other
            });
        }
    }

    /// No lock will come any more.
    pub(crate) fn close(&self) {
        let mut locks = self.locks();
        locks.is_closed = true;
        locks.by_name.clear();
    }
}
