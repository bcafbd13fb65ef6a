//! The commands: what each takes, and what it needs before it can run.
//!
//! A command line is `COMMAND [SERVER] [DATABASE] ARGUMENT...`. Something like a connection method is the server, if
//! there are more words than the command must have; a name that the server knows is the database, likewise.

use std::path::Path;

use ovsdb_client::Remotes;
use ovsdb_daemon::daemonize::Daemon;
use ovsdb_daemon::dirs;
use ovsdb_proto::condition::Condition;
use ovsdb_proto::symbols::Symbols;
use ovsdb_proto::uuid::Uuid;

use super::error::ClientError;
use super::monitor::{Monitor, Version};
use super::options::Settings;
use super::output::Output;
use super::server::{Opened, Server, default_database};
use super::wait::State;
use super::{backup, dump, lock, query, restore, schema, usage, wait};
use crate::tool::read_schema;

/// What a command needs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Need {
    /// Nothing, or it sees to that itself.
    Nothing,
    /// A server.
    Server,
    /// A server and the name of one of its databases.
    Database,
}

/// One command.
#[derive(Debug)]
pub(crate) struct Command {
    /// Its name.
    pub(crate) name: &'static str,
    /// Its arguments, for the help text.
    pub(crate) usage: &'static str,
    /// What it does, for the help text.
    pub(crate) help: &'static str,
    action: Action,
    need: Need,
    /// Least and greatest number of arguments, besides server and database.
    arguments: (usize, usize),
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Action {
    ListDatabases,
    GetSchema,
    GetVersion,
    GetCksum,
    ListTables,
    ListColumns,
    Transact,
    Query,
    Dump,
    Backup,
    Restore,
    Monitor,
    MonitorCond,
    MonitorCondSince,
    Wait,
    Convert,
    NeedsConversion,
    Lock,
    #[cfg(feature = "sql")]
    Sql,
    #[cfg(feature = "watch")]
    Watch,
    Help,
}

const fn command(
    action: Action,
    name: &'static str,
    usage: &'static str,
    need: Need,
    arguments: (usize, usize),
    help: &'static str,
) -> Command {
    Command {
        name,
        usage,
        help,
        action,
        need,
        arguments,
    }
}

/// All commands.
pub(crate) const COMMANDS: &[Command] = &[
    command(
        Action::ListDatabases,
        "list-dbs",
        "[SERVER]",
        Need::Server,
        (0, 0),
        "list databases available on SERVER",
    ),
    command(
        Action::GetSchema,
        "get-schema",
        "[SERVER] [DATABASE]",
        Need::Database,
        (0, 0),
        "print the schema of DATABASE",
    ),
    command(
        Action::GetVersion,
        "get-schema-version",
        "[SERVER] [DATABASE]",
        Need::Database,
        (0, 0),
        "print only the version of the schema of DATABASE",
    ),
    command(
        Action::GetCksum,
        "get-schema-cksum",
        "[SERVER] [DATABASE]",
        Need::Database,
        (0, 0),
        "print only the checksum of the schema of DATABASE",
    ),
    command(
        Action::ListTables,
        "list-tables",
        "[SERVER] [DATABASE]",
        Need::Database,
        (0, 0),
        "list tables of DATABASE",
    ),
    command(
        Action::ListColumns,
        "list-columns",
        "[SERVER] [DATABASE] [TABLE]",
        Need::Database,
        (0, 1),
        "list columns of TABLE (or all tables) of DATABASE",
    ),
    command(
        Action::Transact,
        "transact",
        "[SERVER] TRANSACTION",
        Need::Nothing,
        (1, 2),
        "run TRANSACTION (params for \"transact\" request) and print\nthe results as JSON",
    ),
    command(
        Action::Query,
        "query",
        "[SERVER] TRANSACTION",
        Need::Nothing,
        (1, 2),
        "run TRANSACTION without changing anything and print\nthe results as JSON",
    ),
    command(
        Action::Monitor,
        "monitor",
        "[SERVER] [DATABASE] TABLE [COLUMN,...]...",
        Need::Database,
        (1, usize::MAX),
        "print the contents of COLUMNs of TABLE (ALL for every table)\nand then every change; !initial, !insert, \
         !delete and !modify\namong the COLUMNs leave that kind of change out",
    ),
    command(
        Action::MonitorCond,
        "monitor-cond",
        "[SERVER] [DATABASE] CONDITION TABLE [COLUMN,...]...",
        Need::Database,
        (2, 3),
        "the same for rows that match CONDITION",
    ),
    command(
        Action::MonitorCondSince,
        "monitor-cond-since",
        "[SERVER] [DATABASE] [LASTID] CONDITION TABLE [COLUMN,...]...",
        Need::Database,
        (2, 4),
        "the same for changes after transaction LASTID",
    ),
    command(
        Action::Convert,
        "convert",
        "[SERVER] SCHEMA",
        Need::Nothing,
        (1, 2),
        "convert the database named in the file SCHEMA to that schema",
    ),
    command(
        Action::NeedsConversion,
        "needs-conversion",
        "[SERVER] SCHEMA",
        Need::Nothing,
        (1, 2),
        "say whether \"convert\" would change anything",
    ),
    command(
        Action::Wait,
        "wait",
        "[SERVER] DATABASE STATE",
        Need::Nothing,
        (2, 3),
        "wait until DATABASE is \"added\", \"connected\" or \"removed\"",
    ),
    command(
        Action::Dump,
        "dump",
        "[SERVER] [DATABASE] [TABLE [COLUMN]...]",
        Need::Database,
        (0, usize::MAX),
        "print COLUMNs of TABLE, or all of DATABASE",
    ),
    command(
        Action::Backup,
        "backup",
        "[SERVER] [DATABASE] > SNAPSHOT",
        Need::Database,
        (0, 0),
        "print DATABASE in the form of a database file",
    ),
    command(
        Action::Restore,
        "restore",
        "[SERVER] [DATABASE] < SNAPSHOT",
        Need::Database,
        (0, 0),
        "replace the contents of DATABASE by those of a database file;\n--force overrides differences of schemas, --keep-uuids has rows\n\
         keep the UUIDs that they have in the file",
    ),
    command(
        Action::Lock,
        "lock",
        "[SERVER] LOCK",
        Need::Server,
        (1, 1),
        "create or wait for LOCK",
    ),
    command(
        Action::Lock,
        "steal",
        "[SERVER] LOCK",
        Need::Server,
        (1, 1),
        "steal LOCK",
    ),
    command(
        Action::Lock,
        "unlock",
        "[SERVER] LOCK",
        Need::Server,
        (1, 1),
        "unlock LOCK",
    ),
    #[cfg(feature = "sql")]
    command(
        Action::Sql,
        "sql",
        "[SERVER|FILE] [DATABASE] STATEMENT",
        Need::Nothing,
        (1, 3),
        "answer STATEMENT, in SQL, from the tables of DATABASE or of a\ndatabase file, which stays as it is; for example: sql\n\
         \"SELECT name, type FROM Interface WHERE link_state = 'up'\"",
    ),
    #[cfg(feature = "watch")]
    command(
        Action::Watch,
        "watch",
        "[SERVER] [DATABASE] TABLE [COLUMN,...]",
        Need::Nothing,
        (1, 4),
        "show TABLE on the whole screen while it changes; the key ? tells\nthe keys; for example: watch Interface \
         name,link_state,statistics",
    ),
    command(
        Action::Help,
        "help",
        "[COMMAND]",
        Need::Nothing,
        (0, usize::MAX),
        "print this text, or more about COMMAND",
    ),
];

impl Command {
    /// The command of that name.
    pub(crate) fn find(name: &str) -> Option<&'static Command> {
        COMMANDS.iter().find(|command| command.name == name)
    }

