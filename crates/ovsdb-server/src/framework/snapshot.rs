//! A database at one moment, as programs read it.
//!
//! Taking a snapshot costs as good as nothing, and reading it holds nobody up. It keeps the rows of its moment in memory.

use std::sync::Arc;

use ovsdb_engine::{Context, Database, Outcome, Row, execute};
use ovsdb_proto::build::Transaction;
use ovsdb_proto::datum::Datum;
use ovsdb_proto::json::{self, Json};
use ovsdb_proto::operation::parse_transact;
use ovsdb_proto::schema::{Schema, TableId, TableSchema};
use ovsdb_proto::uuid::Uuid;
use ovsdb_proto::value::{ColumnError, FromDatum, column_of_row};

use super::engine::ExecuteError;
use crate::hub::Version;
use crate::runtime::fresh_uuid;

/// See the module's documentation.
#[derive(Clone, Debug)]
pub struct Snapshot {
    pub(super) database: Database,
    id: Uuid,
}

impl From<Database> for Snapshot {
    fn from(database: Database) -> Snapshot {
        let id = fresh_uuid();
        Snapshot { database, id }
    }
}

impl From<&Version> for Snapshot {
    fn from(version: &Version) -> Snapshot {
        Snapshot {
            database: version.database.clone(),
            id: version.id,
        }
    }
}

impl Snapshot {
    /// A database without rows, which nobody serves: a service can answer with such ones.
    pub fn empty(schema: impl Into<Arc<Schema>>) -> Snapshot {
        Snapshot::from(Database::new(schema.into()))
    }

    /// What this would be after a transaction. The snapshot itself, and a database from which it was taken, stay as they are.
    ///
    /// # Errors
    /// The transaction is on a database of another name, or fails. So does a `wait` that is not met.
    pub fn with(&self, transaction: &Transaction) -> Result<Snapshot, ExecuteError> {
        let name = transaction.database();
        if *name != *self.schema().name {
            return Err(ExecuteError::UnknownDatabase {
                name: name.to_string(),
            });
        }
        let params = transaction.to_params()?;
        let (results, next) = self.run(&params[1..], false);
        transaction.read_reply(&results)?;
        Ok(Snapshot::from(next))
    }

    /// What a client gets for these operations (RFC 7047, section 4.1.3): an array of one result an operation. Those that could
    /// change something are refused, and a `wait` that is not met fails at once.
    pub fn read(&self, operations: &[Json]) -> Json {
        self.run(operations, true).0
    }

    fn run(&self, operations: &[Json], read_only: bool) -> (Json, Database) {
        let mut fresh = fresh_uuid;
        let transact = parse_transact(self.schema(), operations, &mut fresh);
        let mut context = Context {
            read_only,
            ..Context::unrestricted(&mut fresh)
        };
        let (results, next) = match execute(&self.database, &transact, &mut context) {
            Outcome::Prepared(prepared) => (prepared.results, prepared.next),
            Outcome::Failed(results) => (results, self.database.clone()),
            Outcome::Blocked { .. } => unreachable!("the context forbids that"),
        };
        let results = json::parse(&results.to_bytes()).expect("results are JSON");
        (results, next)
    }

    /// Names it among all snapshots; clones have the same name. Of a database that an engine keeps it is the id of the last
    /// transaction, as clients know it (ovsdb-server(7), section 4.1.15); what a program has made has an id by chance.
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// The schema, which may be another one in another snapshot of the same database: it may have been converted.
    pub fn schema(&self) -> &Arc<Schema> {
        self.database.schema()
    }

    /// The rows of a table, in the order of their UUIDs. None if there is no such table.
    pub fn rows(&self, table: &str) -> impl Iterator<Item = RowView<'_>> {
        let found = self.schema().table_by_name(table);
        found.into_iter().flat_map(|(id, schema)| {
            let rows = self.database.table(id).iter();
            rows.map(move |row| RowView { schema, row })
        })
    }

    /// One row of a table, if it is there.
    pub fn row(&self, table: &str, uuid: Uuid) -> Option<RowView<'_>> {
        let (id, schema) = self.schema().table_by_name(table)?;
        let row = self.database.table(id).get(&uuid)?;
        Some(RowView { schema, row })
    }

    /// How many rows all tables have.
    pub fn len(&self) -> usize {
        self.database.rows()
    }

    /// Whether no table has a row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What differs from an `older` snapshot of the same database, table by table, and in each by the UUIDs of the rows. It
    /// costs what differs, not what there is. With another schema in between, all of the old rows have gone, and all that are
    /// there are new.
    pub fn changes_since<'a>(&'a self, older: &'a Snapshot) -> impl Iterator<Item = RowChange<'a>> {
        let same = self.schema().is_laid_out_as(older.schema());
        let both = same.then(|| self.database.table_ids());
        let both = both.into_iter().flatten().flat_map(|id| {
            let table = self.schema().table(id);
            let differences = older
                .database
                .table(id)
                .differences(self.database.table(id));
            differences.map(move |(old, new)| RowChange::of(table, old, new))
        });
        let all = |snapshot: &'a Snapshot| {
            let ids = (!same).then(|| snapshot.database.table_ids());
            ids.into_iter().flatten().flat_map(move |id: TableId| {
                let table = snapshot.schema().table(id);
                let rows = snapshot.database.table(id).iter();
                rows.map(move |row| (table, row))
            })
        };
        let gone = all(older).map(|(table, row)| RowChange::of(table, Some(row), None));
        let come = all(self).map(|(table, row)| RowChange::of(table, None, Some(row)));
        both.chain(gone).chain(come)
    }
}

/// A row of a [`Snapshot`].
#[derive(Clone, Copy, Debug)]
pub struct RowView<'a> {
    schema: &'a TableSchema,
    row: &'a Row,
}

impl<'a> RowView<'a> {
    /// The row's UUID.
    pub fn uuid(self) -> Uuid {
        self.row.uuid()
    }

    /// The name of its table.
    pub fn table(self) -> &'a str {
        &self.schema.name
    }

    /// What a column holds, if the table has it.
    pub fn datum(self, column: &str) -> Option<&'a Datum> {
        Some(self.row.get(self.schema.column_id(column)?))
    }

    /// What the program wants from a column, for example `String`, `Option<i64>` or `BTreeMap<String, String>`.
    ///
    /// # Errors
    /// There is no such column, or it holds something else.
    pub fn get<T: FromDatum>(self, column: &str) -> Result<T, ColumnError> {
        column_of_row(self.schema, self.uuid(), column, |id| self.row.get(id))
    }
}

/// A row that differs between two snapshots. At least one of the two is there.
#[derive(Clone, Copy, Debug)]
pub struct RowChange<'a> {
    /// The row before; `None` if it is new.
    pub old: Option<RowView<'a>>,
    /// The row after; `None` if it has gone.
    pub new: Option<RowView<'a>>,
}

impl<'a> RowChange<'a> {
    fn of(
        schema: &'a TableSchema,
        old: Option<&'a Arc<Row>>,
        new: Option<&'a Arc<Row>>,
    ) -> RowChange<'a> {
        let view = |row: &'a Arc<Row>| RowView { schema, row };
        RowChange {
            old: old.map(view),
            new: new.map(view),
        }
    }

    /// The name of the table.
    pub fn table(&self) -> &'a str {
        let row = self.new.or(self.old);
        row.expect("one of the two is there").table()
    }

    /// The row's UUID.
    pub fn uuid(&self) -> Uuid {
        let row = self.new.or(self.old);
        row.expect("one of the two is there").uuid()
    }
}
