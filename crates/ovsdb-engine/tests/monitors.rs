//! Replicas rebuilt from monitor updates, by receivers quick and slow, equal the database.

use std::collections::BTreeMap;
use std::sync::Arc;

use ovsdb_engine::monitor::{Form, Monitor, Pending};
use ovsdb_engine::{Commit, Context, Database, Outcome, execute};
use ovsdb_proto::json::{self, Json};
use ovsdb_proto::monitor::MonitorRequests;
use ovsdb_proto::operation::parse_transact;
use ovsdb_proto::schema::Schema;
use ovsdb_proto::uuid::Uuid;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

const SCHEMA: &str = r#"{"name":"m","tables":{
 "A":{"isRoot":true,"columns":{"x":{"type":"integer"},"Y":{"type":{"key":"string","min":0,"max":"unlimited"}},"hidden":{"type":"integer"}}},
 "B":{"isRoot":true,"columns":{"z":{"type":{"key":"string","value":"string","min":0,"max":"unlimited"}}}}}}"#;

struct Server {
    database: Database,
    last_uuid: u128,
}

impl Server {
    fn new() -> Server {
        let schema = Schema::from_json(&json::parse(SCHEMA.as_bytes()).unwrap()).unwrap();
        Server {
            database: Database::new(Arc::new(schema)),
            last_uuid: 0,
        }
    }

    fn monitor(&self, requests: &str) -> Monitor {
        let requests = json::parse(requests.as_bytes()).unwrap();
        let schema = self.database.schema().clone();
        let requests = MonitorRequests::from_json(&schema, &requests, false).unwrap();
        Monitor::new(schema, &requests, Form::Values)
    }

    fn initial(&self, monitor: &Monitor) -> Json {
        let mut text = Vec::new();
        monitor.write_initial(&self.database, &mut text);
        json::parse(&text).unwrap()
    }

    fn transact(&mut self, operations: &str) -> Option<Commit> {
        let Json::Array(operations) = json::parse(operations.as_bytes()).unwrap() else {
            panic!("an array");
        };
        let last_uuid = &mut self.last_uuid;
        let mut fresh = || {
            *last_uuid += 1;
            Uuid::from_bytes(last_uuid.to_be_bytes())
        };
        let transact = parse_transact(self.database.schema(), &operations, &mut fresh);
        let context = &mut Context {
            may_block: true,
            ..Context::unrestricted(&mut fresh)
        };
        match execute(&self.database, &transact, context) {
            Outcome::Prepared(prepared) => {
                self.database = prepared.next;
                prepared.commit
            }
            other => panic!("{other:?}"),
        }
    }
}

fn take_update(monitor: &Monitor, pending: &mut Pending) -> Option<Json> {
    let mut text = Vec::new();
    let any = monitor.write_pending(pending, &mut text);
    assert_eq!(any, !text.is_empty());
    any.then(|| json::parse(&text).expect("an update is valid JSON"))
}

/// What a client knows: table, row, column.
type Replica = BTreeMap<(String, String), BTreeMap<String, Json>>;

fn columns(json: &Json) -> BTreeMap<String, Json> {
    let object = json.as_object().expect("a row is an object");
    object
        .iter()
        .map(|(name, value)| (name.to_string(), value.clone()))
        .collect()
}

/// Applies `<table-updates>` and checks that what it says of the past is what the replica knew.
fn apply(replica: &mut Replica, updates: &Json) {
    for (table, rows) in updates.as_object().unwrap().iter() {
        for (uuid, update) in rows.as_object().unwrap().iter() {
            let key = (table.to_string(), uuid.to_string());
            let known = replica.get(&key);
            match (update.get("old"), update.get("new")) {
                (None, Some(new)) => {
                    assert!(known.is_none(), "inserted twice");
                    replica.insert(key, columns(new));
                }
                (Some(old), None) => {
                    assert_eq!(known, Some(&columns(old)));
                    replica.remove(&key);
                }
                (Some(old), Some(new)) => {
                    let (known, old, new) = (
                        known.expect("modified before it was told of"),
                        columns(old),
                        columns(new),
                    );
                    for (name, value) in &new {
                        let before = old.get(name).unwrap_or(value);
                        assert_eq!(&known[name], before, "column {name}");
                        assert_eq!(
                            old.contains_key(name),
                            &known[name] != value,
                            "column {name}"
                        );
                    }
                    assert!(!old.is_empty());
                    replica.insert(key, new);
                }
                (None, None) => panic!("an empty update"),
            }
        }
    }
}

