//! When the record of a commit holds differences, and when it holds values.

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

/// Sets a column to one value and then to another; gives back whether the second record holds a difference.
#[track_caller]
fn check(column: &str, old: &str, new: &str, is_diff: bool) {
    let schema = Schema::from_json(&json::parse(SCHEMA.as_bytes()).unwrap()).unwrap();
    let mut database = Database::new(Arc::new(schema));
    let mut counter = 0u128;
    let mut record = None;
    let operations = [
        format!(r#"[{{"op":"insert","table":"T","row":{{"{column}":{old}}}}}]"#),
        format!(r#"[{{"op":"update","table":"T","where":[],"row":{{"{column}":{new}}}}}]"#),
    ];
    for operations in operations {
        let Json::Array(operations) = json::parse(operations.as_bytes()).unwrap() else {
            panic!("an array");
        };
        let mut fresh = || {
            counter += 1;
            Uuid::from_bytes(counter.to_be_bytes())
        };
        let transact = parse_transact(database.schema(), &operations, &mut fresh);
        let mut context = Context::unrestricted(&mut fresh);
        let Outcome::Prepared(prepared) = execute(&database, &transact, &mut context) else {
            panic!("{column}: {old} or {new} is refused");
        };
        let commit = prepared.commit.expect("a change");
        let options = RecordOptions {
            date_ms: 0,
            comment: None,
            column_diff: true,
        };
        record = commit_record(database.schema(), &commit, options);
        database = prepared.next;
    }
    let record = String::from_utf8(record.expect("a change")).unwrap();
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
