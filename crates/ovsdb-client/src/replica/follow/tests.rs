//! A follower told what a server might say, and what it makes of that.

use std::fmt::Write;

use ovsdb_proto::json;

use super::*;

const A: &str = "00000000-0000-0000-0000-00000000000a";
const B: &str = "00000000-0000-0000-0000-00000000000b";
const T1: &str = "10000000-0000-0000-0000-000000000000";
const T2: &str = "20000000-0000-0000-0000-000000000000";
const ZERO: &str = "00000000-0000-0000-0000-000000000000";

const SCHEMA: &str = r#"{"name":"db","tables":{
    "T":{"isRoot":true,"columns":{"i":{"type":"integer"},
        "s":{"type":{"key":"string","min":0,"max":"unlimited"}}}},
    "U":{"isRoot":true,"columns":{"n":{"type":"string"}}}}}"#;
/// One with a column more.
const NEWER: &str = r#"{"name":"db","tables":{
    "T":{"isRoot":true,"columns":{"i":{"type":"integer"},"j":{"type":"integer"},
        "s":{"type":{"key":"string","min":0,"max":"unlimited"}}}}}}"#;

fn schema(text: &str) -> Arc<Schema> {
    Arc::new(Schema::from_json(&json::parse(text.as_bytes()).unwrap()).unwrap())
}

/// `text` with what names stand for.
fn spell(text: &str) -> String {
    let names = [("$A", A), ("$B", B), ("$1", T1), ("$2", T2), ("$0", ZERO)];
    names.iter().fold(text.to_owned(), |text, (name, uuid)| {
        text.replace(name, uuid)
    })
}

/// `text` with names where they can be.
fn shorten(text: &str) -> String {
    let names = [("$A", A), ("$B", B), ("$1", T1), ("$2", T2), ("$0", ZERO)];
    names.iter().fold(text.to_owned(), |text, (name, uuid)| {
        text.replace(uuid, name)
    })
}

fn follower() -> Follower {
    let selection = Selection::new().table("T");
    let limits = Limits {
        rows_max: 3,
        bytes_max: 10_000,
    };
    Follower::new("db", selection, limits, |n| {
        Json::array([Json::string("m"), Json::Integer(n.cast_signed())])
    })
}

/// The rows of a version, in words.
fn rows(version: &Version) -> String {
    let mut words = Vec::new();
    for id in version.schema().table_ids() {
        let table = version.schema().table(id);
        for (uuid, row) in version.rows(id).iter() {
            assert_eq!(row.uuid(), *uuid);
            let mut word = format!("{} {uuid}", table.name);
            for &column in table.column_ids_by_name() {
                let column_schema = table.column(column);
                let value = row.get(column).to_json(&column_schema.ty);
                write!(word, " {}={value}", column_schema.name).unwrap();
            }
            words.push(word);
        }
    }
    assert_eq!(words.len(), version.n_rows());
    shorten(&words.join("; "))
}

fn status(follower: &Follower) -> &'static str {
    match follower.status() {
        Status::Empty => "empty",
        Status::Live => "live",
        Status::Stale => "stale",
        Status::Repairing(_) => "repairing",
        Status::Refused(_) => "refused",
        Status::Failed(_) => "failed",
    }
}

