//! What comes and goes leaves nothing behind in a server: connections of every kind, however they end, and remotes that
//! are added and removed while clients use them.
//!
//! Descriptors must be exactly what they were, and memory within a stated margin, which is far less than a session costs.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use ovsdb_net::{CaFile, Method, SocketOptions, Stream, Tls, TlsSettings};
use ovsdb_testkit::client::RawClient;
use ovsdb_testkit::daemon::Server;
use ovsdb_testkit::port::Port;
use ovsdb_testkit::programs::{self, Side};
use ovsdb_testkit::sandbox::Sandbox;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::Runtime;

const SCHEMA: &str = r#"{"name":"D","tables":{"T":{"isRoot":true,"maxRows":1,"columns":{
    "number":{"type":"integer"}}}}}"#;

/// What a server's memory may grow by, in bytes: buffers that are kept, and how an allocator happens to place things.
const MARGIN_BYTES: usize = 6 << 20;

/// How long a server may take to forget clients that have left.
const SETTLING_MAX: Duration = Duration::from_secs(60);

/// Clients at the same time.
const CLIENTS: usize = 8;

/// `count`, or less of it for programs that were built without optimization, which take long and say the same.
fn scaled(count: usize) -> usize {
    let are_optimized = std::env::var_os(programs::OURS_DIR).is_some();
    if are_optimized { count } else { count / 5 }
}

/// Keys of a server, of a client of the same authority, and of a stranger.
struct Keys {
    sandbox: Sandbox,
}

impl Keys {
    fn new() -> Keys {
        let keys = Keys {
            sandbox: Sandbox::new(),
        };
        for (authority, names) in [("ca", &["server", "client"][..]), ("other", &["stranger"])] {
            let mut params = named(authority);
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            let key = KeyPair::generate().expect("random numbers");
            let issuer = CertifiedIssuer::self_signed(params, key).expect("a certificate");
            keys.write(&format!("{authority}.pem"), &issuer.pem());
            for name in names {
                let key = KeyPair::generate().expect("random numbers");
                let signed = named(name).signed_by(&key, &issuer).expect("a certificate");
                keys.write(&format!("{name}-key.pem"), &key.serialize_pem());
                keys.write(&format!("{name}.pem"), &signed.pem());
            }
        }
        keys
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.sandbox.path(name), text).expect("the sandbox is writable");
    }

    fn path(&self, name: &str) -> PathBuf {
        self.sandbox.path(name)
    }

    /// What one connects with who bears a name.
    fn options(&self, name: &str) -> SocketOptions {
        let tls = Tls::new();
        tls.set(TlsSettings {
            private_key: Some(self.path(&format!("{name}-key.pem"))),
            certificate: Some(self.path(&format!("{name}.pem"))),
            ca: Some(CaFile::Verify(self.path("ca.pem"))),
            ..TlsSettings::default()
        });
        SocketOptions {
            tls,
            ..SocketOptions::default()
        }
    }
}

fn named(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).expect("no names, no trouble");
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

/// A server, and what is seen of it from outside.
struct Fixture {
    sandbox: Sandbox,
    server: Server,
    keys: Keys,
    /// One for all commands, so that it is always there when descriptors are counted.
    control: Mutex<RawClient>,
}

impl Fixture {
    fn new(more: &[&str]) -> Fixture {
        let sandbox = Sandbox::new();
        let keys = Keys::new();
        let schema = sandbox.path("d.ovsschema");
        std::fs::write(&schema, SCHEMA).expect("the sandbox is writable");
        let option = |name: &str, file: &str| format!("--{name}={}", keys.path(file).display());
        let options = [
            option("private-key", "server-key.pem"),
            option("certificate", "server.pem"),
            option("ca-cert", "ca.pem"),
        ];
        let mut all: Vec<&str> = options.iter().map(String::as_str).collect();
        // What clients of the wrong kind do is worth a line, and here too many.
        all.push("-vfile:off");
        all.extend(more);
        let databases = [("d.db", schema.as_path())];
        let server = Server::start_as(
            &sandbox,
            Side::Ours,
            "ovsdb-server",
            "db.sock",
            &databases,
            &all,
        );
        let control = Mutex::new(RawClient::connect(server.control()));
        Fixture {
            sandbox,
            server,
            keys,
            control,
        }
    }

