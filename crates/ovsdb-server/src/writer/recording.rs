//! The record of a commit: a long one is hashed by another thread while it is written.
//!
//! Nothing here touches the file. What comes of it does not depend on which threads there are.

use std::mem;
use std::sync::mpsc;

use ovsdb_engine::Commit;
use ovsdb_engine::record::{self, PIECE_BYTES, RecordOptions};
use ovsdb_log::Hasher;
use ovsdb_proto::schema::Schema;

use crate::journal::NewRecord;
use crate::limits;
use crate::runtime;

/// Room for a piece, and for a row that goes beyond it.
const ROOM_BYTES: usize = PIECE_BYTES + PIECE_BYTES / 4;

/// The record of a commit; `None` if it changed only columns that are not kept.
pub(super) fn record_of(
    schema: &Schema,
    commit: &Commit,
    options: RecordOptions<'_>,
) -> Option<NewRecord> {
    if commit.changes.len() <= limits::RECORD_ROWS_WHOLE {
        return record::commit_record(schema, commit, options).map(NewRecord::Whole);
    }
    let hashed = match runtime::is_simulated() {
        true => None,
        false => on_two_threads(schema, commit, options),
    };
    // Without a second thread it takes longer.
    hashed.unwrap_or_else(|| on_one_thread(schema, commit, options))
}

/// Hashes what it is given.
#[derive(Default)]
struct Hashing {
    parts: Vec<Vec<u8>>,
    hash: Hasher,
}

impl Hashing {
    fn take(&mut self, part: Vec<u8>) {
        self.hash.update(&part);
        self.parts.push(part);
    }

    fn finish(self) -> NewRecord {
        NewRecord::Parts {
            parts: self.parts,
            hash: self.hash,
        }
    }
}

/// Gives the text of the record to `take` in parts. False if there is none.
fn write(
    schema: &Schema,
    commit: &Commit,
    options: RecordOptions<'_>,
    mut take: impl FnMut(Vec<u8>),
) -> bool {
    let mut text = Vec::with_capacity(ROOM_BYTES);
    let mut piece = |text: &mut Vec<u8>| {
        take(mem::replace(text, Vec::with_capacity(ROOM_BYTES)));
    };
    let is_any = record::write_commit(schema, commit, options, &mut text, &mut piece);
    take(text);
    is_any
}

fn on_one_thread(
    schema: &Schema,
    commit: &Commit,
    options: RecordOptions<'_>,
) -> Option<NewRecord> {
    let mut hashing = Hashing::default();
    let is_any = write(schema, commit, options, |part| hashing.take(part));
    is_any.then(|| hashing.finish())
}

/// `None` if there is no second thread to be had.
fn on_two_threads(
    schema: &Schema,
    commit: &Commit,
    options: RecordOptions<'_>,
) -> Option<Option<NewRecord>> {
    let (full, parts) = mpsc::channel::<Vec<u8>>();
    let hasher = std::thread::Builder::new().name(String::from("hash"));
    let hashed = std::thread::scope(|scope| {
        let work = move || {
            let mut hashing = Hashing::default();
            parts.into_iter().for_each(|part| hashing.take(part));
            hashing
        };
        let hasher = hasher.spawn_scoped(scope, work).ok()?;
        let is_any = write(schema, commit, options, |part| {
            // Should nobody take it, that thread has panicked, which is told below.
            let _ = full.send(part);
        });
        drop(full);
        Some((is_any, hasher.join()))
    });
    match hashed? {
        (is_any, Ok(hashing)) => Some(is_any.then(|| hashing.finish())),
        (_, Err(panic)) => std::panic::resume_unwind(panic),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ovsdb_engine::{Context, Database, Outcome, Prepared, execute};
    use ovsdb_proto::json;
    use ovsdb_proto::operation::parse_transact;

    use super::*;
    use crate::runtime::fresh_uuid;

    const OPTIONS: RecordOptions<'static> = RecordOptions {
        date_ms: 1,
        comment: Some("many"),
        column_diff: true,
    };

    fn empty() -> Database {
        let schema = r#"{"name":"D","version":"1.0.0","tables":{"T":{"isRoot":true,"columns":{
            "kept":{"type":"string"},"shown":{"type":"string","ephemeral":true}}}}}"#;
        let schema = json::parse(schema.as_bytes()).expect("JSON");
        Database::new(Arc::new(Schema::from_json(&schema).expect("a schema")))
    }

    /// Runs operations that change something.
    fn run(database: &Database, operations: &str) -> (Database, Commit) {
        let operations = json::parse(format!("[{operations}]").as_bytes()).expect("JSON");
        let operations = operations.as_array().expect("an array");
        let transact = parse_transact(database.schema(), operations, &mut fresh_uuid);
        let mut fresh = fresh_uuid;
        match execute(database, &transact, &mut Context::unrestricted(&mut fresh)) {
            Outcome::Prepared(Prepared {
                commit: Some(commit),
                next,
                ..
            }) => (next, commit),
            other => panic!("{other:?}"),
        }
    }

    /// Inserts so many rows.
    fn insert(database: &Database, rows: usize) -> (Database, Commit) {
        let row = |at| {
            let value = format!("{at} {}", "x".repeat(at % 500));
            format!(r#"{{"op":"insert","table":"T","row":{{"kept":"{value}"}}}}"#)
        };
        run(database, &(0..rows).map(row).collect::<Vec<_>>().join(","))
    }

    #[test]
    fn a_long_record_is_the_text_and_hash_of_a_whole_one_on_one_thread_and_on_two() {
        let (database, commit) = insert(&empty(), limits::RECORD_ROWS_WHOLE + 2000);
        let schema = database.schema();
        let whole = record::commit_record(schema, &commit, OPTIONS).expect("a record");
        assert!(whole.len() > 2 * PIECE_BYTES);
        let mut hash = Hasher::default();
        hash.update(&whole);
        for record in [
            record_of(schema, &commit, OPTIONS),
            on_one_thread(schema, &commit, OPTIONS),
            on_two_threads(schema, &commit, OPTIONS).expect("a thread"),
        ] {
            let Some(NewRecord::Parts { parts, hash: found }) = record else {
                panic!("it is long");
            };
            assert!(parts.len() > 2);
            assert!(parts.concat() == whole);
            assert_eq!(found.digest(), hash.digest());
        }
    }

    #[test]
    fn changes_of_many_rows_of_which_nothing_is_kept_have_no_record() {
        let (database, _) = insert(&empty(), limits::RECORD_ROWS_WHOLE + 1);
        let (database, commit) = run(
            &database,
            r#"{"op":"update","table":"T","where":[],"row":{"shown":"x"}}"#,
        );
        assert!(commit.changes.len() > limits::RECORD_ROWS_WHOLE);
        assert!(record_of(database.schema(), &commit, OPTIONS).is_none());
        assert!(on_one_thread(database.schema(), &commit, OPTIONS).is_none());
    }
}
