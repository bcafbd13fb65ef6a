//! Logs on the real disk: what opens and what does not, what is read, what is cut off, what a replacement leaves.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use ovsdb_log::{
    CLUSTERED_MAGIC, Digest, ErrorKind, LockPolicy, Log, LogError, OpenMode, RecordFault,
    STANDALONE_MAGIC,
};
use tempfile::TempDir;

const EITHER: &[&str] = &[STANDALONE_MAGIC, CLUSTERED_MAGIC];

fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

fn open(path: &Path, mode: OpenMode) -> Result<Log, LogError> {
    Log::open(path, mode, &[STANDALONE_MAGIC], LockPolicy::IfWritable)
}

/// A new log with these payloads, closed again.
fn create(path: &Path, payloads: &[&str]) {
    let mut log = open(path, OpenMode::CreateExcl).expect("a new file");
    for payload in payloads {
        log.append(payload.as_bytes()).expect("a healthy disk");
    }
    log.commit().expect("a healthy disk");
}

/// All payloads, and the error at the end if there is one. The folder's name is taken out of the error.
fn read_all(path: &Path) -> (Vec<String>, Option<String>) {
    let mut log = Log::open(
        path,
        OpenMode::ReadOnly,
        &[STANDALONE_MAGIC],
        LockPolicy::IfWritable,
    )
    .expect("an existing file");
    rest(&mut log, path)
}

fn rest(log: &mut Log, path: &Path) -> (Vec<String>, Option<String>) {
    let mut payloads = Vec::new();
    loop {
        match log.read() {
            Ok(Some(record)) => {
                payloads.push(String::from_utf8(record.payload).expect("written as text"))
            }
            Ok(None) => return (payloads, None),
            Err(error) => {
                assert_eq!(log.read(), Err(error.clone()), "the error stays");
                return (payloads, Some(shorten(&error, path)));
            }
        }
    }
}

fn shorten(error: &LogError, path: &Path) -> String {
    let folder = format!("{}/", path.parent().expect("a folder").display());
    error.to_string().replace(&folder, "")
}

#[track_caller]
fn check_open(
    contents: Option<&[u8]>,
    mode: OpenMode,
    magics: &[&str],
    expect: Result<&str, &str>,
) {
    let folder = folder();
    let path = folder.path().join("db");
    if let Some(contents) = contents {
        fs::write(&path, contents).expect("a healthy disk");
    }
    let result = Log::open(&path, mode, magics, LockPolicy::IfWritable);
    match (result, expect) {
        (Ok(log), Ok(magic)) => assert_eq!(log.magic(), magic),
        (Err(error), Err(text)) => assert_eq!(shorten(&error, &path), text),
        (result, expect) => panic!("{result:?} is not {expect:?}"),
    }
}

#[test]
fn opening_checks_existence_format_and_magic() {
    use OpenMode::{Create, CreateExcl, ReadOnly, ReadWrite};
    let standalone =
        b"OVSDB JSON 8 2683fd63b5b9fd49df4f2aa25bf7db5cbbebbe6f\n{\"x\":3}\n".as_slice();
    let clustered =
        b"OVSDB CLUSTER 8 2683fd63b5b9fd49df4f2aa25bf7db5cbbebbe6f\n{\"x\":3}\n".as_slice();
    let one = &[STANDALONE_MAGIC];

    check_open(
        None,
        ReadOnly,
        one,
        Err("I/O error: db: open failed (No such file or directory)"),
    );
    check_open(
        None,
        ReadWrite,
        one,
        Err("I/O error: db: open failed (No such file or directory)"),
    );
    check_open(None, Create, one, Ok("JSON"));
    check_open(None, CreateExcl, one, Ok("JSON"));
    check_open(
        Some(standalone),
        CreateExcl,
        one,
        Err("I/O error: db: create failed (File exists)"),
    );
    for mode in [ReadOnly, ReadWrite, Create] {
        check_open(Some(standalone), mode, one, Ok("JSON"));
        check_open(
            Some(clustered),
            mode,
            one,
            Err("ovsdb error: db: cannot identify file type"),
        );
        check_open(
            Some(b"xxx\n"),
            mode,
            one,
            Err("ovsdb error: db: unexpected file format"),
        );
        check_open(Some(b""), mode, one, Ok("JSON"));
    }
    for mode in [ReadOnly, ReadWrite] {
        check_open(Some(standalone), mode, EITHER, Ok("JSON"));
        check_open(Some(clustered), mode, EITHER, Ok("CLUSTER"));
        check_open(
            Some(b""),
            mode,
            EITHER,
            Err("ovsdb error: db: cannot identify file type"),
        );
        check_open(
            Some(&standalone[..40]),
            mode,
            EITHER,
            Err("ovsdb error: db: unexpected file format"),
        );
    }
}

