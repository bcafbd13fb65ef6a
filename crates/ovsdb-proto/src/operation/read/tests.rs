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
