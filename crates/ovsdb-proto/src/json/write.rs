//! Writing JSON piece by piece, byte for byte as Open vSwitch programs write it.
//!
//! Nothing here checks that the pieces form a whole; [`super::Json::write_to`] and the writers of typed values do.

use super::lexer::plain_prefix;
use super::{Json, Object};

/// Appends `text` as a JSON string.
#[inline]
pub fn string(text: &str, out: &mut Vec<u8>) {
    bytes(text.as_bytes(), out);
}

/// Appends a string that need not be UTF-8. What is not goes out as it came in.
pub(crate) fn bytes(text: &[u8], out: &mut Vec<u8>) {
    out.reserve(text.len() + 2);
    out.push(b'"');
    let mut rest = text;
    loop {
        let plain = plain_prefix(rest);
        out.extend_from_slice(&rest[..plain]);
        let Some(&c) = rest.get(plain) else {
            break;
        };
        rest = &rest[plain + 1..];
        match c {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', c]),
            0x08 => out.extend_from_slice(b"\\b"),
            b'\t' => out.extend_from_slice(b"\\t"),
            b'\n' => out.extend_from_slice(b"\\n"),
            0x0c => out.extend_from_slice(b"\\f"),
            b'\r' => out.extend_from_slice(b"\\r"),
            _ => {
                const HEX: &[u8; 16] = b"0123456789abcdef";
                let (high, low) = (HEX[usize::from(c >> 4)], HEX[usize::from(c & 15)]);
                out.extend_from_slice(&[b'\\', b'u', b'0', b'0', high, low]);
            }
        }
    }
    out.push(b'"');
}

/// Appends an integer.
#[inline]
pub fn integer(value: i64, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Appends `true` or `false`.
#[inline]
pub fn boolean(value: bool, out: &mut Vec<u8>) {
    out.extend_from_slice(if value { b"true" } else { b"false" });
}

/// Appends a real number in the layout of C's `%.15g`, with as many digits as it takes to read the same number back:
/// 15 if they do, else 16 or 17.
///
/// The reference always writes 15 and so loses the last bits of numbers such as 0.1 + 0.2, or turns the largest double
/// into a number that it refuses to read.
///
/// JSON has no infinities and no NaN; the parser yields none and the database admits none. They are written as `null`.
pub fn real(value: f64, out: &mut Vec<u8>) {
    const EXACT_INTEGER: f64 = 1e15;
    if !value.is_finite() {
        out.extend_from_slice(b"null");
        return;
    }
    if value.abs() < EXACT_INTEGER && value.fract() == 0.0 {
        // `%g` keeps the sign of a negative zero, and so does the reference if one gets this far.
        if value == 0.0 && value.is_sign_negative() {
            out.push(b'-');
        }
        integer(value as i64, out);
        return;
    }

    // The shortest digits that read back. If there are at most 15 they are also what `%.15g` prints, since every decimal
    // of 15 digits survives the way through a double.
    let scientific = format!("{value:e}");
    let (mantissa, exponent) = scientific
        .split_once('e')
        .expect("`{:e}` writes an exponent");
    let exponent: i32 = exponent.parse().expect("`{:e}` writes a decimal exponent");
    let mantissa = match mantissa.strip_prefix('-') {
        Some(mantissa) => {
            out.push(b'-');
            mantissa
        }
        None => mantissa,
    };
    let (first, others) = mantissa.split_at(1);
    let others = others.strip_prefix('.').unwrap_or(others);
    let precision = (1 + others.len()).max(15) as i32;

    if !(-4..precision).contains(&exponent) {
        out.extend_from_slice(first.as_bytes());
        if !others.is_empty() {
            out.push(b'.');
            out.extend_from_slice(others.as_bytes());
        }
        out.extend_from_slice(if exponent < 0 { b"e-" } else { b"e+" });
        if exponent.abs() < 10 {
            out.push(b'0');
        }
        integer(i64::from(exponent.abs()), out);
    } else if exponent < 0 {
        out.extend_from_slice(b"0.");
        out.extend(std::iter::repeat_n(b'0', (-exponent - 1) as usize));
        out.extend_from_slice(first.as_bytes());
        out.extend_from_slice(others.as_bytes());
    } else {
        let whole = exponent as usize;
        out.extend_from_slice(first.as_bytes());
        if others.len() > whole {
            out.extend_from_slice(&others.as_bytes()[..whole]);
            out.push(b'.');
            out.extend_from_slice(&others.as_bytes()[whole..]);
        } else {
            out.extend_from_slice(others.as_bytes());
            out.extend(std::iter::repeat_n(b'0', whole - others.len()));
        }
    }
}

/// Appends `value` without any white space.
pub(crate) fn value(value: &Json, out: &mut Vec<u8>) {
    match value {
        Json::Null => out.extend_from_slice(b"null"),
        Json::Bool(value) => boolean(*value, out),
        Json::Integer(value) => integer(*value, out),
        Json::Real(value) => real(*value, out),
        Json::String(text) => string(text, out),
        Json::NotUtf8(text) => bytes(text, out),
        Json::Array(elements) => array(elements, out),
        Json::Object(members) => object(members, out),
    }
}

/// Appends an array of `elements` without any white space.
pub fn array(elements: &[Json], out: &mut Vec<u8>) {
    out.push(b'[');
    for (i, element) in elements.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        value(element, out);
    }
    out.push(b']');
}

fn object(members: &Object, out: &mut Vec<u8>) {
    out.push(b'{');
    for (i, (name, member)) in members.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        string(name, out);
        out.push(b':');
        value(member, out);
    }
    out.push(b'}');
}

/// Appends `value` over several lines, two spaces a level, with closing brackets at the end of the last line.
///
/// An empty array is `[]`; an empty object has a line break between its brackets.
pub(crate) fn pretty(value: &Json, depth: usize, out: &mut Vec<u8>) {
    match value {
        Json::Array(elements) => {
            out.push(b'[');
            for (i, element) in elements.iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                line_break(depth + 1, out);
                pretty(element, depth + 1, out);
            }
            out.push(b']');
        }
        Json::Object(members) => {
            out.push(b'{');
            if members.is_empty() {
                line_break(depth + 1, out);
            }
            for (i, (name, member)) in members.iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                line_break(depth + 1, out);
                string(name, out);
                out.extend_from_slice(b": ");
                pretty(member, depth + 1, out);
            }
            out.push(b'}');
        }
        scalar => self::value(scalar, out),
    }
}

fn line_break(depth: usize, out: &mut Vec<u8>) {
    out.push(b'\n');
    out.extend(std::iter::repeat_n(b' ', 2 * depth));
}
