//! SHA-1 as a value: the checksum that the header of each record states, and whatever is derived from it.

use std::fmt;

use sha1::{Digest as _, Sha1};

/// The bytes of a SHA-1.
pub(crate) const DIGEST_BYTES: usize = 20;

/// A SHA-1.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub struct Digest([u8; DIGEST_BYTES]);

impl Digest {
    /// The digest of `parts`, one behind the other.
    pub fn of(parts: &[&[u8]]) -> Digest {
        let mut hasher = Sha1::new();
        for part in parts {
            hasher.update(part);
        }
        Digest(hasher.finalize().into())
    }

    pub(crate) const fn from_bytes(bytes: [u8; DIGEST_BYTES]) -> Digest {
        Digest(bytes)
    }

    /// The text form: lower-case hexadecimal digits.
    pub(crate) fn to_text(self) -> [u8; 2 * DIGEST_BYTES] {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = [0; 2 * DIGEST_BYTES];
        for (pair, byte) in text.chunks_exact_mut(2).zip(self.0) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 0xf)];
        }
        text
    }

    /// The 20 bytes.
    pub const fn as_bytes(&self) -> &[u8; DIGEST_BYTES] {
        &self.0
    }
}

/// The digest of a text that comes in pieces.
#[derive(Clone, Debug, Default)]
pub struct Hasher(Sha1);

impl Hasher {
    /// Adds a piece.
    pub fn update(&mut self, piece: &[u8]) {
        self.0.update(piece);
    }

    /// The digest of all pieces so far.
    pub fn digest(&self) -> Digest {
        Digest(self.0.clone().finalize().into())
    }
}

/// Takes a text in pieces and gives its digest, and that of its beginning, in one pass.
pub(crate) struct LeadHasher {
    hasher: Hasher,
    /// Bytes of the beginning that are still to come.
    lead_left: u64,
    of_lead: Option<Digest>,
}

impl LeadHasher {
    /// For a text whose beginning has `lead_bytes` bytes.
    pub(crate) fn new(lead_bytes: u64) -> LeadHasher {
        let mut new = LeadHasher {
            hasher: Hasher::default(),
            lead_left: lead_bytes,
            of_lead: None,
        };
        new.note_lead();
        new
    }

    pub(crate) fn update(&mut self, piece: &[u8]) {
        let in_lead =
            usize::try_from(self.lead_left).map_or(piece.len(), |left| left.min(piece.len()));
        let (lead, rest) = piece.split_at(in_lead);
        self.hasher.update(lead);
        self.lead_left -= lead.len() as u64;
        self.note_lead();
        self.hasher.update(rest);
    }

    fn note_lead(&mut self) {
        if self.lead_left == 0 && self.of_lead.is_none() {
            self.of_lead = Some(self.hasher.digest());
        }
    }

    /// The digest of the beginning, and that of all. A text that ended before its beginning did is all beginning.
    pub(crate) fn finish(self) -> (Digest, Digest) {
        let digest = self.hasher.digest();
        (self.of_lead.unwrap_or(digest), digest)
    }
}

/// Lower-case hexadecimal digits.
impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.to_text()).expect("the digits are ASCII"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_one_text_and_a_lead_is_a_text_of_its_own() {
        let digest = Digest::of(&[b"abc"]);
        assert_eq!(
            digest.to_string(),
            "a9993e364706816aba3e25717850c26c9cd0d89d"
        );
        assert_eq!(Digest::of(&[b"a", b"", b"bc"]), digest);
        for lead in 0..=3 {
            let expected = (Digest::of(&[&b"abc"[..lead]]), digest);
            for cut in 0..=3 {
                let mut hasher = LeadHasher::new(lead as u64);
                hasher.update(&b"abc"[..cut]);
                hasher.update(&b"abc"[cut..]);
                assert_eq!(hasher.finish(), expected, "{lead} {cut}");
            }
        }
    }
}
