//! Requests by their methods: RFC 7047, section 4.1, and the additions of ovsdb-server(7).
//!
//! A request has no id here: that is the business of the connection on which it is sent.

use ecow::EcoString;

use super::Transaction;
use super::invalid::Invalid;
use super::write::{written, written_id};
use crate::json::Json;
use crate::schema::Schema;
use crate::words::Method;

/// A method and its parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// Its parameters.
    pub params: Vec<Json>,
}

impl Request {
    fn new(method: Method, params: Vec<Json>) -> Request {
        Request { method, params }
    }
}

/// A request whose only parameter is an `<id>`.
fn of_id(method: Method, name: EcoString) -> Result<Request, Invalid> {
    Ok(Request::new(method, vec![written_id(&name)?]))
}

/// A request whose parameters are anything that can be written.
fn of_values(method: Method, params: Vec<Json>) -> Result<Request, Invalid> {
    let params = params.into_iter().map(written);
    Ok(Request::new(method, params.collect::<Result<_, _>>()?))
}

/// Asks for the names of the server's databases (RFC 7047, section 4.1.1).
pub fn list_dbs() -> Request {
    Request::new(Method::ListDbs, Vec::new())
}

/// Asks for a database's schema (4.1.2).
///
/// # Errors
/// The name is not an `<id>`.
pub fn get_schema(database: impl Into<EcoString>) -> Result<Request, Invalid> {
    of_id(Method::GetSchema, database.into())
}

/// Asks for a transaction (4.1.3).
///
/// # Errors
/// What cannot be written.
pub fn transact(transaction: &Transaction) -> Result<Request, Invalid> {
    Ok(Request::new(Method::Transact, transaction.to_params()?))
}

/// Takes back the request with this id, if it is still waiting (4.1.4). It is sent as a notification: what is answered is
/// the request itself.
///
/// # Errors
/// The id has text that cannot be written.
pub fn cancel(id: impl Into<Json>) -> Result<Request, Invalid> {
    of_values(Method::Cancel, vec![id.into()])
}

/// Ends the monitor with this id (4.1.7).
///
/// # Errors
/// The id has text that cannot be written.
pub fn monitor_cancel(id: impl Into<Json>) -> Result<Request, Invalid> {
    of_values(Method::MonitorCancel, vec![id.into()])
}

/// Asks for a lock, and waits its turn (4.1.8).
///
/// # Errors
/// The name is not an `<id>`.
pub fn lock(name: impl Into<EcoString>) -> Result<Request, Invalid> {
    of_id(Method::Lock, name.into())
}

/// Takes a lock, from whoever has it (4.1.8).
///
/// # Errors
/// The name is not an `<id>`.
pub fn steal(name: impl Into<EcoString>) -> Result<Request, Invalid> {
    of_id(Method::Steal, name.into())
}

/// Gives a lock back, or the place in its queue (4.1.8).
///
/// # Errors
/// The name is not an `<id>`.
pub fn unlock(name: impl Into<EcoString>) -> Result<Request, Invalid> {
    of_id(Method::Unlock, name.into())
}

/// Asks for the same values back, which shows that the other side is alive (4.1.11). Servers send it, too.
///
/// # Errors
/// A value has text that cannot be written.
pub fn echo(values: Vec<Json>) -> Result<Request, Invalid> {
    of_values(Method::Echo, values)
}

/// Asks for the server's UUID, which it chooses when it starts.
pub fn get_server_id() -> Request {
    Request::new(Method::GetServerId, Vec::new())
}

/// Tells the server that the client bears, or no longer bears, databases that come and go, so that it need not be
/// disconnected for them.
pub fn set_db_change_aware(aware: bool) -> Request {
    Request::new(Method::SetDbChangeAware, vec![Json::Bool(aware)])
}

/// Gives a database a new schema, and converts its contents.
///
/// # Errors
/// The name is not an `<id>`.
pub fn convert(database: impl Into<EcoString>, schema: &Schema) -> Result<Request, Invalid> {
    let mut request = of_id(Method::Convert, database.into())?;
    request.params.push(schema.to_json());
    Ok(request)
}