    /// Whether the command may go to the background.
    pub(crate) fn stays(&self) -> bool {
        use Action::{Lock, Monitor, MonitorCond, MonitorCondSince, Query, Transact};
        matches!(
            self.action,
            Lock | Monitor | MonitorCond | MonitorCondSince | Query | Transact
        )
    }

    /// Whether the command goes on to print errors in the background. The reference's `lock` does not, and its lines of
    /// output are read by scripts.
    pub(crate) fn keeps_stderr(&self) -> bool {
        self.action != Action::Lock
    }

    fn takes(&self, arguments: usize) -> Result<(), ClientError> {
        let (min, max) = self.arguments;
        if (min..=max).contains(&arguments) {
            Ok(())
        } else {
            Err(ClientError::Arguments(self.name))
        }
    }
}

/// A command line that has found its command.
pub(crate) struct Invocation<'a> {
    /// The words after the command's name.
    pub(crate) args: Vec<String>,
    pub(crate) settings: &'a Settings,
    /// For commands that [stay](Command::stays).
    pub(crate) daemon: Option<Daemon>,
}

/// Runs a command.
pub(crate) async fn execute(
    command: &'static Command,
    invocation: Invocation<'_>,
    out: &mut Output,
) -> Result<(), ClientError> {
    if command.need == Need::Nothing {
        command.takes(invocation.args.len())?;
        return execute_alone(command, invocation, out).await;
    }
    let Invocation {
        mut args,
        settings,
        daemon,
    } = invocation;
    let found = find_server(
        &args,
        command.arguments.0,
        command.need,
        None,
        settings,
        out,
    )
    .await?;
    let Found {
        opened: (server, events),
        database,
        words,
    } = found;
    args.drain(..words);
    command.takes(args.len())?;
    let (server, database) = (&server, database.as_deref().unwrap_or_default());
    match (command.action, daemon) {
        (Action::ListDatabases, _) => schema::list_databases(server, out).await,
        (Action::GetSchema, _) => schema::print(server, database, out).await,
        (Action::GetVersion, _) => schema::version(server, database, out).await,
        (Action::GetCksum, _) => schema::cksum(server, database, out).await,
        (Action::ListTables, _) => schema::list_tables(server, database, out).await,
        (Action::ListColumns, _) => schema::list_columns(server, database, &args, out).await,
        (Action::Dump, _) => dump::dump(server, database, &args, out).await,
        (Action::Backup, _) => backup::backup(server, database, out).await,
        (Action::Restore, _) => restore::restore(server, database, settings, out).await,
        (Action::Lock, Some(daemon)) => {
            lock::run(server, events, command.name, &args[0], daemon, out).await
        }
        (action, Some(daemon)) => {
            let version = monitor_version(action, server, database, &mut args, out).await?;
            let monitor = Monitor {
                server,
                events,
                database,
                version,
                change_aware: settings.change_aware,
                timestamp: settings.timestamp,
            };
            monitor.run(&args, daemon, out).await
        }
        // Every command that stays has been given its daemon.
        (_, None) => Err(ClientError::Arguments(command.name)),
    }
}

