//! The order in which calls begin, also where some are taken back before their turn.

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;

/// Those who have not had their turn.
#[derive(Debug, Default)]
pub(super) struct Order {
    waiting: Mutex<Waiting>,
    /// Rung when somebody has had his turn, or has gone.
    moved: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    last: u64,
    numbers: BTreeSet<u64>,
}

impl Order {
    /// A turn behind all that there are. It is over when it is dropped.
    pub(super) fn join(self: &Arc<Self>) -> Turn {
        let mut waiting = self.waiting.lock();
        waiting.last += 1;
        let number = waiting.last;
        waiting.numbers.insert(number);
        let order = self.clone();
        Turn { order, number }
    }
}

/// See [`Order::join`].
#[derive(Debug)]
pub(super) struct Turn {
    order: Arc<Order>,
    number: u64,
}

impl Turn {
    /// Waits until all turns before this one are over.
    pub(super) async fn comes(&self) {
        loop {
            let mut moved = pin!(self.order.moved.notified());
            // Before the look, so that nothing happens between that and the wait.
            moved.as_mut().enable();
            if self.order.waiting.lock().numbers.first() == Some(&self.number) {
                return;
            }
            moved.await;
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.order.waiting.lock().numbers.remove(&self.number);
        self.order.moved.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::future::Future;
    use std::task::{Context, Waker};

    #[test]
    fn who_goes_before_his_turn_lets_nobody_pass_those_ahead_of_him() {
        let order = Arc::<Order>::default();
        let [first, second, third] = [(); 3].map(|()| order.join());
        let is_on = |turn: &Turn| {
            let mut context = Context::from_waker(Waker::noop());
            pin!(turn.comes()).poll(&mut context).is_ready()
        };
        assert!(is_on(&first) && !is_on(&second) && !is_on(&third));
        drop(second);
        assert!(is_on(&first) && !is_on(&third));
        let mut waits = pin!(third.comes());
        let mut context = Context::from_waker(Waker::noop());
        assert!(waits.as_mut().poll(&mut context).is_pending());
        drop(first);
        assert!(waits.as_mut().poll(&mut context).is_ready());
    }
}
