//! What one session has not been told of one database.
//!
//! A session that does not take costs memory for one merged change set per monitor, never a queue of commits, and monitors
//! that want the same thing share it: a few
//! recent ones are kept apart, because what is told of one commit is put into words once for all. If most rows change again
//! and again, it keeps the version that it had come to instead, and commits cost it nothing until it takes again. Of very
//! many monitors that differ those beyond the first are a crowd, for which a commit is entered once. Nothing here knows
//! requests, replies or sockets; the [`hub`](crate::hub) fills feeds.

mod crowd;
mod pieces;
mod watches;

use std::sync::Arc;

use ovsdb_engine::monitor::{Monitor, Pending, Shape};
use parking_lot::{Mutex, MutexGuard};

use crate::limits;
use crate::mailbox::Mailbox;
use crate::published::{Published, Text, Version, VersionId};
use crate::routes::{Concern, Slot};
use crate::tellers::{Desk, Tellers};

use self::crowd::{Crowd, CrowdNews};
pub(crate) use self::pieces::Range;
use self::pieces::{Pieces, Recent};
pub use self::watches::WatchId;
pub(crate) use self::watches::Watches;

/// See the module's documentation.
#[derive(Debug)]
pub struct Feed {
    bell: Bell,
    state: Mutex<State>,
}

/// How a session hears that there is something to tell.
pub(crate) enum Bell {
    /// It tells it itself.
    Mailbox(Arc<Mailbox>),
    /// A teller tells it, unless the session has something else to do.
    Desk(Arc<dyn Desk>, Arc<Tellers>),
}

impl std::fmt::Debug for Bell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Bell::Mailbox(_) => "Mailbox",
            Bell::Desk(..) => "Desk",
        })
    }
}

impl Bell {
    fn ring(&self) {
        match self {
            Bell::Mailbox(mailbox) => mailbox.ring(),
            Bell::Desk(desk, tellers) => tellers.announce(desk),
        }
    }
}

#[derive(Debug, Default)]
struct State {
    /// In the order of their ids.
    groups: Vec<Group>,
    /// `None` if there never was one: most feeds have none.
    crowd: Option<Box<Crowd>>,
    /// The ids that come next.
    next_watch: u64,
    next_group: u64,
    /// Whether the session has been rung since it last looked.
    rung: bool,
}

/// Names monitors of a feed that want the same thing.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct GroupId(u64);

impl GroupId {
    /// The whole crowd of a feed. Groups have larger ids.
    pub(crate) const CROWD: GroupId = GroupId(0);
}

/// Monitors of a feed that want the same thing and have been told the same: a commit is for all of them at once.
///
/// Those that begin while others have not been told everything are a group of their own, and stay one.
#[derive(Debug)]
pub(crate) struct Group {
    id: GroupId,
    monitor: Arc<Monitor>,
    slot: Slot,
    watches: Watches,
    news: Pieces,
}

/// What a monitor leaves behind that has left its group.
#[derive(Debug)]
pub(crate) struct Left {
    /// What it wanted.
    pub(crate) monitor: Arc<Monitor>,
    /// Its group, if it was the last one there, and where commits came from.
    pub(crate) group: Option<(GroupId, Slot)>,
    /// If it was in the crowd, and commits came from somewhere for it alone: where.
    pub(crate) slot: Option<Slot>,
    watch: WatchId,
    /// `None` if it has been told everything.
    news: Option<Pieces>,
    /// What nobody waits for any more.
    _unwanted: Option<CrowdNews>,
    /// How many monitors the feed had.
    monitors: usize,
}

impl Left {
    /// What it has not been told, oldest first. `version` is current.
    pub(crate) fn news(self, version: &Version) -> Vec<News> {
        let mut news = Vec::new();
        let watches = Watches::One(self.watch);
        if let Some(pieces) = self.news {
            let push = |one| news.push(one);
            News::each(watches, &self.monitor, pieces, version, self.monitors, push);
        }
        news
    }
}

