//! Connections over real sockets: chunking, half-closed peers, limits, and what gets lost when a peer misbehaves.

use std::path::PathBuf;

use bytes::Bytes;
use ovsdb_net::{Connection, Limits, Listener, Method, RecvError, SendError, Stream};
use ovsdb_proto::jsonrpc::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

struct Pair {
    /// Our side.
    connection: Connection,
    /// The peer, as raw bytes.
    peer: UnixStream,
    _listener: Listener,
    _folder: tempfile::TempDir,
}

async fn pair(limits: Limits) -> Pair {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path: PathBuf = folder.path().join("sock");
    let listener = Listener::bind(&Method::punix(&path))
        .await
        .expect("a listening socket");
    let peer = UnixStream::connect(&path).await.expect("a connected peer");
    let stream = listener.accept().await.expect("the peer");
    Pair {
        connection: Connection::new(stream, limits),
        peer,
        _listener: listener,
        _folder: folder,
    }
}

const MESSAGES: [&str; 3] = [
    r#"{"id":"echo","method":"echo","params":[]}"#,
    r#"{"id":1,"method":"transact","params":["db \"{[\\",{"op":"x"}]}"#,
    r#"{"id":null,"method":"update","params":[null,{"t":{"ü":[]}}]}"#,
];

#[tokio::test]
async fn messages_come_whole_whatever_the_chunks() {
    let text = MESSAGES.join("\n ");
    for size in [1, 2, 3, 7, 64, text.len()] {
        let Pair {
            mut connection,
            mut peer,
            _listener,
            _folder,
        } = pair(Limits::default()).await;
        let bytes = text.clone().into_bytes();
        let writer = tokio::spawn(async move {
            for chunk in bytes.chunks(size) {
                peer.write_all(chunk).await.expect("an open socket");
                peer.flush().await.expect("an open socket");
                tokio::task::yield_now().await;
            }
            peer
        });
        for expect in MESSAGES {
            assert_eq!(
                connection.recv().await.expect("a message"),
                expect,
                "chunks of {size}"
            );
        }
        drop(writer.await.expect("no panic"));
        assert!(
            matches!(connection.recv().await, Err(RecvError::Eof)),
            "chunks of {size}"
        );
        let (reader, _) = connection.split();
        assert_eq!(reader.received_bytes(), text.len() as u64);
    }
}

