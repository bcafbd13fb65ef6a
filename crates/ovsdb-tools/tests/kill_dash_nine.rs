//! The server is killed under load, again and again, and keeps what it has acknowledged.
//!
//! Several clients write transactions of several rows each, durable or not, and keep more than one on the way; another one
//! watches, and resumes after each kill from the version that it has. When a number of acknowledgements drawn from the seed
//! has arrived, the server gets SIGKILL. After each restart on the same file: every acknowledged transaction is there, and
//! so is what the watcher was told of; none is there in part, or although it was canceled; what each session wrote is there
//! without a gap; a sum that every transaction adds to agrees; and the watcher ends up with what is there. In some rounds
//! the file is compacted at the time of the kill, or the database converted.
//!
//! `OVSDB_KILLS=N` says how many kills.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::mpsc::{self, Sender};
use std::thread;

use ovsdb_proto::json::{self, Json};
use ovsdb_testkit::client::RawClient;
use ovsdb_testkit::daemon::Server;
use ovsdb_testkit::programs::Side;
use ovsdb_testkit::sandbox::Sandbox;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// Kills of one test, unless [`KILLS`] says otherwise.
const ROUNDS: i64 = 200;
/// Kills after which the next begin with an empty database, so that thousands do not make it large.
const ROUNDS_OF_A_FILE: i64 = 100;
/// How many kills.
const KILLS: &str = "OVSDB_KILLS";
/// Sessions that write at the same time.
const CLIENTS: i64 = 4;
/// Transactions that a session sends before it waits for the first reply.
const PIPELINE: usize = 4;
/// Most acknowledgements before the kill.
const ACKNOWLEDGED_MAX: usize = 60;
/// Most rows of a transaction.
const ROWS_MAX: i64 = 6;
/// Longest payload of a row, in bytes.
const PAYLOAD_MAX: usize = 600;

/// Repeats a run: the seed that an earlier run has printed.
const SEED: &str = "OVSDB_TEST_SEED";

const SCHEMA: &str = r#"{"name": "Kill", "version": "1.0.0", "tables": {
    "Entry": {"isRoot": true, "columns": {
        "round": {"type": "integer"}, "client": {"type": "integer"}, "serial": {"type": "integer"},
        "part": {"type": "integer"}, "parts": {"type": "integer"}, "payload": {"type": "string"}}},
    "Sum": {"isRoot": true, "columns": {"rows": {"type": "integer"}}}}}"#;

/// One transaction, as its writer and its reader both compute it from the seed.
#[derive(Clone, Copy)]
struct Transaction {
    seed: u64,
    round: i64,
    client: i64,
    serial: i64,
}

impl Transaction {
    /// The payloads of its rows.
    fn payloads(self) -> Vec<String> {
        let parts = [self.round, self.client, self.serial].map(i64::unsigned_abs);
        let mixed = parts.iter().fold(self.seed, |mixed, part| {
            mixed.wrapping_mul(1_000_003).wrapping_add(*part)
        });
        let mut random = StdRng::seed_from_u64(mixed);
        let rows = random.random_range(1..=ROWS_MAX);
        let letter = |random: &mut StdRng| char::from(random.random_range(b'a'..=b'z'));
        (0..rows)
            .map(|_| {
                let len = random.random_range(0..=PAYLOAD_MAX);
                (0..len).map(|_| letter(&mut random)).collect()
            })
            .collect()
    }

    /// Every other one asks for it.
    fn is_durable(self) -> bool {
        (self.round + self.client + self.serial) % 2 == 0
    }

    /// The request.
    fn request(self) -> String {
        let Transaction {
            round,
            client,
            serial,
            ..
        } = self;
        let payloads = self.payloads();
        let parts = payloads.len();
        let durable = self.is_durable();
        let mut operations = String::new();
        for (part, payload) in payloads.iter().enumerate() {
            operations.push_str(&format!(
                r#",{{"op":"insert","table":"Entry","row":{{"round":{round},"client":{client},"serial":{serial},"part":{part},"parts":{parts},"payload":"{payload}"}}}}"#
            ));
        }
        format!(
            r#"{{"id":{serial},"method":"transact","params":["Kill"{operations},{{"op":"mutate","table":"Sum","where":[],"mutations":[["rows","+=",{parts}]]}},{{"op":"commit","durable":{durable}}}]}}"#
        )
    }
}

/// What a session did until its connection was cut.
struct Session {
    sent: i64,
    acknowledged: BTreeSet<i64>,
    /// A conversion came first.
    canceled: BTreeSet<i64>,
    /// Whether there was a conversion in its time.
    is_converted: bool,
}

