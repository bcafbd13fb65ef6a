//! A statement: what it reads, and its answer.
//!
//! SQLite has nothing to write to here: the connection is to an empty database in memory that is opened for reading, a
//! statement is checked while it is compiled ([`Guard`]), and its intermediate results stay in memory, up to a limit.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::config::DbConfig;
use rusqlite::fallible_iterator::FallibleIterator;
use rusqlite::ffi::ErrorCode;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::limits::Limit;
use rusqlite::{Connection, OpenFlags};

use crate::answer::{Answer, AnswerColumn, Value};
use crate::catalog::{Catalog, Reads};
use crate::contents::Contents;
use crate::error::{Place, SqlError};
use crate::relation::Data;
use crate::vtab;

/// Memory that SQLite may take at one time for all statements of the process, in bytes. Rows and indexes are not in it.
pub const MEMORY_BYTES_MAX: u64 = 1 << 30;

/// The longest answer, in bytes as they are kept.
pub const ANSWER_BYTES_MAX: usize = 1 << 30;

/// The longest value that a statement may make, in bytes.
const VALUE_BYTES_MAX: i32 = 256 << 20;

/// Tables that SQLite itself brings and that read nothing but their arguments.
const HELPERS: &[&str] = &["json_each", "json_tree"];

/// Functions that reach beyond the statement.
const FORBIDDEN_FUNCTIONS: &[&str] = &["load_extension", "fts3_tokenizer"];

/// A statement that reads tables of a [`Catalog`].
#[derive(Debug)]
pub struct Query {
    catalog: Arc<Catalog>,
    statement: String,
    reads: Reads,
}

impl Query {
    /// Compiles a statement, to learn what it reads.
    ///
    /// # Errors
    /// It is unsound, or does something else than read.
    pub fn new(catalog: &Arc<Catalog>, statement: &str) -> Result<Query, SqlError> {
        let guarded = Guarded::open(catalog, &Contents::default())?;
        guarded.prepare(statement)?;
        let reads = guarded.state().reads.clone();
        Ok(Query {
            catalog: Arc::clone(catalog),
            statement: statement.to_owned(),
            reads,
        })
    }

    /// The tables and columns that the statement reads.
    pub fn reads(&self) -> &Reads {
        &self.reads
    }

    /// The schema that the statement was compiled for.
    pub fn catalog(&self) -> &Arc<Catalog> {
        &self.catalog
    }

    /// The answer from these rows.
    ///
    /// # Errors
    /// It cannot be computed, or is too large.
    pub fn answer(&self, contents: &Contents) -> Result<Answer, SqlError> {
        let guarded = Guarded::open(&self.catalog, contents)?;
        let mut statement = guarded.prepare(&self.statement)?;
        let columns = statement.columns_with_metadata();
        let columns = columns.map(|column| AnswerColumn {
            name: column.name().to_owned(),
            ty: origin(&self.catalog, column.table_name(), column.origin_name()),
        });
        let columns: Vec<AnswerColumn> = columns.collect();
        let mut rows = Vec::new();
        let mut n_bytes = 0;
        let mut found = statement.query([]).map_err(|error| guarded.error(error))?;
        while let Some(row) = found.next().map_err(|error| guarded.error(error))? {
            let values = (0..columns.len()).map(|at| row.get_ref(at).map(Value::of));
            let values = values
                .collect::<Result<Vec<Value>, _>>()
                .map_err(|error| guarded.error(error))?;
            n_bytes += values.iter().map(Value::n_bytes).sum::<usize>();
            if n_bytes > ANSWER_BYTES_MAX {
                return Err(SqlError::TooLarge);
            }
            rows.push(values);
        }
        Ok(Answer { columns, rows })
    }
}

/// The type of the column of the database that a column of an answer shows.
fn origin(
    catalog: &Catalog,
    table: Option<&str>,
    column: Option<&str>,
) -> Option<ovsdb_proto::types::ColumnType> {
    let column = catalog.find(table?)?.column(column?)?;
    Some(column.ty.clone())
}

/// What has been seen of a statement while it was compiled.
#[derive(Debug, Default)]
struct State {
    reads: Reads,
    forbidden: Option<&'static str>,
}

/// A connection that compiles nothing but questions.
struct Guarded {
    connection: Connection,
    catalog: Arc<Catalog>,
    state: Arc<Mutex<State>>,
}

