//! A temporary folder that stands in for the folders of an Open vSwitch installation.
//!
//! Programs started through it keep sockets, pidfiles, logs and databases there and nowhere else. It starts
//! programs that end by themselves; those that stay are [`crate::daemon`]'s.

use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// Seconds after which a client program gives up, so that a server that does not answer fails a test
/// instead of hanging it. Far beyond what any of them takes.
const CLIENT_TIMEOUT_S: &str = "60";

/// The folder of one run; removed when dropped.
#[derive(Debug)]
pub struct Sandbox {
    folder: TempDir,
    variables: Vec<(String, String)>,
    ignores_file_limits: bool,
    handed_over: Option<OwnedFd>,
}

/// What a program left when it ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Output {
    /// Exit code; `None` if a signal ended the program.
    pub code: Option<i32>,
    /// Everything written to standard output. Bytes that are no UTF-8 are replaced.
    pub stdout: String,
    /// Everything written to standard error.
    pub stderr: String,
}

impl Output {
    /// True if the exit code is 0.
    pub fn ok(&self) -> bool {
        self.code == Some(0)
    }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code {
            Some(code) => writeln!(f, "exit code {code}")?,
            None => writeln!(f, "ended by a signal")?,
        }
        write!(
            f,
            "stdout:\n{}\nstderr:\n{}",
            self.stdout.trim_end(),
            self.stderr.trim_end()
        )
    }
}

impl Default for Sandbox {
    fn default() -> Self {
        Sandbox::new()
    }
}

impl Sandbox {
    /// An empty sandbox.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("tests can make temporary folders");
        Sandbox {
            folder,
            variables: Vec::new(),
            ignores_file_limits: false,
            handed_over: None,
        }
    }

    /// Adds a variable to the environment of all programs that are started here from now on.
    pub fn set(&mut self, variable: &str, value: &str) {
        self.variables.push((variable.to_owned(), value.to_owned()));
    }

    /// Has programs that are started here from now on not be killed for the size of their files (SIGXFSZ).
    pub fn ignore_file_limits(&mut self) {
        self.ignores_file_limits = true;
    }

    /// Has programs that are started here from now on inherit this as descriptor 3, as systemd hands over its first socket.
    pub fn hand_over(&mut self, socket: impl Into<OwnedFd>) {
        self.handed_over = Some(socket.into());
    }

    /// The folder itself.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The path of `name` in the folder.
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder().join(name)
    }

    /// What `name`, written in the folder, holds. A file that does not exist is empty.
    pub fn text(&self, name: impl AsRef<Path>) -> String {
        fs::read(self.path(name))
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    /// A command whose folders are this sandbox, with nothing on its standard input.
    pub fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut prepare = String::new();
        let mut stdin = Stdio::null();
        if self.ignores_file_limits {
            prepare += "trap '' XFSZ; ";
        }
        if let Some(socket) = &self.handed_over {
            prepare += "exec 3<&0 0</dev/null; ";
            stdin = socket
                .try_clone()
                .expect("a descriptor can be duplicated")
                .into();
        }
        let mut command = Command::new(program.as_ref());
        if !prepare.is_empty() {
            command = Command::new("sh");
            command.args(["-c", &format!("{prepare}exec \"$0\" \"$@\"")]);
            command.arg(program.as_ref());
        }
        let folder = self.folder();
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy();
            let steers = ["OVS_", "OVN_", "NOTIFY_", "WATCHDOG_", "LISTEN_"]
                .iter()
                .any(|prefix| name.starts_with(prefix));
            if steers {
                command.env_remove(&*name);
            }
        }
        for variable in ["RUNDIR", "LOGDIR", "DBDIR", "SYSCONFDIR"] {
            command
                .env(format!("OVS_{variable}"), folder)
                .env(format!("OVN_{variable}"), folder);
        }
        command
            .env("OVS_CTL_TIMEOUT", CLIENT_TIMEOUT_S)
            .env("LC_ALL", "C.UTF-8")
            .env("TZ", "UTC")
            .envs(self.variables.iter().cloned())
            .current_dir(folder)
            .stdin(stdin);
        command
    }

    /// Runs a program until it ends.
    pub fn run<A: AsRef<OsStr>>(&self, program: impl AsRef<Path>, arguments: &[A]) -> Output {
        let program = program.as_ref();
        let output = self
            .command(program)
            .args(arguments)
            .output()
            .unwrap_or_else(|error| panic!("{} does not start: {error}", program.display()));
        Output {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Like [`Sandbox::run`]; answers with what was printed.
    ///
    /// # Panics
    /// If the program's exit code is not 0.
    pub fn run_ok<A: AsRef<OsStr>>(&self, program: impl AsRef<Path>, arguments: &[A]) -> String {
        let output = self.run(program.as_ref(), arguments);
        let arguments: Vec<_> = arguments
            .iter()
            .map(|argument| argument.as_ref().to_string_lossy())
            .collect();
        assert!(
            output.ok(),
            "{} {}: {output}",
            program.as_ref().display(),
            arguments.join(" ")
        );
        output.stdout
    }
}
