//! The transaction id that a compacted file states of its contents, so that ids go on over a compaction.
//!
//! It stands at the end of the comment of the record that holds all rows, for people and for who reads the file:
//!
//! ```text
//! compacting database online; transaction 5f8aa9f8-3c1d-5e2a-9b0c-2d4c8a1e7f63, seal 81b2c7d4e5f60718
//! ```
//!
//! The seal is the beginning of a SHA-1 over the schema's record and everything of this record that stands before the seal.
//! So a file whose rows or schema were edited under a comment that stayed is not taken for what it was, and neither is
//! a comment that somebody else made up by accident.

use std::convert::Infallible;

use ovsdb_engine::Database;
use ovsdb_engine::record::{self, RecordOptions};
use ovsdb_log::{Digest, LogError, RecordWriter, Replacement};
use ovsdb_proto::json::write;
use ovsdb_proto::uuid::Uuid;

const BEFORE_ID: &str = "; transaction ";
const BEFORE_SEAL: &str = ", seal ";
/// Hexadecimal digits of the seal.
const SEAL_DIGITS: usize = 16;
/// The end of a record: of the comment, the record and its line.
const END: &str = "\"}\n";

/// How many bytes of a record are the seal and what follows it.
pub(crate) const TAIL_BYTES: usize = BEFORE_SEAL.len() + SEAL_DIGITS + END.len();

/// The two records to which a database amounts, each with its newline: the schema and the contents, with `comment`, and
/// with the transaction id of the contents.
pub fn sealed_records(database: &Database, date_ms: i64, comment: &str, id: Uuid) -> [Vec<u8>; 2] {
    let schema = schema_record(database);
    let mut contents = Vec::new();
    let of_schema = Digest::of(&[&schema]);
    let Ok(()) = write_contents(database, date_ms, comment, id, &of_schema, &mut contents);
    [schema, contents]
}

/// Writes the records of [`sealed_records`], the second one in pieces.
///
/// # Errors
/// `to` cannot be written.
pub fn write_sealed(
    to: &mut Replacement,
    database: &Database,
    date_ms: i64,
    comment: &str,
    id: Uuid,
) -> Result<(), LogError> {
    let schema = schema_record(database);
    to.append(&schema)?;
    let of_schema = Digest::of(&[&schema]);
    let mut contents = to.begin_record(record::snapshot_bytes(database))?;
    write_contents(database, date_ms, comment, id, &of_schema, &mut contents)?;
    contents.finish()
}

fn schema_record(database: &Database) -> Vec<u8> {
    let mut schema = database.schema().to_json().to_bytes();
    schema.push(b'\n');
    schema
}

/// Where the record of the contents goes.
trait Sink {
    type Error;
    fn write(&mut self, piece: &[u8]) -> Result<(), Self::Error>;
    /// The digest of what has been written.
    fn digest(&self) -> Digest;
}

impl Sink for Vec<u8> {
    type Error = Infallible;

    fn write(&mut self, piece: &[u8]) -> Result<(), Infallible> {
        self.extend_from_slice(piece);
        Ok(())
    }

    fn digest(&self) -> Digest {
        Digest::of(&[self])
    }
}

impl Sink for RecordWriter<'_> {
    type Error = LogError;

    fn write(&mut self, piece: &[u8]) -> Result<(), LogError> {
        RecordWriter::write(self, piece)
    }

    fn digest(&self) -> Digest {
        RecordWriter::digest(self)
    }
}

fn write_contents<S: Sink>(
    database: &Database,
    date_ms: i64,
    comment: &str,
    id: Uuid,
    of_schema: &Digest,
    sink: &mut S,
) -> Result<(), S::Error> {
    let options = RecordOptions {
        date_ms,
        comment: None,
        column_diff: false,
    };
    let mut rest = Vec::new();
    record::write_snapshot(database, options, &mut rest, &mut |piece| {
        sink.write(piece)?;
        piece.clear();
        Ok(())
    })?;
    // The comment comes last: what stands before it is sealed.
    assert_eq!(rest.pop(), Some(b'}'), "a record is an object");
    rest.extend_from_slice(b",\"_comment\":");
    write::string(&format!("{comment}{BEFORE_ID}{id}"), &mut rest);
    assert_eq!(rest.pop(), Some(b'"'), "a comment is a string");
    sink.write(&rest)?;
    let seal = seal(of_schema, &sink.digest());
    sink.write(format!("{BEFORE_SEAL}{seal}{END}").as_bytes())
}

