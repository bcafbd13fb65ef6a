//! Listening sockets that this process has inherited, by the numbers that `pfd:N` names them with.
//!
//! They are kept for as long as the process lives, so that a remote may be closed and opened again. Nothing here looks
//! for them: whoever starts the process hands them over.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Mutex, PoisonError};

static SOCKETS: Mutex<BTreeMap<i32, Inherited>> = Mutex::new(BTreeMap::new());

#[derive(Debug)]
struct Inherited {
    socket: OwnedFd,
    /// Somebody has listened on it.
    used: bool,
}

/// Has `pfd:NUMBER` stand for this listening socket from now on.
pub fn inherit(number: i32, socket: OwnedFd) {
    let mut sockets = SOCKETS.lock().unwrap_or_else(PoisonError::into_inner);
    let inherited = Inherited {
        socket,
        used: false,
    };
    sockets.insert(number, inherited);
}

/// The numbers of those sockets on which nobody has listened yet: clients that connect to them wait in vain.
pub fn unused_inherited() -> Vec<i32> {
    let sockets = SOCKETS.lock().unwrap_or_else(PoisonError::into_inner);
    let unused = sockets.iter().filter(|(_, inherited)| !inherited.used);
    unused.map(|(number, _)| *number).collect()
}

/// A duplicate of the socket of that number.
pub(crate) fn duplicate(number: i32) -> io::Result<OwnedFd> {
    let mut sockets = SOCKETS.lock().unwrap_or_else(PoisonError::into_inner);
    match sockets.get_mut(&number) {
        Some(inherited) => {
            inherited.used = true;
            inherited.socket.try_clone()
        }
        None => Err(rustix::io::Errno::BADF.into()),
    }
}
