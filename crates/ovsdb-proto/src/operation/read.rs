//! The operations of a `transact` request read straight from its text.
//!
//! What is accepted means what [`parse_transact`](super::parse_transact) says it means. It alone has words for what is
//! wrong, so that one has to be asked about everything that is not accepted here. The operations about rows, of which there
//! are very many, are read without a tree in between.

mod others;

use std::borrow::Cow;

use ecow::EcoString;

use super::{Operation, OperationParser, Place, Transact};
use crate::datum::RowReader;
use crate::json;
use crate::json::cursor::{Cursor, Stop};
use crate::parser::{Members, is_id};
use crate::row::RowColumns;
use crate::schema::{Schema, TableId, TableSchema};
use crate::symbols::Symbols;
use crate::uuid::Uuid;

/// Arrays and objects of a message around an operation: the message, the parameters.
const LEVELS_OUTSIDE: usize = 2;

/// Reads the rest of the parameters of a `transact` request on a database of `schema`: all that comes behind the
/// database's name, and the bracket that ends them.
///
/// # Errors
/// The text has to be parsed by [`parse_transact`](super::parse_transact).
pub fn read_transact(
    schema: &Schema,
    cursor: &mut Cursor<'_>,
    fresh: &mut dyn FnMut() -> Uuid,
) -> Result<Transact, Stop> {
    let mut reader = Reader {
        schema,
        symbols: Symbols::new(fresh),
        rows: Vec::new(),
        columns: 0,
        is_row_last: false,
    };
    let mut operations = Vec::new();
    while cursor.another(b']', false)? {
        operations.push(reader.operation(cursor)?);
    }
    Ok(Transact {
        n_operations: operations.len(),
        operations,
        parse_error: None,
        contested_uuid: None,
    })
}

struct Reader<'s, 'f> {
    schema: &'s Schema,
    symbols: Symbols<'f>,
    /// For each table into which rows are inserted, by number.
    rows: Vec<Option<RowReader<'s>>>,
    /// How many columns the last row has.
    columns: usize,
    /// Whether nothing came behind the row in the last `insert`. Operations of one client mostly have one order.
    is_row_last: bool,
}

/// The members of an `insert`.
#[derive(Default)]
struct Insert<'t> {
    table: Option<Cow<'t, str>>,
    row: Option<Cursor<'t>>,
    uuid: Option<Cow<'t, str>>,
    uuid_name: Option<Cow<'t, str>>,
    is_row_last: bool,
}

impl<'s> Reader<'s, '_> {
    fn operation(&mut self, cursor: &mut Cursor<'_>) -> Result<Operation, Stop> {
        if self.is_row_last {
            let mut ahead = cursor.clone();
            if let Some(insert) = self.insert_up_to_row(&mut ahead)? {
                *cursor = ahead;
                return Ok(insert);
            }
        }
        let mut ahead = cursor.clone();
        if let Some(insert) = Insert::read(&mut ahead)? {
            *cursor = ahead;
            self.is_row_last = insert.is_row_last;
            return self.insert(insert);
        }
        let mut ahead = cursor.clone();
        let names = self.symbols.len();
        let other = self.members(&mut ahead);
        let other = other.and_then(|other| self.other(other));
        if let Ok(other) = other {
            *cursor = ahead;
            return Ok(other);
        }
        if self.symbols.len() > names {
            // Names have been given UUIDs that might not be used in this order, or not at all.
            return Err(Stop::Unexpected);
        }
        let text = cursor.skip()?;
        let json = json::parse_within(text.as_bytes(), LEVELS_OUTSIDE);
        let json = json.map_err(|_| Stop::Unexpected)?;
        // The numbers are for words about errors only.
        let place = Place { number: 0, of: 0 };
        let mut parser = OperationParser {
            schema: self.schema,
            members: Members::new(&json, place),
            symbols: &mut self.symbols,
            contested_uuid: None,
        };
        let parsed = parser.parse();
        match (parsed, parser.members.finish()) {
            (Ok(Some(operation)), Ok(())) => Ok(operation),
            _ => Err(Stop::Unexpected),
        }
    }

    /// Reads an operation if it is an `insert` whose row comes last: without going over the row to see what else there is.
    fn insert_up_to_row(&mut self, cursor: &mut Cursor<'_>) -> Result<Option<Operation>, Stop> {
        let Some(insert) = Insert::read_up_to_row(cursor)? else {
            return Ok(None);
        };
        let is_named = insert.uuid_name.is_some();
        let names = self.symbols.len();
        let (operation, end) = self.insert_at(insert)?;
        *cursor = end;
        if cursor.take(b'}')? {
            return Ok(Some(operation));
        }
        // Then it is read again, unless somebody would notice that it was read before.
        self.is_row_last = false;
        if is_named || self.symbols.len() > names {
            return Err(Stop::Unexpected);
        }
        if let Operation::Insert {
            uuid,
            explicit: false,
            ..
        } = operation
        {
            self.symbols.take_back(uuid);
        }
        Ok(None)
    }

    fn insert(&mut self, insert: Insert<'_>) -> Result<Operation, Stop> {
        self.insert_at(insert).map(|(operation, _)| operation)
    }

    /// The operation with these members, and what follows its row.
    fn insert_at<'t>(&mut self, insert: Insert<'t>) -> Result<(Operation, Cursor<'t>), Stop> {
        let Insert {
            table: Some(table),
            row: Some(mut cursor),
            uuid,
            uuid_name,
            is_row_last: _,
        } = insert
        else {
            return Err(Stop::Unexpected);
        };
        let (id, table) = self.schema.table_by_name(&table).ok_or(Stop::Unexpected)?;
        let chosen = match uuid {
            Some(text) => Some(Uuid::parse(&text).ok_or(Stop::Unexpected)?),
            None => None,
        };
        // Before the row, which may use the name.
        let uuid = match &uuid_name {
            Some(name) if is_id(name) => self.symbols.create(name, chosen).ok(),
            Some(_) => None,
            None => chosen.or_else(|| self.symbols.fresh()),
        };
        let uuid = uuid.ok_or(Stop::Unexpected)?;

        let row = self.row(id, table, &mut cursor)?;
        let lacks = |column| !row.iter().any(|(given, _)| *given == column);
        for &column in table.unsound_defaults() {
            if lacks(column) && table.check_default(column).is_err() {
                return Err(Stop::Unexpected);
            }
        }
        let operation = Operation::Insert {
            table: id,
            uuid,
            explicit: chosen.is_some(),
            uuid_name: uuid_name.as_deref().map(EcoString::from),
            row,
        };
        Ok((operation, cursor))
    }
}

