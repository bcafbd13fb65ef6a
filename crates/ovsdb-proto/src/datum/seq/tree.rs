//! The tree behind a big sequence: slices of elements as leaves, and branches whose versions share what they can.
//!
//! A change copies one leaf and each branch above it: that many counters of neighbours are raised, and no element of
//! them is looked at. What the children of a branch are found by is shared as long as none comes or goes.

use std::sync::Arc;

use super::{Element, Grown, LEAF_BUILT, LEAF_MIN, replace as replace_in, with, without};
use crate::atom::Atom;
use crate::work;

/// A branch has no more children than this.
const FAN_MAX: usize = 16;
/// A branch with fewer children is joined with a neighbour, or gets some of its children; the root has two or more.
const FAN_MIN: usize = FAN_MAX / 4;
/// Children of a branch of a freshly built tree.
const FAN_BUILT: usize = FAN_MAX * 3 / 4;
/// More branches than any tree has above a leaf: at least `2 * FAN_MIN.pow(HEIGHT_MAX - 1)` leaves would be below.
const HEIGHT_MAX: usize = 24;

/// A node with two or more children.
pub(in super::super) struct Branch<E> {
    /// Elements below it.
    len: usize,
    /// For each child but the first a key that is not above any of its own, and above all of the child before.
    bounds: Arc<[Atom]>,
    children: Children<E>,
}

/// The children of a branch. All leaves have the same depth.
enum Children<E> {
    Leaves(Vec<Arc<[E]>>),
    Branches(Vec<Arc<Branch<E>>>),
}

/// A leaf or a branch, to be looked at.
pub(super) enum Node<'a, E> {
    Leaf(&'a [E]),
    Branch(&'a Branch<E>),
}

/// Numbers of children, from the root to a leaf.
#[derive(Clone, Copy, Default)]
pub(super) struct Path {
    children: [u8; HEIGHT_MAX],
    len: u8,
}

impl Path {
    pub(super) fn push(&mut self, child: usize) {
        // A child's number is below `FAN_MAX`.
        self.children[usize::from(self.len)] = child as u8;
        self.len += 1;
    }

    fn as_slice(&self) -> &[u8] {
        &self.children[..usize::from(self.len)]
    }
}

// Derives would ask for `E: Copy`.
impl<E> Clone for Node<'_, E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<E> Copy for Node<'_, E> {}

impl<'a, E: Element> Node<'a, E> {
    pub(super) fn len(self) -> usize {
        match self {
            Node::Leaf(elements) => elements.len(),
            Node::Branch(branch) => branch.len,
        }
    }

    /// How many branches are above a leaf of it.
    pub(super) fn height(self) -> usize {
        let mut height = 0;
        let mut node = self;
        while let Node::Branch(branch) = node {
            height += 1;
            node = branch.child(0);
        }
        height
    }

    pub(super) fn is_same(self, other: Node<'_, E>) -> bool {
        match (self, other) {
            (Node::Leaf(a), Node::Leaf(b)) => std::ptr::eq(a, b),
            (Node::Branch(a), Node::Branch(b)) => std::ptr::eq(a, b),
            _ => false,
        }
    }

    pub(super) fn first(self) -> Option<&'a E> {
        let mut node = self;
        loop {
            match node {
                Node::Leaf(elements) => return elements.first(),
                Node::Branch(branch) => node = branch.child(0),
            }
        }
    }

    /// The leaf that has `key`, if any has. `through` is told the number of each child on the way.
    pub(super) fn descend(self, key: &Atom, mut through: impl FnMut(usize)) -> &'a [E] {
        let mut node = self;
        loop {
            match node {
                Node::Leaf(elements) => return elements,
                Node::Branch(branch) => {
                    let at = branch.bounds.partition_point(|bound| bound <= key);
                    through(at);
                    node = branch.child(at);
                }
            }
        }
    }

    pub(super) fn leaf_at(self, path: &Path) -> &'a [E] {
        let mut node = self;
        for &at in path.as_slice() {
            if let Node::Branch(branch) = node {
                node = branch.child(usize::from(at));
            }
        }
        match node {
            Node::Leaf(elements) => elements,
            Node::Branch(_) => &[],
        }
    }
}

