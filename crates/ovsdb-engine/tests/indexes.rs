//! Indexes that come by use: random transactions on two databases of which one has them and the other has not, and when they
//! come and go.
//!
//! A failing case prints its seed; `INDEXES_SEED=N cargo test -p ovsdb-engine --test indexes` runs it alone.

use std::sync::Arc;

use ovsdb_engine::monitor::{Form, Monitor};
use ovsdb_engine::{Commit, Context, Database, Outcome, effort, execute};
use ovsdb_proto::json;
use ovsdb_proto::monitor::MonitorRequests;
use ovsdb_proto::operation::{Transact, parse_transact};
use ovsdb_proto::schema::{ColumnId, Schema, TableId};
use ovsdb_proto::uuid::Uuid;
use ovsdb_testkit::differential::dice::Dice;
use ovsdb_testkit::monitored::{
    Contents, SCHEMA, TABLES, any_condition, any_transaction, condition_to_json, table,
    value_from_json,
};
use serde_json::{Value, json};

/// Names the environment variable with the seed of the only case to run.
const SEED: &str = "INDEXES_SEED";

/// Fresh UUIDs in no order, the same for each that is made alike.
struct Fresh(u128);

impl Fresh {
    fn next(&mut self) -> Uuid {
        self.0 += 1;
        let mixed = self
            .0
            .wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
        Uuid::from_bytes(mixed.to_be_bytes())
    }
}

fn parse(database: &Database, operations: &Value, fresh: &mut Fresh) -> Transact {
    let operations = json::parse(operations.to_string().as_bytes()).expect("JSON");
    let operations = operations.as_array().expect("an array");
    parse_transact(database.schema(), operations, &mut || fresh.next())
}

fn run(database: &Database, operations: &Value, fresh: u128) -> Outcome {
    let mut fresh = Fresh(fresh);
    let transact = parse(database, operations, &mut fresh);
    let mut fresh = || fresh.next();
    let mut context = Context {
        may_block: true,
        ..Context::unrestricted(&mut fresh)
    };
    execute(database, &transact, &mut context)
}

/// All there is to say of what came of a transaction, and what followed from it.
fn told(outcome: &Outcome) -> (String, Option<&Database>) {
    let changes = |commit: &Option<Commit>| {
        let changes = commit.iter().flat_map(|commit| &commit.changes);
        let changes = changes.map(|change| format!("{change:?}"));
        changes.collect::<Vec<_>>().join("\n")
    };
    match outcome {
        Outcome::Failed(results) => (
            format!("failed: {}", String::from_utf8_lossy(&results.to_bytes())),
            None,
        ),
        Outcome::Blocked { tables, .. } => (format!("blocked by {tables:?}"), None),
        Outcome::Prepared(prepared) => {
            let results = prepared.results.to_bytes();
            let results = String::from_utf8_lossy(&results);
            let text = format!("{results}\n{}", changes(&prepared.commit));
            (text, Some(&prepared.next))
        }
    }
}

/// A version of a database without indexes, and of one that may have some.
#[derive(Clone)]
struct Pair {
    plain: Database,
    indexed: Database,
}

impl Pair {
    fn new() -> Pair {
        let new = || {
            let schema = json::parse(SCHEMA.as_bytes()).expect("JSON");
            let schema = Schema::from_json(&schema).expect("a schema");
            Database::new(Arc::new(schema))
        };
        Pair {
            plain: new(),
            indexed: new(),
        }
    }

    /// Runs the same on both, which must make no difference.
    fn run(&mut self, operations: &Value, fresh: u128) {
        let plain = run(&self.plain, operations, fresh);
        let indexed = run(&self.indexed, operations, fresh);
        let (expected, plain) = told(&plain);
        let (found, indexed) = told(&indexed);
        assert_eq!(found, expected, "{operations}");
        if let (Some(plain), Some(indexed)) = (plain, indexed) {
            (self.plain, self.indexed) = (plain.clone(), indexed.clone());
        }
    }

