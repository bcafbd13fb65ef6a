//! Metrics that more than one program tells: what they are called and what they mean, and those that are made of rows.
//!
//! Whose rows they are, and where other figures come from, is not known here.

pub mod known;
pub mod metric;
pub mod process;
pub mod row_table;
pub(crate) mod rows;
