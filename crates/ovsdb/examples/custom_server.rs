//! A server of one's own: an inventory of hosts, in which the program gives each host a number.
//!
//! Clients add and remove hosts as they like. The column `asset` is the program's: it fills it in, and its gate refuses those
//! who would.
//!
//! `cargo run -p ovsdb --features server --example custom_server -- punix:/tmp/inventory.sock ptcp:6640:127.0.0.1`
//!
//! `ovsdb-client transact unix:/tmp/inventory.sock '["Inventory",{"op":"insert","table":"Host","row":{"name":"h1"}}]'`

use std::error::Error;

use ovsdb::build::{Transaction, row, update};
use ovsdb::error::{ErrorTag, OvsdbError};
use ovsdb::json;
use ovsdb::operation::Operation;
use ovsdb::schema::Schema;
use ovsdb::server::{Database, Engine, Gate, Proposal, Snapshot};

const INVENTORY: &str = r#"{"name":"Inventory","version":"1.0.0","tables":{"Host":{"isRoot":true,
    "columns":{
        "name":{"type":"string","mutable":false},
        "cores":{"type":{"key":{"type":"integer","minInteger":1}}},
        "asset":{"type":{"key":"integer","min":0,"max":1}}},
    "indexes":[["name"],["asset"]]}}}"#;

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

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let schema = Schema::from_json(&json::parse(INVENTORY.as_bytes())?)?;
    let mut builder = Engine::builder().database(Database::in_memory(schema).behind(AssetsAreOurs));
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
