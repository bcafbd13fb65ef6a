//! Requests as programs write them: operations of RFC 7047, section 5.2, and the other methods, by names.
//!
//! Everything here is data that is written out as the parameters of a request; nothing is sent. No schema is needed.
//! Where there is one, [`Transaction::check`] says before sending what a server would refuse, and which table, column and
//! value is at fault.
//!
//! ```
//! use ovsdb_proto::build::{Transaction, column, comment, insert, mutate};
//!
//! let mut transaction = Transaction::new("Open_vSwitch");
//! let port = transaction.insert(insert("Port").set("name", "p0").set("tag", Some(7)));
//! transaction.push(
//!     mutate("Bridge")
//!         .filter(column("name").eq("br0"))
//!         .apply(column("ports").insert(port)),
//! );
//! transaction.push(comment("add a port"));
//! assert_eq!(
//!     transaction.to_text()?,
//!     concat!(
//!         r#"["Open_vSwitch","#,
//!         r#"{"op":"insert","table":"Port","uuid-name":"row0","row":{"name":"p0","tag":7}},"#,
//!         r#"{"op":"mutate","table":"Bridge","where":[["name","==","br0"]],"#,
//!         r#""mutations":[["ports","insert",["named-uuid","row0"]]]},"#,
//!         r#"{"op":"comment","comment":"add a port"}]"#,
//!     )
//! );
//! # Ok::<(), ovsdb_proto::build::Invalid>(())
//! ```

mod check;
mod column;
mod invalid;
mod monitor;
mod operation;
mod request;
mod transaction;
mod write;

pub use self::column::{Clause, Column, Mutation, column, row};
pub use self::invalid::{Fault, Invalid};
pub use self::monitor::{Monitor, MonitorTable, Rows, monitor_cond_change, table};
pub use self::operation::{
    Delete, Insert, Mutate, Operation, Select, Update, Wait, abort, assert, comment, commit,
    delete, insert, mutate, select, update, wait,
};
pub use self::request::{
    Request, cancel, convert, echo, get_schema, get_server_id, list_dbs, lock, monitor_cancel,
    set_db_change_aware, steal, transact, unlock,
};
pub use self::transaction::Transaction;

#[cfg(test)]
mod tests;
