//! Command lines of `ovs-appctl`, to daemons of both sides.

use std::os::unix::net::UnixListener;

use ovsdb_testkit::alike::{Alike, Call, Lines};
use ovsdb_testkit::daemon::Daemon;
use ovsdb_testkit::programs::Side;
use ovsdb_testkit::sandbox::Sandbox;

use crate::known;

/// Words, with the daemon's folder as `DIR` and its control socket as `SOCKET`.
const LINES: &[&[&str]] = &[
    // Targets.
    &["-t", "ovsdb-server", "version"],
    &["--target=ovsdb-server", "version"],
    &["--target", "ovsdb-server", "version"],
    &["--targ=ovsdb-server", "version"],
    &["-tovsdb-server", "version"],
    &["-t", "SOCKET", "version"],
    &["-t", "SOCKET.gone", "version"],
    &["-t", "DIR/dead", "version"],
    &["-t", "DIR/mute", "-T", "1", "version"],
    &["-t", "DIR/ovsdb-server.pid", "version"],
    &["-t", "DIR", "version"],
    &["-t", "./ovsdb-server", "version"],
    &["-t", "ovsdb-server.pid", "version"],
    &["-t", "nobody", "version"],
    &["-t", "stale", "version"],
    &["-t", "garbled", "version"],
    &["-t", "empty", "version"],
    &["-t", "zero", "version"],
    &["-t", "negative", "version"],
    &["-t", "folder", "version"],
    &["-t", "", "version"],
    &["-t", "/nonexistent/socket", "version"],
    &["-t", "a", "-t", "b", "version"],
    &["version"],
    // Wrong and odd command lines.
    &[],
    &["-t", "ovsdb-server"],
    &["-t", "ovsdb-server", "--"],
    &["-t", "ovsdb-server", "--", "version"],
    &["-t", "ovsdb-server", "-e", "version"],
    &["-t", "ovsdb-server", "-e", "-e", "version"],
    &["-t", "ovsdb-server", "--execute", "version"],
    &["-t", "ovsdb-server", "--exec=x", "version"],
    &["-t"],
    &["--target"],
    &["--nonsense", "version"],
    &["-y", "version"],
    &["--t", "x", "version"],
    &["--ver", "version"],
    &["-T", "5", "-t", "ovsdb-server", "version"],
    &["-T5", "-t", "ovsdb-server", "version"],
    &["--timeout=5", "-t", "ovsdb-server", "version"],
    &["-T", " +5", "-t", "ovsdb-server", "version"],
    &["-T", "0", "version"],
    &["-T", "-1", "version"],
    &["-T", "x", "version"],
    &["-T", "", "version"],
    &["-vnonsense", "version"],
    &["-v", "nonsense", "version"],
    &["-vconsole:off", "-t", "nobody", "version"],
    &["-o"],
    &["--option"],
    // What daemons answer.
    &["-t", "ovsdb-server", "list-commands"],
    &["-t", "ovsdb-server", "vlog/list"],
    &["-t", "ovsdb-server", "vlog/list-pattern"],
    &["-t", "ovsdb-server", "vlog/set", "jsonrpc:file:dbg"],
    &[
        "-t",
        "ovsdb-server",
        "vlog/set",
        "jsonrpc:file:info",
        "reconnect:file:info",
    ],
    &["-t", "ovsdb-server", "vlog/set", "nonsense"],
    &["-t", "ovsdb-server", "vlog/set"],
    &["-t", "ovsdb-server", "vlog/reopen"],
    &["-t", "ovsdb-server", "ovsdb-server/list-remotes"],
    &["-t", "ovsdb-server", "ovsdb-server/list-dbs"],
    &[
        "-t",
        "ovsdb-server",
        "ovsdb-server/list-dbs",
        "-t",
        "--format",
    ],
    &["-t", "ovsdb-server", "ovsdb-server/add-db", "DIR/none.db"],
    &["-t", "ovsdb-server", "nonsense"],
    &["-t", "ovsdb-server", ""],
    &["-t", "ovsdb-server", "version", "too", "many"],
    &["-t", "ovsdb-server", "help"],
    &["-t", "ovsdb-server", "coverage/read-counter", "nonsense"],
    &["-t", "ovsdb-server", "time/nonsense"],
    &[
        "-t",
        "ovsdb-server",
        "ovsdb-server/add-remote",
        "\u{fc}ber \"quoted\"\n",
    ],
    // Formats, which releases before 3.4 do not know.
    &["-f", "text", "-t", "ovsdb-server", "version"],
    &["-f", "TEXT", "-t", "ovsdb-server", "version"],
    &["-f", "json", "-t", "ovsdb-server", "version"],
    &["-f", "json", "-t", "ovsdb-server", "list-commands"],
    &["--format=json", "--pretty", "-t", "ovsdb-server", "version"],
    &[
        "--format",
        "json",
        "--pretty",
        "-t",
        "ovsdb-server",
        "list-commands",
    ],
    &["-f", "json", "-t", "ovsdb-server", "nonsense"],
    &["-f", "json", "-t", "ovsdb-server", "ovsdb-server/list-dbs"],
    &["-f", "xml", "-t", "ovsdb-server", "version"],
    &["-f", "", "-t", "ovsdb-server", "version"],
    &["-f"],
    &["--pretty", "-t", "ovsdb-server", "version"],
    &["--pretty=yes", "version"],
];

fn check(side: Side) {
    let sandbox = Sandbox::new();
    let remote = format!("--remote=punix:{}", sandbox.path("db.sock").display());
    let server = Daemon::start(
        &sandbox,
        side.program("ovsdb-server"),
        "ovsdb-server",
        &[remote.as_str(), "--no-dbs"],
    );
    let write = |name: &str, text: &str| {
        std::fs::write(sandbox.path(name), text).expect("the sandbox is writable");
    };
    for (name, text) in [
        // No process has such a number.
        ("stale", "4194305\n"),
        ("garbled", "x\n"),
        ("empty", ""),
        ("zero", "0\n"),
        ("negative", "-5\n"),
    ] {
        write(&format!("{name}.pid"), text);
    }
    std::fs::create_dir(sandbox.path("folder.pid")).expect("the sandbox is writable");
    drop(UnixListener::bind(sandbox.path("dead")).expect("a socket"));
    // Somebody listens and never answers.
    let _mute = UnixListener::bind(sandbox.path("mute")).expect("a socket");
    let folder = sandbox.folder().display().to_string();
    let socket = format!("{folder}/ovsdb-server.{}.ctl", server.pid());

    let alike = Alike::new("ovs-appctl", &sandbox, known::APPCTL);
    for words in LINES {
        let words = words
            .iter()
            .map(|word| word.replace("SOCKET", &socket).replace("DIR", &folder));
        alike.check(&Call::new(words));
    }
    // Where the run folder is said by the environment, and where there is none.
    for rundir in ["/nonexistent", "", "."] {
        let call = Call::new(["-t", "ovsdb-server", "version"]).variable("OVS_RUNDIR", rundir);
        alike.check(&call);
        alike.check(&Call::new(["version"]).variable("OVS_RUNDIR", rundir));
    }
    for secs in ["5", "0", "x", ""] {
        let call = Call::new(["-t", "ovsdb-server", "version"]).variable("OVS_CTL_TIMEOUT", secs);
        alike.check(&call.lines(Lines::AsTheyAre));
    }
    alike.finish();
}

#[test]
fn every_command_line_of_ovs_appctl_is_answered_alike() {
    check(Side::Reference);
}

#[test]
fn every_command_line_of_ovs_appctl_is_answered_alike_by_our_daemon() {
    check(Side::Ours);
}
