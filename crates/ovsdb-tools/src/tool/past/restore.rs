//! `restore --at=MOMENT DB NEW`: writes a database as it was at a moment into a new file, its rows with the UUIDs they had.
//!
//! The new file gets its name when it is complete and on the disk; a file that has the name already stays as it is.

use std::path::Path;

use ovsdb_daemon::program;
use ovsdb_log::{Disk, FileSystem, follow_symlinks};

use super::{Reading, heading, moment, warn};
use crate::tool::rewrite::{self, lock};
use crate::tool::{Answer, Call, ToolError};

pub(in crate::tool) fn run(call: &mut Call<'_>) -> Result<Answer, ToolError> {
    let [source, new] = call.arguments else {
        unreachable!("the table of commands says two");
    };
    let at = call
        .settings
        .wanted
        .at
        .as_deref()
        .ok_or(ToolError::MissingOption {
            command: "restore",
            option: "--at=TIME or --at=RECORD",
        })?;
    let at = moment::parse_moment("--at", at)?;
    let new = follow_symlinks(&Disk, Path::new(new));
    let _lock = lock(&new)?;
    // It is looked at again when all is done; this saves the time until then.
    if Disk.exists(&new) {
        return Err(ToolError::Exists(new));
    }

    let mut reading = Reading::open(Path::new(source))?;
    let bar = &reading.bar;
    let (version, fault) = reading
        .past
        .version_at(at, &mut |offset| bar.set_position(offset))?;
    bar.finish_and_clear();
    warn(fault.as_ref(), reading.past.name(), version.number);

    let heading = heading(version.number, &version.annotations);
    let comment = format!(
        "restored by ovsdb-tool {} from {source}, {heading}",
        program::OPEN_VSWITCH_VERSION
    );
    let rows = version.database.rows();
    let contents = rewrite::Version {
        database: version.database,
        id: version.id,
    };
    rewrite::write_new(&contents, &new, &comment)?;
    call.line(format_args!(
        "{}: {rows} rows as of {heading}",
        new.display()
    ))?;
    Ok(Answer::Yes)
}
