//! A connected Unix socket, by which the runtime is woken only for what is waited for.
//!
//! A Unix socket tells everybody who watches it whenever its peer takes something out of it. A server's thread would wake up
//! for that after each of its replies, only to find that there is nothing to do. So the runtime watches whether there is
//! something to read, and only while a writer is held up, whether there is room again. Knows no messages.

use std::io::{self, IoSlice, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::time::Sleep;

use crate::memory_file::MemoryFile;

/// How much is read at once, in bytes. Room that nobody has written to yet is filled first, which is not free.
const READ_BYTES_MAX: usize = 64 << 10;

/// How long a writer that is held up waits before it tries again, if the socket cannot be watched for room.
const TRIED_AFTER: Duration = Duration::from_millis(10);

/// Has the runtime within which this is called watch a socket.
#[expect(
    deprecated,
    reason = "what comes in its place is unsafe, because of types whose descriptor may change: that of what owns one does not"
)]
pub(crate) fn watch<T: AsRawFd + Into<OwnedFd>>(
    socket: T,
    interest: Interest,
) -> io::Result<AsyncFd<T>> {
    AsyncFd::with_interest(socket, interest)
}

/// Both halves of a socket that does not block. They belong to the runtime within which they are made, which has timers.
pub(crate) fn halves(socket: UnixStream) -> io::Result<(UnixRead, UnixWrite)> {
    let socket = Arc::new(watch(socket, Interest::READABLE)?);
    let write = UnixWrite {
        socket: socket.clone(),
        room: None,
    };
    Ok((UnixRead(socket), write))
}

/// Has the runtime within which this is called watch the socket of both halves instead of the one that did. If it cannot, for
/// instance because the process has no descriptor left, all stays as it is.
pub(crate) fn move_here(read: &mut UnixRead, write: &mut UnixWrite) {
    let socket = read.0.get_ref().try_clone();
    if let Ok(socket) = socket.and_then(|socket| watch(socket, Interest::READABLE)) {
        let socket = Arc::new(socket);
        *read = UnixRead(socket.clone());
        write.socket = socket;
        // Whether there is room now shows when something is written.
        write.room = None;
    }
}

/// The half that reads.
#[derive(Debug)]
pub(crate) struct UnixRead(Arc<AsyncFd<UnixStream>>);

impl UnixRead {
    pub(crate) fn glance(&self) -> Glance {
        Glance(self.0.clone())
    }
}

/// Shows whether something has arrived at a socket, to whoever cannot wait for that. Reads nothing.
#[derive(Clone, Debug)]
pub struct Glance(Arc<AsyncFd<UnixStream>>);

impl Glance {
    /// Whether there is something to read, if only the end of the stream.
    #[must_use]
    pub fn has_input(&self) -> bool {
        let mut socket = [PollFd::new(self.0.get_ref(), PollFlags::IN)];
        // What is wrong with a socket, whoever reads from it finds out.
        rustix::event::poll(&mut socket, Some(&Timespec::default())).is_ok_and(|ready| ready > 0)
    }
}

/// The half that writes. Dropping it closes that direction.
#[derive(Debug)]
pub(crate) struct UnixWrite {
    socket: Arc<AsyncFd<UnixStream>>,
    /// From when there was no room in the socket until everything that was to be written is.
    room: Option<Room>,
}

/// How a writer that is held up hears of room in the socket.
#[derive(Debug)]
enum Room {
    /// The runtime watches the socket, which it knows by another descriptor already.
    Watched(AsyncFd<OwnedFd>),
    /// The process has no descriptor left for that. A client that is slow must not pay for those who hold them all.
    Tried(Pin<Box<Sleep>>),
}

impl Room {
    fn of(socket: &UnixStream) -> Room {
        let socket = socket.try_clone().map(OwnedFd::from);
        match socket.and_then(|socket| watch(socket, Interest::WRITABLE)) {
            Ok(watched) => Room::Watched(watched),
            Err(_) => Room::Tried(Box::pin(tokio::time::sleep(TRIED_AFTER))),
        }
    }
}

impl AsyncRead for UnixRead {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let size = buf.remaining().min(READ_BYTES_MAX);
        loop {
            let mut ready = ready!(self.0.poll_read_ready(cx))?;
            let room = buf.initialize_unfilled_to(size);
            match ready.try_io(|socket| socket.get_ref().read(room)) {
                Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(Err(error)) => return Poll::Ready(Err(error)),
                Ok(Ok(count)) => {
                    // Less than there is room for is all that there was, and of what comes after it we shall be told.
                    if 0 < count && count < size {
                        ready.clear_ready();
                    }
                    buf.advance(count);
                    return Poll::Ready(Ok(()));
                }
                Err(_would_block) => {}
            }
        }
    }
}

impl UnixWrite {
    /// [`MemoryFile::send`], as soon as there is room for a part of it.
    pub(crate) fn poll_send_file(
        &mut self,
        cx: &mut Context<'_>,
        file: &MemoryFile,
        offset: u64,
        length: usize,
    ) -> Poll<io::Result<usize>> {
        self.poll_with(cx, length, |socket| file.send(*socket, offset, length))
    }

