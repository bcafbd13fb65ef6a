//! Variations of an input that is nearly sound: for runs that are too short for chance or coverage to find the grammar.

use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;

/// Pieces that the grammars are made of, and values that stand at their borders.
const PIECES: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"",
    "\\",
    "\\u0000",
    "\\ud800",
    "\\udc00\\ud800",
    "null",
    "true",
    "false",
    "0",
    "-0",
    "1",
    "-1",
    "1.0",
    "0.5",
    "1e3",
    "1e308",
    "1e400",
    "-1e-400",
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775808",
    "2147483648",
    "1152921504606846976",
    "[]",
    "{}",
    "\"\"",
    "[\"set\",[]]",
    "[\"map\",[]]",
    "[\"uuid\",\"00000000-0000-0000-0000-000000000000\"]",
    "[\"named-uuid\",\"a\"]",
    "\"_uuid\"",
    "\"_version\"",
    "\"==\"",
    "\"!=\"",
    "\"<\"",
    "\"includes\"",
    "\"excludes\"",
    "\"op\"",
    "\"insert\"",
    "\"select\"",
    "\"update\"",
    "\"mutate\"",
    "\"delete\"",
    "\"wait\"",
    "\"commit\"",
    "\"abort\"",
    "\"comment\"",
    "\"assert\"",
    "\"where\"",
    "\"columns\"",
    "\"rows\"",
    "\"row\"",
    "\"until\"",
    "\"timeout\"",
    "\"mutations\"",
    "\"uuid-name\"",
    "\"uuid\"",
    "\"initial\"",
    "\"modify\"",
    "\"min\"",
    "\"max\"",
    "\"unlimited\"",
    "\"key\"",
    "\"value\"",
    "\"type\"",
    "\"enum\"",
    "\"refTable\"",
    "\"refType\"",
    "\"_is_diff\"",
    "\"_date\"",
    "\"_comment\"",
    "OVSDB JSON ",
    "OVSDB CLUSTER ",
    "\n",
    " ",
    "\u{feff}",
    "é",
    "\u{10ffff}",
    "\0",
    "[[[[[[[[[[[[[[[[",
];

/// A variation of `input`, sometimes with a part of `other`.
pub fn vary(random: &mut StdRng, input: &[u8], other: &[u8]) -> Vec<u8> {
    let mut varied = input.to_vec();
    for _ in 0..random.random_range(1..=4) {
        step(random, &mut varied, other);
    }
    varied
}

fn step(random: &mut StdRng, bytes: &mut Vec<u8>, other: &[u8]) {
    let range = part(random, bytes.len());
    match random.random_range(0..8) {
        // A piece of the grammar in the place of a part, or between two.
        0 | 1 => {
            let piece = PIECES.choose(random).map_or("", |piece| piece);
            let end = if random.random() {
                range.start
            } else {
                range.end
            };
            bytes.splice(range.start..end, piece.bytes());
        }
        // A token of the text in the place of another, or beside it.
        2 | 3 => {
            let (from, to) = (token(random, bytes), token(random, bytes));
            let copy = bytes[from].to_vec();
            bytes.splice(to, copy);
        }
        4 => {
            let token = token(random, bytes);
            bytes.drain(token);
        }
        5 => {
            let from = part(random, other.len());
            bytes.splice(range, other[from].iter().copied());
        }
        6 => {
            if let Some(byte) = bytes.get_mut(range.start) {
                *byte ^= 1 << random.random_range(0..8);
            }
        }
        _ => bytes.truncate(range.start),
    }
}

/// A part of something so long: mostly a short one.
fn part(random: &mut StdRng, length: usize) -> std::ops::Range<usize> {
    let start = random.random_range(0..=length);
    let longest = if random.random_ratio(3, 4) {
        16
    } else {
        length
    };
    let length = random.random_range(0..=longest.min(length - start));
    start..start + length
}

/// A word, a number, a string or a bracket with all that is within, somewhere in the text.
fn token(random: &mut StdRng, text: &[u8]) -> std::ops::Range<usize> {
    let start = random.random_range(0..=text.len());
    let is_bracket = |byte: &u8| matches!(byte, b'[' | b'{' | b'"');
    let start = text[start..]
        .iter()
        .position(|byte| is_bracket(byte) || byte.is_ascii_alphanumeric())
        .map_or(text.len(), |offset| start + offset);
    let mut depth = 0_usize;
    for (offset, byte) in text[start..].iter().enumerate() {
        match byte {
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        let ends = match byte {
            b'"' => offset > 0 || text.len() == start + 1,
            b']' | b'}' => true,
            b',' | b':' => return start..start + offset,
            _ => false,
        };
        if ends && depth == 0 {
            return start..start + offset + 1;
        }
    }
    start..text.len()
}
