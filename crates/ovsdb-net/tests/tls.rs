//! TLS connections over real sockets: who lets whom in, what changes of files do, and that every byte arrives.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use ovsdb_net::{
    CaFile, Connection, Gate, Limits, Listener, Method, NetError, SocketOptions, Stream, Tls,
    TlsSettings, WriteHalf, move_here,
};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair,
};
use socket2::{Domain, Socket, Type};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// A folder with an authority, and with keys and certificates that it has issued.
struct Authority {
    folder: TempDir,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

fn named(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).expect("no names, no trouble");
    params
        .distinguished_name
        .push(DnType::OrganizationName, "Open vSwitch");
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

impl Authority {
    fn new() -> Authority {
        Authority::with(|params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained))
    }

    /// One whose own certificate is unusual.
    fn with(change: impl FnOnce(&mut CertificateParams)) -> Authority {
        let mut params = named("authority");
        change(&mut params);
        let key = KeyPair::generate().expect("random numbers");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("a certificate");
        let folder = tempfile::tempdir().expect("a temporary folder");
        let authority = Authority { folder, issuer };
        authority.write("ca.pem", &authority.issuer.pem());
        authority
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Replaces a file the way administrators should: at once.
    fn write(&self, name: &str, text: &str) {
        let draft = self.path("draft");
        std::fs::write(&draft, text).expect("a writable folder");
        std::fs::rename(draft, self.path(name)).expect("a writable folder");
    }

    /// A key and a certificate, in `NAME-key.pem` and `NAME.pem`.
    fn issue(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) {
        let mut params = named(name);
        change(&mut params);
        let key = KeyPair::generate().expect("random numbers");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        self.write(&format!("{name}-key.pem"), &key.serialize_pem());
        self.write(&format!("{name}.pem"), &certificate.pem());
    }

    fn settings(&self, name: &str) -> TlsSettings {
        TlsSettings {
            private_key: Some(self.path(&format!("{name}-key.pem"))),
            certificate: Some(self.path(&format!("{name}.pem"))),
            ca: Some(CaFile::Verify(self.path("ca.pem"))),
            ..TlsSettings::default()
        }
    }
}

fn options(settings: &TlsSettings) -> SocketOptions {
    let tls = Tls::new();
    tls.set(settings.clone());
    SocketOptions {
        tls,
        ..SocketOptions::default()
    }
}

async fn listen(options: &SocketOptions) -> (Listener, u16) {
    let method = Method::parse("pssl:0:127.0.0.1").expect("a method");
    let listener = Listener::bind_with(&method, options)
        .await
        .expect("a free port");
    let port = listener.bound_port().expect("TCP has ports");
    (listener, port)
}

async fn connect(port: u16, options: &SocketOptions) -> Result<Stream, NetError> {
    let method = Method::parse(&format!("ssl:127.0.0.1:{port}")).expect("a method");
    Stream::connect_with(&method, options).await
}

/// What both sides make of each other: the names they see, or the reason for which there is no connection. A client may
/// learn only when it reads that it is not let in.
async fn meet(server: &SocketOptions, client: &SocketOptions) -> (String, String) {
    let (listener, port) = listen(server).await;
    let accepting = async {
        let incoming = listener
            .accept_incoming()
            .await
            .map_err(|error| ovsdb_net::errno_text(&error))?;
        let established = incoming.establish(&Gate::new(1)).await;
        established.map_err(|error| error.reason())
    };
    let (accepted, connected) = tokio::join!(accepting, connect(port, client));
    let shown = |stream: &Stream| {
        let id = stream.client_id().map_or("nobody", |id| id);
        format!("sees {id}")
    };
    let by_server = match &accepted {
        Ok(stream) => shown(stream),
        Err(reason) => reason.clone(),
    };
    let by_client = match connected {
        Err(error) => error.reason(),
        Ok(stream) => {
            let text = shown(&stream);
            drop(accepted);
            let (mut read, _write) = stream.into_split();
            match read.read(&mut [0; 1]).await {
                Ok(_) => text,
                Err(error) => ovsdb_net::errno_text(&error),
            }
        }
    };
    (by_server, by_client)
}

#[track_caller]
fn check((by_server, by_client): &(String, String), server: &str, client: &str, what: &str) {
    assert_eq!(
        (by_server.as_str(), by_client.as_str()),
        (server, client),
        "{what}"
    );
}

#[tokio::test]
async fn peers_let_in_whom_their_authority_vouches_for() {
    let authority = Authority::new();
    let other = Authority::new();
    for name in ["server", "client"] {
        authority.issue(name, |_| {});
        other.issue(name, |_| {});
    }
    authority.issue("old", |params| {
        params.not_before = rcgen::date_time_ymd(2000, 1, 1);
        params.not_after = rcgen::date_time_ymd(2001, 1, 1);
    });
    authority.issue("future", |params| {
        params.not_before = rcgen::date_time_ymd(4000, 1, 1);
        params.not_after = rcgen::date_time_ymd(4001, 1, 1);
    });
    authority.issue("other purpose", |params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning];
    });
    authority.issue("sub", |params| {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    });
    let with_ca = |name: &str, ca: CaFile| TlsSettings {
        ca: Some(ca),
        ..authority.settings(name)
    };
    let (server, client) = (authority.settings("server"), authority.settings("client"));
    let stranger = TlsSettings {
        ca: client.ca.clone(),
        ..other.settings("client")
    };
    let refused = ("Protocol error", "Input/output error");
    let cases = [
        (
            "both good",
            &server,
            client.clone(),
            ("sees client", "sees server"),
        ),
        (
            "client of another authority",
            &server,
            stranger.clone(),
            refused,
        ),
        (
            "expired client",
            &server,
            authority.settings("old"),
            refused,
        ),
        (
            "client of the future",
            &server,
            authority.settings("future"),
            refused,
        ),
        (
            "certificate for something else",
            &server,
            authority.settings("other purpose"),
            refused,
        ),
        (
            "an authority itself",
            &server,
            authority.settings("sub"),
            ("sees sub", "sees server"),
        ),
        (
            "client that trusts somebody else",
            &server,
            with_ca("client", CaFile::Verify(other.path("ca.pem"))),
            ("Protocol error", "Protocol error"),
        ),
        (
            "client that trusts everybody",
            &server,
            with_ca("client", CaFile::Disabled),
            ("sees client", "sees nobody"),
        ),
        (
            "expired server",
            &authority.settings("old"),
            client.clone(),
            ("Protocol error", "Protocol error"),
        ),
        (
            "server that trusts everybody",
            &with_ca("server", CaFile::Disabled),
            stranger,
            ("sees nobody", "sees server"),
        ),
    ];
    for (what, server, client, (by_server, by_client)) in cases {
        for protocols in ["TLSv1.2", "TLSv1.3"] {
            let client = TlsSettings {
                protocols: Some(protocols.to_owned()),
                ..client.clone()
            };
            let met = meet(&options(server), &options(&client)).await;
            // In TLS 1.2 the client waits for the server's verdict.
            let by_client = match (by_client, protocols) {
                ("Input/output error", "TLSv1.2") => "Protocol error",
                (other, _) => other,
            };
            check(&met, by_server, by_client, &format!("{what}, {protocols}"));
        }
    }
}

