//! Being an Open vSwitch daemon: logging, pidfile, detaching and the control socket.
//!
//! The programs put these together: [`options`] reads the command line, [`vlog`] logs, [`program`] names and ends the
//! process. No database is known here.

pub mod dirs;
pub mod options;
pub mod program;
pub mod vlog;
