//! The control client with running daemons: database servers of both sides, a cluster, a backup, and a switch.

use ovsdb_client::control::{
    CallError, Control, Direction, Membership, Replication, Role, SyncState, Who,
};
use ovsdb_testkit::daemon::{Daemon, Server};
use ovsdb_testkit::port::Port;
use ovsdb_testkit::programs::{Side, find_reference, reference, reference_schema};
use ovsdb_testkit::sandbox::Sandbox;

async fn connect(path: &std::path::Path) -> Control {
    let target = path.to_str().expect("a plain name");
    Control::connect(target).await.expect("the daemon listens")
}

#[tokio::test]
async fn a_database_server_tells_what_it_is_and_does() {
    for side in Side::BOTH {
        let sandbox = Sandbox::new();
        let schema = reference_schema("vswitch");
        let server = Server::start(&sandbox, side, &[("conf.db", &schema)]);
        let mut control = connect(server.control()).await;

        let version = control.version().await.expect("a version");
        assert_eq!(version.program, "ovsdb-server", "{side:?}");
        assert!(version.open_vswitch.is_some(), "{side:?}: {version:?}");

        let commands = control.list_commands().await.expect("commands");
        for name in ["list-commands", "coverage/show", "ovsdb-server/sync-status"] {
            assert!(commands.contains(name), "{side:?}: {name}");
        }
        assert_eq!(commands.other, [""; 0], "{side:?}");

        let memory = control.memory().await.expect("a report");
        assert_eq!(memory.get("monitors"), Some(0), "{side:?}: {memory:?}");
        assert_eq!(memory.other, [""; 0], "{side:?}");

        let coverage = control.coverage().await.expect("a table");
        assert!(coverage.never_hit.is_some(), "{side:?}: {coverage:?}");
        assert_eq!(coverage.interval_s, Some(5), "{side:?}");
        assert_eq!(coverage.other, [""; 0], "{side:?}");

        let sync = control.sync_status().await.expect("a status");
        let state = sync.of("Open_vSwitch").map(|part| &part.state);
        assert_eq!(state, Some(&SyncState::Active), "{side:?}");

        let error = control.cluster_status("Open_vSwitch").await;
        let error = error.expect_err("no database of a cluster");
        assert!(
            matches!(error, CallError::Refused { .. }),
            "{side:?}: {error}"
        );

        // As JSON where the daemon can, as its text where it cannot; and text again afterwards.
        let json = control
            .json::<&str>("version", &[])
            .await
            .expect("an answer");
        assert!(json.as_str().is_some(), "{side:?}: {json}");
        assert_eq!(
            control.version().await.expect("a version"),
            version,
            "{side:?}"
        );
    }
}

