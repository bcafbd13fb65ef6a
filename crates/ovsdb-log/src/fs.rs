//! The few file operations a log needs, as traits, and the real disk behind them.
//!
//! Reads and writes name their offset: a file has no position of its own, so one may be read, written and synced from
//! several threads. Nothing here retries or interprets; that is the log's business.

use std::fs::OpenOptions;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::LockError;
use crate::lockfile::Lockfile;

/// How a file is to be opened.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Access {
    /// An existing file, for reading.
    Read,
    /// An existing file, for reading and writing.
    ReadWrite,
    /// A new or an existing file, for reading and writing.
    Create,
    /// A new file, for reading and writing; an error if the name exists.
    CreateNew,
}

/// An open file.
pub trait File: Send + Sync {
    /// Reads at most `buf.len()` bytes at `offset`; 0 at the end of the file.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes at most `buf.len()` bytes at `offset` and says how many.
    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize>;

    /// Brings the contents, and the length needed to reach them, to the disk.
    fn sync_data(&self) -> io::Result<()>;

    /// Cuts or extends the file to `length` bytes.
    fn set_len(&self, length: u64) -> io::Result<()>;

    /// How many bytes the file has; 0 for something that cannot say, as a pipe.
    fn length(&self) -> io::Result<u64>;
}

/// A lock that is held until this is dropped.
pub trait HeldLock: std::fmt::Debug + Send + Sync {}

/// A place where files live.
pub trait FileSystem: Send + Sync {
    /// Opens `path`; a new file gets mode 0660 as far as the umask leaves it.
    fn open(&self, path: &Path, access: Access) -> io::Result<Arc<dyn File>>;

    /// Gives the file `from` the name `to`, replacing what had that name.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Gives the file `from` the name `to`, which nothing may have: an error of the kind `AlreadyExists` otherwise. A file
    /// system that others change at the same time has to do this in one step.
    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        match self.exists(to) {
            true => Err(io::ErrorKind::AlreadyExists.into()),
            false => self.rename(from, to),
        }
    }

    /// Removes the name `path`.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Brings the names in the folder `directory` to the disk. A file system that cannot do this is not an error.
    fn sync_directory(&self, directory: &Path) -> io::Result<()>;

    /// The target of the symbolic link `path`; an error if it is none.
    fn read_link(&self, path: &Path) -> io::Result<PathBuf>;

    /// Whether `path`, links followed, names something.
    fn exists(&self, path: &Path) -> bool;

    /// Locks the file `path` against other writers, without waiting.
    ///
    /// # Errors
    /// See [`LockError`].
    fn lock(&self, path: &Path) -> Result<Box<dyn HeldLock>, LockError>;
}

/// The operating system's files.
#[derive(Clone, Copy, Debug, Default)]
pub struct Disk;

impl FileSystem for Disk {
    fn open(&self, path: &Path, access: Access) -> io::Result<Arc<dyn File>> {
        // Works even where the system has no such name.
        if access == Access::Read && path == Path::new("/dev/stdin") {
            let fd = io::stdin().as_fd().try_clone_to_owned()?;
            return Ok(Arc::new(std::fs::File::from(fd)));
        }
        let mut options = OpenOptions::new();
        options.read(true).mode(0o660);
        match access {
            Access::Read => &mut options,
            Access::ReadWrite => options.write(true),
            Access::Create => options.write(true).create(true),
            Access::CreateNew => options.write(true).create_new(true),
        };
        Ok(Arc::new(options.open(path)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        use rustix::io::Errno;
        match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
            // Not every file system can do that, but most of the others know second names.
            Err(Errno::INVAL | Errno::NOSYS) => {
                std::fs::hard_link(from, to)?;
                std::fs::remove_file(from)
            }
            renamed => Ok(renamed?),
        }
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    fn sync_directory(&self, directory: &Path) -> io::Result<()> {
        match std::fs::File::open(directory)?.sync_all() {
            Err(error) => match rustix::io::Errno::from_io_error(&error) {
                Some(rustix::io::Errno::INVAL | rustix::io::Errno::ROFS) => Ok(()),
                _ => Err(error),
            },
            Ok(()) => Ok(()),
        }
    }

    fn read_link(&self, path: &Path) -> io::Result<PathBuf> {
        std::fs::read_link(path)
    }

    fn exists(&self, path: &Path) -> bool {
        path.exists()
    }

    fn lock(&self, path: &Path) -> Result<Box<dyn HeldLock>, LockError> {
        Ok(Box::new(Lockfile::lock(path)?))
    }
}

impl HeldLock for Lockfile {}

impl File for std::fs::File {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        FileExt::read_at(self, buf, offset)
    }

    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize> {
        FileExt::write_at(self, buf, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        std::fs::File::sync_data(self)
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        std::fs::File::set_len(self, length)
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }
}
