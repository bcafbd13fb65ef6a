//! When the record of a commit holds differences, when it holds values, and how much memory it takes.

use std::sync::Arc;

use ovsdb_engine::record::{RecordOptions, commit_record};
use ovsdb_engine::{Context, Database, Outcome, execute};
use ovsdb_proto::json::{self, Json};
use ovsdb_proto::operation::parse_transact;
use ovsdb_proto::schema::Schema;
use ovsdb_proto::uuid::Uuid;

const SCHEMA: &str = r#"{"name": "D", "tables": {"T": {"isRoot": true, "columns": {
    "one": {"type": "string"},
    "any": {"type": {"key": "string", "min": 0, "max": "unlimited"}},
    "few": {"type": {"key": "string", "min": 0, "max": 3}},
    "some": {"type": {"key": "string", "min": 1, "max": "unlimited"}}}}}}"#;

fn empty() -> Database {
    let schema = Schema::from_json(&json::parse(SCHEMA.as_bytes()).unwrap()).unwrap();
    Database::new(Arc::new(schema))
}

/// Runs `operations`, with UUIDs that count upwards from `counter`. Gives back the next version and the record.
#[track_caller]
fn record_of(database: &Database, operations: &str, counter: &mut u128) -> (Database, Vec<u8>) {
    let Json::Array(operations) = json::parse(operations.as_bytes()).unwrap() else {
        panic!("an array");
    };
    let mut fresh = || {
        *counter += 1;
        Uuid::from_bytes(counter.to_be_bytes())
    };
    let transact = parse_transact(database.schema(), &operations, &mut fresh);
    let mut context = Context::unrestricted(&mut fresh);
    let Outcome::Prepared(prepared) = execute(database, &transact, &mut context) else {
        panic!("the transaction is refused");
    };
    let commit = prepared.commit.expect("a change");
    let options = RecordOptions {
        date_ms: 0,
        comment: None,
        column_diff: true,
    };
    let record = commit_record(database.schema(), &commit, options);
    (prepared.next, record.expect("a change"))
}

/// Sets a column to one value and then to another; gives back whether the second record holds a difference.
#[track_caller]
fn check(column: &str, old: &str, new: &str, is_diff: bool) {
    let mut counter = 0;
    let insert = format!(r#"[{{"op":"insert","table":"T","row":{{"{column}":{old}}}}}]"#);
    let (database, _) = record_of(&empty(), &insert, &mut counter);
    let update =
        format!(r#"[{{"op":"update","table":"T","where":[],"row":{{"{column}":{new}}}}}]"#);
    let (_, record) = record_of(&database, &update, &mut counter);
    let record = String::from_utf8(record).unwrap();
    assert_eq!(record.contains("_is_diff"), is_diff, "{column}: {record}");
}

#[test]
fn differences_are_written_where_every_release_of_the_reference_applies_them() {
    check("one", r#""""#, r#""a""#, true);
    check("one", r#""a""#, r#""b""#, true);
    check("any", r#"["set",[]]"#, r#"["set",["a","b"]]"#, true);
    check(
        "any",
        r#"["set",["a","b"]]"#,
        r#"["set",["c","d","e","f"]]"#,
        true,
    );
    check("few", r#"["set",["a","b"]]"#, r#"["set",["b","c"]]"#, true);
    check(
        "some",
        r#"["set",["a","b"]]"#,
        r#"["set",["a","b","c"]]"#,
        true,
    );
}

#[test]
fn values_are_written_where_a_difference_is_no_value_of_its_column() {
    check("few", r#"["set",["a","b"]]"#, r#"["set",["c","d"]]"#, false);
}

#[test]
fn values_are_written_where_a_column_leaves_a_default_that_is_not_empty() {
    check("some", r#"["set",[""]]"#, r#"["set",["","a"]]"#, false);
    check("some", r#"["set",[""]]"#, r#"["set",["a","b"]]"#, false);
}

#[test]
fn a_record_that_begins_with_long_rows_takes_no_memory_for_more_of_them() {
    let long = "x".repeat(64 << 10);
    let texts = (0..5_000).map(|number| if number < 64 { long.as_str() } else { "" });
    let inserts: Vec<String> = texts
        .map(|text| format!(r#"{{"op":"insert","table":"T","row":{{"one":"{text}"}}}}"#))
        .collect();
    let (_, record) = record_of(&empty(), &format!("[{}]", inserts.join(",")), &mut 0);
    assert!(record.len() > 64 * long.len());
    let room = record.capacity() - record.len();
    assert!(room < 8 * record.len(), "{room} bytes for nothing");
}
