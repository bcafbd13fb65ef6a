//! Several databases in one process: adding, removing, restarting, compacting.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use support::{Fixture, schema};

const SELECT: &str = r#"{"op":"select","table":"U","where":[],"columns":["n"]}"#;

fn on(database: &str, operations: &str) -> String {
    format!(r#"["{database}",{operations}]"#)
}

#[test]
fn two_databases_are_served_side_by_side_and_survive_a_restart() {
    let fixture = Fixture::new(&["D", "E"]);
    let mut client = fixture.connect();
    assert_eq!(
        client.call("list_dbs", "[]"),
        r#"{"error":null,"id":0,"result":["D","E","_Server"]}"#
    );
    for (database, n) in [("D", 1), ("E", 2)] {
        let insert = format!(r#"{{"op":"insert","table":"U","row":{{"n":{n}}}}}"#);
        client.call("transact", &on(database, &insert));
    }
    let check = |client: &mut support::Client| {
        for (database, n) in [("D", 1), ("E", 2)] {
            let rows = format!(r#"{{"error":null,"id":0,"result":[{{"rows":[{{"n":{n}}}]}}]}}"#);
            assert_eq!(client.call("transact", &on(database, SELECT)), rows);
        }
    };
    check(&mut client);
    let fixture = fixture.restart(&["D", "E"]);
    check(&mut fixture.connect());
}

#[test]
fn nobody_finds_a_server_that_ends_without_its_databases() {
    let fixture = Fixture::new(&["D"]);
    fixture.runtime.block_on(fixture.server.close());
    // Its listeners go last.
    let mut client = fixture.connect();
    // The connection may end before or after that.
    let _ = client
        .raw
        .send(br#"{"id":0,"method":"list_dbs","params":[]}"#);
    let answer = client.raw.receive();
    assert!(!matches!(answer, Ok(Some(_))), "{answer:?}");
}

#[test]
fn adding_a_database_disconnects_the_clients_that_would_not_notice() {
    let fixture = Fixture::new(&["D"]);
    let (mut plain, mut aware) = (fixture.connect(), fixture.connect());
    assert_eq!(
        plain.call("echo", "[]"),
        r#"{"error":null,"id":0,"result":[]}"#
    );
    aware.call("set_db_change_aware", "[true]");
    ovsdb_server::file::create(&fixture.path("E"), &schema("E")).expect("a new file");
    fixture
        .runtime
        .block_on(fixture.server.add_file(&fixture.path("E")))
        .expect("a new database");
    assert_eq!(plain.next(), "end");
    assert_eq!(
        aware.call("list_dbs", "[]"),
        r#"{"error":null,"id":0,"result":["D","E","_Server"]}"#
    );
}

#[test]
fn removing_a_database_ends_its_monitors_and_waits() {
    let fixture = Fixture::new(&["D", "E"]);
    let (mut plain, mut aware) = (fixture.connect(), fixture.connect());
    plain.call("monitor", r#"["E","m",{"U":[]}]"#);
    aware.call("set_db_change_aware", "[true]");
    aware.call("monitor", r#"["E","e",{"U":[]}]"#);
    aware.call("monitor", r#"["D","d",{"U":{"columns":["n"]}}]"#);
    let wait =
        r#"{"op":"wait","table":"U","where":[],"columns":["n"],"until":"==","rows":[{"n":5}]}"#;
    aware.request("\"w\"", "transact", &on("E", wait));
    aware.call("echo", "[]");
    assert!(
        fixture
            .runtime
            .block_on(fixture.server.remove("E", "removing E database"))
    );
    assert!(
        !fixture
            .runtime
            .block_on(fixture.server.remove("E", "removing E database"))
    );
    let mut told = [aware.next(), aware.next()];
    told.sort();
    assert_eq!(
        told,
        [
            r#"{"error":"canceled","id":"w"}"#,
            r#"{"id":null,"method":"monitor_canceled","params":["e"]}"#,
        ]
    );
    assert_eq!(plain.next(), "end");
    assert_eq!(
        aware.call("list_dbs", "[]"),
        r#"{"error":null,"id":0,"result":["D","_Server"]}"#
    );
    aware.request(
        "1",
        "transact",
        &on("D", r#"{"op":"insert","table":"U","row":{"n":1}}"#),
    );
    assert!(
        aware.next().contains(r#""method":"update""#),
        "the other monitor goes on"
    );
    aware.next();
    // The file is closed and may be served again.
    fixture
        .runtime
        .block_on(fixture.server.add_file(&fixture.path("E")))
        .expect("it is free");
}

#[test]
fn a_database_that_cannot_be_added_is_refused_with_the_reason() {
    let fixture = Fixture::new(&["D"]);
    let add = |path: &std::path::Path| {
        let error = fixture
            .runtime
            .block_on(fixture.server.add_file(path))
            .expect_err("it cannot be served");
        error.to_string().replace(
            &fixture.path("").parent().unwrap().display().to_string(),
            "",
        )
    };
    assert_eq!(add(&fixture.path("D")), "ovsdb error: /D.db: already open");
    let none = add(&fixture.path("none"));
    assert_eq!(
        none,
        "I/O error: /none.db: open failed (No such file or directory)"
    );
    ovsdb_server::file::create(&fixture.path("_X"), &schema("_X")).expect("a new file");
    assert_eq!(
        add(&fixture.path("_X")),
        "ovsdb error: _X: names beginning with \"_\" are reserved"
    );
    ovsdb_server::file::create(&fixture.path("copy"), &schema("D")).expect("a new file");
    assert_eq!(
        add(&fixture.path("copy")),
        "ovsdb error: D: duplicate database name"
    );
}

#[test]
fn a_compaction_goes_on_beside_writing_and_loses_nothing() {
    let fixture = Fixture::new(&["D"]);
    let mut client = fixture.connect();
    let database = fixture.server.database("D").unwrap();
    client.call(
        "transact",
        &on("D", r#"{"op":"insert","table":"U","row":{"n":0}}"#),
    );
    let stop = Arc::new(AtomicBool::new(false));
    let compacting = fixture.runtime.spawn({
        let stop = stop.clone();
        async move {
            let mut count = 0;
            while !stop.load(Ordering::Relaxed) {
                database.compact().await.expect("the disk works");
                count += 1;
            }
            count
        }
    });
    let add = r#"{"op":"mutate","table":"U","where":[],"mutations":[["n","+=",1]]}"#;
    for round in 0..300 {
        let durable = format!(r#"{add},{{"op":"commit","durable":{}}}"#, round % 7 == 0);
        assert_eq!(
            client.call("transact", &on("D", &durable)),
            r#"{"error":null,"id":0,"result":[{"count":1},{}]}"#
        );
    }
    stop.store(true, Ordering::Relaxed);
    assert!(fixture.runtime.block_on(compacting).unwrap() > 0);
    let fixture = fixture.restart(&["D"]);
    let rows = r#"{"error":null,"id":0,"result":[{"rows":[{"n":300}]}]}"#;
    assert_eq!(fixture.connect().call("transact", &on("D", SELECT)), rows);
}

#[test]
fn a_torn_tail_is_cut_off_and_written_over() {
    let fixture = Fixture::new(&["D"]);
    let mut client = fixture.connect();
    client.call(
        "transact",
        &on("D", r#"{"op":"insert","table":"U","row":{"n":1}}"#),
    );
    let path = fixture.path("D");
    fixture.runtime.block_on(fixture.server.remove("D", "test"));
    let sound = std::fs::read(&path).unwrap();
    std::fs::write(&path, [&sound[..], b"OVSDB JSON 100 "].concat()).unwrap();
    fixture
        .runtime
        .block_on(fixture.server.add_file(&path))
        .expect("the tail does not matter");
    let mut client = fixture.connect();
    client.call(
        "transact",
        &on(
            "D",
            r#"{"op":"update","table":"U","where":[],"row":{"n":2}}"#,
        ),
    );
    let fixture = fixture.restart(&["D"]);
    let rows = r#"{"error":null,"id":0,"result":[{"rows":[{"n":2}]}]}"#;
    assert_eq!(fixture.connect().call("transact", &on("D", SELECT)), rows);
}

#[test]
fn closing_a_database_ends_its_compaction_too() {
    let fixture = Fixture::new(&["D"]);
    let mut client = fixture.connect();
    let insert = r#"{"op":"insert","table":"U","row":{"n":1}}"#;
    client.call("transact", &on("D", &[insert; 2000].join(",")));
    let database = fixture.server.database("D").unwrap();
    let (compacted, removed) = fixture
        .runtime
        .block_on(async { tokio::join!(database.compact(), fixture.server.remove("D", "test")) });
    assert!(compacted.is_ok() && removed);
    fixture
        .runtime
        .block_on(fixture.server.add_file(&fixture.path("D")))
        .expect("the file is closed");
    let rows = r#"{"op":"select","table":"U","where":[["n","!=",1]]}"#;
    assert_eq!(
        fixture.connect().call("transact", &on("D", rows)),
        r#"{"error":null,"id":0,"result":[{"rows":[]}]}"#
    );
}
