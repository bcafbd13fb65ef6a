//! Indexes that come by use: where the rows are whose column has a value, or has an element.
//!
//! Schemas name few indexes, and clients look rows up by other columns all the same: in `where` of operations and in the
//! conditions of monitors. So that no table is read through again and again for that, it gets an index of such a column.
//!
//! **What it is.** A [`ColumnIndex`] leads from elements of one column to rows: the atoms of a set, the pairs of a map, or that
//! there is nothing. It serves `==` and `includes` alike: a row that has the value wanted has each of its elements. It keeps
//! a number for the element, not the element, so that all entries are small and equally large; whoever looks something up
//! checks what he finds. For integers and reals these numbers are in order, so that the index serves `<`, `<=`, `>` and `>=`
//! as well; of everything else they are hashes. Elements that were made to have one hash cost those who look for one of them
//! what a look at these rows costs, never more than no index would.
//!
//! **When it comes.** [`query`](crate::query) and the filters of monitors report how many rows they looked at in vain for want
//! of an index of a column ([`usage`](crate::usage)). Once that is more than it takes to make one, the index is wanted, and
//! [`Database::build_indexes`](crate::Database::build_indexes) makes it, from any version, in the time of whoever calls that:
//! no lock is held meanwhile, and the writer goes on. The index is then *offered* together with the rows from which it was
//! made. Readers of just these rows use it at once. The next transaction takes it over: it enters what has changed since, which
//! the two versions of the rows tell ([`PMap::differences`](crate::pmap::PMap::differences)), and from then on the index is
//! part of the version. Should too much have changed, it is first brought nearer, again without a lock.
//!
//! **How it stays.** The draft of a transaction keeps the indexes of a version in step where the value of their column changes.
//! A version without the index (an older one, or a newer one that has not taken it over) is read through as ever: whether
//! there is an index changes no answer and no order, since rows are found in the order of their UUIDs.
//!
//! **How it goes.** An index whose upkeep since it was last used has cost more than to make it anew is dropped, counted in
//! changed values, not by the clock. How many indexes a table has and how large they are is bounded.
//!
//! Not every column can have one: `_uuid` needs none, and `_version` changes behind the back of indexes.

mod element;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ovsdb_proto::datum::Datum;
use ovsdb_proto::schema::ColumnId;
use ovsdb_proto::uuid::Uuid;
use smallvec::SmallVec;

use crate::database::{Chunks, Row};
use crate::pmap::{Difference, Iter, PMap};

use self::element::Element;
pub(crate) use self::element::Range;

/// Rows that a table must have for an index to come by use. Fewer are read through as quickly.
pub const INDEX_ROWS_MIN: usize = 64;

/// Indexes that come by use, of one table. Another column gets one when one of these has not been used for a while.
pub const INDEXES_PER_TABLE_MAX: usize = 16;

/// Entries of such an index: one for each element of the column in each row, of about 40 bytes. An index that has or would
/// get more is dropped.
pub const INDEX_ENTRIES_MAX: usize = 8 << 20;

/// The same for all such indexes of a database together: beyond it no further one is made, and if they grow beyond it, some are
/// dropped, first those that have not been used for a while, then the largest.
pub const INDEX_ENTRIES_TOTAL_MAX: usize = 32 << 20;

/// How many entries an index gains before it is looked how large all of them are.
const GROWTH: usize = 4096;

/// Elements of one value by which rows are looked up; the others are checked in the rows found.
const ELEMENTS_MAX: usize = 8;

/// Changes that an index follows unused for each entry that it has, before it is dropped.
const CHANGES_PER_ENTRY: usize = 4;

/// Changes that any index follows unused.
const CHANGES_MIN: usize = 16 << 10;

/// To find a row by a range of elements costs as much as to look at so many: the rows found are in no order, and have to be
/// put in that of their UUIDs.
pub(crate) const RANGE_COST: usize = 4;

/// What entries are found by: the element, then the row, so that the rows of an element are in the order of their UUIDs.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Place {
    element: Element,
    row: Uuid,
}

/// See the module's documentation.
#[derive(Clone, Debug)]
pub(crate) struct ColumnIndex {
    column: ColumnId,
    /// How many elements with the same number the row has: nearly always one.
    entries: PMap<Place, u32>,
    /// How many values have changed since the index was last seen to be used.
    changes: usize,
    /// Whether the index has been used since that was last looked at, in any version.
    used: Arc<AtomicBool>,
}

/// An index has or would get too many entries.
#[derive(Debug)]
pub(crate) struct TooLarge;

