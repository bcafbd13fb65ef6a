//! Where commits are made to last: the one way in which rows may change.
//!
//! A [`Journal`] answers a proposal at once ([`Proposal::Accepted`]), together with others when it is told to write them
//! ([`Proposal::Staged`]), or later ([`Proposal::Pending`]); it calls back when it has answers to fetch. Nothing here
//! knows sessions or the engine.

use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use ovsdb_log::compaction::{Growth, Schedule};
use ovsdb_log::{ErrorKind, Hasher, Log, LogError, Replacement, SyncHandle};
use ovsdb_proto::error::{ErrorTag, OvsdbError};
use ovsdb_proto::uuid::Uuid;
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::limits;
use crate::meters::JournalMeters;
use crate::queue::Queue;
use crate::runtime::{self, NeverWaits, Started, Turn, Who, Worker, fresh_uuid};
use crate::{stopwatches, transaction_id};

/// Numbers the proposals that are not answered at once, in ascending order.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Ticket(pub u64);

/// What became of a proposal.
#[derive(Debug)]
pub enum Proposal {
    /// The record will last as long as was asked for.
    Accepted,
    /// The next [`Journal::flush`] decides, about all records proposed since the one before.
    Staged,
    /// An answer for this ticket, or for a later one, will come.
    Pending(Ticket),
}

/// What has been written.
#[derive(Debug, Default)]
pub struct Flushed {
    /// What the answer about the durable part of it will be for; `None` if no part is durable.
    pub ticket: Option<Ticket>,
    /// The caller is to run this, for there to be an answer.
    pub sync: Option<SyncHere>,
}

/// Why a journal does not keep a record.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// The file cannot be written.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A thread that is needed for it cannot be started; the system's reason.
    #[error("cannot start a thread ({0})")]
    Thread(String),
}

impl JournalError {
    /// The error as a transaction's reply shows it.
    pub fn to_ovsdb_error(&self) -> OvsdbError {
        match self {
            JournalError::Log(error) => log_error(error),
            JournalError::Thread(_) => {
                OvsdbError::new(ErrorTag::ResourcesExhausted, self.to_string())
            }
        }
    }
}

/// An error of a log as the error of an operation.
pub fn log_error(error: &LogError) -> OvsdbError {
    let tag = match error.kind() {
        ErrorKind::Io => ErrorTag::IoError,
        ErrorKind::Syntax => ErrorTag::SyntaxError,
        _ => ErrorTag::OvsdbError,
    };
    let mut answer = OvsdbError::new(tag, error.details());
    answer.io_error = error.reason();
    answer
}

/// What became of an attempt to put other records in the place of all.
#[derive(Debug)]
pub enum Replaced {
    /// It is done.
    Done,
    /// It is done, but may be undone by a crash of the machine.
    InDoubt(JournalError),
    /// The old records stay.
    Refused(JournalError),
}

/// The answer to all proposals up to a ticket that have none yet; if it is an error, to the later ones too.
pub type Answer = (Ticket, Result<(), JournalError>);

/// The record of a commit: a JSON text.
#[derive(Clone, Debug)]
pub enum NewRecord {
    /// In one piece.
    Whole(Vec<u8>),
    /// A long one, in parts one behind the other.
    Parts {
        /// The parts.
        parts: Vec<Vec<u8>>,
        /// The hash of what they hold.
        hash: Hasher,
    },
}

impl NewRecord {
    /// The text in one piece.
    pub fn into_text(self) -> Vec<u8> {
        match self {
            NewRecord::Whole(text) => text,
            NewRecord::Parts { parts, .. } => parts.concat(),
        }
    }
}

/// What files have behind a record, so that they can be read line by line. It belongs to the data of the record.
const LINE_END: &[u8] = b"\n";

/// A log of one database's commits. See the module's documentation.
pub trait Journal: Send {
    /// Proposes the record of a commit. `durable`: it is to survive a crash of the machine.
    fn propose(&mut self, record: NewRecord, durable: bool) -> Proposal;

