//! Deadly signals: sockets and pidfiles are removed before the process dies of them, and a deadline that ends a program.
//!
//! A thread waits for SIGTERM, SIGINT, SIGHUP and SIGALRM; signal handlers proper only wake it.

use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::Signal;
use parking_lot::Mutex;
use signal_hook::consts::{SIGALRM, SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::iterator::Signals;

const FATAL: [i32; 4] = [SIGTERM, SIGINT, SIGHUP, SIGALRM];

type Hook = Box<dyn FnOnce() + Send>;
static HOOKS: Mutex<Vec<Hook>> = Mutex::new(Vec::new());
static INSTALLED: Mutex<bool> = Mutex::new(false);

/// Runs `hook` before this process dies of one of the signals above; it must be quick. Not run at other ends.
pub fn on_fatal(hook: impl FnOnce() + Send + 'static) {
    HOOKS.lock().push(Box::new(hook));
}

/// Starts the thread that waits for deadly signals. A process that forks calls this afterwards; daemons need not call
/// it, [`crate::daemonize::Daemonize::start`] does. Signals that are ignored, as with `nohup`, stay so. Calls after the
/// first do nothing.
///
/// # Errors
/// What the operating system says; signals then have their default effect, and leave files behind.
pub fn install() -> std::io::Result<()> {
    let mut installed = INSTALLED.lock();
    if *installed {
        return Ok(());
    }
    let ignored = ignored_signals();
    let mut signals = Signals::new(
        FATAL
            .into_iter()
            .filter(|signal| ignored & (1 << (signal - 1)) == 0),
    )?;
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            if let Some(signal) = signals.forever().next() {
                die(signal);
            }
        })?;
    *installed = true;
    Ok(())
}

/// From here on, writing to a file that may not grow any further (`ulimit -f`) fails like writing to a full disk, instead of
/// ending the process.
pub(crate) fn outlive_file_limits() {
    // It needs a handler that does nothing. It can be refused only for signals that cannot be handled.
    let _ = signal_hook::flag::register(SIGXFSZ, Arc::default());
}

/// The set of ignored signals as a bit mask, bit 0 for signal 1.
fn ignored_signals() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0)
}

fn die(signal: i32) -> ! {
    tracing::warn!(target: "fatal_signal", "terminating with signal {signal} ({})", name(signal));
    crate::notify::stopping();
    for hook in std::mem::take(&mut *HOOKS.lock()) {
        hook();
    }
    ovsdb_net::unlink_all();
    // So that the parent sees which signal it was. The first process of a container dies of no signal that it sends to
    // itself, and would crash instead.
    if std::process::id() != 1 {
        // Without the right to do that, which cannot be, an ordinary end.
        let _ = signal_hook::low_level::emulate_default_handler(signal);
    }
    std::process::exit(128 + signal)
}

/// Ends this process with SIGALRM when `timeout` has passed.
///
/// # Errors
/// What the operating system says about a new thread.
pub fn alarm(timeout: Duration) -> std::io::Result<()> {
    std::thread::Builder::new()
        .name("alarm".to_owned())
        .spawn(move || {
            std::thread::sleep(timeout);
            die(SIGALRM)
        })?;
    Ok(())
}

/// Sets the deadline of a command-line program: `secs`, or `OVS_CTL_TIMEOUT` of the environment, or none.
///
/// # Errors
/// See [`alarm`].
pub fn set_timeout(secs: Option<u32>) -> std::io::Result<()> {
    let secs = secs.or_else(|| std::env::var("OVS_CTL_TIMEOUT").ok()?.parse().ok());
    match secs {
        None | Some(0) => Ok(()),
        Some(secs) => alarm(Duration::from_secs(secs.into())),
    }
}

/// A signal's name in the C library's words.
#[must_use]
pub fn name(signal: i32) -> String {
    let Ok(known) = Signal::try_from(signal) else {
        return format!("signal {signal}");
    };
    match known {
        Signal::SIGHUP => "Hangup",
        Signal::SIGINT => "Interrupt",
        Signal::SIGQUIT => "Quit",
        Signal::SIGILL => "Illegal instruction",
        Signal::SIGTRAP => "Trace/breakpoint trap",
        Signal::SIGABRT => "Aborted",
        Signal::SIGBUS => "Bus error",
        Signal::SIGFPE => "Floating point exception",
        Signal::SIGKILL => "Killed",
        Signal::SIGUSR1 => "User defined signal 1",
        Signal::SIGSEGV => "Segmentation fault",
        Signal::SIGUSR2 => "User defined signal 2",
        Signal::SIGPIPE => "Broken pipe",
        Signal::SIGALRM => "Alarm clock",
        Signal::SIGTERM => "Terminated",
        Signal::SIGSTOP => "Stopped (signal)",
        Signal::SIGXCPU => "CPU time limit exceeded",
        Signal::SIGXFSZ => "File size limit exceeded",
        other => other.as_str(),
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_have_the_names_of_the_c_library() {
        let cases = [
            (11, "Segmentation fault"),
            (14, "Alarm clock"),
            (15, "Terminated"),
            (17, "SIGCHLD"),
            (99, "signal 99"),
        ];
        for (signal, expect) in cases {
            assert_eq!(name(signal), expect);
        }
    }
}
