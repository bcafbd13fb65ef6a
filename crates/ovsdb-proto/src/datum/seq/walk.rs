//! Going through sequences: one in order, or two side by side, past what they share.

use smallvec::SmallVec;

use super::tree::{Branch, Node};
use super::{Element, View};
use crate::work;

/// Children of a branch that are still to be visited.
struct Siblings<'a, E> {
    branch: &'a Branch<E>,
    next: usize,
    end: usize,
}

/// Branches on the way to a node, the lowest last.
type Stack<'a, E> = SmallVec<[Siblings<'a, E>; 4]>;

/// The next node in order, which is not below the one that was next before.
fn next_node<'a, E: Element>(stack: &mut Stack<'a, E>) -> Option<Node<'a, E>> {
    while let Some(siblings) = stack.last_mut() {
        if siblings.next < siblings.end {
            siblings.next += 1;
            return Some(siblings.branch.child(siblings.next - 1));
        }
        stack.pop();
    }
    None
}

/// Iterates over the elements of a [`View`].
pub(in super::super) struct Elements<'a, E> {
    // No allocation where there is no branch, and little to be moved.
    stack: Vec<(&'a Branch<E>, usize)>,
    leaf: std::slice::Iter<'a, E>,
}

impl<'a, E: Element> Elements<'a, E> {
    pub(super) fn new(view: View<'a, E>) -> Elements<'a, E> {
        let mut elements = Elements {
            stack: Vec::new(),
            leaf: [].iter(),
        };
        elements.enter(view.0);
        elements
    }

    fn enter(&mut self, node: Node<'a, E>) {
        match node {
            Node::Leaf(leaf) => self.leaf = leaf.iter(),
            Node::Branch(branch) => self.stack.push((branch, 0)),
        }
    }
}

impl<'a, E: Element> Iterator for Elements<'a, E> {
    type Item = &'a E;

    fn next(&mut self) -> Option<&'a E> {
        loop {
            if let Some(element) = self.leaf.next() {
                return Some(element);
            }
            let (branch, next) = self.stack.last_mut()?;
            if *next < branch.fan() {
                let child = branch.child(*next);
                *next += 1;
                self.enter(child);
            } else {
                self.stack.pop();
            }
        }
    }
}

/// One step of a [`Walk`].
pub(in super::super) enum Step<'a, E> {
    /// The key is on the left only.
    Left(&'a E),
    /// The key is on the right only.
    Right(&'a E),
    /// The key is on both sides, perhaps with different values.
    Both(&'a E, &'a E),
}

/// Goes through two sequences side by side in order of keys.
pub(in super::super) struct Walk<'a, E> {
    left: Cursor<'a, E>,
    right: Cursor<'a, E>,
    skip_shared: bool,
}

