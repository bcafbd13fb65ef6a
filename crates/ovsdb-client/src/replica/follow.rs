//! Follows a database: asks for a monitor in the best way that the server offers, makes versions of what it tells, and begins
//! anew where that does not fit together.
//!
//! This is a state machine. It is told what comes from the server, in order, and what time it is, and says what is to be
//! done. It knows one monitor at a time; what belongs to an earlier one is told by its number, and ignored.

use std::ops::RangeInclusive;
use std::sync::Arc;

use bytes::Bytes;
use ecow::EcoString;
use ovsdb_proto::error::OvsdbError;
use ovsdb_proto::json::{self, Json};
use ovsdb_proto::schema::{Projection, Schema, Selection};
use ovsdb_proto::updates::{Fault, Form, UpdatesError, UpdatesReader};
use ovsdb_proto::uuid::Uuid;
use ovsdb_proto::words::Method;

use super::conditions::{Conditions, Wanted, valid};
use super::envelope;
use super::index::Index;
use super::version::{Draft, Misfit, Version};

/// After a `monitor_canceled` the client says what schema the database has now. If it does not, the database may not have
/// changed: so long after, in milliseconds, the follower asks again.
const CANCELED_MS: u64 = 5_000;
/// The pause before the second attempt to begin anew, in milliseconds; the first is made at once, and each further pause is
/// twice as long.
const PAUSE_MS: u64 = 1_000;
/// After so many attempts that did not last, the server is given up.
const ATTEMPTS_MAX: u32 = 5;
/// What has been well for so long, in milliseconds, has lasted.
const LASTING_MS: u64 = 60_000;

/// Limits of what a replica keeps.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Rows of all tables together. A database that has more is not followed.
    pub rows_max: usize,
    /// Memory for rows, as [`Version::n_bytes`] counts it. A database that needs more is not followed.
    pub bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            rows_max: 32 << 20,
            bytes_max: 16 << 30,
        }
    }
}

/// What a follower is told.
#[derive(Clone, Debug)]
pub enum Input {
    /// There is a new connection to a server that serves the database with this schema.
    Up(Arc<Schema>),
    /// The database has this schema from now on, and monitors that there were before have ended.
    Schema(Arc<Schema>),
    /// The server answered a request: by the text of its result, or by an error.
    Reply {
        /// The [`Action::Request`].
        request: u64,
        /// The text of the result, which may be anything from one bracket to the one that closes it; or the error.
        result: Result<Bytes, Json>,
    },
    /// The server answered [`Action::AskSchema`]: by the text of the result, or by an error.
    Confirmed {
        /// The monitor for which that was asked.
        monitor: u64,
        /// As in [`Input::Reply`].
        result: Result<Bytes, Json>,
    },
    /// The server sent an `update`, `update2`, `update3` or `monitor_canceled` for a monitor of this follower.
    Notification {
        /// The method.
        method: Method,
        /// The number of the monitor.
        monitor: u64,
        /// The text of the parameters.
        params: Bytes,
    },
    /// The server sent several such updates one after another. Readers do not see what is between them.
    Updates {
        /// The method of each: an `update`, `update2` or `update3`.
        method: Method,
        /// The number of the monitor.
        monitor: u64,
        /// The text of the parameters of each.
        params: Vec<Bytes>,
    },
    /// Of these tables only rows that meet these clauses are wanted: arrays as in a `where`, each for the table that is named.
    Conditions(Vec<(EcoString, Json)>),
    /// The contents are to have this index from now on.
    Index(Arc<Index>),
    /// Somebody has found that the contents are not what the server has.
    Unequal,
    /// The connection is over.
    Down,
    /// It is time for what [`Follower::wakes_at`] said.
    Tick,
}

