//! A client that keeps a replica of a table, loses its connection, and resumes with `monitor_cond_since`.

#![allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    reason = "each test program uses the part of this that it needs"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use ovsdb_testkit::client::RawClient;
use ovsdb_testkit::daemon::Server;
use ovsdb_testkit::programs::Side;
use ovsdb_testkit::sandbox::Sandbox;
use serde_json::{Value, json};

pub const SCHEMA: &str = r#"{"name":"D","version":"1.0.0","tables":{"T":{"isRoot":true,"columns":{
    "name":{"type":"string"},
    "n":{"type":"integer"},
    "tags":{"type":{"key":"string","min":0,"max":"unlimited"}},
    "state":{"type":"string","ephemeral":true}}}}}"#;

pub const FILE: &str = "d.db";

/// Columns that files keep.
pub const KEPT: &[&str] = &["name", "n", "tags"];

/// The same, and one that they do not keep.
pub const ALL: &[&str] = &["name", "n", "tags", "state"];

/// The id that stands for no version.
pub const NOTHING: &str = "00000000-0000-0000-0000-000000000000";

pub fn new_sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    std::fs::write(sandbox.path("schema"), SCHEMA).expect("the sandbox can be written");
    sandbox
}

/// A server of `side` on the file.
pub fn serve(sandbox: &Sandbox, side: Side) -> Server {
    Server::start(sandbox, side, &[(FILE, &sandbox.path("schema"))])
}

pub fn transact(server: &Server, operations: &str) {
    let request = format!(r#"{{"id":0,"method":"transact","params":["D",{operations}]}}"#);
    let reply: Value = parse(&RawClient::connect(server.socket()).call(&request));
    let results = reply["result"].as_array().expect("results");
    let failed = results.iter().any(|result| result.get("error").is_some());
    assert!(!failed, "{operations}: {reply}");
}

/// The operation that inserts a row with a name.
pub fn insert(name: &str) -> String {
    format!(
        r#"{{"op":"insert","table":"T","row":{{"name":"{name}","n":1,"tags":["set",["a","b"]]}}}}"#
    )
}

/// Inserts a row with a name, and has it brought to the disk.
pub fn insert_durably(server: &Server, name: &str) {
    let commit = r#"{"op":"commit","durable":true}"#;
    transact(server, &format!("{},{commit}", insert(name)));
}

/// The operations that change a row: a number, an element more and one less, and the column that is not kept.
pub fn change(name: &str, n: i64) -> String {
    format!(
        r#"{{"op":"mutate","table":"T","where":[["name","==","{name}"]],
             "mutations":[["tags","insert","tag {n}"],["tags","delete","a"]]}},
           {{"op":"update","table":"T","where":[["name","==","{name}"]],"row":{{"n":{n},"state":"{n}"}}}}"#
    )
}

