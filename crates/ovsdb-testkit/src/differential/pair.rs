//! Two servers that are told the same: their sessions, what is sent, and what comes back.
//!
//! Comparison is `compare`'s; what to send is decided elsewhere.

use std::collections::BTreeMap;

use super::contents::Contents;
use super::dangling::Watch;
use super::dice::Dice;
use super::model::Model;
use super::operations::LOCKS;
use super::pairing::{End, Pairing};
use super::report::{Course, Difference, Tally};
use super::run::Settings;
use crate::client::RawClient;
use crate::daemon::Server;
use crate::programs::Side;
use crate::raw::Raw;
use crate::sandbox::Sandbox;

/// The operations of one transaction.
pub type Transaction = Vec<Raw>;

/// Two servers with the same database, a session of each, and what is known of both.
#[derive(Debug)]
pub struct Pair {
    pub(super) ends: [Running; 2],
    /// The schema.
    pub model: Model,
    /// The UUIDs of both.
    pub pairing: Pairing,
    /// What has been met so far.
    pub tally: Tally,
    last_id: usize,
}

/// Bytes sent without reading: fewer than any socket holds.
const TOGETHER_BYTES_MAX: usize = 64 * 1024;

/// The name of each server's database file.
pub const FILE: &str = "database";

/// The monitor of all columns of all tables, as it appears in updates.
pub(super) const EVERYTHING: &str = "\"everything\"";

/// The server must go before the folder that it works in.
#[derive(Debug)]
pub(super) struct Running {
    client: RawClient,
    pub(super) watch: Watch,
    server: Server,
    sandbox: Sandbox,
}

/// What one server sent back.
#[derive(Debug, Default)]
pub(super) struct Answers {
    /// Request id and reply, as they came.
    pub(super) replies: Vec<(usize, Raw)>,
    /// For each monitor: after how many replies each update came, and its contents.
    pub(super) updates: Updates,
}

/// The updates of each monitor, each with the number of replies before it.
pub(super) type Updates = BTreeMap<String, Vec<(usize, Raw)>>;

impl Answers {
    /// Forgets what came after so many replies.
    pub(super) fn truncate(&mut self, replies: usize) {
        self.replies.truncate(replies);
        for updates in self.updates.values_mut() {
            updates.retain(|(after, _)| *after < replies);
        }
    }
}

impl Pair {
    /// Starts a server of each side with an empty database.
    pub fn start(settings: &Settings) -> Pair {
        let schema = &settings.schema;
        let text = std::fs::read_to_string(schema)
            .unwrap_or_else(|error| panic!("{}: {error}", schema.display()));
        let model = Model::parse(&text);
        let arguments = [settings.left_arguments.as_slice(), &[]];
        let ends = [End::Left, End::Right].map(|end| {
            let side = settings.sides[end as usize];
            let sandbox = Sandbox::new();
            let server = Server::start_as(
                &sandbox,
                side,
                "ovsdb-server",
                "db.sock",
                &[(FILE, schema)],
                arguments[end as usize],
            );
            Running {
                client: RawClient::connect(server.socket()),
                watch: Watch::default(),
                server,
                sandbox,
            }
        });
        let mut pair = Pair {
            ends,
            model,
            pairing: Pairing::new(),
            tally: Tally::default(),
            last_id: 0,
        };
        pair.open();
        pair
    }

    /// Ends both servers as an administrator would, and leaves their files.
    pub fn stop(self) -> [Sandbox; 2] {
        self.ends.map(|running| {
            running.server.stop();
            running.sandbox
        })
    }

    /// Sets up both sessions: they learn of cancelled requests, hold a lock and watch all tables.
    fn open(&mut self) {
        let everything = self
            .model
            .tables
            .iter()
            .map(|table| (table.name.clone(), Raw::object([])));
        let part = self.model.tables.iter().enumerate().map(|(index, table)| {
            let columns = table.columns.iter().step_by(2);
            let columns = columns.map(|column| Raw::string(&column.name)).collect();
            let select = Raw::object([
                ("insert", Raw::boolean(index % 2 == 0)),
                ("delete", Raw::boolean(index % 3 != 0)),
                ("modify", Raw::boolean(index % 5 != 0)),
            ]);
            let request = Raw::object([("columns", Raw::Array(columns)), ("select", select)]);
            (table.name.clone(), request)
        });
        let database = Raw::string(&self.model.name);
        let monitor = |name: &str, tables: Vec<(String, Raw)>| {
            Raw::Array(vec![
                database.clone(),
                Raw::string(name),
                Raw::Object(tables),
            ])
        };
        let requests = [
            ("get_schema", Raw::Array(vec![database.clone()])),
            ("set_db_change_aware", Raw::Array(vec![Raw::boolean(true)])),
            ("lock", Raw::Array(vec![Raw::string(LOCKS[0])])),
            ("monitor", monitor("everything", everything.collect())),
            ("monitor", monitor("part", part.collect())),
        ];
        for (method, parameters) in requests {
            let id = self.next_id();
            self.send(&request(method, parameters, id));
            let answers = self.receive(&[id]);
            let compared = answers.and_then(|answers| self.compare(&[id], &[], answers));
            if let Err(difference) = compared {
                panic!("{method} at the start of the session: {difference}");
            }
        }
    }

