//! Whether a replica has what the server has, found by asking for all of it once more.
//!
//! The server goes on meanwhile. What it answers is right if it was so in the contents before the question or in those after
//! the answer; a row that nobody has touched in between and that is another one on the server is wrong; any other row is
//! in doubt, and asked about again. This module compares; asking is done by [`Replica::check`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use ecow::EcoString;
use ovsdb_proto::datum::Datum;
use ovsdb_proto::json::{self, Json};
use ovsdb_proto::schema::{ColumnId, TableId, TableSchema};
use ovsdb_proto::symbols::Symbols;
use ovsdb_proto::uuid::Uuid;
use ovsdb_proto::{arr, obj};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::conditions::Wanted;
use super::handle::{Replica, WaitError};
use super::submit::SubmitError;
use super::task::Order;
use super::version::{Row, Version};

/// So often rows in doubt are asked about.
const ROUNDS_MAX: usize = 8;
/// If more rows than this are in doubt, all rows are asked for instead.
const DOUBTFUL_MAX: usize = 1_000;

/// A row by its names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowName {
    /// The table.
    pub table: EcoString,
    /// The row.
    pub row: Uuid,
}

/// What a [check](Replica::check) has found.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Verdict {
    /// Each row is as it was on the server. These are the contents at the end of the check.
    Equal(Arc<Version>),
    /// These rows are others than on the server, or there, or not there.
    Different(Vec<RowName>),
    /// These rows changed whenever they were asked about; all others are equal.
    Doubtful(Vec<RowName>),
}

