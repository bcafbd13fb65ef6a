//! OVN's own programs over our server: `ovn-nbctl`, in the foreground and as a daemon, `ovn-sbctl`, and `ovn-northd` between the two databases.
//!
//! Each script runs against the reference's server and against ours, by Unix sockets and TCP, with both databases in one
//! process and in two, and must print the same.

use std::path::Path;

use ovsdb_testkit::daemon::{Daemon, Server};
use ovsdb_testkit::port::{Port, Transport};
use ovsdb_testkit::programs::{self, Side};
use ovsdb_testkit::sandbox::Sandbox;
use ovsdb_testkit::script;

/// How the two databases are spread over processes.
#[derive(Clone, Copy, Debug)]
enum Layout {
    OneProcess,
    TwoProcesses,
}

/// Sockets where OVN's programs look for the databases unless told otherwise.
const NB_SOCKET: &str = "ovnnb_db.sock";
const SB_SOCKET: &str = "ovnsb_db.sock";

/// Servers on OVN's two schemas.
struct Central {
    side: Side,
    layout: Layout,
    ports: [Port; 2],
    servers: Vec<Server>,
    northbound: String,
    southbound: String,
    sandbox: Sandbox,
}

impl Central {
    /// Starts the servers in a sandbox of their own, whose clients reach them by `transport`.
    fn start(side: Side, layout: Layout, transport: Transport) -> Central {
        let mut sandbox = Sandbox::new();
        let ports = [Port::reserve(), Port::reserve()];
        let [northbound, southbound] = [(NB_SOCKET, 0), (SB_SOCKET, 1)]
            .map(|(socket, index)| transport.remote(&sandbox.path(socket), &ports[index]));
        // Where Unix sockets are used, they are where programs look without being told.
        if transport == Transport::Tcp {
            sandbox.set("OVN_NB_DB", &northbound);
            sandbox.set("OVN_SB_DB", &southbound);
        }
        let mut central = Central {
            side,
            layout,
            ports,
            servers: Vec::new(),
            northbound,
            southbound,
            sandbox,
        };
        central.serve();
        central
    }

    /// Starts the servers, after a crash if they run.
    fn serve(&mut self) {
        for server in self.servers.drain(..) {
            server.kill();
        }
        let (side, sandbox) = (self.side, &self.sandbox);
        let nb_schema = programs::reference_schema("ovn-nb");
        let sb_schema = programs::reference_schema("ovn-sb");
        let (nb, sb) = (
            ("ovnnb_db.db", nb_schema.as_path()),
            ("ovnsb_db.db", sb_schema.as_path()),
        );
        let [nb_tcp, sb_tcp] = [0, 1].map(|index| self.ports[index].server_option());
        self.servers = match self.layout {
            Layout::OneProcess => {
                let second = format!("--remote=punix:{}", sandbox.path(SB_SOCKET).display());
                let remotes = [second.as_str(), &nb_tcp, &sb_tcp];
                vec![Server::start_as(
                    sandbox,
                    side,
                    "ovn_db",
                    NB_SOCKET,
                    &[nb, sb],
                    &remotes,
                )]
            }
            Layout::TwoProcesses => vec![
                Server::start_as(sandbox, side, "ovnnb_db", NB_SOCKET, &[nb], &[&nb_tcp]),
                Server::start_as(sandbox, side, "ovnsb_db", SB_SOCKET, &[sb], &[&sb_tcp]),
            ],
        };
    }

    /// `ovn-northd` between the two databases.
    fn northd(&self, name: &str) -> Daemon {
        let arguments = [
            format!("--ovnnb-db={}", self.northbound),
            format!("--ovnsb-db={}", self.southbound),
            "-vconsole:off".to_owned(),
            "-vsyslog:off".to_owned(),
        ];
        let program = programs::reference("ovn-northd");
        Daemon::start(&self.sandbox, program, name, &arguments)
    }
}

/// The steps of a script of `tests/scripts/ovn`.
fn steps(name: &str) -> Vec<script::Step> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/scripts/ovn")
        .join(name);
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    script::parse(&text)
}

/// Runs a script on both sides, after `prepare` has started what else it needs.
fn check<T>(name: &str, layout: Layout, prepare: impl Fn(&mut Central) -> T) {
    let steps = steps(name);
    let [reference, unix, tcp] = [
        (Side::Reference, Transport::Unix),
        (Side::Ours, Transport::Unix),
        (Side::Ours, Transport::Tcp),
    ]
    .map(|(side, transport)| {
        let mut central = Central::start(side, layout, transport);
        let _others = prepare(&mut central);
        script::run(&central.sandbox, &steps)
    });
    script::assert_equal(&steps, &reference, &unix);
    script::assert_equal(&steps, &reference, &tcp);
}

fn northd(central: &mut Central) -> Daemon {
    central.northd("ovn-northd")
}

/// `ovn-nbctl` in the background: the commands of the script talk to it, and it to the database.
fn nbctl_daemon(central: &mut Central) -> Daemon {
    let program = programs::reference("ovn-nbctl");
    let quiet = ["-vconsole:off", "-vsyslog:off"];
    let daemon = Daemon::start(&central.sandbox, program, "ovn-nbctl", &quiet);
    let socket = central
        .sandbox
        .path(format!("ovn-nbctl.{}.ctl", daemon.pid()));
    let socket = socket.to_str().expect("the path of a sandbox is UTF-8");
    central.sandbox.set("OVN_NB_DAEMON", socket);
    daemon
}

