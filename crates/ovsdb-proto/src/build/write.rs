//! The text of requests, and what cannot be written.
//!
//! The text is the protocol's own, so what a server could not read at all is found here; what it could read and would
//! refuse is left to [`super::check`].

use ecow::EcoString;
use foldhash::fast::RandomState;
use hashbrown::HashSet;

use super::invalid::{Fault, Invalid, Place};
use super::{Clause, Mutation, Operation};
use crate::atom::Atom;
use crate::json::{Json, write};
use crate::parser::is_id;
use crate::value::{Row, Term, Value};

/// The names of the rows that a transaction inserts.
pub(super) type Names<'a> = HashSet<&'a str, RandomState>;

/// Writes pieces of requests, and knows where it is.
pub(super) struct Writer<'a> {
    out: &'a mut Vec<u8>,
    /// `None` where rows have no names.
    pub(super) names: Option<Names<'a>>,
    pub(super) place: Place,
}

type Written = Result<(), Invalid>;

impl<'a> Writer<'a> {
    pub(super) fn new(out: &'a mut Vec<u8>) -> Writer<'a> {
        Writer {
            out,
            names: None,
            place: Place::default(),
        }
    }

    pub(super) fn fail(&self, fault: Fault) -> Invalid {
        Invalid::new(self.place.clone(), fault)
    }

    /// Writes text that needs no check.
    pub(super) fn raw(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    /// Writes an `<id>`.
    pub(super) fn id(&mut self, name: &EcoString) -> Written {
        if !is_id(name) {
            return Err(self.fail(Fault::NotId(name.clone())));
        }
        write::string(name, self.out);
        Ok(())
    }

    pub(super) fn string(&mut self, text: &str) -> Written {
        if text.contains('\0') {
            return Err(self.fail(Fault::Nul));
        }
        write::string(text, self.out);
        Ok(())
    }

    /// Writes `elements` as an array.
    pub(super) fn array<T>(
        &mut self,
        elements: impl IntoIterator<Item = T>,
        mut each: impl FnMut(&mut Self, T) -> Written,
    ) -> Written {
        self.raw("[");
        for (i, element) in elements.into_iter().enumerate() {
            if i > 0 {
                self.raw(",");
            }
            each(self, element)?;
        }
        self.raw("]");
        Ok(())
    }

    fn term(&mut self, term: &Term) -> Written {
        let fault = match term {
            Term::Atom(Atom::String(text)) if text.contains('\0') => Some(Fault::Nul),
            Term::Atom(Atom::Real(value)) if !value.is_finite() => Some(Fault::NotFinite),
            Term::Named(name) => match &self.names {
                None => Some(Fault::NameNotAllowed(name.clone())),
                Some(names) if !names.contains(name.as_str()) => {
                    Some(Fault::UnknownName(name.clone()))
                }
                Some(_) => None,
            },
            Term::Atom(_) => None,
        };
        match fault {
            Some(fault) => Err(self.fail(fault)),
            None => {
                term.write_json(self.out);
                Ok(())
            }
        }
    }

    fn value(&mut self, value: &Value) -> Written {
        match value {
            Value::One(term) => self.term(term),
            Value::Set(terms) => {
                self.raw("[\"set\",");
                self.array(terms, Self::term)?;
                self.raw("]");
                Ok(())
            }
            Value::Map(pairs) => {
                self.raw("[\"map\",");
                self.array(pairs, |writer, (key, value)| {
                    writer.array([key, value], Self::term)
                })?;
                self.raw("]");
                Ok(())
            }
        }
    }

    /// Writes what belongs to a column, so that an error names it.
    fn of_column(
        &mut self,
        column: &EcoString,
        write: impl FnOnce(&mut Self) -> Written,
    ) -> Written {
        let outer = self.place.column.replace(column.clone());
        write(self)?;
        self.place.column = outer;
        Ok(())
    }

    fn row(&mut self, row: &Row) -> Written {
        self.raw("{");
        for (i, (column, value)) in row.iter().enumerate() {
            if i > 0 {
                self.raw(",");
            }
            self.of_column(column, |writer| {
                writer.id(column)?;
                writer.raw(":");
                writer.value(value)
            })?;
        }
        self.raw("}");
        Ok(())
    }

    /// `[column, word, value]`
    fn triple(&mut self, column: &EcoString, word: &str, value: &Value) -> Written {
        self.of_column(column, |writer| {
            writer.raw("[");
            writer.id(column)?;
            writer.raw(",\"");
            writer.raw(word);
            writer.raw("\",");
            writer.value(value)?;
            writer.raw("]");
            Ok(())
        })
    }

    pub(super) fn clauses(&mut self, clauses: &[Clause]) -> Written {
        self.array(clauses, |writer, clause| match clause {
            Clause::Constant(value) => {
                write::boolean(*value, writer.out);
                Ok(())
            }
            Clause::Compare {
                column,
                function,
                arg,
            } => writer.triple(column, function.as_str(), arg),
        })
    }

    fn mutations(&mut self, mutations: &[Mutation]) -> Written {
        self.array(mutations, |writer, mutation| {
            writer.triple(&mutation.column, mutation.mutator.as_str(), &mutation.arg)
        })
    }

    /// Writes names of columns.
    pub(super) fn columns<'c>(
        &mut self,
        columns: impl IntoIterator<Item = &'c EcoString>,
    ) -> Written {
        self.array(columns, |writer, column| {
            writer.of_column(column, |writer| writer.id(column))
        })
    }

    pub(super) fn transaction(
        &mut self,
        database: &EcoString,
        operations: &[Operation],
    ) -> Written {
        self.raw("[");
        self.id(database)?;
        for (at, operation) in operations.iter().enumerate() {
            self.place = Place {
                operation: Some((at, operation.name())),
                table: operation.table().cloned(),
                ..Place::default()
            };
            self.raw(",{\"op\":\"");
            self.raw(operation.name());
            self.raw("\"");
            if let Some(table) = operation.table() {
                self.raw(",\"table\":");
                self.id(table)?;
            }
            self.members(operation)?;
            self.raw("}");
        }
        self.raw("]");
        Ok(())
    }

    /// Writes what an operation has besides its name and table.
    fn members(&mut self, operation: &Operation) -> Written {
        match operation {
            Operation::Insert(insert) => {
                if let Some(uuid) = insert.uuid {
                    self.raw(",\"uuid\":");
                    write::string(&uuid.to_string(), self.out);
                }
                if let Some(name) = &insert.uuid_name {
                    self.raw(",\"uuid-name\":");
                    self.id(name)?;
                }
                self.raw(",\"row\":");
                self.row(&insert.row)
            }
            Operation::Select(select) => {
                self.condition(&select.condition)?;
                if let Some(columns) = &select.columns {
                    self.raw(",\"columns\":");
                    self.columns(columns)?;
                }
                if !select.sort.is_empty() {
                    self.raw(",\"sort\":");
                    self.columns(&select.sort)?;
                }
                Ok(())
            }
            Operation::Update(update) => {
                self.condition(&update.condition)?;
                self.raw(",\"row\":");
                self.row(&update.row)
            }
            Operation::Mutate(mutate) => {
                self.condition(&mutate.condition)?;
                self.raw(",\"mutations\":");
                self.mutations(&mutate.mutations)
            }
            Operation::Delete(delete) => self.condition(&delete.condition),
            Operation::Wait(wait) => {
                if let Some(timeout_ms) = wait.timeout_ms {
                    self.raw(",\"timeout\":");
                    // The greatest number of the protocol is 292 million years.
                    let timeout_ms = i64::try_from(timeout_ms).unwrap_or(i64::MAX);
                    write::integer(timeout_ms, self.out);
                }
                self.condition(&wait.condition)?;
                self.raw(",\"columns\":");
                match &wait.columns {
                    Some(columns) => self.columns(columns)?,
                    None => self.columns(&compared(&wait.rows))?,
                }
                self.raw(",\"until\":\"");
                self.raw(if wait.until_equal { "==" } else { "!=" });
                self.raw("\",\"rows\":");
                self.array(&wait.rows, Self::row)
            }
            Operation::Commit { durable } => {
                self.raw(",\"durable\":");
                write::boolean(*durable, self.out);
                Ok(())
            }
            Operation::Abort => Ok(()),
            Operation::Comment(text) => {
                self.raw(",\"comment\":");
                self.string(text)
            }
            Operation::Assert(lock) => {
                self.raw(",\"lock\":");
                self.id(lock)
            }
        }
    }

    fn condition(&mut self, clauses: &[Clause]) -> Written {
        self.raw(",\"where\":");
        self.clauses(clauses)
    }
}

/// `value`, which the protocol does not look into, if it can be written.
pub(super) fn written(value: Json) -> Result<Json, Invalid> {
    match fault(&value) {
        Some(fault) => Err(Invalid::new(Place::default(), fault)),
        None => Ok(value),
    }
}

/// `name`, if it is an `<id>`.
pub(super) fn written_id(name: &EcoString) -> Result<Json, Invalid> {
    if is_id(name) {
        Ok(Json::String(name.clone()))
    } else {
        Err(Invalid::new(Place::default(), Fault::NotId(name.clone())))
    }
}

/// Why a value cannot be written.
fn fault(value: &Json) -> Option<Fault> {
    let mut values = vec![value];
    while let Some(value) = values.pop() {
        match value {
            Json::String(text) if text.contains('\0') => return Some(Fault::Nul),
            Json::NotUtf8(_) => return Some(Fault::NotUtf8),
            Json::Real(value) if !value.is_finite() => return Some(Fault::NotFinite),
            Json::Array(elements) => values.extend(elements),
            Json::Object(members) if members.names().any(|name| name.contains('\0')) => {
                return Some(Fault::Nul);
            }
            Json::Object(members) => values.extend(members.values()),
            _ => {}
        }
    }
    None
}

/// The columns that any of `rows` has; without rows `_uuid`, which every row of a table has: then what counts is whether
/// there are any.
fn compared(rows: &[Row]) -> Vec<EcoString> {
    let mut columns: Vec<EcoString> = Vec::new();
    for (column, _) in rows.iter().flat_map(Row::iter) {
        if !columns.contains(column) {
            columns.push(column.clone());
        }
    }
    if columns.is_empty() {
        columns.push("_uuid".into());
    }
    columns
}
