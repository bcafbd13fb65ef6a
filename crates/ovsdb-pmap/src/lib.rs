//! A persistent ordered map: the container behind every table, index and reference count, and behind a client's replica.
//!
//! It is a B+ tree whose nodes are shared between versions. A clone costs one reference count; a change
//! copies the nodes on the way to the changed leaf if somebody else still holds them, and edits them in
//! place if nobody does. There is no hashing, hence nothing that hostile keys could degrade, and iteration
//! follows the order of the keys, so that equal inputs give equal outputs.

mod difference;

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use ovsdb_proto::work;

pub use self::difference::{Difference, Differences};

/// Entries in a node before it splits. A transaction copies each node on its way, since the version before it is still in
/// use: halving the 32 that suit lookups best made small transactions of many clients a third faster.
const NODE_MAX: usize = 16;
/// A node with fewer entries is merged with a neighbour if both fit into one.
const NODE_MIN: usize = NODE_MAX / 4;
/// Levels of inner nodes. Each comes into being when a root of more than [`NODE_MAX`] children is halved, so that this many
/// take more changes than can be made.
const DEPTH_MAX: usize = 24;

/// A persistent map from `K` to `V`, ordered by `K`. See the module's documentation for its costs.
pub struct PMap<K, V> {
    root: Option<Arc<Node<K, V>>>,
    len: usize,
}

enum Node<K, V> {
    Leaf(Vec<(K, V)>),
    Inner(Inner<K, V>),
}

struct Inner<K, V> {
    /// For each child but the first a lower bound of its keys, above those of the child before. Versions share them as
    /// long as no child comes or goes, so that a copy of the node looks at no key.
    bounds: Arc<[K]>,
    children: Vec<Arc<Node<K, V>>>,
}

/// A node, and a lower bound of the keys in it.
type Bounded<K, V> = (K, Arc<Node<K, V>>);

/// A right half that came into being when a node was full.
type Split<K, V> = Option<Bounded<K, V>>;

impl<K, V> Clone for PMap<K, V> {
    fn clone(&self) -> Self {
        PMap {
            root: self.root.clone(),
            len: self.len,
        }
    }
}

impl<K, V> Default for PMap<K, V> {
    fn default() -> Self {
        PMap { root: None, len: 0 }
    }
}

impl<K: fmt::Debug, V: fmt::Debug> fmt::Debug for PMap<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<K: Clone, V: Clone> Clone for Node<K, V> {
    fn clone(&self) -> Self {
        match self {
            Node::Leaf(entries) => {
                work::add(entries.len());
                // A leaf is cloned to be changed: leave room for the entry that may be about to come.
                let mut copy = Vec::with_capacity(entries.len() + 1);
                copy.extend_from_slice(entries);
                Node::Leaf(copy)
            }
            Node::Inner(inner) => {
                work::add(inner.children.len());
                Node::Inner(Inner {
                    bounds: inner.bounds.clone(),
                    children: inner.children.clone(),
                })
            }
        }
    }
}

impl<K, V> Inner<K, V> {
    /// Where the child that may hold `key` stands.
    fn child_index<Q>(&self, key: &Q) -> usize
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        self.bounds
            .partition_point(|bound| bound.borrow().cmp(key).is_le())
    }
}

impl<K: Clone, V> Inner<K, V> {
    /// A node of these children, each with its bound, that of the first aside.
    fn of(children: impl Iterator<Item = (K, Arc<Node<K, V>>)>) -> Inner<K, V> {
        let (bounds, children): (Vec<K>, Vec<_>) = children.unzip();
        Inner {
            bounds: bounds[1..].into(),
            children,
        }
    }

