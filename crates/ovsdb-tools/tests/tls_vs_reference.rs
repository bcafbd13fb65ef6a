//! TLS between our programs and the reference's, both ways: what holds between two of the reference's programs holds
//! whichever of the two is ours: exit codes, messages, and what the server logs.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use ovsdb_testkit::daemon::Server;
use ovsdb_testkit::pki::Pki;
use ovsdb_testkit::port::Port;
use ovsdb_testkit::programs::{self, Side};
use ovsdb_testkit::sandbox::{Output, Sandbox};

const SCHEMA: &str = r#"{"name":"D","version":"1.0.0","tables":{
    "Root":{"isRoot":true,"maxRows":1,"columns":{
        "ssl":{"type":{"key":{"type":"uuid","refTable":"SSL"},"min":0,"max":1}},
        "targets":{"type":{"key":"string","min":0,"max":"unlimited"}}}},
    "SSL":{"maxRows":1,"columns":{
        "private_key":{"type":"string"},"certificate":{"type":"string"},"ca_cert":{"type":"string"},
        "protocols":{"type":"string"},"ciphers":{"type":"string"},"ciphersuites":{"type":"string"}}}}}"#;

/// A server that listens for TLS as well.
struct Bench {
    sandbox: Sandbox,
    server: Server,
    port: String,
}

impl Bench {
    fn start(side: Side, arguments: &[String]) -> Bench {
        let sandbox = Sandbox::new();
        let schema = sandbox.path("d.ovsschema");
        std::fs::write(&schema, SCHEMA).expect("a writable folder");
        let mut more = vec!["--remote=pssl:0:127.0.0.1"];
        more.extend(arguments.iter().map(String::as_str));
        let databases: [(&str, &Path); 1] = [("d.db", &schema)];
        let server = Server::start_as(&sandbox, side, "ovsdb-server", "db.sock", &databases, &more);
        let log = sandbox.text("ovsdb-server.log");
        let (_, port) = log.split_once("listening on port ").expect("it listens");
        let port = port.lines().next().unwrap_or_default().to_owned();
        Bench {
            sandbox,
            server,
            port,
        }
    }

    fn remote(&self) -> String {
        format!("ssl:127.0.0.1:{}", self.port)
    }

    fn list(&self, side: Side, arguments: &[String]) -> Output {
        let remote = self.remote();
        let mut all = vec!["list-dbs", &remote, "-vsyslog:off"];
        all.extend(arguments.iter().map(String::as_str));
        self.sandbox.run(side.program("ovsdb-client"), &all)
    }

    /// The lines that the server has logged about TLS until its end, each once, sorted: handshakes may overtake each other,
    /// and lines are limited in number.
    fn log_at_end(self) -> Vec<String> {
        self.server.stop();
        let log = self.sandbox.text("ovsdb-server.log");
        let lines = log.lines().filter(|line| line.contains("|stream_ssl|"));
        let mut lines: Vec<String> = lines
            // Whether what a client that has left was still to be sent comes to be known is a matter of time.
            .filter(|line| !line.contains("SSL_read: system error"))
            .map(|line| normal(line, &self.port))
            .collect();
        lines.sort_unstable();
        lines.dedup();
        lines
    }
}

/// What is logged, depending on release and time, when the peer closes a connection in the midst of a handshake.
const CLOSINGS: [&str; 3] = [
    "unexpected SSL_ERROR_ZERO_RETURN",
    "error:0A000126:SSL routines::unexpected eof while reading",
    "system error (Connection reset by peer)",
];

/// What is compared instead.
const CLOSED: &str = "closed in the midst of a handshake";