/// What is to be done.
#[derive(Clone, Debug)]
pub enum Action {
    /// Make a request.
    Request {
        /// By which the reply names it. No number is used twice.
        request: u64,
        /// The method.
        method: Method,
        /// The text of the parameters.
        params: Bytes,
    },
    /// Ask for the schema of the database, by `get_schema`, so that it is known what a monitor was made for.
    AskSchema {
        /// By which the reply names it.
        monitor: u64,
    },
    /// Show this to readers from now on.
    Publish(Arc<Version>),
    /// Say that the contents are according to the conditions up to this revision (see [`Follower::revision`]), as far as they
    /// were not refused.
    Confirm(u64),
    /// Say that the conditions of these revisions were refused. What was so before still holds.
    Refuse {
        /// The revisions, as far as they have not been confirmed or refused before.
        revisions: RangeInclusive<u64>,
        /// Why.
        error: Json,
    },
    /// Say in the log what is wrong with what the server tells. The follower takes care of it.
    Warn(Trouble),
    /// End the connection, and find another server if there is one.
    Reject(Trouble),
}

/// Why a follower begins anew, or no longer follows.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Trouble {
    /// The server sent something else than what was to come, by the envelope of a message.
    #[error("the server sent no valid {0}")]
    Malformed(Method),
    /// The server sent an update that is none of the tables that are monitored.
    #[error(transparent)]
    Update(#[from] UpdatesError),
    /// The server sent an update that does not fit the rows that there are.
    #[error(transparent)]
    Misfit(#[from] Misfit),
    /// The server sent an update before the initial contents.
    #[error("the server sent {0} before it answered the request for the monitor")]
    OutOfTurn(Method),
    /// The server sent an update of another kind than it was asked for.
    #[error("the server sent {0} for a monitor of another kind")]
    WrongKind(Method),
    /// The server refuses every kind of monitor.
    #[error("the server refuses to be monitored: {0}")]
    Refused(Json),
    /// Somebody has found that the contents are not what the server has.
    #[error("the contents are not what the server has")]
    Unequal,
    /// The monitor was asked for by a schema that the database no longer has.
    #[error("the database was converted before it was monitored")]
    Outdated,
    /// The database has no such column or value as in a condition. All rows of the table are followed instead.
    #[error("table {table} cannot have the condition that was set: {error}")]
    Condition {
        /// The table.
        table: EcoString,
        /// What is wrong with it.
        error: OvsdbError,
    },
    /// There are more rows than [`Limits::rows_max`].
    #[error("the database has more than {0} rows")]
    TooLarge(usize),
    /// The rows need more memory than [`Limits::bytes_max`].
    #[error("the rows need more than {0} bytes")]
    TooMuch(usize),
}

impl Trouble {
    /// Whether the server sent what does not even look like an answer.
    pub(super) fn is_garbage(&self) -> bool {
        match self {
            Trouble::Malformed(_) => true,
            Trouble::Update(error) => matches!(error.fault, Fault::Json(_)),
            _ => false,
        }
    }
}

/// How things stand with a replica.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Status {
    /// There are no contents yet.
    Empty,
    /// The contents follow the server's.
    Live,
    /// The contents are those of a while ago: there is no connection, or no monitor on it yet.
    Stale,
    /// The contents are those of a while ago. What the server told did not fit, and all is asked for again.
    Repairing(Trouble),
    /// The server refuses to be monitored, also by the schema that the database has. It is asked again, more and more rarely;
    /// contents, if there are any, are those of a while ago.
    Refused(Json),
    /// There are no contents, and there will be none.
    Failed(Trouble),
}

/// The kinds of monitor, the best last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Plain,
    Cond,
    Since,
}

impl Kind {
    fn method(self) -> Method {
        match self {
            Kind::Plain => Method::Monitor,
            Kind::Cond => Method::MonitorCond,
            Kind::Since => Method::MonitorCondSince,
        }
    }

    /// The notification by which updates come.
    fn update(self) -> Method {
        match self {
            Kind::Plain => Method::Update,
            Kind::Cond => Method::Update2,
            Kind::Since => Method::Update3,
        }
    }

