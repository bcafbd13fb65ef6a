//! Transaction execution: operations in, results and a checked commit out (RFC 7047, section 5.2).
//!
//! Nothing here touches disk, clock or socket; the caller passes the time that has gone by, the locks it
//! holds and a source of fresh UUIDs. Operations run one after another on a [`Draft`]; the checks of the
//! whole transaction follow in [`passes`].

use std::collections::BTreeSet;
use std::sync::Arc;

use ovsdb_proto::atom::Atom;
use ovsdb_proto::condition::Condition;
use ovsdb_proto::datum::Datum;
use ovsdb_proto::error::{ErrorTag, OvsdbError};
use ovsdb_proto::mutation::Mutation;
use ovsdb_proto::operation::{Operation, Transact, duplicate_uuid_error};
use ovsdb_proto::schema::{ColumnId, TableId};
use ovsdb_proto::uuid::Uuid;
use smallvec::SmallVec;

use crate::commit::Commit;
use crate::database::{Database, Row};
use crate::draft::Draft;
use crate::passes;
use crate::query::{is_found_by_index, matching_rows, rows_tried};
use crate::rbac::{Access, Deed};
use crate::results::{OpResult, Results};

/// What a transaction may know of the world outside its database.
pub struct Context<'a> {
    /// Milliseconds since the request was received; what `wait` compares with its timeout.
    pub elapsed_ms: u64,
    /// Whether the session that asks owns the lock of this name (for `assert`).
    pub holds_lock: &'a dyn Fn(&str) -> bool,
    /// Refuse every operation that could change something.
    pub read_only: bool,
    /// The client's role and name, if access control by role applies to it.
    pub access: Option<Access<'a>>,
    /// Whether databases whose names begin with an underscore may be changed: by the server that owns them, and by
    /// nobody else.
    pub may_change_reserved: bool,
    /// Whether an unmet `wait` may hold the transaction back. Otherwise it fails at once.
    pub may_block: bool,
    /// Gives UUIDs that were never given before: row versions.
    pub fresh: &'a mut dyn FnMut() -> Uuid,
}

