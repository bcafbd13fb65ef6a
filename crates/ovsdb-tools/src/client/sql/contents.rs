//! Rows of a replica and of a database file, as the SQL engine reads them.

use std::sync::Arc;

use ovsdb_client::replica::{self, Version};
use ovsdb_engine::{self as engine, Database};
use ovsdb_proto::datum::Datum;
use ovsdb_proto::schema::{ColumnId, Schema};
use ovsdb_sql::{Contents, Reads, Rows};

/// Rows of a replica, which has other numbers for its columns than the schema: there may be fewer.
struct Copied {
    rows: Vec<replica::Row>,
    /// For each place in the schema's rows.
    columns: Vec<Option<ColumnId>>,
}

impl Rows for Copied {
    fn len(&self) -> usize {
        self.rows.len()
    }

    fn row(&self, n: usize) -> &[Datum] {
        self.rows[n].values()
    }

    fn column(&self, column: ColumnId) -> Option<ColumnId> {
        self.columns.get(column.index()).copied().flatten()
    }
}

/// Rows of a database.
struct Own(Vec<Arc<engine::Row>>);

impl Rows for Own {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn row(&self, n: usize) -> &[Datum] {
        self.0[n].columns()
    }

    fn column(&self, column: ColumnId) -> Option<ColumnId> {
        Some(column)
    }
}

/// What `reads` says, out of a replica. `schema` is that of the whole database.
pub(super) fn of_version(version: &Arc<Version>, schema: &Schema, reads: &Reads) -> Contents {
    let tables = reads.iter().filter_map(|(id, _)| {
        let table = schema.table(id);
        let (copied, shape) = version.schema().table_by_name(&table.name)?;
        let columns = table.columns.iter();
        let rows: Arc<dyn Rows> = Arc::new(Copied {
            rows: version.rows(copied).values().cloned().collect(),
            columns: columns
                .map(|column| shape.column_id(&column.name))
                .collect(),
        });
        Some((id, rows))
    });
    Contents::new(tables)
}

/// What `reads` says, out of a database.
pub(super) fn of_database(database: &Database, reads: &Reads) -> Contents {
    let tables = reads.iter().map(|(id, _)| {
        let rows = database.table(id).iter().cloned().collect();
        let rows: Arc<dyn Rows> = Arc::new(Own(rows));
        (id, rows)
    });
    Contents::new(tables)
}
