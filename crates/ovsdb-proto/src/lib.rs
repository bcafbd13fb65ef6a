//! The grammar of OVSDB (RFC 7047): types, JSON, framing and error words, with no I/O.

#[cfg(test)]
mod arbitrary;
pub mod atom;
pub mod build;
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
pub mod reply;
pub mod row;
pub mod schema;
#[cfg(feature = "serde")]
pub mod serde_forms;
pub mod symbols;
pub mod text;
pub mod types;
pub mod updates;
pub mod uuid;
pub mod value;
pub mod words;
pub mod work;
