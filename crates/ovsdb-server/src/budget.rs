//! What the requests of all clients may hold in memory together, and who has to go when that is too much.
//!
//! Requests count while they arrive, while they wait and while a writer works on them, by the size of their text. A
//! session says how much it holds; whoever holds most is told to close when the sum exceeds the limit, so that many who
//! ask for little never pay for one who asks for much.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::mailbox::{Mailbox, SessionId};

/// What a session holds is rounded down to multiples of this, in bytes, so that ordinary sessions need not account for
/// themselves at all.
const STEP_BYTES: usize = 256 << 10;

/// The sum over all sessions. See the module's documentation.
#[derive(Debug)]
pub struct Budget {
    bytes_max: usize,
    holders: Mutex<Holders>,
}

#[derive(Debug, Default)]
struct Holders {
    bytes: usize,
    /// Sessions that hold anything worth counting and were not told to close.
    by_session: HashMap<SessionId, Holder>,
}

#[derive(Debug)]
struct Holder {
    bytes: usize,
    mailbox: Arc<Mailbox>,
}

impl Budget {
    /// A budget of `bytes_max` bytes, of which nothing is used.
    pub fn new(bytes_max: usize) -> Arc<Budget> {
        Arc::new(Budget {
            bytes_max,
            holders: Mutex::default(),
        })
    }

    /// How much is held, as far as it counts.
    pub fn used(&self) -> usize {
        self.holders.lock().bytes
    }
}

/// The part of a [`Budget`] that one session uses. Given back when dropped.
#[derive(Debug)]
pub struct Share {
    budget: Arc<Budget>,
    mailbox: Arc<Mailbox>,
    counted: usize,
}

impl Share {
    /// A share of nothing, for the session of `mailbox`.
    pub fn new(budget: &Arc<Budget>, mailbox: &Arc<Mailbox>) -> Share {
        Share {
            budget: budget.clone(),
            mailbox: mailbox.clone(),
            counted: 0,
        }
    }

    /// Records how many bytes the session holds now.
    pub fn set(&mut self, bytes: usize) {
        let bytes = bytes - bytes % STEP_BYTES;
        if bytes == self.counted {
            return;
        }
        self.counted = bytes;
        let mut holders = self.budget.holders.lock();
        holders.remove(self.mailbox.id());
        if bytes > 0 {
            let mailbox = self.mailbox.clone();
            holders.bytes += bytes;
            let holder = Holder { bytes, mailbox };
            holders.by_session.insert(self.mailbox.id(), holder);
        }
        while holders.bytes > self.budget.bytes_max {
            let sessions = holders.by_session.iter();
            let Some((&id, _)) = sessions.max_by_key(|(_, holder)| holder.bytes) else {
                break;
            };
            if let Some(holder) = holders.remove(id) {
                let max = self.budget.bytes_max;
                let comment = format!("requests of all clients hold more than {max} bytes");
                holder.mailbox.close(Some(comment));
            }
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        if self.counted > 0 {
            self.budget.holders.lock().remove(self.mailbox.id());
        }
    }
}

impl Holders {
    fn remove(&mut self, session: SessionId) -> Option<Holder> {
        let holder = self.by_session.remove(&session)?;
        self.bytes -= holder.bytes;
        Some(holder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shares of one budget of `steps` steps, and their mailboxes.
    fn shares(steps: usize, count: usize) -> (Arc<Budget>, Vec<(Share, Arc<Mailbox>)>) {
        let budget = Budget::new(steps * STEP_BYTES);
        let shares = (0..count).map(|_| {
            let mailbox = Mailbox::new(SessionId::fresh());
            (Share::new(&budget, &mailbox), mailbox)
        });
        let shares = shares.collect();
        (budget, shares)
    }

    fn closed(shares: &[(Share, Arc<Mailbox>)]) -> Vec<bool> {
        let closed = shares
            .iter()
            .map(|(_, mailbox)| mailbox.take_close().is_some());
        closed.collect()
    }

    #[test]
    fn who_holds_most_goes_when_the_sum_is_too_much() {
        let (budget, mut shares) = shares(10, 3);
        shares[0].0.set(6 * STEP_BYTES);
        shares[1].0.set(4 * STEP_BYTES);
        assert_eq!(closed(&shares), [false; 3]);
        shares[2].0.set(STEP_BYTES);
        assert_eq!(closed(&shares), [true, false, false]);
        assert_eq!(budget.used(), 5 * STEP_BYTES);
        shares[2].0.set(8 * STEP_BYTES);
        assert_eq!(closed(&shares), [false, false, true]);
        assert_eq!(budget.used(), 4 * STEP_BYTES);
    }

    #[test]
    fn what_is_given_back_can_be_used_again() {
        let (budget, mut shares) = shares(2, 3);
        for (share, _) in &mut shares {
            share.set(2 * STEP_BYTES + 1);
            share.set(STEP_BYTES - 1);
            assert_eq!(budget.used(), 0);
        }
        shares[0].0.set(2 * STEP_BYTES);
        assert_eq!(closed(&shares), [false; 3]);
        shares.remove(0);
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn small_requests_are_not_counted() {
        let (budget, mut shares) = shares(1, 100);
        for (share, _) in &mut shares {
            share.set(STEP_BYTES - 1);
        }
        assert_eq!(budget.used(), 0);
        assert!(closed(&shares).iter().all(|closed| !closed));
    }
}
