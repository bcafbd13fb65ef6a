//! What clients have been told so far, and whether some contents of the disk can be reconciled with it.
//!
//! This is the claim that the trial is about: nothing acknowledged is lost, nothing is there in part or in another order,
//! nothing refused is there, and nobody has been told of anything that may still go away.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ovsdb_engine::Database;
use ovsdb_proto::uuid::Uuid;
use ovsdb_server::server::Server;
use serde_json::Value;

use crate::oracle::{Change, Oracle, dump, schema_number, tokens};
use crate::wire::Wire;
use crate::workload::Transaction;

/// What is known of a transaction.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Fate {
    /// There is no reply yet.
    Waiting,
    /// It has succeeded, as this one of all.
    Accepted(u64),
    /// It has succeeded and changed nothing that is kept.
    Passed,
    /// It has failed because the disk has.
    Refused,
    /// It has failed for reasons of its own, or has been canceled.
    Failed,
}

/// What is known of a conversion.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Converted {
    Waiting,
    Done,
    Failed,
}

/// What has happened to the disk.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum End {
    /// The process has been killed: whatever it had written is there.
    Kill,
    /// The same, and what was refused could not be cut off, because cutting failed.
    KillUncut,
    /// The power has been cut.
    PowerCut,
}

/// More orders than this are not tried.
const ORDERS_MAX: usize = 500;

/// See the module's documentation.
pub(crate) struct Observer {
    server: Option<Arc<Server>>,
    pub(crate) writers: Vec<Wire>,
    pub(crate) watcher: Wire,
    pub(crate) control: Wire,
    sent: BTreeMap<u64, (Arc<Transaction>, Fate)>,
    /// Conversions, each with the first token that was sent after it.
    conversions: BTreeMap<usize, (u64, Converted)>,
    /// Tokens that monitors have shown, in general and to each writer before its own replies.
    told: BTreeSet<u64>,
    told_writer: Vec<BTreeSet<u64>>,
    /// Tokens that are safe because a compaction has succeeded since.
    compacted: BTreeSet<u64>,
    /// The versions that have been published, by their ids, and the schema of the newest.
    versions: Vec<(Uuid, Database)>,
    served_schema: usize,
    /// What was there at the beginning, and is on the disk.
    base: Base,
    oracle: Oracle,
    /// The first thing that was wrong.
    pub(crate) wrong: Option<String>,
}

/// See [`Observer`].
struct Base {
    tokens: BTreeSet<u64>,
    schema: usize,
}

impl Observer {
    pub(crate) fn new(base: Database) -> Observer {
        let schema = schema_number(&base);
        Observer {
            server: None,
            writers: Vec::new(),
            watcher: Wire::default(),
            control: Wire::default(),
            sent: BTreeMap::new(),
            conversions: BTreeMap::new(),
            told: BTreeSet::new(),
            told_writer: Vec::new(),
            compacted: BTreeSet::new(),
            versions: Vec::new(),
            served_schema: schema,
            base: Base {
                tokens: tokens(&base).into_iter().collect(),
                schema,
            },
            oracle: Oracle::new(base),
            wrong: None,
        }
    }

