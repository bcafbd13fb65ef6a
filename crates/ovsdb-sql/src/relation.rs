//! The rows of a relation while a statement is answered, with the indexes that it has wanted so far.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use ovsdb_proto::atom::Atom;
use ovsdb_proto::schema::ColumnId;
use smallvec::SmallVec;

use crate::catalog::{Catalog, Kind, Relation, Source};
use crate::cell::Cell;
use crate::contents::{Contents, Rows};
use crate::index::{Index, Key, selectivity};

/// Columns of a relation by their places, ascending.
pub(crate) type Columns = SmallVec<[u16; 4]>;

/// Rows of one relation.
pub(crate) struct Data {
    catalog: Arc<Catalog>,
    relation: usize,
    rows: Option<Arc<dyn Rows>>,
    /// Where the rows have what the columns are made of.
    places: Vec<Option<ColumnId>>,
    elements_at: Option<ColumnId>,
    elements: OnceLock<Vec<Element>>,
    indexes: Mutex<HashMap<Columns, Arc<Index>>>,
    estimates: Mutex<HashMap<Columns, f64>>,
}

/// An element of a set or map.
struct Element {
    row: u32,
    key: Atom,
    value: Option<Atom>,
}

/// A column that a statement reads is not among the rows that it was given.
#[derive(Debug, thiserror::Error)]
#[error("column {column} of {relation} was not read")]
pub(crate) struct Missing {
    relation: String,
    column: String,
}

impl Data {
    pub(crate) fn new(catalog: &Arc<Catalog>, relation: usize, contents: &Contents) -> Data {
        let shape = &catalog.relations[relation];
        let rows = contents.rows(shape.table).cloned();
        let place = |id: ColumnId| rows.as_ref().and_then(|rows| rows.column(id));
        let places = shape.columns.iter().map(|column| match column.source {
            Source::Column(id) => place(id),
            Source::Key | Source::Value => None,
        });
        Data {
            places: places.collect(),
            elements_at: shape.elements_of.and_then(place),
            catalog: Arc::clone(catalog),
            relation,
            rows,
            elements: OnceLock::new(),
            indexes: Mutex::default(),
            estimates: Mutex::default(),
        }
    }

    pub(crate) fn relation(&self) -> &Relation {
        &self.catalog.relations[self.relation]
    }

    /// How many rows there are. Rows are numbered by 32 bits: a table has fewer, and of more elements those that fit are
    /// refused by [`Data::is_too_large`].
    pub(crate) fn len(&self) -> usize {
        match self.relation().elements_of {
            None => self.rows.as_ref().map_or(0, |rows| rows.len()),
            Some(_) => self.elements().len(),
        }
    }

    pub(crate) fn is_too_large(&self) -> bool {
        self.len() >= u32::MAX as usize
    }

    fn elements(&self) -> &[Element] {
        self.elements.get_or_init(|| {
            let (Some(rows), Some(at)) = (&self.rows, self.elements_at) else {
                return Vec::new();
            };
            let rows = (0..rows.len()).flat_map(|n| {
                let elements = at.of(rows.row(n)).iter();
                elements.map(move |(key, value)| Element {
                    row: n as u32,
                    key: key.clone(),
                    value: value.cloned(),
                })
            });
            rows.collect()
        })
    }

    /// The value of a column, by its place, of row `n`.
    pub(crate) fn cell(&self, n: u32, column: usize) -> Result<Cell<'_>, Missing> {
        let shape = &self.relation().columns[column];
        let (row, element) = match self.relation().elements_of {
            None => (n, None),
            Some(_) => {
                let element = &self.elements()[n as usize];
                (element.row, Some(element))
            }
        };
        let missing = || Missing {
            relation: self.relation().name.clone(),
            column: shape.name.clone(),
        };
        match (shape.source, element) {
            (Source::Key, Some(element)) => Ok(Cell::of_atom(&element.key)),
            (Source::Value, Some(element)) => {
                let value = element.value.as_ref();
                Ok(value.map_or(Cell::Null, Cell::of_atom))
            }
            (Source::Column(_), _) => {
                let place = self.places[column].ok_or_else(missing)?;
                let rows = self.rows.as_ref().ok_or_else(missing)?;
                let datum = place.of(rows.row(row as usize));
                Ok(Cell::of_datum(datum, shape.kind, shape.ty.is_map()))
            }
            (Source::Key | Source::Value, None) => Err(missing()),
        }
    }

    /// Whether rows can be found by the value of a column.
    pub(crate) fn is_found_by(&self, column: usize) -> bool {
        self.relation().columns[column].kind != Kind::Json
    }

    /// Whether a column holds text that may look like a number.
    pub(crate) fn is_text(&self, column: usize) -> bool {
        self.relation().columns[column].kind == Kind::Text
    }

    /// Whether at most one row has a certain value in these columns.
    pub(crate) fn is_unique(&self, columns: &Columns) -> bool {
        let relation = self.relation();
        let by_uuid =
            |&at: &u16| relation.columns[usize::from(at)].source == Source::Column(ColumnId::UUID);
        relation.elements_of.is_none() && columns.iter().any(by_uuid)
    }

    /// The number of rows that have the same values in these columns, on average.
    pub(crate) fn rows_of_one_key(&self, columns: &Columns) -> Result<f64, Missing> {
        let mut estimates = self
            .estimates
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(rows) = estimates.get(columns) {
            return Ok(*rows);
        }
        let rows = selectivity(self, columns)? * self.len() as f64;
        estimates.insert(columns.clone(), rows);
        Ok(rows)
    }

    /// The index by these columns, which is made if there is none yet.
    pub(crate) fn index(&self, columns: &Columns) -> Result<Arc<Index>, Missing> {
        let mut indexes = self.indexes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(index) = indexes.get(columns) {
            return Ok(Arc::clone(index));
        }
        let index = Arc::new(Index::build(self, columns)?);
        indexes.insert(columns.clone(), Arc::clone(&index));
        Ok(index)
    }

    /// The values of some columns of row `n`; `None` if one of them is null, which equals nothing.
    pub(crate) fn key(&self, n: u32, columns: &Columns) -> Result<Option<Key<'_>>, Missing> {
        let mut key = Key::new();
        for &column in columns {
            match self.cell(n, usize::from(column))? {
                Cell::Null => return Ok(None),
                cell => key.push(cell),
            }
        }
        Ok(Some(key))
    }
}
