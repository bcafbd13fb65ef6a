//! Which UUID of one server is which of the other: both make up their own.
//!
//! Two texts are equal if they are the same byte by byte, and the UUIDs in them stand for each other one to one
//! in everything seen so far. What depends on the value of UUIDs (the order of sets and of map keys) is put into an
//! order of its own first, and so are the members of objects, which the reference writes in the order of a hash
//! table. It knows no rows and no operations.

use std::collections::HashMap;
use std::ops::Range;

use super::digits;
use crate::names::{find_uuid, is_uuid};
use crate::raw::Raw;

/// One of the two servers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum End {
    /// The one whose behaviour is expected.
    Left,
    /// The one that is compared with it.
    Right,
}

const NIL: &str = "00000000-0000-0000-0000-000000000000";

/// The UUIDs of both servers, numbered in the order in which they were first seen.
#[derive(Clone, Debug)]
pub struct Pairing {
    pairs: Vec<[String; 2]>,
    numbers: [HashMap<String, u32>; 2],
    rounded: usize,
}

impl Default for Pairing {
    fn default() -> Self {
        Pairing::new()
    }
}

impl Pairing {
    /// Nothing is known but the UUID that is all zeros, which is number 0.
    pub fn new() -> Pairing {
        let mut pairing = Pairing {
            pairs: Vec::new(),
            numbers: Default::default(),
            rounded: 0,
        };
        pairing.literal(NIL);
        pairing
    }

    /// How many texts were equal only by [`digits::equal`], since the last call.
    pub fn take_rounded(&mut self) -> usize {
        std::mem::take(&mut self.rounded)
    }

    /// The same numbers for two servers that both use the UUIDs of one.
    pub fn of_one(&self, end: End) -> Pairing {
        let mut pairing = Pairing {
            pairs: Vec::new(),
            numbers: Default::default(),
            rounded: 0,
        };
        for pair in &self.pairs {
            let uuid = &pair[end as usize];
            pairing.bind(uuid, uuid);
        }
        pairing
    }

    /// The number of a UUID that requests spell out, so that it is the same on both servers.
    pub fn literal(&mut self, uuid: &str) -> u32 {
        self.number(End::Left, uuid)
            .unwrap_or_else(|| self.bind(uuid, uuid))
    }

    /// The UUID that has this number on one server.
    pub fn uuid(&self, number: u32, end: End) -> &str {
        &self.pairs[number as usize][end as usize]
    }

    /// The number of a UUID of one server, if it has been seen.
    pub fn number(&self, end: End, uuid: &str) -> Option<u32> {
        self.numbers[end as usize].get(uuid).copied()
    }

    /// A request's text for one server.
    pub fn render(&self, raw: &Raw, end: End) -> String {
        let mut text = String::new();
        raw.write(&mut text, &|number| self.uuid(number, end));
        text
    }

    /// Whether two texts are equal but for UUIDs that stand for each other. UUIDs not seen before are taken to
    /// do so, and are remembered if the texts are equal.
    pub fn equal(&mut self, left: &str, right: &str) -> bool {
        let known = self.pairs.len();
        let equal = self.match_texts(left, right);
        if !equal {
            self.forget(known);
        }
        equal
    }

    /// Like [`Pairing::equal`] for two values, after [`Pairing::sort`].
    pub fn equal_values(&mut self, left: &mut Raw, right: &mut Raw) -> bool {
        self.sort(left, End::Left);
        self.sort(right, End::Right);
        let known = self.pairs.len();
        let equal = self.match_values(left, right);
        if !equal {
            self.forget(known);
        }
        equal
    }

    /// Puts what is ordered by UUIDs into the order of their numbers: elements of sets, pairs of maps. Members of
    /// objects are put into the order of their names.
    pub fn sort(&self, raw: &mut Raw, end: End) {
        match raw {
            Raw::Token(_) | Raw::Name(_) => {}
            Raw::Array(elements) => {
                elements
                    .iter_mut()
                    .for_each(|element| self.sort(element, end));
                let [tag, Raw::Array(content)] = &mut elements[..] else {
                    return;
                };
                let by_uuid = match tag.text() {
                    Some("set") => content
                        .iter()
                        .any(|element| element.of_tag("uuid").is_some()),
                    Some("map") => content.iter().any(|pair| {
                        pair.elements()
                            .and_then(<[Raw]>::first)
                            .is_some_and(|key| key.of_tag("uuid").is_some())
                    }),
                    _ => false,
                };
                if by_uuid {
                    self.sort_array(content, end);
                }
            }
            Raw::Object(members) => {
                members
                    .iter_mut()
                    .for_each(|(_, value)| self.sort(value, end));
                members.sort_by_cached_key(|(name, _)| self.neutral(name, end));
            }
        }
    }