#[tokio::test]
async fn nobody_vouches_for_others_after_its_time_or_without_being_an_authority() {
    let cases = [
        (
            "an authority whose time is over",
            Authority::with(|params| {
                params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
                params.not_before = rcgen::date_time_ymd(2000, 1, 1);
                params.not_after = rcgen::date_time_ymd(2001, 1, 1);
            }),
            false,
        ),
        (
            "a certificate that says it is none",
            Authority::with(|params| params.is_ca = IsCa::ExplicitNoCa),
            true,
        ),
        (
            "a certificate that does not say what it is",
            Authority::with(|params| params.is_ca = IsCa::NoCa),
            true,
        ),
    ];
    let good = Authority::new();
    good.issue("peer", |_| {});
    for (what, trusted, is_let_in_itself) in cases {
        trusted.issue("child", |_| {});
        trusted.write("itself-key.pem", &trusted.issuer.key().serialize_pem());
        trusted.write("itself.pem", &trusted.issuer.pem());
        let both = [good.issuer.pem(), trusted.issuer.pem()].concat();
        good.write("both.pem", &both);
        let trusting = |settings: TlsSettings| {
            let ca = Some(CaFile::Verify(good.path("both.pem")));
            options(&TlsSettings { ca, ..settings })
        };
        let peer = trusting(good.settings("peer"));
        for (name, is_let_in) in [("child", false), ("itself", is_let_in_itself)] {
            let other = trusting(trusted.settings(name));
            let common_name = if name == "child" { name } else { "authority" };
            let seen = match is_let_in {
                true => format!("sees {common_name}"),
                false => String::from("Protocol error"),
            };
            let as_client = meet(&peer, &other).await.0;
            let as_server = meet(&other, &peer).await.1;
            assert_eq!(as_client, seen, "{what}: {name} as a client");
            assert_eq!(as_server, seen, "{what}: {name} as a server");
        }
        let met = meet(&peer, &peer).await;
        assert_eq!(met.0, "sees peer", "{what}: others");
    }
}