    fn form(self) -> Form {
        match self {
            Kind::Plain => Form::Updates,
            Kind::Cond | Kind::Since => Form::Updates2,
        }
    }

    /// The next worse kind.
    fn worse(self) -> Option<Kind> {
        match self {
            Kind::Plain => None,
            Kind::Cond => Some(Kind::Plain),
            Kind::Since => Some(Kind::Cond),
        }
    }
}

#[derive(Clone, Debug)]
enum State {
    /// There is no connection, or one that was rejected.
    Down,
    /// A monitor was asked for.
    Asked {
        request: u64,
        monitor: u64,
        /// The transaction since which updates are asked for.
        since: Option<Uuid>,
        /// The conditions that it is to begin with, and their revision.
        conditions: (Wanted, u64),
    },
    /// The monitor tells what changes.
    Live { monitor: u64, since_ms: u64 },
    /// There is a connection, and no monitor on it until then.
    Pause { until_ms: u64 },
    /// Nothing is followed any more.
    Failed,
}

/// Follows a database. See the module's documentation.
pub struct Follower {
    database: EcoString,
    selection: Selection,
    limits: Limits,
    /// The id, on the wire, of the monitor with this number.
    monitor_id: Box<dyn Fn(u64) -> Json + Send>,
    state: State,
    /// The schema that the database has.
    schema: Option<Arc<Schema>>,
    /// Indexes that all contents are to have.
    indexes: Vec<Arc<Index>>,
    conditions: Conditions,
    /// The last revision of them that was confirmed.
    confirmed: u64,
    /// What is followed of the schema that the database has, and how to read updates of it.
    reading: Option<(Arc<Projection>, UpdatesReader)>,
    /// The contents; a version that is shown never changes.
    version: Option<Arc<Version>>,
    /// The last transaction that is in the contents, if they fit what is followed now and the server names transactions.
    last: Option<Uuid>,
    /// The best kind of monitor that the server has not refused.
    kind: Kind,
    next_monitor: u64,
    next_request: u64,
    /// How often in succession contents did not last.
    attempts: u32,
    trouble: Option<Trouble>,
    /// If the trouble is that the server refuses to be monitored: whether that is not for the sake of a schema that the database
    /// no longer has.
    is_refused: bool,
}

impl Follower {
    /// A follower without a connection. `monitor_id` makes ids for monitors of their numbers, each its own.
    pub fn new(
        database: impl Into<EcoString>,
        selection: Selection,
        limits: Limits,
        monitor_id: impl Fn(u64) -> Json + Send + 'static,
    ) -> Follower {
        Follower {
            database: database.into(),
            selection,
            limits,
            monitor_id: Box::new(monitor_id),
            state: State::Down,
            schema: None,
            indexes: Vec::new(),
            conditions: Conditions::default(),
            confirmed: 0,
            reading: None,
            version: None,
            last: None,
            kind: Kind::Since,
            next_monitor: 0,
            next_request: 0,
            attempts: 0,
            trouble: None,
            is_refused: false,
        }
    }

    /// The contents, once there are any.
    pub fn version(&self) -> Option<&Arc<Version>> {
        self.version.as_ref()
    }

    /// How things stand.
    pub fn status(&self) -> Status {
        match (&self.state, &self.trouble) {
            (State::Live { .. }, _) => Status::Live,
            (State::Failed, Some(trouble)) => Status::Failed(trouble.clone()),
            (_, Some(Trouble::Refused(error))) if self.is_refused => Status::Refused(error.clone()),
            _ if self.version.is_none() => Status::Empty,
            (State::Asked { .. } | State::Pause { .. }, Some(trouble)) => {
                Status::Repairing(trouble.clone())
            }
            _ => Status::Stale,
        }
    }

    /// Whether the contents follow the server's: whether that is its [status](Follower::status).
    pub(super) fn is_live(&self) -> bool {
        matches!(self.state, State::Live { .. })
    }

