//! The loader of whole databases against the replay of records: what it accepts means the same, and what it gives up is
//! left to the other.

use std::sync::Arc;

use ovsdb_engine::load::Loader;
use ovsdb_engine::record::{self, RecordOptions};
use ovsdb_engine::{Context, Database, Outcome, execute};
use ovsdb_proto::json::{self, Json};
use ovsdb_proto::operation::parse_transact;
use ovsdb_proto::schema::Schema;
use ovsdb_proto::uuid::Uuid;

const SCHEMA: &str = r#"{"name": "D", "tables": {
    "Root": {"isRoot": true, "maxRows": 3, "indexes": [["name"], ["n", "name"]], "columns": {
        "name": {"type": "string"},
        "n": {"type": {"key": {"type": "integer", "minInteger": 0}}},
        "map": {"type": {"key": "string", "value": "string", "min": 0, "max": "unlimited"}},
        "parts": {"type": {"key": {"type": "uuid", "refTable": "Part"}, "min": 0, "max": "unlimited"}},
        "friends": {"type": {"key": {"type": "uuid", "refTable": "Root", "refType": "weak"}, "min": 0, "max": "unlimited"}},
        "gone": {"type": "integer", "ephemeral": true}}},
    "Part": {"isRoot": false, "columns": {
        "next": {"type": {"key": {"type": "uuid", "refTable": "Part"}, "min": 0}},
        "owner": {"type": {"key": {"type": "uuid", "refTable": "Root", "refType": "weak"}, "min": 0}}}}}}"#;

fn schema() -> Arc<Schema> {
    Arc::new(Schema::from_json(&json::parse(SCHEMA.as_bytes()).unwrap()).unwrap())
}

/// UUIDs that are numbered.
fn counter() -> impl FnMut() -> Uuid {
    let mut number = 0u128;
    move || {
        number += 1;
        Uuid::from_bytes(number.to_be_bytes())
    }
}

fn load(schema: &Arc<Schema>, record: &[u8], piece: usize) -> Option<Database> {
    let mut fresh = counter();
    let mut loader = Loader::new(schema);
    for piece in record.chunks(piece.max(1)) {
        loader.push(piece, &mut fresh).ok()?;
    }
    loader.finish(&mut fresh).ok()
}

fn contents(database: &Database) -> String {
    let options = RecordOptions {
        date_ms: 0,
        comment: None,
        column_diff: false,
    };
    String::from_utf8(record::snapshot_record(database, options)).unwrap()
}

/// Loads a record in pieces of every size. If it `is_plain`, the loader must accept it.
#[track_caller]
fn check(record: &str, is_plain: bool) {
    let schema = schema();
    let record = record.as_bytes();
    for piece in (1..record.len().min(90)).chain([record.len()]) {
        let loaded = load(&schema, record, piece);
        assert_eq!(loaded.is_some(), is_plain, "in pieces of {piece} bytes");
        if let Some(loaded) = loaded {
            let replayed = record::replay(&Database::new(schema.clone()), record, &mut counter());
            let (replayed, _) = replayed.unwrap();
            assert_eq!(contents(&loaded), contents(&replayed));
            loaded.check_consistency().unwrap();
            // The versions come from the same source.
            assert!(load(&schema, record, piece).unwrap().rows() == replayed.rows());
        }
    }
}

/// The record of a database into which `operations` were put.
fn snapshot(operations: &str) -> String {
    let database = Database::new(schema());
    let Json::Array(operations) = json::parse(operations.as_bytes()).unwrap() else {
        panic!("an array");
    };
    let mut fresh = counter();
    let transact = parse_transact(database.schema(), &operations, &mut fresh);
    let mut context = Context::unrestricted(&mut fresh);
    match execute(&database, &transact, &mut context) {
        Outcome::Prepared(prepared) => contents(&prepared.next),
        outcome => panic!("{outcome:?}"),
    }
}

const A: &str = "00000000-0000-4000-8000-00000000000a";
const B: &str = "00000000-0000-4000-8000-00000000000b";

