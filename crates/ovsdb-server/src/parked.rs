//! Transactions held back by an unmet `wait` (RFC 7047, section 5.2.6), and what wakes them.
//!
//! They are tried again when a table that they look at changes, or when their time is over. Nothing here runs them.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use ovsdb_proto::schema::TableId;
use tokio::time::Instant;

use crate::mailbox::{SessionId, Token};

/// Names a parked transaction: whose it is, and which of theirs.
pub(crate) type ParkedId = (SessionId, Token);

struct Entry<J> {
    job: J,
    /// The place in the order of arrival, in which transactions are tried again.
    number: u64,
    deadline: Option<Instant>,
    tables: Vec<TableId>,
}

/// The parked transactions of one database.
pub(crate) struct Parked<J> {
    entries: BTreeMap<ParkedId, Entry<J>>,
    by_table: BTreeSet<(TableId, u64)>,
    by_number: BTreeMap<u64, ParkedId>,
    by_deadline: BTreeSet<(Instant, u64)>,
    next_number: u64,
}

/// How far those that look at some tables have been tried again. Those that come meanwhile are not among them.
#[derive(Debug)]
pub(crate) struct Round {
    tables: Vec<TableId>,
    /// Those that are left.
    numbers: Range<u64>,
}

impl<J> Parked<J> {
    pub(crate) fn new() -> Parked<J> {
        Parked {
            entries: BTreeMap::new(),
            by_table: BTreeSet::new(),
            by_number: BTreeMap::new(),
            by_deadline: BTreeSet::new(),
            next_number: 0,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Parks a transaction until one of `tables` changes or `deadline` has come.
    pub(crate) fn insert(
        &mut self,
        id: ParkedId,
        job: J,
        deadline: Option<Instant>,
        tables: Vec<TableId>,
    ) {
        let number = self.next_number;
        self.next_number += 1;
        self.by_number.insert(number, id);
        self.by_table
            .extend(tables.iter().map(|&table| (table, number)));
        self.by_deadline
            .extend(deadline.map(|deadline| (deadline, number)));
        self.entries.insert(
            id,
            Entry {
                job,
                number,
                deadline,
                tables,
            },
        );
    }

    /// A parked transaction.
    pub(crate) fn get(&self, id: ParkedId) -> Option<&J> {
        self.entries.get(&id).map(|entry| &entry.job)
    }

    /// Changes what a parked transaction is woken by. It keeps its place in the order of arrival.
    pub(crate) fn update(&mut self, id: ParkedId, deadline: Option<Instant>, tables: Vec<TableId>) {
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        let number = entry.number;
        if entry.tables != tables {
            for &table in &entry.tables {
                self.by_table.remove(&(table, number));
            }
            self.by_table
                .extend(tables.iter().map(|&table| (table, number)));
            entry.tables = tables;
        }
        if entry.deadline != deadline {
            if let Some(deadline) = entry.deadline {
                self.by_deadline.remove(&(deadline, number));
            }
            self.by_deadline
                .extend(deadline.map(|deadline| (deadline, number)));
            entry.deadline = deadline;
        }
    }

    /// Takes a transaction out.
    pub(crate) fn remove(&mut self, id: ParkedId) -> Option<J> {
        let Entry {
            job,
            number,
            deadline,
            tables,
        } = self.entries.remove(&id)?;
        self.by_number.remove(&number);
        for table in tables {
            self.by_table.remove(&(table, number));
        }
        if let Some(deadline) = deadline {
            self.by_deadline.remove(&(deadline, number));
        }
        Some(job)
    }

    /// Begins to try those again that look at one of `tables`.
    pub(crate) fn begin_round(&self, mut tables: Vec<TableId>) -> Round {
        tables.sort_unstable();
        tables.dedup();
        Round {
            tables,
            numbers: 0..self.next_number,
        }
    }

    /// The next one of a round, in the order of arrival. `None` if it is over.
    pub(crate) fn next_of(&self, round: &mut Round) -> Option<ParkedId> {
        let (first, end) = (round.numbers.start, round.numbers.end);
        let of_tables = round.tables.iter().filter_map(|&table| {
            let mut of_table = self.by_table.range((table, first)..(table, end));
            of_table.next().map(|(_, number)| *number)
        });
        let number = of_tables.min()?;
        round.numbers.start = number + 1;
        Some(self.by_number[&number])
    }

    /// All of one session.
    pub(crate) fn of_session(&self, session: SessionId) -> Vec<ParkedId> {
        let all = (session, Token(0))..=(session, Token(u64::MAX));
        self.entries.range(all).map(|(id, _)| *id).collect()
    }

    /// All, in the order of their arrival.
    pub(crate) fn all(&self) -> Vec<ParkedId> {
        self.by_number.values().copied().collect()
    }

    /// Those whose time is over, in the order in which it ended, `count` at most.
    pub(crate) fn overdue(&self, now: Instant, count: usize) -> Vec<ParkedId> {
        let due = self.by_deadline.range(..=(now, u64::MAX)).take(count);
        due.map(|(_, number)| self.by_number[number]).collect()
    }

    /// When the next one's time is over.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.by_deadline.first().map(|(deadline, _)| *deadline)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn touched<J>(parked: &Parked<J>, tables: &[TableId]) -> Vec<ParkedId> {
        let mut round = parked.begin_round(tables.to_vec());
        std::iter::from_fn(|| parked.next_of(&mut round)).collect()
    }

    #[test]
    fn a_round_goes_on_where_it_was_without_those_that_came_or_left() {
        let session = SessionId::fresh();
        let id = |number| (session, Token(number));
        let mut parked = Parked::new();
        for (number, table) in [(0, 0), (1, 1), (2, 0), (3, 1)] {
            parked.insert(id(number), (), None, vec![TableId(table)]);
        }
        let mut round = parked.begin_round(vec![TableId(1), TableId(0), TableId(1)]);
        assert_eq!(parked.next_of(&mut round), Some(id(0)));
        parked.insert(id(4), (), None, vec![TableId(0)]);
        parked.remove(id(1));
        parked.update(id(2), None, vec![TableId(1)]);
        assert_eq!(parked.next_of(&mut round), Some(id(2)));
        parked.update(id(2), None, vec![TableId(0)]);
        assert_eq!(parked.next_of(&mut round), Some(id(3)));
        assert_eq!(parked.next_of(&mut round), None);
    }

    #[test]
    fn transactions_are_woken_by_their_tables_and_their_deadlines_in_order_of_arrival() {
        let now = Instant::now();
        let at = |ms| Some(now + Duration::from_millis(ms));
        let session = SessionId::fresh();
        let id = |number| (session, Token(number));
        let mut parked = Parked::new();
        parked.insert(id(7), "seven", at(20), vec![TableId(1), TableId(2)]);
        parked.insert(id(3), "three", at(10), vec![TableId(2)]);
        parked.insert(id(5), "five", None, vec![TableId(3)]);

        assert_eq!(touched(&parked, &[TableId(2), TableId(1)]), [id(7), id(3)]);
        assert_eq!(touched(&parked, &[TableId(0)]), []);
        assert_eq!(parked.next_deadline(), at(10));
        assert_eq!(
            parked.overdue(now + Duration::from_millis(20), 2),
            [id(3), id(7)]
        );
        assert_eq!(parked.overdue(now + Duration::from_millis(20), 1), [id(3)]);
        assert_eq!(parked.overdue(now, 2), []);

        parked.update(id(7), at(5), vec![TableId(2)]);
        assert_eq!(touched(&parked, &[TableId(1)]), []);
        assert_eq!(touched(&parked, &[TableId(2)]), [id(7), id(3)]);
        assert_eq!(parked.next_deadline(), at(5));
        parked.update(id(7), at(20), vec![TableId(2)]);

        assert_eq!(parked.remove(id(3)), Some("three"));
        assert_eq!(parked.remove(id(3)), None);
        assert_eq!(touched(&parked, &[TableId(2)]), [id(7)]);
        assert_eq!(parked.next_deadline(), at(20));
        assert_eq!(parked.all(), [id(7), id(5)]);
        assert_eq!(parked.of_session(session), [id(5), id(7)]);
        assert_eq!(parked.of_session(SessionId::fresh()), []);
    }
}
