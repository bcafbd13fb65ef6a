//! `select`, `wait`, `update`, `mutate` and `delete` read straight from their text: small operations of which clients send
//! very many.
//!
//! A condition is mostly read where it stands. Where something else is to be read before it, it is passed over first.
//!
//! Whatever is not of the usual form is left to the parser that works on trees.

use std::borrow::Cow;

use super::Reader;
use crate::condition::Condition;
use crate::json::cursor::{Cursor, Stop};
use crate::mutation::Mutation;
use crate::operation::Operation;
use crate::schema::{ColumnId, TableId, TableSchema};

/// The members of such an operation: of those that depend on the table, only the places are known.
#[derive(Default)]
pub(super) struct Other<'t> {
    op: Option<Cow<'t, str>>,
    table: Option<Cow<'t, str>>,
    condition: Option<Where<'t>>,
    row: Option<Cursor<'t>>,
    mutations: Option<Cursor<'t>>,
    asked: Asked<'t>,
}

/// A condition.
enum Where<'t> {
    /// It begins here.
    At(Cursor<'t>),
    Read(Condition),
}

/// The members of those that ask for rows.
#[derive(Default)]
struct Asked<'t> {
    columns: Option<Cursor<'t>>,
    sort: Option<Cursor<'t>>,
    timeout: Option<Cursor<'t>>,
    until: Option<Cursor<'t>>,
    rows: Option<Cursor<'t>>,
}

impl Other<'_> {
    /// Whether its condition comes before everything else in it that could name rows.
    fn begins_with_condition(&self) -> bool {
        matches!(self.op.as_deref(), Some("select" | "wait" | "delete"))
    }
}

impl<'s> Reader<'s, '_> {
    /// Reads the members of an operation. An error: it has others, or some of them twice.
    pub(super) fn members<'t>(&mut self, cursor: &mut Cursor<'t>) -> Result<Other<'t>, Stop> {
        let mut other = Other::default();
        let mut is_first = true;
        cursor.expect(b'{')?;
        while cursor.another(b'}', is_first)? {
            is_first = false;
            let name = cursor.name()?;
            let is_new = match &*name {
                "op" => other.op.replace(cursor.string()?).is_none(),
                "table" => other.table.replace(cursor.string()?).is_none(),
                "where" => {
                    let condition = match &other.table {
                        Some(table) if other.begins_with_condition() => {
                            Where::Read(self.condition_in(table, cursor)?)
                        }
                        _ => {
                            let place = cursor.clone();
                            cursor.skip()?;
                            Where::At(place)
                        }
                    };
                    other.condition.replace(condition).is_none()
                }
                name => {
                    let place = match name {
                        "row" => &mut other.row,
                        "mutations" => &mut other.mutations,
                        "columns" => &mut other.asked.columns,
                        "sort" => &mut other.asked.sort,
                        "timeout" => &mut other.asked.timeout,
                        "until" => &mut other.asked.until,
                        "rows" => &mut other.asked.rows,
                        _ => return Err(Stop::Unexpected),
                    };
                    let is_new = place.replace(cursor.clone()).is_none();
                    cursor.skip()?;
                    is_new
                }
            };
            if !is_new {
                return Err(Stop::Unexpected);
            }
        }
        Ok(other)
    }

    /// Reads a condition on rows of the table of this name.
    fn condition_in(&mut self, table: &str, cursor: &mut Cursor<'_>) -> Result<Condition, Stop> {
        let (_, table) = self.schema.table_by_name(table).ok_or(Stop::Unexpected)?;
        Condition::read(table, cursor, &mut self.symbols)
    }

    fn condition(&mut self, table: &TableSchema, condition: Where<'_>) -> Result<Condition, Stop> {
        match condition {
            Where::At(mut cursor) => Condition::read(table, &mut cursor, &mut self.symbols),
            Where::Read(condition) => Ok(condition),
        }
    }

    /// The operation with these members, read in the order in which the parser of trees looks at them.
    pub(super) fn other(&mut self, other: Other<'_>) -> Result<Operation, Stop> {
        let Other {
            op: Some(op),
            table: Some(table),
            condition: Some(condition),
            row,
            mutations,
            asked,
        } = other
        else {
            return Err(Stop::Unexpected);
        };
        let (id, table) = self.schema.table_by_name(&table).ok_or(Stop::Unexpected)?;
        if let ("select" | "wait", None, None) = (&*op, &row, &mutations) {
            let condition = self.condition(table, condition)?;
            return match &*op {
                "select" => asked.into_select(id, table, condition),
                _ => self.wait(id, table, condition, asked),
            };
        }
        if !asked.is_empty() {
            return Err(Stop::Unexpected);
        }
        Ok(match (&*op, row, mutations) {
            ("update", Some(mut row), None) => {
                let row = self.row(id, table, &mut row)?;
                let mut columns = row.iter().map(|(column, _)| table.column(*column));
                if !columns.all(|column| column.mutable) {
                    return Err(Stop::Unexpected);
                }
                Operation::Update {
                    table: id,
                    condition: self.condition(table, condition)?,
                    row,
                }
            }
            ("mutate", None, Some(mut mutations)) => {
                mutations.expect(b'[')?;
                let mut list = Vec::new();
                while mutations.another(b']', list.is_empty())? {
                    list.push(Mutation::read(table, &mut mutations, &mut self.symbols)?);
                }
                Operation::Mutate {
                    table: id,
                    condition: self.condition(table, condition)?,
                    mutations: list,
                }
            }
            ("delete", None, None) => Operation::Delete {
                table: id,
                condition: self.condition(table, condition)?,
            },
            _ => return Err(Stop::Unexpected),
        })
    }

    fn wait(
        &mut self,
        id: TableId,
        table: &'s TableSchema,
        condition: Condition,
        asked: Asked<'_>,
    ) -> Result<Operation, Stop> {
        let Asked {
            columns,
            sort: None,
            timeout,
            until: Some(mut until),
            rows: Some(mut rows),
        } = asked
        else {
            return Err(Stop::Unexpected);
        };
        let columns = read_columns_or_all(table, columns)?;
        let timeout_ms = match timeout {
            Some(mut timeout) => {
                let timeout_ms = u64::try_from(timeout.integer()?);
                Some(timeout_ms.map_err(|_| Stop::Unexpected)?)
            }
            None => None,
        };
        let until_equal = match &*until.string()? {
            "==" => true,
            "!=" => false,
            _ => return Err(Stop::Unexpected),
        };
        let mut list = Vec::new();
        rows.expect(b'[')?;
        while rows.another(b']', list.is_empty())? {
            list.push(self.row(id, table, &mut rows)?);
        }
        Ok(Operation::Wait {
            table: id,
            condition,
            columns,
            until_equal,
            rows: list,
            timeout_ms,
        })
    }
}

