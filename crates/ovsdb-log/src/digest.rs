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

    /// The digest of `lead`, and that of `lead` and `rest`, in one pass.
    pub(crate) fn of_lead_and_all(lead: &[u8], rest: &[u8]) -> (Digest, Digest) {
        let mut hasher = Sha1::new();
        hasher.update(lead);
        let of_lead = Digest(hasher.clone().finalize().into());
        hasher.update(rest);
        (of_lead, Digest(hasher.finalize().into()))
    }

    pub(crate) const fn from_bytes(bytes: [u8; DIGEST_BYTES]) -> Digest {
        Digest(bytes)
    }

    /// The 20 bytes.
    pub const fn as_bytes(&self) -> &[u8; DIGEST_BYTES] {
        &self.0
    }
}

/// Lower-case hexadecimal digits.
impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = [0; 2 * DIGEST_BYTES];
        for (pair, byte) in text.chunks_exact_mut(2).zip(self.0) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 0xf)];
        }
        f.write_str(std::str::from_utf8(&text).expect("the digits are ASCII"))
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
        let expected = (Digest::of(&[b"a"]), digest);
        assert_eq!(Digest::of_lead_and_all(b"a", b"bc"), expected);
    }
}
