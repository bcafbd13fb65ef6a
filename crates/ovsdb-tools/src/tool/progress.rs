//! Loading a database file, with a bar on the terminal when it takes long.

use std::io::IsTerminal;
use std::path::Path;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use ovsdb_log::{LockPolicy, OpenMode};
use ovsdb_server::file::{self, Loaded};

use super::ToolError;

/// How often the bar shows that something is going on.
const TICK: Duration = Duration::from_millis(200);

/// The smallest file, in bytes, that is worth a bar.
const SHOWN_BYTES_MIN: u64 = 50 << 20;

/// Reads a whole standalone database file.
///
/// # Errors
/// As [`file::load`]; a bad record is an error here: a tool that went on would pass off a part of the database as the
/// whole.
pub(super) fn load(path: &Path, mode: OpenMode, lock: LockPolicy) -> Result<Loaded, ToolError> {
    let (log, schema) = file::open(path, mode, lock)?;
    let bar = bar(path);
    let mut loaded = file::replay(log, schema.into(), &mut |offset| bar.set_position(offset));
    bar.finish_and_clear();
    match loaded.fault.take() {
        Some(fault) => Err(fault.into()),
        None => Ok(loaded),
    }
}

/// A bar over the size of the file; a hidden one where nobody needs or sees it.
pub(super) fn bar(path: &Path) -> ProgressBar {
    let size = std::fs::metadata(path).map_or(0, |found| found.len());
    if size < SHOWN_BYTES_MIN || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template(
        "{spinner} reading {bytes} of {total_bytes} {wide_bar} {elapsed}",
    )
    .expect("the template above is valid");
    let bar = ProgressBar::new(size).with_style(style);
    // A compacted file is one record, after which all is done: until then there is the spinner to look at.
    bar.enable_steady_tick(TICK);
    bar
}
