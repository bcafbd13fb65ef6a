//! Rows and datums read straight from their text, with no tree in between, by a [`Cursor`].
//!
//! What is accepted, and what it means, is what [`Datum::from_json`] accepts; for everything else the cursor stops. A
//! reader that has come to many rows shares what repeats: in databases of networks most long strings and most maps do,
//! and one that is shared needs neither memory nor the work of reading it.

use std::hash::BuildHasher;

use ecow::EcoString;
use foldhash::fast::FixedState;

use super::convert::Expected;
use super::seq::{Element, LEAF_MAX, Seq};
use super::{Datum, Pair, Repr};
use crate::atom::{Atom, AtomType};
use crate::json::cursor::{Cursor, Stop};
use crate::parser::is_id;
use crate::schema::{ColumnId, TableSchema};
use crate::symbols::Symbols;
use crate::types::{BaseType, ColumnType, UNLIMITED};
use crate::uuid::Uuid;

/// A reader begins to share values after so many rows: what it takes is not worth while for a few.
const SHARING_ROWS: u64 = 32;
/// Places for values of one column that may be met again, for strings and for whole values alike.
const POOL_SLOTS: usize = 1024;
/// Longer texts are not kept in a pool, in bytes.
const POOL_TEXT_MAX: usize = 1024;
/// How often a pool is asked before it is judged.
const POOL_TRIAL: u32 = 2048;
/// A pool that finds less than one in so many is given up.
const POOL_WORTH: u32 = 16;

/// Reads rows of one table. See the module's documentation.
pub struct RowReader<'s> {
    table: &'s TableSchema,
    memory: RowMemory,
}

/// What a reader remembers of the rows that it has read. It is of use for the table that they are of, and for no other.
#[derive(Default)]
pub(crate) struct RowMemory {
    columns: Vec<ColumnState>,
    /// The rows begun so far.
    rows: u64,
    scratch: Scratch,
}

/// What a reader remembers of a column.
struct ColumnState {
    /// The last row that has it.
    row: u64,
    /// The column that came after it the last time. Rows of one writer have their columns in one order.
    then: ColumnId,
    /// Its values and their texts, for columns of more than one atom.
    values: Option<Pool<(Box<str>, Datum)>>,
    /// Its longer strings.
    strings: Option<Pool<EcoString>>,
}

#[derive(Default)]
struct Scratch {
    atoms: Vec<Atom>,
    pairs: Vec<Pair>,
}

/// Values met lately, in places that follow from their texts.
struct Pool<V> {
    slots: Vec<Option<V>>,
    asked: u32,
    found: u32,
    is_given_up: bool,
}

trait Pooled {
    fn text(&self) -> &str;
}

impl Pooled for EcoString {
    fn text(&self) -> &str {
        self
    }
}

impl Pooled for (Box<str>, Datum) {
    fn text(&self) -> &str {
        &self.0
    }
}

impl<V: Pooled> Pool<V> {
    const fn new() -> Pool<V> {
        Pool {
            slots: Vec::new(),
            asked: 0,
            found: 0,
            is_given_up: false,
        }
    }

    /// The place for the value of `text`, which may hold that of another one; `None` if it is not worth while.
    fn slot(&mut self, text: &str) -> Option<&mut Option<V>> {
        if self.is_given_up || text.len() > POOL_TEXT_MAX {
            return None;
        }
        if self.slots.is_empty() {
            self.slots.resize_with(POOL_SLOTS, || None);
        }
        if self.asked == POOL_TRIAL {
            if self.found < self.asked / POOL_WORTH {
                *self = Pool {
                    is_given_up: true,
                    ..Pool::new()
                };
                return None;
            }
            (self.asked, self.found) = (0, 0);
        }
        let at = FixedState::default().hash_one(text) as usize % POOL_SLOTS;
        let slot = &mut self.slots[at];
        self.asked += 1;
        self.found += u32::from(slot.as_ref().is_some_and(|value| value.text() == text));
        Some(slot)
    }
}

fn string(text: &str, pool: Option<&mut Pool<EcoString>>) -> EcoString {
    // A string that needs no memory of its own is not worth sharing.
    let pool = pool.filter(|_| text.len() > EcoString::INLINE_LIMIT);
    match pool.and_then(|pool| pool.slot(text)) {
        None => text.into(),
        Some(Some(known)) if known == text => known.clone(),
        Some(slot) => slot.insert(text.into()).clone(),
    }
}

