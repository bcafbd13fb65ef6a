//! The many monitors of a feed that differ: what is committed is noted once for all of them.
//!
//! To enter a commit into what thousands of monitors have not been told would take the writer as long as to tell them. So
//! of those beyond the first ones of a feed only the tables are known to the routes, and whoever tells them looks whom a
//! commit concerns. A few commits are kept apart; with more it is remembered what the tables held before the first of
//! them, which versions share, and the two versions are compared. So neither who commits nor who cannot send ever merges
//! for them.

use std::collections::HashMap;
use std::sync::Arc;

use ovsdb_engine::Commit;
use ovsdb_engine::monitor::{Monitor, Shape};
use ovsdb_proto::schema::TableId;

use super::pieces::{Pieces, Recent, each};
use super::watches::{WatchId, Watches};
use super::{Change, News};
use crate::limits;
use crate::published::{Published, Version, VersionId};
use crate::routes::{Concern, Slot};

/// See the module's documentation.
#[derive(Debug, Default)]
pub(super) struct Crowd {
    members: Vec<Member>,
    /// How many monitors there are.
    monitors: usize,
    /// What they are monitors of.
    shapes: Vec<OfShape>,
    /// What those have not been told who were there when it came.
    news: Option<CrowdNews>,
}

/// Monitors that want the same thing.
#[derive(Clone, Debug)]
struct Member {
    watches: Watches,
    monitor: Arc<Monitor>,
    /// What it knew when it came, if the others had not been told everything then, and have not since.
    since: Option<Arc<Version>>,
}

/// Those of one shape.
#[derive(Debug)]
struct OfShape {
    shape: Arc<Shape>,
    /// Where commits come from.
    slot: Slot,
    members: usize,
}

/// What a crowd has not been told. To drop it may take a while.
#[derive(Debug)]
pub(super) struct CrowdNews {
    /// A version of which it has been told everything, and after which the commits are all that concern its tables.
    base: Arc<Version>,
    /// The commits, oldest first, unless there are too many to be told one by one.
    apart: Option<Vec<Arc<Published>>>,
    /// What the last one leads to.
    last: VersionId,
    /// How many rows they change, each counted as often as it was changed.
    changes: usize,
}

/// What was taken for a crowd.
#[derive(Debug)]
pub(super) struct TakenCrowd {
    members: Vec<Member>,
    tables: Vec<TableId>,
    news: CrowdNews,
}

/// Somebody who has left.
#[derive(Debug)]
pub(super) struct LeftCrowd {
    pub(super) monitor: Arc<Monitor>,
    /// Where commits came from, if they come from there for nobody now.
    pub(super) slot: Option<Slot>,
    pub(super) news: Option<Pieces>,
    /// What nobody waits for any more.
    pub(super) unwanted: Option<CrowdNews>,
}

/// A commit and the tables that it changes.
type WithTables = (Arc<Published>, Vec<TableId>);

/// Whether it takes a look at every change of a table to know whether it concerns `monitor`: its condition names no values
/// by which it could be found.
fn is_looked_at(monitor: &Monitor) -> bool {
    let mut filters = monitor.filters();
    filters.any(|(_, filter)| filter.keys().is_none())
}

impl Crowd {
    /// How many monitors there are.
    pub(super) fn monitors(&self) -> usize {
        self.monitors
    }

    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Adds a monitor to those that want the same thing, if there are any and they have been told everything.
    pub(super) fn join(&mut self, watch: WatchId, monitor: &Arc<Monitor>) -> bool {
        let mut members = self.members.iter_mut();
        let is_same = |member: &&mut Member| Arc::ptr_eq(&member.monitor, monitor);
        let Some(member) = members.find(is_same).filter(|_| self.news.is_none()) else {
            return false;
        };
        member.watches = member.watches.with(watch);
        self.monitors += 1;
        true
    }

    /// Adds a monitor that knows `version`, the current one, if it is one for a crowd. `slot` says where commits are to come
    /// from that concern the tables of a shape, of which there was no monitor.
    pub(super) fn add(
        &mut self,
        watch: WatchId,
        monitor: &Arc<Monitor>,
        version: &Arc<Version>,
        slot: impl FnOnce(&Arc<Shape>) -> Slot,
    ) -> bool {
        if !is_looked_at(monitor) {
            return false;
        }
        let shape = monitor.shape();
        let mut shapes = self.shapes.iter_mut();
        match shapes.find(|of_shape| Arc::ptr_eq(&of_shape.shape, shape)) {
            Some(of_shape) => of_shape.members += 1,
            None => self.shapes.push(OfShape {
                slot: slot(shape),
                shape: shape.clone(),
                members: 1,
            }),
        }
        self.members.push(Member {
            watches: Watches::One(watch),
            monitor: monitor.clone(),
            since: self.news.is_some().then(|| version.clone()),
        });
        self.monitors += 1;
        true
    }

    /// Removes a monitor, if it is one of these.
    pub(super) fn leave(&mut self, watch: WatchId) -> Option<LeftCrowd> {
        let mut members = self.members.iter();
        let place = members.position(|member| member.watches.contain(watch))?;
        self.monitors -= 1;
        let Member { monitor, since, .. } = &self.members[place];
        let news = self.news.as_ref();
        let news = news.map(|news| news.of(monitor, since.as_ref()));
        let monitor = monitor.clone();
        let slot = match self.members[place].watches.without(watch) {
            Some(others) => {
                self.members[place].watches = others;
                None
            }
            None => {
                self.members.remove(place);
                self.forget_shape(monitor.shape())
            }
        };
        let unwanted = self.news.take_if(|_| self.members.is_empty());
        Some(LeftCrowd {
            monitor,
            slot,
            news,
            unwanted,
        })
    }

