//! `backup`: a database as the file that a standalone server would keep it in (ovsdb(5)).

use std::io::{self, IsTerminal};
use std::time::{SystemTime, UNIX_EPOCH};

use ovsdb_proto::json::{Json, Object};
use ovsdb_proto::words::Method;

use super::error::{ClientError, Shape};
use super::output::Output;
use super::server::Server;
use super::tables;

const COMMENT: &str = "produced by \"ovsdb-client backup\"";

pub(crate) async fn backup(
    server: &Server,
    database: &str,
    out: &mut Output,
) -> Result<(), ClientError> {
    if io::stdout().is_terminal() {
        return Err(ClientError::BackupToTerminal);
    }
    let schema = server.schema(database, out).await?;

    let mut transaction = vec![Json::string(database)];
    for table in &schema.tables {
        // A table of nothing but ephemeral columns counts too: others may refer to its rows.
        let persistent = table.columns.iter().filter(|column| column.persistent);
        transaction.push(tables::select(
            &table.name,
            persistent.map(|column| column.name.as_str()),
        ));
    }
    let reply = server
        .call(Method::Transact.as_str(), transaction, out)
        .await?;

    record(&schema.to_json(), out)?;
    let mut contents = Object::new();
    let results = tables::rows(&reply, schema.tables.iter())?;
    for (table, rows) in schema.tables.iter().zip(results) {
        let rows = rows?;
        if rows.is_empty() {
            continue;
        }
        let mut rows_by_uuid = Object::new();
        for row in rows {
            let name = || table.name.to_string();
            let Json::Object(columns) = row else {
                return Err(Shape::BackupRow {
                    table: name(),
                    row: row.to_string(),
                }
                .into());
            };
            let mut columns = columns.clone();
            let uuid = columns
                .remove("_uuid")
                .and_then(|uuid| tables::uuid(&uuid))
                .ok_or_else(|| Shape::BackupUuid {
                    table: name(),
                    row: row.to_string(),
                })?;
            rows_by_uuid.insert(uuid.to_string(), columns);
        }
        contents.insert(table.name.clone(), rows_by_uuid);
    }
    let since_epoch = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    contents.insert("_comment", Json::string(COMMENT));
    contents.insert(
        "_date",
        Json::Integer(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)),
    );
    record(&Json::Object(contents), out)
}

/// Prints a record of a database file.
fn record(value: &Json, out: &mut Output) -> Result<(), ClientError> {
    let mut payload = value.to_bytes();
    payload.push(b'\n');
    let mut header = Vec::new();
    ovsdb_log::compose_header(ovsdb_log::STANDALONE_MAGIC, &payload, &mut header);
    out.bytes(&header)?;
    out.bytes(&payload)
}