    fn contents(&self) -> Contents {
        let mut contents = Contents::new();
        let schema = self.plain.schema();
        for id in schema.table_ids() {
            let (name, columns) = (
                &schema.table(id).name,
                table(&schema.table(id).name).columns,
            );
            for row in self.plain.table(id).iter() {
                let values = columns.iter().map(|column| {
                    let id = schema.table(id).column_id(column.name).expect("it has it");
                    let ty = &schema
                        .table(schema.table_id(name).expect("known"))
                        .column(id)
                        .ty;
                    let text = row.get(id).to_json(ty).to_string();
                    let json = serde_json::from_str(&text).expect("JSON");
                    (column.name.to_owned(), value_from_json(&json, column.ty))
                });
                let key = (table(name).name, row.uuid().to_string());
                contents.insert(key, values.collect());
            }
        }
        contents
    }

    /// Looks rows up in both, as operations and as monitors do.
    fn look_up(&self, dice: &mut Dice) {
        let table = dice.pick(&TABLES);
        let condition = condition_to_json(&any_condition(dice, table, &self.contents()));
        let columns = if dice.chance(50) {
            json!(["_uuid"])
        } else {
            json!([dice.pick(table.columns).name])
        };
        let select =
            json!({"op": "select", "table": table.name, "where": condition, "columns": columns});
        let wait = json!({"op": "wait", "timeout": 0, "table": table.name, "where": condition,
            "columns": columns, "until": "==", "rows": []});
        for operation in [select, wait] {
            self.clone().run(&json!([operation]), 0);
        }
        let requests = json!({table.name: {"where": condition}}).to_string();
        let requests = json::parse(requests.as_bytes()).expect("JSON");
        let initial = |database: &Database| {
            let schema = database.schema().clone();
            let requests = MonitorRequests::from_json(&schema, &requests, true).expect("requests");
            let mut text = Vec::new();
            Monitor::new(schema, &requests, Form::Differences).write_initial(database, &mut text);
            String::from_utf8(text).expect("JSON")
        };
        assert_eq!(initial(&self.indexed), initial(&self.plain), "{condition}");
    }

    /// Has some column of one of them found by an index.
    fn index(&self, dice: &mut Dice) {
        let tables: Vec<TableId> = self.indexed.table_ids().collect();
        let table = *dice.pick(&tables);
        let schema = self.indexed.schema().table(table);
        let columns: Vec<ColumnId> = schema.column_ids().collect();
        self.indexed.want_index(table, *dice.pick(&columns));
        self.indexed.build_indexes();
    }
}

/// Returns how many indexes there were at the end.
fn run_case(seed: u64) -> usize {
    let dice = &mut Dice::new(seed);
    let mut pair = Pair::new();
    let mut versions = vec![pair.clone()];
    for number in 0..40 {
        let operations = any_transaction(dice, &pair.contents());
        pair.run(&operations, number << 32);
        if let Err(error) = pair.indexed.check_consistency() {
            panic!("{error}, after {operations}");
        }
        if dice.chance(30) {
            versions.push(pair.clone());
        }
        // Of the newest version or of one from which transactions have gone on.
        let version = match dice.chance(60) {
            true => &pair,
            false => dice.pick(&versions),
        };
        version.index(dice);
        version.look_up(dice);
        if dice.chance(3) {
            // The newest one was not accepted.
            pair = dice.pick(&versions).clone();
        }
    }
    assert_eq!(pair.plain.indexes_by_use(), []);
    pair.indexed.indexes_by_use().len()
}

#[test]
#[allow(
    clippy::disallowed_methods,
    reason = "a test may be told which case to run"
)]
fn an_index_changes_no_answer_and_no_order() {
    if let Ok(seed) = std::env::var(SEED) {
        run_case(seed.parse().expect("a number"));
        return;
    }
    let mut indexes = 0;
    for seed in 0..80 {
        match std::panic::catch_unwind(|| run_case(seed)) {
            Ok(count) => indexes += count,
            Err(panic) => {
                eprintln!("the case is repeated by {SEED}={seed}");
                std::panic::resume_unwind(panic);
            }
        }
    }
    assert!(indexes > 400, "{indexes}");
}

const ROWS: usize = 5_000;

/// A database with rows whose values occur ten times each, and the table and its columns.
struct Big {
    database: Database,
    fresh: u128,
    table: TableId,
}

