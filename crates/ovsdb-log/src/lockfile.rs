//! The lock file `.NAME.~lock~` beside a database: one writer at a time.
//!
//! The lock is a POSIX record lock on the whole lock file (`F_SETLK`), so it conflicts with that of any other program
//! that follows ovsdb(7), and the system drops it when the process ends. The lock file itself is never removed.
//!
//! POSIX drops *all* locks of a process on a file when it closes *any* descriptor of that file. So a table of the files
//! locked by this process is asked first, and a lock file that is in it is never opened again.

use std::fs::OpenOptions;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::fs::{FlockOperation, fcntl_lock};
use rustix::process::{Flock, FlockType, fcntl_getlk};

use crate::error::{LockError, OsError};
use crate::fs::Disk;
use crate::path::follow_symlinks;

/// Device and inode of every lock file that this process holds.
static LOCKED: Mutex<Vec<(u64, u64)>> = Mutex::new(Vec::new());

fn locked() -> MutexGuard<'static, Vec<(u64, u64)>> {
    // No code that holds the mutex leaves the table half changed.
    LOCKED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The name of the lock file of `path`: beside the file that `path` leads to when it is a symbolic link, so that link
/// and target share one lock.
pub fn lock_name(path: &Path) -> PathBuf {
    let target = follow_symlinks(&Disk, path);
    let mut name = std::ffi::OsString::from(".");
    name.push(target.file_name().unwrap_or_default());
    name.push(".~lock~");
    target.with_file_name(name)
}

/// A held lock; dropping it unlocks.
#[derive(Debug)]
pub struct Lockfile {
    /// Closing this descriptor is what releases the lock.
    file: Option<std::fs::File>,
    id: (u64, u64),
}

impl Lockfile {
    /// Locks `path` against other writers, without waiting.
    ///
    /// # Errors
    /// When this or another process holds the lock, or the lock file cannot be used. A warning has been logged then.
    pub fn lock(path: &Path) -> Result<Lockfile, LockError> {
        let name = lock_name(path);
        let result = try_lock(&name, &mut locked());
        match &result {
            Ok(_) => {}
            Err(LockError::HeldByThisProcess) => tracing::warn!(
                target: "lockfile",
                "{}: cannot lock file because this process has already locked it",
                name.display()
            ),
            Err(LockError::HeldByProcess(Some(pid))) => tracing::warn!(
                target: "lockfile",
                "{}: cannot lock file because it is already locked by pid {pid}",
                name.display()
            ),
            Err(error) => {
                tracing::warn!(target: "lockfile", "{}: failed to lock file: {error}", name.display());
            }
        }
        result
    }
}

impl Drop for Lockfile {
    fn drop(&mut self) {
        let mut table = locked();
        // Closed under the mutex: nobody may lock the file anew between leaving the table and the close.
        self.file = None;
        table.retain(|id| *id != self.id);
    }
}

fn try_lock(name: &Path, table: &mut Vec<(u64, u64)>) -> Result<Lockfile, LockError> {
    let refused = |doing: &str, error: std::io::Error| {
        let code = OsError::from(error);
        tracing::warn!(target: "lockfile", "{}: failed to {doing} lock file: {code}", name.display());
        LockError::Os(code)
    };

    match std::fs::metadata(name) {
        Ok(found) if table.contains(&(found.dev(), found.ino())) => {
            return Err(LockError::HeldByThisProcess);
        }
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(refused("stat", error)),
    }

    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(name)
        .map_err(|error| refused("open", error))?;
    let found = file.metadata().map_err(|error| refused("fstat", error))?;
    let id = (found.dev(), found.ino());

    match fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {
            table.push(id);
            Ok(Lockfile {
                file: Some(file),
                id,
            })
        }
        Err(rustix::io::Errno::ACCESS | rustix::io::Errno::AGAIN) => {
            let holder = fcntl_getlk(&file, &Flock::from(FlockType::WriteLock))
                .ok()
                .flatten();
            Err(LockError::HeldByProcess(
                holder
                    .and_then(|lock| lock.pid)
                    .map(|pid| pid.as_raw_nonzero().get()),
            ))
        }
        Err(error) => Err(LockError::Os(error.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_name(path: &str, expect: &str) {
        assert_eq!(lock_name(Path::new(path)), Path::new(expect));
    }

    #[test]
    fn lock_file_is_a_hidden_file_beside_the_database() {
        check_name("no-such/db", "no-such/.db.~lock~");
        check_name("no-such", ".no-such.~lock~");
        check_name("/no-such", "/.no-such.~lock~");
    }

    #[test]
    fn second_lock_in_the_same_process_is_refused_until_the_first_is_dropped() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let db = folder.path().join("db");
        let first = Lockfile::lock(&db).expect("free");
        for _ in 0..2 {
            assert_eq!(
                Lockfile::lock(&db).unwrap_err(),
                LockError::HeldByThisProcess
            );
        }
        drop(first);
        Lockfile::lock(&db).expect("free again");
    }

    #[test]
    fn link_and_target_share_one_lock_whether_or_not_the_lock_file_is_a_link() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir(at("real")).expect("a folder");
        std::os::unix::fs::symlink("real/db", at("link")).expect("a link");
        let held = Lockfile::lock(&at("link")).expect("free");
        assert!(at("real/.db.~lock~").exists());
        assert_eq!(
            Lockfile::lock(&at("real/db")).unwrap_err(),
            LockError::HeldByThisProcess
        );
        drop(held);

        std::os::unix::fs::symlink("real/.db.~lock~", at(".other.~lock~")).expect("a link");
        let _held = Lockfile::lock(&at("other")).expect("free");
        assert_eq!(
            Lockfile::lock(&at("real/db")).unwrap_err(),
            LockError::HeldByThisProcess
        );
        assert!(at(".other.~lock~").is_symlink());
    }

    #[test]
    fn missing_folder_is_the_systems_error() {
        let error = Lockfile::lock(Path::new("/no-such-folder/db")).unwrap_err();
        assert_eq!(error.to_string(), "No such file or directory");
    }
}
