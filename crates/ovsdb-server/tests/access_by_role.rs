//! What roles and read-only remotes let clients do: the dialogues of `testdata/access`, and remotes that change.

mod access;

use std::os::unix::net::UnixStream;
use std::path::Path;

use access::{Host, Remote};
use ovsdb_net::Stream;
use ovsdb_proto::json;
use ovsdb_proto::schema::Schema;
use ovsdb_server::configuration::Configuration;
use ovsdb_server::file;
use ovsdb_server::remotes::{self, RemoteOptions};
use ovsdb_server::server::Server;
use ovsdb_server::writer::WriterOptions;
use ovsdb_testkit::client::RawClient;
use std::sync::Arc;
use tokio::runtime::Runtime;

/// A server in this process whose remotes are those of the database.
struct Ours {
    runtime: Runtime,
    server: Arc<Server>,
    folder: tempfile::TempDir,
}

impl Ours {
    fn start() -> Ours {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime");
        let folder = tempfile::tempdir().expect("a temporary folder");
        let server = Server::new(WriterOptions { column_diff: true }).expect("a thread");
        let configuration = Configuration::new(server.clone());
        for (name, path) in access::schemas() {
            let text = std::fs::read(path).expect("it is there");
            let schema = Schema::from_json(&json::parse(&text).expect("valid JSON"));
            let path = folder.path().join(name);
            file::create(&path, &schema.expect("a valid schema")).expect("a new file");
            runtime
                .block_on(server.add_file(&path))
                .expect("a sound file");
        }
        let remotes = [
            format!("punix:{}", folder.path().join("db.sock").display()),
            String::from("db:D,Root,connections"),
        ];
        runtime.block_on(async {
            for remote in remotes {
                configuration.add(&remote).await.expect("the column exists");
            }
            configuration.apply().await.expect("the column exists");
        });
        let ours = Ours {
            runtime,
            server,
            folder,
        };
        let mut root = RawClient::connect(&ours.folder().join("db.sock"));
        for (_, params) in access::setup(ours.folder()) {
            let reply = root.call(&format!(
                r#"{{"id":0,"method":"transact","params":{params}}}"#
            ));
            assert!(!reply.contains("\"details\""), "{params}: {reply}");
        }
        ours.runtime.spawn(async move { configuration.run().await });
        ours
    }
}

impl Host for Ours {
    fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn connect(&mut self, id: Option<&str>, remote: Remote) -> RawClient {
        let (role, read_only) = match remote {
            Remote::Unix(socket) => return RawClient::connect_soon(&self.folder().join(socket)),
            Remote::Tls {
                role, read_only, ..
            } => (role, read_only),
        };
        let (near, far) = UnixStream::pair().expect("two sockets");
        far.set_nonblocking(true).expect("it is a socket");
        let options = RemoteOptions {
            role: Some(role.to_owned()),
            read_only,
            ..RemoteOptions::default()
        };
        let _inside = self.runtime.enter();
        let far = tokio::net::UnixStream::from_std(far).expect("it is a socket");
        let mut stream = Stream::from_unix(far);
        if let Some(id) = id {
            stream = stream.with_client_id(id);
        }
        remotes::serve(&self.server, "test", stream, &options);
        RawClient::over(near)
    }
}

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
