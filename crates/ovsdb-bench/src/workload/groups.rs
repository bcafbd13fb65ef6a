//! What workloads with big sets and references have in common: rows of the table Group and what they refer to.
//!
//! Rows have UUIDs of the client's choice, so that later requests can be made before anything is measured.

use super::{Bench, WorkloadError, pipeline};
use crate::client::Client;
use crate::probe::Probe;
use crate::replica::{Recorder, Replica};
use crate::rows::DATABASE;
use crate::section::Effort;

/// The tables that are watched.
const TABLES: [&str; 4] = ["Group", "Target", "Member", "Leaf"];

/// Their columns that hold sets.
const SETS: [&str; 4] = ["strings", "targets", "members", "leaves"];

/// Transactions in flight.
const IN_FLIGHT: usize = 16;

/// The tables whose rows are numbered.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    Group,
    Target,
    Member,
    Leaf,
}

impl Kind {
    fn table(self) -> &'static str {
        TABLES[self as usize]
    }

    /// The UUID of row number `number`. They are spread, as those that servers draw are.
    pub(super) fn uuid(self, number: usize) -> String {
        const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
        // Odd factors and shifts lose nothing: different numbers give different UUIDs.
        let mixed = (number as u64).wrapping_mul(SPREAD);
        let mixed = (mixed ^ mixed >> 32).wrapping_mul(SPREAD);
        format!(
            "{:08x}-{:04x}-4000-8000-{:012x}",
            mixed >> 32,
            mixed >> 16 & 0xffff,
            (mixed & 0xffff) << 32 | (self as u64) << 28 | number as u64
        )
    }

    /// A reference to row number `number`.
    pub(super) fn reference(self, number: usize) -> String {
        format!("[\"uuid\",\"{}\"]", self.uuid(number))
    }

    /// References to some rows, as a set.
    pub(super) fn references(self, numbers: impl IntoIterator<Item = usize>) -> String {
        let references: Vec<String> = numbers
            .into_iter()
            .map(|number| self.reference(number))
            .collect();
        format!("[\"set\",[{}]]", references.join(","))
    }

    /// The operation that inserts row number `number`, with these members of its row beside the number.
    pub(super) fn insert(self, number: usize, members: &str) -> String {
        let name = match self {
            Kind::Group => format!("\"name\":\"group-{number}\""),
            _ => format!("\"number\":{number}"),
        };
        let comma = if members.is_empty() { "" } else { "," };
        format!(
            "{{\"op\":\"insert\",\"table\":\"{}\",\"uuid\":\"{}\",\"row\":{{{name}{comma}{members}}}}}",
            self.table(),
            self.uuid(number)
        )
    }

    /// The operation that deletes row number `number`.
    pub(super) fn delete(self, number: usize) -> String {
        format!(
            "{{\"op\":\"delete\",\"table\":\"{}\",\"where\":[[\"_uuid\",\"==\",{}]]}}",
            self.table(),
            self.reference(number)
        )
    }

    /// The operation that inserts an element into a column of row number `number`, or deletes it.
    pub(super) fn mutate(
        self,
        number: usize,
        column: &str,
        mutator: &str,
        element: &str,
    ) -> String {
        format!(
            "{{\"op\":\"mutate\",\"table\":\"{}\",\"where\":[[\"_uuid\",\"==\",{}]],\
             \"mutations\":[[\"{column}\",\"{mutator}\",{element}]]}}",
            self.table(),
            self.reference(number)
        )
    }
}

/// The parameters of a request of these operations.
pub(super) fn transaction(operations: &[String]) -> String {
    format!("[\"{DATABASE}\",{}]", operations.join(","))
}

/// Numbers below `count` in an order that is not theirs.
pub(super) fn shuffled(count: usize) -> impl Iterator<Item = usize> + Clone {
    // A prime above every count: each step leads to another number.
    const STEP: usize = 999_983;
    (0..count).map(move |at| at * STEP % count)
}

/// What is to be there in the end: rows of tables, and elements of columns over all rows.
pub(super) struct Expected<'a> {
    pub(super) rows: &'a [(Kind, usize)],
    pub(super) elements: &'a [(&'static str, usize)],
}

/// The row that says that all has been told, and how often it has.
pub(super) struct Marker {
    steps: usize,
}

impl Marker {
    /// Its number among the groups.
    const NUMBER: usize = 1_000_000;

    pub(super) fn insert(client: &mut Client) -> Result<Marker, WorkloadError> {
        client.transact(&transaction(&[Kind::Group.insert(Marker::NUMBER, "")]))?;
        Ok(Marker { steps: 0 })
    }

    /// Sends `requests`, with some of them in flight at a time, until a client that watches has been told of all. That
    /// client must know what is there, and that must be what is expected, the marker aside.
    pub(super) fn measure(
        &mut self,
        bench: &Bench,
        requests: &[String],
        expected: &Expected<'_>,
    ) -> Result<Effort, WorkloadError> {
        self.steps += 1;
        let last = Kind::Group.mutate(Marker::NUMBER, "step", "+=", "1");
        let last = transaction(&[last]);
        let sign = format!("\"step\":{}", self.steps);
        let mut client = bench.client()?;
        let recorder = Recorder::start(bench.method(), &TABLES, sign)?;

        let section = bench.section(Probe::Write)?;
        pipeline(&mut client, requests, IN_FLIGHT)?;
        client.transact(&last)?;
        let (end, told) = recorder.end(&SETS)?;
        let effort = section.end_at(end)?;

        let there = Replica::fetch(bench.method(), &TABLES, &SETS)?;
        told.expect(&there)?;
        check(&there, expected)?;
        Ok(effort)
    }
}

fn check(replica: &Replica, expected: &Expected<'_>) -> Result<(), WorkloadError> {
    for (kind, rows) in expected.rows {
        let marker = usize::from(*kind == Kind::Group);
        super::expect_rows(rows + marker, replica.count(kind.table()))?;
    }
    for &(column, elements) in expected.elements {
        let found = replica.elements(column);
        if found != elements {
            return Err(WorkloadError::Elements {
                column,
                expected: elements,
                found,
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn rows_have_uuids_of_their_own() {
        let kinds = [Kind::Group, Kind::Target, Kind::Member, Kind::Leaf];
        let uuids = kinds
            .iter()
            .flat_map(|kind| (0..5_000).map(|number| kind.uuid(number)));
        let uuids: BTreeSet<String> = uuids.collect();
        assert_eq!(uuids.len(), 20_000);
        assert!(
            uuids
                .iter()
                .all(|uuid| ovsdb_proto::uuid::Uuid::parse(uuid).is_some())
        );
    }

    #[test]
    fn a_shuffled_row_of_numbers_has_each_once() {
        for count in [1, 7, 100, 10_000] {
            let numbers: BTreeSet<usize> = shuffled(count).collect();
            assert_eq!(numbers, (0..count).collect());
        }
    }
}
