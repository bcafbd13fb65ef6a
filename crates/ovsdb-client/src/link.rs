//! Which server will do: the conversation of a client with a server about the database that it is there for.
//!
//! This is a state machine. It is told what the server says, in order, and says what is to be done; it has no connection and
//! no clock. It asks `_Server` about the database and goes on listening, as what a server says of itself changes: it may lose
//! the lead of its cluster, be cut off from it, or get another schema.
//!
//! The schema itself is asked for by `get_schema`: what the reference shows in `_Server` stays as it was when a database is
//! converted.

mod rows;

use std::sync::Arc;

use ovsdb_proto::json::{Json, Object};
use ovsdb_proto::schema::Schema;
use ovsdb_proto::uuid::Uuid;
use ovsdb_proto::words::Method;

use crate::error::Unfit;
use crate::upstream::{MonitorId, OWN};
use rows::{COLUMNS, Model, Row, Rows};

/// The database that tells of the others.
const SERVER_DATABASE: &str = "_Server";

/// What the link is told.
#[derive(Clone, Debug)]
pub(crate) enum Input {
    /// There is a connection to a server, another one than before.
    Connected,
    /// The server answered [`Action::Ask`].
    Reply {
        /// Which.
        question: u64,
        /// By a result or an error.
        result: Result<Json, Json>,
    },
    /// The server sent an update for a monitor of the link.
    Update {
        /// The number of the monitor.
        monitor: u64,
        /// The `<table-updates2>`.
        updates: Json,
    },
    /// The server has ended a monitor of the link.
    Canceled {
        /// The number of the monitor.
        monitor: u64,
    },
    /// The server has ended a monitor of the database that is not the link's.
    DataCanceled,
    /// A server must lead its cluster from now on, or need not.
    LeaderOnly(bool),
    /// What was seen of the database may be forgotten: an older state of it will do.
    ResetMinIndex,
}

/// What is to be done.
#[derive(Clone, Debug)]
pub(crate) enum Action {
    /// Make a request.
    Ask {
        /// By which the reply names it. No number is used twice.
        question: u64,
        /// The method.
        method: Method,
        /// Its parameters.
        params: Vec<Json>,
    },
    /// The server will do, and its database has this schema.
    Fit(Arc<Schema>),
    /// The database has this schema now.
    Schema(Arc<Schema>),
    /// The server will not do, or no longer.
    GiveUp(Unfit),
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    /// There is no connection, or one that was given up.
    Idle,
    /// The schema of `_Server` was asked for.
    AskedServerSchema { question: u64 },
    /// A monitor of `_Server` was asked for.
    AskedMonitor { question: u64, monitor: u64 },
    /// The server will do as far as it says; its monitor goes on, if it knows `_Server`.
    Following { monitor: Option<u64> },
}

/// See the module's documentation.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    database: String,
    cluster: Option<Uuid>,
    leader_only: bool,
    /// How much of the cluster's log this client has seen: a server that has less shows the past.
    min_index: i64,
    state: State,
    rows: Rows,
    /// The row and the text of the schema in `_Server` for which the schema was asked for last.
    asked_for: Option<(Uuid, Arc<str>)>,
    /// The question for the schema, if it has no answer yet.
    schema_question: Option<u64>,
    /// Whether the schema may have become another one since that was asked. There is one question at a time, so that a server
    /// that tells much and answers nothing does not fill the memory with them.
    asks_again: bool,
    /// The schema that was told last on this connection.
    told: Option<Json>,
    /// Whether monitors have ended since the schema was told, which therefore is to be told again whatever it is.
    is_canceled: bool,
    next_question: u64,
    next_monitor: u64,
}

impl Link {
    /// A link for clients of this database: of this cluster, if one is named.
    pub(crate) fn new(
        database: impl Into<String>,
        cluster: Option<Uuid>,
        leader_only: bool,
    ) -> Link {
        Link {
            database: database.into(),
            cluster,
            leader_only,
            min_index: 0,
            state: State::Idle,
            rows: Rows::default(),
            asked_for: None,
            schema_question: None,
            asks_again: false,
            told: None,
            is_canceled: false,
            next_question: 0,
            next_monitor: 0,
        }
    }

