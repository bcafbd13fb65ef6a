//! Union, difference and containment of datums, and the differences between versions of one.
//!
//! Where one operand is much smaller than the other the work is done element by element on the bigger one, which copies
//! only the way to each; otherwise both are merged in one pass.

use super::seq::{Element, Seq, Step, View, Walk};
use super::{Datum, Pair, Repr};
use crate::atom::Atom;
use crate::error::{ErrorTag, OvsdbError};
use crate::types::ColumnType;

/// An operand this many times smaller than the other is applied element by element.
const SMALLER: usize = 8;

/// The two sorts of datum, so that each operation is written once.
trait Sort: Element + Sized {
    fn view(datum: &Datum) -> View<'_, Self>;
    fn build(sorted: Vec<Self>) -> Datum;
    /// The sequence itself, where there is one to change in place.
    fn seq(datum: &mut Datum) -> Option<&mut Seq<Self>>;
}

impl Sort for Atom {
    fn view(datum: &Datum) -> View<'_, Atom> {
        datum.atoms()
    }

    fn build(sorted: Vec<Atom>) -> Datum {
        Datum::from_sorted_atoms(sorted)
    }

    fn seq(datum: &mut Datum) -> Option<&mut Seq<Atom>> {
        match &mut datum.0 {
            Repr::Set(atoms) => Some(atoms),
            _ => None,
        }
    }
}

impl Sort for Pair {
    fn view(datum: &Datum) -> View<'_, Pair> {
        datum.pairs()
    }

    fn build(sorted: Vec<Pair>) -> Datum {
        Datum::from_sorted_pairs(sorted)
    }

    fn seq(datum: &mut Datum) -> Option<&mut Seq<Pair>> {
        match &mut datum.0 {
            Repr::Map(pairs) => Some(pairs),
            _ => None,
        }
    }
}

/// Adds `element` unless its key is there; with `replace`, a key that is there gets the new value.
fn put<E: Sort>(datum: &mut Datum, element: E, replace: bool) -> bool {
    match E::seq(datum) {
        Some(seq) => match seq.find(element.key()) {
            Err(place) => {
                seq.insert_at(place, element);
                true
            }
            Ok(place) => {
                let changes = replace
                    && seq
                        .get(place)
                        .is_some_and(|old| !old.has_value_of(&element));
                if changes {
                    seq.replace_at(place, element);
                }
                changes
            }
        },
        None => {
            // No sequence: at most one atom.
            let mut elements: Vec<E> = E::view(datum).iter().cloned().collect();
            match elements.binary_search_by(|old| old.key().cmp(element.key())) {
                Ok(_) => false,
                Err(at) => {
                    elements.insert(at, element);
                    *datum = E::build(elements);
                    true
                }
            }
        }
    }
}

/// Removes the element with `key` if `matches` agrees with it.
fn take<E: Sort>(datum: &mut Datum, key: &Atom, matches: impl Fn(&E) -> bool) -> bool {
    match E::seq(datum) {
        Some(seq) => {
            let Ok(place) = seq.find(key) else {
                return false;
            };
            if !seq.get(place).is_some_and(&matches) {
                return false;
            }
            seq.remove_at(place);
            datum.settle();
            true
        }
        None => {
            let found = E::view(datum).get(key).is_some_and(matches);
            if found {
                // No sequence: it was the only atom.
                *datum = Datum::empty();
            }
            found
        }
    }
}

fn union<E: Sort>(datum: &mut Datum, other: &Datum, replace: bool) -> bool {
    let added = E::view(other);
    if added.len() < 2 || added.len() * SMALLER < datum.len() {
        let mut changed = false;
        for element in added.iter() {
            changed |= put(datum, element.clone(), replace);
        }
        return changed;
    }
    let mut changed = false;
    let mut merged = Vec::with_capacity(datum.len() + added.len());
    for step in Walk::all(E::view(datum), added) {
        merged.push(match step {
            Step::Left(old) => old.clone(),
            Step::Right(new) => {
                changed = true;
                new.clone()
            }
            Step::Both(old, new) if replace && !old.has_value_of(new) => {
                changed = true;
                new.clone()
            }
            Step::Both(old, _) => old.clone(),
        });
    }
    if changed {
        *datum = E::build(merged);
    }
    changed
}

