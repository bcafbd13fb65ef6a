//! Helpers for tests: servers under test, reference programs, generators and comparison.
//!
//! For development only; no program links it. Helpers panic with a full message where a test could not go on
//! anyway, so that tests read as what they claim.

pub mod alike;
pub mod client;
pub mod control;
pub mod daemon;
pub mod differential;
pub mod disk;
pub mod environment;
pub mod installation;
pub mod manager;
pub mod monitored;
pub mod names;
pub mod pki;
pub mod port;
pub mod programs;
pub mod proxy;
pub mod python;
pub mod raw;
pub mod sandbox;
pub mod script;
