//! What is to be written about a schema: every name and type settled.

use std::collections::BTreeMap;

use ovsdb_proto::atom::{Atom, AtomType};
use ovsdb_proto::schema::{ColumnSchema, Schema, TableSchema};
use ovsdb_proto::types::{BaseType, Constraint, RefType, UNLIMITED};

use crate::Error;
use crate::names::{self, Space, TYPES_IN_USE};

/// A database.
pub(crate) struct Database {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) cksum: String,
    pub(crate) tables: Vec<Table>,
}

/// A table.
pub(crate) struct Table {
    pub(crate) name: String,
    /// The struct.
    pub(crate) type_name: String,
    /// The module.
    pub(crate) module: String,
    pub(crate) is_root: bool,
    pub(crate) max_rows: Option<u32>,
    pub(crate) indexes: Vec<Vec<String>>,
    pub(crate) columns: Vec<Column>,
}

/// A column.
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) field: String,
    pub(crate) constant: String,
    pub(crate) mutable: bool,
    pub(crate) persistent: bool,
    pub(crate) key: Base,
    pub(crate) value: Option<Base>,
    pub(crate) min: u32,
    /// None: there is no limit.
    pub(crate) max: Option<u32>,
}

/// The type of a value, or of a key or a value of a map.
pub(crate) struct Base {
    pub(crate) kind: Kind,
    pub(crate) demand: Demand,
}

/// The Rust type of a base type.
pub(crate) enum Kind {
    Integer,
    Real,
    Boolean,
    String,
    Uuid,
    /// A reference to a row of a table that has a type, which is named.
    Ref {
        type_name: String,
        table: String,
        is_weak: bool,
    },
    /// Words.
    Enum(Enum),
}

/// An enumeration of words.
pub(crate) struct Enum {
    pub(crate) type_name: String,
    /// Words and the names of their variants.
    pub(crate) variants: Vec<(String, String)>,
}

/// What the schema demands of a value.
pub(crate) enum Demand {
    Nothing,
    Integer { min: i64, max: i64 },
    Real { min: f64, max: f64 },
    Length { min: u32, max: u32 },
    Integers(Vec<i64>),
    Words,
}

/// Settles the chosen tables and columns; none chosen means all.
pub(crate) fn plan(
    schema: &Schema,
    chosen: &BTreeMap<String, Vec<String>>,
) -> Result<Database, Error> {
    for (table, columns) in chosen {
        let Some((_, found)) = schema.table_by_name(table) else {
            return Err(Error::NoTable(table.clone()));
        };
        let missing =
            |column: &&String| !found.own_columns().any(|own| own.name == column.as_str());
        if let Some(column) = columns.iter().find(missing) {
            return Err(Error::NoColumn {
                table: table.clone(),
                column: column.clone(),
            });
        }
    }
    let wanted =
        |table: &&TableSchema| chosen.is_empty() || chosen.contains_key(table.name.as_str());
    let mut tables: Vec<&TableSchema> = schema.tables.iter().filter(wanted).collect();
    tables.sort_by(|a, b| a.name.cmp(&b.name));

    let mut types = Space::without(TYPES_IN_USE);
    let type_names: BTreeMap<&str, String> = tables
        .iter()
        .map(|table| {
            let name = types.take(names::of_type(&table.name), "");
            (table.name.as_str(), name)
        })
        .collect();
    let mut modules = Space::default();
    let planned = tables.iter().map(|table| {
        let columns = chosen.get(table.name.as_str()).map(Vec::as_slice);
        let module = modules.take(names::of_value(&table.name), "_");
        plan_table(table, columns.unwrap_or_default(), module, &type_names)
    });
    Ok(Database {
        name: schema.name.to_string(),
        version: schema
            .version
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default(),
        cksum: schema.cksum.to_string(),
        tables: planned.collect(),
    })
}

