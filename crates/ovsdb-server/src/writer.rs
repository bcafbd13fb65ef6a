//! The writer of one database: the only place where new versions come from.
//!
//! A [`Writer`] is a state machine with a thread of its own. It takes [`Event`]s in an order that is fair to the sessions
//! from which they come (`backlog.rs`), runs transactions on the newest version, which may be ahead of what the journal has
//! accepted, proposes their records, and publishes and answers each when it is accepted and everything before it is. It knows no
//! sockets and no requests.
//!
//! Transactions that are waiting at the same time are run as a batch: their records are written together, then they are
//! published together, then they are answered.
//!
//! Small transactions are run by the thread that brings them (`Writer::combine`), with those that others have brought
//! meanwhile: on a busy machine the way to another thread and back costs more than the transaction.

mod ahead;
mod backlog;
mod compacting;
mod convert;
mod recording;
mod settling;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use ovsdb_engine::record::RecordOptions;
use ovsdb_engine::{Commit, Context, Database, Done, OutcomeOn, Results, effort, execute_on};
use ovsdb_proto::operation::{Operation, Transact};
use ovsdb_proto::schema::{Schema, TableId};
use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::access::Access;
use crate::compaction::Compacted;
use crate::hub::Hub;
use crate::journal::{CompactionClock, Journal, JournalError, MemoryJournal, Proposal, SyncHere};
use crate::limits;
use crate::locks::Locks;
use crate::lookout::Lookout;
use crate::mailbox::{Answer, Letter, Mailbox, SessionId, Token};
use crate::meters::{Counter, JournalMeters, WriterMeters};
use crate::parked::{Parked, ParkedId, Round};
use crate::queue::Queue;
use crate::runtime::{self, Turn, Who, Worker, date_ms, fresh_uuid};
use crate::transaction_id;
use crate::transaction_log::TransactionLog;

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
    /// The size of the request.
    pub bytes: usize,
}

impl Job {
    /// Whether the commit is to survive a crash of the machine, if there is one.
    fn is_durable(&self) -> bool {
        let mut operations = self.transact.operations.iter();
        operations.any(|operation| matches!(operation, Operation::Commit { durable: true }))
    }
}

pub use self::convert::{Conversion, Converted};

use self::ahead::{Awaits, Executed, Segment};
use self::backlog::Backlog;
use self::compacting::Running;

/// What a transaction costs beside the rows that it looks at, in such rows.
const TRANSACTION_COST: u64 = 64;

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
    /// Differences of columns are to be written, although [`WriterOptions::column_diff`] says no.
    pub column_diff: AtomicBool,
    /// Tables whose changes are logged.
    pub transaction_log: TransactionLog,
    /// What the writer counts.
    pub meters: WriterMeters,
    /// Transactions that were executed beside the writer, because they only read.
    pub reads: Counter,
    /// What the journal counts, if it is that of a file.
    pub journal: Option<Arc<JournalMeters>>,
}

/// A transaction that has changed something of which there is no record yet.
struct Unrecorded {
    job: Box<Job>,
    results: Results,
    durable: bool,
    comment: Option<String>,
    commit: Commit,
}

/// Settings of a writer.
#[derive(Clone, Copy, Debug)]
pub struct WriterOptions {
    /// Write differences of columns instead of their values (`_is_diff` records).
    pub column_diff: bool,
}

impl Default for WriterOptions {
    fn default() -> WriterOptions {
        WriterOptions { column_diff: true }
    }
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
    /// Stands in for it while a transaction works on it.
    nothing: Database,
    ahead: VecDeque<Segment>,
    /// Transactions that have been executed and come after what is staged, and of which no record has been made: that is
    /// done for many one after the other, by code that stays in the processor's cache meanwhile. None of them is durable.
    unrecorded: Vec<Unrecorded>,
    /// What has been executed and is not written yet. Empty between the pieces of the writer's work, as is `unrecorded`.
    staged: Vec<Segment>,
    /// How many transactions the three hold.
    executed: usize,
    /// A sync that is left to the session's thread that is at work here.
    sync: Option<SyncHere>,
    parked: Parked<Box<Job>>,
    /// Tables changed by published commits for which parked transactions have not been tried again.
    touched: Vec<TableId>,
    /// Parked transactions that are being tried again because of earlier commits, some between any two batches.
    round: Option<Round>,
    backlog: Backlog<Event>,
    /// Transactions to run once more, before the backlog.
    again: VecDeque<Box<Job>>,
    /// How many of those are to be written one by one, because together they could not be.
    one_by_one: usize,
    /// Taken back by their sessions while they were ahead of the journal. They get these answers should they have to wait.
    canceled: BTreeMap<ParkedId, Answer>,
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
            .field("executed", &self.executed)
            .field("backlog", &self.backlog.len())
            .field("canceled", &self.canceled.len())
            .finish_non_exhaustive()
    }
}

