//! The memory that questions about the past take: it follows the largest state of the database, not the length of the file.
//!
//! A small file and a large one hold the same rows, written again and again. The same questions are asked of both, and the
//! resident memory of the programs is compared. `OVSDB_HISTORY_MEGABYTES=600`, with `OVSDB_TEST_BIN_DIR` for a release build,
//! asks them of a file of that size.

use std::io::Write as _;
use std::path::Path;

use nix::sys::resource::{UsageWho, getrusage};
use ovsdb_log::{LockPolicy, Log, OpenMode, STANDALONE_MAGIC};
use ovsdb_testkit::programs::Side;
use ovsdb_testkit::sandbox::Sandbox;

/// The sizes of the two files, in mebibytes.
const SMALL: u64 = 1;
const LARGE: u64 = 16;

const ROWS: u64 = 200;
const DATE_MS: u64 = 1_700_000_000_000;

const SCHEMA: &str = r#"{"name":"Big","version":"1.0.0","tables":{"T":{"isRoot":true,"columns":{
 "name":{"type":"string"},"text":{"type":"string"},
 "tags":{"type":{"key":"string","min":0,"max":"unlimited"}}}}}}"#;

/// Writes rows one after the other, each as often as it takes to fill so many mebibytes. Gives the number of records.
fn write(path: &Path, megabytes: u64) -> u64 {
    let magics = &[STANDALONE_MAGIC];
    let mut log =
        Log::open(path, OpenMode::ReadWrite, magics, LockPolicy::Never).expect("it was created");
    while log.read().expect("a sound file").is_some() {}
    let mut number = 0;
    let padding = "x".repeat(2000);
    while log.offset() < megabytes << 20 {
        let row = number % ROWS;
        let mut record = Vec::new();
        writeln!(
            record,
            r#"{{"T":{{"{row:08x}-0000-4000-8000-000000000000":{{"name":"r{row}","text":"{padding}{number}","tags":["set",["a{number}","b"]]}}}},"_comment":"step {number}","_date":{}}}"#,
            DATE_MS + number,
        )
        .expect("memory has room");
        log.append(&record).expect("a healthy disk");
        number += 1;
    }
    number
}

/// The largest resident memory of any program that has ended, in mebibytes.
fn peak() -> i64 {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).expect("the system counts");
    usage.max_rss() >> 10
}

/// Asks everything of a file.
fn ask(sandbox: &Sandbox, db: &str, records: u64) {
    let program = Side::Ours.program("ovsdb-tool");
    let tell = |arguments: &[&str]| sandbox.run_ok(&program, arguments);
    let last = records - 1;
    let told = tell(&["log", db, "--row=r7", "--limit=1", "--format=json"]);
    assert!(told.contains("\"name\":\"r7\""), "{told}");
    let told = tell(&["log", db, &format!("--comment=step {last}")]);
    assert!(told.starts_with(&format!("record {records}:")), "{told}");
    let told = tell(&["blame", db, "T", "r7", "name"]);
    assert!(told.contains("record 8: "), "{told}");
    let at = DATE_MS + last / 2;
    let new = format!("{db}.new");
    tell(&["restore", &format!("--at={at}"), db, &new]);
    let half = format!("{db}@{at}");
    tell(&["diff", &half, &new]);
}

#[test]
fn memory_follows_the_largest_state_and_not_the_length_of_the_file() {
    let large = std::env::var("OVSDB_HISTORY_MEGABYTES");
    let large = large.map_or(LARGE, |text| text.parse().expect("a number"));
    let sandbox = Sandbox::new();
    std::fs::write(sandbox.path("schema"), SCHEMA).expect("the sandbox is writable");
    let mut peaks = Vec::new();
    for (db, megabytes) in [("small", SMALL), ("large", large)] {
        sandbox.run_ok(Side::Ours.program("ovsdb-tool"), &["create", db, "schema"]);
        let records = write(&sandbox.path(db), megabytes);
        ask(&sandbox, db, records);
        peaks.push(peak());
    }
    let [small, large_peak] = peaks[..] else {
        unreachable!("there are two files")
    };
    println!("peak resident memory: {small} MiB for {SMALL} MiB, {large_peak} MiB for {large} MiB");
    // Whoever kept the file, or its changes, would need all of it; there are some batches of records, and pieces.
    let allowed = small + (large / 3).min(48) as i64;
    assert!(
        large_peak <= allowed,
        "{large_peak} MiB, allowed {allowed} MiB"
    );
}
