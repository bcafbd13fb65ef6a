//! What the system says of this process: processor time, memory, descriptors, threads.
//!
//! Only looks. A figure that the system does not tell is left out.

use std::fs;

use nix::sys::resource::{Resource, UsageWho, getrlimit, getrusage};
use nix::sys::time::TimeValLike as _;
use nix::unistd::{Gid, Group, Uid, User, getegid, geteuid};

/// The figures of a moment.
#[derive(Clone, Copy, Debug, Default)]
pub struct Figures {
    /// Processor time that was taken by all threads, in seconds.
    pub cpu_seconds: Option<f64>,
    /// Memory that the process has, in bytes.
    pub resident_bytes: Option<u64>,
    /// Addresses that it has taken, in bytes.
    pub virtual_bytes: Option<u64>,
    /// Descriptors that are open.
    pub open_fds: Option<u64>,
    /// Descriptors that may be open.
    pub max_fds: Option<u64>,
    /// Threads.
    pub threads: Option<u64>,
}

impl Figures {
    /// Those of now.
    #[must_use]
    pub fn now() -> Self {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let field = |name: &str| {
            let rest = status.lines().find_map(|line| line.strip_prefix(name))?;
            rest.split_whitespace().next()?.parse::<u64>().ok()
        };
        let kilobytes = |name| field(name).map(|count| count * 1024);
        let cpu_seconds = getrusage(UsageWho::RUSAGE_SELF).ok().map(|usage| {
            let taken = usage.user_time() + usage.system_time();
            // Exact for centuries.
            #[allow(clippy::cast_precision_loss)]
            let microseconds = taken.num_microseconds() as f64;
            microseconds / 1e6
        });
        // One of them is open for looking.
        let open = fs::read_dir("/proc/self/fd").map(|folder| folder.count() as u64 - 1);
        Self {
            cpu_seconds,
            resident_bytes: kilobytes("VmRSS:"),
            virtual_bytes: kilobytes("VmSize:"),
            open_fds: open.ok(),
            max_fds: getrlimit(Resource::RLIMIT_NOFILE)
                .ok()
                .map(|(soft, _)| soft),
            threads: field("Threads:"),
        }
    }
}

/// Who runs the process: a user and a group, by names where they have some.
#[must_use]
pub fn owner() -> (String, String) {
    names(geteuid().as_raw(), getegid().as_raw())
}

/// A user and a group, by names where they have some. To find them may take long.
#[must_use]
pub fn names(uid: u32, gid: u32) -> (String, String) {
    let user = User::from_uid(Uid::from_raw(uid)).ok().flatten();
    let group = Group::from_gid(Gid::from_raw(gid)).ok().flatten();
    (
        user.map_or_else(|| uid.to_string(), |user| user.name),
        group.map_or_else(|| gid.to_string(), |group| group.name),
    )
}

/// The name of this machine.
#[must_use]
pub fn hostname() -> String {
    let system = rustix::system::uname();
    system.nodename().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_tells_every_figure_and_descriptors_are_counted() {
        let Figures {
            cpu_seconds: Some(_),
            resident_bytes: Some(resident),
            virtual_bytes: Some(addresses),
            open_fds: Some(open),
            max_fds: Some(max),
            threads: Some(threads),
        } = Figures::now()
        else {
            panic!("a figure is missing: {:?}", Figures::now());
        };
        assert!(resident > 100_000 && addresses > resident);
        assert!(open > 2 && max > open && threads >= 1);
    }
}
