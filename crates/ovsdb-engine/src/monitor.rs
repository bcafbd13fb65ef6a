//! What one monitor is told: initial contents and changes, in the form of RFC 7047 (sections 4.1.5, 4.1.6).
//!
//! Monitors read versions and commits and keep nothing but a [`Pending`] change set for a receiver that is
//! not ready: for each row the first old and the latest new contents, so that a slow receiver costs memory
//! for what differs, never for how often it changed.

use std::sync::Arc;

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use ovsdb_proto::json::write;
use ovsdb_proto::monitor::{MonitorRequests, Select, TableRequest};
use ovsdb_proto::schema::{Schema, TableId, TableSchema};
use ovsdb_proto::uuid::Uuid;

use crate::commit::Commit;
use crate::database::{Database, Row};

/// A monitor of some columns of some tables.
#[derive(Clone, Debug)]
pub struct Monitor {
    schema: Arc<Schema>,
    requests: MonitorRequests,
}

/// Changes that a monitor was not told of yet, merged row by row.
#[derive(Clone, Debug, Default)]
pub struct Pending {
    rows: HashMap<(TableId, Uuid), Versions, FixedState>,
}

/// A row before the first and after the last change.
#[derive(Clone, Debug)]
struct Versions {
    old: Option<Arc<Row>>,
    new: Option<Arc<Row>>,
}

impl Pending {
    /// Whether there is nothing to tell.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The number of rows with changes.
    pub fn len(&self) -> usize {
        self.rows.len()
    }
}

impl Monitor {
    /// A monitor as requested.
    pub fn new(schema: Arc<Schema>, mut requests: MonitorRequests) -> Monitor {
        for request in &mut requests.tables {
            // Columns are told of in the order of their names.
            let table = schema.table(request.table);
            request
                .columns
                .sort_by_key(|column| &table.column(column.column).name);
        }
        Monitor { schema, requests }
    }

    /// The tables that are monitored, in ascending order.
    pub fn tables(&self) -> impl Iterator<Item = TableId> {
        self.requests.tables.iter().map(|request| request.table)
    }

    /// Whether a table is monitored.
    pub fn has(&self, table: TableId) -> bool {
        self.requests.table(table).is_some()
    }

    /// Appends the `<table-updates>` of the reply to `monitor`: all rows, for tables that select `initial`.
    pub fn write_initial(&self, database: &Database, out: &mut Vec<u8>) {
        let mut object = ObjectWriter::open(out);
        for monitored in &self.requests.tables {
            if !monitored.select.contains(Select::INITIAL) {
                continue;
            }
            let table = self.schema.table(monitored.table);
            let mut rows = database.table(monitored.table).iter().peekable();
            if rows.peek().is_none() {
                continue;
            }
            let mut rows_object = object.object(&table.name);
            for row in rows {
                let out = rows_object.member(&row.uuid().to_string());
                write_update(table, monitored, Select::INITIAL, None, Some(row), out);
            }
            rows_object.close();
        }
        object.close();
    }

    /// Adds a commit to what is to be told. Rows that the monitor does not ask for are left out.
    pub fn add(&self, pending: &mut Pending, commit: &Commit) {
        for change in &commit.changes {
            let Some(monitored) = self.requests.table(change.table) else {
                continue;
            };
            let key = (change.table, change.uuid);
            if let Some(versions) = pending.rows.get_mut(&key) {
                // Whatever happens to a row that is already on the list belongs there: what will be told
                // follows from its first and its last state.
                versions.new.clone_from(&change.new);
                if versions.old.is_none() && versions.new.is_none() {
                    pending.rows.remove(&key);
                }
            } else if concerns(monitored, change.old.as_deref(), change.new.as_deref()) {
                let versions = Versions {
                    old: change.old.clone(),
                    new: change.new.clone(),
                };
                pending.rows.insert(key, versions);
            }
        }
    }

