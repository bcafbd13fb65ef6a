//! The metrics of `ovsdb-exporter`: what they are called and what they mean.
//!
//! How the values come about is not known here.

use ovsdb_daemon::metrics::Kind;

use crate::metrics::metric::{Metric, Prefix, known, metrics, own};
use crate::metrics::{known as shared, process, row_table};

/// Interfaces of datapaths of which something is told. Of further ones nothing is.
pub(super) const PORTS_MAX: usize = 4_000;

const BY_DATABASE: &[&str] = &["database"];
const BY_COMPONENT: &[&str] = &["component"];
const BY_DATAPATH: &[&str] = &["system_id", "datapath"];
const BY_SERVER: &[&str] = &["system_id", "component", "server_id", "cluster_id"];
const BY_PEER: &[&str] = &[
    "system_id",
    "component",
    "server_id",
    "cluster_id",
    "peer_id",
];
const BY_PLACE: &[&str] = &[
    "system_id",
    "component",
    "server_id",
    "cluster_id",
    "peer_id",
    "peer_address",
];
const BY_MEMBER: &[&str] = &["db_name", "cluster_id", "server_id"];

const fn datapath(name: &'static str, kind: Kind, help: &'static str) -> Metric {
    known(Prefix::Ovs, name, kind, BY_DATAPATH, help)
}

const fn cluster(name: &'static str, kind: Kind, help: &'static str) -> Metric {
    known(Prefix::Ovn, name, kind, BY_SERVER, help)
}

const fn member(name: &'static str, kind: Kind, help: &'static str) -> Metric {
    known(Prefix::OvnDatabase, name, kind, BY_MEMBER, help)
}

/// A metric that is told of each daemon, also of those that dashboards do not know.
const fn of_any(metric: Metric) -> Metric {
    Metric {
        prefix: Prefix::Any,
        ..metric
    }
}

const fn meaning(metric: Metric, help: &'static str) -> Metric {
    Metric { help, ..metric }
}

