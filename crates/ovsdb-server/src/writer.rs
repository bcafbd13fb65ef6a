//! The writer of one database: the only place where new versions come from.
//!
//! A [`Writer`] is a state machine with a thread of its own. It takes [`Event`]s in order, runs transactions on the newest
//! version, which may be ahead of what the journal has accepted, proposes their records, and publishes and answers each
//! when it is accepted and everything before it is. It knows no sockets and no requests.
//!
//! A small transaction that finds the writer idle is run by the thread that brings it ([`Writer::try_transact`]): on a
//! busy machine the way to another thread and back costs more than the transaction.

mod convert;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use ovsdb_engine::record::{self, RecordOptions};
use ovsdb_engine::{Commit, Context, Database, Outcome, Prepared, Results, effort, execute};
use ovsdb_log::Replacement;
use ovsdb_proto::operation::Transact;
use ovsdb_proto::schema::{Schema, TableId};
use ovsdb_proto::uuid::Uuid;
use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::access::Access;
use crate::compaction::{self, Compacted};
use crate::hub::Hub;
use crate::journal::{CompactionClock, Journal, JournalError, MemoryJournal, Proposal, Ticket};
use crate::limits;
use crate::locks::Locks;
use crate::mailbox::{Answer, Letter, Mailbox, SessionId, Token};
use crate::parked::{Parked, ParkedId};
use crate::queue::Queue;
use crate::runtime::{self, Started, Turn, Who, Worker, date_ms, fresh_uuid};
use crate::transaction_id;

/// A transaction on its way through the writer.
#[derive(Debug)]
pub struct Job {
    /// Where the answer goes.
    pub mailbox: Arc<Mailbox>,
    /// What the session calls it.
    pub token: Token,
    /// The schema that the operations are about.
    pub schema: Arc<Schema>,
    /// The operations. If the database has another schema when their turn comes, they are canceled.
    pub transact: Transact,
    /// When the request arrived; `wait` counts from here.
    pub received: Instant,
    /// What the client may do.
    pub access: Access,
}

pub use self::convert::{Conversion, Converted};

/// Everything that can happen to a writer.
#[derive(Debug)]
pub enum Event {
    /// A session wants a transaction executed. Takes room in the queue.
    Transact(Box<Job>),
    /// A session takes back a transaction of its own. If it is parked, it gets this answer; else nothing happens.
    Cancel(SessionId, Token, Answer),
    /// A session has gone; nobody waits for its parked transactions.
    Disconnected(SessionId),
    /// The journal has answers.
    JournalReady,
    /// The database is to have another schema.
    Convert(Box<Conversion>),
    /// The file is to be compacted. The outcome goes to the sender.
    Compact(oneshot::Sender<Result<(), JournalError>>),
    /// The contents of a compacted file are written.
    Compacted(Box<Compacted>),
    /// The database is to be closed. Dropped when that is done.
    Stop(oneshot::Sender<()>),
}

/// What others may know of a writer at any moment.
#[derive(Debug, Default)]
pub struct Status {
    /// Transactions held back by a `wait`.
    pub parked: AtomicUsize,
    /// Why the journal accepts nothing at the moment.
    pub trouble: Mutex<Option<JournalError>>,
}

/// Settings of a writer.
#[derive(Clone, Copy, Debug)]
pub struct WriterOptions {
    /// Write differences of columns instead of their values (`_is_diff` records).
    pub column_diff: bool,
}

/// A transaction that has been executed and waits for the journal.
struct Ahead {
    job: Box<Job>,
    results: Results,
    /// The version that it makes, the commit that leads there, and the transaction id.
    commit: Option<(Database, Arc<Commit>, Uuid)>,
    /// `None`: accepted as soon as everything before it is.
    ticket: Option<Ticket>,
}

struct Running {
    replies: Vec<oneshot::Sender<Result<(), JournalError>>>,
    /// Where the journal's records end, for the compacting thread.
    end: Arc<AtomicU64>,
    attempts: u32,
    thread: Started,
}

