//! What readers hold of a replica.
//!
//! Whoever looks waits for nobody: not for the network, not for those who write, not for a lock. Whoever waits is woken when
//! there is something newer, and then looks; nothing is queued for him.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use ecow::EcoString;
use ovsdb_proto::build::{Invalid, Rows};
use ovsdb_proto::json::Json;
use ovsdb_proto::schema::Selection;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::time::Instant;

use super::change::{Changes, Interest};
use super::follow::{Follower, Limits, Status, Trouble};
use super::index::Index;
use super::submit::{self, SubmitError, Submitted};
use super::task::{Order, Task};
use super::version::Version;
use crate::upstream::Upstream;

/// What readers want may wait for the task up to so many times; then they wait until there is room.
pub const ORDERS_MAX: usize = 1024;

/// A copy of part of a server's database. Clones are the same replica, which ends with the last of them and of its
/// [`Watcher`]s; [`Version`]s stay as long as somebody holds them.
#[derive(Clone, Debug)]
pub struct Replica {
    shared: Arc<Shared>,
    status: watch::Receiver<Status>,
    /// By which the task knows that there are readers, and what they want.
    orders: mpsc::Sender<Order>,
}

/// What the readers and the task have in common.
#[derive(Debug, Default)]
pub(super) struct Shared {
    /// The contents, once there are any.
    pub(super) current: ArcSwapOption<Version>,
    /// Wakes readers when there are other contents, another status, or when there will be no more of them.
    pub(super) changed: Notify,
    next_number: AtomicU64,
}

/// Hears of changes. See [`Replica::watch`].
#[derive(Clone, Debug)]
pub struct Watcher {
    replica: Replica,
    interest: Interest,
    /// What has been told; `None`: nothing.
    seen: Option<Arc<Version>>,
}

/// Why something did not come about.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WaitError {
    /// It was not so before the deadline.
    #[error("it did not come about in time")]
    DeadlineExceeded,
    /// There are no contents that follow the server's, since it refuses to be monitored. It is asked again.
    #[error("the server refuses to be monitored: {0}")]
    Refused(Json),
    /// There will be no contents.
    #[error(transparent)]
    Failed(Trouble),
    /// The client has ended, so nothing changes any more.
    #[error("the client is closed")]
    Closed,
}

/// Why other rows are not followed.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConditionError {
    /// A condition cannot be written.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// The database cannot have the condition, or the server refused it. Conditions that were set at the same time may be
    /// refused with it. What was so before holds.
    #[error("the condition was refused: {0}")]
    Refused(Json),
    /// The replica has no contents any more ([`Replica::status`]), or the client is closed.
    #[error("the replica has ended")]
    Ended,
}

impl Replica {
    /// Follows what is in `selection` of `database` by way of a client. The work is done by a task of the current tokio
    /// runtime.
    pub fn start(
        upstream: Upstream,
        database: &str,
        selection: Selection,
        limits: Limits,
    ) -> Replica {
        let requests = upstream.requests().clone();
        let follower = Follower::new(database, selection, limits, move |nth| {
            requests.monitor_id(nth).to_json()
        });
        let shared = Arc::<Shared>::default();
        let (to_readers, status) = watch::channel(Status::Empty);
        let (orders, ordered) = mpsc::channel(ORDERS_MAX);
        let task = Task::new(
            upstream,
            database,
            follower,
            Arc::clone(&shared),
            to_readers,
        );
        tokio::spawn(task.run(ordered));
        Replica {
            shared,
            status,
            orders,
        }
    }

    /// The newest contents; `None` before the first have come. Also those of a while ago, if [`Replica::status`] says so.
    pub fn snapshot(&self) -> Option<Arc<Version>> {
        self.shared.current.load_full()
    }

    /// How things stand.
    pub fn status(&self) -> Status {
        self.status.borrow().clone()
    }

    /// Waits until there are contents.
    ///
    /// # Errors
    /// [`WaitError`]. Without a deadline this waits for a server as long as it takes, but not for one that is there to change its
    /// mind about being monitored.
    pub async fn ready(&self, deadline: Option<Instant>) -> Result<Arc<Version>, WaitError> {
        self.wait_for(deadline, |version| Some(Arc::clone(version)))
            .await
    }

    /// Waits until the contents follow the server's.
    ///
    /// # Errors
    /// [`WaitError`].
    pub async fn live(&self, deadline: Option<Instant>) -> Result<Arc<Version>, WaitError> {
        self.wait_for_status(deadline, |status, version| match status {
            Status::Live => version.cloned().map(Ok),
            Status::Refused(error) => Some(Err(WaitError::Refused(error.clone()))),
            _ => None,
        })
        .await
    }

    /// [`Replica::live`] for somebody who has to know, and waits for a server that refuses to be monitored to change its mind.
    pub(crate) async fn live_again(&self) -> Result<Arc<Version>, WaitError> {
        self.wait_for_status(None, |status, version| match status {
            Status::Live => version.cloned().map(Ok),
            _ => None,
        })
        .await
    }

    /// Sends a transaction: the text of all parameters of `transact` (RFC 7047, section 4.1.3). The database in it should be
    /// the replica's. It goes by the connection that brings the contents, so that what it changes is in them when this returns,
    /// and is not sent while they are those of a while ago.
    ///
    /// Does not wait for a connection: [`Replica::live`] does. If it is dropped, the server is asked to cancel the transaction.
    ///
    /// # Errors
    /// [`SubmitError`]. Nothing is sent a second time.
    pub async fn submit(&self, params: Bytes) -> Result<Submitted, SubmitError> {
        let number = self.shared.next_number.fetch_add(1, Ordering::Relaxed);
        submit::submit(&self.orders, number, params).await
    }

