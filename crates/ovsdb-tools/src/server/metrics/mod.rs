//! The page `/metrics`: figures of the server in the text format of Prometheus.
//!
//! All of them lie ready: nothing here looks at rows, waits for a disk, or takes a lock for longer than it takes to read a
//! number. What they mean stands in the [`table`].

pub mod table;

use std::sync::Arc;
use std::time::SystemTime;

use ovsdb_daemon::http::Page;
use ovsdb_daemon::metrics::{CONTENT_TYPE, Samples, Text};
use ovsdb_daemon::process::Figures;
use ovsdb_daemon::program;
use ovsdb_server::database::Served;
use ovsdb_server::server::Server;

use self::table::Metric;
use super::health::Health;

/// Where the figures come from.
pub(super) struct Metrics {
    server: Arc<Server>,
    health: Arc<Health>,
    started: SystemTime,
}

/// The page as far as it has been written.
#[derive(Default)]
struct Writing {
    text: Text,
}

impl Writing {
    fn metric(&mut self, metric: &Metric, write: impl Fn(&mut Samples<'_>)) {
        for name in metric.names() {
            write(&mut self.text.metric(&name, metric.kind, metric.help));
        }
    }

    /// A metric that has a value for each database.
    fn by_database(
        &mut self,
        databases: &[Arc<Served>],
        metric: &Metric,
        write: impl Fn(&mut Samples<'_>, &Served, &[(&str, &str)]),
    ) {
        self.metric(metric, |samples| {
            for served in databases {
                write(samples, served, &[("database", served.name())]);
            }
        });
    }
}

impl Metrics {
    pub(super) fn new(server: Arc<Server>, health: Arc<Health>) -> Arc<Metrics> {
        Arc::new(Metrics {
            server,
            health,
            started: SystemTime::now(),
        })
    }

    /// The page.
    pub(super) async fn page(self: Arc<Metrics>) -> Page {
        // Much is asked of the system, which may take a moment.
        let making = tokio::task::spawn_blocking(move || self.text());
        match making.await {
            Ok(text) => Page {
                is_good: true,
                content_type: CONTENT_TYPE,
                text,
            },
            Err(error) => Page::plain(false, format!("{error}\n")),
        }
    }

    fn text(&self) -> String {
        let mut writing = Writing::default();
        self.write_server(&mut writing);
        self.write_databases(&mut writing);
        self.write_process(&mut writing);
        writing.text.finish()
    }

    fn write_server(&self, writing: &mut Writing) {
        writing.metric(&table::BUILD_INFO, |samples| {
            let labels = [
                ("version", program::VERSION),
                ("open_vswitch_version", program::OPEN_VSWITCH_VERSION),
            ];
            samples.add(&labels, true);
        });
        let is_ready = self.health.complaints().is_empty();
        writing.metric(&table::READY, |samples| {
            samples.add(&[], is_ready);
        });
        let sessions = self.server.sessions_by_method();
        writing.metric(&table::SESSIONS, |samples| {
            for (method, count) in &sessions {
                samples.add(&[("method", method)], *count);
            }
        });
    }

    fn write_databases(&self, writing: &mut Writing) {
        let databases = self.server.databases();
        let databases = &databases[..];
        writing.by_database(databases, &table::MONITORS, |samples, served, labels| {
            samples.add(labels, served.hub().monitors());
        });
        writing.by_database(databases, &table::ROWS, |samples, served, labels| {
            samples.add(labels, served.version().database.rows());
        });
        writing.by_database(databases, &table::COMMITS, |samples, served, labels| {
            samples.add(labels, served.version().number);
        });
        writing.by_database(databases, &table::WAITING, |samples, served, labels| {
            samples.add(labels, served.waiting());
        });
        writing.by_database(databases, &table::PARKED, |samples, served, labels| {
            samples.add(labels, served.parked());
        });
        writing.by_database(databases, &table::TROUBLE, |samples, served, labels| {
            samples.add(labels, served.trouble().is_some());
        });
    }

    fn write_process(&self, writing: &mut Writing) {
        let figures = Figures::now();
        let seconds = self.started.duration_since(SystemTime::UNIX_EPOCH);
        let whole = [
            (&table::RESIDENT, figures.resident_bytes),
            (&table::VIRTUAL, figures.virtual_bytes),
            (&table::OPEN_FDS, figures.open_fds),
            (&table::MAX_FDS, figures.max_fds),
            (&table::THREADS, figures.threads),
        ];
        let real = [
            (&table::CPU, figures.cpu_seconds),
            (&table::START_TIME, seconds.ok().map(|it| it.as_secs_f64())),
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
}
