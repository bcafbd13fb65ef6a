//! From the reply to a transaction to what has become of it.

use std::collections::BTreeMap;

use ecow::EcoString;
use ovsdb_proto::build::Operation;
use ovsdb_proto::error::ErrorTag;
use ovsdb_proto::json::Json;
use ovsdb_proto::reply::{OperationReply, ServerError, TransactError};
use ovsdb_proto::uuid::Uuid;

use super::error::{Doubt, Failure, Refusal, Subject};
use super::plan::{Plan, Role};
use super::row::RowName;

/// What has become of a transaction that has been committed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Committed {
    /// Nothing was to be changed, and nothing was sent.
    pub unchanged: bool,
    /// The marker told that the transaction had been committed before, and the reply lost. What was not known before it was
    /// sent is not known now.
    pub repeated: bool,
    /// From which generation of the replica's contents on it is in them: see [`Submitted`](crate::replica::Submitted). `None` if
    /// nothing was sent.
    pub generation: Option<u64>,
    /// Rows to be changed or deleted that were not there any more. All else has happened.
    pub gone: Vec<RowName>,
    /// UUIDs of rows that the transaction made, by what they were called in it; `None` where only the server knows.
    made: BTreeMap<Uuid, Option<Uuid>>,
    counters: Vec<(RowName, EcoString, i64)>,
}

impl Committed {
    /// The UUID that the row has on the server, unless only the server knows.
    pub fn uuid(&self, row: &RowName) -> Option<Uuid> {
        match self.made.get(&row.uuid()) {
            Some(real) => *real,
            None => Some(row.uuid()),
        }
    }

    /// What a counter was raised to, if it was and that is known.
    pub fn incremented(&self, row: &RowName, column: &str) -> Option<i64> {
        let mut counters = self.counters.iter().rev();
        let found = counters.find(|(at, name, _)| at == row && name == column);
        found.map(|(_, _, value)| *value)
    }
}

impl Plan {
    /// What has become of the transaction if there is nothing to send.
    pub fn unchanged(&self) -> Committed {
        Committed {
            unchanged: true,
            ..Committed::default()
        }
    }

    /// What has become of the transaction if this is the `result` or else the `error` of the reply.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn outcome(&self, reply: Result<&Json, &Json>) -> Result<Committed, Failure> {
        let result = match reply {
            Ok(result) => result,
            Err(error) => {
                let error = ServerError::from_json(error.clone());
                return Err(match error.tag() {
                    Some(ErrorTag::Canceled) => Doubt::Canceled.into(),
                    _ => refused(None, error).into(),
                });
            }
        };
        match self.request().read_reply(result) {
            Ok(reply) => Ok(self.committed(reply.operations())),
            Err(TransactError::Operation { at, error, .. }) => Ok(self.failed(at, error)?),
            Err(TransactError::Commit(error)) => Err(refused(None, error).into()),
            Err(TransactError::Malformed(malformed)) => Err(Doubt::Malformed(malformed).into()),
        }
    }

    fn committed(&self, results: &[OperationReply]) -> Committed {
        let mut committed = Committed::default();
        let operations = self.request().operations();
        for ((role, operation), result) in self.roles.iter().zip(operations).zip(results) {
            match (role, result) {
                (Role::Insert(row), OperationReply::Inserted(uuid)) => {
                    committed.made.insert(row.uuid(), Some(*uuid));
                }
                (Role::Change(row), OperationReply::Count(0)) if !committed.gone.contains(row) => {
                    committed.gone.push(row.clone());
                }
                (Role::Counter { row, column }, OperationReply::Rows(rows)) => {
                    debug_assert!(matches!(operation, Operation::Select(_)));
                    let value = rows.first().and_then(|row| row.get(column).ok());
                    let counter = value.map(|value| (row.clone(), column.clone(), value));
                    committed.counters.extend(counter);
                }
                _ => {}
            }
        }
        committed
    }

    fn failed(&self, at: usize, error: ServerError) -> Result<Committed, Refusal> {
        let role = &self.roles[at];
        let tag = error.tag();
        Err(match (role, tag) {
            (Role::MarkerNew, Some(ErrorTag::TimedOut)) => return Ok(self.repeated()),
            (Role::Lock(lock), Some(ErrorTag::NotOwner)) => Refusal::NotLocked(lock.clone()),
            (_, Some(ErrorTag::TimedOut)) => Refusal::Conflict(role.subject()),
            _ => refused(role.subject(), error),
        })
    }

    /// It has been carried out before.
    pub(super) fn repeated(&self) -> Committed {
        let operations = self.request().operations().iter();
        let made = self
            .roles
            .iter()
            .zip(operations)
            .filter_map(|(role, operation)| match (role, operation) {
                (Role::Insert(row), Operation::Insert(insert)) => Some((row.uuid(), insert.uuid)),
                _ => None,
            });
        Committed {
            repeated: true,
            made: made.collect(),
            ..Committed::default()
        }
    }
}

fn refused(subject: Option<Subject>, error: ServerError) -> Refusal {
    Refusal::Refused { subject, error }
}

impl Role {
    fn subject(&self) -> Option<Subject> {
        match self {
            Role::Check(subject) => Some(subject.clone()),
            Role::Insert(row) | Role::Change(row) | Role::Counter { row, .. } => {
                Some(Subject::Row(row.clone()))
            }
            Role::Lock(_) | Role::MarkerNew | Role::Other => None,
        }
    }
}
