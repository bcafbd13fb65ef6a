//! What clients make of the database `_Server`: the reference's `ovsdb-client` and ours say the same of the reference's
//! server and of ours, and wait for databases on both.

use std::process::{Child, Stdio};

use nix::sys::wait::waitpid;
use nix::unistd::Pid;
use ovsdb_testkit::daemon::Server;
use ovsdb_testkit::names::Names;
use ovsdb_testkit::programs::Side;
use ovsdb_testkit::sandbox::{Output, Sandbox};

/// A server of one database; the file `more.db` holds another.
struct Bench {
    sandbox: Sandbox,
    server: Server,
}

impl Bench {
    fn new(side: Side) -> Bench {
        let sandbox = Sandbox::new();
        for name in ["Shelf", "More"] {
            let text = format!(
                r#"{{"name":"{name}","version":"1.2.3","cksum":"1 2","tables":{{"T":{{"columns":{{"n":{{"type":"integer"}}}}}}}}}}"#
            );
            std::fs::write(sandbox.path(name), text).expect("the sandbox is writable");
        }
        let server = Server::start(&sandbox, side, &[("db", &sandbox.path("Shelf"))]);
        sandbox.run_ok(side.program("ovsdb-tool"), &["create", "more.db", "More"]);
        Bench { sandbox, server }
    }

    fn control(&self, words: &[&str]) -> String {
        let control = self.server.control().display().to_string();
        let arguments = [&["-t", &control], words].concat();
        let appctl = Side::Reference.program("ovs-appctl");
        self.sandbox.run_ok(appctl, &arguments)
    }

    /// Returns when so many transactions wait.
    fn wait_for_waits(&self, count: usize) {
        let figure = format!("triggers:{count}");
        loop {
            let report = self.control(&["memory/show"]);
            if report.split_whitespace().any(|word| word == figure) {
                return;
            }
        }
    }

    /// Starts both clients.
    fn start(&self, arguments: &[&str]) -> [Child; 2] {
        Side::BOTH.map(|side| {
            let mut command = self.sandbox.command(side.program("ovsdb-client"));
            let piped = command.stdout(Stdio::piped()).stderr(Stdio::piped());
            piped.args(arguments).spawn().expect("the client starts")
        })
    }
}

/// What is compared: the exit code and the lines, in their order or in any, with names for UUIDs and without folders and
/// times.
fn readable(sandbox: &Sandbox, output: &Output, is_list: bool) -> String {
    let mut lines: Vec<&str> = output.stdout.lines().collect();
    if is_list {
        lines.sort_unstable();
    }
    let messages = output.stderr.lines().map(|line| {
        let log_line = line.split_once("Z|").map_or(line, |(_, rest)| rest);
        let program = log_line.find("ovsdb-client: ").unwrap_or(0);
        &log_line[program..]
    });
    let lines: Vec<&str> = lines.into_iter().chain(messages).collect();
    let text = format!("{:?}\n{}", output.code, lines.join("\n"));
    let folder = sandbox.folder().display().to_string();
    Names::new().rename(&text.replace(&folder, "<folder>"))
}

/// Runs both clients against both servers, and compares all with the reference.
#[track_caller]
fn check(benches: &[Bench; 2], arguments: &[&str]) {
    let is_list = matches!(arguments[0], "list-tables" | "list-columns");
    let mut expected = None;
    for bench in benches {
        for side in Side::BOTH {
            let client = side.program("ovsdb-client");
            let output = bench.sandbox.run(&client, arguments);
            let said = readable(&bench.sandbox, &output, is_list);
            let expected = expected.get_or_insert_with(|| said.clone());
            assert_eq!(&said, expected, "{client:?} {arguments:?}");
        }
    }
}

