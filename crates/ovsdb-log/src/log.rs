//! One log file: opened, read to its end, then appended to, synced and replaced.
//!
//! A log is in one of three conditions. While *reading*, records come out in order; a bad one stops it with an error
//! that stays. The first append cuts the file off behind the last record accepted and the log is *writing*. A write,
//! truncation or sync that fails makes it *latched*: every append and commit fails with the first error, until
//! [`Log::resume`] or a replacement succeeds. So what the caller holds in memory and what the file holds cannot drift
//! apart unnoticed.
//!
//! While a log is writing, there may be room behind its last record, in the form of one more that changes nothing: see the
//! module `room`. Nobody who reads or writes a log sees it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::digest::{Digest, LeadHasher};
use crate::doubt::Doubt;
use crate::error::{LogError, OsError};
use crate::fs::{Access, Disk, File, FileSystem, HeldLock};
use crate::header::Header;
use crate::path;
use crate::reader::{Reader, Short};
use crate::record::{PASSED_END_BYTES, PassedRecord, Record, RecordFault, RecordPlace};
use crate::replace::Replacement;
use crate::room::{self, Plan, Room};
use crate::staged::Staged;
use crate::sync::{SyncHandle, write_full};

/// Unit in which the reference program reads data: its message on a short record counts down in these.
const SHORT_DATA_UNIT_BYTES: u64 = 8192;

/// How to open a log.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum OpenMode {
    /// An existing file, for reading only.
    ReadOnly,
    /// An existing file.
    ReadWrite,
    /// A new file; an error if it exists. A symbolic link that leads nowhere is filled in, not replaced.
    CreateExcl,
    /// A new or an existing file.
    Create,
}

/// Whether to lock `.NAME.~lock~` while the log is open.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LockPolicy {
    /// In every mode but [`OpenMode::ReadOnly`].
    IfWritable,
    /// Always.
    Always,
    /// Never: the caller holds the lock, or the file is nobody else's.
    Never,
}

/// What has to succeed before a latched log accepts records again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Remedy {
    /// The file is good up to `offset`; what follows must be cut off.
    Truncate,
    /// The replacement has its name, but the folder that holds the name has not been synced.
    SyncDirectory,
    /// The system has dropped data that it had accepted, and does not say which: only a new file will do.
    Replace,
}

enum State {
    Reading,
    /// The last record was handed back; nothing more is read.
    Unread,
    ReadFailed(LogError),
    Writing,
    Latched(LogError, Remedy),
}

/// An open log file. Dropping it closes the file and releases the lock.
pub struct Log {
    fs: Arc<dyn FileSystem>,
    file: Arc<dyn File>,
    /// As the caller gave it, for messages.
    name: String,
    /// Absolute: the process may change its folder.
    path: PathBuf,
    magic: String,
    state: State,
    /// End of the last good record.
    offset: u64,
    /// Start of the last record read, and start of its data.
    last: (u64, u64),
    /// The digest of the record read or appended last.
    last_digest: Option<Digest>,
    /// Size after the last compaction.
    base: u64,
    /// What comes before is on the disk, whatever became of earlier syncs.
    safe: u64,
    /// The file's name is on the disk.
    is_named: bool,
    /// What was in the file when writing began, and its name, as far as they are not certain.
    doubt: Arc<Doubt>,
    /// Counts the events after which a replacement begun earlier no longer fits.
    generation: u64,
    reader: Reader,
    /// Records that are held ready to be written.
    staged: Staged,
    /// What is behind the last record of a log that is writing.
    room: Room,
    lock: Option<Box<dyn HeldLock>>,
}

impl std::fmt::Debug for Log {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Log")
            .field("name", &self.name)
            .field("offset", &self.offset)
            .finish_non_exhaustive()
    }
}

impl Log {
    /// Opens the log `path`, whose magic must be one of `magics`; an empty or new file gets `magics[0]`, provided that
    /// it is the only one.
    ///
    /// # Errors
    /// [`LogError::Lock`], [`LogError::Open`], [`LogError::UnexpectedFormat`], [`LogError::UnknownType`], or
    /// [`LogError::Io`] where the file cannot be read.
    pub fn open(
        path: &Path,
        mode: OpenMode,
        magics: &[&str],
        lock: LockPolicy,
    ) -> Result<Log, LogError> {
        Log::open_on(Arc::new(Disk), path, mode, magics, lock)
    }

