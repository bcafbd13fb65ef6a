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
            keeps_past,
            ..
        } = conversion.map_err(ToolError::Conversion)?;
        let id = match keeps_past {
            true => version.id,
            false => fresh_uuid(),
        };
        Ok(Version { database, id })
    })?;
    Ok(Answer::Yes)
}