impl<'s> RowReader<'s> {
    /// A reader that has read nothing.
    pub fn new(table: &'s TableSchema) -> RowReader<'s> {
        RowReader::with_memory(table, RowMemory::default())
    }

    /// A reader that goes on where another one has stopped, which read rows of the same table.
    pub(crate) fn with_memory(table: &'s TableSchema, memory: RowMemory) -> RowReader<'s> {
        RowReader { table, memory }
    }

    /// What it remembers, for another reader of the same table.
    pub(crate) fn into_memory(self) -> RowMemory {
        self.memory
    }

    /// Reads a `<row>` (RFC 7047, section 5.1) and gives each column that it has, with the value, to `each`, in the order
    /// of the text.
    ///
    /// # Errors
    /// The text is not a row of the table, or has a column twice, or `_uuid` or `_version`. `each` may have been called.
    pub fn read(
        &mut self,
        cursor: &mut Cursor<'_>,
        symbols: &mut Symbols<'_>,
        each: impl FnMut(ColumnId, Datum),
    ) -> Result<(), Stop> {
        self.read_columns(cursor, symbols, |ty| Expected::exactly(ty), each)
    }

    /// Reads the differences between two versions of a row, each of which is what [`Datum::diff`] gives.
    ///
    /// # Errors
    /// As [`RowReader::read`].
    pub fn read_diff(
        &mut self,
        cursor: &mut Cursor<'_>,
        each: impl FnMut(ColumnId, Datum),
    ) -> Result<(), Stop> {
        self.read_columns(
            cursor,
            &mut Symbols::none(),
            |ty| Expected::any_number(ty),
            each,
        )
    }

    fn read_columns(
        &mut self,
        cursor: &mut Cursor<'_>,
        symbols: &mut Symbols<'_>,
        expected: fn(&ColumnType) -> Expected<'_>,
        mut each: impl FnMut(ColumnId, Datum),
    ) -> Result<(), Stop> {
        let RowMemory {
            columns,
            rows,
            scratch,
        } = self.memory.begin_row(self.table);
        let table = self.table;
        cursor.expect(b'{')?;
        let mut before = ColumnId::UUID;
        let mut is_first = true;
        while cursor.another(b'}', is_first)? {
            is_first = false;
            let name = cursor.name()?;
            let guess = columns[before.index()].then;
            let id = if table.column(guess).name == *name {
                guess
            } else {
                let id = table.column_id(&name).ok_or(Stop::Unexpected)?;
                columns[before.index()].then = id;
                id
            };
            let state = &mut columns[id.index()];
            if id.is_standard() || state.row == *rows {
                return Err(Stop::Unexpected);
            }
            state.row = *rows;
            before = id;
            let ty = &table.column(id).ty;
            let is_sharing = *rows > SHARING_ROWS;
            each(
                id,
                state.read(cursor, expected(ty), symbols, scratch, is_sharing)?,
            );
        }
        Ok(())
    }
}

impl RowMemory {
    fn begin_row(&mut self, table: &TableSchema) -> &mut RowMemory {
        if self.columns.is_empty() {
            let columns = table.columns.iter().map(|column| {
                let kinds = || column.ty.bases().map(|base| base.kind);
                let has = |kind| kinds().any(|other| other == kind);
                let shares_values = column.ty.is_composite() && !has(AtomType::Uuid);
                ColumnState {
                    row: 0,
                    then: ColumnId::UUID,
                    values: shares_values.then(Pool::new),
                    strings: has(AtomType::String).then(Pool::new),
                }
            });
            self.columns = columns.collect();
        }
        self.rows += 1;
        self
    }
}

impl ColumnState {
    fn read(
        &mut self,
        cursor: &mut Cursor<'_>,
        expected: Expected<'_>,
        symbols: &mut Symbols<'_>,
        scratch: &mut Scratch,
        is_sharing: bool,
    ) -> Result<Datum, Stop> {
        if !is_sharing {
            return expected.read(cursor, symbols, scratch, None);
        }
        let strings = self.strings.as_mut();
        let pool = self.values.as_mut().filter(|pool| !pool.is_given_up);
        let Some(pool) = pool.filter(|_| cursor.peek() == Ok(b'[')) else {
            return expected.read(cursor, symbols, scratch, strings);
        };
        let mut ahead = cursor.clone();
        let text = ahead.skip()?;
        match pool.slot(text) {
            None => expected.read(cursor, symbols, scratch, strings),
            // It may have been read where another number of elements is right: a difference is not bound to that of a value.
            Some(Some((known, datum))) if **known == *text && expected.allows_len(datum.len()) => {
                *cursor = ahead;
                Ok(datum.clone())
            }
            Some(slot) => {
                let datum = expected.read(cursor, symbols, scratch, strings)?;
                if cursor.offset() != ahead.offset() {
                    return Err(Stop::Unexpected);
                }
                *slot = Some((text.into(), datum.clone()));
                Ok(datum)
            }
        }
    }
}

impl Expected<'_> {
    /// [`Expected::parse`] by a cursor.
    pub(crate) fn read_one(
        self,
        cursor: &mut Cursor<'_>,
        symbols: &mut Symbols<'_>,
    ) -> Result<Datum, Stop> {
        self.read(cursor, symbols, &mut Scratch::default(), None)
    }

    /// The same where much is read. The caller makes sure that a text that stands for different datums at different
    /// times, as those with names of UUIDs do, is not kept by it.
    fn read(
        self,
        cursor: &mut Cursor<'_>,
        symbols: &mut Symbols<'_>,
        scratch: &mut Scratch,
        mut strings: Option<&mut Pool<EcoString>>,
    ) -> Result<Datum, Stop> {
        let Some(value) = self.value else {
            if cursor.peek()? == b'[' {
                let mut ahead = cursor.clone();
                ahead.expect(b'[')?;
                if ahead.string()? == "set" {
                    *cursor = ahead;
                    return self.read_set(cursor, symbols, &mut scratch.atoms, strings);
                }
            }
            return Ok(Datum::from_atom(read_atom(
                cursor, self.key, symbols, strings,
            )?));
        };
        cursor.expect(b'[')?;
        if cursor.string()? != "map" {
            return Err(Stop::Unexpected);
        }
        let pairs = &mut scratch.pairs;
        pairs.clear();
        cursor.expect(b',')?;
        cursor.expect(b'[')?;
        while cursor.another(b']', pairs.is_empty())? {
            cursor.expect(b'[')?;
            let key = read_atom(cursor, self.key, symbols, strings.as_deref_mut())?;
            cursor.expect(b',')?;
            let value = read_atom(cursor, value, symbols, strings.as_deref_mut())?;
            cursor.expect(b']')?;
            pairs.push(Pair { key, value });
        }
        cursor.expect(b']')?;
        self.sort(pairs)?;
        Ok(match pairs.len() {
            0 => Datum::empty(),
            _ => Datum(Repr::Map(seq(pairs))),
        })
    }

    /// Reads what follows `["set"`.
    fn read_set(
        self,
        cursor: &mut Cursor<'_>,
        symbols: &mut Symbols<'_>,
        atoms: &mut Vec<Atom>,
        mut strings: Option<&mut Pool<EcoString>>,
    ) -> Result<Datum, Stop> {
        atoms.clear();
        cursor.expect(b',')?;
        cursor.expect(b'[')?;
        while cursor.another(b']', atoms.is_empty())? {
            atoms.push(read_atom(
                cursor,
                self.key,
                symbols,
                strings.as_deref_mut(),
            )?);
        }
        cursor.expect(b']')?;
        self.sort(atoms)?;
        Ok(match atoms.len() {
            0 | 1 => atoms.pop().map_or(Datum::empty(), Datum::from_atom),
            _ => Datum(Repr::Set(seq(atoms))),
        })
    }

    fn allows_len(&self, len: usize) -> bool {
        len >= self.min as usize && (self.max == UNLIMITED || len <= self.max as usize)
    }

    /// Checks the number of `elements`, sorts them, and makes sure that no key is there twice.
    fn sort<E: Element>(&self, elements: &mut [E]) -> Result<(), Stop> {
        if !self.allows_len(elements.len()) {
            return Err(Stop::Unexpected);
        }
        let is_ascending = |elements: &[E]| elements.is_sorted_by(|a, b| a.key() < b.key());
        if !is_ascending(elements) {
            elements.sort_unstable_by(|a, b| a.key().cmp(b.key()));
            if !is_ascending(elements) {
                return Err(Stop::Unexpected);
            }
        }
        Ok(())
    }
}

/// Makes a sequence of sorted `elements`, which are taken out.
fn seq<E: Element>(elements: &mut Vec<E>) -> Seq<E> {
    if elements.len() <= LEAF_MAX {
        Seq::Small(elements.drain(..).collect())
    } else {
        Seq::from_sorted(std::mem::take(elements))
    }
}

fn read_atom(
    cursor: &mut Cursor<'_>,
    base: &BaseType,
    symbols: &mut Symbols<'_>,
    strings: Option<&mut Pool<EcoString>>,
) -> Result<Atom, Stop> {
    let atom = match base.kind {
        AtomType::Integer => Atom::Integer(cursor.integer()?),
        AtomType::Real => Atom::Real(cursor.real()?),
        AtomType::Boolean => Atom::Boolean(cursor.boolean()?),
        AtomType::String => Atom::String(string(&cursor.string()?, strings)),
        AtomType::Uuid => Atom::Uuid(read_uuid(cursor, symbols)?),
    };
    if base.has_constraints() && base.check(&atom).is_err() {
        return Err(Stop::Unexpected);
    }
    Ok(atom)
}

fn read_uuid(cursor: &mut Cursor<'_>, symbols: &mut Symbols<'_>) -> Result<Uuid, Stop> {
    cursor.expect(b'[')?;
    let class = cursor.string()?;
    cursor.expect(b',')?;
    let text = cursor.string()?;
    cursor.expect(b']')?;
    let uuid = match &*class {
        "uuid" => Uuid::parse(&text),
        "named-uuid" if is_id(&text) => symbols.resolve(&text),
        _ => None,
    };
    uuid.ok_or(Stop::Unexpected)
}

#[cfg(test)]
mod tests;
