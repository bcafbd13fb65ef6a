//! Database files as databases: opening, reading to the end, creating (ovsdb(5), "Standalone Database Format").
//!
//! This joins `ovsdb-log`, which knows records, and `ovsdb-engine`, which knows their meaning. It serves nobody and
//! appends nothing but the schema of a new file.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use ovsdb_engine::history::Annotations;
use ovsdb_engine::record::ReplayError;
use ovsdb_engine::replay::Replayer;
use ovsdb_engine::{Commit, Database};
use ovsdb_log::{
    CLUSTERED_MAGIC, Digest, Disk, FileSystem, LockPolicy, Log, LogError, OpenMode, RecordFault,
    RecordPlace, STANDALONE_MAGIC,
};
use ovsdb_proto::error::OvsdbError;
use ovsdb_proto::json::{self, Json};
use ovsdb_proto::schema::Schema;
use ovsdb_proto::uuid::Uuid;

use crate::history::{Forgotten, History};
use crate::loading::{Batch, BatchRecord, First, read_first, read_rest};
use crate::runtime::fresh_uuid;
use crate::{limits, seal, transaction_id};

/// Why a database file cannot be used. The texts are those of the Open vSwitch programs where these have one.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// The file cannot be opened, read or written.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The first record is no schema, or a record does not fit.
    #[error(transparent)]
    Contents(#[from] OvsdbError),
    /// The file has no record.
    #[error("ovsdb error: {name}: unexpected end of file reading schema")]
    Empty {
        /// The file.
        name: String,
    },
    /// The file belongs to a clustered database.
    #[error("ovsdb error: {name}: cannot apply this operation to clustered database file")]
    Clustered {
        /// The file.
        name: String,
    },
}

/// A database as its file has it.
#[derive(Debug)]
pub struct Loaded {
    /// The contents.
    pub database: Database,
    /// The file, read to its end; what is appended replaces whatever could not be read.
    pub log: Log,
    /// How many records were read, the schema among them.
    pub records: u64,
    /// The transaction id of the contents.
    pub id: Uuid,
    /// How the contents came about, as far as the records tell and memory is allowed for it; `None` unless it was asked
    /// for.
    pub history: Option<History>,
    /// Why reading ended before the end of the file: a torn or corrupt tail.
    pub fault: Option<FileError>,
}

/// Opens a standalone database file and reads its schema, the first record.
///
/// # Errors
/// The file cannot be opened, is clustered, or does not begin with a schema.
pub fn open(path: &Path, mode: OpenMode, lock: LockPolicy) -> Result<(Log, Schema), FileError> {
    let log = Log::open(path, mode, &[STANDALONE_MAGIC, CLUSTERED_MAGIC], lock)?;
    read_schema(log)
}

/// [`open`] on another file system than the disk.
///
/// # Errors
/// As [`open`].
pub fn open_on(
    fs: Arc<dyn FileSystem>,
    path: &Path,
    mode: OpenMode,
    lock: LockPolicy,
) -> Result<(Log, Schema), FileError> {
    let log = Log::open_on(fs, path, mode, &[STANDALONE_MAGIC, CLUSTERED_MAGIC], lock)?;
    read_schema(log)
}

fn read_schema(mut log: Log) -> Result<(Log, Schema), FileError> {
    if log.magic() == CLUSTERED_MAGIC {
        return Err(FileError::Clustered {
            name: log.name().to_owned(),
        });
    }
    let Some(json) = read_json(&mut log)? else {
        return Err(FileError::Empty {
            name: log.name().to_owned(),
        });
    };
    let schema = Schema::from_json(&json)?;
    Ok((log, schema))
}

/// Reads the next record as JSON; `None` at the end of the file.
///
/// # Errors
/// The record is damaged, or not a JSON object. The same error comes back from then on.
pub fn read_json(log: &mut Log) -> Result<Option<Json>, LogError> {
    let Some(record) = log.read()? else {
        return Ok(None);
    };
    match json::parse(&record.payload) {
        Ok(json @ Json::Object(_)) => Ok(Some(json)),
        Ok(_) => Err(log.reject(RecordFault::NotObject)),
        Err(error) => Err(log.reject(RecordFault::NotJson(error.to_string()))),
    }
}

