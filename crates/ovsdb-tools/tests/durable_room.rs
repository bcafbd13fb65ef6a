//! The room that a server makes in a file for durable transactions: it is there while these come one after the other and
//! after a kill, is no transaction for anybody, and is gone when the server has given the file up in order.

mod support {
    pub mod replica;
}

use ovsdb_testkit::client::RawClient;
use ovsdb_testkit::programs::{Side, ours};
use ovsdb_testkit::sandbox::Sandbox;
use support::replica::{
    FILE, KEPT, Replica, Resumed, insert, insert_durably, new_sandbox, serve, transact,
};

/// The file, and where its records end: what is behind that are spaces and what is around them.
fn file(sandbox: &Sandbox) -> (String, usize) {
    let text = sandbox.text(FILE);
    let end = match text.strip_suffix("}\n") {
        Some(inside) if inside.ends_with("{ ") || inside.ends_with("  ") => {
            text.rfind("OVSDB JSON ").expect("a header")
        }
        _ => text.len(),
    };
    (text, end)
}

fn has_room(sandbox: &Sandbox) -> bool {
    let (text, end) = file(sandbox);
    end < text.len()
}

#[test]
fn a_file_has_room_between_durable_transactions_and_none_when_it_is_closed() {
    let sandbox = new_sandbox();
    let server = serve(&sandbox, Side::Ours);
    for number in 0..20 {
        transact(&server, &insert(&format!("not durable {number}")));
    }
    assert!(!has_room(&sandbox), "nothing is synced");
    for number in 0..5 {
        insert_durably(&server, &number.to_string());
    }
    assert!(has_room(&sandbox));
    let length = sandbox.text(FILE).len();
    for number in 5..20 {
        insert_durably(&server, &number.to_string());
        assert_eq!(sandbox.text(FILE).len(), length, "it serves the next ones");
    }
    let (text, end) = file(&sandbox);
    let records = text[..end].to_owned();

    server.stop();
    assert_eq!(sandbox.text(FILE), records);

    // As well if only the database goes.
    let server = serve(&sandbox, Side::Ours);
    for number in 20..30 {
        insert_durably(&server, &number.to_string());
    }
    assert!(has_room(&sandbox));
    let request = r#"{"id":0,"method":"ovsdb-server/remove-db","params":["D"]}"#;
    let reply = RawClient::connect(server.control()).call(request);
    assert!(reply.contains(r#""error":null"#), "{reply}");
    let (text, end) = file(&sandbox);
    assert_eq!(end, text.len());
    assert!(text.starts_with(&records));
    server.stop();
}

#[test]
fn a_compaction_leaves_no_room() {
    let sandbox = new_sandbox();
    let server = serve(&sandbox, Side::Ours);
    for number in 0..10 {
        insert_durably(&server, &number.to_string());
    }
    assert!(has_room(&sandbox));
    let request = r#"{"id":0,"method":"ovsdb-server/compact","params":[]}"#;
    let reply = RawClient::connect(server.control()).call(request);
    assert!(reply.contains(r#""error":null"#), "{reply}");
    assert!(!has_room(&sandbox));
    assert_eq!(sandbox.text(FILE).lines().count(), 4);
}

#[test]
fn room_that_a_kill_leaves_is_no_transaction() {
    let sandbox = new_sandbox();
    let server = serve(&sandbox, Side::Ours);
    for number in 0..9 {
        insert_durably(&server, &number.to_string());
    }
    let mut replica = Replica::new(KEPT);
    replica.resume(&server);
    insert_durably(&server, "last");
    server.kill();
    assert!(has_room(&sandbox));

    let log = sandbox.run_ok(ours("ovsdb-tool"), &["show-log", FILE]);
    let records = log.lines().filter(|line| line.starts_with("record "));
    assert_eq!(
        records.count(),
        11,
        "the schema and ten transactions: {log}"
    );
    assert!(has_room(&sandbox), "who reads leaves it where it is");

    let server = serve(&sandbox, Side::Ours);
    let expected = Resumed {
        found: true,
        rows: 1,
    };
    assert_eq!(replica.resume(&server), expected);
    replica.check(&server);
    transact(&server, &insert("another"));
    assert!(!has_room(&sandbox), "what is appended takes its place");
    server.stop();
}
