//! Replicas of databases that servers of both sides have.

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ovsdb_client::replica::{
    Change, ChangeKind, ConditionError, Interest, Limits, Replica, SubmitError, Verdict, Version,
};
use ovsdb_client::upstream::ConnectionId;
use ovsdb_client::{Client, Status};
use ovsdb_proto::build::{Rows, column as clause};
use ovsdb_proto::json::{self, Json};
use ovsdb_proto::schema::Selection;
use ovsdb_testkit::daemon::Server;
use ovsdb_testkit::programs::{Side, reference, reference_schema};
use ovsdb_testkit::sandbox::Sandbox;
use tokio::time::Instant;

const SCHEMA: &str = r#"{"name":"test","version":"1.0.0","tables":{
    "T":{"isRoot":true,"columns":{"name":{"type":"string"},
        "numbers":{"type":{"key":"integer","min":0,"max":"unlimited"}},
        "words":{"type":{"key":"string","value":"string","min":0,"max":"unlimited"}}}}}}"#;

const OTHER_SCHEMA: &str = r#"{"name":"test","version":"2.0.0","tables":{
    "T":{"isRoot":true,"columns":{"name":{"type":"string"},"more":{"type":"integer"}}}}}"#;

/// No test waits longer than this for anything.
fn soon() -> Option<Instant> {
    Some(Instant::now() + Duration::from_secs(30))
}

/// Runs a test on a server of each side.
fn check(schema: &str, test: impl AsyncFn(Server, &Sandbox, Side)) {
    for side in Side::BOTH {
        let sandbox = Sandbox::new();
        let file = sandbox.path("test.ovsschema");
        fs::write(&file, schema).expect("the sandbox is writable");
        let server = Server::start(&sandbox, side, &[("test.db", &file)]);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("tests can make runtimes");
        runtime.block_on(test(server, &sandbox, side));
    }
}

async fn client(server: &Server, database: &str) -> Client {
    Client::builder(&server.remote())
        .database(database)
        .backoff(Duration::from_secs(1), Duration::from_secs(1))
        .connect(soon())
        .await
        .expect("the server is up")
}

fn replica(client: &Client, database: &str, selection: Selection) -> Replica {
    Replica::start(client.attach(), database, selection, Limits::default())
}

/// The values of a column in order, as JSON.
fn column(version: &Version, table: &str, column: &str) -> Vec<String> {
    let table = version.schema().table_by_name(table);
    let (id, table) = table.expect("the table was chosen");
    let column = table.column_id(column).expect("the column was chosen");
    let ty = &table.column(column).ty;
    let values = version.rows(id).values();
    let values = values.map(|row| row.get(column).to_json(ty).to_string());
    let mut values: Vec<String> = values.collect();
    values.sort();
    values
}

async fn wait_for(replica: &Replica, table: &str, name: &str, expected: &[&str]) -> Arc<Version> {
    let is_so = |version: &Arc<Version>| {
        let (_, schema) = version.schema().table_by_name(table)?;
        schema.column_id(name)?;
        (column(version, table, name) == expected).then(|| Arc::clone(version))
    };
    match replica.wait_for(soon(), is_so).await {
        Ok(version) => version,
        Err(error) => panic!("{error}: {expected:?} in {:?}", replica.snapshot()),
    }
}

/// The connection that a client has now.
fn connection(client: &Client) -> Option<ConnectionId> {
    match *client.status().borrow() {
        Status::Ready { connection, .. } => Some(connection),
        _ => None,
    }
}

/// Waits until the client has another connection than `last`.
async fn connected_again(client: &Client, last: Option<ConnectionId>) {
    let mut status = client.status();
    let is_other = |status: &Status| matches!(status, Status::Ready { connection, .. } if Some(*connection) != last);
    let deadline = soon().expect("there is a deadline");
    let ready = tokio::time::timeout_at(deadline, status.wait_for(is_other)).await;
    let ready = ready.expect("it connects in time");
    ready.expect("the client goes on");
}

