//! A stream cut into messages: a half that reads whole JSON values and a half that queues and writes bytes.
//!
//! Both halves are safe to cancel at every `await`, so that a session can wait for input and flush its output in one
//! `select!`. What the messages mean is not known here, and nothing is answered here.

use std::collections::VecDeque;
use std::io::{self, IoSlice};

use bytes::{Buf, Bytes};
use ovsdb_proto::framer::{FrameError, Framer};
use ovsdb_proto::jsonrpc::{Message, ParseError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::content::{Content, guess_content};
use crate::error::{NetError, errno_text};
use crate::method::Method;
use crate::read_size::ReadSize;
use crate::stream::{ReadHalf, Stream, WriteHalf};

/// Longest message taken from a peer unless told otherwise, in bytes.
pub const DEFAULT_MESSAGE_BYTES_MAX: usize = 1 << 30;

/// Pieces handed to the kernel in one call (its limit is 1,024).
const WRITE_PIECES_MAX: usize = 256;

/// What a connection may hold in memory.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Longest message taken from the peer, in bytes.
    pub message_bytes_max: usize,
    /// Most bytes queued for the peer before a message that makes it more is refused.
    pub backlog_bytes_max: usize,
    /// Most messages queued for the peer likewise.
    pub backlog_messages_max: usize,
}

impl Default for Limits {
    /// A gigabyte for a message; no limit for the backlog, whose owner must then watch it.
    fn default() -> Self {
        Self {
            message_bytes_max: DEFAULT_MESSAGE_BYTES_MAX,
            backlog_bytes_max: usize::MAX,
            backlog_messages_max: usize::MAX,
        }
    }
}

/// Why no more messages come from a peer. After any of these the connection is of no more use.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecvError {
    /// The peer has closed its sending side; half a message before it is dropped.
    #[error("End of file")]
    Eof,
    /// The socket failed.
    #[error("{}", errno_text(.0))]
    Io(#[source] io::Error),
    /// The peer sent what is no message, or one that is too long.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The peer sent JSON that is no JSON-RPC message.
    #[error(transparent)]
    Message(#[from] ParseError),
}

impl RecvError {
    /// The words that Open vSwitch programs print for this error.
    #[must_use]
    pub fn reason(&self) -> String {
        match self {
            Self::Eof => "End of file".to_owned(),
            Self::Io(error) => errno_text(error),
            Self::Frame(_) | Self::Message(_) => errno_text(&rustix::io::Errno::PROTO.into()),
        }
    }

    /// The same for [`crate::Reconnect::disconnected`].
    #[must_use]
    pub fn disconnect(&self) -> crate::Disconnect {
        match self {
            Self::Eof => crate::Disconnect::Eof,
            other => crate::Disconnect::Error(other.reason()),
        }
    }
}

/// Why nothing more can be sent to a peer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The socket failed.
    #[error("{}", errno_text(.0))]
    Io(#[source] io::Error),
    /// The peer does not read as fast as it is sent to; it must be dropped.
    #[error("send backlog of {bytes} bytes in {messages} messages is too long")]
    Backlog {
        /// Bytes queued, those refused included.
        bytes: usize,
        /// Messages queued, the one refused included.
        messages: usize,
    },
}

impl SendError {
    /// The words that Open vSwitch programs print for this error.
    #[must_use]
    pub fn reason(&self) -> String {
        match self {
            Self::Io(error) => errno_text(error),
            Self::Backlog { .. } => errno_text(&rustix::io::Errno::TOOBIG.into()),
        }
    }
}

/// What is queued for a peer.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Backlog {
    /// Bytes that the kernel has not taken yet.
    pub bytes: usize,
    /// Messages of which at least one byte is queued.
    pub messages: usize,
}

/// A connected peer, both ways. See [`Connection::split`] for the halves.
#[derive(Debug)]
pub struct Connection {
    reader: Reader,
    writer: Writer,
}