#[tokio::test]
async fn peers_need_a_protocol_and_a_cipher_in_common() {
    let authority = Authority::new();
    authority.issue("peer", |_| {});
    let with = |protocols: &str, ciphers: &str, suites: &str| TlsSettings {
        protocols: Some(protocols.to_owned()),
        ciphers: Some(ciphers.to_owned()),
        ciphersuites: Some(suites.to_owned()),
        ..authority.settings("peer")
    };
    let (old, new) = ("TLSv1.2", "TLSv1.3");
    let (aes, chacha) = ("TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256");
    let both = "TLSv1.2+";
    let cases = [
        (with(both, "ALL", aes), with(both, "ALL", aes), true),
        (with(both, "ALL", aes), with(both, "ALL", chacha), false),
        (with(old, "AESGCM", aes), with(old, "AESGCM", chacha), true),
        (with(old, "AESGCM", aes), with(old, "CHACHA20", aes), false),
        (with(old, "ALL", aes), with(new, "ALL", aes), false),
        // Nonsense changes nothing.
        (
            with("SSLv2", "nonsense", "nonsense"),
            with(new, "ALL", aes),
            true,
        ),
        // Nothing that is left for TLS 1.2 leaves TLS 1.3.
        (with(both, "AES256-SHA", aes), with(both, "ALL", aes), true),
        (with(both, "AES256-SHA", aes), with(old, "ALL", aes), false),
    ];
    for (server, client, is_met) in cases {
        let met = meet(&options(&server), &options(&client)).await;
        assert_eq!(
            met.0 == "sees peer",
            is_met,
            "{met:?} of {server:?}, {client:?}"
        );
    }
}

#[tokio::test]
async fn who_lacks_a_file_gets_no_connection_and_keeps_its_port() {
    let authority = Authority::new();
    authority.issue("peer", |_| {});
    authority.issue("another", |_| {});
    let good = authority.settings("peer");
    let lacking = [
        TlsSettings {
            private_key: None,
            ..good.clone()
        },
        TlsSettings {
            certificate: None,
            ..good.clone()
        },
        TlsSettings {
            ca: None,
            ..good.clone()
        },
        TlsSettings {
            private_key: Some(authority.path("nosuch")),
            ..good.clone()
        },
        TlsSettings {
            certificate: good.private_key.clone(),
            ..good.clone()
        },
        TlsSettings {
            private_key: good.certificate.clone(),
            ..good.clone()
        },
        TlsSettings {
            private_key: Some(authority.path("another-key.pem")),
            ..good.clone()
        },
    ];
    for settings in lacking {
        let (server, client) = (options(&settings), options(&good));
        let met = meet(&server, &client).await;
        assert_eq!(met.0, "Protocol not available", "{settings:?}");
        let error = connect(1, &server).await.expect_err("nothing to show");
        assert_eq!(error.reason(), "Protocol not available", "{settings:?}");
    }
}