    /// [`Log::open`] on another file system than the disk.
    ///
    /// # Errors
    /// As [`Log::open`].
    pub fn open_on(
        fs: Arc<dyn FileSystem>,
        path: &Path,
        mode: OpenMode,
        magics: &[&str],
        lock: LockPolicy,
    ) -> Result<Log, LogError> {
        let name = path.display().to_string();
        let absolute = path::absolute(path).map_err(|error| {
            LogError::io(
                "could not determine current working directory".to_owned(),
                error,
            )
        })?;

        let locking = match lock {
            LockPolicy::IfWritable => mode != OpenMode::ReadOnly,
            LockPolicy::Always => true,
            LockPolicy::Never => false,
        };
        let lock = if locking {
            Some(fs.lock(path).map_err(|source| LogError::Lock {
                name: name.clone(),
                source,
            })?)
        } else {
            None
        };

        let (access, action) = match mode {
            OpenMode::ReadOnly => (Access::Read, "open"),
            OpenMode::ReadWrite => (Access::ReadWrite, "open"),
            // POSIX refuses to create exclusively through a symbolic link even where it leads nowhere, and that is to
            // work. Whoever creates the target in between is noticed by the lock, if not by the system.
            OpenMode::CreateExcl if !fs.exists(path) && fs.read_link(path).is_ok() => {
                (Access::Create, "create")
            }
            OpenMode::CreateExcl => (Access::CreateNew, "create"),
            OpenMode::Create => (Access::Create, "create or open"),
        };
        let file = fs.open(path, access).map_err(|error| LogError::Open {
            name: name.clone(),
            action,
            code: error.into(),
        })?;

        let mut reader = Reader::default();
        let sync_name = || {
            let target = path::follow_symlinks(fs.as_ref(), path);
            path::sync_directory_of(fs.as_ref(), &target)
        };
        let (magic, is_named) = match reader.line(file.as_ref(), 0) {
            Err(error) => {
                return Err(LogError::io(
                    format!("{name}: {}", first_read_failure(&error)),
                    error,
                ));
            }
            Ok([]) => {
                let &[magic] = magics else {
                    return Err(LogError::UnknownType { name });
                };
                // Probably a new file: its name is to survive a crash like its contents.
                let synced = sync_name();
                if mode != OpenMode::ReadOnly {
                    synced?;
                }
                (magic.to_owned(), true)
            }
            Ok(line) => {
                let Some(header) = Header::parse(line) else {
                    return Err(LogError::UnexpectedFormat { name });
                };
                match magics.iter().find(|magic| magic.as_bytes() == header.magic) {
                    // Whoever gave it its name may have been killed before that was certain. It can be read at any rate.
                    Some(magic) => {
                        let is_named = mode != OpenMode::ReadOnly && sync_name().is_ok();
                        ((*magic).to_owned(), is_named)
                    }
                    None => return Err(LogError::UnknownType { name }),
                }
            }
        };

        Ok(Log {
            fs,
            file,
            name,
            path: absolute,
            magic,
            state: State::Reading,
            offset: 0,
            last: (0, 0),
            last_digest: None,
            base: 0,
            safe: 0,
            is_named,
            doubt: Arc::default(),
            generation: 0,
            reader,
            staged: Staged::default(),
            room: Room::default(),
            lock,
        })
    }

    /// The name the log was opened by.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The magic of the file: one of those given to [`Log::open`].
    pub fn magic(&self) -> &str {
        &self.magic
    }

    /// Whether this log holds the lock file.
    pub fn is_locked(&self) -> bool {
        self.lock.is_some()
    }

    /// End of the last record read or written, in bytes: the size of the file as far as it is good.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The digest of the record read or appended last, even if it has been handed back or taken back since; `None` if
    /// there was none.
    pub fn last_digest(&self) -> Option<Digest> {
        self.last_digest
    }

    /// Where the record is that was read last; `None` if there was none. Once writing has begun it says nothing.
    pub fn last_place(&self) -> Option<RecordPlace> {
        let (offset, data_offset) = self.last;
        self.last_digest.map(|digest| RecordPlace {
            offset,
            data_offset,
            end: self.offset,
            digest,
        })
    }

    /// The size of the file in bytes, whatever is in it; 0 where the system does not say. While the log is writing, there may
    /// be room behind its [`Log::offset`].
    pub fn length(&self) -> u64 {
        self.file.length().unwrap_or(0)
    }

