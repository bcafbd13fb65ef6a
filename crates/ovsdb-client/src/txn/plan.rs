//! From what a transaction does to rows to the operations that are sent.
//!
//! First come checks: of the marker, of the lock, and of what was read; they are tried once. Then each row in the order in
//! which the program came to it, then counters, the note, and the wish for a reply from the disk.

use std::collections::BTreeSet;

use bytes::Bytes;
use ovsdb_proto::atom::{Atom, AtomType};
use ovsdb_proto::build::{
    self, Mutation, Operation, Transaction, assert, column, comment, commit, mutate, select, wait,
};
use ovsdb_proto::datum::Datum;
use ovsdb_proto::error::ErrorTag;
use ovsdb_proto::schema::{ColumnId, TableId, TableSchema};
use ovsdb_proto::types::ColumnType;
use ovsdb_proto::uuid::Uuid;
use ovsdb_proto::value::{Row, Term, Value};

use super::edit::{Edit, Origin, Part, Write};
use super::error::{EditError, Refusal, Subject};
use super::marker::Marker;
use super::row::RowName;
use super::{Increment, Txn};

/// What is to be sent for a transaction, and what is to be made of the reply.
#[derive(Clone, Debug)]
pub struct Plan {
    request: Transaction,
    params: Bytes,
    /// What each operation is there for.
    pub(super) roles: Vec<Role>,
}

/// What an operation is there for.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Role {
    /// The lock with this name is held.
    Lock(ecow::EcoString),
    /// The transaction has not been carried out before.
    MarkerNew,
    /// What was read is still so.
    Check(Subject),
    /// Makes the row.
    Insert(RowName),
    /// Changes or deletes the row.
    Change(RowName),
    /// Reads a counter that has been raised.
    Counter {
        row: RowName,
        column: ecow::EcoString,
    },
    /// It cannot fail.
    Other,
}

impl Plan {
    /// The request. It has no operations if nothing changes, and then it need not be sent.
    pub fn request(&self) -> &Transaction {
        &self.request
    }

    /// The text of the request's parameters.
    pub fn params(&self) -> &Bytes {
        &self.params
    }

    /// Whether there is nothing to send.
    pub fn is_unchanged(&self) -> bool {
        self.request.is_empty()
    }

    /// Whether this is what a server says that does not know UUIDs of new rows (before Open vSwitch 2.13): it takes an `insert`
    /// that has one for no operation. What else may be wrong with that one, it says again of the same with a name.
    pub(super) fn may_be_for_uuids(&self, refusal: &Refusal) -> bool {
        let Refusal::Refused {
            subject: Some(Subject::Row(row)),
            error,
        } = refusal
        else {
            return false;
        };
        let has_uuid = |operation: &Operation| match operation {
            Operation::Insert(insert) => insert.uuid == Some(row.uuid()),
            _ => false,
        };
        error.tag() == Some(ErrorTag::SyntaxError) && self.request.operations().iter().any(has_uuid)
    }
}

/// What keeps a transaction with a marker from happening any more, unless it has happened: another token is put in the place of
/// that from which it goes on.
pub(super) fn ruling_out(txn: &Txn, marker: &Marker, instead: Uuid) -> Result<Plan, EditError> {
    let mut planner = Planner::new(txn);
    planner.push(marker.is_new(token(txn)), Role::MarkerNew);
    // Without the lock nothing is written, not even this.
    planner.guard();
    planner.follow(marker)?;
    planner.push(marker.note(instead), Role::Other);
    planner.finish()
}

/// How new rows are called in a request, unless the program has given them their UUIDs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Naming {
    /// By the UUIDs that they will have, which every reply leaves known.
    Uuids,
    /// By names that are good for the request alone, as RFC 7047 has it; the server chooses their UUIDs.
    Names,
}

/// What `txn` comes to.
pub(super) fn plan(txn: &Txn) -> Result<Plan, EditError> {
    // Should only the marker tell that the transaction has been carried out, it does not tell UUIDs.
    plan_as(
        txn,
        match txn.marker {
            Some(_) => Naming::Uuids,
            None => Naming::Names,
        },
    )
}

/// The same with new rows called so.
pub(super) fn plan_as(txn: &Txn, naming: Naming) -> Result<Plan, EditError> {
    let mut planner = Planner::new(txn);
    planner.name_rows(naming);
    if planner.has_effect() {
        planner.checks()?;
        planner.rows()?;
        planner.rest();
    }
    planner.finish()
}

