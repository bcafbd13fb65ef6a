//! `compact [DB [DST]]`: rewrites a database file with nothing in it but its schema and its present contents.

use std::path::{Path, PathBuf};

use ovsdb_daemon::program;
use ovsdb_engine::Database;
use ovsdb_log::{
    Disk, FileSystem, LockPolicy, Lockfile, Log, LogError, OpenMode, STANDALONE_MAGIC,
    follow_symlinks,
};
use ovsdb_proto::uuid::Uuid;
use ovsdb_server::file::Loaded;
use ovsdb_server::seal::sealed_records;

use super::progress::load;
use super::{Answer, Call, ToolError};

pub(super) fn run(call: &mut Call<'_>) -> Result<Answer, ToolError> {
    // Links are followed, so that a link stays one and its target is rewritten.
    let source = follow_symlinks(&Disk, &call.database(0));
    let comment = format!("compacted by ovsdb-tool {}", program::OPEN_VSWITCH_VERSION);
    match call.arguments.get(1) {
        Some(destination) => {
            let destination = follow_symlinks(&Disk, Path::new(destination));
            let _lock = lock(&destination)?;
            rewrite(&source, &destination, &comment)?;
        }
        None => {
            let mut temporary = source.clone().into_os_string();
            temporary.push(".tmp");
            let temporary = PathBuf::from(temporary);
            let _source_lock = lock(&source)?;
            let _temporary_lock = lock(&temporary)?;
            rewrite(&source, &temporary, &comment)?;
            replace(&temporary, &source)?;
        }
    }
    Ok(Answer::Yes)
}

fn lock(path: &Path) -> Result<Lockfile, ToolError> {
    Lockfile::lock(path).map_err(|source| ToolError::Lock {
        path: path.to_path_buf(),
        source,
    })
}

/// Puts the contents of the database file `source` into `destination`, whose lock is held.
fn rewrite(source: &Path, destination: &Path, comment: &str) -> Result<(), ToolError> {
    let Loaded { database, id, .. } = load(source, OpenMode::ReadOnly, LockPolicy::Never)?;
    let mut log = Log::open(
        destination,
        OpenMode::Create,
        &[STANDALONE_MAGIC],
        LockPolicy::Never,
    )?;
    let written = write(&mut log, &database, comment, id);
    drop(log);
    if written.is_err() {
        // The error that led here is the one to tell.
        let _ = Disk.remove(destination);
    }
    Ok(written?)
}

/// Writes a database. Its version is the same as before, so it keeps its transaction id.
fn write(log: &mut Log, database: &Database, comment: &str, id: Uuid) -> Result<(), LogError> {
    for record in sealed_records(database, super::date_ms(), comment, id) {
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
