//! A server whose disk is full: who writes is told so, who reads is served, and writing goes on when there is room.
//!
//! On a small file system in memory, and with files that may not grow beyond a size. Mounting the first takes rights that not
//! everybody has; without them it is left to the second, and said in the output of the run.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use ovsdb_testkit::client::RawClient;
use ovsdb_testkit::daemon::Server;
use ovsdb_testkit::programs::{self, Side};
use ovsdb_testkit::sandbox::Sandbox;

const SCHEMA: &str = r#"{"name":"Full","tables":{"T":{"isRoot":true,"columns":{
    "n":{"type":"integer"},"text":{"type":"string"}}}}}"#;

/// Size of the file system, in bytes.
const SIZE: usize = 512 << 10;
/// What is kept from the server at first.
const BALLAST: usize = 256 << 10;
/// Transactions that are tried although the disk is full.
const IN_VAIN: usize = 100;

/// A small file system; unmounted when dropped.
struct Small(PathBuf);

impl Small {
    fn mount(at: PathBuf) -> Option<Small> {
        std::fs::create_dir(&at).expect("the sandbox can be written");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={SIZE}"), "none"]);
        let mounted = mount.arg(&at).output();
        mounted
            .is_ok_and(|output| output.status.success())
            .then_some(Small(at))
    }

    /// Says that a test is not run to its end here. Not by way of what it prints, which nobody sees of tests that pass.
    fn say_left_out(what: &str) {
        let said = writeln!(
            std::io::stderr(),
            "left out: {what}, because no file system can be mounted here"
        );
        said.expect("somebody reads it");
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg("-l").arg(&self.0).status();
        if !std::thread::panicking() {
            assert!(unmounted.is_ok_and(|status| status.success()));
        }
    }
}

fn insert(connection: &mut RawClient, n: usize, durable: bool) -> String {
    let text = "x".repeat(3000);
    connection.call(&format!(
        r#"{{"id":0,"method":"transact","params":["Full",{{"op":"insert","table":"T","row":{{"n":{n},"text":"{text}"}}}},{{"op":"commit","durable":{durable}}}]}}"#
    ))
}