/// See the module's documentation.
pub struct Writer {
    queue: Arc<Queue<Event>>,
    hub: Arc<Hub>,
    locks: Arc<Locks>,
    status: Arc<Status>,
    journal: Box<dyn Journal>,
    options: WriterOptions,
    /// The newest version, `ahead` included.
    head: Database,
    ahead: VecDeque<Ahead>,
    parked: Parked<Box<Job>>,
    /// Tables changed by published commits for which parked transactions have not been tried again.
    touched: Vec<TableId>,
    backlog: VecDeque<Event>,
    /// Transactions to run once more, before the backlog.
    again: VecDeque<Box<Job>>,
    clock: CompactionClock,
    compaction: Option<Running>,
    /// When to write the file anew because nothing else makes it accept records again.
    heal_at: Option<Instant>,
    stop: Option<oneshot::Sender<()>>,
    closed: bool,
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer")
            .field("ahead", &self.ahead.len())
            .field("backlog", &self.backlog.len())
            .finish_non_exhaustive()
    }
}

impl Writer {
    /// A writer for the database of `hub`.
    pub fn new(
        queue: Arc<Queue<Event>>,
        hub: Arc<Hub>,
        locks: Arc<Locks>,
        status: Arc<Status>,
        journal: Box<dyn Journal>,
        options: WriterOptions,
    ) -> Writer {
        let head = hub.version().database.clone();
        Writer {
            queue,
            hub,
            locks,
            status,
            journal,
            options,
            head,
            ahead: VecDeque::new(),
            parked: Parked::new(),
            touched: Vec::new(),
            backlog: VecDeque::new(),
            again: VecDeque::new(),
            clock: CompactionClock::new(),
            compaction: None,
            heal_at: None,
            stop: None,
            closed: false,
        }
    }

    /// Starts the writer's thread. The writer may be told to stop by [`Event::Stop`].
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn start(self) -> std::io::Result<Arc<Mutex<Writer>>> {
        let queue = self.queue.clone();
        let writer = Arc::new(Mutex::new(self));
        runtime::start(Who::Writer, writer.clone(), queue)?;
        Ok(writer)
    }

    /// Runs a transaction at once, if nothing is before it and nothing would be held up by it. Otherwise it comes back
    /// and must go through the queue.
    ///
    /// # Errors
    /// See above.
    pub fn try_transact(&mut self, job: Box<Job>) -> Result<(), Box<Job>> {
        let is_idle = self.parked.is_empty()
            && self.backlog.is_empty()
            && self.again.is_empty()
            && !self.is_far_ahead()
            && self.stop.is_none()
            && !self.closed
            && self.queue.is_empty();
        let is_small = |writer: &Writer| {
            let is_current = Arc::ptr_eq(&job.schema, writer.head.schema());
            !is_current || effort(&writer.head, &job.transact) <= limits::TRANSACT_ROWS_INLINE
        };
        if !is_idle || !is_small(self) {
            return Err(job);
        }
        let _guard = AbortOnPanic;
        self.transact(job);
        self.compact_if_due();
        if !self.parked.is_empty() {
            // The thread does not know of the new deadline.
            self.queue.nudge();
        }
        Ok(())
    }

    /// Whether there is anything to do without waiting for an event.
    fn can_work(&self) -> bool {
        let next_is_blocked =
            self.is_far_ahead() && matches!(self.backlog.front(), Some(Event::Transact(_)));
        !(self.again.is_empty() || self.is_far_ahead())
            || !(self.backlog.is_empty() || next_is_blocked)
    }

    fn is_far_ahead(&self) -> bool {
        self.ahead.len() >= limits::WRITER_AHEAD_MAX
    }

    fn next_deadline(&self) -> Option<Instant> {
        let (compaction, heal) = match (&self.compaction, self.journal.growth()) {
            (None, Some(_)) => (self.clock.next(), self.heal_at),
            _ => (None, None),
        };
        [self.parked.next_deadline(), compaction, heal]
            .into_iter()
            .flatten()
            .min()
    }

