//! Changing one element of a set or map costs no more in a big one: counted, not timed, for each step from the transaction
//! to what monitors are told.
//!
//! A unit of work is an element or a node of a tree that is copied or compared. Whoever compares or copies whole sets again
//! is found here.

use std::sync::Arc;

use ovsdb_engine::monitor::{Form, Monitor, Pending};
use ovsdb_engine::record::{RecordOptions, commit_record, replay};
use ovsdb_engine::{Commit, Context, Database, Outcome, execute};
use ovsdb_proto::json::{self, Json};
use ovsdb_proto::monitor::MonitorRequests;
use ovsdb_proto::operation::parse_transact;
use ovsdb_proto::schema::Schema;
use ovsdb_proto::uuid::Uuid;
use ovsdb_proto::work;

const SCHEMA: &str = r#"{"name": "S", "tables": {
    "Owner": {"isRoot": true, "indexes": [["name"]], "columns": {
        "name": {"type": "string"},
        "strings": {"type": {"key": "string", "min": 0, "max": "unlimited"}},
        "limited": {"type": {"key": "string", "min": 1, "max": 100000}},
        "pairs": {"type": {"key": "string", "value": "string", "min": 0, "max": "unlimited"}},
        "weak": {"type": {"key": {"type": "uuid", "refTable": "Target", "refType": "weak"},
                 "min": 0, "max": "unlimited"}},
        "strong": {"type": {"key": {"type": "uuid", "refTable": "Member"}, "min": 0, "max": "unlimited"}}}},
    "Target": {"isRoot": true, "columns": {"number": {"type": "integer"}}},
    "Member": {"columns": {"number": {"type": "integer"}}}}}"#;

/// What one step of one transaction may cost: paths through a few trees. Ten times less than a look at the big sets.
const WORK_MAX: u64 = 2_000;

/// Elements of the small sets and of the big ones.
const SIZES: [u32; 2] = [20, 20_000];

fn uuid(number: u32) -> Uuid {
    // An odd factor: different numbers give different UUIDs, in another order.
    let spread = number.wrapping_mul(0x9e37_79b9).to_be_bytes();
    let mut bytes = [0; 16];
    bytes[..4].copy_from_slice(&spread);
    Uuid::from_random_bytes(bytes)
}

/// Row number `number` by its name, and as a reference.
fn reference(number: u32) -> String {
    format!("[\"uuid\",\"{}\"]", uuid(number))
}

struct Bench {
    schema: Arc<Schema>,
    database: Database,
    last: u32,
}

impl Bench {
    fn new() -> Bench {
        let schema = Schema::from_json(&json::parse(SCHEMA.as_bytes()).unwrap()).unwrap();
        let schema = Arc::new(schema);
        Bench {
            database: Database::new(schema.clone()),
            schema,
            last: 1 << 30,
        }
    }

    /// Runs operations, and says what that cost: parsing them is not counted.
    fn transact(&mut self, operations: &str) -> (u64, Commit) {
        let json = json::parse(format!("[{operations}]").as_bytes()).unwrap();
        let operations = json.as_array().unwrap();
        let last = &mut self.last;
        let mut fresh = || {
            *last += 1;
            uuid(*last)
        };
        let transact = parse_transact(&self.schema, operations, &mut fresh);
        let mut context = Context::unrestricted(&mut fresh);
        let (cost, outcome) = work::of(|| execute(&self.database, &transact, &mut context));
        let Outcome::Prepared(prepared) = outcome else {
            panic!("{outcome:?}")
        };
        self.database = prepared.next;
        (cost, prepared.commit.unwrap())
    }
}

/// A row with `len` elements in each of its sets, and rows that it refers to.
fn filled(len: u32) -> Bench {
    let mut bench = Bench::new();
    let list = |element: &dyn Fn(u32) -> String| {
        let elements: Vec<String> = (0..len).map(element).collect();
        elements.join(",")
    };
    let mut operations: Vec<String> = Vec::new();
    for number in 0..len {
        for table in ["Target", "Member"] {
            operations.push(format!(
                r#"{{"op":"insert","table":"{table}","uuid":"{}","row":{{"number":{number}}}}}"#,
                uuid(number)
            ));
        }
    }
    let strings = list(&|number| format!("\"string {number}\""));
    let pairs = list(&|number| format!("[\"key {number}\",\"value\"]"));
    let references = list(&reference);
    operations.push(format!(
        r#"{{"op":"insert","table":"Owner","row":{{"name":"owner","strings":["set",[{strings}]],
           "limited":["set",[{strings}]],"pairs":["map",[{pairs}]],"weak":["set",[{references}]],
           "strong":["set",[{references}]]}}}}"#
    ));
    bench.transact(&operations.join(","));
    bench
}

