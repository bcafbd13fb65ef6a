//! The server: its databases, its locks and its sessions, by name.
//!
//! Everything here is bookkeeping under short locks. Where clients come from is [`remotes`](crate::remotes)' business,
//! what they want is [`session`](crate::session)'s.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use arc_swap::{ArcSwap, ArcSwapOption};
use ovsdb_proto::schema::Schema;
use ovsdb_proto::uuid::Uuid;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::budget::Budget;
use crate::clock::Clock;
use crate::database::{Served, Storage};
use crate::file::{self, FileError};
use crate::framework::{Answered, Gate, Program};
use crate::lane::Lane;
use crate::limits::{self, Limits};
use crate::locks::Locks;
use crate::mailbox::{Answer, Letter, Mailbox, SessionId, Token};
use crate::queue::Closed;
use crate::runtime::fresh_uuid;
use crate::server_db::{self, ServerDb};
use crate::tellers::Tellers;
use crate::writer::{Conversion, Converted, WriterOptions};

/// Why a database cannot be added.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AddError {
    /// The file is served already.
    #[error("ovsdb error: {name}: already open")]
    AlreadyOpen {
        /// The file.
        name: String,
    },
    /// The file cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// Names that begin with an underscore are the server's own.
    #[error("ovsdb error: {name}: names beginning with \"_\" are reserved")]
    Reserved {
        /// The database.
        name: String,
    },
    /// A database of this name is served already.
    #[error("ovsdb error: {name}: duplicate database name")]
    Duplicate {
        /// The database.
        name: String,
    },
    /// There are [`limits::DATABASES_MAX`] databases.
    #[error("resources exhausted: {name}: too many databases")]
    TooMany {
        /// The database.
        name: String,
    },
    /// The system does not give us a thread.
    #[error("resources exhausted: {name}: cannot start a thread ({source})")]
    Thread {
        /// The database.
        name: String,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The server has been closed, or is about to be.
    #[error("{name}: the server is closed")]
    Closed {
        /// The database.
        name: String,
    },
}

struct Known {
    mailbox: Arc<Mailbox>,
    /// The remote that the session belongs to.
    remote: String,
}

type Databases = BTreeMap<String, Arc<Served>>;

/// A server of any number of databases and of the built-in one, `_Server`. See the module's documentation.
///
/// Its methods are to be called within a tokio runtime. One with several threads serves others while it has much to do for
/// one client.
pub struct Server {
    id: Uuid,
    clock: Clock,
    writer_options: WriterOptions,
    /// Differences of columns are written, whatever those say.
    column_diff: AtomicBool,
    databases: ArcSwap<Databases>,
    server_db: ServerDb,
    /// Who answers for databases that are not among those.
    program: ArcSwapOption<Program>,
    /// Held while the set of databases changes.
    changing: tokio::sync::Mutex<()>,
    /// Rung when a database has come or gone, or has another schema.
    changed: Notify,
    locks: Arc<Locks>,
    sessions: Mutex<BTreeMap<SessionId, Known>>,
    /// The server is being closed, and nobody becomes a client any more. Changes under the lock of the sessions.
    is_closed: AtomicBool,
    /// Rung when the last session has ended of a server that is being closed.
    deserted: Notify,
    /// For how many clients the program has not heard yet that they are gone, or may have to.
    farewells: AtomicUsize,
    monitor_cond_disabled: AtomicBool,
    limits: Limits,
    budget: Arc<Budget>,
    tellers: Arc<Tellers>,
    lane: Arc<Lane>,
}

/// Something that is to be done at the end of a session. See [`Server::farewell`].
pub(crate) struct Farewell(Arc<Server>);

impl Drop for Farewell {
    fn drop(&mut self) {
        // After what was done.
        if self.0.farewells.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.deserted.notify_waiters();
        }
    }
}

impl Server {
    /// A server without databases but the built-in one.
    ///
    /// # Errors
    /// The system does not give us a thread.
    pub fn new(writer_options: WriterOptions) -> std::io::Result<Arc<Server>> {
        Server::with_limits(writer_options, Limits::default())
    }

