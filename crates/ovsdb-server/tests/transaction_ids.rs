//! Transaction ids: a file leads to the same ids whenever it is read, and never to an id that stood for other contents.

mod support;

use ovsdb_log::{LockPolicy, Log, OpenMode, STANDALONE_MAGIC};
use ovsdb_proto::uuid::Uuid;
use ovsdb_server::file;
use ovsdb_server::transaction_id::{is_without_record, record_part};
use support::{Client, EIO, ENOSPC, Fixture};

const INSERT: &str = r#"{"op":"insert","table":"U","row":{"n":1}}"#;
const ADD: &str = r#"{"op":"mutate","table":"U","where":[],"mutations":[["n","+=",1]]}"#;
const NOTE: &str = r#"{"op":"update","table":"T","where":[],"row":{"note":"x"}}"#;
const DURABLE: &str = r#"{"op":"commit","durable":true}"#;

fn id(fixture: &Fixture) -> Uuid {
    let database = fixture.server.database("D").expect("it is served");
    database.version().id
}

fn compact(fixture: &Fixture) {
    let database = fixture.server.database("D").expect("it is served");
    let compacted = fixture.runtime.block_on(database.compact());
    compacted.expect("a healthy disk");
}

/// Fixture with a database of one row in each table.
fn prepared() -> (Fixture, Client) {
    let fixture = Fixture::new(&["D"]);
    let mut client = fixture.connect();
    client.transact(&format!(
        r#"{INSERT},{{"op":"insert","table":"T","row":{{"name":"a"}}}}"#
    ));
    (fixture, client)
}

/// Restarts the server and checks that the file leads to the same version as before.
#[track_caller]
fn check_restart(fixture: Fixture) -> Fixture {
    let before = id(&fixture);
    let fixture = fixture.restart(&["D"]);
    let after = id(&fixture);
    assert_eq!(record_part(after), record_part(before));
    assert!(is_without_record(after), "ephemeral columns are new");
    assert_ne!(after, before);
    let loaded = file::load(&fixture.path("D"), OpenMode::ReadOnly, LockPolicy::Never);
    let loaded = loaded.expect("a sound file");
    assert_eq!(record_part(loaded.id), record_part(before));
    assert!(!is_without_record(loaded.id));
    fixture
}

#[test]
fn each_commit_has_an_id_of_its_own_which_the_file_leads_to_again() {
    let (mut fixture, mut client) = prepared();
    let mut seen = vec![id(&fixture)];
    for operations in [ADD, INSERT, NOTE, ADD] {
        client.transact(operations);
        let new = id(&fixture);
        assert!(!seen.contains(&new), "{operations}");
        assert_eq!(is_without_record(new), operations == NOTE, "{operations}");
        seen.push(new);
        fixture = check_restart(fixture);
        client = fixture.connect();
        seen.push(id(&fixture));
    }
}

