//! Tokens: cuts a text into the words of JSON and decodes strings.
//!
//! It knows nothing of grammar: any sequence of tokens passes.

use std::borrow::Cow;

use super::error::JsonErrorKind;
use super::number::{self, Number};

/// Bytes of a wrong word or escape that an error message repeats.
const WORD_MAX: usize = 256;

/// A fault and the byte offset at which it is reported.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) at: usize,
    pub(crate) kind: JsonErrorKind,
}

/// One word of JSON.
#[derive(Debug)]
pub(crate) enum Token {
    BeginArray,
    EndArray,
    BeginObject,
    EndObject,
    Colon,
    Comma,
    Null,
    True,
    False,
    Number(Number),
    /// A string, as a range of the input between the quotes.
    String {
        start: usize,
        end: usize,
        escaped: bool,
    },
    /// Nothing but white space is left.
    End,
}

/// A decoded string.
#[derive(Debug)]
pub(crate) enum Text<'a> {
    Utf8(Cow<'a, str>),
    NotUtf8(Box<[u8]>),
}

/// Cuts `input` into tokens, beginning at `pos`.
#[derive(Debug)]
pub(crate) struct Lexer<'a> {
    pub(crate) input: &'a [u8],
    pub(crate) pos: usize,
    /// The input may go on after its end: a word or number there may be half of one.
    pub(crate) partial: bool,
    /// Where the last word or number ended; see [`Lexer::end_offset`].
    bare_end: usize,
}

impl<'a> Lexer<'a> {
    pub(crate) fn new(input: &'a [u8], pos: usize, partial: bool) -> Lexer<'a> {
        Lexer {
            input,
            pos,
            partial,
            bare_end: usize::MAX,
        }
    }

    /// The offset at which a missing rest of the input is reported.
    ///
    /// The reference ends its input with a space if it needs one to finish a word or number, and counts that space.
    pub(crate) fn end_offset(&self) -> usize {
        self.input.len() + usize::from(self.bare_end == self.input.len())
    }

    /// The next token. After an error, `pos` is where the failed token starts.
    #[inline]
    pub(crate) fn token(&mut self) -> Result<Token, Fault> {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.input.get(self.pos) {
            self.pos += 1;
        }
        let Some(&c) = self.input.get(self.pos) else {
            return Ok(Token::End);
        };
        let token = match c {
            b'[' => Token::BeginArray,
            b']' => Token::EndArray,
            b'{' => Token::BeginObject,
            b'}' => Token::EndObject,
            b':' => Token::Colon,
            b',' => Token::Comma,
            b'"' => return self.string(),
            b'-' | b'0'..=b'9' => return self.number(),
            b'a'..=b'z' => return self.keyword(),
            c => {
                return Err(Fault {
                    at: self.pos,
                    kind: JsonErrorKind::InvalidCharacter(c),
                });
            }
        };
        self.pos += 1;
        Ok(token)
    }

    /// The end of a word or number whose bytes satisfy `belongs`.
    fn bare_word(&mut self, belongs: impl Fn(u8) -> bool) -> Result<&'a [u8], Fault> {
        let rest = &self.input[self.pos..];
        let length = rest.iter().position(|&c| !belongs(c)).unwrap_or(rest.len());
        if self.partial && length == rest.len() {
            return Err(Fault {
                at: self.input.len(),
                kind: JsonErrorKind::UnexpectedEnd,
            });
        }
        Ok(&rest[..length])
    }

    fn number(&mut self) -> Result<Token, Fault> {
        let word = self.bare_word(number::is_number_byte)?;
        let end = self.pos + word.len();
        let value = number::parse(word).map_err(|kind| Fault { at: end, kind })?;
        self.pos = end;
        self.bare_end = end;
        Ok(Token::Number(value))
    }

    fn keyword(&mut self) -> Result<Token, Fault> {
        let word = self.bare_word(|c| c.is_ascii_alphabetic())?;
        let end = self.pos + word.len();
        let token = match word {
            b"null" => Token::Null,
            b"true" => Token::True,
            b"false" => Token::False,
            _ => {
                let shown = String::from_utf8_lossy(&word[..word.len().min(WORD_MAX)]).into_owned();
                return Err(Fault {
                    at: end,
                    kind: JsonErrorKind::InvalidKeyword(shown),
                });
            }
        };
        self.pos = end;
        self.bare_end = end;
        Ok(token)
    }

    fn string(&mut self) -> Result<Token, Fault> {
        let start = self.pos + 1;
        let mut at = start;
        let mut escaped = false;
        loop {
            at += plain_prefix(&self.input[at..]);
            match self.input.get(at) {
                Some(b'"') => break,
                // Whatever follows a backslash is part of the string; `unescape` judges it.
                Some(b'\\') if at + 1 < self.input.len() => {
                    escaped = true;
                    at += 2;
                }
                None | Some(b'\\') => {
                    return Err(Fault {
                        at: self.input.len(),
                        kind: JsonErrorKind::UnterminatedString,
                    });
                }
                Some(&c) => {
                    return Err(Fault {
                        at,
                        kind: JsonErrorKind::ControlCharacter(c),
                    });
                }
            }
        }
        self.pos = at + 1;
        Ok(Token::String {
            start,
            end: at,
            escaped,
        })
    }
}

