//! Another file system, the real disk for instance, whose operations fail and dawdle on demand.
//!
//! It loses nothing: a sync that fails has simply not been done.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ovsdb_log::{Access, Disk, File, FileSystem, HeldLock, LockError, OsError};

use super::faults::{Fault, Faults, Kind};

/// See the module's documentation. Clones share everything.
#[derive(Clone)]
pub struct FaultyDisk {
    under: Arc<dyn FileSystem>,
    /// What goes wrong.
    pub faults: Faults,
}

impl std::fmt::Debug for FaultyDisk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FaultyDisk")
            .field("faults", &self.faults)
            .finish_non_exhaustive()
    }
}

impl Default for FaultyDisk {
    fn default() -> FaultyDisk {
        FaultyDisk::over(Arc::new(Disk))
    }
}

struct FaultyFile {
    under: Arc<dyn File>,
    faults: Faults,
    path: PathBuf,
}

impl FaultyDisk {
    /// `under`, with faults.
    pub fn over(under: Arc<dyn FileSystem>) -> FaultyDisk {
        FaultyDisk {
            under,
            faults: Faults::default(),
        }
    }
}

/// The fault as an error; `Ok(true)` if only a part is to be done.
fn outcome(fault: Option<Fault>, kind: Kind) -> io::Result<bool> {
    match fault {
        None => Ok(false),
        Some(Fault::Short) => Ok(true),
        Some(Fault::ShortThen(_)) if kind == Kind::Write => Ok(true),
        Some(fault) => match fault.errno() {
            Some(errno) => Err(errno.into()),
            None => Ok(false),
        },
    }
}

impl FaultyDisk {
    fn meet(&self, kind: Kind, path: &Path) -> io::Result<()> {
        outcome(self.faults.meet(kind, path, 0), kind).map(|_| ())
    }
}

impl FileSystem for FaultyDisk {
    fn open(&self, path: &Path, access: Access) -> io::Result<Arc<dyn File>> {
        let kind = match access {
            Access::Read | Access::ReadWrite => Kind::Open,
            Access::Create | Access::CreateNew => Kind::Create,
        };
        self.meet(kind, path)?;
        Ok(Arc::new(FaultyFile {
            under: self.under.open(path, access)?,
            faults: self.faults.clone(),
            path: path.to_owned(),
        }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.meet(Kind::Rename, from)?;
        self.under.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.meet(Kind::Remove, path)?;
        self.under.remove(path)
    }

    fn sync_directory(&self, directory: &Path) -> io::Result<()> {
        self.meet(Kind::SyncDirectory, directory)?;
        self.under.sync_directory(directory)
    }

    fn read_link(&self, path: &Path) -> io::Result<PathBuf> {
        self.under.read_link(path)
    }

    fn exists(&self, path: &Path) -> bool {
        self.under.exists(path)
    }

    fn lock(&self, path: &Path) -> Result<Box<dyn HeldLock>, LockError> {
        self.meet(Kind::Lock, path)
            .map_err(|error| LockError::Os(OsError::from(error)))?;
        self.under.lock(path)
    }
}

impl FaultyFile {
    fn meet(&self, kind: Kind, length: usize) -> io::Result<bool> {
        outcome(self.faults.meet(kind, &self.path, length), kind)
    }
}

/// How much is done of what is done in part.
fn part(length: usize) -> usize {
    (length / 2).max(1).min(length)
}

impl File for FaultyFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let length = match self.meet(Kind::Read, buf.len())? {
            true => part(buf.len()),
            false => buf.len(),
        };
        self.under.read_at(&mut buf[..length], offset)
    }

    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize> {
        let length = match self.meet(Kind::Write, buf.len())? {
            true => part(buf.len()),
            false => buf.len(),
        };
        self.under.write_at(&buf[..length], offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.meet(Kind::Sync, 0)?;
        self.under.sync_data()
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.meet(Kind::SetLength, 0)?;
        self.under.set_len(length)
    }

    fn length(&self) -> io::Result<u64> {
        self.meet(Kind::Length, 0)?;
        self.under.length()
    }
}
