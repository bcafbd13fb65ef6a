//! Updates straight from their text, by a cursor that stops at everything that is not as it mostly is.

use std::sync::Arc;

use super::{Form, RowUpdate, TableUpdate, TableUpdates, UpdatesReader, begin, complete};
use crate::datum::{Datum, RowReader};
use crate::json::cursor::{Cursor, Stop};
use crate::row::RowColumns;
use crate::schema::{ColumnId, TableSchema};
use crate::symbols::Symbols;
use crate::uuid::Uuid;

/// Reads an update.
///
/// # Errors
/// It has to be read by way of a tree.
pub(super) fn updates(
    reader: &mut UpdatesReader,
    form: Form,
    cursor: &mut Cursor<'_>,
) -> Result<TableUpdates, Stop> {
    let mut updates = TableUpdates::new();
    cursor.expect(b'{')?;
    while cursor.another(b'}', updates.is_empty())? {
        let name = cursor.name()?;
        let (id, table) = reader.schema.table_by_name(&name).ok_or(Stop::Unexpected)?;
        let memory = std::mem::take(&mut reader.memories[id.index()]);
        let mut rows = Rows {
            table,
            form,
            reader: RowReader::with_memory(table, memory),
            row: &mut reader.row,
            columns: 0,
        };
        let read = rows.read(cursor);
        reader.memories[id.index()] = rows.reader.into_memory();
        updates.push(TableUpdate {
            table: id,
            rows: read?,
        });
    }
    if !is_ascending(&updates, |update| update.table) {
        updates.sort_unstable_by_key(|update| update.table);
        if !is_ascending(&updates, |update| update.table) {
            // A table occurs twice, and the last one counts.
            return Err(Stop::Unexpected);
        }
    }
    Ok(updates)
}

fn is_ascending<T, K: Ord>(elements: &[T], key: impl Fn(&T) -> K) -> bool {
    elements.is_sorted_by(|a, b| key(a) < key(b))
}

struct Rows<'r> {
    table: &'r TableSchema,
    form: Form,
    reader: RowReader<'r>,
    row: &'r mut Vec<Datum>,
    /// How many columns the last difference had.
    columns: usize,
}

impl Rows<'_> {
    /// Reads what became of the rows of a table.
    fn read(&mut self, cursor: &mut Cursor<'_>) -> Result<Vec<(Uuid, RowUpdate)>, Stop> {
        let mut rows: Vec<(Uuid, RowUpdate)> = Vec::new();
        cursor.expect(b'{')?;
        while cursor.another(b'}', rows.is_empty())? {
            let uuid = Uuid::parse(&cursor.name()?).ok_or(Stop::Unexpected)?;
            rows.push((uuid, self.update(uuid, cursor)?));
        }
        if !is_ascending(&rows, |(uuid, _)| *uuid) {
            rows.sort_unstable_by_key(|(uuid, _)| *uuid);
            if !is_ascending(&rows, |(uuid, _)| *uuid) {
                // A row occurs twice, and the last one counts.
                return Err(Stop::Unexpected);
            }
        }
        Ok(rows)
    }

    fn update(&mut self, uuid: Uuid, cursor: &mut Cursor<'_>) -> Result<RowUpdate, Stop> {
        cursor.expect(b'{')?;
        let update = match (self.form, &*cursor.name()?) {
            (Form::Updates2, "initial" | "insert") => RowUpdate::Insert(self.whole(uuid, cursor)?),
            (Form::Updates2, "modify") => {
                let mut columns = RowColumns::with_capacity(self.columns);
                self.reader
                    .read_diff(cursor, |column, datum| columns.push((column, datum)))?;
                columns.sort_unstable_by_key(|(column, _)| *column);
                self.columns = columns.len();
                RowUpdate::Modify(columns)
            }
            (Form::Updates2, "delete") => {
                cursor.null()?;
                RowUpdate::Delete
            }
            (Form::Updates, "new") => {
                let row = self.whole(uuid, cursor)?;
                if cursor.take(b',')? {
                    self.under(uuid, cursor, "old")?;
                    RowUpdate::Replace(row)
                } else {
                    RowUpdate::Insert(row)
                }
            }
            (Form::Updates, "old") => {
                self.whole(uuid, cursor)?;
                if cursor.take(b',')? {
                    RowUpdate::Replace(self.under(uuid, cursor, "new")?)
                } else {
                    RowUpdate::Delete
                }
            }
            _ => return Err(Stop::Unexpected),
        };
        cursor.expect(b'}')?;
        Ok(update)
    }

    /// Reads a row that stands under `name`.
    fn under(
        &mut self,
        uuid: Uuid,
        cursor: &mut Cursor<'_>,
        name: &str,
    ) -> Result<Arc<[Datum]>, Stop> {
        if cursor.name()? != name {
            return Err(Stop::Unexpected);
        }
        self.whole(uuid, cursor)
    }

    /// Reads a row; columns that it does not have get their default values.
    fn whole(&mut self, uuid: Uuid, cursor: &mut Cursor<'_>) -> Result<Arc<[Datum]>, Stop> {
        begin(self.row, self.table);
        let row = &mut *self.row;
        let each = |column: ColumnId, datum| row[column.index()] = datum;
        self.reader.read(cursor, &mut Symbols::none(), each)?;
        Ok(complete(self.row, uuid))
    }
}