#[tokio::test]
async fn changed_files_count_from_the_next_connection_on_and_bad_ones_do_not() {
    let authority = Authority::new();
    authority.issue("server", |_| {});
    authority.issue("client", |_| {});
    let (server, client) = (
        options(&authority.settings("server")),
        options(&authority.settings("client")),
    );
    check(
        &meet(&server, &client).await,
        "sees client",
        "sees server",
        "at first",
    );
    let keep = |name: &str| std::fs::read_to_string(authority.path(name)).expect("a readable file");
    let (key, certificate) = (keep("client-key.pem"), keep("client.pem"));
    // Of another pair, one file after the other.
    authority.issue("renamed", |_| {});
    authority.write("client-key.pem", &keep("renamed-key.pem"));
    check(
        &meet(&server, &client).await,
        "sees client",
        "sees server",
        "a key alone",
    );
    authority.write("client.pem", &keep("renamed.pem"));
    check(
        &meet(&server, &client).await,
        "sees renamed",
        "sees server",
        "the other pair",
    );
    authority.write("client.pem", "nonsense");
    std::fs::remove_file(authority.path("client-key.pem")).expect("it is there");
    check(
        &meet(&server, &client).await,
        "sees renamed",
        "sees server",
        "no pair",
    );
    authority.write("client-key.pem", &key);
    authority.write("client.pem", &certificate);
    check(
        &meet(&server, &client).await,
        "sees client",
        "sees server",
        "the first pair",
    );
    // The authority goes to another one and back.
    let ca = keep("ca.pem");
    authority.write("ca.pem", "nonsense");
    check(
        &meet(&server, &client).await,
        "sees client",
        "sees server",
        "no authority",
    );
    std::fs::remove_file(authority.path("ca.pem")).expect("it is there");
    check(
        &meet(&server, &client).await,
        "sees client",
        "sees server",
        "a lost authority",
    );
    authority.write("ca.pem", &Authority::new().issuer.pem());
    check(
        &meet(&server, &client).await,
        "Protocol error",
        "Protocol error",
        "another authority",
    );
    authority.write("ca.pem", &ca);
    check(
        &meet(&server, &client).await,
        "sees client",
        "sees server",
        "the first authority",
    );
}

#[tokio::test]
async fn bootstrapping_believes_the_first_server_and_no_client() {
    let authority = Authority::new();
    authority.issue("server", |_| {});
    authority.issue("client", |_| {});
    let bootstrap = |settings: TlsSettings, path: &Path| TlsSettings {
        ca: Some(CaFile::Bootstrap(path.to_owned())),
        ..settings
    };
    let path = authority.path("boot.pem");
    let server = options(&authority.settings("server"));
    let client = options(&bootstrap(authority.settings("client"), &path));
    let met = meet(&server, &client).await;
    assert_eq!(met.1, "Protocol error", "the connection is given up");
    let written = std::fs::read_to_string(&path).expect("the authority");
    assert_eq!(
        written.replace('\r', ""),
        authority.issuer.pem().replace('\r', "")
    );
    check(
        &meet(&server, &client).await,
        "sees client",
        "sees server",
        "from then on",
    );
    // Now that there is somebody to be trusted, nobody else is, even if the file is gone.
    let other = Authority::new();
    other.issue("server", |_| {});
    std::fs::remove_file(&path).expect("it is there");
    let stranger = options(&other.settings("server"));
    assert_eq!(meet(&stranger, &client).await.1, "Protocol error");
    assert!(!path.exists(), "no stranger comes to be trusted");

    let path = authority.path("server boot.pem");
    let server = options(&bootstrap(authority.settings("server"), &path));
    let client = options(&authority.settings("client"));
    let met = meet(&server, &client).await;
    assert_eq!(
        met.0, "Protocol error",
        "a server in want of an authority lets nobody in"
    );
    assert!(!path.exists());
}