    /// What a control command answers.
    fn control(&self, method: &str, parameters: &[&str]) -> String {
        let mut control = self.control.lock().expect("no panic before");
        let parameters: Vec<String> = parameters.iter().map(|text| format!("{text:?}")).collect();
        let request = format!(
            r#"{{"method":"{method}","params":[{}],"id":0}}"#,
            parameters.join(",")
        );
        let reply = control.call(&request);
        assert!(reply.contains(r#""error":null"#), "{request}: {reply}");
        reply
    }

    /// The descriptors of the server, by what they lead to.
    fn descriptors(&self) -> Vec<String> {
        let folder = format!("/proc/{}/fd", self.server.daemon().pid());
        let entries = std::fs::read_dir(folder).expect("the server runs");
        let mut kinds: Vec<String> = entries
            // One that is closed meanwhile leads nowhere.
            .filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok())
            .map(|target| {
                let target = target.display().to_string();
                let kind = target.split(":[").next().unwrap_or_default();
                kind.to_owned()
            })
            .collect();
        kinds.sort();
        kinds
    }

    fn resident_bytes(&self) -> usize {
        let path = format!("/proc/{}/status", self.server.daemon().pid());
        let status = std::fs::read_to_string(path).expect("the server runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number = line.and_then(|line| line.split_whitespace().next());
        let kibibytes: usize = number.and_then(|text| text.parse().ok()).expect("a number");
        kibibytes << 10
    }

    /// Returns once all clients have been forgotten that have left: the server counts none.
    fn settle(&self) {
        let started = Instant::now();
        loop {
            let memory = self.control("memory/show", &[]);
            if !memory.contains("sessions:") {
                return;
            }
            assert!(started.elapsed() < SETTLING_MAX, "clients stay: {memory}");
        }
    }

    /// The fewest descriptors seen while the server answers some commands. Those of clients go a moment after the clients
    /// are forgotten.
    fn fewest_descriptors(&self) -> Vec<String> {
        let seen = (0..100).map(|_| {
            self.settle();
            self.descriptors()
        });
        seen.min_by_key(Vec::len)
            .expect("it was looked a few times")
    }

    /// Waits until there are no more descriptors than there were, of no kind.
    fn await_descriptors(&self, before: &[String]) {
        let started = Instant::now();
        let count =
            |all: &[String], kind: &String| all.iter().filter(|other| *other == kind).count();
        loop {
            let now = self.descriptors();
            if now
                .iter()
                .all(|kind| count(&now, kind) <= count(before, kind))
            {
                return;
            }
            assert!(
                started.elapsed() < SETTLING_MAX,
                "descriptors stay: {now:?}, and there were {before:?}"
            );
            thread::yield_now();
        }
    }

    /// Does `work` twice, the first time so that all is there that is kept for the next, and compares.
    fn check(&self, first: usize, then: usize, work: impl Fn(usize)) {
        work(first);
        self.settle();
        let before = self.fewest_descriptors();
        let bytes_before = self.resident_bytes();
        work(then);
        self.settle();
        self.await_descriptors(&before);
        let bytes = self.resident_bytes();
        let grown = bytes.saturating_sub(bytes_before);
        println!("{then} times: {bytes_before} bytes before, {grown} more after");
        assert!(
            grown <= MARGIN_BYTES,
            "{grown} bytes more after {then} times than the {bytes_before} after {first} times"
        );
    }
}

const LIST: &[u8] = br#"{"method":"list_dbs","params":[],"id":1}"#;
const MONITOR: &[u8] = br#"{"method":"monitor","params":["D",1,{"T":{}}],"id":1}"#;
const LOCK: &[u8] = br#"{"method":"lock","params":["l"],"id":1}"#;
/// A transaction that never ends by itself.
const WAIT: &[u8] = br#"{"method":"transact","params":["D",{"op":"wait","table":"T","where":[],"columns":["number"],"until":"==","rows":[{"number":1}]}],"id":1}"#;

/// Sends a request and reads until something has come, or the end.
fn ask(mut stream: impl Read + Write, request: &[u8]) -> usize {
    let sent = stream.write_all(request);
    sent.and_then(|()| stream.read(&mut [0; 4096])).unwrap_or(0)
}

/// Likewise over TLS; `None` if the connection did not come about.
async fn ask_over_tls(port: u16, options: &SocketOptions, request: &[u8]) -> Option<usize> {
    let method = Method::parse(&format!("ssl:127.0.0.1:{port}")).expect("a method");
    let stream = Stream::connect_with(&method, options).await.ok()?;
    let (mut read, mut write) = stream.into_split();
    let sent = write.write_all(request).await;
    let flushed = sent.and(write.flush().await);
    let read = match flushed {
        Ok(()) => read.read(&mut [0; 4096]).await,
        Err(error) => Err(error),
    };
    Some(read.unwrap_or(0))
}

fn runtime() -> Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().expect("a runtime")
}

fn tcp(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).expect("the server listens");
    stream.set_nodelay(true).expect("an open socket");
    stream
}

