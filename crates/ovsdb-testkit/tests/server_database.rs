//! Dialogues about the databases of a server while they come and go, as with the reference: the database `_Server`, what
//! ends with a database, and who is disconnected.
//!
//! Each dialogue is played with the reference's server and with ours. What each client has received and what the log says
//! of disconnections is compared.

use std::path::Path;

use ovsdb_testkit::client::RawClient;
use ovsdb_testkit::daemon::Server;
use ovsdb_testkit::differential::pairing::{End, Pairing};
use ovsdb_testkit::names::Names;
use ovsdb_testkit::programs::{self, Side};
use ovsdb_testkit::raw::Raw;
use ovsdb_testkit::sandbox::Sandbox;

enum Step<'a> {
    /// A client sends a request: its method and parameters.
    Request(usize, &'a str, &'a str),
    /// A control command.
    Control(&'a str),
    /// A client whose connection has ended connects anew.
    Connect(usize),
}

use Step::{Connect, Control, Request};

const CLIENTS: usize = 3;

/// A client, and what it has received.
struct Listener {
    client: RawClient,
    seen: Vec<String>,
    ended: bool,
}

impl Listener {
    fn new(server: &Server) -> Listener {
        Listener {
            client: RawClient::connect(server.socket()),
            seen: Vec::new(),
            ended: false,
        }
    }

    fn send(&mut self, message: &str) {
        // Failure means that the server has ended the connection, which will be seen when something is received.
        let _ = self.client.send(message.as_bytes());
    }

