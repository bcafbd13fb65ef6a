//! Real processes: detaching, pidfiles, the monitor, signals and the control socket, with the example daemon.

use std::ffi::OsString;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;
use ovsdb_proto::json::Json;
use ovsdb_testkit::control::Control;
use ovsdb_testkit::daemon::Daemon;
use ovsdb_testkit::programs::example;
use ovsdb_testkit::sandbox::{Output, Sandbox};

fn program() -> PathBuf {
    example("daemon")
}

fn start(sandbox: &Sandbox, arguments: &[&str]) -> Daemon {
    Daemon::start(sandbox, program(), "daemon", arguments)
}

fn run(sandbox: &Sandbox, arguments: &[&str]) -> Output {
    sandbox.run(program(), arguments)
}

/// A connection to the daemon whose pidfile is in the sandbox.
fn control(sandbox: &Sandbox) -> Control {
    let pid = sandbox.text("daemon.pid");
    Control::connect(&sandbox.path(format!("daemon.{}.ctl", pid.trim())))
}

/// Calls a command of the daemon whose pidfile is in the sandbox; the answer is without its final line feed.
fn command(sandbox: &Sandbox, command: &str, args: &[&str]) -> Result<String, String> {
    let text = |text: String| text.strip_suffix('\n').unwrap_or(&text).to_owned();
    let answer = control(sandbox).text(command, args);
    answer.map(text).map_err(text)
}

/// What is in the sandbox but log files.
fn files(sandbox: &Sandbox) -> Vec<OsString> {
    let mut names: Vec<_> = std::fs::read_dir(sandbox.folder())
        .expect("the sandbox")
        .map(|entry| entry.expect("an entry").file_name())
        .filter(|name| !name.to_string_lossy().ends_with(".log"))
        .collect();
    names.sort();
    names
}

fn parent_of(pid: i32) -> Pid {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("a running process");
    let parent = status
        .lines()
        .find_map(|line| line.strip_prefix("PPid:"))
        .expect("a parent");
    Pid::from_raw(parent.trim().parse().expect("a number"))
}

#[test]
fn a_detached_daemon_serves_when_its_parent_ends_and_tidies_up_on_exit() {
    let sandbox = Sandbox::new();
    let daemon = start(&sandbox, &[]);
    let pid = daemon.pid();
    assert_eq!(command(&sandbox, "pid", &[]), Ok(pid.to_string()));
    let comm = std::fs::read_to_string(format!("/proc/{pid}/comm")).expect("a running process");
    assert_eq!(comm, "daemon\n");
    assert_eq!(
        command(&sandbox, "folder", &[]),
        Ok(sandbox.folder().display().to_string())
    );
    assert_eq!(command(&sandbox, "exit", &[]), Ok(String::new()));
    assert_eq!(daemon.wait(), WaitStatus::Exited(Pid::from_raw(pid), 0));
    assert_eq!(files(&sandbox), Vec::<OsString>::new());
}

#[test]
fn a_daemon_leaves_the_folder_that_it_was_started_in() {
    let sandbox = Sandbox::new();
    // The sandbox's helper adds --no-chdir, so here without it.
    let output = run(
        &sandbox,
        &["--detach", "--pidfile=daemon.pid", "--log-file=daemon.log"],
    );
    assert!(output.ok(), "{output}");
    assert_eq!(command(&sandbox, "folder", &[]), Ok("/".to_owned()));
    // Its log file is opened again under the name it was given in the other folder.
    std::fs::rename(sandbox.path("daemon.log"), sandbox.path("old.log")).expect("a log file");
    assert_eq!(command(&sandbox, "vlog/reopen", &[]), Ok(String::new()));
    assert!(
        sandbox
            .text("daemon.log")
            .contains("|vlog|INFO|opened log file daemon.log")
    );
    assert_eq!(command(&sandbox, "exit", &[]), Ok(String::new()));
}

/// Whether this process ignores a signal, and so those that it starts.
fn is_ignored(signal: Signal) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux tells");
    let mask = status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .expect("a mask of signals");
    mask & (1 << (signal as u32 - 1)) != 0
}

#[test]
fn deadly_signals_leave_no_files_and_are_told_to_the_parent() {
    for (signal, name) in [
        (Signal::SIGTERM, "Terminated"),
        (Signal::SIGINT, "Interrupt"),
        (Signal::SIGHUP, "Hangup"),
    ] {
        // What whoever runs the tests ignores, as under `nohup`, daemons ignore, too.
        if is_ignored(signal) {
            continue;
        }
        let sandbox = Sandbox::new();
        let daemon = start(&sandbox, &[]);
        let pid = Pid::from_raw(daemon.pid());
        assert_eq!(files(&sandbox).len(), 2, "a pidfile and a socket");
        daemon.signal(signal);
        assert_eq!(daemon.wait(), WaitStatus::Signaled(pid, signal, false));
        assert_eq!(files(&sandbox), Vec::<OsString>::new(), "{signal}");
        let line = format!(
            "|fatal_signal|WARN|terminating with signal {} ({name})",
            signal as i32
        );
        assert!(
            sandbox.text("daemon.log").contains(&line),
            "{}",
            sandbox.text("daemon.log")
        );
    }
}