impl<'s> Reader<'s, '_> {
    /// Reads a row of a table: its columns in the order of their numbers.
    fn row(
        &mut self,
        id: TableId,
        table: &'s TableSchema,
        cursor: &mut Cursor<'_>,
    ) -> Result<RowColumns, Stop> {
        if self.rows.len() <= id.index() {
            self.rows.resize_with(id.index() + 1, || None);
        }
        let reader = self.rows[id.index()].get_or_insert_with(|| RowReader::new(table));
        let mut row = RowColumns::with_capacity(self.columns);
        let each = |column, datum| row.push((column, datum));
        reader.read(cursor, &mut self.symbols, each)?;
        self.columns = row.len();
        row.sort_unstable_by_key(|(column, _)| *column);
        Ok(row)
    }
}

impl<'t> Insert<'t> {
    /// Reads the members of an operation, if it is an `insert`. Of the row, only the place is known.
    fn read(cursor: &mut Cursor<'t>) -> Result<Option<Insert<'t>>, Stop> {
        let mut insert = Insert::default();
        let mut is_insert = false;
        let mut is_first = true;
        cursor.expect(b'{')?;
        while cursor.another(b'}', is_first)? {
            is_first = false;
            let name = cursor.name()?;
            insert.is_row_last = &*name == "row";
            if insert.is_row_last {
                if insert.row.replace(cursor.clone()).is_some() {
                    return Ok(None);
                }
                cursor.skip()?;
            } else if !insert.read_member(&name, &mut is_insert, cursor)? {
                return Ok(None);
            }
        }
        Ok(is_insert.then_some(insert))
    }

    /// Reads the members of an `insert` that come before its row, if they say what it takes to read that.
    fn read_up_to_row(cursor: &mut Cursor<'t>) -> Result<Option<Insert<'t>>, Stop> {
        let mut insert = Insert::default();
        let mut is_insert = false;
        let mut is_first = true;
        cursor.expect(b'{')?;
        while cursor.another(b'}', is_first)? {
            is_first = false;
            let name = cursor.name()?;
            if &*name == "row" {
                insert.row = Some(cursor.clone());
                return Ok((is_insert && insert.table.is_some()).then_some(insert));
            }
            if !insert.read_member(&name, &mut is_insert, cursor)? {
                return Ok(None);
            }
        }
        Ok(None)
    }

    /// Reads a member other than the row. False if no `insert` has it, or not twice.
    fn read_member(
        &mut self,
        name: &str,
        is_insert: &mut bool,
        cursor: &mut Cursor<'t>,
    ) -> Result<bool, Stop> {
        let member = match name {
            "op" if !*is_insert => {
                *is_insert = cursor.string()? == "insert";
                return Ok(*is_insert);
            }
            "table" => &mut self.table,
            "uuid" => &mut self.uuid,
            "uuid-name" => &mut self.uuid_name,
            _ => return Ok(false),
        };
        Ok(member.replace(cursor.string()?).is_none())
    }
}

#[cfg(test)]
pub(super) mod tests;
