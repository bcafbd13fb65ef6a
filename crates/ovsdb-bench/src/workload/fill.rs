//! Rows that are there before a section begins.

use super::WorkloadError;
use crate::client::Client;
use crate::rows;

/// Rows of one transaction.
const ROWS_AT_ONCE: usize = 10_000;

/// Writes `count` small rows of `client` into the table Item, whose values go from 0 to `distinct` again and again.
pub(crate) fn items(
    client: &mut Client,
    writer: usize,
    count: usize,
    distinct: usize,
) -> Result<(), WorkloadError> {
    for first in (0..count).step_by(ROWS_AT_ONCE) {
        let number = ROWS_AT_ONCE.min(count - first);
        client.transact(&rows::valued_rows(writer, first, number, distinct))?;
    }
    Ok(())
}

/// Writes `count` rows of a network into the tables of [`rows::NETWORK_TABLES`].
pub(crate) fn network(client: &mut Client, count: usize) -> Result<(), WorkloadError> {
    for first in (0..count).step_by(ROWS_AT_ONCE) {
        client.transact(&rows::network(first, ROWS_AT_ONCE.min(count - first)))?;
    }
    Ok(())
}
