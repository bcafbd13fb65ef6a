//! Tells of logical switch ports of an OVN as they come, change and go.
//!
//! `cargo run -p ovsdb --example watch_logical_ports -- unix:/run/ovn/ovnnb_db.sock`

use std::error::Error;

use ovsdb::Client;
use ovsdb::replica::{ChangeKind, Interest};
use ovsdb::schema::Selection;

const TABLE: &str = "Logical_Switch_Port";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let server = std::env::args().nth(1);
    let server = server.as_deref().unwrap_or("unix:/run/ovn/ovnnb_db.sock");
    // It connects again by itself, and goes on where it was.
    let client = Client::builder(server).database("OVN_Northbound").start()?;
    let selection = Selection::new().columns(TABLE, ["name", "addresses", "up"]);
    let replica = client.replica("OVN_Northbound", selection);

    // First all that are there, then what happens. Only changes of these columns are of interest.
    let interest = Interest::all()
        .table(TABLE)
        .columns(TABLE, ["name", "addresses"]);
    let mut changes = replica.watch_all(interest);
    loop {
        let news = changes.next().await?;
        for change in news.iter(changes.interest()) {
            let value = |column| change.new_value(column).or(change.old_value(column));
            let name: String = value("name").ok_or("there is no such column")?.to()?;
            let addresses: Vec<String> =
                value("addresses").ok_or("there is no such column")?.to()?;
            match change.kind() {
                ChangeKind::Insert => println!("+ {name} {addresses:?}"),
                ChangeKind::Modify => println!("~ {name} {addresses:?}"),
                ChangeKind::Delete => println!("- {name}"),
            }
        }
    }
}
