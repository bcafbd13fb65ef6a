//! The targets, one a module.

pub mod client_glance;
pub mod client_replica;
pub mod client_session;
pub mod condition;
pub mod control_answers;
pub mod control_socket;
pub mod datum;
pub mod datum_text;
pub mod framing;
pub mod json_text;
pub mod log_file;
pub mod message;
pub mod monitor_requests;
pub mod operations;
pub mod record;
pub mod schema;
pub mod schema_project;
pub mod service;
pub mod session;
pub mod updates;
