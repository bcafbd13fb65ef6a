//! Conversion of a database to another schema (ovsdb-server(7), section 4.1.19).
//!
//! What a conversion means is said by [`rebuild`]: all rows, each with the values that the new schema still knows, are
//! inserted into an empty database, and the transaction is committed. That costs what the rows cost. Most conversions only
//! add tables and columns or lift limits; [`extend`] does those without touching a row, and gives up wherever something
//! might be different then.

use std::sync::Arc;

use ovsdb_proto::datum::Datum;
use ovsdb_proto::error::OvsdbError;
use ovsdb_proto::schema::{ColumnId, Evolution, Fate, Schema, TableSchema};
use ovsdb_proto::uuid::Uuid;

use crate::database::{Database, Index, Row, Table, index_key, kept_count, usual_count};
use crate::draft::Draft;
use crate::passes;
use crate::pmap::PMap;

/// A converted database.
#[derive(Clone, Debug)]
pub struct Conversion {
    /// The contents under the new schema.
    pub database: Database,
    /// True if nothing became of the rows: every one is the same row as before, and every table and column of the old
    /// schema has the same number in the new one. So what was known of earlier versions stays true.
    pub is_additive: bool,
    /// True if, more than that, columns are kept in files as before and have the same default values. So whoever has the
    /// rows of an earlier version may go on from there, with default values for columns that did not exist then:
    /// transaction ids keep their meaning. If not, the converted database wants an id that nobody has seen, and nothing
    /// that led there may be told.
    pub keeps_past: bool,
}

/// Converts a database to the schema `new`, whatever its name. Data for tables and columns that `new` does not have are
/// left out, those that it adds have their default values, and all of its constraints apply.
///
/// `fresh` gives row versions.
///
/// # Errors
/// Why the data do not obey the new schema: what a transaction fails with that inserts all rows.
pub fn convert(
    database: &Database,
    new: Schema,
    fresh: &mut dyn FnMut() -> Uuid,
) -> Result<Conversion, OvsdbError> {
    let evolution = database.schema().evolve(new);
    if let Some(extended) = extend(database, &evolution) {
        return Ok(Conversion {
            is_additive: true,
            keeps_past: columns_mean_the_same(database.schema(), extended.schema()),
            database: extended,
        });
    }
    Ok(Conversion {
        database: rebuild(database, &evolution, fresh)?,
        is_additive: false,
        keeps_past: false,
    })
}

/// Whether the columns of `old`, which have the same numbers in `new`, are kept or not as before, and have the same default
/// values.
fn columns_mean_the_same(old: &Schema, new: &Schema) -> bool {
    old.table_ids().all(|id| {
        let mut columns = old.table(id).columns.iter().zip(&new.table(id).columns);
        columns.all(|(old, new)| {
            old.persistent == new.persistent
                && Datum::default_for(&old.ty) == Datum::default_for(&new.ty)
        })
    })
}

/// The conversion where no row changes, and with it nothing that rows say of each other; `None` where that is not sure.
fn extend(database: &Database, evolution: &Evolution) -> Option<Database> {
    if evolution.references_differ {
        return None;
    }
    let schema = Arc::new(evolution.schema.clone());
    let mut tables: Vec<Arc<Table>> = Vec::with_capacity(schema.tables.len());
    for (old_id, fate) in database.table_ids().zip(&evolution.fates) {
        let Fate::Kept {
            table: id,
            narrowed,
        } = fate
        else {
            return None;
        };
        let rows = database.shared_table(old_id);
        let (old, new) = (database.schema().table(old_id), schema.table(*id));
        let may_be_garbage = old.is_root && !new.is_root && !rows.is_empty();
        if may_be_garbage || rows.len() > new.max_rows as usize {
            return None;
        }
        for &column in narrowed {
            let ty = &new.column(column).ty;
            if !rows.iter().all(|row| row.get(column).fits(ty)) {
                return None;
            }
        }
        let mut table = rows.clone();
        if old.indexes != new.indexes {
            let indexes = new.indexes.iter();
            let indexes = indexes.map(|columns| {
                let known = old.indexes.iter().position(|other| other == columns);
                known.map_or_else(|| index(rows, columns), |at| Some(rows.indexes[at].clone()))
            });
            Arc::make_mut(&mut table).indexes = indexes.collect::<Option<_>>()?;
        }
        if old.is_root != new.is_root {
            Arc::make_mut(&mut table).strong_refs = counts(rows, old, new);
        }
        tables.push(table);
    }
    Some(Database::with_tables(schema, tables))
}

/// The counts of strong references of `rows` of the table `old`, as they are kept for `new`.
fn counts(rows: &Table, old: &TableSchema, new: &TableSchema) -> PMap<Uuid, usize> {
    let counts = rows.rows.iter().filter_map(|(uuid, _)| {
        let count = rows.strong_refs.get(uuid).copied();
        let count = count.unwrap_or_else(|| usual_count(old));
        Some((*uuid, kept_count(new, count)?))
    });
    PMap::from_sorted(counts.collect())
}

/// The entries of an index over `columns`; `None` if two rows agree in them.
fn index(rows: &Table, columns: &[ColumnId]) -> Option<Index> {
    let mut entries: Vec<_> = rows
        .iter()
        .map(|row| (index_key(row, columns), row.uuid()))
        .collect();
    entries.sort_unstable();
    let is_unique = entries.windows(2).all(|pair| pair[0].0 != pair[1].0);
    let mut index = Index::new();
    for entry in entries {
        index.insert(entry, ());
    }
    is_unique.then_some(index)
}

/// The conversion as a transaction that inserts all rows into an empty database. Rows of tables that stay as they are
/// stay the same rows.
fn rebuild(
    database: &Database,
    evolution: &Evolution,
    fresh: &mut dyn FnMut() -> Uuid,
) -> Result<Database, OvsdbError> {
    let schema = Arc::new(evolution.schema.clone());
    let mut draft = Draft::on(Database::new(schema.clone()));
    for (id, fate) in database.table_ids().zip(&evolution.fates) {
        let old = database.schema().table(id);
        let rows = database.table(id).iter();
        match fate {
            Fate::Removed => {}
            Fate::Kept { table, narrowed } => {
                let new = schema.table(*table);
                for row in rows {
                    for &id in narrowed {
                        row.get(id)
                            .convert(&old.column(id).ty, &new.column(id).ty)?;
                    }
                    draft.set((*table, row.uuid()), Some(row.clone()));
                }
            }
            Fate::Rewritten { table, columns } => {
                let new = schema.table(*table);
                for row in rows {
                    let mut rewritten = Row::with_defaults(new, row.uuid(), fresh());
                    for &(from, to) in columns {
                        let (from_ty, to_ty) = (&old.column(from).ty, &new.column(to).ty);
                        let datum = row.get(from);
                        // What a type admitted is not looked at again: the default value of a column may break its
                        // constraints.
                        *rewritten.get_mut(to) = match from_ty == to_ty {
                            true => datum.clone(),
                            false => datum.convert(from_ty, to_ty)?,
                        };
                    }
                    draft.set((*table, row.uuid()), Some(Arc::new(rewritten)));
                }
            }
        }
    }
    passes::commit(&mut draft, fresh)?;
    let (database, _) = draft.finish();
    Ok(database)
}
