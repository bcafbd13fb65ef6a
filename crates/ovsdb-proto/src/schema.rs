//! Database schemas (RFC 7047, section 3.2): parsed, checked, and printed back.
//!
//! Tables and columns get small dense numbers, so that everything that works on rows can index instead of looking names
//! up. In a schema that was parsed they are in the order of names; a schema that takes the place of another keeps the
//! numbers of what stays ([`Schema::evolve`]), so nothing may conclude an order of names from them. A schema never changes
//! once it is made.

mod column;
mod evolve;
mod id;
mod project;
mod table;

use std::collections::HashMap;
use std::fmt;

use ecow::EcoString;

pub use self::column::ColumnSchema;
pub use self::evolve::{Evolution, Fate};
pub use self::id::{ColumnId, TableId};
pub use self::project::{Projection, Selection};
pub use self::table::TableSchema;
use crate::error::OvsdbError;
use crate::json::{Json, Object};
use crate::parser::{Kinds, Members, is_id};
use crate::types::{BaseType, Constraint};

/// A schema's version, `x.y.z`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Version {
    text: EcoString,
    numbers: [u32; 3],
}

impl Version {
    /// Parses `x.y.z`. As in the reference programs each number may have white space and a sign before it, and wraps
    /// around at 2^32.
    pub fn parse(text: &str) -> Option<Version> {
        let mut rest = text;
        let mut numbers = [0; 3];
        for (i, number) in numbers.iter_mut().enumerate() {
            if i > 0 {
                rest = rest.strip_prefix('.')?;
            }
            rest = rest.trim_start_matches([' ', '\t', '\n', '\r', '\x0b', '\x0c']);
            let negative = rest.starts_with('-');
            rest = rest.strip_prefix(['-', '+']).unwrap_or(rest);
            let n_digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            if n_digits == 0 {
                return None;
            }
            let (digits, after) = rest.split_at(n_digits);
            let value = digits.bytes().fold(0u32, |sum, digit| {
                sum.wrapping_mul(10).wrapping_add((digit - b'0').into())
            });
            *number = if negative {
                value.wrapping_neg()
            } else {
                value
            };
            rest = after;
        }
        rest.is_empty().then(|| Version {
            text: text.into(),
            numbers,
        })
    }

