//! Clients with scripted servers at the other end of in-memory streams, on a clock that jumps when nothing happens.

use bytes::Bytes;
use ovsdb_net::Stream;
use ovsdb_proto::framer::Framer;
use ovsdb_proto::json;
use ovsdb_proto::words::Method as Word;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::mpsc;

use super::*;
use crate::LockState;
use crate::dial::Dialing;
use crate::error::{Disconnect, Unfit};
use crate::event::RequestId;
use crate::upstream::{Inbound, Rejection};

mod bursts;
mod endings;

/// Bytes that a stream holds in each direction.
const STREAM_BYTES: usize = 64 << 10;

/// Hands the servers' ends of connections to the test.
#[derive(Debug)]
struct Network(mpsc::UnboundedSender<Server>);

impl Dial for Network {
    fn dial<'a>(&'a self, method: &'a Method) -> Dialing<'a> {
        let (ours, theirs) = tokio::io::duplex(STREAM_BYTES);
        let (read, write) = tokio::io::split(ours);
        let server = Server {
            name: method.name().to_owned(),
            stream: theirs,
            framer: Framer::new(1 << 20),
        };
        self.0.send(server).expect("the test goes on");
        let stream = Stream::from_halves(method.name(), read, write);
        Box::pin(async move { Ok(stream) })
    }
}

/// The server's end of a connection.
struct Server {
    name: String,
    stream: DuplexStream,
    framer: Framer,
}

impl Server {
    async fn send(&mut self, text: &str) {
        let sent = self.stream.write_all(text.as_bytes()).await;
        sent.expect("the client reads");
    }

    /// The next message of the client; `None` if it has closed the connection.
    async fn receive(&mut self) -> Option<Json> {
        loop {
            if let Some(bytes) = self.framer.next().expect("the client writes JSON") {
                return Some(json::parse(&bytes).expect("the client writes JSON"));
            }
            let read = self.stream.read_buf(self.framer.buf_mut()).await;
            if read.expect("the stream is sound") == 0 {
                return None;
            }
        }
    }

    /// The next request, which must have this method, without its id: `METHOD PARAMS`; and its id.
    async fn request(&mut self) -> (String, i64) {
        let request = self.receive().await.expect("the client is there");
        let method = request.get("method").and_then(Json::as_str);
        let params = request.get("params").expect("a request has parameters");
        let id = request.get("id").and_then(Json::as_i64);
        (
            format!("{} {params}", method.expect("a request has a method")),
            id.unwrap_or(-1),
        )
    }

    async fn reply(&mut self, id: i64, result: &str) {
        self.send(&format!(
            "{{\"id\":{id},\"result\":{result},\"error\":null}}"
        ))
        .await;
    }

