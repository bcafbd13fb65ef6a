//! What a history knows, forgets and refuses to tell.

use ovsdb_engine::{Context, Database, Outcome, execute};
use ovsdb_log::Digest;
use ovsdb_proto::json;
use ovsdb_proto::operation::parse_transact;

use super::*;
use crate::fresh::fresh_uuid;
use crate::transaction_id::{after_record, without_record};

/// A bound that nothing here reaches.
const ROOMY: Bounds = Bounds {
    base: 1 << 30,
    per_row: 0,
    max: 1 << 30,
};

/// The id of version `number`, which has a record.
fn id(number: u8) -> Uuid {
    after_record(Uuid::ZERO, &Digest::of(&[&[number]]))
}

fn nothing() -> Arc<Commit> {
    Arc::new(Commit {
        changes: Vec::new(),
    })
}

/// A history of `commits` commits that leads from version 0 to version `commits`.
fn history(commits: u8, bounds: Bounds) -> History {
    let mut history = History::with_bounds(id(0), 0, bounds);
    for number in 1..=commits {
        history.push(id(number), nothing());
    }
    history
}

/// How many commits are said to follow.
fn count(history: &History, id: Uuid, shown: Shown) -> Option<usize> {
    history.since(id, shown).map(|commits| commits.len())
}

fn after(history: &History, number: u8) -> Option<usize> {
    count(history, id(number), Shown::KeptColumns)
}

#[test]
fn what_follows_a_known_version_is_told() {
    let history = history(3, ROOMY);
    let found = [0, 1, 2, 3, 4].map(|number| after(&history, number));
    assert_eq!(found, [Some(3), Some(2), Some(1), Some(0), None]);
    assert_eq!(history.last(), id(3));
    assert_eq!(
        history.since(Uuid::ZERO, Shown::KeptColumns).map(|_| ()),
        None
    );
}

#[test]
fn commits_come_oldest_first() {
    let mut history = history(0, ROOMY);
    let commits: Vec<Arc<Commit>> = (0..3).map(|_| nothing()).collect();
    for (number, commit) in (1..).zip(&commits) {
        history.push(id(number), commit.clone());
    }
    let told = history.since(id(1), Shown::KeptColumns).expect("known");
    assert!(
        told.iter()
            .zip(&commits[1..])
            .all(|(told, pushed)| Arc::ptr_eq(told, pushed))
    );
}

#[test]
fn the_oldest_versions_go_when_there_are_too_many_bytes() {
    let one = history(1, ROOMY).bytes();
    let two = Bounds {
        base: 2 * one,
        ..ROOMY
    };
    let mut history = history(5, two);
    let found = [0, 1, 2, 3, 4, 5].map(|number| after(&history, number));
    assert_eq!(found, [None, None, None, Some(2), Some(1), Some(0)]);
    assert_eq!(history.bytes(), 2 * one);
    assert_eq!(history.numbers.len(), 3);
    history.push(id(6), nothing());
    assert_eq!(after(&history, 4), Some(2));
}

#[test]
fn a_commit_that_is_too_large_leaves_its_version_known() {
    let none = Bounds { base: 0, ..ROOMY };
    let history = history(1, none);
    assert_eq!((after(&history, 0), after(&history, 1)), (None, Some(0)));
    assert_eq!((history.last(), history.bytes()), (id(1), 0));
}

#[test]
fn versions_from_a_file_are_known_to_those_who_were_shown_what_files_keep() {
    let mut history = history(2, ROOMY);
    let begin = without_record(id(2));
    history.begin_own(begin);
    history.push(id(3), nothing());
    let check = |id, kept, other| {
        let found =
            [Shown::KeptColumns, Shown::OtherColumns].map(|shown| count(&history, id, shown));
        assert_eq!(found, [kept, other], "{id}");
    };
    check(id(1), Some(2), None);
    // What the process before and this one had in ephemeral columns at this record need not be the same.
    check(id(2), Some(1), None);
    check(begin, Some(1), Some(1));
    check(id(3), Some(0), Some(0));
}

