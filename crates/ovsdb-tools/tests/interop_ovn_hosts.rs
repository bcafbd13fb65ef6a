//! A small OVN deployment over our servers: `ovn-northd`, and two chassis with `ovs-vswitchd` and `ovn-controller`.
//!
//! The same steps run over the reference's servers and over ours, by Unix sockets and by TCP, and must lead to the same
//! bindings, tunnels and OpenFlow flows. Switches are userspace ones without real devices.

use std::sync::LazyLock;

use ovsdb_testkit::daemon::{Daemon, Server};
use ovsdb_testkit::names;
use ovsdb_testkit::port::{Port, Transport};
use ovsdb_testkit::programs::{self, Side};
use ovsdb_testkit::sandbox::Sandbox;

/// A database server with what it takes to start it again where its clients look for it.
struct Database {
    side: Side,
    transport: Transport,
    name: &'static str,
    schema: &'static str,
    socket: &'static str,
    port: Port,
    server: Option<Server>,
}

impl Database {
    fn start(
        sandbox: &Sandbox,
        side: Side,
        transport: Transport,
        [name, schema, socket]: [&'static str; 3],
    ) -> Database {
        let mut database = Database {
            side,
            transport,
            name,
            schema,
            socket,
            port: Port::reserve(),
            server: None,
        };
        database.start_again(sandbox);
        database
    }

    fn start_again(&mut self, sandbox: &Sandbox) {
        let schema = programs::reference_schema(self.schema);
        let file = format!("{}.db", self.name);
        let server = Server::start_as(
            sandbox,
            self.side,
            self.name,
            self.socket,
            &[(&file, &schema)],
            &[&self.port.server_option()],
        );
        self.server = Some(server);
    }

    fn restart(&mut self, sandbox: &Sandbox, end: fn(Server) -> nix::sys::wait::WaitStatus) {
        end(self.server.take().expect("the server runs"));
        self.start_again(sandbox);
    }

    fn remote(&self, sandbox: &Sandbox) -> String {
        self.transport
            .remote(&sandbox.path(self.socket), &self.port)
    }
}

/// Starts a daemon of the reference that logs what goes over its database connections.
fn daemon(sandbox: &Sandbox, program: &str, arguments: &[String]) -> Daemon {
    let mut all: Vec<String> = ["-vconsole:off", "-vsyslog:off", "-vjsonrpc:file:dbg"]
        .map(str::to_owned)
        .to_vec();
    all.extend_from_slice(arguments);
    Daemon::start(sandbox, programs::reference(program), program, &all)
}

/// One host: its database, its switch and its part of OVN.
struct Chassis {
    name: &'static str,
    database: Database,
    // Ended in this order, the one that depends on the others first.
    _controller: Daemon,
    _switch: Daemon,
    sandbox: Sandbox,
}

impl Chassis {
    fn start(
        side: Side,
        transport: Transport,
        name: &'static str,
        address: &str,
        southbound: &str,
    ) -> Chassis {
        let sandbox = Sandbox::new();
        let what = ["ovsdb-server", "vswitch", "db.sock"];
        let database = Database::start(&sandbox, side, transport, what);
        let vsctl = programs::reference("ovs-vsctl");
        sandbox.run_ok(&vsctl, &["--no-wait", "init"]);
        let remote = database.remote(&sandbox);
        let options = [
            remote.clone(),
            "--enable-dummy=override".to_owned(),
            "--disable-system".to_owned(),
        ];
        let switch = daemon(&sandbox, "ovs-vswitchd", &options);
        let settings = [
            "set".to_owned(),
            "open_vswitch".to_owned(),
            ".".to_owned(),
            format!("external_ids:system-id={name}"),
            format!("external_ids:hostname={name}"),
            format!("external_ids:ovn-remote=\"{southbound}\""),
            "external_ids:ovn-encap-type=geneve".to_owned(),
            format!("external_ids:ovn-encap-ip={address}"),
            "external_ids:ovn-monitor-all=false".to_owned(),
        ];
        sandbox.run_ok(&vsctl, &settings);
        let controller = daemon(&sandbox, "ovn-controller", &[remote]);
        Chassis {
            name,
            database,
            _controller: controller,
            _switch: switch,
            sandbox,
        }
    }

