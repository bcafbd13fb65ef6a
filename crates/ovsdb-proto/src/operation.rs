//! The operations of `transact` (RFC 7047, section 5.2), parsed against a schema.
//!
//! Parsing needs no database, so it can happen far from the place where operations are executed. What only an execution
//! can find out (a UUID that is taken, a lock that is not held) is left to it.

mod read;

use std::fmt;

use ecow::EcoString;

use crate::condition::Condition;
use crate::error::{ErrorTag, OvsdbError};
use crate::json::Json;
use crate::mutation::Mutation;
use crate::parser::{Kinds, Members};
use crate::row::{self, RowColumns};
use crate::schema::{ColumnId, Schema, TableId, TableSchema};
use crate::symbols::Symbols;
use crate::uuid::Uuid;

pub use self::read::read_transact;

/// One operation.
#[derive(Clone, Debug, PartialEq)]
pub enum Operation {
    /// Makes a row (5.2.1).
    Insert {
        /// The table.
        table: TableId,
        /// The row's UUID.
        uuid: Uuid,
        /// True if the client chose `uuid`, which may be taken then.
        explicit: bool,
        /// The name by which the transaction speaks of the row.
        uuid_name: Option<EcoString>,
        /// Values of columns that do not get their defaults.
        row: RowColumns,
    },
    /// Reads rows (5.2.2).
    Select {
        /// The table.
        table: TableId,
        /// Which rows.
        condition: Condition,
        /// Which columns of them; all columns where the client named none.
        columns: Vec<ColumnId>,
        /// The columns to sort rows by, most important first; none if the client does not care.
        sort: Vec<ColumnId>,
    },
    /// Gives columns new values (5.2.3).
    Update {
        /// The table.
        table: TableId,
        /// Which rows.
        condition: Condition,
        /// The new values, of mutable columns only.
        row: RowColumns,
    },
    /// Changes columns by what they hold (5.2.4).
    Mutate {
        /// The table.
        table: TableId,
        /// Which rows.
        condition: Condition,
        /// The changes, in order.
        mutations: Vec<Mutation>,
    },
    /// Removes rows (5.2.5).
    Delete {
        /// The table.
        table: TableId,
        /// Which rows.
        condition: Condition,
    },
    /// Holds the transaction back until a query gives what the client expects (5.2.6).
    Wait {
        /// The table.
        table: TableId,
        /// Which rows the query is about.
        condition: Condition,
        /// The columns that are compared.
        columns: Vec<ColumnId>,
        /// True to wait until the query gives `rows`, false to wait until it gives anything else.
        until_equal: bool,
        /// What is compared with; columns that a row does not name have their defaults.
        rows: Vec<RowColumns>,
        /// Milliseconds from the receipt of the request; `None` waits for ever.
        timeout_ms: Option<u64>,
    },
    /// Asks for more than a reply that comes soon (5.2.7).
    Commit {
        /// True if the reply must wait until the transaction is on disk.
        durable: bool,
    },
    /// Undoes the transaction (5.2.8).
    Abort,
    /// Leaves a note in the log (5.2.9).
    Comment(String),
    /// Fails unless the client holds a lock (5.2.10).
    Assert {
        /// The lock's name, an `<id>`.
        lock: EcoString,
    },
}

