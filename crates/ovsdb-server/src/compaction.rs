//! Writing the contents of a compacted database file, on a thread of its own, while the writer goes on.
//!
//! The thread works on one version and copies the records written meanwhile; the writer only puts the finished file in
//! place. When compaction happens is decided elsewhere.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ovsdb_engine::Database;
use ovsdb_log::{LogError, Replacement};
use ovsdb_proto::uuid::Uuid;

use crate::journal::JournalError;
use crate::limits;
use crate::queue::Queue;
use crate::seal::sealed_records;
use crate::writer::{Event, date_ms};

/// What the thread comes back with.
pub struct Compacted {
    /// The new file, complete but for the last few records.
    pub result: Result<Replacement, JournalError>,
    /// How long it took.
    pub thread: Duration,
}

impl std::fmt::Debug for Compacted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Compacted")
            .field("thread", &self.thread)
            .finish_non_exhaustive()
    }
}

/// Starts writing `database`, whose version is known as `id`, to `replacement`; [`Event::Compacted`] follows. `end` tells where the old file's records
/// end at any moment.
///
/// # Errors
/// The thread cannot be started.
pub(crate) fn start(
    mut replacement: Replacement,
    database: Database,
    id: Uuid,
    end: Arc<AtomicU64>,
    queue: Arc<Queue<Event>>,
) -> Result<JoinHandle<()>, JournalError> {
    let work = move || {
        let begun = Instant::now();
        let result = write(&mut replacement, &database, id, &end);
        drop(database);
        let result = result.map(|()| replacement).map_err(JournalError::from);
        let compacted = Compacted {
            result,
            thread: begun.elapsed(),
        };
        // Nobody listens any more if the database has been closed; the unfinished file goes away with the event.
        let _ = queue.push(Event::Compacted(Box::new(compacted)));
    };
    let builder = std::thread::Builder::new().name(String::from("compaction"));
    builder
        .spawn(work)
        .map_err(|error| JournalError::Thread(error.to_string()))
}

fn write(
    replacement: &mut Replacement,
    database: &Database,
    id: Uuid,
    end: &AtomicU64,
) -> Result<(), LogError> {
    for record in sealed_records(database, date_ms(), "compacting database online", id) {
        replacement.append(&record)?;
    }
    replacement.sync()?;
    // The more is copied here, the shorter the writer is held up by the rest.
    for _ in 0..limits::COMPACTION_ROUNDS_MAX {
        let upto = end.load(Ordering::Acquire);
        replacement.catch_up(upto)?;
        replacement.sync()?;
        if end.load(Ordering::Acquire) - upto < limits::COMPACTION_REST_BYTES {
            break;
        }
    }
    Ok(())
}

/// Tells how long a compaction took, in the words that monitoring looks for.
pub(crate) fn log_duration(database: &str, thread: Duration, write: Duration) {
    let (thread_ms, write_ms) = (thread.as_millis(), write.as_millis());
    let all_ms = thread_ms + write_ms;
    let text = format_args!(
        "{database}: Database compaction took {all_ms}ms (init: 0ms, write: {write_ms}ms, thread: {thread_ms}ms)"
    );
    if all_ms > 1000 {
        tracing::info!(target: "ovsdb", "{text}");
    } else {
        tracing::debug!(target: "ovsdb", "{text}");
    }
}
