//! Room behind the last record: when there is some, what others see of it, and what a tear in it leaves.

use std::path::Path;
use std::sync::Arc;

use ovsdb_log::{
    Access, CLUSTERED_MAGIC, Digest, FileSystem, LockPolicy, Log, OpenMode, STANDALONE_MAGIC,
};
use ovsdb_testkit::disk::{Errno, Fault, SimulatedDisk};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

const DB: &str = "/db";
const SCHEMA: &[u8] = b"{\"schema\":\"x\"}\n";

fn open(disk: &SimulatedDisk, mode: OpenMode) -> Log {
    let magics = &[STANDALONE_MAGIC];
    let disk = Arc::new(disk.clone());
    Log::open_on(disk, Path::new(DB), mode, magics, LockPolicy::Never).expect("it can be opened")
}

fn payload(number: usize, padding: usize) -> Vec<u8> {
    format!(
        "{{\"number\":{number},\"padding\":\"{}\"}}\n",
        "-".repeat(padding)
    )
    .into_bytes()
}

/// Writes records that are to be synced, without syncing them.
fn write_to_sync(log: &mut Log, payloads: &[&[u8]]) {
    for payload in payloads {
        log.stage(payload);
    }
    log.write_staged_to_sync().expect("a healthy disk");
}

fn commit(log: &mut Log, payload: &[u8]) {
    write_to_sync(log, &[payload]);
    log.commit().expect("a healthy disk");
}

/// A log with so many durable records, and these.
fn log_with(disk: &SimulatedDisk, count: usize) -> (Log, Vec<Vec<u8>>) {
    let mut log = open(disk, OpenMode::CreateExcl);
    let mut all = vec![SCHEMA.to_vec()];
    commit(&mut log, SCHEMA);
    for number in 1..count {
        all.push(payload(number, 100));
        commit(&mut log, &all[number]);
    }
    (log, all)
}

/// After so many there is room.
const WITH_ROOM: usize = 5;

fn read_all(log: &mut Log) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    while let Ok(Some(record)) = log.read() {
        all.push(record.payload);
    }
    all
}

/// The data of all records, as a program that knows nothing of room takes them; `None` unless all of the file is records.
fn rows(mut text: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut all = Vec::new();
    while !text.is_empty() {
        let end = text.iter().position(|b| *b == b'\n')?;
        let line = std::str::from_utf8(&text[..end]).ok()?;
        let [b"OVSDB", b"JSON", length, sha1] = *line
            .split(' ')
            .map(str::as_bytes)
            .collect::<Vec<_>>()
            .as_slice()
        else {
            return None;
        };
        let length: usize = std::str::from_utf8(length).ok()?.parse().ok()?;
        let data = text.get(end + 1..end + 1 + length)?;
        if Digest::of(&[data]).to_string().as_bytes() != sha1 {
            return None;
        }
        all.push(data.to_vec());
        text = &text[end + 1 + length..];
    }
    Some(all)
}

#[track_caller]
fn check_rows(disk: &SimulatedDisk, expect: &[Vec<u8>]) {
    let found = rows(&content(disk)).expect("nothing but records");
    let (count, expected) = (found.len(), expect.len());
    assert!(
        found == expect,
        "{count} records, not the {expected} expected"
    );
}

fn is_empty_object(data: &[u8]) -> bool {
    let inside = data
        .strip_prefix(b"{")
        .and_then(|data| data.strip_suffix(b"}\n"));
    inside.is_some_and(|inside| inside.iter().all(|b| *b == b' '))
}

fn content(disk: &SimulatedDisk) -> Vec<u8> {
    disk.content(DB).expect("it exists")
}

#[test]
fn durable_records_one_after_the_other_do_not_make_the_file_longer() {
    let disk = SimulatedDisk::new(0);
    let (mut log, mut all) = log_with(&disk, WITH_ROOM);
    let length = log.length();
    assert!(log.offset() < length);
    assert_eq!(length % 4096, 0);
    for number in 0..40 {
        all.push(payload(number, 100));
        commit(&mut log, all.last().expect("one was added"));
        assert_eq!(log.length(), length);
        let mut rows = rows(&content(&disk)).expect("nothing but records");
        assert!(is_empty_object(&rows.pop().expect("room")));
        assert_eq!(rows, all);
    }
}

