//! How `ovsdb-server` starts, or refuses to, beside the reference's: exit code, what is printed, and what is left behind.
//!
//! Each case runs both programs in sandboxes of their own, under the same name and with the same arguments.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;

use nix::sys::signal::Signal;
use ovsdb_testkit::daemon::Daemon;
use ovsdb_testkit::installation::{Finding, Installation};
use ovsdb_testkit::programs::{Side, reference};
use ovsdb_testkit::sandbox::Sandbox;

const SCHEMA: &str = r#"{"name":"NAME","version":"1.0.0","tables":{
    "T":{"isRoot":true,"columns":{"name":{"type":"string"},"n":{"type":"integer"}}}}}"#;

/// What a start has shown.
#[derive(Debug, Eq, PartialEq)]
struct Shown {
    code: Option<i32>,
    stdout: String,
    stderr: String,
    files: Vec<String>,
}

/// An installation with the databases A and B, and files that are none.
fn installation(side: Side) -> Installation {
    let installation = Installation::new(side, Finding::Path);
    let sandbox = &installation.sandbox;
    for name in ["A", "B"] {
        let schema = sandbox.path("schema");
        fs::write(&schema, SCHEMA.replace("NAME", name)).expect("the sandbox is writable");
        sandbox.run_ok("ovsdb-tool", &["create", &format!("{name}.db"), "schema"]);
        fs::remove_file(schema).expect("it is there");
    }
    let text = fs::read(sandbox.path("A.db")).expect("it was made");
    for (name, text) in [
        ("torn.db", &text[..40]),
        ("again.db", &text),
        ("junk.db", b"junk\n"),
        ("empty.db", b""),
    ] {
        fs::write(sandbox.path(name), text).expect("the sandbox is writable");
    }
    fs::create_dir(sandbox.path("folder.db")).expect("the sandbox is writable");
    installation
}

/// Starts the server, which ends by itself, if only because it has nothing to do.
fn start(installation: &Installation, arguments: &str) -> Shown {
    let mut words: Vec<&str> = arguments.split_whitespace().collect();
    if !arguments.contains("--run") {
        words.insert(0, "--run=true");
    }
    let output = installation.sandbox.run("ovsdb-server", &words);
    Shown {
        code: output.code,
        stdout: shown(installation, &output.stdout),
        stderr: shown(installation, &output.stderr),
        files: installation.files(),
    }
}

/// A text without the heads of log lines, and with ports that the system chose as N.
fn shown(installation: &Installation, text: &str) -> String {
    // The reference warns of a file that it cannot remove, because it could not be made in the first place.
    let is_noise = |line: &&str| line.contains("|fatal_signal|WARN|could not unlink");
    let lines = text.lines().filter(|line| !is_noise(line)).map(|line| {
        let is_log = line.starts_with("20") && line.contains('|');
        let message = match is_log {
            true => line.splitn(3, '|').nth(2).unwrap_or(line),
            false => line,
        };
        match message.split_once(": listening on port ") {
            Some((socket, _)) => format!("{socket}: listening on port N\n"),
            None => format!("{message}\n"),
        }
    });
    installation.normalized(&lines.collect::<String>())
}

/// The reasons in what a start that failed has printed. Releases before 3.7 say them in other lines, and fewer.
fn reasons(text: &str) -> Vec<String> {
    let end = [
        "ovsdb_server|WARN|failed to configure databases",
        "ovsdb-server: server configuration failed",
    ];
    let lines = text
        .lines()
        .filter(|line| !end.contains(line) && !line.is_empty());
    let lines = lines.filter(|line| !line.contains("|WARN|Duplicate database configuration"));
    let lines = lines.map(|line| {
        let database = "ovsdb_server|WARN|failed to open database '";
        if let Some((_, reason)) = line
            .strip_prefix(database)
            .and_then(|rest| rest.split_once("': "))
        {
            return reason.to_owned();
        }
        for parts in ["remotes", "SSL/TLS"] {
            let start = format!("ovsdb_server|WARN|failed to configure {parts}: ");
            if let Some(reason) = line.strip_prefix(&start) {
                return reason.to_owned();
            }
        }
        line.strip_prefix("ovsdb-server: ")
            .unwrap_or(line)
            .to_owned()
    });
    lines.collect()
}

/// Compares what both have shown.
#[track_caller]
fn compare(what: &str, [mut expected, mut ours]: [Shown; 2]) {
    if !is_37() {
        assert_eq!(
            reasons(&ours.stderr),
            reasons(&expected.stderr),
            "{what}: ours, and the reference's"
        );
        expected.stderr.clear();
        ours.stderr.clear();
    }
    assert_eq!(ours, expected, "{what}: ours, and the reference's");
}

