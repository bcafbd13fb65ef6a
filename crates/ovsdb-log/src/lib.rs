//! The append-only OVSDB file: records, SHA-1, lock, truncation and replacement (ovsdb(5)).
//!
//! A file is a row of records, each a header line `OVSDB <magic> <length> <sha1>` and `length` bytes of data. [`Log`]
//! reads them in order, then appends to them; the first append cuts off what had not been read, which is how a torn or
//! corrupt tail goes away. [`Replacement`] is the new file of a compaction: any thread writes it while the log goes on
//! growing, and [`Log::replace_commit`] swaps it in.
//!
//! Payloads are bytes. This crate knows neither JSON nor schemas, starts a thread only to [read ahead](ahead) and reads no
//! clock: [`compaction`] is told the time. All file operations pass through [`FileSystem`] and [`File`], so that tests can
//! make any of them fail.

pub mod ahead;
pub mod compaction;
mod digest;
mod doubt;
mod error;
mod fs;
mod header;
mod lockfile;
mod log;
mod path;
mod reader;
mod record;
mod replace;
mod room;
mod staged;
mod sync;

pub use digest::{Digest, Hasher};
pub use error::{ErrorKind, LockError, LogError, OsError};
pub use fs::{Access, Disk, File, FileSystem, HeldLock};
pub use header::compose as compose_header;
pub use lockfile::{Lockfile, lock_name};
pub use log::{LockPolicy, Log, OpenMode};
pub use path::{follow_symlinks, sync_directory_of};
pub use record::{PASSED_END_BYTES, PassedRecord, Record, RecordFault, RecordPlace};
pub use replace::{RecordWriter, Replacement};
pub use sync::SyncHandle;

/// Magic of a standalone database file.
pub const STANDALONE_MAGIC: &str = "JSON";

/// Magic of a clustered database file. This crate reads its records as it reads any; what they mean is the caller's.
pub const CLUSTERED_MAGIC: &str = "CLUSTER";
