//! Metrics under the names that dashboards for OVN and for Open vSwitch know, whoever tells them.
//!
//! They mean what they mean of a server that tells of itself; a program that asks others says what differs in its own table.

use ovsdb_daemon::metrics::Kind;

use super::metric::{Prefix, known, metrics};

metrics! {
    OVN_SESSIONS = known(
        Prefix::OvnDatabase,
        "jsonrpc_server_sessions",
        Kind::Gauge,
        &["db_name"],
        "Clients that are connected to the server.",
    );
    OVN_MONITORS = known(
        Prefix::OvnDatabase,
        "ovsdb_monitors",
        Kind::Gauge,
        &["db_name"],
        "Monitors that clients have.",
    );
    OVN_SIZE = known(
        Prefix::OvnDatabase,
        "db_size_bytes",
        Kind::Gauge,
        &["db_name"],
        "Size of the database file, in bytes.",
    );
    OVN_BUILD = known(
        Prefix::OvnDatabase,
        "build_info",
        Kind::Gauge,
        &["version", "nb_schema_version", "sb_schema_version"],
        "Always 1; its labels tell the release of Open vSwitch whose behaviour the server has, and the versions of the schemas.",
    );
    UP = known(
        Prefix::OvnAndOvs,
        "up",
        Kind::Gauge,
        &[],
        "1 if /readyz says so, else 0.",
    );
    INFO = known(
        Prefix::OvnAndOvs,
        "info",
        Kind::Gauge,
        &[
            "system_id",
            "rundir",
            "hostname",
            "system_type",
            "system_version",
            "ovs_version",
            "db_version",
        ],
        "Always 1; its labels tell what this is. What only the database Open_vSwitch knows is empty without it.",
    );
    FAILED_REQUESTS = known(
        Prefix::OvnAndOvs,
        "failed_req_count",
        Kind::Counter,
        &["system_id"],
        "Always 0: nobody has to be asked for these figures.",
    );
    NEXT_POLL = known(
        Prefix::OvnAndOvs,
        "next_poll",
        Kind::Counter,
        &["system_id"],
        "Now, in seconds since 1970: figures are made for each request.",
    );
    PID = known(
        Prefix::OvnAndOvs,
        "pid",
        Kind::Gauge,
        &["system_id", "component", "user", "group"],
        "The process id of the server.",
    );
    LOG_SIZE = known(
        Prefix::OvnAndOvs,
        "log_file_size",
        Kind::Gauge,
        &["system_id", "component", "filename"],
        "Size of the log file, in bytes.",
    );
    LOG_EVENTS = known(
        Prefix::OvnAndOvs,
        "log_event_count",
        Kind::Gauge,
        &["system_id", "component", "severity", "source"],
        "Log messages since the start of the process, by level and module.",
    );
    DATABASE_SIZE = known(
        Prefix::OvnAndOvs,
        "db_file_size",
        Kind::Gauge,
        &["system_id", "component", "filename"],
        "Size of the database file, in bytes.",
    );
    COVERAGE_AVERAGE = known(
        Prefix::OvnAndOvs,
        "coverage_avg",
        Kind::Gauge,
        &["system_id", "component", "event", "interval"],
        "Events a second as coverage/show tells them, in the last five seconds (5s), the last minute (5m, as those who look call \
         it), and the last hour (1h).",
    );
    COVERAGE_TOTAL = known(
        Prefix::OvnAndOvs,
        "coverage_total",
        Kind::Counter,
        &["system_id", "component", "event"],
        "Events as coverage/show tells them.",
    );
    MEMORY_USAGE = known(
        Prefix::OvnAndOvs,
        "memory_usage",
        Kind::Gauge,
        &["system_id", "component", "facility"],
        "Figures of memory/show. Those for which rows are looked at (atoms, n-weak-refs) are counted now and then.",
    );
    NETWORK_PORT = known(
        Prefix::OvnAndOvs,
        "network_port",
        Kind::Gauge,
        &["system_id", "component", "usage"],
        "The TCP port on which the server listens without TLS (default) and with it (ssl), the lowest if there are several; 0 if \
         none, as for clusters (raft).",
    );
    CLUSTER_ENABLED = known(
        Prefix::Ovn,
        "cluster_enabled",
        Kind::Gauge,
        &["system_id", "component"],
        "Always 0: no database is clustered.",
    );
}
