//! A database as the rest of the server sees it: a name, the current version, and a way to its writer.
//!
//! Sessions reach the engine through this alone. Nothing here waits for a disk.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use ovsdb_engine::Database;
use ovsdb_proto::schema::Schema;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::file::Loaded;
use crate::framework::Gate;
use crate::history::History;
use crate::hub::{Hub, Version};
use crate::journal::{FileJournal, Journal, JournalError, MemoryJournal};
use crate::limits;
use crate::locks::Locks;
use crate::lookout::Lookout;
use crate::mailbox::{Answer, DatabaseId, SessionId, Token};
use crate::meters::{Counter, JournalMeters, WriterMeters};
use crate::queue::{Closed, Queue};
use crate::runtime;
use crate::transaction_id;
use crate::vigil;
use crate::writer::{Conversion, Event, Job, Rest, Status, Writer, WriterOptions};

/// Where a served database's commits go.
pub enum Storage {
    /// Nowhere: the database lives in memory.
    Memory(Database),
    /// A file.
    File {
        /// What is in the file.
        loaded: Box<Loaded>,
        /// Its name, as the user gave it.
        path: PathBuf,
    },
}

impl Storage {
    /// The schema of what is stored.
    pub fn schema(&self) -> &Arc<Schema> {
        match self {
            Storage::Memory(database) => database.schema(),
            Storage::File { loaded, .. } => loaded.database.schema(),
        }
    }
}

/// A database that is being served.
#[derive(Debug)]
pub struct Served {
    id: DatabaseId,
    schema: Arc<Schema>,
    schema_text: Vec<u8>,
    path: Option<PathBuf>,
    hub: Arc<Hub>,
    queue: Arc<Queue<Event>>,
    writer: Arc<Mutex<Writer>>,
    status: Arc<Status>,
    /// While transactions run on the threads of sessions. A database in memory waits for no disk.
    lookout: Option<Arc<Lookout>>,
    /// Whom clients have to pass.
    gate: Option<Arc<dyn Gate>>,
}

impl Served {
    /// Starts the writer of a database.
    ///
    /// # Errors
    /// A thread cannot be started.
    pub fn start(
        storage: Storage,
        locks: Arc<Locks>,
        options: WriterOptions,
    ) -> std::io::Result<Arc<Served>> {
        Served::start_behind(None, storage, locks, options)
    }

    /// [`Served::start`] of a database whose clients have to pass a gate.
    ///
    /// # Errors
    /// As [`Served::start`].
    pub(crate) fn start_behind(
        gate: Option<Arc<dyn Gate>>,
        storage: Storage,
        locks: Arc<Locks>,
        options: WriterOptions,
    ) -> std::io::Result<Arc<Served>> {
        let queue = Arc::new(Queue::new(limits::WRITER_QUEUE_MAX));
        let mut status = Status::default();
        let (hub, journal, path): (_, Box<dyn Journal>, _) = match storage {
            Storage::Memory(database) => {
                let journal = MemoryJournal::new();
                (Hub::new(database, journal.id()), Box::new(journal), None)
            }
            Storage::File { loaded, path } => {
                let wake = {
                    let queue = queue.clone();
                    // A closed queue means that nobody waits for answers any more.
                    move || {
                        let _ = queue.push(Event::JournalReady);
                    }
                };
                let Loaded {
                    database,
                    log,
                    records,
                    id,
                    history,
                    ..
                } = *loaded;
                let mut history = history.unwrap_or_else(|| History::new(id, database.rows()));
                history.begin_own(transaction_id::without_record(id));
                let hub = Hub::with_history(database, history);
                let journal = FileJournal::new(log, records, id, Arc::new(wake))?;
                status.journal = Some(journal.meters().clone());
                (hub, Box::new(journal), Some(path))
            }
        };
        let hub = Arc::new(hub);
        let schema = hub.version().database.schema().clone();
        let mut schema_text = Vec::new();
        schema.to_json().write_to(&mut schema_text);
        let status = Arc::new(status);
        let writer = Writer::new(
            queue.clone(),
            hub.clone(),
            locks,
            status.clone(),
            journal,
            options,
        );
        let writer = writer.start()?;
        // In a simulation there is but one thread.
        let lookout = match path {
            Some(_) if !runtime::is_simulated() => Some(Arc::new(Lookout::start()?)),
            _ => None,
        };
        Ok(Arc::new(Served {
            id: DatabaseId::fresh(),
            schema,
            schema_text,
            path,
            hub,
            queue,
            writer,
            status,
            lookout,
            gate,
        }))
    }

