//! The two system calls that Rust calls unsafe: `fork`, and giving a signal its default effect back. The only unsafe
//! code of the project.
//!
//! It refuses to fork a process with more than one thread, which is what makes a fork unsafe; nothing else is done here.
#![allow(unsafe_code)]

use std::io;

use nix::sys::signal::{SigHandler, Signal, signal};
use nix::unistd::{ForkResult, Pid};

/// Which side of a fork this is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Side {
    /// The process that was there before.
    Parent {
        /// The new process.
        child: Pid,
    },
    /// The new process.
    Child,
}

/// Forks this process.
///
/// # Errors
/// What the operating system says; `Unsupported` if this process has more than one thread, or if the number cannot be
/// told.
pub(crate) fn fork() -> io::Result<Side> {
    let threads = std::fs::read_dir("/proc/self/task")?.count();
    if threads != 1 {
        return Err(io::Error::new(
            io::ErrorKind::Unsupported,
            format!("cannot fork a process with {threads} threads"),
        ));
    }
    // SAFETY: fork(2) is unsound where another thread of the parent may hold a lock (of the allocator, say) that the
    // child then waits for in vain. This process has one thread, as was just checked, and a process of one thread
    // cannot get another one between the check and the call.
    match unsafe { nix::unistd::fork() }? {
        ForkResult::Parent { child } => Ok(Side::Parent { child }),
        ForkResult::Child => Ok(Side::Child),
    }
}

/// Gives signals of memory faults their default effect back. The standard library's handler, which tells a stack
/// overflow from other faults, takes the first one that another process sends for nothing; a daemon must die of it, so
/// that its monitor starts it again.
///
/// # Errors
/// What the operating system says.
pub(crate) fn restore_fault_signals() -> io::Result<()> {
    for fault in [Signal::SIGSEGV, Signal::SIGBUS] {
        // SAFETY: the default action runs no code of ours in a signal handler, and nobody relies on the handler that
        // it replaces: without it a stack overflow still ends the process, by the signal itself.
        unsafe { signal(fault, SigHandler::SigDfl) }?;
    }
    Ok(())
}
