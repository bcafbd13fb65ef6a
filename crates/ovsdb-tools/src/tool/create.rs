//! `create [DB [SCHEMA]]`: makes a new database file.

use ovsdb_server::file;

use super::schema::read_schema;
use super::{Answer, Call, ToolError};

pub(super) fn run(call: &mut Call<'_>) -> Result<Answer, ToolError> {
    let schema = read_schema(&call.schema(1))?;
    file::create(&call.database(0), &schema)?;
    Ok(Answer::Yes)
}
