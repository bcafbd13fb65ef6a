//! How it is known whether a transaction has been carried out, when the connection ended before the reply came.

use std::ptr;
use std::sync::{Arc, Weak};

use ecow::EcoString;
use ovsdb_proto::atom::{Atom, AtomType};
use ovsdb_proto::build::{Mutate, Wait, column, mutate, row, wait};
use ovsdb_proto::schema::Projection;
use ovsdb_proto::uuid::Uuid;
use ovsdb_proto::value::{Row, Value};
use tokio::sync::Mutex;

use super::error::{ColumnKind, EditError};
use super::plan::Naming;
use super::row::RowName;
use super::{Txn, column_of};
use crate::replica::Version;

/// A place in the database that tells which transaction of a client was the last: a key of a column that is a map of strings.
/// [`Replica::marker`](crate::replica::Replica::marker) makes it.
///
/// A transaction with a marker goes on from the token that the key has in the version on which the transaction stands, and
/// gives it a token of its own. It is carried out only if the key has the former and not the latter, all in one. So the
/// database itself, whose transactions come one after the other, sees to it that the same request happens once, by whichever
/// server, however often and however late it comes; and whoever asks again is told whether it has happened. The documentation of
/// the [module](super) says what follows from that, step by step.
///
/// That holds as long as nobody else writes the key and nobody deletes the row. Clones are the same marker: it takes part in
/// one commit at a time.
#[derive(Clone, Debug)]
pub struct Marker {
    row: RowName,
    column: EcoString,
    key: EcoString,
    turn: Arc<Mutex<Turn>>,
}

/// Who has it may have a transaction with the marker under way, and leaves to the next what it has learned.
#[derive(Debug, Default)]
pub(super) struct Turn {
    /// What was known of the schema when a server took no UUIDs for new rows.
    takes_no_uuids: Weak<Projection>,
}

impl Turn {
    /// How new rows are to be called in a transaction that stands on `base`. Servers become newer, and then the schema is
    /// read again: nothing is known of those yet.
    pub(super) fn naming(&self, base: &Version) -> Naming {
        match ptr::eq(self.takes_no_uuids.as_ptr(), Arc::as_ptr(base.projection())) {
            true => Naming::Names,
            false => Naming::Uuids,
        }
    }

    /// The server takes no UUIDs for new rows.
    pub(super) fn learn(&mut self, base: &Version) {
        self.takes_no_uuids = Arc::downgrade(base.projection());
    }
}

impl Marker {
    /// The key `key` of the map `column` in `row`. The row and the column are in the replica, and the key is there before
    /// the marker is of use.
    pub fn new(row: RowName, column: impl Into<EcoString>, key: impl Into<EcoString>) -> Marker {
        Marker {
            row,
            column: column.into(),
            key: key.into(),
            turn: Arc::default(),
        }
    }

    /// The row.
    pub fn row(&self) -> &RowName {
        &self.row
    }

    /// The column.
    pub fn column(&self) -> &str {
        &self.column
    }

    /// The key.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Held while a transaction with this marker may be under way.
    pub(super) fn turn(&self) -> &Mutex<Turn> {
        &self.turn
    }

    /// The token that the key has in what the transaction stands on; `None` if the key is not there.
    pub(super) fn last(&self, txn: &Txn) -> Result<Option<EcoString>, EditError> {
        let (id, table) = txn.table(self.row.table())?;
        let column = column_of(table, &self.column)?;
        let ty = &table.column(column).ty;
        let is_string = |kind: AtomType| kind == AtomType::String;
        let value = ty.value.as_ref();
        if !(is_string(ty.key.kind) && value.is_some_and(|value| is_string(value.kind))) {
            return Err(EditError::Kind {
                table: table.name.clone(),
                column: self.column.clone(),
                expected: ColumnKind::StringMap,
            });
        }
        let row = txn.base().rows(id).get(&self.row.uuid());
        let row = row.ok_or_else(|| EditError::NoRow(self.row.clone()))?;
        Ok(match row.get(column).get(&Atom::String(self.key.clone())) {
            Some(Atom::String(token)) => Some(token.clone()),
            _ => None,
        })
    }

    /// Fails if the transaction with this token has been carried out.
    pub(super) fn is_new(&self, token: Uuid) -> Wait {
        self.with(&token_text(token)).until_equal([])
    }

    /// Fails unless the last transaction was the one with this token.
    pub(super) fn follows(&self, last: &EcoString) -> Wait {
        self.with(last)
            .until_equal([Row::new().set("_uuid", self.row.uuid())])
    }

    /// Looks for the row with this token.
    fn with(&self, token: &EcoString) -> Wait {
        wait(self.row.table())
            .filter(row(self.row.uuid()))
            .filter(column(self.column.clone()).includes(self.pair(token)))
            .columns(["_uuid"])
            .timeout_ms(0)
    }

    /// Says that the transaction with this token was the last.
    pub(super) fn note(&self, token: Uuid) -> Mutate {
        let column = || column(self.column.clone());
        mutate(self.row.table())
            .filter(row(self.row.uuid()))
            .apply(column().delete(Value::set([self.key.clone()])))
            .apply(column().insert(self.pair(&token_text(token))))
    }

    fn pair(&self, token: &EcoString) -> Value {
        Value::map([(self.key.clone(), token.clone())])
    }
}

pub(super) fn token_text(token: Uuid) -> EcoString {
    token.to_string().into()
}