fn subtract<E: Sort>(datum: &mut Datum, other: &Datum) -> bool {
    let removed = E::view(other);
    if removed.len() * SMALLER < datum.len() {
        let mut changed = false;
        for element in removed.iter() {
            changed |= take(datum, element.key(), |old: &E| old.has_value_of(element));
        }
        return changed;
    }
    let left: Vec<E> = Walk::all(E::view(datum), removed)
        .filter_map(|step| match step {
            Step::Left(old) => Some(old.clone()),
            Step::Both(old, gone) if !old.has_value_of(gone) => Some(old.clone()),
            Step::Both(..) | Step::Right(_) => None,
        })
        .collect();
    let changed = left.len() != datum.len();
    if changed {
        *datum = E::build(left);
    }
    changed
}

fn diff<E: Sort>(old: &Datum, new: &Datum) -> Datum {
    let changes = Walk::differences(E::view(old), E::view(new)).filter_map(|step| match step {
        Step::Left(old) => Some(old.clone()),
        Step::Right(new) => Some(new.clone()),
        Step::Both(old, new) => (!old.has_value_of(new)).then(|| new.clone()),
    });
    E::build(changes.collect())
}

fn toggle<E: Sort>(datum: &mut Datum, diff: &Datum) {
    let view = E::view(diff);
    if view.len() * SMALLER >= datum.len() {
        let toggled = self::diff::<E>(datum, diff);
        *datum = toggled;
        return;
    }
    for element in view.iter() {
        // A pair whose key is there with another value is an update, everything else comes or goes.
        if !take(datum, element.key(), |old: &E| old.has_value_of(element)) {
            put(datum, element.clone(), true);
        }
    }
}

fn added_removed<E: Sort>(old: &Datum, new: &Datum) -> (Datum, Datum) {
    let (mut added, mut removed) = (Vec::new(), Vec::new());
    for step in Walk::differences(E::view(old), E::view(new)) {
        match step {
            Step::Left(gone) => removed.push(gone.clone()),
            Step::Right(come) => added.push(come.clone()),
            Step::Both(gone, come) if !gone.has_value_of(come) => {
                removed.push(gone.clone());
                added.push(come.clone());
            }
            Step::Both(..) => {}
        }
    }
    (E::build(added), E::build(removed))
}

fn contains<E: Sort>(datum: &Datum, element: &E) -> bool {
    E::view(datum)
        .get(element.key())
        .is_some_and(|found| found.has_value_of(element))
}

fn includes_all<E: Sort>(part: &Datum, whole: &Datum) -> bool {
    E::view(part).iter().all(|element| contains(whole, element))
}

fn excludes_all<E: Sort>(part: &Datum, whole: &Datum) -> bool {
    !E::view(part).iter().any(|element| contains(whole, element))
}

impl Datum {
    /// Adds a key, with its value if this is a map, unless the key is there. Says whether it was added.
    pub fn insert(&mut self, key: Atom, value: Option<Atom>) -> bool {
        debug_assert!(
            self.is_empty() || self.is_map() == value.is_some(),
            "a set stays a set, a map a map"
        );
        match value {
            Some(value) => put(self, Pair { key, value }, false),
            None => put(self, key, false),
        }
    }

    /// Gives `key` the value `value` in a map. Says whether that changed anything.
    pub fn set(&mut self, key: Atom, value: Atom) -> bool {
        put(self, Pair { key, value }, true)
    }

    /// Removes a key, with its value. Says whether it was there.
    pub fn remove(&mut self, key: &Atom) -> bool {
        if self.is_map() {
            take(self, key, |_: &Pair| true)
        } else {
            take(self, key, |_: &Atom| true)
        }
    }

    /// Adds the elements of `other` whose keys are not there; with `replace`, keys that are there get the values of
    /// `other`. Says whether that changed anything.
    pub fn union_from(&mut self, other: &Datum, replace: bool) -> bool {
        if self.is_empty() {
            *self = other.clone();
            return !other.is_empty();
        }
        if other.is_map() {
            union::<Pair>(self, other, replace)
        } else {
            union::<Atom>(self, other, replace)
        }
    }

