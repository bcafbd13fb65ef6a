//! The forms that people type and read.

use proptest::prelude::*;

use super::*;
use crate::arbitrary::{counter, json, uuid};

fn ty(text: &str) -> ColumnType {
    ColumnType::from_json(&json(text)).unwrap()
}

#[test]
fn reals_have_fifteen_digits() {
    for (value, expected) in [
        (0.0, "0"),
        (-0.0, "-0"),
        (1.0, "1"),
        (-1.25, "-1.25"),
        (0.1, "0.1"),
        (0.1 + 0.2, "0.3"),
        (1.0 / 3.0, "0.333333333333333"),
        (100.0, "100"),
        (123456789012345.0, "123456789012345"),
        (999999999999999.9, "1e+15"),
        (1e15, "1e+15"),
        (1e37, "1e+37"),
        (0.0001, "0.0001"),
        (0.00001, "1e-05"),
        (0.00390625, "0.00390625"),
        (1.5e-7, "1.5e-07"),
        (f64::MAX, "1.79769313486232e+308"),
        (5e-324, "4.94065645841247e-324"),
        (f64::INFINITY, "inf"),
        (f64::NEG_INFINITY, "-inf"),
    ] {
        assert_eq!(real(value), expected);
    }
}

#[test]
fn strings_are_quoted_where_they_would_be_misread() {
    for (text, string, bare) in [
        ("word", "word", "word"),
        ("a-b.c_1", "a-b.c_1", "a-b.c_1"),
        ("", "\"\"", ""),
        ("two words", "\"two words\"", "two words"),
        ("1st", "\"1st\"", "1st"),
        ("true", "\"true\"", "true"),
        ("false", "\"false\"", "false"),
        ("truer", "truer", "truer"),
        ("é", "\"é\"", "é"),
        ("a\"\\\n", r#""a\"\\\n""#, "a\"\\\n"),
        (
            "ef1bd0d6-7f5e-4c21-9a07-00ff10a0b0c0",
            "\"ef1bd0d6-7f5e-4c21-9a07-00ff10a0b0c0\"",
            "ef1bd0d6-7f5e-4c21-9a07-00ff10a0b0c0",
        ),
    ] {
        let atom = Atom::from(text);
        assert_eq!(atom_to_string(&atom), string);
        assert_eq!(atom_to_bare(&atom), bare);
    }
}

#[test]
fn datums_are_bracketed_where_there_can_be_several() {
    for (type_text, value, string, bare) in [
        (r#""integer""#, "5", "5", "5"),
        (r#"{"key":"integer","min":0}"#, r#"["set",[]]"#, "[]", ""),
        (r#"{"key":"integer","min":0}"#, "5", "5", "5"),
        (r#"{"key":"integer","min":0,"max":2}"#, "5", "[5]", "5"),
        (
            r#"{"key":"string","min":0,"max":"unlimited"}"#,
            r#"["set",["b","a c"]]"#,
            r#"["a c", b]"#,
            "a c b",
        ),
        (
            r#"{"key":"string","value":"integer","min":0}"#,
            r#"["map",[]]"#,
            "{}",
            "",
        ),
        (
            r#"{"key":"string","value":"integer","min":0}"#,
            r#"["map",[["a",1]]]"#,
            "a=1",
            "a=1",
        ),
        (
            r#"{"key":"string","value":"string","min":0,"max":"unlimited"}"#,
            r#"["map",[["b","x y"],["a","1"]]]"#,
            r#"{a="1", b="x y"}"#,
            "a=1 b=x y",
        ),
    ] {
        let ty = ty(type_text);
        let datum = Datum::from_json(&json(value), &ty, &mut Symbols::none()).unwrap();
        assert_eq!(datum_to_string(&datum, &ty), string);
        assert_eq!(datum_to_bare(&datum), bare);
        assert_eq!(
            datum_from_string(&ty, string, &mut Symbols::none()),
            Ok(datum)
        );
    }
}

#[track_caller]
fn check(type_text: &str, cases: &[(&str, Result<&str, &str>)]) {
    let ty = ty(type_text);
    for (text, expected) in cases {
        let found = datum_from_string(&ty, text, &mut Symbols::none())
            .map(|datum| datum_to_string(&datum, &ty));
        assert_eq!(
            found,
            expected.map(str::to_owned).map_err(str::to_owned),
            "{text}"
        );
    }
}

#[test]
fn scalars_are_typed_in_many_ways() {
    check(
        r#""integer""#,
        &[
            ("7", Ok("7")),
            (" -7 ", Ok("-7")),
            ("+7", Ok("7")),
            ("[7]", Ok("7")),
            (
                "9223372036854775808",
                Err("\"9223372036854775808\" is not a valid integer or range"),
            ),
            ("1.5", Err("\"1.5\" is not a valid integer or range")),
            ("x", Err("\"x\" is not a valid integer or range")),
            (
                "1 2",
                Err("1 2: 2 value(s) specified but the maximum number is 1"),
            ),
            (
                "[]",
                Err("[]: 0 value(s) specified but the minimum number is 1"),
            ),
            ("", Err("use \"[]\" to specify the empty set")),
        ],
    );
    check(
        r#""real""#,
        &[
            ("1e3", Ok("1000")),
            ("-0.0", Ok("0")),
            (".5", Ok("0.5")),
            ("1e999", Err("\"1e999\" is not a valid real number")),
            ("nan", Err("\"nan\" is not a valid real number")),
            ("1x", Err("\"1x\" is not a valid real number")),
        ],
    );
    check(
        r#""boolean""#,
        &[
            ("yes", Ok("true")),
            ("on", Ok("true")),
            ("1", Ok("true")),
            ("no", Ok("false")),
            ("off", Ok("false")),
            ("0", Ok("false")),
            (
                "TRUE",
                Err("\"TRUE\" is not a valid boolean (use \"true\" or \"false\")"),
            ),
        ],
    );
    check(
        r#""string""#,
        &[
            ("word", Ok("word")),
            (r#""""#, Ok(r#""""#)),
            (r#""two words""#, Ok(r#""two words""#)),
            (r"two\ words", Ok(r#""two words""#)),
            (r#""\u0041\ud834\udd1e""#, Ok("\"A\u{1d11e}\"")),
            (
                r#""a"b"#,
                Err(r#""a"b: missing quote at end of quoted string"#),
            ),
            (
                r#""a"b"c""#,
                Err(r#""a"b"c": quoted string may not include unescaped ""#),
            ),
            (r#""\q""#, Err(r#""\q": bad escape \q"#)),
            (
                r#""a"#,
                Err(r#""a: quoted string extends past end of argument"#),
            ),
            (r"a\", Err(r"a\: backslash at end of argument")),
        ],
    );
    check(
        r#""uuid""#,
        &[
            (
                "EF1bd0d6-7f5e-4c21-9a07-00ff10a0b0c0",
                Ok("ef1bd0d6-7f5e-4c21-9a07-00ff10a0b0c0"),
            ),
            ("x", Err("\"x\" is not a valid UUID")),
            ("@a", Err("\"@a\" is not a valid UUID")),
        ],
    );
    check(
        r#"{"key":{"type":"integer","maxInteger":5}}"#,
        &[(
            "6",
            Err("constraint violation: 6 is greater than maximum allowed value 5"),
        )],
    );
}

#[test]
fn names_of_rows_begin_with_an_at_sign() {
    let mut fresh = counter();
    let mut symbols = Symbols::new(&mut fresh);
    let ty = ty(r#"{"key":"uuid","max":"unlimited"}"#);
    let datum = datum_from_string(&ty, "@a, @b @c", &mut symbols).unwrap();
    assert_eq!(
        datum.uuids().collect::<Vec<_>>(),
        [uuid(1), uuid(2), uuid(3)]
    );
    assert_eq!(symbols.resolve("@b"), Some(uuid(2)));
}

#[test]
fn sets_and_maps_are_typed_with_or_without_brackets() {
    check(
        r#"{"key":"integer","min":0,"max":"unlimited"}"#,
        &[
            ("3 1,2", Ok("[1, 2, 3]")),
            ("[ 3 , 1 ]", Ok("[1, 3]")),
            ("[1 2", Err("[1 2: missing \"]\" at end of data")),
            ("[1] 2", Err("[1] 2: trailing garbage after \"]\"")),
            (
                "1,,2",
                Err("1,,2: unexpected \",\" parsing set of integers"),
            ),
            ("1=2", Err("1=2: unexpected \"=\" parsing set of integers")),
            ("1 1", Err("1 1: set contains duplicate value")),
        ],
    );
    check(
        r#"{"key":"string","value":"integer","min":0,"max":2}"#,
        &[
            ("b=2 a=1", Ok("{a=1, b=2}")),
            ("{b = 2, a=1}", Ok("{a=1, b=2}")),
            ("{}", Ok("{}")),
            ("", Err("use \"{}\" to specify the empty map")),
            ("a", Err("a: syntax error at \"\" expecting \"=\"")),
            ("a:1", Err("a:1: syntax error at \":\" expecting \"=\"")),
            ("a=1 a=2", Err("a=1 a=2: map contains duplicate key")),
            (
                "a=1 b=2 c=3",
                Err("a=1 b=2 c=3: 3 pair(s) specified but the maximum number is 2"),
            ),
        ],
    );
}

#[test]
fn ranges_stand_for_integers() {
    check(
        r#"{"key":"integer","min":0,"max":"unlimited"}"#,
        &[
            ("1-3", Ok("[1, 2, 3]")),
            ("-2-+1 7", Ok("[-2, -1, 0, 1, 7]")),
            ("-2--1", Ok("[-2, -1]")),
            ("4-4", Ok("[4]")),
            (
                "3-1",
                Err("\"3-1\" is not a valid range. Range end cannot be before start."),
            ),
            ("1-", Err("\"1-\" is not a valid integer or range")),
            (
                "1-4097",
                Err(
                    "constraint violation: Range \"1-4097\" is too big. Maximum allowed size is 4096.",
                ),
            ),
            (
                "-9223372036854775808-9223372036854775807",
                Err(concat!(
                    "constraint violation: Range \"-9223372036854775808-9223372036854775807\" is too big. ",
                    "Maximum allowed size is 4096."
                )),
            ),
        ],
    );
    check(
        r#"{"key":{"type":"integer","enum":["set",[1,2,4]]},"min":0,"max":"unlimited"}"#,
        &[
            ("1-2", Ok("[1, 2]")),
            (
                "1-4",
                Err("constraint violation: 3 is not one of the allowed values ([1, 2, 4])"),
            ),
        ],
    );
}

#[test]
fn tokens_end_at_delimiters_that_are_not_quoted() {
    for (text, expected) in [
        ("a=b", Ok(("a", "=b"))),
        (r#""a=b" c"#, Ok((r#""a=b""#, " c"))),
        (r"a\=b:c", Ok(("a=b", ":c"))),
        (r#""a\"b""#, Ok((r#""a\"b""#, ""))),
        ("", Ok(("", ""))),
        ("=x", Ok(("", "=x"))),
    ] {
        let expected: Result<(&str, &str), String> = expected;
        assert_eq!(
            token(text),
            expected.map(|(token, rest)| (token.to_owned(), rest)),
            "{text}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_string_form_reads_back(strings in prop::collection::btree_set("\\PC{0,6}", 0..6), pairs in prop::collection::btree_map("\\PC{0,6}", any::<i64>(), 0..6)) {
        let set = Datum::from_atoms(strings.into_iter().map(Atom::from));
        let map = Datum::from_pairs(pairs.into_iter().map(|(key, value)| (Atom::from(key), Atom::Integer(value))));
        for (datum, ty) in [
            (set, ty(r#"{"key":"string","min":0,"max":"unlimited"}"#)),
            (map, ty(r#"{"key":"string","value":"integer","min":0,"max":"unlimited"}"#)),
        ] {
            let text = datum_to_string(&datum, &ty);
            prop_assert_eq!(datum_from_string(&ty, &text, &mut Symbols::none()), Ok(datum));
        }
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in "[-+0-9a\"\\\\u=,\\[\\]{}@é ]{0,12}") {
        for kind in AtomType::ALL {
            let set = ColumnType { min: 0, max: UNLIMITED, ..ColumnType::scalar(kind) };
            let map = ColumnType { value: Some(BaseType::new(kind)), ..set.clone() };
            let _ = datum_from_string(&set, &text, &mut Symbols::none());
            let _ = datum_from_string(&map, &text, &mut Symbols::none());
        }
    }
}
