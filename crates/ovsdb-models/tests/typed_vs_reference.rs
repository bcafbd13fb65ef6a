//! Types of the schema of Open vSwitch on servers of both sides: what the reference's programs wrote is read, and what is
//! written is read by them.

use std::time::Duration;

use ovsdb::Client;
use ovsdb::replica::{ChangeKind, Interest, Limits, Replica};
use ovsdb::txn::Txn;
use ovsdb::typed::Ref;
use ovsdb::uuid::Uuid;
use ovsdb_testkit::daemon::Server;
use ovsdb_testkit::programs::{Side, reference, reference_schema};
use ovsdb_testkit::sandbox::Sandbox;
use tokio::time::Instant;

ovsdb::include_schema! {
    mod vswitch = "vswitch";
}

use vswitch::{Bridge, Interface, OpenVSwitch, Port, bridge, interface, open_vswitch, port};

/// No test waits longer than this for anything.
fn soon() -> Option<Instant> {
    Some(Instant::now() + Duration::from_secs(30))
}

#[tokio::test]
async fn bridges_and_ports_are_read_and_written_by_their_types() {
    for side in Side::BOTH {
        let sandbox = Sandbox::new();
        let schema = reference_schema("vswitch");
        let server = Server::start(&sandbox, side, &[("conf.db", &schema)]);
        let database = format!("--db={}", server.remote());
        let vsctl = |line: &str| {
            let words = line.split_whitespace();
            let words: Vec<&str> = [database.as_str(), "--no-wait"]
                .into_iter()
                .chain(words)
                .collect();
            sandbox.run_ok(reference("ovs-vsctl"), &words)
        };
        vsctl("init");
        vsctl(
            "add-br br0 -- set bridge br0 fail_mode=secure other_config:hwaddr=aa:bb:cc:dd:ee:ff \
             -- add-port br0 vx0 -- set interface vx0 type=vxlan options:remote_ip=192.0.2.7",
        );

        let client = Client::builder(&server.remote()).database("Open_vSwitch");
        let client = client.connect(soon()).await.expect("the server is up");
        let selection = vswitch::selection();
        let replica = Replica::start(
            client.attach(),
            "Open_vSwitch",
            selection,
            Limits::default(),
        );
        let version = replica.live(soon()).await.expect("contents");
        assert_eq!(vswitch::fits(&version), Ok(()), "{side:?}");

        let bridges = version.table::<Bridge>().expect("bridges");
        let ports = version.table::<Port>().expect("ports");
        let interfaces = version.table::<Interface>().expect("interfaces");
        let br0 = bridges.rows().next().expect("a bridge");
        assert_eq!(br0.get(bridge::FAIL_MODE), Some(bridge::FailMode::Secure));
        let config = br0.get(bridge::OTHER_CONFIG);
        assert_eq!(config.get("hwaddr"), Some("aa:bb:cc:dd:ee:ff"), "{side:?}");
        let mut found: Vec<(&str, &str, Option<&str>)> = br0
            .get(bridge::PORTS)
            .iter()
            .filter_map(|port| ports.get(port))
            .flat_map(|row| row.get(port::INTERFACES).iter())
            .filter_map(|interface| interfaces.get(interface))
            .map(|row| {
                let options = row.get(interface::OPTIONS);
                let kind = row.get(interface::TYPE);
                (row.get(interface::NAME), kind, options.get("remote_ip"))
            })
            .collect();
        found.sort_unstable();
        let expect = [
            ("br0", "internal", None),
            ("vx0", "vxlan", Some("192.0.2.7")),
        ];
        assert_eq!(found, expect, "{side:?}");

        let mut txn = Txn::on(version.clone(), Uuid::from_random_bytes([9; 16]));
        let interface = txn.create(&Interface {
            name: "p1".to_owned(),
            mtu_request: Some(1500),
            ..Interface::default()
        });
        let port = txn.create(&Port {
            name: "p1".to_owned(),
            tag: Some(7),
            interfaces: [interface.expect("an interface")].into(),
            ..Port::default()
        });
        let mut ports = br0.read(bridge::PORTS);
        ports.insert(port.expect("a port"));
        txn.write(br0.id(), bridge::PORTS, ports).expect("a set");
        let root: Vec<Ref<OpenVSwitch>> = {
            let table = version.table::<OpenVSwitch>().expect("the table");
            table.rows().map(|row| row.id()).collect()
        };
        txn.write(root[0], open_vswitch::NEXT_CFG, 5)
            .expect("a number");
        let plan = txn.plan().expect("a plan");
        let sent = replica.submit(plan.params().clone()).await;
        sent.expect("it is carried out");

        assert_eq!(vsctl("list-ports br0"), "p1\nvx0\n", "{side:?}");
        assert_eq!(vsctl("get port p1 tag"), "7\n", "{side:?}");
        assert_eq!(vsctl("get interface p1 mtu_request"), "1500\n", "{side:?}");
        assert_eq!(vsctl("get open_vswitch . next_cfg"), "5\n", "{side:?}");
        let version = replica.snapshot().expect("contents");
        let ports = version.table::<Port>().expect("ports");
        let tags: Vec<Option<i64>> = ports.rows().map(|row| row.get(port::TAG)).collect();
        assert!(tags.contains(&Some(7)), "{side:?}: {tags:?}");
    }
}

