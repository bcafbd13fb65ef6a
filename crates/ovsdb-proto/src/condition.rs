//! Conditions (RFC 7047, section 5.1): which rows an operation or a monitor is about.
//!
//! The same clauses serve two purposes: an operation's `where` asks for rows that meet every clause, a monitor's for
//! rows that meet at least one. Which rows to try first is the caller's choice; [`Condition::uuid`] and
//! [`Condition::equal_values`] tell it where a lookup will do.

use std::cmp::Ordering;
use std::fmt;

use crate::atom::AtomType;
use crate::datum::{Datum, Expected};
use crate::error::{ErrorTag, OvsdbError};
use crate::json::Json;
use crate::json::cursor::{Cursor, Stop};
use crate::row::unknown_column;
use crate::schema::{ColumnId, TableSchema};
use crate::symbols::Symbols;
use crate::types::{ColumnType, UNLIMITED};
use crate::uuid::Uuid;

/// A `<function>`, in the order in which clauses are tried: those first that few rows are expected to meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Function {
    /// The clause `false`, which no row meets.
    False,
    /// The clause `true`, which every row meets.
    True,
    /// `==`
    Eq,
    /// `includes`
    Includes,
    /// `<=`
    Le,
    /// `<`
    Lt,
    /// `>=`
    Ge,
    /// `>`
    Gt,
    /// `excludes`
    Excludes,
    /// `!=`
    Ne,
}

impl Function {
    /// The functions that stand between a column and an argument.
    pub const WITH_ARGUMENT: [Function; 8] = [
        Function::Eq,
        Function::Includes,
        Function::Le,
        Function::Lt,
        Function::Ge,
        Function::Gt,
        Function::Excludes,
        Function::Ne,
    ];

    /// The word of the protocol.
    pub const fn as_str(self) -> &'static str {
        match self {
            Function::False => "false",
            Function::True => "true",
            Function::Eq => "==",
            Function::Includes => "includes",
            Function::Le => "<=",
            Function::Lt => "<",
            Function::Ge => ">=",
            Function::Gt => ">",
            Function::Excludes => "excludes",
            Function::Ne => "!=",
        }
    }

    /// The function between a column and an argument that has this word.
    pub fn from_text(text: &str) -> Option<Function> {
        Function::WITH_ARGUMENT
            .into_iter()
            .find(|function| function.as_str() == text)
    }

    /// What its argument has to be for a column of type `ty`; `None` if it does not go with the column.
    fn expected(self, ty: &ColumnType) -> Option<Expected<'_>> {
        let mut expected = Expected::exactly(ty);
        match self {
            Function::Lt | Function::Le | Function::Gt | Function::Ge => {
                // The column may be empty, but there is nothing to compare with an empty argument.
                expected.min = 1;
                return is_number(ty).then_some(expected);
            }
            Function::Excludes if !ty.is_scalar() => {
                expected.min = 0;
                expected.max = UNLIMITED;
            }
            Function::Includes if !ty.is_scalar() => expected.min = 0,
            _ => {}
        }
        Some(expected)
    }
}

impl fmt::Display for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A `<clause>`: `[column, function, argument]`, or `true` or `false`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Clause {
    /// What the column must be to the argument.
    pub function: Function,
    /// The column; [`ColumnId::UUID`] where the clause is `true` or `false`.
    pub column: ColumnId,
    /// The argument, of the column's type but perhaps for the number of elements.
    pub arg: Datum,
}

impl Clause {
    /// The clause `true` or `false`.
    pub fn constant(value: bool) -> Clause {
        let function = if value {
            Function::True
        } else {
            Function::False
        };
        Clause {
            function,
            column: ColumnId::UUID,
            arg: Datum::from_atom(Uuid::ZERO.into()),
        }
    }