fn monitor(schema: &Arc<Schema>, form: Form) -> Monitor {
    let requests = Json::Object(
        ["Owner", "Target", "Member"]
            .into_iter()
            .map(|table| (table, json::parse(b"[{}]").unwrap()))
            .collect(),
    );
    let requests = MonitorRequests::from_json(schema, &requests, false).unwrap();
    Monitor::new(schema.clone(), &requests, form)
}

fn mutate(column: &str, mutator: &str, element: &str) -> String {
    format!(
        r#"{{"op":"mutate","table":"Owner","where":[["name","==","owner"]],
           "mutations":[["{column}","{mutator}",{element}]]}}"#
    )
}

fn insert(table: &str, number: u32) -> String {
    let uuid = uuid(number);
    format!(r#"{{"op":"insert","table":"{table}","uuid":"{uuid}","row":{{"number":{number}}}}}"#)
}

/// Transactions that change one element each, of every kind.
fn changes() -> Vec<(&'static str, String)> {
    let (new, old) = (1_000_000, 7);
    let (new_row, old_row) = (reference(new), reference(old));
    let delete = format!(
        r#"{{"op":"delete","table":"Target","where":[["_uuid","==",{}]]}}"#,
        reference(8)
    );
    let with = |table, column| {
        format!(
            "{},{}",
            insert(table, new),
            mutate(column, "insert", &new_row)
        )
    };
    vec![
        (
            "a string comes",
            mutate("strings", "insert", "\"string 5x\""),
        ),
        ("a string goes", mutate("strings", "delete", "\"string 7\"")),
        (
            "a string comes where there are limits",
            mutate("limited", "insert", "\"string 5x\""),
        ),
        (
            "a pair comes",
            mutate("pairs", "insert", r#"["map",[["key 5x","value"]]]"#),
        ),
        ("a pair goes", mutate("pairs", "delete", "\"key 7\"")),
        (
            "a weak reference comes with its row",
            with("Target", "weak"),
        ),
        ("a weak reference goes", mutate("weak", "delete", &old_row)),
        ("the row of a weak reference goes", delete),
        (
            "a strong reference comes with its row",
            with("Member", "strong"),
        ),
        (
            "a strong reference goes with its row",
            mutate("strong", "delete", &old_row),
        ),
    ]
}

#[test]
fn changing_one_element_costs_no_more_in_a_big_set() {
    let options = RecordOptions {
        date_ms: 0,
        comment: None,
        column_diff: true,
    };
    for len in SIZES {
        let mut bench = filled(len);
        let schema = bench.schema.clone();
        let monitor = monitor(&schema, Form::Differences);
        let mut pending = Pending::default();
        let mut replayed = bench.database.clone();
        for (what, operations) in changes() {
            let (executing, commit) = bench.transact(&operations);
            let (recording, record) =
                work::of(|| commit_record(&schema, &commit, options).unwrap());
            let (weighing, _) = work::of(|| commit.bytes());
            let numbers = 0..commit.changes.len() as u32;
            let mut text = Vec::new();
            let (telling, is_told) = work::of(|| {
                let shape = monitor.shape();
                let write = |_, update: ovsdb_engine::monitor::RowUpdate<'_>, out: &mut Vec<u8>| {
                    update.write(shape, Form::Differences, out);
                };
                monitor.write_commit(&commit, numbers, write, &mut text)
            });
            let (merging, ()) = work::of(|| monitor.add(&mut pending, &commit));
            let mut fresh = || uuid(0);
            let (replaying, result) = work::of(|| replay(&replayed, &record, &mut fresh));
            replayed = result.unwrap().0;
            let costs = [executing, recording, weighing, telling, merging, replaying];
            assert!(
                costs.iter().all(|cost| *cost < WORK_MAX),
                "{what}, {len} elements: {costs:?}"
            );
            assert!(
                executing > 0 && replaying > 0,
                "{what}, {len} elements: {costs:?}"
            );
            assert!(
                is_told && text.len() < 1_000 && record.len() < 1_000,
                "{what}, {len} elements"
            );
        }
        // All of the changes, for somebody who has not been told of any.
        let mut text = Vec::new();
        let (telling, _) = work::of(|| monitor.write_pending(&mut pending, &mut text));
        assert!(text.len() < 5_000);
        assert!(telling < 5 * WORK_MAX, "{len} elements: {telling}");
        bench.database.check_consistency().unwrap();
    }
}

#[test]
fn a_look_at_a_whole_set_would_be_counted() {
    let bench = filled(20_000);
    let table = bench.schema.table_id("Owner").unwrap();
    let column = bench.schema.table(table).column_id("strings").unwrap();
    let row = bench.database.table(table).iter().next().unwrap();
    let strings = row.get(column);
    let same = ovsdb_proto::datum::Datum::from_atoms(strings.keys().cloned());
    let (comparing, is_same) = work::of(|| *strings == same);
    assert!(is_same && comparing > 10 * WORK_MAX, "{comparing}");
}
