//! Mutations (RFC 7047, section 5.1): changes to a column that depend on what it holds.

use std::fmt;

use crate::atom::{Atom, AtomType};
use crate::datum::{Datum, Expected};
use crate::error::{ErrorTag, OvsdbError};
use crate::json::Json;
use crate::json::cursor::{Cursor, Stop};
use crate::row::unknown_column;
use crate::schema::{ColumnId, TableSchema};
use crate::symbols::Symbols;
use crate::types::{BaseType, ColumnType};

/// A `<mutator>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mutator {
    /// `+=`
    Add,
    /// `-=`
    Subtract,
    /// `*=`
    Multiply,
    /// `/=`, which drops the remainder of integers.
    Divide,
    /// `%=`, for integers only.
    Remainder,
    /// `insert`, into a set or map.
    Insert,
    /// `delete`, from a set or map.
    Delete,
}

impl Mutator {
    /// Every mutator.
    pub const ALL: [Mutator; 7] = [
        Mutator::Add,
        Mutator::Subtract,
        Mutator::Multiply,
        Mutator::Divide,
        Mutator::Remainder,
        Mutator::Insert,
        Mutator::Delete,
    ];

    /// The word of the protocol.
    pub const fn as_str(self) -> &'static str {
        match self {
            Mutator::Add => "+=",
            Mutator::Subtract => "-=",
            Mutator::Multiply => "*=",
            Mutator::Divide => "/=",
            Mutator::Remainder => "%=",
            Mutator::Insert => "insert",
            Mutator::Delete => "delete",
        }
    }

    /// The mutator with this word.
    pub fn from_text(text: &str) -> Option<Mutator> {
        Mutator::ALL
            .into_iter()
            .find(|mutator| mutator.as_str() == text)
    }

    const fn is_arithmetic(self) -> bool {
        !matches!(self, Mutator::Insert | Mutator::Delete)
    }

    /// True if the mutator can be used on columns of this type.
    fn suits(self, ty: &ColumnType) -> bool {
        match self {
            Mutator::Insert | Mutator::Delete => !ty.is_scalar(),
            Mutator::Remainder => !ty.is_map() && ty.key.kind == AtomType::Integer,
            _ => !ty.is_map() && matches!(ty.key.kind, AtomType::Integer | AtomType::Real),
        }
    }
}

