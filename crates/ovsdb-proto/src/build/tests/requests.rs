//! Requests other than transactions: their parameters, and that monitors are read as what was meant.

use crate::arbitrary::{json, schema, uuid};
use crate::build::{self, Invalid, Monitor, Request, Rows, Transaction, column, table};
use crate::json::Json;
use crate::monitor::{MonitorRequests, Select, condition_changes_from_json};
use crate::value::Value;
use crate::words::Method;

#[track_caller]
fn check(request: Result<Request, Invalid>, method: Method, params: &str) {
    let request = request.unwrap();
    assert_eq!(request.method, method);
    assert_eq!(Json::Array(request.params), json(params));
}

#[track_caller]
fn fails(request: Result<Request, Invalid>, words: &str) {
    assert_eq!(request.unwrap_err().to_string(), words);
}

#[test]
fn every_method_has_its_parameters() {
    check(Ok(build::list_dbs()), Method::ListDbs, "[]");
    check(build::get_schema("db"), Method::GetSchema, r#"["db"]"#);
    let transaction = Transaction::new("db").with(build::abort());
    check(
        build::transact(&transaction),
        Method::Transact,
        r#"["db",{"op":"abort"}]"#,
    );
    check(build::cancel(7), Method::Cancel, "[7]");
    check(
        build::monitor_cancel(Json::Null),
        Method::MonitorCancel,
        "[null]",
    );
    check(build::lock("l"), Method::Lock, r#"["l"]"#);
    check(build::steal("l"), Method::Steal, r#"["l"]"#);
    check(build::unlock("l"), Method::Unlock, r#"["l"]"#);
    check(build::echo(vec![Json::Bool(true)]), Method::Echo, "[true]");
    check(Ok(build::get_server_id()), Method::GetServerId, "[]");
    check(
        Ok(build::set_db_change_aware(true)),
        Method::SetDbChangeAware,
        "[true]",
    );
    let schema = schema();
    check(
        build::convert("db", &schema),
        Method::Convert,
        &format!(r#"["db",{}]"#, schema.to_json()),
    );
}

#[test]
fn what_no_server_could_read_is_not_requested() {
    for request in [build::get_schema("a-b"), build::convert("a-b", &schema())] {
        fails(request, r#""a-b" is not an <id>"#);
    }
    for request in [build::lock(""), build::steal(""), build::unlock("")] {
        fails(request, r#""" is not an <id>"#);
    }
    let nul = || Json::array([Json::string("a\0")]);
    for request in [
        build::cancel(nul()),
        build::monitor_cancel(nul()),
        build::echo(vec![nul()]),
        build::echo(vec![crate::obj! { "a\0" => 1 }]),
        build::monitor_cond_change(nul(), 1, &[]),
        build::monitor_cond_change(1, nul(), &[]),
        Monitor::new("db", nul()).monitor(),
    ] {
        fails(request, "text contains a NUL character");
    }
    fails(
        build::echo(vec![Json::NotUtf8(Box::new([0xff]))]),
        "text is not UTF-8",
    );
    fails(
        build::echo(vec![Json::Real(f64::NAN)]),
        "number is not finite",
    );
    fails(
        Monitor::new("db", 1).table(table("a b")).monitor(),
        r#"table a b: "a b" is not an <id>"#,
    );
    fails(
        Monitor::new("db", 1)
            .table(table("t").columns(["1"]))
            .monitor(),
        r#"table t, column 1: "1" is not an <id>"#,
    );
    let named = || Rows::any([column("u").eq(Value::named("x"))]);
    let words = r#"table t, column u: only transactions name rows, and this names "x""#;
    fails(
        Monitor::new("db", 1)
            .table(table("t").rows(named()))
            .monitor_cond(),
        words,
    );
    fails(
        build::monitor_cond_change(1, 2, &[("t".into(), named())]),
        words,
    );
}

/// A monitor of everything in `other`, and of some rows and columns of `t`.
fn monitor() -> Monitor {
    let clauses = [column("i").gt(3), column("s").eq("x")];
    Monitor::new("db", "m")
        .table(table("t"))
        .table(table("other"))
        .table(
            table("t")
                .columns(["i", "s"])
                .select(Select::INITIAL | Select::DELETE)
                .rows(Rows::any(clauses)),
        )
}

const COLUMNS: &str =
    r#""columns":["i","s"],"select":{"initial":true,"insert":false,"delete":true,"modify":false}"#;
const ALL: &str = r#""select":{"initial":true,"insert":true,"delete":true,"modify":true}"#;

#[test]
fn a_monitor_is_asked_for_by_whichever_method() {
    let condition = r#""where":[["i",">",3],["s","==","x"]]"#;
    let without = format!(r#"{{"t":[{{{COLUMNS}}}],"other":[{{{ALL}}}]}}"#);
    let with = format!(r#"{{"t":[{{{COLUMNS},{condition}}}],"other":[{{{ALL}}}]}}"#);
    check(
        monitor().monitor(),
        Method::Monitor,
        &format!(r#"["db","m",{without}]"#),
    );
    check(
        monitor().monitor_cond(),
        Method::MonitorCond,
        &format!(r#"["db","m",{with}]"#),
    );
    for (last, text) in [(None, uuid(0)), (Some(uuid(9)), uuid(9))] {
        check(
            monitor().monitor_cond_since(last),
            Method::MonitorCondSince,
            &format!(r#"["db","m",{with},"{text}"]"#),
        );
    }

    let request = monitor().monitor_cond().unwrap();
    let requests = MonitorRequests::from_json(&schema(), &request.params[2], true).unwrap();
    let t = requests.table(schema().table_id("t").unwrap()).unwrap();
    assert_eq!(t.select, Select::INITIAL | Select::DELETE);
    assert_eq!(t.columns.len(), 2);
    assert_eq!(t.condition.clauses().len(), 2);
    let other = requests.table(schema().table_id("other").unwrap()).unwrap();
    assert_eq!(other.select, Select::ALL);
    assert!(other.condition.is_true_for_monitor());
}

#[test]
fn rows_of_a_monitor_are_all_none_or_those_of_a_clause() {
    let some = Rows::any([column("i").eq(1)]);
    for (rows, text, all, none) in [
        (Rows::All, "[true]", true, false),
        (Rows::None, "[false]", false, true),
        (Rows::Any(Vec::new()), "[false]", false, true),
        (some, r#"[["i","==",1]]"#, false, false),
    ] {
        let change = [("t".into(), rows.clone())];
        let request = build::monitor_cond_change("m", 2, &change).unwrap();
        assert_eq!(request.method, Method::MonitorCondChange);
        let expected = format!(r#"["m",2,{{"t":[{{"where":{text}}}]}}]"#);
        assert_eq!(Json::Array(request.params.clone()), json(&expected));
        let changes =
            condition_changes_from_json(&schema(), |_| true, true, &request.params[2]).unwrap();
        let (_, changed) = &changes[0];

        let monitor = Monitor::new("db", 1).table(table("t").rows(rows));
        let request = monitor.monitor_cond().unwrap();
        let requests = MonitorRequests::from_json(&schema(), &request.params[2], true).unwrap();
        for condition in [changed, &requests.tables[0].condition] {
            assert_eq!(condition.is_true_for_monitor(), all);
            assert_eq!(condition.is_false_for_monitor(), none);
        }
    }
}