/// Runs a command that sees to its server itself. The server is an argument like the others; anything that is no
/// connection method is passed over.
async fn execute_alone(
    command: &'static Command,
    invocation: Invocation<'_>,
    out: &mut Output,
) -> Result<(), ClientError> {
    let Invocation {
        args,
        settings,
        daemon,
    } = invocation;
    let last = args.last().map(String::as_str).unwrap_or_default();
    match command.action {
        Action::Transact | Action::Query => {
            let read_only = command.action == Action::Query;
            let mut transaction = query::parse_transaction(last)?;
            let database = query::database(&transaction)?;
            if read_only {
                query::make_read_only(&mut transaction);
            }
            let server = find_named(&args, &database, settings, out).await?;
            if settings.change_aware == super::ChangeAware::Required {
                server.set_change_aware(settings.change_aware).await?;
            }
            // It stays to the end of this scope, and its pidfile with it.
            let mut daemon = daemon;
            if let Some(daemon) = &mut daemon {
                daemon.complete();
            }
            if read_only {
                query::query(&server, transaction, out).await
            } else {
                query::transact(&server, transaction, out).await
            }
        }
        Action::Convert | Action::NeedsConversion => {
            let mut schema = read_schema(Path::new(last))?;
            let server = find_named(&args, &schema.name, settings, out).await?;
            schema::adapt(&server, &mut schema, last, out).await?;
            if command.action == Action::Convert {
                schema::convert(&server, &schema, settings.change_aware, out).await
            } else {
                schema::needs_conversion(&server, &schema, out).await
            }
        }
        Action::Wait => {
            let [given @ .., database, state] = args.as_slice() else {
                return Err(ClientError::Arguments(command.name));
            };
            let state = State::parse(state)?;
            let method = given.first().cloned().unwrap_or_else(default_method);
            wait::wait(&method, database, state).await
        }
        #[cfg(feature = "sql")]
        Action::Sql => sql(&args, settings, out).await,
        #[cfg(feature = "watch")]
        Action::Watch => watch(&args, settings, out).await,
        _ => {
            let about = usage::about(args.first().map(String::as_str));
            out.bytes(about.as_bytes())
        }
    }
}

/// `sql [SERVER|FILE] [DATABASE] STATEMENT`. A file is what is one, or has a slash in it.
#[cfg(feature = "sql")]
async fn sql(args: &[String], settings: &Settings, out: &mut Output) -> Result<(), ClientError> {
    let (statement, given) = args.split_last().ok_or(ClientError::Arguments("sql"))?;
    if let [file, database @ ..] = given
        && !is_method(file)
        && (file.contains('/') || Path::new(file).is_file())
    {
        let database = database.first().map(String::as_str);
        return super::sql::of_file(file, database, statement, settings.watch, out);
    }
    let found = find_server(args, 1, Need::Database, None, settings, out).await?;
    if found.words != given.len() {
        return Err(ClientError::Arguments("sql"));
    }
    let (server, _) = found.opened;
    let database = found.database.as_deref().unwrap_or_default();
    let served = super::sql::Served {
        remotes: &remotes(args, 1),
        database,
        schema: server.schema(database, out).await?,
        leader_only: settings.leader_only,
    };
    // What the statement reads comes by a connection that lasts.
    drop(server);
    super::sql::of_server(served, statement, settings.watch, settings.timestamp, out).await
}