    fn run(&self, line: &str) -> String {
        run(&self.sandbox, line)
    }

    /// Plugs an interface into the integration bridge, for a logical port.
    fn plug(&self, port: &str, number: u16) {
        self.run(&format!(
            "ovs-vsctl add-port br-int {port} -- \
             set interface {port} external_ids:iface-id={port} ofport_request={number}"
        ));
    }

    fn unplug(&self, port: &str) {
        self.run(&format!("ovs-vsctl del-port br-int {port}"));
    }

    /// The flows of the integration bridge, without what is chosen by chance.
    fn flows(&self) -> Vec<String> {
        let flows = self.run("ovs-ofctl --no-stats --no-names dump-flows br-int");
        let mut lines: Vec<String> = flows.lines().map(without_chance).collect();
        lines.sort();
        lines
    }

    /// True if there are flows of the logical switch with this tunnel key.
    fn knows(&self, key: u16) -> bool {
        let metadata = format!("metadata=0x{key:x}");
        self.flows()
            .iter()
            .any(|flow| flow.split([',', ' ']).any(|word| word == metadata))
    }
}

/// Checks how often a daemon has gone on where it was when it lost its database. Its log has the replies.
///
/// The reference keeps no history of databases in one file, and nobody does of ephemeral columns. So `ovn-northd`, which
/// looks at those of the table Connection, begins anew.
#[track_caller]
fn assert_resumed(sandbox: &Sandbox, daemon: &str, side: Side, times: usize) {
    let log = sandbox.text(format!("{daemon}.log"));
    let resumed = |line: &&str| line.contains("received reply, result=[true,");
    let expected = if side == Side::Ours { times } else { 0 };
    assert_eq!(
        log.lines().filter(resumed).count(),
        expected,
        "{daemon}, {side:?}"
    );
}

/// Runs one line of words separated by blanks.
fn run(sandbox: &Sandbox, line: &str) -> String {
    let words: Vec<&str> = line.split_whitespace().collect();
    sandbox.run_ok(programs::reference(words[0]), &words[1..])
}

/// The words of a flow without its cookie, connection tracking zones and MAC addresses that are not the test's own.
///
/// They are sorted, because the members of a multicast group have no order.
fn without_chance(flow: &str) -> String {
    let mut words: Vec<&str> = flow
        .split([',', ' '])
        .map(|word| word.strip_prefix("actions=").unwrap_or(word))
        .filter(|word| {
            let zone = ["REG11[]", "REG12[]", "REG13[]"]
                .iter()
                .any(|register| word.starts_with("load:") && word.ends_with(register));
            let address = word.rsplit_once('=').is_some_and(|(_, value)| {
                value.split(':').count() == 6 && !value.starts_with("50:54:")
            });
            !(zone || address || word.starts_with("cookie="))
        })
        .collect();
    words.sort_unstable();
    words.join(" ")
}

/// The databases, `ovn-northd` and two chassis.
struct Deployment {
    chassis: [Chassis; 2],
    _northd: Daemon,
    northbound: Database,
    southbound: Database,
    sandbox: Sandbox,
}

impl Deployment {
    fn start(side: Side, transport: Transport) -> Deployment {
        let mut sandbox = Sandbox::new();
        let start = |what| Database::start(&sandbox, side, transport, what);
        let northbound = start(["ovnnb_db", "ovn-nb", "ovnnb_db.sock"]);
        let southbound = start(["ovnsb_db", "ovn-sb", "ovnsb_db.sock"]);
        let [nb, sb] = [&northbound, &southbound].map(|database| database.remote(&sandbox));
        sandbox.set("OVN_NB_DB", &nb);
        sandbox.set("OVN_SB_DB", &sb);
        let databases = [format!("--ovnnb-db={nb}"), format!("--ovnsb-db={sb}")];
        let northd = daemon(&sandbox, "ovn-northd", &databases);
        let chassis = [("hv1", "127.0.0.11"), ("hv2", "127.0.0.12")]
            .map(|(name, address)| Chassis::start(side, transport, name, address, &sb));
        let deployment = Deployment {
            chassis,
            _northd: northd,
            northbound,
            southbound,
            sandbox,
        };
        for chassis in &deployment.chassis {
            let name = chassis.name;
            deployment.run(&format!(
                "ovn-sbctl --timeout=60 wait-until chassis {name} name={name}"
            ));
        }
        // Both tunnels exist, so that they have the first port numbers.
        for (chassis, other) in [(0, "hv2"), (1, "hv1")] {
            deployment.chassis[chassis].run(&format!(
                "ovs-vsctl --timeout=60 wait-until interface ovn-{other}-0 ofport>0"
            ));
        }
        deployment
    }

