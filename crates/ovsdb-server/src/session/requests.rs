//! The methods of the server (RFC 7047, section 4.1; ovsdb-server(7)): a line for each, then what each does.

use std::collections::VecDeque;
use std::fmt::Display;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use ovsdb_engine::{Context, Outcome, effort, execute};
use ovsdb_proto::error::{ErrorTag, OvsdbError};
use ovsdb_proto::json::Json;
use ovsdb_proto::json::cursor::{Cursor, Stop};
use ovsdb_proto::jsonrpc::{self, Message};
use ovsdb_proto::operation::{Transact, parse_transact, read_transact};
use ovsdb_proto::parser::is_id;
use ovsdb_proto::words::{Method, UNKNOWN_METHOD};
use tokio::time::Instant;
use tracing::Level;

use crate::access::Access;
use crate::database::Served;
use crate::indexing::Mark;
use crate::lane;
use crate::limits;
use crate::locks::{LockError, LockMode};
use crate::mailbox::{Answer, Token};
use crate::runtime::fresh_uuid;
use crate::writer::Job;

use super::gate::refused;
use super::monitors::Protocol;
use super::transactions::IdUse;
use super::{Outgoing, Postponed, Session, in_place, make_indexes};

/// The error of a transaction that was canceled (RFC 7047, section 4.1.4).
pub(super) fn canceled() -> Json {
    Json::string(ErrorTag::Canceled.as_str())
}

/// What a session is told that parks more transactions than it may.
pub(super) const TOO_MANY_PARKED: &str = "too many transactions of this session are waiting";

/// The results of a transaction that was given up because too many are waiting.
pub(super) fn exhausted() -> Json {
    let error = OvsdbError::new(ErrorTag::ResourcesExhausted, TOO_MANY_PARKED);
    Json::Array(vec![error.to_json()])
}

/// A `transact` request whose operations have been read.
pub(super) struct ReadTransact {
    pub(super) database: Arc<Served>,
    pub(super) id: Json,
    pub(super) transact: Transact,
    received: Instant,
    /// The gate of the database has been asked.
    has_passed: bool,
}

/// What has become of a transaction that changes nothing.
enum Read {
    Done(Answer),
    /// A `wait` is not met.
    Blocked,
    /// It looks at much: the session goes to the lane first.
    Postponed,
}

/// What a method answers: a result, or the `error` member of the reply.
pub(super) type Reply = Result<Json, Json>;

pub(super) fn refusal(error: OvsdbError) -> Json {
    error.to_json()
}

/// A syntax error that shows the parameters.
pub(super) fn bad_params(params: &[Json], details: String) -> Json {
    refusal(OvsdbError::syntax(&Json::Array(params.to_vec()), details))
}

impl Session {
    pub(super) fn handle_request(&mut self, method: &str, params: Vec<Json>, id: Json) {
        let known = Method::from_text(method).filter(|method| match method {
            Method::MonitorCond | Method::Monitor2 | Method::MonitorCondSince => {
                self.server.is_monitor_cond_enabled()
            }
            _ => true,
        });
        let Some(method) = known else {
            return match Method::from_text(method) {
                None => self.ask_unknown(method, params, id),
                Some(_) => self.refuse(&id, &Json::string(UNKNOWN_METHOD)),
            };
        };
        let Some((params, id)) = self.ask_service(method.as_str(), params, id) else {
            return;
        };
        let reply = match method {
            Method::Transact => return self.transact(params, id),
            Method::Convert => return self.convert(&params, id),
            Method::Monitor => return self.monitor(method, Protocol::Monitor, &params, &id),
            Method::MonitorCond | Method::Monitor2 => {
                return self.monitor(method, Protocol::Cond, &params, &id);
            }
            Method::MonitorCondSince => {
                return self.monitor(method, Protocol::CondSince, &params, &id);
            }
            Method::MonitorCondChange => self.monitor_cond_change(&params),
            Method::GetSchema => return self.get_schema(&params, &id),
            Method::MonitorCancel => self.monitor_cancel(&params),
            Method::ListDbs => self.list_dbs(),
            Method::GetServerId => Ok(Json::string(self.server.id().to_string())),
            Method::Lock => self.lock(method, &params, LockMode::Wait),
            Method::Steal => self.lock(method, &params, LockMode::Steal),
            Method::Unlock => self.unlock(method, &params),
            Method::SetDbChangeAware => self.set_db_change_aware(method, &params),
            Method::Echo => Ok(Json::Array(params)),
            // Methods that this server does not serve, and those that only servers send.
            _ => Err(Json::string(UNKNOWN_METHOD)),
        };
        match reply {
            Ok(result) => self.reply(&id, |out| result.write_to(out)),
            Err(error) => self.refuse(&id, &error),
        }
    }