impl Connection {
    /// A connection over `stream`.
    #[must_use]
    pub fn new(stream: Stream, limits: Limits) -> Self {
        let name = stream.name().to_owned();
        let (read, write) = stream.into_split();
        Self {
            reader: Reader::new(name.clone(), read, limits.message_bytes_max),
            writer: Writer::new(name, write, limits),
        }
    }

    /// Connects with an active method and the default limits.
    ///
    /// # Errors
    /// See [`NetError`].
    pub async fn connect(method: &Method) -> Result<Self, NetError> {
        Ok(Self::new(Stream::connect(method).await?, Limits::default()))
    }

    /// The peer's name in logs.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.reader.name
    }

    /// See [`Reader::recv`].
    ///
    /// # Errors
    /// See [`RecvError`].
    pub async fn recv(&mut self) -> Result<Bytes, RecvError> {
        self.reader.recv().await
    }

    /// See [`Reader::recv_message`].
    ///
    /// # Errors
    /// See [`RecvError`].
    pub async fn recv_message(&mut self) -> Result<Message, RecvError> {
        self.reader.recv_message().await
    }

    /// Queues one message and writes until nothing is queued.
    ///
    /// # Errors
    /// See [`SendError`].
    pub async fn send_message(&mut self, message: &Message) -> Result<(), SendError> {
        self.writer.queue_message(message)?;
        self.writer.flush().await
    }

    /// Queues one message, given as bytes, and writes until nothing is queued.
    ///
    /// # Errors
    /// See [`SendError`].
    pub async fn send(&mut self, message: impl Into<Bytes>) -> Result<(), SendError> {
        self.writer.queue([message.into()])?;
        self.writer.flush().await
    }

    /// Both halves, borrowed: for a `select!` over [`Reader::recv`] and [`Writer::flush`].
    pub fn halves(&mut self) -> (&mut Reader, &mut Writer) {
        (&mut self.reader, &mut self.writer)
    }

    /// Both halves, to be owned by different tasks. The socket is closed when both are gone.
    #[must_use]
    pub fn split(self) -> (Reader, Writer) {
        (self.reader, self.writer)
    }
}

/// The half that reads.
#[derive(Debug)]
pub struct Reader {
    name: String,
    half: ReadHalf,
    framer: Framer,
    /// How much the next read asks for: grows with a peer that fills it, shrinks with one that does not.
    read_size: ReadSize,
    received_bytes: u64,
    start: [u8; 2],
}

impl Reader {
    fn new(name: String, half: ReadHalf, message_bytes_max: usize) -> Self {
        Self {
            name,
            half,
            framer: Framer::new(message_bytes_max),
            read_size: ReadSize::default(),
            received_bytes: 0,
            start: [0; 2],
        }
    }

    /// The peer's name in logs.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Bytes read so far: any growth is a sign of life, also in the midst of a long message.
    #[must_use]
    pub fn received_bytes(&self) -> u64 {
        self.received_bytes
    }

    /// The next whole message that is already in memory, without reading from the socket.
    ///
    /// # Errors
    /// See [`RecvError`].
    pub fn buffered(&mut self) -> Result<Option<Bytes>, RecvError> {
        self.framer.next().map_err(|error| self.fail(error.into()))
    }

    /// The next whole message: the bytes of one JSON object or array. Safe to cancel: nothing read is lost.
    ///
    /// # Errors
    /// See [`RecvError`]; the error is final. What C logs about it is logged here.
    pub async fn recv(&mut self) -> Result<Bytes, RecvError> {
        loop {
            if let Some(message) = self.buffered()? {
                return Ok(message);
            }
            self.fill().await?;
        }
    }

    /// The next message, parsed. Safe to cancel.
    ///
    /// # Errors
    /// See [`RecvError`]; the error is final. What C logs about it is logged here, and at DBG the message.
    pub async fn recv_message(&mut self) -> Result<Message, RecvError> {
        let bytes = self.recv().await?;
        self.parse(&bytes)
    }

