//! Bytes to messages: connection methods, sockets and the JSON-RPC stream.
//!
//! A [`Method`] is the parsed form of what users write (`punix:db.sock`, `tcp:[::1]:6640`). A passive one becomes a
//! [`Listener`], an active one a [`Stream`]; either way a
//! [`Connection`] turns the stream into whole messages.
//! [`Reconnect`] decides when to connect, to probe and to give up; it is pure and owns no socket.
//!
//! [`Tls`] is what connections over TLS are made with; all of TLS is in its module.
//!
//! This crate knows no database, no log file and no session rules.

mod address;
mod cleanup;
mod connection;
mod content;
mod error;
mod inherited;
mod listener;
mod memory_file;
mod method;
mod pidfile;
mod read_size;
mod reconnect;
mod rundir;
mod stream;
mod tls;
mod unix;
mod unix_stream;

pub use address::{Host, InetTarget};
pub use cleanup::{FileGuard, forget_all, unlink_all};
pub use connection::{
    Backlog, Connection, DEFAULT_MESSAGE_BYTES_MAX, Limits, Reader, RecvError, SendError, Writer,
};
pub use content::{Content, guess_content};
pub use error::{MethodError, NetError, errno_text, log_useless};
pub use inherited::{inherit, unused_inherited};
pub use listener::{DSCP_DEFAULT, Incoming, Listener, SocketOptions};
pub use memory_file::MemoryFile;
pub use method::{DEFAULT_PORT, Method};
pub use pidfile::{
    Holder, PidfileError, control_socket_name, pidfile_holder, read_pidfile, set_own_pidfile,
};
pub use read_size::ReadSize;
pub use reconnect::{Action, Disconnect, Reconnect, ReconnectStats, State};
pub use rundir::{DEFAULT_RUNDIR, absolute, rundir};
pub use stream::{ReadHalf, Stream, WriteHalf, move_here};
pub use tls::{CaFile, Gate, Tls, TlsSettings};
pub use unix::connect as connect_unix;
pub use unix_stream::Glance;
