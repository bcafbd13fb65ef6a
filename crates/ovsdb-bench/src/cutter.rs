//! Finds where messages end in a stream of JSON, and nothing else.
//!
//! Nothing is checked and nothing is kept: what it costs to receive is no part of what is measured. What a server sends is
//! checked elsewhere, by counting and by the contents of the database.

use memchr::memchr2;

/// Where in a message the stream stands.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cutter {
    depth: u32,
    in_string: bool,
    escaped: bool,
}

impl Cutter {
    /// Looks at the next bytes of the stream. If the message ends among them, says how many of them belong to it; the
    /// rest has not been looked at then.
    pub(crate) fn find_end(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut at = 0;
        loop {
            if self.in_string {
                if self.escaped && at < bytes.len() {
                    self.escaped = false;
                    at += 1;
                }
                let special = memchr2(b'"', b'\\', bytes.get(at..)?)?;
                at += special;
                self.escaped = bytes[at] == b'\\';
                self.in_string = self.escaped;
                at += 1;
                continue;
            }
            match *bytes.get(at)? {
                b'"' => self.in_string = true,
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => {
                    self.depth = self.depth.saturating_sub(1);
                    if self.depth == 0 {
                        return Some(at + 1);
                    }
                }
                _ => {}
            }
            at += 1;
        }
    }
}

/// Cuts a stream into messages that are looked at where they were read; only those that arrive in pieces are copied.
#[derive(Debug, Default)]
pub(crate) struct Messages {
    cutter: Cutter,
    /// The beginning of a message that has not arrived as a whole.
    begun: Vec<u8>,
}

impl Messages {
    /// Takes the next bytes of the stream, and shows every message that they complete.
    pub(crate) fn take<E>(
        &mut self,
        mut bytes: &[u8],
        mut see: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        while let Some(end) = self.cutter.find_end(bytes) {
            let (message, rest) = bytes.split_at(end);
            bytes = rest;
            if self.begun.is_empty() {
                see(message)?;
            } else {
                self.begun.extend_from_slice(message);
                let shown = see(&self.begun);
                self.begun.clear();
                shown?;
            }
        }
        self.begun.extend_from_slice(bytes);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_out_the_same_in_any_portions() {
        let stream = br#"{"a":"}\"]{"} [1,["\\",{}]]{"b":"\\\\"}{"c":[]}"#;
        let expected: [&[u8]; 4] = [
            br#"{"a":"}\"]{"}"#,
            br#" [1,["\\",{}]]"#,
            br#"{"b":"\\\\"}"#,
            br#"{"c":[]}"#,
        ];
        for portion in 1..=stream.len() {
            let mut messages = Messages::default();
            let mut seen: Vec<Vec<u8>> = Vec::new();
            for bytes in stream.chunks(portion) {
                let result: Result<(), ()> = messages.take(bytes, |message| {
                    seen.push(message.to_vec());
                    Ok(())
                });
                result.expect("nothing fails here");
            }
            assert_eq!(seen, expected, "portions of {portion}");
        }
    }
}
