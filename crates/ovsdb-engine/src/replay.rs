//! Replaying many records one after another, as a file has them.
//!
//! It is done in two parts, so that two threads can share the work: a [`RecordReader`] makes rows of the text of records,
//! without a tree, and [`ReadRecords::apply`] applies them in place, which is what knows the database. Both know the usual
//! form of records only. Whatever is unusual about one is left to [`record::replay`], which knows what it means or what is
//! wrong with it.

use std::ops::Range;
use std::sync::Arc;

use ovsdb_proto::datum::RowReader;
use ovsdb_proto::json::cursor::{Cursor, Stop};
use ovsdb_proto::schema::{ColumnId, Schema, TableId, TableSchema};
use ovsdb_proto::symbols::Symbols;
use ovsdb_proto::uuid::Uuid;

use crate::commit::Commit;
use crate::database::{Database, Row};
use crate::draft::Draft;
use crate::passes;
use crate::record::{self, ReplayError};

/// How a record says that it holds differences.
const IS_DIFF: &str = "_is_diff";

/// Reads the records of one file. See the module's documentation.
pub struct RecordReader<'s> {
    schema: &'s Schema,
    /// For each table by number.
    readers: Vec<RowReader<'s>>,
    /// The members of the record at hand: tables by number, and annotations.
    tables: Vec<TableId>,
    annotations: Vec<&'static str>,
    /// Whether the record before held differences. A record says so behind them as a rule, so each is taken to do as the
    /// one before did, and read again if it does not.
    is_diff: bool,
}

/// Records that have been read, in their order.
#[derive(Debug, Default)]
pub struct ReadRecords {
    records: Vec<ReadRecord>,
    rows: Vec<ReadRow>,
    /// The columns that the rows are given values of, one row after another.
    columns: Vec<ColumnId>,
}

/// One record.
#[derive(Debug)]
struct ReadRecord {
    /// Where its rows are. `None` if it is not of the usual form.
    rows: Option<Range<usize>>,
    is_diff: bool,
}

/// What a record says of one row.
#[derive(Debug)]
struct ReadRow {
    table: TableId,
    uuid: Uuid,
    /// The row as it is if it is new; `None`: it goes.
    row: Option<Arc<Row>>,
    /// Where the columns are that the record names. If the row is not new, only these count.
    columns: Range<usize>,
}

