//! A copy of part of a server's database, kept up to date by a monitor.
//!
//! A [`Replica`] is what readers hold. Its contents are [`Version`]s: immutable, and cheap to keep beside each other, so that
//! whoever reads one waits for nobody. Each is what the server had at one moment, of what was chosen. A [`Follower`] makes
//! the next one of what the server tells; it does no I/O and reads no clock. [`Changes`] are what differs between two of
//! them.

mod change;
mod check;
mod conditions;
mod digest;
mod envelope;
mod follow;
mod following;
mod handle;
mod index;
mod read;
mod submit;
mod tables;
mod task;
mod version;

pub use change::{Change, ChangeKind, Changes, Interest};
pub use check::{CheckError, RowName, Verdict};
pub use digest::Digest;
pub use follow::{Action, Follower, Input, Limits, Status, Trouble};
pub use handle::{ConditionError, ORDERS_MAX, Replica, WaitError, Watcher};
pub use index::Index;
pub use read::{RowView, TableView};
pub use submit::{SubmitError, Submitted, TRANSACTIONS_MAX};
pub use version::{Misfit, MisfitKind, Row, Version};
