//! What users of a client have asked it for, apart from requests: the newest of each, for its task to look at.

use std::sync::Arc;

use ovsdb_proto::uuid::Uuid;
use tokio::sync::watch;

/// See the module's documentation. Counters tell how often something was asked for.
#[derive(Clone, Debug)]
pub(super) struct Wishes {
    pub(super) is_closed: bool,
    pub(super) leader_only: bool,
    pub(super) reconnects: u64,
    pub(super) index_resets: u64,
    /// Which servers to use instead of those before.
    pub(super) servers: Arc<Servers>,
}

/// Servers that a client may use.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Servers {
    /// Connection methods, in the order in which they are to be tried.
    pub(super) methods: Vec<String>,
    /// The cluster that the database must belong to.
    pub(super) cluster: Option<Uuid>,
}

/// What one part of the client's task has not seen yet of the wishes.
#[derive(Debug)]
pub(super) struct Watcher {
    wishes: watch::Receiver<Wishes>,
    seen: Wishes,
}

/// What is wanted now and was not before.
#[derive(Clone, Debug)]
pub(super) enum Wish {
    /// The client is to be closed, or nobody has it any more.
    Close,
    /// The connection is to be made anew.
    Reconnect,
    /// Other servers are to be used.
    Servers(Arc<Servers>),
    /// A server must lead its cluster, or need not.
    LeaderOnly(bool),
    /// What was seen of the database may be forgotten.
    ResetMinIndex,
}

impl Watcher {
    /// Whoever has seen what was wanted at the start.
    pub(super) fn new(wishes: watch::Receiver<Wishes>) -> Watcher {
        let seen = wishes.borrow().clone();
        Watcher { wishes, seen }
    }

    /// One who has seen the same.
    pub(super) fn another(&self) -> Watcher {
        Watcher {
            wishes: self.wishes.clone(),
            seen: self.seen.clone(),
        }
    }

    /// Has seen of what concerns the choice of a server no more than `other` has.
    pub(super) fn with_choice_of(mut self, other: &Watcher) -> Watcher {
        self.seen.leader_only = other.seen.leader_only;
        self.seen.index_resets = other.seen.index_resets;
        self
    }

    /// The next new wish. Safe to cancel.
    pub(super) async fn next(&mut self) -> Wish {
        loop {
            if let Some(wish) = self.look() {
                return wish;
            }
            if self.wishes.changed().await.is_err() {
                return Wish::Close;
            }
        }
    }

    /// Returns when the client is to be closed. Other wishes are still there afterwards. Safe to cancel.
    pub(super) async fn closed(&mut self) {
        // An error says that nobody has the client any more.
        let _ = self.wishes.wait_for(|wishes| wishes.is_closed).await;
    }

    /// A new wish, if there is one.
    fn look(&mut self) -> Option<Wish> {
        let now = self.wishes.borrow_and_update();
        if now.is_closed {
            return Some(Wish::Close);
        }
        if now.servers != self.seen.servers {
            self.seen.servers = Arc::clone(&now.servers);
            return Some(Wish::Servers(Arc::clone(&now.servers)));
        }
        if now.index_resets != self.seen.index_resets {
            self.seen.index_resets = now.index_resets;
            return Some(Wish::ResetMinIndex);
        }
        if now.leader_only != self.seen.leader_only {
            self.seen.leader_only = now.leader_only;
            return Some(Wish::LeaderOnly(now.leader_only));
        }
        if now.reconnects != self.seen.reconnects {
            self.seen.reconnects = now.reconnects;
            return Some(Wish::Reconnect);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_one_part_has_not_come_to_is_told_again_and_nothing_else_is() {
        let servers = Servers {
            methods: vec!["tcp:a:1".to_owned()],
            cluster: None,
        };
        let (wishes, wished) = watch::channel(Wishes {
            is_closed: false,
            leader_only: true,
            reconnects: 0,
            index_resets: 0,
            servers: Arc::new(servers),
        });
        let mut first = Watcher::new(wished);
        let mut second = first.another();
        assert!(first.look().is_none());
        wishes.send_modify(|wishes| {
            wishes.leader_only = false;
            wishes.index_resets += 1;
            wishes.reconnects += 2;
        });
        assert!(matches!(first.next().await, Wish::ResetMinIndex));
        assert!(matches!(first.next().await, Wish::LeaderOnly(false)));
        assert!(matches!(first.next().await, Wish::Reconnect));
        assert!(first.look().is_none());
        assert!(matches!(second.next().await, Wish::ResetMinIndex));
        let mut first = first.with_choice_of(&second);
        assert!(matches!(first.look(), Some(Wish::LeaderOnly(false))));
        assert!(first.look().is_none());
        drop(wishes);
        assert!(matches!(first.next().await, Wish::Close));
    }
}