    /// Parses what [`Reader::recv`] has returned, with the same logging as [`Reader::recv_message`].
    ///
    /// # Errors
    /// [`RecvError::Message`]; the peer must then be dropped.
    pub fn parse(&self, bytes: &[u8]) -> Result<Message, RecvError> {
        let message = Message::parse(bytes).map_err(|error| self.fail(error.into()))?;
        tracing::debug!(target: "jsonrpc", "{}: received {message}", self.name);
        Ok(message)
    }

    /// Reads what the socket has, at least one byte, without looking at it. Safe to cancel.
    ///
    /// # Errors
    /// [`RecvError::Eof`] and [`RecvError::Io`].
    pub async fn fill(&mut self) -> Result<usize, RecvError> {
        let buffer = self.framer.buf_mut();
        let before = buffer.len();
        self.read_size.make_room(buffer);
        let n = match self.half.read_buf(buffer).await {
            Ok(0) => return Err(RecvError::Eof),
            Ok(n) => n,
            Err(error) => return Err(self.fail(RecvError::Io(error))),
        };
        self.read_size.learn(n);
        if let Some(missing) = usize::try_from(self.received_bytes)
            .ok()
            .and_then(|at| self.start.get_mut(at..))
        {
            for (slot, byte) in missing.iter_mut().zip(&buffer[before..]) {
                *slot = *byte;
            }
        }
        self.received_bytes += n as u64;
        Ok(n)
    }

    fn fail(&self, error: RecvError) -> RecvError {
        let name = &self.name;
        match &error {
            RecvError::Eof => {}
            RecvError::Io(error) => tracing::warn!(target: "jsonrpc", per_minute = 5, burst = 5,
                "{name}: receive error: {}", errno_text(error)),
            RecvError::Frame(FrameError::Json(error))
            | RecvError::Message(ParseError::Json(error)) => {
                self.warn_of_content(error);
            }
            RecvError::Frame(error) => self.warn_of_content(error),
            RecvError::Message(error) => {
                tracing::warn!(target: "jsonrpc", per_minute = 5, burst = 5,
                "{name}: received bad JSON-RPC message: {error}")
            }
        }
        error
    }
}

impl Reader {
    fn warn_of_content(&self, error: &dyn std::fmt::Display) {
        let name = &self.name;
        tracing::warn!(target: "jsonrpc", per_minute = 5, burst = 5, "{name}: error parsing stream: {error}");
        let content = guess_content(&self.start);
        if !matches!(content, Content::JsonRpc | Content::Unknown) {
            tracing::warn!(target: "jsonrpc", per_minute = 5, burst = 5,
                "{name}: received {content} data on {} channel", Content::JsonRpc);
        }
    }
}

/// The half that writes: a queue of byte pieces and the socket under it.
#[derive(Debug)]
pub struct Writer {
    name: String,
    half: WriteHalf,
    limits: Limits,
    queue: VecDeque<Piece>,
    backlog: Backlog,
    sent_bytes: u64,
}

#[derive(Debug)]
struct Piece {
    bytes: Bytes,
    ends_message: bool,
}

impl Writer {
    fn new(name: String, half: WriteHalf, limits: Limits) -> Self {
        Self {
            name,
            half,
            limits,
            queue: VecDeque::new(),
            backlog: Backlog::default(),
            sent_bytes: 0,
        }
    }

