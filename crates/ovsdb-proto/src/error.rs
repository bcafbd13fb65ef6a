//! The `<error>` of RFC 7047, section 3.1: tag, details and the additions `syntax` and `io-error`.
//!
//! The tags are spelt here and nowhere else; code branches on [`ErrorTag`], never on a text.

use std::fmt;

use crate::json::{Json, Object};

macro_rules! tags {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// The `error` member of an `<error>`: what kind of thing went wrong.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ErrorTag {
            $($(#[$doc])* $name,)*
        }

        impl ErrorTag {
            /// Every tag.
            pub const ALL: &'static [ErrorTag] = &[$(ErrorTag::$name,)*];

            /// The word on the wire.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(ErrorTag::$name => $text,)*
                }
            }
        }
    };
}

tags! {
    /// An error that has no more precise tag.
    OvsdbError = "ovsdb error",
    /// The JSON does not have the form that the protocol asks for.
    SyntaxError = "syntax error",
    /// A value breaks a constraint of its column or table.
    ConstraintViolation = "constraint violation",
    /// A strong reference points to a row that does not exist.
    ReferentialIntegrityViolation = "referential integrity violation",
    /// A record of the log does not fit what was there before it.
    ConsistencyViolation = "consistency violation",
    /// Division by zero in a mutation.
    DomainError = "domain error",
    /// A mutation's result does not fit the type.
    RangeError = "range error",
    /// The server cannot do this, for example park a `wait`.
    NotSupported = "not supported",
    /// A `wait` was not met in time.
    TimedOut = "timed out",
    /// An `abort` operation was met.
    Aborted = "aborted",
    /// An `assert` of a lock that the client does not hold.
    NotOwner = "not owner",
    /// The server has no room for this.
    ResourcesExhausted = "resources exhausted",
    /// Reading or writing the database file failed.
    IoError = "I/O error",
    /// The named column is not in the table.
    UnknownColumn = "unknown column",
    /// The named table is not in the schema.
    UnknownTable = "unknown table",
    /// The server has no such database.
    UnknownDatabase = "unknown database",
    /// A condition names a function that does not exist.
    UnknownFunction = "unknown function",
    /// A mutation names a mutator that does not exist.
    UnknownMutator = "unknown mutator",
    /// Two `insert` operations of one transaction have the same `uuid-name`.
    DuplicateUuidName = "duplicate uuid-name",
    /// An `insert` asks for the UUID of a row that exists.
    DuplicateUuid = "duplicate uuid",
    /// Access control refuses the operation.
    PermissionError = "permission error",
    /// The parameters of a request do not fit each other.
    InvalidParameters = "invalid parameters",
    /// The server or the database is read-only.
    NotAllowed = "not allowed",
    /// A defect of the server.
    InternalError = "internal error",
    /// The transaction was cancelled.
    Canceled = "canceled",
    /// The database exists but cannot be used at the moment.
    DatabaseNotAvailable = "database not available",
    /// A schema file could not be read.
    FailedToReadSchema = "failed to read schema",
    /// Two copies of a database disagree.
    InconsistentData = "inconsistent data",
    /// The cluster refused or lost the request.
    ClusterError = "cluster error",
}

impl ErrorTag {
    /// The tag with this word.
    pub fn from_text(text: &str) -> Option<ErrorTag> {
        ErrorTag::ALL
            .iter()
            .copied()
            .find(|tag| tag.as_str() == text)
    }
}

impl fmt::Display for ErrorTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An `<error>` of RFC 7047, section 3.1.
///
/// `Display` gives the form in which programs show it: `syntax "...": tag: details (I/O error)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OvsdbError {
    /// What kind of error.
    pub tag: ErrorTag,
    /// The words for people.
    pub details: Option<String>,
    /// Compact text of the JSON element that is at fault.
    pub syntax: Option<String>,
    /// The operating system's words, for an [`ErrorTag::IoError`].
    pub io_error: Option<String>,
}

