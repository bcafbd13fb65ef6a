//! The reference's programs with a file that has room behind its last record, because our server was killed: they read
//! everything, append to it, and leave a file that our server reads.

mod support {
    pub mod replica;
}

use ovsdb_testkit::programs::{Side, ours, reference};
use ovsdb_testkit::sandbox::Sandbox;
use support::replica::{FILE, KEPT, Replica, Resumed, insert_durably, new_sandbox, serve};

/// Our server adds durable rows and is killed; the file has room.
fn leave_room(sandbox: &Sandbox, names: &str) {
    let server = serve(sandbox, Side::Ours);
    for number in 0..10 {
        insert_durably(&server, &format!("{names} {number}"));
    }
    server.kill();
    assert!(sandbox.text(FILE).ends_with("   }\n"));
}

fn rows(sandbox: &Sandbox, file: &str) -> usize {
    let select = r#"["D",{"op":"select","table":"T","where":[],"columns":["name"]}]"#;
    let reply = sandbox.run_ok(reference("ovsdb-tool"), &["query", file, select]);
    reply.matches(r#""name""#).count()
}

#[test]
fn tools_take_room_for_a_transaction_that_changes_nothing() {
    let sandbox = new_sandbox();
    leave_room(&sandbox, "row");
    let tool = |arguments: &[&str]| sandbox.run_ok(reference("ovsdb-tool"), arguments);
    let copy = |name: &str| {
        std::fs::copy(sandbox.path(FILE), sandbox.path(name)).expect("the sandbox can be written");
    };
    assert_eq!(rows(&sandbox, FILE), 10);
    assert_eq!(tool(&["db-name", FILE]), "D\n");
    assert_eq!(tool(&["db-version", FILE]), "1.0.0\n");
    let ours_shows = sandbox.run_ok(ours("ovsdb-tool"), &["show-log", FILE]);
    let theirs = tool(&["show-log", FILE]);
    let last = theirs.strip_prefix(&ours_shows).expect("the same and more");
    assert!(last.trim_start().starts_with("record 11:"), "{last:?}");
    assert_eq!(last.trim().len(), "record 11:".len(), "{last:?}");

    copy("compacted");
    tool(&["compact", "compacted"]);
    assert_eq!(rows(&sandbox, "compacted"), 10);
    assert_eq!(sandbox.text("compacted").lines().count(), 4);

    let schema = sandbox.text("schema").replace("1.0.0", "2.0.0");
    std::fs::write(sandbox.path("schema 2"), schema).expect("the sandbox can be written");
    copy("converted");
    tool(&["convert", "converted", "schema 2"]);
    assert_eq!(rows(&sandbox, "converted"), 10);

    copy("extended");
    tool(&[
        "transact",
        "extended",
        r#"["D",{"op":"insert","table":"T","row":{}}]"#,
    ]);
    assert_eq!(rows(&sandbox, "extended"), 11);
    let ours_shows = sandbox.run_ok(ours("ovsdb-tool"), &["show-log", "extended"]);
    assert_eq!(ours_shows, tool(&["show-log", "extended"]));
}

#[test]
fn servers_hand_a_file_with_room_to_and_fro() {
    let sandbox = new_sandbox();
    let mut replica = Replica::new(KEPT);
    let server = serve(&sandbox, Side::Ours);
    insert_durably(&server, "first");
    replica.resume(&server);
    server.stop();
    for round in 0..3 {
        leave_room(&sandbox, &format!("ours {round}"));
        let server = serve(&sandbox, Side::Reference);
        insert_durably(&server, &format!("theirs {round}"));
        server.kill();
        assert_eq!(rows(&sandbox, FILE), 1 + (round + 1) * 11);

        let server = serve(&sandbox, Side::Ours);
        // What came before and behind the room is known, and so is its place in the past.
        let expected = Resumed {
            found: true,
            rows: 11,
        };
        assert_eq!(replica.resume(&server), expected);
        replica.check(&server);
        server.stop();
    }
}