impl<'a> Context<'a> {
    /// For somebody who may do everything that clients may, has no lock and does not wait.
    pub fn unrestricted(fresh: &'a mut dyn FnMut() -> Uuid) -> Context<'a> {
        Context {
            elapsed_ms: 0,
            holds_lock: &|_| false,
            read_only: false,
            access: None,
            may_change_reserved: false,
            may_block: false,
            fresh,
        }
    }
}

/// What became of a transaction.
#[derive(Debug)]
pub enum Outcome {
    /// It had no effect; the results say why.
    Failed(Results),
    /// A `wait` is not met yet: run the transaction again when one of `tables` changes, or when the
    /// timeout is over.
    Blocked {
        /// Milliseconds from receipt of the request until the wait fails. `None`: never.
        timeout_ms: Option<u64>,
        /// All tables that operations up to the wait look at, without repetition.
        tables: Vec<TableId>,
    },
    /// It succeeded, provided that the journal accepts the commit.
    Prepared(Prepared),
}

/// A transaction that passed all checks.
#[derive(Debug)]
pub struct Prepared {
    /// The results to be sent once the commit is accepted.
    pub results: Results,
    /// Whether a `commit` operation asks for the data to be on disk before the reply.
    pub durable: bool,
    /// The texts of `comment` operations, a line each.
    pub comment: Option<String>,
    /// What changed, and `None` if nothing did.
    pub commit: Option<Commit>,
    /// The version with the changes.
    pub next: Database,
}

/// Runs a transaction on one version of a database.
pub fn execute(database: &Database, transact: &Transact, context: &mut Context<'_>) -> Outcome {
    let (next, outcome) = execute_on(database.clone(), transact, context);
    match outcome {
        OutcomeOn::Failed(results) => Outcome::Failed(results),
        OutcomeOn::Blocked { timeout_ms, tables } => Outcome::Blocked { timeout_ms, tables },
        OutcomeOn::Done(done) => Outcome::Prepared(Prepared {
            results: done.results,
            durable: done.durable,
            comment: done.comment,
            commit: done.commit,
            next,
        }),
    }
}

/// What became of a transaction that was run on a database of its own.
#[derive(Debug)]
pub enum OutcomeOn {
    /// See [`Outcome::Failed`].
    Failed(Results),
    /// See [`Outcome::Blocked`].
    Blocked {
        /// See [`Outcome::Blocked`].
        timeout_ms: Option<u64>,
        /// See [`Outcome::Blocked`].
        tables: Vec<TableId>,
    },
    /// It succeeded, and the database is as it made it.
    Done(Done),
}

/// A transaction that passed all checks and has changed the database that it was run on.
#[derive(Debug)]
pub struct Done {
    /// See [`Prepared::results`].
    pub results: Results,
    /// See [`Prepared::durable`].
    pub durable: bool,
    /// See [`Prepared::comment`].
    pub comment: Option<String>,
    /// See [`Prepared::commit`].
    pub commit: Option<Commit>,
}

/// A draft need not make room for so few rows before one comes.
const ROWS_FORESEEN: usize = 64;

/// [`execute`] for somebody who does not need the version before: what nobody else holds of it is changed in place. Gives
/// back the database, with the changes or, if the transaction did not succeed, as it was.
pub fn execute_on(
    database: Database,
    transact: &Transact,
    context: &mut Context<'_>,
) -> (Database, OutcomeOn) {
    let schema = database.schema().clone();
    let mut results = Results::new(schema, transact.n_operations);
    let mut execution = Execution {
        draft: Draft::on(database),
        durable: false,
        comment: None,
    };
    // Most operations of long transactions insert a row.
    if transact.operations.len() > ROWS_FORESEEN {
        execution.draft.reserve(transact.operations.len());
    } else {
        let operations = transact.operations.iter();
        let changing = operations.filter(|operation| !operation.is_read_only());
        execution.draft.foresee(changing.count());
    }
    let mut failure = None;
    for (at, operation) in transact.operations.iter().enumerate() {
        match execution.run(operation, context) {
            Ok(result) => match execution.refusal(operation, context) {
                None => results.push(result),
                Some(error) => failure = Some(error),
            },
            Err(Stop::Failed(error)) => failure = Some(error),
            Err(Stop::Unmet { timeout_ms }) => {
                let tables = tables_of(&transact.operations[..=at]);
                let blocked = OutcomeOn::Blocked { timeout_ms, tables };
                return (execution.draft.revert(), blocked);
            }
        }
        if failure.is_some() {
            break;
        }
    }
    if let Some(error) = failure.or_else(|| execution.parse_error(transact)) {
        results.push(OpResult::Failed(error));
        while results.items().len() < transact.n_operations {
            results.push(OpResult::Skipped);
        }
        return (execution.draft.revert(), OutcomeOn::Failed(results));
    }
    let Execution {
        mut draft,
        durable,
        comment,
    } = execution;
    draft.settle();
    draft.settle_indexes();
    if let Err(error) = passes::commit(&mut draft, context.fresh) {
        let failed = OutcomeOn::Failed(results.with_commit_error(error));
        return (draft.revert(), failed);
    }
    let (next, commit) = Commit::from_draft(draft);
    let done = Done {
        results,
        durable,
        comment,
        commit,
    };
    (next, OutcomeOn::Done(done))
}

/// How many rows can be looked at while one is made.
const INSERT_EFFORT: usize = 16;

/// How many rows the operations of a transaction look at, as far as that shows before they are run: roughly what it
/// costs.
pub fn effort(database: &Database, transact: &Transact) -> usize {
    let of_operation = |operation: &Operation| match (operation.table(), operation.condition()) {
        (Some(table), Some(condition)) => rows_tried(
            database.table(table),
            database.schema().table(table),
            condition,
        ),
        (Some(_), None) => INSERT_EFFORT,
        _ => 1,
    };
    transact.operations.iter().map(of_operation).sum()
}

/// The tables that `operations` name.
fn tables_of(operations: &[Operation]) -> Vec<TableId> {
    let tables: BTreeSet<TableId> = operations.iter().filter_map(Operation::table).collect();
    tables.into_iter().collect()
}

/// Why an operation did not give a result.
enum Stop {
    Failed(OvsdbError),
    Unmet { timeout_ms: Option<u64> },
}

impl From<OvsdbError> for Stop {
    fn from(error: OvsdbError) -> Stop {
        Stop::Failed(error)
    }
}

struct Execution {
    draft: Draft,
    durable: bool,
    comment: Option<String>,
}

impl Execution {
    fn run(&mut self, operation: &Operation, context: &mut Context<'_>) -> Result<OpResult, Stop> {
        // An insertion looks at no table, but for the permission to do so.
        if context.access.is_some() || !matches!(operation, Operation::Insert { .. }) {
            self.draft.settle();
            // Permission is looked up as well.
            if self.draft.is_behind() && (context.access.is_some() || self.looks_up(operation)) {
                self.draft.settle_indexes();
            }
        }
        Ok(match operation {
            Operation::Insert {
                table,
                uuid,
                explicit,
                row,
                ..
            } => self.insert(*table, *uuid, *explicit, row, context)?,
            Operation::Select {
                table,
                condition,
                columns,
                sort,
            } => self.select(*table, condition, columns, sort),
            Operation::Update {
                table,
                condition,
                row,
            } => self.update(*table, condition, row, context)?,
            Operation::Mutate {
                table,
                condition,
                mutations,
            } => self.mutate(*table, condition, mutations, context)?,
            Operation::Delete { table, condition } => self.delete(*table, condition, context)?,
            Operation::Wait {
                table,
                condition,
                columns,
                until_equal,
                rows,
                timeout_ms,
            } => {
                let equal = self.equals_expected(*table, condition, columns, rows);
                if equal != *until_equal {
                    return Err(unmet(*timeout_ms, context));
                }
                OpResult::Done
            }
            Operation::Commit { durable } => {
                self.durable |= durable;
                OpResult::Done
            }
            Operation::Abort => {
                return Err(OvsdbError::new(ErrorTag::Aborted, "aborted by request").into());
            }
            Operation::Comment(text) => {
                let comment = self.comment.get_or_insert_default();
                if !comment.is_empty() {
                    comment.push('\n');
                }
                comment.push_str(text);
                OpResult::Done
            }
            Operation::Assert { lock } => {
                if !(context.holds_lock)(lock) {
                    let details = format!("Asserted lock {lock} not held.");
                    return Err(OvsdbError::new(ErrorTag::NotOwner, details).into());
                }
                OpResult::Done
            }
        })
    }