    /// [`Server::new`] with limits of its own.
    ///
    /// # Errors
    /// As [`Server::new`].
    pub fn with_limits(
        writer_options: WriterOptions,
        limits: Limits,
    ) -> std::io::Result<Arc<Server>> {
        let locks = Arc::<Locks>::default();
        let server_db = ServerDb::start(locks.clone(), writer_options)?;
        let built_in = server_db.served().clone();
        let databases = Databases::from([(built_in.name().to_owned(), built_in)]);
        Ok(Arc::new(Server {
            id: fresh_uuid(),
            clock: Clock::default(),
            writer_options,
            column_diff: AtomicBool::new(false),
            databases: ArcSwap::from_pointee(databases),
            server_db,
            program: ArcSwapOption::empty(),
            changing: tokio::sync::Mutex::default(),
            changed: Notify::new(),
            locks,
            sessions: Mutex::default(),
            is_closed: AtomicBool::new(false),
            deserted: Notify::new(),
            farewells: AtomicUsize::new(0),
            monitor_cond_disabled: AtomicBool::new(false),
            limits,
            budget: Budget::new(limits.requests_bytes_max),
            tellers: Arc::default(),
            lane: Arc::default(),
        }))
    }

    /// The UUID by which clients tell servers apart (`get_server_id`). A new one for each process.
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// The limits of what clients may do.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// What the requests of all clients hold.
    pub fn budget(&self) -> &Arc<Budget> {
        &self.budget
    }

    /// Who tells clients what is new. To be called within the runtime.
    pub(crate) fn tellers(&self) -> &Arc<Tellers> {
        self.tellers.employ();
        &self.tellers
    }

    /// Where sessions run.
    pub(crate) fn lane(&self) -> &Arc<Lane> {
        &self.lane
    }

    /// The named locks.
    pub fn locks(&self) -> &Locks {
        &self.locks
    }

    /// Milliseconds since the server was made, by the clock for probes and attempts to connect.
    pub fn now_ms(&self) -> u64 {
        self.clock.now_ms()
    }

    /// The moment at which [`Server::now_ms`] will be `at_ms`.
    pub(crate) fn instant_of(&self, at_ms: u64) -> Instant {
        self.clock.instant_of(at_ms)
    }

    /// Waits until [`Server::now_ms`] is `at_ms`, or may have been moved.
    pub(crate) async fn sleep_until(&self, at_ms: u64) {
        self.clock.sleep_until(at_ms).await;
    }

    /// Stops the clock by which peers are probed and connected to again.
    pub fn stop_time(&self) {
        self.clock.stop();
        self.ring_all();
    }

    /// Moves that clock on.
    pub fn warp_time(&self, by_ms: u64) {
        self.clock.warp(by_ms);
        self.ring_all();
    }

    /// Has all sessions look at everything anew.
    fn ring_all(&self) {
        for known in self.sessions.lock().values() {
            known.mailbox.ring();
        }
    }

    /// Whether clients may use the methods `monitor_cond` and `monitor_cond_since`.
    pub fn is_monitor_cond_enabled(&self) -> bool {
        !self.monitor_cond_disabled.load(Ordering::Relaxed)
    }

    /// Makes the methods `monitor_cond` and `monitor_cond_since` unknown, for good, and disconnects all clients, so that
    /// they find out.
    pub fn disable_monitor_cond(&self) {
        self.monitor_cond_disabled.store(true, Ordering::Relaxed);
        self.disconnect_all(true, "user ran ovsdb-server/disable-monitor-cond");
    }

    /// All databases, the built-in one among them, sorted by name.
    pub fn databases(&self) -> Vec<Arc<Served>> {
        self.databases.load().values().cloned().collect()
    }

