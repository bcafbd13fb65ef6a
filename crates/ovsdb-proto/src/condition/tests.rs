//! Conditions: how they are parsed and which rows they admit.

use proptest::prelude::*;

use super::*;
use crate::arbitrary::{a_json, json, schema};
use crate::schema::Schema;

fn table(schema: &Schema) -> &TableSchema {
    schema.table_by_name("t").unwrap().1
}

fn parse(schema: &Schema, text: &str) -> Result<Condition, String> {
    let json = json(text);
    Condition::from_json(table(schema), &json, &mut Symbols::none())
        .map_err(|error| error.to_string())
}

/// A row of the table `t` with the given columns and defaults elsewhere.
fn row(schema: &Schema, text: &str) -> Vec<Datum> {
    let table = table(schema);
    let mut row = table.defaults().to_vec();
    for (column, datum) in crate::row::from_json(table, &json(text), &mut Symbols::none()).unwrap()
    {
        row[column.index()] = datum;
    }
    row
}

/// Checks which of `rows` meet each of the conditions: `1` for a row that does.
#[track_caller]
fn check(rows: &[&str], cases: &[(&str, &str)]) {
    let schema = schema();
    let rows: Vec<_> = rows.iter().map(|text| row(&schema, text)).collect();
    for (condition, expected) in cases {
        let parsed = parse(&schema, condition).unwrap();
        let found: String = rows
            .iter()
            .map(|row| if parsed.eval(row) { '1' } else { '0' })
            .collect();
        assert_eq!(found, *expected, "{condition}");
    }
}

