//! A client: what comes to its mind, what it hears, and whether that makes sense.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use ovsdb_net::Stream;
use ovsdb_server::remotes::{self, RemoteOptions};
use ovsdb_server::server::Server;
use ovsdb_testkit::differential::dice::Dice;
use ovsdb_testkit::monitored::{Contents, Form, Monitor};
use serde_json::{Value as Json, json};
use tokio::time::{Instant, sleep, sleep_until};

use crate::chronicle::{Index, attempt};
use crate::locks::{Holder, Known};
use crate::network::Line;
use crate::requests::{LOCKS, Transaction, schema};
use crate::watching::{Memory, Protocol, Watching};
use crate::wire::{Heard, Wire};
use crate::world::{NAME, Phase, World};

/// A request that is not answered yet.
struct Pending {
    what: What,
    at: Circumstances,
}

/// How things were when a request was sent.
#[derive(Clone, Copy)]
struct Circumstances {
    sent_at: Instant,
    /// The last version, and how often databases had changed.
    version: Index,
    /// A version that the client had heard of.
    floor: Index,
    changes: u64,
    /// The client has taken it back since.
    is_canceled: bool,
}

/// What was asked for.
enum What {
    Transact(Transaction),
    Monitor {
        id: Json,
        protocol: Protocol,
        asked: Monitor,
        memory: Option<Memory>,
    },
    Change {
        id: Json,
    },
    CancelMonitor {
        id: Json,
    },
    Lock {
        name: &'static str,
    },
    Unlock,
    Echo(Json),
    Convert,
    BeAware,
    ListDatabases,
    GetSchema,
}

/// A client, over all its connections.
pub(crate) struct Client {
    world: Rc<World>,
    number: u64,
    dice: Dice,
    connections: u64,
}

/// One connection of a client.
struct Session<'a> {
    client: &'a mut Client,
    wire: Wire,
    holder: Holder,
    pending: BTreeMap<u64, Pending>,
    last_request: u64,
    watching: Vec<Watching>,
    last_monitor: u64,
    /// What the client has heard of is a version at least as new.
    floor: Index,
    /// At which versions requests took effect that are not held back, by their numbers.
    order: BTreeMap<u64, Index>,
    /// How often databases had changed before the server knew that the client can live with that.
    aware_since: Option<u64>,
    changes_before: u64,
    finished_at: Option<Instant>,
}

impl Client {
    pub(crate) fn new(world: Rc<World>, number: u64, dice: Dice) -> Client {
        Client {
            world,
            number,
            dice,
            connections: 0,
        }
    }

    /// Lives with a server until that ends, or until all go away.
    pub(crate) async fn live(&mut self, server: Arc<Server>) {
        loop {
            match self.world.phase() {
                Phase::Busy | Phase::Settling => self.connect(&server).await,
                Phase::Quiet | Phase::Over => return,
            }
            let pause = Duration::from_millis(self.dice.below(300) as u64);
            tokio::select! {
                biased;
                () = sleep(pause) => {}
                () = self.world.turned.notified() => {}
            }
        }
    }

    /// Keeps what it knows for another day.
    fn remember(&self, memories: impl IntoIterator<Item = Memory>) {
        let mut all = self.world.memories.borrow_mut();
        let own = all.entry(self.number).or_default();
        own.extend(memories);
        let many = own.len().saturating_sub(6);
        own.drain(..many);
    }

    async fn connect(&mut self, server: &Arc<Server>) {
        let world = self.world.clone();
        let pace = world.pace(&mut self.dice);
        let breaks = self.dice.chance(world.weather.breaks).then(|| {
            let most = *self.dice.pick(&[10, 1000, 10_000]);
            (self.dice.below(2), self.dice.below(most) as u64)
        });
        let dice = Dice::new(self.dice.between(0, i64::MAX) as u64);
        let (line, own, other) = Line::new(dice, pace, breaks);
        self.connections += 1;
        let holder = self.number * 1_000_000 + self.connections;
        world.note(|| format!("client {holder} connects: {pace:?} {breaks:?}"));
        let stream = Stream::from_halves(format!("client {holder}"), other.read, other.write);
        let options = RemoteOptions {
            probe_interval_ms: *self.dice.pick(&[0, 10_000, 30_000]),
            ..RemoteOptions::default()
        };
        remotes::serve(server, "clients", stream, &options);
        let session = Session {
            wire: Wire::new(line, own),
            holder,
            pending: BTreeMap::new(),
            last_request: 0,
            watching: Vec::new(),
            last_monitor: 0,
            floor: 0,
            order: BTreeMap::new(),
            aware_since: None,
            changes_before: world.changes.get(),
            finished_at: None,
            client: self,
        };
        session.run().await;
    }
}