impl<'s> RecordReader<'s> {
    /// For records of a database of `schema`.
    pub fn new(schema: &'s Schema) -> RecordReader<'s> {
        RecordReader {
            schema,
            readers: schema.tables.iter().map(RowReader::new).collect(),
            tables: Vec::new(),
            annotations: Vec::new(),
            is_diff: false,
        }
    }

    /// Reads the next record and adds it to `read`. `fresh` gives row versions.
    pub fn read(&mut self, record: &[u8], read: &mut ReadRecords, fresh: &mut dyn FnMut() -> Uuid) {
        let begin = read.rows.len();
        let (columns_begin, guess) = (read.columns.len(), self.is_diff);
        let mut is_read = self.read_members(record, read, fresh);
        if is_read.is_ok() && self.is_diff != guess {
            read.rows.truncate(begin);
            read.columns.truncate(columns_begin);
            is_read = self.read_members(record, read, fresh);
        }
        if is_read.is_err() {
            read.rows.truncate(begin);
            read.columns.truncate(columns_begin);
        }
        read.records.push(ReadRecord {
            rows: is_read.is_ok().then_some(begin..read.rows.len()),
            is_diff: self.is_diff,
        });
    }

    /// Takes the record to hold differences if `is_diff` says so, and notes there whether it does.
    fn read_members(
        &mut self,
        record: &[u8],
        read: &mut ReadRecords,
        fresh: &mut dyn FnMut() -> Uuid,
    ) -> Result<(), Stop> {
        let text = std::str::from_utf8(record).map_err(|_| Stop::Unexpected)?;
        self.tables.clear();
        self.annotations.clear();
        let mut is_diff = false;
        let mut cursor = Cursor::new(text);
        let mut is_first = true;
        cursor.expect(b'{')?;
        while cursor.another(b'}', is_first)? {
            is_first = false;
            let name = cursor.name()?;
            // No table has a name that begins like those of annotations.
            if !name.starts_with('_') {
                let table = self.schema.table_id(&name).ok_or(Stop::Unexpected)?;
                if self.tables.contains(&table) {
                    return Err(Stop::Unexpected);
                }
                self.tables.push(table);
                self.read_table(table, &mut cursor, read, fresh)?;
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
        if cursor.peek() != Err(Stop::End) {
            return Err(Stop::Unexpected);
        }
        self.is_diff = is_diff;
        Ok(())
    }

    fn read_table(
        &mut self,
        id: TableId,
        cursor: &mut Cursor<'_>,
        read: &mut ReadRecords,
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
            let columns = &mut read.columns;
            let begin = columns.len();
            let row = if cursor.peek()? == b'n' {
                cursor.null()?;
                None
            } else {
                let mut row = Row::with_defaults(table, uuid, fresh());
                let each = |column: ColumnId, datum| {
                    *row.get_mut(column) = datum;
                    columns.push(column);
                };
                if self.is_diff {
                    reader.read_diff(cursor, each)?;
                } else {
                    reader.read(cursor, &mut Symbols::none(), each)?;
                }
                Some(Arc::new(row))
            };
            read.rows.push(ReadRow {
                table: id,
                uuid,
                row,
                columns: begin..read.columns.len(),
            });
        }
        Ok(())
    }
}

/// A record does not do what records of the usual form do.
struct Unusual;

impl ReadRecords {
    /// Forgets all of them.
    pub fn clear(&mut self) {
        self.records.clear();
        self.rows.clear();
        self.columns.clear();
    }

    /// Applies record number `number`, whose text is `text`, to the version before it, and gives back the version after it
    /// and what changed: [`record::replay`] for somebody who does not need the version before. What nobody else holds of
    /// that is changed in place. A record is applied once.
    ///
    /// # Errors
    /// See [`ReplayError`]. The database that comes back is the version before then.
    pub fn apply(
        &mut self,
        number: usize,
        text: &[u8],
        database: Database,
        fresh: &mut dyn FnMut() -> Uuid,
    ) -> (Database, Result<Option<Commit>, ReplayError>) {
        let record = &self.records[number];
        let mut database = database;
        if let Some(rows) = record.rows.clone() {
            let mut draft = Draft::on(database);
            let rows = self.rows[rows].iter_mut();
            let mut set = rows.map(|row| row.set(&mut draft, record.is_diff, &self.columns));
            if set.all(|set| set.is_ok()) && passes::commit(&mut draft, fresh).is_ok() {
                let (next, commit) = Commit::from_draft(draft);
                return (next, Ok(commit));
            }
            // Which one of several faults is named depends on the order in which rows are looked at.
            database = draft.revert();
        }
        match record::replay(&database, text, fresh) {
            Ok((next, commit)) => (next, Ok(commit)),
            Err(error) => (database, Err(error)),
        }
    }
}

impl ReadRow {
    /// Gives the row its contents.
    fn set(
        &mut self,
        draft: &mut Draft,
        is_diff: bool,
        columns: &[ColumnId],
    ) -> Result<(), Unusual> {
        let key = (self.table, self.uuid);
        if draft.touch(&key).is_some() {
            return Err(Unusual);
        }
        let schema = draft.schema().clone();
        let table = schema.table(self.table);
        let columns = &columns[self.columns.clone()];
        let new = match (draft.row(&key), self.row.take()) {
            (None, None) => return Err(Unusual),
            (Some(_), None) => None,
            (None, Some(row)) => {
                if is_diff && !has_allowed_sizes(&row, table, columns) {
                    return Err(Unusual);
                }
                Some(row)
            }
            (Some(old), Some(given)) => {
                let mut row = old.to_change(table);
                for &column in columns {
                    let (datum, given) = (row.get_mut(column), given.get(column));
                    *datum = if is_diff {
                        let ty = &table.column(column).ty;
                        datum.apply_diff(given, ty).map_err(|_| Unusual)?
                    } else {
                        given.clone()
                    };
                }
                Some(Arc::new(row))
            }
        };
        draft.set(key, new);
        Ok(())
    }
}

/// Whether the values of `columns` have as many elements as their types want. A difference may have any number.
fn has_allowed_sizes(row: &Row, table: &TableSchema, columns: &[ColumnId]) -> bool {
    columns.iter().all(|&column| {
        let ty = &table.column(column).ty;
        ty.allows_len(row.get(column).len())
    })
}

/// Replays the records of one file, each as soon as it has been read.
pub struct Replayer<'s> {
    reader: RecordReader<'s>,
    read: ReadRecords,
}

impl<'s> Replayer<'s> {
    /// For records of a database of `schema`.
    pub fn new(schema: &'s Schema) -> Replayer<'s> {
        Replayer {
            reader: RecordReader::new(schema),
            read: ReadRecords::default(),
        }
    }

    /// Reads a record and [applies](ReadRecords::apply) it.
    ///
    /// # Errors
    /// As [`ReadRecords::apply`].
    pub fn replay(
        &mut self,
        database: Database,
        record: &[u8],
        fresh: &mut dyn FnMut() -> Uuid,
    ) -> (Database, Result<Option<Commit>, ReplayError>) {
        self.read.clear();
        self.reader.read(record, &mut self.read, fresh);
        self.read.apply(0, record, database, fresh)
    }
}
