//! Lines in the log about what changes in chosen tables (ovsdb-server(1), `ovsdb-server/tlog-set`).
//!
//! They tell of rows that a commit has changed, so of nothing that failed, and of a row once a transaction. Which tables
//! are chosen is kept by name: a conversion leaves the choice as it is.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};

use ovsdb_engine::{Commit, RowChange};
use ovsdb_proto::schema::Schema;
use parking_lot::Mutex;

/// The tables of one database whose changes are logged.
#[derive(Debug, Default)]
pub struct TransactionLog {
    tables: Mutex<BTreeSet<String>>,
    /// Whether there are any: all that is looked at while there are none.
    is_any: AtomicBool,
}

impl TransactionLog {
    /// Starts or ends the logging of a table.
    pub(crate) fn set(&self, table: &str, on: bool) {
        let mut tables = self.tables.lock();
        if on {
            tables.insert(table.to_owned());
        } else {
            tables.remove(table);
        }
        self.is_any.store(!tables.is_empty(), Ordering::Relaxed);
    }

    /// Whether a table's changes are logged.
    pub(crate) fn is_on(&self, table: &str) -> bool {
        self.tables.lock().contains(table)
    }

    /// Whether any table's changes are logged.
    pub(crate) fn is_any(&self) -> bool {
        self.is_any.load(Ordering::Relaxed)
    }

    /// Logs what a commit has changed in the chosen tables.
    pub(crate) fn log(&self, schema: &Schema, commit: &Commit) {
        let tables = self.tables.lock();
        for change in &commit.changes {
            if tables.contains(schema.table(change.table).name.as_ref() as &str) {
                tracing::info!(
                    target: "transaction", per_minute = 10, burst = 20,
                    "{}", line(schema, change)
                );
            }
        }
    }
}

/// What became of a row: `DB.TABLE: insert UUID`, `update UUID: COLUMNS` or `delete UUID`.
fn line(schema: &Schema, change: &RowChange) -> String {
    let table = schema.table(change.table);
    let word = match (&change.old, &change.new) {
        (None, _) => "insert",
        (Some(_), Some(_)) => "update",
        (Some(_), None) => "delete",
    };
    let mut text = format!("{}.{}: {word} {}", schema.name, table.name, change.uuid);
    if let (Some(old), Some(new)) = (&change.old, &change.new) {
        let changed = table.column_ids().filter(|id| old.get(*id) != new.get(*id));
        let names = changed.map(|id| &table.column(id).name);
        // `_version` changes with every other.
        let names = names.filter(|name| !name.starts_with('_'));
        for (number, name) in names.enumerate() {
            let separator = if number == 0 { ":" } else { "," };
            // Writing to a String cannot fail.
            let _ = write!(text, "{separator} {name}");
        }
    }
    text
}
