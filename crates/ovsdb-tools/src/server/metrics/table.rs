//! The metrics of `ovsdb-server`: what they are called and what they mean. The man page lists them from here.
//!
//! How the values come about is not known here.

use ovsdb_daemon::metrics::Kind;

use crate::metrics::metric::{Metric, metrics, own};
use crate::metrics::{known, process, row_table};

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
}

/// All metrics, in the order of the page.
pub fn all() -> impl Iterator<Item = &'static Metric> {
    let tables = [
        METRICS,
        process::METRICS,
        known::METRICS,
        row_table::METRICS,
    ];
    tables.into_iter().flatten()
}
