//! The past of a database as its file tells it: record by record, and as it was at any moment.
//!
//! The file is read and never written, whoever else writes to it meanwhile. However long it is, one version of the database
//! is kept, and the records at hand. What comes before the first record after the schema nobody knows: as a rule that record
//! is what a compaction or a conversion left. A conversion makes a new file, so all records of a file have one schema.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use ovsdb_engine::history::{AnnotationReader, Annotations, Change};
use ovsdb_engine::{Commit, Database};
use ovsdb_log::{LockPolicy, Log, OpenMode, RecordPlace};
use ovsdb_proto::schema::Schema;
use ovsdb_proto::uuid::Uuid;

use crate::file::{self, FileError, Outcome};

/// A moment in the past of a database.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Moment {
    /// After the record with this number; 0 is the schema, when the database was empty.
    Record(u64),
    /// At this time, in milliseconds since 1970: after the last record whose date is not later. A record without a date
    /// goes with the one before it.
    Time(i64),
    /// Now: after the last record.
    End,
}

/// Why a moment cannot be told.
#[derive(Debug, thiserror::Error)]
pub enum PastError {
    /// The file has no such record.
    #[error("{name}: there is no record {number}, the last one is {last}")]
    NoSuchRecord {
        /// The file.
        name: String,
        /// The number that was asked for.
        number: u64,
        /// The last number that there is.
        last: u64,
    },
    /// The record, or whether there is one, cannot be told: what is before it in the file is damaged.
    #[error(
        "{name}: record {number} cannot be read, since nothing is read after record {last}: {fault}"
    )]
    Unreadable {
        /// The file.
        name: String,
        /// The number that was asked for.
        number: u64,
        /// The last number that can be read.
        last: u64,
        /// What is wrong with the file.
        fault: Box<FileError>,
    },
    /// The file does not tell what was then.
    #[error("{name}: nothing is known of that time, since the first record is of a later date")]
    BeforeBeginning {
        /// The file.
        name: String,
        /// The time that was asked for, in milliseconds since 1970.
        asked_ms: i64,
        /// The date of the first record.
        begin_ms: i64,
    },
}

/// A database file, open for reading.
pub struct Past {
    log: Log,
    schema: Arc<Schema>,
    /// Where the schema is.
    begin: RecordPlace,
}

/// A record that has just been applied.
#[derive(Debug)]
pub struct Record<'a> {
    /// Its number; the schema is number 0.
    pub number: u64,
    /// Where in the file it ends, in bytes.
    pub end: u64,
    /// What it says of itself.
    pub annotations: Annotations,
    /// The version that it led to.
    pub database: &'a Database,
    /// The transaction id of that version.
    pub id: Uuid,
    commit: Option<Commit>,
}

/// A version of the database, and how it came about.
#[derive(Clone, Debug)]
pub struct Version {
    /// The contents.
    pub database: Database,
    /// The transaction id.
    pub id: Uuid,
    /// The number of the record that led to it.
    pub number: u64,
    /// What that says of itself.
    pub annotations: Annotations,
}

impl Record<'_> {
    /// The rows that it changed, in no order.
    pub fn changes(&self) -> impl Iterator<Item = Change<'_>> {
        let schema = self.database.schema();
        let of_commit = self.commit.iter().flat_map(|commit| &commit.changes);
        let of_commit = of_commit.map(|change| {
            let table = schema.table(change.table);
            Change {
                uuid: change.uuid,
                old: change.old.as_ref().map(|row| (table, row)),
                new: change.new.as_ref().map(|row| (table, row)),
            }
        });
        let is_whole = self.number == 1 && self.commit.is_none();
        let whole = is_whole.then_some(self.database).into_iter();
        let of_whole = whole.flat_map(|database| {
            database.table_ids().flat_map(move |id| {
                let table = database.schema().table(id);
                database.table(id).iter().map(move |row| Change {
                    uuid: row.uuid(),
                    old: None,
                    new: Some((table, row)),
                })
            })
        });
        of_commit.chain(of_whole)
    }

    /// Whether it changed nothing.
    pub fn is_empty(&self) -> bool {
        self.changes().next().is_none()
    }
}

impl Past {
    /// Opens a standalone database file.
    ///
    /// # Errors
    /// As [`file::open`].
    pub fn open(path: &Path) -> Result<Past, FileError> {
        let (log, schema) = file::open(path, OpenMode::ReadOnly, LockPolicy::Never)?;
        let begin = log.last_place();
        Ok(Past {
            begin: begin.expect("the schema has just been read"),
            log,
            schema: Arc::new(schema),
        })
    }

    /// The file's name, as it was given.
    pub fn name(&self) -> &str {
        self.log.name()
    }

    /// The schema of all records.
    pub fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// The size of the file in bytes; 0 where the system does not say.
    pub fn length(&self) -> u64 {
        self.log.length()
    }