    fn work(&mut self) {
        self.wake_touched();
        while self.can_work() {
            if let Some(job) = self.again.pop_front() {
                self.transact(job);
            } else if let Some(event) = self.backlog.pop_front() {
                self.handle(event);
            }
            self.wake_touched();
        }
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Transact(job) => {
                self.queue.release(1);
                self.transact(job);
            }
            Event::Cancel(session, token, answer) => {
                if let Some(job) = self.unpark((session, token)) {
                    job.mailbox.deliver(Letter::Done(token, answer));
                }
            }
            Event::Disconnected(session) => {
                for id in self.parked.of_session(session) {
                    self.unpark(id);
                }
            }
            Event::JournalReady => self.fetch_answers(),
            Event::Convert(conversion) => self.convert(*conversion),
            Event::Compact(reply) => match &mut self.compaction {
                Some(running) => running.replies.push(reply),
                None => self.start_compaction(vec![reply], 1),
            },
            Event::Compacted(compacted) => self.finish_compaction(*compacted),
            Event::Stop(done) => self.stop = Some(done),
        }
    }

    /// Runs a transaction that is not parked.
    fn transact(&mut self, job: Box<Job>) {
        if self.stop.is_some() || !Arc::ptr_eq(&job.schema, self.head.schema()) {
            job.mailbox
                .deliver(Letter::Done(job.token, Answer::Canceled));
            return;
        }
        // Time spent in queues is not time spent waiting.
        match self.execute(&job, 0) {
            Outcome::Failed(results) => self.settle(Ahead {
                job,
                results,
                commit: None,
                ticket: None,
            }),
            Outcome::Prepared(prepared) => self.propose(job, prepared),
            // Its session's end was noticed before it came to this; nobody would ever take it out.
            Outcome::Blocked { .. } if job.mailbox.is_abandoned() => {}
            Outcome::Blocked { timeout_ms, tables } => {
                let deadline = deadline_of(&job, timeout_ms);
                let (mailbox, token) = (job.mailbox.clone(), job.token);
                self.parked
                    .insert((mailbox.id(), token), job, deadline, tables);
                self.status.parked.fetch_add(1, Ordering::Relaxed);
                // Last: a session that has heard of it finds it counted.
                mailbox.deliver(Letter::Parked(token));
            }
        }
    }

    fn execute(&self, job: &Job, elapsed_ms: u64) -> Outcome {
        let session = job.mailbox.id();
        let mut context = Context {
            elapsed_ms,
            holds_lock: &|name| self.locks.is_owner(session, name),
            read_only: job.access.read_only,
            access: job.access.of_role(),
            // What clients ask of such a database is read-only; the rest is the server's own.
            may_change_reserved: true,
            may_block: true,
            fresh: &mut fresh_uuid,
        };
        execute(&self.head, &job.transact, &mut context)
    }

    fn unpark(&mut self, id: ParkedId) -> Option<Box<Job>> {
        let job = self.parked.remove(id)?;
        self.status.parked.fetch_sub(1, Ordering::Relaxed);
        Some(job)
    }

    fn propose(&mut self, job: Box<Job>, prepared: Prepared) {
        let Prepared {
            results,
            durable,
            comment,
            commit,
            next,
        } = prepared;
        let Some(commit) = commit else {
            return self.settle(Ahead {
                job,
                results,
                commit: None,
                ticket: None,
            });
        };
        let options = RecordOptions {
            date_ms: date_ms(),
            comment: comment.as_deref(),
            column_diff: self.options.column_diff,
        };
        let (proposal, id) = match record::commit_record(next.schema(), &commit, options) {
            Some(record) => {
                let proposal = self.journal.propose(record, durable);
                if let Proposal::Accepted = proposal {
                    self.status.trouble.lock().take();
                }
                (proposal, self.journal.id())
            }
            // Only columns that are not kept have changed.
            None => {
                let id = transaction_id::without_record(self.journal.id());
                (Proposal::Accepted, id)
            }
        };
        if let Some(running) = &self.compaction {
            running.end.store(self.journal.end(), Ordering::Release);
        }
        let ticket = match proposal {
            Proposal::Accepted => None,
            Proposal::Pending(ticket) => Some(ticket),
            Proposal::Refused(error) => {
                let results = results.with_commit_error(error.to_ovsdb_error());
                *self.status.trouble.lock() = Some(error);
                return self.settle(Ahead {
                    job,
                    results,
                    commit: None,
                    ticket: None,
                });
            }
        };
        self.head = next.clone();
        self.settle(Ahead {
            job,
            results,
            commit: Some((next, Arc::new(commit), id)),
            ticket,
        });
    }

    /// Completes a transaction, now or when everything before it is accepted.
    fn settle(&mut self, ahead: Ahead) {
        if ahead.ticket.is_none() && self.ahead.is_empty() {
            self.complete(ahead);
        } else {
            self.ahead.push_back(ahead);
        }
    }

    /// Publishes and answers a transaction, in this order: whoever has the reply finds the update waiting.
    fn complete(&mut self, ahead: Ahead) {
        let Ahead {
            job,
            results,
            commit,
            ..
        } = ahead;
        if let Some((database, commit, id)) = commit {
            if !self.parked.is_empty() {
                self.touched.extend(commit.tables());
            }
            self.hub.publish(database, &commit, id);
        }
        job.mailbox
            .deliver(Letter::Done(job.token, Answer::Results(results)));
    }

    fn fetch_answers(&mut self) {
        for (upto, result) in self.journal.answers() {
            match result {
                Ok(()) => {
                    self.status.trouble.lock().take();
                    while let Some(next) = self.ahead.front() {
                        if next.ticket.is_some_and(|ticket| ticket > upto) {
                            break;
                        }
                        let next = self.ahead.pop_front().expect("it was looked at above");
                        self.complete(next);
                    }
                }
                Err(error) => self.fall_back(error),
            }
        }
    }

    /// Goes back to the last accepted version. The transaction that was refused fails; what stood on it runs again.
    fn fall_back(&mut self, error: JournalError) {
        self.head = self.hub.version().database.clone();
        *self.status.trouble.lock() = Some(error.clone());
        let mut ahead = std::mem::take(&mut self.ahead).into_iter();
        if let Some(Ahead { job, results, .. }) = ahead.next() {
            let results = results.with_commit_error(error.to_ovsdb_error());
            job.mailbox
                .deliver(Letter::Done(job.token, Answer::Results(results)));
        }
        self.again.extend(ahead.map(|ahead| ahead.job));
        // They may be parked because of what was never to be.
        for id in self.parked.all() {
            self.try_parked(id);
        }
        if self.journal.needs_compaction() {
            self.heal_at = Some(Instant::now());
        }
    }

    fn wake_touched(&mut self) {
        while !self.touched.is_empty() {
            let mut tables = std::mem::take(&mut self.touched);
            tables.sort_unstable();
            tables.dedup();
            for id in self.parked.touched_by(&tables) {
                self.try_parked(id);
            }
        }
    }

    fn wake_overdue(&mut self) {
        if self
            .parked
            .next_deadline()
            .is_some_and(|deadline| deadline <= Instant::now())
        {
            for id in self.parked.overdue(Instant::now()) {
                self.try_parked(id);
            }
            self.wake_touched();
        }
    }

    fn try_parked(&mut self, id: ParkedId) {
        let Some(job) = self.parked.get(id) else {
            return;
        };
        match self.execute(job, job.received.elapsed().as_millis() as u64) {
            Outcome::Blocked { timeout_ms, tables } => {
                let deadline = deadline_of(job, timeout_ms);
                self.parked.update(id, deadline, tables);
            }
            Outcome::Failed(results) => {
                if let Some(job) = self.unpark(id) {
                    self.settle(Ahead {
                        job,
                        results,
                        commit: None,
                        ticket: None,
                    });
                }
            }
            Outcome::Prepared(prepared) => {
                if let Some(job) = self.unpark(id) {
                    self.propose(job, prepared);
                }
            }
        }
    }

    fn compact_if_due(&mut self) {
        if self.compaction.is_some() || self.stop.is_some() {
            return;
        }
        let heals = self.heal_at.is_some_and(|at| at <= Instant::now());
        let is_due = |growth| self.clock.is_due(&growth);
        if heals || self.journal.growth().is_some_and(is_due) {
            self.start_compaction(Vec::new(), 1);
        }
    }

    fn start_compaction(
        &mut self,
        replies: Vec<oneshot::Sender<Result<(), JournalError>>>,
        attempts: u32,
    ) {
        let replacement = match self.journal.begin_compaction() {
            Ok(Some(replacement)) => replacement,
            Ok(None) => return answer_all(replies, &Ok(())),
            Err(error) => return self.end_compaction(replies, &Err(error)),
        };
        // The head, not the last accepted version: the records of what is ahead are in the file already. Should one of
        // them be taken back, the journal refuses the replacement.
        let end = Arc::new(AtomicU64::new(self.journal.end()));
        match compaction::start(
            replacement,
            self.head.clone(),
            self.journal.id(),
            end.clone(),
            self.queue.clone(),
        ) {
            Ok(thread) => {
                self.compaction = Some(Running {
                    replies,
                    end,
                    attempts,
                    thread,
                });
            }
            Err(error) => self.end_compaction(replies, &Err(error)),
        }
    }

    fn finish_compaction(&mut self, compacted: Compacted) {
        let Some(Running {
            replies, attempts, ..
        }) = self.compaction.take()
        else {
            return;
        };
        let before = Instant::now();
        let retracted = |error: &JournalError| {
            matches!(
                error,
                JournalError::Log(ovsdb_log::LogError::StaleReplacement { .. })
            )
        };
        let result = compacted
            .result
            .and_then(|new: Replacement| self.journal.finish_compaction(new));
        match &result {
            Ok(()) => {
                self.status.trouble.lock().take();
                compaction::log_duration(
                    &self.head.schema().name,
                    compacted.thread,
                    before.elapsed(),
                );
            }
            // Records were taken back meanwhile: what was written holds too much.
            Err(error) if retracted(error) && attempts < limits::COMPACTION_ATTEMPTS_MAX => {
                return self.start_compaction(replies, attempts + 1);
            }
            Err(_) => {}
        }
        self.end_compaction(replies, &result);
    }

    fn end_compaction(
        &mut self,
        replies: Vec<oneshot::Sender<Result<(), JournalError>>>,
        result: &Result<(), JournalError>,
    ) {
        match result {
            Ok(()) => {
                self.clock.restart();
                self.heal_at = None;
            }
            Err(error) => {
                if self.heal_at.is_some() {
                    self.heal_at = Some(Instant::now() + limits::HEAL_INTERVAL);
                }
                if replies.is_empty() {
                    tracing::info!(target: "ovsdb_server", "{error}");
                }
                self.clock.retry();
            }
        }
        answer_all(replies, result);
    }

    fn close(&mut self) {
        self.closed = true;
        for id in self.parked.all() {
            if let Some(job) = self.unpark(id) {
                job.mailbox
                    .deliver(Letter::Done(job.token, Answer::Canceled));
            }
        }
        let waiting = std::mem::take(&mut self.backlog);
        for event in waiting.into_iter().chain(self.queue.close()) {
            match event {
                Event::Transact(job) => job
                    .mailbox
                    .deliver(Letter::Done(job.token, Answer::Canceled)),
                Event::Convert(conversion) => conversion.cancel(),
                _ => {}
            }
        }
        // The file is closed and unlocked, and nobody works beside it any more, before anybody is told.
        if let Some(mut running) = self.compaction.take() {
            running.thread.join();
        }
        self.journal = Box::new(MemoryJournal::new());
        self.stop = None;
    }
}

