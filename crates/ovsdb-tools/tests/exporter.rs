//! `ovsdb-exporter` beside a server of ours: what it tells while the server is there, while it is not, and when it is back.

mod support {
    pub(crate) mod page;
}

use std::os::unix::net::UnixListener;
use std::path::Path;

use ovsdb_testkit::client::RawClient;
use ovsdb_testkit::daemon::{Daemon, Server};
use ovsdb_testkit::installation::wait_for;
use ovsdb_testkit::programs::{Side, ours};
use ovsdb_testkit::sandbox::Sandbox;
use ovsdb_tools::exporter::table;
use support::page::{Page, get};

const SCHEMA: &str = r#"{"name":"A","version":"1.2.3","tables":{
    "T":{"isRoot":true,"columns":{"n":{"type":"integer"}}},
    "U":{"isRoot":true,"columns":{"n":{"type":"integer"}}}}}"#;

fn serve(sandbox: &Sandbox) -> Server {
    let schema = sandbox.path("ovsschema");
    std::fs::write(&schema, SCHEMA).expect("a writable folder");
    Server::start(sandbox, Side::Ours, &[("A.db", &schema)])
}

fn export(sandbox: &Sandbox, arguments: &[&str]) -> Daemon {
    let mut all = vec!["--http=unix:http.sock", "-vconsole:off"];
    all.extend(arguments);
    Daemon::start(sandbox, ours("ovsdb-exporter"), "ovsdb-exporter", &all)
}

/// An exporter of the database and its server.
fn export_server(sandbox: &Sandbox) -> Daemon {
    let control = format!(
        "--control=inventory={}",
        sandbox.path("ovsdb-server.ctl").display()
    );
    let files = [
        "--database-file=inventory=A.db",
        "--daemon-log=inventory=ovsdb-server.log",
    ];
    export(
        sandbox,
        &[&["A=unix:db.sock", &control], &files[..]].concat(),
    )
}

/// The first page on which a sample has this value.
fn page_with(sandbox: &Sandbox, name: &str, value: f64) -> Page {
    wait_for(name, || {
        let page = Page::of(sandbox);
        (page.samples.get(name) == Some(&value)).then_some(page)
    })
}

