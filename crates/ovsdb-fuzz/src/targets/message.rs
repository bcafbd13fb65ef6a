//! A JSON-RPC message that is understood is written, read again and the same.

use ovsdb_proto::jsonrpc::Message;

/// See the module's documentation.
pub fn run(input: &[u8]) {
    if let Ok(message) = Message::parse(input) {
        let text = message.to_bytes();
        assert_eq!(Message::parse(&text).as_ref(), Ok(&message));
        assert_eq!(Message::from_json(message.to_json()), Ok(message));
    }
}
