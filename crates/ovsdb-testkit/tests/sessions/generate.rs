//! Scripts out of a seed: what several clients do, one after the other and at once.

use ovsdb_testkit::differential::dice::Dice;
use ovsdb_testkit::differential::model::Model;

use crate::mistakes::{BYTES, CHANGES, REQUESTS};
use crate::monitors::{Designer, Monitor};
use crate::operations::{Composer, LOCKS};
use crate::script::{Action, Script, Step, Stretch, TRANSACTION};
use crate::stage::CLIENTS;

/// The id that asks for everything.
const ZERO: &str = "00000000-0000-0000-0000-000000000000";

/// An id of no transaction.
const UNKNOWN: &str = "0a1b2c3d-4e5f-4071-8293-a4b5c6d7e8f9";

/// Makes scripts.
pub(crate) struct Generator<'a> {
    dice: Dice,
    model: &'a Model,
    /// The schema of the database, and others that it may be converted to.
    schemas: &'a [String],
    /// Whether both servers remember transactions, so that clients can resume.
    history: bool,
    clients: [Client; CLIENTS],
    /// Monitors that are canceled at once with other steps, and may be there after those.
    ghosts: Vec<Monitor>,
    /// Whether the schema has been asked for as a part of `_Server`, or has become another one: the reference goes on
    /// to show the old one there.
    schema: SchemaUse,
    /// How many of them are in use.
    active: usize,
    next: usize,
}

/// What a script knows of one of its clients.
#[derive(Clone, Debug, Default)]
struct Client {
    monitors: Vec<Monitor>,
    /// Locks asked for.
    locks: Vec<&'static str>,
    /// Requests that may still wait.
    waiting: Vec<usize>,
    /// Whether it has said that it knows of databases that come and go.
    aware: bool,
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum SchemaUse {
    Unused,
    Watched,
    Replaced,
}

#[derive(Clone, Copy)]
enum Kind {
    Transact,
    Wait,
    Cancel,
    Monitor,
    Change,
    ChangeWrongly,
    MonitorCancel,
    Lock,
    Mistake,
    Bytes,
    ServerDatabase,
    Reconnect,
    Resume,
    Convert,
    Burst,
    Flood,
}

impl<'a> Generator<'a> {
    /// A generator whose choices are those of `seed`.
    pub(crate) fn new(
        model: &'a Model,
        schemas: &'a [String],
        seed: u64,
        history: bool,
    ) -> Generator<'a> {
        let mut dice = Dice::new(seed);
        let active = 2 + dice.below(CLIENTS - 1);
        Generator {
            dice,
            model,
            schemas,
            history,
            clients: Default::default(),
            ghosts: Vec::new(),
            schema: SchemaUse::Unused,
            active,
            next: 0,
        }
    }

    /// One script.
    pub(crate) fn script(mut self) -> Script {
        let length = 12 + self.dice.below(30);
        let mut script = Vec::new();
        // Something to watch, and somebody who does.
        for _ in 0..2 {
            let transact = self.transact();
            script.extend(self.paced(transact));
        }
        while script.len() < length {
            let kind = self.kind();
            script.extend(self.stretches(kind));
        }
        script
    }

    fn kind(&mut self) -> Kind {
        // Transactions that end waits and bursts may be merged in updates; their ids could then not be told apart.
        let (resume, server, wait, burst, rare) = match self.history {
            true => (10, 0, 0, 0, 0),
            false => (0, 2, 4, 6, 1),
        };
        self.dice.weighted(&[
            (38, Kind::Transact),
            (wait, Kind::Wait),
            (3, Kind::Cancel),
            (16, Kind::Monitor),
            (15, Kind::Change),
            (2, Kind::ChangeWrongly),
            (3, Kind::MonitorCancel),
            (9, Kind::Lock),
            (8, Kind::Mistake),
            (1, Kind::Bytes),
            (server, Kind::ServerDatabase),
            (2, Kind::Reconnect),
            (resume, Kind::Resume),
            (rare, Kind::Convert),
            (burst, Kind::Burst),
            (rare, Kind::Flood),
        ])
    }

