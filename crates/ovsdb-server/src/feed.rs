//! What one session has not been told of one database.
//!
//! A session that does not take costs memory for one merged change set per monitor, never a queue of commits: a few
//! recent ones are kept apart, because what is told of one commit is put into words once for all. If most rows change again
//! and again, it keeps the version that it had come to instead, and commits cost it nothing until it takes again. Nothing
//! here knows requests, replies or sockets; the [`hub`](crate::hub) fills feeds.

use std::sync::Arc;

use ovsdb_engine::monitor::{Kept, Monitor, Pending};
use parking_lot::{Mutex, MutexGuard};

use crate::limits;
use crate::mailbox::Mailbox;
use crate::published::{Published, Text, Version, VersionId};
use crate::routes::{Concern, Slot};
use crate::tellers::{Desk, Tellers};

/// Names a monitor within its feed.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct WatchId(u64);

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
    watches: Vec<Watch>,
    /// Whether the session has been rung since it last looked.
    rung: bool,
}

/// A monitor of a feed.
#[derive(Debug)]
pub(crate) struct Watch {
    id: WatchId,
    monitor: Arc<Monitor>,
    slot: Slot,
    news: Pieces,
}

/// What a monitor has not been told of.
#[derive(Debug)]
struct Pieces {
    pending: Pending,
    /// The number of the version that the first of the commits in `pending` leads to.
    merged_from: Option<u64>,
    /// Commits that are not yet in `pending`, oldest first.
    recent: Vec<Recent>,
    /// How many rows they change.
    recent_changes: usize,
    /// How many changed rows have been merged.
    merged_changes: usize,
    /// There, nothing is added to `recent`.
    behind: Option<Behind>,
    /// What its tables held before the first of the commits in `recent`, if the receiver was already not taking then.
    base: Option<Kept>,
    /// What `pending` leads to.
    version: VersionId,
    /// `pending` is elsewhere, being merged; only `recent` is here.
    is_rest: bool,
}

/// What a monitor has not been told of beside what is pending, without a list of it.
#[derive(Debug)]
struct Behind {
    /// What its tables held when all commits up to then were pending.
    kept: Kept,
    /// What the last commit leads to that has concerned it since.
    last: Option<VersionId>,
    /// How many rows the commits since have changed, each counted as often as it was.
    changes: usize,
}

impl Behind {
    /// How many rows have to be looked at in order to catch up: those that were kept, and those that have come since.
    fn effort(&self) -> usize {
        self.kept.rows() + self.changes
    }
}

#[derive(Debug)]
struct Recent {
    published: Arc<Published>,
    concern: Concern,
}

impl Watch {
    /// Where commits come from.
    pub(crate) fn slot(&self) -> Slot {
        self.slot
    }
}

impl Recent {
    fn changes(&self) -> usize {
        match &self.concern {
            Concern::Any => self.published.commit.changes.len(),
            Concern::Some(changes) => changes.len(),
        }
    }
}

impl Pieces {
    fn new(version: VersionId) -> Pieces {
        Pieces {
            pending: Pending::default(),
            merged_from: None,
            recent: Vec::new(),
            recent_changes: 0,
            merged_changes: 0,
            behind: None,
            base: None,
            version,
            is_rest: false,
        }
    }

    fn is_empty(&self) -> bool {
        self.recent.is_empty() && self.pending.is_empty() && self.missed().is_none()
    }

    /// From what on it has no list of what it missed, if it has missed anything since.
    fn missed(&self) -> Option<&Behind> {
        self.behind.as_ref().filter(|behind| behind.last.is_some())
    }

    fn push(&mut self, recent: Recent) {
        match &mut self.behind {
            Some(behind) => {
                behind.last = Some(recent.published.version);
                behind.changes += recent.changes();
            }
            None => {
                self.recent_changes += recent.changes();
                self.recent.push(recent);
            }
        }
    }

    /// What takes its place when it is taken by somebody who knows `known`. There may be commits after that.
    fn successor(&self, monitor: &Monitor, known: &Version) -> Pieces {
        let is_later =
            |behind: &&Behind| behind.last.is_some_and(|last| last.number > known.number);
        match self.behind.as_ref().filter(is_later) {
            Some(behind) => Pieces {
                behind: Some(Behind {
                    kept: monitor.keep(&known.database),
                    ..*behind
                }),
                ..Pieces::new(known.name())
            },
            None => Pieces::new(self.version),
        }
    }

