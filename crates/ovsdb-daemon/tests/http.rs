//! Pages over HTTP, asked for as clients of all kinds do, over TCP and Unix sockets.
//!
//! Knows nothing of what daemons tell there.

use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use ovsdb_daemon::http::{HttpAddress, HttpServer, Page, Pages};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

/// Pages on a TCP port of the system's choice.
async fn server() -> u16 {
    let address = "127.0.0.1:0".parse().expect("an address");
    let server = HttpServer::bind(&address).await.expect("a free port");
    let port = server.port().expect("a TCP port");
    tokio::spawn(server.run(pages()));
    port
}

fn pages() -> Pages {
    Pages::new()
        .with("/good", || async { Page::plain(true, "yes\n") })
        .with("/bad", || async { Page::plain(false, "no\n") })
        .with("/long", || async { Page::plain(true, "x".repeat(8 << 20)) })
}

async fn tcp(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).await;
    stream.expect("somebody who listens")
}

/// What comes until the other side closes the connection.
async fn rest(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut text = Vec::new();
    // Whoever is sent away may hear of it by a reset.
    let _ = stream.read_to_end(&mut text).await;
    String::from_utf8(text).expect("text")
}

async fn ask(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), request: &str) -> String {
    let sent = stream.write_all(request.as_bytes()).await;
    sent.expect("somebody who reads");
    rest(stream).await
}

/// The status and the text of the answer.
async fn get(port: u16, request: &str) -> (String, String) {
    let answer = ask(&mut tcp(port).await, request).await;
    let (head, text) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.lines().next().unwrap_or_default();
    (status.to_owned(), text.to_owned())
}

#[tokio::test]
async fn pages_are_read_by_their_paths() {
    let port = server().await;
    // (the first line, the status, the text)
    let cases = [
        ("GET /good HTTP/1.1", "HTTP/1.1 200 OK", "yes\n"),
        ("GET /good?x=y HTTP/1.1", "HTTP/1.1 200 OK", "yes\n"),
        ("HEAD /good HTTP/1.1", "HTTP/1.1 200 OK", ""),
        ("GET /good HTTP/1.0", "HTTP/1.0 200 OK", "yes\n"),
        (
            "GET /bad HTTP/1.1",
            "HTTP/1.1 503 Service Unavailable",
            "no\n",
        ),
        (
            "GET / HTTP/1.1",
            "HTTP/1.1 404 Not Found",
            "There are /bad, /good, /long.\n",
        ),
        (
            "POST /good HTTP/1.1",
            "HTTP/1.1 405 Method Not Allowed",
            "Pages can only be read.\n",
        ),
        ("{\"method\":\"echo\"}", "HTTP/1.1 400 Bad Request", ""),
    ];
    for (line, status, text) in cases {
        let request = format!("{line}\r\nHost: x\r\nConnection: close\r\n\r\n");
        let expected = (status.to_owned(), text.to_owned());
        assert_eq!(get(port, &request).await, expected, "{line}");
    }
}

#[tokio::test]
async fn one_connection_serves_several_requests() {
    let mut stream = tcp(server().await).await;
    let request = "GET /good HTTP/1.1\r\nHost: x\r\n\r\n".repeat(2)
        + "GET /bad HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let answer = ask(&mut stream, &request).await;
    assert_eq!(answer.matches("200 OK").count(), 2, "{answer}");
    assert!(answer.ends_with("no\n"), "{answer}");
}

#[tokio::test]
async fn a_request_without_end_is_refused() {
    let port = server().await;
    let request = format!("GET /good HTTP/1.1\r\nX: {}", "x".repeat(100_000));
    let mut stream = tcp(port).await;
    // The server need not read it to its end.
    let _ = stream.write_all(request.as_bytes()).await;
    let answer = rest(&mut stream).await;
    assert!(!answer.contains("200 OK"), "{answer}");
}

