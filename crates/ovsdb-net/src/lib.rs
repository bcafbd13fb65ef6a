//! Bytes to messages: connection methods, sockets and the JSON-RPC stream.