    /// Answers a request for a method that the server does not know.
    fn ask_unknown(&mut self, method: &str, params: Vec<Json>, id: Json) {
        if let Some((_, id)) = self.ask_service(method, params, id) {
            self.refuse(&id, &Json::string(UNKNOWN_METHOD));
        }
    }

    /// The database whose indexes others are making, and since when they do, if the message is one whose conditions may ask
    /// for them. If they are wanted and nobody makes them, they are made. The message is the next one that is to be handled,
    /// and waits for those only who were at it when it was first looked at.
    pub(super) fn indexing_for(&self, message: &Message) -> Option<(Arc<Served>, Mark)> {
        let Message::Request { method, params, .. } = message else {
            return None;
        };
        let has_conditions = |method: &Method| {
            matches!(
                method,
                Method::MonitorCond
                    | Method::Monitor2
                    | Method::MonitorCondSince
                    | Method::MonitorCondChange
            )
        };
        let method = Method::from_text(method).filter(has_conditions)?;
        let database = match method {
            Method::MonitorCondChange => self
                .monitors
                .at(self.monitors.find(params.first()?)?)
                .0
                .clone(),
            _ => self.server.database(params.first()?.as_str()?)?,
        };
        let indexing = database.hub().indexing();
        let mark = match Mark::of_number(self.indexes_awaited.load(Ordering::Relaxed)) {
            Some(mark) => mark,
            None => {
                make_indexes(&database);
                let mark = indexing.mark()?;
                self.indexes_awaited.store(mark.number(), Ordering::Relaxed);
                mark
            }
        };
        (!indexing.is_over(mark)).then_some((database, mark))
    }

    pub(super) fn handle_notification(&mut self, method: &str, params: &[Json]) {
        // Notifications that nobody knows are ignored.
        if Method::from_text(method) == Some(Method::Cancel) {
            self.cancel(params);
        }
    }

    /// Writes to the log that the client was refused something because it has too much.
    pub(super) fn log_refusal(&self, details: &str) {
        let name = self.link.name();
        tracing::info!(target: "ovsdb_jsonrpc_server", per_minute = 5, burst = 5, "{name}: {details}");
    }

    /// Refuses a request because the client has too much.
    pub(super) fn exhausted(&self, details: &str) -> Json {
        self.log_refusal(details);
        refusal(OvsdbError::new(ErrorTag::ResourcesExhausted, details))
    }

    /// The database that a request is about: its first parameter names it.
    pub(super) fn database(
        &mut self,
        method: Method,
        params: &[Json],
    ) -> Result<Arc<Served>, Json> {
        let Some(name) = params.first().and_then(Json::as_str) else {
            return Err(bad_params(
                params,
                format!("{method} request params must begin with <db-name>"),
            ));
        };
        let found = self.server.database(name).or_else(|| {
            // Updates leave before the refusal. Should they tell that the database has come, it is here now.
            self.send_updates();
            self.server.database(name)
        });
        found.ok_or_else(|| {
            let details = format!("{method} request specifies unknown database {name}");
            let error = OvsdbError::new(ErrorTag::UnknownDatabase, details);
            refusal(error.at(&Json::Array(params.to_vec())))
        })
    }

    fn transact(&mut self, params: Vec<Json>, id: Json) {
        let received = Instant::now();
        let database = match self.database(Method::Transact, &params) {
            Ok(database) => database,
            Err(error) => return self.refuse(&id, &error),
        };
        if let Some(error) = self.duplicate_id(Method::Transact, &params, &id) {
            return self.refuse(&id, &error);
        }
        let transact = in_place(self.last_message_bytes, || {
            parse_transact(database.schema(), &params[1..], &mut fresh_uuid)
        });
        drop(params);
        self.submit(ReadTransact {
            database,
            id,
            transact,
            received,
            has_passed: false,
        });
    }

