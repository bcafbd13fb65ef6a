//! A JSON-RPC message that is understood is written, read again and the same.

use ovsdb_proto::jsonrpc::Message;

/// See the module's documentation.
pub fn run(input: &[u8]) {
    if let Ok(message) = Message::parse(input) {
        let text = message.to_bytes();
        // The texts, not the messages: an id may be a real number too small to be told from zero, which is written as it. And
        // one beyond 15 digits, written with an exponent, is read as the integer that it is then: from there on all is the
        // same.
        let again = Message::parse(&text).map(|message| message.to_bytes());
        let again = again.expect("what was written is understood");
        let once_more = Message::parse(&again).map(|message| message.to_bytes());
        assert_eq!(once_more, Ok(again));
        let from_json = Message::from_json(message.to_json()).map(|message| message.to_bytes());
        assert_eq!(from_json, Ok(text));
    }
}
