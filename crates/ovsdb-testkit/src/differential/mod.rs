//! The differential test: generated transactions go to two servers, and their answers must be the same.
//!
//! A run is determined by its schema and its seed. Rows get other UUIDs on each server; everything else is
//! compared to the byte, but for the named differences of [`rules`].

mod compare;
pub mod contents;
pub mod dangling;
pub mod dice;
pub mod digits;
pub mod fold;
pub mod model;
pub mod operations;
pub mod pair;
pub mod pairing;
pub mod parked;
pub mod report;
pub mod reproduce;
pub mod rules;
pub mod run;
pub mod transactions;
pub mod values;
