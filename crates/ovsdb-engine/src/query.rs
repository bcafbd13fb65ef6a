//! Which rows of a table satisfy a condition, found by lookup wherever the condition allows it.
//!
//! Rows are found in the order of their UUIDs, whichever way they are found. What is looked at in vain is reported, so that
//! columns by which many rows are looked up get an [index](crate::index).

use std::sync::Arc;

use ovsdb_proto::condition::{Clause, Condition, Function};
use ovsdb_proto::schema::{ColumnId, TableSchema};
use ovsdb_proto::uuid::Uuid;
use smallvec::SmallVec;

use crate::database::{Chunks, IndexKey, Row, Table};
use crate::index::{ColumnIndex, Search};

/// The rows of `table` that satisfy `condition`.
///
/// `_uuid ==` and `==` on all columns of an index are lookups, and so are `==` and `includes` on a column that has got an
/// index by use; anything else looks at each row.
pub(crate) fn matching_rows<'a>(
    table: &'a Table,
    schema: &TableSchema,
    condition: &'a Condition,
) -> Matches<'a> {
    if let Some(uuid) = condition.uuid() {
        let row = table.get(&uuid).filter(|row| condition.eval(row.columns()));
        return Matches::One(row.into_iter());
    }
    let (found, columns) = match key_of_index(schema, condition) {
        // Within a transaction an index may hold a key twice, outside it cannot.
        Some((index, key)) => (Some(table.index_matches(index, &key).collect()), Vec::new()),
        None => find(table, condition),
    };
    match found {
        Some(uuids) => {
            let rows = uuids.iter().filter_map(|uuid| table.get(uuid));
            let rows = rows.filter(|row| condition.eval(row.columns()));
            Matches::Few(rows.collect::<SmallVec<_>>().into_iter())
        }
        None => Matches::Scan(Scan::begin(table, condition, columns)),
    }
}

/// How many rows [`matching_rows`] looks at.
pub(crate) fn rows_tried(table: &Table, schema: &TableSchema, condition: &Condition) -> usize {
    if condition.uuid().is_some() || key_of_index(schema, condition).is_some() {
        return 1;
    }
    let (found, _) = find(table, condition);
    found.map_or(table.len(), |uuids: Vec<Uuid>| uuids.len())
}

/// A unique index by which the condition can be looked up, and the key wanted.
fn key_of_index(schema: &TableSchema, condition: &Condition) -> Option<(usize, IndexKey)> {
    let mut indexes = schema.indexes.iter().enumerate();
    indexes.find_map(|(index, columns)| {
        let values = columns
            .iter()
            .map(|&column| condition.equal_value(column).cloned());
        Some((index, values.collect::<Option<_>>()?))
    })
}

/// The rows that can meet all of `condition`, in ascending order, if indexes that have come by use tell; if not, the columns
/// whose index could tell.
fn find(table: &Table, condition: &Condition) -> (Option<Vec<Uuid>>, Vec<ColumnId>) {
    let mut columns = Vec::new();
    let mut indexes: SmallVec<[(ColumnIndex, &Clause); 1]> = SmallVec::new();
    for clause in condition
        .clauses()
        .iter()
        .filter(|clause| can_serve(clause))
    {
        match table.index_of(clause.column) {
            Some(index) => indexes.push((index, clause)),
            None => columns.push(clause.column),
        }
    }
    let mut search = Search::default();
    for (index, clause) in &indexes {
        search.push(index, &clause.arg);
    }
    let mut found = Vec::new();
    if search.find(table.len() / 2, &mut found) {
        indexes.iter().for_each(|(index, _)| index.note_use());
        (Some(found), Vec::new())
    } else {
        (None, columns)
    }
}

/// Whether an index of its column would help to find the rows that meet a clause.
fn can_serve(clause: &Clause) -> bool {
    let is_lookup = match clause.function {
        Function::Eq => true,
        // All rows include nothing.
        Function::Includes => !clause.arg.is_empty(),
        _ => false,
    };
    is_lookup && !clause.column.is_standard()
}

/// The rows found by [`matching_rows`].
pub(crate) enum Matches<'a> {
    One(std::option::IntoIter<&'a Arc<Row>>),
    Few(smallvec::IntoIter<[&'a Arc<Row>; 4]>),
    Scan(Scan<'a>),
}

/// A look at each row.
pub(crate) struct Scan<'a> {
    chunks: Chunks<'a>,
    chunk: std::slice::Iter<'a, (Uuid, Arc<Row>)>,
    condition: &'a Condition,
    table: &'a Table,
    /// Columns that could have spared it with an index.
    columns: Vec<ColumnId>,
    in_vain: usize,
}

impl<'a> Scan<'a> {
    fn begin(table: &'a Table, condition: &'a Condition, columns: Vec<ColumnId>) -> Scan<'a> {
        table.usage.begin_scan(&columns, table.len());
        let first = condition.clauses().first();
        Scan {
            chunks: table.chunks(first.map_or(ColumnId::UUID, |clause| clause.column)),
            chunk: [].iter(),
            condition,
            table,
            columns,
            in_vain: 0,
        }
    }
}

impl<'a> Iterator for Matches<'a> {
    type Item = &'a Arc<Row>;

    fn next(&mut self) -> Option<&'a Arc<Row>> {
        match self {
            Matches::One(row) => row.next(),
            Matches::Few(rows) => rows.next(),
            Matches::Scan(scan) => scan.next(),
        }
    }
}

impl<'a> Iterator for Scan<'a> {
    type Item = &'a Arc<Row>;

    fn next(&mut self) -> Option<&'a Arc<Row>> {
        loop {
            for (_, row) in self.chunk.by_ref() {
                if self.condition.eval(row.columns()) {
                    return Some(row);
                }
                self.in_vain += 1;
            }
            self.chunk = self.chunks.next()?.iter();
        }
    }
}

impl Drop for Scan<'_> {
    fn drop(&mut self) {
        let others = self.table.len() - self.in_vain;
        self.table.usage.end_scan(&self.columns, others);
    }
}
