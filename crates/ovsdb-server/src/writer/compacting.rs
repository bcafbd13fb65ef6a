//! When a writer has its file compacted, and what it does about the outcome.
//!
//! The contents are written elsewhere ([`compaction`](crate::compaction)); the writer only puts the finished file in place.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use ovsdb_log::Replacement;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::Writer;
use crate::compaction::{self, Compacted};
use crate::journal::JournalError;
use crate::limits;
use crate::runtime::Started;

/// A compaction that is under way.
pub(super) struct Running {
    pub(super) replies: Vec<oneshot::Sender<Result<(), JournalError>>>,
    /// Where the journal's records end, for the compacting thread.
    pub(super) end: Arc<AtomicU64>,
    attempts: u32,
    pub(super) thread: Started,
}

impl Writer {
    pub(super) fn compact_if_due(&mut self) {
        if self.compaction.is_some() || self.stop.is_some() {
            return;
        }
        let heals = self.heal_at.is_some_and(|at| at <= Instant::now());
        let is_due = |growth| self.clock.is_due(&growth);
        if heals || self.journal.growth().is_some_and(is_due) {
            self.start_compaction(Vec::new(), 1);
        }
    }

    pub(super) fn start_compaction(
        &mut self,
        replies: Vec<oneshot::Sender<Result<(), JournalError>>>,
        attempts: u32,
    ) {
        let replacement = match self.journal.begin_compaction() {
            Ok(Some(replacement)) => replacement,
            Ok(None) => return answer_all(replies, &Ok(())),
            Err(error) => return self.end_compaction(replies, &Err(error)),
        };
        // The head, not the last accepted version: the records of what is ahead are in the file already. Should one of
        // them be taken back, the journal refuses the replacement.
        let end = Arc::new(AtomicU64::new(self.journal.end()));
        match compaction::start(
            replacement,
            self.head.clone(),
            self.journal.id(),
            end.clone(),
            self.queue.clone(),
        ) {
            Ok(thread) => {
                self.compaction = Some(Running {
                    replies,
                    end,
                    attempts,
                    thread,
                });
            }
            Err(error) => self.end_compaction(replies, &Err(error)),
        }
    }

    pub(super) fn finish_compaction(&mut self, compacted: Compacted) {
        let Some(Running {
            replies, attempts, ..
        }) = self.compaction.take()
        else {
            return;
        };
        let before = Instant::now();
        let retracted = |error: &JournalError| {
            matches!(
                error,
                JournalError::Log(ovsdb_log::LogError::StaleReplacement { .. })
            )
        };
        let result = compacted
            .result
            .and_then(|new: Replacement| self.journal.finish_compaction(new));
        match &result {
            Ok(()) => {
                self.status.trouble.lock().take();
                let (thread, write) = (compacted.thread, before.elapsed());
                self.status.meters.compactions.add_time(thread + write);
                compaction::log_duration(&self.head.schema().name, thread, write);
            }
            // Records were taken back meanwhile: what was written holds too much.
            Err(error) if retracted(error) && attempts < limits::COMPACTION_ATTEMPTS_MAX => {
                return self.start_compaction(replies, attempts + 1);
            }
            Err(_) => {}
        }
        self.end_compaction(replies, &result);
    }

    pub(super) fn end_compaction(
        &mut self,
        replies: Vec<oneshot::Sender<Result<(), JournalError>>>,
        result: &Result<(), JournalError>,
    ) {
        match result {
            Ok(()) => {
                self.clock.restart();
                self.heal_at = None;
            }
            Err(error) => {
                self.status.meters.compactions_failed.add(1);
                if self.heal_at.is_some() {
                    self.heal_at = Some(Instant::now() + limits::HEAL_INTERVAL);
                }
                if replies.is_empty() {
                    tracing::info!(target: "ovsdb_server", "{error}");
                }
                self.clock.retry();
                if let Some(trouble) = self.journal.trouble() {
                    *self.status.trouble.lock() = Some(trouble);
                }
            }
        }
        answer_all(replies, result);
    }
}

fn answer_all(
    replies: Vec<oneshot::Sender<Result<(), JournalError>>>,
    result: &Result<(), JournalError>,
) {
    for reply in replies {
        // Who asked may have gone.
        let _ = reply.send(result.clone());
    }
}
