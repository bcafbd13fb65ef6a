//! An installation in a sandbox: one side's programs first on the path, and the system's start scripts run over them.
//!
//! What the scripts start stays until they stop it, or until the installation is dropped. The test process adopts the
//! daemons' monitors, so that their end is an event. No folder of the system is written to.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::daemon::adopt_orphans;
use crate::programs::Side;
use crate::sandbox::{Output, Sandbox};

/// The programs that this project has as well.
const PROGRAMS: [&str; 4] = ["ovsdb-server", "ovsdb-client", "ovsdb-tool", "ovs-appctl"];

/// Seconds after which a script is given up. It waits for pipes and processes, and some of what it waits for would be
/// the fault that a test looks for.
const SCRIPT_TIMEOUT_S: &str = "120";

/// How long a process may take to start, or its monitor to put a new one in its place.
const START_MAX: Duration = Duration::from_secs(60);

/// How scripts find the programs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Finding {
    /// By `PATH` alone. What scripts call by its full name stays the system's.
    Path,
    /// The folders of programs that scripts take from the environment point to them as well.
    Folders,
}

/// A sandbox with a folder of programs.
#[derive(Debug)]
pub struct Installation {
    /// Folders, environment and files.
    pub sandbox: Sandbox,
    side: Side,
}

impl Installation {
    /// Nothing runs yet.
    pub fn new(side: Side, finding: Finding) -> Installation {
        adopt_orphans();
        let mut sandbox = Sandbox::new();
        let programs = sandbox.path("bin");
        fs::create_dir(&programs).expect("the sandbox is writable");
        for program in PROGRAMS {
            symlink(side.program(program), programs.join(program))
                .expect("the sandbox is writable");
        }
        let folder = programs
            .to_str()
            .expect("the path of a sandbox is UTF-8")
            .to_owned();
        sandbox.set("PATH", &format!("{folder}:/usr/sbin:/usr/bin:/sbin:/bin"));
        if finding == Finding::Folders {
            sandbox.set("OVS_BINDIR", &folder);
            sandbox.set("OVS_SBINDIR", &folder);
        }
        // Messages of scripts are coloured where a terminal is named.
        sandbox.set("TERM", "dumb");
        Installation { sandbox, side }
    }

    /// Whose programs are installed.
    pub fn side(&self) -> Side {
        self.side
    }

    /// Runs a script to its end. What it and its programs print is in the standard output, in the order of printing.
    ///
    /// It goes to a file: a daemon that kept it open would otherwise hold up the test, and not only itself.
    pub fn run<A: AsRef<OsStr>>(&self, script: &Path, arguments: &[A]) -> Output {
        let path = self.sandbox.path("script.output");
        let file = || File::create(&path).and_then(|file| Ok((file.try_clone()?, file)));
        let (stdout, stderr) = file().expect("the sandbox is writable");
        let status = self
            .sandbox
            .command("timeout")
            .args(["--kill-after=5", SCRIPT_TIMEOUT_S])
            .arg(script)
            .args(arguments)
            .stdout(stdout)
            .stderr(stderr)
            .status()
            .unwrap_or_else(|error| panic!("timeout does not start: {error}"));
        Output {
            code: status.code(),
            stdout: self.sandbox.text("script.output"),
            stderr: String::new(),
        }
    }

    /// The process of a pidfile in the sandbox, which is there and lives.
    ///
    /// # Panics
    /// If it is not.
    pub fn pid(&self, pidfile: &str) -> Pid {
        self.find_pid(pidfile)
            .unwrap_or_else(|| panic!("{pidfile} names no process that runs"))
    }

    /// Likewise, if there is one.
    pub fn find_pid(&self, pidfile: &str) -> Option<Pid> {
        let pid = self.sandbox.text(pidfile).trim().parse().ok()?;
        let pid = Pid::from_raw(pid);
        kill(pid, None).is_ok().then_some(pid)
    }

    /// Ends the process of a pidfile by a fault, and returns when its monitor has put another in its place.
    ///
    /// # Panics
    /// If that does not happen.
    pub fn crash(&self, pidfile: &str) -> Pid {
        let before = self.pid(pidfile);
        kill(before, Signal::SIGSEGV).expect("the process runs");
        wait_for(&format!("another process in {pidfile}"), || {
            self.find_pid(pidfile).filter(|pid| *pid != before)
        })
    }

    /// Returns when somebody accepts connections at a socket in the sandbox.
    ///
    /// # Panics
    /// If that does not happen.
    pub fn wait_for_socket(&self, name: &str) {
        let path = self.sandbox.path(name);
        wait_for(name, || UnixStream::connect(&path).ok());
    }