    /// Answers what a client asks before it is content, with a row of `_Server`; says what number its monitor has.
    async fn tell(&mut self, row: &str) -> u64 {
        let (request, id) = self.request().await;
        assert_eq!(request, r#"get_schema ["_Server"]"#);
        self.reply(id, SERVER_SCHEMA).await;
        let (request, id) = self.request().await;
        let monitor = request
            .strip_prefix(r#"monitor_cond ["_Server",["ovsdb-rs",-1,"#)
            .and_then(|rest| rest.split_once(']'))
            .unwrap_or_else(|| panic!("{request}"));
        self.reply(
            id,
            &format!(r#"{{"Database":{{"{ROW}":{{"initial":{row}}}}}}}"#),
        )
        .await;
        monitor.0.parse().expect("it is a number")
    }

    /// The server has another row now.
    async fn change(&mut self, monitor: u64, columns: &str) {
        let update = format!(r#"{{"Database":{{"{ROW}":{{"modify":{columns}}}}}}}"#);
        self.send(&format!(
            r#"{{"id":null,"method":"update2","params":[["ovsdb-rs",-1,{monitor}],{update}]}}"#
        ))
        .await;
    }

    /// Makes a client content.
    async fn suit(&mut self) -> u64 {
        let monitor = self
            .tell(&format!(r#"{{"name":"db","model":"standalone",{SCHEMA}}}"#))
            .await;
        self.hear_of_awareness().await;
        monitor
    }

    /// Says what the schema is, and hears that the client bears other ones.
    async fn show_schema(&mut self, name: &str) {
        let (request, id) = self.request().await;
        assert_eq!(request, r#"get_schema ["db"]"#);
        self.reply(id, &format!(r#"{{"name":"{name}","tables":{{}}}}"#))
            .await;
    }

    async fn hear_of_awareness(&mut self) {
        self.show_schema("db").await;
        let (request, id) = self.request().await;
        assert_eq!(request, "set_db_change_aware [true]");
        self.reply(id, "{}").await;
    }
}

const ROW: &str = "11111111-1111-1111-1111-111111111111";

const SERVER_SCHEMA: &str = r#"{"tables":{"Database":{"columns":{"name":{},"model":{},"connected":{},"leader":{},"schema":{}}}}}"#;

const SCHEMA: &str = r#""schema":"{\"name\":\"db\",\"tables\":{}}""#;

fn network() -> (Network, mpsc::UnboundedReceiver<Server>) {
    let (to, servers) = mpsc::unbounded_channel();
    (Network(to), servers)
}

fn start(methods: &str) -> (Client, mpsc::UnboundedReceiver<Server>) {
    let (network, servers) = network();
    let builder = Client::builder(methods)
        .database("db")
        .shuffle(false)
        .dial(network);
    let client = builder.start().expect("the methods are well formed");
    (client, servers)
}

async fn next(servers: &mut mpsc::UnboundedReceiver<Server>) -> Server {
    servers.recv().await.expect("the client goes on")
}

/// What a replica hears, in few words.
fn words(inbound: Option<Inbound>) -> String {
    let text = |bytes: &Bytes| String::from_utf8_lossy(bytes).into_owned();
    match inbound {
        None => "end".to_owned(),
        Some(Inbound::Up {
            connection, schema, ..
        }) => format!("up {} {}", connection.0, schema.name),
        Some(Inbound::Schema(schema)) => format!("schema {}", schema.name),
        Some(Inbound::Notification {
            method,
            monitor,
            params,
        }) => format!("{method} {} {}", monitor.nth, text(&params)),
        Some(Inbound::Reply {
            id: RequestId(id),
            result,
        }) => match result {
            Ok(result) => format!("reply {id} {}", text(&result)),
            Err(error) => format!("error {id} {error}"),
        },
        Some(Inbound::Down {
            connection,
            why,
            in_doubt,
        }) => {
            let in_doubt: Vec<u64> = in_doubt.iter().map(|id| id.0).collect();
            format!("down {} {why} {in_doubt:?}", connection.0)
        }
    }
}

fn ask(upstream: &Upstream, connection: u64, params: &'static str) -> i64 {
    let RequestId(id) = upstream
        .requests()
        .try_request(ConnectionId(connection), Word::Transact, params.into())
        .expect("there is room");
    id.cast_signed()
}

#[tokio::test(start_paused = true)]
async fn a_replica_hears_what_concerns_it_in_the_order_of_the_server() {
    let (client, mut servers) = start("tcp:a:1");
    let mut first = client.attach();
    let mut second = client.attach();
    let mut server = next(&mut servers).await;
    server.suit().await;
    assert_eq!(words(first.next().await), "up 1 db");
    assert_eq!(words(second.next().await), "up 1 db");
    let id = ask(&first, 1, r#"["db",{}]"#);
    assert_eq!(server.request().await, (r#"transact ["db",{}]"#.into(), id));
    let ours = first.requests().monitor_id(7).to_json();
    let theirs = second.requests().monitor_id(8).to_json();
    server
        .send(&format!(
            r#"{{"id":null,"method":"update2","params":[{theirs},{{}}]}}
               {{"id":null,"method":"update2","params":["other",{{}}]}}
               {{"id":null,"method":"locked","params":["lock"]}}
               {{"id":null,"method":"unheard of","params":[{ours}]}}
               {{"id":null,"method":"update3","params":[{ours},"x",{{"T": 1}}]}}
               {{"id":{id},"result":[{{ }}],"error":null}}
               {{"id":null,"method":"monitor_canceled","params":[{ours}]}}"#
        ))
        .await;
    assert_eq!(
        words(first.next().await),
        format!(r#"update3 7 [{ours},"x",{{"T": 1}}]"#)
    );
    assert_eq!(words(first.next().await), format!("reply {id} [{{ }}]"));
    assert_eq!(
        words(first.next().await),
        format!("monitor_canceled 7 [{ours}]")
    );
    assert_eq!(
        words(second.next().await),
        format!("update2 8 [{theirs},{{}}]")
    );
    // One that comes later hears of the connection, too.
    assert_eq!(words(client.attach().next().await), "up 1 db");
}

#[tokio::test(start_paused = true)]
async fn messages_of_unusual_form_are_heard_as_well() {
    let (client, mut servers) = start("tcp:a:1");
    let mut upstream = client.attach();
    let mut server = next(&mut servers).await;
    server.suit().await;
    assert_eq!(words(upstream.next().await), "up 1 db");
    let [first, second] = [ask(&upstream, 1, "[1]"), ask(&upstream, 1, "[2]")];
    server.request().await;
    server.request().await;
    let monitor = upstream.requests().monitor_id(1).to_json();
    server
        .send(&format!(
            r#"{{"id":0,"id":{first},"result":[1],"error":null}}
               {{"id":{second},"result":null,"error":{{"error":"x"}}}}
               {{"id":1,"id":null,"method":"update","params":[{monitor},{{}}]}}"#
        ))
        .await;
    assert_eq!(words(upstream.next().await), format!("reply {first} [1]"));
    assert_eq!(
        words(upstream.next().await),
        format!(r#"error {second} {{"error":"x"}}"#)
    );
    assert_eq!(
        words(upstream.next().await),
        format!("update 1 [{monitor},{{}}]")
    );
}

#[tokio::test(start_paused = true)]
async fn after_a_lost_connection_a_replica_knows_what_is_in_doubt_and_goes_on_with_the_next() {
    let (client, mut servers) = start("tcp:a:1,tcp:b:2");
    let mut upstream = client.attach();
    let mut server = next(&mut servers).await;
    assert_eq!(server.name, "tcp:a:1");
    server.suit().await;
    assert_eq!(words(upstream.next().await), "up 1 db");
    let [answered, lost] = [ask(&upstream, 1, "[1]"), ask(&upstream, 1, "[2]")];
    server.request().await;
    server.request().await;
    server.reply(answered, "[]").await;
    drop(server);
    assert_eq!(words(upstream.next().await), format!("reply {answered} []"));
    assert_eq!(
        words(upstream.next().await),
        format!("down 1 End of file [{lost}]")
    );
    // What is for a connection that is over goes nowhere.
    ask(&upstream, 1, "[3]");
    let mut server = next(&mut servers).await;
    assert_eq!(server.name, "tcp:b:2");
    server.suit().await;
    assert_eq!(words(upstream.next().await), "up 2 db");
    let later = ask(&upstream, 2, "[4]");
    assert!(later > lost);
    assert_eq!(server.request().await, ("transact [4]".to_owned(), later));
}

#[tokio::test(start_paused = true)]
async fn what_was_answered_before_a_server_was_given_up_is_heard() {
    let (client, mut servers) = start("tcp:a:1");
    let mut upstream = client.attach();
    let mut server = next(&mut servers).await;
    let own = server.suit().await;
    assert_eq!(words(upstream.next().await), "up 1 db");
    let [answered, lost] = [ask(&upstream, 1, "[1]"), ask(&upstream, 1, "[2]")];
    server.request().await;
    server.request().await;
    let monitor = upstream.requests().monitor_id(7).to_json();
    // All in one: the client has the reply in hand when it learns that the server will not do any more.
    server
        .send(&format!(
            r#"{{"id":null,"method":"update2","params":[["ovsdb-rs",-1,{own}],{{"Database":{{"{ROW}":{{"delete":null}}}}}}]}}
               {{"id":null,"method":"update2","params":[{monitor},{{}}]}}
               {{"id":{answered},"result":[],"error":null}}"#
        ))
        .await;
    assert_eq!(
        words(upstream.next().await),
        format!("update2 7 [{monitor},{{}}]")
    );
    assert_eq!(words(upstream.next().await), format!("reply {answered} []"));
    assert_eq!(
        words(upstream.next().await),
        format!("down 1 the server does not have the database [{lost}]")
    );
}

#[tokio::test(start_paused = true)]
async fn what_was_answered_and_not_heard_is_in_doubt() {
    let (network, mut servers) = network();
    let client = Client::builder("tcp:a:1")
        .database("db")
        .dial(network)
        .limits(Options {
            unread_max: 1,
            ..Options::default()
        })
        .start()
        .expect("the method is well formed");
    let mut upstream = client.attach();
    let mut server = next(&mut servers).await;
    server.suit().await;
    assert_eq!(words(upstream.next().await), "up 1 db");
    let id = ask(&upstream, 1, "[1]");
    server.request().await;
    let monitor = upstream.requests().monitor_id(0).to_json();
    // More than the replica is given before it takes something, so that the reply has no room behind it.
    let n_updates = crate::upstream::INBOUND_MAX + 2;
    for _ in 0..n_updates {
        let update = format!(r#"{{"id":null,"method":"update","params":[{monitor},1]}}"#);
        server.send(&update).await;
    }
    server.reply(id, "[]").await;
    // By then everything has happened that can.
    tokio::time::sleep(Duration::from_secs(1)).await;
    client.reconnect();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let mut heard = words(upstream.next().await);
    while heard.starts_with("update ") {
        heard = words(upstream.next().await);
    }
    assert_eq!(
        heard,
        format!("down 1 another connection was asked for [{id}]")
    );
}

#[tokio::test(start_paused = true)]
async fn a_rejected_connection_is_replaced_and_the_next_one_is_not_meant() {
    let (client, mut servers) = start("tcp:a:1");
    let mut upstream = client.attach();
    let mut server = next(&mut servers).await;
    server.suit().await;
    assert_eq!(words(upstream.next().await), "up 1 db");
    let requests = upstream.requests().clone();
    requests.reject(ConnectionId(1), Rejection::Inconsistent);
    assert_eq!(server.receive().await, None);
    assert_eq!(
        words(upstream.next().await),
        "down 1 the server contradicts itself []"
    );
    requests.reject(ConnectionId(1), Rejection::Protocol);
    let mut server = next(&mut servers).await;
    server.suit().await;
    assert_eq!(words(upstream.next().await), "up 2 db");
    let id = ask(&upstream, 2, "[]");
    assert_eq!(server.request().await, ("transact []".to_owned(), id));
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_takes_nothing_loses_nothing() {
    const UPDATES: usize = 80;
    let (network, mut servers) = network();
    let client = Client::builder("tcp:a:1")
        .database("db")
        .dial(network)
        .limits(Options {
            unread_max: 1,
            ..Options::default()
        })
        .start()
        .expect("the method is well formed");
    let mut upstream = client.attach();
    let mut server = next(&mut servers).await;
    server.suit().await;
    assert_eq!(words(upstream.next().await), "up 1 db");
    let monitor = upstream.requests().monitor_id(0).to_json();
    let long = "x".repeat(1 << 20);
    let sending = tokio::spawn(async move {
        for _ in 0..UPDATES {
            let params = format!("[{monitor},\"{long}\"]");
            let update = format!(r#"{{"id":null,"method":"update","params":{params}}}"#);
            server.send(&update).await;
        }
    });
    // In this time everything happens that can.
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert!(!sending.is_finished(), "80 MiB wait in memory");
    for _ in 0..UPDATES {
        assert!(words(upstream.next().await).starts_with("update 0 "));
    }
    assert_eq!(words(upstream.next().await), "down 1 End of file []");
    sending.await.expect("no panic");
}

#[tokio::test(start_paused = true)]
async fn a_silent_server_is_probed_and_then_given_up() {
    let (client, mut servers) = start("tcp:a:1");
    let mut upstream = client.attach();
    let mut server = next(&mut servers).await;
    server.suit().await;
    assert_eq!(words(upstream.next().await), "up 1 db");
    let start = Instant::now();
    let (probe, id) = server.request().await;
    assert_eq!(probe, "echo []");
    assert_eq!(start.elapsed().as_secs(), 5);
    server.reply(id, "[]").await;
    assert_eq!(server.request().await.0, "echo []");
    assert_eq!(start.elapsed().as_secs(), 10);
    assert_eq!(
        words(upstream.next().await),
        "down 1 no response to inactivity probe []"
    );
    assert_eq!(start.elapsed().as_secs(), 15);
    let mut server = next(&mut servers).await;
    server.suit().await;
    assert_eq!(words(upstream.next().await), "up 2 db");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_will_not_do_is_left_for_a_while_and_the_reason_said() {
    let follower =
        format!(r#"{{"name":"db","model":"clustered","connected":true,"leader":false,{SCHEMA}}}"#);
    for (row, expected) in [
        (
            r#"{"name":"other"}"#,
            "the server does not have the database",
        ),
        (&*follower, "the server does not lead its cluster"),
        ("[]", "the server's updates of \"_Server\" are not in order"),
    ] {
        let (client, mut servers) = start("tcp:a:1");
        let mut server = next(&mut servers).await;
        let asked = Instant::now();
        server.tell(row).await;
        assert_eq!(server.receive().await, None);
        let mut status = client.status();
        let said = Status::Connecting {
            last: Some(expected.into()),
        };
        let said = status.wait_for(|status| *status == said).await;
        drop(said.expect("the client goes on"));
        let mut server = next(&mut servers).await;
        assert!(
            asked.elapsed() >= Duration::from_millis(800),
            "there is a pause"
        );
        server.suit().await;
        client.ready(None).await.expect("this one will do");
        assert_eq!(client.metrics().unfit, 1);
        assert_eq!(client.metrics().connections, 2);
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_lives_and_does_not_answer_is_left() {
    let (client, mut servers) = start("tcp:a:1,tcp:b:2");
    let mut server = next(&mut servers).await;
    let start = Instant::now();
    let mut probes = 0;
    while let Some(request) = server.receive().await {
        if request.get("method").and_then(Json::as_str) == Some("echo") {
            let id = request.get("id").and_then(Json::as_i64);
            server.reply(id.expect("it is a request"), "[]").await;
            probes += 1;
        }
    }
    assert_eq!((start.elapsed().as_secs(), probes), (60, 11));
    let mut server = next(&mut servers).await;
    server.suit().await;
    client.ready(None).await.expect("this one will do");
    // Where the choice is made nothing is waited for any more.
    tokio::time::sleep(Duration::from_secs(8)).await;
    assert!(matches!(*client.status().borrow(), Status::Ready { .. }));
}

#[tokio::test(start_paused = true)]
async fn all_servers_are_tried_before_there_is_a_pause_which_then_grows() {
    let (client, mut servers) = start("tcp:a:1,tcp:b:2,tcp:c:3");
    let mut seconds = Vec::new();
    for _ in 0..5 {
        let start = Instant::now();
        for name in ["tcp:a:1", "tcp:b:2", "tcp:c:3"] {
            let mut server = next(&mut servers).await;
            assert_eq!(server.name, name);
            seconds.push(start.elapsed().as_secs_f64().round());
            server.tell(r#"{"name":"other"}"#).await;
        }
    }
    let round = [1.0, 1.0, 1.0, 2.0, 2.0, 2.0];
    assert_eq!(seconds[..9], [&[0.0; 3][..], &round[..]].concat());
    assert!(
        seconds[9..]
            .iter()
            .all(|pause| (3.0..=10.0).contains(pause))
    );
    drop(client);
}

#[tokio::test(start_paused = true)]
async fn a_lost_lead_ends_the_connection_and_the_next_server_is_tried_at_once() {
    let (client, mut servers) = start("tcp:a:1,tcp:b:2");
    let mut upstream = client.attach();
    let mut server = next(&mut servers).await;
    let leader =
        format!(r#"{{"name":"db","model":"clustered","connected":true,"leader":true,{SCHEMA}}}"#);
    let monitor = server.tell(&leader).await;
    server.hear_of_awareness().await;
    assert_eq!(words(upstream.next().await), "up 1 db");
    tokio::time::sleep(Duration::from_secs(4)).await;
    let lost = Instant::now();
    let (asked, ()) = tokio::join!(client.list_dbs(None), async {
        server.request().await;
        server.change(monitor, r#"{"leader":false}"#).await;
        assert_eq!(server.receive().await, None);
    });
    assert!(matches!(
        asked,
        Err(RequestError::Disconnected(Disconnect::Unfit(
            Unfit::NotLeader
        )))
    ));
    assert_eq!(
        words(upstream.next().await),
        "down 1 the server does not lead its cluster []"
    );
    let mut server = next(&mut servers).await;
    assert_eq!(server.name, "tcp:b:2");
    server.tell(&leader).await;
    server.hear_of_awareness().await;
    assert_eq!(words(upstream.next().await), "up 2 db");
    assert_eq!(lost.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_left_as_soon_as_it_was_found_is_not_tried_again_at_once() {
    let (client, mut servers) = start("tcp:a:1");
    let start = Instant::now();
    for _ in 0..10 {
        let mut server = next(&mut servers).await;
        let monitor = server.suit().await;
        server.change(monitor, r#"{"schema":["set",[]]}"#).await;
        assert_eq!(server.receive().await, None);
    }
    assert!(start.elapsed() > Duration::from_secs(8), "there are pauses");
    drop(client);
}

#[tokio::test(start_paused = true)]
async fn a_conversion_is_told_on_the_same_connection() {
    let (client, mut servers) = start("tcp:a:1");
    let mut upstream = client.attach();
    let mut server = next(&mut servers).await;
    let monitor = server.suit().await;
    assert_eq!(words(upstream.next().await), "up 1 db");
    server
        .change(monitor, r#"{"schema":"{\"name\":\"new\",\"tables\":{}}"}"#)
        .await;
    server.show_schema("new").await;
    assert_eq!(words(upstream.next().await), "schema new");
    assert_eq!(words(client.attach().next().await), "up 1 new");
}

#[tokio::test(start_paused = true)]
async fn other_servers_are_used_when_told_to_and_a_connection_to_one_of_them_stays() {
    let (client, mut servers) = start("tcp:a:1");
    let mut upstream = client.attach();
    let mut server = next(&mut servers).await;
    server.suit().await;
    assert_eq!(words(upstream.next().await), "up 1 db");
    let no_list = client.set_remotes("");
    assert_eq!(no_list, Err(ConnectError::NoServers));
    client.set_remotes("tcp:b:2,tcp:a:1").expect("it is one");
    let id = ask(&upstream, 1, "[1]");
    assert_eq!(server.request().await, ("transact [1]".to_owned(), id));
    server.reply(id, "[]").await;
    assert_eq!(words(upstream.next().await), format!("reply {id} []"));
    client.set_remotes("tcp:c:3").expect("it is one");
    assert_eq!(
        words(upstream.next().await),
        "down 1 another connection was asked for []"
    );
    let mut server = next(&mut servers).await;
    assert_eq!(server.name, "tcp:c:3");
    server.suit().await;
    assert_eq!(words(upstream.next().await), "up 2 db");
    // Of another cluster it would be another database.
    client
        .set_remotes("tcp:c:3,cid:f6f2d3ce-05de-4a4b-9ab2-4dd9fd5ee6b9")
        .expect("it is one");
    assert_eq!(server.receive().await, None);
    assert!(words(upstream.next().await).starts_with("down 2 "));
    let mut server = next(&mut servers).await;
    server
        .tell(&format!(r#"{{"name":"db","model":"standalone",{SCHEMA}}}"#))
        .await;
    assert_eq!(server.receive().await, None);
}

#[tokio::test(start_paused = true)]
async fn a_client_reconnects_when_told_to_and_does_not_pause() {
    let (client, mut servers) = start("tcp:a:1");
    for _ in 0..3 {
        let mut server = next(&mut servers).await;
        server.suit().await;
        client.ready(None).await.expect("this one will do");
        tokio::time::sleep(Duration::from_secs(2)).await;
        let told = Instant::now();
        client.reconnect();
        assert_eq!(server.receive().await, None);
        let server = next(&mut servers).await;
        assert_eq!(told.elapsed(), Duration::ZERO);
        // This one is gone before it was of any use: there is a pause, unless told otherwise.
        drop(server);
        client.reconnect();
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_begins_to_insist_on_a_leader_gets_one() {
    let (network, mut servers) = network();
    let client = Client::builder("tcp:a:1")
        .database("db")
        .leader_only(false)
        .dial(network)
        .start()
        .expect("the method is well formed");
    let mut server = next(&mut servers).await;
    let follower =
        format!(r#"{{"name":"db","model":"clustered","connected":true,"leader":false,{SCHEMA}}}"#);
    server.tell(&follower).await;
    server.hear_of_awareness().await;
    client.ready(None).await.expect("this one will do");
    client.set_leader_only(true);
    assert_eq!(server.receive().await, None);
    let mut server = next(&mut servers).await;
    server.tell(&follower).await;
    assert_eq!(server.receive().await, None);
    // Told while there is no connection.
    client.set_leader_only(false);
    let mut server = next(&mut servers).await;
    server.tell(&follower).await;
    server.hear_of_awareness().await;
    client.ready(None).await.expect("this one will do");
}

#[tokio::test(start_paused = true)]
async fn a_lock_is_held_waited_for_lost_and_given_back() {
    let (client, mut servers) = start("tcp:a:1");
    let lock = client.lock("l").expect("nobody wants it");
    assert!(client.lock("l").is_err());
    assert!(client.steal("l").is_err());
    let mut state = lock.state();
    let mut server = next(&mut servers).await;
    server.suit().await;
    let (request, id) = server.request().await;
    assert_eq!(request, r#"lock ["l"]"#);
    assert!(!lock.is_held());
    server.reply(id, r#"{"locked":false}"#).await;
    state.changed().await.expect("the client goes on");
    assert_eq!(*state.borrow_and_update(), LockState::Waiting);
    server
        .send(r#"{"id":null,"method":"locked","params":["l"]}"#)
        .await;
    assert_eq!(lock.held(None).await, Ok(()));
    state.mark_unchanged();
    server
        .send(r#"{"id":null,"method":"stolen","params":["l"]}"#)
        .await;
    state.changed().await.expect("the client goes on");
    assert_eq!(*state.borrow_and_update(), LockState::Stolen);
    let soon = Some(Instant::now() + Duration::from_secs(1));
    let late = lock.held(soon).await;
    assert!(matches!(late, Err(ConnectError::Deadline { .. })));
    drop(server);
    state.changed().await.expect("the client goes on");
    assert_eq!(*state.borrow_and_update(), LockState::Lost);
    let mut server = next(&mut servers).await;
    server.suit().await;
    let (request, id) = server.request().await;
    assert_eq!(request, r#"lock ["l"]"#);
    server.reply(id, r#"{"locked":true}"#).await;
    assert_eq!(lock.held(None).await, Ok(()));
    drop(lock);
    let (request, id) = server.request().await;
    assert_eq!(request, r#"unlock ["l"]"#);
    let again = client.steal("l").expect("it was given back");
    server.reply(id, "{}").await;
    let (request, id) = server.request().await;
    assert_eq!(request, r#"steal ["l"]"#);
    server.reply(id, r#"{"locked":true}"#).await;
    assert_eq!(again.held(None).await, Ok(()));
    client.close();
    assert_eq!(
        again.state().wait_for(|_| false).await.err().map(drop),
        Some(())
    );
    assert!(!again.is_held());
    assert_eq!(again.held(None).await, Err(ConnectError::Closed));
    let late = client.lock("l").expect("nobody wants it");
    assert_eq!(late.held(None).await, Err(ConnectError::Closed));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_flooding_while_it_is_asked_is_no_obstacle() {
    let (client, mut servers) = start("tcp:a:1");
    let mut server = next(&mut servers).await;
    for _ in 0..10_000 {
        server
            .send(r#"{"id":null,"method":"update","params":[]}"#)
            .await;
    }
    server.suit().await;
    client.ready(None).await.expect("this one will do");
}

#[tokio::test(start_paused = true)]
async fn a_request_waits_for_a_connection_and_is_not_sent_twice() {
    let (client, mut servers) = start("tcp:a:1");
    let operations = [Json::Bool(true)];
    let asking = {
        let client = client.clone();
        tokio::spawn(async move { client.transact("db", &operations, None).await })
    };
    let mut server = next(&mut servers).await;
    server
        .tell(&format!(r#"{{"name":"db","model":"standalone",{SCHEMA}}}"#))
        .await;
    server.show_schema("db").await;
    let mut requests = [server.request().await.0, server.request().await.0];
    requests.sort();
    assert_eq!(
        requests,
        ["set_db_change_aware [true]", r#"transact ["db",true]"#]
    );
    drop(server);
    let result = asking.await.expect("no panic");
    assert!(matches!(
        result,
        Err(RequestError::Disconnected(Disconnect::EndOfFile))
    ));
    let mut server = next(&mut servers).await;
    server.suit().await;
    let (listed, ()) = tokio::join!(client.list_dbs(None), async {
        let (request, id) = server.request().await;
        assert_eq!(request, "list_dbs []");
        server.reply(id, r#"["db"]"#).await;
    });
    assert_eq!(listed.expect("connected"), ["db"]);
}

#[tokio::test(start_paused = true)]
async fn without_a_server_whoever_waits_gives_up_at_the_deadline_and_learns_why() {
    let client = Client::builder("unix:/nonexistent/socket").start();
    let client = client.expect("the method is well formed");
    let deadline = Some(Instant::now() + Duration::from_secs(5));
    let result = client.list_dbs(deadline).await;
    let Err(RequestError::NotConnected(ConnectError::Deadline { last: Some(why) })) = result else {
        panic!("{result:?}");
    };
    assert!(why.contains("No such file or directory"), "{why}");
    for (methods, expected) in [
        ("", ConnectError::NoServers),
        (
            "tcp:",
            ConnectError::Method(Method::parse("tcp:").expect_err("there is no host")),
        ),
    ] {
        assert_eq!(Client::builder(methods).start().err(), Some(expected));
    }
}

#[tokio::test(start_paused = true)]
async fn a_closed_client_ends_what_is_under_way() {
    let (client, mut servers) = start("tcp:a:1");
    let mut upstream = client.attach();
    let mut server = next(&mut servers).await;
    server.suit().await;
    assert_eq!(words(upstream.next().await), "up 1 db");
    let (result, ()) = tokio::join!(client.list_dbs(None), async {
        server.request().await;
        client.close();
    });
    assert!(matches!(
        result,
        Err(RequestError::Disconnected(Disconnect::Closed))
    ));
    assert_eq!(words(upstream.next().await), "end");
    assert_eq!(words(client.attach().next().await), "end");
    assert_eq!(server.receive().await, None);
    assert_eq!(client.ready(None).await, Err(ConnectError::Closed));
    let result = client.list_dbs(None).await;
    assert!(matches!(
        result,
        Err(RequestError::NotConnected(ConnectError::Closed))
    ));
}

#[tokio::test(start_paused = true)]
async fn the_connection_goes_with_the_last_client() {
    let (client, mut servers) = start("tcp:a:1");
    let mut server = next(&mut servers).await;
    server.suit().await;
    client.ready(None).await.expect("this one will do");
    let clone = client.clone();
    drop(client);
    clone.ready(None).await.expect("one client is left");
    drop(clone);
    assert_eq!(server.receive().await, None);
}
