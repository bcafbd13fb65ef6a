//! Schemas: what is accepted, how it is printed back, and the words for what is not.

use proptest::prelude::*;

use super::*;
use crate::arbitrary::{a_json, json};
use crate::types::RefType;

fn parse(text: &str) -> Result<Schema, String> {
    Schema::from_json(&json(text)).map_err(|error| error.to_string())
}

/// A schema with the given columns in its only table.
fn with_columns(columns: &str) -> String {
    format!(r#"{{"name":"db","tables":{{"t":{{"columns":{columns}}}}}}}"#)
}

#[track_caller]
fn prints_back(text: &str, expected: &str) {
    let schema = parse(text).unwrap();
    assert_eq!(schema.to_json().to_string(), expected);
    // What is printed is a schema that says the same.
    assert!(parse(expected).unwrap().is_equivalent(&schema));
}

#[track_caller]
fn fails(text: &str, expected: &str) {
    match parse(text) {
        Ok(schema) => panic!("accepted as {}", schema.to_json()),
        Err(error) => assert_eq!(error, expected, "{text}"),
    }
}

#[test]
fn everything_that_has_its_default_value_is_left_out() {
    prints_back(
        r#"{"tables":{"b":{"columns":{"x":{"type":{"key":{"type":"integer"},"min":1,"max":1},"mutable":true,
            "ephemeral":false}},"mutable":true},"a":{"columns":{"z":{"type":"real"},"y":{"type":{"key":"string",
            "min":0,"max":"unlimited"}}}}},"name":"db","version":"1.2.3","cksum":"1 2"}"#,
        concat!(
            r#"{"cksum":"1 2","name":"db","tables":{"a":{"columns":{"y":{"type":{"key":"string","max":"unlimited","#,
            r#""min":0}},"z":{"type":"real"}}},"b":{"columns":{"x":{"type":"integer"}}}},"version":"1.2.3"}"#
        ),
    );
}

#[test]
fn everything_else_is_printed() {
    let text = concat!(
        r#"{"name":"db","tables":{"t":{"columns":{"#,
        r#""a":{"ephemeral":true,"mutable":false,"type":{"key":{"enum":["set",["x","y"]],"type":"string"}}},"#,
        r#""b":{"type":{"key":{"maxInteger":4,"minInteger":-4,"type":"integer"},"max":7,"min":0,"#,
        r#""value":{"maxReal":2.5,"minReal":0,"type":"real"}}},"#,
        r#""c":{"type":{"key":{"maxLength":9,"minLength":1,"type":"string"}}},"#,
        r#""d":{"type":{"key":{"refTable":"t","refType":"weak","type":"uuid"},"max":"unlimited","min":0}},"#,
        r#""e":{"type":{"key":{"enum":1,"type":"integer"}}},"#,
        r#""f":{"type":{"key":"string","value":"uuid"}}"#,
        r#"},"indexes":[["c","b"],["e"]],"isRoot":true,"maxRows":3,"mutable":false},"#,
        r#""u":{"columns":{"x":{"type":"boolean"}}}}}"#
    );
    prints_back(text, text);
}

