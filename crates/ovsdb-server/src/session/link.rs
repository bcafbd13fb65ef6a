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

use crate::limits::{self, Limits};
use crate::published::Text;

use super::in_place;

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

/// A piece of what is to be sent.
enum Chunk {
    /// Any number of messages, or parts of two.
    Own(Vec<u8>),
    /// The greater part of one message, which others send as well.
    Shared(Text),
}

impl Chunk {
    fn bytes(&self) -> &[u8] {
        match self {
            Chunk::Own(bytes) => bytes,
            Chunk::Shared(text) => text.get().map_or(&[], Vec::as_slice),
        }
    }
}

/// See the module's documentation.
pub(super) struct Link {
    name: String,
    read: ReadHalf,
    write: WriteHalf,
    framer: Framer,
    outbox: VecDeque<Chunk>,
    /// How much of the first chunk has been sent.
    sent: usize,
    queued: usize,
    /// Size of `outbox` beyond which nothing is added to it.
    queued_max: usize,
    /// Something was to be added all the same.
    is_overfull: bool,
    spare: Vec<u8>,
    at_end: bool,
}

impl Link {
    pub(super) fn new(stream: Stream, limits: &Limits) -> Link {
        let name = stream.name().to_owned();
        let (read, write) = stream.into_split();
        Link {
            name,
            read,
            write,
            framer: Framer::new(limits.message_bytes_max),
            outbox: VecDeque::new(),
            sent: 0,
            queued: 0,
            queued_max: limits.backlog_bytes_max,
            is_overfull: false,
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

    /// If the peer was owed more than may wait for it, so that something was left out: the most that may.
    pub(super) fn overfull(&self) -> Option<usize> {
        self.is_overfull.then_some(self.queued_max)
    }

    /// Bytes that have arrived and are not yet returned as messages.
    pub(super) fn received(&self) -> usize {
        self.framer.buffered()
    }

    /// How many bytes [`Link::next_message`] may have to look at.
    pub(super) fn unexamined(&self) -> usize {
        self.framer.unexamined()
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
        if !self.may_add() {
            return;
        }
        let chunk = self.own_chunk();
        let start = chunk.len();
        if !write(chunk) {
            chunk.truncate(start);
        }
        let length = chunk.len() - start;
        self.queued += length;
        if length > 0
            && tracing::enabled!(target: "jsonrpc", Level::DEBUG)
            && let Some(Chunk::Own(chunk)) = self.outbox.back()
        {
            super::log_message(&self.name, "send", &chunk[start..]);
        }
    }

    /// Queues one message that consists of `before`, of a text that others send too, and of `after`.
    pub(super) fn send_shared(&mut self, before: &[u8], text: Text, after: &[u8]) {
        if !self.may_add() {
            return;
        }
        let shared = Chunk::Shared(text);
        if tracing::enabled!(target: "jsonrpc", Level::DEBUG) {
            super::log_message(
                &self.name,
                "send",
                &[before, shared.bytes(), after].concat(),
            );
        }
        self.queued += before.len() + shared.bytes().len() + after.len();
        self.own_chunk().extend_from_slice(before);
        self.outbox.push_back(shared);
        self.own_chunk().extend_from_slice(after);
    }

    /// Whether a message can be added to the outbox. Once one could not, none can: what comes later makes no sense alone.
    fn may_add(&mut self) -> bool {
        self.is_overfull |= self.queued > self.queued_max;
        !self.is_overfull
    }

    /// A buffer at the end of the outbox that takes more.
    fn own_chunk(&mut self) -> &mut Vec<u8> {
        let has_room = |chunk: &Chunk| match chunk {
            Chunk::Own(bytes) => bytes.len() < limits::OUTBOX_CHUNK_BYTES,
            Chunk::Shared(_) => false,
        };
        if !self.outbox.back().is_some_and(has_room) {
            let spare = std::mem::take(&mut self.spare);
            self.outbox.push_back(Chunk::Own(spare));
        }
        match self.outbox.back_mut() {
            Some(Chunk::Own(bytes)) => bytes,
            _ => unreachable!("such a chunk was pushed if it was not there"),
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
        while let Some(chunk) = self.outbox.front() {
            let bytes = chunk.bytes();
            while self.sent < bytes.len() {
                match Pin::new(&mut self.write).poll_write(cx, &bytes[self.sent..]) {
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
            if let Some(Chunk::Own(mut bytes)) = self.outbox.pop_front()
                && bytes.capacity() <= 2 * limits::OUTBOX_CHUNK_BYTES
            {
                bytes.clear();
                self.spare = bytes;
            }
        }
        Poll::Ready(Ok(()))
    }

    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Progress>> {
        let buffer = self.framer.buf_mut();
        // A buffer that finds no room where it is moves.
        let moved = if buffer.capacity() - buffer.len() < limits::READ_BYTES {
            buffer.len()
        } else {
            0
        };
        in_place(moved, || buffer.reserve(limits::READ_BYTES));
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
