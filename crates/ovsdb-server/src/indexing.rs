//! Who is making indexes of a database at the moment, so that those who would want them can wait for them.
//!
//! A client's request that is going to look at every row had better wait for the index that is being made, and many such
//! requests more so. They wait as tasks: no thread is held by them. Each waits for those who were at it when it came, and
//! not for those who begin later, so that nobody who keeps others at it holds anybody up for ever.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use tokio::sync::Notify;

/// See the module's documentation.
#[derive(Debug, Default)]
pub(crate) struct Indexing {
    /// Whether there are any, for those who only look.
    is_going_on: AtomicBool,
    makers: Mutex<Makers>,
    ended: Notify,
}

#[derive(Debug, Default)]
struct Makers {
    /// How many there have been.
    count: u64,
    /// Those who are at it, by their numbers.
    at_it: BTreeSet<u64>,
}

/// All who have begun up to some moment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Mark(u64);

impl Mark {
    /// As a number that is not 0.
    pub(crate) fn number(self) -> u64 {
        self.0
    }

    /// The mark with this number; `None` of 0.
    pub(crate) fn of_number(number: u64) -> Option<Mark> {
        (number > 0).then_some(Mark(number))
    }
}

/// Somebody makes indexes for as long as this is there.
pub(crate) struct Making<'a>(&'a Indexing, u64);

impl Indexing {
    pub(crate) fn begin(&self) -> Making<'_> {
        let mut makers = self.makers.lock();
        makers.count += 1;
        let number = makers.count;
        makers.at_it.insert(number);
        self.is_going_on.store(true, Ordering::Release);
        Making(self, number)
    }

    /// Those who are at it; `None` if nobody is.
    pub(crate) fn mark(&self) -> Option<Mark> {
        if !self.is_going_on.load(Ordering::Acquire) {
            return None;
        }
        self.makers.lock().at_it.last().copied().map(Mark)
    }

    /// Whether all who had begun by then have come to their end.
    pub(crate) fn is_over(&self, mark: Mark) -> bool {
        let makers = self.makers.lock();
        makers.at_it.first().is_none_or(|first| *first > mark.0)
    }

    /// Waits for that.
    pub(crate) async fn over(&self, mark: Mark) {
        loop {
            let mut ended = std::pin::pin!(self.ended.notified());
            // From here on no end is missed.
            ended.as_mut().enable();
            if self.is_over(mark) {
                return;
            }
            ended.await;
        }
    }
}

impl Drop for Making<'_> {
    fn drop(&mut self) {
        let Making(indexing, number) = self;
        let mut makers = indexing.makers.lock();
        makers.at_it.remove(number);
        let is_going_on = !makers.at_it.is_empty();
        indexing.is_going_on.store(is_going_on, Ordering::Release);
        drop(makers);
        indexing.ended.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Poll, Waker};

    use super::*;

    #[test]
    fn whoever_waits_goes_on_when_those_who_were_there_have_ended_whoever_has_come_since() {
        let indexing = Indexing::default();
        let mut context = Context::from_waker(Waker::noop());
        assert_eq!(indexing.mark(), None);
        let first = indexing.begin();
        let second = indexing.begin();
        let mark = indexing.mark().expect("two are at it");
        let mut waits = std::pin::pin!(indexing.over(mark));
        assert_eq!(waits.as_mut().poll(&mut context), Poll::Pending);
        drop(second);
        assert_eq!(waits.as_mut().poll(&mut context), Poll::Pending);
        let third = indexing.begin();
        drop(first);
        assert_eq!(waits.as_mut().poll(&mut context), Poll::Ready(()));
        let later = indexing.mark().expect("one is at it");
        assert!(indexing.is_over(mark) && !indexing.is_over(later));
        drop(third);
        assert!(indexing.is_over(later));
        assert_eq!(indexing.mark(), None);
    }
}
