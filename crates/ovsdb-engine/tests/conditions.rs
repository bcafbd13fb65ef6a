//! Monitors with conditions, and what they are told in the form of differences (ovsdb-server(7), sections 4.1.12 to
//! 4.1.14), word for word.

use std::sync::Arc;

use ovsdb_engine::monitor::{Form, Monitor, Pending};
use ovsdb_engine::{Context, Database, Outcome, execute};
use ovsdb_proto::json::{self, Json};
use ovsdb_proto::monitor::{MonitorRequests, condition_changes_from_json};
use ovsdb_proto::operation::parse_transact;
use ovsdb_proto::schema::Schema;
use ovsdb_proto::uuid::Uuid;

const SCHEMA: &str = r#"{"name":"m","tables":{
 "T":{"isRoot":true,"columns":{
   "n":{"type":"integer"},"other":{"type":"integer"},
   "set":{"type":{"key":"string","min":0,"max":"unlimited"}},
   "map":{"type":{"key":"string","value":"string","min":0,"max":"unlimited"}},
   "maybe":{"type":{"key":"integer","min":0,"max":1}}}},
 "V":{"isRoot":true,"columns":{"n":{"type":"integer"}}}}}"#;

/// What a client does, and what others do.
enum Step<'a> {
    /// Operations, which the monitor learns of but does not tell yet.
    Do(&'a str),
    /// The monitor is asked for what it has not told: this, with rows named by their last digit, or nothing.
    Told(&'a str),
    /// Conditions change, and this is told of it.
    Change(&'a str, &'a str),
}
use Step::{Change, Do, Told};

fn parse(text: &str) -> Json {
    json::parse(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// The text with each row's UUID cut to its last digit.
fn short(text: Vec<u8>) -> String {
    String::from_utf8(text)
        .unwrap()
        .replace("00000000-0000-0000-0000-00000000000", "")
}

fn transact(database: &mut Database, operations: &str) -> Option<ovsdb_engine::Commit> {
    let operations = operations.replace("@", "00000000-0000-0000-0000-00000000000");
    let mut count = 0_u8;
    let mut fresh = || {
        count += 1;
        Uuid::from_bytes([count; 16])
    };
    let operations = parse(&operations);
    let operations = operations.as_array().unwrap();
    let transact = parse_transact(database.schema(), operations, &mut fresh);
    let context = &mut Context {
        may_block: true,
        ..Context::unrestricted(&mut fresh)
    };
    match execute(database, &transact, context) {
        Outcome::Prepared(prepared) => {
            *database = prepared.next;
            prepared.commit
        }
        other => panic!("{other:?}"),
    }
}

/// Begins with the rows that `before` makes, and with a monitor whose initial contents are `initial`.
#[track_caller]
fn check(before: &str, requests: &str, initial: &str, steps: &[Step<'_>]) {
    let schema = Arc::new(Schema::from_json(&parse(SCHEMA)).unwrap());
    let mut database = Database::new(schema.clone());
    transact(&mut database, before);
    let requests = MonitorRequests::from_json(&schema, &parse(requests), true).unwrap();
    let mut monitor = Monitor::new(schema.clone(), &requests, Form::Differences);
    let mut text = Vec::new();
    monitor.write_initial(&database, &mut text);
    assert_eq!(short(text), initial);
    let mut pending = Pending::default();
    for (number, step) in steps.iter().enumerate() {
        let mut text = Vec::new();
        let expected = match step {
            Do(operations) => {
                if let Some(commit) = transact(&mut database, operations) {
                    monitor.add(&mut pending, &commit);
                }
                continue;
            }
            Told(expected) => {
                monitor.write_pending(&mut pending, &mut text);
                expected
            }
            Change(requests, expected) => {
                let shape = monitor.shape().clone();
                let is_monitored = |table| shape.position(table).is_some();
                let changes =
                    condition_changes_from_json(&schema, is_monitored, true, &parse(requests));
                let mut conditions = monitor.conditions().to_vec();
                for (table, condition) in changes.unwrap() {
                    conditions[shape.position(table).unwrap()] = condition;
                }
                let old = monitor.clone();
                monitor = Monitor::with_conditions(shape, Form::Differences, conditions);
                monitor.write_difference(&old, &database, &mut text);
                expected
            }
        };
        assert_eq!(short(text), *expected, "step {number}");
    }
}

const ONE_TWO: &str = r#"[{"op":"insert","table":"T","uuid":"@1","row":{"n":1,"set":["set",["a","b"]],"map":["map",[["k","v"]]]}},
    {"op":"insert","table":"T","uuid":"@2","row":{"n":2,"maybe":7}}]"#;

fn set(n: u8, row: &str) -> String {
    format!(
        r#"[{{"op":"update","table":"T","where":[["_uuid","==",["uuid","@{n}"]]],"row":{row}}}]"#
    )
}

#[test]
fn default_values_are_left_out_of_new_rows_and_of_initial_contents() {
    check(
        ONE_TWO,
        r#"{"T":{"columns":["n","set","map","maybe"]}}"#,
        r#"{"T":{"1":{"initial":{"map":["map",[["k","v"]]],"n":1,"set":["set",["a","b"]]}},"2":{"initial":{"maybe":7,"n":2}}}}"#,
        &[
            Do(r#"[{"op":"insert","table":"T","uuid":"@3","row":{}}]"#),
            Told(r#"{"T":{"3":{"insert":{}}}}"#),
            Do(r#"[{"op":"delete","table":"T","where":[["n","==",2]]}]"#),
            Told(r#"{"T":{"2":{"delete":null}}}"#),
            Told(""),
        ],
    );
}

#[test]
fn of_sets_and_maps_the_difference_is_told_and_of_single_values_the_new_one() {
    check(
        ONE_TWO,
        r#"{"T":{"columns":["n","set","map","maybe"],"select":{"initial":false}}}"#,
        "{}",
        &[
            Do(&set(1, r#"{"n":5,"set":["set",["b","c"]],"maybe":3}"#)),
            Told(r#"{"T":{"1":{"modify":{"maybe":3,"n":5,"set":["set",["a","c"]]}}}}"#),
            Do(&set(1, r#"{"map":["map",[["k","w"],["l","x"]]]}"#)),
            Told(r#"{"T":{"1":{"modify":{"map":["map",[["k","w"],["l","x"]]]}}}}"#),
            Do(&set(1, r#"{"map":["map",[["l","x"]]],"maybe":["set",[]]}"#)),
            Told(r#"{"T":{"1":{"modify":{"map":["map",[["k","w"]]],"maybe":["set",[]]}}}}"#),
        ],
    );
}

#[test]
fn changes_that_are_taken_late_are_told_as_one() {
    check(
        ONE_TWO,
        r#"{"T":{"columns":["n"]}}"#,
        r#"{"T":{"1":{"initial":{"n":1}},"2":{"initial":{"n":2}}}}"#,
        &[
            Do(&set(1, r#"{"n":5}"#)),
            Do(&set(1, r#"{"n":6,"other":1}"#)),
            Do(&set(2, r#"{"n":3}"#)),
            Do(&set(2, r#"{"n":2}"#)),
            Do(r#"[{"op":"insert","table":"T","uuid":"@3","row":{"n":9}}]"#),
            Do(r#"[{"op":"insert","table":"T","uuid":"@4","row":{}}]"#),
            Do(&set(4, r#"{"n":4}"#)),
            Do(r#"[{"op":"delete","table":"T","where":[["n","==",9]]}]"#),
            Told(r#"{"T":{"1":{"modify":{"n":6}},"4":{"insert":{"n":4}}}}"#),
        ],
    );
}

#[test]
fn rows_that_come_to_meet_the_condition_are_inserted_and_others_deleted() {
    check(
        ONE_TWO,
        r#"{"T":{"columns":["other"],"where":[["n","==",1],["set","includes","z"]]}}"#,
        r#"{"T":{"1":{"initial":{}}}}"#,
        &[
            Do(&set(2, r#"{"other":4,"n":1}"#)),
            Told(r#"{"T":{"2":{"insert":{"other":4}}}}"#),
            Do(&set(1, r#"{"n":3,"other":8}"#)),
            Told(r#"{"T":{"1":{"delete":null}}}"#),
            Do(&set(1, r#"{"other":9}"#)),
            Told(""),
            Do(&set(1, r#"{"set":["set",["y","z"]]}"#)),
            Told(r#"{"T":{"1":{"insert":{"other":9}}}}"#),
            // It meets the other clause: still there, and nothing else that is asked for has changed.
            Do(&set(1, r#"{"set":["set",[]],"n":1}"#)),
            Told(""),
            // Out and in again before anybody looks.
            Do(&set(1, r#"{"n":2,"other":1}"#)),
            Do(&set(1, r#"{"n":1}"#)),
            Told(r#"{"T":{"1":{"modify":{"other":1}}}}"#),
        ],
    );
}

#[test]
fn constants_and_empty_conditions_admit_all_or_nothing() {
    let nothing = r#"{"T":{"columns":["n"],"where":[false]}}"#;
    let all = r#"{"T":{"1":{"insert":{"n":1}},"2":{"insert":{"n":2}}}}"#;
    let gone = r#"{"T":{"1":{"delete":null},"2":{"delete":null}}}"#;
    check(
        ONE_TWO,
        nothing,
        "{}",
        &[
            Do(r#"[{"op":"insert","table":"T","row":{}}]"#),
            Do(r#"[{"op":"delete","table":"T","where":[["n","==",0]]}]"#),
            Told(""),
            Change(r#"{"T":[{"where":[true]}]}"#, all),
            Change(r#"{"T":[{"where":[]}]}"#, ""),
            Change(r#"{"T":[{"where":[false,false]}]}"#, gone),
            Change(r#"{"T":[{"where":[["n",">",0],true]}]}"#, all),
            Change(r#"{"T":[]}"#, ""),
            Change(r#"{"T":[{}]}"#, ""),
        ],
    );
}

#[test]
fn of_several_conditions_for_a_table_the_last_counts() {
    let requests = r#"{"T":[{"columns":["n"],"where":[["n","==",1]]},{"columns":["other"],"where":[["n","==",2]]}]}"#;
    check(
        ONE_TWO,
        requests,
        r#"{"T":{"2":{"initial":{"n":2}}}}"#,
        &[Change(
            r#"{"T":[{"where":[false]},{"where":[["maybe","<",9],["n","!=",2]]}]}"#,
            r#"{"T":{"1":{"insert":{"n":1}}}}"#,
        )],
    );
}

#[test]
fn a_change_of_conditions_tells_only_what_comes_and_goes() {
    check(
        ONE_TWO,
        r#"{"T":{"columns":["n"],"where":[["n","==",1]]},"V":{}}"#,
        r#"{"T":{"1":{"initial":{"n":1}}}}"#,
        &[
            Change(
                r#"{"T":[{"where":[["n","==",1],["maybe","==",7]]}]}"#,
                r#"{"T":{"2":{"insert":{"n":2}}}}"#,
            ),
            Change(r#"{"T":[{"where":[["n",">=",1]]}]}"#, ""),
            Change(
                r#"{"T":[{"where":[["map","excludes",["map",[["k","v"]]]]]}]}"#,
                r#"{"T":{"1":{"delete":null}}}"#,
            ),
            Change(
                r#"{"T":[{"where":[["_uuid","==",["uuid","00000000-0000-0000-0000-000000000001"]]]}]}"#,
                r#"{"T":{"1":{"insert":{"n":1}},"2":{"delete":null}}}"#,
            ),
        ],
    );
}

#[test]
fn what_is_not_selected_is_not_told_of_conditions_either() {
    check(
        ONE_TWO,
        r#"{"T":{"columns":["n"],"where":[false],"select":{"insert":false}}}"#,
        "{}",
        &[
            Change(r#"{"T":[{"where":[["n","==",1]]}]}"#, ""),
            Do(&set(1, r#"{"n":4}"#)),
            Told(r#"{"T":{"1":{"delete":null}}}"#),
        ],
    );
}
