//! From the writer of a database to those who watch it: the current version, and the commits since.
//!
//! The [`Hub`] of a database publishes versions; a [`Feed`] gathers for one session what its monitors have not been
//! told. A session that does not take costs memory for one merged change set per monitor, never a queue of commits.
//! Monitors that ask for the same thing are one, and what they are told of a commit is put into words once.
//! Nothing here knows requests, replies or sockets.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock, Weak};

use arc_swap::ArcSwap;
use ovsdb_engine::monitor::{Monitor, Pending};
use ovsdb_engine::{Commit, Database};
use ovsdb_proto::monitor::MonitorRequests;
use ovsdb_proto::schema::TableId;
use ovsdb_proto::uuid::Uuid;
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::history::History;
use crate::limits;
use crate::mailbox::{Mailbox, SessionId};

/// A version of a database that the journal has accepted.
#[derive(Clone, Debug)]
pub struct Version {
    /// The contents.
    pub database: Database,
    /// How many commits led here since the process opened the database.
    pub number: u64,
    /// The transaction id of the commit that led here: what clients call this version (ovsdb-server(7), section 4.1.15).
    pub id: Uuid,
}

/// The point from which one database's versions and commits go out.
#[derive(Debug)]
pub struct Hub {
    current: ArcSwap<Version>,
    feeds: Mutex<Vec<Arc<Feed>>>,
    history: Mutex<History>,
    tripwires: Mutex<Vec<Tripwire>>,
    monitors: Mutex<HashMap<MonitorRequests, Weak<Monitor>>>,
    /// Initial contents that somebody still has to send.
    initial: Mutex<Vec<Initial>>,
}

/// What a monitor starts from, in words.
pub type InitialText = Arc<OnceLock<Vec<u8>>>;

#[derive(Debug)]
struct Initial {
    monitor: Weak<Monitor>,
    number: u64,
    text: Weak<OnceLock<Vec<u8>>>,
}

#[derive(Debug)]
struct Tripwire {
    tables: Vec<TableId>,
    bell: Weak<Notify>,
}

impl Hub {
    /// A hub whose first version is `database`, known by this transaction id.
    pub fn new(database: Database, id: Uuid) -> Hub {
        let rows = database.rows();
        Hub::with_history(database, History::new(id, rows))
    }

    /// A hub whose first version is `database`, to which `history` leads.
    pub fn with_history(database: Database, history: History) -> Hub {
        Hub {
            current: ArcSwap::from_pointee(Version {
                database,
                number: 0,
                id: history.last(),
            }),
            feeds: Mutex::default(),
            history: Mutex::new(history),
            tripwires: Mutex::default(),
            monitors: Mutex::default(),
            initial: Mutex::default(),
        }
    }

    /// The monitor of these requests, which all who ask for the same thing share.
    pub fn monitor(&self, requests: MonitorRequests) -> Arc<Monitor> {
        let mut monitors = self.monitors.lock();
        if let Some(monitor) = monitors.get(&requests).and_then(Weak::upgrade) {
            return monitor;
        }
        if monitors.len().is_power_of_two() {
            monitors.retain(|_, monitor| monitor.strong_count() > 0);
        }
        let schema = self.version().database.schema().clone();
        let monitor = Arc::new(Monitor::new(schema, requests.clone()));
        monitors.insert(requests, Arc::downgrade(&monitor));
        monitor
    }

    /// The contents of `version` for `monitor`, written once for all who start from the same at the same time.
    pub fn initial(&self, monitor: &Arc<Monitor>, version: &Version) -> InitialText {
        let text = {
            let mut initial = self.initial.lock();
            initial.retain(|known| known.text.strong_count() > 0);
            let same = |known: &&Initial| {
                known.number == version.number
                    && std::ptr::eq(known.monitor.as_ptr(), Arc::as_ptr(monitor))
            };
            match initial
                .iter()
                .find(same)
                .and_then(|known| known.text.upgrade())
            {
                Some(text) => text,
                None => {
                    let text = InitialText::default();
                    initial.push(Initial {
                        monitor: Arc::downgrade(monitor),
                        number: version.number,
                        text: Arc::downgrade(&text),
                    });
                    text
                }
            }
        };
        // Whoever comes while another writes it waits for that one.
        text.get_or_init(|| {
            let mut out = Vec::new();
            monitor.write_initial(&version.database, &mut out);
            out
        });
        text
    }

