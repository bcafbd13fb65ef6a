//! Changes of rows by their models.

use ovsdb_proto::error::OvsdbError;

use super::column::Column;
use super::reference::Ref;
use super::table::Model;
use super::value::ColumnValue;
use crate::txn::{EditError, Txn};

impl Txn {
    /// Makes a row with the values of `model`.
    ///
    /// # Errors
    /// As [`Txn::fill`].
    pub fn create<M: Model>(&mut self, model: &M) -> Result<Ref<M>, EditError> {
        let row = Ref::new(self.insert(M::TABLE)?.uuid());
        model.write(row, true, self)?;
        Ok(row)
    }

    /// Gives a row the values of `model`. Columns that cannot be changed are left out.
    ///
    /// # Errors
    /// As [`Txn::fill`].
    pub fn store<M: Model>(&mut self, row: Ref<M>, model: &M) -> Result<(), EditError> {
        model.write(row, false, self)
    }

    /// Gives a column a value.
    ///
    /// # Errors
    /// [`EditError::Value`] if the schema of the model does not allow the value, and whatever [`Txn::set`] says.
    pub fn write<M: Model, V: ColumnValue>(
        &mut self,
        row: Ref<M>,
        column: Column<M, V>,
        value: impl Into<V>,
    ) -> Result<(), EditError> {
        self.set_checked(row, column, &value.into())
    }

    /// Gives a column the value that a model has: nothing is done if the replica does not have the column, and the value is
    /// the default.
    ///
    /// # Errors
    /// As [`Txn::write`].
    pub fn fill<M: Model, V: ColumnValue>(
        &mut self,
        row: Ref<M>,
        column: Column<M, V>,
        value: &V,
    ) -> Result<(), EditError> {
        let table = self.base().schema().table_by_name(M::TABLE);
        let lacks = table.is_some_and(|(_, table)| table.column_id(column.name()).is_none());
        if lacks && value.to_value() == V::read(None).to_value() {
            return Ok(());
        }
        self.set_checked(row, column, value)
    }

    fn set_checked<M: Model, V: ColumnValue>(
        &mut self,
        row: Ref<M>,
        column: Column<M, V>,
        value: &V,
    ) -> Result<(), EditError> {
        let value = column.check(value);
        let value = value.map_err(|violation| EditError::Value {
            table: M::TABLE.into(),
            column: column.name().into(),
            error: OvsdbError::constraint(violation.to_string()),
        })?;
        self.set(&row.name(), column.name(), value)
    }

    /// What a column of a row holds, by the version that the transaction stands on and its own changes.
    ///
    /// # Errors
    /// As [`Txn::datum`].
    pub fn read<M: Model, V: ColumnValue>(
        &self,
        row: Ref<M>,
        column: Column<M, V>,
    ) -> Result<V, EditError> {
        let datum = self.datum(&row.name(), column.name())?;
        Ok(V::read(Some(&datum)))
    }
}
