//! Clients that go too far: each is told or dropped, the log says why, and the others are served.

mod support;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{LazyLock, Once};

use ovsdb_server::limits::{self, Limits};
use ovsdb_server::remotes::{RemoteOptions, Remotes};
use parking_lot::{Condvar, Mutex};
use support::{Client, Fixture};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber, span};

/// What has been logged since the test program started, by all of its tests.
static LOG: LazyLock<(Mutex<Vec<String>>, Condvar)> = LazyLock::new(Default::default);

/// Keeps lines such as `WARN module: text`.
struct Keeper;

struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if field.name() == "message" {
            write!(self.0, "{value:?}").expect("a string takes everything");
        }
    }
}

impl Subscriber for Keeper {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::INFO
    }

    fn event(&self, event: &Event<'_>) {
        let metadata = event.metadata();
        let mut text = Text(format!("{} {}: ", metadata.level(), metadata.target()));
        event.record(&mut text);
        LOG.0.lock().push(text.0);
        LOG.1.notify_all();
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

fn fixture(limits: Limits) -> Fixture {
    static START: Once = Once::new();
    START.call_once(|| tracing::subscriber::set_global_default(Keeper).expect("there is no other"));
    Fixture::with_limits(&["D"], limits)
}

/// Waits for a line that begins and ends so; between them is the name of a connection.
fn wait_for_line(start: &str, end: &str) {
    let (lines, more) = &*LOG;
    let mut lines = lines.lock();
    let found = |line: &String| line.starts_with(start) && line.ends_with(end);
    while !lines.iter().any(found) {
        let silence = more.wait_for(&mut lines, std::time::Duration::from_secs(60));
        assert!(!silence.timed_out(), "no {start} ... {end} in {lines:#?}");
    }
}

const ECHO: &str = r#"{"error":null,"id":0,"result":[]}"#;

#[track_caller]
fn check_served(client: &mut Client) {
    assert_eq!(client.call("echo", "[]"), ECHO);
}

#[test]
fn a_client_beyond_the_limit_of_sessions_is_refused_until_another_has_gone() {
    let fixture = fixture(Limits {
        sessions_max: 2,
        ..Limits::default()
    });
    let (mut first, mut second) = (fixture.connect(), fixture.connect());
    check_served(&mut first);
    check_served(&mut second);
    assert_eq!(fixture.connect().next(), "end");
    wait_for_line(
        "WARN ovsdb_jsonrpc_server: unix",
        ": connection refused: too many clients (2)",
    );
    check_served(&mut first);
    drop(second);
    fixture.wait_for_sessions(1);
    check_served(&mut fixture.connect());
}

#[test]
fn a_client_that_sends_too_long_a_message_is_dropped() {
    let fixture = fixture(Limits {
        message_bytes_max: 100_000,
        ..Limits::default()
    });
    let mut other = fixture.connect();
    let wrapping = r#"{"id":0,"method":"echo","params":[""]}"#.len();
    for (length, is_served) in [(100_000, true), (100_001, false)] {
        let text = "x".repeat(length - wrapping);
        let reply = fixture.connect().call("echo", &format!(r#"["{text}"]"#));
        assert_eq!(reply != "end", is_served, "{length} bytes: {reply:.100}");
    }
    wait_for_line(
        "WARN jsonrpc: unix",
        ": error parsing stream: message exceeds 100000 bytes",
    );
    check_served(&mut other);
}

#[test]
fn a_client_that_nests_too_deeply_is_dropped() {
    let fixture = fixture(Limits::default());
    // The message, the array of parameters, and what is in it.
    for (levels, is_served) in [(998, true), (999, false)] {
        let params = format!("[{}{}]", "[".repeat(levels), "]".repeat(levels));
        let reply = fixture.connect().call("echo", &params);
        assert_eq!(reply != "end", is_served, "{levels} levels: {reply:.100}");
    }
    wait_for_line(
        "WARN jsonrpc: unix",
        "input exceeds maximum nesting depth 1000",
    );
}

#[test]
fn who_holds_most_is_dropped_when_requests_of_all_clients_hold_too_much() {
    let fixture = fixture(Limits {
        requests_bytes_max: 8 << 20,
        ..Limits::default()
    });
    let begin = |megabytes: usize| {
        let mut client = fixture.connect();
        let text = "x".repeat(megabytes << 20);
        let request = format!(r#"{{"id":0,"method":"echo","params":["{text}"#);
        client.raw.send(request.as_bytes()).expect("there is room");
        client
    };
    let held = |bytes: usize| {
        while fixture.server.budget().used() != bytes {
            std::thread::yield_now();
        }
    };
    let (mut large, mut small) = (begin(5), begin(2));
    held(7 << 20);
    let mut last_straw = begin(2);
    assert_eq!(large.next(), "end");
    wait_for_line(
        "INFO ovsdb_jsonrpc_server: unix",
        ": disconnecting (requests of all clients hold more than 8388608 bytes)",
    );
    held(4 << 20);
    for client in [&mut small, &mut last_straw] {
        client.raw.send(br#""]}"#).expect("the server reads");
        let reply = client.next();
        assert!(reply.len() > 2 << 20, "{reply:.100}");
    }
    held(0);
}

#[test]
fn requests_count_while_they_wait_for_others() {
    let fixture = fixture(Limits {
        requests_bytes_max: 7 << 20,
        ..Limits::default()
    });
    let text = "x".repeat(3 << 20);
    let wait = format!(
        r#"["D",{{"op":"comment","comment":"{text}"}},
            {{"op":"wait","table":"U","where":[],"columns":["n"],"until":"==","rows":[{{"n":1}}]}}]"#
    );
    let mut client = fixture.connect();
    client.request("1", "transact", &wait);
    client.request("2", "transact", &wait);
    let mut other = fixture.connect();
    while fixture.server.budget().used() != 6 << 20 {
        check_served(&mut other);
    }
    let third = format!(r#"{{"id":3,"method":"transact","params":{wait}}}"#);
    // It may be dropped before it has sent all of it.
    let _ = client.raw.send(third.as_bytes());
    assert_eq!(client.next(), "end");
    wait_for_line(
        "INFO ovsdb_jsonrpc_server: unix",
        ": disconnecting (requests of all clients hold more than 7340032 bytes)",
    );
    check_served(&mut other);
    fixture.wait_for_sessions(1);
    assert_eq!(fixture.server.budget().used(), 0);
}

#[test]
fn a_client_that_is_owed_too_much_is_dropped() {
    let fixture = fixture(Limits {
        backlog_bytes_max: 10 << 20,
        ..Limits::default()
    });
    let name = "x".repeat(300_000);
    let mut writer = fixture.connect();
    let insert = format!(r#"{{"op":"insert","table":"T","row":{{"name":"{name}"}}}}"#);
    writer.check(&insert, r#"[{"uuid":["uuid","U"]}]"#);
    let mut greedy = fixture.connect();
    for id in 0..100 {
        greedy.call(
            "monitor",
            &format!(r#"["D",{id},{{"T":{{"columns":["name","n"]}}}}]"#),
        );
    }
    // One update is less than the limit and their sum is more; the reply must come after them.
    let update = r#"["D",{"op":"update","table":"T","where":[],"row":{"n":1}}]"#;
    greedy.request("100", "transact", update);
    wait_for_line("WARN jsonrpc: sending backlog exceeded maximum size (", "");
    fixture.wait_for_sessions(1);
    // A client with few monitors is told.
    let mut modest = fixture.connect();
    let contents = modest.call("monitor", r#"["D","m",{"T":{"columns":["name"]}}]"#);
    assert!(contents.len() > name.len(), "{contents:.100}");
    check_served(&mut writer);
}

#[test]
fn a_session_that_wants_too_much_is_told_so() {
    let fixture = fixture(Limits::default());
    let cases = [
        (
            "monitor",
            r#"["D",NUMBER,{"T":{"columns":["n"]}}]"#,
            limits::SESSION_MONITORS_MAX,
            "this session has too many monitors",
        ),
        (
            "lock",
            r#"["lockNUMBER"]"#,
            limits::SESSION_LOCKS_MAX,
            "this session has too many locks",
        ),
    ];
    for (method, params, most, details) in cases {
        let mut client = fixture.connect();
        for n in 0..=most {
            let params = params.replace("NUMBER", &n.to_string());
            client.request(&n.to_string(), method, &params);
            // Many at a time, and never more than the server may owe.
            if n % 100 == 99 || n == most {
                for n in n - n % 100..=n {
                    let expected = if n < most {
                        format!(r#"{{"error":null,"id":{n},"#)
                    } else {
                        format!(
                            r#"{{"error":{{"details":"{details}","error":"resources exhausted"}},"id":{n}"#
                        )
                    };
                    let reply = client.next();
                    assert!(reply.starts_with(&expected), "{method} {n}: {reply}");
                }
            }
        }
        wait_for_line("INFO ovsdb_jsonrpc_server: unix", &format!(": {details}"));
        check_served(&mut client);
    }
}

#[test]
fn remotes_beyond_the_limit_are_named_in_the_log() {
    let fixture = fixture(Limits::default());
    let path = |n: usize| format!("unix:{}", fixture.path(&format!("none{n:04}")).display());
    let wanted = (0..=limits::REMOTES_MAX).map(|n| (path(n), RemoteOptions::default()));
    let wanted: BTreeMap<String, RemoteOptions> = wanted.collect();
    let mut remotes = Remotes::new(fixture.server.clone());
    fixture.runtime.block_on(remotes.set(&wanted));
    wait_for_line(
        "ERROR ovsdb_jsonrpc_server: unix:",
        &format!(
            "none{}.db: listen failed: too many remotes",
            limits::REMOTES_MAX
        ),
    );
    assert!(remotes.status(&path(limits::REMOTES_MAX)).is_none());
    assert!(remotes.status(&path(limits::REMOTES_MAX - 1)).is_some());
}
