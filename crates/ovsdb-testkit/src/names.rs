//! Renaming of UUIDs in text, so that two runs of one script can be compared.
//!
//! Knows what a UUID looks like and nothing else of the text.

use std::collections::HashMap;
use std::ops::Range;

/// Length of a UUID in its hyphenated form.
const UUID_LEN: usize = 36;

/// Names for UUIDs in the order in which they are first seen.
#[derive(Clone, Debug, Default)]
pub struct Names {
    numbers: HashMap<String, usize>,
}

impl Names {
    /// No UUID is known.
    pub fn new() -> Self {
        Names::default()
    }

    /// `text` with every UUID replaced by `<uuid-N>`, the same N for the same UUID in all texts given to this value.
    pub fn rename(&mut self, text: &str) -> String {
        replace(text, |uuid| {
            let next = self.numbers.len();
            let number = *self.numbers.entry(uuid.to_owned()).or_insert(next);
            format!("<uuid-{number}>")
        })
    }
}

/// `text` with every UUID replaced by `<uuid>`.
pub fn erase(text: &str) -> String {
    replace(text, |_| "<uuid>".to_owned())
}

fn replace(text: &str, mut name: impl FnMut(&str) -> String) -> String {
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while let Some(range) = find_uuid(text, at) {
        out.push_str(&text[at..range.start]);
        out.push_str(&name(&text[range.clone()]));
        at = range.end;
    }
    out.push_str(&text[at..]);
    out
}

/// True if `text` is one UUID and nothing else.
pub fn is_uuid(text: &str) -> bool {
    text.len() == UUID_LEN && find_uuid(text, 0).is_some()
}

/// The first UUID in `text` at or after `from`.
pub fn find_uuid(text: &str, from: usize) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    // Looking for hyphens is quick: there are few.
    (from + 8..bytes.len()).find_map(|hyphen| {
        if bytes[hyphen] != b'-' {
            return None;
        }
        let range = hyphen - 8..hyphen - 8 + UUID_LEN;
        let mut digits = bytes.get(range.clone())?.iter().enumerate();
        let found = digits.all(|(index, byte)| match index {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        });
        found.then_some(range)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "0123abcd-89ab-cdef-0123-456789abcdef";
    const B: &str = "ffffffff-ffff-ffff-ffff-ffffffffffff";

    #[test]
    fn the_same_uuid_keeps_its_name_across_texts() {
        let mut names = Names::new();
        assert_eq!(
            names.rename(&format!("x{A},{B} {A}")),
            "x<uuid-0>,<uuid-1> <uuid-0>"
        );
        assert_eq!(names.rename(&format!("{B}é")), "<uuid-1>é");
    }

    #[test]
    fn text_without_uuid_stays_as_it_is() {
        for text in ["", "é", &A[1..], "0123abcd-89ab-cdef-0123-456789abcdeg"] {
            assert_eq!(Names::new().rename(text), text);
            assert_eq!(erase(text), text);
        }
    }
}
