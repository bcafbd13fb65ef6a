//! Changes of rows by their models.

use std::collections::{BTreeMap, BTreeSet};

use ovsdb_proto::datum::Datum;
use ovsdb_proto::error::OvsdbError;
use ovsdb_proto::value::Term;

use super::check::Violation;
use super::column::Column;
use super::reference::Ref;
use super::scalar::Scalar;
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

    /// Gives a column the value that a model has, as far as the schema of the server has a place for it:
    ///
    /// - nothing is done if the replica does not have the column, and the value is the default;
    /// - what the row has already stays, though the schema of the model would not allow it: a word or number that only servers
    ///   of another version know, or fewer or more values than the model has room for, which read as the default;
    /// - a new row keeps the default of a column that must have a value there, and has none in the model.
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
        if lacks {
            return self.set_checked(row, column, value);
        }
        let name = row.name();
        let now = self.datum(&name, column.name())?;
        let is_same = fitting::<V>(&now).to_value() == value.to_value();
        let is_new = self.is_new(&name)?;
        if is_same && !is_new && !V::SHAPE.has_room_for(now.len()) {
            return Ok(());
        }
        match self.set_checked(row, column, value) {
            Err(EditError::Value { .. }) if is_same && !is_new => Ok(()),
            Err(EditError::Value { .. })
                if is_new && column.check(value).is_ok_and(|value| value.is_empty()) =>
            {
                Ok(())
            }
            result => result,
        }
    }

    fn set_checked<M: Model, V: ColumnValue>(
        &mut self,
        row: Ref<M>,
        column: Column<M, V>,
        value: &V,
    ) -> Result<(), EditError> {
        let value = column.check(value);
        let value = value.map_err(|violation| refused(column, &violation))?;
        self.set(&row.name(), column.name(), value)
    }

    /// Puts an element into a set, and leaves its others as the server has them.
    ///
    /// # Errors
    /// [`EditError::Value`] if the schema of the model does not allow the element, and whatever [`Txn::insert_element`] says.
    pub fn put_element<M: Model, S: Scalar + Ord>(
        &mut self,
        row: Ref<M>,
        column: Column<M, BTreeSet<S>>,
        element: impl Into<S>,
    ) -> Result<(), EditError> {
        let element = column.check_key(element.into().to_atom());
        let element = element.map_err(|violation| refused(column, &violation))?;
        self.insert_element(&row.name(), column.name(), element)
    }

    /// Takes an element out of a set, if it is there, and leaves its others as the server has them.
    ///
    /// # Errors
    /// As [`Txn::remove_element`].
    pub fn take_element<M: Model, S: Scalar + Ord>(
        &mut self,
        row: Ref<M>,
        column: Column<M, BTreeSet<S>>,
        element: impl Into<S>,
    ) -> Result<(), EditError> {
        let element = Term::Atom(element.into().to_atom());
        self.remove_element(&row.name(), column.name(), element)
    }

    /// Gives a key of a map a value, and leaves the other keys as the server has them.
    ///
    /// # Errors
    /// [`EditError::Value`] if the schema of the model does not allow key or value, and whatever [`Txn::set_key`] says.
    pub fn put_key<M: Model, K: Scalar + Ord, V: Scalar>(
        &mut self,
        row: Ref<M>,
        column: Column<M, BTreeMap<K, V>>,
        key: impl Into<K>,
        value: impl Into<V>,
    ) -> Result<(), EditError> {
        let (key, value) = checked_pair(column, &key.into(), &value.into())?;
        self.set_key(&row.name(), column.name(), key, value)
    }

    /// Gives a key of a map a value unless it is there, and leaves the other keys as the server has them.
    ///
    /// # Errors
    /// As [`Txn::put_key`].
    pub fn put_key_if_absent<M: Model, K: Scalar + Ord, V: Scalar>(
        &mut self,
        row: Ref<M>,
        column: Column<M, BTreeMap<K, V>>,
        key: impl Into<K>,
        value: impl Into<V>,
    ) -> Result<(), EditError> {
        let (key, value) = checked_pair(column, &key.into(), &value.into())?;
        self.insert_key(&row.name(), column.name(), key, value)
    }

    /// Takes a key out of a map, if it is there, and leaves the others as the server has them.
    ///
    /// # Errors
    /// As [`Txn::remove_key`].
    pub fn take_key<M: Model, K: Scalar + Ord, V: Scalar>(
        &mut self,
        row: Ref<M>,
        column: Column<M, BTreeMap<K, V>>,
        key: impl Into<K>,
    ) -> Result<(), EditError> {
        let key = Term::Atom(key.into().to_atom());
        self.remove_key(&row.name(), column.name(), key)
    }

    /// What a column of a row holds, by the version that the transaction stands on and its own changes. Fewer or more values
    /// than the type has room for read as the default.
    ///
    /// # Errors
    /// As [`Txn::datum`].
    pub fn read<M: Model, V: ColumnValue>(
        &self,
        row: Ref<M>,
        column: Column<M, V>,
    ) -> Result<V, EditError> {
        let datum = self.datum(&row.name(), column.name())?;
        Ok(fitting(&datum))
    }
}

/// What a column holds, if the type has room for it; else the default.
fn fitting<V: ColumnValue>(datum: &Datum) -> V {
    V::read(V::SHAPE.has_room_for(datum.len()).then_some(datum))
}

/// What is said of a value that the schema of a model does not allow.
fn refused<M: Model, V>(column: Column<M, V>, violation: &Violation) -> EditError {
    EditError::Value {
        table: M::TABLE.into(),
        column: column.name().into(),
        error: OvsdbError::constraint(violation.to_string()),
    }
}

/// A pair of a map as the protocol has it, if the schema of the model allows it.
fn checked_pair<M: Model, K: Scalar + Ord, V: Scalar>(
    column: Column<M, BTreeMap<K, V>>,
    key: &K,
    value: &V,
) -> Result<(Term, Term), EditError> {
    let pair = column
        .check_key(key.to_atom())
        .and_then(|key| Ok((key, column.check_mapped(value.to_atom())?)));
    pair.map_err(|violation| refused(column, &violation))
}
