//! Clients that ask whether the server is there are answered, and are not given up, while it is busy for them or others.

mod support;

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ovsdb_proto::framer::Framer;
use ovsdb_server::limits;
use support::{Client, Fixture};

/// A transaction that is under way for as long as syncs are held.
const DURABLE: &str =
    r#"["D",{"op":"insert","table":"U","row":{}},{"op":"commit","durable":true}]"#;
const DURABLE_RESULT: &str = r#"[{"uuid":["uuid","U"]},{}]"#;

fn reply(id: usize, result: &str) -> String {
    format!(r#"{{"error":null,"id":{id},"result":{result}}}"#)
}

#[test]
fn an_echo_overtakes_transactions_that_take_long_and_nothing_else_does() {
    let fixture = Fixture::new(&["D"]);
    let mut client = fixture.connect();
    let held = fixture.disk.hold_syncs();
    client.request("1", "transact", DURABLE);
    client.request("2", "monitor", r#"["D","m",{"U":{"columns":["n"]}}]"#);
    client.request("3", "transact", DURABLE);
    client.request("4", "echo", r#"["a"]"#);
    client.request("5", "list_dbs", "[]");
    client.request("6", "echo", r#"["b"]"#);
    assert_eq!(client.next(), reply(4, r#"["a"]"#));
    assert_eq!(client.next(), reply(6, r#"["b"]"#));
    drop(held);
    assert_eq!(client.next(), reply(1, DURABLE_RESULT));
    assert_eq!(client.next(), reply(2, r#"{"U":{"U":{"new":{"n":0}}}}"#));
    assert_eq!(
        client.next(),
        r#"{"id":null,"method":"update","params":["m",{"U":{"U":{"new":{"n":0}}}}]}"#
    );
    assert_eq!(client.next(), reply(3, DURABLE_RESULT));
    assert_eq!(client.next(), reply(5, r#"["D","_Server"]"#));
}

#[test]
fn an_echo_does_not_wait_for_room_in_the_queue_of_a_writer() {
    let fixture = Fixture::new(&["D"]);
    let held = fixture.disk.hold_syncs();
    let full = limits::WRITER_AHEAD_MAX + limits::WRITER_QUEUE_MAX;
    let sessions = full / limits::SESSION_IN_FLIGHT_MAX;
    let mut clients: Vec<Client> = (0..sessions).map(|_| fixture.connect()).collect();
    for client in &mut clients {
        for id in 0..limits::SESSION_IN_FLIGHT_MAX {
            client.request(&id.to_string(), "transact", DURABLE);
        }
    }
    let echo = (limits::SESSION_IN_FLIGHT_MAX, "[]");
    for client in &mut clients {
        client.request(&echo.0.to_string(), "echo", echo.1);
    }
    // Its answer says that what was before it has been taken in.
    for client in &mut clients {
        assert_eq!(client.next(), reply(echo.0, echo.1));
    }
    let mut late = fixture.connect();
    late.request("0", "transact", DURABLE);
    late.request("1", "echo", "[]");
    assert_eq!(late.next(), reply(1, "[]"));
    late.request("2", "list_dbs", "[]");
    drop(held);
    assert_eq!(late.next(), reply(0, DURABLE_RESULT));
    assert_eq!(late.next(), reply(2, r#"["D","_Server"]"#));
    for client in &mut clients {
        for id in 0..limits::SESSION_IN_FLIGHT_MAX {
            assert_eq!(client.next(), reply(id, DURABLE_RESULT));
        }
    }
}

#[test]
fn others_do_not_wait_for_all_that_a_client_sends_at_once() {
    const GREEDY: usize = 200;
    let fixture = Fixture::new(&["D"]);
    let mut greedy = fixture.connect();
    let counter = r#"["D",{"op":"insert","table":"U","row":{"n":0}}]"#;
    greedy.call("transact", counter);
    // Each tells in its answer which one it was.
    let transact = r#"["D",{"op":"mutate","table":"U","where":[],"mutations":[["n","+=",1]]},
        {"op":"select","table":"U","where":[],"columns":["n"]}]"#;
    let result = |n: usize| format!(r#"[{{"count":1}},{{"rows":[{{"n":{n}}}]}}]"#);

    // The writer takes nothing any more until the disk answers.
    let held = fixture.disk.hold_syncs();
    let sessions = limits::WRITER_AHEAD_MAX / limits::SESSION_IN_FLIGHT_MAX;
    let mut clients: Vec<Client> = (0..sessions).map(|_| fixture.connect()).collect();
    let insert =
        r#"["D",{"op":"insert","table":"T","row":{"name":"NAME"}},{"op":"commit","durable":true}]"#;
    for (of, client) in clients.iter_mut().enumerate() {
        for id in 0..limits::SESSION_IN_FLIGHT_MAX {
            let name = format!("{of} {id}");
            client.request(&id.to_string(), "transact", &insert.replace("NAME", &name));
        }
    }
    for client in &mut clients {
        client.request("\"e\"", "echo", "[]");
    }
    for client in &mut clients {
        // Its answer says that what was before it has been taken in.
        assert!(client.next().contains(r#""id":"e""#));
    }
    for id in 0..GREEDY {
        greedy.request(&id.to_string(), "transact", transact);
    }
    greedy.request(&GREEDY.to_string(), "echo", "[]");
    assert_eq!(greedy.next(), reply(GREEDY, "[]"));
    let mut modest = fixture.connect();
    modest.request("0", "transact", transact);
    modest.request("1", "echo", "[]");
    assert_eq!(modest.next(), reply(1, "[]"));
    drop(held);
    // How many of the others it waits for is the server's affair, as long as it is not all of them.
    let answer = modest.next();
    let place = (1..=GREEDY / 2).find(|place| answer == reply(0, &result(*place)));
    let place = place.expect(&answer);
    let places = (1..).filter(|other| *other != place);
    for (id, place) in (0..GREEDY).zip(places) {
        assert_eq!(greedy.next(), reply(id, &result(place)));
    }
}

#[test]
fn a_client_from_which_the_server_takes_no_more_is_not_given_up_for_its_silence() {
    let fixture = Fixture::new(&["D"]);
    let (path, _remotes) = fixture.probing_remote();

    let held = fixture.disk.hold_syncs();
    let mut full = Client::connect(&path);
    full.request("0", "transact", DURABLE);
    for id in 1..=limits::HELD_MESSAGES_MAX {
        full.request(&id.to_string(), "list_dbs", "[]");
    }
    // One that answers is probed three times; one that does not would be gone by then.
    let mut polite = Client::connect(&path);
    for _ in 0..3 {
        let probe = r#"{"id":"echo","method":"echo","params":[]}"#;
        assert_eq!(polite.next(), probe);
        let answer = br#"{"id":"echo","result":[],"error":null}"#;
        polite.raw.send(answer).expect("the server reads");
    }
    drop(held);
    assert_eq!(full.next(), reply(0, DURABLE_RESULT));
    for id in 1..=limits::HELD_MESSAGES_MAX {
        assert_eq!(full.next(), reply(id, r#"["D","_Server"]"#));
    }
}

#[test]
fn answers_to_probes_count_while_transactions_are_under_way() {
    let fixture = Fixture::new(&["D"]);
    let (path, _remotes) = fixture.probing_remote();

    let held = fixture.disk.hold_syncs();
    let mut client = Client::connect(&path);
    client.request("0", "transact", DURABLE);
    client.request("1", "list_dbs", "[]");
    for _ in 0..2 {
        assert_eq!(
            client.next(),
            r#"{"id":"echo","method":"echo","params":[]}"#
        );
        let answer = br#"{"id":"echo","result":[],"error":null}"#;
        client.raw.send(answer).expect("the server reads");
    }
    drop(held);
    assert_eq!(client.next(), reply(0, DURABLE_RESULT));
    assert_eq!(client.next(), reply(1, r#"["D","_Server"]"#));
}

#[test]
fn nobody_else_waits_for_a_transaction_that_is_being_written() {
    let fixture = Fixture::new(&["D"]);
    let mut reader = fixture.connect();
    reader.check(
        r#"{"op":"insert","table":"U","row":{}}"#,
        r#"[{"uuid":["uuid","U"]}]"#,
    );
    let held = fixture.disk.hold_writes();
    let insert = r#"["D",{"op":"insert","table":"U","row":{"n":1}}]"#;
    let mut writers: Vec<Client> = (0..4).map(|_| fixture.connect()).collect();
    writers[0].request("0", "transact", insert);
    held.wait_for_one();
    for writer in &mut writers[1..] {
        writer.request("0", "transact", insert);
        writer.request("1", "echo", "[]");
    }
    for writer in &mut writers[1..] {
        assert_eq!(writer.next(), reply(1, "[]"));
    }
    let select = r#"{"op":"select","table":"U","where":[],"columns":["n"]}"#;
    reader.check(select, r#"[{"rows":[{"n":0}]}]"#);
    assert_eq!(
        reader.call("monitor", r#"["D","m",{"U":{"columns":["n"]}}]"#),
        reply(0, r#"{"U":{"U":{"new":{"n":0}}}}"#)
    );
    drop(held);
    for writer in &mut writers {
        assert_eq!(writer.next(), reply(0, r#"[{"uuid":["uuid","U"]}]"#));
    }
}

#[test]
fn sockets_are_looked_after_while_the_thread_that_did_so_waits_for_a_disk() {
    let fixture = Fixture::new(&["D"]);
    let (mut writer, mut other) = (fixture.connect(), fixture.connect());
    for _ in 0..10 {
        // Nobody has anything else to do: of the two threads one waits for input, and the other sleeps until it is woken.
        for client in [&mut other, &mut writer] {
            assert_eq!(client.call("echo", "[]"), reply(0, "[]"));
        }
        let held = fixture.disk.hold_writes();
        let insert = r#"["D",{"op":"insert","table":"U","row":{}}]"#;
        writer.request("0", "transact", insert);
        held.wait_for_one();
        assert_eq!(other.call("echo", "[]"), reply(0, "[]"));
        drop(held);
        assert_eq!(writer.next(), reply(0, r#"[{"uuid":["uuid","U"]}]"#));
    }
}

#[test]
fn nobody_who_reads_waits_for_a_large_transaction() {
    let fixture = Fixture::new(&["D"]);
    let mut reader = fixture.connect();
    reader.check(
        r#"{"op":"insert","table":"U","row":{}}"#,
        r#"[{"uuid":["uuid","U"]}]"#,
    );
    // So many that their record is made and written in parts.
    let rows = 4 * limits::RECORD_ROWS_WHOLE;
    let inserts = r#",{"op":"insert","table":"U","row":{"n":1}}"#.repeat(rows);
    let held = fixture.disk.hold_writes();
    let mut writer = fixture.connect();
    writer.request("0", "transact", &format!(r#"["D"{inserts}]"#));
    held.wait_for_one();
    writer.request("1", "echo", "[]");
    assert_eq!(writer.next(), reply(1, "[]"));
    let select = r#"{"op":"select","table":"U","where":[],"columns":["n"]}"#;
    for _ in 0..2 {
        reader.check(select, r#"[{"rows":[{"n":0}]}]"#);
        assert_eq!(reader.call("echo", "[]"), reply(0, "[]"));
    }
    let monitor = reader.call("monitor", r#"["D","m",{"U":{"columns":["n"]}}]"#);
    assert_eq!(monitor, reply(0, r#"{"U":{"U":{"new":{"n":0}}}}"#));
    drop(held);
    let answer = writer.next();
    assert_eq!(answer.matches("\"uuid\",").count(), rows, "{answer}");
    let count = reader.call(
        "transact",
        r#"["D",{"op":"select","table":"U","where":[],"columns":["_uuid","n"]}]"#,
    );
    assert_eq!(count.matches("\"n\":1").count(), rows);
}

/// When the work for a reply is done.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Until {
    /// It leaves when it is complete, so its beginning says so.
    Begin,
    /// It leaves piece by piece.
    End,
}

/// Sends a request that is much work, and checks that another client of the same thread is served meanwhile.
#[track_caller]
fn check_others_are_served(fixture: &Fixture, method: &str, params: &str, until: Until) {
    let mut other = fixture.connect();
    assert_eq!(other.call("echo", "[]"), reply(0, "[]"));
    let mut busy = UnixStream::connect(fixture.socket()).expect("the server listens");
    let request = format!(r#"{{"id":0,"method":"{method}","params":{params}}}"#);
    busy.write_all(request.as_bytes())
        .expect("the server reads");
    let (answered, mut rounds) = (Arc::new(AtomicBool::new(false)), 0);
    let waiting = std::thread::spawn({
        let answered = answered.clone();
        move || {
            let (mut framer, mut buffer) = (Framer::new(1 << 26), vec![0; 1 << 16]);
            let answer = loop {
                let received = busy.read(&mut buffer).expect("the server answers");
                if until == Until::Begin {
                    break buffer[..received].to_vec();
                }
                framer.push(&buffer[..received]);
                if let Some(answer) = framer.next().expect("JSON") {
                    break answer.to_vec();
                }
            };
            answered.store(true, Ordering::SeqCst);
            answer
        }
    });
    while !answered.load(Ordering::SeqCst) {
        assert_eq!(other.call("echo", "[]"), reply(0, "[]"));
        rounds += 1;
    }
    let answer = waiting.join().expect("there is an answer");
    assert!(answer.starts_with(br#"{"error":null,"id":0"#));
    // The last few are served while the rest of the request or of the reply is on its way.
    assert!(
        rounds > ROUNDS_MIN,
        "{method} holds others up: {rounds} rounds"
    );
}

/// More exchanges than fit between the portions in which the end of a request arrives.
const ROUNDS_MIN: usize = 20;

#[test]
fn others_are_served_while_a_large_request_is_parsed_and_answered() {
    let fixture = Fixture::on_one_thread(&["D"]);
    let numbers = format!("[{}1]", "1,".repeat(4_000_000));
    check_others_are_served(&fixture, "echo", &numbers, Until::Begin);
}

#[test]
fn others_are_served_while_initial_contents_are_written() {
    let fixture = Fixture::on_one_thread(&["D"]);
    let mut writer = fixture.connect();
    for start in 0..40 {
        let rows = (0..1000).map(|row| {
            format!(r#"{{"op":"insert","table":"T","row":{{"name":"{start} {row}","n":{row}}}}}"#)
        });
        let rows: Vec<String> = rows.collect();
        writer.transact(&rows.join(","));
    }
    check_others_are_served(&fixture, "monitor", r#"["D","m",{"T":{}}]"#, Until::End);
    let since =
        r#"["D","m",{"T":[{"where":[["n","!=",-1]]}]},"00000000-0000-0000-0000-000000000000"]"#;
    check_others_are_served(&fixture, "monitor_cond_since", since, Until::End);
    let select = r#"["D",{"op":"select","table":"T","where":[["n","!=",-1]]}]"#;
    check_others_are_served(&fixture, "transact", select, Until::Begin);
}