/// Calls `f` with what the row of a column that holds `datum` is found by.
fn for_each_element(datum: &Datum, mut f: impl FnMut(Element)) {
    if let Some(only) = datum.as_atom() {
        return f(Element::of((only, None)));
    }
    if datum.is_empty() {
        f(Element::NOTHING);
    }
    for element in datum {
        f(Element::of(element));
    }
}

impl ColumnIndex {
    /// An index of `column` in `rows`, with at most so many entries.
    pub(crate) fn build(
        column: ColumnId,
        rows: &PMap<Uuid, Arc<Row>>,
        entries_max: usize,
    ) -> Result<ColumnIndex, TooLarge> {
        // The rows come in the order of their UUIDs, so that their numbers do for sorting, beside their elements.
        let mut uuids: Vec<Uuid> = Vec::with_capacity(rows.len());
        let mut numbered: Vec<u128> = Vec::with_capacity(rows.len());
        for &(uuid, ref row) in Chunks::new(rows, column).flatten() {
            let datum = row.get(column);
            if numbered.len() + datum.len().max(1) > entries_max.min(INDEX_ENTRIES_MAX) {
                return Err(TooLarge);
            }
            let number = uuids.len() as u128;
            uuids.push(uuid);
            for_each_element(datum, |element| {
                numbered.push(u128::from(element.to_u64()) << 64 | number);
            });
        }
        numbered.sort_unstable();
        let entries = numbered.chunk_by(|a, b| a == b).map(|same| {
            let place = Place {
                element: Element::new((same[0] >> 64) as u64),
                row: uuids[same[0] as u64 as usize],
            };
            (place, same.len() as u32)
        });
        Ok(ColumnIndex {
            column,
            entries: PMap::from_ascending(entries.clone().count(), entries),
            changes: 0,
            used: Arc::new(AtomicBool::new(true)),
        })
    }

    /// The column whose elements lead to rows.
    pub(crate) fn column(&self) -> ColumnId {
        self.column
    }

    /// The number of entries.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Notes that the index serves somebody.
    pub(crate) fn note_use(&self) {
        // Many may read it at the same time; none of them should write what is there already.
        if !self.used.load(Ordering::Relaxed) {
            self.used.store(true, Ordering::Relaxed);
        }
    }

    /// Whether the index has served anybody since that was last forgotten.
    pub(crate) fn is_used(&self) -> bool {
        self.used.load(Ordering::Relaxed)
    }

    /// Forgets whether it has.
    pub(crate) fn forget_use(&self) {
        self.used.store(false, Ordering::Relaxed);
    }

    /// Enters that a row has another value; `None`: it is not there. Whether it is time to look how large all indexes are.
    pub(crate) fn change_grows(
        &mut self,
        row: Uuid,
        before: Option<&Row>,
        after: Option<&Row>,
    ) -> bool {
        let steps = self.len() / GROWTH;
        self.change(row, before, after);
        self.len() / GROWTH > steps
    }

    /// Enters that a row has another value; `None`: it is not there.
    fn change(&mut self, row: Uuid, before: Option<&Row>, after: Option<&Row>) {
        let before = before.map(|row| row.get(self.column));
        let after = after.map(|row| row.get(self.column));
        match (before, after) {
            (Some(before), Some(after)) if before == after => return,
            (Some(before), Some(after)) if before.len() > 1 && after.len() > 1 => {
                let (added, removed) = Datum::added_removed(before, after);
                removed
                    .iter()
                    .for_each(|element| self.remove(row, Element::of(element)));
                added
                    .iter()
                    .for_each(|element| self.add(row, Element::of(element)));
            }
            (before, after) => {
                if let Some(before) = before {
                    for_each_element(before, |element| self.remove(row, element));
                }
                if let Some(after) = after {
                    for_each_element(after, |element| self.add(row, element));
                }
            }
        }
        self.changes += 1;
    }

    fn add(&mut self, row: Uuid, element: Element) {
        let place = Place { element, row };
        if let Some(count) = self.entries.insert(place, 1) {
            self.entries.insert(place, count + 1);
        }
    }

    fn remove(&mut self, row: Uuid, element: Element) {
        let place = Place { element, row };
        if let Some(count @ 2..) = self.entries.remove(&place) {
            self.entries.insert(place, count - 1);
        }
    }

