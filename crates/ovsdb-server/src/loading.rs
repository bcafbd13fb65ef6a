//! Reading a file with two threads. In a simulation one does it all.
//!
//! The record that holds the contents of a compacted file: one thread reads and hashes, another one makes rows. What becomes
//! of the pieces counts only if the record proves good at its end, and if it is as plain as [`Loader`] wants it; otherwise
//! it is read again and replayed like any other. So nothing is accepted here that would not be accepted there.
//!
//! The records after it: one thread reads, hashes and makes rows, another one applies them. The first is ahead by a few
//! batches; what it has read in vain when the second finds a fault does not count.

use std::ops::{ControlFlow, Range};
use std::sync::Arc;
use std::sync::mpsc;

use ovsdb_engine::history::{AnnotationReader, Annotations};
use ovsdb_engine::load::{Loader, NotPlain};
use ovsdb_engine::record::ReplayError;
use ovsdb_engine::replay::{ReadRecords, RecordReader};
use ovsdb_engine::{Commit, Database};
use ovsdb_log::ahead::{self, read_ahead};
use ovsdb_log::{Log, LogError, PassedRecord, RecordPlace};
use ovsdb_proto::schema::Schema;
use ovsdb_proto::uuid::Uuid;

use crate::runtime::{self, fresh_uuid};
use crate::{seal, transaction_id};

/// Pieces between the two threads.
const PIECES_AHEAD: usize = 4;

/// The record after the schema.
pub(crate) struct First {
    pub(crate) record: PassedRecord,
    /// The contents, or `None` if the record has to be replayed to know them.
    pub(crate) database: Option<Database>,
    /// What it says of itself, if that was asked for.
    pub(crate) annotations: Annotations,
}

/// Reads the next record of `log`, which is the one after the schema. `None` at the end of the file. `is_annotated`: what it
/// says of itself is of interest.
///
/// # Errors
/// As [`Log::read`].
pub(crate) fn read_first(
    log: &mut Log,
    schema: &Arc<Schema>,
    is_annotated: bool,
) -> Result<Option<First>, LogError> {
    let mut taken = Taken {
        loaded: Ok(Loader::new(schema)),
        annotations: is_annotated.then(AnnotationReader::new),
    };
    let read = if runtime::is_simulated() {
        on_one_thread(log, &mut taken)
    } else {
        on_two_threads(log, &mut taken)
    };
    let Some(record) = read? else {
        return Ok(None);
    };
    let Taken {
        loaded,
        annotations,
    } = taken;
    let database = loaded.and_then(|loader| loader.finish(&mut fresh_uuid));
    Ok(Some(First {
        record,
        database: database.ok(),
        annotations: annotations
            .map(AnnotationReader::finish)
            .unwrap_or_default(),
    }))
}

/// What becomes of the pieces.
struct Taken<'s> {
    loaded: Result<Loader<'s>, NotPlain>,
    annotations: Option<AnnotationReader>,
}

impl Taken<'_> {
    fn take(&mut self, piece: &[u8]) {
        if let Some(annotations) = &mut self.annotations {
            annotations.push(piece);
        }
        if let Ok(loader) = &mut self.loaded
            && let Err(error) = loader.push(piece, &mut fresh_uuid)
        {
            self.loaded = Err(error);
        }
    }
}

type Read = Result<Option<PassedRecord>, LogError>;

fn on_one_thread(log: &mut Log, taken: &mut Taken<'_>) -> Read {
    log.read_in_pieces(seal::TAIL_BYTES, &mut |piece| taken.take(piece))
}

fn on_two_threads(log: &mut Log, taken: &mut Taken<'_>) -> Read {
    let (full, pieces) = mpsc::sync_channel::<Vec<u8>>(PIECES_AHEAD);
    let (empty, used) = mpsc::channel::<Vec<u8>>();
    let reader = std::thread::Builder::new().name(String::from("read"));
    let read = std::thread::scope(|scope| {
        let log = &mut *log;
        let work = move || {
            log.read_in_pieces(seal::TAIL_BYTES, &mut |piece| {
                let mut buffer = used.try_recv().unwrap_or_default();
                buffer.clear();
                buffer.extend_from_slice(piece);
                // Should nobody make rows any more, the hash is still wanted.
                let _ = full.send(buffer);
            })
        };
        let reader = reader.spawn_scoped(scope, work).ok()?;
        for piece in pieces {
            taken.take(&piece);
            let _ = empty.send(piece);
        }
        Some(reader.join())
    });
    match read {
        Some(Ok(read)) => read,
        Some(Err(panic)) => std::panic::resume_unwind(panic),
        // Without a second thread it takes longer.
        None => on_one_thread(log, taken),
    }
}

/// Records in a batch.
const BATCH_RECORDS_MAX: usize = 512;

/// A batch with so many bytes of text is full.
const BATCH_BYTES: usize = 256 << 10;

