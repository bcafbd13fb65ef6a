//! A guess at what a peer that does not speak JSON-RPC speaks instead, for one helpful log line.

use std::fmt;

/// What the first bytes of a stream look like.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Content {
    /// A JSON object with a member.
    JsonRpc,
    /// A TLS handshake.
    Tls,
    /// An OpenFlow 1.0 hello.
    OpenFlow,
    /// Nothing that is recognised.
    Unknown,
}

impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::JsonRpc => "JSON-RPC",
            Self::Tls => "SSL/TLS",
            Self::OpenFlow => "OpenFlow",
            Self::Unknown => "unknown",
        })
    }
}

/// Guesses from the first two bytes of a stream.
#[must_use]
pub fn guess_content(start: &[u8]) -> Content {
    match start {
        [0x16, 0x03, ..] => Content::Tls,
        [b'{', b'"', ..] => Content::JsonRpc,
        [0x01, 0x00, ..] => Content::OpenFlow,
        _ => Content::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_is_guessed_from_two_bytes() {
        let cases: [(&[u8], Content); 6] = [
            (b"{\"id\"", Content::JsonRpc),
            (b"\x16\x03\x01", Content::Tls),
            (b"\x01\x00\x00\x08", Content::OpenFlow),
            (b"GET /", Content::Unknown),
            (b"{", Content::Unknown),
            (b"", Content::Unknown),
        ];
        for (start, expect) in cases {
            assert_eq!(guess_content(start), expect, "{start:?}");
        }
    }
}