    /// The latest accepted version.
    pub fn version(&self) -> Arc<Version> {
        self.current.load_full()
    }

    /// Makes `database` the current version, known as `id`, and tells the feeds what led to it.
    pub fn publish(&self, database: Database, commit: &Arc<Commit>, id: Uuid) {
        let number = self.current.load().number + 1;
        let version = Arc::new(Version {
            database,
            number,
            id,
        });
        self.history.lock().push(id, commit.clone());
        let published = Arc::new(Published {
            commit: commit.clone(),
            tables: commit.tables(),
            texts: Mutex::default(),
        });
        let feeds = self.feeds.lock();
        // Feeds first: whoever sees the version and then looks at its feed finds the commit there.
        for feed in feeds.iter() {
            feed.push(&version, &published);
        }
        self.current.store(version);
        drop(feeds);
        self.tripwires.lock().retain(|wire| {
            let Some(bell) = wire.bell.upgrade() else {
                return false;
            };
            if published
                .tables
                .iter()
                .any(|table| wire.tables.contains(table))
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
            recent_changes: 0,
            has_pending: false,
            watches: Vec::new(),
            tables: Vec::new(),
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
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct WatchId(u64);

#[derive(Debug)]
struct Watch {
    id: WatchId,
    monitor: Arc<Monitor>,
    pending: Pending,
}

/// A commit, with what monitors are told of it as far as that has been written.
#[derive(Debug)]
struct Published {
    commit: Arc<Commit>,
    /// The tables that it changes.
    tables: Vec<TableId>,
    /// By the address of the monitor, which is kept so that no other gets it.
    texts: Mutex<HashMap<usize, (Arc<Monitor>, Text)>>,
}

/// A `<table-updates>`; `None` if there is nothing to tell.
type Text = Arc<OnceLock<Option<Vec<u8>>>>;

impl Published {
    fn text(&self, monitor: &Arc<Monitor>) -> Text {
        let text = {
            let mut texts = self.texts.lock();
            let new = || (monitor.clone(), Text::default());
            let address = Arc::as_ptr(monitor).addr();
            texts.entry(address).or_insert_with(new).1.clone()
        };
        text.get_or_init(|| {
            let (mut pending, mut out) = (Pending::default(), Vec::new());
            monitor.add(&mut pending, &self.commit);
            monitor.write_update(&mut pending, &mut out).then_some(out)
        });
        text
    }
}

#[derive(Debug)]
struct State {
    /// What `recent` leads to.
    version: Arc<Version>,
    /// Commits that are not yet in the pending sets of the watches, oldest first.
    recent: Vec<Arc<Published>>,
    /// How many rows they change.
    recent_changes: usize,
    /// Whether any watch has a pending set that is not empty.
    has_pending: bool,
    watches: Vec<Watch>,
    /// The tables that the watches ask for, sorted.
    tables: Vec<TableId>,
}

impl State {
    fn merge(&mut self) {
        for published in self.recent.drain(..) {
            self.has_pending = true;
            for watch in &mut self.watches {
                watch.monitor.add(&mut watch.pending, &published.commit);
            }
        }
        self.recent_changes = 0;
    }

    fn renew_tables(&mut self) {
        let watches = self.watches.iter();
        self.tables = watches.flat_map(|watch| watch.monitor.tables()).collect();
        self.tables.sort_unstable();
        self.tables.dedup();
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
    monitor: Arc<Monitor>,
    change: Change,
}

#[derive(Debug)]
enum Change {
    /// One commit, of which others are told the same.
    Shared(Arc<Published>),
    /// What has become of any number of commits.
    Merged(Pending),
}

impl News {
    /// How many rows may be concerned.
    pub fn rows(&self) -> usize {
        match &self.change {
            Change::Shared(published) => published.commit.changes.len(),
            Change::Merged(pending) => pending.len(),
        }
    }

    /// Appends the `<table-updates>`. False, and nothing appended, if there is nothing to tell after all.
    pub fn write(self, out: &mut Vec<u8>) -> bool {
        match self.change {
            Change::Shared(published) => match published.text(&self.monitor).get() {
                Some(Some(text)) => {
                    out.extend_from_slice(text);
                    true
                }
                _ => false,
            },
            Change::Merged(mut pending) => self.monitor.write_update(&mut pending, out),
        }
    }
}

impl Feed {
    fn push(&self, version: &Arc<Version>, published: &Arc<Published>) {
        let mut state = self.state.lock();
        state.version = version.clone();
        let is_watched = |table| state.tables.binary_search(table).is_ok();
        if !published.tables.iter().any(is_watched) {
            return;
        }
        state.recent.push(published.clone());
        state.recent_changes += published.commit.changes.len();
        let ring = state.recent.len() == 1;
        // The session merges what it takes on its own time; only for one that takes nothing is it done here.
        if state.recent.len() >= limits::FEED_COMMITS_MAX
            || (!ring && state.recent_changes > limits::FEED_CHANGES_MAX)
        {
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
        state.renew_tables();
        (id, state.version.clone())
    }

    /// Removes a monitor, and says whether there are others.
    pub fn unwatch(&self, id: WatchId) -> bool {
        let mut state = self.state.lock();
        state.watches.retain(|watch| watch.id != id);
        state.renew_tables();
        !state.watches.is_empty()
    }

    /// Whether there may be something to take.
    pub fn has_news(&self) -> bool {
        let state = self.state.lock();
        !state.recent.is_empty() || state.has_pending
    }

    /// Takes what is new, monitor by monitor, in the order of their ids.
    pub fn take(&self) -> Vec<News> {
        let mut state = self.state.lock();
        if state.recent.is_empty() && !state.has_pending {
            return Vec::new();
        }
        let recent = std::mem::take(&mut state.recent);
        state.recent_changes = 0;
        state.has_pending = false;
        let watches = state.watches.iter_mut().map(|watch| News {
            watch: watch.id,
            monitor: watch.monitor.clone(),
            change: Change::Merged(std::mem::take(&mut watch.pending)),
        });
        let mut news: Vec<News> = watches.collect();
        // The writer, which may want to add to the feed, need not wait for the rest.
        drop(state);
        news.retain_mut(|news| {
            let Change::Merged(pending) = &mut news.change else {
                return true;
            };
            // The watch and the news hold a monitor that nobody else has.
            let is_shared = Arc::strong_count(&news.monitor) > 2;
            match &recent[..] {
                [only] if pending.is_empty() && is_shared => {
                    let concerns = only.tables.iter().any(|&table| news.monitor.has(table));
                    news.change = Change::Shared(only.clone());
                    concerns
                }
                recent => {
                    for published in recent {
                        news.monitor.add(pending, &published.commit);
                    }
                    !pending.is_empty()
                }
            }
        });
        news
    }
}

#[cfg(test)]
mod tests {
    use ovsdb_engine::{Context, Outcome, execute};
    use ovsdb_proto::json;
    use ovsdb_proto::operation::parse_transact;
    use ovsdb_proto::schema::Schema;

    use super::*;
    use crate::fresh::fresh_uuid;

    const SCHEMA: &str = r#"{"name":"D","tables":{
        "A":{"isRoot":true,"columns":{"n":{"type":"integer"}}},
        "B":{"isRoot":true,"columns":{"n":{"type":"integer"}}}}}"#;

    struct Fixture {
        hub: Hub,
    }

    impl Fixture {
        fn new() -> Fixture {
            let schema = Schema::from_json(&json::parse(SCHEMA.as_bytes()).unwrap()).unwrap();
            Fixture {
                hub: Hub::new(Database::new(Arc::new(schema)), fresh_uuid()),
            }
        }

        fn feed(&self, tables: &[&str]) -> Arc<Feed> {
            let feed = self.hub.subscribe(&Mailbox::new(SessionId::fresh()));
            for table in tables {
                let requests = json::parse(format!(r#"{{"{table}":{{}}}}"#).as_bytes()).unwrap();
                let schema = self.hub.version().database.schema().clone();
                let requests = MonitorRequests::from_json(&schema, &requests, false).unwrap();
                feed.watch(self.hub.monitor(requests));
            }
            feed
        }

        /// Inserts a row with a fixed UUID.
        fn insert(&self, table: &str, n: u8) {
            let uuid = format!("00000000-0000-0000-0000-0000000000{n:02x}");
            let operation = format!(
                r#"[{{"op":"insert","table":"{table}","row":{{"n":{n}}},"uuid":"{uuid}"}}]"#
            );
            let operations = json::parse(operation.as_bytes()).unwrap();
            let database = self.hub.version().database.clone();
            let operations = operations.as_array().unwrap();
            let transact = parse_transact(database.schema(), operations, &mut fresh_uuid);
            let mut context = Context {
                elapsed_ms: 0,
                holds_lock: &|_| false,
                read_only: false,
                access: None,
                may_change_reserved: false,
                may_block: false,
                fresh: &mut fresh_uuid,
            };
            match execute(&database, &transact, &mut context) {
                Outcome::Prepared(prepared) => {
                    let commit = Arc::new(prepared.commit.unwrap());
                    self.hub.publish(prepared.next, &commit, fresh_uuid());
                }
                other => panic!("{other:?}"),
            }
        }
    }

    /// What the monitors of a feed are told, `_version` aside.
    fn told(feed: &Feed) -> Vec<String> {
        let texts = feed.take().into_iter().map(|news| {
            let mut out = Vec::new();
            assert!(news.write(&mut out));
            let text = String::from_utf8(out).unwrap();
            let numbers = text.split(r#""n":"#).skip(1);
            let numbers: Vec<&str> = numbers.filter_map(|rest| rest.split('}').next()).collect();
            numbers.join(" ")
        });
        texts.collect()
    }

    #[test]
    fn monitors_of_the_same_thing_are_told_the_same_whenever_they_take_it() {
        let fixture = Fixture::new();
        let (quick, slow, other) = (
            fixture.feed(&["A", "B"]),
            fixture.feed(&["A"]),
            fixture.feed(&["B"]),
        );
        for n in 1..=3 {
            fixture.insert("A", n);
            assert_eq!(told(&quick), [n.to_string()]);
        }
        fixture.insert("B", 4);
        assert_eq!(told(&quick), ["4"]);
        assert_eq!(told(&slow), ["1 2 3"]);
        assert_eq!(told(&other), ["4"]);
        for feed in [quick, slow, other] {
            assert_eq!(told(&feed), [""; 0]);
        }
    }

    #[test]
    fn what_is_told_of_one_commit_is_written_once() {
        let fixture = Fixture::new();
        let feeds = [fixture.feed(&["A"]), fixture.feed(&["A"])];
        fixture.insert("A", 1);
        let texts = feeds.map(|feed| match &feed.take()[0] {
            News {
                monitor,
                change: Change::Shared(published),
                ..
            } => published.text(monitor),
            other => panic!("{other:?}"),
        });
        assert!(Arc::ptr_eq(&texts[0], &texts[1]));
    }

    #[test]
    fn sessions_are_left_alone_by_commits_to_other_tables() {
        let fixture = Fixture::new();
        let feed = fixture.feed(&["A"]);
        fixture.insert("B", 1);
        assert!(feed.state.lock().recent.is_empty());
        assert_eq!(feed.state.lock().version.number, 1);
    }

    #[test]
    fn commits_that_nobody_takes_are_merged() {
        let fixture = Fixture::new();
        let feed = fixture.feed(&["A"]);
        for n in 1..=limits::FEED_COMMITS_MAX as u8 + 1 {
            fixture.insert("A", n);
        }
        assert_eq!(feed.state.lock().recent.len(), 1);
        assert_eq!(
            told(&feed)[0].split(' ').count(),
            limits::FEED_COMMITS_MAX + 1
        );
    }
}
