//! The server as part of a program: databases of one's own, served to OVSDB clients (RFC 7047) by whatever remotes.
//!
//! ```text
//!                                 +-> gate -> database on the engine <- Engine (the program)
//!   clients -> remotes -> session-+
//!                                 +-> Service (the program): a task for each call
//! ```
//!
//! An [`Engine`] serves [`Database`]s that it keeps, in memory or in files, on schemas of the program's own. It does for them
//! what `ovsdb-server` does, which is built on it: transactions, monitors of all kinds, locks, access by role, conversion,
//! compaction of files, the built-in database `_Server`. A [`Gate`] has a say before clients read or change one. The program reads
//! [`Snapshot`]s, carries out transactions of its own, and hears of changes with a [`Watch`].
//!
//! A [`Service`] answers for further databases and methods itself, by whatever code. It says what it can do, and all else has
//! the answer that clients know from servers that cannot. Clients see its databases beside the others, in `list_dbs` and in
//! `_Server`. It may answer out of snapshots of its own making: [`Snapshot::read`] and [`Watcher`] do then what the engine
//! does with transactions and monitors.
//!
//! ```no_run
//! use ovsdb_server::framework::{Database, Engine};
//! # use ovsdb_proto::{json, schema::Schema};
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let schema = json::parse(br#"{"name":"Inventory","version":"1.0.0","tables":{
//!     "Host":{"isRoot":true,"columns":{"name":{"type":"string"}}}}}"#)?;
//! let schema = Schema::from_json(&schema)?;
//! let engine = Engine::builder()
//!     .database(Database::in_memory(schema))
//!     .remote("ptcp:6640:[::1]")
//!     .start()
//!     .await?;
//! let mut changes = engine.watch("Inventory").expect("it is served");
//! while let Some(inventory) = changes.changed().await {
//!     println!("{} hosts", inventory.rows("Host").count());
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Invariants
//!
//! - Rows change in one way only: by a transaction that the engine has checked and the journal has accepted. That of the
//!   program itself goes the same way.
//! - Whoever has the reply to a transaction has been told of it before by the monitors of the same connection.
//! - A snapshot is what the database was at one moment. It never changes.
//! - Nothing waits for a client but what the program itself has for that client ([`Peer::notify`], [`Watcher`]).
//! - What the program does wrong harms one request: a gate or a call that panics is answered with an `internal error`.
//! - All that can pile up has a bound: see [`limits`](crate::limits).

mod builder;
mod engine;
mod gate;
mod history;
mod monitor;
mod peer;
mod program;
mod service;
mod snapshot;
mod watch;

pub use self::builder::{Builder, Database, StartError};
pub use self::engine::{Engine, ExecuteError, RemoteError};
pub use self::gate::{Gate, MonitorProposal, MonitoredTable, Proposal};
pub use self::history::History;
pub(crate) use self::monitor::Place;
pub use self::monitor::{MonitorChange, MonitorRequest, Watcher};
pub use self::peer::{Gone, Peer};
pub(crate) use self::program::{Answered, Program, Question};
pub use self::service::{Call, LockWish, Refusal, Reply, Service};
pub use self::snapshot::{RowChange, RowView, Snapshot};
pub use self::watch::Watch;
pub use crate::file::FileError;
pub use crate::limits::Limits;
pub use crate::mailbox::SessionId;
pub use crate::remotes::RemoteOptions;
pub use crate::server::AddError;
pub use crate::targets::TargetError;
pub use crate::tls::TlsSources;
