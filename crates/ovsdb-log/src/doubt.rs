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
use crate::reader::{Reader, read_full};
use crate::sync::{sync_file, write_full};

/// How much is written again at a time, in bytes.
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
        let range = &doubted.range;
        if !range.is_empty() {
            write_again(file, name, range.clone())?;
            self.check(file, name, range.clone())?;
        }
        sync_file(file, name)?;
        if let Some((fs, path)) = &doubted.name {
            sync_directory_of(fs.as_ref(), path)?;
        }
        *doubted = Doubted::default();
        Ok(())
    }

    /// Whether the file still holds what was read from it: the system may have given up what it could not write.
    fn check(&self, file: &dyn File, name: &str, range: Range<u64>) -> Result<(), LogError> {
        let changed = || LogError::io(format!("{name}: read failed"), rustix::io::Errno::IO);
        let mut reader = Reader::default();
        let mut offset = range.start;
        while offset < range.end {
            let line = reader
                .line(file, offset)
                .map_err(|error| LogError::io(format!("{name}: read failed"), error))?;
            let header = Header::parse(line).ok_or_else(changed)?;
            if header.magic != self.magic.as_bytes() {
                return Err(changed());
            }
            offset += line.len() as u64;
            let mut hasher = Hasher::default();
            reader
                .pieces(file, offset, header.length, &mut |piece| {
                    hasher.update(piece);
                })
                .map_err(|_| changed())?;
            if hasher.digest() != header.sha1 {
                return Err(changed());
            }
            offset += header.length;
        }
        match offset == range.end {
            true => Ok(()),
            false => Err(changed()),
        }
    }
}

fn write_again(file: &dyn File, name: &str, range: Range<u64>) -> Result<(), LogError> {
    let mut buffer = vec![0; STEP_BYTES];
    let mut offset = range.start;
    while offset < range.end {
        let left = usize::try_from(range.end - offset).unwrap_or(usize::MAX);
        let piece = &mut buffer[..left.min(STEP_BYTES)];
        let (got, error) = read_full(file, piece, offset);
        if got < piece.len() {
            let error = error.unwrap_or_else(|| rustix::io::Errno::IO.into());
            return Err(LogError::io(format!("{name}: read failed"), error));
        }
        write_full(file, piece, offset)
            .map_err(|error| LogError::io(format!("{name}: write failed"), error))?;
        offset += got as u64;
    }
    Ok(())
}