    /// Puts values that have no order into one, by their text with numbers for UUIDs.
    pub fn sort_array(&self, elements: &mut [Raw], end: End) {
        elements.sort_by_cached_key(|element| {
            let key = self.key(element, end);
            (digits::round(&key), key)
        });
    }

    /// The text of a value with numbers for UUIDs, the same on both servers.
    pub fn key(&self, raw: &Raw, end: End) -> String {
        let mut text = String::new();
        raw.write(&mut text, &|number| self.uuid(number, end));
        self.neutral(&text, end)
    }

    /// `text` with `<NUMBER>` for every known UUID and `<?>` for others.
    pub fn neutral(&self, text: &str, end: End) -> String {
        let mut out = String::with_capacity(text.len());
        let mut at = 0;
        while let Some(range) = find_uuid(text, at) {
            out.push_str(&text[at..range.start]);
            match self.number(end, &text[range.clone()]) {
                Some(number) => out.push_str(&format!("<{number:07}>")),
                None => out.push_str("<?>"),
            }
            at = range.end;
        }
        out.push_str(&text[at..]);
        out
    }

    /// Replaces strings that are UUIDs by their numbers. Unknown ones stay.
    pub fn to_numbers(&self, raw: &mut Raw, end: End) {
        match raw {
            Raw::Token(_) => {
                let number = raw
                    .text()
                    .filter(|text| is_uuid(text))
                    .and_then(|text| self.number(end, text));
                if let Some(number) = number {
                    *raw = Raw::Name(number);
                }
            }
            Raw::Name(_) => {}
            Raw::Array(elements) => elements
                .iter_mut()
                .for_each(|element| self.to_numbers(element, end)),
            Raw::Object(members) => members
                .iter_mut()
                .for_each(|(_, value)| self.to_numbers(value, end)),
        }
    }

    /// Where two sorted values first differ, and how, for people.
    pub fn locate(&self, left: &Raw, right: &Raw) -> String {
        let children = |raw: &Raw, end: End| -> Vec<(String, Raw)> {
            match raw {
                Raw::Array(elements) => {
                    let numbered = elements.iter().enumerate();
                    let numbered =
                        numbered.map(|(index, element)| (index.to_string(), element.clone()));
                    numbered.collect()
                }
                Raw::Object(members) => {
                    let named = members.iter();
                    let named = named.map(|(name, value)| (self.neutral(name, end), value.clone()));
                    named.collect()
                }
                Raw::Token(_) | Raw::Name(_) => Vec::new(),
            }
        };
        let (ours, theirs) = (children(left, End::Left), children(right, End::Right));
        let same_names = ours.len() == theirs.len()
            && ours
                .iter()
                .zip(&theirs)
                .all(|(left, right)| left.0 == right.0);
        let different = ours
            .iter()
            .zip(&theirs)
            .find(|((_, left), (_, right))| !self.clone().match_values(left, right));
        match different.filter(|_| same_names) {
            Some(((name, left), (_, right))) => format!("/{name}{}", self.locate(left, right)),
            None => format!(
                ": {} and {}",
                self.key(left, End::Left),
                self.key(right, End::Right)
            ),
        }
    }

    fn bind(&mut self, left: &str, right: &str) -> u32 {
        let number = u32::try_from(self.pairs.len()).expect("a test sees fewer UUIDs");
        self.numbers[0].insert(left.to_owned(), number);
        self.numbers[1].insert(right.to_owned(), number);
        self.pairs.push([left.to_owned(), right.to_owned()]);
        number
    }

    fn forget(&mut self, from: usize) {
        for [left, right] in self.pairs.drain(from..) {
            self.numbers[0].remove(&left);
            self.numbers[1].remove(&right);
        }
    }

    fn match_uuids(&mut self, left: &str, right: &str) -> bool {
        match (self.number(End::Left, left), self.number(End::Right, right)) {
            (Some(left), Some(right)) => left == right,
            (None, None) => {
                self.bind(left, right);
                true
            }
            _ => false,
        }
    }

