//! Who wants to hear that tables change, and nothing more: bells that ring after commits.
//!
//! Whoever hears a bell looks for himself. A bell that nobody keeps any more is forgotten, with a commit or without one.

use std::collections::HashSet;
use std::sync::{Arc, Weak};

use ovsdb_proto::schema::TableId;
use parking_lot::Mutex;
use tokio::sync::Notify;

/// See the module's documentation.
#[derive(Debug, Default)]
pub(crate) struct Tripwires {
    all: Mutex<Vec<Tripwire>>,
}

#[derive(Debug)]
struct Tripwire {
    tables: Vec<TableId>,
    bell: Weak<Notify>,
}

impl Tripwires {
    /// Rings `bell` after every commit that changes one of `tables`, for as long as somebody keeps the bell.
    pub(crate) fn add(&self, tables: Vec<TableId>, bell: &Arc<Notify>) {
        let mut all = self.all.lock();
        if all.len() == all.capacity() {
            // Bells come and go also where nothing is committed. Each time at least as many are added as are looked at here.
            all.retain(|wire| wire.bell.strong_count() > 0);
            let more = all.len().max(4);
            all.reserve(more);
        }
        all.push(Tripwire {
            tables,
            bell: Arc::downgrade(bell),
        });
    }

    /// Rings for changes of these tables, which are looked at only if there is anybody to hear it.
    pub(crate) fn ring(&self, tables: impl Iterator<Item = TableId>) {
        let mut all = self.all.lock();
        if all.is_empty() {
            return;
        }
        let tables: HashSet<TableId> = tables.collect();
        all.retain(|wire| {
            let Some(bell) = wire.bell.upgrade() else {
                return false;
            };
            if wire.tables.iter().any(|table| tables.contains(table)) {
                bell.notify_one();
            }
            true
        });
    }

    /// Rings all bells, for the last time.
    pub(crate) fn ring_all(&self) {
        for wire in self.all.lock().drain(..) {
            if let Some(bell) = wire.bell.upgrade() {
                bell.notify_one();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bells_that_nobody_keeps_are_forgotten_also_without_a_commit() {
        let tripwires = Tripwires::default();
        let kept = Arc::<Notify>::default();
        tripwires.add(Vec::new(), &kept);
        for _ in 0..1000 {
            tripwires.add(Vec::new(), &Arc::default());
        }
        let all = tripwires.all.lock();
        assert!(all.len() < 20, "{}", all.len());
        assert_eq!(all[0].bell.strong_count(), 1, "and no other");
    }
}
