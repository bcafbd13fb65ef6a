//! Servers that mean harm: they send without end, or more than anybody asked for. Memory stays within what is stated, and the
//! client goes on with the next server.
//!
//! One test after the other in one process, whose memory is watched.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;

use ovsdb_client::replica::{Limits, Replica, Status, Trouble};
use ovsdb_client::{Client, Dial, Dialing, Options};
use ovsdb_net::{Method, Stream};
use ovsdb_proto::framer::Framer;
use ovsdb_proto::json::Json;
use ovsdb_proto::jsonrpc::Message;
use ovsdb_proto::schema::Selection;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf};
use tokio::time::{Duration, Instant, timeout};

/// Nothing takes longer than this.
const LONG: Duration = Duration::from_secs(120);

/// The longest message, in bytes, unless a case says otherwise.
const MESSAGE_BYTES_MAX: usize = 2 << 20;

/// What a client may hold, in bytes: some messages of the longest kind, what queues hold, and what the allocator keeps.
const MEMORY_MAX: usize = 40 << 20;

/// What a case sends in all, in bytes, if it is let: more than may be held.
const FLOOD: usize = 48 << 20;

const SERVER_SCHEMA: &str =
    r#"{"tables":{"Database":{"columns":{"name":{},"model":{},"schema":{}}}}}"#;
const SCHEMA: &str =
    r#"{"name":"db","tables":{"T":{"isRoot":true,"columns":{"s":{"type":"string"}}}}}"#;
const ROW: &str = "11111111-1111-1111-1111-111111111111";
const TXN: &str = "22222222-2222-2222-2222-222222222222";

/// What a server does once its client has come so far.
type Harm = fn(WriteHalf<DuplexStream>, Sent) -> Doing;
type Doing = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;
type Sent = Arc<AtomicUsize>;

/// How far the harmful server plays along.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Stage {
    /// Not at all.
    Begin,
    /// Up to the monitor of the replica.
    Live,
}

/// Gives the first connection to a server that means harm, and the others to one that does not.
#[derive(Debug)]
struct Network {
    stage: Stage,
    harm: Harm,
    sent: Sent,
    connections: AtomicUsize,
}

impl Dial for Network {
    fn dial<'a>(&'a self, method: &'a Method) -> Dialing<'a> {
        let (near, far) = tokio::io::duplex(1 << 20);
        let is_first = self.connections.fetch_add(1, Ordering::Relaxed) == 0;
        let harm = is_first.then_some((self.stage, self.harm, Arc::clone(&self.sent)));
        tokio::spawn(serve(far, harm));
        let (reader, writer) = tokio::io::split(near);
        let stream = Stream::from_halves(method.name(), reader, writer);
        Box::pin(async move { Ok(stream) })
    }
}

/// Serves, until it is time for harm.
async fn serve(stream: DuplexStream, harm: Option<(Stage, Harm, Sent)>) {
    let (mut reader, mut writer) = tokio::io::split(stream);
    let mut framer = Framer::new(usize::MAX);
    let contents = match harm {
        None => "sound",
        Some(_) => "harmful",
    };
    let stage = harm.as_ref().map(|(stage, ..)| *stage);
    while stage != Some(Stage::Begin) {
        let Some(Message::Request { method, params, id }) = receive(&mut reader, &mut framer).await
        else {
            return;
        };
        let initial =
            format!(r#"[false,"{TXN}",{{"T":{{"{ROW}":{{"initial":{{"s":"{contents}"}}}}}}}}]"#);
        let database = format!(
            r#"{{"Database":{{"{ROW}":{{"initial":{{"name":"db","model":"standalone","schema":"x"}}}}}}}}"#
        );
        let result = match (&*method, params.first().and_then(Json::as_str)) {
            ("get_schema", Some("_Server")) => SERVER_SCHEMA,
            ("get_schema", _) => SCHEMA,
            ("monitor_cond", _) => &database,
            ("monitor_cond_since", _) => &initial,
            _ => "{}",
        };
        let reply = format!(r#"{{"id":{id},"result":{result},"error":null}}"#);
        if writer.write_all(reply.as_bytes()).await.is_err() {
            return;
        }
        if method == "monitor_cond_since" && harm.is_some() {
            break;
        }
    }
    if let Some((_, harm, sent)) = harm {
        // It goes on taking what comes, as far as that goes.
        let listening = async { while receive(&mut reader, &mut framer).await.is_some() {} };
        tokio::join!(harm(writer, sent), listening);
    }
}

async fn receive(reader: &mut ReadHalf<DuplexStream>, framer: &mut Framer) -> Option<Message> {
    loop {
        if let Some(bytes) = framer.next().expect("a client writes JSON") {
            return Some(Message::parse(&bytes).expect("a client keeps to JSON-RPC"));
        }
        if reader.read_buf(framer.buf_mut()).await.ok()? == 0 {
            return None;
        }
    }
}

/// Sends pieces until [`FLOOD`], or until nobody takes them any more.
async fn flood(mut writer: WriteHalf<DuplexStream>, sent: Sent, piece: impl Fn(usize) -> String) {
    let mut batch = String::new();
    for nth in 0.. {
        batch.push_str(&piece(nth));
        if batch.len() < 64 << 10 {
            continue;
        }
        if writer.write_all(batch.as_bytes()).await.is_err() {
            return;
        }
        if sent.fetch_add(batch.len(), Ordering::Relaxed) > FLOOD {
            return;
        }
        batch.clear();
    }
}

/// What is flooded with.
macro_rules! harm {
    ($before:expr, $piece:expr) => {
        |mut writer, sent| {
            Box::pin(async move {
                let before: String = $before;
                if writer.write_all(before.as_bytes()).await.is_ok() {
                    flood(writer, sent, $piece).await;
                }
            })
        }
    };
}

/// Resident memory of this process, in bytes.
fn resident() -> usize {
    let text = fs::read_to_string("/proc/self/statm").expect("Linux tells");
    let pages = text
        .split(' ')
        .nth(1)
        .and_then(|pages| pages.parse::<usize>().ok());
    pages.expect("a number") * 4096
}

/// Watches the memory of this process until it is told to stop, and says how much there was at most.
struct Watch {
    is_over: Arc<AtomicBool>,
    thread: JoinHandle<usize>,
}

impl Watch {
    fn start() -> Watch {
        let is_over = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&is_over);
        let thread = std::thread::spawn(move || {
            let mut most = 0;
            while !flag.load(Ordering::Relaxed) {
                most = most.max(resident());
                std::thread::park_timeout(Duration::from_millis(2));
            }
            most
        });
        Watch { is_over, thread }
    }

    /// How much memory there was at most.
    fn stop(self) -> usize {
        self.is_over.store(true, Ordering::Relaxed);
        self.thread.join().expect("it only looks")
    }
}

/// What becomes of the client.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Ending {
    /// It leaves the server, and is content with the next one.
    Leaves,
    /// It takes all of it and stays, as each piece is in order.
    Takes,
    /// Its replica ends, as there is more than it may keep.
    Fails,
}

