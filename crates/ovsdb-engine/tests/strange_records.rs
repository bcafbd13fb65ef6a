//! Records that no program writes, but that a file may hold.

use std::sync::Arc;

use ovsdb_engine::{Database, record};
use ovsdb_proto::json;
use ovsdb_proto::schema::{ColumnId, Schema};
use ovsdb_proto::uuid::Uuid;

const SCHEMA: &str =
    r#"{"name":"D","tables":{"T":{"isRoot":true,"columns":{"n":{"type":"integer"}}}}}"#;

#[test]
fn a_row_has_the_uuid_under_which_its_record_has_it() {
    let schema = Schema::from_json(&json::parse(SCHEMA.as_bytes()).unwrap()).unwrap();
    let database = Database::new(Arc::new(schema));
    let name = "00000000-0000-0000-0000-000000000001";
    let other = "00000000-0000-0000-0000-000000000002";
    let text = format!(r#"{{"T":{{"{name}":{{"_uuid":["uuid","{other}"],"n":1}}}}}}"#);
    let mut fresh = || Uuid::from_bytes([7; 16]);
    let (database, _) = record::replay(&database, text.as_bytes(), &mut fresh).unwrap();
    let table = database.schema().table_id("T").unwrap();
    let uuid = Uuid::parse(name).unwrap();
    let row = database.row(table, &uuid).unwrap();
    assert_eq!(row.uuid(), uuid);
    assert_eq!(
        row.get(ColumnId::UUID).as_atom().unwrap().as_uuid(),
        Some(uuid)
    );
    database.check_consistency().unwrap();
}