/// A line without its time, number and ports; and as releases of the reference with other words have it.
fn normal(line: &str, port: &str) -> String {
    let line = match line.splitn(3, '|').collect::<Vec<_>>()[..] {
        [time, _, rest] if time.starts_with("20") => rest.to_owned(),
        _ => line.to_owned(),
    };
    let line = match line.find("/ovsdb-client: ") {
        Some(folder) => line[folder + 1..].to_owned(),
        None => line,
    };
    for (function, _) in line.match_indices("SSL_").take(1) {
        let (_, reason) = line[function..].split_once(": ").unwrap_or_default();
        if CLOSINGS.contains(&reason) {
            return String::from(CLOSED);
        }
    }
    let line = line.replace(port, "PORT").replace("SSL/TLS", "SSL");
    // The peer's own port.
    let Some((before, after)) = line.split_once("ssl:127.0.0.1:") else {
        return line;
    };
    let rest = after.trim_start_matches(|c: char| c.is_ascii_digit() || "PORT".contains(c));
    format!("{before}ssl:127.0.0.1:PORT{rest}")
}

/// What a client printed and how it ended. One that is sent away only after it took itself to be connected finds out by
/// reading or by writing, whichever comes first.
fn shown(output: &Output, port: &str) -> String {
    if output.stderr.contains("ovsdb-client: transaction failed") {
        return format!("{:?} sent away", output.code);
    }
    let mut lines = vec![format!(
        "{:?} {}",
        output.code,
        output.stdout.replace('\n', " ")
    )];
    lines.extend(output.stderr.lines().map(|line| normal(line, port)));
    lines.join("\n    ")
}

fn is_old_reference() -> bool {
    static IS_OLD: std::sync::OnceLock<bool> = std::sync::OnceLock::new();
    *IS_OLD.get_or_init(|| {
        let sandbox = Sandbox::new();
        let program = programs::reference("ovsdb-server");
        sandbox.run_ok(program, &["--version"]).contains(" 3.1.")
    })
}

