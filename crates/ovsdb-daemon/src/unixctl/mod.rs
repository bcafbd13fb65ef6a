//! The control socket: commands that `ovs-appctl` gives to a running daemon.
//!
//! [`Commands`] is the table, [`Server`] the socket that serves it, `ovsdb_client::control` is the other end. The wire is JSON-RPC: the
//! method is the command, the parameters are its arguments, all strings. What the commands do is their owners' business.

mod commands;
mod server;

pub use commands::{Answer, Call, Commands, Format};
pub use server::{Server, ServerError};

use crate::options::{Arg, Spec};

/// The option of the control socket's name, for daemons.
pub const OPTION: Spec<()> = Spec::long(
    (),
    "unixctl",
    Arg::Required("SOCKET"),
    "override default control socket name",
);
