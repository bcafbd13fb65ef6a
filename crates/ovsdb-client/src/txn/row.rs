//! Rows by their names.

use std::fmt;

use ecow::EcoString;
use ovsdb_proto::atom::Atom;
use ovsdb_proto::uuid::Uuid;
use ovsdb_proto::value::{Term, Value};

/// A row: its table's name and its UUID. It says nothing about whether there is such a row.
///
/// As a value it is the row's UUID. That of a row which a transaction makes is settled by the server: until then it stands
/// for the row in the same transaction only, and [`Committed::uuid`](super::Committed::uuid) tells what it has become.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowName {
    table: EcoString,
    uuid: Uuid,
}

impl RowName {
    /// The row `uuid` of `table`.
    pub fn new(table: impl Into<EcoString>, uuid: Uuid) -> RowName {
        RowName {
            table: table.into(),
            uuid,
        }
    }

    /// The table's name.
    pub fn table(&self) -> &str {
        &self.table
    }

    /// The row's UUID.
    pub fn uuid(&self) -> Uuid {
        self.uuid
    }

    /// The name of the table, to be kept.
    pub(super) fn table_name(&self) -> &EcoString {
        &self.table
    }
}

impl fmt::Display for RowName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "row {} of table {}", self.uuid, self.table)
    }
}

impl From<&RowName> for Term {
    fn from(row: &RowName) -> Term {
        Term::Atom(Atom::Uuid(row.uuid))
    }
}

impl From<RowName> for Term {
    fn from(row: RowName) -> Term {
        Term::from(&row)
    }
}

impl From<&RowName> for Value {
    fn from(row: &RowName) -> Value {
        Value::One(row.into())
    }
}

impl From<RowName> for Value {
    fn from(row: RowName) -> Value {
        Value::from(&row)
    }
}
