//! Pieces of what many clients are to be sent, in files from which they are sent without a copy for each.
//!
//! Each takes a descriptor and memory, so there are only so many at a time, none of them large. Whoever gets none does
//! without.

use std::sync::atomic::{AtomicUsize, Ordering};

use ovsdb_net::MemoryFile;

use crate::{limits, runtime};

/// How many there are in this process.
static FILES: AtomicUsize = AtomicUsize::new(0);

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct PieceFile {
    file: MemoryFile,
    _counted: Counted,
}

/// One of [`FILES`].
#[derive(Debug)]
struct Counted;

impl Counted {
    /// `None` if there are as many as there may be.
    fn another() -> Option<Counted> {
        let counted = FILES.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |files| {
            (files < limits::CONTENTS_FILES_MAX).then_some(files + 1)
        });
        counted.is_ok().then_some(Counted)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        FILES.fetch_sub(1, Ordering::Relaxed);
    }
}

impl PieceFile {
    /// A file that holds `bytes`. `None` if there can be none: whoever sends them does without.
    pub(super) fn of(bytes: &[u8]) -> Option<PieceFile> {
        if runtime::is_simulated() || bytes.len() > limits::CONTENTS_FILE_BYTES_MAX {
            return None;
        }
        let counted = Counted::another()?;
        Some(PieceFile {
            file: MemoryFile::of(bytes).ok()?,
            _counted: counted,
        })
    }

    pub(super) fn file(&self) -> &MemoryFile {
        &self.file
    }
}