    /// Follows only these rows of tables from now on; other tables keep what was set for them, which is at first all rows.
    /// When this returns, the contents are so. Without a connection that takes as long as there is none; if this is
    /// dropped, the rows are followed all the same.
    ///
    /// A server that does not know conditions (before Open vSwitch 2.6) sends all rows.
    ///
    /// # Errors
    /// [`ConditionError`].
    pub async fn set_conditions<T: Into<EcoString>>(
        &self,
        conditions: impl IntoIterator<Item = (T, Rows)>,
    ) -> Result<(), ConditionError> {
        let mut changes = Vec::new();
        for (table, rows) in conditions {
            changes.push((table.into(), rows.to_json()?));
        }
        let (answer, answered) = oneshot::channel();
        let order = Order::Conditions { changes, answer };
        let sent = self.orders.send(order).await;
        sent.map_err(|_| ConditionError::Ended)?;
        let answer = answered.await.map_err(|_| ConditionError::Ended)?;
        answer.map_err(ConditionError::Refused)
    }

    /// Keeps an index of the contents from now on. When this returns, they have it, if there are any yet; so have all that
    /// come later, also with another schema.
    ///
    /// # Errors
    /// [`WaitError::Closed`].
    pub async fn add_index(&self, index: Index) -> Result<Arc<Index>, WaitError> {
        let index = Arc::new(index);
        let (answer, answered) = oneshot::channel();
        let order = Order::Index(Arc::clone(&index), answer);
        self.order(order).await.map_err(|_| WaitError::Closed)?;
        answered.await.map_err(|_| WaitError::Closed)?;
        Ok(index)
    }

    /// Asks for everything again, as after an update that did not fit: because a [`check`](Replica::check) has found a
    /// difference. Readers keep what they have meanwhile. Without a connection, everything is asked for by the next one.
    pub async fn resync(&self) {
        // Without a task there is nothing to be repaired.
        let _ = self.order(Order::Repair).await;
    }

    pub(super) async fn order(&self, order: Order) -> Result<(), mpsc::error::SendError<Order>> {
        self.orders.send(order).await
    }

    /// Waits until `look` finds something in the contents, of which it is shown the newest now and whenever they have
    /// changed. Versions that follow each other quickly may be left out.
    ///
    /// # Errors
    /// [`WaitError`].
    pub async fn wait_for<R>(
        &self,
        deadline: Option<Instant>,
        mut look: impl FnMut(&Arc<Version>) -> Option<R>,
    ) -> Result<R, WaitError> {
        self.wait_for_status(deadline, |status, version| match (version, status) {
            (Some(version), _) => look(version).map(Ok),
            (None, Status::Refused(error)) => Some(Err(WaitError::Refused(error.clone()))),
            (None, _) => None,
        })
        .await
    }

    async fn wait_for_status<R>(
        &self,
        deadline: Option<Instant>,
        mut look: impl FnMut(&Status, Option<&Arc<Version>>) -> Option<Result<R, WaitError>>,
    ) -> Result<R, WaitError> {
        let found = async {
            loop {
                // Before the look: what comes after it wakes this up.
                let changed = self.shared.changed.notified();
                let is_closed = self.status.has_changed().is_err();
                let now = self.status();
                if let Some(found) = look(&now, self.shared.current.load().as_ref()) {
                    return found;
                }
                if let Status::Failed(trouble) = now {
                    return Err(WaitError::Failed(trouble));
                }
                if is_closed {
                    return Err(WaitError::Closed);
                }
                changed.await;
            }
        };
        match deadline {
            None => found.await,
            Some(deadline) => tokio::time::timeout_at(deadline, found)
                .await
                .unwrap_or(Err(WaitError::DeadlineExceeded)),
        }
    }

    /// Hears of changes from now on; if there are no contents yet, of all rows when they come.
    pub fn watch(&self, interest: Interest) -> Watcher {
        Watcher {
            replica: self.clone(),
            interest,
            seen: self.snapshot(),
        }
    }

    /// Hears of all rows that there are, as new ones, and then of changes.
    pub fn watch_all(&self, interest: Interest) -> Watcher {
        Watcher {
            replica: self.clone(),
            interest,
            seen: None,
        }
    }
}

impl Watcher {
    /// Waits until something of interest has changed since what was told last. Of a row that changed several times
    /// meanwhile there is one change. Safe to cancel.
    ///
    /// # Errors
    /// [`WaitError`].
    pub async fn next(&mut self) -> Result<Changes, WaitError> {
        loop {
            let seen = self.seen.as_ref().map(|version| version.generation());
            let is_new = |version: &Arc<Version>| seen != Some(version.generation());
            let newer = self
                .replica
                .wait_for(None, |version| is_new(version).then(|| Arc::clone(version)))
                .await?;
            let older = self.seen.replace(Arc::clone(&newer));
            let older =
                older.unwrap_or_else(|| Arc::new(Version::empty(Arc::clone(newer.projection()))));
            let changes = Changes::between(older, newer);
            if changes.has_any(&self.interest) {
                return Ok(changes);
            }
        }
    }

    /// What it hears of.
    pub fn interest(&self) -> &Interest {
        &self.interest
    }
}

#[cfg(test)]
mod tests;
