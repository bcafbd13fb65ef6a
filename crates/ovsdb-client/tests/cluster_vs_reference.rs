//! The client with a cluster of three servers of the reference: it finds the leader, and finds the next one when the lead
//! changes, the leader ends or is killed.

use std::fs;
use std::path::Path;
use std::time::Duration;

use ovsdb_client::control::{Control, Role};
use ovsdb_client::upstream::{Inbound, Upstream};
use ovsdb_client::{Builder, Client, ConnectError, Disconnect, Status, Unfit};
use ovsdb_proto::json::{self, Json};
use ovsdb_proto::uuid::Uuid;
use ovsdb_testkit::daemon::Server;
use ovsdb_testkit::port::Port;
use ovsdb_testkit::programs::{Side, reference};
use ovsdb_testkit::sandbox::Sandbox;
use tokio::time::Instant;

const SCHEMA: &str = r#"{"name":"test","version":"1.0.0","tables":{"T":{"columns":{
    "name":{"type":"string"}},"isRoot":true}}}"#;

/// No test waits longer than this for anything.
fn soon() -> Option<Instant> {
    Some(Instant::now() + Duration::from_secs(60))
}

/// Servers of a cluster.
struct Cluster {
    servers: Vec<Option<Server>>,
    remotes: Vec<String>,
    id: Uuid,
}

async fn control(server: &Server) -> Control {
    let target = server.control().to_str().expect("a plain name");
    Control::connect(target).await.expect("the server listens")
}

impl Cluster {
    async fn start(sandbox: &Sandbox) -> Cluster {
        let addresses = [Port::reserve(), Port::reserve(), Port::reserve()];
        let addresses = addresses.each_ref().map(Port::remote);
        let schema = sandbox.path("test.ovsschema");
        fs::write(&schema, SCHEMA).expect("the sandbox is writable");
        let path = |name: &str| sandbox.path(name).display().to_string();
        let tool = |words: &[&str]| sandbox.run_ok(reference("ovsdb-tool"), words);
        let schema = schema.display().to_string();
        tool(&["create-cluster", &path("0.db"), &schema, &addresses[0]]);
        for joining in 1..3 {
            let file = path(&format!("{joining}.db"));
            tool(&[
                "join-cluster",
                &file,
                "test",
                &addresses[joining],
                &addresses[0],
            ]);
        }
        let servers: Vec<Option<Server>> = (0..3)
            .map(|nth| {
                let (name, file, socket) =
                    (nth.to_string(), format!("{nth}.db"), format!("{nth}.sock"));
                let databases = [(file.as_str(), Path::new(""))];
                let server =
                    Server::start_as(sandbox, Side::Reference, &name, &socket, &databases, &[]);
                let words = ["-t60", "wait", &server.remote(), "test", "connected"];
                sandbox.run_ok(reference("ovsdb-client"), &words);
                Some(server)
            })
            .collect();
        let first = servers[0].as_ref().expect("it has been started");
        let status = control(first).await.cluster_status("test").await;
        let id = status.expect("a status").cluster_id;
        Cluster {
            remotes: servers.iter().flatten().map(Server::remote).collect(),
            servers,
            id: id.expect("it has joined its cluster"),
        }
    }

    fn remotes(&self) -> String {
        self.remotes.join(",")
    }

    /// Which server leads, by its own words.
    async fn leader(&self) -> usize {
        loop {
            for (nth, server) in self.servers.iter().enumerate() {
                let Some(server) = server else {
                    continue;
                };
                // Each answer comes after another round of the server's work.
                let status = control(server).await.cluster_status("test").await;
                if status.expect("a status").role == Role::Leader {
                    return nth;
                }
            }
        }
    }
}

fn client(servers: &str) -> Builder {
    Client::builder(servers).database("test")
}

/// The name of the server that the client has a connection to.
async fn server(client: &Client) -> String {
    let ready = client.ready(soon()).await;
    ready.expect("there is a leader").name.to_string()
}

async fn heard(upstream: &mut Upstream) -> Inbound {
    let deadline = soon().expect("there is a deadline");
    let inbound = tokio::time::timeout_at(deadline, upstream.next()).await;
    inbound
        .expect("something comes in time")
        .expect("the client goes on")
}

