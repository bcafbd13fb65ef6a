//! The control commands of `ovsdb-server` beside the reference's: the same calls to both, one after the other, and the same
//! answers. Releases of the reference before 3.7 do not know all of them; what they do not, or answer otherwise, is left out.

use std::ffi::OsString;
use std::path::Path;

use ovsdb_testkit::daemon::Daemon;
use ovsdb_testkit::programs::{self, Side};
use ovsdb_testkit::sandbox::{Output, Sandbox};

const SCHEMA: &str = r#"{"name":"NAME","version":"1.0.0","tables":{
    "T":{"isRoot":true,"columns":{
        "name":{"type":"string"},
        "targets":{"type":{"key":"string","min":0,"max":"unlimited"}},
        "managers":{"type":{"key":{"type":"uuid","refTable":"M"},"min":0,"max":"unlimited"}}}},
    "M":{"columns":{"target":{"type":"string"}}}}}"#;

/// A server of either side with the database A, and the file of B beside it.
struct Served {
    daemon: Daemon,
    sandbox: Sandbox,
}

impl Served {
    fn start(side: Side, arguments: &[&str]) -> Served {
        let sandbox = Sandbox::new();
        for name in ["A", "B"] {
            let schema = sandbox.path(format!("{name}.ovsschema"));
            std::fs::write(&schema, SCHEMA.replace("NAME", name)).expect("a writable folder");
            let file = format!("{name}.db");
            let create = [Path::new("create"), Path::new(&file), &schema];
            sandbox.run_ok(side.program("ovsdb-tool"), &create);
        }
        std::fs::copy(sandbox.path("A.db"), sandbox.path("again.db")).expect("it was made");
        std::fs::write(sandbox.path("junk.db"), "junk\n").expect("a writable folder");
        let mut all: Vec<OsString> = ["A.db", "--remote=punix:db.sock", "-vconsole:off"]
            .map(Into::into)
            .to_vec();
        let mut control = OsString::from("--unixctl=");
        control.push(sandbox.path("ctl"));
        all.push(control);
        all.extend(arguments.iter().map(Into::into));
        let daemon = Daemon::start(&sandbox, side.program("ovsdb-server"), "ovsdb-server", &all);
        Served { daemon, sandbox }
    }

    fn call(&self, words: &[&str]) -> Output {
        let control = self.sandbox.path("ctl").display().to_string();
        let mut all = vec!["-t", control.as_str()];
        all.extend(words);
        // One client for both: what it does with answers is compared elsewhere.
        let mut output = self.sandbox.run(programs::reference("ovs-appctl"), &all);
        let folder = self.sandbox.folder().display().to_string();
        for text in [&mut output.stdout, &mut output.stderr] {
            *text = text.replace(&folder, "FOLDER");
        }
        output
    }

    fn exit(self) {
        let output = self.call(&["exit"]);
        assert!(output.ok(), "{output}");
        self.daemon.wait();
    }
}

/// Stands before calls that releases before 3.7 answer in another way.
const SINCE_37: &str = "3.7 ";

/// Whether the reference is of release 3.7 or later: its help text then tells of configuration files.
fn is_37() -> bool {
    let help = Sandbox::new().run_ok(programs::reference("ovsdb-server"), &["--help"]);
    help.contains("--config-file")
}

/// Makes the same calls to both servers, started with the same arguments.
#[track_caller]
fn check(arguments: &[&str], calls: &[&str]) {
    let [reference, ours] = Side::BOTH.map(|side| Served::start(side, arguments));
    let is_37 = is_37();
    for call in calls {
        let call = match call.strip_prefix(SINCE_37) {
            Some(_) if !is_37 => continue,
            Some(call) => call,
            None => call,
        };
        let words: Vec<&str> = call.split(' ').collect();
        let (expected, shown) = (reference.call(&words), ours.call(&words));
        if expected.stderr.contains("is not a valid command") && shown.ok() {
            continue;
        }
        assert_eq!(shown, expected, "{call}: ours, and the reference's");
    }
    reference.exit();
    ours.exit();
}

#[test]
fn databases_and_remotes_are_added_and_removed_alike() {
    check(
        &[],
        &[
            "ovsdb-server/list-dbs",
            "ovsdb-server/add-db B.db",
            "ovsdb-server/add-db B.db",
            "ovsdb-server/add-db again.db",
            "ovsdb-server/add-db junk.db",
            "ovsdb-server/add-db none.db",
            "3.7 ovsdb-server/add-db relay:E",
            "3.7 ovsdb-server/add-db relay:E:",
            "ovsdb-server/list-dbs",
            "ovsdb-server/remove-db B",
            "ovsdb-server/remove-db B",
            "ovsdb-server/remove-db _Server",
            "ovsdb-server/list-remotes",
            "ovsdb-server/add-remote ptcp:0:127.0.0.1",
            "ovsdb-server/add-remote ptcp:0:127.0.0.1",
            "ovsdb-server/add-remote ptcp:x",
            "ovsdb-server/add-remote ptcp:99999",
            "ovsdb-server/add-remote bogus",
            "ovsdb-server/add-remote unix:none",
            "ovsdb-server/add-remote db:A,T,managers",
            "ovsdb-server/add-remote db:A,T,targets",
            "ovsdb-server/add-remote db:A,T",
            "ovsdb-server/add-remote db:A,T,x",
            "ovsdb-server/add-remote db:A,X,x",
            "ovsdb-server/add-remote db:X,X,x",
            "ovsdb-server/list-remotes",
            "ovsdb-server/remove-remote ptcp:0:127.0.0.1",
            "ovsdb-server/remove-remote ptcp:0:127.0.0.1",
            "ovsdb-server/remove-remote bogus",
            "ovsdb-server/list-remotes",
        ],
    );
}