    /// The names of all databases, those that the program answers for among them, in order.
    pub(crate) fn database_names(&self) -> Vec<String> {
        let databases = self.databases.load();
        let mut names: Vec<String> = databases.keys().cloned().collect();
        if let Some(program) = self.program() {
            names.extend(program.databases().keys().cloned());
            names.sort_unstable();
        }
        names
    }

    /// The database of this name.
    pub fn database(&self, name: &str) -> Option<Arc<Served>> {
        self.databases.load().get(name).cloned()
    }

    /// Opens a database file and serves it. Clients that do not look after such changes themselves are disconnected, so
    /// that they notice.
    ///
    /// # Errors
    /// The file or its database cannot be served; it is closed then.
    pub async fn add_file(&self, path: &Path) -> Result<(), AddError> {
        self.add_file_behind(None, path).await
    }

    /// [`Server::add_file`] of a database whose clients have to pass a gate.
    pub(crate) async fn add_file_behind(
        &self,
        gate: Option<Arc<dyn Gate>>,
        path: &Path,
    ) -> Result<(), AddError> {
        let _changing = self.changing.lock().await;
        if self.is_open(path) {
            return Err(AddError::AlreadyOpen {
                name: path.display().to_string(),
            });
        }
        let owned = path.to_owned();
        let load = move || file::load_to_serve(&owned);
        let loaded = tokio::task::spawn_blocking(load)
            .await
            .expect("loading a file does not panic")?;
        if let Some(fault) = &loaded.fault {
            // Probably the file was cut short by a power failure. Its sound part is served.
            tracing::error!(target: "ovsdb_server", "{fault}");
        }
        let storage = Storage::File {
            loaded: Box::new(loaded),
            path: path.to_owned(),
        };
        self.add(gate, storage).await
    }

    /// Serves a database. See [`Server::add_file`].
    ///
    /// # Errors
    /// As [`Server::add_file`].
    pub async fn add_database(&self, storage: Storage) -> Result<(), AddError> {
        self.add_database_behind(None, storage).await
    }

    /// [`Server::add_database`] of one whose clients have to pass a gate.
    pub(crate) async fn add_database_behind(
        &self,
        gate: Option<Arc<dyn Gate>>,
        storage: Storage,
    ) -> Result<(), AddError> {
        let _changing = self.changing.lock().await;
        self.add(gate, storage).await
    }

    async fn add(&self, gate: Option<Arc<dyn Gate>>, storage: Storage) -> Result<(), AddError> {
        let name = storage.schema().name.to_string();
        if self.is_closed.load(Ordering::Relaxed) {
            return Err(AddError::Closed { name });
        }
        let databases = self.databases.load_full();
        if name.starts_with('_') {
            return Err(AddError::Reserved { name });
        }
        let program = self.program();
        let answered = program
            .iter()
            .flat_map(|program| program.databases().keys());
        if databases.contains_key(&name) || answered.clone().any(|other| *other == name) {
            return Err(AddError::Duplicate { name });
        }
        // The built-in one does not count.
        if databases.len() + answered.count() > limits::DATABASES_MAX {
            return Err(AddError::TooMany { name });
        }
        let (locks, options) = (self.locks.clone(), self.writer_options);
        let served = match Served::start_behind(gate, storage, locks, options) {
            Ok(served) => served,
            Err(source) => return Err(AddError::Thread { name, source }),
        };
        if self.column_diff.load(Ordering::Relaxed) {
            served.enable_column_diff();
        }
        let comment = format!("adding {name} database");
        // In this order: who comes back, or hears of the database from `_Server`, finds it.
        self.databases.rcu(|databases| {
            let mut databases = Databases::clone(databases);
            databases.insert(name.clone(), served.clone());
            databases
        });
        self.changed.notify_waiters();
        self.disconnect_all(false, &comment);
        self.database_changed(&name).await;
        Ok(())
    }

    /// Has all databases write differences of columns from now on, see [`WriterOptions::column_diff`].
    pub async fn enable_column_diff(&self) {
        let _changing = self.changing.lock().await;
        self.column_diff.store(true, Ordering::Relaxed);
        for served in self.databases() {
            served.enable_column_diff();
        }
    }

