//! Where a daemon's control socket is: an absolute path, or what the pidfile in the run folder tells.

use std::path::PathBuf;

use ovsdb_net::{control_socket_name, read_pidfile, rundir};

use super::error::ConnectError;

/// The control socket of `target`: an absolute path of a socket, or a program's name, whose pidfile in the run folder
/// (`OVS_RUNDIR`) tells the rest.
///
/// # Errors
/// [`ConnectError::Pidfile`].
pub fn socket_path(target: &str) -> Result<PathBuf, ConnectError> {
    if target.starts_with('/') {
        return Ok(PathBuf::from(target));
    }
    let folder = rundir();
    let path = folder.join(format!("{target}.pid"));
    match read_pidfile(&path) {
        Ok(pid) => Ok(folder.join(control_socket_name(target, pid))),
        Err(source) => Err(ConnectError::Pidfile { path, source }),
    }
}