/// What monitors leave behind that are removed. To drop it may take a while.
#[derive(Debug, Default)]
pub(crate) struct Removed {
    /// Where commits came from that are wanted by nobody now.
    pub(crate) slots: Vec<Slot>,
    _groups: Vec<Group>,
    _crowd: Option<Box<Crowd>>,
    _unwanted: Option<CrowdNews>,
}

/// How much there is to tell.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Due {
    /// How many changed rows have to be looked at, or the like of it.
    pub(crate) rows: usize,
    /// How many monitors are to be told.
    pub(crate) monitors: usize,
    /// How many of them differ, those of a crowd aside.
    pub(crate) groups: usize,
}

impl Due {
    /// Whether there are so many messages that others would have to wait for them. Monitors that are told late cost the
    /// writer the more the more of them differ, unless they are a crowd, so those are told where there are more threads.
    pub(crate) fn is_long(&self) -> bool {
        self.monitors > limits::LANE_MONITORS && self.groups <= limits::LANE_MONITORS
    }
}

impl std::iter::Sum for Due {
    fn sum<I: Iterator<Item = Due>>(each: I) -> Due {
        each.fold(Due::default(), |sum, one| Due {
            rows: sum.rows + one.rows,
            monitors: sum.monitors + one.monitors,
            groups: sum.groups + one.groups,
        })
    }
}

/// A feed has been told of a version that is about to become the current one.
#[derive(Debug)]
pub(crate) struct NotCurrent;

/// What was taken for monitors that want the same thing, or for a crowd.
#[derive(Debug)]
pub(crate) struct Taken {
    /// The only monitor and the commits, if others may be told of the same.
    pub(crate) only: Option<(WatchId, Range)>,
    pub(crate) news: Vec<News>,
}

/// What monitors that want the same thing are to be told.
#[derive(Debug)]
pub struct News {
    watches: Watches,
    /// What the monitors' replicas are after it.
    pub version: VersionId,
    monitor: Arc<Monitor>,
    change: Change,
}

#[derive(Debug)]
enum Change {
    /// One commit, of which others are told, too.
    One(Recent),
    /// What has become of any number of commits.
    Merged(Pending),
}

/// What is to be told, in words.
#[derive(Debug)]
pub enum Words {
    /// Nothing, after all.
    Nothing,
    /// For this receiver.
    Own(Vec<u8>),
    /// For others, too.
    Shared(Text),
}

impl News {
    /// Hands over the news in `pieces`: commit by commit, as far as others are told the same, unless there are many for a
    /// feed of so many monitors. `known` is a version that was current when the pieces were taken, or before.
    fn each(
        watches: Watches,
        monitor: &Arc<Monitor>,
        mut pieces: Pieces,
        known: &Version,
        monitors: usize,
        mut tell: impl FnMut(News),
    ) {
        pieces.catch_up(monitor, known);
        let known = known.name();
        // Whatever lies between the last commit that concerned the monitor and the version that was current when it was
        // asked does not concern it.
        let last = pieces.last();
        let news = |version: VersionId, change| News {
            watches: watches.clone(),
            version: match version == last {
                true => known.later(last),
                false => version,
            },
            monitor: monitor.clone(),
            change,
        };
        if pieces.must_merge(monitors) {
            pieces.merge(monitor);
        }
        if !pieces.pending.is_empty() {
            tell(news(pieces.version, Change::Merged(pieces.pending)));
        }
        for recent in pieces.recent {
            tell(news(recent.published.version, Change::One(recent)));
        }
    }

    /// Whom it concerns, in the order of their ids.
    pub fn watches(&self) -> &[WatchId] {
        self.watches.as_slice()
    }

    /// The same, for longer.
    pub(crate) fn share_watches(&self) -> Watches {
        self.watches.clone()
    }

    /// What is monitored.
    pub(crate) fn monitor(&self) -> &Arc<Monitor> {
        &self.monitor
    }

    /// How many rows may be concerned.
    pub fn rows(&self) -> usize {
        match &self.change {
            Change::One(recent) => recent.changes(),
            Change::Merged(pending) => pending.len(),
        }
    }

