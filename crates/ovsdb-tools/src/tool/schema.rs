//! `schema-name`, `schema-version` and `schema-cksum [SCHEMA]`, and `needs-conversion [DB [SCHEMA]]`.

use std::path::Path;

use ovsdb_log::OsError;
use ovsdb_proto::error::{ErrorTag, OvsdbError};
use ovsdb_proto::json;
use ovsdb_proto::schema::Schema;

use super::db::read_schema as read_database_schema;
use super::{Answer, Call, ToolError};

pub(super) fn name(call: &mut Call<'_>) -> Result<Answer, ToolError> {
    let schema = read_schema(&call.schema(0))?;
    call.line(schema.name)?;
    Ok(Answer::Yes)
}

pub(super) fn version(call: &mut Call<'_>) -> Result<Answer, ToolError> {
    let schema = read_schema(&call.schema(0))?;
    call.line(version_text(&schema))?;
    Ok(Answer::Yes)
}

pub(super) fn cksum(call: &mut Call<'_>) -> Result<Answer, ToolError> {
    let schema = read_schema(&call.schema(0))?;
    call.line(schema.cksum)?;
    Ok(Answer::Yes)
}

pub(super) fn needs_conversion(call: &mut Call<'_>) -> Result<Answer, ToolError> {
    let of_database = read_database_schema(&call.database(0))?;
    let of_file = read_schema(&call.schema(1))?;
    call.line(if of_database.is_equivalent(&of_file) {
        "no"
    } else {
        "yes"
    })?;
    Ok(Answer::Yes)
}

/// How every database file begins, of whatever kind, and no schema.
const DATABASE_START: [u8; 6] = *b"OVSDB ";

/// A schema's version as it is printed: empty if it has none.
pub(super) fn version_text(schema: &Schema) -> &str {
    schema
        .version
        .as_ref()
        .map_or("", |version| version.as_str())
}

/// Reads the schema in a file that is a schema or a database.
pub(super) fn read_schema_of(path: &Path) -> Result<Schema, ToolError> {
    let mut start = [0; DATABASE_START.len()];
    let is_database = std::fs::File::open(path)
        .and_then(|mut file| std::io::Read::read_exact(&mut file, &mut start))
        // What cannot be read is reported as a schema that cannot.
        .is_ok_and(|()| start == DATABASE_START);
    if is_database {
        read_database_schema(path)
    } else {
        Ok(read_schema(path)?)
    }
}

/// Reads a schema file.
///
/// # Errors
/// The file cannot be read, is not JSON, or is no schema.
pub(crate) fn read_schema(path: &Path) -> Result<Schema, OvsdbError> {
    let name = path.display();
    let unreadable = |reason: String| {
        let details = format!("\"{name}\" could not be read as JSON ({reason})");
        OvsdbError::new(ErrorTag::FailedToReadSchema, details)
    };
    let mut file = std::fs::File::open(path).map_err(|error| {
        unreadable(format!(
            "error opening \"{name}\": {}",
            OsError::from(error)
        ))
    })?;
    let mut text = Vec::new();
    std::io::Read::read_to_end(&mut file, &mut text).map_err(|error| {
        unreadable(format!(
            "error reading JSON stream: {}",
            OsError::from(error)
        ))
    })?;
    let json = json::parse(&text).map_err(|error| unreadable(error.to_string()))?;
    Schema::from_json(&json)
        .map_err(|error| error.wrap(format!("failed to parse \"{name}\" as ovsdb schema")))
}
