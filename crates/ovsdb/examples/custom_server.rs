//! A server of one's own: an inventory of hosts, in which the program gives each host a number, and facts about the host that
//! it runs on.
//!
//! The inventory is kept by the engine. Clients add and remove hosts as they like; the column `asset` is the program's: it
//! fills it in, and its gate refuses those who would.
//!
//! The facts are no database at all: code of the program answers for them. Clients read and monitor them, and may add some by
//! a method of the program's own, `set_fact`.
//!
//! `cargo run -p ovsdb --features server --example custom_server -- punix:/tmp/inventory.sock ptcp:6640:127.0.0.1`
//!
//! `ovsdb-client transact unix:/tmp/inventory.sock '["Inventory",{"op":"insert","table":"Host","row":{"name":"h1","cores":8}}]'`

use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};

use ovsdb::build::{Transaction, column, delete, insert, row, update};
use ovsdb::error::{ErrorTag, OvsdbError};
use ovsdb::operation::Operation;
use ovsdb::schema::Schema;
use ovsdb::server::{
    Call, Database, Engine, ExecuteError, Gate, History, MonitorRequest, Proposal, Refusal, Reply,
    Service, Snapshot,
};
use ovsdb::{Json, json};
use tokio::sync::watch;

const INVENTORY: &str = r#"{"name":"Inventory","version":"1.0.0","tables":{"Host":{"isRoot":true,
    "columns":{
        "name":{"type":"string","mutable":false},
        "cores":{"type":{"key":{"type":"integer","minInteger":1}}},
        "asset":{"type":{"key":"integer","min":0,"max":1}}},
    "indexes":[["name"],["asset"]]}}}"#;

const FACTS: &str = r#"{"name":"Facts","version":"1.0.0","tables":{"Fact":{"isRoot":true,
    "columns":{"name":{"type":"string"},"value":{"type":"string"}},"indexes":[["name"]]}}}"#;

/// Keeps clients from the column that is the program's.
struct AssetsAreOurs;

impl Gate for AssetsAreOurs {
    fn transact(&self, proposal: &Proposal<'_>) -> Result<(), OvsdbError> {
        for operation in proposal.operations() {
            let Some(table) = operation.table() else {
                continue;
            };
            let asset = proposal.schema().table(table).column_id("asset");
            let touches = match operation {
                Operation::Insert { row, .. } | Operation::Update { row, .. } => {
                    row.iter().any(|(column, _)| Some(*column) == asset)
                }
                Operation::Mutate { mutations, .. } => {
                    mutations.iter().any(|it| Some(it.column) == asset)
                }
                _ => false,
            };
            if touches {
                let details = format!("{} may not number assets", proposal.peer().name());
                return Err(OvsdbError::new(ErrorTag::PermissionError, details));
            }
        }
        Ok(())
    }
}

/// Answers for the database `Facts`.
struct Facts {
    facts: watch::Sender<Snapshot>,
    /// What clients have seen who come back.
    history: Mutex<History>,
}

impl Facts {
    fn new(schema: Schema) -> Result<Facts, ExecuteError> {
        let of_system = |what: &str| {
            let text = std::fs::read_to_string(format!("/proc/sys/kernel/{what}"));
            text.map_or(String::new(), |text| text.trim().to_owned())
        };
        let mut transaction = Transaction::new("Facts");
        for (name, value) in [
            ("hostname", of_system("hostname")),
            ("kernel", of_system("osrelease")),
            ("pid", std::process::id().to_string()),
        ] {
            transaction.push(insert("Fact").set("name", name).set("value", value));
        }
        let facts = Snapshot::empty(schema).with(&transaction)?;
        let mut history = History::new(100);
        history.push(facts.clone());
        Ok(Facts {
            facts: watch::Sender::new(facts),
            history: Mutex::new(history),
        })
    }

    fn history(&self) -> std::sync::MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Service for Facts {
    fn schemas(&self) -> Vec<Arc<Schema>> {
        vec![self.facts.borrow().schema().clone()]
    }

    async fn transact(&self, _: &Call, _: &str, operations: &[Json]) -> Reply {
        // What would change something is refused.
        let facts = self.facts.borrow().clone();
        Ok(facts.read(operations))
    }

    async fn monitor(&self, call: &Call, request: &MonitorRequest) -> Reply {
        let facts = self.facts.subscribe();
        let told = facts.borrow().clone();
        let watcher = request.watcher(call.peer(), told.schema())?;
        // Who names a version that is remembered is told what has changed since, and others everything.
        let initial = watcher.resume(&told, |version| self.history().get(version));
        tokio::spawn(async move { watcher.follow(told, facts).await });
        Ok(initial)
    }

    async fn call(&self, call: &Call, method: &str, params: &[Json]) -> Reply {
        let ("set_fact", [Json::String(name), Json::String(value)]) = (method, params) else {
            return Err(Refusal::UnknownMethod);
        };
        if call.peer().is_read_only() {
            let details = "facts are set by those who may write";
            return Err(OvsdbError::new(ErrorTag::NotAllowed, details).into());
        }
        let transaction = Transaction::new("Facts")
            .with(delete("Fact").filter(column("name").eq(name.as_str())))
            .with(
                insert("Fact")
                    .set("name", name.as_str())
                    .set("value", value.as_str()),
            );
        let mut result = Ok(());
        self.facts
            .send_if_modified(|facts| match facts.with(&transaction) {
                Ok(newer) => {
                    self.history().push(newer.clone());
                    *facts = newer;
                    true
                }
                Err(error) => {
                    result = Err(OvsdbError::new(ErrorTag::OvsdbError, error.to_string()));
                    false
                }
            });
        result?;
        Ok(Json::Bool(true))
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let schema = |text: &str| -> Result<Schema, Box<dyn Error>> {
        Ok(Schema::from_json(&json::parse(text.as_bytes())?)?)
    };
    let inventory = Database::in_memory(schema(INVENTORY)?).behind(AssetsAreOurs);
    let mut builder = Engine::builder()
        .database(inventory)
        .service(Facts::new(schema(FACTS)?)?);
    for remote in std::env::args().skip(1) {
        builder = builder.remote(&remote);
    }
    let engine = builder.start().await?;
    for (remote, port) in engine.ports().await {
        println!("{remote} has port {port}");
    }
    println!("serving");

    let mut changes = engine.watch("Inventory").ok_or("it is not served")?;
    let mut last = 0;
    let work = async {
        while let Some(inventory) = changes.changed().await {
            last = number(&engine, &inventory, last).await?;
        }
        Ok::<(), Box<dyn Error>>(())
    };
    tokio::select! {
        result = work => result?,
        result = tokio::signal::ctrl_c() => result?,
    }
    engine.close().await;
    println!("closed");
    Ok(())
}

/// Gives a number to each host that has none. Returns the last one.
async fn number(
    engine: &Engine,
    inventory: &Snapshot,
    mut last: i64,
) -> Result<i64, Box<dyn Error>> {
    let mut transaction = Transaction::new("Inventory");
    for host in inventory.rows("Host") {
        if host.get::<Option<i64>>("asset")?.is_none() {
            last += 1;
            println!("host {} is asset {last}", host.get::<String>("name")?);
            // Should it have gone meanwhile, nothing happens.
            let update = update("Host").filter(row(host.uuid())).set("asset", last);
            transaction.push(update);
        }
    }
    if !transaction.is_empty() {
        engine.transact(&transaction).await?;
    }
    Ok(last)
}
