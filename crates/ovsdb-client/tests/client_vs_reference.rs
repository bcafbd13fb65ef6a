//! The client on servers of both sides: every method of RFC 7047, section 4.1, and the additions of ovsdb-server(7).

use std::fs;
use std::time::Duration;

use bytes::Bytes;
use ovsdb_client::upstream::{ConnectionId, Inbound, Upstream};
use ovsdb_client::{
    Cancellation, Client, Event, LockState, Options, RequestError, Session, Status, Typed, blocking,
};
use ovsdb_net::{Method, Stream};
use ovsdb_proto::json::{self, Json};
use ovsdb_proto::words;
use ovsdb_testkit::daemon::Server;
use ovsdb_testkit::programs::Side;
use ovsdb_testkit::sandbox::Sandbox;
use tokio::time::Instant;

const SCHEMA: &str = r#"{"name":"test","version":"1.0.0","tables":{"T":{"columns":{
    "name":{"type":"string"},"number":{"type":"integer"}},"isRoot":true}}}"#;

const OTHER_SCHEMA: &str = r#"{"name":"test","version":"2.0.0","tables":{"T":{"columns":{
    "name":{"type":"string"}},"isRoot":true}}}"#;

/// No test waits longer than this for anything.
fn soon() -> Option<Instant> {
    Some(Instant::now() + Duration::from_secs(30))
}

fn value(text: &str) -> Json {
    json::parse(text.as_bytes()).expect("the case is JSON")
}

/// Runs a test on a server of each side.
fn check(test: impl AsyncFn(Server, &Sandbox, Side)) {
    for side in Side::BOTH {
        let sandbox = Sandbox::new();
        let schema = sandbox.path("test.ovsschema");
        fs::write(&schema, SCHEMA).expect("the sandbox is writable");
        let server = Server::start(&sandbox, side, &[("test.db", &schema)]);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("tests can make runtimes");
        runtime.block_on(test(server, &sandbox, side));
    }
}

async fn client(server: &Server) -> Client {
    Client::builder(&server.remote())
        .database("test")
        .connect(soon())
        .await
        .expect("the server is up")
}

async fn session(server: &Server) -> (Session, ovsdb_client::Events) {
    let method = Method::parse(&server.remote()).expect("the server has an address");
    let stream = Stream::connect(&method).await.expect("the server is up");
    Session::start(stream, &Options::default())
}

fn insert(name: &str) -> Json {
    value(&format!(
        r#"{{"op":"insert","table":"T","row":{{"name":"{name}"}}}}"#
    ))
}

#[test]
fn methods_without_state_do_what_their_sections_say() {
    check(async |server, _sandbox, _side| {
        let client = client(&server).await;
        let mut databases = client.list_dbs(soon()).await.expect("it answers");
        databases.sort();
        assert_eq!(databases, ["_Server", "test"]);
        let schema = client.get_schema("test", soon()).await.expect("it answers");
        assert_eq!(schema.tables.len(), 1);
        assert!(matches!(
            client.get_schema("none", soon()).await,
            Err(RequestError::Server(_))
        ));
        let id = client.get_server_id(soon()).await.expect("it answers");
        assert_eq!(client.get_server_id(soon()).await.ok(), Some(id));
        let results = client.transact("test", &[insert("a")], soon()).await;
        let results = results.expect("it answers");
        assert_eq!(results.len(), 1);
        assert!(results[0].get("uuid").is_some(), "{results:?}");
        let session = client.session(soon()).await.expect("connected");
        let echo = session.echo(vec![Json::Integer(1)], soon()).await;
        assert_eq!(echo.expect("it answers"), value("[1]"));
        session
            .set_db_change_aware(true, soon())
            .await
            .expect("it answers");
    });
}

