//! The OVSDB server: where the pure parts meet I/O.
//!
//! ```text
//!   socket -> session -> database -> queue -> writer -> journal -> file
//!                ^                              |
//!                |        mailbox (replies)     |
//!                +--------- feed (commits) -----+
//! ```
//!
//! A [`session`] is a task for each client: it cuts, parses and checks requests, reads versions and writes replies. A
//! [`writer`] is a thread for each database: it alone makes versions. Between them stand bounded queues; [`limits`] names
//! all bounds. `journal` does not know `session`, and `session` reaches the engine only through `database` and versions.

mod access;
pub mod budget;
pub mod clock;
pub mod compaction;
pub mod configuration;
pub mod contents;
pub mod database;
pub mod feed;
pub mod file;
pub mod framework;
pub mod history;
pub mod hub;
mod in_process;
mod indexing;
pub mod journal;
mod lane;
pub mod limits;
mod loading;
pub mod locks;
mod lookout;
pub mod mailbox;
pub mod meters;
pub mod notice;
mod parked;
pub mod past;
pub mod published;
pub mod queue;
pub mod remotes;
mod routes;
pub mod runtime;
pub mod seal;
pub mod server;
mod server_db;
pub mod session;
pub mod stopwatches;
pub mod targets;
mod tellers;
pub mod tls;
pub mod transaction_id;
mod transaction_log;
mod tripwires;
pub mod vigil;
pub mod writer;

pub use access::Access;
pub use runtime::fresh_uuid;