    /// Whether it answers for each record, so that one may be accepted and the next one refused.
    fn answers_each(&self) -> bool {
        false
    }

    /// Writes the records that are staged: all of them or, on an error, none. If some of them are to survive a crash of the
    /// machine, an answer for the ticket returned, or for a later one, will come: about the first of those, and everything
    /// after it. `may_wait` is asked whether the caller has nothing else to do before that.
    ///
    /// # Errors
    /// None of the staged records is kept.
    fn flush(&mut self, may_wait: &mut dyn FnMut() -> bool) -> Result<Flushed, JournalError>;

    /// The transaction id of the version to which everything proposed and not refused leads. Right after a proposal that
    /// is not refused it is that of the commit proposed.
    fn id(&self) -> Uuid;

    /// Takes the answers that have arrived.
    fn answers(&mut self) -> Vec<Answer>;

    /// Begins to replace all records by new ones that amount to the same, on any thread. `None`: this journal keeps no
    /// records.
    ///
    /// # Errors
    /// The new file cannot be made.
    fn begin_compaction(&mut self) -> Result<Option<Replacement>, JournalError>;

    /// Where the records end, for [`Replacement::catch_up`].
    fn end(&self) -> u64;

    /// Puts the new records in the place of the old ones. Everything pending is accepted with it.
    ///
    /// # Errors
    /// The old records stay.
    fn finish_compaction(&mut self, new: Replacement) -> Result<(), JournalError>;

    /// Puts `records`, which amount to the version `id`, in the place of all records, on the disk. What is pending is
    /// waited for, and has its answer afterwards; if some of it is refused, so is this. Replacements begun before are of
    /// no use any more.
    fn replace(&mut self, records: &[Vec<u8>], id: Uuid) -> Replaced;

    /// What decides about automatic compaction; `None` for a journal that is never compacted.
    fn growth(&self) -> Option<Growth>;

    /// Why nothing is accepted at the moment.
    fn trouble(&self) -> Option<JournalError>;

    /// Whether only a compaction is sure to end the trouble. What is pending then has no answer before that, or before
    /// something is proposed and accepted.
    fn needs_compaction(&self) -> bool;
}

/// Keeps nothing: for databases that live in memory only. Its transaction ids are random.
#[derive(Debug)]
pub struct MemoryJournal {
    id: Uuid,
}

impl MemoryJournal {
    /// A journal of commits to a database that nobody has seen yet.
    pub fn new() -> MemoryJournal {
        MemoryJournal { id: fresh_uuid() }
    }
}

impl Default for MemoryJournal {
    fn default() -> MemoryJournal {
        MemoryJournal::new()
    }
}

impl Journal for MemoryJournal {
    fn propose(&mut self, _record: NewRecord, _durable: bool) -> Proposal {
        self.id = fresh_uuid();
        Proposal::Accepted
    }

    fn flush(&mut self, _may_wait: &mut dyn FnMut() -> bool) -> Result<Flushed, JournalError> {
        Ok(Flushed::default())
    }

    fn id(&self) -> Uuid {
        self.id
    }

    fn answers(&mut self) -> Vec<Answer> {
        Vec::new()
    }

    fn begin_compaction(&mut self) -> Result<Option<Replacement>, JournalError> {
        Ok(None)
    }

    fn end(&self) -> u64 {
        0
    }

    fn finish_compaction(&mut self, _new: Replacement) -> Result<(), JournalError> {
        Ok(())
    }

    fn replace(&mut self, _records: &[Vec<u8>], id: Uuid) -> Replaced {
        self.id = id;
        Replaced::Done
    }

    fn growth(&self) -> Option<Growth> {
        None
    }

    fn trouble(&self) -> Option<JournalError> {
        None
    }

    fn needs_compaction(&self) -> bool {
        false
    }
}

