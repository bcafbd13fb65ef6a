//! Bytes in a file that is in memory only, from which sockets are sent them without a copy.
//!
//! To write to a socket is to copy. Of a file the system sends the pages themselves, so that many peers are sent the same
//! memory. A file is written once and never changed, since parts of it may still be on their way when it is closed.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;

use rustix::fs::MemfdFlags;
use rustix::io::Errno;

/// See [`WriteHalf::poll_send_file`](crate::WriteHalf::poll_send_file).
#[derive(Debug)]
pub struct MemoryFile(File);

impl MemoryFile {
    /// A file that holds `bytes`.
    ///
    /// # Errors
    /// What the system says; for instance that the process has no descriptor left.
    pub fn of(bytes: &[u8]) -> io::Result<MemoryFile> {
        let create = |flags| rustix::fs::memfd_create("to-send", MemfdFlags::CLOEXEC | flags);
        let file = match create(MemfdFlags::NOEXEC_SEAL) {
            // Linux before 6.3 does not know it.
            Err(Errno::INVAL) => create(MemfdFlags::empty()),
            file => file,
        };
        let file = File::from(file?);
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

    use tokio::io::AsyncReadExt;
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

    #[tokio::test]
    async fn all_of_a_file_arrives_although_it_is_closed_on_the_way() {
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
    async fn a_transport_of_ones_own_is_sent_no_files() {
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
