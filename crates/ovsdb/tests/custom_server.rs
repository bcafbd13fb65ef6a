//! The example of a server of one's own, with clients of the reference and with ours.

use std::io::{BufRead, BufReader, Lines};
use std::path::Path;
use std::process::{Child, ChildStdout, Stdio};

use ovsdb::error::{ErrorTag, OvsdbError};
use ovsdb::json;
use ovsdb::schema::Schema;
use ovsdb::server::{Database, Engine, Gate, Proposal, TlsSources};
use ovsdb_testkit::client::RawClient;
use ovsdb_testkit::pki::Pki;
use ovsdb_testkit::programs::{Side, example};
use ovsdb_testkit::python;
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

/// A program that goes on, and what it prints.
fn lines(
    sandbox: &Sandbox,
    side: Side,
    arguments: &[&str],
) -> (Child, Lines<BufReader<ChildStdout>>) {
    let mut command = sandbox.command(side.program("ovsdb-client"));
    let command = command.args(arguments).stdout(Stdio::piped());
    let mut child = command.spawn().expect("it is a program");
    let stdout = child.stdout.take().expect("it is a pipe");
    (child, BufReader::new(stdout).lines())
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
        assert_eq!(
            client(&["list-dbs", &remote]),
            "Facts\nInventory\n_Server\n"
        );
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

#[test]
fn a_service_answers_what_clients_ask_of_its_database() {
    check(|sandbox, client| {
        let (server, _) = Running::start(sandbox, &["punix:db.sock"]);
        let remote = "unix:db.sock";
        let schema = client(&["get-schema", remote, "Facts"]);
        assert!(schema.contains("\"Fact\""), "{schema}");
        let dumped = client(&["dump", remote, "Facts", "Fact", "name", "value"]);
        let pid = server.child.id().to_string();
        for word in ["hostname", "kernel", "pid", &pid] {
            assert!(dumped.contains(word), "{dumped}");
        }
        let select = r#"["Facts",{"op":"select","table":"Fact","where":[["name","==","pid"]],"columns":["value"]}]"#;
        let expected = format!("[{{\"rows\":[{{\"value\":\"{pid}\"}}]}}]\n");
        assert_eq!(client(&["transact", remote, select]), expected);
        let write = r#"["Facts",{"op":"delete","table":"Fact","where":[]}]"#;
        let refused = client(&["transact", remote, write]);
        assert!(refused.contains(r#""error":"not allowed""#), "{refused}");
        let server_row = r#"["_Server",{"op":"select","table":"Database","where":[["name","==","Facts"]],"columns":["connected","model"]}]"#;
        assert_eq!(
            client(&["transact", remote, server_row]),
            "[{\"rows\":[{\"connected\":true,\"model\":\"standalone\"}]}]\n"
        );
    });
}

#[test]
fn clients_that_monitor_a_service_are_told_what_is_new() {
    for side in Side::BOTH {
        let sandbox = Sandbox::new();
        let (_server, _) = Running::start(&sandbox, &["punix:db.sock"]);
        for method in ["monitor", "monitor-cond", "monitor-cond-since"] {
            let mut raw = RawClient::connect(&sandbox.path("db.sock"));
            let mut call = |request: &str| {
                raw.send(request.as_bytes()).expect("it reads");
                let reply = raw.receive().expect("it answers").expect("it stays");
                String::from_utf8(reply).expect("JSON is UTF-8")
            };
            let done = r#"{"error":null,"id":1,"result":true}"#;
            assert_eq!(
                call(r#"{"id":1,"method":"set_fact","params":["a","one"]}"#),
                done
            );
            let mut arguments = vec![
                "--format=csv",
                "--no-headings",
                method,
                "unix:db.sock",
                "Facts",
            ];
            match method {
                "monitor" => arguments.extend(["Fact", "name,value"]),
                "monitor-cond" => {
                    arguments.extend([r#"[["name","==","a"]]"#, "Fact", "name,value"])
                }
                _ => arguments.extend([
                    "00000000-0000-0000-0000-000000000000",
                    r#"[["name","==","a"]]"#,
                    "Fact",
                    "name,value",
                ]),
            }
            let (mut child, mut lines) = lines(&sandbox, side, &arguments);
            let mut until = |wanted: &str| loop {
                let line = lines.next().expect("it goes on").expect("it prints text");
                if line.contains(wanted) {
                    return line;
                }
            };
            until("initial,a,one");
            assert_eq!(
                call(r#"{"id":1,"method":"set_fact","params":["a","two"]}"#),
                done
            );
            until("insert,a,two");
            child.kill().expect("it runs");
            child.wait().expect("it is a child");
        }
    }
}

#[test]
fn who_comes_back_to_a_service_is_told_what_has_changed_since() {
    let sandbox = Sandbox::new();
    let (_server, _) = Running::start(&sandbox, &["punix:db.sock"]);
    let connect = || RawClient::connect(&sandbox.path("db.sock"));
    let call = |raw: &mut RawClient, request: &str| {
        raw.send(request.as_bytes()).expect("it reads");
        let reply = raw.receive().expect("it answers").expect("it stays");
        let reply = json::parse(&reply).expect("it answers in JSON");
        reply.get("result").expect("a reply").clone()
    };
    let monitor = |raw: &mut RawClient, version: &str| {
        let request = format!(
            r#"{{"id":0,"method":"monitor_cond_since","params":["Facts",null,{{"Fact":{{"columns":["name"]}}}},"{version}"]}}"#
        );
        let result = call(raw, &request);
        let part = |nth: usize| result.as_array().expect("an array")[nth].clone();
        let version = part(1).as_str().expect("an id").to_owned();
        (part(0), version, part(2).to_string())
    };
    let mut first = connect();
    let (is_known, version, rows) = monitor(&mut first, "00000000-0000-0000-0000-000000000000");
    assert_eq!(is_known, json::Json::Bool(false));
    assert!(rows.contains("hostname"), "{rows}");
    drop(first);

    let mut second = connect();
    let set = r#"{"id":1,"method":"set_fact","params":["a","one"]}"#;
    call(&mut second, set);
    let (is_known, newer, rows) = monitor(&mut second, &version);
    assert_eq!(is_known, json::Json::Bool(true));
    assert!(rows.contains(r#""name":"a""#), "{rows}");
    assert!(!rows.contains("hostname"), "{rows}");
    assert_ne!(newer, version);
}

/// Says who asks, by refusing him.
struct WhoIsThat;

impl Gate for WhoIsThat {
    fn transact(&self, proposal: &Proposal<'_>) -> Result<(), OvsdbError> {
        let who = format!("{:?}", proposal.peer().identity());
        Err(OvsdbError::new(ErrorTag::PermissionError, who))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_prove_by_tls_who_they_are_to_a_gate() {
    let pki = Pki::shared();
    let path = |name: &str| pki.path(name).display().to_string();
    let sources = TlsSources {
        private_key: Some(path("server-privkey.pem")),
        certificate: Some(path("server-cert.pem")),
        ca: Some(path("ca.pem")),
        ..TlsSources::default()
    };
    let schema = json::parse(br#"{"name":"D","tables":{}}"#).expect("valid JSON");
    let schema = Schema::from_json(&schema).expect("a valid schema");
    let engine = Engine::builder()
        .database(Database::in_memory(schema).behind(WhoIsThat))
        .tls(sources)
        .remote("pssl:0:[::1]")
        .start();
    let engine = engine.await.expect("it starts");
    let ports = engine.ports().await;
    let remote = format!("ssl:[::1]:{}", ports["pssl:0:[::1]"]);
    for side in Side::BOTH {
        let [key, certificate] = pki.pair("client");
        let arguments = [key, certificate, pki.ca("ca.pem"), String::from("transact")];
        let arguments = [&arguments[..], &[remote.clone(), String::from(r#"["D"]"#)]].concat();
        let client = move || Sandbox::new().run_ok(side.program("ovsdb-client"), &arguments);
        let refused = tokio::task::spawn_blocking(client).await.expect("it runs");
        let expected = r#"[{"details":"Some(\"client id:"#;
        assert!(refused.starts_with(expected), "{refused}");
    }
    engine.close().await;
}

#[test]
fn clients_in_python_use_databases_and_locks_of_a_program() {
    let sandbox = Sandbox::new();
    let (_server, _) = Running::start(&sandbox, &["punix:db.sock"]);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/custom_server.py");
    let remote = format!("unix:{}", sandbox.path("db.sock").display());
    let transcript = python::run(&sandbox, &script, &[("REMOTE", &remote)], |question| {
        panic!("it asks {question:?}")
    });
    let expected = [
        "Facts: hostname kernel pid",
        "Inventory: py cores 2 asset 1",
        "locked by the first",
        "locked by the second",
        "refused: permission error",
    ];
    assert_eq!(transcript, expected);
}
