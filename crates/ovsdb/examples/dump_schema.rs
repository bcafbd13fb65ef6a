//! Prints the tables and columns of a schema, from a file or from a server.
//!
//! `cargo run -p ovsdb --example dump_schema -- vswitch.ovsschema`
//! `cargo run -p ovsdb --example dump_schema -- unix:/run/openvswitch/db.sock Open_vSwitch`

use std::error::Error;
use std::time::Duration;

use ovsdb::{Client, Schema, json};
use tokio::time::Instant;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let schema = match arguments.as_slice() {
        [file] => Schema::from_json(&json::parse(&std::fs::read(file)?)?)?,
        [server, database] => {
            let deadline = Some(Instant::now() + Duration::from_secs(10));
            let client = Client::builder(server).connect(deadline).await?;
            client.get_schema(database, deadline).await?
        }
        _ => return Err("usage: dump_schema FILE | SERVER DATABASE".into()),
    };
    let version = schema
        .version
        .as_ref()
        .map_or("?", |version| version.as_str());
    println!("{} {version}", schema.name);
    for table in &schema.tables {
        println!("  {}", table.name);
        for column in table.own_columns() {
            println!("    {}: {}", column.name, column.ty.to_json());
        }
    }
    Ok(())
}