    /// Shows the records after the schema to `each`, in their order, until it breaks off. Gives the last version, which is
    /// that of the record at which it broke off, and why reading ended before the end of the file otherwise: a torn or corrupt
    /// tail.
    pub fn walk(
        &mut self,
        each: &mut dyn FnMut(Record<'_>) -> ControlFlow<()>,
    ) -> (Version, Option<FileError>) {
        self.log.return_to(&self.begin);
        let mut annotations = Annotations::default();
        let outcome = file::replay_on(&mut self.log, &self.schema, true, &mut |step| {
            annotations.clone_from(&step.annotations);
            each(Record {
                number: step.number,
                end: step.end,
                annotations: step.annotations,
                database: step.database,
                id: step.id,
                commit: step.commit,
            })
        });
        let Outcome {
            database,
            records,
            id,
            fault,
        } = outcome;
        let version = Version {
            database,
            id,
            number: records - 1,
            annotations,
        };
        (version, fault)
    }

    /// Shows to `each` what the records after the schema say of themselves, with their numbers and where they end, without a
    /// look at anything else. Gives why it ended, if not at the end of the file.
    pub fn skim(&mut self, each: &mut dyn FnMut(u64, u64, Annotations)) -> Option<FileError> {
        self.log.return_to(&self.begin);
        let mut number = 0;
        loop {
            let mut reader = AnnotationReader::new();
            match self.log.read_in_pieces(0, &mut |piece| reader.push(piece)) {
                Ok(Some(record)) => {
                    number += 1;
                    each(number, record.place().end, reader.finish());
                }
                Ok(None) => return None,
                Err(error) => return Some(error.into()),
            }
        }
    }

    /// The number of the last record not later than `time_ms`, in milliseconds since 1970. See [`Moment::Time`]. With it comes
    /// why reading ended before the end of the file, if that is the last record that could be read: then later ones may
    /// not be later than `time_ms` either.
    ///
    /// # Errors
    /// [`PastError::BeforeBeginning`].
    fn number_at(
        &mut self,
        time_ms: i64,
        progress: &mut dyn FnMut(u64),
    ) -> Result<(u64, Option<FileError>), PastError> {
        let mut last = None;
        let mut begin_ms = None;
        // Whether the record before is not later. Those without a date do as it does.
        let mut is_in_time = true;
        let fault = self.skim(&mut |number, end, annotations| {
            progress(end);
            if let Some(date_ms) = annotations.date_ms {
                begin_ms = begin_ms.or(Some(date_ms));
                is_in_time = date_ms <= time_ms;
            }
            if is_in_time {
                last = Some(number);
            }
        });
        match (last, begin_ms) {
            (None, Some(begin_ms)) => Err(PastError::BeforeBeginning {
                name: self.name().to_owned(),
                asked_ms: time_ms,
                begin_ms,
            }),
            (last, _) => Ok((last.unwrap_or(0), fault.filter(|_| is_in_time))),
        }
    }

    /// The database as it was at these moments. With them comes what is wrong with the file, if one of them may be after the
    /// fault: then the last version before it stands for that. `progress` is told where in the file reading is, in bytes.
    ///
    /// # Errors
    /// See [`PastError`].
    pub fn versions_at<const N: usize>(
        &mut self,
        moments: [Moment; N],
        progress: &mut dyn FnMut(u64),
    ) -> Result<([Version; N], Option<FileError>), PastError> {
        let mut targets = [0; N];
        let mut doubt = None;
        for (target, moment) in targets.iter_mut().zip(moments) {
            *target = match moment {
                Moment::Record(number) => number,
                Moment::Time(time_ms) => {
                    let (number, fault) = self.number_at(time_ms, progress)?;
                    doubt = doubt.or(fault);
                    number
                }
                Moment::End => u64::MAX,
            };
        }
        let farthest = targets.iter().copied().max().unwrap_or(0);
        let mut passed: Vec<Version> = vec![self.beginning()];
        let (last, fault) = if farthest == 0 {
            (self.beginning(), None)
        } else {
            self.walk(&mut |record| {
                progress(record.end);
                if record.number >= farthest {
                    return ControlFlow::Break(());
                }
                // A version that is kept makes the next change copy what it touches, so only these are.
                if targets.contains(&record.number) {
                    passed.push(Version {
                        database: record.database.clone(),
                        id: record.id,
                        number: record.number,
                        annotations: record.annotations,
                    });
                }
                ControlFlow::Continue(())
            })
        };
        for (target, moment) in targets.into_iter().zip(moments) {
            if matches!(moment, Moment::Record(_)) && target > last.number {
                let (name, number, last) = (self.name().to_owned(), target, last.number);
                return Err(match fault.map(Box::new) {
                    Some(fault) => PastError::Unreadable {
                        name,
                        number,
                        last,
                        fault,
                    },
                    None => PastError::NoSuchRecord { name, number, last },
                });
            }
        }
        let versions = targets.map(|target| {
            let found = passed.iter().find(|version| version.number == target);
            found.unwrap_or(&last).clone()
        });
        Ok((versions, fault.or(doubt)))
    }

    /// [`Past::versions_at`] of one moment.
    ///
    /// # Errors
    /// As there.
    pub fn version_at(
        &mut self,
        moment: Moment,
        progress: &mut dyn FnMut(u64),
    ) -> Result<(Version, Option<FileError>), PastError> {
        let ([version], fault) = self.versions_at([moment], progress)?;
        Ok((version, fault))
    }

    /// The empty database.
    fn beginning(&self) -> Version {
        let digest = self.begin.digest;
        Version {
            database: Database::new(Arc::clone(&self.schema)),
            id: crate::transaction_id::after_record(Uuid::ZERO, &digest),
            number: 0,
            annotations: Annotations::default(),
        }
    }
}