    /// When it wants an [`Input::Tick`], in milliseconds of the clock that [`Follower::step`] is told.
    pub fn wakes_at(&self) -> Option<u64> {
        match self.state {
            State::Pause { until_ms } => Some(until_ms),
            _ => None,
        }
    }

    /// Goes on with what has come. `now_ms` is a time in milliseconds, since whenever, that never goes back.
    pub fn step(&mut self, now_ms: u64, input: Input) -> Vec<Action> {
        let mut actions = Vec::new();
        if matches!(self.state, State::Failed) {
            return actions;
        }
        match input {
            Input::Up(schema) => {
                self.attempts = 0;
                self.trouble = None;
                self.adopt(schema, &mut actions);
                self.ask(&mut actions);
            }
            Input::Schema(schema) if !matches!(self.state, State::Down) => {
                // The names of transactions from before a conversion are of no use after it.
                self.last = None;
                self.adopt(schema, &mut actions);
                self.ask(&mut actions);
            }
            Input::Schema(_) => {}
            Input::Reply { request, result } => self.reply(now_ms, request, result, &mut actions),
            Input::Confirmed { monitor, result } => {
                self.confirmed(now_ms, monitor, &result, &mut actions);
            }
            Input::Notification {
                method,
                monitor,
                params,
            } => self.notification(now_ms, method, monitor, &[params], &mut actions),
            Input::Updates {
                method,
                monitor,
                params,
            } => self.notification(now_ms, method, monitor, &params, &mut actions),
            Input::Conditions(changes) => self.want(changes, &mut actions),
            Input::Index(index) => {
                if let Some(version) = &self.version {
                    let version = Arc::new(version.indexed(&index));
                    self.version = Some(Arc::clone(&version));
                    actions.push(Action::Publish(version));
                }
                self.indexes.push(index);
            }
            Input::Unequal => match self.state {
                State::Live { .. } | State::Asked { .. } => {
                    self.repair(now_ms, Trouble::Unequal, &mut actions);
                }
                _ => self.last = None,
            },
            Input::Down => {
                // Another server may not.
                self.is_refused = false;
                self.forget_monitor();
                self.state = State::Down;
            }
            Input::Tick => {
                if self.wakes_at().is_some_and(|until_ms| until_ms <= now_ms) {
                    self.ask(&mut actions);
                }
            }
        }
        actions
    }

    /// Follows nothing any more. Says what is to be done last; the contents stay.
    pub fn close(&mut self) -> Vec<Action> {
        let mut actions = Vec::new();
        self.cancel(&mut actions);
        self.state = State::Failed;
        actions
    }

    /// The conditions that the server has confirmed for the monitor that there is.
    pub(super) fn conditions(&self) -> &Wanted {
        self.conditions.known()
    }

    /// How often conditions have been set.
    pub fn revision(&self) -> u64 {
        self.conditions.revision()
    }

    /// Wants other rows, if there can be such.
    fn want(&mut self, changes: Vec<(EcoString, Json)>, actions: &mut Vec<Action>) {
        if let Some(schema) = &self.schema {
            let errors = changes
                .iter()
                .map(|(table, json)| valid(schema, table, json));
            if let Some(error) = errors.filter_map(Result::err).next() {
                let revision = self.conditions.want([]);
                actions.push(Action::Refuse {
                    revisions: revision..=revision,
                    error: error.to_json(),
                });
                self.change(actions);
                return;
            }
        }
        self.conditions.want(changes);
        self.change(actions);
    }

