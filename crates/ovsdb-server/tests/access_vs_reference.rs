//! The dialogues of `testdata/access` with the reference's server and with ours, whose clients prove their ids by
//! certificates.

mod access;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use access::ours::Ours;
use access::random::{Player, Transactions};
use access::{Host, Remote};
use ovsdb_testkit::client::RawClient;
use ovsdb_testkit::daemon::Server;
use ovsdb_testkit::programs::{self, Side};
use ovsdb_testkit::sandbox::Sandbox;

/// An authority, and keys and certificates of its making: `NAME.key` and `NAME.pem`.
fn certificates() -> &'static Path {
    static FOLDER: OnceLock<tempfile::TempDir> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for name in ["authority", "server", "hv1", "hv2"] {
            let mut command = Command::new("openssl");
            command
                .current_dir(&folder)
                .args(["req", "-x509", "-batch", "-nodes", "-newkey", "ec"])
                .args(["-pkeyopt", "ec_paramgen_curve:prime256v1", "-subj"])
                .arg(format!("/CN={name}"))
                .args(["-keyout", &format!("{name}.key")])
                .args(["-out", &format!("{name}.pem")]);
            if name != "authority" {
                command.args(["-CA", "authority.pem", "-CAkey", "authority.key"]);
            }
            let output = command.output().expect("openssl is installed");
            assert!(output.status.success(), "{output:?}");
        }
        folder
    });
    folder.path()
}

/// A server, and the programs that speak TLS for its clients.
struct OverTls {
    sandbox: Sandbox,
    _server: Server,
    /// Port by address.
    ports: BTreeMap<String, String>,
    connectors: Vec<Child>,
}

impl OverTls {
    fn start(side: Side) -> OverTls {
        let sandbox = Sandbox::new();
        let schemas = access::schemas();
        let tool = Side::Reference.program("ovsdb-tool");
        for (name, schema) in &schemas {
            let arguments: [OsString; 3] =
                ["create".into(), sandbox.path(name).into(), schema.into()];
            sandbox.run_ok(&tool, &arguments);
        }
        for (database, params) in access::setup(sandbox.folder()) {
            let arguments: [OsString; 3] = [
                "transact".into(),
                sandbox.path(database).into(),
                params.into(),
            ];
            let results = sandbox.run_ok(&tool, &arguments);
            assert!(!results.contains("\"details\""), "{results}");
        }
        let tls = |option: &str, file: &str| {
            format!("--{option}={}", certificates().join(file).display())
        };
        let more = [
            String::from("--remote=db:D,Root,connections"),
            tls("private-key", "server.key"),
            tls("certificate", "server.pem"),
            tls("ca-cert", "authority.pem"),
        ];
        let more: Vec<&str> = more.iter().map(String::as_str).collect();
        let databases: Vec<(&str, &Path)> = schemas
            .iter()
            .map(|(name, schema)| (name.as_str(), schema.as_path()))
            .collect();
        let server = Server::start_as(&sandbox, side, "ovsdb-server", "db.sock", &databases, &more);
        let log = sandbox.text("ovsdb-server.log");
        // `...|INFO|0:127.0.0.1: listening on port 40000`
        let ports = log.lines().filter_map(|line| {
            let (before, port) = line.split_once(": listening on port ")?;
            let (_, address) = before.rsplit_once(':')?;
            Some((address.to_owned(), port.to_owned()))
        });
        OverTls {
            ports: ports.collect(),
            sandbox,
            _server: server,
            connectors: Vec::new(),
        }
    }
}

impl Host for OverTls {
    fn folder(&self) -> &Path {
        self.sandbox.folder()
    }

    fn connect(&mut self, id: Option<&str>, remote: Remote) -> RawClient {
        let address = match remote {
            Remote::Unix(socket) => return RawClient::connect_soon(&self.folder().join(socket)),
            Remote::Tls { address, .. } => address,
        };
        let id = id.expect("the server asks for a certificate");
        let (near, far) = UnixStream::pair().expect("two sockets");
        let input = far.try_clone().expect("another descriptor");
        let connector = Command::new("openssl")
            .current_dir(certificates())
            .args(["s_client", "-quiet", "-CAfile", "authority.pem", "-connect"])
            .arg(format!("{address}:{}", self.ports[address]))
            .args(["-key", &format!("{id}.key"), "-cert", &format!("{id}.pem")])
            .stdin(Stdio::from(OwnedFd::from(input)))
            .stdout(Stdio::from(OwnedFd::from(far)))
            .stderr(Stdio::null())
            .spawn()
            .expect("openssl is installed");
        self.connectors.push(connector);
        RawClient::over(near)
    }
}

impl Drop for OverTls {
    fn drop(&mut self) {
        for connector in &mut self.connectors {
            // Both fail only if it has ended by itself.
            let _ = connector.kill();
            let _ = connector.wait();
        }
    }
}

#[test]
fn the_reference_answers_as_the_dialogues_say() {
    let sandbox = Sandbox::new();
    let version = sandbox.run_ok(programs::reference("ovsdb-server"), &["--version"]);
    // Older releases ask for permission even where there is nothing to do, do not follow the roles of remotes, let
    // read-only remotes convert databases, and refuse to change their own database in other words.
    let left_out: &[&str] = if version.contains(" 3.1.") {
        &[
            "mutate_nothing",
            "role_of_a_remote",
            "convert_read_only",
            "reserved_database",
        ]
    } else {
        &[]
    };
    access::check_all(left_out, || OverTls::start(Side::Reference));
}

#[test]
fn our_program_answers_over_tls_as_the_dialogues_say() {
    access::check_all(&[], || OverTls::start(Side::Ours));
}

#[test]
fn both_servers_allow_and_forbid_the_same_random_transactions() {
    let (mut allowed, mut forbidden) = (0, 0);
    for seed in 1..=SEEDS {
        let mut transactions = Transactions::new(seed);
        let mut reference = Player::new(OverTls::start(Side::Reference));
        let mut ours = Player::new(Ours::start());
        for number in 0..TRANSACTIONS {
            let (client, params) = transactions.next();
            let expect = reference.transact(client, &params).to_string();
            let found = ours.transact(client, &params).to_string();
            assert_eq!(
                found, expect,
                "ours is on the left; seed {seed}, number {number}: {client} {params}"
            );
            if expect.contains("permission error") {
                forbidden += 1;
            } else if client != "root" && !expect.contains("\"details\"") {
                allowed += 1;
            }
        }
        assert_eq!(ours.contents(), reference.contents(), "seed {seed}");
    }
    let tenth = SEEDS as usize * TRANSACTIONS / 10;
    assert!(
        allowed > tenth && forbidden > tenth,
        "too little is tried: {allowed} allowed, {forbidden} forbidden"
    );
}

const SEEDS: u64 = 8;
const TRANSACTIONS: usize = 400;
