//! The examples, run as programs on servers of both sides.

use std::io::{BufRead, BufReader, Lines, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStdout, Stdio};

use ovsdb_testkit::daemon::Server;
use ovsdb_testkit::installation::wait_for;
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
        Running::start_with(sandbox, name, &[server])
    }

    fn start_with(sandbox: &Sandbox, name: &str, arguments: &[&str]) -> Running {
        let mut command = sandbox.command(example(name));
        let command = command.args(arguments).stdout(Stdio::piped());
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

    /// The next line that it prints.
    fn line(&mut self) -> String {
        let line = self.lines.next().expect("it goes on");
        line.expect("it prints text")
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

/// A bridge over HTTP.
struct Bridge {
    _running: Running,
    address: String,
}

impl Bridge {
    fn start(sandbox: &Sandbox, server: &str) -> Bridge {
        let arguments = [server, "Open_vSwitch", "127.0.0.1:0"];
        let mut running = Running::start_with(sandbox, "rest_bridge", &arguments);
        let line = running.line();
        let address = line.strip_prefix("listening on ").expect("an address");
        Bridge {
            address: address.to_owned(),
            _running: running,
        }
    }

    /// The status and the body of an answer.
    fn ask(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(&self.address).expect("somebody listens");
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        // Who says that a body is too long need not take it.
        let _ = stream.write_all(request.as_bytes());
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok());
        (status.expect("a status"), body.to_owned())
    }

    /// The UUID of a row that was made.
    #[track_caller]
    fn made(&self, path: &str, body: &str) -> String {
        let (status, text) = self.ask("POST", path, body);
        assert_eq!(status, 201, "{text}");
        let uuid = text
            .strip_prefix("{\"_uuid\":\"")
            .and_then(|rest| rest.strip_suffix("\"}"));
        uuid.expect("a UUID").to_owned()
    }
}

#[test]
fn rest_bridge_reads_and_writes_rows() {
    check("vswitch", |sandbox, server| {
        let vsctl = |arguments: &[&str]| run(sandbox, "ovs-vsctl", &server, arguments);
        let names = |bridge: &str| {
            let database = format!("--db={}", server.remote());
            let all = [database.as_str(), "--no-wait", "list-ports", bridge];
            sandbox.run_ok(reference("ovs-vsctl"), &all)
        };
        vsctl(&["init"]);
        let bridge = Bridge::start(sandbox, &server.remote());
        let (status, overview) = bridge.ask("GET", "/", "");
        assert_eq!(status, 200);
        assert!(
            overview.contains("\"database\":\"Open_vSwitch\"") && overview.contains("\"Bridge\"")
        );
        let (_, top) = bridge.ask("GET", "/Open_vSwitch", "");
        let (_, top) = top.split_once("\"_uuid\":\"").expect("the only row");
        let top = &top[..36];
        // A row and all that it refers to, at once.
        let body = r#"{"name":"br0","external_ids":{"owner":"me"},
            "ports":[{"name":"br0","interfaces":[{"name":"br0","type":"internal"}]}]}"#;
        let made = bridge.made(&format!("/Open_vSwitch/{top}/bridges"), body);
        let path = format!("/Bridge/{made}");
        let (status, row) = bridge.ask("GET", &path, "");
        assert_eq!(status, 200, "{row}");
        for part in [
            "\"name\":\"br0\"",
            "\"external_ids\":{\"owner\":\"me\"}",
            "\"fail_mode\":null",
        ] {
            assert!(row.contains(part), "{part}: {row}");
        }
        let body = r#"{"name":"p1","tag":7,"interfaces":[{"name":"p1"}]}"#;
        let port = bridge.made(&format!("{path}/ports"), body);
        assert_eq!(names("br0"), "p1\n");
        let (_, found) = bridge.ask("GET", "/Port?name=p1&tag=7", "");
        assert!(
            found.contains(&port) && found.contains("\"next\":null"),
            "{found}"
        );
        let (_, page) = bridge.ask("GET", "/Port?_limit=1", "");
        assert!(
            !page.contains("\"next\":null") && page.matches("\"_uuid\"").count() == 1,
            "{page}"
        );
        assert_eq!(
            bridge.ask("PATCH", &path, r#"{"fail_mode":"secure"}"#).0,
            204
        );
        assert!(
            bridge
                .ask("GET", &path, "")
                .1
                .contains("\"fail_mode\":\"secure\"")
        );
        // What others do is there to be read.
        vsctl(&["add-br", "br1"]);
        wait_for("br1", || {
            let (_, found) = bridge.ask("GET", "/Bridge?name=br1", "");
            found.contains("\"br1\"").then_some(())
        });
        assert_eq!(
            bridge.ask("DELETE", &format!("{path}/ports/{port}"), "").0,
            204
        );
        assert_eq!(names("br0"), "");
        assert_eq!(bridge.ask("GET", &format!("/Port/{port}"), "").0, 404);
    });
}

#[test]
fn rest_bridge_says_by_the_status_what_is_wrong() {
    check("vswitch", |sandbox, server| {
        run(sandbox, "ovs-vsctl", &server, &["init"]);
        let bridge = Bridge::start(sandbox, &server.remote());
        let none = "00000000-0000-4000-8000-000000000000";
        let long = format!("\"{}\"", "x".repeat(2 << 20));
        let unknown = format!("/Bridge/{none}");
        let cases = [
            ("GET", "/Nothing", "", 404),
            ("GET", &unknown, "", 404),
            ("GET", "/Bridge/x", "", 400),
            ("GET", "/Bridge?nothing=1", "", 400),
            ("PUT", "/Bridge", "{}", 405),
            ("POST", "/Bridge", "{", 400),
            ("POST", "/Bridge", "[]", 400),
            ("POST", "/Bridge", &long, 413),
            ("POST", "/Bridge", r#"{"fail_mode":1}"#, 400),
            ("POST", "/Bridge", r#"{"nothing":1}"#, 400),
            // Nothing refers to it, so it would not stay.
            ("POST", "/Bridge", r#"{"name":"br0"}"#, 409),
            ("PATCH", &unknown, "{}", 404),
            ("DELETE", &unknown, "", 409),
            ("POST", "/QoS", "{}", 201),
            // A reference to a row that is not there, as the server finds.
            (
                "POST",
                "/QoS",
                &format!(r#"{{"queues":{{"1":"{none}"}}}}"#),
                409,
            ),
        ];
        for (method, path, body, expected) in cases {
            let (status, text) = bridge.ask(method, path, body);
            let body: String = body.chars().take(80).collect();
            assert_eq!(status, expected, "{method} {path} {body}: {text}");
            assert_eq!(text.starts_with("{\"error\":"), expected >= 400, "{text}");
        }
        server.kill();
        // It may take a moment until the bridge knows.
        wait_for("a 503", || {
            (bridge.ask("GET", "/Bridge", "").0 == 503).then_some(())
        });
    });
}