    /// Adds to what is pending whatever there is no list of, up to `known`.
    fn catch_up(&mut self, monitor: &Monitor, known: &Version) {
        if let Some(behind) = self.behind.take()
            && behind.last.is_some()
        {
            monitor.add_since(&mut self.pending, &behind.kept, &known.database);
            self.version = known.name();
        }
    }

    /// What it is instead if it keeps the version before its commits, of which it need not merge any then; `None` if that
    /// is not known, or most rows are still as they were.
    fn without_commits(&mut self) -> Option<Pieces> {
        let kept = self.base.take()?;
        let differ_most = self.recent_changes >= kept.rows() / limits::FEED_KEPT_SHARE;
        (differ_most && self.pending.is_empty()).then(|| Pieces {
            behind: Some(Behind {
                kept,
                last: Some(self.last()),
                changes: self.recent_changes,
            }),
            ..Pieces::new(self.version)
        })
    }

    /// Keeps `current` from now on instead of what comes after it, if everything up to it is pending and merging has cost
    /// more than that will.
    fn fall_behind(&mut self, monitor: &Monitor, current: &Version) {
        if self.behind.is_some() || self.version.number > current.number {
            return;
        }
        let kept = monitor.keep(&current.database);
        let rows = kept.rows();
        let differ_most = self.pending.len() >= rows / limits::FEED_KEPT_SHARE;
        if differ_most && self.merged_changes > rows {
            self.behind = Some(Behind {
                kept,
                last: None,
                changes: 0,
            });
        }
    }

    fn merge(&mut self, monitor: &Monitor) {
        self.merged_changes += std::mem::take(&mut self.recent_changes);
        self.merged_from = self.merged_from.or_else(|| self.first_recent());
        for Recent { published, concern } in self.recent.drain(..) {
            match concern {
                Concern::Any => monitor.add(&mut self.pending, &published.commit),
                Concern::Some(changes) => {
                    monitor.add_some(&mut self.pending, &published.commit, &changes);
                }
            }
            self.version = published.version;
        }
    }

    /// The number of the version that the first of the commits leads to that are apart.
    fn first_recent(&self) -> Option<u64> {
        let first = self.recent.first()?;
        Some(first.published.version.number)
    }

    /// What the last of the commits leads to.
    fn last(&self) -> VersionId {
        let last = self.recent.last();
        last.map_or(self.version, |last| last.published.version)
    }

    /// The number of the version that the last commit leads to that it knows of.
    fn newest(&self) -> u64 {
        let missed = self.missed().and_then(|behind| behind.last);
        missed.unwrap_or_else(|| self.last()).number
    }

    /// What there is, if it is a range of commits. `known` is a version that is current, or was.
    fn range(&self, known: VersionId, monitors: usize) -> Option<Range> {
        let first = self.merged_from.or_else(|| self.first_recent())?;
        let last = self.last();
        let merged = if self.must_merge(monitors) {
            Some(last.number)
        } else {
            self.merged_from.map(|_| self.version.number)
        };
        (!self.is_rest && self.behind.is_none()).then(|| Range {
            first,
            merged,
            last: last.number,
            version: known.later(last),
        })
    }

    /// Whether a session with so many monitors that cannot send it should merge it.
    fn is_long(&self, monitors: usize) -> bool {
        // Of a single commit the words may be shared.
        let is_single = self.recent.len() <= 1 && self.pending.is_empty() && !self.is_rest;
        let is_long = self.recent.len() >= each(limits::FEED_COMMITS_MAX, monitors)
            || self.recent_changes > each(limits::FEED_CHANGES_APART_MAX, monitors);
        is_long && !is_single
    }

    /// Whether a session with so many monitors that can send it tells it as one.
    fn must_merge(&self, monitors: usize) -> bool {
        let are_many = self.recent.len() > each(limits::FEED_COMMITS_TOLD_MAX, monitors)
            || self.recent_changes > each(limits::FEED_CHANGES_TOLD_MAX, monitors);
        are_many && self.recent.len() > 1
    }

    /// How many changed rows have to be looked at when it is told, in a feed of so many monitors: those that are merged, and
    /// those that are in a single commit. Those of commits that are told one by one have mostly been put into words for
    /// others, and cost their messages.
    fn effort(&self, monitors: usize) -> usize {
        let recent = match self.recent.len() <= 1 || self.must_merge(monitors) {
            true => self.recent_changes,
            false => self.recent.len() / limits::FEED_COMMITS_PER_ROW,
        };
        let missed = self.missed().map_or(0, Behind::effort);
        recent + self.pending.len() + missed
    }