/// `watch [SERVER] [DATABASE] TABLE [COLUMN,...]`.
#[cfg(feature = "watch")]
async fn watch(args: &[String], settings: &Settings, out: &Output) -> Result<(), ClientError> {
    let found = find_server(args, 1, Need::Database, None, settings, out).await?;
    let (table, columns) = match &args[found.words..] {
        [table] => (table, None),
        [table, columns] => (table, Some(columns.as_str())),
        _ => return Err(ClientError::Arguments("watch")),
    };
    let (server, _) = found.opened;
    let database = found.database.as_deref().unwrap_or_default();
    let watched = super::watch::Watched {
        remotes: &remotes(args, 1),
        database,
        schema: server.schema(database, out).await?,
        leader_only: settings.leader_only,
        table,
        columns,
    };
    // The rows come by a connection that lasts.
    drop(server);
    super::watch::run(watched).await
}

/// The servers on a command line that must have so many other words, or the default.
#[cfg(any(feature = "sql", feature = "watch"))]
fn remotes(args: &[String], arguments_min: usize) -> String {
    let given = args.first().filter(|_| args.len() > arguments_min);
    let given = given.filter(|word| is_method(word));
    given.cloned().unwrap_or_else(default_method)
}

/// The server that a command is for.
struct Found {
    opened: Opened,
    database: Option<String>,
    /// How many words of the command line that took.
    words: usize,
}

/// Opens the server for a command whose database is known.
async fn find_named(
    args: &[String],
    database: &str,
    settings: &Settings,
    out: &Output,
) -> Result<Server, ClientError> {
    let found = find_server(
        args,
        1,
        Need::Database,
        Some(database.to_owned()),
        settings,
        out,
    )
    .await?;
    Ok(found.opened.0)
}

async fn find_server(
    args: &[String],
    arguments_min: usize,
    need: Need,
    mut database: Option<String>,
    settings: &Settings,
    out: &Output,
) -> Result<Found, ClientError> {
    let mut words = 0;
    // A word may be left over only while the command has all that it must have.
    let spare = |words: usize| {
        args.get(words)
            .filter(|_| args.len() - words > arguments_min)
    };
    let mut remotes = Remotes {
        methods: vec![default_method()],
        cluster: None,
    };
    if let Some(word) = spare(words).filter(|word| is_method(word)) {
        remotes = Remotes::parse(word);
        words += 1;
    }
    let wanted = need == Need::Database && database.is_none();
    if let [method] = remotes.methods.as_slice() {
        let opened = Server::open(method).await?;
        if wanted {
            let databases = opened.0.databases(out).await?;
            database = Some(match spare(words).filter(|word| databases.contains(word)) {
                Some(word) => {
                    words += 1;
                    word.clone()
                }
                None => default_database(&databases)?.to_owned(),
            });
        }
        return Ok(Found {
            opened,
            database,
            words,
        });
    }
    if wanted {
        // Defaults that differ from server to server would surprise.
        database = Some(spare(words).ok_or(ClientError::DatabaseRequired)?.clone());
        words += 1;
    }
    let opened = Server::open_any(remotes, database.as_deref(), settings.leader_only).await?;
    Ok(Found {
        opened,
        database,
        words,
    })
}

fn is_method(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_alphabetic()) && word.contains(':')
}

fn default_method() -> String {
    format!("unix:{}/db.sock", dirs::rundir().display())
}

/// Which method to monitor with; its own arguments are taken out of `args`.
async fn monitor_version(
    action: Action,
    server: &Server,
    database: &str,
    args: &mut Vec<String>,
    out: &Output,
) -> Result<Version, ClientError> {
    if action == Action::Monitor {
        return Ok(Version::Plain);
    }
    let since = action == Action::MonitorCondSince;
    let mut last = Uuid::ZERO;
    if since && let Some(given) = args.first().and_then(|word| Uuid::parse(word)) {
        last = given;
        args.remove(0);
    }
    let [condition, table, ..] = args.as_slice() else {
        return Err(ClientError::Arguments(if since {
            "monitor-cond-since"
        } else {
            "monitor-cond"
        }));
    };
    let schema = server.schema(database, out).await?;
    let (_, schema) = schema
        .table_by_name(table)
        .ok_or_else(|| ClientError::ConditionTable {
            database: database.to_owned(),
            table: table.clone(),
        })?;
    let condition = query::parse(condition)?;
    Condition::from_json(schema, &condition, &mut Symbols::none())?;
    args.remove(0);
    Ok(if since {
        Version::Since(condition, last)
    } else {
        Version::Conditional(condition)
    })
}
