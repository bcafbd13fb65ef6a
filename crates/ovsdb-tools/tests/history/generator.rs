//! Transactions of all kinds, from a seed: rows come, change and go, also because nothing refers to them any more; sets and
//! maps gain and lose elements. Some fail, and some change nothing.

use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;

use super::model::State;

pub(crate) const SCHEMA: &str = r#"{"name":"Past","version":"1.0.0","tables":{
 "Root":{"isRoot":true,"indexes":[["name"]],"maxRows":40,"columns":{
  "name":{"type":"string"},
  "n":{"type":"integer"},
  "note":{"type":{"key":"string","min":0,"max":1}},
  "tags":{"type":{"key":"string","min":0,"max":"unlimited"}},
  "ids":{"type":{"key":"string","value":"string","min":0,"max":"unlimited"}},
  "counts":{"type":{"key":"string","value":"integer","min":0,"max":5}},
  "kids":{"type":{"key":{"type":"uuid","refTable":"Child"},"min":0,"max":"unlimited"}},
  "pals":{"type":{"key":{"type":"uuid","refTable":"Root","refType":"weak"},"min":0,"max":"unlimited"}},
  "seen":{"type":"integer","ephemeral":true}}},
 "Child":{"columns":{
  "label":{"type":"string"},
  "peer":{"type":{"key":{"type":"uuid","refTable":"Root","refType":"weak"},"min":0,"max":1}}}}}}"#;

/// What [`SCHEMA`] is converted to: `note` goes, `extra` and the table `More` come.
pub(crate) const LATER: &str = r#"{"name":"Past","version":"2.0.0","tables":{
 "Root":{"isRoot":true,"indexes":[["name"]],"maxRows":40,"columns":{
  "name":{"type":"string"},
  "n":{"type":"integer"},
  "extra":{"type":{"key":"integer","min":0,"max":1}},
  "tags":{"type":{"key":"string","min":0,"max":"unlimited"}},
  "ids":{"type":{"key":"string","value":"string","min":0,"max":"unlimited"}},
  "counts":{"type":{"key":"string","value":"integer","min":0,"max":5}},
  "kids":{"type":{"key":{"type":"uuid","refTable":"Child"},"min":0,"max":"unlimited"}},
  "pals":{"type":{"key":{"type":"uuid","refTable":"Root","refType":"weak"},"min":0,"max":"unlimited"}},
  "seen":{"type":"integer","ephemeral":true}}},
 "Child":{"columns":{
  "label":{"type":"string"},
  "peer":{"type":{"key":{"type":"uuid","refTable":"Root","refType":"weak"},"min":0,"max":1}}}},
 "More":{"isRoot":true,"columns":{"x":{"type":"integer"}}}}}"#;

/// Names, tags and keys are few, so that they meet again.
fn word(dice: &mut StdRng) -> String {
    let words = ["a", "b", "c x", "d\\\"q", "é", "true", "eth0", "0123"];
    format!("\"{}\"", words.choose(dice).expect("there are some"))
}