fn transact(socket: &Path, operations: &str) {
    let mut client = RawClient::connect(socket);
    let request = format!(r#"{{"method":"transact","id":1,"params":["A",{operations}]}}"#);
    let reply = client.call(&request);
    assert!(!reply.contains("\"error\":\""), "{reply}");
}

const UP: &str = "ovsdb_database_up{database=\"A\"}";
const DAEMON_UP: &str = "ovsdb_daemon_up{component=\"inventory\"}";
const ROWS: &str = "ovsdb_database_rows{database=\"A\",table=\"T\"}";
const CONNECTIONS: &str = "ovsdb_database_connections_total{database=\"A\"}";

#[test]
fn the_path_of_a_control_socket_may_be_as_long_as_it_likes() {
    let sandbox = Sandbox::new();
    let server = serve(&sandbox);
    // Longer than an address of the system.
    let folder = sandbox.path("long".repeat(40));
    std::fs::create_dir(&folder).expect("a writable folder");
    let socket = folder.join("ctl");
    std::os::unix::fs::symlink(sandbox.path("ovsdb-server.ctl"), &socket).expect("a new name");
    let control = format!("--control=inventory={}", socket.display());
    let _exporter = export(&sandbox, &[&control]);
    let page = page_with(&sandbox, DAEMON_UP, 1.0);
    let pids: Vec<f64> = page
        .samples
        .iter()
        .filter(|(name, _)| name.starts_with("ovsdb_pid{"))
        .map(|(_, value)| *value)
        .collect();
    assert_eq!(pids, [f64::from(server.daemon().pid())]);
}

#[test]
fn a_server_that_goes_is_down_and_up_again_when_it_is_back() {
    let sandbox = Sandbox::new();
    let server = serve(&sandbox);
    let _exporter = export_server(&sandbox);
    transact(
        server.socket(),
        r#"{"op":"insert","table":"T","row":{"n":1}},{"op":"insert","table":"T","row":{"n":2}}"#,
    );
    let page = page_with(&sandbox, ROWS, 2.0);
    assert_eq!(page.value(UP), 1.0);
    assert_eq!(page.value(DAEMON_UP), 1.0);
    assert_eq!(page.value(CONNECTIONS), 1.0);
    assert_eq!(
        page.value("ovsdb_database_rows{database=\"A\",table=\"U\"}"),
        0.0
    );
    assert_eq!(page.value("ovsdb_database_connected{database=\"A\"}"), 1.0);
    let (user, group) = ovsdb_daemon::process::owner();
    let pid = format!(
        "ovsdb_pid{{component=\"inventory\",group={group:?},system_id=\"\",user={user:?}}}"
    );
    assert_eq!(page.value(&pid), f64::from(server.daemon().pid()));
    let size = std::fs::metadata(sandbox.path("A.db"))
        .expect("a file")
        .len() as f64;
    let name = "ovsdb_db_file_size{component=\"inventory\",filename=\"A.db\",system_id=\"\"}";
    assert_eq!(page_with(&sandbox, name, size).value(name), size);
    let events = "ovsdb_log_event_count{component=\"inventory\",severity=\"info\",source=\"vlog\",system_id=\"\"}";
    assert_eq!(page.value(events), 1.0);
    let memory = "ovsdb_memory_usage{component=\"inventory\",facility=\"sessions\",system_id=\"\"}";
    assert!(page.value(memory) >= 2.0, "{}", page.text);
    assert_eq!(get(&sandbox, "/readyz").0, "200 OK");

    server.kill();
    let page = page_with(&sandbox, UP, 0.0);
    assert!(!page.samples.contains_key(ROWS), "{}", page.text);
    let page = page_with(&sandbox, DAEMON_UP, 0.0);
    let gone = "ovsdb_pid{component=\"inventory\",group=\"\",system_id=\"\",user=\"\"}";
    assert_eq!(page.value(gone), 0.0);
    assert!(page.value("ovsdb_failed_req_count{system_id=\"\"}") >= 1.0);
    let (status, text) = get(&sandbox, "/readyz");
    assert_eq!(
        (status.as_str(), text.as_str()),
        ("503 Service Unavailable", "A: not connected\n")
    );

    let server = serve(&sandbox);
    let page = page_with(&sandbox, ROWS, 2.0);
    assert_eq!((page.value(UP), page.value(CONNECTIONS)), (1.0, 2.0));
    page_with(&sandbox, DAEMON_UP, 1.0);
    transact(server.socket(), r#"{"op":"delete","table":"T","where":[]}"#);
    page_with(&sandbox, ROWS, 0.0);
}

#[test]
fn what_is_named_is_told_of_before_it_is_there_and_nothing_else_is() {
    let sandbox = Sandbox::new();
    let _exporter = export_server(&sandbox);
    let page = Page::of(&sandbox);
    assert_eq!((page.value(UP), page.value(DAEMON_UP)), (0.0, 0.0));
    for line in page.text.lines().filter(|line| line.starts_with("# TYPE ")) {
        let name = line.split(' ').nth(2).unwrap_or_default();
        let is_known = table::all().any(|metric| metric.names().iter().any(|it| it == name));
        assert!(is_known, "{name} is in no table");
    }
    let server = serve(&sandbox);
    page_with(&sandbox, UP, 1.0);
    drop(server);
}

#[test]
fn nothing_is_told_of_usual_places_where_nothing_is() {
    let sandbox = Sandbox::new();
    let exporter = export(&sandbox, &[]);
    let page = Page::of(&sandbox);
    for name in ["ovsdb_database_up{", "ovsdb_daemon_up{", "\novn_", "\novs_"] {
        assert!(!page.text.contains(name), "{}", page.text);
    }
    assert_eq!(
        page.value("ovsdb_exporter_build_info{version=\"0.1.0\"}"),
        1.0
    );
    let (status, text) = get(&sandbox, "/readyz");
    assert_eq!(
        (status.as_str(), text.as_str()),
        ("503 Service Unavailable", "nothing has been found\n")
    );
    // What is wrong with control sockets and pidfiles that are not there is nobody's alarm.
    let log = sandbox.text("ovsdb-exporter.log");
    assert!(!log.contains("|WARN|") && !log.contains("|ERR|"), "{log}");
    exporter.stop();
    assert!(!sandbox.path("http.sock").exists());
}

#[test]
fn a_daemon_that_is_silent_is_down_and_holds_nobody_up_for_long() {
    let sandbox = Sandbox::new();
    let path = sandbox.path("silent.ctl");
    // Who connects is never accepted, and never answered.
    let _silent = UnixListener::bind(&path).expect("a socket in the sandbox");
    let server = serve(&sandbox);
    let controls = [
        format!("--control=silent={}", path.display()),
        format!("--control=inventory={}", server.control().display()),
    ];
    let _exporter = export(&sandbox, &["A=unix:db.sock", &controls[0], &controls[1]]);
    let page = page_with(&sandbox, DAEMON_UP, 1.0);
    assert_eq!(page.value("ovsdb_daemon_up{component=\"silent\"}"), 0.0);
    assert!(page.value("ovsdb_failed_req_count{system_id=\"\"}") >= 1.0);
}

#[test]
fn a_database_with_another_schema_is_followed_on() {
    let sandbox = Sandbox::new();
    let server = serve(&sandbox);
    let _exporter = export_server(&sandbox);
    page_with(&sandbox, ROWS, 0.0);
    let wider = SCHEMA.replace(
        "\"U\":",
        "\"V\":{\"columns\":{\"n\":{\"type\":\"integer\"}}},\"U\":",
    );
    std::fs::write(sandbox.path("wider"), wider.replace("1.2.3", "1.3.0"))
        .expect("a writable folder");
    let arguments = ["convert", &server.remote(), "wider"];
    sandbox.run_ok(ours("ovsdb-client"), &arguments);
    let page = page_with(
        &sandbox,
        "ovsdb_database_rows{database=\"A\",table=\"V\"}",
        0.0,
    );
    assert!(
        page.text.contains("schema_version=\"1.3.0\""),
        "{}",
        page.text
    );
}

#[test]
fn an_exporter_ends_when_it_is_told_to() {
    let sandbox = Sandbox::new();
    let exporter = export(&sandbox, &["--control=none", "--unixctl=exporter.ctl"]);
    let control = sandbox.path("exporter.ctl").display().to_string();
    let shown = sandbox.run_ok(ours("ovs-appctl"), &["-t", &control, "memory/show"]);
    assert_eq!(shown, "replica-bytes:0 replica-rows:0\n");
    sandbox.run_ok(ours("ovs-appctl"), &["-t", &control, "exit"]);
    let ended = exporter.wait();
    assert!(
        matches!(ended, nix::sys::wait::WaitStatus::Exited(_, 0)),
        "{ended:?}"
    );
}
