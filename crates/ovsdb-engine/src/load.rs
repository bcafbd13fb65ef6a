//! The contents of a whole database at once: the record that a compaction leaves, read piece by piece into an empty
//! database.
//!
//! Where all rows are new there is nothing to compare, so that tables, indexes and counts of references are made in one
//! go, each from a sorted list. That is the common case only: whatever is unusual (a name twice, a row that breaks a
//! constraint, garbage, text that is no JSON) makes the reader give up, and then [`record::replay`](crate::record::replay)
//! says what the record means or what is wrong with it.

use std::sync::Arc;

use hashbrown::HashMap;
use ovsdb_proto::datum::RowReader;
use ovsdb_proto::json::cursor::{Cursor, Stop};
use ovsdb_proto::schema::{ColumnId, Schema, TableId};
use ovsdb_proto::symbols::Symbols;
use ovsdb_proto::types::{BaseType, UNLIMITED};
use ovsdb_proto::uuid::Uuid;

use crate::database::{Database, Index, Row, Table, index_key, kept_count};
use crate::hashing::RowHash;
use crate::passes::for_each_reference;
use crate::pmap::PMap;

/// The record is not as plain as a [`Loader`] wants it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the record is not a plain list of rows")]
pub struct NotPlain;

/// Makes a database from the text of one record. See the module's documentation.
pub struct Loader<'s> {
    schema: &'s Arc<Schema>,
    tables: Vec<Loading<'s>>,
    place: Place,
    annotations: Vec<String>,
    /// What has been given and not yet been understood.
    buffer: Vec<u8>,
    /// With fewer bytes than this in the buffer it is no use trying again: a row that comes in many pieces is tried a
    /// few times only.
    enough: usize,
}

/// What there is of one table.
struct Loading<'s> {
    reader: RowReader<'s>,
    rows: Vec<(Uuid, Arc<Row>)>,
    is_given: bool,
}

#[derive(Clone, Copy)]
enum Place {
    Begin,
    /// Between the members of the record. `true`: there was none yet.
    Record(bool),
    /// Between the rows of a table.
    Table(TableId, bool),
    End,
}