    fn run(&self, line: &str) -> String {
        run(&self.sandbox, line)
    }

    /// Returns when all chassis have done what the northbound database says.
    fn sync(&self) {
        self.run("ovn-nbctl --timeout=60 --wait=hv sync");
    }

    fn add_port(&self, switch: &str, port: &str, key: u16) {
        self.run(&format!(
            "ovn-nbctl lsp-add {switch} {port} -- \
             lsp-set-options {port} requested-tnl-key={key} -- \
             lsp-set-addresses {port} 50:54:00:00:00:{key:02x}"
        ));
    }

    fn wait_for_port(&self, port: &str, up: bool) {
        self.run(&format!(
            "ovn-nbctl --timeout=60 wait-until logical_switch_port {port} up={up}"
        ));
        self.sync();
    }

    /// What two deployments must agree on.
    fn state(&self, title: &str, state: &mut Vec<String>) {
        state.push(format!("=== {title}"));
        for command in [
            "ovn-nbctl show",
            "ovn-sbctl show",
            "ovn-sbctl --bare --columns=logical_port,up,tunnel_key,type list port_binding",
            "ovn-sbctl --bare --columns=name,nb_cfg list chassis_private",
            "ovn-sbctl lflow-list",
        ] {
            let text = names::erase(&self.run(command));
            // Neither rows nor sets of a table have an order.
            let mut lines: Vec<String> = text.lines().map(without_chance).collect();
            lines.sort();
            state.extend(lines);
        }
        for chassis in &self.chassis {
            state.push(format!("--- {}", chassis.name));
            for command in [
                "ovs-vsctl --columns=name,type,options,external_ids,ofport,error find interface type=geneve",
                "ovs-appctl -t ovn-controller connection-status",
                "ovs-vsctl --bare --columns=fail_mode,datapath_type list bridge br-int",
            ] {
                state.push(chassis.run(command));
            }
            state.extend(chassis.flows());
        }
    }
}

/// What happens in a deployment, and its state in between.
fn scenario(side: Side, transport: Transport) -> Vec<String> {
    let mut deployment = Deployment::start(side, transport);
    let mut state = Vec::new();

    deployment.run("ovn-nbctl --wait=sb set nb_global . options:svc_monitor_mac=50:54:00:00:ff:ff");
    deployment
        .run("ovn-nbctl ls-add sw0 -- set logical_switch sw0 other_config:requested-tnl-key=1");
    deployment.add_port("sw0", "p1", 1);
    deployment.add_port("sw0", "p2", 2);
    deployment.chassis[0].plug("p1", 11);
    deployment.chassis[1].plug("p2", 12);
    deployment.wait_for_port("p1", true);
    deployment.wait_for_port("p2", true);
    deployment.state("a port on each chassis", &mut state);

    // A chassis asks for what concerns its own ports only. So a switch is known where it has a port, and the conditions
    // of the monitor follow.
    deployment
        .run("ovn-nbctl ls-add sw1 -- set logical_switch sw1 other_config:requested-tnl-key=2");
    deployment.add_port("sw1", "p3", 3);
    deployment.add_port("sw1", "p4", 4);
    deployment.chassis[1].plug("p3", 13);
    deployment.wait_for_port("p3", true);
    let known = |deployment: &Deployment| [0, 1].map(|index| deployment.chassis[index].knows(2));
    assert_eq!(known(&deployment), [false, true], "{side:?} {transport:?}");
    deployment.chassis[0].plug("p4", 14);
    deployment.wait_for_port("p4", true);
    assert_eq!(known(&deployment), [true, true], "{side:?} {transport:?}");
    deployment.state("a switch on both chassis", &mut state);
    deployment.chassis[0].unplug("p4");
    // It keeps what it knows of a switch until it looks at everything anew.
    deployment.wait_for_port("p4", false);
    deployment.chassis[0].run("ovs-appctl -t ovn-controller inc-engine/recompute");
    deployment.sync();
    assert_eq!(known(&deployment), [false, true], "{side:?} {transport:?}");
    deployment.state("it has left one of them", &mut state);
    for chassis in &deployment.chassis {
        let log = chassis.sandbox.text("ovn-controller.log");
        assert!(
            log.contains(r#"method="monitor_cond_change""#),
            "{side:?} {transport:?}"
        );
    }

    // The southbound server goes and comes, by request and by a crash. Its clients go on where they were.
    for (end, port, number) in [
        (Server::stop as fn(Server) -> _, "p5", 5),
        (Server::kill as fn(Server) -> _, "p6", 6),
    ] {
        deployment.southbound.restart(&deployment.sandbox, end);
        deployment.add_port("sw0", port, number);
        deployment.chassis[0].plug(port, 10 + number);
        deployment.wait_for_port(port, true);
    }
    deployment.state("after restarts of the southbound server", &mut state);
    for chassis in &deployment.chassis {
        assert_resumed(&chassis.sandbox, "ovn-controller", side, 2);
    }

    // So do the others.
    deployment
        .northbound
        .restart(&deployment.sandbox, Server::kill);
    for chassis in &mut deployment.chassis {
        chassis.database.restart(&chassis.sandbox, Server::kill);
    }
    deployment.run("ovn-nbctl acl-add sw0 to-lport 1000 ip drop");
    deployment.add_port("sw1", "p7", 7);
    deployment.chassis[0].plug("p7", 17);
    deployment.wait_for_port("p7", true);
    assert_eq!(known(&deployment), [true, true], "{side:?} {transport:?}");
    deployment.state("after restarts of the other servers", &mut state);

    // All of the southbound database, and the parts again.
    for all in [true, false] {
        for chassis in &deployment.chassis {
            chassis.run(&format!(
                "ovs-vsctl set open_vswitch . external_ids:ovn-monitor-all={all}"
            ));
        }
        deployment.run("ovn-nbctl ls-add sw2 -- ls-del sw2");
        deployment.sync();
        deployment.state(&format!("ovn-monitor-all={all}"), &mut state);
    }

    for switch in ["sw0", "sw1"] {
        deployment.run(&format!("ovn-nbctl ls-del {switch}"));
    }
    deployment.sync();
    deployment.state("all gone", &mut state);
    state
}

/// Runs the scenario over our servers, and compares with the reference's, which run it once.
fn check(transport: Transport) {
    static REFERENCE: LazyLock<Vec<String>> =
        LazyLock::new(|| scenario(Side::Reference, Transport::Tcp));
    let ours = scenario(Side::Ours, transport);
    for (reference, ours) in REFERENCE.iter().zip(&ours) {
        assert_eq!(reference, ours, "{transport:?}");
    }
    assert_eq!(REFERENCE.len(), ours.len(), "{transport:?}");
}

#[test]
fn two_chassis_work_over_unix_sockets() {
    check(Transport::Unix);
}

#[test]
fn two_chassis_work_over_tcp() {
    check(Transport::Tcp);
}