    /// The size in bytes after the last compaction, as far as it is known. See [`Log::mark_base`].
    pub fn base(&self) -> u64 {
        self.base
    }

    /// Takes the current [`Log::offset`] as the size after the last compaction. Who reads a log calls this after its
    /// second record, the first two being what a compaction leaves.
    pub fn mark_base(&mut self) {
        self.base = self.offset;
    }

    /// Takes what comes before the current [`Log::offset`] as being on the disk, for whoever reads a log and finds what a
    /// compaction has left: that is synced before it gets its name. The rest of what is read is written again before the
    /// first sync, since an earlier one may have failed.
    pub fn mark_safe(&mut self) {
        self.safe = self.offset;
    }

    /// Whether the file has grown so much since the last compaction that another is worth while.
    pub fn grew_lots(&self) -> bool {
        crate::compaction::grew_lots(self.offset, self.base)
    }

    /// Reads the next record; `None` at the end of the file and once writing has begun. Room that somebody has left at the end
    /// is none: the first append cuts it off.
    ///
    /// # Errors
    /// [`LogError::Header`], [`LogError::ShortData`], [`LogError::Sha1`] or [`LogError::Io`]. The same error comes back
    /// from then on. The records before are good, and the next append cuts off what follows them.
    pub fn read(&mut self) -> Result<Option<Record>, LogError> {
        let mut payload = Vec::new();
        let place = self.read_onto(&mut payload)?;
        Ok(place.map(|place| Record {
            offset: place.offset,
            data_offset: place.data_offset,
            payload,
            digest: place.digest,
        }))
    }

    /// [`Log::read`] for somebody who reads many: appends the data of the record to `text`, which stays as it was if there
    /// is none.
    ///
    /// # Errors
    /// As [`Log::read`].
    pub fn read_onto(&mut self, text: &mut Vec<u8>) -> Result<Option<RecordPlace>, LogError> {
        match &self.state {
            State::Reading => {}
            State::ReadFailed(error) | State::Latched(error, _) => return Err(error.clone()),
            State::Unread | State::Writing => return Ok(None),
        }
        let begin = text.len();
        let read = self.read_record(text).inspect_err(|error| {
            text.truncate(begin);
            self.state = State::ReadFailed(error.clone());
        })?;
        if let Some(place) = &read {
            self.stand_behind(place);
        }
        Ok(read)
    }

    fn stand_behind(&mut self, place: &RecordPlace) {
        self.last = (place.offset, place.data_offset);
        self.last_digest = Some(place.digest);
        self.offset = place.end;
    }

    /// Goes back to where the log stood when it had just read the record at `place`, as if none had been read since: for
    /// whoever reads ahead and finds only later that a record makes no sense. Does nothing once writing has begun.
    pub fn return_to(&mut self, place: &RecordPlace) {
        if let State::Reading | State::Unread | State::ReadFailed(_) = self.state {
            self.state = State::Reading;
            self.stand_behind(place);
        }
    }

    /// Reads the next record, however long, with little memory: `each` gets its data in pieces. They are not known to be
    /// good until this returns; the caller drops what became of them if it fails. See [`PassedRecord`]
    /// for `tail_bytes`.
    ///
    /// # Errors
    /// As [`Log::read`].
    pub fn read_in_pieces(
        &mut self,
        tail_bytes: usize,
        each: &mut dyn FnMut(&[u8]),
    ) -> Result<Option<PassedRecord>, LogError> {
        match &self.state {
            State::Reading => {}
            State::ReadFailed(error) | State::Latched(error, _) => return Err(error.clone()),
            State::Unread | State::Writing => return Ok(None),
        }
        let read = self
            .pass_record(tail_bytes, each)
            .inspect_err(|error| self.state = State::ReadFailed(error.clone()))?;
        if let Some(record) = &read {
            self.last = (record.offset, record.data_offset);
            self.last_digest = Some(record.digest);
            self.offset = record.data_offset + record.length;
        }
        Ok(read)
    }

