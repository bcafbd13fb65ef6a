//! The metrics of `ovsdb-server`: what they are called and what they mean. The man page lists them from here.
//!
//! How the values come about is not known here.

use ovsdb_daemon::metrics::Kind;

/// What stands before the name of a metric.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Prefix {
    /// Of this server.
    Own,
    /// Of the process, as clients of Prometheus have them.
    Process,
}

/// A metric.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// What stands before its name.
    pub prefix: Prefix,
    /// Its name. What it counts in is its last word, or the last but `total`; without one it counts things.
    pub name: &'static str,
    /// What its values are.
    pub kind: Kind,
    /// The names of its labels.
    pub labels: &'static [&'static str],
    /// What it means.
    pub help: &'static str,
}

impl Metric {
    /// The whole names, all of which have the same values.
    pub fn names(&self) -> Vec<String> {
        let prefixes: &[&str] = match self.prefix {
            Prefix::Own => &["ovsdb_"],
            Prefix::Process => &["process_"],
        };
        let prefixes = prefixes.iter();
        prefixes
            .map(|prefix| format!("{prefix}{}", self.name))
            .collect()
    }
}

const fn own(
    name: &'static str,
    kind: Kind,
    labels: &'static [&'static str],
    help: &'static str,
) -> Metric {
    Metric {
        prefix: Prefix::Own,
        name,
        kind,
        labels,
        help,
    }
}

const fn process(name: &'static str, kind: Kind, help: &'static str) -> Metric {
    Metric {
        prefix: Prefix::Process,
        name,
        kind,
        labels: &[],
        help,
    }
}

macro_rules! metrics {
    ($($(#[$doc:meta])* $constant:ident = $metric:expr;)*) => {
        $($(#[$doc])* pub(super) const $constant: Metric = $metric;)*
        /// All metrics, in the order of the page.
        pub const METRICS: &[Metric] = &[$($constant),*];
    };
}

const BY_DATABASE: &[&str] = &["database"];

metrics! {
    BUILD_INFO = own(
        "build_info",
        Kind::Gauge,
        &["version", "open_vswitch_version"],
        "Always 1; its labels tell the version of this program, and the release of Open vSwitch whose behaviour it has.",
    );
    READY = own(
        "ready",
        Kind::Gauge,
        &[],
        "1 if /readyz says so, else 0.",
    );
    SESSIONS = own(
        "sessions",
        Kind::Gauge,
        &["method"],
        "Clients that are connected, by the connection method of the remote by which they came.",
    );
    MONITORS = own(
        "monitors",
        Kind::Gauge,
        BY_DATABASE,
        "Monitors that clients have.",
    );
    ROWS = own("rows", Kind::Gauge, BY_DATABASE, "Rows in all tables.");
    COMMITS = own(
        "commits_total",
        Kind::Counter,
        BY_DATABASE,
        "Transactions that have changed something.",
    );
    WAITING = own(
        "transactions_waiting",
        Kind::Gauge,
        BY_DATABASE,
        "Transactions that wait for those before them.",
    );
    PARKED = own(
        "transactions_parked",
        Kind::Gauge,
        BY_DATABASE,
        "Transactions that a wait operation holds back.",
    );
    TROUBLE = own(
        "write_trouble",
        Kind::Gauge,
        BY_DATABASE,
        "1 while nothing can be written to the file, else 0.",
    );
    CPU = process(
        "cpu_seconds_total",
        Kind::Counter,
        "Processor time that the process has taken, in seconds.",
    );
    RESIDENT = process(
        "resident_memory_bytes",
        Kind::Gauge,
        "Memory that the process has, in bytes.",
    );
    VIRTUAL = process(
        "virtual_memory_bytes",
        Kind::Gauge,
        "Addresses that the process has taken, in bytes.",
    );
    OPEN_FDS = process("open_fds", Kind::Gauge, "Descriptors that are open.");
    MAX_FDS = process(
        "max_fds",
        Kind::Gauge,
        "Descriptors that may be open.",
    );
    THREADS = process("threads", Kind::Gauge, "Threads of the process.");
    START_TIME = process(
        "start_time_seconds",
        Kind::Gauge,
        "When the process began to serve, in seconds since 1970.",
    );
}
