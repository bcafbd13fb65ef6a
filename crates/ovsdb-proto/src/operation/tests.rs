//! Operations: what is parsed of a request, and the words for what is not.

use proptest::prelude::*;

use super::*;
use crate::arbitrary::{a_json, counter, json, schema, uuid};
use crate::atom::Atom;
use crate::datum::Datum;

fn parse(text: &str) -> Transact {
    let json = json(text);
    let transact = parse_transact(&schema(), json.as_array().unwrap(), &mut counter());
    // What is read without a tree means the same.
    if let Ok(read) = read::tests::read(text) {
        assert_eq!(read, transact, "{text}");
    }
    transact
}

/// Checks that the request `[operation]` fails with `expected`, in which `{}` stands for the operation.
#[track_caller]
fn fails(operation: &str, expected: &str) {
    let transact = parse(&format!("[{operation}]"));
    let error = transact.parse_error.expect("an error").to_string();
    assert_eq!(error, expected.replace("{}", &json(operation).to_string()));
    assert!(transact.operations.is_empty());
}

/// Checks that one operation is read as the words of [`show`].
#[track_caller]
fn reads(operation: &str, expected: &str) {
    let mut transact = parse(&format!("[{operation}]"));
    assert_eq!(transact.parse_error, None, "{operation}");
    assert_eq!(show(&transact.operations.remove(0)), expected);
}

/// The parts of an operation in a form that is easy to write down.
fn show(operation: &Operation) -> String {
    let schema = schema();
    let table = |id: TableId| schema.table(id);
    let columns = |id: TableId, ids: &[ColumnId]| {
        ids.iter()
            .map(|&column| table(id).column(column).name.as_str())
            .collect::<Vec<_>>()
            .join(",")
    };
    let row = |id: TableId, row: &RowColumns| {
        let values = row.iter().map(|(column, datum)| {
            let column = table(id).column(*column);
            format!("{}={}", column.name, datum.to_json(&column.ty))
        });
        values.collect::<Vec<_>>().join(" ")
    };
    let name = operation.name();
    match operation {
        Operation::Insert {
            table: id,
            uuid,
            explicit,
            uuid_name,
            row: values,
        } => {
            let uuid_name = uuid_name.as_deref().unwrap_or("-");
            format!(
                "{name} {} {uuid} {explicit} {uuid_name} {}",
                table(*id).name,
                row(*id, values)
            )
        }
        Operation::Select {
            table: id,
            condition,
            columns: picked,
            sort,
        } => {
            let condition = condition.to_json(table(*id));
            format!(
                "{name} {} {condition} {} by {}",
                table(*id).name,
                columns(*id, picked),
                columns(*id, sort)
            )
        }
        Operation::Update {
            table: id,
            condition,
            row: values,
        } => {
            format!(
                "{name} {} {} {}",
                table(*id).name,
                condition.to_json(table(*id)),
                row(*id, values)
            )
        }
        Operation::Mutate {
            table: id,
            condition,
            mutations,
        } => {
            let mutations: Vec<_> = mutations
                .iter()
                .map(|mutation| mutation.to_json(table(*id)).to_string())
                .collect();
            format!(
                "{name} {} {} {}",
                table(*id).name,
                condition.to_json(table(*id)),
                mutations.join(" ")
            )
        }
        Operation::Delete {
            table: id,
            condition,
        } => {
            format!(
                "{name} {} {}",
                table(*id).name,
                condition.to_json(table(*id))
            )
        }
        Operation::Wait {
            table: id,
            condition,
            columns: compared,
            until_equal,
            rows,
            timeout_ms,
        } => {
            let rows: Vec<_> = rows.iter().map(|values| row(*id, values)).collect();
            format!(
                "{name} {} {} {} {until_equal} {rows:?} {timeout_ms:?}",
                table(*id).name,
                condition.to_json(table(*id)),
                columns(*id, compared)
            )
        }
        Operation::Commit { durable } => format!("{name} {durable}"),
        Operation::Abort => name.to_owned(),
        Operation::Comment(comment) => format!("{name} {comment}"),
        Operation::Assert { lock } => format!("{name} {lock}"),
    }
}

