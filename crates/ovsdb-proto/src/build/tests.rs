//! Requests: their texts, which are parsed as what was meant, and the words for what is wrong with them.

mod requests;

use super::*;
use crate::arbitrary::{counter, json, schema, uuid};
use crate::json::Json;
use crate::operation::{self, parse_transact};
use crate::uuid::Uuid;
use crate::value::{Row, Term, Value};

const ZERO: &str = r#"["uuid","00000000-0000-0000-0000-000000000000"]"#;

/// Checks the text of an operation, and that a server of the [`schema`] of tests takes it for such an operation.
#[track_caller]
fn writes(operation: impl Into<Operation>, expected: &str) {
    let operation = operation.into();
    let name = operation.name();
    let transaction = Transaction::new("db").with(operation);
    let text = transaction.to_text().unwrap();
    assert_eq!(text, format!(r#"["db",{expected}]"#));
    assert_eq!(transaction.check(&schema()), Ok(()));
    let params = transaction.to_params().unwrap();
    assert_eq!(Json::Array(params.clone()), json(&text));
    let parsed = parse_transact(&schema(), &params[1..], &mut counter());
    assert_eq!(parsed.parse_error, None, "{text}");
    assert_eq!(parsed.operations.len(), 1);
    assert_eq!(parsed.operations[0].name(), name);
}

#[test]
fn every_operation_is_written_as_the_rfc_has_it() {
    writes(insert("t"), r#"{"op":"insert","table":"t","row":{}}"#);
    writes(
        insert("t").named("x").set("i", 1).set("s", "a").set("i", 2),
        r#"{"op":"insert","table":"t","uuid-name":"x","row":{"i":2,"s":"a"}}"#,
    );
    writes(
        insert("t").uuid(Uuid::ZERO).set("oi", None::<i64>),
        r#"{"op":"insert","table":"t","uuid":"00000000-0000-0000-0000-000000000000","row":{"oi":["set",[]]}}"#,
    );
    writes(
        insert("t").named("x").set("u", Value::named("x")),
        r#"{"op":"insert","table":"t","uuid-name":"x","row":{"u":["named-uuid","x"]}}"#,
    );
    writes(select("t"), r#"{"op":"select","table":"t","where":[]}"#);
    writes(
        select("t")
            .filter(column("i").ge(1))
            .filter(column("i").lt(5))
            .columns(["s", "_uuid"])
            .sort(["i"]),
        concat!(
            r#"{"op":"select","table":"t","where":[["i",">=",1],["i","<",5]],"#,
            r#""columns":["s","_uuid"],"sort":["i"]}"#
        ),
    );
    writes(
        select("t").columns([""; 0]),
        r#"{"op":"select","table":"t","where":[],"columns":[]}"#,
    );
    writes(
        update("t").filter(row(Uuid::ZERO)).set("b", true),
        &format!(
            r#"{{"op":"update","table":"t","where":[["_uuid","==",{ZERO}]],"row":{{"b":true}}}}"#
        ),
    );
    writes(
        mutate("t")
            .filter(true)
            .apply(column("i").add(1))
            .apply(column("is").insert([1, 2])),
        concat!(
            r#"{"op":"mutate","table":"t","where":[true],"#,
            r#""mutations":[["i","+=",1],["is","insert",["set",[1,2]]]]}"#
        ),
    );
    writes(
        delete("t").filter(false),
        r#"{"op":"delete","table":"t","where":[false]}"#,
    );
    writes(
        wait("t").filter(column("i").eq(1)),
        concat!(
            r#"{"op":"wait","table":"t","where":[["i","==",1]],"#,
            r#""columns":["_uuid"],"until":"==","rows":[]}"#
        ),
    );
    writes(
        wait("t")
            .until_not_equal([Row::new().set("i", 1), Row::new().set("s", "").set("i", 2)])
            .timeout_ms(1500),
        concat!(
            r#"{"op":"wait","table":"t","timeout":1500,"where":[],"#,
            r#""columns":["i","s"],"until":"!=","rows":[{"i":1},{"s":"","i":2}]}"#
        ),
    );
    writes(
        wait("t")
            .columns(["i"])
            .until_equal([])
            .timeout_ms(u64::MAX),
        concat!(
            r#"{"op":"wait","table":"t","timeout":9223372036854775807,"where":[],"#,
            r#""columns":["i"],"until":"==","rows":[]}"#
        ),
    );
    writes(commit(true), r#"{"op":"commit","durable":true}"#);
    writes(commit(false), r#"{"op":"commit","durable":false}"#);
    writes(abort(), r#"{"op":"abort"}"#);
    writes(comment("é\n"), r#"{"op":"comment","comment":"é\n"}"#);
    writes(assert("l_1"), r#"{"op":"assert","lock":"l_1"}"#);
}

#[test]
fn every_function_and_mutator_is_written_with_its_word() {
    for (clause, word, arg) in [
        (column("i").eq(1), "==", "1"),
        (column("i").ne(1), "!=", "1"),
        (column("i").lt(1), "<", "1"),
        (column("i").le(1), "<=", "1"),
        (column("i").gt(1), ">", "1"),
        (column("i").ge(1), ">=", "1"),
        (column("i").includes(1), "includes", "1"),
        (column("i").excludes(1), "excludes", "1"),
    ] {
        writes(
            delete("t").filter(clause),
            &format!(r#"{{"op":"delete","table":"t","where":[["i","{word}",{arg}]]}}"#),
        );
    }
    for (mutation, name, word, arg) in [
        (column("i").add(1), "i", "+=", "1"),
        (column("i").subtract(2), "i", "-=", "2"),
        (column("r").multiply(0.5), "r", "*=", "0.5"),
        (column("r").divide(3), "r", "/=", "3"),
        (column("i").remainder(4), "i", "%=", "4"),
        (column("is").insert([5]), "is", "insert", r#"["set",[5]]"#),
        (column("is").delete(6), "is", "delete", "6"),
        (
            column("sm").insert(Value::map([("k", "v")])),
            "sm",
            "insert",
            r#"["map",[["k","v"]]]"#,
        ),
        (
            column("sm").delete(["k"]),
            "sm",
            "delete",
            r#"["set",["k"]]"#,
        ),
        (column("sm").delete("k"), "sm", "delete", r#""k""#),
    ] {
        writes(
            mutate("t").apply(mutation),
            &format!(
                r#"{{"op":"mutate","table":"t","where":[],"mutations":[["{name}","{word}",{arg}]]}}"#
            ),
        );
    }
}

#[test]
fn an_inserted_row_can_be_spoken_of_before_and_after() {
    let mut transaction = Transaction::new("db");
    transaction.push(insert("t").named("row1").set("ref", Value::named("row2")));
    let named = transaction.insert(insert("other"));
    assert_eq!(named, Term::named("row2"), "row1 is taken");
    let chosen = transaction.insert(insert("other").named("mine"));
    assert_eq!(chosen, Term::named("mine"));
    let explicit = transaction.insert(insert("other").uuid(uuid(5)));
    assert_eq!(explicit, Term::from(uuid(5)));
    let at = transaction.push(update("t").set("ref", [named, chosen, explicit]));
    assert_eq!(at, 4);
    assert_eq!(transaction.check(&schema()), Ok(()));

    // Both uses of a name and its insert are one row.
    let params = transaction.to_params().unwrap();
    let parsed = parse_transact(&schema(), &params[1..], &mut counter());
    let inserted = |at: usize| match &parsed.operations[at] {
        operation::Operation::Insert { uuid, .. } => *uuid,
        other => panic!("{other:?}"),
    };
    let rows = [0, 4].map(|at| match &parsed.operations[at] {
        operation::Operation::Insert { row, .. } | operation::Operation::Update { row, .. } => {
            row[0].1.uuids().collect::<Vec<_>>()
        }
        other => panic!("{other:?}"),
    });
    assert_eq!(rows[0], [inserted(1)]);
    let mut all = vec![inserted(1), inserted(2), uuid(5)];
    all.sort();
    assert_eq!(rows[1], all);
}

/// Checks the words for a transaction that cannot be written, or that a server of the [`schema`] of tests would refuse.
#[track_caller]
fn fails(transaction: &Transaction, expected: &str) {
    let error = transaction.check(&schema()).unwrap_err();
    assert_eq!(error.to_string(), expected);
    let is_refused = matches!(error.fault(), Fault::Refused(_));
    assert_eq!(transaction.to_text().is_ok(), is_refused, "{expected}");
}

#[track_caller]
fn operation_fails(operation: impl Into<Operation>, expected: &str) {
    fails(&Transaction::new("db").with(operation), expected);
}

#[test]
fn what_no_server_could_read_is_not_written() {
    fails(&Transaction::new("a-b"), r#""a-b" is not an <id>"#);
    operation_fails(
        insert("a b"),
        r#"operation 1 (insert), table a b: "a b" is not an <id>"#,
    );
    operation_fails(
        insert("t").set("1", 1),
        r#"operation 1 (insert), table t, column 1: "1" is not an <id>"#,
    );
    operation_fails(
        insert("t").named("a.b"),
        r#"operation 1 (insert), table t: "a.b" is not an <id>"#,
    );
    operation_fails(
        insert("t").set("s", "a\0"),
        "operation 1 (insert), table t, column s: text contains a NUL character",
    );
    operation_fails(
        insert("t").set("sm", Value::map([("k", "a\0")])),
        "operation 1 (insert), table t, column sm: text contains a NUL character",
    );
    operation_fails(
        update("t").set("i", 1).filter(column("r").lt(f64::NAN)),
        "operation 1 (update), table t, column r: number is not finite",
    );
    operation_fails(
        mutate("t").apply(column("rs").insert([1.0, f64::INFINITY])),
        "operation 1 (mutate), table t, column rs: number is not finite",
    );
    operation_fails(
        delete("t").filter(row(Term::named("x"))),
        r#"operation 1 (delete), table t, column _uuid: no insert of the transaction has the uuid-name "x""#,
    );
    operation_fails(
        select("t").columns(["a", ""]),
        r#"operation 1 (select), table t, column : "" is not an <id>"#,
    );
    operation_fails(
        wait("t").until_equal([Row::new().set("s", "\0")]),
        "operation 1 (wait), table t, column s: text contains a NUL character",
    );
    operation_fails(
        comment("\0"),
        "operation 1 (comment): text contains a NUL character",
    );
    operation_fails(assert(""), r#"operation 1 (assert): "" is not an <id>"#);
    fails(
        &Transaction::new("db")
            .with(insert("t").named("x"))
            .with(abort())
            .with(insert("other").named("x")),
        r#"operation 3 (insert), table other: an earlier insert has the uuid-name "x""#,
    );
}

#[test]
fn what_a_server_would_refuse_is_found_with_its_place() {
    operation_fails(
        insert("nowhere"),
        concat!(
            r#"operation 1 (insert), table nowhere: syntax "{"op":"insert","row":{},"table":"nowhere"}": "#,
            "syntax error: Parsing ovsdb operation 1 of 1 failed: No table named nowhere."
        ),
    );
    operation_fails(
        insert("t").set("i", "x"),
        r#"operation 1 (insert), table t, column i, value "x": syntax ""x"": syntax error: expected integer"#,
    );
    operation_fails(
        insert("t").set("i", 1).set("ismall", [1, 6]),
        concat!(
            r#"operation 1 (insert), table t, column ismall, value ["set",[1,6]]: "#,
            "constraint violation: 6 is not in the valid range -5 to 5 (inclusive)"
        ),
    );
    operation_fails(
        insert("t").set("e", "up"),
        concat!(
            r#"operation 1 (insert), table t, column e, value "up": constraint violation: "#,
            "up is not one of the allowed values ([left, right])"
        ),
    );
    operation_fails(
        insert("t").set("sm", Value::empty()),
        concat!(
            r#"operation 1 (insert), table t, column sm, value ["set",[]]: "#,
            r#"syntax "["set",[]]": syntax error: expected ["map", <array>]"#
        ),
    );
    operation_fails(
        insert("t").set("is", [1, 1]),
        r#"operation 1 (insert), table t, column is, value ["set",[1,1]]: ovsdb error: set contains duplicate"#,
    );
    operation_fails(
        insert("strict").set("s", "x"),
        concat!(
            "operation 1 (insert), table strict, column n, value 0: ",
            "constraint violation: 0 is less than minimum allowed value 1"
        ),
    );
    operation_fails(
        insert("t").set("what", 1),
        concat!(
            r#"operation 1 (insert), table t, column what: syntax "{"what":1}": "#,
            "unknown column: No column what in table t."
        ),
    );
    operation_fails(
        update("t").set("fixed", 1),
        concat!(
            r#"operation 1 (update), table t, column fixed: syntax "{"op":"update","row":{"fixed":1},"table":"t","where":[]}": "#,
            "constraint violation: Cannot update immutable column fixed in table t."
        ),
    );
    operation_fails(
        delete("t")
            .filter(column("i").eq(1))
            .filter(column("s").lt("a")),
        concat!(
            r#"operation 1 (delete), table t, column s, value "a": syntax "["s","<","a"]": syntax error: "#,
            r#"Type mismatch: "<" operator may not be applied to column s of type string."#
        ),
    );
    operation_fails(
        mutate("t")
            .apply(column("i").add(1))
            .apply(column("s").add("x")),
        concat!(
            r#"operation 1 (mutate), table t, column s, value "x": syntax "["s","+=","x"]": syntax error: "#,
            r#"Type mismatch: "+=" operator may not be applied to column s of type string."#
        ),
    );
    operation_fails(
        wait("t").until_equal([Row::new().set("b", 1)]),
        r#"operation 1 (wait), table t, column b, value 1: syntax "1": syntax error: expected boolean"#,
    );
    fails(
        &Transaction::new("db")
            .with(insert("t"))
            .with(insert("t").set("short", "long")),
        concat!(
            r#"operation 2 (insert), table t, column short, value "long": constraint violation: "#,
            r#""long" length 4 is greater than maximum allowed length 3"#
        ),
    );
}

#[test]
fn an_error_says_where_it_is_to_programs_too() {
    let transaction = Transaction::new("db")
        .with(comment("first"))
        .with(insert("t").set("b", 1));
    let error = transaction.check(&schema()).unwrap_err();
    assert_eq!(error.operation(), Some(1));
    assert_eq!(error.table(), Some("t"));
    assert_eq!(error.column(), Some("b"));
    assert_eq!(error.value(), Some("1"));
    let fault = error.fault().to_string();
    assert_eq!(fault, r#"syntax "1": syntax error: expected boolean"#);
}
