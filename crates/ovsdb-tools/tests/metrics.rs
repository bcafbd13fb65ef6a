//! What `ovsdb-server --http` tells: figures that a parser of Prometheus reads, and whether the server is well.
//!
//! The figures are compared with what was done, not with each other.

mod support {
    pub(crate) mod page;
}

use std::net::{TcpListener, TcpStream};
use std::path::Path;

use ovsdb_testkit::client::RawClient;
use ovsdb_testkit::daemon::Daemon;
use ovsdb_testkit::installation::wait_for;
use ovsdb_testkit::port::Port;
use ovsdb_testkit::programs::ours;
use ovsdb_testkit::sandbox::Sandbox;
use ovsdb_tools::server::metrics::table;
use support::page::{Page, ask, get};

const SCHEMA: &str = r#"{"name":"NAME","version":"1.0.0","tables":{
    "T":{"isRoot":true,"columns":{"n":{"type":"integer"}}},
    "Open_vSwitch":{"isRoot":true,"columns":{"ovs_version":{"type":{"key":"string","min":0}},
        "external_ids":{"type":{"key":"string","value":"string","min":0,"max":"unlimited"}}}}}}"#;

/// A sandbox with a database.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    add_database(&sandbox, "A");
    sandbox
}

fn add_database(sandbox: &Sandbox, name: &str) {
    create(sandbox, name, SCHEMA.replace("NAME", name));
}

fn create(sandbox: &Sandbox, name: &str, schema: String) {
    std::fs::write(sandbox.path("ovsschema"), schema).expect("a writable folder");
    let file = format!("{name}.db");
    sandbox.run_ok(ours("ovsdb-tool"), &["create", &file, "ovsschema"]);
}

/// A table and its columns, with their types.
type Table = (&'static str, &'static [(&'static str, &'static str)]);

