//! An engine in this process, and clients that speak bytes.

use std::path::PathBuf;

use ovsdb_server::framework::{Builder, Engine, RemoteOptions};
use tokio::runtime::Runtime;

use super::Client;

/// An engine under test, which listens on a socket in a folder of its own.
pub struct Fixture {
    pub runtime: Runtime,
    pub engine: Engine,
    pub folder: tempfile::TempDir,
}

impl Fixture {
    pub fn new(builder: Builder) -> Fixture {
        Fixture::with_options(builder, RemoteOptions::default())
    }

    pub fn with_options(builder: Builder, options: RemoteOptions) -> Fixture {
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.worker_threads(2).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let folder = tempfile::tempdir().expect("a temporary folder");
        let remote = format!("punix:{}", folder.path().join("db.sock").display());
        let started = builder.remote_with(&remote, options).start();
        let engine = runtime.block_on(started).expect("it starts");
        Fixture {
            runtime,
            engine,
            folder,
        }
    }

    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("db.sock")
    }

    pub fn connect(&self) -> Client {
        Client::connect(&self.socket())
    }
}
