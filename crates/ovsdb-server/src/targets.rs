//! Remotes named by a database: `db:DATABASE,TABLE,COLUMN` (ovsdb-server(1), `--remote`).
//!
//! The column holds connection methods, or refers to rows that hold one with its options. Nothing here opens anything.

use std::collections::BTreeMap;
use std::sync::Arc;

use ovsdb_engine::{Database, Row};
use ovsdb_proto::atom::{Atom, AtomType};
use ovsdb_proto::datum::Datum;
use ovsdb_proto::schema::{ColumnId, TableId, TableSchema};
use ovsdb_proto::types::{ColumnType, Constraint};

use crate::database::Served;
use crate::remotes::RemoteOptions;
use crate::server::Server;

/// Why a name of this form is of no use.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum TargetError {
    /// It does not have three parts.
    #[error("\"{name}\": invalid syntax")]
    Syntax {
        /// What was given.
        name: String,
    },
    /// There is no such database.
    #[error("\"{name}\": no database named {database}")]
    Database {
        /// What was given.
        name: String,
        /// The part that is wrong.
        database: String,
    },
    /// The database has no such table.
    #[error("\"{name}\": no table named {table}")]
    Table {
        /// What was given.
        name: String,
        /// The part that is wrong.
        table: String,
    },
    /// The table has no such column.
    #[error("\"{name}\": table \"{table}\" has no column \"{column}\"")]
    Column {
        /// What was given.
        name: String,
        /// The table.
        table: String,
        /// The part that is wrong.
        column: String,
    },
    /// The column should hold strings.
    #[error("\"{name}\": table \"{table}\" column \"{column}\" is not string or set of strings")]
    NotStrings {
        /// What was given.
        name: String,
        /// The table.
        table: String,
        /// The column.
        column: String,
    },
}

/// A column of a served database.
pub struct Target {
    /// The database.
    pub database: Arc<Served>,
    /// The table.
    pub table: TableId,
    /// The column.
    pub column: ColumnId,
}

/// Whether a remote is named by a database.
pub fn is_database(name: &str) -> bool {
    name.starts_with("db:")
}

impl Target {
    /// Finds the column that `name` means.
    ///
    /// # Errors
    /// There is no such column.
    pub fn find(server: &Server, name: &str) -> Result<Target, TargetError> {
        let owned = || name.to_owned();
        let rest = name.split_once(':').map_or("", |(_, rest)| rest);
        let mut parts = rest.split(',').filter(|part| !part.is_empty());
        let (Some(database), Some(table), Some(column)) =
            (parts.next(), parts.next(), parts.next())
        else {
            return Err(TargetError::Syntax { name: owned() });
        };
        let served = server
            .database(database)
            .ok_or_else(|| TargetError::Database {
                name: owned(),
                database: database.to_owned(),
            })?;
        let (table_id, schema) =
            served
                .schema()
                .table_by_name(table)
                .ok_or_else(|| TargetError::Table {
                    name: owned(),
                    table: table.to_owned(),
                })?;
        let column_id = schema
            .column_id(column)
            .ok_or_else(|| TargetError::Column {
                name: owned(),
                table: table.to_owned(),
                column: column.to_owned(),
            })?;
        Ok(Target {
            table: table_id,
            column: column_id,
            database: served.clone(),
        })
    }

    pub(crate) fn ty(&self) -> &ColumnType {
        &self
            .database
            .schema()
            .table(self.table)
            .column(self.column)
            .ty
    }

    /// The names of the table and of the column.
    pub(crate) fn names(&self) -> (String, String) {
        let table = self.database.schema().table(self.table);
        (
            table.name.to_string(),
            table.column(self.column).name.to_string(),
        )
    }

    /// The table that the column refers to.
    pub fn referred(&self) -> Option<TableId> {
        match (&self.ty().key.constraint, &self.ty().value) {
            (
                Constraint::Uuid {
                    ref_table: Some(table),
                    ..
                },
                None,
            ) => self.database.schema().table_id(table),
            _ => None,
        }
    }