    /// Puts it into words: a `<table-updates>` or `<table-updates2>`, as the monitor wants it.
    pub fn into_words(self) -> Words {
        let mut out = Vec::new();
        match self.change {
            Change::One(Recent { published, concern }) => {
                let text = published.text(&self.monitor, &concern);
                if text.get().is_none_or(Vec::is_empty) {
                    return Words::Nothing;
                }
                return Words::Shared(text);
            }
            Change::Merged(mut pending) => {
                self.monitor.write_pending(&mut pending, &mut out);
            }
        }
        if out.is_empty() {
            Words::Nothing
        } else {
            Words::Own(out)
        }
    }
}

impl Feed {
    pub(crate) fn new(bell: Bell) -> Feed {
        Feed {
            bell,
            state: Mutex::default(),
        }
    }

    /// How many monitors there are.
    pub fn len(&self) -> usize {
        self.state.lock().monitors()
    }

    /// Whether there is no monitor.
    pub fn is_empty(&self) -> bool {
        let state = self.state.lock();
        state.groups.is_empty() && state.crowd.as_ref().is_none_or(|crowd| crowd.is_empty())
    }

    /// An id for a monitor.
    pub(crate) fn fresh_watch(&self) -> WatchId {
        let mut state = self.state.lock();
        state.next_watch += 1;
        WatchId(state.next_watch)
    }

    /// An id for a group, which comes after all others.
    pub(crate) fn fresh_group(&self) -> GroupId {
        let mut state = self.state.lock();
        state.next_group += 1;
        GroupId(state.next_group)
    }

    /// Adds a monitor that knows `version`, the current one, to those that want the same thing and have been told
    /// everything. False if there are none.
    pub(crate) fn join(&self, watch: WatchId, monitor: &Arc<Monitor>, version: VersionId) -> bool {
        let mut state = self.state.lock();
        let mut groups = state.groups.iter_mut();
        let is_same = |group: &&mut Group| {
            Arc::ptr_eq(&group.monitor, monitor) && group.news.is_empty() && !group.news.is_rest
        };
        let Some(group) = groups.find(is_same) else {
            let crowd = state.crowd.as_mut();
            return crowd.is_some_and(|crowd| crowd.join(watch, monitor));
        };
        group.news.version = group.news.version.later(version);
        group.watches = group.watches.with(watch);
        true
    }

    /// Adds a monitor that knows `version`, the current one, to the crowd, if it is one for that and there are many others
    /// already. `slot` says where commits are to come from that concern the tables of a shape, if none do yet.
    pub(crate) fn add_to_crowd(
        &self,
        watch: WatchId,
        monitor: &Arc<Monitor>,
        version: &Arc<Version>,
        slot: impl FnOnce(&Arc<Shape>) -> Slot,
    ) -> bool {
        let mut state = self.state.lock();
        if state.groups.len() < limits::FEED_GROUPS_APART {
            return false;
        }
        let crowd = state.crowd.get_or_insert_default();
        crowd.add(watch, monitor, version, slot)
    }

    /// Adds a monitor that knows `version` as a group.
    pub(crate) fn add(
        &self,
        id: GroupId,
        slot: Slot,
        watch: WatchId,
        monitor: Arc<Monitor>,
        version: VersionId,
    ) {
        let mut state = self.state.lock();
        if state.groups.is_empty() {
            // Many sessions have one monitor, and wait.
            state.groups.reserve_exact(1);
        }
        let place = state.groups.partition_point(|group| group.id < id);
        let group = Group {
            id,
            monitor,
            slot,
            watches: Watches::One(watch),
            news: Pieces::new(version),
        };
        state.groups.insert(place, group);
    }

