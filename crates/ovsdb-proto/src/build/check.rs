//! What a server would refuse, found before sending: a transaction against a schema.
//!
//! The text that would be sent is parsed as a server parses it, so nothing can be right here and wrong there. Only where
//! something is wrong is it asked which column and value that is.

use super::invalid::{Fault, Invalid, Place};
use super::{Clause, Mutation, Operation, Transaction};
use crate::condition;
use crate::error::{ErrorTag, OvsdbError};
use crate::json::Json;
use crate::mutation;
use crate::operation::parse_transact;
use crate::schema::{Schema, TableSchema};
use crate::symbols::Symbols;
use crate::text;
use crate::uuid::Uuid;
use crate::value::{Row, Value};

impl Transaction {
    /// Checks the transaction against the schema of its database: names, types and constraints of all that it has.
    ///
    /// What depends on the contents of the database is not checked: references, indexes, and limits on what mutations
    /// result in.
    ///
    /// ```
    /// use ovsdb_proto::build::{Transaction, insert};
    /// use ovsdb_proto::json;
    /// use ovsdb_proto::schema::Schema;
    ///
    /// let schema = r#"{"name":"db","tables":{"Port":{"columns":{
    ///     "tag":{"type":{"key":{"type":"integer","minInteger":0,"maxInteger":4095},"min":0}}}}}}"#;
    /// let schema = Schema::from_json(&json::parse(schema.as_bytes())?)?;
    /// let transaction = Transaction::new("db").with(insert("Port").set("tag", 4096));
    /// assert_eq!(
    ///     transaction.check(&schema).unwrap_err().to_string(),
    ///     "operation 1 (insert), table Port, column tag, value 4096: \
    ///      constraint violation: 4096 is not in the valid range 0 to 4095 (inclusive)"
    /// );
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(&self, schema: &Schema) -> Result<(), Invalid> {
        let params = self.to_params()?;
        let mut fresh = numbered();
        let transact = parse_transact(schema, &params[1..], &mut fresh);
        let Some(error) = transact.parse_error else {
            return Ok(());
        };
        let at = transact.operations.len();
        let operation = &self.operations()[at];
        let mut place = Place {
            operation: Some((at, operation.name())),
            table: operation.table().cloned(),
            ..Place::default()
        };
        let table = operation
            .table()
            .and_then(|name| schema.table_by_name(name));
        if let Some((_, table)) = table {
            let search = Search {
                table,
                error: &error,
            };
            if let Some((column, value)) = search.operation(operation) {
                place.column = Some(column.into());
                place.value = value;
            }
        }
        Err(Invalid::new(place, Fault::Refused(error)))
    }
}

/// UUIDs for rows that nobody will make.
fn numbered() -> impl FnMut() -> Uuid {
    let mut n = 0_u128;
    move || {
        n += 1;
        Uuid::from_bytes(n.to_be_bytes())
    }
}

/// Looks for what an error is about.
struct Search<'a> {
    table: &'a TableSchema,
    error: &'a OvsdbError,
}

/// The name of a column, and the text of the value if it is a value that is wrong.
type Found<'a> = (&'a str, Option<String>);

impl<'a> Search<'a> {
    fn is_it<T>(&self, result: Result<T, OvsdbError>) -> bool {
        result.is_err_and(|error| error == *self.error)
    }

    fn operation(&self, operation: &'a Operation) -> Option<Found<'a>> {
        match operation {
            Operation::Insert(insert) => {
                self.row(&insert.row).or_else(|| self.missing(&insert.row))
            }
            Operation::Select(select) => self.condition(&select.condition),
            Operation::Update(update) => {
                let found = self.row(&update.row);
                let found = found.or_else(|| self.immutable(&update.row));
                found.or_else(|| self.condition(&update.condition))
            }
            Operation::Mutate(mutate) => {
                let mut mutations = mutate.mutations.iter();
                let found = mutations.find_map(|mutation| self.mutation(mutation));
                found.or_else(|| self.condition(&mutate.condition))
            }
            Operation::Delete(delete) => self.condition(&delete.condition),
            Operation::Wait(wait) => {
                let found = self.condition(&wait.condition);
                found.or_else(|| wait.rows.iter().find_map(|row| self.row(row)))
            }
            Operation::Commit { .. }
            | Operation::Abort
            | Operation::Comment(_)
            | Operation::Assert(_) => None,
        }
    }

    fn row(&self, row: &'a Row) -> Option<Found<'a>> {
        row.iter().find_map(|(name, value)| {
            let Some(column) = self.table.column_id(name) else {
                let is_it = self.error.tag == ErrorTag::UnknownColumn;
                return is_it.then_some((name.as_str(), None));
            };
            let mut fresh = numbered();
            let symbols = &mut Symbols::new(&mut fresh);
            let datum = value.to_datum(&self.table.column(column).ty, symbols);
            self.is_it(datum).then(|| found(name, value))
        })
    }

    /// A column that keeps the value that it was inserted with, which is what is wrong if the values are right.
    fn immutable(&self, row: &Row) -> Option<Found<'a>> {
        let columns = row
            .iter()
            .filter_map(|(name, _)| self.table.column_id(name));
        let first = columns
            .filter(|&column| !self.table.column(column).mutable)
            .min()?;
        Some((&self.table.column(first).name, None))
    }

    /// A column that must be given a value and is not.
    fn missing(&self, row: &Row) -> Option<Found<'a>> {
        let mut columns = self.table.unsound_defaults().iter();
        let column = columns.find(|&&column| {
            let name = &self.table.column(column).name;
            row.value(name).is_none() && self.is_it(self.table.check_default(column))
        })?;
        let default = &self.table.defaults()[column.index()];
        let column = self.table.column(*column);
        Some((
            &column.name,
            Some(text::datum_to_string(default, &column.ty)),
        ))
    }

    fn condition(&self, clauses: &'a [Clause]) -> Option<Found<'a>> {
        clauses.iter().find_map(|clause| {
            let Clause::Compare {
                column,
                function,
                arg,
            } = clause
            else {
                return None;
            };
            let json = triple(column, function.as_str(), arg);
            let mut fresh = numbered();
            let symbols = &mut Symbols::new(&mut fresh);
            let parsed =
                condition::Condition::from_json(self.table, &Json::Array(vec![json]), symbols);
            self.is_it(parsed).then(|| found(column, arg))
        })
    }

    fn mutation(&self, mutation: &'a Mutation) -> Option<Found<'a>> {
        let Mutation {
            column,
            mutator,
            arg,
        } = mutation;
        let json = triple(column, mutator.as_str(), arg);
        let mut fresh = numbered();
        let symbols = &mut Symbols::new(&mut fresh);
        let parsed = mutation::Mutation::from_json(self.table, &json, symbols);
        self.is_it(parsed).then(|| found(column, arg))
    }
}

fn found<'a>(column: &'a str, value: &Value) -> Found<'a> {
    (column, Some(value.to_string()))
}

fn triple(column: &str, word: &str, arg: &Value) -> Json {
    Json::Array(vec![
        Json::string(column),
        Json::string(word),
        arg.to_json(),
    ])
}
