//! The server is killed while it converts a database: the old database is there afterwards or the new one, whole.
//!
//! The moments of the kills follow what can be seen of the conversion from outside: the request, the new file coming to be,
//! growing and taking the place of the old one, the answer.

use std::fs;
use std::path::{Path, PathBuf};

use ovsdb_proto::json::{self, Json};
use ovsdb_testkit::client::RawClient;
use ovsdb_testkit::daemon::Server;
use ovsdb_testkit::programs::Side;
use ovsdb_testkit::sandbox::Sandbox;

/// Enough for the new file to be written in several pieces.
const ROWS: usize = 2500;
/// Bytes of each row's text.
const TEXT_BYTES: usize = 600;

/// When the server is killed.
#[derive(Clone, Copy, Debug)]
enum Moment {
    /// The request has been sent.
    Asked,
    /// There is a new file of this many bytes.
    Writing(u64),
    /// The new file has the name of the old one.
    Renamed,
    /// The client has the answer.
    Answered,
}

/// The schema with or without a column that some rows have a value in.
fn schema(with_text: bool) -> String {
    let text = if with_text {
        r#","text":{"type":"string"}"#
    } else {
        r#","added":{"type":"integer"}"#
    };
    format!(
        r#"{{"name":"Kill","tables":{{"Entry":{{"isRoot":true,"columns":{{"n":{{"type":"integer"}}{text}}}}}}}}}"#
    )
}

/// The number of a file, which another one of the same name does not have.
fn inode(path: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    fs::metadata(path).map_or(0, |meta| meta.ino())
}

fn result(connection: &mut RawClient, method: &str, params: &str) -> Json {
    let reply = connection.call(&format!(
        r#"{{"id":0,"method":"{method}","params":{params}}}"#
    ));
    let reply = json::parse(reply.as_bytes()).expect("the server speaks JSON");
    reply
        .get("result")
        .cloned()
        .unwrap_or_else(|| panic!("{method}: {reply}"))
}

fn insert_rows(connection: &mut RawClient) {
    let text = "x".repeat(TEXT_BYTES);
    for from in (0..ROWS).step_by(500) {
        let rows = (from..from + 500).map(|n| {
            format!(r#"{{"op":"insert","table":"Entry","row":{{"n":{n},"text":"{text}"}}}}"#)
        });
        let rows: Vec<String> = rows.collect();
        let params = format!(
            r#"["Kill",{},{{"op":"commit","durable":true}}]"#,
            rows.join(",")
        );
        result(connection, "transact", &params);
    }
}

/// Checks that all rows are there, each once, and says whether they have their text.
fn check_rows(connection: &mut RawClient, with_text: bool) {
    let column = if with_text { "text" } else { "added" };
    let params = format!(
        r#"["Kill",{{"op":"select","table":"Entry","where":[],"columns":["n","{column}"],"sort":["n"]}}]"#
    );
    let results = result(connection, "transact", &params);
    let rows = results
        .as_array()
        .and_then(|results| results.first()?.get("rows")?.as_array());
    let rows = rows.unwrap_or_else(|| panic!("no rows: {results}"));
    assert_eq!(rows.len(), ROWS);
    for (n, row) in rows.iter().enumerate() {
        assert_eq!(row.get("n").and_then(Json::as_i64), i64::try_from(n).ok());
        let is_kept = match row.get(column) {
            Some(Json::String(text)) => text.len() == TEXT_BYTES,
            value => value.and_then(Json::as_i64) == Some(0),
        };
        assert!(is_kept, "{row}");
    }
}

/// Has the database converted and kills the server at `moment`; says whether the answer had come.
fn convert_and_kill(server: Server, file: &Path, schema: &str, moment: Moment) -> bool {
    let mut temporary = file.to_owned().into_os_string();
    temporary.push(".tmp");
    let temporary = PathBuf::from(temporary);
    let before = inode(file);
    let is_over = || inode(file) != before;
    let mut connection = RawClient::connect(server.socket());
    let request = format!(r#"{{"id":0,"method":"convert","params":["Kill",{schema}]}}"#);
    connection
        .send(request.as_bytes())
        .expect("the server reads");
    match moment {
        Moment::Asked => {}
        Moment::Writing(bytes) => {
            let size = || fs::metadata(&temporary).map_or(0, |meta| meta.len());
            while size() < bytes && !is_over() {
                std::thread::yield_now();
            }
        }
        Moment::Renamed => {
            while !is_over() {
                std::thread::yield_now();
            }
        }
        Moment::Answered => {
            let reply = connection.receive().expect("the server answers");
            assert!(reply.is_some(), "an answer");
        }
    }
    server.kill();
    matches!(moment, Moment::Answered)
}

#[test]
fn the_old_database_or_the_new_one_is_there_after_a_kill() {
    let sandbox = Sandbox::new();
    let path = sandbox.path("kill.ovsschema");
    fs::write(&path, schema(true)).expect("the sandbox is writable");
    let pristine = sandbox.path("pristine.db");
    let file = sandbox.path("kill.db");
    let start = || Server::start(&sandbox, Side::Ours, &[("kill.db", path.as_path())]);

    let server = start();
    insert_rows(&mut RawClient::connect(server.socket()));
    server.stop();
    fs::copy(&file, &pristine).expect("the sandbox is writable");
    let size = fs::metadata(&pristine).expect("it is there").len();

    let moments = [
        Moment::Asked,
        Moment::Writing(1),
        Moment::Writing(size / 20),
        Moment::Writing(size / 2),
        Moment::Renamed,
        Moment::Answered,
    ];
    let (mut old, mut new) = (0, 0);
    for round in 0..2 * moments.len() {
        let moment = moments[round % moments.len()];
        // In one half of the rounds the new database is as large as the old one.
        let wanted = if round < moments.len() {
            schema(false)
        } else {
            schema(true).replace(r#""name":"Kill""#, r#""name":"Kill","version":"1.0.1""#)
        };
        fs::copy(&pristine, &file).expect("the sandbox is writable");
        let answered = convert_and_kill(start(), &file, &wanted, moment);
        let server = start();
        let mut connection = RawClient::connect(server.socket());
        let found = result(&mut connection, "get_schema", r#"["Kill"]"#).to_string();
        let is_new = found.contains("added") || found.contains("1.0.1");
        assert!(is_new || !answered, "{moment:?}: {found}");
        check_rows(&mut connection, found.contains("text"));
        // What was left behind is in nobody's way.
        result(
            &mut connection,
            "convert",
            &format!(r#"["Kill",{}]"#, schema(false)),
        );
        let mut connection = RawClient::connect(server.socket());
        check_rows(&mut connection, false);
        server.stop();
        *if is_new { &mut new } else { &mut old } += 1;
    }
    assert!(old > 0 && new > 0, "{old} kills came before, {new} after");
}