impl OvsdbError {
    /// An error with details.
    pub fn new(tag: ErrorTag, details: impl Into<String>) -> OvsdbError {
        OvsdbError {
            tag,
            details: Some(details.into()),
            syntax: None,
            io_error: None,
        }
    }

    /// A `syntax error` that quotes `at`, the element at fault.
    pub fn syntax(at: &Json, details: impl Into<String>) -> OvsdbError {
        OvsdbError::new(ErrorTag::SyntaxError, details).at(at)
    }

    /// A `syntax error` that quotes nothing.
    pub fn bare_syntax(details: impl Into<String>) -> OvsdbError {
        OvsdbError::new(ErrorTag::SyntaxError, details)
    }

    /// A `constraint violation`.
    pub fn constraint(details: impl Into<String>) -> OvsdbError {
        OvsdbError::new(ErrorTag::ConstraintViolation, details)
    }

    /// An `I/O error`; `io_error` is the operating system's description.
    pub fn io(details: impl Into<String>, io_error: impl Into<String>) -> OvsdbError {
        OvsdbError {
            io_error: Some(io_error.into()),
            ..OvsdbError::new(ErrorTag::IoError, details)
        }
    }

    /// The same error, quoting `json` as the element at fault.
    #[must_use]
    pub fn at(mut self, json: &Json) -> OvsdbError {
        self.syntax = Some(json.to_string());
        self
    }

    /// The same error with `context` and a colon before its details.
    #[must_use]
    pub fn wrap(mut self, context: impl Into<String>) -> OvsdbError {
        let mut details = context.into();
        if let Some(old) = self.details.take() {
            details.push_str(": ");
            details.push_str(&old);
        }
        self.details = Some(details);
        self
    }

    /// The `<error>` object of the wire.
    pub fn to_json(&self) -> Json {
        let members = [
            ("details", self.details.as_deref()),
            ("error", Some(self.tag.as_str())),
            ("io-error", self.io_error.as_deref()),
            ("syntax", self.syntax.as_deref()),
        ];
        let object: Object = members
            .into_iter()
            .filter_map(|(name, text)| Some((name, Json::string(text?))))
            .collect();
        Json::Object(object)
    }
}

impl fmt::Display for OvsdbError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(syntax) = &self.syntax {
            write!(f, "syntax \"{syntax}\": ")?;
        }
        f.write_str(self.tag.as_str())?;
        if let Some(details) = &self.details {
            write!(f, ": {details}")?;
        }
        if let Some(io_error) = &self.io_error {
            write!(f, " ({io_error})")?;
        }
        Ok(())
    }
}

impl std::error::Error for OvsdbError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(error: &OvsdbError, json: &str, text: &str) {
        assert_eq!(error.to_json().to_string(), json);
        assert_eq!(error.to_string(), text);
    }

    #[test]
    fn wire_and_display_forms_hold_what_is_known() {
        check(
            &OvsdbError::syntax(&Json::Array(vec![Json::Integer(1)]), "expected string"),
            r#"{"details":"expected string","error":"syntax error","syntax":"[1]"}"#,
            r#"syntax "[1]": syntax error: expected string"#,
        );
        check(
            &OvsdbError::io("writing failed", "No space left on device"),
            r#"{"details":"writing failed","error":"I/O error","io-error":"No space left on device"}"#,
            "I/O error: writing failed (No space left on device)",
        );
        check(
            &OvsdbError {
                tag: ErrorTag::Canceled,
                details: None,
                syntax: None,
                io_error: None,
            },
            r#"{"error":"canceled"}"#,
            "canceled",
        );
        check(
            &OvsdbError::constraint("too long").wrap("row 3"),
            r#"{"details":"row 3: too long","error":"constraint violation"}"#,
            "constraint violation: row 3: too long",
        );
    }

    #[test]
    fn every_tag_is_found_by_its_word() {
        for &tag in ErrorTag::ALL {
            assert_eq!(ErrorTag::from_text(tag.as_str()), Some(tag));
        }
        assert_eq!(ErrorTag::from_text("no such tag"), None);
    }
}
