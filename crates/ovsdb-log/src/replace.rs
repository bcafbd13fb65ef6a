//! The new file of a compaction, written beside the log that it is going to replace.
//!
//! It holds a descriptor of the old file as well, so that it can copy the records appended there since: records do not
//! depend on where they stand, so they are copied as bytes. Dropped before its commit, it removes its file.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{LogError, OsError};
use crate::fs::{Access, File, FileSystem};
use crate::header;
use crate::log::{sync_file, write_full};
use crate::reader::read_full;

/// Small records are collected up to this size before they are written, in bytes.
const BUFFER_BYTES: usize = 1 << 20;

/// A log file in the making. See [`Log::replace_start`](crate::Log::replace_start).
///
/// It may be sent to another thread and filled there. Nothing of the old file is in it except what the caller appends
/// and [`Replacement::catch_up`] copies.
pub struct Replacement {
    fs: Arc<dyn FileSystem>,
    file: Arc<dyn File>,
    path: PathBuf,
    magic: String,
    old: Arc<dyn File>,
    /// Up to where the records of the old file are represented in this one.
    caught_up: u64,
    generation: u64,
    /// Bytes in the file.
    written: u64,
    /// Bytes still to be written behind those.
    buffer: Vec<u8>,
    /// Where the caller's records end and those copied from the old file begin; `None` before the first copy.
    base: Option<u64>,
    renamed: bool,
}

/// What a replacement leaves behind when it has its name.
pub(crate) struct Finished {
    pub(crate) file: Arc<dyn File>,
    pub(crate) length: u64,
    pub(crate) base: u64,
}

impl Replacement {
    pub(crate) fn create(
        fs: Arc<dyn FileSystem>,
        path: PathBuf,
        magic: String,
        old: Arc<dyn File>,
        old_offset: u64,
        generation: u64,
    ) -> Result<Replacement, LogError> {
        match fs.remove(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(LogError::io(
                    format!("failed to remove {}", path.display()),
                    error,
                ));
            }
            _ => {}
        }
        let file = fs
            .open(&path, Access::CreateNew)
            .map_err(|error| LogError::Open {
                name: path.display().to_string(),
                action: "create",
                code: error.into(),
            })?;
        Ok(Replacement {
            fs,
            file,
            path,
            magic,
            old,
            caught_up: old_offset,
            generation,
            written: 0,
            buffer: Vec::new(),
            base: None,
            renamed: false,
        })
    }

    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    /// Appends a record of the new contents: the schema first, then the data, as a log's own reader expects them.
    ///
    /// # Errors
    /// [`LogError::Io`]; the replacement is of no use any more.
    ///
    /// # Panics
    /// After [`Replacement::catch_up`]: what the file holds at the start cannot come behind later records.
    pub fn append(&mut self, payload: &[u8]) -> Result<(), LogError> {
        assert!(
            self.base.is_none(),
            "records of the old file have been copied already"
        );
        header::compose(&self.magic, payload, &mut self.buffer);
        if self.buffer.len() + payload.len() > BUFFER_BYTES {
            self.flush()?;
            return self.write(payload);
        }
        self.buffer.extend_from_slice(payload);
        Ok(())
    }

    /// Copies the records that the old file has gained, up to `old_offset`, the [`Log::offset`](crate::Log::offset)
    /// that the log's owner has told. Call it from the thread that wrote the contents, as often as it pays, so that
    /// little is left for the commit.
    ///
    /// # Errors
    /// [`LogError::Io`] or [`LogError::ShortData`]; the replacement is of no use any more.
    pub fn catch_up(&mut self, old_offset: u64) -> Result<(), LogError> {
        if self.base.is_none() {
            self.base = Some(self.length());
        }
        self.flush()?;
        let mut chunk = Vec::new();
        while self.caught_up < old_offset {
            let want = (old_offset - self.caught_up).min(BUFFER_BYTES as u64);
            chunk.resize(want as usize, 0);
            let (got, error) = read_full(self.old.as_ref(), &mut chunk, self.caught_up);
            if got < chunk.len() {
                return Err(LogError::ShortData {
                    name: self.path.display().to_string(),
                    length: want - got as u64,
                    offset: self.caught_up,
                    code: error.map(OsError::from),
                });
            }
            self.write(&chunk)?;
            self.caught_up += want;
        }
        Ok(())
    }

    /// The size of the new file so far, in bytes.
    pub fn length(&self) -> u64 {
        self.written + self.buffer.len() as u64
    }

    /// Brings everything written so far to the disk, so that the commit finds little left to do.
    ///
    /// # Errors
    /// [`LogError::Io`]; the replacement is of no use any more.
    pub fn sync(&mut self) -> Result<(), LogError> {
        self.flush()?;
        sync_file(self.file.as_ref(), &self.path.display().to_string())
    }

    fn flush(&mut self) -> Result<(), LogError> {
        let mut buffer = std::mem::take(&mut self.buffer);
        let result = self.write(&buffer);
        buffer.clear();
        self.buffer = buffer;
        result
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), LogError> {
        write_full(self.file.as_ref(), bytes, self.written).map_err(|error| {
            let code = OsError::from(error);
            tracing::warn!(target: "ovsdb_log", "{}: write failed ({code})", self.path.display());
            LogError::io(format!("{}: write failed", self.path.display()), code)
        })?;
        self.written += bytes.len() as u64;
        Ok(())
    }

    /// Gives the file the name `target`.
    pub(crate) fn rename(mut self, target: &Path) -> Result<Finished, LogError> {
        self.fs.rename(&self.path, target).map_err(|error| {
            let context = format!(
                "failed to rename \"{}\" to \"{}\"",
                self.path.display(),
                target.display()
            );
            LogError::io(context, error)
        })?;
        self.renamed = true;
        Ok(Finished {
            file: Arc::clone(&self.file),
            length: self.written,
            base: self.base.unwrap_or(self.written),
        })
    }
}

impl Drop for Replacement {
    fn drop(&mut self) {
        if !self.renamed {
            // Nobody is left to tell; the next replacement removes a leftover.
            let _ = self.fs.remove(&self.path);
        }
    }
}
