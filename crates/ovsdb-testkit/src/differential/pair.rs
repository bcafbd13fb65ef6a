//! Two servers that are told the same, and whose answers are compared.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::contents::Contents;
use super::dangling::Watch;
use super::dice::Dice;
use super::digits;
use super::fold::fold;
use super::model::Model;
use super::operations::LOCKS;
use super::pairing::{End, Pairing};
use super::rules::{self, DANGLING, DIGITS, MEMBERS, PRODUCT, Place, RULES, text_of};
use super::run::Settings;
use crate::client::RawClient;
use crate::daemon::Server;
use crate::programs::Side;
use crate::raw::Raw;
use crate::sandbox::Sandbox;

/// The operations of one transaction.
pub type Transaction = Vec<Raw>;

/// An unexplained difference.
#[derive(Clone, Debug)]
pub struct Difference {
    /// What differs, in words.
    pub what: String,
    /// The position of the transaction among those sent together.
    pub transaction: Option<usize>,
    /// The left server's text.
    pub left: String,
    /// The right server's text.
    pub right: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}\n  left:  {}\n  right: {}",
            self.what, self.left, self.right
        )
    }
}

/// How a comparison ended that found no unexplained difference.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[must_use]
pub enum Course {
    /// Both databases are the same.
    Same,
    /// The databases are different for a reason that is known; this pair can no longer be compared.
    Spoilt,
}

/// Counts of what a run met.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Operations compared.
    pub operations: usize,
    /// Transactions compared.
    pub transactions: usize,
    /// Transactions by the error that ended them; `committed` for those that succeeded.
    pub outcomes: BTreeMap<String, usize>,
    /// Updates of monitors compared.
    pub updates: usize,
    /// How often each rule explained a difference.
    pub explained: BTreeMap<&'static str, usize>,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (operations, transactions) = (self.operations, self.transactions);
        writeln!(
            f,
            "{operations} operations in {transactions} transactions, {} updates",
            self.updates
        )?;
        for (outcome, count) in &self.outcomes {
            writeln!(f, "  {count:6} {outcome}")?;
        }
        writeln!(f, "explained differences:")?;
        for (rule, count) in &self.explained {
            writeln!(f, "  {count:6} {rule}: {}", rules::reason(rule))?;
        }
        Ok(())
    }
}

/// Two servers with the same database, a session of each, and what is known of both.
#[derive(Debug)]
pub struct Pair {
    ends: [Running; 2],
    /// The schema.
    pub model: Model,
    /// The UUIDs of both.
    pub pairing: Pairing,
    /// What has been met so far.
    pub tally: Tally,
    last_id: usize,
}

/// The name of each server's database file.
pub const FILE: &str = "database";

/// The monitor of all columns of all tables, as it appears in updates.
const EVERYTHING: &str = "\"everything\"";

/// The server must go before the folder that it works in.
#[derive(Debug)]
struct Running {
    client: RawClient,
    watch: Watch,
    server: Server,
    sandbox: Sandbox,
}

/// What one server sent back.
#[derive(Debug, Default)]
struct Answers {
    /// Request id and reply, as they came.
    replies: Vec<(usize, Raw)>,
    /// For each monitor: after how many replies each update came, and its contents.
    updates: Updates,
}

/// The updates of each monitor, each with the number of replies before it.
type Updates = BTreeMap<String, Vec<(usize, Raw)>>;