impl Asked<'_> {
    fn is_empty(&self) -> bool {
        let Asked {
            columns,
            sort,
            timeout,
            until,
            rows,
        } = self;
        [columns, sort, timeout, until, rows]
            .iter()
            .all(|place| place.is_none())
    }

    fn into_select(
        self,
        id: TableId,
        table: &TableSchema,
        condition: Condition,
    ) -> Result<Operation, Stop> {
        let Asked {
            columns,
            sort,
            timeout: None,
            until: None,
            rows: None,
        } = self
        else {
            return Err(Stop::Unexpected);
        };
        Ok(Operation::Select {
            table: id,
            condition,
            columns: read_columns_or_all(table, columns)?,
            sort: match sort {
                Some(mut sort) => read_columns(table, &mut sort)?,
                None => Vec::new(),
            },
        })
    }
}

fn read_columns_or_all(
    table: &TableSchema,
    columns: Option<Cursor<'_>>,
) -> Result<Vec<ColumnId>, Stop> {
    match columns {
        Some(mut columns) => read_columns(table, &mut columns),
        None => Ok(table.column_ids().collect()),
    }
}

/// Reads an array of the names of different columns.
fn read_columns(table: &TableSchema, cursor: &mut Cursor<'_>) -> Result<Vec<ColumnId>, Stop> {
    let mut columns = Vec::new();
    cursor.expect(b'[')?;
    while cursor.another(b']', columns.is_empty())? {
        let column = table.column_id(&cursor.string()?).ok_or(Stop::Unexpected)?;
        if columns.contains(&column) {
            return Err(Stop::Unexpected);
        }
        columns.push(column);
    }
    Ok(columns)
}
