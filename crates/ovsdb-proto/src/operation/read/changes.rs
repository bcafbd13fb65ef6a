//! `update`, `mutate` and `delete` read straight from their text: small operations of which clients send very many.
//!
//! Whatever is not of the usual form is left to the parser that works on trees.

use std::borrow::Cow;

use super::Reader;
use crate::condition::Condition;
use crate::json::cursor::{Cursor, Stop};
use crate::mutation::Mutation;
use crate::operation::Operation;

/// The members of such an operation: of those that depend on the table, only the places are known.
#[derive(Default)]
pub(super) struct Change<'t> {
    op: Option<Cow<'t, str>>,
    table: Option<Cow<'t, str>>,
    condition: Option<Cursor<'t>>,
    row: Option<Cursor<'t>>,
    mutations: Option<Cursor<'t>>,
}

impl<'t> Change<'t> {
    /// Reads the members of an operation. An error: it has others, or some of them twice.
    pub(super) fn read(cursor: &mut Cursor<'t>) -> Result<Change<'t>, Stop> {
        let mut change = Change::default();
        let mut is_first = true;
        cursor.expect(b'{')?;
        while cursor.another(b'}', is_first)? {
            is_first = false;
            let name = cursor.name()?;
            let is_new = match &*name {
                "op" => change.op.replace(cursor.string()?).is_none(),
                "table" => change.table.replace(cursor.string()?).is_none(),
                name => {
                    let place = match name {
                        "where" => &mut change.condition,
                        "row" => &mut change.row,
                        "mutations" => &mut change.mutations,
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
        Ok(change)
    }
}

impl Reader<'_, '_> {
    /// The operation with these members, read in the order in which the parser of trees looks at them.
    pub(super) fn change(&mut self, change: Change<'_>) -> Result<Operation, Stop> {
        let Change {
            op: Some(op),
            table: Some(table),
            condition: Some(mut condition),
            row,
            mutations,
        } = change
        else {
            return Err(Stop::Unexpected);
        };
        let (id, table) = self.schema.table_by_name(&table).ok_or(Stop::Unexpected)?;
        Ok(match (&*op, row, mutations) {
            ("update", Some(mut row), None) => {
                let row = self.row(id, table, &mut row)?;
                let mut columns = row.iter().map(|(column, _)| table.column(*column));
                if !columns.all(|column| column.mutable) {
                    return Err(Stop::Unexpected);
                }
                Operation::Update {
                    table: id,
                    condition: Condition::read(table, &mut condition, &mut self.symbols)?,
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
                    condition: Condition::read(table, &mut condition, &mut self.symbols)?,
                    mutations: list,
                }
            }
            ("delete", None, None) => Operation::Delete {
                table: id,
                condition: Condition::read(table, &mut condition, &mut self.symbols)?,
            },
            _ => return Err(Stop::Unexpected),
        })
    }
}