    /// Waits for the end of a monitor that this process has adopted.
    pub fn wait_for_monitor(&self, monitor: Pid) -> WaitStatus {
        waitpid(monitor, None).unwrap_or_else(|error| panic!("process {monitor}: {error}"))
    }

    /// The names in the sandbox's folder, sorted; logs, hidden files and the folder of programs are left out, and the
    /// process ids in names of control sockets are N.
    pub fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.sandbox.folder()).expect("the sandbox is readable");
        let mut names: Vec<String> = entries
            .map(|entry| entry.expect("the sandbox is readable").file_name())
            .map(|name| name.to_string_lossy().into_owned())
            .filter(|name| name != "bin" && name != "script.output")
            .filter(|name| !name.starts_with('.') && !name.ends_with(".log"))
            .map(|name| match control_socket(&name) {
                Some(program) => format!("{program}.N.ctl"),
                None => name,
            })
            .collect();
        names.sort();
        names
    }

    /// What a command of the script has shown, and which files it has left: the same for two that do the same.
    pub fn shown(&self, words: &[&str], output: &Output) -> String {
        let printed = self.normalized(&output.stdout);
        let files = self.files().join(" ");
        format!(
            "{}: {:?}\n{printed}-- {files}",
            words.join(" "),
            output.code
        )
    }

    /// `text` without what differs between two runs of one script: process ids and the sandbox's path.
    pub fn normalized(&self, text: &str) -> String {
        let folder = self.sandbox.folder().display().to_string();
        let text = text.replace(&folder, "FOLDER");
        without_pids(&text)
    }
}

impl Drop for Installation {
    fn drop(&mut self) {
        let pidfiles = self.files().into_iter();
        let pidfiles = pidfiles.filter(|name| name.ends_with(".pid"));
        let left: Vec<Pid> = pidfiles.filter_map(|name| self.find_pid(&name)).collect();
        for pid in left {
            // A monitor first: it would put another process in the place of the one that it watches.
            let monitor = parent_of(pid).filter(|parent| is_child_of_this(*parent));
            for pid in [monitor, Some(pid)].into_iter().flatten() {
                // Both fail only if the process is gone, which is what is wanted.
                let _ = kill(pid, Signal::SIGKILL);
                let _ = waitpid(pid, None);
            }
        }
    }
}

/// The parent of a process; `None` if it has gone.
pub fn parent_of(pid: Pid) -> Option<Pid> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("PPid:"))?;
    line.trim().parse().ok().map(Pid::from_raw)
}

fn is_child_of_this(pid: Pid) -> bool {
    parent_of(pid) == Some(nix::unistd::getpid())
}

/// Where a descriptor of a process leads; `None` if it is closed.
pub fn descriptor_of(pid: Pid, number: u32) -> Option<PathBuf> {
    fs::read_link(format!("/proc/{pid}/fd/{number}")).ok()
}

/// What `look` finds, as soon as there is something.
///
/// # Panics
/// If there is nothing for as long as programs may take to start; `what` says what was missing.
pub fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(started.elapsed() < START_MAX, "there is still not {what}");
        std::thread::yield_now();
    }
}

/// The program of `PROGRAM.PID.ctl`.
fn control_socket(name: &str) -> Option<&str> {
    let (program, pid) = name.strip_suffix(".ctl")?.rsplit_once('.')?;
    pid.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then_some(program)
}

/// `text` with N for the numbers after `pid ` and in brackets of their own, as scripts print process ids.
fn without_pids(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| c.is_ascii_digit()) {
        let digits = rest[at..].bytes().take_while(u8::is_ascii_digit).count();
        let (before, after) = (&rest[..at], &rest[at + digits..]);
        let is_pid = before.ends_with("pid ") || before.ends_with('(') && after.starts_with(')');
        out.push_str(before);
        out.push_str(if is_pid { "N" } else { &rest[at..at + digits] });
        rest = after;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_process_ids_are_taken_out_of_what_scripts_print() {
        let cases = [
            ("Exiting ovsdb-server (4711).", "Exiting ovsdb-server (N)."),
            (
                "is running with pid 12\n3.1.0",
                "is running with pid N\n3.1.0",
            ),
            (
                "conf.db.backup8.3.0-123 (x1)",
                "conf.db.backup8.3.0-123 (x1)",
            ),
            ("7", "7"),
        ];
        for (text, expect) in cases {
            assert_eq!(without_pids(text), expect);
        }
    }
}