/// Reads a whole database file.
///
/// # Errors
/// As [`open`]. A bad record after the schema is no error: see [`Loaded::fault`].
pub fn load(path: &Path, mode: OpenMode, lock: LockPolicy) -> Result<Loaded, FileError> {
    let (log, schema) = open(path, mode, lock)?;
    Ok(replay(log, Arc::new(schema), &mut |_| {}))
}

/// Reads a whole database file to serve it: for reading and writing, locked, and with its history.
///
/// # Errors
/// As [`load`]; and when the system cannot read it to its end.
pub fn load_to_serve(path: &Path) -> Result<Loaded, FileError> {
    load_to_serve_on(Arc::new(Disk), path)
}

/// [`load_to_serve`] on another file system than the disk.
///
/// # Errors
/// As [`load_to_serve`].
pub fn load_to_serve_on(fs: Arc<dyn FileSystem>, path: &Path) -> Result<Loaded, FileError> {
    load_with_history(fs, path, limits::HISTORY_FILE_BYTES_MAX)
}

/// [`load_to_serve_on`] with the commits in the last `recent_bytes` of the file.
fn load_with_history(
    fs: Arc<dyn FileSystem>,
    path: &Path,
    recent_bytes: u64,
) -> Result<Loaded, FileError> {
    let (log, schema) = open_on(fs, path, OpenMode::ReadWrite, LockPolicy::IfWritable)?;
    // Where there is no saying how large the file is, all of it counts as recent.
    let recent = log.length().saturating_sub(recent_bytes);
    let mut history: Option<History> = None;
    let mut loaded = replay_all(log, Arc::new(schema), &mut |step| {
        // As a rule the first record is what a compaction left, and how that came about nobody knows. Who has seen the
        // database empty does well with all of it.
        if step.is_first() || step.end <= recent {
            return ControlFlow::Continue(());
        }
        let begin = || History::new(step.id_before, step.rows_before);
        let history = history.get_or_insert_with(begin);
        match step.commit {
            Some(commit) => history.push(step.id, Arc::new(commit), &mut Forgotten::default()),
            None => history.push_same(step.id),
        }
        ControlFlow::Continue(())
    });
    // Behind a place that cannot be read, or not now, there may be good records. To serve the file without them would be to
    // cut them off with the next transaction.
    match loaded.fault {
        Some(FileError::Log(error)) if error.is_unreadable() => return Err(error.into()),
        fault => loaded.fault = fault,
    }
    loaded.history = history;
    Ok(loaded)
}

/// Applies all records of `log` after the schema, which has just been read, to an empty database with `schema`.
/// `progress` is told after each record where in the file it ends, in bytes.
pub fn replay(log: Log, schema: Arc<Schema>, progress: &mut dyn FnMut(u64)) -> Loaded {
    replay_all(log, schema, &mut |step| {
        progress(step.end);
        ControlFlow::Continue(())
    })
}

/// What came of a record.
pub(crate) struct Replayed<'a> {
    /// Which record of the file it is; the schema is number 0.
    pub(crate) number: u64,
    /// Where in the file it ends.
    pub(crate) end: u64,
    /// What it says of itself, if that was asked for.
    pub(crate) annotations: Annotations,
    /// The number of rows before it, and the transaction id.
    rows_before: usize,
    id_before: Uuid,
    /// The transaction id of the version that it leads to.
    pub(crate) id: Uuid,
    /// The version that it leads to.
    pub(crate) database: &'a Database,
    /// What it changed. The first record may have been read all at once: then it is `None`, and all rows are new.
    pub(crate) commit: Option<Commit>,
}

impl Replayed<'_> {
    /// It is the first after the schema.
    pub(crate) fn is_first(&self) -> bool {
        self.number == 1
    }
}

/// Takes note of records, and says whether to go on.
type Each<'e> = &'e mut dyn FnMut(Replayed<'_>) -> ControlFlow<()>;

/// A replay at work.
struct Replay<'e> {
    database: Database,
    records: u64,
    id: Uuid,
    each: Each<'e>,
    /// Whether anybody wants to know what records say of themselves.
    is_annotated: bool,
    /// Whoever takes note does not want more.
    is_enough: bool,
    /// The record that cannot be applied, and why.
    stopped: Option<(RecordPlace, ReplayError)>,
}

