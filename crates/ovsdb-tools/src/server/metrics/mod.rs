//! The page `/metrics`: figures of the server in the text format of Prometheus.
//!
//! Nearly all of them lie ready: nothing here waits for a disk, or takes a lock that others need for longer than it takes to
//! read a number. The few that stand in rows are kept as text. What they mean stands in the [`table`].

mod dashboards;
mod rows;
pub mod table;

use std::sync::Arc;
use std::time::SystemTime;

use ovsdb_daemon::http::Page;
use ovsdb_daemon::metrics::{CONTENT_TYPE, Observed, Samples};
use ovsdb_daemon::program;
use ovsdb_server::configuration::Configuration;
use ovsdb_server::database::Served;
use ovsdb_server::meters::{self, Histogram, JournalMeters};
use ovsdb_server::server::Server;

use self::dashboards::Dashboards;
use super::health::Health;
use crate::metrics::metric::{Metric, Writing};
use crate::metrics::process;

/// Microseconds in a second.
const MICROSECONDS: f64 = 1e6;

/// Where the figures come from.
pub(super) struct Metrics {
    server: Arc<Server>,
    health: Arc<Health>,
    started: SystemTime,
    dashboards: Dashboards,
}

/// Writes a metric that has a value for each database.
fn by_database(
    writing: &mut Writing,
    databases: &[Arc<Served>],
    metric: &Metric,
    write: impl Fn(&mut Samples<'_>, &Served, &[(&str, &str)]),
) {
    writing.metric(metric, |samples| {
        for served in databases {
            write(samples, served, &[("database", served.name())]);
        }
    });
}

/// What a histogram holds, in another unit, which is as much as `of` of its own.
fn observed<const BOUNDS: usize>(histogram: &Histogram<BOUNDS>, of: f64) -> Observed {
    // Figures are for people, who do not miss the last digits.
    #[allow(clippy::cast_precision_loss)]
    let real = |value: u64| value as f64 / of;
    let buckets = histogram.buckets();
    Observed {
        buckets: buckets.map(|(bound, count)| (real(bound), count)).collect(),
        above: histogram.above(),
        sum: real(histogram.sum()),
    }
}

impl Metrics {
    pub(super) fn new(
        server: Arc<Server>,
        configuration: Arc<Configuration>,
        health: Arc<Health>,
    ) -> Arc<Metrics> {
        Arc::new(Metrics {
            dashboards: Dashboards::new(configuration),
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
        self.write_sessions(&mut writing);
        self.write_databases(&mut writing);
        self.write_files(&mut writing);
        process::write(self.started, &mut writing);
        let is_ready = self.health.complaints().is_empty();
        self.dashboards.write(&self.server, is_ready, &mut writing);
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
    }

    fn write_sessions(&self, writing: &mut Writing) {
        let sessions = self.server.sessions_by_method();
        writing.metric(&table::SESSIONS, |samples| {
            for (method, count) in &sessions {
                samples.add(&[("method", method)], *count);
            }
        });
        let single = [
            (&table::REFUSED, meters::REFUSED.total()),
            (&table::BEHIND, meters::BEHIND.count()),
            (&table::TO_TELL, self.server.clients_to_tell() as u64),
            (&table::REQUESTS_BYTES, self.server.budget().used() as u64),
        ];
        for (metric, value) in single {
            writing.metric(metric, |samples| {
                samples.add(&[], value);
            });
        }
        writing.metric(&table::HANDSHAKES, |samples| {
            let results = [
                ("ok", &meters::HANDSHAKES.succeeded),
                ("failed", &meters::HANDSHAKES.failed),
                ("given_up", &meters::HANDSHAKES.given_up),
            ];
            for (result, count) in results {
                samples.add(&[("result", result)], count.total());
            }
        });
        let shared = [
            (&table::CONTENTS, &meters::CONTENTS),
            (&table::UPDATES, &meters::UPDATES),
        ];
        for (metric, sharing) in shared {
            writing.metric(metric, |samples| {
                samples.add(&[("from", "made")], sharing.made.total());
                samples.add(&[("from", "found")], sharing.found.total());
            });
        }
    }

    fn write_databases(&self, writing: &mut Writing) {
        let databases = self.server.databases();
        let databases = &databases[..];
        by_database(
            writing,
            databases,
            &table::MONITORS,
            |samples, served, labels| {
                samples.add(labels, served.hub().monitors());
            },
        );
        by_database(
            writing,
            databases,
            &table::ROWS,
            |samples, served, labels| {
                samples.add(labels, served.version().database.rows());
            },
        );
        by_database(
            writing,
            databases,
            &table::COMMITS,
            |samples, served, labels| {
                samples.add(labels, served.version().number);
            },
        );
        by_database(
            writing,
            databases,
            &table::READS,
            |samples, served, labels| {
                samples.add(labels, served.reads().total());
            },
        );
        by_database(
            writing,
            databases,
            &table::WAITING,
            |samples, served, labels| {
                samples.add(labels, served.waiting());
            },
        );
        by_database(
            writing,
            databases,
            &table::PARKED,
            |samples, served, labels| {
                samples.add(labels, served.parked());
            },
        );
        by_database(
            writing,
            databases,
            &table::TROUBLE,
            |samples, served, labels| {
                samples.add(labels, served.trouble().is_some());
            },
        );
        by_database(
            writing,
            databases,
            &table::ANSWERED,
            |samples, served, labels| {
                let meters = served.meters();
                let by_outcome = [("ok", &meters.succeeded), ("error", &meters.failed)];
                for (outcome, times) in by_outcome {
                    let labels = [labels[0], ("outcome", outcome)];
                    samples.observed(&labels, &observed(times, MICROSECONDS));
                }
            },
        );
        by_database(
            writing,
            databases,
            &table::BATCHES,
            |samples, served, labels| {
                samples.observed(labels, &observed(&served.meters().batches, 1.0));
            },
        );
        by_database(
            writing,
            databases,
            &table::SHAPES,
            |samples, served, labels| {
                samples.add(labels, served.hub().shapes());
            },
        );
        by_database(
            writing,
            databases,
            &table::RESUMED,
            |samples, served, labels| {
                let resumptions = served.hub().resumptions();
                let results = [
                    ("known", &resumptions.known),
                    ("unknown", &resumptions.unknown),
                ];
                for (result, count) in results {
                    samples.add(&[labels[0], ("result", result)], count.total());
                }
            },
        );
        by_database(
            writing,
            databases,
            &table::INDEXES,
            |samples, served, labels| {
                samples.add(labels, served.version().database.indexes_by_use().len());
            },
        );
        by_database(
            writing,
            databases,
            &table::INDEX_ENTRIES,
            |samples, served, labels| {
                let indexes = served.version().database.indexes_by_use();
                let entries = indexes.iter().map(|index| index.entries);
                samples.add(labels, entries.sum::<usize>());
            },
        );
    }

    /// What is known of databases that have files.
    fn write_files(&self, writing: &mut Writing) {
        let mut databases = self.server.databases();
        databases.retain(|served| served.journal_meters().is_some());
        let databases = &databases[..];
        type Figure = fn(&JournalMeters) -> u64;
        let figures: [(&Metric, Figure); 6] = [
            (&table::FILE_SIZE, |journal| journal.bytes.get()),
            (&table::FILE_BASE, |journal| journal.base_bytes.get()),
            (&table::RECORDS, |journal| journal.appended.get()),
            (&table::APPENDED, |journal| journal.appended_bytes.get()),
            (&table::WRITES_FAILED, |journal| journal.failed.get()),
            (&table::SYNCS_FAILED, |journal| journal.syncs_failed.get()),
        ];
        for (metric, figure) in figures {
            by_database(writing, databases, metric, |samples, served, labels| {
                if let Some(journal) = served.journal_meters() {
                    samples.add(labels, figure(journal));
                }
            });
        }
        by_database(
            writing,
            databases,
            &table::SYNCS,
            |samples, served, labels| {
                if let Some(journal) = served.journal_meters() {
                    samples.observed(labels, &observed(&journal.syncs, MICROSECONDS));
                }
            },
        );
        by_database(
            writing,
            databases,
            &table::COMPACTIONS,
            |samples, served, labels| {
                let times = &served.meters().compactions;
                samples.observed(labels, &observed(times, MICROSECONDS));
            },
        );
        by_database(
            writing,
            databases,
            &table::COMPACTIONS_FAILED,
            |samples, served, labels| {
                samples.add(labels, served.meters().compactions_failed.get());
            },
        );
        by_database(
            writing,
            databases,
            &table::CONVERSIONS,
            |samples, served, labels| {
                let times = &served.meters().conversions;
                samples.observed(labels, &observed(times, MICROSECONDS));
            },
        );
    }
}