impl Operation {
    /// The operation's `op`.
    pub const fn name(&self) -> &'static str {
        match self {
            Operation::Insert { .. } => "insert",
            Operation::Select { .. } => "select",
            Operation::Update { .. } => "update",
            Operation::Mutate { .. } => "mutate",
            Operation::Delete { .. } => "delete",
            Operation::Wait { .. } => "wait",
            Operation::Commit { .. } => "commit",
            Operation::Abort => "abort",
            Operation::Comment(_) => "comment",
            Operation::Assert { .. } => "assert",
        }
    }

    /// True if the operation is allowed on a database that is read-only. `commit` is not.
    pub const fn is_read_only(&self) -> bool {
        match self {
            Operation::Select { .. }
            | Operation::Wait { .. }
            | Operation::Abort
            | Operation::Comment(_)
            | Operation::Assert { .. } => true,
            Operation::Insert { .. }
            | Operation::Update { .. }
            | Operation::Mutate { .. }
            | Operation::Delete { .. }
            | Operation::Commit { .. } => false,
        }
    }

    /// The table that the operation is about, if it is about one.
    pub const fn table(&self) -> Option<TableId> {
        match self {
            Operation::Insert { table, .. }
            | Operation::Select { table, .. }
            | Operation::Update { table, .. }
            | Operation::Mutate { table, .. }
            | Operation::Delete { table, .. }
            | Operation::Wait { table, .. } => Some(*table),
            Operation::Commit { .. }
            | Operation::Abort
            | Operation::Comment(_)
            | Operation::Assert { .. } => None,
        }
    }

    /// What rows of the table have to meet, if the operation has a `where`.
    pub const fn condition(&self) -> Option<&Condition> {
        match self {
            Operation::Select { condition, .. }
            | Operation::Update { condition, .. }
            | Operation::Mutate { condition, .. }
            | Operation::Delete { condition, .. }
            | Operation::Wait { condition, .. } => Some(condition),
            Operation::Insert { .. }
            | Operation::Commit { .. }
            | Operation::Abort
            | Operation::Comment(_)
            | Operation::Assert { .. } => None,
        }
    }
}

/// The error of an `insert` that asks for a UUID that its table has, or had until an operation before it.
pub fn duplicate_uuid_error(uuid: Uuid) -> OvsdbError {
    let details = "This UUID would duplicate a UUID already present within the table or deleted within the same \
                   transaction.";
    OvsdbError::new(ErrorTag::DuplicateUuid, details).at(&Json::string(uuid.to_string()))
}

/// The operations of one `transact` request, up to the first that cannot be parsed.
#[derive(Clone, Debug, PartialEq)]
pub struct Transact {
    /// The operations that could be parsed, in order.
    pub operations: Vec<Operation>,
    /// Why the operation after those could not be parsed: its result, if the execution gets that far.
    pub parse_error: Option<OvsdbError>,
    /// If the operation that could not be parsed is an `insert` with a UUID of the client's choice: that UUID. Where it
    /// is taken, [`duplicate_uuid_error`] takes precedence over `parse_error`.
    pub contested_uuid: Option<(TableId, Uuid)>,
    /// How many operations the request has.
    pub n_operations: usize,
}

impl Transact {
    /// True if nothing in the request can change a database, or asks it to be on disk.
    pub fn is_read_only(&self) -> bool {
        self.operations.iter().all(Operation::is_read_only)
    }
}

/// Parses the operations of a `transact` request on a database of `schema`.
///
/// `fresh` is asked for the UUIDs of inserted rows and of names.
pub fn parse_transact(
    schema: &Schema,
    operations: &[Json],
    fresh: &mut dyn FnMut() -> Uuid,
) -> Transact {
    let n_operations = operations.len();
    let mut transact = Transact {
        operations: Vec::with_capacity(n_operations),
        parse_error: None,
        contested_uuid: None,
        n_operations,
    };
    let mut symbols = Symbols::new(fresh);
    for (i, json) in operations.iter().enumerate() {
        let members = Members::new(
            json,
            Place {
                number: i + 1,
                of: n_operations,
            },
        );
        let mut parser = OperationParser {
            schema,
            members,
            symbols: &mut symbols,
            contested_uuid: None,
        };
        let parsed = parser.parse();
        let contested_uuid = parser.contested_uuid;
        // An error of form overrides any other.
        match parser.members.finish() {
            Err(error) => transact.parse_error = Some(error),
            Ok(()) => match parsed {
                Ok(Some(operation)) => {
                    transact.operations.push(operation);
                    continue;
                }
                // Unreachable: an operation that is not there has an error of form.
                Ok(None) => {
                    transact.parse_error = Some(OvsdbError::syntax(json, "operation expected"))
                }
                Err(error) => {
                    transact.parse_error = Some(error);
                    transact.contested_uuid = contested_uuid;
                }
            },
        }
        break;
    }
    transact
}

struct Place {
    number: usize,
    of: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ovsdb operation {} of {}", self.number, self.of)
    }
}

struct OperationParser<'a, 's, 'f> {
    schema: &'a Schema,
    members: Members<'a, Place>,
    symbols: &'s mut Symbols<'f>,
    contested_uuid: Option<(TableId, Uuid)>,
}

