//! A monitor's condition on the rows of one table, arranged so that long lists of values are searched, not tried in turn.
//!
//! A row meets the condition if it meets at least one of its clauses (ovsdb-server(7), section 4.1.12). Of the clauses
//! that ask for a value (`==`) or for an element (`includes`) the [keys](Filter::keys) tell which rows can be concerned
//! at all, so that others can find the filters that a change concerns.

use std::sync::{Arc, OnceLock};

use ovsdb_proto::atom::Atom;
use ovsdb_proto::condition::{Clause, Condition, Function};
use ovsdb_proto::datum::Datum;
use ovsdb_proto::schema::{ColumnId, TableSchema};
use ovsdb_proto::uuid::Uuid;

use crate::database::{IndexKey, Row, Table};
use crate::index::{ColumnIndex, Search};

/// Something that a row must have to be of interest.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Key {
    /// The column has this value.
    Value(ColumnId, Datum),
    /// The column has this element, or this key if it is a map.
    Element(ColumnId, Atom),
}

/// See the module's documentation.
#[derive(Clone, Debug)]
pub enum Filter {
    /// Every row.
    All,
    /// No row.
    Nothing,
    /// Rows that meet at least one clause.
    Any(Clauses),
}

/// Clauses of which a row must meet one.
#[derive(Clone, Debug, Default)]
pub struct Clauses {
    /// `==`, by column: the values, sorted.
    values: Vec<(ColumnId, Vec<Datum>)>,
    /// For each of these columns the number of the index of the schema, if it has one, that is about it alone.
    unique: Vec<Option<usize>>,
    /// `includes`, by column: the first element and all of them, sorted by the first.
    elements: Vec<(ColumnId, Vec<(Atom, Datum)>)>,
    /// Everything else.
    others: Vec<Clause>,
    /// See [`Filter::keys`]; made when first asked for.
    keys: OnceLock<Vec<Key>>,
}

impl Filter {
    /// The filter for the rows of `table` that meet `condition`.
    pub fn new(table: &TableSchema, condition: &Condition) -> Filter {
        if condition.is_true_for_monitor() {
            return Filter::All;
        }
        let mut sorted = Clauses::default();
        for clause in condition.clauses() {
            let column = clause.column;
            let is_value = match clause.function {
                Function::False => continue,
                Function::Eq => true,
                // One value of one: to include it is to be it.
                Function::Includes => table.column(column).ty.is_scalar(),
                _ => false,
            };
            if is_value {
                group(&mut sorted.values, column).push(clause.arg.clone());
            } else if clause.function != Function::Includes {
                sorted.others.push(clause.clone());
            } else if let Some(first) = clause.arg.first() {
                group(&mut sorted.elements, column).push((first.clone(), clause.arg.clone()));
            } else {
                // Whatever the column holds, nothing is missing of nothing.
                return Filter::All;
            }
        }
        for (_, values) in &mut sorted.values {
            values.sort_unstable();
            values.dedup();
        }
        let of_column = |column: ColumnId| {
            let mut indexes = table.indexes.iter();
            indexes.position(|columns| columns[..] == [column])
        };
        let columns = sorted.values.iter().map(|(column, _)| *column);
        sorted.unique = columns.map(of_column).collect();
        for (_, elements) in &mut sorted.elements {
            elements.sort_unstable();
            elements.dedup();
        }
        if sorted.values.is_empty() && sorted.elements.is_empty() && sorted.others.is_empty() {
            return Filter::Nothing;
        }
        Filter::Any(sorted)
    }

    /// Whether the row is of interest.
    pub fn admits(&self, row: &Row) -> bool {
        match self {
            Filter::All => true,
            Filter::Nothing => false,
            Filter::Any(clauses) => clauses.admit(row),
        }
    }

    /// Keys, sorted, of which every row that is of interest has at least one; `None` if there are no such keys, so that every row
    /// has to be looked at. They are arranged when this is called for the first time.
    pub fn keys(&self) -> Option<&[Key]> {
        match self {
            Filter::All => None,
            Filter::Nothing => Some(&[]),
            Filter::Any(clauses) if !clauses.others.is_empty() => None,
            Filter::Any(clauses) => Some(clauses.keys.get_or_init(|| clauses.arrange_keys())),
        }
    }

    /// The rows of `table` that can be of interest, in ascending order, if that can be told without looking at each of them.
    pub(crate) fn find(&self, table: &Table) -> Option<Vec<Uuid>> {
        match self {
            Filter::All => None,
            Filter::Nothing => Some(Vec::new()),
            Filter::Any(clauses) => clauses.find(table),
        }
    }

    /// Calls `tell` with each row of `table` that is of interest, in the order of their UUIDs.
    pub(crate) fn for_each<'a>(&self, table: &'a Table, mut tell: impl FnMut(&'a Arc<Row>)) {
        let Filter::Any(clauses) = self else {
            if let Filter::All = self {
                table.iter().for_each(tell);
            }
            return;
        };
        if let Some(found) = clauses.find(table) {
            let rows = found.iter().filter_map(|uuid| table.get(uuid));
            return rows.filter(|row| clauses.admit(row)).for_each(tell);
        }
        let missing = clauses.missing(table);
        table.usage.begin_scan(&missing, table.len());
        let mut found = 0;
        for (_, row) in table.chunks(clauses.first_column()).flatten() {
            if clauses.admit(row) {
                tell(row);
                found += 1;
            }
        }
        table.usage.end_scan(&missing, found);
    }

    /// Notes that all rows of `table` are about to be looked at, because [`Filter::find`] did not tell.
    pub(crate) fn begin_scan(&self, table: &Table) {
        if let Filter::Any(clauses) = self {
            let missing = clauses.missing(table);
            table.usage.begin_scan(&missing, table.len());
        }
    }

