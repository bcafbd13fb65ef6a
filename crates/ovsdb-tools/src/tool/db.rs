//! `db-name`, `db-version` and `db-cksum [DB]`, `db-is-clustered` and `db-is-standalone DB`.

use std::path::Path;

use ovsdb_log::{CLUSTERED_MAGIC, LockPolicy, Log, OpenMode, STANDALONE_MAGIC};
use ovsdb_proto::schema::Schema;
use ovsdb_server::file;

use super::schema::version_text;
use super::{Answer, Call, ToolError};

pub(super) fn name(call: &mut Call<'_>) -> Result<Answer, ToolError> {
    let path = call.database(0);
    refuse_clustered(&open(&path)?)?;
    let schema = read_schema(&path)?;
    call.line(schema.name)?;
    Ok(Answer::Yes)
}

pub(super) fn version(call: &mut Call<'_>) -> Result<Answer, ToolError> {
    let schema = read_schema(&call.database(0))?;
    call.line(version_text(&schema))?;
    Ok(Answer::Yes)
}

pub(super) fn cksum(call: &mut Call<'_>) -> Result<Answer, ToolError> {
    let schema = read_schema(&call.database(0))?;
    call.line(schema.cksum)?;
    Ok(Answer::Yes)
}

pub(super) fn is_clustered(call: &mut Call<'_>) -> Result<Answer, ToolError> {
    has_magic(call, CLUSTERED_MAGIC)
}

pub(super) fn is_standalone(call: &mut Call<'_>) -> Result<Answer, ToolError> {
    has_magic(call, STANDALONE_MAGIC)
}

fn has_magic(call: &mut Call<'_>, magic: &str) -> Result<Answer, ToolError> {
    Ok(Answer::from(open(&call.database(0))?.magic() == magic))
}

/// Opens a database file of either kind for reading.
pub(super) fn open(path: &Path) -> Result<Log, ToolError> {
    let magics = &[STANDALONE_MAGIC, CLUSTERED_MAGIC];
    Ok(Log::open(
        path,
        OpenMode::ReadOnly,
        magics,
        LockPolicy::IfWritable,
    )?)
}

/// For a command that clustered databases have, too.
///
/// # Errors
/// [`ToolError::Clustered`] if the file is of such a one.
pub(super) fn refuse_clustered(log: &Log) -> Result<(), ToolError> {
    match log.magic() == CLUSTERED_MAGIC {
        true => Err(ToolError::Clustered(log.name().to_owned())),
        false => Ok(()),
    }
}

/// The schema in a standalone database file.
pub(super) fn read_schema(path: &Path) -> Result<Schema, ToolError> {
    let (_, schema) = file::open(path, OpenMode::ReadOnly, LockPolicy::IfWritable)?;
    Ok(schema)
}