    fn stretches(&mut self, kind: Kind) -> Vec<Stretch> {
        let client = self.dice.below(self.active);
        let steps = match kind {
            Kind::Transact => self.transact(),
            Kind::Wait => self.wait(client),
            Kind::Cancel => self.cancel(client),
            Kind::Monitor => self.monitor(client),
            Kind::Change => self.change(client, true),
            Kind::ChangeWrongly => self.change_wrongly(client),
            Kind::MonitorCancel => self.monitor_cancel(client),
            Kind::Lock => self.lock(client),
            Kind::Mistake => self.mistake(client),
            Kind::Bytes => self.bytes(client),
            Kind::ServerDatabase => self.server_database(client),
            Kind::Reconnect => self.reconnect(client),
            Kind::Resume => self.resume(client),
            Kind::Convert => self.convert(client),
            Kind::Burst => {
                // What a waiting transaction meets would depend on when it is tried again.
                let cancellations = self.cancel_all();
                let mut stretches = self.paced(cancellations);
                stretches.push(Stretch::Burst(self.burst()));
                return stretches;
            }
            Kind::Flood => return self.flood(client),
        };
        self.paced(steps)
    }

    fn paced(&mut self, steps: Vec<Step>) -> Vec<Stretch> {
        steps.into_iter().map(Stretch::Paced).collect()
    }

    fn step(&mut self, client: usize, action: Action) -> Step {
        self.next += 1;
        Step {
            number: self.next,
            client,
            action,
        }
    }

    fn request(&mut self, client: usize, method: &'static str, params: String) -> Vec<Step> {
        vec![self.step(client, Action::Request { method, params })]
    }

    fn transact(&mut self) -> Vec<Step> {
        let client = self.dice.below(self.active);
        self.transact_by(client)
    }

    fn transact_by(&mut self, client: usize) -> Vec<Step> {
        let params = self.composer().transaction();
        self.request(client, "transact", params)
    }

