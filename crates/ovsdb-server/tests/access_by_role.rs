//! What roles and read-only remotes let clients do: the dialogues of `testdata/access`, and remotes that change.

mod access;

use access::ours::Ours;
use access::{Host, Remote};
use ovsdb_testkit::client::RawClient;

#[test]
fn our_server_answers_as_the_dialogues_say() {
    access::check_all(&[], Ours::start);
}

/// The reference leaves sessions, and even new ones, with the rights that the remote had when it was opened.
#[test]
fn a_remote_that_becomes_read_only_or_writable_closes_its_sessions() {
    let mut ours = Ours::start();
    let remote = || Remote::Unix("ghostnoid.sock");
    let write = r#"{"id":0,"method":"transact","params":["D",{"op":"commit","durable":false}]}"#;
    let mut root = RawClient::connect(&ours.folder().join("db.sock"));
    for (read_only, answer) in [
        (
            true,
            r#"{"error":null,"id":0,"result":[{"details":"commit operation not allowed when database server is in read only mode","error":"not allowed"}]}"#,
        ),
        (false, r#"{"error":null,"id":0,"result":[{}]}"#),
    ] {
        let mut before = ours.connect(None, remote());
        let mut others = ours.connect(None, Remote::Unix("noid.sock"));
        others.call(r#"{"id":0,"method":"echo","params":[]}"#);
        root.call(&format!(
            r#"{{"id":0,"method":"transact","params":["D",{{"op":"update","table":"Connection","where":[["target","==","punix:{}/ghostnoid.sock"]],"row":{{"read_only":{read_only}}}}}]}}"#,
            ours.folder().display()
        ));
        assert_eq!(before.receive().expect("an orderly end"), None);
        let mut after = ours.connect(None, remote());
        assert_eq!(after.call(write), answer);
        others.call(r#"{"id":0,"method":"echo","params":[]}"#);
    }
}
