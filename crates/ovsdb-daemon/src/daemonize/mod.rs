//! Going to the background: `--detach`, `--monitor`, `--pidfile`, `--user` and their kin.
//!
//! [`Daemonize::start`] forks, so it comes before the first thread and before the tokio runtime. The process that the
//! shell started waits until the daemon calls [`Daemon::complete`], and tells its exit code if it does not come that far.

mod monitor;
mod startup;
mod user;

use std::fmt;
use std::fs::OpenOptions;
use std::path::PathBuf;

use crate::fork::restore_fault_signals;
use crate::options::{Arg, Spec};
use crate::pidfile::{self, Pidfile};
use crate::vlog::{self, Destination, Level};
use crate::{notify, program, signals};

use startup::{Forked, Startup};
pub use user::UserError;

/// The options that every daemon has.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Opt {
    /// `--detach`.
    Detach,
    /// `--monitor`.
    Monitor,
    /// `--user`.
    User,
    /// `--no-chdir`.
    NoChdir,
    /// `--no-self-confinement`.
    NoSelfConfinement,
    /// `--pidfile`.
    Pidfile,
    /// `--overwrite-pidfile`.
    OverwritePidfile,
}

/// The options that every daemon has.
pub const OPTIONS: &[Spec<Opt>] = &[
    Spec::long(
        Opt::Detach,
        "detach",
        Arg::No,
        "run in background as daemon",
    ),
    Spec::long(
        Opt::Monitor,
        "monitor",
        Arg::No,
        "creates a process to monitor this daemon",
    ),
    Spec::long(
        Opt::User,
        "user",
        Arg::Required("USER[:GROUP]"),
        "changes the effective daemon user:group",
    ),
    Spec::long(Opt::NoChdir, "no-chdir", Arg::No, "do not chdir to '/'"),
    Spec::long(
        Opt::NoSelfConfinement,
        "no-self-confinement",
        Arg::No,
        "allow sockets outside the run folder to be named at run time",
    ),
    Spec::long(
        Opt::Pidfile,
        "pidfile",
        Arg::Optional("FILE"),
        "create pidfile\n(default: NAME.pid in the run folder)",
    ),
    Spec::long(
        Opt::OverwritePidfile,
        "overwrite-pidfile",
        Arg::No,
        "with --pidfile, start even if already running",
    ),
];

/// How a daemon is to be started.
#[derive(Clone, Debug, Default)]
pub struct Daemonize {
    detach: bool,
    monitor: bool,
    no_chdir: bool,
    overwrite_pidfile: bool,
    no_self_confinement: bool,
    keep_stdout: bool,
    keep_stderr: bool,
    pidfile: Option<PathBuf>,
    user: Option<user::Identity>,
}

impl Daemonize {
    /// In the foreground, without a pidfile.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes one of [`OPTIONS`].
    ///
    /// # Errors
    /// See [`UserError`]; only `--user` can be wrong.
    pub fn apply(&mut self, option: Opt, value: Option<&str>) -> Result<(), UserError> {
        match option {
            Opt::Detach => self.detach = true,
            Opt::Monitor => self.monitor = true,
            Opt::User => self.user = Some(user::Identity::parse(value.unwrap_or_default())?),
            Opt::NoChdir => self.no_chdir = true,
            Opt::NoSelfConfinement => self.no_self_confinement = true,
            Opt::Pidfile => self.pidfile = Some(pidfile::path(value)),
            Opt::OverwritePidfile => self.overwrite_pidfile = true,
        }
        Ok(())
    }

    /// Whether the program goes to the background.
    #[must_use]
    pub fn is_detached(&self) -> bool {
        self.detach
    }

    /// Whether sockets named at run time, by a database say, must lie in the run folder.
    #[must_use]
    pub fn is_self_confined(&self) -> bool {
        !self.no_self_confinement
    }

    /// Leaves standard output alone when detaching, for programs whose output goes on.
    pub fn keep_stdout(&mut self) {
        self.keep_stdout = true;
    }

    /// Leaves standard error alone when detaching, for programs that may yet have to say why they end. The log does not
    /// go there any more.
    pub fn keep_stderr(&mut self) {
        self.keep_stderr = true;
    }