impl<'s> Loader<'s> {
    /// A loader at the beginning of a record for a database of `schema`.
    pub fn new(schema: &'s Arc<Schema>) -> Loader<'s> {
        let tables = schema.tables.iter().map(|table| Loading {
            reader: RowReader::new(table),
            rows: Vec::new(),
            is_given: false,
        });
        Loader {
            schema,
            tables: tables.collect(),
            place: Place::Begin,
            annotations: Vec::new(),
            buffer: Vec::new(),
            enough: 0,
        }
    }

    /// Takes the next piece of the text, cut off anywhere. `fresh` gives row versions.
    ///
    /// # Errors
    /// The loader is of no further use.
    pub fn push(&mut self, piece: &[u8], fresh: &mut dyn FnMut() -> Uuid) -> Result<(), NotPlain> {
        self.buffer.extend_from_slice(piece);
        if self.buffer.len() < self.enough {
            return Ok(());
        }
        let mut buffer = std::mem::take(&mut self.buffer);
        let text = match std::str::from_utf8(&buffer) {
            Ok(text) => text,
            // A character may be cut in two.
            Err(error) if error.error_len().is_none() => {
                std::str::from_utf8(&buffer[..error.valid_up_to()]).map_err(|_| NotPlain)?
            }
            Err(_) => return Err(NotPlain),
        };
        let mut cursor = Cursor::new(text);
        let mut understood = 0;
        loop {
            match self.step(&mut cursor, fresh) {
                Ok(()) => understood = cursor.offset(),
                Err(Stop::End) => break,
                Err(Stop::Unexpected) => return Err(NotPlain),
            }
        }
        buffer.drain(..understood);
        self.enough = match understood {
            0 => 2 * buffer.len(),
            _ => 0,
        };
        self.buffer = buffer;
        Ok(())
    }

    /// Reads the next part of the record: up to a row, or a row.
    fn step(
        &mut self,
        cursor: &mut Cursor<'_>,
        fresh: &mut dyn FnMut() -> Uuid,
    ) -> Result<(), Stop> {
        self.place = match self.place {
            Place::Begin => {
                cursor.expect(b'{')?;
                Place::Record(true)
            }
            Place::Record(is_first) => {
                if cursor.another(b'}', is_first)? {
                    self.read_member(cursor)?
                } else {
                    Place::End
                }
            }
            Place::Table(id, is_first) => {
                if cursor.another(b'}', is_first)? {
                    self.read_row(id, cursor, fresh)?;
                    Place::Table(id, false)
                } else {
                    Place::Record(false)
                }
            }
            Place::End => {
                cursor.peek()?;
                return Err(Stop::Unexpected);
            }
        };
        Ok(())
    }

    fn read_member(&mut self, cursor: &mut Cursor<'_>) -> Result<Place, Stop> {
        let name = cursor.name()?;
        if let Some(id) = self.schema.table_id(&name) {
            cursor.expect(b'{')?;
            let table = &mut self.tables[id.index()];
            if std::mem::replace(&mut table.is_given, true) {
                return Err(Stop::Unexpected);
            }
            return Ok(Place::Table(id, true));
        }
        match &*name {
            "_date" => cursor.integer().map(|_| ())?,
            "_comment" => cursor.string().map(|_| ())?,
            // With no rows there is nothing to differ from.
            "_is_diff" => cursor.boolean().map(|_| ())?,
            _ => return Err(Stop::Unexpected),
        }
        if self.annotations.iter().any(|known| *known == name) {
            return Err(Stop::Unexpected);
        }
        self.annotations.push(name.into_owned());
        Ok(Place::Record(false))
    }

    fn read_row(
        &mut self,
        id: TableId,
        cursor: &mut Cursor<'_>,
        fresh: &mut dyn FnMut() -> Uuid,
    ) -> Result<(), Stop> {
        let name = cursor.name()?;
        let uuid = Uuid::parse(&name).ok_or(Stop::Unexpected)?;
        let table = &mut self.tables[id.index()];
        let mut row = Row::with_defaults(self.schema.table(id), uuid, fresh());
        let each = |column: ColumnId, datum| *row.get_mut(column) = datum;
        table.reader.read(cursor, &mut Symbols::none(), each)?;
        table.rows.push((uuid, Arc::new(row)));
        Ok(())
    }

    /// The database, once all of the record has been given. `fresh` is as for [`Loader::push`].
    ///
    /// # Errors
    /// The record is not complete, or its rows are not all that a commit of them would leave.
    pub fn finish(mut self, fresh: &mut dyn FnMut() -> Uuid) -> Result<Database, NotPlain> {
        self.enough = 0;
        self.push(&[], fresh)?;
        if !matches!(self.place, Place::End) || !self.buffer.trim_ascii().is_empty() {
            return Err(NotPlain);
        }
        let schema = self.schema;
        let mut rows: Vec<Vec<(Uuid, Arc<Row>)>> = Vec::with_capacity(self.tables.len());
        for table in self.tables {
            rows.push(sorted(table.rows)?);
        }
        let mut database = Database::new(schema.clone());
        let references = count_references(&database, &rows)?;
        for (id, (rows, references)) in schema.table_ids().zip(rows.into_iter().zip(references)) {
            let table_schema = schema.table(id);
            let is_over =
                table_schema.max_rows != UNLIMITED && rows.len() > table_schema.max_rows as usize;
            if is_over || !table_schema.is_root && references.strong.len() < rows.len() {
                return Err(NotPlain);
            }
            let indexes = table_schema.indexes.iter();
            let indexes = indexes.map(|columns| index(&rows, columns));
            let counts = references.strong.into_iter();
            let counts =
                counts.filter_map(|(uuid, count)| Some((uuid, kept_count(table_schema, count)?)));
            let table = database.table_mut(id);
            *table = Table {
                usage: table.usage.clone(),
                by_use: Vec::new(),
                indexes: indexes.collect::<Result<_, _>>()?,
                strong_refs: PMap::from_sorted(sorted(counts.collect())?),
                weak_refs: PMap::from_sorted(references.weak),
                rows: PMap::from_sorted(rows),
            };
        }
        Ok(database)
    }
}

/// Rows, or what there is about rows, in the order of their UUIDs; an error if one is there twice.
fn sorted<V>(mut entries: Vec<(Uuid, V)>) -> Result<Vec<(Uuid, V)>, NotPlain> {
    let is_ascending = |entries: &[(Uuid, V)]| entries.is_sorted_by(|a, b| a.0 < b.0);
    if !is_ascending(&entries) {
        entries.sort_unstable_by_key(|(uuid, _)| *uuid);
        if !is_ascending(&entries) {
            return Err(NotPlain);
        }
    }
    Ok(entries)
}

/// What refers to the rows of one table.
#[derive(Default)]
struct References {
    strong: HashMap<Uuid, usize, RowHash>,
    weak: Vec<((Uuid, TableId, Uuid), usize)>,
}

/// The references to the rows of each table, if all rows that are referred to exist.
fn count_references(
    database: &Database,
    rows: &[Vec<(Uuid, Arc<Row>)>],
) -> Result<Vec<References>, NotPlain> {
    let schema = database.schema();
    let exists = |to: TableId, uuid: &Uuid| {
        let found = rows[to.index()].binary_search_by(|(other, _)| other.cmp(uuid));
        found.is_ok()
    };
    let mut references: Vec<References> = Vec::new();
    references.resize_with(rows.len(), References::default);
    for id in schema.table_ids() {
        let (table, plan) = (schema.table(id), database.plan(id));
        let mut is_dangling = false;
        for (uuid, row) in &rows[id.index()] {
            for &column in &plan.strong {
                let ty = &table.column(column).ty;
                for_each_reference(
                    row.get(column),
                    ty,
                    BaseType::is_strong_ref,
                    |(to, target)| {
                        // A row's references to itself do not keep it.
                        if (to, target) != (id, *uuid) {
                            *references[to.index()].strong.entry(target).or_insert(0) += 1;
                        }
                    },
                );
            }
            for &column in &plan.weak {
                let ty = &table.column(column).ty;
                for_each_reference(
                    row.get(column),
                    ty,
                    BaseType::is_weak_ref,
                    |(to, target)| {
                        is_dangling |= !exists(to, &target);
                        references[to.index()].weak.push(((target, id, *uuid), 1));
                    },
                );
            }
        }
        if is_dangling {
            return Err(NotPlain);
        }
    }
    for (to, references) in schema.table_ids().zip(&mut references) {
        if !references.strong.keys().all(|target| exists(to, target)) {
            return Err(NotPlain);
        }
        references.weak.sort_unstable();
        references.weak.dedup_by(|later, earlier| {
            let is_same = later.0 == earlier.0;
            earlier.1 += usize::from(is_same);
            is_same
        });
    }
    Ok(references)
}

/// The entries of an index over `columns`, in which no two rows agree.
fn index(rows: &[(Uuid, Arc<Row>)], columns: &[ColumnId]) -> Result<Index, NotPlain> {
    let entries = rows
        .iter()
        .map(|(uuid, row)| ((index_key(row, columns), *uuid), ()));
    let mut entries: Vec<_> = entries.collect();
    entries.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    let is_same = |pair: &[((crate::database::IndexKey, Uuid), ())]| pair[0].0.0 == pair[1].0.0;
    if entries.windows(2).any(is_same) {
        return Err(NotPlain);
    }
    Ok(PMap::from_sorted(entries))
}
