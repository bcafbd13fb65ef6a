//! What a transaction does to one row.

use std::collections::{BTreeMap, BTreeSet};

use ovsdb_proto::atom::Atom;
use ovsdb_proto::datum::Datum;
use ovsdb_proto::schema::{ColumnId, TableId, TableSchema};
use ovsdb_proto::uuid::Uuid;

use crate::replica::Row;

/// A row that a transaction has to do with.
#[derive(Clone, Debug)]
pub(super) struct Edit {
    pub(super) table: TableId,
    pub(super) uuid: Uuid,
    pub(super) origin: Origin,
    pub(super) deleted: bool,
    pub(super) columns: BTreeMap<ColumnId, Write>,
    /// Columns that must still have the values of the version that the transaction stands on.
    pub(super) verified: BTreeSet<ColumnId>,
    /// Whether the row must still be there.
    pub(super) must_exist: bool,
}

/// Where a row comes from.
#[derive(Clone, Debug)]
pub(super) enum Origin {
    /// It was there.
    Old(Row),
    /// The transaction makes it.
    New {
        /// Whether it is to have its UUID on the server as well, and not only in the transaction.
        is_named_so: bool,
    },
}

/// What happens to a column.
#[derive(Clone, Debug)]
pub(super) enum Write {
    /// It gets this value.
    Whole(Datum),
    /// Some of its elements change; the others are whatever the server has.
    Parts(BTreeMap<Atom, Part>),
}

/// What happens to an element of a set, or to the pair of a map that has a key.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Part {
    /// It is there then; in a map with this value.
    Put(Option<Atom>),
    /// The pair is there then, with this value if it was not there.
    PutIfAbsent(Atom),
    /// It is not there then.
    Remove,
}

impl Edit {
    pub(super) fn new(table: TableId, uuid: Uuid, origin: Origin) -> Edit {
        Edit {
            table,
            uuid,
            origin,
            deleted: false,
            columns: BTreeMap::new(),
            verified: BTreeSet::new(),
            must_exist: false,
        }
    }

    pub(super) fn is_new(&self) -> bool {
        matches!(self.origin, Origin::New { .. })
    }

    /// What the column held before the transaction; what it has by default in a new row.
    pub(super) fn base<'a>(&'a self, table: &'a TableSchema, column: ColumnId) -> &'a Datum {
        match &self.origin {
            Origin::Old(row) => row.get(column),
            Origin::New { .. } => &table.defaults()[column.index()],
        }
    }

    /// What the column holds after the transaction, by what is known.
    pub(super) fn now(&self, table: &TableSchema, column: ColumnId) -> Datum {
        if column == ColumnId::UUID {
            return Datum::from_atom(Atom::Uuid(self.uuid));
        }
        match self.columns.get(&column) {
            None => self.base(table, column).clone(),
            Some(Write::Whole(datum)) => datum.clone(),
            Some(Write::Parts(parts)) => {
                let mut datum = self.base(table, column).clone();
                for (key, part) in parts {
                    part.apply(key, &mut datum);
                }
                datum
            }
        }
    }

    /// Whether the column has another value then.
    pub(super) fn changes(&self, table: &TableSchema, column: ColumnId) -> bool {
        self.now(table, column) != *self.base(table, column)
    }
}

impl Part {
    /// Does it to `datum`.
    pub(super) fn apply(&self, key: &Atom, datum: &mut Datum) {
        match self {
            Part::Put(Some(value)) => drop(datum.set(key.clone(), value.clone())),
            Part::Put(None) => drop(datum.insert(key.clone(), None)),
            Part::PutIfAbsent(value) => drop(datum.insert(key.clone(), Some(value.clone()))),
            Part::Remove => drop(datum.remove(key)),
        }
    }

    /// Whether it does anything to `datum`.
    pub(super) fn changes(&self, key: &Atom, datum: &Datum) -> bool {
        match self {
            Part::Put(Some(value)) => !datum.contains_pair(key, value),
            Part::Put(None) | Part::PutIfAbsent(_) => !datum.contains_key(key),
            Part::Remove => datum.contains_key(key),
        }
    }

    /// What both together do, this one first.
    pub(super) fn then(&self, next: Part) -> Part {
        match (self, next) {
            // The pair is there already.
            (Part::Put(value), Part::PutIfAbsent(_)) => Part::Put(value.clone()),
            (Part::PutIfAbsent(value), Part::PutIfAbsent(_)) => Part::PutIfAbsent(value.clone()),
            // Certainly not there.
            (Part::Remove, Part::PutIfAbsent(value)) => Part::Put(Some(value)),
            (_, next) => next,
        }
    }
}
