//! Sorted sequences that share what they have in common: the storage of sets and maps.
//!
//! A small sequence is one shared slice. A big one is a persistent tree ([`tree`]), so that changing one element of a
//! clone copies a leaf and the branches above it, and so that comparing two versions skips what they share
//! ([`Walk::differences`]). Nothing here knows sets from maps: an element has a key, and keys are unique and ascending.

mod tree;
mod walk;

use std::sync::Arc;

use self::tree::{Branch, Node, Path};
pub(super) use self::walk::{Elements, Step, Walk};
use super::Pair;
use crate::atom::Atom;
use crate::work;

/// A slice, be it a small sequence or a leaf of a big one, holds no more elements than this.
pub(super) const LEAF_MAX: usize = 32;
/// A leaf with fewer elements is joined with a neighbour, or gets some of its elements.
const LEAF_MIN: usize = LEAF_MAX / 4;
/// Elements in a leaf of a freshly built sequence: room to grow and to shrink.
const LEAF_BUILT: usize = LEAF_MAX * 3 / 4;

/// An element: an atom of a set or a pair of a map.
pub(super) trait Element: Clone {
    /// What the sequence is sorted by.
    fn key(&self) -> &Atom;
    /// True if two elements with one key are the same.
    fn has_value_of(&self, other: &Self) -> bool;
}

impl Element for Atom {
    fn key(&self) -> &Atom {
        self
    }

    fn has_value_of(&self, _other: &Atom) -> bool {
        true
    }
}

impl Element for Pair {
    fn key(&self) -> &Atom {
        &self.key
    }

    fn has_value_of(&self, other: &Pair) -> bool {
        self.value == other.value
    }
}

/// A non-empty sequence of elements in ascending order of their keys, which are unique.
#[derive(Clone)]
pub(super) enum Seq<E> {
    Small(Arc<[E]>),
    Big(Arc<Branch<E>>),
}

/// Where an element is, or where it would have to be.
#[derive(Clone, Copy)]
pub(super) struct Place {
    path: Path,
    index: usize,
}

impl<E: Element> Seq<E> {
    /// `elements` must be in ascending order of unique keys.
    pub(super) fn from_sorted(elements: Vec<E>) -> Seq<E> {
        debug_assert!(elements.is_sorted_by(|a, b| a.key() < b.key()));
        if elements.len() <= LEAF_MAX {
            Seq::Small(elements.into())
        } else {
            Seq::Big(Arc::new(Branch::from_sorted(elements)))
        }
    }

    pub(super) fn len(&self) -> usize {
        self.view().len()
    }

    /// True if both are certainly the same; false says nothing.
    pub(super) fn is_shared_with(&self, other: &Seq<E>) -> bool {
        match (self, other) {
            (Seq::Small(a), Seq::Small(b)) => Arc::ptr_eq(a, b),
            (Seq::Big(a), Seq::Big(b)) => Arc::ptr_eq(a, b),
            _ => false,
        }
    }

    pub(super) fn view(&self) -> View<'_, E> {
        match self {
            Seq::Small(elements) => View(Node::Leaf(elements)),
            Seq::Big(root) => View(Node::Branch(root)),
        }
    }

    pub(super) fn find(&self, key: &Atom) -> Result<Place, Place> {
        let mut path = Path::default();
        let leaf = self.view().0.descend(key, |child| path.push(child));
        match search(leaf, key) {
            Ok(index) => Ok(Place { path, index }),
            Err(index) => Err(Place { path, index }),
        }
    }

    pub(super) fn get(&self, place: Place) -> Option<&E> {
        self.view().0.leaf_at(&place.path).get(place.index)
    }

    /// Puts `element` at `place`, which [`Seq::find`] gave as the place where its key is missing.
    pub(super) fn insert_at(&mut self, place: Place, element: E) {
        match self {
            Seq::Small(elements) => match with(elements, place.index, element) {
                Grown::Fits(whole) => *elements = whole,
                Grown::Split(left, right) => {
                    *self = Seq::Big(Arc::new(Branch::of_leaves(vec![left, right])));
                }
            },
            Seq::Big(root) => tree::insert(root, &place.path, place.index, element),
        }
    }

    /// Replaces the element at `place`, keeping its key.
    pub(super) fn replace_at(&mut self, place: Place, element: E) {
        match self {
            Seq::Small(elements) => replace(elements, place.index, element),
            Seq::Big(root) => tree::replace(root, &place.path, place.index, element),
        }
    }

    /// Takes the element at `place` out; the sequence may be empty then.
    pub(super) fn remove_at(&mut self, place: Place) {
        match self {
            Seq::Small(elements) => *elements = without(elements, place.index),
            Seq::Big(root) => {
                if let Some(only) = tree::remove(root, &place.path, place.index) {
                    *self = Seq::Small(only);
                }
            }
        }
    }

    /// Checks what must hold of every sequence, for tests.
    #[cfg(test)]
    pub(super) fn check(&self) {
        match self {
            Seq::Small(elements) => assert!((1..=LEAF_MAX).contains(&elements.len())),
            Seq::Big(root) => root.check_root(),
        }
    }
}

/// Where `key` is in a slice, or else where it would have to be inserted.
fn search<E: Element>(elements: &[E], key: &Atom) -> Result<usize, usize> {
    elements.binary_search_by(|element| element.key().cmp(key))
}

/// What a slice became that got one more element.
enum Grown<E> {
    Fits(Arc<[E]>),
    Split(Arc<[E]>, Arc<[E]>),
}

/// A copy of `elements` with one more at `index`.
fn with<E: Clone>(elements: &[E], index: usize, element: E) -> Grown<E> {
    work::add(elements.len());
    let (before, after) = elements.split_at(index);
    let grown = before.iter().cloned();
    let grown = grown.chain([element]).chain(after.iter().cloned());
    if elements.len() < LEAF_MAX {
        return Grown::Fits(grown.collect());
    }
    let mut grown: Vec<E> = grown.collect();
    let right = grown.drain(grown.len() / 2..).collect();
    Grown::Split(grown.into(), right)
}

/// A copy of `elements` without that at `index`.
fn without<E: Clone>(elements: &[E], index: usize) -> Arc<[E]> {
    work::add(elements.len());
    let (before, after) = elements.split_at(index);
    before.iter().chain(&after[1..]).cloned().collect()
}

fn replace<E: Clone>(elements: &mut Arc<[E]>, index: usize, element: E) {
    work::add(elements.len());
    if let Some(slot) = Arc::make_mut(elements).get_mut(index) {
        *slot = element;
    }
}

/// The elements of a sequence, to be looked at.
pub(super) struct View<'a, E>(Node<'a, E>);

// Derives would ask for `E: Copy`.
impl<E> Clone for View<'_, E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<E> Copy for View<'_, E> {}

impl<'a, E: Element> View<'a, E> {
    /// The elements of a slice, which are in ascending order of unique keys.
    pub(super) const fn flat(elements: &'a [E]) -> View<'a, E> {
        View(Node::Leaf(elements))
    }

    pub(super) fn len(self) -> usize {
        self.0.len()
    }

    pub(super) fn iter(self) -> Elements<'a, E> {
        Elements::new(self)
    }

    pub(super) fn get(self, key: &Atom) -> Option<&'a E> {
        let leaf = self.0.descend(key, |_| {});
        search(leaf, key).ok().map(|index| &leaf[index])
    }
}
