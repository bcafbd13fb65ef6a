//! Disks for tests: one in memory whose power can be cut, and the real one, both with faults at any operation.
//!
//! [`SimulatedDisk`] keeps apart what was written and what will survive, as a kernel and its disk do; [`FaultyDisk`] passes
//! operations on to another file system. What goes wrong in either is decided by its [`Faults`]: at an operation
//! by its number, or at those that a predicate picks. All chance comes from a seed, and nothing here reads a clock.
//!
//! To try every failure point of a workload, run it once and see how many operations it has ([`Faults::count`]), then
//! once more for each of them. To try every power cut, have a script take an image ([`SimulatedDisk::power_cut`]) before each
//! operation of a single run.

mod faults;
mod faulty;
mod inode;
mod simulated;

pub use self::faults::{Fault, Faults, Held, Kind, Operation};
pub use self::faulty::FaultyDisk;
pub use self::inode::SECTOR_BYTES;
pub use self::simulated::SimulatedDisk;

/// Error numbers, for [`Fault`].
pub use nix::errno::Errno;
