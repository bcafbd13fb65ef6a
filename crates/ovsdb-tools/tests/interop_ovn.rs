//! OVN's own programs over our server: `ovn-nbctl`, `ovn-sbctl`, and `ovn-northd` between the two databases.
//!
//! Each script runs against the reference's server and against ours, with both databases in one process and in two,
//! and must print the same.

use std::path::Path;

use ovsdb_testkit::daemon::{Daemon, Server};
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

/// Servers on OVN's two schemas, in a sandbox of their own.
fn ovn_servers(side: Side, layout: Layout) -> (Sandbox, Vec<Server>) {
    let sandbox = Sandbox::new();
    let nb_schema = programs::reference_schema("ovn-nb");
    let sb_schema = programs::reference_schema("ovn-sb");
    let (nb, sb) = (
        ("ovnnb_db.db", nb_schema.as_path()),
        ("ovnsb_db.db", sb_schema.as_path()),
    );
    let servers = match layout {
        Layout::OneProcess => {
            let second = format!("--remote=punix:{}", sandbox.path(SB_SOCKET).display());
            vec![Server::start_as(
                &sandbox,
                side,
                "ovn_db",
                NB_SOCKET,
                &[nb, sb],
                &[&second],
            )]
        }
        Layout::TwoProcesses => vec![
            Server::start_as(&sandbox, side, "ovnnb_db", NB_SOCKET, &[nb], &[]),
            Server::start_as(&sandbox, side, "ovnsb_db", SB_SOCKET, &[sb], &[]),
        ],
    };
    (sandbox, servers)
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
fn check<T>(name: &str, layout: Layout, prepare: impl Fn(&Sandbox) -> T) {
    let steps = steps(name);
    let [reference, ours] = Side::BOTH.map(|side| {
        let (sandbox, _servers) = ovn_servers(side, layout);
        let _others = prepare(&sandbox);
        script::run(&sandbox, &steps)
    });
    script::assert_equal(&steps, &reference, &ours);
}

/// `ovn-northd` between the two databases.
fn northd(sandbox: &Sandbox) -> Daemon {
    let remote =
        |option: &str, socket: &str| format!("{option}=unix:{}", sandbox.path(socket).display());
    let arguments = [
        remote("--ovnnb-db", NB_SOCKET),
        remote("--ovnsb-db", SB_SOCKET),
        "-vconsole:off".to_owned(),
        "-vsyslog:off".to_owned(),
    ];
    Daemon::start(
        sandbox,
        programs::reference("ovn-northd"),
        "ovn-northd",
        &arguments,
    )
}

#[test]
fn ovn_nbctl_configures_the_northbound_database() {
    check("northbound.txt", Layout::TwoProcesses, |_| ());
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
fn a_second_northd_takes_over_when_the_first_is_killed() {
    for side in Side::BOTH {
        let (sandbox, _servers) = ovn_servers(side, Layout::TwoProcesses);
        let first = northd(&sandbox);
        let nbctl = programs::reference("ovn-nbctl");
        sandbox.run_ok(&nbctl, &["--wait=sb", "ls-add", "sw0"]);
        // The second holds no lock and so does nothing, until the server gives it the lock of the killed one.
        let remote = |option: &str, socket: &str| {
            format!("{option}=unix:{}", sandbox.path(socket).display())
        };
        let arguments = [
            remote("--ovnnb-db", NB_SOCKET),
            remote("--ovnsb-db", SB_SOCKET),
            "-vconsole:off".to_owned(),
            "-vsyslog:off".to_owned(),
        ];
        let _second = Daemon::start(
            &sandbox,
            programs::reference("ovn-northd"),
            "northd-2",
            &arguments,
        );
        first.kill();
        sandbox.run_ok(&nbctl, &["--wait=sb", "ls-add", "sw1"]);
        let sbctl = programs::reference("ovn-sbctl");
        let found = sandbox.run_ok(
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
