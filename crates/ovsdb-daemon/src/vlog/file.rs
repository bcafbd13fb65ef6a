//! The log file: opened for appending, written a line at a time, opened again after rotation.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// The log file could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("failed to open {} for logging: {}", .path.display(), ovsdb_net::errno_text(.source))]
pub struct LogFileError {
    /// Its name.
    pub path: PathBuf,
    /// What the operating system said.
    #[source]
    pub source: io::Error,
}

impl LogFileError {
    /// The operating system's words alone.
    #[must_use]
    pub fn reason(&self) -> String {
        ovsdb_net::errno_text(&self.source)
    }
}

/// A name, and the open file unless it was closed.
#[derive(Debug, Default)]
pub(super) struct LogFile {
    /// As it was given, for messages.
    pub(super) name: Option<PathBuf>,
    /// Absolute, so that a daemon that has changed its folder opens the same file again.
    absolute: Option<PathBuf>,
    file: Option<File>,
    /// Its size, if nobody else writes to it.
    bytes: u64,
    /// The last line was written in part.
    is_torn: bool,
}

impl LogFile {
    /// Opens `name` for appending, making it if need be.
    pub(super) fn open(name: &Path) -> Result<Self, LogFileError> {
        let fail = |source| LogFileError {
            path: name.to_owned(),
            source,
        };
        let absolute = std::path::absolute(name).map_err(fail)?;
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o660)
            .open(&absolute)
            .map_err(fail)?;
        Ok(Self {
            name: Some(name.to_owned()),
            absolute: Some(absolute),
            bytes: file.metadata().map_or(0, |metadata| metadata.len()),
            file: Some(file),
            is_torn: false,
        })
    }

    /// The same name, opened anew.
    pub(super) fn open_again(&self) -> Option<Result<Self, LogFileError>> {
        let name = self.name.clone()?;
        let absolute = self.absolute.as_deref()?;
        Some(Self::open(absolute).map(|file| Self {
            name: Some(name),
            ..file
        }))
    }

    /// The size of the open file, in bytes, without asking the disk.
    pub(super) fn bytes(&self) -> Option<u64> {
        self.file.as_ref().map(|_| self.bytes)
    }

    pub(super) fn is_open(&self) -> bool {
        self.file.is_some()
    }

    pub(super) fn close(&mut self) {
        self.file = None;
    }

    /// Whether both are open on one file.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        let id = |file: &Self| {
            let metadata = file.file.as_ref()?.metadata().ok()?;
            Some((metadata.dev(), metadata.ino()))
        };
        id(self).is_some_and(|mine| id(other) == Some(mine))
    }

    /// Writes a line. A full disk must not stop the program, and there is nowhere else to say so. What follows a line of
    /// which there was room for a part only begins on a line of its own.
    pub(super) fn write(&mut self, line: &[u8]) {
        let Some(file) = &mut self.file else {
            return;
        };
        if self.is_torn {
            self.is_torn = file.write_all(b"\n").is_err();
        }
        let mut rest = line;
        while !rest.is_empty() && !self.is_torn {
            match file.write(rest) {
                Ok(count @ 1..) => {
                    self.bytes += count as u64;
                    rest = &rest[count..];
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(0) | Err(_) => {
                    self.is_torn = rest.len() < line.len();
                    return;
                }
            }
        }
    }

    /// Gives the file to another user.
    pub(super) fn change_owner(&self, uid: u32, gid: u32) -> io::Result<()> {
        match &self.file {
            Some(file) => std::os::unix::fs::fchown(file, Some(uid), Some(gid)),
            None => Ok(()),
        }
    }
}
