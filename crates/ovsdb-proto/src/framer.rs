//! Cuts a byte stream into JSON texts, in any portions, without parsing them.
//!
//! A message is copied once into the buffer and scanned once for brackets and quotes; its receiver parses it. Nothing here
//! reads or writes: the caller brings the bytes.
//!
//! Limits: a message has at most the bytes given to [`Framer::new`] and [`MAX_DEPTH`](crate::json::MAX_DEPTH) levels.
//! What cannot become JSON is refused early: the wrong first byte and wrong brackets at once, all else when the incomplete
//! message has doubled in size since the last check, or by whoever parses the complete message. What has been right for
//! `CHECKED_MAX` bytes is left to the latter: checking twice costs more than the rest of a long message could be spared.

mod buffer;

use bytes::{Bytes, BytesMut};
use thiserror::Error;

use self::buffer::Buffer;
pub use self::buffer::Room;

use crate::json::reader::{Nesting, Place, Reader};
use crate::json::{JsonError, JsonErrorKind};

/// Incomplete messages are checked for the first time at this size, in bytes.
const FIRST_CHECK: usize = 4096;

/// Incomplete messages are checked for the last time at this size, in bytes.
const CHECKED_MAX: usize = 1 << 20;

/// Room behind a message, in bytes, that may stay to be used by those that come after it.
const ROOM_KEPT: usize = 1 << 20;

/// Why a stream holds no further message.
#[derive(Clone, Debug, Eq, PartialEq, Error)]
#[non_exhaustive]
pub enum FrameError {
    /// The stream is not a sequence of JSON texts. Positions count from the end of the message before.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// A message exceeds the limit.
    #[error("message exceeds {max} bytes")]
    TooLong {
        /// The limit given to [`Framer::new`].
        max: usize,
    },
}

/// Cuts a byte stream into JSON texts.
///
/// ```
/// use ovsdb_proto::framer::Framer;
///
/// let mut framer = Framer::new(1 << 20);
/// framer.push(b"{\"id\":1} [2");
/// assert_eq!(framer.next()?.as_deref(), Some(&b"{\"id\":1}"[..]));
/// assert_eq!(framer.next()?, None);
/// framer.push(b"]");
/// assert_eq!(framer.next()?.as_deref(), Some(&b"[2]"[..]));
/// # Ok::<(), ovsdb_proto::framer::FrameError>(())
/// ```
#[derive(Debug)]
pub struct Framer {
    /// The message that is being received, and whatever follows it.
    buffer: Buffer,
    max_message_bytes: usize,
    /// Bytes of the buffer that `within` and `nesting` account for.
    scanned: usize,
    within: Within,
    nesting: Nesting,
    /// White space dropped between the previous message and this one.
    skipped: Skipped,
    /// How far the message has been checked, if it has, and the size at which to go on. Few are so long, and many streams
    /// wait with none under way.
    checked: Option<Box<Place>>,
    check_at: usize,
    failure: Option<FrameError>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Within {
    Brackets,
    String,
    /// After a backslash in a string.
    Escape,
}

#[derive(Clone, Copy, Debug, Default)]
struct Skipped {
    lines: usize,
    columns: usize,
    bytes: usize,
}

/// What the scanner found at the end of what it has.
enum Scan {
    Incomplete,
    /// The message ends before this offset.
    Complete(usize),
    /// The byte at this offset cannot be there.
    Wrong(usize),
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Class {
    Other,
    Quote,
    Open,
    Close,
}

static CLASSES: [Class; 256] = {
    let mut table = [Class::Other; 256];
    table[b'"' as usize] = Class::Quote;
    table[b'[' as usize] = Class::Open;
    table[b'{' as usize] = Class::Open;
    table[b']' as usize] = Class::Close;
    table[b'}' as usize] = Class::Close;
    table
};

impl Framer {
    /// A framer at the start of a stream whose messages have at most `max_message_bytes` bytes each.
    pub fn new(max_message_bytes: usize) -> Framer {
        Framer {
            buffer: Buffer::new(),
            max_message_bytes,
            scanned: 0,
            within: Within::Brackets,
            nesting: Nesting::new(),
            skipped: Skipped::default(),
            checked: None,
            check_at: FIRST_CHECK,
            failure: None,
        }
    }

    /// Adds the next bytes of the stream. After a failure they are dropped.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.failure.is_none() {
            self.buffer.push(bytes);
        }
    }

    /// The buffer, to read the next bytes of the stream straight into its end. Leave alone what is there. What is in a room
    /// leaves it.
    pub fn buf_mut(&mut self) -> &mut BytesMut {
        self.buffer.own()
    }

    /// Goes on in `room` with the message that is being received; behind the message the room is left. Says whether it did: not
    /// if no message is under way, or if the room is not longer than what has arrived of it.
    pub fn move_into(&mut self, room: impl Room) -> bool {
        self.scanned > 0 && self.buffer.move_into(Box::new(room))
    }

    /// What is free of the room, to read the next bytes of the stream into; then say with [`Framer::fill`] how many they were.
    /// `None` if there is no room, or nothing of it is free: see [`Framer::buf_mut`].
    pub fn free(&mut self) -> Option<&mut [u8]> {
        self.buffer.free()
    }

    /// So many bytes have come into what was free of the room.
    pub fn fill(&mut self, count: usize) {
        self.buffer.fill(count);
    }

    /// Bytes received and not yet returned as messages.
    pub fn buffered(&self) -> usize {
        self.buffer.len()
    }