    /// Asks for the rows that are wanted, if those of the monitor are others and it can have conditions.
    fn change(&mut self, actions: &mut Vec<Action>) {
        let State::Live { monitor, .. } = self.state else {
            return;
        };
        if self.conditions.is_changing() {
            return;
        }
        let followed = self.reading.as_ref().map(|(projection, _)| projection);
        let change = self.conditions.change().map(|mut change| {
            let is_followed = |table: &str| {
                followed.is_some_and(|followed| followed.schema.table_id(table).is_some())
            };
            change.tables.retain(|table, _| is_followed(table));
            change.tables
        });
        match change.filter(|tables| !tables.is_empty() && self.kind != Kind::Plain) {
            Some(tables) => {
                let params = envelope::change_params(&(self.monitor_id)(monitor), tables);
                let request = self.request(Method::MonitorCondChange, params, actions);
                self.conditions.asked(request);
            }
            None => {
                let revision = self.conditions.settle();
                self.confirm(revision, actions);
            }
        }
    }

    fn confirm(&mut self, revision: u64, actions: &mut Vec<Action>) {
        if revision > self.confirmed {
            self.confirmed = revision;
            actions.push(Action::Confirm(revision));
        }
    }

    /// The monitor is over. If it was about to change its conditions, nobody knows which rows it told of.
    fn forget_monitor(&mut self) {
        if self.conditions.is_changing() {
            self.last = None;
        }
        self.conditions.ended();
    }

    /// Asks whether the newest monitor was asked for by the schema that the database has.
    fn ask_schema(&self, actions: &mut Vec<Action>) {
        if let (Some(monitor), State::Live { .. } | State::Asked { .. } | State::Pause { .. }) =
            (self.next_monitor.checked_sub(1), &self.state)
        {
            actions.push(Action::AskSchema { monitor });
        }
    }

    /// Follows what is chosen of `schema` from now on.
    fn adopt(&mut self, schema: Arc<Schema>, actions: &mut Vec<Action>) {
        self.forget_monitor();
        // What was refused may have been refused for the sake of the schema.
        self.kind = Kind::Since;
        self.is_refused = false;
        if let Some((table, error)) = self.conditions.drop_invalid(&schema) {
            self.last = None;
            actions.push(Action::Refuse {
                revisions: self.confirmed + 1..=self.conditions.revision(),
                error: error.to_json(),
            });
            actions.push(Action::Warn(Trouble::Condition { table, error }));
        }
        let new = schema.project(&self.selection);
        self.schema = Some(schema);
        let is_same = |(old, _): &(Arc<Projection>, UpdatesReader)| {
            old.missing == new.missing && old.schema.is_equivalent(&new.schema)
        };
        if self.reading.as_ref().is_some_and(is_same) {
            return;
        }
        self.last = None;
        let reader = UpdatesReader::new(Arc::clone(&new.schema));
        self.reading = Some((Arc::new(new), reader));
    }

    fn request(&mut self, method: Method, params: Bytes, actions: &mut Vec<Action>) -> u64 {
        let request = self.next_request;
        self.next_request += 1;
        actions.push(Action::Request {
            request,
            method,
            params,
        });
        request
    }

    /// Asks for a monitor of the best kind that there is.
    fn ask(&mut self, actions: &mut Vec<Action>) {
        let Some((projection, _)) = &self.reading else {
            return;
        };
        let monitor = self.next_monitor;
        self.next_monitor += 1;
        let is_since = self.kind == Kind::Since;
        let since = self.last.filter(|_| is_since);
        let mut conditions = self.conditions.to_begin_with(since.is_some());
        if self.kind == Kind::Plain {
            conditions.0.clear();
        }
        let params = envelope::monitor_params(
            &self.database,
            (self.monitor_id)(monitor),
            projection,
            |table| self.selection.has_version(table),
            &conditions.0,
            is_since.then(|| self.last.unwrap_or(Uuid::ZERO)),
        );
        let request = self.request(self.kind.method(), params, actions);
        self.state = State::Asked {
            request,
            monitor,
            since,
            conditions,
        };
    }

