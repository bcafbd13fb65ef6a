//! The way of what a server tells replicas: from the task that reads a connection straight to each of them.
//!
//! The client's task is not on that way: it would be woken for each update only to pass it on. It says which replicas there
//! are, and tells them itself when connections begin and end. Only what a replica has no room for goes by its way, and what
//! comes after that as long as there is some under way: so nothing changes its order, and whoever reads the connection goes on
//! to its end. Nothing here looks at more of a message than whose it is.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ovsdb_proto::words::Method;

use crate::event::{RawEvent, RequestId};
use crate::upstream::{Downstream, Inbound, MonitorId, OWN};

/// What came from servers, counted since the client began.
#[derive(Debug, Default)]
pub(crate) struct Received {
    /// Notifications.
    pub(crate) notifications: AtomicU64,
    /// Answers to requests of replicas.
    pub(crate) replies: AtomicU64,
}

/// The replicas that a client tells something, by number. They hear no more when the last who holds this lets go of it.
#[derive(Debug)]
pub(crate) struct Delivery {
    replicas: Mutex<BTreeMap<u64, Arc<Downstream>>>,
    /// Events for replicas that the client's task has not passed on yet.
    detoured: AtomicUsize,
    /// Whether replicas were told something that they may deal with later.
    is_unsettled: AtomicBool,
    received: Arc<Received>,
}

/// What became of an event.
pub(crate) enum Delivered {
    /// A replica has it. If it was a reply, this is the request.
    Replica(Option<RequestId>),
    /// It is for the client's task.
    Client(RawEvent),
}

impl Delivery {
    /// To nobody yet; `received` counts.
    pub(crate) fn new(received: Arc<Received>) -> Delivery {
        Delivery {
            replicas: Mutex::default(),
            detoured: AtomicUsize::new(0),
            is_unsettled: AtomicBool::new(false),
            received,
        }
    }

    fn replicas(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<Downstream>>> {
        // Every change is one call on the map: a panic elsewhere leaves it whole.
        self.replicas.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, replica: u64) -> Option<Arc<Downstream>> {
        self.replicas().get(&replica).cloned()
    }

    /// There is a new connection, and nobody reads another one any more.
    pub(crate) fn connected(&self) {
        // What the end of the last one kept from the client's task is not under way any more.
        self.detoured.store(0, Ordering::Relaxed);
    }

    /// One more replica.
    pub(crate) fn add(&self, replica: Downstream) {
        self.replicas().insert(replica.replica(), Arc::new(replica));
    }

    /// The numbers of those who are there.
    pub(crate) fn present(&self) -> Vec<u64> {
        self.replicas().keys().copied().collect()
    }

    /// Tells one of them something, as soon as there is room for it.
    pub(crate) async fn send(&self, replica: u64, inbound: Inbound) {
        if let Some(downstream) = self.find(replica)
            && downstream.send(inbound).await.is_err()
        {
            self.replicas().remove(&replica);
        }
    }

    /// Gives something that has just come to the replica that it is for, if it is for one that has room.
    ///
    /// What the client's task gets it must [pass on](Delivery::pass_on), in order. If more `has_more` come at once, replicas may
    /// leave what follows until [`Delivery::settle`]. `monitor` is what the event is about.
    pub(crate) fn deliver(
        &self,
        event: RawEvent,
        monitor: Option<MonitorId>,
        has_more: bool,
    ) -> Delivered {
        match &event {
            RawEvent::Reply { owner: OWN, .. } => return Delivered::Client(event),
            RawEvent::Reply { .. } => &self.received.replies,
            RawEvent::Notification { .. } => &self.received.notifications,
        }
        .fetch_add(1, Ordering::Relaxed);
        let Some((replica, inbound)) = for_replica(&event, monitor) else {
            return Delivered::Client(event);
        };
        let reply = match event {
            // A client that loses a monitor asks what became of the database.
            RawEvent::Notification {
                method: Method::MonitorCanceled,
                ..
            } => {
                self.detoured.fetch_add(1, Ordering::Relaxed);
                return Delivered::Client(event);
            }
            RawEvent::Notification { .. } => None,
            RawEvent::Reply { id, .. } => Some(id),
        };
        // Only this adds to it, so there is none under way if this is so. What was passed on was put into queues before.
        if self.detoured.load(Ordering::Acquire) == 0 {
            match self.find(replica) {
                None => return Delivered::Replica(reply),
                Some(downstream) if downstream.offer(inbound, has_more).is_ok() => {
                    if has_more {
                        self.is_unsettled.store(true, Ordering::Relaxed);
                    }
                    return Delivered::Replica(reply);
                }
                Some(_) => {}
            }
        }
        self.detoured.fetch_add(1, Ordering::Relaxed);
        Delivered::Client(event)
    }

    /// Has replicas do what they left: before anybody waits for more to come, or hears of something that came later.
    pub(crate) fn settle(&self) {
        if self.is_unsettled.load(Ordering::Relaxed) {
            self.is_unsettled.store(false, Ordering::Relaxed);
            let replicas: Vec<_> = self.replicas().values().cloned().collect();
            for replica in replicas {
                replica.settle();
            }
        }
    }

    /// Gives what the client's task got to the replica that it is for, as soon as there is room for it. Says whether it was for
    /// one.
    pub(crate) async fn pass_on(&self, event: &RawEvent) -> bool {
        let Some((replica, inbound)) = for_replica(event, monitor_of(event)) else {
            return false;
        };
        self.send(replica, inbound).await;
        self.detoured.fetch_sub(1, Ordering::Release);
        true
    }
}

/// The monitor that an event is about, if it is about one of ours.
pub(crate) fn monitor_of(event: &RawEvent) -> Option<MonitorId> {
    match event {
        RawEvent::Notification { method, params } if is_of_monitor(*method) => {
            MonitorId::first_of(params)
        }
        _ => None,
    }
}

/// What an event about this monitor says to which replica, if it is for one.
fn for_replica(event: &RawEvent, monitor: Option<MonitorId>) -> Option<(u64, Inbound)> {
    match event {
        RawEvent::Reply { owner: OWN, .. } => None,
        RawEvent::Reply { owner, id, result } => {
            let (id, result) = (*id, result.clone());
            Some((*owner, Inbound::Reply { id, result }))
        }
        RawEvent::Notification { method, params } => {
            let (method, params) = (*method, params.clone());
            let monitor = monitor.filter(|monitor| monitor.replica != OWN)?;
            let inbound = Inbound::Notification {
                method,
                monitor,
                params,
            };
            Some((monitor.replica, inbound))
        }
    }
}

/// Whether notifications by this name are about a monitor.
pub(crate) fn is_of_monitor(method: Method) -> bool {
    matches!(
        method,
        Method::Update | Method::Update2 | Method::Update3 | Method::MonitorCanceled
    )
}
