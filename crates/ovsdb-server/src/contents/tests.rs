//! Readers quick and slow of the same contents.

use ovsdb_engine::monitor::{Form, Monitor};
use ovsdb_engine::{Context, Database, Outcome, execute};
use ovsdb_proto::json;
use ovsdb_proto::monitor::MonitorRequests;
use ovsdb_proto::operation::parse_transact;
use ovsdb_proto::schema::Schema;

use super::*;
use crate::runtime::fresh_uuid;

const SCHEMA: &str = r#"{"name":"D","tables":{
    "T":{"isRoot":true,"columns":{"n":{"type":"integer"}}}}}"#;
/// Rows of a table that has a row in each piece.
const ROWS: usize = 40;
/// Pieces that are kept for those who have not come to them.
const KEPT: usize = 4;

fn run(database: &Database, operations: &str) -> Database {
    let operations = json::parse(operations.as_bytes()).expect("JSON");
    let operations = operations.as_array().expect("an array");
    let transact = parse_transact(database.schema(), operations, &mut fresh_uuid);
    let mut fresh = fresh_uuid;
    match execute(database, &transact, &mut Context::unrestricted(&mut fresh)) {
        Outcome::Prepared(prepared) => prepared.next,
        other => panic!("{other:?}"),
    }
}

/// Contents, what they are as a whole, and the version that they are of.
fn contents() -> (Arc<Contents>, Vec<u8>, Database) {
    let schema = json::parse(SCHEMA.as_bytes()).expect("JSON");
    let schema = Arc::new(Schema::from_json(&schema).expect("a schema"));
    let insert = r#"{"op":"insert","table":"T","row":{"n":1}}"#;
    let inserts = format!("[{}]", vec![insert; ROWS].join(","));
    let database = run(&Database::new(schema.clone()), &inserts);
    let requests = json::parse(br#"{"T":{"columns":["n"]}}"#).expect("JSON");
    let requests = MonitorRequests::from_json(&schema, &requests, true).expect("requests");
    let monitor = Arc::new(Monitor::new(schema, &requests, Form::Differences));
    let mut whole = Vec::new();
    monitor.write_initial(&database, &mut whole);
    let bounds = Bounds {
        piece: PieceMax { bytes: 1, rows: 1 },
        // All pieces but the first and the last have the same size.
        kept: KEPT * (whole.len() / ROWS + 1),
    };
    let initial = Initial::new(monitor, database.clone());
    (Contents::with_bounds(initial, bounds), whole, database)
}

/// Reads some pieces and appends them; returns the last.
fn read(reader: &mut Reader, count: usize, text: &mut Vec<u8>) -> Option<Arc<Piece>> {
    let mut last = None;
    for _ in 0..count {
        let (piece, _) = reader.go_on()?;
        text.extend_from_slice(piece.bytes());
        last = Some(piece);
    }
    last
}

/// How many pieces are in memory.
fn live(contents: &Contents) -> usize {
    let state = contents.state.lock();
    let live = state
        .pieces
        .iter()
        .filter(|known| known.made.strong_count() > 0);
    live.count()
}

#[test]
fn those_who_keep_up_with_each_other_send_the_same_bytes() {
    let (contents, whole, _) = contents();
    let mut readers = [contents.reader(), contents.reader(), contents.reader()];
    let mut text = Vec::new();
    loop {
        let pieces = readers.each_mut().map(|reader| reader.go_on());
        let [
            Some((first, true)),
            Some((second, false)),
            Some((third, false)),
        ] = &pieces
        else {
            assert!(pieces.iter().all(Option::is_none), "{pieces:?}");
            break;
        };
        assert!(Arc::ptr_eq(first, second) && Arc::ptr_eq(first, third));
        text.extend_from_slice(first.bytes());
        assert!(live(&contents) <= 1, "nobody comes to the others");
    }
    assert_eq!(text, whole);
}

#[test]
fn a_reader_that_stops_in_the_middle_keeps_no_more_than_it_is_about_to_send() {
    let (contents, whole, _) = contents();
    let (mut quick, mut slow) = (contents.reader(), contents.reader());
    let (mut quick_text, mut slow_text) = (Vec::new(), Vec::new());
    let held = read(&mut slow, 3, &mut slow_text);
    slow.prepare();
    for _ in 0..ROWS {
        read(&mut quick, 1, &mut quick_text);
        // Those that are kept, and the two that the slow one has.
        assert!(live(&contents) <= KEPT + 2, "{} pieces", live(&contents));
    }
    assert_eq!(quick_text, whole);
    drop((quick, held));
    // What has been given back is made again.
    while read(&mut slow, 1, &mut slow_text).is_some() {
        assert!(live(&contents) <= KEPT + 1);
    }
    assert_eq!(slow_text, whole);
}

#[test]
fn pieces_are_given_back_with_the_reader_that_would_have_come_to_them() {
    let (contents, _, _) = contents();
    let (mut quick, slow) = (contents.reader(), contents.reader());
    read(&mut quick, KEPT - 1, &mut Vec::new());
    assert_eq!(live(&contents), KEPT - 1);
    drop(slow);
    assert_eq!(live(&contents), 0);
    quick.prepare();
    assert_eq!(live(&contents), 1);
}

#[test]
fn pieces_are_of_the_version_with_which_they_began() {
    let (contents, whole, database) = contents();
    let mut reader = contents.reader();
    let mut text = Vec::new();
    read(&mut reader, ROWS / 2, &mut text);
    let changed = run(
        &database,
        r#"[{"op":"update","table":"T","where":[["n","==",1]],"row":{"n":2}},
            {"op":"insert","table":"T","row":{}}]"#,
    );
    drop(database);
    read(&mut reader, ROWS, &mut text);
    assert_eq!(text, whole);
    assert_eq!(changed.rows(), ROWS + 1);
}