impl<E> Clone for Branch<E> {
    fn clone(&self) -> Self {
        work::add(self.children.len());
        Branch {
            len: self.len,
            bounds: self.bounds.clone(),
            children: match &self.children {
                Children::Leaves(leaves) => Children::Leaves(leaves.clone()),
                Children::Branches(branches) => Children::Branches(branches.clone()),
            },
        }
    }
}

impl<E> Children<E> {
    fn len(&self) -> usize {
        match self {
            Children::Leaves(leaves) => leaves.len(),
            Children::Branches(branches) => branches.len(),
        }
    }

    fn split_off(&mut self, at: usize) -> Children<E> {
        match self {
            Children::Leaves(leaves) => Children::Leaves(leaves.split_off(at)),
            Children::Branches(branches) => Children::Branches(branches.split_off(at)),
        }
    }
}

impl<E: Element> Branch<E> {
    /// More elements than fit into one leaf, in ascending order of unique keys.
    pub(super) fn from_sorted(elements: Vec<E>) -> Branch<E> {
        let sizes = even_parts(elements.len(), LEAF_BUILT);
        let mut elements = elements.into_iter();
        let leaves = sizes.map(|size| elements.by_ref().take(size).collect());
        Branch::of_leaves(leaves.collect())
    }

    /// The root of a tree of two or more leaves, none of which is empty.
    pub(super) fn of_leaves(leaves: Vec<Arc<[E]>>) -> Branch<E> {
        let len = leaves.len();
        let mut leaves = leaves.into_iter();
        let mut branches: Vec<Arc<Branch<E>>> = even_parts(len, FAN_BUILT)
            .map(|size| leaves.by_ref().take(size).collect())
            .map(|leaves| Arc::new(Branch::of(Children::Leaves(leaves))))
            .collect();
        while branches.len() > 1 {
            let len = branches.len();
            let mut below = branches.into_iter();
            branches = even_parts(len, FAN_BUILT)
                .map(|size| below.by_ref().take(size).collect())
                .map(|below| Arc::new(Branch::of(Children::Branches(below))))
                .collect();
        }
        let root = branches.pop().expect("parts of something are not nothing");
        Arc::unwrap_or_clone(root)
    }

    fn of(children: Children<E>) -> Branch<E> {
        let bounds = match &children {
            Children::Leaves(leaves) => bounds_of(leaves.iter().map(|leaf| Node::Leaf(leaf))),
            Children::Branches(branches) => {
                bounds_of(branches.iter().map(|branch| Node::Branch(branch)))
            }
        };
        Branch::with_bounds(bounds, children)
    }

    fn with_bounds(bounds: Arc<[Atom]>, children: Children<E>) -> Branch<E> {
        let len = match &children {
            Children::Leaves(leaves) => leaves.iter().map(|leaf| leaf.len()).sum(),
            Children::Branches(branches) => branches.iter().map(|branch| branch.len).sum(),
        };
        Branch {
            len,
            bounds,
            children,
        }
    }

    /// How many children there are.
    pub(super) fn fan(&self) -> usize {
        self.children.len()
    }

