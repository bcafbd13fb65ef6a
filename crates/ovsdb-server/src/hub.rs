//! From the writer of a database to those who watch it: the current version, the commits since, and those before.
//!
//! The [`Hub`] of a database publishes versions. It hands each commit to the [`Feed`]s of the monitors that it concerns
//! (see `routes`) and keeps the recent ones for those who come back. Monitors that ask for the same
//! thing are one, and what they are told is put into words once. Nothing here knows requests, replies or sockets.
//!
//! A monitor begins, changes and resumes at a version exactly: whatever fixes the version of a monitor happens under the
//! lock under which versions are published. Words are written outside of it.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Weak};

use arc_swap::ArcSwap;
use ovsdb_engine::monitor::{Form, Initial, Monitor, Pending, Shape};
use ovsdb_engine::{Commit, Database};
use ovsdb_proto::condition::Condition;
use ovsdb_proto::monitor::MonitorRequests;
use ovsdb_proto::schema::TableId;
use ovsdb_proto::uuid::Uuid;
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::contents::{Contents, Reader};
use crate::feed::{Bell, Feed, News, NotCurrent, Opened, Range, Taken, WatchId};
use crate::history::{Forgotten, History, Missed, Shown};
use crate::indexing::Indexing;
use crate::limits;
use crate::mailbox::{Mailbox, SessionId};
use crate::meters::{CONTENTS, Resumptions};
pub use crate::published::Version;
use crate::published::{Published, Text, VersionId};
use crate::routes::Routes;
use crate::runtime;
use crate::tellers::{Desk, Tellers};
use crate::tripwires::Tripwires;

/// See the module's documentation.
#[derive(Debug)]
pub struct Hub {
    current: ArcSwap<Version>,
    registry: Mutex<Registry>,
    tripwires: Tripwires,
    known: Mutex<Known>,
    hasher: RandomState,
    indexing: Indexing,
    beginnings: Mutex<Beginnings>,
    contents: Mutex<Vec<ContentsAt>>,
    resumptions: Resumptions,
}

/// What changes with every version.
#[derive(Debug)]
struct Registry {
    routes: Routes<(Arc<Feed>, WatchId)>,
    feeds: HashMap<SessionId, Arc<Feed>>,
    history: History,
}

/// What monitors share, for as long as one of them is there.
#[derive(Debug, Default)]
struct Known {
    shapes: HashMap<MonitorRequests, Weak<Shape>>,
    monitors: HashMap<MonitorKey, Weak<Monitor>>,
}

/// The address of the shape, which cannot be another's while its monitor is there, and a hash of the conditions. Should two
/// lists of conditions have the same hash, one of the monitors is not shared.
type MonitorKey = (usize, Form, u64);

/// What somebody still has to send to those who begin.
#[derive(Debug, Default)]
struct Beginnings {
    known: Vec<Beginning>,
    /// Small ones are kept for those who come next: mostly many come back at once.
    latest: VecDeque<Text>,
}

/// What a monitor of one kind begins with at one version.
#[derive(Debug)]
struct Beginning {
    monitor: Weak<Monitor>,
    since: Option<Uuid>,
    number: u64,
    text: Weak<std::sync::OnceLock<Vec<u8>>>,
}

/// What a monitor shows at one version, for as long as somebody reads it.
#[derive(Debug)]
struct ContentsAt {
    /// The address of the monitor, which the contents keep, so that no other gets it.
    monitor: usize,
    number: u64,
    contents: Weak<Contents>,
}

/// What a receiver knows before its monitor begins.
#[derive(Clone, Debug)]
pub struct Since {
    /// The version that it knows.
    pub id: Uuid,
    /// What it has been shown of it.
    pub shown: Shown,
}