#[test]
fn folder_is_no_log() {
    let folder = folder();
    let path = folder.path().join("db");
    fs::create_dir(&path).expect("a healthy disk");
    let error = open(&path, OpenMode::ReadOnly).unwrap_err();
    assert_eq!(
        shorten(&error, &path),
        "I/O error: db: read error (Is a directory)"
    );
}

#[test]
fn parts_of_an_error_are_those_of_its_text() {
    let error = open(Path::new("/no-such-folder/db"), OpenMode::ReadOnly).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
    assert_eq!(error.details(), "/no-such-folder/db: open failed");
    assert_eq!(error.reason().as_deref(), Some("No such file or directory"));
}

#[test]
fn records_are_header_line_and_data_as_documented() {
    let folder = folder();
    let path = folder.path().join("db");
    create(&path, &["{\"x\":3}\n", "{}\n"]);
    let expect = "OVSDB JSON 8 2683fd63b5b9fd49df4f2aa25bf7db5cbbebbe6f\n{\"x\":3}\n\
                  OVSDB JSON 3 5f36b2ea290645ee34d943220a14b54ee5ea5be5\n{}\n";
    assert_eq!(fs::read_to_string(&path).expect("it was created"), expect);

    let mut log = open(&path, OpenMode::ReadOnly).expect("it was created");
    let first = log.read().expect("a good record").expect("a record");
    assert_eq!((first.offset, first.data_offset, log.offset()), (0, 54, 62));
    log.read().expect("a good record").expect("a record");
    assert_eq!(log.read(), Ok(None));
    assert_eq!(log.offset(), expect.len() as u64);
}

#[test]
fn the_digest_that_a_header_states_is_told_when_the_record_is_read_and_when_it_is_written() {
    let folder = folder();
    let path = folder.path().join("db");
    let [first, second] = ["{\"x\":3}\n", "{}\n"];
    let digest_of = |text: &str| Digest::of(&[text.as_bytes()]);

    let mut log = open(&path, OpenMode::CreateExcl).expect("a new file");
    assert_eq!(log.last_digest(), None);
    log.append_all([first.as_bytes(), second.as_bytes()])
        .expect("a healthy disk");
    assert_eq!(log.last_digest(), Some(digest_of(second)));
    assert_eq!(
        digest_of(second).to_string(),
        "5f36b2ea290645ee34d943220a14b54ee5ea5be5"
    );
}

