//! Names of files: symbolic links followed by hand, folders, absolute names.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use crate::error::{LogError, OsError};
use crate::fs::FileSystem;

/// How many symbolic links in a row are followed.
const LINKS_MAX: usize = 10;

/// Follows `path` while its last component is a symbolic link, at most ten times, and returns what it leads to,
/// whether that exists or not. With more links than that, `path` itself.
pub fn follow_symlinks(fs: &dyn FileSystem, path: &Path) -> PathBuf {
    let mut current = path.to_path_buf();
    for _ in 0..LINKS_MAX {
        let Ok(target) = fs.read_link(&current) else {
            return current;
        };
        let parent = directory(&current);
        // A relative target is relative to the folder of its link. `join` replaces the folder by an absolute target.
        current = if parent == Path::new(".") {
            target
        } else {
            parent.join(target)
        };
    }
    if fs.read_link(&current).is_err() {
        return current;
    }
    tracing::warn!(target: "util", "{}: too many levels of symlinks", path.display());
    path.to_path_buf()
}

/// The folder that holds `path`; `.` where the name does not say.
pub(crate) fn directory(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => path,
    }
}

/// `path` made absolute by the working folder, with nothing else changed: a daemon changes its folder later.
pub(crate) fn absolute(path: &Path) -> io::Result<PathBuf> {
    Ok(if path.is_absolute() {
        path.to_path_buf()
    } else {
        std::env::current_dir()?.join(path)
    })
}

/// `path` with `suffix` put behind its last component.
pub(crate) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name: OsString = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Brings the name of `path` to the disk by syncing its folder. A failure is logged as well.
///
/// # Errors
/// [`LogError::Io`](crate::LogError::Io), unless this user may not read the folder.
pub fn sync_directory_of(fs: &dyn FileSystem, path: &Path) -> Result<(), LogError> {
    sync_parent(fs, path).map_err(|error| {
        LogError::io(
            format!("{}: fsync failed", directory(path).display()),
            error,
        )
    })
}

/// Syncs the folder that holds `path`. A failure is logged, and returned unless the reason is that this user may not
/// read the folder: then there is nothing to be done about it, and people do keep databases in such folders.
pub(crate) fn sync_parent(fs: &dyn FileSystem, path: &Path) -> io::Result<()> {
    let parent = directory(path);
    fs.sync_directory(parent).or_else(|error| {
        let denied = error.kind() == io::ErrorKind::PermissionDenied;
        let (parent, code) = (parent.display(), OsError::from(&error));
        tracing::error!(target: "socket_util", "{parent}: fsync failed ({code})");
        if denied { Ok(()) } else { Err(error) }
    })
}
