//! Transactions as what is sent for them, and replies as what they say has become of them.
//!
//! Rows are called by short names in what is expected: `@b0` and `@p0` are there from the beginning, `@new1` and so on are made
//! by the transaction, with UUIDs of their own if they are written `@@new1`.

use ovsdb_proto::build::column;
use ovsdb_proto::json::{self, Json};
use ovsdb_proto::schema::{Schema, Selection};
use ovsdb_proto::updates::{Form, UpdatesReader};

use super::*;

const SCHEMA: &str = r#"{"name":"db","tables":{
    "Mirror":{"columns":{"name":{"type":"string"}},"isRoot":true},
    "Config":{"columns":{"n":{"type":"integer"},"limit":{"type":"integer","mutable":false},
        "seen":{"type":{"key":"string","value":"string","min":0,"max":"unlimited"}}},"maxRows":1,"isRoot":true},
    "Bridge":{"columns":{"name":{"type":"string"},
        "id":{"type":"string","mutable":false},
        "ports":{"type":{"key":{"type":"uuid","refTable":"Port"},"min":0,"max":"unlimited"}},
        "last":{"type":{"key":{"type":"uuid","refTable":"Port","refType":"weak"},"min":0,"max":1}},
        "tags":{"type":{"key":"integer","min":1,"max":3}},
        "by_name":{"type":{"key":"string","value":{"type":"uuid","refTable":"Port"},"min":0,"max":"unlimited"}},
        "other":{"type":{"key":"string","value":"string","min":0,"max":3}}},"isRoot":true},
    "Port":{"columns":{"name":{"type":"string"},"speed":{"type":"real"},"uses":{"type":"integer"}}}}}"#;

const BRIDGE: &str = "00000000-0000-4000-8000-0000000000b0";
const PORT: &str = "00000000-0000-4000-8000-0000000000a0";

fn version() -> Arc<Version> {
    let schema = Schema::from_json(&json::parse(SCHEMA.as_bytes()).unwrap()).unwrap();
    let projection = Arc::new(schema.project(&Selection::all()));
    let rows = format!(
        r#"{{"Bridge":{{"{BRIDGE}":{{"initial":{{"name":"br0","ports":["uuid","{PORT}"],"tags":["set",[1,2]],
            "other":["map",[["a","1"],["b","2"]]]}}}}}},
            "Port":{{"{PORT}":{{"initial":{{"name":"p0","speed":1.5}}}}}}}}"#
    );
    let mut reader = UpdatesReader::new(Arc::clone(&projection.schema));
    let updates = reader.read(Form::Updates2, rows.as_bytes()).unwrap();
    let empty = Version::empty(Arc::clone(&projection));
    Arc::new(empty.replaced(projection, updates).unwrap())
}

fn seed() -> Uuid {
    "11111111-0000-4000-8000-000000000000".parse().unwrap()
}

fn begin() -> Txn {
    Txn::on(version(), seed())
}

fn bridge() -> RowName {
    RowName::new("Bridge", BRIDGE.parse().unwrap())
}

fn port() -> RowName {
    RowName::new("Port", PORT.parse().unwrap())
}

