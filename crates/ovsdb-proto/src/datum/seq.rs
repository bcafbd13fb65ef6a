//! Sorted sequences that share what they have in common: the storage of sets and maps.
//!
//! A small sequence is one shared slice. A big one is a shared list of shared chunks, so that changing one element of a
//! clone copies one chunk and the list of chunks, and so that comparing two versions skips the chunks that they share.
//! Nothing here knows sets from maps: an element has a key, and keys are unique and ascending.

use std::sync::Arc;

use super::Pair;
use crate::atom::Atom;

/// A sequence of up to this many elements is one slice.
pub(super) const SMALL_MAX: usize = 128;
/// A chunk that grows beyond this is split in two.
pub(super) const CHUNK_MAX: usize = 256;
/// A chunk that shrinks below this joins a neighbour that has room.
const CHUNK_MIN: usize = 64;
/// Elements in a chunk of a freshly built sequence: room to grow and to shrink.
const CHUNK_BUILT: usize = 192;
/// A big sequence that shrinks to this many elements becomes one slice; well below [`SMALL_MAX`], so that one element
/// that comes and goes does not rebuild it every time.
const SMALL_AGAIN: usize = 64;

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
    Big(Arc<Big<E>>),
}

#[derive(Clone)]
pub(super) struct Big<E> {
    len: usize,
    // No chunk is empty.
    chunks: Vec<Arc<Vec<E>>>,
}

/// Where an element is, or where it would have to be.
#[derive(Clone, Copy)]
pub(super) struct Place {
    chunk: usize,
    index: usize,
}

impl<E: Element> Seq<E> {
    /// `elements` must be in ascending order of unique keys.
    pub(super) fn from_sorted(elements: Vec<E>) -> Seq<E> {
        debug_assert!(elements.is_sorted_by(|a, b| a.key() < b.key()));
        if elements.len() <= SMALL_MAX {
            return Seq::Small(elements.into());
        }
        let len = elements.len();
        let n_chunks = len.div_ceil(CHUNK_BUILT);
        let mut chunks = Vec::with_capacity(n_chunks);
        let mut elements = elements.into_iter();
        for i in 0..n_chunks {
            // Spreads the elements evenly, so that the last chunk is no stub.
            let chunk_len = len * (i + 1) / n_chunks - len * i / n_chunks;
            chunks.push(Arc::new(elements.by_ref().take(chunk_len).collect()));
        }
        Seq::Big(Arc::new(Big { len, chunks }))
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Seq::Small(elements) => elements.len(),
            Seq::Big(big) => big.len,
        }
    }

    pub(super) fn view(&self) -> View<'_, E> {
        match self {
            Seq::Small(elements) => View::Flat(elements),
            Seq::Big(big) => View::Chunked(&big.chunks),
        }
    }

    pub(super) fn find(&self, key: &Atom) -> Result<Place, Place> {
        self.view().find(key)
    }

    pub(super) fn get(&self, place: Place) -> Option<&E> {
        self.view()
            .chunk(place.chunk)
            .and_then(|chunk| chunk.get(place.index))
    }

    /// Puts `element` at `place`, which [`Seq::find`] gave as the place where its key is missing.
    pub(super) fn insert_at(&mut self, place: Place, element: E) {
        match self {
            Seq::Small(elements) if elements.len() < SMALL_MAX => {
                let (before, after) = elements.split_at(place.index);
                *elements = before
                    .iter()
                    .chain([&element])
                    .chain(after)
                    .cloned()
                    .collect();
            }
            Seq::Small(elements) => {
                let mut grown = Vec::with_capacity(elements.len() + 1);
                grown.extend_from_slice(&elements[..place.index]);
                grown.push(element);
                grown.extend_from_slice(&elements[place.index..]);
                *self = Seq::from_sorted(grown);
            }
            Seq::Big(big) => Arc::make_mut(big).insert_at(place, element),
        }
    }

    /// Replaces the element at `place`, keeping its key.
    pub(super) fn replace_at(&mut self, place: Place, element: E) {
        match self {
            Seq::Small(elements) => {
                if let Some(slot) = Arc::make_mut(elements).get_mut(place.index) {
                    *slot = element;
                }
            }
            Seq::Big(big) => {
                if let Some(chunk) = Arc::make_mut(big).chunks.get_mut(place.chunk)
                    && let Some(slot) = Arc::make_mut(chunk).get_mut(place.index)
                {
                    *slot = element;
                }
            }
        }
    }

    /// Takes the element at `place` out; the sequence may be empty then.
    pub(super) fn remove_at(&mut self, place: Place) {
        match self {
            Seq::Small(elements) => {
                let (before, after) = elements.split_at(place.index);
                *elements = before.iter().chain(&after[1..]).cloned().collect();
            }
            Seq::Big(big) => {
                Arc::make_mut(big).remove_at(place);
                if big.len <= SMALL_AGAIN {
                    *self = Seq::Small(View::Chunked(&big.chunks).iter().cloned().collect());
                }
            }
        }
    }
}