    /// Whether an operation finds its rows by an index.
    fn looks_up(&self, operation: &Operation) -> bool {
        let (Some(table), Some(condition)) = (operation.table(), operation.condition()) else {
            return false;
        };
        let schema = self.draft.schema().table(table);
        is_found_by_index(self.draft.table(table), schema, condition)
    }

    /// Why an operation that ran well must not be run here. Errors of its own take precedence, as in the
    /// reference program.
    fn refusal(&self, operation: &Operation, context: &Context<'_>) -> Option<OvsdbError> {
        if operation.is_read_only() {
            return None;
        }
        let name = operation.name();
        let database = &self.draft.schema().name;
        let details = if context.read_only {
            format!("{name} operation not allowed when database server is in read only mode")
        } else if database.starts_with('_') && !context.may_change_reserved {
            format!("{name} operation not allowed on table in reserved database {database}")
        } else {
            return None;
        };
        Some(OvsdbError::new(ErrorTag::NotAllowed, details))
    }

    /// The error of the operation that could not be parsed, if the request has one.
    fn parse_error(&self, transact: &Transact) -> Option<OvsdbError> {
        let error = transact.parse_error.clone()?;
        match transact.contested_uuid {
            Some(key) if self.draft.is_or_was(&key) => Some(duplicate_uuid_error(key.1)),
            _ => Some(error),
        }
    }