    fn pass_record(
        &mut self,
        tail_bytes: usize,
        each: &mut dyn FnMut(&[u8]),
    ) -> Result<Option<PassedRecord>, LogError> {
        let Some((header, data_offset)) = self.read_header()? else {
            return Ok(None);
        };
        let mut hasher = LeadHasher::new(header.length.saturating_sub(tail_bytes as u64));
        let mut end = Vec::new();
        let end_bytes = tail_bytes + PASSED_END_BYTES;
        let passed = self.reader.pieces(
            self.file.as_ref(),
            data_offset,
            header.length,
            &mut |piece| {
                hasher.update(piece);
                end.extend_from_slice(&piece[piece.len().saturating_sub(end_bytes)..]);
                end.drain(..end.len().saturating_sub(end_bytes));
                each(piece);
            },
        );
        passed.map_err(|short| self.short_data(&header, data_offset, short))?;
        let (lead, digest) = hasher.finish();
        self.check_digest(&header, data_offset, &digest)?;
        Ok(Some(PassedRecord {
            offset: self.offset,
            data_offset,
            length: header.length,
            digest,
            lead,
            end,
        }))
    }

    /// The record read last, once more: for whoever read it in pieces and could make nothing of them.
    ///
    /// # Errors
    /// As [`Log::read`]; the record has not changed since, or it is as good as not there.
    ///
    /// # Panics
    /// Unless the last thing done with the log was to read a record.
    pub fn read_again(&mut self) -> Result<Record, LogError> {
        assert!(
            matches!(self.state, State::Reading) && self.last_digest.is_some(),
            "a record has just been read"
        );
        let (end, digest) = (self.offset, self.last_digest);
        self.offset = self.last.0;
        let read = self.read()?;
        match read {
            Some(record) if self.offset == end && self.last_digest == digest => Ok(record),
            // Somebody writes to the file beside us.
            _ => {
                self.offset = self.last.0;
                let error =
                    LogError::io(format!("{}: read failed", self.name), rustix::io::Errno::IO);
                self.state = State::ReadFailed(error.clone());
                Err(error)
            }
        }
    }

    fn read_record(&mut self, text: &mut Vec<u8>) -> Result<Option<RecordPlace>, LogError> {
        let Some((header, data_offset)) = self.read_header()? else {
            return Ok(None);
        };
        let digest = self
            .reader
            .data(self.file.as_ref(), data_offset, header.length, text)
            .map_err(|short| self.short_data(&header, data_offset, short))?;
        self.check_digest(&header, data_offset, &digest)?;
        Ok(Some(RecordPlace {
            offset: self.offset,
            data_offset,
            end: data_offset + header.length,
            digest,
        }))
    }

    /// The header at the present place and where the data behind it begin; `None` at the end of the file, and where only
    /// room is left.
    fn read_header(&mut self) -> Result<Option<(Header, u64)>, LogError> {
        let (file, offset) = (self.file.as_ref(), self.offset);
        let failed = |error| LogError::io(format!("{}: read failed", self.name), error);
        // No file begins with it: there must be a record behind which it is.
        if offset > 0
            && room::is_rest(file, &mut self.reader, &self.magic, offset).map_err(failed)?
        {
            return Ok(None);
        }
        let line = self.reader.line(file, offset).map_err(failed)?;
        if line.is_empty() {
            return Ok(None);
        }
        match Header::parse(line) {
            Some(header) if header.magic == self.magic.as_bytes() => {
                Ok(Some((header, offset + line.len() as u64)))
            }
            _ => Err(LogError::Header {
                name: self.name.clone(),
                offset,
                line: Header::excerpt(line),
            }),
        }
    }

    fn short_data(&self, header: &Header, data_offset: u64, short: Short) -> LogError {
        let Short { bytes, error } = short;
        LogError::ShortData {
            name: self.name.clone(),
            length: header.length - bytes / SHORT_DATA_UNIT_BYTES * SHORT_DATA_UNIT_BYTES,
            offset: data_offset,
            code: error.map(OsError::from),
        }
    }

    fn check_digest(
        &self,
        header: &Header,
        data_offset: u64,
        actual: &Digest,
    ) -> Result<(), LogError> {
        if *actual == header.sha1 {
            return Ok(());
        }
        Err(LogError::Sha1 {
            name: self.name.clone(),
            length: header.length,
            offset: data_offset,
            actual: actual.to_string(),
            expected: header.sha1.to_string(),
        })
    }

    /// Hands back the record read last, which makes no sense at a higher level: the next append overwrites it. Nothing
    /// more is read. Does nothing unless the log is reading.
    pub fn unread(&mut self) {
        if let State::Reading = self.state {
            self.offset = self.last.0;
            self.state = State::Unread;
        }
    }

