//! Reading the record that holds the contents of a compacted file: one thread reads and hashes, another one makes rows.
//!
//! What becomes of the pieces counts only if the record proves good at its end, and if it is as plain as
//! [`Loader`] wants it; otherwise it is read again and replayed like any other. So nothing is accepted here that
//! would not be accepted there.

use std::sync::Arc;
use std::sync::mpsc;

use ovsdb_engine::Database;
use ovsdb_engine::load::{Loader, NotPlain};
use ovsdb_log::{Log, LogError, PassedRecord};
use ovsdb_proto::schema::Schema;

use crate::runtime::{self, fresh_uuid};
use crate::seal;

/// Pieces between the two threads.
const PIECES_AHEAD: usize = 4;

/// The record after the schema.
pub(crate) struct First {
    pub(crate) record: PassedRecord,
    /// The contents, or `None` if the record has to be replayed to know them.
    pub(crate) database: Option<Database>,
}

/// Reads the next record of `log`, which is the one after the schema. `None` at the end of the file.
///
/// # Errors
/// As [`Log::read`].
pub(crate) fn read_first(log: &mut Log, schema: &Arc<Schema>) -> Result<Option<First>, LogError> {
    let (read, loaded) = if runtime::is_simulated() {
        on_one_thread(log, schema)
    } else {
        on_two_threads(log, schema)
    };
    let Some(record) = read? else {
        return Ok(None);
    };
    let database = loaded.and_then(|loader| loader.finish(&mut fresh_uuid));
    Ok(Some(First {
        record,
        database: database.ok(),
    }))
}

type Read<'s> = (
    Result<Option<PassedRecord>, LogError>,
    Result<Loader<'s>, NotPlain>,
);

fn on_one_thread<'s>(log: &mut Log, schema: &'s Arc<Schema>) -> Read<'s> {
    let mut loaded = Ok(Loader::new(schema));
    let read = log.read_in_pieces(seal::TAIL_BYTES, &mut |piece| take(&mut loaded, piece));
    (read, loaded)
}

fn on_two_threads<'s>(log: &mut Log, schema: &'s Arc<Schema>) -> Read<'s> {
    let mut loaded = Ok(Loader::new(schema));
    let (full, pieces) = mpsc::sync_channel::<Vec<u8>>(PIECES_AHEAD);
    let (empty, used) = mpsc::channel::<Vec<u8>>();
    let reader = std::thread::Builder::new().name(String::from("read"));
    let read = std::thread::scope(|scope| {
        let log = &mut *log;
        let work = move || {
            log.read_in_pieces(seal::TAIL_BYTES, &mut |piece| {
                let mut buffer = used.try_recv().unwrap_or_default();
                buffer.clear();
                buffer.extend_from_slice(piece);
                // Should nobody make rows any more, the hash is still wanted.
                let _ = full.send(buffer);
            })
        };
        let reader = reader.spawn_scoped(scope, work).ok()?;
        for piece in pieces {
            take(&mut loaded, &piece);
            let _ = empty.send(piece);
        }
        Some(reader.join())
    });
    match read {
        Some(Ok(read)) => (read, loaded),
        Some(Err(panic)) => std::panic::resume_unwind(panic),
        // Without a second thread it takes longer.
        None => on_one_thread(log, schema),
    }
}

fn take(loaded: &mut Result<Loader<'_>, NotPlain>, piece: &[u8]) {
    if let Ok(loader) = loaded
        && let Err(error) = loader.push(piece, &mut fresh_uuid)
    {
        *loaded = Err(error);
    }
}
