//! How much memory a datum takes that another version of it does not share.

use super::seq::{Element, Step, View, Walk};
use super::{Datum, Pair};
use crate::atom::Atom;

/// Bytes beside the elements of an allocation that is shared: the counters, and what the allocator adds.
const SHARED_BYTES: usize = 24;

/// An element that may have strings of its own.
trait Weighed: Element {
    /// Whether elements of this type never have strings.
    fn is_plain(&self) -> bool;

    /// The bytes of its strings, without those that `other` shares.
    fn heap_bytes_beside(&self, other: Option<&Self>) -> usize;
}

impl Weighed for Atom {
    fn is_plain(&self) -> bool {
        self.as_str().is_none()
    }

    fn heap_bytes_beside(&self, other: Option<&Atom>) -> usize {
        match (self, other) {
            (Atom::String(text), Some(Atom::String(other))) if text.as_ptr() == other.as_ptr() => 0,
            (Atom::String(text), _) if text.len() > ecow::EcoString::INLINE_LIMIT => {
                SHARED_BYTES + text.len()
            }
            _ => 0,
        }
    }
}

impl Weighed for Pair {
    fn is_plain(&self) -> bool {
        self.key.is_plain() && self.value.is_plain()
    }

    fn heap_bytes_beside(&self, other: Option<&Pair>) -> usize {
        self.key.heap_bytes_beside(other.map(|other| &other.key))
            + self
                .value
                .heap_bytes_beside(other.map(|other| &other.value))
    }
}

/// The bytes of nodes and of the strings in them.
fn bytes_beside<E: Weighed>(this: View<'_, E>, other: View<'_, E>) -> usize {
    let mut walk = Walk::unshared(this, other);
    if let Some(leaf) = walk.left_is_leaf()
        && leaf.first().is_some_and(E::is_plain)
    {
        // Elements of one datum are of one type.
        return walk.left_node_bytes() + size_of_val(leaf);
    }
    let of_step = |step| match step {
        Step::Left(element) => E::heap_bytes_beside(element, None),
        Step::Both(element, other) => element.heap_bytes_beside(Some(other)),
        Step::Right(_) => 0,
    };
    let strings: usize = walk.by_ref().map(of_step).sum();
    strings + walk.left_node_bytes()
}

impl Datum {
    /// About how many bytes of memory the datum takes on the heap and `other`, another version of it, does not share.
    /// What comes out for [`Datum::empty`] as the other is all that it takes.
    pub fn bytes_beside(&self, other: &Datum) -> usize {
        if self.is_empty() || self.is_shared_with(other) {
            0
        } else if self.is_map() {
            SHARED_BYTES + bytes_beside(self.pairs(), other.pairs())
        } else if let Some(atom) = self.as_atom() {
            // The atom itself is in the row.
            atom.heap_bytes_beside(other.as_atom())
        } else {
            SHARED_BYTES + bytes_beside(self.atoms(), other.atoms())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(texts: impl IntoIterator<Item = String>) -> Datum {
        Datum::from_atoms(texts.into_iter().map(Atom::string))
    }

    /// Texts that need memory of their own, 20 bytes each.
    fn long(count: usize) -> impl Iterator<Item = String> {
        (0..count).map(|number| format!("{number:020}"))
    }

    fn alone(datum: &Datum) -> usize {
        datum.bytes_beside(&Datum::empty())
    }

    #[test]
    fn what_is_in_the_row_itself_takes_nothing() {
        for datum in [
            Datum::empty(),
            Atom::Integer(1).into(),
            Atom::string("short").into(),
        ] {
            assert_eq!(alone(&datum), 0, "{datum:?}");
        }
    }

    #[test]
    fn strings_and_elements_are_counted() {
        let text = Datum::from(Atom::string("x".repeat(1000)));
        assert!((1000..1100).contains(&alone(&text)));
        let set = strings(long(100));
        let expected = 100 * (20 + size_of::<Atom>());
        assert!((expected..3 * expected).contains(&alone(&set)));
    }

    #[test]
    fn a_clone_shares_everything() {
        for count in [1, 10, 1000] {
            let set = strings(long(count));
            assert_eq!(set.clone().bytes_beside(&set), 0, "{count} elements");
        }
    }

    #[test]
    fn a_version_with_one_element_less_shares_strings_and_in_big_sets_most_elements() {
        let small = strings(long(30));
        let mut other = small.clone();
        other.subtract(&strings(long(1)));
        let elements = 30 * size_of::<Atom>();
        assert!((elements..elements + 200).contains(&small.bytes_beside(&other)));

        let big = strings(long(10_000));
        let mut other = big.clone();
        other.subtract(&strings(long(1)));
        let copied = big.bytes_beside(&other);
        assert!(
            (600..3_000).contains(&copied),
            "a leaf and branches: {copied}"
        );
        assert!(alone(&big) > 10_000 * (size_of::<Atom>() + 20));
    }
}
