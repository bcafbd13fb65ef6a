//! Reading an object that has required and optional members and allows no others.
//!
//! Schemas, operations and monitor requests are all written that way. The first thing that is wrong is kept and
//! everything after it is ignored, so that a caller can ask for all its members in a row and look for an error once.

use std::fmt;

use smallvec::SmallVec;

use crate::error::OvsdbError;
use crate::json::{Json, Object};

/// The types of JSON value that a member may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kinds(u8);

impl Kinds {
    /// `null`.
    pub const NULL: Kinds = Kinds(1);
    /// `true` or `false`.
    pub const BOOLEAN: Kinds = Kinds(2);
    /// A number that is an integer.
    pub const INTEGER: Kinds = Kinds(4);
    /// A number that is not an integer.
    pub const REAL: Kinds = Kinds(8);
    /// Any string.
    pub const STRING: Kinds = Kinds(16);
    /// An array.
    pub const ARRAY: Kinds = Kinds(32);
    /// An object.
    pub const OBJECT: Kinds = Kinds(64);
    /// A string that is an `<id>` (RFC 7047, section 3.1).
    pub const ID: Kinds = Kinds(128);
    /// Any number.
    pub const NUMBER: Kinds = Kinds::INTEGER.or(Kinds::REAL);
    /// Any value at all.
    pub const ANY: Kinds = Kinds(127);

    /// The types of either.
    #[must_use]
    pub const fn or(self, other: Kinds) -> Kinds {
        Kinds(self.0 | other.0)
    }

    fn admit(self, json: &Json) -> bool {
        let kind = match json {
            Json::Null => Kinds::NULL,
            Json::Bool(_) => Kinds::BOOLEAN,
            Json::Integer(_) => Kinds::INTEGER,
            Json::Real(_) => Kinds::REAL,
            Json::String(text) if self.0 & Kinds::ID.0 != 0 && is_id(text) => Kinds::ID,
            Json::String(_) | Json::NotUtf8(_) => Kinds::STRING,
            Json::Array(_) => Kinds::ARRAY,
            Json::Object(_) => Kinds::OBJECT,
        };
        self.0 & kind.0 != 0
    }
}

