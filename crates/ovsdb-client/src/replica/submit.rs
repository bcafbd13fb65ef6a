//! Transactions that a replica's connection carries, so that their replies come behind the updates that they cause.
//!
//! What is in a transaction is nobody's business here, and nothing is ever sent twice.

use std::collections::HashMap;

use bytes::Bytes;
use ovsdb_proto::json::Json;
use ovsdb_proto::words::Method;
use tokio::sync::{mpsc, oneshot};

use super::task::Order;
use crate::error::Disconnect;
use crate::event::RequestId;
use crate::upstream::{ConnectionId, NotAccepted, Requests};

/// Transactions of one replica that may wait for their replies; one beyond is not sent.
pub const TRANSACTIONS_MAX: usize = 1024;

/// What became of a transaction that the server carried out, or refused operation by operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submitted {
    /// The text of the reply's `result`, an array.
    pub result: Bytes,
    /// The contents of this generation have what the transaction changed, as far as it was chosen, and so have all later
    /// ones. Only if the connection was lost just then, while the contents were being repaired, they may still lack it.
    pub generation: u64,
}

/// Why a transaction has no result.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SubmitError {
    /// The server refused it as a whole: the reply's `error` member. It has no effect.
    #[error("the server refused the transaction: {0}")]
    Refused(Json),
    /// It was not sent, for want of a connection or of a monitor on it, or of room. It has no effect.
    #[error("there is no connection for the transaction")]
    NotSent,
    /// The connection ended before the reply. Nobody knows whether it has an effect.
    #[error("the connection was lost before the server answered: {0}")]
    Unknown(Disconnect),
    /// The client ended. Whether the transaction has an effect is unknown.
    #[error("the client is closed")]
    Closed,
}

/// Where the result goes.
type Answer = oneshot::Sender<Result<Submitted, SubmitError>>;

/// A transaction on its way to the task.
#[derive(Debug)]
pub(super) struct Submission {
    number: u64,
    params: Bytes,
    answer: Answer,
}

/// Sends a transaction by way of the task, and waits for what becomes of it. `number` is not used twice.
pub(super) async fn submit(
    orders: &mpsc::Sender<Order>,
    number: u64,
    params: Bytes,
) -> Result<Submitted, SubmitError> {
    let (answer, answered) = oneshot::channel();
    let submission = Submission {
        number,
        params,
        answer,
    };
    if orders.send(Order::Transact(submission)).await.is_err() {
        return Err(SubmitError::NotSent);
    }
    let mut recall = Recall {
        orders,
        number: Some(number),
    };
    let result = answered.await;
    recall.number = None;
    result.unwrap_or(Err(SubmitError::Closed))
}

/// Has a transaction canceled for which nobody waits any more: it might be held back for ever.
struct Recall<'a> {
    orders: &'a mpsc::Sender<Order>,
    number: Option<u64>,
}

impl Drop for Recall<'_> {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            // Where there is no room the transaction goes on, as it would if the word came too late.
            drop(self.orders.try_send(Order::Recall(number)));
        }
    }
}

/// The transactions that are under way.
#[derive(Debug, Default)]
pub(super) struct Transactions {
    sent: HashMap<RequestId, (u64, Answer)>,
    /// By number.
    ids: HashMap<u64, RequestId>,
    /// Answered while the contents were not what the server told.
    held: Vec<(Answer, Bytes)>,
}

impl Transactions {
    /// Sends a transaction on this connection, if there is one.
    pub(super) fn send(
        &mut self,
        submission: Submission,
        requests: &Requests,
        connection: Option<ConnectionId>,
    ) {
        let Submission {
            number,
            params,
            answer,
        } = submission;
        if answer.is_closed() {
            return;
        }
        let has_room = self.sent.len() < TRANSACTIONS_MAX;
        let sent = connection.filter(|_| has_room).map(|connection| {
            let method = Method::Transact;
            requests.try_request(connection, method, params)
        });
        match sent {
            Some(Ok(id)) => {
                self.sent.insert(id, (number, answer));
                self.ids.insert(number, id);
            }
            None | Some(Err(NotAccepted::Full | NotAccepted::Closed)) => {
                give(answer, Err(SubmitError::NotSent));
            }
        }
    }

    /// Asks the server to cancel a transaction.
    pub(super) fn recall(
        &mut self,
        number: u64,
        requests: &Requests,
        connection: Option<ConnectionId>,
    ) {
        let Some(id) = self.ids.remove(&number) else {
            return;
        };
        self.sent.remove(&id);
        if let Some(connection) = connection {
            let params = Json::Array(vec![Json::Integer(id.0.cast_signed())]);
            let params = params.to_bytes().into();
            // Where there is no room the transaction goes on.
            let _ = requests.try_request(connection, Method::Cancel, params);
        }
    }

    /// Takes a reply. Gives it back if it is for somebody else.
    pub(super) fn reply(
        &mut self,
        id: RequestId,
        result: Result<Bytes, Json>,
        is_live: bool,
        generation: u64,
    ) -> Result<(), Result<Bytes, Json>> {
        let Some((number, answer)) = self.sent.remove(&id) else {
            return Err(result);
        };
        self.ids.remove(&number);
        match result {
            Err(error) => give(answer, Err(SubmitError::Refused(error))),
            Ok(result) => {
                self.held.push((answer, result));
                if is_live {
                    self.release(generation);
                }
            }
        }
        Ok(())
    }

    /// The contents are what the server told, or will not be so soon.
    pub(super) fn release(&mut self, generation: u64) {
        for (answer, result) in self.held.drain(..) {
            give(answer, Ok(Submitted { result, generation }));
        }
    }

    /// The connection is over.
    pub(super) fn down(&mut self, why: &Disconnect, in_doubt: &[RequestId], generation: u64) {
        self.release(generation);
        self.ids.clear();
        // They hear of it in the order in which they asked.
        let mut sent: Vec<_> = self.sent.drain().collect();
        sent.sort_unstable_by_key(|(id, _)| *id);
        for (id, (_, answer)) in sent {
            let error = match in_doubt.contains(&id) {
                true => SubmitError::Unknown(why.clone()),
                false => SubmitError::NotSent,
            };
            give(answer, Err(error));
        }
    }
}

/// Whoever waited may have gone.
fn give(answer: Answer, result: Result<Submitted, SubmitError>) {
    drop(answer.send(result));
}