#[test]
fn few_durable_records_and_others_leave_the_file_as_long_as_its_records() {
    let disk = SimulatedDisk::new(0);
    let (mut log, _) = log_with(&disk, WITH_ROOM - 2);
    for number in 0..40 {
        assert_eq!(log.length(), log.offset());
        log.append(&payload(number, 100)).expect("a healthy disk");
        log.commit().expect("a healthy disk");
        if number % 4 == 0 {
            commit(&mut log, &payload(number, 100));
        }
    }
}

#[test]
fn a_closed_file_is_the_same_as_without_room() {
    for count in [1, 4, 5, 6, 20, 70, 80] {
        let disk = SimulatedDisk::new(0);
        let (log, all) = log_with(&disk, count);
        let offset = log.offset();
        drop(log);
        let plain = SimulatedDisk::new(0);
        let mut log = open(&plain, OpenMode::CreateExcl);
        log.append_all(all.iter().map(Vec::as_slice))
            .expect("a healthy disk");
        drop(log);
        assert_eq!(content(&disk), content(&plain), "{count} records");
        assert_eq!(content(&disk).len() as u64, offset);
    }
}

#[test]
fn room_left_by_a_kill_is_no_record_and_is_cut_off_by_the_next_append() {
    let disk = SimulatedDisk::new(0);
    let (log, mut all) = log_with(&disk, WITH_ROOM);
    let (offset, digest) = (log.offset(), log.last_digest());
    for first_in_pieces in [false, true] {
        let disk = disk.after_kill(0);
        let before = content(&disk);
        let mut log = open(&disk, OpenMode::ReadOnly);
        assert_eq!(read_all(&mut log), all);
        assert_eq!(log.read(), Ok(None));
        assert_eq!((log.offset(), log.last_digest()), (offset, digest));
        drop(log);
        assert_eq!(content(&disk), before, "who reads leaves it as it is");

        let mut log = open(&disk, OpenMode::ReadWrite);
        if first_in_pieces {
            while log
                .read_in_pieces(10, &mut |_| {})
                .expect("a good file")
                .is_some()
            {}
        } else {
            read_all(&mut log);
        }
        assert_eq!((log.offset(), log.last_digest()), (offset, digest));
        log.append(b"{\"more\":1}\n").expect("a healthy disk");
        assert_eq!(log.length(), log.offset());
        all.push(b"{\"more\":1}\n".to_vec());
        check_rows(&disk, &all);
        all.pop();
    }
}

#[test]
fn room_with_something_behind_it_is_a_record() {
    let disk = SimulatedDisk::new(0);
    let (_log, mut all) = log_with(&disk, WITH_ROOM);
    let mut text = content(&disk);
    let room = rows(&text).expect("nothing but records").pop();
    all.extend(room);
    let more = b"{\"more\":1}\n";
    ovsdb_log::compose_header(STANDALONE_MAGIC, more, &mut text);
    text.extend_from_slice(more);
    all.push(more.to_vec());
    let after = SimulatedDisk::new(0);
    after.put(DB, text);
    let mut log = open(&after, OpenMode::ReadWrite);
    assert_eq!(read_all(&mut log), all);
    assert_eq!(log.read(), Ok(None));
    commit(&mut log, more);
    all.push(more.to_vec());
    check_rows(&after, &all);
}

#[test]
fn only_what_is_written_as_room_is_taken_for_it() {
    let compose = |data: &[u8]| {
        let mut text = Vec::new();
        for data in [SCHEMA, data] {
            ovsdb_log::compose_header(STANDALONE_MAGIC, data, &mut text);
            text.extend_from_slice(data);
        }
        text
    };
    // An empty record as somebody else writes it.
    for data in [&b"{}\n"[..], &b"{     }\n"[..]] {
        let disk = SimulatedDisk::new(0);
        disk.put(DB, compose(data));
        let mut log = open(&disk, OpenMode::ReadOnly);
        assert_eq!(read_all(&mut log), [SCHEMA, data]);
    }
    // Nothing comes before it.
    let disk = SimulatedDisk::new(0);
    let (log, _) = log_with(&disk, WITH_ROOM);
    let room = content(&disk).split_off(log.offset() as usize);
    let alone = SimulatedDisk::new(0);
    alone.put(DB, room);
    let mut log = open(&alone, OpenMode::ReadOnly);
    assert_eq!(read_all(&mut log).len(), 1);
}

#[test]
fn other_files_have_no_room() {
    let disk = SimulatedDisk::new(0);
    let fs = Arc::new(disk.clone());
    let magics = &[CLUSTERED_MAGIC];
    let mut log = Log::open_on(
        fs,
        Path::new(DB),
        OpenMode::Create,
        magics,
        LockPolicy::Never,
    )
    .expect("a new file");
    for number in 0..20 {
        commit(&mut log, &payload(number, 10));
        assert_eq!(log.length(), log.offset());
    }
}

