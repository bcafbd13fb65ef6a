//! Whatever a server writes, a client neither panics nor hangs, and goes on with the next server.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Once, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use ovsdb_client::txn::{EditError, Policy, Txn};
use ovsdb_client::{Client, Dial, Dialing, Options};
use ovsdb_net::{Method, Stream};
use ovsdb_proto::framer::Framer;
use ovsdb_proto::json::Json;
use ovsdb_proto::jsonrpc::Message;
use ovsdb_proto::schema::Selection;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::runtime::Runtime;
use tokio::time::{Instant, sleep, timeout};

/// The longest message of a server, in bytes, so that the limit is met, too.
const MESSAGE_BYTES_MAX: usize = 16 << 10;

/// Bytes that are under way in each direction.
const STREAM_BYTES: usize = 64 << 10;

/// Nothing takes longer than this. The clock goes on only when nothing else does.
const EVER: Duration = Duration::from_secs(24 * 3600);

const SCHEMA: &str =
    r#"{"name":"db","tables":{"T":{"isRoot":true,"columns":{"s":{"type":"string"}}}}}"#;

const SOUND: &str = r#"[false,"00000000-0000-0000-0000-000000000000",
    {"T":{"11111111-1111-1111-1111-111111111111":{"initial":{"s":"sound"}}}}]"#;

/// Panics in tasks, which nobody else hears of.
static PANICS: AtomicU64 = AtomicU64::new(0);

thread_local! {
    static RUNTIME: Runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .expect("a runtime");
}

/// See the module's documentation. The input is what the first server does, line by line: see `hostile`.
pub fn run(input: &[u8]) {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            PANICS.fetch_add(1, Ordering::Relaxed);
            before(panic);
        }));
    });
    let panics = PANICS.load(Ordering::Relaxed);
    RUNTIME.with(|runtime| runtime.block_on(serve(input)));
    assert_eq!(
        PANICS.load(Ordering::Relaxed),
        panics,
        "a task has panicked"
    );
}

async fn serve(input: &[u8]) {
    let network = Network {
        input: Bytes::copy_from_slice(input),
        connections: AtomicUsize::new(0),
    };
    let client = Client::builder("tcp:a:1")
        .database("db")
        .dial(network)
        .limits(Options {
            message_bytes_max: MESSAGE_BYTES_MAX,
            ..Options::default()
        })
        .start()
        .expect("the method is well formed");
    let replica = client.replica("db", Selection::all());
    let lock = client.lock("l").expect("nobody wants it");
    let deadline = Instant::now() + EVER / 4;
    let working = tokio::spawn({
        let (client, replica) = (client.clone(), replica.clone());
        async move {
            // What becomes of it is up to the server.
            let _ = client.transact("db", &[], Some(deadline)).await;
            let _ = replica.update(Policy::until(deadline), insert).await;
            let _ = replica.check(Some(deadline)).await;
        }
    });
    let sound = timeout(
        EVER,
        replica.wait_for(None, |version| {
            let (id, _) = version.schema().table_by_name("T")?;
            (version.rows(id).len() == 1 && version.schema().tables.len() == 1).then_some(())
        }),
    );
    let sound = sound.await.expect("a client goes on");
    sound.expect("a client goes on");
    let done = timeout(EVER, working).await.expect("nothing hangs");
    done.expect("nothing panics");
    client.close();
    drop(lock);
    let mut status = client.status();
    let closed = status.wait_for(|status| *status == ovsdb_client::Status::Closed);
    let closed = timeout(EVER, closed).await.expect("a client can be closed");
    closed.expect("it says so last");
}

/// Something into whatever table there is.
fn insert(txn: &mut Txn) -> Result<(), EditError> {
    let table = txn.base().schema().tables.first();
    if let Some(name) = table.map(|table| table.name.clone()) {
        txn.insert(&name)?;
    }
    Ok(())
}

/// A first server that does what the input says, and then sound ones.
#[derive(Debug)]
struct Network {
    input: Bytes,
    connections: AtomicUsize,
}

