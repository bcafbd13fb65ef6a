//! Writing the contents of a compacted database file, on a thread of its own, while the writer goes on.
//!
//! The thread works on one version and copies the records written meanwhile; the writer only puts the finished file in
//! place. When compaction happens is decided elsewhere.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ovsdb_engine::Database;
use ovsdb_log::{LogError, Replacement};
use ovsdb_proto::uuid::Uuid;
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::journal::JournalError;
use crate::limits;
use crate::queue::Queue;
use crate::runtime::{self, NeverWaits, Started, Turn, Who, Worker, date_ms};
use crate::seal::write_sealed;
use crate::stopwatches;
use crate::writer::Event;

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
    replacement: Replacement,
    database: Database,
    id: Uuid,
    end: Arc<AtomicU64>,
    queue: Arc<Queue<Event>>,
) -> Result<Started, JournalError> {
    let compaction = Compaction {
        replacement: Some(replacement),
        next: Step::Write(database),
        id,
        end,
        queue,
        begun: Instant::now(),
    };
    let worker = Arc::new(Mutex::new(compaction));
    runtime::start(Who::Compaction, worker, Arc::new(NeverWaits))
        .map_err(|error| JournalError::Thread(error.to_string()))
}

/// A compaction on its way.
struct Compaction {
    /// `None` once it has been handed over.
    replacement: Option<Replacement>,
    next: Step,
    id: Uuid,
    end: Arc<AtomicU64>,
    queue: Arc<Queue<Event>>,
    begun: Instant,
}

/// What a compaction does next.
enum Step {
    /// Writes the contents of this version.
    Write(Database),
    /// Copies, for the nth time, what was written to the old file meanwhile.
    CatchUp(u32),
    /// Hands the new file over.
    HandOver,
}

impl Worker for Compaction {
    fn turn(&mut self) -> Turn {
        let Some(replacement) = &mut self.replacement else {
            return Turn::Closed;
        };
        let result = match &self.next {
            Step::Write(database) => write(replacement, database, self.id),
            Step::CatchUp(round) => catch_up(replacement, &self.end, *round),
            Step::HandOver => return self.hand_over(Ok(())),
        };
        match result {
            Ok(next) => self.next = next,
            Err(error) => return self.hand_over(Err(error.into())),
        }
        Turn::Again
    }
}

impl Compaction {
    fn hand_over(&mut self, result: Result<(), JournalError>) -> Turn {
        // The version may be the last one of its kind, and much to drop.
        self.next = Step::HandOver;
        if let Some(replacement) = self.replacement.take() {
            let compacted = Compacted {
                result: result.map(|()| replacement),
                thread: self.begun.elapsed(),
            };
            // Nobody listens any more if the database has been closed; the unfinished file goes away with the event.
            let _ = self.queue.push(Event::Compacted(Box::new(compacted)));
        }
        Turn::Closed
    }
}

fn write(replacement: &mut Replacement, database: &Database, id: Uuid) -> Result<Step, LogError> {
    let comment = "compacting database online";
    write_sealed(replacement, database, date_ms(), comment, id)?;
    replacement.sync()?;
    Ok(Step::CatchUp(1))
}

/// The more is copied here, the shorter the writer is held up by the rest.
fn catch_up(replacement: &mut Replacement, end: &AtomicU64, round: u32) -> Result<Step, LogError> {
    let upto = end.load(Ordering::Acquire);
    replacement.catch_up(upto)?;
    replacement.sync()?;
    let is_short = end.load(Ordering::Acquire) - upto < limits::COMPACTION_REST_BYTES;
    if is_short || round >= limits::COMPACTION_ROUNDS_MAX {
        Ok(Step::HandOver)
    } else {
        Ok(Step::CatchUp(round + 1))
    }
}

/// Tells and counts how long a compaction took, in the words that monitoring looks for.
pub(crate) fn log_duration(database: &str, thread: Duration, write: Duration) {
    let (thread_ms, write_ms) = (thread.as_millis(), write.as_millis());
    let all_ms = thread_ms + write_ms;
    stopwatches::COMPACTION.add(thread + write);
    let text = format_args!(
        "{database}: Database compaction took {all_ms}ms (init: 0ms, write: {write_ms}ms, thread: {thread_ms}ms)"
    );
    if all_ms > 1000 {
        tracing::info!(target: "ovsdb", "{text}");
    } else {
        tracing::debug!(target: "ovsdb", "{text}");
    }
}