#[test]
fn a_process_that_reads_sees_what_is_written_over_room_that_it_has_seen() {
    let disk = SimulatedDisk::new(0);
    let (mut log, mut all) = log_with(&disk, WITH_ROOM);
    let mut reader = open(&disk, OpenMode::ReadOnly);
    assert_eq!(read_all(&mut reader), all);
    for number in 0..200 {
        let new = payload(number, 300);
        commit(&mut log, &new);
        assert_eq!(
            reader
                .read()
                .expect("a good record")
                .map(|record| record.payload),
            Some(new.clone())
        );
        assert_eq!(reader.read(), Ok(None));
        all.push(new);
    }
    assert_eq!(read_all(&mut open(&disk, OpenMode::ReadOnly)), all);
}

#[test]
fn where_the_disk_is_too_full_for_room_records_are_written_without() {
    let disk = SimulatedDisk::new(0);
    let (mut log, mut all) = log_with(&disk, WITH_ROOM - 1);
    for number in 0..10 {
        let new = payload(number, 100);
        disk.set_capacity_bytes(Some(log.offset() + 1000));
        commit(&mut log, &new);
        all.push(new);
        check_rows(&disk, &all);
    }
    // There would be enough of it now, but this file is left in peace.
    disk.set_capacity_bytes(None);
    for number in 0..10 {
        all.push(payload(number, 100));
        commit(&mut log, all.last().expect("one was added"));
    }
    check_rows(&disk, &all);

    let mut new = log.replace_start().expect("a healthy disk");
    new.append(SCHEMA).expect("a healthy disk");
    log.replace_commit(new).expect("a healthy disk");
    assert_eq!(log.length(), log.offset());
    for number in 0..10 {
        commit(&mut log, &payload(number, 100));
    }
    assert!(log.length() > log.offset());
}

#[test]
fn a_write_into_room_that_fails_once_is_done_without() {
    for fault in [Fault::Error(Errno::EIO), Fault::ShortThen(Errno::ENOSPC)] {
        let disk = SimulatedDisk::new(3);
        let (mut log, mut all) = log_with(&disk, WITH_ROOM);
        // After half a write, the other half fails, and the next attempt is at the whole.
        disk.faults.fail_next(fault);
        all.push(payload(99, 700));
        commit(&mut log, &all[WITH_ROOM]);
        assert_eq!(log.length(), log.offset());
        check_rows(&disk, &all);
    }
}

/// What a process finds that opens `image`, and whether the file is in order when it has appended something.
#[track_caller]
fn check_image(image: Vec<u8>, kept: &[Vec<u8>], tried: &[Vec<u8>], what: &str) {
    let disk = SimulatedDisk::new(0);
    disk.put(DB, image);
    let mut log = open(&disk, OpenMode::ReadWrite);
    let mut found = read_all(&mut log);
    assert!(found.starts_with(kept), "{what}: something is lost");
    let mut rest = &found[kept.len()..];
    // Room that has become a record, because the file was to become longer and only that has arrived.
    if let [room, ..] = rest
        && is_empty_object(room)
    {
        rest = &rest[1..];
    }
    assert!(
        tried.starts_with(rest),
        "{what}: something has come into being"
    );
    log.append(SCHEMA).expect("a healthy disk");
    found.push(SCHEMA.to_vec());
    assert!(rows(&content(&disk)) == Some(found), "{what}");
}

/// Every way in which the parts of one write may arrive: so much of it from its beginning, so much of it up to its end, and any
/// of its sectors and pages.
fn check_tears(before: &[u8], after: &[u8], kept: &[Vec<u8>], tried: &[Vec<u8>]) {
    let first = before.iter().zip(after).take_while(|(a, b)| a == b).count();
    let padded = {
        let mut padded = before.to_vec();
        padded.resize(after.len(), 0);
        padded
    };
    let last = (0..after.len())
        .rev()
        .find(|at| padded[*at] != after[*at])
        .expect("something was written");
    // Bytes in the middle of much room are as good as any others.
    let cuts = (first..=last + 1)
        .filter(|at| at - first < 60 || last + 1 - at < 60 || at % 211 == 0 || at % 512 == 0);
    for cut in cuts {
        let begun = [&after[..cut], &padded[cut..]].concat();
        check_image(begun, kept, tried, &format!("up to {cut}"));
        let ended = [&padded[..cut], &after[cut..]].concat();
        check_image(ended, kept, tried, &format!("from {cut} on"));
        if before.len() < after.len() {
            // The length is not yet what it will be, or is already.
            let short = &after[..cut.max(before.len())];
            check_image(short.to_vec(), kept, tried, &format!("as long as {cut}"));
        }
    }
    let mut random = StdRng::seed_from_u64(after.len() as u64);
    for sector in [512, 4096] {
        for round in 0..30 {
            let mut image = padded.clone();
            for begin in (0..after.len()).step_by(sector) {
                let end = (begin + sector).min(after.len());
                if random.random_bool(0.5) {
                    image[begin..end].copy_from_slice(&after[begin..end]);
                }
            }
            if random.random_bool(0.3) {
                image.truncate(before.len());
            }
            check_image(
                image,
                kept,
                tried,
                &format!("some sectors of {sector}, round {round}"),
            );
        }
    }
}

