//! An OVSDB client: sessions with a server.
//!
//! [`Session`] makes requests over one connection, many at a time, and matches the replies; [`Events`] brings what
//! the server sends in its own time. [`Client`] keeps a session with one of several servers, and begins another one
//! when it is lost; [`upstream`] is where copies of a database are fed from it. [`Remotes`], [`Connector`] and
//! [`DatabaseInfo`] find a server that will do.
//!
//! [`replica`] keeps a copy of part of a database, and [`txn`] puts together what is to change in it. [`control`] talks to
//! daemons over their control sockets. This crate knows neither engine nor files.
//!
//! ```no_run
//! use ovsdb_client::{Options, Session};
//! use ovsdb_net::{Method, Stream};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let stream = Stream::connect(&Method::parse("tcp:127.0.0.1:6640")?).await?;
//! let (session, _events) = Session::start(stream, &Options::default());
//! println!("{}", session.call("list_dbs", vec![], None).await?);
//! # Ok(())
//! # }
//! ```

pub mod blocking;
pub mod chance;
mod client;
mod connector;
pub mod control;
mod database_info;
mod delivery;
mod dial;
mod driver;
mod error;
mod event;
mod execute;
mod link;
mod lock;
mod queue;
mod remotes;
pub mod replica;
mod session;
pub mod txn;
pub mod typed;
pub mod upstream;
mod usual;

pub use client::{Builder, Client, ClientMetrics, Status};
pub use connector::{Connector, Retry};
pub use database_info::{DatabaseInfo, InfoError, Model};
pub use dial::{Dial, Dialing};
pub use error::{ConnectError, Disconnect, RequestError, Unfit};
pub use event::{Event, Notification, RequestId, Typed};
pub use execute::ExecuteError;
pub use lock::{AlreadyWanted, Lock, LockState};
pub use remotes::Remotes;
pub use session::{Cancellation, Events, Options, Pending, Session, Since};