/// How a monitor begins.
#[derive(Debug)]
pub struct Start {
    /// The monitor's name.
    pub watch: WatchId,
    /// What it is told first leads to this version; every later commit reaches it.
    pub version: Arc<Version>,
    /// The version that its receiver knows and what has come since; `None` if it begins with all contents.
    resumed: Option<(Uuid, Missed)>,
}

impl Start {
    /// Whether the receiver goes on from a version that it knows.
    pub fn is_resumed(&self) -> bool {
        self.resumed.is_some()
    }

    /// About how many rows have to be looked at.
    pub fn rows(&self, monitor: &Monitor) -> usize {
        match &self.resumed {
            Some((_, missed)) => missed.commits().map(|commit| commit.changes.len()).sum(),
            None => monitor.rows_tried(&self.version.database),
        }
    }

    /// Appends what the receiver is told first.
    pub fn write(&self, monitor: &Monitor, out: &mut Vec<u8>) {
        let Some((_, missed)) = &self.resumed else {
            return monitor.write_initial(&self.version.database, out);
        };
        let mut pending = Pending::default();
        for commit in missed.commits() {
            monitor.add_missed(&mut pending, commit);
        }
        if !monitor.write_pending(&mut pending, out) {
            out.extend_from_slice(b"{}");
        }
    }
}

impl Hub {
    /// A hub whose first version is `database`, known by this transaction id.
    pub fn new(database: Database, id: Uuid) -> Hub {
        let rows = database.rows();
        Hub::with_history(database, History::new(id, rows))
    }

    /// A hub whose first version is `database`, to which `history` leads.
    pub fn with_history(database: Database, history: History) -> Hub {
        let version = Version {
            database,
            number: 0,
            id: history.last(),
        };
        runtime::published(&version, &[]);
        Hub {
            current: ArcSwap::from_pointee(version),
            registry: Mutex::new(Registry {
                routes: Routes::default(),
                feeds: HashMap::new(),
                history,
            }),
            tripwires: Tripwires::default(),
            known: Mutex::default(),
            hasher: RandomState::default(),
            indexing: Indexing::default(),
            beginnings: Mutex::default(),
            contents: Mutex::default(),
            resumptions: Resumptions::default(),
        }
    }

    /// Takes what led to the last version, because another hub takes the place of this one, which publishes nothing any
    /// more.
    pub fn retire(&self) -> History {
        let mut registry = self.registry.lock();
        let version = self.current.load_full();
        let successor = History::new(version.id, version.database.rows());
        std::mem::replace(&mut registry.history, successor)
    }

    /// Rings whoever watches tables, for the last time: there is another hub to look at.
    pub fn ring_all(&self) {
        self.tripwires.ring_all();
    }

    /// The latest accepted version. Whoever has heard of a version, be it from somebody who has been told of it, finds
    /// that one or a later one. Waits for nobody.
    pub fn version(&self) -> Arc<Version> {
        self.current.load_full()
    }

    /// Whether look-ups have cost so much that an index should be made.
    pub fn wants_indexes(&self) -> bool {
        self.current.load().database.wants_indexes()
    }

    /// Makes the indexes that are wanted. The writer and readers go on meanwhile.
    pub fn make_indexes(&self) {
        let _guard = self.indexing.begin();
        let version = self.version();
        version.database.build_indexes();
    }

    /// Who is making indexes.
    pub(crate) fn indexing(&self) -> &Indexing {
        &self.indexing
    }

    /// Makes `database` the current version, known as `id`, and tells the feeds what led to it.
    pub fn publish(&self, database: Database, commit: &Arc<Commit>, id: Uuid) {
        drop(self.publish_all(database, &[(commit.clone(), id)]));
    }