#[test]
fn a_transaction_that_waits_can_be_cancelled() {
    check(async |server, _sandbox, side| {
        let (session, _events) = session(&server).await;
        let wait = r#"{"op":"wait","table":"T","where":[],"columns":["name"],"until":"==","rows":[{"name":"x"}]}"#;
        let pending = session
            .begin_transact("test", vec![value(wait), insert("y")])
            .await
            .expect("connected");
        let expected = match side {
            Side::Reference => Cancellation::Unanswered,
            Side::Ours => Cancellation::Canceled,
        };
        assert_eq!(pending.cancel().await.ok(), Some(expected));
        session
            .set_db_change_aware(true, soon())
            .await
            .expect("it answers");
        let pending = session
            .begin_transact("test", vec![value(wait), insert("y")])
            .await
            .expect("connected");
        assert_eq!(pending.cancel().await.ok(), Some(Cancellation::Canceled));
        let pending = session
            .begin_transact("test", vec![insert("z")])
            .await
            .expect("connected");
        // The reply to a later request shows that the transaction is over.
        session.list_dbs(soon()).await.expect("it answers");
        assert!(matches!(pending.cancel().await, Ok(Cancellation::Done(_))));
        let select = value(r#"{"op":"select","table":"T","where":[],"columns":["name"]}"#);
        let found = session.transact("test", vec![select], soon()).await;
        assert_eq!(
            found.expect("it answers"),
            [value(r#"{"rows":[{"name":"z"}]}"#)]
        );
    });
}

#[test]
fn monitors_of_each_kind_tell_of_changes_before_the_reply() {
    check(async |server, _sandbox, _side| {
        let (session, mut events) = session(&server).await;
        let requests = value(r#"{"T":[{"columns":["name"]}]}"#);
        let zero = "00000000-0000-0000-0000-000000000000";
        let id = Json::string;
        session
            .monitor("test", id("1"), requests.clone(), soon())
            .await
            .expect("it answers");
        session
            .monitor_cond("test", id("2"), requests.clone(), soon())
            .await
            .expect("it answers");
        let since = session
            .monitor_cond_since("test", id("3"), requests.clone(), zero, soon())
            .await
            .expect("it answers");
        assert!(!since.found);
        session
            .transact("test", vec![insert("a")], soon())
            .await
            .expect("it answers");
        // The reply is there, so the updates must be.
        let mut told = Vec::new();
        for _ in 0..3 {
            let Ok(Event::Notification(notification)) = events.next().await else {
                panic!("there is a notification");
            };
            told.push(match notification.typed() {
                Typed::Update { monitor, .. }
                | Typed::Update2 { monitor, .. }
                | Typed::Update3 { monitor, .. } => {
                    format!("{} {monitor}", notification.method)
                }
                other => panic!("{other:?}"),
            });
        }
        told.sort();
        assert_eq!(told, ["update \"1\"", "update2 \"2\"", "update3 \"3\""]);
        let none = value(r#"{"T":[{"where":[false]}]}"#);
        session
            .monitor_cond_change(id("2"), id("4"), none, soon())
            .await
            .expect("it answers");
        for monitor in ["1", "4", "3"] {
            session
                .monitor_cancel(id(monitor), soon())
                .await
                .expect("there is such a monitor");
        }
        assert!(matches!(
            session.monitor_cancel(id("1"), soon()).await,
            Err(RequestError::Server(_))
        ));
    });
}

#[test]
fn locks_are_held_waited_for_and_stolen() {
    check(async |server, _sandbox, _side| {
        let (first, _first_events) = session(&server).await;
        let (second, mut second_events) = session(&server).await;
        let lock = |event| match event {
            Ok(Event::Notification(notification)) => format!("{:?}", notification.typed()),
            other => panic!("{other:?}"),
        };
        assert!(first.lock("l", soon()).await.expect("it answers"));
        assert!(!second.lock("l", soon()).await.expect("it answers"));
        first.unlock("l", soon()).await.expect("it answers");
        assert_eq!(lock(second_events.next().await), "Locked(\"l\")");
        assert!(first.steal("l", soon()).await.expect("it answers"));
        assert_eq!(lock(second_events.next().await), "Stolen(\"l\")");
        first.unlock("l", soon()).await.expect("it answers");
        // The one it was stolen from still wants it.
        assert_eq!(lock(second_events.next().await), "Locked(\"l\")");
    });
}

async fn heard(upstream: &mut Upstream) -> Inbound {
    let deadline = soon().expect("there is a deadline");
    let inbound = tokio::time::timeout_at(deadline, upstream.next()).await;
    inbound
        .expect("something comes in time")
        .expect("the client goes on")
}

#[test]
fn a_replica_hears_of_updates_before_the_reply_stays_through_a_conversion_and_comes_back_after_a_restart()
 {
    check(async |server, sandbox, side| {
        let client = client(&server).await;
        let mut upstream = client.attach();
        let Inbound::Up {
            connection, schema, ..
        } = heard(&mut upstream).await
        else {
            panic!("the client is connected");
        };
        // One that has just been started may not have entered its databases into `_Server` yet, and is asked again.
        let first = connection.0;
        assert_eq!(schema.version.as_ref().map(|v| v.as_str()), Some("1.0.0"));
        let requests = upstream.requests().clone();
        let ask = |connection, method, params: String| {
            requests
                .try_request(connection, method, Bytes::from(params))
                .expect("there is room")
        };
        let monitor = requests.monitor_id(0);
        let monitoring = ask(
            connection,
            words::Method::MonitorCond,
            format!(r#"["test",{},{{"T":[{{}}]}}]"#, monitor.to_json()),
        );
        let writing = ask(
            connection,
            words::Method::Transact,
            format!(r#"["test",{}]"#, insert("a")),
        );
        assert!(
            matches!(heard(&mut upstream).await, Inbound::Reply { id, result: Ok(_) } if id == monitoring)
        );
        assert!(
            matches!(heard(&mut upstream).await, Inbound::Notification { method: words::Method::Update2, monitor: told, .. } if told == monitor)
        );
        assert!(
            matches!(heard(&mut upstream).await, Inbound::Reply { id, result: Ok(_) } if id == writing)
        );

        // The client has said that it bears conversions: its connection stays.
        let (other, _events) = session(&server).await;
        other
            .set_db_change_aware(true, soon())
            .await
            .expect("it answers");
        other
            .convert("test", value(OTHER_SCHEMA), soon())
            .await
            .expect("it answers");
        let mut is_canceled = false;
        let mut version = None;
        while !is_canceled || version.is_none() {
            match heard(&mut upstream).await {
                Inbound::Schema(schema) => {
                    assert_eq!(version, None, "it is told once");
                    version = schema.version.as_ref().map(|v| v.as_str().to_owned());
                }
                Inbound::Notification { method, .. } => {
                    is_canceled |= method == words::Method::MonitorCanceled;
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(version.as_deref(), Some("2.0.0"));

        let wait = r#"["test",{"op":"wait","table":"T","where":[],"columns":["name"],"until":"==","rows":[]}]"#;
        let waiting = ask(connection, words::Method::Transact, wait.to_owned());
        let listing = ask(connection, words::Method::ListDbs, "[]".to_owned());
        assert!(matches!(heard(&mut upstream).await, Inbound::Reply { id, .. } if id == listing));
        server.kill();
        let Inbound::Down { in_doubt, .. } = heard(&mut upstream).await else {
            panic!("the server is gone");
        };
        assert_eq!(in_doubt, [waiting]);
        fs::remove_file(sandbox.path("db.sock")).expect("the killed server left its socket");
        let _server = Server::start(sandbox, side, &[("test.db", &sandbox.path("none"))]);
        let Inbound::Up { connection, .. } = heard(&mut upstream).await else {
            panic!("the client is connected once more");
        };
        assert!(connection > ConnectionId(first));
        assert!(matches!(*client.status().borrow(), Status::Ready { .. }));
    });
}

#[test]
fn programs_without_async_wait_for_what_they_call() {
    let soon = Some(Duration::from_secs(30));
    for side in Side::BOTH {
        let sandbox = Sandbox::new();
        let schema = sandbox.path("test.ovsschema");
        fs::write(&schema, SCHEMA).expect("the sandbox is writable");
        let server = Server::start(&sandbox, side, &[("test.db", &schema)]);
        let servers = || Client::builder(&server.remote()).database("test");
        let client = blocking::Client::connect(servers(), soon).expect("the server is up");
        let other = blocking::Client::connect(servers(), soon).expect("the server is up");
        let lock = client.lock("l").expect("nobody wants it");
        assert_eq!(lock.held(soon), Ok(()), "{side:?}");
        let waiting = other.lock("l").expect("nobody wants it");
        let id = client.get_server_id(soon).expect("it answers");
        assert_eq!(other.get_server_id(soon).ok(), Some(id));
        let results = client.transact("test", &[insert("a")], soon);
        assert_eq!(results.expect("it answers").len(), 1);
        assert_ne!(waiting.state(), LockState::Held, "{side:?}");
        drop(lock);
        assert_eq!(waiting.held(soon), Ok(()), "{side:?}");
        // What has no function of its own can be waited for all the same.
        let mut upstream = other.client().attach();
        let heard = other.wait(upstream.next());
        assert!(matches!(heard, Ok(Some(Inbound::Up { .. }))), "{side:?}");
    }
}
