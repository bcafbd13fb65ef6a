//! What a transaction answers: one result an operation, as values, turned into JSON on demand.
//!
//! The rows of a `select` are shared with the database; their text is made by whoever sends the reply, so
//! that the thread which runs transactions does not spend time on it.

use std::fmt;
use std::sync::Arc;

use ovsdb_proto::error::OvsdbError;
use ovsdb_proto::json::{Json, write};
use ovsdb_proto::schema::{ColumnId, Schema, TableId};
use ovsdb_proto::uuid::Uuid;

use crate::database::Row;

/// The result of one operation (RFC 7047, section 5.2).
#[derive(Clone, Debug)]
pub enum OpResult {
    /// `insert`: the new row's UUID.
    Inserted(Uuid),
    /// `update`, `mutate`, `delete`: how many rows matched.
    Count(usize),
    /// `select`: the rows, of which these columns are shown.
    Rows {
        /// The table that was asked.
        table: TableId,
        /// The columns to show, in ascending order of their names.
        columns: Arc<[ColumnId]>,
        /// The rows, in the order to be shown.
        rows: Vec<Arc<Row>>,
    },
    /// `wait`, `commit`, `comment`, `assert`: an empty object.
    Done,
    /// The operation failed, and with it the transaction.
    Failed(OvsdbError),
    /// The operation was not reached.
    Skipped,
}

/// The results of a transaction: an array of as many elements as operations, and one more if committing
/// failed (RFC 7047, section 4.1.3).
#[derive(Clone)]
pub struct Results {
    schema: Arc<Schema>,
    items: Vec<OpResult>,
}

impl fmt::Debug for Results {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.items).finish()
    }
}

impl Results {
    pub(crate) fn new(schema: Arc<Schema>, capacity: usize) -> Results {
        Results {
            schema,
            items: Vec::with_capacity(capacity + 1),
        }
    }

    pub(crate) fn push(&mut self, item: OpResult) {
        self.items.push(item);
    }

    /// The results one by one.
    pub fn items(&self) -> &[OpResult] {
        &self.items
    }

    /// The error because of which the transaction had no effect, if there is one.
    pub fn error(&self) -> Option<&OvsdbError> {
        self.items.iter().find_map(|item| match item {
            OpResult::Failed(error) => Some(error),
            _ => None,
        })
    }

    /// How many rows the results show.
    pub fn rows(&self) -> usize {
        let of_item = |item: &OpResult| match item {
            OpResult::Rows { rows, .. } => rows.len(),
            _ => 0,
        };
        self.items.iter().map(of_item).sum()
    }

    /// These results with an error behind them: committing failed after all operations succeeded.
    pub fn with_commit_error(mut self, error: OvsdbError) -> Results {
        self.items.push(OpResult::Failed(error));
        self
    }

    /// Appends the JSON array.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        out.push(b'[');
        for (at, item) in self.items.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            self.write_item(item, out);
        }
        out.push(b']');
    }

    /// The JSON array as bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.write_to(&mut out);
        out
    }

    fn write_item(&self, item: &OpResult, out: &mut Vec<u8>) {
        match item {
            OpResult::Inserted(uuid) => {
                out.extend_from_slice(b"{\"uuid\":[\"uuid\",\"");
                out.extend_from_slice(&uuid.to_text());
                out.extend_from_slice(b"\"]}");
            }
            OpResult::Count(count) => {
                out.extend_from_slice(b"{\"count\":");
                write::integer(*count as i64, out);
                out.push(b'}');
            }
            OpResult::Rows {
                table,
                columns,
                rows,
            } => {
                out.extend_from_slice(b"{\"rows\":[");
                for (at, row) in rows.iter().enumerate() {
                    if at > 0 {
                        out.push(b',');
                    }
                    write_row(&self.schema, *table, row, columns.iter().copied(), out);
                }
                out.extend_from_slice(b"]}");
            }
            OpResult::Done => out.extend_from_slice(b"{}"),
            OpResult::Failed(error) => error.to_json().write_to(out),
            OpResult::Skipped => Json::Null.write_to(out),
        }
    }
}

/// Appends `columns` of `row` as a `<row>` (RFC 7047, section 5.1). The columns come in the order of their
/// names.
pub(crate) fn write_row(
    schema: &Schema,
    table: TableId,
    row: &Row,
    columns: impl Iterator<Item = ColumnId>,
    out: &mut Vec<u8>,
) {
    let table = schema.table(table);
    out.push(b'{');
    let mut first = true;
    for id in columns {
        if !std::mem::take(&mut first) {
            out.push(b',');
        }
        let column = table.column(id);
        write::string(&column.name, out);
        out.push(b':');
        row.get(id).write_json(&column.ty, out);
    }
    out.push(b'}');
}
