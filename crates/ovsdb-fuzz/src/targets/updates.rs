//! What a server tells a monitor is read as its tree says, however often it is told.

use ovsdb_proto::json;
use ovsdb_proto::schema::Selection;
use ovsdb_proto::updates::{Form, UpdatesReader};

use crate::world;

/// A reader begins to share what repeats after some rows.
const TIMES: usize = 40;

/// See the module's documentation. The first byte says in which form; the rest is the update.
pub fn run(input: &[u8]) {
    let Some((&flags, text)) = input.split_first() else {
        return;
    };
    let form = if flags & 1 == 0 {
        Form::Updates
    } else {
        Form::Updates2
    };
    let projection = world::database().schema().project(&Selection::all());
    let mut reader = UpdatesReader::new(projection.schema);
    let first = reader.read(form, text);
    match json::parse(text) {
        Ok(json) => assert_eq!(first, reader.read_json(form, &json)),
        Err(_) => assert!(first.is_err(), "what is no JSON is no update"),
    }
    if first.is_ok() {
        for _ in 0..TIMES {
            assert_eq!(reader.read(form, text), first);
        }
    }
}
