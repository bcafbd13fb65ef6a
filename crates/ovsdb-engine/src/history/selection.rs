//! Rows as people name them: by UUID, by the beginning of one, by a name, or by the value of a column.

use std::collections::BTreeSet;

use ovsdb_proto::atom::Atom;
use ovsdb_proto::schema::{ColumnId, TableId, TableSchema};
use ovsdb_proto::symbols::Symbols;
use ovsdb_proto::text::{atom_to_bare, datum_from_string};
use ovsdb_proto::types::BaseType;
use ovsdb_proto::uuid::Uuid;

use crate::database::Row;

/// With fewer characters than these a text is no beginning of a UUID, but a name.
const PREFIX_MIN: usize = 4;

/// Words for a row: its UUID, the first characters of it (at least four), `.` for any row, the value of its column `name` or
/// of a column that is an index by itself, or `COLUMN=VALUE`.
#[derive(Clone, Debug)]
pub struct RowSelection {
    text: String,
    uuid: Option<Uuid>,
}

/// Rows that were found by their words.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Found {
    /// Those whose values are meant, which count before the others.
    by_value: BTreeSet<(TableId, Uuid)>,
    /// Those whose UUIDs begin so.
    by_prefix: BTreeSet<(TableId, Uuid)>,
}

impl RowSelection {
    /// The rows that `text` names.
    pub fn new(text: impl Into<String>) -> RowSelection {
        let text = text.into();
        RowSelection {
            uuid: Uuid::parse(&text),
            text,
        }
    }

    /// The words.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The UUID, if the words are one. Nothing has to be searched then.
    pub fn uuid(&self) -> Option<Uuid> {
        self.uuid
    }

    /// Adds the row to `found` if the words fit it.
    pub fn look_at(&self, id: TableId, table: &TableSchema, row: &Row, found: &mut Found) {
        let key = (id, row.uuid());
        if self.uuid == Some(row.uuid()) || self.text == "." || self.fits_values(table, row) {
            found.by_value.insert(key);
        } else if self.text.len() >= PREFIX_MIN
            && Uuid::partial_len(&self.text) > 0
            && row.uuid().to_text()[..self.text.len()].eq_ignore_ascii_case(self.text.as_bytes())
        {
            found.by_prefix.insert(key);
        }
    }

    fn fits_values(&self, table: &TableSchema, row: &Row) -> bool {
        if naming_columns(table).any(|id| name_of(row, id).is_some_and(|name| name == self.text)) {
            return true;
        }
        let Some((column, value)) = self.text.split_once('=') else {
            return false;
        };
        let Some(id) = table.column_id(column) else {
            return false;
        };
        let value = datum_from_string(&table.column(id).ty, value, &mut Symbols::none());
        value.is_ok_and(|value| value == *row.get(id))
    }
}

impl Found {
    /// The rows that the words name: those whose values fit, or else those whose UUIDs begin so.
    pub fn rows(&self) -> &BTreeSet<(TableId, Uuid)> {
        if self.by_value.is_empty() {
            &self.by_prefix
        } else {
            &self.by_value
        }
    }

    /// Whether the words are the beginning of several UUIDs, and so of none.
    pub fn is_ambiguous(&self) -> bool {
        self.by_value.is_empty() && self.by_prefix.len() > 1
    }
}

/// The columns by whose values people name the rows of a table: `name`, and those that are an index by themselves, as long
/// as they hold no references.
fn naming_columns(table: &TableSchema) -> impl Iterator<Item = ColumnId> {
    let name = table.column_id("name");
    let indexes = table.indexes.iter().filter_map(|columns| match &**columns {
        [only] => Some(*only),
        _ => None,
    });
    let indexes = indexes.filter(move |id| Some(*id) != name);
    let all = name.into_iter().chain(indexes);
    let is_reference = |id: ColumnId| {
        let mut bases = table.column(id).ty.bases();
        bases.any(|base: &BaseType| base.reference().is_some())
    };
    all.filter(move |&id| !is_reference(id))
}

fn name_of(row: &Row, id: ColumnId) -> Option<String> {
    row.get(id).as_atom().map(atom_to_bare)
}

/// What people call a row: the value of its column `name`, or of the first column that is an index by itself; `None` if the
/// table has none, or it is empty.
pub fn row_name(table: &TableSchema, row: &Row) -> Option<String> {
    let is_text = |id: &ColumnId| matches!(row.get(*id).as_atom(), Some(Atom::String(_)));
    let mut names = naming_columns(table).filter(is_text);
    let name = names.find_map(|id| name_of(row, id));
    name.filter(|name| !name.is_empty())
}
