//! Replies as programs read them: the results of a transaction's operations, and those of other requests.
//!
//! A reply comes from somebody else, so anything may be in it: what is not of the form that the protocol has is an error,
//! and its text is quoted in part only. That a result fits a schema is not checked.

use std::fmt;

use ecow::EcoString;
use foldhash::fast::RandomState;
use hashbrown::HashMap;

use crate::build::{Operation, Transaction};
use crate::error::{ErrorTag, OvsdbError};
use crate::json::Json;
use crate::uuid::Uuid;
use crate::value::{Row, Term, Value};

/// An error that a server sent: an `<error>` (RFC 7047, section 3.1), or whatever it sent in place of one.
#[derive(Clone, Debug, PartialEq)]
pub struct ServerError {
    json: Json,
}

impl ServerError {
    /// The error that `json` says.
    pub fn from_json(json: Json) -> ServerError {
        ServerError { json }
    }

    /// What kind of error it is, if that is known here.
    pub fn tag(&self) -> Option<ErrorTag> {
        ErrorTag::from_text(self.word()?)
    }

    /// The server's word for the kind of error.
    pub fn word(&self) -> Option<&str> {
        match &self.json {
            Json::String(word) => Some(word),
            json => json.get("error")?.as_str(),
        }
    }

    /// The server's words for people.
    pub fn details(&self) -> Option<&str> {
        self.json.get("details")?.as_str()
    }

    /// All that the server sent.
    pub fn json(&self) -> &Json {
        &self.json
    }
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.word(), self.details()) {
            (Some(word), Some(details)) => write!(f, "{word}: {details}"),
            (Some(word), None) => f.write_str(word),
            (None, _) => f.write_str(&quoted(&self.json)),
        }
    }
}

impl std::error::Error for ServerError {}

impl From<OvsdbError> for ServerError {
    fn from(error: OvsdbError) -> ServerError {
        ServerError::from_json(error.to_json())
    }
}

/// A reply that is not of the form that the protocol has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{expected} expected, found {found}")]
pub struct Malformed {
    /// What should be there.
    pub expected: &'static str,
    /// The beginning of what is.
    pub found: String,
}

impl Malformed {
    fn new(expected: &'static str, found: &Json) -> Malformed {
        Malformed {
            expected,
            found: quoted(found),
        }
    }
}

/// What is quoted of a text from outside, in characters.
const QUOTED_MAX: usize = 200;

/// The text of `json`, or its beginning.
fn quoted(json: &Json) -> String {
    let text = json.to_string();
    match text.char_indices().nth(QUOTED_MAX) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

/// What an operation resulted in.
#[derive(Clone, Debug, PartialEq)]
pub enum OperationReply {
    /// `insert`: the UUID of the new row.
    Inserted(Uuid),
    /// `select`: the rows.
    Rows(Vec<Row>),
    /// `update`, `mutate` and `delete`: how many rows met the condition.
    Count(u64),
    /// The others: it succeeded.
    Done,
}

/// What the operations of a committed transaction resulted in.
///
/// ```
/// use ovsdb_proto::build::{Transaction, column, insert, select};
/// use ovsdb_proto::json;
///
/// let mut transaction = Transaction::new("Open_vSwitch");
/// let port = transaction.insert(insert("Port").set("name", "p0"));
/// let read = transaction.push(select("Bridge").filter(column("name").eq("br0")).columns(["ports"]));
///
/// // What the server answers:
/// let result = json::parse(
///     br#"[{"uuid":["uuid","3f1bd0d6-7f5e-4c21-9a07-00ff10a0b0c0"]},{"rows":[{"ports":["set",[]]}]}]"#,
/// )?;
/// let reply = transaction.read_reply(&result)?;
/// assert_eq!(reply.uuid(&port).unwrap().to_string(), "3f1bd0d6-7f5e-4c21-9a07-00ff10a0b0c0");
/// assert!(reply.rows(read).unwrap()[0].value("ports").unwrap().is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct TransactReply {
    operations: Vec<OperationReply>,
    /// The UUIDs of the rows that have names in the transaction.
    names: HashMap<EcoString, Uuid, RandomState>,
}