#[test]
fn a_deadline_ends_the_program_with_an_alarm() {
    let sandbox = Sandbox::new();
    let daemon = start(&sandbox, &[]);
    let pid = Pid::from_raw(daemon.pid());
    control(&sandbox)
        .send("alarm", &[])
        .expect("the daemon listens");
    assert_eq!(
        daemon.wait(),
        WaitStatus::Signaled(pid, Signal::SIGALRM, false)
    );
}

#[test]
fn an_error_before_it_serves_is_told_by_the_exit_code_and_leaves_nothing() {
    let sandbox = Sandbox::new();
    for detach in [&[][..], &["--detach"], &["--detach", "--monitor"]] {
        let mut arguments = vec!["--pidfile", "--fail-with=7"];
        arguments.extend(detach);
        let output = run(&sandbox, &arguments);
        assert_eq!(
            (output.code, output.stderr.as_str()),
            (Some(7), "daemon: told to fail\n"),
            "{detach:?}"
        );
        assert_eq!(files(&sandbox), Vec::<OsString>::new());
    }
}

#[test]
fn a_crash_before_it_serves_is_told() {
    let sandbox = Sandbox::new();
    let output = run(
        &sandbox,
        &["--detach", "-vPATTERN:console:%c|%p|%m", "--die-at-start"],
    );
    assert_eq!(output.code, Some(1));
    // Whether there is a core dump is the machine's affair.
    assert_eq!(
        output.stderr.replace(", core dumped", ""),
        "daemon_unix|ERR|fork child died before signaling startup (killed (Aborted))\n\
         daemon: could not detach from foreground session\n"
    );
}

#[test]
fn a_second_daemon_with_the_same_pidfile_is_refused() {
    let sandbox = Sandbox::new();
    let daemon = start(&sandbox, &[]);
    let output = run(
        &sandbox,
        &["--pidfile=daemon.pid", "--detach", "-vconsole:off"],
    );
    let expect = format!(
        "daemon: {}: already running as pid {}, aborting\n",
        sandbox.path("daemon.pid").display(),
        daemon.pid()
    );
    assert_eq!((output.code, output.stderr), (Some(1), expect));
    assert_eq!(
        command(&sandbox, "pid", &[]),
        Ok(daemon.pid().to_string()),
        "the first one is unharmed"
    );
}

#[test]
fn a_pidfile_may_be_taken_over_on_request() {
    let sandbox = Sandbox::new();
    let first = start(&sandbox, &[]);
    let second = start(&sandbox, &["--overwrite-pidfile"]);
    assert_ne!(first.pid(), second.pid());
    assert_eq!(command(&sandbox, "pid", &[]), Ok(second.pid().to_string()));
}

#[test]
fn a_stale_pidfile_is_no_obstacle() {
    let sandbox = Sandbox::new();
    let killed = start(&sandbox, &[]);
    killed.kill();
    assert!(sandbox.path("daemon.pid").exists());
    let daemon = start(&sandbox, &[]);
    assert_eq!(command(&sandbox, "pid", &[]), Ok(daemon.pid().to_string()));
}

#[test]
fn the_monitor_starts_a_crashed_daemon_again_and_ends_with_it_otherwise() {
    let sandbox = Sandbox::new();
    // Log lines sent here are the events to wait for.
    let log = UnixDatagram::bind(sandbox.path("events")).expect("a socket");
    log.set_read_timeout(Some(std::time::Duration::from_secs(60)))
        .expect("a timeout of a hung test");
    let wait_for = |what: &str| {
        loop {
            let mut buffer = [0; 1024];
            match log.recv(&mut buffer) {
                Ok(n) => {
                    let line = String::from_utf8_lossy(&buffer[..n]).into_owned();
                    if line.contains(what) {
                        break line;
                    }
                }
                // With a timeout the kernel does not go on by itself after a signal.
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => panic!("no line with {what:?}: {error}"),
            }
        }
    };
    let daemon = start(
        &sandbox,
        &[
            "--monitor",
            &format!("--syslog-method=unix:{}", sandbox.path("events").display()),
        ],
    );
    let monitor = parent_of(daemon.pid());
    wait_for("serving as pid");
    kill(Pid::from_raw(daemon.pid()), Signal::SIGSEGV).expect("a running daemon");
    let line = wait_for("crashes");
    let expect = format!(
        "|daemon_unix(monitor)|ERR|1 crashes: pid {} died, killed (Segmentation fault)",
        daemon.pid()
    );
    assert!(
        line.contains(&expect) && line.ends_with(", restarting"),
        "{line}"
    );
    wait_for("serving as pid");
    let second = command(&sandbox, "pid", &[]).expect("the new daemon serves");
    assert_ne!(second, daemon.pid().to_string());
    assert_eq!(command(&sandbox, "exit", &[]), Ok(String::new()));
    let line = wait_for("exiting");
    assert!(
        line.contains(&format!("|INFO|pid {second} died, exit status 0, exiting")),
        "{line}"
    );
    assert_eq!(waitpid(monitor, None), Ok(WaitStatus::Exited(monitor, 0)));
}