/// The number of bytes before the first quote, backslash or control character: those that a string holds as they are.
pub(crate) fn plain_prefix(bytes: &[u8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    let mut at = 0;
    while let Some(chunk) = bytes.get(at..at + 8) {
        let word = u64::from_le_bytes(chunk.try_into().expect("the range has 8 bytes"));
        let quote = word ^ (ONES * 0x22);
        let backslash = word ^ (ONES * 0x5c);
        // The high bit of a byte is set if the byte is zero (or below 0x20); a borrow can set bits of later bytes
        // only, and the first one decides.
        let stop = (quote.wrapping_sub(ONES) & !quote)
            | (backslash.wrapping_sub(ONES) & !backslash)
            | (word.wrapping_sub(ONES * 0x20) & !word);
        if stop & HIGHS != 0 {
            return at + ((stop & HIGHS).trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    let rest = &bytes[at..];
    at + rest
        .iter()
        .position(|&c| c < 0x20 || c == b'"' || c == b'\\')
        .unwrap_or(rest.len())
}

/// Resolves the escapes of a string whose bytes between the quotes are `raw`.
pub(crate) fn unescape(raw: &[u8]) -> Result<Text<'static>, JsonErrorKind> {
    let mut out = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(backslash) = memchr::memchr(b'\\', rest) {
        out.extend_from_slice(&rest[..backslash]);
        let (escape, tail) = match &rest[backslash + 1..] {
            // A NUL ends the reference's string, and leaves the backslash alone.
            [] | [0, ..] => return Err(JsonErrorKind::LoneBackslash),
            [c, tail @ ..] => (*c, tail),
        };
        rest = tail;
        match escape {
            b'"' | b'\\' | b'/' => out.push(escape),
            b'b' => out.push(0x08),
            b'f' => out.push(0x0c),
            b'n' => out.push(b'\n'),
            b'r' => out.push(b'\r'),
            b't' => out.push(b'\t'),
            b'u' => rest = unescape_unicode(rest, &mut out)?,
            _ => {
                let from = &raw[raw.len() - rest.len() - 1..];
                let from = String::from_utf8_lossy(&from[..from.len().min(4)]);
                return Err(JsonErrorKind::BadEscape(
                    from.chars().next().unwrap_or(char::REPLACEMENT_CHARACTER),
                ));
            }
        }
    }
    out.extend_from_slice(rest);
    Ok(match String::from_utf8(out) {
        Ok(text) => Text::Utf8(Cow::Owned(text)),
        Err(error) => Text::NotUtf8(error.into_bytes().into_boxed_slice()),
    })
}

/// Resolves what follows `\u` and returns what is left.
fn unescape_unicode<'r>(rest: &'r [u8], out: &mut Vec<u8>) -> Result<&'r [u8], JsonErrorKind> {
    let (first, rest) = four_hex_digits(rest)?;
    let (code, rest) = match first {
        0xd800..=0xdbff => {
            let Some(rest) = rest.strip_prefix(b"\\u") else {
                return Err(JsonErrorKind::MalformedSurrogatePair);
            };
            let (second, rest) = four_hex_digits(rest)?;
            if !(0xdc00..=0xdfff).contains(&second) {
                return Err(JsonErrorKind::NotTrailingSurrogate);
            }
            (0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00), rest)
        }
        // A trailing surrogate alone passes, encoded like any other number; the string is then not UTF-8.
        0xdc00..=0xdfff => {
            out.extend([
                0xed,
                0x80 | (first >> 6 & 0x3f) as u8,
                0x80 | (first & 0x3f) as u8,
            ]);
            return Ok(rest);
        }
        code => (code, rest),
    };
    let code = char::from_u32(code).expect("surrogates are dealt with above");
    out.extend_from_slice(code.encode_utf8(&mut [0; 4]).as_bytes());
    Ok(rest)
}

fn four_hex_digits(rest: &[u8]) -> Result<(u32, &[u8]), JsonErrorKind> {
    let Some((digits, rest)) = rest.split_at_checked(4) else {
        return Err(JsonErrorKind::TruncatedUnicodeEscape);
    };
    let mut value = 0;
    for &digit in digits {
        let digit = char::from(digit)
            .to_digit(16)
            .ok_or(JsonErrorKind::MalformedUnicodeEscape)?;
        value = value << 4 | digit;
    }
    if value == 0 {
        return Err(JsonErrorKind::NulEscape);
    }
    Ok((value, rest))
}
