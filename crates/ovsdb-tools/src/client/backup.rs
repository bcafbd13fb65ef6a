//! `backup`: a database as the file that a standalone server would keep it in (ovsdb(5)).

use std::collections::BTreeMap;
use std::io::{self, IsTerminal};
use std::time::{SystemTime, UNIX_EPOCH};

use ovsdb_proto::json::Json;
use ovsdb_proto::words::Method;

use super::error::{ClientError, Shape};
use super::output::Output;
use super::server::Server;
use super::tables;

/// The column of a row's UUID, which a record has in front of it.
const UUID: &str = "_uuid";

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

    record(schema.to_json().to_bytes(), out)?;
    // The members in the order of their names, as in any object.
    let mut contents: BTreeMap<&str, Vec<u8>> = BTreeMap::new();
    let results = tables::rows(&reply, schema.tables.iter())?;
    for (table, rows) in schema.tables.iter().zip(results) {
        let rows = rows?;
        if !rows.is_empty() {
            contents.insert(&table.name, rows_by_uuid(&table.name, rows)?);
        }
    }
    let since_epoch = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let date = Json::Integer(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX));
    contents.insert("_comment", Json::string(COMMENT).to_bytes());
    contents.insert("_date", date.to_bytes());
    let room = contents.values().map(|value| value.len() + 64).sum();
    let mut payload = Vec::with_capacity(room);
    let mut members = Members::begin(&mut payload);
    for (name, value) in &contents {
        members.next(name).extend_from_slice(value);
    }
    members.end();
    record(payload, out)
}

/// What a record says of the rows of a table: an object of rows without their UUIDs, by these.
fn rows_by_uuid(table: &str, rows: &[Json]) -> Result<Vec<u8>, ClientError> {
    let mut by_uuid = Vec::with_capacity(rows.len());
    for row in rows {
        let Json::Object(columns) = row else {
            return Err(Shape::BackupRow {
                table: table.to_owned(),
                row: row.to_string(),
            }
            .into());
        };
        let uuid = columns
            .get(UUID)
            .and_then(tables::uuid)
            .ok_or_else(|| Shape::BackupUuid {
                table: table.to_owned(),
                row: row.to_string(),
            })?;
        by_uuid.push((uuid, columns));
    }
    // As texts they have the same order.
    by_uuid.sort_by_key(|(uuid, _)| *uuid);
    let mut object = Vec::new();
    let mut members = Members::begin(&mut object);
    for (uuid, columns) in by_uuid {
        let mut row = Members::begin(members.next(&uuid.to_string()));
        for (name, value) in columns.iter().filter(|(name, _)| *name != UUID) {
            value.write_to(row.next(name));
        }
        row.end();
    }
    members.end();
    Ok(object)
}

/// The text of an object in the making.
struct Members<'o> {
    out: &'o mut Vec<u8>,
    is_first: bool,
}

impl<'o> Members<'o> {
    fn begin(out: &'o mut Vec<u8>) -> Members<'o> {
        out.push(b'{');
        Members {
            out,
            is_first: true,
        }
    }

    /// Writes the name of the next member; its value goes behind that.
    fn next(&mut self, name: &str) -> &mut Vec<u8> {
        if !std::mem::take(&mut self.is_first) {
            self.out.push(b',');
        }
        Json::string(name).write_to(self.out);
        self.out.push(b':');
        self.out
    }

    fn end(self) {
        self.out.push(b'}');
    }
}

/// Prints a record of a database file.
fn record(mut payload: Vec<u8>, out: &mut Output) -> Result<(), ClientError> {
    payload.push(b'\n');
    let mut header = Vec::new();
    ovsdb_log::compose_header(ovsdb_log::STANDALONE_MAGIC, &payload, &mut header);
    out.bytes(&header)?;
    out.bytes(&payload)
}
