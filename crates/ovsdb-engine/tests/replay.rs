//! The replay of many records in place against the replay of each: the same versions, commits and errors.

use std::sync::Arc;

use ovsdb_engine::record::{self, RecordOptions};
use ovsdb_engine::replay::Replayer;
use ovsdb_engine::{Commit, Database};
use ovsdb_proto::json;
use ovsdb_proto::schema::Schema;
use ovsdb_proto::uuid::Uuid;

const SCHEMA: &str = r#"{"name": "D", "tables": {
    "Root": {"isRoot": true, "indexes": [["name"]], "columns": {
        "name": {"type": "string"},
        "few": {"type": {"key": "integer", "min": 1, "max": 2}},
        "set": {"type": {"key": "string", "min": 0, "max": "unlimited"}},
        "part": {"type": {"key": {"type": "uuid", "refTable": "Part"}, "min": 0}},
        "friends": {"type": {"key": {"type": "uuid", "refTable": "Root", "refType": "weak"}, "min": 0, "max": "unlimited"}}}},
    "Part": {"isRoot": false, "columns": {
        "n": {"type": "integer"},
        "next": {"type": {"key": {"type": "uuid", "refTable": "Part"}, "min": 0}}}}}}"#;

/// UUIDs that are numbered.
fn counter() -> impl FnMut() -> Uuid {
    let mut number = 0u128;
    move || {
        number += 1;
        Uuid::from_bytes(number.to_be_bytes())
    }
}

fn contents(database: &Database) -> String {
    let options = RecordOptions {
        date_ms: 0,
        comment: None,
        column_diff: false,
    };
    String::from_utf8(record::snapshot_record(database, options)).unwrap()
}

/// What changed, `_version`s aside.
fn changes(commit: &Option<Commit>) -> Vec<String> {
    let changes = commit.iter().flat_map(|commit| &commit.changes);
    let values = |row: &Option<Arc<ovsdb_engine::Row>>| {
        let row = row.as_ref();
        row.map(|row| format!("{:?}", &row.columns()[2..]))
    };
    let mut changes: Vec<String> = changes
        .map(|change| {
            let (old, new) = (values(&change.old), values(&change.new));
            format!("{:?} {} {old:?} {new:?}", change.table, change.uuid)
        })
        .collect();
    changes.sort_unstable();
    changes
}

/// Replays records one after another in both ways. `A`, `B`, `P` and `Q` stand for UUIDs.
#[track_caller]
fn check(records: &[&str]) {
    let schema = Schema::from_json(&json::parse(SCHEMA.as_bytes()).unwrap()).unwrap();
    let schema = Arc::new(schema);
    let mut replayer = Replayer::new(&schema);
    let mut database = Database::new(schema.clone());
    let mut one_by_one = Database::new(schema.clone());
    for record in records {
        let mut text = (*record).to_owned();
        for (short, digit) in [("$A", "a"), ("$B", "b"), ("$P", "1"), ("$Q", "2")] {
            let uuid = format!("00000000-0000-4000-8000-00000000000{digit}");
            text = text.replace(short, &uuid);
        }
        let expected = record::replay(&one_by_one, text.as_bytes(), &mut counter());
        let replayed;
        (database, replayed) = replayer.replay(database, text.as_bytes(), &mut counter());
        match (replayed, expected) {
            (Ok(commit), Ok((next, expected))) => {
                assert_eq!(changes(&commit), changes(&expected), "{record}");
                one_by_one = next;
            }
            (Err(error), Err(expected)) => {
                assert_eq!(error.to_string(), expected.to_string(), "{record}");
            }
            (replayed, expected) => panic!("{record}: {replayed:?}, not {expected:?}"),
        }
        assert_eq!(contents(&database), contents(&one_by_one), "{record}");
        database.check_consistency().unwrap();
    }
}

