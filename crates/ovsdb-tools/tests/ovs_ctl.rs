//! The start script of Open vSwitch as the system installs it, `ovs-ctl`, with our programs first on its path.
//!
//! Each sequence of commands runs over the reference's programs and over ours, and must print the same and leave the
//! same files. All folders are a sandbox's. The switch itself is left out: it needs no part of ours but a connection.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::WaitStatus;
use nix::unistd::Pid;
use ovsdb_testkit::installation::{Finding, Installation, descriptor_of, parent_of};
use ovsdb_testkit::pki::Pki;
use ovsdb_testkit::programs::{self, Side};
use ovsdb_testkit::sandbox::Output;

const SCRIPT: &str = "/usr/share/openvswitch/scripts/ovs-ctl";

/// The pidfile that the script asks for.
const PIDFILE: &str = "ovsdb-server.pid";

/// An installation and what its commands have shown so far.
struct Switch {
    installation: Installation,
    shown: Vec<String>,
}

impl Switch {
    fn new(side: Side, finding: Finding) -> Switch {
        let installation = Installation::new(side, finding);
        // Where the script keeps the name of the system.
        fs::create_dir(installation.sandbox.path("openvswitch")).expect("the sandbox is writable");
        Switch {
            installation,
            shown: Vec::new(),
        }
    }

    /// Runs a command of the script.
    fn run(&self, words: &[&str]) -> Output {
        let folder = self.installation.sandbox.folder();
        let mut arguments: Vec<OsString> = words.iter().map(Into::into).collect();
        let mut cwd = OsString::from("--daemon-cwd=");
        cwd.push(folder);
        arguments.push(cwd);
        let more = [
            "--no-ovs-vswitchd",
            "--no-record-hostname",
            "--no-force-corefiles",
            "--system-id=random",
            "--system-type=test",
            "--system-version=1",
        ];
        arguments.extend(more.map(Into::into));
        self.installation.run(Path::new(SCRIPT), &arguments)
    }

    /// Runs a command of the script and remembers what it shows and which files it leaves.
    fn step(&mut self, words: &[&str]) {
        let output = self.run(words);
        self.shown.push(self.installation.shown(words, &output));
    }

    fn vsctl(&self, words: &[&str]) -> String {
        let mut all = vec!["--no-wait"];
        all.extend(words);
        let vsctl = programs::reference("ovs-vsctl");
        self.installation.sandbox.run_ok(vsctl, &all)
    }

    /// Returns once the remotes, and the keys they are served with, are what the database says: control commands wait
    /// for that.
    fn wait_for_remotes(&self) {
        let appctl = self.installation.side().program("ovs-appctl");
        let list = ["-t", "ovsdb-server", "ovsdb-server/list-remotes"];
        self.installation.sandbox.run_ok(appctl, &list);
    }

    /// The daemon and its monitor.
    fn processes(&self) -> (Pid, Pid) {
        let pid = self.installation.pid(PIDFILE);
        (pid, parent_of(pid).expect("the process runs"))
    }
}

/// Runs `play` over both sides, however programs are found, and compares what was shown.
fn check(play: impl Fn(&mut Switch)) {
    for finding in [Finding::Path, Finding::Folders] {
        let [reference, ours] = Side::BOTH.map(|side| {
            let mut switch = Switch::new(side, finding);
            play(&mut switch);
            switch.shown
        });
        assert_eq!(reference.len(), ours.len());
        for (reference, ours) in reference.iter().zip(&ours) {
            assert_eq!(reference, ours, "{finding:?}");
        }
    }
}

#[test]
fn the_server_is_started_reported_restarted_and_stopped() {
    check(|switch| {
        switch.step(&["status"]);
        switch.step(&["start"]);
        let (daemon, monitor) = switch.processes();
        let comm = fs::read_to_string(format!("/proc/{daemon}/comm")).expect("the process runs");
        assert_eq!(comm, "ovsdb-server\n");
        // Who reads what the script prints would otherwise wait for the daemon's end.
        for number in 0..3 {
            let null = Some(PathBuf::from("/dev/null"));
            for pid in [daemon, monitor] {
                assert_eq!(descriptor_of(pid, number), null, "descriptor {number}");
            }
        }
        switch.step(&["status"]);
        // What runs is left as it is.
        switch.step(&["start"]);
        assert_eq!(switch.processes(), (daemon, monitor));
        // Without the switch there is no module to be loaded anew, and the server is left alone as well.
        switch.step(&["force-reload-kmod"]);
        assert_eq!(switch.processes(), (daemon, monitor));
        switch.vsctl(&["add-br", "br0"]);
        switch.step(&["restart"]);
        assert_ne!(switch.processes().0, daemon);
        assert_eq!(
            switch.installation.wait_for_monitor(monitor),
            WaitStatus::Exited(monitor, 0)
        );
        assert_eq!(switch.vsctl(&["list-br"]), "br0\n");
        let (_, monitor) = switch.processes();
        switch.step(&["stop"]);
        assert_eq!(
            switch.installation.wait_for_monitor(monitor),
            WaitStatus::Exited(monitor, 0)
        );
        // Nothing of a stopped server is left but its database and its log.
        assert_eq!(switch.installation.files(), ["conf.db", "openvswitch"]);
        switch.step(&["stop"]);
        switch.step(&["status"]);
    });
}

