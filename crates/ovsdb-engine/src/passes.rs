//! The checks and repairs that end a transaction, as named passes in the order of RFC 7047 (sections 3.2,
//! 4.1.3) and ovsdb-server(7).
//!
//! The passes: what changed at all; reference counts, and with them that no deleted row is still referred to; garbage
//! collection; row limits; weak references; indexes; `_version`. Each costs what the transaction changed,
//! not what the tables hold.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hashbrown::HashMap;

use ovsdb_proto::atom::{Atom, AtomType};
use ovsdb_proto::datum::Datum;
use ovsdb_proto::error::{ErrorTag, OvsdbError};
use ovsdb_proto::schema::{ColumnId, TableId};
use ovsdb_proto::text::datum_to_string;
use ovsdb_proto::types::{BaseType, ColumnType};
use ovsdb_proto::uuid::Uuid;

use crate::database::{Row, index_key};
use crate::draft::{Counted, Draft, RowKey, SCANNED_MAX};
use crate::hashing::RowHash;

/// Checks and completes a draft, or says why it cannot be.
pub(crate) fn commit(draft: &mut Draft, fresh: &mut dyn FnMut() -> Uuid) -> Result<(), OvsdbError> {
    draft.drop_unchanged();
    if draft.touched().is_empty() {
        return Ok(());
    }
    let candidates = count_references(draft)?;
    collect_garbage(draft, candidates);
    check_row_limits(draft)?;
    settle_weak_references(draft)?;
    index_weak_references(draft);
    check_indexes(draft)?;
    renew_versions(draft, fresh);
    Ok(())
}

/// Calls `f` with every row that `datum` refers to by a reference that `wanted` picks.
pub(crate) fn for_each_reference(
    datum: &Datum,
    ty: &ColumnType,
    wanted: fn(&BaseType) -> bool,
    mut f: impl FnMut(RowKey),
) {
    let target = |base: &BaseType| {
        if wanted(base) {
            base.ref_table_id()
        } else {
            None
        }
    };
    let key_table = target(&ty.key);
    let value_table = ty.value.as_ref().and_then(target);
    for (key, value) in datum.iter() {
        if let (Some(table), Atom::Uuid(uuid)) = (key_table, key) {
            f((table, *uuid));
        }
        if let (Some(table), Some(Atom::Uuid(uuid))) = (value_table, value) {
            f((table, *uuid));
        }
    }
}

/// What `new` has and `old` has not, and the reverse: (added, removed).
fn added_removed(old: Option<&Row>, new: Option<&Row>, column: ColumnId) -> (Datum, Datum) {
    match (
        old.map(|row| row.get(column)),
        new.map(|row| row.get(column)),
    ) {
        (Some(old), Some(new)) => Datum::added_removed(old, new),
        (Some(old), None) => (Datum::empty(), old.clone()),
        (None, Some(new)) => (new.clone(), Datum::empty()),
        (None, None) => (Datum::empty(), Datum::empty()),
    }
}

/// What a transaction does to the counts of references.
#[derive(Default)]
struct Deltas {
    /// In the order in which they came.
    list: Vec<(RowKey, i64)>,
    /// Where in the list a row stands, once there are more than [`SCANNED_MAX`].
    places: HashMap<RowKey, usize, RowHash>,
}

impl Deltas {
    fn place(&self, to: &RowKey) -> Option<usize> {
        if self.list.len() <= SCANNED_MAX {
            self.list.iter().position(|(known, _)| known == to)
        } else {
            self.places.get(to).copied()
        }
    }

    fn add(&mut self, to: RowKey, delta: i64) {
        if let Some(at) = self.place(&to) {
            self.list[at].1 += delta;
            return;
        }
        self.list.push((to, delta));
        if self.list.len() > SCANNED_MAX {
            let new = self.list.iter().enumerate().skip(self.places.len());
            self.places.extend(new.map(|(at, (to, _))| (*to, at)));
        }
    }

    /// 0 for a row of which nothing was added.
    fn get(&self, to: &RowKey) -> i64 {
        self.place(to).map_or(0, |at| self.list[at].1)
    }
}

/// Takes a strong reference to a row out of account. True if none is left.
fn lose_reference(draft: &mut Draft, to: RowKey) -> bool {
    let before = draft.strong_count(&to);
    let after = before
        .checked_sub(1)
        .expect("every reference that goes was counted when it came");
    let counted = Counted {
        to,
        before: Some(before),
        after: Some(after),
    };
    draft.set_strong_counts([counted].into_iter());
    after == 0
}

