//! `ovsdb-client restore`, which of the two options that only ours has is `--keep-uuids`: the same rows under the same UUIDs,
//! on servers of both sides, in one transaction.

use std::os::unix::net::UnixListener;
use std::thread;

use ovsdb_proto::json::{self, Json};
use ovsdb_testkit::alike::{Alike, Call, Ending, Printed};
use ovsdb_testkit::client::RawClient;
use ovsdb_testkit::programs::Side;
use ovsdb_testkit::sandbox::Sandbox;

use crate::Stage;

/// Runs our client.
fn ours(sandbox: &Sandbox, call: &Call) -> Printed {
    Alike::new("ovsdb-client", sandbox, &[]).run(Side::Ours, call)
}

fn ok(sandbox: &Sandbox, call: &Call) -> Vec<u8> {
    let printed = ours(sandbox, call);
    assert_eq!(
        (printed.ending, printed.stderr.as_str()),
        (Ending::Code(0), ""),
        "{call}"
    );
    printed.stdout
}

/// Everything in the database, UUIDs included.
fn dump(sandbox: &Sandbox) -> String {
    let bytes = ok(sandbox, &Call::new(["dump", "Every", "-fjson"]));
    String::from_utf8(bytes).expect("databases hold text")
}

/// Saves the database into a file.
fn back_up(sandbox: &Sandbox, file: &str) {
    let snapshot = ok(sandbox, &Call::new(["backup", "Every"]));
    std::fs::write(sandbox.path(file), snapshot).expect("the sandbox is writable");
}

fn transact(sandbox: &Sandbox, operations: &str) {
    let results = ok(
        sandbox,
        &Call::new(["transact", &format!("[\"Every\",{operations}]")]),
    );
    let results = String::from_utf8_lossy(&results);
    assert!(!results.contains("error"), "{operations}: {results}");
}

const RESTORE: [&str; 3] = ["--keep-uuids", "restore", "Every"];

/// Values of ephemeral columns are in no snapshot.
const FORGET: &str = r#"{"op":"update","table":"Every","where":[],"row":{"Passing":0}}"#;

/// Rows go, others come, some change.
const HARM: &str = r#"{"op":"delete","table":"Single","where":[]},
    {"op":"insert","table":"Single","row":{"name":"another"}},
    {"op":"insert","table":"Empty","row":{"column":"new"}},
    {"op":"update","table":"Every","where":[],"row":{"string":"harmed","weak_set":["set",[]],"Passing":7}},
    {"op":"update","table":"Every","where":[["limited","==","0003"]],"row":{"limited":"0099"}}"#;

#[test]
fn rows_come_back_under_their_uuids() {
    for side in Side::BOTH {
        let stage = Stage::new(side, false);
        let sandbox = &stage.sandbox;
        transact(sandbox, FORGET);
        let before = dump(sandbox);
        back_up(sandbox, "snapshot");

        transact(sandbox, HARM);
        assert_ne!(dump(sandbox), before);
        ok(sandbox, &Call::new(RESTORE).input("snapshot"));
        assert_eq!(dump(sandbox), before, "changed rows, {side:?}");

        ok(sandbox, &Call::new(RESTORE).input("snapshot"));
        assert_eq!(dump(sandbox), before, "nothing to do, {side:?}");

        let everything = r#"{"op":"delete","table":"Every","where":[]},{"op":"delete","table":"Single","where":[]}"#;
        transact(sandbox, everything);
        let snapshot = std::fs::read(sandbox.path("snapshot")).expect("it was written");
        ok(sandbox, &Call::new(RESTORE).piped(snapshot));
        assert_eq!(
            dump(sandbox),
            before,
            "an empty database, out of a pipe, {side:?}"
        );
    }
}

