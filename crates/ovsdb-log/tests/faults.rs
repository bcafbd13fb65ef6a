//! Every file operation of a workload fails once, in every way, with and without a power cut afterwards: acknowledged
//! records must be there, nothing may be there in part, and memory and file must agree.

use std::path::Path;
use std::sync::Arc;

use ovsdb_log::{Access, FileSystem, LockPolicy, Log, LogError, OpenMode, STANDALONE_MAGIC};
use ovsdb_testkit::disk::{Errno, Fault, Faults, Kind, Operation, SimulatedDisk};

const DB: &str = "/db";
const SCHEMA: &[u8] = b"{\"schema\":\"x\"}\n";

fn open(memory: &SimulatedDisk, mode: OpenMode) -> Result<Log, LogError> {
    Log::open_on(
        Arc::new(memory.clone()),
        Path::new(DB),
        mode,
        &[STANDALONE_MAGIC],
        LockPolicy::Never,
    )
}

/// The data of a record that holds these numbers, padded so that a part of it is never mistaken for the whole.
fn payload(numbers: &[u32]) -> Vec<u8> {
    // Three long ones are more than room is made for.
    let padding = if numbers[..] == [10] || numbers[..] == [13] || numbers[..] == [15] {
        6000
    } else {
        100
    };
    format!(
        "{{\"numbers\":{numbers:?},\"padding\":\"{}\"}}\n",
        "-".repeat(padding)
    )
    .into_bytes()
}

fn numbers(payload: &[u8]) -> Vec<u32> {
    let text = std::str::from_utf8(payload).expect("only whole records are read");
    assert!(text.ends_with("}\n"), "{text:?}");
    text.split(|c: char| !c.is_ascii_digit())
        .filter_map(|digits| digits.parse().ok())
        .collect()
}

/// The numbers in a log, compacted records taken apart; the bad tail that `read` may end with is left unread.
fn contents(log: &mut Log) -> Vec<u32> {
    let mut all = Vec::new();
    while let Ok(Some(record)) = log.read() {
        all.extend(numbers(&record.payload));
    }
    all
}

/// What the owner of a log believes.
#[derive(Default)]
struct Owner {
    next: u32,
    /// Numbers whose append succeeded and that were not taken back.
    accepted: Vec<u32>,
    /// How many of those are promised to survive a power cut.
    acknowledged: usize,
    /// Where the first record begins that is not acknowledged.
    acknowledged_offset: u64,
    /// Whether refused records may be in the file after a power cut, because the cut that removed them is not synced.
    cut_unsynced: bool,
    /// Whether refused records may be in the file, because they could not be cut off.
    uncut: bool,
    compactions: usize,
    /// What it writes is to be synced, and it has written much of that kind, so that there is room behind its records.
    has_room: bool,
    /// How often there was room after a write.
    writes_with_room: usize,
}

/// The log cannot be used any more.
struct Broken;

impl Owner {
    fn append(&mut self, log: &mut Log, count: u32) -> Result<(), Broken> {
        let fresh: Vec<u32> = (self.next..self.next + count).collect();
        self.next += count;
        let payloads: Vec<Vec<u8>> = fresh.iter().map(|n| payload(&[*n])).collect();
        let before = log.offset();
        let written = if self.has_room {
            for payload in &payloads {
                log.stage(payload);
            }
            log.write_staged_to_sync()
        } else {
            log.append_all(payloads.iter().map(Vec::as_slice))
        };
        match written {
            Ok(()) => {
                self.writes_with_room += usize::from(log.length() > log.offset());
                self.accepted.extend(fresh);
                Ok(())
            }
            Err(error) => {
                assert_eq!(log.offset(), before);
                assert_eq!(
                    log.append(b"{}\n"),
                    Err(error.clone()),
                    "a latched log accepts nothing"
                );
                assert_eq!(
                    log.commit(),
                    Err(error.clone()),
                    "a latched log promises nothing"
                );
                assert_eq!(log.latched(), Some(&error));
                self.cut_unsynced = true;
                self.recover(log)
            }
        }
    }

