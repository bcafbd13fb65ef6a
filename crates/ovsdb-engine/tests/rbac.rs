//! Which rules of access control are reported as unreadable, and to whom rules apply at all.

use std::cell::RefCell;
use std::sync::Arc;

use ovsdb_engine::{Access, Context, Database, Outcome, Unreadable, execute};
use ovsdb_proto::error::ErrorTag;
use ovsdb_proto::json::{self, Json};
use ovsdb_proto::operation::parse_transact;
use ovsdb_proto::schema::Schema;
use ovsdb_proto::uuid::Uuid;

/// A table T, and rules of which `role` and `permission` are the columns.
fn schema(role: &str, permission: &str) -> Schema {
    let text = format!(
        r#"{{"name":"D","tables":{{
            "T":{{"isRoot":true,"columns":{{"n":{{"type":"integer"}}}}}},
            "P":{{"isRoot":true,"columns":{{{permission}}}}},
            "RBAC_Role":{{"isRoot":true,"columns":{{{role}}}}}}}}}"#
    );
    Schema::from_json(&json::parse(text.as_bytes()).expect("valid JSON")).expect("a valid schema")
}

fn operations(text: &str) -> Vec<Json> {
    match json::parse(text.as_bytes()) {
        Ok(Json::Array(operations)) => operations,
        other => panic!("{text}: {other:?}"),
    }
}

/// Runs operations; the database after them, or the tag of the error.
fn run(
    database: &Database,
    text: &str,
    access: Option<Access<'_>>,
) -> Result<Database, Option<ErrorTag>> {
    let mut last = 0_u128;
    let mut fresh = || {
        last += 1;
        Uuid::from_bytes(last.to_be_bytes())
    };
    let transact = parse_transact(database.schema(), &operations(text), &mut fresh);
    let mut context = Context {
        access,
        ..Context::unrestricted(&mut fresh)
    };
    match execute(database, &transact, &mut context) {
        Outcome::Prepared(prepared) => Ok(prepared.next),
        Outcome::Failed(results) => Err(results.error().map(|error| error.tag)),
        Outcome::Blocked { .. } => Err(None),
    }
}

const NAME: &str = r#""name":{"type":"string"}"#;
const PERMISSIONS: &str = r#""permissions":{"type":{"key":"string","value":{"type":"uuid","refTable":"P"},"min":0,"max":"unlimited"}}"#;
const AUTHORIZATION: &str =
    r#""authorization":{"type":{"key":"string","min":0,"max":"unlimited"}}"#;
const UPDATE: &str = r#""update":{"type":{"key":"string","min":0,"max":"unlimited"}}"#;
const INSERT_DELETE: &str = r#""insert_delete":{"type":"boolean"}"#;

/// Fills the tables as far as they have the columns.
fn database(role: &[&str], permission: &[&str]) -> Database {
    let database = Database::new(Arc::new(schema(&role.join(","), &permission.join(","))));
    let has = |columns: &[&str], column: &str| columns.contains(&column);
    let mut row = Vec::new();
    if has(role, NAME) {
        row.push(r#""name":"r""#);
    }
    if has(role, PERMISSIONS) {
        row.push(r#""permissions":["map",[["T",["named-uuid","p"]]]]"#);
    }
    let mut rights = Vec::new();
    if has(permission, AUTHORIZATION) {
        rights.push(r#""authorization":"""#);
    }
    if has(permission, UPDATE) {
        rights.push(r#""update":"n""#);
    }
    if has(permission, INSERT_DELETE) {
        rights.push(r#""insert_delete":true"#);
    }
    let text = format!(
        r#"[{{"op":"insert","table":"P","uuid-name":"p","row":{{{}}}}},
            {{"op":"insert","table":"RBAC_Role","row":{{{}}}}},
            {{"op":"insert","table":"T","row":{{"n":1}}}}]"#,
        rights.join(","),
        row.join(",")
    );
    run(&database, &text, None).expect("nobody is asked for permission without a role")
}

const INSERT: &str = r#"[{"op":"insert","table":"T","row":{}}]"#;
const CHANGE: &str = r#"[{"op":"update","table":"T","where":[],"row":{"n":2}}]"#;
const MUTATE: &str = r#"[{"op":"mutate","table":"T","where":[],"mutations":[["n","+=",1]]}]"#;
const DELETE: &str = r#"[{"op":"delete","table":"T","where":[]}]"#;

/// Runs operations under a role as a client, and compares whether they are forbidden and what is reported.
#[track_caller]
fn check(
    database: &Database,
    text: &str,
    (role, client_id): (&str, Option<&str>),
    forbidden: bool,
    reports: &[Unreadable],
) {
    let reported = RefCell::new(Vec::new());
    let access = Access {
        role,
        client_id,
        report: &|what| reported.borrow_mut().push(what),
    };
    let result = run(database, text, Some(access)).map(|_| ());
    let expect = if forbidden {
        Err(Some(ErrorTag::PermissionError))
    } else {
        Ok(())
    };
    assert_eq!(result, expect, "{text}");
    assert_eq!(reported.into_inner(), reports, "{text}");
}

#[test]
fn rules_that_can_be_read_are_not_reported() {
    let database = database(
        &[NAME, PERMISSIONS],
        &[AUTHORIZATION, UPDATE, INSERT_DELETE],
    );
    for text in [INSERT, CHANGE, MUTATE, DELETE] {
        check(&database, text, ("r", Some("me")), false, &[]);
        check(&database, text, ("", None), false, &[]);
        check(&database, text, ("r", None), true, &[]);
        let unknown = Unreadable::Role {
            role: String::from("s"),
        };
        check(&database, text, ("s", Some("me")), true, &[unknown]);
        // Nobody looks for a role on behalf of a client without an id.
        check(&database, text, ("s", None), true, &[]);
    }
}

#[test]
fn what_is_missing_in_the_rules_is_reported_when_it_is_needed() {
    let me = ("r", Some("me"));
    let database_without = |what: &str| {
        let left = |columns: &[&'static str]| -> Vec<&'static str> {
            let left = columns.iter().filter(|column| **column != what);
            left.copied().collect()
        };
        database(
            &left(&[NAME, PERMISSIONS]),
            &left(&[AUTHORIZATION, UPDATE, INSERT_DELETE]),
        )
    };
    let unknown = || Unreadable::Role {
        role: String::from("r"),
    };
    let update = |operation| Unreadable::Update { operation };
    for (without, text, forbidden, reports) in [
        (NAME, INSERT, true, vec![unknown()]),
        (PERMISSIONS, DELETE, true, vec![Unreadable::Permissions]),
        (AUTHORIZATION, INSERT, true, vec![Unreadable::Authorization]),
        (AUTHORIZATION, CHANGE, true, vec![Unreadable::Authorization]),
        (UPDATE, CHANGE, true, vec![update("update")]),
        (UPDATE, MUTATE, true, vec![update("mutate")]),
        (UPDATE, INSERT, false, vec![]),
        (UPDATE, DELETE, false, vec![]),
        (INSERT_DELETE, INSERT, true, vec![]),
        (INSERT_DELETE, DELETE, true, vec![]),
        (INSERT_DELETE, CHANGE, false, vec![]),
    ] {
        check(&database_without(without), text, me, forbidden, &reports);
    }
}
