//! An established connection as two halves that read and write.
//!
//! Plaintext is encrypted in portions, each of which has left before the next is taken, so that little hides here; what
//! has not left yet is counted. Neither half ever waits while it holds the lock that both share.

use std::fmt;
use std::io::{self, IoSlice, Read, Write};
use std::os::fd::AsFd;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use rustls::Connection;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::task::coop::poll_proceed;

use super::handshake::is_retry;
use super::words;

/// Most bytes that are encrypted before all of them have gone to the system.
const PORTION_BYTES: usize = 64 * 1024;

/// How often in a row the socket is asked for more ciphertext: a peer may send it faster than it is decrypted, and as
/// records with little or nothing in them.
const READS_IN_A_ROW_MAX: usize = 16;

/// What both halves share.
struct Shared {
    state: Mutex<State>,
    /// Bytes that wait to be sent.
    unsent: AtomicUsize,
}

struct State {
    socket: TcpStream,
    connection: Connection,
    /// Ciphertext that waits to be sent, from `start` on.
    out: Vec<u8>,
    start: usize,
    /// The peer sends no more.
    at_end: bool,
    /// The error that ended the connection.
    has_failed: bool,
    /// How often the socket was asked for ciphertext since the reader last waited.
    reads: usize,
}

/// The half that reads.
pub(crate) struct TlsRead(Arc<Shared>);

/// The half that writes. Dropping it tells the peer that no more comes.
pub(crate) struct TlsWrite(Arc<Shared>);

impl fmt::Debug for TlsRead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TlsRead")
            .field(&self.0.lock().socket)
            .finish()
    }
}

impl fmt::Debug for TlsWrite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TlsWrite")
            .field(&self.0.lock().socket)
            .finish()
    }
}

/// Both halves of a connection whose handshake is done.
pub(crate) fn halves(socket: TcpStream, mut connection: Connection) -> (TlsRead, TlsWrite) {
    connection.set_buffer_limit(Some(PORTION_BYTES));
    let shared = Arc::new(Shared {
        state: Mutex::new(State {
            socket,
            connection,
            out: Vec::new(),
            start: 0,
            at_end: false,
            has_failed: false,
            reads: 0,
        }),
        unsent: AtomicUsize::new(0),
    });
    (TlsRead(shared.clone()), TlsWrite(shared))
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // rustls does not panic on what peers send; if it did, its next call finds the connection in error.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends what the socket takes. True if nothing is left.
    fn send(&self, state: &mut State) -> io::Result<bool> {
        loop {
            if state.start == state.out.len() {
                state.out.clear();
                state.start = 0;
                if !state.connection.wants_write() {
                    // Who has nothing to send needs no buffer.
                    state.out = Vec::new();
                    self.count(state);
                    return Ok(true);
                }
                while state.connection.wants_write() {
                    state.connection.write_tls(&mut state.out)?;
                }
            }
            match state.socket.try_write(&state.out[state.start..]) {
                Ok(length) => state.start += length,
                Err(error) if is_retry(&error) => {
                    self.count(state);
                    return Ok(false);
                }
                Err(error) => {
                    // The reader learns of it as well.
                    self.count(state);
                    return Err(error);
                }
            }
        }
    }

    fn count(&self, state: &State) {
        let unsent = state.out.len() - state.start;
        self.unsent.store(unsent, Ordering::Relaxed);
    }

    fn poll_send_all(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let mut state = self.lock();
            if self.send(&mut state)? {
                return Poll::Ready(Ok(()));
            }
            ready!(state.socket.poll_write_ready(cx))?;
        }
    }
}

/// Has the runtime within which this is called watch the socket. If there is no descriptor for that, the one that did goes on.
pub(crate) fn move_here(half: &mut TlsRead) {
    let mut state = half.0.lock();
    let again = state.socket.as_fd().try_clone_to_owned();
    let moved = again.and_then(|socket| TcpStream::from_std(socket.into()));
    if let Ok(socket) = moved {
        state.socket = socket;
    }
}

/// Reads ciphertext from a socket for rustls.
struct Source<'a>(&'a TcpStream);

impl Read for Source<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(buffer)
    }
}

