//! The control socket: commands that `ovs-appctl` gives to a running daemon.
//!
//! [`Commands`] is the table, [`Server`] the socket that serves it, [`client`] the other end. The wire is JSON-RPC: the
//! method is the command, the parameters are its arguments, all strings. What the commands do is their owners' business.

pub mod client;
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

/// The control socket of process `pid` of `program` in the run folder.
#[must_use]
pub fn default_socket_name(program: &str, pid: u32) -> String {
    format!("{program}.{pid}.ctl")
}