impl Session {
    /// The first of the transactions `0..=last` that is not there although nothing excuses it, or there although it was
    /// canceled. Requests of one session take effect in order, and are answered in order. So after the last answer, and
    /// only with a conversion, there may be canceled ones of which the session has not heard.
    fn gap(&self, last: i64, there: &BTreeSet<i64>) -> Option<i64> {
        let answered = self.acknowledged.len() + self.canceled.len();
        (0..=last).find(|serial| {
            let is_canceled = self.canceled.contains(serial);
            let is_unheard = *serial >= answered as i64 && self.is_converted;
            match there.contains(serial) {
                true => is_canceled,
                false => !(is_canceled || is_unheard),
            }
        })
    }
}

/// Writes transactions until the connection ends; tells of each acknowledgement.
fn write_until_cut(
    mut connection: RawClient,
    seed: u64,
    round: i64,
    client: i64,
    acknowledgements: &Sender<()>,
) -> Session {
    let mut session = Session {
        sent: 0,
        acknowledged: BTreeSet::new(),
        canceled: BTreeSet::new(),
        is_converted: false,
    };
    if connection.send(AWARE.as_bytes()).is_err() || connection.receive().is_err() {
        return session;
    }
    let mut waiting = VecDeque::new();
    loop {
        while waiting.len() < PIPELINE {
            let request = Transaction {
                seed,
                round,
                client,
                serial: session.sent,
            }
            .request();
            if connection.send(request.as_bytes()).is_err() {
                return session;
            }
            waiting.push_back(session.sent);
            session.sent += 1;
        }
        // A connection that is cut in the middle of a reply is cut as well.
        let Ok(Some(reply)) = connection.receive() else {
            return session;
        };
        let reply = json::parse(&reply).expect("the server speaks JSON");
        let expected = waiting.pop_front().expect("a request is on its way");
        assert_eq!(
            reply.get("id"),
            Some(&Json::Integer(expected)),
            "replies come in order"
        );
        if let Some(error) = reply.get("error").filter(|error| **error != Json::Null) {
            let canceled = error.get("error").and_then(Json::as_str) == Some("canceled")
                || error.as_str() == Some("canceled");
            assert!(canceled, "no transaction is refused: {reply}");
            session.canceled.insert(expected);
            continue;
        }
        let failed = reply
            .get("result")
            .and_then(Json::as_array)
            .expect("a result")
            .iter()
            .any(|result| result.get("error").is_some());
        assert!(!failed, "no operation is refused: {reply:?}");
        session.acknowledged.insert(expected);
        // The receiver goes when it has heard enough; the session goes on until it is cut.
        let _ = acknowledgements.send(());
    }
}

/// What is sent by whoever does not want to be disconnected by a conversion.
const AWARE: &str = r#"{"id":"aware","method":"set_db_change_aware","params":[true]}"#;

/// A client that watches all entries, over all kills.
struct Watcher {
    /// The last version that it knows.
    id: String,
    rows: BTreeSet<String>,
    resumed: usize,
    found: usize,
}

impl Watcher {
    fn new() -> Watcher {
        Watcher {
            id: String::from("00000000-0000-0000-0000-000000000000"),
            rows: BTreeSet::new(),
            resumed: 0,
            found: 0,
        }
    }

    fn request(&self) -> String {
        let id = &self.id;
        format!(
            r#"{{"id":"watch","method":"monitor_cond_since","params":["Kill","w",{{"Entry":[{{"columns":["serial"]}}]}},"{id}"]}}"#
        )
    }

    /// Watches until the connection ends, or until it has its first answer.
    fn watch(&mut self, connection: &mut RawClient, is_first_enough: bool) {
        let sent = [AWARE, self.request().as_str()].map(|text| connection.send(text.as_bytes()));
        if sent.iter().any(Result::is_err) {
            return;
        }
        while let Ok(Some(message)) = connection.receive() {
            let message = json::parse(&message).expect("the server speaks JSON");
            match message.get("method").and_then(Json::as_str) {
                Some("update3") => {
                    let params = message.get("params").and_then(Json::as_array);
                    self.take(&params.expect("an update has them")[1..]);
                }
                Some("monitor_canceled") if connection.send(self.request().as_bytes()).is_err() => {
                    return;
                }
                Some(_) => {}
                None if message.get("id").and_then(Json::as_str) == Some("watch") => {
                    let result = message.get("result").and_then(Json::as_array);
                    let result = result.unwrap_or_else(|| panic!("no monitor: {message}"));
                    self.resumed += 1;
                    match result[0] {
                        Json::Bool(true) => self.found += 1,
                        _ => self.rows.clear(),
                    }
                    self.take(&result[1..]);
                    if is_first_enough {
                        return;
                    }
                }
                None => {}
            }
        }
    }

