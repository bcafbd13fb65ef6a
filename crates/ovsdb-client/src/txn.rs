//! Transactions on a replica: rows are read and changed as if there were nobody else, and sent as one request.
//!
//! # What is known of a transaction
//!
//! A transaction is sent once. If its connection ends before the reply, if the server says that it canceled it, or if the reply
//! cannot be read, nobody knows whether it has happened ([`CommitError::Unknown`]), and it is not sent again. Servers may do
//! more: one of a cluster of the reference that loses the lead tries by itself again what it has passed on already, so that
//! there even a transaction that was sent once can happen twice.
//!
//! With a [`Marker`] a transaction happens once or never, and which of the two becomes known:
//!
//! 1. A marker is a key in a map of strings of the database, which nobody else writes. Its value is the token of the last
//!    transaction with that marker; each has a random token of its own.
//! 2. The transaction begins with two checks: that the key does not have its own token yet, and that it still has the token
//!    that it had in the version on which the transaction stands. It ends with writing its own. All that is one transaction, and
//!    a database carries out one after the other; so of any number of copies, by whatever way and however late they come, one at
//!    most is carried out.
//! 3. While nobody knows, [`Replica::commit`](crate::replica::Replica::commit) sends the same request again. That the first
//!    check fails means that it has happened ([`Committed::repeated`]).
//! 4. A copy may be refused while another one is still under way, and fares better later. So before anybody is told that the
//!    transaction was refused, the key is given another token by a transaction of its own, with the same two checks: from then on
//!    the second check of every copy fails. If the first one fails, the transaction has happened after all. Of a transaction that
//!    requires a lock this one requires it, too: whoever has lost it writes nothing. Then [`Refusal::NotLocked`] says of the
//!    copies that were answered that they did not happen, and where there are others, it stays unknown.
//! 5. One transaction with a marker is under way at a time: its clones take turns.
//!
//! After [`CommitError::Deadline`] and after the future was dropped, a copy may still be under way. The next transaction with the
//! same marker either comes after it, and then stands on what it has done, or keeps it from happening.
//!
//! # Example
//!
//! A [`Txn`] stands on one [`Version`] and does no I/O. What it reads is that version with its own changes. A [`Plan`] is
//! what is to be sent: what changed and nothing else, behind checks that what the program relied on is still so; it also
//! reads the reply.
//!
//! ```
//! use std::sync::Arc;
//!
//! use ovsdb_client::replica::Version;
//! use ovsdb_client::txn::Txn;
//! use ovsdb_proto::json;
//! use ovsdb_proto::schema::{Schema, Selection};
//! use ovsdb_proto::uuid::Uuid;
//!
//! let schema = r#"{"name":"db","tables":{
//!     "Bridge":{"columns":{"name":{"type":"string"},
//!         "ports":{"type":{"key":{"type":"uuid","refTable":"Port"},"min":0,"max":"unlimited"}}},"isRoot":true},
//!     "Port":{"columns":{"name":{"type":"string"}}}}}"#;
//! let schema = Schema::from_json(&json::parse(schema.as_bytes())?)?;
//! let version = Version::empty(Arc::new(schema.project(&Selection::all())));
//!
//! let mut txn = Txn::on(Arc::new(version), Uuid::from_random_bytes([7; 16]));
//! let port = txn.insert("Port")?;
//! txn.set(&port, "name", "p0")?;
//! let bridge = txn.insert("Bridge")?;
//! txn.set(&bridge, "name", "br0")?;
//! txn.insert_element(&bridge, "ports", &port)?;
//! assert_eq!(txn.get::<Vec<Uuid>>(&bridge, "ports")?, [port.uuid()]);
//! println!("{}", txn.plan()?.request().to_text()?);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod commit;
mod edit;
mod error;
mod guard;
mod marker;
mod outcome;
mod plan;
mod row;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use ecow::EcoString;
use ovsdb_proto::atom::{Atom, AtomType};
use ovsdb_proto::build::Clause;
use ovsdb_proto::datum::Datum;
use ovsdb_proto::schema::{ColumnId, TableId, TableSchema};
use ovsdb_proto::symbols::Symbols;
use ovsdb_proto::types::{BaseType, ColumnType};
use ovsdb_proto::uuid::Uuid;
use ovsdb_proto::value::{FromDatum, Term, Value};

