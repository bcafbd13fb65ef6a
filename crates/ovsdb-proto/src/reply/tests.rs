//! Replies: what they are for the operations that they answer, and the words for those that answer none.

use proptest::prelude::*;

use super::*;
use crate::arbitrary::{a_json, json, uuid};
use crate::build::{abort, assert, comment, commit, delete, insert, mutate, select, update, wait};

const UUID_1: &str = r#"{"uuid":["uuid","00000000-0000-0000-0000-000000000001"]}"#;

fn all() -> Transaction {
    Transaction::new("db")
        .with(insert("t").named("x"))
        .with(select("t"))
        .with(update("t"))
        .with(mutate("t"))
        .with(delete("t"))
        .with(wait("t"))
        .with(commit(true))
        .with(comment("x"))
        .with(assert("l"))
}

#[test]
fn each_operation_has_its_result() {
    let transaction = all();
    let result = format!(
        r#"[{UUID_1},{{"rows":[{{"i":1}},{{}}]}},{{"count":2}},{{"count":3}},{{"count":0}},{{}},{{}},{{}},{{}}]"#
    );
    let reply = transaction.read_reply(&json(&result)).unwrap();
    let rows = vec![Row::new().set("i", 1), Row::new()];
    assert_eq!(
        reply.operations(),
        [
            OperationReply::Inserted(uuid(1)),
            OperationReply::Rows(rows.clone()),
            OperationReply::Count(2),
            OperationReply::Count(3),
            OperationReply::Count(0),
            OperationReply::Done,
            OperationReply::Done,
            OperationReply::Done,
            OperationReply::Done,
        ]
    );
    assert_eq!(reply.inserted(0), Some(uuid(1)));
    assert_eq!(reply.rows(1), Some(&*rows));
    assert_eq!(reply.count(3), Some(3));
    for (inserted, rows, count) in [
        (reply.inserted(1), reply.rows(0), reply.count(0)),
        (reply.inserted(9), reply.rows(9), reply.count(9)),
    ] {
        assert_eq!((inserted, rows, count), (None, None, None));
    }
    assert_eq!(reply.uuid(&Term::named("x")), Some(uuid(1)));
    assert_eq!(reply.uuid(&Term::named("y")), None);
    assert_eq!(reply.uuid(&Term::from(uuid(7))), Some(uuid(7)));
    assert_eq!(reply.uuid(&Term::from("x")), None);
}

/// Checks the words for a result of a transaction of an insert, a delete and an abort.
#[track_caller]
fn fails(result: &str, tag: Option<ErrorTag>, expected: &str) {
    let transaction = Transaction::new("db")
        .with(insert("t"))
        .with(delete("t"))
        .with(abort());
    let error = transaction.read_reply(&json(result)).unwrap_err();
    assert_eq!(error.to_string(), expected, "{result}");
    assert_eq!(error.tag(), tag, "{result}");
    let is_malformed = matches!(error, TransactError::Malformed(_));
    assert_eq!(error.server_error().is_none(), is_malformed);
}

