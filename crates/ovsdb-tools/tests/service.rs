//! `ovsdb-server` as a service: what the service manager is told, and sockets that it hands over.

use std::io::Write as _;
use std::os::fd::AsRawFd as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Child, Command};

use nix::sys::signal::Signal;
use ovsdb_testkit::daemon::Daemon;
use ovsdb_testkit::manager::ServiceManager;
use ovsdb_testkit::programs::ours;
use ovsdb_testkit::sandbox::{Output, Sandbox};

const SCHEMA: &str =
    r#"{"name":"A","version":"1.0.0","tables":{"T":{"columns":{"c":{"type":"string"}}}}}"#;

/// A process in the foreground, which is killed if the test ends before.
struct Foreground(Child);

impl Foreground {
    fn start(command: &mut Command) -> Foreground {
        Foreground(command.spawn().expect("the program starts"))
    }
}

impl Drop for Foreground {
    fn drop(&mut self) {
        // Both fail only if the process is gone, which is what is wanted.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn control(sandbox: &Sandbox, words: &[&str]) -> Output {
    let socket = sandbox.path("ctl").display().to_string();
    let mut all = vec!["-t", socket.as_str()];
    all.extend(words);
    sandbox.run(ours("ovs-appctl"), &all)
}

#[test]
fn a_server_is_ready_when_its_remotes_listen_and_not_before() {
    let mut sandbox = Sandbox::new();
    let manager = ServiceManager::new(&mut sandbox);
    // The server reads it once the test writes it.
    let file = sandbox.path("config");
    nix::unistd::mkfifo(&file, nix::sys::stat::Mode::S_IRWXU).expect("a named pipe");
    let mut command = sandbox.command(ours("ovsdb-server"));
    let config = format!("--config-file={}", file.display());
    let server = Foreground::start(command.args([&config, "--unixctl=ctl", "-vconsole:off"]));
    // This waits until the server has come so far as to open it.
    let write = |text: &str| {
        let pipe = std::fs::OpenOptions::new().write(true).open(&file);
        let mut pipe = pipe.expect("the server's end");
        assert_eq!(manager.said(), []);
        pipe.write_all(text.as_bytes()).expect("the server reads");
    };
    write(r#"{"remotes":{"punix:one.sock":null,"punix:two.sock":null}}"#);
    let (ready, before) = manager.wait_for("READY=1");
    for name in ["one.sock", "two.sock"] {
        UnixStream::connect(sandbox.path(name)).expect("it listens");
    }
    let own = i32::try_from(server.0.id()).expect("a pid");
    assert_eq!(ready.pid, own);
    let status: Vec<&str> = before
        .iter()
        .flat_map(|notice| &notice.lines)
        .map(String::as_str)
        .collect();
    assert_eq!(
        status,
        ["STATUS=serving nothing on punix:one.sock, punix:two.sock"]
    );

    // A reload begins and ends, whether it succeeds or not.
    for (text, code) in [(r#"{"remotes":{"punix:three.sock":null}}"#, 0), ("{", 2)] {
        let reload = std::thread::scope(|scope| {
            let reload = scope.spawn(|| control(&sandbox, &["ovsdb-server/reload"]));
            let (reloading, before) = manager.wait_for("RELOADING=1");
            assert_eq!(before, []);
            let stamp = |line: &String| line.starts_with("MONOTONIC_USEC=");
            assert!(reloading.lines.iter().any(stamp), "{reloading:?}");
            write(text);
            manager.wait_for("READY=1");
            reload.join().expect("no panic")
        });
        assert_eq!(reload.code, Some(code), "{reload}");
        UnixStream::connect(sandbox.path("three.sock")).expect("it listens");
    }
    assert!(control(&sandbox, &["exit"]).ok());
    manager.wait_for("STOPPING=1");
}

/// Serves an empty database on what it inherits as descriptor 3.
fn serve_inherited(sandbox: &Sandbox, arguments: &[&str]) -> Daemon {
    std::fs::write(sandbox.path("schema"), SCHEMA).expect("a writable folder");
    let mut all = vec!["--create=schema", "A.db", "--remote=pfd:3"];
    all.extend(["--unixctl=ctl", "-vconsole:off"]);
    all.extend(arguments);
    Daemon::start(sandbox, ours("ovsdb-server"), "ovsdb-server", &all)
}

fn list(sandbox: &Sandbox, remote: &str) -> String {
    sandbox.run_ok(ours("ovsdb-client"), &["list-dbs", remote])
}

/// What the process has open that is the socket of this inode.
fn descriptors(pid: i32, inode: &str) -> usize {
    let folder = std::fs::read_dir(format!("/proc/{pid}/fd")).expect("a running process");
    let targets = folder.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
    targets
        .filter(|target| target.to_string_lossy() == inode)
        .count()
}

#[test]
fn an_inherited_socket_serves_through_forks_crashes_and_removals() {
    let mut sandbox = Sandbox::new();
    let path = sandbox.path("inherited.sock");
    let socket = UnixListener::bind(&path).expect("a socket in the sandbox");
    let inode = format!("/proc/self/fd/{}", socket.as_raw_fd());
    let inode = std::fs::read_link(inode).expect("an open descriptor");
    let inode = inode.to_string_lossy().into_owned();
    let remote = format!("unix:{}", path.display());
    sandbox.hand_over(socket);
    let daemon = serve_inherited(&sandbox, &["--monitor"]);
    assert_eq!(list(&sandbox, &remote), "A\n_Server\n");
    // One to keep, and one to listen on.
    assert_eq!(descriptors(daemon.pid(), &inode), 2);

    // The next process has another pid. It comes up while clients wait at the socket.
    daemon.signal(Signal::SIGSEGV);
    let program = format!("/proc/{}/exe", daemon.pid());
    while std::fs::read_link(&program).is_ok() {
        std::thread::yield_now();
    }
    assert_eq!(list(&sandbox, &remote), "A\n_Server\n");
    let pid: i32 = sandbox
        .text("ovsdb-server.pid")
        .trim()
        .parse()
        .expect("a pid");
    assert_ne!(pid, daemon.pid());

    // What is not listened on any more keeps its clients waiting until it is again.
    assert!(control(&sandbox, &["ovsdb-server/remove-remote", "pfd:3"]).ok());
    while descriptors(pid, &inode) != 1 {
        std::thread::yield_now();
    }
    let waiting = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| list(&sandbox, &remote));
        assert!(control(&sandbox, &["ovsdb-server/add-remote", "pfd:3"]).ok());
        waiting.join().expect("no panic")
    });
    assert_eq!(waiting, "A\n_Server\n");
    assert!(control(&sandbox, &["exit"]).ok());
    // The file is whose who made the socket.
    assert!(path.exists());
}