#[tokio::test]
async fn those_who_say_nothing_keep_nobody_from_pages() {
    let port = server().await;
    let mut silent = Vec::new();
    for number in 0..100 {
        let mut stream = tcp(port).await;
        if number % 2 == 0 {
            let begun = stream.write_all(b"GET /good HTTP/1.1\r\nX: ").await;
            begun.expect("somebody who reads");
        }
        silent.push(stream);
    }
    let good = "GET /good HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    assert_eq!(get(port, good).await.1, "yes\n");
    // The oldest have given way.
    assert_eq!(rest(&mut silent[0]).await, "");
}

#[tokio::test]
async fn those_who_do_not_read_keep_nobody_from_pages() {
    let port = server().await;
    let mut deaf = Vec::new();
    for _ in 0..40 {
        let mut stream = tcp(port).await;
        let asked = stream.write_all(b"GET /long HTTP/1.1\r\nHost: x\r\n\r\n");
        asked.await.expect("somebody who reads");
        deaf.push(stream);
    }
    let good = "GET /good HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    assert_eq!(get(port, good).await.1, "yes\n");
}

#[tokio::test(start_paused = true)]
async fn silence_ends_a_connection_and_so_does_its_age() {
    let port = server().await;
    let mut stream = tcp(port).await;
    let begun = tokio::time::Instant::now();
    // The clock goes on when everybody waits.
    assert_eq!(rest(&mut stream).await, "");
    let took = begun.elapsed().as_secs();
    assert!((5..=60).contains(&took), "after {took} seconds");
}

#[tokio::test]
async fn a_unix_socket_has_its_file_for_as_long_as_it_listens() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("http.sock");
    let address = HttpAddress::Unix(path.clone());
    let is_socket = |path: &Path| {
        let meta = std::fs::symlink_metadata(path);
        meta.is_ok_and(|meta| meta.file_type().is_socket())
    };
    // What a server left that was killed does not matter.
    drop(std::os::unix::net::UnixListener::bind(&path).expect("a socket"));
    assert!(is_socket(&path));
    let server = HttpServer::bind(&address).await.expect("a socket");
    assert_eq!(server.port(), None);
    assert!(is_socket(&path));
    let running = tokio::spawn(server.run(pages()));
    let mut stream = UnixStream::connect(&path).await.expect("a server");
    let answer = ask(&mut stream, "GET /good HTTP/1.0\r\n\r\n").await;
    assert!(answer.ends_with("yes\n"), "{answer}");
    running.abort();
    assert!(running.await.is_err());
    assert!(!path.exists());
}

#[tokio::test]
async fn a_unix_socket_takes_no_name_from_others() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("x");
    let address = HttpAddress::Unix(path.clone());
    let refused = async |reason: &str| {
        let error = HttpServer::bind(&address).await.expect_err("a name in use");
        let expected = format!("--http={address}: binding failed: {reason}");
        assert_eq!(error.to_string(), expected);
    };
    std::fs::write(&path, "precious").expect("a file");
    refused("File exists").await;
    let text = std::fs::read_to_string(&path).expect("the file");
    assert_eq!(text, "precious");
    std::fs::remove_file(&path).expect("a file");
    let _other = tokio::net::UnixListener::bind(&path).expect("a socket");
    refused("Address already in use").await;
    UnixStream::connect(&path).await.expect("the other one");
}

#[tokio::test]
async fn an_address_in_use_is_named() {
    let port = server().await;
    let address = format!("127.0.0.1:{port}").parse().expect("an address");
    let error = HttpServer::bind(&address).await.expect_err("a port in use");
    assert_eq!(
        error.to_string(),
        format!("--http=127.0.0.1:{port}: bind: Address already in use")
    );
    let address = "unix:/no/such/folder/x".parse().expect("an address");
    let error = HttpServer::bind(&address).await.expect_err("no folder");
    assert_eq!(
        error.to_string(),
        "--http=unix:/no/such/folder/x: binding failed: No such file or directory"
    );
}
