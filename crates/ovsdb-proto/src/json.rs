//! JSON in the dialect of Open vSwitch: values, parser and serialiser.
//!
//! The dialect is part of the protocol. It differs from RFC 8259 as follows:
//!
//! - The outermost value is an array or an object.
//! - Numbers that are integral and fit `i64` are integers in any notation (`1.0`, `1e3`, `-0`); all others are reals. A
//!   number that no double can hold is an error.
//! - The last of several members with the same name counts; members are written in the order of their names.
//! - `\u0000` is refused, and so are more than [`MAX_DEPTH`] levels.
//!
//! Where the reference loses or garbles data, this does not: reals are written with as many digits as it takes to read
//! them back, integers beyond 64 bits do not wrap around, denormal reals and the largest ones can be read again, and a NUL
//! byte does not hide the rest of a number. Strings that are not UTF-8 are kept apart, as [`Json::NotUtf8`].
//!
//! Nothing here does I/O, and no input makes it panic or overflow the stack.

pub mod cursor;
mod error;
mod lexer;
mod number;
mod object;
pub mod reader;
pub mod write;

use std::fmt;

use ecow::EcoString;

pub use self::error::{JsonError, JsonErrorKind};
pub use self::object::{Iter, Object};
use self::reader::{Event, Reader};

/// Arrays and objects that may be inside each other in a text, the outermost included.
pub const MAX_DEPTH: usize = 1000;

/// A JSON value.
///
/// `Integer` and `Real` are distinct, as in the protocol: `Json::Integer(1) != Json::Real(1.0)`.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Json {
    /// `null`
    #[default]
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number that is integral and within `i64`.
    Integer(i64),
    /// Any other number; finite.
    Real(f64),
    /// A string. It holds no NUL.
    String(EcoString),
    /// A string that is not UTF-8, with its escapes resolved. The parser lets it through so that its user can refuse it
    /// by name; no valid message has one.
    NotUtf8(Box<[u8]>),
    /// An array.
    Array(Vec<Json>),
    /// An object.
    Object(Object),
}

/// Parses exactly one array or object, with nothing but white space around it.
///
/// # Errors
/// If `bytes` is anything else. The error's text is the reference's.
pub fn parse(bytes: &[u8]) -> Result<Json, JsonError> {
    parse_within(bytes, 0)
}

/// [`parse`] of an array or object that is inside `levels` others, which count towards [`MAX_DEPTH`].
pub(crate) fn parse_within(bytes: &[u8], levels: usize) -> Result<Json, JsonError> {
    let mut reader = Reader::within(bytes, levels);
    let first = reader.next_event()?;
    let value = reader.value(first)?;
    let end = reader.next_event()?;
    debug_assert_eq!(end, Event::End);
    Ok(value)
}

impl Json {
    /// A string value.
    pub fn string(text: impl Into<EcoString>) -> Json {
        Json::String(text.into())
    }

    /// An array of anything that converts.
    pub fn array<V: Into<Json>>(elements: impl IntoIterator<Item = V>) -> Json {
        Json::Array(elements.into_iter().map(Into::into).collect())
    }

    /// The word for the value's type in error messages.
    pub fn type_name(&self) -> &'static str {
        match self {
            Json::Null => "null",
            Json::Bool(false) => "false",
            Json::Bool(true) => "true",
            Json::Integer(_) | Json::Real(_) => "number",
            Json::String(_) | Json::NotUtf8(_) => "string",
            Json::Array(_) => "array",
            Json::Object(_) => "object",
        }
    }

    /// Whether this is `null`.
    pub fn is_null(&self) -> bool {
        matches!(self, Json::Null)
    }

    /// The value of a boolean.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Json::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// The value of an integer.
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Json::Integer(value) => Some(*value),
            _ => None,
        }
    }

    /// The value of a number, whether integer (rounded, if it is beyond 2^53) or real.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Json::Integer(value) => Some(*value as f64),
            Json::Real(value) => Some(*value),
            _ => None,
        }
    }

    /// The text of a string.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Json::String(text) => Some(text),
            _ => None,
        }
    }

    /// The elements of an array.
    pub fn as_array(&self) -> Option<&[Json]> {
        match self {
            Json::Array(elements) => Some(elements),
            _ => None,
        }
    }

    /// The members of an object.
    pub fn as_object(&self) -> Option<&Object> {
        match self {
            Json::Object(members) => Some(members),
            _ => None,
        }
    }

    /// The value of an object's member `name`; `None` also if this is no object.
    pub fn get(&self, name: &str) -> Option<&Json> {
        self.as_object()?.get(name)
    }

    /// Appends the value in its compact form: no white space, members in the order of their names.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        write::value(self, out);
    }

    /// The compact form as bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.write_to(&mut out);
        out
    }

    /// The form for human readers: two spaces a level, no final newline.
    pub fn to_pretty_string(&self) -> String {
        let mut out = Vec::new();
        write::pretty(self, 0, &mut out);
        into_string(out)
    }
}

/// The compact form.
impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&into_string(self.to_bytes()))
    }
}

/// Output as text. Only a [`Json::NotUtf8`] in it makes this lossy.
fn into_string(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

macro_rules! from {
    ($($source:ty => |$value:ident| $json:expr;)*) => {$(
        impl From<$source> for Json {
            #[inline]
            fn from($value: $source) -> Json {
                $json
            }
        }
    )*};
}

from! {
    bool => |value| Json::Bool(value);
    i64 => |value| Json::Integer(value);
    i32 => |value| Json::Integer(value.into());
    u32 => |value| Json::Integer(value.into());
    f64 => |value| Json::Real(value);
    &str => |value| Json::String(value.into());
    String => |value| Json::String(value.into());
    EcoString => |value| Json::String(value);
    Vec<Json> => |value| Json::Array(value);
    Object => |value| Json::Object(value);
}

impl<const N: usize> From<[Json; N]> for Json {
    fn from(elements: [Json; N]) -> Json {
        Json::Array(elements.into())
    }
}

/// An object literal: `obj! { "name" => value, ... }`, where each value is anything that converts into [`Json`].
///
/// ```
/// use ovsdb_proto::obj;
///
/// assert_eq!(obj! { "b" => 1, "a" => "x" }.to_string(), r#"{"a":"x","b":1}"#);
/// ```
#[macro_export]
macro_rules! obj {
    ($($name:expr => $value:expr),* $(,)?) => {{
        #[allow(unused_mut)]
        let mut object = $crate::json::Object::new();
        $(object.insert($name, $value);)*
        $crate::json::Json::Object(object)
    }};
}

/// An array literal: `arr![value, ...]`, where each value is anything that converts into [`Json`].
///
/// ```
/// use ovsdb_proto::arr;
///
/// assert_eq!(arr!["set", arr![1, true]].to_string(), r#"["set",[1,true]]"#);
/// ```
#[macro_export]
macro_rules! arr {
    ($($value:expr),* $(,)?) => {
        $crate::json::Json::Array(vec![$($crate::json::Json::from($value)),*])
    };
}