fn plan_table(
    table: &TableSchema,
    chosen: &[String],
    module: String,
    type_names: &BTreeMap<&str, String>,
) -> Table {
    let wanted = |column: &&ColumnSchema| {
        chosen.is_empty() || chosen.iter().any(|name| column.name == name.as_str())
    };
    let mut columns: Vec<&ColumnSchema> = table.own_columns().filter(wanted).collect();
    columns.sort_by(|a, b| a.name.cmp(&b.name));
    let mut fields = Space::default();
    let mut constants = Space::without(&["INDEXES"]);
    let mut enums = Space::without(TYPES_IN_USE);
    let mut plan_column = |column: &&ColumnSchema| {
        let ty = &column.ty;
        let title = names::of_type(&column.name);
        let mut base = |base: &BaseType, part: &str| {
            plan_base(base, format!("{title}{part}"), &mut enums, type_names)
        };
        Column {
            name: column.name.to_string(),
            field: fields.take(names::of_value(&column.name), "_"),
            constant: constants.take(names::of_constant(&column.name), "_"),
            mutable: column.mutable,
            persistent: column.persistent,
            key: base(&ty.key, if ty.is_map() { "Key" } else { "" }),
            value: ty.value.as_ref().map(|value| base(value, "Value")),
            min: ty.min,
            max: (ty.max != UNLIMITED).then_some(ty.max),
        }
    };
    let name_of = |id: &_| table.column(*id).name.to_string();
    Table {
        name: table.name.to_string(),
        type_name: type_names[table.name.as_str()].clone(),
        module,
        is_root: table.is_root,
        max_rows: (table.max_rows != UNLIMITED).then_some(table.max_rows),
        indexes: table
            .indexes
            .iter()
            .map(|index| index.iter().map(name_of).collect())
            .collect(),
        columns: columns.iter().map(&mut plan_column).collect(),
    }
}

fn plan_base(
    base: &BaseType,
    title: String,
    enums: &mut Space,
    type_names: &BTreeMap<&str, String>,
) -> Base {
    let listed = base.enum_.as_deref();
    if let (AtomType::String, Some(words)) = (base.kind, listed) {
        let mut variants = Space::without(&["Other", "Self"]);
        let words = words.keys().filter_map(Atom::as_str);
        let variants = words.map(|word| {
            let variant = variants.take(names::of_type(word), "");
            (word.to_owned(), variant)
        });
        return Base {
            kind: Kind::Enum(Enum {
                variants: variants.collect(),
                type_name: enums.take(title, ""),
            }),
            demand: Demand::Words,
        };
    }
    let reference = base.reference().and_then(|(table, ref_type)| {
        Some(Kind::Ref {
            type_name: type_names.get(table.as_str())?.clone(),
            table: table.to_string(),
            is_weak: ref_type == RefType::Weak,
        })
    });
    let kind = match base.kind {
        AtomType::Integer => Kind::Integer,
        AtomType::Real => Kind::Real,
        AtomType::Boolean => Kind::Boolean,
        AtomType::String => Kind::String,
        AtomType::Uuid => reference.unwrap_or(Kind::Uuid),
    };
    let demand = match (&base.constraint, listed) {
        (_, Some(values)) if base.kind == AtomType::Integer => {
            Demand::Integers(values.keys().filter_map(Atom::as_integer).collect())
        }
        // Lists of other values are left to the server.
        (_, Some(_)) => Demand::Nothing,
        (Constraint::Integer { min, max }, None) if base.has_constraints() => Demand::Integer {
            min: *min,
            max: *max,
        },
        (Constraint::Real { min, max }, None) if base.has_constraints() => Demand::Real {
            min: *min,
            max: *max,
        },
        (Constraint::String { min_len, max_len }, None) if base.has_constraints() => {
            Demand::Length {
                min: *min_len,
                max: *max_len,
            }
        }
        _ => Demand::Nothing,
    };
    Base { kind, demand }
}
