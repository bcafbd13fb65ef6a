//! The server is killed under load, again and again, and keeps what it has acknowledged.
//!
//! Several clients write durable transactions of several rows each and keep more than one on the way. When a number of
//! acknowledgements drawn from the seed has arrived, the server gets SIGKILL. After each restart on the same file:
//! every acknowledged transaction is there, none is there in part, what each session wrote is there without a gap, and
//! a sum that every transaction adds to agrees. In some rounds the file is compacted at the time of the kill.

use std::collections::{BTreeMap, VecDeque};
use std::sync::mpsc::{self, Sender};
use std::thread;

use ovsdb_proto::json::{self, Json};
use ovsdb_testkit::client::RawClient;
use ovsdb_testkit::daemon::Server;
use ovsdb_testkit::programs::Side;
use ovsdb_testkit::sandbox::Sandbox;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// Kills of one test.
const ROUNDS: i64 = 50;
/// Sessions that write at the same time.
const CLIENTS: i64 = 4;
/// Transactions that a session sends before it waits for the first reply.
const PIPELINE: usize = 4;
/// Most acknowledgements before the kill.
const ACKNOWLEDGED_MAX: usize = 150;
/// Most rows of a transaction.
const ROWS_MAX: i64 = 6;
/// Longest payload of a row, in bytes.
const PAYLOAD_MAX: usize = 600;

/// Repeats a run: the seed that an earlier run has printed.
const SEED: &str = "OVSDB_TEST_SEED";

const SCHEMA: &str = r#"{"name": "Kill", "tables": {
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

    /// The request that makes it durable.
    fn request(self) -> String {
        let Transaction {
            round,
            client,
            serial,
            ..
        } = self;
        let payloads = self.payloads();
        let parts = payloads.len();
        let mut operations = String::new();
        for (part, payload) in payloads.iter().enumerate() {
            operations.push_str(&format!(
                r#",{{"op":"insert","table":"Entry","row":{{"round":{round},"client":{client},"serial":{serial},"part":{part},"parts":{parts},"payload":"{payload}"}}}}"#
            ));
        }
        format!(
            r#"{{"id":{serial},"method":"transact","params":["Kill"{operations},{{"op":"mutate","table":"Sum","where":[],"mutations":[["rows","+=",{parts}]]}},{{"op":"commit","durable":true}}]}}"#
        )
    }
}

/// What a session did until its connection was cut.
struct Session {
    sent: i64,
    acknowledged: i64,
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
        acknowledged: 0,
    };
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
        assert_eq!(
            reply.get("error"),
            Some(&Json::Null),
            "no transaction is refused"
        );
        let failed = reply
            .get("result")
            .and_then(Json::as_array)
            .expect("a result")
            .iter()
            .any(|result| result.get("error").is_some());
        assert!(!failed, "no operation is refused: {reply:?}");
        session.acknowledged += 1;
        // The receiver goes when it has heard enough; the session goes on until it is cut.
        let _ = acknowledgements.send(());
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
        let present = found.keys().filter(|(of, _)| *of == client).count();
        let present = i64::try_from(present).expect("few");
        let Session { sent, acknowledged } = session;
        assert!(
            (*acknowledged..=*sent).contains(&present),
            "round {round}: client {client} sent {sent} transactions, {acknowledged} were acknowledged, and {present} are there"
        );
        // Requests of one session take effect in order, so what is there has no gap.
        let last = found
            .keys()
            .filter(|(of, _)| *of == client)
            .map(|(_, serial)| *serial)
            .max();
        assert_eq!(
            last.map_or(0, |last| last + 1),
            present,
            "round {round}: a gap in what client {client} wrote"
        );
    }
    i64::try_from(rows.len()).expect("few")
}

/// One server, loaded until enough is acknowledged, then killed.
fn load_and_kill(server: Server, seed: u64, round: i64, random: &mut StdRng) -> Vec<Session> {
    let enough = random.random_range(1..=ACKNOWLEDGED_MAX);
    let compact_at = random
        .random_bool(0.3)
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
        // Kept open to the end, so that the command is not dropped with its connection.
        let mut control = RawClient::connect(server.control());
        for count in 0..enough {
            heard.recv().expect("the server serves until it is killed");
            if compact_at == Some(count) {
                let request = br#"{"id":0,"method":"ovsdb-server/compact","params":[]}"#;
                control.send(request).expect("the control socket is open");
            }
        }
        server.kill();
        writers
            .into_iter()
            .map(|writer| writer.join().expect("a writer ends with its connection"))
            .collect()
    })
}

#[test]
fn acknowledged_durable_transactions_survive_kill_dash_nine() {
    let seed = match std::env::var(SEED) {
        Ok(seed) => seed.parse().expect("a seed is a number"),
        Err(_) => rand::random(),
    };
    println!("{SEED}={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let sandbox = Sandbox::new();
    let schema = sandbox.path("kill.ovsschema");
    std::fs::write(&schema, SCHEMA).expect("the sandbox can be written");
    let start = || Server::start(&sandbox, Side::Ours, &[("kill.db", schema.as_path())]);

    let mut server = start();
    RawClient::connect(server.socket()).call(
        r#"{"id":0,"method":"transact","params":["Kill",{"op":"insert","table":"Sum","row":{"rows":0}},{"op":"commit","durable":true}]}"#,
    );
    let mut rows = 0;
    let mut rounds: Vec<(Vec<Session>, i64)> = Vec::new();
    for round in 0..ROUNDS {
        let sessions = load_and_kill(server, seed, round, &mut random);
        server = start();
        let mut connection = RawClient::connect(server.socket());
        let found = check_round(&mut connection, seed, round, &sessions);
        rows += found;
        rounds.push((sessions, found));
        let sum = select(&mut connection, "Sum", "", r#""rows""#);
        assert_eq!(sum.len(), 1, "round {round}");
        assert_eq!(
            integer(&sum[0], "rows"),
            rows,
            "round {round}: the sum of all rows, with seed {seed}"
        );
    }

    // What survived one kill survives the later ones, too.
    let mut connection = RawClient::connect(server.socket());
    for (round, (sessions, found)) in (0..).zip(&rounds) {
        assert_eq!(
            check_round(&mut connection, seed, round, sessions),
            *found,
            "round {round} after the last"
        );
    }
    let count = |of: fn(&Session) -> i64| -> i64 {
        rounds
            .iter()
            .flat_map(|(sessions, _)| sessions)
            .map(of)
            .sum()
    };
    let (sent, acknowledged) = (
        count(|session| session.sent),
        count(|session| session.acknowledged),
    );
    println!("{ROUNDS} kills: {sent} transactions sent, {acknowledged} acknowledged, {rows} rows");
    assert!(
        sent - acknowledged >= ROUNDS,
        "the server was killed under load"
    );
}