impl Drop for Session<'_> {
    /// However it ends, the client remembers what it has seen.
    fn drop(&mut self) {
        let world = self.client.world.clone();
        world.note(|| format!("{} goes", self.holder));
        world.locks.borrow_mut().leaves(self.holder);
        let memories = self.watching.drain(..).filter_map(Watching::memory);
        self.client.remember(memories);
    }
}

impl Session<'_> {
    async fn run(mut self) {
        let world = self.client.world.clone();
        let mut next = Instant::now();
        loop {
            let phase = world.phase();
            if phase != Phase::Busy {
                self.wire.line.calm();
            }
            if phase == Phase::Over {
                let open = self.pending.values();
                let canceled = open.filter(|pending| pending.at.is_canceled).count();
                assert_eq!(canceled, 0, "transactions were taken back long ago");
                break;
            }
            let heard = tokio::select! {
                biased;
                heard = self.wire.hear() => Some(heard),
                () = world.turned.notified() => {
                    if world.phase() == Phase::Quiet {
                        self.check_quiet();
                    }
                    continue;
                }
                () = sleep_until(next), if phase == Phase::Busy => None,
            };
            match heard {
                Some(Heard::Message(message)) => {
                    world.note_text(self.holder, "<", &message);
                    let message = serde_json::from_slice(&message).expect("the server sends JSON");
                    self.hear(message);
                }
                Some(Heard::Closed) => {
                    self.check_close();
                    break;
                }
                None => {
                    if self.client.dice.chance(2) && phase == Phase::Busy {
                        break;
                    }
                    self.act();
                    let dice = &mut self.client.dice;
                    let wait_ms = match dice.chance(world.weather.haste) {
                        true => dice.below(3),
                        false => dice.below(100),
                    };
                    next = Instant::now() + Duration::from_millis(wait_ms as u64);
                }
            }
        }
    }

    fn request(&mut self, method: &str, params: Json, what: What) {
        self.last_request += 1;
        let world = &self.client.world;
        let at = Circumstances {
            sent_at: Instant::now(),
            version: world.chronicle.borrow().now(),
            floor: self.floor,
            changes: world.changes.get(),
            is_canceled: false,
        };
        self.pending.insert(self.last_request, Pending { what, at });
        let request = json!({"id": self.last_request, "method": method, "params": params});
        let request = request.to_string();
        world.note_text(self.holder, ">", request.as_bytes());
        self.wire.send(&request);
    }

    fn contents(&self) -> Rc<Contents> {
        let chronicle = self.client.world.chronicle.borrow();
        chronicle.contents(chronicle.now())
    }

    /// Does something.
    fn act(&mut self) {
        if self.finished_at.is_some() {
            return;
        }
        let world = self.client.world.clone();
        match self.client.dice.below(100) {
            0..50 => {
                for _ in 0..=self.client.dice.below(4) {
                    self.transact();
                }
            }
            50..62 => self.monitor(),
            62..70 => self.change(),
            70..75 => {
                if let Some(place) = self.any_watching() {
                    let id = self.watching[place].id.clone();
                    let what = What::CancelMonitor { id: id.clone() };
                    self.request("monitor_cancel", json!([id]), what);
                }
            }
            75..85 => self.lock(),
            85..90 => self.cancel(),
            90..93 => {
                let what = json!([self.last_request, "ping"]);
                self.request("echo", what.clone(), What::Echo(what));
            }
            93 => {
                // Half a request, or nothing, and then no more.
                self.wire.finish();
                self.finished_at = Some(Instant::now());
            }
            94 => self.request("list_dbs", json!([]), What::ListDatabases),
            95 => self.request("get_schema", json!([NAME]), What::GetSchema),
            96 if self.client.dice.chance(30) => self.wire.line.cut(),
            97 if world.weather.databases_change => {
                let edition = self.client.dice.below(6) as u64;
                let new: Json = serde_json::from_str(&schema(edition)).expect("JSON");
                self.request("convert", json!([NAME, new]), What::Convert);
            }
            _ if self.aware_since.is_none() => {
                self.request("set_db_change_aware", json!([true]), What::BeAware);
            }
            _ => {}
        }
    }

    fn transact(&mut self) {
        let world = self.client.world.clone();
        let contents = self.contents();
        let tag = world.fresh_tag();
        let transaction =
            Transaction::any(&mut self.client.dice, &contents, tag, world.weather.is_fat);
        if let Some(tag) = transaction.tag {
            let mut chronicle = world.chronicle.borrow_mut();
            chronicle.sends(tag, &transaction.operations);
        }
        let mut params = vec![json!(NAME)];
        params.extend(
            transaction
                .operations
                .as_array()
                .cloned()
                .unwrap_or_default(),
        );
        let what = What::Transact(transaction);
        self.request("transact", Json::Array(params), what);
    }

    fn monitor(&mut self) {
        if self.watching.len() > 4 {
            return;
        }
        let contents = self.contents();
        let client = &mut *self.client;
        let dice = &mut client.dice;
        let mut memories = client.world.memories.borrow_mut();
        let own = memories.entry(client.number).or_default();
        let memory = (!own.is_empty() && dice.chance(70)).then(|| {
            let place = dice.below(own.len());
            own.swap_remove(place)
        });
        drop(memories);
        let (asked, protocol) = match &memory {
            Some(memory) => (memory.asked.clone(), Protocol::Since),
            None => {
                let asked = Monitor::any(dice, &contents, false);
                let protocol = match asked.form {
                    Form::Values => Protocol::Plain,
                    Form::Differences if dice.chance(60) => Protocol::Since,
                    Form::Differences => Protocol::Cond,
                };
                (asked, protocol)
            }
        };
        self.last_monitor += 1;
        let id = json!(["m", self.last_monitor]);
        let requests = match &memory {
            Some(_) => asked.requests_now(),
            None => asked.requests(),
        };
        let mut params = json!([NAME, id, requests]);
        if protocol == Protocol::Since {
            let told = memory.as_ref().map(|memory| memory.told.clone());
            let zeros = "00000000-0000-0000-0000-000000000000";
            let told = told.unwrap_or_else(|| zeros.to_owned());
            params.as_array_mut().expect("an array").push(json!(told));
        }
        let what = What::Monitor {
            id,
            protocol,
            asked,
            memory,
        };
        self.request(protocol.method(), params, what);
    }

    fn any_watching(&mut self) -> Option<usize> {
        let certain: Vec<usize> = (0..self.watching.len())
            .filter(|&place| {
                let watching = &self.watching[place];
                let mut pending = self.pending.values();
                watching.change.is_none()
                    && !pending.any(|pending| {
                        matches!(&pending.what, What::CancelMonitor { id } if *id == watching.id)
                    })
            })
            .collect();
        self.client.dice.maybe_pick(&certain).copied()
    }

    fn change(&mut self) {
        let Some(place) = self.any_watching() else {
            return;
        };
        let contents = self.contents();
        let watching = &mut self.watching[place];
        if watching.protocol == Protocol::Plain {
            return;
        }
        let mut asked = watching.asked.clone();
        let requests = asked.change_conditions(&mut self.client.dice, &contents);
        let id = watching.id.clone();
        let mut new = id.clone();
        if self.client.dice.chance(30) {
            self.last_monitor += 1;
            new = json!(["m", self.last_monitor]);
        }
        watching.change = Some((asked, new.clone()));
        let what = What::Change { id: id.clone() };
        self.request("monitor_cond_change", json!([id, new, requests]), what);
    }

    fn lock(&mut self) {
        let world = self.client.world.clone();
        let name = *self.client.dice.pick(&LOCKS);
        let unlocks = |pending: &Pending| matches!(pending.what, What::Unlock);
        if self.pending.values().any(unlocks) {
            return;
        }
        let known = world.locks.borrow().known(name, self.holder);
        match known {
            None => {
                let steals = self.client.dice.chance(20);
                let mut locks = world.locks.borrow_mut();
                locks.asks(name, self.holder, steals, &self.wire.line);
                drop(locks);
                let method = if steals { "steal" } else { "lock" };
                self.request(method, json!([name]), What::Lock { name });
            }
            Some(Known::Asked) => {}
            Some(_) => {
                world.locks.borrow_mut().returns(name, self.holder);
                self.request("unlock", json!([name]), What::Unlock);
            }
        }
    }

    /// Takes back a transaction, whether it is held back or not.
    fn cancel(&mut self) {
        let is_transaction =
            |(_, pending): &(&u64, &Pending)| matches!(pending.what, What::Transact(_));
        let open = self.pending.iter().filter(is_transaction);
        let open: Vec<u64> = open.map(|(id, _)| *id).collect();
        if let Some(&id) = self.client.dice.maybe_pick(&open) {
            self.take_back(id);
        }
    }

    fn take_back(&mut self, id: u64) {
        if let Some(pending) = self.pending.get_mut(&id) {
            pending.at.is_canceled = true;
        }
        let notification = json!({"id": null, "method": "cancel", "params": [id]});
        let notification = notification.to_string();
        let world = &self.client.world;
        world.note_text(self.holder, ">", notification.as_bytes());
        self.wire.send(&notification);
    }

    fn hear(&mut self, message: Json) {
        match message["method"].as_str() {
            Some(method) => self.hear_of(method, &message),
            None => self.hear_reply(&message),
        }
    }

    fn hear_of(&mut self, method: &str, message: &Json) {
        let world = self.client.world.clone();
        let params = &message["params"];
        let lock = || params[0].as_str().expect("a lock's name");
        match method {
            "echo" => {
                let answer = json!({"id": message["id"], "result": params, "error": null});
                self.wire.send(&answer.to_string());
            }
            "update" | "update2" | "update3" => self.hear_update(method, params),
            "locked" => drop(world.locks.borrow_mut().comes(lock(), self.holder)),
            "stolen" => drop(world.locks.borrow_mut().goes(lock(), self.holder)),
            "monitor_canceled" => {
                assert!(world.changes.get() > 0, "monitors do not just end");
                let place = self.watching.iter().position(|one| one.id == params[0]);
                let place = place.expect("it was a monitor");
                let memory = self.watching.remove(place).memory();
                self.client.remember(memory);
            }
            other => panic!("the server says {other}"),
        }
    }

    fn hear_update(&mut self, method: &str, params: &Json) {
        let world = self.client.world.clone();
        let chronicle = world.chronicle.borrow();
        let id = &params[0];
        let is_it = |one: &&mut Watching| {
            one.id == *id || one.change.as_ref().is_some_and(|(_, new)| new == id)
        };
        let watching = self.watching.iter_mut().find(is_it);
        let watching = watching.unwrap_or_else(|| panic!("there is no monitor {id}"));
        assert_eq!(watching.protocol.update(), method);
        let (told, updates) = match watching.protocol {
            Protocol::Since => (Some(&params[1]), &params[2]),
            _ => (None, &params[1]),
        };
        watching.hear(told, updates, &chronicle);
        self.floor = self.floor.max(watching.index);
    }

    fn hear_reply(&mut self, message: &Json) {
        let number = message["id"].as_u64().expect("the id of a request");
        let pending = self.pending.remove(&number);
        let Pending { what, at } =
            pending.unwrap_or_else(|| panic!("nobody has asked for {message}"));
        let error = &message["error"];
        let result = match error {
            Json::Null => Ok(&message["result"]),
            _ => Err(error),
        };
        let world = self.client.world.clone();
        let has_changed = world.has_changed_since(at.changes);
        let is_gone = |error: &Json| has_changed && error["error"] == "unknown database";
        // Requests take effect in their order, and after whatever the client had heard of.
        let before = self.order.range(..number).map(|(_, index)| *index).max();
        let from = at.floor.max(at.version).max(before.unwrap_or(0));
        match (what, result) {
            (What::Transact(ref transaction), _) => {
                self.hear_results(number, transaction, at, from, result);
            }
            (
                What::Monitor {
                    id,
                    protocol,
                    asked,
                    memory,
                },
                Ok(initial),
            ) => {
                let chronicle = world.chronicle.borrow();
                let watching =
                    Watching::begin(id, protocol, asked, memory, initial, &chronicle, from);
                self.order.insert(number, watching.index);
                self.floor = self.floor.max(watching.index);
                self.watching.push(watching);
            }
            (What::Monitor { memory, .. }, Err(error)) if is_gone(error) => {
                self.client.remember(memory);
            }
            (What::Change { id }, Ok(_)) => {
                let mut watching = self.watching.iter_mut();
                let watching = watching.find(|one| one.id == id);
                let watching = watching.expect("a monitor whose conditions change");
                watching.changed(&world.chronicle.borrow());
            }
            (What::CancelMonitor { id }, Ok(_)) => {
                let place = self.watching.iter().position(|one| one.id == id);
                let place = place.expect("a monitor that ends");
                let memory = self.watching.remove(place).memory();
                self.client.remember(memory);
            }
            // It has ended with its database.
            (What::Change { id } | What::CancelMonitor { id }, Err(_))
                if !self.watching.iter().any(|one| one.id == id) => {}
            (What::Lock { name }, Ok(answer)) => {
                let is_owner = answer["locked"].as_bool().expect("an answer");
                let mut locks = world.locks.borrow_mut();
                locks.answered(name, self.holder, is_owner);
            }
            (What::Unlock, Ok(answer)) => assert_eq!(*answer, json!({})),
            (What::Echo(sent), Ok(answer)) => assert_eq!(*answer, sent),
            (What::Convert, Ok(answer)) => assert_eq!(*answer, json!({})),
            (What::Convert, Err(error)) => {
                let failed = world.faults.get() > 0;
                assert!(failed || has_changed, "a conversion fails: {error}");
            }
            (What::BeAware, Ok(answer)) => {
                assert_eq!(*answer, json!({}));
                self.aware_since = Some(world.changes.get());
            }
            (What::ListDatabases, Ok(answer)) => {
                let complete = *answer == json!(["Monitored", "_Server"]);
                assert!(
                    complete || has_changed || world.changes.get() > 0,
                    "{answer}"
                );
            }
            (What::GetSchema, Ok(answer)) => assert_eq!(answer["name"], NAME),
            (What::GetSchema, Err(error)) if is_gone(error) => {}
            (_, Err(error)) => panic!("request {number} is refused: {error}"),
        }
    }

    fn hear_results(
        &mut self,
        id: u64,
        transaction: &Transaction,
        at: Circumstances,
        from: Index,
        result: Result<&Json, &Json>,
    ) {
        let world = self.client.world.clone();
        let mut chronicle = world.chronicle.borrow_mut();
        let has_changed = world.has_changed_since(at.changes);
        let results = match result {
            Ok(results) => results,
            Err(error) => {
                let is_canceled = *error == json!("canceled");
                let may_be = at.is_canceled && transaction.waits.is_some() || has_changed;
                let is_gone = error["error"] == "unknown database" && has_changed;
                assert!(is_canceled && may_be || is_gone, "{error}");
                if let Some(tag) = transaction.tag {
                    chronicle.refuses(tag);
                }
                return;
            }
        };
        let operations = results.as_array().expect("results are an array");
        let failed = operations.iter().find(|result| !result["error"].is_null());
        let index = match (failed, transaction.tag) {
            (None, Some(tag)) => {
                let index = chronicle.committed(tag, results);
                chronicle.acknowledged(index, transaction.is_durable);
                // Who has the reply has seen the change.
                for watching in &mut self.watching {
                    watching.place_from(&chronicle, index);
                }
                assert!(index > from, "request {id} took effect before others");
                self.check_assertion(transaction, true);
                index
            }
            (None, None) => {
                let range = from..=chronicle.now();
                let found = chronicle.explained(range, &transaction.operations, 0, true, results);
                found.unwrap_or_else(|| panic!("{results} was never true since version {from}"))
            }
            (Some(error), tag) => {
                if let Some(tag) = tag {
                    chronicle.refuses(tag);
                }
                let is_of_disk = error["error"] == "I/O error" || error["error"] == "ovsdb error";
                if is_of_disk && world.faults.get() > 0 {
                    return;
                }
                let waited_ms = waited_ms(error);
                let elapsed_ms = at.sent_at.elapsed().as_millis() as u64;
                assert!(waited_ms <= elapsed_ms, "{error} after {elapsed_ms} ms");
                let owns = error["error"] != "not owner";
                if !owns {
                    self.check_assertion(transaction, false);
                }
                let range = from..=chronicle.now();
                let found =
                    chronicle.explained(range, &transaction.operations, waited_ms, owns, results);
                found.unwrap_or_else(|| panic!("{results} was never so since version {from}"))
            }
        };
        if transaction.waits.is_none() {
            let later = self.order.range(id..).map(|(_, index)| *index).min();
            assert!(
                later.is_none_or(|later| index <= later),
                "{id} took effect late"
            );
            self.order.insert(id, index);
        }
        self.floor = self.floor.max(index);
    }

    /// A transaction that asserts to own a lock was executed, or not.
    fn check_assertion(&self, transaction: &Transaction, is_owner: bool) {
        let Some(lock) = transaction.asserts else {
            return;
        };
        let locks = self.client.world.locks.borrow();
        let known = locks.known(lock, self.holder);
        let unlocks = self.pending.values();
        let mut unlocks = unlocks.filter(|pending| matches!(pending.what, What::Unlock));
        // What is on its way counts for nothing here.
        if is_owner && unlocks.next().is_none() && self.order.len() < 2 {
            assert!(known.is_some(), "{lock} is owned by who never asked for it");
        }
    }

    /// The connection has ended: for a reason?
    fn check_close(&self) {
        let world = &self.client.world;
        let changes = world.changes.get();
        let is_unaware = match self.aware_since {
            None => changes > self.changes_before,
            Some(since) => since > self.changes_before,
        };
        let is_broken = self.wire.line.is_broken();
        assert!(
            is_broken || self.finished_at.is_some() || is_unaware,
            "the server has closed connection {} for no reason",
            self.holder
        );
        // Whoever says that nothing more will come is answered, if he is quick to take it.
        let is_quick = |at: Instant| at.elapsed() < Duration::from_secs(4);
        if self.finished_at.is_some_and(is_quick) && !is_broken && !is_unaware {
            self.check_answered("the end of a connection");
        }
    }

    /// Asserts that nothing is unanswered but what is held back.
    fn check_answered(&self, when: &str) {
        let world = &self.client.world;
        let chronicle = world.chronicle.borrow();
        for (id, pending) in &self.pending {
            let Pending { what, at } = pending;
            let What::Transact(transaction) = what else {
                panic!("request {id} is not answered at {when}");
            };
            let is_quiet = world.phase() == Phase::Quiet;
            // Nobody knows how long it was on its way.
            let waits = transaction.waits.is_some_and(|timeout| {
                !is_quiet || timeout.is_none_or(|timeout| at.sent_at.elapsed() < timeout)
            });
            assert!(waits, "transaction {id} is not answered at {when}");
            if is_quiet {
                let database = chronicle.database(chronicle.now());
                let outcome = attempt(database, &transaction.operations, 0, false);
                assert!(
                    matches!(outcome, ovsdb_engine::Outcome::Blocked { .. }),
                    "transaction {id} waits for nothing"
                );
            }
        }
    }

    /// Everything has been told by now.
    fn check_quiet(&mut self) {
        self.check_answered("the end of everything");
        let chronicle = self.client.world.chronicle.borrow();
        for watching in &mut self.watching {
            assert!(
                watching.change.is_none(),
                "{} changes for ever",
                watching.id
            );
            watching.place_from(&chronicle, chronicle.now());
        }
        drop(chronicle);
        // What is held back is taken back, or left behind.
        if self.client.dice.chance(50) {
            let open: Vec<u64> = self.pending.keys().copied().collect();
            open.into_iter().for_each(|id| self.take_back(id));
        }
    }
}

/// For how long a transaction was held back that is told to have waited in vain.
fn waited_ms(error: &Json) -> u64 {
    let details = error["details"].as_str().unwrap_or_default();
    let waited = details.strip_prefix("\"wait\" timed out after ");
    let waited = waited.and_then(|waited| waited.strip_suffix(" ms"));
    waited.map_or(0, |waited| waited.parse().expect("a number"))
}
