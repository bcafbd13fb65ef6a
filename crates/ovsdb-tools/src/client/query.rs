//! `transact` and `query`: one transaction, given as JSON, and its results.

use ovsdb_proto::json::{self, Json, Object};
use ovsdb_proto::words::Method;

use super::error::ClientError;
use super::output::Output;
use super::server::Server;

/// An argument that is JSON.
pub(crate) fn parse(text: &str) -> Result<Json, ClientError> {
    json::parse(text.as_bytes()).map_err(|source| ClientError::Json {
        text: text.to_owned(),
        source,
    })
}

/// The parameters of a `transact` request.
pub(crate) fn parse_transaction(text: &str) -> Result<Vec<Json>, ClientError> {
    match parse(text)? {
        Json::Array(transaction) => Ok(transaction),
        _ => Err(ClientError::NotATransaction),
    }
}

/// The database that a transaction is for.
pub(crate) fn database(transaction: &[Json]) -> Result<String, ClientError> {
    transaction
        .first()
        .and_then(Json::as_str)
        .map(str::to_owned)
        .ok_or(ClientError::NotATransaction)
}

pub(crate) async fn transact(
    server: &Server,
    transaction: Vec<Json>,
    out: &mut Output,
) -> Result<(), ClientError> {
    let results = server
        .call(Method::Transact.as_str(), transaction, out)
        .await?;
    out.json(&results)
}

/// Adds what makes a transaction change nothing.
pub(crate) fn make_read_only(transaction: &mut Vec<Json>) {
    transaction.push(Json::Object(Object::from_iter([(
        "op",
        Json::string("abort"),
    )])));
}

/// Runs what [`make_read_only`] made. The result of its `abort` is not shown if it was that which ended it.
pub(crate) async fn query(
    server: &Server,
    transaction: Vec<Json>,
    out: &mut Output,
) -> Result<(), ClientError> {
    let operations = transaction.len() - 1;
    let mut results = server
        .call(Method::Transact.as_str(), transaction, out)
        .await?;
    if let Json::Array(results) = &mut results
        && results.len() == operations
        && let Some(Json::Object(last)) = results.last()
        && last.get("error").and_then(Json::as_str) == Some("aborted")
    {
        results.pop();
    }
    out.json(&results)
}