#[tokio::test]
async fn who_is_told_to_check_believes_nobody_unchecked_any_more() {
    let authority = Authority::new();
    authority.issue("server", |_| {});
    authority.issue("client", |_| {});
    let server = options(&authority.settings("server"));
    let ca = |ca: CaFile| TlsSettings {
        ca: Some(ca),
        ..TlsSettings::default()
    };
    let (boot, nosuch) = (authority.path("boot.pem"), authority.path("nosuch"));
    let nothing = "Protocol not available";
    let good = ("sees client", "sees server");
    for (before, what) in [
        (CaFile::Disabled, "nobody was checked"),
        (CaFile::Bootstrap(boot.clone()), "one was to be believed"),
    ] {
        let client = options(&authority.settings("client"));
        client.tls.set(ca(CaFile::Disabled));
        client.tls.set(ca(before));
        client.tls.set(ca(CaFile::Verify(nosuch.clone())));
        let error = connect(1, &client).await.expect_err("nobody to trust");
        assert_eq!(error.reason(), nothing, "{what}");
        // A server that had let everybody in lets nobody in.
        assert_eq!(meet(&client, &server).await.0, nothing, "{what}");
        client.tls.set(ca(CaFile::Verify(authority.path("ca.pem"))));
        check(&meet(&server, &client).await, good.0, good.1, what);
        assert!(!boot.exists(), "{what}");
    }
    // Something that is no file, such as a device without end, is nothing to check against, and keeps nobody waiting.
    let client = options(&authority.settings("client"));
    client
        .tls
        .set(ca(CaFile::Verify(PathBuf::from("/dev/zero"))));
    check(&meet(&server, &client).await, good.0, good.1, "a device");
}

#[tokio::test]
async fn a_self_signed_certificate_is_trusted_by_those_who_have_it() {
    let authority = Authority::new();
    let mut params = named("self");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("random numbers");
    let certificate = params.self_signed(&key).expect("a certificate");
    authority.write("self-key.pem", &key.serialize_pem());
    authority.write("self.pem", &certificate.pem());
    let peer = options(&TlsSettings {
        ca: Some(CaFile::Verify(authority.path("self.pem"))),
        ..authority.settings("self")
    });
    check(
        &meet(&peer, &peer).await,
        "sees self",
        "sees self",
        "each other",
    );
    authority.issue("server", |_| {});
    let server = options(&authority.settings("server"));
    let client = options(&TlsSettings {
        ca: Some(CaFile::Disabled),
        ..authority.settings("self")
    });
    check(
        &meet(&server, &client).await,
        "Protocol error",
        "Input/output error",
        "others",
    );
}

/// Passes bytes on between clients and a server, so many at a time and with as little room on the way as the system
/// allows.
fn proxy(server: u16, at_a_time: usize) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("it is bound").port();
    let pass = move |mut from: TcpStream, mut to: TcpStream| {
        let mut buffer = vec![0; at_a_time];
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            if to.write_all(&buffer[..length]).is_err() {
                return;
            }
        }
        // The peer may be gone already.
        let _ = to.shutdown(std::net::Shutdown::Write);
    };
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let client = client.expect("a client");
            client.set_nodelay(true).expect("a TCP socket");
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
            socket.set_recv_buffer_size(1).expect("a size");
            let address: SocketAddr = ([127, 0, 0, 1], server).into();
            socket.connect(&address.into()).expect("a server");
            let server = TcpStream::from(socket);
            server.set_nodelay(true).expect("a TCP socket");
            let halves = (
                client.try_clone().expect("a descriptor"),
                server.try_clone().expect("a descriptor"),
            );
            std::thread::spawn(move || pass(client, server));
            std::thread::spawn(move || pass(halves.1, halves.0));
        }
    });
    port
}

/// A connected pair with that proxy in between.
async fn pair(at_a_time: usize) -> (Stream, Stream) {
    let authority = Authority::new();
    authority.issue("peer", |_| {});
    let options = options(&authority.settings("peer"));
    let (listener, port) = listen(&options).await;
    let port = proxy(port, at_a_time);
    let accepting = async { listener.accept().await.expect("a client") };
    let (server, client) = tokio::join!(accepting, connect(port, &options));
    (server, client.expect("a connection"))
}

