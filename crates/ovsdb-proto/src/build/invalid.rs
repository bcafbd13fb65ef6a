//! Why a request cannot be sent: what is wrong, and where.
//!
//! What only an execution can find out, such as a row that is not there, is not among it.

use std::fmt;

use ecow::EcoString;

use crate::error::OvsdbError;

/// What is wrong with a request.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// A name is not an `<id>` (RFC 7047, section 3.1).
    #[error("{0:?} is not an <id>")]
    NotId(EcoString),
    /// A text contains a NUL character, which the protocol cannot express; a server would end the connection.
    #[error("text contains a NUL character")]
    Nul,
    /// A text is not UTF-8.
    #[error("text is not UTF-8")]
    NotUtf8,
    /// A real number is infinite or no number.
    #[error("number is not finite")]
    NotFinite,
    /// Two `insert` operations have this `uuid-name`.
    #[error("an earlier insert has the uuid-name {0:?}")]
    NameTaken(EcoString),
    /// A value names a row that the transaction does not insert.
    #[error("no insert of the transaction has the uuid-name {0:?}")]
    UnknownName(EcoString),
    /// A value names a row outside of a transaction.
    #[error("only transactions name rows, and this names {0:?}")]
    NameNotAllowed(EcoString),
    /// The schema does not allow it: the words of the server that would refuse it.
    #[error(transparent)]
    Refused(OvsdbError),
}

/// Why a request cannot be sent, and the place that is at fault.
///
/// `Display` gives all that is known: `operation 1 (insert), table Port, column tag, value 4096: ...`.
#[derive(Clone, Debug, PartialEq)]
pub struct Invalid {
    // Requests are mostly valid, and the result of checking one should be small.
    inner: Box<(Place, Fault)>,
}

/// Where in a request.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Place {
    /// The operation's place and name.
    pub(super) operation: Option<(usize, &'static str)>,
    pub(super) table: Option<EcoString>,
    pub(super) column: Option<EcoString>,
    pub(super) value: Option<String>,
}

impl Invalid {
    pub(super) fn new(place: Place, fault: Fault) -> Invalid {
        Invalid {
            inner: Box::new((place, fault)),
        }
    }

    /// What is wrong.
    pub fn fault(&self) -> &Fault {
        &self.inner.1
    }

    /// The place among the transaction's operations of that which is at fault, counted from 0.
    pub fn operation(&self) -> Option<usize> {
        self.inner.0.operation.map(|(at, _)| at)
    }

    /// The table that the operation or monitor is about.
    pub fn table(&self) -> Option<&str> {
        self.inner.0.table.as_deref()
    }

    /// The column at fault.
    pub fn column(&self) -> Option<&str> {
        self.inner.0.column.as_deref()
    }

    /// The text of the value at fault.
    pub fn value(&self) -> Option<&str> {
        self.inner.0.value.as_deref()
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (place, fault) = &*self.inner;
        let operation = place
            .operation
            .map(|(at, name)| format!("operation {} ({name})", at + 1));
        let parts = [
            operation,
            place.table.as_ref().map(|table| format!("table {table}")),
            place
                .column
                .as_ref()
                .map(|column| format!("column {column}")),
            place.value.as_ref().map(|value| format!("value {value}")),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        if !parts.is_empty() {
            write!(f, "{}: ", parts.join(", "))?;
        }
        fault.fmt(f)
    }
}

// What it stems from is part of the text.
impl std::error::Error for Invalid {}