    fn insert(
        &mut self,
        table: TableId,
        uuid: Uuid,
        explicit: bool,
        values: &[(ColumnId, Datum)],
        context: &mut Context<'_>,
    ) -> Result<OpResult, OvsdbError> {
        let schema = self.draft.schema().clone();
        let table_schema = schema.table(table);
        let key = (table, uuid);
        if explicit && self.draft.is_or_was(&key) {
            return Err(duplicate_uuid_error(uuid));
        }
        let row = Arc::new(Row::of(table_schema, uuid, (context.fresh)(), values));
        self.permit(table, Deed::Insert, std::slice::from_ref(&row), context)?;
        if explicit && self.draft.touch(&key).is_some() {
            // It came and went earlier in the transaction, and is one row all the same.
            self.draft.settle();
            self.draft.set(key, Some(row));
        } else {
            self.draft.insert(key, row);
        }
        Ok(OpResult::Inserted(uuid))
    }

    /// Whether the client may do this to `rows`.
    fn permit(
        &self,
        table: TableId,
        deed: Deed<'_>,
        rows: &[Arc<Row>],
        context: &Context<'_>,
    ) -> Result<(), OvsdbError> {
        match &context.access {
            None => Ok(()),
            Some(access) => access.check(&self.draft, table, deed, rows),
        }
    }

    /// The rows of `table` that match now, held apart from the draft so that it can be changed meanwhile.
    fn matching(&self, table: TableId, condition: &Condition) -> Vec<Arc<Row>> {
        let schema = self.draft.schema().table(table);
        matching_rows(self.draft.table(table), schema, condition)
            .cloned()
            .collect()
    }

    fn select(
        &self,
        table: TableId,
        condition: &Condition,
        columns: &[ColumnId],
        sort: &[ColumnId],
    ) -> OpResult {
        let mut rows = self.matching(table, condition);
        // Rows are distinct by `_uuid`; without it, equal ones are shown once.
        if rows.len() > 1 && !columns.contains(&ColumnId::UUID) {
            let mut seen = BTreeSet::new();
            let is_new = rows.iter().map(|row| seen.insert(Shown { row, columns }));
            let mut is_new = is_new.collect::<Vec<bool>>().into_iter();
            rows.retain(|_| is_new.next().unwrap_or(true));
        }
        if !sort.is_empty() {
            rows.sort_by(|a, b| {
                let by = |&column: &ColumnId| a.get(column).cmp(b.get(column));
                sort.iter()
                    .map(by)
                    .find(|order| order.is_ne())
                    .unwrap_or(std::cmp::Ordering::Equal)
            });
        }
        let schema = self.draft.schema().table(table);
        let mut columns = columns.to_vec();
        columns.sort_by_key(|&column| &schema.column(column).name);
        OpResult::Rows {
            table,
            columns: columns.into(),
            rows,
        }
    }

    fn update(
        &mut self,
        table: TableId,
        condition: &Condition,
        values: &[(ColumnId, Datum)],
        context: &Context<'_>,
    ) -> Result<OpResult, OvsdbError> {
        let rows = self.matching(table, condition);
        self.permit(table, Deed::Update(values), &rows, context)?;
        let schema = self.draft.schema().clone();
        let is_same = |row: &Row| {
            let mut values = values.iter();
            values.all(|(column, datum)| row.get(*column) == datum)
        };
        let changed = rows.iter().filter(|row| !is_same(row)).map(|row| {
            let mut new = row.to_change(schema.table(table));
            for (column, datum) in values {
                *new.get_mut(*column) = datum.clone();
            }
            Arc::new(new)
        });
        self.draft.set_all(table, changed.collect());
        Ok(OpResult::Count(rows.len()))
    }

