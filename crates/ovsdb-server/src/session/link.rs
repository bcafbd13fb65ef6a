//! A session's stream: bytes in, cut into messages; bytes out, as far as the peer takes them.
//!
//! Nothing here waits on its own: [`Link::progress`] is one step, to be awaited together with whatever else may happen.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use bytes::Bytes;
use ovsdb_net::{ReadHalf, Stream, WriteHalf};
use ovsdb_proto::framer::{FrameError, Framer};
use tokio::io::{AsyncReadExt, AsyncWrite};
use tracing::Level;

use crate::limits;

/// What a step achieved.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Progress {
    /// Bytes have arrived.
    Received,
    /// Everything that was queued has been sent.
    Drained,
    /// The peer has closed its sending side.
    End,
}

/// See the module's documentation.
pub(super) struct Link {
    name: String,
    read: ReadHalf,
    write: WriteHalf,
    framer: Framer,
    outbox: VecDeque<Vec<u8>>,
    /// How much of the first chunk has been sent.
    sent: usize,
    queued: usize,
    spare: Vec<u8>,
    at_end: bool,
}

impl Link {
    pub(super) fn new(stream: Stream) -> Link {
        let name = stream.name().to_owned();
        let (read, write) = stream.into_split();
        Link {
            name,
            read,
            write,
            framer: Framer::new(limits::MESSAGE_BYTES_MAX),
            outbox: VecDeque::new(),
            sent: 0,
            queued: 0,
            spare: Vec::new(),
            at_end: false,
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Bytes that wait to be sent.
    pub(super) fn backlog(&self) -> usize {
        self.queued
    }

    /// Whether the peer has closed its sending side.
    pub(super) fn is_at_end(&self) -> bool {
        self.at_end
    }

    /// The next message that has arrived in full.
    pub(super) fn next_message(&mut self) -> Result<Option<Bytes>, FrameError> {
        self.framer.next()
    }

    /// Queues one message, which `write` appends to the buffer it is given. If it returns false there is none.
    pub(super) fn send(&mut self, write: impl FnOnce(&mut Vec<u8>) -> bool) {
        if self
            .outbox
            .back()
            .is_none_or(|last| last.len() >= limits::OUTBOX_CHUNK_BYTES)
        {
            self.outbox.push_back(std::mem::take(&mut self.spare));
        }
        let chunk = self
            .outbox
            .back_mut()
            .expect("one was pushed if there was none");
        let start = chunk.len();
        if !write(chunk) {
            chunk.truncate(start);
        }
        self.queued += chunk.len() - start;
        if tracing::enabled!(target: "jsonrpc", Level::DEBUG) && chunk.len() > start {
            super::log_message(&self.name, "send", &chunk[start..]);
        }
    }

    /// Sends and, if `receive`, receives as far as that goes at the moment; waits until either gets anywhere.
    pub(super) async fn progress(&mut self, receive: bool) -> io::Result<Progress> {
        poll_fn(|cx| self.poll_progress(receive, cx)).await
    }

    /// Sends what the peer takes without waiting for it.
    pub(super) async fn send_now(&mut self) -> io::Result<()> {
        poll_fn(|cx| match self.poll_send(cx) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            _ => Poll::Ready(Ok(())),
        })
        .await
    }

    fn poll_progress(&mut self, receive: bool, cx: &mut Context<'_>) -> Poll<io::Result<Progress>> {
        if self.queued > 0
            && let Poll::Ready(result) = self.poll_send(cx)
        {
            return Poll::Ready(result.map(|()| Progress::Drained));
        }
        if receive && !self.at_end {
            self.poll_receive(cx)
        } else {
            Poll::Pending
        }
    }

    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(chunk) = self.outbox.front_mut() {
            while self.sent < chunk.len() {
                match Pin::new(&mut self.write).poll_write(cx, &chunk[self.sent..]) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                    Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                    Poll::Ready(Ok(n)) => {
                        self.sent += n;
                        self.queued -= n;
                    }
                }
            }
            self.sent = 0;
            let mut chunk = self.outbox.pop_front().expect("it was looked at above");
            if chunk.capacity() <= 2 * limits::OUTBOX_CHUNK_BYTES {
                chunk.clear();
                self.spare = chunk;
            }
        }
        Poll::Ready(Ok(()))
    }

    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Progress>> {
        let buffer = self.framer.buf_mut();
        buffer.reserve(limits::READ_BYTES);
        // The future holds nothing between polls, so it may be made anew for each.
        let received = pin!(self.read.read_buf(buffer));
        received.poll(cx).map_ok(|count| {
            if count == 0 {
                self.at_end = true;
                Progress::End
            } else {
                Progress::Received
            }
        })
    }
}
