//! Taking over the listening sockets that whoever started the program has left open in it, as systemd does for socket
//! activation: for remotes named `pfd:N`.
//!
//! A number is no proof that nobody else uses the descriptor, so the system is asked for a new one: a descriptor that a
//! process sends to itself over a socket arrives as another descriptor of the same thing. That takes no unsafe code and
//! no system call that containers forbid. What does not listen is left alone.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd as _, OwnedFd, RawFd};
use std::os::unix::net::UnixDatagram;

use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use rustix::io::Errno;
use rustix::net::sockopt::socket_acceptconn;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};

/// The standard files keep their numbers even if one of them is such a socket: something has to be there.
const STANDARD_FILES: RawFd = 3;

/// Takes over every inherited socket that listens. Call this first of all, before any file is opened, because from then on
/// numbers say nothing. Other programs that this one starts do not inherit the sockets again.
///
/// # Errors
/// The system does not tell which descriptors there are, or hands one out no second time; `pfd:N` then names nothing.
pub fn take_over() -> io::Result<()> {
    for number in numbers()? {
        let socket = duplicate(number)?;
        match socket_acceptconn(&socket) {
            Ok(true) => {}
            Ok(false) | Err(Errno::NOTSOCK) => continue,
            Err(error) => return Err(error.into()),
        }
        ovsdb_net::inherit(number, socket);
        if number >= STANDARD_FILES {
            nix::unistd::close(number)?;
        }
    }
    Ok(())
}

/// The numbers of all open sockets.
fn numbers() -> io::Result<Vec<RawFd>> {
    let mut numbers = Vec::new();
    for entry in std::fs::read_dir("/proc/self/fd")? {
        let entry = entry?;
        // The folder's own descriptor is closed again when the others are looked at.
        let Ok(target) = std::fs::read_link(entry.path()) else {
            continue;
        };
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| name.parse().ok());
        if let Some(number) = number
            && target.to_string_lossy().starts_with("socket:")
        {
            numbers.push(number);
        }
    }
    Ok(numbers)
}

/// A new descriptor of what `number` is open on. It is closed in programs that this one starts.
fn duplicate(number: RawFd) -> io::Result<OwnedFd> {
    let (here, there) = UnixDatagram::pair()?;
    sendmsg::<()>(
        here.as_raw_fd(),
        &[IoSlice::new(&[0])],
        &[ControlMessage::ScmRights(&[number])],
        MsgFlags::empty(),
        None,
    )?;
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    let mut buffers = [io::IoSliceMut::new(&mut byte)];
    recvmsg(&there, &mut buffers, &mut control, RecvFlags::CMSG_CLOEXEC)?;
    let sent = control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
        _ => None,
    });
    // The system leaves it out if there is no room for one more.
    sent.ok_or_else(|| Errno::MFILE.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read as _, Seek as _, Write as _};

    #[test]
    fn a_duplicate_is_open_on_the_same_file() {
        let mut file = tempfile::tempfile().expect("a temporary file");
        let copy = duplicate(file.as_raw_fd()).expect("a duplicate");
        assert_ne!(copy.as_raw_fd(), file.as_raw_fd());
        std::fs::File::from(copy).write_all(b"x").expect("written");
        let mut text = String::new();
        file.rewind().expect("a file");
        file.read_to_string(&mut text).expect("read");
        assert_eq!(text, "x");
    }

    #[test]
    fn what_is_not_open_cannot_be_duplicated() {
        let error = duplicate(987_654).expect_err("no such descriptor");
        assert_eq!(error.raw_os_error(), Some(Errno::BADF.raw_os_error()));
    }
}
