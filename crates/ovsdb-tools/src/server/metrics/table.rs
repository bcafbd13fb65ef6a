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
    /// As dashboards for OVN's databases know them; only while one of those is served.
    OvnDatabase,
    /// As dashboards for OVN know them; only while one of its databases is served.
    Ovn,
    /// As dashboards for Open vSwitch know them; only while its database is served.
    Ovs,
    /// As dashboards for OVN and for Open vSwitch know them; each only while such a database is served.
    OvnAndOvs,
}

impl Prefix {
    /// What is put before names: the first before one, the second before another.
    pub(super) fn words(self) -> &'static [&'static str] {
        match self {
            Prefix::Own => &["ovsdb_"],
            Prefix::Process => &["process_"],
            Prefix::OvnDatabase => &["ovn_db_"],
            Prefix::Ovn => &[OVN],
            Prefix::Ovs => &[OVS],
            Prefix::OvnAndOvs => &[OVN, OVS],
        }
    }
}

/// Before names that dashboards for OVN know.
pub(super) const OVN: &str = "ovn_";
/// Before names that dashboards for Open vSwitch know.
pub(super) const OVS: &str = "ovs_";

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
    /// The whole names.
    pub fn names(&self) -> Vec<String> {
        let prefixes = self.prefix.words().iter();
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

const fn known(
    prefix: Prefix,
    name: &'static str,
    kind: Kind,
    labels: &'static [&'static str],
    help: &'static str,
) -> Metric {
    Metric {
        prefix,
        name,
        kind,
        labels,
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

/// A figure of each interface, which its row holds.
const fn interface(name: &'static str, kind: Kind, help: &'static str) -> Metric {
    known(Prefix::Ovs, name, kind, BY_ROW, help)
}

const BY_DATABASE: &[&str] = &["database"];
const BY_ROW: &[&str] = &["system_id", "uuid"];
const BY_PAIR: &[&str] = &["system_id", "uuid", "key", "value"];

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
    REFUSED = own(
        "sessions_refused_total",
        Kind::Counter,
        &[],
        "Connections that were closed at once because there were too many clients.",
    );
    HANDSHAKES = own(
        "tls_handshakes_total",
        Kind::Counter,
        &["result"],
        "TLS handshakes of clients that connected: ok, failed, or given up because they took too long or others waited.",
    );
    BEHIND = own(
        "sessions_behind",
        Kind::Gauge,
        &[],
        "Clients that have not taken everything that they were sent.",
    );
    TO_TELL = own(
        "sessions_to_tell",
        Kind::Gauge,
        &[],
        "Clients that are about to be told what is new.",
    );
    REQUESTS_BYTES = own(
        "requests_bytes",
        Kind::Gauge,
        &[],
        "Size of the requests that have arrived and are not answered, in steps of 256 KiB for each client, in bytes.",
    );
    CONTENTS = own(
        "contents_pieces_total",
        Kind::Counter,
        &["from"],
        "Pieces of initial contents that were sent: made for that, or found because another client had begun with the same.",
    );
    UPDATES = own(
        "updates_total",
        Kind::Counter,
        &["from"],
        "Updates that were sent by the tasks that tell clients what is new: made for that, or found because another client \
         had been told the same.",
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
    READS = own(
        "transactions_read_total",
        Kind::Counter,
        BY_DATABASE,
        "Transactions that only read, and did not wait for any before them.",
    );
    ANSWERED = own(
        "transaction_duration_seconds",
        Kind::Histogram,
        &["database", "outcome"],
        "Time from the arrival of a transaction that could change something to its answer, waiting included, in seconds.",
    );
    BATCHES = own(
        "batch_transactions",
        Kind::Histogram,
        BY_DATABASE,
        "How many transactions were executed and written together.",
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
    FILE_SIZE = own(
        "file_size_bytes",
        Kind::Gauge,
        BY_DATABASE,
        "Size of the database file, in bytes.",
    );
    FILE_BASE = own(
        "file_compacted_size_bytes",
        Kind::Gauge,
        BY_DATABASE,
        "Size that the file had after its last compaction, in bytes.",
    );
    RECORDS = own(
        "file_records_total",
        Kind::Counter,
        BY_DATABASE,
        "Records that were appended to the file.",
    );
    APPENDED = own(
        "file_appended_bytes_total",
        Kind::Counter,
        BY_DATABASE,
        "Size of what was appended to the file, in bytes.",
    );
    WRITES_FAILED = own(
        "file_write_failures_total",
        Kind::Counter,
        BY_DATABASE,
        "Writes to the file that failed.",
    );
    SYNCS = own(
        "file_sync_duration_seconds",
        Kind::Histogram,
        BY_DATABASE,
        "Time that it took to bring records to the disk (fsync), in seconds.",
    );
    SYNCS_FAILED = own(
        "file_sync_failures_total",
        Kind::Counter,
        BY_DATABASE,
        "Attempts to bring records to the disk that failed.",
    );
    COMPACTIONS = own(
        "compaction_duration_seconds",
        Kind::Histogram,
        BY_DATABASE,
        "Time that it took to write the file anew, beside everything else, in seconds.",
    );
    COMPACTIONS_FAILED = own(
        "compaction_failures_total",
        Kind::Counter,
        BY_DATABASE,
        "Attempts to write the file anew that failed.",
    );
    CONVERSIONS = own(
        "conversion_duration_seconds",
        Kind::Histogram,
        BY_DATABASE,
        "Time that it took to convert the database to another schema, in seconds.",
    );
    SHAPES = own(
        "monitor_shapes",
        Kind::Gauge,
        BY_DATABASE,
        "Different lists of tables and columns that monitors watch.",
    );
    RESUMED = own(
        "monitors_resumed_total",
        Kind::Counter,
        &["database", "result"],
        "Monitors of clients that came back and named the version that they had: known if they were sent what they had missed, \
         unknown if everything.",
    );
    INDEXES = own(
        "indexes",
        Kind::Gauge,
        BY_DATABASE,
        "Columns that have an index because rows were looked up by them.",
    );
    INDEX_ENTRIES = own(
        "index_entries",
        Kind::Gauge,
        BY_DATABASE,
        "Entries in those indexes.",
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
    NOT_TOLD = own(
        "metrics_rows_not_told",
        Kind::Gauge,
        &["database", "table"],
        "Rows of a table for which nothing is told in the metrics below because there are more than 4,000 of them, else 0.",
    );
    CHASSIS = known(
        Prefix::Ovn,
        "chassis_info",
        Kind::Gauge,
        &["system_id", "uuid", "name", "ip"],
        "Always 1: this chassis is registered (table Chassis). Its address is that of its first encapsulation.",
    );
    SWITCH = known(
        Prefix::Ovn,
        "logical_switch_info",
        Kind::Gauge,
        &["system_id", "uuid", "name"],
        "Always 1: this logical switch is there.",
    );
    SWITCH_EXTERNAL_ID = known(
        Prefix::Ovn,
        "logical_switch_external_id",
        Kind::Gauge,
        BY_PAIR,
        "Always 1; a key and its value in external_ids of a logical switch.",
    );
    SWITCH_PORT = known(
        Prefix::Ovn,
        "logical_switch_port_binding",
        Kind::Gauge,
        &["system_id", "uuid", "port"],
        "Always 1; the logical switch with this UUID has the logical switch port with that one.",
    );
    SWITCH_TUNNEL_KEY = known(
        Prefix::Ovn,
        "logical_switch_tunnel_key",
        Kind::Gauge,
        BY_ROW,
        "The tunnel key of a logical switch; told where both databases of OVN are served.",
    );
    SWITCH_PORTS = known(
        Prefix::Ovn,
        "logical_switch_ports",
        Kind::Gauge,
        BY_ROW,
        "How many ports a logical switch has.",
    );
    PORT = known(
        Prefix::Ovn,
        "logical_switch_port_info",
        Kind::Gauge,
        &[
            "system_id",
            "uuid",
            "name",
            "chassis",
            "logical_switch",
            "datapath",
            "port_binding",
            "mac_address",
            "ip_address",
        ],
        "Always 1; what is known of a logical switch port: its name, the name of its switch, its first Ethernet and its first IP address, and the UUIDs of its chassis, its datapath and its port binding, which are empty where the southbound database is not served.",
    );
    PORT_TUNNEL_KEY = known(
        Prefix::Ovn,
        "logical_switch_port_tunnel_key",
        Kind::Gauge,
        BY_ROW,
        "The tunnel key of a logical switch port; told where both databases of OVN are served.",
    );
    INTERFACE = known(
        Prefix::Ovs,
        "interface",
        Kind::Gauge,
        &["system_id", "uuid", "name"],
        "Always 1: this interface is there.",
    );
    ADMIN_STATE = interface("interface_admin_state", Kind::Gauge, "Whether the link is administratively down (0) or up (1), or this is not known (2).");
    LINK_STATE = interface("interface_link_state", Kind::Gauge, "Whether the link was seen down (0) or up (1), or this is not known (2).");
    POLICING_BURST = interface("interface_ingress_policing_burst", Kind::Gauge, "Burst that policing of what arrives allows, in kilobits.");
    POLICING_RATE = interface("interface_ingress_policing_rate", Kind::Gauge, "Rate that policing of what arrives allows, in kilobits a second; 0 if all.");
    MAC_IN_USE = known(
        Prefix::Ovs,
        "interface_mac_in_use",
        Kind::Gauge,
        &["system_id", "uuid", "mac_address"],
        "Always 1; the Ethernet address that the interface uses.",
    );
    MTU = interface("interface_mtu", Kind::Gauge, "The largest transmission unit, in bytes; 0 if it is not known.");
    DUPLEX = interface("interface_duplex", Kind::Gauge, "Whether the link is half (1) or full (2) duplex, or this is not known (0).");
    OFPORT = interface("interface_of_port", Kind::Gauge, "The OpenFlow port number; -1 if the interface could not be added, 0 if it has none yet.");
    IFINDEX = interface("interface_if_index", Kind::Gauge, "The index that the system gave the interface; 0 if it is not known.");
    RX_CRC = interface("interface_rx_crc_err", Kind::Counter, "Packets that arrived with a wrong checksum.");
    RX_DROPPED = interface("interface_rx_dropped", Kind::Counter, "Packets that arrived and were dropped.");
    RX_FRAME = interface("interface_rx_frame_err", Kind::Counter, "Packets that arrived with a wrong alignment.");
    RX_OVERRUN = interface("interface_rx_over_err", Kind::Counter, "Packets that arrived faster than they were taken.");
    RX_ERRORS = interface("interface_rx_errors", Kind::Counter, "Packets that arrived with an error.");
    RX_MISSED = interface("interface_rx_missed_errors", Kind::Counter, "Packets that were missed when they arrived.");
    RX_PACKETS = interface("interface_rx_packets", Kind::Counter, "Packets that arrived.");
    RX_BYTES = interface("interface_rx_bytes", Kind::Counter, "Bytes that arrived.");
    RX_MULTICAST = interface("interface_rx_multicast_packets", Kind::Counter, "Multicast packets that arrived.");
    TX_PACKETS = interface("interface_tx_packets", Kind::Counter, "Packets that were sent.");
    TX_BYTES = interface("interface_tx_bytes", Kind::Counter, "Bytes that were sent.");
    TX_DROPPED = interface("interface_tx_dropped", Kind::Counter, "Packets that were to be sent and were dropped.");
    TX_ERRORS = interface("interface_tx_errors", Kind::Counter, "Packets that could not be sent.");
    COLLISIONS = interface("interface_collisions", Kind::Counter, "Collisions of packets.");
    LINK_RESETS = interface("interface_link_resets", Kind::Counter, "How often the state of the link was seen to change.");
    LINK_SPEED = interface("interface_link_speed", Kind::Gauge, "The speed of the link, in bits a second; 0 if it is not known.");
    STATUS = known(
        Prefix::Ovs,
        "interface_status",
        Kind::Gauge,
        BY_PAIR,
        "Always 1; a key and its value in status of an interface.",
    );
    OPTIONS = known(
        Prefix::Ovs,
        "interface_options",
        Kind::Gauge,
        BY_PAIR,
        "Always 1; a key and its value in options of an interface.",
    );
    EXTERNAL_IDS = known(
        Prefix::Ovs,
        "interface_external_ids",
        Kind::Gauge,
        BY_PAIR,
        "Always 1; a key and its value in external_ids of an interface.",
    );
}
