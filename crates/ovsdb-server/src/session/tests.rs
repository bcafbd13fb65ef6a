//! What a session does when a database ends while a request about it is under way, when it is to probe its peer just as
//! it sends something, when its peer takes nothing, and before it does much.

use std::time::Duration;

use ovsdb_engine::Database;
use ovsdb_proto::json;
use ovsdb_proto::schema::Schema;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::runtime::{Builder, Runtime};

use super::monitors::Protocol;
use super::*;
use crate::database::Storage;
use crate::remotes::{self, RemoteOptions};
use crate::writer::WriterOptions;

const SCHEMA: &str = r#"{"name":"D","tables":{
    "T":{"isRoot":true,"columns":{"n":{"type":"integer"}}}}}"#;

fn params(text: &str) -> Vec<Json> {
    let json = json::parse(text.as_bytes()).expect("valid JSON");
    json.as_array().expect("an array").to_vec()
}

/// A session whose task does not run: requests are handed to it one by one.
struct Fixture {
    server: Arc<Server>,
    session: Session,
    peer: UnixStream,
}

impl Fixture {
    /// A client of the database `D` that looks after changes of the set of databases.
    async fn new() -> Fixture {
        let server = Server::new(WriterOptions { column_diff: true }).expect("a thread");
        let json = json::parse(SCHEMA.as_bytes()).expect("valid JSON");
        let schema = Schema::from_json(&json).expect("a valid schema");
        let storage = Storage::Memory(Database::new(Arc::new(schema)));
        server.add_database(storage).await.expect("a new name");
        let mailbox = server.enroll_session("test");
        mailbox.set_db_change_aware(true);
        let (ours, peer) = UnixStream::pair().expect("a pair of sockets");
        let ours = ours.into_std().expect("a socket of this runtime");
        let stream = Stream::from_unix(ours).expect("room for a socket");
        let options = SessionOptions::default();
        let session = Session::new(server.clone(), mailbox, stream, options);
        Fixture {
            server,
            session,
            peer,
        }
    }

    /// Hands over a request, and returns what it leads to.
    async fn call(&mut self, method: &str, of: &str) -> String {
        let id = Json::Integer(0);
        self.session.handle_request(method, params(of), id);
        self.sent().await
    }

    /// What has been sent since the last look.
    async fn sent(&mut self) -> String {
        let mut text = vec![0; self.session.link.backlog()];
        self.session
            .link
            .send_now()
            .await
            .expect("the peer is there");
        self.peer.read_exact(&mut text).await.expect("all of it");
        String::from_utf8(text).expect("JSON is UTF-8")
    }

    async fn remove(&self) {
        assert!(self.server.remove("D", "it goes").await);
    }
}

fn threads(count: usize) -> Runtime {
    let mut runtime = Builder::new_multi_thread();
    let runtime = runtime.worker_threads(count).enable_all();
    runtime.build().expect("threads")
}

fn run(test: impl Future<Output = ()>) {
    threads(1).block_on(test);
}

/// Runs a test with as many threads as it takes for a lane.
fn run_beside_lane(test: impl Future<Output = ()>) {
    threads(2).block_on(test);
}

fn run_on_paused_time(test: impl Future<Output = ()>) {
    let mut runtime = Builder::new_current_thread();
    let runtime = runtime.enable_all().start_paused(true).build();
    runtime.expect("a runtime").block_on(test);
}