#[test]
fn a_tear_at_any_place_of_a_write_loses_nothing_that_was_there() {
    // Of various lengths, so that records and headers begin and end everywhere in their sectors.
    for padding in [0, 391] {
        let disk = SimulatedDisk::new(0);
        let (mut log, mut all) = log_with(&disk, WITH_ROOM - 1);
        // The write that makes room, and some into it.
        for number in 0..3 {
            let before = content(&disk);
            let tried = [payload(number, padding), payload(number + 100, 17)];
            write_to_sync(&mut log, &[&tried[0], &tried[1]]);
            check_tears(&before, &content(&disk), &all, &tried);
            log.commit().expect("a healthy disk");
            all.extend(tried);
        }
        // The one for which there is not enough left.
        while log.offset() + 200 < log.length() {
            all.push(payload(7, 20));
            commit(&mut log, all.last().expect("one was added"));
        }
        let before = content(&disk);
        let tried = [payload(8, 1000)];
        write_to_sync(&mut log, &[&tried[0]]);
        assert!(content(&disk).len() > before.len());
        check_tears(&before, &content(&disk), &all, &tried);
    }
}

/// A log and what is known of it, while everything happens to it in an order that is drawn.
struct Walk {
    disk: SimulatedDisk,
    log: Log,
    random: StdRng,
    /// What is in the file, where each begins, and how many survive a power cut.
    records: Vec<Vec<u8>>,
    begins: Vec<u64>,
    synced: usize,
    next: usize,
    with_room: usize,
}

impl Walk {
    fn new(seed: u64) -> Walk {
        let disk = SimulatedDisk::new(seed);
        let mut log = open(&disk, OpenMode::CreateExcl);
        log.append(SCHEMA).expect("a healthy disk");
        log.commit().expect("a healthy disk");
        Walk {
            disk,
            log,
            random: StdRng::seed_from_u64(seed),
            records: vec![SCHEMA.to_vec()],
            begins: vec![0],
            synced: 1,
            next: 0,
            with_room: 0,
        }
    }

    fn write(&mut self, is_to_sync: bool) {
        for _ in 0..self.random.random_range(1..4) {
            self.next += 1;
            let padding = match self.random.random_range(0..12) {
                0 => self.random.random_range(0..12_000),
                1 | 2 => self.random.random_range(0..5_000),
                _ => self.random.random_range(0..300),
            };
            let begin = self.log.offset() + self.log.staged() as u64;
            let record = payload(self.next, padding);
            if self.random.random_range(0..30) == 0 {
                let (one, other) = record.split_at(record.len() / 2);
                let digest = Digest::of(&[&record]);
                self.log
                    .stage_parts(vec![one.to_vec(), other.to_vec()], &digest);
            } else {
                self.log.stage(&record);
            }
            self.begins.push(begin);
            self.records.push(record);
        }
        let written = match is_to_sync {
            true => self.log.write_staged_to_sync(),
            false => self.log.write_staged(),
        };
        written.expect("a healthy disk");
    }

    fn commit(&mut self) {
        self.log.commit().expect("a healthy disk");
        self.synced = self.records.len();
    }

    fn retract(&mut self) {
        let kept = self.random.random_range(self.synced..=self.records.len());
        if kept < self.records.len() {
            self.log.retract(self.begins[kept]).expect("a healthy disk");
            self.records.truncate(kept);
            self.begins.truncate(kept);
        }
    }

    fn compact(&mut self) {
        let mut new = self.log.replace_start().expect("a healthy disk");
        for record in &self.records {
            new.append(record).expect("a healthy disk");
        }
        self.write(true);
        self.log.replace_commit(new).expect("a healthy disk");
        self.synced = self.records.len();
    }

