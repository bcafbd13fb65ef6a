//! Which rows of a table satisfy a condition, found by lookup wherever the condition allows it.
//!
//! Rows are found in the order of their UUIDs, whichever way they are found. What is looked at in vain is reported, so that
//! columns by which many rows are looked up get an [index](crate::index).

use std::sync::Arc;

use ovsdb_proto::condition::{Clause, Condition, Function};
use ovsdb_proto::datum::Datum;
use ovsdb_proto::schema::{ColumnId, TableSchema};
use ovsdb_proto::uuid::Uuid;
use smallvec::SmallVec;

use crate::database::{Chunks, IndexKey, Row, Table};
use crate::index::{ColumnIndex, RANGE_COST, Range, Search};

/// The rows of `table` that satisfy `condition`.
///
/// `_uuid ==` and `==` on all columns of an index are lookups, and so are `==` and `includes` on a column that has got an
/// index by use, and `<`, `<=`, `>` and `>=` if they admit few rows; anything else looks at each row.
pub(crate) fn matching_rows<'a>(
    table: &'a Table,
    schema: &TableSchema,
    condition: &'a Condition,
) -> Matches<'a> {
    if let Some(uuid) = condition.uuid() {
        let row = table.get(&uuid).filter(|row| condition.eval(row.columns()));
        return Matches::One(row.into_iter());
    }
    let found = match key_of_index(schema, condition) {
        // Within a transaction an index may hold a key twice, outside it cannot.
        Some((index, key)) => Ok(table.index_matches(index, &key).collect()),
        None => find(table, condition),
    };
    match found {
        Ok(uuids) => {
            let rows = uuids.iter().filter_map(|uuid| table.get(uuid));
            let rows = rows.filter(|row| condition.eval(row.columns()));
            Matches::Few(rows.collect::<SmallVec<_>>().into_iter())
        }
        Err(missing) => Matches::Scan(Scan::begin(table, condition, missing)),
    }
}

/// How many rows [`matching_rows`] looks at.
pub(crate) fn rows_tried(table: &Table, schema: &TableSchema, condition: &Condition) -> usize {
    if condition.uuid().is_some() || key_of_index(schema, condition).is_some() {
        return 1;
    }
    find(table, condition).map_or(table.len(), |uuids| uuids.len())
}

/// Whether [`matching_rows`] may look anything up in an index.
pub(crate) fn is_found_by_index(
    table: &Table,
    schema: &TableSchema,
    condition: &Condition,
) -> bool {
    let has_index = |clause: &Clause| table.index_of(clause.column).is_some();
    condition.uuid().is_none()
        && (key_of_index(schema, condition).is_some() || condition.clauses().iter().any(has_index))
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

/// Columns whose index could tell which rows can meet a condition.
#[derive(Default)]
struct Missing {
    /// Those of which a value or elements are wanted.
    exact: SmallVec<[ColumnId; 2]>,
    /// Those that are compared.
    ordered: SmallVec<[ColumnId; 2]>,
}

/// Rows of a table of `rows` rows that an index may find by a value or an element: more are read through as quickly. By a
/// range of values it is worth while for fewer, see [`RANGE_COST`].
fn found_max(rows: usize) -> usize {
    rows / 2
}

/// The rows that can meet all of `condition`, in ascending order, if indexes that have come by use tell; if not, the columns
/// whose index could tell.
fn find(table: &Table, condition: &Condition) -> Result<Vec<Uuid>, Missing> {
    let mut missing = Missing::default();
    let mut indexes: SmallVec<[(ColumnIndex, Wanted<'_>); 1]> = SmallVec::new();
    for clause in condition.clauses() {
        let Some(wanted) = Wanted::by(clause) else {
            continue;
        };
        let of_column = indexes
            .iter_mut()
            .filter(|(index, _)| index.column() == clause.column);
        let mut of_column = of_column.map(|(_, other)| other);
        if of_column.any(|other| other.narrow(&wanted)) {
            continue;
        }
        if let Some(index) = table.index_of(clause.column) {
            indexes.push((index, wanted));
            continue;
        }
        let columns = match wanted {
            Wanted::Elements(_) => &mut missing.exact,
            Wanted::Range(_) => &mut missing.ordered,
        };
        if !columns.contains(&clause.column) {
            columns.push(clause.column);
        }
    }
    let mut search = Search::default();
    for (index, wanted) in &indexes {
        match wanted {
            Wanted::Elements(elements) => search.push(index, elements),
            Wanted::Range(range) => search.push_range(index, *range),
        }
    }
    let mut found = Vec::new();
    if search.find(found_max(table.len()), &mut found) {
        indexes.iter().for_each(|(index, _)| index.note_use());
        Ok(found)
    } else {
        Err(missing)
    }
}

/// What an index is to be asked for.
enum Wanted<'c> {
    /// All of these, or none if there are none.
    Elements(&'c Datum),
    /// The only element, in this range.
    Range(Range),
}

impl<'c> Wanted<'c> {
    /// What rows have that meet a clause, if an index of its column would help to find them.
    fn by(clause: &'c Clause) -> Option<Wanted<'c>> {
        if clause.column.is_standard() {
            return None;
        }
        match clause.function {
            Function::Eq => Some(Wanted::Elements(&clause.arg)),
            // All rows include nothing.
            Function::Includes => (!clause.arg.is_empty()).then_some(Wanted::Elements(&clause.arg)),
            _ => Range::of(clause).map(Wanted::Range),
        }
    }

    /// Asks for what is asked for by `other` as well, if that can be said in one.
    fn narrow(&mut self, other: &Wanted<'_>) -> bool {
        match (self, other) {
            (Wanted::Range(range), Wanted::Range(other)) => {
                *range = range.and(*other);
                true
            }
            _ => false,
        }
    }
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
    missing: Missing,
    in_vain: usize,
}

impl<'a> Scan<'a> {
    fn begin(table: &'a Table, condition: &'a Condition, missing: Missing) -> Scan<'a> {
        table.usage.begin_scan(&missing.exact, table.len());
        table.usage.begin_scan(&missing.ordered, table.len());
        let first = condition.clauses().first();
        Scan {
            chunks: table.chunks(first.map_or(ColumnId::UUID, |clause| clause.column)),
            chunk: [].iter(),
            condition,
            table,
            missing,
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
        let rows = self.table.len();
        let others = rows - self.in_vain;
        self.table.usage.end_scan(&self.missing.exact, others);
        // With as many rows in the range an index would not be asked.
        let is_wide = others > found_max(rows) / RANGE_COST;
        let others = if is_wide { rows } else { others };
        self.table.usage.end_scan(&self.missing.ordered, others);
    }
}
