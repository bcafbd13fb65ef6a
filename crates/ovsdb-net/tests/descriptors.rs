//! A process that has no file descriptor left: whoever is connected stays connected.
//!
//! Alone in its program, because the limit is that of a process.

use std::future::poll_fn;
use std::io::Read;
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::task::Poll;

use ovsdb_net::Stream;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncWrite, AsyncWriteExt};

#[tokio::test]
async fn a_peer_that_takes_little_at_a_time_is_sent_everything() {
    let (ours, mut peer) = UnixStream::pair().expect("a pair of sockets");
    let stream = Stream::from_unix(ours).expect("room for a socket");
    let (_read, mut write) = stream.into_split();
    let before = getrlimit(Resource::Nofile);
    let none = Rlimit {
        current: Some(3),
        ..before
    };
    setrlimit(Resource::Nofile, none).expect("a lower limit");
    peer.try_clone().expect_err("there is no descriptor left");

    let text: Vec<u8> = (0..4_000_000_u32).map(|number| number as u8).collect();
    let mut sent = 0;
    poll_fn(|cx| {
        while let Poll::Ready(count) = Pin::new(&mut write).poll_write(cx, &text[sent..]) {
            sent += count.expect("an open socket");
        }
        Poll::Ready(())
    })
    .await;
    assert!(sent < text.len(), "it is held up");
    let mut got = vec![0; text.len()];
    let reads = std::thread::spawn(move || {
        peer.read_exact(&mut got).expect("an open socket");
        got
    });
    write
        .write_all(&text[sent..])
        .await
        .expect("an open socket");
    assert!(reads.join().expect("no panic") == text);
}