    /// Adds a child behind that at `at`. If there are too many then, takes the upper half of them away.
    fn insert_after(&mut self, at: usize, (bound, child): Bounded<K, V>) -> Split<K, V> {
        self.children.insert(at + 1, child);
        let (before, after) = self.bounds.split_at(at);
        let bounds = before.iter().cloned();
        let bounds = bounds.chain([bound]).chain(after.iter().cloned());
        if self.children.len() <= NODE_MAX {
            self.bounds = bounds.collect();
            return None;
        }
        let bounds: Vec<K> = bounds.collect();
        let middle = self.children.len() / 2;
        self.bounds = bounds[..middle - 1].into();
        let right = Inner {
            bounds: bounds[middle..].into(),
            children: self.children.split_off(middle),
        };
        Some((bounds[middle - 1].clone(), Arc::new(Node::Inner(right))))
    }

    /// Takes the child at `at` away, and the bound between it and a neighbour.
    fn remove(&mut self, at: usize) -> Arc<Node<K, V>> {
        let bounds = self.bounds.iter().enumerate();
        let bounds = bounds.filter(|(bound, _)| *bound != at.saturating_sub(1));
        self.bounds = bounds.map(|(_, bound)| bound.clone()).collect();
        self.children.remove(at)
    }
}

impl<K, V> PMap<K, V> {
    /// An empty map.
    pub fn new() -> Self {
        Self::default()
    }

    /// The number of entries.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// All entries in the order of their keys.
    pub fn iter(&self) -> Iter<'_, K, V> {
        let mut iter = Iter {
            stack: Vec::new(),
            leaf: [].iter(),
        };
        if let Some(root) = &self.root {
            iter.descend(root);
        }
        iter
    }

    /// The values in the order of their keys.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.iter().map(|(_, value)| value)
    }
}

impl<K: Ord, V> PMap<K, V> {
    /// The value at `key`.
    pub fn get<Q>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        let mut node = self.root.as_deref()?;
        loop {
            match node {
                Node::Inner(inner) => node = &inner.children[inner.child_index(key)],
                Node::Leaf(entries) => {
                    let found = entries.binary_search_by(|(k, _)| k.borrow().cmp(key));
                    return found.ok().map(|at| &entries[at].1);
                }
            }
        }
    }

    /// Whether there is an entry at `key`.
    pub fn contains_key<Q>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        self.get(key).is_some()
    }

    /// The entries whose keys are not below `key`, in order.
    pub fn range_from<Q>(&self, key: &Q) -> Iter<'_, K, V>
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        let mut iter = Iter {
            stack: Vec::new(),
            leaf: [].iter(),
        };
        let Some(mut node) = self.root.as_deref() else {
            return iter;
        };
        loop {
            match node {
                Node::Inner(inner) => {
                    let at = inner.child_index(key);
                    iter.stack.push(inner.children[at + 1..].iter());
                    node = &inner.children[at];
                }
                Node::Leaf(entries) => {
                    let at = entries.partition_point(|(k, _)| k.borrow() < key);
                    iter.leaf = entries[at..].iter();
                    return iter;
                }
            }
        }
    }
}