#[test]
fn a_record_read_in_pieces_is_the_record_and_can_be_read_again() {
    let folder = folder();
    let path = folder.path().join("db");
    let long = format!("{{\"x\":\"{}\"}}\n", "0123456789".repeat(200_000));
    for first in ["{\"x\":3}\n", &long] {
        let second = "{}\n";
        create(&path, &[first, second]);
        let digest_of = |text: &str| Digest::of(&[text.as_bytes()]);
        for tail in [0, 3, first.len(), first.len() + 100] {
            let lead = &first[..first.len().saturating_sub(tail)];
            let mut log = open(&path, OpenMode::ReadOnly).expect("it was created");
            let mut pieces = Vec::new();
            let read = log.read_in_pieces(tail, &mut |piece| pieces.extend_from_slice(piece));
            let passed = read.expect("a good record").expect("a record");
            assert!(pieces == first.as_bytes());
            assert_eq!(
                (passed.digest, passed.lead, passed.length),
                (digest_of(first), digest_of(lead), first.len() as u64)
            );
            assert!(first.as_bytes().ends_with(&passed.end));
            assert!(passed.end.len() >= first.len().min(tail + ovsdb_log::PASSED_END_BYTES));
            assert_eq!(log.last_digest(), Some(digest_of(first)));
            assert_eq!(log.offset(), passed.data_offset + passed.length);

            let again = log.read_again().expect("it was good before");
            assert!(again.payload == first.as_bytes());
            assert_eq!(
                (again.offset, again.data_offset, again.digest),
                (passed.offset, passed.data_offset, passed.digest)
            );
            let record = log.read().expect("a good record").expect("a record");
            assert_eq!(record.digest, digest_of(second));
            assert_eq!(log.read_in_pieces(tail, &mut |_| {}), Ok(None));
        }
        fs::remove_file(&path).expect("it was created");
    }
}

#[test]
fn a_bad_record_is_bad_in_pieces_and_as_a_whole() {
    let folder = folder();
    let path = folder.path().join("db");
    let long = format!("{{\"x\":\"{}\"}}\n", "0123456789".repeat(200_000));
    create(&path, &["{}\n", &long]);
    let good = fs::read(&path).expect("a healthy disk");
    let mut changed = good.clone();
    changed[good.len() / 2] ^= 1;
    let header_changed = String::from_utf8_lossy(&good[..100]).replace("JSON 2", "JSON x");
    for bad in [
        &good[..good.len() - 1],
        &good[..good.len() / 2],
        &changed,
        header_changed.as_bytes(),
    ] {
        fs::write(&path, bad).expect("a healthy disk");
        let open = || {
            let mut log = open(&path, OpenMode::ReadOnly).expect("it was created");
            log.read().expect("a good record").expect("a record");
            log
        };
        let (mut whole, mut pieces) = (open(), open());
        let expected = whole.read().expect_err("a bad record");
        assert_eq!(pieces.read_in_pieces(3, &mut |_| {}), Err(expected.clone()));
        assert_eq!(pieces.read(), Err(expected));
        assert_eq!(whole.offset(), pieces.offset());
    }
}

#[test]
fn new_file_has_mode_0660_under_the_umask_and_leaves_its_lock_file() {
    let folder = folder();
    let path = folder.path().join("db");
    create(&path, &["{}\n"]);
    let reference = folder.path().join("reference");
    fs::write(&reference, "").expect("a healthy disk");
    // The standard library creates files with mode 0666 under the umask.
    let mode = |path: &Path| {
        fs::metadata(path)
            .expect("it was created")
            .permissions()
            .mode()
    };
    assert_eq!(mode(&path), mode(&reference) & !0o006);
    assert!(folder.path().join(".db.~lock~").exists());
}

/// Reads `records` spoilt by `spoil`, then appends, and checks what was read, the error, and what the file holds then.
#[track_caller]
fn check_tail(records: &[&str], spoil: impl FnOnce(Vec<u8>) -> Vec<u8>, good: usize, expect: &str) {
    let folder = folder();
    let path = folder.path().join("db");
    create(&path, records);
    let contents = fs::read(&path).expect("it was created");
    fs::write(&path, spoil(contents)).expect("a healthy disk");

    let mut log = open(&path, OpenMode::ReadWrite).expect("its first record is good");
    let (payloads, error) = rest(&mut log, &path);
    assert_eq!(payloads, &records[..good]);
    assert_eq!(error.as_deref(), Some(expect));
    log.append(b"{\"x\":9}\n").expect("a healthy disk");
    assert_eq!(log.read(), Ok(None));
    drop(log);

    let mut expect = records[..good].to_vec();
    expect.push("{\"x\":9}\n");
    assert_eq!(
        read_all(&path),
        (expect.iter().map(|s| s.to_string()).collect(), None)
    );
}

