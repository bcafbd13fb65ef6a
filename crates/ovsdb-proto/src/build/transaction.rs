//! A `transact` request (RFC 7047, section 4.1.3): a database and operations in order.

use ecow::EcoString;
use foldhash::fast::RandomState;
use hashbrown::HashSet;

use super::invalid::{Invalid, Place};
use super::operation::{Insert, Operation};
use super::write::{Names, Writer};
use crate::json::{self, Json};
use crate::value::Term;

/// The operations of one transaction on one database. They are executed in order, all of them or none.
///
/// See the [module](super) for an example.
#[derive(Clone, Debug, PartialEq)]
pub struct Transaction {
    database: EcoString,
    operations: Vec<Operation>,
    /// The names that inserts give to their rows.
    names: HashSet<EcoString, RandomState>,
}

impl Transaction {
    /// A transaction of no operations on `database`.
    pub fn new(database: impl Into<EcoString>) -> Transaction {
        Transaction {
            database: database.into(),
            operations: Vec::new(),
            names: HashSet::default(),
        }
    }

    /// The same transaction with one more operation at its end.
    #[must_use]
    pub fn with(mut self, operation: impl Into<Operation>) -> Transaction {
        self.push(operation);
        self
    }

    /// Adds an operation at the end, and returns its place, counted from 0.
    pub fn push(&mut self, operation: impl Into<Operation>) -> usize {
        let operation = operation.into();
        if let Operation::Insert(Insert {
            uuid_name: Some(name),
            ..
        }) = &operation
        {
            self.names.insert(name.clone());
        }
        self.operations.push(operation);
        self.operations.len() - 1
    }

    /// Adds an `insert` at the end, and returns what stands for the row in the transaction's other operations: the
    /// UUID that the insert asks for, or else its name. One that has neither gets a name.
    pub fn insert(&mut self, mut insert: Insert) -> Term {
        let term = match (insert.uuid, &insert.uuid_name) {
            (Some(uuid), _) => uuid.into(),
            (None, Some(name)) => Term::named(name.clone()),
            (None, None) => {
                let name = self.free_name();
                insert.uuid_name = Some(name.clone());
                Term::Named(name)
            }
        };
        self.push(insert);
        term
    }

    /// A name that no insert has so far.
    fn free_name(&self) -> EcoString {
        let mut number = self.operations.len();
        loop {
            let name = EcoString::from(format!("row{number}"));
            if !self.names.contains(&name) {
                return name;
            }
            number += 1;
        }
    }

    /// The database's name.
    pub fn database(&self) -> &EcoString {
        &self.database
    }

    /// The operations in order.
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// True if there are no operations.
    pub fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }

    /// Appends the text of the request's parameters to `out`: an array of the database's name and the operations.
    ///
    /// # Errors
    /// The first thing that cannot be written; `out` may have grown then.
    pub fn write(&self, out: &mut Vec<u8>) -> Result<(), Invalid> {
        let mut names = Names::default();
        let mut writer = Writer::new(out);
        for (at, operation) in self.operations.iter().enumerate() {
            if let Operation::Insert(Insert {
                table,
                uuid_name: Some(name),
                ..
            }) = operation
                && !names.insert(name)
            {
                writer.place = Place {
                    operation: Some((at, operation.name())),
                    table: Some(table.clone()),
                    ..Place::default()
                };
                return Err(writer.fail(super::Fault::NameTaken(name.clone())));
            }
        }
        writer.names = Some(names);
        writer.transaction(&self.database, &self.operations)
    }

    /// The text of the request's parameters.
    ///
    /// # Errors
    /// The first thing that cannot be written.
    pub fn to_text(&self) -> Result<String, Invalid> {
        let mut text = Vec::new();
        self.write(&mut text)?;
        Ok(String::from_utf8(text).expect("what is written is made of strings"))
    }

    /// The request's parameters.
    ///
    /// # Errors
    /// The first thing that cannot be written.
    pub fn to_params(&self) -> Result<Vec<Json>, Invalid> {
        match json::parse(self.to_text()?.as_bytes()) {
            Ok(Json::Array(params)) => Ok(params),
            other => unreachable!("an array is written, which is read again: {other:?}"),
        }
    }
}
