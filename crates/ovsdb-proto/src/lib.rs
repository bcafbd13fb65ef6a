//! The grammar of OVSDB (RFC 7047): types, JSON, framing and error words, with no I/O.

pub mod framer;
pub mod json;
pub mod jsonrpc;