    /// Removes the elements of `other`. From a map, `other` can be pairs, of which those with equal values go, or a set
    /// of keys. Says whether that changed anything.
    pub fn subtract(&mut self, other: &Datum) -> bool {
        match (self.is_map(), other.is_map()) {
            (true, false) => {
                let before = self.len();
                for key in other.keys() {
                    self.remove(key);
                }
                self.len() < before
            }
            (true, true) => subtract::<Pair>(self, other),
            (false, _) => subtract::<Atom>(self, other),
        }
    }

    /// Keeps the elements for which `keep` says true. Says whether any went.
    pub fn retain(&mut self, mut keep: impl FnMut(&Atom, Option<&Atom>) -> bool) -> bool {
        let gone = self
            .iter()
            .filter(|(key, value)| !keep(key, *value))
            .map(|(key, _)| key.clone());
        let gone = Datum::from_sorted_atoms(gone.collect());
        self.subtract(&gone)
    }

    /// What makes `new` of `old` and the other way round, for a column of type `ty`: all of `new` where the column
    /// holds at most one element, or else the elements that only one of them has, and the pairs of `new` whose values
    /// are other than in `old`.
    ///
    /// Costs what differs, times the logarithm of the size.
    pub fn diff(old: &Datum, new: &Datum, ty: &ColumnType) -> Datum {
        match () {
            () if !ty.is_composite() => new.clone(),
            () if ty.is_map() => diff::<Pair>(old, new),
            () => diff::<Atom>(old, new),
        }
    }

    /// The datum that differs from this one by `diff`, which [`Datum::diff`] gave.
    ///
    /// # Errors
    /// If the column may not hold so many or so few elements.
    pub fn apply_diff(&self, diff: &Datum, ty: &ColumnType) -> Result<Datum, OvsdbError> {
        let mut datum = self.clone();
        match () {
            () if !ty.is_composite() => datum = diff.clone(),
            () if ty.is_map() => toggle::<Pair>(&mut datum, diff),
            () => toggle::<Atom>(&mut datum, diff),
        }
        if ty.allows_len(datum.len()) {
            Ok(datum)
        } else {
            // The spelling is what the reference programs print.
            Err(OvsdbError::new(
                ErrorTag::OvsdbError,
                "Datum crated by diff has size error",
            ))
        }
    }

    /// The elements that only `new` has and those that only `old` has. A pair whose value changed counts as both.
    ///
    /// Costs what differs, times the logarithm of the size.
    pub fn added_removed(old: &Datum, new: &Datum) -> (Datum, Datum) {
        match (&old.0, &new.0) {
            (Repr::One(a), Repr::One(b)) if a == b => (Datum::empty(), Datum::empty()),
            _ if old.is_shared_with(new) => (Datum::empty(), Datum::empty()),
            _ if old.is_empty() || new.is_empty() => (new.clone(), old.clone()),
            _ if old.is_map() => added_removed::<Pair>(old, new),
            _ => added_removed::<Atom>(old, new),
        }
    }

    /// True if every element of this datum is in `whole`, pairs with their values.
    pub fn includes_all(&self, whole: &Datum) -> bool {
        self.len() <= whole.len()
            && (if self.is_map() {
                includes_all::<Pair>(self, whole)
            } else {
                includes_all::<Atom>(self, whole)
            })
    }

    /// True if no element of this datum is in `whole`, pairs with their values.
    pub fn excludes_all(&self, whole: &Datum) -> bool {
        if self.is_map() {
            excludes_all::<Pair>(self, whole)
        } else {
            excludes_all::<Atom>(self, whole)
        }
    }

    /// Restores the form of a datum out of which an element was taken: a set of one atom holds it directly.
    fn settle(&mut self) {
        let len = self.len();
        if len == 0 {
            self.0 = Repr::Empty;
        } else if let (1, Repr::Set(atoms)) = (len, &self.0)
            && let Some(only) = atoms.view().iter().next().cloned()
        {
            self.0 = Repr::One(only);
        }
    }
}
