//! What the generator needs to know of a schema (RFC 7047, section 3.2).
//!
//! A reading of its own, so that a mistake of the code under test cannot hide here. It checks nothing: the
//! reference's `ovsdb-tool create` has accepted the schema before.

use serde_json::Value;

/// A database's tables, sorted by name.
#[derive(Clone, Debug)]
pub struct Model {
    /// The database's name.
    pub name: String,
    /// Its tables.
    pub tables: Vec<Table>,
}

/// One table.
#[derive(Clone, Debug)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// Its columns without `_uuid` and `_version`, sorted by name.
    pub columns: Vec<Column>,
    /// The columns of each unique index.
    pub indexes: Vec<Vec<String>>,
    /// Whether its rows live without being referenced.
    pub is_root: bool,
    /// The most rows it may hold.
    pub max_rows: Option<usize>,
}

/// One column.
#[derive(Clone, Debug)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// The type of its keys or elements.
    pub key: Base,
    /// The type of its values, if it is a map.
    pub value: Option<Base>,
    /// The fewest elements.
    pub min: usize,
    /// The most elements; `None` is unlimited.
    pub max: Option<usize>,
    /// False if only `insert` may set it.
    pub mutable: bool,
    /// False if its values are not written to the file.
    pub persistent: bool,
}

/// The atomic types (RFC 7047, section 3.1).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[allow(missing_docs)]
pub enum Kind {
    Integer,
    Real,
    Boolean,
    String,
    Uuid,
}

/// An atomic type with its constraints.
#[derive(Clone, Debug)]
pub struct Base {
    /// Its kind.
    pub kind: Kind,
    /// The only values allowed, as JSON text.
    pub choices: Vec<String>,
    /// Lower bound of a number, or of a string's length.
    pub low: Option<f64>,
    /// Upper bound of a number, or of a string's length.
    pub high: Option<f64>,
    /// The table whose rows it names.
    pub target: Option<String>,
    /// True if the reference is weak.
    pub weak: bool,
}

impl Column {
    /// True if it holds exactly one element.
    pub fn is_scalar(&self) -> bool {
        self.value.is_none() && self.min == 1 && self.max == Some(1)
    }

    /// True if at most one number: the only columns that can be ordered.
    pub fn is_number(&self) -> bool {
        self.value.is_none()
            && self.max == Some(1)
            && matches!(self.key.kind, Kind::Integer | Kind::Real)
    }

    /// True if it holds UUIDs anywhere, so that its order differs between servers.
    pub fn holds_uuids(&self) -> bool {
        self.bases().any(|base| base.kind == Kind::Uuid)
    }

    /// True if it refers strongly to `table`.
    pub fn owns(&self, table: &str) -> bool {
        self.bases()
            .any(|base| !base.weak && base.target.as_deref() == Some(table))
    }

    /// Its one or two atomic types.
    pub fn bases(&self) -> impl Iterator<Item = &Base> {
        std::iter::once(&self.key).chain(self.value.as_ref())
    }
}

impl Table {
    /// The column called `name`.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }
}

impl Model {
    /// The table called `name`.
    pub fn table(&self, name: &str) -> Option<&Table> {
        self.tables.iter().find(|table| table.name == name)
    }

    /// Reads a schema's text.
    ///
    /// # Panics
    /// If it is no schema.
    pub fn parse(text: &str) -> Model {
        let schema: Value = serde_json::from_str(text).expect("a schema is JSON");
        let mut tables: Vec<Table> = members(&schema["tables"])
            .map(|(name, table)| parse_table(name, table))
            .collect();
        tables.sort_by(|a, b| a.name.cmp(&b.name));
        // Schemas from before `isRoot` existed: where no table has it, all are roots.
        if members(&schema["tables"]).all(|(_, table)| table.get("isRoot").is_none()) {
            tables.iter_mut().for_each(|table| table.is_root = true);
        }
        Model {
            name: string(&schema["name"]),
            tables,
        }
    }
}

fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

fn string(value: &Value) -> String {
    value.as_str().expect("names are strings").to_owned()
}

fn parse_table(name: &str, table: &Value) -> Table {
    let mut columns: Vec<Column> = members(&table["columns"])
        .map(|(name, column)| parse_column(name, column))
        .collect();
    columns.sort_by(|a, b| a.name.cmp(&b.name));
    let indexes = table["indexes"].as_array().into_iter().flatten();
    Table {
        name: name.to_owned(),
        columns,
        indexes: indexes
            .map(|index| index.as_array().into_iter().flatten().map(string).collect())
            .collect(),
        is_root: table["isRoot"].as_bool().unwrap_or(false),
        max_rows: table["maxRows"].as_u64().map(size),
    }
}

fn size(number: u64) -> usize {
    usize::try_from(number).expect("limits in schemas are small")
}

fn parse_column(name: &str, column: &Value) -> Column {
    let ty = &column["type"];
    let map = ty.get("value").map(parse_base);
    let key = ty.get("key").map_or_else(|| parse_base(ty), parse_base);
    let weak = key.weak || map.as_ref().is_some_and(|base| base.weak);
    Column {
        name: name.to_owned(),
        key,
        value: map,
        min: ty["min"].as_u64().map_or(1, size),
        max: match &ty["max"] {
            Value::String(_) => None,
            max => Some(max.as_u64().map_or(1, size)),
        },
        // A weak reference goes with its row, so its column changes whatever the schema says.
        mutable: weak || column["mutable"].as_bool().unwrap_or(true),
        persistent: !column["ephemeral"].as_bool().unwrap_or(false),
    }
}

fn parse_base(base: &Value) -> Base {
    let name = base.as_str().or_else(|| base["type"].as_str());
    let kind = match name.expect("a base type has a name") {
        "integer" => Kind::Integer,
        "real" => Kind::Real,
        "boolean" => Kind::Boolean,
        "string" => Kind::String,
        _ => Kind::Uuid,
    };
    let bound = |names: [&str; 3]| names.iter().find_map(|name| base.get(name)?.as_f64());
    let choices = match &base["enum"] {
        Value::Null => Vec::new(),
        Value::Array(set) => set[1]
            .as_array()
            .into_iter()
            .flatten()
            .map(Value::to_string)
            .collect(),
        one => vec![one.to_string()],
    };
    Base {
        kind,
        choices,
        low: bound(["minInteger", "minReal", "minLength"]),
        high: bound(["maxInteger", "maxReal", "maxLength"]),
        target: base["refTable"].as_str().map(str::to_owned),
        weak: base["refType"].as_str() == Some("weak"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_is_read_with_its_defaults() {
        let model = Model::parse(
            r#"{"name": "D", "tables": {
                "B": {"columns": {"x": {"type": "integer"}}, "isRoot": true, "maxRows": 3, "indexes": [["x"]]},
                "A": {"columns": {
                    "m": {"type": {"key": "string", "value": {"type": "uuid", "refTable": "B"}, "min": 0, "max": "unlimited"}},
                    "w": {"type": {"key": {"type": "uuid", "refTable": "B", "refType": "weak"}, "min": 0}, "mutable": false},
                    "e": {"type": {"key": {"type": "string", "enum": ["set", ["a", "b"]]}}, "mutable": false}}}}}"#,
        );
        let [a, b] = &model.tables[..] else {
            panic!("two tables")
        };
        assert!(!a.is_root && b.is_root && b.max_rows == Some(3));
        assert_eq!(b.indexes, [["x"]]);
        let column = |name: &str| a.column(name).expect("it is in the schema");
        assert!(column("m").owns("B") && column("m").max.is_none() && column("m").min == 0);
        assert!(column("w").mutable && !column("w").owns("B"));
        assert_eq!(column("e").key.choices, [r#""a""#, r#""b""#]);
        assert!(column("e").is_scalar() && !column("e").mutable);
    }
}
