//! Why a text is not JSON, and where: the messages that Open vSwitch programs print.

use thiserror::Error;

/// A text that is not JSON, with the place where that became certain.
///
/// All three coordinates count from zero and count bytes. A faulty string is reported at its closing quote and a faulty
/// number or keyword at the byte after it, because that is where the reference implementation notices them and users
/// compare the two.
#[derive(Clone, Debug, Eq, PartialEq, Error)]
#[error("line {line}, column {column}, byte {byte}: {kind}")]
pub struct JsonError {
    /// Newlines before the fault.
    pub line: usize,
    /// Bytes between the last newline and the fault.
    pub column: usize,
    /// Bytes before the fault.
    pub byte: usize,
    /// What is wrong.
    pub kind: JsonErrorKind,
}

impl JsonError {
    /// The error for a fault `at` bytes into `input`.
    ///
    /// `at` may exceed the input by one; see [`super::reader::Reader`] on bare tokens at the end of the input.
    pub(crate) fn locate(input: &[u8], at: usize, kind: JsonErrorKind) -> JsonError {
        let before = &input[..at.min(input.len())];
        let line = memchr::memchr_iter(b'\n', before).count();
        let column = match memchr::memrchr(b'\n', before) {
            Some(newline) => at - newline - 1,
            None => at,
        };
        JsonError {
            line,
            column,
            byte: at,
            kind,
        }
    }
}

/// What is wrong with a text that is not JSON.
#[derive(Clone, Debug, Eq, PartialEq, Error)]
#[non_exhaustive]
pub enum JsonErrorKind {
    /// A byte that starts no token.
    #[error("invalid character {}", CharacterText(*.0))]
    InvalidCharacter(u8),
    /// A word other than `true`, `false` and `null`. Long words are cut.
    #[error("invalid keyword '{0}'")]
    InvalidKeyword(String),
    /// An unescaped control character in a string.
    #[error("U+{0:04X} must be escaped in quoted string")]
    ControlCharacter(u8),
    /// The input ends inside a string.
    #[error("unexpected end of input in quoted string")]
    UnterminatedString,
    /// A backslash before something that is not an escape.
    #[error("bad escape \\{0}")]
    BadEscape(char),
    /// A backslash with nothing to escape.
    #[error("quoted string may not end with backslash")]
    LoneBackslash,
    /// Fewer than four characters after `\u`.
    #[error("quoted string ends within \\u escape")]
    TruncatedUnicodeEscape,
    /// Something other than four hexadecimal digits after `\u`.
    #[error("malformed \\u escape")]
    MalformedUnicodeEscape,
    /// `\u0000`, which a database string cannot hold.
    #[error("null bytes not supported in quoted strings")]
    NulEscape,
    /// A leading surrogate that no `\u` follows.
    #[error("malformed escaped surrogate pair")]
    MalformedSurrogatePair,
    /// A leading surrogate followed by something other than a trailing one.
    #[error("second half of escaped surrogate pair is not trailing surrogate")]
    NotTrailingSurrogate,
    /// A digit after a leading zero.
    #[error("leading zeros not allowed")]
    LeadingZero,
    /// A minus sign that starts no number.
    #[error("'-' must be followed by digit")]
    LoneMinus,
    /// A decimal point without digits.
    #[error("decimal point must be followed by digit")]
    EmptyFraction,
    /// An `e` without digits.
    #[error("exponent must contain at least one digit")]
    EmptyExponent,
    /// An exponent that does not fit 32 bits.
    #[error("exponent outside valid range")]
    ExponentRange,
    /// A number too big for a double.
    #[error("number outside valid range")]
    NumberRange,
    /// Something else that is made of the characters of numbers.
    #[error("syntax error in number")]
    MalformedNumber,
    /// An outermost value that is neither an array nor an object.
    #[error("syntax error at beginning of input")]
    NotContainer,
    /// Something after the outermost value.
    #[error("trailing garbage at end of input")]
    TrailingGarbage,
    /// Something other than a value where a value belongs.
    #[error("syntax error expecting value")]
    ExpectedValue,
    /// Something other than a member name in an object.
    #[error("syntax error parsing object expecting string")]
    ExpectedName,
    /// A member name without a colon.
    #[error("syntax error parsing object expecting ':'")]
    ExpectedColon,
    /// Something other than a comma or the end after an object's member.
    #[error("syntax error expecting '}}' or ','")]
    ExpectedObjectNext,
    /// Something other than a comma or the end after an array's element.
    #[error("syntax error expecting ']' or ','")]
    ExpectedArrayNext,
    /// More than [`super::MAX_DEPTH`] arrays and objects inside each other.
    #[error("input exceeds maximum nesting depth {}", super::MAX_DEPTH)]
    TooDeep,
    /// The input holds nothing but white space.
    #[error("empty input stream")]
    Empty,
    /// The input ends before the outermost value does.
    #[error("unexpected end of input")]
    UnexpectedEnd,
}

impl JsonErrorKind {
    /// True if more input might have cured the fault.
    pub fn is_incomplete(&self) -> bool {
        matches!(
            self,
            JsonErrorKind::UnterminatedString | JsonErrorKind::Empty | JsonErrorKind::UnexpectedEnd
        )
    }
}

/// A byte as the message shows it: itself if it prints, else its number.
struct CharacterText(u8);

impl std::fmt::Display for CharacterText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            c @ b' '..=b'~' => write!(f, "'{}'", char::from(c)),
            c => write!(f, "U+{c:04x}"),
        }
    }
}