/// Keeps commits in a database file.
///
/// Records are written on the caller's thread, with one write for all that are staged. Syncing happens on a thread of its
/// own: one `fsync` serves all durable records written before it began. Only where nobody has anything else to do, and the
/// disk is quick, it is left to the caller ([`SyncHere`]): the way to that thread and back costs more than it is worth.
pub struct FileJournal {
    log: Log,
    /// The transaction id of what the records amount to.
    id: Uuid,
    /// Records in the file when it was opened, and written since.
    records: u64,
    records_since_base: u64,
    staged: Staged,
    /// How long the last sync took; `None` before the first.
    sync_took: Option<Duration>,
    /// Proposals without an answer.
    unsynced: Vec<Unsynced>,
    next_ticket: u64,
    /// Answers that came about on this thread.
    ready: Vec<Answer>,
    /// A sync failed and no compaction has succeeded since.
    sync_failed: bool,
    /// What is pending has been carried over to a new file, whose name may not last: its folder could not be synced.
    carried_in_doubt: bool,
    /// That is so, and the old file cannot be relied upon either. What is pending can be neither accepted, before a sync of
    /// the folder succeeds, nor refused, since it cannot be taken out of the new file.
    is_stuck: bool,
    sync: Arc<Queue<SyncOrder>>,
    answer: SyncAnswer,
    synced: mpsc::Receiver<Synced>,
    thread: Started,
    wake: Arc<dyn Fn() + Send + Sync>,
}

/// What is staged.
#[derive(Default)]
struct Staged {
    records: u64,
    /// The transaction id of what is before it.
    id_before: Option<Uuid>,
    /// Where the first durable record will begin, and the transaction id of what is before that.
    durable_from: Option<(u64, Uuid)>,
}

/// Records that are written, and not yet known to be on the disk.
struct Unsynced {
    ticket: Ticket,
    /// Where the first of them begins.
    start: u64,
    /// The transaction id of what is before it.
    id_before: Uuid,
}

/// What the thread for syncing is told.
enum SyncOrder {
    /// Bring everything up to a ticket to the disk.
    Sync(SyncRequest),
    /// Come to an end when that is done.
    Stop,
}

struct SyncRequest {
    upto: Ticket,
    handle: SyncHandle,
}

/// Where it is told what came of a sync.
#[derive(Clone)]
struct SyncAnswer {
    synced: mpsc::Sender<Synced>,
    /// One sync at a time: the system tells of a failure once, and who is told nothing must have begun after that.
    turn: Arc<Mutex<()>>,
    meters: Arc<JournalMeters>,
}

impl SyncAnswer {
    /// Brings records to the disk, and says whether anybody wants to know.
    fn sync(&self, SyncRequest { upto, handle }: SyncRequest) -> bool {
        let _turn = self.turn.lock();
        let begun = Instant::now();
        let result = handle.sync();
        let took = begun.elapsed();
        stopwatches::FSYNC.add(took);
        self.meters.syncs.add_time(took);
        self.meters.syncs_failed.add(u64::from(result.is_err()));
        let synced = Synced {
            upto,
            handle,
            result,
            took,
        };
        self.synced.send(synced).is_ok()
    }
}

/// What has been written, and is left to the caller to bring to the disk.
pub struct SyncHere {
    request: SyncRequest,
    answer: SyncAnswer,
}

impl std::fmt::Debug for SyncHere {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("SyncHere").field(&self.request.upto).finish()
    }
}

impl SyncHere {
    /// Brings it to the disk, and waits for that. Then the journal has an answer to fetch.
    pub fn run(self) {
        // Nobody wants to know any more if the journal has gone.
        let _ = self.answer.sync(self.request);
    }
}

struct Synced {
    upto: Ticket,
    handle: SyncHandle,
    result: Result<(), LogError>,
    took: Duration,
}

