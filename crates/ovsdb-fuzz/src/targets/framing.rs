//! A stream is cut into the same messages however it arrives.

use ovsdb_proto::framer::{FrameError, Framer};
use ovsdb_proto::json;

/// Longest message, so that the limit is met too.
const MESSAGE_BYTES_MAX: usize = 2000;

/// See the module's documentation. The first byte says in which portions the rest arrives.
pub fn run(input: &[u8]) {
    let Some((&portion, stream)) = input.split_first() else {
        return;
    };
    let (whole, end) = cut(stream, stream.len().max(1));
    let (portions, other_end) = cut(stream, usize::from(portion).max(1));
    // What cannot become JSON may be found earlier when it is looked at more often, but not before a message that ends.
    assert_eq!(whole, portions, "messages depend on portions");
    if end.is_ok() && other_end.is_ok() {
        assert_eq!(end, other_end, "the rest depends on portions");
    }
    for message in whole {
        assert!(message.len() <= MESSAGE_BYTES_MAX, "a message is too long");
        assert!(
            matches!(message.first(), Some(b'[' | b'{')),
            "a message is an array or an object"
        );
        // It may be no JSON, but it is not the beginning of something longer.
        if let Err(error) = json::parse(&message) {
            assert!(
                !error.kind.is_incomplete(),
                "a message was cut short: {error}"
            );
        }
    }
}

/// The messages of a stream that arrives in portions of so many bytes, and what is left of it.
fn cut(stream: &[u8], portion: usize) -> (Vec<Vec<u8>>, Result<bool, FrameError>) {
    let mut framer = Framer::new(MESSAGE_BYTES_MAX);
    let mut messages = Vec::new();
    for portion in stream.chunks(portion) {
        // Where in memory a message lies makes no difference.
        if portion.len() % 2 == 0 {
            framer.move_into(vec![0; framer.buffered() + 2 * portion.len()]);
        }
        framer.push(portion);
        loop {
            match framer.next() {
                Ok(Some(message)) => messages.push(message.to_vec()),
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(framer.next(), Err(error.clone()), "a failure lasts");
                    return (messages, Err(error));
                }
            }
        }
    }
    let is_mid_message = framer.is_mid_message();
    (messages, Ok(is_mid_message))
}