    /// Whether it is to be merged by whoever adds to it, because the session, which has so many monitors, does not come to
    /// it.
    fn is_too_long(&self, monitors: usize) -> bool {
        let is_long = self.recent.len() >= each(limits::FEED_COMMITS_LATE_MAX, monitors)
            || self.recent_changes > each(limits::FEED_CHANGES_LATE_MAX, monitors);
        is_long && self.recent.len() > 1 && !self.is_rest
    }
}

/// What each of so many monitors may have of something of which a feed may have `max`.
fn each(max: usize, monitors: usize) -> usize {
    max.checked_div(monitors).unwrap_or(max).max(1)
}

/// Commits that follow each other, of those that concern a monitor. Who is told of the same range is told the same.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Range {
    /// The number of the version that the first leads to.
    first: u64,
    /// The number of the version to which those lead that are told as one; `None` if each is told apart.
    merged: Option<u64>,
    /// The number of the version that the last leads to.
    last: u64,
    /// What the monitor's replica is after it.
    version: VersionId,
}

/// A feed has been told of a version that is about to become the current one.
#[derive(Debug)]
pub(crate) struct NotCurrent;

/// What was taken for one monitor.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(crate) watch: WatchId,
    /// The commits, if others may be told of the same.
    pub(crate) range: Option<Range>,
    pub(crate) news: Vec<News>,
}

