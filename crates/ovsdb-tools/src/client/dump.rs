//! `dump`: the contents of tables, sorted so that equal contents print equally.

use std::cmp::Ordering;

use ovsdb_proto::atom::AtomType;
use ovsdb_proto::datum::Datum;
use ovsdb_proto::json::{Json, Object};
use ovsdb_proto::schema::{ColumnSchema, Schema, TableSchema};
use ovsdb_proto::words::Method;

use super::error::{ClientError, Shape};
use super::output::Output;
use super::server::Server;
use super::tables;
use crate::table::{Cell, Table};

pub(crate) async fn dump(
    server: &Server,
    database: &str,
    args: &[String],
    out: &mut Output,
) -> Result<(), ClientError> {
    let schema = server.schema(database, out).await?;
    let selection = select(&schema, args)?;

    let mut transaction = vec![Json::string(database)];
    for (table, columns) in &selection {
        transaction.push(tables::select(
            &table.name,
            columns.iter().map(|column| column.name.as_str()),
        ));
    }
    let reply = server
        .call(Method::Transact.as_str(), transaction, out)
        .await?;
    for ((table, columns), rows) in selection
        .iter()
        .zip(tables::rows(&reply, selection.iter().map(|(t, _)| *t))?)
    {
        print(table, columns, rows?, out)?;
    }
    Ok(())
}

/// The tables and columns to show, each by name.
fn select<'s>(
    schema: &'s Schema,
    args: &[String],
) -> Result<Vec<(&'s TableSchema, Vec<&'s ColumnSchema>)>, ClientError> {
    let Some((table, columns)) = args.split_first() else {
        return Ok(schema
            .tables
            .iter()
            .map(|table| (table, shown(table.columns.iter())))
            .collect());
    };
    let table = schema
        .table_by_name(table)
        .ok_or_else(|| ClientError::DumpTable(table.clone()))?
        .1;
    if columns.is_empty() {
        return Ok(vec![(table, shown(table.columns.iter()))]);
    }
    let named = columns.iter().map(|column| {
        tables::column(table, column).ok_or_else(|| ClientError::DumpColumn {
            table: table.name.to_string(),
            column: column.clone(),
        })
    });
    let named: Vec<_> = named.collect::<Result<_, _>>()?;
    Ok(vec![(table, shown(named.into_iter()))])
}

/// `_version` changes with every transaction and says nothing about the contents.
fn shown<'s>(columns: impl Iterator<Item = &'s ColumnSchema>) -> Vec<&'s ColumnSchema> {
    let mut columns: Vec<_> = columns.filter(|column| column.name != "_version").collect();
    columns.sort_by(|a, b| a.name.as_bytes().cmp(b.name.as_bytes()));
    columns
}

fn print(
    schema: &TableSchema,
    columns: &[&ColumnSchema],
    rows: &[Json],
    out: &mut Output,
) -> Result<(), ClientError> {
    let mut data = Vec::with_capacity(rows.len());
    for (y, row) in rows.iter().enumerate() {
        let object = row.as_object().ok_or_else(|| Shape::RowNotObject {
            row: y,
            table: schema.name.to_string(),
            value: row.to_string(),
        })?;
        let mut cells = Vec::with_capacity(columns.len());
        for column in columns {
            // What the server holds is not for the client to judge.
            cells.push(Datum::unconstrained_from_json(
                value(object, y, schema, column)?,
                &column.ty,
            )?);
        }
        data.push(cells);
    }
    data.sort_by(|a, b| compare(columns, a, b));

    let mut table = Table::new(columns.iter().map(|column| column.name.as_str()))
        .with_caption(format!("{} table", schema.name));
    for row in data {
        let cells = row.iter().zip(columns).map(|(datum, column)| Cell::Datum {
            value: datum.to_json(&column.ty),
            ty: &column.ty,
        });
        table.push_row(cells.collect());
    }
    out.table(&table, None)
}

fn value<'r>(
    row: &'r Object,
    y: usize,
    table: &TableSchema,
    column: &ColumnSchema,
) -> Result<&'r Json, Shape> {
    row.get(&column.name).ok_or_else(|| Shape::ColumnMissing {
        row: y,
        table: table.name.to_string(),
        column: column.name.to_string(),
    })
}

/// Rows are sorted by their columns from left to right, those with UUIDs as keys last: UUIDs are random, so by
/// them a dump of equal contents would come out in another order each time.
fn compare(columns: &[&ColumnSchema], a: &[Datum], b: &[Datum]) -> Ordering {
    let by = |uuids: bool| {
        let of_kind = columns
            .iter()
            .map(move |column| (column.ty.key.kind == AtomType::Uuid) == uuids);
        of_kind
            .zip(a.iter().zip(b))
            .filter(|(taken, _)| *taken)
            .map(|(_, (a, b))| a.cmp(b))
    };
    by(false)
        .chain(by(true))
        .find(|order| order.is_ne())
        .unwrap_or(Ordering::Equal)
}