#[test]
fn without_any_root_all_tables_are_roots_and_is_root_is_left_out() {
    let tables = |a: &str, b: &str| {
        let column = r#""columns":{"x":{"type":"integer"}}"#;
        format!(r#"{{"name":"db","tables":{{"a":{{{column}{a}}},"b":{{{column}{b}}}}}}}"#)
    };
    let (root, no_root) = (r#","isRoot":true"#, r#","isRoot":false"#);
    for (a, b, printed_a, printed_b) in [
        ("", "", "", ""),
        (no_root, no_root, "", ""),
        (root, root, "", ""),
        (root, "", root, ""),
        (no_root, root, "", root),
    ] {
        prints_back(&tables(a, b), &tables(printed_a, printed_b));
    }
    assert!(
        parse(&tables("", ""))
            .unwrap()
            .tables
            .iter()
            .all(|table| table.is_root)
    );
}

#[test]
fn weak_references_are_mutable_whatever_the_schema_says() {
    prints_back(
        &with_columns(
            r#"{"x":{"mutable":false,"type":{"key":{"type":"uuid","refTable":"t","refType":"weak"}}}}"#,
        ),
        &with_columns(r#"{"x":{"type":{"key":{"refTable":"t","refType":"weak","type":"uuid"}}}}"#),
    );
    prints_back(
        &with_columns(r#"{"x":{"mutable":false,"type":{"key":{"type":"uuid","refTable":"t"}}}}"#),
        &with_columns(r#"{"x":{"mutable":false,"type":{"key":{"refTable":"t","type":"uuid"}}}}"#),
    );
}

#[test]
fn strong_references_to_collected_rows_are_persistent_whatever_the_schema_says() {
    let schema = parse(
        r#"{"name":"db","tables":{
            "root":{"isRoot":true,"columns":{
                "leaf":{"ephemeral":true,"type":{"key":{"type":"uuid","refTable":"leaf"}}},
                "root":{"ephemeral":true,"type":{"key":{"type":"uuid","refTable":"root"}}},
                "value":{"ephemeral":true,"type":{"key":"string","value":{"type":"uuid","refTable":"leaf"}}},
                "weak":{"ephemeral":true,"type":{"key":{"type":"uuid","refTable":"leaf","refType":"weak"}}}}},
            "leaf":{"columns":{"x":{"type":"integer"}}}}}"#,
    )
    .unwrap();
    let (_, table) = schema.table_by_name("root").unwrap();
    let persistent: Vec<(&str, bool)> = table
        .own_columns()
        .map(|column| (column.name.as_str(), column.persistent))
        .collect();
    assert_eq!(
        persistent,
        [
            ("leaf", true),
            ("root", false),
            ("value", true),
            ("weak", false)
        ]
    );
}

#[test]
fn tables_and_columns_are_numbered_by_name() {
    let schema = parse(
        r#"{"name":"db","tables":{
            "b":{"columns":{"Z":{"type":"integer"},"a":{"type":{"key":{"type":"uuid","refTable":"c"},"min":0}}}},
            "c":{"columns":{"x":{"type":"integer"}}},
            "A":{"columns":{"x":{"type":"integer"}}}}}"#,
    )
    .unwrap();
    assert_eq!(schema.table_id("A"), Some(TableId(0)));
    assert_eq!(schema.table_id("b"), Some(TableId(1)));
    assert_eq!(schema.table_id("c"), Some(TableId(2)));
    assert_eq!(schema.table_id("B"), None);
    let table = schema.table(TableId(1));
    for (name, id) in [
        ("_uuid", Some(0)),
        ("_version", Some(1)),
        ("Z", Some(2)),
        ("a", Some(3)),
        ("z", None),
        ("_date", None),
    ] {
        assert_eq!(table.column_id(name).map(ColumnId::index), id, "{name}");
    }
    assert_eq!(table.columns[3].ty.key.ref_table_id(), Some(TableId(2)));
    assert_eq!(
        table.columns[3].ty.key.reference().unwrap().1,
        RefType::Strong
    );
    assert!(!table.column(ColumnId::UUID).mutable && table.column(ColumnId::UUID).persistent);
    assert!(
        !table.column(ColumnId::VERSION).mutable && !table.column(ColumnId::VERSION).persistent
    );
}

#[test]
fn defaults_that_break_their_constraints_are_known() {
    let schema = parse(&with_columns(
        r#"{"a":{"type":{"key":{"type":"string","minLength":1}}},"b":{"type":{"key":{"type":"integer","minInteger":1},
            "min":0}},"c":{"type":"string"},"d":{"type":{"key":"string","value":{"type":"real","enum":["set",[1.5]]}}}}"#,
    ))
    .unwrap();
    let table = schema.table(TableId(0));
    let [a, d] = ["a", "d"].map(|name| table.column_id(name).unwrap());
    assert_eq!(table.unsound_defaults(), [a, d]);
    assert_eq!(
        table.check_default(d).unwrap_err().to_string(),
        "constraint violation: 0 is not one of the allowed values ([1.5])"
    );
}