#[test]
fn operations_are_read_with_their_members() {
    for (operation, expected) in [
        (
            r#"{"op":"insert","table":"other","row":{"name":"x"}}"#,
            r#"insert other 00000000-0000-0000-0000-000000000001 false - name="x""#,
        ),
        (
            r#"{"op":"insert","table":"other","row":{},"uuid-name":"a","uuid":"3f1bd0d6-7f5e-4c21-9a07-00ff10a0b0c0"}"#,
            "insert other 3f1bd0d6-7f5e-4c21-9a07-00ff10a0b0c0 true a ",
        ),
        (
            r#"{"op":"insert","table":"t","row":{"s":"b","i":1,"_version":["uuid","3f1bd0d6-7f5e-4c21-9a07-00ff10a0b0c0"]}}"#,
            concat!(
                "insert t 00000000-0000-0000-0000-000000000001 false - ",
                r#"_version=["uuid","3f1bd0d6-7f5e-4c21-9a07-00ff10a0b0c0"] i=1 s="b""#
            ),
        ),
        (
            r#"{"op":"select","table":"other","where":[["name","==","x"]]}"#,
            r#"select other [["name","==","x"]] _uuid,_version,name by "#,
        ),
        (
            r#"{"op":"select","table":"t","where":[],"columns":["s","i"],"sort":["r","_uuid"]}"#,
            "select t [] s,i by r,_uuid",
        ),
        (
            r#"{"op":"update","table":"t","where":[["i",">",1]],"row":{"is":["set",[2,1]]}}"#,
            r#"update t [["i",">",1]] is=["set",[1,2]]"#,
        ),
        (
            r#"{"op":"mutate","table":"t","where":[],"mutations":[["i","+=",1],["is","insert",2]]}"#,
            r#"mutate t [] ["i","+=",1] ["is","insert",2]"#,
        ),
        (
            r#"{"op":"delete","table":"t","where":[false]}"#,
            "delete t [false]",
        ),
        (
            r#"{"op":"wait","table":"other","where":[],"until":"==","rows":[{"name":"a"},{}]}"#,
            r#"wait other [] _uuid,_version,name true ["name=\"a\"", ""] None"#,
        ),
        (
            r#"{"op":"wait","table":"other","where":[],"columns":["name"],"until":"!=","rows":[],"timeout":0}"#,
            "wait other [] name false [] Some(0)",
        ),
        (r#"{"op":"commit","durable":true}"#, "commit true"),
        (r#"{"op":"abort"}"#, "abort"),
        (r#"{"op":"comment","comment":"hello"}"#, "comment hello"),
        (r#"{"op":"assert","lock":"lock_1"}"#, "assert lock_1"),
    ] {
        reads(operation, expected);
    }
}

#[test]
fn errors_of_form_name_the_operation() {
    let form = |words: &str| {
        format!("syntax \"{{}}\": syntax error: Parsing ovsdb operation 1 of 1 failed: {words}")
    };
    for (operation, words) in [
        ("{}", "Required 'op' member is missing."),
        (r#"{"op":1}"#, "Type mismatch for member 'op'."),
        (r#"{"op":"no-id"}"#, "Type mismatch for member 'op'."),
        (r#"{"op":"replace"}"#, "No operation \"replace\""),
        (r#"{"op":"insert"}"#, "Required 'table' member is missing."),
        (
            r#"{"op":"insert","table":"t"}"#,
            "Required 'row' member is missing.",
        ),
        (r#"{"op":"insert","table":"none"}"#, "No table named none."),
        (
            r#"{"op":"insert","table":"t","row":[]}"#,
            "Type mismatch for member 'row'.",
        ),
        (
            r#"{"op":"insert","table":"t","row":{},"uuid":1}"#,
            "Type mismatch for member 'uuid'.",
        ),
        (
            r#"{"op":"insert","table":"t","row":{},"uuid-name":"1"}"#,
            "Type mismatch for member 'uuid-name'.",
        ),
        (
            r#"{"op":"insert","table":"t","row":{},"where":[]}"#,
            "Member 'where' is present but not allowed here.",
        ),
        // What is wrong with the form comes before anything else.
        (
            r#"{"op":"insert","table":"t","row":{"no":1},"a":1,"b":2}"#,
            "Member 'a' and 1 other member are present but not allowed here.",
        ),
        (
            r#"{"op":"select","table":"t"}"#,
            "Required 'where' member is missing.",
        ),
        (
            r#"{"op":"select","table":"t","where":{}}"#,
            "Type mismatch for member 'where'.",
        ),
        (
            r#"{"op":"select","table":"t","where":[],"columns":"i"}"#,
            "Type mismatch for member 'columns'.",
        ),
        (
            r#"{"op":"update","table":"t","where":[]}"#,
            "Required 'row' member is missing.",
        ),
        (
            r#"{"op":"mutate","table":"t","where":[]}"#,
            "Required 'mutations' member is missing.",
        ),
        (
            r#"{"op":"delete","table":"none"}"#,
            "Required 'where' member is missing.",
        ),
        (
            r#"{"op":"delete","table":"none","where":[]}"#,
            "No table named none.",
        ),
        (
            r#"{"op":"wait","table":"t","where":[],"rows":[]}"#,
            "Required 'until' member is missing.",
        ),
        (
            r#"{"op":"wait","table":"t","where":[],"rows":[],"until":"==","timeout":0.5}"#,
            "Type mismatch for member 'timeout'.",
        ),
        (
            r#"{"op":"commit"}"#,
            "Required 'durable' member is missing.",
        ),
        (
            r#"{"op":"abort","why":"because"}"#,
            "Member 'why' is present but not allowed here.",
        ),
        (
            r#"{"op":"comment"}"#,
            "Required 'comment' member is missing.",
        ),
        (
            r#"{"op":"assert","lock":"not an id"}"#,
            "Type mismatch for member 'lock'.",
        ),
    ] {
        fails(operation, &form(words));
    }
    fails(
        "3",
        "syntax error: Parsing ovsdb operation 1 of 1 failed: Object expected.",
    );
}

#[test]
fn other_errors_quote_the_element_at_fault() {
    for (operation, expected) in [
        (
            r#"{"op":"insert","table":"t","row":{},"uuid":"xyz"}"#,
            r#"syntax ""xyz"": syntax error: bad uuid"#,
        ),
        (
            r#"{"op":"insert","table":"t","row":{"no":1}}"#,
            r#"syntax "{"no":1}": unknown column: No column no in table t."#,
        ),
        (
            r#"{"op":"insert","table":"t","row":{"i":"x"}}"#,
            r#"syntax ""x"": syntax error: expected integer"#,
        ),
        (
            r#"{"op":"insert","table":"strict","row":{"s":"x"}}"#,
            "constraint violation: 0 is less than minimum allowed value 1",
        ),
        (
            r#"{"op":"insert","table":"t","row":{"ref":["named-uuid","not an id"]}}"#,
            r#"syntax "["named-uuid","not an id"]": syntax error: named-uuid string is not a valid <id>"#,
        ),
        (
            r#"{"op":"select","table":"t","where":[],"columns":["i","i"]}"#,
            r#"syntax "["i","i"]": syntax error: array of distinct column names expected"#,
        ),
        (
            r#"{"op":"select","table":"t","where":[],"sort":["no"]}"#,
            r#"syntax "["no"]": syntax error: no is not a valid column name"#,
        ),
        (
            r#"{"op":"update","table":"t","where":[1],"row":{"fixed":1}}"#,
            r#"syntax "{}": constraint violation: Cannot update immutable column fixed in table t."#,
        ),
        (
            r#"{"op":"update","table":"t","where":[1],"row":{"i":1}}"#,
            r#"syntax "1": syntax error: Parse error in condition."#,
        ),
        (
            r#"{"op":"mutate","table":"t","where":[1],"mutations":[1]}"#,
            r#"syntax "1": syntax error: Parse error in mutation."#,
        ),
        (
            r#"{"op":"wait","table":"t","where":[],"until":"<","rows":[],"timeout":-1}"#,
            r#"syntax "-1": syntax error: timeout must be nonnegative"#,
        ),
        (
            r#"{"op":"wait","table":"t","where":[],"until":"<","rows":[1]}"#,
            r#"syntax ""<"": syntax error: "until" must be "==" or "!=""#,
        ),
        (
            r#"{"op":"wait","table":"t","where":[],"until":"==","rows":[1]}"#,
            r#"syntax "1": syntax error: row must be JSON object"#,
        ),
    ] {
        fails(operation, expected);
    }
}

#[test]
fn parsing_stops_at_the_first_operation_that_is_wrong() {
    let transact = parse(r#"[{"op":"abort"},{"op":"commit","durable":1},{"op":"nonsense"}]"#);
    assert_eq!(transact.operations, [Operation::Abort]);
    assert_eq!(transact.n_operations, 3);
    assert_eq!(
        transact.parse_error.unwrap().details.unwrap(),
        "Parsing ovsdb operation 2 of 3 failed: Type mismatch for member 'durable'."
    );
}

#[test]
fn names_stand_for_rows_wherever_they_are_used() {
    let transact = parse(
        r#"[{"op":"insert","table":"t","row":{"ref":["set",[["named-uuid","a"],["named-uuid","b"]]]}},
            {"op":"insert","table":"other","row":{},"uuid-name":"a"},
            {"op":"update","table":"t","where":[["_uuid","==",["named-uuid","b"]]],"row":{"u":["named-uuid","c"]}}]"#,
    );
    // The first row's own UUID is settled before the names inside it.
    let Operation::Insert {
        uuid: first, row, ..
    } = &transact.operations[0]
    else {
        panic!("an insert")
    };
    assert_eq!(*first, uuid(1));
    assert_eq!(
        row[0].1,
        Datum::from_atoms([uuid(2), uuid(3)].map(Atom::Uuid))
    );
    let Operation::Insert { uuid: second, .. } = &transact.operations[1] else {
        panic!("an insert")
    };
    assert_eq!(*second, uuid(2));
    let Operation::Update { condition, row, .. } = &transact.operations[2] else {
        panic!("an update")
    };
    assert_eq!(condition.uuid(), Some(uuid(3)));
    assert_eq!(row[0].1, Datum::from_atom(Atom::Uuid(uuid(4))));
}

#[test]
fn a_name_belongs_to_one_insert_only() {
    let insert = r#"{"op":"insert","table":"other","row":{},"uuid-name":"a"}"#;
    let transact = parse(&format!("[{insert},{insert}]"));
    assert_eq!(transact.operations.len(), 1);
    assert_eq!(
        transact.parse_error.unwrap().to_string(),
        r#"syntax ""a"": duplicate uuid-name: This "uuid-name" appeared on an earlier "insert" operation."#
    );
    assert_eq!(transact.contested_uuid, None);
}

#[test]
fn an_insert_that_fails_to_parse_tells_the_uuid_that_might_be_taken() {
    let text = uuid(77).to_string();
    let insert =
        |more: &str| format!(r#"[{{"op":"insert","table":"other","uuid":"{text}",{more}}}]"#);
    let contested = |text: &str| parse(text).contested_uuid;
    let table = schema().table_id("other").unwrap();
    assert_eq!(
        contested(&insert(r#""row":{"name":1}"#)),
        Some((table, uuid(77)))
    );
    assert_eq!(contested(&insert(r#""row":{"name":1},"x":1"#)), None);
    assert_eq!(contested(&insert(r#""row":{}"#)), None);
    assert_eq!(
        duplicate_uuid_error(uuid(77)).to_string(),
        format!(
            "syntax \"\"{text}\"\": duplicate uuid: This UUID would duplicate a UUID already present within the table or \
             deleted within the same transaction."
        )
    );
}

#[test]
fn operations_that_change_nothing_are_told_apart() {
    for (operations, read_only) in [
        (
            r#"[{"op":"select","table":"t","where":[]},{"op":"comment","comment":"x"}]"#,
            true,
        ),
        (r#"[{"op":"abort"},{"op":"assert","lock":"x"}]"#, true),
        (
            r#"[{"op":"select","table":"t","where":[]},{"op":"commit","durable":false}]"#,
            false,
        ),
        (r#"[{"op":"delete","table":"t","where":[]}]"#, false),
        ("[]", true),
    ] {
        assert_eq!(parse(operations).is_read_only(), read_only, "{operations}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_json_makes_the_parser_panic(
        whole in a_json(),
        op in prop::sample::select(vec!["insert", "select", "update", "mutate", "delete", "wait"]),
        members in prop::collection::vec(
            (prop::sample::select(vec!["where", "row", "rows", "columns", "sort", "mutations", "until", "uuid"]), a_json()),
            0..6,
        ),
        condition in prop::collection::vec(a_json(), 0..3),
    ) {
        let mut object: crate::json::Object = members.into_iter().collect();
        object.insert("op", op);
        object.insert("table", "t");
        if op != "insert" {
            object.insert("where", Json::Array(condition));
        }
        for operation in [whole, Json::Object(object)] {
            let text = String::from_utf8_lossy(&operation.to_bytes()).into_owned();
            let transact = parse_transact(&schema(), &[operation], &mut counter());
            if let Ok(read) = read::tests::read(&format!("[{text}]")) {
                prop_assert_eq!(&read, &transact);
            }
            prop_assert_eq!(transact.operations.len() + usize::from(transact.parse_error.is_some()), 1);
        }
    }
}