fn any_operation(rng: &mut StdRng) -> String {
    let n = rng.random_range(0..4);
    match rng.random_range(0..8) {
        0 | 1 => {
            format!(r#"{{"op":"insert","table":"A","row":{{"x":{n},"Y":["set",["a","b{n}"]]}}}}"#)
        }
        2 => format!(r#"{{"op":"insert","table":"B","row":{{"z":["map",[["k{n}","v"]]]}}}}"#),
        3 => format!(
            r#"{{"op":"update","table":"A","where":[["x","==",{n}]],"row":{{"hidden":{}}}}}"#,
            rng.random_range(0..9)
        ),
        4 => format!(
            r#"{{"op":"mutate","table":"A","where":[["x","<",{n}]],"mutations":[["x","+=",1]]}}"#
        ),
        5 => format!(
            r#"{{"op":"mutate","table":"A","where":[["x",">",{n}]],"mutations":[["x","-=",3],["Y","delete","b1"]]}}"#
        ),
        6 => format!(r#"{{"op":"delete","table":"A","where":[["x","==",{n}]]}}"#),
        _ => format!(
            r#"{{"op":"delete","table":"B","where":[["z","includes",["map",[["k{n}","v"]]]]]}}"#
        ),
    }
}

#[test]
fn replicas_of_quick_and_slow_receivers_equal_the_database() {
    let requests = r#"{"A":[{"columns":["x"]},{"columns":["Y"]}],"B":{}}"#;
    for seed in 0..100 {
        let rng = &mut StdRng::seed_from_u64(seed);
        let mut server = Server::new();
        let monitor = server.monitor(requests);
        let (mut quick, mut slow) = (Replica::new(), Replica::new());
        let (mut quick_pending, mut slow_pending) = (Pending::default(), Pending::default());
        for _ in 0..80 {
            let operations: Vec<String> = (0..rng.random_range(1..4))
                .map(|_| any_operation(rng))
                .collect();
            if let Some(commit) = server.transact(&format!("[{}]", operations.join(","))) {
                monitor.add(&mut quick_pending, &commit);
                monitor.add(&mut slow_pending, &commit);
            }
            let mut expected = Replica::new();
            apply(&mut expected, &server.initial(&monitor));
            if let Some(update) = take_update(&monitor, &mut quick_pending) {
                apply(&mut quick, &update);
            }
            assert_eq!(quick, expected, "seed {seed}");
            if rng.random_bool(0.1) {
                if let Some(update) = take_update(&monitor, &mut slow_pending) {
                    apply(&mut slow, &update);
                }
                assert_eq!(slow, expected, "seed {seed}");
            }
            let rows = expected.len();
            assert!(
                slow_pending.len() <= rows + slow.len(),
                "pending changes are bounded by rows"
            );
        }
    }
}

#[track_caller]
fn check(requests: &str, transactions: &[&str], expected: Option<&str>) {
    let mut server = Server::new();
    let monitor = server.monitor(requests);
    let mut pending = Pending::default();
    server.transact(r#"[{"op":"insert","table":"A","row":{"x":1,"Y":"a"}}]"#);
    for operations in transactions {
        if let Some(commit) = server.transact(operations) {
            monitor.add(&mut pending, &commit);
        }
    }
    let update = take_update(&monitor, &mut pending).map(|update| update.to_string());
    assert_eq!(update.as_deref(), expected);
}

const UPDATE: &str = r#"[{"op":"update","table":"A","where":[],"row":{"x":2}}]"#;
const DELETE: &str = r#"[{"op":"delete","table":"A","where":[]}]"#;

#[test]
fn updates_have_the_form_of_the_rfc() {
    let row = "00000000-0000-0000-0000-000000000001";
    let told = format!(r#"{{"A":{{"{row}":{{"new":{{"Y":"a","x":2}},"old":{{"x":1}}}}}}}}"#);
    check(r#"{"A":{"columns":["x","Y"]}}"#, &[UPDATE], Some(&told));
    let told = format!(r#"{{"A":{{"{row}":{{"old":{{"Y":"a","x":1}}}}}}}}"#);
    check(
        r#"{"A":{"columns":["x","Y"]}}"#,
        &[UPDATE, DELETE],
        Some(&told),
    );
}

#[test]
fn what_is_not_selected_is_not_told() {
    check(r#"{"A":{"columns":["Y"]}}"#, &[UPDATE], None);
    check(r#"{"B":{}}"#, &[UPDATE, DELETE], None);
    check(
        r#"{"A":{"columns":["x"],"select":{"modify":false}}}"#,
        &[UPDATE],
        None,
    );
    check(
        r#"{"A":{"columns":["x"],"select":{"delete":false}}}"#,
        &[DELETE],
        None,
    );
}

#[test]
fn changes_that_cancel_each_other_are_not_told() {
    let back = r#"[{"op":"update","table":"A","where":[],"row":{"x":1}}]"#;
    check(r#"{"A":{"columns":["x"]}}"#, &[UPDATE, back], None);
    let insert = r#"[{"op":"insert","table":"B","row":{}}]"#;
    let delete = r#"[{"op":"delete","table":"B","where":[]}]"#;
    check(r#"{"B":{}}"#, &[insert, delete], None);
}

#[test]
fn who_was_away_is_not_told_of_a_row_that_came_and_went() {
    let mut server = Server::new();
    let requests = r#"{"A":{"select":{"insert":false}}}"#;
    let monitor = server.monitor(requests);
    let mut missed = Pending::default();
    let mut told = Pending::default();
    for operations in [r#"[{"op":"insert","table":"A","row":{"x":1}}]"#, DELETE] {
        let commit = server.transact(operations).expect("there are changes");
        monitor.add_missed(&mut missed, &commit);
        monitor.add(&mut told, &commit);
    }
    assert!(take_update(&monitor, &mut missed).is_none());
    // Of the row, only its end was of interest to who was there.
    assert!(take_update(&monitor, &mut told).is_some());
}

#[test]
fn columns_selected_for_other_changes_are_left_out_of_an_update() {
    let row = "00000000-0000-0000-0000-000000000001";
    let told = format!(r#"{{"A":{{"{row}":{{"new":{{"x":2}},"old":{{"x":1}}}}}}}}"#);
    let requests = r#"{"A":[{"columns":["x"]},{"columns":["Y"],"select":{"modify":false}}]}"#;
    check(requests, &[UPDATE], Some(&told));
}

#[test]
fn initial_contents_leave_out_tables_that_do_not_ask_for_them() {
    let mut server = Server::new();
    server
        .transact(r#"[{"op":"insert","table":"A","row":{}},{"op":"insert","table":"B","row":{}}]"#);
    let monitor = server.monitor(r#"{"A":{"columns":["x"],"select":{"initial":false}},"B":{}}"#);
    let initial = server.initial(&monitor);
    assert_eq!(
        initial
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, _)| name.as_str())
            .collect::<Vec<_>>(),
        ["B"]
    );
}
