//! Conversion of a served database to another schema: who is told what, what ends and what stays, and disks that fail.

mod support;

use std::fs;

use ovsdb_proto::json::{self, Json};
use ovsdb_proto::schema::Schema;
use ovsdb_server::server::Server;
use support::{Client, EIO, ENOSPC, Fixture, schema};

const ROW: &str =
    r#"{"op":"insert","table":"T","row":{"name":"a","n":1,"tags":["set",["x","y"]]}}"#;
const DURABLE: &str = r#"{"op":"commit","durable":true}"#;
const WAIT: &str =
    r#"["D",{"op":"wait","table":"U","where":[],"columns":["n"],"until":"==","rows":[{"n":9}]}]"#;
const ENDED: &str = r#"{"id":null,"method":"monitor_canceled","params":["m"]}"#;
const DONE: &str = r#"{"error":null,"id":0,"result":{}}"#;

/// The schema of the tests after some replacements in its text.
fn changed(replacements: &[(&str, &str)]) -> String {
    let mut text = schema("D").to_json().to_string();
    for (from, to) in replacements {
        assert!(text.contains(from), "{from} is not in {text}");
        text = text.replace(from, to);
    }
    text
}

/// With a column more in table `T`, and a table that comes first.
fn wider() -> String {
    changed(&[
        (
            r#""T":{"columns":{"#,
            r#""T":{"columns":{"a":{"type":"integer"},"#,
        ),
        (
            r#""tables":{"#,
            r#""tables":{"A":{"columns":{"x":{"type":"real"}}},"#,
        ),
    ])
}

