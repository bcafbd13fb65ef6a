//! Whatever a client writes, the server goes on serving others, and nothing of him is left when he has gone.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use ovsdb_net::Stream;
use ovsdb_proto::json;
use ovsdb_server::database::Storage;
use ovsdb_server::limits::Limits;
use ovsdb_server::remotes::{self, RemoteOptions};
use ovsdb_server::runtime::{self, Who};
use ovsdb_server::server::Server;
use ovsdb_server::writer::WriterOptions;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::runtime::Runtime;

use crate::world;

/// Longest message, so that the limit is met too.
const MESSAGE_BYTES_MAX: usize = 64 << 10;

thread_local! {
    // Nobody is kept waiting: when there is nothing else to do, the time has come for whatever is due next.
    static RUNTIME: Runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .expect("a runtime");
}

/// A world in which the same happens every time: nobody has to wait, and random numbers count upwards.
#[derive(Default)]
struct World {
    last: Cell<u128>,
}

impl runtime::World for World {
    fn random(&self) -> [u8; 16] {
        self.last.set(self.last.get() + 1);
        let mixed = self
            .last
            .get()
            .wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
        mixed.to_be_bytes()
    }

    fn date_ms(&self) -> i64 {
        1_700_000_000_000
    }

    fn pause(&self, _who: Who) -> Option<Duration> {
        None
    }

    fn is_writer_taken(&self) -> bool {
        false
    }
}

/// See the module's documentation. The input is what the client writes.
pub fn run(input: &[u8]) {
    simulate(serve(input));
}

/// Runs something in a world in which the same happens every time.
pub(super) fn simulate(what: impl Future<Output = ()>) {
    let _simulation = runtime::enter(Rc::new(World::default()));
    RUNTIME.with(|runtime| runtime.block_on(what));
}

async fn serve(input: &[u8]) {
    let limits = Limits {
        message_bytes_max: MESSAGE_BYTES_MAX,
        ..Limits::default()
    };
    let options = WriterOptions { column_diff: true };
    let server = Server::with_limits(options, limits).expect("a thread");
    let storage = Storage::Memory(world::database());
    server
        .add_database(storage)
        .await
        .expect("the first of its name");

    talk(&server, input).await;
    for database in server.databases() {
        assert_eq!(
            database.parked(),
            0,
            "a transaction of a client who has gone"
        );
    }
    server.close().await;
}

/// Serves a client who writes this, and then one who asks whether anybody is there. Returns when they have gone.
pub(super) async fn talk(server: &Arc<Server>, input: &[u8]) {
    let answer = say(server, input).await;
    check_messages(&answer);
    let echo = br#"{"method":"echo","params":["still there"],"id":7}"#;
    let answer = say(server, echo).await;
    let answer = String::from_utf8_lossy(&answer);
    assert!(
        answer.contains("still there") && answer.contains("\"id\":7"),
        "{answer}"
    );
    while server.sessions() > 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// What a client is told who writes this and nothing more.
async fn say(server: &Arc<Server>, bytes: &[u8]) -> Vec<u8> {
    let (mut client, stream) = UnixStream::pair().expect("a pair of sockets");
    let stream = stream.into_std().expect("a socket of this runtime");
    let stream = Stream::from_unix(stream).expect("room for a socket");
    remotes::serve(server, "punix:fuzz", stream, &RemoteOptions::default());
    let mut answer = Vec::new();
    // Who is refused in the middle of a sentence may find the other end closed.
    if client.write_all(bytes).await.is_ok() && client.shutdown().await.is_ok() {
        let _ = client.read_to_end(&mut answer).await;
    }
    answer
}

/// Checks that a stream consists of JSON texts. The last may be cut short.
fn check_messages(stream: &[u8]) {
    let mut framer = ovsdb_proto::framer::Framer::new(usize::MAX);
    framer.push(stream);
    while let Some(message) = framer.next().expect("a server speaks JSON") {
        json::parse(&message).expect("a server speaks JSON");
    }
}
