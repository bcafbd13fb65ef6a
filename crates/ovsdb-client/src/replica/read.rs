//! Contents read by the names of tables and columns, and references followed to the rows that they name.
//!
//! Nothing is copied before it is asked for as a type of the program's own.

use ovsdb_proto::datum::Datum;
use ovsdb_proto::schema::{TableId, TableSchema};
use ovsdb_proto::symbols::Symbols;
use ovsdb_proto::uuid::Uuid;
use ovsdb_proto::value::{ColumnError, FromDatum, Value, column_of_row};

use super::version::{Row, Version};
use crate::txn::RowName;

/// A table of a [`Version`].
///
/// ```no_run
/// # fn example(version: &ovsdb_client::replica::Version) -> Result<(), ovsdb_proto::value::ColumnError> {
/// let bridges = version.table_named("Bridge").expect("the table was chosen and is there");
/// for bridge in bridges.iter() {
///     println!("{}", bridge.get::<String>("name")?);
///     for port in bridge.follow("ports") {
///         println!("    {}", port.get::<String>("name")?);
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct TableView<'a> {
    version: &'a Version,
    id: TableId,
    schema: &'a TableSchema,
}

/// A row of a [`TableView`].
#[derive(Clone, Copy, Debug)]
pub struct RowView<'a> {
    table: TableView<'a>,
    row: &'a Row,
}

impl Version {
    /// The table with this name, if it was chosen and the database has it.
    pub fn table_named(&self, name: &str) -> Option<TableView<'_>> {
        let (id, schema) = self.schema().table_by_name(name)?;
        Some(TableView {
            version: self,
            id,
            schema,
        })
    }

    /// The row with this name, if it is there.
    pub fn row(&self, name: &RowName) -> Option<RowView<'_>> {
        self.table_named(name.table())?.row(name.uuid())
    }
}

impl<'a> TableView<'a> {
    /// The table's name.
    pub fn name(self) -> &'a str {
        &self.schema.name
    }

    /// The chosen columns of the table that there are.
    pub fn schema(self) -> &'a TableSchema {
        self.schema
    }

    /// How many rows there are.
    pub fn len(self) -> usize {
        self.version.rows(self.id).len()
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The row with this UUID.
    pub fn row(self, uuid: Uuid) -> Option<RowView<'a>> {
        let row = self.version.rows(self.id).get(&uuid)?;
        Some(RowView { table: self, row })
    }

    /// All rows, in order of their UUIDs.
    pub fn iter(self) -> impl Iterator<Item = RowView<'a>> {
        let rows = self.version.rows(self.id).values();
        rows.map(move |row| RowView { table: self, row })
    }

    /// The rows that have this value in a column; none if there is no such column. This looks at all rows.
    pub fn find(self, column: &str, value: impl Into<Value>) -> impl Iterator<Item = RowView<'a>> {
        let (column, value) = (self.schema.column_id(column), value.into());
        let both = column.and_then(|column| {
            // What the column cannot hold, no row has.
            let ty = &self.schema.column(column).ty;
            let wanted = match value.is_empty() {
                true => Datum::empty(),
                false => value.to_datum(ty, &mut Symbols::none()).ok()?,
            };
            Some((column, wanted))
        });
        self.iter().filter(move |row| {
            both.as_ref()
                .is_some_and(|(column, wanted)| row.row.get(*column) == wanted)
        })
    }
}

impl<'a> RowView<'a> {
    /// The row's UUID.
    pub fn uuid(self) -> Uuid {
        self.row.uuid()
    }

    /// The row's name, which outlives the version.
    pub fn name(self) -> RowName {
        RowName::new(self.table.schema.name.clone(), self.uuid())
    }

