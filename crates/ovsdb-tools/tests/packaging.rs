//! What is packaged around the programs: units of systemd are accepted by it, and their command lines work.

use std::io::Write as _;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use ovsdb_testkit::daemon::Daemon;
use ovsdb_testkit::manager::ServiceManager;
use ovsdb_testkit::programs::ours;
use ovsdb_testkit::sandbox::Sandbox;

/// The folder of the programs, where the units expect it.
const PROGRAMS: &str = "/usr/lib/ovsdb-rs/bin";

fn packaging(path: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packaging");
    root.join(path)
}

fn read(path: &str) -> String {
    let path = packaging(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The text of a unit as if the programs under test were installed.
fn unit(name: &str) -> String {
    let program = ours("ovsdb-server");
    let folder = program.parent().expect("programs are in a folder");
    read(&format!("systemd/{name}")).replace(PROGRAMS, &folder.display().to_string())
}

/// The command lines of a unit's setting, for an instance whose folders are all the sandbox.
fn commands(unit: &str, setting: &str, sandbox: &Sandbox) -> Vec<Vec<String>> {
    let folder = sandbox.folder().display().to_string();
    let unit = unit.replace("\\\n", "");
    let lines = unit.lines().filter_map(|line| {
        let (name, value) = line.split_once('=')?;
        (name == setting).then(|| value.to_owned())
    });
    let lines: Vec<Vec<String>> = lines
        .map(|line| {
            let line = line
                .replace("%i", "inventory")
                .replace("%%", "%")
                .replace("/etc/ovsdb-rs", &folder)
                .replace("/run/ovsdb-rs/inventory", &folder);
            // As many words as the shell finds, which in these lines are those that systemd finds.
            let words = sandbox.run_ok("sh", &["-c", &format!("printf '%s\\n' {line}")]);
            words.lines().map(str::to_owned).collect()
        })
        .collect();
    assert!(!lines.is_empty(), "no {setting}");
    lines
}

/// A process in the foreground, which is killed if the test ends before.
struct Foreground(Child);

impl Drop for Foreground {
    fn drop(&mut self) {
        // Both fail only if the process is gone, which is what is wanted.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_service_serves_the_sample_and_reads_its_configuration_again() {
    let mut sandbox = Sandbox::new();
    let manager = ServiceManager::new(&mut sandbox);
    let schema = packaging("../examples/inventory.ovsschema");
    std::fs::copy(schema, sandbox.path("inventory.ovsschema")).expect("the sample's schema");
    let config = read("systemd/inventory.json").replace("ptcp:6640:127.0.0.1", "punix:more.sock");
    std::fs::write(sandbox.path("inventory.json"), &config).expect("a writable folder");
    let path = sandbox.path("inherited.sock");
    sandbox.hand_over(UnixListener::bind(&path).expect("a socket in the sandbox"));
    let unit = unit("ovsdb-rs@.service");
    // Once the database has been made it stays.
    for _ in 0..2 {
        for words in commands(&unit, "ExecStartPre", &sandbox) {
            sandbox.run_ok(&words[0], &words[1..]);
        }
    }
    let start = commands(&unit, "ExecStart", &sandbox);
    let mut command = sandbox.command(&start[0][0]);
    command.args(&start[0][1..]).stderr(Stdio::null());
    let child = command.spawn().expect("a server");
    let mut server = Foreground(child);
    manager.wait_for("READY=1");
    let remote = format!("unix:{}", path.display());
    let list = || sandbox.run_ok(ours("ovsdb-client"), &["list-dbs", &remote]);
    assert_eq!(list(), "Inventory\n_Server\n");
    assert!(sandbox.path("more.sock").exists());

    let config = r#"{"remotes":{"pfd:3":null},"databases":{}}"#;
    std::fs::write(sandbox.path("inventory.json"), config).expect("a writable folder");
    for words in commands(&unit, "ExecReload", &sandbox) {
        sandbox.run_ok(&words[0], &words[1..]);
    }
    manager.wait_for("STATUS=serving nothing on pfd:3");
    assert_eq!(list(), "_Server\n");
    let pid = i32::try_from(server.0.id()).expect("a pid");
    let term = nix::sys::signal::Signal::SIGTERM;
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), term).expect("a running server");
    server.0.wait().expect("a child");
}

#[test]
fn the_service_of_the_exporter_tells_that_it_is_ready() {
    let mut sandbox = Sandbox::new();
    let manager = ServiceManager::new(&mut sandbox);
    let folder = sandbox.folder().display().to_string();
    let unit = unit("ovsdb-exporter.service").replace("/run/ovsdb-exporter", &folder);
    let start = commands(&unit, "ExecStart", &sandbox);
    let mut command = sandbox.command(&start[0][0]);
    let address = ["--http=unix:http.sock", "--control=none"];
    command
        .args(&start[0][1..])
        .args(address)
        .stderr(Stdio::null());
    let _exporter = Foreground(command.spawn().expect("an exporter"));
    manager.wait_for("READY=1");
    assert!(sandbox.path("http.sock").exists());
    assert!(sandbox.path("ctl").exists());
}

#[test]
fn systemd_accepts_the_units() {
    if Command::new("systemd-analyze")
        .arg("--version")
        .output()
        .is_err()
    {
        // Not by way of what the test prints, which nobody sees of tests that pass.
        let said = writeln!(
            std::io::stderr(),
            "left out: what systemd says of the units, because it is not installed"
        );
        return said.expect("somebody reads it");
    }
    let sandbox = Sandbox::new();
    let path = |name: &str| sandbox.path(name).display().to_string();
    let mut names = Vec::new();
    for kind in ["service", "socket"] {
        let text = unit(&format!("ovsdb-rs@.{kind}"));
        std::fs::write(sandbox.path(format!("ovsdb-rs@.{kind}")), text).expect("a writable folder");
        names.push(path(&format!("ovsdb-rs@inventory.{kind}")));
    }
    let exporter = unit("ovsdb-exporter.service");
    std::fs::write(sandbox.path("ovsdb-exporter.service"), exporter).expect("a writable folder");
    names.push(path("ovsdb-exporter.service"));
    // What goes in the place of Debian's, over units that do nothing.
    for service in ["ovsdb-server", "ovn-ovsdb-server-nb", "ovn-ovsdb-server-sb"] {
        let name = format!("{service}.service");
        std::fs::write(sandbox.path(&name), "[Service]\nExecStart=/bin/true\n")
            .expect("a writable folder");
        let drop_in = format!("{name}.d/ovsdb-rs.conf");
        std::fs::create_dir(sandbox.path(format!("{name}.d"))).expect("a writable folder");
        let text = unit(&format!("in-place-of-debian/{drop_in}"));
        std::fs::write(sandbox.path(drop_in), text).expect("a writable folder");
        names.push(path(&name));
    }
    let output = sandbox
        .command("systemd-analyze")
        .arg("verify")
        .args(names)
        .output()
        .expect("it is installed");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{said}");
}

/// The words of an instruction of the Containerfile, for a container whose folders are all the sandbox.
fn instruction(text: &str, name: &str, sandbox: &Sandbox) -> Vec<String> {
    let text = text.replace("\\\n", "");
    let mut lines = text.lines().rev().map(str::trim_start);
    let line = lines.find(|line| line.split(' ').next() == Some(name));
    let line = line.unwrap_or_else(|| panic!("no {name}"));
    let (_, words) = line.split_once('[').expect("words in brackets");
    let words =
        format!("[{words}").replace("/run/openvswitch", &sandbox.folder().display().to_string());
    serde_json::from_str(&words).unwrap_or_else(|error| panic!("{words}: {error}"))
}

#[test]
fn the_container_serves_and_tells_how_it_is() {
    let mut sandbox = Sandbox::new();
    let manager = ServiceManager::new(&mut sandbox);
    let text = read("container/Containerfile");
    let mut start = instruction(&text, "ENTRYPOINT", &sandbox);
    start.extend(instruction(&text, "CMD", &sandbox));
    let mut command = sandbox.command(ours(&start[0]));
    let log = std::fs::File::create(sandbox.path("log")).expect("a writable folder");
    let child = command.args(&start[1..]).stderr(log).spawn();
    let _server = Foreground(child.expect("a server"));
    manager.wait_for("READY=1");
    let health = instruction(&text, "HEALTHCHECK", &sandbox);
    let (program, arguments) = health.split_first().expect("a command");
    assert_eq!(sandbox.run_ok(ours(program), arguments), "_Server\n");
    let remote = format!("unix:{}", sandbox.path("db.sock").display());
    assert_eq!(
        sandbox.run_ok(ours("ovsdb-client"), &["list-dbs", &remote]),
        "_Server\n"
    );
    for line in sandbox.text("log").lines() {
        let parsed: Result<serde_json::Value, _> = serde_json::from_str(line);
        assert!(parsed.is_ok_and(|json| json.is_object()), "{line}");
    }
}

#[test]
fn rotated_logs_are_opened_anew() {
    let sandbox = Sandbox::new();
    let arguments = ["--no-dbs", "--unixctl=one.ctl", "-vconsole:off"];
    let daemon = Daemon::start(&sandbox, ours("ovsdb-server"), "ovsdb-server", &arguments);
    let log = sandbox.path("ovsdb-server.log");
    std::fs::rename(&log, sandbox.path("ovsdb-server.log.1")).expect("a log file");
    let program = ours("ovs-appctl");
    let folder = program.parent().expect("programs are in a folder");
    let rules = read("logrotate/ovsdb-rs");
    let (_, script) = rules.split_once("postrotate\n").expect("a script");
    let (script, _) = script.split_once("endscript").expect("its end");
    let script = script
        .replace("/run/ovsdb-rs", &sandbox.folder().display().to_string())
        .replace(PROGRAMS, &folder.display().to_string());
    sandbox.run_ok("sh", &["-c", &script]);
    assert!(
        sandbox
            .text("ovsdb-server.log")
            .contains("|vlog|INFO|opened log file ")
    );
    daemon.stop();
}