#[test]
fn commands_about_one_database_answer_alike() {
    check(
        &[],
        &[
            "ovsdb-server/get-db-storage-status A",
            "ovsdb-server/get-db-storage-status X",
            "ovsdb-server/compact X",
            "ovsdb-server/compact _Server",
            "ovsdb-server/compact A",
            "ovsdb-server/compact",
            "ovsdb-server/memory-trim-on-compaction on",
            "ovsdb-server/memory-trim-on-compaction bogus",
            "ovsdb-server/reconnect",
            "ovsdb-server/disable-monitor-cond",
            "ovsdb-server/tlog-list",
            "ovsdb-server/tlog-set A:T on",
            "ovsdb-server/tlog-set A:T ON",
            "3.7 ovsdb-server/tlog-set A:T bogus",
            "ovsdb-server/tlog-set A on",
            "ovsdb-server/tlog-set :A: on",
            "ovsdb-server/tlog-set A:T:X on",
            "ovsdb-server/tlog-set X:T on",
            "ovsdb-server/tlog-set A:X on",
            "ovsdb-server/tlog-list",
            "ovsdb-server/tlog-set A:T off",
            "ovsdb-server/tlog-list",
            "ovsdb-server/perf-counters-clear",
            "cluster/status A",
        ],
    );
}

#[test]
fn commands_about_an_active_server_answer_alike() {
    check(
        &[],
        &[
            "3.7 ovsdb-server/sync-status",
            "ovsdb-server/get-active-ovsdb-server",
            "ovsdb-server/connect-active-ovsdb-server",
            "ovsdb-server/disconnect-active-ovsdb-server",
            "ovsdb-server/set-active-ovsdb-server tcp:127.0.0.1:1",
            "ovsdb-server/get-active-ovsdb-server",
            "ovsdb-server/set-active-ovsdb-server",
            "3.7 ovsdb-server/set-active-ovsdb-server-probe-interval x",
            "ovsdb-server/set-active-ovsdb-server-probe-interval 5000",
            "3.7 ovsdb-server/set-relay-source-probe-interval x",
            "ovsdb-server/set-relay-source-probe-interval 5000",
            "ovsdb-server/get-sync-exclude-tables",
            "ovsdb-server/set-sync-exclude-tables A:T,B:T",
            "ovsdb-server/get-sync-exclude-tables",
            "3.7 ovsdb-server/sync-status",
        ],
    );
    check(
        &[
            "--sync-from=tcp:127.0.0.1:1",
            "--active",
            "--sync-exclude-tables=A:M",
        ],
        &[
            "ovsdb-server/get-active-ovsdb-server",
            "ovsdb-server/get-sync-exclude-tables",
            "ovsdb-server/disconnect-active-ovsdb-server",
            "ovsdb-server/get-active-ovsdb-server",
        ],
    );
}

#[test]
fn what_options_switch_off_is_switched_on_by_commands() {
    check(
        &["--disable-file-column-diff"],
        &[
            "ovsdb/file/column-diff-enable x",
            "ovsdb/file/column-diff-enable",
            "ovsdb/file/column-diff-enable",
        ],
    );
    check(
        &[],
        &[
            "ovsdb/file/column-diff-enable",
            "ovsdb/file/no-data-conversion-enable",
        ],
    );
}

#[test]
fn logging_is_steered_alike() {
    check(
        &[],
        &[
            "vlog/list-pattern",
            "vlog/set bogus",
            "vlog/set jsonrpc:file:dbg",
            "vlog/set PATTERN:file:%m",
            "vlog/list-pattern",
            "vlog/set FACILITY:bogus",
            "vlog/disable-rate-limit jsonrpc",
            "vlog/disable-rate-limit bogus",
            "vlog/enable-rate-limit",
            "vlog/reopen",
            "vlog/close",
        ],
    );
}

#[test]
fn wrong_calls_are_refused_alike() {
    check(
        &[],
        &[
            "bogus",
            "version x",
            "exit x",
            "ovsdb-server/list-dbs x",
            "ovsdb-server/add-db",
            "ovsdb-server/tlog-set A:T",
            "ovsdb-server/set-sync-exclude-tables a b",
            "coverage/read-counter bogus",
            "memory/show x",
            "3.7 ovsdb-server/reload",
        ],
    );
}
