//! Columns by constants.

use std::fmt;
use std::marker::PhantomData;

use ovsdb_proto::atom::Atom;
use ovsdb_proto::build::{self, Clause};
use ovsdb_proto::value::{Term, Value};

use super::check::{Check, Demand, Violation};
use super::value::{ColumnValue, Shape};

/// A column of the table of `M`, with values of type `V`.
pub struct Column<M, V> {
    name: &'static str,
    at: usize,
    demand: Demand,
    types: PhantomData<fn() -> (M, V)>,
}

/// A column without its types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ColumnInfo {
    /// Its name.
    pub name: &'static str,
    /// What its values are.
    pub shape: Shape,
}

impl<M, V> Column<M, V> {
    /// The column `name`, which is number `at` in [`Model::COLUMNS`](super::Model::COLUMNS).
    pub const fn new(name: &'static str, at: usize) -> Self {
        Column {
            name,
            at,
            demand: Demand {
                key: Check::Any,
                value: Check::Any,
                min: 0,
                max: u32::MAX,
            },
            types: PhantomData,
        }
    }

    /// With values, elements or keys like this.
    #[must_use]
    pub const fn keys(mut self, check: Check) -> Self {
        self.demand.key = check;
        self
    }

    /// With a map's values like this.
    #[must_use]
    pub const fn values(mut self, check: Check) -> Self {
        self.demand.value = check;
        self
    }

    /// With so many values.
    #[must_use]
    pub const fn count(mut self, min: u32, max: u32) -> Self {
        self.demand.min = min;
        self.demand.max = max;
        self
    }

    /// Its name.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Its number in [`Model::COLUMNS`](super::Model::COLUMNS).
    pub const fn at(&self) -> usize {
        self.at
    }
}

impl<M, V: ColumnValue> Column<M, V> {
    /// The column without its types.
    pub const fn info(&self) -> ColumnInfo {
        ColumnInfo {
            name: self.name,
            shape: V::SHAPE,
        }
    }

    /// The value as the protocol has it, if the schema allows it.
    ///
    /// # Errors
    /// See [`Violation`].
    pub fn check(&self, value: &V) -> Result<Value, Violation> {
        let value = value.to_value();
        self.demand.check(&value).map(|()| value)
    }

    /// An element of a set, or a key of a map, as the protocol has it, if the schema allows it.
    pub(super) fn check_key(&self, key: Atom) -> Result<Term, Violation> {
        let key = Term::Atom(key);
        self.demand.key.check(&key).map(|()| key)
    }

    /// A value of a map as the protocol has it, if the schema allows it.
    pub(super) fn check_mapped(&self, value: Atom) -> Result<Term, Violation> {
        let value = Term::Atom(value);
        self.demand.value.check(&value).map(|()| value)
    }

    /// The clause that rows meet with exactly this value.
    pub fn eq(&self, value: impl Into<V>) -> Clause {
        build::column(self.name).eq(value.into().to_value())
    }

    /// The clause that rows meet with another value.
    pub fn ne(&self, value: impl Into<V>) -> Clause {
        build::column(self.name).ne(value.into().to_value())
    }

    /// The clause that rows meet with all elements or pairs of the value.
    pub fn includes(&self, value: impl Into<V>) -> Clause {
        build::column(self.name).includes(value.into().to_value())
    }

    /// The clause that rows meet with no element or pair of the value.
    pub fn excludes(&self, value: impl Into<V>) -> Clause {
        build::column(self.name).excludes(value.into().to_value())
    }
}

// By hand, because a column is these whatever its types are.
impl<M, V> Clone for Column<M, V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<M, V> Copy for Column<M, V> {}

impl<M, V> fmt::Debug for Column<M, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Column").field(&self.name).finish()
    }
}
