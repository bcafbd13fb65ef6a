//! What a new schema means for the tables and rows of an old one.
//!
//! Nothing here sees rows: what depends on them is named, for the caller to look at.

use std::collections::BTreeMap;

use ecow::EcoString;

use super::{ColumnId, ColumnSchema, Schema, TableId, TableSchema};
use crate::types::{BaseType, RefType};

/// A schema that takes the place of another, with what becomes of each table.
#[derive(Clone, Debug)]
pub struct Evolution {
    /// The new schema. What the old one had keeps its numbers where [`Fate::Kept`] says so; what is new has higher ones.
    pub schema: Schema,
    /// What becomes of the tables of the old schema, in order of their numbers.
    pub fates: Vec<Fate>,
    /// True if a column refers to other rows, or in another way, than before, or if one that is new in a table that was
    /// there before refers to a row by default.
    pub references_differ: bool,
}

/// What becomes of a table, and of its rows, when a schema takes the place of another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The new schema does not have it.
    Removed,
    /// Its columns keep their numbers, and its rows are rows of the new table as they are.
    Kept {
        /// Its number in the new schema.
        table: TableId,
        /// Columns that no longer admit every value that they did.
        narrowed: Vec<ColumnId>,
    },
    /// Its rows must be written anew.
    Rewritten {
        /// Its number in the new schema.
        table: TableId,
        /// The columns that the new table has too, `_uuid` and `_version` aside: the number there was, and the new one.
        columns: Vec<(ColumnId, ColumnId)>,
    },
}

impl Evolution {
    /// True if every table and column of the old schema keeps its number, and rows stay as they are.
    pub fn keeps_numbers(&self) -> bool {
        self.fates
            .iter()
            .all(|fate| matches!(fate, Fate::Kept { .. }))
    }
}

impl Schema {
    /// Says what it takes for `new` to take the place of this schema, and numbers its tables and columns for that.
    pub fn evolve(&self, new: Schema) -> Evolution {
        let mut schema = new;
        let mut offered: BTreeMap<EcoString, TableSchema> = std::mem::take(&mut schema.tables)
            .into_iter()
            .map(|table| (table.name.clone(), table))
            .collect();
        let mut fates = Vec::with_capacity(self.tables.len());
        let mut references_differ = false;
        for old in &self.tables {
            let Some(table) = offered.remove(&old.name) else {
                fates.push(Fate::Removed);
                continue;
            };
            let id = TableId(schema.tables.len() as u32);
            let counts =
                |column: &&ColumnSchema| column.ty.min > 0 || old.column_id(&column.name).is_some();
            references_differ |= references_of(old, |_| true).ne(references_of(&table, counts));
            let (table, fate) = old.succeed(table, id);
            schema.tables.push(table);
            fates.push(fate);
        }
        schema.tables.extend(offered.into_values());
        schema.number_tables();
        schema.refresh_references();
        Evolution {
            schema,
            fates,
            references_differ,
        }
    }
}

impl TableSchema {
    /// Numbers the columns of `new`, which takes the place of this table as table `id`, and says what becomes of rows.
    fn succeed(&self, mut new: TableSchema, id: TableId) -> (TableSchema, Fate) {
        let successor = |column: &ColumnSchema| new.column_id(&column.name);
        let stays = |column: &ColumnSchema| {
            let new = successor(column).map(|id| new.column(id));
            new.is_some_and(|new| new.ty.has_form_of(&column.ty))
        };
        if !self.columns.iter().all(stays) {
            let own = self.column_ids().skip(ColumnId::STANDARD);
            let columns = own.filter_map(|id| Some((id, successor(self.column(id))?)));
            let columns = columns.collect();
            return (new, Fate::Rewritten { table: id, columns });
        }

        let indexes: Vec<Vec<EcoString>> = {
            let name = |&id: &ColumnId| new.column(id).name.clone();
            let indexes = new.indexes.iter();
            indexes
                .map(|columns| columns.iter().map(name).collect())
                .collect()
        };
        let is_new = |column: &ColumnSchema| self.column_id(&column.name).is_none();
        let (added, mut kept): (Vec<_>, Vec<_>) = std::mem::take(&mut new.columns)
            .into_iter()
            .partition(is_new);
        kept.sort_by_key(|column| self.column_id(&column.name));
        let narrowed = self.column_ids().zip(&self.columns).zip(&kept);
        let narrowed = narrowed.filter(|((_, old), new)| !new.ty.admits_all_of(&old.ty));
        let narrowed = narrowed.map(|((id, _), _)| id).collect();
        new.columns = kept;
        new.columns.extend(added);
        new.number_columns(self.column_ids());
        new.indexes = indexes
            .iter()
            .map(|names| {
                let id = |name: &EcoString| {
                    new.column_id(name)
                        .expect("the columns of an index are columns of its table")
                };
                names.iter().map(id).collect()
            })
            .collect();
        let fate = Fate::Kept {
            table: id,
            narrowed,
        };
        (new, fate)
    }
}

/// The references that the rows of a table may hold: by the names of columns, in their order, those of its keys and
/// those of its values. Only columns that have references and that `counts` picks are looked at.
fn references_of<'a>(
    table: &'a TableSchema,
    counts: impl Fn(&&'a ColumnSchema) -> bool,
) -> impl Iterator<Item = (&'a EcoString, [Option<(&'a EcoString, RefType)>; 2])> {
    let ids = table.column_ids_by_name().iter();
    let columns = ids.map(|&id| table.column(id)).filter(counts);
    columns.filter_map(|column| {
        let value = column.ty.value.as_ref().and_then(BaseType::reference);
        let references = [column.ty.key.reference(), value];
        (references != [None, None]).then_some((&column.name, references))
    })
}

#[cfg(test)]
mod tests;