/// Carries operations out when there is a connection.
async fn transact(replica: &Replica, operations: &str) -> String {
    let params = Bytes::from(format!(r#"["test",{operations}]"#));
    loop {
        replica.live(soon()).await.expect("there is a server");
        match replica.submit(params.clone()).await {
            Ok(submitted) => return String::from_utf8_lossy(&submitted.result).into_owned(),
            Err(SubmitError::NotSent) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

fn insert(name: &str) -> String {
    format!(r#"{{"op":"insert","table":"T","row":{{"name":"{name}"}}}}"#)
}

#[test]
fn bridges_are_listed_by_a_replica_of_chosen_columns() {
    let schema = fs::read_to_string(reference_schema("vswitch"));
    let schema = schema.expect("the reference's packages install it");
    check(&schema, async |server, sandbox, _side| {
        let database = format!("--db={}", server.remote());
        let vsctl = |arguments: &[&str]| {
            let all = [&["--no-wait", &database], arguments].concat();
            sandbox.run_ok(reference("ovs-vsctl"), &all);
        };
        vsctl(&["add-br", "br0", "--", "add-port", "br0", "p0"]);
        let client = client(&server, "Open_vSwitch").await;
        let chosen = Selection::new()
            .columns("Bridge", ["name", "ports"])
            .columns("Port", ["name"]);
        let replica = replica(&client, "Open_vSwitch", chosen);
        let mut watcher = replica.watch_all(Interest::all().table("Port"));
        let version = replica.live(soon()).await.expect("there is a server");
        assert_eq!(column(&version, "Bridge", "name"), [r#""br0""#]);
        assert_eq!(column(&version, "Port", "name"), [r#""br0""#, r#""p0""#]);
        assert_eq!(version.schema().tables.len(), 2);
        watcher.next().await.expect("there are ports");
        vsctl(&["add-br", "br1", "--", "del-port", "p0"]);
        wait_for(&replica, "Bridge", "name", &[r#""br0""#, r#""br1""#]).await;
        let changes = watcher.next().await.expect("ports have changed");
        let changes = changes.iter(watcher.interest());
        let kinds: Vec<_> = changes.map(|change| change.kind()).collect();
        assert_eq!(kinds.len(), 2);
        for kind in [ChangeKind::Insert, ChangeKind::Delete] {
            assert!(kinds.contains(&kind), "{kinds:?}");
        }
    });
}

#[test]
fn a_watcher_that_follows_references_hears_of_bridges_whose_interfaces_change() {
    let schema = fs::read_to_string(reference_schema("vswitch"));
    let schema = schema.expect("the reference's packages install it");
    check(&schema, async |server, sandbox, _side| {
        let database = format!("--db={}", server.remote());
        let vsctl = |arguments: &[&str]| {
            let all = [&["--no-wait", &database], arguments].concat();
            sandbox.run_ok(reference("ovs-vsctl"), &all);
        };
        vsctl(&[
            "add-br", "br0", "--", "add-port", "br0", "p0", "--", "add-br", "br1",
        ]);
        let client = client(&server, "Open_vSwitch").await;
        let chosen = Selection::new()
            .columns("Bridge", ["name", "ports"])
            .columns("Port", ["name", "interfaces"])
            .columns("Interface", ["name", "mtu_request"]);
        let replica = replica(&client, "Open_vSwitch", chosen);
        replica.live(soon()).await.expect("there is a server");
        let interest = Interest::all()
            .following("Bridge", ["ports"])
            .following("Port", ["interfaces"]);
        let mut watcher = replica.watch(interest);
        vsctl(&["set", "Interface", "p0", "mtu_request=1400"]);
        let changes = watcher.next().await.expect("an interface has changed");
        let told = changes.iter(watcher.interest()).map(|change| {
            assert!(change.is_by_reference());
            let row = changes.new_view(&change).expect("it is there");
            let name: String = row.get("name").expect("it was chosen");
            (change.table().to_owned(), name)
        });
        let told: Vec<_> = told.collect();
        let expected = [("Bridge", "br0"), ("Port", "p0")];
        assert_eq!(
            told,
            expected.map(|(table, name)| (table.to_owned(), name.to_owned()))
        );
        let bridge = changes.iter(watcher.interest()).next();
        let bridge = bridge.and_then(|change| changes.new_view(&change));
        let ports = bridge.into_iter().flat_map(|bridge| bridge.follow("ports"));
        let interfaces = ports.flat_map(|port| port.follow("interfaces"));
        let mtus = interfaces.map(|interface| interface.get::<Option<i64>>("mtu_request"));
        let mut mtus: Vec<_> = mtus.map(|mtu| mtu.expect("it was chosen")).collect();
        mtus.sort_unstable();
        assert_eq!(mtus, [None, Some(1400)]);
    });
}

#[test]
fn contents_follow_the_server_through_changes_cuts_restarts_and_conversions() {
    check(SCHEMA, async |server, sandbox, side| {
        let client = client(&server, "test").await;
        let replica = replica(&client, "test", Selection::all());
        let version = replica.live(soon()).await.expect("there is a server");
        assert_eq!(version.n_rows(), 0);

        // Who has the result sees what it changed.
        transact(&replica, &format!("{},{}", insert("a"), insert("b"))).await;
        let see = || replica.snapshot().expect("there are contents");
        assert_eq!(column(&see(), "T", "name"), [r#""a""#, r#""b""#]);
        let change = r#"{"op":"update","table":"T","where":[["name","==","a"]],
            "row":{"numbers":["set",[1,2,3]],"words":["map",[["k","v"],["l","w"]]]}},
            {"op":"delete","table":"T","where":[["name","==","b"]]}"#;
        transact(&replica, change).await;
        assert_eq!(column(&see(), "T", "numbers"), [r#"["set",[1,2,3]]"#]);
        let change = r#"{"op":"mutate","table":"T","where":[],"mutations":[["numbers","delete",2],
            ["numbers","insert",["set",[4,5]]],["words","delete",["set",["k"]]],
            ["words","insert",["map",[["m","x"]]]]]},
            {"op":"update","table":"T","where":[],"row":{"name":"c"}}"#;
        transact(&replica, change).await;
        assert_eq!(column(&see(), "T", "name"), [r#""c""#]);
        assert_eq!(column(&see(), "T", "numbers"), [r#"["set",[1,3,4,5]]"#]);
        let words = r#"["map",[["l","w"],["m","x"]]]"#;
        assert_eq!(column(&see(), "T", "words"), [words]);
        let refused = transact(&replica, r#"{"op":"select","table":"U","where":[]}"#).await;
        assert!(refused.contains("No table named U"), "{refused}");

        // The connection is cut, and the replica comes back.
        let before = see();
        let mut watcher = replica.watch(Interest::all());
        let last = connection(&client);
        let target = ["-t".into(), server.control().into()];
        let command: [OsString; 1] = ["ovsdb-server/reconnect".into()];
        sandbox.run_ok(reference("ovs-appctl"), &[&target[..], &command].concat());
        connected_again(&client, last).await;
        transact(&replica, &insert("d")).await;
        wait_for(&replica, "T", "name", &[r#""c""#, r#""d""#]).await;
        let changes = watcher.next().await.expect("a row came");
        let kinds: Vec<_> = changes
            .iter(watcher.interest())
            .map(|change: Change<'_>| change.kind())
            .collect();
        // What came again is not told again.
        assert_eq!(kinds, [ChangeKind::Insert]);
        assert_eq!(column(&before, "T", "name"), [r#""c""#]);

        // The server is killed, and started again.
        let last = connection(&client);
        let socket = server.socket().to_owned();
        server.kill();
        fs::remove_file(&socket).expect("the killed server left its socket");
        let server = Server::start(sandbox, side, &[("test.db", Path::new("/nonexistent"))]);
        connected_again(&client, last).await;
        transact(&replica, &insert("e")).await;
        let names = [r#""c""#, r#""d""#, r#""e""#];
        wait_for(&replica, "T", "name", &names).await;

        // The database gets another schema.
        let schema = json::parse(OTHER_SCHEMA.as_bytes()).expect("it is JSON");
        convert(&server, &schema).await;
        wait_for(&replica, "T", "more", &["0", "0", "0"]).await;
        let version = wait_for(&replica, "T", "name", &names).await;
        let (_, table) = version.schema().table_by_name("T").expect("it is there");
        assert!(table.column_id("numbers").is_none());
        transact(&replica, &insert("f")).await;
        assert_eq!(see().n_rows(), 4);
    });
}

#[test]
fn conditions_take_effect_before_they_are_confirmed() {
    check(SCHEMA, async |server, _sandbox, _side| {
        let client = client(&server, "test").await;
        let replica = replica(&client, "test", Selection::all());
        let all: Vec<String> = (0..100).map(|n| insert(&format!("n{n}"))).collect();
        transact(&replica, &all.join(",")).await;
        let names = || {
            let version = replica.snapshot().expect("there are contents");
            column(&version, "T", "name")
        };
        assert_eq!(names().len(), 100);
        let only = |name: &str| [("T", Rows::any([clause("name").eq(name)]))];
        replica.set_conditions(only("n7")).await.expect("it is so");
        assert_eq!(names(), [r#""n7""#]);
        let (first, second) = tokio::join!(
            replica.set_conditions(only("n8")),
            replica.set_conditions([("T", Rows::any([clause("numbers").includes(5)]))])
        );
        first.expect("it was so");
        second.expect("it is so");
        assert_eq!(names().len(), 0);
        let number =
            r#"{"op":"update","table":"T","where":[["name","==","n9"]],"row":{"numbers":5}}"#;
        transact(&replica, number).await;
        assert_eq!(names(), [r#""n9""#]);
        let refused = replica.set_conditions([("T", Rows::any([clause("none").eq(1)]))]);
        let refused = refused.await;
        assert!(
            matches!(refused, Err(ConditionError::Refused(_))),
            "{refused:?}"
        );
        // A new connection is asked for the same rows.
        let last = connection(&client);
        let session = client.session(soon()).await.expect("it is connected");
        session.close();
        connected_again(&client, last).await;
        transact(&replica, &insert("other")).await;
        assert_eq!(names(), [r#""n9""#]);
        replica
            .set_conditions([("T", Rows::All)])
            .await
            .expect("it is so");
        assert_eq!(names().len(), 101);
        replica
            .set_conditions([("T", Rows::None)])
            .await
            .expect("it is so");
        assert_eq!(names().len(), 0);
    });
}

#[test]
fn a_replica_is_found_equal_while_others_write() {
    check(SCHEMA, async |server, _sandbox, _side| {
        let client = client(&server, "test").await;
        let replica = replica(&client, "test", Selection::all());
        let rows: Vec<String> = (0..500).map(|n| insert(&format!("n{n}"))).collect();
        transact(&replica, &rows.join(",")).await;
        let is_equal = || async {
            match replica.check(soon()).await.expect("the server answers") {
                Verdict::Equal(version) => version.digest(),
                other => panic!("{other:?}"),
            }
        };
        let write = async {
            let session = client.session(soon()).await.expect("it is connected");
            for n in 0..300 {
                let change = format!(
                    r#"{{"op":"mutate","table":"T","where":[["name","==","n{}"]],
                        "mutations":[["numbers","insert",{n}]]}}"#,
                    n % 20
                );
                let change = json::parse(change.as_bytes()).expect("it is JSON");
                let result = session.transact("test", vec![change], soon()).await;
                result.expect("it answers");
            }
        };
        let checks = async {
            for _ in 0..5 {
                is_equal().await;
            }
        };
        tokio::join!(write, checks);
        let some = Rows::any([clause("name").eq("n3"), clause("numbers").includes(5)]);
        let set = replica.set_conditions([("T", some)]).await;
        set.expect("it is so");
        let digest = is_equal().await;
        let version = replica.snapshot().expect("there are contents");
        assert_eq!(column(&version, "T", "name"), [r#""n3""#, r#""n5""#]);
        assert_eq!(digest, version.digest());
    });
}

/// Converts the database by a connection that outlasts that.
async fn convert(server: &Server, schema: &Json) {
    let other = Client::builder(&server.remote()).connect(soon()).await;
    let other = other.expect("the server is up");
    let session = other.session(soon()).await.expect("it is connected");
    let aware = session.set_db_change_aware(true, soon()).await;
    aware.expect("it answers");
    let converted = session.convert("test", schema.clone(), soon()).await;
    converted.expect("the server converts the database");
}
