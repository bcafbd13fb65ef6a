//! The example of a server of one's own, with clients of the reference and with ours.

use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdout, Stdio};

use ovsdb_testkit::programs::{Side, example};
use ovsdb_testkit::sandbox::Sandbox;

/// The example as it runs.
struct Running {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Running {
    /// Starts it, and waits until it serves. Returns the port of its remote `ptcp:0:HOST`, if it has one.
    fn start(sandbox: &Sandbox, remotes: &[&str]) -> (Running, Option<u16>) {
        let mut command = sandbox.command(example("custom_server"));
        let command = command.args(remotes).stdout(Stdio::piped());
        let mut child = command.spawn().expect("the example is a program");
        let stdout = child.stdout.take().expect("it is a pipe");
        let lines = BufReader::new(stdout).lines();
        let mut running = Running { child, lines };
        let mut port = None;
        loop {
            let line = running.line();
            match line.rsplit_once(" has port ") {
                Some((_, number)) => port = number.parse().ok(),
                None => {
                    assert_eq!(line, "serving");
                    return (running, port);
                }
            }
        }
    }

    /// The next line that it prints.
    #[track_caller]
    fn line(&mut self) -> String {
        let line = self.lines.next().expect("it goes on");
        line.expect("it prints text")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Fails only if it is gone.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a test with the program `ovsdb-client` of each side.
fn check(test: impl Fn(&Sandbox, &dyn Fn(&[&str]) -> String)) {
    for side in Side::BOTH {
        let sandbox = Sandbox::new();
        let client = |arguments: &[&str]| {
            let arguments = [&["-t", "30"], arguments].concat();
            sandbox.run_ok(side.program("ovsdb-client"), &arguments)
        };
        test(&sandbox, &client);
    }
}

#[test]
fn clients_change_and_watch_a_database_of_the_program_behind_its_gate() {
    check(|sandbox, client| {
        let (mut server, port) = Running::start(sandbox, &["punix:db.sock", "ptcp:0:[::1]"]);
        let remote = format!("tcp:[::1]:{}", port.expect("it has a port"));
        assert_eq!(client(&["list-dbs", &remote]), "Inventory\n_Server\n");
        let schema = client(&["get-schema", "unix:db.sock", "Inventory"]);
        assert!(schema.contains("\"minInteger\":1"), "{schema}");
        let insert = |columns: &str| {
            format!(r#"["Inventory",{{"op":"insert","table":"Host","row":{{{columns}}}}}]"#)
        };
        let result = client(&["transact", &remote, &insert(r#""name":"h1","cores":4"#)]);
        assert!(result.starts_with(r#"[{"uuid":["uuid","#), "{result}");
        assert_eq!(server.line(), "host h1 is asset 1");
        let refused = client(&[
            "transact",
            &remote,
            &insert(r#""name":"h2","cores":1,"asset":7"#),
        ]);
        assert!(refused.starts_with(r#"[{"details":"tcp:"#), "{refused}");
        let error = "may not number assets\",\"error\":\"permission error\"}]\n";
        assert!(refused.ends_with(error), "{refused}");
        let wait = r#"["Inventory",{"op":"wait","table":"Host","where":[["asset","==",1]],
            "columns":["name"],"until":"==","rows":[{"name":"h1"}]}]"#;
        assert_eq!(client(&["transact", "unix:db.sock", wait]), "[{}]\n");
        let dump = [
            "dump",
            "unix:db.sock",
            "Inventory",
            "Host",
            "name",
            "cores",
            "asset",
        ];
        let dumped = client(&dump);
        assert!(dumped.contains("1     4     h1"), "{dumped}");
    });
}
