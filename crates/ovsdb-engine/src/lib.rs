//! One OVSDB database in memory: operations in, a checked commit out.
//!
//! A [`Database`] is an immutable value; [`execute`] takes one version and a parsed transaction and yields
//! the next version together with a [`Commit`], or the reasons why there is none. Nothing here touches disk,
//! clock, socket or randomness: the caller passes the time that has gone by, the locks it holds and a source
//! of fresh UUIDs.

mod commit;
mod convert;
mod database;
mod draft;
mod exec;
mod hashing;
pub mod history;
mod index;
mod indexing;
pub mod load;
pub mod monitor;
mod passes;
mod query;
mod rbac;
pub mod record;
pub mod replay;
mod results;
mod usage;

pub use commit::{Commit, RowChange};
pub use convert::{Conversion, convert};
pub use database::{Database, Row, Table};
pub use exec::{Context, Done, Outcome, OutcomeOn, Prepared, effort, execute, execute_on};
pub use index::{
    INDEX_ENTRIES_MAX, INDEX_ENTRIES_TOTAL_MAX, INDEX_ROWS_MIN, INDEXES_PER_TABLE_MAX,
};
pub use indexing::IndexByUse;
pub use ovsdb_pmap as pmap;
pub use rbac::{Access, Unreadable};
pub use results::{OpResult, Results};