pub use self::commit::{CommitError, Policy, UpdateError};
use self::edit::{Edit, Origin, Part, Write};
pub use self::error::{ColumnKind, Doubt, EditError, Failure, Refusal, Subject};
use self::guard::Guard;
pub use self::marker::Marker;
pub use self::outcome::Committed;
pub use self::plan::Plan;
pub use self::row::RowName;
use crate::lock::Lock;
use crate::replica::Version;

/// A transaction that is being put together. See the [module](self) for an example.
///
/// Nothing of it has happened before it is committed, and it can be dropped at any time.
#[derive(Clone, Debug)]
pub struct Txn {
    base: Arc<Version>,
    /// Of which the UUIDs of new rows are made.
    seed: u128,
    n_inserted: u128,
    /// Rows in the order in which the transaction first had to do with them.
    edits: Vec<Edit>,
    by_row: BTreeMap<(TableId, Uuid), usize>,
    /// Tables with conditions that no row of them may meet.
    absent: Vec<(EcoString, Vec<Clause>)>,
    increments: Vec<Increment>,
    comment: String,
    guard: Option<Guard>,
    marker: Option<Marker>,
    durable: bool,
    always: bool,
    only_changes: bool,
}

/// A counter to be raised by one.
#[derive(Clone, Debug)]
struct Increment {
    table: TableId,
    uuid: Uuid,
    column: ColumnId,
    /// Also if nothing else changes.
    always: bool,
}

impl Txn {
    /// A transaction of no changes on what `base` has. New rows get UUIDs made of `seed`, which is random and of use once.
    pub fn on(base: Arc<Version>, seed: Uuid) -> Txn {
        Txn {
            base,
            seed: u128::from_be_bytes(*seed.as_bytes()),
            n_inserted: 0,
            edits: Vec::new(),
            by_row: BTreeMap::new(),
            absent: Vec::new(),
            increments: Vec::new(),
            comment: String::new(),
            guard: None,
            marker: None,
            durable: false,
            always: false,
            only_changes: false,
        }
    }

    /// What the transaction stands on.
    pub fn base(&self) -> &Arc<Version> {
        &self.base
    }

    /// The row `uuid` of `table`, which is there.
    ///
    /// # Errors
    /// [`EditError::NoTable`], [`EditError::NoRow`].
    pub fn row(&self, table: &str, uuid: Uuid) -> Result<RowName, EditError> {
        let row = RowName::new(table, uuid);
        self.look(&row).map(|_| row)
    }

    /// The rows of `table`, new ones last.
    ///
    /// # Errors
    /// [`EditError::NoTable`].
    pub fn rows(&self, table: &str) -> Result<Vec<RowName>, EditError> {
        let (id, schema) = self.table(table)?;
        let old = self.base.rows(id).iter().map(|(uuid, _)| *uuid);
        let old = old.filter(|uuid| self.edit(id, *uuid).is_none_or(|edit| !edit.deleted));
        let new = self.edits.iter();
        let new = new.filter(|edit| edit.table == id && edit.is_new() && !edit.deleted);
        let uuids = old.chain(new.map(|edit| edit.uuid));
        Ok(uuids
            .map(|uuid| RowName::new(schema.name.clone(), uuid))
            .collect())
    }

    /// The rows of `table` that have `value` in `column`. This looks at all of them.
    ///
    /// # Errors
    /// [`EditError::NoTable`], [`EditError::NoColumn`], [`EditError::Value`].
    pub fn find(
        &self,
        table: &str,
        column: &str,
        value: impl Into<Value>,
    ) -> Result<Vec<RowName>, EditError> {
        let (_, schema) = self.table(table)?;
        let id = column_of(schema, column)?;
        let wanted = datum(schema, id, &value.into())?;
        let mut rows = self.rows(table)?;
        let mut failed = Ok(());
        rows.retain(|row| match self.look(row) {
            Ok(look) => look.value(id) == wanted,
            Err(error) => {
                failed = Err(error);
                false
            }
        });
        failed.map(|()| rows)
    }

    /// What a column of a row holds, by the version that the transaction stands on and its own changes.
    ///
    /// # Errors
    /// [`EditError::NoTable`], [`EditError::NoColumn`], [`EditError::NoRow`].
    pub fn datum(&self, row: &RowName, column: &str) -> Result<Datum, EditError> {
        let look = self.look(row)?;
        Ok(look.value(column_of(look.table, column)?))
    }

