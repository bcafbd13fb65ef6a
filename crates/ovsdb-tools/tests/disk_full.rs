//! A server whose disk is full: who writes is told so, who reads is served, and writing goes on when there is room.
//!
//! On a small file system in memory. Mounting one takes rights that not everybody has; without them the same is left to
//! the tests of `ovsdb-server` with a disk that is told to fail.

use std::path::{Path, PathBuf};
use std::process::Command;

use ovsdb_testkit::client::RawClient;
use ovsdb_testkit::daemon::Server;
use ovsdb_testkit::programs::Side;
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
        println!("no file system can be mounted here");
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