impl Big {
    fn new() -> Big {
        let schema = r#"{"name":"D","tables":{"T":{"isRoot":true,"columns":{
            "value":{"type":"integer"},"other":{"type":"integer"},
            "tags":{"type":{"key":"string","value":"string","min":0,"max":"unlimited"}}}}}}"#;
        let schema = Schema::from_json(&json::parse(schema.as_bytes()).unwrap()).unwrap();
        let table = schema.table_id("T").unwrap();
        let database = Database::new(Arc::new(schema));
        let mut big = Big {
            database,
            fresh: 0,
            table,
        };
        let row = |number: usize| {
            let tags = json!(["map", [["all", "x"], ["own", (number / 10).to_string()]]]);
            json!({"op": "insert", "table": "T",
                "row": {"value": number / 10, "other": number % 2, "tags": tags}})
        };
        big.run(&(0..ROWS).map(row).collect());
        big
    }

    fn run(&mut self, operations: &Value) {
        self.fresh += 1 << 32;
        let outcome = run(&self.database, operations, self.fresh);
        let (text, next) = told(&outcome);
        self.database = next.unwrap_or_else(|| panic!("{text}")).clone();
    }

    /// How many rows a select with this condition looks at.
    fn effort(&self, condition: &Value) -> usize {
        let select = json!([{"op": "select", "table": "T", "where": condition}]);
        effort(
            &self.database,
            &parse(&self.database, &select, &mut Fresh(0)),
        )
    }

    fn select(&mut self, condition: &Value) {
        self.run(&json!([{"op": "select", "table": "T", "where": condition}]));
    }

    fn indexes(&self) -> Vec<String> {
        let schema = self.database.schema().table(self.table);
        let mut names: Vec<String> = self
            .database
            .indexes_by_use()
            .iter()
            .map(|index| format!("{} {}", schema.column(index.column).name, index.entries))
            .collect();
        names.sort();
        names
    }
}

#[test]
fn a_column_that_is_looked_up_by_gets_an_index_that_later_versions_keep() {
    let mut big = Big::new();
    for (condition, expected) in [
        (json!([["value", "==", 7]]), "value 5000"),
        (
            json!([["tags", "includes", ["map", [["own", "7"]]]]]),
            "tags 10000",
        ),
        (
            json!([["tags", "==", ["map", [["all", "x"], ["own", "8"]]]]]),
            "tags 10000",
        ),
        // What nearly all rows have would be of no help, and what other columns have is.
        (
            json!([
                ["tags", "includes", ["map", [["all", "x"]]]],
                ["value", "==", 7]
            ]),
            "value 5000",
        ),
    ] {
        let mut looks = 0;
        while big.effort(&condition) == ROWS {
            assert!(looks < 5, "{condition}: it costs too much for too long");
            assert_eq!(big.effort(&condition), ROWS);
            big.select(&condition);
            big.database.build_indexes();
            looks += 1;
        }
        assert_eq!(big.effort(&condition), 10);
        assert!(
            big.indexes().contains(&expected.to_owned()),
            "{:?}",
            big.indexes()
        );
        // It is of use to others of this version, and stays when that has gone.
        let old = big.database.clone();
        big.run(&json!([{"op": "insert", "table": "T", "row": {"value": 7}},
            {"op": "delete", "table": "T", "where": [["value", "==", 7], ["other", "==", -1]]}]));
        assert!(big.effort(&condition) <= 11);
        assert_eq!(big.database.check_consistency(), Ok(()));
        big.database = old;
    }
}

#[test]
fn an_index_serves_readers_of_its_version_while_transactions_change_nothing() {
    let mut big = Big::new();
    let condition = json!([["value", "==", 7]]);
    let schema = big.database.schema().table(big.table);
    let value = schema.column_id("value").unwrap();
    big.database.want_index(big.table, value);
    big.database.build_indexes();
    let published = big.database.clone();
    for _ in 0..3 {
        big.run(&json!([{"op": "update", "table": "T", "where": condition, "row": {"value": 7}}]));
        // Done and undone.
        big.run(
            &json!([{"op": "update", "table": "T", "where": condition, "row": {"value": -1}},
            {"op": "update", "table": "T", "where": [["value", "==", -1]], "row": {"value": 7}}]),
        );
    }
    assert_eq!(big.indexes(), ["value 5000"]);
    big.database = published;
    assert_eq!(big.effort(&condition), 10);
}