    /// The same as what the program wants, for example `String`, `Option<i64>` or `BTreeMap<String, String>`.
    ///
    /// # Errors
    /// As [`Txn::datum`], and [`EditError::Wrong`].
    pub fn get<T: FromDatum>(&self, row: &RowName, column: &str) -> Result<T, EditError> {
        let datum = self.datum(row, column)?;
        datum.to().map_err(|why| EditError::Wrong {
            table: row.table_name().clone(),
            column: column.into(),
            why,
        })
    }

    /// Makes a row with default values. What it is called here stands for it in this transaction.
    ///
    /// The first row of a table that may have one (`maxRows`) is made only if the server has none either: else there is a
    /// conflict, and again so if a condition keeps that row out of the replica.
    ///
    /// # Errors
    /// [`EditError::NoTable`].
    pub fn insert(&mut self, table: &str) -> Result<RowName, EditError> {
        let (id, schema) = self.table(table)?;
        let name = schema.name.clone();
        let uuid = loop {
            self.n_inserted += 1;
            let bytes = self.seed.wrapping_add(self.n_inserted).to_be_bytes();
            let uuid = Uuid::from_random_bytes(bytes);
            if !self.is_known(id, uuid) {
                break uuid;
            }
        };
        self.add(id, uuid, Origin::New { is_named_so: false });
        Ok(RowName::new(name, uuid))
    }

    /// Makes a row with default values and this UUID. It is an addition of Open vSwitch; old servers refuse it.
    ///
    /// # Errors
    /// [`EditError::NoTable`], [`EditError::Known`].
    pub fn insert_as(&mut self, table: &str, uuid: Uuid) -> Result<RowName, EditError> {
        let (id, schema) = self.table(table)?;
        let row = RowName::new(schema.name.clone(), uuid);
        if self.is_known(id, uuid) {
            return Err(EditError::Known(row));
        }
        self.add(id, uuid, Origin::New { is_named_so: true });
        Ok(row)
    }

    /// Deletes a row. In a table that is no root nothing is sent for that: its rows go when nothing refers to them.
    ///
    /// # Errors
    /// [`EditError::NoTable`], [`EditError::NoRow`].
    pub fn delete(&mut self, row: &RowName) -> Result<(), EditError> {
        self.touch(row)?.deleted = true;
        Ok(())
    }

    /// Gives a column a value.
    ///
    /// # Errors
    /// [`EditError`].
    pub fn set(
        &mut self,
        row: &RowName,
        column: &str,
        value: impl Into<Value>,
    ) -> Result<(), EditError> {
        let (schema, id) = self.writable(row, column)?;
        let datum = datum(schema, id, &value.into())?;
        self.touch(row)?.columns.insert(id, Write::Whole(datum));
        Ok(())
    }

    /// Puts an element into a set, and leaves its others as the server has them.
    ///
    /// # Errors
    /// [`EditError`]; [`EditError::Value`] also if the set would have more elements than it may.
    pub fn insert_element(
        &mut self,
        row: &RowName,
        column: &str,
        element: impl Into<Term>,
    ) -> Result<(), EditError> {
        let set = ColumnKind::Set;
        self.part(row, column, set, element.into(), |_| Ok(Part::Put(None)))
    }

    /// Takes an element out of a set, if it is there, and leaves its others as the server has them.
    ///
    /// # Errors
    /// [`EditError`].
    pub fn remove_element(
        &mut self,
        row: &RowName,
        column: &str,
        element: impl Into<Term>,
    ) -> Result<(), EditError> {
        let set = ColumnKind::Set;
        self.part(row, column, set, element.into(), |_| Ok(Part::Remove))
    }

    /// Gives a key of a map a value, and leaves the other keys as the server has them.
    ///
    /// # Errors
    /// [`EditError`]; [`EditError::Value`] also if the map would have more pairs than it may.
    pub fn set_key(
        &mut self,
        row: &RowName,
        column: &str,
        key: impl Into<Term>,
        value: impl Into<Term>,
    ) -> Result<(), EditError> {
        let value = value.into();
        self.part(row, column, ColumnKind::Map, key.into(), |to_atom| {
            Ok(Part::Put(Some(to_atom(&value)?)))
        })
    }

