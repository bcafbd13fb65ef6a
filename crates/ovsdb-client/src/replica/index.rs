//! Finding rows by what is in their columns.
//!
//! An index is part of each version: a persistent map from keys to rows, kept by updates. Nothing is indexed that nobody asked
//! for, and no index changes what is found by looking at every row.

use std::sync::Arc;

use ecow::EcoString;
use ovsdb_pmap::PMap;
use ovsdb_proto::atom::Atom;
use ovsdb_proto::datum::Datum;
use ovsdb_proto::schema::{ColumnId, Projection, Schema, TableId};
use ovsdb_proto::uuid::Uuid;

use super::tables::Tables;
use super::version::Row;

/// By what rows of a table are to be found: one thing after another, in this order.
#[derive(Clone, Debug, PartialEq)]
pub struct Index {
    table: EcoString,
    parts: Vec<Part<EcoString>>,
}

/// A part of a key, of a column that is given by its name or number.
#[derive(Clone, Debug, PartialEq)]
enum Part<C> {
    /// The whole value.
    Value(C),
    /// Any element of a set, or key of a map.
    Element(C),
    /// The value that a map has for a key.
    ValueOf(C, Atom),
}

impl Index {
    /// An index of the rows of `table`, by nothing yet.
    pub fn on(table: impl Into<EcoString>) -> Index {
        Index {
            table: table.into(),
            parts: Vec::new(),
        }
    }

    /// By the value of a column.
    #[must_use]
    pub fn value(mut self, column: impl Into<EcoString>) -> Index {
        self.parts.push(Part::Value(column.into()));
        self
    }

    /// By any element of a set, or any key of a map. A row is found by each.
    #[must_use]
    pub fn element(mut self, column: impl Into<EcoString>) -> Index {
        self.parts.push(Part::Element(column.into()));
        self
    }

    /// By the value that a map has for `key`. A row that has none is not found.
    #[must_use]
    pub fn value_of(mut self, column: impl Into<EcoString>, key: impl Into<Atom>) -> Index {
        self.parts.push(Part::ValueOf(column.into(), key.into()));
        self
    }

    /// The same by numbers, if the schema has the table and the columns.
    fn resolve(&self, schema: &Schema) -> Option<(TableId, Vec<Part<ColumnId>>)> {
        let (id, table) = schema.table_by_name(&self.table)?;
        let parts = self.parts.iter().map(|part| {
            Some(match part {
                Part::Value(column) => Part::Value(table.column_id(column)?),
                Part::Element(column) => Part::Element(table.column_id(column)?),
                Part::ValueOf(column, key) => Part::ValueOf(table.column_id(column)?, key.clone()),
            })
        });
        Some((id, parts.collect::<Option<_>>()?))
    }
}

/// The parts of a key by which a row is found: values, and elements as values of one element.
type Key = Arc<[Datum]>;

/// An index of the rows of one version.
#[derive(Clone, Debug)]
pub(super) struct Entries {
    index: Arc<Index>,
    /// What it is about; `None`: the table or a column is not there, and nothing is found.
    place: Option<Arc<(TableId, Vec<Part<ColumnId>>)>>,
    entries: PMap<(Key, Uuid), ()>,
}

impl Entries {
    /// An index of these tables' rows.
    pub(super) fn of(index: Arc<Index>, projection: &Projection, tables: &Tables<Row>) -> Entries {
        let place = index.resolve(&projection.schema).map(Arc::new);
        let mut entries = Vec::new();
        if let Some(place) = &place {
            let (table, parts) = &**place;
            for (uuid, row) in tables.rows(*table).iter() {
                entries.extend(keys(parts, row).into_iter().map(|key| ((key, *uuid), ())));
            }
        }
        entries.sort_unstable_by(|(a, ()), (b, ())| a.cmp(b));
        Entries {
            index,
            place,
            entries: PMap::from_sorted(entries),
        }
    }

    pub(super) fn index(&self) -> &Arc<Index> {
        &self.index
    }

    /// Takes over what became of a row.
    pub(super) fn update(
        &mut self,
        table: TableId,
        uuid: Uuid,
        old: Option<&Row>,
        new: Option<&Row>,
    ) {
        let Some(place) = &self.place else {
            return;
        };
        let (own, parts) = &**place;
        if *own != table {
            return;
        }
        let keys = |row: Option<&Row>| row.map_or_else(Vec::new, |row| keys(parts, row));
        let (old, new) = (keys(old), keys(new));
        for key in old.iter().filter(|key| !new.contains(key)) {
            self.entries.remove(&(Arc::clone(key), uuid));
        }
        for key in new.iter().filter(|key| !old.contains(key)) {
            self.entries.insert((Arc::clone(key), uuid), ());
        }
    }

    /// The table, and the rows whose keys begin at `first`, in order of the keys.
    pub(super) fn from(
        &self,
        first: &[Datum],
    ) -> Option<(TableId, impl Iterator<Item = (&[Datum], Uuid)>)> {
        let (table, _) = **self.place.as_ref()?;
        let first = (Key::from(first), Uuid::ZERO);
        let entries = self.entries.range_from(&first);
        Some((table, entries.map(|((key, uuid), ())| (&**key, *uuid))))
    }
}

/// The keys of a row, each once.
fn keys(parts: &[Part<ColumnId>], row: &Row) -> Vec<Key> {
    let mut keys: Vec<Vec<Datum>> = vec![Vec::new()];
    for part in parts {
        let choices: Vec<Datum> = match part {
            Part::Value(column) => vec![row.get(*column).clone()],
            Part::Element(column) => {
                let elements = row.get(*column).keys().cloned();
                elements.map(Datum::from_atom).collect()
            }
            Part::ValueOf(column, key) => {
                let value = row.get(*column).get(key).cloned();
                value.map(Datum::from_atom).into_iter().collect()
            }
        };
        let longer = keys.iter().flat_map(|key| {
            choices
                .iter()
                .map(move |choice| key.iter().chain([choice]).cloned().collect())
        });
        keys = longer.collect();
    }
    keys.into_iter().map(Key::from).collect()
}

#[cfg(test)]
mod tests;
