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
use crate::feed::{Bell, Feed, GroupId, News, NotCurrent, Opened, Range, Taken, WatchId};
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
    routes: Routes<(Arc<Feed>, GroupId)>,
    /// How many monitors there are.
    monitors: usize,
    feeds: HashMap<SessionId, Arc<Feed>>,
    history: History,
}

impl Registry {
    /// Adds a monitor that knows `version`, the current one, to a feed, none of whose monitors it can join.
    fn add(
        &mut self,
        feed: &Arc<Feed>,
        watch: WatchId,
        monitor: &Arc<Monitor>,
        version: &Arc<Version>,
    ) {
        let routes = &mut self.routes;
        let of_tables =
            |shape: &Arc<Shape>| routes.insert_tables(shape, (feed.clone(), GroupId::CROWD));
        if !feed.add_to_crowd(watch, monitor, version, of_tables) {
            let group = feed.fresh_group();
            let slot = self.routes.insert(monitor, (feed.clone(), group));
            feed.add(group, slot, watch, monitor.clone(), version.name());
        }
    }
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
                monitors: 0,
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
        let before = self.current.load_full();
        let mut name = before.name();
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
            registry.routes.concerned(commit, |(feed, group), concern| {
                if opened
                    .as_ref()
                    .is_none_or(|(open, _)| !Arc::ptr_eq(open, feed))
                {
                    // One at a time: the last is closed before the next is opened.
                    opened = None;
                }
                let (_, open) = opened.get_or_insert_with(|| (feed, feed.open(&before)));
                let new = || Arc::new(Published::new(commit.clone(), name));
                if open.push(*group, published.get_or_insert_with(new), concern) {
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
        registry.monitors -= feed.as_ref().map_or(0, |feed| feed.len());
        let removed = feed.as_ref().map(|feed| feed.remove_all());
        let removed = removed.unwrap_or_default();
        let slots = removed.slots.iter();
        let entries: Vec<_> = slots.map(|slot| registry.routes.remove(*slot)).collect();
        // What nobody has taken may be much to drop. The writer need not wait for that.
        drop(registry);
        drop((entries, removed));
    }

    /// How many sessions have feeds.
    pub fn feeds(&self) -> usize {
        self.registry.lock().feeds.len()
    }

    /// How many monitors watch this database.
    pub fn monitors(&self) -> usize {
        self.registry.lock().monitors
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
        let watch = feed.fresh_watch();
        registry.monitors += 1;
        if !feed.join(watch, monitor, version.name()) {
            registry.add(feed, watch, monitor, &version);
        }
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
        registry.monitors -= usize::from(removed.is_some());
        let slots = removed.iter().flat_map(|removed| &removed.slots);
        let entries: Vec<_> = slots.map(|slot| registry.routes.remove(*slot)).collect();
        drop(registry);
        drop((entries, removed));
        !feed.is_empty()
    }

    /// Puts `monitor`, which is of the same shape, in the place of another one. Returns what that one has not been told
    /// of the version returned, from which the new one goes on.
    pub fn change(
        &self,
        feed: &Arc<Feed>,
        watch: WatchId,
        monitor: &Arc<Monitor>,
    ) -> (Vec<News>, Arc<Version>) {
        let mut registry = self.registry.lock();
        let version = self.current.load_full();
        let Some(left) = feed.leave(watch) else {
            return (Vec::new(), version);
        };
        let joins = feed.join(watch, monitor, version.name());
        let mut entry = None;
        match left.group {
            Some((_, slot)) if joins => entry = registry.routes.remove(slot),
            Some((group, slot)) => {
                registry.routes.change(slot, monitor);
                feed.add(group, slot, watch, monitor.clone(), version.name());
            }
            None if joins => {}
            None => registry.add(feed, watch, monitor, &version),
        }
        if let Some(slot) = left.slot {
            entry = registry.routes.remove(slot);
        }
        drop(registry);
        drop(entry);
        let news = left.news(&version);
        (news, version)
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
mod tests;