#[test]
fn what_is_met_by_all_rows_or_by_none_of_a_small_table_wants_no_index() {
    let mut big = Big::new();
    for _ in 0..20 {
        big.select(&json!([]));
        big.select(&json!([["other", "<", 1]]));
        big.select(&json!([["tags", "includes", ["map", [["all", "x"]]]]]));
    }
    assert!(!big.database.wants_indexes());
    big.run(&json!([{"op": "delete", "table": "T", "where": [["value", ">", 4]]}]));
    for _ in 0..1000 {
        big.select(&json!([["value", "==", 3]]));
    }
    assert!(!big.database.wants_indexes());
}

#[test]
fn an_index_that_follows_many_changes_unused_is_dropped() {
    let mut big = Big::new();
    let value = big
        .database
        .schema()
        .table(big.table)
        .column_id("value")
        .unwrap();
    big.database.want_index(big.table, value);
    big.database.build_indexes();
    let change = json!([{"op": "mutate", "table": "T", "where": [],
        "mutations": [["value", "+=", 1]]}]);
    let mut used = 0;
    while !big.indexes().is_empty() {
        big.run(&change);
        used += 1;
        assert!(used < 30, "it is kept for ever");
    }
    assert!(used > 5, "it is not kept for long enough: {used}");
    // Used now and then it stays.
    big.database.want_index(big.table, value);
    big.database.build_indexes();
    for _ in 0..2 * used {
        big.run(&change);
        big.select(&json!([["value", "==", 100]]));
    }
    assert_eq!(big.indexes(), ["value 5000"]);
}

#[test]
fn indexes_are_limited_in_number_and_the_unused_give_way() {
    use ovsdb_engine::INDEXES_PER_TABLE_MAX;
    let count = INDEXES_PER_TABLE_MAX + 4;
    let columns: serde_json::Map<String, Value> = (0..count)
        .map(|number| (format!("c{number:02}"), json!({"type": "integer"})))
        .collect();
    let schema = json!({"name": "D", "tables": {"T": {"isRoot": true, "columns": columns}}});
    let schema = json::parse(schema.to_string().as_bytes()).unwrap();
    let schema = Schema::from_json(&schema).unwrap();
    let table = schema.table_id("T").unwrap();
    let ids: Vec<ColumnId> = schema.table(table).column_ids().skip(2).collect();
    let mut database = Database::new(Arc::new(schema));
    let insert = json!([{"op": "insert", "table": "T", "row": {}},
        {"op": "insert", "table": "T", "row": {"c00": 1}},
        {"op": "insert", "table": "T", "row": {"c00": 2}}]);
    let advance = |database: &mut Database, number: u128| {
        let outcome = run(database, &insert, number << 32);
        let (text, next) = told(&outcome);
        *database = next.unwrap_or_else(|| panic!("{text}")).clone();
    };
    advance(&mut database, 1);
    // Twice: the first time they have all been used when they were made.
    for (round, id) in ids.iter().chain(&ids).enumerate() {
        database.want_index(table, *id);
        database.build_indexes();
        assert!(database.indexes_by_use().len() <= INDEXES_PER_TABLE_MAX + 1);
        advance(&mut database, 2 + round as u128);
        assert!(database.indexes_by_use().len() <= INDEXES_PER_TABLE_MAX);
        assert_eq!(database.check_consistency(), Ok(()));
        // The first is in use all the time.
        let select = json!([{"op": "select", "table": "T", "where": [["c00", "==", 1]]}]);
        run(&database, &select, 0);
    }
    let indexes = database.indexes_by_use();
    assert_eq!(indexes.len(), INDEXES_PER_TABLE_MAX);
    assert!(indexes.iter().any(|index| index.column == ids[0]));
    assert!(indexes.iter().any(|index| index.column == ids[count - 1]));
}

/// Integers and reals at the ends of what there is, and others.
fn any_number(dice: &mut Dice, is_real: bool) -> Value {
    match (is_real, dice.chance(30)) {
        (false, true) => json!(dice.pick(&[
            i64::MIN,
            i64::MIN + 1,
            -1,
            0,
            1 << 53,
            i64::MAX - 1,
            i64::MAX
        ])),
        (false, false) => json!(dice.between(-50, 50)),
        (true, true) => json!(dice.pick(&[f64::MIN, -5e-324, -0.0, 0.0, 5e-324, f64::MAX])),
        (true, false) => json!(dice.between(-50, 50) as f64 / 4.0),
    }
}

