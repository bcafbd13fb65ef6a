//! The start script of OVN as the system installs it, `ovn-ctl`, with our programs first on its path.
//!
//! Each sequence of commands runs over the reference's programs and over ours, and must print the same and leave the
//! same files. All folders are a sandbox's.

use std::fs;
use std::path::Path;

use nix::sys::wait::WaitStatus;
use nix::unistd::Pid;
use ovsdb_testkit::installation::{Finding, Installation, parent_of};
use ovsdb_testkit::pki::Pki;
use ovsdb_testkit::programs::{self, Side};
use ovsdb_testkit::sandbox::Output;

const SCRIPT: &str = "/usr/share/ovn/scripts/ovn-ctl";

/// The pidfiles that the script asks for.
const PIDFILES: [&str; 3] = ["ovnnb_db.pid", "ovnsb_db.pid", "ovn-northd.pid"];

/// An installation and what its commands have shown so far.
struct Central {
    installation: Installation,
    shown: Vec<String>,
}

impl Central {
    fn new(side: Side) -> Central {
        let installation = Installation::new(side, Finding::Path);
        // The script keeps the address of another server there.
        fs::create_dir(installation.sandbox.path("ovn")).expect("the sandbox is writable");
        Central {
            installation,
            shown: Vec::new(),
        }
    }

    fn run(&self, words: &[&str]) -> Output {
        self.installation.run(Path::new(SCRIPT), words)
    }

    /// Runs a command of the script and remembers what it shows and which files it leaves.
    fn step(&mut self, words: &[&str]) {
        let output = self.run(words);
        self.shown.push(self.installation.shown(words, &output));
    }

    fn nbctl(&self, words: &[&str]) -> String {
        let nbctl = programs::reference("ovn-nbctl");
        self.installation.sandbox.run_ok(nbctl, words)
    }

    /// The monitors of what the pidfiles name.
    fn monitors(&self, pidfiles: &[&str]) -> Vec<Pid> {
        let pids = pidfiles.iter().map(|name| self.installation.pid(name));
        pids.map(|pid| parent_of(pid).expect("the process runs"))
            .collect()
    }

    #[track_caller]
    fn assert_ended(&self, monitors: &[Pid]) {
        for monitor in monitors {
            assert_eq!(
                self.installation.wait_for_monitor(*monitor),
                WaitStatus::Exited(*monitor, 0)
            );
        }
    }
}

/// Runs `play` over both sides and compares what was shown.
fn check(play: impl Fn(&mut Central)) {
    let [reference, ours] = Side::BOTH.map(|side| {
        let mut central = Central::new(side);
        play(&mut central);
        central.shown
    });
    assert_eq!(reference.len(), ours.len());
    for (reference, ours) in reference.iter().zip(&ours) {
        assert_eq!(reference, ours);
    }
}

#[test]
fn databases_and_northd_are_started_reported_restarted_and_stopped() {
    check(|central| {
        central.step(&["status_ovsdb"]);
        central.step(&["start_northd"]);
        let commands = [
            "status_ovsdb",
            "status_ovnnb",
            "status_ovnsb",
            "status_northd",
        ];
        for command in commands {
            central.step(&[command]);
        }
        // It is the active one already.
        central.step(&["promote_ovnnb"]);
        central.step(&["status_ovnnb"]);
        central.nbctl(&["--wait=sb", "ls-add", "sw0"]);
        let old = central.monitors(&PIDFILES[..2]);
        central.step(&["restart_ovsdb"]);
        central.assert_ended(&old);
        // What runs is left as it is.
        let monitors = central.monitors(&PIDFILES);
        central.step(&["start_ovsdb"]);
        assert_eq!(central.monitors(&PIDFILES), monitors);
        for pidfile in &PIDFILES[..2] {
            central.installation.crash(pidfile);
            let socket = pidfile.replace(".pid", ".sock");
            central.installation.wait_for_socket(&socket);
        }
        central.nbctl(&["--wait=sb", "ls-add", "sw1"]);
        let names = central.nbctl(&["--bare", "--columns=name", "list", "logical_switch"]);
        let mut names: Vec<&str> = names.split_whitespace().collect();
        names.sort_unstable();
        assert_eq!(names, ["sw0", "sw1"]);
        central.step(&["stop_northd"]);
        central.assert_ended(&monitors);
        // Nothing of stopped servers is left but their databases and their logs.
        assert_eq!(
            central.installation.files(),
            ["ovn", "ovnnb_db.db", "ovnsb_db.db"]
        );
        central.step(&["status_ovnnb"]);
        central.step(&["stop_ovsdb"]);
    });
}

#[test]
fn a_server_that_is_to_be_a_backup_says_that_it_cannot_be_one() {
    let central = Central::new(Side::Ours);
    let run = |words: &[&str]| central.run(words).stdout;
    run(&["start_nb_ovsdb"]);
    let demote = ["--db-nb-sync-from-addr=127.0.0.1", "demote_ovnnb"];
    let printed = run(&demote);
    assert!(
        printed.contains("replication is not supported by this server"),
        "{printed}"
    );
    assert_eq!(run(&["status_ovnnb"]), "running/active\n");
    central.nbctl(&["ls-add", "sw0"]);
    run(&["stop_nb_ovsdb"]);
}

