//! One table (RFC 7047, section 3.2, `<table-schema>`), and sets of its columns.

use ecow::EcoString;

use super::column::ColumnSchema;
use super::{ColumnId, check_name};
use crate::atom::AtomType;
use crate::datum::Datum;
use crate::error::OvsdbError;
use crate::json::{Json, Object};
use crate::parser::{Kinds, Members};
use crate::types::{ColumnType, UNLIMITED};

/// A `<table-schema>` and the table's name.
#[derive(Clone, Debug)]
pub struct TableSchema {
    /// The table's name, an `<id>`.
    pub name: EcoString,
    /// `_uuid`, `_version`, then the schema's columns in order of their numbers.
    pub columns: Vec<ColumnSchema>,
    /// Sets of columns that no two rows may agree on, each in the order that the schema gives.
    pub indexes: Vec<Vec<ColumnId>>,
    /// True if rows stay without anything referring to them.
    pub is_root: bool,
    /// The greatest number of rows; [`UNLIMITED`] if there is no limit.
    pub max_rows: u32,
    /// The schema's `mutable`, which has no effect of its own.
    pub mutable: bool,
    /// The columns' numbers, in order.
    ids: Vec<ColumnId>,
    /// The numbers of the schema's columns in order of their names.
    by_name: Vec<ColumnId>,
    defaults: Vec<Datum>,
    unsound_defaults: Vec<ColumnId>,
}

impl TableSchema {
    /// Parses the schema of the table `name`. References are not resolved.
    ///
    /// # Errors
    /// A `syntax error`.
    pub fn from_json(json: &Json, name: &str) -> Result<TableSchema, OvsdbError> {
        let mut members = Members::new(json, format!("table schema for table {name}"));
        let columns = members
            .required("columns", Kinds::OBJECT)
            .and_then(Json::as_object);
        let mutable = members.optional_bool("mutable");
        let max_rows = members
            .optional("maxRows", Kinds::INTEGER)
            .and_then(Json::as_i64);
        let is_root = members.optional_bool("isRoot");
        let indexes = members
            .optional("indexes", Kinds::ARRAY)
            .and_then(Json::as_array);
        members.finish()?;
        if max_rows.is_some_and(|max_rows| max_rows <= 0) {
            return Err(OvsdbError::syntax(json, "maxRows must be at least 1"));
        }
        let Some(columns) = columns.filter(|columns| !columns.is_empty()) else {
            return Err(OvsdbError::syntax(
                json,
                "table must have at least one column",
            ));
        };

        let mut table = TableSchema {
            name: name.into(),
            columns: vec![
                standard_column("_uuid", true),
                standard_column("_version", false),
            ],
            indexes: Vec::new(),
            is_root: is_root.unwrap_or(false),
            max_rows: max_rows
                .and_then(|max_rows| u32::try_from(max_rows).ok())
                .unwrap_or(UNLIMITED),
            mutable: mutable.unwrap_or(true),
            ids: Vec::new(),
            by_name: Vec::new(),
            defaults: Vec::new(),
            unsound_defaults: Vec::new(),
        };
        for (name, column) in columns {
            check_name(name, json)?;
            table.columns.push(ColumnSchema::from_json(column, name)?);
        }
        table.number_columns(std::iter::empty());
        for index in indexes.unwrap_or_default() {
            let columns = table.columns_from_json(index)?;
            if columns.is_empty() {
                return Err(OvsdbError::syntax(
                    json,
                    "index must have at least one column",
                ));
            }
            if let Some(&bad) = columns.iter().find(|&&id| !table.column(id).persistent) {
                let name = &table.column(bad).name;
                let details = format!("ephemeral columns (such as {name}) may not be indexed");
                return Err(OvsdbError::syntax(json, details));
            }
            table.indexes.push(columns);
        }

        Ok(table)
    }

    /// Gives the columns their numbers, the first ones those of `kept`, and derives what follows from them.
    pub(super) fn number_columns(&mut self, kept: impl Iterator<Item = ColumnId>) {
        self.ids = kept.collect();
        for (place, column) in self.columns.iter().enumerate().skip(self.ids.len()) {
            self.ids.push(match place {
                0 => ColumnId::UUID,
                1 => ColumnId::VERSION,
                _ => ColumnId::new(place, &column.ty),
            });
        }
        let mut by_name = self.ids[ColumnId::STANDARD..].to_vec();
        by_name.sort_by_key(|&id| &self.column(id).name);
        self.by_name = by_name;
        let columns = self.columns.iter();
        self.defaults = columns
            .map(|column| Datum::default_for(&column.ty))
            .collect();
        let unsound = |id: &ColumnId| self.check_default(*id).is_err();
        self.unsound_defaults = self.column_ids().filter(unsound).collect();
    }