/// Tells `follower` what a line says, and answers in lines what it does.
///
/// `up`, `up newer`, `schema newer`, `schema_now MONITOR same|newer|TEXT`, `down`, `unequal`, `want {TABLE: CLAUSES}`, `tick`, `reply N TEXT`, `error N`, `METHOD MONITOR PARAMS`, or several of these
/// with ` ++ ` between them, taken together; each with `@MS` in front where time has gone by.
fn tell(follower: &mut Follower, now_ms: &mut u64, line: &str) -> Vec<String> {
    let mut line = line;
    if let Some(rest) = line.strip_prefix('@') {
        let (ms, rest) = rest.split_once(' ').unwrap();
        *now_ms = ms.parse().unwrap();
        line = rest;
    }
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    let text = |text: &str| Bytes::from(spell(text));
    let schema = || schema(if rest == "newer" { NEWER } else { SCHEMA });
    let input = match word {
        "up" => Input::Up(schema()),
        "schema" => Input::Schema(schema()),
        "schema_now" => {
            let (monitor, now) = rest.split_once(' ').unwrap();
            Input::Confirmed {
                monitor: monitor.parse().unwrap(),
                result: Ok(text(match now {
                    "same" => SCHEMA,
                    "newer" => NEWER,
                    other => other,
                })),
            }
        }
        "down" => Input::Down,
        "tick" => Input::Tick,
        "unequal" => Input::Unequal,
        "want" => {
            let changes = json::parse(rest.as_bytes()).unwrap();
            let changes = changes.as_object().unwrap().iter();
            let changes = changes.map(|(table, clauses)| (table.clone(), clauses.clone()));
            Input::Conditions(changes.collect())
        }
        "error" => Input::Reply {
            request: rest.parse().unwrap(),
            result: Err(Json::string("unknown method")),
        },
        "reply" => {
            let (request, result) = rest.split_once(' ').unwrap();
            Input::Reply {
                request: request.parse().unwrap(),
                result: Ok(text(result)),
            }
        }
        method => {
            let method = Method::from_text(method).unwrap();
            let (monitor, params) = rest.split_once(' ').unwrap();
            let monitor = monitor.parse().unwrap();
            match params.contains(" ++ ") {
                false => Input::Notification {
                    method,
                    monitor,
                    params: text(params),
                },
                true => Input::Updates {
                    method,
                    monitor,
                    params: params.split(" ++ ").map(text).collect(),
                },
            }
        }
    };
    let actions = follower.step(*now_ms, input);
    // Every monitor leads to this: see the test of it.
    let of_interest = |action: &&Action| !matches!(action, Action::AskSchema { .. });
    let actions = actions.iter().filter(of_interest);
    let words = actions.map(|action| match action {
        Action::AskSchema { monitor } => format!("schema of {monitor}?"),
        Action::Request {
            request,
            method,
            params,
        } => {
            let params = shorten(std::str::from_utf8(params).unwrap());
            format!("{request} {method} {params}")
        }
        Action::Publish(version) => {
            assert!(Arc::ptr_eq(version, follower.version().unwrap()));
            format!("rows {}", rows(version)).trim_end().to_owned()
        }
        Action::Confirm(revision) => format!("confirm {revision}"),
        Action::Refuse { revisions, error } => format!("refuse {revisions:?} {error}"),
        Action::Warn(trouble) => shorten(&format!("warn {trouble}")),
        Action::Reject(trouble) => shorten(&format!("reject {trouble}")),
    });
    words.collect()
}

/// Plays a dialogue: lines that begin with `> ` are told, those after it are what comes of it, and `= STATUS` is how things
/// stand then.
#[track_caller]
fn check(dialogue: &str) {
    let mut follower = follower();
    let mut now_ms = 0;
    let mut played = String::new();
    for line in dialogue
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
    {
        if let Some(told) = line.strip_prefix("> ") {
            writeln!(played, "{line}").unwrap();
            for action in tell(&mut follower, &mut now_ms, told) {
                writeln!(played, "{action}").unwrap();
            }
        } else if line.starts_with("= ") {
            writeln!(played, "= {}", status(&follower)).unwrap();
        }
    }
    let expected = dialogue
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty());
    let expected: String = expected.map(|line| format!("{line}\n")).collect();
    assert_eq!(played, expected, "\n{played}");
}

/// The request for the monitor with a number, since a transaction.
const ASK: &str = r#"[{"columns":["i","s"]}]"#;

#[test]
fn updates_are_followed_from_the_initial_contents_on() {
    check(
        r#"
        = empty
        > up
        0 monitor_cond_since ["db",["m",0],{"T":[{"columns":["i","s"]}]},"$0"]
        = empty
        > reply 0 [false,"$1",{"T":{"$A":{"initial":{"i":1}},"$B":{"initial":{"s":["set",["x","y"]]}}}}]
        rows T $A i=1 s=["set",[]]; T $B i=0 s=["set",["x","y"]]
        = live
        > update3 0 [["m",0],"$2",{"T":{"$A":{"delete":null},"$B":{"modify":{"i":7,"s":["set",["y","z"]]}}}}]
        rows T $B i=7 s=["set",["x","z"]]
        > update3 0 [["m",0],"$2",{"T":{"$A":{"insert":{"i":2}}}}]
        rows T $A i=2 s=["set",[]]; T $B i=7 s=["set",["x","z"]]
        "#,
    );
}

