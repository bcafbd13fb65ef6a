//! Random transactions against a model that recomputes everything from scratch after each: references,
//! garbage, weak references, cardinality, indexes, row limits.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

use ovsdb_engine::record::{RecordOptions, commit_record, replay};
use ovsdb_engine::{Context, Database, OutcomeOn, execute_on};
use ovsdb_proto::json::{self, Json};
use ovsdb_proto::operation::parse_transact;
use ovsdb_proto::schema::Schema;
use ovsdb_proto::uuid::Uuid;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

const SCHEMA: &str = r#"{"name":"refs","version":"1.0.0","tables":{
 "Root":{"isRoot":true,"indexes":[["name"]],"maxRows":6,"columns":{
  "name":{"type":"string"},
  "children":{"type":{"key":{"type":"uuid","refTable":"Child"},"min":0,"max":"unlimited"}},
  "friends":{"type":{"key":{"type":"uuid","refTable":"Child","refType":"weak"},"min":0,"max":"unlimited"}},
  "by_name":{"type":{"key":"string","value":{"type":"uuid","refTable":"Child","refType":"weak"},"min":0,"max":"unlimited"}},
  "mixed":{"type":{"key":{"type":"uuid","refTable":"Child","refType":"weak"},"value":{"type":"uuid","refTable":"Child"},"min":0,"max":"unlimited"}}}},
 "Needy":{"isRoot":true,"columns":{
  "needs":{"type":{"key":{"type":"uuid","refTable":"Root","refType":"weak"},"min":1,"max":"unlimited"}}}},
 "Child":{"columns":{
  "next":{"type":{"key":{"type":"uuid","refTable":"Child"},"min":0,"max":1}},
  "fan":{"type":{"key":{"type":"uuid","refTable":"Root","refType":"weak"},"min":0,"max":1}}}}}}"#;

