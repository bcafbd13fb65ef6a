//! How long what takes long takes, for the control command `stopwatch/show`.

use ovsdb_daemon::stopwatch::{Stopwatch, Unit};

/// Transactions, from the arrival of requests to the answer; those that only read are not among them.
pub static TRANSACTION: Stopwatch = Stopwatch::new("transaction", Unit::Microseconds);
/// Bringing records to the disk.
pub static FSYNC: Stopwatch = Stopwatch::new("fsync", Unit::Microseconds);
/// Writing a file anew, from its beginning to its taking the old one's place.
pub static COMPACTION: Stopwatch = Stopwatch::new("compaction", Unit::Milliseconds);
/// Converting a database while it is served.
pub static CONVERSION: Stopwatch = Stopwatch::new("conversion", Unit::Milliseconds);

/// All of them.
pub static ALL: [&Stopwatch; 4] = [&TRANSACTION, &FSYNC, &COMPACTION, &CONVERSION];