#[tokio::test]
async fn a_half_closed_peer_still_gets_its_replies() {
    let Pair {
        mut connection,
        mut peer,
        _listener,
        _folder,
    } = pair(Limits::default()).await;
    peer.write_all(MESSAGES[0].as_bytes())
        .await
        .expect("an open socket");
    peer.shutdown().await.expect("an open socket");
    let Message::Request { id, .. } = connection.recv_message().await.expect("the request") else {
        panic!("not a request");
    };
    assert!(matches!(connection.recv().await, Err(RecvError::Eof)));
    connection
        .send_message(&Message::Reply {
            result: ovsdb_proto::json::Json::Array(Vec::new()),
            id,
        })
        .await
        .expect("the peer reads");
    drop(connection);
    let mut text = String::new();
    peer.read_to_string(&mut text).await.expect("the reply");
    assert_eq!(text, r#"{"error":null,"id":"echo","result":[]}"#);
}

#[tokio::test]
async fn an_unfinished_message_is_dropped_at_the_end() {
    let Pair {
        mut connection,
        mut peer,
        _listener,
        _folder,
    } = pair(Limits::default()).await;
    peer.write_all(b"{\"id\":").await.expect("an open socket");
    drop(peer);
    assert!(matches!(connection.recv().await, Err(RecvError::Eof)));
}

#[tokio::test]
async fn wrong_input_ends_the_connection_with_a_protocol_error() {
    let cases: [(&[u8], &str); 5] = [
        (b"\"x\"", "Protocol error"),
        (b"}", "Protocol error"),
        (b"\x16\x03\x01\x02", "Protocol error"),
        (b"{\"method\":1}", "Protocol error"),
        (b"[]", "Protocol error"),
    ];
    for (input, expect) in cases {
        let Pair {
            mut connection,
            mut peer,
            _listener,
            _folder,
        } = pair(Limits::default()).await;
        peer.write_all(input).await.expect("an open socket");
        let error = connection.recv_message().await.expect_err("no message");
        assert_eq!(error.reason(), expect, "{input:?}");
    }
}

#[tokio::test]
async fn a_message_beyond_the_limit_is_refused() {
    let limits = Limits {
        message_bytes_max: 16,
        ..Limits::default()
    };
    let Pair {
        mut connection,
        mut peer,
        _listener,
        _folder,
    } = pair(limits).await;
    peer.write_all(b"[1,2,3] [1,2,3,4,5,6,7,8,9,10]")
        .await
        .expect("an open socket");
    assert_eq!(connection.recv().await.expect("a short message"), "[1,2,3]");
    let error = connection.recv().await.expect_err("a long one");
    assert!(matches!(error, RecvError::Frame(_)), "{error:?}");
}

#[tokio::test]
async fn pieces_are_written_in_order_and_counted() {
    let Pair {
        mut connection,
        mut peer,
        _listener,
        _folder,
    } = pair(Limits::default()).await;
    let (_, writer) = connection.halves();
    // More pieces than one call to the kernel takes, and empty ones among them.
    let pieces: Vec<Bytes> = (0..1000)
        .flat_map(|n| [Bytes::from(format!("{n},")), Bytes::new()])
        .collect();
    let expect: Vec<u8> = pieces.concat();
    writer.queue(pieces).expect("no limit");
    writer
        .queue([Bytes::from_static(b"end")])
        .expect("no limit");
    writer.queue([Bytes::new()]).expect("nothing");
    assert_eq!(
        (writer.backlog().messages, writer.backlog().bytes),
        (2, expect.len() + 3)
    );
    writer.flush().await.expect("the peer reads");
    assert_eq!((writer.backlog().messages, writer.backlog().bytes), (0, 0));
    assert_eq!(writer.sent_bytes(), expect.len() as u64 + 3);
    drop(connection);
    let mut got = Vec::new();
    peer.read_to_end(&mut got).await.expect("what was written");
    assert_eq!(got, [expect, b"end".to_vec()].concat());
}

#[tokio::test]
async fn a_peer_that_does_not_read_runs_into_the_backlog_limit() {
    let limits = Limits {
        backlog_bytes_max: 1 << 20,
        ..Limits::default()
    };
    let Pair {
        mut connection,
        peer,
        _listener,
        _folder,
    } = pair(limits).await;
    let (_, writer) = connection.halves();
    let piece = Bytes::from(vec![b'x'; 100_000]);
    let mut queued = 0;
    let error = loop {
        // Write as much as the kernel takes without the peer reading.
        while let std::task::Poll::Ready(done) = futures_poll(writer.flush_some()).await {
            if done.expect("an open socket") == 0 {
                break;
            }
        }
        match writer.queue([piece.clone()]) {
            Ok(()) => queued += 1,
            Err(error) => break error,
        }
        assert!(queued < 1000, "the limit is never reached");
    };
    assert!(
        matches!(error, SendError::Backlog { bytes, .. } if bytes > 1 << 20),
        "{error:?}"
    );
    assert_eq!(error.reason(), "Argument list too long");
    assert!(
        writer.backlog().bytes <= 1 << 20,
        "the refused message is not queued"
    );
    drop(peer);
}

#[tokio::test]
async fn one_message_of_any_size_may_wait_alone() {
    let limits = Limits {
        backlog_bytes_max: 10,
        backlog_messages_max: 1,
        ..Limits::default()
    };
    let Pair {
        mut connection,
        peer: _peer,
        _listener,
        _folder,
    } = pair(limits).await;
    let (_, writer) = connection.halves();
    writer
        .queue([Bytes::from(vec![b'x'; 1000])])
        .expect("nothing else waits");
    let error = writer
        .queue([Bytes::from_static(b"y")])
        .expect_err("something waits");
    assert!(
        matches!(
            error,
            SendError::Backlog {
                bytes: 1001,
                messages: 2
            }
        ),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_peer_that_is_gone_is_an_error_to_write_to() {
    let Pair {
        mut connection,
        peer,
        _listener,
        _folder,
    } = pair(Limits::default()).await;
    drop(peer);
    let error = connection
        .send(Bytes::from_static(b"{}"))
        .await
        .expect_err("nobody is there");
    assert_eq!(error.reason(), "Broken pipe");
}

#[tokio::test]
async fn cancelled_waits_lose_nothing() {
    let Pair {
        mut connection,
        mut peer,
        _listener,
        _folder,
    } = pair(Limits::default()).await;
    for chunk in MESSAGES[1].as_bytes().chunks(5) {
        assert!(
            futures_poll(connection.recv()).await.is_pending(),
            "not complete yet"
        );
        peer.write_all(chunk).await.expect("an open socket");
    }
    assert_eq!(connection.recv().await.expect("a message"), MESSAGES[1]);
}

#[tokio::test]
async fn both_sides_may_be_ours() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let method = Method::punix(folder.path().join("s"));
    let listener = Listener::bind(&method).await.expect("a listening socket");
    let client = Method::unix(folder.path().join("s"));
    let (client, server) = tokio::join!(Stream::connect(&client), listener.accept());
    let mut client = Connection::new(client.expect("connected"), Limits::default());
    let mut server = Connection::new(server.expect("accepted"), Limits::default());
    let big = format!("[\"{}\"]", "x".repeat(3_000_000));
    let send = async {
        client.send(big.clone()).await.expect("sent");
        client
    };
    let (client, got) = tokio::join!(send, server.recv());
    assert_eq!(got.expect("a message").len(), big.len());
    drop(client);
    assert!(matches!(server.recv().await, Err(RecvError::Eof)));
}

/// Polls a future once and drops it.
async fn futures_poll<F: Future>(future: F) -> std::task::Poll<F::Output> {
    let mut future = std::pin::pin!(future);
    std::future::poll_fn(|cx| std::task::Poll::Ready(future.as_mut().poll(cx))).await
}