    /// Whether the file is that of a served database.
    fn is_open(&self, path: &Path) -> bool {
        let identity = |path: &Path| {
            std::fs::metadata(path)
                .map(|meta| (meta.dev(), meta.ino()))
                .ok()
        };
        let Some(wanted) = identity(path) else {
            return false;
        };
        self.databases()
            .iter()
            .filter_map(|served| served.path())
            .any(|path| identity(path) == Some(wanted))
    }

    /// Has `_Server` say what the database `name` is now: whether it is served, and under which schema. Returns when
    /// clients can see it.
    pub async fn database_changed(&self, name: &str) {
        self.server_db.tell(name, || self.schema(name)).await;
    }

    /// The schema of a database, whoever answers for it.
    fn schema(&self, name: &str) -> Option<Arc<Schema>> {
        match self.database(name) {
            Some(served) => Some(served.schema().clone()),
            None => Some(self.program()?.database(name)?.schema.clone()),
        }
    }

    /// The part of the server that the program answers for, if there is one.
    pub(crate) fn program(&self) -> Option<Arc<Program>> {
        self.program.load_full()
    }

    /// Has a program answer for the databases that `make` names, in the place of those that it has answered for before; with
    /// `None` for none any more.
    ///
    /// # Errors
    /// A name is taken or reserved, or there are too many databases. All is as before then.
    pub(crate) async fn set_program(
        &self,
        make: impl FnOnce(Option<&Program>) -> Option<Program>,
    ) -> Result<(), AddError> {
        let _changing = self.changing.lock().await;
        let before = self.program.load_full();
        let after = make(before.as_deref()).map(Arc::new);
        let databases = |program: &Option<Arc<Program>>| {
            let databases = program.as_ref().map(|program| program.databases().clone());
            databases.unwrap_or_default()
        };
        let (old, new) = (databases(&before), databases(&after));
        let served = self.databases.load_full();
        for name in new.keys().cloned() {
            if self.is_closed.load(Ordering::Relaxed) {
                return Err(AddError::Closed { name });
            }
            if name.starts_with('_') {
                return Err(AddError::Reserved { name });
            }
            if served.contains_key(&name) {
                return Err(AddError::Duplicate { name });
            }
            if served.len() + new.len() > limits::DATABASES_MAX + 1 {
                return Err(AddError::TooMany { name });
            }
        }
        self.program.store(after);
        self.changed.notify_waiters();
        let is_in = |all: &BTreeMap<String, Arc<Answered>>, name: &String, one: &Arc<Answered>| {
            all.get(name).is_some_and(|other| Arc::ptr_eq(other, one))
        };
        let gone = old.iter().filter(|(name, one)| !is_in(&new, name, one));
        let come = new.iter().filter(|(name, one)| !is_in(&old, name, one));
        let mut names: Vec<&String> = gone.clone().chain(come).map(|(name, _)| name).collect();
        names.sort_unstable();
        names.dedup();
        if let Some(first) = names.first() {
            self.disconnect_all(false, &format!("changing {first} database"));
        }
        for known in self.sessions.lock().values() {
            for (_, one) in gone.clone() {
                known.mailbox.deliver(Letter::DatabaseRemoved(one.id));
            }
        }
        for name in names {
            self.database_changed(name).await;
        }
        Ok(())
    }

    /// Stops serving a database. Its monitors and waiting transactions end, and clients that do not look after such
    /// changes themselves are disconnected with `comment` in the log. False if there is none of this name, or if it is
    /// built in.
    pub async fn remove(&self, name: &str, comment: &str) -> bool {
        let _changing = self.changing.lock().await;
        if name == server_db::NAME {
            return false;
        }
        let before = self.databases.rcu(|databases| {
            let mut databases = Databases::clone(databases);
            databases.remove(name);
            databases
        });
        let Some(served) = before.get(name) else {
            return false;
        };
        self.changed.notify_waiters();
        self.disconnect_all(false, comment);
        for known in self.sessions.lock().values() {
            known.mailbox.deliver(Letter::DatabaseRemoved(served.id()));
        }
        served.stop().await;
        // Last: who hears of it from `_Server` has heard of the monitors and transactions, and the file is closed.
        self.database_changed(name).await;
        true
    }

