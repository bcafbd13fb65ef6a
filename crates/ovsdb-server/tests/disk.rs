//! A disk that fails: transactions fail with it, memory and file stay in step, reading goes on.

mod support;

use support::{Client, EIO, ENOSPC, Fixture};

const ADD: &str = r#"{"op":"mutate","table":"T","where":[],"mutations":[["n","+=",1]]}"#;
const DURABLE: &str = r#"{"op":"commit","durable":true}"#;

fn select(client: &mut Client) -> String {
    client.transact(r#"{"op":"select","table":"T","where":[],"columns":["n"]}"#)
}

fn prepare(client: &mut Client) {
    client.check(
        r#"{"op":"insert","table":"T","row":{"name":"a","n":1}},{"op":"commit","durable":true}"#,
        r#"[{"uuid":["uuid","U"]},{}]"#,
    );
}

#[test]
fn a_full_disk_fails_transactions_until_there_is_room_again() {
    let fixture = Fixture::new(&["D"]);
    let (mut client, mut watcher) = (fixture.connect(), fixture.connect());
    prepare(&mut client);
    watcher.call("monitor", r#"["D","m",{"T":{"columns":["n"]}}]"#);
    fixture.disk.fail_writes(ENOSPC);
    for operations in [String::from(ADD), format!("{ADD},{DURABLE}")] {
        let reply = client.transact(&operations);
        assert!(reply.contains("write failed"), "{reply}");
        assert!(
            reply.contains(r#""error":"I/O error","io-error":"No space left on device"}]"#),
            "{reply}"
        );
        assert_eq!(select(&mut client), r#"[{"rows":[{"n":1}]}]"#);
    }
    // A change that is not kept needs no disk.
    client.check(
        r#"{"op":"update","table":"T","where":[],"row":{"note":"x"}}"#,
        r#"[{"count":1}]"#,
    );
    assert!(fixture.server.database("D").unwrap().trouble().is_some());

    fixture.disk.fail_writes(0);
    client.check(ADD, r#"[{"count":1}]"#);
    assert!(fixture.server.database("D").unwrap().trouble().is_none());
    assert_eq!(select(&mut client), r#"[{"rows":[{"n":2}]}]"#);
    assert_eq!(
        watcher.next(),
        r#"{"id":null,"method":"update","params":["m",{"T":{"U":{"new":{"n":2},"old":{"n":1}}}}]}"#
    );

    let fixture = fixture.restart(&["D"]);
    assert_eq!(select(&mut fixture.connect()), r#"[{"rows":[{"n":2}]}]"#);
}

#[test]
fn a_failed_sync_takes_back_what_stood_on_it_and_the_file_is_written_anew() {
    let fixture = Fixture::new(&["D"]);
    let (mut client, mut watcher) = (fixture.connect(), fixture.connect());
    prepare(&mut client);
    watcher.call("monitor", r#"["D","m",{"T":{"columns":["n"]}}]"#);
    fixture.disk.fail_syncs(EIO);
    client.request("1", "transact", &format!(r#"["D",{ADD},{DURABLE}]"#));
    client.request("2", "transact", &format!(r#"["D",{ADD}]"#));
    client.request(
        "3",
        "transact",
        r#"["D",{"op":"select","table":"T","where":[],"columns":["n"]}]"#,
    );
    for id in [1, 2] {
        let reply = client.next();
        assert!(
            reply.starts_with(&format!(r#"{{"error":null,"id":{id},"#)),
            "{reply}"
        );
        // The second may have been asked for after the first had failed, or before.
        assert!(
            reply.contains(r#""error":"I/O error","io-error":"Input/output error"}]"#),
            "{reply}"
        );
    }
    assert_eq!(
        client.next(),
        r#"{"error":null,"id":3,"result":[{"rows":[{"n":1}]}]}"#
    );
    assert_eq!(
        watcher.call("echo", "[]"),
        r#"{"error":null,"id":0,"result":[]}"#,
        "no update was sent"
    );

    fixture.disk.fail_syncs(0);
    let database = fixture.server.database("D").unwrap();
    let compact = || fixture.runtime.block_on(database.compact());
    // An attempt that was under way before the disk worked again may still fail; the next one may not.
    compact()
        .or_else(|_| compact())
        .expect("the disk works again");
    client.check(&format!("{ADD},{DURABLE}"), r#"[{"count":1},{}]"#);
    let fixture = fixture.restart(&["D"]);
    assert_eq!(select(&mut fixture.connect()), r#"[{"rows":[{"n":2}]}]"#);
}

#[test]
fn what_is_read_after_a_restart_is_what_was_answered() {
    let fixture = Fixture::new(&["D"]);
    let mut client = fixture.connect();
    prepare(&mut client);
    let mut expected = 1;
    for round in 0..60 {
        match round % 6 {
            2 => fixture.disk.fail_writes(ENOSPC),
            4 => fixture.disk.fail_writes(0),
            _ => {}
        }
        let reply = client.transact(&format!("{ADD},{DURABLE}"));
        expected += u32::from(reply == r#"[{"count":1},{}]"#);
    }
    let rows = format!(r#"[{{"rows":[{{"n":{expected}}}]}}]"#);
    assert_eq!(select(&mut client), rows);
    let fixture = fixture.restart(&["D"]);
    assert_eq!(select(&mut fixture.connect()), rows);
}

#[test]
fn a_compaction_that_fails_leaves_the_file_as_it_was() {
    let fixture = Fixture::new(&["D"]);
    let mut client = fixture.connect();
    prepare(&mut client);
    let database = fixture.server.database("D").unwrap();
    fixture.disk.fail_syncs(EIO);
    let error = fixture
        .runtime
        .block_on(database.compact())
        .expect_err("the disk fails");
    assert!(error.to_string().contains("Input/output error"), "{error}");
    fixture.disk.fail_syncs(0);
    client.check(ADD, r#"[{"count":1}]"#);
    let fixture = fixture.restart(&["D"]);
    assert_eq!(select(&mut fixture.connect()), r#"[{"rows":[{"n":2}]}]"#);
}

/// A durable transaction whose sync is under way when its record is carried over to a new file that may lose its name.
fn carried_in_doubt(then: impl FnOnce(&Fixture), answer: &str, n: u32) {
    let fixture = Fixture::new(&["D"]);
    let mut client = fixture.connect();
    prepare(&mut client);
    let held = fixture.disk.hold_served_syncs();
    client.request("1", "transact", &format!(r#"["D",{ADD},{DURABLE}]"#));
    held.wait_for_one();
    let database = fixture.server.database("D").unwrap();
    let compact = || fixture.runtime.block_on(database.compact());
    fixture.disk.fail_directory_syncs(EIO);
    let error = compact().expect_err("the folder cannot be synced");
    assert!(error.to_string().contains("Input/output error"), "{error}");
    then(&fixture);
    drop(held);
    let reply = client.next();
    assert!(reply.contains(answer), "{reply}");
    let rows = format!(r#"[{{"rows":[{{"n":{n}}}]}}]"#);
    assert_eq!(select(&mut client), rows);

    fixture.disk.fail_directory_syncs(0);
    fixture.disk.fail_served_syncs(0);
    compact()
        .or_else(|_| compact())
        .expect("the disk works again");
    assert_eq!(select(&mut client), rows);
    client.check(&format!("{ADD},{DURABLE}"), r#"[{"count":1},{}]"#);
    let fixture = fixture.restart(&["D"]);
    let rows = format!(r#"[{{"rows":[{{"n":{}}}]}}]"#, n + 1);
    assert_eq!(select(&mut fixture.connect()), rows);
}

const ACCEPTED: &str = r#""result":[{"count":1},{}]}"#;
const REFUSED: &str = r#""error":"I/O error","io-error":"Input/output error"}]"#;

#[test]
fn what_is_in_two_files_is_accepted_when_the_old_one_is_safe() {
    carried_in_doubt(|_| {}, ACCEPTED, 2);
}

#[test]
fn what_is_in_two_files_is_accepted_when_the_name_of_the_new_one_is_safe() {
    let then = |fixture: &Fixture| {
        fixture.disk.fail_served_syncs(EIO);
        fixture.disk.fail_directory_syncs(0);
    };
    carried_in_doubt(then, ACCEPTED, 2);
    // Another transaction finds that out.
    let then = |fixture: &Fixture| {
        fixture.disk.fail_served_syncs(EIO);
        fixture.disk.fail_directory_syncs(0);
        let note = r#"{"op":"insert","table":"U","row":{"n":3}}"#;
        let mut other = fixture.connect();
        other.check(note, r#"[{"uuid":["uuid","U"]}]"#);
    };
    carried_in_doubt(then, ACCEPTED, 2);
}

#[test]
fn what_is_in_two_files_has_no_answer_while_neither_is_safe() {
    let fixture = Fixture::new(&["D"]);
    let (mut client, mut other) = (fixture.connect(), fixture.connect());
    prepare(&mut client);
    let held = fixture.disk.hold_served_syncs();
    client.request("1", "transact", &format!(r#"["D",{ADD},{DURABLE}]"#));
    held.wait_for_one();
    let database = fixture.server.database("D").unwrap();
    let compact = || fixture.runtime.block_on(database.compact());
    fixture.disk.fail_directory_syncs(EIO);
    compact().expect_err("the folder cannot be synced");
    fixture.disk.fail_served_syncs(EIO);
    drop(held);
    // It is in a file that may be found, so it is not refused; nobody sees it, and others wait for what becomes of it.
    compact().expect_err("the folder cannot be synced");
    assert_eq!(select(&mut other), r#"[{"rows":[{"n":1}]}]"#);
    other.request("1", "transact", &format!(r#"["D",{ADD}]"#));
    assert!(database.trouble().is_some());

    fixture.disk.fail_directory_syncs(0);
    compact()
        .or_else(|_| compact())
        .expect("the disk works again");
    let reply = client.next();
    assert!(reply.contains(ACCEPTED), "{reply}");
    // Whether the disk worked again when it came to the other one, nobody knows.
    let others = other.next().contains(r#""result":[{"count":1}]}"#);
    let n = if others { 4 } else { 3 };
    client.check(&format!("{ADD},{DURABLE}"), r#"[{"count":1},{}]"#);
    assert!(database.trouble().is_none());
    let fixture = fixture.restart(&["D"]);
    let rows = format!(r#"[{{"rows":[{{"n":{n}}}]}}]"#);
    assert_eq!(select(&mut fixture.connect()), rows);
}

#[test]
fn a_server_ends_while_neither_file_is_safe() {
    let fixture = Fixture::new(&["D"]);
    let mut client = fixture.connect();
    client.call("set_db_change_aware", "[true]");
    prepare(&mut client);
    let held = fixture.disk.hold_served_syncs();
    client.request("1", "transact", &format!(r#"["D",{ADD},{DURABLE}]"#));
    held.wait_for_one();
    let database = fixture.server.database("D").unwrap();
    fixture.disk.fail_directory_syncs(EIO);
    let compact = || fixture.runtime.block_on(database.compact());
    compact().expect_err("the folder cannot be synced");
    fixture.disk.fail_served_syncs(EIO);
    drop(held);
    let removed = fixture.server.remove("D", "test");
    assert!(fixture.runtime.block_on(removed));
    let reply = client.next();
    assert!(reply.contains(REFUSED), "{reply}");
}

#[test]
fn a_conversion_is_refused_with_what_it_stands_on() {
    let fixture = Fixture::new(&["D"]);
    let (mut client, mut converter) = (fixture.connect(), fixture.connect());
    prepare(&mut client);
    let held = fixture.disk.hold_served_syncs();
    client.request("1", "transact", &format!(r#"["D",{ADD},{DURABLE}]"#));
    held.wait_for_one();
    let schema = fixture.server.database("D").unwrap().schema().to_json();
    converter.request("1", "convert", &format!(r#"["D",{schema}]"#));
    // An echo that overtakes the conversion says that this is waiting.
    converter.request("2", "echo", "[]");
    assert_eq!(converter.next(), r#"{"error":null,"id":2,"result":[]}"#);
    fixture.disk.fail_served_syncs(EIO);
    fixture.disk.fail_directory_syncs(EIO);
    drop(held);
    let reply = client.next();
    assert!(reply.contains(REFUSED), "{reply}");
    let reply = converter.next();
    assert!(reply.contains("I/O error"), "{reply}");
    assert_eq!(select(&mut fixture.connect()), r#"[{"rows":[{"n":1}]}]"#);
    fixture.disk.fail_served_syncs(0);
    fixture.disk.fail_directory_syncs(0);
    let fixture = fixture.restart(&["D"]);
    assert_eq!(select(&mut fixture.connect()), r#"[{"rows":[{"n":1}]}]"#);
}
