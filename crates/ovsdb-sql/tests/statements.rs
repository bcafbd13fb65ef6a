//! What statements see, what they read, and what they may not do.

use std::sync::Arc;

use ovsdb_proto::datum::Datum;
use ovsdb_proto::json::{self, Json};
use ovsdb_proto::schema::{ColumnId, Schema, TableId};
use ovsdb_proto::symbols::Symbols;
use ovsdb_proto::uuid::Uuid;
use ovsdb_sql::{Answer, Catalog, Contents, Query, Rows, SqlError, Value};

const SCHEMA: &str = r#"{
  "name": "Shop", "tables": {
    "Shelf": {"columns": {
      "name": {"type": "string"},
      "height": {"type": "real"},
      "free": {"type": "boolean"},
      "note": {"type": {"key": "string", "min": 0, "max": 1}},
      "items": {"type": {"key": {"type": "uuid", "refTable": "Item"}, "min": 0, "max": "unlimited"}},
      "index": {"type": {"key": "integer", "min": 0, "max": "unlimited"}}}},
    "Item": {"columns": {
      "name": {"type": "string"},
      "count": {"type": "integer"},
      "labels": {"type": {"key": "string", "value": "string", "min": 0, "max": "unlimited"}},
      "ranks": {"type": {"key": "integer", "value": "real", "min": 0, "max": "unlimited"}}}},
    "item": {"columns": {"Name": {"type": "string"}, "name": {"type": "integer"}}}}}"#;

struct Fixed {
    rows: Vec<Vec<Datum>>,
}

impl Rows for Fixed {
    fn len(&self) -> usize {
        self.rows.len()
    }

    fn row(&self, n: usize) -> &[Datum] {
        &self.rows[n]
    }

    fn column(&self, column: ColumnId) -> Option<ColumnId> {
        Some(column)
    }
}

fn schema() -> Arc<Schema> {
    let json = json::parse(SCHEMA.as_bytes()).expect("it is JSON");
    Arc::new(Schema::from_json(&json).expect("it is a schema"))
}

fn uuid(n: u8) -> String {
    format!("00000000-0000-4000-8000-0000000000{n:02x}")
}

/// Rows with `_uuid` N and these columns, as JSON.
fn table(schema: &Schema, name: &str, rows: &[(u8, &str)]) -> (TableId, Arc<dyn Rows>) {
    let (id, table) = schema.table_by_name(name).expect("the table is there");
    let rows = rows.iter().map(|(n, text)| {
        let mut row: Vec<Datum> = table.defaults().to_vec();
        let own = Uuid::parse(&uuid(*n)).expect("it is one");
        row[ColumnId::UUID.index()] = Datum::from_atom(ovsdb_proto::atom::Atom::Uuid(own));
        let Ok(Json::Object(members)) = json::parse(text.as_bytes()) else {
            panic!("{text} is no object");
        };
        for (name, value) in members.iter() {
            let column = table.column_id(name).expect("the column is there");
            let ty = &table.column(column).ty;
            row[column.index()] =
                Datum::from_json(value, ty, &mut Symbols::none()).expect("it fits");
        }
        row
    });
    let rows = rows.collect();
    (id, Arc::new(Fixed { rows }))
}

