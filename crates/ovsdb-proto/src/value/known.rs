//! Reading a column of a row whose table is known.

use super::{ColumnError, FromDatum};
use crate::datum::Datum;
use crate::schema::{ColumnId, TableSchema};
use crate::text;
use crate::uuid::Uuid;

/// What the program wants from the column of that name of a row of `table`; `datum` is what the row holds in a column.
///
/// # Errors
/// [`ColumnError::NoColumn`], [`ColumnError::WrongInRow`].
pub fn column_of_row<'d, T: FromDatum>(
    table: &TableSchema,
    row: Uuid,
    column: &str,
    datum: impl FnOnce(ColumnId) -> &'d Datum,
) -> Result<T, ColumnError> {
    let id = table
        .column_id(column)
        .ok_or_else(|| ColumnError::NoColumn {
            table: table.name.clone(),
            column: column.into(),
        })?;
    let datum = datum(id);
    datum.to().map_err(|why| ColumnError::WrongInRow {
        table: table.name.clone(),
        row,
        column: column.into(),
        value: text::datum_to_string(datum, &table.column(id).ty),
        why,
    })
}