fn is_inserted(reply: &str) -> bool {
    reply.contains(r#""error":null"#) && !reply.contains(r#""error":"I/O error""#)
}

/// How many rows there are.
fn rows(connection: &mut RawClient) -> usize {
    let reply = connection.call(
        r#"{"id":0,"method":"transact","params":["Full",{"op":"select","table":"T","where":[],"columns":["n"]}]}"#,
    );
    reply.matches(r#""n":"#).count()
}

fn compact(server: &Server) -> String {
    let request = r#"{"id":0,"method":"ovsdb-server/compact","params":[]}"#;
    RawClient::connect(server.control()).call(request)
}

fn serve(sandbox: &Sandbox, schema: &Path) -> Server {
    Server::start(sandbox, Side::Ours, &[("small/full.db", schema)])
}

#[test]
fn a_full_disk_stops_nothing_but_writing_and_that_until_there_is_room() {
    let sandbox = Sandbox::new();
    let schema = sandbox.path("full.ovsschema");
    std::fs::write(&schema, SCHEMA).expect("the sandbox can be written");
    let Some(small) = Small::mount(sandbox.path("small")) else {
        Small::say_left_out("the server on a file system without room");
        return;
    };
    let ballast = small.0.join("ballast");
    std::fs::write(&ballast, vec![0; BALLAST]).expect("there is room");
    let server = serve(&sandbox, &schema);
    let mut client = RawClient::connect(server.socket());
    let mut watcher = RawClient::connect(server.socket());
    watcher.call(r#"{"id":0,"method":"monitor","params":["Full","m",{"T":{"columns":["n"]}}]}"#);

    let mut inserted = 0;
    let refused = loop {
        let reply = insert(&mut client, inserted, inserted % 2 == 0);
        if !is_inserted(&reply) {
            break reply;
        }
        inserted += 1;
        assert!(inserted < SIZE / 3000, "the disk is full some time");
    };
    assert!(
        refused.contains(r#""io-error":"No space left on device""#),
        "{refused}"
    );
    assert!(inserted > 10, "there was room for some");
    for n in 0..IN_VAIN {
        assert!(!is_inserted(&insert(&mut client, n, n % 2 == 0)));
    }
    // Who reads and who watches is served.
    assert_eq!(rows(&mut client), inserted);
    for n in 0..inserted {
        let update = watcher.receive().expect("the server speaks");
        let update = String::from_utf8(update.expect("an update")).expect("text");
        assert!(update.contains(&format!(r#""n":{n}"#)), "{update}");
    }
    // A second file has no room at all; the first stays.
    let reply = compact(&server);
    assert!(reply.contains("No space left on device"), "{reply}");
    assert_eq!(rows(&mut client), inserted);

    std::fs::remove_file(&ballast).expect("it is there");
    for durable in [true, false] {
        let reply = insert(&mut client, inserted, durable);
        assert!(is_inserted(&reply), "{reply}");
        inserted += 1;
    }
    assert_eq!(rows(&mut client), inserted);
    let update = watcher.receive().expect("the server speaks");
    let update = String::from_utf8(update.expect("an update")).expect("text");
    assert!(
        update.contains(&format!(r#""n":{}"#, inserted - 2)),
        "{update}"
    );
    let reply = compact(&server);
    assert!(reply.contains(r#""error":null"#), "{reply}");

    // Nothing of what was acknowledged is lost, and nothing of what was refused is there.
    server.kill();
    let server = serve(&sandbox, &schema);
    assert_eq!(rows(&mut RawClient::connect(server.socket())), inserted);
    server.stop();
}

/// A server with one row, and how large its file is.
fn with_a_row(sandbox: &Sandbox) -> (Server, RawClient, u64) {
    let schema = sandbox.path("full.ovsschema");
    std::fs::write(&schema, SCHEMA).expect("the sandbox can be written");
    let server = Server::start(sandbox, Side::Ours, &[(FILE, &schema)]);
    let mut client = RawClient::connect(server.socket());
    assert!(is_inserted(&insert(&mut client, 0, true)));
    (server, client, length(&sandbox.path(FILE)))
}

const FILE: &str = "full.db";

fn length(path: &Path) -> u64 {
    std::fs::metadata(path).expect("it is there").len()
}

#[test]
fn a_file_that_may_not_grow_any_further_is_like_a_full_disk() {
    let sandbox = Sandbox::new();
    let (server, mut client, size) = with_a_row(&sandbox);
    // Each record finds room for a part of itself.
    server.daemon().limit_files(Some(size + 100));
    for durable in [true, false] {
        let refused = insert(&mut client, 1, durable);
        let reason = r#""io-error":"File too large""#;
        assert!(refused.contains(reason), "{refused}");
        assert_eq!(length(&sandbox.path(FILE)), size, "no part of it is left");
    }
    assert_eq!(rows(&mut client), 1);
    server.daemon().limit_files(None);
    assert!(is_inserted(&insert(&mut client, 1, false)));
    server.kill();
    let server = Server::start(&sandbox, Side::Ours, &[(FILE, Path::new("none"))]);
    assert_eq!(rows(&mut RawClient::connect(server.socket())), 2);
    server.stop();
}

/// The level of everything that goes to the log file, by which something is logged whenever anything happens.
fn log_everything(server: &Server) {
    let request = r#"{"id":0,"method":"vlog/set","params":["ANY:file:dbg"]}"#;
    let reply = RawClient::connect(server.control()).call(request);
    assert!(reply.contains(r#""error":null"#), "{reply}");
}

#[test]
fn a_log_that_cannot_be_written_stops_nothing_and_goes_on_when_there_is_room() {
    const LOG: &str = "ovsdb-server.log";
    let sandbox = Sandbox::new();
    // What was logged before is more than the database will need.
    let before = "a line of yesterday\n".repeat(50_000);
    std::fs::write(sandbox.path(LOG), &before).expect("the sandbox can be written");
    let (server, mut client, _) = with_a_row(&sandbox);
    log_everything(&server);
    // There is room for a part of the next line.
    let full = length(&sandbox.path(LOG)) + 30;
    server.daemon().limit_files(Some(full));
    for n in 1..100 {
        assert!(is_inserted(&insert(&mut client, n, n % 2 == 0)));
    }
    assert_eq!(length(&sandbox.path(LOG)), full);
    server.daemon().limit_files(None);
    assert!(is_inserted(&insert(&mut client, 100, true)));
    assert_eq!(rows(&mut client), 101);
    server.kill();
    let text = sandbox.text(LOG);
    let (written, later) = text.split_at(usize::try_from(full).expect("it is small"));
    assert!(written.starts_with(&before) && !written.ends_with('\n'));
    let later = later.strip_prefix('\n').expect("a new line has begun");
    assert!(later.contains(r#""n":100"#), "{later}");
    for line in later.lines() {
        assert_eq!(line.split('|').count().min(4), 4, "a whole line: {line}");
    }
    let server = Server::start(&sandbox, Side::Ours, &[(FILE, Path::new("none"))]);
    assert_eq!(rows(&mut RawClient::connect(server.socket())), 101);
    server.stop();
}

/// Starts a server that listens in the sandbox and is expected to refuse, in the background and not; it names `reason`, and
/// leaves no file.
#[track_caller]
fn check_refusal(sandbox: &Sandbox, arguments: &[&str], limit: &str, reason: &str) {
    // Whoever does not refuse would go on for ever.
    let command = format!("{limit} exec timeout 60 \"$0\" \"$@\"");
    let server = programs::ours("ovsdb-server");
    let before = names(sandbox);
    for background in [&[][..], &["--detach"], &["--detach", "--monitor"]] {
        let mut all = vec![OsStr::new("-c"), command.as_ref(), server.as_os_str()];
        let more = [
            FILE,
            "--no-chdir",
            "--remote=punix:here.sock",
            "-vconsole:err",
        ];
        let more = background.iter().chain(&more).chain(arguments);
        all.extend(more.map(OsStr::new));
        let output = sandbox.run("sh", &all);
        assert_eq!(output.code, Some(1), "{background:?}: {output}");
        assert!(output.stderr.contains(reason), "{background:?}: {output}");
        assert_eq!(names(sandbox), before, "{background:?}");
    }
}

fn names(sandbox: &Sandbox) -> BTreeSet<OsString> {
    let files = std::fs::read_dir(sandbox.folder()).expect("the sandbox is there");
    files
        .map(|file| file.expect("it can be read").file_name())
        .collect()
}

#[test]
fn a_daemon_that_cannot_write_its_files_says_so_at_once_and_leaves_nothing() {
    let sandbox = Sandbox::new();
    let (server, ..) = with_a_row(&sandbox);
    server.stop();
    // What remotes and databases it has is in a file of its own.
    let reason = "failed to write temporary file (File too large)";
    check_refusal(&sandbox, &["--pidfile=here.pid"], "ulimit -f 0;", reason);
    let reason = "failed to open none/log for logging: No such file or directory";
    check_refusal(&sandbox, &["--log-file=none/log"], "", reason);
    let reason = "none/here.pid.tmp: create failed (No such file or directory)";
    check_refusal(&sandbox, &["--pidfile=none/here.pid"], "", reason);
    let reason = "none/ctl: could not initialize control socket (No such file or directory)";
    check_refusal(&sandbox, &["--unixctl=none/ctl"], "", reason);

    let Some(small) = Small::mount(sandbox.path("small")) else {
        Small::say_left_out("the pidfile on a file system without room");
        return;
    };
    std::fs::write(small.0.join("ballast"), vec![0; SIZE]).expect("there is room");
    let reason = "small/here.pid.tmp: write failed (No space left on device)";
    check_refusal(&sandbox, &["--pidfile=small/here.pid"], "", reason);
}