    /// Takes all that is pending and writes it as `<table-updates>`. False, and nothing written, if there is
    /// nothing to tell, for instance because the changes cancel each other.
    pub fn write_update(&self, pending: &mut Pending, out: &mut Vec<u8>) -> bool {
        if pending.is_empty() {
            return false;
        }
        let mut rows: Vec<((TableId, Uuid), Versions)> = pending.rows.drain().collect();
        rows.sort_unstable_by_key(|(key, _)| *key);
        rows.retain(|((table, _), versions)| {
            let monitored = self.requests.table(*table);
            monitored.is_some_and(|monitored| {
                concerns(monitored, versions.old.as_deref(), versions.new.as_deref())
            })
        });
        if rows.is_empty() {
            return false;
        }
        let mut object = ObjectWriter::open(out);
        for of_table in rows.chunk_by(|(a, _), (b, _)| a.0 == b.0) {
            let id = of_table[0].0.0;
            let Some(monitored) = self.requests.table(id) else {
                continue;
            };
            let table = self.schema.table(id);
            let mut rows_object = object.object(&table.name);
            for ((_, uuid), versions) in of_table {
                let (old, new) = (versions.old.as_deref(), versions.new.as_deref());
                if let Some(kind) = kind_of(old, new) {
                    let out = rows_object.member(&uuid.to_string());
                    write_update(table, monitored, kind, old, new, out);
                }
            }
            rows_object.close();
        }
        object.close();
        true
    }
}

/// What happened to a row that went from `old` to `new`.
fn kind_of(old: Option<&Row>, new: Option<&Row>) -> Option<Select> {
    match (old, new) {
        (None, None) => None,
        (None, Some(_)) => Some(Select::INSERT),
        (Some(_), None) => Some(Select::DELETE),
        (Some(_), Some(_)) => Some(Select::MODIFY),
    }
}

/// Whether a monitor of `monitored` is to be told of a row that went from `old` to `new`.
fn concerns(monitored: &TableRequest, old: Option<&Row>, new: Option<&Row>) -> bool {
    let Some(kind) = kind_of(old, new) else {
        return false;
    };
    if !monitored.select.contains(kind) {
        return false;
    }
    match (old, new) {
        (Some(old), Some(new)) => monitored
            .columns
            .iter()
            .any(|column| old.get(column.column) != new.get(column.column)),
        _ => true,
    }
}

/// Writes one `<row-update>`. The columns of `monitored` stand in the order of their names.
fn write_update(
    table: &TableSchema,
    monitored: &TableRequest,
    kind: Select,
    old: Option<&Row>,
    new: Option<&Row>,
    out: &mut Vec<u8>,
) {
    let mut update = ObjectWriter::open(out);
    let columns = monitored
        .columns
        .iter()
        .filter(|column| column.select.contains(kind));
    if let Some(new) = new {
        let mut object = update.object("new");
        for column in columns.clone() {
            let schema = table.column(column.column);
            new.get(column.column)
                .write_json(&schema.ty, object.member(&schema.name));
        }
        object.close();
    }
    if let Some(old) = old {
        let mut object = update.object("old");
        for column in columns {
            if new.is_some_and(|new| new.get(column.column) == old.get(column.column)) {
                continue;
            }
            let schema = table.column(column.column);
            old.get(column.column)
                .write_json(&schema.ty, object.member(&schema.name));
        }
        object.close();
    }
    update.close();
}

/// Writes a JSON object member by member, with the commas where they belong.
struct ObjectWriter<'a> {
    out: &'a mut Vec<u8>,
    empty: bool,
}

impl<'a> ObjectWriter<'a> {
    fn open(out: &'a mut Vec<u8>) -> ObjectWriter<'a> {
        out.push(b'{');
        ObjectWriter { out, empty: true }
    }

    /// Begins a member; the caller writes its value.
    fn member(&mut self, name: &str) -> &mut Vec<u8> {
        if !std::mem::take(&mut self.empty) {
            self.out.push(b',');
        }
        write::string(name, self.out);
        self.out.push(b':');
        self.out
    }

    /// Begins a member whose value is an object.
    fn object(&mut self, name: &str) -> ObjectWriter<'_> {
        ObjectWriter::open(self.member(name))
    }

    fn close(self) {
        self.out.push(b'}');
    }
}