    fn commit(&mut self, log: &mut Log) -> Result<(), Broken> {
        match log.commit() {
            Ok(()) => {
                self.acknowledged = self.accepted.len();
                self.acknowledged_offset = log.offset();
                self.cut_unsynced = false;
                Ok(())
            }
            Err(error) => {
                assert_eq!(
                    log.append(b"{}\n"),
                    Err(error),
                    "a latched log accepts nothing"
                );
                self.accepted.truncate(self.acknowledged);
                self.cut_unsynced = true;
                if log.retract(self.acknowledged_offset).is_err() {
                    self.uncut = true;
                    return Err(Broken);
                }
                self.recover(log)
            }
        }
    }

    /// Opens a latched log again: by the cheap way, or by replacing the file.
    fn recover(&mut self, log: &mut Log) -> Result<(), Broken> {
        if log.resume().is_ok() {
            return Ok(());
        }
        self.compact(log, 0)
    }

    /// Compacts, with `meanwhile` records appended to the log while the new file is being written.
    fn compact(&mut self, log: &mut Log, meanwhile: u32) -> Result<(), Broken> {
        match self.try_compact(log, meanwhile) {
            Ok(()) => Ok(()),
            Err(_) if log.latched().is_none() => Ok(()),
            Err(_) => {
                // Either the folder of the new file could not be synced, or a write has failed meanwhile.
                log.resume().map_err(|_| {
                    self.uncut = true;
                    Broken
                })
            }
        }
    }

    fn try_compact(&mut self, log: &mut Log, meanwhile: u32) -> Result<(), LogError> {
        let mut replacement = log.replace_start()?;
        replacement.append(SCHEMA)?;
        replacement.append(&payload(&self.accepted))?;
        for _ in 0..meanwhile {
            // As its own transaction; a failure latches the log, and the commit below has to notice.
            let _ = self.append(log, 1);
        }
        replacement.catch_up(log.offset())?;
        replacement.sync()?;
        if meanwhile > 0 {
            let _ = self.append(log, 1);
        }
        log.replace_commit(replacement)?;
        self.compactions += 1;
        self.acknowledged = self.accepted.len();
        self.acknowledged_offset = log.offset();
        self.cut_unsynced = false;
        Ok(())
    }

    fn work(&mut self, log: &mut Log) -> Result<(), Broken> {
        if self.has_room {
            self.work_with_room(log)?;
        }
        self.append(log, 3)?;
        self.commit(log)?;
        self.append(log, 1)?;
        self.append(log, 2)?;
        self.commit(log)?;
        self.compact(log, 3)?;
        self.append(log, 1)?;
        self.commit(log)?;
        self.append(log, 1)
    }

    /// Has room made, uses it up and has more made; and leaves that for what comes.
    fn work_with_room(&mut self, log: &mut Log) -> Result<(), Broken> {
        for _ in 0..18 {
            self.append(log, 1)?;
            self.commit(log)?;
        }
        Ok(())
    }
}

/// Creates a log with its schema on the disk, has `owner` work on it, and returns `false` if it cannot be created.
fn run(memory: &SimulatedDisk, owner: &mut Owner) -> bool {
    let Ok(mut log) = open(memory, OpenMode::CreateExcl) else {
        return false;
    };
    if log.append(SCHEMA).is_err() || log.commit().is_err() {
        return false;
    }
    owner.acknowledged_offset = log.offset();
    // Broken is a state to be left in, not a failure of the test: what the file holds then is what is looked at.
    let _ = owner.work(&mut log);
    true
}