    /// The peer's name in logs.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Changes what may be queued from now on.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Queues one message, given in pieces that are written one after the other. Nothing is copied and nothing is
    /// written; see [`Writer::flush`].
    ///
    /// # Errors
    /// [`SendError::Backlog`], and then nothing of the message is queued.
    pub fn queue(&mut self, message: impl IntoIterator<Item = Bytes>) -> Result<(), SendError> {
        let before = self.queue.len();
        let mut bytes = self.backlog.bytes;
        for piece in message {
            if !piece.is_empty() {
                bytes = bytes.saturating_add(piece.len());
                self.queue.push_back(Piece {
                    bytes: piece,
                    ends_message: false,
                });
            }
        }
        if self.queue.len() == before {
            return Ok(());
        }
        let messages = self.backlog.messages + 1;
        // A message of any size may be queued while nothing else waits: the limit is for those that do not read.
        let waits = self.backlog.bytes > 0;
        if waits
            && (bytes > self.limits.backlog_bytes_max
                || messages > self.limits.backlog_messages_max)
        {
            self.queue.truncate(before);
            let name = &self.name;
            if messages > self.limits.backlog_messages_max {
                tracing::warn!(target: "jsonrpc",
                    "sending backlog exceeded maximum number of messages ({messages} > {}), disconnecting, jsonrpc: {name}.",
                    self.limits.backlog_messages_max);
            } else {
                tracing::warn!(target: "jsonrpc",
                    "sending backlog exceeded maximum size ({bytes} > {} bytes), disconnecting, jsonrpc: {name}.",
                    self.limits.backlog_bytes_max);
            }
            return Err(SendError::Backlog { bytes, messages });
        }
        if let Some(last) = self.queue.back_mut() {
            last.ends_message = true;
        }
        self.backlog = Backlog { bytes, messages };
        Ok(())
    }

    /// Queues one message, and logs it at DBG.
    ///
    /// # Errors
    /// See [`Writer::queue`].
    pub fn queue_message(&mut self, message: &Message) -> Result<(), SendError> {
        tracing::debug!(target: "jsonrpc", "{}: send {message}", self.name);
        self.queue([Bytes::from(message.to_bytes())])
    }

    /// What the kernel has not taken yet.
    #[must_use]
    pub fn backlog(&self) -> Backlog {
        self.backlog
    }

    /// Whether everything queued has gone to the kernel.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty() && self.half.unsent() == 0
    }

    /// Bytes written so far: growth while a backlog stands is a sign of life.
    #[must_use]
    pub fn sent_bytes(&self) -> u64 {
        self.sent_bytes
    }

    /// Writes until nothing is queued. Safe to cancel: what the kernel has taken is not written again.
    ///
    /// # Errors
    /// [`SendError::Io`].
    pub async fn flush(&mut self) -> Result<(), SendError> {
        while !self.queue.is_empty() {
            self.flush_some().await?;
        }
        let flushed = self.half.flush().await;
        flushed.map_err(|error| self.send_error(error))
    }

    /// Writes once, as much as the kernel takes: at least one byte unless nothing is queued. Safe to cancel.
    ///
    /// # Errors
    /// [`SendError::Io`].
    pub async fn flush_some(&mut self) -> Result<usize, SendError> {
        if self.queue.is_empty() {
            return Ok(0);
        }
        let written = {
            let mut slices = [IoSlice::new(&[]); WRITE_PIECES_MAX];
            let mut n = 0;
            for (slice, piece) in slices.iter_mut().zip(&self.queue) {
                *slice = IoSlice::new(&piece.bytes);
                n += 1;
            }
            self.half.write_vectored(&slices[..n]).await
        };
        let written = written
            .and_then(|n| {
                if n == 0 {
                    Err(io::ErrorKind::WriteZero.into())
                } else {
                    Ok(n)
                }
            })
            .map_err(|error| self.send_error(error))?;
        self.consume(written);
        Ok(written)
    }

    fn send_error(&self, error: io::Error) -> SendError {
        tracing::warn!(target: "jsonrpc", per_minute = 5, burst = 5,
            "{}: send error: {}", self.name, errno_text(&error));
        SendError::Io(error)
    }

    fn consume(&mut self, written: usize) {
        self.sent_bytes += written as u64;
        self.backlog.bytes -= written;
        let mut left = written;
        while left > 0 {
            let Some(front) = self.queue.front_mut() else {
                break;
            };
            if left < front.bytes.len() {
                front.bytes.advance(left);
                break;
            }
            left -= front.bytes.len();
            if front.ends_message {
                self.backlog.messages -= 1;
            }
            self.queue.pop_front();
        }
    }
}
