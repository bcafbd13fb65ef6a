//! Values of columns: single ones, optional ones, sets and maps.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::marker::PhantomData;

use ovsdb_proto::atom::AtomType;
use ovsdb_proto::datum::Datum;
use ovsdb_proto::types::ColumnType;
use ovsdb_proto::value::{Term, Value};

use super::scalar::Scalar;

/// A Rust type for the values of a column.
#[diagnostic::on_unimplemented(
    message = "a column of the database cannot hold `{Self}`",
    label = "no type of a column's values",
    note = "a column holds a `String`, `i64`, `f64`, `bool`, `Uuid`, `Ref` or `Word`, or an `Option`, `BTreeSet` or `BTreeMap` of these"
)]
pub trait ColumnValue: Sized {
    /// Which columns it is for.
    const SHAPE: Shape;

    /// What is read of a value without copying it.
    type View<'r>;

    /// The value of a column, or that of a row which was given none.
    fn view(datum: Option<&Datum>) -> Self::View<'_>;

    /// A copy of the value of a column.
    fn read(datum: Option<&Datum>) -> Self;

    /// The value as the protocol has it.
    fn to_value(&self) -> Value;
}

/// What a column must be for a type to be that of its values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// The type of the values, or of the keys of a map.
    pub key: AtomType,
    /// The type of the values of a map.
    pub value: Option<AtomType>,
    /// How many values there may be.
    pub many: Many,
}

/// How many values a type holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Many {
    /// Exactly one.
    One,
    /// None or one.
    Optional,
    /// Any number.
    Any,
}

impl Shape {
    const fn of<S: Scalar>(many: Many) -> Shape {
        Shape {
            key: S::KIND,
            value: None,
            many,
        }
    }

    /// Whether each value of a column of type `ty` has its place in the Rust type.
    pub fn holds(&self, ty: &ColumnType) -> bool {
        let many = match self.many {
            Many::One => ty.min == 1 && ty.max == 1,
            Many::Optional => ty.max == 1,
            Many::Any => true,
        };
        many && self.has_atoms_of(ty)
    }

    /// Whether the elements or pairs of a column of type `ty` are of the types that the Rust type has, however many there may
    /// be.
    pub fn has_atoms_of(&self, ty: &ColumnType) -> bool {
        self.key == ty.key.kind && self.value == ty.value.as_ref().map(|base| base.kind)
    }

    /// Whether a value of so many elements or pairs has its place in the Rust type.
    pub fn has_room_for(&self, count: usize) -> bool {
        match self.many {
            Many::One => count == 1,
            Many::Optional => count <= 1,
            Many::Any => true,
        }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let many = match self.many {
            Many::One => "one",
            Many::Optional => "at most one",
            Many::Any => "any number of",
        };
        write!(f, "{many} {}", self.key)?;
        match self.value {
            Some(value) => write!(f, " with a {value} each"),
            None => Ok(()),
        }
    }
}

impl<S: Scalar> ColumnValue for S {
    const SHAPE: Shape = Shape::of::<S>(Many::One);

    type View<'r> = S::View<'r>;

    fn view(datum: Option<&Datum>) -> S::View<'_> {
        S::view_or_default(datum.and_then(Datum::first))
    }

    fn read(datum: Option<&Datum>) -> S {
        S::owned(<S as ColumnValue>::view(datum))
    }

    fn to_value(&self) -> Value {
        Value::One(Term::Atom(self.to_atom()))
    }
}

impl<S: Scalar> ColumnValue for Option<S> {
    const SHAPE: Shape = Shape::of::<S>(Many::Optional);

    type View<'r> = Option<S::View<'r>>;

    fn view(datum: Option<&Datum>) -> Option<S::View<'_>> {
        S::view(datum?.first()?)
    }

    fn read(datum: Option<&Datum>) -> Option<S> {
        Self::view(datum).map(S::owned)
    }

    fn to_value(&self) -> Value {
        Value::Set(self.iter().map(term).collect())
    }
}

