//! What a monitor has not been told of: a few recent commits apart, merged ones, or the version that it had come to.
//!
//! How much of which there may be is decided here; who merges, and when, by the [feed](super).

use std::sync::Arc;

use ovsdb_engine::monitor::{Kept, Monitor, Pending};

use crate::limits;
use crate::published::{Published, Version, VersionId};
use crate::routes::Concern;

/// What a monitor has not been told of.
#[derive(Clone, Debug)]
pub(super) struct Pieces {
    pub(super) pending: Pending,
    /// The number of the version that the first of the commits in `pending` leads to.
    pub(super) merged_from: Option<u64>,
    /// Commits that are not yet in `pending`, oldest first.
    pub(super) recent: Vec<Recent>,
    /// How many rows they change.
    pub(super) recent_changes: usize,
    /// How many changed rows have been merged.
    merged_changes: usize,
    /// There, nothing is added to `recent`.
    behind: Option<Behind>,
    /// What its tables held before the first of the commits in `recent`, if the receiver was already not taking then.
    pub(super) base: Option<Kept>,
    /// What `pending` leads to.
    pub(super) version: VersionId,
    /// `pending` is elsewhere, being merged; only `recent` is here.
    pub(super) is_rest: bool,
}

/// What a monitor has not been told of beside what is pending, without a list of it.
#[derive(Clone, Debug)]
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
    pub(super) fn effort(&self) -> usize {
        self.kept.rows() + self.changes
    }
}

/// A commit.
#[derive(Clone, Debug)]
pub(super) struct Recent {
    pub(super) published: Arc<Published>,
    pub(super) concern: Concern,
}

impl Recent {
    pub(super) fn changes(&self) -> usize {
        match &self.concern {
            Concern::Any => self.published.commit.changes.len(),
            Concern::Some(changes) => changes.len(),
        }
    }
}

impl Pieces {
    pub(super) fn new(version: VersionId) -> Pieces {
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

    /// What is there while the rest, up to `version` or later, is being merged.
    pub(super) fn rest(version: VersionId) -> Pieces {
        Pieces {
            is_rest: true,
            ..Pieces::new(version)
        }
    }

    /// What somebody has missed who knew `version`: what `kept` has become with so many changes, of which the last led to
    /// `last`.
    pub(super) fn behind(
        version: VersionId,
        kept: Kept,
        last: VersionId,
        changes: usize,
    ) -> Pieces {
        Pieces {
            behind: Some(Behind {
                kept,
                last: Some(last),
                changes,
            }),
            ..Pieces::new(version)
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.recent.is_empty() && self.pending.is_empty() && self.missed().is_none()
    }

    /// From what on it has no list of what it missed, if it has missed anything since.
    fn missed(&self) -> Option<&Behind> {
        self.behind.as_ref().filter(|behind| behind.last.is_some())
    }

    pub(super) fn push(&mut self, recent: Recent) {
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
    pub(super) fn successor(&self, monitor: &Monitor, known: &Version) -> Pieces {
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
    pub(super) fn catch_up(&mut self, monitor: &Monitor, known: &Version) {
        if let Some(behind) = self.behind.take()
            && behind.last.is_some()
        {
            monitor.add_since(&mut self.pending, &behind.kept, &known.database);
            self.version = known.name();
        }
    }

    /// What it is instead if it keeps the version before its commits, of which it need not merge any then; `None` if that
    /// is not known, or most rows are still as they were.
    pub(super) fn without_commits(&mut self) -> Option<Pieces> {
        let kept = self.base.take()?;
        let differ_most = self.recent_changes >= kept.rows() / limits::FEED_KEPT_SHARE;
        (differ_most && self.pending.is_empty())
            .then(|| Pieces::behind(self.version, kept, self.last(), self.recent_changes))
    }

    /// Keeps `current` from now on instead of what comes after it, if everything up to it is pending and merging has cost
    /// more than that will.
    pub(super) fn fall_behind(&mut self, monitor: &Monitor, current: &Version) {
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

    pub(super) fn merge(&mut self, monitor: &Monitor) {
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
    pub(super) fn last(&self) -> VersionId {
        let last = self.recent.last();
        last.map_or(self.version, |last| last.published.version)
    }

    /// The number of the version that the last commit leads to that it knows of.
    pub(super) fn newest(&self) -> u64 {
        let missed = self.missed().and_then(|behind| behind.last);
        missed.unwrap_or_else(|| self.last()).number
    }

    /// What there is, if it is a range of commits, for a session with so many monitors. `known` is a version that is
    /// current, or was.
    pub(super) fn range(&self, known: VersionId, monitors: usize) -> Option<Range> {
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

    /// Whether a session that cannot send it should merge it. It has so many of these.
    pub(super) fn is_long(&self, groups: usize) -> bool {
        // Of a single commit the words may be shared.
        let is_single = self.recent.len() <= 1 && self.pending.is_empty() && !self.is_rest;
        let is_long = self.recent.len() >= each(limits::FEED_COMMITS_MAX, groups)
            || self.recent_changes > each(limits::FEED_CHANGES_APART_MAX, groups);
        is_long && !is_single
    }

    /// Whether a session with so many monitors that can send it tells it as one.
    pub(super) fn must_merge(&self, monitors: usize) -> bool {
        let are_many = self.recent.len() > each(limits::FEED_COMMITS_TOLD_MAX, monitors)
            || self.recent_changes > each(limits::FEED_CHANGES_TOLD_MAX, monitors);
        are_many && self.recent.len() > 1
    }

    /// How many messages there are for each monitor of a feed with so many.
    fn messages(&self, monitors: usize) -> usize {
        let is_merged = !self.pending.is_empty() || self.missed().is_some();
        let recent = match self.must_merge(monitors) {
            true => usize::from(!is_merged),
            false => self.recent.len(),
        };
        usize::from(is_merged) + recent
    }

    /// How many changed rows it is as much work to look at as to send it to so many more monitors than one of the feed.
    pub(super) fn effort_of_more(&self, more: usize, monitors: usize) -> usize {
        let copied = self.effort(monitors) + self.messages(monitors);
        copied.saturating_mul(more) / limits::FEED_COMMITS_PER_ROW
    }

    /// How many changed rows have to be looked at when it is told, in a feed of so many monitors: those that are merged, and
    /// those that are in a single commit. Those of commits that are told one by one have mostly been put into words for
    /// others, and cost their messages.
    pub(super) fn effort(&self, monitors: usize) -> usize {
        let recent = match self.recent.len() <= 1 || self.must_merge(monitors) {
            true => self.recent_changes,
            false => self.recent.len() / limits::FEED_COMMITS_PER_ROW,
        };
        let missed = self.missed().map_or(0, Behind::effort);
        recent + self.pending.len() + missed
    }

    /// Whether it is to be merged by whoever adds to it, because the session, which has so many of these, does not come to
    /// it.
    pub(super) fn is_too_long(&self, groups: usize) -> bool {
        let is_long = self.recent.len() >= each(limits::FEED_COMMITS_LATE_MAX, groups)
            || self.recent_changes > each(limits::FEED_CHANGES_LATE_MAX, groups);
        is_long && self.recent.len() > 1 && !self.is_rest
    }
}

/// What each of so many may have of something of which a feed may have `max`.
pub(super) fn each(max: usize, count: usize) -> usize {
    max.checked_div(count).unwrap_or(max).max(1)
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
    pub(super) version: VersionId,
}
