//! What is left of a schema for a client that chose some of it.

use super::*;
use crate::arbitrary;
use crate::atom::Atom;
use crate::datum::Datum;

fn schema() -> Schema {
    let text = r#"{"name":"db","version":"1.2.3","tables":{
        "Bridge":{"isRoot":true,"indexes":[["name"],["name","kind"]],"columns":{
            "kind":{"type":{"key":{"type":"string","enum":["set",["a","b"]]}}},
            "name":{"type":{"key":{"type":"string","minLength":1,"maxLength":3}}},
            "ports":{"type":{"key":{"type":"uuid","refTable":"Port"},"min":0,"max":"unlimited"}},
            "tags":{"type":{"key":{"type":"integer","minInteger":1,"maxInteger":9},
                            "value":{"type":"uuid","refTable":"Bridge","refType":"weak"},"min":0,"max":4}}}},
        "Port":{"columns":{"name":{"type":"string"},"rate":{"type":{"key":{"type":"real","maxReal":2.5}}}}}}}"#;
    Schema::from_json(&arbitrary::json(text)).unwrap()
}

/// The tables and columns of `schema`, with the tables that references lead to.
fn words(schema: &Schema) -> Vec<String> {
    let column = |column: &ColumnSchema| {
        let to = column.ty.bases().filter_map(BaseType::ref_table_id);
        let to = to.map(|id| format!(">{}", schema.table(id).name));
        format!(" {}:{}{}", column.name, column.ty, to.collect::<String>())
    };
    let table = |table: &TableSchema| {
        let columns: String = table.own_columns().map(column).collect();
        format!("{}{columns}", table.name)
    };
    schema.tables.iter().map(table).collect()
}

#[test]
fn of_a_schema_there_is_left_what_was_chosen() {
    let ports = "ports:set of uuids";
    let tags = "tags:map of up to 4 (integer, uuid) pairs";
    // (chosen, tables with their columns, what is missing)
    let cases: [(Selection, Vec<String>, Vec<&str>); 6] = [
        (Selection::new(), vec![], vec![]),
        (
            Selection::all(),
            vec![
                format!("Bridge kind:string name:string {ports}>Port {tags}>Bridge"),
                "Port name:string rate:real".into(),
            ],
            vec![],
        ),
        (
            Selection::new().columns("Bridge", ["tags", "ports", "_uuid", "ports"]),
            vec![format!("Bridge {ports} {tags}>Bridge")],
            vec![],
        ),
        (
            Selection::all().columns("Bridge", [""; 0]),
            vec!["Bridge".into(), "Port name:string rate:real".into()],
            vec![],
        ),
        (
            Selection::new()
                .table("Switch")
                .columns("Port", ["rate", "speed", "age"]),
            vec!["Port rate:real".into()],
            vec!["Port age", "Port speed", "Switch"],
        ),
        (
            Selection::new().columns("Port", ["rate"]).table("Port"),
            vec!["Port name:string rate:real".into()],
            vec![],
        ),
    ];
    for (selection, tables, missing) in cases {
        let projection = schema().project(&selection);
        assert_eq!(words(&projection.schema), tables, "{selection:?}");
        let name = |(table, column): &(EcoString, Option<EcoString>)| match column {
            Some(column) => format!("{table} {column}"),
            None => table.to_string(),
        };
        let found: Vec<String> = projection.missing.iter().map(name).collect();
        assert_eq!(found, missing, "{selection:?}");
        assert_eq!(projection.schema.name, "db");
    }
}

#[test]
fn values_that_the_schema_forbids_are_admitted_and_numbers_of_elements_are_kept() {
    let (whole, projection) = (schema(), schema().project(&Selection::all()));
    // (table, column, value)
    let cases = [
        ("Bridge", "kind", Datum::from_atom(Atom::String("c".into()))),
        ("Bridge", "name", Datum::from_atom(Atom::String("".into()))),
        ("Bridge", "tags", {
            Datum::from_pair(Atom::Integer(10), Atom::Uuid(crate::uuid::Uuid::ZERO))
        }),
        ("Port", "rate", Datum::from_atom(Atom::Real(2.75))),
    ];
    for (table, column, value) in cases {
        let ty = |schema: &Schema| {
            let (_, table) = schema.table_by_name(table).unwrap();
            table.column(table.column_id(column).unwrap()).ty.clone()
        };
        let (before, after) = (ty(&whole), ty(&projection.schema));
        assert!(!value.fits(&before), "{table} {column}");
        assert!(value.fits(&after), "{table} {column}");
        assert_eq!((before.min, before.max), (after.min, after.max));
    }
}

#[test]
fn an_index_stays_if_all_its_columns_do() {
    // (columns, indexes by the places of their columns in rows)
    let cases: [(&[&str], &[&[usize]]); 3] = [
        (&["kind", "name"], &[&[3], &[3, 2]]),
        (&["name"], &[&[2]]),
        (&["kind"], &[]),
    ];
    for (columns, expected) in cases {
        let selection = Selection::new().columns("Bridge", columns.iter().copied());
        let schema = schema().project(&selection).schema;
        let indexes = schema.tables[0].indexes.iter();
        let indexes = indexes.map(|index| index.iter().map(|id| id.index()).collect());
        assert_eq!(indexes.collect::<Vec<Vec<_>>>(), expected, "{columns:?}");
    }
}

#[test]
fn versions_of_rows_are_told_to_those_who_ask_for_them() {
    let selection = Selection::all().columns("Port", ["_version"]);
    assert!(selection.has_version("Port"));
    assert!(!selection.has_version("Bridge"));
    let projection = schema().project(&selection);
    assert_eq!(projection.missing, []);
    assert_eq!(words(&projection.schema)[1], "Port");
}

#[test]
fn equal_parts_of_different_schemas_are_equal() {
    let selection = Selection::new().columns("Port", ["name"]);
    let part = |schema: &Schema| schema.project(&selection).schema.tables[0].to_json(true);
    let whole = schema();
    let new = Schema::from_json(&arbitrary::json(
        r#"{"name":"db","tables":{
            "Apple":{"isRoot":true,"columns":{"name":{"type":"string"}}},
            "Port":{"columns":{"age":{"type":"integer"},"name":{"type":"string"}}}}}"#,
    ));
    assert_eq!(part(&whole), part(&whole.evolve(new.unwrap()).schema));
}