#[test]
fn every_clause_must_hold() {
    check(
        &[r#"{"i":1}"#, r#"{"i":2}"#, r#"{"i":2,"s":"x"}"#],
        &[
            ("[]", "111"),
            (r#"[["i","==",2]]"#, "011"),
            (r#"[["i","==",2],["s","==","x"]]"#, "001"),
            (r#"[["i","==",2],["i","==",1]]"#, "000"),
            ("[true]", "111"),
            ("[false]", "000"),
            (r#"[true,["i","==",2]]"#, "011"),
            (r#"[["i","==",2],false]"#, "000"),
        ],
    );
}

#[test]
fn scalars_are_compared() {
    check(
        &[
            r#"{"i":0,"r":-0.5}"#,
            r#"{"i":1,"r":0}"#,
            r#"{"i":2,"r":1.5}"#,
        ],
        &[
            (r#"[["i","<",1]]"#, "100"),
            (r#"[["i","<=",1]]"#, "110"),
            (r#"[["i","==",1]]"#, "010"),
            (r#"[["i","includes",1]]"#, "010"),
            (r#"[["i","!=",1]]"#, "101"),
            (r#"[["i","excludes",1]]"#, "101"),
            (r#"[["i",">=",1]]"#, "011"),
            (r#"[["i",">",1]]"#, "001"),
            (r#"[["i","==",["set",[1]]]]"#, "010"),
            (r#"[["r","<",0]]"#, "100"),
            (r#"[["r",">=",0.0]]"#, "011"),
            (r#"[["b","==",false]]"#, "111"),
            (
                r#"[["u","==",["uuid","00000000-0000-0000-0000-000000000000"]]]"#,
                "111",
            ),
        ],
    );
}

#[test]
fn a_missing_number_is_neither_below_nor_above_anything() {
    check(
        &["{}", r#"{"oi":0}"#, r#"{"oi":1}"#],
        &[
            (r#"[["oi","<",1]]"#, "010"),
            (r#"[["oi","<=",1]]"#, "011"),
            (r#"[["oi",">=",0]]"#, "011"),
            (r#"[["oi",">",0]]"#, "001"),
            (r#"[["oi","==",0]]"#, "010"),
            (r#"[["oi","==",["set",[]]]]"#, "100"),
            (r#"[["oi","!=",0]]"#, "101"),
            (r#"[["oi","!=",["set",[]]]]"#, "011"),
            (r#"[["oi","includes",0]]"#, "010"),
            (r#"[["oi","includes",["set",[]]]]"#, "111"),
            (r#"[["oi","excludes",0]]"#, "101"),
            (r#"[["oi","excludes",["set",[]]]]"#, "111"),
            (r#"[["oi","excludes",["set",[0,1]]]]"#, "100"),
        ],
    );
}

#[test]
fn sets_are_compared_as_a_whole_or_in_part() {
    check(
        &[
            "{}",
            r#"{"is":0}"#,
            r#"{"is":1}"#,
            r#"{"is":["set",[0,1]]}"#,
            r#"{"is":["set",[0,1,2]]}"#,
        ],
        &[
            (r#"[["is","==",["set",[1,0]]]]"#, "00010"),
            (r#"[["is","!=",["set",[1,0]]]]"#, "11101"),
            (r#"[["is","==",0]]"#, "01000"),
            (r#"[["is","includes",["set",[]]]]"#, "11111"),
            (r#"[["is","includes",0]]"#, "01011"),
            (r#"[["is","includes",["set",[0,1]]]]"#, "00011"),
            (r#"[["is","excludes",["set",[]]]]"#, "11111"),
            (r#"[["is","excludes",0]]"#, "10100"),
            (r#"[["is","excludes",["set",[1,2]]]]"#, "11000"),
        ],
    );
}

#[test]
fn maps_are_compared_by_pairs() {
    let pairs = |text: &str| format!(r#"{{"sm":["map",[{text}]]}}"#);
    let rows = [
        pairs(""),
        pairs(r#"["a","1"]"#),
        pairs(r#"["a","2"]"#),
        pairs(r#"["a","1"],["b","1"]"#),
    ];
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    check(
        &rows,
        &[
            (r#"[["sm","==",["map",[["a","1"]]]]]"#, "0100"),
            (r#"[["sm","!=",["map",[["a","1"]]]]]"#, "1011"),
            (r#"[["sm","includes",["map",[["a","1"]]]]]"#, "0101"),
            (
                r#"[["sm","includes",["map",[["b","1"],["a","1"]]]]]"#,
                "0001",
            ),
            (r#"[["sm","includes",["map",[]]]]"#, "1111"),
            (r#"[["sm","excludes",["map",[["a","1"]]]]]"#, "1010"),
            (r#"[["sm","excludes",["map",[]]]]"#, "1111"),
        ],
    );
}

#[test]
fn malformed_clauses_are_refused() {
    let schema = schema();
    let ordered = |function: &str, column: &str, arg: &str, english: &str| {
        let clause = format!(r#"["{column}","{function}",{arg}]"#);
        let error = format!(
            "syntax \"{clause}\": syntax error: Type mismatch: \"{function}\" operator may not be applied to column \
             {column} of type {english}."
        );
        (clause, error)
    };
    let cases = [
        ("1".into(), r#"syntax "1": syntax error: Parse error in condition."#.into()),
        (r#""true""#.into(), r#"syntax ""true"": syntax error: Parse error in condition."#.into()),
        (r#"["i","=="]"#.into(), r#"syntax "["i","=="]": syntax error: Parse error in condition."#.into()),
        (r#"["i",0,0]"#.into(), r#"syntax "["i",0,0]": syntax error: Parse error in condition."#.into()),
        (r#"[0,"==",0]"#.into(), r#"syntax "[0,"==",0]": syntax error: Parse error in condition."#.into()),
        (r#"["no","==",0]"#.into(), r#"syntax "["no","==",0]": unknown column: No column no in table t."#.into()),
        (r#"["i","=",0]"#.into(), "unknown function: No function named =.".into()),
        // The reference dies of these two.
        (r#"["i","true",0]"#.into(), "unknown function: No function named true.".into()),
        (r#"["i","false",0]"#.into(), "unknown function: No function named false.".into()),
        (r#"["i","==","x"]"#.into(), r#"syntax ""x"": syntax error: expected integer"#.into()),
        (
            r#"["i","==",["set",[]]]"#.into(),
            r#"syntax "["set",[]]": syntax error: set must have exactly one member but 0 are present"#.into(),
        ),
        (
            r#"["i","includes",["set",[1,2]]]"#.into(),
            r#"syntax "["set",[1,2]]": syntax error: set must have exactly one member but 2 are present"#.into(),
        ),
        (
            r#"["oi","includes",["set",[1,2]]]"#.into(),
            r#"syntax "["set",[1,2]]": syntax error: set must have 0 to 1 members but 2 are present"#.into(),
        ),
        (
            r#"["oi","<",["set",[]]]"#.into(),
            r#"syntax "["set",[]]": syntax error: set must have exactly one member but 0 are present"#.into(),
        ),
        (
            r#"["is2","==",["set",[]]]"#.into(),
            r#"syntax "["set",[]]": syntax error: set must have 1 to 2 members but 0 are present"#.into(),
        ),
        (
            r#"["e","==","up"]"#.into(),
            "constraint violation: up is not one of the allowed values ([left, right])".into(),
        ),
        (
            r#"["u","==",["named-uuid","x"]]"#.into(),
            r#"syntax "["named-uuid","x"]": syntax error: expected ["uuid", <string>]"#.into(),
        ),
        ordered("<", "s", r#""x""#, "string"),
        ordered(">=", "b", "true", "boolean"),
        ordered("<=", "is", "1", "set of integers"),
        ordered(">", "sm", r#"["map",[]]"#, "map of (string, string) pairs"),
    ];
    for (clause, expected) in cases {
        assert_eq!(
            parse(&schema, &format!("[true,{clause}]")).unwrap_err(),
            expected
        );
    }
}

#[test]
fn clauses_come_in_the_order_in_which_they_are_tried() {
    let schema = schema();
    let text = r#"[["s","!=","x"],["i",">",1],true,["is","includes",3],["i","==",2],["_version","==",
        ["uuid","00000000-0000-0000-0000-000000000000"]],["b","==",true],false]"#;
    let condition = parse(&schema, text).unwrap();
    let printed = concat!(
        r#"[false,true,["_version","==",["uuid","00000000-0000-0000-0000-000000000000"]],["b","==",true],["i","==",2],"#,
        r#"["is","includes",3],["i",">",1],["s","!=","x"]]"#
    );
    assert_eq!(condition.to_json(table(&schema)).to_string(), printed);
    assert_eq!(parse(&schema, printed).unwrap(), condition);
}

#[test]
fn lookups_are_found() {
    let schema = schema();
    let column = |name: &str| table(&schema).column_id(name).unwrap();
    let zero = r#"["uuid","00000000-0000-0000-0000-000000000000"]"#;
    for (text, has_uuid, i, both) in [
        ("[]".into(), false, false, false),
        (format!(r#"[["_uuid","==",{zero}]]"#), true, false, false),
        (
            format!(r#"[["i","==",1],["_uuid","includes",{zero}]]"#),
            true,
            true,
            false,
        ),
        (format!(r#"[["_uuid","!=",{zero}]]"#), false, false, false),
        (
            format!(r#"[["_uuid","excludes",{zero}]]"#),
            false,
            false,
            false,
        ),
        (format!(r#"[["u","==",{zero}]]"#), false, false, false),
        (r#"[["s","==","x"],["i","==",1]]"#.into(), false, true, true),
        (
            r#"[["s","==","x"],["i",">=",1]]"#.into(),
            false,
            false,
            false,
        ),
        (r#"[true,["i","==",1]]"#.into(), false, true, false),
    ] {
        let condition = parse(&schema, &text).unwrap();
        assert_eq!(condition.uuid().is_some(), has_uuid, "{text}");
        assert_eq!(condition.equal_value(column("i")).is_some(), i, "{text}");
        assert_eq!(
            condition
                .equal_values(&[column("i"), column("s")])
                .is_some(),
            both,
            "{text}"
        );
    }
    let condition = parse(&schema, r#"[["s","==","x"],["i","!=",1],true,["i","<",5]]"#).unwrap();
    assert_eq!(condition.columns(), [column("i"), column("s")]);
}

#[test]
fn a_monitor_asks_for_one_clause_only() {
    let schema = schema();
    let row = row(&schema, r#"{"i":1,"s":"x"}"#);
    for (text, admits, is_true, is_false) in [
        ("[]", true, true, false),
        ("[true]", true, true, false),
        ("[false]", false, false, true),
        ("[false,false]", false, false, true),
        (r#"[false,["i","==",1]]"#, true, false, false),
        (r#"[["i","==",2],["s","==","x"]]"#, true, false, false),
        (r#"[["i","==",2],["s","==","y"]]"#, false, false, false),
        (r#"[["i","==",2],true]"#, true, true, false),
    ] {
        let condition = parse(&schema, text).unwrap();
        assert_eq!(
            condition.meets_any(|column| &row[column.index()]),
            admits,
            "{text}"
        );
        assert_eq!(condition.is_true_for_monitor(), is_true, "{text}");
        assert_eq!(condition.is_false_for_monitor(), is_false, "{text}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_json_makes_the_parser_panic(clause in a_json(), arg in a_json(), column in 0..18usize, function in 0..8usize) {
        let schema = schema();
        let column = table(&schema).columns[column].name.clone();
        let function = Function::WITH_ARGUMENT[function].as_str();
        let defaults = table(&schema).defaults();
        for clause in [clause, crate::arr![column, function, arg]] {
            if let Ok(condition) = Condition::from_json(table(&schema), &crate::arr![clause], &mut Symbols::none()) {
                condition.eval(defaults);
                condition.to_json(table(&schema));
            }
        }
    }
}