struct Planner<'a> {
    txn: &'a Txn,
    request: Transaction,
    roles: Vec<Role>,
    /// The rows that the transaction makes.
    made: BTreeSet<Uuid>,
    /// Those of them that have names in the request instead of UUIDs.
    named: BTreeSet<Uuid>,
    /// Those of them to which strong references are written.
    referenced: BTreeSet<Uuid>,
}

impl<'a> Planner<'a> {
    fn new(txn: &'a Txn) -> Planner<'a> {
        let mut planner = Planner {
            txn,
            request: Transaction::new(txn.base.schema().name.clone()),
            roles: Vec::new(),
            made: BTreeSet::new(),
            named: BTreeSet::new(),
            referenced: BTreeSet::new(),
        };
        for edit in txn.edits.iter().filter(|edit| !edit.deleted) {
            if edit.is_new() {
                planner.made.insert(edit.uuid);
            }
        }
        planner.find_references();
        planner
    }

    fn name_rows(&mut self, naming: Naming) {
        if naming == Naming::Names {
            let new = self.txn.edits.iter().filter(|edit| !edit.deleted);
            let new = new.filter(|edit| matches!(edit.origin, Origin::New { is_named_so: false }));
            self.named.extend(new.map(|edit| edit.uuid));
        }
    }

    fn finish(self) -> Result<Plan, EditError> {
        let Planner { request, roles, .. } = self;
        let mut params = Vec::new();
        request.write(&mut params).map_err(EditError::Unwritable)?;
        Ok(Plan {
            request,
            params: params.into(),
            roles,
        })
    }

    fn find_references(&mut self) {
        if self.made.is_empty() {
            return;
        }
        for edit in self.txn.edits.iter().filter(|edit| !edit.deleted) {
            let table = self.table(edit.table);
            let columns = edit.columns.keys();
            for &id in columns.filter(|&&id| table.column(id).ty.has_strong_refs()) {
                let uuids = edit.now(table, id).uuids().collect::<Vec<_>>();
                let made = uuids.into_iter().filter(|uuid| self.made.contains(uuid));
                self.referenced.extend(made);
            }
        }
    }

    fn push(&mut self, operation: impl Into<Operation>, role: Role) {
        self.request.push(operation);
        self.roles.push(role);
    }

    fn table(&self, id: TableId) -> &'a TableSchema {
        self.txn.base.schema().table(id)
    }

    fn name(&self, table: TableId, uuid: Uuid) -> RowName {
        RowName::new(self.table(table).name.clone(), uuid)
    }

    /// What stands for a row in the request.
    fn term(&self, uuid: Uuid) -> Term {
        if self.named.contains(&uuid) {
            Term::named(uuid.row_name())
        } else {
            uuid.into()
        }
    }

    fn value(&self, datum: &Datum, ty: &ColumnType) -> Value {
        let value = Value::from_datum(datum, ty);
        if self.named.is_empty() || !ty.bases().any(|base| base.kind == AtomType::Uuid) {
            return value;
        }
        let term = |term: Term| match term {
            Term::Atom(Atom::Uuid(uuid)) => self.term(uuid),
            other => other,
        };
        match value {
            Value::One(one) => Value::One(term(one)),
            Value::Set(set) => Value::Set(set.into_iter().map(term).collect()),
            Value::Map(map) => {
                let pairs = map.into_iter();
                Value::Map(pairs.map(|(key, value)| (term(key), term(value))).collect())
            }
        }
    }

    /// Whether anything is to be sent.
    fn has_effect(&self) -> bool {
        let txn = self.txn;
        txn.always
            || txn.increments.iter().any(|increment| increment.always)
            || txn.edits.iter().any(|edit| self.changes(edit))
    }

    fn changes(&self, edit: &Edit) -> bool {
        let table = self.table(edit.table);
        match (&edit.origin, edit.deleted) {
            (Origin::New { .. }, deleted) => !deleted,
            (Origin::Old(_), true) => table.is_root,
            (Origin::Old(_), false) => {
                let mut columns = edit.columns.keys();
                columns.any(|&column| edit.changes(table, column))
            }
        }
    }