impl<K: Ord + Clone, V: Clone> PMap<K, V> {
    /// Puts `value` at `key` and gives back what was there.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        self.insert_among(key, value, |_, _, _| {})
    }

    /// [`PMap::insert`], and if there was nothing at `key`, `look` is shown the key and some of the entries about it: where
    /// in them it gets its place.
    pub fn insert_among(
        &mut self,
        key: K,
        value: V,
        look: impl FnOnce(&K, &[(K, V)], usize),
    ) -> Option<V> {
        let Some(root) = &mut self.root else {
            look(&key, &[], 0);
            self.root = Some(Arc::new(Node::Leaf(vec![(key, value)])));
            self.len = 1;
            return None;
        };
        let (old, split) = insert_below(root, key, value, look);
        if let Some(right) = split {
            let (bound, right) = right;
            *root = Arc::new(Node::Inner(Inner {
                bounds: [bound].into(),
                children: vec![root.clone(), right],
            }));
        }
        if old.is_none() {
            self.len += 1;
        }
        old
    }

    /// Takes the entry at `key` out and gives back its value.
    pub fn remove<Q>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        // An absent key must not cost copies of shared nodes.
        self.get(key)?;
        let root = self.root.as_mut()?;
        let old = remove_below(root, key);
        if old.is_some() {
            self.len -= 1;
        }
        if self.len == 0 {
            self.root = None;
        } else {
            while let Node::Inner(inner) = &**root {
                if inner.children.len() > 1 {
                    break;
                }
                let only = inner.children[0].clone();
                *root = only;
            }
        }
        old
    }

    /// The value at `key`, to be changed in place.
    pub fn get_mut<Q>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        // An absent key must not cost copies of shared nodes, and a key is not looked for twice.
        let mut way = [0; DEPTH_MAX];
        let mut depth = 0;
        let mut node = self.root.as_deref()?;
        let at = loop {
            match node {
                Node::Inner(inner) => {
                    way[depth] = inner.child_index(key);
                    node = &inner.children[way[depth]];
                    depth += 1;
                }
                Node::Leaf(entries) => {
                    let found = entries.binary_search_by(|(k, _)| k.borrow().cmp(key));
                    break found.ok()?;
                }
            }
        };
        let mut node = Arc::make_mut(self.root.as_mut()?);
        for &at in &way[..depth] {
            match node {
                Node::Inner(inner) => node = Arc::make_mut(&mut inner.children[at]),
                // The copy of a node is as the node is.
                Node::Leaf(_) => return None,
            }
        }
        match node {
            Node::Leaf(entries) => entries.get_mut(at).map(|(_, value)| value),
            Node::Inner(_) => None,
        }
    }
}

impl<K: Ord + Clone, V> PMap<K, V> {
    /// The map of `entries`, which are in ascending order of their keys, each key once. Its nodes are full.
    pub fn from_sorted(entries: Vec<(K, V)>) -> Self {
        PMap::from_ascending(entries.len(), entries.into_iter())
    }

    /// [`PMap::from_sorted`] for somebody who has no list of the `len` entries.
    pub fn from_ascending(len: usize, entries: impl Iterator<Item = (K, V)>) -> Self {
        let mut level = into_nodes(len, entries, Node::Leaf);
        while level.len() > 1 {
            let children = |children: Vec<_>| Node::Inner(Inner::of(children.into_iter()));
            level = into_nodes(level.len(), level.into_iter(), children);
        }
        PMap {
            root: level.pop().map(|(_, root)| root),
            len,
        }
    }
}

impl<K: Ord + Clone, V: Clone> PMap<K, V> {
    /// Puts `entries` in, which are in ascending order of their keys; none of the keys is there yet.
    pub fn extend_sorted(&mut self, entries: Vec<(K, V)>) {
        if 2 * entries.len() < self.len {
            for (key, value) in entries {
                self.insert(key, value);
            }
            return;
        }
        if self.is_empty() {
            *self = PMap::from_sorted(entries);
            return;
        }
        work::add(self.len);
        let mut merged = Vec::with_capacity(self.len + entries.len());
        let mut known = self.iter().peekable();
        for (key, value) in entries {
            while let Some((key, value)) = known.next_if(|(known, _)| **known < key) {
                merged.push((key.clone(), value.clone()));
            }
            merged.push((key, value));
        }
        merged.extend(known.map(|(key, value)| (key.clone(), value.clone())));
        *self = PMap::from_sorted(merged);
    }

    /// Takes the entries at `keys` out, which are all there and in ascending order, each key once.
    pub fn remove_sorted(&mut self, keys: &[K]) {
        if 2 * keys.len() < self.len {
            for key in keys {
                self.remove(key);
            }
            return;
        }
        work::add(self.len);
        let mut keys = keys.iter().peekable();
        let left = self.iter();
        let left = left.filter(|(key, _)| keys.next_if(|gone| gone == key).is_none());
        let left = left.map(|(key, value)| (key.clone(), value.clone()));
        *self = PMap::from_sorted(left.collect());
    }
}

impl<K: Ord + Clone, V: Clone> FromIterator<(K, V)> for PMap<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let mut map = PMap::new();
        for (key, value) in entries {
            map.insert(key, value);
        }
        map
    }
}