impl Dial for Network {
    fn dial<'a>(&'a self, method: &'a Method) -> Dialing<'a> {
        let (near, far) = tokio::io::duplex(STREAM_BYTES);
        if self.connections.fetch_add(1, Ordering::Relaxed) == 0 {
            tokio::spawn(hostile(far, self.input.clone()));
        } else {
            tokio::spawn(sound(far));
        }
        let (reader, writer) = tokio::io::split(near);
        let stream = Stream::from_halves(method.name(), reader, writer);
        Box::pin(async move { Ok(stream) })
    }
}

/// What a client has asked last, by method: the id of the request, and the text of its second parameter.
type Asked = Arc<Mutex<HashMap<String, (Json, Json)>>>;

/// Says line by line what the input says, each when the client has done all it does: `=METHOD RESULT` answers the last request
/// with this method, `!METHOD ERROR` does so by an error; any other line goes as it is, with the id of the last monitor
/// in the place of `@`. Then it is silent for ever.
async fn hostile(stream: DuplexStream, input: Bytes) {
    let (reader, mut writer) = tokio::io::split(stream);
    let asked = Asked::default();
    tokio::spawn(listen(reader, Arc::clone(&asked)));
    for line in input.split(|byte| *byte == b'\n') {
        sleep(Duration::from_millis(1)).await;
        let said = spell(line, &asked);
        if writer.write_all(&said).await.is_err() {
            return;
        }
    }
    std::future::pending().await
}

async fn listen(mut reader: impl AsyncRead + Unpin, asked: Asked) {
    let mut framer = Framer::new(usize::MAX);
    while let Ok(Some(message)) = message(&mut reader, &mut framer).await {
        if let Message::Request { method, params, id } = message {
            let second = params.get(1).cloned().unwrap_or(Json::Null);
            let mut asked = asked.lock().unwrap_or_else(PoisonError::into_inner);
            if method.starts_with("monitor") {
                asked.insert("@".to_owned(), (id.clone(), second.clone()));
            }
            asked.insert(method.to_string(), (id, second));
        }
    }
}

fn spell(line: &[u8], asked: &Asked) -> Vec<u8> {
    let asked = asked.lock().unwrap_or_else(PoisonError::into_inner);
    let last = |method: &[u8]| {
        let method = std::str::from_utf8(method).ok()?;
        asked.get(method)
    };
    let monitor = last(b"@").map_or("null".to_owned(), |(_, id)| id.to_string());
    let mut text = Vec::new();
    for byte in line {
        match byte {
            b'@' => text.extend_from_slice(monitor.as_bytes()),
            byte => text.push(*byte),
        }
    }
    let (Some(&kind @ (b'=' | b'!')), Some(space)) =
        (text.first(), text.iter().position(|byte| *byte == b' '))
    else {
        return text;
    };
    let (method, contents) = (&text[1..space], &text[space + 1..]);
    let Some((id, _)) = last(method) else {
        return contents.to_vec();
    };
    let (result, error): (&[u8], &[u8]) = match kind {
        b'=' => (contents, b"null"),
        _ => (b"null", contents),
    };
    let head = format!("{{\"id\":{id},\"result\":");
    [head.as_bytes(), result, b",\"error\":", error, b"}"].concat()
}

/// A server that serves.
async fn sound(mut stream: DuplexStream) {
    let mut framer = Framer::new(usize::MAX);
    while let Ok(Some(message)) = message(&mut stream, &mut framer).await {
        let Message::Request { method, params, id } = message else {
            continue;
        };
        let database = params.first().and_then(Json::as_str);
        let (result, error) = match (&*method, database) {
            ("get_schema", Some("db")) => (SCHEMA, "null"),
            ("monitor_cond_since", _) => (SOUND, "null"),
            ("get_schema" | "transact", _) => ("null", r#"{"error":"not allowed"}"#),
            _ => ("{}", "null"),
        };
        let reply = format!("{{\"id\":{id},\"result\":{result},\"error\":{error}}}");
        if stream.write_all(reply.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// The next message of the client; `None` at the end.
async fn message(
    reader: &mut (impl AsyncRead + Unpin),
    framer: &mut Framer,
) -> io::Result<Option<Message>> {
    loop {
        if let Some(bytes) = framer.next().expect("a client writes JSON") {
            return Ok(Some(
                Message::parse(&bytes).expect("a client keeps to JSON-RPC"),
            ));
        }
        if reader.read_buf(framer.buf_mut()).await? == 0 {
            return Ok(None);
        }
    }
}