#[test]
fn records_of_programs_are_replayed() {
    check(&[
        r#"{"Root":{"$A":{"name":"a","few":["set",[1,2]],"set":["set",["x","y"]],"part":["uuid","$P"]}},"Part":{"$P":{"n":1}},"_date":1}"#,
        r#"{"Root":{"$A":{"name":"b"}},"_comment":"a \"name\"","_date":2}"#,
        r#"{"Root":{"$A":{"set":["set",["x","z"]]}},"_date":3,"_is_diff":true}"#,
        r#"{"_date":3,"_is_diff":true,"Root":{"$A":{"set":["set",["x","z"]]}}}"#,
        r#"{"Root":{"$A":{"set":["set",["only"]]}},"_date":4}"#,
        r#"{"Root":{"$B":{"name":"b2","friends":["set",[["uuid","$A"],["uuid","$B"]]]}},"_is_diff":true}"#,
        r#"{"Root":{"$A":{"part":["uuid","$Q"]}},"Part":{"$P":null,"$Q":{}},"_is_diff":true}"#,
        r#"{"Root":{"$A":null},"_date":5}"#,
        r#"{"_date":6,"_comment":"nothing"}"#,
        r#"{"Root":{"$B":{}}}"#,
    ]);
}

#[test]
fn strange_records_mean_what_they_mean_one_by_one() {
    let start = r#"{"Root":{"$A":{"name":"a","few":["set",[1,2]],"part":["uuid","$P"]},"$B":{"name":"b"}},"Part":{"$P":{}}}"#;
    for strange in [
        "",
        "[]",
        "{",
        "{} {}",
        r#"{"Nothing":{}}"#,
        r#"{"Root":[]}"#,
        r#"{"Root":{"A":{}}}"#,
        r#"{"Root":{"$P":null}}"#,
        r#"{"Root":{"$A":1}}"#,
        r#"{"Root":{"$A":{"nothing":1}}}"#,
        r#"{"Root":{"$A":{"name":1}}}"#,
        r#"{"Root":{"$A":{"name":"b"}}}"#,
        r#"{"Root":{"$A":{"name":"b"},"$B":{"name":"a"}}}"#,
        r#"{"Root":{"$A":{"few":["set",[3]]}},"_is_diff":true}"#,
        r#"{"Root":{"$A":{"few":["set",[1,2]]}},"_is_diff":true}"#,
        r#"{"Root":{"$A":{"few":["set",[1,2,3]]}}}"#,
        r#"{"Root":{"$A":{"part":["uuid","$Q"]}}}"#,
        r#"{"Part":{"$P":null}}"#,
        r#"{"Part":{"$Q":{}}}"#,
        r#"{"Root":{"$A":{"friends":["uuid","$Q"]}}}"#,
        r#"{"Root":{"$A":{"name":"x"},"$A":{"name":"y"}}}"#,
        r#"{"Root":{"$A":{"name":"x","name":"y"}}}"#,
        r#"{"Root":{"$A":{"name":"x"}},"Root":{"$B":{"name":"y"}}}"#,
        r#"{"_date":"today"}"#,
        r#"{"_date":1,"_date":2}"#,
        r#"{"_comment":[1]}"#,
        r#"{"_is_diff":true,"_is_diff":false,"Root":{"$A":{"few":["set",[1]]}}}"#,
        "{\"_comment\":\"\\ud800\"}",
        "{\"Root\":{}}\u{c}",
    ] {
        check(&[start, strange, r#"{"Root":{"$A":{"name":"c"}}}"#, strange]);
    }
}

#[test]
fn a_value_that_was_a_difference_is_no_value_of_a_new_row() {
    let start = r#"{"Root":{"$A":{"name":"a","few":["set",[1,2]]}}}"#;
    let mut records = vec![start];
    // Enough rows for a reader to share what repeats.
    for _ in 0..40 {
        records.push(r#"{"Root":{"$A":{"name":"b"}},"_is_diff":true}"#);
        records.push(r#"{"Root":{"$A":{"name":"a"}},"_is_diff":true}"#);
    }
    records.push(r#"{"Root":{"$A":{"few":["set",[1,2,3]]}},"_is_diff":true}"#);
    records.push(r#"{"Root":{"$B":{"name":"c","few":["set",[1,2,3]]}},"_is_diff":true}"#);
    check(&records);
}

#[test]
fn of_several_faults_the_same_one_is_named() {
    check(&[
        r#"{"Root":{"$A":{"part":["uuid","$P"]}},"Part":{"$Q":{"next":["uuid","$A"]}}}"#,
        r#"{"Root":{"$B":{"name":"b","part":["uuid","$P"]},"$A":{"name":"a","part":["uuid","$Q"]}}}"#,
        r#"{"Root":{"$B":{"name":"b","part":["uuid","$P"]}},"Part":{"$P":{"next":["uuid","$Q"]}}}"#,
    ]);
}
