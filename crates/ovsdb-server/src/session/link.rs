//! A session's stream: bytes in, cut into messages; bytes out, as far as the peer takes them.
//!
//! Nothing here waits on its own: [`Link::progress`] is one step, to be awaited together with whatever else may happen.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use ovsdb_net::{Glance, ReadHalf, Stream, move_here};
use ovsdb_proto::framer::{FrameError, Framer};
use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};

use crate::lane;
use crate::limits::{self, Limits};
use crate::meters::{BEHIND, Flag};

use super::free_in_place;
use super::outbox::Outbox;
use super::room::Room;

thread_local! {
    /// Where a session that is in the middle of nothing big receives: between two of its turns it needs no buffer of its own.
    static RECEIVED: RefCell<Vec<u8>> = RefCell::new(vec![0; limits::READ_BYTES]);
}

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
    name: Arc<str>,
    read: ReadHalf,
    framer: Framer,
    message_bytes_max: usize,
    /// `None` while it is lent to somebody, which it is only with nothing in it.
    out: Option<Box<Outbox>>,
    at_end: bool,
    /// Whether the lane watches the socket.
    in_lane: bool,
    behind: Flag,
}

impl Link {
    pub(super) fn new(stream: Stream, limits: &Limits) -> Link {
        let name: Arc<str> = stream.name().into();
        let (read, write) = stream.into_split();
        let out = Outbox::new(name.clone(), write, limits.backlog_bytes_max);
        Link {
            name,
            read,
            framer: Framer::new(limits.message_bytes_max),
            message_bytes_max: limits.message_bytes_max,
            out: Some(Box::new(out)),
            at_end: false,
            in_lane: false,
            behind: Flag::new(&BEHIND),
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// What the peer is to be sent.
    pub(super) fn out(&mut self) -> &mut Outbox {
        self.out
            .as_mut()
            .expect("the session takes it back before it does anything")
    }

    /// Has the threads watch the socket among which this is one, while nothing is lent. To be called when they may be others
    /// than before.
    ///
    /// # Errors
    /// The connection has been lost.
    pub(super) fn settle(&mut self) -> io::Result<()> {
        let in_lane = lane::is_here();
        if std::mem::replace(&mut self.in_lane, in_lane) == in_lane {
            return Ok(());
        }
        match &mut self.out {
            Some(out) => move_here(&mut self.read, out.write_half()),
            None => Ok(()),
        }
    }

    /// Lends what sends, until it is given back.
    pub(super) fn lend_out(&mut self) -> Option<Box<Outbox>> {
        self.out.take()
    }

    /// Takes back what was lent.
    pub(super) fn give_back(&mut self, out: Box<Outbox>) {
        self.out = Some(out);
    }

    /// What shows whether the peer has sent something.
    pub(super) fn glance(&self) -> Option<Glance> {
        self.read.glance()
    }

    /// Bytes that wait to be sent.
    pub(super) fn backlog(&self) -> usize {
        self.out.as_ref().map_or(0, |out| out.backlog())
    }

    /// Whether the peer has been sent everything, for whoever waits now.
    pub(super) fn is_free(&mut self) -> bool {
        let is_free = self.backlog() == 0;
        self.behind.set(!is_free);
        is_free
    }

    /// Bytes that the peer has taken so far, as long as nothing is lent.
    pub(super) fn taken(&self) -> u64 {
        self.out.as_ref().map_or(0, |out| out.taken())
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

    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let sent = self.out().poll_send(cx);
        if let Poll::Ready(Err(error)) = &sent {
            self.log("send", error);
        }
        sent
    }

    /// Says what has gone wrong with the connection. What becomes of that is logged by others.
    #[cold]
    fn log(&self, what: &str, error: &io::Error) {
        tracing::warn!(
            target: "jsonrpc", per_minute = 5, burst = 5,
            "{}: {what} error: {}", self.name, ovsdb_net::errno_text(error)
        );
    }

    fn poll_progress(&mut self, receive: bool, cx: &mut Context<'_>) -> Poll<io::Result<Progress>> {
        if self.backlog() > 0
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

    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Progress>> {
        let received = if self.framer.buffered() < limits::READ_BYTES {
            self.poll_receive_little(cx)
        } else {
            self.poll_receive_much(cx)
        };
        if let Poll::Ready(Err(error)) = &received {
            self.log("receive", error);
        }
        received.map_ok(|count| {
            if count == 0 {
                self.at_end = true;
                Progress::End
            } else {
                Progress::Received
            }
        })
    }

    fn poll_receive_little(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        RECEIVED.with_borrow_mut(|buffer| {
            let mut received = ReadBuf::new(buffer);
            let poll = Pin::new(&mut self.read).poll_read(cx, &mut received);
            let received = received.filled();
            self.framer.push(received);
            poll.map_ok(|()| received.len())
        })
    }

    /// Receives straight into the message that is arriving.
    fn poll_receive_much(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.framer.buffered() > limits::MESSAGE_BYTES_SMALL {
            // The rest may be much more, and it comes as fast as it can be taken.
            lane::wish();
        }
        let buffered = self.framer.buffered();
        if (limits::RECEIVE_WHOLE_BYTES..self.message_bytes_max).contains(&buffered)
            && self.framer.free().is_none()
            // Where the system has no such room, the buffer grows.
            // A read beyond the largest message shows that it is too long.
            && let Some(room) = Room::of(self.message_bytes_max.saturating_add(limits::READ_BYTES))
        {
            free_in_place(buffered, || {
                self.framer.move_into(room);
            });
        }
        if let Some(free) = self.framer.free() {
            let mut received = ReadBuf::new(free);
            let poll = Pin::new(&mut self.read).poll_read(cx, &mut received);
            let count = received.filled().len();
            self.framer.fill(count);
            return poll.map_ok(|()| count);
        }
        let buffer = self.framer.buf_mut();
        if buffer.capacity() - buffer.len() < limits::READ_BYTES {
            // A buffer that finds no room where it is moves. Of the room that it gets it takes no more memory than it uses, and
            // what it leaves behind has to be made anew elsewhere, so it moves seldom.
            let growth = buffer.len() * (limits::RECEIVE_GROWTH - 1);
            // Where the system counts room that is not used, too much of it could not be had.
            let room = growth.min(buffer.len().max(limits::RECEIVE_GROWTH_BYTES_MAX));
            let room = room.min(self.message_bytes_max.saturating_sub(buffer.len()));
            free_in_place(buffer.len(), || {
                buffer.reserve(room.max(limits::READ_BYTES));
            });
        }
        // The future holds nothing between polls, so it may be made anew for each.
        pin!(self.read.read_buf(buffer)).poll(cx)
    }
}