    /// Removes a monitor; `None` if there is no such monitor.
    pub(crate) fn remove(&self, watch: WatchId) -> Option<Removed> {
        let mut state = self.state.lock();
        if let Some(place) = state.place_of(watch) {
            let group = state.remove(place, watch);
            return Some(Removed {
                slots: group.iter().map(|group| group.slot).collect(),
                _groups: group.into_iter().collect(),
                ..Removed::default()
            });
        }
        let left = state.crowd.as_mut()?.leave(watch)?;
        Some(Removed {
            slots: left.slot.into_iter().collect(),
            _unwanted: left.unwanted,
            ..Removed::default()
        })
    }

    /// Removes a monitor that is about to want something else.
    pub(crate) fn leave(&self, watch: WatchId) -> Option<Left> {
        let mut state = self.state.lock();
        let monitors = state.monitors();
        let Some(place) = state.place_of(watch) else {
            let left = state.crowd.as_mut()?.leave(watch)?;
            return Some(Left {
                monitor: left.monitor,
                group: None,
                slot: left.slot,
                watch,
                news: left.news,
                _unwanted: left.unwanted,
                monitors,
            });
        };
        let (monitor, group, news) = match state.remove(place, watch) {
            Some(group) => (group.monitor, Some((group.id, group.slot)), group.news),
            None => {
                let group = &state.groups[place];
                (group.monitor.clone(), None, group.news.clone())
            }
        };
        Some(Left {
            monitor,
            group,
            slot: None,
            watch,
            news: Some(news),
            _unwanted: None,
            monitors,
        })
    }

    /// Removes all monitors.
    pub(crate) fn remove_all(&self) -> Removed {
        let mut state = self.state.lock();
        let (groups, crowd) = (std::mem::take(&mut state.groups), state.crowd.take());
        drop(state);
        let of_groups = groups.iter().map(|group| group.slot);
        let of_crowd = crowd.iter().flat_map(|crowd| crowd.slots());
        Removed {
            slots: of_groups.chain(of_crowd).collect(),
            _groups: groups,
            _crowd: crowd,
            _unwanted: None,
        }
    }

    /// Takes the feed in order to add commits. `before` is the version before all of those that are about to be published.
    /// Whoever takes news waits until this is dropped.
    pub(crate) fn open<'a>(&'a self, before: &'a Arc<Version>) -> Opened<'a> {
        Opened {
            state: self.state.lock(),
            before,
            next: 0,
        }
    }

    /// Lets the session know that there is something to tell.
    pub(crate) fn ring(&self) {
        self.bell.ring();
    }

    /// Whether there may be something to take.
    pub fn has_news(&self) -> bool {
        self.state.lock().rung
    }

