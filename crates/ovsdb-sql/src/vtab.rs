//! Relations as SQLite's virtual tables.
//!
//! The only file of this crate with `unsafe`, which the traits of `rusqlite` call for: SQLite casts pointers to a table or cursor
//! to pointers to its own base structure and back, so each must begin with it and be laid out as C does (`repr(C)`), and
//! must not be moved out of where SQLite has it. Both hold for [`Table`] and [`Cursor`] by their definitions, which have
//! nothing else to be kept; everything else here is ordinary code, and no pointer is touched.
#![allow(
    unsafe_code,
    reason = "the traits of virtual tables are unsafe to implement"
)]

use std::borrow::Cow;
use std::ffi::{CStr, CString, c_int};
use std::sync::Arc;

use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::vtab::{
    Context, Filters, IndexConstraintOp, IndexFlags, IndexInfo, Module, VTab, VTabConnection,
    VTabCursor, sqlite3_vtab, sqlite3_vtab_cursor,
};
use rusqlite::{Connection, Error, Result};

use crate::cell::{Cell, Lookup, json_text};
use crate::index::{Index, Key};
use crate::relation::{Columns, Data, Missing};

/// What it costs to begin a lookup, in rows looked at.
const LOOKUP_COST: f64 = 2.0;

/// The column of a constraint on the number of a row, and the number of the plan that looks at all rows.
const NO_INDEX: c_int = 0;
const BY_INDEX: c_int = 1;

/// Makes `data` a table of `connection`, by the name of its relation. It is there without having been created.
pub(crate) fn register(connection: &Connection, data: Arc<Data>) -> Result<()> {
    const MODULE: &Module<'static, Table> = &Module::eponymous_only_module();
    let name = data.relation().name.clone();
    connection.create_module(name.as_str(), MODULE, Some(data))
}

/// A relation, as a statement sees it.
#[repr(C)]
struct Table {
    /// SQLite's part, which comes first.
    base: sqlite3_vtab,
    data: Arc<Data>,
}

/// A walk over rows of a relation.
#[repr(C)]
struct Cursor {
    /// SQLite's part, which comes first.
    base: sqlite3_vtab_cursor,
    data: Arc<Data>,
    walk: Walk,
    /// The index used last: SQLite begins the same walk again and again.
    index: Option<(Columns, Arc<Index>)>,
}

/// Where a walk is.
#[derive(Clone, Copy, Debug)]
enum Walk {
    /// At a row of all rows.
    All(u32),
    /// At a row of those with the same values in the columns of the index.
    Same(u32),
    End,
}

// SAFETY: it begins with SQLite's part and is laid out as C does; there is nothing else to be kept.
unsafe impl VTab<'_> for Table {
    type Aux = Arc<Data>;
    type Cursor = Cursor;

    fn connect(
        _: &mut VTabConnection,
        data: Option<&Arc<Data>>,
        _: &[u8],
        _: &[u8],
        _: &[u8],
        _: &[&[u8]],
    ) -> Result<(Cow<'static, CStr>, Self)> {
        let data = data.cloned().ok_or(Error::InvalidQuery)?;
        let declaration = CString::new(data.relation().declaration())?;
        let table = Table {
            base: sqlite3_vtab::default(),
            data,
        };
        Ok((Cow::Owned(declaration), table))
    }

    /// Takes every comparison for equality that an index can serve. SQLite compares again what is found, so that its rules
    /// of conversion hold. For `IN` it has forgotten by then whether the elements are numbers of a column, with which text
    /// would be compared as numbers, so `IN` of text is left to it.
    fn best_index(&self, info: &mut IndexInfo) -> Result<bool> {
        let mut wanted: Vec<(u16, usize)> = Vec::new();
        for (at, constraint) in info.constraints().enumerate() {
            // -1 is the number of the row, of which nothing is said here.
            let Ok(column) = u16::try_from(constraint.column()) else {
                continue;
            };
            if constraint.is_usable()
                && constraint.operator() == IndexConstraintOp::SQLITE_INDEX_CONSTRAINT_EQ
                && self.data.is_found_by(usize::from(column))
                && info.collation(at)? == "BINARY"
                && !(self.data.is_text(usize::from(column)) && info.is_in_constraint(at)?)
            {
                wanted.push((column, at));
            }
        }
        wanted.sort_unstable();
        wanted.dedup_by_key(|(column, _)| *column);
        let n_rows = self.data.len() as f64;
        if wanted.is_empty() {
            info.set_idx_num(NO_INDEX);
            info.set_estimated_rows(n_rows as i64);
            info.set_estimated_cost(n_rows + 1.0);
            return Ok(true);
        }
        let columns: Columns = wanted.iter().map(|(column, _)| *column).collect();
        let text: Vec<String> = columns.iter().map(u16::to_string).collect();
        info.set_idx_num(BY_INDEX);
        info.set_idx_str(&text.join(","));
        for (argument, (_, at)) in wanted.iter().enumerate() {
            info.constraint_usage(*at)
                .set_argv_index(argument as c_int + 1);
        }
        let rows = if self.data.is_unique(&columns) {
            info.set_idx_flags(IndexFlags::SQLITE_INDEX_SCAN_UNIQUE);
            1.0
        } else if n_rows == 0.0 {
            1.0
        } else {
            let rows = self.data.rows_of_one_key(&columns).map_err(failed)?;
            rows.max(1.0)
        };
        info.set_estimated_rows(rows as i64);
        info.set_estimated_cost(rows + LOOKUP_COST);
        Ok(true)
    }

    fn open(&mut self) -> Result<Cursor> {
        if self.data.is_too_large() {
            return Err(Error::ModuleError(format!(
                "{} has too many rows",
                self.data.relation().name
            )));
        }
        Ok(Cursor {
            base: sqlite3_vtab_cursor::default(),
            data: Arc::clone(&self.data),
            walk: Walk::End,
            index: None,
        })
    }
}