    /// Hands back the record read last because its data are no JSON object, and returns the error that says so. The
    /// log then behaves as if [`Log::read`] itself had failed with it.
    pub fn reject(&mut self, fault: RecordFault) -> LogError {
        let (start, data_offset) = self.last;
        let (name, length, offset) = (self.name.clone(), self.offset - data_offset, data_offset);
        let error = match fault {
            RecordFault::NotJson(reason) => LogError::NotJson {
                name,
                length,
                offset,
                reason,
            },
            RecordFault::NotObject => LogError::NotObject {
                name,
                length,
                offset,
            },
        };
        if let State::Reading = self.state {
            self.offset = start;
            self.state = State::ReadFailed(error.clone());
        }
        error
    }

    /// Appends a record with this payload, by convention compact JSON and a newline. It is in the file when this
    /// returns, and on the disk after the next [`Log::commit`]. What had not been read is cut off first.
    ///
    /// # Errors
    /// The record is not in the file then, nor any part of it, and the log is latched.
    pub fn append(&mut self, payload: &[u8]) -> Result<(), LogError> {
        self.append_all([payload])
    }

    /// Appends several records with one write: all of them or, on an error, none.
    ///
    /// # Errors
    /// As [`Log::append`].
    pub fn append_all<'a>(
        &mut self,
        payloads: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<(), LogError> {
        for payload in payloads {
            self.stage(payload);
        }
        self.write_staged()
    }

    /// Holds a record with this data ready for the next [`Log::write_staged`], and tells its digest. The file stays as it
    /// is.
    pub fn stage(&mut self, payload: &[u8]) -> Digest {
        self.staged.add(&self.magic, payload)
    }

    /// [`Log::stage`] for a large record, which is not copied: `parts` are its data, one behind the other, and `digest` is
    /// that of all of them.
    pub fn stage_parts(&mut self, parts: Vec<Vec<u8>>, digest: &Digest) {
        self.staged.add_parts(&self.magic, parts, digest);
    }

    /// How many bytes of records are held ready.
    pub fn staged(&self) -> usize {
        self.staged.len()
    }

    /// Forgets the records that are held ready.
    pub fn unstage(&mut self) {
        self.staged.clear();
    }

    /// Appends the records that are held ready, with one write unless some of them are in parts: all of them or, on an error,
    /// none. None is held ready afterwards.
    ///
    /// # Errors
    /// As [`Log::append`].
    pub fn write_staged(&mut self) -> Result<(), LogError> {
        self.take_staged(false)
    }

    /// [`Log::write_staged`] for somebody who is going to sync the log at once. When such writes come one after the other
    /// there is room made for more of them behind the last record, up to 68 KiB, so that the file does not become longer with
    /// each; it is cut off when the log is closed.
    ///
    /// # Errors
    /// As [`Log::append`].
    pub fn write_staged_to_sync(&mut self) -> Result<(), LogError> {
        self.take_staged(true)
    }

    fn take_staged(&mut self, is_to_sync: bool) -> Result<(), LogError> {
        let mut staged = std::mem::take(&mut self.staged);
        let digest = staged.digest();
        let written = self.write_at_end(&mut staged, is_to_sync);
        staged.clear();
        self.staged = staged;
        written?;
        self.last_digest = digest.or(self.last_digest);
        Ok(())
    }

    fn write_at_end(&mut self, staged: &mut Staged, is_to_sync: bool) -> Result<(), LogError> {
        self.begin_writing()?;
        if staged.len() == 0 {
            return Ok(());
        }
        let bytes = staged.len() as u64;
        let plan = match staged.only_buffer() {
            Some(buffer) => {
                let plan = self.room.plan(&self.magic, self.offset, bytes, is_to_sync);
                if let Some(end) = plan.end() {
                    if self.write_with_room(buffer, plan) {
                        self.offset += bytes;
                        self.room.ends_at(end);
                        return Ok(());
                    }
                    // Whatever has arrived of it goes away.
                    self.room.bar();
                    Plan::Cut
                } else {
                    plan
                }
            }
            None => self.room.plan_for_several(),
        };
        if plan == Plan::Cut {
            self.truncate()?;
        }
        let mut end = self.offset;
        for buffer in staged.buffers() {
            if let Err(error) = write_full(self.file.as_ref(), buffer, end) {
                let code = OsError::from(error);
                tracing::warn!(
                    target: "ovsdb_log", per_minute = 5, burst = 5,
                    "{}: write failed ({code})", self.path.display()
                );
                // Whether this works or not, the log is latched, and `resume` does it again.
                let _ = self.file.set_len(self.offset);
                return Err(self.latch(
                    LogError::io(format!("{}: write failed", self.name), code),
                    Remedy::Truncate,
                ));
            }
            end += buffer.len() as u64;
        }
        self.offset = end;
        Ok(())
    }

