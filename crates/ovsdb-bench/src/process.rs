//! What a process uses: processor time and memory, as the system accounts for it.
//!
//! Reads, but for the request to begin the peak of memory anew, for an end at once, and for a standstill.

use std::fs;
use std::path::Path;
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{Signal, kill};
use nix::time::ClockId;
use nix::unistd::Pid;

/// A process of this machine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Process(i32);

impl Process {
    /// The process with this id, if its use of resources may be known.
    pub(crate) fn known(pid: i32) -> Option<Process> {
        let process = Process(pid);
        process.cpu_time().map(|_| process)
    }

    /// Processor time used since its start, by all threads, ended ones included.
    pub(crate) fn cpu_time(self) -> Option<Duration> {
        let clock = ClockId::pid_cpu_clock_id(Pid::from_raw(self.0)).ok()?;
        clock.now().ok().map(Duration::from)
    }

    /// Resident memory in bytes.
    pub(crate) fn resident_bytes(self) -> Option<u64> {
        self.status("VmRSS:")
    }

    /// The most resident memory, in bytes, since the start or the last [`Process::reset_peak`].
    pub(crate) fn peak_bytes(self) -> Option<u64> {
        self.status("VmHWM:")
    }

    /// Lets the peak begin at what is resident now. Where the system does not allow it, the peak goes on to count from
    /// the start of the process.
    pub(crate) fn reset_peak(self) {
        // See proc(5): 5 is the peak of resident memory. Not being allowed is no failure, as said above.
        let _ = fs::write(format!("/proc/{}/clear_refs", self.0), "5");
    }

    /// Open descriptors.
    pub(crate) fn descriptors(self) -> Option<u64> {
        let folder = fs::read_dir(format!("/proc/{}/fd", self.0)).ok()?;
        Some(folder.count() as u64)
    }

    /// Ends the process at once. One that has ended by itself is as well.
    pub(crate) fn kill(self) {
        let _ = kill(Pid::from_raw(self.0), Signal::SIGKILL);
    }

    /// Has the process stand still until what this gives is dropped.
    pub(crate) fn hold(self) -> Held {
        // One that has ended stands still, too.
        let _ = kill(Pid::from_raw(self.0), Signal::SIGSTOP);
        Held(self)
    }

    fn status(self, name: &str) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0)).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        let kib: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
        Some(kib * 1024)
    }
}

/// A process that stands still. Dropping this lets it go on.
pub(crate) struct Held(Process);

impl Drop for Held {
    fn drop(&mut self) {
        // See `Process::hold`.
        let _ = kill(Pid::from_raw(self.0.0), Signal::SIGCONT);
    }
}

/// The processes whose working folder is this one.
pub(crate) fn working_in(folder: &Path) -> Vec<Process> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let processes = entries.filter_map(|entry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        let works_in = fs::read_link(entry.path().join("cwd")).ok()?;
        (works_in == folder).then_some(Process(pid))
    });
    processes.collect()
}

/// Lets this process, and those that it starts, have as many descriptors as the system allows. Says how many that is.
pub(crate) fn raise_descriptors() -> u64 {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else {
        return 0;
    };
    match setrlimit(Resource::RLIMIT_NOFILE, hard, hard) {
        Ok(()) => hard,
        Err(_) => soft,
    }
}