#[test]
fn what_a_compaction_writes_is_loaded() {
    check("{}", true);
    check(&snapshot("[]"), true);
    check(
        &snapshot(
            r#"[
        {"op":"insert","table":"Root","uuid-name":"a","row":{"name":"a \"name\", with é","n":1,
            "map":["map",[["x","y"],["a longer key than most","v"]]],
            "parts":["set",[["named-uuid","p"],["named-uuid","q"]]],"friends":["set",[["named-uuid","a"],["named-uuid","b"]]]}},
        {"op":"insert","table":"Root","uuid-name":"b","row":{"name":"b","n":2,"parts":["named-uuid","p"]}},
        {"op":"insert","table":"Root","row":{"name":"c","n":1,"gone":5}},
        {"op":"insert","table":"Part","uuid-name":"p","row":{"next":["named-uuid","p"],"owner":["named-uuid","b"]}},
        {"op":"insert","table":"Part","uuid-name":"q","row":{"next":["named-uuid","r"]}},
        {"op":"insert","table":"Part","uuid-name":"r","row":{"owner":["named-uuid","b"]}}]"#,
        ),
        true,
    );
}

#[test]
fn rows_and_columns_may_come_in_any_order_with_white_space_between() {
    check(
        &format!(
            " {{ \"_date\" : 5 , \"_is_diff\":true,\"Root\" : {{ \"{B}\" : {{ \"n\":1, \"name\":\"b\" }} , \
             \"{A}\":{{\"name\":\"a\",\"n\":1}}}},\"_comment\":\"a \\\"comment\\\"\",\"Part\":{{}}}}\n"
        ),
        true,
    );
}

#[test]
fn whatever_is_not_plain_is_left_to_the_replay() {
    for record in [
        // No JSON, or no record.
        "",
        "[]",
        "{} {}",
        "{\"Root\":{}",
        "{\"Root\":[]}",
        "{\"Root\":null}",
        "{\"Nothing\":{}}",
        "{\"_date\":\"today\"}",
        "{\"_is_diff\":1}",
        // Something twice.
        "{\"Root\":{},\"Root\":{}}",
        "{\"_date\":1,\"_date\":2}",
        &format!("{{\"Root\":{{\"{A}\":{{\"n\":1}},\"{A}\":{{\"n\":2}}}}}}"),
        &format!("{{\"Root\":{{\"{A}\":{{\"n\":1,\"n\":2}}}}}}"),
        // No rows.
        "{\"Root\":{\"a\":{}}}",
        &format!("{{\"Root\":{{\"{A}\":null}}}}"),
        &format!("{{\"Root\":{{\"{A}\":[]}}}}"),
        &format!("{{\"Root\":{{\"{A}\":{{\"nothing\":1}}}}}}"),
        &format!("{{\"Root\":{{\"{A}\":{{\"n\":\"1\"}}}}}}"),
        &format!("{{\"Root\":{{\"{A}\":{{\"_uuid\":[\"uuid\",\"{B}\"]}}}}}}"),
        // What constraints, or the end of a transaction, would not leave like that.
        &format!("{{\"Root\":{{\"{A}\":{{\"n\":-1}}}}}}"),
        &format!("{{\"Root\":{{\"{A}\":{{\"n\":1}},\"{B}\":{{\"n\":2}}}}}}"),
        &format!("{{\"Root\":{{\"{A}\":{{\"parts\":[\"uuid\",\"{B}\"]}}}}}}"),
        &format!("{{\"Root\":{{\"{A}\":{{\"friends\":[\"uuid\",\"{B}\"]}}}}}}"),
        &format!("{{\"Part\":{{\"{A}\":{{}}}}}}"),
        &format!("{{\"Part\":{{\"{A}\":{{\"next\":[\"uuid\",\"{A}\"]}}}}}}"),
    ] {
        println!("{record}");
        check(record, false);
    }
    let rows =
        (0..4).map(|n| format!("\"00000000-0000-4000-8000-00000000000{n}\":{{\"name\":\"{n}\"}}"));
    let rows: Vec<String> = rows.collect();
    check(&format!("{{\"Root\":{{{}}}}}", rows.join(",")), false);
    check(&format!("{{\"Root\":{{{}}}}}", rows[..3].join(",")), true);
    let schema = schema();
    assert!(load(&schema, b"{\"_comment\":\"\xff\"}", 100).is_none());
}

#[test]
fn a_row_in_thousands_of_pieces_is_loaded() {
    let pairs: Vec<String> = (0..5000)
        .map(|n| format!("[\"key {n:08}\",\"value {n}\"]"))
        .collect();
    let record = format!(
        "{{\"Root\":{{\"{A}\":{{\"map\":[\"map\",[{}]]}}}}}}",
        pairs.join(",")
    );
    let schema = schema();
    let loaded = load(&schema, record.as_bytes(), 7).expect("a plain record");
    let (replayed, _) =
        record::replay(&Database::new(schema), record.as_bytes(), &mut counter()).unwrap();
    assert_eq!(contents(&loaded), contents(&replayed));
}
