//! From the writer of a database to those who watch it: the current version, and the commits since.
//!
//! The [`Hub`] of a database publishes versions; a [`Feed`] gathers for one session what its monitors have not been
//! told. A session that does not take costs memory for one merged change set per monitor, never a queue of commits.
//! Nothing here knows requests, replies or sockets.

use std::sync::{Arc, Weak};

use arc_swap::ArcSwap;
use ovsdb_engine::monitor::{Monitor, Pending};
use ovsdb_engine::{Commit, Database};
use ovsdb_proto::schema::TableId;
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::limits;
use crate::mailbox::{Mailbox, SessionId};

/// A version of a database that the journal has accepted.
#[derive(Clone, Debug)]
pub struct Version {
    /// The contents.
    pub database: Database,
    /// How many commits led here since the process opened the database.
    pub number: u64,
}

/// The point from which one database's versions and commits go out.
#[derive(Debug)]
pub struct Hub {
    current: ArcSwap<Version>,
    feeds: Mutex<Vec<Arc<Feed>>>,
    tripwires: Mutex<Vec<Tripwire>>,
}

#[derive(Debug)]
struct Tripwire {
    tables: Vec<TableId>,
    bell: Weak<Notify>,
}

impl Hub {
    /// A hub whose first version is `database`.
    pub fn new(database: Database) -> Hub {
        Hub {
            current: ArcSwap::from_pointee(Version {
                database,
                number: 0,
            }),
            feeds: Mutex::default(),
            tripwires: Mutex::default(),
        }
    }

    /// The latest accepted version.
    pub fn version(&self) -> Arc<Version> {
        self.current.load_full()
    }

    /// Makes `database` the current version and tells the feeds what led to it.
    pub fn publish(&self, database: Database, commit: &Arc<Commit>) {
        let number = self.current.load().number + 1;
        let version = Arc::new(Version { database, number });
        let feeds = self.feeds.lock();
        // Feeds first: whoever sees the version and then looks at its feed finds the commit there.
        for feed in feeds.iter() {
            feed.push(&version, commit);
        }
        self.current.store(version);
        drop(feeds);
        self.tripwires.lock().retain(|wire| {
            let Some(bell) = wire.bell.upgrade() else {
                return false;
            };
            if commit
                .changes
                .iter()
                .any(|change| wire.tables.contains(&change.table))
            {
                bell.notify_one();
            }
            true
        });
    }

    /// Rings `bell` after every commit that changes one of `tables`, for as long as somebody keeps the bell.
    pub fn ring_on_change(&self, tables: Vec<TableId>, bell: &Arc<Notify>) {
        self.tripwires.lock().push(Tripwire {
            tables,
            bell: Arc::downgrade(bell),
        });
    }

    /// Opens a feed that rings at `mailbox`.
    pub fn subscribe(&self, mailbox: &Arc<Mailbox>) -> Arc<Feed> {
        let mut feeds = self.feeds.lock();
        let state = State {
            version: self.version(),
            recent: Vec::new(),
            watches: Vec::new(),
        };
        let feed = Arc::new(Feed {
            mailbox: mailbox.clone(),
            state: Mutex::new(state),
        });
        feeds.push(feed.clone());
        feed
    }

    /// Closes the feed of a session.
    pub fn unsubscribe(&self, session: SessionId) {
        self.feeds
            .lock()
            .retain(|feed| feed.mailbox.id() != session);
    }

    /// How many monitors watch this database.
    pub fn monitors(&self) -> usize {
        self.feeds
            .lock()
            .iter()
            .map(|feed| feed.state.lock().watches.len())
            .sum()
    }
}

/// Names a monitor within its feed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct WatchId(u64);

#[derive(Debug)]
struct Watch {
    id: WatchId,
    monitor: Arc<Monitor>,
    pending: Pending,
}

#[derive(Debug)]
struct State {
    /// What `recent` leads to.
    version: Arc<Version>,
    /// Commits that are not yet in the pending sets of the watches, oldest first.
    recent: Vec<Arc<Commit>>,
    watches: Vec<Watch>,
}

impl State {
    fn merge(&mut self) {
        for commit in self.recent.drain(..) {
            for watch in &mut self.watches {
                watch.monitor.add(&mut watch.pending, &commit);
            }
        }
    }
}

/// What one session has not been told of one database. See the module's documentation.
#[derive(Debug)]
pub struct Feed {
    mailbox: Arc<Mailbox>,
    state: Mutex<State>,
}

/// What one monitor is to be told.
#[derive(Debug)]
pub struct News {
    /// Whom it concerns.
    pub watch: WatchId,
    /// How to write it.
    pub monitor: Arc<Monitor>,
    /// What changed.
    pub pending: Pending,
}

impl Feed {
    fn push(&self, version: &Arc<Version>, commit: &Arc<Commit>) {
        let mut state = self.state.lock();
        state.version = version.clone();
        state.recent.push(commit.clone());
        let ring = state.recent.len() == 1;
        // The session merges what it takes on its own time; only for one that takes nothing is it done here.
        if state.recent.len() >= limits::FEED_COMMITS_MAX {
            state.merge();
        }
        drop(state);
        if ring {
            self.mailbox.ring();
        }
    }

    /// Adds a monitor. It starts from the version returned: every later commit reaches it, and none before.
    pub fn watch(&self, monitor: Arc<Monitor>) -> (WatchId, Arc<Version>) {
        let mut state = self.state.lock();
        state.merge();
        let id = WatchId(state.watches.last().map_or(0, |last| last.id.0 + 1));
        state.watches.push(Watch {
            id,
            monitor,
            pending: Pending::default(),
        });
        (id, state.version.clone())
    }

    /// Removes a monitor, and says whether there are others.
    pub fn unwatch(&self, id: WatchId) -> bool {
        let mut state = self.state.lock();
        state.watches.retain(|watch| watch.id != id);
        !state.watches.is_empty()
    }

    /// Takes what is new, monitor by monitor.
    pub fn take(&self) -> Vec<News> {
        let mut state = self.state.lock();
        state.merge();
        let news = state
            .watches
            .iter_mut()
            .filter(|watch| !watch.pending.is_empty());
        news.map(|watch| News {
            watch: watch.id,
            monitor: watch.monitor.clone(),
            pending: std::mem::take(&mut watch.pending),
        })
        .collect()
    }
}
