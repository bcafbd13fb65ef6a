//! The programs: ovsdb-server, ovsdb-client, ovsdb-tool, ovs-appctl, ovsdb-exporter and ovsdb-codegen.

pub mod appctl;
pub mod client;
pub mod codegen;
mod command_help;
pub mod exporter;
pub mod metrics;
pub mod server;
pub mod table;
mod timestamp;
pub mod tls_options;
pub mod tool;
