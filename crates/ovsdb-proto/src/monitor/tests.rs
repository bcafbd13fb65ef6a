//! Monitor requests: what is asked for, and the words for what cannot be.

use proptest::prelude::*;

use super::*;
use crate::arbitrary::{a_json, json, schema};

fn parse(text: &str, with_conditions: bool) -> Result<MonitorRequests, String> {
    MonitorRequests::from_json(&schema(), &json(text), with_conditions)
        .map_err(|error| error.to_string())
}

/// The requests as `table(kinds):column(kinds),... where` with one letter a kind of change.
fn show(requests: &MonitorRequests) -> String {
    let kinds = |select: Select| {
        let letters = [
            (Select::INITIAL, 'i'),
            (Select::INSERT, 'n'),
            (Select::DELETE, 'd'),
            (Select::MODIFY, 'm'),
        ];
        letters
            .into_iter()
            .filter(|(kind, _)| select.contains(*kind))
            .map(|(_, letter)| letter)
            .collect::<String>()
    };
    let schema = schema();
    let tables = requests.tables.iter().map(|request| {
        let table = schema.table(request.table);
        let columns = request.columns.iter().map(|column| {
            format!(
                "{}({})",
                table.column(column.column).name,
                kinds(column.select)
            )
        });
        let columns = columns.collect::<Vec<_>>().join(",");
        let mut text = format!("{}({}):{columns}", table.name, kinds(request.select));
        if !request.condition.is_empty() {
            text.push_str(&format!(" {}", request.condition.to_json(table)));
        }
        text
    });
    tables.collect::<Vec<_>>().join("; ")
}

#[test]
fn requests_are_read_with_their_defaults() {
    for (text, expected) in [
        ("{}", ""),
        (r#"{"other":{}}"#, "other(indm):_version(indm),name(indm)"),
        (r#"{"other":{"columns":[]}}"#, "other(indm):"),
        (r#"{"other":[]}"#, "other():"),
        (
            r#"{"t":{"columns":["s","i"],"select":{"initial":false,"modify":false}},"other":{"columns":["_uuid"]}}"#,
            "other(indm):_uuid(indm); t(nd):s(nd),i(nd)",
        ),
        (
            r#"{"t":[{"columns":["s"],"select":{"initial":false,"insert":false,"delete":false}},
                {"columns":["i"],"select":{"modify":false}}]}"#,
            "t(indm):s(m),i(ind)",
        ),
        (r#"{"t":{"columns":["s"],"select":{}}}"#, "t(indm):s(indm)"),
    ] {
        assert_eq!(show(&parse(text, false).unwrap()), expected, "{text}");
    }
}

#[test]
fn conditions_are_for_those_who_may_have_them() {
    let text = r#"{"t":{"columns":["s"],"where":[["i","==",1],false]}}"#;
    assert_eq!(
        show(&parse(text, true).unwrap()),
        r#"t(indm):s(indm) [false,["i","==",1]]"#
    );
    assert_eq!(
        parse(text, false).unwrap_err(),
        concat!(
            r#"syntax "{"columns":["s"],"where":[["i","==",1],false]}": syntax error: "#,
            "Parsing table t failed: Member 'where' is present but not allowed here."
        )
    );
}

#[test]
fn malformed_requests_are_refused() {
    for (text, expected) in [
        (
            "[]",
            r#"syntax "[]": syntax error: monitor-requests must be object"#,
        ),
        (r#"{"none":{}}"#, "syntax error: no table named none"),
        (
            r#"{"t":1}"#,
            "syntax error: Parsing table t failed: Object expected.",
        ),
        (
            r#"{"t":{"columns":"s"}}"#,
            r#"syntax "{"columns":"s"}": syntax error: Parsing table t failed: Type mismatch for member 'columns'."#,
        ),
        (
            r#"{"t":{"x":1}}"#,
            r#"syntax "{"x":1}": syntax error: Parsing table t failed: Member 'x' is present but not allowed here."#,
        ),
        (
            r#"{"t":{"select":{"initial":1}}}"#,
            concat!(
                r#"syntax "{"initial":1}": syntax error: "#,
                "Parsing table t select failed: Type mismatch for member 'initial'."
            ),
        ),
        (
            r#"{"t":{"select":{"update":true}}}"#,
            concat!(
                r#"syntax "{"update":true}": syntax error: "#,
                "Parsing table t select failed: Member 'update' is present but not allowed here."
            ),
        ),
        (
            r#"{"t":{"columns":[1]}}"#,
            r#"syntax "[1]": syntax error: array of column names expected"#,
        ),
        (
            r#"{"t":{"columns":["no"]}}"#,
            r#"syntax "["no"]": syntax error: no is not a valid column name"#,
        ),
        (
            r#"{"t":{"columns":["i","i"]}}"#,
            r#"syntax "["i","i"]": syntax error: column i mentioned more than once"#,
        ),
        (
            r#"{"t":[{"columns":["i"]},{"columns":["s","i"]}]}"#,
            r#"syntax "["s","i"]": syntax error: column i mentioned more than once"#,
        ),
        (
            r#"{"other":[{"columns":["name"]},{}]}"#,
            "syntax error: column name mentioned more than once",
        ),
    ] {
        assert_eq!(parse(text, true).unwrap_err(), expected, "{text}");
    }
    assert_eq!(
        parse(r#"{"t":{"where":[["i","==",["named-uuid","x"]]]}}"#, true).unwrap_err(),
        r#"syntax "["named-uuid","x"]": syntax error: expected integer"#
    );
}

#[test]
fn conditions_can_be_changed_for_monitored_tables() {
    let schema = schema();
    let monitored = parse(r#"{"t":{}}"#, true).unwrap();
    let is_monitored = |table| monitored.table(table).is_some();
    let change = |text: &str| {
        let changes = condition_changes_from_json(&schema, is_monitored, true, &json(text))
            .map_err(|error| error.to_string())?;
        Ok(changes
            .into_iter()
            .map(|(id, condition)| {
                format!(
                    "{} {}",
                    schema.table(id).name,
                    condition.to_json(schema.table(id))
                )
            })
            .collect::<Vec<_>>()
            .join("; "))
    };
    for (text, expected) in [
        ("{}", Ok("")),
        (
            r#"{"t":[{"where":[["i","==",1]]}]}"#,
            Ok(r#"t [["i","==",1]]"#),
        ),
        (r#"{"t":[{}]}"#, Ok("t []")),
        (
            "[]",
            Err("syntax error: monitor-cond-change-requests must be object"),
        ),
        (r#"{"none":[]}"#, Err("syntax error: no table named none")),
        (
            r#"{"other":[]}"#,
            Err("syntax error: no table named other in monitor session"),
        ),
        (
            r#"{"t":{}}"#,
            Err("syntax error: table t no monitor-cond-change JSON array"),
        ),
        (
            r#"{"t":[{"columns":[]}]}"#,
            Err(r#"syntax "{"columns":[]}": syntax error: changing columns is unsupported"#),
        ),
    ] {
        assert_eq!(
            change(text),
            expected.map(str::to_owned).map_err(str::to_owned),
            "{text}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_json_makes_the_parser_panic(request in a_json(), whole in a_json()) {
        let schema = schema();
        for json in [whole, crate::obj! { "t" => request }] {
            let monitored = MonitorRequests::from_json(&schema, &json, true).unwrap_or_default();
            let _ = condition_changes_from_json(
                &schema,
                |table| monitored.table(table).is_some(),
                true,
                &json,
            );
        }
    }
}