#[test]
fn commands_are_checked_before_they_are_called() {
    let sandbox = Sandbox::new();
    let _daemon = start(&sandbox, &[]);
    let cases: [(&str, &[&str], Result<&str, &str>); 12] = [
        (
            "nonsense",
            &[],
            Err(
                "\"nonsense\" is not a valid command (use \"list-commands\" to see a list of valid commands)",
            ),
        ),
        (
            "echo",
            &[],
            Err("\"echo\" command requires at least 1 arguments"),
        ),
        (
            "echo",
            &["a", "b", "c"],
            Err("\"echo\" command takes at most 2 arguments"),
        ),
        ("echo", &["a", "b"], Ok("a b")),
        ("hidden", &[], Err("hidden fails")),
        ("version", &[], Ok("daemon (Open vSwitch) 3.7.1")),
        ("memory/show", &[], Ok("cells:3")),
        ("vlog/set", &["jsonrpc:file:dbg"], Ok("")),
        (
            "vlog/set",
            &["nonsense"],
            Err("no destination, level, or module \"nonsense\""),
        ),
        (
            "vlog/disable-rate-limit",
            &["nonsense"],
            Err("unknown module"),
        ),
        (
            "coverage/read-counter",
            &["nonsense"],
            Err("No such counter"),
        ),
        (
            "set-options",
            &["--format", "xml"],
            Err("option format has invalid value xml"),
        ),
    ];
    for (name, args, expect) in cases {
        let answer = command(&sandbox, name, args);
        assert_eq!(
            answer,
            expect.map(str::to_owned).map_err(str::to_owned),
            "{name} {args:?}"
        );
    }
    let list = command(&sandbox, "list-commands", &[]).expect("a list");
    assert!(list.starts_with("The available commands are:\n  alarm                   \n  coverage/read-counter   COUNTER\n"));
    assert!(
        !list.contains("hidden") && !list.contains("vlog/message"),
        "{list}"
    );
    let levels = command(&sandbox, "vlog/list", &[]).expect("a table");
    assert!(
        levels.contains("\njsonrpc            OFF       INFO        DBG\n"),
        "{levels}"
    );
    assert!(
        command(&sandbox, "coverage/show", &[])
            .expect("a table")
            .contains("\nunixctl_received ")
    );
}

#[test]
fn answers_may_be_json_for_one_connection() {
    let sandbox = Sandbox::new();
    let _daemon = start(&sandbox, &[]);
    let mut control = control(&sandbox);
    let answers = [
        "set-options --format json",
        "version",
        "hidden",
        "set-options --format text",
        "version",
    ]
    .map(|line| {
        let words: Vec<&str> = line.split(' ').collect();
        match control.call(words[0], &words[1..]) {
            Ok(json) => json.to_string(),
            Err(json) => format!("error {json}"),
        }
    });
    assert_eq!(
        answers,
        [
            r#"{"reply":"","reply-format":"plain"}"#,
            r#"{"reply":"daemon (Open vSwitch) 3.7.1","reply-format":"plain"}"#,
            r#"error "hidden fails\n""#,
            r#""""#,
            r#""daemon (Open vSwitch) 3.7.1\n""#,
        ]
    );
}

#[test]
fn the_control_socket_may_have_another_name_or_none() {
    let sandbox = Sandbox::new();
    let daemon = start(&sandbox, &["--unixctl=other.ctl"]);
    let mut control = Control::connect(&sandbox.path("other.ctl"));
    assert_eq!(control.text("pid", &[]), Ok(format!("{}\n", daemon.pid())));
    drop(daemon);
    let sandbox = Sandbox::new();
    let _daemon = start(&sandbox, &["--unixctl=none"]);
    assert_eq!(files(&sandbox), ["daemon.pid"]);
}