/// After a batch with more bytes than this nothing is read before it has been applied, so that a file of enormous records
/// does not need memory for several.
const BATCH_BYTES_AHEAD_MAX: usize = 4 << 20;

/// Records that follow one another in a file.
#[derive(Default)]
pub(crate) struct Batch {
    text: Vec<u8>,
    pub(crate) records: Vec<BatchRecord>,
    pub(crate) read: ReadRecords,
    /// Nothing is read after these: the file ends, or cannot be read.
    end: Option<Result<(), LogError>>,
}

/// One of them.
#[derive(Clone)]
pub(crate) struct BatchRecord {
    pub(crate) place: RecordPlace,
    /// The transaction id that it leads to.
    pub(crate) id: Uuid,
    text: Range<usize>,
}

impl ahead::Batch for Batch {
    fn is_large(&self) -> bool {
        self.text.len() > BATCH_BYTES_AHEAD_MAX
    }

    fn is_last(&self) -> bool {
        self.end.is_some()
    }
}

impl Batch {
    /// The text of record number `number`.
    pub(crate) fn text(&self, number: usize) -> &[u8] {
        &self.text[self.records[number].text.clone()]
    }

    /// Applies record number `number` to the version before it: see [`ReadRecords::apply`].
    pub(crate) fn apply(
        &mut self,
        number: usize,
        database: Database,
    ) -> (Database, Result<Option<Commit>, ReplayError>) {
        let text = &self.text[self.records[number].text.clone()];
        self.read.apply(number, text, database, &mut fresh_uuid)
    }

    /// Forgets the records, but keeps the memory for the next ones, unless that is much.
    fn clear(&mut self) {
        if self.text.capacity() > BATCH_BYTES_AHEAD_MAX {
            *self = Batch::default();
            return;
        }
        self.text.clear();
        self.records.clear();
        self.read.clear();
    }
}

/// Reads the records that come next in a file.
struct Ahead<'l, 's> {
    log: &'l mut Log,
    reader: RecordReader<'s>,
    /// The transaction id before the next record.
    id: Uuid,
}

impl Ahead<'_, '_> {
    fn fill(&mut self, batch: &mut Batch) {
        batch.clear();
        while batch.text.len() < BATCH_BYTES && batch.records.len() < BATCH_RECORDS_MAX {
            let begin = batch.text.len();
            let place = match self.log.read_onto(&mut batch.text) {
                Ok(Some(place)) => place,
                Ok(None) => return batch.end = Some(Ok(())),
                Err(error) => return batch.end = Some(Err(error)),
            };
            self.id = transaction_id::after_record(self.id, &place.digest);
            let text = begin..batch.text.len();
            self.reader
                .read(&batch.text[text.clone()], &mut batch.read, &mut fresh_uuid);
            batch.records.push(BatchRecord {
                place,
                id: self.id,
                text,
            });
        }
    }
}

/// Reads all further records of `log`, of which `id` is the transaction id so far, and gives them to `apply` together with
/// a state that goes from one call to the next. `apply` may end it. Gives back the last state, and why the records came to
/// an end.
pub(crate) fn read_rest<S>(
    log: &mut Log,
    schema: &Schema,
    id: Uuid,
    mut state: S,
    mut apply: impl FnMut(S, &mut Batch) -> ControlFlow<S, S>,
) -> (S, Result<(), LogError>) {
    let reader = RecordReader::new(schema);
    let mut ahead = Ahead { log, reader, id };
    let mut batch = Batch::default();
    // For a few records no thread is worth while.
    let mut may_begin_thread = !runtime::is_simulated();
    loop {
        ahead.fill(&mut batch);
        match apply(state, &mut batch) {
            ControlFlow::Continue(next) => state = next,
            ControlFlow::Break(last) => return (last, Ok(())),
        }
        if let Some(end) = batch.end.take() {
            return (state, end);
        }
        if std::mem::take(&mut may_begin_thread) {
            match rest_on_two_threads(&mut ahead, state, &mut apply) {
                Ok(done) => return done,
                // Without a second thread it takes longer.
                Err(as_before) => state = as_before,
            }
        }
    }
}

/// [`read_rest`] with a thread that reads; gives the state back if there can be none.
fn rest_on_two_threads<S>(
    ahead: &mut Ahead<'_, '_>,
    state: S,
    apply: &mut impl FnMut(S, &mut Batch) -> ControlFlow<S, S>,
) -> Result<(S, Result<(), LogError>), S> {
    let fill = |batch: &mut Batch| ahead.fill(batch);
    let done = read_ahead(fill, (state, Ok(())), |(state, end), batch| {
        match apply(state, batch) {
            ControlFlow::Continue(next) => {
                ControlFlow::Continue((next, batch.end.take().unwrap_or(end)))
            }
            ControlFlow::Break(last) => ControlFlow::Break((last, end)),
        }
    });
    done.map_err(|(state, _)| state)
}
