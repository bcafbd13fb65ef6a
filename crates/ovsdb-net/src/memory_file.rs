//! Bytes in a file that is in memory only, from which sockets are sent them without a copy.
//!
//! To write to a socket is to copy. Of a file the system sends the pages themselves, so that many peers are sent the same
//! memory. A file is written once and never changed, since parts of it may still be on their way when it is closed.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::FileExt;
use std::sync::LazyLock;

use rustix::fs::MemfdFlags;
use rustix::io::Errno;
use rustix::process::{Resource, getrlimit};

/// Whether this system never waits when a file is sent over a socket that does not block. Linux before 6.5 does, over a Unix
/// socket, while the peer copies what it reads: a hostile peer can make that last for ever.
static SENDS_WITHOUT_WAITING: LazyLock<bool> = LazyLock::new(|| {
    let system = rustix::system::uname();
    is_6_5(&system.release().to_string_lossy())
});

/// Whether a release of Linux is 6.5 or later.
fn is_6_5(release: &str) -> bool {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit());
    let mut next = || numbers.next().and_then(|number| number.parse::<u32>().ok());
    (next(), next()) >= (Some(6), Some(5))
}

/// See [`WriteHalf::poll_send_file`](crate::WriteHalf::poll_send_file).
#[derive(Debug)]
pub struct MemoryFile(File);

impl MemoryFile {
    /// A file that holds `bytes`.
    ///
    /// # Errors
    /// What the system says. That it is older than Linux 6.5, too: there nothing is sent from files. And that the process
    /// has few descriptors left: those are for sockets and files that nothing can take the place of.
    pub fn of(bytes: &[u8]) -> io::Result<MemoryFile> {
        if !*SENDS_WITHOUT_WAITING {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::NOEXEC_SEAL;
        let file = File::from(rustix::fs::memfd_create("to-send", flags)?);
        // Each descriptor is the lowest that is free.
        let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        if file.as_raw_fd().unsigned_abs() >= u32::try_from(limit - limit / 8).unwrap_or(u32::MAX) {
            return Err(Errno::MFILE.into());
        }
        file.write_all_at(bytes, 0)?;
        Ok(MemoryFile(file))
    }

    /// Sends so many bytes, from `offset` on, over a socket that does not block.
    pub(crate) fn send(&self, socket: impl AsFd, offset: u64, length: usize) -> io::Result<usize> {
        let mut offset = offset;
        let sent = rustix::fs::sendfile(socket, &self.0, Some(&mut offset), length);
        Ok(sent?)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::os::unix::net::UnixStream;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;
    use crate::{Stream, WriteHalf};

    async fn send(write: &mut WriteHalf, file: &MemoryFile, bytes: std::ops::Range<usize>) {
        let mut at = bytes.start;
        while at < bytes.end {
            let sent = poll_fn(|cx| {
                let sent = write.poll_send_file(cx, file, at as u64, bytes.end - at);
                sent.expect("a stream that can do that")
            });
            at += sent.await.expect("an open stream");
        }
    }

    async fn check(near: Stream, far: Stream) {
        let text: Vec<u8> = (0..3_000_000_u32)
            .map(|number| (number / 3) as u8)
            .collect();
        let sent = text.clone();
        let sends = tokio::spawn(async move {
            let (_read, mut write) = near.into_split();
            for piece in sent.chunks(299_993) {
                let file = MemoryFile::of(piece).expect("a file");
                send(&mut write, &file, 0..piece.len() / 2).await;
                send(&mut write, &file, piece.len() / 2..piece.len()).await;
                // Closed while its end is still on its way.
            }
        });
        let (mut read, _write) = far.into_split();
        let mut got = Vec::new();
        read.read_to_end(&mut got).await.expect("an open stream");
        sends.await.expect("it does not panic");
        assert!(got == text);
    }

    #[test]
    fn older_systems_are_known_by_their_release() {
        for (release, expected) in [
            ("6.5.0-1-amd64", true),
            ("6.18.44", true),
            ("7.0-rc1", true),
            ("6.4.0-150600.23-default", false),
            ("5.15.0-91-generic", false),
            ("", false),
        ] {
            assert_eq!(is_6_5(release), expected, "{release}");
        }
    }

    #[tokio::test]
    async fn all_of_a_file_arrives_although_it_is_closed_on_the_way() {
        if !*SENDS_WITHOUT_WAITING {
            return;
        }
        let (one, other) = UnixStream::pair().expect("a pair of sockets");
        let of = |socket| Stream::from_unix(socket).expect("room for a socket");
        check(of(one), of(other)).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (one, other) = tokio::join!(TcpStream::connect(address), listener.accept());
        let (other, peer) = other.expect("a connection");
        let one = Stream::from_tcp(one.expect("a connection"), address);
        check(one, Stream::from_tcp(other, peer)).await;
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_sent_is_no_fault_of_the_stream() {
        let unreadable = File::options().write(true).open("/dev/null");
        let file = MemoryFile(unreadable.expect("it can be written"));
        let (one, _other) = UnixStream::pair().expect("a pair of sockets");
        let stream = Stream::from_unix(one).expect("room for a socket");
        let (_read, mut write) = stream.into_split();
        poll_fn(|cx| {
            assert!(write.poll_send_file(cx, &file, 0, 2).is_none());
            std::task::Poll::Ready(())
        })
        .await;
        let sent = write.write_all(b"{}").await;
        sent.expect("an open stream");
    }

    #[tokio::test]
    async fn a_transport_of_ones_own_is_sent_no_files() {
        if !*SENDS_WITHOUT_WAITING {
            return;
        }
        let (near, _far) = tokio::io::duplex(100);
        let (read, write) = tokio::io::split(near);
        let (_read, mut write) = Stream::from_halves("own", read, write).into_split();
        let file = MemoryFile::of(b"{}").expect("a file");
        poll_fn(|cx| {
            assert!(write.poll_send_file(cx, &file, 0, 2).is_none());
            std::task::Poll::Ready(())
        })
        .await;
    }
}
