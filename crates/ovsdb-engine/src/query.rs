//! Which rows of a table satisfy a condition, found by lookup wherever the condition allows it.

use std::sync::Arc;

use ovsdb_proto::condition::Condition;
use ovsdb_proto::schema::TableSchema;
use ovsdb_proto::uuid::Uuid;

use crate::database::{IndexKey, Row, Table};

/// The rows of `table` that satisfy `condition`.
///
/// `_uuid ==` and `==` on all columns of an index are lookups; anything else looks at each row.
pub(crate) fn matching_rows<'a>(
    table: &'a Table,
    schema: &TableSchema,
    condition: &'a Condition,
) -> Matches<'a> {
    if let Some(uuid) = condition.uuid() {
        let row = table.get(&uuid).filter(|row| condition.eval(row.columns()));
        return Matches::One(row.into_iter());
    }
    for (index, columns) in schema.indexes.iter().enumerate() {
        let values = columns
            .iter()
            .map(|&column| condition.equal_value(column).cloned());
        if let Some(key) = values.collect::<Option<IndexKey>>() {
            // Within a transaction an index may hold a key twice, outside it cannot.
            let rows = table
                .index_matches(index, &key)
                .filter_map(|uuid| table.get(&uuid));
            let rows: Vec<_> = rows.filter(|row| condition.eval(row.columns())).collect();
            return Matches::Few(rows.into_iter());
        }
    }
    Matches::Scan(table.rows.iter(), condition)
}

/// How many rows [`matching_rows`] looks at.
pub(crate) fn rows_tried(table: &Table, schema: &TableSchema, condition: &Condition) -> usize {
    let is_lookup = condition.uuid().is_some()
        || schema.indexes.iter().any(|columns| {
            columns
                .iter()
                .all(|&column| condition.equal_value(column).is_some())
        });
    if is_lookup { 1 } else { table.len() }
}

/// The rows found by [`matching_rows`].
pub(crate) enum Matches<'a> {
    One(std::option::IntoIter<&'a Arc<Row>>),
    Few(std::vec::IntoIter<&'a Arc<Row>>),
    Scan(crate::pmap::Iter<'a, Uuid, Arc<Row>>, &'a Condition),
}

impl<'a> Iterator for Matches<'a> {
    type Item = &'a Arc<Row>;

    fn next(&mut self) -> Option<&'a Arc<Row>> {
        match self {
            Matches::One(row) => row.next(),
            Matches::Few(rows) => rows.next(),
            Matches::Scan(rows, condition) => rows
                .map(|(_, row)| row)
                .find(|row| condition.eval(row.columns())),
        }
    }
}