fn replace(contents: Vec<u8>, from: &str, to: &str) -> Vec<u8> {
    let text = String::from_utf8(contents).expect("written as text");
    assert!(text.contains(from), "{from:?} is not in {text:?}");
    text.replace(from, to).into_bytes()
}

#[test]
fn bad_tail_is_an_error_that_says_where_and_is_cut_off_by_the_next_append() {
    let three = &["{\"x\":0}\n", "{\"x\":1}\n", "{\"x\":2}\n"];
    let append = |tail: &str| {
        let tail = tail.as_bytes().to_vec();
        move |mut contents: Vec<u8>| {
            contents.extend(tail);
            contents
        }
    };
    let parse = |line: &str| {
        format!("syntax error: db: parse error at offset 186 in header line \"{line}\"")
    };
    check_tail(three, append("xxx\n"), 3, &parse("xxx"));
    check_tail(three, append("xxx"), 3, &parse("xxx"));
    check_tail(three, append("\n"), 3, &parse(""));
    check_tail(
        three,
        append("OVSDB JSON 8 2683fd"),
        3,
        &parse("OVSDB JSON"),
    );
    check_tail(
        three,
        append("OVSDB CLUSTER 8 2683fd63b5b9fd49df4f2aa25bf7db5cbbebbe6f\n{\"x\":3}\n"),
        3,
        &parse("OVSDB CLUSTER"),
    );
    check_tail(three, append(&"y".repeat(300)), 3, &parse(&"y".repeat(127)));
    check_tail(
        three,
        |contents| replace(contents, "{\"x\":2}", "{\"x\":3}"),
        2,
        "syntax error: db: 8 bytes starting at offset 178 have SHA-1 hash 2683fd63b5b9fd49df4f2aa25bf7db5cbbebbe6f \
         but should have hash 3d8ed30f471ad1b7b4b571cb0c7d5ed3e81350aa",
    );
    check_tail(
        three,
        |contents| replace(contents, "{\"x\":2}", "2"),
        2,
        "I/O error: db: error reading 8 bytes starting at offset 178 (End of file)",
    );
}

#[test]
fn short_data_are_counted_down_in_the_units_of_the_reference_program() {
    for (length, have, expect) in [
        (20_000, 0, 20_000),
        (20_000, 8_191, 20_000),
        (20_000, 8_192, 11_808),
        (20_000, 19_999, 3_616),
        (1_000_000, 999_999, 1_000_000 - 122 * 8_192),
    ] {
        check_tail(
            &["{\"x\":0}\n"],
            |mut contents| {
                let header =
                    format!("OVSDB JSON {length} 2683fd63b5b9fd49df4f2aa25bf7db5cbbebbe6f\n");
                contents.extend(header.into_bytes());
                contents.extend(vec![b' '; have]);
                contents
            },
            1,
            // The header takes 53 bytes, less the one digit of a length of 8, and as many as this length has.
            &format!(
                "I/O error: db: error reading {expect} bytes starting at offset {} (End of file)",
                62 + 53 + length.to_string().len()
            ),
        );
    }
}

#[test]
fn absurd_length_costs_no_memory() {
    check_tail(
        &["{\"x\":0}\n"],
        |mut contents| {
            contents.extend(
                b"OVSDB JSON 18446744073709551614 2683fd63b5b9fd49df4f2aa25bf7db5cbbebbe6f\nxxx",
            );
            contents
        },
        1,
        "I/O error: db: error reading 18446744073709551614 bytes starting at offset 135 (End of file)",
    );
}

#[test]
fn large_records_come_back_whole() {
    let folder = folder();
    let path = folder.path().join("db");
    let large = format!("{{\"x\":\"{}\"}}\n", "z".repeat(20 << 20));
    create(&path, &["{}\n", &large, "{}\n", &large[..300_000]]);
    let (payloads, error) = read_all(&path);
    assert_eq!(error, None);
    assert!(payloads == ["{}\n", &large, "{}\n", &large[..300_000]]);
}