    /// Takes in a version's id and what leads to it.
    fn take(&mut self, told: &[Json]) {
        self.id = told[0].as_str().expect("an id").to_owned();
        let rows = told[1].get("Entry").and_then(Json::as_object);
        for (uuid, change) in rows.into_iter().flat_map(|rows| rows.iter()) {
            let is_new = change.get("insert").or_else(|| change.get("initial"));
            assert!(is_new.is_some(), "entries do not change: {change}");
            assert!(self.rows.insert(uuid.to_string()), "a row is told twice");
        }
    }
}

/// The rows of a `select`.
fn select(
    connection: &mut RawClient,
    table: &str,
    condition: &str,
    columns: &str,
) -> Vec<BTreeMap<String, Json>> {
    let reply = connection.call(&format!(
        r#"{{"id":"select","method":"transact","params":["Kill",{{"op":"select","table":"{table}","where":[{condition}],"columns":[{columns}]}}]}}"#
    ));
    let reply = json::parse(reply.as_bytes()).expect("the server speaks JSON");
    let rows = reply
        .get("result")
        .and_then(|results| results.as_array()?.first()?.get("rows")?.as_array())
        .unwrap_or_else(|| panic!("no rows of {table}: {reply}"));
    rows.iter()
        .map(|row| {
            let row = row.as_object().expect("a row is an object");
            row.iter()
                .map(|(name, value)| (name.to_string(), value.clone()))
                .collect()
        })
        .collect()
}

fn integer(row: &BTreeMap<String, Json>, column: &str) -> i64 {
    row[column]
        .as_i64()
        .unwrap_or_else(|| panic!("{column} is no integer"))
}