    /// The tables on which the remotes depend.
    pub fn tables(&self) -> Vec<TableId> {
        std::iter::once(self.table).chain(self.referred()).collect()
    }

    /// The rows that the column refers to.
    pub fn referred_rows(&self, database: &Database) -> Vec<Arc<Row>> {
        let Some(referred) = self.referred() else {
            return Vec::new();
        };
        let rows = database.table(self.table).iter();
        let keys = rows.flat_map(|row| row.get(self.column).keys());
        keys.filter_map(|key| match key {
            Atom::Uuid(uuid) => database.table(referred).get(uuid).cloned(),
            _ => None,
        })
        .collect()
    }

    /// Adds the remotes of the current version to `remotes`. The first mention of a remote decides about its options.
    pub fn collect(&self, remotes: &mut BTreeMap<String, RemoteOptions>) {
        let version = self.database.version();
        let database = &version.database;
        if let Some(referred) = self.referred() {
            let table = database.schema().table(referred);
            for row in self.referred_rows(database) {
                match target_of(table, &row) {
                    Some(target) => {
                        let options = remotes
                            .entry(target.to_owned())
                            .or_insert_with(|| RemoteOptions::default_for(target));
                        read_options(table, &row, options);
                    }
                    None => tracing::info!(
                        target: "ovsdb_server", per_minute = 1, burst = 1,
                        "Table `{}' has missing or invalid `target' column", table.name
                    ),
                }
            }
        } else if self.ty().key.kind == AtomType::String && self.ty().value.is_none() {
            for row in database.table(self.table).iter() {
                for key in row.get(self.column).keys() {
                    if let Atom::String(target) = key {
                        remotes
                            .entry(target.to_string())
                            .or_insert_with(|| RemoteOptions::default_for(target));
                    }
                }
            }
        }
    }
}

/// The remote that a row describes.
pub(crate) fn target_of<'a>(table: &TableSchema, row: &'a Row) -> Option<&'a str> {
    string(table, row, "target")
}

fn read_options(table: &TableSchema, row: &Row, options: &mut RemoteOptions) {
    if let Some(Atom::Integer(ms)) = value(table, row, "max_backoff") {
        options.max_backoff_ms = u64::try_from(*ms).unwrap_or(0);
    }
    if let Some(Atom::Integer(ms)) = value(table, row, "inactivity_probe") {
        options.probe_interval_ms = u64::try_from(*ms).unwrap_or(0);
    }
    if let Some(Atom::Boolean(read_only)) = value(table, row, "read_only") {
        options.read_only = *read_only;
    }
    options.role = string(table, row, "role").map(str::to_owned);
    let dscp =
        datum(table, row, "other_config").and_then(|map| map.get(&Atom::String("dscp".into())));
    options.set_dscp(match dscp {
        // Digits at the beginning count, as `atoi` reads them.
        Some(Atom::String(text)) => {
            let digits = text.trim_start();
            let end = digits.find(|c: char| !c.is_ascii_digit());
            digits[..end.unwrap_or(digits.len())].parse().unwrap_or(-1)
        }
        _ => -1,
    });
}

fn datum<'a>(table: &TableSchema, row: &'a Row, column: &str) -> Option<&'a Datum> {
    Some(row.get(table.column_id(column)?))
}

/// The value of a column that has at most one.
fn value<'a>(table: &TableSchema, row: &'a Row, column: &str) -> Option<&'a Atom> {
    let column = table.column_id(column)?;
    let ty = &table.column(column).ty;
    let is_one = ty.max == 1 && ty.value.is_none();
    row.get(column).first().filter(|_| is_one)
}

fn string<'a>(table: &TableSchema, row: &'a Row, column: &str) -> Option<&'a str> {
    match value(table, row, column)? {
        Atom::String(text) => Some(text),
        _ => None,
    }
}
