//! Transactions that have been executed and wait for the journal, in their order.
//!
//! What the journal accepts together is together in a [`Segment`], which ends where a version of the database is needed:
//! that is what is published when the journal accepts it, and what the head falls back to if it refuses what comes after.

use std::sync::Arc;

use ovsdb_engine::{Commit, Database, Results};
use ovsdb_proto::uuid::Uuid;

use super::Job;
use crate::journal::Ticket;
use crate::mailbox::{Answer, Letter};

/// A transaction that has been executed.
pub(super) struct Executed {
    pub(super) job: Box<Job>,
    pub(super) results: Results,
    /// The commit, if it changes anything, and its transaction id.
    pub(super) commit: Option<(Arc<Commit>, Uuid)>,
}

impl Executed {
    /// What the session is told; and the transaction, which nobody needs any more.
    pub(super) fn into_letter(self) -> (Letter, Box<Job>) {
        let letter = Letter::Done(self.job.token, Answer::Results(self.results));
        (letter, self.job)
    }
}

/// What a commit waits for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Awaits {
    /// That its record is written; with `durable`, also that it is on the disk.
    Flush { durable: bool },
    /// An answer of its own.
    Answer(Ticket),
}

/// Transactions that the journal accepts together. See the module's documentation.
pub(super) struct Segment {
    pub(super) executed: Vec<Executed>,
    /// Whether some of them change anything.
    changes: bool,
    /// The version that they lead to, once it is known that nothing more will be added.
    pub(super) next: Option<Database>,
    /// Waits until its records are on the disk.
    pub(super) is_durable: bool,
    /// What the journal calls it. `None`: accepted as soon as it is written and everything before it is accepted.
    pub(super) ticket: Option<Ticket>,
}

impl Segment {
    fn new(awaits: Awaits) -> Segment {
        let (is_durable, ticket) = match awaits {
            Awaits::Flush { durable } => (durable, None),
            Awaits::Answer(ticket) => (false, Some(ticket)),
        };
        Segment {
            executed: Vec::new(),
            changes: false,
            next: None,
            is_durable,
            ticket,
        }
    }

    /// Whether a commit that waits for `awaits` is accepted when what is here is.
    fn takes(&self, awaits: Awaits) -> bool {
        let is_open = self.next.is_none() && self.ticket.is_none();
        match awaits {
            Awaits::Flush { durable } => is_open && (self.is_durable || !durable),
            Awaits::Answer(_) => false,
        }
    }
}

/// Ends what has been executed with the version `head`, to which it leads.
pub(super) fn end(segments: &mut [Segment], head: &Database) {
    if let Some(last) = segments.last_mut()
        && last.changes
        && last.next.is_none()
    {
        last.next = Some(head.clone());
    }
}

/// The same, if the commit of the transaction to be executed next may be accepted later than that. What is ended without
/// need costs a few copies more. `answers_each`: the journal answers for each record.
pub(super) fn end_before(
    segments: &mut [Segment],
    head: &Database,
    durable: bool,
    answers_each: bool,
) {
    let is_earlier = |last: &Segment| answers_each || durable && !last.is_durable;
    if segments.last().is_some_and(is_earlier) {
        end(segments, head);
    }
}

/// Adds a commit behind what has been executed before it.
pub(super) fn add_commit(segments: &mut Vec<Segment>, executed: Executed, awaits: Awaits) {
    if !segments.last().is_some_and(|last| last.takes(awaits)) {
        segments.push(Segment::new(awaits));
    }
    if let Some(last) = segments.last_mut() {
        last.executed.push(executed);
        last.changes = true;
    }
}

/// Adds a transaction that changes nothing behind what has been executed before it.
pub(super) fn add_unchanging(segments: &mut Vec<Segment>, executed: Executed) {
    if segments.is_empty() {
        segments.push(Segment::new(Awaits::Flush { durable: false }));
    }
    if let Some(last) = segments.last_mut() {
        last.executed.push(executed);
    }
}
