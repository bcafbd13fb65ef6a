//! The server as part of a program: engines, gates, and services, with clients that speak bytes.

mod support;

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;

use ovsdb_net::Stream;
use ovsdb_proto::build::{Transaction, column, delete, insert, update, wait};
use ovsdb_proto::error::{ErrorTag, OvsdbError};
use ovsdb_proto::json::Json;
use ovsdb_proto::schema::Schema;
use ovsdb_server::framework::{
    AddError, Call, Database, Engine, ExecuteError, Gate, LockWish, MonitorRequest, Peer, Proposal,
    RemoteError, RemoteOptions, Reply, Service, Snapshot, StartError,
};
use ovsdb_server::limits;
use ovsdb_testkit::client::RawClient;
use parking_lot::Mutex;
use support::engine::Fixture;
use support::{Client, schema};
use tokio::sync::{Notify, Semaphore, mpsc, watch};

fn shared(name: &str) -> Arc<Schema> {
    Arc::new(schema(name))
}

fn ok(result: &str) -> String {
    format!(r#"{{"error":null,"id":0,"result":{result}}}"#)
}

fn failed(error: &str) -> String {
    format!(r#"{{"error":{error},"id":0}}"#)
}

/// Refuses to have rows deleted, and panics when it is to see a comment.
struct KeepsRows;

impl Gate for KeepsRows {
    fn transact(&self, proposal: &Proposal<'_>) -> Result<(), OvsdbError> {
        let mut names = proposal.operations().iter().map(|it| it.name());
        assert!(names.clone().all(|name| name != "comment"), "no comment");
        if names.any(|name| name == "delete") {
            let rows = proposal.snapshot().rows("T").count();
            let tables = proposal.tables_changed().collect::<Vec<_>>().join(" ");
            let details = format!("{rows} rows of {tables} stay");
            return Err(OvsdbError::new(ErrorTag::PermissionError, details));
        }
        Ok(())
    }
}

#[test]
fn what_a_gate_refuses_never_reaches_the_database() {
    let database = Database::in_memory(schema("D")).behind(KeepsRows);
    let fixture = Fixture::new(Engine::builder().database(database));
    let mut client = fixture.connect();
    let row = r#"{"op":"insert","table":"T","row":{"name":"a"}}"#;
    client.check(row, r#"[{"uuid":["uuid","U"]}]"#);
    client.check(
        r#"{"op":"insert","table":"U","row":{}},{"op":"delete","table":"T","where":[]}"#,
        r#"[{"details":"1 rows of U T stay","error":"permission error"},null]"#,
    );
    // Whether it is read straight from its text or parsed first.
    client.check(
        r#"{"op":"delete","where":[],"table":"\u0054"}"#,
        r#"[{"details":"1 rows of T stay","error":"permission error"}]"#,
    );
    client.check(
        r#"{"op":"comment","comment":""}"#,
        r#"[{"details":"the gate of the database has failed","error":"internal error"}]"#,
    );
    client.check(
        r#"{"op":"select","table":"T","where":[],"columns":["name"]}"#,
        r#"[{"rows":[{"name":"a"}]}]"#,
    );
    let params = format!(r#"["D",{}]"#, schema("D").to_json());
    let reply = client.call("convert", &params);
    assert!(reply.contains(r#""error":"not allowed""#), "{reply}");
    // The program itself passes no gate.
    let transaction = Transaction::new("D").with(delete("T"));
    let done = fixture
        .runtime
        .block_on(fixture.engine.transact(&transaction));
    assert_eq!(done.expect("it may").count(0), Some(1));
    assert!(
        fixture
            .engine
            .snapshot("D")
            .expect("it is served")
            .is_empty()
    );
}

#[test]
fn the_program_changes_and_watches_a_database_with_its_clients() {
    let fixture = Fixture::new(Engine::builder().database(Database::in_memory(schema("D"))));
    let mut client = fixture.connect();
    let engine = &fixture.engine;
    let mut watching = engine.watch("D").expect("it is served");
    let first = fixture.runtime.block_on(watching.changed()).expect("it is");
    assert!(first.is_empty());

    client.check(
        r#"{"op":"insert","table":"T","row":{"name":"a","n":1}},{"op":"insert","table":"T","row":{"name":"b"}}"#,
        r#"[{"uuid":["uuid","U"]},{"uuid":["uuid","U"]}]"#,
    );
    let second = fixture.runtime.block_on(watching.changed()).expect("it is");
    assert_eq!(second.changes_since(&first).count(), 2);
    let transaction = Transaction::new("D")
        .with(update("T").filter(column("name").eq("a")).set("n", 2))
        .with(delete("T").filter(column("name").eq("b")))
        .with(insert("U").set("n", 7));
    let reply = fixture.runtime.block_on(engine.transact(&transaction));
    assert!(reply.expect("it succeeds").inserted(2).is_some());
    let third = fixture.runtime.block_on(watching.changed()).expect("it is");
    let mut changes: Vec<String> = third
        .changes_since(&second)
        .map(|change| {
            let n = |row: ovsdb_server::framework::RowView<'_>| row.get::<i64>("n").unwrap();
            format!(
                "{} {:?} {:?}",
                change.table(),
                change.old.map(n),
                change.new.map(n)
            )
        })
        .collect();
    changes.sort();
    assert_eq!(
        changes,
        ["T Some(0) None", "T Some(1) Some(2)", "U None Some(7)"]
    );

    // Another schema: all that was there has gone, all that is there is new.
    let text = schema("D").to_json().to_string();
    let params = format!(r#"["D",{}]"#, text.replace("1.0.0", "1.0.1"));
    assert_eq!(client.call("convert", &params), ok("{}"));
    let fourth = fixture.runtime.block_on(watching.changed()).expect("it is");
    assert_eq!(fourth.changes_since(&third).count(), 4);

    let waiting = fixture
        .runtime
        .spawn(async move { watching.changed().await });
    assert!(fixture.runtime.block_on(engine.remove_database("D")));
    let last = fixture.runtime.block_on(waiting).expect("no panic");
    assert!(last.is_none(), "it is served no more");
    let error = fixture.runtime.block_on(engine.transact(&transaction));
    assert!(matches!(error, Err(ExecuteError::UnknownDatabase { name }) if name == "D"));
}

#[test]
fn a_transaction_that_nobody_waits_for_any_more_is_not_held_back_for_ever() {
    let fixture = Fixture::new(Engine::builder().database(Database::in_memory(schema("D"))));
    let never = wait("T").columns(["name"]).until_not_equal([]);
    let transaction = Transaction::new("D").with(never);
    let served = fixture.engine.server().database("D").expect("it is served");
    fixture.runtime.block_on(async {
        {
            let mut waits = pin!(fixture.engine.transact(&transaction));
            while served.parked() == 0 {
                tokio::select! {
                    biased;
                    _ = &mut waits => panic!("nothing comes"),
                    () = tokio::task::yield_now() => {}
                }
            }
        }
        while served.parked() > 0 {
            tokio::task::yield_now().await;
        }
    });
}

#[test]
fn a_file_is_made_once_and_served_again_after_the_engine_was_closed() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("D.db");
    for round in 0..2 {
        let database = Database::in_file_or_new(&path, schema("D"));
        let fixture = Fixture::new(Engine::builder().database(database));
        let mut client = fixture.connect();
        let before = fixture.engine.snapshot("D").expect("it is served");
        assert_eq!(before.rows("T").count(), round);
        let row = format!(r#"{{"op":"insert","table":"T","row":{{"name":"{round}"}}}}"#);
        client.check(&row, r#"[{"uuid":["uuid","U"]}]"#);
        fixture.runtime.block_on(fixture.engine.close());
        assert_eq!(client.next(), "end");
        assert_eq!(fixture.engine.clients(), 0);
        assert!(!fixture.socket().exists(), "nobody listens there");
        assert!(fixture.engine.databases().is_empty());
    }
}

#[test]
fn what_cannot_be_served_is_an_error_and_leaves_nothing_behind() {
    let fixture = Fixture::new(Engine::builder().database(Database::in_memory(schema("D"))));
    let (engine, runtime) = (&fixture.engine, &fixture.runtime);
    let taken = format!(
        "punix:{}",
        fixture.folder.path().join("no/such/folder").display()
    );
    let error = runtime.block_on(engine.add_remote(&taken));
    assert!(
        matches!(error, Err(RemoteError::Listen { .. })),
        "{error:?}"
    );
    let error = runtime.block_on(engine.add_remote("ptcp:many"));
    assert!(
        matches!(error, Err(RemoteError::Method { .. })),
        "{error:?}"
    );
    let error = runtime.block_on(engine.add_remote("db:D,No,such"));
    assert!(matches!(error, Err(RemoteError::Target(_))), "{error:?}");
    assert_eq!(runtime.block_on(engine.remotes()).len(), 1);
    let error = runtime.block_on(engine.add_database(Database::in_memory(schema("D"))));
    assert!(
        matches!(error, Err(AddError::Duplicate { .. })),
        "{error:?}"
    );
    let error = runtime.block_on(Engine::builder().remote("pigeon:1").start());
    assert!(matches!(error, Err(StartError::Remote(_))), "{error:?}");

    runtime
        .block_on(engine.add_remote("ptcp:0:127.0.0.1"))
        .expect("a free port");
    let ports = runtime.block_on(engine.ports());
    assert_eq!(ports.len(), 1);
    let (name, port) = ports.into_iter().next().expect("one");
    assert_eq!((name.as_str(), port > 0), ("ptcp:0:127.0.0.1", true));
    assert!(runtime.block_on(engine.remove_remote(&name)));
    assert_eq!(runtime.block_on(engine.ports()), BTreeMap::new());
}

/// Lets those in whose names begin with an "a", and says who was there.
struct Names(mpsc::UnboundedSender<String>);

impl Gate for Names {
    fn transact(&self, proposal: &Proposal<'_>) -> Result<(), OvsdbError> {
        let peer = proposal.peer();
        let (identity, role) = (peer.identity(), peer.role());
        let _ = self.0.send(format!(
            "{identity:?} {role:?} {} {}",
            peer.is_read_only(),
            proposal.is_read_only()
        ));
        match identity {
            Some(name) if name.starts_with('a') => Ok(()),
            _ => Err(OvsdbError::new(ErrorTag::PermissionError, "who is that?")),
        }
    }

    fn convert(&self, peer: &Peer, schema: &Schema) -> Result<(), OvsdbError> {
        assert_eq!(schema.name, "D");
        match peer.identity() {
            Some(_) => Ok(()),
            None => Err(OvsdbError::new(ErrorTag::NotAllowed, "who is that?")),
        }
    }
}

#[test]
fn a_gate_knows_who_asks_and_what_he_may_do() {
    let (sender, mut seen) = mpsc::unbounded_channel();
    let database = Database::in_memory(schema("D")).behind(Names(sender));
    let fixture = Fixture::new(Engine::builder().database(database));
    let connect = |name: Option<&str>, options: RemoteOptions| {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().expect("a pair of sockets");
        let _runtime = fixture.runtime.enter();
        let mut stream = Stream::from_unix(ours).expect("room for a socket");
        if let Some(name) = name {
            stream = stream.with_client_id(name);
        }
        fixture.engine.serve(stream, &options);
        Client {
            raw: RawClient::over(theirs),
        }
    };
    let row = r#"{"op":"insert","table":"U","row":{}}"#;
    let read = r#"{"op":"select","table":"U","where":[],"columns":["n"]}"#;
    let stranger = r#"[{"details":"who is that?","error":"permission error"}]"#;
    let convert = format!(r#"["D",{}]"#, schema("D").to_json());

    let mut anna = connect(Some("anna"), RemoteOptions::default());
    anna.check(row, r#"[{"uuid":["uuid","U"]}]"#);
    anna.check(read, r#"[{"rows":[{"n":0}]}]"#);
    // The schema is another one after that, and the gate the same.
    assert_eq!(anna.call("convert", &convert), ok("{}"));
    let mut anna = connect(Some("anna"), RemoteOptions::default());
    anna.check(read, r#"[{"rows":[{"n":0}]}]"#);
    let mut bert = connect(Some("bert"), RemoteOptions::default());
    bert.check(read, stranger);
    let mut nobody = connect(None, RemoteOptions::default());
    nobody.check(row, stranger);
    let not_allowed = r#"{"details":"who is that?","error":"not allowed"}"#;
    assert_eq!(nobody.call("convert", &convert), failed(not_allowed));
    // What the gate lets through, the engine may refuse.
    let mut reader = connect(
        Some("alma"),
        RemoteOptions {
            read_only: true,
            role: Some(String::from("guest")),
            ..RemoteOptions::default()
        },
    );
    let refused = reader.transact(row);
    assert!(refused.contains("not allowed"), "{refused}");
    fixture.runtime.block_on(fixture.engine.close());
    let mut who = Vec::new();
    while let Ok(one) = seen.try_recv() {
        who.push(one);
    }
    let expected = [
        r#"Some("anna") None false false"#,
        r#"Some("anna") None false true"#,
        r#"Some("anna") None false true"#,
        r#"Some("bert") None false true"#,
        r#"None None false false"#,
        r#"Some("alma") Some("guest") true false"#,
    ];
    assert_eq!(who, expected);
}

#[test]
fn an_engine_connects_to_clients_that_listen() {
    let fixture = Fixture::new(Engine::builder().database(Database::in_memory(schema("D"))));
    let path = fixture.folder.path().join("client.sock");
    let listener = std::os::unix::net::UnixListener::bind(&path).expect("a new socket");
    let remote = format!("unix:{}", path.display());
    let (engine, runtime) = (&fixture.engine, &fixture.runtime);
    runtime
        .block_on(engine.add_remote(&remote))
        .expect("a method");
    let (stream, _) = listener.accept().expect("the engine connects");
    let mut client = Client {
        raw: RawClient::over(stream),
    };
    client.check(
        r#"{"op":"insert","table":"U","row":{}}"#,
        r#"[{"uuid":["uuid","U"]}]"#,
    );
    assert!(runtime.block_on(engine.remove_remote(&remote)));
    assert_eq!(client.next(), "end");
}

/// What happens in a [`Desk`], for the test to wait for.
#[derive(Debug, Eq, PartialEq)]
enum Event {
    Began(String),
    Dropped(String),
    Gone,
}

/// A service whose transactions end when the test says so.
struct Desk {
    schemas: Arc<Mutex<Vec<Arc<Schema>>>>,
    events: mpsc::UnboundedSender<Event>,
    /// A permit for each transaction that may end.
    ends: Arc<Semaphore>,
    contents: Arc<watch::Sender<Snapshot>>,
    begins: Arc<Notify>,
}

struct Test {
    fixture: Fixture,
    schemas: Arc<Mutex<Vec<Arc<Schema>>>>,
    events: mpsc::UnboundedReceiver<Event>,
    ends: Arc<Semaphore>,
    contents: Arc<watch::Sender<Snapshot>>,
    begins: Arc<Notify>,
}

impl Test {
    fn new() -> Test {
        let (sender, events) = mpsc::unbounded_channel();
        let schemas = Arc::new(Mutex::new(vec![shared("S")]));
        let contents = Arc::new(watch::Sender::new(Snapshot::empty(
            schemas.lock()[0].clone(),
        )));
        let desk = Desk {
            schemas,
            events: sender,
            ends: Arc::new(Semaphore::new(0)),
            contents,
            begins: Arc::default(),
        };
        let (schemas, ends) = (desk.schemas.clone(), desk.ends.clone());
        let (contents, begins) = (desk.contents.clone(), desk.begins.clone());
        let builder = Engine::builder().database(Database::in_memory(schema("D")));
        Test {
            fixture: Fixture::new(builder.service(desk)),
            schemas,
            events,
            ends,
            contents,
            begins,
        }
    }

    #[track_caller]
    fn expect(&mut self, event: Event) {
        let next = self.events.blocking_recv().expect("the service is there");
        assert_eq!(next, event);
    }

    #[track_caller]
    fn begins(&mut self, operation: &str) {
        self.expect(Event::Began(operation.to_owned()));
    }

    /// Has the contents be what they were and a row.
    fn add(&self, name: &str) {
        let transaction = Transaction::new("S").with(insert("T").set("name", name));
        self.contents.send_modify(|contents| {
            *contents = contents.with(&transaction).expect("a new name");
        });
    }
}

/// Tells the test when it is dropped, unless the call has ended.
struct Mark(mpsc::UnboundedSender<Event>, Option<String>);

impl Drop for Mark {
    fn drop(&mut self) {
        if let Some(name) = self.1.take() {
            let _ = self.0.send(Event::Dropped(name));
        }
    }
}

impl Service for Desk {
    fn schemas(&self) -> Vec<Arc<Schema>> {
        self.schemas.lock().clone()
    }

    async fn transact(&self, call: &Call, database: &str, operations: &[Json]) -> Reply {
        let name = operations[0].as_str().unwrap_or_default().to_owned();
        assert_ne!(name, "panic", "as the test wishes");
        let mut mark = Mark(self.events.clone(), Some(name.clone()));
        let _ = self.events.send(Event::Began(name.clone()));
        if name == "aside" {
            call.step_aside();
        }
        self.ends
            .acquire()
            .await
            .expect("it is never closed")
            .forget();
        mark.1 = None;
        let said = call
            .peer()
            .notify("said", vec![Json::string(name.clone())])
            .await;
        said.expect("the client is there");
        Ok(Json::array([database, name.as_str()]))
    }

    async fn monitor(&self, call: &Call, request: &MonitorRequest) -> Reply {
        let contents = self.contents.subscribe();
        let told = contents.borrow().clone();
        let watcher = request.watcher(call.peer(), told.schema())?;
        let initial = watcher.initial(&told);
        let events = self.events.clone();
        tokio::spawn(async move {
            watcher.follow(told, contents).await;
            let _ = events.send(Event::Gone);
        });
        // The watcher may tell something before this is answered.
        self.begins.notified().await;
        Ok(initial)
    }

    async fn call(&self, call: &Call, method: &str, params: &[Json]) -> Reply {
        let names = call.engine().databases().join(" ");
        Ok(Json::array([
            method,
            &Json::Array(params.to_vec()).to_string(),
            &names,
        ]))
    }

    fn disconnected(&self, _: &Peer) {
        let _ = self.events.send(Event::Gone);
    }
}

#[test]
fn a_slow_call_holds_up_neither_other_clients_nor_other_transactions() {
    let mut test = Test::new();
    let (mut slow, mut other) = (test.fixture.connect(), test.fixture.connect());
    slow.request("0", "transact", r#"["S","one"]"#);
    test.begins("one");
    slow.request("1", "transact", r#"["S","two"]"#);
    test.begins("two");
    assert_eq!(other.call("list_dbs", "[]"), ok(r#"["D","S","_Server"]"#));
    other.check(
        r#"{"op":"insert","table":"T","row":{}}"#,
        r#"[{"uuid":["uuid","U"]}]"#,
    );
    // The first waits longer, so it ends first; what it says leaves before its reply.
    test.ends.add_permits(1);
    assert_eq!(
        slow.next(),
        r#"{"id":null,"method":"said","params":["one"]}"#
    );
    assert_eq!(slow.next(), ok(r#"["S","one"]"#));
    // This waits for the second, which is under way still; `echo` does so for a moment only.
    slow.request("2", "unheard_of", r#"[7]"#);
    assert_eq!(slow.call("echo", "[]"), ok("[]"));
    test.ends.add_permits(1);
    assert_eq!(
        slow.next(),
        r#"{"id":null,"method":"said","params":["two"]}"#
    );
    assert_eq!(slow.next(), r#"{"error":null,"id":1,"result":["S","two"]}"#);
    let last = r#"{"error":null,"id":2,"result":["unheard_of","[7]","D S _Server"]}"#;
    assert_eq!(slow.next(), last);
    drop(slow);
    test.expect(Event::Gone);
}

#[test]
fn a_client_has_only_so_many_calls_at_a_time() {
    let mut test = Test::new();
    let mut client = test.fixture.connect();
    for number in 0..=limits::SESSION_CALLS_MAX {
        client.request(
            &number.to_string(),
            "transact",
            &format!(r#"["S","{number}"]"#),
        );
    }
    for number in 0..limits::SESSION_CALLS_MAX {
        test.begins(&number.to_string());
    }
    assert!(
        test.events.try_recv().is_err(),
        "that would be one too many"
    );
    test.ends.add_permits(1);
    test.begins(&limits::SESSION_CALLS_MAX.to_string());
    // When the client goes, the calls are dropped where they wait.
    drop(client);
    let mut ends = Vec::new();
    for _ in 0..=limits::SESSION_CALLS_MAX {
        ends.push(test.events.blocking_recv().expect("the service is there"));
    }
    assert!(ends.contains(&Event::Gone), "{ends:?}");
    let dropped = ends.iter().filter(|it| matches!(it, Event::Dropped(_)));
    assert_eq!(dropped.count(), limits::SESSION_CALLS_MAX);
}

#[test]
fn a_call_that_steps_aside_is_waited_for_by_nobody_and_can_be_canceled_like_others() {
    let mut test = Test::new();
    let mut client = test.fixture.connect();
    client.request("1", "transact", r#"["S","aside"]"#);
    test.begins("aside");
    assert_eq!(
        client.call("get_schema", r#"["Z"]"#),
        failed(
            r#"{"details":"get_schema request specifies unknown database Z","error":"unknown database","syntax":"[\"Z\"]"}"#
        )
    );
    // Its id is taken all the same.
    client.request("1", "transact", r#"["S","again"]"#);
    let reply = client.next();
    assert!(reply.contains("duplicate request ID"), "{reply}");
    client.request("2", "transact", r#"["S","here"]"#);
    test.begins("here");
    for (id, name) in [("1", "aside"), ("2", "here")] {
        client.notify("cancel", &format!("[{id}]"));
        assert_eq!(
            client.next(),
            format!(r#"{{"error":"canceled","id":{id}}}"#)
        );
        test.expect(Event::Dropped(name.to_owned()));
    }
    assert_eq!(client.call("echo", "[1]"), ok("[1]"));
}

#[test]
fn a_call_that_panics_is_answered_and_harms_nobody_else() {
    let mut test = Test::new();
    let mut client = test.fixture.connect();
    client.request("1", "transact", r#"["S","one"]"#);
    test.begins("one");
    let error = r#"{"details":"the service has failed","error":"internal error"}"#;
    assert_eq!(client.call("transact", r#"["S","panic"]"#), failed(error));
    test.ends.add_permits(1);
    assert_eq!(
        client.next(),
        r#"{"id":null,"method":"said","params":["one"]}"#
    );
    assert_eq!(
        client.next(),
        r#"{"error":null,"id":1,"result":["S","one"]}"#
    );
}

#[test]
fn a_monitor_of_a_service_is_told_nothing_before_its_reply_and_nothing_after_its_end() {
    let mut test = Test::new();
    let mut client = test.fixture.connect();
    test.add("a");
    let request = r#"["S","m",{"T":{"columns":["name"]}}]"#;
    client.request("1", "monitor", request);
    // Whenever that is told, the reply comes first.
    test.add("b");
    test.begins.notify_one();
    let row = |name: &str| format!(r#"{{"T":{{"U":{{"new":{{"name":"{name}"}}}}}}}}"#);
    let contents = client.next();
    let update = |name: &str| {
        format!(
            r#"{{"id":null,"method":"update","params":["m",{}]}}"#,
            row(name)
        )
    };
    if !contents.contains(r#""name":"b""#) {
        assert_eq!(
            contents,
            format!(r#"{{"error":null,"id":1,"result":{}}}"#, row("a"))
        );
        assert_eq!(client.next(), update("b"));
    }
    test.add("c");
    assert_eq!(client.next(), update("c"));
    let duplicate = r#"{"details":"duplicate monitor ID","error":"syntax error","syntax":"\"m\""}"#;
    assert_eq!(client.call("monitor", request), failed(duplicate));
    assert_eq!(client.call("monitor", r#"["D","m",{}]"#), failed(duplicate));
    assert_eq!(
        client.call("monitor_cond_change", r#"["m","m",{}]"#),
        ok("{}")
    );
    assert_eq!(client.call("monitor_cancel", r#"["m"]"#), ok("{}"));
    test.expect(Event::Gone);
    test.add("d");
    assert_eq!(
        client.call("monitor_cancel", r#"["m"]"#),
        failed(r#""unknown monitor""#)
    );
    // A request that fails begins none.
    let reply = client.call("monitor", r#"["S","n",{"No":{}}]"#);
    assert!(
        reply.contains("unknown table") || reply.contains("no table"),
        "{reply}"
    );
    test.begins.notify_one();
    assert_eq!(
        client.call("monitor_cancel", r#"["n"]"#),
        failed(r#""unknown monitor""#)
    );
}

#[test]
fn server_tells_of_databases_of_a_service_as_they_come_change_and_go() {
    let mut test = Test::new();
    let (mut aware, mut other) = (test.fixture.connect(), test.fixture.connect());
    assert_eq!(aware.call("set_db_change_aware", "[true]"), ok("{}"));
    let monitor = r#"["_Server","s",{"Database":{"columns":["name"]}}]"#;
    let reply = aware.call("monitor", monitor);
    for name in ["D", "S", "_Server"] {
        assert!(reply.contains(&format!(r#""name":"{name}""#)), "{reply}");
    }
    test.begins.notify_one();
    let reply = aware.call("monitor", r#"["S","m",{"T":{"columns":["name"]}}]"#);
    assert_eq!(reply, ok("{}"));
    assert_eq!(other.call("echo", "[]"), ok("[]"));

    let (engine, runtime) = (&test.fixture.engine, &test.fixture.runtime);
    test.schemas.lock().push(shared("_S"));
    let error = runtime.block_on(engine.refresh_service());
    assert!(matches!(error, Err(AddError::Reserved { .. })), "{error:?}");
    *test.schemas.lock() = vec![shared("D")];
    let error = runtime.block_on(engine.refresh_service());
    assert!(
        matches!(error, Err(AddError::Duplicate { .. })),
        "{error:?}"
    );
    let error = runtime.block_on(engine.add_database(Database::in_memory(schema("S"))));
    assert!(
        matches!(error, Err(AddError::Duplicate { .. })),
        "{error:?}"
    );

    *test.schemas.lock() = vec![shared("New")];
    runtime
        .block_on(engine.refresh_service())
        .expect("the name is free");
    assert_eq!(other.next(), "end");
    assert_eq!(
        aware.next(),
        r#"{"id":null,"method":"monitor_canceled","params":["m"]}"#
    );
    let (first, second) = (aware.next(), aware.next());
    assert!(first.contains(r#""new":{"name":"New"}"#), "{first}");
    assert!(second.contains(r#""old":{"name":"S"}"#), "{second}");
    assert_eq!(aware.call("list_dbs", "[]"), ok(r#"["D","New","_Server"]"#));
    let reply = aware.call("transact", r#"["S","one"]"#);
    assert!(reply.contains("unknown database"), "{reply}");
    test.expect(Event::Gone);
}

#[test]
fn closing_an_engine_ends_calls_and_monitors_of_its_service() {
    let mut test = Test::new();
    let mut client = test.fixture.connect();
    test.begins.notify_one();
    assert_eq!(client.call("monitor", r#"["S","m",{"T":{}}]"#), ok("{}"));
    client.request("1", "transact", r#"["S","one"]"#);
    test.begins("one");
    test.fixture.runtime.block_on(test.fixture.engine.close());
    assert_eq!(client.next(), "end");
    let mut ends = Vec::new();
    for _ in 0..3 {
        ends.push(test.events.blocking_recv().expect("the service is there"));
    }
    // The client has gone, and so has its monitor.
    let gone = ends.iter().filter(|it| **it == Event::Gone).count();
    assert_eq!(
        (gone, ends.contains(&Event::Dropped(String::from("one")))),
        (2, true)
    );
}

#[test]
fn clients_that_may_only_read_hold_no_locks_of_a_service() {
    let options = RemoteOptions {
        read_only: true,
        ..RemoteOptions::default()
    };
    let fixture = Fixture::with_options(Engine::builder().service(Quiet), options);
    let mut client = fixture.connect();
    let error = r#""lock and unlock methods not allowed, DB server is read only.""#;
    for method in ["lock", "steal", "unlock"] {
        assert_eq!(client.call(method, r#"["x"]"#), failed(error));
    }
}

/// Says nothing but which databases it has, and about locks.
struct Quiet;

impl Service for Quiet {
    fn schemas(&self) -> Vec<Arc<Schema>> {
        vec![shared("S")]
    }

    fn has_locks(&self) -> bool {
        true
    }

    async fn lock(&self, call: &Call, name: &str, wish: LockWish) -> Reply {
        let told = call.peer().notify("locked", vec![Json::string(name)]).await;
        told.expect("the client is there");
        Ok(Json::string(format!("{wish:?} {name}")))
    }
}

#[test]
fn what_a_service_does_not_say_is_answered_as_by_a_server_that_does_not_know_it() {
    let builder = Engine::builder().database(Database::in_memory(schema("D")));
    let fixture = Fixture::new(builder.service(Quiet));
    let mut client = fixture.connect();
    let unknown = failed(r#""unknown method""#);
    let not_supported = |method: &str| {
        let details = format!("{method} is not supported by S");
        failed(&format!(
            r#"{{"details":"{details}","error":"not supported"}}"#
        ))
    };
    for (method, params, expected) in [
        ("transact", r#"["S"]"#, not_supported("transact")),
        ("monitor", r#"["S",1,{}]"#, not_supported("monitor")),
        ("monitor_cond", r#"["S",1,{}]"#, unknown.clone()),
        ("monitor_cond_since", r#"["S",1,{},""]"#, unknown.clone()),
        ("convert", r#"["S",{}]"#, unknown.clone()),
        ("fly", "[]", unknown.clone()),
        ("update", "[]", unknown.clone()),
        (
            "get_schema",
            r#"["S"]"#,
            ok(&schema("S").to_json().to_string()),
        ),
        ("transact", r#"["D"]"#, ok("[]")),
    ] {
        assert_eq!(client.call(method, params), expected, "{method}");
    }
    for (method, wish) in [("lock", "Lock"), ("steal", "Steal"), ("unlock", "Unlock")] {
        client.request("0", method, r#"["x"]"#);
        assert_eq!(
            client.next(),
            r#"{"id":null,"method":"locked","params":["x"]}"#
        );
        assert_eq!(client.next(), ok(&format!(r#""{wish} x""#)));
    }
    let reply = client.call("monitor", r#"["S",1,7]"#);
    assert!(reply.contains("monitor-requests must be object"), "{reply}");
}

/// What a [`Teller`] finds out.
#[derive(Debug, Eq, PartialEq)]
enum Telling {
    /// It has to wait.
    Waits,
    /// It has had more taken from it than there is room for.
    TooMuch,
    /// The client has gone.
    Gone,
}

/// Tells whoever calls it something without end.
struct Teller(mpsc::UnboundedSender<Telling>);

impl Service for Teller {
    async fn call(&self, call: &Call, _: &str, _: &[Json]) -> Reply {
        let (peer, found) = (call.peer().clone(), self.0.clone());
        tokio::spawn(async move {
            let text = Json::string("x".repeat(64 << 10));
            // What the system and the peer's socket hold comes on top of ours.
            let room = limits::OUTBOX_BYTES_MAX + limits::SESSION_NOTICES_BYTES_MAX + (32 << 20);
            for _ in 0..room / (64 << 10) {
                let mut told = pin!(peer.notify("news", vec![text.clone()]));
                let told = tokio::select! {
                    biased;
                    told = &mut told => told,
                    () = std::future::ready(()) => {
                        let _ = found.send(Telling::Waits);
                        told.await
                    }
                };
                if told.is_err() {
                    let _ = found.send(Telling::Gone);
                    return;
                }
            }
            let _ = found.send(Telling::TooMuch);
        });
        Ok(Json::Null)
    }
}

#[test]
fn a_service_waits_for_a_client_that_takes_nothing_and_hears_of_its_end() {
    let (sender, mut found) = mpsc::unbounded_channel();
    let fixture = Fixture::new(Engine::builder().service(Teller(sender)));
    let mut client = fixture.connect();
    client.request("0", "tell_me", "[]");
    assert_eq!(found.blocking_recv(), Some(Telling::Waits));
    drop(client);
    let mut last = found.blocking_recv();
    while last == Some(Telling::Waits) {
        last = found.blocking_recv();
    }
    assert_eq!(last, Some(Telling::Gone));
}