/// Makes databases with the columns from which dashboards know something.
fn add_databases_of_dashboards(sandbox: &Sandbox) {
    const STRING: &str = r#"{"type":"string"}"#;
    const STRINGS: &str = r#"{"type":{"key":"string","min":0,"max":"unlimited"}}"#;
    const INTEGER: &str = r#"{"type":{"key":"integer","min":0}}"#;
    const INTEGERS: &str =
        r#"{"type":{"key":"string","value":"integer","min":0,"max":"unlimited"}}"#;
    const MAP: &str = r#"{"type":{"key":"string","value":"string","min":0,"max":"unlimited"}}"#;
    const UUIDS: &str = r#"{"type":{"key":"uuid","min":0,"max":"unlimited"}}"#;
    let databases: [(&str, &[Table]); 3] = [
        (
            "OVN_Northbound",
            &[
                (
                    "Logical_Switch",
                    &[("name", STRING), ("ports", UUIDS), ("external_ids", MAP)],
                ),
                (
                    "Logical_Switch_Port",
                    &[("name", STRING), ("addresses", STRINGS)],
                ),
            ],
        ),
        (
            "OVN_Southbound",
            &[
                ("Chassis", &[("name", STRING), ("encaps", UUIDS)]),
                ("Encap", &[("ip", STRING)]),
                (
                    "Datapath_Binding",
                    &[("tunnel_key", INTEGER), ("external_ids", MAP)],
                ),
                (
                    "Port_Binding",
                    &[
                        ("logical_port", STRING),
                        ("tunnel_key", INTEGER),
                        ("chassis", UUIDS),
                        ("datapath", UUIDS),
                    ],
                ),
            ],
        ),
        (
            "Open_vSwitch",
            &[
                ("Open_vSwitch", &[("external_ids", MAP)]),
                (
                    "Interface",
                    &[
                        ("name", STRING),
                        ("admin_state", STRINGS),
                        ("link_state", STRINGS),
                        ("duplex", STRINGS),
                        ("mtu", INTEGER),
                        ("ofport", INTEGER),
                        ("mac_in_use", STRINGS),
                        ("link_speed", INTEGER),
                        ("statistics", INTEGERS),
                        ("status", MAP),
                        ("options", MAP),
                        ("external_ids", MAP),
                    ],
                ),
            ],
        ),
    ];
    for (database, tables) in databases {
        let tables = tables.iter().map(|(table, columns)| {
            let columns = columns.iter().map(|(name, ty)| format!("{name:?}:{ty}"));
            let columns = columns.collect::<Vec<_>>().join(",");
            format!(r#"{table:?}:{{"isRoot":true,"columns":{{{columns}}}}}"#)
        });
        let tables = tables.collect::<Vec<_>>().join(",");
        let schema = format!(r#"{{"name":{database:?},"version":"1.0.0","tables":{{{tables}}}}}"#);
        create(sandbox, database, schema);
    }
}

fn serve(sandbox: &Sandbox, arguments: &[&str]) -> Daemon {
    let mut all = vec!["A.db", "--remote=punix:db.sock", "--unixctl=ctl"];
    all.extend(["--http=unix:http.sock", "-vconsole:off"]);
    all.extend(arguments);
    Daemon::start(sandbox, ours("ovsdb-server"), "ovsdb-server", &all)
}

fn client(sandbox: &Sandbox) -> RawClient {
    RawClient::connect(&sandbox.path("db.sock"))
}

const INSERT: &str =
    r#"{"method":"transact","id":1,"params":["A",{"op":"insert","table":"T","row":{"n":1}}]}"#;

#[test]
fn every_metric_is_there_with_its_kind_and_a_meaning() {
    let sandbox = sandbox();
    add_databases_of_dashboards(&sandbox);
    let others = ["OVN_Northbound.db", "OVN_Southbound.db", "Open_vSwitch.db"];
    let _daemon = serve(&sandbox, &others);
    let page = Page::of(&sandbox);
    for metric in table::all() {
        for name in metric.names() {
            let kind = format!("# TYPE {name} {}\n", metric.kind.word());
            assert_eq!(page.text.matches(&kind).count(), 1, "{name}");
            let help = format!("# HELP {name} {}\n", metric.help);
            assert_eq!(page.text.matches(&help).count(), 1, "{name}");
        }
    }
    let known: Vec<String> = table::all().flat_map(|metric| metric.names()).collect();
    for line in page
        .text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "))
    {
        let name = line.split(' ').next().unwrap_or_default();
        assert!(
            known.iter().any(|known| known == name),
            "{name} is in no table"
        );
    }
}

#[test]
fn figures_follow_what_is_done() {
    let sandbox = sandbox();
    let _daemon = serve(&sandbox, &[]);
    let before = Page::of(&sandbox);
    let mut clients: Vec<_> = (0..3).map(|_| client(&sandbox)).collect();
    for client in &mut clients {
        client.call(INSERT);
        client.call(r#"{"method":"monitor","id":2,"params":["A","m",{"T":{}}]}"#);
    }
    let last = &mut clients[2];
    // Not to be told of what comes now, which others are.
    last.call(r#"{"method":"monitor_cancel","id":3,"params":["m"]}"#);
    let version = "01234567-89ab-cdef-0123-456789abcdef";
    let resume = format!(
        r#"{{"method":"monitor_cond_since","id":4,"params":["A","m",{{"T":[{{}}]}},"{version}"]}}"#
    );
    last.call(&resume);
    let durable = r#"{"method":"transact","id":5,"params":["A",{"op":"commit","durable":true},
        {"op":"insert","table":"T","row":{"n":1}}]}"#;
    last.call(durable);
    last.call(
        r#"{"method":"transact","id":7,"params":["A",{"op":"select","table":"T","where":[]}]}"#,
    );
    last.call(r#"{"method":"transact","id":6,"params":["A",{"op":"insert","table":"T","row":{}},{"op":"abort"}]}"#);
    let control = sandbox.path("ctl").display().to_string();
    sandbox.run_ok(
        ours("ovs-appctl"),
        &["-t", &control, "ovsdb-server/compact"],
    );
    let stopwatch = ["-t", &control, "stopwatch/show", "transaction"];
    let stopwatch = sandbox.run_ok(ours("ovs-appctl"), &stopwatch);
    // Five of these clients, and those of the server itself.
    let samples = stopwatch
        .lines()
        .nth(1)
        .and_then(|it| it.strip_prefix("  Total samples: "));
    let samples = samples.and_then(|it| it.parse::<u32>().ok());
    assert!(samples.is_some_and(|it| it >= 5), "{stopwatch}");
    let after = Page::of(&sandbox);
    // (name, before, after)
    let cases = [
        ("ovsdb_rows{database=\"A\"}", 0.0, 4.0),
        ("ovsdb_commits_total{database=\"A\"}", 0.0, 4.0),
        ("ovsdb_monitors{database=\"A\"}", 0.0, 3.0),
        ("ovsdb_monitor_shapes{database=\"A\"}", 0.0, 1.0),
        ("ovsdb_file_records_total{database=\"A\"}", 0.0, 4.0),
        ("ovsdb_file_sync_duration_seconds{database=\"A\"}", 0.0, 1.0),
        (
            "ovsdb_compaction_duration_seconds{database=\"A\"}",
            0.0,
            1.0,
        ),
        (
            "ovsdb_transaction_duration_seconds{database=\"A\",outcome=\"error\"}",
            0.0,
            1.0,
        ),
        (
            "ovsdb_monitors_resumed_total{database=\"A\",result=\"unknown\"}",
            0.0,
            1.0,
        ),
        (
            "ovsdb_monitors_resumed_total{database=\"A\",result=\"known\"}",
            0.0,
            0.0,
        ),
        ("ovsdb_ready", 1.0, 1.0),
    ];
    let found = |name| (name, before.value(name), after.value(name));
    let names = cases.iter().map(|(name, ..)| *name);
    assert_eq!(names.map(found).collect::<Vec<_>>(), cases);
    // Whoever reads goes to the writer if something before it is still under way, which a client cannot know.
    let read = after.value("ovsdb_transactions_read_total{database=\"A\"}");
    let written = after.value("ovsdb_transaction_duration_seconds{database=\"A\",outcome=\"ok\"}");
    assert_eq!(read + written, 5.0, "{read} {written}");
    let batches = after.value("ovsdb_batch_transactions{database=\"A\"}");
    assert!((5.0..=6.0).contains(&batches), "{batches}");
    assert_eq!(after.value("ovsdb_sessions{method=\"punix\"}"), 3.0);
}

#[test]
fn dashboards_find_the_names_and_labels_that_they_know() {
    let sandbox = sandbox();
    let names = ["OVN_Northbound", "OVN_Southbound", "Open_vSwitch"];
    names.iter().for_each(|name| add_database(&sandbox, name));
    let others = ["OVN_Northbound.db", "OVN_Southbound.db", "Open_vSwitch.db"];
    let port = Port::reserve();
    let remote = port.server_option();
    let mut all = others.to_vec();
    all.push(remote.as_str());
    let daemon = serve(&sandbox, &all);
    let port = port.remote();
    let port: u16 = port
        .rsplit(':')
        .next()
        .and_then(|it| it.parse().ok())
        .expect("a port");
    let mut client = client(&sandbox);
    client.call(
        r#"{"method":"transact","id":1,"params":["Open_vSwitch",{"op":"insert","table":"Open_vSwitch",
            "row":{"ovs_version":"3.7.1","external_ids":["map",[["system-id","this"]]]}}]}"#,
    );
    client.call(r#"{"method":"monitor","id":2,"params":["OVN_Southbound","m",{"T":{}}]}"#);
    let page = Page::of(&sandbox);
    let size = |file: &str| {
        let metadata = std::fs::metadata(sandbox.path(file)).expect("a file");
        metadata.len() as f64
    };
    let (size, log_size) = (size("OVN_Northbound.db"), size("ovsdb-server.log"));
    let pid = f64::from(daemon.pid());
    let cases = [
        ("ovn_up", 1.0),
        ("ovs_up", 1.0),
        ("ovn_failed_req_count{THIS}", 0.0),
        ("ovn_pid{NORTH,GROUP,THIS,USER}", pid),
        ("ovs_pid{component=\"ovsdb-server\",GROUP,THIS,USER}", pid),
        ("ovn_log_file_size{NORTH,LOG,THIS}", log_size),
        (
            "ovn_log_event_count{NORTH,severity=\"info\",source=\"vlog\",THIS}",
            1.0,
        ),
        (
            "ovn_db_file_size{NORTH,filename=\"OVN_Northbound.db\",THIS}",
            size,
        ),
        (
            "ovn_network_port{NORTH,THIS,usage=\"default\"}",
            f64::from(port),
        ),
        ("ovn_network_port{NORTH,THIS,usage=\"ssl\"}", 0.0),
        ("ovn_cluster_enabled{NORTH,THIS}", 0.0),
        ("ovn_memory_usage{NORTH,facility=\"sessions\",THIS}", 1.0),
        ("ovn_memory_usage{NORTH,facility=\"monitors\",THIS}", 1.0),
        ("ovn_coverage_total{NORTH,event=\"hmap_expand\",THIS}", 0.0),
        (
            "ovn_coverage_avg{NORTH,event=\"hmap_expand\",interval=\"5m\",THIS}",
            0.0,
        ),
        (
            "ovn_db_jsonrpc_server_sessions{db_name=\"OVN_Southbound\"}",
            1.0,
        ),
        ("ovn_db_ovsdb_monitors{db_name=\"OVN_Southbound\"}", 1.0),
        ("ovn_db_ovsdb_monitors{db_name=\"OVN_Northbound\"}", 0.0),
        ("ovn_db_db_size_bytes{db_name=\"OVN_Northbound\"}", size),
        (
            "ovn_db_build_info{nb_schema_version=\"1.0.0\",sb_schema_version=\"1.0.0\",version=\"3.7.1\"}",
            1.0,
        ),
    ];
    let (user, group) = ovsdb_daemon::process::owner();
    let log = sandbox.path("ovsdb-server.log").display().to_string();
    let labels = [
        (
            "NORTH",
            String::from("component=\"ovsdb-server-northbound\""),
        ),
        ("THIS", String::from("system_id=\"this\"")),
        ("USER", format!("user={user:?}")),
        ("GROUP", format!("group={group:?}")),
        ("LOG", format!("filename={log:?}")),
    ];
    let whole = |name: &str| {
        let replace = |name: String, (word, label): &(&str, String)| name.replace(word, label);
        labels.iter().fold(name.to_owned(), replace)
    };
    let found = cases.map(|(name, _)| (name, page.value(&whole(name))));
    assert_eq!(found, cases);
    assert!(page.text.contains("ovs_version=\"3.7.1\""), "{}", page.text);
    assert!(page.value(&whole("ovn_memory_usage{NORTH,facility=\"atoms\",THIS}")) > 0.0);
}

/// UUIDs that tests give to rows: `N` stands for a number of one digit.
fn with_uuids(text: &str) -> String {
    let uuid = |digit| format!("00000000-0000-4000-8000-00000000000{digit}");
    (0..10).fold(text.to_owned(), |text, digit| {
        text.replace(&format!("#{digit}"), &uuid(digit))
    })
}

/// Executes operations that name rows as [`with_uuids`] does.
fn transact(client: &mut RawClient, database: &str, operations: &str) {
    let operations = with_uuids(operations);
    let request = format!(r#"{{"method":"transact","id":1,"params":["{database}",{operations}]}}"#);
    let reply = client.call(&request);
    assert!(!reply.contains("\"error\":\""), "{reply}");
}

/// The first page of which this holds: what stands in rows is kept for a little while.
fn page_once(sandbox: &Sandbox, holds: impl Fn(&Page) -> bool) -> Page {
    wait_for("such a page", || Some(Page::of(sandbox)).filter(&holds))
}

#[track_caller]
fn find(page: &Page, cases: &[(&str, f64)]) {
    for (name, value) in cases {
        assert_eq!(page.value(&with_uuids(name)), *value, "{name}");
    }
}

#[test]
fn dashboards_find_what_stands_in_rows() {
    let sandbox = sandbox();
    add_databases_of_dashboards(&sandbox);
    let databases = ["OVN_Northbound.db", "OVN_Southbound.db", "Open_vSwitch.db"];
    let _daemon = serve(&sandbox, &databases);
    let mut client = client(&sandbox);
    let before = Page::of(&sandbox);
    assert!(!before.text.contains("ovs_interface{"), "{}", before.text);
    transact(
        &mut client,
        "Open_vSwitch",
        r##"{"op":"insert","table":"Open_vSwitch","row":{"external_ids":["map",[["system-id","this"]]]}},
            {"op":"insert","table":"Interface","uuid":"#1","row":{"name":"eth0","admin_state":"up","link_state":"down",
                "duplex":"full","mtu":1500,"ofport":-1,"mac_in_use":"0a:00:00:00:00:01","link_speed":1000000000,
                "statistics":["map",[["rx_bytes",1234567890123],["tx_packets",7],["rx_crc_err",2],["else",9]]],
                "status":["map",[["driver_name","virtio \"net\""]]],"options":["map",[["n_rxq","2"]]],
                "external_ids":["map",[["iface-id","lsp"]]]}},
            {"op":"insert","table":"Interface","uuid":"#2","row":{"name":"new"}}"##,
    );
    transact(
        &mut client,
        "OVN_Northbound",
        r##"{"op":"insert","table":"Logical_Switch","uuid":"#3","row":{"name":"ls","external_ids":["map",[["k","v"]]],
                "ports":["set",[["uuid","#4"],["uuid","#5"]]]}},
            {"op":"insert","table":"Logical_Switch_Port","uuid":"#4","row":{"name":"lsp",
                "addresses":["set",["0a:00:00:00:00:02 10.0.0.2 fd00::2","unknown"]]}},
            {"op":"insert","table":"Logical_Switch_Port","uuid":"#5","row":{"name":"unbound","addresses":"router"}}"##,
    );
    transact(
        &mut client,
        "OVN_Southbound",
        r##"{"op":"insert","table":"Encap","uuid":"#6","row":{"ip":"192.0.2.7"}},
            {"op":"insert","table":"Chassis","uuid":"#7","row":{"name":"hv1","encaps":["uuid","#6"]}},
            {"op":"insert","table":"Datapath_Binding","uuid":"#8","row":{"tunnel_key":11,
                "external_ids":["map",[["logical-switch","#3"]]]}},
            {"op":"insert","table":"Port_Binding","uuid":"#9","row":{"logical_port":"lsp","tunnel_key":12,
                "chassis":["uuid","#7"],"datapath":["uuid","#8"]}}"##,
    );
    let page = page_once(&sandbox, |page| page.text.contains("\novn_chassis_info{"));
    find(
        &page,
        &[
            (
                "ovs_interface{name=\"eth0\",system_id=\"this\",uuid=\"#1\"}",
                1.0,
            ),
            (
                "ovs_interface_admin_state{system_id=\"this\",uuid=\"#1\"}",
                1.0,
            ),
            (
                "ovs_interface_admin_state{system_id=\"this\",uuid=\"#2\"}",
                2.0,
            ),
            (
                "ovs_interface_link_state{system_id=\"this\",uuid=\"#1\"}",
                0.0,
            ),
            ("ovs_interface_duplex{system_id=\"this\",uuid=\"#1\"}", 2.0),
            ("ovs_interface_duplex{system_id=\"this\",uuid=\"#2\"}", 0.0),
            ("ovs_interface_mtu{system_id=\"this\",uuid=\"#1\"}", 1500.0),
            (
                "ovs_interface_of_port{system_id=\"this\",uuid=\"#1\"}",
                -1.0,
            ),
            ("ovs_interface_of_port{system_id=\"this\",uuid=\"#2\"}", 0.0),
            (
                "ovs_interface_link_speed{system_id=\"this\",uuid=\"#1\"}",
                1e9,
            ),
            (
                "ovs_interface_rx_bytes{system_id=\"this\",uuid=\"#1\"}",
                1_234_567_890_123.0,
            ),
            (
                "ovs_interface_tx_packets{system_id=\"this\",uuid=\"#1\"}",
                7.0,
            ),
            (
                "ovs_interface_rx_crc_err{system_id=\"this\",uuid=\"#1\"}",
                2.0,
            ),
            (
                "ovs_interface_mac_in_use{mac_address=\"0a:00:00:00:00:01\",system_id=\"this\",uuid=\"#1\"}",
                1.0,
            ),
            (
                "ovs_interface_options{key=\"n_rxq\",system_id=\"this\",uuid=\"#1\",value=\"2\"}",
                1.0,
            ),
            (
                "ovs_interface_external_ids{key=\"iface-id\",system_id=\"this\",uuid=\"#1\",value=\"lsp\"}",
                1.0,
            ),
            (
                "ovn_logical_switch_info{name=\"ls\",system_id=\"this\",uuid=\"#3\"}",
                1.0,
            ),
            (
                "ovn_logical_switch_external_id{key=\"k\",system_id=\"this\",uuid=\"#3\",value=\"v\"}",
                1.0,
            ),
            (
                "ovn_logical_switch_ports{system_id=\"this\",uuid=\"#3\"}",
                2.0,
            ),
            (
                "ovn_logical_switch_port_binding{port=\"#4\",system_id=\"this\",uuid=\"#3\"}",
                1.0,
            ),
            (
                "ovn_logical_switch_tunnel_key{system_id=\"this\",uuid=\"#3\"}",
                11.0,
            ),
            (
                "ovn_logical_switch_port_tunnel_key{system_id=\"this\",uuid=\"#4\"}",
                12.0,
            ),
            (
                "ovn_logical_switch_port_info{chassis=\"#7\",datapath=\"#8\",ip_address=\"10.0.0.2\",logical_switch=\"ls\",\
                 mac_address=\"0a:00:00:00:00:02\",name=\"lsp\",port_binding=\"#9\",system_id=\"this\",uuid=\"#4\"}",
                1.0,
            ),
            (
                "ovn_logical_switch_port_info{chassis=\"\",datapath=\"\",ip_address=\"<nil>\",logical_switch=\"ls\",\
                 mac_address=\"<nil>\",name=\"unbound\",port_binding=\"\",system_id=\"this\",uuid=\"#5\"}",
                1.0,
            ),
            (
                "ovn_chassis_info{ip=\"192.0.2.7\",name=\"hv1\",system_id=\"this\",uuid=\"#7\"}",
                1.0,
            ),
            (
                "ovsdb_metrics_rows_not_told{database=\"Open_vSwitch\",table=\"Interface\"}",
                0.0,
            ),
        ],
    );
    let unbound = with_uuids("ovn_logical_switch_port_tunnel_key{system_id=\"this\",uuid=\"#5\"}");
    assert!(!page.samples.contains_key(&unbound), "{}", page.text);
    // Where only one database of OVN is served, what the other knows is not told.
    let control = sandbox.path("ctl").display().to_string();
    let remove = ["-t", &control, "ovsdb-server/remove-db", "OVN_Southbound"];
    sandbox.run_ok(ours("ovs-appctl"), &remove);
    let page = Page::of(&sandbox);
    assert!(!page.text.contains("ovn_chassis_info"), "{}", page.text);
    assert!(
        !page.text.contains("ovn_logical_switch_tunnel_key{"),
        "{}",
        page.text
    );
    find(
        &page,
        &[(
            "ovn_logical_switch_port_info{chassis=\"\",datapath=\"\",ip_address=\"10.0.0.2\",logical_switch=\"ls\",\
             mac_address=\"0a:00:00:00:00:02\",name=\"lsp\",port_binding=\"\",system_id=\"this\",uuid=\"#4\"}",
            1.0,
        )],
    );
}

