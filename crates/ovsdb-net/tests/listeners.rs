//! Listening and connecting: socket files, ports, names of peers, and errors in the operating system's words.

use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt as _;

use ovsdb_net::{Listener, Method, NetError, SocketOptions, Stream};

/// The process's umask, which the kernel applies to socket files too.
fn umask() -> u32 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux has it");
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("Umask:"))
        .expect("Linux shows it");
    u32::from_str_radix(line.trim(), 8).expect("octal")
}

fn method(text: &str) -> Method {
    Method::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[tokio::test]
async fn socket_files_are_for_user_and_group_and_go_with_the_listener() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("s");
    std::fs::write(&path, "stale").expect("a stale file");
    let listener = Listener::bind(&Method::punix(&path))
        .await
        .expect("bound over the stale file");
    let mode = std::fs::metadata(&path)
        .expect("the socket file")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o770 & !umask());
    assert_eq!(listener.name(), format!("punix:{}", path.display()));
    assert_eq!(listener.bound_port(), None);
    drop(listener);
    assert!(!path.exists());
}

#[tokio::test]
async fn paths_longer_than_the_kernels_address_work() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let deep = folder.path().join("d".repeat(100)).join("e".repeat(100));
    std::fs::create_dir_all(&deep).expect("deep folders");
    let path = deep.join("sock");
    let listener = Listener::bind(&Method::punix(&path)).await.expect("bound");
    let unix = Method::unix(&path);
    let (client, server) = tokio::join!(Stream::connect(&unix), listener.accept());
    assert_eq!(
        client.expect("connected").name(),
        format!("unix:{}", path.display())
    );
    assert!(server.is_ok());
    drop(listener);
    assert!(!path.exists());
}

#[tokio::test]
async fn unix_peers_are_numbered_and_tcp_peers_named_by_address() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("s");
    let listener = Listener::bind(&Method::punix(&path)).await.expect("bound");
    let _client = Stream::connect(&Method::unix(&path))
        .await
        .expect("connected");
    let name = listener.accept().await.expect("a peer").name().to_owned();
    let number = name.strip_prefix("unix#").expect("a number");
    assert!(number.parse::<u32>().is_ok(), "{name}");

    for (passive, shown) in [("ptcp:0:127.0.0.1", "127.0.0.1"), ("ptcp:0:[::1]", "[::1]")] {
        let listener = Listener::bind(&method(passive)).await.expect("bound");
        let port = listener.bound_port().expect("a TCP port");
        assert_eq!(listener.name(), format!("ptcp:{port}:{shown}"));
        let active = format!("tcp:{shown}:{port}");
        let client = Stream::connect(&method(&active)).await.expect("connected");
        assert_eq!(client.name(), active);
        let peer = listener.accept().await.expect("a peer");
        assert!(
            peer.name().starts_with(&format!("tcp:{shown}:")),
            "{}",
            peer.name()
        );
    }
}

#[tokio::test]
async fn a_port_can_be_bound_again_at_once() {
    let first = Listener::bind(&method("ptcp:0:127.0.0.1"))
        .await
        .expect("bound");
    let port = first.bound_port().expect("a TCP port");
    let client = Stream::connect(&method(&format!("tcp:127.0.0.1:{port}")))
        .await
        .expect("connected");
    drop(first.accept().await.expect("a peer"));
    drop((first, client));
    Listener::bind(&method(&format!("ptcp:{port}:127.0.0.1")))
        .await
        .expect("bound again");
}

#[tokio::test]
async fn names_of_hosts_are_resolved() {
    let listener = Listener::bind(&method("ptcp:0:localhost"))
        .await
        .expect("bound");
    let port = listener.bound_port().expect("a TCP port");
    Stream::connect(&method(&format!("tcp:localhost:{port}")))
        .await
        .expect("connected");
}

#[tokio::test]
async fn an_inherited_descriptor_is_listened_on() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("s");
    let inherited = std::os::unix::net::UnixListener::bind(&path).expect("bound");
    ovsdb_net::inherit(3, inherited.into());
    assert!(ovsdb_net::unused_inherited().contains(&3));
    // And again after it was closed.
    for _ in 0..2 {
        let listener = Listener::bind(&method("pfd:3")).await.expect("adopted");
        let _client = Stream::connect(&Method::unix(&path))
            .await
            .expect("connected");
        listener.accept().await.expect("a peer");
    }
    assert!(!ovsdb_net::unused_inherited().contains(&3));
    assert!(path.exists(), "the file is not ours");
}

#[tokio::test]
async fn an_inherited_port_has_the_code_point_that_is_asked_for() {
    let inherited = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let port = inherited.local_addr().expect("a port").port();
    let ours = inherited.try_clone().expect("a duplicate");
    ovsdb_net::inherit(4, inherited.into());
    let options = SocketOptions {
        dscp: 10,
        ..SocketOptions::default()
    };
    let listener = Listener::bind_with(&method("pfd:4"), &options)
        .await
        .expect("adopted");
    assert_eq!(listener.bound_port(), Some(port));
    let socket = socket2::SockRef::from(&ours);
    assert_eq!(socket.tos_v4().expect("an option of the socket"), 10 << 2);
}

#[tokio::test]
async fn errors_tell_the_reason_in_the_words_of_the_operating_system() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let taken = Listener::bind(&method("ptcp:0:127.0.0.1"))
        .await
        .expect("bound");
    let port = taken.bound_port().expect("a TCP port");
    let file = std::fs::File::open(folder.path()).expect("a folder can be opened");
    // With a number that no other test has a socket inherited by.
    let file = rustix::io::fcntl_dupfd_cloexec(file, 700).expect("a free number");
    let passive = [
        (format!("ptcp:{port}:127.0.0.1"), "Address already in use"),
        (
            format!("punix:{}/none/s", folder.path().display()),
            "No such file or directory",
        ),
        (
            "tcp:127.0.0.1:1".to_owned(),
            "Address family not supported by protocol",
        ),
        // Open, but not inherited.
        (format!("pfd:{}", file.as_raw_fd()), "Bad file descriptor"),
        ("pfd:987".to_owned(), "Bad file descriptor"),
    ];
    for (text, expect) in passive {
        let error = Listener::bind(&method(&text)).await.expect_err("must fail");
        assert_eq!(error.reason(), expect, "{text}: {error}");
    }
    let active = [
        (
            format!("unix:{}/none", folder.path().display()),
            "No such file or directory",
        ),
        ("tcp:127.0.0.1:1".to_owned(), "Connection refused"),
        ("tcp:[fe80::1]:1".to_owned(), "Invalid argument"),
        (
            "ptcp:0".to_owned(),
            "Address family not supported by protocol",
        ),
    ];
    for (text, expect) in active {
        let error = Stream::connect(&method(&text))
            .await
            .expect_err("must fail");
        assert_eq!(error.reason(), expect, "{text}: {error}");
    }
}

#[tokio::test]
async fn without_keys_tls_is_refused_with_an_error_of_its_own() {
    let error = Stream::connect(&method("ssl:127.0.0.1:1"))
        .await
        .expect_err("there is no key");
    assert!(
        matches!(error, NetError::TlsNotConfigured { .. }),
        "{error:?}"
    );
    assert_eq!(error.reason(), "Protocol not available");
}