#[test]
fn versions_without_record_of_another_process_are_what_the_file_kept_of_them() {
    let mut history = history(2, ROOMY);
    history.begin_own(without_record(id(2)));
    history.push(id(3), nothing());
    for (number, kept) in [(0, Some(3)), (2, Some(1)), (3, Some(0)), (4, None)] {
        let id = without_record(id(number));
        assert_eq!(count(&history, id, Shown::KeptColumns), kept, "{number}");
        assert_eq!(count(&history, id, Shown::OtherColumns), None, "{number}");
    }
}

#[test]
fn an_id_with_a_record_is_known_as_a_whole_or_not_at_all() {
    let history = history(2, ROOMY);
    let mut bytes = *id(1).as_bytes();
    bytes[15] ^= 1;
    assert_eq!(
        count(&history, Uuid::from_bytes(bytes), Shown::KeptColumns),
        None
    );
}

#[test]
fn own_versions_without_record_count_on_their_own() {
    let mut history = history(1, ROOMY);
    history.begin_own(without_record(id(1)));
    let ids = [(); 3].map(|()| without_record(id(1)));
    for id in ids {
        history.push(id, nothing());
    }
    let found = ids.map(|id| count(&history, id, Shown::OtherColumns));
    assert_eq!(found, [Some(2), Some(1), Some(0)]);
    assert_eq!(after(&history, 1), Some(3));
}

#[test]
fn a_version_that_is_like_the_one_before_has_no_commit() {
    let mut history = history(1, ROOMY);
    history.push_same(id(2));
    history.push(id(3), nothing());
    assert_eq!(
        [1, 2, 3].map(|number| after(&history, number)),
        [Some(1), Some(1), Some(0)]
    );
}

#[test]
fn nothing_before_a_clearing_is_known() {
    let mut history = history(2, ROOMY);
    history.clear_to(id(3), 0);
    history.push(id(4), nothing());
    let found = [0, 2, 3, 4].map(|number| after(&history, number));
    assert_eq!(found, [None, None, Some(1), Some(0)]);
    assert_eq!(count(&history, id(3), Shown::OtherColumns), Some(1));
    assert_eq!(
        count(&history, without_record(id(2)), Shown::KeptColumns),
        None
    );
}

const SCHEMA: &str = r#"{"name":"D","tables":{"T":{"isRoot":true,"columns":{
    "n":{"type":"integer"},
    "text":{"type":"string"},
    "state":{"type":"string","ephemeral":true}}}}}"#;

fn schema(text: &str) -> Arc<Schema> {
    let json = json::parse(text.as_bytes()).expect("valid JSON");
    Arc::new(Schema::from_json(&json).expect("a valid schema"))
}

