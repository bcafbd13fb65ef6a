//! A cursor over JSON text for readers that know what has to come next.
//!
//! It reads the expected form straight into values and stops at everything else: what is wrong, and what is right but
//! not as expected. It has no words for either. Whoever is stopped asks [`super::parse`] or the
//! [`Reader`](super::reader::Reader), which know both the whole grammar and the texts of errors. So nothing may be
//! accepted here that they refuse, and it must mean the same.

use std::borrow::Cow;

use super::lexer::{self, Text, plain_prefix};
use super::number::{self, Number};

/// Why a [`Cursor`] goes no further.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Stop {
    /// The text ends in the middle. If there is more of it, try again from where the value began.
    #[error("the text ends too early")]
    End,
    /// The text is not of the expected form.
    #[error("the text is not of the expected form")]
    Unexpected,
}

/// Reads JSON of a known form. See the module's documentation.
///
/// A number or word counts as complete only if something follows it, so that the text may be the beginning of a longer
/// one.
#[derive(Clone, Debug)]
pub struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    /// A cursor at the start of `text`.
    pub const fn new(text: &'a str) -> Cursor<'a> {
        Cursor { text, at: 0 }
    }

    /// How many bytes of the text have been read.
    pub const fn offset(&self) -> usize {
        self.at
    }

    /// The next byte that is no white space; it is not read yet.
    ///
    /// # Errors
    /// [`Stop::End`].
    #[inline]
    pub fn peek(&mut self) -> Result<u8, Stop> {
        loop {
            match self.text.as_bytes().get(self.at) {
                Some(b' ' | b'\t' | b'\n' | b'\r') => self.at += 1,
                Some(&byte) => return Ok(byte),
                None => return Err(Stop::End),
            }
        }
    }

    /// Reads the punctuation `byte`.
    ///
    /// # Errors
    /// Something else comes.
    #[inline]
    pub fn expect(&mut self, byte: u8) -> Result<(), Stop> {
        if self.peek()? == byte {
            self.at += 1;
            Ok(())
        } else {
            Err(Stop::Unexpected)
        }
    }

    /// Reads the punctuation `byte` if it comes; says whether it did.
    ///
    /// # Errors
    /// [`Stop::End`].
    #[inline]
    pub fn take(&mut self, byte: u8) -> Result<bool, Stop> {
        let comes = self.peek()? == byte;
        self.at += usize::from(comes);
        Ok(comes)
    }

    /// In an array or object that ends with `close`, reads what separates elements: says whether another one follows.
    /// `first`: none has been read so far.
    ///
    /// # Errors
    /// Neither a comma nor `close` comes.
    #[inline]
    pub fn another(&mut self, close: u8, first: bool) -> Result<bool, Stop> {
        let byte = self.peek()?;
        if byte == close {
            self.at += 1;
            Ok(false)
        } else if first {
            Ok(true)
        } else if byte == b',' {
            self.at += 1;
            Ok(true)
        } else {
            Err(Stop::Unexpected)
        }
    }

    /// Reads a string.
    ///
    /// # Errors
    /// Something else comes, or no valid string.
    #[inline]
    pub fn string(&mut self) -> Result<Cow<'a, str>, Stop> {
        self.expect(b'"')?;
        let bytes = self.text.as_bytes();
        let start = self.at;
        let mut at = start;
        let mut escaped = false;
        loop {
            at += plain_prefix(&bytes[at..]);
            match bytes.get(at) {
                Some(b'"') => break,
                Some(b'\\') if at + 1 < bytes.len() => {
                    escaped = true;
                    at += 2;
                }
                None | Some(b'\\') => return Err(Stop::End),
                Some(_) => return Err(Stop::Unexpected),
            }
        }
        self.at = at + 1;
        if !escaped {
            return Ok(Cow::Borrowed(&self.text[start..at]));
        }
        match lexer::unescape(&bytes[start..at]) {
            Ok(Text::Utf8(text)) => Ok(text),
            Ok(Text::NotUtf8(_)) | Err(_) => Err(Stop::Unexpected),
        }
    }

    /// Reads a name and the colon behind it.
    ///
    /// # Errors
    /// Something else comes.
    #[inline]
    pub fn name(&mut self) -> Result<Cow<'a, str>, Stop> {
        let name = self.string()?;
        self.expect(b':')?;
        Ok(name)
    }

    /// Reads a number that is an integer, in any notation.
    ///
    /// # Errors
    /// Something else comes.
    pub fn integer(&mut self) -> Result<i64, Stop> {
        match self.number()? {
            Number::Integer(value) => Ok(value),
            Number::Real(_) => Err(Stop::Unexpected),
        }
    }

    /// Reads any number.
    ///
    /// # Errors
    /// Something else comes.
    pub fn real(&mut self) -> Result<f64, Stop> {
        Ok(match self.number()? {
            Number::Integer(value) => value as f64,
            Number::Real(value) => value,
        })
    }

    fn number(&mut self) -> Result<Number, Stop> {
        if !matches!(self.peek()?, b'-' | b'0'..=b'9') {
            return Err(Stop::Unexpected);
        }
        let rest = &self.text.as_bytes()[self.at..];
        let length = rest.iter().position(|&c| !number::is_number_byte(c));
        let length = length.ok_or(Stop::End)?;
        let value = number::parse(&rest[..length]).map_err(|_| Stop::Unexpected)?;
        self.at += length;
        Ok(value)
    }

    /// Reads `true` or `false`.
    ///
    /// # Errors
    /// Something else comes.
    pub fn boolean(&mut self) -> Result<bool, Stop> {
        match self.peek()? {
            b't' => self.word(b"true").map(|()| true),
            b'f' => self.word(b"false").map(|()| false),
            _ => Err(Stop::Unexpected),
        }
    }

    /// Reads `null`.
    ///
    /// # Errors
    /// Something else comes.
    pub fn null(&mut self) -> Result<(), Stop> {
        self.peek()?;
        self.word(b"null")
    }

    fn word(&mut self, word: &[u8]) -> Result<(), Stop> {
        let rest = &self.text.as_bytes()[self.at..];
        match rest.get(word.len()) {
            None => Err(Stop::End),
            Some(next) if rest.starts_with(word) && !next.is_ascii_alphabetic() => {
                self.at += word.len();
                Ok(())
            }
            Some(_) => Err(Stop::Unexpected),
        }
    }

    /// Passes over one value and returns its text, which need not be valid: only strings and brackets are looked at, so
    /// that the end is right if the value is. Whoever uses the text has to read it in full.
    ///
    /// # Errors
    /// [`Stop::End`], or no value comes.
    pub fn skip(&mut self) -> Result<&'a str, Stop> {
        let first = self.peek()?;
        let start = self.at;
        let bytes = self.text.as_bytes();
        match first {
            b'"' => self.pass_string()?,
            b'[' | b'{' => {
                let mut depth = 0_usize;
                loop {
                    match bytes.get(self.at) {
                        None => return Err(Stop::End),
                        Some(b'"') => {
                            self.pass_string()?;
                            continue;
                        }
                        Some(b'[' | b'{') => depth += 1,
                        Some(b']' | b'}') => depth -= 1,
                        Some(_) => {}
                    }
                    self.at += 1;
                    if depth == 0 {
                        break;
                    }
                }
            }
            b',' | b':' | b']' | b'}' => return Err(Stop::Unexpected),
            _ => {
                let ends = |c: &u8| matches!(c, b',' | b']' | b'}' | b' ' | b'\t' | b'\n' | b'\r');
                let length = bytes[start..].iter().position(ends);
                self.at += length.ok_or(Stop::End)?;
            }
        }
        Ok(&self.text[start..self.at])
    }

    /// Passes over a string that begins at the next byte.
    fn pass_string(&mut self) -> Result<(), Stop> {
        let bytes = self.text.as_bytes();
        let mut at = self.at + 1;
        loop {
            at += plain_prefix(&bytes[at..]);
            match bytes.get(at) {
                Some(b'"') => break,
                Some(b'\\') if at + 1 < bytes.len() => at += 2,
                None | Some(b'\\') => return Err(Stop::End),
                Some(_) => return Err(Stop::Unexpected),
            }
        }
        self.at = at + 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Json, parse};
    use super::*;

    /// Reads a value of whatever form by the methods of the cursor.
    fn read(cursor: &mut Cursor<'_>) -> Result<Json, Stop> {
        Ok(match cursor.peek()? {
            b'[' => {
                cursor.expect(b'[')?;
                let mut elements = Vec::new();
                while cursor.another(b']', elements.is_empty())? {
                    elements.push(read(cursor)?);
                }
                Json::Array(elements)
            }
            b'{' => {
                cursor.expect(b'{')?;
                let mut members = Vec::new();
                while cursor.another(b'}', members.is_empty())? {
                    let name = cursor.name()?.into_owned();
                    members.push((name, read(cursor)?));
                }
                Json::Object(members.into_iter().collect())
            }
            b'"' => Json::string(cursor.string()?.into_owned()),
            b't' | b'f' => Json::Bool(cursor.boolean()?),
            b'n' => cursor.null().map(|()| Json::Null)?,
            _ => match cursor.number()? {
                Number::Integer(value) => Json::Integer(value),
                Number::Real(value) => Json::Real(value),
            },
        })
    }

    const TEXTS: [&str; 30] = [
        r#"["set",[1,2,-3]]"#,
        r#"{"a":true,"b":false,"c":null,"d":[]}"#,
        r#" { "a" : [ "x" , 1.5 , 1e3 ] , "b" : {} } "#,
        r#"["é\n\u00e9\ud83d\ude00","\\","\""]"#,
        "[0]",
        "[-0]",
        "[1.0,0.1]",
        "[9223372036854775807,9223372036854775808]",
        "[\"a\tb\"]",
        "[\"\\ud800\"]",
        "[\"\\udc00\"]",
        "[\"\\u0000\"]",
        "[\"\\x\"]",
        "[01]",
        "[1.]",
        "[-]",
        "[+1]",
        "[1e400]",
        "[tru]",
        "[truex]",
        "[nul]",
        "[True]",
        "[1,]",
        "[,1]",
        "[1 2]",
        "{\"a\" 1}",
        "{\"a\":}",
        "{a:1}",
        "[1}",
        "{\"a\":1,}",
    ];

    #[test]
    fn what_the_cursor_accepts_is_what_the_parser_says() {
        let mut accepted = 0;
        for text in TEXTS {
            let mut cursor = Cursor::new(text);
            if let Ok(json) = read(&mut cursor) {
                assert_eq!(parse(text.as_bytes()), Ok(json), "{text}");
                accepted += 1;
            }
        }
        assert_eq!(accepted, 8);
    }

    #[test]
    fn the_beginning_of_a_text_is_never_taken_for_the_whole() {
        for text in &TEXTS[..8] {
            let whole = text.trim_end();
            for end in (0..whole.len()).filter(|&end| whole.is_char_boundary(end)) {
                let result = read(&mut Cursor::new(&whole[..end]));
                assert_eq!(result, Err(Stop::End), "{}", &whole[..end]);
                let skipped = Cursor::new(&whole[..end]).skip().map(str::len);
                assert_eq!(skipped, Err(Stop::End), "{}", &whole[..end]);
            }
            let mut cursor = Cursor::new(text);
            assert_eq!(cursor.skip(), Ok(text.trim()));
        }
    }
}