    /// The text that was parsed.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The numbers `x`, `y` and `z`.
    pub fn numbers(&self) -> [u32; 3] {
        self.numbers
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A `<database-schema>`.
#[derive(Clone, Debug)]
pub struct Schema {
    /// The database's name, an `<id>`.
    pub name: EcoString,
    /// The schema's version; old schemas have none.
    pub version: Option<Version>,
    /// A checksum over the schema's text, made by whoever wrote it; empty if there is none. Nothing checks it.
    pub cksum: EcoString,
    /// The tables in order of their numbers.
    pub tables: Vec<TableSchema>,
    /// The tables' numbers in order of their names.
    by_name: Vec<TableId>,
}

impl Schema {
    /// Parses and checks a schema.
    ///
    /// # Errors
    /// A `syntax error`; where several things are wrong, the one in the first table by name.
    pub fn from_json(json: &Json) -> Result<Schema, OvsdbError> {
        let mut members = Members::new(json, "database schema");
        let name = members.required("name", Kinds::ID).and_then(Json::as_str);
        let version = members.optional("version", Kinds::STRING);
        let cksum = members
            .optional("cksum", Kinds::STRING)
            .and_then(Json::as_str);
        let tables = members
            .required("tables", Kinds::OBJECT)
            .and_then(Json::as_object);
        members.finish()?;
        let (Some(name), Some(tables)) = (name, tables) else {
            // Unreachable: `finish` reports what is missing.
            return Err(OvsdbError::syntax(json, "database schema expected"));
        };

        let version = match version.map(|version| version.as_str().unwrap_or_default()) {
            Some(text) => Some(Version::parse(text).ok_or_else(|| {
                OvsdbError::syntax(
                    json,
                    format!("schema version \"{text}\" not in format x.y.z"),
                )
            })?),
            None => None,
        };
        let mut schema = Schema {
            name: name.into(),
            version,
            cksum: cksum.unwrap_or_default().into(),
            tables: Vec::new(),
            by_name: Vec::new(),
        };
        for (name, table) in tables {
            check_name(name, json)?;
            schema.tables.push(TableSchema::from_json(table, name)?);
        }
        // Before there was "isRoot" nothing was garbage-collected, so a schema without it means that all are roots.
        if schema.tables.iter().all(|table| !table.is_root) {
            for table in &mut schema.tables {
                table.is_root = true;
            }
        }
        schema.number_tables();
        schema.resolve_references()?;
        Ok(schema)
    }

    /// Puts the tables in the order of their names for whoever looks one up.
    fn number_tables(&mut self) {
        let mut by_name: Vec<TableId> = self.table_ids().collect();
        by_name.sort_by_key(|&id| &self.table(id).name);
        self.by_name = by_name;
    }

    /// Finds the tables that references name, and makes columns persistent that must be.
    fn resolve_references(&mut self) -> Result<(), OvsdbError> {
        let targets: HashMap<EcoString, (TableId, bool)> = self
            .table_ids()
            .map(|id| (id, self.table(id)))
            .map(|(id, table)| (table.name.clone(), (id, table.is_root)))
            .collect();
        for column in self.tables.iter_mut().flat_map(|table| &mut table.columns) {
            let mut keeps_rows_alive = false;
            let mut resolve = |base: &mut BaseType, part: &str| {
                let is_strong = base.is_strong_ref();
                if let Constraint::Uuid {
                    ref_table: Some(table),
                    ref_table_id,
                    ..
                } = &mut base.constraint
                {
                    let Some(&(target, is_root)) = targets.get(table) else {
                        let name = &column.name;
                        let details =
                            format!("column {name} {part} refers to undefined table {table}");
                        return Err(OvsdbError::bare_syntax(details));
                    };
                    *ref_table_id = Some(target);
                    keeps_rows_alive |= is_strong && !is_root;
                }
                Ok(())
            };
            resolve(&mut column.ty.key, "key")?;
            if let Some(value) = &mut column.ty.value {
                resolve(value, "value")?;
            }
            // Were such a reference left out of the file, the row that only it refers to would be collected when the
            // file is read, and later records about that row would make no sense.
            column.persistent |= keeps_rows_alive;
        }
        Ok(())
    }

    /// Finds the tables again that references name, all of which exist, after tables have got other numbers.
    fn refresh_references(&mut self) {
        self.resolve_references()
            .expect("the tables of a schema that was checked refer to each other");
    }

    /// The schema as JSON, with everything left out that has its default value.
    pub fn to_json(&self) -> Json {
        let mut object = Object::new();
        object.insert("name", Json::string(self.name.clone()));
        if let Some(version) = self
            .version
            .as_ref()
            .filter(|version| !version.as_str().is_empty())
        {
            object.insert("version", Json::string(version.as_str()));
        }
        if !self.cksum.is_empty() {
            object.insert("cksum", Json::string(self.cksum.clone()));
        }
        // A schema of roots only is written in the old way, without "isRoot".
        let default_is_root = self.tables.iter().all(|table| table.is_root);
        let tables: Object = self
            .tables
            .iter()
            .map(|table| (table.name.clone(), table.to_json(default_is_root)))
            .collect();
        object.insert("tables", Json::Object(tables));
        Json::Object(object)
    }

    /// The table with this name.
    pub fn table_id(&self, name: &str) -> Option<TableId> {
        let at = self
            .by_name
            .binary_search_by(|&id| self.table(id).name.as_str().cmp(name))
            .ok()?;
        Some(self.by_name[at])
    }

    /// The table with this number, which must come from this schema.
    pub fn table(&self, id: TableId) -> &TableSchema {
        &self.tables[id.index()]
    }

    /// The table with this name, and its number.
    pub fn table_by_name(&self, name: &str) -> Option<(TableId, &TableSchema)> {
        let id = self.table_id(name)?;
        Some((id, self.table(id)))
    }

    /// All table numbers in order.
    pub fn table_ids(&self) -> impl Iterator<Item = TableId> + use<> {
        (0..self.tables.len() as u32).map(TableId)
    }

    /// True if both say the same, whatever the notation.
    pub fn is_equivalent(&self, other: &Schema) -> bool {
        self.to_json() == other.to_json()
    }

    /// True if both say the same and number tables and columns alike, so that rows of one can be read by the other. Equal schemas
    /// need not be so: after a conversion what is new has the highest numbers, whatever its name.
    pub fn is_laid_out_as(&self, other: &Schema) -> bool {
        if std::ptr::eq(self, other) {
            return true;
        }
        let same_names = |(a, b): (&TableSchema, &TableSchema)| {
            let (a_columns, b_columns) = (a.columns.iter(), b.columns.iter());
            let names = a_columns.map(|column| &column.name);
            let same_ids = a.column_ids().eq(b.column_ids());
            same_ids && a.name == b.name && names.eq(b_columns.map(|column| &column.name))
        };
        self.tables.len() == other.tables.len()
            && self.tables.iter().zip(&other.tables).all(same_names)
            && self.is_equivalent(other)
    }

    /// The first ephemeral column, if there is one: clustered databases cannot have any.
    pub fn ephemeral_column(&self) -> Option<(&TableSchema, &ColumnSchema)> {
        let columns = self
            .tables
            .iter()
            .flat_map(|table| table.own_columns().map(move |column| (table, column)));
        columns.into_iter().find(|(_, column)| !column.persistent)
    }
}

/// Checks the name of a table or column inside `json`.
fn check_name(name: &str, json: &Json) -> Result<(), OvsdbError> {
    if name.starts_with('_') {
        Err(OvsdbError::syntax(
            json,
            "names beginning with \"_\" are reserved",
        ))
    } else if !is_id(name) {
        Err(OvsdbError::syntax(json, "name must be a valid id"))
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
