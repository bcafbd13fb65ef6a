//! Room behind the last record of a file, so that records can be brought to the disk without the file becoming longer.
//!
//! A file that grows has its new length written to the journal of the file system by each sync, which costs as much again
//! as the data. A file with room has, behind its last record, one more that changes nothing: a header and `{`, spaces, `}`,
//! newline. The next write overwrites its beginning: with the new records and, in the same write, with a header for what is
//! left of the room. The spaces behind it are on the disk already.
//!
//! What holds while a log is writing:
//!
//! 1. The file is a row of whole records at every moment at which no write is under way, so also after a kill; one that
//!    hits a write may leave a torn tail, with room or without. Whoever knows nothing of room reads a last transaction that changes nothing, and may append behind it: it is an ordinary
//!    record then, in the middle of the file.
//! 2. Room begins at the log's offset and ends with the file. No record counts it: not the offset, the digest, the base, nor
//!    what a replacement copies.
//! 3. A write changes nothing before the offset at which it begins, so what an earlier sync has brought to the disk stays.
//!    Whatever of a write arrives there before the power is cut, in whatever order, what is found at that offset is one of
//!    these: new records, as far as they are whole, which their hashes tell; the room as it was; or neither, which is a torn
//!    tail. Behind new records that are whole it is the new room or a torn tail, since the hash of the room covers every
//!    byte up to the end of the file.
//! 4. Room goes when the log is closed, when records are taken back, and when a write has failed. A replacement begins without.
//!    So a file that was closed is the same, byte for byte, as if there had never been room. Only a log that is latched may
//!    leave some behind, as it may leave worse.
//!
//! Room is made by writes that are to be synced, and only if there were [`WRITES_BEFORE`] more of that kind than of others
//! lately: a file to which nothing is written that is to be synced never has any. The write that makes it is longer by the whole room and pays
//! for the longer file; those that fit into it pay nothing. It is as large as [`WRITES_WITHIN`] such writes, within bounds,
//! and none is made for writes so large that it would not serve [`WRITES_WITHIN_MIN`]: then the data are what costs. Room
//! that is there serves any write. One that does not fit, and may not make room itself, cuts it off first.
//!
//! Room never makes a write fail: one that fails with room is done again without, and then this file gets no more.
//!
//! Only standalone files have room: in others a record like this one would mean something, or nothing.

use std::io;
use std::sync::LazyLock;

use crate::STANDALONE_MAGIC;
use crate::digest::{Digest, Hasher};
use crate::fs::File;
use crate::header::{self, Header};
use crate::reader::Reader;

/// So many more writes to be synced than others come before one makes room.
const WRITES_BEFORE: u32 = 4;

/// No more than so many are counted, so that it is noticed when others come.
const WRITES_BEFORE_COUNTED: u32 = 8;

/// For how many writes as large as the one that makes it there is to be room.
const WRITES_WITHIN: u64 = 16;

/// None is made for fewer.
const WRITES_WITHIN_MIN: u64 = 8;

/// The least and the most room that is made, in bytes, before its end is moved on to that of a block.
const ROOM_BYTES_MIN: u64 = 16 << 10;
const ROOM_BYTES_MAX: u64 = 64 << 10;

/// Room ends where a block of a file system ends, in bytes: what is allocated is used.
const BLOCK_BYTES: u64 = 4096;

/// The most data of a record that is taken for room, in bytes.
const DATA_BYTES_MAX: u64 = ROOM_BYTES_MAX + BLOCK_BYTES;

/// The least: an object without members, and a newline.
const DATA_BYTES_MIN: u64 = 3;

/// The length in its header always has so many digits, so that the header of room is as long wherever that begins.
const LENGTH_DIGITS: usize = 8;

const DATA_BEGIN: &[u8] = b"{";
const DATA_END: &[u8] = b"}\n";

/// Hashes of `{` and so many spaces, in steps of [`STEP_BYTES`]: otherwise each write would have all of the room hashed.
static HASHES: LazyLock<Vec<Hasher>> = LazyLock::new(|| {
    let mut hasher = Hasher::default();
    hasher.update(DATA_BEGIN);
    let steps = 0..=DATA_BYTES_MAX / STEP_BYTES as u64;
    steps
        .map(|_| {
            let hashed = hasher.clone();
            hasher.update(&[b' '; STEP_BYTES]);
            hashed
        })
        .collect()
});
const STEP_BYTES: usize = 512;

