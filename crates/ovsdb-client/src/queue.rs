//! A queue between two tasks that is bounded in items and in bytes.
//!
//! It knows nothing of what passes through it; the sender says how large a thing is.

use std::sync::Arc;

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

/// Bytes are counted in units of this many: an item takes at least one.
const UNIT_BYTES: usize = 1024;

/// The end that puts in. Clones share the room.
#[derive(Debug)]
pub(crate) struct Sender<T> {
    items: mpsc::Sender<(T, OwnedSemaphorePermit)>,
    room: Arc<Semaphore>,
    units_max: u32,
}

/// The end that takes out.
#[derive(Debug)]
pub(crate) struct Receiver<T> {
    items: mpsc::Receiver<(T, OwnedSemaphorePermit)>,
    room: Arc<Semaphore>,
}

/// The room of an item that has been taken out.
#[derive(Debug)]
pub(crate) struct Held {
    _room: OwnedSemaphorePermit,
}

/// The receiver is gone.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Gone;

/// A queue for `items_max` items, which together hold `bytes_max` bytes. One that is larger than that passes alone.
pub(crate) fn channel<T>(items_max: usize, bytes_max: usize) -> (Sender<T>, Receiver<T>) {
    let units_max = u32::try_from(bytes_max / UNIT_BYTES)
        .unwrap_or(u32::MAX)
        .max(1);
    let room = Arc::new(Semaphore::new(units_max as usize));
    let (to, from) = mpsc::channel(items_max.max(1));
    let sender = Sender {
        items: to,
        room: Arc::clone(&room),
        units_max,
    };
    (sender, Receiver { items: from, room })
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        Sender {
            items: self.items.clone(),
            room: Arc::clone(&self.room),
            units_max: self.units_max,
        }
    }
}

impl<T> Sender<T> {
    fn units(&self, bytes: usize) -> u32 {
        u32::try_from(bytes.div_ceil(UNIT_BYTES))
            .unwrap_or(u32::MAX)
            .clamp(1, self.units_max)
    }

    /// Whether nothing is in the queue, and nothing that was taken out still has its room.
    pub(crate) fn is_idle(&self) -> bool {
        self.room.available_permits() == self.units_max as usize
    }

    /// Puts an item in if there is room for it now. Says whether there was.
    pub(crate) fn try_send(&self, item: T, bytes: usize) -> bool {
        self.offer(item, bytes).is_ok()
    }

    /// Puts an item in if there is room for it now, and gives it back if not.
    pub(crate) fn offer(&self, item: T, bytes: usize) -> Result<(), T> {
        let Ok(room) = Arc::clone(&self.room).try_acquire_many_owned(self.units(bytes)) else {
            return Err(item);
        };
        match self.items.try_send((item, room)) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full((item, _)) | TrySendError::Closed((item, _))) => Err(item),
        }
    }

    /// Puts an item in when there is room for it.
    pub(crate) async fn send(&self, item: T, bytes: usize) -> Result<(), Gone> {
        let units = self.units(bytes);
        let room = Arc::clone(&self.room).acquire_many_owned(units).await;
        let room = room.map_err(|_| Gone)?;
        self.items.send((item, room)).await.map_err(|_| Gone)
    }
}

impl<T> Receiver<T> {
    /// Takes the next item; `None` when every sender is gone.
    pub(crate) async fn recv(&mut self) -> Option<T> {
        self.recv_held().await.map(|(item, _held)| item)
    }

    /// Takes the next item with its room, which is free when that is dropped; `None` when every sender is gone.
    pub(crate) async fn recv_held(&mut self) -> Option<(T, Held)> {
        let (item, room) = self.items.recv().await?;
        Some((item, Held { _room: room }))
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        // Whoever waits for room learns that there will be none.
        self.room.close();
    }
}

#[cfg(test)]
mod tests {
    use std::task::Poll;

    use super::*;

    /// Whether a future that has just been made is done at once.
    macro_rules! at_once {
        ($future:expr) => {{
            let mut future = std::pin::pin!($future);
            std::future::poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx).is_ready())).await
        }};
    }

    #[tokio::test]
    async fn a_queue_takes_no_more_bytes_than_it_may() {
        let (sender, mut receiver) = channel(100, 4 * UNIT_BYTES);
        assert!(at_once!(sender.send(1, 3 * UNIT_BYTES)));
        assert!(at_once!(sender.send(2, 1)));
        assert!(!at_once!(sender.send(3, 1)));
        assert!(!sender.try_send(3, 1));
        assert_eq!(receiver.recv().await, Some(1));
        assert!(sender.try_send(3, 2 * UNIT_BYTES));
        assert!(at_once!(sender.send(4, UNIT_BYTES)));
    }

    #[tokio::test]
    async fn a_queue_takes_no_more_items_than_it_may() {
        let (sender, mut receiver) = channel(2, 100 * UNIT_BYTES);
        assert!(at_once!(sender.send(1, 0)));
        assert!(at_once!(sender.send(2, 0)));
        assert!(!at_once!(sender.send(3, 0)));
        assert!(!sender.try_send(3, 0));
        assert_eq!(receiver.recv().await, Some(1));
        assert!(at_once!(sender.send(3, 0)));
    }

    #[tokio::test]
    async fn what_is_larger_than_the_queue_passes_alone() {
        let (sender, mut receiver) = channel(100, 2 * UNIT_BYTES);
        assert!(at_once!(sender.send(1, usize::MAX)));
        assert!(!at_once!(sender.send(2, 1)));
        assert_eq!(receiver.recv().await, Some(1));
        assert!(at_once!(sender.send(2, 1)));
    }

    #[tokio::test]
    async fn whoever_waits_for_room_learns_that_the_receiver_is_gone() {
        let (sender, receiver) = channel(100, UNIT_BYTES);
        assert_eq!(sender.send(1, 1).await, Ok(()));
        let (waiting, ()) = tokio::join!(sender.send(2, 1), async { drop(receiver) });
        assert_eq!(waiting, Err(Gone));
    }
}
