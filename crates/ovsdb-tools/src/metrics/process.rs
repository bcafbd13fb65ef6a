//! Metrics of the process of a program, as clients of Prometheus have them.

use std::time::SystemTime;

use ovsdb_daemon::metrics::Kind;
use ovsdb_daemon::process::Figures;

use super::metric::{Writing, metrics, process};

metrics! {
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

/// Goes on with the figures of this process, which began to serve at `started`.
pub(crate) fn write(started: SystemTime, writing: &mut Writing) {
    let figures = Figures::now();
    let seconds = started.duration_since(SystemTime::UNIX_EPOCH);
    let whole = [
        (&RESIDENT, figures.resident_bytes),
        (&VIRTUAL, figures.virtual_bytes),
        (&OPEN_FDS, figures.open_fds),
        (&MAX_FDS, figures.max_fds),
        (&THREADS, figures.threads),
    ];
    let real = [
        (&CPU, figures.cpu_seconds),
        (&START_TIME, seconds.ok().map(|it| it.as_secs_f64())),
    ];
    for (metric, value) in whole {
        if let Some(value) = value {
            writing.metric(metric, |samples| {
                samples.add(&[], value);
            });
        }
    }
    for (metric, value) in real {
        if let Some(value) = value {
            writing.metric(metric, |samples| {
                samples.add(&[], value);
            });
        }
    }
}