/// After a restart without a power cut, the file holds what its owner had accepted.
fn check_restart(memory: &SimulatedDisk, owner: &Owner, what: &str) {
    let mut log = open(memory, OpenMode::ReadWrite).expect("a created log opens");
    let found = contents(&mut log);
    assert!(
        found.starts_with(&owner.accepted),
        "{what}: {found:?} lacks some of {:?}",
        owner.accepted
    );
    assert!(
        owner.uncut || found == owner.accepted,
        "{what}: {found:?} is not {:?}",
        owner.accepted
    );

    // And it can be written to: what was bad behind the last record has gone.
    log.append(&payload(&[u32::MAX]))
        .expect("the disk is healthy again");
    drop(log);
    let mut log = open(memory, OpenMode::ReadOnly).expect("it opened before");
    let again = contents(&mut log);
    assert_eq!(
        again.split_last(),
        Some((&u32::MAX, found.as_slice())),
        "{what}"
    );
    assert_eq!(log.read(), Ok(None), "{what}: nothing bad is left");
}

/// After a power cut, the file holds what was acknowledged, and of the rest only whole records that were tried.
fn check_power_cut(memory: &SimulatedDisk, owner: &Owner, seed: u64, what: &str) {
    let memory = memory.power_cut(seed);
    let mut log = open(&memory, OpenMode::ReadWrite)
        .unwrap_or_else(|error| panic!("{what}, seed {seed}: {error}"));
    let found = contents(&mut log);
    let acknowledged = &owner.accepted[..owner.acknowledged];
    assert!(
        found.starts_with(acknowledged),
        "{what}, seed {seed}: {found:?} lacks some of {acknowledged:?}"
    );
    assert!(
        found.is_sorted_by(|a, b| a < b),
        "{what}, seed {seed}: {found:?}"
    );
    assert!(
        found.iter().all(|n| *n < owner.next),
        "{what}, seed {seed}: {found:?}"
    );
    if !owner.uncut && !owner.cut_unsynced {
        assert!(
            owner.accepted.starts_with(&found),
            "{what}, seed {seed}: {found:?} has what was refused"
        );
    }
}

/// Whether a fault comes up once, or again and again.
#[derive(Clone, Copy, Debug)]
enum Times {
    Once,
    FromThen,
}

impl Times {
    fn inject(self, faults: &Faults, operation: u64, fault: Fault) {
        match self {
            Times::Once => faults.fail_at(operation, fault),
            Times::FromThen => faults.fail_from(operation, fault),
        }
    }
}

fn check_every_failure_point(times: Times, fault: Fault) {
    for has_room in [false, true] {
        let mut operation = 0;
        while check_failure_point(times, fault, has_room, operation) {
            operation += 1;
        }
        assert!(
            operation > 20,
            "the workload has only {operation} operations"
        );
    }
}

/// Returns `false` if the whole workload was done before it was the fault's turn.
fn check_failure_point(times: Times, fault: Fault, has_room: bool, operation: u64) -> bool {
    let what = format!("{fault:?} {times:?} at operation {operation}, {has_room}");
    let memory = SimulatedDisk::new(operation);
    times.inject(&memory.faults, operation, fault);
    let mut owner = Owner {
        has_room,
        ..Owner::default()
    };
    let created = run(&memory, &mut owner);
    memory.faults.heal();
    if created {
        for seed in 0..if has_room { 6 } else { 20 } {
            check_power_cut(&memory, &owner, seed, &what);
        }
        check_restart(&memory, &owner, &what);
    }
    if memory.faults.fired() > 0 {
        return true;
    }
    let count = if has_room { 30 } else { 12 };
    assert_eq!(
        (owner.compactions, owner.accepted.len(), owner.next),
        (1, count, count as u32)
    );
    assert!(!has_room || owner.writes_with_room > 15);
    false
}

#[test]
fn single_error_anywhere_loses_nothing_acknowledged() {
    check_every_failure_point(Times::Once, Fault::Error(Errno::EIO));
}

#[test]
fn failed_sync_loses_nothing_acknowledged_whatever_becomes_of_the_data() {
    check_every_failure_point(Times::Once, Fault::Discarded(Errno::EIO));
    check_every_failure_point(Times::Once, Fault::Kept(Errno::EIO));
}