    /// Enters what leads from `from`, for which the index was made, to `to`. False if that is more than `max` entries; then
    /// the index is good for nothing.
    pub(crate) fn follow(
        &mut self,
        from: &PMap<Uuid, Arc<Row>>,
        to: &PMap<Uuid, Arc<Row>>,
        max: usize,
    ) -> bool {
        for (visited, difference) in from.differences(to).enumerate() {
            if visited == max {
                return false;
            }
            match difference {
                Difference::First(&uuid, old) => self.change(uuid, Some(old), None),
                Difference::Second(&uuid, new) => self.change(uuid, None, Some(new)),
                Difference::Both(_, old, new) if Arc::ptr_eq(old, new) => {}
                Difference::Both(&uuid, old, new) => self.change(uuid, Some(old), Some(new)),
            }
        }
        true
    }

    /// Whether the index is worth its upkeep, and not too large.
    pub(crate) fn is_worth_keeping(&mut self) -> bool {
        if self.changes > CHANGES_MIN + CHANGES_PER_ENTRY * self.len() {
            if !self.is_used() {
                return false;
            }
            self.forget_use();
            self.changes = 0;
        }
        self.len() <= INDEX_ENTRIES_MAX
    }

    /// Whether the index is the one for these rows.
    pub(crate) fn agrees_with(&self, rows: &PMap<Uuid, Arc<Row>>) -> bool {
        let expected = ColumnIndex::build(self.column, rows, usize::MAX);
        expected.is_ok_and(|expected| expected.entries.iter().eq(self.entries.iter()))
    }
}

/// A search for the rows that have all of some elements, and elements in all of some ranges.
#[derive(Default)]
pub(crate) struct Search<'a> {
    parts: SmallVec<[Part<'a>; 1]>,
}

/// The entries from the first one of an element, or of a range, on.
struct Part<'a> {
    last: Element,
    rest: Iter<'a, Place, u32>,
    /// There are several elements.
    is_range: bool,
}

impl<'a> Part<'a> {
    fn new(index: &'a ColumnIndex, Range { first, last }: Range) -> Part<'a> {
        let place = Place {
            element: first,
            row: Uuid::ZERO,
        };
        Part {
            last,
            rest: index.entries.range_from(&place),
            is_range: first != last,
        }
    }

    /// The next row that has the element.
    fn next(&mut self) -> Option<Uuid> {
        let (place, _) = self.rest.next()?;
        (place.element <= self.last).then_some(place.row)
    }

    /// How many rows it is to find at most, where looking at each one that has a certain element is worth while for `max`.
    fn max(&self, max: usize) -> usize {
        match self.is_range {
            true => max / RANGE_COST,
            false => max,
        }
    }
}

impl<'a> Search<'a> {
    /// Asks for rows whose column has all elements of `wanted`, or has none if that has none.
    pub(crate) fn push(&mut self, index: &'a ColumnIndex, wanted: &Datum) {
        let mut elements = 0;
        for_each_element(wanted, |element| {
            elements += 1;
            if elements <= ELEMENTS_MAX {
                let range = Range {
                    first: element,
                    last: element,
                };
                self.parts.push(Part::new(index, range));
            }
        });
    }

    /// Asks for rows whose column has an element in `range`, and no other.
    pub(crate) fn push_range(&mut self, index: &'a ColumnIndex, range: Range) {
        self.parts.push(Part::new(index, range));
    }

    /// Appends the rows that can be meant, in ascending order: those of the element that the fewest rows have. False, and
    /// nothing of use appended, if these are more than `max`, or fewer in the case of a range, or if nothing was asked for.
    pub(crate) fn find(mut self, max: usize, found: &mut Vec<Uuid>) -> bool {
        let begin = found.len();
        if let [part] = &mut self.parts[..] {
            let max = part.max(max);
            while let Some(row) = part.next() {
                if found.len() - begin == max {
                    return false;
                }
                found.push(row);
            }
            if part.is_range {
                found[begin..].sort_unstable();
            }
            return true;
        }
        // All go on side by side until one comes to its end, so that nothing is spent on the long ones.
        let parts = self.parts.into_iter();
        let mut going: Vec<(Part<'_>, Vec<Uuid>)> = parts.map(|part| (part, Vec::new())).collect();
        let mut steps = 0;
        while !going.is_empty() {
            for (part, rows) in &mut going {
                match part.next() {
                    Some(row) => rows.push(row),
                    None => {
                        if part.is_range {
                            rows.sort_unstable();
                        }
                        found.append(rows);
                        return true;
                    }
                }
            }
            steps += 1;
            going.retain(|(part, _)| steps <= part.max(max));
        }
        false
    }
}
