//! The rows that a statement is answered from, which somebody else has.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use ovsdb_proto::datum::Datum;
use ovsdb_proto::schema::{ColumnId, TableId};

/// The rows of a table at one moment.
pub trait Rows: Send + Sync {
    /// How many there are.
    fn len(&self) -> usize;

    /// True if there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The values of a row, by the numbers that [`Rows::column`] gives. `n` is less than [`Rows::len`].
    fn row(&self, n: usize) -> &[Datum];

    /// The number in these rows of a column of the schema; `None`: it is not there.
    fn column(&self, column: ColumnId) -> Option<ColumnId>;
}

/// The rows of tables at one moment: of all that a statement [reads](crate::Query::reads).
#[derive(Clone, Default)]
pub struct Contents(BTreeMap<TableId, Arc<dyn Rows>>);

impl Contents {
    /// Of these tables of the schema.
    pub fn new(tables: impl IntoIterator<Item = (TableId, Arc<dyn Rows>)>) -> Contents {
        Contents(tables.into_iter().collect())
    }

    /// The rows of a table, if they are there.
    pub fn rows(&self, table: TableId) -> Option<&Arc<dyn Rows>> {
        self.0.get(&table)
    }
}

impl fmt::Debug for Contents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tables = self.0.iter().map(|(table, rows)| (table, rows.len()));
        f.debug_map().entries(tables).finish()
    }
}
