//! Read-only SQL over the tables of a database.
//!
//! A [`Query`] is a statement that fits a [`Catalog`], which is a schema in SQL's terms. It knows what it [reads](Reads), so
//! that whoever has the rows need bring no others; given those as [`Contents`], it [answers](Answer). This crate knows
//! neither servers nor files, keeps no rows, and changes nothing: there is no way for a statement to write.
//!
//! # How a database looks
//!
//! Each table is a table, each column a column, and `_uuid` and `_version` are there as well (`*` leaves `_version` out).
//!
//! | OVSDB | SQL |
//! |---|---|
//! | integer, real, string | `INTEGER`, `REAL`, `TEXT` |
//! | boolean | `BOOLEAN`: 1 or 0, which `TRUE` and `FALSE` are in SQL |
//! | uuid | `TEXT`: 36 characters in lower case |
//! | at most one of these | the same, or `NULL` |
//! | set | `TEXT`: a JSON array, in ascending order |
//! | map | `TEXT`: a JSON object; its keys are strings |
//!
//! For each column `C` of a table `T` that holds a set or a map there is another table, `T__C`, with a row for each
//! element: columns `_uuid`, of the row that has it, and `value`; of a map, `key` too. That is how references in sets are
//! joined.
//!
//! Names are SQL's: letters count the same in both cases, and names that are SQL's own words (`index`, `order`) are quoted
//! (`"index"`). Of two names that differ in nothing else, the one that comes later in order of bytes has `_2` behind it.
//!
//! # The engine
//!
//! SQLite, with a virtual table for each table: the planner, the expressions and JSON are its own, and rows are read where
//! they are, without a copy. DataFusion, the other engine that was weighed, is faster on aggregates over wide scans, but is 276
//! crates in place of 8 and takes many minutes to build on two cores where SQLite takes half of one; it would need the rows
//! copied into columns first, which costs more than such a question, and has no JSON without a further crate.
//!
//! A virtual table finds rows by the values of any columns, with an index by their hashes that is made when a statement
//! first wants it; so a join costs what it finds, whichever columns it is by.

mod answer;
mod catalog;
mod cell;
mod contents;
mod error;
mod index;
mod query;
mod relation;
mod vtab;

pub use answer::{Answer, AnswerColumn, Value};
pub use catalog::{Catalog, Reads};
pub use contents::{Contents, Rows};
pub use error::{Place, SqlError};
pub use query::{ANSWER_BYTES_MAX, MEMORY_BYTES_MAX, Query};
