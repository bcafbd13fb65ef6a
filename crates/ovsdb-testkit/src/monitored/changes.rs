//! Random contents and what changes them.

use serde_json::{Value as Json, json};

use super::ByRow;
use super::condition::{any_clause, value_to_json_of};
use super::schema::{Column, Kind, Row, TABLES, Table, Type, table};
use super::value::{Atom, Value};
use crate::differential::dice::Dice;

/// All rows of a database.
pub type Contents = ByRow<Row>;

fn any_atom(dice: &mut Dice, kind: Kind, column: &str, contents: &Contents) -> Atom {
    // From a few values, so that conditions are met and differences are small.
    match kind {
        Kind::Integer => Atom::Integer(dice.between(-1, 4)),
        Kind::Real => Atom::real(*dice.pick(&[-1.5, 0.0, 0.25, 2.0, 1e30])),
        Kind::Boolean => Atom::Boolean(dice.chance(50)),
        Kind::Text => Atom::Text((*dice.pick(&["", "a", "b", "c", "d\"\\\u{e9}"])).to_owned()),
        Kind::Id => {
            let wanted: Vec<&str> = contents
                .iter()
                .filter(|((table, _), _)| match column {
                    "friends" => *table == "A",
                    "child" => *table == "C",
                    _ => true,
                })
                .map(|((_, uuid), row)| match column {
                    "_version" => match row["_version"].keys().next() {
                        Some(Atom::Id(version)) => version.as_str(),
                        _ => uuid,
                    },
                    _ => uuid,
                })
                .collect();
            match dice.maybe_pick(&wanted) {
                Some(uuid) if dice.chance(90) => Atom::Id((*uuid).to_owned()),
                _ => Atom::Id(dice.uuid()),
            }
        }
    }
}

/// A value of a type, for a column of this name.
pub(super) fn any_value(dice: &mut Dice, ty: Type, column: &str, contents: &Contents) -> Value {
    let most = ty.max.unwrap_or(4);
    let wanted = ty.min + dice.below(most - ty.min + 1);
    let mut value = Value::new();
    // The same atom may come up again.
    while value.len() < ty.min || value.len() < wanted && dice.chance(90) {
        let key = any_atom(dice, ty.key, column, contents);
        let mapped = ty.value.map(|kind| any_atom(dice, kind, column, contents));
        value.insert(key, mapped);
    }
    value
}

fn any_row(dice: &mut Dice, table: &Table, contents: &Contents, percent: u32) -> Json {
    let mut row = serde_json::Map::new();
    for column in table.columns {
        if !column.name.starts_with('_') && dice.chance(percent) {
            let value = any_value(dice, column.ty, column.name, contents);
            row.insert(column.name.to_owned(), value_to_json_of(&value, column));
        }
    }
    Json::Object(row)
}

fn any_mutation(dice: &mut Dice, column: &Column, contents: &Contents) -> Option<Json> {
    let ty = column.ty;
    if ty.max == Some(1) {
        let is_number = matches!(ty.key, Kind::Integer) && ty.value.is_none();
        return is_number
            .then(|| json!([column.name, *dice.pick(&["+=", "-="]), dice.between(1, 3)]));
    }
    let mutator = *dice.pick(&["insert", "delete"]);
    let argument = any_value(
        dice,
        Type {
            min: 1,
            max: Some(2),
            ..ty
        },
        column.name,
        contents,
    );
    Some(json!([
        column.name,
        mutator,
        value_to_json_of(&argument, column)
    ]))
}

fn any_operation(dice: &mut Dice, contents: &Contents, operations: &mut Vec<Json>) {
    let table = dice.weighted(&[(6, &TABLES[0]), (2, &TABLES[1]), (1, &TABLES[2])]);
    let filter = match dice.below(4) {
        0 => json!([]),
        _ => json!([any_clause(dice, table, contents).to_json()]),
    };
    match dice.below(7) {
        0 | 1 if table.name == "A" => {
            let row = any_row(dice, table, contents, 40);
            operations.push(json!({"op": "insert", "table": "A", "row": row}));
        }
        0..=2 => {
            // A row that exists for another one's sake.
            let name = format!("row{}", operations.len());
            let child = any_row(dice, &TABLES[2], contents, 80);
            operations.push(json!({"op": "insert", "table": "C", "uuid-name": name, "row": child}));
            let row = json!({"n": dice.between(-1, 4), "child": ["named-uuid", name]});
            operations.push(json!({"op": "insert", "table": "B", "row": row}));
        }
        3 | 4 => {
            let row = any_row(dice, table, contents, 20);
            operations
                .push(json!({"op": "update", "table": table.name, "where": filter, "row": row}));
        }
        5 => {
            let columns = table
                .columns
                .iter()
                .filter(|column| !column.name.starts_with('_'));
            let columns: Vec<&Column> = columns.collect();
            let mutations = (0..2).filter_map(|_| {
                let column = *dice.pick(&columns);
                any_mutation(dice, column, contents)
            });
            let mutations: Vec<Json> = mutations.collect();
            operations.push(json!(
                {"op": "mutate", "table": table.name, "where": filter, "mutations": mutations}
            ));
        }
        _ => operations.push(json!({"op": "delete", "table": table.name, "where": filter})),
    }
}

/// One row comes and goes, by its UUID. What was there before does not come again: that fails.
fn come_and_go(dice: &mut Dice, contents: &Contents, operations: &mut Vec<Json>) {
    let known: Vec<&str> = contents
        .keys()
        .filter(|(table, _)| *table == "A")
        .map(|(_, uuid)| uuid.as_str())
        .collect();
    let (uuid, mut is_there) = match dice.maybe_pick(&known) {
        Some(uuid) if dice.chance(30) => ((*uuid).to_owned(), true),
        _ => (dice.uuid(), false),
    };
    let filter = json!([["_uuid", "==", ["uuid", uuid]]]);
    for _ in 0..3 + dice.below(4) {
        let row = any_row(dice, table("A"), contents, 30);
        let next = if is_there { (0, 45) } else { (90, 5) };
        let choice = dice.below(100);
        if choice < next.0 {
            operations.push(json!({"op": "insert", "table": "A", "uuid": uuid, "row": row}));
            is_there = true;
        } else if choice < next.0 + next.1 {
            operations.push(json!({"op": "delete", "table": "A", "where": filter}));
            is_there = false;
        } else {
            operations.push(json!({"op": "update", "table": "A", "where": filter, "row": row}));
        }
    }
}

/// The operations of a transaction on `contents`. It may fail, or change nothing.
pub fn any_transaction(dice: &mut Dice, contents: &Contents) -> Json {
    let mut operations = Vec::new();
    for _ in 0..=dice.below(3) {
        any_operation(dice, contents, &mut operations);
    }
    if dice.chance(8) {
        come_and_go(dice, contents, &mut operations);
    }
    if contents.keys().filter(|(table, _)| *table == "A").count() > 12 {
        let clause = any_clause(dice, table("A"), contents).to_json();
        operations.push(json!({"op": "delete", "table": "A", "where": [clause]}));
    }
    Json::Array(operations)
}
