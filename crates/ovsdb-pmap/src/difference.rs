//! What differs between two versions of a map, found by skipping the nodes that they share.
//!
//! It reads both and changes neither. Versions far apart share little: then it costs what both of them hold.

use std::cmp::Ordering;
use std::sync::Arc;

use super::{Node, PMap};

/// A key that is on one side only, or on both, perhaps with different values.
#[derive(Debug, Eq, PartialEq)]
pub enum Difference<'a, K, V> {
    /// The key is in the first map only.
    First(&'a K, &'a V),
    /// The key is in the second map only.
    Second(&'a K, &'a V),
    /// The key is in both, at places that they do not share.
    Both(&'a K, &'a V, &'a V),
}

/// See [`PMap::differences`].
pub struct Differences<'a, K, V> {
    first: Rest<'a, K, V>,
    second: Rest<'a, K, V>,
}

/// What is still to be visited of one side, the next part last.
struct Rest<'a, K, V>(Vec<Part<'a, K, V>>);

enum Part<'a, K, V> {
    /// A node of which nothing has been visited, and the number of levels below it.
    Whole(&'a Arc<Node<K, V>>, usize),
    /// The rest of a leaf; never empty.
    Entries(&'a [(K, V)]),
}

impl<'a, K: Ord, V> PMap<K, V> {
    /// All that differs between this map and `other`, in the order of the keys, and some of what does not: what stands in
    /// nodes that they do not share.
    pub fn differences(&'a self, other: &'a PMap<K, V>) -> Differences<'a, K, V> {
        Differences {
            first: Rest::new(self),
            second: Rest::new(other),
        }
    }

    /// True if both certainly hold the same, found without looking at entries; false says nothing.
    pub fn is_shared_with(&self, other: &PMap<K, V>) -> bool {
        match (&self.root, &other.root) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            (None, None) => true,
            _ => false,
        }
    }
}

impl<'a, K, V> Rest<'a, K, V> {
    fn new(map: &'a PMap<K, V>) -> Rest<'a, K, V> {
        let root = map.root.as_ref();
        let whole = root.map(|root| Part::Whole(root, height(root)));
        Rest(whole.into_iter().collect())
    }

    /// The next node, if nothing of it has been visited.
    fn whole(&self) -> Option<(&'a Arc<Node<K, V>>, usize)> {
        match self.0.last() {
            Some(Part::Whole(node, height)) => Some((node, *height)),
            _ => None,
        }
    }

    /// Puts what is in the next node in its place.
    fn open(&mut self) {
        if let Some((node, height)) = self.whole() {
            self.0.pop();
            match &**node {
                Node::Leaf(entries) => self.push_entries(entries),
                Node::Inner(inner) => {
                    let children = inner.children.iter().rev();
                    let parts = children.map(|child| Part::Whole(child, height - 1));
                    self.0.extend(parts);
                }
            }
        }
    }

    fn push_entries(&mut self, entries: &'a [(K, V)]) {
        if !entries.is_empty() {
            self.0.push(Part::Entries(entries));
        }
    }

    /// The next entry, if its leaf has been opened.
    fn entry(&self) -> Option<&'a (K, V)> {
        match self.0.last() {
            Some(Part::Entries(entries)) => entries.first(),
            _ => None,
        }
    }

    fn skip_entry(&mut self) {
        if let Some(Part::Entries(entries)) = self.0.pop() {
            self.push_entries(entries.get(1..).unwrap_or_default());
        }
    }
}

impl<'a, K, V> Differences<'a, K, V> {
    /// Puts in the place of two nodes, which are the next and of one height, those of their children that they do not share, if
    /// their children stand at the same places. Says whether they do. Most of what a change copies is like that.
    fn open_both(&mut self, a: &'a Node<K, V>, b: &'a Node<K, V>, height: usize) -> bool {
        let (Node::Inner(a), Node::Inner(b)) = (a, b) else {
            return false;
        };
        if !Arc::ptr_eq(&a.bounds, &b.bounds) {
            return false;
        }
        self.first.0.pop();
        self.second.0.pop();
        for (a, b) in a.children.iter().zip(&b.children).rev() {
            if !Arc::ptr_eq(a, b) {
                self.first.0.push(Part::Whole(a, height - 1));
                self.second.0.push(Part::Whole(b, height - 1));
            }
        }
        true
    }
}