/// An operation, or `None` after an error that [`Members`] keeps.
type Parsed = Result<Option<Operation>, OvsdbError>;

impl<'a> OperationParser<'a, '_, '_> {
    fn parse(&mut self) -> Parsed {
        let Some(name) = self
            .members
            .required("op", Kinds::ID)
            .and_then(Json::as_str)
        else {
            return Ok(None);
        };
        match name {
            "insert" => self.insert(),
            "select" => self.select(),
            "update" => self.update(),
            "mutate" => self.mutate(),
            "delete" => self.delete(),
            "wait" => self.wait(),
            "commit" => {
                let durable = self
                    .members
                    .required("durable", Kinds::BOOLEAN)
                    .and_then(Json::as_bool);
                Ok(durable.map(|durable| Operation::Commit { durable }))
            }
            "abort" => Ok(Some(Operation::Abort)),
            "comment" => {
                let comment = self.members.required("comment", Kinds::STRING);
                Ok(comment.map(|comment| Operation::Comment(text_of(comment))))
            }
            "assert" => {
                let lock = self
                    .members
                    .required("lock", Kinds::ID)
                    .and_then(Json::as_str);
                Ok(lock.map(|lock| Operation::Assert { lock: lock.into() }))
            }
            _ => {
                self.members.fail(format_args!("No operation \"{name}\""));
                Ok(None)
            }
        }
    }

    fn table(&mut self) -> Option<(TableId, &'a TableSchema)> {
        let name = self
            .members
            .required("table", Kinds::ID)
            .and_then(Json::as_str)?;
        let table = self.schema.table_by_name(name);
        if table.is_none() {
            self.members.fail(format_args!("No table named {name}."));
        }
        table
    }

    fn insert(&mut self) -> Parsed {
        let table = self.table();
        let uuid_json = self.members.optional("uuid", Kinds::STRING);
        let uuid_name_json = self.members.optional("uuid-name", Kinds::ID);
        let row_json = self.members.required("row", Kinds::OBJECT);
        let (Some((id, table)), Some(row_json), false) =
            (table, row_json, self.members.has_failed())
        else {
            return Ok(None);
        };

        let chosen = match uuid_json {
            Some(json) => {
                let uuid = json
                    .as_str()
                    .and_then(Uuid::parse)
                    .ok_or_else(|| OvsdbError::syntax(json, "bad uuid"))?;
                self.contested_uuid = Some((id, uuid));
                Some(uuid)
            }
            None => None,
        };
        let uuid_name = uuid_name_json.and_then(Json::as_str);
        let uuid = match (uuid_name_json, uuid_name) {
            (Some(json), Some(name)) => self.symbols.create(name, chosen).map_err(|_| {
                let details = "This \"uuid-name\" appeared on an earlier \"insert\" operation.";
                OvsdbError::new(ErrorTag::DuplicateUuidName, details).at(json)
            })?,
            _ => match chosen {
                Some(uuid) => uuid,
                None => self.symbols.fresh().unwrap_or(Uuid::ZERO),
            },
        };
        let row = row::from_json(table, row_json, self.symbols)?;
        for &column in table.unsound_defaults() {
            if !row.iter().any(|(given, _)| *given == column) {
                table.check_default(column)?;
            }
        }
        let explicit = chosen.is_some();
        Ok(Some(Operation::Insert {
            table: id,
            uuid,
            explicit,
            uuid_name: uuid_name.map(EcoString::from),
            row,
        }))
    }

    fn select(&mut self) -> Parsed {
        let table = self.table();
        let condition = self.members.required("where", Kinds::ARRAY);
        let columns = self.members.optional("columns", Kinds::ARRAY);
        let sort = self.members.optional("sort", Kinds::ARRAY);
        let (Some((id, table)), Some(condition), false) =
            (table, condition, self.members.has_failed())
        else {
            return Ok(None);
        };
        Ok(Some(Operation::Select {
            table: id,
            condition: Condition::from_json(table, condition, self.symbols)?,
            columns: columns_or_all(table, columns)?,
            sort: sort.map_or(Ok(Vec::new()), |sort| table.columns_from_json(sort))?,
        }))
    }