#[tokio::test]
async fn a_backup_tells_whom_it_follows() {
    let sandbox = Sandbox::new();
    let schema = reference_schema("vswitch");
    let port = Port::reserve();
    let start = |name: &str, file: &str, option: &str| {
        let socket = format!("{name}.sock");
        let databases = [(file, schema.as_path())];
        Server::start_as(
            &sandbox,
            Side::Reference,
            name,
            &socket,
            &databases,
            &[option],
        )
    };
    let _active = start("active", "a.db", &port.server_option());
    let backup = start("backup", "b.db", &format!("--sync-from={}", port.remote()));
    let mut control = connect(backup.control()).await;
    // Each answer comes after another round of the server's work.
    loop {
        let sync = control.sync_status().await.expect("a status");
        let part = sync.of("Open_vSwitch").expect("its state");
        assert_eq!(part.state, SyncState::Backup);
        assert_eq!(sync.other, [""; 0]);
        match part.replication.as_ref().expect("where it stands") {
            Replication::Connecting(server) => assert_eq!(server, &port.remote()),
            Replication::Replicating(server) => {
                assert_eq!(server, &port.remote());
                assert_eq!(part.databases, ["Open_vSwitch"]);
                break;
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn servers_of_a_cluster_tell_how_they_see_it() {
    let sandbox = Sandbox::new();
    let ports = [Port::reserve(), Port::reserve()];
    let addresses = ports.each_ref().map(Port::remote);
    let path = |name: &str| sandbox.path(name).display().to_string();
    let tool = |words: &[&str]| sandbox.run_ok(reference("ovsdb-tool"), words);
    let schema = reference_schema("ovn-sb").display().to_string();
    tool(&["create-cluster", &path("a.db"), &schema, &addresses[0]]);
    tool(&[
        "join-cluster",
        &path("b.db"),
        "OVN_Southbound",
        &addresses[1],
        &addresses[0],
    ]);
    let servers = ["a", "b"].map(|name| {
        let (file, socket) = (format!("{name}.db"), format!("{name}.sock"));
        let databases = [(file.as_str(), std::path::Path::new(""))];
        let server = Server::start_as(&sandbox, Side::Reference, name, &socket, &databases, &[]);
        let words = [
            "-t60",
            "wait",
            &server.remote(),
            "OVN_Southbound",
            "connected",
        ];
        sandbox.run_ok(reference("ovsdb-client"), &words);
        server
    });
    let mut leader = connect(servers[0].control()).await;
    // The follower's connection is told of by the leader once both have seen it.
    let status = loop {
        let status = leader.cluster_status("OVN_Southbound").await;
        let status = status.expect("a status");
        let incoming = |direction| direction == Direction::Incoming;
        if status
            .connections
            .iter()
            .any(|peer| incoming(peer.direction))
        {
            break status;
        }
    };
    assert_eq!(status.role, Role::Leader);
    assert_eq!(
        (&status.leader, &status.membership),
        (&Who::Itself, &Membership::Member)
    );
    assert_eq!(status.address, addresses[0]);
    assert_eq!(status.other, [""; 0]);
    let mut others: Vec<&str> = status
        .servers
        .iter()
        .map(|it| it.address.as_str())
        .collect();
    others.sort_unstable();
    let mut expect = addresses.each_ref().map(String::as_str);
    expect.sort_unstable();
    assert_eq!(others, expect);

    let mut follower = connect(servers[1].control()).await;
    let seen = follower.cluster_status("OVN_Southbound").await;
    let seen = seen.expect("a status");
    assert_eq!(seen.role, Role::Follower);
    assert_eq!(seen.leader, Who::Server(status.nickname));
    assert_eq!(
        (seen.cluster_id, seen.term),
        (status.cluster_id, status.term)
    );
}

#[tokio::test]
async fn a_switch_tells_its_datapaths() {
    let Some(program) = find_reference("ovs-vswitchd") else {
        panic!("ovs-vswitchd is not installed");
    };
    for side in Side::BOTH {
        let sandbox = Sandbox::new();
        let schema = reference_schema("vswitch");
        let server = Server::start(&sandbox, side, &[("conf.db", &schema)]);
        let database = format!("--db={}", server.remote());
        let vsctl = |line: &str| {
            let words = line.split_whitespace();
            let words: Vec<&str> = [database.as_str(), "--timeout=60"]
                .into_iter()
                .chain(words)
                .collect();
            sandbox.run_ok(reference("ovs-vsctl"), &words);
        };
        vsctl("--no-wait init");
        let control = sandbox.path("switch.ctl");
        let arguments = [
            server.remote(),
            "--enable-dummy".to_owned(),
            "--disable-system".to_owned(),
            "-vconsole:off".to_owned(),
            "-vsyslog:off".to_owned(),
            format!("--unixctl={}", control.display()),
        ];
        let _switch = Daemon::start(&sandbox, &program, "ovs-vswitchd", &arguments);
        vsctl("add-br br0 -- set bridge br0 datapath_type=dummy");
        vsctl("add-br br1 -- set bridge br1 datapath_type=dummy");
        vsctl(
            "add-port br0 p0 -- set interface p0 type=patch options:peer=p1 \
             -- add-port br1 p1 -- set interface p1 type=patch options:peer=p0",
        );
        let mut control = connect(&control).await;
        assert_eq!(
            control.version().await.expect("a version").program,
            "ovs-vswitchd"
        );
        let shown = control.dpif_show().await.expect("datapaths");
        assert_eq!(shown.other, [""; 0], "{side:?}");
        assert_eq!(shown.datapaths.len(), 1, "{side:?}: {shown:?}");
        let bridges: Vec<&str> = shown.bridges().map(|bridge| bridge.name.as_str()).collect();
        assert_eq!(bridges, ["br0", "br1"], "{side:?}");
        let ports = &shown.datapaths[0].bridges[0].ports;
        let patch = ports
            .iter()
            .find(|port| port.name == "p0")
            .expect("the port");
        assert_eq!((patch.kind.as_str(), patch.datapath_port), ("patch", None));
        assert_eq!(patch.config, [("peer".to_owned(), "p1".to_owned())]);
        let statistics = control.dpctl_show().await.expect("datapaths");
        assert_eq!(statistics.other, [""; 0], "{side:?}");
        let [datapath] = statistics.datapaths.as_slice() else {
            panic!("{side:?}: {statistics:?}");
        };
        assert_eq!(datapath.name, shown.datapaths[0].name);
        assert!(datapath.lookups.is_some() && datapath.flows.is_some());
        let bridges = ["br0", "br1"];
        let is_there = |name: &&str| datapath.ports.iter().any(|port| port.name == **name);
        assert!(bridges.iter().all(is_there), "{side:?}: {datapath:?}");
        let memory = control.memory().await.expect("a report");
        assert!(memory.get("ports") >= Some(4), "{side:?}: {memory:?}");
        let coverage = control.coverage().await.expect("a table");
        assert!(coverage.never_hit.is_some(), "{side:?}: {coverage:?}");
    }
}