    pub(super) fn child(&self, at: usize) -> Node<'_, E> {
        match &self.children {
            Children::Leaves(leaves) => Node::Leaf(&leaves[at]),
            Children::Branches(branches) => Node::Branch(&branches[at]),
        }
    }

    /// How many children the two share in the beginning, and how many others at the end.
    pub(super) fn shared_ends(&self, other: &Branch<E>) -> (usize, usize) {
        fn ends<T: ?Sized>(a: &[Arc<T>], b: &[Arc<T>]) -> (usize, usize) {
            let is_same = |(a, b): &(&Arc<T>, &Arc<T>)| Arc::ptr_eq(a, b);
            let before = a.iter().zip(b).take_while(is_same).count();
            let (a, b) = (a[before..].iter().rev(), b[before..].iter().rev());
            let after = a.zip(b).take_while(is_same).count();
            work::add(before + after);
            (before, after)
        }
        match (&self.children, &other.children) {
            (Children::Leaves(a), Children::Leaves(b)) => ends(a, b),
            (Children::Branches(a), Children::Branches(b)) => ends(a, b),
            _ => (0, 0),
        }
    }

    /// About how many bytes it takes, what is below it aside.
    pub(super) fn own_bytes(&self) -> usize {
        // The counters, and the list of children, which is an allocation of its own. The bounds are mostly shared.
        2 * size_of::<usize>() + size_of::<Branch<E>>() + self.children.len() * size_of::<&[E]>()
    }

    /// Puts `element` into the leaf at the end of `path`. If there are too many children then, gives back a branch for
    /// the upper half of them, and its bound.
    fn insert(&mut self, path: &[u8], index: usize, element: E) -> Option<(Atom, Branch<E>)> {
        self.len += 1;
        let at = usize::from(path[0]);
        let bound = match &mut self.children {
            Children::Leaves(leaves) => match with(&leaves[at], index, element) {
                Grown::Fits(leaf) => {
                    leaves[at] = leaf;
                    return None;
                }
                Grown::Split(left, right) => {
                    let bound = right[0].key().clone();
                    leaves[at] = left;
                    leaves.insert(at + 1, right);
                    bound
                }
            },
            Children::Branches(branches) => {
                let child = Arc::make_mut(&mut branches[at]);
                let (bound, right) = child.insert(&path[1..], index, element)?;
                branches.insert(at + 1, Arc::new(right));
                bound
            }
        };
        let (before, after) = self.bounds.split_at(at);
        let bounds = before.iter().cloned();
        let bounds = bounds.chain([bound]).chain(after.iter().cloned());
        self.bounds = bounds.collect();
        (self.children.len() > FAN_MAX).then(|| self.split())
    }

    /// Takes the upper half of the children away.
    fn split(&mut self) -> (Atom, Branch<E>) {
        let middle = self.children.len() / 2;
        let right = Branch::with_bounds(
            self.bounds[middle..].into(),
            self.children.split_off(middle),
        );
        let bound = self.bounds[middle - 1].clone();
        self.bounds = self.bounds[..middle - 1].into();
        self.len -= right.len;
        (bound, right)
    }

    fn replace(&mut self, path: &[u8], index: usize, element: E) {
        let at = usize::from(path[0]);
        match &mut self.children {
            Children::Leaves(leaves) => replace_in(&mut leaves[at], index, element),
            Children::Branches(branches) => {
                Arc::make_mut(&mut branches[at]).replace(&path[1..], index, element);
            }
        }
    }

    fn remove(&mut self, path: &[u8], index: usize) {
        self.len -= 1;
        let at = usize::from(path[0]);
        let is_meagre = match &mut self.children {
            Children::Leaves(leaves) => {
                leaves[at] = without(&leaves[at], index);
                leaves[at].len() < LEAF_MIN
            }
            Children::Branches(branches) => {
                let child = Arc::make_mut(&mut branches[at]);
                child.remove(&path[1..], index);
                child.children.len() < FAN_MIN
            }
        };
        if is_meagre {
            // Every branch has two children or more.
            self.even_out(if at + 1 < self.children.len() {
                at
            } else {
                at - 1
            });
        }
    }

    /// Makes one child of that at `left` and the next, or two of about the same size if one would be too full.
    fn even_out(&mut self, left: usize) {
        let between = &self.bounds[left];
        let bound = match &mut self.children {
            Children::Leaves(leaves) => {
                let right = leaves.remove(left + 1);
                let both = leaves[left].iter().chain(&*right);
                let both_len = leaves[left].len() + right.len();
                work::add(both_len);
                if both_len <= LEAF_BUILT {
                    leaves[left] = both.cloned().collect();
                    None
                } else {
                    let upper: Arc<[E]> = both.clone().skip(both_len / 2).cloned().collect();
                    let bound = upper[0].key().clone();
                    leaves[left] = both.take(both_len / 2).cloned().collect();
                    leaves.insert(left + 1, upper);
                    Some(bound)
                }
            }
            Children::Branches(branches) => {
                let right = Arc::unwrap_or_clone(branches.remove(left + 1));
                let child = Arc::make_mut(&mut branches[left]);
                let bounds = child.bounds.iter().chain([between]).chain(&*right.bounds);
                child.bounds = bounds.cloned().collect();
                child.len += right.len;
                match (&mut child.children, right.children) {
                    (Children::Leaves(into), Children::Leaves(from)) => into.extend(from),
                    (Children::Branches(into), Children::Branches(from)) => into.extend(from),
                    _ => unreachable!("all leaves have the same depth"),
                }
                let split = (child.children.len() > FAN_BUILT).then(|| child.split());
                split.map(|(bound, upper)| {
                    branches.insert(left + 1, Arc::new(upper));
                    bound
                })
            }
        };
        let (before, after) = self.bounds.split_at(left);
        let bounds = before.iter().cloned();
        let bounds = bounds.chain(bound).chain(after[1..].iter().cloned());
        self.bounds = bounds.collect::<Vec<Atom>>().into();
    }

    /// Checks what must hold of a root.
    #[cfg(test)]
    pub(super) fn check_root(&self) {
        assert!((2..=FAN_MAX).contains(&self.children.len()));
        assert!(Node::Branch(self).height() <= HEIGHT_MAX);
        self.check(None, None);
    }

    #[cfg(test)]
    fn check(&self, above: Option<&Atom>, below: Option<&Atom>) -> usize {
        assert_eq!(self.bounds.len() + 1, self.children.len());
        let mut heights = Vec::new();
        let mut len = 0;
        for at in 0..self.children.len() {
            let least = at.checked_sub(1).map(|at| &self.bounds[at]).or(above);
            let limit = self.bounds.get(at).or(below);
            let node = self.child(at);
            len += node.len();
            match node {
                Node::Leaf(elements) => {
                    assert!((LEAF_MIN..=super::LEAF_MAX).contains(&elements.len()));
                    let keys = || elements.iter().map(Element::key);
                    assert!(keys().all(|key| least.is_none_or(|least| least <= key)));
                    assert!(keys().all(|key| limit.is_none_or(|limit| key < limit)));
                    heights.push(0);
                }
                Node::Branch(branch) => {
                    assert!((FAN_MIN..=FAN_MAX).contains(&branch.children.len()));
                    heights.push(branch.check(least, limit));
                }
            }
        }
        assert_eq!(len, self.len);
        heights.dedup();
        assert_eq!(heights.len(), 1, "all leaves have the same depth");
        heights[0] + 1
    }
}

