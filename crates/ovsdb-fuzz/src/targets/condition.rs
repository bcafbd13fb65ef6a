//! A condition is written, read again and the same, and finds the rows that it admits, whichever way they are looked for.

use ovsdb_engine::{OpResult, Outcome};
use ovsdb_proto::condition::Condition;
use ovsdb_proto::json::{self, Json};
use ovsdb_proto::symbols::Symbols;

use crate::world;

/// See the module's documentation. The input is an array of clauses about the table with the most columns.
pub fn run(input: &[u8]) {
    let Some(clauses) = world::array(input) else {
        return;
    };
    let json = Json::Array(clauses);
    let database = world::database();
    let Some((id, table)) = database.schema().table_by_name("Root") else {
        return;
    };
    let Ok(condition) = Condition::from_json(table, &json, &mut Symbols::none()) else {
        return;
    };
    let text = condition.to_json(table);
    assert_eq!(
        Condition::from_json(table, &text, &mut Symbols::none()).as_ref(),
        Ok(&condition)
    );
    let rows = database.table(id);
    let admitted = rows
        .iter()
        .filter(|row| condition.meets_all(|column| row.get(column)));
    let expected = admitted.count();
    let select =
        format!(r#"[{{"op":"select","table":"Root","columns":["_uuid"],"where":{text}}}]"#);
    let select = json::parse(select.as_bytes()).expect("it is made of JSON");
    let operations = select.as_array().unwrap_or_default();
    match world::transact(&database, operations, &mut world::fresh(4)) {
        Outcome::Prepared(prepared) => match prepared.results.items() {
            [OpResult::Rows { rows, .. }] => assert_eq!(rows.len(), expected, "{text}"),
            other => panic!("a select gives rows: {other:?}"),
        },
        other => panic!("a select of a sound condition succeeds: {other:?}"),
    }
}