    /// Writes something of `length` bytes with `write`, as soon as there is room for a part of it.
    fn poll_with(
        &mut self,
        cx: &mut Context<'_>,
        length: usize,
        mut write: impl FnMut(&mut &UnixStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        let mut socket = self.socket.get_ref();
        loop {
            match &mut self.room {
                None => match write(&mut socket) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    // Should there be room by now, we are told so at once.
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        self.room = Some(Room::of(socket));
                    }
                    written => return Poll::Ready(written),
                },
                Some(Room::Watched(room)) => {
                    let mut ready = ready!(room.poll_write_ready(cx))?;
                    match ready.try_io(|_| write(&mut socket)) {
                        Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                        Ok(written) => {
                            if written.as_ref().is_ok_and(|count| *count == length) {
                                self.room = None;
                            }
                            return Poll::Ready(written);
                        }
                        Err(_would_block) => {}
                    }
                }
                Some(Room::Tried(pause)) => {
                    ready!(pause.as_mut().poll(cx));
                    self.room = None;
                }
            }
        }
    }
}

impl AsyncWrite for UnixWrite {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_with(cx, buf.len(), |socket| socket.write(buf))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let length = bufs.iter().map(|buf| buf.len()).sum();
        self.poll_with(cx, length, |socket| socket.write_vectored(bufs))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.socket.get_ref().shutdown(Shutdown::Write))
    }
}

impl Drop for UnixWrite {
    fn drop(&mut self) {
        // A peer that has gone is of no interest any more.
        let _ = self.socket.get_ref().shutdown(Shutdown::Write);
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    fn pair() -> ((UnixRead, UnixWrite), (UnixRead, UnixWrite)) {
        let (one, other) = UnixStream::pair().expect("a pair of sockets");
        let halves = |socket: UnixStream| {
            socket.set_nonblocking(true).expect("a socket");
            halves(socket).expect("room for a socket")
        };
        (halves(one), halves(other))
    }

    #[tokio::test]
    async fn room_is_watched_for_only_while_a_writer_is_held_up() {
        let ((_near, mut write), (mut read, _far)) = pair();
        let piece = vec![7; 10_000];
        let mut taken = 0;
        for _ in 0..3 {
            // As much as the socket takes.
            let written = loop {
                let poll = poll_fn(|cx| Poll::Ready(Pin::new(&mut write).poll_write(cx, &piece)));
                match poll.await {
                    Poll::Ready(count) => taken += count.expect("an open socket"),
                    Poll::Pending => break taken,
                }
            };
            assert!(write.room.is_some(), "it is held up");
            let mut got = vec![0; written];
            read.read_exact(&mut got).await.expect("an open socket");
            write.write_all(b"more").await.expect("an open socket");
            assert!(write.room.is_none(), "there is room again");
            taken = b"more".len();
        }
    }

    #[tokio::test]
    async fn what_arrives_in_pieces_is_read_to_the_end() {
        let ((mut read, _near), (_far, mut write)) = pair();
        let text: Vec<u8> = (0..1_000_000_u32).map(|number| number as u8).collect();
        let sent = text.clone();
        let sends = tokio::spawn(async move {
            for piece in sent.chunks(99_991) {
                write.write_all(piece).await.expect("an open socket");
                tokio::task::yield_now().await;
            }
        });
        let mut got = Vec::new();
        read.read_to_end(&mut got).await.expect("an open socket");
        sends.await.expect("it does not panic");
        assert!(got == text);
    }

    #[test]
    fn what_arrives_is_watched_for_by_the_runtime_to_which_a_socket_has_moved() {
        let runtime = || {
            let mut runtime = tokio::runtime::Builder::new_current_thread();
            runtime.enable_all().build().expect("a runtime")
        };
        let (first, second) = (runtime(), runtime());
        let ((mut read, mut write), (mut far_read, mut far_write)) =
            first.block_on(async { pair() });
        second.block_on(async {
            move_here(&mut read, &mut write);
            move_here(&mut far_read, &mut far_write);
            // More than the socket takes at once. The first runtime is not run, so nobody is woken by it.
            let text = vec![7; 1 << 20];
            let mut got = vec![0; text.len()];
            let (sent, received) =
                tokio::join!(write.write_all(&text), far_read.read_exact(&mut got));
            sent.expect("an open socket");
            received.expect("an open socket");
            assert!(got == text);
        });
    }

    #[tokio::test]
    async fn a_glance_shows_whether_there_is_something_to_read() {
        let ((mut read, _near), (_far, mut write)) = pair();
        let glance = read.glance();
        assert!(!glance.has_input());
        write.write_all(b"{}").await.expect("an open socket");
        assert!(glance.has_input());
        read.read_exact(&mut [0; 2]).await.expect("an open socket");
        assert!(!glance.has_input());
        drop(write);
        assert!(glance.has_input(), "the end");
    }
}