#[tokio::test]
async fn what_is_written_arrives_through_any_chunking() {
    for (at_a_time, length) in [(1, 3000), (7, 40_000), (5000, 300_000)] {
        let (server, client) = pair(at_a_time).await;
        let sent: Vec<u8> = (0..length).map(|n: usize| (n * n / 7) as u8).collect();
        let (mut from_client, mut to_client) = server.into_split();
        let (mut from_server, mut to_server) = client.into_split();
        let echo = async {
            let mut buffer = [0; 1000];
            loop {
                let length = from_client.read(&mut buffer).await.expect("an open stream");
                if length == 0 {
                    break;
                }
                to_client
                    .write_all(&buffer[..length])
                    .await
                    .expect("an open stream");
            }
            to_client.shutdown().await.expect("an open stream");
        };
        let write = async {
            to_server.write_all(&sent).await.expect("an open stream");
            to_server.shutdown().await.expect("an open stream");
        };
        let mut received = Vec::new();
        let read = from_server.read_to_end(&mut received);
        let (_, _, read) = tokio::join!(echo, write, read);
        read.expect("an open stream");
        assert!(
            received == sent,
            "{at_a_time} at a time: {} bytes",
            received.len()
        );
    }
}

#[tokio::test]
async fn nothing_that_was_taken_hides_until_the_next_message() {
    let (server, client) = pair(500).await;
    let mut server = Connection::new(server, Limits::default());
    let mut client = Connection::new(client, Limits::default());
    let message = format!("[\"{}\"]", "x".repeat(300_000));
    let send = server.send(message.clone());
    let (sent, received) = tokio::join!(send, client.recv());
    sent.expect("an open stream");
    assert_eq!(received.expect("the whole message").len(), message.len());
}

#[tokio::test]
async fn what_the_socket_does_not_take_is_counted_until_it_is_flushed() {
    let authority = Authority::new();
    authority.issue("peer", |_| {});
    let options = options(&authority.settings("peer"));
    let (listener, port) = listen(&options).await;
    let accepting = async { listener.accept().await.expect("a client") };
    let (server, client) = tokio::join!(accepting, connect(port, &options));
    let (_, mut write) = server.into_split();
    assert_eq!(write.unsent(), 0);
    // Until the peer, who does not read, has no more room.
    let mut taken = 0;
    let portion = [0; 100_000];
    let write_now = |write: &mut WriteHalf| {
        let mut cx = Context::from_waker(Waker::noop());
        Pin::new(write).poll_write(&mut cx, &portion)
    };
    // The socket shows what it takes only when the runtime has looked.
    tokio::task::yield_now().await;
    while let Poll::Ready(length) = write_now(&mut write) {
        taken += length.expect("an open stream");
    }
    assert!(write.unsent() > 0, "a part of the last portion");
    let (mut read, _write) = client.expect("a connection").into_split();
    let flush = async {
        write.flush().await.expect("an open stream");
        assert_eq!(write.unsent(), 0);
        drop(write);
    };
    let mut received = Vec::new();
    let (_, read) = tokio::join!(flush, read.read_to_end(&mut received));
    read.expect("an open stream");
    assert_eq!(received.len(), taken);
}

#[tokio::test]
async fn a_stalling_peer_keeps_nobody_from_the_gate() {
    let authority = Authority::new();
    authority.issue("peer", |_| {});
    let options = options(&authority.settings("peer"));
    let (listener, port) = listen(&options).await;
    let gate = Gate::new(1);
    let mut silent = Vec::new();
    let mut waiting = Vec::new();
    for _ in 0..50 {
        let mut peer = TcpStream::connect(("127.0.0.1", port)).expect("a listener");
        // Half of a record.
        peer.write_all(&[0x16, 0x03, 0x01, 0x01, 0x00])
            .expect("an open stream");
        silent.push(peer);
        waiting.push(listener.accept_incoming().await.expect("a peer"));
    }
    let stalled = async {
        let mut all: Vec<_> = waiting
            .into_iter()
            .map(|incoming| Box::pin(incoming.establish(&gate)))
            .collect();
        std::future::poll_fn(|cx| {
            for one in &mut all {
                assert!(one.as_mut().poll(cx).is_pending(), "it has shown nothing");
            }
            std::task::Poll::<()>::Pending
        })
        .await;
    };
    let good = async {
        let accepting = async {
            let incoming = listener.accept_incoming().await.expect("a peer");
            incoming.establish(&gate).await.expect("a good peer")
        };
        tokio::join!(accepting, connect(port, &options))
            .1
            .expect("a connection")
    };
    tokio::select! {
        () = stalled => unreachable!("they wait for ever"),
        _ = good => {}
    }
}

