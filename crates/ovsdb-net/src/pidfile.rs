//! Reading pidfiles: which running process holds one, and so where its control socket is.
//!
//! The lock is what counts: a pidfile that nobody holds locked is stale, whatever it says. Making pidfiles is the
//! business of daemons.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rustix::io::Errno;
use rustix::process::{Flock, FlockType, fcntl_getlk};

use crate::error::errno_text;

/// Longest line of a pidfile that is looked at, in bytes; a process id has no more than ten digits.
const LINE_BYTES_MAX: u64 = 64;

/// Device and inode of this process's own pidfile: opening and closing it again would give up the lock on it.
static OWN: Mutex<Option<(u64, u64)>> = Mutex::new(None);

/// Why a pidfile names no running process.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PidfileError {
    /// A step failed.
    #[error("{}: {what} failed ({})", .path.display(), errno_text(.source))]
    Io {
        /// The file.
        path: PathBuf,
        /// The step.
        what: &'static str,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// Nobody holds the file locked, or not the process that it names.
    #[error("{}: pidfile is stale", .path.display())]
    Stale {
        /// The file.
        path: PathBuf,
    },
}

impl PidfileError {
    /// The operating system's words for it.
    #[must_use]
    pub fn reason(&self) -> String {
        match self {
            Self::Io { source, .. } => errno_text(source),
            Self::Stale { .. } => errno_text(&Errno::SRCH.into()),
        }
    }
}

/// Whose a pidfile is.
#[derive(Debug)]
pub enum Holder {
    /// The process with this id holds it locked.
    Running(u32),
    /// Nobody holds it locked. This is the open file, for who wants to take or to delete it.
    Nobody(File),
}

/// The process id in a pidfile that is held locked by that process.
///
/// # Errors
/// See [`PidfileError`].
pub fn read_pidfile(path: &Path) -> Result<u32, PidfileError> {
    match pidfile_holder(path)? {
        Holder::Running(pid) => Ok(pid),
        Holder::Nobody(_) => {
            tracing::debug!(target: "daemon_unix", "{}: pid file is stale", path.display());
            Err(stale(path))
        }
    }
}

/// Whose the pidfile at `path` is. The file is opened for writing too, as whoever is to take its lock must have it.
///
/// # Errors
/// See [`PidfileError`].
pub fn pidfile_holder(path: &Path) -> Result<Holder, PidfileError> {
    let fail = |what, source: io::Error| {
        tracing::warn!(target: "daemon_unix", "{}: {what}: {}", path.display(), errno_text(&source));
        PidfileError::Io {
            path: path.to_owned(),
            what,
            source,
        }
    };
    let own = *OWN.lock().unwrap_or_else(PoisonError::into_inner);
    if own.is_some() && own == std::fs::metadata(path).ok().map(|m| (m.dev(), m.ino())) {
        return Ok(Holder::Running(std::process::id()));
    }
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .map_err(|error| fail("open", error))?;
    let lock = fcntl_getlk(&file, &Flock::from(FlockType::WriteLock))
        .map_err(|error| fail("fcntl", error.into()))?;
    let Some(lock) = lock else {
        return Ok(Holder::Nobody(file));
    };
    let mut text = String::new();
    file.by_ref()
        .take(LINE_BYTES_MAX)
        .read_to_string(&mut text)
        .map_err(|error| fail("read", error))?;
    let line = text.lines().next().unwrap_or_default();
    if line.is_empty() {
        tracing::warn!(target: "daemon_unix", "{}: read: unexpected end of file", path.display());
        return Err(stale(path));
    }
    let by = lock.pid.map_or(0, |pid| pid.as_raw_nonzero().get());
    match line.trim().parse::<u32>() {
        Ok(pid) if i64::from(pid) == i64::from(by) => Ok(Holder::Running(pid)),
        _ => {
            // Whoever holds it is about to delete it.
            tracing::warn!(target: "daemon_unix", "{}: stale pidfile for pid {line} being deleted by pid {by}",
                path.display());
            Err(stale(path))
        }
    }
}

/// Says which file is this process's own pidfile, by device and inode, so that reading it does not give up its lock.
pub fn set_own_pidfile(device_and_inode: Option<(u64, u64)>) {
    *OWN.lock().unwrap_or_else(PoisonError::into_inner) = device_and_inode;
}

/// The name of the control socket of process `pid` of `program`, in the run folder.
#[must_use]
pub fn control_socket_name(program: &str, pid: u32) -> String {
    format!("{program}.{pid}.ctl")
}

fn stale(path: &Path) -> PidfileError {
    PidfileError::Stale {
        path: path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_name_no_running_daemon_are_errors() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("x.pid");
        assert_eq!(
            read_pidfile(&path).expect_err("no file").reason(),
            "No such file or directory"
        );
        std::fs::write(&path, "1\n").expect("a stale pidfile");
        assert_eq!(
            read_pidfile(&path).expect_err("not locked").reason(),
            "No such process"
        );
    }
}