fn set(dice: &mut StdRng, mut element: impl FnMut(&mut StdRng) -> String) -> String {
    let count = dice.random_range(0..4);
    let elements: Vec<String> = (0..count).map(|_| element(dice)).collect();
    format!(r#"["set",[{}]]"#, elements.join(","))
}

fn map(dice: &mut StdRng, mut value: impl FnMut(&mut StdRng) -> String) -> String {
    let count = dice.random_range(0..3);
    let mut pairs: Vec<String> = Vec::new();
    let mut keys: Vec<String> = (0..count).map(|_| word(dice)).collect();
    keys.sort_unstable();
    keys.dedup();
    for key in keys {
        pairs.push(format!("[{key},{}]", value(dice)));
    }
    format!(r#"["map",[{}]]"#, pairs.join(","))
}

fn integer(dice: &mut StdRng) -> String {
    dice.random_range(-3..4).to_string()
}

fn uuid_of(dice: &mut StdRng, state: &State, table: &str) -> Option<String> {
    let rows: Vec<&String> = state
        .keys()
        .filter(|(of, _)| of == table)
        .map(|(_, uuid)| uuid)
        .collect();
    Some((*rows.choose(dice)?).clone())
}

fn reference(dice: &mut StdRng, state: &State, table: &str) -> String {
    match uuid_of(dice, state, table) {
        Some(uuid) => format!(r#"["uuid","{uuid}"]"#),
        None => String::from(r#"["set",[]]"#),
    }
}

fn references(dice: &mut StdRng, state: &State, table: &str) -> String {
    let count = dice.random_range(0..3);
    let uuids = (0..count).filter_map(|_| uuid_of(dice, state, table));
    let uuids: Vec<String> = uuids.map(|uuid| format!(r#"["uuid","{uuid}"]"#)).collect();
    format!(r#"["set",[{}]]"#, uuids.join(","))
}

fn name(dice: &mut StdRng) -> String {
    format!("\"br{}\"", dice.random_range(0..60))
}

/// A column of `Root` with a new value.
fn column(dice: &mut StdRng, state: &State, is_later: bool) -> String {
    match dice.random_range(0..9) {
        0 => format!(r#""name":{}"#, name(dice)),
        1 => format!(r#""n":{}"#, integer(dice)),
        2 if is_later => format!(r#""extra":{}"#, integer(dice)),
        2 => format!(r#""note":{}"#, word(dice)),
        3 => format!(r#""tags":{}"#, set(dice, word)),
        4 => format!(r#""ids":{}"#, map(dice, word)),
        5 => format!(r#""counts":{}"#, map(dice, integer)),
        6 => format!(r#""kids":{}"#, references(dice, state, "Child")),
        7 => format!(r#""pals":{}"#, references(dice, state, "Root")),
        _ => format!(r#""seen":{}"#, integer(dice)),
    }
}

fn row_where(dice: &mut StdRng, state: &State, table: &str) -> String {
    match uuid_of(dice, state, table) {
        Some(uuid) => format!(r#"[["_uuid","==",["uuid","{uuid}"]]]"#),
        None => String::from("[]"),
    }
}

fn mutation(dice: &mut StdRng) -> String {
    match dice.random_range(0..6) {
        0 => format!(r#"["n","+=",{}]"#, integer(dice)),
        1 => format!(r#"["tags","insert",{}]"#, set(dice, word)),
        2 => format!(r#"["tags","delete",{}]"#, set(dice, word)),
        3 => format!(r#"["ids","insert",{}]"#, map(dice, word)),
        4 => format!(r#"["ids","delete",{}]"#, set(dice, word)),
        _ => format!(r#"["counts","insert",{}]"#, map(dice, integer)),
    }
}

fn operation(dice: &mut StdRng, state: &State, is_later: bool, at: usize) -> String {
    let roots = state.keys().filter(|(table, _)| table == "Root").count();
    match dice.random_range(0..20) {
        _ if roots < 5 => insert(dice, state, is_later),
        0..4 => insert(dice, state, is_later),
        // A child that a row of `Root` has from then on.
        4..7 => format!(
            r#"{{"op":"insert","table":"Child","uuid-name":"c{at}","row":{{"label":{},"peer":{}}}}},
               {{"op":"mutate","table":"Root","where":{},"mutations":[["kids","insert",["named-uuid","c{at}"]]]}}"#,
            word(dice),
            reference(dice, state, "Root"),
            row_where(dice, state, "Root"),
        ),
        7..9 => format!(
            r#"{{"op":"delete","table":"Root","where":{}}}"#,
            row_where(dice, state, "Root")
        ),
        9 => format!(
            r#"{{"op":"update","table":"Child","where":{},"row":{{"peer":{}}}}}"#,
            row_where(dice, state, "Child"),
            reference(dice, state, "Root"),
        ),
        10 if is_later => format!(
            r#"{{"op":"insert","table":"More","row":{{"x":{}}}}}"#,
            integer(dice)
        ),
        11 if is_later => String::from(r#"{"op":"delete","table":"More","where":[["x",">",0]]}"#),
        10..15 => format!(
            r#"{{"op":"update","table":"Root","where":{},"row":{{{}}}}}"#,
            row_where(dice, state, "Root"),
            column(dice, state, is_later)
        ),
        _ => format!(
            r#"{{"op":"mutate","table":"Root","where":{},"mutations":[{}]}}"#,
            row_where(dice, state, "Root"),
            mutation(dice)
        ),
    }
}

fn insert(dice: &mut StdRng, state: &State, is_later: bool) -> String {
    let mut columns = vec![format!(r#""name":{}"#, name(dice))];
    for _ in 0..dice.random_range(0..3) {
        let column = column(dice, state, is_later);
        if !column.starts_with("\"name\"") {
            columns.push(column);
        }
    }
    format!(
        r#"{{"op":"insert","table":"Root","row":{{{}}}}}"#,
        columns.join(",")
    )
}

/// The next operations, without the name of the database; and their comment.
pub(crate) fn transaction(
    dice: &mut StdRng,
    state: &State,
    is_later: bool,
) -> (Vec<String>, Option<String>) {
    let count = dice.random_range(1..4);
    let mut operations: Vec<String> = (0..count)
        .map(|at| operation(dice, state, is_later, at))
        .collect();
    let comment = match dice.random_range(0..4) {
        0 => None,
        1 => Some(format!("say {}", dice.random_range(0..9))),
        2 => Some(String::from(
            "ovs-vsctl (invoked by bash): ovs-vsctl set Root . n=1",
        )),
        _ => Some(format!("first\nsecond \"{}\"", dice.random_range(0..9))),
    };
    if let Some(comment) = &comment {
        let mut text = Vec::new();
        ovsdb_proto::json::write::string(comment, &mut text);
        let text = String::from_utf8(text).expect("JSON is text");
        operations.push(format!(r#"{{"op":"comment","comment":{text}}}"#));
    }
    (operations, comment)
}