    fn from_json(
        table: &TableSchema,
        json: &Json,
        symbols: &mut Symbols<'_>,
    ) -> Result<Clause, OvsdbError> {
        let (name, function, arg) = match json {
            Json::Bool(value) => return Ok(Clause::constant(*value)),
            Json::Array(elements) => match elements.as_slice() {
                [Json::String(name), Json::String(function), arg] => (name, function, arg),
                _ => return Err(OvsdbError::syntax(json, "Parse error in condition.")),
            },
            _ => return Err(OvsdbError::syntax(json, "Parse error in condition.")),
        };
        let column = table
            .column_id(name)
            .ok_or_else(|| unknown_column(table, name, json))?;
        let Some(function) = Function::from_text(function) else {
            return Err(OvsdbError::new(
                ErrorTag::UnknownFunction,
                format!("No function named {function}."),
            ));
        };
        let ty = &table.column(column).ty;
        let Some(expected) = function.expected(ty) else {
            let details = format!(
                "Type mismatch: \"{function}\" operator may not be applied to column {name} of type {ty}."
            );
            return Err(OvsdbError::syntax(json, details));
        };
        Ok(Clause {
            function,
            column,
            arg: expected.parse(arg, symbols)?,
        })
    }

    /// [`Clause::from_json`] by a cursor. Whatever is not accepted, `from_json` has to be asked about.
    fn read(
        table: &TableSchema,
        cursor: &mut Cursor<'_>,
        symbols: &mut Symbols<'_>,
    ) -> Result<Clause, Stop> {
        if cursor.peek()? != b'[' {
            return Ok(Clause::constant(cursor.boolean()?));
        }
        cursor.expect(b'[')?;
        let column = table.column_id(&cursor.string()?).ok_or(Stop::Unexpected)?;
        cursor.expect(b',')?;
        let function = Function::from_text(&cursor.string()?).ok_or(Stop::Unexpected)?;
        cursor.expect(b',')?;
        let expected = function.expected(&table.column(column).ty);
        let arg = expected
            .ok_or(Stop::Unexpected)?
            .read_one(cursor, symbols)?;
        cursor.expect(b']')?;
        Ok(Clause {
            function,
            column,
            arg,
        })
    }

    fn to_json(&self, table: &TableSchema) -> Json {
        match self.function {
            Function::True => Json::Bool(true),
            Function::False => Json::Bool(false),
            function => {
                let column = table.column(self.column);
                Json::Array(vec![
                    Json::string(column.name.clone()),
                    Json::string(function.as_str()),
                    self.arg.to_json(&column.ty),
                ])
            }
        }
    }

    /// True if `value`, which the row has in the clause's column, meets the clause.
    pub fn admits(&self, value: &Datum) -> bool {
        let by_order = |wanted: fn(Ordering) -> bool| match (value.as_atom(), self.arg.as_atom()) {
            (Some(value), Some(arg)) => wanted(value.cmp(arg)),
            // An optional number that is missing is neither below nor above anything.
            _ => false,
        };
        match self.function {
            Function::False => false,
            Function::True => true,
            Function::Eq => *value == self.arg,
            Function::Ne => *value != self.arg,
            Function::Includes => self.arg.includes_all(value),
            Function::Excludes => self.arg.excludes_all(value),
            Function::Lt => by_order(Ordering::is_lt),
            Function::Le => by_order(Ordering::is_le),
            Function::Gt => by_order(Ordering::is_gt),
            Function::Ge => by_order(Ordering::is_ge),
        }
    }

    /// True if the clause says that the column has exactly the value of the argument.
    fn is_equality(&self) -> bool {
        match self.function {
            Function::Eq => true,
            // `_uuid` always has one value, and so must an argument to it.
            Function::Includes => self.column == ColumnId::UUID,
            _ => false,
        }
    }
}

/// True for a column that can be ordered: a number that is there or may be missing.
fn is_number(ty: &ColumnType) -> bool {
    (ty.is_scalar() || ty.is_optional_scalar())
        && matches!(ty.key.kind, AtomType::Integer | AtomType::Real)
}

/// A `<condition>`: clauses in an order that does not depend on how they were written.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Condition {
    clauses: Vec<Clause>,
}

impl Condition {
    /// The condition that is met by every row of an operation and of a monitor.
    pub const fn always() -> Condition {
        Condition {
            clauses: Vec::new(),
        }
    }

    /// A condition of these clauses.
    pub fn new(mut clauses: Vec<Clause>) -> Condition {
        clauses.sort();
        Condition { clauses }
    }

