//! Tables of a known schema as Rust types: what `ovsdb-codegen` and the derive macro `ovsdb::Model` write stands on this.
//!
//! A [`Model`] is a Rust type for the rows of a table. Each of its columns is a constant, a [`Column`], which knows the Rust
//! type of its values ([`ColumnValue`]) and what the schema demands of them. A reference is a [`Ref`] to a model.
//!
//! - Reading: [`Version::table`](crate::replica::Version::table) binds a model to what a replica has, once: a column of another
//!   type is an error there ([`BindError`]), and one that is not there reads as the default value
//!   ([`Table::has`] tells). After that reading a column is two look-ups by number, and copies nothing ([`RowView::get`]).
//! - Changes: [`Changes::of`](crate::replica::Changes::of) shows what changed of a model, with the rows as they were and as they
//!   are; [`Interest::model`](crate::replica::Interest::model) has a watcher woken by nothing else.
//! - Writing: [`Txn::create`](crate::txn::Txn::create), [`Txn::write`](crate::txn::Txn::write) and
//!   [`Txn::store`](crate::txn::Txn::store) check what the schema demands before anything is sent. Parts of sets and maps are
//!   changed by [`Txn::put_element`](crate::txn::Txn::put_element), [`Txn::put_key`](crate::txn::Txn::put_key) and their like.
//!
//! Strong and weak references are both [`Ref`]: what differs between them is for the server, which keeps the row of a strong one
//! and takes a weak one away with its row. In either case the row can be missing here, where not all rows are followed, so that
//! a type of its own for one of them would promise what it cannot hold.
//!
//! Which type a column has:
//!
//! | column | type | read without a copy |
//! |---|---|---|
//! | one integer, real, Boolean or UUID | `i64`, `f64`, `bool`, [`Uuid`](ovsdb_proto::uuid::Uuid) | the same |
//! | one string | `String` | `&str` |
//! | one of some words | an enumeration, see [`Word`] | the same |
//! | a UUID of a row of another table | [`Ref`] | the same |
//! | at most one `T` | `Option<T>` | `Option` |
//! | any number of `T` | `BTreeSet<T>`; of reals, `BTreeSet<`[`Real`]`>` | [`SetView`] |
//! | a map | `BTreeMap<K, V>` | [`MapView`] |
//!
//! What a server sends never makes any of this panic: a value that does not fit its type, which a server does not send that
//! means well, reads as the default value.

mod change;
mod check;
mod column;
mod reference;
mod scalar;
mod table;
mod txn;
mod value;

pub use change::{ModelChange, ModelChanges};
pub use check::{Check, Violation};
pub use column::{Column, ColumnInfo};
pub use reference::Ref;
pub use scalar::{Real, Scalar, Word};
pub use table::{BindError, Model, RowView, Table};
pub use value::{ColumnValue, Many, MapView, SetView, Shape};