/// Inserts a row, and says which there are.
async fn write(client: &Client, name: &str) -> Vec<String> {
    let operations = format!(
        r#"[{{"op":"insert","table":"T","row":{{"name":"{name}"}}}},{{"op":"select","table":"T","where":[],"columns":["name"]}}]"#
    );
    let operations = json::parse(operations.as_bytes()).expect("this is JSON");
    let operations = operations.as_array().expect("it is an array");
    let results = client.transact("test", operations, soon()).await;
    let results = results.expect("the leader answers");
    let rows = results[1].get("rows").and_then(Json::as_array);
    let name = |row: &Json| row.get("name").and_then(Json::as_str).map(str::to_owned);
    let mut names: Vec<String> = rows.expect("rows").iter().filter_map(name).collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_client_is_with_the_leader_whoever_that_is() {
    let sandbox = Sandbox::new();
    let mut cluster = Cluster::start(&sandbox).await;
    let list = format!("{},cid:{}", cluster.remotes(), cluster.id);
    let client = client(&list).connect(soon()).await.expect("there is one");
    let mut upstream = client.attach();
    assert!(matches!(heard(&mut upstream).await, Inbound::Up { .. }));
    let leader = cluster.leader().await;
    assert_eq!(server(&client).await, cluster.remotes[leader]);
    let lock = client.lock("l").expect("nobody wants it");
    assert_eq!(lock.held(soon()).await, Ok(()));
    assert_eq!(write(&client, "a").await, ["a"]);

    // It gives the lead away and stays.
    let giving = cluster.servers[leader].as_ref().expect("it runs");
    let path = giving.control().to_str().expect("a plain name");
    let words = ["-t", path, "cluster/failure-test", "transfer-leadership"];
    sandbox.run_ok(reference("ovs-appctl"), &words);
    let Inbound::Down { why, .. } = heard(&mut upstream).await else {
        panic!("the leader is another one");
    };
    assert!(
        matches!(why, Disconnect::Unfit(Unfit::NotLeader)),
        "{why:?}"
    );
    assert!(matches!(heard(&mut upstream).await, Inbound::Up { .. }));
    let leader = cluster.leader().await;
    assert_eq!(server(&client).await, cluster.remotes[leader]);
    assert_eq!(lock.held(soon()).await, Ok(()));
    assert_eq!(write(&client, "b").await, ["a", "b"]);

    // It ends, which it does after it has given the lead away.
    let ending = cluster.servers[leader].take().expect("it runs");
    let path = ending.control().to_str().expect("a plain name").to_owned();
    sandbox.run_ok(reference("ovs-appctl"), &["-t", &path, "exit"]);
    assert!(matches!(heard(&mut upstream).await, Inbound::Down { .. }));
    assert!(matches!(heard(&mut upstream).await, Inbound::Up { .. }));
    let leader = cluster.leader().await;
    assert_eq!(server(&client).await, cluster.remotes[leader]);
    assert_eq!(write(&client, "c").await, ["a", "b", "c"]);
    assert_eq!(lock.held(soon()).await, Ok(()));
}

#[tokio::test]
async fn a_client_finds_the_next_leader_after_the_last_was_killed() {
    let sandbox = Sandbox::new();
    let mut cluster = Cluster::start(&sandbox).await;
    let client = client(&cluster.remotes())
        .connect(soon())
        .await
        .expect("there is a leader");
    assert_eq!(write(&client, "a").await, ["a"]);
    let leader = cluster.leader().await;
    let killed = cluster.servers[leader].take().expect("it runs");
    let mut status = client.status();
    status.mark_unchanged();
    killed.kill();
    status.changed().await.expect("the client goes on");
    let next = server(&client).await;
    assert_ne!(next, cluster.remotes[leader]);
    assert_eq!(next, cluster.remotes[cluster.leader().await]);
    assert_eq!(write(&client, "b").await, ["a", "b"]);
}

#[tokio::test]
async fn followers_and_other_clusters_are_for_those_who_ask_for_them() {
    let sandbox = Sandbox::new();
    let cluster = Cluster::start(&sandbox).await;
    let leader = cluster.leader().await;
    let follower = &cluster.remotes[(leader + 1) % 3];
    let last = |client: &Client| {
        let mut status = client.status();
        async move {
            let told = status.wait_for(|status| {
                matches!(status, Status::Connecting { last: Some(why) } if why.starts_with("the "))
            });
            let told = told.await.expect("the client goes on").clone();
            match told {
                Status::Connecting { last } => last.expect("there is a reason").to_string(),
                other => panic!("{other:?}"),
            }
        }
    };

    let strict = client(follower).start().expect("the method is well formed");
    assert_eq!(last(&strict).await, "the server does not lead its cluster");
    let lenient = client(follower).leader_only(false).connect(soon()).await;
    let lenient = lenient.expect("any server will do");
    assert_eq!(&server(&lenient).await, follower);
    // It writes by way of the leader.
    assert_eq!(write(&lenient, "a").await, ["a"]);

    let other = format!(
        "{},cid:00000000-0000-0000-0000-000000000001",
        cluster.remotes()
    );
    let other = client(&other).start().expect("the methods are well formed");
    assert_eq!(
        last(&other).await,
        "the database is not that of the cluster"
    );
    let soon = Some(Instant::now() + Duration::from_millis(10));
    let late = other.ready(soon).await;
    assert!(matches!(late, Err(ConnectError::Deadline { .. })));
}