    /// The cluster that the database must be of.
    pub(crate) fn cluster(&self) -> Option<Uuid> {
        self.cluster
    }

    /// The database must be of this cluster, if one is named, on the next connection.
    pub(crate) fn set_cluster(&mut self, cluster: Option<Uuid>) {
        self.cluster = cluster;
    }

    /// Goes on with what has come.
    pub(crate) fn step(&mut self, input: Input) -> Vec<Action> {
        let mut actions = Vec::new();
        match input {
            Input::Connected => {
                self.asked_for = None;
                self.schema_question = None;
                self.asks_again = false;
                self.told = None;
                self.is_canceled = false;
                self.begin(&mut actions);
            }
            Input::Reply { question, result } => self.reply(question, result, &mut actions),
            Input::Update { monitor, updates } => {
                if self.state
                    == (State::Following {
                        monitor: Some(monitor),
                    })
                {
                    self.update(&updates, &mut actions);
                }
            }
            Input::Canceled { monitor } => {
                if self.state
                    == (State::Following {
                        monitor: Some(monitor),
                    })
                {
                    self.begin(&mut actions);
                }
            }
            Input::DataCanceled => self.data_canceled(&mut actions),
            Input::LeaderOnly(leader_only) => {
                self.leader_only = leader_only;
                if matches!(self.state, State::Following { monitor: Some(_) }) {
                    self.check(&mut actions);
                }
            }
            Input::ResetMinIndex => self.min_index = 0,
        }
        actions
    }

    /// The database has another schema, or is gone.
    fn data_canceled(&mut self, actions: &mut Vec<Action>) {
        if self.told.is_some() && !self.is_canceled {
            self.is_canceled = true;
            self.ask_schema(actions);
        }
    }

    fn begin(&mut self, actions: &mut Vec<Action>) {
        self.rows = Rows::default();
        let params = vec![Json::string(SERVER_DATABASE)];
        let question = self.ask(Method::GetSchema, params, actions);
        self.state = State::AskedServerSchema { question };
    }

    fn ask(&mut self, method: Method, params: Vec<Json>, actions: &mut Vec<Action>) -> u64 {
        let question = self.next_question;
        self.next_question += 1;
        actions.push(Action::Ask {
            question,
            method,
            params,
        });
        question
    }

    fn ask_schema(&mut self, actions: &mut Vec<Action>) {
        if self.schema_question.is_some() {
            self.asks_again = true;
            return;
        }
        let params = vec![Json::string(&self.database)];
        self.schema_question = Some(self.ask(Method::GetSchema, params, actions));
    }

    fn give_up(&mut self, why: Unfit, actions: &mut Vec<Action>) {
        self.state = State::Idle;
        self.schema_question = None;
        self.told = None;
        self.rows = Rows::default();
        actions.push(Action::GiveUp(why));
    }

    fn reply(&mut self, question: u64, result: Result<Json, Json>, actions: &mut Vec<Action>) {
        if self.schema_question == Some(question) {
            self.schema_question = None;
            if std::mem::take(&mut self.asks_again) {
                return self.ask_schema(actions);
            }
            return self.schema(result, actions);
        }
        match self.state {
            State::AskedServerSchema { question: asked } if asked == question => match result {
                Ok(schema) => self.ask_monitor(&schema, actions),
                Err(_) => self.do_without(actions),
            },
            State::AskedMonitor {
                question: asked,
                monitor,
            } if asked == question => match result {
                Ok(updates) => {
                    let monitor = Some(monitor);
                    self.state = State::Following { monitor };
                    self.update(&updates, actions);
                }
                Err(_) => self.do_without(actions),
            },
            // Of no interest, as the answer to `set_db_change_aware`, or no longer.
            _ => {}
        }
    }

    fn schema(&mut self, result: Result<Json, Json>, actions: &mut Vec<Action>) {
        let Ok(json) = result else {
            return self.give_up(Unfit::NoSuchDatabase, actions);
        };
        let schema = match Schema::from_json(&json) {
            Ok(schema) => Arc::new(schema),
            Err(error) => return self.give_up(Unfit::Protocol(error.to_string()), actions),
        };
        match &self.told {
            None => {
                if matches!(self.state, State::Following { monitor: Some(_) }) {
                    // From now on the server tells of conversions instead of ending the connection.
                    self.ask(Method::SetDbChangeAware, vec![Json::Bool(true)], actions);
                }
                actions.push(Action::Fit(schema));
            }
            Some(told) if self.is_canceled || *told != json => {
                actions.push(Action::Schema(schema));
            }
            Some(_) => {}
        }
        self.is_canceled = false;
        self.told = Some(json);
    }