    /// Connects everybody.
    pub(crate) fn connect(&mut self, server: &Arc<Server>, writers: usize) {
        self.server = Some(server.clone());
        let connect = |name: String| {
            let wire = Wire::connect(server, &name);
            wire.request(r#""aware""#, "set_db_change_aware", "[true]");
            wire
        };
        self.writers = (0..writers)
            .map(|n| connect(format!("writer{n}")))
            .collect();
        self.told_writer = vec![BTreeSet::new(); writers];
        self.watcher = connect(String::from("watcher"));
        self.control = connect(String::from("control"));
        self.monitor();
    }

    /// Has everybody who watches begin anew.
    pub(crate) fn monitor(&self) {
        let all =
            r#"["D","w",{"Entry":[{"columns":["token"]}]},"00000000-0000-0000-0000-000000000000"]"#;
        for wire in self.writers.iter().chain([&self.watcher]) {
            wire.request(r#""monitor""#, "monitor_cond_since", all);
        }
    }

    pub(crate) fn send(&mut self, transaction: Transaction) {
        let Transaction {
            token,
            client,
            operations,
            ..
        } = &transaction;
        let params = format!(r#"["D",{operations}]"#);
        self.writers[*client].request(&token.to_string(), "transact", &params);
        self.sent
            .insert(*token, (Arc::new(transaction), Fate::Waiting));
    }

    pub(crate) fn convert(&mut self, number: usize, schema: &str) {
        let next = self.sent.last_key_value().map_or(1, |(last, _)| last + 1);
        self.conversions.insert(number, (next, Converted::Waiting));
        let params = format!(r#"["D",{schema}]"#);
        self.control
            .request(&format!(r#""{number}""#), "convert", &params);
    }

    pub(crate) fn converted(&self, number: usize) -> Converted {
        self.conversions[&number].1
    }

    /// The tokens of what is known to be accepted.
    pub(crate) fn accepted(&self) -> BTreeSet<u64> {
        let accepted = |(token, (_, fate)): (&u64, &(_, Fate))| {
            matches!(fate, Fate::Accepted(_)).then_some(*token)
        };
        self.sent.iter().filter_map(accepted).collect()
    }

    /// How many transactions have this fate, all that were accepted counting as [`Fate::Passed`] with a record.
    pub(crate) fn count(&self, is_meant: impl Fn(&Transaction, Fate) -> bool) -> usize {
        let all = self.sent.values();
        all.filter(|(transaction, fate)| is_meant(transaction, *fate))
            .count()
    }

    /// A compaction has succeeded that was asked for when these were accepted.
    pub(crate) fn compacted(&mut self, accepted: BTreeSet<u64>) {
        self.compacted.extend(accepted);
    }

    /// The fates of all that must have succeeded: those from this token on.
    pub(crate) fn all_accepted_from(&self, token: u64) -> bool {
        let fates = self.sent.range(token..).map(|(_, (_, fate))| fate);
        fates
            .into_iter()
            .all(|fate| matches!(fate, Fate::Accepted(_)))
    }

    pub(crate) fn fail(&mut self, what: String) {
        self.wrong.get_or_insert(what);
    }

    /// Takes note of everything that has been sent to clients, and of what is published.
    pub(crate) fn observe(&mut self) {
        for client in 0..self.writers.len() {
            for message in self.writers[client].take() {
                self.told_writer[client].extend(shown(&message));
                if let Err(wrong) = self.take_reply(client, &message) {
                    self.fail(wrong);
                }
            }
        }
        for message in self.watcher.take() {
            self.told.extend(shown(&message));
        }
        for told in &self.told_writer {
            self.told.extend(told);
        }
        for message in self.control.take() {
            let number = message.get("id").and_then(Value::as_str);
            let number = number.and_then(|number| number.parse::<usize>().ok());
            if let Some((_, fate)) = number.and_then(|number| self.conversions.get_mut(&number)) {
                *fate = match message["error"] {
                    Value::Null => Converted::Done,
                    _ => Converted::Failed,
                };
            }
        }
        let served = self.server.as_ref().and_then(|server| server.database("D"));
        if let Some(served) = served {
            let version = served.version();
            self.served_schema = schema_number(&version.database);
            if self.versions.last().is_none_or(|(id, _)| *id != version.id) {
                // Whoever asks for them now can read them.
                self.told.extend(tokens(&version.database));
                self.versions.push((version.id, version.database.clone()));
            }
        }
    }

    fn take_reply(&mut self, client: usize, message: &Value) -> Result<(), String> {
        let earlier = self.base.tokens.len() as u64;
        let Some(token) = message.get("id").and_then(Value::as_u64) else {
            return Ok(());
        };
        let (transaction, fate) = self.sent.get_mut(&token).ok_or("a reply to nothing")?;
        if *fate != Fate::Waiting {
            return Err(format!("a second reply to {token}: {message}"));
        }
        let results = message["result"].as_array();
        let error = results.and_then(|all| all.iter().find(|one| one.get("error").is_some()));
        *fate = match (results, error) {
            (None, _) => Fate::Failed,
            (_, Some(error)) if error["error"] == "I/O error" => Fate::Refused,
            (_, Some(_)) => Fate::Failed,
            (Some(_), None) if !transaction.is_kept => Fate::Passed,
            (Some(results), None) => match results[1]["rows"][0]["n"].as_u64() {
                Some(n) => Fate::Accepted(n - earlier),
                None => return Err(format!("no count: {message}")),
            },
        };
        // The monitor of a client ends with a conversion, and is asked for again a moment later.
        let is_watching = self.conversions.is_empty();
        if is_watching
            && matches!(fate, Fate::Accepted(_))
            && !self.told_writer[client].contains(&token)
        {
            return Err(format!("the reply to {token} came before the update"));
        }
        Ok(())
    }

    /// Checks the contents that the next process finds.
    pub(crate) fn check(&mut self, found: &Database, id: Uuid, end: End) -> Result<(), String> {
        found.check_consistency()?;
        let contents = dump(found);
        let (earlier, there): (Vec<u64>, Vec<u64>) = tokens(found)
            .into_iter()
            .partition(|token| self.base.tokens.contains(token));
        if earlier.len() < self.base.tokens.len() {
            return Err(format!("of what was there before only {earlier:?} is left"));
        }
        let is_there = |token: &u64| there.binary_search(token).is_ok();
        if let Some((_, known)) = self.versions.iter().find(|(known, _)| *known == id)
            && !same(&dump(known), &contents)
        {
            return Err(format!("another version has the id {id}"));
        }

        let schema = schema_number(found);
        let acknowledged = self.conversions.iter();
        let acknowledged = acknowledged.filter(|(_, (_, fate))| *fate == Converted::Done);
        let acknowledged = acknowledged.map(|(number, _)| *number).max();
        let acknowledged = acknowledged.unwrap_or(self.base.schema);
        let least = match end {
            End::PowerCut => acknowledged,
            End::Kill | End::KillUncut => acknowledged.max(self.served_schema),
        };
        let most = self.conversions.keys().max().copied();
        let most = most.unwrap_or(self.base.schema);
        if !(least..=most).contains(&schema) {
            return Err(format!("schema {schema} is not between {least} and {most}"));
        }

        // What must be there.
        let safe_before = self
            .conversions
            .get(&acknowledged)
            .map_or(0, |(next, _)| *next);
        let mut slots: Vec<Option<u64>> = vec![None; there.len()];
        let mut last_needed = 0;
        for (token, (transaction, fate)) in &self.sent {
            let is_known = self.told.contains(token) || matches!(fate, Fate::Accepted(_));
            let is_safe = transaction.durable
                || *token < safe_before
                || self.compacted.contains(token)
                || end != End::PowerCut;
            if is_known && is_safe && transaction.is_kept && !is_there(token) {
                return Err(format!(
                    "{token} is gone: {fate:?}, durable: {}",
                    transaction.durable
                ));
            }
            if !is_there(token) {
                continue;
            }
            match (fate, end) {
                (Fate::Accepted(n), _) => {
                    let slot = slots.get_mut(*n as usize - 1);
                    match slot {
                        Some(slot @ None) => *slot = Some(*token),
                        _ => {
                            return Err(format!("{token} was number {n}, but not here: {there:?}"));
                        }
                    }
                    if is_safe {
                        last_needed = last_needed.max(*n as usize);
                    }
                }
                (Fate::Waiting, _) => {}
                (Fate::Refused, End::PowerCut | End::KillUncut) => {}
                (fate, _) => return Err(format!("{token} is there: {fate:?}")),
            }
        }

        // In which order the others may have come. A client's come in the order in which it sent them.
        let placed: BTreeSet<u64> = slots.iter().flatten().copied().collect();
        let mut others = vec![Vec::new(); self.writers.len()];
        for token in there.iter().filter(|token| !placed.contains(token)) {
            let (transaction, fate) = &self.sent[token];
            if *fate == Fate::Refused && slots[..last_needed].iter().any(Option::is_none) {
                return Err(format!("{token} is there, before what was accepted"));
            }
            others[transaction.client].push(*token);
        }
        let mut orders = Vec::new();
        arrange(&mut slots, 0, &mut others, &mut orders);
        let mut last = String::from("there is no order of what is there");
        for order in orders {
            let changes = self.changes(&order, schema);
            match self.oracle.after(&changes) {
                Ok(expected) if same(&dump(&expected), &contents) => return Ok(()),
                Ok(expected) => {
                    let expected = dump(&expected);
                    last = format!("after {order:?}, expected {expected}, found {contents}");
                }
                Err(error) => last = format!("{order:?}: {error}"),
            }
        }
        Err(last)
    }

    /// The transactions in this order, with the conversions that lead to `schema`.
    fn changes(&self, order: &[u64], schema: usize) -> Vec<Change> {
        let mut conversions: Vec<(usize, u64)> = self
            .conversions
            .iter()
            .filter(|(number, (_, fate))| {
                **number == schema || **number < schema && *fate == Converted::Done
            })
            .map(|(number, (next, _))| (*number, *next))
            .collect();
        conversions.reverse();
        let mut changes = Vec::new();
        for token in order {
            while let Some((number, _)) = conversions.pop_if(|(_, next)| *next <= *token) {
                changes.push(Change::Conversion(number));
            }
            changes.push(Change::Transaction(self.sent[token].0.clone()));
        }
        while let Some((number, _)) = conversions.pop() {
            changes.push(Change::Conversion(number));
        }
        changes
    }
}

/// Fills the free places with the others, each client's in order, in every way.
fn arrange(
    slots: &mut [Option<u64>],
    at: usize,
    others: &mut [Vec<u64>],
    orders: &mut Vec<Vec<u64>>,
) {
    if orders.len() >= ORDERS_MAX {
        return;
    }
    let Some(free) = (at..slots.len()).find(|at| slots[*at].is_none()) else {
        if others.iter().all(Vec::is_empty) {
            orders.push(slots.iter().flatten().copied().collect());
        }
        return;
    };
    // Mostly they came as they were sent, so the orders that are close to that are found first.
    let mut next: Vec<(u64, usize)> = others.iter().enumerate().filter_map(first).collect();
    next.sort_unstable();
    for (token, client) in next {
        others[client].remove(0);
        slots[free] = Some(token);
        arrange(slots, free + 1, others, orders);
        slots[free] = None;
        others[client].insert(0, token);
    }
}

/// The token that a client sent before its others, and the client.
fn first((client, tokens): (usize, &Vec<u64>)) -> Option<(u64, usize)> {
    Some((*tokens.first()?, client))
}

/// Whether two dumps tell of the same contents, whatever the order in which columns are written.
fn same(a: &str, b: &str) -> bool {
    let parse = |text| serde_json::from_str::<Value>(text).expect("valid JSON");
    a == b || parse(a) == parse(b)
}

/// The tokens that a message shows as those of rows that are there.
fn shown(message: &Value) -> Vec<u64> {
    let updates = match message.get("method").and_then(Value::as_str) {
        Some("update3") => message["params"].get(2),
        Some(_) => None,
        None => message["result"].get(2),
    };
    let rows = updates.and_then(|updates| updates.get("Entry")?.as_object());
    rows.into_iter()
        .flat_map(|rows| rows.values())
        .filter_map(|change| {
            let row = change.get("insert").or_else(|| change.get("initial"))?;
            row.get("token")?.as_u64()
        })
        .collect()
}
