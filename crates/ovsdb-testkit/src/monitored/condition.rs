//! Conditions: clauses tried one by one.

use serde_json::{Value as Json, json};

use super::changes::{Contents, any_value};
use super::schema::{Column, Kind, Row, Table};
use super::value::{Value, value_to_json};
use crate::differential::dice::Dice;

/// A clause of a condition (RFC 7047, section 5.1).
#[derive(Clone, Debug)]
pub enum Clause {
    /// `true` or `false`.
    Constant(bool),
    /// What a column must be to an argument.
    Column {
        /// The column.
        column: &'static Column,
        /// The function.
        function: &'static str,
        /// The argument.
        argument: Value,
    },
}

impl Clause {
    /// Whether a row meets the clause.
    pub fn admits(&self, row: &Row) -> bool {
        let (column, function, argument) = match self {
            Clause::Constant(value) => return *value,
            Clause::Column {
                column,
                function,
                argument,
            } => (column, *function, argument),
        };
        let value = &row[column.name];
        let number = |value: &Value| match value.keys().collect::<Vec<_>>()[..] {
            [only] => only.number(),
            _ => None,
        };
        let compare = |wanted: fn(&f64, &f64) -> bool| match (number(value), number(argument)) {
            (Some(value), Some(argument)) => wanted(&value, &argument),
            _ => false,
        };
        match function {
            "==" => value == argument,
            "!=" => value != argument,
            "includes" => argument
                .iter()
                .all(|(key, mapped)| value.get(key) == Some(mapped)),
            "excludes" => argument
                .iter()
                .all(|(key, mapped)| value.get(key) != Some(mapped)),
            "<" => compare(f64::lt),
            "<=" => compare(f64::le),
            ">" => compare(f64::gt),
            ">=" => compare(f64::ge),
            other => panic!("there is no function {other}"),
        }
    }

    pub(super) fn to_json(&self) -> Json {
        match self {
            Clause::Constant(value) => json!(value),
            Clause::Column {
                column,
                function,
                argument,
            } => {
                json!([column.name, function, value_to_json_of(argument, column)])
            }
        }
    }
}

/// [`value_to_json`], for values that may be empty maps.
pub(super) fn value_to_json_of(value: &Value, column: &Column) -> Json {
    if value.is_empty() && column.ty.value.is_some() {
        json!(["map", []])
    } else {
        value_to_json(value)
    }
}

/// The JSON of a monitor's condition.
pub fn condition_to_json(clauses: &[Clause]) -> Json {
    clauses.iter().map(Clause::to_json).collect()
}

/// Whether a row meets a monitor's condition: one of its clauses, or there are none.
pub(super) fn admits(clauses: &[Clause], row: &Row) -> bool {
    clauses.is_empty() || clauses.iter().any(|clause| clause.admits(row))
}

/// A clause about a column of `table`, often one that some rows meet.
pub(super) fn any_clause(dice: &mut Dice, table: &'static Table, contents: &Contents) -> Clause {
    let column = dice.pick(table.columns);
    let is_number = matches!(column.ty.key, Kind::Integer | Kind::Real)
        && column.ty.value.is_none()
        && column.ty.max == Some(1);
    let functions: &[&str] = if is_number {
        &["==", "!=", "includes", "excludes", "<", "<=", ">", ">="]
    } else {
        &["==", "!=", "includes", "excludes"]
    };
    let function = *dice.pick(functions);
    clause_about(dice, column, function, contents)
}

fn clause_about(
    dice: &mut Dice,
    column: &'static Column,
    function: &'static str,
    contents: &Contents,
) -> Clause {
    let mut ty = column.ty;
    let is_scalar = ty.min == 1 && ty.max == Some(1);
    match function {
        "<" | "<=" | ">" | ">=" => ty.min = 1,
        "includes" if !is_scalar => ty.min = 0,
        "excludes" if !is_scalar => {
            ty.min = 0;
            ty.max = None;
        }
        _ => {}
    }
    Clause::Column {
        column,
        function,
        argument: any_value(dice, ty, column.name, contents),
    }
}

/// A monitor's condition on rows of `table`: none, constants, some clauses, or a long list of values of one column.
pub fn any_condition(dice: &mut Dice, table: &'static Table, contents: &Contents) -> Vec<Clause> {
    match dice.below(10) {
        0 => Vec::new(),
        1 => vec![Clause::Constant(dice.chance(50))],
        2 | 3 => {
            let column = dice.pick(table.columns);
            let function = if dice.chance(60) { "==" } else { "includes" };
            let clauses = (0..20).map(|_| clause_about(dice, column, function, contents));
            clauses.collect()
        }
        _ => {
            let clauses = (0..=dice.below(3)).map(|_| {
                if dice.chance(10) {
                    Clause::Constant(dice.chance(30))
                } else {
                    any_clause(dice, table, contents)
                }
            });
            clauses.collect()
        }
    }
}