/// Checks what is there of one round and returns the number of its rows.
fn check_round(connection: &mut RawClient, seed: u64, round: i64, sessions: &[Session]) -> i64 {
    let columns = r#""client","serial","part","parts","payload""#;
    let rows = select(
        connection,
        "Entry",
        &format!(r#"["round","==",{round}]"#),
        columns,
    );
    let mut found: BTreeMap<(i64, i64), BTreeMap<i64, String>> = BTreeMap::new();
    for row in &rows {
        let transaction = found
            .entry((integer(row, "client"), integer(row, "serial")))
            .or_default();
        let payload = row["payload"].as_str().expect("a string").to_owned();
        let twice = transaction.insert(integer(row, "part"), payload);
        assert_eq!(twice, None, "a row is there twice");
    }
    for ((client, serial), parts) in &found {
        let (client, serial) = (*client, *serial);
        let expected = Transaction {
            seed,
            round,
            client,
            serial,
        }
        .payloads();
        let seen: Vec<&String> = parts.values().collect();
        assert_eq!(
            seen,
            expected.iter().collect::<Vec<_>>(),
            "round {round}: transaction {serial} of client {client} is there, but not as it was written"
        );
    }
    for (client, session) in (0..).zip(sessions) {
        let there = found.keys().filter(|(of, _)| *of == client);
        let there: BTreeSet<i64> = there.map(|(_, serial)| *serial).collect();
        let lost: Vec<_> = session.acknowledged.difference(&there).collect();
        assert!(
            lost.is_empty(),
            "round {round}: lost of client {client}: {lost:?}"
        );
        let last = there.last().copied().unwrap_or(-1);
        assert!(last < session.sent, "round {round}: nobody sent {last}");
        let gap = session.gap(last, &there);
        assert_eq!(
            gap, None,
            "round {round}: a gap in what client {client} wrote"
        );
    }
    i64::try_from(rows.len()).expect("few")
}

/// One server, loaded until enough is acknowledged, then killed.
fn load_and_kill(
    server: Server,
    seed: u64,
    round: i64,
    random: &mut StdRng,
    watcher: &mut Watcher,
) -> Vec<Session> {
    let enough = random.random_range(1..=ACKNOWLEDGED_MAX);
    let compact_at = random
        .random_bool(0.3)
        .then(|| random.random_range(0..enough));
    let convert_at = random
        .random_bool(0.2)
        .then(|| random.random_range(0..enough));
    let (acknowledgements, heard) = mpsc::channel();
    thread::scope(|scope| {
        let writers: Vec<_> = (0..CLIENTS)
            .map(|client| {
                let connection = RawClient::connect(server.socket());
                let acknowledgements = acknowledgements.clone();
                scope.spawn(move || {
                    write_until_cut(connection, seed, round, client, &acknowledgements)
                })
            })
            .collect();
        drop(acknowledgements);
        let mut watching = RawClient::connect(server.socket());
        scope.spawn(move || watcher.watch(&mut watching, false));
        let mut converter = RawClient::connect(server.socket());
        // Kept open to the end, so that the command is not dropped with its connection.
        let mut control = RawClient::connect(server.control());
        for count in 0..enough {
            heard.recv().expect("the server serves until it is killed");
            if compact_at == Some(count) {
                let request = br#"{"id":0,"method":"ovsdb-server/compact","params":[]}"#;
                control.send(request).expect("the control socket is open");
            }
            if convert_at == Some(count) {
                let schema = SCHEMA.replace("1.0.0", &format!("1.0.{}", round + 1));
                let request =
                    format!(r#"{{"id":0,"method":"convert","params":["Kill",{schema}]}}"#);
                converter
                    .send(request.as_bytes())
                    .expect("the server reads");
            }
        }
        server.kill();
        writers
            .into_iter()
            .map(|writer| Session {
                is_converted: convert_at.is_some(),
                ..writer.join().expect("a writer ends with its connection")
            })
            .collect()
    })
}

/// What came of some kills.
#[derive(Default)]
struct Sum {
    sent: i64,
    acknowledged: usize,
    rows: i64,
    resumed: usize,
    found: usize,
}

/// Kills a server on a new file, in these rounds.
fn check_file(seed: u64, rounds: std::ops::Range<i64>, random: &mut StdRng, sum: &mut Sum) {
    let sandbox = Sandbox::new();
    let schema = sandbox.path("kill.ovsschema");
    std::fs::write(&schema, SCHEMA).expect("the sandbox can be written");
    let start = || Server::start(&sandbox, Side::Ours, &[("kill.db", schema.as_path())]);

    let mut server = start();
    RawClient::connect(server.socket()).call(
        r#"{"id":0,"method":"transact","params":["Kill",{"op":"insert","table":"Sum","row":{"rows":0}},{"op":"commit","durable":true}]}"#,
    );
    let mut rows = 0;
    let mut done: Vec<(i64, Vec<Session>, i64)> = Vec::new();
    let mut watcher = Watcher::new();
    for round in rounds {
        let sessions = load_and_kill(server, seed, round, random, &mut watcher);
        server = start();
        let mut connection = RawClient::connect(server.socket());
        let found = check_round(&mut connection, seed, round, &sessions);
        rows += found;
        done.push((round, sessions, found));
        let total = select(&mut connection, "Sum", "", r#""rows""#);
        assert_eq!(total.len(), 1, "round {round}");
        assert_eq!(
            integer(&total[0], "rows"),
            rows,
            "round {round}: the sum of all rows"
        );
        // What it was told of before the kill it is not told again, and with the rest it has all.
        let known = watcher.rows.len();
        watcher.watch(&mut RawClient::connect(server.socket()), true);
        assert!(
            watcher.rows.len() >= known,
            "round {round}: something told is gone"
        );
        assert_eq!(
            i64::try_from(watcher.rows.len()).expect("few"),
            rows,
            "round {round}: the rows of the watcher"
        );
    }

    // What survived one kill survives the later ones, too.
    let mut connection = RawClient::connect(server.socket());
    for (round, sessions, found) in &done {
        assert_eq!(
            check_round(&mut connection, seed, *round, sessions),
            *found,
            "round {round} after the last"
        );
    }
    let sessions = || done.iter().flat_map(|(_, sessions, _)| sessions);
    sum.sent += sessions().map(|session| session.sent).sum::<i64>();
    sum.acknowledged += sessions()
        .map(|session| session.acknowledged.len())
        .sum::<usize>();
    sum.rows += rows;
    sum.resumed += watcher.resumed;
    sum.found += watcher.found;
}

fn from_environment<T: std::str::FromStr>(name: &str) -> Option<T> {
    let value = std::env::var(name).ok()?;
    let Ok(value) = value.parse() else {
        panic!("{name} is a number");
    };
    Some(value)
}

#[test]
fn acknowledged_transactions_survive_kill_dash_nine() {
    let seed = from_environment(SEED).unwrap_or_else(rand::random);
    println!("{SEED}={seed}");
    let kills = from_environment(KILLS).unwrap_or(ROUNDS);
    let mut random = StdRng::seed_from_u64(seed);
    let mut sum = Sum::default();
    let mut round = 0;
    while round < kills {
        let end = kills.min(round + ROUNDS_OF_A_FILE);
        check_file(seed, round..end, &mut random, &mut sum);
        round = end;
    }
    let Sum {
        sent,
        acknowledged,
        rows,
        resumed,
        found,
    } = sum;
    println!(
        "{kills} kills: {sent} transactions sent, {acknowledged} acknowledged, {rows} rows; watched {resumed} times, {found} times from the version known"
    );
    assert!(
        sent - i64::try_from(acknowledged).expect("few") >= kills,
        "the server was killed under load"
    );
    assert!(found >= resumed / 2, "versions are known after a kill");
}
