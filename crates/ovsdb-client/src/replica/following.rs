//! Rows that count as changed because rows to which they refer have: come, changed or gone.
//!
//! Only columns that an [`Interest`] follows lead from one to the other, from row to row as far as there are such columns.

use std::collections::{BTreeMap, BTreeSet};

use ovsdb_proto::atom::Atom;
use ovsdb_proto::datum::Datum;
use ovsdb_proto::schema::{ColumnId, Schema, TableId};
use ovsdb_proto::types::BaseType;
use ovsdb_proto::uuid::Uuid;

use super::change::{Change, Changes, Interest};
use super::index::Index;
use super::version::{Row, Version};

/// A column that is followed.
struct Link {
    table: TableId,
    column: ColumnId,
    /// To which rows elements of a set, or keys, refer.
    key: Option<TableId>,
    /// To which rows values of a map refer.
    value: Option<TableId>,
    /// By which referring rows are found, if the version has it.
    index: Index,
}

/// The changes that are of interest, in the order of the names of tables, then of rows, with those rows that only refer to what
/// changed.
pub(super) fn changes<'a>(changes: &'a Changes, interest: &Interest) -> Vec<Change<'a>> {
    let newer = changes.newer();
    let schema = newer.schema();
    let links = links(schema, interest);
    let mut found = BTreeMap::new();
    let mut next = BTreeSet::new();
    for change in changes.every() {
        if interest.counts(&change) {
            next.extend(schema.table_id(change.table()).zip(Some(change.uuid())));
            found.insert((change.table(), change.uuid()), change);
        }
    }
    while !next.is_empty() {
        let changed = std::mem::take(&mut next);
        for link in &links {
            for row in link.referrers(newer, &changed) {
                let table = schema.table(link.table);
                let key = (table.name.as_str(), row.uuid());
                // A row that is new has been found already.
                if !found.contains_key(&key)
                    && let Some(change) = changes.by_reference(table, row)
                {
                    found.insert(key, change);
                    next.insert((link.table, row.uuid()));
                }
            }
        }
    }
    let changes = found.into_values();
    changes
        .filter(|change| interest.has_table(change.table()))
        .collect()
}

/// The columns that are followed and refer to something.
fn links(schema: &Schema, interest: &Interest) -> Vec<Link> {
    let link = |(name, column): (&str, &str)| {
        let (table, columns) = schema.table_by_name(name)?;
        let id = columns.column_id(column)?;
        let ty = &columns.column(id).ty;
        let key = ty.key.ref_table_id();
        let value = ty.value.as_ref().and_then(BaseType::ref_table_id);
        (key.is_some() || value.is_some()).then(|| Link {
            table,
            column: id,
            key,
            value,
            index: Index::on(name).element(column),
        })
    };
    interest.followed().filter_map(link).collect()
}

impl Link {
    /// The rows that refer to one of these.
    fn referrers<'a>(
        &self,
        version: &'a Version,
        changed: &BTreeSet<(TableId, Uuid)>,
    ) -> Vec<&'a Row> {
        let among = |table: Option<TableId>| -> BTreeSet<Uuid> {
            let uuids = changed.iter().filter(|(of, _)| Some(*of) == table);
            uuids.map(|(_, uuid)| *uuid).collect()
        };
        let (keys, values) = (among(self.key), among(self.value));
        if keys.is_empty() && values.is_empty() {
            return Vec::new();
        }
        let rows = version.rows(self.table);
        if values.is_empty() && version.has_index(&self.index) {
            let mut found = Vec::new();
            for uuid in keys {
                let key = [Datum::from_atom(Atom::Uuid(uuid))];
                let named: Vec<Uuid> = version.find(&self.index, &key).map(Row::uuid).collect();
                found.extend(named.iter().filter_map(|uuid| rows.get(uuid)));
            }
            return found;
        }
        let is_among = |uuids: &BTreeSet<Uuid>, atom: &Atom| {
            atom.as_uuid().is_some_and(|uuid| uuids.contains(&uuid))
        };
        let refers = |row: &&Row| {
            let value = row.get(self.column);
            (!keys.is_empty() && value.keys().any(|key| is_among(&keys, key)))
                || (!values.is_empty() && value.values().any(|value| is_among(&values, value)))
        };
        rows.values().filter(refers).collect()
    }
}

#[cfg(test)]
mod tests;