    /// The row's table.
    pub fn table(self) -> TableView<'a> {
        self.table
    }

    /// The row itself.
    pub fn row(self) -> &'a Row {
        self.row
    }

    /// What a column holds, if it was chosen and the table has it.
    pub fn datum(self, column: &str) -> Option<&'a Datum> {
        Some(self.row.get(self.table.schema.column_id(column)?))
    }

    /// What the program wants from a column, for example `String`, `Option<i64>` or `BTreeMap<String, String>`.
    ///
    /// # Errors
    /// There is no such column, or it holds something else.
    pub fn get<T: FromDatum>(self, column: &str) -> Result<T, ColumnError> {
        column_of_row(self.table.schema, self.uuid(), column, |id| {
            self.row.get(id)
        })
    }

    /// The rows to which a column refers, as far as they are there: elements of a set, or keys and then values of each pair of a
    /// map. A row that comes later is there then without a change of this one.
    pub fn follow(self, column: &str) -> impl Iterator<Item = RowView<'a>> {
        let version = self.table.version;
        let id = self.table.schema.column_id(column);
        let column = id.map(|id| (self.row.get(id), &self.table.schema.column(id).ty));
        column.into_iter().flat_map(move |(datum, ty)| {
            let table = move |id: Option<TableId>| {
                id.map(|id| TableView {
                    version,
                    id,
                    schema: version.schema().table(id),
                })
            };
            let of_keys = table(ty.key.ref_table_id());
            let of_values = table(ty.value.as_ref().and_then(|base| base.ref_table_id()));
            datum.iter().flat_map(move |(key, value)| {
                let key = of_keys.and_then(|table| table.row(key.as_uuid()?));
                let value = of_values.and_then(|table| table.row(value?.as_uuid()?));
                key.into_iter().chain(value)
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use ovsdb_proto::json;
    use ovsdb_proto::schema::{Schema, Selection};
    use ovsdb_proto::updates::{Form, UpdatesReader};

    use super::*;

    const SCHEMA: &str = r#"{"name":"db","tables":{
        "A":{"columns":{"name":{"type":"string"},"real":{"type":"real"},
            "bs":{"type":{"key":{"type":"uuid","refTable":"B"},"min":0,"max":"unlimited"}},
            "by":{"type":{"key":{"type":"string"},"value":{"type":"uuid","refTable":"B"},"min":0,"max":"unlimited"}},
            "cs":{"type":{"key":{"type":"uuid","refTable":"C"},"min":0,"max":"unlimited"}}}},
        "B":{"columns":{"name":{"type":"string"}}},
        "C":{"columns":{"name":{"type":"string"}}}}}"#;

    fn version(selection: Selection) -> Version {
        let schema = Schema::from_json(&json::parse(SCHEMA.as_bytes()).unwrap()).unwrap();
        let projection = Arc::new(schema.project(&selection));
        let mut reader = UpdatesReader::new(Arc::clone(&projection.schema));
        let id = |n: u8| format!("00000000-0000-4000-8000-0000000000{n:02x}");
        let rows = format!(
            r#"{{"A":{{"{}":{{"initial":{{"name":"a","real":1.0,
                "bs":["set",[["uuid","{}"],["uuid","{}"],["uuid","{}"]]],
                "by":["map",[["x",["uuid","{}"]]]],"cs":["uuid","{}"]}}}}}},
                "B":{{"{}":{{"initial":{{"name":"b1"}}}},"{}":{{"initial":{{"name":"b2"}}}}}}}}"#,
            id(1),
            id(2),
            id(3),
            id(9),
            id(3),
            id(4),
            id(2),
            id(3)
        );
        let updates = reader.read(Form::Updates2, rows.as_bytes()).unwrap();
        let empty = Version::empty(Arc::clone(&projection));
        empty.replaced(projection, updates).unwrap()
    }

    fn chosen() -> Version {
        let selection = Selection::new().table("B");
        version(selection.columns("A", ["name", "real", "bs", "by", "cs"]))
    }

    #[track_caller]
    fn names<'a>(rows: impl Iterator<Item = RowView<'a>>, expected: &[&str]) {
        let names: Vec<String> = rows.map(|row| row.get("name").unwrap()).collect();
        assert_eq!(names, expected);
    }

    #[test]
    fn references_lead_to_the_rows_that_are_there() {
        let version = chosen();
        let a = version.table_named("A").unwrap().iter().next().unwrap();
        names(a.follow("bs"), &["b1", "b2"]);
        names(a.follow("by"), &["b2"]);
        // The table was not chosen, the column refers to nothing, and there is no such column.
        names(a.follow("cs"), &[]);
        names(a.follow("name"), &[]);
        names(a.follow("x"), &[]);
        assert!(version.row(&a.name()).is_some());
        assert!(version.row(&RowName::new("C", a.uuid())).is_none());
    }

    #[test]
    fn rows_are_found_by_values() {
        let version = chosen();
        let a = version.table_named("A").unwrap();
        names(a.find("name", "a"), &["a"]);
        names(a.find("real", 1.0), &["a"]);
        names(a.find("real", 1), &["a"]);
        names(a.find("name", "b"), &[]);
        names(a.find("name", 1), &[]);
        names(a.find("x", "a"), &[]);
        assert_eq!((a.len(), a.is_empty(), a.name()), (1, false, "A"));
        assert!(version.table_named("C").is_none());
    }

    #[test]
    fn columns_become_what_programs_want_or_say_what_they_are() {
        let version = chosen();
        let a = version.table_named("A").unwrap().iter().next().unwrap();
        assert_eq!(a.get::<f64>("real"), Ok(1.0));
        assert_eq!(a.get::<Vec<Uuid>>("bs").unwrap().len(), 3);
        assert_eq!(a.get::<BTreeMap<String, Uuid>>("by").unwrap().len(), 1);
        let wrong = a.get::<i64>("name").unwrap_err();
        let words = format!(
            "row {} of table A: column name: expected integer, found string (a)",
            a.uuid()
        );
        assert_eq!(wrong.to_string(), words);
        let missing = a.get::<i64>("x").unwrap_err();
        assert_eq!(missing.to_string(), "there is no column x in table A");
    }
}
