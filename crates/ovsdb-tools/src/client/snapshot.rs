//! The snapshot that `restore` reads: a database file on standard input.
//!
//! Database files are read by offset, and a pipe can only be read from its beginning to its end. So what comes from a pipe is
//! taken in first, into a file that is in memory only.

use std::fs::File;
use std::io;
use std::path::Path;

use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::unistd::{Whence, dup2_stdin, lseek};
use ovsdb_log::{LockPolicy, OpenMode};
use ovsdb_server::file::{self, Loaded};

use super::error::ClientError;

/// How messages call it.
const SNAPSHOT: &str = "/dev/stdin";

/// Reads the snapshot.
pub(super) fn load() -> Result<Loaded, ClientError> {
    if lseek(io::stdin(), 0, Whence::SeekCur).is_err() {
        take_in().map_err(ClientError::Snapshot)?;
    }
    Ok(file::load(
        Path::new(SNAPSHOT),
        OpenMode::ReadOnly,
        LockPolicy::Never,
    )?)
}

/// Puts a file with all of standard input in its place.
fn take_in() -> io::Result<()> {
    let mut all = File::from(memfd_create("snapshot", MFdFlags::MFD_CLOEXEC)?);
    io::copy(&mut io::stdin().lock(), &mut all)?;
    dup2_stdin(&all)?;
    Ok(())
}
