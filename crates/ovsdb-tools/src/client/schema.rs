//! `list-dbs` and the commands about schemas.

use ovsdb_proto::json::Json;
use ovsdb_proto::schema::{Schema, Version};
use ovsdb_proto::words::Method;

use super::error::ClientError;
use super::options::ChangeAware;
use super::output::Output;
use super::server::Server;
use crate::table::{Cell, Table};

pub(crate) async fn list_databases(server: &Server, out: &mut Output) -> Result<(), ClientError> {
    for name in server.databases(out).await? {
        out.line(&name)?;
    }
    Ok(())
}

pub(crate) async fn print(
    server: &Server,
    database: &str,
    out: &mut Output,
) -> Result<(), ClientError> {
    let schema = server.schema(database, out).await?;
    out.json(&schema.to_json())
}

/// An empty line stands for "none".
pub(crate) async fn version(
    server: &Server,
    database: &str,
    out: &mut Output,
) -> Result<(), ClientError> {
    let schema = server.schema(database, out).await?;
    out.line(schema.version.as_ref().map_or("", Version::as_str))
}

/// An empty line stands for "none".
pub(crate) async fn cksum(
    server: &Server,
    database: &str,
    out: &mut Output,
) -> Result<(), ClientError> {
    let schema = server.schema(database, out).await?;
    out.line(&schema.cksum)
}

pub(crate) async fn list_tables(
    server: &Server,
    database: &str,
    out: &mut Output,
) -> Result<(), ClientError> {
    let schema = server.schema(database, out).await?;
    let mut table = Table::new(["Table"]);
    for schema in &schema.tables {
        table.push_row(vec![Cell::Text(schema.name.to_string())]);
    }
    out.table(&table, None)
}

pub(crate) async fn list_columns(
    server: &Server,
    database: &str,
    args: &[String],
    out: &mut Output,
) -> Result<(), ClientError> {
    let only = args.first();
    let schema = server.schema(database, out).await?;
    let headings = ["Table", "Column", "Type"];
    let mut table = Table::new(headings.into_iter().skip(usize::from(only.is_some())));
    for schema in schema
        .tables
        .iter()
        .filter(|table| only.is_none_or(|only| table.name == *only))
    {
        for column in &schema.columns {
            let mut row = Vec::new();
            if only.is_none() {
                row.push(Cell::Text(schema.name.to_string()));
            }
            row.push(Cell::Text(column.name.to_string()));
            row.push(Cell::Json(column.ty.to_json()));
            table.push_row(row);
        }
    }
    out.table(&table, None)
}

/// `convert`: the server gives the database another schema.
pub(crate) async fn convert(
    server: &Server,
    schema: &Schema,
    aware: ChangeAware,
    out: &Output,
) -> Result<(), ClientError> {
    server.set_change_aware(aware).await?;
    let params = vec![Json::string(schema.name.as_str()), schema.to_json()];
    server.call(Method::Convert.as_str(), params, out).await?;
    Ok(())
}

/// `needs-conversion`: whether [`convert`] would change anything.
pub(crate) async fn needs_conversion(
    server: &Server,
    schema: &Schema,
    out: &mut Output,
) -> Result<(), ClientError> {
    let current = server.schema(&schema.name, out).await?;
    out.line(if schema.is_equivalent(&current) {
        "no"
    } else {
        "yes"
    })
}

/// Clusters keep ephemeral columns like all others,
/// so for them the schema says so.
pub(crate) async fn adapt(
    server: &Server,
    schema: &mut Schema,
    file: &str,
    out: &Output,
) -> Result<(), ClientError> {
    if !server.is_clustered(&schema.name, out).await? {
        return Ok(());
    }
    let mut changed = 0;
    let mut example = None;
    for table in &mut schema.tables {
        for column in table
            .columns
            .iter_mut()
            .filter(|column| !column.persistent && column.name != "_version")
        {
            column.persistent = true;
            changed += 1;
            example = Some((column.name.clone(), table.name.clone()));
        }
    }
    if let Some((column, table)) = example {
        tracing::warn!(target: "ovsdb",
            "{file}: changed {changed} columns in '{}' database from ephemeral to persistent, including '{column}' \
             column in '{table}' table, because clusters do not support ephemeral columns", schema.name);
    }
    Ok(())
}