impl<E: Element> Big<E> {
    fn insert_at(&mut self, place: Place, element: E) {
        let chunk = &mut self.chunks[place.chunk];
        match Arc::get_mut(chunk) {
            Some(chunk) => chunk.insert(place.index, element),
            None => {
                // One copy with the room needed, rather than a clone that grows at once.
                let (before, after) = chunk.split_at(place.index);
                let mut grown = Vec::with_capacity(chunk.len() + 8);
                grown.extend_from_slice(before);
                grown.push(element);
                grown.extend_from_slice(after);
                *chunk = Arc::new(grown);
            }
        }
        self.len += 1;
        if chunk.len() > CHUNK_MAX {
            let whole = Arc::make_mut(chunk);
            let upper = whole.split_off(whole.len() / 2);
            self.chunks.insert(place.chunk + 1, Arc::new(upper));
        }
    }

    fn remove_at(&mut self, place: Place) {
        let chunk = &mut self.chunks[place.chunk];
        match Arc::get_mut(chunk) {
            Some(chunk) => {
                chunk.remove(place.index);
            }
            None => {
                let (before, after) = chunk.split_at(place.index);
                *chunk = Arc::new(before.iter().chain(&after[1..]).cloned().collect());
            }
        }
        self.len -= 1;
        if chunk.len() < CHUNK_MIN {
            self.join_chunk(place.chunk);
        }
    }

    /// Appends chunk `at` to a neighbour that has room for it, or drops it if it is empty.
    fn join_chunk(&mut self, at: usize) {
        if self.chunks[at].is_empty() {
            self.chunks.remove(at);
            return;
        }
        let fits = |this: &Self, left: usize| {
            this.chunks
                .get(left + 1)
                .is_some_and(|right| this.chunks[left].len() + right.len() <= CHUNK_BUILT)
        };
        let left = if fits(self, at) {
            at
        } else if at > 0 && fits(self, at - 1) {
            at - 1
        } else {
            return;
        };
        let right = self.chunks.remove(left + 1);
        Arc::make_mut(&mut self.chunks[left]).extend_from_slice(&right);
    }
}

/// The elements of a sequence, chunk by chunk.
pub(super) enum View<'a, E> {
    Flat(&'a [E]),
    Chunked(&'a [Arc<Vec<E>>]),
}

// Derives would ask for `E: Copy`.
impl<E> Clone for View<'_, E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<E> Copy for View<'_, E> {}

impl<'a, E: Element> View<'a, E> {
    pub(super) fn len(self) -> usize {
        match self {
            View::Flat(elements) => elements.len(),
            View::Chunked(chunks) => chunks.iter().map(|chunk| chunk.len()).sum(),
        }
    }

    fn chunk(self, at: usize) -> Option<&'a [E]> {
        match self {
            View::Flat(elements) => (at == 0).then_some(elements),
            View::Chunked(chunks) => chunks.get(at).map(|chunk| chunk.as_slice()),
        }
    }

    pub(super) fn iter(self) -> Elements<'a, E> {
        Elements {
            view: self,
            next_chunk: 0,
            current: [].iter(),
        }
    }

    /// Where `key` is, or else where it would have to be inserted.
    pub(super) fn find(self, key: &Atom) -> Result<Place, Place> {
        let (chunk, elements) = match self {
            View::Flat(elements) => (0, elements),
            View::Chunked(chunks) => {
                // The last chunk whose first key is not above `key`; what is below every chunk belongs to the first.
                let after = chunks
                    .partition_point(|chunk| chunk.first().is_some_and(|first| first.key() <= key));
                let chunk = after.saturating_sub(1);
                (
                    chunk,
                    chunks.get(chunk).map_or(&[][..], |chunk| chunk.as_slice()),
                )
            }
        };
        match elements.binary_search_by(|element| element.key().cmp(key)) {
            Ok(index) => Ok(Place { chunk, index }),
            Err(index) => Err(Place { chunk, index }),
        }
    }

    pub(super) fn get(self, key: &Atom) -> Option<&'a E> {
        let place = self.find(key).ok()?;
        self.chunk(place.chunk)?.get(place.index)
    }
}

