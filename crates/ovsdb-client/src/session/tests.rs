//! Sessions with a scripted server at the other end of an in-memory stream.

use bytes::BytesMut;
use ovsdb_proto::framer::Framer;
use ovsdb_proto::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use super::*;
use crate::driver::BATCH_BYTES;
use crate::event::{Notification, Typed};

/// The server's end.
pub(super) struct Server {
    stream: DuplexStream,
    framer: Framer,
}

impl Server {
    pub(super) async fn send(&mut self, text: &str) {
        self.stream
            .write_all(text.as_bytes())
            .await
            .expect("the session reads");
    }

    /// The next message of the session, as compact JSON.
    pub(super) async fn receive(&mut self) -> String {
        loop {
            if let Some(bytes) = self.framer.next().expect("the session writes JSON") {
                return json::parse(&bytes)
                    .expect("the session writes JSON")
                    .to_string();
            }
            let n = self
                .stream
                .read_buf(self.framer.buf_mut())
                .await
                .expect("the stream is sound");
            assert_ne!(n, 0, "the session has closed the connection");
        }
    }

    async fn is_closed(&mut self) -> bool {
        let mut rest = BytesMut::new();
        self.stream
            .read_buf(&mut rest)
            .await
            .expect("the stream is sound")
            == 0
    }
}

pub(super) fn pair(options: &Options) -> (Session, Events, Server) {
    pair_with_buffer(options, 1 << 20)
}

fn pair_with_buffer(options: &Options, bytes: usize) -> (Session, Events, Server) {
    let (ours, theirs) = tokio::io::duplex(bytes);
    let (reader, writer) = tokio::io::split(ours);
    let (session, events) = Session::on("test".into(), reader, writer, options);
    (
        session,
        events,
        Server {
            stream: theirs,
            framer: Framer::new(1 << 20),
        },
    )
}

fn text(result: Result<Json, RequestError>) -> String {
    match result {
        Ok(result) => result.to_string(),
        Err(error) => format!("error: {error}"),
    }
}