    fn checks(&mut self) -> Result<(), EditError> {
        let txn = self.txn;
        if let Some(marker) = &txn.marker {
            // Before all else, of which any may have changed since: that it has been carried out must not look like a failure.
            self.push(marker.is_new(token(txn)), Role::MarkerNew);
        }
        self.guard();
        if let Some(marker) = &txn.marker {
            self.follow(marker)?;
        }
        for edit in &txn.edits {
            self.check(edit);
        }
        for (table, clauses) in &txn.absent {
            let mut none = wait(table.clone()).columns(["_uuid"]).timeout_ms(0);
            none.condition.clone_from(clauses);
            self.push(none, Role::Check(Subject::Table(table.clone())));
        }
        for table in self.singletons() {
            let name = &self.table(table).name;
            let empty = wait(name.clone()).columns(["_uuid"]).timeout_ms(0);
            self.push(empty, Role::Check(Subject::Table(name.clone())));
        }
        Ok(())
    }

    /// That the lock is held.
    fn guard(&mut self) {
        if let Some(guard) = &self.txn.guard {
            let name = guard.name.clone();
            self.push(assert(name.clone()), Role::Lock(name));
        }
    }

    /// That the last transaction is still the one from which this goes on.
    fn follow(&mut self, marker: &Marker) -> Result<(), EditError> {
        let row = marker.row();
        let last = marker.last(self.txn)?;
        let last = last.ok_or_else(|| EditError::NoMarker(row.clone()))?;
        let subject = Subject::Row(row.clone());
        self.push(marker.follows(&last), Role::Check(subject));
        Ok(())
    }

    /// That what was read of a row is still so.
    fn check(&mut self, edit: &Edit) {
        let Origin::Old(old) = &edit.origin else {
            return;
        };
        let table = self.table(edit.table);
        let mut columns = edit.verified.clone();
        if !edit.deleted {
            columns.extend(edit.columns.iter().filter_map(|(column, write)| {
                let is_parts = matches!(write, Write::Parts(_));
                (is_parts && is_rewritten(table, *column)).then_some(*column)
            }));
        }
        if columns.is_empty() && edit.must_exist {
            columns.insert(ColumnId::UUID);
        }
        if columns.is_empty() {
            return;
        }
        let name = |column: ColumnId| table.column(column).name.clone();
        let row: Row = columns
            .iter()
            .map(|&column| {
                let value = self.value(old.get(column), &table.column(column).ty);
                (name(column), value)
            })
            .collect();
        let check = wait(table.name.clone())
            .filter(build::row(edit.uuid))
            .columns(columns.iter().map(|&column| name(column)))
            .until_equal([row])
            .timeout_ms(0);
        let row = self.name(edit.table, edit.uuid);
        self.push(check, Role::Check(Subject::Row(row)));
    }

    /// Tables of at most one row that get their first one.
    fn singletons(&self) -> BTreeSet<TableId> {
        let made = self.txn.edits.iter();
        let made = made.filter(|edit| edit.is_new() && !edit.deleted);
        made.map(|edit| edit.table)
            .filter(|&table| {
                self.table(table).max_rows == 1 && self.txn.base.rows(table).is_empty()
            })
            .collect()
    }

    fn rows(&mut self) -> Result<(), EditError> {
        let txn = self.txn;
        for edit in &txn.edits {
            match (&edit.origin, edit.deleted) {
                (Origin::New { .. }, true) => {}
                (Origin::New { .. }, false) => self.insert(edit)?,
                (Origin::Old(_), true) => self.delete(edit),
                (Origin::Old(_), false) => self.change(edit),
            }
        }
        Ok(())
    }

    fn insert(&mut self, edit: &Edit) -> Result<(), EditError> {
        let table = self.table(edit.table);
        let name = self.name(edit.table, edit.uuid);
        if !table.is_root && !self.referenced.contains(&edit.uuid) {
            return Err(EditError::Unreferenced(name));
        }
        let mut insert = build::insert(table.name.clone());
        if self.named.contains(&edit.uuid) {
            insert.uuid_name = Some(edit.uuid.row_name().into());
        } else {
            insert.uuid = Some(edit.uuid);
        }
        for &id in edit.columns.keys() {
            if edit.changes(table, id) {
                let column = table.column(id);
                let value = self.value(&edit.now(table, id), &column.ty);
                insert.row.insert(column.name.clone(), value);
            }
        }
        self.push(insert, Role::Insert(name));
        Ok(())
    }

