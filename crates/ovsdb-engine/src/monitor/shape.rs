//! What equal monitors share: tables, columns and kinds of change, and how a row is put into words for them.

use std::sync::Arc;

use ovsdb_proto::condition::Condition;
use ovsdb_proto::datum::Datum;
use ovsdb_proto::monitor::{MonitorRequests, Select};
use ovsdb_proto::schema::{ColumnId, Schema, TableId, TableSchema};

use super::object::{ObjectWriter, key};
use crate::commit::RowChange;
use crate::database::Row;

/// How changes are told.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Form {
    /// `<table-updates>` with old and new values (RFC 7047, section 4.1.6): for `monitor`.
    Values,
    /// `<table-updates2>` with differences, default values left out (ovsdb-server(7), section 4.1.14): for
    /// `monitor_cond` and `monitor_cond_since`.
    Differences,
}

/// What to tell of which tables. See the module's documentation.
#[derive(Debug)]
pub struct Shape {
    pub(super) schema: Arc<Schema>,
    /// In ascending order of their ids.
    pub(super) tables: Vec<ShapeTable>,
}

/// A table that is monitored.
#[derive(Debug)]
pub(super) struct ShapeTable {
    pub(super) id: TableId,
    /// The kinds of change that any column asks for.
    pub(super) select: Select,
    /// In the order of their names, in which they are told of.
    columns: Vec<ShapeColumn>,
}

#[derive(Debug)]
struct ShapeColumn {
    id: ColumnId,
    /// Its name, as it is written.
    key: Box<[u8]>,
    select: Select,
}

impl Shape {
    /// The shape of what is requested of a database of `schema`. Conditions are no part of it.
    pub fn new(schema: Arc<Schema>, requests: &MonitorRequests) -> Shape {
        let tables = requests.tables.iter().map(|request| {
            let table = schema.table(request.table);
            let columns = request.columns.iter().map(|column| ShapeColumn {
                id: column.column,
                key: key(&table.column(column.column).name),
                select: column.select,
            });
            let mut columns: Vec<ShapeColumn> = columns.collect();
            columns.sort_by_key(|column| &table.column(column.id).name);
            ShapeTable {
                id: request.table,
                select: request.select,
                columns,
            }
        });
        let mut tables: Vec<ShapeTable> = tables.collect();
        tables.sort_by_key(|table| table.id);
        Shape { schema, tables }
    }

    /// The requests without what does not matter for the shape: equal ones have equal shapes.
    pub fn key(requests: &MonitorRequests) -> MonitorRequests {
        let mut key = requests.clone();
        for request in &mut key.tables {
            request.condition = Condition::always();
            request.columns.sort_unstable();
        }
        key
    }

    /// The tables that are monitored, in ascending order.
    pub fn tables(&self) -> impl Iterator<Item = TableId> {
        self.tables.iter().map(|table| table.id)
    }

    /// Where a table stands among those that are monitored.
    pub fn position(&self, table: TableId) -> Option<usize> {
        self.tables
            .binary_search_by_key(&table, |table| table.id)
            .ok()
    }

    /// The columns that are told of a table, by its place, in the order of their names.
    ///
    /// # Panics
    /// If there are not that many tables.
    pub fn columns(&self, at: usize) -> impl Iterator<Item = ColumnId> {
        self.tables[at].columns.iter().map(|column| column.id)
    }

    /// Whether a monitor of this shape that wants every row is to be told of a change.
    pub fn is_concerned(&self, change: &RowChange) -> bool {
        let Some(at) = self.position(change.table) else {
            return false;
        };
        let monitored = &self.tables[at];
        match (&change.old, &change.new) {
            (None, None) => false,
            (None, Some(_)) => monitored.select.contains(Select::INSERT),
            (Some(_), None) => monitored.select.contains(Select::DELETE),
            (Some(old), Some(new)) => {
                monitored.select.contains(Select::MODIFY) && monitored.differs(old, new)
            }
        }
    }

    pub(super) fn table_schema(&self, at: usize) -> &TableSchema {
        self.schema.table(self.tables[at].id)
    }
}

impl ShapeTable {
    /// Whether a column that is monitored differs.
    pub(super) fn differs(&self, old: &Row, new: &Row) -> bool {
        let mut columns = self.columns.iter();
        columns.any(|column| old.get(column.id) != new.get(column.id))
    }

    fn columns(&self, kind: Select) -> impl Iterator<Item = &ShapeColumn> + Clone {
        let columns = self.columns.iter();
        columns.filter(move |column| column.select.contains(kind))
    }
}

/// What has become of one row, as one monitor sees it.
#[derive(Clone, Copy, Debug)]
pub struct RowUpdate<'a> {
    /// The position of its table in the shape.
    pub(super) at: usize,
    /// What is to be told.
    pub(super) kind: Select,
    pub(super) old: Option<&'a Row>,
    pub(super) new: Option<&'a Row>,
}

impl RowUpdate<'_> {
    /// The kind of change: exactly one.
    pub fn kind(&self) -> Select {
        self.kind
    }

    /// Appends the `<row-update>` or `<row-update2>`.
    pub fn write(&self, shape: &Shape, form: Form, out: &mut Vec<u8>) {
        let (table, monitored) = (shape.table_schema(self.at), &shape.tables[self.at]);
        match form {
            Form::Values => self.write_values(table, monitored, out),
            Form::Differences => self.write_differences(table, monitored, out),
        }
    }

    fn write_values(&self, table: &TableSchema, monitored: &ShapeTable, out: &mut Vec<u8>) {
        let mut update = ObjectWriter::open(out);
        let (old, new) = match self.kind {
            Select::MODIFY => (self.old, self.new),
            Select::DELETE => (self.old, None),
            _ => (None, self.new),
        };
        let columns = monitored.columns(self.kind);
        if let Some(new) = new {
            let mut object = update.object("new");
            for column in columns.clone() {
                write_column(table, column, new.get(column.id), &mut object);
            }
            object.close();
        }
        if let Some(old) = old {
            let mut object = update.object("old");
            for column in columns {
                if new.is_none_or(|new| new.get(column.id) != old.get(column.id)) {
                    write_column(table, column, old.get(column.id), &mut object);
                }
            }
            object.close();
        }
        update.close();
    }

    fn write_differences(&self, table: &TableSchema, monitored: &ShapeTable, out: &mut Vec<u8>) {
        let mut update = ObjectWriter::open(out);
        let columns = monitored.columns(self.kind);
        match (self.kind, self.old, self.new) {
            (Select::MODIFY, Some(old), Some(new)) => {
                let mut object = update.object("modify");
                for column in columns {
                    let (old, new) = (old.get(column.id), new.get(column.id));
                    if old != new {
                        let difference = Datum::diff(old, new, &table.column(column.id).ty);
                        write_column(table, column, &difference, &mut object);
                    }
                }
                object.close();
            }
            (Select::DELETE, ..) | (_, _, None) => {
                update.member("delete").extend_from_slice(b"null");
            }
            (kind, _, Some(new)) => {
                let name = if kind == Select::INITIAL {
                    "initial"
                } else {
                    "insert"
                };
                let mut object = update.object(name);
                for column in columns {
                    let value = new.get(column.id);
                    if !value.is_default(&table.column(column.id).ty) {
                        write_column(table, column, value, &mut object);
                    }
                }
                object.close();
            }
        }
        update.close();
    }
}

fn write_column(
    table: &TableSchema,
    column: &ShapeColumn,
    value: &Datum,
    object: &mut ObjectWriter<'_>,
) {
    let ty = &table.column(column.id).ty;
    value.write_json(ty, object.member_of(&column.key));
}
