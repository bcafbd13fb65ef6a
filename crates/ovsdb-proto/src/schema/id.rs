//! The numbers of tables and columns.

use std::sync::LazyLock;

use crate::atom::AtomType;
use crate::datum::Datum;
use crate::types::ColumnType;

/// A table, as its place among the tables of its schema. The order of these says nothing about names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableId(pub u32);

impl TableId {
    /// The number as an index.
    #[inline]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// A column, as its place in rows of its table: `_uuid`, `_version`, then the schema's columns. Beyond the first two the
/// order of these says nothing about names.
///
/// A row may be older than a column and end before it. What it is taken to hold there goes with the column's number, so
/// that a row need not know its schema ([`ColumnId::of`]). Only a schema gives out numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ColumnId(u32);

/// The low bits of a [`ColumnId`]: an index into [`FILLS`].
const FILL_BITS: u32 = 5;

impl ColumnId {
    /// `_uuid`, the row's name.
    pub const UUID: ColumnId = ColumnId(0);
    /// `_version`, which changes whenever the row does.
    pub const VERSION: ColumnId = ColumnId(1 << FILL_BITS);
    /// How many columns every table has.
    pub const STANDARD: usize = 2;

    /// The column at `place`, which holds the default value of `ty` in rows that are older than it.
    pub(super) fn new(place: usize, ty: &ColumnType) -> ColumnId {
        let value = ty.value.as_ref();
        let fill = match ty.min {
            0 => 0,
            _ => {
                1 + number(ty.key.kind) + value.map_or(0, |value| KINDS * (1 + number(value.kind)))
            }
        };
        debug_assert!(
            fill == 0 || *ColumnId(fill).fill() == Datum::default_for(ty),
            "there is a fill for every type"
        );
        ColumnId((place as u32) << FILL_BITS | fill)
    }

    /// The place in rows.
    #[inline]
    pub const fn index(self) -> usize {
        (self.0 >> FILL_BITS) as usize
    }

    /// True for the columns that every table has.
    pub const fn is_standard(self) -> bool {
        self.index() < ColumnId::STANDARD
    }

    /// The column's value in a row of its table that may end before it.
    #[inline]
    pub fn of(self, row: &[Datum]) -> &Datum {
        match row.get(self.index()) {
            Some(datum) => datum,
            None => self.fill(),
        }
    }

    /// The column's value in rows that end before it: the default value of the type that it had at first.
    #[cold]
    pub fn fill(self) -> &'static Datum {
        &FILLS[(self.0 & ((1 << FILL_BITS) - 1)) as usize]
    }
}

const KINDS: u32 = 5;

/// Every default value that a column can have: nothing; an atom of each kind; a pair of each two kinds.
static FILLS: LazyLock<Vec<Datum>> = LazyLock::new(|| {
    let of = |min, key, value: Option<AtomType>| {
        let mut ty = ColumnType::scalar(key);
        ty.min = min;
        ty.value = value.map(crate::types::BaseType::new);
        Datum::default_for(&ty)
    };
    let atoms = AtomType::ALL.iter().map(|&key| of(1, key, None));
    let pairs = AtomType::ALL.iter().flat_map(|&value| {
        let keys = AtomType::ALL.iter();
        keys.map(move |&key| of(1, key, Some(value)))
    });
    std::iter::once(of(0, AtomType::Integer, None))
        .chain(atoms)
        .chain(pairs)
        .collect()
});

/// The place of `kind` in [`AtomType::ALL`].
fn number(kind: AtomType) -> u32 {
    AtomType::ALL
        .iter()
        .position(|&other| other == kind)
        .map_or(0, |at| at as u32)
}