struct Case {
    name: &'static str,
    stage: Stage,
    harm: Harm,
    ending: Ending,
}

const CASES: &[Case] = &[
    Case {
        name: "a message without end",
        stage: Stage::Live,
        harm: harm!(
            r#"{"id":null,"method":"update3","params":[""#.into(),
            |_| "x".repeat(9999)
        ),
        ending: Ending::Leaves,
    },
    Case {
        name: "white space without end",
        stage: Stage::Begin,
        harm: harm!(String::new(), |_| " \n".repeat(5000)),
        ending: Ending::Takes,
    },
    Case {
        name: "brackets without end",
        stage: Stage::Begin,
        harm: harm!(r#"{"id":0,"result":"#.into(), |_| "[".repeat(9999)),
        ending: Ending::Leaves,
    },
    Case {
        name: "updates of one row",
        stage: Stage::Live,
        harm: harm!(String::new(), |nth| {
            format!(
                r#"{{"id":null,"method":"update3","params":[["ovsdb-rs",0,0],"{TXN}",{{"T":{{"{ROW}":{{"modify":{{"s":"{nth} {}"}}}}}}}}]}}"#,
                "x".repeat(5000)
            )
        }),
        ending: Ending::Takes,
    },
    Case {
        name: "updates of monitors that are nobody's",
        stage: Stage::Live,
        harm: harm!(String::new(), |nth| {
            let text = "x".repeat(500);
            format!(
                r#"{{"id":null,"method":"update3","params":[["ovsdb-rs",{nth},{nth}],"{TXN}",{{}}]}}{{"id":null,"method":"update2","params":["{nth}{text}",{{}}]}}"#
            )
        }),
        ending: Ending::Takes,
    },
    Case {
        name: "rows without end",
        stage: Stage::Live,
        harm: harm!(String::new(), |nth| {
            let text = "x".repeat(900);
            format!(
                r#"{{"id":null,"method":"update3","params":[["ovsdb-rs",0,0],"{TXN}",{{"T":{{"{nth:08x}-0000-0000-0000-000000000000":{{"insert":{{"s":"{nth} {text}"}}}}}}}}]}}"#
            )
        }),
        ending: Ending::Fails,
    },
    Case {
        name: "locks that were never asked for",
        stage: Stage::Live,
        harm: harm!(String::new(), |nth| {
            let text = "x".repeat(500);
            format!(
                r#"{{"id":null,"method":"locked","params":["{nth}{text}"]}}{{"id":null,"method":"stolen","params":["{nth}{text}"]}}{{"id":null,"method":"other{nth}","params":[]}}"#
            )
        }),
        ending: Ending::Takes,
    },
    Case {
        name: "replies that nobody asked for",
        stage: Stage::Live,
        harm: harm!(String::new(), |nth| {
            let text = "x".repeat(1000);
            format!(
                r#"{{"id":{},"result":["{text}"],"error":null}}{{"id":"{nth}","result":null,"error":"{text}"}}"#,
                nth + 1000
            )
        }),
        ending: Ending::Takes,
    },
    Case {
        name: "requests that no client serves",
        stage: Stage::Live,
        harm: harm!(String::new(), |nth| {
            format!(
                r#"{{"id":{nth},"method":"transact","params":["{}"]}}"#,
                "x".repeat(1000)
            )
        }),
        ending: Ending::Takes,
    },
    Case {
        name: "another schema with each word",
        stage: Stage::Live,
        harm: harm!(String::new(), |nth| {
            format!(
                r#"{{"id":null,"method":"update2","params":[["ovsdb-rs",-1,0],{{"Database":{{"{ROW}":{{"modify":{{"schema":"{nth}"}}}}}}}}]}}"#
            )
        }),
        ending: Ending::Takes,
    },
    Case {
        name: "databases without end",
        stage: Stage::Live,
        harm: harm!(String::new(), |nth| {
            let text = "x".repeat(9000);
            format!(
                r#"{{"id":null,"method":"update2","params":[["ovsdb-rs",-1,0],{{"Database":{{"{nth:08x}-0000-0000-0000-000000000000":{{"insert":{{"name":"{nth}","schema":"{text}"}}}}}}}}]}}"#
            )
        }),
        ending: Ending::Leaves,
    },
    Case {
        name: "a schema without end",
        stage: Stage::Begin,
        harm: harm!(
            r#"{"id":0,"error":null,"result":{"tables":{"Database":{"columns":{"#.into(),
            |nth| { format!(r#""c{nth}":{{}},"#) }
        ),
        ending: Ending::Leaves,
    },
    Case {
        name: "contradictions",
        stage: Stage::Live,
        harm: harm!(String::new(), |nth| {
            format!(
                r#"{{"id":null,"method":"update3","params":[["ovsdb-rs",0,{}],"{TXN}",{{"T":{{"{TXN}":{{"modify":{{"s":"{}"}}}}}}}}]}}"#,
                nth % 8,
                "x".repeat(500)
            )
        }),
        ending: Ending::Takes,
    },
];

#[test]
fn a_server_can_make_a_client_neither_grow_nor_hang() {
    // What the process keeps of an earlier case counts in each later one.
    let before = resident();
    for case in CASES {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("tests can make runtimes");
        let watch = Watch::start();
        let sent = Sent::default();
        runtime.block_on(check(case, &sent));
        drop(runtime);
        let grown = watch.stop().saturating_sub(before) >> 20;
        let sent = sent.load(Ordering::Relaxed) >> 20;
        println!("{}: {sent} MiB were taken, {grown} MiB held", case.name);
        assert!(grown <= MEMORY_MAX >> 20, "{}: {grown} MiB", case.name);
        assert!(sent <= (FLOOD >> 20) + 1);
    }
}

fn start(stage: Stage, harm: Harm, sent: &Sent) -> Client {
    let network = Network {
        stage,
        harm,
        sent: Arc::clone(sent),
        connections: AtomicUsize::new(0),
    };
    let client = Client::builder("tcp:a:1")
        .database("db")
        .dial(network)
        .limits(Options {
            message_bytes_max: MESSAGE_BYTES_MAX,
            ..Options::default()
        })
        .probe_interval(Some(Duration::from_secs(1)));
    client.start().expect("the method is well formed")
}

async fn check(case: &Case, sent: &Sent) {
    let client = start(case.stage, case.harm, sent);
    let limits = Limits {
        rows_max: 5_000,
        bytes_max: 64 << 20,
    };
    let replica = Replica::start(client.attach(), "db", Selection::all(), limits);
    let deadline = Some(Instant::now() + LONG);
    let has = |text: &'static str| {
        let replica = replica.clone();
        async move {
            let found = replica.wait_for(deadline, |version| {
                let mut rows = version.table_named("T")?.iter();
                let has = rows.any(|row| row.get::<String>("s").is_ok_and(|s| s == text));
                has.then_some(())
            });
            found.await
        }
    };
    match case.ending {
        // Having said everything, or having been left, the first server is silent or gone.
        Ending::Leaves | Ending::Takes => {
            has("sound")
                .await
                .unwrap_or_else(|error| panic!("{}: {error}", case.name));
        }
        Ending::Fails => {
            let failed = has("nothing").await;
            assert!(failed.is_err(), "{}", case.name);
            let status = replica.status();
            let is_too_much = matches!(
                status,
                Status::Failed(Trouble::TooLarge(_) | Trouble::TooMuch(_))
            );
            assert!(is_too_much, "{}: {status:?}", case.name);
        }
    }
    let sent = sent.load(Ordering::Relaxed);
    match case.ending {
        Ending::Leaves => assert!(sent < FLOOD, "{}: all was taken", case.name),
        Ending::Takes => assert!(sent > FLOOD, "{}: {sent} bytes were taken", case.name),
        Ending::Fails => {}
    }
    client.close();
    let mut status = client.status();
    let closed = status.wait_for(|status| *status == ovsdb_client::Status::Closed);
    let closed = timeout(LONG, closed).await.expect("a client can be closed");
    closed.expect("it says so last");
}
