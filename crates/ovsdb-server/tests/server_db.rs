//! The built-in database `_Server`: what it tells, to whom, and in which order with everything else.

mod support;

use support::{Client, Fixture, schema};

const NAMES: &str = r#"["_Server",{"op":"select","table":"Database","where":[["name","!=","_Server"]],"columns":["connected","leader","model","name"]}]"#;

/// The reply to [`NAMES`] if these databases are served.
fn names(databases: &[&str]) -> String {
    let rows: Vec<String> = databases
        .iter()
        .map(|name| {
            format!(r#"{{"connected":true,"leader":true,"model":"standalone","name":"{name}"}}"#)
        })
        .collect();
    let rows = rows.join(",");
    format!(r#"{{"error":null,"id":0,"result":[{{"rows":[{rows}]}}]}}"#)
}

fn add(fixture: &Fixture, name: &str) {
    let path = fixture.path(name);
    if !path.exists() {
        ovsdb_server::file::create(&path, &schema(name)).expect("a new file");
    }
    let added = fixture.runtime.block_on(fixture.server.add_file(&path));
    added.expect("a new database");
}

fn remove(fixture: &Fixture, name: &str) {
    let removed = fixture.server.remove(name, "removing a database");
    assert!(fixture.runtime.block_on(removed), "{name} was served");
}

fn aware(fixture: &Fixture) -> Client {
    let mut client = fixture.connect();
    client.call("set_db_change_aware", "[true]");
    client
}

/// A notification that monitor `m` of the names has seen `name` come (`new`) or go (`old`).
fn update(which: &str, name: &str) -> String {
    let row = format!(r#"{{"{which}":{{"name":"{name}"}}}}"#);
    format!(r#"{{"id":null,"method":"update","params":["m",{{"Database":{{"U":{row}}}}}]}}"#)
}

const MONITOR: &str = r#"["_Server","m",{"Database":{"columns":["name"]}}]"#;

#[test]
fn there_is_a_row_for_each_database_and_for_itself() {
    let fixture = Fixture::new(&["D"]);
    let mut client = aware(&fixture);
    assert_eq!(client.call("transact", NAMES), names(&["D"]));
    let all = r#"["_Server",{"op":"select","table":"Database","where":[["name","==","_Server"]],"columns":["cid","connected","index","leader","model","sid"]}]"#;
    assert_eq!(
        client.call("transact", all),
        r#"{"error":null,"id":0,"result":[{"rows":[{"cid":["set",[]],"connected":true,"index":["set",[]],"leader":true,"model":"standalone","sid":["set",[]]}]}]}"#
    );
    remove(&fixture, "D");
    assert_eq!(client.call("transact", NAMES), names(&[]));
    add(&fixture, "D");
    assert_eq!(client.call("transact", NAMES), names(&["D"]));
}

#[test]
fn the_schema_of_a_database_is_told_as_get_schema_tells_it() {
    let fixture = Fixture::new(&["D"]);
    let mut client = fixture.connect();
    for name in ["D", "_Server"] {
        let schema = client.call("get_schema", &format!(r#"["{name}"]"#));
        let schema = schema
            .strip_prefix(r#"{"error":null,"id":0,"result":"#)
            .and_then(|rest| rest.strip_suffix('}'))
            .expect("a schema");
        let select = format!(
            r#"["_Server",{{"op":"select","table":"Database","where":[["name","==","{name}"]],"columns":["schema"]}}]"#
        );
        let told = schema.replace('"', "\\\"");
        assert_eq!(
            client.call("transact", &select),
            format!(r#"{{"error":null,"id":0,"result":[{{"rows":[{{"schema":"{told}"}}]}}]}}"#)
        );
    }
}

#[test]
fn a_database_that_comes_back_has_a_new_row() {
    let fixture = Fixture::new(&["D"]);
    let mut client = aware(&fixture);
    let select = r#"["_Server",{"op":"select","table":"Database","where":[["name","==","D"]],"columns":["_uuid"]}]"#;
    let uuid = |client: &mut Client| {
        client.request("0", "transact", select);
        client.raw.receive().expect("a message").expect("a reply")
    };
    let before = uuid(&mut client);
    remove(&fixture, "D");
    add(&fixture, "D");
    assert_ne!(uuid(&mut client), before);
}

#[test]
fn clients_cannot_change_it() {
    let fixture = Fixture::new(&["D"]);
    let mut client = fixture.connect();
    for (operation, expected) in [
        (
            r#"{"op":"insert","table":"Database","row":{"model":"relay"}}"#,
            "insert",
        ),
        (
            r#"{"op":"update","table":"Database","where":[],"row":{}}"#,
            "update",
        ),
        (
            r#"{"op":"mutate","table":"Database","where":[],"mutations":[]}"#,
            "mutate",
        ),
        (r#"{"op":"delete","table":"Database","where":[]}"#, "delete"),
        (r#"{"op":"commit","durable":false}"#, "commit"),
    ] {
        assert_eq!(
            client.call("transact", &format!(r#"["_Server",{operation}]"#)),
            format!(
                r#"{{"error":null,"id":0,"result":[{{"details":"{expected} operation not allowed when database server is in read only mode","error":"not allowed"}}]}}"#
            )
        );
    }
    assert_eq!(client.call("transact", NAMES), names(&["D"]));
}

#[test]
fn it_cannot_be_removed() {
    let fixture = Fixture::new(&[]);
    let removed = fixture.server.remove("_Server", "removing a database");
    assert!(!fixture.runtime.block_on(removed));
    assert_eq!(fixture.connect().call("transact", NAMES), names(&[]));
}

#[test]
fn monitors_see_databases_come_and_go() {
    let fixture = Fixture::new(&[]);
    let (mut client, mut plain) = (aware(&fixture), fixture.connect());
    client.call("monitor", MONITOR);
    plain.call("monitor", MONITOR);
    add(&fixture, "D");
    assert_eq!(client.next(), update("new", "D"));
    assert_eq!(plain.next(), "end", "it is not told, but cut off");
    assert_eq!(
        client.call("list_dbs", "[]"),
        r#"{"error":null,"id":0,"result":["D","_Server"]}"#
    );
    remove(&fixture, "D");
    assert_eq!(client.next(), update("old", "D"));
    assert_eq!(
        client.call("list_dbs", "[]"),
        r#"{"error":null,"id":0,"result":["_Server"]}"#
    );
}

#[test]
fn a_wait_for_a_database_ends_when_it_comes_and_the_update_leaves_first() {
    let fixture = Fixture::new(&[]);
    let mut client = aware(&fixture);
    client.call("monitor", MONITOR);
    let wait = r#"["_Server",{"op":"wait","table":"Database","where":[["name","==","D"]],"columns":["connected"],"until":"==","rows":[{"connected":true}]}]"#;
    client.request("\"w\"", "transact", wait);
    client.call("echo", "[]");
    add(&fixture, "D");
    assert_eq!(client.next(), update("new", "D"));
    assert_eq!(client.next(), r#"{"error":null,"id":"w","result":[{}]}"#);
}

#[test]
fn what_ends_with_a_database_is_told_before_its_row_goes() {
    let fixture = Fixture::new(&["D"]);
    let mut client = aware(&fixture);
    client.call("monitor", MONITOR);
    client.call("monitor", r#"["D","d",{"U":{"columns":["n"]}}]"#);
    let wait = r#"["D",{"op":"wait","table":"U","where":[],"columns":["n"],"until":"==","rows":[{"n":5}]}]"#;
    client.request("\"w\"", "transact", wait);
    client.call("echo", "[]");
    // More than the connection holds, so that the session finds everything at once when there is room again.
    let large = format!(r#"["{}"]"#, "x".repeat(4 << 20));
    client.request("\"large\"", "echo", &large);
    fixture.connect().check(
        r#"{"op":"insert","table":"U","row":{"n":1}}"#,
        r#"[{"uuid":["uuid","U"]}]"#,
    );
    remove(&fixture, "D");
    let told: Vec<String> = (0..5)
        .map(|_| client.next())
        .filter(|message| message.len() < 1000)
        .collect();
    assert_eq!(
        told,
        [
            r#"{"id":null,"method":"update","params":["d",{"U":{"U":{"new":{"n":1}}}}]}"#,
            r#"{"id":null,"method":"monitor_canceled","params":["d"]}"#,
            r#"{"error":"canceled","id":"w"}"#,
            &update("old", "D"),
        ]
    );
}

#[test]
fn conditional_monitors_are_disabled_for_good_and_everybody_is_told_so_by_a_disconnection() {
    let fixture = Fixture::new(&["D"]);
    let (mut plain, mut client) = (fixture.connect(), aware(&fixture));
    plain.call("echo", "[]");
    assert!(fixture.server.is_monitor_cond_enabled());
    for _ in 0..2 {
        fixture.server.disable_monitor_cond();
        assert!(!fixture.server.is_monitor_cond_enabled());
    }
    assert_eq!(plain.next(), "end");
    assert_eq!(client.next(), "end");
}
