//! Reading on a thread of its own, ahead of who uses what is read.
//!
//! A file's records are read and hashed by one thread while another one makes something of those before. What goes between
//! the two are batches, of which there are only a few, so that nobody is far ahead. Nothing here knows what is in them.

use std::ops::ControlFlow;
use std::sync::mpsc::{self, Receiver, Sender};

/// Batches that there are: one that is being filled, one that is being used, and one between the two.
const BATCHES: usize = 3;

/// What is read at once. It is filled and used again and again.
pub trait Batch: Default + Send {
    /// Whether nothing is to be read after this until it has been used, since it takes much memory.
    fn is_large(&self) -> bool;

    /// Whether nothing can be read after this.
    fn is_last(&self) -> bool;
}

/// Has `fill` fill batches on another thread, and gives them to `take` in order, together with a state that goes from one
/// call to the next, up to the last batch or until `take` ends it. What has been read beyond that was read in vain.
///
/// # Errors
/// The state as it was, if there cannot be another thread. Nothing has been filled then.
pub fn read_ahead<B: Batch, S>(
    mut fill: impl FnMut(&mut B) + Send,
    mut state: S,
    mut take: impl FnMut(S, &mut B) -> ControlFlow<S, S>,
) -> Result<S, S> {
    std::thread::scope(|scope| {
        let (full, batches) = mpsc::channel();
        let (empty, used) = mpsc::channel();
        let reader = std::thread::Builder::new().name(String::from("read"));
        let work = move || fill_on(&mut fill, &full, &used);
        let Ok(reader) = reader.spawn_scoped(scope, work) else {
            return Err(state);
        };
        for mut batch in batches {
            match take(state, &mut batch) {
                ControlFlow::Continue(next) => state = next,
                ControlFlow::Break(last) => {
                    state = last;
                    break;
                }
            }
            // After the last one nobody wants it any more.
            let _ = empty.send(batch);
        }
        drop(empty);
        if let Err(panic) = reader.join() {
            std::panic::resume_unwind(panic);
        }
        Ok(state)
    })
}

/// Fills batches as long as somebody takes them and gives them back.
fn fill_on<B: Batch>(fill: &mut impl FnMut(&mut B), full: &Sender<B>, used: &Receiver<B>) {
    let mut idle: Vec<B> = Vec::new();
    idle.resize_with(BATCHES, B::default);
    let mut is_large = false;
    loop {
        while idle.is_empty() || is_large && idle.len() < BATCHES {
            let Ok(batch) = used.recv() else { return };
            idle.push(batch);
        }
        let mut batch = idle.pop().unwrap_or_default();
        fill(&mut batch);
        is_large = batch.is_large();
        let is_last = batch.is_last();
        if full.send(batch).is_err() || is_last {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// A number, of which every tenth is large.
    #[derive(Default)]
    struct Numbered {
        number: usize,
        last: usize,
    }

    impl Batch for Numbered {
        fn is_large(&self) -> bool {
            self.number.is_multiple_of(10)
        }

        fn is_last(&self) -> bool {
            self.number == self.last
        }
    }

    /// Which batches are taken up to number `end` of `last`, and how many were filled.
    fn taken(last: usize, end: usize) -> (Vec<usize>, usize) {
        let (filled, used) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let fill = |batch: &mut Numbered| {
            let number = filled.fetch_add(1, Ordering::SeqCst) + 1;
            let ahead = number - used.load(Ordering::SeqCst);
            assert!(ahead <= BATCHES, "{ahead} batches, and there are {BATCHES}");
            // After a large one all have come back.
            assert!(number % 10 != 1 || ahead == 1, "{ahead} beside a large one");
            *batch = Numbered { number, last };
        };
        let seen = read_ahead(fill, Vec::new(), |mut seen, batch: &mut Numbered| {
            seen.push(batch.number);
            used.fetch_add(1, Ordering::SeqCst);
            match batch.number == end {
                true => ControlFlow::Break(seen),
                false => ControlFlow::Continue(seen),
            }
        });
        (seen.expect("a thread"), filled.into_inner())
    }

    #[test]
    fn all_come_in_order_and_none_is_far_ahead() {
        for last in [1, 2, 3, 10, 11, 200] {
            let (seen, filled) = taken(last, usize::MAX);
            assert_eq!(seen, (1..=last).collect::<Vec<_>>());
            assert_eq!(filled, last);
        }
    }

    #[test]
    fn whoever_takes_them_may_end_it() {
        for end in [1, 10, 57] {
            let (seen, filled) = taken(200, end);
            assert_eq!(seen, (1..=end).collect::<Vec<_>>());
            assert!(filled < end + BATCHES, "{filled}");
        }
    }
}