    /// Has a database converted to `schema`, which has its name. The session of `mailbox` is told what came of it, as the
    /// answer to the request that it calls `token`.
    ///
    /// Monitors and waiting transactions of all clients end with it. Those that do not look after such changes themselves
    /// are disconnected, that session last, after its answer.
    ///
    /// # Errors
    /// The database has been closed.
    pub(crate) fn convert(
        self: &Arc<Server>,
        database: &Arc<Served>,
        schema: Schema,
        mailbox: Arc<Mailbox>,
        token: Token,
    ) -> Result<(), Closed> {
        let (server, old, runtime) = (self.clone(), database.clone(), self.lane.outside());
        let done = move |converted: Converted| {
            let answer = Letter::Done(token, Answer::Converted(converted.result));
            let Some(hub) = converted.hub else {
                return mailbox.deliver(answer);
            };
            // Not `old` itself gives way: another conversion may have come before this one.
            server.succeed(&old.successor(hub));
            for (mailbox, token) in converted.canceled {
                let answer = match mailbox.is_db_change_aware() {
                    true => Answer::Canceled,
                    false => Answer::Untold,
                };
                mailbox.deliver(Letter::Done(token, answer));
            }
            let comment = format!("committed {} database schema conversion", old.name());
            server.say_goodbye(mailbox.id(), &comment);
            runtime.spawn(async move {
                // First: whoever has the answer finds the new schema there.
                server.database_changed(old.name()).await;
                let aware = mailbox.is_db_change_aware();
                let goodbye = (!aware).then_some(Letter::Goodbye(comment));
                // At once: nothing that the client asks after its answer is done any more.
                mailbox.deliver_all([answer].into_iter().chain(goodbye));
            });
        };
        let done = Box::new(done);
        database.convert(Conversion { schema, done })
    }

    /// Puts `new` in the place of what there is of the same database under another schema, and ends the monitors of that.
    fn succeed(&self, new: &Arc<Served>) {
        let before = self.databases.rcu(|databases| {
            let mut databases = Databases::clone(databases);
            // It may have been removed meanwhile.
            if let Some(served) = databases.get_mut(new.name())
                && served.is_same_database(new)
            {
                *served = new.clone();
            }
            databases
        });
        let old = before.get(new.name());
        let Some(old) = old.filter(|old| old.is_same_database(new)) else {
            return;
        };
        // Only now do those who look find the new one.
        old.hub().ring_all();
        self.changed.notify_waiters();
        for known in self.sessions.lock().values() {
            known.mailbox.deliver(Letter::DatabaseRemoved(old.id()));
        }
    }

    /// Disconnects the clients that do not look after changes themselves, all but that of one session, when they have
    /// what they have been sent.
    fn say_goodbye(&self, but: SessionId, comment: &str) {
        for (id, known) in self.sessions.lock().iter() {
            if *id != but && !known.mailbox.is_db_change_aware() {
                known.mailbox.deliver(Letter::Goodbye(comment.to_owned()));
            }
        }
    }

    /// Stops serving all databases. Clients are disconnected first, so that none hears of a server without databases.
    pub async fn close(&self) {
        let _changing = self.changing.lock().await;
        {
            let sessions = self.sessions.lock();
            self.is_closed.store(true, Ordering::Relaxed);
            for known in sessions.values() {
                known.mailbox.close(None);
            }
        }
        let databases = self.databases.swap(Arc::default());
        // It may hold what holds the server.
        self.program.store(None);
        self.changed.notify_waiters();
        for served in databases.values() {
            served.stop().await;
        }
    }

