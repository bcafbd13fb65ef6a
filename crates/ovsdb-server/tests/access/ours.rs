//! Our server in the test's own process, with clients whose ids their streams vouch for.

use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;

use ovsdb_net::Stream;
use ovsdb_proto::json;
use ovsdb_proto::schema::Schema;
use ovsdb_server::configuration::Configuration;
use ovsdb_server::file;
use ovsdb_server::remotes::{self, RemoteOptions};
use ovsdb_server::server::Server;
use ovsdb_server::writer::WriterOptions;
use ovsdb_testkit::client::RawClient;
use tokio::runtime::Runtime;

use super::{Host, Remote};

/// A server in this process whose remotes are those of the database.
pub struct Ours {
    runtime: Runtime,
    server: Arc<Server>,
    folder: tempfile::TempDir,
}

impl Ours {
    pub fn start() -> Ours {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime");
        let folder = tempfile::tempdir().expect("a temporary folder");
        let server = Server::new(WriterOptions { column_diff: true }).expect("a thread");
        let configuration = Configuration::new(server.clone());
        for (name, path) in super::schemas() {
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
        for (_, params) in super::setup(ours.folder()) {
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
        let options = RemoteOptions {
            role: Some(role.to_owned()),
            read_only,
            ..RemoteOptions::default()
        };
        let _inside = self.runtime.enter();
        let mut stream = Stream::from_unix(far).expect("it is a socket");
        if let Some(id) = id {
            stream = stream.with_client_id(id);
        }
        remotes::serve(&self.server, "test", stream, &options);
        RawClient::over(near)
    }
}
