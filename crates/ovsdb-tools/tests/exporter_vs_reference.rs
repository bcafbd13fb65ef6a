//! `ovsdb-exporter` beside servers of both sides, with a switch and with OVN's data: it tells the same of both, and goes on when
//! one of them is killed and comes back.

mod support {
    pub(crate) mod page;
}

use std::collections::BTreeSet;

use ovsdb_testkit::daemon::{Daemon, Server};
use ovsdb_testkit::installation::wait_for;
use ovsdb_testkit::pki::Pki;
use ovsdb_testkit::port::Port;
use ovsdb_testkit::programs::{Side, ours, reference, reference_schema};
use ovsdb_testkit::sandbox::Sandbox;
use support::page::Page;

fn export(sandbox: &Sandbox, arguments: &[&str]) -> Daemon {
    let mut all = vec!["--http=unix:http.sock", "-vconsole:off"];
    all.extend(arguments);
    Daemon::start(sandbox, ours("ovsdb-exporter"), "ovsdb-exporter", &all)
}

/// A server of one of OVN's databases, where the exporter looks for it.
fn serve_ovn(sandbox: &Sandbox, side: Side, which: &str) -> Server {
    let name = format!("ovn{which}_db");
    let (file, socket) = (format!("{name}.db"), format!("{name}.sock"));
    let schema = reference_schema(&format!("ovn-{which}"));
    Server::start_as(sandbox, side, &name, &socket, &[(&file, &schema)], &[])
}

fn nbctl(sandbox: &Sandbox, arguments: &[&str]) {
    let database = format!("--db=unix:{}", sandbox.path("ovnnb_db.sock").display());
    let all = [&[database.as_str()], arguments].concat();
    sandbox.run_ok(reference("ovn-nbctl"), &all);
}

/// The first page of which this holds.
fn page_once(sandbox: &Sandbox, what: &str, holds: impl Fn(&Page) -> bool) -> Page {
    wait_for(what, || Some(Page::of(sandbox)).filter(&holds))
}

/// The samples whose names begin like this, with U for the UUIDs, which differ from run to run.
fn samples(page: &Page, beginning: &str) -> BTreeSet<String> {
    let is_uuid = |text: &str| text.len() == 36 && text.split('-').count() == 5;
    let samples = page.samples.iter();
    let samples = samples.filter(|(name, _)| name.starts_with(beginning));
    samples
        .map(|(name, value)| {
            let pieces = name.split('"');
            let pieces = pieces.map(|piece| if is_uuid(piece) { "U" } else { piece });
            format!("{} {value}", pieces.collect::<Vec<_>>().join("\""))
        })
        .collect()
}

/// What is told of rows of OVN beside a server of one side, before and after it was killed.
fn ovn_rows(side: Side) -> [BTreeSet<String>; 2] {
    let sandbox = Sandbox::new();
    let north = serve_ovn(&sandbox, side, "nb");
    let south = serve_ovn(&sandbox, side, "sb");
    let _exporter = export(&sandbox, &[]);
    nbctl(&sandbox, &["ls-add", "ls0", "--", "lsp-add", "ls0", "p0"]);
    let address = "0a:00:00:00:00:01 10.0.0.1";
    nbctl(&sandbox, &["lsp-set-addresses", "p0", address]);
    let port = Port::reserve();
    let target = format!("ptcp:{}:127.0.0.1", port.number());
    nbctl(&sandbox, &["set-connection", &target]);
    let told = "mac_address=\"0a:00:00:00:00:01\"";
    let page = page_once(&sandbox, told, |page| page.text.contains(told));
    let before = samples(&page, "ovn_logical_switch");
    assert_eq!(page.value("ovn_up"), 1.0);
    for database in ["OVN_Northbound", "OVN_Southbound"] {
        assert_eq!(
            page.value(&format!("ovsdb_database_up{{database={database:?}}}")),
            1.0
        );
    }
    // What a daemon has said is told again for a moment.
    let sessions = "ovn_db_jsonrpc_server_sessions{db_name=\"OVN_Northbound\"}";
    let page = page_once(&sandbox, sessions, |page| page.value(sessions) >= 2.0);
    assert!(page.text.contains("\novn_memory_usage{"), "{}", page.text);
    // The reference's server counts its events every few seconds.
    let counted = "\novn_coverage_total{";
    page_once(&sandbox, counted, |page| page.text.contains(counted));
    let enabled = "ovn_cluster_enabled{component=\"ovsdb-server-northbound\",system_id=\"\"}";
    assert_eq!(page.value(enabled), 0.0);
    let of_port =
        "ovn_network_port{component=\"ovsdb-server-northbound\",system_id=\"\",usage=\"default\"}";
    let number = f64::from(port.number());
    page_once(&sandbox, of_port, |page| page.value(of_port) == number);
    let size = std::fs::metadata(sandbox.path("ovnnb_db.db"))
        .expect("a file")
        .len() as f64;
    let of_size = "ovn_db_db_size_bytes{db_name=\"OVN_Northbound\"}";
    page_once(&sandbox, of_size, |page| page.value(of_size) == size);

    // While pages are asked for, one server is killed, and comes back.
    north.kill();
    let page = page_once(&sandbox, "ovn_up 0", |page| page.value("ovn_up") == 0.0);
    let up = |name: &str| format!("ovsdb_database_up{{database={name:?}}}");
    assert_eq!(page.value(&up("OVN_Northbound")), 0.0);
    assert_eq!(page.value(&up("OVN_Southbound")), 1.0);
    assert_eq!(samples(&page, "ovn_logical_switch"), BTreeSet::new());
    let _north = serve_ovn(&sandbox, side, "nb");
    let page = page_once(&sandbox, "ovn_up 1", |page| {
        page.value("ovn_up") == 1.0 && page.text.contains(told)
    });
    assert_eq!(
        page.value("ovsdb_database_connections_total{database=\"OVN_Northbound\"}"),
        2.0
    );
    let after = samples(&page, "ovn_logical_switch");
    drop(south);
    [before, after]
}

