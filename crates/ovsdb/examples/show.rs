//! Prints what an Open vSwitch is configured to be, as `ovs-vsctl show` does.
//!
//! `cargo run -p ovsdb --example show -- unix:/run/openvswitch/db.sock`

use std::error::Error;
use std::time::Duration;

use ovsdb::replica::RowView;
use ovsdb::schema::Selection;
use ovsdb::{Client, text};
use tokio::time::Instant;

/// A table, the column by which its rows are called, and what else is shown of them.
struct Shown {
    table: &'static str,
    name: Option<&'static str>,
    columns: &'static [&'static str],
}

const fn shown(
    table: &'static str,
    name: Option<&'static str>,
    columns: &'static [&'static str],
) -> Shown {
    Shown {
        table,
        name,
        columns,
    }
}

const SHOWN: &[Shown] = &[
    shown(
        "Open_vSwitch",
        None,
        &["manager_options", "bridges", "ovs_version"],
    ),
    shown("Manager", Some("target"), &["is_connected"]),
    shown(
        "Bridge",
        Some("name"),
        &["controller", "fail_mode", "datapath_type", "ports"],
    ),
    shown("Controller", Some("target"), &["is_connected"]),
    shown("Port", Some("name"), &["tag", "trunks", "interfaces"]),
    shown(
        "Interface",
        Some("name"),
        &["type", "options", "error", "bfd_status"],
    ),
];

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let server = std::env::args().nth(1);
    let server = server.as_deref().unwrap_or("unix:/run/openvswitch/db.sock");
    let deadline = Some(Instant::now() + Duration::from_secs(10));
    let client = Client::builder(server).database("Open_vSwitch");
    let client = client.connect(deadline).await?;
    let selection = SHOWN.iter().fold(Selection::new(), |selection, shown| {
        selection.columns(
            shown.table,
            shown.name.into_iter().chain(shown.columns.iter().copied()),
        )
    });
    let replica = client.replica("Open_vSwitch", selection);
    let contents = replica.ready(deadline).await?;
    let top = contents
        .table_named("Open_vSwitch")
        .ok_or("this is no Open vSwitch")?;
    for row in top.iter() {
        show(row, 0);
    }
    Ok(())
}

fn show(row: RowView<'_>, level: usize) {
    let schema = row.table().schema();
    let Some(shown) = SHOWN.iter().find(|shown| shown.table == schema.name) else {
        return;
    };
    let text = |column: &str| {
        let id = schema.column_id(column)?;
        let ty = &schema.column(id).ty;
        let datum = row.datum(column)?;
        (!datum.is_default(ty)).then(|| text::datum_to_string(datum, ty))
    };
    let indent = "    ".repeat(level);
    match shown.name {
        Some(name) => println!("{indent}{} {}", shown.table, text(name).unwrap_or_default()),
        None => println!("{indent}{}", row.uuid()),
    }
    for column in shown.columns {
        let refers = schema
            .column_id(column)
            .is_some_and(|id| schema.column(id).ty.key.reference().is_some());
        if refers {
            row.follow(column).for_each(|row| show(row, level + 1));
        } else if let Some(text) = text(column) {
            println!("{indent}    {column}: {text}");
        }
    }
}