#[test]
fn nothing_is_told_of_tables_with_very_many_rows() {
    let sandbox = sandbox();
    add_databases_of_dashboards(&sandbox);
    let _daemon = serve(&sandbox, &["Open_vSwitch.db"]);
    let mut client = client(&sandbox);
    let insert = r#"{"op":"insert","table":"Interface","row":{"name":"x"}}"#;
    let first = r#"{"op":"insert","table":"Interface","row":{"name":"first"}}"#;
    let mut all = vec![insert; 4_000];
    all.push(first);
    let all = all.join(",");
    transact(&mut client, "Open_vSwitch", &all);
    let not_told = "ovsdb_metrics_rows_not_told{database=\"Open_vSwitch\",table=\"Interface\"}";
    let page = Page::of(&sandbox);
    assert_eq!(page.value(not_told), 4_001.0);
    assert!(!page.text.contains("\novs_interface{"));
    let delete = r#"{"op":"delete","table":"Interface","where":[["name","==","first"]]}"#;
    transact(&mut client, "Open_vSwitch", delete);
    let told = page_once(&sandbox, |page| page.value(not_told) == 0.0);
    assert_eq!(told.text.matches("\novs_interface{").count(), 4_000);
}

#[test]
fn who_asks_whether_the_server_is_well_is_told() {
    let sandbox = sandbox();
    let _daemon = serve(&sandbox, &[]);
    let ok = (String::from("200 OK"), String::from("ok\n"));
    assert_eq!(get(&sandbox, "/healthz"), ok);
    assert_eq!(get(&sandbox, "/readyz"), ok);
    assert_eq!(
        get(&sandbox, "/"),
        (
            String::from("404 Not Found"),
            String::from("There are /healthz, /metrics, /readyz.\n")
        )
    );
}