/// Without the column `n` of table `T`.
fn narrower() -> String {
    let text = schema("D").to_json().to_string();
    let at = text
        .find(r#""n":{"type":"integer"},"name""#)
        .expect("the column of `T`");
    let mut text = text;
    text.replace_range(at..at + r#""n":{"type":"integer"},"#.len(), "");
    text
}

fn params(schema: &str) -> String {
    format!(r#"["D",{schema}]"#)
}

fn convert(client: &mut Client, schema: &str) -> String {
    client.call("convert", &params(schema))
}

fn aware(fixture: &Fixture) -> Client {
    let mut client = fixture.connect();
    assert_eq!(client.call("set_db_change_aware", "[true]"), DONE);
    client
}

/// A server with one row, and a client that looks after changes of schemas.
fn prepared() -> (Fixture, Client) {
    let fixture = Fixture::new(&["D"]);
    let mut client = aware(&fixture);
    client.check(ROW, r#"[{"uuid":["uuid","U"]}]"#);
    (fixture, client)
}

/// The version of the schema that is served.
fn served_schema(server: &Server) -> Json {
    let database = server.database("D").expect("it is served");
    assert!(std::sync::Arc::ptr_eq(
        database.schema(),
        database.version().database.schema()
    ));
    database.schema().to_json()
}

fn parsed(text: &str) -> Json {
    let json = json::parse(text.as_bytes()).expect("valid JSON");
    Schema::from_json(&json).expect("a valid schema").to_json()
}

#[test]
fn clients_that_look_after_changes_stay_and_are_told_what_has_ended() {
    let (fixture, mut watcher) = prepared();
    watcher.call("monitor", r#"["D","m",{"T":{"columns":["n"]}}]"#);
    watcher.request("1", "transact", WAIT);
    assert_eq!(
        watcher.call("lock", r#"["L"]"#),
        r#"{"error":null,"id":0,"result":{"locked":true}}"#
    );

    let mut client = aware(&fixture);
    assert_eq!(convert(&mut client, &wider()), DONE);
    assert_eq!(watcher.next(), ENDED);
    assert_eq!(watcher.next(), r#"{"error":"canceled","id":1}"#);

    for client in [&mut watcher, &mut client] {
        let expected = parsed(&wider());
        assert_eq!(
            client.call("get_schema", r#"["D"]"#),
            format!(r#"{{"error":null,"id":0,"result":{expected}}}"#)
        );
    }
    // The id is free again, and the new column has its default value.
    assert_eq!(
        watcher.call("monitor", r#"["D","m",{"T":{"columns":["a","n"]}}]"#),
        r#"{"error":null,"id":0,"result":{"T":{"U":{"new":{"a":0,"n":1}}}}}"#
    );
    client.check(
        r#"{"op":"update","table":"T","where":[["a","==",0]],"row":{"a":7}}"#,
        r#"[{"count":1}]"#,
    );
    assert_eq!(
        watcher.next(),
        r#"{"id":null,"method":"update","params":["m",{"T":{"U":{"new":{"a":7,"n":1},"old":{"a":0}}}}]}"#
    );
    watcher.check(r#"{"op":"assert","lock":"L"}"#, "[{}]");

    let fixture = fixture.restart(&["D"]);
    assert_eq!(served_schema(&fixture.server), parsed(&wider()));
    fixture.connect().check(
        r#"{"op":"select","table":"T","where":[],"columns":["a","n","name","tags"]}"#,
        r#"[{"rows":[{"a":7,"n":1,"name":"a","tags":["set",["x","y"]]}]}]"#,
    );
}

#[test]
fn other_clients_are_disconnected_and_the_one_that_asked_after_its_answer() {
    let (fixture, mut client) = prepared();
    let mut plain = fixture.connect();
    plain.call("monitor", r#"["D","m",{"T":{"columns":["n"]}}]"#);
    let mut idle = fixture.connect();
    idle.call("echo", "[]");
    assert_eq!(convert(&mut client, &wider()), DONE);
    assert_eq!(plain.next(), "end");
    assert_eq!(idle.next(), "end");

    let mut plain = fixture.connect();
    plain.request("1", "transact", WAIT);
    plain.call("monitor", r#"["D","m",{"T":{"columns":["n"]}}]"#);
    let both = format!(
        r#"{{"id":2,"method":"convert","params":{}}}{{"id":3,"method":"echo","params":[]}}"#,
        params(&narrower())
    );
    plain.raw.send(both.as_bytes()).expect("the server reads");
    // Who is disconnected is not told what has been canceled.
    assert_eq!(plain.next(), r#"{"error":null,"id":2,"result":{}}"#);
    assert_eq!(plain.next(), "end");
    client.check(
        r#"{"op":"select","table":"T","where":[],"columns":["tags"]}"#,
        r#"[{"rows":[{"tags":["set",["x","y"]]}]}]"#,
    );
}

#[test]
fn what_is_wrong_with_a_conversion_is_told_and_nothing_happens() {
    let (fixture, mut client) = prepared();
    let file = fs::read(fixture.path("D")).expect("it is there");
    client.call("monitor", r#"["D","m",{"U":{}}]"#);
    let strict = changed(&[(r#""key":"string","max":"unlimited""#, r#""key":"string""#)]);
    for (params, error) in [
        (
            String::from("[]"),
            r#"{"details":"convert request params must begin with <db-name>","error":"syntax error","syntax":"[]"}"#,
        ),
        (
            String::from(r#"["E",{}]"#),
            r#"{"details":"convert request specifies unknown database E","error":"unknown database","syntax":"[\"E\",{}]"}"#,
        ),
        (
            String::from(r#"["D"]"#),
            r#"{"details":"array expected","error":"syntax error","syntax":"[\"D\"]"}"#,
        ),
        (
            String::from(r#"["D",{},1]"#),
            r#"{"details":"array expected","error":"syntax error","syntax":"[\"D\",{},1]"}"#,
        ),
        (
            String::from(r#"["D",[]]"#),
            r#"{"details":"Parsing database schema failed: Object expected.","error":"syntax error"}"#,
        ),
        (
            params(&wider().replace(r#""name":"D""#, r#""name":"E""#)),
            r#"{"details":"new schema name (E) does not match database name (D)","error":"invalid parameters"}"#,
        ),
        (
            params(&strict),
            r#"{"details":"set must have 0 to 1 members but 2 are present","error":"syntax error","syntax":"[\"set\",[\"x\",\"y\"]]"}"#,
        ),
        (
            String::from(r#"["_Server",{"name":"_Server","tables":{}}]"#),
            r#"{"details":"conversion is not allowed for read-only database _Server","error":"not allowed"}"#,
        ),
    ] {
        assert_eq!(
            client.call("convert", &params),
            format!(r#"{{"error":{error},"id":0}}"#)
        );
    }
    client.request("1", "transact", WAIT);
    client.request("1", "convert", &params(&wider()));
    let reply = client.next();
    assert!(reply.contains("convert: duplicate request ID"), "{reply}");
    assert_eq!(fs::read(fixture.path("D")).expect("it is there"), file);
    assert_eq!(served_schema(&fixture.server), schema("D").to_json());
    // The monitor goes on.
    client.request(
        "2",
        "transact",
        r#"["D",{"op":"insert","table":"U","row":{"n":3}}]"#,
    );
    assert!(client.next().contains(r#""method":"update""#));
}

#[test]
fn a_disk_that_fails_leaves_file_and_schema_as_they_were() {
    let (fixture, mut client) = prepared();
    client.call("monitor", r#"["D","m",{"U":{"columns":["n"]}}]"#);
    let file = fs::read(fixture.path("D")).expect("it is there");
    let refuse = |client: &mut Client, error: &str| {
        let reply = convert(client, &wider());
        assert!(
            reply.contains(error) && reply.contains(r#""error":"I/O error""#),
            "{reply}"
        );
        assert_eq!(fs::read(fixture.path("D")).expect("it is there"), file);
        assert!(!fixture.path("D").with_extension("db.tmp").exists());
        assert_eq!(served_schema(&fixture.server), schema("D").to_json());
    };
    fixture.disk.fail_writes(ENOSPC);
    refuse(&mut client, "No space left on device");
    fixture.disk.fail_writes(0);
    fixture.disk.fail_syncs(EIO);
    refuse(&mut client, "Input/output error");
    fixture.disk.fail_syncs(0);

    client.request(
        "1",
        "transact",
        r#"["D",{"op":"insert","table":"U","row":{"n":3}}]"#,
    );
    assert!(client.next().contains(r#"{"U":{"new":{"n":3}}}"#));
    assert_eq!(
        client.next(),
        r#"{"error":null,"id":1,"result":[{"uuid":["uuid","U"]}]}"#
    );
    client.request("0", "convert", &params(&wider()));
    assert_eq!(client.next(), ENDED);
    assert_eq!(client.next(), DONE);
}

#[test]
fn a_conversion_that_a_crash_may_undo_is_told_as_an_error_and_nothing_is_accepted_until_it_is_safe()
{
    let (fixture, mut client) = prepared();
    fixture.disk.fail_directory_syncs(EIO);
    let reply = convert(&mut client, &wider());
    assert!(reply.contains("Input/output error"), "{reply}");
    assert_eq!(served_schema(&fixture.server), parsed(&wider()));
    assert!(
        fixture
            .server
            .database("D")
            .expect("it is served")
            .trouble()
            .is_some()
    );
    let insert = r#"{"op":"insert","table":"A","row":{"x":1}}"#;
    let reply = client.transact(insert);
    assert!(reply.contains("Input/output error"), "{reply}");
    fixture.disk.fail_directory_syncs(0);
    client.check(insert, r#"[{"uuid":["uuid","U"]}]"#);
    let fixture = fixture.restart(&["D"]);
    assert_eq!(served_schema(&fixture.server), parsed(&wider()));
    fixture.connect().check(
        r#"{"op":"select","table":"T","where":[],"columns":["name"],"sort":["name"]},{"op":"select","table":"A","where":[],"columns":["x"]}"#,
        r#"[{"rows":[{"name":"a"}]},{"rows":[{"x":1}]}]"#,
    );
}

#[test]
fn transactions_before_a_conversion_are_answered_before_it_and_later_ones_meet_the_new_schema() {
    let (fixture, mut client) = prepared();
    let mut other = aware(&fixture);
    let held = fixture.disk.hold_syncs();
    other.request(
        "1",
        "transact",
        &format!(r#"["D",{ROW},{DURABLE}]"#).replace(r#""a""#, r#""b""#),
    );
    let database = fixture.server.database("D").expect("it is served");
    // The transaction has been executed, and waits for the disk.
    while !fs::read_to_string(fixture.path("D"))
        .expect("it is there")
        .contains(r#""name":"b""#)
    {
        std::thread::yield_now();
    }
    client.request("0", "convert", &params(&wider()));
    client.request(
        "2",
        "transact",
        r#"["D",{"op":"select","table":"T","where":[["a","==",0]],"columns":["name"],"sort":["name"]}]"#,
    );
    drop(held);
    assert_eq!(
        other.next(),
        r#"{"error":null,"id":1,"result":[{"uuid":["uuid","U"]},{}]}"#
    );
    assert_eq!(client.next(), DONE);
    assert_eq!(
        client.next(),
        r#"{"error":null,"id":2,"result":[{"rows":[{"name":"a"},{"name":"b"}]}]}"#
    );
    // Who holds on to the old schema has the last version under it.
    let old = database.version().database.clone();
    let (table, _) = old.schema().table_by_name("T").expect("the table");
    assert_eq!(old.table(table).len(), 2);
    assert!(old.schema().table_id("A").is_none());
}

#[test]
fn conversions_that_wait_for_another_one_convert_what_that_one_made() {
    let (fixture, mut first) = prepared();
    let mut second = aware(&fixture);
    let mut watcher = aware(&fixture);
    watcher.call("monitor", r#"["D","m",{"T":{"columns":["name"]}}]"#);
    let held = fixture.disk.hold_syncs();
    first.request("0", "convert", &params(&wider()));
    held.wait_for_one();
    second.request("0", "convert", &params(&narrower()));
    // It is answered while the conversion waits, which shows that it does.
    assert_eq!(
        second.call("echo", "[]"),
        r#"{"error":null,"id":0,"result":[]}"#
    );
    drop(held);
    assert_eq!(watcher.next(), ENDED);
    assert_eq!(first.next(), DONE);
    assert_eq!(second.next(), DONE);
    assert_eq!(served_schema(&fixture.server), parsed(&narrower()));
    for client in [&mut first, &mut second, &mut watcher] {
        client.check(
            r#"{"op":"select","table":"T","where":[],"columns":["name"]},{"op":"comment","comment":"a"},{"op":"commit","durable":false}"#,
            r#"[{"rows":[{"name":"a"}]},{},{}]"#,
        );
    }
}

#[test]
fn monitors_can_be_changed_up_to_the_conversion_that_ends_them() {
    const CHANGES: usize = 2000;
    let (fixture, mut converter) = prepared();
    let mut watcher = aware(&fixture);
    let monitor = r#"{"Database":{"columns":["schema"]}}"#;
    watcher.call("monitor", &format!(r#"["_Server","s",{monitor}]"#));
    let schemas = [wider(), schema("D").to_json().to_string()];
    for round in 0..6 {
        let monitor = r#"["D","m",{"U":{"columns":["n"]}}]"#;
        let begun = watcher.call("monitor_cond", monitor);
        assert!(begun.contains(r#""result":{}"#), "{begun}");
        // Many at once, so that the session does not look up from them when the conversion comes.
        let change = |n: usize| {
            format!(
                r#"{{"id":{n},"method":"monitor_cond_change","params":["m","m",{{"U":[{{"where":[["n","==",{n}]]}}]}}]}}"#
            )
        };
        let changes: String = (0..CHANGES).map(change).collect();
        converter.request("0", "convert", &params(&schemas[round % 2]));
        watcher.raw.send(changes.as_bytes()).expect("it is read");
        let mut ended = None;
        for n in 0..CHANGES {
            let reply = loop {
                let message = watcher.next();
                match message.as_str() {
                    ENDED => assert_eq!(ended.replace(n), None),
                    told if told.contains(r#""params":["s","#) => {}
                    _ => break message,
                }
            };
            // The change that was under way when the end came is done, and answered behind it.
            if ended.is_some_and(|at| n > at) {
                assert!(reply.contains("unknown monitor session"), "{n}: {reply}");
            } else if ended.is_none() || !reply.contains("unknown monitor session") {
                assert_eq!(reply, format!(r#"{{"error":null,"id":{n},"result":{{}}}}"#));
            }
        }
        assert_eq!(converter.next(), DONE);
        // Whatever has not been told yet comes before the reply.
        watcher.request("0", "echo", "[]");
        while watcher.next() != r#"{"error":null,"id":0,"result":[]}"# {}
    }
}

#[test]
fn every_monitor_that_begins_among_conversions_ends_with_one() {
    const MONITORS: usize = 2000;
    let (fixture, mut converter) = prepared();
    let mut watcher = aware(&fixture);
    let monitor = r#"{"Database":{"columns":["schema"]}}"#;
    watcher.call("monitor", &format!(r#"["_Server","s",{monitor}]"#));
    let watching = std::thread::spawn(move || {
        let begin = |n: usize| {
            format!(
                r#"{{"id":{n},"method":"monitor","params":["D","m{n}",{{"U":{{"columns":["n"]}}}}]}}"#
            )
        };
        // A few at once, so that the session is at work on them when a conversion comes.
        let (mut begun, mut ended) = (0, 0);
        for first in (0..MONITORS).step_by(50) {
            let requests: String = (first..first + 50).map(begin).collect();
            watcher.raw.send(requests.as_bytes()).expect("it is read");
            while begun < first + 50 {
                let message = watcher.next();
                ended += usize::from(message.contains("monitor_canceled"));
                begun += usize::from(message.contains(r#""result":{}"#));
                assert_ne!(message, "end");
            }
        }
        (watcher, ended)
    });
    let schemas = [wider(), schema("D").to_json().to_string()];
    let mut number = 0;
    while !watching.is_finished() {
        assert_eq!(convert(&mut converter, &schemas[number % 2]), DONE);
        number += 1;
    }
    assert_eq!(convert(&mut converter, &schemas[number % 2]), DONE);
    let (mut watcher, mut ended) = watching.join().expect("it does not panic");
    watcher.request("0", "echo", "[]");
    loop {
        let message = watcher.next();
        ended += usize::from(message.contains("monitor_canceled"));
        if message.contains(r#""result":[]"#) {
            break;
        }
    }
    assert_eq!(ended, MONITORS, "{number} conversions");
}

#[test]
fn only_conversions_that_add_keep_what_clients_know_of_versions() {
    let (fixture, mut client) = prepared();
    client.transact(r#"{"op":"insert","table":"U","row":{"n":5}}"#);
    let id = |fixture: &Fixture| {
        fixture
            .server
            .database("D")
            .expect("it is served")
            .version()
            .id
    };
    let since = |client: &mut Client, id: ovsdb_proto::uuid::Uuid| {
        let params = format!(r#"["D","m",{{"T":{{"columns":["name"]}}}},"{id}"]"#);
        let reply = client.call("monitor_cond_since", &params);
        client.call("monitor_cancel", r#"["m"]"#);
        reply
    };
    let first = id(&fixture);
    client.transact(&ROW.replace(r#""a""#, r#""b""#));
    let missed = r#"{"error":null,"id":0,"result":[true,"U",{"T":{"U":{"insert":{"name":"b"}}}}]}"#;
    assert_eq!(since(&mut client, first), missed);
    assert_eq!(convert(&mut client, &wider()), DONE);
    assert_eq!(since(&mut client, first), missed);
    let second = id(&fixture);
    client.transact(r#"{"op":"delete","table":"T","where":[["a","==",0],["name","==","a"]]}"#);
    assert_eq!(
        since(&mut client, second),
        r#"{"error":null,"id":0,"result":[true,"U",{"T":{"U":{"delete":null}}}]}"#
    );
    let fixture = fixture.restart(&["D"]);
    let mut client = aware(&fixture);
    assert_eq!(
        since(&mut client, second),
        r#"{"error":null,"id":0,"result":[true,"U",{"T":{"U":{"delete":null}}}]}"#
    );

    let third = id(&fixture);
    assert_eq!(convert(&mut client, &narrower()), DONE);
    let all = r#"{"error":null,"id":0,"result":[false,"U",{"T":{"U":{"initial":{"name":"b"}}}}]}"#;
    assert_eq!(since(&mut client, third), all);
    let fourth = id(&fixture);
    let none = r#"{"error":null,"id":0,"result":[true,"U",{}]}"#;
    assert_eq!(since(&mut client, fourth), none);
    let fixture = fixture.restart(&["D"]);
    let mut client = aware(&fixture);
    assert_eq!(since(&mut client, third), all);
    assert_eq!(since(&mut client, fourth), none);
}

#[test]
fn the_built_in_database_tells_of_the_new_schema() {
    let (fixture, mut client) = prepared();
    let mut watcher = aware(&fixture);
    watcher.call(
        "monitor_cond",
        r#"["_Server","s",{"Database":{"columns":["schema"],"where":[["name","==","D"]]}}]"#,
    );
    watcher.call("monitor", r#"["D","m",{"T":{"columns":["n"]}}]"#);
    assert_eq!(convert(&mut client, &wider()), DONE);
    assert_eq!(watcher.next(), ENDED);
    let update = watcher.next();
    let expected = Json::string(parsed(&wider()).to_string()).to_string();
    assert_eq!(
        update,
        format!(
            r#"{{"id":null,"method":"update2","params":["s",{{"Database":{{"U":{{"modify":{{"schema":{expected}}}}}}}}}]}}"#
        )
    );
    // It is there for whoever has the answer to the conversion, too.
    let query = r#"["_Server",{"op":"select","table":"Database","where":[["name","==","D"]],"columns":["schema"]}]"#;
    assert!(client.call("transact", query).contains(&expected));
}

#[test]
fn remotes_of_the_database_go_on_under_the_new_schema() {
    let (fixture, mut client) = prepared();
    let socket = |name: &str| fixture.socket().with_file_name(name);
    let tags = |name: &str| {
        let remote = format!("punix:{}", socket(name).display());
        format!(r#"{{"op":"update","table":"T","where":[],"row":{{"tags":"{remote}"}}}}"#)
    };
    let configuration = fixture.configuration.clone();
    fixture
        .runtime
        .block_on(configuration.add("db:D,T,tags"))
        .expect("the column exists");
    fixture
        .runtime
        .spawn(async move { configuration.run().await });
    let wait_for = |name: &str| {
        while !socket(name).exists() {
            std::thread::yield_now();
        }
    };
    client.transact(&tags("one.sock"));
    wait_for("one.sock");
    // The table and the column get other numbers.
    assert_eq!(convert(&mut client, &wider()), DONE);
    client.transact(&tags("two.sock"));
    wait_for("two.sock");
    assert_eq!(convert(&mut client, &narrower()), DONE);
    client.transact(&tags("three.sock"));
    wait_for("three.sock");
}

#[test]
fn conversions_and_compactions_do_not_get_in_each_others_way() {
    let (fixture, mut client) = prepared();
    let schemas = [wider(), narrower()];
    let database = |fixture: &Fixture| fixture.server.database("D").expect("it is served");
    for round in 0..20 {
        let row = ROW
            .replace(r#""a""#, &format!(r#""r{round}""#))
            .replace(r#""n":1,"#, "");
        client.check(&row, r#"[{"uuid":["uuid","U"]}]"#);
        let compaction = fixture.runtime.spawn({
            let database = database(&fixture);
            async move { database.compact().await }
        });
        assert_eq!(convert(&mut client, &schemas[round % 2]), DONE);
        let compacted = fixture.runtime.block_on(compaction).expect("no panic");
        compacted.expect("a healthy disk");
        assert!(!fixture.path("D").with_extension("db.tmp").exists());
    }
    let fixture = fixture.restart(&["D"]);
    let version = database(&fixture).version();
    let (table, _) = version
        .database
        .schema()
        .table_by_name("T")
        .expect("the table");
    assert_eq!(version.database.table(table).len(), 21);
}

#[test]
fn every_transaction_under_way_is_executed_or_canceled_and_answered() {
    const CLIENTS: usize = 4;
    const TRANSACTIONS: usize = 200;
    let (fixture, mut converter) = prepared();
    let socket = fixture.socket();
    let writers: Vec<_> = (0..CLIENTS)
        .map(|writer| {
            let mut client = Client::connect(&socket);
            assert_eq!(client.call("set_db_change_aware", "[true]"), DONE);
            std::thread::spawn(move || {
                let mut executed = Vec::new();
                // Ten at a time, so that several are under way when the schema changes.
                for batch in 0..TRANSACTIONS / 10 {
                    for at in 0..10 {
                        let n = (writer * TRANSACTIONS + batch * 10 + at) as i64;
                        let insert = format!(r#"{{"op":"insert","table":"U","row":{{"n":{n}}}}}"#);
                        let wait = r#"{"op":"wait","table":"U","where":[["n","==",-1]],"columns":["n"],"until":"==","rows":[],"timeout":0}"#;
                        client.request(&n.to_string(), "transact", &format!(r#"["D",{wait},{insert}]"#));
                    }
                    for _ in 0..10 {
                        let reply = client.next();
                        let json = json::parse(reply.as_bytes()).expect("valid JSON");
                        let id = json.get("id").and_then(Json::as_i64).expect("a reply");
                        match json.get("error") {
                            Some(Json::Null) => {
                                assert!(!reply.contains("details"), "{reply}");
                                executed.push(id);
                            }
                            error => {
                                assert_eq!(error.and_then(Json::as_str), Some("canceled"), "{reply}");
                            }
                        }
                    }
                }
                executed
            })
        })
        .collect();
    let (wider, narrower) = (wider(), narrower());
    while writers.iter().any(|writer| !writer.is_finished()) {
        for schema in [&wider, &narrower] {
            assert_eq!(convert(&mut converter, schema), DONE);
        }
    }
    let writers = writers.into_iter();
    let executed = writers.flat_map(|writer| writer.join().expect("a writer does not panic"));
    let mut executed: Vec<i64> = executed.collect();
    executed.sort_unstable();
    assert!(!executed.is_empty(), "some come between two conversions");
    let rows = executed.iter().map(|n| format!(r#"{{"n":{n}}}"#));
    let rows = rows.collect::<Vec<_>>().join(",");
    let select = r#"{"op":"select","table":"U","where":[],"columns":["n"],"sort":["n"]}"#;
    let fixture = fixture.restart(&["D"]);
    fixture
        .connect()
        .check(select, &format!(r#"[{{"rows":[{rows}]}}]"#));
}
