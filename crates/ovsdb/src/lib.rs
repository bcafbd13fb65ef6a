//! OVSDB (RFC 7047) for Rust programs: one crate to depend on, which holds nothing but the names of the others.
//!
//! The types of the protocol need no server and no runtime: [`value`] and [`build`] for what programs write, [`reply`] for
//! what they read, [`schema`], [`json`], [`jsonrpc`] and [`framer`] for those who speak the protocol themselves.
//!
//! ```
//! use ovsdb::build::{Transaction, column, insert, mutate};
//!
//! let mut transaction = Transaction::new("Open_vSwitch");
//! let port = transaction.insert(insert("Port").set("name", "p0").set("tag", Some(7)));
//! transaction.push(
//!     mutate("Bridge")
//!         .filter(column("name").eq("br0"))
//!         .apply(column("ports").insert(port)),
//! );
//! println!("{}", transaction.to_text()?);
//! # Ok::<(), ovsdb::build::Invalid>(())
//! ```
//!
//! With a server, a [`Client`] keeps a connection, a [`replica`] of it keeps a copy of what the program is interested in, and
//! a transaction ([`txn`]) changes rows as if there were nobody else:
//!
//! ```no_run
//! use ovsdb::Client;
//! use ovsdb::schema::Selection;
//! use ovsdb::txn::{EditError, Policy};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::builder("unix:/run/openvswitch/db.sock").database("Open_vSwitch").connect(None).await?;
//! let selection = Selection::new().columns("Bridge", ["name", "ports"]).columns("Port", ["name"]);
//! let replica = client.replica("Open_vSwitch", selection);
//!
//! let contents = replica.ready(None).await?;
//! let bridges = contents.table_named("Bridge").ok_or("this is no Open vSwitch")?;
//! for port in bridges.find("name", "br0").flat_map(|bridge| bridge.follow("ports")) {
//!     println!("{}", port.get::<String>("name")?);
//! }
//!
//! let change = replica.update(Policy::default(), |txn| {
//!     for bridge in txn.find("Bridge", "name", "br0")? {
//!         let port = txn.insert("Port")?;
//!         txn.set(&port, "name", "p0")?;
//!         txn.insert_element(&bridge, "ports", &port)?;
//!     }
//!     Ok::<_, EditError>(())
//! });
//! change.await?;
//! # Ok(())
//! # }
//! ```
//!
//! Examples that run stand in the folder `examples`.
//!
//! # Features
//!
//! - `client`, on by default: sessions with servers, on tokio. Without it this crate does no I/O.
//! - `derive`, on by default: the macro [`Model`](derive@Model) for structs that a program writes itself; see [`typed`].
//! - `server`: the server as part of a program, with databases of its own; see `server`.
//! - `serde`: values, rows and schemas in whatever format serde knows; see `serde_forms`.

#[cfg(feature = "client")]
#[doc(inline)]
pub use ovsdb_client::*;
#[cfg(feature = "derive")]
#[doc(inline)]
pub use ovsdb_derive::Model;
/// Connection methods, sockets and TLS.
#[cfg(any(feature = "client", feature = "server"))]
#[doc(inline)]
pub use ovsdb_net as net;
#[cfg(feature = "serde")]
#[doc(inline)]
pub use ovsdb_proto::serde_forms;
#[doc(inline)]
pub use ovsdb_proto::{
    atom, build, condition, datum, error, framer, json, jsonrpc, monitor, mutation, operation,
    reply, schema, symbols, text, types, updates, uuid, value, words,
};
#[doc(no_inline)]
pub use ovsdb_proto::{
    atom::{Atom, AtomType},
    datum::Datum,
    json::Json,
    reply::ServerError,
    schema::Schema,
    uuid::Uuid,
    value::{Term, Value},
};
#[cfg(feature = "server")]
#[doc(inline)]
pub use ovsdb_server::framework as server;

/// Modules of the types that `ovsdb_codegen::generate("FILE.ovsschema")` has written in the build script of the crate; see
/// [`typed`].
///
/// ```text
/// ovsdb::include_schema! {
///     /// Our hosts and where they stand.
///     pub mod inventory = "inventory";
/// }
/// ```
#[cfg(feature = "client")]
#[macro_export]
macro_rules! include_schema {
    ($($(#[$attribute:meta])* $visible:vis mod $module:ident = $file:literal;)*) => {$(
        $(#[$attribute])*
        #[allow(dead_code, unreachable_pub, reason = "a program uses what it wants of a schema")]
        $visible mod $module {
            include!(concat!(env!("OUT_DIR"), "/", $file, ".rs"));
        }
    )*};
}
