//! The replicas of a client: where new ones come in, and who is told what.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use ovsdb_proto::json;
use ovsdb_proto::json::cursor::Cursor;
use tokio::sync::Notify;

use crate::error::Disconnect;
use crate::session::RawEvents;
use crate::upstream::{ConnectionId, Downstream, Inbound, MonitorId};

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

/// The replicas that have come in, by number.
#[derive(Debug, Default)]
pub(super) struct Replicas(BTreeMap<u64, Downstream>);

impl Replicas {
    /// Takes in those who have come, and tells them of the connection, if there is one.
    pub(super) async fn welcome(&mut self, entrance: &Entrance, up: Option<&Inbound>) {
        for newcomer in entrance.take() {
            let replica = newcomer.replica();
            self.0.insert(replica, newcomer);
            if let Some(up) = up {
                self.send(replica, up.clone()).await;
            }
        }
    }

    /// Tells one of them something.
    pub(super) async fn send(&mut self, replica: u64, inbound: Inbound) {
        if let Some(downstream) = self.0.get(&replica)
            && downstream.send(inbound).await.is_err()
        {
            self.0.remove(&replica);
        }
    }

    /// Tells all of them the same.
    pub(super) async fn send_all(&mut self, inbound: &Inbound) {
        let present: Vec<u64> = self.0.keys().copied().collect();
        for replica in present {
            self.send(replica, inbound.clone()).await;
        }
    }

    /// Tells them that a connection is over.
    pub(super) async fn tell_end(
        &mut self,
        connection: ConnectionId,
        why: &Disconnect,
        events: &RawEvents,
    ) {
        let present: Vec<u64> = self.0.keys().copied().collect();
        for replica in present {
            let down = Inbound::Down {
                connection,
                why: why.clone(),
                in_doubt: events.in_doubt(replica),
            };
            self.send(replica, down).await;
        }
    }
}

/// The monitor that a notification is about, if it is one of ours.
pub(super) fn monitor(params: &Bytes) -> Option<MonitorId> {
    let mut cursor = Cursor::new(std::str::from_utf8(params).ok()?);
    cursor.expect(b'[').ok()?;
    let id = cursor.skip().ok()?;
    MonitorId::from_json(&json::parse(id.as_bytes()).ok()?)
}