/// Executes operations on a database.
fn transact(database: &mut Database, operations: &str) -> Arc<Commit> {
    let operations = json::parse(operations.as_bytes()).expect("valid JSON");
    let operations = operations.as_array().expect("an array");
    let transact = parse_transact(database.schema(), operations, &mut fresh_uuid);
    let mut fresh = fresh_uuid;
    let mut context = Context::unrestricted(&mut fresh);
    match execute(database, &transact, &mut context) {
        Outcome::Prepared(prepared) => {
            *database = prepared.next;
            Arc::new(prepared.commit.expect("a change"))
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn old_rows_are_what_costs_and_the_more_rows_a_database_has_the_more_of_them_may_stay() {
    let mut database = Database::new(schema(SCHEMA));
    let bounds = Bounds {
        base: 0,
        per_row: 20_000,
        max: 100_000,
    };
    let mut history = History::with_bounds(id(0), 0, bounds);
    let text = "x".repeat(10_000);
    let insert = format!(r#"[{{"op":"insert","table":"T","row":{{"text":"{text}"}}}}]"#);
    history.push(id(1), transact(&mut database, &insert));
    assert!(history.bytes() < 1000, "a new row is the database's");
    for (number, rows) in [(2, 1), (3, 1), (4, 1)] {
        let text = number.to_string().repeat(10_000);
        let update =
            format!(r#"[{{"op":"update","table":"T","where":[],"row":{{"text":"{text}"}}}}]"#);
        history.push(id(number), transact(&mut database, &update));
        assert!(history.bytes() <= rows * 20_000);
    }
    assert_eq!(
        [2, 3].map(|number| after(&history, number)),
        [None, Some(1)]
    );

    for number in 5..15 {
        history.push(id(number), transact(&mut database, &insert));
    }
    // Eleven rows would be worth more than the maximum.
    let update = r#"[{"op":"update","table":"T","where":[["text","==","y"]],"row":{"text":"z"}},
        {"op":"delete","table":"T","where":[]}]"#;
    history.push(id(15), transact(&mut database, update));
    assert_eq!(history.last(), id(15));
    assert_eq!((history.rows, after(&history, 14)), (0, None));
}

#[test]
fn a_change_of_one_column_costs_little_whatever_the_others_hold() {
    let mut database = Database::new(schema(SCHEMA));
    let text = "x".repeat(10_000);
    let insert = format!(r#"[{{"op":"insert","table":"T","row":{{"text":"{text}"}}}}]"#);
    transact(&mut database, &insert);
    let update = r#"[{"op":"update","table":"T","where":[],"row":{"n":1}}]"#;
    assert!(transact(&mut database, update).bytes() < 1000);
    let update = r#"[{"op":"update","table":"T","where":[],"row":{"text":""}}]"#;
    assert!(transact(&mut database, update).bytes() > 10_000);
}

#[track_caller]
fn check_shown(schema_text: &str, requests: &str, expected: Shown) {
    let schema = schema(schema_text);
    let json = json::parse(requests.as_bytes()).expect("valid JSON");
    let requests = MonitorRequests::from_json(&schema, &json, true).expect("valid requests");
    assert_eq!(Shown::of(&schema, &requests), expected, "{json}");
}

#[test]
fn ephemeral_columns_and_versions_are_not_told_from_files() {
    use Shown::{KeptColumns, OtherColumns};
    check_shown(SCHEMA, r#"{}"#, KeptColumns);
    check_shown(SCHEMA, r#"{"T":{"columns":["n","text"]}}"#, KeptColumns);
    check_shown(SCHEMA, r#"{"T":{"columns":["_uuid"]}}"#, KeptColumns);
    check_shown(SCHEMA, r#"{"T":{"columns":["n","state"]}}"#, OtherColumns);
    check_shown(SCHEMA, r#"{"T":{"columns":["_version"]}}"#, OtherColumns);
    // All columns, `_version` among them.
    check_shown(SCHEMA, r#"{"T":{}}"#, OtherColumns);
    // Which rows are shown depends on the column.
    let condition = r#"{"T":{"columns":["n"],"where":[["state","==","x"]]}}"#;
    check_shown(SCHEMA, condition, OtherColumns);
    let condition = r#"{"T":{"columns":["n"],"where":[["text","==","x"],true]}}"#;
    check_shown(SCHEMA, condition, KeptColumns);
}

#[test]
fn columns_that_keep_rows_alive_are_told_from_files() {
    let schema = r#"{"name":"D","tables":{
        "T":{"isRoot":true,"columns":{"held":{"ephemeral":true,"type":{"key":{"type":"uuid","refTable":"U"},"min":0}}}},
        "U":{"columns":{"n":{"type":"integer"}}}}}"#;
    check_shown(schema, r#"{"T":{"columns":["held"]}}"#, Shown::KeptColumns);
    let weak = schema.replace(r#""refTable":"U""#, r#""refTable":"U","refType":"weak""#);
    check_shown(&weak, r#"{"T":{"columns":["held"]}}"#, Shown::OtherColumns);
}