/// Has `CLIENTS` threads do something for each of so many numbers.
fn in_parallel(count: usize, work: impl Fn(&Runtime, usize) + Sync) {
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                let runtime = runtime();
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        return;
                    }
                    work(&runtime, number);
                }
            });
        }
    });
}

#[test]
fn connections_that_come_and_go_leave_memory_and_descriptors_where_they_were() {
    let (plain_port, tls_port) = (Port::reserve(), Port::reserve());
    let remotes = [
        plain_port.server_option(),
        format!("--remote=pssl:{}:127.0.0.1", tls_port.number()),
    ];
    let fixture = Fixture::new(&remotes.each_ref().map(String::as_str));
    let (plain_port, tls_port) = (plain_port.number(), tls_port.number());
    let client = fixture.keys.options("client");
    let stranger = fixture.keys.options("stranger");
    let unix = || UnixStream::connect(fixture.server.socket()).expect("the server listens");
    // Of twenty connections, four do a handshake to its end or to their being refused.
    let connect = |runtime: &Runtime, number: usize| {
        let over_tls = |options: &SocketOptions, request: &[u8]| {
            runtime.block_on(ask_over_tls(tls_port, options, request))
        };
        match number % 20 {
            0 | 10 => assert!(over_tls(&client, LIST) > Some(0)),
            5 => assert!(over_tls(&client, MONITOR) > Some(0)),
            // In TLS 1.3 who is refused learns of it when it reads.
            15 => assert_eq!(over_tls(&stranger, LIST).unwrap_or(0), 0),
            // The beginning of a handshake, and then the end.
            3 => {
                let mut stream = tcp(tls_port);
                let hello = [0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3];
                stream.write_all(&hello).expect("the server reads");
            }
            8 => drop(tcp(tls_port)),
            // No handshake at all.
            13 => assert_eq!(ask(tcp(tls_port), b"GET / HTTP/1.0\r\n\r\n"), 0),
            // An end without a word: who leaves something unread resets the connection.
            6 => {
                let mut stream = tcp(plain_port);
                stream.write_all(LIST).expect("the server reads");
                assert_eq!(stream.peek(&mut [0; 1]).expect("an answer"), 1);
            }
            1 | 11 => assert!(ask(tcp(plain_port), LIST) > 0),
            16 => assert!(ask(tcp(plain_port), MONITOR) > 0),
            2 => assert!(ask(unix(), MONITOR) > 0),
            7 => assert!(ask(unix(), LOCK) > 0),
            12 => unix().write_all(WAIT).expect("the server reads"),
            17 => unix().write_all(&LIST[..10]).expect("the server reads"),
            _ => assert!(ask(unix(), LIST) > 0),
        }
    };
    fixture.check(scaled(1_000), scaled(10_000), |count| {
        // They begin no handshake, and it is the server that ends them.
        let silent: Vec<TcpStream> = (0..CLIENTS).map(|_| tcp(tls_port)).collect();
        in_parallel(count, connect);
        for mut stream in silent {
            let read = stream.read(&mut [0; 1]);
            assert_eq!(read.expect("the server closes it"), 0);
        }
    });
}

/// A remote that is added and removed, and how it is used.
struct Spare {
    name: String,
    way: Way,
}

enum Way {
    Unix(PathBuf),
    Tcp(u16),
    Tls(u16),
    /// The server is the one who connects, to somebody who does not answer.
    Dialled,
}