#[derive(Clone, Copy, PartialEq)]
enum Part {
    /// A string or nothing: refers to no row.
    Plain,
    Strong(&'static str),
    Weak(&'static str),
}

struct Column {
    table: &'static str,
    name: &'static str,
    key: Part,
    value: Option<Part>,
    min: usize,
    max: usize,
}

const fn column(
    table: &'static str,
    name: &'static str,
    key: Part,
    value: Option<Part>,
    min: usize,
    max: usize,
) -> Column {
    Column {
        table,
        name,
        key,
        value,
        min,
        max,
    }
}

const COLUMNS: [Column; 8] = [
    column("Root", "name", Part::Plain, None, 1, 1),
    column("Root", "children", Part::Strong("Child"), None, 0, 9),
    column("Root", "friends", Part::Weak("Child"), None, 0, 9),
    column(
        "Root",
        "by_name",
        Part::Plain,
        Some(Part::Weak("Child")),
        0,
        9,
    ),
    column(
        "Root",
        "mixed",
        Part::Weak("Child"),
        Some(Part::Strong("Child")),
        0,
        9,
    ),
    column("Needy", "needs", Part::Weak("Root"), None, 1, 9),
    column("Child", "next", Part::Strong("Child"), None, 0, 1),
    column("Child", "fan", Part::Weak("Root"), None, 0, 1),
];

/// A column's entries: key to value, both as text; sets have empty values.
type Entries = BTreeMap<String, String>;
type Key = (&'static str, String);

#[derive(Clone, Default, PartialEq)]
struct Model {
    rows: BTreeMap<Key, BTreeMap<&'static str, Entries>>,
}

impl Model {
    /// Every reference of the kind that `pick` maps to a table: (from, to).
    fn references(&self, pick: fn(Part) -> Option<&'static str>) -> Vec<(Key, Key)> {
        let mut references = Vec::new();
        for (from, columns) in &self.rows {
            for column in COLUMNS.iter().filter(|column| column.table == from.0) {
                for (key, value) in &columns[column.name] {
                    if let Some(table) = pick(column.key) {
                        references.push((from.clone(), (table, key.clone())));
                    }
                    if let Some(table) = column.value.and_then(pick) {
                        references.push((from.clone(), (table, value.clone())));
                    }
                }
            }
        }
        references
    }

    fn strong(&self) -> Vec<(Key, Key)> {
        self.references(|part| match part {
            Part::Strong(table) => Some(table),
            _ => None,
        })
    }

    /// Ends a transaction. `None`: it is refused.
    fn commit(mut self) -> Option<Model> {
        if self
            .strong()
            .iter()
            .any(|(from, to)| from != to && !self.rows.contains_key(to))
        {
            return None;
        }
        self.collect_garbage();
        if self.rows.keys().filter(|key| key.0 == "Root").count() > 6 {
            return None;
        }
        loop {
            let rows = self.rows.clone();
            for (key, columns) in &mut self.rows {
                for column in COLUMNS.iter().filter(|column| column.table == key.0) {
                    let entries = columns.get_mut(column.name).unwrap();
                    let all = entries.len();
                    let exists = |part: Part, text: &String| match part {
                        Part::Weak(table) => rows.contains_key(&(table, text.clone())),
                        _ => true,
                    };
                    entries.retain(|key, value| {
                        exists(column.key, key)
                            && column.value.is_none_or(|part| exists(part, value))
                    });
                    if entries.len() != all && entries.len() < column.min {
                        return None;
                    }
                }
            }
            if !self.collect_garbage() {
                break;
            }
        }
        let mut names = BTreeSet::new();
        for (key, columns) in &self.rows {
            if key.0 == "Root" && !names.insert(columns["name"].clone()) {
                return None;
            }
        }
        Some(self)
    }

    fn collect_garbage(&mut self) -> bool {
        let mut any = false;
        loop {
            let referred: BTreeSet<Key> = self
                .strong()
                .into_iter()
                .filter(|(from, to)| from != to)
                .map(|(_, to)| to)
                .collect();
            let all = self.rows.len();
            self.rows
                .retain(|key, _| key.0 != "Child" || referred.contains(key));
            if self.rows.len() == all {
                return any;
            }
            any = true;
        }
    }
}

fn uuid_text(number: u128) -> String {
    Uuid::from_bytes(number.to_be_bytes()).to_string()
}

/// Few UUIDs, so that references hit.
fn any_uuid(rng: &mut StdRng, table: &str) -> String {
    let base = match table {
        "Root" => 0x100,
        "Child" => 0x200,
        _ => 0x300,
    };
    uuid_text(base + rng.random_range(0..8))
}

fn any_entries(rng: &mut StdRng, column: &Column) -> Entries {
    let count = rng.random_range(column.min..=column.max.min(3));
    let mut text = |part: Part| match part {
        Part::Plain => ["a", "b", "c", "d", "e", "f", "g"]
            .choose(rng)
            .unwrap()
            .to_string(),
        Part::Strong(table) | Part::Weak(table) => any_uuid(rng, table),
    };
    (0..count)
        .map(|_| {
            (
                text(column.key),
                column.value.map(&mut text).unwrap_or_default(),
            )
        })
        .collect()
}

fn to_json(column: &Column, entries: &Entries) -> String {
    let atom = |part: Part, text: &str| match part {
        Part::Plain => format!("{text:?}"),
        _ => format!("[\"uuid\",\"{text}\"]"),
    };
    let elements: Vec<String> = entries
        .iter()
        .map(|(key, value)| match column.value {
            None => atom(column.key, key),
            Some(part) => format!("[{},{}]", atom(column.key, key), atom(part, value)),
        })
        .collect();
    let kind = if column.value.is_some() { "map" } else { "set" };
    match column {
        Column { name: "name", .. } => elements[0].clone(),
        _ => format!("[\"{kind}\",[{}]]", elements.join(",")),
    }
}

/// One random transaction: its operations as JSON text, and what they make of the model before commit.
/// `None`: an operation fails by itself.
fn any_transaction(rng: &mut StdRng, model: &Model) -> (String, Option<Model>) {
    let mut next = Some(model.clone());
    let mut operations = Vec::new();
    let mut last: Option<(&'static str, String)> = None;
    // Often one row alone is meant, so that it comes and goes within the transaction.
    let stays = if rng.random_bool(0.3) { 0.9 } else { 0.1 };
    for _ in 0..rng.random_range(1..7) {
        let (table, uuid) = match last.take() {
            Some(same) if rng.random_bool(stays) => same,
            _ => {
                let tables = ["Root", "Root", "Child", "Child", "Child", "Needy"];
                let table = *tables.choose(rng).unwrap();
                (table, any_uuid(rng, table))
            }
        };
        last = Some((table, uuid.clone()));
        let key = (table, uuid.clone());
        let columns = COLUMNS.iter().filter(|column| column.table == table);
        let choice = rng.random_range(0..10);
        let is_there = next
            .as_ref()
            .is_some_and(|next| next.rows.contains_key(&key));
        // What is there is not inserted as often as what is not.
        let inserts = if is_there { 2 } else { 6 };
        if choice < inserts {
            let row: BTreeMap<_, _> = columns.map(|c| (c.name, any_entries(rng, c))).collect();
            operations.push(format!(
                "{{\"op\":\"insert\",\"table\":\"{table}\",\"uuid\":\"{uuid}\",\"row\":{}}}",
                row_json(table, &row)
            ));
            // What was there before the transaction does not come again in it.
            let taken = is_there || model.rows.contains_key(&key);
            match &mut next {
                Some(model) if !taken => {
                    model.rows.insert(key, row);
                }
                _ => next = None,
            }
        } else if choice < 7 {
            let column = columns.collect::<Vec<_>>().choose(rng).copied().unwrap();
            let entries = any_entries(rng, column);
            operations.push(format!(
                "{{\"op\":\"update\",\"table\":\"{table}\",\"where\":[[\"_uuid\",\"==\",[\"uuid\",\"{uuid}\"]]],\
                 \"row\":{{\"{}\":{}}}}}",
                column.name,
                to_json(column, &entries)
            ));
            if let Some(row) = next.as_mut().and_then(|model| model.rows.get_mut(&key)) {
                row.insert(column.name, entries);
            }
        } else {
            operations.push(format!(
                "{{\"op\":\"delete\",\"table\":\"{table}\",\"where\":[[\"_uuid\",\"==\",[\"uuid\",\"{uuid}\"]]]}}"
            ));
            if let Some(model) = &mut next {
                model.rows.remove(&key);
            }
        }
    }
    (format!("[{}]", operations.join(",")), next)
}

fn row_json(table: &str, row: &BTreeMap<&'static str, Entries>) -> String {
    let columns = COLUMNS.iter().filter(|column| column.table == table);
    let members: Vec<String> = columns
        .map(|c| format!("\"{}\":{}", c.name, to_json(c, &row[c.name])))
        .collect();
    format!("{{{}}}", members.join(","))
}

fn dump_model(model: &Model) -> String {
    let mut output = String::new();
    for ((table, uuid), row) in &model.rows {
        writeln!(output, "{table} {uuid} {}", row_json(table, row)).unwrap();
    }
    output
}

fn dump(database: &Database) -> String {
    let schema = database.schema();
    let mut output = String::new();
    for id in database.table_ids() {
        let table = schema.table(id);
        for row in database.table(id).iter() {
            let columns = COLUMNS.iter().filter(|column| column.table == table.name);
            let members: Vec<String> = columns
                .map(|column| {
                    let id = table.column_id(column.name).unwrap();
                    let json = full_form(row.get(id).to_json(&table.column(id).ty), column);
                    format!("\"{}\":{json}", column.name)
                })
                .collect();
            writeln!(
                output,
                "{} {} {{{}}}",
                table.name,
                row.uuid(),
                members.join(",")
            )
            .unwrap();
        }
    }
    output
}

/// A set of one is written as its element; the model always writes sets.
fn full_form(json: Json, column: &Column) -> String {
    let text = json.to_string();
    let is_atom = !text.starts_with("[\"set\"") && !text.starts_with("[\"map\"");
    if is_atom && column.name != "name" {
        format!("[\"set\",[{text}]]")
    } else {
        text
    }
}

fn run(seed: u64, transactions: usize) {
    let rng = &mut StdRng::seed_from_u64(seed);
    let schema = Schema::from_json(&json::parse(SCHEMA.as_bytes()).unwrap()).unwrap();
    let mut database = Database::new(Arc::new(schema));
    let mut replayed = database.clone();
    let mut model = Model::default();
    let mut counter = 0u128;
    for number in 0..transactions {
        let (text, next) = any_transaction(rng, &model);
        let next = next.and_then(|next| next.commit());
        let context = || {
            format!(
                "seed {seed}, transaction {number}: {text}\nbefore:\n{}",
                dump_model(&model)
            )
        };
        let Json::Array(operations) = json::parse(text.as_bytes()).unwrap() else {
            panic!("an array");
        };
        let mut fresh = || {
            counter += 1;
            Uuid::from_bytes((counter | 1 << 127).to_be_bytes())
        };
        let transact = parse_transact(database.schema(), &operations, &mut fresh);
        // What nobody else holds is changed in place, and put back if the transaction fails.
        let held = (number % 3 == 0).then(|| database.clone());
        let outcome;
        (database, outcome) = execute_on(
            database,
            &transact,
            &mut Context {
                elapsed_ms: 0,
                holds_lock: &|_| false,
                read_only: false,
                access: None,
                may_change_reserved: false,
                may_block: true,
                fresh: &mut fresh,
            },
        );
        if let Some(held) = held {
            assert_eq!(dump(&held), dump_model(&model), "{}", context());
        }
        match (outcome, next) {
            (OutcomeOn::Failed(_), None) => {
                assert_eq!(dump(&database), dump_model(&model), "{}", context());
            }
            (OutcomeOn::Done(done), Some(next)) => {
                assert_eq!(dump(&database), dump_model(&next), "{}", context());
                assert!(done.commit.is_some() || next == model, "{}", context());
                if let Some(commit) = &done.commit {
                    let options = RecordOptions {
                        date_ms: 0,
                        comment: None,
                        column_diff: number % 2 == 0,
                    };
                    let record = commit_record(database.schema(), commit, options);
                    // Of a row that lost what it had gained only the version is new, which is not kept.
                    assert_eq!(record.is_none(), next == model, "{}", context());
                    if let Some(record) = record {
                        let after = replay(&replayed, &record, &mut || Uuid::ZERO);
                        replayed = after
                            .unwrap_or_else(|error| panic!("{error}\n{}", context()))
                            .0;
                    }
                    assert_eq!(dump(&replayed), dump(&database), "replay: {}", context());
                }
                model = next;
            }
            (OutcomeOn::Failed(results), Some(_)) => {
                panic!(
                    "refused: {}\n{}",
                    String::from_utf8_lossy(&results.to_bytes()),
                    context()
                )
            }
            (OutcomeOn::Done(_), None) => panic!("not refused: {}", context()),
            (OutcomeOn::Blocked { .. }, _) => panic!("blocked without a wait: {}", context()),
        }
        database
            .check_consistency()
            .unwrap_or_else(|error| panic!("{error} (number {number}, seed {seed})"));
    }
}

#[test]
fn commits_agree_with_a_model_that_recomputes_everything() {
    for seed in 0..200 {
        run(seed, 200);
    }
}
