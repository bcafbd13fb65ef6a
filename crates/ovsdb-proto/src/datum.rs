//! Datums: the sorted sets and maps that columns hold (RFC 7047, section 3.1 and 5.1).
//!
//! A datum is a value: cloning one costs no more than a counter, and changing a clone leaves the original alone. A
//! single atom needs no memory of its own; a big datum is a tree of which its former versions share what they can,
//! so that changing, comparing and subtracting versions costs what differs between them.
//!
//! A datum does not carry its type. An empty datum is of any type; operations on two datums expect both to be sets or
//! both to be maps, and take an operand of the other sort for empty.

mod algebra;
mod convert;
mod memory;
mod read;
mod seq;

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};

pub(crate) use self::convert::Expected;
pub(crate) use self::read::RowMemory;
pub use self::read::RowReader;
use self::seq::{Element, Elements, Seq, View, Walk};
use crate::atom::Atom;
use crate::error::{ErrorTag, OvsdbError};
use crate::types::ColumnType;
use crate::uuid::Uuid;

/// A key and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Pair {
    key: Atom,
    value: Atom,
}

/// A set of atoms, or a map from atoms to atoms, in ascending order.
#[derive(Clone, Default)]
pub struct Datum(Repr);

#[derive(Clone, Default)]
enum Repr {
    #[default]
    Empty,
    // A set of one atom.
    One(Atom),
    // A set of several atoms.
    Set(Seq<Atom>),
    // A map that is not empty.
    Map(Seq<Pair>),
}

impl Datum {
    /// The empty set, which is also the empty map.
    pub const fn empty() -> Datum {
        Datum(Repr::Empty)
    }

    /// The set of one atom.
    pub const fn from_atom(atom: Atom) -> Datum {
        Datum(Repr::One(atom))
    }

    /// The map of one pair.
    pub fn from_pair(key: Atom, value: Atom) -> Datum {
        Datum::from_sorted_pairs(vec![Pair { key, value }])
    }

    /// A set of atoms in any order; what occurs more than once is in it once.
    pub fn from_atoms(atoms: impl IntoIterator<Item = Atom>) -> Datum {
        let mut atoms: Vec<Atom> = atoms.into_iter().collect();
        atoms.sort_unstable();
        atoms.dedup();
        Datum::from_sorted_atoms(atoms)
    }

    /// A map of pairs in any order. Of several pairs with one key it keeps that with the smallest value.
    pub fn from_pairs(pairs: impl IntoIterator<Item = (Atom, Atom)>) -> Datum {
        let mut pairs: Vec<Pair> = pairs
            .into_iter()
            .map(|(key, value)| Pair { key, value })
            .collect();
        pairs.sort_unstable_by(|a, b| a.key.cmp(&b.key).then_with(|| a.value.cmp(&b.value)));
        pairs.dedup_by(|later, earlier| later.key == earlier.key);
        Datum::from_sorted_pairs(pairs)
    }

    /// `atoms` must be ascending and unique.
    fn from_sorted_atoms(mut atoms: Vec<Atom>) -> Datum {
        match atoms.len() {
            0 | 1 => atoms.pop().map_or(Datum::empty(), Datum::from_atom),
            _ => Datum(Repr::Set(Seq::from_sorted(atoms))),
        }
    }

    /// `pairs` must be ascending and unique by key.
    fn from_sorted_pairs(pairs: Vec<Pair>) -> Datum {
        if pairs.is_empty() {
            Datum::empty()
        } else {
            Datum(Repr::Map(Seq::from_sorted(pairs)))
        }
    }

    /// The default value of a column: nothing where that is allowed, or else the default atoms (RFC 7047, section
    /// 5.2.1).
    pub fn default_for(ty: &ColumnType) -> Datum {
        match (&ty.value, ty.min) {
            (_, 0) => Datum::empty(),
            (None, _) => Datum::from_atom(ty.key.kind.default_atom()),
            (Some(value), _) => {
                Datum::from_pair(ty.key.kind.default_atom(), value.kind.default_atom())
            }
        }
    }