/// Brings the counts of strong references up to date, and checks that no deleted row is still referred to. Gives back the
/// rows that may be garbage now.
fn count_references(draft: &mut Draft) -> Result<Vec<RowKey>, OvsdbError> {
    let schema = draft.schema().clone();
    let mut deltas = Deltas::default();
    for touched in draft.touched() {
        let key = touched.key;
        let table = schema.table(key.0);
        let (old, new) = (touched.old.as_deref(), touched.new.as_deref());
        let mut count = |target: RowKey, delta: i64| deltas.add(target, delta);
        if old.is_none() && !table.is_root {
            // It is garbage unless somebody refers to it.
            count(key, 0);
        }
        for &column in &draft.plan(key.0).strong {
            let ty = &table.column(column).ty;
            let (added, removed) = added_removed(old, new, column);
            // A row's references to itself do not keep it.
            let mut count = |target: RowKey, delta: i64| {
                if target != key {
                    count(target, delta);
                }
            };
            let mut missing = None;
            for_each_reference(&removed, ty, BaseType::is_strong_ref, |target| {
                count(target, -1)
            });
            for_each_reference(&added, ty, BaseType::is_strong_ref, |target| {
                // A row that this transaction deleted exists here; it is complained of below.
                if target != key && !draft.is_or_was(&target) {
                    missing.get_or_insert(target);
                }
                count(target, 1);
            });
            if let Some((target_table, target)) = missing {
                return Err(OvsdbError::new(
                    ErrorTag::ReferentialIntegrityViolation,
                    format!(
                        "Table {} column {} row {} references nonexistent row {} in table {}.",
                        table.name,
                        table.column(column).name,
                        key.1,
                        target,
                        schema.table(target_table).name
                    ),
                ));
            }
        }
    }
    check_deleted_rows_are_unreferenced(draft, &deltas)?;
    let mut candidates = Vec::new();
    let counted = |(target, delta): &(RowKey, i64)| {
        let (is_new, is_there) = match draft.touch(target) {
            Some(touched) => (touched.old.is_none(), touched.new.is_some()),
            None => (false, true),
        };
        let before = (!is_new).then(|| draft.strong_count(target));
        let after = add(before.unwrap_or(0), *delta);
        if after == 0 && is_there && !schema.table(target.0).is_root {
            candidates.push(*target);
        }
        Counted {
            to: *target,
            before,
            after: is_there.then_some(after),
        }
    };
    let counts: Vec<Counted> = deltas.list.iter().map(counted).collect();
    draft.set_strong_counts(counts.into_iter());
    Ok(candidates)
}

/// So many references and these more or fewer.
fn add(count: usize, delta: i64) -> usize {
    count
        .checked_add_signed(delta as isize)
        .expect("every reference that goes was counted when it came")
}

/// `deltas`: what the transaction does to the counts of strong references.
fn check_deleted_rows_are_unreferenced(draft: &Draft, deltas: &Deltas) -> Result<(), OvsdbError> {
    for touched in draft
        .touched()
        .iter()
        .filter(|touched| touched.new.is_none())
    {
        let delta = deltas.get(&touched.key);
        let count = add(draft.strong_count(&touched.key), delta);
        if count > 0 {
            let (table, row) = touched.key;
            let table = &draft.schema().table(table).name;
            return Err(OvsdbError::new(
                ErrorTag::ReferentialIntegrityViolation,
                format!(
                    "cannot delete {table} row {row} because of {count} remaining reference(s)"
                ),
            ));
        }
    }
    Ok(())
}

/// What becomes of a row while garbage is looked for.
struct Fate {
    /// How many strong references to it there were, and are left.
    before: usize,
    left: usize,
    is_garbage: bool,
}

