//! Clients in Python over our server: the IDL of the package `ovs`, and `ovsdbapp` on top of it.
//!
//! Each script of `tests/python` runs against the reference's server and ours, over Unix sockets and TCP, asserts what
//! it must see, and must print the same.

use std::path::{Path, PathBuf};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use ovsdb_testkit::daemon::{Daemon, Server};
use ovsdb_testkit::names;
use ovsdb_testkit::port::{Port, Transport};
use ovsdb_testkit::programs::{self, Side};
use ovsdb_testkit::python;
use ovsdb_testkit::sandbox::{Output, Sandbox};
use serde_json::{Value, json};

/// A second database for scripts that add one.
const SECOND: &str = r#"{"name":"Second","version":"1.0.0","tables":{
    "Thing":{"isRoot":true,"columns":{"name":{"type":"string"}}}}}"#;

/// A server and what a script may ask to be done with it.
struct Place {
    sandbox: Sandbox,
    side: Side,
    schema: PathBuf,
    port: Port,
    server: Option<Server>,
    switch: Option<Daemon>,
}

impl Place {
    fn new(side: Side, schema: &Path) -> Place {
        let sandbox = Sandbox::new();
        std::fs::write(sandbox.path("second.ovsschema"), SECOND).expect("a writable sandbox");
        let mut place = Place {
            sandbox,
            side,
            schema: schema.to_path_buf(),
            port: Port::reserve(),
            server: None,
            switch: None,
        };
        place.start();
        place
    }

    fn start(&mut self) {
        let server = Server::start_as(
            &self.sandbox,
            self.side,
            "ovsdb-server",
            "db.sock",
            &[("first.db", &self.schema)],
            &[&self.port.server_option()],
        );
        self.server = Some(server);
    }

    /// Ends the server, by SIGKILL or by SIGTERM.
    fn end(&mut self, killed: bool) {
        let server = self.server.take().expect("a script stops a running server");
        if killed {
            server.kill()
        } else {
            server.stop()
        };
    }

    fn start_switch(&mut self, transport: Transport) {
        let arguments = [
            self.remote(transport),
            "--enable-dummy".to_owned(),
            "--disable-system".to_owned(),
            "-vconsole:off".to_owned(),
            "-vsyslog:off".to_owned(),
        ];
        let program = programs::reference("ovs-vswitchd");
        let switch = Daemon::start(&self.sandbox, program, "ovs-vswitchd", &arguments);
        self.switch = Some(switch);
    }

    fn remote(&self, transport: Transport) -> String {
        transport.remote(&self.sandbox.path("db.sock"), &self.port)
    }

    /// Does what a script asks for: `ask` in `tests/python/harness.py` says what there is.
    fn answer(&mut self, transport: Transport, words: &[String]) -> Value {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let output = match words.as_slice() {
            ["restart"] => {
                self.end(false);
                self.start();
                return json!({"ok": ""});
            }
            ["kill"] => {
                self.end(true);
                self.start();
                return json!({"ok": ""});
            }
            ["stop"] => {
                self.end(false);
                return json!({"ok": ""});
            }
            ["start"] => {
                self.start();
                return json!({"ok": ""});
            }
            ["switch"] => {
                self.start_switch(transport);
                return json!({"ok": ""});
            }
            ["appctl", rest @ ..] => {
                let control = self.sandbox.path("ovsdb-server.ctl").display().to_string();
                self.run("ovs-appctl", &[&["-t", &control], rest].concat())
            }
            ["tool", rest @ ..] => self.run("ovsdb-tool", rest),
            ["client", command, rest @ ..] => {
                let remote = self.remote(transport);
                self.run("ovsdb-client", &[&[*command, &remote], rest].concat())
            }
            _ => panic!("a script asks for {words:?}"),
        };
        if output.ok() {
            json!({"ok": output.stdout})
        } else {
            json!({"error": output.to_string()})
        }
    }

    /// Runs a program of the reference: what is tested here is the server.
    fn run(&self, program: &str, arguments: &[&str]) -> Output {
        self.sandbox.run(programs::reference(program), arguments)
    }
}

/// Runs a script against one server and returns its transcript.
fn run(script: &str, schema: &Path, side: Side, transport: Transport) -> Vec<String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/python")
        .join(script);
    let mut place = Place::new(side, schema);
    let remote = place.remote(transport);
    let folder = place.sandbox.folder().display().to_string();
    // The reference keeps no history of a database in one file.
    let resumes = if side == Side::Ours { "yes" } else { "no" };
    let environment = [
        ("OVSDB_TEST_REMOTE", remote.as_str()),
        ("OVSDB_TEST_FOLDER", folder.as_str()),
        ("OVSDB_TEST_RESUMES", resumes),
    ];
    python::run(&Sandbox::new(), &script, &environment, |words| {
        place.answer(transport, words)
    })
}

/// Runs a script against the reference's server and ours.
fn check(script: &str, schema: &Path) {
    let [reference, unix, tcp] = [
        (Side::Reference, Transport::Tcp),
        (Side::Ours, Transport::Unix),
        (Side::Ours, Transport::Tcp),
    ]
    .map(|(side, transport)| names::erase(&run(script, schema, side, transport).join("\n")));
    assert!(!reference.is_empty(), "{script} tells nothing");
    for (transport, ours) in [(Transport::Unix, unix), (Transport::Tcp, tcp)] {
        assert!(
            reference == ours,
            "{script}\n--- with the reference's server\n{reference}\n--- with ours, {transport:?}\n{ours}\n---"
        );
    }
}