impl FileJournal {
    /// A journal that appends to `log`, which has been read to its end and found to hold `records` records that lead to
    /// the version `id`. `wake` is called, from another thread, when there are answers to fetch.
    ///
    /// # Errors
    /// The thread for syncing cannot be started.
    pub fn new(
        log: Log,
        records: u64,
        id: Uuid,
        wake: Arc<dyn Fn() + Send + Sync>,
    ) -> std::io::Result<FileJournal> {
        let sync = Arc::new(Queue::new(0));
        let (sender, synced) = mpsc::channel();
        let answer = SyncAnswer {
            synced: sender,
            turn: Arc::default(),
            meters: Arc::default(),
        };
        let syncer = Syncer {
            orders: sync.clone(),
            answer: answer.clone(),
            wake: wake.clone(),
            is_stopped: false,
        };
        let syncer = Arc::new(Mutex::new(syncer));
        let thread = runtime::start(Who::Sync, syncer, sync.clone())?;
        let journal = FileJournal {
            log,
            id,
            records,
            records_since_base: records.saturating_sub(2),
            staged: Staged::default(),
            sync_took: None,
            unsynced: Vec::new(),
            next_ticket: 0,
            ready: Vec::new(),
            sync_failed: false,
            carried_in_doubt: false,
            is_stuck: false,
            sync,
            answer,
            synced,
            thread,
            wake,
        };
        journal.measure();
        Ok(journal)
    }

    /// What is counted here.
    pub fn meters(&self) -> &Arc<JournalMeters> {
        &self.answer.meters
    }

    fn measure(&self) {
        self.meters().bytes.set(self.log.offset());
        self.meters().base_bytes.set(self.log.base());
    }

    /// Answers everything pending with success.
    fn accept_all(&mut self) {
        self.carried_in_doubt = false;
        self.is_stuck = false;
        if let Some(last) = self.unsynced.last() {
            self.ready.push((last.ticket, Ok(())));
            self.unsynced.clear();
            (self.wake)();
        }
    }

    fn write_anew(&mut self, records: &[Vec<u8>]) -> Result<(), JournalError> {
        let mut new = self.log.replace_start()?;
        for record in records {
            new.append(record)?;
        }
        self.finish_compaction(new)
    }

    /// Sees to what a sync that has ended means for what is pending.
    fn take_in(&mut self, synced: Synced) {
        let Synced {
            upto,
            handle,
            result,
            took,
        } = synced;
        self.sync_took = Some(took);
        // Records that a compaction has carried over are on the disk, whatever became of the old file.
        let Some(first) = self.unsynced.iter().find(|one| one.ticket <= upto) else {
            return;
        };
        let (start, id_before) = (first.start, first.id_before);
        let Err(error) = result else {
            // The system tells of a failure once. A later sync of that file that succeeds says nothing of what was lost.
            if self.is_stuck {
                return;
            }
            self.unsynced.retain(|one| one.ticket > upto);
            self.ready.push((upto, Ok(())));
            return;
        };
        let reason = error.reason().unwrap_or_default();
        tracing::warn!(target: "ovsdb_log", "fsync failed ({reason})");
        if !self.log.is_current(&handle) {
            // The old file is not to be relied upon, so it depends on the name of the new one.
            self.is_stuck = self.resume().is_err();
            return;
        }
        self.sync_failed = true;
        self.log.sync_failed(&handle, error.clone());
        // Nobody was told of what begins there, so it must not be found in the file later.
        self.id = id_before;
        if let Err(error) = self.log.retract(start) {
            tracing::warn!(target: "ovsdb_log", "{error}");
        }
        let last = self.unsynced.last().expect("one was found above");
        self.ready.push((last.ticket, Err(error.into())));
        self.unsynced.clear();
    }

    /// Has the log accept records again. A full disk may have room again: what a failed write left behind is cut off now,
    /// if it could not be then. The folder of a new file may be synced now, and what that holds is safe with it. A failed
    /// sync of the file is not forgiven here.
    fn resume(&mut self) -> Result<(), LogError> {
        self.log.resume()?;
        if self.carried_in_doubt {
            self.accept_all();
        }
        Ok(())
    }

    fn write_staged(&mut self, is_to_sync: bool) -> Result<(), LogError> {
        self.resume()?;
        match is_to_sync {
            true => self.log.write_staged_to_sync(),
            false => self.log.write_staged(),
        }
    }
}

