//! Clients that do not read: what they are told later, and that nobody else is held up.

mod support;

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use ovsdb_proto::framer::Framer;
use ovsdb_proto::json::Json;
use support::Fixture;

#[test]
fn a_client_that_does_not_read_is_told_later_what_changed_in_all() {
    let fixture = Fixture::new(&["D"]);
    let (mut writer, mut watcher) = (fixture.connect(), fixture.connect());
    let text = "x".repeat(1000);
    writer.check(
        r#"{"op":"insert","table":"T","row":{"name":"a"}}"#,
        r#"[{"uuid":["uuid","U"]}]"#,
    );
    watcher.call("monitor", r#"["D","m",{"T":{"columns":["n","name"]}}]"#);
    // Far more than the socket holds.
    let rounds = 3000;
    for n in 1..=rounds {
        let update = format!(
            r#"{{"op":"update","table":"T","where":[],"row":{{"n":{n},"name":"{n}{text}"}}}}"#
        );
        writer.check(&update, r#"[{"count":1}]"#);
    }
    let (mut messages, mut last) = (0, 0);
    while last < rounds {
        let message = ovsdb_proto::json::parse(&watcher.raw.receive().unwrap().unwrap()).unwrap();
        let params = message
            .get("params")
            .and_then(|params| params.as_array())
            .unwrap();
        let (_, row) = params[1]
            .get("T")
            .unwrap()
            .as_object()
            .unwrap()
            .iter()
            .next()
            .unwrap();
        let n = |which: &str| {
            row.get(which)
                .and_then(|row| row.get("n"))
                .and_then(|n| n.as_i64())
                .unwrap()
        };
        assert_eq!(n("old"), last, "what is told is without gaps");
        assert!(n("new") > last);
        last = n("new");
        messages += 1;
    }
    assert!(messages < rounds, "changes were merged");
}

#[test]
fn a_client_that_takes_no_replies_holds_up_nobody_and_loses_nothing() {
    let fixture = Fixture::new(&["D"]);
    let mut other = fixture.connect();
    let text = "x".repeat(100_000);
    let count = 200;
    let mut receiver = UnixStream::connect(fixture.socket()).unwrap();
    let mut sender = receiver.try_clone().unwrap();
    let sending = std::thread::spawn(move || {
        for id in 0..count {
            let request = format!(r#"{{"id":{id},"method":"echo","params":["{text}"]}}"#);
            sender.write_all(request.as_bytes()).unwrap();
        }
    });
    for _ in 0..200 {
        other.check(
            r#"{"op":"insert","table":"U","row":{}}"#,
            r#"[{"uuid":["uuid","U"]}]"#,
        );
    }

    let mut framer = Framer::new(1 << 20);
    let mut buffer = vec![0; 1 << 16];
    let mut id = 0;
    while id < count {
        match framer.next().unwrap() {
            Some(message) => {
                assert!(message.starts_with(format!(r#"{{"error":null,"id":{id},"#).as_bytes()));
                id += 1;
            }
            None => {
                let received = receiver.read(&mut buffer).unwrap();
                assert!(
                    received > 0,
                    "the server ended the connection after {id} replies"
                );
                framer.push(&buffer[..received]);
            }
        }
    }
    sending.join().unwrap();
}

#[test]
fn requests_that_wait_for_a_large_reply_to_leave_are_handled_when_it_has_left() {
    let fixture = Fixture::new(&["D"]);
    let port = {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        free.local_addr().unwrap().port()
    };
    fixture.runtime.block_on(async {
        let remote = format!("ptcp:{port}:127.0.0.1");
        fixture.configuration.add(&remote).await.unwrap();
        fixture.configuration.apply().await.unwrap();
    });
    let name = "x".repeat(1_100_000);
    let insert = format!(r#"{{"op":"insert","table":"T","row":{{"name":"{name}"}}}}"#);
    fixture
        .connect()
        .check(&insert, r#"[{"uuid":["uuid","U"]}]"#);

    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream
        .set_read_timeout(Some(std::time::Duration::from_secs(60)))
        .unwrap();
    let select = r#"["D",{"op":"select","table":"T","where":[],"columns":["name"]}]"#;
    let mut buffer = vec![0; 1 << 20];
    // Whether the socket takes a whole reply at once is up to the system; after some it mostly does.
    for _ in 0..30 {
        let requests: String = (0..4)
            .map(|id| format!(r#"{{"id":{id},"method":"transact","params":{select}}}"#))
            .collect();
        stream.write_all(requests.as_bytes()).unwrap();
        let mut framer = Framer::new(1 << 23);
        let mut replies = 0;
        while replies < 4 {
            match framer.next().unwrap() {
                Some(_) => replies += 1,
                None => {
                    let received = stream.read(&mut buffer).unwrap();
                    framer.push(&buffer[..received]);
                }
            }
        }
    }
}

/// The next message of a client that has read the beginning of it already.
fn next_message(stream: &mut UnixStream, framer: &mut Framer) -> Json {
    let mut buffer = vec![0; 1 << 16];
    loop {
        if let Some(message) = framer.next().unwrap() {
            return ovsdb_proto::json::parse(&message).unwrap();
        }
        let received = stream.read(&mut buffer).unwrap();
        assert!(received > 0, "the server ended the connection");
        framer.push(&buffer[..received]);
    }
}

/// The values of `n` by row, from initial contents or updates in the second form.
fn numbers(updates: &Json) -> BTreeMap<String, i64> {
    let rows = updates.get("T").unwrap().as_object().unwrap();
    let numbers = rows.iter().map(|(uuid, row)| {
        let (_, row) = row.as_object().unwrap().iter().next().unwrap();
        let n = row.get("n").map_or(0, |n| n.as_i64().unwrap());
        (uuid.to_string(), n)
    });
    numbers.collect()
}

#[test]
fn a_client_that_stops_in_the_middle_of_initial_contents_gets_the_rest_of_them_later() {
    let fixture = Fixture::on_one_thread(&["D"]);
    let (mut writer, mut quick) = (fixture.connect(), fixture.connect());
    // Several times what the socket holds, and many pieces.
    let (rows, text) = (2000, "x".repeat(1000));
    let inserts: Vec<String> = (0..rows)
        .map(|n| format!(r#"{{"op":"insert","table":"T","row":{{"name":"{n} {text}","n":{n}}}}}"#))
        .collect();
    for inserts in inserts.chunks(200) {
        writer.call("transact", &format!(r#"["D",{}]"#, inserts.join(",")));
    }
    let params =
        r#"["D","m",{"T":{"columns":["n","name"]}},"00000000-0000-0000-0000-000000000000"]"#;
    let mut slow = UnixStream::connect(fixture.socket()).unwrap();
    let request = format!(r#"{{"id":1,"method":"monitor_cond_since","params":{params}}}"#);
    slow.write_all(request.as_bytes()).unwrap();
    // With the first byte of the reply it is certain that the monitor has begun.
    let mut byte = [0];
    slow.read_exact(&mut byte).unwrap();
    let mut framer = Framer::new(1 << 24);
    framer.push(&byte);

    // Another one gets everything meanwhile, and everything changes.
    quick.request("2", "monitor_cond_since", params);
    let whole = quick.raw.receive().unwrap().unwrap();
    for _ in 0..3 {
        let add = r#"{"op":"mutate","table":"T","where":[],"mutations":[["n","+=",1]]}"#;
        writer.check(add, &format!(r#"[{{"count":{rows}}}]"#));
    }
    let quick_reply = ovsdb_proto::json::parse(&whole).unwrap();
    let slow_reply = next_message(&mut slow, &mut framer);
    let contents = |reply: &Json| numbers(&reply.get("result").unwrap().as_array().unwrap()[2]);
    let before = contents(&quick_reply);
    assert_eq!(before.len(), rows);
    assert_eq!(contents(&slow_reply), before);
    // What has changed meanwhile is told afterwards, and each row once.
    let update = next_message(&mut slow, &mut framer);
    let updates = &update.get("params").unwrap().as_array().unwrap()[2];
    let after: BTreeMap<String, i64> = before.into_iter().map(|(row, n)| (row, n + 3)).collect();
    assert_eq!(numbers(updates), after);
}