#[test]
fn a_stream_goes_on_in_another_runtime() {
    let authority = Authority::new();
    authority.issue("peer", |_| {});
    let options = options(&authority.settings("peer"));
    let runtime = || {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.enable_all().build().expect("a runtime")
    };
    let (first, second) = (runtime(), runtime());
    let (server, client) = first.block_on(async {
        let (listener, port) = listen(&options).await;
        let accepting = async { listener.accept().await.expect("a client") };
        let (server, client) = tokio::join!(accepting, connect(port, &options));
        (server, client.expect("a connection"))
    });
    let (mut read, mut write) = server.into_split();
    second.block_on(async {
        let (mut far_read, mut far_write) = client.into_split();
        move_here(&mut read, &mut write).expect("the stream is kept");
        move_here(&mut far_read, &mut far_write).expect("the stream is kept");
        // What a stream has taken is sent at the latest when it is flushed.
        write.write_all(b"question").await.expect("an open stream");
        write.flush().await.expect("an open stream");
        let mut got = [0; 8];
        far_read.read_exact(&mut got).await.expect("an open stream");
        assert_eq!(&got, b"question");
        let answers = tokio::spawn(async move {
            far_write.write_all(b"answer").await?;
            far_write.flush().await
        });
        let mut got = Vec::new();
        read.read_to_end(&mut got).await.expect("an open stream");
        assert_eq!(got, b"answer");
        answers.await.expect("no panic").expect("an open stream");
    });
}

#[tokio::test]
async fn a_peer_that_keeps_a_task_busy_leaves_others_their_turn() {
    let authority = Authority::new();
    authority.issue("peer", |_| {});
    let options = options(&authority.settings("peer"));
    let (listener, port) = listen(&options).await;
    let accepting = async { listener.accept().await.expect("a client") };
    let (server, client) = tokio::join!(accepting, connect(port, &options));
    let (mut read, _write) = server.into_split();
    let (_far_read, mut far_write) = client.expect("a connection").into_split();
    // One record: once it has been decrypted, the socket has no more to do with it.
    const BYTES: usize = 10_000;
    far_write.write_all(&[7; BYTES]).await.expect("room for it");
    far_write.flush().await.expect("room for it");
    read.read_u8().await.expect("it is on its way");
    let other = tokio::spawn(async {});
    for _ in 1..BYTES {
        read.read_u8().await.expect("it has arrived");
    }
    assert!(other.is_finished(), "the other task had no turn");
}

#[tokio::test]
async fn many_records_with_little_in_them_are_not_read_at_once() {
    let authority = Authority::new();
    authority.issue("peer", |_| {});
    let options = options(&authority.settings("peer"));
    let (listener, port) = listen(&options).await;
    let accepting = async { listener.accept().await.expect("a client") };
    let (server, client) = tokio::join!(accepting, connect(port, &options));
    let (mut read, _write) = server.into_split();
    let (_far_read, mut far_write) = client.expect("a connection").into_split();
    // Some twenty bytes of ciphertext for each of plaintext.
    const RECORDS: usize = 4000;
    let writing = async {
        for _ in 0..RECORDS {
            far_write.write_all(&[7]).await.expect("an open stream");
        }
        far_write.flush().await.expect("an open stream");
    };
    let reading = async {
        let (mut total, mut most) = (0, 0);
        let mut buffer = vec![0; RECORDS];
        while total < RECORDS {
            let length = read.read(&mut buffer).await.expect("an open stream");
            (total, most) = (total + length, most.max(length));
        }
        assert!(most < 3000, "{most} at once");
    };
    tokio::join!(writing, reading);
}

#[test]
fn private_keys_are_not_shown() {
    let authority = Authority::new();
    authority.issue("peer", |_| {});
    let options = options(&authority.settings("peer"));
    assert_eq!(format!("{:?}", options.tls), "Tls");
}