/// The port that a manager of the database listens on, once the server has written it down.
fn manager_port(switch: &Switch, manager: &str) -> String {
    let record = ["Manager", manager];
    let wait = [
        &["--retry", "wait-until"],
        &record[..],
        &["status:bound_port>0"],
    ]
    .concat();
    switch.vsctl(&wait);
    let get = [&["get"], &record[..], &["status:bound_port"]].concat();
    switch.vsctl(&get).trim().trim_matches('"').to_owned()
}

/// Removes what a row says of a server that has ended, which cannot say it again.
fn forget_status(switch: &Switch, manager: &str) {
    switch.vsctl(&["--retry", "clear", "Manager", manager, "status"]);
}

/// A manager on a port that the system chooses.
const MANAGER: &str = "ptcp:0:127.0.0.1";

/// Likewise, over TLS.
const TLS_MANAGER: &str = "pssl:0:127.0.0.1";

#[test]
fn a_server_that_crashed_is_back_with_its_managers() {
    check(|switch| {
        switch.step(&["start"]);
        switch.vsctl(&["set-manager", MANAGER]);
        let monitor = switch.processes().1;
        let check_manager = |switch: &Switch| {
            let remote = format!("tcp:127.0.0.1:{}", manager_port(switch, MANAGER));
            let client = programs::reference("ovsdb-client");
            let found = switch
                .installation
                .sandbox
                .run(client, &["list-dbs", &remote]);
            assert_eq!(found.stdout, "Open_vSwitch\n_Server\n", "{remote}: {found}");
        };
        check_manager(switch);
        let after = switch.installation.crash(PIDFILE);
        assert_eq!(switch.processes(), (after, monitor));
        forget_status(switch, MANAGER);
        check_manager(switch);
        switch.step(&["status"]);
        switch.step(&["stop"]);
        assert_eq!(
            switch.installation.wait_for_monitor(monitor),
            WaitStatus::Exited(monitor, 0)
        );
    });
}

/// What the reference's client sees of a manager over TLS, with the keys of `pair`.
fn list_over_tls(switch: &Switch, pair: &str) -> Output {
    let pki = Pki::shared();
    let remote = format!("ssl:127.0.0.1:{}", manager_port(switch, TLS_MANAGER));
    let mut arguments = vec![String::from("list-dbs"), remote, pki.ca("ca.pem")];
    arguments.extend(pki.pair(pair));
    let client = programs::reference("ovsdb-client");
    switch.installation.sandbox.run(client, &arguments)
}

#[track_caller]
fn check_over_tls(switch: &Switch) {
    let served = list_over_tls(switch, "client");
    assert_eq!(served.stdout, "Open_vSwitch\n_Server\n", "{served}");
    let stranger = list_over_tls(switch, "other");
    assert!(!stranger.ok(), "{stranger}");
}

/// Keys and an authority as `ovs-vsctl set-ssl` takes them.
fn key_files(pair: &str) -> [String; 3] {
    let names = [
        format!("{pair}-privkey.pem"),
        format!("{pair}-cert.pem"),
        String::from("ca.pem"),
    ];
    names.map(|name| Pki::shared().path(&name).display().to_string())
}

#[test]
fn managers_over_tls_are_served_with_the_keys_that_the_database_names() {
    check(|switch| {
        switch.step(&["start"]);
        switch.vsctl(&["set-manager", TLS_MANAGER]);
        let without_keys = list_over_tls(switch, "client");
        assert!(!without_keys.ok(), "{without_keys}");
        for pair in ["server", "elliptic"] {
            let [key, certificate, ca] = key_files(pair);
            switch.vsctl(&["set-ssl", &key, &certificate, &ca]);
            switch.wait_for_remotes();
            check_over_tls(switch);
        }
        let (_, monitor) = switch.processes();
        switch.installation.crash(PIDFILE);
        forget_status(switch, TLS_MANAGER);
        check_over_tls(switch);
        switch.step(&["restart"]);
        assert_eq!(
            switch.installation.wait_for_monitor(monitor),
            WaitStatus::Exited(monitor, 0)
        );
        forget_status(switch, TLS_MANAGER);
        check_over_tls(switch);
        switch.step(&["status"]);
        switch.step(&["stop"]);
    });
}

/// The schema of an earlier release: the system's with a column less.
fn old_schema() -> String {
    let path = programs::reference_schema("vswitch");
    let text = fs::read_to_string(path).expect("it is installed");
    let mut schema: serde_json::Value = serde_json::from_str(&text).expect("a schema is JSON");
    let columns = schema["tables"]["Open_vSwitch"]["columns"].as_object_mut();
    let removed = columns.expect("a schema has columns").remove("iface_types");
    assert!(removed.is_some(), "{text}");
    schema["version"] = "8.2.0".into();
    schema.to_string()
}