    /// Notes that `found` of them were of interest.
    pub(crate) fn go_on_scan(&self, table: &Table, found: usize) {
        if let Filter::Any(clauses) = self {
            table.usage.end_scan(&clauses.missing(table), found);
        }
    }

    /// The column that [`Filter::admits`] looks at first, if it looks at any.
    pub(crate) fn first_column(&self) -> Option<ColumnId> {
        match self {
            Filter::Any(clauses) => Some(clauses.first_column()),
            Filter::All | Filter::Nothing => None,
        }
    }

    /// How many rows of `table` [`Filter::for_each`] looks at.
    pub(crate) fn rows_tried(&self, table: &Table) -> usize {
        self.find(table).map_or(table.len(), |found| found.len())
    }
}

impl Clauses {
    fn admit(&self, row: &Row) -> bool {
        let has_value = |(column, values): &(ColumnId, Vec<Datum>)| {
            values.binary_search(row.get(*column)).is_ok()
        };
        let has_elements = |(column, elements): &(ColumnId, Vec<(Atom, Datum)>)| {
            any_included(elements, row.get(*column))
        };
        self.values.iter().any(has_value)
            || self.elements.iter().any(has_elements)
            || self
                .others
                .iter()
                .any(|clause| clause.admits(row.get(clause.column)))
    }

    fn arrange_keys(&self) -> Vec<Key> {
        let values = self.values.iter().flat_map(|(column, values)| {
            values
                .iter()
                .map(|value| Key::Value(*column, value.clone()))
        });
        let elements = self.elements.iter().flat_map(|(column, elements)| {
            let keys = elements.iter();
            keys.map(|(first, _)| Key::Element(*column, first.clone()))
        });
        let mut keys: Vec<Key> = values.chain(elements).collect();
        keys.sort_unstable();
        keys.dedup();
        keys
    }

    /// The column that [`Clauses::admit`] looks at first.
    fn first_column(&self) -> ColumnId {
        let values = self.values.iter().map(|(column, _)| *column);
        let elements = self.elements.iter().map(|(column, _)| *column);
        let others = self.others.iter().map(|clause| clause.column);
        let mut columns = values.chain(elements).chain(others);
        columns.next().unwrap_or(ColumnId::UUID)
    }

    /// See [`Filter::find`].
    fn find(&self, table: &Table) -> Option<Vec<Uuid>> {
        if !self.others.is_empty() {
            return None;
        }
        // More are read through as quickly as they are found one by one.
        let max = table.len() / 2;
        let mut found = Vec::new();
        for ((column, values), unique) in self.values.iter().zip(&self.unique) {
            if *column == ColumnId::UUID {
                found.extend(values.iter().flat_map(Datum::uuids));
            } else if let Some(number) = unique {
                let keys = values
                    .iter()
                    .map(|value| IndexKey::from_iter([value.clone()]));
                keys.for_each(|key| found.extend(table.index_matches(*number, &key)));
            } else {
                let index = table.index_of(*column)?;
                for value in values {
                    find_by(&index, value, max, &mut found)?;
                }
            }
        }
        for (column, elements) in &self.elements {
            let index = table.index_of(*column)?;
            for (_, wanted) in elements {
                find_by(&index, wanted, max, &mut found)?;
            }
        }
        found.sort_unstable();
        found.dedup();
        Some(found)
    }

    /// The columns for want of whose index [`Clauses::find`] does not tell.
    fn missing(&self, table: &Table) -> Vec<ColumnId> {
        if !self.others.is_empty() {
            return Vec::new();
        }
        let is_served = |(column, unique): (&ColumnId, &Option<usize>)| {
            unique.is_some() || column.is_standard() || table.index_of(*column).is_some()
        };
        let values = self
            .values
            .iter()
            .map(|(column, _)| column)
            .zip(&self.unique);
        let elements = self.elements.iter().map(|(column, _)| (column, &None));
        let columns = values.chain(elements).filter(|served| !is_served(*served));
        let mut columns: Vec<ColumnId> = columns.map(|(column, _)| *column).collect();
        columns.sort_unstable();
        columns.dedup();
        columns
    }
}

/// Appends the rows that can have all elements of `wanted`; `None` if there are more than `max` then.
fn find_by(index: &ColumnIndex, wanted: &Datum, max: usize, found: &mut Vec<Uuid>) -> Option<()> {
    let mut search = Search::default();
    search.push(index, wanted);
    let room = max.checked_sub(found.len())?;
    let is_found = search.find(room, found);
    if is_found {
        index.note_use();
    }
    is_found.then_some(())
}

/// Whether `value` includes all of one of `elements`, which are sorted by their first.
fn any_included(elements: &[(Atom, Datum)], value: &Datum) -> bool {
    if elements.len() < value.len() {
        return elements
            .iter()
            .any(|(_, wanted)| wanted.includes_all(value));
    }
    value.keys().any(|key| {
        let from = elements.partition_point(|(first, _)| first < key);
        let of_key = elements[from..]
            .iter()
            .take_while(|(first, _)| first == key);
        of_key
            .into_iter()
            .any(|(_, wanted)| wanted.includes_all(value))
    })
}

/// The part of `groups` that is about `column`.
fn group<T>(groups: &mut Vec<(ColumnId, Vec<T>)>, column: ColumnId) -> &mut Vec<T> {
    let place = groups.iter().position(|(other, _)| *other == column);
    let place = place.unwrap_or_else(|| {
        groups.push((column, Vec::new()));
        groups.len() - 1
    });
    &mut groups[place].1
}