    /// Tells this database from others, those of the same name that were served before included.
    pub fn id(&self) -> DatabaseId {
        self.id
    }

    /// The same database after a conversion: with the same file, the same writer and `hub`, from which its versions come.
    pub(crate) fn successor(&self, hub: Arc<Hub>) -> Arc<Served> {
        let schema = hub.version().database.schema().clone();
        Arc::new(Served {
            id: DatabaseId::fresh(),
            schema_text: schema.to_json().to_bytes(),
            schema,
            path: self.path.clone(),
            hub,
            queue: self.queue.clone(),
            writer: self.writer.clone(),
            lookout: self.lookout.clone(),
            status: self.status.clone(),
            gate: self.gate.clone(),
        })
    }

    /// Whether the two are the same database: one writer's, under whatever schema.
    pub(crate) fn is_same_database(&self, other: &Served) -> bool {
        Arc::ptr_eq(&self.writer, &other.writer)
    }

    /// The database's name, which its schema gives.
    pub fn name(&self) -> &str {
        &self.schema.name
    }

    /// Whether the database is the server's own: clients may read it, and nothing else.
    pub fn is_internal(&self) -> bool {
        self.name().starts_with('_')
    }

    /// The schema.
    pub fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// The schema as the reply to `get_schema`.
    pub fn schema_text(&self) -> &[u8] {
        &self.schema_text
    }

    /// The file, as the user named it; `None` for a database in memory.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Whom transactions of clients have to pass.
    pub(crate) fn gate(&self) -> Option<&Arc<dyn Gate>> {
        self.gate.as_ref()
    }

    /// Versions and commits.
    pub fn hub(&self) -> &Hub {
        &self.hub
    }

    /// The latest accepted version.
    pub fn version(&self) -> Arc<Version> {
        self.hub.version()
    }

    /// Has a transaction executed, as soon as the writer's queue has room. The answer comes to the job's mailbox.
    ///
    /// # Errors
    /// The database has been closed.
    pub async fn submit(&self, job: Job) -> Result<(), Closed> {
        let mut jobs = VecDeque::from([Box::new(job)]);
        while !self.try_submit(&mut jobs)? {
            self.submit_later(&mut jobs).await?;
        }
        Ok(())
    }

    /// Has transactions executed in their order, as far as the writer's queue has room for them: here and now, with those
    /// that others have brought, if they are small and nobody is doing that already; else by whoever does, or by the writer's
    /// thread. What finds no room stays in `jobs`; false if anything does. The answers come to the jobs' mailboxes.
    ///
    /// # Errors
    /// The database has been closed. What is left in `jobs` is never executed.
    pub fn try_submit(&self, jobs: &mut VecDeque<Box<Job>>) -> Result<bool, Closed> {
        let room = self.queue.try_reserve(jobs.len())?;
        if room > 0 {
            self.enqueue(jobs, room)?;
            self.combine();
        }
        Ok(jobs.is_empty())
    }

    /// Puts the first transactions into the queue, which has room for them.
    fn enqueue(&self, jobs: &mut VecDeque<Box<Job>>, count: usize) -> Result<(), Closed> {
        let first = std::iter::from_fn(|| jobs.pop_front()).take(count);
        self.queue.push_all(first.map(Event::Transact))
    }

    /// Works on what is in the queue, unless somebody else does.
    fn combine(&self) {
        if runtime::is_writer_taken() {
            return self.queue.nudge();
        }
        // Whoever has the writer looks into the queue again after having given it back. So whatever was put there before
        // this is found, be it by others.
        for _ in 0..limits::BATCHES_INLINE_MAX {
            let Some(mut writer) = self.writer.try_lock() else {
                return;
            };
            let _at_work = self.lookout.as_deref().map(Lookout::at_work);
            let rest = writer.combine(self.lookout.as_deref());
            drop(writer);
            match rest {
                Rest::Nothing if self.queue.is_empty() => return,
                Rest::Nothing => {}
                Rest::Thread => return self.queue.nudge(),
                Rest::Sync(sync) => {
                    // Who found the writer taken until now need not wait for the disk.
                    if !self.queue.is_empty() {
                        self.queue.nudge();
                    }
                    sync.run();
                    vigil::has_synced();
                    // After its close the writer has no use for answers.
                    let _ = self.queue.push_all([Event::JournalReady]);
                }
            }
        }
        // Others bring more and more, and the thread has duties of its own.
        self.queue.nudge();
    }