    /// How many bytes the next call of [`Framer::next`] may have to look at.
    pub fn unexamined(&self) -> usize {
        let unscanned = self.buffer.len().saturating_sub(self.scanned);
        if self.buffer.len() >= self.check_at {
            let checked = self.checked.as_ref().map_or(0, |place| place.offset());
            unscanned.max(self.buffer.len() - checked)
        } else {
            unscanned
        }
    }

    /// Whether part of a message is waiting for its rest. The end of the stream is regular only if not.
    pub fn is_mid_message(&self) -> bool {
        self.buffer.iter().any(|c| !is_space(*c))
    }

    /// The next message, without white space around it; `None` if it is not complete yet.
    ///
    /// The bytes are one array or object as far as brackets and quotes go; parse them to know.
    ///
    /// # Errors
    /// If the stream cannot go on as JSON. Every later call fails the same way.
    #[allow(
        clippy::should_implement_trait,
        reason = "`None` is not the end, so an iterator it is not"
    )]
    pub fn next(&mut self) -> Result<Option<Bytes>, FrameError> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        let result = self.advance();
        if let Err(failure) = &result {
            self.failure = Some(failure.clone());
            self.buffer = Buffer::new();
        }
        result
    }

    fn advance(&mut self) -> Result<Option<Bytes>, FrameError> {
        if self.scanned == 0 {
            self.skip_space();
        }
        match self.scan() {
            Scan::Complete(end) if end > self.max_message_bytes => self.too_long(),
            Scan::Complete(end) => {
                let message = self.buffer.split_to(end, ROOM_KEPT);
                self.scanned = 0;
                self.skipped = Skipped::default();
                self.checked = None;
                self.check_at = FIRST_CHECK;
                Ok(Some(message))
            }
            Scan::Wrong(at) => {
                self.check(at + 1)?;
                // Only the first byte can be wrong without being a whole wrong token.
                Err(self.located(JsonError::locate(
                    &self.buffer,
                    at,
                    JsonErrorKind::NotContainer,
                )))
            }
            Scan::Incomplete if self.buffer.len() > self.max_message_bytes => self.too_long(),
            Scan::Incomplete => {
                if self.buffer.is_empty() {
                    // A stream on which nothing is under way needs no memory.
                    self.buffer = Buffer::new();
                }
                if self.buffer.len() >= self.check_at {
                    let end = self.buffer.len();
                    self.check_at = match end < CHECKED_MAX {
                        true => (2 * end).min(CHECKED_MAX),
                        false => usize::MAX,
                    };
                    self.check(end)?;
                }
                Ok(None)
            }
        }
    }

    fn too_long(&self) -> Result<Option<Bytes>, FrameError> {
        Err(FrameError::TooLong {
            max: self.max_message_bytes,
        })
    }

    /// Drops white space before a message.
    fn skip_space(&mut self) {
        let n = self.buffer.iter().take_while(|c| is_space(**c)).count();
        let space = &self.buffer[..n];
        match memchr::memrchr(b'\n', space) {
            Some(newline) => {
                self.skipped.lines += memchr::memchr_iter(b'\n', space).count();
                self.skipped.columns = n - newline - 1;
            }
            None => self.skipped.columns += n,
        }
        self.skipped.bytes += n;
        self.buffer.advance(n);
    }

    /// Goes on to the end of the message or of the buffer.
    fn scan(&mut self) -> Scan {
        let bytes = &self.buffer[..];
        let mut at = self.scanned;
        if at == 0 && !matches!(bytes.first(), None | Some(b'[' | b'{')) {
            return Scan::Wrong(0);
        }
        let result = loop {
            match self.within {
                Within::Escape if at < bytes.len() => {
                    at += 1;
                    self.within = Within::String;
                }
                Within::String => match memchr::memchr2(b'"', b'\\', &bytes[at..]) {
                    Some(i) => {
                        self.within = if bytes[at + i] == b'"' {
                            Within::Brackets
                        } else {
                            Within::Escape
                        };
                        at += i + 1;
                    }
                    None => {
                        at = bytes.len();
                        break Scan::Incomplete;
                    }
                },
                Within::Escape => break Scan::Incomplete,
                Within::Brackets => {
                    let Some(i) = bytes[at..]
                        .iter()
                        .position(|&c| CLASSES[usize::from(c)] != Class::Other)
                    else {
                        at = bytes.len();
                        break Scan::Incomplete;
                    };
                    at += i;
                    let c = bytes[at];
                    match CLASSES[usize::from(c)] {
                        Class::Quote => self.within = Within::String,
                        Class::Open => {
                            if !self.nesting.push(c == b'{') {
                                break Scan::Wrong(at);
                            }
                        }
                        Class::Close => {
                            if self.nesting.innermost_is_object() != Some(c == b'}') {
                                break Scan::Wrong(at);
                            }
                            self.nesting.pop();
                            if self.nesting.depth() == 0 {
                                break Scan::Complete(at + 1);
                            }
                        }
                        Class::Other => {}
                    }
                    at += 1;
                }
            }
        };
        self.scanned = at;
        result
    }

    /// Checks the grammar of the first `end` bytes.
    fn check(&mut self, end: usize) -> Result<(), FrameError> {
        let checked = self.checked.get_or_insert_with(|| Box::new(Place::start()));
        Reader::check_prefix(&self.buffer[..end], checked).map_err(|error| self.located(error))
    }

    /// Counts positions from the end of the previous message.
    fn located(&self, mut error: JsonError) -> FrameError {
        if error.line == 0 {
            error.column += self.skipped.columns;
        }
        error.line += self.skipped.lines;
        error.byte += self.skipped.bytes;
        error.into()
    }
}

fn is_space(c: u8) -> bool {
    matches!(c, b' ' | b'\t' | b'\n' | b'\r')
}