#[test]
fn versions_have_three_numbers() {
    for (text, numbers) in [
        ("0.0.0", Some([0, 0, 0])),
        ("1.22.333", Some([1, 22, 333])),
        (" 1. 2.+3", Some([1, 2, 3])),
        ("4294967296.1.-1", Some([0, 1, u32::MAX])),
        ("", None),
        ("1.2", None),
        ("1.2.3 ", None),
        ("1.2.3.4", None),
        ("a.b.c", None),
        ("1..2", None),
    ] {
        assert_eq!(
            Version::parse(text).map(|version| version.numbers()),
            numbers,
            "{text:?}"
        );
    }
}

#[test]
fn malformed_databases_are_refused() {
    for (text, words) in [
        ("[]", "Parsing database schema failed: Object expected."),
        (
            "{}",
            "Parsing database schema failed: Required 'name' member is missing.",
        ),
        (
            r#"{"name":"a-b","tables":{}}"#,
            "Parsing database schema failed: Type mismatch for member 'name'.",
        ),
        (
            r#"{"name":"a"}"#,
            "Parsing database schema failed: Required 'tables' member is missing.",
        ),
        (
            r#"{"name":"a","tables":[]}"#,
            "Parsing database schema failed: Type mismatch for member 'tables'.",
        ),
        (
            r#"{"$schema":"x","name":"a","tables":{}}"#,
            "Parsing database schema failed: Member '$schema' is present but not allowed here.",
        ),
        (
            r#"{"name":"a","tables":{},"version":1}"#,
            "Parsing database schema failed: Type mismatch for member 'version'.",
        ),
        (
            r#"{"name":"a","tables":{},"version":"x"}"#,
            "schema version \"x\" not in format x.y.z",
        ),
        (
            r#"{"name":"a","tables":{},"version":""}"#,
            "schema version \"\" not in format x.y.z",
        ),
        (
            r#"{"name":"a","tables":{"_b":{}}}"#,
            "names beginning with \"_\" are reserved",
        ),
        (
            r#"{"name":"a","tables":{"1b":{}}}"#,
            "name must be a valid id",
        ),
    ] {
        let json = json(text);
        let quoted = if json.as_object().is_some() {
            format!("syntax \"{json}\": ")
        } else {
            String::new()
        };
        fails(text, &format!("{quoted}syntax error: {words}"));
    }
    prints_back(r#"{"name":"a","tables":{}}"#, r#"{"name":"a","tables":{}}"#);
}

#[test]
fn malformed_tables_are_refused() {
    let column = r#""columns":{"x":{"type":"integer"}}"#;
    for (table, words) in [
        (
            "{}".into(),
            "Parsing table schema for table t failed: Required 'columns' member is missing.",
        ),
        (
            r#"{"columns":{}}"#.into(),
            "table must have at least one column",
        ),
        (
            r#"{"columns":{"_x":{"type":"integer"}}}"#.into(),
            "names beginning with \"_\" are reserved",
        ),
        (
            r#"{"columns":{"x-y":{"type":"integer"}}}"#.into(),
            "name must be a valid id",
        ),
        (
            format!(r#"{{{column},"maxRows":0}}"#),
            "maxRows must be at least 1",
        ),
        (
            format!(r#"{{{column},"maxRows":-1}}"#),
            "maxRows must be at least 1",
        ),
        (
            format!(r#"{{{column},"maxRows":1.5}}"#),
            "Parsing table schema for table t failed: Type mismatch for member 'maxRows'.",
        ),
        (
            format!(r#"{{{column},"isRoot":1}}"#),
            "Parsing table schema for table t failed: Type mismatch for member 'isRoot'.",
        ),
        (
            format!(r#"{{{column},"extra":1,"more":2}}"#),
            "Parsing table schema for table t failed: Member 'extra' and 1 other member are present but not allowed here.",
        ),
        (
            format!(r#"{{{column},"indexes":[["x"],[]]}}"#),
            "index must have at least one column",
        ),
        (
            format!(r#"{{{column},"indexes":[["_version"]]}}"#),
            "ephemeral columns (such as _version) may not be indexed",
        ),
    ] {
        let quoted = json(&table);
        fails(
            &format!(r#"{{"name":"a","tables":{{"t":{table}}}}}"#),
            &format!("syntax \"{quoted}\": syntax error: {words}"),
        );
    }
    fails(
        r#"{"name":"a","tables":{"t":3}}"#,
        "syntax error: Parsing table schema for table t failed: Object expected.",
    );
    for (index, words) in [
        (r#"["y"]"#, "y is not a valid column name"),
        (r#"["x","x"]"#, "array of distinct column names expected"),
        (r#"[1]"#, "array of distinct column names expected"),
        (r#"{}"#, "array of distinct column names expected"),
    ] {
        let text = format!(r#"{{"name":"a","tables":{{"t":{{{column},"indexes":[{index}]}}}}}}"#);
        fails(&text, &format!("syntax \"{index}\": syntax error: {words}"));
    }
    // The greatest number of rows stands for no limit at all.
    for (max_rows, printed) in [
        ("4294967294", r#","maxRows":4294967294"#),
        ("4294967295", ""),
        ("9e18", ""),
    ] {
        let with = |more: &str| format!(r#"{{"name":"a","tables":{{"t":{{{column}{more}}}}}}}"#);
        prints_back(&with(&format!(r#","maxRows":{max_rows}"#)), &with(printed));
    }
}

#[test]
fn malformed_columns_are_refused() {
    for (column, words) in [
        (
            "{}",
            "Parsing schema for column x failed: Required 'type' member is missing.",
        ),
        (
            r#"{"type":1}"#,
            "Parsing schema for column x failed: Type mismatch for member 'type'.",
        ),
        (
            r#"{"mutable":0,"type":"integer"}"#,
            "Parsing schema for column x failed: Type mismatch for member 'mutable'.",
        ),
        (
            r#"{"persistent":true,"type":"integer"}"#,
            "Parsing schema for column x failed: Member 'persistent' is present but not allowed here.",
        ),
    ] {
        fails(
            &with_columns(&format!(r#"{{"x":{column}}}"#)),
            &format!("syntax \"{column}\": syntax error: {words}"),
        );
    }
    fails(
        &with_columns(r#"{"m":{"type":{"key":"string","value":{"refTable":"no","type":"uuid"}}}}"#),
        "syntax error: column m value refers to undefined table no",
    );
    fails(
        &with_columns(r#"{"m":{"type":{"key":{"refTable":"no","type":"uuid"}}}}"#),
        "syntax error: column m key refers to undefined table no",
    );
}

#[test]
fn ephemeral_columns_are_found() {
    let schema = parse(&with_columns(
        r#"{"a":{"type":"integer"},"b":{"ephemeral":true,"type":"integer"}}"#,
    ))
    .unwrap();
    assert_eq!(schema.ephemeral_column().unwrap().1.name, "b");
    assert!(
        parse(&with_columns(r#"{"a":{"type":"integer"}}"#))
            .unwrap()
            .ephemeral_column()
            .is_none()
    );
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_json_makes_the_parser_panic(
        name in a_json(),
        table in a_json(),
        column in a_json(),
        ty in a_json(),
        key in a_json(),
        whole in a_json(),
    ) {
        let _ = Schema::from_json(&whole);
        let _ = Schema::from_json(&crate::obj! { "name" => name, "tables" => crate::obj! { "t" => table } });
        for column in [
            column,
            crate::obj! { "type" => ty },
            crate::obj! { "type" => crate::obj! { "key" => key.clone(), "value" => key } },
        ] {
            let table = crate::obj! { "columns" => crate::obj! { "x" => column } };
            let _ = Schema::from_json(&crate::obj! { "name" => "db", "tables" => crate::obj! { "t" => table } });
        }
    }
}
