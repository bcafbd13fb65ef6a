//! The commits of the recent past by transaction id, so that a client that was away gets only what it missed
//! (`monitor_cond_since`; ovsdb-server(7), section 4.1.15).
//!
//! Bounded by bytes: the oldest commits go first. Nothing here knows monitors or files.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use ovsdb_engine::Commit;
use ovsdb_proto::uuid::Uuid;

/// The most recent commits of a database. See the module's documentation.
#[derive(Debug)]
pub struct History {
    /// The id of the version before the oldest commit here.
    start: Uuid,
    entries: VecDeque<Entry>,
    /// How many commits were here before the oldest that is.
    dropped: u64,
    /// The number of the commit that led to each id, counted from the first that ever was here.
    numbers: HashMap<Uuid, u64>,
    bytes: usize,
    bytes_max: usize,
}

#[derive(Debug)]
struct Entry {
    /// The id of the version that the commit led to.
    id: Uuid,
    commit: Arc<Commit>,
    bytes: usize,
}

impl History {
    /// A history that knows of nothing before the version `id`, and that holds commits of up to `bytes_max` bytes.
    pub fn new(id: Uuid, bytes_max: usize) -> History {
        History {
            start: id,
            entries: VecDeque::new(),
            dropped: 0,
            numbers: HashMap::new(),
            bytes: 0,
            bytes_max,
        }
    }

    /// The id of the latest version.
    pub fn last(&self) -> Uuid {
        self.entries.back().map_or(self.start, |entry| entry.id)
    }

    /// Adds the commit that leads to the version `id`.
    pub fn push(&mut self, id: Uuid, commit: Arc<Commit>) {
        let bytes = commit.bytes();
        self.bytes += bytes;
        self.numbers
            .insert(id, self.dropped + self.entries.len() as u64);
        self.entries.push_back(Entry { id, commit, bytes });
        while self.bytes > self.bytes_max {
            let Some(oldest) = self.entries.pop_front() else {
                break;
            };
            self.bytes -= oldest.bytes;
            self.dropped += 1;
            self.numbers.remove(&oldest.id);
            self.start = oldest.id;
        }
    }

    /// The commits that lead from the version `id` to the latest; `None` if that version is not known, or no longer.
    pub fn since(&self, id: Uuid) -> Option<Vec<Arc<Commit>>> {
        let after = if id == self.start {
            0
        } else {
            self.numbers.get(&id)? - self.dropped + 1
        };
        let commits = self.entries.range(after as usize..);
        Some(commits.map(|entry| entry.commit.clone()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u8) -> Uuid {
        Uuid::from_bytes([number; 16])
    }

    fn history(commits: u8, bytes_max: usize) -> History {
        let mut history = History::new(id(100), bytes_max);
        for number in 0..commits {
            let commit = Commit {
                changes: Vec::new(),
            };
            history.push(id(number), Arc::new(commit));
        }
        history
    }

    fn since(history: &History, number: u8) -> Option<usize> {
        history.since(id(number)).map(|commits| commits.len())
    }

    #[test]
    fn what_follows_a_known_version_is_told() {
        let history = history(3, usize::MAX);
        let found = [100, 0, 1, 2, 3].map(|number| since(&history, number));
        assert_eq!(found, [Some(3), Some(2), Some(1), Some(0), None]);
        assert_eq!(history.last(), id(2));
    }

    #[test]
    fn the_oldest_commits_go_when_there_are_too_many_bytes() {
        let of_one = Commit {
            changes: Vec::new(),
        }
        .bytes();
        let history = history(5, 2 * of_one);
        let found = [100, 1, 2, 3, 4].map(|number| since(&history, number));
        assert_eq!(found, [None, None, Some(2), Some(1), Some(0)]);
    }

    #[test]
    fn a_commit_that_is_too_large_leaves_its_version_known() {
        let history = history(1, 0);
        assert_eq!((since(&history, 100), since(&history, 0)), (None, Some(0)));
        assert_eq!(history.last(), id(0));
    }
}