impl TransactReply {
    /// The results in the order of the operations.
    pub fn operations(&self) -> &[OperationReply] {
        &self.operations
    }

    /// The UUID of the row that `row` stands for, which is what [`Transaction::insert`] gave.
    pub fn uuid(&self, row: &Term) -> Option<Uuid> {
        match row {
            Term::Atom(atom) => atom.as_uuid(),
            Term::Named(name) => self.names.get(name).copied(),
        }
    }

    /// The UUID of the row that the operation at `at` made, if it is an `insert`.
    pub fn inserted(&self, at: usize) -> Option<Uuid> {
        match self.operations.get(at)? {
            OperationReply::Inserted(uuid) => Some(*uuid),
            _ => None,
        }
    }

    /// The rows that the operation at `at` read, if it is a `select`.
    pub fn rows(&self, at: usize) -> Option<&[Row]> {
        match self.operations.get(at)? {
            OperationReply::Rows(rows) => Some(rows),
            _ => None,
        }
    }

    /// How many rows met the condition of the operation at `at`, if it is an `update`, `mutate` or `delete`.
    pub fn count(&self, at: usize) -> Option<u64> {
        match self.operations.get(at)? {
            OperationReply::Count(count) => Some(*count),
            _ => None,
        }
    }
}

/// Why a transaction that was answered was not committed, or cannot be said to be.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum TransactError {
    /// An operation failed, and nothing of the transaction happened.
    #[error("operation {} ({name}){}: {error}", at + 1, of_table(table))]
    Operation {
        /// The operation's place in the transaction, counted from 0.
        at: usize,
        /// The operation's `op`.
        name: &'static str,
        /// The table that it is about, if it is about one.
        table: Option<EcoString>,
        /// Why it failed.
        error: ServerError,
    },
    /// All operations succeeded, and their result was refused: by references, indexes, or the disk. Nothing of the
    /// transaction happened.
    #[error("commit: {0}")]
    Commit(ServerError),
    /// The reply is not of the form that the protocol has. Whether the transaction happened is unknown.
    #[error("reply to a transaction: {0}")]
    Malformed(Malformed),
}

impl From<Malformed> for TransactError {
    fn from(malformed: Malformed) -> TransactError {
        TransactError::Malformed(malformed)
    }
}

fn of_table(table: &Option<EcoString>) -> String {
    let table = table.as_ref();
    table.map_or(String::new(), |table| format!(", table {table}"))
}

impl TransactError {
    /// What the server said, if it said something.
    pub fn server_error(&self) -> Option<&ServerError> {
        match self {
            TransactError::Operation { error, .. } | TransactError::Commit(error) => Some(error),
            TransactError::Malformed(_) => None,
        }
    }

    /// What kind of error it is, if the server said so and it is known here.
    pub fn tag(&self) -> Option<ErrorTag> {
        self.server_error()?.tag()
    }
}

impl Transaction {
    /// Reads the result of the transaction.
    ///
    /// # Errors
    /// The transaction failed, or the result is not one of this transaction.
    pub fn read_reply(&self, result: &Json) -> Result<TransactReply, TransactError> {
        let results = result
            .as_array()
            .ok_or_else(|| Malformed::new("array of results", result))?;
        let n = self.operations().len();
        let mut reply = TransactReply {
            operations: Vec::with_capacity(n.min(results.len())),
            names: HashMap::default(),
        };
        for (at, operation) in self.operations().iter().enumerate() {
            // RFC 7047, section 4.1.3: one result for each operation, and `null` for those behind one that failed.
            let json = results.get(at).unwrap_or(&Json::Null);
            if let Some(error) = error_in(json) {
                return Err(TransactError::Operation {
                    at,
                    name: operation.name(),
                    table: operation.table().cloned(),
                    error,
                });
            }
            let result = operation_reply(operation, json)?;
            if let (Operation::Insert(insert), OperationReply::Inserted(uuid)) =
                (operation, &result)
                && let Some(name) = &insert.uuid_name
            {
                reply.names.insert(name.clone(), *uuid);
            }
            reply.operations.push(result);
        }
        match results.get(n..) {
            None | Some([]) => Ok(reply),
            Some([only]) => match error_in(only) {
                Some(error) => Err(TransactError::Commit(error)),
                None => Err(Malformed::new("error of the commit", only).into()),
            },
            Some(_) => Err(Malformed::new("one result for each operation", result).into()),
        }
    }
}