#[test]
fn of_servers_of_both_sides_the_same_rows_of_ovn_are_told() {
    let [theirs, ours] = Side::BOTH.map(ovn_rows);
    assert_eq!(theirs, ours);
    assert_eq!(ours[0], ours[1]);
    assert!(ours[0].len() >= 4, "{ours:?}");
}

#[test]
fn a_switch_tells_of_its_datapaths_and_the_database_of_its_interfaces() {
    for side in Side::BOTH {
        let sandbox = Sandbox::new();
        let schema = reference_schema("vswitch");
        let server = Server::start(&sandbox, side, &[("conf.db", &schema)]);
        let vsctl = |arguments: &[&str]| {
            let database = format!("--db={}", server.remote());
            let all = [&[database.as_str()], arguments].concat();
            sandbox.run_ok(reference("ovs-vsctl"), &all);
        };
        vsctl(&["--no-wait", "init"]);
        vsctl(&[
            "--no-wait",
            "set",
            "Open_vSwitch",
            ".",
            "external_ids:system-id=this",
        ]);
        let remote = server.remote();
        let arguments = [&remote, "--enable-dummy=override", "--disable-system"];
        let arguments = [&arguments[..], &["-vconsole:off", "-vsyslog:off"]].concat();
        let switch = Daemon::start(
            &sandbox,
            reference("ovs-vswitchd"),
            "ovs-vswitchd",
            &arguments,
        );
        vsctl(&[
            "add-br",
            "br0",
            "--",
            "set",
            "Bridge",
            "br0",
            "datapath_type=dummy",
        ]);
        vsctl(&[
            "add-port",
            "br0",
            "p1",
            "--",
            "set",
            "Interface",
            "p1",
            "type=dummy",
        ]);
        let control = format!("--control=ovsdb-server={}", server.control().display());
        let asked = [control.as_str(), "--control=vswitchd-service=ovs-vswitchd"];
        let _exporter = export(&sandbox, &asked);
        let port = "ovs_dp_if{bridge=\"br0\",datapath=\"dummy@ovs-dummy\",index=\"1\",name=\"p1\",ofport=\"1\",\
                    port_type=\"dummy\",system_id=\"this\"}";
        let state = "\novs_interface_admin_state{";
        let page = page_once(&sandbox, "a port", |page| {
            page.samples.contains_key(port) && page.text.matches(state).count() == 2
        });
        let up = samples(&page, "ovs_up");
        assert_eq!(up.into_iter().collect::<Vec<_>>(), ["ovs_up 1"]);
        let of_bridge =
            "ovs_dp_br_if_total{bridge=\"br0\",datapath=\"dummy@ovs-dummy\",system_id=\"this\"}";
        assert_eq!(page.value(of_bridge), 2.0);
        for name in [
            "dp_flows",
            "dp_lookups_hit",
            "dp_lookups_missed",
            "dp_lookups_lost",
        ] {
            let name = format!("ovs_{name}{{datapath=\"dummy@ovs-dummy\",system_id=\"this\"}}");
            assert!(page.samples.contains_key(&name), "{name}: {}", page.text);
        }
        let pid = samples(&page, "ovs_pid{component=\"vswitchd-service\"");
        let expected = format!(" {}", switch.pid());
        assert!(
            pid.iter().all(|it| it.ends_with(&expected)) && pid.len() == 1,
            "{pid:?}"
        );
        let logged = "ovs_log_event_count{component=\"vswitchd-service\",severity=\"info\",source=\"vlog\",\
                      system_id=\"this\"}";
        assert_eq!(page.value(logged), 1.0);
        switch.kill();
        let gone = "ovsdb_daemon_up{component=\"vswitchd-service\"}";
        let page = page_once(&sandbox, gone, |page| page.value(gone) == 0.0);
        assert!(!page.samples.contains_key(port), "{}", page.text);
        assert_eq!(page.value("ovs_up"), 0.0);
        assert_eq!(
            page.value("ovsdb_daemon_up{component=\"ovsdb-server\"}"),
            1.0
        );
    }
}