impl State {
    /// Decrypts into `buffer` what is at hand and what the socket has, without waiting. `WouldBlock` if there is
    /// nothing; `Ok` with nothing added at the end, or if there may be more although nothing has come of what there was.
    fn receive(&mut self, shared: &Shared, buffer: &mut ReadBuf<'_>) -> io::Result<()> {
        let before = buffer.filled().len();
        loop {
            // First what came with an earlier record: nothing else would ever ask for it.
            match self.connection.reader().read(buffer.initialize_unfilled()) {
                Ok(0) if buffer.remaining() > 0 => {
                    self.at_end = true;
                    return Ok(());
                }
                Ok(length) => buffer.advance(length),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // A peer that just closes the connection has said what it had to say, as for the reference.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    self.at_end = true;
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
            if buffer.remaining() == 0 || self.reads == READS_IN_A_ROW_MAX {
                return Ok(());
            }
            self.reads += 1;
            match self.connection.read_tls(&mut Source(&self.socket)) {
                // The reader says so next, once all that came before it has been taken.
                Ok(0) => {
                    if self.at_end {
                        return Ok(());
                    }
                }
                Ok(_) => {}
                Err(error) if is_retry(&error) && buffer.filled().len() > before => return Ok(()),
                Err(error) => return Err(error),
            }
            let processed = self.connection.process_new_packets();
            // What has arrived may want an answer, and a failure an alert. If it cannot be sent, whoever writes finds out;
            // what the peer had to say before is worth reading.
            let _ = shared.send(self);
            if let Err(error) = processed {
                let text = words::of(&error, &[]);
                tracing::warn!(target: "stream_ssl", per_minute = 10, burst = 25, "SSL_read: {text}");
                self.has_failed = true;
                while let Ok(length @ 1..) =
                    self.connection.reader().read(buffer.initialize_unfilled())
                {
                    buffer.advance(length);
                }
                return if buffer.filled().len() > before {
                    Ok(())
                } else {
                    Err(rustix::io::Errno::IO.into())
                };
            }
        }
    }
}

impl AsyncRead for TlsRead {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let shared = &*self.0;
        if buffer.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        // What has been decrypted already is there without the socket, whose turns the runtime would count.
        let turn = ready!(poll_proceed(cx));
        let before = buffer.filled().len();
        loop {
            let mut state = shared.lock();
            if state.has_failed {
                return Poll::Ready(Err(rustix::io::Errno::IO.into()));
            }
            if state.at_end {
                return Poll::Ready(Ok(()));
            }
            match state.receive(shared, buffer) {
                Err(error) if is_retry(&error) => state.reads = 0,
                Ok(()) if buffer.filled().len() == before && !state.at_end => {
                    // Others get their turn first.
                    state.reads = 0;
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                received => {
                    turn.made_progress();
                    return Poll::Ready(received);
                }
            }
            ready!(state.socket.poll_read_ready(cx))?;
        }
    }
}

impl TlsWrite {
    /// Bytes, as they go over the wire, that wait until the socket takes them.
    #[inline]
    pub(crate) fn unsent(&self) -> usize {
        self.0.unsent.load(Ordering::Relaxed)
    }

    /// Takes a portion of plaintext, once everything before it has left.
    fn poll_take(
        &self,
        cx: &mut Context<'_>,
        take: impl FnOnce(&mut rustls::Writer<'_>) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        let shared = &*self.0;
        // A peer that takes everything at once would have all to itself.
        let turn = ready!(poll_proceed(cx));
        ready!(shared.poll_send_all(cx))?;
        turn.made_progress();
        let mut state = shared.lock();
        let taken = take(&mut state.connection.writer())?;
        shared.send(&mut state)?;
        Poll::Ready(Ok(taken))
    }
}

impl AsyncWrite for TlsWrite {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let portion = &bytes[..bytes.len().min(PORTION_BYTES)];
        self.poll_take(cx, |writer| writer.write(portion))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_take(cx, |writer| writer.write_vectored(bytes))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.unsent() == 0 {
            return Poll::Ready(Ok(()));
        }
        self.0.poll_send_all(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.0.poll_send_all(cx))?;
        self.0.lock().connection.send_close_notify();
        ready!(self.0.poll_send_all(cx))?;
        Poll::Ready(self.0.lock().close())
    }
}

impl State {
    fn close(&self) -> io::Result<()> {
        rustix::net::shutdown(&self.socket, rustix::net::Shutdown::Write).map_err(Into::into)
    }
}

impl Drop for TlsWrite {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.connection.send_close_notify();
        // Nobody waits for the peer to make room; the end of the stream says the same.
        let _ = self.0.send(&mut state);
        let _ = state.close();
    }
}
