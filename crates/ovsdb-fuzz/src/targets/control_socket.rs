//! Whatever is written to a control socket, the next caller is served.

use std::path::PathBuf;

use ovsdb_daemon::unixctl::{Commands, Server};
use ovsdb_daemon::{coverage, memory, vlog};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::runtime::Runtime;

struct World {
    runtime: Runtime,
    path: PathBuf,
    _folder: tempfile::TempDir,
}

thread_local! {
    static WORLD: World = World::new();
}

impl World {
    fn new() -> World {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("fuzz.ctl");
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let commands = Commands::new();
        coverage::register_commands(&commands);
        vlog::register_commands(&commands);
        memory::register_commands(&commands, || async { memory::Report::default() });
        let name = path.to_str().expect("temporary folders have plain names");
        let server = runtime.block_on(Server::bind(Some(name), commands));
        let server = server
            .expect("the folder takes sockets")
            .expect("it has a name");
        runtime.spawn(server.run());
        World {
            runtime,
            path,
            _folder: folder,
        }
    }

    async fn say(&self, bytes: &[u8]) -> Vec<u8> {
        let mut stream = UnixStream::connect(&self.path)
            .await
            .expect("somebody listens");
        let mut answer = Vec::new();
        // Who is refused in the middle of a sentence may find the other end closed.
        if stream.write_all(bytes).await.is_ok() && stream.shutdown().await.is_ok() {
            let _ = stream.read_to_end(&mut answer).await;
        }
        answer
    }
}

/// See the module's documentation. The input is what a caller writes.
pub fn run(input: &[u8]) {
    WORLD.with(|world| {
        world.runtime.block_on(world.say(input));
        let request = br#"{"method":"version","params":[],"id":7}"#;
        let answer = world.runtime.block_on(world.say(request));
        let answer = String::from_utf8_lossy(&answer);
        assert!(
            answer.contains("\"id\":7") && answer.contains("\"error\":null"),
            "{answer}"
        );
    });
}