/// Deletes rows to which nothing refers strongly, from tables that are not in the root set, and what only
/// they referred to (RFC 7047, section 3.2, "isRoot"). Gives back the rows that went.
///
/// First they are found, then all are taken out at once.
fn collect_garbage(draft: &mut Draft, mut candidates: Vec<RowKey>) -> Vec<RowKey> {
    if candidates.is_empty() {
        return candidates;
    }
    let schema = draft.schema().clone();
    let mut fates: HashMap<RowKey, Fate, RowHash> = HashMap::default();
    let fate_of = |draft: &Draft, key: &RowKey| {
        let count = draft.strong_count(key);
        Fate {
            before: count,
            left: count,
            is_garbage: false,
        }
    };
    let mut garbage = Vec::new();
    while let Some(key) = candidates.pop() {
        let table = schema.table(key.0);
        if table.is_root {
            continue;
        }
        let fate = fates.entry(key).or_insert_with(|| fate_of(draft, &key));
        if fate.left > 0 || fate.is_garbage {
            continue;
        }
        let Some(row) = draft.row(&key) else {
            continue;
        };
        fate.is_garbage = true;
        for &column in &draft.plan(key.0).strong {
            let ty = &table.column(column).ty;
            for_each_reference(row.get(column), ty, BaseType::is_strong_ref, |target| {
                if target == key {
                    return;
                }
                let fate = fates
                    .entry(target)
                    .or_insert_with(|| fate_of(draft, &target));
                fate.left = fate
                    .left
                    .checked_sub(1)
                    .expect("every reference that goes was counted when it came");
                if fate.left == 0 {
                    candidates.push(target);
                }
            });
        }
        garbage.push((key, row.clone()));
    }
    let deleted = garbage.iter().map(|(key, _)| *key).collect();
    draft.remove_all(garbage);
    let counts = fates.into_iter().map(|(to, fate)| Counted {
        to,
        before: Some(fate.before),
        after: (!fate.is_garbage).then_some(fate.left),
    });
    draft.set_strong_counts(counts);
    deleted
}

fn check_row_limits(draft: &Draft) -> Result<(), OvsdbError> {
    let mut tables: Vec<TableId> = draft
        .touched()
        .iter()
        .map(|touched| touched.key.0)
        .collect();
    tables.sort_unstable();
    tables.dedup();
    for id in tables {
        let table = draft.schema().table(id);
        let rows = draft.table(id).len();
        if rows > table.max_rows as usize {
            return Err(OvsdbError::constraint(format!(
                "transaction causes \"{}\" table to contain {rows} rows, greater than the \
                 schema-defined limit of {} row(s)",
                table.name, table.max_rows
            )));
        }
    }
    Ok(())
}

/// Removes weak references to rows that are gone or never were, then checks that no column fell below its
/// least size (RFC 7047, section 3.2, "refType").
///
/// A pair removed from a map for its weak half may have held the last strong reference of its other half,
/// so that rows become garbage here, and the search goes round again. The reference program goes on counting
/// such a reference until it is restarted.
fn settle_weak_references(draft: &mut Draft) -> Result<(), OvsdbError> {
    let gone = draft
        .touched()
        .iter()
        .filter(|touched| touched.new.is_none());
    let mut deleted: Vec<RowKey> = gone.map(|touched| touched.key).collect();
    loop {
        // Rows that may hold a dangling reference, each with the rows that it used to refer to and that
        // are gone now: those that referred to them before, and those that this transaction changed.
        let mut suspects: BTreeMap<RowKey, BTreeSet<RowKey>> = BTreeMap::new();
        for target in &deleted {
            let sources = &draft.table(target.0).weak_refs;
            let first = (target.1, TableId(0), Uuid::ZERO);
            let of_target = sources
                .range_from(&first)
                .take_while(|((to, ..), _)| *to == target.1);
            for ((_, table, source), _) in of_target {
                suspects
                    .entry((*table, *source))
                    .or_default()
                    .insert(*target);
            }
        }
        let mut candidates = Vec::new();
        for at in 0..draft.touched().len() {
            let key = draft.touched()[at].key;
            if !draft.plan(key.0).weak.is_empty() {
                let gone = suspects.remove(&key).unwrap_or_default();
                prune_weak_references(draft, key, &gone, &mut candidates)?;
            }
        }
        for (key, gone) in &suspects {
            prune_weak_references(draft, *key, gone, &mut candidates)?;
        }
        deleted = collect_garbage(draft, candidates);
        if deleted.is_empty() {
            // A row may be what it was again. It still counts as changed, and gets a new `_version`.
            return Ok(());
        }
    }
}

