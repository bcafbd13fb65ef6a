//! Operations read from their text against those that are parsed as trees.

use super::*;
use crate::arbitrary::{counter, json, schema};
use crate::json::MAX_DEPTH;
use crate::operation::parse_transact;

/// Reads the operations in the array `text`.
pub(in crate::operation) fn read(text: &str) -> Result<Transact, Stop> {
    let text = text.trim_start().strip_prefix('[').expect("an array");
    let comma = if text.trim_start().starts_with(']') {
        ""
    } else {
        ","
    };
    let text = format!("{comma}{text} ");
    read_transact(&schema(), &mut Cursor::new(&text), &mut counter())
}

/// Reads operations of the usual forms, which must be accepted and mean what they do as trees.
#[track_caller]
fn check(text: &str) {
    let json = json(text);
    let expected = parse_transact(&schema(), json.as_array().unwrap(), &mut counter());
    assert_eq!(expected.parse_error, None);
    assert_eq!(read(text), Ok(expected), "{text}");
}

#[test]
fn operations_of_the_usual_forms_are_read() {
    check("[]");
    check(r#"[{"op":"abort"}]"#);
    check(
        r#"[
        {"op":"insert","row":{"i":1,"ref":["named-uuid","a"]},"table":"t","uuid-name":"b"},
        {"table":"other","uuid-name":"a","row":{"name":"\u00e9"},"op":"insert"},
        {"uuid":"3f1bd0d6-7f5e-4c21-9a07-00ff10a0b0c0","op":"insert","table":"t","row":{"s":"x","i":2}},
        {"op":"insert","table":"other","row":{}},
        {"op":"update","table":"t","where":[["i","==",1]],"row":{"ref":["named-uuid","b"]}},
        {"op":"mutate","table":"t","where":[],"mutations":[["i","+=",1]]},
        {"op":"delete","table":"t","where":[["_uuid","==",["uuid","3f1bd0d6-7f5e-4c21-9a07-00ff10a0b0c0"]]]},
        {"op":"select","table":"t","where":[],"columns":["i"]},
        {"op":"wait","table":"t","where":[],"columns":["i"],"until":"==","rows":[{"i":1}],"timeout":0},
        {"op":"comment","comment":"insert"},
        {"op":"assert","lock":"x"},
        {"op":"commit","durable":true}]"#,
    );
}

/// All orders of `members`.
fn orders(members: &[&str]) -> Vec<Vec<String>> {
    let Some((first, others)) = members.split_first() else {
        return vec![Vec::new()];
    };
    let with_first = |order: Vec<String>| {
        (0..=order.len()).map(move |at| {
            let mut order = order.clone();
            order.insert(at, (*first).to_owned());
            order
        })
    };
    orders(others).into_iter().flat_map(with_first).collect()
}

#[test]
fn members_of_an_insert_may_come_in_any_order() {
    const PLAIN: &str = r#"{"op":"insert","table":"t","row":{"i":2}}"#;
    const NAMED: &str = r#""row":{"i":1,"ref":["named-uuid","a"]}"#;
    let members = [
        r#""op":"insert""#,
        r#""table":"t""#,
        r#""row":{"i":1}"#,
        r#""uuid-name":"a""#,
        r#""uuid":"3f1bd0d6-7f5e-4c21-9a07-00ff10a0b0c0""#,
    ];
    let mut refused = 0;
    for order in (3..=members.len()).flat_map(|count| orders(&members[..count])) {
        let insert = format!("{{{}}}", order.join(","));
        let naming = insert.replace(members[2], NAMED);
        for insert in [&insert, &naming] {
            check(&format!("[{insert}]"));
            // After an insert whose row comes last, another one is taken to be like it.
            let text = format!("[{PLAIN},{insert},{PLAIN}]");
            let is_name_known = insert.find("uuid-name") < insert.find("\"row\"");
            match read(&text) {
                Err(Stop::Unexpected) if is_name_known || *insert == naming => refused += 1,
                _ => check(&text),
            }
        }
    }
    // A name that comes too late, or is used by a row that comes too early, is for the parser of trees.
    assert_eq!(refused, 24);
}

