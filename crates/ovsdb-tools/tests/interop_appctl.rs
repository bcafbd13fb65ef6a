//! Our `ovs-appctl` against the switch daemon and against one that never answers: it must print and answer what the
//! reference's own does. `commands_vs_reference` has the rest.

use std::path::Path;

use ovsdb_testkit::daemon::{Daemon, Server};
use ovsdb_testkit::programs::{self, Side};
use ovsdb_testkit::sandbox::Sandbox;

/// Runs both programs with the same words and compares output, messages and exit code.
fn check(sandbox: &Sandbox, line: &str) {
    let line = line.replace("SANDBOX", &sandbox.folder().display().to_string());
    let words: Vec<&str> = line.split_whitespace().collect();
    let [reference, ours] = Side::BOTH.map(|side| {
        let program = side.program("ovs-appctl");
        let output = sandbox.run(&program, &words);
        // Errors of the command line name the program by its path; log lines have a time.
        let stderr: Vec<String> = output
            .stderr
            .lines()
            .map(|line| line.replace(&program.display().to_string(), "ovs-appctl"))
            .map(|line| {
                line.split_once('|')
                    .map_or(line.clone(), |(_, rest)| rest.to_owned())
            })
            .collect();
        (output.code, output.stdout, stderr)
    });
    assert_eq!(ours, reference, "ovs-appctl {line}");
}

#[test]
fn a_switch_daemon_is_controlled_alike() {
    let sandbox = Sandbox::new();
    let schema = programs::reference_schema("vswitch");
    let server = Server::start(
        &sandbox,
        Side::Reference,
        &[("conf.db", Path::new(&schema))],
    );
    sandbox.run_ok(programs::reference("ovs-vsctl"), &["--no-wait", "init"]);
    let _switch = Daemon::start(
        &sandbox,
        programs::reference("ovs-vswitchd"),
        "ovs-vswitchd",
        &[
            "--enable-dummy",
            "--disable-system",
            "-vconsole:off",
            &server.remote(),
        ],
    );
    sandbox.run_ok(
        programs::reference("ovs-vsctl"),
        &[
            "add-br",
            "br0",
            "--",
            "set",
            "bridge",
            "br0",
            "datapath_type=dummy",
        ],
    );
    for line in [
        "version",
        "list-commands",
        "vlog/list-pattern",
        "ofproto/list",
        "fdb/show br0",
        "fdb/show nonsense",
        "bond/list",
        "dpif/show nonsense",
        "-t ovs-vswitchd version",
    ] {
        check(&sandbox, line);
    }
}

#[test]
fn a_deadline_ends_both_by_the_same_signal() {
    let sandbox = Sandbox::new();
    // Somebody listens and never answers.
    let _listener = std::os::unix::net::UnixListener::bind(sandbox.path("mute")).expect("a socket");
    let ends = Side::BOTH.map(|side| {
        let mut command = sandbox.command(side.program("ovs-appctl"));
        let socket = sandbox.path("mute").display().to_string();
        let output = command
            .args(["-T", "1", "-t", &socket, "version"])
            .output()
            .expect("it runs");
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        (
            std::os::unix::process::ExitStatusExt::signal(&output.status),
            stderr.split_once('|').expect("a log line").1.to_owned(),
        )
    });
    assert_eq!(ends[0], ends[1]);
}