    /// Gives a key of a map a value unless it is there, and leaves the other keys as the server has them.
    ///
    /// # Errors
    /// [`EditError`]; [`EditError::Value`] also if the map would have more pairs than it may.
    pub fn insert_key(
        &mut self,
        row: &RowName,
        column: &str,
        key: impl Into<Term>,
        value: impl Into<Term>,
    ) -> Result<(), EditError> {
        let value = value.into();
        self.part(row, column, ColumnKind::Map, key.into(), |to_atom| {
            Ok(Part::PutIfAbsent(to_atom(&value)?))
        })
    }

    /// Takes a key out of a map, if it is there, and leaves the others as the server has them.
    ///
    /// # Errors
    /// [`EditError`].
    pub fn remove_key(
        &mut self,
        row: &RowName,
        column: &str,
        key: impl Into<Term>,
    ) -> Result<(), EditError> {
        let map = ColumnKind::Map;
        self.part(row, column, map, key.into(), |_| Ok(Part::Remove))
    }

    /// Has the transaction fail with a conflict if the column is not what it was when the transaction began. Nothing is
    /// checked of rows that the transaction makes, nor of columns that it has written already.
    ///
    /// # Errors
    /// [`EditError::NoTable`], [`EditError::NoColumn`], [`EditError::NoRow`].
    pub fn verify(&mut self, row: &RowName, column: &str) -> Result<(), EditError> {
        let (_, schema) = self.table(row.table())?;
        let id = column_of(schema, column)?;
        let edit = self.touch(row)?;
        if !edit.is_new() && !edit.columns.contains_key(&id) {
            edit.verified.insert(id);
        }
        Ok(())
    }

    /// Has the transaction fail with a conflict if the row is gone. Nothing is checked of rows that the transaction makes.
    ///
    /// # Errors
    /// [`EditError::NoTable`], [`EditError::NoRow`].
    pub fn verify_exists(&mut self, row: &RowName) -> Result<(), EditError> {
        let edit = self.touch(row)?;
        edit.must_exist = !edit.is_new();
        Ok(())
    }

    /// Has the transaction fail with a conflict if any row meets all of `clauses` before it.
    ///
    /// # Errors
    /// [`EditError::NoTable`]. What is wrong with the clauses, [`Txn::plan`] or the server says.
    pub fn verify_none(
        &mut self,
        table: &str,
        clauses: impl IntoIterator<Item = Clause>,
    ) -> Result<(), EditError> {
        let (_, schema) = self.table(table)?;
        let name = schema.name.clone();
        self.absent.push((name, clauses.into_iter().collect()));
        Ok(())
    }

    /// Raises a counter by one if anything else changes, and has [`Committed::incremented`] tell what it is then.
    ///
    /// # Errors
    /// [`EditError`]; [`EditError::Kind`] if the column does not hold one integer.
    pub fn increment(&mut self, row: &RowName, column: &str) -> Result<(), EditError> {
        self.raise(row, column, false)
    }

    /// Raises a counter by one even if nothing else changes.
    ///
    /// # Errors
    /// As [`Txn::increment`].
    pub fn increment_always(&mut self, row: &RowName, column: &str) -> Result<(), EditError> {
        self.raise(row, column, true)
    }

    /// Leaves a note in the database's log. Several are lines of one.
    pub fn comment(&mut self, text: &str) {
        if !self.comment.is_empty() {
            self.comment.push('\n');
        }
        self.comment.push_str(text);
    }

    /// Has the transaction fail unless the client holds the lock with this name when it is carried out.
    pub fn require_lock(&mut self, name: impl Into<EcoString>) {
        self.guard = Some(Guard::require(name.into()));
    }

    /// Has the transaction carried out only while the client holds this lock, and has [`Replica::commit`] and
    /// [`Replica::update`] wait until it does: until their deadline, then it is [`Refusal::NotLocked`]. So it is, too, when the
    /// lock is given back meanwhile, or the server does not give it.
    ///
    /// The request says, too, that the lock must be held: what is lost just then, the server refuses, and it is waited for
    /// again. [`Replica::update`] reads again when the lock has come, since others may have changed what was read before;
    /// [`Replica::commit`] sends what it was given. The lock must be one of the client by which the replica is followed.
    ///
    /// [`Replica::commit`]: crate::replica::Replica::commit
    /// [`Replica::update`]: crate::replica::Replica::update
    pub fn wait_for_lock(&mut self, lock: &Lock) {
        self.guard = Some(Guard::wait_for(lock));
    }