#[test]
fn both_clients_find_the_same_in_both_servers() {
    let benches = Side::BOTH.map(Bench::new);
    let about_shelf = |columns: &str| {
        format!(
            r#"["_Server",{{"op":"select","table":"Database","where":[["name","==","Shelf"]],"columns":[{columns}]}}]"#
        )
    };
    // As probes of containers ask it.
    let probe = about_shelf(r#""connected","leader","index""#);
    let probe = ["--timeout=15", "query", "unix:db.sock", &probe];
    let schema = about_shelf(r#""schema""#);
    let lines: &[&[&str]] = &[
        &probe,
        &["query", &schema],
        &["list-dbs"],
        &["list-tables", "_Server"],
        &["list-columns", "_Server"],
        &["list-columns", "_Server", "Database"],
        &["get-schema", "_Server"],
        &["get-schema-version", "_Server"],
        &["get-schema-cksum", "_Server"],
        &["dump", "_Server"],
        &[
            "dump",
            "_Server",
            "Database",
            "name",
            "model",
            "connected",
            "leader",
        ],
        &[
            "-f", "list", "dump", "_Server", "Database", "cid", "sid", "index",
        ],
        &["transact", r#"["_Server",{"op":"comment","comment":"x"}]"#],
        &["wait", "Shelf", "added"],
        &["wait", "Shelf", "connected"],
        &["wait", "_Server", "connected"],
        &["wait", "unix:db.sock", "More", "removed"],
        // The built-in database is nobody's default.
        &["get-schema"],
        &["dump"],
        &["list-tables"],
        &["get-schema-version", "unix:none.sock,unix:db.sock", "Shelf"],
        &["get-schema-version", "unix:none.sock,unix:db.sock", "More"],
        &["needs-conversion", "Shelf"],
    ];
    for arguments in lines {
        check(&benches, arguments);
    }
    for bench in &benches {
        bench.control(&["ovsdb-server/add-db", "more.db"]);
    }
    // With two that are not built in, there is no default.
    let lines: &[&[&str]] = &[
        &["list-dbs"],
        &["get-schema"],
        &["get-schema-version", "More"],
        &["needs-conversion", "More"],
        &["dump", "_Server", "Database", "name"],
    ];
    for arguments in lines {
        check(&benches, arguments);
    }
}

#[test]
fn both_clients_wait_until_databases_come_and_go() {
    for side in Side::BOTH {
        let bench = Bench::new(side);
        let steps = [
            ("added", ["ovsdb-server/add-db", "more.db"]),
            ("removed", ["ovsdb-server/remove-db", "More"]),
            ("connected", ["ovsdb-server/add-db", "more.db"]),
        ];
        for (state, command) in steps {
            let waiting = bench.start(&["wait", "unix:db.sock", "More", state]);
            bench.wait_for_waits(2);
            bench.control(&command);
            for client in waiting {
                let output = client.wait_with_output().expect("the client ends");
                let said = String::from_utf8_lossy(&output.stderr);
                assert!(output.status.success(), "{state}, {side:?}: {said}");
            }
        }
    }
}

#[test]
fn a_transaction_that_waits_in_the_background_has_a_pidfile_until_it_is_answered() {
    let wait = r#"["_Server",{"op":"wait","table":"Database","where":[["name","==","More"]],"columns":[],"until":"==","rows":[{}]}]"#;
    for side in Side::BOTH {
        let bench = Bench::new(Side::Ours);
        let pidfile = bench.sandbox.path("client.pid");
        let mut command = bench.sandbox.command(side.program("ovsdb-client"));
        let background = ["--detach", "--no-chdir", "--pidfile=client.pid"];
        let started = command
            .args(background)
            .args(["--db-change-aware", "transact", wait])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .expect("the client starts");
        assert!(started.success(), "{side:?}");
        bench.wait_for_waits(1);
        let pid = std::fs::read_to_string(&pidfile)
            .unwrap_or_else(|error| panic!("{side:?}, no pidfile: {error}"));
        bench.control(&["ovsdb-server/add-db", "more.db"]);
        // The test has adopted it, as it adopts all orphans of the server's kind.
        let pid = Pid::from_raw(pid.trim().parse().expect("a process id"));
        waitpid(pid, None).expect("the client ends");
        assert!(!pidfile.exists(), "{side:?}");
    }
}