impl<K, V> Node<K, V> {
    fn len(&self) -> usize {
        match self {
            Node::Leaf(entries) => entries.len(),
            Node::Inner(inner) => inner.children.len(),
        }
    }
}

/// Spreads the `len` parts that nodes hold evenly over as few of them as it fits into. The parts are in ascending order.
fn into_nodes<K: Ord + Clone, V, T>(
    len: usize,
    mut parts: impl Iterator<Item = (K, T)>,
    node: impl Fn(Vec<(K, T)>) -> Node<K, V>,
) -> Vec<Bounded<K, V>> {
    let n_nodes = len.div_ceil(NODE_MAX);
    let mut nodes = Vec::with_capacity(n_nodes);
    for at in 0..n_nodes {
        let share = len * (at + 1) / n_nodes - len * at / n_nodes;
        let mut held = Vec::with_capacity(share);
        held.extend(parts.by_ref().take(share));
        debug_assert!(held.len() == share && held.is_sorted_by(|a, b| a.0 < b.0));
        nodes.push((held[0].0.clone(), Arc::new(node(held))));
    }
    debug_assert!(nodes.is_sorted_by(|a: &Bounded<K, V>, b| a.0 < b.0));
    nodes
}

fn insert_below<K: Ord + Clone, V: Clone>(
    node: &mut Arc<Node<K, V>>,
    key: K,
    value: V,
    look: impl FnOnce(&K, &[(K, V)], usize),
) -> (Option<V>, Split<K, V>) {
    match Arc::make_mut(node) {
        Node::Leaf(entries) => match entries.binary_search_by(|(k, _)| k.cmp(&key)) {
            Ok(at) => (Some(std::mem::replace(&mut entries[at].1, value)), None),
            Err(at) => {
                look(&key, entries, at);
                if entries.len() < NODE_MAX {
                    entries.insert(at, (key, value));
                    return (None, None);
                }
                // First, so that the list does not grow for one entry too many.
                let middle = entries.len().div_ceil(2);
                let mut right = entries.split_off(middle);
                match at.checked_sub(middle) {
                    None | Some(0) => entries.insert(at, (key, value)),
                    Some(at) => right.insert(at, (key, value)),
                }
                let right = (right[0].0.clone(), Arc::new(Node::Leaf(right)));
                (None, Some(right))
            }
        },
        Node::Inner(inner) => {
            let at = inner.child_index(&key);
            let (old, split) = insert_below(&mut inner.children[at], key, value, look);
            (old, split.and_then(|right| inner.insert_after(at, right)))
        }
    }
}

fn remove_below<K, V, Q>(node: &mut Arc<Node<K, V>>, key: &Q) -> Option<V>
where
    K: Ord + Clone + Borrow<Q>,
    V: Clone,
    Q: Ord + ?Sized,
{
    match Arc::make_mut(node) {
        Node::Leaf(entries) => {
            let at = entries
                .binary_search_by(|(k, _)| k.borrow().cmp(key))
                .ok()?;
            Some(entries.remove(at).1)
        }
        Node::Inner(inner) => {
            let at = inner.child_index(key);
            let old = remove_below(&mut inner.children[at], key)?;
            let left_in_child = inner.children[at].len();
            if left_in_child == 0 {
                inner.remove(at);
            } else if left_in_child < NODE_MIN {
                merge_with_neighbour(inner, at);
            }
            Some(old)
        }
    }
}

/// Joins the child at `at` with the one before or after it if the two fit into one node.
fn merge_with_neighbour<K: Clone, V: Clone>(inner: &mut Inner<K, V>, at: usize) {
    let children = &inner.children;
    let fits = |i: usize| children[i].len() + children[i + 1].len() <= NODE_MAX;
    let left = if at + 1 < children.len() && fits(at) {
        at
    } else if at > 0 && fits(at - 1) {
        at - 1
    } else {
        return;
    };
    let bound = inner.bounds[left].clone();
    // Takes the bound before it away, too.
    let right = inner.remove(left + 1);
    match (Arc::make_mut(&mut inner.children[left]), &*right) {
        (Node::Leaf(into), Node::Leaf(from)) => into.extend_from_slice(from),
        (Node::Inner(into), Node::Inner(from)) => {
            let bounds = into.bounds.iter().chain([&bound]).chain(&*from.bounds);
            into.bounds = bounds.cloned().collect();
            into.children.extend_from_slice(&from.children);
        }
        _ => unreachable!("all leaves of a B+ tree have the same depth"),
    }
}

