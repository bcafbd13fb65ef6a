//! Transaction ids: what clients call the versions of a database (ovsdb-server(7), section 4.1.15).
//!
//! The ids of a file's versions are a chain over its records, so that whoever reads the file finds the same ids again,
//! and so that equal ids mean equal records all the way from the first:
//!
//! ```text
//! id after the schema = SHA-1(16 zero bytes, SHA-1 of the record)
//! id after a record   = SHA-1(id before it,  SHA-1 of the record)
//! ```
//!
//! cut off to 16 bytes and marked as a UUID of version 5. So a record that is taken back, a tail that is cut off, or an
//! older copy of the file to which other records are added leads to ids that nobody has seen.
//!
//! Some versions come without a record: a commit of ephemeral columns makes one, and so does reading a file, since it
//! gives these columns their default values and all rows a new `_version`. Their ids, of version 8, are random but for
//! the first half, which is that of the latest id with a record. A server that does not know such an id can still tell
//! from it what the file held.

use ovsdb_log::Digest;
use ovsdb_proto::uuid::Uuid;

use crate::runtime::fresh_uuid;

/// The version field of UUIDs whose contents follow from a SHA-1 (RFC 9562, section 5.5).
const VERSION_OF_RECORD: u8 = 5;

/// The version field of UUIDs with a meaning of our own (RFC 9562, section 5.8).
const VERSION_WITHOUT_RECORD: u8 = 8;

/// What an id tells of the records that it stands on: 60 bits of the id that they lead to.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct RecordPart(u64);

/// The id of the version to which a record leads from the version `before`; [`Uuid::ZERO`] stands for no version, before
/// the schema.
pub fn after_record(before: Uuid, record: &Digest) -> Uuid {
    let digest = Digest::of(&[before.as_bytes(), record.as_bytes()]);
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest.as_bytes()[..16]);
    marked(bytes, VERSION_OF_RECORD)
}

/// A fresh id for a version that holds what the version `recorded` holds, as far as files keep it.
pub fn without_record(recorded: Uuid) -> Uuid {
    let mut bytes = *fresh_uuid().as_bytes();
    bytes[..8].copy_from_slice(&recorded.as_bytes()[..8]);
    marked(bytes, VERSION_WITHOUT_RECORD)
}

/// Whether the id is one of [`without_record`].
pub fn is_without_record(id: Uuid) -> bool {
    id.as_bytes()[6] >> 4 == VERSION_WITHOUT_RECORD
}

/// What `id` and all ids made from it by [`without_record`] have in common, and other ids do not.
pub fn record_part(id: Uuid) -> RecordPart {
    let mut half = [0; 8];
    half.copy_from_slice(&id.as_bytes()[..8]);
    half[6] &= 0x0f;
    RecordPart(u64::from_be_bytes(half))
}

/// Sets the two fields that say what sort of UUID it is. None of them is zero.
fn marked(mut bytes: [u8; 16], version: u8) -> Uuid {
    bytes[6] = bytes[6] & 0x0f | version << 4;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    Uuid::from_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(text: &str) -> Digest {
        Digest::of(&[text.as_bytes()])
    }

    /// The id after records with these texts.
    fn after(texts: &[&str]) -> Uuid {
        let step = |id, text: &&str| after_record(id, &digest(text));
        texts.iter().fold(Uuid::ZERO, step)
    }

    #[test]
    fn the_chain_is_the_same_in_every_release() {
        // `c9b006bc877501ec3498af3fee6cbfe7`, the first 16 bytes of `printf '%032d%s' 0 $(printf a | sha1sum) | xxd -r -p | sha1sum`, with the marks.
        assert_eq!(
            after(&["a"]).to_string(),
            "c9b006bc-8775-51ec-b498-af3fee6cbfe7"
        );
    }

    #[test]
    fn an_id_tells_its_records_and_their_order() {
        let ids = [
            after(&["a"]),
            after(&["b"]),
            after(&["a", "b"]),
            after(&["b", "a"]),
            after(&["a", "b", "b"]),
        ];
        for (at, id) in ids.iter().enumerate() {
            assert!(!ids[..at].contains(id), "{ids:?}");
            assert_eq!(id.to_string().as_bytes()[14], b'5', "{id}");
        }
    }

    #[test]
    fn an_id_without_a_record_is_fresh_and_leads_back_to_the_record() {
        let recorded = after(&["a"]);
        let ids = [
            without_record(recorded),
            without_record(recorded),
            without_record(without_record(recorded)),
        ];
        for (at, &id) in ids.iter().enumerate() {
            assert!(!ids[..at].contains(&id), "{ids:?}");
            assert!(is_without_record(id));
            assert_eq!(record_part(id), record_part(recorded));
        }
        assert!(!is_without_record(recorded));
        assert_ne!(record_part(after(&["b"])), record_part(recorded));
    }
}
