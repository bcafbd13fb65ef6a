//! Values: from what programs have, to what they want, and the same by their text.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use proptest::prelude::*;

use super::*;
use crate::arbitrary::{a_json, counter, json, schema, uuid};
use crate::atom::AtomType;

/// Checks the text of a value, written directly and as JSON, and that it is read again.
#[track_caller]
fn writes(value: impl Into<Value>, expected: &str) {
    let value = value.into();
    let mut text = Vec::new();
    value.write_json(&mut text);
    assert_eq!(String::from_utf8(text).unwrap(), expected);
    assert_eq!(value.to_string(), expected);
    assert_eq!(Value::from_json(&json(expected)), Ok(value), "{expected}");
}

#[test]
fn what_programs_have_becomes_the_values_of_the_protocol() {
    let u = uuid(1);
    let quoted = r#"["uuid","00000000-0000-0000-0000-000000000001"]"#;
    writes(-1i8, "-1");
    writes(255u8, "255");
    writes(-1i16, "-1");
    writes(65535u16, "65535");
    writes(-7i32, "-7");
    writes(u32::MAX, "4294967295");
    writes(i64::MIN, "-9223372036854775808");
    writes(0.5f32, "0.5");
    writes(0.1f64, "0.1");
    writes(true, "true");
    writes("a\"b", r#""a\"b""#);
    writes(String::from("x"), r#""x""#);
    writes(Value::from(&String::from("x")), r#""x""#);
    writes(EcoString::from("x"), r#""x""#);
    writes(u, quoted);
    writes(Atom::Boolean(false), "false");
    writes(Value::from(&Atom::Boolean(false)), "false");
    writes(Term::named("br"), r#"["named-uuid","br"]"#);
    writes(Some(3), "3");
    writes(None::<Uuid>, r#"["set",[]]"#);
    writes(vec!["b", "a"], r#"["set",["b","a"]]"#);
    writes(Vec::<i64>::new(), r#"["set",[]]"#);
    writes(&[1, 2][..], r#"["set",[1,2]]"#);
    writes(
        [Term::named("br"), u.into()],
        &format!(r#"["set",[["named-uuid","br"],{quoted}]]"#),
    );
    writes(BTreeSet::from([2, 1]), r#"["set",[1,2]]"#);
    writes(HashSet::from(["only"]), r#"["set",["only"]]"#);
    writes(
        BTreeMap::from([("k", u)]),
        &format!(r#"["map",[["k",{quoted}]]]"#),
    );
    writes(
        HashMap::from([(1, Term::named("p"))]),
        r#"["map",[[1,["named-uuid","p"]]]]"#,
    );
    writes(Value::empty_map(), r#"["map",[]]"#);
}

#[track_caller]
fn reads<T: FromDatum + PartialEq + std::fmt::Debug>(text: &str, expected: Result<T, &str>) {
    let value = Value::from_json(&json(text)).unwrap();
    let result = value.to::<T>().map_err(|error| error.to_string());
    assert_eq!(result, expected.map_err(str::to_owned), "{text}");
}

#[test]
fn values_become_what_programs_want_or_say_what_they_are_instead() {
    reads("5", Ok(5u8));
    reads::<u8>("256", Err("256 is out of range for u8"));
    reads::<u64>("-1", Err("-1 is out of range for u64"));
    reads("-1", Ok(-1i64));
    reads(r#"["set",[5]]"#, Ok(5i64));
    reads::<i64>(r#"["set",[]]"#, Err("expected exactly one value, found 0"));
    reads::<i64>(
        r#"["set",[1,2]]"#,
        Err("expected exactly one value, found 2"),
    );
    reads::<i64>(r#"["map",[[1,2]]]"#, Err("expected a set, found a map"));
    reads::<i64>("1.5", Err("expected integer, found real"));
    reads("1.5", Ok(1.5f64));
    reads("3", Ok(3.0f64));
    reads::<f64>(r#""3""#, Err("expected real, found string"));
    reads("true", Ok(true));
    reads::<bool>("1", Err("expected boolean, found integer"));
    reads(r#""x""#, Ok(String::from("x")));
    reads(r#""x""#, Ok(EcoString::from("x")));
    reads::<String>("1", Err("expected string, found integer"));
    reads(
        r#"["uuid","00000000-0000-0000-0000-000000000009"]"#,
        Ok(uuid(9)),
    );
    reads::<Uuid>(r#""x""#, Err("expected uuid, found string"));
    reads::<Uuid>(
        r#"["named-uuid","br"]"#,
        Err(r#"named row "br" has no UUID yet"#),
    );
    reads(r#"["set",[]]"#, Ok(None::<i64>));
    reads("1", Ok(Some(1i64)));
    reads::<Option<i64>>(
        r#"["set",[1,2]]"#,
        Err("expected at most one value, found 2"),
    );
    reads::<Option<i64>>(r#"["map",[[1,2]]]"#, Err("expected a set, found a map"));
    reads::<Option<i64>>(r#""x""#, Err("expected integer, found string"));
    reads(r#"["set",[3,1,2]]"#, Ok(vec![1i64, 2, 3]));
    reads("1", Ok(vec![1i64]));
    reads(r#"["set",[3,1]]"#, Ok(BTreeSet::from([1i64, 3])));
    reads(r#"["set",[3,1]]"#, Ok(HashSet::from([1i64, 3])));
    reads::<Vec<i64>>(r#"["map",[[1,2]]]"#, Err("expected a set, found a map"));
    let map = r#"["map",[["b",2],["a",1]]]"#;
    reads(
        map,
        Ok(BTreeMap::from([
            ("a".to_owned(), 1i64),
            ("b".to_owned(), 2),
        ])),
    );
    reads(
        map,
        Ok(HashMap::from([("a".to_owned(), 1i64), ("b".to_owned(), 2)])),
    );
    reads(r#"["map",[]]"#, Ok(BTreeMap::<String, i64>::new()));
    reads::<BTreeMap<String, String>>(map, Err("expected string, found integer"));
    reads::<BTreeMap<i64, i64>>("1", Err("expected a map, found a set"));
}

#[test]
fn order_and_repetition_make_no_difference_between_values() {
    let equal = |a: &Value, b: &Value| {
        assert_eq!(a == b, b == a, "{a} {b}");
        a == b
    };
    let one = Value::from(1);
    assert!(equal(&one, &Value::from([1])));
    assert!(equal(&Value::from([1, 2]), &Value::from([2, 1])));
    assert!(equal(&Value::from([1, 2, 1]), &Value::from([2, 1])));
    assert!(equal(
        &Value::map([(1, 2), (3, 4)]),
        &Value::map([(3, 4), (1, 2)])
    ));
    assert!(!equal(&one, &Value::from(2)));
    assert!(!equal(&one, &Value::empty()));
    assert!(!equal(&one, &Value::named("one")));
    assert!(!equal(&Value::map([(1, 2)]), &Value::map([(1, 3)])));
    assert!(!equal(&Value::empty(), &Value::empty_map()));
}

#[test]
fn what_is_no_value_in_any_column_is_refused() {
    for (text, details) in [
        ("null", "atom expected"),
        ("{}", "atom expected"),
        ("[]", "atom expected"),
        (r#"["set",1]"#, "atom expected"),
        (r#"["set",[["set",[]]]]"#, "atom expected"),
        (r#"["named-uuid","1"]"#, "atom expected"),
        (r#"["uuid","1"]"#, r#""1" is not a valid UUID"#),
        (r#"["map",[[1]]]"#, "expected 2-element array"),
        (r#"["map",[1]]"#, "expected 2-element array"),
    ] {
        let error = Value::from_json(&json(text)).unwrap_err();
        assert_eq!(error.details.as_deref(), Some(details), "{text}");
    }
}

#[test]
fn a_row_has_each_column_once_and_names_the_one_at_fault() {
    let mut row = Row::new().set("a", 1).set("b", "x").set("a", 2);
    assert_eq!(row.get::<i64>("a"), Ok(2));
    assert_eq!(row.len(), 2);
    let mut text = Vec::new();
    row.write_json(&mut text);
    assert_eq!(String::from_utf8(text).unwrap(), r#"{"a":2,"b":"x"}"#);
    assert_eq!(Row::from_json(&row.to_json()), Ok(row.clone()));
    row.insert("_uuid", uuid(4));
    assert_eq!(row.uuid(), Ok(uuid(4)));
    for (error, words) in [
        (
            row.get::<i64>("b").unwrap_err(),
            r#"column b: expected integer, found string ("x")"#,
        ),
        (row.get::<i64>("c").unwrap_err(), "column c: not in the row"),
    ] {
        assert_eq!(error.to_string(), words);
    }
    let error = Row::from_json(&json(r#"{"a":1,"b":[]}"#)).unwrap_err();
    assert_eq!(
        error.to_string(),
        r#"syntax "[]": syntax error: column b: atom expected"#
    );
    assert_ne!(row, Row::new().set("a", 2).set("b", "x"));
    let again = [("b", "y")].into_iter().collect::<Row>();
    assert_ne!(again, Row::new().set("b", "x"));
    assert_eq!(again, Row::new().set("b", "y"));
}

#[test]
fn a_value_with_names_gets_the_uuids_of_the_rows() {
    let schema = schema();
    let (_, table) = schema.table_by_name("t").unwrap();
    let ty = &table.column(table.column_id("ref").unwrap()).ty;
    let value = Value::from([Term::named("a"), Term::from(uuid(7))]);
    let mut fresh = counter();
    let datum = value.to_datum(ty, &mut Symbols::new(&mut fresh)).unwrap();
    assert_eq!(datum.to::<Vec<Uuid>>(), Ok(vec![uuid(1), uuid(7)]));
    assert!(value.to_datum(ty, &mut Symbols::none()).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_value_that_a_column_takes_is_the_same_value_coming_back(json in a_json()) {
        let schema = schema();
        for column in schema.tables.iter().flat_map(|table| &table.columns) {
            let Ok(datum) = Datum::from_json(&json, &column.ty, &mut Symbols::none()) else {
                continue;
            };
            // What any column takes can be read without knowing the column.
            let read = Value::from_json(&json).unwrap();
            prop_assert_eq!(read.to_datum(&column.ty, &mut Symbols::none()), Ok(datum.clone()));
            let held = Value::from_datum(&datum, &column.ty);
            prop_assert_eq!(held.to_json(), datum.to_json(&column.ty));
            if column.ty.bases().all(|base| base.kind != AtomType::Real) {
                prop_assert_eq!(&held, &read);
                prop_assert_eq!(read.to::<Datum>(), Ok(datum));
            }
        }
    }

    #[test]
    fn whatever_is_read_is_written_and_read_again(json in a_json()) {
        if let Ok(value) = Value::from_json(&json) {
            prop_assert_eq!(Value::from_json(&value.to_json()), Ok(value.clone()));
            let mut text = Vec::new();
            value.write_json(&mut text);
            prop_assert_eq!(String::from_utf8(text).unwrap(), value.to_string());
        }
    }
}
