//! Reading a long file, which is done ahead and by two threads, against reading and applying its records one by one: the same
//! contents, ids and faults, and the same place at which writing goes on.

use std::path::Path;
use std::sync::Arc;

use ovsdb_engine::Database;
use ovsdb_engine::record::{self, RecordOptions, ReplayError};
use ovsdb_log::{Digest, LockPolicy, OpenMode, RecordFault, compose_header};
use ovsdb_proto::uuid::Uuid;
use ovsdb_server::file::{FileError, load, load_to_serve, open};
use ovsdb_server::{fresh_uuid, transaction_id};

const SCHEMA: &str = r#"{"name":"D","tables":{"T":{"isRoot":true,"indexes":[["name"]],"columns":{
    "name":{"type":"string"},"n":{"type":"integer"},
    "set":{"type":{"key":"integer","min":0,"max":"unlimited"}}}}}}"#;

/// Records after the schema: so many that there are several batches.
const RECORDS: usize = 1_200;

/// What a record of the file is like.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    /// Inserts, changes or deletes a row.
    Usual,
    /// Means the same as some usual one, but is not written so.
    Unusual,
    /// So large that nothing is read ahead of it.
    Large,
    NotJson,
    NotObject,
    UnknownTable,
    /// Gives two rows the same name.
    Duplicate,
    /// Has another checksum than its header says.
    WrongSum,
    /// Has no header.
    NoHeader,
}

fn uuid(number: usize) -> String {
    format!("{:08x}-0000-4000-8000-000000000000", number)
}

