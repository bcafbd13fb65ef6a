//! Dialogues of several clients with one server: locks, monitors, waits and their order, as with the reference.
//!
//! Each dialogue is played with the reference's server and with ours. After every step each client asks for an answer,
//! so that everything that the step has caused is there. What each client has received is compared. Missing is a client that gives up waiting for a
//! lock: the reference then tells the owner once more that the lock is its own.

use std::path::Path;

use ovsdb_testkit::client::RawClient;
use ovsdb_testkit::daemon::Server;
use ovsdb_testkit::differential::pairing::{End, Pairing};
use ovsdb_testkit::names::Names;
use ovsdb_testkit::programs::Side;
use ovsdb_testkit::raw::Raw;
use ovsdb_testkit::sandbox::Sandbox;

/// Which client sends what. A message without an id is a notification.
type Step<'a> = (usize, &'a str, &'a str);

const CLIENTS: usize = 3;

/// Instead of a method: the client has received so many messages in all. A wait is answered after the transaction that
/// ends it, and not always before the next barrier.
const AWAIT: &str = "await";

/// Plays a dialogue; everything that has come back, client by client.
fn play(side: Side, steps: &[Step<'_>]) -> [Vec<String>; CLIENTS] {
    let sandbox = Sandbox::new();
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/limits.ovsschema");
    let server = Server::start(&sandbox, side, &[("database", &schema)]);
    let mut clients: [RawClient; CLIENTS] =
        std::array::from_fn(|_| RawClient::connect(server.socket()));
    let mut names = Names::new();
    let mut seen: [Vec<String>; CLIENTS] = Default::default();
    for (number, (client, method, parameters)) in steps.iter().enumerate() {
        if *method == AWAIT {
            let wanted: usize = parameters.parse().expect("a number of messages");
            while seen[*client].len() < wanted {
                let message = receive(&mut clients[*client]);
                seen[*client].push(readable(&message, &mut names));
            }
            continue;
        }
        let id = match *method {
            "cancel" => "null".to_owned(),
            _ => number.to_string(),
        };
        let message = format!(r#"{{"id":{id},"method":"{method}","params":{parameters}}}"#);
        clients[*client]
            .send(message.as_bytes())
            .unwrap_or_else(|error| panic!("{message}: {error}"));
        // The sender's barrier first: when it is answered, the step is done.
        let others = (0..CLIENTS).filter(|other| other != client);
        for listener in std::iter::once(*client).chain(others) {
            for message in until_barrier(&mut clients[listener]) {
                seen[listener].push(readable(&message, &mut names));
            }
        }
    }
    seen
}

/// A message with names for UUIDs and its members in the order of their names.
fn readable(message: &str, names: &mut Names) -> String {
    let renamed = names.rename(message);
    let mut raw = Raw::parse(&renamed).unwrap_or_else(|| panic!("{message} is no JSON"));
    Pairing::new().sort(&mut raw, End::Left);
    raw.to_string()
}

fn receive(client: &mut RawClient) -> String {
    match client.receive() {
        Ok(Some(message)) => String::from_utf8_lossy(&message).into_owned(),
        other => panic!("the server owes a message: {other:?}"),
    }
}

/// What a client has received before the answer to a request that changes nothing. Not an `echo`, which ours answers before
/// its turn if that takes long.
fn until_barrier(client: &mut RawClient) -> Vec<String> {
    const BARRIER: &str = r#"{"id":"barrier","method":"get_server_id","params":[]}"#;
    client.send(BARRIER.as_bytes()).expect("the server listens");
    let is_barrier = |message: &String| {
        let raw = Raw::parse(message).unwrap_or_else(|| panic!("{message} is no JSON"));
        raw.get("id") == Some(&Raw::string("barrier"))
    };
    std::iter::repeat_with(|| receive(client))
        .take_while(|message| !is_barrier(message))
        .collect()
}

#[track_caller]
fn check(steps: &[Step<'_>]) {
    let [reference, ours] = Side::BOTH.map(|side| play(side, steps));
    assert_eq!(ours, reference, "ours is on the left");
}

const INSERT: &str = r#"["Limits",{"op":"insert","table":"ByName","row":{"name":"a"}}]"#;
const RENAME: &str =
    r#"["Limits",{"op":"update","table":"ByName","where":[["name","==","a"]],"row":{"name":"b"}}]"#;
const DELETE: &str = r#"["Limits",{"op":"delete","table":"ByName","where":[]}]"#;
const WATCH: &str = r#"["Limits","watch",{"ByName":{}}]"#;
/// Waits until a row is called `b`.
const WAIT: &str = r#"["Limits",{"op":"wait","table":"ByName","where":[["name","==","b"]],"columns":["name"],"until":"==","rows":[{"name":"b"}]},{"op":"comment","comment":"it is"}]"#;

#[test]
fn a_lock_goes_to_the_next_in_the_queue() {
    check(&[
        (0, "lock", r#"["L"]"#),
        (1, "lock", r#"["L"]"#),
        (2, "lock", r#"["L"]"#),
        (0, "unlock", r#"["L"]"#),
        (1, "unlock", r#"["L"]"#),
        (2, "unlock", r#"["L"]"#),
        (0, "lock", r#"["L"]"#),
    ]);
}

#[test]
fn a_stolen_lock_goes_to_the_thief_and_comes_back() {
    check(&[
        (0, "lock", r#"["L"]"#),
        (1, "lock", r#"["L"]"#),
        (2, "steal", r#"["L"]"#),
        (0, "transact", r#"["Limits",{"op":"assert","lock":"L"}]"#),
        (2, "transact", r#"["Limits",{"op":"assert","lock":"L"}]"#),
        (2, "unlock", r#"["L"]"#),
        (0, "transact", r#"["Limits",{"op":"assert","lock":"L"}]"#),
        (0, "unlock", r#"["L"]"#),
        (1, "transact", r#"["Limits",{"op":"assert","lock":"L"}]"#),
        (1, "steal", r#"["L"]"#),
        (0, "steal", r#"["L"]"#),
        (0, "steal", r#"["L"]"#),
    ]);
}

#[test]
fn locks_of_different_names_do_not_meet() {
    check(&[
        (0, "lock", r#"["L"]"#),
        (1, "lock", r#"["M"]"#),
        (1, "lock", r#"["L"]"#),
        (0, "lock", r#"["M"]"#),
        (0, "unlock", r#"["L"]"#),
        (1, "unlock", r#"["M"]"#),
    ]);
}

#[test]
fn changes_of_one_client_are_told_to_the_others() {
    check(&[
        (1, "monitor", WATCH),
        (
            2,
            "monitor",
            r#"["Limits",["any","id"],{"ByName":[{"columns":["note"],"select":{"modify":false}},{"columns":["name"],"select":{"insert":false,"delete":false}}]}]"#,
        ),
        (0, "transact", INSERT),
        (0, "transact", RENAME),
        (0, "transact", RENAME),
        (0, "transact", DELETE),
        (1, "monitor_cancel", r#"["watch"]"#),
        (0, "transact", INSERT),
        (1, "monitor", WATCH),
        (0, "transact", DELETE),
    ]);
}

#[test]
fn several_monitors_of_a_session_have_names_of_their_own() {
    check(&[
        (0, "monitor", WATCH),
        (0, "monitor", WATCH),
        (1, "monitor", WATCH),
        (0, "transact", INSERT),
        (0, "monitor_cancel", r#"["watch"]"#),
        (0, "monitor_cancel", r#"["watch"]"#),
        (0, "transact", RENAME),
    ]);
}

#[test]
fn a_monitor_of_some_kinds_of_change_is_told_of_no_others() {
    check(&[
        (0, "transact", INSERT),
        (
            1,
            "monitor",
            r#"["Limits","m",{"ByName":{"columns":["name"],"select":{"initial":false,"insert":true,"delete":false,"modify":false}}}]"#,
        ),
        (
            2,
            "monitor",
            r#"["Limits","m",{"ByName":{"columns":["note"],"select":{"delete":true}}}]"#,
        ),
        (0, "transact", RENAME),
        (0, "transact", INSERT),
        (0, "transact", DELETE),
    ]);
}

#[test]
fn a_wait_ends_with_the_change_of_another_client() {
    check(&[
        (2, "set_db_change_aware", "[true]"),
        (1, "monitor", WATCH),
        (1, "transact", WAIT),
        (2, "transact", WAIT),
        (0, "transact", INSERT),
        (0, "transact", RENAME),
        (1, AWAIT, "4"),
        (2, AWAIT, "2"),
        (1, "transact", WAIT),
    ]);
}

#[test]
fn a_canceled_wait_is_answered_to_those_who_know_of_it() {
    check(&[
        (1, "set_db_change_aware", "[true]"),
        (1, "transact", WAIT),
        (0, "cancel", "[1]"),
        (1, "cancel", "[7]"),
        (1, "cancel", "[1]"),
        (1, "cancel", "[1]"),
        (1, AWAIT, "2"),
        (1, "transact", INSERT),
        (1, "transact", RENAME),
    ]);
}

#[test]
fn the_first_of_two_waits_that_exclude_each_other_wins() {
    let take = r#"["Limits",{"op":"wait","table":"ByName","where":[["name","==","b"]],"columns":["name"],"until":"==","rows":[{"name":"b"}]},{"op":"delete","table":"ByName","where":[["name","==","b"]]}]"#;
    check(&[
        (0, "transact", take),
        (1, "transact", take),
        (2, "transact", INSERT),
        (2, "transact", RENAME),
        (0, AWAIT, "1"),
        (2, "transact", INSERT),
        (2, "transact", RENAME),
        (1, AWAIT, "1"),
    ]);
}

/// Watches the rows that are called `b`.
const WATCH_B: &str =
    r#"["Limits","watch",{"ByName":[{"columns":["name","note"],"where":[["name","==","b"]]}]}]"#;

#[test]
fn rows_come_into_a_condition_and_go() {
    check(&[
        (0, "transact", INSERT),
        (1, "monitor_cond", WATCH_B),
        (2, "monitor_cond", WATCH_B),
        (0, "transact", RENAME),
        (
            0,
            "transact",
            r#"["Limits",{"op":"update","table":"ByName","where":[],"row":{"note":"x"}}]"#,
        ),
        (
            0,
            "transact",
            r#"["Limits",{"op":"update","table":"ByName","where":[],"row":{"name":"c"}}]"#,
        ),
        (
            0,
            "transact",
            r#"["Limits",{"op":"update","table":"ByName","where":[],"row":{"name":"b"}}]"#,
        ),
        (1, "monitor_cancel", r#"["watch"]"#),
        (0, "transact", DELETE),
    ]);
}

#[test]
fn a_change_of_conditions_is_told_before_its_reply_and_under_the_new_id() {
    check(&[
        (0, "transact", INSERT),
        (1, "monitor_cond", WATCH_B),
        (2, "monitor_cond", WATCH_B),
        (
            1,
            "monitor_cond_change",
            r#"["watch",["new",1],{"ByName":[{"where":[["name","!=","b"]]}]}]"#,
        ),
        (1, "monitor_cond_change", r#"["watch","watch",{}]"#),
        (0, "transact", RENAME),
        (
            2,
            "monitor_cond_change",
            r#"["watch","watch",{"ByName":[{"where":[false]}]}]"#,
        ),
        (
            2,
            "monitor_cond_change",
            r#"["watch","watch",{"ByName":[{"where":[false]},{"where":[]}]}]"#,
        ),
        (0, "transact", DELETE),
        (1, "monitor_cancel", r#"["watch"]"#),
        (1, "monitor_cancel", r#"[["new",1]]"#),
    ]);
}

#[test]
fn plain_and_conditional_monitors_share_their_ids() {
    check(&[
        (1, "monitor", WATCH),
        (1, "monitor_cond", WATCH_B),
        (1, "monitor_cancel", r#"["watch"]"#),
        (1, "monitor_cond", WATCH_B),
        (1, "monitor", WATCH),
        (0, "transact", INSERT),
        (0, "transact", RENAME),
    ]);
}

#[test]
fn differences_are_told_of_sets_and_maps() {
    let by_set = |operations: &str| format!(r#"["Limits",{operations}]"#);
    let insert = by_set(
        r#"{"op":"insert","table":"BySet","row":{"numbers":["set",[1,2]],"labels":["map",[["a",1]]]}}"#,
    );
    let mutate = by_set(
        r#"{"op":"mutate","table":"BySet","where":[],"mutations":[["numbers","delete",1],["numbers","insert",["set",[0,3]]],["labels","insert",["map",[["a",2],["b",1]]]]]}"#,
    );
    let update = by_set(
        r#"{"op":"update","table":"BySet","where":[],"row":{"numbers":["set",[]],"labels":["map",[["a",2]]]}}"#,
    );
    check(&[
        (
            1,
            "monitor_cond",
            r#"["Limits","all",{"BySet":[{"columns":["numbers","labels","fixed"]}]}]"#,
        ),
        (
            2,
            "monitor_cond",
            r#"["Limits","some",{"BySet":[{"columns":["numbers"],"where":[["numbers","includes",["set",[0]]]]}]}]"#,
        ),
        (0, "transact", &insert),
        (0, "transact", &mutate),
        (0, "transact", &update),
    ]);
}

#[test]
fn a_conversion_ends_monitors_and_waits_of_those_who_know_of_it() {
    let schema = include_str!("../schemas/limits.ovsschema");
    let convert = format!(r#"["Limits",{schema}]"#);
    check(&[
        (0, "set_db_change_aware", "[true]"),
        (1, "set_db_change_aware", "[true]"),
        (2, "set_db_change_aware", "[true]"),
        (1, "monitor_cond", WATCH_B),
        (1, "monitor", r#"["Limits","m",{"Single":{}}]"#),
        (2, "transact", WAIT),
        (0, "convert", &convert),
        (2, AWAIT, "2"),
        (1, "monitor_cancel", r#"["m"]"#),
        (1, "monitor_cond", WATCH_B),
        (0, "transact", INSERT),
        (0, "transact", RENAME),
    ]);
}
