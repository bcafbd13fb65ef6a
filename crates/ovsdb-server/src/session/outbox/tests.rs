//! The outbox over streams: what is gathered, and what a stream holds back that the peer has no room for.

use std::future::poll_fn;

use ovsdb_net::{CaFile, Listener, Method, SocketOptions, Stream, Tls, TlsSettings};
use rcgen::{CertificateParams, KeyPair};
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;

use super::Outbox;
use crate::limits;
use crate::published::Text;

/// Two ends of a TLS connection who do not ask who the other is.
async fn pair() -> (Stream, Stream) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let key = KeyPair::generate().expect("random numbers");
    let params = CertificateParams::new(Vec::new()).expect("no names, no trouble");
    let certificate = params.self_signed(&key).expect("a certificate");
    let write = |name: &str, text: String| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("a writable folder");
        Some(path)
    };
    let tls = Tls::new();
    tls.set(TlsSettings {
        private_key: write("key.pem", key.serialize_pem()),
        certificate: write("certificate.pem", certificate.pem()),
        ca: Some(CaFile::Disabled),
        ..TlsSettings::default()
    });
    let options = SocketOptions {
        tls,
        ..SocketOptions::default()
    };
    let method = Method::parse("pssl:0:127.0.0.1").expect("a method");
    let listener = Listener::bind_with(&method, &options).await;
    let listener = listener.expect("a free port");
    let port = listener.bound_port().expect("TCP has ports");
    let method = Method::parse(&format!("ssl:127.0.0.1:{port}")).expect("a method");
    let (accepted, connected) =
        tokio::join!(listener.accept(), Stream::connect_with(&method, &options));
    (accepted.expect("a client"), connected.expect("a server"))
}

#[tokio::test]
async fn what_a_stream_holds_back_counts_and_leaves_without_another_message() {
    let (server, client) = pair().await;
    let (_unread, write) = server.into_split();
    let mut outbox = Outbox::new("client".into(), write, usize::MAX);
    assert_eq!(outbox.backlog(), 0);
    // The socket shows that it takes something only when the runtime has looked.
    tokio::task::yield_now().await;
    let message = [b' '; 50_000];
    let mut sent = 0;
    // Until the peer, who does not read, has no more room.
    while outbox.backlog() == 0 {
        outbox.send(|buffer| {
            buffer.extend(message);
            true
        });
        sent += message.len();
        outbox.try_send();
    }
    assert_eq!(outbox.queued, 0, "the stream has taken the last message");
    let taken = outbox.taken();
    let finish = async {
        let finished = poll_fn(|cx| outbox.poll_send(cx)).await;
        finished.expect("an open stream");
        assert_eq!(outbox.backlog(), 0, "nothing is left behind");
        // That the peer reads is seen, though nothing was added.
        assert!(outbox.taken() > taken);
    };
    let (mut read, _write) = client.into_split();
    let mut received = vec![0; sent];
    let ((), read) = tokio::join!(finish, read.read_exact(&mut received));
    assert_eq!(read.expect("an open stream"), sent);
}

#[tokio::test]
async fn many_small_texts_are_sent_together_and_in_order() {
    let (ours, mut peer) = UnixStream::pair().expect("a pair of sockets");
    let ours = ours.into_std().expect("a socket of this runtime");
    let stream = Stream::from_unix(ours).expect("room for a socket");
    let (_read, write) = stream.into_split();
    let mut out = Outbox::new("test".into(), write, 1 << 30);
    let mut expected = Vec::new();
    for number in 0..1_000 {
        let is_large = number == 500;
        let length = if is_large {
            limits::OUTBOX_GATHERED_BYTES + 1
        } else {
            100
        };
        let text = format!("{number:length$}").into_bytes();
        expected.extend_from_slice(&text);
        out.send_messages(Text::new(text.into()));
    }
    // The first small one, the large one, and what is before and behind it.
    let chunks = 4 + expected.len() / limits::OUTBOX_CHUNK_BYTES;
    assert!(out.chunks.len() <= chunks, "{} chunks", out.chunks.len());
    assert_eq!(out.backlog(), expected.len());
    let mut received = vec![0; expected.len()];
    let send = poll_fn(|cx| out.poll_send(cx));
    let (sent, read) = tokio::join!(send, peer.read_exact(&mut received));
    sent.expect("the peer takes it");
    read.expect("all of it");
    assert!(received == expected);
    assert_eq!(out.backlog(), 0);
}