/// Runs a script on the sample database.
fn check_inventory(script: &str) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    check(script, &root.join("examples/inventory.ovsschema"));
}

#[test]
fn rows_come_and_go_with_the_conditions_of_an_idl() {
    check_inventory("conditions.py");
}

#[test]
fn an_idl_falls_back_to_the_way_of_monitoring_that_there_is() {
    check_inventory("fallback.py");
}

#[test]
fn an_idl_gets_what_it_missed() {
    check_inventory("resumption.py");
}

#[test]
fn locks_go_from_idl_to_idl() {
    check_inventory("locks.py");
}

#[test]
fn idls_follow_databases_that_come_and_go() {
    check_inventory("server_database.py");
}

#[test]
fn idls_outlive_a_change_of_the_schema() {
    check_inventory("conversion.py");
}

#[test]
fn an_idl_writes_and_another_one_sees_it() {
    check_inventory("updates.py");
}

#[test]
fn ovsdbapp_configures_open_vswitch() {
    check(
        "ovsdbapp_open_vswitch.py",
        &programs::reference_schema("vswitch"),
    );
}

#[test]
fn ovsdbapp_configures_the_northbound_database() {
    check(
        "ovsdbapp_northbound.py",
        &programs::reference_schema("ovn-nb"),
    );
}

/// A part of ovsdbapp's own functional tests, which start servers and daemons by their names.
///
/// What fails on the reference fails there for its age: the packages may be older than the tests.
fn check_suite(part: &str) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/ovsdbapp_suite.py");
    let run = |(side, protocol): (Side, &str)| {
        let sandbox = Sandbox::new();
        let server = side.program("ovsdb-server");
        let folder = |program: &Path| program.parent().expect("a file in a folder").to_path_buf();
        let mut path = vec![
            folder(&server),
            folder(&programs::reference("ovs-vswitchd")),
        ];
        path.extend(std::env::split_paths(
            &std::env::var_os("PATH").unwrap_or_default(),
        ));
        let path = std::env::join_paths(path).expect("folders of a path have no colon");
        let environment = [
            ("PATH", path.to_str().expect("the path is UTF-8")),
            (
                "OVSDB_TEST_SERVER",
                server.to_str().expect("the path is UTF-8"),
            ),
            ("OVSDB_TEST_SUITE", part),
            ("OVSDB_TEST_PROTOCOL", protocol),
            // Log lines go to where the tests collect them.
            ("OS_LOG_CAPTURE", "1"),
            // Everything that the tests start has its files there.
            (
                "TMPDIR",
                sandbox.folder().to_str().expect("the folder is UTF-8"),
            ),
        ];
        let transcript = python::run(&sandbox, &script, &environment, |words| {
            panic!("the tests of ovsdbapp ask for {words:?}")
        });
        stop_daemons(sandbox.folder());
        (transcript, sandbox.text(python::ERRORS))
    };
    // They mostly wait.
    let [reference, unix, tcp] = std::thread::scope(|scope| {
        [(Side::Reference, ""), (Side::Ours, ""), (Side::Ours, "tcp")]
            .map(|one| scope.spawn(move || run(one)))
            .map(|thread| {
                thread
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            })
    });
    let ok = |transcript: &[String]| {
        transcript
            .iter()
            .filter(|line| line.ends_with(" ok"))
            .count()
    };
    let (reference, errors) = reference;
    assert!(ok(&reference) * 10 > reference.len() * 8, "{errors}");
    for (ours, errors) in [unix, tcp] {
        let ours: Vec<_> = ours.iter().collect();
        let missing: Vec<_> = reference
            .iter()
            .filter(|line| !ours.contains(line))
            .collect();
        assert!(
            missing.is_empty(),
            "{part}: with the reference's server, and not with ours:\n{missing:#?}\n{errors}"
        );
    }
}

/// Ends daemons that a test did not end, found by their pidfiles one level below the folder, which their command lines
/// name.
fn stop_daemons(folder: &Path) {
    let files = |folder: &Path| -> Vec<PathBuf> {
        std::fs::read_dir(folder)
            .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
            .unwrap_or_default()
    };
    for path in files(folder).iter().flat_map(|folder| files(folder)) {
        if path.extension().is_some_and(|extension| extension == "pid")
            && let Ok(text) = std::fs::read_to_string(&path)
            && let Ok(pid) = text.trim().parse()
            && let Ok(command) = std::fs::read(format!("/proc/{pid}/cmdline"))
            && String::from_utf8_lossy(&command).contains(&*folder.to_string_lossy())
        {
            // It fails only if the daemon has ended meanwhile.
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }
}

#[test]
fn the_tests_of_ovsdbapp_for_its_idl_pass() {
    check_suite("backend");
}

#[test]
fn the_tests_of_ovsdbapp_for_open_vswitch_pass() {
    check_suite("schema/open_vswitch");
}

#[test]
fn the_tests_of_ovsdbapp_for_the_northbound_database_pass() {
    check_suite("schema/ovn_northbound");
}

#[test]
fn the_tests_of_ovsdbapp_for_the_southbound_database_pass() {
    check_suite("schema/ovn_southbound");
}
