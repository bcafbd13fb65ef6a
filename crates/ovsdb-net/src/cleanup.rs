//! Files that must be gone when the process ends: sockets and pidfiles.
//!
//! A [`FileGuard`] removes its file when dropped; [`unlink_all`] removes all that are left, for a process that ends by a
//! signal and drops nothing. Installing signal handlers is not done here.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Path to the number of guards that want it gone.
static FILES: Mutex<BTreeMap<PathBuf, usize>> = Mutex::new(BTreeMap::new());

fn files() -> MutexGuard<'static, BTreeMap<PathBuf, usize>> {
    // The map is consistent after every statement, so that a panic elsewhere does not spoil it.
    FILES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Removes a file when dropped, or at [`unlink_all`] if that comes first.
#[derive(Debug)]
pub struct FileGuard {
    path: PathBuf,
}

impl FileGuard {
    /// Takes charge of `path`, which need not exist yet.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        *files().entry(path.clone()).or_insert(0) += 1;
        Self { path }
    }

    /// The file in charge.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Gives up charge: the file stays.
    pub fn keep(self) {
        forget(&self.path);
        std::mem::forget(self);
    }
}

impl Drop for FileGuard {
    fn drop(&mut self) {
        if forget(&self.path) {
            unlink(&self.path);
        }
    }
}

/// Whether this was the last guard of a file that [`unlink_all`] or [`forget_all`] has not dealt with.
fn forget(path: &Path) -> bool {
    let mut files = files();
    match files.get_mut(path) {
        Some(1) => {
            files.remove(path);
            true
        }
        Some(n) => {
            *n -= 1;
            false
        }
        None => false,
    }
}

fn unlink(path: &Path) {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            tracing::warn!(target: "fatal_signal", "could not unlink \"{}\" ({})", path.display(), crate::errno_text(&error));
        }
        _ => {}
    }
}

/// Removes every file in charge. For the end of the process.
pub fn unlink_all() {
    for path in std::mem::take(&mut *files()).into_keys() {
        unlink(&path);
    }
}

/// Gives up charge of every file without removing any: for the parent side of a fork, whose child owns them.
pub fn forget_all() {
    files().clear();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_goes_with_the_last_of_its_guards() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("f");
        std::fs::write(&path, "x").expect("a file in it");
        let first = FileGuard::new(&path);
        let second = FileGuard::new(&path);
        drop(first);
        assert!(path.exists());
        drop(second);
        assert!(!path.exists());
    }

    #[test]
    fn a_kept_file_stays() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("f");
        std::fs::write(&path, "x").expect("a file in it");
        FileGuard::new(&path).keep();
        assert!(path.exists());
    }
}