#[test]
fn what_many_are_about_to_send_is_in_files() {
    let (contents, _, _) = contents();
    let mut readers: Vec<Reader> = Vec::new();
    for number in 1..=limits::CONTENTS_FILE_READERS + 1 {
        readers.push(contents.reader());
        // The one who came last makes no new piece, the first one does.
        let has_file = |reader: &mut Reader| {
            let (piece, was_made) = reader.go_on().expect("a piece");
            assert!(was_made);
            piece.file().is_some()
        };
        let pays = number >= limits::CONTENTS_FILE_READERS && PieceFile::of(b"").is_some();
        assert_eq!(has_file(&mut readers[0]), pays, "for {number}");
    }
}

#[test]
fn those_who_do_not_send_files_cause_none() {
    let (contents, _, _) = contents();
    let mut readers: Vec<Reader> = (0..=2 * limits::CONTENTS_FILE_READERS)
        .map(|_| contents.reader())
        .collect();
    for reader in readers.iter_mut().skip(limits::CONTENTS_FILE_READERS - 1) {
        reader.refuse_files();
    }
    let (piece, _) = readers[0].go_on().expect("a piece");
    assert!(piece.file().is_none());
}

#[test]
fn what_is_large_is_in_no_file() {
    let file = |length| PieceFile::of(&vec![b' '; length]);
    assert_eq!(
        file(limits::CONTENTS_FILE_BYTES_MAX).is_some(),
        file(0).is_some()
    );
    assert!(file(limits::CONTENTS_FILE_BYTES_MAX + 1).is_none());
}

#[test]
fn readers_on_many_threads_read_the_whole() {
    let (contents, whole, _) = contents();
    std::thread::scope(|scope| {
        for number in 0..4 {
            let (mut reader, whole) = (contents.reader(), &whole);
            scope.spawn(move || {
                let mut text = Vec::new();
                while read(&mut reader, 1, &mut text).is_some() {
                    if number % 2 == 0 {
                        reader.prepare();
                    }
                    std::thread::yield_now();
                }
                assert_eq!(text, *whole);
            });
        }
    });
    assert_eq!(live(&contents), 0);
}