/// The room of one file, and when it is to have some. See the module's documentation.
#[derive(Debug, Default)]
pub(crate) struct Room {
    /// Where it ends; `None` if there is none.
    end: Option<u64>,
    /// How many more writes to be synced there were lately than others.
    more_to_sync: u32,
    /// A write with room has failed.
    is_barred: bool,
}

/// What is written behind the records.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Plan {
    /// Nothing, and nothing is there.
    Nothing,
    /// Nothing, but the room that is there goes first.
    Cut,
    /// The beginning of what is left of the room, which ends there.
    Left(u64),
    /// Room that ends there.
    New(u64),
}

impl Room {
    /// Whether there is any.
    pub(crate) fn is_there(&self) -> bool {
        self.end.is_some()
    }

    /// It has been cut off.
    pub(crate) fn is_gone(&mut self) {
        self.end = None;
    }

    /// It ends there now.
    pub(crate) fn ends_at(&mut self, end: u64) {
        self.end = Some(end);
    }

    /// There is to be no more of it in this file.
    pub(crate) fn bar(&mut self) {
        self.is_barred = true;
    }

    /// What to write behind `bytes` of records at `offset`, which are to be synced or not. Counts the write.
    pub(crate) fn plan(&mut self, magic: &str, offset: u64, bytes: u64, is_to_sync: bool) -> Plan {
        let may_make = self.more_to_sync >= WRITES_BEFORE
            && is_to_sync
            && !self.is_barred
            && bytes * WRITES_WITHIN_MIN <= ROOM_BYTES_MAX
            && magic == STANDALONE_MAGIC;
        self.more_to_sync = match is_to_sync {
            true => (self.more_to_sync + 1).min(WRITES_BEFORE_COUNTED),
            false => self.more_to_sync.saturating_sub(1),
        };
        let begin = offset + bytes;
        match self.end {
            Some(end) if begin + header_bytes(magic) + DATA_BYTES_MIN <= end => Plan::Left(end),
            _ if may_make => {
                let room = (bytes * WRITES_WITHIN).clamp(ROOM_BYTES_MIN, ROOM_BYTES_MAX);
                Plan::New((begin + room).next_multiple_of(BLOCK_BYTES))
            }
            Some(_) => Plan::Cut,
            None => Plan::Nothing,
        }
    }

    /// The same for records that take several writes, between which there is no row of whole records.
    pub(crate) fn plan_for_several(&mut self) -> Plan {
        self.more_to_sync = self.more_to_sync.saturating_sub(1);
        match self.end {
            Some(_) => Plan::Cut,
            None => Plan::Nothing,
        }
    }
}

impl Plan {
    /// Where the room ends that there is afterwards.
    pub(crate) fn end(self) -> Option<u64> {
        match self {
            Plan::Nothing | Plan::Cut => None,
            Plan::Left(end) | Plan::New(end) => Some(end),
        }
    }

    /// Puts behind `out` what belongs behind the records, which end at `begin` in the file.
    pub(crate) fn compose(self, magic: &str, begin: u64, out: &mut Vec<u8>) {
        let Some(end) = self.end() else {
            return;
        };
        let data_bytes = end - begin - header_bytes(magic);
        compose_header(magic, data_bytes, out);
        out.extend_from_slice(DATA_BEGIN);
        if let Plan::New(_) = self {
            out.resize(out.len() + (data_bytes - DATA_BYTES_MIN) as usize, b' ');
            out.extend_from_slice(DATA_END);
        }
    }
}

/// How long the header of room is, in bytes.
fn header_bytes(magic: &str) -> u64 {
    header::bytes(magic, LENGTH_DIGITS) as u64
}

fn compose_header(magic: &str, data_bytes: u64, out: &mut Vec<u8>) {
    let digest = digest(data_bytes);
    header::compose_padded(magic, data_bytes, LENGTH_DIGITS, &digest, out);
}

