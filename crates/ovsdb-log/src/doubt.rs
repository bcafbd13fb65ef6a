//! What was in a file when it was opened, and may be lost in a power cut however often the file is synced.
//!
//! A sync that fails makes the system forget what it could not write: the data can be read as long as the machine is up, and
//! no later sync brings them to the disk. Whoever was told of the failure writes the file anew, but may be killed before,
//! and the next process sees nothing of it. So before that promises anything for the first time, it writes again, byte
//! for byte and at the same place, what it found. Nothing here changes what a reader of the file sees.
//!
//! The same goes for the file's name: whoever gave it may have been killed before the folder was synced. That is done when
//! the file is opened, and here only if it failed.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use crate::digest::Hasher;
use crate::error::LogError;
use crate::fs::{File, FileSystem};
use crate::header::Header;

use crate::path::sync_directory_of;
use crate::reader::Reader;
use crate::sync::{sync_file, write_full};

/// How much is written again at a time at least, but for the last time, in bytes.
const STEP_BYTES: usize = 512 << 10;

/// A range of records of one file, and its name. There is no doubt once they are known to be on the disk.
#[derive(Default)]
pub(crate) struct Doubt {
    magic: String,
    doubted: Mutex<Doubted>,
}

#[derive(Default)]
struct Doubted {
    range: Range<u64>,
    name: Option<Name>,
}

/// What a file is called where. It is no symbolic link.
pub(crate) type Name = (Arc<dyn FileSystem>, PathBuf);

impl Doubt {
    /// Doubts the records of `range`, and that the file has this name, if one is given.
    pub(crate) fn new(magic: &str, range: Range<u64>, name: Option<Name>) -> Doubt {
        Doubt {
            magic: magic.to_owned(),
            doubted: Mutex::new(Doubted { range, name }),
        }
    }

    /// Syncs the file, including what is in doubt.
    ///
    /// # Errors
    /// [`LogError::Io`]. If what was in doubt cannot be read any more as it was, that is one as well.
    pub(crate) fn sync(&self, file: &dyn File, name: &str) -> Result<(), LogError> {
        let mut doubted = self.doubted.lock().unwrap_or_else(PoisonError::into_inner);
        if !doubted.range.is_empty() {
            self.write_again(file, name, doubted.range.clone())?;
        }
        sync_file(file, name)?;
        if let Some((fs, path)) = &doubted.name {
            sync_directory_of(fs.as_ref(), path)?;
        }
        *doubted = Doubted::default();
        Ok(())
    }

    /// Writes records where they are read, if they still are what was read before: the system may have given up what it
    /// could not write.
    fn write_again(&self, file: &dyn File, name: &str, range: Range<u64>) -> Result<(), LogError> {
        let failed = |error| LogError::io(format!("{name}: read failed"), error);
        let changed = || failed(rustix::io::Errno::IO.into());
        let mut reader = Reader::default();
        let mut again = Again::new(file, name, range.start);
        let mut offset = range.start;
        while offset < range.end {
            let line = reader.line(file, offset).map_err(failed)?;
            let header = Header::parse(line).ok_or_else(changed)?;
            offset += line.len() as u64;
            // What is behind the range is being written by others.
            let is_whole = offset <= range.end && header.length <= range.end - offset;
            if header.magic != self.magic.as_bytes() || !is_whole {
                return Err(changed());
            }
            let (length, sha1) = (header.length, header.sha1);
            again.push(line)?;
            let (mut hasher, mut written) = (Hasher::default(), Ok(()));
            let mut write = |piece: &[u8]| {
                hasher.update(piece);
                if written.is_ok() {
                    written = again.push(piece);
                }
            };
            reader
                .pieces(file, offset, length, &mut write)
                .map_err(|short| short.error.map_or_else(changed, failed))?;
            written?;
            if hasher.digest() != sha1 {
                return Err(changed());
            }
            offset += length;
        }
        again.flush()
    }
}

/// Writes bytes where they are, many at a time.
struct Again<'a> {
    file: &'a dyn File,
    name: &'a str,
    /// Where the first of `bytes` is.
    offset: u64,
    bytes: Vec<u8>,
}

impl<'a> Again<'a> {
    fn new(file: &'a dyn File, name: &'a str, offset: u64) -> Again<'a> {
        Again {
            file,
            name,
            offset,
            bytes: Vec::new(),
        }
    }

    /// Takes what is behind the bytes that it had before.
    fn push(&mut self, bytes: &[u8]) -> Result<(), LogError> {
        self.bytes.extend_from_slice(bytes);
        match self.bytes.len() < STEP_BYTES {
            true => Ok(()),
            false => self.flush(),
        }
    }

    fn flush(&mut self) -> Result<(), LogError> {
        let failed = |error| LogError::io(format!("{}: write failed", self.name), error);
        write_full(self.file, &self.bytes, self.offset).map_err(failed)?;
        self.offset += self.bytes.len() as u64;
        self.bytes.clear();
        Ok(())
    }
}
