//! Going through sequences: one in order, or two side by side, past what they share.

use smallvec::SmallVec;

use super::tree::{Branch, Node};
use super::{Element, View};
use crate::work;

/// Branches on the way to a node, each with the number of the child to be visited next.
type Stack<'a, E> = SmallVec<[(&'a Branch<E>, usize); 4]>;

/// The next node in order, which is not below the one that was next before.
fn next_node<'a, E: Element>(stack: &mut Stack<'a, E>) -> Option<Node<'a, E>> {
    while let Some((branch, next)) = stack.last_mut() {
        if let Some(child) = branch.get_child(*next) {
            *next += 1;
            return Some(child);
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
            match branch.get_child(*next) {
                Some(child) => {
                    *next += 1;
                    self.enter(child);
                }
                None => {
                    self.stack.pop();
                }
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

    /// Leaves out nodes that both sides share: all that differs is visited, and some of what does not.
    pub(in super::super) fn differences(left: View<'a, E>, right: View<'a, E>) -> Walk<'a, E> {
        Walk {
            skip_shared: true,
            ..Walk::all(left, right)
        }
    }

    /// About how many bytes the branches take that the left side does not share, as far as they have been visited.
    pub(in super::super) fn left_branch_bytes(&self) -> usize {
        self.left.branch_bytes
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
        if self.skip_shared {
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
    /// The element that comes next, if it has been looked for.
    first: Option<&'a E>,
    branch_bytes: usize,
}

impl<'a, E: Element> Cursor<'a, E> {
    fn new(view: View<'a, E>) -> Cursor<'a, E> {
        Cursor {
            stack: Stack::new(),
            node: (view.len() > 0).then_some(view.0),
            leaf: &[],
            first: None,
            branch_bytes: 0,
        }
    }

    fn peek(&mut self) -> Option<&'a E> {
        if self.first.is_none() {
            self.first = match self.node {
                Some(node) => node.first(),
                None => self.leaf.first(),
            };
        }
        self.first
    }

    /// Goes past the node that comes next.
    fn skip(&mut self) {
        self.first = None;
        self.node = next_node(&mut self.stack);
    }

    /// Looks into the branch that comes next.
    fn open(&mut self) {
        if let Some(Node::Branch(branch)) = self.node {
            self.branch_bytes += branch.own_bytes();
            self.stack.push((branch, 0));
            self.node = next_node(&mut self.stack);
        }
    }

    /// Goes past the element that comes next, of which there is one.
    fn advance(&mut self) {
        self.first = None;
        while let Some(Node::Branch(_)) = self.node {
            self.open();
        }
        if let Some(Node::Leaf(elements)) = self.node.take() {
            self.leaf = elements;
        }
        self.leaf = &self.leaf[1..];
        if self.leaf.is_empty() {
            self.skip();
        }
    }
}