impl<S: Scalar + Ord> ColumnValue for BTreeSet<S> {
    const SHAPE: Shape = Shape::of::<S>(Many::Any);

    type View<'r> = SetView<'r, S>;

    fn view(datum: Option<&Datum>) -> SetView<'_, S> {
        SetView {
            datum,
            element: PhantomData,
        }
    }

    fn read(datum: Option<&Datum>) -> BTreeSet<S> {
        Self::view(datum).iter().map(S::owned).collect()
    }

    fn to_value(&self) -> Value {
        Value::Set(self.iter().map(term).collect())
    }
}

impl<K: Scalar + Ord, V: Scalar> ColumnValue for BTreeMap<K, V> {
    const SHAPE: Shape = Shape {
        key: K::KIND,
        value: Some(V::KIND),
        many: Many::Any,
    };

    type View<'r> = MapView<'r, K, V>;

    fn view(datum: Option<&Datum>) -> MapView<'_, K, V> {
        MapView {
            datum,
            pair: PhantomData,
        }
    }

    fn read(datum: Option<&Datum>) -> BTreeMap<K, V> {
        let pairs = Self::view(datum).iter();
        pairs
            .map(|(key, value)| (K::owned(key), V::owned(value)))
            .collect()
    }

    fn to_value(&self) -> Value {
        let pairs = self.iter().map(|(key, value)| (term(key), term(value)));
        Value::Map(pairs.collect())
    }
}

fn term<S: Scalar>(scalar: &S) -> Term {
    Term::Atom(scalar.to_atom())
}

/// A set in a row.
pub struct SetView<'r, S> {
    datum: Option<&'r Datum>,
    element: PhantomData<fn() -> S>,
}

impl<'r, S: Scalar> SetView<'r, S> {
    /// The number of elements.
    pub fn len(&self) -> usize {
        self.datum.map_or(0, Datum::len)
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The elements, in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = S::View<'r>> + use<'r, S> {
        let pairs = self.datum.into_iter().flat_map(Datum::iter);
        pairs.filter_map(|(key, _)| S::view(key))
    }

    /// Whether an element is one of them.
    pub fn contains(&self, element: impl Into<S>) -> bool {
        let element = element.into().to_atom();
        self.datum.is_some_and(|datum| datum.contains_key(&element))
    }
}

/// A map in a row.
pub struct MapView<'r, K, V> {
    datum: Option<&'r Datum>,
    pair: PhantomData<fn() -> (K, V)>,
}

impl<'r, K: Scalar, V: Scalar> MapView<'r, K, V> {
    /// The number of pairs.
    pub fn len(&self) -> usize {
        self.datum.map_or(0, Datum::len)
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The pairs, in ascending order of their keys.
    pub fn iter(&self) -> impl Iterator<Item = (K::View<'r>, V::View<'r>)> + use<'r, K, V> {
        let pairs = self.datum.into_iter().flat_map(Datum::iter);
        pairs.filter_map(|(key, value)| Some((K::view(key)?, V::view(value?)?)))
    }

    /// The value of a key.
    pub fn get(&self, key: impl Into<K>) -> Option<V::View<'r>> {
        let key = key.into().to_atom();
        self.datum?.get(&key).and_then(V::view)
    }
}

// By hand, because views are these whatever their elements are.
impl<S> Clone for SetView<'_, S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S> Copy for SetView<'_, S> {}

impl<S> fmt::Debug for SetView<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let elements = self.datum.into_iter().flat_map(Datum::iter);
        f.debug_set().entries(elements.map(|(key, _)| key)).finish()
    }
}

impl<K, V> Clone for MapView<'_, K, V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K, V> Copy for MapView<'_, K, V> {}

impl<K, V> fmt::Debug for MapView<'_, K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pairs = self.datum.into_iter().flat_map(Datum::iter);
        f.debug_map().entries(pairs).finish()
    }
}