#[test]
fn first_append_cuts_off_what_was_not_read() {
    let folder = folder();
    let path = folder.path().join("db");
    create(&path, &["{\"x\":0}\n", "{\"x\":1}\n", "{\"x\":2}\n"]);
    let mut log = open(&path, OpenMode::ReadWrite).expect("it was created");
    log.read().expect("a good record");
    log.append(b"{\"more data\":0}\n").expect("a healthy disk");
    drop(log);
    assert_eq!(
        read_all(&path),
        (
            vec!["{\"x\":0}\n".into(), "{\"more data\":0}\n".into()],
            None
        )
    );
}

#[test]
fn record_handed_back_is_overwritten() {
    let folder = folder();
    let path = folder.path().join("db");
    create(&path, &["{\"x\":0}\n", "{\"x\":1}\n", "{\"x\":2}\n"]);
    let mut log = open(&path, OpenMode::ReadWrite).expect("it was created");
    log.read().expect("a good record");
    log.read().expect("a good record");
    log.unread();
    log.unread();
    assert_eq!((log.read(), log.offset()), (Ok(None), 62));
    log.append(b"{}\n").expect("a healthy disk");
    log.unread();
    drop(log);
    assert_eq!(
        read_all(&path),
        (vec!["{\"x\":0}\n".into(), "{}\n".into()], None)
    );
}

#[test]
fn record_that_is_no_json_object_ends_the_log_like_a_bad_one() {
    for (fault, expect) in [
        (
            RecordFault::NotJson("bad".into()),
            "are not valid JSON (bad)",
        ),
        (RecordFault::NotObject, "are not a JSON object"),
    ] {
        let folder = folder();
        let path = folder.path().join("db");
        create(&path, &["{\"x\":0}\n", "[]\n", "{\"x\":2}\n"]);
        let mut log = open(&path, OpenMode::ReadWrite).expect("it was created");
        log.read().expect("a good record");
        log.read().expect("a good record");
        let error = log.reject(fault);
        assert_eq!(
            shorten(&error, &path),
            format!("syntax error: db: 3 bytes starting at offset 116 {expect}")
        );
        assert_eq!(log.read(), Err(error));
        log.append(b"{}\n").expect("a healthy disk");
        drop(log);
        assert_eq!(
            read_all(&path),
            (vec!["{\"x\":0}\n".into(), "{}\n".into()], None)
        );
    }
}

#[test]
fn log_opened_for_reading_refuses_records() {
    let folder = folder();
    let path = folder.path().join("db");
    create(&path, &["{\"x\":0}\n"]);
    let mut log = open(&path, OpenMode::ReadOnly).expect("it was created");
    log.read().expect("a good record");
    let error = log.append(b"{}\n").unwrap_err();
    assert_eq!(
        shorten(&error, &path),
        "I/O error: db: cannot truncate to length 62 (Invalid argument)"
    );
}

#[test]
fn second_writer_is_refused_and_readers_are_not() {
    let folder = folder();
    let path = folder.path().join("db");
    create(&path, &["{}\n"]);
    let held = open(&path, OpenMode::ReadWrite).expect("nobody else has it");
    assert!(held.is_locked());
    let error = open(&path, OpenMode::ReadWrite).unwrap_err();
    let expect = "I/O error: db: failed to lock lockfile (Resource deadlock avoided)";
    assert_eq!(shorten(&error, &path), expect);
    assert!(
        !open(&path, OpenMode::ReadOnly)
            .expect("readers need no lock")
            .is_locked()
    );
    Log::open(&path, OpenMode::ReadWrite, EITHER, LockPolicy::Never).expect("told not to lock");
    // The refused attempts and the readers have closed their files; the lock is still held.
    let error = Log::open(&path, OpenMode::ReadOnly, EITHER, LockPolicy::Always).unwrap_err();
    assert_eq!(shorten(&error, &path), expect);
    drop(held);
    open(&path, OpenMode::ReadWrite).expect("free again");
}

/// Set in the child process of [`second_writer_in_another_process_is_refused`]: the file it shall try to open.
const CHILD_FILE: &str = "OVSDB_LOG_TEST_CHILD_FILE";

