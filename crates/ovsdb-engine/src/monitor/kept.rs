//! What the tables of a monitor held at one version, kept for a receiver that does not take what it is told.
//!
//! Versions share what has not changed, so keeping one costs nothing until rows change, and at most those rows as they
//! were, however often they change. What the receiver has missed is found when it asks again.

use std::sync::Arc;

use ovsdb_proto::uuid::Uuid;

use crate::commit::RowChange;
use crate::database::{Database, Row};
use crate::pmap::PMap;

use super::{Monitor, Pending};

/// See the module's documentation.
#[derive(Clone, Debug)]
pub struct Kept {
    /// For each table of the monitor's shape.
    tables: Vec<PMap<Uuid, Arc<Row>>>,
}

impl Kept {
    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.tables.iter().map(PMap::len).sum()
    }
}

impl Monitor {
    /// Keeps the rows of the monitored tables as they are in `database`.
    pub fn keep(&self, database: &Database) -> Kept {
        let tables = self.shape.tables();
        let tables = tables.map(|table| database.table(table).rows.clone());
        Kept {
            tables: tables.collect(),
        }
    }

    /// Adds to what is to be told how the rows that were kept have become those of `database`, a version of the same schema.
    /// Looks at what the two do not share, which is at most all rows of both.
    pub fn add_since(&self, pending: &mut Pending, kept: &Kept, database: &Database) {
        for (table, before) in self.shape.tables().zip(&kept.tables) {
            for change in RowChange::between(table, before, &database.table(table).rows) {
                self.add_change(pending, &change);
            }
        }
    }
}