/// The hash of the data of room that has so many bytes of them.
fn digest(data_bytes: u64) -> Digest {
    let spaces = (data_bytes - DATA_BYTES_MIN) as usize;
    let mut hasher = HASHES[spaces / STEP_BYTES].clone();
    hasher.update(&[b' '; STEP_BYTES][..spaces % STEP_BYTES]);
    hasher.update(DATA_END);
    hasher.digest()
}

/// Whether everything from `offset` on in a file with this magic is room.
///
/// # Errors
/// The header cannot be read.
pub(crate) fn is_rest(
    file: &dyn File,
    reader: &mut Reader,
    magic: &str,
    offset: u64,
) -> io::Result<bool> {
    let header_of_room = |line: &[u8]| {
        // Most lines are told from it at a glance.
        if line.len() as u64 != header_bytes(magic) {
            return None;
        }
        let header = Header::parse(line)?;
        is_header(magic, line, header.length).then_some(header)
    };
    if header_of_room(reader.line(file, offset)?).is_none() {
        return Ok(false);
    }
    // A process that is writing puts records there. What has been read may be older than what will be.
    *reader = Reader::default();
    let line = reader.line(file, offset)?;
    let Some(header) = header_of_room(line) else {
        return Ok(false);
    };
    let data_offset = offset + line.len() as u64;
    let mut data = Vec::new();
    let read = reader.data(file, data_offset, header.length, &mut data);
    // Where there is no saying how long the file is, room is read as what it also is, a record.
    let length = file.length().unwrap_or(0);
    Ok(read.is_ok_and(|digest| digest == header.sha1) && length == data_offset + header.length)
}

/// Whether `line`, which was read from a file, is the header of room, with the right hash; whether that is what follows, and
/// the end of the file, has to be seen.
fn is_header(magic: &str, line: &[u8], data_bytes: u64) -> bool {
    if magic != STANDALONE_MAGIC
        || line.len() as u64 != header_bytes(magic)
        || !(DATA_BYTES_MIN..=DATA_BYTES_MAX).contains(&data_bytes)
    {
        return false;
    }
    let mut expected = Vec::new();
    compose_header(magic, data_bytes, &mut expected);
    line == expected
}

#[cfg(test)]
mod tests {
    use super::*;

    fn composed(plan: Plan, begin: u64) -> Vec<u8> {
        let mut out = Vec::new();
        plan.compose(STANDALONE_MAGIC, begin, &mut out);
        out
    }

    #[test]
    fn room_is_a_record_without_members_whose_hash_is_right() {
        // All lengths around the steps in which hashes are kept, and both ends.
        let around = |at: u64| at.saturating_sub(5)..at + 5;
        let lengths = [0, 512, 1024, 9_995, 10_000, 65_536]
            .into_iter()
            .flat_map(around)
            .chain(DATA_BYTES_MAX - 5..=DATA_BYTES_MAX);
        for data_bytes in lengths.filter(|bytes| *bytes >= DATA_BYTES_MIN) {
            let end = 1000 + header_bytes(STANDALONE_MAGIC) + data_bytes;
            let text = composed(Plan::New(end), 1000);
            assert_eq!(1000 + text.len() as u64, end);
            let at = text.iter().position(|b| *b == b'\n').expect("a header") + 1;
            let (line, data) = text.split_at(at);
            let header = Header::parse(line).expect("a header");
            assert_eq!(header.length, data.len() as u64);
            assert_eq!(header.sha1, Digest::of(&[data]));
            assert!(is_header(STANDALONE_MAGIC, line, header.length));
            let inside = data
                .strip_prefix(b"{")
                .and_then(|data| data.strip_suffix(b"}\n"));
            assert!(inside.is_some_and(|inside| inside.iter().all(|b| *b == b' ')));
            // What is left of larger room needs no more than this.
            assert!(text.starts_with(&composed(Plan::Left(end), 1000)));
        }
    }