    /// Sends transactions to both servers without waiting in between, and compares all that comes back. Of much that
    /// is to be sent, a part at a time: a server that nobody reads from need not read on.
    ///
    /// # Errors
    /// The first unexplained difference.
    pub fn exchange(&mut self, transactions: &[Transaction]) -> Result<Course, Difference> {
        let mut done = 0;
        while done < transactions.len() {
            let mut ids = Vec::new();
            let mut requests = Vec::new();
            let mut bytes = 0;
            for operations in &transactions[done..] {
                let request = self.transact(operations, self.last_id + 1);
                bytes += request.to_string().len();
                if bytes > TOGETHER_BYTES_MAX && !requests.is_empty() {
                    break;
                }
                ids.push(self.next_id());
                requests.push(request);
            }
            self.send(&Raw::Array(requests));
            let part = &transactions[done..done + ids.len()];
            let compared = self
                .receive(&ids)
                .and_then(|answers| self.compare(&ids, part, answers));
            let course = compared.map_err(|difference| Difference {
                transaction: difference.transaction.map(|at| done + at),
                ..difference
            })?;
            if course == Course::Spoilt {
                return Ok(course);
            }
            done += ids.len();
        }
        Ok(Course::Same)
    }

    /// Sends a `wait` for ever and takes it back.
    ///
    /// # Errors
    /// The first unexplained difference.
    pub fn cancel(&mut self, operations: &Transaction) -> Result<Course, Difference> {
        let (id, echo) = (self.next_id(), self.next_id());
        let messages = vec![
            self.transact(operations, id),
            cancellation(id),
            request("echo", Raw::Array(Vec::new()), echo),
        ];
        self.send(&Raw::Array(messages));
        let answers = self.receive(&[echo])?;
        self.compare(&[id, echo], std::slice::from_ref(operations), answers)
    }

    /// Sends a `wait` for ever and then the change that it waits for. If the change is refused, takes the `wait` back.
    ///
    /// # Errors
    /// The first unexplained difference.
    pub fn fulfil(
        &mut self,
        wait: &Transaction,
        change: &Transaction,
    ) -> Result<Course, Difference> {
        let (waiting, changing) = (self.next_id(), self.next_id());
        let messages = vec![
            self.transact(wait, waiting),
            self.transact(change, changing),
        ];
        self.send(&Raw::Array(messages));
        let answers = self.receive(&[changing])?;
        let refused = answers[0].replies.iter().any(|(_, reply)| {
            let results = reply.get("result").and_then(Raw::elements).unwrap_or(&[]);
            results.iter().any(|result| result.get("error").is_some())
        });
        let course = self.compare(&[changing], std::slice::from_ref(change), answers)?;
        if course == Course::Spoilt {
            return Ok(course);
        }
        if refused {
            self.send(&cancellation(waiting));
        }
        let answers = self.receive(&[waiting])?;
        self.compare(&[waiting], std::slice::from_ref(wait), answers)
    }

    /// Compares what a new monitor of some columns is told first.
    ///
    /// # Errors
    /// The first difference.
    pub fn look(&mut self, dice: &mut Dice) -> Result<(), Difference> {
        let mut tables = Vec::new();
        for table in &self.model.tables {
            if dice.chance(60) {
                let columns = table.columns.iter().filter(|_| dice.chance(50));
                let columns = columns.map(|column| Raw::string(&column.name)).collect();
                tables.push((
                    table.name.clone(),
                    Raw::object([("columns", Raw::Array(columns))]),
                ));
            }
        }
        let name = Raw::string("look");
        let database = Raw::string(&self.model.name);
        let (id, cancel) = (self.next_id(), self.next_id());
        let monitor = Raw::Array(vec![database, name.clone(), Raw::Object(tables)]);
        let cancellation = Raw::Array(vec![name]);
        self.send(&Raw::Array(vec![
            request("monitor", monitor, id),
            request("monitor_cancel", cancellation, cancel),
        ]));
        let answers = self.receive(&[id, cancel])?;
        self.compare(&[id, cancel], &[], answers).map(|_| ())
    }