/// Text with short names of rows.
fn shown(text: &str) -> String {
    let mut text = text
        .replace(&format!(r#"["uuid","{BRIDGE}"]"#), "@b0")
        .replace(&format!(r#"["uuid","{PORT}"]"#), "@p0")
        .replace(&seed().to_string(), "TOKEN");
    for n in 1..=9_u8 {
        let mut bytes = *seed().as_bytes();
        bytes[15] = n;
        let uuid = Uuid::from_bytes(bytes);
        text = text
            .replace(
                &format!(r#"["named-uuid","{}"]"#, uuid.row_name()),
                &format!("@new{n}"),
            )
            .replace(
                &format!(r#""uuid-name":"{}""#, uuid.row_name()),
                &format!("@new{n}"),
            )
            .replace(&format!(r#"["uuid","{uuid}"]"#), &format!("@@new{n}"))
            .replace(&format!(r#""uuid":"{uuid}""#), &format!("@@new{n}"));
    }
    text
}

/// An operation in the order in which one speaks of it. What is always the same is left out.
fn line(json: &Json) -> String {
    let member = |name: &str| json.get(name).map(Json::to_string).unwrap_or_default();
    let text = |name: &str| json.get(name).and_then(Json::as_str).unwrap_or_default();
    let (op, table) = (text("op"), text("table"));
    match op {
        "insert" => {
            let name = ["uuid", "uuid-name"].map(|name| match json.get(name) {
                Some(value) => format!("\"{name}\":{value}"),
                None => String::new(),
            });
            format!("insert {table} {} {}", name.concat(), member("row"))
        }
        "update" => format!("update {table} {} {}", member("where"), member("row")),
        "mutate" => format!("mutate {table} {} {}", member("where"), member("mutations")),
        "delete" => format!("delete {table} {}", member("where")),
        "select" => format!("select {table} {} {}", member("where"), member("columns")),
        "wait" => {
            assert_eq!((member("timeout"), text("until")), ("0".to_owned(), "=="));
            let (columns, rows) = (member("columns"), member("rows"));
            format!("wait {table} {} {columns} {rows}", member("where"))
        }
        _ => json.to_string(),
    }
}

/// Checks which operations are sent for what `edit` does to the rows.
#[track_caller]
fn sends(edit: impl FnOnce(&mut Txn) -> Result<(), EditError>, expected: &[&str]) {
    let mut txn = begin();
    edit(&mut txn).expect("the rows can be changed so");
    let plan = txn.plan().expect("it can be sent");
    assert_eq!(plan.is_unchanged(), expected.is_empty());
    assert_eq!(plan.request().to_text().unwrap().as_bytes(), plan.params());
    let json = json::parse(plan.params()).expect("it is JSON");
    let operations = &json.as_array().unwrap()[1..];
    let sent: Vec<String> = operations.iter().map(|json| shown(&line(json))).collect();
    assert_eq!(sent, expected);
}

#[test]
fn what_is_not_changed_is_not_sent() {
    sends(|_| Ok(()), &[]);
    sends(|txn| txn.set(&bridge(), "name", "br0"), &[]);
    sends(|txn| txn.insert_element(&bridge(), "ports", port()), &[]);
    sends(|txn| txn.set_key(&bridge(), "other", "a", "1"), &[]);
    sends(|txn| txn.remove_key(&bridge(), "other", "z"), &[]);
    sends(|txn| txn.verify(&bridge(), "name"), &[]);
    sends(
        |txn| {
            txn.comment("for nothing");
            txn.durable();
            txn.require_lock("l");
            txn.increment(&bridge(), "name").unwrap_err();
            let made = txn.insert("Bridge")?;
            txn.delete(&made)
        },
        &[],
    );
    // There and back.
    sends(
        |txn| {
            txn.set(&bridge(), "name", "x")?;
            txn.set(&bridge(), "name", "br0")
        },
        &[],
    );
}

#[test]
fn columns_that_change_are_updated_and_those_that_are_set_to_what_they_are_go_along() {
    let edit = |txn: &mut Txn| {
        txn.set(&bridge(), "name", "br1")?;
        txn.set(&bridge(), "other", Value::map([("a", "1"), ("b", "2")]))?;
        txn.set(&bridge(), "last", None::<Uuid>)?;
        txn.insert_element(&bridge(), "ports", port())
    };
    sends(
        edit,
        &[
            r#"update Bridge [["_uuid","==",@b0]] {"last":["set",[]],"name":"br1","other":["map",[["a","1"],["b","2"]]]}"#,
            r#"mutate Bridge [["_uuid","==",@b0]] [["ports","insert",@p0]]"#,
        ],
    );
    sends(
        |txn| {
            txn.only_changes();
            edit(txn)
        },
        &[r#"update Bridge [["_uuid","==",@b0]] {"name":"br1"}"#],
    );
}

#[test]
fn parts_of_sets_and_maps_are_changed_without_the_rest() {
    sends(
        |txn| {
            let made = txn.insert("Port")?;
            txn.insert_element(&bridge(), "ports", &made)?;
            txn.remove_element(&bridge(), "ports", port())?;
            txn.set_key(&bridge(), "by_name", "x", &made)
        },
        &[
            r#"insert Port @new1 {}"#,
            r#"mutate Bridge [["_uuid","==",@b0]] [["by_name","delete","x"],["by_name","insert",["map",[["x",@new1]]]],["ports","delete",@p0],["ports","insert",@new1]]"#,
        ],
    );
    sends(
        |txn| {
            txn.set_key(&bridge(), "other", "a", "9")?;
            txn.remove_key(&bridge(), "other", "b")?;
            txn.insert_key(&bridge(), "other", "c", "3")?;
            // The first to come stays.
            txn.insert_key(&bridge(), "other", "c", "4")
        },
        &[
            r#"mutate Bridge [["_uuid","==",@b0]] [["other","delete",["set",["a","b"]]],["other","insert",["map",[["a","9"],["c","3"]]]]]"#,
        ],
    );
    sends(
        |txn| {
            txn.insert_key(&bridge(), "other", "a", "9")?;
            txn.remove_key(&bridge(), "other", "b")?;
            txn.insert_key(&bridge(), "other", "b", "3")?;
            txn.set(&bridge(), "name", "x")?;
            txn.only_changes();
            Ok(())
        },
        &[
            r#"update Bridge [["_uuid","==",@b0]] {"name":"x"}"#,
            r#"mutate Bridge [["_uuid","==",@b0]] [["other","delete","b"],["other","insert",["map",[["b","3"]]]]]"#,
        ],
    );
    // After the whole column, parts are part of it.
    sends(
        |txn| {
            txn.set(&bridge(), "other", Value::empty())?;
            txn.set_key(&bridge(), "other", "a", "1")
        },
        &[r#"update Bridge [["_uuid","==",@b0]] {"other":["map",[["a","1"]]]}"#],
    );
    // The server would find too few elements between a deletion and an insertion.
    sends(
        |txn| {
            txn.remove_element(&bridge(), "tags", 1)?;
            txn.remove_element(&bridge(), "tags", 2)?;
            txn.insert_element(&bridge(), "tags", 3)
        },
        &[
            r#"wait Bridge [["_uuid","==",@b0]] ["tags"] [{"tags":["set",[1,2]]}]"#,
            r#"update Bridge [["_uuid","==",@b0]] {"tags":3}"#,
        ],
    );
}

#[test]
fn new_rows_have_names_and_what_is_not_default() {
    sends(
        |txn| {
            let first = txn.insert("Bridge")?;
            txn.set(&first, "name", "br1")?;
            txn.set(&first, "id", "i")?;
            txn.set(&first, "last", None::<Uuid>)?;
            let port = txn.insert("Port")?;
            txn.set(&port, "speed", 3)?;
            txn.insert_element(&first, "ports", &port)?;
            let gone = txn.insert("Bridge")?;
            txn.set(&gone, "name", "gone")?;
            txn.delete(&gone)
        },
        &[
            r#"insert Bridge @new1 {"id":"i","name":"br1","ports":@new2}"#,
            r#"insert Port @new2 {"speed":3}"#,
        ],
    );
    sends(
        |txn| {
            let uuid = Uuid::from_bytes([
                0x11, 0x11, 0x11, 0x11, 0, 0, 0x40, 0, 0x80, 0, 0, 0, 0, 0, 0, 7,
            ]);
            let port = txn.insert_as("Port", uuid)?;
            txn.set(&bridge(), "ports", [&port, &self::port()])
        },
        &[
            r#"insert Port @@new7 {}"#,
            r#"update Bridge [["_uuid","==",@b0]] {"ports":["set",[@p0,@@new7]]}"#,
        ],
    );
}

#[test]
fn what_was_read_is_checked_before_anything_is_changed() {
    sends(
        |txn| {
            txn.set(&bridge(), "name", "x")?;
            // It has been written, so this asks for nothing.
            txn.verify(&bridge(), "name")?;
            txn.verify(&bridge(), "other")?;
            txn.verify(&bridge(), "last")?;
            txn.verify_exists(&bridge())?;
            txn.verify_exists(&port())?;
            txn.verify_none("Bridge", [column("name").eq("x")])?;
            let made = txn.insert("Bridge")?;
            txn.verify(&made, "name")?;
            txn.verify_exists(&made)
        },
        &[
            r#"wait Bridge [["_uuid","==",@b0]] ["last","other"] [{"last":["set",[]],"other":["map",[["a","1"],["b","2"]]]}]"#,
            r#"wait Port [["_uuid","==",@p0]] ["_uuid"] [{"_uuid":@p0}]"#,
            r#"wait Bridge [["name","==","x"]] ["_uuid"] []"#,
            r#"update Bridge [["_uuid","==",@b0]] {"name":"x"}"#,
            r#"insert Bridge @new1 {}"#,
        ],
    );
    sends(
        |txn| {
            txn.verify(&port(), "speed")?;
            txn.always();
            Ok(())
        },
        &[r#"wait Port [["_uuid","==",@p0]] ["speed"] [{"speed":1.5}]"#],
    );
}

#[test]
fn a_row_goes_by_itself_where_nothing_but_references_keep_it() {
    sends(
        |txn| txn.delete(&bridge()),
        &[r#"delete Bridge [["_uuid","==",@b0]]"#],
    );
    sends(|txn| txn.delete(&port()), &[]);
    sends(
        |txn| {
            txn.verify(&bridge(), "name")?;
            txn.delete(&port())
        },
        &[],
    );
    // What was to be changed in it does not matter then.
    sends(
        |txn| {
            txn.set(&bridge(), "name", "x")?;
            txn.verify(&bridge(), "other")?;
            txn.delete(&bridge())
        },
        &[
            r#"wait Bridge [["_uuid","==",@b0]] ["other"] [{"other":["map",[["a","1"],["b","2"]]]}]"#,
            r#"delete Bridge [["_uuid","==",@b0]]"#,
        ],
    );
}

#[test]
fn the_only_row_of_a_table_is_made_once() {
    sends(
        |txn| {
            let config = txn.insert("Config")?;
            txn.set(&config, "n", 1)
        },
        &[
            r#"wait Config [] ["_uuid"] []"#,
            r#"insert Config @new1 {"n":1}"#,
        ],
    );
    // Where there can be more, nobody is in the way.
    sends(
        |txn| txn.insert("Mirror").map(drop),
        &["insert Mirror @new1 {}"],
    );
}

#[test]
fn counters_are_raised_when_something_else_changes_or_always() {
    sends(|txn| txn.increment(&port(), "uses"), &[]);
    sends(
        |txn| txn.increment_always(&port(), "uses"),
        &[
            r#"mutate Port [["_uuid","==",@p0]] [["uses","+=",1]]"#,
            r#"select Port [["_uuid","==",@p0]] ["uses"]"#,
        ],
    );
    sends(
        |txn| {
            let config = txn.insert("Config")?;
            txn.increment(&config, "n")
        },
        &[
            r#"wait Config [] ["_uuid"] []"#,
            r#"insert Config @new1 {}"#,
            r#"mutate Config [["_uuid","==",@new1]] [["n","+=",1]]"#,
            r#"select Config [["_uuid","==",@new1]] ["n"]"#,
        ],
    );
}

#[test]
fn lock_note_and_disk_have_their_places() {
    sends(
        |txn| {
            txn.comment("one");
            txn.require_lock("l");
            txn.comment("two");
            txn.durable();
            txn.verify(&bridge(), "name")?;
            txn.set(&bridge(), "id", "x").unwrap_err();
            txn.set(&port(), "name", "x")
        },
        &[
            r#"{"lock":"l","op":"assert"}"#,
            r#"wait Bridge [["_uuid","==",@b0]] ["name"] [{"name":"br0"}]"#,
            r#"update Port [["_uuid","==",@p0]] {"name":"x"}"#,
            r#"{"comment":"one\ntwo","op":"comment"}"#,
            r#"{"durable":true,"op":"commit"}"#,
        ],
    );
}

#[test]
fn a_marker_is_looked_at_first_and_noted_last() {
    sends(
        |txn| {
            txn.require_lock("l");
            txn.once(&Marker::new(bridge(), "other", "a"));
            let made = txn.insert("Port")?;
            txn.insert_element(&bridge(), "ports", made)
        },
        &[
            r#"wait Bridge [["_uuid","==",@b0],["other","includes",["map",[["a","TOKEN"]]]]] ["_uuid"] []"#,
            r#"{"lock":"l","op":"assert"}"#,
            r#"wait Bridge [["_uuid","==",@b0],["other","includes",["map",[["a","1"]]]]] ["_uuid"] [{"_uuid":@b0}]"#,
            r#"insert Port @@new1 {}"#,
            r#"mutate Bridge [["_uuid","==",@b0]] [["ports","insert",@@new1]]"#,
            r#"mutate Bridge [["_uuid","==",@b0]] [["other","delete",["set",["a"]]],["other","insert",["map",[["a","TOKEN"]]]]]"#,
        ],
    );
    sends(
        |txn| {
            txn.once(&Marker::new(bridge(), "other", "a"));
            Ok(())
        },
        &[],
    );
    #[track_caller]
    fn refused(marker: Marker, words: &str) {
        let mut txn = begin();
        txn.once(&marker);
        txn.set(&bridge(), "name", "x").unwrap();
        assert_eq!(txn.plan().unwrap_err().to_string(), words);
    }
    refused(
        Marker::new(bridge(), "other", "z"),
        "the key of the marker is not in the row 00000000-0000-4000-8000-0000000000b0 of table Bridge",
    );
    refused(
        Marker::new(bridge(), "by_name", "a"),
        "column by_name of table Bridge is no map of strings",
    );
    refused(
        Marker::new(RowName::new("Bridge", Uuid::ZERO), "other", "a"),
        "there is no row 00000000-0000-0000-0000-000000000000 of table Bridge",
    );
}

#[test]
fn a_transaction_reads_what_it_has_written() {
    let mut txn = begin();
    let (bridge, port) = (bridge(), port());
    let made = txn.insert("Port").unwrap();
    assert_eq!(txn.get::<String>(&made, "name"), Ok(String::new()));
    assert_eq!(txn.get::<Uuid>(&made, "_uuid"), Ok(made.uuid()));
    txn.set(&made, "name", "p1").unwrap();
    txn.insert_element(&bridge, "ports", &made).unwrap();
    txn.remove_key(&bridge, "other", "a").unwrap();
    txn.set_key(&bridge, "other", "b", "3").unwrap();
    txn.insert_key(&bridge, "other", "b", "4").unwrap();
    let ports = [port.uuid(), made.uuid()];
    assert_eq!(txn.get::<Vec<Uuid>>(&bridge, "ports"), Ok(ports.to_vec()));
    let other = BTreeMap::from([("b".to_owned(), "3".to_owned())]);
    assert_eq!(txn.get(&bridge, "other"), Ok(other));
    assert_eq!(txn.rows("Port"), Ok(vec![port.clone(), made.clone()]));
    assert_eq!(txn.find("Port", "name", "p1"), Ok(vec![made.clone()]));
    assert_eq!(txn.find("Port", "name", "p0"), Ok(vec![port.clone()]));

    txn.delete(&port).unwrap();
    assert_eq!(txn.rows("Port"), Ok(vec![made.clone()]));
    assert_eq!(txn.find("Port", "name", "p0"), Ok(vec![]));
    assert_eq!(
        txn.row("Port", port.uuid()),
        Err(EditError::NoRow(port.clone()))
    );
    assert_eq!(txn.delete(&port), Err(EditError::NoRow(port)));
    txn.delete(&made).unwrap();
    assert_eq!(txn.rows("Port"), Ok(vec![]));
}

#[test]
fn what_cannot_be_done_is_refused_where_it_is_asked_for() {
    #[track_caller]
    fn check<T: std::fmt::Debug>(result: Result<T, EditError>, words: &str) {
        assert_eq!(result.unwrap_err().to_string(), words);
    }
    let mut txn = begin();
    let (bridge, port) = (bridge(), port());
    let nobody = RowName::new("Port", Uuid::ZERO);
    check(txn.insert("X"), "there is no table X in the replica");
    check(txn.rows("X"), "there is no table X in the replica");
    check(
        txn.verify_none("X", []),
        "there is no table X in the replica",
    );
    check(
        txn.set(&bridge, "x", 1),
        "there is no column x of table Bridge in the replica",
    );
    check(
        txn.get::<i64>(&bridge, "x"),
        "there is no column x of table Bridge in the replica",
    );
    check(
        txn.get::<i64>(&bridge, "name"),
        "column name of table Bridge: expected integer, found string",
    );
    let no_row = "there is no row 00000000-0000-0000-0000-000000000000 of table Port";
    check(txn.set(&nobody, "name", "x"), no_row);
    check(txn.verify(&nobody, "name"), no_row);
    check(txn.verify_exists(&nobody), no_row);
    check(txn.delete(&nobody), no_row);
    check(
        txn.insert_as("Port", port.uuid()),
        "there is a row 00000000-0000-4000-8000-0000000000a0 of table Port already",
    );
    check(
        txn.set(&bridge, "id", "x"),
        "column id of table Bridge cannot be changed",
    );
    check(
        txn.set(&bridge, "_uuid", Uuid::ZERO),
        "column _uuid of table Bridge cannot be changed",
    );
    check(
        txn.set(&bridge, "name", 1),
        r#"column name of table Bridge: syntax "1": syntax error: expected string"#,
    );
    check(
        txn.insert_element(&bridge, "ports", "x"),
        r#"column ports of table Bridge: syntax ""x"": syntax error: expected ["uuid", <string>]"#,
    );
    check(
        txn.set_key(&bridge, "other", "x", 1),
        r#"column other of table Bridge: syntax "1": syntax error: expected string"#,
    );
    check(
        txn.insert_element(&bridge, "other", "x"),
        "column other of table Bridge is no set",
    );
    check(
        txn.set_key(&bridge, "ports", "x", "y"),
        "column ports of table Bridge is no map",
    );
    check(
        txn.increment(&bridge, "name"),
        "column name of table Bridge is no integer",
    );
    txn.set_key(&bridge, "other", "c", "3").unwrap();
    check(
        txn.set_key(&bridge, "other", "d", "4"),
        r#"column other of table Bridge: syntax "["map",[["a","1"],["b","2"],["c","3"],["d","4"]]]": syntax error: map must have 0 to 3 members but 4 are present"#,
    );
    txn.set(&port, "name", "a\0b").unwrap();
    check(
        txn.plan(),
        "operation 2 (update), table Port, column name: text contains a NUL character",
    );

    let mut txn = begin();
    let made = txn.insert("Port").unwrap();
    // A weak reference keeps no row.
    txn.set(&bridge, "last", Some(&made)).unwrap();
    assert_eq!(txn.plan().unwrap_err(), EditError::Unreferenced(made));
}

/// What has become of a transaction: the plan of `edit`, and the outcome of `reply` to it.
#[track_caller]
fn outcome(
    edit: impl FnOnce(&mut Txn) -> Result<(), EditError>,
    reply: Result<&str, &str>,
) -> Result<Committed, String> {
    let mut txn = begin();
    edit(&mut txn).expect("the rows can be changed so");
    let plan = txn.plan().expect("it can be sent");
    // On its own an error may be a mere string.
    let parse = |text: &str| {
        let json = json::parse(format!("[{text}]").as_bytes()).expect("the case is JSON");
        json.as_array().expect("it is in brackets")[0].clone()
    };
    let reply = reply.map(parse).map_err(parse);
    plan.outcome(reply.as_ref())
        .map_err(|error| error.to_string())
}

fn rename(txn: &mut Txn) -> Result<(), EditError> {
    txn.require_lock("l");
    txn.verify(&bridge(), "other")?;
    txn.verify_none("Port", [column("name").eq("x")])?;
    txn.set(&bridge(), "name", "br1")
}

#[test]
fn each_reply_says_what_has_become_of_the_transaction() {
    const CANCELED: &str = "the server canceled the transaction, which may have happened";
    let failed = |n: usize, error: &str| {
        let before = "{},".repeat(n);
        format!(r#"[{before}{{"error":"{error}","details":"d"}},null]"#)
    };
    let bridge = "row 00000000-0000-4000-8000-0000000000b0 of table Bridge";
    let cases: &[(Result<String, &str>, String)] = &[
        (Ok(failed(0, "not owner")), "lock l is not held".into()),
        (Ok(failed(1, "timed out")), format!("conflict at {bridge}")),
        (Ok(failed(2, "timed out")), "conflict at table Port".into()),
        (
            Ok(failed(3, "constraint violation")),
            format!("{bridge}: constraint violation: d"),
        ),
        (
            Ok(r#"[{},{},{},{"count":1},{"error":"referential integrity violation"}]"#.into()),
            "referential integrity violation".into(),
        ),
        (Err(r#""canceled""#), CANCELED.into()),
        (Err(r#"{"error":"canceled"}"#), CANCELED.into()),
        (
            Err(r#"{"error":"unknown database","details":"no"}"#),
            "unknown database: no".into(),
        ),
        (
            Ok("[{},{},{}]".into()),
            "reply to a transaction: count of rows expected, found null".into(),
        ),
    ];
    for (reply, expected) in cases {
        let reply = reply.as_deref().map_err(|error| *error);
        assert_eq!(outcome(rename, reply), Err(expected.clone()), "{reply:?}");
    }
    let done = outcome(rename, Ok(r#"[{},{},{},{"count":1}]"#));
    assert_eq!(done, Ok(Committed::default()));
    let late = outcome(rename, Ok(r#"[{},{},{},{"count":0}]"#)).unwrap();
    assert_eq!(late.gone, [self::bridge()]);
}

#[test]
fn a_commit_tells_uuids_and_counters() {
    const REAL: &str = "3f1bd0d6-7f5e-4c21-9a07-00ff10a0b0c0";
    let mut made = None;
    let committed = outcome(
        |txn| {
            let config = txn.insert("Config")?;
            txn.increment(&config, "n")?;
            made = Some(config);
            Ok(())
        },
        Ok(&format!(
            r#"[{{}},{{"uuid":["uuid","{REAL}"]}},{{"count":1}},{{"rows":[{{"n":7}}]}}]"#
        )),
    )
    .unwrap();
    let made = made.unwrap();
    assert_eq!(committed.uuid(&made), Some(REAL.parse().unwrap()));
    assert_eq!(committed.uuid(&bridge()), Some(bridge().uuid()));
    assert_eq!(committed.incremented(&made, "n"), Some(7));
    assert_eq!(committed.incremented(&bridge(), "n"), None);
}

#[test]
fn a_marker_tells_whether_it_has_happened_before() {
    let mut made = None;
    let mut edit = |txn: &mut Txn| {
        txn.once(&Marker::new(bridge(), "other", "a"));
        let port = txn.insert("Port")?;
        txn.insert_element(&bridge(), "ports", &port)?;
        made = Some(port);
        Ok(())
    };
    let conflict = outcome(
        &mut edit,
        Ok(r#"[{},{"error":"timed out"},null,null,null]"#),
    );
    assert_eq!(
        conflict.unwrap_err(),
        "conflict at row 00000000-0000-4000-8000-0000000000b0 of table Bridge"
    );
    let before = outcome(
        &mut edit,
        Ok(r#"[{"error":"timed out"},null,null,null,null]"#),
    )
    .unwrap();
    let made = made.unwrap();
    assert!(before.repeated);
    // It was sent with the UUID.
    assert_eq!(before.uuid(&made), Some(made.uuid()));
}
