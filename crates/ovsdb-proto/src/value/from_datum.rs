//! What programs make of the values that columns hold: numbers, strings, options, lists, sets and maps.
//!
//! Constraints of columns do not matter here. That a real number happens to be integral does not either: without a schema
//! its text is that of an integer.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::{BuildHasher, Hash};

use ecow::EcoString;

use crate::atom::{Atom, AtomType};
use crate::datum::Datum;
use crate::uuid::Uuid;

/// Why a value is not what the program wants.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WrongValue {
    /// An atom is of another type.
    #[error("expected {expected}, found {found}")]
    Kind {
        /// The type that the program wants.
        expected: AtomType,
        /// The type of the atom.
        found: AtomType,
    },
    /// An integer is beyond what the program's type can hold.
    #[error("{value} is out of range for {into}")]
    Range {
        /// The integer.
        value: i64,
        /// The name of the program's type.
        into: &'static str,
    },
    /// There is not exactly one element.
    #[error("expected exactly one value, found {0}")]
    NotOne(usize),
    /// There is more than one element.
    #[error("expected at most one value, found {0}")]
    NotOptional(usize),
    /// A map is there where a set is wanted.
    #[error("expected a set, found a map")]
    NotSet,
    /// A set is there where a map is wanted.
    #[error("expected a map, found a set")]
    NotMap,
    /// The value names a row that a transaction has yet to make.
    #[error("named row {0:?} has no UUID yet")]
    Named(EcoString),
}

/// A type that an atom can become.
pub trait FromAtom: Sized {
    /// What the atom is as this type.
    ///
    /// # Errors
    /// The atom is of another kind, or beyond what this type can hold.
    fn from_atom(atom: &Atom) -> Result<Self, WrongValue>;
}

/// A type that the contents of a column can become.
///
/// Scalars want exactly one element, `Option` at most one; `Vec` and sets want a set, maps a map. Of the empty datum
/// nobody can tell whether it is a set or a map, so it is either.
pub trait FromDatum: Sized {
    /// What the datum is as this type.
    ///
    /// # Errors
    /// The datum is of another form.
    fn from_datum(datum: &Datum) -> Result<Self, WrongValue>;
}

fn wrong_kind(expected: AtomType, atom: &Atom) -> WrongValue {
    WrongValue::Kind {
        expected,
        found: atom.kind(),
    }
}

macro_rules! integers {
    ($($target:ty)*) => {$(
        impl FromAtom for $target {
            fn from_atom(atom: &Atom) -> Result<$target, WrongValue> {
                let value = atom.as_integer().ok_or_else(|| wrong_kind(AtomType::Integer, atom))?;
                <$target>::try_from(value)
                    .map_err(|_| WrongValue::Range { value, into: stringify!($target) })
            }
        }
    )*};
}

integers! { i8 u8 i16 u16 i32 u32 i64 u64 isize usize }

impl FromAtom for f64 {
    fn from_atom(atom: &Atom) -> Result<f64, WrongValue> {
        match atom {
            Atom::Real(value) => Ok(*value),
            // The text of an integral real is that of an integer.
            Atom::Integer(value) => Ok(*value as f64),
            _ => Err(wrong_kind(AtomType::Real, atom)),
        }
    }
}

impl FromAtom for bool {
    fn from_atom(atom: &Atom) -> Result<bool, WrongValue> {
        atom.as_bool()
            .ok_or_else(|| wrong_kind(AtomType::Boolean, atom))
    }
}

impl FromAtom for EcoString {
    fn from_atom(atom: &Atom) -> Result<EcoString, WrongValue> {
        match atom {
            Atom::String(text) => Ok(text.clone()),
            _ => Err(wrong_kind(AtomType::String, atom)),
        }
    }
}

impl FromAtom for String {
    fn from_atom(atom: &Atom) -> Result<String, WrongValue> {
        EcoString::from_atom(atom).map(String::from)
    }
}