/// True if `text` is an `<id>` (RFC 7047, section 3.1): a letter or underscore, then letters, digits and underscores.
pub fn is_id(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// The members of one object, as they are asked for.
///
/// `C` names what is being parsed; it is formatted only when something is wrong.
pub struct Members<'a, C> {
    context: C,
    json: Option<&'a Json>,
    object: Option<&'a Object>,
    used: SmallVec<[&'a str; 8]>,
    error: Option<OvsdbError>,
}

impl<'a, C: fmt::Display> Members<'a, C> {
    /// Starts on `json`; that it is no object counts as the first error.
    pub fn new(json: &'a Json, context: C) -> Members<'a, C> {
        let object = json.as_object();
        let mut members = Members {
            context,
            json: object.is_some().then_some(json),
            object,
            used: SmallVec::new(),
            error: None,
        };
        if object.is_none() {
            members.fail("Object expected.");
        }
        members
    }

    /// The value of the member `name`, which must be there and have one of `kinds`.
    ///
    /// `None` means that there is now an error.
    pub fn required(&mut self, name: &'static str, kinds: Kinds) -> Option<&'a Json> {
        let object = self.object?;
        match object.get(name) {
            Some(value) => self.take(name, value, kinds),
            None => {
                self.fail(format_args!("Required '{name}' member is missing."));
                None
            }
        }
    }

    /// The value of the member `name`, which if it is there must have one of `kinds`.
    pub fn optional(&mut self, name: &'static str, kinds: Kinds) -> Option<&'a Json> {
        let value = self.object?.get(name)?;
        self.take(name, value, kinds)
    }

    /// The value of the optional Boolean member `name`.
    pub fn optional_bool(&mut self, name: &'static str) -> Option<bool> {
        match self.optional(name, Kinds::BOOLEAN) {
            Some(Json::Bool(value)) => Some(*value),
            _ => None,
        }
    }

    fn take(&mut self, name: &'static str, value: &'a Json, kinds: Kinds) -> Option<&'a Json> {
        if kinds.admit(value) {
            self.used.push(name);
            Some(value)
        } else {
            self.fail(format_args!("Type mismatch for member '{name}'."));
            None
        }
    }

    /// Records an error in the words `Parsing <context> failed: <message>`, unless there is one already.
    pub fn fail(&mut self, message: impl fmt::Display) {
        if self.error.is_none() {
            let error =
                OvsdbError::bare_syntax(format!("Parsing {} failed: {message}", self.context));
            self.error = Some(match self.json {
                Some(json) => error.at(json),
                None => error,
            });
        }
    }

    /// True once something was wrong.
    pub fn has_failed(&self) -> bool {
        self.error.is_some()
    }

    /// The object being read, if it is one.
    pub fn json(&self) -> Option<&'a Json> {
        self.json
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// The first error met, or else one that names a member that nobody asked for.
    pub fn finish(mut self) -> Result<(), OvsdbError> {
        if let (None, Some(object)) = (&self.error, self.object) {
            let n_unused = object.len() - self.used.len();
            if n_unused > 0 {
                let unused = object
                    .iter()
                    .map(|(name, _)| &**name)
                    .find(|name| !self.used.contains(name));
                let first = unused.unwrap_or_default();
                match n_unused {
                    1 => self.fail(format_args!(
                        "Member '{first}' is present but not allowed here."
                    )),
                    _ => self.fail(format_args!(
                        "Member '{first}' and {} other member{} are present but not allowed here.",
                        n_unused - 1,
                        if n_unused > 2 { "s" } else { "" }
                    )),
                }
            }
        }
        match self.error {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;

    #[track_caller]
    fn check(text: &str, expected: Result<(), &str>) {
        let json = json::parse(text.as_bytes()).unwrap();
        let mut members = Members::new(&json, "thing");
        members.required("id", Kinds::ID);
        members.required("n", Kinds::NUMBER.or(Kinds::NULL));
        members.optional("flag", Kinds::BOOLEAN);
        let result = members.finish().map_err(|error| error.to_string());
        assert_eq!(result, expected.map_err(str::to_owned), "{text}");
    }

    #[test]
    fn objects_of_the_right_form_pass() {
        check(r#"{"id":"a_1","n":1}"#, Ok(()));
        check(r#"{"id":"_","n":1.5,"flag":false}"#, Ok(()));
        check(r#"{"id":"Z","n":null}"#, Ok(()));
    }

    #[test]
    fn the_first_thing_that_is_wrong_is_reported() {
        check(
            "[3]",
            Err("syntax error: Parsing thing failed: Object expected."),
        );
        check(
            "{}",
            Err(
                r#"syntax "{}": syntax error: Parsing thing failed: Required 'id' member is missing."#,
            ),
        );
        for id in [r#""1a""#, r#""""#, r#""a-b""#, "1"] {
            let text = format!(r#"{{"id":{id},"n":1}}"#);
            let expected = format!(
                r#"syntax "{text}": syntax error: Parsing thing failed: Type mismatch for member 'id'."#
            );
            check(&text, Err(&expected));
        }
        check(
            r#"{"flag":1,"id":"a","n":1}"#,
            Err(concat!(
                r#"syntax "{"flag":1,"id":"a","n":1}": syntax error: "#,
                "Parsing thing failed: Type mismatch for member 'flag'."
            )),
        );
    }

    #[test]
    fn members_that_nobody_asked_for_are_counted() {
        for (more, words) in [
            (r#""x":0"#, "Member 'x' is present but not allowed here."),
            (
                r#""x":0,"y":0"#,
                "Member 'x' and 1 other member are present but not allowed here.",
            ),
            (
                r#""x":0,"y":0,"z":0"#,
                "Member 'x' and 2 other members are present but not allowed here.",
            ),
        ] {
            let text = format!(r#"{{"id":"a","n":1,{more}}}"#);
            let expected =
                format!(r#"syntax "{text}": syntax error: Parsing thing failed: {words}"#);
            check(&text, Err(&expected));
        }
    }
}
