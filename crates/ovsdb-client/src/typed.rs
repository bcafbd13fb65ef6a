//! Tables of a known schema as Rust types: what `ovsdb-codegen` and the derive macro `ovsdb::Model` write stands on this.
//!
//! A [`Model`] is a Rust type for the rows of a table. Each of its columns is a constant, a [`Column`], which knows the Rust
//! type of its values ([`ColumnValue`]) and what the schema demands of them. A reference is a [`Ref`] to a model.
//!
//! - Reading: [`Version::table`](crate::replica::Version::table) binds a model to what a replica has, once: a column of another
//!   type is an error there ([`BindError`]), and one that is not there reads as the default value
//!   ([`Table::has`] tells). After that reading a column is two look-ups by number, and copies nothing ([`RowView::get`]).
//!   What differs between versions of a schema, such as words and bounds, is no obstacle: see
//!   [below](#servers-of-another-version).
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
//! # Servers of another version
//!
//! A program has the types of one schema, and its servers, while they are upgraded, have those of others. What differs, and what
//! comes of it:
//!
//! | on the server | reading | writing |
//! |---|---|---|
//! | no such table | no rows | error |
//! | no such column | the default ([`Table::missing`]) | of the default, nothing is done by [`Txn::create`] and [`Txn::store`]; else an error |
//! | more tables and columns | are not followed | keep what they have, or get defaults |
//! | other words | kept in the enumeration as they are | words of the model, and with [`Txn::store`] what is there already; the server refuses those that it does not have |
//! | other bounds of numbers, lengths and counts | any value | within the bounds of the model, and with [`Txn::store`] what is there already; the server refuses what is beyond its own |
//! | one value where the model has `Option`, one or `Option` where it has a set | as it is | what fits there; [`Txn::create`] leaves the server's default where the model has none |
//! | none or several values where the model has one, several where it has `Option` ([`Table::wider`]) | as it is if it fits, else the default ([`RowView::is_known`]) | [`Txn::store`] leaves alone what it cannot hold, unless it is given another value |
//! | values of another type, or a map for a set | [`BindError::Type`] for the whole table | error |
//!
//! Who cannot live with any of that binds tables by
//! [`Version::table_in_full`](crate::replica::Version::table_in_full).
//!
//! [`Txn::create`]: crate::txn::Txn::create
//! [`Txn::store`]: crate::txn::Txn::store
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
