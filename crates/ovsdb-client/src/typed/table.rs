//! Tables of a version, bound to their models.

use std::fmt;
use std::marker::PhantomData;

use ecow::EcoString;
use ovsdb_pmap::PMap;
use ovsdb_proto::datum::Datum;
use ovsdb_proto::schema::{ColumnId, Selection};
use ovsdb_proto::types::ColumnType;
use ovsdb_proto::uuid::Uuid;

use super::column::{Column, ColumnInfo};
use super::reference::Ref;
use super::value::{ColumnValue, Shape};
use crate::replica::{Row, Version};
use crate::txn::{EditError, RowName, Txn};

/// A Rust type for the rows of a table.
pub trait Model: Sized {
    /// The table's name.
    const TABLE: &'static str;

    /// The columns that the type has, each at the place that its [`Column`] says.
    const COLUMNS: &'static [ColumnInfo];

    /// A copy of a row.
    fn read(row: &RowView<'_, Self>) -> Self;

    /// Gives the columns of a row the values of this, by [`Txn::fill`]; those that keep what a row is inserted with only if
    /// it is new.
    ///
    /// # Errors
    /// See [`Txn::fill`].
    fn write(&self, row: Ref<Self>, is_new: bool, txn: &mut Txn) -> Result<(), EditError>;

    /// Adds the columns that the type has to what a replica is to have.
    fn select(selection: Selection) -> Selection {
        selection.columns(Self::TABLE, Self::COLUMNS.iter().map(|column| column.name))
    }
}

/// A model does not fit what a replica has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// A column holds something else; for those who want all that the model has, also one that may hold fewer or more values
    /// than the model has room for.
    #[error("column {column} of table {table} holds {found}, which is not {expected}")]
    Type {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
        /// What the model has.
        expected: Shape,
        /// The column's type, as its schema has it.
        found: EcoString,
    },
    /// There is no such table, for those who want all that the model has.
    #[error("there is no table {table}")]
    NoTable {
        /// The table.
        table: &'static str,
    },
    /// There is no such column, for those who want all that the model has.
    #[error("there is no column {column} in table {table}")]
    NoColumn {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
    },
}

/// The rows of a table at one moment, as a model has them.
pub struct Table<'v, M> {
    rows: Option<&'v PMap<Uuid, Row>>,
    columns: Box<[Option<Bound>]>,
    model: PhantomData<fn() -> M>,
}

/// A column of a model that the replica has.
#[derive(Clone, Copy, Debug)]
struct Bound {
    id: ColumnId,
    /// Whether it may hold fewer or more values than the model has room for.
    is_wider: bool,
}

impl Bound {
    fn datum(self, row: &Row, shape: Shape) -> Option<&Datum> {
        let datum = row.get(self.id);
        (!self.is_wider || shape.has_room_for(datum.len())).then_some(datum)
    }
}

impl Version {
    /// The table of a model. A program goes on with servers whose schema is older or newer: a table that the replica does not
    /// have is like one without rows, and a column that it does not have reads as the default value. [`Table::missing`] says
    /// which columns those are.
    ///
    /// A column may also hold fewer or more values on the server than the model has room for, say none or several where the
    /// model has one. Then those rows that hold what the model has room for read as they are, and in the others the column
    /// reads as the default value. [`Table::wider`] says which columns those are, and [`RowView::is_known`] in which rows.
    ///
    /// [`Version::table_in_full`] takes nothing less than each value of each column.
    ///
    /// # Errors
    /// [`BindError::Type`] for a column whose values are of another type, of which nothing can be read.
    pub fn table<M: Model>(&self) -> Result<Table<'_, M>, BindError> {
        let Some((id, schema)) = self.schema().table_by_name(M::TABLE) else {
            return Ok(Table {
                rows: None,
                columns: M::COLUMNS.iter().map(|_| None).collect(),
                model: PhantomData,
            });
        };
        let bind = |column: &ColumnInfo| {
            let Some(id) = schema.column_id(column.name) else {
                return Ok(None);
            };
            let ty = &schema.column(id).ty;
            if column.shape.has_atoms_of(ty) {
                let is_wider = !column.shape.holds(ty);
                return Ok(Some(Bound { id, is_wider }));
            }
            Err(mistyped::<M>(column, ty))
        };
        Ok(Table {
            rows: Some(self.rows(id)),
            columns: M::COLUMNS.iter().map(bind).collect::<Result<_, _>>()?,
            model: PhantomData,
        })
    }
}

