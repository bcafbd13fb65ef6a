//! Transactions that clients of a simulated world think of.

use std::time::Duration;

use ovsdb_testkit::differential::dice::Dice;
use ovsdb_testkit::monitored::{Contents, any_transaction};
use serde_json::{Value as Json, json};

use crate::chronicle::Tag;

/// The locks that there are.
pub(crate) const LOCKS: [&str; 3] = ["left", "right", "top"];

/// The schema: that of monitored contents, with a table of one row in which each transaction leaves its mark. Nobody
/// monitors that one, and conversions change it.
pub(crate) fn schema(edition: u64) -> String {
    let more = match edition % 3 {
        0 => String::new(),
        1 => String::from(r#","more":{"type":{"key":"string","min":0,"max":"unlimited"}}"#),
        _ => String::from(r#","other":{"type":"boolean"}"#),
    };
    let ledger = format!(
        r#""tables":{{"Ledger":{{"isRoot":true,"maxRows":1,"columns":{{
            "tag":{{"type":"integer"}},"passing":{{"type":"integer","ephemeral":true}}{more}}}}},"#
    );
    let schema = ovsdb_testkit::monitored::SCHEMA.replace(r#""tables":{"#, &ledger);
    schema.replace("1.0.0", &format!("1.0.{edition}"))
}

/// A transaction.
#[derive(Clone, Debug)]
pub(crate) struct Transaction {
    pub(crate) operations: Json,
    /// `None` for one that only reads.
    pub(crate) tag: Option<Tag>,
    pub(crate) is_durable: bool,
    /// The lock that it asserts to own.
    pub(crate) asserts: Option<&'static str>,
    /// It may be held back, for so long; `None` for ever.
    pub(crate) waits: Option<Option<Duration>>,
}

fn any_filter(dice: &mut Dice) -> Json {
    match dice.below(3) {
        0 => json!([]),
        1 => json!([[
            "number",
            *dice.pick(&["==", "<", ">="]),
            dice.between(-1, 4)
        ]]),
        _ => json!([["name", "==", *dice.pick(&["", "a", "b", "c"])]]),
    }
}

fn any_select(dice: &mut Dice) -> Json {
    match dice.below(4) {
        0 => json!({"op": "select", "table": "Ledger", "where": [], "columns": ["tag", "passing"]}),
        1 => {
            json!({"op": "select", "table": "B", "where": [], "columns": ["_uuid", "n", "friends", "child"]})
        }
        _ => json!({"op": "select", "table": "A", "where": any_filter(dice),
            "columns": ["_uuid", "number", "name", "set", "map", "few"]}),
    }
}

/// An operation that waits until there is a row, or none, with a name.
fn any_wait(dice: &mut Dice, timeout: Option<Duration>) -> Json {
    let mut wait = json!({
        "op": "wait", "table": "A", "until": *dice.pick(&["==", "!="]), "columns": ["name", "number"],
        "where": [["name", "==", *dice.pick(&["a", "b", "c"])]],
    });
    wait["rows"] = match dice.below(3) {
        0 => json!([]),
        _ => json!([{"name": *dice.pick(&["a", "b", "c"]), "number": dice.between(-1, 4)}]),
    };
    if let Some(timeout) = timeout {
        wait["timeout"] = json!(timeout.as_millis() as u64);
    }
    wait
}

impl Transaction {
    /// A random transaction on a database that holds about `contents`; `tag` is its mark. With `is_fat` some values are
    /// large.
    pub(crate) fn any(dice: &mut Dice, contents: &Contents, tag: Tag, is_fat: bool) -> Transaction {
        let mut transaction = Transaction {
            operations: Json::Null,
            tag: None,
            is_durable: false,
            asserts: None,
            waits: None,
        };
        let mut operations = Vec::new();
        if dice.chance(15) {
            let timeout = match dice.below(4) {
                0 => None,
                1 => Some(0),
                2 => Some(dice.below(100)),
                _ => Some(dice.below(20_000)),
            };
            let timeout = timeout.map(|ms| Duration::from_millis(ms as u64));
            operations.push(any_wait(dice, timeout));
            transaction.waits = Some(timeout);
        }
        if dice.chance(25) {
            for _ in 0..=dice.below(2) {
                operations.push(any_select(dice));
            }
            transaction.operations = Json::Array(operations);
            return transaction;
        }
        transaction.tag = Some(tag);
        if dice.chance(10) {
            let lock = *dice.pick(&LOCKS);
            operations.push(json!({"op": "assert", "lock": lock}));
            transaction.asserts = Some(lock);
        }
        // What no file keeps is something of its own.
        let passes = dice.chance(10);
        let mark = if passes { "passing" } else { "tag" };
        operations
            .push(json!({"op": "update", "table": "Ledger", "where": [], "row": {mark: tag}}));
        if passes {
            operations.push(
                json!({"op": "update", "table": "A", "where": any_filter(dice),
                "row": {"note": *dice.pick(&["x", "y"])}}),
            );
        } else if let Json::Array(more) = any_transaction(dice, contents) {
            operations.extend(more);
        }
        if is_fat && !passes && dice.chance(30) {
            let name = (*dice.pick(&["a", "b", "c"])).repeat(20_000 + dice.below(80_000));
            operations.push(
                json!({"op": "update", "table": "A", "where": any_filter(dice),
                "row": {"name": name}}),
            );
        }
        for operation in &mut operations {
            // Nobody but the server knows the versions of rows that nobody has seen.
            if operation["where"].to_string().contains("_version") {
                operation["where"] = json!([]);
            }
            if operation["op"] == "insert" && operation["uuid"].is_null() {
                // So that everybody knows what it will be called.
                operation["uuid"] = json!(dice.uuid());
            }
        }
        if dice.chance(10) {
            operations.push(any_select(dice));
        }
        match dice.below(10) {
            0..=2 => {
                transaction.is_durable = true;
                operations.push(json!({"op": "commit", "durable": true}));
            }
            3 => operations.push(json!({"op": "commit", "durable": false})),
            4 if dice.chance(30) => operations.push(json!({"op": "abort"})),
            5 => operations.push(json!({"op": "comment", "comment": format!("number {tag}")})),
            _ => {}
        }
        transaction.operations = Json::Array(operations);
        transaction
    }
}