#[test]
fn a_database_of_an_earlier_release_is_saved_and_converted() {
    check(|switch| {
        let sandbox = &switch.installation.sandbox;
        let schema = sandbox.path("old.ovsschema");
        fs::write(&schema, old_schema()).expect("the sandbox is writable");
        let database = sandbox.path("conf.db");
        let tool = switch.installation.side().program("ovsdb-tool");
        let create = [Path::new("create"), &database, &schema];
        sandbox.run_ok(&tool, &create);
        let [key, certificate, ca] = key_files("server");
        let insert = format!(
            r#"["Open_vSwitch",
                {{"op":"insert","table":"SSL","uuid-name":"ssl","row":
                    {{"private_key":"{key}","certificate":"{certificate}","ca_cert":"{ca}"}}}},
                {{"op":"insert","table":"Manager","uuid-name":"manager","row":{{"target":"{TLS_MANAGER}"}}}},
                {{"op":"insert","table":"Open_vSwitch","row":{{
                    "external_ids":["map",[["kept","yes"]]],
                    "ssl":["named-uuid","ssl"],"manager_options":["named-uuid","manager"]}}}}]"#
        );
        let transact = ["transact".as_ref(), database.as_os_str(), insert.as_ref()];
        sandbox.run_ok(&tool, &transact);
        let before = fs::read(&database).expect("it was made");
        switch.step(&["start"]);
        let saved = switch.installation.files().into_iter();
        let saved: Vec<String> = saved.filter(|name| name.contains(".backup")).collect();
        assert!(
            matches!(&saved[..], [name] if name.starts_with("conf.db.backup8.2.0-")),
            "{saved:?}"
        );
        let after = fs::read(switch.installation.sandbox.path(&saved[0])).expect("it is there");
        assert!(after == before, "the saved database is another one");
        let get = |column| switch.vsctl(&["get", "Open_vSwitch", ".", column]);
        let shown = [
            get("external_ids:kept"),
            get("iface_types"),
            get("db_version"),
        ];
        switch.shown.push(shown.concat());
        check_over_tls(switch);
        switch.step(&["stop"]);
    });
}

#[test]
fn the_server_runs_as_the_user_that_is_asked_for() {
    if !nix::unistd::geteuid().is_root() {
        println!("left out: only root can start a server as another user");
        return;
    }
    let sandbox = ovsdb_testkit::sandbox::Sandbox::new();
    let arguments = ["--user=daemon:daemon", "--no-dbs", "--run=true"];
    let output = sandbox.run(programs::reference("ovsdb-server"), &arguments);
    if output.stderr.contains("libcap-ng") {
        println!("left out: the reference was built without --user");
        return;
    }
    check(|switch| {
        let folder = switch.installation.sandbox.folder().to_owned();
        // The folders are root's: the script makes none that is there.
        let user = nix::unistd::User::from_name("daemon").expect("users can be looked up");
        let user = user.expect("every system has the user daemon");
        for path in [folder.clone(), folder.join("openvswitch")] {
            nix::unistd::chown(&path, Some(user.uid), Some(user.gid)).expect("root may do so");
        }
        switch.step(&["start", "--ovs-user=daemon:daemon"]);
        let (daemon, monitor) = switch.processes();
        for pid in [daemon, monitor] {
            let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
            let uid = format!("Uid:\t{0}\t{0}\t{0}\t{0}", user.uid);
            assert!(status.contains(&uid), "{status}");
        }
        let owner = fs::metadata(folder.join("db.sock")).expect("the server listens");
        assert_eq!(
            std::os::unix::fs::MetadataExt::uid(&owner),
            user.uid.as_raw()
        );
        switch.vsctl(&["add-br", "br0"]);
        switch.step(&["restart", "--ovs-user=daemon:daemon"]);
        switch.step(&["stop"]);
    });
}

#[test]
fn after_a_server_that_had_to_be_killed_the_next_one_starts() {
    // The script takes its time before it kills; so this is done once.
    let switch = Switch::new(Side::Ours, Finding::Path);
    let run = |command| {
        let output = switch.run(&[command]);
        assert!(output.ok(), "{command}: {output}");
        switch.installation.normalized(&output.stdout)
    };
    run("start");
    let (daemon, monitor) = switch.processes();
    kill(daemon, Signal::SIGSTOP).expect("the process runs");
    let printed = run("stop");
    assert!(
        printed.contains("Killing ovsdb-server (N) with SIGKILL"),
        "{printed}"
    );
    let ended = switch.installation.wait_for_monitor(monitor);
    assert!(matches!(ended, WaitStatus::Exited(..)), "{ended:?}");
    // Its files are still there.
    let left = [
        "conf.db",
        "db.sock",
        "openvswitch",
        "ovsdb-server.N.ctl",
        "ovsdb-server.pid",
    ];
    assert_eq!(switch.installation.files(), left);
    run("start");
    assert_eq!(switch.vsctl(&["list-br"]), "");
    run("stop");
}
