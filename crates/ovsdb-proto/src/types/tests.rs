//! Types: what is accepted, how it is printed, the words for what is not, and the constraints at work.

use super::*;
use crate::arbitrary::json;

#[track_caller]
fn prints_back(text: &str, expected: &str) {
    let ty = ColumnType::from_json(&json(text)).unwrap();
    assert_eq!(ty.to_json().to_string(), expected, "{text}");
    assert_eq!(ColumnType::from_json(&ty.to_json()).unwrap(), ty, "{text}");
}

#[track_caller]
fn fails(text: &str, expected: &str) {
    assert_eq!(
        ColumnType::from_json(&json(text)).unwrap_err().to_string(),
        expected,
        "{text}"
    );
}

#[test]
fn types_are_printed_in_their_shortest_form() {
    for (text, expected) in [
        (r#""integer""#, r#""integer""#),
        (r#"{"key":"real"}"#, r#""real""#),
        (
            r#"{"key":{"type":"boolean"},"min":1,"max":1}"#,
            r#""boolean""#,
        ),
        (
            r#"{"key":{"type":"uuid","refTable":"t","refType":"strong"}}"#,
            r#"{"key":{"refTable":"t","type":"uuid"}}"#,
        ),
        (r#"{"key":"string","min":0}"#, r#"{"key":"string","min":0}"#),
        (
            r#"{"key":"string","max":"unlimited"}"#,
            r#"{"key":"string","max":"unlimited"}"#,
        ),
        (
            r#"{"key":"string","max":4294967294}"#,
            r#"{"key":"string","max":4294967294}"#,
        ),
        (
            r#"{"key":"string","value":"string","max":1}"#,
            r#"{"key":"string","value":"string"}"#,
        ),
        (
            r#"{"key":{"type":"integer","enum":["set",[3,1,2]]}}"#,
            r#"{"key":{"enum":["set",[1,2,3]],"type":"integer"}}"#,
        ),
        (
            r#"{"key":{"type":"integer","enum":["set",[3]]}}"#,
            r#"{"key":{"enum":3,"type":"integer"}}"#,
        ),
        (
            r#"{"key":{"type":"real","minReal":-1.5,"maxReal":10}}"#,
            r#"{"key":{"maxReal":10,"minReal":-1.5,"type":"real"}}"#,
        ),
        (
            r#"{"key":{"type":"string","minLength":0,"maxLength":4294967295}}"#,
            r#""string""#,
        ),
        (
            r#"{"key":{"type":"integer","minInteger":-9223372036854775808,"maxInteger":9223372036854775807}}"#,
            r#""integer""#,
        ),
    ] {
        prints_back(text, expected);
    }
}

#[test]
fn malformed_types_are_refused() {
    for (text, expected) in [
        ("1", r#"syntax "1": syntax error: ovsdb type expected"#),
        (
            r#""int""#,
            r#"syntax ""int"": syntax error: "int" is not an atomic-type"#,
        ),
        (
            "{}",
            r#"syntax "{}": syntax error: Parsing ovsdb type failed: Required 'key' member is missing."#,
        ),
        (
            r#"{"key":1}"#,
            r#"syntax "{"key":1}": syntax error: Parsing ovsdb type failed: Type mismatch for member 'key'."#,
        ),
        (
            r#"{"key":"void"}"#,
            r#"syntax ""void"": syntax error: "void" is not an atomic-type"#,
        ),
        (
            r#"{"key":{"type":"x"}}"#,
            r#"syntax ""x"": syntax error: "x" is not an atomic-type"#,
        ),
        (
            r#"{"key":{}}"#,
            r#"syntax "{}": syntax error: Parsing ovsdb type failed: Required 'type' member is missing."#,
        ),
        (
            r#"{"key":"integer","min":-1}"#,
            r#"syntax "-1": syntax error: bad min or max value"#,
        ),
        (
            r#"{"key":"integer","max":4294967295}"#,
            r#"syntax "4294967295": syntax error: bad min or max value"#,
        ),
        (
            r#"{"key":"integer","max":"none"}"#,
            r#"syntax ""none"": syntax error: bad min or max value"#,
        ),
        (
            r#"{"key":"integer","min":2,"max":3}"#,
            r#"syntax "{"key":"integer","max":3,"min":2}": syntax error: ovsdb type fails constraint checks"#,
        ),
        (
            r#"{"key":"integer","max":0}"#,
            r#"syntax "{"key":"integer","max":0}": syntax error: ovsdb type fails constraint checks"#,
        ),
        (
            r#"{"key":{"type":"integer","minInteger":5,"maxInteger":3}}"#,
            concat!(
                r#"syntax "{"maxInteger":3,"minInteger":5,"type":"integer"}": syntax error: "#,
                "minInteger exceeds maxInteger"
            ),
        ),
        (
            r#"{"key":{"type":"real","minReal":5,"maxReal":3}}"#,
            r#"syntax "{"maxReal":3,"minReal":5,"type":"real"}": syntax error: minReal exceeds maxReal"#,
        ),
        (
            r#"{"key":{"type":"string","minLength":5,"maxLength":3}}"#,
            r#"syntax "{"maxLength":3,"minLength":5,"type":"string"}": syntax error: minLength exceeds maxLength"#,
        ),
        (
            r#"{"key":{"type":"string","minLength":-1}}"#,
            r#"syntax "-1": syntax error: minLength out of valid range 0 to 4294967295"#,
        ),
        (
            r#"{"key":{"type":"uuid","refTable":"t","refType":"soft"}}"#,
            concat!(
                r#"syntax "{"refTable":"t","refType":"soft","type":"uuid"}": syntax error: "#,
                r#"refType must be "strong" or "weak" (not "soft")"#
            ),
        ),
        (
            r#"{"key":{"type":"uuid","refType":"weak"}}"#,
            concat!(
                r#"syntax "{"refType":"weak","type":"uuid"}": syntax error: Parsing ovsdb type failed: "#,
                "Member 'refType' is present but not allowed here."
            ),
        ),
        (
            r#"{"key":{"type":"integer","enum":["set",[1]],"minInteger":0}}"#,
            concat!(
                r#"syntax "{"enum":["set",[1]],"minInteger":0,"type":"integer"}": syntax error: "#,
                "Parsing ovsdb type failed: Member 'minInteger' is present but not allowed here."
            ),
        ),
        (
            r#"{"key":{"type":"integer","enum":["set",[]]}}"#,
            r#"syntax "["set",[]]": syntax error: set must have 1 to 4294967295 members but 0 are present"#,
        ),
        (
            r#"{"key":{"type":"integer","enum":["set",[1,1]]}}"#,
            "ovsdb error: set contains duplicate",
        ),
        (
            r#"{"key":{"type":"integer","enum":"x"}}"#,
            r#"syntax ""x"": syntax error: expected integer"#,
        ),
    ] {
        fails(text, expected);
    }
}

#[test]
fn constraints_are_checked_with_the_reference_words() {
    for (base, atom, expected) in [
        (
            r#"{"type":"integer","minInteger":1,"maxInteger":9}"#,
            Atom::Integer(1),
            None,
        ),
        (
            r#"{"type":"integer","minInteger":1,"maxInteger":9}"#,
            Atom::Integer(9),
            None,
        ),
        (
            r#"{"type":"integer","minInteger":1,"maxInteger":9}"#,
            Atom::Integer(0),
            Some("0 is not in the valid range 1 to 9 (inclusive)"),
        ),
        (
            r#"{"type":"integer","minInteger":1}"#,
            Atom::Integer(-7),
            Some("-7 is less than minimum allowed value 1"),
        ),
        (
            r#"{"type":"integer","maxInteger":1}"#,
            Atom::Integer(2),
            Some("2 is greater than maximum allowed value 1"),
        ),
        (
            r#"{"type":"real","minReal":-1.5,"maxReal":10}"#,
            Atom::Real(10.25),
            Some("10.25 is not in the valid range -1.5 to 10 (inclusive)"),
        ),
        (
            r#"{"type":"real","minReal":0.1}"#,
            Atom::Real(0.0999999999999999),
            Some("0.0999999999999999 is less than minimum allowed value 0.1"),
        ),
        (
            r#"{"type":"real","maxReal":1e20}"#,
            Atom::Real(1e300),
            Some("1e+300 is greater than maximum allowed value 1e+20"),
        ),
        (
            r#"{"type":"string","minLength":2,"maxLength":3}"#,
            Atom::from("äöü"),
            None,
        ),
        (
            r#"{"type":"string","minLength":2,"maxLength":3}"#,
            Atom::from("ä"),
            Some("\"ä\" length 1 is less than minimum allowed length 2"),
        ),
        (
            r#"{"type":"string","maxLength":3}"#,
            Atom::from("abcd"),
            Some("\"abcd\" length 4 is greater than maximum allowed length 3"),
        ),
        (
            r#"{"type":"string","enum":["set",["a","b c"]]}"#,
            Atom::from("a"),
            None,
        ),
        (
            r#"{"type":"string","enum":["set",["a","b c"]]}"#,
            Atom::from("true"),
            Some(r#""true" is not one of the allowed values ([a, "b c"])"#),
        ),
        (
            r#"{"type":"boolean","enum":true}"#,
            Atom::Boolean(false),
            Some("false is not one of the allowed values ([true])"),
        ),
        (
            r#"{"type":"uuid","refTable":"t"}"#,
            Atom::Uuid(crate::uuid::Uuid::ZERO),
            None,
        ),
    ] {
        let base = BaseType::from_json(&json(base)).unwrap();
        let found = base.check(&atom).map_err(|error| error.to_string());
        let expected = expected.map_or(Ok(()), |words| {
            Err(format!("constraint violation: {words}"))
        });
        assert_eq!(found, expected);
    }
}

#[test]
fn types_read_as_english() {
    for (text, english) in [
        (r#""integer""#, "integer"),
        (r#"{"key":"integer","min":0}"#, "set of up to 1 integers"),
        (
            r#"{"key":"real","min":0,"max":"unlimited"}"#,
            "set of reals",
        ),
        (
            r#"{"key":"uuid","max":"unlimited"}"#,
            "set of 1 or more uuids",
        ),
        (r#"{"key":"string","max":5}"#, "set of 1 to 5 strings"),
        (
            r#"{"key":"string","value":"boolean"}"#,
            "map of 1 to 1 (string, boolean) pairs",
        ),
        (
            r#"{"key":"string","value":"boolean","min":0,"max":"unlimited"}"#,
            "map of (string, boolean) pairs",
        ),
    ] {
        assert_eq!(
            ColumnType::from_json(&json(text)).unwrap().to_string(),
            english
        );
    }
}

#[test]
fn kinds_of_type_are_told_apart() {
    for (text, [scalar, optional_scalar, set, map, composite]) in [
        (r#""integer""#, [true, false, false, false, false]),
        (
            r#"{"key":"integer","min":0}"#,
            [false, true, true, false, false],
        ),
        (
            r#"{"key":"integer","max":2}"#,
            [false, false, true, false, true],
        ),
        (
            r#"{"key":"integer","value":"real"}"#,
            [false, false, false, true, false],
        ),
        (
            r#"{"key":"integer","value":"real","min":0,"max":9}"#,
            [false, false, false, true, true],
        ),
    ] {
        let ty = ColumnType::from_json(&json(text)).unwrap();
        let found = [
            ty.is_scalar(),
            ty.is_optional_scalar(),
            ty.is_set(),
            ty.is_map(),
            ty.is_composite(),
        ];
        assert_eq!(
            found,
            [scalar, optional_scalar, set, map, composite],
            "{text}"
        );
    }
}
