//! What a client is to be sent: messages in the order of their sending, and the half of the stream that takes them.
//!
//! Nothing here waits: [`Outbox::poll_send`] sends what the peer takes at the moment.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use ovsdb_net::{MemoryFile, WriteHalf};
use tokio::io::AsyncWrite;
use tracing::Level;

use crate::contents::{Piece, Reader};
use crate::limits;
use crate::published::Text;

thread_local! {
    /// A buffer for whoever needs one next: who has nothing to send has none.
    static SPARE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// A piece of what is to be sent.
enum Chunk {
    /// Any number of messages, or parts of two.
    Own(Vec<u8>),
    /// The greater part of one message, which others send as well.
    Shared(Text),
    /// The same, piece by piece: the one at hand, and where the others come from.
    Pieces(Option<Arc<Piece>>, Reader),
}

/// What pieces count in the backlog before the last of them has been sent: more than with what a session takes requests.
const PIECES_BYTES: usize = limits::OUTBOX_BYTES_MAX + 1;

impl Chunk {
    fn bytes(&self) -> &[u8] {
        match self {
            Chunk::Own(bytes) => bytes,
            Chunk::Shared(text) => text.get().map_or(&[], Vec::as_slice),
            Chunk::Pieces(piece, _) => piece.as_deref().map_or(&[], Piece::bytes),
        }
    }

    /// A file that holds the same, if there is one.
    fn file(&self) -> Option<&MemoryFile> {
        match self {
            Chunk::Pieces(piece, _) => piece.as_deref()?.file(),
            Chunk::Own(_) | Chunk::Shared(_) => None,
        }
    }
}

/// See the module's documentation.
pub(super) struct Outbox {
    /// The peer's name, for the log.
    name: Arc<str>,
    write: WriteHalf,
    chunks: VecDeque<Chunk>,
    /// How much of the first chunk has been sent.
    sent: usize,
    queued: usize,
    /// Bytes that the peer has taken so far.
    taken: u64,
    /// Size of `chunks` beyond which nothing is added to it.
    queued_max: usize,
    /// Something was to be added all the same.
    is_overfull: bool,
}

impl Outbox {
    pub(super) fn new(name: Arc<str>, write: WriteHalf, queued_max: usize) -> Outbox {
        Outbox {
            name,
            write,
            chunks: VecDeque::new(),
            sent: 0,
            queued: 0,
            taken: 0,
            queued_max,
            is_overfull: false,
        }
    }

    /// The half of the stream that takes what is sent.
    pub(super) fn write_half(&mut self) -> &mut WriteHalf {
        &mut self.write
    }

    /// Bytes that wait to be sent, those among them that the stream has taken and could not send yet.
    pub(super) fn backlog(&self) -> usize {
        self.queued + self.write.unsent()
    }

    /// Bytes that the peer, or the system for it, has taken so far.
    pub(super) fn taken(&self) -> u64 {
        self.taken
    }

    /// If the peer was owed more than may wait for it, so that something was left out: the most that may.
    pub(super) fn overfull(&self) -> Option<usize> {
        self.is_overfull.then_some(self.queued_max)
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
            && self.is_logged()
            && let Some(Chunk::Own(chunk)) = self.chunks.back()
        {
            super::log_message(&self.name, "send", &chunk[start..]);
        }
    }

    /// Whether each message is to be seen in the log.
    pub(super) fn is_logged(&self) -> bool {
        tracing::enabled!(target: "jsonrpc", Level::DEBUG)
    }

    /// Queues a text that others are sent, too: whole messages, which are not logged.
    pub(super) fn send_messages(&mut self, text: Text) {
        if !self.may_add() {
            return;
        }
        let messages = Chunk::Shared(text);
        let length = messages.bytes().len();
        self.queued += length;
        if self.chunks.is_empty() || length > limits::OUTBOX_GATHERED_BYTES {
            self.chunks.push_back(messages);
        } else {
            // Each chunk costs a call of the system, which is more than to copy so little.
            self.own_chunk().extend_from_slice(messages.bytes());
        }
    }

    /// Queues one message that consists of `before`, of a text that others send too, and of `after`.
    pub(super) fn send_shared(&mut self, before: &[u8], text: Text, after: &[u8]) {
        if !self.may_add() {
            return;
        }
        let shared = Chunk::Shared(text);
        if self.is_logged() {
            super::log_message(
                &self.name,
                "send",
                &[before, shared.bytes(), after].concat(),
            );
        }
        self.queued += before.len() + shared.bytes().len() + after.len();
        self.own_chunk().extend_from_slice(before);
        self.chunks.push_back(shared);
        self.own_chunk().extend_from_slice(after);
    }

    /// Queues one message that consists of `before`, of contents that others may send too, and of `after`. It is not
    /// logged.
    pub(super) fn send_pieces(&mut self, before: &[u8], mut contents: Reader, after: &[u8]) {
        if !self.may_add() {
            return;
        }
        if !self.write.takes_files() {
            contents.refuse_files();
        }
        self.queued += before.len() + PIECES_BYTES + after.len();
        self.own_chunk().extend_from_slice(before);
        self.chunks.push_back(Chunk::Pieces(None, contents));
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
            Chunk::Shared(_) | Chunk::Pieces(..) => false,
        };
        if !self.chunks.back().is_some_and(has_room) {
            self.chunks.push_back(Chunk::Own(SPARE.take()));
        }
        match self.chunks.back_mut() {
            Some(Chunk::Own(bytes)) => bytes,
            _ => unreachable!("such a chunk was pushed if it was not there"),
        }
    }

    /// Sends what the peer takes without waiting. Whoever waits for the rest finds out by [`Outbox::poll_send`].
    pub(super) fn try_send(&mut self) {
        // An error comes up again when the session itself sends the rest, which there is then.
        let _ = self.poll_send(&mut Context::from_waker(Waker::noop()));
    }

    /// Sends until nothing is left or the peer takes no more.
    pub(super) fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(chunk) = self.chunks.front_mut() {
            let is_counted = !matches!(chunk, Chunk::Pieces(..));
            let bytes = chunk.bytes();
            while self.sent < bytes.len() {
                let (rest, from) = (&bytes[self.sent..], self.sent as u64);
                let sent = chunk.file().and_then(|file| {
                    let length = rest.len();
                    self.write.poll_send_file(cx, file, from, length)
                });
                let sent = sent.unwrap_or_else(|| Pin::new(&mut self.write).poll_write(cx, rest));
                match sent {
                    Poll::Pending => {
                        // There is nothing else to do before the peer has made room.
                        if let Chunk::Pieces(_, others) = chunk {
                            others.prepare();
                        }
                        return Poll::Pending;
                    }
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                    Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                    Poll::Ready(Ok(n)) => {
                        self.sent += n;
                        self.taken += n as u64;
                        if is_counted {
                            self.queued -= n;
                        }
                    }
                }
            }
            self.sent = 0;
            if let Chunk::Pieces(piece, others) = chunk {
                // First, so that its buffer can be used for the next one.
                *piece = None;
                if let Some((next, was_made)) = others.go_on() {
                    *piece = Some(next);
                    if was_made {
                        // That took a while. Others get their turn, and what has arrived meanwhile is looked at.
                        let _ = pin!(tokio::task::yield_now()).poll(cx);
                        return Poll::Pending;
                    }
                    continue;
                }
                self.queued -= PIECES_BYTES;
            }
            if let Some(Chunk::Own(mut bytes)) = self.chunks.pop_front()
                && bytes.capacity() <= 2 * limits::OUTBOX_CHUNK_BYTES
            {
                bytes.clear();
                SPARE.set(bytes);
            }
        }
        if !self.write.may_hold_back() {
            return Poll::Ready(Ok(()));
        }
        // What a stream holds back would otherwise wait for the next message.
        let unsent = self.write.unsent();
        let flushed = Pin::new(&mut self.write).poll_flush(cx);
        self.taken += unsent.saturating_sub(self.write.unsent()) as u64;
        flushed
    }
}

#[cfg(test)]
mod tests;
