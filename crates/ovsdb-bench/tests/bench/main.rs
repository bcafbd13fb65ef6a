//! The program as its users run it: on a good server, and on servers that lose or repeat something.

mod proxy;
mod replicas;
mod tools;

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use ovsdb_proto::json::{self, Json};
use ovsdb_testkit::daemon::Server;
use ovsdb_testkit::programs::{Side, ours};
use ovsdb_testkit::sandbox::Sandbox;

use proxy::Mischief;

/// Little work, and patience for a slow machine.
const SMALL: [&str; 3] = ["--quick", "--scale=1", "--json"];

fn bench(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ovsdb-bench"))
        .args(arguments)
        .output()
        .expect("the program was built for this test")
}

/// The workloads of the JSON that was printed.
fn workloads(output: &Output) -> Vec<Json> {
    let parsed = json::parse(output.stdout.trim_ascii_end());
    let parsed = parsed.unwrap_or_else(|error| panic!("{error}: {output:?}"));
    let workloads = parsed.get("workloads").and_then(Json::as_array);
    workloads.expect("there are workloads").to_vec()
}

fn text<'a>(json: &'a Json, name: &str) -> &'a str {
    json.get(name).and_then(Json::as_str).unwrap_or_default()
}

fn list<'a>(json: &'a Json, name: &str) -> &'a [Json] {
    json.get(name).and_then(Json::as_array).unwrap_or_default()
}

/// Runs workloads on our server, all of which must be measured, and says which they were.
fn measured(arguments: &[&str]) -> Vec<String> {
    let program = ours("ovsdb-server");
    let program = program.to_str().expect("the path is UTF-8");
    let output = bench(&[arguments, &["--quick", "--json", program]].concat());
    let workloads = workloads(&output);
    for workload in &workloads {
        let name = text(workload, "name");
        let outcome = &list(workload, "servers")[0];
        assert_eq!(text(outcome, "outcome"), "measured", "{name}: {outcome}");
        for figure in list(workload, "figures") {
            let median = list(figure, "servers")[0].get("median");
            let median = median.and_then(Json::as_f64).unwrap_or(f64::NAN);
            assert!(median.is_finite(), "{name}: {figure}");
        }
    }
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let names = workloads.iter().map(|workload| text(workload, "name"));
    names.map(str::to_owned).collect()
}

/// The names of all workloads that `keep` wants.
fn known(keep: impl Fn(&str) -> bool) -> Vec<String> {
    let names = ovsdb_bench::workloads().map(|(name, _)| name);
    names.filter(|name| keep(name)).map(str::to_owned).collect()
}

fn is_named_only(name: &str) -> bool {
    name == "soak" || name.starts_with("hostile_")
}

#[test]
fn every_workload_measures_our_server_and_every_check_passes() {
    assert_eq!(measured(&["--scale=1"]), known(|name| !is_named_only(name)));
}

#[test]
fn hostile_clients_leave_our_server_within_its_bounds() {
    let hostile = known(|name| name.starts_with("hostile_"));
    assert_eq!(measured(&["--only=hostile", "--scale=5"]), hostile);
}

#[test]
fn a_short_soak_leaves_our_server_as_it_was() {
    assert_eq!(measured(&["--only=soak", "--scale=1"]), ["soak"]);
}

#[test]
fn a_server_that_loses_or_repeats_something_has_failed() {
    // (workload, what the server does wrong, what is said of it; empty if it is all right)
    let cases = [
        ("fanout_monitor", Mischief::None, ""),
        ("txn_seq", Mischief::None, ""),
        ("initial", Mischief::None, ""),
        ("fanout_monitor", Mischief::LoseUpdate, "without a word"),
        ("fanout_cond", Mischief::RepeatUpdate, "was told of"),
        ("fanout_since", Mischief::ReplaceUpdate, "not the same rows"),
        ("txn_seq", Mischief::LoseWrite, "rows are there"),
        ("txn_par", Mischief::LoseReply, "expected the reply to"),
        ("initial", Mischief::LoseRow, "rows are there"),
    ];
    let sandbox = Sandbox::new();
    fs::write(sandbox.path("bench.ovsschema"), bench(&["--schema"]).stdout)
        .expect("the folder is ours");
    let schema = sandbox.path("bench.ovsschema");
    let server = Server::start(&sandbox, Side::Ours, &[("bench.db", &schema)]);
    for (number, (workload, mischief, expected)) in cases.into_iter().enumerate() {
        let socket = sandbox.path(format!("proxy-{number}.sock"));
        let remote = format!("--remote=unix:{}", socket.display());
        let only = format!("--only={workload}");
        // Where something is lost, patience is what the test waits for.
        let patience = match mischief {
            Mischief::LoseUpdate => "--patience=2",
            _ => "--patience=60",
        };
        proxy::start(socket, server.socket(), mischief);
        let output = bench(&[&SMALL[..], &[&remote, &only, patience]].concat());
        let outcome = list(&workloads(&output)[0], "servers")[0].clone();
        let (outcome, reason) = (text(&outcome, "outcome"), text(&outcome, "reason"));
        let said = String::from_utf8_lossy(&output.stderr);
        if expected.is_empty() {
            assert_eq!(outcome, "measured", "{workload}, {mischief:?}: {reason}");
            assert_eq!(output.status.code(), Some(0), "{workload}, {mischief:?}");
        } else {
            assert_eq!(outcome, "failed", "{workload}, {mischief:?}");
            assert!(
                reason.contains(expected),
                "{workload}, {mischief:?}: {reason}"
            );
            assert!(
                said.contains("FAILED on A"),
                "{workload}, {mischief:?}: {said}"
            );
            assert_eq!(output.status.code(), Some(1), "{workload}, {mischief:?}");
        }
    }
}

#[test]
fn an_interrupted_bench_leaves_neither_server_nor_folder_behind() {
    interrupt(&["--quick", "--only=soak"], "bench.sock");
}

#[test]
fn an_interrupted_bench_of_tools_leaves_none_of_them_behind() {
    let always = ["--tools", "--scale=1", "-n", "10000", tools::SCHEMA];
    interrupt(&always, "printed");
}

/// Interrupts it when it has made this file, and looks what is left.
fn interrupt(arguments: &[&str], made: &str) {
    let sandbox = Sandbox::new();
    let mut bench = Command::new(env!("CARGO_BIN_EXE_ovsdb-bench"))
        .args(arguments)
        .arg(ours("ovsdb-server"))
        .env("TMPDIR", sandbox.folder())
        .stdout(Stdio::null())
        .spawn()
        .expect("the program was built for this test");
    let is_started = || {
        let mut folders = fs::read_dir(sandbox.folder()).expect("the folder is ours");
        folders.any(|folder| folder.is_ok_and(|folder| folder.path().join(made).exists()))
    };
    while !is_started() {
        std::thread::yield_now();
    }
    let pid = i32::try_from(bench.id()).expect("process ids are small");
    kill(Pid::from_raw(pid), Signal::SIGTERM).expect("it runs for minutes");
    let status = bench.wait().expect("it is a child of this test");
    assert_eq!(status.signal(), Some(Signal::SIGTERM as i32));
    let left: Vec<_> = fs::read_dir(sandbox.folder())
        .expect("the folder is ours")
        .collect();
    assert!(left.is_empty(), "{left:?}");
    let processes = fs::read_dir("/proc").expect("this is Linux").flatten();
    let folders = processes.filter_map(|process| fs::read_link(process.path().join("cwd")).ok());
    let in_there = folders.filter(|folder| folder.starts_with(sandbox.folder()));
    assert_eq!(in_there.count(), 0);
}
