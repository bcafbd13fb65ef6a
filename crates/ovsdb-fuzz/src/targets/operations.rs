//! A transaction leaves a consistent database, and its record leads there from the version before. Read straight from its
//! text it means the same.

use std::sync::Arc;

use ovsdb_engine::record::{RecordOptions, commit_record, replay, snapshot_record};
use ovsdb_engine::{Commit, Database, Outcome};
use ovsdb_proto::json::cursor::Cursor;
use ovsdb_proto::json::{self, Json};
use ovsdb_proto::operation::{parse_transact, read_transact};

use crate::world;

/// See the module's documentation. The input is the array of operations.
pub fn run(input: &[u8]) {
    let Some(operations) = world::array(input) else {
        return;
    };
    let before = world::database();
    check_read(&before, input, &operations);
    match world::transact(&before, &operations, &mut world::fresh(5)) {
        Outcome::Prepared(prepared) => {
            json::parse(&prepared.results.to_bytes()).expect("results are JSON");
            match &prepared.commit {
                Some(commit) => check_commit(&before, commit, &prepared.next),
                None => assert_eq!(world::kept(&before), world::kept(&prepared.next)),
            }
        }
        Outcome::Failed(results) => {
            json::parse(&results.to_bytes()).expect("results are JSON");
            assert!(results.error().is_some(), "who fails says why");
        }
        Outcome::Blocked { .. } => {}
    }
}

/// Checks that operations that can be read from their text are those that are parsed.
fn check_read(database: &Database, input: &[u8], operations: &[Json]) {
    let text = std::str::from_utf8(input).unwrap_or_default();
    let Some(text) = text.trim_start().strip_prefix('[') else {
        return;
    };
    let comma = if operations.is_empty() { "" } else { "," };
    let text = format!("{comma}{text} ");
    let schema = database.schema();
    let read = read_transact(schema, &mut Cursor::new(&text), &mut world::fresh(5));
    if let Ok(read) = read {
        let parsed = parse_transact(schema, operations, &mut world::fresh(5));
        assert_eq!(read, parsed);
    }
}

/// Checks that `commit` leads from one version to the other, in memory and by its records.
pub(super) fn check_commit(before: &Database, commit: &Commit, after: &Database) {
    after
        .check_consistency()
        .expect("the next version is consistent");
    let expected = world::kept(after);
    for column_diff in [true, false] {
        let options = RecordOptions {
            date_ms: 1,
            comment: Some("fuzz"),
            column_diff,
        };
        if let Some(record) = commit_record(after.schema(), commit, options) {
            let (read, _) =
                replay(before, &record, &mut world::fresh(6)).expect("a record is sound");
            assert_eq!(
                world::kept(&read),
                expected,
                "{}",
                String::from_utf8_lossy(&record)
            );
            read.check_consistency()
                .expect("what was read is consistent");
        }
    }
    let options = RecordOptions {
        date_ms: 1,
        comment: None,
        column_diff: false,
    };
    let snapshot = snapshot_record(after, options);
    let empty = Database::new(Arc::clone(after.schema()));
    let (read, _) = replay(&empty, &snapshot, &mut world::fresh(6)).expect("a snapshot is sound");
    assert_eq!(world::kept(&read), expected);
}
