//! What programs do by names with sessions and clients: requests (`ovsdb_proto::build`), transactions, replicas.

use ovsdb_proto::build::{Invalid, Request, Transaction};
use ovsdb_proto::json::Json;
use ovsdb_proto::reply::{TransactError, TransactReply};
use ovsdb_proto::schema::Selection;
use tokio::time::Instant;

use crate::client::Client;
use crate::error::RequestError;
use crate::replica::{Limits, Replica};
use crate::session::Session;

/// Why a transaction has no results.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExecuteError {
    /// It cannot be written down. Nothing was sent.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// There was no reply, or the server refused the request as a whole. The error tells whether it may have taken effect.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// It failed, or the reply cannot be read.
    #[error(transparent)]
    Failed(#[from] TransactError),
}

impl Session {
    /// Carries out a transaction and gives the results of its operations (RFC 7047, section 4.1.3).
    ///
    /// At the deadline, and when this future is dropped, the server is asked to cancel the transaction.
    ///
    /// # Errors
    /// See [`ExecuteError`]. Without a deadline this waits as long as the connection lasts.
    pub async fn execute(
        &self,
        transaction: &Transaction,
        deadline: Option<Instant>,
    ) -> Result<TransactReply, ExecuteError> {
        let operations = operations(transaction)?;
        let database = transaction.database();
        let results = self.transact(database, operations, deadline).await?;
        Ok(transaction.read_reply(&Json::Array(results))?)
    }

    /// Makes a request and awaits its result.
    ///
    /// # Errors
    /// See [`Session::call`].
    pub async fn request(
        &self,
        request: Request,
        deadline: Option<Instant>,
    ) -> Result<Json, RequestError> {
        let Request { method, params } = request;
        self.call(method.as_str(), params, deadline).await
    }
}

impl Client {
    /// Keeps a copy of part of the client's database, until the last clone of the [`Replica`] or of the client goes.
    pub fn replica(&self, database: &str, selection: Selection) -> Replica {
        Replica::start(self.attach(), database, selection, Limits::default())
    }

    /// See [`Session::execute`]. What may have been sent is never sent again.
    ///
    /// # Errors
    /// See [`ExecuteError`]; after [`RequestError::Disconnected`] and [`RequestError::DeadlineExceeded`] nobody knows
    /// whether the transaction was carried out.
    pub async fn execute(
        &self,
        transaction: &Transaction,
        deadline: Option<Instant>,
    ) -> Result<TransactReply, ExecuteError> {
        let operations = operations(transaction)?;
        let database = transaction.database();
        let results = self.transact(database, &operations, deadline).await?;
        Ok(transaction.read_reply(&Json::Array(results))?)
    }
}

fn operations(transaction: &Transaction) -> Result<Vec<Json>, Invalid> {
    let mut params = transaction.to_params()?;
    // The first is the database.
    params.remove(0);
    Ok(params)
}
