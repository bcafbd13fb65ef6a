//! JSON kept as it is written: every token's bytes survive, members keep their order and may repeat.
//!
//! For comparing and composing messages to the byte. It judges no content: numbers are not read, escapes are not
//! decoded. The parser is for answers of a server under test; it refuses broken brackets and little else.

use std::fmt;

/// A JSON value as a tree of its tokens.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Raw {
    /// A number, a string with its quotes, `true`, `false` or `null`.
    Token(String),
    /// A string that is the UUID with this number; who writes the value knows the UUID.
    Name(u32),
    /// The elements in their order.
    Array(Vec<Raw>),
    /// Names as written between their quotes, and values, in their order.
    Object(Vec<(String, Raw)>),
}

impl Raw {
    /// The literal `null`.
    pub fn null() -> Raw {
        Raw::Token("null".to_owned())
    }

    /// `true` or `false`.
    pub fn boolean(value: bool) -> Raw {
        Raw::Token(value.to_string())
    }

    /// A whole number.
    pub fn integer(value: i64) -> Raw {
        Raw::Token(value.to_string())
    }

    /// A string; escaped where JSON requires it.
    pub fn string(text: &str) -> Raw {
        let mut token = String::with_capacity(text.len() + 2);
        token.push('"');
        for character in text.chars() {
            match character {
                '"' => token.push_str("\\\""),
                '\\' => token.push_str("\\\\"),
                control if u32::from(control) < 0x20 => {
                    token.push_str(&format!("\\u{:04x}", u32::from(control)));
                }
                other => token.push(other),
            }
        }
        token.push('"');
        Raw::Token(token)
    }

    /// An object of `members`; the names need no escapes.
    pub fn object<const N: usize>(members: [(&str, Raw); N]) -> Raw {
        Raw::Object(
            members
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
        )
    }

    /// `[TAG, VALUE]`: the form of sets, maps and UUIDs (RFC 7047, section 5.1).
    pub fn tagged(tag: &str, value: Raw) -> Raw {
        Raw::Array(vec![Raw::string(tag), value])
    }

    /// `["set", [ELEMENTS]]`.
    pub fn set(elements: Vec<Raw>) -> Raw {
        Raw::tagged("set", Raw::Array(elements))
    }

    /// `["uuid", NAME]`.
    pub fn uuid(number: u32) -> Raw {
        Raw::tagged("uuid", Raw::Name(number))
    }

    /// The value of the last member called `name`, as servers read objects.
    pub fn get(&self, name: &str) -> Option<&Raw> {
        match self {
            Raw::Object(members) => members
                .iter()
                .rev()
                .find(|(key, _)| key == name)
                .map(|(_, value)| value),
            _ => None,
        }
    }

    /// The elements of an array.
    pub fn elements(&self) -> Option<&[Raw]> {
        match self {
            Raw::Array(elements) => Some(elements),
            _ => None,
        }
    }

    /// What stands between the quotes of a string.
    pub fn text(&self) -> Option<&str> {
        match self {
            Raw::Token(token) => token.strip_prefix('"')?.strip_suffix('"'),
            _ => None,
        }
    }

    /// The value of `[TAG, VALUE]`.
    pub fn of_tag(&self, tag: &str) -> Option<&Raw> {
        match self.elements()? {
            [first, value] if first.text() == Some(tag) => Some(value),
            _ => None,
        }
    }

    /// Appends the value's text; `name` knows the UUID of each number.
    pub fn write<'a>(&self, out: &mut String, name: &dyn Fn(u32) -> &'a str) {
        match self {
            Raw::Token(token) => out.push_str(token),
            Raw::Name(number) => {
                out.push('"');
                out.push_str(name(*number));
                out.push('"');
            }
            Raw::Array(elements) => {
                out.push('[');
                for (index, element) in elements.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    element.write(out, name);
                }
                out.push(']');
            }
            Raw::Object(members) => {
                out.push('{');
                for (index, (key, value)) in members.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    out.push('"');
                    out.push_str(key);
                    out.push_str("\":");
                    value.write(out, name);
                }
                out.push('}');
            }
        }
    }

    /// Reads one value that fills `text`, apart from white space.
    pub fn parse(text: &str) -> Option<Raw> {
        let mut parser = Parser { text, at: 0 };
        let value = parser.value()?;
        parser.space();
        (parser.at == text.len()).then_some(value)
    }
}