#[test]
fn a_server_of_a_cluster_tells_how_it_sees_it() {
    let sandbox = Sandbox::new();
    let port = Port::reserve();
    let address = port.remote();
    let schema = reference_schema("ovn-nb");
    let schema = schema.display().to_string();
    sandbox.run_ok(
        reference("ovsdb-tool"),
        &["create-cluster", "ovnnb_db.db", &schema, &address],
    );
    let server = Server::start_as(
        &sandbox,
        Side::Reference,
        "ovnnb_db",
        "ovnnb_db.sock",
        &[("ovnnb_db.db", reference_schema("ovn-nb").as_path())],
        &[],
    );
    let _exporter = export(&sandbox, &[]);
    let leader = "ovsdb_database_leader{database=\"OVN_Northbound\"}";
    let page = page_once(&sandbox, "a leader", |page| {
        page.samples.get(leader) == Some(&1.0)
            && samples(page, "ovn_cluster_role")
                .iter()
                .any(|it| it.ends_with(" 3"))
    });
    let ending = |beginning: &str, ending: &str| {
        let found = samples(&page, beginning);
        let is_one = found.len() == 1 && found.iter().all(|it| it.ends_with(ending));
        assert!(is_one, "{beginning} {ending}: {found:?}");
    };
    ending("ovn_cluster_enabled", " 1");
    ending("ovn_cluster_status", " 1");
    ending("ovn_cluster_leader_self", " 1");
    ending("ovn_cluster_vote_self", " 1");
    ending("ovn_cluster_peer_count", " 0");
    ending("ovn_cluster_uncommitted_entry_count", " 0");
    ending("ovn_db_cluster_server_role", "server_role=\"leader\"} 1");
    ending(
        "ovn_db_cluster_server_status",
        "server_status=\"cluster member\"} 1",
    );
    ending("ovn_db_cluster_server_vote", "server_vote=\"self\"} 1");
    ending("ovn_db_cluster_id", " 1");
    ending("ovn_db_cluster_term", " 1");
    ending("ovn_db_cluster_inbound_connections_total", " 0");
    let raft =
        "ovn_network_port{component=\"ovsdb-server-northbound\",system_id=\"\",usage=\"raft\"}";
    let number = address.rsplit(':').next().and_then(|it| it.parse().ok());
    assert_eq!(Some(page.value(raft)), number);
    drop(server);
}

#[test]
fn servers_are_reached_over_tls() {
    let pki = Pki::shared();
    for side in Side::BOTH {
        let sandbox = Sandbox::new();
        let port = Port::reserve();
        let remote = format!("--remote=pssl:{}:127.0.0.1", port.number());
        let [key, certificate] = pki.pair("server");
        let ca = pki.ca("ca.pem");
        let schema = reference_schema("ovn-nb");
        let _server = Server::start_as(
            &sandbox,
            side,
            "ovsdb-server",
            "db.sock",
            &[("nb.db", &schema)],
            &[&remote, &key, &certificate, &ca],
        );
        let database = format!("OVN_Northbound=ssl:127.0.0.1:{}", port.number());
        let [key, certificate] = pki.pair("client");
        let _exporter = export(
            &sandbox,
            &[&database, &key, &certificate, &ca, "--control=none"],
        );
        let rows = "ovsdb_database_rows{database=\"OVN_Northbound\",table=\"Logical_Switch\"}";
        let page = page_once(&sandbox, rows, |page| page.samples.contains_key(rows));
        assert_eq!(
            page.value("ovsdb_database_up{database=\"OVN_Northbound\"}"),
            1.0
        );
    }
}