#[test]
fn updates_that_came_together_are_one_version_or_none_if_one_of_them_does_not_fit() {
    check(
        r#"
        > up
        0 monitor_cond_since ["db",["m",0],{"T":[{"columns":["i","s"]}]},"$0"]
        > reply 0 [false,"$1",{"T":{"$A":{"initial":{"i":1}}}}]
        rows T $A i=1 s=["set",[]]
        > update3 0 [["m",0],"$2",{"T":{"$A":{"modify":{"i":2}}}}] ++ [["m",0],"$2",{"T":{"$B":{"insert":{}}}}]
        rows T $A i=2 s=["set",[]]; T $B i=0 s=["set",[]]
        > update3 0 [["m",0],"$2",{}] ++ [["m",0],"$1",{}]
        > down
        > up
        1 monitor_cond_since ["db",["m",1],{"T":[{"columns":["i","s"]}]},"$1"]
        > reply 1 [true,"$1",{}]
        rows T $A i=2 s=["set",[]]; T $B i=0 s=["set",[]]
        > update3 0 [["m",0],"$2",{"T":{"$A":{"modify":{"i":9}}}}] ++ [["m",0],"$2",{}]
        > update3 1 [["m",1],"$2",{"T":{"$A":{"modify":{"i":3}}}}] ++ [["m",1],"$2",{"T":{"$A":{"insert":{}}}}]
        2 monitor_cancel [["m",1]]
        warn row $A of table T: inserted, but it was there
        3 monitor_cond_since ["db",["m",2],{"T":[{"columns":["i","s"]}]},"$0"]
        = repairing
        > reply 3 [false,"$2",{"T":{"$A":{"initial":{"i":4}}}}]
        rows T $A i=4 s=["set",[]]
        = live
        "#,
    );
}

#[test]
fn after_a_reconnection_it_goes_on_where_it_was_if_the_server_can() {
    check(
        r#"
        > up
        0 monitor_cond_since ["db",["m",0],{"T":[{"columns":["i","s"]}]},"$0"]
        > reply 0 [false,"$1",{"T":{"$A":{"initial":{"i":1}}}}]
        rows T $A i=1 s=["set",[]]
        > down
        = stale
        > up
        1 monitor_cond_since ["db",["m",1],{"T":[{"columns":["i","s"]}]},"$1"]
        = stale
        > reply 1 [true,"$2",{"T":{"$A":{"modify":{"i":2}},"$B":{"insert":{}}}}]
        rows T $A i=2 s=["set",[]]; T $B i=0 s=["set",[]]
        > down
        > up
        2 monitor_cond_since ["db",["m",2],{"T":[{"columns":["i","s"]}]},"$2"]
        > reply 2 [false,"$1",{"T":{"$B":{"initial":{"i":3}}}}]
        rows T $B i=3 s=["set",[]]
        > update3 2 [["m",2],"$2",{}]
        > down
        > up
        3 monitor_cond_since ["db",["m",3],{"T":[{"columns":["i","s"]}]},"$2"]
        "#,
    );
}

#[test]
fn a_server_is_asked_in_the_best_way_that_it_knows() {
    check(
        r#"
        > up
        0 monitor_cond_since ["db",["m",0],{"T":[{"columns":["i","s"]}]},"$0"]
        > error 0
        1 monitor_cond ["db",["m",1],{"T":[{"columns":["i","s"]}]}]
        > reply 1 {"T":{"$A":{"initial":{"i":1}}}}
        rows T $A i=1 s=["set",[]]
        > update2 1 [["m",1],{"T":{"$A":{"modify":{"i":2}}}}]
        rows T $A i=2 s=["set",[]]
        > down
        > up
        2 monitor_cond_since ["db",["m",2],{"T":[{"columns":["i","s"]}]},"$0"]
        > error 2
        3 monitor_cond ["db",["m",3],{"T":[{"columns":["i","s"]}]}]
        > error 3
        4 monitor ["db",["m",4],{"T":[{"columns":["i","s"]}]}]
        > reply 4 {"T":{"$A":{"new":{"i":5,"s":"x"}}}}
        rows T $A i=5 s="x"
        > update 4 [["m",4],{"T":{"$A":{"old":{"i":5},"new":{"i":6,"s":"x"}},"$B":{"new":{"i":1,"s":"y"}}}}]
        rows T $A i=6 s="x"; T $B i=1 s="y"
        > update 4 [["m",4],{"T":{"$A":{"old":{"i":6,"s":"x"}}}}]
        rows T $B i=1 s="y"
        = live
        "#,
    );
}

