//! The reader of texts against that of trees, and what is wrong in words.

use proptest::prelude::*;

use super::*;
use crate::arbitrary::{a_json, schema};
use crate::json::Object;
use crate::obj;

const A: &str = "00000000-0000-0000-0000-00000000000a";
const B: &str = "00000000-0000-0000-0000-00000000000b";
/// The same row as [`B`].
const B_TOO: &str = "00000000-0000-0000-0000-00000000000B";

fn reader() -> UpdatesReader {
    UpdatesReader::new(Arc::new(schema()))
}

/// Reads `text`, which the cursor must not stop at.
#[track_caller]
fn read(form: Form, text: &str) -> TableUpdates {
    let mut reader = reader();
    let updates = reader.read_text(form, text).unwrap();
    assert_eq!(reader.read(form, text.as_bytes()), Ok(updates.clone()));
    let json = json::parse(text.as_bytes()).unwrap();
    assert_eq!(reader.read_json(form, &json), Ok(updates.clone()), "{text}");
    updates
}

/// An update in words that are easy to compare: table, last digit of the row, and what became of it, with the columns that
/// have not their default values.
fn words(updates: &TableUpdates) -> Vec<String> {
    let schema = schema();
    let mut words = Vec::new();
    for TableUpdate { table, rows } in updates {
        let table = schema.table(*table);
        let json = |(id, datum): (ColumnId, &Datum)| {
            let column = table.column(id);
            format!(" {}={}", column.name, datum.to_json(&column.ty))
        };
        for (uuid, update) in rows {
            let (kind, columns) = match update {
                RowUpdate::Insert(row) | RowUpdate::Replace(row) => {
                    assert_eq!(row.len(), table.columns.len());
                    assert_eq!(row[0], Datum::from_atom(Atom::Uuid(*uuid)));
                    let told = table.column_ids().zip(&row[..]).skip(1);
                    let told = told.filter(|(id, datum)| **datum != table.defaults()[id.index()]);
                    let is_new = matches!(update, RowUpdate::Insert(_));
                    (if is_new { "+" } else { "=" }, told.map(json).collect())
                }
                RowUpdate::Modify(columns) => {
                    let columns = columns.iter();
                    ("~", columns.map(|(id, datum)| json((*id, datum))).collect())
                }
                RowUpdate::Delete => ("-", String::new()),
            };
            let row = uuid.to_string().split_off(Uuid::TEXT_LEN - 1);
            words.push(format!("{} {kind}{row}{columns}", table.name));
        }
    }
    words
}