#[test]
fn ovn_nbctl_configures_the_northbound_database() {
    check("northbound.txt", Layout::TwoProcesses, |_| ());
}

#[test]
fn ovn_nbctl_in_the_background_configures_the_northbound_database() {
    check("northbound.txt", Layout::TwoProcesses, nbctl_daemon);
}

#[test]
fn ovn_nbctl_in_the_background_waits_for_northd() {
    check("with_northd.txt", Layout::OneProcess, |central| {
        (northd(central), nbctl_daemon(central))
    });
}

#[test]
fn ovn_sbctl_configures_the_southbound_database() {
    check("southbound.txt", Layout::OneProcess, |_| ());
}

#[test]
fn ovn_northd_translates_between_two_processes() {
    check("with_northd.txt", Layout::TwoProcesses, northd);
}

#[test]
fn ovn_northd_translates_within_one_process() {
    check("with_northd.txt", Layout::OneProcess, northd);
}

#[test]
fn ovn_nbctl_in_the_background_outlives_a_crash_of_the_server() {
    for (side, transport) in [
        (Side::Reference, Transport::Unix),
        (Side::Ours, Transport::Unix),
        (Side::Ours, Transport::Tcp),
    ] {
        let mut central = Central::start(side, Layout::TwoProcesses, transport);
        let _daemon = nbctl_daemon(&mut central);
        let _northd = northd(&mut central);
        let nbctl = programs::reference("ovn-nbctl");
        let run = |central: &Central, words: &[&str]| central.sandbox.run_ok(&nbctl, words);
        run(&central, &["--wait=sb", "ls-add", "sw0"]);
        for switch in ["sw1", "sw2"] {
            central.serve();
            run(&central, &["--wait=sb", "ls-add", switch]);
        }
        let found = run(
            &central,
            &["--bare", "--columns=name", "list", "logical_switch"],
        );
        let mut names: Vec<&str> = found.split_whitespace().collect();
        names.sort_unstable();
        assert_eq!(names, ["sw0", "sw1", "sw2"], "{side:?} {transport:?}");
    }
}

/// A schema with one more table, and with one more column in each.
fn wider(schema: &str) -> String {
    let column = r#""columns": {"a_new_column": {"type": {"key": "string", "min": 0}},"#;
    let table =
        r#""tables": {"A_new_table": {"isRoot": true, "columns": {"n": {"type": "integer"}}},"#;
    let wider = schema
        .replace(r#""columns": {"#, column)
        .replacen(r#""tables": {"#, table, 1);
    assert!(wider.contains(column) && wider.contains(table), "{schema}");
    wider
}

#[test]
fn ovn_northd_and_ovn_nbctl_in_the_background_go_on_over_conversions() {
    for (side, layout) in [
        (Side::Reference, Layout::TwoProcesses),
        (Side::Ours, Layout::TwoProcesses),
        (Side::Ours, Layout::OneProcess),
    ] {
        let mut central = Central::start(side, layout, Transport::Unix);
        let _daemon = nbctl_daemon(&mut central);
        let _northd = northd(&mut central);
        let (sandbox, nbctl) = (&central.sandbox, programs::reference("ovn-nbctl"));
        let add = |name: &str| sandbox.run_ok(&nbctl, &["--wait=sb", "ls-add", name]);
        let client = side.program("ovsdb-client");
        let convert = |schema: &str, remote: &str, is_wider: bool| {
            let schema = std::fs::read_to_string(programs::reference_schema(schema));
            let mut schema = schema.expect("it is installed");
            if is_wider {
                schema = wider(&schema);
            }
            let file = sandbox.path("wanted.ovsschema");
            std::fs::write(&file, schema).expect("the sandbox is writable");
            let file = file.to_str().expect("the path of a sandbox is UTF-8");
            sandbox.run_ok(&client, &["convert", remote, file]);
        };
        add("sw0");
        for (number, is_wider) in [(1, true), (3, false)] {
            convert("ovn-nb", &central.northbound, is_wider);
            add(&format!("sw{number}"));
            convert("ovn-sb", &central.southbound, is_wider);
            add(&format!("sw{}", number + 1));
        }
        let sbctl = programs::reference("ovn-sbctl");
        let found = sandbox.run_ok(
            &sbctl,
            &["--bare", "--columns=tunnel_key", "list", "datapath_binding"],
        );
        let mut keys: Vec<&str> = found.split_whitespace().collect();
        keys.sort_unstable();
        assert_eq!(keys, ["1", "2", "3", "4", "5"], "{side:?} {layout:?}");
    }
}

#[test]
fn a_second_northd_takes_over_when_the_first_is_killed() {
    for side in Side::BOTH {
        let central = Central::start(side, Layout::TwoProcesses, Transport::Tcp);
        let first = central.northd("ovn-northd");
        let nbctl = programs::reference("ovn-nbctl");
        central
            .sandbox
            .run_ok(&nbctl, &["--wait=sb", "ls-add", "sw0"]);
        // The second holds no lock and so does nothing, until the server gives it the lock of the killed one.
        let _second = central.northd("northd-2");
        first.kill();
        central
            .sandbox
            .run_ok(&nbctl, &["--wait=sb", "ls-add", "sw1"]);
        let sbctl = programs::reference("ovn-sbctl");
        let found = central.sandbox.run_ok(
            &sbctl,
            &[
                "--bare",
                "--columns=tunnel_key",
                "find",
                "datapath_binding",
                "external_ids:name=sw1",
            ],
        );
        assert_eq!(found.trim(), "2", "{side:?}");
    }
}
