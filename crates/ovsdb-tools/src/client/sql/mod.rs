//! `sql`: a question in SQL about the tables of a server's database or of a database file.
//!
//! Of a server, those tables and columns are copied that the statement reads, as they were at one moment; a file is read to
//! its end, and is neither locked nor changed. What SQL means here is `ovsdb_sql`'s matter.

mod contents;
mod print;

use std::path::Path;
use std::sync::Arc;

use ovsdb_client::Client;
use ovsdb_client::replica::{Interest, Limits, Replica, Version, WaitError};
use ovsdb_daemon::vlog;
use ovsdb_log::{LockPolicy, LogError, OpenMode};
use ovsdb_proto::schema::{ColumnId, Schema, Selection};
use ovsdb_server::file::{self, FileError};
use ovsdb_sql::{Answer, Catalog, Query, SqlError};

use super::error::ClientError;
use super::output::Output;
use print::Printer;

/// Why `sql` fails, beside what every command fails by.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The statement has no answer.
    #[error("SQL: {0}")]
    Statement(#[from] SqlError),
    /// Another database was named than the file's.
    #[error("{file}: the database is \"{found}\", not \"{named}\"")]
    OtherDatabase {
        /// The file.
        file: String,
        /// The database in it.
        found: String,
        /// The one on the command line.
        named: String,
    },
    /// `--watch` of a file.
    #[error("{0}: changes are told by servers; a file cannot be watched")]
    WatchedFile(String),
    /// There will be no contents.
    #[error("{server}: {reason}")]
    Contents {
        /// The servers.
        server: String,
        /// Why.
        reason: WaitError,
    },
    /// The connection was lost before there were any contents.
    #[error("{server}: {reason}")]
    Lost {
        /// The servers.
        server: String,
        /// Why, for people.
        reason: Arc<str>,
    },
}

/// A server's database.
pub(crate) struct Served<'a> {
    /// The connection methods, as on the command line.
    pub(crate) remotes: &'a str,
    pub(crate) database: &'a str,
    pub(crate) schema: Schema,
    pub(crate) leader_only: bool,
}

/// Answers `statement` from a file.
pub(crate) fn of_file(
    path: &str,
    database: Option<&str>,
    statement: &str,
    watch: bool,
    out: &mut Output,
) -> Result<(), ClientError> {
    if watch {
        return Err(Failure::WatchedFile(path.to_owned()).into());
    }
    let (log, schema) = file::open(Path::new(path), OpenMode::ReadOnly, LockPolicy::Never)?;
    if let Some(named) = database.filter(|named| schema.name != *named) {
        return Err(Failure::OtherDatabase {
            file: path.to_owned(),
            found: schema.name.to_string(),
            named: named.to_owned(),
        }
        .into());
    }
    // A statement that is unsound need not wait for the rows.
    let schema = Arc::new(schema);
    let catalog = Catalog::new(Arc::clone(&schema));
    let query = Query::new(&catalog, statement).map_err(Failure::from)?;
    let loaded = file::replay(log, schema, &mut |_| {});
    match loaded.fault {
        None => {}
        // The server that has the file is writing, or died of it: what is there counts for nothing yet.
        Some(FileError::Log(error @ LogError::ShortData { code: None, .. })) => {
            tracing::warn!(target: "ovsdb_client", "{error}");
        }
        Some(fault) => return Err(fault.into()),
    }
    let contents = contents::of_database(&loaded.database, query.reads());
    let answer = query.answer(&contents).map_err(Failure::from)?;
    Printer::new(None).print(&answer, out)
}

/// Answers `statement` from a server's database; if it is watched, again whenever the answer has become another.
pub(crate) async fn of_server(
    served: Served<'_>,
    statement: &str,
    watch: bool,
    timestamp: bool,
    out: &mut Output,
) -> Result<(), ClientError> {
    let catalog = Catalog::new(Arc::new(served.schema));
    let mut query = Query::new(&catalog, statement).map_err(Failure::from)?;
    let selection = selection(&query);
    // That a connection comes and goes as it should is no news beside an answer.
    vlog::set_level(
        Some("reconnect"),
        Some(vlog::Destination::Console),
        vlog::Level::Warn,
    )
    .expect("it is a module of the Open vSwitch programs");
    let client = Client::builder(served.remotes)
        .database(served.database)
        .leader_only(served.leader_only)
        .start()
        .map_err(|reason| ClientError::Unreachable {
            server: served.remotes.to_owned(),
            reason,
        })?;
    let replica = Replica::start(
        client.attach(),
        served.database,
        selection,
        Limits::default(),
    );
    let version = first(&client, &replica, served.remotes).await?;
    let answer = answer(&query, &version)?;
    if !watch {
        return Printer::new(None).print(&answer, out);
    }
    let mut printer = Printer::new(Some((statement, timestamp)));
    printer.print(&answer, out)?;
    out.flush()?;
    let mut shown = answer;
    let mut watcher = replica.watch(Interest::all());
    let mut version = version;
    loop {
        let changes = watcher.next().await.map_err(|reason| Failure::Contents {
            server: served.remotes.to_owned(),
            reason,
        })?;
        let newer = changes.newer();
        if !Arc::ptr_eq(newer.projection(), version.projection()) {
            // Another schema came. What the statement reads may be gone or of another type now.
            let schema = client
                .get_schema(served.database, None)
                .await
                .map_err(|error| Failure::Lost {
                    server: served.remotes.to_owned(),
                    reason: error.to_string().into(),
                })?;
            let catalog = Catalog::new(Arc::new(schema));
            query = Query::new(&catalog, statement).map_err(Failure::from)?;
        }
        version = Arc::clone(newer);
        let answer = self::answer(&query, &version)?;
        if answer != shown {
            printer.print(&answer, out)?;
            out.flush()?;
            shown = answer;
        }
    }
}

fn answer(query: &Query, version: &Arc<Version>) -> Result<Answer, ClientError> {
    let contents = contents::of_version(version, query.catalog().schema(), query.reads());
    Ok(query.answer(&contents).map_err(Failure::from)?)
}

/// The tables and columns that a statement reads.
fn selection(query: &Query) -> Selection {
    let schema = query.catalog().schema();
    let tables = query.reads().iter();
    tables.fold(Selection::new(), |selection, (id, columns)| {
        let table = schema.table(id);
        let names = columns.map(|column: ColumnId| table.column(column).name.clone());
        selection.columns(table.name.clone(), names)
    })
}

/// The first contents. Nobody waits for a server that has gone.
async fn first(
    client: &Client,
    replica: &Replica,
    server: &str,
) -> Result<Arc<Version>, ClientError> {
    let mut status = client.status();
    let lost = async {
        loop {
            if let ovsdb_client::Status::Connecting { last: Some(reason) } =
                &*status.borrow_and_update()
            {
                return Arc::clone(reason);
            }
            if status.changed().await.is_err() {
                // The client ends with its handle, which is there.
                std::future::pending::<()>().await;
            }
        }
    };
    tokio::select! {
        biased;
        version = replica.ready(None) => Ok(version.map_err(|reason| Failure::Contents {
            server: server.to_owned(),
            reason,
        })?),
        reason = lost => Err(Failure::Lost {
            server: server.to_owned(),
            reason,
        }
        .into()),
    }
}