#[test]
fn disk_that_is_full_from_some_point_on_loses_nothing_acknowledged() {
    check_every_failure_point(Times::FromThen, Fault::Error(Errno::ENOSPC));
}

#[test]
fn short_writes_are_continued() {
    check_every_failure_point(Times::Once, Fault::Short);
}

#[test]
fn write_that_stops_half_way_leaves_no_part_of_a_record() {
    check_every_failure_point(Times::Once, Fault::ShortThen(Errno::ENOSPC));
}

#[test]
fn disk_that_breaks_in_the_middle_of_a_write_loses_nothing_acknowledged() {
    check_every_failure_point(Times::FromThen, Fault::ShortThen(Errno::EIO));
}

fn log_with(memory: &SimulatedDisk, records: &[&[u8]]) -> Log {
    let mut log = open(memory, OpenMode::CreateExcl).expect("a healthy disk");
    log.append_all(records.iter().copied())
        .expect("a healthy disk");
    log.commit().expect("a healthy disk");
    log
}

#[test]
fn failed_write_cuts_off_its_part_at_once_and_names_the_systems_reason() {
    let memory = SimulatedDisk::new(0);
    let mut log = log_with(&memory, &[SCHEMA]);
    let before = memory.content(DB);
    memory.faults.fail_next(Fault::ShortThen(Errno::ENOSPC));
    let error = log.append(&payload(&[1])).unwrap_err();
    assert_eq!(
        error.to_string(),
        "I/O error: /db: write failed (No space left on device)"
    );
    assert_eq!(memory.content(DB), before);
    log.resume().expect("a healthy disk");
    log.append(&payload(&[2])).expect("a healthy disk");
}

#[test]
fn part_that_could_not_be_cut_off_at_once_is_cut_off_when_the_log_resumes() {
    let memory = SimulatedDisk::new(0);
    let mut log = log_with(&memory, &[SCHEMA]);
    memory
        .faults
        .fail_from(memory.faults.count(), Fault::ShortThen(Errno::EIO));
    let error = log.append(&payload(&[1])).unwrap_err();
    let expect = "I/O error: /db: cannot truncate to length 70 (Input/output error)";
    assert_eq!(log.resume().unwrap_err().to_string(), expect);
    assert_ne!(log.latched(), Some(&error));
    memory.faults.heal();
    log.resume().expect("a healthy disk");
    log.append(b"{}\n").expect("a healthy disk");
    let mut log = open(&memory, OpenMode::ReadOnly).expect("it exists");
    assert!(contents(&mut log).is_empty());
    assert_eq!(log.read(), Ok(None), "nothing is left of the part");
}

#[test]
fn failed_sync_is_mended_by_a_replacement_only() {
    let memory = SimulatedDisk::new(0);
    let mut log = log_with(&memory, &[SCHEMA]);
    log.append(&payload(&[1])).expect("a healthy disk");
    memory.faults.fail_next(Fault::Error(Errno::EIO));
    let error = log.commit().unwrap_err();
    assert_eq!(
        error.to_string(),
        "I/O error: /db: fsync failed (Input/output error)"
    );
    assert_eq!(log.resume(), Err(error.clone()));
    assert_eq!(log.latched(), Some(&error));
    let mut replacement = log.replace_start().expect("a healthy disk");
    replacement.append(SCHEMA).expect("a healthy disk");
    log.replace_commit(replacement).expect("a healthy disk");
    assert_eq!(log.latched(), None);
    let mut log = open(&memory, OpenMode::ReadOnly).expect("it exists");
    assert!(contents(&mut log).is_empty());
}

