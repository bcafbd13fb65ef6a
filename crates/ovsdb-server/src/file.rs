//! Database files as databases: opening, reading to the end, creating (ovsdb(5), "Standalone Database Format").
//!
//! This joins `ovsdb-log`, which knows records, and `ovsdb-engine`, which knows their meaning. It serves nobody and
//! appends nothing but the schema of a new file.

use std::path::Path;
use std::sync::Arc;

use ovsdb_engine::Database;
use ovsdb_engine::record::{self, ReplayError};
use ovsdb_log::{
    CLUSTERED_MAGIC, FileSystem, LockPolicy, Log, LogError, OpenMode, RecordFault, STANDALONE_MAGIC,
};
use ovsdb_proto::error::OvsdbError;
use ovsdb_proto::json::{self, Json};
use ovsdb_proto::schema::Schema;

use crate::fresh::fresh_uuid;

/// Why a database file cannot be used. The texts are those of the Open vSwitch programs where these have one.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// The file cannot be opened, read or written.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The first record is no schema, or a record does not fit.
    #[error(transparent)]
    Contents(#[from] OvsdbError),
    /// The file has no record.
    #[error("ovsdb error: {name}: unexpected end of file reading schema")]
    Empty {
        /// The file.
        name: String,
    },
    /// The file belongs to a clustered database.
    #[error("ovsdb error: {name}: cannot apply this operation to clustered database file")]
    Clustered {
        /// The file.
        name: String,
    },
}

/// A database as its file has it.
#[derive(Debug)]
pub struct Loaded {
    /// The contents.
    pub database: Database,
    /// The file, read to its end; what is appended replaces whatever could not be read.
    pub log: Log,
    /// How many records were read, the schema among them.
    pub records: u64,
    /// Why reading ended before the end of the file: a torn or corrupt tail.
    pub fault: Option<FileError>,
}

/// Opens a standalone database file and reads its schema, the first record.
///
/// # Errors
/// The file cannot be opened, is clustered, or does not begin with a schema.
pub fn open(path: &Path, mode: OpenMode, lock: LockPolicy) -> Result<(Log, Schema), FileError> {
    let log = Log::open(path, mode, &[STANDALONE_MAGIC, CLUSTERED_MAGIC], lock)?;
    read_schema(log)
}

/// [`open`] on another file system than the disk.
///
/// # Errors
/// As [`open`].
pub fn open_on(
    fs: Arc<dyn FileSystem>,
    path: &Path,
    mode: OpenMode,
    lock: LockPolicy,
) -> Result<(Log, Schema), FileError> {
    let log = Log::open_on(fs, path, mode, &[STANDALONE_MAGIC, CLUSTERED_MAGIC], lock)?;
    read_schema(log)
}

fn read_schema(mut log: Log) -> Result<(Log, Schema), FileError> {
    if log.magic() == CLUSTERED_MAGIC {
        return Err(FileError::Clustered {
            name: log.name().to_owned(),
        });
    }
    let Some(json) = read_json(&mut log)? else {
        return Err(FileError::Empty {
            name: log.name().to_owned(),
        });
    };
    let schema = Schema::from_json(&json)?;
    Ok((log, schema))
}

/// Reads the next record as JSON; `None` at the end of the file.
///
/// # Errors
/// The record is damaged, or not a JSON object. The same error comes back from then on.
pub fn read_json(log: &mut Log) -> Result<Option<Json>, LogError> {
    let Some(record) = log.read()? else {
        return Ok(None);
    };
    match json::parse(&record.payload) {
        Ok(json @ Json::Object(_)) => Ok(Some(json)),
        Ok(_) => Err(log.reject(RecordFault::NotObject)),
        Err(error) => Err(log.reject(RecordFault::NotJson(error.to_string()))),
    }
}

/// Reads a whole database file.
///
/// # Errors
/// As [`open`]. A bad record after the schema is no error: see [`Loaded::fault`].
pub fn load(path: &Path, mode: OpenMode, lock: LockPolicy) -> Result<Loaded, FileError> {
    let (log, schema) = open(path, mode, lock)?;
    Ok(replay(log, Arc::new(schema), &mut |_| {}))
}

/// [`load`] on another file system than the disk.
///
/// # Errors
/// As [`load`].
pub fn load_on(
    fs: Arc<dyn FileSystem>,
    path: &Path,
    mode: OpenMode,
    lock: LockPolicy,
) -> Result<Loaded, FileError> {
    let (log, schema) = open_on(fs, path, mode, lock)?;
    Ok(replay(log, Arc::new(schema), &mut |_| {}))
}

/// Applies all records of `log` after the schema to an empty database with `schema`. `progress` is told after each
/// record where in the file it ends, in bytes.
pub fn replay(mut log: Log, schema: Arc<Schema>, progress: &mut dyn FnMut(u64)) -> Loaded {
    let mut database = Database::new(schema);
    let mut records = 1;
    let fault = loop {
        let record = match log.read() {
            Ok(None) => break None,
            Err(error) => break Some(error.into()),
            Ok(Some(record)) => record,
        };
        match record::replay(&database, &record.payload, &mut fresh_uuid) {
            Ok((next, _)) => database = next,
            Err(ReplayError::Json(error)) => {
                break Some(log.reject(RecordFault::NotJson(error.to_string())).into());
            }
            Err(ReplayError::NotObject) => break Some(log.reject(RecordFault::NotObject).into()),
            Err(ReplayError::Record(error)) => {
                log.unread();
                break Some(error.into());
            }
        }
        records += 1;
        if records == 2 {
            log.mark_base();
        }
        progress(log.offset());
    };
    Loaded {
        database,
        log,
        records,
        fault,
    }
}

/// Makes a new database file that holds nothing but `schema`.
///
/// # Errors
/// The file exists, or cannot be written.
pub fn create(path: &Path, schema: &Schema) -> Result<(), FileError> {
    let mut log = Log::open(
        path,
        OpenMode::CreateExcl,
        &[STANDALONE_MAGIC],
        LockPolicy::IfWritable,
    )?;
    let mut record = Vec::new();
    schema.to_json().write_to(&mut record);
    record.push(b'\n');
    log.append(&record)?;
    log.commit()?;
    Ok(())
}
