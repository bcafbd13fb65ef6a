//! Which numbers stay, and which types admit what others do.

use super::*;
use crate::arbitrary::json;
use crate::atom::AtomType;
use crate::datum::Datum;
use crate::types::ColumnType;

fn parse(tables: &str) -> Schema {
    Schema::from_json(&json(&format!(r#"{{"name":"D","tables":{tables}}}"#))).unwrap()
}

fn one(columns: &str) -> Schema {
    parse(&format!(r#"{{"T":{{"columns":{columns}}}}}"#))
}

/// The names of tables and columns in the order of their numbers.
fn names(schema: &Schema) -> String {
    let table = |table: &TableSchema| {
        let own = table.own_columns().map(|column| column.name.as_str());
        format!("{}({})", table.name, own.collect::<Vec<_>>().join(" "))
    };
    let tables: Vec<String> = schema.tables.iter().map(table).collect();
    tables.join(" ")
}

#[test]
fn what_stays_keeps_its_number_and_what_is_new_comes_behind() {
    let old = parse(
        r#"{"B":{"columns":{"n":{"type":"integer"},"t":{"type":{"key":{"type":"uuid","refTable":"D"}}}}},
            "D":{"indexes":[["x"]],"columns":{"x":{"type":"integer"}}}}"#,
    );
    let text = r#"{"A":{"columns":{"b":{"type":{"key":{"type":"uuid","refTable":"B"}}}}},
        "B":{"columns":{"a":{"type":"real"},"n":{"type":"integer"},"t":{"type":{"key":{"type":"uuid","refTable":"D"}}}}},
        "C":{"columns":{"y":{"type":"integer"}}},
        "D":{"indexes":[["w","x"]],"columns":{"w":{"type":"integer"},"x":{"type":"integer"}}}}"#;
    let evolution = old.evolve(parse(text));
    let new = &evolution.schema;
    assert_eq!(names(new), "B(n t a) D(x w) A(b) C(y)");
    assert_eq!(new.to_json(), parse(text).to_json());
    assert!(evolution.keeps_numbers());
    for (id, table) in new.table_ids().zip(&new.tables) {
        assert_eq!(new.table_id(&table.name), Some(id));
        for column in table.column_ids() {
            assert_eq!(table.column_id(&table.column(column).name), Some(column));
        }
        let by_name = table.column_ids_by_name().iter();
        assert!(by_name.map(|&id| &table.column(id).name).is_sorted());
    }
    let [b, d] = ["B", "D"].map(|name| new.table_by_name(name).unwrap());
    let target = |name: &str| {
        let id = b.1.column_id(name).unwrap();
        b.1.column(id).ty.key.ref_table_id()
    };
    assert_eq!(target("t"), Some(d.0));
    let index: Vec<&str> = d.1.indexes[0]
        .iter()
        .map(|&id| d.1.column(id).name.as_str())
        .collect();
    assert_eq!(index, ["w", "x"]);

    // Tables move up when one before them goes.
    let evolution = old.evolve(parse(r#"{"D":{"columns":{"x":{"type":"integer"}}}}"#));
    let kept = Fate::Kept {
        table: TableId(0),
        narrowed: Vec::new(),
    };
    assert_eq!(evolution.fates, [Fate::Removed, kept]);
}

#[test]
fn narrower_columns_are_named_and_others_are_written_anew() {
    let old = one(
        r#"{"a":{"type":"integer"},"m":{"type":{"key":"string","value":"integer","min":0,"max":2}}}"#,
    );
    let fate = |columns: &str| {
        let evolution = old.evolve(one(columns));
        match evolution.fates.into_iter().next().unwrap() {
            Fate::Removed => String::from("removed"),
            Fate::Kept { narrowed, .. } => format!("kept {}", narrowed.len()),
            Fate::Rewritten { columns, .. } => format!("rewritten {}", columns.len()),
        }
    };
    let with = |a: &str, m: &str| format!(r#"{{"a":{{"type":{a}}},"m":{{"type":{m}}}}}"#);
    let (a, m) = (
        r#""integer""#,
        r#"{"key":"string","value":"integer","min":0,"max":2}"#,
    );
    for (columns, expect) in [
        (with(a, m), "kept 0"),
        (with(r#"{"key":"integer","min":0,"max":3}"#, m), "kept 0"),
        (
            with(r#"{"key":{"type":"integer","minInteger":0}}"#, m),
            "kept 1",
        ),
        (
            with(a, r#"{"key":"string","value":"integer","min":0,"max":1}"#),
            "kept 1",
        ),
        (
            with(a, r#"{"key":"string","value":"integer","max":2}"#),
            "kept 1",
        ),
        (
            with(
                a,
                r#"{"key":"string","value":{"type":"integer","enum":["set",[1]]},"min":0,"max":2}"#,
            ),
            "kept 1",
        ),
        (with(r#""real""#, m), "rewritten 2"),
        (
            with(a, r#"{"key":"string","min":0,"max":2}"#),
            "rewritten 2",
        ),
        (
            with(a, r#"{"key":"string","value":"string","min":0,"max":2}"#),
            "rewritten 2",
        ),
        (String::from(r#"{"m":{"type":"integer"}}"#), "rewritten 1"),
    ] {
        assert_eq!(fate(&columns), expect, "{columns}");
    }
}

#[test]
fn types_admit_what_narrower_ones_do() {
    let ty = |text: &str| ColumnType::from_json(&json(text)).unwrap();
    // Each admits everything that those after it do, and they do not admit everything that it does.
    for chain in [
        &[
            r#"{"key":"integer","min":0,"max":"unlimited"}"#,
            r#"{"key":"integer","min":0,"max":5}"#,
            r#"{"key":"integer","min":0}"#,
            r#""integer""#,
            r#"{"key":{"type":"integer","minInteger":-9,"maxInteger":9}}"#,
            r#"{"key":{"type":"integer","minInteger":1,"maxInteger":9}}"#,
            r#"{"key":{"type":"integer","enum":["set",[1,2,3]]}}"#,
            r#"{"key":{"type":"integer","enum":["set",[1,3]]}}"#,
        ] as &[&str],
        &[
            r#""real""#,
            r#"{"key":{"type":"real","minReal":0.5}}"#,
            r#"{"key":{"type":"real","minReal":0.5,"maxReal":1.5}}"#,
        ],
        &[
            r#""string""#,
            r#"{"key":{"type":"string","maxLength":3}}"#,
            r#"{"key":{"type":"string","minLength":1,"maxLength":3}}"#,
            r#"{"key":{"type":"string","enum":["set",["a","abc"]]}}"#,
        ],
    ] {
        for (i, wide) in chain.iter().enumerate() {
            for (j, narrow) in chain.iter().enumerate() {
                assert_eq!(
                    ty(wide).admits_all_of(&ty(narrow)),
                    i <= j,
                    "{wide} {narrow}"
                );
            }
        }
    }
    assert!(!ty(r#""integer""#).admits_all_of(&ty(r#""real""#)));
    let map = ty(r#"{"key":"integer","value":"integer"}"#);
    assert!(!ty(r#""integer""#).admits_all_of(&map) && !map.admits_all_of(&ty(r#""integer""#)));
}

#[test]
fn rows_that_end_before_a_column_have_its_first_default_value() {
    let kinds = AtomType::ALL.map(AtomType::as_str);
    let values = kinds.map(Some).into_iter().chain([None]);
    for (key, value) in kinds
        .iter()
        .flat_map(|key| values.clone().map(move |value| (key, value)))
    {
        for min in [0, 1] {
            let value = value.map_or(String::new(), |kind| format!(r#","value":"{kind}""#));
            let ty = format!(r#"{{"key":"{key}"{value},"min":{min}}}"#);
            let old = one(r#"{"a":{"type":"integer"}}"#);
            let new = one(&format!(
                r#"{{"a":{{"type":"integer"}},"z":{{"type":{ty}}}}}"#
            ));
            let new = old.evolve(new).schema;
            let id = new.tables[0].column_id("z").unwrap();
            let row = old.tables[0].defaults();
            assert_eq!(
                *id.of(row),
                Datum::default_for(&new.tables[0].column(id).ty),
                "{ty}"
            );

            // What it was at first stays when the column's type changes.
            let wider = format!(r#"{{"key":"{key}"{},"min":0,"max":9}}"#, value);
            let wider = one(&format!(
                r#"{{"a":{{"type":"integer"}},"z":{{"type":{wider}}}}}"#
            ));
            let wider = new.evolve(wider).schema;
            assert_eq!(wider.tables[0].column_id("z"), Some(id), "{ty}");
        }
    }
}