#[test]
fn failed_sync_of_a_file_since_replaced_does_not_latch_the_new_one() {
    let memory = SimulatedDisk::new(0);
    let mut log = log_with(&memory, &[SCHEMA]);
    let handle = log.sync_handle();
    let mut replacement = log.replace_start().expect("a healthy disk");
    replacement.append(SCHEMA).expect("a healthy disk");
    log.replace_commit(replacement).expect("a healthy disk");
    memory.faults.fail_next(Fault::Error(Errno::EIO));
    let error = handle.sync().unwrap_err();
    assert!(!log.sync_failed(&handle, error));
    log.append(&payload(&[1])).expect("the log is not latched");
    memory.faults.fail_next(Fault::Error(Errno::EIO));
    let handle = log.sync_handle();
    let error = handle.sync().unwrap_err();
    assert!(log.sync_failed(&handle, error.clone()));
    assert_eq!(log.append(&payload(&[2])), Err(error));
}

/// A process writes records without a promise and learns that they could not be synced; then it is killed.
fn after_a_failed_sync(memory: &SimulatedDisk, fault: Fault) -> SimulatedDisk {
    let mut log = log_with(memory, &[SCHEMA]);
    for number in 1..=20 {
        log.append(&payload(&[number])).expect("a healthy disk");
    }
    memory.faults.fail_next(fault);
    log.commit().unwrap_err();
    drop(log);
    memory.after_kill(0)
}

/// One more record is promised in a log that holds `found`, and then the power is cut: all of it is still there.
fn promise_and_cut(memory: &SimulatedDisk, mut log: Log, mut found: Vec<u32>, seed: u64) {
    log.append(&payload(&[100])).expect("a healthy disk");
    log.commit().expect("a healthy disk");
    found.push(100);
    let after = memory.power_cut(seed);
    let mut log = open(&after, OpenMode::ReadOnly).expect("it exists");
    assert_eq!(contents(&mut log), found, "seed {seed}");
}

#[test]
fn what_an_earlier_process_could_not_sync_does_not_take_along_what_the_next_one_promises() {
    for seed in 0..50 {
        for fault in [
            Fault::Forgotten(Errno::EIO),
            Fault::Discarded(Errno::EIO),
            Fault::Kept(Errno::EIO),
        ] {
            println!("{fault:?}");
            let memory = after_a_failed_sync(&SimulatedDisk::new(seed), fault);
            let mut log = open(&memory, OpenMode::ReadWrite).expect("it exists");
            let found = contents(&mut log);
            promise_and_cut(&memory, log, found, seed);
        }
    }
}

#[test]
fn what_is_known_to_be_on_the_disk_is_not_written_again() {
    let memory = SimulatedDisk::new(0);
    drop(log_with(&memory, &[SCHEMA, &payload(&[1])]));
    let mut log = open(&memory, OpenMode::ReadWrite).expect("it exists");
    assert_eq!(contents(&mut log), [1]);
    log.mark_safe();
    log.append(&payload(&[2])).expect("a healthy disk");
    let before = memory.faults.count();
    log.commit().expect("a healthy disk");
    log.commit().expect("a healthy disk");
    assert_eq!(memory.faults.count(), before + 2);
}

#[test]
fn what_cannot_be_read_any_more_as_it_was_is_not_promised() {
    // In headers and in data.
    for changed in 300..400 {
        let memory = after_a_failed_sync(&SimulatedDisk::new(0), Fault::Forgotten(Errno::EIO));
        let mut log = open(&memory, OpenMode::ReadWrite).expect("it exists");
        assert_eq!(contents(&mut log).len(), 20);
        log.append(&payload(&[100])).expect("a healthy disk");
        // The system needs the memory for something else, and finds on the disk what was there before.
        let file = memory.open(Path::new(DB), Access::ReadWrite);
        let file = file.expect("it exists");
        file.write_at(&[0], changed).expect("a healthy disk");
        let error = log.commit().expect_err(&format!("byte {changed}"));
        assert_eq!(log.append(&payload(&[101])), Err(error));
    }
}

