//! Messages of one session that wait for the transactions before them, in the order in which they came.
//!
//! They are few and small in all ([`limits::HELD_MESSAGES_MAX`], [`limits::HELD_BYTES_MAX`]). One that only asks whether
//! anybody is there does not wait for long: see [`Held::take_overdue_echo`].

use std::collections::VecDeque;

use ovsdb_proto::jsonrpc::Message;
use ovsdb_proto::words::Method;
use tokio::time::Instant;

use crate::limits;

struct Waiting {
    message: Message,
    bytes: usize,
    /// For an `echo`: when it is to be answered whatever happens to the transactions before it.
    overdue_at: Option<Instant>,
}

/// See the module's documentation.
#[derive(Default)]
pub(super) struct Held {
    waiting: VecDeque<Waiting>,
    bytes: usize,
}

impl Held {
    /// Adds a message of `bytes` bytes that came at `now`.
    pub(super) fn push(&mut self, message: Message, bytes: usize, now: Instant) {
        let is_echo = matches!(&message, Message::Request { method, .. }
            if Method::from_text(method) == Some(Method::Echo));
        self.bytes += bytes;
        self.waiting.push_back(Waiting {
            message,
            bytes,
            overdue_at: is_echo.then(|| now + limits::ECHO_PATIENCE),
        });
    }

    /// The message whose turn is next.
    pub(super) fn front(&self) -> Option<&Message> {
        self.waiting.front().map(|waiting| &waiting.message)
    }

    /// Takes the message whose turn is next, and its size.
    pub(super) fn pop(&mut self) -> Option<(Message, usize)> {
        self.take(0)
    }

    /// Takes the first `echo` that has waited long enough at `now`, and its size.
    pub(super) fn take_overdue_echo(&mut self, now: Instant) -> Option<(Message, usize)> {
        let is_overdue = |waiting: &Waiting| waiting.overdue_at.is_some_and(|at| at <= now);
        self.take(self.waiting.iter().position(is_overdue)?)
    }

    /// When the first `echo` will have waited long enough.
    pub(super) fn overdue_at(&self) -> Option<Instant> {
        self.waiting.iter().find_map(|waiting| waiting.overdue_at)
    }

    /// Whether no more is to be taken in.
    pub(super) fn is_full(&self) -> bool {
        self.waiting.len() >= limits::HELD_MESSAGES_MAX || self.bytes >= limits::HELD_BYTES_MAX
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// The size of all.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    fn take(&mut self, place: usize) -> Option<(Message, usize)> {
        let taken = self.waiting.remove(place)?;
        self.bytes -= taken.bytes;
        Some((taken.message, taken.bytes))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ovsdb_proto::json::Json;

    use super::*;

    fn request(method: Method, id: i64) -> Message {
        Message::request(method.as_str(), Vec::new(), Json::Integer(id))
    }

    fn id(taken: Option<(Message, usize)>) -> Option<i64> {
        match taken?.0 {
            Message::Request { id, .. } => id.as_i64(),
            _ => None,
        }
    }

    #[test]
    fn messages_keep_their_order_except_echoes_that_have_waited_long_enough() {
        let start = Instant::now();
        let mut held = Held::default();
        let methods = [Method::Lock, Method::Echo, Method::Monitor, Method::Echo];
        for (number, method) in methods.into_iter().enumerate() {
            let at = start + Duration::from_millis(number as u64);
            held.push(request(method, number as i64), 10, at);
        }
        let first = start + Duration::from_millis(1) + limits::ECHO_PATIENCE;
        assert_eq!(held.overdue_at(), Some(first));
        assert_eq!(id(held.take_overdue_echo(start)), None);
        assert_eq!(id(held.take_overdue_echo(first)), Some(1));
        assert_eq!(id(held.take_overdue_echo(first)), None);
        assert_eq!(held.bytes(), 30);
        for expected in [0, 2, 3] {
            assert_eq!(id(held.pop()), Some(expected));
        }
        assert!(held.is_empty() && held.bytes() == 0);
    }

    #[test]
    fn few_messages_and_few_bytes_are_held() {
        for (count, bytes) in [
            (limits::HELD_MESSAGES_MAX, 1),
            (2, limits::HELD_BYTES_MAX / 2),
            (1, limits::HELD_BYTES_MAX + 1),
        ] {
            let mut held = Held::default();
            for _ in 0..count {
                assert!(!held.is_full());
                held.push(request(Method::Lock, 0), bytes, Instant::now());
            }
            assert!(held.is_full(), "{count} of {bytes} bytes");
        }
    }
}
