//! `convert [DB [SCHEMA [DST]]]`: gives a database file another schema.

use std::path::Path;

use ovsdb_daemon::program;
use ovsdb_engine::{Conversion, convert};
use ovsdb_server::fresh_uuid;

use super::rewrite::{Version, rewrite};
use super::schema::read_schema;
use super::{Answer, Call, ToolError};

pub(super) fn run(call: &mut Call<'_>) -> Result<Answer, ToolError> {
    let schema = read_schema(&call.schema(1))?;
    let comment = format!("converted by ovsdb-tool {}", program::OPEN_VSWITCH_VERSION);
    let destination = call.arguments.get(2).map(Path::new);
    rewrite(&call.database(0), destination, &comment, |version| {
        let conversion = convert(&version.database, schema, &mut fresh_uuid);
        let Conversion {
            database,
            is_additive,
        } = conversion.map_err(ToolError::Conversion)?;
        // Who has the rows of before has those of now only if none has changed.
        let id = match is_additive {
            true => version.id,
            false => fresh_uuid(),
        };
        Ok(Version { database, id })
    })?;
    Ok(Answer::Yes)
}
