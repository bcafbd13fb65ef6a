//! The lock that a transaction requires, and waiting until the client holds it.
//!
//! What counts is the `assert` in the request, by which the server decides; what is known here only says when it is worth
//! sending.

use ecow::EcoString;
use tokio::sync::watch;
use tokio::time::{Duration, Instant, sleep, timeout_at};

use super::error::Refusal;
use crate::lock::{Lock, LockState};

/// See the module's documentation.
#[derive(Clone, Debug)]
pub(super) struct Guard {
    pub(super) name: EcoString,
    /// How it stands with the lock, if the transaction waits for it.
    state: Option<watch::Receiver<LockState>>,
}

impl Guard {
    /// The lock with this name, which is held or not.
    pub(super) fn require(name: EcoString) -> Guard {
        Guard { name, state: None }
    }

    /// A lock that is worth waiting for.
    pub(super) fn wait_for(lock: &Lock) -> Guard {
        Guard {
            name: lock.name().into(),
            state: Some(lock.state()),
        }
    }

    /// Whether the transaction waits for the lock.
    pub(super) fn waits(&self) -> bool {
        self.state.is_some()
    }

    /// Whether the transaction may be sent at once, as far as is known here.
    pub(super) fn is_open(&self) -> bool {
        let state = self.state.as_ref();
        state.is_none_or(|state| *state.borrow() == LockState::Held)
    }

    /// Waits until the lock is held, as far as is known here; not at all if the transaction does not wait for it.
    ///
    /// # Errors
    /// It is not held by then, the server does not give it, or nobody asks for it any more.
    pub(super) async fn held(&mut self, deadline: Option<Instant>) -> Result<(), Refusal> {
        let not_locked = || Refusal::NotLocked(self.name.clone());
        let Some(state) = &mut self.state else {
            return Ok(());
        };
        let held = async {
            loop {
                let is_held = match &*state.borrow_and_update() {
                    LockState::Held => Some(true),
                    LockState::Refused(_) => Some(false),
                    _ => None,
                };
                if let Some(is_held) = is_held {
                    return is_held;
                }
                if state.changed().await.is_err() {
                    return false;
                }
            }
        };
        let is_held = match deadline {
            None => held.await,
            Some(deadline) => timeout_at(deadline, held).await.unwrap_or(false),
        };
        is_held.then_some(()).ok_or_else(not_locked)
    }

    /// The server has said that the lock is not held. Waits until it is, or at least for `pause` if nothing is known here of its
    /// loss.
    ///
    /// # Errors
    /// As [`Guard::held`]; and the transaction does not wait for the lock.
    pub(super) async fn regained(
        &mut self,
        pause: Duration,
        deadline: Option<Instant>,
    ) -> Result<(), Refusal> {
        let Some(state) = &mut self.state else {
            return Err(Refusal::NotLocked(self.name.clone()));
        };
        let news = async {
            tokio::select! {
                // That nobody asks for it any more is found below.
                _ = state.changed() => {}
                () = sleep(pause) => {}
            }
        };
        match deadline {
            None => news.await,
            // Nor is more to be done at the deadline.
            Some(deadline) => timeout_at(deadline, news).await.unwrap_or(()),
        }
        if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
            return Err(Refusal::NotLocked(self.name.clone()));
        }
        self.held(deadline).await
    }
}