    /// Compares the full contents of both databases.
    ///
    /// # Errors
    /// The first difference.
    pub fn dump(&mut self) -> Result<Contents, Difference> {
        let selects: Transaction = self
            .model
            .tables
            .iter()
            .map(|table| {
                Raw::object([
                    ("op", Raw::string("select")),
                    ("table", Raw::string(&table.name)),
                    ("where", Raw::Array(Vec::new())),
                ])
            })
            .collect();
        let id = self.next_id();
        let request = self.transact(&selects, id);
        self.send(&request);
        let answers = self.receive(&[id])?;
        let reply = answers[0].replies.first().map(|(_, reply)| reply.clone());
        // Reads change nothing, so they cannot spoil anything.
        let _same = self.compare(&[id], &[selects], answers)?;
        let mut reply = reply.expect("a reply has been compared");
        self.pairing.to_numbers(&mut reply, End::Left);
        let results = reply.get("result").and_then(Raw::elements).unwrap_or(&[]);
        let mut contents = Contents::default();
        for (table, result) in self.model.tables.iter().zip(results) {
            let rows = result.get("rows").and_then(Raw::elements).unwrap_or(&[]);
            let mut rows = rows.to_vec();
            // What is generated next must not depend on the order of a server's hash table.
            rows.sort_by_cached_key(|row| row.get("_uuid").map(Raw::to_string));
            rows.iter_mut()
                .for_each(|row| self.pairing.sort(row, End::Left));
            contents.set_rows(&table.name, &rows);
        }
        Ok(contents)
    }

    pub(super) fn transact(&self, operations: &Transaction, id: usize) -> Raw {
        let mut parameters = vec![Raw::string(&self.model.name)];
        parameters.extend(operations.iter().cloned());
        request("transact", Raw::Array(parameters), id)
    }

    pub(super) fn next_id(&mut self) -> usize {
        self.last_id += 1;
        self.last_id
    }

    /// Sends one message, or the elements of an array as messages one after another.
    pub(super) fn send(&mut self, raw: &Raw) {
        for end in [End::Left, End::Right] {
            let text = match raw {
                Raw::Array(messages) => messages
                    .iter()
                    .map(|message| self.pairing.render(message, end))
                    .collect(),
                message => self.pairing.render(message, end),
            };
            self.ends[end as usize]
                .client
                .send(text.as_bytes())
                .unwrap_or_else(|error| panic!("the {end:?} server does not read: {error}"));
        }
    }

    /// Takes what both servers send until each of `ids` is answered.
    pub(super) fn receive(&mut self, ids: &[usize]) -> Result<[Answers; 2], Difference> {
        let left = self.receive_from(End::Left, ids)?;
        let right = self.receive_from(End::Right, ids)?;
        Ok([left, right])
    }

    fn receive_from(&mut self, end: End, ids: &[usize]) -> Result<Answers, Difference> {
        let mut answers = Answers::default();
        let mut missing: Vec<usize> = ids.to_vec();
        while let Some(next) = missing.first() {
            let message = match self.ends[end as usize].client.receive() {
                Ok(Some(message)) => message,
                other => {
                    let log = self.ends[end as usize].sandbox.text("ovsdb-server.log");
                    let mut texts = [String::new(), String::new()];
                    texts[end as usize] = format!("{other:?} instead; its log:\n{log}");
                    let [left, right] = texts;
                    return Err(Difference {
                        what: format!(
                            "the {end:?} server leaves {} of {} requests without a reply",
                            missing.len(),
                            ids.len()
                        ),
                        transaction: ids.iter().position(|id| id == next),
                        left,
                        right,
                    });
                }
            };
            let text = String::from_utf8_lossy(&message);
            let raw = Raw::parse(&text)
                .filter(|raw| raw.to_string().len() == text.len())
                .unwrap_or_else(|| panic!("the {end:?} server sends {text}, not compact JSON"));
            let id = raw.get("id").map(Raw::to_string).unwrap_or_default();
            if let Ok(id) = id.parse() {
                missing.retain(|known| *known != id);
                answers.replies.push((id, raw));
            } else {
                let monitor = raw
                    .get("params")
                    .and_then(|params| params.elements()?.first());
                let monitor = monitor.map(Raw::to_string).unwrap_or_default();
                let updates = answers.updates.entry(monitor).or_default();
                updates.push((answers.replies.len(), raw));
            }
        }
        Ok(answers)
    }
}

/// The notification that takes back a request (RFC 7047, section 4.1.4).
fn cancellation(id: usize) -> Raw {
    Raw::object([
        ("method", Raw::string("cancel")),
        ("params", Raw::Array(vec![integer(id)])),
        ("id", Raw::null()),
    ])
}

fn request(method: &str, parameters: Raw, id: usize) -> Raw {
    Raw::object([
        ("method", Raw::string(method)),
        ("params", parameters),
        ("id", integer(id)),
    ])
}

fn integer(number: usize) -> Raw {
    Raw::Token(number.to_string())
}

/// Major and minor version of a side's server.
pub fn version(side: Side) -> (u32, u32) {
    let text = Sandbox::new().run_ok(side.program("ovsdb-server"), &["--version"]);
    let first = text.lines().next().unwrap_or("");
    let last = first.split(' ').next_back().unwrap_or("");
    let mut parts = last.split('.').map_while(|part| part.parse().ok());
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0))
}
