//! Database files written anew with nothing in them but a schema and the present contents.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ovsdb_engine::Database;
use ovsdb_log::{
    Disk, FileSystem, LockPolicy, Lockfile, Log, LogError, OpenMode, Replacement, STANDALONE_MAGIC,
    follow_symlinks,
};
use ovsdb_proto::uuid::Uuid;
use ovsdb_server::fresh_uuid;
use ovsdb_server::seal::{sealed_records, write_sealed};

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
            let temporary = temporary_name(&source);
            let _source_lock = lock(&source)?;
            let _temporary_lock = lock(&temporary)?;
            let version = change(read(&source)?)?;
            // A leftover of that name goes, but only if it is one: what is no log at all is somebody else's.
            drop(open(&temporary)?);
            write_temporary(&version, &temporary, comment)?;
            name(&temporary, &source, Disk.rename(&temporary, &source))
        }
    }
}

/// Makes a file of a database that nobody has heard of yet. Its lock is held, and no link leads to it. It has its name only
/// when it is complete and on the disk; until then it has one that nothing else has, so that what a process leaves that is
/// killed meanwhile is in nobody's way.
///
/// # Errors
/// Something has the name already, or the file cannot be written.
pub(super) fn write_new(version: &Version, new: &Path, comment: &str) -> Result<(), ToolError> {
    let mut temporary = new.as_os_str().to_owned();
    temporary.push(format!(".{}.tmp", fresh_uuid()));
    let temporary = PathBuf::from(temporary);
    write_temporary(version, &temporary, comment)?;
    let renamed = Disk.rename_new(&temporary, new);
    if renamed.is_err() {
        // The error that led here is the one to tell.
        let _ = Disk.remove(&temporary);
    }
    match renamed {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            Err(ToolError::Exists(new.to_path_buf()))
        }
        renamed => name(&temporary, new, renamed),
    }
}

/// What a file is called that is to take the place of `path`.
fn temporary_name(path: &Path) -> PathBuf {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".tmp");
    PathBuf::from(temporary)
}

/// Writes a database into the file `temporary`, piece by piece. Nobody else uses the name.
fn write_temporary(version: &Version, temporary: &Path, comment: &str) -> Result<(), ToolError> {
    let disk = Arc::new(Disk);
    let mut file = Replacement::begin(disk, temporary.to_path_buf(), STANDALONE_MAGIC)?;
    let date_ms = super::date_ms();
    write_sealed(&mut file, &version.database, date_ms, comment, version.id)?;
    // On the disk before it takes the place of what is there: a crash leaves one or the other.
    file.leave()?;
    Ok(())
}

pub(super) fn lock(path: &Path) -> Result<Lockfile, ToolError> {
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

/// Opens a new or an existing log, whose lock is held.
fn open(path: &Path) -> Result<Log, LogError> {
    let magics = &[STANDALONE_MAGIC];
    Log::open(path, OpenMode::Create, magics, LockPolicy::Never)
}

/// Makes a file of a database. Its lock is held.
fn write_file(version: &Version, destination: &Path, comment: &str) -> Result<(), ToolError> {
    let mut log = open(destination)?;
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

/// Tells how it went that `temporary` got the name `target`, and has that outlast a crash.
fn name(temporary: &Path, target: &Path, renamed: io::Result<()>) -> Result<(), ToolError> {
    renamed.map_err(|error| ToolError::Rename {
        from: temporary.to_path_buf(),
        to: target.to_path_buf(),
        code: error.into(),
    })?;
    ovsdb_log::sync_directory_of(&Disk, target)?;
    Ok(())
}
