//! Open vSwitch's own programs over our server: `ovs-vsctl` scripts and a running `ovs-vswitchd`.
//!
//! Each script runs against the reference's server and against ours, and must print the same.

use std::path::Path;

use ovsdb_testkit::daemon::{Daemon, Server};
use ovsdb_testkit::names;
use ovsdb_testkit::programs::{self, Side};
use ovsdb_testkit::sandbox::Sandbox;
use ovsdb_testkit::script;

/// A server on the schema of Open vSwitch, in a sandbox of its own.
fn vswitch_server(side: Side) -> (Sandbox, Server) {
    let sandbox = Sandbox::new();
    let schema = programs::reference_schema("vswitch");
    let server = Server::start(&sandbox, side, &[("conf.db", schema.as_path())]);
    (sandbox, server)
}

/// The whole contents as the reference's client prints them, without the order that UUIDs give to rows.
fn contents(sandbox: &Sandbox, server: &Server) -> Vec<String> {
    let dump = sandbox.run_ok(
        programs::reference("ovsdb-client"),
        &["dump", &server.remote(), "Open_vSwitch"],
    );
    let mut lines: Vec<String> = names::erase(&dump).lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

/// Runs a script of `tests/scripts/vsctl` against both servers.
fn check(name: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/scripts/vsctl")
        .join(name);
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let steps = script::parse(&text);
    let [reference, ours] = Side::BOTH.map(|side| {
        let (sandbox, server) = vswitch_server(side);
        let results = script::run(&sandbox, &steps);
        let before = contents(&sandbox, &server);
        // What the script left must be in the file as well.
        server.stop();
        let server = Server::start(&sandbox, side, &[("conf.db", Path::new("unused"))]);
        assert_eq!(
            before,
            contents(&sandbox, &server),
            "{side:?}: contents after a restart"
        );
        (results, before)
    });
    script::assert_equal(&steps, &reference.0, &ours.0);
    assert_eq!(reference.1, ours.1, "contents at the end of {name}");
}

#[test]
fn ovs_vsctl_configures_bridges_and_ports() {
    check("bridges_and_ports.txt");
}

#[test]
fn ovs_vsctl_works_on_any_table() {
    check("database_commands.txt");
}

#[test]
fn wait_until_returns_when_another_client_makes_it_true() {
    for side in Side::BOTH {
        let (sandbox, _server) = vswitch_server(side);
        let vsctl = programs::reference("ovs-vsctl");
        let mut waiter = sandbox
            .command(&vsctl)
            .args([
                "--no-wait",
                "--timeout=60",
                "wait-until",
                "bridge",
                "br0",
                "external_ids:ready=yes",
            ])
            .spawn()
            .expect("ovs-vsctl starts");
        sandbox.run_ok(&vsctl, &["--no-wait", "add-br", "br0"]);
        sandbox.run_ok(
            &vsctl,
            &["--no-wait", "set", "bridge", "br0", "external_ids:ready=no"],
        );
        assert!(
            waiter.try_wait().expect("a child can be asked").is_none(),
            "{side:?}: it is not true yet"
        );
        sandbox.run_ok(
            &vsctl,
            &[
                "--no-wait",
                "set",
                "bridge",
                "br0",
                "external_ids:ready=yes",
            ],
        );
        let status = waiter.wait().expect("a child can be waited for");
        assert!(status.success(), "{side:?}: {status}");
    }
}

/// What is asked of a database with a running switch behind it. Every `ovs-vsctl` here waits for the switch.
const WITH_SWITCH: &str = r#"
ovs-vsctl --timeout=60 add-br br0 -- set bridge br0 datapath_type=dummy other_config:hwaddr=aa:55:aa:55:00:01 fail_mode=secure
ovs-vsctl --timeout=60 add-port br0 p1 -- set interface p1 type=dummy ofport_request=1
ovs-vsctl --timeout=60 add-port br0 p2 -- set interface p2 type=dummy ofport_request=2 -- set port p2 tag=10
ovs-vsctl --timeout=60 wait-until interface p2 ofport=2
ovs-vsctl get interface p1 ofport
ovs-vsctl get interface p2 ofport
ovs-vsctl get bridge br0 datapath_id
ovs-vsctl get interface br0 mac_in_use
ovs-vsctl --columns=name,ofport,error list interface p1
ovs-vsctl get open_vswitch . cur_cfg
ovs-vsctl get open_vswitch . next_cfg
# A port that cannot be made says so in its row.
ovs-vsctl --timeout=60 add-port br0 bad -- set interface bad type=patch
ovs-vsctl --timeout=60 wait-until interface bad ofport=-1
ovs-vsctl get interface bad error
ovs-vsctl --timeout=60 del-port bad
# The switch sees what was configured.
ovs-appctl dpif/show
ovs-ofctl add-flow br0 in_port=1,actions=output:2
ovs-ofctl --no-stats dump-flows br0
ovs-vsctl --timeout=60 set interface p1 ofport_request=5
ovs-vsctl --timeout=60 wait-until interface p1 ofport=5
ovs-vsctl --timeout=60 add-br br1 -- set bridge br1 datapath_type=dummy
ovs-vsctl --timeout=60 add-port br0 patch0 -- set interface patch0 type=patch options:peer=patch1 -- add-port br1 patch1 -- set interface patch1 type=patch options:peer=patch0
ovs-vsctl --timeout=60 get interface patch0 options
ovs-vsctl --timeout=60 del-br br1
ovs-vsctl --timeout=60 list-br
ovs-vsctl --timeout=60 emer-reset
ovs-vsctl --timeout=60 del-br br0
ovs-appctl dpif/show
ovs-vsctl show
"#;

#[test]
fn ovs_vswitchd_follows_the_database() {
    let steps = script::parse(WITH_SWITCH);
    let [reference, ours] = Side::BOTH.map(|side| {
        let (sandbox, server) = vswitch_server(side);
        sandbox.run_ok(programs::reference("ovs-vsctl"), &["--no-wait", "init"]);
        let arguments = [
            server.remote(),
            "--enable-dummy".to_owned(),
            "--disable-system".to_owned(),
            "-vconsole:off".to_owned(),
            "-vsyslog:off".to_owned(),
        ];
        let switch = Daemon::start(
            &sandbox,
            programs::reference("ovs-vswitchd"),
            "ovs-vswitchd",
            &arguments,
        );
        let results = script::run(&sandbox, &steps);
        switch.stop();
        results
    });
    script::assert_equal(&steps, &reference, &ours);
}
