//! Whatever schema a server has, the part that a client chooses of it is a schema by which rows can be kept.

use std::sync::Arc;

use ovsdb_client::replica::Version;
use ovsdb_proto::json;
use ovsdb_proto::schema::{Schema, Selection};
use ovsdb_proto::updates::{Form, UpdatesReader};

/// See the module's documentation. Words up to the first line feed say what is chosen, as `TABLE` or `TABLE.COLUMN`, or `*`
/// for everything else; then comes the schema.
pub fn run(input: &[u8]) {
    let end = input.iter().position(|byte| *byte == b'\n');
    let (words, text) = input.split_at(end.unwrap_or(0));
    let (Ok(words), Ok(json)) = (std::str::from_utf8(words), json::parse(text)) else {
        return;
    };
    let Ok(schema) = Schema::from_json(&json) else {
        return;
    };
    check(&schema, &Selection::all());
    check(&schema, &selection(words));
}

fn selection(words: &str) -> Selection {
    let words = words.split_whitespace();
    words.fold(Selection::new(), |chosen, word| {
        match word.split_once('.') {
            None if word == "*" => Selection::all(),
            None => chosen.table(word),
            Some((table, columns)) => chosen.columns(table, columns.split(',')),
        }
    })
}

fn check(whole: &Schema, selection: &Selection) {
    let projection = Arc::new(whole.project(selection));
    let part = &projection.schema;
    for id in part.table_ids() {
        let table = part.table(id);
        assert_eq!(part.table_id(&table.name), Some(id));
        let (_, original) = whole.table_by_name(&table.name).expect("it was there");
        for &column in table.column_ids_by_name() {
            let column = table.column(column);
            let before = original.column_id(&column.name).expect("it was there");
            let before = &original.column(before).ty;
            let same = |ty: &ovsdb_proto::types::ColumnType| {
                (
                    ty.min,
                    ty.max,
                    ty.key.kind,
                    ty.value.as_ref().map(|value| value.kind),
                )
            };
            assert_eq!(same(&column.ty), same(before));
        }
    }
    for (table, column) in &projection.missing {
        let found = whole.table_by_name(table);
        let is_there = match (found, column) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some((_, table)), Some(column)) => table.column_id(column).is_some(),
        };
        assert!(!is_there, "{table} {column:?}");
    }
    // What was chosen of what was chosen is the same.
    let again = part.project(selection);
    assert!(again.schema.is_equivalent(part));

    let mut reader = UpdatesReader::new(Arc::clone(part));
    let nothing = reader
        .read(Form::Updates2, b"{}")
        .expect("nothing is in order");
    let empty = Version::empty(Arc::clone(&projection));
    let version = empty.replaced(Arc::clone(&projection), nothing);
    let version = version.expect("nothing fits everywhere");
    assert_eq!(version.n_rows(), 0);
    assert_eq!(version.digest(), empty.digest());
}
