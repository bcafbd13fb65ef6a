//! Lists the bridges of an Open vSwitch with their ports and the interfaces of these.
//!
//! `cargo run -p ovsdb --example list_bridges -- unix:/run/openvswitch/db.sock`

use std::error::Error;
use std::time::Duration;

use ovsdb::Client;
use ovsdb::replica::RowView;
use ovsdb::schema::Selection;
use tokio::time::Instant;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let server = std::env::args().nth(1);
    let server = server.as_deref().unwrap_or("unix:/run/openvswitch/db.sock");
    let deadline = Some(Instant::now() + Duration::from_secs(10));
    let client = Client::builder(server)
        .database("Open_vSwitch")
        .connect(deadline)
        .await?;

    // A copy of these columns, and of no others.
    let selection = Selection::new()
        .columns("Bridge", ["name", "ports"])
        .columns("Port", ["name", "tag", "interfaces"])
        .columns("Interface", ["name"]);
    let replica = client.replica("Open_vSwitch", selection);
    let contents = replica.ready(deadline).await?;

    let bridges = contents
        .table_named("Bridge")
        .ok_or("this is no Open vSwitch")?;
    for bridge in by_name(bridges.iter())? {
        println!("bridge {}", bridge.get::<String>("name")?);
        for port in by_name(bridge.follow("ports"))? {
            match port.get::<Option<u16>>("tag")? {
                Some(tag) => println!("  port {}, tag {tag}", port.get::<String>("name")?),
                None => println!("  port {}", port.get::<String>("name")?),
            }
            for interface in by_name(port.follow("interfaces"))? {
                println!("    interface {}", interface.get::<String>("name")?);
            }
        }
    }
    Ok(())
}

fn by_name<'a>(
    rows: impl Iterator<Item = RowView<'a>>,
) -> Result<Vec<RowView<'a>>, Box<dyn Error>> {
    let mut named = rows
        .map(|row| Ok((row.get::<String>("name")?, row)))
        .collect::<Result<Vec<_>, Box<dyn Error>>>()?;
    named.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(named.into_iter().map(|(_, row)| row).collect())
}
