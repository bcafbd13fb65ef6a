//! An OVSDB client: sessions with a server.
//!
//! [`Session`] makes requests over one connection, many at a time, and matches the replies; [`Events`] brings what
//! the server sends in its own time. [`Remotes`], [`Connector`] and [`DatabaseInfo`] find a server that will do.
//!
//! This crate knows neither engine nor files, and keeps no copy of a database.
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

mod connector;
mod database_info;
mod driver;
mod error;
mod event;
mod remotes;
mod session;

pub use connector::{Connector, Retry};
pub use database_info::{DatabaseInfo, InfoError, Model};
pub use error::{Disconnect, RequestError};
pub use event::{Event, Notification, RequestId, Typed};
pub use remotes::Remotes;
pub use session::{Events, Options, Pending, Session};
