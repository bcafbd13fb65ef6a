//! What one session has not been told of one database.
//!
//! A session that does not take costs memory for one merged change set per monitor, never a queue of commits, and monitors
//! that want the same thing share it: a few
//! recent ones are kept apart, because what is told of one commit is put into words once for all. If most rows change again
//! and again, it keeps the version that it had come to instead, and commits cost it nothing until it takes again. Nothing
//! here knows requests, replies or sockets; the [`hub`](crate::hub) fills feeds.

mod pieces;
mod watches;

use std::sync::Arc;

use ovsdb_engine::monitor::{Monitor, Pending};
use parking_lot::{Mutex, MutexGuard};

use crate::limits;
use crate::mailbox::Mailbox;
use crate::published::{Published, Text, Version, VersionId};
use crate::routes::{Concern, Slot};
use crate::tellers::{Desk, Tellers};

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
    /// The ids that come next.
    next_watch: u64,
    next_group: u64,
    /// Whether the session has been rung since it last looked.
    rung: bool,
}

/// Names monitors of a feed that want the same thing.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct GroupId(u64);

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
    watch: WatchId,
    news: Pieces,
    /// How many monitors the feed had.
    monitors: usize,
}

impl Group {
    /// Where commits come from.
    pub(crate) fn slot(&self) -> Slot {
        self.slot
    }
}

impl Left {
    /// What it has not been told, oldest first. `version` is current.
    pub(crate) fn news(self, version: &Version) -> Vec<News> {
        let mut news = Vec::new();
        let watches = Watches::One(self.watch);
        News::each(
            watches,
            &self.monitor,
            self.news,
            version,
            self.monitors,
            |one| {
                news.push(one);
            },
        );
        news
    }
}

/// How much there is to tell.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Due {
    /// How many changed rows have to be looked at, or the like of it.
    pub(crate) rows: usize,
    /// How many monitors are to be told.
    pub(crate) monitors: usize,
    /// How many of them differ.
    pub(crate) groups: usize,
}

impl Due {
    /// Whether there are so many messages that others would have to wait for them. Monitors that are told late cost the
    /// writer the more the more of them differ, so those are told where there are more threads.
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

/// What was taken for monitors that want the same thing.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(crate) watches: Watches,
    /// The commits, if others may be told of the same.
    pub(crate) range: Option<Range>,
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
        self.state.lock().groups.is_empty()
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
            return false;
        };
        group.news.version = group.news.version.later(version);
        group.watches = group.watches.with(watch);
        true
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

    /// Removes a monitor. Returns its group if it was the last one there, to drop which may take a while; `None` if there is
    /// no such monitor.
    pub(crate) fn remove(&self, watch: WatchId) -> Option<Option<Group>> {
        let mut state = self.state.lock();
        let place = state.place_of(watch)?;
        Some(state.remove(place, watch))
    }

    /// Removes a monitor that is about to want something else.
    pub(crate) fn leave(&self, watch: WatchId) -> Option<Left> {
        let mut state = self.state.lock();
        let (monitors, place) = (state.monitors(), state.place_of(watch)?);
        let left = match state.remove(place, watch) {
            Some(group) => Left {
                monitor: group.monitor,
                group: Some((group.id, group.slot)),
                watch,
                news: group.news,
                monitors,
            },
            None => Left {
                monitor: state.groups[place].monitor.clone(),
                group: None,
                watch,
                news: state.groups[place].news.clone(),
                monitors,
            },
        };
        Some(left)
    }

    /// Removes all monitors. To drop them may take a while.
    pub(crate) fn remove_all(&self) -> Vec<Group> {
        std::mem::take(&mut self.state.lock().groups)
    }

    /// Takes the feed in order to add commits. Whoever takes news waits until this is dropped.
    pub(crate) fn open(&self) -> Opened<'_> {
        Opened {
            state: self.state.lock(),
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

    /// Takes what is new, group by group in the order of their ids, and of each the oldest first, but for those monitors
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
        if groups.any(|group| group.news.newest() > known.number) {
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
            Taken {
                watches,
                range,
                news,
            }
        });
        Ok(taken.collect())
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
    /// Where the group after the last one is. Mostly they come in the order of their ids.
    next: usize,
}

impl Opened<'_> {
    /// Adds a commit that concerns a group. Says whether to [ring](Feed::ring) once its version is current.
    #[must_use]
    pub(crate) fn push(
        &mut self,
        id: GroupId,
        published: &Arc<Published>,
        concern: Concern,
    ) -> bool {
        let state = &mut *self.state;
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
        groups.map(|group| group.watches.as_slice().len()).sum()
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
