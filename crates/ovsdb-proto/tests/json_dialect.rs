//! The JSON dialect, case by case: what parses and how it is written back, and what does not and why.
//!
//! Unless a test says otherwise, the reference implementation gives the same answers byte for byte.

use ovsdb_proto::json::{self, Json, MAX_DEPTH};

#[track_caller]
fn check(input: &[u8], expect: &str) {
    let output = match json::parse(input) {
        Ok(value) => value.to_string(),
        Err(error) => format!("error: {error}"),
    };
    assert_eq!(output, expect, "input: {}", String::from_utf8_lossy(input));
}

#[track_caller]
fn check_all(cases: &[(&str, &str)]) {
    for (input, expect) in cases {
        check(input.as_bytes(), expect);
    }
}

#[test]
fn containers_are_written_without_space_and_members_by_name() {
    check_all(&[
        (" [   ] ", "[]"),
        ("\t[1, 2,\r\n3 ]\n", "[1,2,3]"),
        ("[ null, false, true ]", "[null,false,true]"),
        (r#"{"b": 2, "a": 1, "c": 3}"#, r#"{"a":1,"b":2,"c":3}"#),
        (
            r#"{"é": 1, "z": 2, "Z": 3, "": 4}"#,
            r#"{"":4,"Z":3,"z":2,"é":1}"#,
        ),
        ("{ }", "{}"),
        ("[[],{},[{}]]", "[[],{},[{}]]"),
    ]);
}

#[test]
fn last_of_members_with_one_name_counts() {
    check_all(&[
        (r#"{"a":1,"b":2,"a":3}"#, r#"{"a":3,"b":2}"#),
        (r#"{"a":1,"a":2,"a":3}"#, r#"{"a":3}"#),
        (
            r#"{"b":1,"a":2,"b":3,"a":4,"c":5}"#,
            r#"{"a":4,"b":3,"c":5}"#,
        ),
        (r#"{"a":1,"\u0061":2}"#, r#"{"a":2}"#),
    ]);
}

#[test]
fn strings_are_unescaped_and_escaped_only_where_needed() {
    check_all(&[
        (
            r#"[" \" \\ \/ \b \f \n \r \t"]"#,
            r#"[" \" \\ / \b \f \n \r \t"]"#,
        ),
        (
            r#"["\u0022 \u005c \u002F \u0008 \u000c \u000A"]"#,
            r#"["\" \\ / \b \f \n"]"#,
        ),
        (r#"["\u0001\u001F\u007f"]"#, "[\"\\u0001\\u001f\u{7f}\"]"),
        (r#"["\u00e9\u20AC\ud834\udd1e"]"#, "[\"é€\u{1d11e}\"]"),
        (r#"["\\"]"#, r#"["\\"]"#),
        (
            "[\"1234567\\n\",\"12345678\\n\"]",
            "[\"1234567\\n\",\"12345678\\n\"]",
        ),
    ]);
}

#[test]
fn integral_numbers_are_integers_in_any_notation() {
    check_all(&[
        ("[0,-0,0.0,-0.0,0e5,0e-10000,0e10000]", "[0,0,0,0,0,0,0]"),
        (
            "[1.0000000000,2.00000000000000000000000000000000000]",
            "[1,2]",
        ),
        (
            "[2e5,2.1234e4,2.1230e3,1E3,1e+3,10e-1]",
            "[200000,21234,2123,1000,1000,1]",
        ),
        (
            "[9223372036854775807,-9223372036854775808]",
            "[9223372036854775807,-9223372036854775808]",
        ),
        (
            "[92233720.36854775807e11,-9.223372036854775808e18]",
            "[9223372036854775807,-9223372036854775808]",
        ),
        (
            "[9223372036854775807.0,100000000000000000000000e-20]",
            "[9223372036854775807,1000]",
        ),
        (
            "[123456789012345678,1234567890123456789]",
            "[123456789012345678,1234567890123456789]",
        ),
    ]);
}

#[test]
fn other_numbers_are_reals_in_the_shortest_form() {
    check_all(&[
        ("[3.5,81.250,-122.026020]", "[3.5,81.25,-122.02602]"),
        (
            "[125e-3,3125e-05,0.0001,0.00001234]",
            "[0.125,0.03125,0.0001,1.234e-05]",
        ),
        (
            "[1.525878906e-5,-1e-7,1e-100]",
            "[1.525878906e-05,-1e-07,1e-100]",
        ),
        ("[1e20,1.5e300,-1e100]", "[1e+20,1.5e+300,-1e+100]"),
        (
            "[123456789012345.5,12345678901234.5]",
            "[123456789012345.5,12345678901234.5]",
        ),
        // Too small for a double.
        ("[1e-9999,-1e-9999]", "[0,0]"),
    ]);
}

#[test]
fn reals_keep_digits_that_the_reference_loses() {
    // The reference writes [0.3,1.79769313486232e+308,9.22337203685478e+18]; the second it cannot read again.
    check_all(&[(
        "[0.30000000000000004,1.7976931348623157e308,9223372036854775808]",
        "[0.30000000000000004,1.7976931348623157e+308,9.223372036854776e+18]",
    )]);
    // The reference wraps around here and reads 0 and 1.
    check(
        "[18446744073709551616,18446744073709551617]".as_bytes(),
        "[1.8446744073709552e+19,1.8446744073709552e+19]",
    );
    // The reference refuses denormal numbers, although it may write them.
    check("[5e-324,1e-310]".as_bytes(), "[5e-324,1e-310]");
}

#[test]
fn reals_that_are_no_json_are_written_as_null() {
    let values = Json::array([f64::NAN, f64::INFINITY, f64::NEG_INFINITY]);
    assert_eq!(values.to_string(), "[null,null,null]");
}

#[test]
fn faults_of_grammar_are_told_with_their_place() {
    check_all(&[
        ("", "error: line 0, column 0, byte 0: empty input stream"),
        (
            " \n ",
            "error: line 1, column 1, byte 3: empty input stream",
        ),
        (
            "1",
            "error: line 0, column 1, byte 1: syntax error at beginning of input",
        ),
        (
            "null",
            "error: line 0, column 4, byte 4: syntax error at beginning of input",
        ),
        (
            "\"xxx\"",
            "error: line 0, column 4, byte 4: syntax error at beginning of input",
        ),
        (
            ",",
            "error: line 0, column 0, byte 0: syntax error at beginning of input",
        ),
        (
            "[1, 2, 3 4, 5]",
            "error: line 0, column 10, byte 10: syntax error expecting ']' or ','",
        ),
        (
            "[1,2,]",
            "error: line 0, column 5, byte 5: syntax error expecting value",
        ),
        (
            "[1,,2]",
            "error: line 0, column 3, byte 3: syntax error expecting value",
        ),
        (
            "[}",
            "error: line 0, column 1, byte 1: syntax error expecting value",
        ),
        (
            "[1}",
            "error: line 0, column 2, byte 2: syntax error expecting ']' or ','",
        ),
        (
            "{\"a\": }",
            "error: line 0, column 6, byte 6: syntax error expecting value",
        ),
        (
            "{\"a\" 1}",
            "error: line 0, column 6, byte 6: syntax error parsing object expecting ':'",
        ),
        (
            "{\"a\":1 \"b\"",
            "error: line 0, column 9, byte 9: syntax error expecting '}' or ','",
        ),
        (
            "{\"a\":1,}",
            "error: line 0, column 7, byte 7: syntax error parsing object expecting string",
        ),
        (
            "{1: 2}",
            "error: line 0, column 2, byte 2: syntax error parsing object expecting string",
        ),
        (
            "{]",
            "error: line 0, column 1, byte 1: syntax error parsing object expecting string",
        ),
        (
            "[1]null",
            "error: line 0, column 7, byte 7: trailing garbage at end of input",
        ),
        (
            "[]\n[]",
            "error: line 1, column 0, byte 3: trailing garbage at end of input",
        ),
        (
            "[\n 1 2",
            "error: line 1, column 4, byte 6: syntax error expecting ']' or ','",
        ),
    ]);
}

#[test]
fn missing_end_is_told_where_the_input_ends() {
    check_all(&[
        (
            "[",
            "error: line 0, column 1, byte 1: unexpected end of input",
        ),
        (
            "{\"a\":",
            "error: line 0, column 5, byte 5: unexpected end of input",
        ),
        (
            "[1 ",
            "error: line 0, column 3, byte 3: unexpected end of input",
        ),
        // A number or word is ended by a space of the parser's own, which counts.
        (
            "[1",
            "error: line 0, column 3, byte 3: unexpected end of input",
        ),
        (
            "[true",
            "error: line 0, column 6, byte 6: unexpected end of input",
        ),
        (
            "\"xxx",
            "error: line 0, column 4, byte 4: unexpected end of input in quoted string",
        ),
        (
            "[\"abcd\\\"]",
            "error: line 0, column 9, byte 9: unexpected end of input in quoted string",
        ),
        (
            "[\"\\",
            "error: line 0, column 3, byte 3: unexpected end of input in quoted string",
        ),
    ]);
}

#[test]
fn faults_of_words_and_characters_are_told() {
    check_all(&[
        (
            "[nullify]",
            "error: line 0, column 8, byte 8: invalid keyword 'nullify'",
        ),
        (
            "[nULL]",
            "error: line 0, column 5, byte 5: invalid keyword 'nULL'",
        ),
        (
            "xxx",
            "error: line 0, column 3, byte 3: invalid keyword 'xxx'",
        ),
        (
            "[True]",
            "error: line 0, column 1, byte 1: invalid character 'T'",
        ),
        (
            ";",
            "error: line 0, column 0, byte 0: invalid character ';'",
        ),
        (
            "[+1]",
            "error: line 0, column 1, byte 1: invalid character '+'",
        ),
        (
            "[\u{c}]",
            "error: line 0, column 1, byte 1: invalid character U+000c",
        ),
        (
            "[é]",
            "error: line 0, column 1, byte 1: invalid character U+00c3",
        ),
        (
            "\0",
            "error: line 0, column 0, byte 0: invalid character U+0000",
        ),
    ]);
    let long = format!("[{}]", "x".repeat(10_000));
    check(
        long.as_bytes(),
        &format!(
            "error: line 0, column 10001, byte 10001: invalid keyword '{}'",
            "x".repeat(256)
        ),
    );
}

#[test]
fn faults_of_strings_are_told_at_the_closing_quote() {
    check_all(&[
        (
            r#"["\x12"]"#,
            r"error: line 0, column 6, byte 6: bad escape \x",
        ),
        (
            r#"["\u1x"]"#,
            r"error: line 0, column 6, byte 6: quoted string ends within \u escape",
        ),
        (
            r#"["\u1xyz"]"#,
            r"error: line 0, column 8, byte 8: malformed \u escape",
        ),
        (
            r#"["\ud834xxx"]"#,
            "error: line 0, column 11, byte 11: malformed escaped surrogate pair",
        ),
        (
            r#"["\ud834"]"#,
            "error: line 0, column 8, byte 8: malformed escaped surrogate pair",
        ),
        (
            r#"["\ud834\u1234"]"#,
            "error: line 0, column 14, byte 14: second half of escaped surrogate pair is not trailing surrogate",
        ),
        (
            r#"["\u0000"]"#,
            "error: line 0, column 8, byte 8: null bytes not supported in quoted strings",
        ),
        (
            "[\"\\\0\"]",
            "error: line 0, column 4, byte 4: quoted string may not end with backslash",
        ),
        // A string that is both faulty and out of place is faulty.
        (
            r#"["a" "\q"]"#,
            r"error: line 0, column 8, byte 8: bad escape \q",
        ),
    ]);
}

#[test]
fn control_characters_in_strings_are_told_where_they_are() {
    check_all(&[
        (
            "[\"xxx\n\"]",
            "error: line 0, column 5, byte 5: U+000A must be escaped in quoted string",
        ),
        (
            "[\"\u{c}\"]",
            "error: line 0, column 2, byte 2: U+000C must be escaped in quoted string",
        ),
        (
            "[\"12345678\0\"]",
            "error: line 0, column 10, byte 10: U+0000 must be escaped in quoted string",
        ),
        // The escape before it is not looked at until the string has ended.
        (
            "[\"\\x\u{1}\"]",
            "error: line 0, column 4, byte 4: U+0001 must be escaped in quoted string",
        ),
    ]);
}

#[test]
fn faults_of_numbers_are_told_after_them() {
    check_all(&[
        (
            "[0123]",
            "error: line 0, column 5, byte 5: leading zeros not allowed",
        ),
        (
            "[-]",
            "error: line 0, column 2, byte 2: '-' must be followed by digit",
        ),
        (
            "[--1]",
            "error: line 0, column 4, byte 4: '-' must be followed by digit",
        ),
        (
            "[1.]",
            "error: line 0, column 3, byte 3: decimal point must be followed by digit",
        ),
        (
            "[1e]",
            "error: line 0, column 3, byte 3: exponent must contain at least one digit",
        ),
        (
            "[1e+]",
            "error: line 0, column 4, byte 4: exponent must contain at least one digit",
        ),
        (
            "[1e-]",
            "error: line 0, column 4, byte 4: exponent must contain at least one digit",
        ),
        (
            "[1.2.3]",
            "error: line 0, column 6, byte 6: syntax error in number",
        ),
        (
            "[1-2]",
            "error: line 0, column 4, byte 4: syntax error in number",
        ),
        (
            "[1e400]",
            "error: line 0, column 6, byte 6: number outside valid range",
        ),
        (
            "[-1e9999]",
            "error: line 0, column 8, byte 8: number outside valid range",
        ),
        (
            "[1e9999999999]",
            "error: line 0, column 13, byte 13: exponent outside valid range",
        ),
        (
            "[0e-99999999999]",
            "error: line 0, column 15, byte 15: exponent outside valid range",
        ),
        (
            "[340282366920938463461761716499e2147483647]",
            "error: line 0, column 42, byte 42: exponent outside valid range",
        ),
        (
            "[0.340282366920938463461761716499e-2147483648]",
            "error: line 0, column 45, byte 45: exponent outside valid range",
        ),
    ]);
}

#[test]
fn strings_that_are_not_utf8_are_kept_apart() {
    let value = json::parse(b"[\"a\xff\", \"\\udd1e\", \"ok\"]").expect("such strings parse");
    let expect = [
        Json::NotUtf8(b"a\xff"[..].into()),
        Json::NotUtf8(b"\xed\xb4\x9e"[..].into()),
        Json::string("ok"),
    ];
    assert_eq!(value.as_array(), Some(&expect[..]));
    assert_eq!(expect[0].type_name(), "string");
    assert_eq!(expect[0].as_str(), None);
    assert_eq!(value.to_bytes(), b"[\"a\xff\",\"\xed\xb4\x9e\",\"ok\"]");
    // Names are not needed to the letter: no name of the protocol is like that.
    check(b"{\"\xff\":1}", "{\"\u{fffd}\":1}");
}

#[test]
fn depth_is_limited() {
    for (open, inner, close) in [("[", "", "]"), ("{\"x\":", "0", "}")] {
        let nested = |depth| format!("{}{inner}{}", open.repeat(depth), close.repeat(depth));
        let deepest = nested(MAX_DEPTH);
        check(deepest.as_bytes(), &deepest);
        let at = open.len() * MAX_DEPTH;
        check(
            nested(MAX_DEPTH + 1).as_bytes(),
            &format!(
                "error: line 0, column {at}, byte {at}: input exceeds maximum nesting depth 1000"
            ),
        );
        // Nothing depends on the depth of the input, so a million levels are no worse.
        check(
            open.repeat(1_000_000).as_bytes(),
            &format!(
                "error: line 0, column {at}, byte {at}: input exceeds maximum nesting depth 1000"
            ),
        );
    }
}

#[test]
fn pretty_form_closes_brackets_on_the_last_line() {
    for (input, expect) in [
        ("[]", "[]"),
        ("{}", "{\n  }"),
        ("[[]]", "[\n  []]"),
        (
            r#"{"a":[1,{"b":{}}],"c":[],"d":"x"}"#,
            "{\n  \"a\": [\n    1,\n    {\n      \"b\": {\n        }}],\n  \"c\": [],\n  \"d\": \"x\"}",
        ),
    ] {
        let value = json::parse(input.as_bytes()).expect("the text is JSON");
        assert_eq!(value.to_pretty_string(), expect);
    }
    assert_eq!(Json::Null.to_pretty_string(), "null");
}