/// The transaction id that a record states of its contents; `None` if it states none that holds. `schema` is the digest
/// of the record before, `lead` that of this record without its last [`TAIL_BYTES`], and `end` its last bytes, enough of
/// them for the comment's.
pub(crate) fn sealed_id(schema: &Digest, end: &[u8], lead: &Digest) -> Option<Uuid> {
    let (sealed, tail) = end.split_at_checked(end.len().checked_sub(TAIL_BYTES)?)?;
    let expected = format!("{BEFORE_SEAL}{}{END}", seal(schema, lead));
    if tail != expected.as_bytes() {
        return None;
    }
    let (before, id) = sealed.split_at_checked(sealed.len().checked_sub(Uuid::TEXT_LEN)?)?;
    let id = Uuid::parse(std::str::from_utf8(id).ok()?)?;
    (before.ends_with(BEFORE_ID.as_bytes()) && !id.is_zero()).then_some(id)
}

fn seal(schema: &Digest, lead: &Digest) -> String {
    let mut digits = Digest::of(&[schema.as_bytes(), lead.as_bytes()]).to_string();
    digits.truncate(SEAL_DIGITS);
    digits
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ovsdb_proto::json;
    use ovsdb_proto::schema::Schema;

    use super::*;

    fn digest_without(payload: &[u8], tail: usize) -> Digest {
        Digest::of(&[&payload[..payload.len().saturating_sub(tail)]])
    }

    fn read(schema: &[u8], contents: &[u8]) -> Option<Uuid> {
        let lead = digest_without(contents, TAIL_BYTES);
        sealed_id(&Digest::of(&[schema]), contents, &lead)
    }

    fn records(comment: &str, id: Uuid) -> [Vec<u8>; 2] {
        let schema = r#"{"name":"D","tables":{"T":{"columns":{"x":{"type":"integer"}}}}}"#;
        let schema = Schema::from_json(&json::parse(schema.as_bytes()).expect("valid JSON"));
        let database = Database::new(Arc::new(schema.expect("a valid schema")));
        sealed_records(&database, 1, comment, id)
    }

    const ID: Uuid = Uuid::from_bytes([0x5a; 16]);

    #[test]
    fn the_comment_begins_with_its_words_and_the_id_is_read_back() {
        let [schema, contents] = records("say \"compacted\"", ID);
        let json = json::parse(&contents).expect("valid JSON");
        let comment = json.get("_comment").and_then(|comment| comment.as_str());
        let comment = comment.expect("a comment");
        let start = format!("say \"compacted\"; transaction {ID}, seal ");
        assert!(comment.starts_with(&start), "{comment}");
        assert_eq!(comment.len(), start.len() + SEAL_DIGITS);
        assert_eq!(read(&schema, &contents), Some(ID));
        assert_eq!(contents.last(), Some(&b'\n'));
    }

    #[test]
    fn whatever_is_changed_breaks_the_seal() {
        let [schema, contents] = records("compacted", ID);
        for at in 0..contents.len() {
            let mut edited = contents.clone();
            edited[at] ^= 1;
            assert_eq!(read(&schema, &edited), None, "byte {at}");
            assert_eq!(read(&schema, &contents[..at]), None, "only {at} bytes");
        }
        for at in 0..schema.len() {
            let mut edited = schema.clone();
            edited[at] ^= 1;
            assert_eq!(read(&edited, &contents), None, "byte {at} of the schema");
        }
    }

    #[test]
    fn a_seal_over_something_else_than_an_id_says_nothing() {
        let schema = Digest::of(&[b"schema"]);
        let check = |lead: &str, expected| {
            let of_lead = Digest::of(&[lead.as_bytes()]);
            let payload = format!("{lead}{BEFORE_SEAL}{}{END}", seal(&schema, &of_lead));
            assert_eq!(
                sealed_id(&schema, payload.as_bytes(), &of_lead),
                expected,
                "{lead}"
            );
        };
        let begin = r#"{"_comment":"compacted"#;
        check(&format!("{begin}; transaction {ID}"), Some(ID));
        check(&format!("{begin}; transaction  {ID}"), None);
        check(&format!("{begin}; transaction {}", Uuid::ZERO), None);
        check(&format!("{begin}; transaction {}", "x".repeat(36)), None);
        check(&format!("{begin} {ID}"), None);
        check(begin, None);
        check("", None);
    }
}
