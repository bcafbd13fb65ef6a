//! Log modules: their names and their levels.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};

use super::level::{Destination, Level};

/// Names that `-v` and `vlog/set` accept in every program, whether or not anything logs under them: scripts pass them
/// to all database programs alike.
pub(super) const KNOWN: &[&str] = &[
    "backtrace",
    "command_line",
    "cooperative_multitasking",
    "coverage",
    "daemon",
    "daemon_unix",
    "db_ctl_base",
    "dns_resolve",
    "dp_packet_gso",
    "entropy",
    "fatal_signal",
    "hmap",
    "jsonrpc",
    "lockfile",
    "memory",
    "ovs_rcu",
    "ovs_replay",
    "ovs_thread",
    "ovsdb",
    "ovsdb_client",
    "ovsdb_cs",
    "ovsdb_error",
    "ovsdb_file",
    "ovsdb_idl",
    "ovsdb_jsonrpc_server",
    "ovsdb_log",
    "ovsdb_monitor",
    "ovsdb_rbac",
    "ovsdb_server",
    "ovsdb_util",
    "poll_loop",
    "process",
    "raft",
    "raft_rpc",
    "reconnect",
    "relay",
    "replication",
    "sha1",
    "signals",
    "socket_util",
    "socket_util_unix",
    "storage",
    "stream",
    "stream_fd",
    "stream_replay",
    "stream_ssl",
    "stream_tcp",
    "stream_unix",
    "svec",
    "timeval",
    "transaction",
    "transaction_forward",
    "trigger",
    "unixctl",
    "util",
    "uuid",
    "vlog",
];

/// One module.
#[derive(Debug)]
pub(super) struct Module {
    pub(super) name: String,
    levels: [AtomicU8; 3],
    limited: AtomicBool,
    /// How many messages were logged, by level.
    counts: [AtomicU64; Level::ALL.len()],
}

impl Module {
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            levels: std::array::from_fn(|_| AtomicU8::new(Level::Info as u8)),
            limited: AtomicBool::new(true),
            counts: std::array::from_fn(|_| AtomicU64::new(0)),
        }
    }

    /// Counts a message that is logged.
    pub(super) fn count(&self, level: Level) {
        self.counts[usize::from(level as u8)].fetch_add(1, Ordering::Relaxed);
    }

    /// The levels at which messages were logged, and how many.
    pub(super) fn counts(&self) -> impl Iterator<Item = (Level, u64)> {
        let counts = self
            .counts
            .iter()
            .map(|count| count.load(Ordering::Relaxed));
        Level::ALL
            .into_iter()
            .zip(counts)
            .filter(|(_, count)| *count > 0)
    }

    /// A module with the same settings.
    pub(super) fn copy(&self, name: &str) -> Self {
        let copy = Self::new(name);
        for destination in Destination::ALL {
            copy.set_level(destination, self.level(destination));
        }
        copy.set_limited(self.is_limited());
        copy
    }

    pub(super) fn level(&self, destination: Destination) -> Level {
        let number = self.levels[destination.index()].load(Ordering::Relaxed);
        Level::ALL[usize::from(number)]
    }

    /// Whoever calls this must let `tracing` know; see `Shared::levels_changed`.
    pub(super) fn set_level(&self, destination: Destination, level: Level) {
        self.levels[destination.index()].store(level as u8, Ordering::Relaxed);
    }

    /// Whether rate limits are honoured.
    pub(super) fn is_limited(&self) -> bool {
        self.limited.load(Ordering::Relaxed)
    }

    pub(super) fn set_limited(&self, limited: bool) {
        self.limited.store(limited, Ordering::Relaxed);
    }
}

/// The module's name for a `tracing` target. Targets that are paths of code, as they are by default, count for their
/// crate.
pub(super) fn module_of_target(target: &str) -> &str {
    target.split_once("::").map_or(target, |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_paths_count_for_their_crate() {
        for (target, expect) in [
            ("jsonrpc", "jsonrpc"),
            ("mio::poll", "mio"),
            ("ovsdb_server::x::y", "ovsdb_server"),
        ] {
            assert_eq!(module_of_target(target), expect);
        }
    }

    #[test]
    fn known_modules_are_sorted_and_unique() {
        assert!(KNOWN.is_sorted_by(|a, b| a < b));
    }
}