impl Guarded {
    fn open(catalog: &Arc<Catalog>, contents: &Contents) -> Result<Guarded, SqlError> {
        let state = Arc::<Mutex<State>>::default();
        let connection = connect(catalog, contents, &state).map_err(|error| failed(&error))?;
        Ok(Guarded {
            connection,
            catalog: Arc::clone(catalog),
            state,
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn prepare(&self, text: &str) -> Result<rusqlite::Statement<'_>, SqlError> {
        let mut batch = rusqlite::Batch::new(&self.connection, text);
        let mut next = || match batch.next() {
            Ok(statement) => Ok(statement),
            Err(error) => Err(self.statement_error(text, error)),
        };
        let statement = next()?.ok_or(SqlError::NotOne)?;
        if next()?.is_some() {
            return Err(SqlError::NotOne);
        }
        if !statement.readonly() || statement.column_count() == 0 {
            return Err(SqlError::Forbidden("it changes something"));
        }
        if statement.parameter_count() > 0 {
            return Err(SqlError::Forbidden("it has parameters"));
        }
        Ok(statement)
    }

    fn statement_error(&self, text: &str, error: rusqlite::Error) -> SqlError {
        if let Some(what) = self.state().forbidden {
            return SqlError::Forbidden(what);
        }
        let (message, offset) = match error {
            rusqlite::Error::SqlInputError {
                msg, offset, sql, ..
            } => {
                // Of several statements SQLite counts from the beginning of the one at fault.
                let before = text.len() - sql.len();
                (msg, usize::try_from(offset).ok().map(|at| before + at))
            }
            rusqlite::Error::SqliteFailure(_, Some(message)) => (message, None),
            error => return failed(&error),
        };
        // Of some names SQLite does not tell the place. This is for people: nothing depends on it.
        let offset = offset.or_else(|| place_of_last_word(text, &message));
        let word = offset.and_then(|at| text.get(at..)).map(word);
        let near = word.and_then(|word| self.nearest(word));
        SqlError::Statement {
            message,
            place: offset.map(|at| Place::of(text, at)),
            near,
        }
    }

    /// A name there is that nearly is `word`, which is none.
    fn nearest(&self, word: &str) -> Option<String> {
        let relations = self.catalog.relations.iter();
        let names = relations.flat_map(|relation| {
            let columns = relation.columns.iter().map(|column| column.name.as_str());
            std::iter::once(relation.name.as_str()).chain(columns)
        });
        // Of those that are equally near, the one that is also so in its case.
        let case = |name: &str| {
            word.bytes()
                .zip(name.bytes())
                .filter(|(a, b)| a != b)
                .count()
        };
        let distances = names.map(|name| (distance(word, name), case(name), name));
        let (distance, _, name) = distances.min()?;
        (distance > 0 && distance <= 1 + word.len() / 4).then(|| name.to_owned())
    }

    fn error(&self, error: rusqlite::Error) -> SqlError {
        match self.state().forbidden {
            Some(what) => SqlError::Forbidden(what),
            None => failed(&error),
        }
    }
}

fn connect(
    catalog: &Arc<Catalog>,
    contents: &Contents,
    state: &Arc<Mutex<State>>,
) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_MEMORY
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(":memory:", flags)?;
    // What does not fit into memory is not put into files.
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "hard_heap_limit", MEMORY_BYTES_MAX as i64)?;
    connection.pragma_update(None, "query_only", true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, VALUE_BYTES_MAX)?;
    connection.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 0)?;
    connection.set_limit(Limit::SQLITE_LIMIT_WORKER_THREADS, 0)?;
    for relation in 0..catalog.relations.len() {
        let data = Data::new(catalog, relation, contents);
        vtab::register(&connection, Arc::new(data))?;
    }
    let mut guard = Guard {
        catalog: Arc::clone(catalog),
        state: Arc::clone(state),
    };
    connection.authorizer(Some(move |context: AuthContext<'_>| guard.judge(&context)))?;
    Ok(connection)
}

/// Decides what a statement may do, and notes what it reads.
struct Guard {
    catalog: Arc<Catalog>,
    state: Arc<Mutex<State>>,
}

impl Guard {
    fn judge(&mut self, context: &AuthContext<'_>) -> Authorization {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let verdict = match context.action {
            AuthAction::Select | AuthAction::Recursive => Ok(()),
            AuthAction::Read {
                table_name,
                column_name,
            } => match self.catalog.find(table_name) {
                Some(relation) => {
                    let column = relation.column(column_name);
                    state.reads.add(relation.table, relation.needs(column));
                    Ok(())
                }
                None if HELPERS.contains(&table_name) => Ok(()),
                // Rows are counted, of a common table expression as a rule, which SQLite does not tell from a table here.
                None if column_name.is_empty() => Ok(()),
                None => Err("it reads what is not of the database"),
            },
            AuthAction::Function { function_name }
                if !FORBIDDEN_FUNCTIONS.contains(&function_name) =>
            {
                Ok(())
            }
            AuthAction::Function { .. } => Err("it calls a function that reaches beyond it"),
            AuthAction::Pragma { .. } => Err("it is about settings"),
            AuthAction::Attach { .. } | AuthAction::Detach { .. } => Err("it is about files"),
            _ => Err("it changes something"),
        };
        match verdict {
            Ok(()) => Authorization::Allow,
            Err(what) => {
                state.forbidden.get_or_insert(what);
                Authorization::Deny
            }
        }
    }
}

fn failed(error: &rusqlite::Error) -> SqlError {
    match error {
        rusqlite::Error::SqliteFailure(code, message) => match (code.code, message) {
            (ErrorCode::OutOfMemory, _) => SqlError::TooMuchMemory,
            (_, Some(message)) => SqlError::Failed(message.clone()),
            (_, None) => SqlError::Failed(code.to_string()),
        },
        error => SqlError::Failed(error.to_string()),
    }
}

/// The name at the beginning of `text`.
fn word(text: &str) -> &str {
    let end = text.find(|c: char| !is_of_name(c)).unwrap_or(text.len());
    &text[..end]
}

fn is_of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// Where the last word of a message stands in a statement.
fn place_of_last_word(statement: &str, message: &str) -> Option<usize> {
    let end = message.rfind(is_of_name)? + 1;
    let begin = message[..end]
        .rfind(|c| !is_of_name(c))
        .map_or(0, |at| at + 1);
    let wanted = &message[begin..end];
    let found = statement.match_indices(wanted).find(|(at, _)| {
        let before = statement[..*at].chars().next_back();
        !before.is_some_and(is_of_name) && word(&statement[*at..]) == wanted
    });
    found.map(|(at, _)| at)
}

/// How many letters are to be changed, left out or put in to make `b` of `a`, whatever their case (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<u8> = b.bytes().map(|byte| byte.to_ascii_lowercase()).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let x = x.to_ascii_lowercase();
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, &y) in b.iter().enumerate() {
            let changed = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}