#[test]
fn a_transaction_that_changes_nothing_makes_no_version() {
    let (fixture, mut client) = prepared();
    let before = id(&fixture);
    client.transact(r#"{"op":"update","table":"U","where":[],"row":{"n":1}}"#);
    client.transact(r#"{"op":"insert","table":"U","row":{}},{"op":"abort"}"#);
    assert_eq!(id(&fixture), before);
}

#[test]
fn ids_go_on_over_compactions() {
    let (mut fixture, mut client) = prepared();
    for operations in [ADD, NOTE, ADD] {
        compact(&fixture);
        fixture = check_restart(fixture);
        compact(&fixture);
        client = fixture.connect();
        client.transact(operations);
        fixture = check_restart(fixture);
    }
    drop(client);
}

#[test]
fn the_comment_of_a_compaction_tells_the_id() {
    let (fixture, mut client) = prepared();
    client.transact(ADD);
    let id = id(&fixture);
    compact(&fixture);
    let (mut log, _) = file::open(&fixture.path("D"), OpenMode::ReadOnly, LockPolicy::Never)
        .expect("a sound file");
    let record = file::read_json(&mut log).expect("a good record");
    let record = record.expect("a record");
    let comment = record.get("_comment").and_then(|comment| comment.as_str());
    let start = format!("compacting database online; transaction {id}, seal ");
    assert!(
        comment.is_some_and(|comment| comment.starts_with(&start)),
        "{comment:?}"
    );
}

#[test]
fn an_edited_file_does_not_lead_to_the_id_in_its_comment() {
    let (fixture, _client) = prepared();
    compact(&fixture);
    let stated = id(&fixture);
    fixture.runtime.block_on(fixture.server.close());
    let path = fixture.path("D");
    let read = || file::load(&path, OpenMode::ReadOnly, LockPolicy::Never).expect("a sound file");
    assert_eq!(read().id, stated);

    let mut log = Log::open(
        &path,
        OpenMode::ReadOnly,
        &[STANDALONE_MAGIC],
        LockPolicy::Never,
    )
    .expect("a sound file");
    let mut records = Vec::new();
    while let Some(record) = log.read().expect("a good record") {
        records.push(String::from_utf8(record.payload).expect("JSON is text"));
    }
    assert!(records[1].contains(r#"{"n":1}"#), "{}", records[1]);
    let write = |records: [&str; 2]| {
        std::fs::remove_file(&path).expect("it is there");
        let mut log = Log::open(
            &path,
            OpenMode::CreateExcl,
            &[STANDALONE_MAGIC],
            LockPolicy::Never,
        )
        .expect("a new file");
        for record in records {
            log.append(record.as_bytes()).expect("a healthy disk");
        }
    };
    write([&records[0], &records[1]]);
    assert_eq!(read().id, stated);
    write([&records[0], &records[1].replace(r#"{"n":1}"#, r#"{"n":2}"#)]);
    assert_ne!(read().id, stated);
    write([&records[0].replace("1.0.0", "1.0.1"), &records[1]]);
    assert_ne!(read().id, stated);
}

#[test]
fn another_commit_on_an_older_copy_leads_to_another_id() {
    let (fixture, mut client) = prepared();
    let copy = std::fs::read(fixture.path("D")).expect("the file");
    client.transact(ADD);
    let first = id(&fixture);
    fixture.runtime.block_on(fixture.server.close());
    std::fs::write(fixture.path("D"), copy).expect("a writable folder");
    let fixture = fixture.restart(&["D"]);
    fixture.connect().transact(INSERT);
    assert_ne!(record_part(id(&fixture)), record_part(first));
    check_restart(fixture);
}

#[test]
fn a_tail_that_is_cut_off_takes_its_id_with_it() {
    let (fixture, mut client) = prepared();
    let kept = id(&fixture);
    let length = std::fs::metadata(fixture.path("D"))
        .expect("the file")
        .len();
    client.transact(ADD);
    fixture.runtime.block_on(fixture.server.close());
    let file = std::fs::File::options().write(true).open(fixture.path("D"));
    file.expect("the file")
        .set_len(length)
        .expect("a writable file");
    let fixture = fixture.restart(&["D"]);
    assert_eq!(record_part(id(&fixture)), record_part(kept));
}

#[test]
fn refused_commits_leave_no_trace_in_the_ids() {
    let (fixture, mut client) = prepared();
    let before = id(&fixture);
    fixture.disk.fail_writes(ENOSPC);
    client.transact(ADD);
    client.transact(NOTE);
    assert_eq!(record_part(id(&fixture)), record_part(before));
    fixture.disk.fail_writes(0);
    client.transact(ADD);
    check_restart(fixture);
}

#[test]
fn commits_taken_back_after_a_failed_sync_leave_no_trace_in_the_ids() {
    let (fixture, mut client) = prepared();
    client.transact(&format!("{ADD},{DURABLE}"));
    let before = id(&fixture);
    fixture.disk.fail_syncs(EIO);
    let reply = client.transact(&format!("{ADD},{DURABLE}"));
    assert!(reply.contains("I/O error"), "{reply}");
    client.transact(NOTE);
    assert_eq!(record_part(id(&fixture)), record_part(before));
    // As the file is, with the record taken back.
    let loaded = file::load(&fixture.path("D"), OpenMode::ReadOnly, LockPolicy::Never);
    assert_eq!(loaded.expect("a sound file").id, before);

    fixture.disk.fail_syncs(0);
    let database = fixture.server.database("D").expect("it is served");
    let compact = || fixture.runtime.block_on(database.compact());
    // An attempt that was under way before the disk worked again may still fail; the next one may not.
    compact()
        .or_else(|_| compact())
        .expect("the disk works again");
    let fixture = check_restart(fixture);
    fixture.connect().transact(&format!("{ADD},{DURABLE}"));
    check_restart(fixture);
}

/// The reply to a request, with its UUIDs.
fn reply(client: &mut Client, method: &str, params: &str) -> String {
    client.request("0", method, params);
    let bytes = client.raw.receive().expect("a message");
    String::from_utf8(bytes.expect("a reply")).expect("JSON is UTF-8")
}

/// Whether a client that resumes a monitor of `T` at a version finds it, and the reply.
fn resume(client: &mut Client, at: Uuid) -> (bool, String) {
    let columns = r#"["name","note","_version"]"#;
    let request = format!(r#"["D","{at}",{{"T":{{"columns":{columns}}}}},"{at}"]"#);
    let reply = reply(client, "monitor_cond_since", &request);
    (reply.contains(r#""result":[true,"#), reply)
}

#[test]
fn where_there_was_no_row_with_ephemeral_columns_a_version_from_before_the_start_is_found() {
    let fixture = Fixture::new(&["D"]);
    let mut client = fixture.connect();
    client.transact(INSERT);
    client.transact(ADD);
    let without = id(&fixture);
    client.transact(r#"{"op":"insert","table":"T","row":{"name":"a","note":"x"}}"#);
    let with = id(&fixture);
    let fixture = check_restart(fixture);
    let mut client = fixture.connect();
    let select = r#"["D",{"op":"select","table":"T","where":[],"columns":["_version"]}]"#;
    let selected = reply(&mut client, "transact", select);
    let (_, version) = selected.split_once(r#""_version":"#).expect("a row");
    let version = &version[..r#"["uuid","12345678-1234-1234-1234-123456789012"]"#.len()];
    let (found, told) = resume(&mut client, without);
    assert!(found && told.contains(version), "{version} in {told}");
    assert!(!resume(&mut client, with).0);
}

#[test]
fn an_id_stands_for_what_the_conditions_of_the_request_show_of_its_version() {
    let (fixture, mut client) = prepared();
    let known = id(&fixture);
    let requests =
        |name| format!(r#"{{"T":{{"columns":["name"],"where":[["name","==","{name}"]]}}}}"#);
    let nothing_yet = format!(r#"["D","m",{},"{}"]"#, requests("b"), Uuid::ZERO);
    let begun = client.call("monitor_cond_since", &nothing_yet);
    assert!(begun.ends_with(r#"[false,"U",{}]}"#), "{begun}");
    client.check(
        r#"{"op":"delete","table":"T","where":[]}"#,
        r#"[{"count":1}]"#,
    );
    // The row is gone when the conditions that admit it come to count: there is no update, and no newer id.
    let change = r#"["m","m",{"T":[{"where":[["name","==","a"]]}]}]"#;
    let changed = client.call("monitor_cond_change", change);
    assert_eq!(changed, r#"{"error":null,"id":0,"result":{}}"#);
    let resume = |name, told: &str| {
        let request = format!(r#"["D","m",{},"{known}"]"#, requests(name));
        let resumed = fixture.connect().call("monitor_cond_since", &request);
        let expected = format!(r#"{{"error":null,"id":0,"result":[true,"U",{told}]}}"#);
        assert_eq!(resumed, expected, "{name}");
    };
    resume("a", r#"{"T":{"U":{"delete":null}}}"#);
    resume("b", "{}");
}
