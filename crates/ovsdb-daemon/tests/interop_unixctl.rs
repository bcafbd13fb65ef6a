//! The reference's `ovs-appctl` against our control socket, and its lines about options against ours.

use ovsdb_testkit::daemon::Daemon;
use ovsdb_testkit::programs::{example, reference};
use ovsdb_testkit::sandbox::Sandbox;

#[test]
fn the_references_appctl_controls_our_daemon() {
    let sandbox = Sandbox::new();
    let daemon = Daemon::start(&sandbox, example("daemon"), "daemon", &[] as &[&str]);
    let appctl = reference("ovs-appctl");
    let run = |line: &str| sandbox.run(&appctl, &line.split_whitespace().collect::<Vec<_>>());
    let invalid = "\"nonsense\" is not a valid command (use \"list-commands\" to see a list of valid commands)\n\
                   ovs-appctl: daemon: server returned an error\n";
    let cases = [
        (
            "-t daemon version",
            Some(0),
            "daemon (Open vSwitch) 3.7.1\n",
            "",
        ),
        ("-t daemon echo a b", Some(0), "a b\n", ""),
        ("-t daemon vlog/set file:dbg", Some(0), "", ""),
        ("-t daemon nonsense", Some(2), "", invalid),
        ("-t daemon exit", Some(0), "", ""),
    ];
    for (line, code, stdout, stderr) in cases {
        let output = run(line);
        assert_eq!(
            (output.code, output.stdout.as_str(), output.stderr.as_str()),
            (code, stdout, stderr),
            "{line}"
        );
    }
    daemon.wait();
}

#[test]
fn tables_of_patterns_and_levels_have_the_references_layout() {
    let sandbox = Sandbox::new();
    let _ours = Daemon::start(&sandbox, example("daemon"), "daemon", &[] as &[&str]);
    let _reference = Daemon::start(
        &sandbox,
        reference("ovsdb-server"),
        "ovsdb-server",
        &[
            "--no-dbs",
            &format!("--remote=punix:{}", sandbox.path("db.sock").display()),
        ],
    );
    let ask = |target: &str, command: &str| {
        sandbox.run_ok(reference("ovs-appctl"), &["-t", target, command])
    };
    assert_eq!(
        ask("daemon", "vlog/list-pattern"),
        ask("ovsdb-server", "vlog/list-pattern")
    );
    let levels = ask("ovsdb-server", "vlog/list");
    let common = ask("daemon", "vlog/list")
        .lines()
        .filter(|ours| levels.lines().any(|line| line == *ours))
        .count();
    assert!(common > 50, "only {common} lines in common with:\n{levels}");
}

#[test]
fn errors_about_options_are_the_references() {
    let sandbox = Sandbox::new();
    for line in [
        "--nonsense",
        "-Q",
        "--detach=x",
        "--user",
        "--vers=1",
        "--s",
        "-vnonsense",
        "-vPATTERN",
        "-vfile:console",
        "-vinfo:dbg",
        "-vvlog:jsonrpc",
        "-vFACILITY:x",
        "-vPATTERN:x:y",
        "--syslog-method=x",
    ] {
        let [reference, ours] = [reference("ovsdb-server"), example("daemon")].map(|program| {
            let output = sandbox.run(&program, &line.split_whitespace().collect::<Vec<_>>());
            let name = program
                .file_name()
                .expect("a program")
                .to_string_lossy()
                .into_owned();
            let stderr = output
                .stderr
                .replace(&program.display().to_string(), "PROGRAM")
                .replace(&name, "PROGRAM");
            // What an abbreviation may stand for depends on the options that a program has.
            let stderr = stderr
                .split("; possibilities")
                .next()
                .unwrap_or_default()
                .to_owned();
            (output.code, stderr.trim_end().to_owned())
        });
        assert_eq!(ours, reference, "{line}");
    }
}