#[tokio::test]
async fn replies_find_their_requests_in_whatever_order_they_come() {
    let (session, _events, mut server) = pair(&Options::default());
    let first = session.send("a", vec![]).await.expect("connected");
    let second = session
        .send("b", vec![Json::Integer(1)])
        .await
        .expect("connected");
    let third = session.send("c", vec![]).await.expect("connected");
    assert_eq!(
        server.receive().await,
        r#"{"id":0,"method":"a","params":[]}"#
    );
    assert_eq!(
        server.receive().await,
        r#"{"id":1,"method":"b","params":[1]}"#
    );
    assert_eq!(
        server.receive().await,
        r#"{"id":2,"method":"c","params":[]}"#
    );
    server
        .send(
            r#"{"id":2,"result":"c","error":null}{"id":7,"result":1,"error":null}
               {"id":0,"result":null,"error":{"error":"x"}}{"id":"1","result":1,"error":null}
               {"id":1,"result":["b"],"error":null}"#,
        )
        .await;
    assert_eq!(text(first.await), r#"error: {"error":"x"}"#);
    assert_eq!(text(second.await), r#"["b"]"#);
    assert_eq!(text(third.await), r#""c""#);
}

#[tokio::test]
async fn echo_requests_are_answered_unasked() {
    let (_session, _events, mut server) = pair(&Options::default());
    server
        .send(r#"{"id":"echo","method":"echo","params":[1,"x"]}"#)
        .await;
    assert_eq!(
        server.receive().await,
        r#"{"error":null,"id":"echo","result":[1,"x"]}"#
    );
}

#[tokio::test]
async fn a_server_that_probes_without_reading_is_cut_off() {
    let (_session, mut events, mut server) = pair_with_buffer(&Options::default(), 256);
    let probe = br#"{"id":1,"method":"echo","params":[]}"#;
    // The session goes away in the middle of it, so the last of these fail.
    while server.stream.write_all(probe).await.is_ok() {}
    assert!(matches!(events.next().await, Err(Disconnect::Probes)));
}

#[tokio::test]
async fn a_server_cannot_fill_the_memory_with_long_probes() {
    let (_session, mut events, mut server) = pair_with_buffer(&Options::default(), 256);
    let long = "x".repeat(1 << 20);
    let probe = format!(r#"{{"id":1,"method":"echo","params":["{long}"]}}"#);
    // One is being written and one waits.
    for _ in 0..2 {
        let sent = server.stream.write_all(probe.as_bytes()).await;
        sent.expect("the session reads");
    }
    let third = server.stream.write_all(probe.as_bytes()).await;
    assert!(third.is_ok() || matches!(events.next().await, Err(Disconnect::Probes)));
    assert!(matches!(events.next().await, Err(Disconnect::Probes)));
}

#[tokio::test]
async fn a_subscribed_reply_keeps_its_place_among_the_notifications() {
    let (session, mut events, mut server) = pair(&Options::default());
    server
        .send(r#"{"method":"before","params":[],"id":null}"#)
        .await;
    let id = session
        .subscribe("monitor", vec![])
        .await
        .expect("connected");
    server.receive().await;
    server
        .send(
            r#"{"id":0,"result":{},"error":null}
               {"method":"update","params":[null,{}],"id":null}"#,
        )
        .await;
    let notification = |event| match event {
        Ok(Event::Notification(Notification { method, .. })) => method,
        other => panic!("{other:?}"),
    };
    assert_eq!(notification(events.next().await), "before");
    match events.next().await {
        Ok(Event::Reply {
            id: replied,
            result,
        }) => {
            assert_eq!((replied, text(result)), (id, "{}".to_owned()));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(notification(events.next().await), "update");
}

#[tokio::test]
async fn whoever_waits_learns_why_the_session_ended() {
    for (last_words, expected) in [
        ("", "End of file"),
        ("{\"id\":0,", "End of file"),
        ("nonsense", "Protocol error"),
        ("{\"id\":0}", "Protocol error"),
        ("[}", "Protocol error"),
    ] {
        let (session, mut events, mut server) = pair(&Options::default());
        let pending = session.send("a", vec![]).await.expect("connected");
        server.receive().await;
        server.send(last_words).await;
        drop(server);
        assert_eq!(
            text(pending.await),
            format!("error: {expected}"),
            "{last_words:?}"
        );
        let reason = events
            .next()
            .await
            .map(|_| ())
            .map_err(|reason| reason.to_string());
        assert_eq!(reason, Err(expected.to_owned()), "{last_words:?}");
        assert_eq!(
            text(session.call("b", vec![], None).await),
            format!("error: {expected}"),
            "{last_words:?}"
        );
    }
}

#[tokio::test]
async fn a_reply_after_the_deadline_hurts_nobody() {
    let (session, _events, mut server) = pair(&Options::default());
    let late = session.call("a", vec![], Some(Instant::now())).await;
    assert!(matches!(late, Err(RequestError::DeadlineExceeded)));
    let next = session.send("b", vec![]).await.expect("connected");
    server
        .send(r#"{"id":0,"result":1,"error":null}{"id":1,"result":2,"error":null}"#)
        .await;
    assert_eq!(text(next.await), "2");
    assert_eq!(
        format!("{:?}", session.shared),
        "Shared { in_flight: 0, ended: None }"
    );
}

#[tokio::test]
async fn requests_beyond_the_limit_wait_for_their_turn() {
    let (session, _events, mut server) = pair(&Options {
        in_flight_max: 1,
        ..Options::default()
    });
    let first = session.send("a", vec![]).await.expect("connected");
    let other = session.clone();
    let second = tokio::spawn(async move { text(other.call("b", vec![], None).await) });
    assert_eq!(
        server.receive().await,
        r#"{"id":0,"method":"a","params":[]}"#
    );
    server.send(r#"{"id":0,"result":1,"error":null}"#).await;
    assert_eq!(text(first.await), "1");
    assert_eq!(
        server.receive().await,
        r#"{"id":1,"method":"b","params":[]}"#
    );
    server.send(r#"{"id":1,"result":2,"error":null}"#).await;
    assert_eq!(second.await.expect("no panic"), "2");
}

#[tokio::test]
async fn events_that_nobody_takes_hold_the_server_back_until_somebody_does() {
    const EVENTS: usize = 1000;
    let (_session, mut events, mut server) = pair_with_buffer(
        &Options {
            unread_max: 1,
            ..Options::default()
        },
        64,
    );
    let sender = tokio::spawn(async move {
        for n in 0..EVENTS {
            server
                .send(&format!(
                    "{{\"method\":\"locked\",\"params\":[\"{n}\"],\"id\":null}}"
                ))
                .await;
        }
        server
    });
    for n in 0..EVENTS {
        match events.next().await {
            Ok(Event::Notification(notification)) => {
                assert_eq!(notification.typed(), Typed::Locked(&n.to_string()));
            }
            other => panic!("{other:?}"),
        }
    }
    drop(sender.await.expect("no panic"));
}

#[tokio::test]
async fn dropped_events_hold_nothing_up() {
    let (session, events, mut server) = pair(&Options {
        unread_max: 1,
        ..Options::default()
    });
    drop(events);
    let pending = session.send("a", vec![]).await.expect("connected");
    for _ in 0..10 {
        server
            .send(r#"{"method":"update","params":[],"id":null}"#)
            .await;
    }
    server.send(r#"{"id":0,"result":1,"error":null}"#).await;
    assert_eq!(text(pending.await), "1");
}

#[tokio::test]
async fn the_connection_closes_with_the_last_handle() {
    let (session, _events, mut server) = pair(&Options::default());
    let other = session.clone();
    drop(session);
    other.notify("bye", vec![]).await.expect("connected");
    drop(other);
    assert_eq!(
        server.receive().await,
        r#"{"id":null,"method":"bye","params":[]}"#
    );
    assert!(server.is_closed().await);
}

#[test]
fn notifications_are_told_apart_by_method_and_parameters() {
    let monitor = Json::Null;
    let updates = Json::Bool(true);
    let cases = [
        (
            "update",
            "[null,true]",
            Typed::Update {
                monitor: &monitor,
                updates: &updates,
            },
        ),
        (
            "update2",
            "[null,true]",
            Typed::Update2 {
                monitor: &monitor,
                updates: &updates,
            },
        ),
        (
            "update3",
            "[null,\"id\",true]",
            Typed::Update3 {
                monitor: &monitor,
                last_transaction: "id",
                updates: &updates,
            },
        ),
        ("update3", "[null,1,true]", Typed::Other),
        ("locked", "[\"l\"]", Typed::Locked("l")),
        ("stolen", "[\"l\"]", Typed::Stolen("l")),
        ("stolen", "[]", Typed::Other),
        (
            "monitor_canceled",
            "[null]",
            Typed::MonitorCanceled(&monitor),
        ),
        ("anything", "[]", Typed::Other),
    ];
    for (method, params, expected) in cases {
        let Ok(Json::Array(params)) = json::parse(params.as_bytes()) else {
            panic!("{params}")
        };
        let notification = Notification {
            method: method.to_owned(),
            params,
        };
        assert_eq!(notification.typed(), expected);
    }
}

#[tokio::test]
async fn whoever_cancels_a_request_learns_what_became_of_it() {
    for (answer, expected) in [
        (
            r#"{"id":0,"result":null,"error":"canceled"}"#,
            Ok(Cancellation::Canceled),
        ),
        (
            r#"{"id":0,"result":null,"error":{"error":"canceled"}}"#,
            Ok(Cancellation::Canceled),
        ),
        (
            r#"{"id":0,"result":[{}],"error":null}"#,
            Ok(Cancellation::Done(
                json::parse(b"[{}]").expect("the case is JSON"),
            )),
        ),
        (
            r#"{"id":1,"result":[],"error":null}"#,
            Ok(Cancellation::Unanswered),
        ),
        (
            r#"{"id":0,"result":[],"error":null}{"id":1,"result":[],"error":null}"#,
            Ok(Cancellation::Done(
                json::parse(b"[]").expect("the case is JSON"),
            )),
        ),
        (
            r#"{"id":0,"result":null,"error":{"error":"not allowed"}}"#,
            Err(r#"{"error":"not allowed"}"#.to_owned()),
        ),
    ] {
        let (session, _events, mut server) = pair(&Options::default());
        let pending = session
            .begin_transact("db", vec![])
            .await
            .expect("connected");
        let (outcome, ()) = tokio::join!(pending.cancel(), async {
            assert_eq!(
                server.receive().await,
                r#"{"id":0,"method":"transact","params":["db"]}"#
            );
            assert_eq!(
                server.receive().await,
                r#"{"id":null,"method":"cancel","params":[0]}"#
            );
            assert_eq!(
                server.receive().await,
                r#"{"id":1,"method":"echo","params":[]}"#
            );
            server.send(answer).await;
        });
        assert_eq!(outcome.map_err(|error| error.to_string()), expected);
    }
}

#[tokio::test]
async fn a_transaction_that_nobody_awaits_any_more_is_cancelled_and_nothing_else_is() {
    let (session, _events, mut server) = pair(&Options::default());
    drop(session.send("monitor", vec![]).await.expect("connected"));
    drop(
        session
            .begin_transact("a", vec![])
            .await
            .expect("connected"),
    );
    let late = session.transact("b", vec![], Some(Instant::now())).await;
    assert!(matches!(late, Err(RequestError::DeadlineExceeded)));
    let answered = session.begin_transact("c", vec![]).await;
    server.send(r#"{"id":3,"result":[],"error":null}"#).await;
    assert_eq!(text(answered.expect("connected").await), "[]");
    session.notify("last", vec![]).await.expect("connected");
    for expected in [
        r#"{"id":0,"method":"monitor","params":[]}"#,
        r#"{"id":1,"method":"transact","params":["a"]}"#,
        r#"{"id":null,"method":"cancel","params":[1]}"#,
        r#"{"id":2,"method":"transact","params":["b"]}"#,
        r#"{"id":null,"method":"cancel","params":[2]}"#,
        r#"{"id":3,"method":"transact","params":["c"]}"#,
        r#"{"id":null,"method":"last","params":[]}"#,
    ] {
        assert_eq!(server.receive().await, expected);
    }
}

#[tokio::test]
async fn a_request_that_never_left_is_told_from_one_that_may_have_arrived() {
    // The first request is longer than what the stream holds, so the second waits behind it.
    let (session, _events, mut server) = pair_with_buffer(&Options::default(), 16);
    let long = Json::string("x".repeat(BATCH_BYTES));
    let first = session.send("a", vec![long]).await.expect("connected");
    let mut beginning = [0; 16];
    let read = server.stream.read_exact(&mut beginning).await;
    read.expect("the first request is on its way");
    let second = session.send("b", vec![]).await.expect("connected");
    drop(server);
    assert!(matches!(first.await, Err(RequestError::Disconnected(_))));
    assert!(matches!(second.await, Err(RequestError::NotSent(_))));
    let third = session.send("c", vec![]).await;
    assert!(matches!(third, Err(RequestError::NotSent(_))));
}

#[tokio::test(start_paused = true)]
async fn long_events_that_nobody_takes_hold_the_server_back_however_few_they_are() {
    let (session, mut events, mut server) = pair_with_buffer(
        &Options {
            unread_bytes_max: 4096,
            ..Options::default()
        },
        64,
    );
    let long = format!(
        "{{\"method\":\"locked\",\"params\":[\"{}\"],\"id\":null}}",
        "x".repeat(4096)
    );
    let sending = async {
        for _ in 0..10 {
            server.send(&long).await;
        }
    };
    let mut sending = std::pin::pin!(sending);
    // The time passes at once when nothing else can happen.
    let minute = std::time::Duration::from_secs(60);
    let sent = tokio::time::timeout(minute, &mut sending).await;
    assert!(sent.is_err(), "ten long events were taken in");
    assert!(
        session.last_heard() == Instant::now(),
        "a server that is held back is not silent"
    );
    let taking = async {
        for _ in 0..10 {
            events.next().await.expect("connected");
        }
    };
    tokio::join!(sending, taking);
}

#[tokio::test]
async fn a_closed_session_is_over_for_every_handle() {
    let (session, mut events, mut server) = pair(&Options::default());
    let pending = session.send("a", vec![]).await.expect("connected");
    server.receive().await;
    session.clone().close();
    assert_eq!(text(pending.await), "error: the session was closed");
    assert!(matches!(events.next().await, Err(Disconnect::Closed)));
    assert!(server.is_closed().await);
}