    fn delete(&mut self, edit: &Edit) {
        let table = self.table(edit.table);
        // Elsewhere rows go by themselves, and not before nothing refers to them.
        if table.is_root {
            let delete = build::delete(table.name.clone()).filter(build::row(edit.uuid));
            let row = self.name(edit.table, edit.uuid);
            self.push(delete, Role::Change(row));
        }
    }

    fn change(&mut self, edit: &Edit) {
        let table = self.table(edit.table);
        let mut update = build::update(table.name.clone()).filter(build::row(edit.uuid));
        let mut mutate = mutate(table.name.clone()).filter(build::row(edit.uuid));
        for (&id, write) in &edit.columns {
            let column = table.column(id);
            let is_left_out = self.txn.only_changes && !edit.changes(table, id);
            match write {
                _ if is_left_out => {}
                Write::Parts(parts) if !is_rewritten(table, id) => {
                    let old = edit.base(table, id);
                    let parts = parts
                        .iter()
                        .filter(|(key, part)| !self.txn.only_changes || part.changes(key, old));
                    mutate.mutations.extend(self.mutations(
                        &column.name,
                        &column.ty,
                        parts.collect(),
                    ));
                }
                _ => {
                    let value = self.value(&edit.now(table, id), &column.ty);
                    update.row.insert(column.name.clone(), value);
                }
            }
        }
        let row = self.name(edit.table, edit.uuid);
        if !update.row.is_empty() {
            self.push(update, Role::Change(row.clone()));
        }
        if !mutate.mutations.is_empty() {
            self.push(mutate, Role::Change(row));
        }
    }

    /// What does the same to a set or map of the server's.
    fn mutations(
        &self,
        name: &ecow::EcoString,
        ty: &ColumnType,
        parts: Vec<(&Atom, &Part)>,
    ) -> Vec<Mutation> {
        let keys = ColumnType {
            value: None,
            ..ty.clone()
        };
        // A pair that is there keeps its value if it is inserted, so it is taken out first.
        let gone = parts
            .iter()
            .filter(|(_, part)| matches!(part, Part::Remove | Part::Put(Some(_))));
        let gone = Datum::from_atoms(gone.map(|(key, _)| (*key).clone()));
        let come = if ty.is_map() {
            Datum::from_pairs(parts.iter().filter_map(|(key, part)| match part {
                Part::Put(Some(value)) | Part::PutIfAbsent(value) => {
                    Some(((*key).clone(), value.clone()))
                }
                Part::Put(None) | Part::Remove => None,
            }))
        } else {
            let put = parts.iter().filter(|(_, part)| **part == Part::Put(None));
            Datum::from_atoms(put.map(|(key, _)| (*key).clone()))
        };
        let mut mutations = Vec::new();
        if !gone.is_empty() {
            mutations.push(column(name.clone()).delete(self.value(&gone, &keys)));
        }
        if !come.is_empty() {
            mutations.push(column(name.clone()).insert(self.value(&come, ty)));
        }
        mutations
    }

    fn rest(&mut self) {
        let txn = self.txn;
        for increment in &txn.increments {
            self.increment(increment);
        }
        if let Some(marker) = &txn.marker {
            let row = marker.row().clone();
            self.push(marker.note(token(txn)), Role::Change(row));
        }
        if !txn.comment.is_empty() {
            self.push(comment(txn.comment.as_str()), Role::Other);
        }
        if txn.durable {
            self.push(commit(true), Role::Other);
        }
    }

    fn increment(&mut self, increment: &Increment) {
        let &Increment {
            table,
            uuid,
            column: id,
            ..
        } = increment;
        if self.txn.edit(table, uuid).is_some_and(|edit| edit.deleted) {
            return;
        }
        let row = self.name(table, uuid);
        let table = self.table(table);
        let name = &table.column(id).name;
        let which = || build::row(self.term(uuid));
        let raise = mutate(table.name.clone())
            .filter(which())
            .apply(column(name.clone()).add(1));
        let read = select(table.name.clone())
            .filter(which())
            .columns([name.clone()]);
        self.push(raise, Role::Change(row.clone()));
        let column = name.clone();
        self.push(read, Role::Counter { row, column });
    }
}

/// Whether a column is written whole although only parts of it change: a server that takes elements out before it puts others
/// in would find too few of them between.
fn is_rewritten(table: &TableSchema, column: ColumnId) -> bool {
    table.column(column).ty.min > 0
}

/// By what the marker knows the transaction again.
fn token(txn: &Txn) -> Uuid {
    Uuid::from_bytes(txn.seed.to_be_bytes())
}
