//! `restore --keep-uuids`: makes the contents of a database those of a snapshot, row by row, in one transaction.
//!
//! No transaction may insert a row with the UUID of one that it finds or deletes. So rows that both have are updated, and
//! only others deleted and inserted. Which those are is looked up before. The transaction begins by making sure that it is
//! still so (`wait`), and is made anew if rows have come or gone.

use std::collections::BTreeMap;

use ovsdb_engine::Database;
use ovsdb_proto::datum::Datum;
use ovsdb_proto::error::ErrorTag;
use ovsdb_proto::json::{Json, Object};
use ovsdb_proto::schema::{ColumnSchema, TableSchema};
use ovsdb_proto::uuid::Uuid;
use ovsdb_proto::words::Method;

use super::error::{ClientError, Shape};
use super::output::Output;
use super::restore::{operation, row_values};
use super::server::Server;
use super::tables;

/// How often the transaction is made anew because rows have come or gone meanwhile.
pub(super) const ATTEMPTS_MAX: usize = 20;

/// The rows of a table that the server has, with the values of columns that no operation can change.
type Present = BTreeMap<Uuid, Object>;

/// Makes the contents of the database those of `backup`.
pub(super) async fn restore(
    server: &Server,
    backup: &Database,
    out: &Output,
) -> Result<(), ClientError> {
    let database = backup.schema().name.as_str();
    require_support(server, backup, out).await?;
    for _ in 0..ATTEMPTS_MAX {
        let present = present(server, backup, out).await?;
        let steps = steps(backup, &present)?;
        let operations = steps.iter().map(|step| step.operation.clone());
        let transaction = [Json::string(database)].into_iter().chain(operations);
        let results = server
            .call(Method::Transact.as_str(), transaction.collect(), out)
            .await?;
        if is_done(&results, &steps)? {
            return Ok(());
        }
    }
    Err(ClientError::RestoreOvertaken)
}

/// The server must let a client choose UUIDs. One that does not know this finds such an operation wrong, whatever it says.
async fn require_support(
    server: &Server,
    backup: &Database,
    out: &Output,
) -> Result<(), ClientError> {
    let schema = backup.schema();
    let Some(table) = schema.tables.first() else {
        return Ok(());
    };
    let transaction = vec![
        Json::string(schema.name.as_str()),
        operation(
            "insert",
            table,
            [
                ("uuid", Json::string(uuid::Uuid::new_v4().to_string())),
                ("row", Json::Object(Object::new())),
            ],
        ),
        Json::Object(Object::from_iter([("op", Json::string("abort"))])),
    ];
    let results = server
        .call(Method::Transact.as_str(), transaction, out)
        .await?;
    let first = results.as_array().ok_or(Shape::ResultsNotArray)?.first();
    if first.and_then(tag) == Some(ErrorTag::SyntaxError) {
        return Err(ClientError::UuidsNotChosen(server.name.clone()));
    }
    Ok(())
}

/// What kind of error a result is, if it is one.
fn tag(result: &Json) -> Option<ErrorTag> {
    ErrorTag::from_text(result.as_object()?.get("error")?.as_str()?)
}

/// The rows that the server has in each table of the snapshot.
async fn present(
    server: &Server,
    backup: &Database,
    out: &Output,
) -> Result<Vec<Present>, ClientError> {
    let schema = backup.schema();
    let mut transaction = vec![Json::string(schema.name.as_str())];
    for table in &schema.tables {
        let fixed = own_columns(table).filter(|column| !column.mutable);
        let columns = ["_uuid"]
            .into_iter()
            .chain(fixed.map(|column| column.name.as_str()));
        transaction.push(tables::select(&table.name, columns));
    }
    let reply = server
        .call(Method::Transact.as_str(), transaction, out)
        .await?;
    let mut present = Vec::new();
    for (table, rows) in schema
        .tables
        .iter()
        .zip(tables::rows(&reply, schema.tables.iter())?)
    {
        let mut found = Present::new();
        for row in rows? {
            let lacking = || Shape::BackupUuid {
                table: table.name.to_string(),
                row: row.to_string(),
            };
            let row = row.as_object().ok_or_else(lacking)?;
            let uuid = row.get("_uuid").and_then(tables::uuid);
            found.insert(uuid.ok_or_else(lacking)?, row.clone());
        }
        present.push(found);
    }
    Ok(present)
}

/// The columns of a table but for those that every table has.
fn own_columns(table: &TableSchema) -> impl Iterator<Item = &ColumnSchema> {
    let columns = table.column_ids().zip(&table.columns);
    columns.filter_map(|(id, column)| (!id.is_standard()).then_some(column))
}

/// An operation of the transaction, and what it is about.
struct Step {
    operation: Json,
    table: String,
    row: Option<Uuid>,
}

