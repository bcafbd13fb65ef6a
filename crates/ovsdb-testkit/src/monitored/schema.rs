//! The database that monitors are tried on: columns of all types, rows that come and go for others' sake.

use super::value::Value;

/// What an atom is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// `integer`
    Integer,
    /// `real`
    Real,
    /// `boolean`
    Boolean,
    /// `string`
    Text,
    /// `uuid`
    Id,
}

/// The type of a column.
#[derive(Clone, Copy, Debug)]
pub struct Type {
    /// Of the elements, or of the keys.
    pub key: Kind,
    /// Of the values, for a map.
    pub value: Option<Kind>,
    /// Fewest elements.
    pub min: usize,
    /// Most elements; `None` for any number.
    pub max: Option<usize>,
}

/// A column.
#[derive(Debug)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub ty: Type,
}

/// A table.
#[derive(Debug)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// Its columns, and those that every table has.
    pub columns: &'static [Column],
}

/// A row: values of columns by name.
pub type Row = std::collections::BTreeMap<String, Value>;

const fn set(name: &'static str, key: Kind, min: usize, max: Option<usize>) -> Column {
    let value = None;
    let ty = Type {
        key,
        value,
        min,
        max,
    };
    Column { name, ty }
}

const fn one(name: &'static str, key: Kind) -> Column {
    set(name, key, 1, Some(1))
}

const fn map(name: &'static str, key: Kind, value: Kind, max: Option<usize>) -> Column {
    let value = Some(value);
    let ty = Type {
        key,
        value,
        min: 0,
        max,
    };
    Column { name, ty }
}

/// The schema in JSON. The tables below say the same.
pub const SCHEMA: &str = r#"{"name":"Monitored","version":"1.0.0","tables":{
    "A":{"isRoot":true,"columns":{
        "number":{"type":"integer"},
        "Real":{"type":"real"},
        "flag":{"type":"boolean"},
        "name":{"type":"string"},
        "id":{"type":"uuid"},
        "maybe":{"type":{"key":"integer","min":0,"max":1}},
        "maybe_name":{"type":{"key":"string","min":0,"max":1}},
        "set":{"type":{"key":"string","min":0,"max":"unlimited"}},
        "few":{"type":{"key":"integer","min":1,"max":3}},
        "map":{"type":{"key":"string","value":"string","min":0,"max":"unlimited"}},
        "numbers":{"type":{"key":"integer","value":"integer","min":0,"max":"unlimited"}},
        "pair":{"type":{"key":"string","value":"string","min":0,"max":1}},
        "note":{"type":"string","ephemeral":true}}},
    "B":{"isRoot":true,"columns":{
        "n":{"type":"integer"},
        "friends":{"type":{"key":{"type":"uuid","refTable":"A","refType":"weak"},"min":0,"max":"unlimited"}},
        "child":{"type":{"key":{"type":"uuid","refTable":"C"},"min":0,"max":1}}}},
    "C":{"columns":{"name":{"type":"string"}}}}}"#;

/// The tables of [`SCHEMA`].
pub const TABLES: [Table; 3] = [
    Table {
        name: "A",
        columns: &[
            one("_uuid", Kind::Id),
            one("_version", Kind::Id),
            one("number", Kind::Integer),
            one("Real", Kind::Real),
            one("flag", Kind::Boolean),
            one("name", Kind::Text),
            one("id", Kind::Id),
            set("maybe", Kind::Integer, 0, Some(1)),
            set("maybe_name", Kind::Text, 0, Some(1)),
            set("set", Kind::Text, 0, None),
            set("few", Kind::Integer, 1, Some(3)),
            map("map", Kind::Text, Kind::Text, None),
            map("numbers", Kind::Integer, Kind::Integer, None),
            map("pair", Kind::Text, Kind::Text, Some(1)),
            one("note", Kind::Text),
        ],
    },
    Table {
        name: "B",
        columns: &[
            one("_uuid", Kind::Id),
            one("_version", Kind::Id),
            one("n", Kind::Integer),
            set("friends", Kind::Id, 0, None),
            set("child", Kind::Id, 0, Some(1)),
        ],
    },
    Table {
        name: "C",
        columns: &[
            one("_uuid", Kind::Id),
            one("_version", Kind::Id),
            one("name", Kind::Text),
        ],
    },
];

/// The table of this name.
///
/// # Panics
/// If there is none.
pub fn table(name: &str) -> &'static Table {
    let mut tables = TABLES.iter();
    tables
        .find(|table| table.name == name)
        .unwrap_or_else(|| panic!("there is no table {name}"))
}

impl Table {
    /// The column of this name.
    ///
    /// # Panics
    /// If there is none.
    pub fn column(&self, name: &str) -> &Column {
        let mut columns = self.columns.iter();
        columns
            .find(|column| column.name == name)
            .unwrap_or_else(|| panic!("there is no column {name} in {}", self.name))
    }
}