    fn composer(&mut self) -> Composer<'_> {
        Composer {
            dice: &mut self.dice,
            model: self.model,
        }
    }

    fn wait(&mut self, client: usize) -> Vec<Step> {
        let params = self.composer().waiting();
        let steps = self.request(client, "transact", params);
        self.clients[client].waiting.push(self.next);
        steps
    }

    fn cancel(&mut self, client: usize) -> Vec<Step> {
        let request = self.dice.maybe_pick(&self.clients[client].waiting);
        match request.copied().or(self.next.checked_sub(1)) {
            Some(request) => vec![self.cancel_one(client, request)],
            None => Vec::new(),
        }
    }

    fn cancel_one(&mut self, client: usize, request: usize) -> Step {
        let text = format!(r#"{{"id":null,"method":"cancel","params":[{request}]}}"#);
        self.step(client, Action::Raw(text))
    }

    /// Cancels all that may wait.
    fn cancel_all(&mut self) -> Vec<Step> {
        let mut steps = Vec::new();
        for client in 0..self.active {
            for request in std::mem::take(&mut self.clients[client].waiting) {
                steps.push(self.cancel_one(client, request));
            }
        }
        steps
    }

    /// All monitors, and the place of each client's first among them.
    fn monitors(&self) -> Vec<Monitor> {
        let all = self.clients.iter().flat_map(|client| &client.monitors);
        all.chain(&self.ghosts).cloned().collect()
    }

    fn designer(&mut self) -> Designer<'_> {
        let others = self.monitors();
        Designer {
            dice: &mut self.dice,
            model: self.model,
            others,
        }
    }

    fn monitor(&mut self, client: usize) -> Vec<Step> {
        let method = self.dice.weighted(&[
            (30, "monitor"),
            (40, "monitor_cond"),
            (30, "monitor_cond_since"),
        ]);
        self.monitor_by(client, method)
    }

    fn monitor_by(&mut self, client: usize, method: &'static str) -> Vec<Step> {
        let (monitor, mut params) = self.designer().monitor(method);
        if method == "monitor_cond_since" {
            let id = self.since();
            params.push_str(&format!(r#","{id}""#));
        }
        let known = &mut self.clients[client].monitors;
        // A second one with the same id is refused.
        if known.iter().all(|other| other.id != monitor.id) {
            known.push(monitor);
        }
        self.request(client, method, format!("[{params}]"))
    }

    fn since(&mut self) -> String {
        match self.dice.below(10) {
            0..=1 => ZERO.to_owned(),
            2 => UNKNOWN.to_owned(),
            _ if self.history => {
                let number = self.dice.below(self.next / 3 + 2);
                format!("{TRANSACTION}{number}>")
            }
            _ => ZERO.to_owned(),
        }
    }

    fn change(&mut self, client: usize, may_rename: bool) -> Vec<Step> {
        let own = self.clients[client].monitors.len();
        if own == 0 {
            return self.monitor(client);
        }
        let before: usize = self.clients[..client]
            .iter()
            .map(|client| client.monitors.len())
            .sum();
        let place = self.dice.below(own);
        let (mut monitor, text) = self.designer().change(before + place);
        let old = monitor.id.clone();
        if may_rename && self.dice.chance(25) {
            let new = (*self.dice.pick(&[r#""m2""#, r#"["a",2]"#, r#""m""#, "7"])).to_owned();
            let monitors = &self.clients[client].monitors;
            if monitors.iter().all(|other| other.id != new) {
                monitor.id = new;
            } else {
                // Refused, and nothing changes.
                let params = format!("[{old},{new},{text}]");
                if new != old {
                    return self.request(client, "monitor_cond_change", params);
                }
            }
        }
        let params = format!("[{old},{},{text}]", monitor.id);
        self.clients[client].monitors[place] = monitor;
        self.request(client, "monitor_cond_change", params)
    }

    fn change_wrongly(&mut self, client: usize) -> Vec<Step> {
        let monitors = &self.clients[client].monitors;
        let of_items = |monitor: &&Monitor| monitor.is_of_items() && !monitor.is_plain();
        let ids: Vec<String> = monitors
            .iter()
            .filter(of_items)
            .map(|monitor| monitor.id.clone())
            .collect();
        let Some(id) = self.dice.maybe_pick(&ids).cloned() else {
            return Vec::new();
        };
        let change = *self.dice.pick(CHANGES);
        self.request(
            client,
            "monitor_cond_change",
            format!("[{id},{id},{change}]"),
        )
    }

    fn monitor_cancel(&mut self, client: usize) -> Vec<Step> {
        let monitors = &mut self.clients[client].monitors;
        if monitors.is_empty() {
            return Vec::new();
        }
        let place = self.dice.below(monitors.len());
        let monitor = self.clients[client].monitors.remove(place);
        self.request(client, "monitor_cancel", format!("[{}]", monitor.id))
    }

    fn lock(&mut self, client: usize) -> Vec<Step> {
        let method = self
            .dice
            .weighted(&[(40, "lock"), (20, "steal"), (40, "unlock")]);
        let known = &mut self.clients[client].locks;
        let mut name = *self.dice.pick(&LOCKS);
        if method == "unlock" {
            // Mostly one that it has asked for.
            name = self.dice.maybe_pick(known).copied().unwrap_or(name);
            known.retain(|known| *known != name);
        } else {
            known.push(name);
        }
        let params = format!(r#"["{name}"]"#);
        self.request(client, method, params)
    }

    fn mistake(&mut self, client: usize) -> Vec<Step> {
        let (method, params) = *self.dice.pick(REQUESTS);
        match (method, params) {
            ("set_db_change_aware", "[true]") => self.clients[client].aware = true,
            ("set_db_change_aware", "[false]") => self.clients[client].aware = false,
            _ => {}
        }
        self.request(client, method, params.to_owned())
    }

    fn bytes(&mut self, client: usize) -> Vec<Step> {
        let (text, ends) = *self.dice.pick(BYTES);
        if ends {
            self.clients[client] = Client::default();
        }
        vec![self.step(client, Action::Raw(text.to_owned()))]
    }

    fn server_database(&mut self, client: usize) -> Vec<Step> {
        let method = self.dice.weighted(&[
            (1, "monitor"),
            (2, "monitor_cond"),
            (1, "monitor_cond_since"),
        ]);
        let since = match method {
            "monitor_cond_since" => format!(r#","{ZERO}""#),
            _ => String::new(),
        };
        let wheres = match method {
            "monitor" => "",
            _ => *self.dice.pick(&[
                "",
                r#","where":[["name","==","Sessions"]]"#,
                r#","where":[["connected","==",false],["name","!=","Sessions"]]"#,
            ]),
        };
        // By their names, rows can be told apart: their UUIDs are made up.
        let mut columns = *self.dice.pick(&[
            r#""name""#,
            r#""name","model","connected","leader""#,
            r#""index","cid","name","sid""#,
        ]);
        if self.schema != SchemaUse::Replaced && self.dice.chance(25) {
            columns = r#""name","schema""#;
            self.schema = SchemaUse::Watched;
        }
        let params = format!(
            r#"["_Server","server",{{"Database":[{{"columns":[{columns}]{wheres}}}]}}{since}]"#
        );
        self.request(client, method, params)
    }

    fn reconnect(&mut self, client: usize) -> Vec<Step> {
        self.clients[client] = Client::default();
        vec![self.step(client, Action::Reconnect)]
    }

    /// A client goes away, others go on, and it comes back to its monitors.
    fn resume(&mut self, client: usize) -> Vec<Step> {
        let mut steps = self.reconnect(client);
        for _ in 0..self.dice.below(4) {
            let other = (client + 1) % self.active;
            steps.extend(self.transact_by(other));
        }
        for _ in 0..1 + self.dice.below(2) {
            steps.extend(self.monitor_by(client, "monitor_cond_since"));
        }
        steps
    }

    /// The database gets another schema, or the same once more. Monitors of it end, and clients that do not know of such
    /// things are disconnected.
    fn convert(&mut self, client: usize) -> Vec<Step> {
        let mut steps = Vec::new();
        for other in 0..self.active {
            if self.dice.chance(40) {
                steps.extend(self.request(other, "set_db_change_aware", "[true]".to_owned()));
                self.clients[other].aware = true;
            }
        }
        let schema = match self.schema {
            SchemaUse::Watched => &self.schemas[0],
            _ => self.dice.pick(self.schemas),
        };
        if self.schema == SchemaUse::Unused {
            self.schema = SchemaUse::Replaced;
        }
        let params = format!(r#"["{}",{schema}]"#, self.model.name);
        steps.extend(self.request(client, "convert", params));
        for client in &mut self.clients {
            let locks = match client.aware {
                true => std::mem::take(&mut client.locks),
                false => Vec::new(),
            };
            *client = Client {
                aware: client.aware,
                locks,
                ..Client::default()
            };
        }
        steps
    }

    /// One client changes rows with more bytes than sockets hold, and others who watch do not read.
    fn flood(&mut self, writer: usize) -> Vec<Stretch> {
        const STEPS: usize = 80;
        let cancellations = self.cancel_all();
        let mut stretches = self.paced(cancellations);
        let watcher = (writer + 1) % self.active;
        let id = r#""flood""#;
        let watched = self.designer().whole(id, "Item", &["name", "number"]);
        let known = &mut self.clients[watcher].monitors;
        if let Some((monitor, params)) = watched
            && known.iter().all(|known| known.id != id)
        {
            known.push(monitor);
            let request = self.request(watcher, "monitor_cond", format!("[{params}]"));
            stretches.extend(self.paced(request));
        }
        let mut steps = Vec::new();
        for _ in 0..STEPS {
            let params = match self.dice.chance(70) {
                true => self.composer().long("Item", "name"),
                false => self.composer().transaction(),
            };
            steps.extend(self.request(writer, "transact", params));
        }
        stretches.push(Stretch::Flood(steps));
        stretches
    }

    /// One client changes rows while all change what they watch. Only one changes rows, so that all else follows from
    /// the order in which it does.
    fn burst(&mut self) -> Vec<Step> {
        let writer = self.dice.below(self.active);
        let mut steps = Vec::new();
        for _ in 0..4 + self.dice.below(14) {
            if self.dice.chance(70) {
                steps.extend(self.transact_by(writer));
                continue;
            }
            let client = self.dice.below(self.active);
            steps.extend(match self.dice.below(8) {
                0..=4 => self.change(client, false),
                5..=6 => {
                    let method = *self.dice.pick(&["monitor", "monitor_cond"]);
                    self.monitor_by(client, method)
                }
                _ => {
                    let before = self.clients[client].monitors.clone();
                    self.ghosts.extend(before);
                    self.monitor_cancel(client)
                }
            });
        }
        self.ghosts.clear();
        steps
    }
}
