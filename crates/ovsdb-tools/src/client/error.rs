//! Why ovsdb-client fails, each cause with the words that its users know.
//!
//! Every failure ends the program with status 1 and one line on standard error.

use std::io;

use ovsdb_client::Disconnect;
use ovsdb_daemon::daemonize::UserError;
use ovsdb_daemon::unixctl::ServerError;
use ovsdb_daemon::vlog::VlogOptionError;
use ovsdb_net::{NetError, errno_text};
use ovsdb_proto::error::OvsdbError;
use ovsdb_proto::json::JsonError;
use ovsdb_proto::uuid::Uuid;
use ovsdb_server::file::FileError;

use super::keep_uuids::ATTEMPTS_MAX;
use crate::table::UnknownFormat;

/// A failure of the program.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// There is no command on the command line.
    #[error("missing command name; use --help for help")]
    MissingCommand,
    /// The command does not exist.
    #[error("unknown command '{0}'; use --help for help")]
    UnknownCommand(String),
    /// The command has too few or too many arguments.
    #[error("invalid syntax for '{0}' (use --help for help)")]
    Arguments(&'static str),
    /// An option that other programs of this name have.
    #[error("--{0} is not supported by this program")]
    Unsupported(&'static str),
    /// `--timeout` is not a positive number.
    #[error("value {0} on -t or --timeout is invalid")]
    Timeout(String),
    /// `--format` or `--data` is unknown.
    #[error(transparent)]
    Format(#[from] UnknownFormat),
    /// An argument that should be JSON is not.
    #[error("\"{text}\": {source}")]
    Json {
        /// The argument.
        text: String,
        /// Where it goes wrong.
        source: JsonError,
    },

    /// An active connection method failed.
    #[error("failed to connect to \"{server}\" ({})", .source.reason())]
    Connect {
        /// The connection method.
        server: String,
        /// What is wrong.
        source: NetError,
    },
    /// A passive connection method failed, or there is no such method.
    #[error("failed to connect or listen to \"{server}\" ({})", .source.reason())]
    Listen {
        /// The connection method.
        server: String,
        /// What is wrong.
        source: NetError,
    },
    /// The first connection to a passive method failed.
    #[error("failed to accept connection on \"{server}\" ({})", errno_text(.source))]
    Accept {
        /// The connection method.
        server: String,
        /// What the system says.
        source: io::Error,
    },
    /// None of several servers is up and has the database.
    #[error("no servers were available")]
    NoServers,
    /// Several servers, and no database named.
    #[error("database name is required with multiple remotes")]
    DatabaseRequired,
    /// No database named, and none that stands out.
    #[error("could not find a default database, please specify a database name")]
    NoDefaultDatabase,

    /// The connection broke while a reply was due.
    #[error("transaction failed ({0})")]
    Broken(Disconnect),
    /// The connection broke while notifications were due.
    #[error("{server}: receive failed ({reason})")]
    Receive {
        /// The server.
        server: String,
        /// Why.
        reason: Disconnect,
    },
    /// The server answered with an error.
    #[error("transaction returned error: {0}")]
    Reply(String),
    /// An operation of a transaction failed.
    #[error("server returned error reply: {0}")]
    Operation(String),
    /// The server refused a lock request or a monitor.
    #[error("{server}: \"{method}\" request failed ({error})")]
    Refused {
        /// The server.
        server: String,
        /// The method of the request.
        method: String,
        /// The server's error.
        error: String,
    },
    /// The server refused to speak of database changes.
    #[error("{server}: set_db_change_aware failed ({error})")]
    ChangeAware {
        /// The server.
        server: String,
        /// Its error.
        error: String,
    },
    /// The connection broke meanwhile.
    #[error("{server}: error setting db_change_aware ({reason})")]
    ChangeAwareBroken {
        /// The server.
        server: String,
        /// Why.
        reason: Disconnect,
    },
    /// The monitored database went away or changed its schema.
    #[error("{server}: {database} database was removed")]
    DatabaseRemoved {
        /// The server.
        server: String,
        /// The database.
        database: String,
    },

    /// A schema or datum from the server, or a schema file, is not valid.
    #[error(transparent)]
    Ovsdb(#[from] OvsdbError),
    /// A reply does not have the shape that the request calls for.
    #[error(transparent)]
    Shape(#[from] Shape),

    /// The argument of `transact` or `query` is not a transaction.
    #[error("not a valid OVSDB query")]
    NotATransaction,
    /// `dump` of a table that does not exist.
    #[error("No table \"{0}\" found.")]
    DumpTable(String),
    /// `dump` of a column that does not exist.
    #[error("Table \"{table}\" has no column {column}.")]
    DumpColumn {
        /// The table.
        table: String,
        /// The missing column.
        column: String,
    },
    /// `monitor` of a table that does not exist.
    #[error("{server}: {database} does not have a table named \"{table}\"")]
    MonitorTable {
        /// The server.
        server: String,
        /// The database.
        database: String,
        /// The missing table.
        table: String,
    },
    /// `monitor-cond` on a table that does not exist.
    #[error("{database} does not have a table named \"{table}\"")]
    ConditionTable {
        /// The database.
        database: String,
        /// The missing table.
        table: String,
    },
    /// `monitor` of a column that does not exist.
    #[error("{server}: table \"{table}\" in {database} does not have a column named \"{column}\"")]
    MonitorColumn {
        /// The server.
        server: String,
        /// The database.
        database: String,
        /// The table.
        table: String,
        /// The missing column.
        column: String,
    },
    /// `monitor` names a column twice.
    #[error("{server}: column \"{column}\" mentioned multiple times")]
    RepeatedColumn {
        /// The server.
        server: String,
        /// The column.
        column: String,
    },
    /// `monitor-cond` takes one table.
    #[error("ALL tables are not allowed with condition")]
    ConditionOnAll,
    /// `wait` for a state that does not exist.
    #[error("{0}: unknown state")]
    UnknownState(String),
    /// `backup` to a terminal.
    #[error("not writing backup to a terminal; please redirect stdout to a file")]
    BackupToTerminal,

    /// `restore` from a terminal.
    #[error("not reading backup from a terminal; please redirect stdin from a file")]
    RestoreFromTerminal,
    /// `restore` from a pipe that cannot be read.
    #[error("/dev/stdin: read failed ({})", errno_text(.0))]
    Snapshot(#[source] io::Error),
    /// `restore` of a database with another schema.
    #[error(
        "{0} (use --force to override differences, or \"ovsdb-client convert\" to change the schema)"
    )]
    OtherSchema(String),
    /// `restore --keep-uuids` with a server that does not know UUIDs in `insert`.
    #[error(
        "{0}: the server does not let clients choose the UUIDs of rows, so --keep-uuids is of no use with it"
    )]
    UuidsNotChosen(String),
    /// `restore --keep-uuids` of a row whose present one differs where it cannot be changed.
    #[error(
        "{table} table, row {row}, column {column}: the value in the database is not that of the snapshot, and the schema lets \
         nobody change it"
    )]
    RestoreFixed {
        /// The table.
        table: String,
        /// The row.
        row: Uuid,
        /// The column.
        column: String,
    },
    /// An operation of `restore --keep-uuids` failed.
    #[error("{table} table{}: server returned error reply: {error}", in_row(.row.as_ref()))]
    RestoreOperation {
        /// The table.
        table: String,
        /// The row, if it is about one.
        row: Option<Uuid>,
        /// The operation's result.
        error: String,
    },
    /// Rows came and went too quickly for `restore --keep-uuids`.
    #[error(
        "rows were added or removed by others {ATTEMPTS_MAX} times while their UUIDs were compared with those of the snapshot"
    )]
    RestoreOvertaken,
    /// The file to restore from is no database.
    #[error(transparent)]
    File(#[from] FileError),

    /// No client can be made for the servers.
    #[cfg(any(feature = "sql", feature = "watch"))]
    #[error("{server}: {reason}")]
    Unreachable {
        /// The servers.
        server: String,
        /// Why.
        reason: ovsdb_client::ConnectError,
    },
    /// `sql` has no answer.
    #[cfg(feature = "sql")]
    #[error(transparent)]
    Sql(Box<super::sql::Failure>),
    /// `watch` shows nothing, or no longer.
    #[cfg(feature = "watch")]
    #[error(transparent)]
    Watch(Box<super::watch::Failure>),

    /// Standard output does not take what is written.
    #[error("write to stdout failed")]
    Stdout(#[source] io::Error),
    /// `-v` or its kin is wrong.
    #[error(transparent)]
    Vlog(#[from] VlogOptionError),
    /// `--user` is wrong.
    #[error(transparent)]
    User(#[from] UserError),
    /// The control socket could not be set up.
    #[error("failed to create unixctl server ({})", .0.source.reason())]
    Control(#[from] ServerError),
    /// The system refused something that every program needs.
    #[error("{}", errno_text(.0))]
    System(#[source] io::Error),
}

#[cfg(feature = "sql")]
impl From<super::sql::Failure> for ClientError {
    fn from(failure: super::sql::Failure) -> ClientError {
        ClientError::Sql(Box::new(failure))
    }
}

/// The part of a message about a row.
fn in_row(row: Option<&Uuid>) -> String {
    row.map_or_else(String::new, |row| format!(", row {row}"))
}

#[cfg(feature = "watch")]
impl From<super::watch::Failure> for ClientError {
    fn from(failure: super::watch::Failure) -> ClientError {
        ClientError::Watch(Box::new(failure))
    }
}

impl ClientError {
    /// Whether the failure goes to the log as well, as a fatal one.
    pub fn is_logged(&self) -> bool {
        matches!(
            self,
            ClientError::UnknownCommand(_) | ClientError::Arguments(_) | ClientError::Stdout(_)
        )
    }
}

/// How a reply differs from what its request calls for.
#[derive(Debug, thiserror::Error)]
pub enum Shape {
    /// `list_dbs` gave no array.
    #[error("list_dbs response is not array")]
    DatabasesNotArray,
    /// `list_dbs` gave an array of other things than names.
    #[error("list_dbs response {0} is not string")]
    DatabaseNotString(usize),
    /// `transact` gave no array, or not one result an operation.
    #[error("reply is not array of {expected} elements: {reply}")]
    ResultCount {
        /// Operations in the request.
        expected: usize,
        /// The reply.
        reply: String,
    },
    /// A `select` gave no rows.
    #[error("{table} table reply is not an object with a \"rows\" member array: {result}")]
    NoRows {
        /// The table.
        table: String,
        /// The operation's result.
        result: String,
    },
    /// A row is not an object.
    #[error("row {row} in table {table} response is not a JSON object: {value}")]
    RowNotObject {
        /// Its number, from 0.
        row: usize,
        /// The table.
        table: String,
        /// What it is.
        value: String,
    },
    /// A row lacks a column.
    #[error("row {row} in table {table} response lacks {column} column")]
    ColumnMissing {
        /// Its number, from 0.
        row: usize,
        /// The table.
        table: String,
        /// The column.
        column: String,
    },
    /// A row lacks a column, and its UUID is known.
    #[error("{table} table reply row {row} lacks {column} member")]
    RowLacks {
        /// The table.
        table: String,
        /// The row.
        row: Uuid,
        /// The column.
        column: String,
    },
    /// A row of a backup is not an object.
    #[error("{table} table reply row is not an object: {row}")]
    BackupRow {
        /// The table.
        table: String,
        /// What it is.
        row: String,
    },
    /// A row of a backup has no UUID.
    #[error("{table} table reply row lacks _uuid member: {row}")]
    BackupUuid {
        /// The table.
        table: String,
        /// The row.
        row: String,
    },
    /// `monitor_cond_since` gave something else than three things.
    #[error("reply to \"monitor_cond_since\" is not [found, last_id, updates]: {0}")]
    SinceReply(String),
    /// `transact` gave no array.
    #[error("result is not array")]
    ResultsNotArray,
    /// An operation's result is not an object.
    #[error("result array element is not object")]
    ResultNotObject,
}
