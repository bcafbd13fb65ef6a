//! Why a statement has no answer.

use std::fmt;

/// A place in a statement, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The character in that line.
    pub column: usize,
}

impl Place {
    /// The place of the byte at `offset`.
    pub(crate) fn of(statement: &str, offset: usize) -> Place {
        let before = statement.get(..offset).unwrap_or(statement);
        let line = before.rsplit('\n').next().unwrap_or_default();
        Place {
            line: 1 + before.matches('\n').count(),
            column: 1 + line.chars().count(),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, character {}", self.line, self.column)
    }
}

/// Why a statement has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SqlError {
    /// It is no sound statement, or names what there is not.
    #[error("{}{message}{}", at(.place), hint(.near))]
    Statement {
        /// SQLite's words.
        message: String,
        /// Where, as far as it can be told.
        place: Option<Place>,
        /// A name there is that is nearly the one at that place.
        near: Option<String>,
    },
    /// It would do something else than read tables.
    #[error("only questions are answered, and this is none: {0}")]
    Forbidden(&'static str),
    /// There is no statement, or more than one.
    #[error("one statement is expected")]
    NotOne,
    /// It failed while it was answered: a function was given what it cannot take, or too much memory would be needed.
    #[error("{0}")]
    Failed(String),
    /// It needs more memory than [`MEMORY_BYTES_MAX`](crate::MEMORY_BYTES_MAX).
    #[error("the statement needs too much memory")]
    TooMuchMemory,
    /// The answer is larger than [`ANSWER_BYTES_MAX`](crate::ANSWER_BYTES_MAX).
    #[error("the answer is larger than {} bytes", crate::ANSWER_BYTES_MAX)]
    TooLarge,
}

fn at(place: &Option<Place>) -> String {
    place.map_or_else(String::new, |place| format!("{place}: "))
}

fn hint(near: &Option<String>) -> String {
    near.as_ref()
        .map_or_else(String::new, |name| format!(" (is \"{name}\" meant?)"))
}
