//! Initial contents of a monitor, piece by piece.
//!
//! Contents of a big database are many times larger than what a socket takes at once. [`Initial`] writes them in pieces of
//! bounded size and effort, any of them again at any time, so that nobody has to keep the whole: it follows from the
//! version where each begins and what is in it.

use std::sync::{Arc, OnceLock};

use ovsdb_proto::monitor::Select;
use ovsdb_proto::schema::ColumnId;
use ovsdb_proto::uuid::Uuid;

use super::Monitor;
use super::shape::RowUpdate;
use super::updates::UpdatesWriter;
use crate::database::{Database, Row, Table};

/// Where a piece begins.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Place {
    /// The position of a table in the shape.
    at: usize,
    /// The first of its rows that may belong to the piece.
    from: Uuid,
    /// The position of the table to which the last row before belongs.
    table: Option<usize>,
}

impl Place {
    /// Where the first piece begins.
    pub const START: Place = Place {
        at: 0,
        from: Uuid::ZERO,
        table: None,
    };
}

/// How much there is in a piece at most. The last row may exceed it, and there is always one.
#[derive(Clone, Copy, Debug)]
pub struct PieceMax {
    /// Bytes of text.
    pub bytes: usize,
    /// Rows that are looked at.
    pub rows: usize,
}

/// What a monitor shows of a version. See the module's documentation.
#[derive(Debug)]
pub struct Initial {
    monitor: Arc<Monitor>,
    database: Database,
    /// For each table of the shape the rows that can be of interest, if they can be told without looking at all.
    found: Box<[OnceLock<Option<Vec<Uuid>>>]>,
}

impl Initial {
    /// What `monitor` shows of `database`.
    pub fn new(monitor: Arc<Monitor>, database: Database) -> Initial {
        let tables = monitor.shape.tables.len();
        Initial {
            monitor,
            database,
            found: (0..tables).map(|_| OnceLock::new()).collect(),
        }
    }

    /// Appends the piece that begins at `place`, and says where the next one begins; `None` after the last one. All of
    /// them together are what [`Monitor::write_initial`] writes.
    pub fn write_piece(&self, place: Place, max: PieceMax, out: &mut Vec<u8>) -> Option<Place> {
        let shape = &*self.monitor.shape;
        let bytes_max = out.len().saturating_add(max.bytes);
        let mut rows = 0;
        let mut updates = UpdatesWriter::resume(shape, out, place.table);
        let tables = shape.tables.iter().enumerate().skip(place.at);
        for (at, monitored) in tables.filter(|(_, table)| table.select.contains(Select::INITIAL)) {
            let (table, filter) = (self.database.table(monitored.id), &self.monitor.filters[at]);
            let from = if at == place.at {
                place.from
            } else {
                Uuid::ZERO
            };
            let found = self.found[at].get_or_init(|| filter.find(table));
            if found.is_none() && from == Uuid::ZERO {
                filter.begin_scan(table);
            }
            let mut told = 0;
            let mut next = None;
            for row in rows_from(from, table, found.as_deref(), filter.first_column()) {
                if rows > 0 && (rows >= max.rows || updates.len() >= bytes_max) {
                    next = Some(row.uuid());
                    break;
                }
                rows += 1;
                if !filter.admits(row) {
                    continue;
                }
                told += 1;
                let update = RowUpdate {
                    at,
                    kind: Select::INITIAL,
                    old: None,
                    new: Some(row),
                };
                update.write(shape, self.monitor.form, updates.row(at, row.uuid()));
            }
            if found.is_none() {
                filter.go_on_scan(table, told);
            }
            if let Some(from) = next {
                let table = updates.table();
                return Some(Place { at, from, table });
            }
        }
        if !updates.finish() {
            out.extend_from_slice(b"{}");
        }
        None
    }
}

/// The rows of a table that can be of interest, beginning with `from`: those of `found`, or all of them, of which `column`
/// is looked at first.
fn rows_from<'a>(
    from: Uuid,
    table: &'a Table,
    found: Option<&'a [Uuid]>,
    column: Option<ColumnId>,
) -> Box<dyn Iterator<Item = &'a Row> + 'a> {
    match found {
        Some(found) => {
            let rest = &found[found.partition_point(|uuid| *uuid < from)..];
            let rows = rest.iter().filter_map(|uuid| table.get(uuid));
            Box::new(rows.map(|row| &**row))
        }
        None => {
            let chunks = table.chunks_from(&from, column.unwrap_or(ColumnId::UUID));
            Box::new(chunks.flatten().map(|(_, row)| &**row))
        }
    }
}
