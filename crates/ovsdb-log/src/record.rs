//! Records as a reader of a log gets them. How they are read, and what becomes of a bad one, is the log's.

use crate::digest::Digest;

/// A record as read from a log.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Record {
    /// Where its header line begins, in bytes from the start of the file.
    pub offset: u64,
    /// Where its data begin.
    pub data_offset: u64,
    /// Its data, whose hash has been checked.
    pub payload: Vec<u8>,
    /// The hash.
    pub digest: Digest,
}

/// Where a record is that was read, and what its hash is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RecordPlace {
    /// Where its header line begins, in bytes from the start of the file.
    pub offset: u64,
    /// Where its data begin.
    pub data_offset: u64,
    /// Where they end.
    pub end: u64,
    /// The hash of its data, which has been checked.
    pub digest: Digest,
}

/// A record that was read in pieces, which are with the caller.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PassedRecord {
    /// Where its header line begins, in bytes from the start of the file.
    pub offset: u64,
    /// Where its data begin.
    pub data_offset: u64,
    /// How many bytes of data it has.
    pub length: u64,
    /// The hash of its data, which has been checked.
    pub digest: Digest,
    /// The hash of its data without the last `tail_bytes` that were asked for, or of nothing if there are fewer.
    pub lead: Digest,
    /// The end of its data: at least `tail_bytes` and [`PASSED_END_BYTES`] more, or all that there is.
    pub end: Vec<u8>,
}

impl PassedRecord {
    /// Where it is.
    pub fn place(&self) -> RecordPlace {
        RecordPlace {
            offset: self.offset,
            data_offset: self.data_offset,
            end: self.data_offset + self.length,
            digest: self.digest,
        }
    }
}

/// So much of a record that is read in pieces is kept beyond the tail, in bytes.
pub const PASSED_END_BYTES: usize = 256;

/// What a caller may find wrong with the data of a record.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum RecordFault {
    /// Not JSON; the parser's reason.
    NotJson(String),
    /// JSON, but not an object.
    NotObject,
}
