//! Values, rows and conditions out of small pools, so that conditions often hit and rows often meet again.

use ovsdb_testkit::differential::dice::Dice;
use ovsdb_testkit::differential::model::{Base, Column, Kind, Model, Table};

use crate::canonical::CHOSEN;

/// How many UUIDs the rows of a table have to choose from.
pub(crate) const ROWS: usize = 6;

/// The UUID of one of the rows that a table may have.
pub(crate) fn row_uuid(model: &Model, table: &str, row: usize) -> String {
    let number = model.tables.iter().position(|known| known.name == table);
    let number = number.map_or(0, |number| number + 1);
    format!("{CHOSEN}{number:06}{row:06}")
}

/// Some row of a table, as an atom.
pub(crate) fn some_row(dice: &mut Dice, model: &Model, table: &str) -> String {
    let row = dice.below(ROWS);
    format!(r#"["uuid","{}"]"#, row_uuid(model, table, row))
}

/// A valid value of a column.
pub(crate) fn datum(dice: &mut Dice, model: &Model, column: &Column) -> String {
    let high = column.max.unwrap_or(3).min(3);
    let size = column.min + dice.below(high - column.min + 1);
    datum_of(dice, model, column, size)
}

/// A value of a column's types with at most so many elements.
pub(crate) fn datum_of(dice: &mut Dice, model: &Model, column: &Column, size: usize) -> String {
    let mut keys: Vec<String> = Vec::new();
    for _ in 0..size {
        let key = atom(dice, model, &column.key);
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    if let Some(value) = &column.value {
        let pairs = keys.iter().map(|key| {
            let value = atom(dice, model, value);
            format!("[{key},{value}]")
        });
        let pairs: Vec<String> = pairs.collect();
        return format!(r#"["map",[{}]]"#, pairs.join(","));
    }
    match keys.as_slice() {
        [key] if dice.chance(70) || column.is_scalar() => key.clone(),
        _ => format!(r#"["set",[{}]]"#, keys.join(",")),
    }
}

fn atom(dice: &mut Dice, model: &Model, base: &Base) -> String {
    if !base.choices.is_empty() {
        return dice.pick(&base.choices).clone();
    }
    match base.kind {
        Kind::Integer => dice.below(4).to_string(),
        Kind::Real => (*dice.pick(&["0", "0.5", "1.5", "-2"])).to_owned(),
        Kind::Boolean => dice.chance(50).to_string(),
        Kind::String => (*dice.pick(&[r#""""#, r#""a""#, r#""b""#, r#""c""#])).to_owned(),
        Kind::Uuid => some_row(dice, model, base.target.as_deref().unwrap_or("")),
    }
}

/// A clause about a column of the table, in which every function may be.
pub(crate) fn clause(dice: &mut Dice, model: &Model, table: &Table, column: &str) -> String {
    let Some(found) = table.column(column) else {
        let value = match column {
            "_uuid" => some_row(dice, model, &table.name),
            _ => format!(r#"["uuid","{}"]"#, row_uuid(model, "", 0)),
        };
        let function = dice.pick(&["==", "==", "!=", "includes", "excludes"]);
        return format!(r#"["{column}","{function}",{value}]"#);
    };
    let mut functions = vec!["==", "==", "!=", "includes", "includes", "excludes"];
    if found.is_number() {
        functions.extend(["<", "<=", ">", ">="]);
    }
    let function = *dice.pick(&functions);
    let value = match function {
        "<" | "<=" | ">" | ">=" => datum_of(dice, model, found, 1),
        "includes" if !found.is_scalar() => {
            let size = dice.below(found.max.unwrap_or(2).min(2) + 1);
            datum_of(dice, model, found, size)
        }
        "excludes" if !found.is_scalar() => {
            let size = dice.below(3);
            datum_of(dice, model, found, size)
        }
        _ => datum(dice, model, found),
    };
    format!(r#"["{column}","{function}",{value}]"#)
}
