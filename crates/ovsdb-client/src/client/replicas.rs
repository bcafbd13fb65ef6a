//! The replicas of a client: where new ones come in, and what the client itself tells them, which is of its connections.

use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;

use crate::delivery::Delivery;
use crate::error::Disconnect;
use crate::session::RawEvents;
use crate::upstream::{ConnectionId, Downstream, Inbound};

/// Where new replicas come in.
#[derive(Debug, Default)]
pub(super) struct Entrance {
    waiting: Mutex<Newcomers>,
    arrived: Notify,
}

#[derive(Debug, Default)]
struct Newcomers {
    replicas: Vec<Downstream>,
    is_closed: bool,
}

impl Entrance {
    /// Lets a replica in. That of a closed client learns of it by the end of what it hears.
    pub(super) fn enter(&self, replica: Downstream) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if !waiting.is_closed {
            waiting.replicas.push(replica);
            self.arrived.notify_one();
        }
    }

    /// Returns when there may be somebody new. Safe to cancel.
    pub(super) async fn arrived(&self) {
        self.arrived.notified().await;
    }

    fn take(&self) -> Vec<Downstream> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut waiting.replicas)
    }

    pub(super) fn close(&self) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.is_closed = true;
        waiting.replicas.clear();
    }
}

/// Takes in those who have come, and tells them of the connection, if there is one.
pub(super) async fn welcome(replicas: &Delivery, entrance: &Entrance, up: Option<&Inbound>) {
    for newcomer in entrance.take() {
        let replica = newcomer.replica();
        replicas.add(newcomer);
        if let Some(up) = up {
            replicas.send(replica, up.clone()).await;
        }
    }
}

/// Tells all of them the same.
pub(super) async fn send_all(replicas: &Delivery, inbound: &Inbound) {
    for replica in replicas.present() {
        replicas.send(replica, inbound.clone()).await;
    }
}

/// Tells them that a connection is over.
pub(super) async fn tell_end(
    replicas: &Delivery,
    connection: ConnectionId,
    why: &Disconnect,
    events: &RawEvents,
) {
    for replica in replicas.present() {
        let down = Inbound::Down {
            connection,
            why: why.clone(),
            in_doubt: events.in_doubt(replica),
        };
        replicas.send(replica, down).await;
    }
}