fn contents(schema: &Schema) -> Contents {
    let one = uuid(0x11);
    let two = uuid(0x12);
    let upper = format!(
        r#"{{"name": "upper", "height": 2.5, "free": true,
            "items": ["set", [["uuid", "{one}"], ["uuid", "{two}"]]], "index": ["set", [3, 1]]}}"#
    );
    let lower = format!(r#"{{"name": "lower", "note": "wet", "items": ["uuid", "{two}"]}}"#);
    Contents::new([
        table(
            schema,
            "Shelf",
            &[(1, &upper), (2, &lower), (3, r#"{"name": "none"}"#)],
        ),
        table(
            schema,
            "Item",
            &[
                (
                    0x11,
                    r#"{"name": "cup", "count": 5, "labels": ["map", [["a", "x\"y"], ["b", ""]]]}"#,
                ),
                (
                    0x12,
                    r#"{"name": "pot", "count": -1, "ranks": ["map", [[-7, 1.5], [10, 2]]]}"#,
                ),
            ],
        ),
        table(schema, "item", &[(0x21, r#"{"Name": "t", "name": 4}"#)]),
    ])
}

fn answer(statement: &str) -> Result<Answer, SqlError> {
    let schema = schema();
    let catalog = Catalog::new(Arc::clone(&schema));
    Query::new(&catalog, statement)?.answer(&contents(&schema))
}

/// The rows of the answer, values set apart by `|`.
fn rows(statement: &str) -> Vec<String> {
    let answer = answer(statement).unwrap_or_else(|error| panic!("{statement}: {error}"));
    let rows = answer.rows.iter().map(|row| {
        let values = row.iter().map(|value| match value {
            Value::Null => "NULL".to_owned(),
            Value::Integer(value) => value.to_string(),
            Value::Real(value) => format!("{value:?}"),
            Value::Text(text) => text.clone(),
            Value::Blob(bytes) => format!("{bytes:?}"),
        });
        values.collect::<Vec<_>>().join("|")
    });
    rows.collect()
}

#[test]
fn values_of_each_type_are_those_of_sql() {
    let cases: &[(&str, &[&str])] = &[
        (
            "SELECT name, height, free, note, \"index\" FROM Shelf ORDER BY name",
            &[
                "lower|0.0|0|wet|[]",
                "none|0.0|0|NULL|[]",
                "upper|2.5|1|NULL|[1,3]",
            ],
        ),
        (
            "SELECT typeof(height), typeof(free) FROM shelf LIMIT 1",
            &["real|integer"],
        ),
        (
            "SELECT labels, ranks, labels->>'a' FROM Item ORDER BY name",
            &[
                r#"{"a":"x\"y","b":""}|{}|x"y"#,
                r#"{}|{"-7":1.5,"10":2.0}|NULL"#,
            ],
        ),
        (
            "SELECT _uuid, _version FROM Item WHERE name = 'cup'",
            &["00000000-0000-4000-8000-000000000011|00000000-0000-0000-0000-000000000000"],
        ),
        (
            "SELECT * FROM Item_2 WHERE 1",
            &["00000000-0000-4000-8000-000000000021|t|4"],
        ),
        ("SELECT count(*) FROM Shelf", &["3"]),
        ("SELECT name FROM Shelf WHERE free", &["upper"]),
        ("SELECT 1 WHERE 1 = 2", &[]),
    ];
    for (statement, expected) in cases {
        // The numbers of JSON may be written with and without a fraction of zero.
        let found: Vec<String> = rows(statement)
            .iter()
            .map(|row| row.replace("2.0}", "2}"))
            .collect();
        let expected: Vec<String> = expected
            .iter()
            .map(|row| row.replace("2.0}", "2}"))
            .collect();
        assert_eq!(found, expected, "{statement}");
    }
}

#[test]
fn elements_of_sets_and_maps_are_tables() {
    let cases: &[(&str, &[&str])] = &[
        (
            "SELECT s.name, i.name FROM Shelf s JOIN Shelf__items e ON e._uuid = s._uuid \
             JOIN Item i ON i._uuid = e.value ORDER BY 1, 2",
            &["lower|pot", "upper|cup", "upper|pot"],
        ),
        (
            "SELECT key, value FROM Item__labels ORDER BY 1",
            &["a|x\"y", "b|"],
        ),
        (
            "SELECT key, value FROM Item__ranks ORDER BY 1",
            &["-7|1.5", "10|2.0"],
        ),
        ("SELECT value FROM Shelf__index WHERE value = 3", &["3"]),
        (
            "SELECT count(*) FROM Item__labels WHERE key = 'a' AND value = 'b'",
            &["0"],
        ),
        (
            "SELECT s.name, j.value FROM Shelf s, json_each(s.\"index\") j ORDER BY 2",
            &["upper|1", "upper|3"],
        ),
        (
            "SELECT s.name, count(e.value) FROM Shelf s LEFT JOIN Shelf__items e USING (_uuid) \
             GROUP BY s._uuid ORDER BY 1",
            &["lower|1", "none|0", "upper|2"],
        ),
    ];
    for (statement, expected) in cases {
        assert_eq!(rows(statement), *expected, "{statement}");
    }
}

/// Where SQLite would convert values before it compares them, or compares otherwise, an index must not hide a row.
#[test]
fn comparisons_follow_the_rules_of_sql() {
    let cases: &[(&str, i64)] = &[
        ("count = 5", 1),
        ("count = 5.0", 1),
        ("count = 5.5", 0),
        ("count = '5'", 1),
        ("count = ' 5 '", 1),
        ("count = '5e0'", 1),
        ("count = char(9, 10, 11, 12, 13, 32) || '5'", 1),
        ("count = '0x5'", 0),
        ("count = 'five'", 0),
        ("count = NULL", 0),
        ("count = x'35'", 0),
        ("count = 1e300", 0),
        ("count = 9223372036854775807", 0),
        ("count IN (5, -1, 7)", 2),
        ("count = 5 OR name = 'pot'", 2),
        ("count IS 5", 1),
        ("name = 'cup'", 1),
        ("name = 'CUP'", 0),
        ("name = 'CUP' COLLATE NOCASE", 1),
        ("name COLLATE NOCASE = 'Cup'", 1),
        ("name = 'cup' AND count = 5", 1),
        ("name = 'cup' AND count = -1", 0),
        ("name = 'cup' AND name = 'pot'", 0),
        ("_uuid = '00000000-0000-4000-8000-000000000011'", 1),
        ("_uuid = 'no uuid'", 0),
        ("_uuid = 5", 0),
        ("labels = '{}'", 1),
        ("labels IS NULL", 0),
    ];
    for (condition, expected) in cases {
        let statement = format!("SELECT count(*) FROM Item WHERE {condition}");
        assert_eq!(rows(&statement), [expected.to_string()], "{condition}");
    }
    let shelves = [
        ("height = 0", 2),
        ("height = -0.0", 2),
        ("height = 2.5", 1),
        ("height = '2.5'", 1),
        ("free = TRUE", 1),
        ("free = 1.0", 1),
        ("note IS NULL", 2),
        ("note = NULL", 0),
        ("note IS NOT NULL", 1),
    ];
    for (condition, expected) in shelves {
        let statement = format!("SELECT count(*) FROM Shelf WHERE {condition}");
        assert_eq!(rows(&statement), [expected.to_string()], "{condition}");
    }
}

#[test]
fn a_statement_is_known_to_read_its_tables_and_columns_and_no_others() {
    let schema = schema();
    let catalog = Catalog::new(Arc::clone(&schema));
    let cases: &[(&str, &[&str])] = &[
        ("SELECT 1", &[]),
        ("SELECT count(*) FROM Item", &["Item:"]),
        ("SELECT _uuid FROM Item", &["Item:"]),
        ("SELECT name FROM Item", &["Item:name"]),
        ("SELECT 1 FROM Item ORDER BY count", &["Item:count"]),
        (
            "SELECT * FROM Shelf",
            &["Shelf:free,height,index,items,name,note"],
        ),
        ("SELECT _version FROM Shelf", &["Shelf:_version"]),
        ("SELECT count(*) FROM Shelf__items", &["Shelf:items"]),
        (
            "SELECT value FROM Item__labels WHERE key = 'a'",
            &["Item:labels"],
        ),
        (
            "WITH c AS (SELECT name AS n FROM Shelf) SELECT n FROM c WHERE n IN (SELECT name FROM Item)",
            &["Shelf:name", "Item:name"],
        ),
        (
            "SELECT (SELECT max(count) FROM Item) FROM Shelf, Item_2",
            &["Shelf:", "Item:count", "item:"],
        ),
    ];
    for (statement, expected) in cases {
        let query = Query::new(&catalog, statement).expect(statement);
        let mut found: Vec<String> = query
            .reads()
            .iter()
            .map(|(table, columns)| {
                let table = schema.table(table);
                let mut names: Vec<&str> = columns
                    .map(|column| table.column(column).name.as_str())
                    .collect();
                names.sort_unstable();
                format!("{}:{}", table.name, names.join(","))
            })
            .collect();
        found.sort();
        let mut expected = expected.to_vec();
        expected.sort_unstable();
        assert_eq!(found, expected, "{statement}");
    }
}

#[test]
fn text_is_compared_with_columns_of_numbers_as_numbers() {
    let schema = schema();
    let catalog = Catalog::new(Arc::clone(&schema));
    let rows = [
        (1, r#"{"name": "5", "count": 5}"#),
        (2, r#"{"name": " 5", "count": 6}"#),
        (3, r#"{"name": "5.0", "count": 7}"#),
        (4, r#"{"name": "cup", "count": 8}"#),
    ];
    let contents = Contents::new([table(&schema, "Item", &rows)]);
    for (condition, expected) in [
        ("name IN (SELECT count FROM Item)", 3),
        ("name IN (SELECT count + 0 FROM Item)", 1),
        ("name IN (SELECT name FROM Item WHERE count > 6)", 2),
        ("name NOT IN (SELECT count FROM Item)", 1),
        ("name IN ('5', 'cup')", 2),
        ("name IN (5)", 1),
        ("count IN (SELECT name FROM Item)", 1),
        (
            "EXISTS (SELECT 1 FROM Item other WHERE other.count = Item.name)",
            3,
        ),
    ] {
        let statement = format!("SELECT count(*) FROM Item WHERE {condition}");
        let query = Query::new(&catalog, &statement).expect(condition);
        let answer = query.answer(&contents).expect(condition);
        assert_eq!(
            answer.rows,
            [vec![ovsdb_sql::Value::Integer(expected)]],
            "{condition}"
        );
    }
}

#[test]
fn rows_of_common_table_expressions_are_counted() {
    for (statement, expected) in [
        (
            "WITH c AS (SELECT name FROM Item) SELECT count(*) FROM c",
            "2",
        ),
        (
            "WITH RECURSIVE c (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 9) SELECT count(*) FROM c",
            "9",
        ),
        (
            "SELECT count(*) FROM (SELECT DISTINCT name FROM Item) q",
            "2",
        ),
        (
            "WITH c AS (SELECT 1) SELECT name FROM Item, c WHERE count = 5",
            "cup",
        ),
    ] {
        assert_eq!(rows(statement), [expected], "{statement}");
    }
}

#[test]
fn nothing_but_one_question_is_answered() {
    let folder = std::env::temp_dir();
    let file = folder.join(format!("ovsdb-sql-{}.db", std::process::id()));
    let into = format!("VACUUM INTO '{}'", file.display());
    let attach = format!("ATTACH '{}' AS other", file.display());
    let statements = [
        "INSERT INTO Item (name) VALUES ('x')",
        "UPDATE Item SET name = 'x'",
        "DELETE FROM Item",
        "REPLACE INTO Item (name) VALUES ('x')",
        "WITH x AS (SELECT 1) INSERT INTO Item SELECT 1, 2, 3, 4, 5",
        "CREATE TABLE t (a)",
        "CREATE TEMP TABLE t AS SELECT * FROM Item",
        "CREATE VIEW v AS SELECT * FROM Item",
        "CREATE TEMP TRIGGER t AFTER DELETE ON Item BEGIN SELECT 1; END",
        "CREATE VIRTUAL TABLE v USING fts5(a)",
        "CREATE VIRTUAL TABLE temp.v USING Item",
        "CREATE INDEX i ON Item (name)",
        "DROP TABLE Item",
        "ALTER TABLE Item RENAME TO x",
        "PRAGMA query_only = 0",
        "PRAGMA temp_store = FILE",
        "PRAGMA table_info(Item)",
        "SELECT * FROM pragma_table_info('Item')",
        "SELECT * FROM pragma_database_list",
        "SELECT * FROM sqlite_schema",
        "SELECT * FROM sqlite_temp_schema",
        "SELECT * FROM dbstat",
        "SELECT load_extension('libm.so.6')",
        "SELECT fts3_tokenizer('simple')",
        "DETACH main",
        "ANALYZE",
        "REINDEX",
        "BEGIN",
        "COMMIT",
        "SAVEPOINT s",
        "VACUUM",
        &into,
        &attach,
        "SELECT 1; SELECT 2",
        "SELECT 1; DELETE FROM Item",
        "SELECT ?",
        "SELECT :name",
        "",
        " -- nothing",
    ];
    for statement in statements {
        let refused = answer(statement);
        assert!(refused.is_err(), "{statement}: {refused:?}");
    }
    assert!(!file.exists(), "{} was written", file.display());
    assert_eq!(rows("SELECT 1; -- and that is all"), ["1"]);
}

#[test]
fn errors_tell_the_place_and_what_may_be_meant() {
    let cases = [
        (
            "SELECT nam FROM Item",
            "line 1, character 8: no such column: nam (is \"name\" meant?)",
        ),
        (
            "SELECT i.name\n  FROM Itm AS i",
            "line 2, character 8: no such table: Itm (is \"Item\" meant?)",
        ),
        (
            "SELECT name\nFROM Item\nWHER 1",
            "line 3, character 6: near \"1\": syntax error",
        ),
        (
            "SELECT 'ä', x FROM Item",
            "line 1, character 13: no such column: x",
        ),
        (
            "SELECT 1; SELEC 2",
            "line 1, character 11: near \"SELEC\": syntax error",
        ),
        (
            "SELECT missing()",
            "line 1, character 8: no such function: missing",
        ),
    ];
    for (statement, expected) in cases {
        let error = answer(statement).expect_err(statement);
        assert_eq!(error.to_string(), expected, "{statement}");
    }
}

#[test]
fn values_of_columns_are_read_back_as_what_they_were() {
    let schema = schema();
    let contents = contents(&schema);
    let catalog = Catalog::new(Arc::clone(&schema));
    for name in ["Shelf", "Item"] {
        let statement = format!("SELECT * FROM {name} ORDER BY _uuid");
        let query = Query::new(&catalog, &statement).expect("it is sound");
        let answer = query.answer(&contents).expect("it has an answer");
        let (id, shape) = schema.table_by_name(name).expect("it is there");
        let rows = table_rows(&schema, id);
        assert_eq!(answer.rows.len(), rows.len());
        for (found, row) in answer.rows.iter().zip(&rows) {
            for (value, column) in found.iter().zip(&answer.columns) {
                let ty = column.ty.as_ref().expect("it is a column of the table");
                let place = shape.column_id(&column.name).expect("it is there").index();
                assert_eq!(
                    value.to_datum(ty).as_ref(),
                    Some(&row[place]),
                    "{}",
                    column.name
                );
            }
        }
    }
}

/// The rows of [`contents`], which are in order of their names.
fn table_rows(schema: &Schema, id: TableId) -> Vec<Vec<Datum>> {
    let all = contents(schema);
    let rows = all.rows(id).expect("it is there");
    (0..rows.len()).map(|n| rows.row(n).to_vec()).collect()
}