#[test]
fn what_is_in_doubt_is_written_again_even_if_the_file_could_not_be_cut_off_at_first() {
    for seed in 0..50 {
        let memory = after_a_failed_sync(&SimulatedDisk::new(seed), Fault::Forgotten(Errno::EIO));
        let mut log = open(&memory, OpenMode::ReadWrite).expect("it exists");
        let found = contents(&mut log);
        memory.faults.fail_next(Fault::Error(Errno::EIO));
        log.append(&payload(&[99])).unwrap_err();
        log.resume().expect("a healthy disk");
        promise_and_cut(&memory, log, found, seed);
    }
}

#[test]
fn a_name_that_is_not_yet_on_the_disk_does_not_take_along_what_the_next_process_promises() {
    let fail_folders = |memory: &SimulatedDisk| {
        let is_meant = |operation: &Operation<'_>| operation.kind == Kind::SyncDirectory;
        memory.faults.fail_when(Fault::Error(Errno::EIO), is_meant);
    };
    for (seed, opens_well) in (0..20).flat_map(|seed| [(seed, true), (seed, false)]) {
        let memory = SimulatedDisk::new(seed);
        let mut log = log_with(&memory, &[SCHEMA, &payload(&[1]), &payload(&[2])]);
        let mut replacement = log.replace_start().expect("a healthy disk");
        for record in [SCHEMA, &payload(&[1, 2])] {
            replacement.append(record).expect("a healthy disk");
        }
        fail_folders(&memory);
        log.replace_commit(replacement).unwrap_err();
        drop(log);

        let memory = memory.after_kill(seed);
        if !opens_well {
            fail_folders(&memory);
        }
        let mut log = open(&memory, OpenMode::ReadWrite).expect("it exists");
        assert_eq!(contents(&mut log), [1, 2]);
        log.append(&payload(&[3])).expect("a healthy disk");
        if !opens_well {
            log.sync_handle().sync().unwrap_err();
            memory.faults.heal();
        }
        log.commit().expect("a healthy disk");
        let after = memory.power_cut(seed);
        let mut log = open(&after, OpenMode::ReadOnly).expect("it exists");
        assert_eq!(contents(&mut log), [1, 2, 3], "seed {seed}");
    }
}

#[test]
fn replacement_begun_before_another_one_is_refused() {
    let memory = SimulatedDisk::new(0);
    let mut log = log_with(&memory, &[SCHEMA]);
    let mut first = log.replace_start().expect("a healthy disk");
    first.append(SCHEMA).expect("a healthy disk");
    // It takes the name of the first, and is given up.
    let second = log.replace_start().expect("a healthy disk");
    let name = DB.to_owned();
    let stale = LogError::StaleReplacement { name };
    assert_eq!(log.replace_commit(first), Err(stale.clone()));
    drop(second);

    let first = log.replace_start().expect("a healthy disk");
    drop(log.replace_start().expect("a healthy disk"));
    assert_eq!(log.replace_commit(first), Err(stale));
    log.append(&payload(&[2])).expect("the log goes on");
    assert_eq!(
        contents(&mut open(&memory, OpenMode::ReadOnly).expect("it exists")),
        [2]
    );
}

#[test]
fn replacement_begun_before_records_were_taken_back_is_refused() {
    let memory = SimulatedDisk::new(0);
    let mut log = log_with(&memory, &[SCHEMA]);
    let start = log.offset();
    log.append(&payload(&[1])).expect("a healthy disk");
    let replacement = log.replace_start().expect("a healthy disk");
    log.retract(start).expect("a healthy disk");
    let error = log.replace_commit(replacement).unwrap_err();
    assert_eq!(
        error,
        LogError::StaleReplacement {
            name: DB.to_owned()
        }
    );
    assert_eq!(memory.names(), [Path::new(DB)], "the new file has gone");
    log.append(&payload(&[2])).expect("the log goes on");
    assert_eq!(
        contents(&mut open(&memory, OpenMode::ReadOnly).expect("it exists")),
        [2]
    );
}
