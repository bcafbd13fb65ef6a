//! A `<row>` (RFC 7047, section 5.1) as programs write and read it: columns by name, values of no known type.
//!
//! Whether a table has the columns is not known here; [`crate::row`] reads rows of a table that is.

use ecow::EcoString;

use super::{FromDatum, Value, WrongValue};
use crate::error::OvsdbError;
use crate::json::{self, Json, Object};
use crate::uuid::Uuid;

/// Columns and their values, each column once, in the order in which they were set.
///
/// ```
/// use ovsdb_proto::value::Row;
///
/// let row = Row::new().set("name", "br0").set("stp_enable", false);
/// assert_eq!(row.get::<String>("name")?, "br0");
/// let error = row.get::<i64>("stp_enable").unwrap_err();
/// assert_eq!(error.to_string(), "column stp_enable: expected integer, found boolean (false)");
/// # Ok::<(), ovsdb_proto::value::ColumnError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Row {
    columns: Vec<(EcoString, Value)>,
}

/// Why a column of a row is not what the program wants.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ColumnError {
    /// The row does not have the column.
    #[error("column {column}: not in the row")]
    Missing {
        /// The column's name.
        column: EcoString,
    },
    /// The value is of another form.
    #[error("column {column}: {why} ({value})")]
    Wrong {
        /// The column's name.
        column: EcoString,
        /// The text of the value.
        value: String,
        /// What is wrong with it.
        why: WrongValue,
    },
    /// The table, as far as it is there, does not have the column.
    #[error("there is no column {column} in table {table}")]
    NoColumn {
        /// The table's name.
        table: EcoString,
        /// The column's name.
        column: EcoString,
    },
    /// A row of a known table holds a value of another form.
    #[error("row {row} of table {table}: column {column}: {why} ({value})")]
    WrongInRow {
        /// The table's name.
        table: EcoString,
        /// The row.
        row: Uuid,
        /// The column's name.
        column: EcoString,
        /// The text of the value.
        value: String,
        /// What is wrong with it.
        why: WrongValue,
    },
}

impl Row {
    /// A row of no columns.
    pub const fn new() -> Row {
        Row {
            columns: Vec::new(),
        }
    }

    /// The same row with `value` in `column`, in place of what was there.
    #[must_use]
    pub fn set(mut self, column: impl Into<EcoString>, value: impl Into<Value>) -> Row {
        self.insert(column, value);
        self
    }

    /// Gives `column` a value, in place of what was there.
    pub fn insert(&mut self, column: impl Into<EcoString>, value: impl Into<Value>) {
        let (column, value) = (column.into(), value.into());
        match self.columns.iter_mut().find(|(name, _)| *name == column) {
            Some((_, slot)) => *slot = value,
            None => self.columns.push((column, value)),
        }
    }

    /// The value of `column`, if the row has it.
    pub fn value(&self, column: &str) -> Option<&Value> {
        let (_, value) = self.columns.iter().find(|(name, _)| name == column)?;
        Some(value)
    }

    /// What the program wants from `column`.
    ///
    /// # Errors
    /// The row does not have the column, or the value is something else.
    pub fn get<T: FromDatum>(&self, column: &str) -> Result<T, ColumnError> {
        let value = self.value(column).ok_or_else(|| ColumnError::Missing {
            column: column.into(),
        })?;
        value.to().map_err(|why| ColumnError::Wrong {
            column: column.into(),
            value: value.to_string(),
            why,
        })
    }

    /// The row's `_uuid`.
    ///
    /// # Errors
    /// The row does not have it, which is so if it was not asked for.
    pub fn uuid(&self) -> Result<Uuid, ColumnError> {
        self.get("_uuid")
    }

    /// The columns with their values.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&EcoString, &Value)> {
        self.columns.iter().map(|(name, value)| (name, value))
    }

    /// The number of columns.
    pub fn len(&self) -> usize {
        self.columns.len()
    }

    /// True if there are no columns.
    pub fn is_empty(&self) -> bool {
        self.columns.is_empty()
    }

    /// Reads a `<row>`.
    ///
    /// # Errors
    /// A `syntax error` that names the column whose value is none.
    pub fn from_json(json: &Json) -> Result<Row, OvsdbError> {
        let Some(members) = json.as_object() else {
            return Err(OvsdbError::syntax(json, "row must be JSON object"));
        };
        let columns = members.iter().map(|(name, value)| {
            let value =
                Value::from_json(value).map_err(|error| error.wrap(format!("column {name}")))?;
            Ok((name.clone(), value))
        });
        Ok(Row {
            columns: columns.collect::<Result<_, _>>()?,
        })
    }

    /// The JSON form.
    pub fn to_json(&self) -> Json {
        let members = self.columns.iter();
        let object: Object = members
            .map(|(name, value)| (name.clone(), value.to_json()))
            .collect();
        Json::Object(object)
    }

    /// Appends the row's text to `out`: that of [`Row::to_json`] but for the order of columns, which is the row's own.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        out.push(b'{');
        for (i, (name, value)) in self.columns.iter().enumerate() {
            if i > 0 {
                out.push(b',');
            }
            json::write::string(name, out);
            out.push(b':');
            value.write_json(out);
        }
        out.push(b'}');
    }
}

impl PartialEq for Row {
    /// The order of columns does not matter.
    fn eq(&self, other: &Row) -> bool {
        self.len() == other.len()
            && self
                .iter()
                .all(|(name, value)| other.value(name) == Some(value))
    }
}

impl Eq for Row {}

impl<N: Into<EcoString>, V: Into<Value>> FromIterator<(N, V)> for Row {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(columns: I) -> Row {
        let mut row = Row::new();
        for (name, value) in columns {
            row.insert(name, value);
        }
        row
    }
}