/// The children of an inner node that are still to be visited.
type Children<'a, K, V> = std::slice::Iter<'a, Arc<Node<K, V>>>;

/// Iterates over the entries of a [`PMap`] in the order of their keys.
pub struct Iter<'a, K, V> {
    /// For each level above the leaf, the children still to be visited.
    stack: Vec<Children<'a, K, V>>,
    leaf: std::slice::Iter<'a, (K, V)>,
}

impl<'a, K, V> Iter<'a, K, V> {
    fn descend(&mut self, mut node: &'a Node<K, V>) {
        loop {
            match node {
                Node::Inner(inner) => {
                    self.stack.push(inner.children[1..].iter());
                    node = &inner.children[0];
                }
                Node::Leaf(entries) => {
                    self.leaf = entries.iter();
                    return;
                }
            }
        }
    }
}

impl<'a, K, V> Iter<'a, K, V> {
    /// What is left of the leaf that has been begun, or the next one: some entries that follow one another in memory.
    pub fn next_chunk(&mut self) -> Option<&'a [(K, V)]> {
        loop {
            let leaf = std::mem::take(&mut self.leaf).as_slice();
            if !leaf.is_empty() {
                return Some(leaf);
            }
            match self.stack.last_mut()?.next() {
                Some(child) => self.descend(child),
                None => {
                    self.stack.pop();
                }
            }
        }
    }
}