    fn reply(
        &mut self,
        now_ms: u64,
        request: u64,
        result: Result<Bytes, Json>,
        actions: &mut Vec<Action>,
    ) {
        if let Some(revision) = self.conditions.replied(request, result.is_err()) {
            match result {
                Ok(_) => self.confirm(revision, actions),
                Err(error) => actions.push(Action::Refuse {
                    revisions: self.confirmed + 1..=revision,
                    error,
                }),
            }
            if self.conditions.revision() > revision {
                self.change(actions);
            }
            return;
        }
        let State::Asked {
            request: expected,
            monitor,
            since,
            ref conditions,
        } = self.state
        else {
            return;
        };
        if request != expected {
            return;
        }
        let (conditions, revision) = conditions.clone();
        match result {
            Err(error) => match self.kind.worse() {
                // Whatever the error says: servers have different words for what they do not know.
                Some(worse) => {
                    self.kind = worse;
                    self.ask(actions);
                }
                None => {
                    self.state = State::Pause { until_ms: now_ms };
                    self.repair(now_ms, Trouble::Refused(error), actions);
                    // It may have been asked by a schema that the database no longer has.
                    self.ask_schema(actions);
                }
            },
            Ok(text) => match self.begin(since, &text) {
                Ok(version) => {
                    self.state = State::Live {
                        monitor,
                        since_ms: now_ms,
                    };
                    self.trouble = None;
                    self.conditions.began(conditions, revision);
                    self.ask_schema(actions);
                    self.show(version, actions);
                    self.change(actions);
                }
                Err(trouble) => self.repair(now_ms, trouble, actions),
            },
        }
    }

    /// Looks whether the newest monitor was asked for by the schema that the database has.
    ///
    /// The server tells those of a conversion whose monitors it ends: nobody who is about to ask for one.
    fn confirmed(
        &mut self,
        now_ms: u64,
        monitor: u64,
        result: &Result<Bytes, Json>,
        actions: &mut Vec<Action>,
    ) {
        let is_newest = monitor + 1 == self.next_monitor && !matches!(self.state, State::Down);
        // An error says that the database is gone, which the client finds out by itself.
        let (true, Ok(text), Some(known)) = (is_newest, result, &self.schema) else {
            return;
        };
        let schema = json::parse(text).ok();
        match schema.and_then(|json| Schema::from_json(&json).ok()) {
            None => self.repair(now_ms, Trouble::Malformed(Method::GetSchema), actions),
            Some(schema) if schema.is_equivalent(known) => {
                self.is_refused = matches!(self.trouble, Some(Trouble::Refused(_)));
            }
            Some(schema) => {
                self.adopt(Arc::new(schema), actions);
                self.repair(now_ms, Trouble::Outdated, actions);
            }
        }
    }

    /// The version that the reply to a request for a monitor leads to.
    fn begin(&mut self, since: Option<Uuid>, text: &[u8]) -> Result<Version, Trouble> {
        let malformed = || Trouble::Malformed(self.kind.method());
        let (found, last, updates) = match self.kind {
            Kind::Since => {
                let text = std::str::from_utf8(text).map_err(|_| malformed())?;
                let reply = envelope::since_reply(text).map_err(|_| malformed())?;
                (reply.found, reply.last, reply.updates.as_bytes())
            }
            Kind::Plain | Kind::Cond => (false, None, text),
        };
        let Some((projection, reader)) = &mut self.reading else {
            return Err(malformed());
        };
        let updates = reader.read(self.kind.form(), updates)?;
        let version = match (&self.version, since) {
            (Some(version), Some(_)) if found => version.updated(updates)?,
            (Some(version), _) => version.replaced(Arc::clone(projection), updates)?,
            (None, _) => {
                let empty = Version::empty(Arc::clone(projection));
                let indexes = self.indexes.iter();
                let empty = indexes.fold(empty, |version, index| version.indexed(index));
                empty.replaced(Arc::clone(projection), updates)?
            }
        };
        self.last = last;
        Ok(version)
    }

