//! Contents compared with what a server might answer.

use ovsdb_proto::schema::{Projection, Schema, Selection};
use ovsdb_proto::updates::{Form, UpdatesReader};

use super::*;

const SCHEMA: &str = r#"{"name":"db","tables":{
    "T":{"isRoot":true,"columns":{"i":{"type":"integer"},
        "s":{"type":{"key":"string","min":0,"max":"unlimited"}}}},
    "U":{"isRoot":true,"columns":{"n":{"type":"string"}}}}}"#;

fn uuid(n: usize) -> String {
    format!("00000000-0000-0000-0000-{n:012}")
}

fn projection() -> Arc<Projection> {
    let schema = Schema::from_json(&json::parse(SCHEMA.as_bytes()).unwrap()).unwrap();
    Arc::new(schema.project(&Selection::all()))
}

/// The version after this one and an update of table `T`: each row by its number with what became of it.
fn updated(version: &Version, rows: &[(usize, &str)]) -> Version {
    let rows = rows
        .iter()
        .map(|(n, row)| format!(r#""{}":{row}"#, uuid(*n)));
    let text = format!(r#"{{"T":{{{}}}}}"#, rows.collect::<Vec<_>>().join(","));
    let mut reader = UpdatesReader::new(Arc::clone(&version.projection().schema));
    let updates = reader.read(Form::Updates2, text.as_bytes()).unwrap();
    version.updated(updates).unwrap()
}

/// Compares, for each row, what it was before the question and after the answer with the answer, each in the words of
/// `RowUpdate`s or of an integer; `same` after `before` is the very same row. Returns the numbers of rows that are different,
/// and in doubt.
fn judge(cases: &[(Option<i64>, &str, Option<i64>)], is_quiet: bool) -> (Vec<usize>, Vec<usize>) {
    let mut before = Version::empty(projection());
    let mut changes = Vec::new();
    let mut found = Found::new();
    let table = before.schema().table_id("T").unwrap();
    for (n, (old, change, server)) in cases.iter().enumerate() {
        if let Some(old) = old {
            before = updated(&before, &[(n, &format!(r#"{{"insert":{{"i":{old}}}}}"#))]);
        }
        if !change.is_empty() {
            changes.push((n, *change));
        }
        if let Some(server) = server {
            let row = format!(
                r#"{{"_uuid":["uuid","{}"],"i":{server},"s":["set",[]]}}"#,
                uuid(n)
            );
            let row = json::parse(row.as_bytes()).unwrap();
            let (uuid, values) = read_row(before.schema().table(table), &row).unwrap();
            found.insert((table, uuid), values);
        }
    }
    let after = match is_quiet {
        true => before.clone(),
        false => updated(&before, &changes),
    };
    let outcome = compare(&before, &after, &found, &Scope::All);
    let number = |name: &RowName| -> usize {
        assert_eq!(name.table, "T");
        (0..cases.len())
            .find(|n| Uuid::parse(&uuid(*n)) == Some(name.row))
            .unwrap()
    };
    let different = outcome.different.iter().map(number).collect();
    (different, outcome.doubtful.iter().map(number).collect())
}

const TO_2: &str = r#"{"modify":{"i":2}}"#;
const NEW_2: &str = r#"{"insert":{"i":2}}"#;
const GONE: &str = r#"{"delete":null}"#;

#[test]
fn a_row_is_equal_if_it_was_so_before_or_after() {
    let cases = [
        (Some(1), "", Some(1)),
        (Some(1), TO_2, Some(1)),
        (Some(1), TO_2, Some(2)),
        (Some(1), GONE, Some(1)),
        (Some(1), GONE, None),
        (None, NEW_2, None),
        (None, NEW_2, Some(2)),
        (None, "", None),
    ];
    assert_eq!(judge(&cases, false), (vec![], vec![]));
}

#[test]
fn only_a_row_that_nobody_touched_is_different() {
    let cases = [
        (Some(1), "", Some(3)),
        (Some(1), "", None),
        (Some(1), TO_2, Some(3)),
        (Some(1), TO_2, None),
        (Some(1), GONE, Some(3)),
        (None, NEW_2, Some(3)),
        // It may have come and gone.
        (None, "", Some(3)),
    ];
    assert_eq!(judge(&cases, false), (vec![0, 1], vec![2, 3, 4, 5, 6]));
    let quiet = [(None, "", Some(3)), (Some(1), "", Some(1))];
    assert_eq!(judge(&quiet, true), (vec![0], vec![]));
}

#[test]
fn the_server_is_asked_for_the_rows_that_meet_any_clause() {
    let version = Version::empty(projection());
    let wanted = |text: &str| -> Wanted {
        let json = json::parse(text.as_bytes()).unwrap();
        let tables = json.as_object().unwrap().iter();
        let tables = tables.map(|(table, clauses)| (table.clone(), clauses.clone()));
        tables.collect()
    };
    let rows = |table: &str, n: usize| {
        let row = Uuid::parse(&uuid(n)).unwrap();
        let table = table.into();
        Scope::Rows(BTreeSet::from([RowName { table, row }]))
    };
    let cases = [
        (r#"{}"#, Scope::All, "T [], U []"),
        (r#"{"T":[false]}"#, Scope::All, "U []"),
        (
            r#"{"T":[false,["i","==",1],["i","==",2]],"U":[["n","==","x"],true]}"#,
            Scope::All,
            r#"T [["i","==",1]], T [["i","==",2]], U []"#,
        ),
        (
            r#"{"T":[["i","==",1]]}"#,
            rows("T", 7),
            r#"T [["_uuid","==",["uuid","00000000-0000-0000-0000-000000000007"]],["i","==",1]]"#,
        ),
        (
            r#"{"T":[false]}"#,
            rows("U", 7),
            r#"U [["_uuid","==",["uuid","00000000-0000-0000-0000-000000000007"]]]"#,
        ),
    ];
    for (conditions, scope, expected) in cases {
        let question = Question::new(&version, &wanted(conditions), &scope);
        let asked = question.operations.iter().map(|operation| {
            let table = operation.get("table").unwrap().as_str().unwrap();
            let columns = operation.get("columns").unwrap().to_string();
            let all = [("T", r#"["_uuid","i","s"]"#), ("U", r#"["_uuid","n"]"#)];
            assert!(all.contains(&(table, columns.as_str())), "{columns}");
            format!("{table} {}", operation.get("where").unwrap())
        });
        assert_eq!(asked.collect::<Vec<_>>().join(", "), expected);
    }
}

#[test]
fn the_digest_is_that_of_the_text_it_stands_for_however_the_rows_came() {
    let empty = Version::empty(projection());
    let once = updated(&empty, &[(1, r#"{"insert":{"i":1,"s":"x"}}"#), (2, NEW_2)]);
    let other = updated(&empty, &[(2, r#"{"insert":{"i":1}}"#)]);
    let other = updated(
        &other,
        &[(1, r#"{"insert":{"i":1,"s":["set",["x","y"]]}}"#)],
    );
    let other = updated(&other, &[(1, r#"{"modify":{"s":"y"}}"#), (2, TO_2)]);
    assert_eq!(once.digest(), other.digest());
    let text = concat!(
        "\"T\"\n",
        "00000000-0000-0000-0000-000000000001 [1,\"x\"]\n",
        "00000000-0000-0000-0000-000000000002 [2,[\"set\",[]]]\n",
        "\"U\"\n"
    );
    let expected = <[u8; 20]>::from(<sha1::Sha1 as sha1::Digest>::digest(text.as_bytes()));
    assert_eq!(once.digest().0, expected);
    assert_ne!(once.digest(), updated(&once, &[(2, GONE)]).digest());
    assert_ne!(once.digest(), empty.digest());
}