/// The operation that deletes a row.
pub fn delete(name: &str) -> String {
    format!(r#"{{"op":"delete","table":"T","where":[["name","==","{name}"]]}}"#)
}

/// The operation that changes nothing that is kept.
pub fn touch(name: &str, state: &str) -> String {
    format!(
        r#"{{"op":"update","table":"T","where":[["name","==","{name}"]],"row":{{"state":"{state}"}}}}"#
    )
}

pub fn parse(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// The columns of a row, sets as objects from their elements to `true`.
type Row = BTreeMap<String, Value>;

/// What came of an attempt to resume.
#[derive(Debug, Eq, PartialEq)]
pub struct Resumed {
    /// The server knew the version.
    pub found: bool,
    /// How many rows it told of.
    pub rows: usize,
}

/// See the module's documentation.
pub struct Replica {
    columns: &'static [&'static str],
    connection: Option<RawClient>,
    rows: BTreeMap<String, Row>,
    /// The version of the replica.
    pub id: String,
}

impl Replica {
    pub fn new(columns: &'static [&'static str]) -> Replica {
        Replica {
            columns,
            connection: None,
            rows: BTreeMap::new(),
            id: NOTHING.to_owned(),
        }
    }

    /// Connects, and goes on from where it was.
    pub fn resume(&mut self, server: &Server) -> Resumed {
        let mut connection = RawClient::connect(server.socket());
        let request = json!({"id": 0, "method": "monitor_cond_since",
            "params": ["D", "m", {"T": [{"columns": self.columns}]}, self.id]});
        let reply = parse(&connection.call(&request.to_string()));
        self.connection = Some(connection);
        let [found, id, updates] = &reply["result"].as_array().expect("a result")[..] else {
            panic!("three elements: {reply}");
        };
        let found = found.as_bool().expect("a Boolean");
        if !found {
            self.rows.clear();
        }
        self.id = id.as_str().expect("a string").to_owned();
        Resumed {
            found,
            rows: self.apply(updates),
        }
    }

    /// Takes the next update.
    pub fn update(&mut self) {
        let connection = self.connection.as_mut().expect("it is connected");
        let message = connection.receive().expect("the server speaks");
        let message = parse(&String::from_utf8_lossy(&message.expect("an update")));
        assert_eq!(message["method"], "update3", "{message}");
        let [_, id, updates] = &message["params"].as_array().expect("parameters")[..] else {
            panic!("three parameters: {message}");
        };
        let id = id.as_str().expect("a string");
        assert_ne!(id, self.id, "another version has another id");
        self.id = id.to_owned();
        assert!(self.apply(updates) > 0, "{message}");
    }

    pub fn disconnect(&mut self) {
        self.connection = None;
    }

    /// Another client that has got as far.
    pub fn twin(&self) -> Replica {
        Replica {
            columns: self.columns,
            connection: None,
            rows: self.rows.clone(),
            id: self.id.clone(),
        }
    }

    /// Compares the replica with the table of the server.
    #[track_caller]
    pub fn check(&self, server: &Server) {
        let columns: Vec<&str> = ["_uuid"].iter().chain(self.columns).copied().collect();
        let request = json!({"id": 0, "method": "transact", "params": ["D",
            {"op": "select", "table": "T", "where": [], "columns": columns}]});
        let reply = parse(&RawClient::connect(server.socket()).call(&request.to_string()));
        let rows = reply["result"][0]["rows"].as_array().expect("rows");
        let rows = rows.iter().map(|row| {
            let mut row = self.row(row);
            let uuid = row.remove("_uuid").expect("it was asked for");
            (uuid[1].as_str().expect("a UUID").to_owned(), row)
        });
        assert_eq!(self.rows, rows.collect::<BTreeMap<String, Row>>());
    }

    /// A row as it is sent, with what was left out.
    fn row(&self, sent: &Value) -> Row {
        let mut row: Row = sent
            .as_object()
            .expect("a row")
            .iter()
            .map(|(column, value)| (column.clone(), normal(column, value)))
            .collect();
        for &column in self.columns {
            let default = match column {
                "tags" => json!({}),
                "n" => json!(0),
                _ => json!(""),
            };
            row.entry(column.to_owned()).or_insert(default);
        }
        row
    }

    /// Applies a `<table-updates2>` and returns how many rows it tells of.
    fn apply(&mut self, updates: &Value) -> usize {
        let empty = serde_json::Map::new();
        let rows = updates
            .get("T")
            .map_or(&empty, |rows| rows.as_object().expect("rows"));
        for (uuid, change) in rows {
            let change = change.as_object().expect("a change");
            let (kind, sent) = change.iter().next().expect("a change says what it is");
            assert_eq!(change.len(), 1, "{change:?}");
            match kind.as_str() {
                "initial" | "insert" => {
                    let before = self.rows.insert(uuid.clone(), self.row(sent));
                    assert_eq!(before, None, "a row comes once");
                }
                "delete" => {
                    self.rows.remove(uuid).expect("only what is there goes");
                }
                "modify" => {
                    let row = self.rows.get_mut(uuid).expect("only what is there changes");
                    for (column, value) in sent.as_object().expect("columns") {
                        let value = normal(column, value);
                        row.entry(column.clone())
                            .and_modify(|old| *old = with_difference(old, &value))
                            .or_insert(value);
                    }
                }
                other => panic!("{other}"),
            }
        }
        rows.len()
    }
}

/// Sets as objects, all else as it is.
fn normal(column: &str, value: &Value) -> Value {
    if column != "tags" {
        return value.clone();
    }
    let elements = match value {
        Value::Array(tagged) => tagged[1].as_array().expect("elements").clone(),
        one => vec![one.clone()],
    };
    let elements: BTreeSet<&str> = elements.iter().filter_map(Value::as_str).collect();
    elements
        .into_iter()
        .map(|element| (element, true))
        .collect()
}

/// The value of a column with the difference that an update tells.
fn with_difference(old: &Value, difference: &Value) -> Value {
    match (old, difference) {
        (Value::Object(old), Value::Object(difference)) => {
            let mut new = old.clone();
            for element in difference.keys() {
                if new.remove(element).is_none() {
                    new.insert(element.clone(), Value::Bool(true));
                }
            }
            Value::Object(new)
        }
        _ => difference.clone(),
    }
}

/// The length of a file in bytes.
pub fn length(path: &Path) -> u64 {
    std::fs::metadata(path).expect("the file is there").len()
}

/// Cuts a file off, as a power failure may.
pub fn cut(path: &Path, length: u64) {
    let file = std::fs::File::options().write(true).open(path);
    file.and_then(|file| file.set_len(length))
        .expect("the file can be written");
}