    /// Waits until no session is left, and the program has heard so. To be called after [`Server::close`], or it may take long.
    pub(crate) async fn deserted(&self) {
        loop {
            let mut deserted = pin!(self.deserted.notified());
            // Before the look, so that nothing happens between that and the wait.
            deserted.as_mut().enable();
            let is_told = self.farewells.load(Ordering::Acquire) == 0;
            if is_told && self.sessions.lock().is_empty() {
                return;
            }
            deserted.await;
        }
    }

    /// Has whoever waits for the end of all sessions wait until this is dropped, too. To be called by a session.
    pub(crate) fn farewell(self: &Arc<Self>) -> Farewell {
        self.farewells.fetch_add(1, Ordering::Relaxed);
        Farewell(self.clone())
    }

    /// Rung when a database has come or gone, or has another schema. Only those hear it who wait.
    pub(crate) fn databases_changed(&self) -> &Notify {
        &self.changed
    }

    /// Disconnects clients: all with `force`, else those that do not look after changes of the set of databases.
    /// `comment` says why, in the log.
    pub fn disconnect_all(&self, force: bool, comment: &str) {
        for known in self.sessions.lock().values() {
            if force || !known.mailbox.is_db_change_aware() {
                known.mailbox.close(Some(comment.to_owned()));
            }
        }
    }

    /// Adds a session of `remote` to the books, and gives it its mailbox. The session takes itself out.
    pub(crate) fn enroll_session(&self, remote: &str) -> Arc<Mailbox> {
        self.enroll(&mut self.sessions.lock(), remote)
    }

    /// [`Server::enroll_session`], unless there are [`Limits::sessions_max`] already.
    pub(crate) fn try_enroll_session(&self, remote: &str) -> Option<Arc<Mailbox>> {
        let mut sessions = self.sessions.lock();
        (sessions.len() < self.limits.sessions_max).then(|| self.enroll(&mut sessions, remote))
    }

    fn enroll(&self, sessions: &mut BTreeMap<SessionId, Known>, remote: &str) -> Arc<Mailbox> {
        let mailbox = Mailbox::new(SessionId::fresh());
        if self.is_closed.load(Ordering::Relaxed) {
            // It would find a server without databases, and take that for an answer.
            mailbox.close(None);
        }
        let known = Known {
            mailbox: mailbox.clone(),
            remote: remote.to_owned(),
        };
        sessions.insert(mailbox.id(), known);
        mailbox
    }

    pub(crate) fn forget_session(&self, id: SessionId) {
        let is_last = {
            let mut sessions = self.sessions.lock();
            sessions.remove(&id);
            sessions.is_empty()
        };
        if is_last && self.is_closed.load(Ordering::Relaxed) {
            self.deserted.notify_waiters();
        }
    }

    /// The sessions of one remote.
    pub(crate) fn sessions_of(&self, remote: &str) -> Vec<Arc<Mailbox>> {
        let sessions = self.sessions.lock();
        let of_remote = sessions.values().filter(|known| known.remote == remote);
        of_remote.map(|known| known.mailbox.clone()).collect()
    }

    /// How many clients are about to be told what is new.
    pub fn clients_to_tell(&self) -> usize {
        self.tellers.waiting()
    }

    /// How many clients are connected, by the connection methods of the remotes by which they came.
    pub fn sessions_by_method(&self) -> BTreeMap<String, usize> {
        // Those of which there are none at the moment, too.
        let methods = ["pfd", "pssl", "ptcp", "punix", "ssl", "tcp", "unix"];
        let mut counts: BTreeMap<String, usize> = methods.map(|it| (it.to_owned(), 0)).into();
        for known in self.sessions.lock().values() {
            let method = known.remote.split(':').next().unwrap_or_default();
            match counts.get_mut(method) {
                Some(count) => *count += 1,
                None => {
                    counts.insert(method.to_owned(), 1);
                }
            }
        }
        counts
    }

    /// How many clients are connected.
    pub fn sessions(&self) -> usize {
        self.sessions.lock().len()
    }
}