    /// Parses an array of clauses about `table`. Named UUIDs are looked up in `symbols`.
    ///
    /// # Errors
    /// An `unknown column`, `unknown function`, `syntax error` or `constraint violation`, for the first clause that has
    /// one.
    pub fn from_json(
        table: &TableSchema,
        json: &Json,
        symbols: &mut Symbols<'_>,
    ) -> Result<Condition, OvsdbError> {
        let Some(clauses) = json.as_array() else {
            return Err(OvsdbError::syntax(json, "array expected"));
        };
        let clauses = clauses
            .iter()
            .map(|clause| Clause::from_json(table, clause, symbols));
        Ok(Condition::new(clauses.collect::<Result<_, _>>()?))
    }

    /// [`Condition::from_json`] by a cursor. Whatever is not accepted, `from_json` has to be asked about.
    pub(crate) fn read(
        table: &TableSchema,
        cursor: &mut Cursor<'_>,
        symbols: &mut Symbols<'_>,
    ) -> Result<Condition, Stop> {
        let mut clauses = Vec::new();
        cursor.expect(b'[')?;
        while cursor.another(b']', clauses.is_empty())? {
            clauses.push(Clause::read(table, cursor, symbols)?);
        }
        Ok(Condition::new(clauses))
    }

    /// The condition as JSON.
    pub fn to_json(&self, table: &TableSchema) -> Json {
        Json::Array(
            self.clauses
                .iter()
                .map(|clause| clause.to_json(table))
                .collect(),
        )
    }

    /// The clauses, in the order in which they are tried.
    pub fn clauses(&self) -> &[Clause] {
        &self.clauses
    }

    /// True if there are no clauses.
    pub fn is_empty(&self) -> bool {
        self.clauses.is_empty()
    }

    /// True if `row`, indexed by [`ColumnId`], meets every clause: what an operation's `where` asks.
    pub fn eval(&self, row: &[Datum]) -> bool {
        self.meets_all(|column| column.of(row))
    }

    /// True if the row whose values `value` gives meets every clause.
    pub fn meets_all<'r>(&self, mut value: impl FnMut(ColumnId) -> &'r Datum) -> bool {
        self.clauses
            .iter()
            .all(|clause| clause.admits(value(clause.column)))
    }

    /// True if the row whose values `value` gives meets at least one clause, or if there are none: what a monitor's
    /// `where` asks.
    pub fn meets_any<'r>(&self, mut value: impl FnMut(ColumnId) -> &'r Datum) -> bool {
        self.clauses.is_empty()
            || self
                .clauses
                .iter()
                .any(|clause| clause.admits(value(clause.column)))
    }

    /// True if a monitor with this condition is sent every row, as far as that shows without looking at rows.
    pub fn is_true_for_monitor(&self) -> bool {
        self.clauses.is_empty()
            || self
                .clauses
                .iter()
                .any(|clause| clause.function == Function::True)
    }

    /// True if a monitor with this condition is sent no row.
    pub fn is_false_for_monitor(&self) -> bool {
        !self.clauses.is_empty()
            && self
                .clauses
                .iter()
                .all(|clause| clause.function == Function::False)
    }

    /// The UUID that a row must have to meet every clause, if a clause says so; then at most one row qualifies, and the
    /// other clauses remain to be checked.
    pub fn uuid(&self) -> Option<Uuid> {
        self.equal_value(ColumnId::UUID)?.as_atom()?.as_uuid()
    }

    /// The value that a row must have in `column` to meet every clause, if a clause says so.
    pub fn equal_value(&self, column: ColumnId) -> Option<&Datum> {
        let clause = self
            .clauses
            .iter()
            .find(|clause| clause.column == column && clause.is_equality())?;
        Some(&clause.arg)
    }

    /// The values that a row must have in `columns` to meet every clause, if clauses say so for each of them: then an
    /// index on the columns gives all rows that can qualify.
    pub fn equal_values(&self, columns: &[ColumnId]) -> Option<Vec<&Datum>> {
        columns
            .iter()
            .map(|&column| self.equal_value(column))
            .collect()
    }

    /// The columns that the clauses look at, each once.
    pub fn columns(&self) -> Vec<ColumnId> {
        let with_argument = self
            .clauses
            .iter()
            .filter(|clause| !matches!(clause.function, Function::True | Function::False));
        let mut columns: Vec<ColumnId> = with_argument.map(|clause| clause.column).collect();
        columns.sort_unstable();
        columns.dedup();
        columns
    }
}

#[cfg(test)]
mod tests;