impl Replay<'_> {
    /// Notes that the record that ends at `end` has been applied to `rows_before` rows.
    fn note(
        &mut self,
        end: u64,
        rows_before: usize,
        id: Uuid,
        commit: Option<Commit>,
        annotations: Annotations,
    ) {
        let id_before = std::mem::replace(&mut self.id, id);
        let number = self.records;
        self.records += 1;
        let noted = (self.each)(Replayed {
            number,
            end,
            annotations,
            rows_before,
            id_before,
            id,
            database: &self.database,
            commit,
        });
        self.is_enough = noted.is_break();
    }

    /// Applies records, up to one that makes no sense.
    fn go_on(mut self, batch: &mut Batch) -> ControlFlow<Self, Self> {
        for number in 0..batch.records.len() {
            let rows_before = self.database.rows();
            let (next, replayed) = batch.apply(number, self.database);
            self.database = next;
            let annotations = match self.is_annotated {
                true => Annotations::of(batch.text(number)),
                false => Annotations::default(),
            };
            let BatchRecord { place, id, .. } = &batch.records[number];
            match replayed {
                Ok(commit) => {
                    self.note(place.end, rows_before, *id, commit, annotations);
                    if self.is_enough {
                        return ControlFlow::Break(self);
                    }
                }
                Err(error) => {
                    self.stopped = Some((*place, error));
                    return ControlFlow::Break(self);
                }
            }
        }
        ControlFlow::Continue(self)
    }
}

fn replay_all(mut log: Log, schema: Arc<Schema>, each: Each<'_>) -> Loaded {
    let Outcome {
        database,
        records,
        id,
        fault,
    } = replay_on(&mut log, &schema, false, each);
    Loaded {
        database,
        log,
        records,
        id,
        history: None,
        fault,
    }
}

/// What came of the records of a file. See [`Loaded`].
pub(crate) struct Outcome {
    pub(crate) database: Database,
    pub(crate) records: u64,
    pub(crate) id: Uuid,
    pub(crate) fault: Option<FileError>,
}

/// Applies the records of `log`, whose schema was read last, until `each` has enough. `is_annotated`: it wants to know what
/// they say of themselves.
pub(crate) fn replay_on(
    log: &mut Log,
    schema: &Arc<Schema>,
    is_annotated: bool,
    each: Each<'_>,
) -> Outcome {
    let of_schema = log.last_digest().unwrap_or_else(|| Digest::of(&[]));
    let mut replay = Replay {
        database: Database::new(schema.clone()),
        records: 1,
        id: transaction_id::after_record(Uuid::ZERO, &of_schema),
        each,
        is_annotated,
        is_enough: false,
        stopped: None,
    };
    let read = match replay_first(log, &of_schema, schema, &mut replay) {
        Ok(true) => {
            log.mark_base();
            let id = replay.id;
            let read;
            (replay, read) = read_rest(log, schema, id, replay, Replay::go_on);
            read
        }
        Ok(false) => Ok(()),
        Err(error) => Err(error),
    };
    let fault = match (replay.stopped, read) {
        (None, read) => read.err().map(FileError::from),
        (Some((place, error)), _) => {
            // What was read ahead of it, or could not be read there, does not count.
            log.return_to(&place);
            Some(match error {
                ReplayError::Json(error) => {
                    log.reject(RecordFault::NotJson(error.to_string())).into()
                }
                ReplayError::NotObject => log.reject(RecordFault::NotObject).into(),
                ReplayError::Record(error) => {
                    log.unread();
                    error.into()
                }
            })
        }
    };
    Outcome {
        database: replay.database,
        records: replay.records,
        id: replay.id,
        fault,
    }
}