#[test]
fn what_does_not_fit_is_asked_for_again_and_readers_keep_what_they_had() {
    let misfits = [
        (
            r#"{"T":{"$A":{"insert":{}}}}"#,
            "row $A of table T: inserted, but it was there",
        ),
        (
            r#"{"T":{"$A":{"delete":null},"$B":{"modify":{"i":1}}}}"#,
            "row $B of table T: changed or deleted, but it was not there",
        ),
        (
            r#"{"T":{"$B":{"delete":null}}}"#,
            "row $B of table T: changed or deleted, but it was not there",
        ),
        (r#"{"U":{}}"#, "update of table U: there is no such table"),
        (
            r#"{"T":{"$A":{"modify":{"i":["set",[]]}}}}"#,
            "row $A of table T: ovsdb error: Datum crated by diff has size error",
        ),
    ];
    for (updates, trouble) in misfits {
        check(&format!(
            r#"
            > up
            0 monitor_cond_since ["db",["m",0],{{"T":{ASK}}},"$0"]
            > reply 0 [false,"$1",{{"T":{{"$A":{{"initial":{{"i":1}}}}}}}}]
            rows T $A i=1 s=["set",[]]
            > update3 0 [["m",0],"$2",{updates}]
            1 monitor_cancel [["m",0]]
            warn {trouble}
            2 monitor_cond_since ["db",["m",1],{{"T":{ASK}}},"$0"]
            = repairing
            > update3 0 [["m",0],"$2",{{"T":{{"$A":{{"delete":null}}}}}}]
            > reply 1 {{}}
            > reply 2 [false,"$2",{{"T":{{"$B":{{"initial":{{}}}}}}}}]
            rows T $B i=0 s=["set",[]]
            = live
            "#
        ));
    }
}

#[test]
fn a_server_that_contradicts_itself_is_asked_more_and_more_rarely_and_then_given_up() {
    let mut follower = follower();
    let (mut now_ms, mut request) = (0, 0);
    let mut pauses = Vec::new();
    tell(&mut follower, &mut now_ms, "up");
    let last = loop {
        let initial = r#"[false,"$1",{"T":{"$A":{"insert":{}}}}]"#;
        let shown = tell(
            &mut follower,
            &mut now_ms,
            &format!("reply {request} {initial}"),
        );
        assert_eq!(shown, ["rows T $A i=0 s=[\"set\",[]]"]);
        let State::Live { monitor, .. } = follower.state else {
            panic!("it is live");
        };
        let again = format!(r#"update3 {monitor} [[],"$1",{{"T":{{"$A":{{"insert":{{}}}}}}}}]"#);
        let mut actions = tell(&mut follower, &mut now_ms, &again);
        if let [only] = &actions[..] {
            break only.clone();
        }
        if let Some(until_ms) = follower.wakes_at() {
            pauses.push(until_ms - now_ms);
            assert!(tell(&mut follower, &mut now_ms, "tick").is_empty());
            now_ms = until_ms;
            actions = tell(&mut follower, &mut now_ms, "tick");
        }
        request = follower.next_request - 1;
        assert!(
            actions
                .last()
                .unwrap()
                .starts_with(&format!("{request} monitor_cond_since"))
        );
    };
    assert_eq!(pauses, [1_000, 2_000, 4_000, 8_000]);
    assert_eq!(last, "reject row $A of table T: inserted, but it was there");
    assert_eq!(status(&follower), "stale");
}

#[test]
fn what_has_lasted_is_forgiven() {
    check(&format!(
        r#"
        > up
        0 monitor_cond_since ["db",["m",0],{{"T":{ASK}}},"$0"]
        > reply 0 [false,"$1",{{}}]
        rows
        > @59999 update3 0 [[],"$1",{{"U":{{}}}}]
        1 monitor_cancel [["m",0]]
        warn update of table U: there is no such table
        2 monitor_cond_since ["db",["m",1],{{"T":{ASK}}},"$0"]
        > reply 2 [false,"$1",{{}}]
        rows
        > @119999 update3 1 [[],"$1",{{"U":{{}}}}]
        3 monitor_cancel [["m",1]]
        warn update of table U: there is no such table
        4 monitor_cond_since ["db",["m",2],{{"T":{ASK}}},"$0"]
        > reply 4 [false,"$1",{{}}]
        rows
        > @120000 update3 2 [[],"$1",{{"U":{{}}}}]
        5 monitor_cancel [["m",2]]
        warn update of table U: there is no such table
        > @121000 tick
        6 monitor_cond_since ["db",["m",3],{{"T":{ASK}}},"$0"]
        "#
    ));
}

#[test]
fn a_server_that_does_not_speak_the_protocol_is_given_up() {
    let cases = [
        ("reply 0 {}", "the server sent no valid monitor_cond_since"),
        (
            "reply 0 [false,{}]",
            "the server sent no valid monitor_cond_since",
        ),
        ("reply 0 [false,\"$1\",{\"T\":nothing}]", "update: "),
    ];
    for (line, trouble) in cases {
        let mut follower = follower();
        tell(&mut follower, &mut 0, "up");
        let actions = tell(&mut follower, &mut 0, line);
        assert_eq!(actions.len(), 1, "{line}: {actions:?}");
        let rejected = actions[0].strip_prefix("reject ");
        assert!(
            rejected.is_some_and(|words| words.starts_with(trouble)),
            "{actions:?}"
        );
        assert!(tell(&mut follower, &mut 0, "update3 0 [[],\"$1\",{}]").is_empty());
    }
}

#[test]
fn an_update_that_was_not_due_is_no_part_of_the_contents() {
    check(&format!(
        r#"
        > up
        0 monitor_cond_since ["db",["m",0],{{"T":{ASK}}},"$0"]
        > update3 7 [["m",7],"$2",{{"T":{{"$A":{{"insert":{{}}}}}}}}]
        > update3 0 [["m",0],"$2",{{"T":{{"$A":{{"insert":{{}}}}}}}}]
        1 monitor_cancel [["m",0]]
        warn the server sent update3 before it answered the request for the monitor
        2 monitor_cond_since ["db",["m",1],{{"T":{ASK}}},"$0"]
        > reply 0 [false,"$2",{{"T":{{"$A":{{"insert":{{}}}}}}}}]
        > reply 2 [false,"$2",{{}}]
        rows
        > update2 1 [["m",1],{{"T":{{"$A":{{"insert":{{}}}}}}}}]
        3 monitor_cancel [["m",1]]
        warn the server sent update2 for a monitor of another kind
        = repairing
        > down
        = stale
        > up
        4 monitor_cond_since ["db",["m",2],{{"T":{ASK}}},"$0"]
        "#
    ));
}

#[test]
fn a_conversion_is_followed_whatever_comes_first() {
    for order in [
        [r#"> monitor_canceled 0 [["m",0]]"#, "> schema newer"],
        ["> schema newer", r#"> monitor_canceled 0 [["m",0]]"#],
    ] {
        let ask = r#"1 monitor_cond_since ["db",["m",1],{"T":[{"columns":["i","j","s"]}]},"$0"]"#;
        let lines = order.map(|line| match line {
            "> schema newer" => format!("{line}\n{ask}"),
            _ => line.to_owned(),
        });
        check(&format!(
            r#"
            > up
            0 monitor_cond_since ["db",["m",0],{{"T":{ASK}}},"$0"]
            > reply 0 [false,"$1",{{"T":{{"$A":{{"initial":{{"i":1}}}}}}}}]
            rows T $A i=1 s=["set",[]]
            {}
            {}
            = stale
            > reply 1 [false,"$2",{{"T":{{"$A":{{"initial":{{"i":1,"j":2}}}}}}}}]
            rows T $A i=1 j=2 s=["set",[]]
            "#,
            lines[0], lines[1]
        ));
    }
}

#[test]
fn after_a_conversion_to_an_equal_schema_nothing_is_resumed() {
    check(&format!(
        r#"
        > up
        0 monitor_cond_since ["db",["m",0],{{"T":{ASK}}},"$0"]
        > reply 0 [false,"$1",{{}}]
        rows
        > schema
        1 monitor_cond_since ["db",["m",1],{{"T":{ASK}}},"$0"]
        "#
    ));
}

#[test]
fn a_monitor_that_ended_for_no_known_reason_is_asked_for_again() {
    check(&format!(
        r#"
        > up
        0 monitor_cond_since ["db",["m",0],{{"T":{ASK}}},"$0"]
        > reply 0 [false,"$1",{{}}]
        rows
        > @100 monitor_canceled 0 [["m",0]]
        > @5099 tick
        > @5100 tick
        1 monitor_cond_since ["db",["m",1],{{"T":{ASK}}},"$0"]
        "#
    ));
}

#[test]
fn other_columns_than_before_are_not_resumed() {
    check(&format!(
        r#"
        > up
        0 monitor_cond_since ["db",["m",0],{{"T":{ASK}}},"$0"]
        > reply 0 [false,"$1",{{"T":{{"$A":{{"initial":{{"i":1}}}}}}}}]
        rows T $A i=1 s=["set",[]]
        > down
        > up newer
        1 monitor_cond_since ["db",["m",1],{{"T":[{{"columns":["i","j","s"]}}]}},"$0"]
        > reply 1 [true,"$2",{{"T":{{"$B":{{"insert":{{"j":2}}}}}}}}]
        rows T $B i=0 j=2 s=["set",[]]
        "#
    ));
}

#[test]
fn a_server_that_refuses_to_be_monitored_is_asked_again_later() {
    check(&format!(
        r#"
        > up
        0 monitor_cond_since ["db",["m",0],{{"T":{ASK}}},"$0"]
        > error 0
        1 monitor_cond ["db",["m",1],{{"T":{ASK}}}]
        > error 1
        2 monitor ["db",["m",2],{{"T":{ASK}}}]
        > error 2
        warn the server refuses to be monitored: "unknown method"
        3 monitor ["db",["m",3],{{"T":{ASK}}}]
        > error 3
        warn the server refuses to be monitored: "unknown method"
        > @1000 tick
        4 monitor ["db",["m",4],{{"T":{ASK}}}]
        = empty
        "#
    ));
}

#[test]
fn a_refusal_is_one_when_the_schema_is_known_to_be_that_of_the_database() {
    check(&format!(
        r#"
        > up
        0 monitor_cond_since ["db",["m",0],{{"T":{ASK}}},"$0"]
        > error 0
        1 monitor_cond ["db",["m",1],{{"T":{ASK}}}]
        > error 1
        2 monitor ["db",["m",2],{{"T":{ASK}}}]
        > schema_now 2 same
        = empty
        > error 2
        warn the server refuses to be monitored: "unknown method"
        3 monitor ["db",["m",3],{{"T":{ASK}}}]
        = empty
        > schema_now 3 same
        = refused
        > error 3
        warn the server refuses to be monitored: "unknown method"
        = refused
        > @1000 tick
        4 monitor ["db",["m",4],{{"T":{ASK}}}]
        = refused
        > reply 4 {{"T":{{"$A":{{"new":{{"i":1}}}}}}}}
        rows T $A i=1 s=["set",[]]
        > schema_now 4 same
        = live
        > down
        = stale
        > up
        5 monitor_cond_since ["db",["m",5],{{"T":{ASK}}},"$0"]
        > error 5
        6 monitor_cond ["db",["m",6],{{"T":{ASK}}}]
        > error 6
        7 monitor ["db",["m",7],{{"T":{ASK}}}]
        > error 7
        warn the server refuses to be monitored: "unknown method"
        8 monitor ["db",["m",8],{{"T":{ASK}}}]
        = repairing
        > schema_now 8 same
        = refused
        > down
        = stale
        > up
        9 monitor_cond_since ["db",["m",9],{{"T":{ASK}}},"$0"]
        = stale
        "#
    ));
}

#[test]
fn more_rows_than_the_limit_end_the_replica() {
    let row = |n: usize| format!(r#""00000000-0000-0000-0000-{n:012}":{{"insert":{{}}}}"#);
    let update = |range: std::ops::Range<usize>| {
        let rows: Vec<String> = range.map(row).collect();
        format!(r#"{{"T":{{{}}}}}"#, rows.join(","))
    };
    let mut follower = follower();
    tell(&mut follower, &mut 0, "up");
    tell(
        &mut follower,
        &mut 0,
        &format!(r#"reply 0 [false,"$1",{}]"#, update(0..3)),
    );
    assert_eq!(status(&follower), "live");
    let line = format!(r#"update3 0 [[],"$1",{}]"#, update(3..4));
    assert_eq!(
        tell(&mut follower, &mut 0, &line),
        [
            r#"1 monitor_cancel [["m",0]]"#,
            "warn the database has more than 3 rows"
        ]
    );
    assert_eq!(status(&follower), "failed");
    assert!(follower.version().is_none());
    assert!(tell(&mut follower, &mut 0, "up").is_empty());
}

#[test]
fn a_version_stays_as_it_was_when_the_next_one_comes() {
    let mut follower = follower();
    tell(&mut follower, &mut 0, "up");
    tell(
        &mut follower,
        &mut 0,
        r#"reply 0 [false,"$1",{"T":{"$A":{"initial":{"i":1}},"$B":{"initial":{"i":2}}}}]"#,
    );
    let before = Arc::clone(follower.version().unwrap());
    let told = rows(&before);
    tell(
        &mut follower,
        &mut 0,
        r#"update3 0 [[],"$1",{"T":{"$A":{"modify":{"i":5}}}}]"#,
    );
    let after = follower.version().unwrap();
    assert_eq!(rows(&before), told);
    assert!(after.generation() > before.generation());
    let table = after.schema().table_id("T").unwrap();
    let row = |version: &Version, name| {
        version
            .rows(table)
            .get(&Uuid::parse(name).unwrap())
            .cloned()
    };
    assert!(
        row(&before, B)
            .unwrap()
            .is_shared_with(&row(after, B).unwrap())
    );
    assert_ne!(row(&before, A), row(after, A));
}

#[test]
fn what_was_found_to_be_unequal_is_asked_for_anew() {
    check(
        r#"
        > up
        0 monitor_cond_since ["db",["m",0],{"T":[{"columns":["i","s"]}]},"$0"]
        > reply 0 [false,"$1",{"T":{"$A":{"initial":{"i":1}}}}]
        rows T $A i=1 s=["set",[]]
        > unequal
        1 monitor_cancel [["m",0]]
        warn the contents are not what the server has
        2 monitor_cond_since ["db",["m",1],{"T":[{"columns":["i","s"]}]},"$0"]
        = repairing
        > reply 2 [false,"$1",{"T":{"$A":{"initial":{"i":2}}}}]
        rows T $A i=2 s=["set",[]]
        > down
        > unequal
        > up
        3 monitor_cond_since ["db",["m",2],{"T":[{"columns":["i","s"]}]},"$0"]
        "#,
    );
}

#[test]
fn more_memory_than_the_limit_ends_the_replica() {
    let long = "x".repeat(4_000);
    let dialogue = r#"
        > up
        0 monitor_cond_since ["db",["m",0],{"T":[{"columns":["i","s"]}]},"$0"]
        > reply 0 [false,"$1",{"T":{"$A":{"initial":{"s":"LONG1"}}}}]
        rows T $A i=0 s="LONG1"
        > update3 0 [["m",0],"$1",{"T":{"$A":{"modify":{"s":"LONG2"}}}}]
        rows T $A i=0 s=["set",["LONG1","LONG2"]]
        > update3 0 [["m",0],"$1",{"T":{"$A":{"modify":{"s":"LONG1"}}}}]
        rows T $A i=0 s="LONG2"
        > update3 0 [["m",0],"$1",{"T":{"$A":{"delete":null}}}]
        rows
        > update3 0 [["m",0],"$1",{"T":{"$A":{"insert":{"s":["set",["LONG1","LONG2"]]}}}}]
        rows T $A i=0 s=["set",["LONG1","LONG2"]]
        > update3 0 [["m",0],"$1",{"T":{"$B":{"insert":{"s":"LONG3"}}}}]
        1 monitor_cancel [["m",0]]
        warn the rows need more than 10000 bytes
        = failed
        "#;
    check(&dialogue.replace("LONG", &long));
}

mod conditions;
mod outdated;