/// The value's text; numbered UUIDs appear as `<N>`.
impl fmt::Display for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Raw::Token(token) => f.write_str(token),
            Raw::Name(number) => write!(f, "\"<{number}>\""),
            Raw::Array(elements) => {
                f.write_str("[")?;
                for (index, element) in elements.iter().enumerate() {
                    if index > 0 {
                        f.write_str(",")?;
                    }
                    element.fmt(f)?;
                }
                f.write_str("]")
            }
            Raw::Object(members) => {
                f.write_str("{")?;
                for (index, (key, value)) in members.iter().enumerate() {
                    if index > 0 {
                        f.write_str(",")?;
                    }
                    write!(f, "\"{key}\":{value}")?;
                }
                f.write_str("}")
            }
        }
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl Parser<'_> {
    fn space(&mut self) {
        let rest = &self.text.as_bytes()[self.at..];
        self.at += rest
            .iter()
            .take_while(|byte| byte.is_ascii_whitespace())
            .count();
    }

    /// The next byte that is no white space, taken if it is `byte`.
    fn take(&mut self, byte: u8) -> bool {
        self.space();
        let found = self.text.as_bytes().get(self.at) == Some(&byte);
        self.at += usize::from(found);
        found
    }

    fn value(&mut self) -> Option<Raw> {
        if self.take(b'[') {
            let mut elements = Vec::new();
            if self.take(b']') {
                return Some(Raw::Array(elements));
            }
            loop {
                elements.push(self.value()?);
                if self.take(b']') {
                    return Some(Raw::Array(elements));
                }
                if !self.take(b',') {
                    return None;
                }
            }
        }
        if self.take(b'{') {
            let mut members = Vec::new();
            if self.take(b'}') {
                return Some(Raw::Object(members));
            }
            loop {
                self.space();
                let name = self.token()?;
                let name = name.strip_prefix('"')?.strip_suffix('"')?.to_owned();
                if !self.take(b':') {
                    return None;
                }
                members.push((name, self.value()?));
                if self.take(b'}') {
                    return Some(Raw::Object(members));
                }
                if !self.take(b',') {
                    return None;
                }
            }
        }
        self.space();
        self.token().map(|token| Raw::Token(token.to_owned()))
    }

    fn token(&mut self) -> Option<&str> {
        let bytes = &self.text.as_bytes()[self.at..];
        let length = if bytes.first() == Some(&b'"') {
            let mut escaped = false;
            1 + bytes[1..].iter().position(|byte| {
                let closes = *byte == b'"' && !escaped;
                escaped = *byte == b'\\' && !escaped;
                closes
            })? + 1
        } else {
            bytes
                .iter()
                .position(|byte| b",]}: \t\r\n[{\"".contains(byte))
                .unwrap_or(bytes.len())
        };
        let start = self.at;
        self.at += length;
        (length > 0).then(|| &self.text[start..self.at])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_survives_reading_and_writing() {
        for text in [
            "null",
            "-1.50e+3",
            r#""a\"\\\u0041é""#,
            "[]",
            "{}",
            r#"[1,[],{"a":[true,"]"],"a":{"b":null}}]"#,
        ] {
            assert_eq!(
                Raw::parse(text).map(|raw| raw.to_string()).as_deref(),
                Some(text)
            );
        }
    }

    #[test]
    fn broken_brackets_are_refused() {
        for text in [
            "", "[", "[1", "[1,]", "{\"a\"}", "{1:2}", "[1}", "\"a", "1 2",
        ] {
            assert_eq!(Raw::parse(text), None, "{text}");
        }
    }

    #[test]
    fn the_last_of_equal_names_counts() {
        let raw = Raw::parse(r#"{"a":1,"b":2,"a":3}"#).expect("it is well formed");
        assert_eq!(raw.get("a"), Some(&Raw::integer(3)));
        assert_eq!(raw.get("c"), None);
    }

    #[test]
    fn strings_are_escaped() {
        assert_eq!(Raw::string("a\"\\\n").to_string(), r#""a\"\\\u000a""#);
    }
}