    /// Has the reply come when the transaction is on disk.
    pub fn durable(&mut self) {
        self.durable = true;
    }

    /// Has the transaction sent even if it changes nothing: then what it verifies is known to be so on the server.
    pub fn always(&mut self) {
        self.always = true;
    }

    /// Leaves values out that are set to what they are, as far as the version tells on which the transaction stands.
    ///
    /// Otherwise they are sent along with what changes, so that they hold afterwards whatever others have written meanwhile;
    /// a server that has them takes them for no change. A transaction in which there are no others is not sent either way.
    pub fn only_changes(&mut self) {
        self.only_changes = true;
    }

    /// Has the transaction carried out at most once, however often it is sent, and has it be known whether it was: see
    /// [`Marker`].
    pub fn once(&mut self, marker: &Marker) {
        self.marker = Some(marker.clone());
    }

    /// What is to be sent.
    ///
    /// # Errors
    /// [`EditError::Unreferenced`], [`EditError::Unwritable`], and what is wrong with the marker.
    pub fn plan(&self) -> Result<Plan, EditError> {
        plan::plan(self)
    }

    /// The table with this name.
    fn table(&self, name: &str) -> Result<(TableId, &TableSchema), EditError> {
        let found = self.base.schema().table_by_name(name);
        found.ok_or_else(|| EditError::NoTable(name.into()))
    }

    fn edit(&self, table: TableId, uuid: Uuid) -> Option<&Edit> {
        self.by_row.get(&(table, uuid)).map(|&at| &self.edits[at])
    }

    /// Whether the name is taken.
    fn is_known(&self, table: TableId, uuid: Uuid) -> bool {
        self.base.rows(table).contains_key(&uuid) || self.by_row.contains_key(&(table, uuid))
    }

    fn add(&mut self, table: TableId, uuid: Uuid, origin: Origin) -> &mut Edit {
        let at = self.edits.len();
        self.edits.push(Edit::new(table, uuid, origin));
        self.by_row.insert((table, uuid), at);
        &mut self.edits[at]
    }