/// What is left to do when a session's thread has worked on what there was.
#[derive(Debug)]
pub(crate) enum Rest {
    /// Nothing.
    Nothing,
    /// Something that is for the writer's thread.
    Thread,
    /// A sync, which needs nobody else. Then the journal has an answer.
    Sync(SyncHere),
}

/// Work on a thread that others wait for.
#[derive(Clone, Copy)]
struct Inline<'a> {
    lookout: Option<&'a Lookout>,
}

impl Inline<'_> {
    /// Whether the thread may wait for a disk that was quick so far, because another one is woken should it not be quick
    /// this time. To wake one each time would cost more than it is worth.
    fn may_wait(self) -> bool {
        self.lookout.is_some_and(Lookout::has_others)
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
        let nothing = Database::new(head.schema().clone());
        Writer {
            queue,
            hub,
            locks,
            status,
            journal,
            options,
            head,
            nothing,
            ahead: VecDeque::new(),
            unrecorded: Vec::new(),
            staged: Vec::new(),
            executed: 0,
            sync: None,
            parked: Parked::new(),
            touched: Vec::new(),
            round: None,
            backlog: Backlog::default(),
            again: VecDeque::new(),
            one_by_one: 0,
            canceled: BTreeMap::new(),
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

    /// Takes what has arrived and works on it, as long as it is small and nothing is held back. `lookout` has others look
    /// after the caller's duties when the disk is waited for.
    pub(crate) fn combine(&mut self, lookout: Option<&Lookout>) -> Rest {
        let _guard = AbortOnPanic;
        self.take_in();
        for _ in 0..limits::BATCHES_INLINE_MAX {
            let is_small = self.parked.is_empty() && self.stop.is_none() && self.is_next_small();
            if !is_small || !self.can_work() {
                break;
            }
            self.run_batch(Some(Inline { lookout }));
            self.wake_touched();
            if let Some(sync) = self.sync.take() {
                return Rest::Sync(sync);
            }
        }
        self.compact_if_due();
        // The thread does not know of new deadlines, nor that what it waits for has come about.
        let is_done = !self.can_work()
            && self.parked.is_empty()
            && self.stop.is_none()
            && self.heal_at.is_none();
        match is_done {
            true => Rest::Nothing,
            false => Rest::Thread,
        }
    }

    /// Whether the next transaction may run on a thread that others wait for.
    fn is_next_small(&self) -> bool {
        let job = match (self.again.front(), self.backlog.front()) {
            (Some(job), _) | (None, Some(Event::Transact(job))) => job,
            (None, None) => return true,
            (None, Some(event)) => {
                return matches!(event, Event::Cancel(..) | Event::Disconnected(_));
            }
        };
        self.is_small(job)
    }

    fn is_small(&self, job: &Job) -> bool {
        job.bytes <= limits::TRANSACT_BYTES_INLINE
            && self.effort(job) <= limits::TRANSACT_ROWS_INLINE
    }

    /// About how many rows a transaction looks at.
    fn effort(&self, job: &Job) -> usize {
        let is_current = Arc::ptr_eq(&job.schema, self.head.schema());
        if is_current {
            effort(&self.head, &job.transact)
        } else {
            0
        }
    }

    /// From which session an event is, and what it costs, in rows to look at. `None`: it concerns all.
    fn session_and_cost(&self, event: &Event) -> Option<(SessionId, u64)> {
        match event {
            Event::Transact(job) => {
                let rows = self.effort(job) as u64;
                Some((job.mailbox.id(), TRANSACTION_COST + rows))
            }
            Event::Cancel(session, ..) | Event::Disconnected(session) => Some((*session, 0)),
            Event::JournalReady
            | Event::Convert(_)
            | Event::Compact(_)
            | Event::Compacted(_)
            | Event::Stop(_) => None,
        }
    }

    /// Takes what has arrived, and sees to the journal's answers.
    fn take_in(&mut self) {
        self.forget_canceled();
        for event in self.queue.take() {
            match event {
                Event::JournalReady => self.fetch_answers(),
                event => {
                    let of = self.session_and_cost(&event);
                    self.backlog.push(event, of);
                }
            }
        }
    }

    /// Forgets who took back what, when everything that could be meant has been answered.
    pub(super) fn forget_canceled(&mut self) {
        if self.ahead.is_empty() && self.again.is_empty() {
            self.canceled.clear();
        }
    }

    /// Whether there is anything to do without waiting for an event.
    fn can_work(&self) -> bool {
        let next_is_blocked = self.is_far_ahead() && self.is_transaction_next();
        !(self.again.is_empty() || self.is_far_ahead())
            || !(self.backlog.is_empty() || next_is_blocked)
    }

    /// Whether what has its turn in the backlog is a transaction.
    fn is_transaction_next(&self) -> bool {
        matches!(self.backlog.front(), Some(Event::Transact(_)))
    }

    fn is_far_ahead(&self) -> bool {
        self.executed >= limits::WRITER_AHEAD_MAX
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
        for _ in 0..limits::BATCHES_MAX {
            if !self.can_work() {
                break;
            }
            self.run_batch(None);
            self.wake_touched();
            // Who has come meanwhile need not wait for all of those who were here.
            self.take_in();
        }
    }

    /// Runs transactions that are waiting, up to the limits of a batch, and has them written together; or handles one
    /// other event.
    fn run_batch(&mut self, inline: Option<Inline<'_>>) {
        if self.is_far_ahead() {
            // Then what there is to do is no transaction.
            return self.handle_next(inline);
        }
        let (mut count, mut bytes, mut rows) = (0, 0, 0);
        let mut from_queue = 0;
        while count < limits::BATCH_TRANSACTIONS_MAX
            && bytes < limits::BATCH_BYTES_MAX
            && rows < limits::BATCH_ROWS_MAX
            && !self.is_far_ahead()
        {
            // The first has been looked at.
            if count > 0 && inline.is_some() && !self.is_next_small() {
                break;
            }
            let job = match self.again.pop_front() {
                Some(job) => job,
                None if count > 0 && !self.is_transaction_next() => break,
                None => match self.backlog.pop() {
                    Some(Event::Transact(job)) => {
                        from_queue += 1;
                        job
                    }
                    Some(event) => return self.handle(event),
                    None => break,
                },
            };
            count += 1;
            bytes += job.bytes;
            rows += self.effort(&job);
            self.transact(job);
            if self.one_by_one > 0 {
                self.one_by_one -= 1;
                break;
            }
            // Whoever waits for such a change is to see it, and not only what comes of it, unless there are too many.
            if !self.parked.is_empty() && self.round.is_none() {
                break;
            }
        }
        if from_queue > 0 {
            self.queue.release(from_queue);
        }
        if count > 0 {
            self.status.meters.batches.add(count as u64);
        }
        self.flush(inline);
    }

    /// Handles the next event, if it is no transaction and may be handled here.
    fn handle_next(&mut self, inline: Option<Inline<'_>>) {
        let may_handle = match self.backlog.front() {
            None | Some(Event::Transact(_)) => false,
            Some(Event::Cancel(..) | Event::Disconnected(_)) => true,
            Some(_) => inline.is_none(),
        };
        if may_handle && let Some(event) = self.backlog.pop() {
            self.handle(event);
        }
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Transact(job) => {
                self.queue.release(1);
                self.transact(job);
                self.flush(None);
            }
            Event::Cancel(session, token, answer) => {
                let id = (session, token);
                let is = |job: &Job| (job.mailbox.id(), job.token) == id;
                if let Some(job) = self.unpark(id) {
                    job.mailbox.deliver(Letter::Done(job.token, answer));
                } else if self.unsettled().any(is) {
                    self.canceled.insert(id, answer);
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

    /// The transactions that have been executed, or will be again, and have no answer yet.
    fn unsettled(&self) -> impl Iterator<Item = &Job> {
        let ahead = self.ahead.iter().flat_map(|segment| &segment.executed);
        let again = self.again.iter().map(|job| &**job);
        ahead.map(|executed| &*executed.job).chain(again)
    }

    /// Runs a transaction that is not parked. What comes of it is told after the next flush.
    fn transact(&mut self, job: Box<Job>) {
        if self.stop.is_some() || !Arc::ptr_eq(&job.schema, self.head.schema()) {
            self.flush(None);
            job.mailbox
                .deliver(Letter::Done(job.token, Answer::Canceled));
            return;
        }
        // Time spent in queues is not time spent waiting.
        self.prepare_for(job.is_durable());
        match execute_on_head(&mut self.head, &self.nothing, &self.locks, &job, 0) {
            OutcomeOn::Failed(results) => self.settle(job, results),
            OutcomeOn::Done(done) => self.propose(job, done),
            // Its session's end was noticed before it came to this; nobody would ever take it out.
            OutcomeOn::Blocked { .. } if !job.mailbox.note_parked() => {}
            OutcomeOn::Blocked { timeout_ms, tables } => {
                let deadline = deadline_of(&job, timeout_ms);
                let (mailbox, token) = (job.mailbox.clone(), job.token);
                if let Some(answer) = self.canceled.remove(&(mailbox.id(), token)) {
                    return mailbox.deliver(Letter::Done(token, answer));
                }
                self.parked
                    .insert((mailbox.id(), token), job, deadline, tables);
                self.status.parked.fetch_add(1, Ordering::Relaxed);
                // Last: a session that has heard of it finds it counted.
                mailbox.deliver(Letter::Parked(token));
            }
        }
    }

    fn unpark(&mut self, id: ParkedId) -> Option<Box<Job>> {
        let job = self.parked.remove(id)?;
        self.status.parked.fetch_sub(1, Ordering::Relaxed);
        Some(job)
    }

    /// Keeps the newest version, if what has led to it may be accepted and the next transaction refused.
    fn prepare_for(&mut self, is_durable: bool) {
        if is_durable {
            self.record();
        }
        ahead::end_before(
            &mut self.staged,
            &self.head,
            is_durable,
            self.journal.answers_each(),
        );
    }

    /// Takes up what a transaction has done, which is proposed if it has changed something.
    fn propose(&mut self, job: Box<Job>, done: Done) {
        let Done {
            results,
            durable,
            comment,
            commit,
        } = done;
        let Some(commit) = commit else {
            return self.settle(job, results);
        };
        self.executed += 1;
        self.unrecorded.push(Unrecorded {
            job,
            results,
            durable,
            comment,
            commit,
        });
        if durable || self.journal.answers_each() {
            self.record();
        }
    }

    /// Makes the records of what has been executed, and proposes them.
    fn record(&mut self) {
        let mut unrecorded = std::mem::take(&mut self.unrecorded);
        for executed in unrecorded.drain(..) {
            self.stage(executed);
        }
        self.unrecorded = unrecorded;
    }

    fn stage(&mut self, executed: Unrecorded) {
        let Unrecorded {
            job,
            results,
            durable,
            comment,
            commit,
        } = executed;
        let options = RecordOptions {
            date_ms: date_ms(),
            comment: comment.as_deref(),
            column_diff: self.options.column_diff
                || self.status.column_diff.load(Ordering::Relaxed),
        };
        let (proposal, id) = match recording::record_of(self.head.schema(), &commit, options) {
            Some(record) => {
                let proposal = self.journal.propose(record, durable);
                (proposal, self.journal.id())
            }
            // Only columns that are not kept have changed.
            None => {
                let id = transaction_id::without_record(self.journal.id());
                (Proposal::Accepted, id)
            }
        };
        let awaits = match proposal {
            Proposal::Accepted => Awaits::Flush { durable: false },
            Proposal::Staged => Awaits::Flush { durable },
            Proposal::Pending(ticket) => Awaits::Answer(ticket),
        };
        let executed = Executed {
            job,
            results,
            commit: Some((Arc::new(commit), id)),
        };
        ahead::add_commit(&mut self.staged, executed, awaits);
    }

    /// Tries all transactions that are held back again: they may be so because of what was never to be.
    fn judge_parked_anew(&mut self) {
        for id in self.parked.all() {
            self.try_parked(id);
        }
    }

    /// Tries parked transactions again that look at what has changed, up to a limit: what they do may wake others, again and
    /// again, and there may be very many. If some are left, whatever others have sent gets its turn before them.
    fn wake_touched(&mut self) {
        let mut rows = 0;
        while rows < limits::WAKE_ROWS_MAX {
            let Some(round) = &mut self.round else {
                if self.touched.is_empty() {
                    break;
                }
                let tables = std::mem::take(&mut self.touched);
                self.round = Some(self.parked.begin_round(tables));
                continue;
            };
            match self.parked.next_of(round) {
                Some(id) => rows += self.try_parked(id),
                None => {
                    self.round = None;
                    self.flush(None);
                }
            }
        }
        self.flush(None);
    }

    /// Tries parked transactions whose time is over, up to the same limit.
    fn wake_overdue(&mut self) {
        let mut rows = 0;
        for id in self.parked.overdue(Instant::now(), limits::WAKE_ROWS_MAX) {
            rows += self.try_parked(id);
            if rows >= limits::WAKE_ROWS_MAX {
                break;
            }
        }
        self.flush(None);
    }

    /// Whether there are parked transactions to be tried again without waiting for an event.
    fn is_waking(&self) -> bool {
        self.round.is_some() || !self.touched.is_empty()
    }

    /// Returns about how many rows it has looked at, at least one.
    fn try_parked(&mut self, id: ParkedId) -> usize {
        let Some(is_durable) = self.parked.get(id).map(|job| job.is_durable()) else {
            return 1;
        };
        self.prepare_for(is_durable);
        let job = self.parked.get(id).expect("it was there before");
        let rows = self.effort(job).max(1);
        let elapsed_ms = job.received.elapsed().as_millis() as u64;
        match execute_on_head(&mut self.head, &self.nothing, &self.locks, job, elapsed_ms) {
            OutcomeOn::Blocked { timeout_ms, tables } => {
                let deadline = deadline_of(job, timeout_ms);
                self.parked.update(id, deadline, tables);
            }
            OutcomeOn::Failed(results) => {
                if let Some(job) = self.unpark(id) {
                    self.settle(job, results);
                }
            }
            OutcomeOn::Done(done) => {
                if let Some(job) = self.unpark(id) {
                    self.propose(job, done);
                }
            }
        }
        rows
    }

    fn close(&mut self) {
        self.closed = true;
        // What became of these is not known, and will not be as long as the disk is as it is.
        let trouble = self.journal.trouble();
        let ahead = std::mem::take(&mut self.ahead).into_iter();
        for Executed { job, results, .. } in ahead.flat_map(|segment| segment.executed) {
            let answer = match &trouble {
                Some(error) => Answer::Results(results.with_commit_error(error.to_ovsdb_error())),
                None => Answer::Canceled,
            };
            job.mailbox.deliver(Letter::Done(job.token, answer));
        }
        for id in self.parked.all() {
            if let Some(job) = self.unpark(id) {
                job.mailbox
                    .deliver(Letter::Done(job.token, Answer::Canceled));
            }
        }
        let again = std::mem::take(&mut self.again).into_iter();
        let mut backlog = std::mem::take(&mut self.backlog);
        let waiting = std::iter::from_fn(|| backlog.pop());
        let events = again.map(Event::Transact).chain(waiting);
        for event in events.chain(self.queue.close()) {
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
        self.take_in();
        self.work();
        self.wake_overdue();
        self.compact_if_due();
        // Where only a compaction helps, the journal has nothing to say before it.
        if self.stop.is_some() && (self.ahead.is_empty() || self.journal.needs_compaction()) {
            self.close();
            Turn::Closed
        } else if self.can_work() || self.is_waking() {
            Turn::Again
        } else {
            Turn::Wait(self.next_deadline())
        }
    }
}

/// Runs a transaction on the newest version, in place. `nothing` is there meanwhile.
fn execute_on_head(
    head: &mut Database,
    nothing: &Database,
    locks: &Locks,
    job: &Job,
    elapsed_ms: u64,
) -> OutcomeOn {
    let session = job.mailbox.id();
    let mut context = Context {
        elapsed_ms,
        holds_lock: &|name| locks.is_owner(session, name),
        read_only: job.access.read_only,
        access: job.access.of_role(),
        // What clients ask of such a database is read-only; the rest is the server's own.
        may_change_reserved: true,
        may_block: true,
        fresh: &mut fresh_uuid,
    };
    let before = std::mem::replace(head, nothing.clone());
    let (after, outcome) = execute_on(before, &job.transact, &mut context);
    *head = after;
    outcome
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