/// Reads and applies the record after the schema, of which there is the digest. False if there is none, if it cannot be
/// applied, or if it was enough.
fn replay_first(
    log: &mut Log,
    of_schema: &Digest,
    schema: &Arc<Schema>,
    replay: &mut Replay<'_>,
) -> Result<bool, LogError> {
    let Some(First {
        record,
        database,
        annotations,
    }) = read_first(log, schema, replay.is_annotated)?
    else {
        return Ok(false);
    };
    let mut commit = None;
    if let Some(database) = database {
        replay.database = database;
    } else {
        let text = log.read_again()?.payload;
        let replayed;
        (replay.database, replayed) =
            Replayer::new(schema).replay(replay.database.clone(), &text, &mut fresh_uuid);
        match replayed {
            Ok(changed) => commit = changed,
            Err(error) => {
                replay.stopped = Some((record.place(), error));
                return Ok(false);
            }
        }
    }
    let sealed = seal::sealed_id(of_schema, &record.end, &record.lead);
    if sealed.is_some() {
        log.mark_safe();
    }
    let id = sealed.unwrap_or_else(|| transaction_id::after_record(replay.id, &record.digest));
    replay.note(record.place().end, 0, id, commit, annotations);
    Ok(!replay.is_enough)
}

/// Makes a new database file that holds nothing but `schema`.
///
/// # Errors
/// The file exists, or cannot be written.
pub fn create(path: &Path, schema: &Schema) -> Result<(), FileError> {
    create_on(Arc::new(Disk), path, schema)
}

/// [`create`] on another file system than the disk.
///
/// # Errors
/// As [`create`].
pub fn create_on(fs: Arc<dyn FileSystem>, path: &Path, schema: &Schema) -> Result<(), FileError> {
    let mut log = Log::open_on(
        fs,
        path,
        OpenMode::CreateExcl,
        &[STANDALONE_MAGIC],
        LockPolicy::IfWritable,
    )?;
    let mut record = Vec::new();
    schema.to_json().write_to(&mut record);
    record.push(b'\n');
    log.append(&record)?;
    log.commit()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::Shown;

    #[test]
    fn history_begins_near_the_end_of_the_file_and_behind_the_first_record() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("db");
        let schema = r#"{"name":"D","tables":{"T":{"columns":{"n":{"type":"integer"}}}}}"#;
        let schema = Schema::from_json(&json::parse(schema.as_bytes()).expect("valid JSON"));
        create(&path, &schema.expect("a valid schema")).expect("a new file");
        let mut ends = Vec::new();
        let mut ids = Vec::new();
        for number in 0..6 {
            let (mut log, _) =
                open(&path, OpenMode::ReadWrite, LockPolicy::IfWritable).expect("a sound file");
            while log.read().expect("a good record").is_some() {}
            let record = format!(
                r#"{{"T":{{"0000000{number}-0000-4000-8000-000000000000":{{"n":{number}}}}}}}"#
            );
            log.append(format!("{record}\n").as_bytes())
                .expect("a healthy disk");
            ends.push(log.offset());
            drop(log);
            let loaded = load(&path, OpenMode::ReadOnly, LockPolicy::Never);
            let loaded = loaded.expect("a sound file");
            assert!(loaded.history.is_none(), "it was not asked for");
            ids.push(loaded.id);
        }

        let length = ends[5];
        let follow = |recent: u64| -> Vec<Option<usize>> {
            let loaded = load_with_history(Arc::new(Disk), &path, recent).expect("a sound file");
            assert_eq!((loaded.id, loaded.database.rows()), (ids[5], 6));
            let rows = loaded.database.rows();
            let history = loaded.history;
            let history = history.unwrap_or_else(|| History::new(loaded.id, rows));
            let since = |id| history.since(id, Shown::KeptColumns);
            ids.iter()
                .map(|&id| Some(since(id)?.commits().count()))
                .collect()
        };
        let all = [Some(5), Some(4), Some(3), Some(2), Some(1), Some(0)];
        assert_eq!(follow(u64::MAX), all);
        assert_eq!(follow(length), all);
        assert_eq!(follow(length - ends[2]), [&[None; 2], &all[2..]].concat());
        assert_eq!(follow(length - ends[2] + 1), [&[None], &all[1..]].concat());
        assert_eq!(follow(1), [&[None; 4], &all[4..]].concat());
        assert_eq!(follow(0), [&[None; 5], &all[5..]].concat());
    }
}
