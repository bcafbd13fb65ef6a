//! A controller of which several can run: the one that has a lock works, and the others take over when it goes.
//!
//! It sees to it that every bridge has `managed-by` among its `external_ids`.
//!
//! `cargo run -p ovsdb --example leader -- unix:/run/openvswitch/db.sock`

use std::error::Error;

use ovsdb::Client;
use ovsdb::replica::Interest;
use ovsdb::schema::Selection;
use ovsdb::txn::{EditError, Policy, Txn};

const LOCK: &str = "example_leader";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let server = std::env::args().nth(1);
    let server = server.as_deref().unwrap_or("unix:/run/openvswitch/db.sock");
    let client = Client::builder(server).database("Open_vSwitch").start()?;
    let selection = Selection::new().columns("Bridge", ["name", "external_ids"]);
    let replica = client.replica("Open_vSwitch", selection);
    // It is asked for again on each new connection. When this is dropped it is given back.
    let lock = client.lock(LOCK)?;
    let mut changes = replica.watch_all(Interest::all());
    loop {
        lock.held(None).await?;
        println!("leading");
        while lock.is_held() {
            changes.next().await?;
            // Should somebody else have the lock by then, the server refuses it.
            match replica.update(Policy::default(), manage).await {
                Ok((n, committed)) if !committed.unchanged => println!("managed {n} bridges"),
                Ok(_) => {}
                Err(error) if !lock.is_held() => println!("not leading any more: {error}"),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

fn manage(txn: &mut Txn) -> Result<usize, EditError> {
    txn.require_lock(LOCK);
    let bridges = txn.rows("Bridge")?;
    for bridge in &bridges {
        txn.set_key(bridge, "external_ids", "managed-by", "example")?;
    }
    Ok(bridges.len())
}