/// The `<error>` that a result is, if it is one.
fn error_in(json: &Json) -> Option<ServerError> {
    json.get("error")?;
    Some(ServerError::from_json(json.clone()))
}

fn operation_reply(operation: &Operation, json: &Json) -> Result<OperationReply, Malformed> {
    let member = |name: &str, expected: &'static str| {
        let member = json.get(name);
        member.ok_or_else(|| Malformed::new(expected, json))
    };
    match operation {
        Operation::Insert(_) => {
            const EXPECTED: &str = "UUID of an inserted row";
            let uuid = Value::from_json(member("uuid", EXPECTED)?).ok();
            let uuid = uuid.and_then(|uuid| uuid.to().ok());
            let uuid = uuid.ok_or_else(|| Malformed::new(EXPECTED, json))?;
            Ok(OperationReply::Inserted(uuid))
        }
        Operation::Select(_) => {
            const EXPECTED: &str = "array of rows";
            let rows = member("rows", EXPECTED)?.as_array();
            let rows = rows.ok_or_else(|| Malformed::new(EXPECTED, json))?;
            let rows = rows
                .iter()
                .map(|row| Row::from_json(row).map_err(|_| Malformed::new("row", row)));
            Ok(OperationReply::Rows(rows.collect::<Result<_, _>>()?))
        }
        Operation::Update(_) | Operation::Mutate(_) | Operation::Delete(_) => {
            const EXPECTED: &str = "count of rows";
            let count = member("count", EXPECTED)?.as_i64();
            let count = count.and_then(|count| u64::try_from(count).ok());
            let count = count.ok_or_else(|| Malformed::new(EXPECTED, json))?;
            Ok(OperationReply::Count(count))
        }
        Operation::Wait(_)
        | Operation::Commit { .. }
        | Operation::Abort
        | Operation::Comment(_)
        | Operation::Assert(_) => match json.as_object() {
            Some(_) => Ok(OperationReply::Done),
            None => Err(Malformed::new("object", json)),
        },
    }
}

/// Reads the result of `list_dbs`: the names of databases.
///
/// # Errors
/// It is something else.
pub fn databases(result: &Json) -> Result<Vec<EcoString>, Malformed> {
    let malformed = || Malformed::new("array of names of databases", result);
    let names = result.as_array().ok_or_else(malformed)?;
    let names = names.iter().map(|name| match name {
        Json::String(name) => Ok(name.clone()),
        _ => Err(malformed()),
    });
    names.collect()
}

/// Reads the result of `lock` or `steal`: whether the client has the lock now.
///
/// # Errors
/// It is something else.
pub fn locked(result: &Json) -> Result<bool, Malformed> {
    let locked = result.get("locked").and_then(Json::as_bool);
    locked.ok_or_else(|| Malformed::new("object with \"locked\"", result))
}

/// Reads the result of `get_server_id`: the server's UUID.
///
/// # Errors
/// It is something else.
pub fn server_id(result: &Json) -> Result<Uuid, Malformed> {
    let id = result.as_str().and_then(Uuid::parse);
    id.ok_or_else(|| Malformed::new("UUID", result))
}

#[cfg(test)]
mod tests;
