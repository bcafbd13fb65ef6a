//! The part of a schema that a client keeps a copy of: the tables and columns that it chose, of those that there are.
//!
//! Nothing here is an error. What was chosen and is not there is named, for the caller to say what that means.

use std::collections::BTreeMap;
use std::sync::Arc;

use ecow::EcoString;

use super::{ColumnId, ColumnSchema, Schema, TableId, TableSchema};
use crate::types::{BaseType, Constraint};

/// Tables and columns by their names, chosen before it is known which of them there are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// The columns of all tables that are not in `tables`; `None`: those tables are not chosen.
    rest: Option<Columns>,
    tables: BTreeMap<EcoString, Columns>,
}

/// Columns of a table, chosen by name.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Columns {
    All,
    /// In order of the names, each once.
    Named(Vec<EcoString>),
}

/// The chosen part of a schema.
#[derive(Clone, Debug)]
pub struct Projection {
    /// The chosen tables that there are, each with the chosen columns that there are, both numbered in order of their names.
    ///
    /// What limits values is left out, for what a server has is not to be refused: enumerations, ranges, lengths. How many
    /// elements a column holds stays, and so do references; one into a table that was not chosen has no
    /// [`BaseType::ref_table_id`]. Of indexes there are those whose columns were all chosen. Such a schema takes part in no
    /// [`Schema::evolve`].
    pub schema: Arc<Schema>,
    /// What was chosen and is not there: tables (`None`) and columns, in order of their names.
    pub missing: Vec<(EcoString, Option<EcoString>)>,
}

impl Selection {
    /// Nothing is chosen.
    pub fn new() -> Selection {
        Selection::default()
    }

    /// All columns of all tables.
    pub fn all() -> Selection {
        Selection {
            rest: Some(Columns::All),
            tables: BTreeMap::new(),
        }
    }

    /// The rows of all tables, by their UUIDs.
    pub fn rows() -> Selection {
        Selection {
            rest: Some(Columns::Named(Vec::new())),
            tables: BTreeMap::new(),
        }
    }

    /// Chooses all columns of a table.
    pub fn table(mut self, name: impl Into<EcoString>) -> Selection {
        self.tables.insert(name.into(), Columns::All);
        self
    }

    /// Chooses some columns of a table, in place of those chosen before: with none of them, its rows by their UUIDs.
    /// `_uuid` need not be chosen; `_version` is one of these columns or is not told.
    pub fn columns<C: Into<EcoString>>(
        mut self,
        table: impl Into<EcoString>,
        columns: impl IntoIterator<Item = C>,
    ) -> Selection {
        let mut columns: Vec<EcoString> = columns.into_iter().map(Into::into).collect();
        columns.retain(|name| name != "_uuid");
        columns.sort_unstable();
        columns.dedup();
        self.tables.insert(table.into(), Columns::Named(columns));
        self
    }

    /// The columns chosen of the table, if it is chosen.
    fn of(&self, table: &str) -> Option<&Columns> {
        self.tables.get(table).or(self.rest.as_ref())
    }

    /// Whether a client wants to be told the `_version` of the rows of `table`.
    pub fn has_version(&self, table: &str) -> bool {
        match self.of(table) {
            Some(Columns::Named(names)) => names.iter().any(|name| name == "_version"),
            Some(Columns::All) | None => false,
        }
    }
}

impl Schema {
    /// The part of this schema that is in `selection`.
    pub fn project(&self, selection: &Selection) -> Projection {
        let mut missing = Vec::new();
        for (name, columns) in &selection.tables {
            match (self.table_by_name(name), columns) {
                (None, _) => missing.push((name.clone(), None)),
                (Some(_), Columns::All) => {}
                (Some((_, table)), Columns::Named(columns)) => {
                    let lacks = |column: &&EcoString| table.column_id(column).is_none();
                    let lacking = columns.iter().filter(lacks);
                    missing.extend(lacking.map(|column| (name.clone(), Some(column.clone()))));
                }
            }
        }
        let tables = self.by_name.iter().map(|&id| self.table(id));
        let tables = tables.filter_map(|table| Some(table.project(selection.of(&table.name)?)));
        let mut schema = Schema {
            name: self.name.clone(),
            version: self.version.clone(),
            cksum: self.cksum.clone(),
            tables: tables.collect(),
            by_name: Vec::new(),
        };
        schema.number_tables();
        schema.find_references();
        Projection {
            schema: Arc::new(schema),
            missing,
        }
    }

    /// Finds those tables that references name and that there are.
    fn find_references(&mut self) {
        let tables: BTreeMap<EcoString, TableId> = self
            .table_ids()
            .map(|id| (self.table(id).name.clone(), id))
            .collect();
        let columns = self.tables.iter_mut().flat_map(|table| &mut table.columns);
        for base in columns.flat_map(|column| column.ty.bases_mut()) {
            if let Constraint::Uuid {
                ref_table: Some(table),
                ref_table_id,
                ..
            } = &mut base.constraint
            {
                *ref_table_id = tables.get(table).copied();
            }
        }
    }
}

impl TableSchema {
    fn project(&self, chosen: &Columns) -> TableSchema {
        let is_chosen = |column: &ColumnSchema| match chosen {
            Columns::All => true,
            Columns::Named(names) => names.binary_search(&column.name).is_ok(),
        };
        let mut table = self.clone();
        let own = self.column_ids_by_name().iter().map(|&id| self.column(id));
        table.columns.truncate(ColumnId::STANDARD);
        table
            .columns
            .extend(own.filter(|column| is_chosen(column)).cloned());
        for base in table
            .columns
            .iter_mut()
            .flat_map(|column| column.ty.bases_mut())
        {
            lift_limits(base);
        }
        table.number_columns(std::iter::empty());
        let index = |columns: &Vec<ColumnId>| {
            let names = columns.iter().map(|&id| &self.column(id).name);
            names.map(|name| table.column_id(name)).collect()
        };
        table.indexes = self.indexes.iter().filter_map(index).collect();
        table
    }
}

/// Leaves nothing that limits values of `base`; references limit none.
fn lift_limits(base: &mut BaseType) {
    base.enum_ = None;
    if base.reference().is_none() {
        base.constraint = Constraint::unlimited(base.kind);
    }
}

#[cfg(test)]
mod tests;