    /// One fewer is of this shape. If it was the last one: where commits came from.
    fn forget_shape(&mut self, shape: &Arc<Shape>) -> Option<Slot> {
        let mut shapes = self.shapes.iter();
        let place = shapes.position(|of_shape| Arc::ptr_eq(&of_shape.shape, shape))?;
        self.shapes[place].members -= 1;
        (self.shapes[place].members == 0).then(|| self.shapes.swap_remove(place).slot)
    }

    /// Where commits come from.
    pub(super) fn slots(&self) -> impl Iterator<Item = Slot> {
        self.shapes.iter().map(|of_shape| of_shape.slot)
    }

    /// Notes a commit. `before` is a version before it: whatever led there has been told, or noted, or concerns other tables.
    pub(super) fn push(&mut self, published: &Arc<Published>, before: &Arc<Version>) {
        let monitors = self.monitors;
        let news = self.news.get_or_insert_with(|| CrowdNews {
            base: before.clone(),
            apart: Some(Vec::new()),
            last: before.name(),
            changes: 0,
        });
        if news.last.number >= published.version.number {
            // Several shapes have the table.
            return;
        }
        news.changes += published.commit.changes.len();
        news.last = published.version;
        if let Some(apart) = &mut news.apart {
            apart.push(published.clone());
            let are_many = apart.len() > each(limits::FEED_COMMITS_TOLD_MAX, monitors)
                || news.changes > each(limits::FEED_CHANGES_TOLD_MAX, monitors);
            if are_many && apart.len() > 1 {
                news.apart = None;
            }
        }
    }

    /// The number of the version that the last commit leads to that it has not been told of; 0 if there is none.
    pub(super) fn newest(&self) -> u64 {
        let news = self.news.as_ref();
        news.map_or(0, |news| news.last.number)
    }

    /// How many monitors are to be told, and how many changed rows it is as much work to look at.
    pub(super) fn due(&self) -> Option<(usize, usize)> {
        let news = self.news.as_ref()?;
        let looked_at = news.changes.saturating_mul(self.members.len());
        Some((self.monitors, looked_at / limits::FEED_COMMITS_PER_ROW))
    }

    /// Takes what is new, which is then to be [told](TakenCrowd::tell).
    pub(super) fn take(&mut self) -> Option<TakenCrowd> {
        let news = self.news.take()?;
        let shapes = self.shapes.iter();
        let mut tables: Vec<TableId> = shapes.flat_map(|it| it.shape.tables()).collect();
        tables.sort_unstable();
        tables.dedup();
        let members = self.members.iter_mut();
        let members = members.map(|member| Member {
            watches: member.watches.clone(),
            monitor: member.monitor.clone(),
            since: member.since.take(),
        });
        Some(TakenCrowd {
            members: members.collect(),
            tables,
            news,
        })
    }
}

impl CrowdNews {
    /// The same for one monitor that goes its own way, and knows `since` or what the others know.
    fn of(&self, monitor: &Monitor, since: Option<&Arc<Version>>) -> Pieces {
        let base = since.unwrap_or(&self.base);
        let mut pieces = Pieces::new(base.name());
        let Some(apart) = &self.apart else {
            if self.last.number > base.number {
                let kept = monitor.keep(&base.database);
                pieces = Pieces::behind(base.name(), kept, self.last, self.changes);
            }
            return pieces;
        };
        for published in after(apart, base.number) {
            pieces.push(Recent {
                published: published.clone(),
                concern: Concern::Any,
            });
        }
        pieces
    }
}

impl TakenCrowd {
    /// Hands over the news for each member that may be concerned. `known` is a version that was current when this was taken,
    /// or before.
    pub(super) fn tell(self, known: &Version, mut tell: impl FnMut(News)) {
        let TakenCrowd {
            members,
            tables,
            news,
        } = self;
        let since = |base: &Version| match &news.apart {
            Some(apart) => after(apart, base.number).iter().map(Arc::clone).collect(),
            None => merged(base, known, &tables).into_iter().collect(),
        };
        // Mostly all members know the same version.
        let mut commits: HashMap<u64, Vec<WithTables>> = HashMap::new();
        for Member {
            watches,
            monitor,
            since: joined,
        } in members
        {
            let base = joined.as_ref().unwrap_or(&news.base);
            let commits = commits.entry(base.number).or_insert_with(|| {
                let commits: Vec<Arc<Published>> = since(base);
                let commits = commits.into_iter();
                commits
                    .map(|one| (one.clone(), one.commit.tables().to_vec()))
                    .collect()
            });
            for (published, tables) in commits {
                let is_monitored = |table: &TableId| monitor.shape().position(*table).is_some();
                if !tables.iter().any(is_monitored) {
                    continue;
                }
                tell(News {
                    watches: watches.clone(),
                    // What lies between does not concern it.
                    version: match published.version == news.last {
                        true => known.name().later(news.last),
                        false => published.version,
                    },
                    monitor: monitor.clone(),
                    change: Change::One(Recent {
                        published: published.clone(),
                        concern: Concern::Any,
                    }),
                });
            }
        }
    }
}

/// All that has become of some tables since `base`, as one commit, if there is anything.
fn merged(base: &Version, known: &Version, tables: &[TableId]) -> Option<Arc<Published>> {
    let tables = tables.iter().copied();
    let commit = Commit::between(&base.database, &known.database, tables)?;
    Some(Arc::new(Published::new(Arc::new(commit), known.name())))
}

/// Those of the commits, oldest first, that lead to later versions than the one with this number.
fn after(commits: &[Arc<Published>], number: u64) -> &[Arc<Published>] {
    let place = commits.partition_point(|published| published.version.number <= number);
    &commits[place..]
}
