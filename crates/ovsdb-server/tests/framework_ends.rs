//! Engines that change or end while their clients and their program are at something.

mod support;

use std::pin::pin;
use std::sync::Arc;

use ovsdb_proto::build::{Transaction, insert, wait};
use ovsdb_proto::json::{self, Json};
use ovsdb_proto::schema::Schema;
use ovsdb_server::framework::{
    AddError, Call, Database, Engine, ExecuteError, MonitorRequest, Reply, Service, Snapshot,
};
use support::engine::Fixture;
use support::schema;
use tokio::sync::watch;

/// Serves databases of these schemas, and answers `transact` never.
struct Schemas(Arc<watch::Sender<Vec<Arc<Schema>>>>);

impl Service for Schemas {
    fn schemas(&self) -> Vec<Arc<Schema>> {
        self.0.borrow().clone()
    }

    async fn transact(&self, call: &Call, _: &str, operations: &[Json]) -> Reply {
        if operations[0].as_str() == Some("aside") {
            call.step_aside();
        }
        std::future::pending().await
    }

    async fn monitor(&self, call: &Call, request: &MonitorRequest) -> Reply {
        let schema = self.0.borrow()[0].clone();
        let contents = Snapshot::empty(schema.clone());
        let watcher = request.watcher(call.peer(), &schema)?;
        let initial = watcher.initial(&contents);
        tokio::spawn(async move { watcher.ended().await });
        Ok(initial)
    }
}

fn service() -> Schemas {
    Schemas(Arc::new(watch::Sender::new(vec![Arc::new(schema("S"))])))
}

/// Lets the future get as far as it comes at once, and drops it.
async fn begin(work: impl Future) {
    let mut work = pin!(work);
    tokio::select! {
        biased;
        _ = &mut work => {}
        () = std::future::ready(()) => {}
    }
}

/// Returns when `_Server` tells of these databases and of itself.
async fn until_told(engine: &Engine, names: &[&str]) {
    let mut server = engine.watch("_Server").expect("it is built in");
    loop {
        let told = server.changed().await.expect("it is built in");
        let rows = told.rows("Database");
        let mut told: Vec<String> = rows
            .map(|row| row.get("name").expect("a text"))
            .filter(|name| name != "_Server")
            .collect();
        told.sort();
        if told == names {
            return;
        }
    }
}

#[test]
fn what_has_begun_comes_to_its_end_also_when_nobody_waits_for_it() {
    let service = service();
    let schemas = service.0.clone();
    let fixture = Fixture::new(Engine::builder().service(service));
    let engine = &fixture.engine;
    let file = |name: &str| {
        let path = fixture.folder.path().join(name).with_extension("db");
        Database::in_file_or_new(path, schema(name))
    };
    fixture.runtime.block_on(async {
        begin(engine.add_database(file("A"))).await;
        until_told(engine, &["A", "S"]).await;
        begin(engine.remove_database("A")).await;
        until_told(engine, &["S"]).await;
        schemas.send_modify(|schemas| schemas.push(Arc::new(schema("B"))));
        begin(engine.refresh_service()).await;
        until_told(engine, &["B", "S"]).await;
        for name in ["A", "C", "D"] {
            engine.add_database(file(name)).await.expect("it is free");
        }
        begin(engine.close()).await;
        // Whoever waits for the end finds all files unlocked.
        engine.close().await;
        let other = Engine::builder().start().await.expect("it starts");
        for name in ["A", "C", "D"] {
            let added = other.add_database(file(name)).await;
            added.unwrap_or_else(|error| panic!("{name}: {error}"));
        }
        other.close().await;
    });
}

#[test]
fn an_engine_ends_whatever_is_under_way() {
    let engine = Engine::builder()
        .service(service())
        .database(Database::in_memory(schema("D")));
    let fixture = Fixture::new(engine);
    let mut client = fixture.connect();
    client.call("monitor", r#"["S",1,{"T":{}}]"#);
    client.request("1", "transact", r#"["S","aside"]"#);
    client.request("2", "transact", r#"["S","never"]"#);
    let mut waits = fixture.connect();
    waits.request(
        "3",
        "transact",
        r#"["D",{"op":"wait","table":"T","where":[],"columns":["name"],"until":"!=","rows":[]}]"#,
    );
    let never = wait("T").columns(["name"]).until_not_equal([]);
    let transaction = Transaction::new("D").with(never);
    let engine = fixture.engine.clone();
    let own = fixture
        .runtime
        .spawn(async move { engine.transact(&transaction).await });
    let served = fixture.engine.server().database("D").expect("it is served");
    fixture.runtime.block_on(async {
        while served.parked() < 2 {
            tokio::task::yield_now().await;
        }
        let mut watch = fixture.engine.watch("D").expect("it is served");
        watch.changed().await.expect("it is there");
        let (_, (), seen) = tokio::join!(
            fixture.engine.close(),
            fixture.engine.close(),
            watch.changed()
        );
        assert!(seen.is_none());
        let own = own.await.expect("it does not panic");
        assert!(matches!(own, Err(ExecuteError::Canceled)), "{own:?}");
        assert_eq!(fixture.engine.clients(), 0);
    });
}

#[test]
fn a_database_that_comes_too_late_is_not_served() {
    let fixture = Fixture::new(Engine::builder().service(service()));
    fixture.runtime.block_on(fixture.engine.close());
    let folder = fixture.folder.path().join("late.db");
    let late = Database::in_file_or_new(&folder, schema("L"));
    let added = fixture.runtime.block_on(fixture.engine.add_database(late));
    assert!(matches!(added, Err(AddError::Closed { .. })), "{added:?}");
    assert!(
        fixture.engine.databases().is_empty(),
        "{:?}",
        fixture.engine.databases()
    );
}

/// Serves a database whose contents the test changes, and tells whoever monitors it.
struct Converted(watch::Sender<Snapshot>);

impl Service for Converted {
    fn schemas(&self) -> Vec<Arc<Schema>> {
        vec![self.0.borrow().schema().clone()]
    }

    async fn monitor(&self, call: &Call, request: &MonitorRequest) -> Reply {
        let contents = self.0.subscribe();
        let told = contents.borrow().clone();
        let watcher = request.watcher(call.peer(), told.schema())?;
        let initial = watcher.initial(&told);
        tokio::spawn(async move { watcher.follow(told, contents).await });
        Ok(initial)
    }

    async fn call(&self, _: &Call, _: &str, _: &[Json]) -> Reply {
        self.0.closed().await;
        Ok(Json::Null)
    }
}

#[test]
fn a_watcher_tells_nothing_of_snapshots_of_another_schema() {
    let older = schema("S");
    let text = older.to_json().to_string();
    let newer = text.replace(r#""n":{"#, r#""a":{"type":"integer"},"n":{"#);
    let newer = json::parse(newer.as_bytes()).expect("it is JSON");
    let newer = Schema::from_json(&newer).expect("a schema");
    let filled = |schema: Schema| {
        let row = Transaction::new("S").with(insert("T").set("name", "x"));
        Snapshot::empty(schema).with(&row).expect("a new name")
    };
    let contents = watch::Sender::new(filled(older));
    let fixture = Fixture::new(Engine::builder().service(Converted(contents.clone())));
    let mut client = fixture.connect();
    client.call("monitor", r#"["S",1,{"T":{"columns":["name"]}}]"#);
    contents.send_replace(filled(newer));
    // Until nobody follows any more.
    assert_eq!(
        client.call("followed", "[]"),
        r#"{"error":null,"id":0,"result":null}"#,
        "and not an update"
    );
}