/// What one monitor is to be told.
#[derive(Debug)]
pub struct News {
    /// Whom it concerns.
    pub watch: WatchId,
    /// What the monitor's replica is after it.
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
        watch: WatchId,
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
            watch,
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
        self.state.lock().watches.len()
    }

    /// Whether there is no monitor.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The id that the next monitor is to have.
    pub(crate) fn next_id(&self) -> WatchId {
        let state = self.state.lock();
        WatchId(state.watches.last().map_or(0, |last| last.id.0 + 1))
    }

    /// Adds a monitor that knows `version`.
    pub(crate) fn add(&self, id: WatchId, monitor: Arc<Monitor>, slot: Slot, version: VersionId) {
        let mut state = self.state.lock();
        if state.watches.is_empty() {
            // Many sessions have one monitor, and wait.
            state.watches.reserve_exact(1);
        }
        state.watches.push(Watch {
            id,
            monitor,
            slot,
            news: Pieces::new(version),
        });
    }

    /// Removes a monitor. To drop it may take a while.
    pub(crate) fn remove(&self, id: WatchId) -> Option<Watch> {
        let mut state = self.state.lock();
        let place = state.place(id)?;
        Some(state.watches.remove(place))
    }

    /// Removes all monitors. To drop them may take a while.
    pub(crate) fn remove_all(&self) -> Vec<Watch> {
        std::mem::take(&mut self.state.lock().watches)
    }

    /// Puts `monitor` in the place of another one that has been told everything up to `version`, but for the news
    /// returned, oldest first.
    pub(crate) fn change(
        &self,
        id: WatchId,
        monitor: Arc<Monitor>,
        version: &Version,
    ) -> Option<(Slot, Vec<News>)> {
        let mut state = self.state.lock();
        let place = state.place(id)?;
        let monitors = state.watches.len();
        let watch = &mut state.watches[place];
        let pieces = std::mem::replace(&mut watch.news, Pieces::new(version.name()));
        let before = std::mem::replace(&mut watch.monitor, monitor);
        let slot = watch.slot;
        drop(state);
        let mut news = Vec::new();
        News::each(id, &before, pieces, version, monitors, |one| {
            news.push(one);
        });
        Some((slot, news))
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

    /// Takes what is new, monitor by monitor in the order of their ids, and of each the oldest first, but for those monitors
    /// at the beginning for which `is_told` says that they have been told of a range of commits. It is called under a lock
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
        let mut watches = state.watches.iter();
        if watches.any(|watch| watch.news.newest() > known.number) {
            return Err(NotCurrent);
        }
        state.rung = false;
        let mut taken: Vec<(WatchId, Arc<Monitor>, Option<Range>, Pieces)> = Vec::new();
        let mut told = Vec::new();
        let mut is_late = false;
        let monitors = state.watches.len();
        let watches = state.watches.iter_mut();
        for Watch {
            id, monitor, news, ..
        } in watches.filter(|watch| !watch.news.is_empty())
        {
            let range = news.range(known.name(), monitors);
            match range {
                Some(range) if taken.is_empty() && is_told(*id, monitor, range) => {
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
                    taken.push((*id, monitor.clone(), range, pieces));
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
        let taken = taken.map(|(watch, monitor, range, pieces)| {
            let mut news = Vec::new();
            News::each(watch, &monitor, pieces, known, monitors, |one| {
                news.push(one);
            });
            Taken { watch, range, news }
        });
        Ok(taken.collect())
    }

    /// How many changed rows have to be looked at when its news is merged.
    pub fn changes(&self) -> usize {
        let state = self.state.lock();
        let changes = state.watches.iter().map(|watch| watch.news.recent_changes);
        changes.sum()
    }

    /// How many changed rows have to be looked at when its news is taken and told.
    pub fn effort(&self) -> usize {
        let state = self.state.lock();
        let monitors = state.watches.len();
        let watches = state.watches.iter();
        watches.map(|watch| watch.news.effort(monitors)).sum()
    }

    /// Whether there is so much news that a session that cannot send it should merge it.
    pub fn is_long(&self) -> bool {
        let state = self.state.lock();
        let monitors = state.watches.len();
        let mut watches = state.watches.iter();
        watches.any(|watch| watch.news.is_long(monitors))
    }

    /// Notes that its session cannot send any more, and has told everything up to `current`, if not more. For the feed's
    /// session alone.
    pub(crate) fn stand(&self, current: &Version) {
        let mut state = self.state.lock();
        if state.watches.len() > limits::FEED_BASES_MAX {
            return;
        }
        // Of a monitor with conditions most rows may change without concerning it, and would be kept for nothing.
        let may_fall_behind =
            |watch: &&mut Watch| watch.news.is_empty() && watch.monitor.is_unconditional();
        let watches = state.watches.iter_mut();
        for Watch { monitor, news, .. } in watches.filter(may_fall_behind) {
            let keep = || monitor.keep(&current.database);
            news.base.get_or_insert_with(keep);
        }
    }

    /// Notes that its session can send again.
    pub(crate) fn go_on(&self) {
        let mut state = self.state.lock();
        let watches = state.watches.iter_mut();
        let bases: Vec<_> = watches.map(|watch| watch.news.base.take()).collect();
        // To drop what has changed since may take a while.
        drop(state);
        drop(bases);
    }

    /// Merges what cannot be sent at the moment, if there is much of it. For the feed's session alone, which does nothing
    /// else with the feed meanwhile. `current` is a version that was current when this was called, or before.
    pub(crate) fn merge(&self, current: &Version) {
        let mut state = self.state.lock();
        let monitors = state.watches.len();
        let watches = state.watches.iter_mut();
        let long = watches.filter(|watch| watch.news.is_long(monitors));
        let long = long.map(|watch| {
            let rest = Pieces {
                is_rest: true,
                ..Pieces::new(watch.news.version)
            };
            let news = std::mem::replace(&mut watch.news, rest);
            (watch.id, watch.monitor.clone(), news)
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
                let watch = &mut state.watches[place];
                let rest = std::mem::replace(&mut watch.news, news);
                rest.recent
                    .into_iter()
                    .for_each(|recent| watch.news.push(recent));
            }
        }
    }
}

/// A feed to which commits are added. A session may have thousands of monitors that one commit concerns, and to take the
/// feed for each of them again would make the writer wait as often for the session's teller.
pub(crate) struct Opened<'a> {
    state: MutexGuard<'a, State>,
    /// Where the monitor after the last one is. Mostly they come in the order of their ids.
    next: usize,
}

impl Opened<'_> {
    /// Adds a commit that concerns a monitor. Says whether to [ring](Feed::ring) once its version is current.
    #[must_use]
    pub(crate) fn push(
        &mut self,
        id: WatchId,
        published: &Arc<Published>,
        concern: Concern,
    ) -> bool {
        let state = &mut *self.state;
        let is_next = |watch: &Watch| watch.id == id;
        let place = match state.watches.get(self.next).is_some_and(is_next) {
            true => self.next,
            false => match state.place(id) {
                Some(place) => place,
                None => return false,
            },
        };
        self.next = place + 1;
        let monitors = state.watches.len();
        let Watch { monitor, news, .. } = &mut state.watches[place];
        let was_long = news.is_long(monitors);
        news.push(Recent {
            published: published.clone(),
            concern,
        });
        let is_long = news.is_long(monitors);
        // A session merges on its own time what it cannot send. Only for one that does not come to it is it done here.
        if news.is_too_long(monitors) {
            news.merge(monitor);
        }
        !std::mem::replace(&mut state.rung, true) || is_long && !was_long
    }
}

impl State {
    fn place(&self, id: WatchId) -> Option<usize> {
        self.watches
            .binary_search_by_key(&id, |watch| watch.id)
            .ok()
    }
}
