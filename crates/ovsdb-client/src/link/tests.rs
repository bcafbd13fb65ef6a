//! Dialogues of the link with servers: what it is told (`<`) and what it has to do then (`>`).

use ovsdb_proto::json;

use super::*;

const CLUSTER: &str = "f6f2d3ce-05de-4a4b-9ab2-4dd9fd5ee6b9";
const ROW: &str = "11111111-1111-1111-1111-111111111111";
const OTHER_ROW: &str = "22222222-2222-2222-2222-222222222222";

/// The schema of `_Server`, as far as it matters: with all columns.
const SERVER: &str = r#"{"tables":{"Database":{"columns":{"name":{},"model":{},"connected":{},"leader":{},"schema":{},"cid":{},"index":{},"sid":{}}}}}"#;

fn link() -> Link {
    Link::new("db", None, true)
}

fn clustered_link() -> Link {
    Link::new("db", Uuid::parse(CLUSTER), true)
}

fn value(text: &str) -> Json {
    json::parse(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// What the link is told by a line: `connected`, `reply QUESTION RESULT`, `error QUESTION`, `update MONITOR UPDATES`,
/// `row MONITOR UPDATE` for an update of one row, `canceled MONITOR`, `data canceled`, `leader only`, `anybody`, `reset`.
fn input(line: &str) -> Input {
    let mut words = line.splitn(3, ' ');
    let mut next = || words.next().unwrap_or_default();
    let word = next();
    let mut number = || next().parse::<u64>().expect("a number comes next");
    match word {
        "connected" => Input::Connected,
        "reply" => Input::Reply {
            question: number(),
            result: Ok(value(next())),
        },
        "error" => Input::Reply {
            question: number(),
            result: Err(Json::string("unknown method")),
        },
        "update" => Input::Update {
            monitor: number(),
            updates: value(next()),
        },
        "row" => Input::Update {
            monitor: number(),
            updates: value(&format!(r#"{{"Database":{{"{ROW}":{}}}}}"#, next())),
        },
        "canceled" => Input::Canceled { monitor: number() },
        "data" => Input::DataCanceled,
        "leader" => Input::LeaderOnly(true),
        "anybody" => Input::LeaderOnly(false),
        "reset" => Input::ResetMinIndex,
        other => panic!("no such input: {other}"),
    }
}

fn words(action: &Action) -> String {
    match action {
        Action::Ask {
            question,
            method,
            params,
        } => format!("{question} {method} {}", Json::Array(params.clone())),
        Action::Fit(schema) => format!("fit {}", schema.name),
        Action::Schema(schema) => format!("schema {}", schema.name),
        Action::GiveUp(why) => format!("give up: {why}"),
    }
}

/// Plays a dialogue.
#[track_caller]
fn check(link: &mut Link, dialogue: &str) {
    let mut heard = Vec::new();
    for line in dialogue
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
    {
        if let Some(told) = line.strip_prefix("< ") {
            assert_eq!(heard, Vec::<String>::new(), "before {line}");
            let actions = link.step(input(told));
            heard = actions.iter().map(words).collect();
        } else {
            let expected = line.strip_prefix("> ").expect("a line is `< ` or `> `");
            assert!(
                !heard.is_empty(),
                "nothing is done, but {expected} was expected"
            );
            assert_eq!(heard.remove(0), expected);
        }
    }
    assert_eq!(heard, Vec::<String>::new(), "at the end");
}

/// Plays what comes before the server's first answer about its databases, which is to question 1 and monitor 0.
#[track_caller]
fn ask(link: &mut Link) {
    check(
        link,
        &format!(
            r#"
            < connected
            > 0 get_schema ["_Server"]
            < reply 0 {SERVER}
            > 1 monitor_cond ["_Server",["ovsdb-rs",-1,0],{{"Database":[{{"columns":["name","model","connected","leader","schema","cid","index"]}}]}}]
            "#
        ),
    );
}

/// The reply with one row of these columns.
fn row(columns: &str) -> String {
    format!(r#"reply 1 {{"Database":{{"{ROW}":{{"initial":{{"name":"db",{columns}}}}}}}}}"#)
}

/// The schema of the database.
const DB: &str = r#"{"name":"db","tables":{}}"#;

const SCHEMA: &str = r#""schema":"{\"name\":\"db\",\"tables\":{}}""#;

#[test]
fn a_server_with_a_database_of_its_own_will_do_and_is_told_that_changes_are_welcome() {
    let mut link = link();
    ask(&mut link);
    let row = row(&format!(r#""model":"standalone",{SCHEMA}"#));
    check(
        &mut link,
        &format!(
            r#"
            < {row}
            > 2 get_schema ["db"]
            < reply 2 {DB}
            > 3 set_db_change_aware [true]
            > fit db
            < reply 3 {{}}
            < row 0 {{"modify":{{"connected":false,"leader":false}}}}
            "#
        ),
    );
}

#[test]
fn what_a_server_says_of_itself_decides() {
    let schema = SCHEMA;
    let clustered = format!(r#""model":"clustered",{schema}"#);
    let relay = format!(r#""model":"relay",{schema}"#);
    // What the row says; what becomes of a link that insists on a leader, and of one that does not.
    let no_leader = "give up: the server does not lead its cluster";
    let cut_off = "give up: the server is cut off from the rest of its cluster, or from the server that it relays";
    let not_joined = "give up: the server has not joined its cluster yet, or has not reached the server that it relays";
    let is_relay = "give up: the server only relays the database";
    let no_schema = "give up: the server does not say what schema the database has";
    for (columns, strict, lenient) in [
        (
            format!(r#"{clustered},"connected":true,"leader":true"#),
            "",
            "",
        ),
        (
            format!(r#"{clustered},"connected":true,"leader":false"#),
            no_leader,
            "",
        ),
        (
            format!(r#"{clustered},"connected":false,"leader":true"#),
            cut_off,
            cut_off,
        ),
        (format!(r#"{clustered},"leader":true"#), cut_off, cut_off),
        (
            r#""model":"clustered","connected":true,"leader":true"#.into(),
            not_joined,
            not_joined,
        ),
        (format!(r#"{relay},"connected":true"#), is_relay, ""),
        (format!(r#"{relay},"connected":false"#), cut_off, cut_off),
        (
            r#""model":"relay","connected":true"#.into(),
            not_joined,
            not_joined,
        ),
        (r#""model":"standalone""#.into(), no_schema, no_schema),
        (format!(r#""model":"unheard of",{schema}"#), "", ""),
    ] {
        for (leader_only, expected) in [(true, strict), (false, lenient)] {
            let mut link = Link::new("db", None, leader_only);
            ask(&mut link);
            let mut actions = link.step(input(&row(&columns)));
            let last = actions.pop().map(|action| words(&action));
            let expected = match expected {
                "" => r#"2 get_schema ["db"]"#,
                other => other,
            };
            assert_eq!(last.as_deref(), Some(expected), "{columns}, {leader_only}");
        }
    }
}

#[test]
fn servers_without_the_database_or_with_that_of_another_cluster_will_not_do() {
    let mut other = link();
    ask(&mut other);
    check(
        &mut other,
        r#"
        < reply 1 {"Database":{}}
        > give up: the server does not have the database
        "#,
    );
    let standalone = row(&format!(r#""model":"standalone",{SCHEMA}"#));
    let mut clustered = clustered_link();
    ask(&mut clustered);
    check(
        &mut clustered,
        &format!(
            "< {standalone}
             > give up: the database is not that of the cluster"
        ),
    );
    // The cluster decides alone, whatever the database is called there.
    let mut clustered = clustered_link();
    ask(&mut clustered);
    check(
        &mut clustered,
        &format!(
            r#"
            < reply 1 {{"Database":{{"{ROW}":{{"initial":{{"name":"x","model":"clustered","connected":true,"leader":true,"cid":["uuid","{CLUSTER}"],{SCHEMA}}}}}}}}}
            > 2 get_schema ["db"]
            < reply 2 {DB}
            > 3 set_db_change_aware [true]
            > fit db
            "#
        ),
    );
}

#[test]
fn a_server_that_loses_the_lead_is_given_up_and_says_nothing_more() {
    let mut link = link();
    ask(&mut link);
    let row = row(&format!(
        r#""model":"clustered","connected":true,"leader":true,{SCHEMA}"#
    ));
    check(
        &mut link,
        &format!(
            r#"
            < {row}
            > 2 get_schema ["db"]
            < reply 2 {DB}
            > 3 set_db_change_aware [true]
            > fit db
            < row 0 {{"modify":{{"index":5}}}}
            < row 7 {{"modify":{{"leader":false}}}}
            < row 0 {{"modify":{{"leader":false}}}}
            > give up: the server does not lead its cluster
            < row 0 {{"modify":{{"leader":true}}}}
            < canceled 0
            "#
        ),
    );
}

#[test]
fn whoever_begins_to_insist_on_a_leader_leaves_a_server_that_is_none() {
    let mut link = Link::new("db", None, false);
    ask(&mut link);
    let row = row(&format!(
        r#""model":"clustered","connected":true,"leader":false,{SCHEMA}"#
    ));
    check(
        &mut link,
        &format!(
            r#"
            < {row}
            > 2 get_schema ["db"]
            < reply 2 {DB}
            > 3 set_db_change_aware [true]
            > fit db
            < anybody
            < leader only
            > give up: the server does not lead its cluster
            "#
        ),
    );
}

#[test]
fn a_server_that_shows_an_older_state_than_was_seen_will_not_do_until_that_is_forgotten() {
    let mut link = link();
    let told = |question: u64, index: i64| {
        format!(
            r#"reply {question} {{"Database":{{"{ROW}":{{"initial":{{"name":"db","model":"clustered","connected":true,"leader":true,"index":{index},{SCHEMA}}}}}}}}}"#
        )
    };
    let ask = |question: u64, monitor: u64| {
        let next = question + 1;
        format!(
            r#"
            < connected
            > {question} get_schema ["_Server"]
            < reply {question} {{"tables":{{"Database":{{"columns":{{"name":{{}}}}}}}}}}
            > {next} monitor_cond ["_Server",["ovsdb-rs",-1,{monitor}],{{"Database":[{{"columns":["name"]}}]}}]
            "#
        )
    };
    check(
        &mut link,
        &format!(
            r#"
            {first}
            < {told_7}
            > 2 get_schema ["db"]
            < reply 2 {DB}
            > 3 set_db_change_aware [true]
            > fit db
            < row 0 {{"modify":{{"index":9}}}}
            {second}
            < {told_8}
            > give up: the server has only 8 entries of its cluster's log, and 9 were seen elsewhere
            < reset
            {third}
            < {again_8}
            > 8 get_schema ["db"]
            < reply 8 {DB}
            > 9 set_db_change_aware [true]
            > fit db
            "#,
            first = ask(0, 0),
            told_7 = told(1, 7),
            second = ask(4, 1),
            told_8 = told(5, 8),
            third = ask(6, 2),
            again_8 = told(7, 8),
        ),
    );
}

#[test]
fn another_schema_is_told_once_and_another_row_is_another_database() {
    let mut link = link();
    ask(&mut link);
    let row = row(&format!(r#""model":"standalone",{SCHEMA}"#));
    let new = r#""schema":"new""#;
    check(
        &mut link,
        &format!(
            r#"
            < {row}
            > 2 get_schema ["db"]
            < reply 2 {DB}
            > 3 set_db_change_aware [true]
            > fit db
            < row 0 {{"modify":{{{new}}}}}
            > 4 get_schema ["db"]
            < row 0 {{"modify":{{{new}}}}}
            < reply 4 {{"name":"new","tables":{{}}}}
            > schema new
            < update 0 {{"Database":{{"{ROW}":{{"delete":null}},"{OTHER_ROW}":{{"insert":{{"name":"db",{new}}}}}}}}}
            > 5 get_schema ["db"]
            < reply 5 {{"name":"new","tables":{{}}}}
            < update 0 {{"Database":{{"{OTHER_ROW}":{{"modify":{{{SCHEMA}}}}}}}}}
            > 6 get_schema ["db"]
            < update 0 {{"Database":{{"{OTHER_ROW}":{{"delete":null}}}}}}
            > give up: the server does not have the database
            < reply 6 {DB}
            "#
        ),
    );
}

#[test]
fn a_monitor_that_the_server_ends_is_asked_for_again_and_the_same_schema_is_no_news() {
    let mut link = link();
    ask(&mut link);
    let row = row(&format!(r#""model":"standalone",{SCHEMA}"#));
    check(
        &mut link,
        &format!(
            r#"
            < {row}
            > 2 get_schema ["db"]
            < reply 2 {DB}
            > 3 set_db_change_aware [true]
            > fit db
            < canceled 3
            < canceled 0
            > 4 get_schema ["_Server"]
            < canceled 0
            < reply 4 {{"tables":{{"Database":{{"columns":{{"name":{{}}}}}}}}}}
            > 5 monitor_cond ["_Server",["ovsdb-rs",-1,1],{{"Database":[{{"columns":["name"]}}]}}]
            < row 0 {{"delete":null}}
            < reply 5 {{"Database":{{"{ROW}":{{"initial":{{"name":"db",{SCHEMA}}}}}}}}}
            < row 1 {{"delete":null}}
            > give up: the server does not have the database
            "#
        ),
    );
}

#[test]
fn after_monitors_of_the_database_have_ended_the_schema_is_told_again_even_if_it_is_the_same() {
    let mut link = link();
    ask(&mut link);
    let row = row(&format!(r#""model":"standalone",{SCHEMA}"#));
    check(
        &mut link,
        &format!(
            r#"
            < data canceled
            < {row}
            > 2 get_schema ["db"]
            < data canceled
            < reply 2 {DB}
            > 3 set_db_change_aware [true]
            > fit db
            < data canceled
            > 4 get_schema ["db"]
            < data canceled
            < row 0 {{"modify":{{"schema":"new"}}}}
            < row 0 {{"modify":{{"schema":"newer"}}}}
            < reply 4 {DB}
            > 5 get_schema ["db"]
            < reply 5 {DB}
            > schema db
            < data canceled
            > 6 get_schema ["db"]
            < error 6
            > give up: the server does not have the database
            < data canceled
            "#
        ),
    );
}

#[test]
fn servers_of_old_that_know_no_clusters_are_asked_for_the_schema() {
    let unknown = "
        < connected
        > 0 get_schema [\"_Server\"]
        < error 0
        ";
    check(
        &mut link(),
        &format!(
            r#"
            {unknown}
            > 1 get_schema ["db"]
            < reply 1 {{"name":"db","tables":{{}}}}
            > fit db
            < leader only
            < data canceled
            > 2 get_schema ["db"]
            < reply 2 {{"name":"db","tables":{{}}}}
            > schema db
            < reply 1 {{"name":"db","tables":{{}}}}
            "#
        ),
    );
    check(
        &mut link(),
        &format!(
            r#"
            {unknown}
            > 1 get_schema ["db"]
            < error 1
            > give up: the server does not have the database
            "#
        ),
    );
    check(
        &mut clustered_link(),
        &format!(
            "
            {unknown}
            > give up: the database is not that of the cluster
            "
        ),
    );
    let mut no_conditions = link();
    ask(&mut no_conditions);
    check(
        &mut no_conditions,
        r#"
        < error 1
        > 2 get_schema ["db"]
        "#,
    );
}

#[test]
fn a_schema_that_is_none_is_the_end() {
    let mut link = link();
    ask(&mut link);
    let row = row(&format!(r#""model":"standalone",{SCHEMA}"#));
    check(
        &mut link,
        &format!(
            r#"
            < {row}
            > 2 get_schema ["db"]
            < reply 2 {{}}
            > give up: syntax "{{}}": syntax error: Parsing database schema failed: Required 'name' member is missing.
            "#
        ),
    );
}

#[test]
fn answers_out_of_order_or_shape_do_no_harm() {
    check(
        &mut link(),
        r#"
        < reply 0 {}
        < update 0 {}
        < connected
        > 0 get_schema ["_Server"]
        < reply 5 {}
        < reply 0 {}
        > give up: the database "_Server" has no table "Database"
        < reply 0 {}
        < connected
        > 1 get_schema ["_Server"]
        < reply 0 {}
        "#,
    );
    let mut malformed = link();
    ask(&mut malformed);
    check(
        &mut malformed,
        r#"
        < reply 1 []
        > give up: the server's updates of "_Server" are not in order
        "#,
    );
}
