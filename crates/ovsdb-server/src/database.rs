//! A database as the rest of the server sees it: a name, the current version, and a way to its writer.
//!
//! Sessions reach the engine through this alone. Nothing here waits for a disk.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use ovsdb_engine::Database;
use ovsdb_proto::schema::Schema;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::file::Loaded;
use crate::history::History;
use crate::hub::{Hub, Version};
use crate::journal::{FileJournal, Journal, JournalError, MemoryJournal};
use crate::limits;
use crate::locks::Locks;
use crate::lookout::Lookout;
use crate::mailbox::{Answer, DatabaseId, SessionId, Token};
use crate::queue::{Closed, Queue};
use crate::runtime;
use crate::transaction_id;
use crate::writer::{Conversion, Event, Job, Status, Writer, WriterOptions};

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

/// Why a transaction was not submitted.
#[derive(Debug)]
pub enum Unsubmitted {
    /// The writer's queue is full. The job comes back, for [`Served::submit_later`].
    NoRoom(Box<Job>),
    /// The database has been closed.
    Closed,
}

impl From<Closed> for Unsubmitted {
    fn from(Closed: Closed) -> Unsubmitted {
        Unsubmitted::Closed
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
        let queue = Arc::new(Queue::new(limits::WRITER_QUEUE_MAX));
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
                (hub, Box::new(journal), Some(path))
            }
        };
        let hub = Arc::new(hub);
        let schema = hub.version().database.schema().clone();
        let mut schema_text = Vec::new();
        schema.to_json().write_to(&mut schema_text);
        let status = Arc::new(Status::default());
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

    /// Versions and commits.
    pub fn hub(&self) -> &Hub {
        &self.hub
    }

    /// The latest accepted version.
    pub fn version(&self) -> Arc<Version> {
        self.hub.version()
    }

    /// Has a transaction executed whose request had `request_bytes` bytes: here and now if it is small and the writer is
    /// idle, else by the writer's thread, as soon as its queue has room. The answer comes to the job's mailbox.
    ///
    /// # Errors
    /// The database has been closed.
    pub async fn submit(&self, job: Job, request_bytes: usize) -> Result<(), Closed> {
        match self.try_submit(job, request_bytes) {
            Ok(()) => Ok(()),
            Err(Unsubmitted::NoRoom(job)) => self.submit_later(&mut Some(job)).await,
            Err(Unsubmitted::Closed) => Err(Closed),
        }
    }

    /// [`Served::submit`] without waiting.
    ///
    /// # Errors
    /// See [`Unsubmitted`].
    pub fn try_submit(&self, job: Job, request_bytes: usize) -> Result<(), Unsubmitted> {
        let mut job = Box::new(job);
        if request_bytes <= limits::TRANSACT_BYTES_INLINE
            && !runtime::is_writer_taken()
            && let Some(mut writer) = self.writer.try_lock()
        {
            let _at_work = self.lookout.as_deref().map(Lookout::at_work);
            job = match writer.try_transact(job) {
                Ok(()) => return Ok(()),
                Err(job) => job,
            };
        }
        match self.queue.try_reserve() {
            Ok(true) => Ok(self.queue.push(Event::Transact(job))?),
            Ok(false) => Err(Unsubmitted::NoRoom(job)),
            Err(Closed) => Err(Unsubmitted::Closed),
        }
    }

    /// Takes the job out of `slot` and has it executed, as soon as the writer's queue has room. Until then it stays there,
    /// even if the future is dropped.
    ///
    /// # Errors
    /// The database has been closed.
    pub async fn submit_later(&self, slot: &mut Option<Box<Job>>) -> Result<(), Closed> {
        self.queue.reserve().await?;
        match slot.take() {
            Some(job) => self.queue.push(Event::Transact(job)),
            None => {
                self.queue.release(1);
                Ok(())
            }
        }
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

    /// Forgets whatever a session that has gone left behind.
    pub fn disconnected(&self, session: SessionId) {
        self.hub.unsubscribe(session);
        let _ = self.queue.push(Event::Disconnected(session));
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

    /// How many transactions are held back by a `wait`.
    pub fn parked(&self) -> usize {
        self.status.parked.load(Ordering::Relaxed)
    }

    /// Why nothing can be written at the moment.
    pub fn trouble(&self) -> Option<JournalError> {
        self.status.trouble.lock().clone()
    }
}