impl Version {
    /// The table of a model, with each of its columns, and room in the model for each of their values.
    ///
    /// # Errors
    /// See [`BindError`].
    pub fn table_in_full<M: Model>(&self) -> Result<Table<'_, M>, BindError> {
        let table = self.table::<M>()?;
        let Some((_, schema)) = self.schema().table_by_name(M::TABLE) else {
            return Err(BindError::NoTable { table: M::TABLE });
        };
        for (column, bound) in M::COLUMNS.iter().zip(&table.columns) {
            match bound {
                None => {
                    return Err(BindError::NoColumn {
                        table: M::TABLE,
                        column: column.name,
                    });
                }
                Some(Bound { id, is_wider: true }) => {
                    return Err(mistyped::<M>(column, &schema.column(*id).ty));
                }
                Some(_) => {}
            }
        }
        Ok(table)
    }
}

fn mistyped<M: Model>(column: &ColumnInfo, ty: &ColumnType) -> BindError {
    BindError::Type {
        table: M::TABLE,
        column: column.name,
        expected: column.shape,
        found: ty.to_json().to_string().into(),
    }
}

impl<M: Model> Table<'_, M> {
    /// The names of the columns that the replica does not have, which read as default values.
    pub fn missing(&self) -> impl Iterator<Item = &'static str> {
        let columns = M::COLUMNS.iter().zip(&self.columns);
        columns.filter_map(|(column, id)| id.is_none().then_some(column.name))
    }

    /// The names of the columns that may hold fewer or more values on the server than the model has room for. In rows where they
    /// do, they read as default values.
    pub fn wider(&self) -> impl Iterator<Item = &'static str> {
        let columns = M::COLUMNS.iter().zip(&self.columns);
        columns.filter_map(|(column, bound)| {
            bound.is_some_and(|it| it.is_wider).then_some(column.name)
        })
    }

    /// Whether the replica has a column; otherwise it reads as the default value.
    pub fn has<V>(&self, column: Column<M, V>) -> bool {
        self.columns.get(column.at()).is_some_and(Option::is_some)
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        self.rows.map_or(0, PMap::len)
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The rows, in order of their UUIDs.
    pub fn rows(&self) -> impl Iterator<Item = RowView<'_, M>> {
        let rows = self.rows.into_iter().flat_map(|rows| rows.iter());
        rows.map(|(_, row)| self.view(row))
    }

    /// The row that is referred to, if it is there.
    pub fn get(&self, row: Ref<M>) -> Option<RowView<'_, M>> {
        self.rows?.get(&row.uuid()).map(|row| self.view(row))
    }

    /// A row of this table that was come by in another way, such as by a change, as the model has it.
    pub fn view<'a>(&'a self, row: &'a Row) -> RowView<'a, M> {
        RowView {
            columns: &self.columns,
            row,
            model: PhantomData,
        }
    }
}

/// A row as a model has it.
pub struct RowView<'t, M> {
    columns: &'t [Option<Bound>],
    row: &'t Row,
    model: PhantomData<fn() -> M>,
}

impl<'t, M: Model> RowView<'t, M> {
    /// The row's name.
    pub fn id(&self) -> Ref<M> {
        Ref::new(self.row.uuid())
    }

    /// The row's name with that of its table.
    pub fn name(&self) -> RowName {
        self.id().name()
    }

    /// The value of a column, without a copy.
    pub fn get<V: ColumnValue>(&self, column: Column<M, V>) -> V::View<'t> {
        V::view(self.datum(column))
    }

    /// A copy of the value of a column.
    pub fn read<V: ColumnValue>(&self, column: Column<M, V>) -> V {
        V::read(self.datum(column))
    }

    /// Whether what is read of a column is what the server has, and not the default value in its place: because the replica
    /// does not have the column, or because it holds fewer or more values than the model has room for.
    pub fn is_known<V: ColumnValue>(&self, column: Column<M, V>) -> bool {
        self.datum(column).is_some()
    }

    fn datum<V: ColumnValue>(&self, column: Column<M, V>) -> Option<&'t Datum> {
        let bound = self.columns.get(column.at()).copied().flatten();
        bound?.datum(self.row, V::SHAPE)
    }

    /// The row, without types.
    pub fn row(&self) -> &'t Row {
        self.row
    }

    /// A copy of the row.
    pub fn to_model(&self) -> M {
        M::read(self)
    }
}

// By hand, because a view is these whatever its model is.
impl<M> Clone for RowView<'_, M> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<M> Copy for RowView<'_, M> {}

impl<M> fmt::Debug for RowView<'_, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RowView").field(self.row).finish()
    }
}

impl<M> fmt::Debug for Table<'_, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = self.rows.map_or(0, PMap::len);
        f.debug_struct("Table").field("rows", &rows).finish()
    }
}
