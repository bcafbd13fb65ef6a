//! How much to ask a socket for at a time: more of a peer that has much to say, and little of one that is silent.

use bytes::BytesMut;

/// Fewest bytes asked of the socket at a time; an idle connection holds no more.
const READ_BYTES_MIN: usize = 4 * 1024;

/// Most bytes asked of the socket at a time, by a connection that always has more.
const READ_BYTES_MAX: usize = 256 * 1024;

/// The number of bytes for which room is made before a read. It follows what the reads before it brought.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ReadSize(usize);

impl Default for ReadSize {
    fn default() -> Self {
        ReadSize(READ_BYTES_MIN)
    }
}

impl ReadSize {
    /// How many bytes that are.
    pub fn bytes(self) -> usize {
        self.0
    }

    /// Makes room for the next read at the end of a buffer. One that is empty and much larger is replaced: nobody knows how
    /// long the peer is silent now.
    pub fn make_room(self, buffer: &mut BytesMut) {
        if buffer.is_empty() && buffer.capacity() > 2 * self.0 {
            *buffer = BytesMut::new();
        }
        buffer.reserve(self.0);
    }

    /// A read brought so many bytes.
    pub fn learn(&mut self, bytes: usize) {
        if bytes >= self.0 {
            self.0 = (self.0 * 2).min(READ_BYTES_MAX);
        } else if bytes < self.0 / 4 {
            self.0 = (self.0 / 2).max(READ_BYTES_MIN);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_grows_with_what_comes_and_shrinks_again() {
        let mut size = ReadSize::default();
        for _ in 0..20 {
            size.learn(READ_BYTES_MAX);
        }
        assert_eq!(size, ReadSize(READ_BYTES_MAX));
        let mut buffer = BytesMut::new();
        size.make_room(&mut buffer);
        assert!(buffer.capacity() >= READ_BYTES_MAX);
        for _ in 0..20 {
            size.learn(1);
        }
        assert_eq!(size, ReadSize(READ_BYTES_MIN));
        size.make_room(&mut buffer);
        assert!(buffer.capacity() < READ_BYTES_MAX, "given back");
        buffer.extend_from_slice(&[0; READ_BYTES_MIN]);
        size.make_room(&mut buffer);
        assert!(buffer.capacity() - buffer.len() >= READ_BYTES_MIN);
    }
}