#[test]
fn a_condition_of_a_monitor_that_ends_just_now_is_not_changed() {
    run(async {
        let mut fixture = Fixture::new().await;
        fixture
            .call("monitor_cond", r#"["D","m",{"T":{"columns":["n"]}}]"#)
            .await;
        fixture
            .call(
                "monitor_cond",
                r#"["_Server","s",{"Database":{"columns":["name"]}}]"#,
            )
            .await;
        fixture.remove().await;
        let change = r#"["m","x",{"T":[{"where":[["n","==",1]]}]}]"#;
        let sent = fixture.call("monitor_cond_change", change).await;
        let (canceled, rest) = sent.split_once("}{").expect("several messages");
        assert!(
            canceled.contains(r#""method":"monitor_canceled","params":["m"]"#),
            "{sent}"
        );
        assert!(rest.ends_with(r#""error":{"details":"unknown monitor session","error":"syntax error","syntax":"\"m\""},"id":0}"#), "{sent}");
        // The other one is what it was.
        let canceled = fixture.call("monitor_cancel", r#"["s"]"#).await;
        assert_eq!(canceled, r#"{"error":null,"id":0,"result":{}}"#);
    });
}

#[test]
fn a_monitor_does_not_start_on_a_database_whose_end_has_been_heard_of() {
    run(async {
        let mut fixture = Fixture::new().await;
        fixture
            .call(
                "monitor_cond",
                r#"["_Server","s",{"Database":{"columns":["name"]}}]"#,
            )
            .await;
        let request = params(r#"["D","m",{"T":{"columns":["n"]}}]"#);
        let (method, protocol) = (Method::MonitorCond, Protocol::Cond);
        let session = &mut fixture.session;
        let asked = session.asked_monitor(method, protocol, &request);
        let asked = asked.expect("D is there");
        fixture.remove().await;
        // This opens the letter by which monitors end.
        fixture.session.send_updates();
        assert!(fixture.session.start_asked(asked, protocol).is_none());
        assert_eq!(fixture.session.monitors.len(), 1);
    });
}

#[test]
fn a_peer_is_probed_although_it_is_sent_something_just_then() {
    run_on_paused_time(async {
        let Fixture {
            server,
            mut session,
            mut peer,
        } = Fixture::new().await;
        let mut reconnect = Reconnect::new("test", server.now_ms());
        reconnect.set_probe_interval(1000);
        reconnect.connected(server.now_ms());
        tokio::time::advance(Duration::from_secs(2)).await;
        session.handle_request("list_dbs", params("[]"), Json::Integer(0));
        let reconnect = Mutex::new(reconnect);
        let heard = async {
            let mut text = Vec::new();
            while !text.ends_with(b"}") || text.iter().filter(|&&byte| byte == b'}').count() < 2 {
                peer.read_buf(&mut text).await.expect("the session sends");
            }
            String::from_utf8(text).expect("JSON is UTF-8")
        };
        let heard = tokio::select! {
            end = session.serve(&reconnect) => panic!("{:?}", end.is_ok()),
            heard = heard => heard,
        };
        let probe = r#"{"id":"echo","method":"echo","params":[]}"#;
        assert!(heard.ends_with(probe), "{heard}");
    });
}

#[test]
fn a_peer_that_takes_no_replies_is_not_read_from() {
    run_on_paused_time(async {
        let Fixture {
            server,
            mut session,
            mut peer,
        } = Fixture::new().await;
        let mut reconnect = Reconnect::new("test", server.now_ms());
        reconnect.connected(server.now_ms());
        let reconnect = Mutex::new(reconnect);
        let text = "x".repeat(100_000);
        let request = format!(r#"{{"id":0,"method":"echo","params":["{text}"]}}"#);
        let sent = async {
            for _ in 0..20 * limits::OUTBOX_BYTES_MAX / request.len() {
                peer.write_all(request.as_bytes())
                    .await
                    .expect("it is open");
            }
        };
        tokio::select! {
            biased;
            end = session.serve(&reconnect) => panic!("{:?}", end.is_ok()),
            () = sent => panic!("the session has read everything"),
            // Time passes when neither can go on.
            () = tokio::time::sleep(Duration::from_secs(1)) => {}
        }
        let replies = limits::OUTBOX_BYTES_MAX..=limits::OUTBOX_BYTES_MAX + request.len();
        let backlog = session.link.backlog();
        assert!(replies.contains(&backlog), "{backlog} bytes");
    });
}

/// Asks `server` as a new client, and returns the reply.
async fn ask(server: &Arc<Server>, request: &str) -> String {
    let (ours, mut peer) = UnixStream::pair().expect("a pair of sockets");
    let ours = ours.into_std().expect("a socket of this runtime");
    let stream = Stream::from_unix(ours).expect("room for a socket");
    remotes::serve(server, "test", stream, &RemoteOptions::default());
    peer.write_all(request.as_bytes())
        .await
        .expect("it is read");
    peer.shutdown().await.expect("it is open");
    let mut reply = String::new();
    peer.read_to_string(&mut reply).await.expect("a reply");
    reply
}

#[test]
fn a_transaction_that_was_put_off_is_canceled_if_its_database_goes_meanwhile() {
    run(async {
        let request = br#"{"id":7,"method":"transact","params":["D",
            {"op":"select","table":"T","where":[],"columns":["n"]}]}"#;
        for goes in [false, true] {
            let mut fixture = Fixture::new().await;
            let read = fixture.session.read_transact(request);
            let read = Box::new(read.expect("of the usual form"));
            fixture.session.postponed = Some(Postponed::Transact(read, request.len()));
            if goes {
                fixture.remove().await;
            }
            assert_eq!(fixture.session.next_ready().is_some(), !goes);
            let expected = match goes {
                true => r#"{"error":"canceled","id":7}"#,
                false => "",
            };
            assert_eq!(fixture.sent().await, expected);
        }
    });
}

#[test]
fn a_session_goes_to_the_lane_before_it_does_much() {
    run_beside_lane(async {
        let Fixture { server, .. } = Fixture::new().await;
        let transact = |operation: &str| {
            format!(r#"{{"id":1,"method":"transact","params":["D",{operation}]}}"#)
        };
        let insert = r#"{"op":"insert","table":"T","row":{"n":1}}"#;
        let inserts = vec![insert; limits::TRANSACT_ROWS_INLINE + 1].join(",");
        let select = r#"{"op":"select","table":"T","where":[],"columns":["n"]}"#;
        let comment = |length| format!(r#"{{"op":"comment","comment":"{}"}}"#, "x".repeat(length));
        let echo = |length| {
            format!(
                r#"{{"id":1,"method":"echo","params":["{}"]}}"#,
                "x".repeat(length)
            )
        };
        // (request, how often the lane was wished for in the end, what the reply ends with)
        let cases = [
            (transact(insert), 0, "}"),
            (transact(&comment(1000)), 0, r#""result":[{}]}"#),
            // Much to parse.
            (
                transact(&comment(limits::LANE_MESSAGE_BYTES)),
                1,
                r#""result":[{}]}"#,
            ),
            (echo(1000), 1, r#"x"]}"#),
            (echo(limits::LANE_MESSAGE_BYTES), 2, r#"x"]}"#),
            // Much that is on its way.
            (echo(4 * limits::MESSAGE_BYTES_SMALL), 3, r#"x"]}"#),
            (transact(select), 3, r#""result":[{"rows":[{"n":1}]}]}"#),
            (transact(&inserts), 3, "}]}"),
            // Much to look at.
            (transact(select), 4, r#"{"n":1}]}]}"#),
        ];
        for (number, (request, wishes, end)) in cases.into_iter().enumerate() {
            let reply = ask(&server, &request).await;
            assert!(reply.ends_with(end), "{number}: {reply:.200}");
            assert_eq!(server.lane().wishes(), wishes, "{number}");
        }
    });
}

#[test]
fn a_session_goes_to_the_lane_before_it_tells_many_monitors() {
    run_beside_lane(async {
        let many = limits::LANE_MONITORS + 1;
        // (how many, what the rows are to meet beside a number, how often the lane was wished for in the end)
        for (monitors, but, wishes) in [
            (limits::LANE_MONITORS, "", 0),
            (many, "", 1),
            // They differ, and every row has to be looked at.
            (many, r#"["n","!=",NUMBER]"#, 1),
            // Each is found by the values that it wants.
            (many, r#"["n","==",0],["n","==",NUMBER]"#, 0),
        ] {
            let Fixture { server, .. } = Fixture::new().await;
            let (ours, mut peer) = UnixStream::pair().expect("a pair of sockets");
            let ours = ours.into_std().expect("a socket of this runtime");
            let stream = Stream::from_unix(ours).expect("room for a socket");
            remotes::serve(&server, "test", stream, &RemoteOptions::default());
            let monitor = |id: usize| {
                let condition = match but {
                    "" => String::new(),
                    but => format!(
                        r#""where":[{}]"#,
                        but.replace("NUMBER", &(id + 1).to_string())
                    ),
                };
                format!(
                    r#"{{"id":{id},"method":"monitor_cond","params":["D",{id},{{"T":{{{condition}}}}}]}}"#
                )
            };
            let requests: String = (0..monitors).map(monitor).collect();
            peer.write_all(requests.as_bytes())
                .await
                .expect("it is read");
            let mut heard = async |what: &str| {
                let mut text = Vec::new();
                while String::from_utf8_lossy(&text).matches(what).count() < monitors {
                    peer.read_buf(&mut text).await.expect("the session sends");
                }
            };
            heard(r#""result":{}"#).await;
            let insert = r#"{"id":1,"method":"transact","params":["D",{"op":"insert","table":"T","row":{}}]}"#;
            ask(&server, insert).await;
            heard(r#""method":"update2""#).await;
            assert_eq!(server.lane().wishes(), wishes, "{monitors} monitors, {but}");
        }
    });
}

#[test]
fn nobody_is_left_in_the_lane_when_the_runtime_ends() {
    use std::io::{Read, Write};
    for length in [1, 2 * limits::LANE_MESSAGE_BYTES] {
        let runtime = threads(2);
        let (ours, mut peer) = std::os::unix::net::UnixStream::pair().expect("a pair of sockets");
        let server = runtime.block_on(async {
            let Fixture { server, .. } = Fixture::new().await;
            let stream = Stream::from_unix(ours).expect("room for a socket");
            remotes::serve(&server, "test", stream, &RemoteOptions::default());
            server
        });
        let text = "x".repeat(length);
        let request = format!(r#"{{"id":1,"method":"echo","params":["{text}"]}}"#);
        peer.write_all(request.as_bytes()).expect("it is read");
        let reply = format!(r#"{{"error":null,"id":1,"result":["{text}"]}}"#);
        let mut got = vec![0; reply.len()];
        peer.read_exact(&mut got).expect("a reply");
        drop(runtime);
        // The server is there, and the connection has ended nevertheless.
        assert_eq!(peer.read(&mut got).expect("the end"), 0, "{length}");
        drop(server);
    }
}
