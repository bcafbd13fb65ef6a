//! Writing to files and bringing them to the disk, whole and on any thread.
//!
//! Interrupted calls are repeated and short writes continued; what an error means for a log is its own business.

use std::io;
use std::sync::Arc;

use crate::doubt::Doubt;
use crate::error::LogError;
use crate::fs::File;

/// Syncs a log's file from any thread. See [`Log::sync_handle`](crate::Log::sync_handle).
#[derive(Clone)]
pub struct SyncHandle {
    pub(crate) file: Arc<dyn File>,
    pub(crate) doubt: Arc<Doubt>,
    pub(crate) name: String,
}

impl SyncHandle {
    /// Brings to the disk what had been appended when the handle was taken, and waits for it. The first of a file that was
    /// there before writes again what was read from it, unless that is known to be on the disk ([`Log::mark_safe`](crate::Log::mark_safe)), and
    /// syncs its folder, if that failed when it was opened.
    ///
    /// # Errors
    /// [`LogError::Io`]; tell the log with [`Log::sync_failed`](crate::Log::sync_failed).
    pub fn sync(&self) -> Result<(), LogError> {
        self.doubt.sync(self.file.as_ref(), &self.name)
    }
}

pub(crate) fn sync_file(file: &dyn File, name: &str) -> Result<(), LogError> {
    loop {
        match file.sync_data() {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(LogError::io(format!("{name}: fsync failed"), error)),
        }
    }
}

/// Writes all of `bytes` at `offset`.
pub(crate) fn write_full(file: &dyn File, bytes: &[u8], offset: u64) -> io::Result<()> {
    let mut done = 0;
    while done < bytes.len() {
        match file.write_at(&bytes[done..], offset + done as u64) {
            // No progress and no reason: trying for ever would hang the writer.
            Ok(0) => return Err(rustix::io::Errno::IO.into()),
            Ok(n) => done += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