    fn notification(
        &mut self,
        now_ms: u64,
        method: Method,
        monitor: u64,
        several: &[Bytes],
        actions: &mut Vec<Action>,
    ) {
        let (current, is_live) = match self.state {
            State::Live { monitor, .. } => (monitor, true),
            State::Asked { monitor, .. } => (monitor, false),
            State::Down | State::Pause { .. } | State::Failed => return,
        };
        if monitor != current {
            return;
        }
        if method == Method::MonitorCanceled {
            self.forget_monitor();
            self.last = None;
            self.state = State::Pause {
                until_ms: now_ms + CANCELED_MS,
            };
            return;
        }
        if !is_live {
            self.repair(now_ms, Trouble::OutOfTurn(method), actions);
            return;
        }
        match self.update(method, several) {
            Ok(Some(version)) => self.show(version, actions),
            Ok(None) => {}
            Err(trouble) => self.repair(now_ms, trouble, actions),
        }
    }

    /// The version that updates one after another lead to, if they change anything.
    fn update(&mut self, method: Method, several: &[Bytes]) -> Result<Option<Version>, Trouble> {
        if method != self.kind.update() {
            return Err(Trouble::WrongKind(method));
        }
        let malformed = || Trouble::Malformed(method);
        let (Some((_, reader)), Some(version)) = (&mut self.reading, &self.version) else {
            return Err(malformed());
        };
        let mut draft = None;
        for params in several {
            let text = std::str::from_utf8(params).map_err(|_| malformed())?;
            let update =
                envelope::update(text, self.kind == Kind::Since).map_err(|_| malformed())?;
            let updates = reader.read(self.kind.form(), update.updates.as_bytes())?;
            if updates.iter().any(|table| !table.rows.is_empty()) {
                draft
                    .get_or_insert_with(|| version.draft())
                    .update(updates)?;
            }
            self.last = update.last;
        }
        Ok(draft.map(Draft::finish))
    }

    fn show(&mut self, version: Version, actions: &mut Vec<Action>) {
        let Limits {
            rows_max,
            bytes_max,
        } = self.limits;
        let trouble = match (version.n_rows() > rows_max, version.n_bytes() > bytes_max) {
            (true, _) => Some(Trouble::TooLarge(rows_max)),
            (false, true) => Some(Trouble::TooMuch(bytes_max)),
            (false, false) => None,
        };
        if let Some(trouble) = trouble {
            self.cancel(actions);
            actions.push(Action::Warn(trouble.clone()));
            self.trouble = Some(trouble);
            self.state = State::Failed;
            self.version = None;
            self.reading = None;
            return;
        }
        let version = Arc::new(version);
        self.version = Some(Arc::clone(&version));
        actions.push(Action::Publish(version));
    }

    /// Asks the server to end the monitor, if there may be one.
    fn cancel(&mut self, actions: &mut Vec<Action>) {
        if let State::Live { monitor, .. } | State::Asked { monitor, .. } = self.state {
            let params = envelope::cancel_params((self.monitor_id)(monitor));
            self.request(Method::MonitorCancel, params, actions);
        }
    }

    /// Begins anew: at once, after a pause, or with another server. What readers see stays as it was.
    fn repair(&mut self, now_ms: u64, trouble: Trouble, actions: &mut Vec<Action>) {
        if let State::Live { since_ms, .. } = self.state
            && now_ms - since_ms >= LASTING_MS
        {
            self.attempts = 0;
        }
        self.forget_monitor();
        self.last = None;
        self.attempts += 1;
        self.trouble = Some(trouble.clone());
        if trouble.is_garbage() || self.attempts > ATTEMPTS_MAX {
            self.is_refused = false;
            self.state = State::Down;
            actions.push(Action::Reject(trouble));
            return;
        }
        self.cancel(actions);
        actions.push(Action::Warn(trouble));
        match self.attempts.checked_sub(2) {
            None => self.ask(actions),
            Some(before) => {
                self.state = State::Pause {
                    until_ms: now_ms + (PAUSE_MS << before),
                };
            }
        }
    }
}

#[cfg(test)]
mod tests;