    /// Takes what is new, group by group in the order of their ids, the crowd last, and of each the oldest first, but for those monitors
    /// at the beginning for which `is_told` says that they have been told of a range of commits. Of monitors that share
    /// a group it is not asked. It is called under a lock
    /// for which the writer waits. `known` is a version that was current when this was called, or before.
    ///
    /// # Errors
    /// There is something from after `known`. Nothing is taken.
    pub(crate) fn take_unless(
        &self,
        known: &Version,
        mut is_told: impl FnMut(WatchId, &Arc<Monitor>, Range) -> bool,
    ) -> Result<Vec<Taken>, NotCurrent> {
        let mut state = self.state.lock();
        if !state.rung {
            return Ok(Vec::new());
        }
        let mut groups = state.groups.iter();
        let of_crowd = state.crowd.as_ref().map_or(0, |crowd| crowd.newest());
        if of_crowd > known.number || groups.any(|group| group.news.newest() > known.number) {
            return Err(NotCurrent);
        }
        state.rung = false;
        let mut taken: Vec<(Watches, Arc<Monitor>, Option<Range>, Pieces)> = Vec::new();
        let mut told = Vec::new();
        let mut is_late = false;
        let monitors = state.monitors();
        let groups = state.groups.iter_mut();
        for Group {
            watches,
            monitor,
            news,
            ..
        } in groups.filter(|group| !group.news.is_empty())
        {
            let range = news.range(known.name(), monitors);
            match (range, &watches) {
                (Some(range), Watches::One(watch))
                    if taken.is_empty() && is_told(*watch, monitor, range) =>
                {
                    let is_small = news.recent.capacity() <= limits::FEED_COMMITS_MAX;
                    if is_small && news.merged_from.is_none() {
                        // The list keeps its room for the next commits.
                        news.recent.clear();
                        news.recent_changes = 0;
                        news.base = None;
                        news.version = range.version;
                    } else {
                        told.push(std::mem::replace(news, Pieces::new(range.version)));
                    }
                }
                _ => {
                    let successor = news.successor(monitor, known);
                    is_late |= !successor.is_empty();
                    let pieces = std::mem::replace(news, successor);
                    taken.push((watches.clone(), monitor.clone(), range, pieces));
                }
            }
        }
        state.rung = is_late;
        let of_crowd = state.crowd.as_mut().and_then(|crowd| crowd.take());
        // The writer, which may want to add to the feed, need not wait for the rest.
        drop(state);
        if is_late {
            self.bell.ring();
        }
        drop(told);
        let taken = taken.into_iter();
        let taken = taken.map(|(watches, monitor, range, pieces)| {
            let mut news = Vec::new();
            News::each(watches.clone(), &monitor, pieces, known, monitors, |one| {
                news.push(one);
            });
            let only = match (watches, range) {
                (Watches::One(watch), Some(range)) => Some((watch, range)),
                _ => None,
            };
            Taken { only, news }
        });
        let of_crowd = of_crowd.into_iter().map(|crowd| {
            let mut news = Vec::new();
            crowd.tell(known, |one| news.push(one));
            Taken { only: None, news }
        });
        Ok(taken.chain(of_crowd).collect())
    }

    /// How many changed rows have to be looked at when its news is merged.
    pub fn changes(&self) -> usize {
        let state = self.state.lock();
        let changes = state.groups.iter().map(|group| group.news.recent_changes);
        changes.sum()
    }

    /// How many changed rows have to be looked at when its news is taken and told.
    pub fn effort(&self) -> usize {
        self.due().rows
    }

    /// How much there is to tell.
    pub(crate) fn due(&self) -> Due {
        let state = self.state.lock();
        let mut due = Due::default();
        if !state.rung {
            return due;
        }
        if let Some((monitors, rows)) = state.crowd.as_ref().and_then(|crowd| crowd.due()) {
            due.monitors += monitors;
            due.rows += rows;
        }
        let monitors = state.monitors();
        for Group { watches, news, .. } in
            state.groups.iter().filter(|group| !group.news.is_empty())
        {
            let told = watches.as_slice().len();
            due.monitors += told;
            due.groups += 1;
            due.rows += news.effort(monitors);
            if told > 1 {
                due.rows += news.effort_of_more(told - 1, monitors);
            }
        }
        due
    }

    /// Whether there is so much news that a session that cannot send it should merge it.
    pub fn is_long(&self) -> bool {
        let state = self.state.lock();
        let count = state.groups.len();
        let mut groups = state.groups.iter();
        groups.any(|group| group.news.is_long(count))
    }

    /// Notes that its session cannot send any more, and has told everything up to `current`, if not more. For the feed's
    /// session alone.
    pub(crate) fn stand(&self, current: &Version) {
        let mut state = self.state.lock();
        if state.groups.len() > limits::FEED_BASES_MAX {
            return;
        }
        // Of a monitor with conditions most rows may change without concerning it, and would be kept for nothing.
        let may_fall_behind =
            |group: &&mut Group| group.news.is_empty() && group.monitor.is_unconditional();
        let groups = state.groups.iter_mut();
        for Group { monitor, news, .. } in groups.filter(may_fall_behind) {
            let keep = || monitor.keep(&current.database);
            news.base.get_or_insert_with(keep);
        }
    }

    /// Notes that its session can send again.
    pub(crate) fn go_on(&self) {
        let mut state = self.state.lock();
        let groups = state.groups.iter_mut();
        let bases: Vec<_> = groups.map(|group| group.news.base.take()).collect();
        // To drop what has changed since may take a while.
        drop(state);
        drop(bases);
    }