fn join(parts: &[&[String]]) -> Vec<String> {
    parts.concat()
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// Clients with every kind of identity.
fn clients(pki: &Pki) -> Vec<(&'static str, Vec<String>)> {
    let ca = [pki.ca("ca.pem")];
    let good = pki.pair("client");
    let mut clients = vec![
        ("good", join(&[&good, &ca])),
        ("elliptic curve", join(&[&pki.pair("elliptic"), &ca])),
        ("version 1", join(&[&pki.pair("plain"), &ca])),
        ("another authority", join(&[&pki.pair("other"), &ca])),
        ("self-signed", join(&[&pki.pair("self"), &ca])),
        ("expired", join(&[&pki.pair("expired"), &ca])),
        ("trusts another", join(&[&good, &[pki.ca("other-ca.pem")]])),
        ("trusts everybody", join(&[&good, &words("--ca-cert=none")])),
        ("no files", Vec::new()),
        ("no authority", good.to_vec()),
    ];
    if !is_old_reference() {
        let with = |more: &str| join(&[&good, &ca, &words(more)]);
        clients.extend([
            ("old", with("--ssl-protocols=TLSv1.2")),
            ("new", with("--ssl-protocols=TLSv1.3")),
            (
                "old, refused",
                join(&[&pki.pair("other"), &ca, &words("--ssl-protocols=TLSv1.2")]),
            ),
            (
                "one cipher",
                with("--ssl-protocols=TLSv1.2 --ssl-ciphers=ECDHE-RSA-AES128-GCM-SHA256"),
            ),
            (
                "one suite",
                with("--ssl-ciphersuites=TLS_CHACHA20_POLY1305_SHA256"),
            ),
        ]);
    }
    clients
}

/// What each client sees of a server, and what that logs.
fn dialogue(server: Side, client: Side, arguments: &[String]) -> String {
    let pki = Pki::shared();
    let bench = Bench::start(server, arguments);
    let mut text = Vec::new();
    for (name, arguments) in clients(pki) {
        let output = bench.list(client, &arguments);
        text.push(format!("{name}:\n    {}", shown(&output, &bench.port)));
    }
    text.push(String::from("log:"));
    // Clients that have nothing to show are connected for a moment, if they are the reference's.
    let lines = bench.log_at_end().into_iter();
    text.extend(lines.filter(|line| !line.contains(CLOSED)));
    text.join("\n")
}

#[track_caller]
fn check(arguments: &[String]) {
    let expected = dialogue(Side::Reference, Side::Reference, arguments);
    for (server, client) in [
        (Side::Ours, Side::Reference),
        (Side::Reference, Side::Ours),
        (Side::Ours, Side::Ours),
    ] {
        let seen = dialogue(server, client, arguments);
        assert!(
            seen == expected,
            "server {server:?}, client {client:?}, {arguments:?}\n{}",
            difference(&expected, &seen)
        );
    }
}

fn difference(expected: &str, seen: &str) -> String {
    let lines = |text: &str| -> Vec<String> { text.lines().map(str::to_owned).collect() };
    let (expected, seen) = (lines(expected), lines(seen));
    let missing = expected.iter().filter(|line| !seen.contains(line));
    let added = seen.iter().filter(|line| !expected.contains(line));
    let missing = missing.map(|line| format!("- {line}"));
    missing
        .chain(added.map(|line| format!("+ {line}")))
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn who_is_let_in_and_what_is_said_about_it_is_as_between_programs_of_the_reference() {
    let pki = Pki::shared();
    check(&join(&[&pki.pair("server"), &[pki.ca("ca.pem")]]));
}

#[test]
fn a_server_that_checks_nobody_lets_everybody_in() {
    let pki = Pki::shared();
    check(&join(&[&pki.pair("server"), &words("--ca-cert=none")]));
}

#[test]
fn servers_with_bad_certificates_are_refused() {
    let pki = Pki::shared();
    check(&join(&[&pki.pair("expired"), &[pki.ca("ca.pem")]]));
    check(&join(&[&pki.pair("other"), &[pki.ca("ca.pem")]]));
}

#[test]
fn servers_with_unusual_certificates_are_let_in() {
    let pki = Pki::shared();
    check(&join(&[&pki.pair("plain"), &[pki.ca("ca.pem")]]));
    check(&join(&[&pki.pair("elliptic"), &[pki.ca("ca.pem")]]));
}

#[test]
fn a_server_of_one_version_meets_clients_of_that_version() {
    if is_old_reference() {
        return;
    }
    let pki = Pki::shared();
    for more in ["--ssl-protocols=TLSv1.2", "--ssl-protocols=TLSv1.3"] {
        check(&join(&[
            &pki.pair("server"),
            &[pki.ca("ca.pem")],
            &words(more),
        ]));
    }
}

#[test]
fn a_server_without_keys_listens_and_says_what_is_missing() {
    check(&[]);
}

/// The versions that openssl offers, and clients that speak something else.
#[test]
fn strangers_are_sent_away_with_the_same_words() {
    let pki = Pki::shared();
    let arguments = join(&[&pki.pair("server"), &[pki.ca("ca.pem")]]);
    let logs = Side::BOTH.map(|side| {
        let bench = Bench::start(side, &arguments);
        let address = format!("127.0.0.1:{}", bench.port);
        let connect = |more: &str| {
            let mut all = words("s_client -brief -connect");
            all.push(address.clone());
            all.extend(words(more));
            bench.sandbox.run("openssl", &all);
        };
        connect("");
        connect("-tls1_2");
        // Older releases take it.
        if !is_old_reference() {
            connect("-tls1_1 -cipher DEFAULT:@SECLEVEL=0");
        }
        let plain = format!("tcp:{address}");
        let client = programs::reference("ovsdb-client");
        let output = bench.sandbox.run(client, &["list-dbs", &plain]);
        assert!(output.stderr.contains("(End of file)"), "{output}");
        let say = |text: &[u8]| {
            let mut stream = std::net::TcpStream::connect(&address).expect("it listens");
            stream.write_all(text).expect("an open stream");
            // Both fail if the server has ended the connection meanwhile.
            let _ = stream.shutdown(std::net::Shutdown::Write);
            let _ = stream.read_to_end(&mut Vec::new());
        };
        say(b"GET / HTTP/1.0\r\n\r\n");
        say(b"");
        let good = join(&[&pki.pair("client"), &[pki.ca("ca.pem")]]);
        assert!(bench.list(Side::Reference, &good).ok());
        bench.log_at_end()
    });
    let [reference, ours] = logs;
    assert_eq!(ours, reference);
}

#[test]
fn an_authority_is_bootstrapped_from_either_server_by_either_client() {
    let pki = Pki::shared();
    let mut all = BTreeMap::new();
    for server in Side::BOTH {
        let with_ca = join(&[&pki.pair("server"), &[pki.ca("ca.pem")]]);
        // Without its own authority it has nothing to show that could be trusted.
        let with_none = join(&[&pki.pair("server"), &words("--ca-cert=none")]);
        let with_peer_ca = join(&[
            &with_none,
            &[format!("--peer-ca-cert={}", pki.path("ca.pem").display())],
        ]);
        for (kind, arguments) in [("ca", with_ca), ("none", with_none), ("peer", with_peer_ca)] {
            let bench = Bench::start(server, &arguments);
            for client in Side::BOTH {
                let file = bench.sandbox.path("boot.pem");
                let bootstrap = join(&[
                    &pki.pair("client"),
                    &[format!("--bootstrap-ca-cert={}", file.display())],
                ]);
                let mut text = Vec::new();
                for _ in 0..2 {
                    let output = bench.list(client, &bootstrap);
                    text.push(shown(&output, &bench.port));
                }
                let written = std::fs::read_to_string(&file).ok();
                let folder = bench.sandbox.folder().display().to_string();
                let text = text.join("\n").replace(&folder, "");
                let seen = (text, written.clone());
                let first = all.entry(kind).or_insert_with(|| seen.clone());
                assert_eq!(&seen, first, "{kind}, server {server:?}, client {client:?}");
                if written.is_some() {
                    std::fs::remove_file(file).expect("it is there");
                }
            }
        }
    }
    assert!(all["ca"].1.is_some() && all["none"].1.is_none() && all["peer"].1.is_some());
}

#[test]
fn a_server_that_connects_to_a_client_shows_and_checks_certificates_as_well() {
    let pki = Pki::shared();
    for server in Side::BOTH {
        for client in Side::BOTH {
            let sandbox = Sandbox::new();
            let reserved = Port::reserve();
            let mut child = sandbox.command(client.program("ovsdb-client"));
            let child = child
                .args(["list-dbs", &format!("pssl:{}:127.0.0.1", reserved.number())])
                .args(pki.pair("client"))
                .arg(pki.ca("ca.pem"))
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .spawn()
                .expect("the program starts");
            let remote = format!("--remote=ssl:127.0.0.1:{}", reserved.number());
            let arguments = join(&[&pki.pair("server"), &[pki.ca("ca.pem"), remote]]);
            let _bench = Bench::start(server, &arguments);
            let output = child.wait_with_output().expect("the program ends");
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            assert_eq!(text, "D\n_Server\n", "server {server:?}, client {client:?}");
        }
    }
}

#[test]
fn a_server_that_connects_bootstraps_its_authority_from_the_first_client() {
    let pki = Pki::shared();
    let reserved = Port::reserve();
    let authority = tempfile::tempdir().expect("a temporary folder");
    let file = authority.path().join("boot.pem");
    let arguments = join(&[
        &pki.pair("server"),
        &[
            format!("--bootstrap-ca-cert={}", file.display()),
            format!("--remote=ssl:127.0.0.1:{}", reserved.number()),
        ],
    ]);
    let bench = Bench::start(Side::Ours, &arguments);
    let method = format!("pssl:{}:127.0.0.1", reserved.number());
    let mut all = vec![String::from("list-dbs"), method];
    all.extend(join(&[&pki.pair("client"), &[pki.ca("ca.pem")]]));
    let client = programs::reference("ovsdb-client");
    let first = bench.sandbox.run(&client, &all);
    assert!(!first.ok(), "the connection is given up: {first}");
    assert!(file.exists());
    assert_eq!(bench.sandbox.run_ok(&client, &all), "D\n_Server\n");
    // A client of another authority is not believed any more.
    let mut others = all[..2].to_vec();
    others.extend(join(&[&pki.pair("other"), &[pki.ca("ca.pem")]]));
    assert!(!bench.sandbox.run(&client, &others).ok());
    let log = bench.sandbox.text("ovsdb-server.log");
    for line in [
        "successfully bootstrapped CA cert to",
        "Trusting CA cert from",
        "killing successful connection to retry using CA cert",
        "SSL_connect: error:0A000086:SSL routines::certificate verify failed",
    ] {
        assert!(log.contains(line), "{line}:\n{log}");
    }
}

/// Writes the row of the table `SSL`.
fn set_ssl(bench: &Bench, columns: &str) {
    let operations = format!(
        r#"["D",{{"op":"delete","table":"SSL","where":[]}},{{"op":"delete","table":"Root","where":[]}},
            {{"op":"insert","table":"SSL","uuid-name":"s","row":{columns}}},
            {{"op":"insert","table":"Root","row":{{"ssl":["named-uuid","s"]}}}}]"#
    );
    let remote = bench.server.remote();
    let client = programs::ours("ovsdb-client");
    let results = bench
        .sandbox
        .run_ok(client, &["transact", &remote, &operations]);
    assert!(!results.contains("error"), "{results}");
    // Control commands wait until the remotes are in line with the databases.
    let control = bench.server.control().display().to_string();
    let appctl = programs::ours("ovs-appctl");
    bench
        .sandbox
        .run_ok(appctl, &["-t", &control, "ovsdb-server/list-remotes"]);
}

#[test]
fn settings_are_taken_from_the_database_and_followed_when_they_change() {
    let pki = Pki::shared();
    let arguments = words(
        "--private-key=db:D,SSL,private_key --certificate=db:D,SSL,certificate --ca-cert=db:D,SSL,ca_cert \
         --ssl-protocols=db:D,SSL,protocols --ssl-ciphers=db:D,SSL,ciphers --ssl-ciphersuites=db:D,SSL,ciphersuites",
    );
    let bench = Bench::start(Side::Ours, &arguments);
    let client = join(&[&pki.pair("client"), &[pki.ca("ca.pem")]]);
    let other = join(&[&pki.pair("other"), &[pki.ca("other-ca.pem")]]);
    let row = |pair: &str, ca: &str, protocols: &str| {
        let path = |name: String| pki.path(&name).display().to_string();
        format!(
            r#"{{"private_key":"{}","certificate":"{}","ca_cert":"{}","protocols":"{protocols}"}}"#,
            path(format!("{pair}-privkey.pem")),
            path(format!("{pair}-cert.pem")),
            path(ca.to_owned()),
        )
    };
    assert!(
        !bench.list(Side::Reference, &client).ok(),
        "there is no key yet"
    );
    set_ssl(&bench, &row("server", "ca.pem", ""));
    assert!(bench.list(Side::Reference, &client).ok());
    assert!(!bench.list(Side::Reference, &other).ok());
    set_ssl(&bench, &row("other", "other-ca.pem", ""));
    assert!(!bench.list(Side::Reference, &client).ok());
    assert!(bench.list(Side::Reference, &other).ok());
    // What is not said stays, and so does what was good when something bad is said.
    set_ssl(&bench, "{}");
    assert!(bench.list(Side::Reference, &other).ok());
    set_ssl(&bench, &row("nosuch", "nosuch", "nosuch"));
    assert!(bench.list(Side::Reference, &other).ok());
    if !is_old_reference() {
        set_ssl(&bench, &row("server", "ca.pem", "TLSv1.3"));
        let old = join(&[&client, &words("--ssl-protocols=TLSv1.2")]);
        assert!(!bench.list(Side::Reference, &old).ok());
        assert!(bench.list(Side::Reference, &client).ok());
    }
}

#[test]
fn keys_are_replaced_under_load_without_losing_a_client() {
    let pki = Pki::shared();
    let sandbox = Sandbox::new();
    let place = |from: String, to: &str| {
        let draft = sandbox.path("draft");
        std::fs::copy(pki.path(&from), &draft).expect("a readable file");
        std::fs::rename(draft, sandbox.path(to)).expect("a writable folder");
    };
    let use_pair = |name: &str| {
        place(format!("{name}-privkey.pem"), "privkey.pem");
        place(format!("{name}-cert.pem"), "cert.pem");
    };
    use_pair("server");
    place(String::from("ca.pem"), "ca.pem");
    let option = |name: &str, file: &str| format!("--{name}={}", sandbox.path(file).display());
    let bench = Bench::start(
        Side::Ours,
        &[
            option("private-key", "privkey.pem"),
            option("certificate", "cert.pem"),
            option("ca-cert", "ca.pem"),
        ],
    );
    let client = join(&[&pki.pair("client"), &[pki.ca("ca.pem")]]);
    let holding = |command: &str, remote: &str| {
        bench
            .sandbox
            .command(programs::reference("ovsdb-client"))
            .args(["-vconsole:off", command, remote, "a_lock"])
            .args(&client)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts")
    };
    let mut old_session = holding("lock", &bench.remote());
    let mut old_lines = BufReader::new(old_session.stdout.take().expect("a pipe")).lines();
    let mut is_told = |what: &str| {
        let mut lines = old_lines.by_ref().map(|line| line.expect("text"));
        assert!(lines.any(|line| line.contains(what)), "{what}");
    };
    is_told("locked");
    let is_over = AtomicBool::new(false);
    let failures: Vec<String> = thread::scope(|scope| {
        let loads: Vec<_> = (0..4)
            .map(|number| {
                let (bench, client, is_over) = (&bench, &client, &is_over);
                let side = Side::BOTH[number % 2];
                scope.spawn(move || {
                    let mut failures = Vec::new();
                    while !is_over.load(Ordering::Relaxed) {
                        let output = bench.list(side, client);
                        if !output.ok() {
                            failures.push(output.to_string());
                        }
                    }
                    failures
                })
            })
            .collect();
        for name in ["elliptic", "plain", "server", "elliptic", "server"] {
            use_pair(name);
            assert!(bench.list(Side::Ours, &client).ok());
        }
        is_over.store(true, Ordering::Relaxed);
        let joined = loads
            .into_iter()
            .flat_map(|load| load.join().expect("no panic"));
        joined.collect()
    });
    assert!(failures.is_empty(), "{failures:?}");
    // Another authority: who is not of it comes in no more, who is in stays.
    place(String::from("other-ca.pem"), "ca.pem");
    assert!(!bench.list(Side::Ours, &client).ok());
    let other = join(&[&pki.pair("other"), &[pki.ca("ca.pem")]]);
    assert!(bench.list(Side::Ours, &other).ok());
    let mut thief = holding("steal", &bench.server.remote());
    is_told("stolen");
    for child in [&mut old_session, &mut thief] {
        child.kill().expect("our child");
        child.wait().expect("our child");
    }
    let log = bench.log_at_end();
    let complaints = log.iter().filter(|line| line.contains("|ERR|"));
    assert_eq!(complaints.count(), 0, "{log:?}");
}
