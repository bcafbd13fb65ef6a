//! The examples, run as programs on servers of both sides.

use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdout, Stdio};

use ovsdb_testkit::daemon::Server;
use ovsdb_testkit::programs::{Side, example, reference, reference_schema};
use ovsdb_testkit::sandbox::Sandbox;

/// Runs a test on a server of each side that has an empty database of this schema.
fn check(schema: &str, test: impl Fn(&Sandbox, Server)) {
    let schema = reference_schema(schema);
    for side in Side::BOTH {
        let sandbox = Sandbox::new();
        let server = Server::start(&sandbox, side, &[("test.db", &schema)]);
        test(&sandbox, server);
    }
}

/// What an example prints that comes to an end.
fn printed(sandbox: &Sandbox, name: &str, arguments: &[&str]) -> String {
    sandbox.run_ok(example(name), arguments)
}

/// Runs a program of the reference on the server.
fn run(sandbox: &Sandbox, program: &str, server: &Server, arguments: &[&str]) {
    let database = format!("--db={}", server.remote());
    let mut all = vec![database.as_str()];
    if program == "ovs-vsctl" {
        // There is nobody who would do what is configured.
        all.push("--no-wait");
    }
    all.extend(arguments);
    sandbox.run_ok(reference(program), &all);
}

/// An example that goes on until it is stopped.
struct Running {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Running {
    fn start(sandbox: &Sandbox, name: &str, server: &str) -> Running {
        let mut command = sandbox.command(example(name));
        let command = command.arg(server).stdout(Stdio::piped());
        let mut child = command.spawn().expect("the example is a program");
        let stdout = child.stdout.take().expect("it is a pipe");
        Running {
            child,
            lines: BufReader::new(stdout).lines(),
        }
    }

    /// Waits for the next lines that it prints.
    #[track_caller]
    fn prints(&mut self, expected: &[&str]) {
        for expected in expected {
            let line = self.lines.next().expect("it goes on");
            assert_eq!(line.expect("it prints text"), *expected);
        }
    }

    fn stop(mut self) {
        self.child.kill().expect("it runs");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Fails only if it is gone.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn list_bridges_shows_bridges_ports_and_interfaces() {
    check("vswitch", |sandbox, server| {
        let vsctl = |arguments: &[&str]| run(sandbox, "ovs-vsctl", &server, arguments);
        assert_eq!(printed(sandbox, "list_bridges", &[&server.remote()]), "");
        vsctl(&["add-br", "br0", "--", "add-port", "br0", "p1", "tag=7"]);
        vsctl(&["add-bond", "br0", "bond0", "e0", "e1"]);
        vsctl(&["add-br", "a"]);
        let expected = "\
bridge a
  port a
    interface a
bridge br0
  port bond0
    interface e0
    interface e1
  port br0
    interface br0
  port p1, tag 7
    interface p1
";
        assert_eq!(
            printed(sandbox, "list_bridges", &[&server.remote()]),
            expected
        );
    });
}

#[test]
fn show_prints_what_ovs_vsctl_show_does() {
    check("vswitch", |sandbox, server| {
        let vsctl = |arguments: &[&str]| run(sandbox, "ovs-vsctl", &server, arguments);
        let compare = || {
            let database = format!("--db={}", server.remote());
            let expected =
                sandbox.run_ok(reference("ovs-vsctl"), &["--no-wait", &database, "show"]);
            assert_eq!(printed(sandbox, "show", &[&server.remote()]), expected);
            expected
        };
        vsctl(&["init"]);
        compare();
        vsctl(&["add-br", "br0", "--", "add-port", "br0", "p1", "tag=7"]);
        vsctl(&[
            "add-port",
            "br0",
            "p 2",
            "trunks=1,2",
            "--",
            "set",
            "Interface",
            "p 2",
            "type=patch",
        ]);
        vsctl(&[
            "set",
            "Interface",
            "p 2",
            "options:peer=\"a b\"",
            "options:x=y",
        ]);
        vsctl(&[
            "add-bond",
            "br0",
            "bond0",
            "e0",
            "e1",
            "--",
            "set-fail-mode",
            "br0",
            "secure",
        ]);
        vsctl(&["set-controller", "br0", "tcp:127.0.0.1:1", "ssl:127.0.0.1"]);
        vsctl(&["set-manager", "ptcp:6640", "--", "add-br", "br1"]);
        vsctl(&["set", "Bridge", "br1", "datapath_type=netdev"]);
        vsctl(&["set", "Open_vSwitch", ".", "ovs_version=3.1.0"]);
        let shown = compare();
        for word in [
            "Manager",
            "Controller",
            "fail_mode: secure",
            "trunks: [1, 2]",
            "ovs_version",
        ] {
            assert!(shown.contains(word), "{word}: {shown}");
        }
    });
}

#[test]
fn watch_logical_ports_tells_what_comes_changes_and_goes() {
    check("ovn-nb", |sandbox, server| {
        let nbctl = |arguments: &[&str]| run(sandbox, "ovn-nbctl", &server, arguments);
        nbctl(&["ls-add", "s", "--", "lsp-add", "s", "first"]);
        let remote = server.remote();
        let mut watching = Running::start(sandbox, "watch_logical_ports", &remote);
        watching.prints(&["+ first []"]);
        nbctl(&["lsp-add", "s", "second"]);
        watching.prints(&["+ second []"]);
        nbctl(&["lsp-set-addresses", "first", "dynamic"]);
        watching.prints(&[r#"~ first ["dynamic"]"#]);
        // This is none of its business.
        nbctl(&["ls-add", "t"]);
        nbctl(&["lsp-del", "second"]);
        watching.prints(&["- second"]);
    });
}

#[test]
fn dump_schema_prints_the_same_of_a_file_and_of_a_server() {
    check("vswitch", |sandbox, server| {
        let of_server = printed(sandbox, "dump_schema", &[&server.remote(), "Open_vSwitch"]);
        let file = reference_schema("vswitch");
        let file = file.to_str().expect("the path is UTF-8");
        assert_eq!(printed(sandbox, "dump_schema", &[file]), of_server);
        assert!(of_server.starts_with("Open_vSwitch "), "{of_server}");
        let bridge = "\n  Bridge\n    auto_attach: {\"key\":{\"refTable\":\"AutoAttach\",\"type\":\"uuid\"},\"min\":0}\n";
        assert!(of_server.contains(bridge), "{of_server}");
    });
}

#[test]
fn of_several_leaders_one_works_and_another_takes_over() {
    check("vswitch", |sandbox, server| {
        let vsctl = |arguments: &[&str]| run(sandbox, "ovs-vsctl", &server, arguments);
        let ids = |bridge: &str| {
            let arguments = ["--columns=external_ids", "--bare", "list", "Bridge", bridge];
            let database = format!("--db={}", server.remote());
            let all = [&[database.as_str()], &arguments[..]].concat();
            sandbox.run_ok(reference("ovs-vsctl"), &all)
        };
        vsctl(&["add-br", "br0"]);
        let remote = server.remote();
        let mut first = Running::start(sandbox, "leader", &remote);
        first.prints(&["leading", "managed 1 bridges"]);
        let mut second = Running::start(sandbox, "leader", &remote);
        vsctl(&["add-br", "br1"]);
        first.prints(&["managed 2 bridges"]);
        assert_eq!(ids("br1"), "managed-by=example\n");
        first.stop();
        second.prints(&["leading"]);
        vsctl(&["add-br", "br2"]);
        second.prints(&["managed 3 bridges"]);
        assert_eq!(ids("br2"), "managed-by=example\n");
    });
}
