//! The programs: ovsdb-server, ovsdb-client, ovsdb-tool and ovs-appctl.

pub mod appctl;
pub mod client;
pub mod metrics;
pub mod server;
pub mod table;
mod timestamp;
pub mod tls_options;
pub mod tool;
