//! Tables of a version, bound to their models.

use std::fmt;
use std::marker::PhantomData;

use ecow::EcoString;
use ovsdb_pmap::PMap;
use ovsdb_proto::schema::{ColumnId, Selection};
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
    /// A column holds something else.
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
    columns: Box<[Option<ColumnId>]>,
    model: PhantomData<fn() -> M>,
}

impl Version {
    /// The table of a model. One that the replica does not have is like one without rows, and a column that it does not have
    /// reads as the default value: a program goes on with servers whose schema is older or newer. Which columns those are
    /// [`Table::missing`] says; [`Version::table_in_full`] takes nothing less.
    ///
    /// # Errors
    /// [`BindError::Type`].
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
            if column.shape.holds(ty) {
                return Ok(Some(id));
            }
            Err(BindError::Type {
                table: M::TABLE,
                column: column.name,
                expected: column.shape,
                found: ty.to_json().to_string().into(),
            })
        };
        Ok(Table {
            rows: Some(self.rows(id)),
            columns: M::COLUMNS.iter().map(bind).collect::<Result<_, _>>()?,
            model: PhantomData,
        })
    }
}

impl Version {
    /// The table of a model, with each of its columns.
    ///
    /// # Errors
    /// See [`BindError`].
    pub fn table_in_full<M: Model>(&self) -> Result<Table<'_, M>, BindError> {
        let table = self.table::<M>()?;
        if table.rows.is_none() {
            return Err(BindError::NoTable { table: M::TABLE });
        }
        let missing = table.missing().next();
        match missing {
            None => Ok(table),
            Some(column) => Err(BindError::NoColumn {
                table: M::TABLE,
                column,
            }),
        }
    }
}

impl<M: Model> Table<'_, M> {
    /// The names of the columns that the replica does not have, which read as default values.
    pub fn missing(&self) -> impl Iterator<Item = &'static str> {
        let columns = M::COLUMNS.iter().zip(&self.columns);
        columns.filter_map(|(column, id)| id.is_none().then_some(column.name))
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
    columns: &'t [Option<ColumnId>],
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
        let id = self.columns.get(column.at()).copied().flatten();
        V::view(id.map(|id| self.row.get(id)))
    }

    /// A copy of the value of a column.
    pub fn read<V: ColumnValue>(&self, column: Column<M, V>) -> V {
        let id = self.columns.get(column.at()).copied().flatten();
        V::read(id.map(|id| self.row.get(id)))
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
