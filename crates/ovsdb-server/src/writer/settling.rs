//! What becomes of transactions that have been executed: written, published and answered together, or taken back.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use ovsdb_engine::Results;
use tokio::time::Instant;

use super::ahead::{self, Executed, Segment};
use super::{Inline, Job, Writer};
use crate::journal::{Flushed, JournalError, Ticket};
use crate::mailbox::{Answer, Letter};
use crate::stopwatches;

impl Writer {
    /// Has a transaction that changes nothing answered after everything before it.
    pub(super) fn settle(&mut self, job: Box<Job>, results: Results) {
        self.record();
        self.executed += 1;
        let executed = Executed {
            job,
            results,
            commit: None,
        };
        ahead::add_unchanging(&mut self.staged, executed);
    }

    /// Has the journal write what is staged, and tells of what it accepts at once.
    pub(super) fn flush(&mut self, inline: Option<Inline<'_>>) {
        loop {
            self.record();
            if self.staged.is_empty() {
                return;
            }
            ahead::end(&mut self.staged, &self.head);
            let is_alone = self.is_alone();
            let mut may_wait = || is_alone && inline.is_some_and(Inline::may_wait);
            let flushed = self.journal.flush(&mut may_wait);
            if let Some(running) = &self.compaction {
                running.end.store(self.journal.end(), Ordering::Release);
            }
            match flushed {
                Ok(Flushed { ticket, sync }) => {
                    self.pass_on(ticket);
                    self.sync = sync.or(self.sync.take());
                }
                Err(error) => self.refuse(error),
            }
        }
    }

    /// Whether there is nothing to do but for one transaction that is staged and durable.
    pub(super) fn is_alone(&self) -> bool {
        self.executed == 1
            && self.staged.iter().any(|segment| segment.is_durable)
            && self.backlog.is_empty()
            && self.again.is_empty()
            && self.parked.is_empty()
            && self.queue.is_empty()
    }

    /// Passes on what has been written: `ticket` is what the durable part of it waits for.
    pub(super) fn pass_on(&mut self, ticket: Option<Ticket>) {
        let mut accepted = Vec::new();
        for mut segment in self.staged.drain(..) {
            if segment.is_durable {
                segment.ticket = ticket;
            }
            if segment.ticket.is_none() && self.ahead.is_empty() {
                accepted.push(segment);
            } else {
                self.ahead.push_back(segment);
            }
        }
        if self.journal.trouble().is_none() {
            self.status.trouble.lock().take();
        }
        self.complete(accepted);
    }

    /// Publishes and answers transactions, in this order: whoever has the reply finds the update waiting.
    pub(super) fn complete(&mut self, accepted: Vec<Segment>) {
        let (mut latest, mut commits) = (None, Vec::new());
        let (mut executed, mut forgotten) = (Vec::new(), None);
        for mut segment in accepted {
            latest = segment.next.or(latest);
            for executed in &mut segment.executed {
                commits.extend(executed.commit.take());
            }
            executed.append(&mut segment.executed);
        }
        if let Some(database) = latest {
            if !self.parked.is_empty() {
                let tables = commits.iter().flat_map(|(commit, _)| commit.tables());
                self.touched.extend(tables);
            }
            forgotten = Some(self.hub.publish_all(database, &commits));
            if self.status.transaction_log.is_any() {
                let version = self.hub.version();
                for (commit, _) in &commits {
                    let log = &self.status.transaction_log;
                    log.log(version.database.schema(), commit);
                }
            }
        }
        self.executed -= executed.len();
        self.count(&executed);
        // A large transaction is much to drop, and so is an old one. No answer has to wait for that.
        let mut done = Vec::with_capacity(executed.len());
        let mut executed = executed.into_iter().peekable();
        while let Some(first) = executed.next() {
            let mailbox = first.job.mailbox.clone();
            let mut letters = Vec::new();
            let mut add = |executed: Executed| {
                let (letter, job) = executed.into_letter();
                letters.push(letter);
                done.push(job);
            };
            add(first);
            while let Some(next) = executed.next_if(|next| Arc::ptr_eq(&next.job.mailbox, &mailbox))
            {
                add(next);
            }
            mailbox.deliver_all(letters);
        }
        drop((done, commits, forgotten));
    }

    /// Counts transactions that are about to be answered.
    fn count(&self, executed: &[Executed]) {
        let (now, meters) = (Instant::now(), &self.status.meters);
        let times = executed.iter().map(|Executed { job, results, .. }| {
            let took = now.saturating_duration_since(job.received);
            match results.error() {
                None => meters.succeeded.add_time(took),
                Some(_) => meters.failed.add_time(took),
            }
            took
        });
        stopwatches::TRANSACTION.add_all(times);
    }

    /// Takes back what could not be written. If it is one transaction, that fails, and what stood on it runs again; if there
    /// are more, each is tried alone.
    pub(super) fn refuse(&mut self, error: JournalError) {
        let staged = std::mem::take(&mut self.staged);
        let pending = self.ahead.iter().rev();
        self.head = match pending.filter_map(|segment| segment.next.as_ref()).next() {
            Some(pending) => pending.clone(),
            None => self.hub.version().database.clone(),
        };
        *self.status.trouble.lock() = Some(error.clone());
        let staged: Vec<Executed> = staged
            .into_iter()
            .flat_map(|segment| segment.executed)
            .collect();
        self.executed -= staged.len();
        let commits = staged.iter().filter(|executed| executed.commit.is_some());
        let mut is_alone = commits.count() == 1;
        let mut again = VecDeque::new();
        for Executed {
            job,
            results,
            commit,
        } in staged
        {
            match commit {
                Some(_) if is_alone => {
                    is_alone = false;
                    self.settle(job, results.with_commit_error(error.to_ovsdb_error()));
                }
                None if is_alone => self.settle(job, results),
                _ => again.push_back(job),
            }
        }
        self.one_by_one = self.one_by_one.max(again.len());
        again.append(&mut self.again);
        self.again = again;
        self.judge_parked_anew();
    }

    pub(super) fn fetch_answers(&mut self) {
        for (upto, result) in self.journal.answers() {
            match result {
                Ok(()) => {
                    self.status.trouble.lock().take();
                    let mut accepted = Vec::new();
                    while let Some(next) = self
                        .ahead
                        .pop_front_if(|next| next.ticket.is_none_or(|ticket| ticket <= upto))
                    {
                        accepted.push(next);
                    }
                    self.complete(accepted);
                }
                Err(error) => self.fall_back(error),
            }
        }
        if self.journal.needs_compaction() {
            self.heal_at.get_or_insert_with(Instant::now);
        }
        self.forget_canceled();
    }

    /// Goes back to the last accepted version. The transaction that was refused fails; what stood on it runs again.
    pub(super) fn fall_back(&mut self, error: JournalError) {
        self.head = self.hub.version().database.clone();
        *self.status.trouble.lock() = Some(error.clone());
        let ahead = std::mem::take(&mut self.ahead).into_iter();
        let mut ahead = ahead.flat_map(|segment| segment.executed);
        if let Some(Executed { job, results, .. }) = ahead.next() {
            self.status.meters.failed.add_time(job.received.elapsed());
            let results = results.with_commit_error(error.to_ovsdb_error());
            job.mailbox
                .deliver(Letter::Done(job.token, Answer::Results(results)));
        }
        // What is to run again already had come after these.
        let mut again: VecDeque<Box<Job>> = ahead.map(|executed| executed.job).collect();
        again.append(&mut self.again);
        self.again = again;
        self.executed = 0;
        self.judge_parked_anew();
        self.flush(None);
    }
}