impl Journal for FileJournal {
    fn propose(&mut self, record: NewRecord, durable: bool) -> Proposal {
        let staged = &mut self.staged;
        staged.records += 1;
        staged.id_before.get_or_insert(self.id);
        if durable {
            let start = self.log.offset() + self.log.staged() as u64;
            staged.durable_from.get_or_insert((start, self.id));
        }
        let digest = match record {
            NewRecord::Whole(mut text) => {
                text.extend_from_slice(LINE_END);
                self.log.stage(&text)
            }
            NewRecord::Parts {
                mut parts,
                mut hash,
            } => {
                parts.push(LINE_END.to_vec());
                hash.update(LINE_END);
                let digest = hash.digest();
                self.log.stage_parts(parts, &digest);
                digest
            }
        };
        self.id = transaction_id::after_record(self.id, &digest);
        Proposal::Staged
    }

    fn flush(&mut self, may_wait: &mut dyn FnMut() -> bool) -> Result<Flushed, JournalError> {
        let Staged {
            records,
            id_before: Some(id_before),
            durable_from,
        } = std::mem::take(&mut self.staged)
        else {
            return Ok(Flushed::default());
        };
        let before = self.log.offset();
        if let Err(error) = self.write_staged(durable_from.is_some()) {
            self.meters().failed.add(1);
            self.log.unstage();
            self.id = id_before;
            return Err(error.into());
        }
        self.records += records;
        self.records_since_base += records;
        let (end, meters) = (self.log.offset(), self.meters());
        meters.bytes.set(end);
        meters.appended_bytes.add(end - before);
        meters.appended.add(records);
        let Some((start, id_before)) = durable_from else {
            return Ok(Flushed::default());
        };
        self.next_ticket += 1;
        let ticket = Ticket(self.next_ticket);
        let is_only = self.unsynced.is_empty();
        self.unsynced.push(Unsynced {
            ticket,
            start,
            id_before,
        });
        let request = SyncRequest {
            upto: ticket,
            handle: self.log.sync_handle(),
        };
        let is_quick = |took| took <= limits::SYNC_INLINE_MAX;
        // In a simulation no time passes while somebody syncs; others may have something to do all the same.
        let by_caller = is_only
            && self.sync_took.is_some_and(is_quick)
            && !runtime::is_writer_taken()
            && may_wait();
        let mut flushed = Flushed {
            ticket: Some(ticket),
            sync: None,
        };
        if by_caller {
            flushed.sync = Some(SyncHere {
                request,
                answer: self.answer.clone(),
            });
        } else {
            self.sync
                .push(SyncOrder::Sync(request))
                .expect("nobody closes this queue");
        }
        Ok(flushed)
    }

    fn id(&self) -> Uuid {
        self.id
    }

    fn answers(&mut self) -> Vec<Answer> {
        while let Ok(synced) = self.synced.try_recv() {
            self.take_in(synced);
        }
        std::mem::take(&mut self.ready)
    }

    fn begin_compaction(&mut self) -> Result<Option<Replacement>, JournalError> {
        Ok(Some(self.log.replace_start()?))
    }

    fn end(&self) -> u64 {
        self.log.offset()
    }

    fn finish_compaction(&mut self, new: Replacement) -> Result<(), JournalError> {
        let old = self.log.sync_handle();
        if let Err(error) = self.log.replace_commit(new) {
            if !self.log.is_current(&old) {
                // Only the folder was not synced. What is pending is in the new file, among what cannot be told from it, and
                // safe as soon as either the old file or the folder is.
                self.sync_failed = false;
                self.carried_in_doubt = true;
            }
            return Err(error.into());
        }
        self.measure();
        self.records_since_base = 0;
        self.sync_failed = false;
        self.accept_all();
        close_aside(old);
        Ok(())
    }

