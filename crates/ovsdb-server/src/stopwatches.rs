//! How long what takes long takes, for the control command `stopwatch/show`.

use ovsdb_daemon::stopwatch::{Stopwatch, Unit};

/// Bringing records to the disk.
pub static FSYNC: Stopwatch = Stopwatch::new("fsync", Unit::Microseconds);
/// Writing a file anew, from its beginning to its taking the old one's place.
pub static COMPACTION: Stopwatch = Stopwatch::new("compaction", Unit::Milliseconds);
/// Converting a database while it is served.
pub static CONVERSION: Stopwatch = Stopwatch::new("conversion", Unit::Milliseconds);

/// All of them.
pub static ALL: [&Stopwatch; 3] = [&FSYNC, &COMPACTION, &CONVERSION];