    /// The process ends, in order or not, or the machine; the next one reads the file.
    fn begin_anew(&mut self) {
        match self.random.random_range(0..3) {
            0 => {
                let Walk { disk, records, .. } = self;
                // In the place of the log that is to be closed, one that is of no use.
                let other = SimulatedDisk::new(0);
                self.log = open(&other, OpenMode::Create);
                assert_eq!(rows(&content(disk)).as_ref(), Some(&*records));
            }
            1 => self.disk = self.disk.after_kill(self.next as u64),
            _ => self.disk = self.disk.power_cut(self.next as u64),
        }
        self.log = open(&self.disk, OpenMode::ReadWrite);
        self.records.clear();
        self.begins.clear();
        let mut begin = 0;
        while let Ok(Some(record)) = self.log.read() {
            self.begins.push(begin);
            begin = self.log.offset();
            self.records.push(record.payload);
        }
        // What was found is not known to be on the disk before the next sync.
        self.synced = 0;
    }

    fn check(&mut self, may_have_tail: bool) {
        let text = content(&self.disk);
        let Some(mut found) = rows(&text) else {
            assert!(may_have_tail, "there are only whole records");
            return;
        };
        if found.len() > self.records.len() {
            self.with_room += 1;
            assert!(is_empty_object(&found.pop().expect("there are more")));
        }
        assert_eq!(found, self.records);
        // Behind those that were synced there may be others, even some that were taken back.
        let after = self.disk.power_cut(self.random.random());
        let found = read_all(&mut open(&after, OpenMode::ReadOnly));
        assert!(found.starts_with(&self.records[..self.synced]));
    }
}

#[test]
fn whatever_is_done_the_file_holds_whole_records_and_what_was_synced_stays() {
    let mut with_room = 0;
    for seed in 0..20 {
        let mut walk = Walk::new(seed);
        for step in 0..60 {
            let mut may_have_tail = false;
            match walk.random.random_range(0..40) {
                0 => walk.retract(),
                1 => walk.compact(),
                2 => {
                    let (records, synced) = (walk.records.clone(), walk.synced);
                    walk.begin_anew();
                    assert!(
                        walk.records.starts_with(&records[..synced]),
                        "seed {seed}, step {step}"
                    );
                    may_have_tail = true;
                }
                3..8 => walk.write(false),
                _ => {
                    walk.write(true);
                    walk.commit();
                }
            }
            walk.check(may_have_tail);
        }
        with_room += walk.with_room;
    }
    assert!(with_room > 300, "room was there only {with_room} times");
}

#[test]
fn file_that_cannot_be_cut_off_at_the_end_is_read_all_the_same() {
    let disk = SimulatedDisk::new(0);
    let (log, all) = log_with(&disk, WITH_ROOM);
    disk.faults.fail_next(Fault::Error(Errno::EIO));
    drop(log);
    assert_eq!(
        rows(&content(&disk)).expect("only records").len(),
        WITH_ROOM + 1
    );
    assert_eq!(read_all(&mut open(&disk, OpenMode::ReadOnly)), all);
    // Nor does it matter that the system does not say how long the file is.
    let mut log = open(&disk, OpenMode::ReadWrite);
    for _ in &all {
        log.read().expect("a good record");
    }
    let is_length = |operation: &ovsdb_testkit::disk::Operation<'_>| {
        operation.kind == ovsdb_testkit::disk::Kind::Length
    };
    disk.faults.fail_when(Fault::Error(Errno::EIO), is_length);
    let room = log.read().expect("a good record").expect("a record");
    assert!(is_empty_object(&room.payload));
    disk.faults.heal();
    log.append(SCHEMA).expect("a healthy disk");
    assert_eq!(
        rows(&content(&disk)).expect("only records").len(),
        WITH_ROOM + 2
    );
}

#[test]
fn a_reader_of_a_file_that_shrinks_meanwhile_is_told_of_a_bad_record_or_of_the_end() {
    let disk = SimulatedDisk::new(0);
    let (log, all) = log_with(&disk, WITH_ROOM);
    let mut reader = open(&disk, OpenMode::ReadOnly);
    reader.read().expect("a good record");
    drop(log);
    assert_eq!(read_all(&mut reader), all[1..]);
    assert_eq!(reader.read(), Ok(None));
    let file = disk.open(Path::new(DB), Access::Read).expect("it exists");
    assert_eq!(file.length().expect("a healthy disk"), reader.offset());
}