    /// Forks as asked, returns in the daemon, makes the pidfile and takes charge of deadly signals. The other
    /// processes end here. Call this before the first thread is started. What goes wrong ends the program with a
    /// message and exit code 1.
    #[must_use]
    pub fn start(self) -> Daemon {
        if let Some(user) = &self.user
            && let Err(error) = user.assume()
        {
            fatal(format_args!("{error}, aborting"));
        }
        let mut startup = None;
        if self.detach {
            match startup::fork_and_wait() {
                Ok(Forked::Child(ours)) => startup = Some(ours),
                Ok(Forked::Parent(child)) => {
                    notify::ready(Some(child));
                    leave(0)
                }
                Err(error) => {
                    log_startup_error(&error);
                    fatal(format_args!("could not detach from foreground session"));
                }
            }
            // Fails only for the leader of a process group, which a new process is not.
            let _ = nix::unistd::setsid();
        }
        if self.monitor {
            match startup::fork_and_wait() {
                Ok(Forked::Child(ours)) => startup = Some(ours),
                Ok(Forked::Parent(daemon)) => {
                    tell(startup.take());
                    if self.detach {
                        self.close_standard_files();
                    }
                    startup = Some(monitor::watch(daemon));
                }
                Err(error) => {
                    log_startup_error(&error);
                    fatal(format_args!("could not initiate process monitoring"));
                }
            }
        }
        let pidfile = self.pidfile.as_deref().map(|path| {
            Pidfile::create(path, self.overwrite_pidfile)
                .unwrap_or_else(|error| fatal(format_args!("{error}")))
        });
        if let Err(error) = restore_fault_signals().and_then(|()| signals::install()) {
            fatal(format_args!(
                "signal setup failed ({})",
                ovsdb_net::errno_text(&error)
            ));
        }
        Daemon {
            settings: self,
            startup,
            _pidfile: pidfile,
            completed: false,
        }
    }

    /// Points the standard files to nowhere, so that a session they belong to can end.
    fn close_standard_files(&self) {
        match OpenOptions::new().read(true).write(true).open("/dev/null") {
            Ok(null) => {
                // These fail only for bad descriptors, and this one was just opened.
                let _ = rustix::stdio::dup2_stdin(&null);
                if !self.keep_stdout {
                    let _ = rustix::stdio::dup2_stdout(&null);
                }
                if !self.keep_stderr {
                    let _ = rustix::stdio::dup2_stderr(&null);
                }
            }
            Err(error) => {
                tracing::error!(target: "daemon", "could not open /dev/null: {}", ovsdb_net::errno_text(&error));
            }
        }
        // Nobody reads it now. The module list has no part in this, so that it cannot fail.
        let _ = vlog::set_level(None, Some(Destination::Console), Level::Off);
    }
}

/// The running daemon. Its pidfile goes when this is dropped.
#[derive(Debug)]
pub struct Daemon {
    settings: Daemonize,
    startup: Option<Startup>,
    _pidfile: Option<Pidfile>,
    completed: bool,
}

impl Daemon {
    /// Tells whoever started the daemon that it serves now, leaves the folder it was started in and closes the standard
    /// files. Later calls do nothing.
    pub fn complete(&mut self) {
        if std::mem::replace(&mut self.completed, true) {
            return;
        }
        tell(self.startup.take());
        if self.settings.detach {
            if !self.settings.no_chdir {
                // The root folder is always there; staying where we are would only keep a folder busy.
                let _ = std::env::set_current_dir("/");
            }
            self.settings.close_standard_files();
        }
    }

    /// Whether the daemon runs in the background.
    #[must_use]
    pub fn is_detached(&self) -> bool {
        self.settings.detach
    }

    /// See [`Daemonize::is_self_confined`].
    #[must_use]
    pub fn is_self_confined(&self) -> bool {
        self.settings.is_self_confined()
    }
}

/// Tells that the daemon serves: the process that waits for it, or if there is none, whoever started this one.
fn tell(startup: Option<Startup>) {
    match startup {
        Some(startup) => startup.complete(),
        None => notify::ready(None),
    }
}

fn fatal(message: fmt::Arguments<'_>) -> ! {
    vlog::fatal("daemon_unix", message)
}

fn log_startup_error(error: &startup::StartupError) {
    tracing::error!(target: "daemon_unix", "{error}");
}

/// Ends a process that is not the daemon: files in charge are the daemon's, so none is removed.
fn leave(code: i32) -> ! {
    ovsdb_net::forget_all();
    program::exit(code)
}
