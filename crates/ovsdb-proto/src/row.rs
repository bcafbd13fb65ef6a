//! A `<row>` (RFC 7047, section 5.1) as it stands in operations and log records: some columns with their values.

use crate::datum::Datum;
use crate::error::{ErrorTag, OvsdbError};
use crate::json::Json;
use crate::schema::{ColumnId, TableSchema};
use crate::symbols::Symbols;

/// Values of some columns of a table, in order of the columns' numbers, each column at most once.
pub type RowColumns = Vec<(ColumnId, Datum)>;

/// Parses a `<row>` of `table`.
///
/// # Errors
/// An `unknown column`, or what [`Datum::from_json`] says of a value; the first by the columns' names.
pub fn from_json(
    table: &TableSchema,
    json: &Json,
    symbols: &mut Symbols<'_>,
) -> Result<RowColumns, OvsdbError> {
    parse(table, json, |value, column| {
        Datum::from_json(value, &table.column(column).ty, symbols)
    })
}

/// Parses the differences between two versions of a row of `table`: each value is what [`Datum::diff`] gives.
///
/// # Errors
/// As [`from_json`].
pub fn diff_from_json(table: &TableSchema, json: &Json) -> Result<RowColumns, OvsdbError> {
    parse(table, json, |value, column| {
        Datum::diff_from_json(value, &table.column(column).ty)
    })
}

fn parse(
    table: &TableSchema,
    json: &Json,
    mut parse_value: impl FnMut(&Json, ColumnId) -> Result<Datum, OvsdbError>,
) -> Result<RowColumns, OvsdbError> {
    let Some(members) = json.as_object() else {
        return Err(OvsdbError::syntax(json, "row must be JSON object"));
    };
    let mut row = Vec::with_capacity(members.len());
    for (name, value) in members {
        let column = table
            .column_id(name)
            .ok_or_else(|| unknown_column(table, name, json))?;
        row.push((column, parse_value(value, column)?));
    }
    // Members come by name, and names that begin with a capital come before `_uuid`.
    row.sort_unstable_by_key(|(column, _)| *column);
    Ok(row)
}

/// The `unknown column` error for `name` inside `json`.
pub(crate) fn unknown_column(table: &TableSchema, name: &str, json: &Json) -> OvsdbError {
    OvsdbError::new(
        ErrorTag::UnknownColumn,
        format!("No column {name} in table {}.", table.name),
    )
    .at(json)
}