#[test]
fn connections_of_the_database_and_of_the_command_line_are_served() {
    check(|central| {
        let port = ovsdb_testkit::port::Port::reserve();
        let number = port
            .remote()
            .rsplit(':')
            .next()
            .unwrap_or_default()
            .to_owned();
        let insecure = format!("--db-nb-port={number}");
        central.installation.sandbox.set("OVS_CTL_TIMEOUT", "60");
        let output = central.run(&[
            "--db-nb-create-insecure-remote=yes",
            "--db-nb-addr=127.0.0.1",
            &insecure,
            "--ovsdb-disable-file-column-diff=yes",
            "start_nb_ovsdb",
        ]);
        assert!(output.ok(), "{output}");
        let monitors = central.monitors(&PIDFILES[..1]);
        let pid = central.installation.pid(PIDFILES[0]);
        let line = fs::read_to_string(format!("/proc/{pid}/cmdline")).expect("it runs");
        assert!(line.contains("--disable-file-column-diff"), "{line}");
        let client = programs::reference("ovsdb-client");
        let list = |remote: &str| {
            let sandbox = &central.installation.sandbox;
            sandbox.run_ok(&client, &["list-dbs", remote])
        };
        assert_eq!(list(&port.remote()), "OVN_Northbound\n_Server\n");
        central.nbctl(&["set-connection", "ptcp:0:127.0.0.1"]);
        let record = ["Connection", "."];
        let wait = [
            &["--timeout=60", "wait-until"],
            &record[..],
            &["status:bound_port>0"],
        ]
        .concat();
        central.nbctl(&wait);
        let bound = central.nbctl(&["get", "Connection", ".", "status:bound_port"]);
        let bound = format!("tcp:127.0.0.1:{}", bound.trim().trim_matches('"'));
        assert_eq!(list(&bound), "OVN_Northbound\n_Server\n");
        central.step(&["stop_nb_ovsdb"]);
        central.assert_ended(&monitors);
    });
}

/// The programs that change the databases, and the names of these.
const DATABASES: [(&str, &str); 2] = [
    ("ovn-nbctl", "OVN_Northbound"),
    ("ovn-sbctl", "OVN_Southbound"),
];

/// Connects to both databases over TLS, with programs of the reference and the ports that the databases tell.
#[track_caller]
fn check_over_tls(central: &Central) {
    let pki = Pki::shared();
    let sandbox = &central.installation.sandbox;
    for (program, database) in DATABASES {
        let ctl = |words: &[&str]| sandbox.run_ok(programs::reference(program), words);
        let wait = [
            "--timeout=60",
            "wait-until",
            "Connection",
            ".",
            "status:bound_port>0",
        ];
        ctl(&wait);
        let port = ctl(&["get", "Connection", ".", "status:bound_port"]);
        let remote = format!("ssl:127.0.0.1:{}", port.trim().trim_matches('"'));
        let list = |pair: &str| {
            let mut arguments = vec![String::from("list-dbs"), remote.clone(), pki.ca("ca.pem")];
            arguments.extend(pki.pair(pair));
            sandbox.run(programs::reference("ovsdb-client"), &arguments)
        };
        let served = list("client");
        assert_eq!(served.stdout, format!("{database}\n_Server\n"), "{served}");
        let stranger = list("other");
        assert!(!stranger.ok(), "{stranger}");
        let mut arguments = vec![format!("--db={remote}"), pki.ca("ca.pem")];
        arguments.extend(pki.pair("client"));
        arguments.extend(["get-connection"].map(String::from));
        let shown = sandbox.run_ok(programs::reference(program), &arguments);
        let expected = format!("{TLS_CONNECTION}\n");
        assert!(shown.ends_with(&expected), "{shown}");
    }
}

/// A connection on a port that the system chooses.
const TLS_CONNECTION: &str = "pssl:0:127.0.0.1";

#[test]
fn connections_over_tls_are_served_with_the_keys_that_the_databases_name() {
    let pki = Pki::shared();
    check(|central| {
        central.step(&["start_ovsdb"]);
        let path = |name: &str| pki.path(name).display().to_string();
        let [key, certificate] = ["server-privkey.pem", "server-cert.pem"].map(path);
        for (program, _) in DATABASES {
            let ctl = |words: &[&str]| {
                let sandbox = &central.installation.sandbox;
                sandbox.run_ok(programs::reference(program), words)
            };
            ctl(&["init"]);
            ctl(&["set-ssl", &key, &certificate, &path("ca.pem")]);
            ctl(&["set-connection", TLS_CONNECTION]);
        }
        check_over_tls(central);
        let monitors = central.monitors(&PIDFILES[..2]);
        central.step(&["restart_ovsdb"]);
        central.assert_ended(&monitors);
        for (program, _) in DATABASES {
            // What the row says is the old server's, which cannot say it again.
            let clear = ["clear", "Connection", ".", "status"];
            let sandbox = &central.installation.sandbox;
            sandbox.run_ok(programs::reference(program), &clear);
        }
        check_over_tls(central);
        let monitors = central.monitors(&PIDFILES[..2]);
        central.step(&["status_ovsdb"]);
        central.step(&["stop_ovsdb"]);
        central.assert_ended(&monitors);
        assert_eq!(
            central.installation.files(),
            ["ovn", "ovnnb_db.db", "ovnsb_db.db"]
        );
    });
}

#[test]
fn a_server_in_the_foreground_ends_when_it_is_told_to() {
    check(|central| {
        let sandbox = &central.installation.sandbox;
        let mut script = sandbox.command(SCRIPT);
        let mut server = script
            .arg("run_nb_ovsdb")
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .expect("the script is installed");
        central.installation.wait_for_socket("ovnnb_db.sock");
        central.nbctl(&["init"]);
        central.nbctl(&["ls-add", "sw0"]);
        let appctl = central.installation.side().program("ovs-appctl");
        let control = sandbox.path("ovnnb_db.ctl");
        let exit = ["-t".as_ref(), control.as_os_str(), "exit".as_ref()];
        sandbox.run_ok(appctl, &exit);
        let ended = server.wait().expect("it is a child of this process");
        assert!(ended.success(), "{ended}");
        let files = central.installation.files().join(" ");
        central.shown.push(files);
    });
}
