//! A schema that is accepted is written, read again and the same, and can take the place of another.

use std::sync::Arc;

use ovsdb_engine::{Database, convert};
use ovsdb_proto::json;
use ovsdb_proto::schema::Schema;

use crate::world;

/// See the module's documentation.
pub fn run(input: &[u8]) {
    let Ok(json) = json::parse(input) else {
        return;
    };
    let Ok(schema) = Schema::from_json(&json) else {
        return;
    };
    let text = schema.to_json();
    let again = Schema::from_json(&text).expect("what was written is a schema");
    assert_eq!(again.to_json(), text);
    assert!(again.is_equivalent(&schema));
    let database = Database::new(Arc::new(schema.clone()));
    database
        .check_consistency()
        .expect("an empty database is consistent");
    // Rows may be in the way of a conversion; half of one there cannot be.
    if let Ok(conversion) = convert(&world::database(), schema, &mut world::fresh(7)) {
        conversion
            .database
            .check_consistency()
            .expect("a converted database is consistent");
    }
}