impl FromAtom for Uuid {
    fn from_atom(atom: &Atom) -> Result<Uuid, WrongValue> {
        atom.as_uuid()
            .ok_or_else(|| wrong_kind(AtomType::Uuid, atom))
    }
}

impl FromAtom for Atom {
    fn from_atom(atom: &Atom) -> Result<Atom, WrongValue> {
        Ok(atom.clone())
    }
}

/// A type for columns of exactly one atom: what [`FromAtom`] makes of the atom.
macro_rules! scalars {
    ($($target:ty)*) => {$(
        impl FromDatum for $target {
            fn from_datum(datum: &Datum) -> Result<$target, WrongValue> {
                match datum.as_atom() {
                    Some(atom) => <$target>::from_atom(atom),
                    None if datum.is_map() => Err(WrongValue::NotSet),
                    None => Err(WrongValue::NotOne(datum.len())),
                }
            }
        }
    )*};
}

scalars! { i8 u8 i16 u16 i32 u32 i64 u64 isize usize f64 bool String EcoString Uuid Atom }

impl FromDatum for Datum {
    fn from_datum(datum: &Datum) -> Result<Datum, WrongValue> {
        Ok(datum.clone())
    }
}

impl<T: FromAtom> FromDatum for Option<T> {
    fn from_datum(datum: &Datum) -> Result<Option<T>, WrongValue> {
        match datum.as_atom() {
            Some(atom) => T::from_atom(atom).map(Some),
            None if datum.is_empty() => Ok(None),
            None if datum.is_map() => Err(WrongValue::NotSet),
            None => Err(WrongValue::NotOptional(datum.len())),
        }
    }
}

/// The atoms of a set as a collection.
fn elements<T: FromAtom, C: FromIterator<T>>(datum: &Datum) -> Result<C, WrongValue> {
    if datum.is_map() {
        return Err(WrongValue::NotSet);
    }
    datum.keys().map(T::from_atom).collect()
}

/// The pairs of a map as a collection.
fn pairs<K: FromAtom, V: FromAtom, C: FromIterator<(K, V)>>(
    datum: &Datum,
) -> Result<C, WrongValue> {
    let pairs = datum.iter().map(|(key, value)| {
        let value = value.ok_or(WrongValue::NotMap)?;
        Ok((K::from_atom(key)?, V::from_atom(value)?))
    });
    pairs.collect()
}

impl<T: FromAtom> FromDatum for Vec<T> {
    fn from_datum(datum: &Datum) -> Result<Vec<T>, WrongValue> {
        elements(datum)
    }
}

impl<T: FromAtom + Ord> FromDatum for BTreeSet<T> {
    fn from_datum(datum: &Datum) -> Result<BTreeSet<T>, WrongValue> {
        elements(datum)
    }
}

impl<T: FromAtom + Eq + Hash, S: BuildHasher + Default> FromDatum for HashSet<T, S> {
    fn from_datum(datum: &Datum) -> Result<HashSet<T, S>, WrongValue> {
        elements(datum)
    }
}

impl<K: FromAtom + Ord, V: FromAtom> FromDatum for BTreeMap<K, V> {
    fn from_datum(datum: &Datum) -> Result<BTreeMap<K, V>, WrongValue> {
        pairs(datum)
    }
}

impl<K: FromAtom + Eq + Hash, V: FromAtom, S: BuildHasher + Default> FromDatum
    for HashMap<K, V, S>
{
    fn from_datum(datum: &Datum) -> Result<HashMap<K, V, S>, WrongValue> {
        pairs(datum)
    }
}

impl Datum {
    /// What the program wants from the datum, for example `String`, `Option<i64>` or `BTreeMap<String, String>`.
    ///
    /// # Errors
    /// The datum is something else.
    pub fn to<T: FromDatum>(&self) -> Result<T, WrongValue> {
        T::from_datum(self)
    }
}