    /// Merges what cannot be sent at the moment, if there is much of it. For the feed's session alone, which does nothing
    /// else with the feed meanwhile. `current` is a version that was current when this was called, or before.
    pub(crate) fn merge(&self, current: &Version) {
        let mut state = self.state.lock();
        let count = state.groups.len();
        let groups = state.groups.iter_mut();
        let long = groups.filter(|group| group.news.is_long(count));
        let long = long.map(|group| {
            let rest = Pieces::rest(group.news.version);
            let news = std::mem::replace(&mut group.news, rest);
            (group.id, group.monitor.clone(), news)
        });
        let long: Vec<_> = long.collect();
        // The writer, which may want to add to the feed, need not wait for the rest.
        drop(state);
        for (id, monitor, mut news) in long {
            if let Some(behind) = news.without_commits() {
                news = behind;
            } else {
                news.merge(&monitor);
                news.fall_behind(&monitor, current);
            }
            let mut state = self.state.lock();
            if let Some(place) = state.place(id) {
                let group = &mut state.groups[place];
                let rest = std::mem::replace(&mut group.news, news);
                rest.recent
                    .into_iter()
                    .for_each(|recent| group.news.push(recent));
            }
        }
    }
}

/// A feed to which commits are added. A session may have thousands of monitors that one commit concerns, and to take the
/// feed for each of them again would make the writer wait as often for the session's teller.
pub(crate) struct Opened<'a> {
    state: MutexGuard<'a, State>,
    before: &'a Arc<Version>,
    /// Where the group after the last one is. Mostly they come in the order of their ids.
    next: usize,
}

impl Opened<'_> {
    /// Adds a commit that concerns a group, or may concern the crowd. Says whether to [ring](Feed::ring) once its version is current.
    #[must_use]
    pub(crate) fn push(
        &mut self,
        id: GroupId,
        published: &Arc<Published>,
        concern: Concern,
    ) -> bool {
        let state = &mut *self.state;
        if id == GroupId::CROWD {
            let Some(crowd) = &mut state.crowd else {
                return false;
            };
            crowd.push(published, self.before);
            return !std::mem::replace(&mut state.rung, true);
        }
        let is_next = |group: &Group| group.id == id;
        let place = match state.groups.get(self.next).is_some_and(is_next) {
            true => self.next,
            false => match state.place(id) {
                Some(place) => place,
                None => return false,
            },
        };
        self.next = place + 1;
        let count = state.groups.len();
        let Group { monitor, news, .. } = &mut state.groups[place];
        let was_long = news.is_long(count);
        news.push(Recent {
            published: published.clone(),
            concern,
        });
        let is_long = news.is_long(count);
        // A session merges on its own time what it cannot send. Only for one that does not come to it is it done here.
        if news.is_too_long(count) {
            news.merge(monitor);
        }
        !std::mem::replace(&mut state.rung, true) || is_long && !was_long
    }
}

impl State {
    /// How many monitors there are.
    fn monitors(&self) -> usize {
        let groups = self.groups.iter();
        let of_groups: usize = groups.map(|group| group.watches.as_slice().len()).sum();
        of_groups + self.crowd.as_ref().map_or(0, |crowd| crowd.monitors())
    }

    /// The group of a monitor.
    fn place_of(&self, watch: WatchId) -> Option<usize> {
        let mut groups = self.groups.iter();
        groups.position(|group| group.watches.contain(watch))
    }

    /// Removes a monitor from a group, and the group if there is no other one.
    fn remove(&mut self, place: usize, watch: WatchId) -> Option<Group> {
        match self.groups[place].watches.without(watch) {
            Some(others) => {
                self.groups[place].watches = others;
                None
            }
            None => Some(self.groups.remove(place)),
        }
    }

    fn place(&self, id: GroupId) -> Option<usize> {
        self.groups.binary_search_by_key(&id, |group| group.id).ok()
    }
}