#[test]
fn a_server_is_not_ready_while_something_in_its_configuration_is_not_served() {
    let sandbox = sandbox();
    let configure = |databases: &str| {
        let text = format!(r#"{{"remotes":{{"punix:db.sock":null}},"databases":{{{databases}}}}}"#);
        std::fs::write(sandbox.path("config"), text).expect("a writable folder");
    };
    configure(r#""A.db":null"#);
    let config = format!("--config-file={}", sandbox.path("config").display());
    let arguments = [config.as_str(), "--unixctl=ctl", "--http=unix:http.sock"];
    let _daemon = Daemon::start(&sandbox, ours("ovsdb-server"), "ovsdb-server", &arguments);
    let control = sandbox.path("ctl").display().to_string();
    let reload = || {
        let words = ["-t", control.as_str(), "ovsdb-server/reload"];
        sandbox.run(ours("ovs-appctl"), &words)
    };
    assert_eq!(get(&sandbox, "/readyz").0, "200 OK");
    configure(r#""A.db":null,"B.db":null"#);
    assert!(!reload().ok());
    let expected = "B.db: I/O error: B.db: open failed (No such file or directory)\n";
    let (status, text) = get(&sandbox, "/readyz");
    assert_eq!(
        (status.as_str(), text.as_str()),
        ("503 Service Unavailable", expected)
    );
    assert_eq!(Page::of(&sandbox).value("ovsdb_ready"), 0.0);
    assert_eq!(get(&sandbox, "/healthz").0, "200 OK");
    configure(r#""A.db":null"#);
    assert!(reload().ok());
    assert_eq!(get(&sandbox, "/readyz").0, "200 OK");
}

/// The page as soon as a value is on it.
#[track_caller]
fn page_with(sandbox: &Sandbox, name: &str, value: f64) -> Page {
    let mut pages = (0..10_000).map(|_| Page::of(sandbox));
    let page = pages.find(|page| page.value(name) == value);
    page.unwrap_or_else(|| panic!("{name} is never {value}"))
}

#[test]
fn a_server_that_cannot_write_says_so_and_again_when_it_can() {
    let mut sandbox = sandbox();
    sandbox.ignore_file_limits();
    let daemon = serve(&sandbox, &[]);
    let mut client = client(&sandbox);
    let trouble = "ovsdb_write_trouble{database=\"A\"}";
    daemon.limit_files(Some(1));
    assert!(client.call(INSERT).contains("I/O error"));
    let (status, text) = get(&sandbox, "/readyz");
    assert_eq!(status, "503 Service Unavailable");
    assert!(text.starts_with("A: I/O error"), "{text}");
    let page = Page::of(&sandbox);
    assert_eq!(page.value(trouble), 1.0);
    assert!(page.value("ovsdb_file_write_failures_total{database=\"A\"}") > 0.0);
    daemon.limit_files(None);
    client.call(INSERT);
    assert_eq!(get(&sandbox, "/readyz").0, "200 OK");
    assert_eq!(Page::of(&sandbox).value(trouble), 0.0);
}

#[test]
fn a_client_that_does_not_read_is_behind_until_it_does() {
    const BEHIND: &str = "ovsdb_sessions_behind";
    let sandbox = sandbox();
    let _daemon = serve(&sandbox, &[]);
    let mut client = client(&sandbox);
    let long = "x".repeat(8 << 20);
    client
        .send(format!(r#"{{"method":"echo","id":1,"params":["{long}"]}}"#).as_bytes())
        .expect("somebody who reads");
    page_with(&sandbox, BEHIND, 1.0);
    client.receive().expect("an answer");
    page_with(&sandbox, BEHIND, 0.0);
    client
        .send(format!(r#"{{"method":"echo","id":1,"params":["{long}"]}}"#).as_bytes())
        .expect("somebody who reads");
    page_with(&sandbox, BEHIND, 1.0);
    // Who goes is not behind any more.
    drop(client);
    page_with(&sandbox, BEHIND, 0.0);
}

#[test]
fn what_is_told_to_many_is_put_together_once() {
    const WATCHERS: usize = 20;
    let sandbox = sandbox();
    let _daemon = serve(&sandbox, &[]);
    let watchers = (0..WATCHERS).map(|_| {
        let mut client = client(&sandbox);
        client.call(r#"{"method":"monitor","id":2,"params":["A","m",{"T":{}}]}"#);
        client
    });
    let mut watchers: Vec<RawClient> = watchers.collect();
    let mut writer = client(&sandbox);
    let told = |from: &str| {
        let name = format!("ovsdb_updates_total{{from=\"{from}\"}}");
        Page::of(&sandbox).value(&name)
    };
    // Sessions that are at work when it comes tell their clients themselves, and it is counted a moment after it was sent.
    let is_found = (0..1_000).any(|_| {
        writer.call(INSERT);
        for watcher in &mut watchers {
            watcher.receive().expect("an update");
        }
        told("found") > 0.0
    });
    assert!(is_found && told("made") > 0.0);
}

#[test]
fn the_page_is_the_same_by_tcp() {
    let sandbox = sandbox();
    let port = Port::reserve();
    let address = port.remote();
    let address = address.trim_start_matches("tcp:");
    // The last one counts.
    let option = format!("--http={address}");
    let _daemon = serve(&sandbox, &[option.as_str()]);
    assert!(!sandbox.path("http.sock").exists());
    let stream = TcpStream::connect(address).expect("a server");
    let (status, text) = ask(stream, "/metrics");
    assert_eq!(status, "200 OK");
    assert_eq!(Page::parse(text).value("ovsdb_ready"), 1.0);
}

#[test]
fn an_address_that_cannot_be_had_ends_the_start_and_leaves_nothing() {
    let sandbox = sandbox();
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let taken = taken.local_addr().expect("an address");
    let in_use = format!("--http={taken}: bind: Address already in use");
    let cases = [
        (taken.to_string(), in_use.as_str()),
        (
            String::from("unix:/no/such/x"),
            "--http=unix:/no/such/x: binding failed: No such file or directory",
        ),
    ];
    for (address, expected) in cases {
        let http = format!("--http={address}");
        for detach in [&["--detach"][..], &["--detach", "--monitor"], &[]] {
            let mut all = vec![
                "A.db",
                "--remote=punix:db.sock",
                "--unixctl=ctl",
                "-vconsole:off",
            ];
            all.extend([http.as_str(), "--no-chdir", "--pidfile=x.pid"]);
            all.extend(detach);
            let output = sandbox.run(ours("ovsdb-server"), &all);
            assert_eq!(output.code, Some(1), "{output}");
            let expected = format!("ovsdb-server: {expected}\n");
            assert!(output.stderr.starts_with(&expected), "{output}");
            for left in ["db.sock", "ctl", "x.pid"] {
                assert!(!sandbox.path(left).exists(), "{left}");
            }
        }
    }
}

#[test]
fn the_socket_goes_with_the_server() {
    let sandbox = sandbox();
    let socket = sandbox.path("http.sock");
    let exists = |path: &Path| path.symlink_metadata().is_ok();
    let daemon = serve(&sandbox, &[]);
    assert!(exists(&socket));
    daemon.stop();
    assert!(!exists(&socket));
    // One that was killed leaves it, and the next one takes its place.
    serve(&sandbox, &["--overwrite-pidfile"]).kill();
    assert!(exists(&socket));
    let _daemon = serve(&sandbox, &["--overwrite-pidfile"]);
    assert_eq!(get(&sandbox, "/healthz").0, "200 OK");
}

/// Processor time that a process has taken, in seconds.
fn cpu_seconds(daemon: &Daemon) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", daemon.pid()));
    let stat = stat.expect("a process that runs");
    // Behind the name of the program, which may hold anything.
    let fields = stat.rsplit(") ").next().unwrap_or_default().split(' ');
    let ticks = fields.skip(11).take(2).map(|it| it.parse::<u32>());
    let ticks: u32 = ticks.map(|it| it.expect("a number")).sum();
    // Linux counts a hundred a second for whoever asks.
    f64::from(ticks) / 100.0
}

#[test]
fn to_ask_every_second_costs_less_than_a_hundredth_of_a_processor() {
    const ROWS: usize = 200_000;
    const ROWS_AT_ONCE: usize = 20_000;
    const CLIENTS: usize = 200;
    const SCRAPES: usize = 60;
    let sandbox = sandbox();
    // One of which most is told.
    add_database(&sandbox, "OVN_Southbound");
    let daemon = serve(&sandbox, &["OVN_Southbound.db"]);
    let mut first = client(&sandbox);
    let insert = r#",{"op":"insert","table":"T","row":{"n":1}}"#.repeat(ROWS_AT_ONCE);
    let transact = format!(r#"{{"method":"transact","id":1,"params":["OVN_Southbound"{insert}]}}"#);
    for _ in 0..ROWS / ROWS_AT_ONCE {
        first.call(&transact);
    }
    let monitor = r#"{"method":"monitor","id":2,"params":["OVN_Southbound","m",
        {"T":{"select":{"initial":false}}}]}"#;
    let clients = (0..CLIENTS).map(|_| {
        let mut client = client(&sandbox);
        client.call(monitor);
        client
    });
    let clients: Vec<RawClient> = clients.collect();
    let page = Page::of(&sandbox);
    let rows = page.value("ovsdb_rows{database=\"OVN_Southbound\"}");
    assert_eq!(rows, ROWS as f64);
    let monitors = page.value("ovsdb_monitors{database=\"OVN_Southbound\"}");
    assert_eq!(monitors, CLIENTS as f64);
    let before = cpu_seconds(&daemon);
    for _ in 0..SCRAPES {
        Page::of(&sandbox);
    }
    let taken = cpu_seconds(&daemon) - before;
    let most = SCRAPES as f64 * 0.01;
    assert!(taken < most, "{SCRAPES} pages took {taken} seconds");
    drop(clients);
}
