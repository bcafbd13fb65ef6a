//! Daemons under test: started detached, so that "started" means "serves", and gone when dropped.
//!
//! A daemon's parent process ends when the daemon is ready; that is the event waited for. The test process adopts
//! the daemon (as its subreaper), so that the end of a daemon is an event too. Nothing here sleeps or polls.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Once;

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;
use rustix::process::{Resource, Rlimit, prlimit};

use crate::programs::Side;
use crate::sandbox::{Output, Sandbox};

/// A running daemon. Dropping it kills it and waits for its end.
#[derive(Debug)]
pub struct Daemon {
    name: String,
    pid: Pid,
    ended: bool,
}

impl Daemon {
    /// Starts `program` with `arguments` and `--detach --no-chdir --pidfile=NAME.pid --log-file=NAME.log`, and
    /// returns when it says that it is ready.
    ///
    /// # Panics
    /// If it does not become ready; the message holds what it printed and its log.
    pub fn start<A>(
        sandbox: &Sandbox,
        program: impl AsRef<Path>,
        name: &str,
        arguments: &[A],
    ) -> Daemon
    where
        A: Clone + Into<OsString>,
    {
        Daemon::try_start(sandbox, program, name, arguments).unwrap_or_else(|output| {
            panic!(
                "{name} does not start: {output}\nlog:\n{}",
                sandbox.text(log(name))
            )
        })
    }

    /// Like [`Daemon::start`], for daemons that are expected to refuse.
    ///
    /// # Errors
    /// What the program printed, if it did not become ready.
    pub fn try_start<A>(
        sandbox: &Sandbox,
        program: impl AsRef<Path>,
        name: &str,
        arguments: &[A],
    ) -> Result<Daemon, Output>
    where
        A: Clone + Into<OsString>,
    {
        adopt_orphans();
        let pidfile = sandbox.path(format!("{name}.pid"));
        let mut all: Vec<OsString> = arguments.iter().cloned().map(Into::into).collect();
        all.extend(["--detach".into(), "--no-chdir".into()]);
        all.push(option("--pidfile=", &pidfile));
        all.push(option("--log-file=", &sandbox.path(log(name))));
        let output = sandbox.run(program, &all);
        if !output.ok() {
            return Err(output);
        }
        let text = std::fs::read_to_string(&pidfile).unwrap_or_default();
        let Ok(pid) = text.trim().parse() else {
            let stderr = format!("{name} is detached and its pidfile holds {text:?}");
            return Err(Output { stderr, ..output });
        };
        Ok(Daemon {
            name: name.to_owned(),
            pid: Pid::from_raw(pid),
            ended: false,
        })
    }

    /// The daemon's process id.
    pub fn pid(&self) -> i32 {
        self.pid.as_raw()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        kill(self.pid, signal)
            .unwrap_or_else(|error| panic!("{} cannot be signalled: {error}", self.name));
    }

    /// Has the daemon stand still (SIGSTOP): its sockets take what is sent, and nobody reads it.
    pub fn freeze(&self) {
        self.signal(Signal::SIGSTOP);
    }

    /// Has the daemon go on (SIGCONT).
    pub fn thaw(&self) {
        self.signal(Signal::SIGCONT);
    }

    /// From now on its files may not grow beyond so many bytes; `None`: as far as they like. What it does then about
    /// SIGXFSZ is up to it, see [`Sandbox::ignore_file_limits`].
    pub fn limit_files(&self, bytes: Option<u64>) {
        let pid = rustix::process::Pid::from_raw(self.pid.as_raw());
        let limit = Rlimit {
            current: bytes,
            maximum: None,
        };
        prlimit(pid, Resource::Fsize, limit).unwrap_or_else(|error| {
            panic!("the files of {} cannot be limited: {error}", self.name)
        });
    }

    /// Waits until the daemon has ended by itself, or by a signal sent before.
    pub fn wait(mut self) -> WaitStatus {
        self.reap()
    }

