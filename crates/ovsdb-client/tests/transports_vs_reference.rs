//! The client over TLS, and as the one who is connected to, with servers of both sides.

use std::fs;
use std::path::Path;
use std::time::Duration;

use ovsdb_client::{Client, Status};
use ovsdb_net::{CaFile, TlsSettings};
use ovsdb_testkit::daemon::Server;
use ovsdb_testkit::pki::Pki;
use ovsdb_testkit::port::Port;
use ovsdb_testkit::programs::Side;
use ovsdb_testkit::sandbox::Sandbox;
use tokio::time::Instant;

const SCHEMA: &str = r#"{"name":"test","version":"1.0.0","tables":{"T":{"columns":{
    "name":{"type":"string"}},"isRoot":true}}}"#;

/// No test waits longer than this for anything.
fn soon() -> Option<Instant> {
    Some(Instant::now() + Duration::from_secs(30))
}

fn start(sandbox: &Sandbox, side: Side, name: &str, more: &[&str]) -> Server {
    let schema = sandbox.path("test.ovsschema");
    fs::write(&schema, SCHEMA).expect("the sandbox is writable");
    let (file, socket) = (format!("{name}.db"), format!("{name}.sock"));
    let databases: [(&str, &Path); 1] = [(&file, &schema)];
    Server::start_as(sandbox, side, name, &socket, &databases, more)
}

fn settings(pair: &str, ca: &str) -> TlsSettings {
    let pki = Pki::shared();
    TlsSettings {
        private_key: Some(pki.path(&format!("{pair}-privkey.pem"))),
        certificate: Some(pki.path(&format!("{pair}-cert.pem"))),
        ca: Some(CaFile::Verify(pki.path(ca))),
        ..TlsSettings::default()
    }
}

#[tokio::test]
async fn both_ends_of_a_connection_by_tls_know_each_other() {
    let pki = Pki::shared();
    for side in Side::BOTH {
        let sandbox = Sandbox::new();
        let [key, certificate] = pki.pair("server");
        let ca = pki.ca("ca.pem");
        let more = ["--remote=pssl:0:127.0.0.1", &key, &certificate, &ca];
        let _server = start(&sandbox, side, "server", &more);
        let log = sandbox.text("server.log");
        let (_, port) = log.split_once("listening on port ").expect("it listens");
        let port = port.lines().next().unwrap_or_default();
        let remote = format!("ssl:127.0.0.1:{port}");
        let client = |tls| Client::builder(&remote).database("test").tls(tls);

        let trusted = client(settings("client", "ca.pem")).connect(soon()).await;
        let trusted = trusted.expect("they know each other");
        assert!(trusted.list_dbs(soon()).await.is_ok(), "{side:?}");

        let stranger = client(settings("client", "other-ca.pem")).start();
        let stranger = stranger.expect("the method is well formed");
        let mut status = stranger.status();
        let failed = |status: &Status| matches!(status, Status::Connecting { last: Some(_) });
        let failed = tokio::time::timeout(Duration::from_secs(30), status.wait_for(failed)).await;
        assert!(failed.is_ok_and(|failed| failed.is_ok()), "{side:?}");
        assert_eq!(stranger.metrics().connections, 0, "{side:?}");
    }
}

#[tokio::test]
async fn a_client_that_listens_takes_one_server_after_the_other() {
    for side in Side::BOTH {
        let sandbox = Sandbox::new();
        let port = Port::reserve();
        let client = Client::builder(&format!("ptcp:{}:127.0.0.1", port.number()))
            .database("test")
            .start()
            .expect("the method is well formed");
        let remote = format!("--remote={}", port.remote());
        let first = start(&sandbox, side, "first", &[&remote]);
        let server = client.ready(soon()).await.expect("it comes");
        assert!(server.name.starts_with("tcp:127.0.0.1:"), "{}", server.name);
        let id = client.get_server_id(soon()).await.expect("it answers");
        // This one waits until the first is gone.
        let _second = start(&sandbox, side, "second", &[&remote]);
        assert_eq!(client.get_server_id(soon()).await.ok(), Some(id));
        let mut status = client.status();
        status.mark_unchanged();
        first.kill();
        status.changed().await.expect("the client goes on");
        client.ready(soon()).await.expect("it comes");
        let other = client.get_server_id(soon()).await.expect("it answers");
        assert_ne!(other, id, "{side:?}");
    }
}