    /// Reads a message straight into operations, with no tree in between: if it is a `transact` request of the usual form,
    /// about a database that is here, and can be handled at once. All else is parsed, which has words for what is wrong.
    pub(super) fn read_transact(&self, message: &[u8]) -> Option<ReadTransact> {
        let received = Instant::now();
        let is_shown = tracing::enabled!(target: "jsonrpc", Level::DEBUG);
        let is_held = !self.held.is_empty() || self.waits_for_room() || self.is_converting;
        if is_shown || is_held || self.transactions.is_flight_full() {
            return None;
        }
        let operations = |name: &str, cursor: &mut Cursor<'_>| {
            let database = self.server.database(name).ok_or(Stop::Unexpected)?;
            let transact = read_transact(database.schema(), cursor, &mut fresh_uuid)?;
            Ok((database, transact))
        };
        let read = in_place(message.len(), || {
            let text = std::str::from_utf8(message).ok()?;
            jsonrpc::read_transact(text, operations).ok()
        });
        let (id, (database, transact)) = read?;
        (self.transactions.id_use(&id) == IdUse::Free).then_some(ReadTransact {
            database,
            id,
            transact,
            received,
            has_passed: false,
        })
    }

    /// Has a transaction executed.
    pub(super) fn submit(&mut self, mut read: ReadTransact) {
        if let Some(gate) = read.database.gate()
            && !std::mem::replace(&mut read.has_passed, true)
            && let Err(error) = self.pass(gate, &read)
        {
            let results = refused(&read.transact, error);
            return self.reply(&read.id, |out| results.write_to(out));
        }
        make_indexes(&read.database);
        let bytes = self.last_message_bytes;
        if read.transact.is_read_only() && self.transactions.in_flight() == 0 {
            match self.read(&read.database, &read.transact) {
                Read::Done(answer) => {
                    read.database.reads().add(1);
                    return self.answer(&read.id, &answer);
                }
                Read::Blocked => {}
                Read::Postponed => {
                    self.postponed = Some(Postponed::Transact(Box::new(read), bytes));
                    return;
                }
            }
        }
        let ReadTransact {
            database,
            id,
            transact,
            received,
            has_passed: _,
        } = read;
        let token = self.transactions.open(id, Some(database.clone()), bytes);
        let job = Job {
            mailbox: self.mailbox.clone(),
            token,
            schema: database.schema().clone(),
            transact,
            received,
            access: self.access_to(&database),
            bytes,
        };
        match self.outgoing.back_mut() {
            Some(last) if Arc::ptr_eq(&last.database, &database) => {
                last.jobs.push_back(Box::new(job));
            }
            _ => self.outgoing.push_back(Outgoing {
                database,
                jobs: VecDeque::from([Box::new(job)]),
                waits_for_room: false,
            }),
        }
    }

    /// The error of a request with the id of one that is not answered yet.
    pub(super) fn duplicate_id(
        &self,
        method: impl Display,
        params: &[Json],
        id: &Json,
    ) -> Option<Json> {
        match self.transactions.id_use(id) {
            IdUse::Free => None,
            IdUse::Parked(_) | IdUse::InFlight => Some(bad_params(
                params,
                format!("{method}: duplicate request ID"),
            )),
        }
    }

    /// Answers the first of the transactions that are to be handed over: their database was removed before.
    pub(super) fn answer_closed(&mut self) {
        let jobs = self.outgoing.pop_front().map(|outgoing| outgoing.jobs);
        for job in jobs.into_iter().flatten() {
            if let Some(open) = self.transactions.close(job.token) {
                self.answer(&open.id, &Answer::Canceled);
            }
        }
    }

    /// What the client may do with a database: nobody changes the server's own.
    pub(super) fn access_to(&self, database: &Served) -> Access {
        let mut access = self.options.access.clone();
        access.read_only |= database.is_internal();
        access
    }

    /// Executes a transaction that changes nothing on the current version.
    fn read(&self, database: &Served, transact: &Transact) -> Read {
        let session = self.mailbox.id();
        let mut context = Context {
            elapsed_ms: 0,
            holds_lock: &|name| self.server.locks().is_owner(session, name),
            read_only: self.access_to(database).read_only,
            // What only reads needs no permission.
            access: None,
            may_change_reserved: false,
            may_block: true,
            fresh: &mut fresh_uuid,
        };
        let version = database.version();
        let size = effort(&version.database, transact) * limits::ROW_BYTES;
        if size > limits::MESSAGE_BYTES_SMALL && lane::wish() {
            return Read::Postponed;
        }
        match in_place(size, || execute(&version.database, transact, &mut context)) {
            Outcome::Failed(results) => Read::Done(Answer::Results(results)),
            Outcome::Prepared(prepared) => Read::Done(Answer::Results(prepared.results)),
            Outcome::Blocked { .. } => Read::Blocked,
        }
    }

    /// Takes back a transaction, if it is parked still.
    pub(super) fn take_back(&mut self, token: Token, answer: Answer) {
        // Its answer is on its way now, and comes before those of later requests.
        if let Some(open) = self.transactions.resume(token) {
            match &open.database {
                Some(database) => database.cancel(self.mailbox.id(), token, answer),
                None => self.abort_call(token, answer),
            }
        }
    }

    fn cancel(&mut self, params: &[Json]) {
        let [id] = params else { return };
        if let IdUse::Parked(token) = self.transactions.id_use(id) {
            self.take_back(token, Answer::Canceled);
        } else if let Some(token) = self.transactions.call(id) {
            self.abort_call(token, Answer::Canceled);
        }
    }

    fn list_dbs(&mut self) -> Reply {
        // Before the look, not after it: who has heard of a database, or of its end, gets a list that agrees.
        self.send_updates();
        let names = self.server.database_names();
        Ok(Json::array(names.iter().map(String::as_str)))
    }

    fn get_schema(&mut self, params: &[Json], id: &Json) {
        // As for the list: whoever has heard that the database has gone, or has another schema, finds it so.
        self.send_updates();
        let program = self.server.program();
        let name = params.first().and_then(Json::as_str);
        let answered = program.as_ref().zip(name);
        if let Some(database) = answered.and_then(|(program, name)| program.database(name)) {
            return self.reply(id, |out| out.extend_from_slice(&database.schema_text));
        }
        match self.database(Method::GetSchema, params) {
            Ok(database) => self.reply(id, |out| out.extend_from_slice(database.schema_text())),
            Err(error) => self.refuse(id, &error),
        }
    }

    pub(super) fn lock_name<'a>(
        &self,
        method: Method,
        params: &'a [Json],
    ) -> Result<&'a str, Json> {
        if self.options.access.read_only {
            return Err(Json::string(
                "lock and unlock methods not allowed, DB server is read only.",
            ));
        }
        match params {
            [Json::String(name)] if is_id(name) => Ok(name),
            _ => Err(bad_params(
                params,
                format!("{method} request params must be <id>"),
            )),
        }
    }

    fn lock(&mut self, method: Method, params: &[Json], mode: LockMode) -> Reply {
        let name = self.lock_name(method, params)?;
        match self.server.locks().request(&self.mailbox, name, mode) {
            Ok(locked) => Ok(Json::Object(
                [("locked", Json::Bool(locked))].into_iter().collect(),
            )),
            Err(LockError::TooMany) => Err(self.exhausted("this session has too many locks")),
            Err(LockError::AlreadyRequested | LockError::NotRequested) => Err(bad_params(
                params,
                format!("must issue \"unlock\" before new \"{method}\""),
            )),
        }
    }

    fn unlock(&mut self, method: Method, params: &[Json]) -> Reply {
        let name = self.lock_name(method, params)?;
        match self.server.locks().release(self.mailbox.id(), name) {
            Ok(()) => Ok(empty()),
            Err(_) => Err(bad_params(
                params,
                format!("{method}: \"unlock\" without \"lock\" or \"steal\""),
            )),
        }
    }

    fn set_db_change_aware(&mut self, method: Method, params: &[Json]) -> Reply {
        let [Json::Bool(aware)] = params else {
            return Err(bad_params(
                params,
                format!("{method}: true or false parameter expected"),
            ));
        };
        self.mailbox.set_db_change_aware(*aware);
        Ok(empty())
    }
}

pub(super) fn empty() -> Json {
    Json::Object(ovsdb_proto::json::Object::new())
}