    fn replace(&mut self, records: &[Vec<u8>], id: Uuid) -> Replaced {
        // Afterwards it could not be refused any more: it is part of the new contents, whose name may not last.
        while !self.unsynced.is_empty() {
            if self.carried_in_doubt {
                match self.resume() {
                    Ok(()) => break,
                    Err(error) => return Replaced::Refused(error.into()),
                }
            }
            self.thread.go_on();
            let synced = self.synced.recv();
            self.take_in(synced.expect("the thread ends only when it is told to"));
        }
        if let Some(error) = self
            .ready
            .iter()
            .find_map(|(_, answer)| answer.as_ref().err())
        {
            return Replaced::Refused(error.clone());
        }
        let old = self.log.sync_handle();
        let replaced = self.write_anew(records);
        if let Err(error) = &replaced
            && self.log.is_current(&old)
        {
            return Replaced::Refused(error.clone());
        }
        self.id = id;
        match replaced {
            Ok(()) => Replaced::Done,
            Err(error) => Replaced::InDoubt(error),
        }
    }

    fn growth(&self) -> Option<Growth> {
        Some(Growth {
            size: self.log.offset(),
            base: self.log.base(),
            records: self.records,
            records_since_base: self.records_since_base,
        })
    }

    fn trouble(&self) -> Option<JournalError> {
        self.log.latched().cloned().map(JournalError::from)
    }

    fn needs_compaction(&self) -> bool {
        self.sync_failed || self.is_stuck
    }
}

impl Drop for FileJournal {
    fn drop(&mut self) {
        self.sync
            .push(SyncOrder::Stop)
            .expect("nobody closes this queue");
        self.thread.join();
    }
}

/// Closes a file that has been replaced, where nobody waits: the system frees what a file takes when it is closed, and of a
/// large one that takes long, for which neither commits nor syncs have to wait.
fn close_aside(replaced: SyncHandle) {
    let closer = Arc::new(Mutex::new(Closer(Some(replaced))));
    if let Err(error) = runtime::start(Who::Close, closer, Arc::new(NeverWaits)) {
        // It has been closed here, then.
        tracing::debug!(target: "ovsdb_log", "cannot start a thread ({error})");
    }
}

/// Closes one file. Whoever else holds it still has a sync of it under way.
struct Closer(Option<SyncHandle>);

impl Worker for Closer {
    fn turn(&mut self) -> Turn {
        self.0.take();
        Turn::Closed
    }
}

/// Brings records to the disk.
struct Syncer {
    orders: Arc<Queue<SyncOrder>>,
    answer: SyncAnswer,
    wake: Arc<dyn Fn() + Send + Sync>,
    is_stopped: bool,
}

impl Worker for Syncer {
    fn turn(&mut self) -> Turn {
        let mut last = None;
        for order in self.orders.take() {
            match order {
                // Whatever was written before the sync begins is served by it.
                SyncOrder::Sync(request) => last = Some(request),
                SyncOrder::Stop => self.is_stopped = true,
            }
        }
        if let Some(request) = last
            && self.answer.sync(request)
        {
            (self.wake)();
        }
        match self.is_stopped {
            true => Turn::Closed,
            false => Turn::Wait(None),
        }
    }
}

/// When the next automatic compaction is due, by C's rule (see [`ovsdb_log::compaction`]).
#[derive(Debug)]
pub(crate) struct CompactionClock {
    started: Instant,
    schedule: Schedule,
}

impl CompactionClock {
    pub(crate) fn new() -> CompactionClock {
        CompactionClock {
            started: Instant::now(),
            schedule: Schedule::new(0, runtime::random()),
        }
    }

    fn now_ms(&self) -> u64 {
        self.started.elapsed().as_millis() as u64
    }

    pub(crate) fn is_due(&self, growth: &Growth) -> bool {
        self.schedule.is_due(self.now_ms(), growth)
    }

    /// Starts anew after a compaction.
    pub(crate) fn restart(&mut self) {
        self.schedule = Schedule::new(self.now_ms(), runtime::random());
    }

    /// Tries again soon after a compaction that failed.
    pub(crate) fn retry(&mut self) {
        self.schedule = self.schedule.retry(self.now_ms(), runtime::random());
    }

    /// When to ask again although nothing is written.
    pub(crate) fn next(&self) -> Option<Instant> {
        let next_ms = self.schedule.next_ms(self.now_ms())?;
        Some(self.started + std::time::Duration::from_millis(next_ms))
    }
}
