//! Row UUIDs: 16 bytes, their text form and order.
//!
//! Nothing here makes a UUID: whoever needs a fresh one is handed a source of them.

use std::fmt;
use std::str::FromStr;

/// A UUID (RFC 7047, section 3.1), ordered by its bytes, which is also the order of its text form.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Uuid([u8; 16]);

// The derived order would call `memcmp` for each comparison in every lookup of a row.
impl Ord for Uuid {
    #[inline]
    fn cmp(&self, other: &Uuid) -> std::cmp::Ordering {
        u128::from_be_bytes(self.0).cmp(&u128::from_be_bytes(other.0))
    }
}

impl PartialOrd for Uuid {
    #[inline]
    fn partial_cmp(&self, other: &Uuid) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// A text that is no UUID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a valid UUID")]
pub struct InvalidUuid;

/// Positions of the pairs of digits in the text form.
const PAIRS: [usize; 16] = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];

/// The values of hexadecimal digits, and [`NO_DIGIT`] for all other bytes.
static DIGITS: [u8; 256] = {
    let mut table = [NO_DIGIT; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = match byte as u8 {
            digit @ b'0'..=b'9' => digit - b'0',
            digit @ b'a'..=b'f' => digit - b'a' + 10,
            digit @ b'A'..=b'F' => digit - b'A' + 10,
            _ => NO_DIGIT,
        };
        byte += 1;
    }
    table
};

const NO_DIGIT: u8 = 0xff;

/// Every byte as two hexadecimal digits.
static TWO_DIGITS: [[u8; 2]; 256] = {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut table = [[0; 2]; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = [DIGITS[byte >> 4], DIGITS[byte & 0xf]];
        byte += 1;
    }
    table
};

/// Positions of the hyphens in the text form.
const HYPHENS: [usize; 4] = [8, 13, 18, 23];

impl Uuid {
    /// The UUID of 16 zero bytes: the default value of a `uuid` column.
    pub const ZERO: Uuid = Uuid([0; 16]);

    /// Length of the text form in bytes.
    pub const TEXT_LEN: usize = 36;

    /// The UUID made of `bytes`, most significant byte first.
    pub const fn from_bytes(bytes: [u8; 16]) -> Uuid {
        Uuid(bytes)
    }

    /// The 16 bytes, most significant first.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// Turns 16 random bytes into a random (version 4) UUID.
    pub const fn from_random_bytes(mut bytes: [u8; 16]) -> Uuid {
        bytes[6] = bytes[6] & 0x0f | 0x40;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        Uuid(bytes)
    }

    /// True for [`Uuid::ZERO`].
    pub fn is_zero(&self) -> bool {
        *self == Uuid::ZERO
    }

    /// Parses the 36-character text form `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx`; either case of the digits is accepted,
    /// and nothing else may stand before or after them.
    pub fn parse(text: &str) -> Option<Uuid> {
        let text: &[u8; Uuid::TEXT_LEN] = text.as_bytes().try_into().ok()?;
        if HYPHENS.iter().any(|&at| text[at] != b'-') {
            return None;
        }
        let mut bytes = [0; 16];
        let mut all = 0;
        for (byte, at) in bytes.iter_mut().zip(PAIRS) {
            let (high, low) = (DIGITS[text[at] as usize], DIGITS[text[at + 1] as usize]);
            all |= high | low;
            *byte = high << 4 | low;
        }
        (all < 16).then_some(Uuid(bytes))
    }

    /// The text form as ASCII bytes, in lower case.
    pub fn to_text(&self) -> [u8; Uuid::TEXT_LEN] {
        let mut text = [b'-'; Uuid::TEXT_LEN];
        for (byte, at) in self.0.into_iter().zip(PAIRS) {
            [text[at], text[at + 1]] = TWO_DIGITS[usize::from(byte)];
        }
        text
    }

    /// The identifier that stands for this row where a UUID cannot: `row` and the text form with `_` for each hyphen.
    pub fn row_name(&self) -> String {
        format!("row{self}").replace('-', "_")
    }

    /// How many characters of `text` agree with the form of a UUID, when all of them do: 0 for a text that is not the
    /// beginning of any UUID's text form.
    pub fn partial_len(text: &str) -> usize {
        let fits = text.len() <= Uuid::TEXT_LEN
            && text.bytes().enumerate().all(|(at, byte)| {
                if HYPHENS.contains(&at) {
                    byte == b'-'
                } else {
                    DIGITS[usize::from(byte)] != NO_DIGIT
                }
            });
        if fits { text.len() } else { 0 }
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.to_text();
        // The digits and hyphens are ASCII.
        f.pad(std::str::from_utf8(&text).expect("hexadecimal digits and hyphens are ASCII"))
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Uuid {
    type Err = InvalidUuid;

    fn from_str(text: &str) -> Result<Uuid, InvalidUuid> {
        Uuid::parse(text).ok_or(InvalidUuid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "3f1bd0d6-7f5e-4c21-9a07-00ff10a0b0c0";

    #[test]
    fn text_form_round_trips_and_is_printed_in_lower_case() {
        assert_eq!(Uuid::parse(TEXT).unwrap().to_string(), TEXT);
        assert_eq!(Uuid::parse(&TEXT.to_uppercase()).unwrap().to_string(), TEXT);
        assert_eq!(TEXT.parse::<Uuid>(), Ok(Uuid::parse(TEXT).unwrap()));
        assert_eq!(
            Uuid::ZERO.to_string(),
            "00000000-0000-0000-0000-000000000000"
        );
    }

    #[test]
    fn anything_but_36_characters_of_the_right_form_is_refused() {
        for bad in [
            "",
            "3f1bd0d6",
            "3f1bd0d67f5e4c219a0700ff10a0b0c0",
            "3f1bd0d6-7f5e-4c21-9a07-00ff10a0b0c",
            "3f1bd0d6-7f5e-4c21-9a07-00ff10a0b0c00",
            " 3f1bd0d6-7f5e-4c21-9a07-00ff10a0b0c0",
            "3f1bd0d6-7f5e-4c21-9a07-00ff10a0b0cg",
            "3f1bd0d6-7f5e-4c21-9a0700ff10a0b0c0-",
            "3f1bd0d6+7f5e-4c21-9a07-00ff10a0b0c0",
            "é1bd0d6-7f5e-4c21-9a07-00ff10a0b0c0",
        ] {
            assert_eq!(Uuid::parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn order_is_that_of_the_text_form() {
        let low = Uuid::parse("0fffffff-0000-0000-0000-000000000000").unwrap();
        let high = Uuid::parse("10000000-0000-0000-0000-000000000000").unwrap();
        assert!(low < high);
        assert!(low.to_string() < high.to_string());
    }

    #[test]
    fn random_bytes_get_the_bits_of_version_4() {
        let uuid = Uuid::from_random_bytes([0xff; 16]);
        assert_eq!(uuid.to_string(), "ffffffff-ffff-4fff-bfff-ffffffffffff");
    }

    #[test]
    fn row_name_is_an_identifier() {
        assert_eq!(
            Uuid::parse(TEXT).unwrap().row_name(),
            "row3f1bd0d6_7f5e_4c21_9a07_00ff10a0b0c0"
        );
    }

    #[test]
    fn partial_length_counts_only_beginnings_of_uuids() {
        for (text, expected) in [
            ("", 0),
            ("3f1b", 4),
            ("3f1bd0d6-", 9),
            ("3f1bd0d67", 0),
            ("xyz", 0),
            (TEXT, 36),
        ] {
            assert_eq!(Uuid::partial_len(text), expected, "{text:?}");
        }
    }
}
