//! What can be wrong with a transaction, before it is sent and after.

use ecow::EcoString;
use ovsdb_proto::build::Invalid;
use ovsdb_proto::error::OvsdbError;
use ovsdb_proto::reply::{Malformed, ServerError};
use ovsdb_proto::value::WrongValue;

use super::row::RowName;
use crate::error::Disconnect;

/// Why a row cannot be read or changed as the program wants.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum EditError {
    /// The replica does not have the table.
    #[error("there is no table {0} in the replica")]
    NoTable(EcoString),
    /// The replica does not have the column.
    #[error("there is no column {column} of table {table} in the replica")]
    NoColumn {
        /// The table.
        table: EcoString,
        /// The column.
        column: EcoString,
    },
    /// There is no such row: not in the version that the transaction stands on, or it has been deleted by the transaction.
    #[error("there is no {0}")]
    NoRow(RowName),
    /// A row with this UUID is there already.
    #[error("there is a {0} already")]
    Known(RowName),
    /// The column keeps the value that its row was inserted with, or is the server's alone.
    #[error("column {column} of table {table} cannot be changed")]
    Immutable {
        /// The table.
        table: EcoString,
        /// The column.
        column: EcoString,
    },
    /// A value is not one of the column's type.
    #[error("column {column} of table {table}: {error}")]
    Value {
        /// The table.
        table: EcoString,
        /// The column.
        column: EcoString,
        /// What is wrong, in the words of the server that would refuse it.
        error: OvsdbError,
    },
    /// The column holds something else than the program wants.
    #[error("column {column} of table {table}: {why}")]
    Wrong {
        /// The table.
        table: EcoString,
        /// The column.
        column: EcoString,
        /// What is wrong with the value.
        why: WrongValue,
    },
    /// What was asked for is for columns of another kind.
    #[error("column {column} of table {table} is no {expected}")]
    Kind {
        /// The table.
        table: EcoString,
        /// The column.
        column: EcoString,
        /// What kind of column it is for.
        expected: ColumnKind,
    },
    /// A row is inserted into a table whose rows go when nothing refers to them, and nothing in the transaction does.
    #[error("nothing in the transaction refers to the new {0}, so it would not stay")]
    Unreferenced(RowName),
    /// The key of the transaction's marker is not there. [`Replica::marker`](crate::replica::Replica::marker) sees to it.
    #[error("the key of the marker is not in the {0}")]
    NoMarker(RowName),
    /// A value cannot be written down in the protocol.
    #[error(transparent)]
    Unwritable(Invalid),
}

/// Kinds of column that some changes are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ColumnKind {
    /// Sets of atoms, optional values among them.
    Set,
    /// Maps.
    Map,
    /// Maps of strings to strings.
    StringMap,
    /// One integer.
    Integer,
}

impl std::fmt::Display for ColumnKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            ColumnKind::Set => "set",
            ColumnKind::Map => "map",
            ColumnKind::StringMap => "map of strings",
            ColumnKind::Integer => "integer",
        })
    }
}

/// Why a transaction that was answered has not been committed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Something that the transaction relies on is not so any more. To read again and try again may help.
    #[error("conflict{}", at(.0))]
    Conflict(Option<Subject>),
    /// The client does not hold the lock that the transaction requires.
    #[error("lock {0} is not held")]
    NotLocked(EcoString),
    /// The server refused it, and would again.
    #[error("{}{error}", about(subject))]
    Refused {
        /// What the operation that failed is about, if it is known which.
        subject: Option<Subject>,
        /// What the server said.
        error: ServerError,
    },
}

/// Why nobody knows whether a transaction has been committed. With a [`Marker`](super::Marker) it would be known.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Doubt {
    /// The connection ended before the reply.
    #[error("the connection was lost before the server answered: {0}")]
    Lost(Disconnect),
    /// The server says that it canceled the transaction. A server of a cluster of the reference says so, too, when it stops
    /// waiting for what it has passed on already, because its leader or the schema changes.
    #[error("the server canceled the transaction, which may have happened")]
    Canceled,
    /// The answer is not of the form that the protocol has.
    #[error("reply to a transaction: {0}")]
    Malformed(Malformed),
}

/// What a reply says that is no success.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// The transaction did not happen.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Nobody knows whether it happened.
    #[error(transparent)]
    Unknown(#[from] Doubt),
}

/// What an operation is about.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Subject {
    /// A row.
    Row(RowName),
    /// The rows of a table that meet a condition.
    Table(EcoString),
}

impl std::fmt::Display for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Subject::Row(row) => row.fmt(f),
            Subject::Table(table) => write!(f, "table {table}"),
        }
    }
}

fn at(subject: &Option<Subject>) -> String {
    let subject = subject.as_ref();
    subject.map_or_else(String::new, |subject| format!(" at {subject}"))
}

fn about(subject: &Option<Subject>) -> String {
    let subject = subject.as_ref();
    subject.map_or_else(String::new, |subject| format!("{subject}: "))
}
