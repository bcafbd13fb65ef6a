//! Listening sockets that this process has inherited, by the numbers that `pfd:N` names them with.
//!
//! They are kept for as long as the process lives, so that a remote may be closed and opened again. Nothing here looks
//! for them: whoever starts the process hands them over.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Mutex, PoisonError};

static SOCKETS: Mutex<BTreeMap<i32, OwnedFd>> = Mutex::new(BTreeMap::new());

/// Has `pfd:NUMBER` stand for this listening socket from now on.
pub fn inherit(number: i32, socket: OwnedFd) {
    let mut sockets = SOCKETS.lock().unwrap_or_else(PoisonError::into_inner);
    sockets.insert(number, socket);
}

/// A duplicate of the socket of that number.
pub(crate) fn duplicate(number: i32) -> io::Result<OwnedFd> {
    let sockets = SOCKETS.lock().unwrap_or_else(PoisonError::into_inner);
    match sockets.get(&number) {
        Some(socket) => socket.try_clone(),
        None => Err(rustix::io::Errno::BADF.into()),
    }
}
