//! Databases that are converted before the monitor is there that would tell of it.

use super::*;

#[test]
fn each_monitor_leads_to_a_question_for_the_schema_behind_it() {
    let mut follower = follower();
    let mut now_ms = 0;
    tell(&mut follower, &mut now_ms, "up");
    let text = Bytes::from(spell(r#"[false,"$1",{}]"#));
    let result = Ok(text);
    let actions = follower.step(0, Input::Reply { request: 0, result });
    let asks = actions
        .iter()
        .filter(|action| matches!(action, Action::AskSchema { monitor: 0 }));
    assert_eq!(asks.count(), 1);
}

#[test]
fn a_monitor_by_a_schema_that_was_the_database_s_is_replaced() {
    check(
        r#"
        > up
        0 monitor_cond_since ["db",["m",0],{"T":[{"columns":["i","s"]}]},"$0"]
        > reply 0 [false,"$1",{"T":{"$A":{"initial":{"i":1}}}}]
        rows T $A i=1 s=["set",[]]
        > schema_now 0 newer
        1 monitor_cancel [["m",0]]
        warn the database was converted before it was monitored
        2 monitor_cond_since ["db",["m",1],{"T":[{"columns":["i","j","s"]}]},"$0"]
        = repairing
        > schema_now 0 same
        > update3 0 [["m",0],"$2",{"T":{"$A":{"modify":{"i":7}}}}]
        > reply 2 [false,"$1",{"T":{"$A":{"initial":{"i":1,"j":2}}}}]
        rows T $A i=1 j=2 s=["set",[]]
        > schema_now 1 newer
        = live
        "#,
    );
}

#[test]
fn where_monitors_are_refused_for_the_sake_of_the_schema_the_next_is_of_the_best_kind() {
    check(
        r#"
        > up
        0 monitor_cond_since ["db",["m",0],{"T":[{"columns":["i","s"]}]},"$0"]
        > error 0
        1 monitor_cond ["db",["m",1],{"T":[{"columns":["i","s"]}]}]
        > error 1
        2 monitor ["db",["m",2],{"T":[{"columns":["i","s"]}]}]
        > error 2
        warn the server refuses to be monitored: "unknown method"
        3 monitor ["db",["m",3],{"T":[{"columns":["i","s"]}]}]
        > error 3
        warn the server refuses to be monitored: "unknown method"
        > schema_now 3 newer
        warn the database was converted before it was monitored
        = empty
        > @3000 tick
        4 monitor_cond_since ["db",["m",4],{"T":[{"columns":["i","j","s"]}]},"$0"]
        > reply 4 [false,"$1",{}]
        rows
        = live
        "#,
    );
}

#[test]
fn a_server_whose_schema_changes_with_each_look_is_given_up() {
    let mut follower = follower();
    let mut now_ms = 0;
    let mut told = tell(&mut follower, &mut now_ms, "up");
    for monitor in 0.. {
        assert!(monitor < 20, "this goes on for ever");
        if told.iter().any(|word| word.starts_with("reject ")) {
            break;
        }
        if let Some(at) = follower.wakes_at() {
            told.extend(tell(&mut follower, &mut now_ms, &format!("@{at} tick")));
        }
        let asked = told
            .iter()
            .rev()
            .find(|word| word.contains("monitor_cond_since"));
        let request = asked.and_then(|word| word.split(' ').next()).unwrap();
        let reply = format!(r#"reply {request} [false,"$1",{{}}]"#);
        tell(&mut follower, &mut now_ms, &reply);
        let other = if monitor % 2 == 0 { "newer" } else { "same" };
        told = tell(
            &mut follower,
            &mut now_ms,
            &format!("schema_now {monitor} {other}"),
        );
    }
    assert_eq!(status(&follower), "stale");
}

#[test]
fn what_is_no_schema_is_no_answer() {
    check(
        r#"
        > up
        0 monitor_cond_since ["db",["m",0],{"T":[{"columns":["i","s"]}]},"$0"]
        > reply 0 [false,"$1",{}]
        rows
        > schema_now 0 {"tables":7}
        reject the server sent no valid get_schema
        "#,
    );
}
