//! Being an Open vSwitch daemon: logging, pidfile, detaching and the control socket.
//!
//! The programs put these together, in this order: [`program::init`], [`vlog::init`], [`notify::begin`], the command line by [`options`],
//! [`daemonize::Daemonize::start`] before any thread, the tokio runtime with [`unixctl::Server`], the daemon's own
//! listeners, and at last [`daemonize::Daemon::complete`]. No database is known here.

pub mod coverage;
pub mod daemonize;
pub mod dirs;
mod fork;
pub mod http;
pub mod inherit;
pub mod memory;
pub mod metrics;
pub mod notify;
pub mod options;
pub mod pidfile;
pub mod process;
pub mod program;
pub mod signals;
pub mod stopwatch;
pub mod timeval;
pub mod unixctl;
pub mod vlog;