/// Takes references to `gone` rows, and those added to rows that do not exist, out of one row. Rows to which
/// nothing refers strongly any more are added to `candidates`.
fn prune_weak_references(
    draft: &mut Draft,
    key: RowKey,
    gone: &BTreeSet<RowKey>,
    candidates: &mut Vec<RowKey>,
) -> Result<(), OvsdbError> {
    let (old, row) = match draft.touch(&key) {
        Some(touched) => (touched.old.clone(), touched.new.clone()),
        None => (draft.row(&key).cloned(), draft.row(&key).cloned()),
    };
    let Some(row) = row else {
        return Ok(());
    };
    let schema = draft.schema().clone();
    let table = schema.table(key.0);
    let mut pruned: Option<Row> = None;
    let mut lost = Vec::new();
    for &id in &draft.plan(key.0).weak {
        let column = table.column(id);
        let dangling = dangling_entries(draft, &row, old.as_deref(), id, &column.ty, gone);
        if dangling.is_empty() {
            continue;
        }
        let before = row.get(id);
        let mut after = before.clone();
        let mut zero = false;
        for (entry, target) in &dangling {
            zero |= *target == Uuid::ZERO;
            if column.ty.has_strong_refs() {
                // Key and value cannot both be weak where a column has strong references: this is a pair.
                let value = before
                    .get(entry)
                    .cloned()
                    .expect("a column with both kinds is a map");
                let pair = Datum::from_pair(entry.clone(), value);
                for_each_reference(&pair, &column.ty, BaseType::is_strong_ref, |target| {
                    lost.push(target)
                });
            }
            after.remove(entry);
        }
        if after.len() < column.ty.min as usize {
            return Err(became_empty(
                &table.name,
                &column.name,
                key.1,
                old.is_some(),
                zero,
                before.len() - after.len(),
            ));
        }
        *pruned
            .get_or_insert_with(|| row.to_change(table))
            .get_mut(id) = after;
    }
    for target in lost.into_iter().filter(|target| *target != key) {
        if lose_reference(draft, target) {
            candidates.push(target);
        }
    }
    if let Some(pruned) = pruned {
        draft.set(key, Some(Arc::new(pruned)));
    }
    Ok(())
}

/// The entries of a column with weak references that must go: their keys, each once, and the row that each
/// refers to in vain.
fn dangling_entries(
    draft: &Draft,
    row: &Row,
    old: Option<&Row>,
    column: ColumnId,
    ty: &ColumnType,
    gone: &BTreeSet<RowKey>,
) -> BTreeMap<Atom, Uuid> {
    let datum = row.get(column);
    let mut dangling = BTreeMap::new();
    let table_of = |base: &BaseType| {
        if base.is_weak_ref() {
            base.ref_table_id()
        } else {
            None
        }
    };
    let key_table = table_of(&ty.key);
    let value_table = ty.value.as_ref().and_then(table_of);
    for (table, uuid) in gone {
        if key_table == Some(*table) {
            let atom = Atom::Uuid(*uuid);
            if datum.contains_key(&atom) {
                dangling.insert(atom, *uuid);
            }
        }
    }
    if let Some(value_table) = value_table.filter(|id| gone.iter().any(|(table, _)| table == id)) {
        for (key, value) in datum.iter() {
            if let Some(Atom::Uuid(uuid)) = value
                && gone.contains(&(value_table, *uuid))
            {
                dangling.insert(key.clone(), *uuid);
            }
        }
    }
    let (added, _) = added_removed(old, Some(row), column);
    for (key, value) in added.iter() {
        for (table, atom) in [(key_table, Some(key)), (value_table, value)] {
            if let (Some(table), Some(Atom::Uuid(uuid))) = (table, atom)
                && draft.row(&(table, *uuid)).is_none()
            {
                dangling.insert(key.clone(), *uuid);
            }
        }
    }
    dangling
}

fn became_empty(
    table: &str,
    column: &str,
    row: Uuid,
    existed: bool,
    zero: bool,
    removed: usize,
) -> OvsdbError {
    let details = if zero && !existed {
        format!(
            "Weak reference column \"{column}\" in \"{table}\" row {row} (inserted within this \
             transaction) contained all-zeros UUID (probably as the default value for this column) but \
             deleting this value caused a constraint volation because this column is not allowed to be \
             empty."
        )
    } else {
        let inserted = if existed {
            ""
        } else {
            "(inserted within this transaction) "
        };
        format!(
            "Deletion of {removed} weak reference(s) to deleted (or never-existing) rows from column \
             \"{column}\" in \"{table}\" row {row} {inserted}caused this column to become empty, but \
             constraints on this column disallow an empty column."
        )
    };
    OvsdbError::constraint(details)
}

/// Brings the maps from rows to their weak referrers up to date.
fn index_weak_references(draft: &mut Draft) {
    let schema = draft.schema().clone();
    let mut deltas: Vec<(RowKey, RowKey, i64)> = Vec::new();
    for touched in draft.touched() {
        let key = touched.key;
        let (old, new) = (touched.old.as_deref(), touched.new.as_deref());
        for &column in &draft.plan(key.0).weak {
            let ty = &schema.table(key.0).column(column).ty;
            let (added, removed) = added_removed(old, new, column);
            for_each_reference(&removed, ty, BaseType::is_weak_ref, |to| {
                deltas.push((to, key, -1))
            });
            for_each_reference(&added, ty, BaseType::is_weak_ref, |to| {
                deltas.push((to, key, 1))
            });
        }
    }
    for (to, from, delta) in deltas {
        // The order of the deltas is that of the columns: a count never passes below zero, since what is
        // removed from one column was counted for that column.
        let after = draft
            .weak_count(&to, &from)
            .checked_add_signed(delta as isize)
            .expect("every reference that goes was counted when it came");
        draft.set_weak_count(to, from, after);
    }
}