    /// True for the value of [`Datum::default_for`].
    pub fn is_default(&self, ty: &ColumnType) -> bool {
        match &self.0 {
            Repr::Empty => return ty.min == 0,
            Repr::One(atom) => return ty.min == 1 && atom.is_default(),
            Repr::Set(_) | Repr::Map(_) => {}
        }
        self.len() == ty.min as usize
            && self
                .iter()
                .all(|(key, value)| key.is_default() && value.is_none_or(Atom::is_default))
    }

    /// The number of atoms or pairs.
    #[inline]
    pub fn len(&self) -> usize {
        match &self.0 {
            Repr::Empty => 0,
            Repr::One(_) => 1,
            Repr::Set(atoms) => atoms.len(),
            Repr::Map(pairs) => pairs.len(),
        }
    }

    /// True if there is no element.
    pub fn is_empty(&self) -> bool {
        matches!(self.0, Repr::Empty)
    }

    /// True for a map that is not empty.
    pub fn is_map(&self) -> bool {
        matches!(self.0, Repr::Map(_))
    }

    /// The elements in ascending order: keys with their values, or atoms with `None`.
    pub fn iter(&self) -> Iter<'_> {
        let inner = match &self.0 {
            Repr::Map(pairs) => IterRepr::Map(pairs.view().iter()),
            _ => IterRepr::Set(self.atoms().iter()),
        };
        Iter {
            inner,
            left: self.len(),
        }
    }

    /// The atoms of a set or the keys of a map, ascending.
    pub fn keys(&self) -> impl Iterator<Item = &Atom> {
        self.iter().map(|(key, _)| key)
    }

    /// The values of a map in the order of their keys; nothing for a set.
    pub fn values(&self) -> impl Iterator<Item = &Atom> {
        self.iter().filter_map(|(_, value)| value)
    }

    /// The UUIDs among the keys and values.
    pub fn uuids(&self) -> impl Iterator<Item = Uuid> {
        self.iter()
            .flat_map(|(key, value)| std::iter::once(key).chain(value))
            .filter_map(Atom::as_uuid)
    }

    /// The atom of a set that has exactly one.
    pub const fn as_atom(&self) -> Option<&Atom> {
        match &self.0 {
            Repr::One(atom) => Some(atom),
            _ => None,
        }
    }

    /// The first key.
    pub fn first(&self) -> Option<&Atom> {
        self.keys().next()
    }

    /// The value of `key` in a map.
    pub fn get(&self, key: &Atom) -> Option<&Atom> {
        self.pairs().get(key).map(|pair| &pair.value)
    }

    /// True if `key` is an atom of the set or a key of the map.
    pub fn contains_key(&self, key: &Atom) -> bool {
        match &self.0 {
            Repr::Empty => false,
            Repr::One(atom) => atom == key,
            Repr::Set(atoms) => atoms.view().get(key).is_some(),
            Repr::Map(pairs) => pairs.view().get(key).is_some(),
        }
    }

    /// True if the map has `key` with `value`.
    pub fn contains_pair(&self, key: &Atom, value: &Atom) -> bool {
        self.get(key) == Some(value)
    }

    /// True if both are certainly the same, found without looking at elements; false says nothing.
    pub fn is_shared_with(&self, other: &Datum) -> bool {
        match (&self.0, &other.0) {
            (Repr::Empty, Repr::Empty) => true,
            (Repr::Set(a), Repr::Set(b)) => a.is_shared_with(b),
            (Repr::Map(a), Repr::Map(b)) => a.is_shared_with(b),
            _ => false,
        }
    }

    /// Checks every element against `ty`, but not their number.
    ///
    /// # Errors
    /// A `constraint violation`, of the keys first.
    pub fn check_constraints(&self, ty: &ColumnType) -> Result<(), OvsdbError> {
        if ty.key.has_constraints() {
            self.keys().try_for_each(|key| ty.key.check(key))?;
        }
        match &ty.value {
            Some(base) if base.has_constraints() => {
                self.values().try_for_each(|value| base.check(value))
            }
            _ => Ok(()),
        }
    }

    /// True if a column of type `ty` may have this value, which is of its form ([`ColumnType::has_form_of`]).
    pub fn fits(&self, ty: &ColumnType) -> bool {
        ty.allows_len(self.len()) && self.check_constraints(ty).is_ok()
    }

    /// The atoms of a set; nothing for a map.
    fn atoms(&self) -> View<'_, Atom> {
        match &self.0 {
            Repr::One(atom) => View::flat(std::slice::from_ref(atom)),
            Repr::Set(atoms) => atoms.view(),
            Repr::Empty | Repr::Map(_) => View::flat(&[]),
        }
    }

    /// The pairs of a map; nothing for a set.
    fn pairs(&self) -> View<'_, Pair> {
        match &self.0 {
            Repr::Map(pairs) => pairs.view(),
            _ => View::flat(&[]),
        }
    }
}

