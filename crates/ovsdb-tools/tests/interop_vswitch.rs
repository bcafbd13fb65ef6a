//! Open vSwitch's own programs over our server: `ovs-vsctl` scripts and a running `ovs-vswitchd`.
//!
//! Each script runs against the reference's server and against ours, by Unix sockets and TCP, and must print the same.

use std::path::Path;
use std::process::Command;

use ovsdb_testkit::daemon::{Daemon, Server};
use ovsdb_testkit::names;
use ovsdb_testkit::port::{Port, Transport};
use ovsdb_testkit::programs::{self, Side};
use ovsdb_testkit::sandbox::Sandbox;
use ovsdb_testkit::script;

/// A server on the schema of Open vSwitch, in a sandbox of its own. It listens in both ways.
struct Vswitch {
    side: Side,
    transport: Transport,
    port: Port,
    server: Option<Server>,
    sandbox: Sandbox,
}

impl Vswitch {
    fn start(side: Side, transport: Transport) -> Vswitch {
        let mut vswitch = Vswitch {
            side,
            transport,
            port: Port::reserve(),
            server: None,
            sandbox: Sandbox::new(),
        };
        vswitch.restart();
        vswitch
    }

    /// Ends the server, if there is one, and starts it (again).
    fn restart(&mut self) {
        self.server.take().map(Server::stop);
        let schema = programs::reference_schema("vswitch");
        self.server = Some(Server::start_as(
            &self.sandbox,
            self.side,
            "ovsdb-server",
            "db.sock",
            &[("conf.db", schema.as_path())],
            &[&self.port.server_option()],
        ));
    }

    fn remote(&self) -> String {
        self.transport
            .remote(&self.sandbox.path("db.sock"), &self.port)
    }

    /// An `ovs-vsctl` that is told where the server is.
    fn vsctl(&self, words: &[&str]) -> Command {
        let mut command = self.sandbox.command(programs::reference("ovs-vsctl"));
        command
            .arg(format!("--db={}", self.remote()))
            .arg("--no-wait")
            .args(words);
        command
    }

    /// The steps of a script, with `ovs-vsctl` told where the server is.
    fn run(&self, steps: &[script::Step]) -> Vec<String> {
        let mut steps = steps.to_vec();
        for step in &mut steps {
            if step.words[0] == "ovs-vsctl" {
                step.words.insert(1, format!("--db={}", self.remote()));
            }
        }
        script::run(&self.sandbox, &steps)
    }
}

/// The reference's server, and ours by both transports.
const SERVERS: [(Side, Transport); 3] = [
    (Side::Reference, Transport::Unix),
    (Side::Ours, Transport::Unix),
    (Side::Ours, Transport::Tcp),
];

/// The whole contents as the reference's client prints them, without the order that UUIDs give to rows.
fn contents(vswitch: &Vswitch) -> Vec<String> {
    let dump = vswitch.sandbox.run_ok(
        programs::reference("ovsdb-client"),
        &["dump", &vswitch.remote(), "Open_vSwitch"],
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
    let [reference, unix, tcp] = SERVERS.map(|(side, transport)| {
        let mut vswitch = Vswitch::start(side, transport);
        let results = vswitch.run(&steps);
        let before = contents(&vswitch);
        // What the script left must be in the file as well.
        vswitch.restart();
        let after = contents(&vswitch);
        assert_eq!(before, after, "{side:?}: contents after a restart");
        (results, before)
    });
    for ours in [unix, tcp] {
        script::assert_equal(&steps, &reference.0, &ours.0);
        assert_eq!(reference.1, ours.1, "contents at the end of {name}");
    }
}

#[test]
fn ovs_vsctl_configures_bridges_and_ports() {
    check("bridges_and_ports.txt");
}

#[test]
fn ovs_vsctl_works_on_any_table() {
    check("database_commands.txt");
}

#[track_caller]
fn check_wait_until(what: &str, prepare: impl Fn(&Vswitch)) {
    for (side, transport) in SERVERS {
        let vswitch = Vswitch::start(side, transport);
        prepare(&vswitch);
        let vsctl = |words: &[&str]| {
            let output = vswitch.vsctl(words).output().expect("ovs-vsctl starts");
            assert!(
                output.status.success(),
                "{side:?} {transport:?}: {words:?}: {output:?}"
            );
        };
        let wait = |condition| {
            let words = ["--timeout=60", "wait-until", "bridge", "br0", condition];
            vswitch.vsctl(&words).spawn().expect("ovs-vsctl starts")
        };
        let mut waiters = [
            wait("external_ids:ready=yes"),
            wait("other_config:b=2"),
            wait("ports!=[]"),
        ];
        vsctl(&["add-br", "br0"]);
        vsctl(&[
            "set",
            "bridge",
            "br0",
            "external_ids:ready=no",
            "other_config:a=1",
            "other_config:b=1",
        ]);
        let early = waiters[0].try_wait().expect("a child can be asked");
        assert!(
            early.is_none(),
            "{what}, {side:?} {transport:?}: it is not true yet"
        );
        vsctl(&["set", "bridge", "br0", "other_config:b=2"]);
        vsctl(&["set", "bridge", "br0", "external_ids:ready=yes"]);
        for waiter in &mut waiters {
            let status = waiter.wait().expect("a child can be waited for");
            assert!(status.success(), "{what}, {side:?} {transport:?}: {status}");
        }
    }
}

#[test]
fn wait_until_returns_when_another_client_makes_it_true() {
    check_wait_until("with conditional monitors", |_| ());
}

#[test]
fn wait_until_returns_without_conditional_monitors() {
    check_wait_until("without conditional monitors", |vswitch| {
        let control = vswitch
            .sandbox
            .path("ovsdb-server.ctl")
            .display()
            .to_string();
        let words = ["-t", &control, "ovsdb-server/disable-monitor-cond"];
        vswitch
            .sandbox
            .run_ok(programs::reference("ovs-appctl"), &words);
    });
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
    let [reference, unix, tcp] = SERVERS.map(|(side, transport)| {
        let vswitch = Vswitch::start(side, transport);
        let init = vswitch.vsctl(&["init"]).status().expect("ovs-vsctl starts");
        assert!(init.success(), "{init}");
        let arguments = [
            vswitch.remote(),
            "--enable-dummy".to_owned(),
            "--disable-system".to_owned(),
            "-vconsole:off".to_owned(),
            "-vsyslog:off".to_owned(),
        ];
        let program = programs::reference("ovs-vswitchd");
        let switch = Daemon::start(&vswitch.sandbox, program, "ovs-vswitchd", &arguments);
        let results = vswitch.run(&steps);
        switch.stop();
        results
    });
    script::assert_equal(&steps, &reference, &unix);
    script::assert_equal(&steps, &reference, &tcp);
}
