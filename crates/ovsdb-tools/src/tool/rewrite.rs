//! Database files written anew with nothing in them but a schema and the present contents.

use std::path::{Path, PathBuf};

use ovsdb_engine::Database;
use ovsdb_log::{
    Disk, FileSystem, LockPolicy, Lockfile, Log, LogError, OpenMode, STANDALONE_MAGIC,
    follow_symlinks,
};
use ovsdb_proto::uuid::Uuid;
use ovsdb_server::seal::sealed_records;

use super::ToolError;
use super::progress::load;

/// One version of a database.
pub(super) struct Version {
    pub(super) database: Database,
    /// Its transaction id.
    pub(super) id: Uuid,
}

/// Puts what `change` makes of the contents of the database file `source` in their place, or, if there is one, into the
/// file `destination`. Nothing happens to either if that fails.
pub(super) fn rewrite(
    source: &Path,
    destination: Option<&Path>,
    comment: &str,
    change: impl FnOnce(Version) -> Result<Version, ToolError>,
) -> Result<(), ToolError> {
    // Links are followed, so that a link stays one and its target is rewritten.
    let source = follow_symlinks(&Disk, source);
    match destination {
        Some(destination) => {
            let destination = follow_symlinks(&Disk, destination);
            let _lock = lock(&destination)?;
            let version = change(read(&source)?)?;
            write_file(&version, &destination, comment)
        }
        None => {
            let mut temporary = source.clone().into_os_string();
            temporary.push(".tmp");
            let temporary = PathBuf::from(temporary);
            let _source_lock = lock(&source)?;
            let _temporary_lock = lock(&temporary)?;
            let version = change(read(&source)?)?;
            write_file(&version, &temporary, comment)?;
            replace(&temporary, &source)
        }
    }
}

fn lock(path: &Path) -> Result<Lockfile, ToolError> {
    Lockfile::lock(path).map_err(|source| ToolError::Lock {
        path: path.to_path_buf(),
        source,
    })
}

fn read(source: &Path) -> Result<Version, ToolError> {
    let loaded = load(source, OpenMode::ReadOnly, LockPolicy::Never)?;
    Ok(Version {
        database: loaded.database,
        id: loaded.id,
    })
}

/// Makes a file of a database. Its lock is held.
fn write_file(version: &Version, destination: &Path, comment: &str) -> Result<(), ToolError> {
    let mut log = Log::open(
        destination,
        OpenMode::Create,
        &[STANDALONE_MAGIC],
        LockPolicy::Never,
    )?;
    let written = write(&mut log, version, comment);
    drop(log);
    if written.is_err() {
        // The error that led here is the one to tell.
        let _ = Disk.remove(destination);
    }
    Ok(written?)
}

fn write(log: &mut Log, version: &Version, comment: &str) -> Result<(), LogError> {
    let date_ms = super::date_ms();
    for record in sealed_records(&version.database, date_ms, comment, version.id) {
        log.append(&record)?;
    }
    // On the disk before it takes the place of what is there: a crash leaves one or the other.
    log.commit()
}

fn replace(temporary: &Path, source: &Path) -> Result<(), ToolError> {
    Disk.rename(temporary, source)
        .map_err(|error| ToolError::Rename {
            from: temporary.to_path_buf(),
            to: source.to_path_buf(),
            code: error.into(),
        })?;
    ovsdb_log::sync_directory_of(&Disk, source)?;
    Ok(())
}