#[test]
fn another_server_gets_the_same_rows() {
    let from = Stage::new(Side::Reference, false);
    transact(&from.sandbox, FORGET);
    back_up(&from.sandbox, "snapshot");
    for side in Side::BOTH {
        let to = Stage::new(side, false);
        let (snapshot, copy) = (from.sandbox.path("snapshot"), to.sandbox.path("snapshot"));
        std::fs::copy(snapshot, copy).expect("the sandbox is writable");
        assert_ne!(dump(&to.sandbox), dump(&from.sandbox));
        ok(&to.sandbox, &Call::new(RESTORE).input("snapshot"));
        assert_eq!(dump(&to.sandbox), dump(&from.sandbox), "{side:?}");
    }
}

#[test]
fn a_restore_that_cannot_be_completed_changes_nothing() {
    for side in Side::BOTH {
        let stage = Stage::new(side, false);
        let sandbox = &stage.sandbox;
        let refused = |expect: &str| {
            let before = dump(sandbox);
            let printed = ours(sandbox, &Call::new(RESTORE).input("snapshot"));
            assert_eq!(printed.ending, Ending::Code(1), "{expect}");
            assert!(
                printed.stderr.contains(expect),
                "{}: {expect}",
                printed.stderr
            );
            assert_eq!(dump(sandbox), before, "{expect}");
        };
        let row = |value: &str| {
            format!(
                r#"{{"op":"insert","table":"Every","uuid":"01234567-89ab-cdef-0123-456789abcdef","row":
                    {{"limited":"kept","fixed":"{value}","choice":"red",
                      "strong":["uuid","01234567-89ab-cdef-0123-456789abcdef"]}}}}"#
            )
        };
        let delete = r#"{"op":"delete","table":"Every","where":[["limited","==","kept"]]}"#;

        // A column that no operation can change.
        transact(sandbox, &row("old"));
        back_up(sandbox, "snapshot");
        transact(sandbox, delete);
        transact(sandbox, &row("new"));
        refused(
            "Every table, row 01234567-89ab-cdef-0123-456789abcdef, column fixed: the value in the database is not that of the \
             snapshot, and the schema lets nobody change it\n",
        );

        // A row too many: the snapshot is one of a schema that let the table have two.
        let wider = crate::contents::every_type().replace("\"maxRows\": 1", "\"maxRows\": 2");
        std::fs::write(sandbox.path("wider.ovsschema"), wider).expect("the sandbox is writable");
        let tool = |words: &[&str]| sandbox.run_ok(Side::Ours.program("ovsdb-tool"), words);
        let _ = std::fs::remove_file(sandbox.path("snapshot"));
        tool(&["create", "snapshot", "wider.ovsschema"]);
        tool(&[
            "transact",
            "snapshot",
            r#"["Every",{"op":"insert","table":"Single","row":{}},{"op":"insert","table":"Single","row":{}}]"#,
        ]);
        refused("backup schema and database schema are both version 10.0.1 but still differ");
        let before = dump(sandbox);
        let forced = Call::new(["--force", "--keep-uuids", "restore", "Every"]).input("snapshot");
        let printed = ours(sandbox, &forced);
        assert_eq!(printed.ending, Ending::Code(1));
        assert!(
            printed.stderr.contains("constraint violation"),
            "{}",
            printed.stderr
        );
        assert_eq!(dump(sandbox), before);
    }
}