impl Cursor {
    fn all(&self) -> Walk {
        if self.data.len() == 0 {
            Walk::End
        } else {
            Walk::All(0)
        }
    }

    fn at(&self) -> Result<u32> {
        match self.walk {
            Walk::All(n) | Walk::Same(n) => Ok(n),
            Walk::End => Err(Error::InvalidQuery),
        }
    }

    fn find(&mut self, columns: &str, values: &Filters<'_>) -> Result<Walk> {
        let columns = columns
            .split(',')
            .map(|column| column.parse().map_err(|_| Error::InvalidQuery))
            .collect::<Result<Columns>>()?;
        let mut key = Key::new();
        for (&column, value) in columns.iter().zip(values.iter()) {
            let kind = self.data.relation().columns[usize::from(column)].kind;
            match Lookup::of(kind, value) {
                Lookup::Cell(cell) => key.push(cell),
                Lookup::Nothing => return Ok(Walk::End),
                Lookup::Scan => return Ok(self.all()),
            }
        }
        let index = match &self.index {
            Some((same, index)) if *same == columns => index,
            _ => {
                let index = self.data.index(&columns).map_err(failed)?;
                &self.index.insert((columns, index)).1
            }
        };
        let first = index.first(&self.data, &key);
        Ok(first.map_or(Walk::End, Walk::Same))
    }
}

// SAFETY: it begins with SQLite's part and is laid out as C does; there is nothing else to be kept.
unsafe impl VTabCursor for Cursor {
    fn filter(&mut self, plan: c_int, columns: Option<&str>, values: &Filters<'_>) -> Result<()> {
        self.walk = match columns {
            Some(columns) if plan == BY_INDEX => self.find(columns, values)?,
            _ => self.all(),
        };
        Ok(())
    }

    fn next(&mut self) -> Result<()> {
        self.walk = match (self.walk, &self.index) {
            (Walk::All(n), _) if (n as usize) + 1 < self.data.len() => Walk::All(n + 1),
            (Walk::Same(n), Some((_, index))) => index.next(n).map_or(Walk::End, Walk::Same),
            _ => Walk::End,
        };
        Ok(())
    }

    fn eof(&self) -> bool {
        matches!(self.walk, Walk::End)
    }

    fn column(&self, context: &mut Context, column: c_int) -> Result<()> {
        let column = usize::try_from(column).map_err(|_| Error::InvalidQuery)?;
        match self.data.cell(self.at()?, column).map_err(failed)? {
            Cell::Null => context.set_result(rusqlite::types::Null),
            Cell::Integer(value) => context.set_result(value),
            Cell::Real(value) => context.set_result(value),
            Cell::Text(text) => context.set_result(text),
            Cell::Uuid(uuid) => context.set_result(ToSqlOutput::Borrowed(ValueRef::Text(
                uuid.to_text().as_slice(),
            ))),
            Cell::Json(datum, is_map) => {
                let text = json_text(datum, is_map);
                context.set_result(ToSqlOutput::Owned(Value::Text(text)))
            }
        }
    }

    fn rowid(&self) -> Result<i64> {
        self.at().map(i64::from)
    }
}

fn failed(error: Missing) -> Error {
    Error::ModuleError(error.to_string())
}