    fn match_texts(&mut self, left: &str, right: &str) -> bool {
        let (mut left_at, mut right_at) = (0, 0);
        loop {
            let ours = find_uuid(left, left_at);
            let theirs = find_uuid(right, right_at);
            let end = |range: &Option<Range<usize>>, text: &str| {
                range.as_ref().map_or(text.len(), |range| range.start)
            };
            let left_text = &left[left_at..end(&ours, left)];
            let right_text = &right[right_at..end(&theirs, right)];
            if left_text != right_text && !self.equal_but_for_digits(left_text, right_text) {
                return false;
            }
            match (ours, theirs) {
                (None, None) => return true,
                (Some(ours), Some(theirs)) => {
                    if !self.match_uuids(&left[ours.clone()], &right[theirs.clone()]) {
                        return false;
                    }
                    (left_at, right_at) = (ours.end, theirs.end);
                }
                _ => return false,
            }
        }
    }

    fn equal_but_for_digits(&mut self, left: &str, right: &str) -> bool {
        let equal = digits::equal(left, right);
        self.rounded += usize::from(equal);
        equal
    }

    fn match_values(&mut self, left: &Raw, right: &Raw) -> bool {
        match (left, right) {
            (Raw::Token(left), Raw::Token(right)) => self.match_texts(left, right),
            (Raw::Array(left), Raw::Array(right)) => {
                left.len() == right.len()
                    && left
                        .iter()
                        .zip(right)
                        .all(|(left, right)| self.match_values(left, right))
            }
            (Raw::Object(left), Raw::Object(right)) => {
                left.len() == right.len()
                    && left.iter().zip(right).all(|(left, right)| {
                        self.match_texts(&left.0, &right.0) && self.match_values(&left.1, &right.1)
                    })
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "0123abcd-89ab-cdef-0123-456789abcdef";
    const B: &str = "11111111-1111-1111-1111-111111111111";
    const C: &str = "22222222-2222-2222-2222-222222222222";

    #[test]
    fn uuids_stand_for_each_other_one_to_one() {
        let mut pairing = Pairing::new();
        assert!(pairing.equal(&format!("x{A}{A}y"), &format!("x{B}{B}y")));
        assert!(!pairing.equal(A, C));
        assert!(!pairing.equal(C, B));
        assert!(!pairing.equal(&format!("{A}-{C}"), &format!("{B}_{A}")));
        assert!(
            pairing.equal(C, A),
            "a failed comparison leaves nothing behind"
        );
    }

    #[test]
    fn text_around_uuids_counts() {
        for (left, right, equal) in [
            ("", "", true),
            ("abc", "abd", false),
            ("abc", "abcd", false),
            (A, "0123abcd-89ab-cdef-0123-456789abcdeg", false),
        ] {
            assert_eq!(Pairing::new().equal(left, right), equal, "{left} {right}");
        }
    }

    #[test]
    fn sets_of_uuids_are_compared_without_their_order() {
        let set = |uuids: [&str; 2]| {
            let elements = uuids.map(|uuid| Raw::tagged("uuid", Raw::string(uuid)));
            Raw::set(elements.to_vec())
        };
        let mut pairing = Pairing::new();
        assert!(pairing.equal(&format!("{A} {B}"), &format!("{B} {A}")));
        assert!(pairing.equal_values(&mut set([A, B]), &mut set([A, B])));
        assert!(pairing.equal_values(&mut set([A, B]), &mut set([B, A])));
        assert!(!pairing.equal_values(&mut set([A, B]), &mut set([B, C])));
    }

    #[test]
    fn other_arrays_keep_their_order() {
        let parse = |text: &str| Raw::parse(text).expect("it is well formed");
        let mut pairing = Pairing::new();
        assert!(!pairing.equal_values(&mut parse("[1,2]"), &mut parse("[2,1]")));
        assert!(!pairing.equal_values(
            &mut parse(r#"["set",["a","b"]]"#),
            &mut parse(r#"["set",["b","a"]]"#)
        ));
    }

    #[test]
    fn members_have_no_order_but_count_one_by_one() {
        let parse = |text: &str| Raw::parse(text).expect("it is well formed");
        let mut pairing = Pairing::new();
        let mut equal = |left, right| pairing.equal_values(&mut parse(left), &mut parse(right));
        assert!(equal(
            r#"{"a":1,"b":{"c":2,"d":3}}"#,
            r#"{"b":{"d":3,"c":2},"a":1}"#
        ));
        assert!(!equal(r#"{"a":1,"a":1}"#, r#"{"a":1}"#));
        assert!(!equal(r#"{"a":1,"b":2}"#, r#"{"a":2,"b":1}"#));
    }
}
