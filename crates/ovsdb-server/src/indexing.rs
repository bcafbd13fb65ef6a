//! Who is making indexes of a database at the moment, so that those who would want them can wait for them.
//!
//! A client's request that is going to look at every row had better wait for the index that is being made, and many such
//! requests more so. They wait as tasks: no thread is held by them.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// See the module's documentation.
#[derive(Debug, Default)]
pub(crate) struct Indexing {
    makers: AtomicUsize,
    ended: Notify,
}

/// Somebody makes indexes for as long as this is there.
pub(crate) struct Making<'a>(&'a Indexing);

impl Indexing {
    pub(crate) fn begin(&self) -> Making<'_> {
        self.makers.fetch_add(1, Ordering::AcqRel);
        Making(self)
    }

    pub(crate) fn is_going_on(&self) -> bool {
        self.makers.load(Ordering::Acquire) > 0
    }

    /// Waits until nobody makes any.
    pub(crate) async fn ended(&self) {
        loop {
            let mut ended = std::pin::pin!(self.ended.notified());
            // From here on no end is missed.
            ended.as_mut().enable();
            if !self.is_going_on() {
                return;
            }
            ended.await;
        }
    }
}

impl Drop for Making<'_> {
    fn drop(&mut self) {
        if self.0.makers.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.ended.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Poll, Waker};

    use super::*;

    #[test]
    fn whoever_waits_goes_on_when_the_last_one_has_ended() {
        let indexing = Indexing::default();
        let mut context = Context::from_waker(Waker::noop());
        let first = indexing.begin();
        let mut waits = std::pin::pin!(indexing.ended());
        assert_eq!(waits.as_mut().poll(&mut context), Poll::Pending);
        let second = indexing.begin();
        drop(first);
        assert_eq!(waits.as_mut().poll(&mut context), Poll::Pending);
        drop(second);
        assert_eq!(waits.as_mut().poll(&mut context), Poll::Ready(()));
        let mut nothing = std::pin::pin!(indexing.ended());
        assert_eq!(nothing.as_mut().poll(&mut context), Poll::Ready(()));
    }
}
