//! The schema and the database that the targets read their inputs against.

use std::sync::{Arc, LazyLock};

use ovsdb_engine::{Context, Database, Outcome, execute};
use ovsdb_proto::json::{self, Json};
use ovsdb_proto::operation::parse_transact;
use ovsdb_proto::schema::Schema;
use ovsdb_proto::uuid::Uuid;

/// A schema with something of everything: each atomic type, constraints, references of both kinds, garbage, indexes,
/// limits of rows, columns that never change and columns that are not kept.
const SCHEMA: &str = r#"{"name":"Fuzz","version":"1.2.3","tables":{
    "Root":{"isRoot":true,"indexes":[["name"],["number","flag"]],"columns":{
        "name":{"type":"string"},
        "number":{"type":{"key":{"type":"integer","minInteger":-5,"maxInteger":1000}}},
        "flag":{"type":"boolean"},
        "real":{"type":{"key":{"type":"real","minReal":-1.5,"maxReal":1e9},"min":0,"max":1}},
        "kind":{"type":{"key":{"type":"string","enum":["set",["a","b","c"]]},"min":0,"max":1}},
        "words":{"type":{"key":{"type":"string","minLength":1,"maxLength":20},"min":0,"max":"unlimited"}},
        "numbers":{"type":{"key":"integer","min":0,"max":4}},
        "options":{"type":{"key":"string","value":"string","min":0,"max":"unlimited"}},
        "weights":{"type":{"key":"integer","value":"real","min":0,"max":3}},
        "children":{"type":{"key":{"type":"uuid","refTable":"Child"},"min":0,"max":"unlimited"}},
        "friends":{"type":{"key":{"type":"uuid","refTable":"Root","refType":"weak"},"min":0,"max":"unlimited"}},
        "named":{"type":{"key":"string","value":{"type":"uuid","refTable":"Child"},"min":0,"max":2}},
        "fixed":{"type":"integer","mutable":false},
        "fleeting":{"type":"string","ephemeral":true}}},
    "Child":{"columns":{
        "n":{"type":"integer"},
        "next":{"type":{"key":{"type":"uuid","refTable":"Child"},"min":0,"max":1}}}},
    "Few":{"isRoot":true,"maxRows":2,"columns":{
        "target":{"type":{"key":{"type":"uuid","refTable":"Root","refType":"weak"},"min":1,"max":1}}}}}}"#;

/// What is in the database.
const CONTENTS: &str = r#"[
    {"op":"insert","table":"Child","uuid-name":"leaf","row":{"n":3}},
    {"op":"insert","table":"Child","uuid-name":"branch","row":{"n":2,"next":["named-uuid","leaf"]}},
    {"op":"insert","table":"Root","uuid-name":"one","row":{"name":"one","number":1,"flag":true,"real":0.5,"kind":"a",
        "words":["set",["x","y"]],"numbers":["set",[1,2,3]],"options":["map",[["k","v"],["l","w"]]],
        "weights":["map",[[1,1.5]]],"children":["set",[["named-uuid","branch"]]],"friends":["named-uuid","two"]}},
    {"op":"insert","table":"Root","uuid-name":"two","row":{"name":"two","number":2,
        "friends":["set",[["named-uuid","one"],["named-uuid","two"]]],"named":["map",[["leaf",["named-uuid","leaf"]]]]}},
    {"op":"insert","table":"Root","row":{"name":"three","number":3,"fleeting":"gone"}},
    {"op":"insert","table":"Few","row":{"target":["named-uuid","one"]}}]"#;

static DATABASE: LazyLock<Database> = LazyLock::new(|| {
    let schema = json::parse(SCHEMA.as_bytes()).expect("the schema is JSON");
    let schema = Schema::from_json(&schema).expect("the schema is sound");
    let empty = Database::new(Arc::new(schema));
    let contents = json::parse(CONTENTS.as_bytes()).expect("the contents are JSON");
    match transact(
        &empty,
        contents.as_array().unwrap_or_default(),
        &mut fresh(1),
    ) {
        Outcome::Prepared(prepared) => prepared.next,
        other => panic!("the contents are sound: {other:?}"),
    }
});

/// The database, the same at every call.
pub(crate) fn database() -> Database {
    DATABASE.clone()
}

/// UUIDs in an order that tells nothing, different ones for each `seed`.
pub(crate) fn fresh(seed: u64) -> impl FnMut() -> Uuid {
    let mut last = u128::from(seed) << 64;
    move || {
        last += 1;
        let mixed = last.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
        Uuid::from_bytes(mixed.to_be_bytes())
    }
}

/// Runs operations for a client that may do anything.
pub(crate) fn transact(
    database: &Database,
    operations: &[Json],
    fresh: &mut dyn FnMut() -> Uuid,
) -> Outcome {
    let transact = parse_transact(database.schema(), operations, fresh);
    let mut context = Context {
        may_block: true,
        ..Context::unrestricted(fresh)
    };
    execute(database, &transact, &mut context)
}

/// The array of JSON values that an input is, or nothing.
pub(crate) fn array(input: &[u8]) -> Option<Vec<Json>> {
    match json::parse(input) {
        Ok(Json::Array(values)) => Some(values),
        _ => None,
    }
}

/// What a database holds of what files keep, row by row.
pub(crate) fn kept(database: &Database) -> Vec<String> {
    let schema = database.schema();
    let mut rows = Vec::new();
    for id in schema.table_ids() {
        let table = schema.table(id);
        for row in database.table(id).iter() {
            let mut text = format!("{} {}", table.name, row.uuid());
            for id in table.column_ids() {
                let column = table.column(id);
                if column.persistent {
                    text.push_str(&format!(
                        " {}={}",
                        column.name,
                        row.get(id).to_json(&column.ty)
                    ));
                }
            }
            rows.push(text);
        }
    }
    rows
}
