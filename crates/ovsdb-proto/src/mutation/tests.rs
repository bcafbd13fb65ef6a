//! Mutations: how they are parsed and what they do.

use proptest::prelude::*;

use super::*;
use crate::arbitrary::{a_json, json, schema};
use crate::schema::Schema;

fn table(schema: &Schema) -> &TableSchema {
    schema.table_by_name("t").unwrap().1
}

/// Checks what mutations, given as `mutator` and argument, make of a column with the value `before`, or why they fail.
#[track_caller]
fn check(column: &str, before: &str, cases: &[(&str, Result<&str, &str>)]) {
    let schema = schema();
    let table = table(&schema);
    let ty = &table.column(table.column_id(column).unwrap()).ty;
    for (mutation, expected) in cases {
        let mut datum = Datum::from_json(&json(before), ty, &mut Symbols::none()).unwrap();
        let json = json(&format!(r#"["{column}",{mutation}]"#));
        let result = Mutation::from_json(table, &json, &mut Symbols::none())
            .and_then(|mutation| mutation.apply(&mut datum, ty))
            .map(|()| datum.to_json(ty).to_string())
            .map_err(|error| error.to_string());
        assert_eq!(
            result,
            expected.map(str::to_owned).map_err(str::to_owned),
            "{before} {mutation}"
        );
    }
}

fn out_of_range(mutator: &str) -> String {
    format!("range error: Result of \"{mutator}\" operation is out of range.")
}

#[test]
fn integers_are_calculated_with() {
    check(
        "i",
        "-7",
        &[
            (r#""+=",5"#, Ok("-2")),
            (r#""-=",5"#, Ok("-12")),
            (r#""*=",5"#, Ok("-35")),
            (r#""*=",0"#, Ok("0")),
            (r#""*=",-1"#, Ok("7")),
            (r#""/=",2"#, Ok("-3")),
            (r#""%=",2"#, Ok("-1")),
            (r#""%=",-2"#, Ok("-1")),
            (r#""+=",["set",[1]]"#, Ok("-6")),
            (r#""/=",0"#, Err("domain error: Division by zero.")),
            (r#""%=",0"#, Err("domain error: Division by zero.")),
        ],
    );
}

#[test]
fn integers_do_not_wrap_around() {
    let [add, subtract, multiply, divide, remainder] =
        ["+=", "-=", "*=", "/=", "%="].map(out_of_range);
    check(
        "i",
        "9223372036854775807",
        &[
            (r#""+=",1"#, Err(&add)),
            (r#""-=",-1"#, Err(&subtract)),
            (r#""*=",2"#, Err(&multiply)),
            (r#""*=",1"#, Ok("9223372036854775807")),
            (r#""*=",-1"#, Ok("-9223372036854775807")),
            (r#""+=",-9223372036854775808"#, Ok("-1")),
        ],
    );
    check(
        "i",
        "-9223372036854775808",
        &[
            (r#""-=",1"#, Err(&subtract)),
            (r#""*=",-1"#, Err(&multiply)),
            (r#""*=",-2"#, Err(&multiply)),
            (r#""*=",0"#, Ok("0")),
            (r#""/=",-1"#, Err(&divide)),
            (r#""%=",-1"#, Err(&remainder)),
            (r#""/=",1"#, Ok("-9223372036854775808")),
        ],
    );
}

#[test]
fn reals_are_calculated_with() {
    let [add, multiply] = ["+=", "*="].map(out_of_range);
    check(
        "r",
        "1.5",
        &[
            (r#""+=",1"#, Ok("2.5")),
            (r#""-=",0.25"#, Ok("1.25")),
            (r#""*=",-2"#, Ok("-3")),
            (r#""/=",2"#, Ok("0.75")),
            (r#""/=",0"#, Err("domain error: Division by zero.")),
            (r#""/=",-0.0"#, Err("domain error: Division by zero.")),
        ],
    );
    check(
        "r",
        "1.7e308",
        &[
            (r#""+=",1.7e308"#, Err(&add)),
            (r#""*=",10"#, Err(&multiply)),
            (r#""*=",0"#, Ok("0")),
        ],
    );
}

#[test]
fn arithmetic_on_a_set_is_done_to_every_element() {
    check(
        "is",
        r#"["set",[1,2,3]]"#,
        &[
            (r#""+=",1"#, Ok(r#"["set",[2,3,4]]"#)),
            (r#""*=",-1"#, Ok(r#"["set",[-3,-2,-1]]"#)),
            (
                r#""*=",0"#,
                Err("constraint violation: Result of \"*=\" operation contains duplicates."),
            ),
            (
                r#""/=",2"#,
                Err("constraint violation: Result of \"/=\" operation contains duplicates."),
            ),
            (r#""/=",0"#, Err("domain error: Division by zero.")),
        ],
    );
    check(
        "is",
        r#"["set",[]]"#,
        &[
            (r#""+=",1"#, Ok(r#"["set",[]]"#)),
            (r#""/=",0"#, Ok(r#"["set",[]]"#)),
        ],
    );
    check(
        "rs",
        r#"["set",[0.5,1]]"#,
        &[(r#""*=",2"#, Ok(r#"["set",[1,2]]"#))],
    );
}

#[test]
fn results_must_meet_the_constraints_of_the_column() {
    check(
        "ismall",
        r#"["set",[-1,2]]"#,
        &[
            (r#""+=",3"#, Ok(r#"["set",[2,5]]"#)),
            // The argument itself need not be a value that the column could hold.
            (r#""%=",100"#, Ok(r#"["set",[-1,2]]"#)),
            (
                r#""+=",4"#,
                Err("constraint violation: 6 is not in the valid range -5 to 5 (inclusive)"),
            ),
            (
                r#""*=",-5"#,
                Err("constraint violation: -10 is not in the valid range -5 to 5 (inclusive)"),
            ),
            (
                r#""insert",6"#,
                Err("constraint violation: 6 is not in the valid range -5 to 5 (inclusive)"),
            ),
            (
                r#""delete",6"#,
                Err("constraint violation: 6 is not in the valid range -5 to 5 (inclusive)"),
            ),
        ],
    );
}

#[test]
fn elements_come_to_sets_and_go() {
    check(
        "is",
        r#"["set",[1,3]]"#,
        &[
            (r#""insert",2"#, Ok(r#"["set",[1,2,3]]"#)),
            (r#""insert",["set",[3,4,0]]"#, Ok(r#"["set",[0,1,3,4]]"#)),
            (r#""insert",["set",[]]"#, Ok(r#"["set",[1,3]]"#)),
            (r#""delete",3"#, Ok("1")),
            (r#""delete",["set",[1,2,3,4]]"#, Ok(r#"["set",[]]"#)),
            (r#""delete",["set",[]]"#, Ok(r#"["set",[1,3]]"#)),
            (
                r#""insert",["set",[5,5]]"#,
                Err("ovsdb error: set contains duplicate"),
            ),
        ],
    );
    check(
        "is2",
        r#"["set",[1,3]]"#,
        &[
            (r#""insert",3"#, Ok(r#"["set",[1,3]]"#)),
            (
                r#""insert",4"#,
                Err(
                    "constraint violation: Attempted to store 3 elements in set of 1 to 2 integers.",
                ),
            ),
            (
                r#""insert",["set",[1,2,3]]"#,
                Err(
                    r#"syntax "["set",[1,2,3]]": syntax error: set must have 0 to 2 members but 3 are present"#,
                ),
            ),
            (r#""delete",1"#, Ok("3")),
            (
                r#""delete",["set",[1,2,3]]"#,
                Err(
                    "constraint violation: Attempted to store 0 elements in set of 1 to 2 integers.",
                ),
            ),
        ],
    );
    check(
        "oi",
        r#"["set",[]]"#,
        &[
            (r#""insert",4"#, Ok("4")),
            (r#""delete",4"#, Ok(r#"["set",[]]"#)),
        ],
    );
    check(
        "oi",
        "3",
        &[(
            r#""insert",4"#,
            Err("constraint violation: Attempted to store 2 elements in set of up to 1 integers."),
        )],
    );
}

#[test]
fn pairs_come_to_maps_and_go() {
    let before = r#"["map",[["a","1"],["b","2"]]]"#;
    check(
        "sm",
        before,
        &[
            (
                r#""insert",["map",[["c","3"]]]"#,
                Ok(r#"["map",[["a","1"],["b","2"],["c","3"]]]"#),
            ),
            (r#""insert",["map",[["a","9"]]]"#, Ok(before)),
            (
                r#""delete",["map",[["a","1"],["b","9"]]]"#,
                Ok(r#"["map",[["b","2"]]]"#),
            ),
            (
                r#""delete",["set",["a","c"]]"#,
                Ok(r#"["map",[["b","2"]]]"#),
            ),
            (r#""delete","b""#, Ok(r#"["map",[["a","1"]]]"#)),
            (r#""delete",["set",["a","b"]]"#, Ok(r#"["map",[]]"#)),
            (r#""delete",["map",[]]"#, Ok(before)),
            (
                r#""delete",["map",0]"#,
                Err(r#"syntax "["map",0]": syntax error: expected string"#),
            ),
            (
                r#""insert",["set",["a"]]"#,
                Err(r#"syntax "["set",["a"]]": syntax error: expected ["map", <array>]"#),
            ),
            (
                r#""insert",["map",[["a","1"],["a","2"]]]"#,
                Err("ovsdb error: map contains duplicate key"),
            ),
            (
                r#""insert",["map",[["a"]]]"#,
                Err(r#"syntax "["a"]": syntax error: expected 2-element array"#),
            ),
        ],
    );
}

#[test]
fn mutations_that_do_not_suit_the_column_are_refused() {
    let schema = schema();
    let mismatch = |column: &str, mutator: &str, arg: &str, english: &str| {
        let mutation = format!(r#"["{column}","{mutator}",{arg}]"#);
        let error = format!(
            "syntax \"{mutation}\": syntax error: Type mismatch: \"{mutator}\" operator may not be applied to column \
             {column} of type {english}."
        );
        (mutation, error)
    };
    let cases = [
        ("1".into(), r#"syntax "1": syntax error: Parse error in mutation."#.into()),
        (r#"["i","+="]"#.into(), r#"syntax "["i","+="]": syntax error: Parse error in mutation."#.into()),
        (r#"["i",1,1]"#.into(), r#"syntax "["i",1,1]": syntax error: Parse error in mutation."#.into()),
        (r#"["no","+=",1]"#.into(), r#"syntax "["no","+=",1]": unknown column: No column no in table t."#.into()),
        (r#"["i","**=",1]"#.into(), "unknown mutator: No mutator named **=.".into()),
        (
            r#"["fixed","**=",1]"#.into(),
            r#"syntax "["fixed","**=",1]": constraint violation: Cannot mutate immutable column fixed in table t."#.into(),
        ),
        (
            r#"["_uuid","insert",1]"#.into(),
            r#"syntax "["_uuid","insert",1]": constraint violation: Cannot mutate immutable column _uuid in table t."#
                .into(),
        ),
        (r#"["i","+=","1"]"#.into(), r#"syntax ""1"": syntax error: expected integer"#.into()),
        (
            r#"["is","+=",["set",[1,2]]]"#.into(),
            r#"syntax "["set",[1,2]]": syntax error: set must have exactly one member but 2 are present"#.into(),
        ),
        mismatch("i", "insert", "1", "integer"),
        mismatch("i", "delete", "1", "integer"),
        mismatch("s", "+=", r#""x""#, "string"),
        mismatch("b", "*=", "true", "boolean"),
        mismatch("r", "%=", "1", "real"),
        mismatch("rs", "%=", "1", "set of reals"),
        mismatch("im", "+=", "1", "map of (integer, integer) pairs"),
    ];
    for (mutation, expected) in cases {
        let list = json(&format!("[{mutation}]"));
        let error =
            Mutation::list_from_json(table(&schema), &list, &mut Symbols::none()).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn mutations_are_printed_as_they_were_written() {
    let schema = schema();
    for text in [
        r#"["i","+=",1]"#,
        r#"["is","insert",["set",[1,2]]]"#,
        r#"["sm","insert",["map",[["a","b"]]]]"#,
        r#"["sm","delete",["set",["a","b"]]]"#,
        r#"["sm","delete","a"]"#,
    ] {
        let mutation =
            Mutation::from_json(table(&schema), &json(text), &mut Symbols::none()).unwrap();
        assert_eq!(mutation.to_json(table(&schema)).to_string(), text);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn integer_arithmetic_is_exact_or_a_range_error(
        x in prop_oneof![any::<i64>(), -3..4i64, Just(i64::MIN), Just(i64::MAX)],
        y in prop_oneof![any::<i64>(), -3..4i64, Just(i64::MIN), Just(i64::MAX)],
    ) {
        let schema = schema();
        let ty = &table(&schema).column(table(&schema).column_id("i").unwrap()).ty;
        let (wide_x, wide_y) = (i128::from(x), i128::from(y));
        for (mutator, exact) in [
            ("+=", Some(wide_x + wide_y)),
            ("-=", Some(wide_x - wide_y)),
            ("*=", Some(wide_x * wide_y)),
            ("/=", wide_x.checked_div(wide_y)),
            // The remainder by -1 is an error where the quotient would be one.
            ("%=", wide_x.checked_rem(wide_y).map(|rest| if (x, y) == (i64::MIN, -1) { i128::MAX } else { rest })),
        ] {
            let mut datum = Datum::from_atom(Atom::Integer(x));
            let mutation =
                Mutation::from_json(table(&schema), &crate::arr!["i", mutator, y], &mut Symbols::none()).unwrap();
            let expected = match exact {
                None => Err(ErrorTag::DomainError),
                Some(exact) => i64::try_from(exact).map_err(|_| ErrorTag::RangeError),
            };
            let result = mutation.apply(&mut datum, ty).map_err(|error| error.tag);
            prop_assert_eq!(result.map(|()| datum.as_atom().unwrap().as_integer().unwrap()), expected);
        }
    }

    #[test]
    fn no_json_makes_the_parser_panic(mutation in a_json(), arg in a_json(), column in 2..18usize, mutator in 0..7usize) {
        let schema = schema();
        let column = table(&schema).columns[column].name.clone();
        let mutator = Mutator::ALL[mutator].as_str();
        for json in [mutation, crate::arr![column, mutator, arg]] {
            if let Ok(mutation) = Mutation::from_json(table(&schema), &json, &mut Symbols::none()) {
                let mut datum = table(&schema).defaults()[mutation.column.index()].clone();
                let _ = mutation.apply(&mut datum, &table(&schema).column(mutation.column).ty);
                mutation.to_json(table(&schema));
            }
        }
    }
}
