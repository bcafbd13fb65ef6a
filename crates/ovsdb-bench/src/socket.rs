//! Connections to a server, over a Unix socket or TCP.
//!
//! Opens them and says what became of it. Knows nothing of messages.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use mio::{Events, Poll};
use ovsdb_net::Method;

use crate::client::ClientError;

/// How long nothing may happen while something is expected, in seconds, unless [`set_patience`] says otherwise.
pub(crate) const PATIENCE_SECS: u64 = 120;

static PATIENCE: AtomicU64 = AtomicU64::new(PATIENCE_SECS);

/// How long nothing may happen while something is expected. A server that takes longer has failed.
pub(crate) fn patience() -> Duration {
    Duration::from_secs(PATIENCE.load(Ordering::Relaxed))
}

/// Changes it for connections that are made from now on.
pub(crate) fn set_patience(seconds: u64) {
    PATIENCE.store(seconds, Ordering::Relaxed);
}

/// A connection.
#[derive(Debug)]
pub(crate) enum Socket {
    Unix(UnixStream),
    Tcp(TcpStream),
}

impl Socket {
    /// A connection that waits, but not for ever: see [`patience`].
    pub(crate) fn connect(method: &str) -> Result<Socket, ClientError> {
        let failed = |source| ClientError::Connect {
            method: method.to_owned(),
            source,
        };
        let unknown = || ClientError::Method(method.to_owned());
        let parsed = Method::parse(method).map_err(|_| unknown())?;
        match parsed.socket_path() {
            Some(path) => {
                let stream = UnixStream::connect(path).map_err(failed)?;
                stream.set_read_timeout(Some(patience())).map_err(failed)?;
                stream.set_write_timeout(Some(patience())).map_err(failed)?;
                Ok(Socket::Unix(stream))
            }
            None if method.starts_with("tcp:") => {
                let stream = TcpStream::connect(parsed.target()).map_err(failed)?;
                stream.set_nodelay(true).map_err(failed)?;
                stream.set_read_timeout(Some(patience())).map_err(failed)?;
                stream.set_write_timeout(Some(patience())).map_err(failed)?;
                Ok(Socket::Tcp(stream))
            }
            None => Err(unknown()),
        }
    }

    /// A connection that never waits.
    pub(crate) fn connect_nonblocking(method: &str) -> Result<Socket, ClientError> {
        let socket = Socket::connect(method)?;
        match &socket {
            Socket::Unix(stream) => stream.set_nonblocking(true)?,
            Socket::Tcp(stream) => stream.set_nonblocking(true)?,
        }
        Ok(socket)
    }

    /// Reads and forgets whatever has arrived on a connection that never waits. `buffer` is room for it.
    ///
    /// # Errors
    /// [`ClientError::EndOfFile`] if the server has closed the connection.
    pub(crate) fn drain(&mut self, buffer: &mut [u8]) -> Result<(), ClientError> {
        loop {
            match self.read(buffer) {
                Ok(0) => return Err(ClientError::EndOfFile),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// The process that listens at the other end, if it is one of this machine and may be known.
    pub(crate) fn peer(&self) -> Option<i32> {
        match self {
            Socket::Unix(stream) => rustix::net::sockopt::socket_peercred(stream)
                .ok()
                .map(|credentials| credentials.pid.as_raw_nonzero().get()),
            Socket::Tcp(_) => None,
        }
    }
}

/// Waits until something happens to one of the sockets that `poll` knows.
///
/// # Errors
/// [`ClientError::Silence`] if nothing does for as long as anybody waits.
pub(crate) fn wait(poll: &mut Poll, events: &mut Events) -> Result<(), ClientError> {
    uninterrupted(|| poll.poll(events, Some(patience())))?;
    if events.is_empty() {
        return Err(ClientError::Silence);
    }
    Ok(())
}

/// Does it again if a signal came in between: whoever runs this may stop it for a while, and let it go on.
fn uninterrupted<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

impl AsRawFd for Socket {
    fn as_raw_fd(&self) -> RawFd {
        match self {
            Socket::Unix(stream) => stream.as_raw_fd(),
            Socket::Tcp(stream) => stream.as_raw_fd(),
        }
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Socket::Unix(stream) => uninterrupted(|| stream.read(buffer)),
            Socket::Tcp(stream) => uninterrupted(|| stream.read(buffer)),
        }
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Socket::Unix(stream) => uninterrupted(|| stream.write(bytes)),
            Socket::Tcp(stream) => uninterrupted(|| stream.write(bytes)),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