/// Whether the reference is of release 3.7 or later.
fn is_37() -> bool {
    let help = Sandbox::new().run_ok(reference("ovsdb-server"), &["--help"]);
    help.contains("--config-file")
}

#[track_caller]
fn check(lines: &[&str]) {
    for arguments in lines {
        let shown = Side::BOTH.map(|side| start(&installation(side), arguments));
        compare(arguments, shown);
    }
}

#[test]
fn wrong_options_are_refused_alike() {
    check(&[
        "--bogus",
        "--bogus=x A.db",
        "-x A.db",
        "--remote",
        "--version=3",
        "--detach=x",
        "-vbogus",
        "-vconsole:bogus A.db",
        "-vPATTERN:bogus:x A.db",
        "--syslog-method=bogus A.db",
    ]);
    if is_37() {
        check(&[
            "--s",
            "--c",
            "--dis A.db",
            "--r",
            "--config-file=x A.db",
            "--config-file=x --remote=ptcp:0",
            "--config-file=x --active",
            "--config-file=none",
        ]);
    }
}

#[test]
fn options_that_are_accepted_are_accepted_alike() {
    check(&[
        "A.db",
        "A.db B.db",
        "A.db A.db",
        "--no-db A.db",
        "--o A.db",
        "--disable-file-c A.db",
        "--active A.db",
        "--sync-exclude-tables=A:T A.db",
        "--remote=ptcp:0:127.0.0.1 A.db",
        "--rem punix:more.sock A.db",
        "--unixctl=none A.db",
        "--log-file=here.log A.db",
        "-vsyslog:off -vfile:dbg --syslog-method=null A.db",
        "--no-self-confinement A.db",
    ]);
}

#[test]
fn databases_that_cannot_be_served_end_the_start_alike() {
    check(&[
        "none.db",
        "torn.db",
        "junk.db",
        "empty.db",
        "folder.db",
        "A.db again.db",
        "A.db none.db",
        "none/A.db",
        "--remote=punix:more.sock none.db --pidfile",
    ]);
    if is_37() {
        check(&["relay:A", "relay:A:"]);
    }
}

#[test]
fn remotes_that_cannot_be_opened_are_told_alike() {
    check(&[
        "--remote=db:A,T A.db",
        "--remote=db:X,T,name A.db",
        "--remote=db:A,X,name A.db",
        "--remote=db:A,T,x A.db",
        "--remote=db:A,T,n A.db",
        "--remote=db:A,T,x --remote=db:X,T,x A.db",
    ]);
}

#[test]
fn settings_of_tls_that_are_in_no_database_are_told_alike() {
    check(&[
        "--private-key=db:A,T A.db",
        "--certificate=db:X,T,name A.db",
        "--ca-cert=db:A,X,name A.db",
        "--private-key=db:A,T,n A.db",
        "--private-key=db:A,T,x --certificate=db:A,X,x --ca-cert=db:X,T,x A.db",
        // One that says nothing is no trouble.
        "--private-key=db:A,T,name A.db",
    ]);
    if is_37() {
        check(&[
            "--ssl-protocols=db:A,T,n A.db",
            "--ssl-ciphers=db:A,X,n A.db",
            "--ssl-ciphersuites=db:A,T,x A.db",
        ]);
    }
}

#[test]
fn files_of_tls_that_cannot_be_read_stop_nothing_and_are_named() {
    let options = [
        "--private-key",
        "--certificate",
        "--ca-cert",
        "--peer-ca-cert",
    ];
    for file in [
        "none.pem",
        "none/key.pem",
        "junk.db",
        "empty.db",
        "folder.db",
    ] {
        for option in options {
            let arguments = format!("{option}={file} --remote=pssl:0:127.0.0.1 A.db");
            let [expected, ours] = Side::BOTH.map(|side| start(&installation(side), &arguments));
            let what = |shown: &Shown| (shown.code, shown.stdout.clone(), shown.files.clone());
            assert_eq!(what(&ours), what(&expected), "{arguments}");
            // The reference says which of its files it is for some only.
            assert!(
                ours.stderr.contains("stream_ssl|ERR|"),
                "{arguments}: {ours:?}"
            );
            assert!(ours.stderr.contains(file), "{arguments}: {ours:?}");
        }
    }
}

#[test]
fn folders_that_are_missing_end_the_start_alike() {
    check(&[
        "--pidfile=/nonexistent/pid A.db",
        "--unixctl=/nonexistent/ctl A.db",
    ]);
}

#[test]
fn commands_that_are_run_end_the_server_alike() {
    check(&["--run=false A.db", "--run=nosuchprogram A.db", "--run A.db"]);
}

/// Prepares an installation of each side, starts a server that goes into the background and fails or not, and compares.
#[track_caller]
fn check_with<T>(arguments: &str, prepare: impl Fn(&Installation) -> T) {
    let shown = Side::BOTH.map(|side| {
        let installation = installation(side);
        let _kept = prepare(&installation);
        start(&installation, arguments)
    });
    compare(arguments, shown);
}