#[test]
fn a_name_in_a_condition_that_does_not_count_is_nobodys() {
    let named = r#""where":[["_uuid","==",["named-uuid","a"]]]"#;
    let insert = r#"{"op":"insert","table":"t","uuid-name":"a","row":{}}"#;
    for op in ["delete", "select"] {
        let twice = format!(r#"{{"op":"{op}","table":"t",{named},"where":[]}}"#);
        assert_eq!(
            read(&format!("[{twice},{insert}]")),
            Err(Stop::Unexpected),
            "{twice}"
        );
        for once in [
            format!(r#"{{"op":"{op}","table":"t",{named}}}"#),
            format!(r#"{{{named},"table":"t","op":"{op}"}}"#),
            format!(r#"{{"op":"{op}","table":"t","where":[],"where":[]}}"#),
        ] {
            check(&format!("[{once},{insert}]"));
        }
    }
}

#[test]
fn operations_about_rows_are_read_without_a_tree() {
    let mutations = [
        r#"["i","+=",1]"#,
        r#"["i","*=",-2.0]"#,
        r#"["is","-=",1]"#,
        r#"["is","insert",["set",[3,1,2]]]"#,
        r#"["is","insert",5]"#,
        r#"["is","delete",["set",[]]]"#,
        r#"["ref","insert",["named-uuid","a"]]"#,
        r#"["ref","delete",["set",[["uuid","3f1bd0d6-7f5e-4c21-9a07-00ff10a0b0c0"],["named-uuid","b"]]]]"#,
        r#"["sm","insert",["map",[["b","\u00e9"],["a",""]]]]"#,
        r#"["sm","delete",["map",[["b","x"]]]]"#,
        r#"["sm","delete",["set",["b","a"]]]"#,
        r#"["im","delete",3]"#,
    ];
    let clauses = [
        "true",
        "false",
        r#"["_uuid","==",["named-uuid","c"]]"#,
        r#"["i","<",3]"#,
        r#"["oi",">=",3]"#,
        r#"["is","includes",["set",[]]]"#,
        r#"["is","excludes",["set",[1,2]]]"#,
        r#"["sm","includes",["map",[["b","x"]]]]"#,
        r#"["e","!=","left"]"#,
    ];
    let rows = [
        r#"{"s":"x","i":2}"#,
        r#"{"ref":["named-uuid","a"],"is":["set",[2,1]]}"#,
        "{}",
    ];
    for clause in clauses {
        let mutates = mutations.iter().map(|mutation| {
            format!(
                r#"{{"op":"mutate","table":"t","where":[{clause}],"mutations":[{mutation},{mutation}]}}"#
            )
        });
        let updates = rows
            .iter()
            .map(|row| format!(r#"{{"row":{row},"where":[{clause}],"table":"t","op":"update"}}"#));
        let delete = format!(r#"{{"op":"delete","where":[{clause},{clause}],"table":"t"}}"#);
        let asked = [
            r#""op":"select""#,
            r#""op":"select","columns":["i","_uuid","_version"],"sort":["s","i"]"#,
            r#""columns":[],"sort":[],"op":"select""#,
            r#""op":"wait","until":"==","rows":[]"#,
            r#""rows":[{"s":"x"},{},{"ref":["named-uuid","d"],"i":2}],"until":"!=","timeout":0,"op":"wait""#,
            r#""op":"wait","columns":["ref"],"until":"==","rows":[{"ref":["named-uuid","c"]}],"timeout":1e3"#,
        ];
        let asked = asked
            .iter()
            .map(|asked| format!(r#"{{{asked},"where":[{clause}],"table":"t"}}"#));
        for operation in mutates.chain(updates).chain([delete]).chain(asked) {
            check(&format!("[{operation}]"));
            let (schema, mut fresh) = (schema(), counter());
            let mut reader = Reader {
                schema: &schema,
                symbols: Symbols::new(&mut fresh),
                rows: Vec::new(),
                columns: 0,
                is_row_last: false,
            };
            let text = format!("{operation} ");
            let other = reader.members(&mut Cursor::new(&text));
            let read = other.and_then(|other| reader.other(other));
            assert!(read.is_ok(), "{operation} needs a tree");
        }
    }
}

#[test]
fn operations_about_rows_that_are_wrong_are_not_read() {
    for text in [
        r#"[{"op":"mutate","table":"t","where":[],"mutations":[["i","insert",1]]}]"#,
        r#"[{"op":"mutate","table":"t","where":[],"mutations":[["fixed","+=",1]]}]"#,
        r#"[{"op":"mutate","table":"t","where":[],"mutations":[["is","insert",["set",[1,1]]]]}]"#,
        r#"[{"op":"mutate","table":"t","where":[],"mutations":[["ismall","insert",6]]}]"#,
        r#"[{"op":"mutate","table":"t","where":[],"mutations":[["i","+=",1,2]]}]"#,
        r#"[{"op":"mutate","table":"t","where":[],"mutations":[["i","+=",1]],"row":{}}]"#,
        r#"[{"op":"mutate","table":"t","mutations":[]}]"#,
        r#"[{"op":"update","table":"t","where":[],"row":{"fixed":1}}]"#,
        r#"[{"op":"update","table":"t","where":[],"row":{"_uuid":["uuid","3f1bd0d6-7f5e-4c21-9a07-00ff10a0b0c0"]}}]"#,
        r#"[{"op":"delete","table":"t","where":[["s","<","x"]]}]"#,
        r#"[{"op":"delete","table":"t","where":[["oi","<",["set",[]]]]}]"#,
        r#"[{"op":"delete","table":"t","where":[["none","==",1]]}]"#,
        r#"[{"op":"delete","table":"t","where":[["i","=",1]]}]"#,
        r#"[{"op":"delete","table":"t","where":[1]}]"#,
        r#"[{"op":"delete","table":"none","where":[]}]"#,
        r#"[{"op":"delete","table":"t","where":[],"x":1}]"#,
        r#"[{"op":"delete","table":"t","where":[],"columns":["i"]}]"#,
        r#"[{"op":"select","table":"t"}]"#,
        r#"[{"op":"select","table":"t","where":[],"columns":["i","i"]}]"#,
        r#"[{"op":"select","table":"t","where":[],"columns":["none"]}]"#,
        r#"[{"op":"select","table":"t","where":[],"columns":"i"}]"#,
        r#"[{"op":"select","table":"t","where":[],"sort":[1]}]"#,
        r#"[{"op":"select","table":"t","where":[],"timeout":0}]"#,
        r#"[{"op":"select","table":"t","where":[],"row":{}}]"#,
        r#"[{"op":"wait","table":"t","where":[],"until":"=="}]"#,
        r#"[{"op":"wait","table":"t","where":[],"rows":[]}]"#,
        r#"[{"op":"wait","table":"t","where":[],"until":"<","rows":[]}]"#,
        r#"[{"op":"wait","table":"t","where":[],"until":"==","rows":[{"none":1}]}]"#,
        r#"[{"op":"wait","table":"t","where":[],"until":"==","rows":[],"timeout":-1}]"#,
        r#"[{"op":"wait","table":"t","where":[],"until":"==","rows":[],"timeout":0.5}]"#,
        r#"[{"op":"wait","table":"t","where":[],"until":"==","rows":[],"sort":[]}]"#,
    ] {
        assert_eq!(read(text), Err(Stop::Unexpected), "{text}");
    }
}

#[test]
fn of_members_that_come_twice_the_last_one_counts() {
    check(r#"[{"op":"insert","table":"other","table":"t","row":{"i":1}}]"#);
    check(r#"[{"op":"abort","op":"insert","table":"t","row":{}}]"#);
    check(r#"[{"op":"insert","op":"insert","table":"t","row":{}}]"#);
    check(r#"[{"op":"insert","table":"t","row":{"i":1},"row":{"i":2}}]"#);
}

#[test]
fn what_is_wrong_or_unusual_is_not_read() {
    for text in [
        r#"[{"op":"insert","table":"t","row":{"i":1,"i":2}}]"#,
        r#"[{"op":"insert","table":"none","row":{}}]"#,
        r#"[{"op":"insert","table":"t"}]"#,
        r#"[{"op":"insert","row":{}}]"#,
        r#"[{"op":"insert","table":"t","row":{"i":"x"}}]"#,
        r#"[{"op":"insert","table":"t","row":{},"uuid":"x"}]"#,
        r#"[{"op":"insert","table":"t","row":{},"uuid-name":"1a"}]"#,
        r#"[{"op":"insert","table":"strict","row":{}}]"#,
        r#"[{"op":"insert","table":"t","row":{},"where":[]}]"#,
        r#"[{"op":"insert","table":"other","row":{},"uuid-name":"a"},{"op":"insert","table":"other","row":{},"uuid-name":"a"}]"#,
        r#"[{"op":"abort","x":1}]"#,
        r#"[{"op":"delete","table":"t"}]"#,
        r#"[{"op":"abort"},]"#,
        r#"[{"op":"abort"} {"op":"abort"}]"#,
        r#"[1]"#,
        r#"[{"op":"comment","comment":"x","comment":"\ud800"}]"#,
    ] {
        assert_eq!(read(text), Err(Stop::Unexpected), "{text}");
    }
}

#[test]
fn brackets_around_an_operation_count_towards_the_greatest_depth() {
    // The operation has one level of its own, and the value of a member that comes twice is not looked at.
    for (levels, is_read) in [(MAX_DEPTH - 3, true), (MAX_DEPTH - 2, false)] {
        let (open, close) = ("[".repeat(levels), "]".repeat(levels));
        let text = format!(r#"[{{"op":"comment","comment":{open}{close},"comment":"x"}}]"#);
        assert_eq!(read(&text).is_ok(), is_read, "{levels} levels");
        let message = format!(r#"{{"params":["db",{}}}"#, &text[1..]);
        assert_eq!(json::parse(message.as_bytes()).is_ok(), is_read, "{levels}");
    }
}