/// Why a check has found nothing.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckError {
    /// There were no contents to be checked before the deadline.
    #[error(transparent)]
    Wait(#[from] WaitError),
    /// The server was not asked, or did not answer.
    #[error(transparent)]
    Submit(#[from] SubmitError),
    /// The server does not show the rows.
    #[error("the server does not show its rows: {0}")]
    Refused(Json),
    /// The server answered with something else than rows.
    #[error("the server's answer has not the rows that it was asked for")]
    Malformed,
}

impl Replica {
    /// Asks the server for all rows that this replica should have, and compares. Costs the server and this process about as
    /// much as the first download, and more memory for a while. Before the `deadline` there must be a connection.
    ///
    /// # Errors
    /// [`CheckError`].
    pub async fn check(&self, deadline: Option<Instant>) -> Result<Verdict, CheckError> {
        let mut scope = Scope::All;
        let mut different = Vec::new();
        let mut doubtful = Vec::new();
        for _ in 0..ROUNDS_MAX {
            let before = self.live(deadline).await?;
            let conditions = self.conditions().await?;
            let question = Question::new(&before, &conditions, &scope);
            let answer = match self.submit(question.params()).await {
                Ok(submitted) => submitted.result,
                // The connection went away just now. The next one is waited for.
                Err(SubmitError::NotSent | SubmitError::Unknown(_)) => continue,
                Err(error) => return Err(error.into()),
            };
            let after = self.live(deadline).await?;
            if !Arc::ptr_eq(before.projection(), after.projection()) {
                scope = Scope::All;
                continue;
            }
            let newest = Arc::clone(&after);
            let compare = move || {
                let found = question.read(&before, &answer)?;
                Ok::<_, CheckError>(compare(&before, &after, &found, &scope))
            };
            let outcome = match tokio::task::spawn_blocking(compare).await {
                Ok(outcome) => outcome?,
                Err(error) => match error.try_into_panic() {
                    Ok(panic) => std::panic::resume_unwind(panic),
                    // The runtime ends.
                    Err(_) => return Err(CheckError::Submit(SubmitError::Closed)),
                },
            };
            different.extend(outcome.different);
            doubtful = outcome.doubtful.iter().cloned().collect();
            if doubtful.is_empty() {
                return Ok(match different.is_empty() {
                    true => Verdict::Equal(newest),
                    false => Verdict::Different(different),
                });
            }
            scope = match doubtful.len() > DOUBTFUL_MAX {
                true => Scope::All,
                false => Scope::Rows(outcome.doubtful),
            };
        }
        if !different.is_empty() {
            return Ok(Verdict::Different(different));
        }
        if doubtful.is_empty() {
            return Err(CheckError::Submit(SubmitError::NotSent));
        }
        Ok(Verdict::Doubtful(doubtful))
    }

    /// The conditions that the server has confirmed.
    async fn conditions(&self) -> Result<Wanted, SubmitError> {
        let (answer, answered) = oneshot::channel();
        let sent = self.order(Order::Known(answer)).await;
        sent.map_err(|_| SubmitError::Closed)?;
        answered.await.map_err(|_| SubmitError::Closed)
    }
}

/// Which rows are asked for.
#[derive(Clone, Debug)]
enum Scope {
    All,
    Rows(BTreeSet<RowName>),
}

/// Rows of the server: by table and name, the values of the columns in the order of their names.
type Found = BTreeMap<(TableId, Uuid), Vec<Datum>>;

/// A transaction that asks for rows.
#[derive(Debug)]
struct Question {
    database: EcoString,
    /// The table and the `where` of each select.
    selects: Vec<(TableId, Json)>,
    operations: Vec<Json>,
}

impl Question {
    fn new(version: &Version, conditions: &Wanted, scope: &Scope) -> Question {
        let schema = version.schema();
        let mut question = Question {
            database: schema.name.clone(),
            selects: Vec::new(),
            operations: Vec::new(),
        };
        match scope {
            Scope::All => {
                for id in schema.table_ids() {
                    question.ask(id, schema.table(id), conditions, &[]);
                }
            }
            Scope::Rows(rows) => {
                for name in rows {
                    if let Some((id, table)) = schema.table_by_name(&name.table) {
                        let uuid = arr!["uuid", name.row.to_string()];
                        let clause = arr!["_uuid", "==", uuid];
                        question.ask(id, table, conditions, &[clause]);
                    }
                }
            }
        }
        question
    }

    /// Asks for rows of a table: those that meet any clause of its condition, and all of `also`. Operations want all clauses
    /// met, and monitors one, so there is a select for each.
    fn ask(&mut self, id: TableId, table: &TableSchema, conditions: &Wanted, also: &[Json]) {
        let all = super::conditions::all();
        let clauses = conditions.get(&table.name).unwrap_or(&all);
        let clauses = clauses.as_array().unwrap_or_default();
        let columns = std::iter::once(ColumnId::UUID).chain(table.column_ids_by_name().to_vec());
        let names = columns.map(|id| Json::string(table.column(id).name.clone()));
        let columns = Json::Array(names.collect());
        let is_all = clauses.contains(&Json::Bool(true));
        let mut select = |clause: Option<&Json>| {
            let clauses = Json::Array(also.iter().chain(clause).cloned().collect());
            self.selects.push((id, clauses.clone()));
            self.operations.push(obj! {
                "op" => "select",
                "table" => table.name.clone(),
                "where" => clauses,
                "columns" => columns.clone(),
            });
        };
        if is_all {
            select(None);
            return;
        }
        for clause in clauses.iter().filter(|clause| clause.as_array().is_some()) {
            select(Some(clause));
        }
    }

    /// The parameters of the transaction.
    fn params(&self) -> Bytes {
        let mut params = vec![Json::string(self.database.clone())];
        params.extend(self.operations.iter().cloned());
        Json::Array(params).to_bytes().into()
    }

    /// The rows in the answer.
    fn read(&self, version: &Version, answer: &[u8]) -> Result<Found, CheckError> {
        let answer = json::parse(answer).map_err(|_| CheckError::Malformed)?;
        let mut results = answer.as_array().ok_or(CheckError::Malformed)?.iter();
        let mut found = Found::new();
        for &(id, _) in &self.selects {
            let result = results.next().ok_or(CheckError::Malformed)?;
            let Some(rows) = result.get("rows").and_then(Json::as_array) else {
                return Err(CheckError::Refused(result.clone()));
            };
            let table = version.schema().table(id);
            for row in rows {
                let (uuid, values) = read_row(table, row).ok_or(CheckError::Malformed)?;
                found.insert((id, uuid), values);
            }
        }
        Ok(found)
    }
}

fn read_row(table: &TableSchema, row: &Json) -> Option<(Uuid, Vec<Datum>)> {
    let read = |id: ColumnId| {
        let column = table.column(id);
        let json = row.get(&column.name)?;
        Datum::from_json(json, &column.ty, &mut Symbols::none()).ok()
    };
    let uuid = read(ColumnId::UUID)?.as_atom()?.as_uuid()?;
    let values = table.column_ids_by_name().iter().copied().map(read);
    Some((uuid, values.collect::<Option<_>>()?))
}

/// What a round of a check has found.
#[derive(Debug, Default, PartialEq)]
struct Outcome {
    different: Vec<RowName>,
    doubtful: BTreeSet<RowName>,
}

/// Compares the contents before the question and after the answer with the answer, which is about `scope`.
fn compare(before: &Version, after: &Version, found: &Found, scope: &Scope) -> Outcome {
    let schema = before.schema();
    let rows: BTreeSet<(TableId, Uuid)> = match scope {
        Scope::Rows(rows) => {
            let ids = rows.iter().filter_map(|name| {
                let (id, _) = schema.table_by_name(&name.table)?;
                Some((id, name.row))
            });
            ids.collect()
        }
        Scope::All => {
            let of_versions = schema.table_ids().flat_map(|id| {
                let rows = before.rows(id).iter().chain(after.rows(id).iter());
                rows.map(move |(uuid, _)| (id, *uuid))
            });
            of_versions.chain(found.keys().copied()).collect()
        }
    };
    let mut outcome = Outcome::default();
    for (id, uuid) in rows {
        let table = schema.table(id);
        let (old, new) = (before.rows(id).get(&uuid), after.rows(id).get(&uuid));
        let row = found.get(&(id, uuid)).map(Vec::as_slice);
        if is_equal(table, old, row) || is_equal(table, new, row) {
            continue;
        }
        let is_untouched = match (old, new) {
            (Some(old), Some(new)) => old.is_shared_with(new),
            // It may have come and gone, if anything happened.
            (None, None) => before.generation() == after.generation(),
            _ => false,
        };
        let name = RowName {
            table: table.name.clone(),
            row: uuid,
        };
        if is_untouched {
            outcome.different.push(name);
        } else {
            outcome.doubtful.insert(name);
        }
    }
    outcome
}

/// Whether a row is the same as the server's.
fn is_equal(table: &TableSchema, row: Option<&Row>, found: Option<&[Datum]>) -> bool {
    match (row, found) {
        (None, None) => true,
        (Some(row), Some(found)) => {
            let columns = table.column_ids_by_name().iter();
            columns.map(|&column| row.get(column)).eq(found)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests;
