//! `compact [DB [DST]]`: rewrites a database file with nothing in it but its schema and its present contents.

use std::path::Path;

use ovsdb_daemon::program;

use super::rewrite::rewrite;
use super::{Answer, Call, ToolError};

pub(super) fn run(call: &mut Call<'_>) -> Result<Answer, ToolError> {
    let comment = format!("compacted by ovsdb-tool {}", program::OPEN_VSWITCH_VERSION);
    let destination = call.arguments.get(1).map(Path::new);
    rewrite(&call.database(0), destination, &comment, Ok)?;
    Ok(Answer::Yes)
}