    #[test]
    fn other_headers_are_none_of_room() {
        let mut line = Vec::new();
        compose_header(STANDALONE_MAGIC, 500, &mut line);
        assert!(is_header(STANDALONE_MAGIC, &line, 500));
        assert!(!is_header(STANDALONE_MAGIC, &line, 501));
        let mut usual = Vec::new();
        header::compose_known(STANDALONE_MAGIC, 500, &digest(500), &mut usual);
        assert!(!is_header(STANDALONE_MAGIC, &usual, 500));
        let mut other = Vec::new();
        header::compose_padded(STANDALONE_MAGIC, 500, 8, &Digest::of(&[b"{}"]), &mut other);
        assert!(!is_header(STANDALONE_MAGIC, &other, 500));
        let mut clustered = Vec::new();
        compose_header(crate::CLUSTERED_MAGIC, 500, &mut clustered);
        assert!(!is_header(crate::CLUSTERED_MAGIC, &clustered, 500));
        assert!(!is_header(STANDALONE_MAGIC, &line, DATA_BYTES_MAX + 1));
        assert!(!is_header(STANDALONE_MAGIC, &line, 2));
    }

    /// What becomes of a row of writes, each of so many bytes and to be synced or not, of a file that begins with 1,000.
    #[track_caller]
    fn check(magic: &str, writes: &[(u64, bool)], expect: &[Plan]) {
        let mut room = Room::default();
        let mut offset = 1000;
        let plans = writes.iter().map(|&(bytes, is_to_sync)| {
            let plan = room.plan(magic, offset, bytes, is_to_sync);
            offset += bytes;
            match plan.end() {
                Some(end) => room.ends_at(end),
                None if plan == Plan::Cut => room.is_gone(),
                None => {}
            }
            plan
        });
        assert_eq!(plans.collect::<Vec<_>>(), expect);
    }

    #[test]
    fn room_is_made_when_more_writes_are_to_be_synced_than_not() {
        use Plan::{Cut, Left, New, Nothing};
        let (sync, other) = ((200, true), (200, false));
        check(
            STANDALONE_MAGIC,
            &[sync, sync, sync, sync, sync, sync, other],
            &[
                Nothing,
                Nothing,
                Nothing,
                Nothing,
                New(20480),
                Left(20480),
                Left(20480),
            ],
        );
        check(STANDALONE_MAGIC, &[sync, other].repeat(10), &[Nothing; 20]);
        check(
            STANDALONE_MAGIC,
            &[sync, sync, sync, sync, other, sync, sync],
            &[
                Nothing,
                Nothing,
                Nothing,
                Nothing,
                Nothing,
                Nothing,
                New(20480),
            ],
        );
        check(crate::CLUSTERED_MAGIC, &[sync; 10], &[Nothing; 10]);
        // A write that is not to be synced makes none, not even in the place of what there is.
        check(
            STANDALONE_MAGIC,
            &[sync, sync, sync, sync, sync, (20_000, false), sync],
            &[
                Nothing,
                Nothing,
                Nothing,
                Nothing,
                New(20480),
                Cut,
                New(40960),
            ],
        );
    }

    #[test]
    fn room_is_as_large_as_several_writes_and_not_made_for_large_ones() {
        use Plan::{Left, New, Nothing};
        let row = |bytes| [(bytes, true); 6];
        let plans = |end| [Nothing, Nothing, Nothing, Nothing, New(end), Left(end)];
        // 1000 + 5 * 2000 + 16 * 2000, up to the end of a block.
        check(STANDALONE_MAGIC, &row(2000), &plans(45056));
        // 1000 + 5 * 8192 + 65536.
        check(STANDALONE_MAGIC, &row(8192), &plans(110_592));
        check(STANDALONE_MAGIC, &row(8193), &[Nothing; 6]);
    }

    #[test]
    fn room_is_used_up_to_its_last_byte_and_then_made_anew() {
        let mut room = Room::default();
        room.ends_at(1000);
        room.more_to_sync = WRITES_BEFORE;
        let least = header_bytes(STANDALONE_MAGIC) + DATA_BYTES_MIN;
        let plan = room.plan(STANDALONE_MAGIC, 500, 500 - least, true);
        assert_eq!(plan, Plan::Left(1000));
        let begin = 1000 - least;
        assert_eq!(composed(plan, begin).len() as u64 + 2, least);
        let plan = room.plan(STANDALONE_MAGIC, 500, 501 - least, true);
        assert_eq!(
            plan,
            Plan::New((begin + 1 + ROOM_BYTES_MIN).next_multiple_of(4096))
        );
        room.bar();
        let plan = room.plan(STANDALONE_MAGIC, 500, 501 - least, true);
        assert_eq!(plan, Plan::Cut);
    }
}
