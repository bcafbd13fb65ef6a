//! The operations of a `transact` request read straight from its text.
//!
//! What is accepted means what [`parse_transact`](super::parse_transact) says it means. It alone has words for what is
//! wrong, so that one has to be asked about everything that is not accepted here. The operations that change rows, of
//! which there are very many, are read without a tree in between.

mod changes;

use std::borrow::Cow;

use ecow::EcoString;

use self::changes::Change;
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
}

/// The members of an `insert`.
#[derive(Default)]
struct Insert<'t> {
    table: Option<Cow<'t, str>>,
    row: Option<Cursor<'t>>,
    uuid: Option<Cow<'t, str>>,
    uuid_name: Option<Cow<'t, str>>,
}

impl<'s> Reader<'s, '_> {
    fn operation(&mut self, cursor: &mut Cursor<'_>) -> Result<Operation, Stop> {
        let mut ahead = cursor.clone();
        if let Some(insert) = Insert::read(&mut ahead)? {
            *cursor = ahead;
            return self.insert(insert);
        }
        let mut ahead = cursor.clone();
        let change = Change::read(&mut ahead).and_then(|change| self.change(change));
        if let Ok(change) = change {
            *cursor = ahead;
            return Ok(change);
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

    fn insert(&mut self, insert: Insert<'_>) -> Result<Operation, Stop> {
        let Insert {
            table: Some(table),
            row: Some(mut cursor),
            uuid,
            uuid_name,
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
        Ok(Operation::Insert {
            table: id,
            uuid,
            explicit: chosen.is_some(),
            uuid_name: uuid_name.as_deref().map(EcoString::from),
            row,
        })
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
            let member = match &*name {
                "op" if !is_insert && cursor.string()? == "insert" => {
                    is_insert = true;
                    continue;
                }
                "row" if insert.row.is_none() => {
                    insert.row = Some(cursor.clone());
                    cursor.skip()?;
                    continue;
                }
                "table" => &mut insert.table,
                "uuid" => &mut insert.uuid,
                "uuid-name" => &mut insert.uuid_name,
                _ => return Ok(None),
            };
            if member.replace(cursor.string()?).is_some() {
                return Ok(None);
            }
        }
        Ok(is_insert.then_some(insert))
    }
}

#[cfg(test)]
pub(super) mod tests;