impl<'a, K, V> Iterator for Iter<'a, K, V> {
    type Item = (&'a K, &'a V);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some((key, value)) = self.leaf.next() {
                return Some((key, value));
            }
            match self.stack.last_mut()?.next() {
                Some(child) => self.descend(child),
                None => {
                    self.stack.pop();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[derive(Clone, Debug)]
    enum Step {
        Insert(u16, u32),
        Remove(u16),
        Change(u16, u32),
        /// Keeps a clone, whose contents must never change again.
        Keep,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        // Few distinct keys, so that removals hit; enough of them for several levels.
        let key = 0u16..3000;
        let step = prop_oneof![
            6 => (key.clone(), any::<u32>()).prop_map(|(k, v)| Step::Insert(k, v)),
            4 => key.clone().prop_map(Step::Remove),
            1 => (key, any::<u32>()).prop_map(|(k, v)| Step::Change(k, v)),
            1 => Just(Step::Keep),
        ];
        prop::collection::vec(step, 0..3000)
    }

    fn check_same(map: &PMap<u16, u32>, model: &BTreeMap<u16, u32>) {
        assert_eq!(map.len(), model.len());
        assert!(map.iter().eq(model.iter()));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn behaves_like_a_btreemap_and_old_versions_stay(steps in steps()) {
            let mut map = PMap::new();
            let mut model = BTreeMap::new();
            let mut kept = Vec::new();
            for step in steps {
                match step {
                    Step::Insert(k, v) => prop_assert_eq!(map.insert(k, v), model.insert(k, v)),
                    Step::Remove(k) => prop_assert_eq!(map.remove(&k), model.remove(&k)),
                    Step::Change(k, v) => {
                        let (a, b) = (map.get_mut(&k), model.get_mut(&k));
                        prop_assert_eq!(a.is_some(), b.is_some());
                        if let (Some(a), Some(b)) = (a, b) {
                            *a = v;
                            *b = v;
                        }
                    }
                    Step::Keep if kept.len() < 8 => kept.push((map.clone(), model.clone())),
                    Step::Keep => {}
                }
            }
            check_same(&map, &model);
            for (map, model) in &kept {
                check_same(map, model);
            }
            let mut chunks = map.iter();
            let mut first: Vec<_> = chunks.by_ref().take(5).map(|(k, v)| (*k, *v)).collect();
            while let Some(chunk) = chunks.next_chunk() {
                first.extend_from_slice(chunk);
            }
            prop_assert!(first.iter().map(|(k, v)| (k, v)).eq(model.iter()));
            for from in (0..3000u16).step_by(97) {
                prop_assert!(map.range_from(&from).eq(model.range(from..)));
                prop_assert_eq!(map.get(&from), model.get(&from));
            }
        }
    }

    #[test]
    fn a_map_of_sorted_entries_is_like_one_into_which_they_were_put() {
        for len in (0..40).chain([255, 256, 257, 258, 4097, 5000]) {
            let entries = (0..len).map(|key| (2 * key, u32::from(key)));
            let mut map = PMap::from_sorted(entries.clone().collect());
            let mut model: BTreeMap<u16, u32> = entries.collect();
            check_same(&map, &model);
            for key in 0..2 * len + 1 {
                assert_eq!(map.get(&key), model.get(&key), "{key} of {len}");
                assert!(map.range_from(&key).take(3).eq(model.range(key..).take(3)));
            }
            // Full nodes split, and nodes of every level are emptied.
            for key in (0..2 * len).step_by(3) {
                assert_eq!(map.insert(key, 7), model.insert(key, 7));
            }
            check_same(&map, &model);
            for key in 0..2 * len {
                assert_eq!(map.remove(&key), model.remove(&key));
            }
            check_same(&map, &model);
        }
    }

    #[test]
    fn many_entries_put_in_or_taken_out_at_once_are_like_one_after_the_other() {
        for before in [0, 1, 15, 16, 17, 100, 1000] {
            for added in [0, 1, 7, 8, 50, 300, 2000] {
                let old = (0..before).map(|key: u16| (7 * key, u32::from(key)));
                let new: Vec<_> = (0..added).map(|key| (5 * key + 3, 1)).collect();
                let mut model: BTreeMap<u16, u32> = old.collect();
                let mut map: PMap<u16, u32> = model.iter().map(|(k, v)| (*k, *v)).collect();
                let kept = (map.clone(), model.clone());
                let is_new = |(key, _): &(u16, u32)| !model.contains_key(key);
                let new: Vec<_> = new.into_iter().filter(is_new).collect();
                model.extend(new.iter().copied());
                map.extend_sorted(new);
                check_same(&map, &model);
                check_same(&kept.0, &kept.1);
                for part in [2, 3] {
                    let gone = model.keys().copied().filter(|key| key % part == 0);
                    let gone: Vec<u16> = gone.collect();
                    model.retain(|key, _| key % part != 0);
                    map.remove_sorted(&gone);
                    check_same(&map, &model);
                }
                for key in 0..20 {
                    assert_eq!(map.insert(key, 7), model.insert(key, 7));
                    assert_eq!(map.remove(&(key * 3)), model.remove(&(key * 3)));
                }
                check_same(&map, &model);
            }
        }
    }

    #[test]
    fn a_map_that_was_emptied_is_usable_again() {
        let mut map: PMap<u16, u16> = (0..500).map(|k| (k, k)).collect();
        for k in (0..500).rev() {
            assert_eq!(map.remove(&k), Some(k));
        }
        assert!(map.is_empty());
        assert_eq!(map.iter().next(), None);
        map.insert(7, 8);
        assert_eq!(map.get(&7), Some(&8));
    }

    #[test]
    fn removing_an_absent_key_copies_nothing() {
        let mut map: PMap<u16, u16> = (0..100).map(|k| (k, k)).collect();
        let kept = map.clone();
        assert_eq!(map.remove(&1000), None);
        let (Some(a), Some(b)) = (&map.root, &kept.root) else {
            panic!("both have entries");
        };
        assert!(Arc::ptr_eq(a, b));
    }
}
