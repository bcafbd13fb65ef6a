//! The process that starts the daemon again after a crash (`--monitor`).
//!
//! It holds no database and no socket; all it does is wait.

use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::Signal;
use nix::sys::wait::WaitStatus;
use nix::unistd::Pid;

use super::leave;
use super::startup::{Forked, Startup, StartupError, describe, fork_and_wait, wait};
use crate::{notify, program, vlog};

/// Shortest time between two restarts.
const RESTART_INTERVAL: Duration = Duration::from_secs(10);

/// Signals that tell of a fault of the program rather than of somebody's wish.
const ERROR_SIGNALS: [Signal; 9] = [
    Signal::SIGABRT,
    Signal::SIGALRM,
    Signal::SIGBUS,
    Signal::SIGFPE,
    Signal::SIGILL,
    Signal::SIGPIPE,
    Signal::SIGSEGV,
    Signal::SIGXCPU,
    Signal::SIGXFSZ,
];

fn should_restart(status: WaitStatus) -> bool {
    matches!(status, WaitStatus::Signaled(_, signal, _) if ERROR_SIGNALS.contains(&signal))
}

/// Watches `daemon` and starts it again after a crash. Returns in each new daemon; the monitor itself ends here when
/// the daemon ends otherwise.
pub(super) fn watch(mut daemon: Pid) -> Startup {
    program::set_subprogram(Some("monitor"));
    let mut crashes = 0;
    let mut last_restart: Option<Instant> = None;
    let mut failed_start: Option<WaitStatus> = None;
    loop {
        let status = failed_start
            .take()
            .unwrap_or_else(|| wait_without_log_file(daemon));
        let how = describe(status);
        if !should_restart(status) {
            tracing::info!(target: "daemon_unix", "pid {daemon} died, {how}, exiting");
            leave(0);
        }
        crashes += 1;
        let what = format!("{crashes} crashes: pid {daemon} died, {how}");
        if matches!(status, WaitStatus::Signaled(_, _, true)) {
            // One core dump tells enough; more of them fill the disk.
            if let Err(errno) = setrlimit(Resource::RLIMIT_CORE, 0, 0) {
                tracing::warn!(target: "daemon_unix", "failed to disable core dumps: {}",
                    ovsdb_net::errno_text(&errno.into()));
            }
        }
        if let Some(left) =
            last_restart.and_then(|last| RESTART_INTERVAL.checked_sub(last.elapsed()))
        {
            tracing::warn!(target: "daemon_unix", "{what}, waiting until 10 seconds since last restart");
            std::thread::sleep(left);
        }
        last_restart = Some(Instant::now());
        tracing::error!(target: "daemon_unix", "{what}, restarting");
        match fork_and_wait() {
            Ok(Forked::Child(startup)) => {
                program::set_subprogram(None);
                return startup;
            }
            Ok(Forked::Parent(child)) => {
                daemon = child;
                // The one before may have said that it is about to end, or to reload.
                notify::ready(None);
            }
            Err(error) => {
                tracing::error!(target: "daemon_unix", "{error}");
                match error {
                    StartupError::Died(status) => failed_start = Some(status),
                    StartupError::Fork(_) => leave(1),
                }
            }
        }
    }
}

/// Waits with the log file closed, because it may be rotated meanwhile.
fn wait_without_log_file(daemon: Pid) -> WaitStatus {
    vlog::close_log_file();
    let status = wait(daemon);
    // A file that cannot be opened is logged elsewhere, and no reason not to restart the daemon.
    let _ = vlog::reopen_log_file();
    status
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_crashes_are_a_reason_to_restart() {
        let pid = Pid::from_raw(1);
        let cases = [
            (WaitStatus::Signaled(pid, Signal::SIGSEGV, false), true),
            (WaitStatus::Signaled(pid, Signal::SIGABRT, true), true),
            (WaitStatus::Signaled(pid, Signal::SIGTERM, false), false),
            (WaitStatus::Signaled(pid, Signal::SIGKILL, false), false),
            (WaitStatus::Exited(pid, 1), false),
            (WaitStatus::Exited(pid, 0), false),
        ];
        for (status, expect) in cases {
            assert_eq!(should_restart(status), expect, "{status:?}");
        }
    }
}