    /// Monitors the columns of `_Server` that there are.
    fn ask_monitor(&mut self, schema: &Json, actions: &mut Vec<Action>) {
        let table = schema
            .get("tables")
            .and_then(|tables| tables.get("Database"));
        let Some(columns) = table.and_then(|table| table.get("columns")) else {
            let why = "the database \"_Server\" has no table \"Database\"".to_owned();
            return self.give_up(Unfit::Protocol(why), actions);
        };
        let columns = COLUMNS
            .into_iter()
            .filter(|column| columns.get(column).is_some());
        let columns = Json::Array(columns.map(Json::string).collect());
        let request = Json::Object(Object::from_iter([("columns", columns)]));
        let requests = Object::from_iter([("Database", Json::Array(vec![request]))]);
        let monitor = self.next_monitor;
        self.next_monitor += 1;
        // Not `monitor_cond_since`: there are servers of the reference that end themselves over it.
        let params = vec![
            Json::string(SERVER_DATABASE),
            id(monitor),
            Json::Object(requests),
        ];
        let question = self.ask(Method::MonitorCond, params, actions);
        self.state = State::AskedMonitor { question, monitor };
    }

    /// Servers before Open vSwitch 2.9 know neither `_Server` nor clusters.
    fn do_without(&mut self, actions: &mut Vec<Action>) {
        if self.cluster.is_some() {
            return self.give_up(Unfit::WrongCluster, actions);
        }
        self.state = State::Following { monitor: None };
        self.ask_schema(actions);
    }

    fn update(&mut self, updates: &Json, actions: &mut Vec<Action>) {
        match self.rows.update(updates) {
            Ok(()) => self.check(actions),
            Err(error) => self.give_up(Unfit::Protocol(error.to_string()), actions),
        }
    }

    /// Looks whether the server will do as it says it is.
    fn check(&mut self, actions: &mut Vec<Action>) {
        let (id, row) = match self.rows.find(&self.database, self.cluster) {
            Some((id, row)) => (id, row),
            None => {
                let is_there = self.rows.find(&self.database, None).is_some();
                let why = match is_there {
                    true => Unfit::WrongCluster,
                    false => Unfit::NoSuchDatabase,
                };
                return self.give_up(why, actions);
            }
        };
        let text = match self.judge(row) {
            Ok(text) => text,
            Err(why) => return self.give_up(why, actions),
        };
        if row.model == Model::Clustered {
            self.min_index = row.index;
        }
        // Both tell of another database or schema, though not always.
        let now = Some((id, text));
        if self.asked_for != now {
            self.asked_for = now;
            self.ask_schema(actions);
        }
    }

    /// The text of the schema, if a server with this row will do.
    fn judge(&self, row: &Row) -> Result<Arc<str>, Unfit> {
        let schema = row.schema.clone();
        match row.model {
            Model::Standalone => schema.ok_or(Unfit::NoSchema),
            Model::Clustered => {
                let schema = schema.ok_or(Unfit::NotJoined)?;
                if !row.connected {
                    Err(Unfit::Disconnected)
                } else if self.leader_only && !row.leader {
                    Err(Unfit::NotLeader)
                } else if row.index < self.min_index {
                    Err(Unfit::Stale {
                        index: row.index,
                        min: self.min_index,
                    })
                } else {
                    Ok(schema)
                }
            }
            Model::Relay => match schema {
                Some(_) if !row.connected => Err(Unfit::Disconnected),
                Some(_) if self.leader_only => Err(Unfit::Relay),
                Some(schema) => Ok(schema),
                None => Err(Unfit::NotJoined),
            },
        }
    }
}

/// The id of a monitor of the link.
fn id(monitor: u64) -> Json {
    let id = MonitorId {
        replica: OWN,
        nth: monitor,
    };
    id.to_json()
}

#[cfg(test)]
mod tests;