metrics! {
    BUILD_INFO = own(
        "exporter_build_info",
        Kind::Gauge,
        &["version"],
        "Always 1; its label tells the version of this program.",
    );
    DATABASE_UP = own(
        "database_up",
        Kind::Gauge,
        BY_DATABASE,
        "Whether there is a connection to a server that serves the database and can be used (1), or not (0).",
    );
    DATABASE_INFO = own(
        "database_info",
        Kind::Gauge,
        &["database", "schema_version", "model", "cluster_id", "server_id"],
        "Always 1; what the server says of the database. Labels that do not concern it or are not known are empty.",
    );
    DATABASE_CONNECTED = own(
        "database_connected",
        Kind::Gauge,
        BY_DATABASE,
        "Whether the server is connected to what the database comes from, its cluster for instance (1), or not (0).",
    );
    DATABASE_LEADER = own(
        "database_leader",
        Kind::Gauge,
        BY_DATABASE,
        "Whether the server leads the database's cluster (1), or not (0); 1 if there is none.",
    );
    DATABASE_INDEX = own(
        "database_index",
        Kind::Gauge,
        BY_DATABASE,
        "The index of the last entry of the cluster's log that the server has.",
    );
    DATABASE_ROWS = own(
        "database_rows",
        Kind::Gauge,
        &["database", "table"],
        "Rows of a table. Of the databases of Open vSwitch and OVN, of tables from which something is told.",
    );
    CONNECTIONS = own(
        "database_connections_total",
        Kind::Counter,
        BY_DATABASE,
        "Connections that this program has made to servers of the database.",
    );
    NOTIFICATIONS = own(
        "database_notifications_total",
        Kind::Counter,
        BY_DATABASE,
        "Changes that servers of the database have told this program of.",
    );
    DAEMON_UP = own(
        "daemon_up",
        Kind::Gauge,
        BY_COMPONENT,
        "Whether the daemon has answered on its control socket (1), or not (0).",
    );
    DAEMON_INFO = own(
        "daemon_info",
        Kind::Gauge,
        &["component", "program", "version", "open_vswitch_version"],
        "Always 1; its labels tell which program the daemon is, its version, and that of Open vSwitch which it is part of.",
    );
    SYNC = own(
        "sync_active",
        Kind::Gauge,
        &["component", "database"],
        "Whether clients may write to a database (1), or it is a copy of another server's (0). All of the server's if it is not named.",
    );
    OVN_SESSIONS = shared::OVN_SESSIONS;
    OVN_MONITORS = shared::OVN_MONITORS;
    OVN_SIZE = shared::OVN_SIZE;
    OVN_BUILD = meaning(
        shared::OVN_BUILD,
        "Always 1; its labels tell the version of the server's program, and the versions of the schemas.",
    );
    DB_CLUSTER = known(
        Prefix::OvnDatabase,
        "cluster_id",
        Kind::Gauge,
        &["db_name", "cluster_id"],
        "Always 1; the id of the database's cluster.",
    );
    DB_SERVER = member("cluster_server_id", Kind::Gauge, "Always 1; the id of the server in the database's cluster.");
    DB_STATUS = known(
        Prefix::OvnDatabase,
        "cluster_server_status",
        Kind::Gauge,
        &["db_name", "cluster_id", "server_id", "server_status"],
        "Always 1; how the server stands to the cluster, in its words.",
    );
    DB_ROLE = known(
        Prefix::OvnDatabase,
        "cluster_server_role",
        Kind::Gauge,
        &["db_name", "cluster_id", "server_id", "server_role"],
        "Always 1; the part that the server plays: leader, candidate or follower.",
    );
    DB_VOTE = known(
        Prefix::OvnDatabase,
        "cluster_server_vote",
        Kind::Gauge,
        &["db_name", "cluster_id", "server_id", "server_vote"],
        "Always 1; whom the server has voted for in its term: itself (self), a server by its short id, or nobody that it knows (unknown).",
    );
    DB_TERM = member("cluster_term", Kind::Gauge, "The term that the server knows of.");
    DB_ELECTION_TIMER = member(
        "cluster_election_timer",
        Kind::Gauge,
        "Silence of the leader after which an election begins, in milliseconds.",
    );
    DB_LOG_START = member("cluster_log_index_start", Kind::Gauge, "The index of the first entry in the server's log.");
    DB_LOG_NEXT = member("cluster_log_index_next", Kind::Gauge, "The index of the entry that comes next.");
    DB_NOT_COMMITTED = member("cluster_log_not_committed", Kind::Gauge, "Entries that a majority does not have yet, as far as the server knows.");
    DB_NOT_APPLIED = member("cluster_log_not_applied", Kind::Gauge, "Entries that are not in the server's database yet.");
    DB_INBOUND = member("cluster_inbound_connections_total", Kind::Gauge, "Connections that others of the cluster have made, and that stand.");
    DB_OUTBOUND = member("cluster_outbound_connections_total", Kind::Gauge, "Connections that the server has made to others of the cluster, and that stand.");
    DB_INBOUND_ERROR = member("cluster_inbound_connections_error_total", Kind::Gauge, "Connections that others of the cluster have made, and that do not stand.");
    DB_OUTBOUND_ERROR = member("cluster_outbound_connections_error_total", Kind::Gauge, "Connections that the server makes to others of the cluster, and that do not stand.");
    UP = meaning(
        shared::UP,
        "Whether all that is told of the system is there: there are connections to its databases, and its daemons answer (1), or not (0).",
    );
    INFO = shared::INFO;
    FAILED_REQUESTS = of_any(meaning(
        shared::FAILED_REQUESTS,
        "Questions to control sockets that were not answered.",
    ));
    NEXT_POLL = meaning(
        shared::NEXT_POLL,
        "Now, in seconds since 1970: daemons are asked for each request, but not more often than once a second.",
    );
    PID = of_any(meaning(
        shared::PID,
        "The process id of the daemon; 0 if it is not there.",
    ));
    LOG_SIZE = of_any(shared::LOG_SIZE);
    LOG_EVENTS = of_any(meaning(
        shared::LOG_EVENTS,
        "Messages in the log file, by level and module; those that come are added as long as this program runs.",
    ));
    DATABASE_SIZE = of_any(shared::DATABASE_SIZE);
    COVERAGE_AVERAGE = of_any(shared::COVERAGE_AVERAGE);
    COVERAGE_TOTAL = of_any(shared::COVERAGE_TOTAL);
    MEMORY_USAGE = of_any(meaning(
        shared::MEMORY_USAGE,
        "Figures of memory/show.",
    ));
    NETWORK_PORT = of_any(meaning(
        shared::NETWORK_PORT,
        "The TCP port on which the server listens without TLS (default) and with it (ssl), the lowest if there are several, and that of its cluster (raft); 0 if none.",
    ));
    CLUSTER_ENABLED = meaning(
        shared::CLUSTER_ENABLED,
        "Whether a database of the server is clustered (1), or none is (0).",
    );
    CLUSTER_ROLE = known(
        Prefix::Ovn,
        "cluster_role",
        Kind::Gauge,
        &["system_id", "component", "server_id", "server_uuid", "cluster_id", "cluster_uuid"],
        "The part that the server plays in the cluster: leader (3), candidate (2), follower (1), or another (0).",
    );
    CLUSTER_STATUS = cluster("cluster_status", Kind::Gauge, "Whether the server is one of the cluster (1), or not (0).");
    CLUSTER_TERM = cluster("cluster_term", Kind::Counter, "The term that the server knows of.");
    CLUSTER_LEADER_SELF = cluster("cluster_leader_self", Kind::Gauge, "Whether the server leads the cluster (1), or not (0).");
    CLUSTER_VOTE_SELF = cluster("cluster_vote_self", Kind::Gauge, "Whether the server has voted for itself (1), or not (0).");
    CLUSTER_PEERS = cluster("cluster_peer_count", Kind::Gauge, "Other servers of the cluster.");
    CLUSTER_UNCOMMITTED = cluster("cluster_uncommitted_entry_count", Kind::Gauge, "Entries that a majority does not have yet, as far as the server knows.");
    CLUSTER_PENDING = cluster("cluster_pending_entry_count", Kind::Gauge, "Entries that are not in the server's database yet.");
    CLUSTER_NEXT = cluster("cluster_next_index", Kind::Counter, "The index of the entry that the server is sent next; a leader knows.");
    CLUSTER_MATCH = cluster("cluster_match_index", Kind::Counter, "The index of the last entry that the server is known to have; a leader knows.");
    CLUSTER_LOG_LOW = cluster("cluster_log_low_index", Kind::Counter, "The index of the first entry in the server's log.");
    CLUSTER_LOG_HIGH = cluster("cluster_log_high_index", Kind::Counter, "The index of the entry that comes next.");
    CLUSTER_INBOUND = cluster("cluster_inbound_peer_conn_total", Kind::Gauge, "Connections that others of the cluster have made, and that stand.");
    CLUSTER_OUTBOUND = cluster("cluster_outbound_peer_conn_total", Kind::Gauge, "Connections that the server has made to others of the cluster, and that stand.");
    CLUSTER_PEER_NEXT = known(
        Prefix::Ovn,
        "cluster_peer_next_index",
        Kind::Counter,
        BY_PEER,
        "The index of the entry that another server is sent next; a leader knows.",
    );
    CLUSTER_PEER_MATCH = known(
        Prefix::Ovn,
        "cluster_peer_match_index",
        Kind::Counter,
        BY_PEER,
        "The index of the last entry that another server is known to have; a leader knows.",
    );
    CLUSTER_PEER_INBOUND = known(
        Prefix::Ovn,
        "cluster_inbound_peer_connected",
        Kind::Gauge,
        BY_PLACE,
        "Always 1: a connection that another server of the cluster has made stands.",
    );
    CLUSTER_PEER_OUTBOUND = known(
        Prefix::Ovn,
        "cluster_outbound_peer_connected",
        Kind::Gauge,
        BY_PLACE,
        "Always 1: a connection that the server has made to another one of the cluster stands.",
    );
    CLUSTER_GROUP = known(
        Prefix::Ovn,
        "cluster_group",
        Kind::Gauge,
        &["system_id", "cluster_group"],
        "Always 1; the short ids of the clusters of both of OVN's databases, in one word. Told where both are clustered.",
    );
    PORT = known(
        Prefix::Ovs,
        "dp_if",
        Kind::Gauge,
        &["system_id", "datapath", "bridge", "name", "ofport", "index", "port_type"],
        "Always 1: this interface of a datapath is there. Of more than 4,000 of them the first are told.",
    );
    BRIDGE_PORTS = known(
        Prefix::Ovs,
        "dp_br_if_total",
        Kind::Gauge,
        &["system_id", "datapath", "bridge"],
        "Interfaces of a bridge.",
    );
    FLOWS = datapath("dp_flows", Kind::Gauge, "Flows in the datapath.");
    LOOKUPS_HIT = datapath("dp_lookups_hit", Kind::Counter, "Packets for which the datapath had a flow.");
    LOOKUPS_MISSED = datapath("dp_lookups_missed", Kind::Counter, "Packets for which the datapath had no flow.");
    LOOKUPS_LOST = datapath("dp_lookups_lost", Kind::Counter, "Packets that were on their way from the datapath to the switch and were dropped.");
    MASKS_HIT = datapath("dp_masks_hit", Kind::Counter, "Masks that were looked at for packets; told of datapaths that have masks.");
    MASKS = datapath("dp_masks_total", Kind::Gauge, "Masks in the datapath.");
    MASKS_RATIO = datapath("dp_masks_hit_ratio", Kind::Gauge, "Masks that were looked at for a packet, on average.");
}

/// All metrics, in the order of the page.
pub fn all() -> impl Iterator<Item = &'static Metric> {
    let tables = [METRICS, process::METRICS, row_table::METRICS];
    tables.into_iter().flatten()
}
