//! Values in JSON: what is accepted, how it is printed, and the words for what is not.

use proptest::prelude::*;

use super::*;
use crate::arbitrary::{a_json, counter, json, uuid};

fn ty(text: &str) -> ColumnType {
    ColumnType::from_json(&json(text)).unwrap()
}

/// Checks what values of a column are printed as, or why they are refused.
#[track_caller]
fn check(type_text: &str, cases: &[(&str, Result<&str, &str>)]) {
    let ty = ty(type_text);
    for (text, expected) in cases {
        let result = Datum::from_json(&json(text), &ty, &mut Symbols::none());
        let printed = result
            .map(|datum| datum.to_json(&ty).to_string())
            .map_err(|error| error.to_string());
        assert_eq!(
            printed,
            expected.map(str::to_owned).map_err(str::to_owned),
            "{text}"
        );
    }
}

#[test]
fn atoms_have_the_type_of_the_column() {
    check(
        r#""integer""#,
        &[
            ("0", Ok("0")),
            ("-0", Ok("0")),
            ("1e3", Ok("1000")),
            ("9223372036854775807", Ok("9223372036854775807")),
            (
                "1.5",
                Err(r#"syntax "1.5": syntax error: expected integer"#),
            ),
            (
                "true",
                Err(r#"syntax "true": syntax error: expected integer"#),
            ),
            (
                "null",
                Err(r#"syntax "null": syntax error: expected integer"#),
            ),
            (r#"["set",[7]]"#, Ok("7")),
            (
                r#"["set",[]]"#,
                Err(
                    r#"syntax "["set",[]]": syntax error: set must have exactly one member but 0 are present"#,
                ),
            ),
            (
                r#"["set",1]"#,
                Err(r#"syntax "["set",1]": syntax error: expected ["set", <array>]"#),
            ),
            (
                r#"["set",[1],2]"#,
                Err(r#"syntax "["set",[1],2]": syntax error: expected ["set", <array>]"#),
            ),
            (
                r#"["map",[]]"#,
                Err(r#"syntax "["map",[]]": syntax error: expected integer"#),
            ),
            ("[]", Err(r#"syntax "[]": syntax error: expected integer"#)),
        ],
    );
    check(
        r#""real""#,
        &[
            ("1", Ok("1")),
            ("-1.25", Ok("-1.25")),
            ("1e37", Ok("1e+37")),
            ("1e20", Ok("1e+20")),
            (
                r#""1""#,
                Err(r#"syntax ""1"": syntax error: expected real"#),
            ),
        ],
    );
    check(
        r#""boolean""#,
        &[
            ("true", Ok("true")),
            ("1", Err(r#"syntax "1": syntax error: expected boolean"#)),
        ],
    );
    check(
        r#""string""#,
        &[
            (r#""""#, Ok(r#""""#)),
            (r#""\u00e9\n""#, Ok("\"é\\n\"")),
            ("{}", Err(r#"syntax "{}": syntax error: expected string"#)),
        ],
    );
    let refused =
        |text: &str| format!("syntax \"{text}\": syntax error: expected [\"uuid\", <string>]");
    check(
        r#""uuid""#,
        &[
            (
                r#"["uuid","3F1BD0D6-7f5e-4c21-9a07-00ff10a0b0c0"]"#,
                Ok(r#"["uuid","3f1bd0d6-7f5e-4c21-9a07-00ff10a0b0c0"]"#),
            ),
            (
                r#"["uuid","x"]"#,
                Err(r#"syntax "["uuid","x"]": syntax error: "x" is not a valid UUID"#),
            ),
            (r#"["uuid",1]"#, Err(&refused(r#"["uuid",1]"#))),
            (
                r#"["named-uuid","x"]"#,
                Err(&refused(r#"["named-uuid","x"]"#)),
            ),
            (
                r#""3f1bd0d6-7f5e-4c21-9a07-00ff10a0b0c0""#,
                Err(&refused(r#""3f1bd0d6-7f5e-4c21-9a07-00ff10a0b0c0""#)),
            ),
        ],
    );
}

#[test]
fn sets_are_sorted_and_hold_nothing_twice() {
    check(
        r#"{"key":"integer","min":1,"max":3}"#,
        &[
            ("5", Ok("5")),
            (r#"["set",[3,1,2]]"#, Ok(r#"["set",[1,2,3]]"#)),
            (
                r#"["set",[2,1,2]]"#,
                Err("ovsdb error: set contains duplicate"),
            ),
            (
                r#"["set",[]]"#,
                Err(
                    r#"syntax "["set",[]]": syntax error: set must have 1 to 3 members but 0 are present"#,
                ),
            ),
            // The number of elements is wrong before any of them is.
            (
                r#"["set",[1,1,1,"x"]]"#,
                Err(
                    r#"syntax "["set",[1,1,1,"x"]]": syntax error: set must have 1 to 3 members but 4 are present"#,
                ),
            ),
            (
                r#"["set",[1,1,"x"]]"#,
                Err(r#"syntax ""x"": syntax error: expected integer"#),
            ),
        ],
    );
    check(
        r#"{"key":"integer","min":0}"#,
        &[
            (r#"["set",[]]"#, Ok(r#"["set",[]]"#)),
            (r#"["set",[1]]"#, Ok("1")),
        ],
    );
    check(
        r#"{"key":"real","min":0,"max":"unlimited"}"#,
        &[(
            r#"["set",[0,-0.0]]"#,
            Err("ovsdb error: set contains duplicate"),
        )],
    );
}

#[test]
fn maps_are_sorted_and_hold_no_key_twice() {
    check(
        r#"{"key":"string","value":"integer","min":1,"max":2}"#,
        &[
            (
                r#"["map",[["b",1],["a",2]]]"#,
                Ok(r#"["map",[["a",2],["b",1]]]"#),
            ),
            (
                r#"["map",[["a",1],["a",1]]]"#,
                Err("ovsdb error: map contains duplicate key"),
            ),
            (
                r#"["map",[]]"#,
                Err(
                    r#"syntax "["map",[]]": syntax error: map must have 1 to 2 members but 0 are present"#,
                ),
            ),
            (
                r#"["set",[]]"#,
                Err(r#"syntax "["set",[]]": syntax error: expected ["map", <array>]"#),
            ),
            (
                "{}",
                Err(r#"syntax "{}": syntax error: expected ["map", <array>]"#),
            ),
            (
                r#"["map",[["a",1,2]]]"#,
                Err(r#"syntax "["a",1,2]": syntax error: expected 2-element array"#),
            ),
            (
                r#"["map",["a"]]"#,
                Err(r#"syntax ""a"": syntax error: expected 2-element array"#),
            ),
            (
                r#"["map",[[1,"x"]]]"#,
                Err(r#"syntax "1": syntax error: expected string"#),
            ),
            (
                r#"["map",[["a","x"]]]"#,
                Err(r#"syntax ""x"": syntax error: expected integer"#),
            ),
        ],
    );
    check(
        r#"{"key":"string","value":"integer"}"#,
        &[(
            r#"["map",[["a",1],["b",2]]]"#,
            Err(concat!(
                r#"syntax "["map",[["a",1],["b",2]]]": syntax error: "#,
                "map must have exactly one member but 2 are present"
            )),
        )],
    );
}

#[test]
fn elements_meet_the_constraints_of_the_column() {
    check(
        r#"{"key":{"type":"string","maxLength":2},"value":{"type":"integer","minInteger":0},"min":0,"max":"unlimited"}"#,
        &[
            (r#"["map",[["ab",0]]]"#, Ok(r#"["map",[["ab",0]]]"#)),
            (
                r#"["map",[["abc",0]]]"#,
                Err(
                    "constraint violation: \"abc\" length 3 is greater than maximum allowed length 2",
                ),
            ),
            (
                r#"["map",[["ab",-1]]]"#,
                Err("constraint violation: -1 is less than minimum allowed value 0"),
            ),
        ],
    );
}

#[test]
fn differences_ignore_the_number_of_elements_but_not_the_other_constraints() {
    let ty = ty(r#"{"key":{"type":"integer","maxInteger":5},"min":1,"max":2}"#);
    let many = json(r#"["set",[1,2,3]]"#);
    assert_eq!(Datum::diff_from_json(&many, &ty).unwrap().len(), 3);
    assert!(
        Datum::diff_from_json(&json(r#"["set",[]]"#), &ty)
            .unwrap()
            .is_empty()
    );
    assert!(Datum::diff_from_json(&json("6"), &ty).is_err());
    assert_eq!(
        Datum::unconstrained_from_json(&json("6"), &ty).unwrap(),
        Datum::from_atom(Atom::Integer(6))
    );
    assert_eq!(Datum::unconstrained_from_json(&many, &ty).unwrap().len(), 3);
}

#[test]
fn named_uuids_are_looked_up_where_they_are_allowed() {
    let ty = ty(r#"{"key":"uuid","min":0,"max":"unlimited"}"#);
    let mut fresh = counter();
    let mut symbols = Symbols::new(&mut fresh);
    let mut parse = |text: &str| {
        Datum::from_json(&json(text), &ty, &mut symbols).map_err(|error| error.to_string())
    };
    let two = parse(r#"["set",[["named-uuid","a"],["named-uuid","b"]]]"#).unwrap();
    assert_eq!(two, Datum::from_atoms([uuid(1), uuid(2)].map(Atom::Uuid)));
    assert_eq!(
        parse(r#"["named-uuid","b"]"#).unwrap(),
        Datum::from_atom(Atom::Uuid(uuid(2)))
    );
    assert_eq!(
        parse(r#"["set",[["named-uuid","a"],["named-uuid","a"]]]"#).unwrap_err(),
        "ovsdb error: set contains duplicate"
    );
    assert_eq!(
        parse(r#"["named-uuid","a-b"]"#).unwrap_err(),
        r#"syntax "["named-uuid","a-b"]": syntax error: named-uuid string is not a valid <id>"#
    );
    assert_eq!(
        parse(r#"["named-uuid",1]"#).unwrap_err(),
        r#"syntax "["named-uuid",1]": syntax error: expected ["uuid", <string>]"#
    );
}

#[test]
fn strings_that_are_not_utf8_are_refused_by_their_bytes() {
    for (bytes, shown) in [
        (&b"ab\xff"[..], "0xff"),
        (b"\x80", "0x80"),
        (b"\xc0\x80", "0xc0"),
        (b"\xe2\x28\xa1", "0xe2 0x28"),
        (b"\xe2\x82\x28", "0xe2 0x82 0x28"),
        (b"\xed\xa0\x80", "0xed 0xa0"),
        (b"\xf0\x9f\x98", "0xf0 0x9f 0x98 0x00"),
        (b"\xf5\x80", "0xf5"),
    ] {
        let result = Datum::from_json(
            &Json::NotUtf8(bytes.into()),
            &ty(r#""string""#),
            &mut Symbols::none(),
        );
        let expected = format!(
            "constraint violation: not a valid UTF-8 string: invalid UTF-8 sequence {shown}"
        );
        assert_eq!(result.unwrap_err().to_string(), expected);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_json_makes_the_parser_panic(
        value in a_json(),
        elements in prop::collection::vec(a_json(), 0..4),
        kind in 0..5usize,
        is_map in any::<bool>(),
    ) {
        let base = BaseType::new(AtomType::ALL[kind]);
        let ty = ColumnType { key: base.clone(), value: is_map.then_some(base), min: 0, max: UNLIMITED };
        for json in [value, crate::arr![if is_map { "map" } else { "set" }, Json::Array(elements)]] {
            if let Ok(datum) = Datum::from_json(&json, &ty, &mut Symbols::none()) {
                let again = Datum::from_json(&datum.to_json(&ty), &ty, &mut Symbols::none());
                prop_assert_eq!(again.unwrap(), datum);
            }
        }
    }
}