/// Iterates over the elements of a [`View`].
pub(super) struct Elements<'a, E> {
    view: View<'a, E>,
    next_chunk: usize,
    current: std::slice::Iter<'a, E>,
}

impl<'a, E: Element> Iterator for Elements<'a, E> {
    type Item = &'a E;

    fn next(&mut self) -> Option<&'a E> {
        loop {
            if let Some(element) = self.current.next() {
                return Some(element);
            }
            self.current = self.view.chunk(self.next_chunk)?.iter();
            self.next_chunk += 1;
        }
    }
}

/// One step of a [`Walk`].
pub(super) enum Step<'a, E> {
    /// The key is on the left only.
    Left(&'a E),
    /// The key is on the right only.
    Right(&'a E),
    /// The key is on both sides, perhaps with different values.
    Both(&'a E, &'a E),
}

/// Goes through two sequences side by side in order of keys.
pub(super) struct Walk<'a, E> {
    left: Cursor<'a, E>,
    right: Cursor<'a, E>,
    skip_shared: bool,
}

impl<'a, E: Element> Walk<'a, E> {
    /// Visits every element.
    pub(super) fn all(left: View<'a, E>, right: View<'a, E>) -> Walk<'a, E> {
        Walk {
            left: Cursor::new(left),
            right: Cursor::new(right),
            skip_shared: false,
        }
    }

    /// Leaves out chunks that both sides share: all that differs is visited, and some of what does not.
    pub(super) fn differences(left: View<'a, E>, right: View<'a, E>) -> Walk<'a, E> {
        Walk {
            skip_shared: true,
            ..Walk::all(left, right)
        }
    }
}

impl<'a, E: Element> Iterator for Walk<'a, E> {
    type Item = Step<'a, E>;

    fn next(&mut self) -> Option<Step<'a, E>> {
        while self.skip_shared {
            match (self.left.whole_chunk(), self.right.whole_chunk()) {
                (Some(left), Some(right)) if std::ptr::eq(left, right) => {
                    self.left.skip_chunk();
                    self.right.skip_chunk();
                }
                _ => break,
            }
        }
        match (self.left.peek(), self.right.peek()) {
            (None, None) => None,
            (Some(left), None) => {
                self.left.advance();
                Some(Step::Left(left))
            }
            (None, Some(right)) => {
                self.right.advance();
                Some(Step::Right(right))
            }
            (Some(left), Some(right)) => Some(match left.key().cmp(right.key()) {
                std::cmp::Ordering::Less => {
                    self.left.advance();
                    Step::Left(left)
                }
                std::cmp::Ordering::Greater => {
                    self.right.advance();
                    Step::Right(right)
                }
                std::cmp::Ordering::Equal => {
                    self.left.advance();
                    self.right.advance();
                    Step::Both(left, right)
                }
            }),
        }
    }
}

struct Cursor<'a, E> {
    view: View<'a, E>,
    chunk: usize,
    index: usize,
    // The chunk with number `chunk`; empty only at the end.
    current: &'a [E],
}

impl<'a, E: Element> Cursor<'a, E> {
    fn new(view: View<'a, E>) -> Cursor<'a, E> {
        Cursor {
            view,
            chunk: 0,
            index: 0,
            current: view.chunk(0).unwrap_or_default(),
        }
    }

    fn peek(&self) -> Option<&'a E> {
        self.current.get(self.index)
    }

    /// The current chunk, if none of it has been visited.
    fn whole_chunk(&self) -> Option<&'a [E]> {
        (self.index == 0 && !self.current.is_empty()).then_some(self.current)
    }

    fn skip_chunk(&mut self) {
        self.chunk += 1;
        self.index = 0;
        self.current = self.view.chunk(self.chunk).unwrap_or_default();
    }

    fn advance(&mut self) {
        self.index += 1;
        if self.index >= self.current.len() {
            self.skip_chunk();
        }
    }
}