fn height<K, V>(mut node: &Arc<Node<K, V>>) -> usize {
    let mut height = 0;
    while let Node::Inner(inner) = &**node {
        node = &inner.children[0];
        height += 1;
    }
    height
}

impl<'a, K: Ord, V> Iterator for Differences<'a, K, V> {
    type Item = Difference<'a, K, V>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match (self.first.whole(), self.second.whole()) {
                (Some((a, _)), Some((b, _))) if Arc::ptr_eq(a, b) => {
                    self.first.0.pop();
                    self.second.0.pop();
                    continue;
                }
                (Some((a, height)), Some((b, other)))
                    if height == other && self.open_both(a, b, height) =>
                {
                    continue;
                }
                // The higher one first, so that both come to what they share at the same time.
                (Some((_, a)), Some((_, b))) => {
                    if a >= b {
                        self.first.open();
                    }
                    if b >= a {
                        self.second.open();
                    }
                    continue;
                }
                (Some(_), None) => {
                    self.first.open();
                    continue;
                }
                (None, Some(_)) => {
                    self.second.open();
                    continue;
                }
                (None, None) => {}
            }
            return match (self.first.entry(), self.second.entry()) {
                (None, None) => None,
                (Some((key, value)), None) => {
                    self.first.skip_entry();
                    Some(Difference::First(key, value))
                }
                (None, Some((key, value))) => {
                    self.second.skip_entry();
                    Some(Difference::Second(key, value))
                }
                (Some((key, a)), Some((other, b))) => match key.cmp(other) {
                    Ordering::Less => {
                        self.first.skip_entry();
                        Some(Difference::First(key, a))
                    }
                    Ordering::Greater => {
                        self.second.skip_entry();
                        Some(Difference::Second(other, b))
                    }
                    Ordering::Equal => {
                        self.first.skip_entry();
                        self.second.skip_entry();
                        Some(Difference::Both(key, a, b))
                    }
                },
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn check(first: &PMap<u16, u32>, second: &PMap<u16, u32>) -> usize {
        let (mut from, mut visited) = (first.iter().collect::<BTreeMap<_, _>>(), 0);
        let mut last = None;
        for difference in first.differences(second) {
            visited += 1;
            let key = match difference {
                Difference::First(key, value) => {
                    assert_eq!(from.remove(key), Some(value));
                    key
                }
                Difference::Second(key, value) => {
                    assert_eq!(from.insert(key, value), None);
                    key
                }
                Difference::Both(key, old, new) => {
                    assert_eq!(from.insert(key, new), Some(old));
                    key
                }
            };
            assert!(last < Some(key), "keys come in order, each once");
            last = Some(key);
        }
        assert!(from.into_iter().eq(second.iter()));
        visited
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn differences_lead_from_one_version_to_any_other(
            base in 0u16..3000,
            steps in prop::collection::vec((0u16..3000, prop::option::of(any::<u32>())), 0..600),
            keep in prop::collection::vec(0usize..600, 0..4),
        ) {
            let mut map: PMap<u16, u32> = (0..base).map(|key| (key, 0)).collect();
            let mut versions = vec![PMap::new(), map.clone()];
            for (number, (key, value)) in steps.iter().enumerate() {
                match value {
                    Some(value) => drop(map.insert(*key, *value)),
                    None => drop(map.remove(key)),
                }
                if keep.contains(&number) {
                    versions.push(map.clone());
                }
            }
            versions.push(map);
            for first in &versions {
                for second in &versions {
                    check(first, second);
                }
            }
        }
    }

    #[test]
    fn what_two_versions_share_is_skipped() {
        let base: PMap<u16, u32> = (0..10_000).map(|key| (2 * key, 0)).collect();
        assert_eq!(check(&base, &base.clone()), 0);
        for (key, value) in [(7_000, Some(1)), (7_001, Some(1)), (7_000, None)] {
            let mut next = base.clone();
            match value {
                Some(value) => drop(next.insert(key, value)),
                None => drop(next.remove(&key)),
            }
            assert!(check(&base, &next) < 100, "{key}");
            assert!(check(&next, &base) < 100, "{key}");
        }
    }
}