#[test]
fn each_kind_of_update_is_read_as_what_became_of_the_row() {
    let cases: [(Form, &str, &[&str]); 12] = [
        (Form::Updates2, "{}", &[]),
        (Form::Updates2, r#"{"t":{}}"#, &[]),
        (
            Form::Updates2,
            r#"{"t":{"A":{"initial":{"i":7}},"B":{"insert":{}}}}"#,
            &["t +a i=7", "t +b"],
        ),
        (
            Form::Updates2,
            r#" { "t" : { "B" : { "modify" : { "s" : "x" , "i" : 1 } } , "A" : { "delete" : null } } } "#,
            &["t -a", "t ~b i=1 s=\"x\""],
        ),
        (
            Form::Updates2,
            r#"{"t":{"A":{"modify":{"is2":["set",[1,2,3]],"oi":["set",[]]}}}}"#,
            &[r#"t ~a is2=["set",[1,2,3]] oi=["set",[]]"#],
        ),
        (
            Form::Updates2,
            r#"{"t":{"A":{"delete":null}},"other":{"A":{"insert":{"name":"n"}}}}"#,
            &["other +a name=\"n\"", "t -a"],
        ),
        (Form::Updates, "{}", &[]),
        (
            Form::Updates,
            r#"{"t":{"A":{"new":{"i":7,"s":""}}}}"#,
            &["t +a i=7"],
        ),
        (
            Form::Updates,
            r#"{"t":{"A":{"old":{"i":6},"new":{"i":7,"s":"x"}}}}"#,
            &["t =a i=7 s=\"x\""],
        ),
        (
            Form::Updates,
            r#"{"t":{"A":{"new":{"i":7,"s":"x"},"old":{"i":6}}}}"#,
            &["t =a i=7 s=\"x\""],
        ),
        (Form::Updates, r#"{"t":{"A":{"old":{"i":6}}}}"#, &["t -a"]),
        (Form::Updates, r#"{"t":{"A":{"old":{}}}}"#, &["t -a"]),
    ];
    for (form, text, expected) in cases {
        let text = text.replace("\"A\"", &format!("\"{A}\""));
        let text = text.replace("\"B\"", &format!("\"{B}\""));
        assert_eq!(words(&read(form, &text)), expected, "{text}");
    }
}

#[test]
fn what_is_wrong_is_said_with_the_place_where_it_is() {
    let cases = [
        (Form::Updates2, "[]", "update: it is not an object"),
        (
            Form::Updates2,
            r#"{"x":{}}"#,
            "update of table x: there is no such table",
        ),
        (
            Form::Updates2,
            r#"{"t":7}"#,
            "update of table t: it is not an object",
        ),
        (
            Form::Updates2,
            r#"{"t":{"a":{"insert":{}}}}"#,
            "update of table t row a: the name of the row is not a UUID",
        ),
        (
            Form::Updates2,
            r#"{"t":{"A":{}}}"#,
            "update of table t row A: it has not the members of an update",
        ),
        (
            Form::Updates2,
            r#"{"t":{"A":{"insert":{},"delete":null}}}"#,
            "update of table t row A: it has not the members of an update",
        ),
        (
            Form::Updates2,
            r#"{"t":{"A":{"new":{}}}}"#,
            "update of table t row A: it has not the members of an update",
        ),
        (
            Form::Updates,
            r#"{"t":{"A":{"insert":{}}}}"#,
            "update of table t row A: it has not the members of an update",
        ),
        (
            Form::Updates,
            r#"{"t":{"A":{"new":null}}}"#,
            "update of table t row A: syntax \"null\": syntax error: row must be JSON object",
        ),
        (
            Form::Updates2,
            r#"{"t":{"A":{"insert":{"i":"x"}}}}"#,
            "update of table t row A: syntax \"\"x\"\": syntax error: expected integer",
        ),
        (
            Form::Updates2,
            r#"{"t":{"A":{"modify":{"zzz":1}}}}"#,
            "update of table t row A: syntax \"{\"zzz\":1}\": unknown column: No column zzz in table t.",
        ),
        (Form::Updates2, "{\"t\":{", ""),
        (Form::Updates2, "{}}", ""),
    ];
    for (form, text, expected) in cases {
        let text = text.replace("\"A\"", &format!("\"{A}\""));
        let error = reader().read(form, text.as_bytes()).unwrap_err();
        if expected.is_empty() {
            assert!(matches!(error.fault, Fault::Json(_)), "{text}: {error}");
        } else {
            assert_eq!(error.to_string().replace(A, "A"), expected, "{text}");
        }
    }
}

#[test]
fn of_tables_rows_and_columns_that_come_twice_the_last_counts() {
    let cases = [
        (
            r#"{"t":{"A":{"insert":{"i":1}}},"t":{"A":{"insert":{"i":2}}}}"#,
            "t +a i=2",
        ),
        (
            r#"{"t":{"A":{"insert":{"i":1}},"A":{"delete":null}}}"#,
            "t -a",
        ),
        (r#"{"t":{"A":{"insert":{"i":1,"i":3}}}}"#, "t +a i=3"),
    ];
    for (text, expected) in cases {
        let text = text.replace("\"A\"", &format!("\"{A}\""));
        let updates = reader().read(Form::Updates2, text.as_bytes()).unwrap();
        assert_eq!(words(&updates), [expected], "{text}");
    }
    // Two names of one row.
    let text = format!(r#"{{"t":{{"{B}":{{"insert":{{}}}},"{B_TOO}":{{"delete":null}}}}}}"#);
    let updates = reader().read(Form::Updates2, text.as_bytes()).unwrap();
    assert_eq!(updates[0].rows.len(), 1);
}

#[test]
fn a_row_keeps_the_name_under_which_it_is_told() {
    let text = format!(
        r#"{{"t":{{"{A}":{{"insert":{{"_uuid":["uuid","{B}"]}}}},"{B}":{{"modify":{{"_uuid":["uuid","{A}"]}}}}}}}}"#
    );
    let updates = reader().read(Form::Updates2, text.as_bytes()).unwrap();
    assert_eq!(words(&updates), ["t +a", "t ~b"]);
}

/// Values of columns, most of them as they should be.
const VALUES: [(&str, &str); 14] = [
    ("b", "true"),
    ("e", r#""left""#),
    ("e", r#""up""#),
    ("i", "-7"),
    ("i", "1e3"),
    ("is", r#"["set",[3,1,2]]"#),
    ("is2", r#"["set",[]]"#),
    ("oi", r#"["set",[]]"#),
    ("s", r#""a string that needs memory of its own""#),
    ("sm", r#"["map",[["b","x"],["a","y"]]]"#),
    ("u", r#"["uuid","3f1bd0d6-7f5e-4c21-9a07-00ff10a0b0c0"]"#),
    (
        "_version",
        r#"["uuid","3f1bd0d6-7f5e-4c21-9a07-00ff10a0b0c0"]"#,
    ),
    ("name", r#""n""#),
    ("nothing", "1"),
];

fn a_row() -> impl Strategy<Value = Json> {
    let column = prop::sample::select(VALUES.to_vec());
    prop::collection::vec(column, 0..4).prop_map(|columns| {
        let text = columns
            .iter()
            .map(|(name, value)| format!("\"{name}\":{value}"));
        let text = format!("{{{}}}", text.collect::<Vec<_>>().join(","));
        json::parse(text.as_bytes()).unwrap()
    })
}

fn an_object(
    names: &'static [&'static str],
    value: impl Strategy<Value = Json>,
    sizes: std::ops::Range<usize>,
) -> impl Strategy<Value = Json> {
    let member = (prop::sample::select(names), value);
    prop::collection::vec(member, sizes).prop_map(|members| {
        let mut object = Object::new();
        for (name, value) in members {
            object.insert(name, value);
        }
        Json::Object(object)
    })
}

/// What looks like an update, and mostly is one.
fn an_update() -> impl Strategy<Value = Json> {
    let row = prop_oneof![
        20 => (prop::sample::select(&["initial", "insert", "modify", "new", "old"][..]), a_row())
            .prop_map(|(name, row)| obj! { name => row }),
        4 => Just(obj! { "delete" => Json::Null }),
        4 => (a_row(), a_row()).prop_map(|(old, new)| obj! { "old" => old, "new" => new }),
        1 => an_object(&["insert", "delete", "new", "x"], a_row(), 0..3),
        1 => a_json(),
    ];
    let rows = prop_oneof![
        20 => an_object(&[A, B, B_TOO], row, 0..3),
        1 => an_object(&[A, "", "a"], a_json(), 0..2),
    ];
    prop_oneof![
        20 => an_object(&["t", "other"], rows, 0..3),
        1 => an_object(&["t", "strict", "unheard-of"], a_json(), 0..3),
        1 => a_json(),
    ]
}

proptest! {
    #[test]
    fn texts_are_read_as_trees_are(updates in prop::collection::vec(an_update(), 1..4), again in 0..40_usize) {
        for form in [Form::Updates, Form::Updates2] {
            let mut reader = reader();
            // Often enough that values come to be shared.
            for json in updates.iter().cycle().take(updates.len() + again) {
                let text = json.to_bytes();
                let Ok(parsed) = json::parse(&text) else {
                    prop_assert!(reader.read(form, &text).is_err());
                    continue;
                };
                let expected = reader.read_json(form, &parsed);
                if let Some(text) = std::str::from_utf8(&text).ok()
                    && let Ok(read) = reader.read_text(form, text)
                {
                    prop_assert_eq!(Ok(read), expected.clone(), "{}", text);
                }
                prop_assert_eq!(reader.read(form, &text), expected);
            }
        }
    }
}
