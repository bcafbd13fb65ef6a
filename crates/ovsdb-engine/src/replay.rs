//! Replaying many records one after another, as a file has them.
//!
//! Records as programs write them are read without a tree and applied in place. Whatever is unusual about one is left to
//! [`record::replay`], which knows what it means or what is wrong with it.

use std::sync::Arc;

use ovsdb_proto::datum::{Datum, RowReader};
use ovsdb_proto::json::cursor::{Cursor, Stop};
use ovsdb_proto::schema::{ColumnId, Schema, TableId};
use ovsdb_proto::symbols::Symbols;
use ovsdb_proto::uuid::Uuid;

use crate::commit::Commit;
use crate::database::{Database, Row};
use crate::draft::Draft;
use crate::passes;
use crate::record::{self, ReplayError};

/// Replays the records of one file. See the module's documentation.
pub struct Replayer<'s> {
    schema: &'s Schema,
    /// For each table by number.
    readers: Vec<RowReader<'s>>,
    /// The members of the record at hand: tables by number, and annotations.
    tables: Vec<TableId>,
    annotations: Vec<&'static str>,
    /// Whether the record before held differences. A record says so behind some of them, so this one is taken to do as that
    /// one did.
    is_diff: bool,
    /// Whether it made a difference for the record at hand.
    is_diff_used: bool,
}

/// How a record says that it holds differences.
const IS_DIFF: &str = "_is_diff";

impl<'s> Replayer<'s> {
    /// For records of a database of `schema`.
    pub fn new(schema: &'s Schema) -> Replayer<'s> {
        Replayer {
            schema,
            readers: schema.tables.iter().map(RowReader::new).collect(),
            tables: Vec::new(),
            annotations: Vec::new(),
            is_diff: false,
            is_diff_used: false,
        }
    }

    /// Applies a record to the version before it, and gives back the version after it and what changed: [`record::replay`]
    /// for somebody who does not need the version before. What nobody else holds of that is changed in place.
    ///
    /// # Errors
    /// See [`ReplayError`]. The database that comes back is the version before then.
    pub fn replay(
        &mut self,
        database: Database,
        record: &[u8],
        fresh: &mut dyn FnMut() -> Uuid,
    ) -> (Database, Result<Option<Commit>, ReplayError>) {
        let mut draft = Draft::on(database);
        let is_read = self.read(&mut draft, record, fresh).is_ok();
        if is_read && passes::commit(&mut draft, fresh).is_ok() {
            let (next, commit) = Commit::from_draft(draft);
            return (next, Ok(commit));
        }
        // Which one of several faults is named depends on the order in which rows are looked at.
        let database = draft.revert();
        match record::replay(&database, record, fresh) {
            Ok((next, commit)) => (next, Ok(commit)),
            Err(error) => (database, Err(error)),
        }
    }

    fn read(
        &mut self,
        draft: &mut Draft,
        record: &[u8],
        fresh: &mut dyn FnMut() -> Uuid,
    ) -> Result<(), Stop> {
        let text = std::str::from_utf8(record).map_err(|_| Stop::Unexpected)?;
        self.tables.clear();
        self.annotations.clear();
        self.is_diff_used = false;
        let mut is_diff = false;
        let mut cursor = Cursor::new(text);
        let mut is_first = true;
        cursor.expect(b'{')?;
        while cursor.another(b'}', is_first)? {
            is_first = false;
            let name = cursor.name()?;
            if let Some(table) = self.schema.table_id(&name) {
                if self.tables.contains(&table) {
                    return Err(Stop::Unexpected);
                }
                self.tables.push(table);
                self.read_table(draft, table, &mut cursor, fresh)?;
                continue;
            }
            let known = match &*name {
                "_date" => cursor.integer().map(|_| "_date")?,
                "_comment" => cursor.string().map(|_| "_comment")?,
                IS_DIFF => {
                    is_diff = cursor.boolean()?;
                    IS_DIFF
                }
                _ => return Err(Stop::Unexpected),
            };
            if self.annotations.contains(&known) {
                return Err(Stop::Unexpected);
            }
            self.annotations.push(known);
        }
        let is_end = cursor.peek() == Err(Stop::End);
        let was_diff = std::mem::replace(&mut self.is_diff, is_diff);
        if is_end && (is_diff == was_diff || !self.is_diff_used) {
            Ok(())
        } else {
            Err(Stop::Unexpected)
        }
    }

    fn read_table(
        &mut self,
        draft: &mut Draft,
        id: TableId,
        cursor: &mut Cursor<'_>,
        fresh: &mut dyn FnMut() -> Uuid,
    ) -> Result<(), Stop> {
        let table = self.schema.table(id);
        let reader = &mut self.readers[id.index()];
        let mut is_first = true;
        cursor.expect(b'{')?;
        while cursor.another(b'}', is_first)? {
            is_first = false;
            let name = cursor.name()?;
            let uuid = Uuid::parse(&name).ok_or(Stop::Unexpected)?;
            let key = (id, uuid);
            if draft.touch(&key).is_some() {
                return Err(Stop::Unexpected);
            }
            let old = draft.row(&key);
            if cursor.peek()? == b'n' {
                cursor.null()?;
                if old.is_none() {
                    return Err(Stop::Unexpected);
                }
                draft.set(key, None);
                continue;
            }
            let mut applied = Ok(());
            let row = match old {
                None => {
                    let mut row = Row::with_defaults(table, uuid, fresh());
                    let each = |column: ColumnId, datum| *row.get_mut(column) = datum;
                    reader.read(cursor, &mut Symbols::none(), each)?;
                    row
                }
                Some(old) if self.is_diff => {
                    self.is_diff_used = true;
                    let mut row = old.to_change(table);
                    let each = |column: ColumnId, diff: Datum| {
                        let datum = row.get_mut(column);
                        match datum.apply_diff(&diff, &table.column(column).ty) {
                            Ok(new) => *datum = new,
                            Err(_) => applied = Err(Stop::Unexpected),
                        }
                    };
                    reader.read_diff(cursor, each)?;
                    row
                }
                Some(old) => {
                    self.is_diff_used = true;
                    let mut row = old.to_change(table);
                    let each = |column: ColumnId, datum| *row.get_mut(column) = datum;
                    reader.read(cursor, &mut Symbols::none(), each)?;
                    row
                }
            };
            applied?;
            draft.set(key, Some(Arc::new(row)));
        }
        Ok(())
    }
}