#[test]
fn a_control_socket_that_cannot_be_made_is_an_error() {
    let sandbox = Sandbox::new();
    let output = run(
        &sandbox,
        &["--detach", "--unixctl=none/such/folder", "-vconsole:off"],
    );
    let path = sandbox.path("none/such/folder").display().to_string();
    let expect = format!(
        "daemon: {path}: could not initialize control socket (No such file or directory)\n"
    );
    assert_eq!((output.code, output.stderr), (Some(1), expect));
}

#[test]
fn wrong_options_are_refused() {
    let sandbox = Sandbox::new();
    let name = program().display().to_string();
    let cases = [
        (
            vec!["--nonsense"],
            format!("{name}: unrecognized option '--nonsense'\n"),
        ),
        (
            vec!["-vnonsense"],
            "daemon: processing \"nonsense\": no destination, level, or module \"nonsense\"\n"
                .into(),
        ),
        (
            vec!["--syslog-method=x"],
            "daemon: unsupported syslog method 'x'\n".into(),
        ),
        (
            vec!["--user=no-such-user"],
            if_root("daemon: user no-such-user not found\n"),
        ),
    ];
    for (arguments, expect) in cases {
        let output = run(&sandbox, &arguments);
        assert_eq!(
            (output.code, output.stderr),
            (Some(1), expect),
            "{arguments:?}"
        );
    }
}

fn if_root(text: &str) -> String {
    if nix::unistd::geteuid().is_root() {
        text.to_owned()
    } else {
        "daemon: only root can use --user option\n".to_owned()
    }
}

#[test]
fn version_and_help_go_to_standard_output() {
    let sandbox = Sandbox::new();
    let version = sandbox.run_ok(program(), &["--version"]);
    assert!(
        version.starts_with("daemon (Open vSwitch) 3.7.1\novsdb-rs "),
        "{version}"
    );
    let help = sandbox.run_ok(program(), &["-h"]);
    assert!(
        help.contains("\n  --pidfile[=FILE]         create pidfile\n"),
        "{help}"
    );
}

/// The lines of a log as JSON objects.
fn objects(text: &str) -> Vec<Json> {
    let line = |line: &str| match ovsdb_proto::json::parse(line.as_bytes()) {
        Ok(json) if json.as_object().is_some() => json,
        other => panic!("no object: {line}: {other:?}"),
    };
    text.lines().map(line).collect()
}

#[test]
fn logs_of_json_have_an_object_a_line_in_the_file_and_on_the_console() {
    let sandbox = Sandbox::new();
    let daemon = start(&sandbox, &["--log-format=json", "--monitor"]);
    let first = daemon.pid();
    let message = ["vlog/set", "jsonrpc:file:dbg"];
    assert_eq!(
        command(&sandbox, message[0], &message[1..]),
        Ok(String::new())
    );
    assert_eq!(
        command(&sandbox, "echo", &["a \"quoted\"\nword"]),
        Ok("a \"quoted\"\nword".to_owned())
    );
    let monitor = parent_of(first);
    assert_eq!(command(&sandbox, "exit", &[]), Ok(String::new()));
    waitpid(monitor, None).expect("the monitor ends");
    let records = objects(&sandbox.text("daemon.log"));
    let member = |record: &Json, name: &str| {
        record
            .as_object()
            .and_then(|object| object.get(name))
            .map(Json::to_string)
    };
    for (name, value) in [
        ("module", "\"jsonrpc\""),
        ("role", "\"monitor\""),
        ("level", "\"DBG\""),
        ("number", "1"),
    ] {
        let mut values = records.iter().filter_map(|record| member(record, name));
        assert!(values.any(|found| found == value), "{name}: {records:?}");
    }
    // What the program itself has to say is one of the console's lines.
    let output = run(
        &sandbox,
        &["--log-format=json", "--detach", "--die-at-start"],
    );
    let said = objects(&output.stderr);
    let said: Vec<_> = said
        .iter()
        .map(|record| [member(record, "module"), member(record, "level")])
        .map(|words| words.map(Option::unwrap_or_default).join(" "))
        .collect();
    assert_eq!(said, ["\"daemon_unix\" \"ERR\"", "\"program\" \"EMER\""]);
}

#[test]
fn options_of_our_own_are_known_by_their_full_names_alone() {
    let sandbox = Sandbox::new();
    let output = run(&sandbox, &["--log-f=x.log", "--version"]);
    assert!(output.ok(), "{output}");
    assert!(sandbox.path("x.log").exists());
    let output = run(&sandbox, &["--log-format=xml"]);
    assert_eq!(
        (output.code, output.stderr.as_str()),
        (Some(1), "daemon: unsupported log format 'xml'\n")
    );
}
