//! Where a framer keeps what has arrived: in memory of its own, or in room that somebody made for a long message.

use std::fmt;
use std::ops::Deref;

use bytes::{Buf, Bytes, BytesMut};

/// Room for a long message, made by whoever knows how to have much memory that is given back as soon as it is not needed.
/// Its size does not change.
pub trait Room: AsRef<[u8]> + AsMut<[u8]> + Send + Sync + 'static {}

impl<T: AsRef<[u8]> + AsMut<[u8]> + Send + Sync + 'static> Room for T {}

/// The message that is being received, and whatever follows it.
pub(super) enum Buffer {
    Own(BytesMut),
    Room {
        room: Box<dyn Room>,
        /// How much of it has arrived.
        filled: usize,
    },
}

impl Buffer {
    pub(super) fn new() -> Buffer {
        Buffer::Own(BytesMut::new())
    }

    /// Goes on in `room` with what has arrived. Says whether it has so much room, and some more.
    pub(super) fn move_into(&mut self, mut room: Box<dyn Room>) -> bool {
        let place = (*room).as_mut();
        let filled = self.len();
        if place.len() <= filled {
            return false;
        }
        place[..filled].copy_from_slice(self);
        *self = Buffer::Room { room, filled };
        true
    }

    /// What of the room is free; `None` if there is no room, or nothing of it is free.
    pub(super) fn free(&mut self) -> Option<&mut [u8]> {
        match self {
            Buffer::Room { room, filled } => {
                let free = &mut (**room).as_mut()[*filled..];
                (!free.is_empty()).then_some(free)
            }
            Buffer::Own(_) => None,
        }
    }

    /// So many bytes have come into what was free.
    pub(super) fn fill(&mut self, count: usize) {
        if let Buffer::Room { room, filled } = self {
            *filled = (*filled + count).min((**room).as_ref().len());
        }
    }

    /// Memory of its own, into which a room is left.
    pub(super) fn own(&mut self) -> &mut BytesMut {
        if let Buffer::Room { .. } = self {
            *self = Buffer::Own(BytesMut::from(&**self));
        }
        match self {
            Buffer::Own(bytes) => bytes,
            Buffer::Room { .. } => unreachable!("it has just been left"),
        }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        let count = bytes.len();
        match self.free() {
            Some(free) if free.len() >= count => {
                free[..count].copy_from_slice(bytes);
                self.fill(count);
            }
            _ => self.own().extend_from_slice(bytes),
        }
    }

    /// Drops the first bytes.
    pub(super) fn advance(&mut self, count: usize) {
        if count > 0 {
            self.own().advance(count);
        }
    }

    /// Takes the first bytes out, which are a message. `kept` is how much room behind it may stay for those that come after.
    pub(super) fn split_to(&mut self, end: usize, kept: usize) -> Bytes {
        match self {
            Buffer::Own(bytes) => {
                let message = bytes.split_to(end).freeze();
                if bytes.capacity() - bytes.len() > kept {
                    // It was made for a long message. Those that come after it would fill it up and give nothing back as
                    // long as one of them is under way.
                    *bytes = BytesMut::from(&bytes[..]);
                }
                message
            }
            Buffer::Room { .. } => {
                let rest = Buffer::Own(BytesMut::from(&self[end..]));
                match std::mem::replace(self, rest) {
                    Buffer::Room { room, .. } => Bytes::from_owner(Owner(room)).slice(..end),
                    Buffer::Own(_) => unreachable!("it was room"),
                }
            }
        }
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Buffer::Own(bytes) => bytes,
            Buffer::Room { room, filled } => &(**room).as_ref()[..*filled],
        }
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self {
            Buffer::Own(_) => "Own",
            Buffer::Room { .. } => "Room",
        };
        write!(f, "{kind}({} bytes)", self.len())
    }
}

/// A room with a message in it.
struct Owner(Box<dyn Room>);

impl AsRef<[u8]> for Owner {
    fn as_ref(&self) -> &[u8] {
        (*self.0).as_ref()
    }
}
