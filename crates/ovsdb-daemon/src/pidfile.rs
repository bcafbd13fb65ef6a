//! Making pidfiles: a file with the daemon's process id, locked for as long as the daemon lives.
//!
//! The lock is what counts: a pidfile that nobody holds locked is stale, whatever it says. Reading those of others is
//! `ovsdb_net`'s.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use ovsdb_net::{FileGuard, Holder, errno_text, pidfile_holder, set_own_pidfile};

use crate::dirs;
use crate::program;

/// Why a pidfile cannot be made.
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
    /// Who holds the file cannot be told.
    #[error(transparent)]
    Holder(#[from] ovsdb_net::PidfileError),
    /// The program runs already.
    #[error("{}: already running as pid {pid}, aborting", .path.display())]
    AlreadyRunning {
        /// The file.
        path: PathBuf,
        /// The process that holds it.
        pid: u32,
    },
    /// Whether the program runs already cannot be told.
    #[error("{}: pidfile check failed ({}), aborting", .path.display(), .source.reason())]
    CheckFailed {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: Box<PidfileError>,
    },
}

impl PidfileError {
    /// The operating system's words for it.
    #[must_use]
    pub fn reason(&self) -> String {
        match self {
            Self::Io { source, .. } => errno_text(source),
            Self::Holder(error) => error.reason(),
            Self::AlreadyRunning { .. } => errno_text(&Errno::EEXIST.into()),
            Self::CheckFailed { source, .. } => source.reason(),
        }
    }
}

/// The name of a pidfile: as given, `NAME.pid` by default, relative to the run folder.
#[must_use]
pub fn path(name: Option<&str>) -> PathBuf {
    let rundir = dirs::rundir();
    match name {
        Some(name) => rundir.join(name),
        None => rundir.join(format!("{}.pid", program::name())),
    }
}

fn whole_file() -> libc::flock {
    libc::flock {
        // The constants fit: they are 0, 1 and 2.
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    }
}

/// This process's pidfile: locked and there for as long as this lives.
#[derive(Debug)]
pub struct Pidfile {
    _file: File,
    _guard: FileGuard,
}

impl Pidfile {
    /// Writes this process's id to `path`, unless a process holds it already. With `overwrite`, even then.
    ///
    /// # Errors
    /// See [`PidfileError`].
    pub fn create(path: &Path, overwrite: bool) -> Result<Self, PidfileError> {
        let pid = std::process::id();
        let mut temporary = path.as_os_str().to_owned();
        // Shared by all who want this pidfile, as a lock among them, unless nobody is to be respected.
        temporary.push(if overwrite {
            format!(".tmp{pid}")
        } else {
            ".tmp".to_owned()
        });
        let temporary = PathBuf::from(temporary);
        let fail = |what| {
            let path = temporary.clone();
            move |source| PidfileError::Io { path, what, source }
        };
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .open(&temporary)
            .map_err(fail("create"))?;
        fcntl(&file, FcntlArg::F_SETLK(&whole_file()))
            .map_err(|errno| fail("fcntl(F_SETLK)")(errno.into()))?;
        // Only now is the temporary file ours to remove.
        let temporary_guard = FileGuard::new(&temporary);
        if !overwrite {
            check_not_running(path)?;
        }
        let metadata = file.metadata().map_err(fail("fstat"))?;
        file.set_len(0).map_err(fail("truncate"))?;
        file.write_all(format!("{pid}\n").as_bytes())
            .map_err(fail("write"))?;
        std::fs::rename(&temporary, path).map_err(|source| PidfileError::Io {
            path: path.to_owned(),
            what: "rename",
            source,
        })?;
        let guard = FileGuard::new(path);
        temporary_guard.keep();
        set_own_pidfile(Some((metadata.dev(), metadata.ino())));
        Ok(Self {
            _file: file,
            _guard: guard,
        })
    }
}

impl Drop for Pidfile {
    fn drop(&mut self) {
        set_own_pidfile(None);
    }
}

/// Deletes a stale pidfile; an error if the program runs.
fn check_not_running(path: &Path) -> Result<(), PidfileError> {
    if std::fs::symlink_metadata(path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
        return Ok(());
    }
    let check_failed = |source| PidfileError::CheckFailed {
        path: path.to_owned(),
        source: Box::new(source),
    };
    let file = match pidfile_holder(path).map_err(|error| check_failed(error.into()))? {
        Holder::Running(pid) => {
            return Err(PidfileError::AlreadyRunning {
                path: path.to_owned(),
                pid,
            });
        }
        Holder::Nobody(file) => file,
    };
    // Only who holds the lock may delete the file: another may have put a valid one in its place meanwhile.
    let lost = |what| {
        tracing::warn!(target: "daemon_unix", "{}: lost race to {what} pidfile", path.display());
        let path = path.to_owned();
        check_failed(ovsdb_net::PidfileError::Stale { path }.into())
    };
    fcntl(&file, FcntlArg::F_SETLK(&whole_file())).map_err(|_| lost("lock"))?;
    let id = |metadata: io::Result<std::fs::Metadata>| metadata.map(|m| (m.dev(), m.ino())).ok();
    if id(std::fs::metadata(path)) != id(file.metadata()) {
        return Err(lost("delete"));
    }
    std::fs::remove_file(path).map_err(|source| {
        tracing::warn!(target: "daemon_unix", "{}: failed to delete stale pidfile ({})",
            path.display(), errno_text(&source));
        check_failed(PidfileError::Io {
            path: path.to_owned(),
            what: "unlink",
            source,
        })
    })?;
    tracing::debug!(target: "daemon_unix", "{}: deleted stale pidfile", path.display());
    Ok(())
}

#[cfg(test)]
mod tests {
    use ovsdb_net::read_pidfile;

    use super::*;

    #[test]
    fn a_pidfile_names_its_process_and_goes_with_it() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("x.pid");
        std::fs::write(&path, "1\n").expect("a stale pidfile");
        let pidfile = Pidfile::create(&path, false).expect("over the stale one");
        assert_eq!(
            std::fs::read_to_string(&path).expect("the pidfile"),
            format!("{}\n", std::process::id())
        );
        assert_eq!(read_pidfile(&path).expect("our own"), std::process::id());
        drop(pidfile);
        assert!(
            std::fs::read_dir(folder.path())
                .expect("the folder")
                .next()
                .is_none()
        );
    }

    #[test]
    fn names_are_relative_to_the_run_folder() {
        assert_eq!(super::path(Some("/x/y.pid")), PathBuf::from("/x/y.pid"));
        assert_eq!(super::path(Some("y.pid")), dirs::rundir().join("y.pid"));
        assert_eq!(
            super::path(None),
            dirs::rundir().join(format!("{}.pid", program::name()))
        );
    }
}
