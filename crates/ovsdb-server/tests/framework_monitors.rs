//! Monitors and the program: gates that refuse them, services whose monitors change their conditions and go on where they were,
//! and what becomes of those that are under way when their database goes.

mod support;

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Waker};

use ovsdb_proto::build::{Transaction, column, delete, insert};
use ovsdb_proto::error::{ErrorTag, OvsdbError};
use ovsdb_proto::json::{self, Json};
use ovsdb_proto::schema::Schema;
use ovsdb_proto::uuid::Uuid;
use ovsdb_server::framework::{
    Call, Database, Engine, Gate, History, MonitorProposal, MonitorRequest, Peer, Proposal, Reply,
    Service, Snapshot,
};
use parking_lot::Mutex;
use support::engine::Fixture;
use support::{Client, schema, without_uuids};
use tokio::sync::{Notify, watch};

fn failed(error: &str) -> String {
    format!(r#"{{"error":{error},"id":0}}"#)
}

const DONE: &str = r#"{"error":null,"id":0,"result":{}}"#;

/// Keeps notes from those who may not read them: from everybody.
struct NotesArePrivate;

impl Gate for NotesArePrivate {
    fn transact(&self, _: &Proposal<'_>) -> Result<(), OvsdbError> {
        Ok(())
    }

    fn monitor(&self, proposal: &MonitorProposal<'_>) -> Result<(), OvsdbError> {
        for table in proposal.tables() {
            assert_ne!(table.name(), "U", "as the test wishes");
            if table.columns_read().any(|column| column == "note") {
                let told = table.columns().collect::<Vec<_>>().join(" ");
                let n = table.condition().clauses().len();
                let when = if proposal.is_change() { "now" } else { "first" };
                let details = format!("{when}: {} of {told} by {n} clauses", table.name());
                return Err(OvsdbError::new(ErrorTag::PermissionError, details));
            }
        }
        Ok(())
    }
}

#[test]
fn a_gate_refuses_monitors_by_what_they_tell_and_by_what_they_look_at() {
    let database = Database::in_memory(schema("D")).behind(NotesArePrivate);
    let fixture = Fixture::new(Engine::builder().database(database));
    let mut client = fixture.connect();
    client.check(
        r#"{"op":"insert","table":"T","row":{"name":"a","note":"x"}}"#,
        r#"[{"uuid":["uuid","U"]}]"#,
    );
    let refused = |details: &str| {
        let error = format!(r#"{{"details":"{details}","error":"permission error"}}"#);
        failed(&error)
    };
    let monitor = |method: &str, id: &str, request: &str| {
        let mut client = fixture.connect();
        client.call(method, &format!(r#"["D",{id},{{"T":{request}}}]"#))
    };
    let notes = r#"[{"columns":["note","name"]}]"#;
    for method in ["monitor", "monitor_cond"] {
        let reply = monitor(method, "1", notes);
        assert_eq!(reply, refused("first: T of name note by 0 clauses"));
        // All columns are these, too.
        let reply = monitor(method, "1", "[{}]");
        assert_eq!(
            reply,
            refused("first: T of _version n name note tags by 0 clauses")
        );
    }
    let found = r#"[{"columns":["name"],"where":[["note","==","x"],["n","==",1]]}]"#;
    let reply = monitor("monitor_cond", "1", found);
    assert_eq!(reply, refused("first: T of name by 2 clauses"));
    let panics = client.call("monitor", r#"["D",1,{"U":{}}]"#);
    assert!(
        panics.contains("the gate of the database has failed"),
        "{panics}"
    );

    let names = r#"["D","m",{"T":[{"columns":["name"],"where":[["n","==",7]]}]}]"#;
    assert_eq!(client.call("monitor_cond", names), DONE);
    let change = |condition: &str| format!(r#"["m","n",{{"T":[{{"where":[{condition}]}}]}}]"#);
    let reply = client.call("monitor_cond_change", &change(r#"["note","==","x"]"#));
    assert_eq!(reply, refused("now: T of name by 1 clauses"));
    // It goes on as it was, under the id that it has.
    client.request(
        "1",
        "monitor_cond_change",
        &change(r#"["n","==",0]"#).replace("\"n\",{", "\"m\",{"),
    );
    assert_eq!(
        client.next(),
        r#"{"id":null,"method":"update2","params":["m",{"T":{"U":{"insert":{"name":"a"}}}}]}"#
    );
    assert_eq!(client.next(), r#"{"error":null,"id":1,"result":{}}"#);
}

/// A service that answers for a database `S` and remembers what it was.
struct Memory {
    schemas: Arc<Mutex<Vec<Arc<Schema>>>>,
    contents: Arc<watch::Sender<Snapshot>>,
    history: Arc<Mutex<History>>,
    /// Without it monitors begin at once.
    begins: Option<Arc<Notify>>,
}

impl Memory {
    fn new(begins: Option<Arc<Notify>>) -> Memory {
        let schema = Arc::new(schema("S"));
        let contents = Snapshot::empty(schema.clone());
        Memory {
            schemas: Arc::new(Mutex::new(vec![schema])),
            contents: Arc::new(watch::Sender::new(contents)),
            history: Arc::new(Mutex::new(History::new(3))),
            begins,
        }
    }
}

impl Service for Memory {
    fn schemas(&self) -> Vec<Arc<Schema>> {
        self.schemas.lock().clone()
    }

    async fn transact(&self, call: &Call, _: &str, _: &[Json]) -> Reply {
        call.step_aside();
        std::future::pending().await
    }

    async fn monitor(&self, call: &Call, request: &MonitorRequest) -> Reply {
        let contents = self.contents.subscribe();
        let told = contents.borrow().clone();
        let watcher = request.watcher(call.peer(), told.schema())?;
        let initial = watcher.resume(&told, |id| self.history.lock().get(id));
        tokio::spawn(async move { watcher.follow(told, contents).await });
        if let Some(begins) = &self.begins {
            begins.notified().await;
        }
        Ok(initial)
    }
}

/// What the test does to the contents of a [`Memory`].
struct Hand {
    contents: Arc<watch::Sender<Snapshot>>,
    history: Arc<Mutex<History>>,
}

impl Hand {
    fn of(memory: &Memory) -> Hand {
        Hand {
            contents: memory.contents.clone(),
            history: memory.history.clone(),
        }
    }

    fn change(&self, transaction: &Transaction) -> Uuid {
        let next = self.contents.borrow().with(transaction);
        let next = next.expect("it is in order");
        self.history.lock().push(next.clone());
        let id = next.id();
        self.contents.send_replace(next);
        id
    }

    fn add(&self, name: &str, n: i64) -> Uuid {
        let row = insert("T").set("name", name).set("n", n);
        self.change(&Transaction::new("S").with(row))
    }

    fn remove(&self, name: &str) -> Uuid {
        let row = delete("T").filter(column("name").eq(name));
        self.change(&Transaction::new("S").with(row))
    }
}

/// The next message, with `V` in the place of this version, and `U` in that of any other UUID.
fn told(client: &mut Client, version: Uuid) -> String {
    let bytes = client.raw.receive().expect("a message comes");
    let text = String::from_utf8(bytes.expect("a message comes")).expect("it is UTF-8");
    without_uuids(&text.replace(&version.to_string(), "V"))
}

#[test]
fn monitors_of_a_service_change_their_conditions() {
    let memory = Memory::new(None);
    let hand = Hand::of(&memory);
    let fixture = Fixture::new(Engine::builder().service(memory));
    let mut client = fixture.connect();
    hand.add("a", 1);
    let version = hand.add("b", 2);
    client.request(
        "1",
        "monitor_cond_since",
        r#"["S","m",{"T":[{"columns":["name"],"where":[["n","==",1]]}]},"00000000-0000-0000-0000-000000000000"]"#,
    );
    assert_eq!(
        told(&mut client, version),
        r#"{"error":null,"id":1,"result":[false,"V",{"T":{"U":{"initial":{"name":"a"}}}}]}"#
    );
    // What comes and goes is told before the reply, and under the new id.
    let change = |condition: &str| format!(r#"["k","k",{{"T":[{{"where":{condition}}}]}}]"#);
    let first = change(r#"[["n",">",0]]"#).replacen('k', "m", 1);
    client.request("2", "monitor_cond_change", &first);
    assert_eq!(
        told(&mut client, version),
        r#"{"id":null,"method":"update3","params":["k","V",{"T":{"U":{"insert":{"name":"b"}}}}]}"#
    );
    assert_eq!(client.next(), r#"{"error":null,"id":2,"result":{}}"#);
    client.request("3", "monitor_cond_change", &change(r#"[["n","==",2]]"#));
    assert_eq!(
        told(&mut client, version),
        r#"{"id":null,"method":"update3","params":["k","V",{"T":{"U":{"delete":null}}}]}"#
    );
    assert_eq!(client.next(), r#"{"error":null,"id":3,"result":{}}"#);
    // From now on rows are told by the new conditions.
    hand.add("c", 1);
    let version = hand.add("d", 2);
    assert_eq!(
        told(&mut client, version),
        r#"{"id":null,"method":"update3","params":["k","V",{"T":{"U":{"insert":{"name":"d"}}}}]}"#
    );
    // The same conditions again are no news, and what is wrong is refused.
    let same = client.call("monitor_cond_change", &change(r#"[["n","==",2]]"#));
    assert_eq!(same, DONE);
    let wrong = client.call("monitor_cond_change", &change(r#"[["no","==",2]]"#));
    assert!(wrong.contains("No column no in table T"), "{wrong}");
    let unknown = client.call("monitor_cond_change", r#"["m","m",{}]"#);
    assert!(unknown.contains("unknown monitor session"), "{unknown}");
    assert_eq!(client.call("monitor_cancel", r#"["k"]"#), DONE);
    hand.add("e", 2);
    assert_eq!(
        client.call("echo", "[]"),
        r#"{"error":null,"id":0,"result":[]}"#
    );
}

#[test]
fn whoever_comes_back_to_a_service_is_told_what_has_been_missed() {
    let memory = Memory::new(None);
    let hand = Hand::of(&memory);
    let fixture = Fixture::new(Engine::builder().service(memory));
    let begin = |since: &str, now: Uuid| {
        let mut client = fixture.connect();
        let request = format!(r#"["S","m",{{"T":[{{"columns":["name"]}}]}},"{since}"]"#);
        client.request("1", "monitor_cond_since", &request);
        told(&mut client, now)
    };
    let result = |result: &str| format!(r#"{{"error":null,"id":1,"result":{result}}}"#);
    hand.add("a", 1);
    let seen = hand.add("b", 2);
    let now = hand.add("c", 3);
    assert_eq!(
        begin(&seen.to_string(), now),
        result(r#"[true,"V",{"T":{"U":{"insert":{"name":"c"}}}}]"#)
    );
    assert_eq!(begin(&now.to_string(), now), result(r#"[true,"V",{}]"#));
    let now = hand.remove("c");
    // Of what came and went meanwhile nobody need know.
    assert_eq!(begin(&seen.to_string(), now), result(r#"[true,"V",{}]"#));
    // What is too old, or was never there, is told whole.
    hand.remove("a");
    let now = hand.remove("a");
    for since in [seen, Uuid::ZERO, Uuid::from_random_bytes([3; 16])] {
        assert_eq!(
            begin(&since.to_string(), now),
            result(r#"[false,"V",{"T":{"U":{"initial":{"name":"b"}}}}]"#)
        );
    }
    let wrong = begin("x", now);
    assert!(
        wrong.contains("last-txn-id must be UUID format."),
        "{wrong}"
    );
}

#[test]
fn a_monitor_whose_database_goes_before_it_begins_ends_after_its_reply() {
    let begins = Arc::<Notify>::default();
    let memory = Memory::new(Some(begins.clone()));
    let (hand, schemas) = (Hand::of(&memory), memory.schemas.clone());
    let fixture = Fixture::new(Engine::builder().service(memory));
    let mut client = fixture.connect();
    assert_eq!(client.call("set_db_change_aware", "[true]"), DONE);
    client.request("1", "monitor", r#"["S","m",{"T":{"columns":["name"]}}]"#);
    // Once the service has looked at the contents.
    while hand.contents.receiver_count() == 0 {
        std::thread::yield_now();
    }
    schemas.lock().clear();
    let refreshed = fixture.engine.refresh_service();
    fixture
        .runtime
        .block_on(refreshed)
        .expect("no name is taken");
    hand.add("late", 1);
    begins.notify_one();
    assert_eq!(client.next(), r#"{"error":null,"id":1,"result":{}}"#);
    assert_eq!(
        client.next(),
        r#"{"id":null,"method":"monitor_canceled","params":["m"]}"#
    );
    assert_eq!(
        client.call("monitor_cancel", r#"["m"]"#),
        failed(r#""unknown monitor""#)
    );
}

#[test]
fn a_monitor_that_is_to_be_canceled_by_a_request_that_is_refused_goes_on() {
    let memory = Memory::new(None);
    let hand = Hand::of(&memory);
    let fixture = Fixture::new(Engine::builder().service(memory));
    let mut client = fixture.connect();
    assert_eq!(
        client.call("monitor", r#"["S","m",{"T":{"columns":["name"]}}]"#),
        DONE
    );
    client.request("7", "transact", r#"["S"]"#);
    client.request("7", "monitor_cancel", r#"["m"]"#);
    let refused = client.next();
    assert!(refused.contains("duplicate request ID"), "{refused}");
    hand.add("a", 1);
    assert_eq!(
        client.next(),
        r#"{"id":null,"method":"update","params":["m",{"T":{"U":{"new":{"name":"a"}}}}]}"#
    );
}

#[test]
fn who_reads_a_column_as_something_else_is_told_of_which_row() {
    let row = Transaction::new("S").with(insert("T").set("name", "a"));
    let contents = Snapshot::empty(schema("S")).with(&row).expect("a new name");
    let row = contents.rows("T").next().expect("it was inserted");
    let wrong = row.get::<i64>("name").unwrap_err().to_string();
    let uuid = row.uuid();
    let words = format!("row {uuid} of table T: column name: expected integer, found string (a)");
    assert_eq!(wrong, words);
    let missing = row.get::<String>("nam").unwrap_err().to_string();
    assert_eq!(missing, "there is no column nam in table T");
}

#[test]
fn snapshots_of_schemas_that_are_equal_can_be_compared() {
    let row = Transaction::new("S").with(insert("T").set("name", "a"));
    let older = Snapshot::empty(schema("S")).with(&row).expect("a new name");
    let again = Snapshot::empty(schema("S"));
    assert!(!Arc::ptr_eq(older.schema(), again.schema()));
    assert_eq!(
        again.changes_since(&Snapshot::empty(schema("S"))).count(),
        0
    );
    let changes: Vec<_> = older.changes_since(&again).collect();
    assert!(changes.len() == 1 && changes[0].old.is_none());
    // With another schema in between nothing is the same.
    let text = schema("S").to_json().to_string();
    let other = text.replace("\"note\":{", "\"a\":{\"type\":\"integer\"},\"note\":{");
    let other = json::parse(other.as_bytes()).expect("it is JSON");
    let other = Snapshot::empty(Schema::from_json(&other).expect("a schema"));
    let other = other.with(&row).expect("a new name");
    assert_eq!(other.changes_since(&older).count(), 2);
    assert_ne!(other.id(), older.id());
}

/// A service that takes its time over the end of a client, and over beginning with a call.
struct Slow {
    events: std::sync::mpsc::Sender<String>,
    goes_on: Mutex<std::sync::mpsc::Receiver<()>>,
}

impl Slow {
    fn waits(&self) {
        // It may have failed.
        let _ = self.goes_on.lock().recv();
    }
}

impl Service for Slow {
    fn schemas(&self) -> Vec<Arc<Schema>> {
        vec![Arc::new(schema("S"))]
    }

    async fn transact(&self, call: &Call, _: &str, operations: &[Json]) -> Reply {
        let method = operations[0].as_str().expect("the test says which");
        self.call(call, method, &[]).await
    }

    async fn call(&self, _: &Call, method: &str, _: &[Json]) -> Reply {
        if method == "slow" {
            let events = &self.events;
            events.send("first".to_owned()).expect("the test is there");
            // Which it must not, but that is how the others can be seen to wait.
            tokio::task::block_in_place(|| self.waits());
        }
        let _ = self.events.send(method.to_owned());
        Ok(Json::Null)
    }

    fn disconnected(&self, _: &Peer) {
        let _ = self.events.send("goodbye".to_owned());
        tokio::task::block_in_place(|| self.waits());
    }
}

#[test]
fn an_engine_is_closed_when_its_service_has_heard_of_the_end_of_all_clients() {
    let (events, told) = std::sync::mpsc::channel();
    let (go_on, goes_on) = std::sync::mpsc::channel();
    let goes_on = Mutex::new(goes_on);
    let fixture = Fixture::new(Engine::builder().service(Slow { events, goes_on }));
    // Should the test fail, the service goes on before its runtime ends.
    let go_on = go_on;
    let mut client = fixture.connect();
    assert_eq!(
        client.call("quick", "[]"),
        r#"{"error":null,"id":0,"result":null}"#
    );
    assert_eq!(told.recv().as_deref(), Ok("quick"));
    let engine = fixture.engine.clone();
    let mut closes = pin!(async move { engine.close().await });
    let _within = fixture.runtime.enter();
    let mut context = Context::from_waker(Waker::noop());
    let mut is_closed = || closes.as_mut().poll(&mut context).is_ready();
    assert!(!is_closed());
    assert_eq!(told.recv().as_deref(), Ok("goodbye"));
    // All else has time to come to its end.
    while fixture.engine.clients() > 0 {
        std::thread::yield_now();
    }
    for _ in 0..1000 {
        assert!(!is_closed());
        std::thread::yield_now();
    }
    go_on.send(()).expect("the service waits");
    while !is_closed() {
        std::thread::yield_now();
    }
}

#[test]
fn a_call_that_is_taken_back_before_its_turn_lets_no_other_begin_early() {
    let (events, told) = std::sync::mpsc::channel();
    let (go_on, goes_on) = std::sync::mpsc::channel();
    let goes_on = Mutex::new(goes_on);
    let fixture = Fixture::new(Engine::builder().service(Slow { events, goes_on }));
    // Should the test fail, the service goes on before its runtime ends.
    let go_on = go_on;
    let mut client = fixture.connect();
    for (id, what) in [("1", "slow"), ("2", "never"), ("3", "third")] {
        client.request(id, "transact", &format!(r#"["S","{what}"]"#));
    }
    assert_eq!(told.recv().as_deref(), Ok("first"));
    client.notify("cancel", "[2]");
    assert_eq!(client.next(), r#"{"error":"canceled","id":2}"#);
    go_on.send(()).expect("the service waits");
    assert_eq!(told.recv().as_deref(), Ok("slow"));
    assert_eq!(told.recv().as_deref(), Ok("third"));
    drop(client);
    assert_eq!(told.recv().as_deref(), Ok("goodbye"));
    go_on.send(()).expect("the service waits");
}