    fn update(&mut self) -> Parsed {
        let table = self.table();
        let condition = self.members.required("where", Kinds::ARRAY);
        let row = self.members.required("row", Kinds::OBJECT);
        let (Some((id, table)), Some(condition), Some(row), false) =
            (table, condition, row, self.members.has_failed())
        else {
            return Ok(None);
        };
        let row = row::from_json(table, row, self.symbols)?;
        if let Some((column, _)) = row
            .iter()
            .find(|(column, _)| !table.column(*column).mutable)
        {
            let name = &table.column(*column).name;
            let details = format!(
                "Cannot update immutable column {name} in table {}.",
                table.name
            );
            let error = OvsdbError::constraint(details);
            return Err(match self.members.json() {
                Some(json) => error.at(json),
                None => error,
            });
        }
        let condition = Condition::from_json(table, condition, self.symbols)?;
        Ok(Some(Operation::Update {
            table: id,
            condition,
            row,
        }))
    }

    fn mutate(&mut self) -> Parsed {
        let table = self.table();
        let condition = self.members.required("where", Kinds::ARRAY);
        let mutations = self.members.required("mutations", Kinds::ARRAY);
        let (Some((id, table)), Some(condition), Some(mutations), false) =
            (table, condition, mutations, self.members.has_failed())
        else {
            return Ok(None);
        };
        let mutations = Mutation::list_from_json(table, mutations, self.symbols)?;
        let condition = Condition::from_json(table, condition, self.symbols)?;
        Ok(Some(Operation::Mutate {
            table: id,
            condition,
            mutations,
        }))
    }

    fn delete(&mut self) -> Parsed {
        let condition = self.members.required("where", Kinds::ARRAY);
        let table = self.table();
        let (Some((id, table)), Some(condition), false) =
            (table, condition, self.members.has_failed())
        else {
            return Ok(None);
        };
        let condition = Condition::from_json(table, condition, self.symbols)?;
        Ok(Some(Operation::Delete {
            table: id,
            condition,
        }))
    }

    fn wait(&mut self) -> Parsed {
        let timeout = self.members.optional("timeout", Kinds::INTEGER);
        let condition = self.members.required("where", Kinds::ARRAY);
        let columns = self.members.optional("columns", Kinds::ARRAY);
        let until = self.members.required("until", Kinds::STRING);
        let rows = self.members.required("rows", Kinds::ARRAY);
        let table = self.table();
        let (Some((id, table)), Some(condition), Some(until), Some(rows), false) = (
            table,
            condition,
            until,
            rows.and_then(Json::as_array),
            self.members.has_failed(),
        ) else {
            return Ok(None);
        };
        let condition = Condition::from_json(table, condition, self.symbols)?;
        let columns = columns_or_all(table, columns)?;
        let timeout_ms = match timeout {
            Some(json) => {
                let timeout_ms = json
                    .as_i64()
                    .and_then(|timeout| u64::try_from(timeout).ok());
                Some(
                    timeout_ms
                        .ok_or_else(|| OvsdbError::syntax(json, "timeout must be nonnegative"))?,
                )
            }
            None => None,
        };
        let until_equal = match until.as_str() {
            Some("==") => true,
            Some("!=") => false,
            _ => {
                return Err(OvsdbError::syntax(
                    until,
                    "\"until\" must be \"==\" or \"!=\"",
                ));
            }
        };
        let rows = rows
            .iter()
            .map(|row| row::from_json(table, row, self.symbols))
            .collect::<Result<_, _>>()?;
        Ok(Some(Operation::Wait {
            table: id,
            condition,
            columns,
            until_equal,
            rows,
            timeout_ms,
        }))
    }
}

/// A string for people; what is not UTF-8 in it is replaced.
fn text_of(json: &Json) -> String {
    match json {
        Json::String(text) => text.to_string(),
        Json::NotUtf8(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        _ => String::new(),
    }
}

fn columns_or_all(table: &TableSchema, json: Option<&Json>) -> Result<Vec<ColumnId>, OvsdbError> {
    match json {
        Some(json) => table.columns_from_json(json),
        None => Ok(table.column_ids().collect()),
    }
}

#[cfg(test)]
mod tests;