/// The text of record `number`, as if all before it were usual.
fn text(number: usize, kind: Kind) -> String {
    let row = |number: usize, columns: &str| format!(r#"{{"T":{{"{}":{columns}}}"#, uuid(number));
    let insert = row(
        number,
        &format!(r#"{{"name":"row {number}","n":{number}}}"#),
    );
    match kind {
        Kind::Usual | Kind::WrongSum | Kind::NoHeader if number % 7 == 3 => {
            row(number - 1, r#"{"n":7,"set":["set",[1,2]]}"#) + r#","_date":1,"_is_diff":true}"#
        }
        Kind::Usual | Kind::WrongSum | Kind::NoHeader if number % 7 == 5 => {
            row(number - 1, "null") + r#","_date":1,"_is_diff":true}"#
        }
        Kind::Usual | Kind::WrongSum | Kind::NoHeader => insert + r#","_date":1,"_is_diff":true}"#,
        Kind::Unusual => insert + r#","_date":1,"_date":2}"#,
        Kind::Large => {
            let name = format!("{number} {}", "x".repeat(5 << 20));
            row(number, &format!(r#"{{"name":"{name}"}}"#)) + "}"
        }
        Kind::NotJson => insert,
        Kind::NotObject => String::from("[1]"),
        Kind::UnknownTable => String::from(r#"{"Nothing":{}}"#),
        Kind::Duplicate => row(number, r#"{"name":"row 0"}"#) + "}",
    }
}

/// Writes a file of [`RECORDS`] records that are usual but for `others`, cut off by `cut` bytes.
fn write(path: &Path, others: &[(usize, Kind)], cut: usize) {
    let mut file = Vec::new();
    let mut add = |text: &str, kind: Kind| {
        let text = format!("{text}\n");
        let of_header = match kind {
            Kind::WrongSum => text.replace('{', "["),
            _ => text.clone(),
        };
        if kind == Kind::NoHeader {
            file.extend_from_slice(b"this is no header\n");
        } else {
            compose_header("JSON", of_header.as_bytes(), &mut file);
        }
        file.extend_from_slice(text.as_bytes());
    };
    add(&SCHEMA.replace('\n', ""), Kind::Usual);
    for number in 0..RECORDS {
        let other = others.iter().find(|(at, _)| *at == number);
        let kind = other.map_or(Kind::Usual, |(_, kind)| *kind);
        add(&text(number, kind), kind);
    }
    file.truncate(file.len() - cut);
    std::fs::write(path, file).expect("a temporary folder");
}

/// What there is to say of a file that was read.
#[derive(Debug, PartialEq)]
struct Found {
    contents: String,
    records: u64,
    id: Uuid,
    fault: Option<String>,
    offset: u64,
    last_digest: Option<Digest>,
}

fn contents(database: &Database) -> String {
    let options = RecordOptions {
        date_ms: 0,
        comment: None,
        column_diff: false,
    };
    String::from_utf8(record::snapshot_record(database, options)).expect("JSON")
}

/// Reads the file record by record.
fn read_one_by_one(path: &Path) -> Found {
    let (mut log, schema) = open(path, OpenMode::ReadOnly, LockPolicy::Never).expect("a schema");
    let mut database = Database::new(Arc::new(schema));
    let digest = log.last_digest().expect("the schema was read");
    let mut id = transaction_id::after_record(Uuid::ZERO, &digest);
    let mut records = 1;
    let fault: Option<FileError> = loop {
        let record = match log.read() {
            Ok(Some(record)) => record,
            Ok(None) => break None,
            Err(error) => break Some(error.into()),
        };
        match record::replay(&database, &record.payload, &mut fresh_uuid) {
            Ok((next, _)) => database = next,
            Err(ReplayError::Json(error)) => {
                break Some(log.reject(RecordFault::NotJson(error.to_string())).into());
            }
            Err(ReplayError::NotObject) => break Some(log.reject(RecordFault::NotObject).into()),
            Err(ReplayError::Record(error)) => {
                log.unread();
                break Some(error.into());
            }
        }
        id = transaction_id::after_record(id, &record.digest);
        records += 1;
    };
    Found {
        contents: contents(&database),
        records,
        id,
        fault: fault.map(|fault| fault.to_string()),
        offset: log.offset(),
        last_digest: log.last_digest(),
    }
}

#[track_caller]
fn check(others: &[(usize, Kind)], cut: usize) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("db");
    write(&path, others, cut);
    let expected = read_one_by_one(&path);
    let loaded = load(&path, OpenMode::ReadOnly, LockPolicy::Never).expect("a schema");
    let found = Found {
        contents: contents(&loaded.database),
        records: loaded.records,
        id: loaded.id,
        fault: loaded.fault.as_ref().map(ToString::to_string),
        offset: loaded.log.offset(),
        last_digest: loaded.log.last_digest(),
    };
    assert_eq!(found, expected, "{others:?} {cut}");
    loaded.database.check_consistency().expect("it is sound");
    let is_bad = |kind: &Kind| !matches!(kind, Kind::Unusual | Kind::Large);
    let bad = others.iter().filter(|(_, kind)| is_bad(kind));
    let first_bad = bad.map(|(at, _)| *at).min();
    let expected = first_bad.unwrap_or(RECORDS - usize::from(cut > 0));
    assert_eq!(loaded.records, 1 + expected as u64, "{others:?} {cut}");

    // Whatever has been read in vain, writing goes on behind the last good record.
    let mut served = load_to_serve(&path).expect("a schema");
    let rows = contents(&served.database);
    let record = text(RECORDS + 1, Kind::Usual);
    served
        .log
        .append(format!("{record}\n").as_bytes())
        .expect("a healthy disk");
    drop(served);
    let again = read_one_by_one(&path);
    assert_eq!(
        (again.fault, again.records),
        (None, 2 + expected as u64),
        "{others:?} {cut}"
    );
    let (with, _) = record::replay(&loaded.database, record.as_bytes(), &mut fresh_uuid)
        .expect("a good record");
    assert_eq!(
        (contents(&with), rows),
        (again.contents, contents(&loaded.database))
    );
}

#[test]
fn a_long_file_is_read_as_its_records_are() {
    check(&[], 0);
    check(
        &[
            (9, Kind::Unusual),
            (700, Kind::Unusual),
            (1_190, Kind::Unusual),
        ],
        0,
    );
    check(
        &[(4, Kind::Large), (5, Kind::Unusual), (1_040, Kind::Large)],
        0,
    );
}

#[test]
fn a_record_that_makes_no_sense_ends_the_reading_wherever_it_is() {
    for kind in [
        Kind::NotJson,
        Kind::NotObject,
        Kind::UnknownTable,
        Kind::Duplicate,
    ] {
        for at in [1, 511, 512, 1_030, RECORDS - 1] {
            check(&[(at, kind)], 0);
        }
    }
}

#[test]
fn a_record_that_cannot_be_read_ends_the_reading_wherever_it_is() {
    for kind in [Kind::WrongSum, Kind::NoHeader] {
        for at in [1, 511, 512, 1_030, RECORDS - 1] {
            check(&[(at, kind)], 0);
        }
    }
    for cut in [1, 20, 60] {
        check(&[], cut);
    }
}

#[test]
fn of_two_faults_the_first_counts() {
    for (first, second) in [
        (Kind::Duplicate, Kind::WrongSum),
        (Kind::NotJson, Kind::NoHeader),
        (Kind::WrongSum, Kind::NotJson),
    ] {
        for at in [3, 600] {
            check(&[(at, first), (at + 1, second)], 0);
            check(&[(at, first), (at + 500, second)], 30);
        }
    }
}