/// The words for a set or map that has one key twice.
fn duplicate_error(is_map: bool) -> OvsdbError {
    let details = if is_map {
        "map contains duplicate key"
    } else {
        "set contains duplicate"
    };
    OvsdbError::new(ErrorTag::OvsdbError, details)
}

/// Iterates over a [`Datum`].
pub struct Iter<'a> {
    inner: IterRepr<'a>,
    left: usize,
}

enum IterRepr<'a> {
    Set(Elements<'a, Atom>),
    Map(Elements<'a, Pair>),
}

impl<'a> Iterator for Iter<'a> {
    type Item = (&'a Atom, Option<&'a Atom>);

    fn next(&mut self) -> Option<Self::Item> {
        let item = match &mut self.inner {
            IterRepr::Set(atoms) => (atoms.next()?, None),
            IterRepr::Map(pairs) => pairs.next().map(|pair| (&pair.key, Some(&pair.value)))?,
        };
        self.left -= 1;
        Some(item)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Iter<'_> {}

impl<'a> IntoIterator for &'a Datum {
    type Item = (&'a Atom, Option<&'a Atom>);
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

impl Ord for Datum {
    /// Smaller datums first; datums of one size by their keys, then by their values.
    fn cmp(&self, other: &Datum) -> Ordering {
        fn compare<E: Element>(
            a: View<'_, E>,
            b: View<'_, E>,
            values: impl Fn(&E, &E) -> Ordering,
        ) -> Ordering {
            let mut by_value = Ordering::Equal;
            for step in Walk::differences(a, b) {
                match step {
                    // Both are ascending and equally long, so the first key that one side has alone is the smaller one
                    // at the first place where they differ.
                    seq::Step::Left(_) => return Ordering::Less,
                    seq::Step::Right(_) => return Ordering::Greater,
                    seq::Step::Both(a, b) => by_value = by_value.then_with(|| values(a, b)),
                }
            }
            by_value
        }
        if let (Repr::One(a), Repr::One(b)) = (&self.0, &other.0) {
            return a.cmp(b);
        }
        self.len()
            .cmp(&other.len())
            .then_with(|| match (self.is_map(), other.is_map()) {
                (true, true) => compare(self.pairs(), other.pairs(), |a, b| a.value.cmp(&b.value)),
                (false, false) => compare(self.atoms(), other.atoms(), |_, _| Ordering::Equal),
                (a, b) => a.cmp(&b),
            })
    }
}

impl PartialOrd for Datum {
    fn partial_cmp(&self, other: &Datum) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Datum {
    fn eq(&self, other: &Datum) -> bool {
        match (&self.0, &other.0) {
            (Repr::One(a), Repr::One(b)) => a == b,
            _ => self.is_shared_with(other) || self.cmp(other) == Ordering::Equal,
        }
    }
}

impl Eq for Datum {}

impl Hash for Datum {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.len().hash(state);
        for (key, value) in self {
            key.hash(state);
            value.hash(state);
        }
    }
}

impl std::fmt::Debug for Datum {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.is_map() {
            f.debug_map()
                .entries(self.iter().map(|(key, value)| (key, value.unwrap_or(key))))
                .finish()
        } else {
            f.debug_set().entries(self.keys()).finish()
        }
    }
}

impl From<Atom> for Datum {
    fn from(atom: Atom) -> Datum {
        Datum::from_atom(atom)
    }
}

#[cfg(test)]
mod tests;
