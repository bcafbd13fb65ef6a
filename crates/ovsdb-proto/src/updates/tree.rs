//! Updates from trees, with the words for what is wrong with one.

use ecow::EcoString;

use super::{Fault, Form, RowUpdate, TableUpdate, TableUpdates, UpdatesError, begin, complete};
use crate::json::{Json, Object};
use crate::row;
use crate::schema::{ColumnId, Schema, TableSchema};
use crate::symbols::Symbols;
use crate::uuid::Uuid;

/// The update that `json` is.
///
/// # Errors
/// The first thing that is wrong, tables and rows being in the order of their names.
pub(super) fn updates(
    schema: &Schema,
    form: Form,
    json: &Json,
) -> Result<TableUpdates, UpdatesError> {
    let error = |table: Option<&EcoString>, row: Option<&EcoString>, fault| UpdatesError {
        table: table.cloned(),
        row: row.cloned(),
        fault,
    };
    let mut updates = TableUpdates::new();
    let tables = object(json).map_err(|fault| error(None, None, fault))?;
    for (name, told) in tables {
        let (id, table) = schema
            .table_by_name(name)
            .ok_or_else(|| error(Some(name), None, Fault::UnknownTable))?;
        let told = object(told).map_err(|fault| error(Some(name), None, fault))?;
        let mut rows = Vec::with_capacity(told.len());
        for (row, update) in told {
            let update = row_update(table, form, row, update);
            rows.push(update.map_err(|fault| error(Some(name), Some(row), fault))?);
        }
        // The names may be in digits of either case, so their order is not that of the rows.
        rows.sort_by_key(|(uuid, _)| *uuid);
        keep_last(&mut rows);
        updates.push(TableUpdate { table: id, rows });
    }
    updates.sort_unstable_by_key(|update| update.table);
    Ok(updates)
}

/// Of several updates of one row, which has several names then, keeps the last.
fn keep_last(rows: &mut Vec<(Uuid, RowUpdate)>) {
    rows.dedup_by(|later, earlier| {
        let same = later.0 == earlier.0;
        if same {
            std::mem::swap(later, earlier);
        }
        same
    });
}

fn object(json: &Json) -> Result<&Object, Fault> {
    json.as_object().ok_or(Fault::NotObject)
}

fn row_update(
    table: &TableSchema,
    form: Form,
    name: &str,
    json: &Json,
) -> Result<(Uuid, RowUpdate), Fault> {
    let uuid = Uuid::parse(name).ok_or(Fault::NotUuid)?;
    let members = object(json)?;
    let whole = |json: &Json| {
        let columns = row::from_json(table, json, &mut Symbols::none())?;
        let mut row = Vec::new();
        begin(&mut row, table);
        for (column, datum) in columns {
            row[column.index()] = datum;
        }
        Ok::<_, Fault>(complete(&mut row, uuid))
    };
    let update = match form {
        Form::Updates => {
            let (old, new) = (members.get("old"), members.get("new"));
            if members.len() != usize::from(old.is_some()) + usize::from(new.is_some()) {
                return Err(Fault::Members);
            }
            // What it was is of no use, but is to be of the right form.
            let old = old.map(whole).transpose()?;
            let new = new.map(whole).transpose()?;
            match (old, new) {
                (None, None) => return Err(Fault::Members),
                (None, Some(row)) => RowUpdate::Insert(row),
                (Some(_), Some(row)) => RowUpdate::Replace(row),
                (Some(_), None) => RowUpdate::Delete,
            }
        }
        Form::Updates2 => {
            let mut members = members.iter();
            let (Some((kind, value)), None) = (members.next(), members.next()) else {
                return Err(Fault::Members);
            };
            match kind.as_str() {
                "initial" | "insert" => RowUpdate::Insert(whole(value)?),
                "modify" => {
                    let mut columns = row::diff_from_json(table, value)?;
                    // A row keeps its name.
                    columns.retain(|(column, _)| *column != ColumnId::UUID);
                    RowUpdate::Modify(columns)
                }
                "delete" => RowUpdate::Delete,
                _ => return Err(Fault::Members),
            }
        }
    };
    Ok((uuid, update))
}