/// A server on B that runs meanwhile. Signals have their default effect on it, whoever runs this test: what is started in
/// the background of a shell would ignore some.
fn other(installation: &Installation) -> Daemon {
    let program = installation.sandbox.path("bin/ovsdb-server");
    let program = program.display().to_string();
    let control = format!(
        "--unixctl={}",
        installation.sandbox.path("other.ctl").display()
    );
    let arguments = [
        "--default-signal",
        &program,
        "B.db",
        "--remote=punix:other.sock",
        &control,
        "-vconsole:off",
    ];
    Daemon::start(&installation.sandbox, "env", "ovsdb-server", &arguments)
}

#[test]
fn a_database_that_somebody_else_serves_is_refused_alike() {
    check_with("B.db", other);
}

#[test]
fn a_pidfile_of_a_process_that_runs_is_left_alone_alike() {
    check_with("A.db --pidfile", other);
    check_with("A.db --pidfile --detach --no-chdir", other);
    check_with("A.db --pidfile --overwrite-pidfile", other);
}

#[test]
fn a_pidfile_and_sockets_of_a_process_that_was_killed_are_in_nobodys_way_alike() {
    check_with("B.db --pidfile --remote=punix:other.sock", |installation| {
        other(installation).kill();
        assert!(installation.sandbox.path("ovsdb-server.pid").exists());
        assert!(installation.sandbox.path("other.sock").exists());
    });
    for text in ["", "no number\n", "99999999\n"] {
        check_with("A.db --pidfile", |installation| {
            let pidfile = installation.sandbox.path("ovsdb-server.pid");
            fs::write(pidfile, text).expect("the sandbox is writable");
        });
    }
}

#[test]
fn a_port_that_is_in_use_is_told_alike() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let port = taken.local_addr().expect("it is bound").port();
    let shown = Side::BOTH.map(|side| {
        let installation = installation(side);
        let remote = format!("A.db --remote=ptcp:{port}:127.0.0.1");
        let mut shown = start(&installation, &remote);
        // How often it is said depends on how long the command of --run takes.
        let mut lines: Vec<&str> = shown.stderr.lines().collect();
        lines.dedup();
        let mut once: Vec<&str> = Vec::new();
        for line in lines {
            if !once.contains(&line) {
                once.push(line);
            }
        }
        shown.stderr = once.join("\n");
        shown
    });
    assert!(
        shown[0].stderr.contains("Address already in use"),
        "{shown:?}"
    );
    assert_eq!(shown[1], shown[0], "ours, and the reference's");
}

#[test]
fn a_file_that_may_not_be_read_is_refused_alike() {
    if !nix::unistd::geteuid().is_root() {
        println!("left out: only root can start a server as another user");
        return;
    }
    let shown = Side::BOTH.map(|side| {
        let installation = installation(side);
        let sandbox = &installation.sandbox;
        let setpriv = [
            "--reuid=daemon",
            "--regid=daemon",
            "--clear-groups",
            "ovsdb-server",
        ];
        let mut words = setpriv.to_vec();
        words.extend([
            "A.db",
            "--remote=punix:more.sock",
            "--pidfile",
            "--run=true",
        ]);
        // Others may look into the folder, and neither read nor write what is root's there.
        let anybody = fs::Permissions::from_mode(0o755);
        fs::set_permissions(sandbox.folder(), anybody).expect("root may do so");
        let nobody = fs::Permissions::from_mode(0o600);
        fs::set_permissions(sandbox.path("A.db"), nobody).expect("root may do so");
        let output = sandbox.run("setpriv", &words);
        Shown {
            code: output.code,
            stdout: output.stdout,
            stderr: self::shown(&installation, &output.stderr),
            files: installation.files(),
        }
    });
    assert!(shown[0].stderr.contains("Permission denied"), "{shown:?}");
    compare("a file that may not be read", shown);
}

#[test]
fn signals_end_the_server_alike() {
    for signal in [
        Signal::SIGTERM,
        Signal::SIGINT,
        Signal::SIGHUP,
        Signal::SIGALRM,
    ] {
        let shown = Side::BOTH.map(|side| {
            let installation = installation(side);
            let daemon = other(&installation);
            daemon.signal(signal);
            let ended = daemon.wait();
            let log = installation.sandbox.text("ovsdb-server.log");
            let text = self::shown(&installation, &log);
            let last = text.lines().last().unwrap_or_default().to_owned();
            (
                format!("{ended:?}").replace(|c: char| c.is_ascii_digit(), ""),
                last,
                installation.files(),
            )
        });
        assert_eq!(shown[1], shown[0], "{signal}: ours, and the reference's");
    }
}