impl fmt::Display for Mutator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A `<mutation>`: `[column, mutator, argument]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mutation {
    /// The column, which is mutable.
    pub column: ColumnId,
    /// What happens to it.
    pub mutator: Mutator,
    /// The argument: one number for arithmetic, elements to insert or delete, or keys to delete from a map.
    pub arg: Datum,
}

impl Mutation {
    /// Parses a mutation of rows of `table`. Named UUIDs are looked up in `symbols`.
    ///
    /// # Errors
    /// An `unknown column`, `unknown mutator`, `syntax error` or `constraint violation`.
    pub fn from_json(
        table: &TableSchema,
        json: &Json,
        symbols: &mut Symbols<'_>,
    ) -> Result<Mutation, OvsdbError> {
        let Some([Json::String(name), Json::String(mutator), arg]) = json.as_array() else {
            return Err(OvsdbError::syntax(json, "Parse error in mutation."));
        };
        let id = table
            .column_id(name)
            .ok_or_else(|| unknown_column(table, name, json))?;
        let column = table.column(id);
        if !column.mutable {
            let details = format!(
                "Cannot mutate immutable column {name} in table {}.",
                table.name
            );
            return Err(OvsdbError::constraint(details).at(json));
        }
        let Some(mutator) = Mutator::from_text(mutator) else {
            return Err(OvsdbError::new(
                ErrorTag::UnknownMutator,
                format!("No mutator named {mutator}."),
            ));
        };
        let ty = &column.ty;
        if !mutator.suits(ty) {
            let details = format!(
                "Type mismatch: \"{mutator}\" operator may not be applied to column {name} of type {ty}."
            );
            return Err(OvsdbError::syntax(json, details));
        }
        let arg = match mutator {
            Mutator::Insert => Expected {
                min: 0,
                ..Expected::exactly(ty)
            }
            .parse(arg, symbols)?,
            Mutator::Delete => {
                let elements = Expected::any_number(ty);
                match elements.parse(arg, symbols) {
                    Err(_) if ty.is_map() => Expected {
                        value: None,
                        ..elements
                    }
                    .parse(arg, symbols)?,
                    parsed => parsed?,
                }
            }
            // The number need not be one that the column could hold.
            _ => {
                let number = BaseType::new(ty.key.kind);
                Expected {
                    key: &number,
                    value: None,
                    min: 1,
                    max: 1,
                }
                .parse(arg, symbols)?
            }
        };
        Ok(Mutation {
            column: id,
            mutator,
            arg,
        })
    }

    /// [`Mutation::from_json`] by a cursor. Whatever is not accepted, `from_json` has to be asked about.
    pub(crate) fn read(
        table: &TableSchema,
        cursor: &mut Cursor<'_>,
        symbols: &mut Symbols<'_>,
    ) -> Result<Mutation, Stop> {
        cursor.expect(b'[')?;
        let id = table.column_id(&cursor.string()?).ok_or(Stop::Unexpected)?;
        cursor.expect(b',')?;
        let mutator = Mutator::from_text(&cursor.string()?).ok_or(Stop::Unexpected)?;
        cursor.expect(b',')?;
        let column = table.column(id);
        let ty = &column.ty;
        if !column.mutable || !mutator.suits(ty) {
            return Err(Stop::Unexpected);
        }
        let arg = match mutator {
            Mutator::Insert => Expected {
                min: 0,
                ..Expected::exactly(ty)
            }
            .read_one(cursor, symbols)?,
            Mutator::Delete => {
                let elements = Expected::any_number(ty);
                let mut ahead = cursor.clone();
                match elements.read_one(&mut ahead, symbols) {
                    Ok(arg) => {
                        *cursor = ahead;
                        arg
                    }
                    Err(_) if ty.is_map() => Expected {
                        value: None,
                        ..elements
                    }
                    .read_one(cursor, symbols)?,
                    Err(stop) => return Err(stop),
                }
            }
            _ => {
                let number = BaseType::new(ty.key.kind);
                Expected {
                    key: &number,
                    value: None,
                    min: 1,
                    max: 1,
                }
                .read_one(cursor, symbols)?
            }
        };
        cursor.expect(b']')?;
        Ok(Mutation {
            column: id,
            mutator,
            arg,
        })
    }

    /// Parses an array of mutations.
    ///
    /// # Errors
    /// As [`Mutation::from_json`], for the first that has one.
    pub fn list_from_json(
        table: &TableSchema,
        json: &Json,
        symbols: &mut Symbols<'_>,
    ) -> Result<Vec<Mutation>, OvsdbError> {
        let Some(mutations) = json.as_array() else {
            return Err(OvsdbError::syntax(json, "array expected"));
        };
        mutations
            .iter()
            .map(|mutation| Mutation::from_json(table, mutation, symbols))
            .collect()
    }

    /// Changes `datum`, which is of type `ty`, the type of the mutation's column.
    ///
    /// After an error the datum may have been changed in part.
    ///
    /// # Errors
    /// - `domain error`: division by zero;
    /// - `range error`: the result does not fit the atomic type;
    /// - `constraint violation`: the result breaks the column's constraints, has an element twice, or has too many or
    ///   too few elements.
    pub fn apply(&self, datum: &mut Datum, ty: &ColumnType) -> Result<(), OvsdbError> {
        match self.mutator {
            Mutator::Insert => {
                datum.union_from(&self.arg, false);
            }
            Mutator::Delete => {
                datum.subtract(&self.arg);
            }
            _ => return self.apply_arithmetic(datum, &ty.key),
        }
        if ty.allows_len(datum.len()) {
            return Ok(());
        }
        Err(OvsdbError::constraint(format!(
            "Attempted to store {} elements in {ty}.",
            datum.len()
        )))
    }

    fn apply_arithmetic(&self, datum: &mut Datum, base: &BaseType) -> Result<(), OvsdbError> {
        let Some(arg) = self.arg.as_atom() else {
            return Ok(());
        };
        if let Some(atom) = datum.as_atom() {
            let result = self.calculate(atom, arg)?;
            base.check(&result)?;
            *datum = Datum::from_atom(result);
            return Ok(());
        }
        let results = datum.keys().map(|atom| self.calculate(atom, arg));
        let results: Vec<Atom> = results.collect::<Result<_, _>>()?;
        results.iter().try_for_each(|result| base.check(result))?;
        let n_results = results.len();
        let result = Datum::from_atoms(results);
        if result.len() < n_results {
            let details = format!(
                "Result of \"{}\" operation contains duplicates.",
                self.mutator
            );
            return Err(OvsdbError::constraint(details));
        }
        *datum = result;
        Ok(())
    }

    fn calculate(&self, atom: &Atom, arg: &Atom) -> Result<Atom, OvsdbError> {
        debug_assert!(self.mutator.is_arithmetic());
        let result = match (atom, arg) {
            (Atom::Integer(x), Atom::Integer(y)) => match self.mutator {
                Mutator::Add => x.checked_add(*y),
                Mutator::Subtract => x.checked_sub(*y),
                Mutator::Multiply => x.checked_mul(*y),
                Mutator::Divide | Mutator::Remainder if *y == 0 => return Err(division_by_zero()),
                Mutator::Divide => x.checked_div(*y),
                Mutator::Remainder => x.checked_rem(*y),
                Mutator::Insert | Mutator::Delete => None,
            }
            .map(Atom::Integer),
            (Atom::Real(x), Atom::Real(y)) => match self.mutator {
                Mutator::Add => Some(x + y),
                Mutator::Subtract => Some(x - y),
                Mutator::Multiply => Some(x * y),
                Mutator::Divide if *y == 0.0 => return Err(division_by_zero()),
                Mutator::Divide => Some(x / y),
                Mutator::Remainder | Mutator::Insert | Mutator::Delete => None,
            }
            .filter(|result| result.is_finite())
            .map(Atom::Real),
            _ => None,
        };
        result.ok_or_else(|| {
            let details = format!("Result of \"{}\" operation is out of range.", self.mutator);
            OvsdbError::new(ErrorTag::RangeError, details)
        })
    }

    /// The mutation as JSON.
    pub fn to_json(&self, table: &TableSchema) -> Json {
        let column = table.column(self.column);
        let arg = if column.ty.is_map() && !self.arg.is_map() && !self.arg.is_empty() {
            self.arg.to_json(&ColumnType {
                value: None,
                ..column.ty.clone()
            })
        } else {
            self.arg.to_json(&column.ty)
        };
        Json::Array(vec![
            Json::string(column.name.clone()),
            Json::string(self.mutator.as_str()),
            arg,
        ])
    }
}

fn division_by_zero() -> OvsdbError {
    OvsdbError::new(ErrorTag::DomainError, "Division by zero.")
}

#[cfg(test)]
mod tests;
