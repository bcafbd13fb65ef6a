//! The header line of a record: `OVSDB <magic> <length> <sha1>` (ovsdb(5), "Log file format").

use std::io::Write as _;

use crate::digest::{DIGEST_BYTES, Digest};

/// The longest header line that is looked at, in bytes, newline included.
pub(crate) const HEADER_BYTES_MAX: usize = 127;

const LEAD: &[u8] = b"OVSDB ";

/// A parsed header line.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Header {
    pub(crate) magic: Vec<u8>,
    /// Length of the data, in bytes.
    pub(crate) length: u64,
    pub(crate) sha1: Digest,
}

impl Header {
    /// Parses `line`, which ends at its newline, at the end of the file, or after [`HEADER_BYTES_MAX`] bytes.
    pub(crate) fn parse(line: &[u8]) -> Option<Header> {
        let rest = line.strip_prefix(LEAD)?;
        let (magic, rest) = split_at_byte(rest, b' ')?;
        if magic.contains(&0) {
            return None;
        }
        let (length, rest) = parse_length(rest)?;
        let rest = rest.strip_prefix(b" ")?;
        if rest.len() < 2 * DIGEST_BYTES + 1 || rest[2 * DIGEST_BYTES] != b'\n' {
            return None;
        }
        let mut sha1 = [0; DIGEST_BYTES];
        for (byte, digits) in sha1.iter_mut().zip(rest.chunks_exact(2)) {
            *byte = hex_digit(digits[0])? << 4 | hex_digit(digits[1])?;
        }
        Some(Header {
            magic: magic.to_vec(),
            length,
            sha1: Digest::from_bytes(sha1),
        })
    }

    /// What an error message shows of a line that is no header, or has another magic: the line up to its newline, but
    /// where a magic could be made out no more than that.
    pub(crate) fn excerpt(line: &[u8]) -> String {
        let line = match line
            .strip_prefix(LEAD)
            .and_then(|rest| split_at_byte(rest, b' '))
        {
            Some((magic, _)) if !magic.contains(&0) => &line[..LEAD.len() + magic.len()],
            _ => line,
        };
        let end = line
            .iter()
            .position(|&b| b == b'\n' || b == 0)
            .unwrap_or(line.len());
        String::from_utf8_lossy(&line[..end]).into_owned()
    }
}

/// Puts the header line of a record with this `payload` behind `out`, and gives the digest that it states; the payload
/// itself follows it in a file.
pub fn compose(magic: &str, payload: &[u8], out: &mut Vec<u8>) -> Digest {
    let digest = Digest::of(&[payload]);
    compose_known(magic, payload.len() as u64, &digest, out);
    digest
}

/// Puts the header line of a record with so many bytes of data behind `out`.
pub(crate) fn compose_known(magic: &str, length: u64, digest: &Digest, out: &mut Vec<u8>) {
    compose_padded(magic, length, 0, digest, out);
}

/// [`compose_known`] with zeros before the length, so that it has at least so many digits.
pub(crate) fn compose_padded(
    magic: &str,
    length: u64,
    digits: usize,
    digest: &Digest,
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(LEAD);
    out.extend_from_slice(magic.as_bytes());
    out.push(b' ');
    // Writing to a vector does not fail.
    let _ = write!(out, "{length:0digits$}");
    out.push(b' ');
    out.extend_from_slice(&digest.to_text());
    out.push(b'\n');
}

/// How long a header line is whose length has so many digits, in bytes.
pub(crate) const fn bytes(magic: &str, digits: usize) -> usize {
    LEAD.len() + magic.len() + 1 + digits + 1 + 2 * DIGEST_BYTES + 1
}

fn split_at_byte(bytes: &[u8], separator: u8) -> Option<(&[u8], &[u8])> {
    let at = bytes.iter().position(|&b| b == separator)?;
    Some((&bytes[..at], &bytes[at + 1..]))
}

fn hex_digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

/// A positive decimal number as `strtoul` takes it: white space and a sign may come first, and a minus wraps around.
/// Files with such headers are accepted elsewhere, so they are here.
fn parse_length(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let start = bytes
        .iter()
        .position(|b| !matches!(b, b' ' | b'\t'..=b'\r'))?;
    let (negative, digits) = match bytes[start] {
        b'-' => (true, &bytes[start + 1..]),
        b'+' => (false, &bytes[start + 1..]),
        _ => (false, &bytes[start..]),
    };
    let end = digits
        .iter()
        .position(|b| !b.is_ascii_digit())
        .unwrap_or(digits.len());
    let value = digits[..end].iter().try_fold(0u64, |value, digit| {
        value.checked_mul(10)?.checked_add(u64::from(digit - b'0'))
    })?;
    let value = if negative {
        value.wrapping_neg()
    } else {
        value
    };
    (value != 0 && value != u64::MAX).then_some((value, &digits[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHA1: &str = "2683fd63b5b9fd49df4f2aa25bf7db5cbbebbe6f";

    #[test]
    fn composed_header_is_the_documented_line_and_parses_back() {
        let mut line = Vec::new();
        compose("JSON", b"{\"x\":3}\n", &mut line);
        assert_eq!(
            String::from_utf8_lossy(&line),
            format!("OVSDB JSON 8 {SHA1}\n")
        );
        let header = Header::parse(&line).expect("a header");
        assert_eq!(
            (header.magic.as_slice(), header.length),
            (b"JSON".as_slice(), 8)
        );
        assert_eq!(header.sha1.to_string(), SHA1);
    }

    #[track_caller]
    fn check_length(text: &str, expect: Option<u64>) {
        let header = Header::parse(format!("OVSDB JSON {text} {SHA1}\n").as_bytes());
        assert_eq!(header.map(|header| header.length), expect, "{text:?}");
    }

    #[test]
    fn lengths_are_read_as_strtoul_reads_them() {
        check_length("12", Some(12));
        check_length("  +12", Some(12));
        check_length("0012", Some(12));
        check_length("-1", None);
        check_length("-2", Some(u64::MAX - 1));
        for bad in [
            "0",
            "",
            "x",
            "1x",
            "18446744073709551615",
            "18446744073709551616",
            "99999999999999999999999",
        ] {
            check_length(bad, None);
        }
    }

    #[track_caller]
    fn check_bad(line: &str, excerpt: &str) {
        assert_eq!(Header::parse(line.as_bytes()), None, "{line:?}");
        assert_eq!(Header::excerpt(line.as_bytes()), excerpt, "{line:?}");
    }

    #[test]
    fn other_lines_are_no_headers_and_are_shown_as_far_as_they_were_understood() {
        check_bad("xxx\n", "xxx");
        check_bad("", "");
        check_bad("OVSDB", "OVSDB");
        check_bad("OVSDB JSON\n", "OVSDB JSON");
        check_bad("OVSDB JSON 12\n", "OVSDB JSON");
        check_bad("OVSDB JSON 12 abc\n", "OVSDB JSON");
        check_bad(&format!("OVSDB JSON 12 {SHA1}"), "OVSDB JSON");
        check_bad(&format!("OVSDB JSON 12 {SHA1} \n"), "OVSDB JSON");
        check_bad(
            &format!("OVSDB JSON 12 {}\n", SHA1.replace('f', "g")),
            "OVSDB JSON",
        );
        check_bad("ovsdb JSON 12\n", "ovsdb JSON 12");
        check_bad("a\0b\n", "a");
    }
}