/// The sizes of as few parts of `len` as have about `size` each, none of them much smaller than another.
fn even_parts(len: usize, size: usize) -> impl Iterator<Item = usize> {
    let parts = len.div_ceil(size);
    (0..parts).map(move |at| len * (at + 1) / parts - len * at / parts)
}

/// The first key of each node but the first.
fn bounds_of<'a, E: Element + 'a>(nodes: impl Iterator<Item = Node<'a, E>>) -> Arc<[Atom]> {
    let firsts = nodes.skip(1).filter_map(Node::first);
    firsts.map(|first| first.key().clone()).collect()
}

/// Puts `element` where `path` and `index` say.
pub(super) fn insert<E: Element>(root: &mut Arc<Branch<E>>, path: &Path, index: usize, element: E) {
    let split = Arc::make_mut(root).insert(path.as_slice(), index, element);
    if let Some((bound, right)) = split {
        let children = vec![root.clone(), Arc::new(right)];
        *root = Arc::new(Branch::with_bounds(
            [bound].into(),
            Children::Branches(children),
        ));
    }
}

/// Replaces the element where `path` and `index` say by one with the same key.
pub(super) fn replace<E: Element>(
    root: &mut Arc<Branch<E>>,
    path: &Path,
    index: usize,
    element: E,
) {
    Arc::make_mut(root).replace(path.as_slice(), index, element);
}

/// Takes the element out where `path` and `index` say. Gives back what is left if that is no more than a leaf.
pub(super) fn remove<E: Element>(
    root: &mut Arc<Branch<E>>,
    path: &Path,
    index: usize,
) -> Option<Arc<[E]>> {
    Arc::make_mut(root).remove(path.as_slice(), index);
    match &root.children {
        Children::Leaves(leaves) if leaves.len() == 1 => Some(leaves[0].clone()),
        Children::Branches(branches) if branches.len() == 1 => {
            let only = branches[0].clone();
            *root = only;
            None
        }
        _ => None,
    }
}