#[test]
fn second_writer_in_another_process_is_refused() {
    if let Some(path) = std::env::var_os(CHILD_FILE) {
        let path = PathBuf::from(path);
        let text = match open(&path, OpenMode::ReadWrite) {
            Ok(_) => "opened".to_owned(),
            Err(error) => shorten(&error, &path),
        };
        fs::write(path.with_extension("answer"), text).expect("a healthy disk");
        return;
    }

    let folder = folder();
    let path = folder.path().join("db");
    create(&path, &["{}\n"]);
    let answer = || {
        let this = std::env::current_exe().expect("a running program");
        let status = Command::new(this)
            .args(["--exact", "second_writer_in_another_process_is_refused"])
            .env(CHILD_FILE, &path)
            .output()
            .expect("this program runs")
            .status;
        assert!(status.success());
        fs::read_to_string(path.with_extension("answer")).expect("the child has written it")
    };
    let held = open(&path, OpenMode::ReadWrite).expect("nobody else has it");
    assert_eq!(
        answer(),
        "I/O error: db: failed to lock lockfile (Resource temporarily unavailable)"
    );
    drop(held);
    assert_eq!(answer(), "opened");
}

#[test]
fn replacement_holds_the_new_contents_and_what_was_appended_meanwhile() {
    let folder = folder();
    let path = folder.path().join("db");
    fs::write(folder.path().join("db.tmp"), "left over").expect("a healthy disk");
    let mut log = open(&path, OpenMode::CreateExcl).expect("a new file");
    log.append(b"{\"x\":0}\n").expect("a healthy disk");

    let mut replacement = log.replace_start().expect("a healthy disk");
    let writer = std::thread::spawn(move || {
        replacement.append(b"{\"x\":1}\n").expect("a healthy disk");
        replacement.append(b"{\"x\":2}\n").expect("a healthy disk");
        replacement
    });
    log.append(b"{\"x\":4}\n").expect("a healthy disk");
    let mut replacement = writer.join().expect("the writer does not panic");
    replacement.catch_up(log.offset()).expect("a healthy disk");
    replacement.sync().expect("a healthy disk");
    log.append(b"{\"x\":5}\n").expect("a healthy disk");
    log.replace_commit(replacement).expect("a healthy disk");

    assert_eq!(
        (log.read(), log.offset(), log.base()),
        (Ok(None), 4 * 62, 2 * 62)
    );
    log.append(b"{\"x\":3}\n").expect("a healthy disk");
    assert!(
        open(&path, OpenMode::ReadWrite).is_err(),
        "the lock is kept"
    );
    drop(log);
    let expect = [1, 2, 4, 5, 3].map(|n| format!("{{\"x\":{n}}}\n"));
    assert_eq!(read_all(&path), (expect.to_vec(), None));
    assert!(!folder.path().join("db.tmp").exists());
}

#[test]
fn a_record_written_in_pieces_is_the_same_whatever_length_was_expected() {
    let folder = folder();
    let path = folder.path().join("db");
    let long = format!("{{\"x\":\"{}\"}}\n", "0123456789".repeat(250_000));
    for data in ["{\"x\":3}\n", &long] {
        for expected in [0, 9, 10, 2_000_000, u64::MAX] {
            let mut log = open(&path, OpenMode::CreateExcl).expect("a new file");
            log.append(b"{\"x\":0}\n").expect("a healthy disk");
            let mut replacement = log.replace_start().expect("a healthy disk");
            replacement.append(b"{\"x\":1}\n").expect("a healthy disk");
            let record = replacement.begin_record(expected);
            let mut record = record.expect("a healthy disk");
            for piece in data.as_bytes().chunks(700_000) {
                record.write(piece).expect("a healthy disk");
            }
            assert_eq!(record.digest(), Digest::of(&[data.as_bytes()]));
            record.finish().expect("a healthy disk");
            replacement.append(b"{\"x\":2}\n").expect("a healthy disk");
            log.append(b"{\"x\":4}\n").expect("a healthy disk");
            log.replace_commit(replacement).expect("a healthy disk");
            drop(log);
            let (records, fault) = read_all(&path);
            assert_eq!(fault, None);
            let expect = ["{\"x\":1}\n", data, "{\"x\":2}\n", "{\"x\":4}\n"];
            assert!(records == expect, "{expected} bytes were expected");
            fs::remove_file(&path).expect("it was created");
        }
    }
}

