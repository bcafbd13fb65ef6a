//! A client's side of a connection: messages out and in, whatever else happens meanwhile.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use bytes::Bytes;
use ovsdb_proto::framer::Framer;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::network::{End, Line};

/// What comes next.
pub(crate) enum Heard {
    Message(Bytes),
    /// Nothing more will come.
    Closed,
}

/// See the module's documentation.
pub(crate) struct Wire {
    pub(crate) line: Line,
    end: End,
    framer: Framer,
    outbox: Vec<u8>,
    /// Nothing can be sent any more.
    is_deaf: bool,
    finishes: bool,
}

impl Wire {
    pub(crate) fn new(line: Line, end: End) -> Wire {
        Wire {
            line,
            end,
            framer: Framer::new(64 << 20),
            outbox: Vec::new(),
            is_deaf: false,
            finishes: false,
        }
    }

    /// Sends a message, as fast as the line takes it.
    pub(crate) fn send(&mut self, message: &str) {
        self.outbox.extend(message.as_bytes());
    }

    /// Sends nothing more after what is on its way.
    pub(crate) fn finish(&mut self) {
        self.finishes = true;
    }

    /// Waits for what comes next. Safe to cancel.
    pub(crate) async fn hear(&mut self) -> Heard {
        poll_fn(|cx| {
            while !self.outbox.is_empty() && !self.is_deaf {
                match Pin::new(&mut self.end.write).poll_write(cx, &self.outbox) {
                    Poll::Pending => break,
                    Poll::Ready(Ok(count)) => drop(self.outbox.drain(..count)),
                    Poll::Ready(Err(_)) => self.is_deaf = true,
                }
            }
            if self.outbox.is_empty() && self.finishes {
                self.finishes = false;
                self.end.write.finish();
            }
            loop {
                let message = self.framer.next().expect("the server sends JSON");
                if let Some(message) = message {
                    return Poll::Ready(Heard::Message(message));
                }
                let mut space = [0; 4096];
                let mut buffer = ReadBuf::new(&mut space);
                match Pin::new(&mut self.end.read).poll_read(cx, &mut buffer) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {
                        self.framer.push(buffer.filled());
                    }
                    Poll::Ready(_) => return Poll::Ready(Heard::Closed),
                }
            }
        })
        .await
    }
}