#[test]
fn an_inherited_socket_may_be_of_tcp_and_is_not_passed_on() {
    let mut sandbox = Sandbox::new();
    let socket = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let port = socket.local_addr().expect("a port").port();
    sandbox.hand_over(socket);
    std::fs::write(sandbox.path("schema"), SCHEMA).expect("a writable folder");
    let run = format!(
        "--run={} list-dbs tcp:127.0.0.1:{port} && ls -l /proc/self/fd >descriptors && env >variables",
        ours("ovsdb-client").display()
    );
    sandbox.set("LISTEN_FDS", "1");
    let arguments = [
        "--create=schema",
        "A.db",
        "--remote=pfd:3",
        &run,
        "-vconsole:off",
    ];
    assert_eq!(
        sandbox.run_ok(ours("ovsdb-server"), &arguments),
        "A\n_Server\n"
    );
    let descriptors = sandbox.text("descriptors");
    assert!(!descriptors.contains("socket:"), "{descriptors}");
    let variables = sandbox.text("variables");
    assert!(!variables.contains("LISTEN_FDS"), "{variables}");
}

#[test]
fn a_number_that_was_not_inherited_is_no_remote() {
    let sandbox = Sandbox::new();
    let _daemon = serve_inherited(&sandbox, &["--remote=punix:db.sock"]);
    let log = sandbox.text("ovsdb-server.log");
    let line = "|stream_fd|ERR|pfd:3: no inherited listening socket: Bad file descriptor";
    assert!(log.contains(line), "{log}");
}

#[test]
fn a_socket_that_systemd_hands_over_and_nobody_listens_on_is_told_of() {
    let warning = "|stream_fd|WARN|descriptor 3 is a socket that was handed over, and there is no --remote=pfd:3";
    for (remote, warned) in [("punix:db.sock", true), ("pfd:3", false)] {
        let mut sandbox = Sandbox::new();
        sandbox.hand_over(UnixListener::bind(sandbox.path("s")).expect("a socket in the sandbox"));
        sandbox.set("LISTEN_FDS", "1");
        let arguments = [
            "--no-dbs",
            "--unixctl=none",
            "-vconsole:off",
            "--remote",
            remote,
        ];
        let _daemon = Daemon::start(&sandbox, ours("ovsdb-server"), "ovsdb-server", &arguments);
        let log = sandbox.text("ovsdb-server.log");
        assert_eq!(log.contains(warning), warned, "{remote}: {log}");
    }
}