#[test]
fn a_failure_names_the_operation_that_failed() {
    fails(
        r#"[{"error":"constraint violation","details":"no"},null,null]"#,
        Some(ErrorTag::ConstraintViolation),
        "operation 1 (insert), table t: constraint violation: no",
    );
    fails(
        &format!(r#"[{UUID_1},{{"error":"timed out"}},null]"#),
        Some(ErrorTag::TimedOut),
        "operation 2 (delete), table t: timed out",
    );
    fails(
        &format!(r#"[{UUID_1},{{"count":1}},{{"error":"aborted"}}]"#),
        Some(ErrorTag::Aborted),
        "operation 3 (abort): aborted",
    );
    fails(
        &format!(
            r#"[{UUID_1},{{"count":1}},{{}},{{"error":"referential integrity violation","details":"gone"}}]"#
        ),
        Some(ErrorTag::ReferentialIntegrityViolation),
        "commit: referential integrity violation: gone",
    );
    // The first error counts, whatever comes behind it, and words that are new are errors, too.
    fails(
        r#"[{"error":"brand new"}]"#,
        None,
        "operation 1 (insert), table t: brand new",
    );
    fails(
        r#"[{"error":{"a":1}},{"error":"aborted"}]"#,
        None,
        r#"operation 1 (insert), table t: {"error":{"a":1}}"#,
    );
}

#[test]
fn a_result_of_another_form_is_quoted() {
    let ok = format!(r#"{UUID_1},{{"count":1}},{{}}"#);
    for (result, words) in [
        ("{}".to_owned(), "array of results expected, found {}"),
        (
            "[]".to_owned(),
            "UUID of an inserted row expected, found null",
        ),
        (
            "[{}]".to_owned(),
            "UUID of an inserted row expected, found {}",
        ),
        (
            r#"[{"uuid":"x"}]"#.to_owned(),
            r#"UUID of an inserted row expected, found {"uuid":"x"}"#,
        ),
        (
            r#"[{"uuid":["named-uuid","x"]}]"#.to_owned(),
            r#"UUID of an inserted row expected, found {"uuid":["named-uuid","x"]}"#,
        ),
        (
            format!(r#"[{UUID_1},{{"count":-1}}]"#),
            r#"count of rows expected, found {"count":-1}"#,
        ),
        (
            format!(r#"[{UUID_1},{{"count":1}},null]"#),
            "object expected, found null",
        ),
        (
            format!("[{ok},{{}}]"),
            "error of the commit expected, found {}",
        ),
        (
            format!("[{ok},null]"),
            "error of the commit expected, found null",
        ),
    ] {
        fails(&result, None, &format!("reply to a transaction: {words}"));
    }
    let select = Transaction::new("db").with(select("t"));
    for (result, words) in [
        (
            r#"[{"rows":1}]"#,
            r#"array of rows expected, found {"rows":1}"#,
        ),
        (r#"[{"rows":[1]}]"#, "row expected, found 1"),
        (
            r#"[{"rows":[{"a":null}]}]"#,
            r#"row expected, found {"a":null}"#,
        ),
    ] {
        let error = select.read_reply(&json(result)).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("reply to a transaction: {words}")
        );
    }
    let long = Json::Array(vec![Json::string("é".repeat(1000))]);
    let error = databases(&Json::string("é".repeat(1000))).unwrap_err();
    assert_eq!(error.found, format!("\"{}...", "é".repeat(199)));
    assert_eq!(databases(&long).unwrap()[0].len(), 2000);
}

#[test]
fn other_requests_have_their_results() {
    assert_eq!(
        databases(&json(r#"["_Server","db"]"#)),
        Ok(vec!["_Server".into(), "db".into()])
    );
    assert_eq!(databases(&json("[]")), Ok(vec![]));
    assert!(databases(&json("[1]")).is_err());
    assert!(databases(&json("{}")).is_err());
    assert_eq!(locked(&json(r#"{"locked":true}"#)), Ok(true));
    assert_eq!(locked(&json(r#"{"locked":false}"#)), Ok(false));
    assert!(locked(&json("{}")).is_err());
    assert!(locked(&json(r#"{"locked":1}"#)).is_err());
    assert_eq!(
        server_id(&json(r#""00000000-0000-0000-0000-000000000001""#)),
        Ok(uuid(1))
    );
    assert!(server_id(&json(r#""x""#)).is_err());
    assert!(server_id(&json("1")).is_err());
}

#[test]
fn errors_are_read_from_all_forms_in_which_servers_send_them() {
    for (text, tag, word, details, shown) in [
        (
            r#""canceled""#,
            Some(ErrorTag::Canceled),
            Some("canceled"),
            None,
            "canceled",
        ),
        (
            r#"{"error":"unknown database","details":"no x","syntax":"y"}"#,
            Some(ErrorTag::UnknownDatabase),
            Some("unknown database"),
            Some("no x"),
            "unknown database: no x",
        ),
        (
            r#""unknown method""#,
            None,
            Some("unknown method"),
            None,
            "unknown method",
        ),
        (r#"{"code":3}"#, None, None, None, r#"{"code":3}"#),
        ("7", None, None, None, "7"),
    ] {
        let error = ServerError::from_json(json(text));
        assert_eq!(error.tag(), tag, "{text}");
        assert_eq!(error.word(), word, "{text}");
        assert_eq!(error.details(), details, "{text}");
        assert_eq!(error.to_string(), shown);
        assert_eq!(error.json(), &json(text));
    }
    let ours = OvsdbError::constraint("too long");
    assert_eq!(
        ServerError::from(ours).to_string(),
        "constraint violation: too long"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_answered_is_read_or_refused(
        results in prop::collection::vec(
            prop_oneof![
                a_json(),
                a_json().prop_map(|json| crate::obj! { "rows" => vec![json] }),
                a_json().prop_map(|json| crate::obj! { "uuid" => json }),
                (-1..3i64).prop_map(|count| crate::obj! { "count" => count }),
                Just(json(UUID_1)),
            ],
            0..11,
        )
    ) {
        let transaction = all();
        if let Ok(reply) = transaction.read_reply(&Json::Array(results)) {
            prop_assert_eq!(reply.operations().len(), transaction.operations().len());
        }
    }
}
