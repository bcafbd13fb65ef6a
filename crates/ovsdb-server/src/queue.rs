//! The bounded queue in front of a database's writer.
//!
//! Sessions wait asynchronously for room; the writer's thread waits for events or for a point in time. Events that
//! follow from work already admitted (answers of a journal, a session's end) need no room.

use std::collections::VecDeque;

use parking_lot::{Condvar, Mutex};
use tokio::sync::{Notify, Semaphore, TryAcquireError};
use tokio::time::{Instant, timeout_at};

use crate::runtime::{self, Bell};

/// The receiving side is gone.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the queue is closed")]
pub struct Closed;

#[derive(Debug)]
struct State<T> {
    events: VecDeque<T>,
    closed: bool,
    nudged: bool,
}

/// What wakes the receiver.
#[derive(Debug)]
enum Arrived {
    Thread(Condvar),
    Task(Notify),
}

impl Arrived {
    fn notify_one(&self) {
        match self {
            Arrived::Thread(thread) => {
                thread.notify_one();
            }
            Arrived::Task(task) => task.notify_one(),
        }
    }
}

/// A queue of events for one receiving thread, or task in a simulation.
#[derive(Debug)]
pub struct Queue<T> {
    state: Mutex<State<T>>,
    arrived: Arrived,
    room: Semaphore,
    capacity: usize,
}

impl<T> Queue<T> {
    /// An empty queue with room for `capacity` events that need it.
    pub fn new(capacity: usize) -> Queue<T> {
        Queue {
            state: Mutex::new(State {
                events: VecDeque::new(),
                closed: false,
                nudged: false,
            }),
            arrived: match runtime::is_simulated() {
                true => Arrived::Task(Notify::new()),
                false => Arrived::Thread(Condvar::new()),
            },
            room: Semaphore::new(capacity),
            capacity,
        }
    }

    /// Takes room for one event as soon as there is some; whoever gets it pushes the event. The receiver gives the room
    /// back with [`Queue::release`]. Nothing is taken if the future is dropped before it is ready.
    ///
    /// # Errors
    /// [`Closed`].
    pub async fn reserve(&self) -> Result<(), Closed> {
        self.room.acquire().await.map_err(|_| Closed)?.forget();
        Ok(())
    }

    /// Takes room for at most `count` events, as far as there is some at the moment, and says for how many.
    ///
    /// # Errors
    /// [`Closed`].
    pub fn try_reserve(&self, count: usize) -> Result<usize, Closed> {
        let mut count = count.min(Semaphore::MAX_PERMITS);
        while count > 0 {
            match self.room.try_acquire_many(count as u32) {
                Ok(room) => {
                    room.forget();
                    return Ok(count);
                }
                // Others may take some of it first.
                Err(TryAcquireError::NoPermits) => {
                    count = self.room.available_permits().min(count - 1);
                }
                Err(TryAcquireError::Closed) => return Err(Closed),
            }
        }
        Ok(0)
    }

    /// Adds an event that needs no room.
    ///
    /// # Errors
    /// [`Closed`].
    pub fn push(&self, event: T) -> Result<(), Closed> {
        self.push_all([event])?;
        self.arrived.notify_one();
        Ok(())
    }

    /// Adds events for which there is room, without waking the receiver: whoever calls this sees to it that somebody takes
    /// them.
    ///
    /// # Errors
    /// [`Closed`].
    pub fn push_all(&self, events: impl IntoIterator<Item = T>) -> Result<(), Closed> {
        let mut state = self.state.lock();
        if state.closed {
            return Err(Closed);
        }
        state.events.extend(events);
        Ok(())
    }

    /// How much of the room is taken.
    pub fn taken(&self) -> usize {
        self.capacity.saturating_sub(self.room.available_permits())
    }

    /// Makes room for `count` more events.
    pub fn release(&self, count: usize) {
        self.room.add_permits(count);
    }

    /// Whether there is no event.
    pub fn is_empty(&self) -> bool {
        self.state.lock().events.is_empty()
    }

    /// Ends a wait, or the next one, without an event.
    pub fn nudge(&self) {
        self.state.lock().nudged = true;
        self.arrived.notify_one();
    }

    /// Takes all events that there are.
    pub fn take(&self) -> VecDeque<T> {
        std::mem::take(&mut self.state.lock().events)
    }

    /// Refuses all further events, and returns those that nobody will take now.
    pub fn close(&self) -> VecDeque<T> {
        self.room.close();
        let mut state = self.state.lock();
        state.closed = true;
        std::mem::take(&mut state.events)
    }
}

impl<T: Send + 'static> Bell for Queue<T> {
    /// Waits for an event, for a nudge, or until `deadline`.
    fn wait(&self, deadline: Option<Instant>) {
        let Arrived::Thread(arrived) = &self.arrived else {
            unreachable!("in a simulation nobody waits on a thread");
        };
        let mut state = self.state.lock();
        while state.events.is_empty() && !std::mem::take(&mut state.nudged) {
            match deadline {
                None => arrived.wait(&mut state),
                Some(deadline) => {
                    if arrived
                        .wait_until(&mut state, deadline.into_std())
                        .timed_out()
                    {
                        break;
                    }
                }
            }
        }
    }

    async fn rung(&self, deadline: Option<Instant>) {
        let Arrived::Task(arrived) = &self.arrived else {
            unreachable!("tasks wait in simulations only");
        };
        loop {
            {
                let mut state = self.state.lock();
                if !state.events.is_empty() || std::mem::take(&mut state.nudged) {
                    return;
                }
            }
            match deadline {
                None => arrived.notified().await,
                Some(deadline) => {
                    if timeout_at(deadline, arrived.notified()).await.is_err() {
                        return;
                    }
                }
            }
        }
    }
}