/// A server that answers requests in the order of `answers`: the method and what must stand in the request, and the result.
fn scripted(listener: UnixListener, answers: Vec<(&'static str, &'static str, String)>) {
    let (stream, _) = listener.accept().expect("the client connects");
    let mut client = RawClient::over(stream);
    for (method, contains, result) in answers {
        let request = client.receive().expect("a request").expect("a request");
        let text = String::from_utf8_lossy(&request).into_owned();
        let request = json::parse(&request).expect("requests are JSON");
        let member = |name| request.as_object().and_then(|request| request.get(name));
        assert_eq!(
            member("method").and_then(Json::as_str),
            Some(method),
            "{text}"
        );
        assert!(text.contains(contains), "{contains} is not in {text}");
        let id = member("id").expect("requests have an id");
        let reply = format!(r#"{{"id":{id},"error":null,"result":{result}}}"#);
        client.send(reply.as_bytes()).expect("the client reads");
    }
}

const SMALL: &str = r#"{"name":"Every","version":"1.0.0","tables":{"T":{"columns":{"n":{"type":"integer"}},"isRoot":true}}}"#;

/// A snapshot of [`SMALL`] with one row, and a sandbox with that and a listening socket.
fn small() -> (Sandbox, UnixListener, Call) {
    let sandbox = Sandbox::new();
    let write = |name: &str, text: &str| {
        std::fs::write(sandbox.path(name), text).expect("the sandbox is writable");
    };
    write("small.ovsschema", SMALL);
    let tool = |words: &[&str]| sandbox.run_ok(Side::Ours.program("ovsdb-tool"), words);
    tool(&["create", "snapshot", "small.ovsschema"]);
    tool(&[
        "transact",
        "snapshot",
        r#"["Every",{"op":"insert","table":"T","uuid":"aaaaaaaa-0000-4000-8000-000000000000","row":{"n":1}}]"#,
    ]);
    let listener = UnixListener::bind(sandbox.path("db.sock")).expect("a socket");
    (sandbox, listener, Call::new(RESTORE).input("snapshot"))
}

fn rows(uuids: &[&str]) -> String {
    let rows: Vec<String> = uuids
        .iter()
        .map(|uuid| format!(r#"{{"_uuid":["uuid","{uuid}"]}}"#))
        .collect();
    format!(r#"[{{"rows":[{}]}}]"#, rows.join(","))
}

#[test]
fn rows_that_come_meanwhile_go_as_well() {
    let (sandbox, listener, call) = small();
    let [kept, new] = [
        "aaaaaaaa-0000-4000-8000-000000000000",
        "bbbbbbbb-0000-4000-8000-000000000000",
    ];
    let aborted =
        r#"[{"uuid":["uuid","cccccccc-0000-4000-8000-000000000000"]},{"error":"aborted"}]"#;
    let server = thread::spawn(move || {
        scripted(
            listener,
            vec![
                ("list_dbs", "", r#"["Every"]"#.to_owned()),
                ("get_schema", "Every", SMALL.to_owned()),
                ("transact", "abort", aborted.to_owned()),
                ("transact", "select", rows(&[kept])),
                // Another row has come.
                (
                    "transact",
                    "wait",
                    r#"[{"error":"timed out"},null]"#.to_owned(),
                ),
                ("transact", "select", rows(&[kept, new])),
                (
                    "transact",
                    r#""op":"delete","table":"T","where":[["_uuid","==",["uuid","bbbbbbbb-"#,
                    "[{},{},{}]".to_owned(),
                ),
            ],
        );
    });
    ok(&sandbox, &call);
    server.join().expect("the client keeps to the script");
}

#[test]
fn a_server_that_lets_nobody_choose_uuids_is_named() {
    let (sandbox, listener, call) = small();
    let error = r#"[{"error":"syntax error","details":"Parsing insert operation: Member 'uuid' is present but not allowed here."}]"#;
    let server = thread::spawn(move || {
        scripted(
            listener,
            vec![
                ("list_dbs", "", r#"["Every"]"#.to_owned()),
                ("get_schema", "Every", SMALL.to_owned()),
                ("transact", "insert", error.to_owned()),
            ],
        );
    });
    let printed = ours(&sandbox, &call);
    server.join().expect("the client keeps to the script");
    let socket = sandbox.path("db.sock").display().to_string();
    assert_eq!(
        (printed.ending, printed.stderr),
        (
            Ending::Code(1),
            format!(
                "ovsdb-client: unix:{socket}: the server does not let clients choose the UUIDs of rows, so --keep-uuids is of no \
                 use with it\n"
            )
        )
    );
}