/// Rows of the table of numbers that are inserted at once.
const NUMBERS: usize = 300;

#[test]
fn an_index_of_numbers_serves_comparisons_and_changes_no_answer() {
    let schema = r#"{"name":"D","tables":{"T":{"isRoot":true,"columns":{
        "i":{"type":"integer"},"r":{"type":"real"},"name":{"type":"string"},
        "m":{"type":{"key":"integer","min":0,"max":1}}}}}}"#;
    let schema = Arc::new(Schema::from_json(&json::parse(schema.as_bytes()).unwrap()).unwrap());
    let table = schema.table_id("T").unwrap();
    let columns = ["i", "r", "m"].map(|name| schema.table(table).column_id(name).unwrap());
    let mut served = 0;
    for seed in 0..40 {
        let dice = &mut Dice::new(seed);
        let new = || Database::new(schema.clone());
        let mut pair = Pair {
            plain: new(),
            indexed: new(),
        };
        let row = |dice: &mut Dice| {
            let mut row = json!({"i": any_number(dice, false), "r": any_number(dice, true),
                "name": dice.between(0, 9).to_string()});
            if dice.chance(70) {
                row["m"] = any_number(dice, false);
            }
            row
        };
        let insert = |dice: &mut Dice| json!({"op": "insert", "table": "T", "row": row(dice)});
        pair.run(&(0..NUMBERS).map(|_| insert(dice)).collect(), 1 << 32);
        for column in columns {
            pair.indexed.want_index(table, column);
        }
        pair.indexed.build_indexes();
        for number in 2..60 {
            let clauses = (0..=dice.below(3)).map(|_| {
                let column = *dice.pick(&["i", "r", "m"]);
                let function = *dice.pick(&["<", "<=", ">", ">=", "<", ">", "==", "!="]);
                json!([column, function, any_number(dice, column == "r")])
            });
            let mut condition: Vec<Value> = clauses.collect();
            if dice.chance(10) {
                condition.push(json!(["name", "==", "3"]));
            }
            let select = json!({"op": "select", "table": "T", "where": condition});
            let tried = |database: &Database, dice: u128| {
                let transact = parse(database, &json!([select]), &mut Fresh(dice));
                effort(database, &transact)
            };
            let (all, few) = (tried(&pair.plain, 0), tried(&pair.indexed, 0));
            assert!(few <= all, "{condition:?}");
            served += usize::from(few < all);
            let change = match dice.below(4) {
                0 => json!({"op": "delete", "table": "T", "where": condition}),
                1 => json!({"op": "update", "table": "T", "where": condition, "row": row(dice)}),
                2 => insert(dice),
                _ => select.clone(),
            };
            pair.run(&json!([select, change, select]), number << 32);
            assert_eq!(pair.indexed.check_consistency(), Ok(()));
        }
    }
    assert!(served > 500, "{served}");
}

#[test]
fn a_column_that_is_compared_gets_an_index_unless_too_much_is_below_or_above() {
    let mut big = Big::new();
    for _ in 0..20 {
        big.select(&json!([["value", ">", 100]]));
        big.select(&json!([["value", ">=", 0], ["value", "<", 100]]));
        big.database.build_indexes();
    }
    assert_eq!(big.indexes(), [""; 0]);
    let narrow = json!([["value", ">", 7], ["value", "<=", 9]]);
    for _ in 0..2 {
        assert_eq!(big.effort(&narrow), ROWS);
        big.select(&narrow);
        big.database.build_indexes();
    }
    assert_eq!(big.indexes(), ["value 5000"]);
    assert_eq!(big.effort(&narrow), 20);
    for (condition, rows) in [
        (json!([["value", "<", 3]]), 30),
        (json!([["value", "<", -1]]), 0),
        (json!([["value", ">", 5], ["value", "<", 5]]), 0),
        (json!([["value", ">=", 499]]), 10),
        (json!([["value", "<", 62]]), 620),
        (json!([["value", "<", 63]]), ROWS),
        (json!([["value", "<", 63], ["value", "==", 7]]), 10),
    ] {
        assert_eq!(big.effort(&condition), rows, "{condition}");
    }
}