    /// Makes `database` the current version and tells the feeds of the commits that led to it, one after the other, each
    /// with the id of the version that it makes. Nobody sees the versions between. Returns what the history forgets, which
    /// may be much to drop.
    pub fn publish_all(&self, database: Database, commits: &[(Arc<Commit>, Uuid)]) -> Forgotten {
        let (mut forgotten, mut to_ring) = (Forgotten::default(), Vec::new());
        let mut locked = self.registry.lock();
        let registry = &mut *locked;
        let mut name = self.current.load().name();
        let version = Version {
            number: name.number + commits.len() as u64,
            id: commits.last().map_or(name.id, |(_, id)| *id),
            database,
        };
        runtime::published(&version, commits);
        // Feeds first: whoever sees the version and then looks at its feed finds the commit there. Nobody takes it before
        // the version is current, and only then bells ring: readers need not wait until all feeds have it.
        for (commit, id) in commits {
            name = VersionId {
                number: name.number + 1,
                id: *id,
            };
            registry.history.push(*id, commit.clone(), &mut forgotten);
            // Often it concerns nobody.
            let mut published = None;
            let mut opened: Option<(&Arc<Feed>, Opened<'_>)> = None;
            registry.routes.concerned(commit, |(feed, watch), concern| {
                if opened
                    .as_ref()
                    .is_none_or(|(open, _)| !Arc::ptr_eq(open, feed))
                {
                    // One at a time: the last is closed before the next is opened.
                    opened = None;
                }
                let (_, open) = opened.get_or_insert_with(|| (feed, feed.open()));
                let new = || Arc::new(Published::new(commit.clone(), name));
                if open.push(*watch, published.get_or_insert_with(new), concern) {
                    to_ring.push(feed.clone());
                }
            });
        }
        self.current.store(Arc::new(version));
        drop(locked);
        to_ring.iter().for_each(|feed| feed.ring());
        self.tripwires
            .ring(commits.iter().flat_map(|(commit, _)| commit.tables()));
        forgotten
    }

    /// Rings `bell` after every commit that changes one of `tables`, for as long as somebody keeps the bell.
    pub fn ring_on_change(&self, tables: Vec<TableId>, bell: &Arc<Notify>) {
        self.tripwires.add(tables, bell);
    }

    /// The monitor of these requests, which all who ask for the same thing share.
    pub fn monitor(&self, requests: &MonitorRequests, form: Form) -> Arc<Monitor> {
        let key = Shape::key(requests);
        let schema = self.version().database.schema().clone();
        let shape = {
            let mut known = self.known.lock();
            match known.shapes.get(&key).and_then(Weak::upgrade) {
                Some(shape) => shape,
                None => {
                    forget_dead(&mut known.shapes);
                    let shape = Arc::new(Shape::new(schema, requests));
                    known.shapes.insert(key, Arc::downgrade(&shape));
                    shape
                }
            }
        };
        let conditions = Monitor::conditions_of(&shape, requests);
        self.shared_monitor(shape, form, conditions)
    }

    /// The monitor that is like `monitor` but for its conditions, one for each table of the shape.
    pub fn with_conditions(&self, monitor: &Monitor, conditions: Vec<Condition>) -> Arc<Monitor> {
        let shape = monitor.shape().clone();
        self.shared_monitor(shape, monitor.form(), conditions)
    }

    fn shared_monitor(
        &self,
        shape: Arc<Shape>,
        form: Form,
        conditions: Vec<Condition>,
    ) -> Arc<Monitor> {
        // Conditions may be long, and others want to look as well: whatever reads them through is done before or after.
        let hash = self.hasher.hash_one(&conditions);
        let key = (Arc::as_ptr(&shape).addr(), form, hash);
        let is_same = |monitor: &Arc<Monitor>| *monitor.conditions() == conditions;
        let known = self.known.lock().monitor(&key);
        if let Some(monitor) = known.filter(is_same) {
            return monitor;
        }
        let monitor = Monitor::with_conditions(shape, form, conditions.clone());
        // The routes will want them, under a lock for which the writer waits.
        monitor.filters().for_each(|(_, filter)| {
            filter.keys();
        });
        let monitor = Arc::new(monitor);
        let other = self.known.lock().add(key, &monitor);
        // Somebody may have asked for the same meanwhile.
        other.filter(is_same).unwrap_or(monitor)
    }

    /// Opens the feed of a session, which rings at its mailbox.
    pub fn subscribe(&self, mailbox: &Arc<Mailbox>) -> Arc<Feed> {
        self.open_feed(mailbox.id(), Bell::Mailbox(mailbox.clone()))
    }

    /// Opens the feed of a session whose news tellers tell, at its desk.
    pub(crate) fn subscribe_at(
        &self,
        mailbox: &Mailbox,
        desk: Arc<dyn Desk>,
        tellers: &Arc<Tellers>,
    ) -> Arc<Feed> {
        self.open_feed(mailbox.id(), Bell::Desk(desk, tellers.clone()))
    }

    fn open_feed(&self, session: SessionId, bell: Bell) -> Arc<Feed> {
        let feed = Arc::new(Feed::new(bell));
        let mut registry = self.registry.lock();
        registry.feeds.insert(session, feed.clone());
        feed
    }

    /// Closes the feed of a session.
    pub fn unsubscribe(&self, session: SessionId) {
        let mut registry = self.registry.lock();
        let feed = registry.feeds.remove(&session);
        let watches = feed
            .as_ref()
            .map_or_else(Vec::new, |feed| feed.remove_all());
        let entries: Vec<_> = watches
            .iter()
            .map(|watch| registry.routes.remove(watch.slot()))
            .collect();
        // What nobody has taken may be much to drop. The writer need not wait for that.
        drop(registry);
        drop((entries, watches));
    }

    /// How many sessions have feeds.
    pub fn feeds(&self) -> usize {
        self.registry.lock().feeds.len()
    }

    /// How many monitors watch this database.
    pub fn monitors(&self) -> usize {
        self.registry.lock().routes.len()
    }

    /// How many different lists of tables and columns they watch.
    pub fn shapes(&self) -> usize {
        let known = self.known.lock();
        let shapes = known.shapes.values();
        shapes.filter(|shape| shape.strong_count() > 0).count()
    }

    /// How often clients came back, and what they had missed was known, or not.
    pub fn resumptions(&self) -> &Resumptions {
        &self.resumptions
    }

    /// Adds a monitor to a feed. Its receiver knows the version `since`, or nothing.
    pub fn watch(&self, feed: &Arc<Feed>, monitor: &Arc<Monitor>, since: Option<Since>) -> Start {
        let mut registry = self.registry.lock();
        let version = self.current.load_full();
        let watch = feed.next_id();
        let slot = registry.routes.insert(monitor, (feed.clone(), watch));
        feed.add(watch, monitor.clone(), slot, version.name());
        let comes_back = since.as_ref().is_some_and(|since| !since.id.is_zero());
        let known = since.and_then(|Since { id, shown }| {
            let missed = registry.history.since(id, shown)?;
            Some((id, missed))
        });
        drop(registry);
        // Nothing of this depends on what is published meanwhile.
        let resumed = known.filter(|(_, missed)| missed.is_sound(&version.database));
        match &resumed {
            Some(_) => self.resumptions.known.add(1),
            None if comes_back => self.resumptions.unknown.add(1),
            None => {}
        }
        Start {
            watch,
            version,
            resumed,
        }
    }

    /// Removes a monitor, and says whether the feed has others.
    pub fn unwatch(&self, feed: &Feed, watch: WatchId) -> bool {
        let mut registry = self.registry.lock();
        let removed = feed.remove(watch);
        let slot = removed.as_ref().map(|watch| watch.slot());
        let entry = slot.and_then(|slot| registry.routes.remove(slot));
        drop(registry);
        drop((entry, removed));
        !feed.is_empty()
    }

    /// Puts `monitor`, which is of the same shape, in the place of another one. Returns what that one has not been told
    /// of the version returned, from which the new one goes on.
    pub fn change(
        &self,
        feed: &Feed,
        watch: WatchId,
        monitor: &Arc<Monitor>,
    ) -> (Vec<News>, Arc<Version>) {
        let mut registry = self.registry.lock();
        let version = self.current.load_full();
        let changed = feed.change(watch, monitor.clone(), &version);
        let news = changed.map(|(slot, news)| {
            registry.routes.change(slot, monitor);
            news
        });
        (news.unwrap_or_default(), version)
    }

    /// Takes what a feed's monitors have not been told, in the order of their ids, and of each the oldest first.
    pub fn take(&self, feed: &Feed) -> Vec<News> {
        let taken = self.take_unless(feed, |_, _, _| false).into_iter();
        taken.flat_map(|taken| taken.news).collect()
    }

    /// [`Hub::take`], unless somebody else has been told the same (see [`Feed::take_unless`]).
    pub(crate) fn take_unless(
        &self,
        feed: &Feed,
        mut is_told: impl FnMut(WatchId, &Arc<Monitor>, Range) -> bool,
    ) -> Vec<Taken> {
        loop {
            let version = self.current.load_full();
            match feed.take_unless(&version, &mut is_told) {
                Ok(taken) => return taken,
                // Told now, somebody might hear of it from the client, and not find it. It is about to be current.
                Err(NotCurrent) => drop(self.registry.lock()),
            }
        }
    }

    /// Notes that a feed's session cannot send any more, or can again.
    pub fn stand(&self, feed: &Feed, stands: bool) {
        if stands {
            // First the version: every commit up to it has reached the feed.
            feed.stand(&self.version());
        } else {
            feed.go_on();
        }
    }

    /// Merges what a feed's session cannot send at the moment.
    pub fn merge(&self, feed: &Feed) {
        feed.merge(&self.version());
    }

    /// What a monitor begins with that goes on from nothing, in pieces; each is written once for all who begin with the same.
    pub fn contents(&self, monitor: &Arc<Monitor>, start: &Start) -> Reader {
        let mut known = self.contents.lock();
        known.retain(|known| known.contents.strong_count() > 0);
        let (address, number) = (Arc::as_ptr(monitor).addr(), start.version.number);
        let is_same = |known: &&ContentsAt| (known.monitor, known.number) == (address, number);
        let same = known.iter().find(is_same);
        if let Some(contents) = same.and_then(|known| known.contents.upgrade()) {
            return contents.reader();
        }
        let initial = Initial::new(monitor.clone(), start.version.database.clone());
        let contents = Contents::new(initial);
        known.push(ContentsAt {
            monitor: address,
            number,
            contents: Arc::downgrade(&contents),
        });
        contents.reader()
    }

    /// What a monitor begins with, written once for all who begin with the same.
    pub fn beginning(&self, monitor: &Arc<Monitor>, start: &Start) -> Text {
        let since = start.resumed.as_ref().map(|(id, _)| *id);
        let number = start.version.number;
        let text = {
            let mut beginnings = self.beginnings.lock();
            let known = &mut beginnings.known;
            known.retain(|known| known.text.strong_count() > 0);
            let same = |known: &&Beginning| {
                known.number == number
                    && known.since == since
                    && std::ptr::eq(known.monitor.as_ptr(), Arc::as_ptr(monitor))
            };
            let same = known.iter().find(same);
            match same.and_then(|same| same.text.upgrade()) {
                Some(text) => text,
                None => {
                    let text = Text::default();
                    known.push(Beginning {
                        monitor: Arc::downgrade(monitor),
                        since,
                        number,
                        text: Arc::downgrade(&text),
                    });
                    text
                }
            }
        };
        // Whoever comes while another writes it waits for that one.
        let mut was_made = false;
        text.get_or_init(|| {
            was_made = true;
            let mut out = Vec::new();
            start.write(monitor, &mut out);
            if out.len() <= limits::MESSAGE_BYTES_SMALL {
                self.beginnings.lock().keep(&text);
            }
            out
        });
        CONTENTS.count(was_made);
        text
    }
}

impl Beginnings {
    fn keep(&mut self, text: &Text) {
        if self.latest.len() == limits::BEGINNINGS_KEPT_MAX {
            self.latest.pop_front();
        }
        self.latest.push_back(text.clone());
    }
}

impl Known {
    fn monitor(&self, key: &MonitorKey) -> Option<Arc<Monitor>> {
        self.monitors.get(key).and_then(Weak::upgrade)
    }

