//! The new file of a compaction, written beside the log that it is going to replace.
//!
//! It holds a descriptor of the old file as well, so that it can copy the records appended there since: records do not
//! depend on where they stand, so they are copied as bytes. Dropped before its commit, it removes its file.
//!
//! A file that takes no other's place is made in the same way, without anything to copy.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::digest::{Digest, Hasher};
use crate::error::{LogError, OsError};
use crate::fs::{Access, File, FileSystem};
use crate::header;

use crate::reader::read_full;
use crate::sync::{sync_file, write_full};

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
    /// `None` if it takes no other's place.
    old: Option<Arc<dyn File>>,
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
        let mut new = Replacement::open(fs, path, magic, "create")?;
        new.old = Some(old);
        new.caught_up = old_offset;
        new.generation = generation;
        Ok(new)
    }

    /// Begins a log file that takes no other's place as yet, under a name for the time being. A leftover of that name is
    /// removed. See [`Replacement::leave`].
    ///
    /// # Errors
    /// [`LogError::Io`] or [`LogError::Open`].
    pub fn begin(
        fs: Arc<dyn FileSystem>,
        path: PathBuf,
        magic: &str,
    ) -> Result<Replacement, LogError> {
        // The words are those of the reference for a file that it opens or creates.
        Replacement::open(fs, path, magic.to_owned(), "create or open")
    }

    fn open(
        fs: Arc<dyn FileSystem>,
        path: PathBuf,
        magic: String,
        action: &'static str,
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
                action,
                code: error.into(),
            })?;
        Ok(Replacement {
            fs,
            file,
            path,
            magic,
            old: None,
            caught_up: 0,
            generation: 0,
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

    /// Begins a record whose data come in pieces, so that a long one takes little memory. Its header comes first in the
    /// file and is known last: room is left for it, for a length of as many digits as `expected_bytes` has.
    ///
    /// # Errors
    /// As [`Replacement::append`].
    ///
    /// # Panics
    /// As [`Replacement::append`].
    pub fn begin_record(&mut self, expected_bytes: u64) -> Result<RecordWriter<'_>, LogError> {
        assert!(
            self.base.is_none(),
            "records of the old file have been copied already"
        );
        self.flush()?;
        let start = self.written;
        self.written += self
            .header(expected_bytes, &Hasher::default().digest())
            .len() as u64;
        Ok(RecordWriter {
            begin: self.written,
            start,
            hasher: Hasher::default(),
            replacement: self,
        })
    }

    fn header(&self, length: u64, digest: &Digest) -> Vec<u8> {
        let mut header = Vec::new();
        header::compose_known(&self.magic, length, digest, &mut header);
        header
    }

    /// Moves what is between `from` and the end of the file so that it begins at `to`.
    fn shift(&mut self, from: u64, to: u64) -> Result<(), LogError> {
        let length = self.written - from;
        let mut chunk = vec![0; BUFFER_BYTES];
        let mut moved = 0;
        while moved < length {
            let step = (length - moved).min(BUFFER_BYTES as u64);
            // What is about to be overwritten must have been moved before.
            let at = if to < from {
                moved
            } else {
                length - moved - step
            };
            let chunk = &mut chunk[..step as usize];
            let (got, error) = read_full(self.file.as_ref(), chunk, from + at);
            if got < chunk.len() {
                let context = format!("{}: read failed", self.path.display());
                let error = error.unwrap_or_else(|| std::io::ErrorKind::UnexpectedEof.into());
                return Err(LogError::io(context, error));
            }
            self.write_at(chunk, to + at)?;
            moved += step;
        }
        self.written = to + length;
        if to < from {
            self.file.set_len(self.written).map_err(|error| {
                let context = format!(
                    "{}: cannot truncate to length {}",
                    self.path.display(),
                    self.written
                );
                LogError::io(context, error)
            })?;
        }
        Ok(())
    }

    /// Copies the records that the old file has gained, up to `old_offset`, the [`Log::offset`](crate::Log::offset)
    /// that the log's owner has told. Call it from the thread that wrote the contents, as often as it pays, so that
    /// little is left for the commit.
    ///
    /// # Errors
    /// [`LogError::Io`] or [`LogError::ShortData`], or [`LogError::StaleReplacement`] if the old file has become shorter,
    /// because records were taken back; the replacement is of no use any more.
    pub fn catch_up(&mut self, old_offset: u64) -> Result<(), LogError> {
        if self.base.is_none() {
            self.base = Some(self.length());
        }
        self.flush()?;
        let Some(old) = self.old.clone() else {
            return Ok(());
        };
        let mut chunk = Vec::new();
        while self.caught_up < old_offset {
            let want = (old_offset - self.caught_up).min(BUFFER_BYTES as u64);
            chunk.resize(want as usize, 0);
            let (got, error) = read_full(old.as_ref(), &mut chunk, self.caught_up);
            if got < chunk.len() {
                let name = self.path.display().to_string();
                return Err(match error {
                    None => LogError::StaleReplacement { name },
                    Some(error) => LogError::ShortData {
                        name,
                        length: want - got as u64,
                        offset: self.caught_up,
                        code: Some(OsError::from(error)),
                    },
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

    /// Brings everything to the disk and leaves the file under the name that it has, for the caller to give it another.
    ///
    /// # Errors
    /// As [`Replacement::sync`]; the file is removed then.
    pub fn leave(mut self) -> Result<(), LogError> {
        self.sync()?;
        self.renamed = true;
        Ok(())
    }

    fn flush(&mut self) -> Result<(), LogError> {
        let mut buffer = std::mem::take(&mut self.buffer);
        let result = self.write(&buffer);
        buffer.clear();
        self.buffer = buffer;
        result
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), LogError> {
        self.write_at(bytes, self.written)?;
        self.written += bytes.len() as u64;
        Ok(())
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> Result<(), LogError> {
        write_full(self.file.as_ref(), bytes, offset).map_err(|error| {
            let code = OsError::from(error);
            tracing::warn!(target: "ovsdb_log", "{}: write failed ({code})", self.path.display());
            LogError::io(format!("{}: write failed", self.path.display()), code)
        })
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

/// A record that is being written. See [`Replacement::begin_record`]. Dropped before its end, it leaves the replacement
/// without any use.
pub struct RecordWriter<'r> {
    replacement: &'r mut Replacement,
    /// Where its header is to begin, and where its data begin.
    start: u64,
    begin: u64,
    hasher: Hasher,
}

impl RecordWriter<'_> {
    /// Writes the next piece of the data.
    ///
    /// # Errors
    /// As [`Replacement::append`].
    pub fn write(&mut self, piece: &[u8]) -> Result<(), LogError> {
        self.hasher.update(piece);
        self.replacement.write(piece)
    }

    /// The digest of the data so far.
    pub fn digest(&self) -> Digest {
        self.hasher.digest()
    }

    /// Ends the record.
    ///
    /// # Errors
    /// As [`Replacement::append`].
    pub fn finish(self) -> Result<(), LogError> {
        let RecordWriter {
            replacement,
            start,
            begin,
            hasher,
        } = self;
        let header = replacement.header(replacement.written - begin, &hasher.digest());
        let due = start + header.len() as u64;
        if due != begin {
            replacement.shift(begin, due)?;
        }
        replacement.write_at(&header, start)
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