/// No two rows may agree in all columns of an index (RFC 7047, section 3.2, "indexes"). Only the state at the
/// end counts, so that rows may swap their values.
fn check_indexes(draft: &Draft) -> Result<(), OvsdbError> {
    if !draft.is_contested() {
        return Ok(());
    }
    for touched in draft.touched() {
        let (key, Some(row)) = (touched.key, &touched.new) else {
            continue;
        };
        let table = draft.table(key.0);
        for (number, columns) in draft.schema().table(key.0).indexes.iter().enumerate() {
            let same = |old: &Arc<Row>| columns.iter().all(|&id| old.get(id) == row.get(id));
            if touched.old.as_ref().is_some_and(same) {
                // Whoever has its values now was changed or inserted, and is looked at in its turn.
                continue;
            }
            let index_key = index_key(row, columns);
            let other = table
                .index_matches(number, &index_key)
                .find(|uuid| *uuid != key.1);
            if let Some(other) = other.and_then(|uuid| draft.row(&(key.0, uuid))) {
                return Err(duplicate_in_index(draft, key.0, columns, other, row));
            }
        }
    }
    Ok(())
}

fn duplicate_in_index(
    draft: &Draft,
    table_id: TableId,
    columns: &[ColumnId],
    a: &Row,
    b: &Row,
) -> OvsdbError {
    let table = draft.schema().table(table_id);
    let values = |row: &Row| {
        english_list(
            columns
                .iter()
                .map(|&id| datum_to_string(row.get(id), &table.column(id).ty)),
        )
    };
    // The order of the two is that of their contents, references aside, so that the message does not
    // depend on chance.
    let has_no_references = |id: &&ColumnId| {
        let mut bases = table.column(**id).ty.bases();
        bases.all(|base| base.kind != AtomType::Uuid)
    };
    let comparable = table.column_ids_by_name().iter();
    let comparable = comparable.filter(has_no_references);
    let by_contents = comparable
        .map(|&id| a.get(id).cmp(b.get(id)))
        .find(|order| order.is_ne());
    let (first, second) = match by_contents {
        Some(std::cmp::Ordering::Less) => (b, a),
        _ => (a, b),
    };
    let history = |title: &str, row: &Row| {
        let key = (table_id, row.uuid());
        let fate = match draft.touch(&key).map(|touched| &touched.old) {
            None => {
                "existed in the database before this transaction and was not modified by the transaction.".to_owned()
            }
            Some(None) => "was inserted by this transaction.".to_owned(),
            Some(Some(old)) if columns.iter().all(|&id| old.get(id) == row.get(id)) => {
                "existed in the database before this transaction, which modified some of the row's columns but not \
                 any columns in this index."
                    .to_owned()
            }
            Some(Some(old)) => {
                format!("had the following index values before the transaction: {}.", values(old))
            }
        };
        format!("{title} row, with UUID {}, {fate}", row.uuid())
    };
    let noun = if columns.len() > 1 {
        "columns"
    } else {
        "column"
    };
    let names = english_list(
        columns
            .iter()
            .map(|&id| format!("\"{}\"", table.column(id).name)),
    );
    OvsdbError::constraint(format!(
        "Transaction causes multiple rows in \"{}\" table to have identical values ({}) for index on \
         {noun} {names}.  {}  {}",
        table.name,
        values(first),
        history("First", first),
        history("Second", second),
    ))
}

/// Joins items as in a sentence: `a`, `a and b`, `a, b, and c`.
fn english_list(items: impl ExactSizeIterator<Item = String>) -> String {
    let last = items.len().saturating_sub(1);
    let mut text = String::new();
    for (at, item) in items.enumerate() {
        text.push_str(match at {
            0 => "",
            _ if at < last => ", ",
            1 => " and ",
            _ => ", and ",
        });
        text.push_str(&item);
    }
    text
}

/// Gives every row that was changed a new `_version`; an inserted one has its own already.
fn renew_versions(draft: &mut Draft, fresh: &mut dyn FnMut() -> Uuid) {
    for at in 0..draft.touched().len() {
        let touched = &draft.touched()[at];
        if touched.old.is_some() && touched.new.is_some() {
            let version = Datum::from_atom(Atom::Uuid(fresh()));
            draft.edit(at, |row| *row.get_mut(ColumnId::VERSION) = version);
        }
    }
}
