//! The grammar of OVSDB (RFC 7047): types, JSON, framing and error words, with no I/O.

#[cfg(test)]
mod arbitrary;
pub mod atom;
pub mod condition;
pub mod datum;
pub mod error;
pub mod framer;
pub mod json;
pub mod jsonrpc;
pub mod monitor;
pub mod mutation;
pub mod operation;
pub mod parser;
pub mod permission;
pub mod row;
pub mod schema;
pub mod symbols;
pub mod text;
pub mod types;
pub mod uuid;
pub mod words;
pub mod work;