    /// Has at least one of some transactions executed, as soon as the writer's queue has room, and takes those out of `jobs`.
    /// All stay there if the future is dropped before.
    ///
    /// # Errors
    /// The database has been closed.
    pub async fn submit_later(&self, jobs: &mut VecDeque<Box<Job>>) -> Result<(), Closed> {
        self.queue.reserve().await?;
        if jobs.is_empty() {
            self.queue.release(1);
            return Ok(());
        }
        self.enqueue(jobs, 1)?;
        self.combine();
        self.try_submit(jobs)?;
        Ok(())
    }

    /// Has the database converted, after what has been submitted before. Takes no room in the queue: a session asks for
    /// one conversion at a time.
    ///
    /// # Errors
    /// The database has been closed.
    pub(crate) fn convert(&self, conversion: Conversion) -> Result<(), Closed> {
        self.queue.push(Event::Convert(Box::new(conversion)))
    }

    /// Takes back a parked transaction, which gets this answer. Nothing happens if it is not, or no longer, parked.
    pub fn cancel(&self, session: SessionId, token: Token, answer: Answer) {
        // After its close the writer has canceled everything anyway; likewise below.
        let _ = self.queue.push(Event::Cancel(session, token, answer));
    }

    /// Forgets whatever a session that has gone left behind. `has_parked`: transactions of it may be held back.
    pub fn disconnected(&self, session: SessionId, has_parked: bool) {
        self.hub.unsubscribe(session);
        if has_parked {
            let _ = self.queue.push(Event::Disconnected(session));
        }
    }

    /// Compacts the file, while everything goes on.
    ///
    /// # Errors
    /// The file stays as it is.
    pub async fn compact(&self) -> Result<(), JournalError> {
        let (reply, outcome) = oneshot::channel();
        if self.queue.push(Event::Compact(reply)).is_err() {
            return Ok(());
        }
        // No answer: the database was closed, and its file is what it was.
        outcome.await.unwrap_or(Ok(()))
    }

    /// Closes the database: what has been executed is brought to its end, everything else is canceled. Returns when the
    /// file is closed and unlocked.
    pub async fn stop(&self) {
        let (done, stopped) = oneshot::channel();
        if self.queue.push(Event::Stop(done)).is_ok() {
            // The writer drops its side when it is done; that is the message.
            let _ = stopped.await;
        }
    }

    /// Starts or ends the logging of what changes in a table. False if there is no such table.
    pub fn set_transaction_log(&self, table: &str, on: bool) -> bool {
        let is_table = self.schema.table_id(table).is_some();
        if is_table {
            self.status.transaction_log.set(table, on);
        }
        is_table
    }

    /// Whether changes in a table are logged.
    pub fn is_in_transaction_log(&self, table: &str) -> bool {
        self.status.transaction_log.is_on(table)
    }

    /// Has differences of columns be written from now on, see [`WriterOptions::column_diff`].
    pub fn enable_column_diff(&self) {
        self.status.column_diff.store(true, Ordering::Relaxed);
    }

    /// How many transactions are held back by a `wait`.
    pub fn parked(&self) -> usize {
        self.status.parked.load(Ordering::Relaxed)
    }

    /// Transactions that only read, and had to wait for nothing.
    pub fn reads(&self) -> &Counter {
        &self.status.reads
    }

    /// What its writer counts.
    pub fn meters(&self) -> &WriterMeters {
        &self.status.meters
    }

    /// What the journal of its file counts, if it has one.
    pub fn journal_meters(&self) -> Option<&JournalMeters> {
        self.status.journal.as_deref()
    }

    /// How many transactions are on their way to the writer, or wait for their turn there.
    pub fn waiting(&self) -> usize {
        self.queue.taken()
    }

    /// Why nothing can be written at the moment.
    pub fn trouble(&self) -> Option<JournalError> {
        self.status.trouble.lock().clone()
    }
}