    /// Writes `records` and what `plan` says behind them, with one write. Says whether that worked; `records` are as they
    /// were.
    fn write_with_room(&self, records: &mut Vec<u8>, plan: Plan) -> bool {
        let bytes = records.len();
        plan.compose(&self.magic, self.offset + bytes as u64, records);
        let written = write_full(self.file.as_ref(), records, self.offset);
        records.truncate(bytes);
        if let Err(error) = &written {
            let name = self.path.display();
            tracing::debug!(target: "ovsdb_log", "{name}: no room is made any more ({error})");
        }
        written.is_ok()
    }

    fn begin_writing(&mut self) -> Result<(), LogError> {
        match &self.state {
            State::Writing => Ok(()),
            State::Latched(error, _) => Err(error.clone()),
            State::Reading | State::Unread | State::ReadFailed(_) => {
                self.reader = Reader::default();
                // It stays true if the file can be cut off only later.
                let name = (!self.is_named).then(|| {
                    let target = path::follow_symlinks(self.fs.as_ref(), &self.path);
                    (Arc::clone(&self.fs), target)
                });
                self.doubt = Arc::new(Doubt::new(&self.magic, self.safe..self.offset, name));
                self.truncate()?;
                self.state = State::Writing;
                Ok(())
            }
        }
    }

    /// Cuts the file off at `offset`.
    fn truncate(&mut self) -> Result<(), LogError> {
        self.file.set_len(self.offset).map_err(|error| {
            let context = format!("{}: cannot truncate to length {}", self.name, self.offset);
            self.latch(LogError::io(context, error), Remedy::Truncate)
        })?;
        self.room.is_gone();
        Ok(())
    }

    /// Stops accepting records. The worse remedy stays where there is one already.
    fn latch(&mut self, error: LogError, remedy: Remedy) -> LogError {
        let remedy = match &self.state {
            State::Latched(_, Remedy::Replace) => Remedy::Replace,
            _ => remedy,
        };
        self.generation += 1;
        self.state = State::Latched(error.clone(), remedy);
        error
    }

    /// Brings everything appended to the disk, and waits for it.
    ///
    /// # Errors
    /// The log is latched then, and only a replacement opens it again: after a failed sync the system may have
    /// forgotten which data it could not write. Records not yet acknowledged to anyone can be taken back with
    /// [`Log::retract`].
    pub fn commit(&mut self) -> Result<(), LogError> {
        if let State::Latched(error, _) = &self.state {
            return Err(error.clone());
        }
        let handle = self.sync_handle();
        handle.sync().inspect_err(|error| {
            self.sync_failed(&handle, error.clone());
        })
    }

    /// A handle by which another thread can sync what has been appended so far, while this one goes on appending.
    /// Take a new one for each sync: the file may be replaced in between.
    pub fn sync_handle(&self) -> SyncHandle {
        SyncHandle {
            file: Arc::clone(&self.file),
            doubt: Arc::clone(&self.doubt),
            name: self.name.clone(),
        }
    }

    /// Tells the log that [`SyncHandle::sync`] failed, which latches it. Returns `false`, and does nothing, if the file
    /// has been replaced since the handle was taken: the records are in the new file then, and on the disk.
    pub fn sync_failed(&mut self, handle: &SyncHandle, error: LogError) -> bool {
        let current = self.is_current(handle);
        if current {
            self.latch(error, Remedy::Replace);
        }
        current
    }

    /// Whether the file is still the one for which the handle was taken, and has not been replaced since.
    pub fn is_current(&self, handle: &SyncHandle) -> bool {
        Arc::ptr_eq(&handle.file, &self.file)
    }