    /// Adds a monitor, unless there is one; returns that.
    fn add(&mut self, key: MonitorKey, monitor: &Arc<Monitor>) -> Option<Arc<Monitor>> {
        let other = self.monitor(&key);
        if other.is_none() {
            forget_dead(&mut self.monitors);
            self.monitors.insert(key, Arc::downgrade(monitor));
        }
        other
    }
}

/// Forgets what nobody has any more, now and then.
fn forget_dead<K: Eq + std::hash::Hash, V>(known: &mut HashMap<K, Weak<V>>) {
    if known.len().is_power_of_two() {
        known.retain(|_, value| value.strong_count() > 0);
    }
}

#[cfg(test)]
mod tests {
    use ovsdb_engine::{Context, Outcome, execute};
    use ovsdb_proto::condition::Clause;
    use ovsdb_proto::json;
    use ovsdb_proto::operation::parse_transact;
    use ovsdb_proto::schema::Schema;

    use super::*;
    use crate::feed::Words;
    use crate::runtime::fresh_uuid;

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
            self.feed_of(&Mailbox::new(SessionId::fresh()), tables)
        }

        fn feed_of(&self, mailbox: &Arc<Mailbox>, tables: &[&str]) -> Arc<Feed> {
            let feed = self.hub.subscribe(mailbox);
            for table in tables {
                let requests = json::parse(format!(r#"{{"{table}":{{}}}}"#).as_bytes()).unwrap();
                let schema = self.hub.version().database.schema().clone();
                let requests = MonitorRequests::from_json(&schema, &requests, false).unwrap();
                let monitor = self.hub.monitor(&requests, Form::Values);
                self.hub.watch(&feed, &monitor, None);
            }
            feed
        }

        /// Inserts a row with a fixed UUID.
        fn insert(&self, table: &str, n: usize) {
            let uuid = format!("00000000-0000-0000-0000-{n:012x}");
            let operation = format!(
                r#"[{{"op":"insert","table":"{table}","row":{{"n":{n}}},"uuid":"{uuid}"}}]"#
            );
            let operations = json::parse(operation.as_bytes()).unwrap();
            let database = self.hub.version().database.clone();
            let operations = operations.as_array().unwrap();
            let transact = parse_transact(database.schema(), operations, &mut fresh_uuid);
            let mut fresh = fresh_uuid;
            let mut context = Context::unrestricted(&mut fresh);
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
    fn told(fixture: &Fixture, feed: &Feed) -> Vec<String> {
        let texts = fixture.hub.take(feed).into_iter().map(|news| {
            let text = match news.into_words() {
                Words::Nothing => Vec::new(),
                Words::Own(text) => text,
                Words::Shared(text) => text.get().cloned().unwrap_or_default(),
            };
            let text = String::from_utf8(text).unwrap();
            let numbers = text.split(r#""n":"#).skip(1);
            let numbers: Vec<&str> = numbers.filter_map(|rest| rest.split('}').next()).collect();
            numbers.join(" ")
        });
        texts.collect()
    }

    fn has_rung(mailbox: &Mailbox) -> bool {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        std::pin::pin!(mailbox.rung()).poll(&mut context).is_ready()
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
            assert_eq!(told(&fixture, &quick), [n.to_string()]);
        }
        fixture.insert("B", 4);
        assert_eq!(told(&fixture, &quick), ["4"]);
        assert_eq!(told(&fixture, &slow), ["1", "2", "3"]);
        assert_eq!(told(&fixture, &other), ["4"]);
        for feed in [quick, slow, other] {
            assert_eq!(told(&fixture, &feed), [""; 0]);
        }
    }

    #[test]
    fn what_is_told_of_one_commit_is_written_once() {
        let fixture = Fixture::new();
        let feeds = [fixture.feed(&["A"]), fixture.feed(&["A"])];
        fixture.insert("A", 1);
        let texts = feeds.map(
            |feed| match fixture.hub.take(&feed).remove(0).into_words() {
                Words::Shared(text) => text,
                other => panic!("{other:?}"),
            },
        );
        assert!(Arc::ptr_eq(&texts[0], &texts[1]));
    }

    #[test]
    fn who_comes_back_after_another_is_sent_the_same_text() {
        let fixture = Fixture::new();
        let id = fixture.hub.version().id;
        let come_back = || {
            let feed = fixture.feed(&[]);
            let requests = json::parse(br#"{"A":{"columns":["n"]}}"#).unwrap();
            let schema = fixture.hub.version().database.schema().clone();
            let requests = MonitorRequests::from_json(&schema, &requests, true).unwrap();
            let monitor = fixture.hub.monitor(&requests, Form::Differences);
            let shown = Shown::KeptColumns;
            let start = fixture
                .hub
                .watch(&feed, &monitor, Some(Since { id, shown }));
            assert!(start.is_resumed());
            Arc::downgrade(&fixture.hub.beginning(&monitor, &start))
        };
        fixture.insert("A", 1);
        let texts = [come_back(), come_back()];
        assert!(texts[0].upgrade().is_some(), "it is kept for a while");
        assert!(Weak::ptr_eq(&texts[0], &texts[1]));
        fixture.insert("A", 2);
        assert!(!Weak::ptr_eq(&texts[0], &come_back()));
    }

    #[test]
    fn monitors_with_equal_conditions_are_one_for_as_long_as_one_is_there() {
        let fixture = Fixture::new();
        let requests = json::parse(br#"{"A":{}}"#).unwrap();
        let schema = fixture.hub.version().database.schema().clone();
        let requests = MonitorRequests::from_json(&schema, &requests, true).unwrap();
        let all = fixture.hub.monitor(&requests, Form::Differences);
        let never = || vec![Condition::new(vec![Clause::constant(false)])];
        let one = fixture.hub.with_conditions(&all, never());
        assert!(!Arc::ptr_eq(&one, &all));
        assert!(Arc::ptr_eq(
            &one,
            &fixture.hub.with_conditions(&all, never())
        ));
        let back = fixture.hub.with_conditions(&one, all.conditions().to_vec());
        assert!(Arc::ptr_eq(&back, &all));
        let gone = Arc::downgrade(&one);
        drop(one);
        assert!(gone.upgrade().is_none(), "the hub alone keeps none");
    }

    #[test]
    fn sessions_are_left_alone_by_commits_to_other_tables() {
        let fixture = Fixture::new();
        let mailbox = Mailbox::new(SessionId::fresh());
        let feed = fixture.feed_of(&mailbox, &["A"]);
        fixture.insert("B", 1);
        assert!(!has_rung(&mailbox));
        fixture.insert("A", 2);
        assert!(has_rung(&mailbox));
        let news = fixture.hub.take(&feed);
        assert_eq!(news[0].version, fixture.hub.version().name());
    }

    #[test]
    fn commits_that_wait_long_are_told_one_by_one_and_very_many_are_merged() {
        let fixture = Fixture::new();
        let feeds = [(); 2].map(|()| fixture.feed(&["A"]));
        let many = limits::FEED_COMMITS_TOLD_MAX;
        (1..=many).for_each(|n| fixture.insert("A", n));
        assert_eq!(told(&fixture, &feeds[0]).len(), many);
        fixture.insert("A", many + 1);
        let merged = told(&fixture, &feeds[1]);
        let rows = merged[0].split(' ').count();
        assert_eq!((merged.len(), rows), (1, many + 1));
    }

    #[test]
    fn what_is_merged_for_one_is_what_others_are_told_that_are_as_far() {
        let fixture = Fixture::new();
        let feeds = [(); 4].map(|()| fixture.feed(&["A"]));
        let few = limits::FEED_COMMITS_MAX;
        (1..=few).for_each(|n| fixture.insert("A", n));
        // Two cannot send, one of them for a while longer.
        let hub = &fixture.hub;
        feeds[1..3].iter().for_each(|feed| hub.merge(feed));
        (few + 1..2 * few).for_each(|n| fixture.insert("A", n));
        hub.merge(&feeds[3]);
        fixture.insert("A", 2 * few);
        let mut ranges = Vec::new();
        let texts = feeds.each_ref().map(|feed| {
            let taken = fixture.hub.take_unless(feed, |_, _, range| {
                ranges.push(range);
                false
            });
            let news = taken.into_iter().flat_map(|taken| taken.news);
            let words = news.map(|news| (news.version, format!("{:?}", news.into_words())));
            words.collect::<Vec<_>>()
        });
        for (one, other) in [(0, 1), (0, 3), (1, 2), (1, 3)] {
            let is_same = ranges[one] == ranges[other];
            assert_eq!(is_same, (one, other) == (1, 2), "{one} and {other}");
            assert_eq!(is_same, texts[one] == texts[other], "{one} and {other}");
        }
        // Whoever has been told by what others were told has nothing left.
        fixture.insert("A", 2 * few + 1);
        hub.merge(&feeds[1]);
        let told = fixture.hub.take_unless(&feeds[1], |_, _, _| true);
        assert!(told.is_empty() && fixture.hub.take(&feeds[1]).is_empty());
    }
    struct OnWake<F>(F);

    impl<F: Fn() + Send + Sync> std::task::Wake for OnWake<F> {
        fn wake(self: Arc<Self>) {
            (self.0)();
        }
    }

    #[test]
    fn whoever_is_rung_finds_the_version_current() {
        let fixture = Arc::new(Fixture::new());
        let mailboxes = [(); 2].map(|()| Mailbox::new(SessionId::fresh()));
        for mailbox in &mailboxes {
            fixture.feed_of(mailbox, &["A"]);
        }
        let (ring, rung) = std::sync::mpsc::channel();
        let wakers = [(); 2].map(|()| {
            let (fixture, ring) = (fixture.clone(), ring.clone());
            // The writer does this.
            let tell = move || ring.send(fixture.hub.version().number).expect("we listen");
            Arc::new(OnWake(tell)).into()
        });
        let mut bells = mailboxes.each_ref().map(|mailbox| Box::pin(mailbox.rung()));
        for (bell, waker) in bells.iter_mut().zip(&wakers) {
            let mut context = std::task::Context::from_waker(waker);
            assert!(bell.as_mut().poll(&mut context).is_pending());
        }
        fixture.insert("A", 1);
        let current = fixture.hub.version().number;
        let found: Vec<u64> = rung.try_iter().collect();
        assert_eq!(found, [current; 2]);
    }

    #[test]
    fn a_commit_is_not_taken_before_its_version_is_current() {
        let fixture = Fixture::new();
        let feed = fixture.feed(&["A"]);
        fixture.insert("A", 1);
        let first = fixture.hub.version();
        fixture.insert("A", 2);
        let taken = feed.take_unless(&first, |_, _, _| false);
        assert!(matches!(taken, Err(NotCurrent)));
        assert_eq!(told(&fixture, &feed), ["1", "2"], "nothing is lost");
    }
}
