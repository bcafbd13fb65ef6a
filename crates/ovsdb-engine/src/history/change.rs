//! What became of one row between two versions, column by column.

use std::sync::Arc;

use ovsdb_proto::datum::Datum;
use ovsdb_proto::schema::{ColumnId, TableSchema};
use ovsdb_proto::types::ColumnType;
use ovsdb_proto::uuid::Uuid;

use crate::database::Row;

/// A row of a table with this schema.
type Of<'a> = (&'a TableSchema, &'a Arc<Row>);

/// One row before and after. At least one of the two is there.
#[derive(Clone, Copy, Debug)]
pub struct Change<'a> {
    /// The row.
    pub uuid: Uuid,
    /// The row before, with its table; `None` if it was not there.
    pub old: Option<Of<'a>>,
    /// The row after, with its table, whose schema may be another one; `None` if it is not there.
    pub new: Option<Of<'a>>,
}

/// What became of a row.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ChangeKind {
    /// It came.
    Insert,
    /// It has other values.
    Modify,
    /// It went.
    Delete,
}

impl ChangeKind {
    /// Its word, as `select` of monitors has it (RFC 7047, section 4.1.5).
    pub fn word(self) -> &'static str {
        match self {
            ChangeKind::Insert => "insert",
            ChangeKind::Modify => "modify",
            ChangeKind::Delete => "delete",
        }
    }
}

/// A value with the type of its column.
#[derive(Clone, Copy, Debug)]
pub struct Value<'a> {
    /// The value.
    pub datum: &'a Datum,
    /// The type of its column.
    pub ty: &'a ColumnType,
}

/// The value of one column before and after. At least one of the two is there.
#[derive(Clone, Copy, Debug)]
pub struct ColumnChange<'a> {
    /// The column's name.
    pub column: &'a str,
    /// `None` if there was no such row, or column.
    pub old: Option<Value<'a>>,
    /// `None` if there is no such row, or column.
    pub new: Option<Value<'a>>,
}

/// What differs between two sets or two maps of a type.
#[derive(Clone, Debug)]
pub struct Elements<'a> {
    /// The elements that only the old value has. A pair whose value changed is one, and one of `added`.
    pub removed: Datum,
    /// The elements that only the new value has.
    pub added: Datum,
    /// Their type.
    pub ty: &'a ColumnType,
}

impl<'a> ColumnChange<'a> {
    /// What differs, for a column that can hold several elements, before and after.
    pub fn elements(&self) -> Option<Elements<'a>> {
        let (old, new) = (self.old?, self.new?);
        if !old.ty.is_composite() || !old.ty.has_form_of(new.ty) {
            return None;
        }
        let (added, removed) = Datum::added_removed(old.datum, new.datum);
        let ty = new.ty;
        Some(Elements { removed, added, ty })
    }
}

impl<'a> Change<'a> {
    /// The schema of the table after the change, or before it if there is no row any more.
    pub fn table(&self) -> &'a TableSchema {
        let (table, _) = self.new.or(self.old).expect("a change has a row");
        table
    }

    /// The row after the change, or before it if there is none any more.
    pub fn row(&self) -> &'a Arc<Row> {
        let (_, row) = self.new.or(self.old).expect("a change has a row");
        row
    }

    /// What became of the row.
    pub fn kind(&self) -> ChangeKind {
        match (&self.old, &self.new) {
            (None, _) => ChangeKind::Insert,
            (Some(_), Some(_)) => ChangeKind::Modify,
            (Some(_), None) => ChangeKind::Delete,
        }
    }

    /// The columns whose values differ, of those that files keep, in the order of their names. Of a row that comes or goes
    /// these are the ones with other values than the defaults.
    pub fn columns(&self) -> Vec<ColumnChange<'a>> {
        match (self.old, self.new) {
            (Some((table, old)), Some((new_table, new))) if std::ptr::eq(table, new_table) => {
                let pairs = kept_columns(table)
                    .map(|id| (id, value(table, old, id), value(table, new, id)));
                let changed = pairs.filter(|(_, old, new)| old.datum != new.datum);
                let changed = changed.map(|(id, old, new)| ColumnChange {
                    column: &table.column(id).name,
                    old: Some(old),
                    new: Some(new),
                });
                changed.collect()
            }
            (Some(old), Some(new)) => across_schemas(old, new),
            (None, Some((table, row))) => set_columns(table, row)
                .map(|(column, value)| ColumnChange {
                    column,
                    old: None,
                    new: Some(value),
                })
                .collect(),
            (Some((table, row)), None) => set_columns(table, row)
                .map(|(column, value)| ColumnChange {
                    column,
                    old: Some(value),
                    new: None,
                })
                .collect(),
            (None, None) => Vec::new(),
        }
    }
}

/// The columns that files keep, in the order of their names.
pub(super) fn kept_columns(table: &TableSchema) -> impl Iterator<Item = ColumnId> {
    let ids = table.column_ids_by_name().iter().copied();
    ids.filter(|&id| {
        let is_own = !matches!(id, ColumnId::UUID | ColumnId::VERSION);
        is_own && table.column(id).persistent
    })
}

pub(super) fn value<'a>(table: &'a TableSchema, row: &'a Row, id: ColumnId) -> Value<'a> {
    Value {
        datum: row.get(id),
        ty: &table.column(id).ty,
    }
}

/// The columns of a row that have other values than the defaults.
fn set_columns<'a>(
    table: &'a TableSchema,
    row: &'a Row,
) -> impl Iterator<Item = (&'a str, Value<'a>)> {
    let values =
        kept_columns(table).map(|id| (table.column(id).name.as_str(), value(table, row, id)));
    values.filter(|(_, value)| !value.datum.is_default(value.ty))
}

/// The same of two rows of different schemas: columns are known by their names. A column that only one of them has differs
/// if it has another value than its default, and of two types, values that do not become each other by conversion.
fn across_schemas<'a>((old_table, old): Of<'a>, (new_table, new): Of<'a>) -> Vec<ColumnChange<'a>> {
    let of_old = kept_columns(old_table).map(|id| &old_table.column(id).name);
    let of_new = kept_columns(new_table).map(|id| &new_table.column(id).name);
    let mut names: Vec<_> = of_old.chain(of_new).collect();
    names.sort_unstable();
    names.dedup();
    let find = |table: &'a TableSchema, row: &'a Row, name: &str| {
        let id = table.column_id(name)?;
        table.column(id).persistent.then(|| value(table, row, id))
    };
    let both = names.into_iter().map(|name| ColumnChange {
        column: name.as_str(),
        old: find(old_table, old, name),
        new: find(new_table, new, name),
    });
    let differs = |change: &ColumnChange<'_>| match (change.old, change.new) {
        (Some(old), Some(new)) if old.ty == new.ty => old.datum != new.datum,
        (Some(old), Some(new)) => {
            let converted = old.datum.convert(old.ty, new.ty);
            converted.map_or(true, |converted| converted != *new.datum)
        }
        (None, Some(value)) | (Some(value), None) => !value.datum.is_default(value.ty),
        (None, None) => false,
    };
    both.filter(differs).collect()
}