    /// Asks the daemon to end (SIGTERM) and waits until it has.
    pub fn stop(self) -> WaitStatus {
        self.signal(Signal::SIGTERM);
        self.wait()
    }

    /// Ends the daemon at once (SIGKILL), with no chance to tidy up.
    pub fn kill(self) -> WaitStatus {
        self.signal(Signal::SIGKILL);
        self.wait()
    }

    fn reap(&mut self) -> WaitStatus {
        self.ended = true;
        waitpid(self.pid, None)
            .unwrap_or_else(|error| panic!("{} cannot be waited for: {error}", self.name))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if !self.ended {
            // Both fail only if the process is gone, which is what is wanted.
            let _ = kill(self.pid, Signal::SIGKILL);
            let _ = waitpid(self.pid, None);
        }
    }
}

/// An `ovsdb-server` of either side that listens on `db.sock` in its sandbox.
#[derive(Debug)]
pub struct Server {
    daemon: Daemon,
    socket: PathBuf,
    control: PathBuf,
}

impl Server {
    /// Creates `DATABASE` in the sandbox for each (database file, schema) that does not exist yet, and serves all.
    pub fn start(sandbox: &Sandbox, side: Side, databases: &[(&str, &Path)]) -> Server {
        Server::start_as(sandbox, side, "ovsdb-server", "db.sock", databases, &[])
    }

    /// The same with a name for the daemon's files and socket, and with more arguments.
    pub fn start_as(
        sandbox: &Sandbox,
        side: Side,
        name: &str,
        socket: &str,
        databases: &[(&str, &Path)],
        more: &[&str],
    ) -> Server {
        for (file, schema) in databases {
            let file = sandbox.path(file);
            if !file.exists() {
                let arguments = [
                    "create".into(),
                    file.into_os_string(),
                    schema.as_os_str().to_owned(),
                ];
                sandbox.run_ok(side.program("ovsdb-tool"), &arguments);
            }
        }
        let socket = sandbox.path(socket);
        let control = sandbox.path(format!("{name}.ctl"));
        let mut arguments: Vec<OsString> = databases
            .iter()
            .map(|(file, _)| sandbox.path(file).into())
            .collect();
        arguments.push(option("--remote=punix:", &socket));
        arguments.push(option("--unixctl=", &control));
        arguments.push("-vconsole:off".into());
        arguments.push("-vsyslog:off".into());
        arguments.extend(more.iter().map(OsString::from));
        let daemon = Daemon::start(sandbox, side.program("ovsdb-server"), name, &arguments);
        Server {
            daemon,
            socket,
            control,
        }
    }

    /// Where clients connect, as programs want it: `unix:PATH`.
    pub fn remote(&self) -> String {
        format!("unix:{}", self.socket.display())
    }

    /// The path of the listening socket.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// The path of the control socket, for `ovs-appctl -t`.
    pub fn control(&self) -> &Path {
        &self.control
    }

    /// The process, to signal it.
    pub fn daemon(&self) -> &Daemon {
        &self.daemon
    }

    /// Asks the server to end (SIGTERM) and waits until it has.
    pub fn stop(self) -> WaitStatus {
        self.daemon.stop()
    }

    /// Ends the server at once (SIGKILL).
    pub fn kill(self) -> WaitStatus {
        self.daemon.kill()
    }
}

fn log(name: &str) -> String {
    format!("{name}.log")
}

fn option(name: &str, path: &Path) -> OsString {
    let mut option = OsString::from(name);
    option.push(path);
    option
}

/// Makes the test process the parent of daemons whose own parents end, so that their end can be waited for.
pub(crate) fn adopt_orphans() {
    static ADOPT: Once = Once::new();
    ADOPT.call_once(|| {
        nix::sys::prctl::set_child_subreaper(true).expect("Linux lets a process adopt its orphans");
    });
}