    /// Receives what the server has sent before the answer to an echo.
    fn receive_until_echo(&mut self, names: &mut Names) {
        if self.ended {
            return;
        }
        self.send(r#"{"id":"echo","method":"echo","params":[]}"#);
        loop {
            let message = match self.client.receive() {
                Ok(Some(message)) => String::from_utf8_lossy(&message).into_owned(),
                // It is an error if the server has ended the connection without reading all that was sent.
                Ok(None) | Err(_) => {
                    self.ended = true;
                    self.seen.push(String::from("end"));
                    return;
                }
            };
            let raw = Raw::parse(&message).unwrap_or_else(|| panic!("{message} is no JSON"));
            if raw.get("id") == Some(&Raw::string("echo")) {
                return;
            }
            self.seen.push(readable(&message, names));
        }
    }
}

/// A message with names for UUIDs and its members in the order of their names.
fn readable(message: &str, names: &mut Names) -> String {
    let renamed = names.rename(message);
    let mut raw = Raw::parse(&renamed).unwrap_or_else(|| panic!("{message} is no JSON"));
    Pairing::new().sort(&mut raw, End::Left);
    raw.to_string()
}

/// Plays a dialogue with a server of the database `Limits`; the file `more` holds another one. Everything that has come
/// back, client by client, then the answers to control commands, then the log.
fn play(side: Side, steps: &[Step<'_>]) -> Vec<Vec<String>> {
    let sandbox = Sandbox::new();
    let schemas = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas");
    let server = Server::start(
        &sandbox,
        side,
        &[("database", &schemas.join("limits.ovsschema"))],
    );
    let schema = schemas.join("references.ovsschema");
    let create = [
        "create".into(),
        sandbox.path("more").into_os_string(),
        schema.into_os_string(),
    ];
    sandbox.run_ok(programs::reference("ovsdb-tool"), &create);
    let mut listeners: [Listener; CLIENTS] = std::array::from_fn(|_| Listener::new(&server));
    let mut names = Names::new();
    let mut answers = Vec::new();
    for (number, step) in steps.iter().enumerate() {
        match step {
            Request(client, method, parameters) => {
                let message =
                    format!(r#"{{"id":{number},"method":"{method}","params":{parameters}}}"#);
                listeners[*client].send(&message);
            }
            Control(words) => {
                let control = server.control().display().to_string();
                let words = words.split(' ').map(str::to_owned);
                let arguments: Vec<String> = ["-t".to_owned(), control]
                    .into_iter()
                    .chain(words)
                    .collect();
                let output = sandbox.run(programs::reference("ovs-appctl"), &arguments);
                let folder = sandbox.folder().display().to_string();
                answers.push(output.to_string().replace(&folder, "<folder>"));
            }
            Connect(client) => {
                let listener = &mut listeners[*client];
                listener.client = RawClient::connect(server.socket());
                listener.ended = false;
            }
        }
        // The reference handles one message of a client in each turn. It tells of databases at the end of a turn, and
        // looks at waits in the next.
        for _ in 0..3 {
            for listener in &mut listeners {
                listener.receive_until_echo(&mut names);
            }
        }
    }
    let mut all: Vec<Vec<String>> = listeners
        .into_iter()
        .map(|listener| listener.seen)
        .collect();
    all.push(answers);
    let log = sandbox.text("ovsdb-server.log");
    let disconnections = log.lines().filter(|line| line.contains("disconnecting"));
    let without_time = |line: &str| line.splitn(3, '|').last().unwrap_or_default().to_owned();
    let mut disconnections: Vec<String> = disconnections.map(without_time).collect();
    // Whom the reference looks at first is a matter of its tables.
    disconnections.sort();
    all.push(disconnections);
    all
}

#[track_caller]
fn check(steps: &[Step<'_>]) {
    let [reference, ours] = Side::BOTH.map(|side| play(side, steps));
    for (ours, reference) in ours.iter().zip(&reference) {
        for (ours, reference) in ours.iter().zip(reference) {
            assert_eq!(ours, reference, "ours is on the left");
        }
        assert_eq!(ours, reference, "ours is on the left");
    }
}

const AWARE: &str = "[true]";
const DATABASES: &str = r#"["_Server","s",{"Database":{"select":{"initial":false}}}]"#;
const ROWS: &str = r#"["Limits","m",{"ByName":{"columns":["name"]}}]"#;
const INSERT: &str = r#"["Limits",{"op":"insert","table":"ByName","row":{"name":"a"}}]"#;
const SELECT: &str = r#"["Limits",{"op":"select","table":"ByName","where":[],"columns":["name"]}]"#;
/// Waits until a row is called `b`.
const WAIT: &str = r#"["Limits",{"op":"wait","table":"ByName","where":[["name","==","b"]],"columns":["name"],"until":"==","rows":[{"name":"b"}]}]"#;

#[test]
fn the_database_about_databases_is_alike() {
    check(&[
        Request(0, "get_schema", r#"["_Server"]"#),
        Request(
            0,
            "transact",
            r#"["_Server",{"op":"select","table":"Database","where":[["name","==","Limits"]],"columns":["cid","connected","index","leader","model","name","schema","sid"]}]"#,
        ),
        Request(
            0,
            "transact",
            r#"["_Server",{"op":"select","table":"Database","where":[["name","==","_Server"]],"columns":["cid","connected","index","leader","model","name","schema","sid"]}]"#,
        ),
        Request(
            0,
            "monitor",
            r#"["_Server","none",{"Database":{"columns":["nothing"]}}]"#,
        ),
        // Releases before 3.7 refuse changes in other words.
        Request(
            0,
            "transact",
            r#"["_Server",{"op":"insert","table":"Database","row":{}}]"#,
        ),
        Request(
            0,
            "transact",
            r#"["_Server",{"op":"comment","comment":"x"},{"op":"abort"}]"#,
        ),
        Control("ovsdb-server/remove-db _Server"),
        Control("ovsdb-server/compact _Server"),
        Control("ovsdb-server/get-db-storage-status _Server"),
        Control("ovsdb-server/list-dbs"),
    ]);
}

#[test]
fn a_database_that_comes_is_told_to_those_who_look() {
    check(&[
        Request(0, "set_db_change_aware", AWARE),
        Request(0, "monitor", DATABASES),
        Request(0, "monitor", ROWS),
        Request(1, "monitor", DATABASES),
        Request(1, "transact", WAIT),
        Request(2, "set_db_change_aware", AWARE),
        Control("ovsdb-server/add-db more"),
        Request(0, "get_schema", r#"["References"]"#),
        Request(0, "transact", INSERT),
        Control("ovsdb-server/add-db more"),
        Control("ovsdb-server/add-db none"),
        Request(2, "echo", "[]"),
    ]);
}

#[test]
fn what_ends_with_a_database_is_told_to_those_who_look() {
    check(&[
        Request(0, "set_db_change_aware", AWARE),
        Request(0, "monitor", DATABASES),
        Request(0, "monitor", ROWS),
        Request(0, "transact", WAIT),
        Request(1, "monitor", ROWS),
        Request(1, "transact", WAIT),
        Request(2, "set_db_change_aware", AWARE),
        Request(2, "transact", INSERT),
        Request(2, "set_db_change_aware", "[false]"),
        Control("ovsdb-server/remove-db Limits"),
        Request(0, "transact", INSERT),
        Request(0, "monitor_cancel", r#"["m"]"#),
        Request(0, "monitor_cancel", r#"["s"]"#),
        Request(
            0,
            "monitor",
            r#"["_Server","m",{"Database":{"columns":["name"],"select":{"initial":false}}}]"#,
        ),
        Control("ovsdb-server/add-db database"),
        Request(0, "transact", SELECT),
    ]);
}

#[test]
fn waits_for_databases_end_when_they_come_and_go() {
    const CONNECTED: &str = r#"["_Server",{"op":"wait","table":"Database","where":[["name","==","References"]],"columns":["connected"],"until":"==","rows":[{"connected":true}]}]"#;
    const GONE: &str = r#"["_Server",{"op":"wait","table":"Database","where":[["name","==","References"]],"columns":[],"until":"==","rows":[]}]"#;
    check(&[
        Request(0, "set_db_change_aware", AWARE),
        Request(0, "transact", CONNECTED),
        Control("ovsdb-server/add-db more"),
        Request(0, "transact", CONNECTED),
        Request(0, "transact", GONE),
        Control("ovsdb-server/remove-db References"),
    ]);
}

#[test]
fn everybody_is_disconnected_when_asked_for_and_when_conditional_monitors_end() {
    check(&[
        Request(0, "set_db_change_aware", AWARE),
        Request(0, "monitor", ROWS),
        Request(1, "transact", WAIT),
        Control("ovsdb-server/reconnect"),
    ]);
    check(&[
        Request(0, "set_db_change_aware", AWARE),
        Request(0, "monitor", ROWS),
        Request(1, "transact", WAIT),
        Control("ovsdb-server/disable-monitor-cond"),
        Control("ovsdb-server/disable-monitor-cond"),
        Control("ovsdb-server/disable-monitor-cond now"),
        Connect(0),
        Request(0, "monitor_cond", ROWS),
        Request(0, "monitor_cond_since", ROWS),
        Request(0, "monitor_cond_change", r#"["m","m",{}]"#),
        Request(0, "monitor", ROWS),
    ]);
}