/// The operations that lead from the rows that are there to those of the snapshot.
fn steps(backup: &Database, present: &[Present]) -> Result<Vec<Step>, ClientError> {
    let mut steps = Vec::new();
    // The tables that keep rows are checked before anything changes.
    let tables = || {
        let ids = backup.table_ids().zip(&backup.schema().tables);
        ids.zip(present)
            .map(|((id, table), present)| (backup.table(id), table, present))
    };
    for (rows, table, present) in tables() {
        if present.keys().any(|uuid| rows.get(uuid).is_some()) {
            steps.push(Step {
                operation: unchanged(table, present),
                table: table.name.to_string(),
                row: None,
            });
        }
    }
    for (rows, table, present) in tables() {
        let mut push = |operation, row| {
            steps.push(Step {
                operation,
                table: table.name.to_string(),
                row,
            });
        };
        let kept = present.keys().any(|uuid| rows.get(uuid).is_some());
        if kept {
            for uuid in present.keys().filter(|uuid| rows.get(uuid).is_none()) {
                let delete = operation("delete", table, [("where", is(uuid))]);
                push(delete, Some(*uuid));
            }
        } else if !present.is_empty() {
            let all = Json::Array(Vec::new());
            push(operation("delete", table, [("where", all)]), None);
        }
        for row in rows.iter() {
            let uuid = row.uuid();
            let values = || table.column_ids().map(|column| row.get(column));
            let operation = match present.get(&uuid) {
                Some(found) => {
                    agree(table, &uuid, values(), found)?;
                    let row = update(table, values());
                    operation("update", table, [("where", is(&uuid)), ("row", row)])
                }
                None => {
                    let row = row_values(table, values(), Datum::to_json);
                    let chosen = Json::string(uuid.to_string());
                    operation("insert", table, [("uuid", chosen), ("row", row)])
                }
            };
            push(operation, Some(uuid));
        }
    }
    Ok(steps)
}

/// A condition for the row of that UUID.
fn is(uuid: &Uuid) -> Json {
    Json::Array(vec![Json::Array(vec![
        Json::string("_uuid"),
        Json::string("=="),
        reference(uuid),
    ])])
}

fn reference(uuid: &Uuid) -> Json {
    Json::Array(vec![Json::string("uuid"), Json::string(uuid.to_string())])
}

/// An operation that fails if a table has other rows than these.
fn unchanged(table: &TableSchema, present: &Present) -> Json {
    let rows = present
        .keys()
        .map(|uuid| Json::Object(Object::from_iter([("_uuid", reference(uuid))])));
    operation(
        "wait",
        table,
        [
            ("timeout", Json::Integer(0)),
            ("where", Json::Array(Vec::new())),
            ("columns", Json::Array(vec![Json::string("_uuid")])),
            ("until", Json::string("==")),
            ("rows", Json::Array(rows.collect())),
        ],
    )
}

/// The values of all columns that may change, ephemeral ones included: these begin anew.
fn update<'r>(table: &TableSchema, values: impl Iterator<Item = &'r Datum>) -> Json {
    let mut row = Object::new();
    for ((id, column), value) in table.column_ids().zip(&table.columns).zip(values) {
        if !id.is_standard() && column.mutable {
            row.insert(column.name.clone(), value.to_json(&column.ty));
        }
    }
    Json::Object(row)
}

/// A row that is there must have the values of the snapshot in the columns that no operation can change.
fn agree<'r>(
    table: &TableSchema,
    uuid: &Uuid,
    values: impl Iterator<Item = &'r Datum>,
    found: &Object,
) -> Result<(), ClientError> {
    for ((id, column), value) in table.column_ids().zip(&table.columns).zip(values) {
        if id.is_standard() || column.mutable {
            continue;
        }
        let there = found.get(&column.name).ok_or_else(|| Shape::RowLacks {
            table: table.name.to_string(),
            row: *uuid,
            column: column.name.to_string(),
        })?;
        if Datum::unconstrained_from_json(there, &column.ty)? != *value {
            return Err(ClientError::RestoreFixed {
                table: table.name.to_string(),
                row: *uuid,
                column: column.name.to_string(),
            });
        }
    }
    Ok(())
}

/// Whether the transaction has taken effect; not, if rows have come or gone before.
fn is_done(results: &Json, steps: &[Step]) -> Result<bool, ClientError> {
    let results = results.as_array().ok_or(Shape::ResultsNotArray)?;
    for (number, result) in results.iter().enumerate() {
        let object = result.as_object().ok_or(Shape::ResultNotObject)?;
        if !object.contains("error") {
            continue;
        }
        return match steps.get(number) {
            // Only those operations wait that make sure of the rows.
            Some(_) if tag(result) == Some(ErrorTag::TimedOut) => Ok(false),
            Some(step) => Err(ClientError::RestoreOperation {
                table: step.table.clone(),
                row: step.row,
                error: result.to_string(),
            }),
            // What is wrong with the transaction as a whole.
            None => Err(ClientError::Operation(result.to_string())),
        };
    }
    Ok(true)
}
