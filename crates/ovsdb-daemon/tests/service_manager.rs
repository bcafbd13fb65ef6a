//! What a service manager is told, and by whom, with the example daemon.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Child, Command};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use ovsdb_testkit::control::Control;
use ovsdb_testkit::daemon::Daemon;
use ovsdb_testkit::manager::{Notice, ServiceManager};
use ovsdb_testkit::programs::example;
use ovsdb_testkit::sandbox::Sandbox;

fn program() -> PathBuf {
    example("daemon")
}

fn sandbox() -> (Sandbox, ServiceManager) {
    let mut sandbox = Sandbox::new();
    let manager = ServiceManager::new(&mut sandbox);
    (sandbox, manager)
}

/// A process in the foreground, which is killed if the test ends before.
struct Foreground(Child);

impl Foreground {
    fn start(command: &mut Command) -> Foreground {
        Foreground(command.spawn().expect("the program starts"))
    }

    fn pid(&self) -> i32 {
        i32::try_from(self.0.id()).expect("a pid")
    }
}

impl Drop for Foreground {
    fn drop(&mut self) {
        // Both fail only if the process is gone, which is what is wanted.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The daemon's own pid, as its control socket tells.
fn pid_of_daemon(sandbox: &Sandbox) -> i32 {
    let answer = Control::connect(&sandbox.path("ctl")).text("pid", &[]);
    let text = answer.expect("a pid");
    text.trim().parse().expect("a number")
}

fn parent_of(pid: i32) -> i32 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("a running process");
    let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"));
    parent.expect("a parent").trim().parse().expect("a number")
}

fn main_pid(notice: &Notice) -> Option<i32> {
    let mut lines = notice.lines.iter();
    let pid = lines.find_map(|line| line.strip_prefix("MAINPID="))?;
    Some(pid.parse().expect("a number"))
}

#[test]
fn the_process_that_was_started_says_when_the_daemon_is_ready() {
    for (options, detached, monitored) in [
        (&[][..], false, false),
        (&["--monitor"][..], false, true),
        (&["--detach"][..], true, false),
        (&["--detach", "--monitor"][..], true, true),
    ] {
        let (sandbox, manager) = sandbox();
        let mut command = sandbox.command(program());
        command.args(["--unixctl=ctl", "--pidfile", "-vconsole:off"]);
        let mut started = Foreground::start(command.args(options));
        let (ready, before) = manager.wait_for("READY=1");
        assert_eq!(before, [], "{options:?}");
        assert_eq!(ready.pid, started.pid(), "{options:?}");
        let daemon = pid_of_daemon(&sandbox);
        let main = match monitored {
            true => parent_of(daemon),
            false => daemon,
        };
        // Nobody has to be told of the process that says it.
        let told = main_pid(&ready).unwrap_or(ready.pid);
        assert_eq!(told, main, "{options:?}");
        if detached {
            assert!(started.0.wait().expect("a child").success(), "{options:?}");
        }
        kill(Pid::from_raw(daemon), Signal::SIGTERM).expect("a running daemon");
        let (stopping, before) = manager.wait_for("STOPPING=1");
        assert_eq!((stopping.pid, before), (daemon, vec![]), "{options:?}");
    }
}

#[test]
fn a_daemon_that_fails_to_start_is_never_called_ready() {
    for options in [&[][..], &["--detach"], &["--detach", "--monitor"]] {
        let (sandbox, manager) = sandbox();
        let mut arguments = vec!["--fail-with=7", "-vconsole:off"];
        arguments.extend(options);
        assert_eq!(sandbox.run(program(), &arguments).code, Some(7));
        assert_eq!(manager.said(), [], "{options:?}");
    }
}

#[test]
fn a_daemon_that_comes_back_after_a_crash_is_called_ready_again() {
    let (sandbox, manager) = sandbox();
    let daemon = Daemon::start(&sandbox, program(), "daemon", &["--monitor"]);
    let (first, _) = manager.wait_for("READY=1");
    let monitor = parent_of(daemon.pid());
    assert_eq!(main_pid(&first), Some(monitor));
    daemon.signal(Signal::SIGSEGV);
    let (second, before) = manager.wait_for("READY=1");
    assert_eq!((second.pid, before), (monitor, vec![]));
    kill(Pid::from_raw(monitor), Signal::SIGKILL).expect("the monitor");
    let pid = sandbox.text("daemon.pid");
    let pid = pid.trim().parse().expect("a number");
    kill(Pid::from_raw(pid), Signal::SIGKILL).expect("the daemon");
}

#[test]
fn signs_of_life_are_given_while_the_manager_expects_them() {
    let (mut sandbox, manager) = sandbox();
    sandbox.set("WATCHDOG_USEC", "20000");
    let daemon = Daemon::start(&sandbox, program(), "daemon", &["--unixctl=none"]);
    for _ in 0..3 {
        assert_eq!(manager.wait_for("WATCHDOG=1").0.pid, daemon.pid());
    }
}

#[test]
fn a_manager_that_is_not_there_is_no_obstacle() {
    let mut sandbox = Sandbox::new();
    sandbox.set(
        "NOTIFY_SOCKET",
        &sandbox.path("nobody").display().to_string(),
    );
    let daemon = Daemon::start(&sandbox, program(), "daemon", &["--unixctl=ctl"]);
    assert_eq!(pid_of_daemon(&sandbox), daemon.pid());
    daemon.stop();
    let log = sandbox.text("daemon.log");
    let line = "|daemon_unix|WARN|cannot notify the service manager (No such file or directory)";
    assert!(log.contains(line), "{log}");
}

#[test]
fn the_first_process_of_a_container_ends_by_a_signal_as_others_do() {
    let alone = [
        "--user",
        "--map-root-user",
        "--pid",
        "--fork",
        "--kill-child",
    ];
    let can = Command::new("unshare").args(alone).arg("true").output();
    if !can.is_ok_and(|output| output.status.success()) {
        // Not by way of what the test prints, which nobody sees of tests that pass.
        let said = writeln!(
            std::io::stderr(),
            "left out: a container's first process, because nothing can be a container here"
        );
        return said.expect("somebody reads it");
    }
    let (sandbox, manager) = sandbox();
    let mut command = sandbox.command("unshare");
    command
        .args(alone)
        .arg(program())
        .args(["--unixctl=ctl", "--pidfile", "-vconsole:off"]);
    let mut started = Foreground::start(&mut command);
    let (ready, _) = manager.wait_for("READY=1");
    assert_eq!(sandbox.text("daemon.pid"), "1\n");
    kill(Pid::from_raw(ready.pid), Signal::SIGTERM).expect("a running daemon");
    let status = started.0.wait().expect("a child");
    assert_eq!(
        status.code(),
        Some(128 + Signal::SIGTERM as i32),
        "{status}"
    );
    assert!(!sandbox.path("daemon.pid").exists() && !sandbox.path("ctl").exists());
}
