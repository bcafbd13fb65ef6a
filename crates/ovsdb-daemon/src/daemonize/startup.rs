//! Forking a process and waiting until it has started: a pipe carries the word.

use std::io::{self, PipeReader, PipeWriter, Read as _, Write as _};

use nix::errno::Errno;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use super::{fatal, leave};
use crate::fork::{Side, fork};
use crate::signals;

/// The child's end of the pipe.
#[derive(Debug)]
pub(super) struct Startup {
    pipe: PipeWriter,
}

impl Startup {
    /// Tells the parent that all is well. Dropping this without doing so tells the contrary.
    pub(super) fn complete(mut self) {
        if let Err(error) = self.pipe.write_all(&[0]) {
            fatal(format_args!(
                "pipe write failed ({})",
                ovsdb_net::errno_text(&error)
            ));
        }
    }
}

/// Which side of a fork this is, once the child has started.
pub(super) enum Forked {
    Parent(Pid),
    Child(Startup),
}

/// Why the child did not come that far.
#[derive(Debug, thiserror::Error)]
pub(super) enum StartupError {
    #[error("fork failed ({})", ovsdb_net::errno_text(.0))]
    Fork(#[source] io::Error),
    #[error("fork child died before signaling startup ({})", describe(*.0))]
    Died(WaitStatus),
}

/// Forks, and in the parent waits until the child calls [`Startup::complete`]. A child that ends with an error code
/// before that ends the parent with the same code.
pub(super) fn fork_and_wait() -> Result<Forked, StartupError> {
    let (mut reader, writer) = io::pipe().map_err(StartupError::Fork)?;
    match fork().map_err(StartupError::Fork)? {
        Side::Child => {
            drop(reader);
            Ok(Forked::Child(Startup { pipe: writer }))
        }
        Side::Parent { child } => {
            // What files there are to remove belong to the child from now on.
            ovsdb_net::forget_all();
            drop(writer);
            if is_told(&mut reader) {
                return Ok(Forked::Parent(child));
            }
            match wait(child) {
                WaitStatus::Exited(_, code) if code != 0 => leave(code),
                status => Err(StartupError::Died(status)),
            }
        }
    }
}

fn is_told(reader: &mut PipeReader) -> bool {
    reader.read_exact(&mut [0]).is_ok()
}

/// Waits for the end of a child.
pub(super) fn wait(child: Pid) -> WaitStatus {
    loop {
        match waitpid(child, Some(WaitPidFlag::empty())) {
            Err(Errno::EINTR) => {}
            Err(errno) => fatal(format_args!(
                "waitpid failed ({})",
                ovsdb_net::errno_text(&errno.into())
            )),
            Ok(status) => return status,
        }
    }
}

/// How a process ended, in the words that monitoring searches for.
pub(super) fn describe(status: WaitStatus) -> String {
    match status {
        WaitStatus::Exited(_, code) => format!("exit status {code}"),
        WaitStatus::Signaled(_, signal, dumped) => {
            let dumped = if dumped { ", core dumped" } else { "" };
            format!("killed ({}){dumped}", signals::name(signal as i32))
        }
        WaitStatus::Stopped(_, signal) => format!("stopped ({})", signals::name(signal as i32)),
        other => format!("terminated abnormally ({other:?})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::signal::Signal;

    #[test]
    fn ends_are_described() {
        let pid = Pid::from_raw(1);
        let cases = [
            (WaitStatus::Exited(pid, 3), "exit status 3"),
            (
                WaitStatus::Signaled(pid, Signal::SIGSEGV, false),
                "killed (Segmentation fault)",
            ),
            (
                WaitStatus::Signaled(pid, Signal::SIGABRT, true),
                "killed (Aborted), core dumped",
            ),
            (
                WaitStatus::Stopped(pid, Signal::SIGSTOP),
                "stopped (Stopped (signal))",
            ),
        ];
        for (status, expect) in cases {
            assert_eq!(describe(status), expect);
        }
    }
}