#[tokio::test]
async fn changes_and_parts_of_columns_go_by_their_types() {
    for side in Side::BOTH {
        let sandbox = Sandbox::new();
        let schema = reference_schema("vswitch");
        let server = Server::start(&sandbox, side, &[("conf.db", &schema)]);
        let database = format!("--db={}", server.remote());
        let vsctl = |words: &[&str]| {
            let words: Vec<&str> = [&[database.as_str(), "--no-wait"], words].concat();
            sandbox.run_ok(reference("ovs-vsctl"), &words)
        };
        vsctl(&["init"]);
        vsctl(&[
            "add-br",
            "br0",
            "--",
            "set",
            "bridge",
            "br0",
            "other_config:b=2",
        ]);

        let client = Client::builder(&server.remote()).database("Open_vSwitch");
        let client = client.connect(soon()).await.expect("the server is up");
        let replica = Replica::start(
            client.attach(),
            "Open_vSwitch",
            vswitch::selection(),
            Limits::default(),
        );
        let version = replica.live(soon()).await.expect("contents");
        assert_eq!(vswitch::fits_in_full(&version), Ok(()), "{side:?}");
        let mut watcher = replica.watch(Interest::all().all_but("Bridge", ["other_config"]));

        // Two write to one map, and neither undoes what the other did.
        let br0 = {
            let bridges = version.table::<Bridge>().expect("bridges");
            bridges.rows().next().expect("a bridge").id()
        };
        vsctl(&["set", "bridge", "br0", "other_config:a=1"]);
        let mut txn = Txn::on(version, Uuid::from_random_bytes([9; 16]));
        let config = bridge::OTHER_CONFIG;
        txn.put_key(br0, config, "c", "3").expect("a pair");
        txn.take_key(br0, config, "b").expect("a key");
        let vlan = bridge::FLOOD_VLANS;
        txn.put_element(br0, vlan, 7).expect("a number");
        assert!(txn.put_element(br0, vlan, 4096).is_err(), "{side:?}");
        let plan = txn.plan().expect("a plan");
        let sent = replica.submit(plan.params().clone()).await;
        sent.expect("it is carried out");
        let config = vsctl(&["get", "bridge", "br0", "other_config"]);
        assert_eq!(config, "{a=\"1\", c=\"3\"}\n", "{side:?}");
        vsctl(&["del-br", "br0"]);

        // The change of the first map alone is not told; the last is that the row is gone.
        let mut told = Vec::new();
        while !told.contains(&(ChangeKind::Delete, br0)) {
            let changes = watcher.next().await.expect("changes");
            for change in changes.of::<Bridge>().expect("bridges").iter() {
                if change.kind() == ChangeKind::Modify {
                    let vlans = change.new_row().expect("a row").get(vlan);
                    assert!(change.has_changed(vlan) && vlans.contains(7), "{side:?}");
                }
                told.push((change.kind(), change.id()));
            }
        }
        assert!(told.len() <= 2, "{side:?}: {told:?}");
    }
}
