//! The limits on what a statement may need. They hold for the process, so this test has one of its own.

use std::sync::Arc;

use ovsdb_proto::json;
use ovsdb_proto::schema::Schema;
use ovsdb_sql::{Answer, Catalog, Contents, Query, SqlError};

fn answer(statement: &str) -> Result<Answer, SqlError> {
    let schema = json::parse(br#"{"name": "Empty", "tables": {}}"#).expect("it is JSON");
    let schema = Schema::from_json(&schema).expect("it is a schema");
    let catalog = Catalog::new(Arc::new(schema));
    Query::new(&catalog, statement)?.answer(&Contents::default())
}

#[test]
fn a_statement_that_needs_too_much_memory_fails() {
    // The limit can be lowered and never raised, so this does not need all that it allows.
    let other = rusqlite::Connection::open_in_memory().expect("there is memory");
    other
        .pragma_update(None, "hard_heap_limit", 64 << 20)
        .expect("it can be lowered");
    // Rows without end, which have to be kept to be sorted.
    let endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) \
                   SELECT hex(zeroblob(1000000)) || x FROM n ORDER BY 1 LIMIT 1000";
    assert_eq!(answer(endless), Err(SqlError::TooMuchMemory));
    let long = "SELECT length(zeroblob(300000000))";
    assert!(
        matches!(answer(long), Err(SqlError::Failed(_))),
        "{:?}",
        answer(long)
    );
    // What was taken has been given back.
    assert!(answer("SELECT length(hex(zeroblob(10000000)))").is_ok());
}