impl Spare {
    /// Uses the remote if it is there. Whoever is connected may be sent away at any time.
    fn try_use(&self, runtime: &Runtime, options: &SocketOptions, request: &[u8]) -> bool {
        let read = match &self.way {
            Way::Unix(path) => UnixStream::connect(path).map_or(0, |stream| ask(stream, request)),
            Way::Tcp(port) => {
                TcpStream::connect(("127.0.0.1", *port)).map_or(0, |stream| ask(stream, request))
            }
            Way::Tls(port) => {
                let asked = runtime.block_on(ask_over_tls(*port, options, request));
                asked.unwrap_or(0)
            }
            Way::Dialled => 0,
        };
        read > 0
    }
}

/// Says so when it is dropped.
struct Raise<'a>(&'a AtomicBool);

impl Drop for Raise<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn remotes_that_are_added_and_removed_under_load_leave_nothing() {
    let fixture = Fixture::new(&[]);
    let ports: Vec<Port> = (0..16).map(|_| Port::reserve()).collect();
    // Bound and not listening: whoever connects is refused, and tries again later.
    let nobody = Port::reserve();
    let mut spares: Vec<Spare> = Vec::new();
    for (number, port) in ports.iter().enumerate() {
        let port = port.number();
        let (method, way) = match number % 2 {
            0 => ("ptcp", Way::Tcp(port)),
            _ => ("pssl", Way::Tls(port)),
        };
        let name = format!("{method}:{port}:127.0.0.1");
        spares.push(Spare { name, way });
    }
    for number in 0..6 {
        let path = fixture.sandbox.path(format!("spare{number}.sock"));
        let name = format!("punix:{}", path.display());
        let way = Way::Unix(path);
        spares.push(Spare { name, way });
    }
    for method in ["tcp", "ssl"] {
        let name = format!("{method}:127.0.0.1:{}", nobody.number());
        let way = Way::Dialled;
        spares.push(Spare { name, way });
    }
    assert_eq!(spares.len(), 24);
    let client = fixture.keys.options("client");
    let served = AtomicUsize::new(0);
    let rounds = |count: usize| {
        let is_over = AtomicBool::new(false);
        thread::scope(|scope| {
            for first in 0..CLIENTS {
                let (spares, client, is_over, served) = (&spares, &client, &is_over, &served);
                scope.spawn(move || {
                    let runtime = runtime();
                    let mut number = first;
                    while !is_over.load(Ordering::Relaxed) {
                        let spare = &spares[number % spares.len()];
                        let request = [LIST, MONITOR, LOCK][number % 3];
                        if spare.try_use(&runtime, client, request) {
                            served.fetch_add(1, Ordering::Relaxed);
                        }
                        number += 1;
                    }
                });
            }
            // Also if a check fails: the others would go on for ever.
            let _at_end = Raise(&is_over);
            let mut writer = RawClient::connect(fixture.server.socket());
            for round in 0..count {
                for spare in &spares {
                    fixture.control("ovsdb-server/add-remote", &[&spare.name]);
                }
                let is_used = served.load(Ordering::Relaxed);
                // What those are told who monitor.
                let write = format!(
                    r#"{{"method":"transact","params":["D",{{"op":"delete","table":"T","where":[]}},{{"op":"insert","table":"T","row":{{"number":{round}}}}}],"id":1}}"#
                );
                let reply = writer.call(&write);
                assert!(reply.contains(r#""error":null"#), "{reply}");
                // Nobody is served by a remote that is removed at once.
                let started = Instant::now();
                while served.load(Ordering::Relaxed) < is_used + spares.len() {
                    assert!(started.elapsed() < SETTLING_MAX, "nobody is served");
                    thread::yield_now();
                }
                for spare in &spares {
                    fixture.control("ovsdb-server/remove-remote", &[&spare.name]);
                }
            }
        });
        let remotes = fixture.control("ovsdb-server/list-remotes", &[]);
        assert!(
            !remotes.contains("spare") && !remotes.contains("127.0.0.1"),
            "{remotes}"
        );
        for spare in &spares {
            if let Way::Unix(path) = &spare.way {
                assert!(!path.exists(), "{} stays", path.display());
            }
        }
    };
    fixture.check(5, scaled(50), rounds);
}
