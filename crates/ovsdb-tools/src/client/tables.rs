//! Tables and rows as they travel: `select` operations, their results, and data out of them.

use ovsdb_proto::json::{Json, Object};
use ovsdb_proto::schema::{ColumnSchema, TableSchema};
use ovsdb_proto::uuid::Uuid;

use super::error::Shape;

/// The column of that name, if there is one.
pub(crate) fn column<'s>(table: &'s TableSchema, name: &str) -> Option<&'s ColumnSchema> {
    table.column_id(name).map(|id| table.column(id))
}

/// An operation that selects these columns of all rows.
pub(crate) fn select<'c>(table: &str, columns: impl Iterator<Item = &'c str>) -> Json {
    Json::Object(Object::from_iter([
        ("op", Json::string("select")),
        ("table", Json::string(table)),
        ("where", Json::Array(Vec::new())),
        ("columns", Json::Array(columns.map(Json::string).collect())),
    ]))
}

/// The rows of each of `tables` in the reply to a transaction of one [`select`] a table.
pub(crate) fn rows<'r, 's>(
    reply: &'r Json,
    tables: impl ExactSizeIterator<Item = &'s TableSchema>,
) -> Result<impl Iterator<Item = Result<&'r [Json], Shape>>, Shape> {
    let expected = tables.len();
    let results = reply
        .as_array()
        .filter(|results| results.len() == expected)
        .ok_or_else(|| Shape::ResultCount {
            expected,
            reply: reply.to_string(),
        })?;
    Ok(results.iter().zip(tables).map(|(result, table)| {
        let rows = result
            .as_object()
            .and_then(|result| result.get("rows"))
            .and_then(Json::as_array);
        rows.ok_or_else(|| Shape::NoRows {
            table: table.name.to_string(),
            result: result.to_string(),
        })
    }))
}

/// The UUID in `["uuid", "..."]`.
pub(crate) fn uuid(value: &Json) -> Option<Uuid> {
    match value.as_array()? {
        [Json::String(tag), Json::String(text)] if tag == "uuid" => Uuid::parse(text),
        _ => None,
    }
}
