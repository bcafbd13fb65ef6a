//! Unix sockets by path: permissions, stale files, and paths longer than the kernel's address.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use rustix::net::SocketFlags;
use socket2::{Domain, SockAddr, Socket, Type};

/// Longest path that fits `sockaddr_un` with its final NUL, in bytes.
const PATH_BYTES_MAX: usize = 107;

/// Socket files are for the user and the group, as far as the umask lets them.
const SOCKET_MODE: u32 = 0o770;

/// An address for `path`. A path too long for the kernel is reached through its folder's descriptor, which must stay
/// open while the address is used.
fn address(path: &Path) -> io::Result<(SockAddr, Option<OwnedFd>)> {
    if path.as_os_str().len() <= PATH_BYTES_MAX {
        return Ok((SockAddr::unix(path)?, None));
    }
    let too_long = || {
        tracing::warn!(target: "socket_util_unix", per_minute = 1, burst = 1,
            "Unix socket name {} is longer than maximum {PATH_BYTES_MAX} bytes", path.display());
    };
    let folder = path
        .parent()
        .filter(|p| !p.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let name = path.file_name().unwrap_or(OsStr::new(""));
    let folder = rustix::fs::open(
        folder,
        OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC,
        Mode::empty(),
    )
    .inspect_err(|_| too_long())?;
    let mut short = format!("/proc/self/fd/{}/", folder.as_raw_fd()).into_bytes();
    short.extend_from_slice(name.as_bytes());
    if short.len() > PATH_BYTES_MAX {
        too_long();
        return Err(rustix::io::Errno::NAMETOOLONG.into());
    }
    Ok((SockAddr::unix(OsStr::from_bytes(&short))?, Some(folder)))
}

/// Binds a new socket to `path` with mode 0770, less the umask, and listens. A file that is there already is removed first.
pub(crate) fn listen(path: &Path, backlog: i32) -> io::Result<Socket> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(target: "socket_util_unix", "unlinking \"{}\": {}", path.display(), crate::errno_text(&error));
        }
        _ => {}
    }
    // On Linux the descriptor's mode becomes the file's; a chmod after bind would leave a moment of wrong rights.
    rustix::fs::fchmod(&socket, Mode::from_raw_mode(SOCKET_MODE))?;
    let (address, _folder) = address(path)?;
    socket.bind(&address)?;
    socket.listen(backlog)?;
    Ok(socket)
}

/// Connects to the socket at `path`, however long that is, without blocking then and later. For who wants to know of the
/// socket itself whose it is; others want [`Stream::connect`](crate::Stream::connect).
///
/// # Errors
/// Those of connect(2). A path that is too long, also from its folder, is `ENAMETOOLONG`.
pub fn connect(path: &Path) -> io::Result<UnixStream> {
    let (address, _folder) = address(path)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    // A local connect completes or fails at once.
    socket.connect(&address)?;
    Ok(OwnedFd::from(socket).into())
}

/// Takes the next peer of a socket that listens and does not block, as a socket that does not block.
pub(crate) fn accept(listener: &Socket) -> io::Result<UnixStream> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    Ok(rustix::net::accept_with(listener, flags)?.into())
}