    /// The schema as JSON. `isRoot` is left out where it is `default_is_root`.
    pub fn to_json(&self, default_is_root: bool) -> Json {
        let mut object = Object::new();
        let columns: Object = self
            .own_columns()
            .map(|column| (column.name.clone(), column.to_json()))
            .collect();
        object.insert("columns", Json::Object(columns));
        if !self.mutable {
            object.insert("mutable", Json::Bool(false));
        }
        if self.is_root != default_is_root {
            object.insert("isRoot", Json::Bool(self.is_root));
        }
        if self.max_rows != UNLIMITED {
            object.insert("maxRows", Json::Integer(self.max_rows.into()));
        }
        if !self.indexes.is_empty() {
            let index = |columns: &Vec<ColumnId>| {
                Json::Array(
                    columns
                        .iter()
                        .map(|&id| Json::string(self.column(id).name.clone()))
                        .collect(),
                )
            };
            object.insert(
                "indexes",
                Json::Array(self.indexes.iter().map(index).collect()),
            );
        }
        Json::Object(object)
    }

    /// The column with this name, `_uuid` and `_version` included.
    pub fn column_id(&self, name: &str) -> Option<ColumnId> {
        match name {
            "_uuid" => Some(ColumnId::UUID),
            "_version" => Some(ColumnId::VERSION),
            _ => {
                let at = self
                    .by_name
                    .binary_search_by(|&id| self.column(id).name.as_str().cmp(name))
                    .ok()?;
                Some(self.by_name[at])
            }
        }
    }

    /// The column with this number, which must come from this table.
    pub fn column(&self, id: ColumnId) -> &ColumnSchema {
        &self.columns[id.index()]
    }

    /// All columns' numbers in order.
    pub fn column_ids(&self) -> impl ExactSizeIterator<Item = ColumnId> {
        self.ids.iter().copied()
    }

    /// The numbers of the columns that the schema defines, in order of the columns' names.
    pub fn column_ids_by_name(&self) -> &[ColumnId] {
        &self.by_name
    }

    /// The columns that the schema defines, without `_uuid` and `_version`.
    pub fn own_columns(&self) -> impl Iterator<Item = &ColumnSchema> {
        self.columns[ColumnId::STANDARD..].iter()
    }

    /// The default value of every column, which is what a new row starts from.
    pub fn defaults(&self) -> &[Datum] {
        &self.defaults
    }

    /// The columns whose default value breaks their own constraints, so that every `insert` must give them a value.
    pub fn unsound_defaults(&self) -> &[ColumnId] {
        &self.unsound_defaults
    }

    /// Checks a column's default value against its constraints.
    ///
    /// # Errors
    /// The `constraint violation` that an `insert` without the column fails with.
    pub fn check_default(&self, id: ColumnId) -> Result<(), OvsdbError> {
        self.defaults[id.index()].check_constraints(&self.column(id).ty)
    }

    /// Parses an array of distinct column names.
    ///
    /// # Errors
    /// A `syntax error` that quotes the array.
    pub fn columns_from_json(&self, json: &Json) -> Result<Vec<ColumnId>, OvsdbError> {
        let mut columns = Vec::new();
        let malformed = || OvsdbError::syntax(json, "array of distinct column names expected");
        for element in json.as_array().ok_or_else(malformed)? {
            let name = element.as_str().ok_or_else(malformed)?;
            let Some(id) = self.column_id(name) else {
                return Err(OvsdbError::syntax(
                    json,
                    format!("{name} is not a valid column name"),
                ));
            };
            if columns.contains(&id) {
                return Err(malformed());
            }
            columns.push(id);
        }
        Ok(columns)
    }
}

fn standard_column(name: &str, persistent: bool) -> ColumnSchema {
    ColumnSchema {
        name: name.into(),
        ty: ColumnType::scalar(AtomType::Uuid),
        mutable: false,
        persistent,
    }
}
