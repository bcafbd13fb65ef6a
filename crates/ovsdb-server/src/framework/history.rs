//! Snapshots of a while ago, for clients that come back.

use std::collections::VecDeque;

use ovsdb_proto::uuid::Uuid;

use super::snapshot::Snapshot;

/// The last snapshots of one database, by their ids: what [`Watcher::resume`](super::Watcher::resume) asks for those that clients
/// name. Snapshots share what they have in common, so each costs what differs from the next.
#[derive(Clone, Debug)]
pub struct History {
    snapshots: VecDeque<Snapshot>,
    snapshots_max: usize,
}

impl History {
    /// A history of so many snapshots at most. When one more comes, the oldest is forgotten.
    pub fn new(snapshots_max: usize) -> History {
        History {
            snapshots: VecDeque::new(),
            snapshots_max,
        }
    }

    /// Keeps one more.
    pub fn push(&mut self, snapshot: Snapshot) {
        self.snapshots.push_back(snapshot);
        while self.snapshots.len() > self.snapshots_max {
            self.snapshots.pop_front();
        }
    }

    /// The one with this id, if it is not too old.
    pub fn get(&self, id: Uuid) -> Option<Snapshot> {
        // Most clients were away for a moment.
        let mut newest_first = self.snapshots.iter().rev();
        newest_first.find(|snapshot| snapshot.id() == id).cloned()
    }
}