impl<'a, E: Element> Walk<'a, E> {
    /// Visits every element.
    pub(in super::super) fn all(left: View<'a, E>, right: View<'a, E>) -> Walk<'a, E> {
        Walk {
            left: Cursor::new(left),
            right: Cursor::new(right),
            skip_shared: false,
        }
    }

    /// Leaves out what both sides share or begin and end with: all that differs is visited, and some of what does not.
    pub(in super::super) fn differences(left: View<'a, E>, right: View<'a, E>) -> Walk<'a, E> {
        let mut walk = Walk::unshared(left, right);
        if let (Some(Node::Leaf(left)), Some(Node::Leaf(right))) = (walk.left.node, walk.right.node)
            && walk.left.stack.is_empty()
            && walk.right.stack.is_empty()
        {
            let is_same = |(a, b): &(&E, &E)| a.key() == b.key() && a.has_value_of(b);
            let both = left.iter().zip(right);
            let before = both.take_while(is_same).count();
            let (left, right) = (&left[before..], &right[before..]);
            let both = left.iter().rev().zip(right.iter().rev());
            let after = both.take_while(is_same).count();
            work::add(before + after);
            walk.left = Cursor::of_leaf(&left[..left.len() - after]);
            walk.right = Cursor::of_leaf(&right[..right.len() - after]);
        }
        walk
    }

    /// Leaves out nodes that both sides share: all others are visited, and some that they share.
    pub(in super::super) fn unshared(left: View<'a, E>, right: View<'a, E>) -> Walk<'a, E> {
        let (mut left, mut right) = (left.0, right.0);
        let mut bytes = 0;
        // From the top down, as long as the two differ in one place.
        while let (Node::Branch(a), Node::Branch(b)) = (left, right) {
            if left.is_same(right) {
                break;
            }
            let (before, after) = a.shared_ends(b);
            let (a_end, b_end) = (a.fan() - after, b.fan() - after);
            bytes += a.own_bytes();
            if (a_end, b_end) != (before + 1, before + 1) {
                let mut left = Cursor::between(a, before, a_end);
                left.node_bytes = bytes;
                return Walk {
                    left,
                    right: Cursor::between(b, before, b_end),
                    skip_shared: true,
                };
            }
            (left, right) = (a.child(before), b.child(before));
        }
        let is_same = left.is_same(right);
        let cursor = |node: Node<'a, E>| match is_same {
            true => Cursor::of_leaf(&[]),
            false => Cursor::new(View(node)),
        };
        let mut left = cursor(left);
        left.node_bytes = bytes;
        Walk {
            left,
            right: cursor(right),
            skip_shared: true,
        }
    }

    /// The only leaf of the left side that is to be visited, if there is just one and nothing of it has been.
    pub(in super::super) fn left_is_leaf(&self) -> Option<&'a [E]> {
        match self.left.node {
            Some(Node::Leaf(leaf)) if self.left.stack.is_empty() => Some(leaf),
            _ => None,
        }
    }

    /// About how many bytes the nodes take that the left side does not share, as far as they have been visited, without
    /// what their elements take elsewhere.
    pub(in super::super) fn left_node_bytes(&self) -> usize {
        self.left.node_bytes
    }

    /// Goes past the nodes ahead that both sides share, from the top down.
    fn skip_shared(&mut self) {
        while let (Some(left), Some(right)) = (self.left.node, self.right.node) {
            work::add(1);
            if left.is_same(right) {
                self.left.skip();
                self.right.skip();
                continue;
            }
            match (left, right) {
                (Node::Leaf(_), Node::Leaf(_)) => return,
                (Node::Branch(_), Node::Leaf(_)) => self.left.open(),
                (Node::Leaf(_), Node::Branch(_)) => self.right.open(),
                (Node::Branch(_), Node::Branch(_)) => {
                    // Only nodes of one height can be the same.
                    let (left, right) = (left.height(), right.height());
                    if left >= right {
                        self.left.open();
                    }
                    if right >= left {
                        self.right.open();
                    }
                }
            }
        }
    }
}

impl<'a, E: Element> Iterator for Walk<'a, E> {
    type Item = Step<'a, E>;

    fn next(&mut self) -> Option<Step<'a, E>> {
        if self.skip_shared && self.left.node.is_some() && self.right.node.is_some() {
            self.skip_shared();
        }
        work::add(1);
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

/// A place in a sequence: before an element of a leaf, or before a node that has not been looked into.
struct Cursor<'a, E> {
    stack: Stack<'a, E>,
    /// The node that comes next, if it has not been looked into.
    node: Option<Node<'a, E>>,
    /// What is left of the leaf that has been looked into; empty while there is a `node`, and at the end.
    leaf: &'a [E],
    /// How much the nodes take that have been looked into.
    node_bytes: usize,
}

impl<'a, E: Element> Cursor<'a, E> {
    fn new(view: View<'a, E>) -> Cursor<'a, E> {
        Cursor {
            stack: Stack::new(),
            node: (view.len() > 0).then_some(view.0),
            leaf: &[],
            node_bytes: 0,
        }
    }

    /// Some of the children of a branch.
    fn between(branch: &'a Branch<E>, next: usize, end: usize) -> Cursor<'a, E> {
        let mut cursor = Cursor::of_leaf(&[]);
        cursor.stack.push(Siblings { branch, next, end });
        cursor.node = next_node(&mut cursor.stack);
        cursor
    }

    /// Some of the elements of a leaf.
    fn of_leaf(leaf: &'a [E]) -> Cursor<'a, E> {
        Cursor {
            stack: Stack::new(),
            node: None,
            leaf,
            node_bytes: size_of_val(leaf),
        }
    }

    fn peek(&self) -> Option<&'a E> {
        match self.node {
            None => self.leaf.first(),
            Some(node) => node.first(),
        }
    }

    /// Goes past the node that comes next.
    fn skip(&mut self) {
        self.node = next_node(&mut self.stack);
    }

    /// Looks into the branch that comes next.
    fn open(&mut self) {
        if let Some(Node::Branch(branch)) = self.node {
            self.node_bytes += branch.own_bytes();
            self.stack.push(Siblings {
                branch,
                next: 0,
                end: branch.fan(),
            });
            self.node = next_node(&mut self.stack);
        }
    }

    /// Goes past the element that comes next, of which there is one.
    fn advance(&mut self) {
        while let Some(Node::Branch(_)) = self.node {
            self.open();
        }
        if let Some(Node::Leaf(elements)) = self.node.take() {
            self.node_bytes += size_of_val(elements);
            self.leaf = elements;
        }
        self.leaf = &self.leaf[1..];
        if self.leaf.is_empty() {
            self.skip();
        }
    }
}