    /// Takes back the records from `offset` on, which must be the start of one: written, but refused afterwards, for
    /// instance because a sync failed before anyone was told of them. Works on a latched log too, and leaves it
    /// latched. After a crash, records taken back may still turn up whole if the cut did not reach the disk.
    ///
    /// # Errors
    /// [`LogError::Io`]: the records are still in the file and the log is latched; [`Log::resume`] tries again.
    ///
    /// # Panics
    /// If `offset` lies behind the end of the log, which is an error of the caller's.
    pub fn retract(&mut self, offset: u64) -> Result<(), LogError> {
        assert!(
            offset <= self.offset,
            "records are taken back only where there are some"
        );
        self.offset = offset;
        self.generation += 1;
        self.truncate()
    }

    /// Whether the log is latched, and by which error.
    pub fn latched(&self) -> Option<&LogError> {
        match &self.state {
            State::Latched(error, _) => Some(error),
            _ => None,
        }
    }

    /// Tries to make a latched log accept records again: by cutting off what a failed write left behind. Does nothing
    /// to a log that is not latched.
    ///
    /// # Errors
    /// The log stays latched: the cut failed again, or it had been a sync that failed, which only a replacement mends.
    pub fn resume(&mut self) -> Result<(), LogError> {
        let State::Latched(error, remedy) = &self.state else {
            return Ok(());
        };
        match remedy {
            Remedy::Truncate => self.truncate()?,
            Remedy::SyncDirectory => self.sync_directory()?,
            Remedy::Replace => return Err(error.clone()),
        }
        self.state = State::Writing;
        Ok(())
    }

    fn sync_directory(&mut self) -> Result<(), LogError> {
        let target = path::follow_symlinks(self.fs.as_ref(), &self.path);
        path::sync_directory_of(self.fs.as_ref(), &target)
            .map_err(|error| self.latch(error, Remedy::SyncDirectory))
    }

    /// Begins a new file `NAME.tmp` that is to take the place of this one, beside the file that a symbolic link leads
    /// to. The caller fills it with what the log amounts to *at this moment*, from any thread, while this log goes on
    /// growing; [`Log::replace_commit`] adds what has been appended meanwhile. A leftover of that name is removed, and with it
    /// a replacement begun before: that cannot be committed any more.
    ///
    /// # Errors
    /// [`LogError::Io`] or [`LogError::Open`]; the log is as it was.
    pub fn replace_start(&mut self) -> Result<Replacement, LogError> {
        self.generation += 1;
        Replacement::create(
            Arc::clone(&self.fs),
            path::with_suffix(&path::follow_symlinks(self.fs.as_ref(), &self.path), ".tmp"),
            self.magic.clone(),
            Arc::clone(&self.file),
            self.offset,
            self.generation,
        )
    }

    /// Puts `replacement` in the place of this log's file: copies the records appended since it was begun, syncs it,
    /// renames it and syncs the folder. The lock is kept. The log is writing afterwards, and no longer latched.
    ///
    /// To keep this short, call [`Replacement::catch_up`] and [`Replacement::sync`] beforehand, on another thread.
    ///
    /// # Errors
    /// The log is as it was and the new file is gone; with one exception: if the folder cannot be synced, the log has
    /// the new file and is latched, until [`Log::resume`] syncs the folder.
    pub fn replace_commit(&mut self, mut replacement: Replacement) -> Result<(), LogError> {
        if replacement.generation() != self.generation {
            return Err(LogError::StaleReplacement {
                name: self.name.clone(),
            });
        }
        replacement.catch_up(self.offset)?;
        replacement.sync()?;
        let target = path::follow_symlinks(self.fs.as_ref(), &self.path);
        let finished = replacement.rename(&target)?;

        self.file = finished.file;
        self.doubt = Arc::default();
        self.offset = finished.length;
        self.base = finished.base;
        self.room = Room::default();
        self.generation += 1;
        self.reader = Reader::default();
        self.state = State::Writing;
        self.sync_directory()
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        if let State::Writing = self.state
            && self.room.is_there()
            && let Err(error) = self.file.set_len(self.offset)
        {
            // It stays, then, and whoever opens the file takes it for what it is.
            let name = self.path.display();
            tracing::warn!(target: "ovsdb_log", "{name}: cannot truncate to length {} ({error})", self.offset);
        }
    }
}

/// A pipe can be read, but not from where one likes.
fn first_read_failure(error: &io::Error) -> &'static str {
    match rustix::io::Errno::from_io_error(error) {
        Some(rustix::io::Errno::SPIPE) => "seek failed",
        _ => "read error",
    }
}