    fn mutate(
        &mut self,
        table: TableId,
        condition: &Condition,
        mutations: &[Mutation],
        context: &Context<'_>,
    ) -> Result<OpResult, OvsdbError> {
        let rows = self.matching(table, condition);
        let schema = self.draft.schema().clone();
        let table_schema = schema.table(table);
        if !mutations.is_empty() {
            self.permit(table, Deed::Mutate(mutations), &rows, context)?;
            let changed = rows.iter().map(|row| {
                let mut new = row.to_change(table_schema);
                for mutation in mutations {
                    let column = table_schema.column(mutation.column);
                    mutation.apply(new.get_mut(mutation.column), &column.ty)?;
                }
                Ok(Arc::new(new))
            });
            let changed: Vec<Arc<Row>> = changed.collect::<Result<_, OvsdbError>>()?;
            self.draft.set_all(table, changed);
        }
        Ok(OpResult::Count(rows.len()))
    }

    fn delete(
        &mut self,
        table: TableId,
        condition: &Condition,
        context: &Context<'_>,
    ) -> Result<OpResult, OvsdbError> {
        let rows = self.matching(table, condition);
        self.permit(table, Deed::Delete, &rows, context)?;
        for row in &rows {
            self.draft.set((table, row.uuid()), None);
        }
        Ok(OpResult::Count(rows.len()))
    }

    /// Whether the rows that match are, in `columns`, exactly `rows` (as sets).
    fn equals_expected(
        &self,
        table: TableId,
        condition: &Condition,
        columns: &[ColumnId],
        rows: &[Vec<(ColumnId, Datum)>],
    ) -> bool {
        let schema = self.draft.schema().table(table);
        let nobody = Datum::from_atom(Atom::Uuid(Uuid::ZERO));
        let mut expected: Vec<SmallVec<[&Datum; 2]>> = rows
            .iter()
            .map(|values| {
                let value = |&column: &ColumnId| {
                    let mut given = values.iter().rev();
                    match given.find(|(given, _)| *given == column) {
                        Some((_, datum)) => datum,
                        None if column.is_standard() => &nobody,
                        None => column.of(schema.defaults()),
                    }
                };
                columns.iter().map(value).collect()
            })
            .collect();
        expected.sort_unstable();
        expected.dedup();
        let mut is_found = vec![false; expected.len()];
        for row in matching_rows(self.draft.table(table), schema, condition) {
            let shown = columns.iter().map(|&column| row.get(column));
            match expected.binary_search_by(|expected| expected.iter().copied().cmp(shown.clone()))
            {
                Ok(at) => is_found[at] = true,
                Err(_) => return false,
            }
        }
        is_found.into_iter().all(|is_found| is_found)
    }
}

/// What an unmet `wait` means: it fails, or it holds the transaction back.
fn unmet(timeout_ms: Option<u64>, context: &Context<'_>) -> Stop {
    match timeout_ms {
        Some(timeout_ms) if context.elapsed_ms >= timeout_ms => {
            let details = match context.elapsed_ms {
                0 => "\"where\" clause test failed".to_owned(),
                elapsed => format!("\"wait\" timed out after {elapsed} ms"),
            };
            OvsdbError::new(ErrorTag::TimedOut, details).into()
        }
        _ if !context.may_block => {
            OvsdbError::new(ErrorTag::NotSupported, "triggers not supported").into()
        }
        _ => Stop::Unmet { timeout_ms },
    }
}

/// A row as far as some columns show it, to compare rows by.
struct Shown<'a> {
    row: &'a Row,
    columns: &'a [ColumnId],
}

impl Ord for Shown<'_> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let compare = |&column: &ColumnId| self.row.get(column).cmp(other.row.get(column));
        let orders = self.columns.iter().map(compare);
        let mut differences = orders.filter(|order| order.is_ne());
        differences.next().unwrap_or(std::cmp::Ordering::Equal)
    }
}

impl PartialOrd for Shown<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Shown<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Shown<'_> {}