impl Answers {
    /// Forgets what came after so many replies.
    fn truncate(&mut self, replies: usize) {
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

    /// Sends transactions to both servers without waiting in between, and compares all that comes back.
    ///
    /// # Errors
    /// The first unexplained difference.
    pub fn exchange(&mut self, transactions: &[Transaction]) -> Result<Course, Difference> {
        let mut ids = Vec::new();
        let mut requests = Vec::new();
        for operations in transactions {
            let id = self.next_id();
            ids.push(id);
            requests.push(self.transact(operations, id));
        }
        self.send(&Raw::Array(requests));
        let answers = self.receive(&ids)?;
        self.compare(&ids, transactions, answers)
    }

    /// Sends a `wait` for ever and takes it back.
    ///
    /// # Errors
    /// The first unexplained difference.
    pub fn cancel(&mut self, operations: &Transaction) -> Result<Course, Difference> {
        let (id, echo) = (self.next_id(), self.next_id());
        let cancel = Raw::object([
            ("method", Raw::string("cancel")),
            ("params", Raw::Array(vec![integer(id)])),
            ("id", Raw::null()),
        ]);
        let messages = vec![
            self.transact(operations, id),
            cancel,
            request("echo", Raw::Array(Vec::new()), echo),
        ];
        self.send(&Raw::Array(messages));
        let answers = self.receive(&[echo])?;
        self.compare(&[id, echo], std::slice::from_ref(operations), answers)
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

    fn transact(&self, operations: &Transaction, id: usize) -> Raw {
        let mut parameters = vec![Raw::string(&self.model.name)];
        parameters.extend(operations.iter().cloned());
        request("transact", Raw::Array(parameters), id)
    }

    fn next_id(&mut self) -> usize {
        self.last_id += 1;
        self.last_id
    }

    /// Sends one message, or the elements of an array as messages one after another.
    fn send(&mut self, raw: &Raw) {
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
    fn receive(&mut self, ids: &[usize]) -> Result<[Answers; 2], Difference> {
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

    fn compare(
        &mut self,
        ids: &[usize],
        transactions: &[Transaction],
        mut answers: [Answers; 2],
    ) -> Result<Course, Difference> {
        let spoilt = self.spoilt_after(&answers);
        if let Some(replies) = spoilt {
            *self.tally.explained.entry(DANGLING).or_default() += 1;
            answers
                .iter_mut()
                .for_each(|answers| answers.truncate(replies));
        }
        let [left, right] = answers;
        let order = |answers: &Answers| -> Vec<usize> {
            answers.replies.iter().map(|(id, _)| *id).collect()
        };
        if order(&left) != order(&right) {
            return Err(Difference {
                what: "replies come in another order".to_owned(),
                transaction: None,
                left: format!("{:?}", order(&left)),
                right: format!("{:?}", order(&right)),
            });
        }
        // Replies first: they tell which new row of one server is which of the other.
        for ((id, left), (_, right)) in left.replies.into_iter().zip(right.replies) {
            let position = ids.iter().position(|known| *known == id);
            let operations = position.and_then(|position| transactions.get(position));
            if let Some(operations) = operations {
                self.tally.transactions += 1;
                self.tally.operations += operations.len();
            }
            let course = self
                .compare_replies(operations.map_or(&[], Vec::as_slice), left, right)
                .map_err(|(what, left, right)| Difference {
                    what,
                    transaction: position,
                    left: left.to_string(),
                    right: right.to_string(),
                })?;
            if course == Course::Spoilt {
                return Ok(course);
            }
        }
        let together = transactions.len() > 1;
        // A sum that reaches beyond the last transaction that counts says nothing.
        if spoilt.is_none() || !together {
            self.compare_updates(left.updates, right.updates, together)?;
        }
        let rounded = self.pairing.take_rounded();
        if rounded > 0 {
            *self.tally.explained.entry(DIGITS).or_default() += rounded;
        }
        Ok(match spoilt {
            Some(_) => Course::Spoilt,
            None => Course::Same,
        })
    }

    /// After how many replies one of the databases first held a dangling reference.
    fn spoilt_after(&mut self, answers: &[Answers; 2]) -> Option<usize> {
        let model = &self.model;
        let ends = self.ends.iter_mut().zip(answers);
        let found = ends.filter_map(|(running, answers)| {
            let updates = answers.updates.get(EVERYTHING).into_iter().flatten();
            updates
                .filter(|(_, update)| {
                    tables(update).is_some_and(|tables| running.watch.update(model, tables))
                })
                .map(|(after, _)| *after)
                .min()
        });
        found.min()
    }

    /// Compares updates one by one, or, if the transactions did not wait for each other, what they come to.
    fn compare_updates(
        &mut self,
        mut left: Updates,
        mut right: Updates,
        together: bool,
    ) -> Result<(), Difference> {
        if together {
            let [left, right] = [left, right].map(|mut updates| updates.remove(EVERYTHING));
            let sum = |updates: &Option<Vec<(usize, Raw)>>| {
                fold(
                    updates
                        .iter()
                        .flatten()
                        .filter_map(|(_, update)| tables(update)),
                )
            };
            self.tally.updates += left.as_ref().map_or(0, Vec::len);
            return self
                .equal_updates(&mut sum(&left), &mut sum(&right))
                .map_err(|what| Difference {
                    what: format!("the updates of all transactions come to different sums {what}"),
                    transaction: None,
                    left: show(left.as_deref().unwrap_or(&[])),
                    right: show(right.as_deref().unwrap_or(&[])),
                });
        }
        let monitors: BTreeSet<String> = left.keys().chain(right.keys()).cloned().collect();
        for monitor in monitors {
            let mut left = left.remove(&monitor).unwrap_or_default();
            let mut right = right.remove(&monitor).unwrap_or_default();
            self.tally.updates += left.len();
            let mut result = Ok(());
            for (left, right) in left.iter_mut().zip(&mut right) {
                result = result.and(self.equal_updates(&mut left.1, &mut right.1));
            }
            if left.len() != right.len() {
                result = Err("in number".to_owned());
            }
            result.map_err(|what| Difference {
                what: format!("updates of monitor {monitor} differ {what}"),
                transaction: Some(0),
                left: show(&left),
                right: show(&right),
            })?;
        }
        Ok(())
    }

    fn equal_updates(&mut self, left: &mut Raw, right: &mut Raw) -> Result<(), String> {
        match self.pairing.equal_values(left, right) {
            true => Ok(()),
            false => Err(self.pairing.locate(left, right)),
        }
    }

    fn compare_replies(
        &mut self,
        operations: &[Raw],
        mut left: Raw,
        mut right: Raw,
    ) -> Result<Course, (String, Raw, Raw)> {
        let results = (results(&mut left), results(&mut right));
        let (Some(left_results), Some(right_results)) = results else {
            return if self.pairing.equal_values(&mut left, &mut right) {
                Ok(Course::Same)
            } else {
                Err(("replies differ".to_owned(), left, right))
            };
        };
        let lengths = (left_results.len(), right_results.len());
        let mut outcome = "committed".to_owned();
        let mut different = None;
        for (index, (left, right)) in left_results.iter_mut().zip(right_results).enumerate() {
            let operation = operations.get(index);
            if left.get("error").is_some() {
                outcome = text_of(left, "error").to_owned();
            }
            self.order_rows(operation, left, End::Left);
            self.order_rows(operation, right, End::Right);
            if different.is_some() || self.pairing.equal_values(left, right) {
                continue;
            }
            let place = Place {
                operation,
                left,
                right,
            };
            let rule = RULES.iter().find(|rule| (rule.explains)(&place));
            let mut name = rule.map(|rule| rule.name);
            if name.is_none() && rules::is_refused_product(&place) {
                *self.tally.explained.entry(PRODUCT).or_default() += 1;
                return Ok(Course::Spoilt);
            }
            if name.is_none() && self.is_about_other_members(&place) {
                name = Some(MEMBERS);
            }
            match name {
                Some(name) => {
                    *self.tally.explained.entry(name).or_default() += 1;
                    *right = left.clone();
                }
                None => {
                    let first = self.pairing.locate(left, right);
                    different = Some(format!("result {index} differs {first}"));
                }
            }
        }
        if different.is_none() && lengths.0 != lengths.1 {
            different = Some("the number of results differs".to_owned());
        }
        *self.tally.outcomes.entry(outcome).or_default() += 1;
        // The rest of the reply.
        if different.is_none() && self.shape(&left) != self.shape(&right) {
            different = Some("the form of the reply differs".to_owned());
        }
        match different {
            None => Ok(Course::Same),
            Some(what) => Err((what, left, right)),
        }
    }

    /// Whether a row has several wrong members, and each server names another one: finds out by asking for every
    /// member alone. Aborted requests leave nothing behind.
    fn is_about_other_members(&mut self, place: &Place<'_>) -> bool {
        let Some(operation) = place.operation else {
            return false;
        };
        let mut mistakes = BTreeSet::new();
        for operation in rules::single_members(operation) {
            let abort = Raw::object([("op", Raw::string("abort"))]);
            let id = self.next_id();
            let request = self.transact(&vec![operation, abort], id);
            self.send(&request);
            let Ok([left, right]) = self.receive(&[id]) else {
                return false;
            };
            let mut answers = [left, right].map(|answers| {
                let reply = answers.replies.into_iter().next();
                let mut reply = reply.map_or(Raw::null(), |(_, reply)| reply);
                results(&mut reply).map_or(Raw::null(), |results| results.swap_remove(0))
            });
            let [left, right] = &mut answers;
            let equal = self.pairing.equal_values(left, right);
            let place = Place {
                operation: place.operation,
                left,
                right,
            };
            if !equal && !RULES.iter().any(|rule| (rule.explains)(&place)) {
                return false;
            }
            mistakes.insert((rules::mistake(place.left), rules::mistake(place.right)));
        }
        let (left, right) = (rules::mistake(place.left), rules::mistake(place.right));
        mistakes.iter().any(|(mistake, _)| *mistake == left)
            && mistakes.iter().any(|(_, mistake)| *mistake == right)
    }

    /// A reply without its results, which have been compared one by one.
    fn shape(&self, reply: &Raw) -> String {
        let mut shape = reply.clone();
        if let Some(results) = results(&mut shape) {
            results.clear();
        }
        self.pairing.sort(&mut shape, End::Left);
        shape.to_string()
    }

    /// Puts the rows of a `select` into an order of their own where the request leaves it open.
    fn order_rows(&self, operation: Option<&Raw>, result: &mut Raw, end: End) {
        let Raw::Object(members) = result else { return };
        let Some((_, Raw::Array(rows))) = members.iter_mut().find(|(name, _)| name == "rows")
        else {
            return;
        };
        rows.iter_mut().for_each(|row| self.pairing.sort(row, end));
        let sort = self.sort_columns(operation);
        let comparable = |row: &Raw| sort.iter().all(|column| row.get(column).is_some());
        if sort.is_empty() || !rows.iter().all(comparable) {
            self.pairing.sort_array(rows, end);
            return;
        }
        let rank = |row: &Raw| -> Vec<String> {
            let values = sort.iter().filter_map(|column| row.get(column));
            values
                .map(|value| digits::round(&value.to_string()))
                .collect()
        };
        let mut start = 0;
        while start < rows.len() {
            let first = rank(&rows[start]);
            let equal = rows[start..].iter().take_while(|row| rank(row) == first);
            let end_of_equals = start + equal.count();
            self.pairing
                .sort_array(&mut rows[start..end_of_equals], end);
            start = end_of_equals;
        }
    }

    /// The columns by which a `select` sorts; none if the order depends on UUIDs.
    fn sort_columns(&self, operation: Option<&Raw>) -> Vec<String> {
        let names = operation.and_then(|operation| operation.get("sort")?.elements());
        let table = operation.and_then(|operation| {
            let name = text_of(operation, "table");
            self.model.table(name)
        });
        let columns: Option<Vec<String>> = names
            .into_iter()
            .flatten()
            .map(|name| {
                let column = table?.column(name.text()?)?;
                (!column.holds_uuids()).then(|| column.name.clone())
            })
            .collect();
        columns.unwrap_or_default()
    }
}

/// The table-updates object of an `update` notification.
fn tables(update: &Raw) -> Option<&Raw> {
    update.get("params")?.elements()?.get(1)
}

fn show(updates: &[(usize, Raw)]) -> String {
    let lines = updates
        .iter()
        .map(|(after, update)| format!("\n    after {after} replies: {update}"));
    lines.collect()
}

fn results(reply: &mut Raw) -> Option<&mut Vec<Raw>> {
    let Raw::Object(members) = reply else {
        return None;
    };
    let result = members.iter_mut().find(|(name, _)| name == "result");
    match result {
        Some((_, Raw::Array(results))) => Some(results),
        _ => None,
    }
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