    /// The row as it is now.
    fn look(&self, row: &RowName) -> Result<Look<'_>, EditError> {
        let (id, table) = self.table(row.table())?;
        let state = match self.edit(id, row.uuid()) {
            Some(edit) => (!edit.deleted).then_some(State::Edited(edit)),
            None => self.base.rows(id).get(&row.uuid()).map(State::Old),
        };
        let state = state.ok_or_else(|| EditError::NoRow(row.clone()))?;
        Ok(Look { table, state })
    }

    /// Whether the transaction makes the row.
    pub(crate) fn is_new(&self, row: &RowName) -> Result<bool, EditError> {
        let state = self.look(row)?.state;
        Ok(matches!(state, State::Edited(edit) if edit.is_new()))
    }

    /// The row, to be changed.
    fn touch(&mut self, row: &RowName) -> Result<&mut Edit, EditError> {
        let (id, _) = self.table(row.table())?;
        let old = match self.look(row)?.state {
            State::Old(old) => Some(old.clone()),
            State::Edited(_) => None,
        };
        match old {
            Some(old) => Ok(self.add(id, row.uuid(), Origin::Old(old))),
            None => {
                let at = self.by_row[&(id, row.uuid())];
                Ok(&mut self.edits[at])
            }
        }
    }

    /// The column, which can be changed in this row.
    fn writable(&self, row: &RowName, column: &str) -> Result<(&TableSchema, ColumnId), EditError> {
        let look = self.look(row)?;
        let id = column_of(look.table, column)?;
        let is_new = self.is_new(row)?;
        if id.is_standard() || !(is_new || look.table.column(id).mutable) {
            return Err(EditError::Immutable {
                table: row.table_name().clone(),
                column: column.into(),
            });
        }
        Ok((look.table, id))
    }

    /// Does to the element or pair with `key` what `part` says, which is handed what makes an atom of a value of the map.
    fn part(
        &mut self,
        row: &RowName,
        column: &str,
        expected: ColumnKind,
        key: Term,
        part: impl FnOnce(&dyn Fn(&Term) -> Result<Atom, EditError>) -> Result<Part, EditError>,
    ) -> Result<(), EditError> {
        let (table, id) = self.writable(row, column)?;
        let ty = &table.column(id).ty;
        if ty.is_map() != (expected == ColumnKind::Map) {
            return Err(EditError::Kind {
                table: row.table_name().clone(),
                column: column.into(),
                expected,
            });
        }
        let key = atom(table, id, &ty.key, &key)?;
        let value_type = ty.value.as_ref().unwrap_or(&ty.key);
        let part = part(&|value| atom(table, id, value_type, value))?;
        let (max, limits) = (ty.max, ty.clone());
        // What the set or map comes to is worth knowing only where it could be too much.
        if max != u32::MAX && part != Part::Remove {
            let mut now = self.look(row)?.value(id);
            part.apply(&key, &mut now);
            if now.len() > max as usize {
                // The server's own words for it.
                let now = Value::from_datum(&now, &limits);
                datum(table, id, &now)?;
            }
        }
        match self.touch(row)?.columns.entry(id) {
            Entry::Vacant(vacant) => {
                vacant.insert(Write::Parts(BTreeMap::from([(key, part)])));
            }
            Entry::Occupied(mut occupied) => match occupied.get_mut() {
                Write::Whole(datum) => part.apply(&key, datum),
                Write::Parts(parts) => {
                    let part = match parts.get(&key) {
                        Some(before) => before.then(part),
                        None => part,
                    };
                    parts.insert(key, part);
                }
            },
        }
        Ok(())
    }

    fn raise(&mut self, row: &RowName, column: &str, always: bool) -> Result<(), EditError> {
        let (table, id) = self.writable(row, column)?;
        let ty = &table.column(id).ty;
        if !ty.is_scalar() || ty.key.kind != AtomType::Integer {
            return Err(EditError::Kind {
                table: row.table_name().clone(),
                column: column.into(),
                expected: ColumnKind::Integer,
            });
        }
        let (table, _) = self.table(row.table())?;
        self.increments.push(Increment {
            table,
            uuid: row.uuid(),
            column: id,
            always,
        });
        Ok(())
    }
}

/// A row with what the transaction has done to it.
struct Look<'a> {
    table: &'a TableSchema,
    state: State<'a>,
}

enum State<'a> {
    Old(&'a crate::replica::Row),
    Edited(&'a Edit),
}

impl Look<'_> {
    fn value(&self, column: ColumnId) -> Datum {
        match self.state {
            State::Old(row) => row.get(column).clone(),
            State::Edited(edit) => edit.now(self.table, column),
        }
    }
}

fn column_of(table: &TableSchema, name: &str) -> Result<ColumnId, EditError> {
    let id = table.column_id(name);
    id.ok_or_else(|| EditError::NoColumn {
        table: table.name.clone(),
        column: name.into(),
    })
}

/// What a column holds if it is given `value`.
fn datum(table: &TableSchema, column: ColumnId, value: &Value) -> Result<Datum, EditError> {
    let column = table.column(column);
    // Of nothing, a program need not know whether it is a set or a map.
    if value.is_empty() && column.ty.min == 0 {
        return Ok(Datum::empty());
    }
    let datum = value.to_datum(&column.ty, &mut Symbols::none());
    datum.map_err(|error| EditError::Value {
        table: table.name.clone(),
        column: column.name.clone(),
        error,
    })
}

/// The element, key or value of type `base` that `term` is.
fn atom(
    table: &TableSchema,
    column: ColumnId,
    base: &BaseType,
    term: &Term,
) -> Result<Atom, EditError> {
    let ty = ColumnType {
        key: base.clone(),
        value: None,
        min: 1,
        max: 1,
    };
    let datum = Value::One(term.clone()).to_datum(&ty, &mut Symbols::none());
    let datum = datum.map_err(|error| EditError::Value {
        table: table.name.clone(),
        column: table.column(column).name.clone(),
        error,
    })?;
    let atom = datum.as_atom();
    Ok(atom
        .expect("a value of a type of one element is one")
        .clone())
}

#[cfg(test)]
mod tests;