impl Worker for Writer {
    /// Takes what has arrived and works on it. The queue is emptied by whoever holds the writer, so that what is in
    /// neither has been done.
    fn turn(&mut self) -> Turn {
        let _guard = AbortOnPanic;
        if self.closed {
            return Turn::Closed;
        }
        for event in self.queue.take() {
            match event {
                Event::JournalReady => self.fetch_answers(),
                event => self.backlog.push_back(event),
            }
        }
        self.work();
        self.wake_overdue();
        self.compact_if_due();
        if self.stop.is_some() && self.ahead.is_empty() {
            self.close();
            Turn::Closed
        } else if self.can_work() {
            Turn::Again
        } else {
            Turn::Wait(self.next_deadline())
        }
    }
}

fn answer_all(
    replies: Vec<oneshot::Sender<Result<(), JournalError>>>,
    result: &Result<(), JournalError>,
) {
    for reply in replies {
        // Who asked may have gone.
        let _ = reply.send(result.clone());
    }
}

fn deadline_of(job: &Job, timeout_ms: Option<u64>) -> Option<Instant> {
    job.received.checked_add(Duration::from_millis(timeout_ms?))
}

/// A writer that panicked leaves its database's clients waiting for ever. Better to end the process: its monitor, or
/// whoever started it, starts it again from the file.
struct AbortOnPanic;

impl Drop for AbortOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            std::process::abort();
        }
    }
}