#[test]
fn dropped_replacement_leaves_the_log_as_it_was() {
    let folder = folder();
    let path = folder.path().join("db");
    let mut log = open(&path, OpenMode::CreateExcl).expect("a new file");
    log.append(b"{\"x\":0}\n").expect("a healthy disk");
    let mut replacement = log.replace_start().expect("a healthy disk");
    replacement.append(b"{\"x\":1}\n").expect("a healthy disk");
    log.append(b"{\"x\":4}\n").expect("a healthy disk");
    assert!(folder.path().join("db.tmp").exists());
    drop(replacement);
    assert!(!folder.path().join("db.tmp").exists());
    log.append(b"{\"x\":3}\n").expect("a healthy disk");
    drop(log);
    assert_eq!(
        read_all(&path),
        ([0, 4, 3].map(|n| format!("{{\"x\":{n}}}\n")).to_vec(), None)
    );
}

#[test]
fn symbolic_links_stay_links() {
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("real")).expect("a healthy disk");
    symlink("real/middle", at("link")).expect("a healthy disk");
    symlink("db", at("real/middle")).expect("a healthy disk");

    // A link that leads nowhere: the target is created.
    let mut log = open(&at("link"), OpenMode::CreateExcl).expect("nothing there yet");
    log.append(b"{\"x\":0}\n").expect("a healthy disk");
    assert!(at("real/.db.~lock~").exists());
    let mut replacement = log.replace_start().expect("a healthy disk");
    assert!(
        at("real/db.tmp").exists(),
        "the new file is beside the target"
    );
    replacement.append(b"{\"x\":1}\n").expect("a healthy disk");
    log.replace_commit(replacement).expect("a healthy disk");
    drop(log);

    assert!(
        at("link").is_symlink() && at("real/middle").is_symlink() && !at("real/db").is_symlink()
    );
    assert_eq!(read_all(&at("real/db")), (vec!["{\"x\":1}\n".into()], None));
    let error = open(&at("link"), OpenMode::CreateExcl).unwrap_err();
    assert_eq!(
        shorten(&error, &at("link")),
        "I/O error: link: create failed (File exists)"
    );
}

#[test]
fn replacement_follows_the_file_after_the_process_has_changed_its_folder() {
    // The working folder belongs to the whole process, so the change takes place in one of its own.
    if std::env::var_os(CHILD_FILE).is_some() {
        let mut log = open(Path::new("db"), OpenMode::CreateExcl).expect("a new file");
        std::env::set_current_dir("/").expect("there is always one");
        let mut replacement = log.replace_start().expect("a healthy disk");
        replacement.append(b"{\"x\":1}\n").expect("a healthy disk");
        log.replace_commit(replacement).expect("a healthy disk");
        return;
    }
    let folder = folder();
    let this = std::env::current_exe().expect("a running program");
    let status = Command::new(this)
        .args([
            "--exact",
            "replacement_follows_the_file_after_the_process_has_changed_its_folder",
        ])
        .env(CHILD_FILE, "db")
        .current_dir(folder.path())
        .output()
        .expect("this program runs")
        .status;
    assert!(status.success());
    assert_eq!(
        read_all(&folder.path().join("db")),
        (vec!["{\"x\":1}\n".into()], None)
    );
}

#[test]
fn growth_is_measured_from_the_base() {
    let folder = folder();
    let mut log = open(&folder.path().join("db"), OpenMode::CreateExcl).expect("a new file");
    let megabyte = vec![b' '; 1 << 20];
    for _ in 0..4 {
        log.append(&megabyte).expect("a healthy disk");
    }
    log.mark_base();
    for _ in 0..6 {
        assert!(!log.grew_lots());
        log.append(&megabyte).expect("a healthy disk");
    }
    assert!(log.grew_lots());
}
