//! Transactions held back by `wait`: what wakes them, what ends them, and that nobody waits for them.

mod support;

use ovsdb_server::limits;
use support::{Client, Fixture};

const FOR_A: &str = concat!(
    r#"{"op":"wait","table":"T","where":[["name","==","a"]],"columns":["n"],"until":"==","rows":[{"n":5}]"#,
    r#"TIMEOUT}"#
);

fn wait_for_a(timeout: &str) -> String {
    FOR_A.replace("TIMEOUT", timeout)
}

fn park(client: &mut Client, id: &str, timeout: &str) {
    let select = r#"{"op":"select","table":"T","where":[],"columns":["n"]}"#;
    client.request(
        id,
        "transact",
        &format!(r#"["D",{},{select}]"#, wait_for_a(timeout)),
    );
}

/// Returns once everything sent before has been looked at.
fn settle(client: &mut Client) {
    assert_eq!(
        client.call("echo", "[]"),
        r#"{"error":null,"id":0,"result":[]}"#
    );
}

fn insert_a(client: &mut Client, n: u32) {
    let insert = format!(r#"{{"op":"insert","table":"T","row":{{"name":"a","n":{n}}}}}"#);
    client.check(&insert, r#"[{"uuid":["uuid","U"]}]"#);
}

const SUCCESS: &str = r#"{"error":null,"id":"w","result":[{},{"rows":[{"n":5}]}]}"#;

#[test]
fn a_wait_is_tried_again_when_its_table_changes() {
    let fixture = Fixture::new(&["D"]);
    let (mut waiter, mut other) = (fixture.connect(), fixture.connect());
    park(&mut waiter, "\"w\"", "");
    settle(&mut waiter);
    other.check(
        r#"{"op":"insert","table":"U","row":{"n":5}}"#,
        r#"[{"uuid":["uuid","U"]}]"#,
    );
    insert_a(&mut other, 4);
    settle(&mut waiter);
    other.check(
        r#"{"op":"update","table":"T","where":[["name","==","a"]],"row":{"n":5}}"#,
        r#"[{"count":1}]"#,
    );
    assert_eq!(waiter.next(), SUCCESS);
}

#[test]
fn a_session_may_go_on_while_a_transaction_of_its_own_waits() {
    let fixture = Fixture::new(&["D"]);
    let mut client = fixture.connect();
    park(&mut client, "\"w\"", "");
    insert_a(&mut client, 4);
    client.request(
        "1",
        "transact",
        r#"["D",{"op":"update","table":"T","where":[],"row":{"n":5}}]"#,
    );
    assert_eq!(
        client.next(),
        r#"{"error":null,"id":1,"result":[{"count":1}]}"#
    );
    assert_eq!(client.next(), SUCCESS);
}

#[test]
fn a_wait_fails_when_its_time_is_over() {
    let fixture = Fixture::new(&["D"]);
    let mut client = fixture.connect();
    let timed_out = |client: &mut Client, timeout: &str| {
        let reply = client.transact(&wait_for_a(timeout));
        assert!(reply.contains(r#""error":"timed out""#), "{reply}");
        reply
    };
    let at_once = timed_out(&mut client, r#","timeout":0"#);
    assert_eq!(
        at_once,
        r#"[{"details":"\"where\" clause test failed","error":"timed out"}]"#
    );
    let later = timed_out(&mut client, r#","timeout":20"#);
    assert!(later.contains("\\\"wait\\\" timed out after "), "{later}");
}

#[test]
fn waits_end_in_the_order_of_their_deadlines() {
    let fixture = Fixture::new(&["D"]);
    let mut client = fixture.connect();
    park(&mut client, "\"late\"", r#","timeout":60"#);
    park(&mut client, "\"soon\"", r#","timeout":20"#);
    assert!(client.next().contains(r#""id":"soon""#));
    assert!(client.next().contains(r#""id":"late""#));
}

#[test]
fn a_canceled_wait_is_answered_so_and_its_id_is_free_again() {
    let fixture = Fixture::new(&["D"]);
    let mut client = fixture.connect();
    park(&mut client, "\"w\"", "");
    park(&mut client, "\"w\"", "");
    let duplicate = client.next();
    assert!(
        duplicate.contains(r#""details":"transact: duplicate request ID""#),
        "{duplicate}"
    );
    client.notify("cancel", r#"["other"]"#);
    client.notify("cancel", r#"["w"]"#);
    assert_eq!(client.next(), r#"{"error":"canceled","id":"w"}"#);
    insert_a(&mut client, 5);
    park(&mut client, "\"w\"", "");
    assert_eq!(client.next(), SUCCESS);
}

#[test]
fn nothing_is_left_of_the_waits_of_a_client_that_has_gone() {
    let fixture = Fixture::new(&["D"]);
    let mut client = fixture.connect();
    let mut other = fixture.connect();
    for id in 0..10 {
        client.request(
            &id.to_string(),
            "transact",
            &format!(
                r#"["D",{},{{"op":"insert","table":"U","row":{{"n":{id}}}}}]"#,
                wait_for_a("")
            ),
        );
    }
    settle(&mut client);
    let database = fixture.server.database("D").expect("it is served");
    assert_eq!(database.parked(), 10);
    drop(client);
    fixture.wait_for_sessions(1);
    insert_a(&mut other, 5);
    assert_eq!(database.parked(), 0);
    other.check(
        r#"{"op":"select","table":"U","where":[]}"#,
        r#"[{"rows":[]}]"#,
    );
}

#[test]
fn transactions_woken_together_run_in_the_order_of_their_arrival() {
    let fixture = Fixture::new(&["D"]);
    let mut client = fixture.connect();
    let mut other = fixture.connect();
    for id in 0..20 {
        client.request(
            &id.to_string(),
            "transact",
            &format!(
                r#"["D",{},{{"op":"insert","table":"U","row":{{"n":{id}}}}}]"#,
                wait_for_a("")
            ),
        );
    }
    settle(&mut client);
    insert_a(&mut other, 5);
    for id in 0..20 {
        assert_eq!(
            client.next(),
            format!(r#"{{"error":null,"id":{id},"result":[{{}},{{"uuid":["uuid","U"]}}]}}"#)
        );
    }
}

/// Each of them makes true what the one sent before it waits for, so that whoever tries all of them after each has a square of
/// tries to make.
#[test]
fn others_get_their_turn_while_waiting_transactions_wake_each_other() {
    let fixture = Fixture::new(&["D"]);
    let (mut waiter, mut other) = (fixture.connect(), fixture.connect());
    insert_a(&mut other, 0);
    // A try looks at all of these.
    let rows = limits::WAKE_ROWS_MAX / 20;
    let insert = r#"{"op":"insert","table":"T","row":{"name":"b"}}"#;
    other.transact(&vec![insert; rows].join(","));
    let count = 100;
    for n in (1..=count).rev() {
        let wait = wait_for_a("").replace(r#""==","a""#, r#""!=","b""#);
        let wait = wait.replace(":5}", &format!(":{n}}}"));
        let add =
            r#"{"op":"mutate","table":"T","where":[["name","==","a"]],"mutations":[["n","+=",1]]}"#;
        waiter.request(
            &n.to_string(),
            "transact",
            &format!(r#"["D",{wait},{add}]"#),
        );
    }
    settle(&mut waiter);
    let database = fixture.server.database("D").expect("it is served");
    assert_eq!(database.parked(), count);

    let begin = r#"{"op":"update","table":"T","where":[["name","==","a"]],"row":{"n":1}}"#;
    let write = r#"{"op":"insert","table":"U","row":{"n":0}}"#;
    let read = r#"{"op":"select","table":"T","where":[["name","==","a"]],"columns":["n"]}"#;
    let both = [
        format!(r#"{{"method":"transact","id":1,"params":["D",{begin}]}}"#),
        format!(r#"{{"method":"transact","id":2,"params":["D",{write},{read}]}}"#),
    ];
    let both = both.concat();
    other.raw.send(both.as_bytes()).expect("the server reads");
    assert!(other.next().contains(r#""id":1"#));
    let reply = other.next();
    let (_, n) = reply.split_once(r#"{"n":"#).expect("a row");
    let (n, _) = n.split_once('}').expect("a row");
    let n: usize = n.parse().expect("a number");
    assert!(n <= 10, "{n} of {count} went before it: {reply}");

    for n in 1..=count {
        let reply = format!(r#"{{"error":null,"id":{n},"result":[{{}},{{"count":1}}]}}"#);
        assert_eq!(waiter.next(), reply);
    }
}

#[test]
fn a_session_that_parks_too_much_is_told_so_and_the_others_stay() {
    let fixture = Fixture::new(&["D"]);
    let mut client = fixture.connect();
    let last = limits::SESSION_PARKED_MAX;
    for id in 0..=last {
        client.request(
            &id.to_string(),
            "transact",
            &format!(r#"["D",{}]"#, wait_for_a("")),
        );
    }
    assert_eq!(
        client.next(),
        format!(
            concat!(
                r#"{{"error":null,"id":{last},"result":[{{"details":"#,
                r#""too many transactions of this session are waiting","error":"resources exhausted"}}]}}"#,
            ),
            last = last
        )
    );
    let database = fixture.server.database("D").expect("it is served");
    assert_eq!(database.parked(), last);
    client.notify("cancel", "[0]");
    assert_eq!(client.next(), r#"{"error":"canceled","id":0}"#);
}
