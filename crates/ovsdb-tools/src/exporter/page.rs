//! The page `/metrics`, and whether everything is there: what was found of databases and daemons, by the names that dashboards
//! know.

use std::fs;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ovsdb_client::control::{Coverage, SyncState};
use ovsdb_daemon::http::Page;
use ovsdb_daemon::metrics::{CONTENT_TYPE, Samples};
use ovsdb_daemon::{dirs, memory, process as system, program};

use super::StartError;
use super::component::Component;
use super::daemons::{Daemons, Report};
use super::databases::{Databases, Info, Seen, port};
use super::options::Settings;
use super::{cluster, datapaths, table};
use crate::metrics::metric::{Metric, OVN, OVS, OWN, Writing};
use crate::metrics::process;
use crate::metrics::rows::{NORTHBOUND, OPEN_VSWITCH, SOUTHBOUND};

/// Kinds of events, and kinds of what takes memory, that are told of a daemon at most.
const KINDS_MAX: usize = 1_000;
/// Bytes of the file that names the system that are read.
const SYSTEM_ID_BYTES_MAX: usize = 256;

/// Who looks and tells.
pub(super) struct Exporter {
    databases: Databases,
    daemons: Daemons,
    started: SystemTime,
    /// What the system is called if no database says it.
    system_id: String,
}

/// What has been found at a moment.
struct Found<'a> {
    databases: Vec<(usize, Seen<'a>)>,
    reports: &'a [Report],
    system_id: String,
}

/// What stands before the names of the metrics of a database that dashboards know.
fn prefix_of(database: &str) -> Option<&'static str> {
    match database {
        NORTHBOUND | SOUTHBOUND => Some(OVN),
        OPEN_VSWITCH => Some(OVS),
        _ => None,
    }
}

impl Exporter {
    /// Begins to look.
    ///
    /// # Errors
    /// [`StartError::Servers`].
    pub(super) fn start(settings: &Settings) -> Result<Exporter, StartError> {
        let databases = Databases::start(&settings.databases);
        let databases =
            databases.map_err(|(database, source)| StartError::Servers { database, source })?;
        let file = dirs::sysconfdir().join("openvswitch/system-id.conf");
        // Where there is none, the system has no name.
        let id = fs::read_to_string(file).unwrap_or_default();
        let id = id.lines().next().unwrap_or_default().trim();
        Ok(Exporter {
            databases,
            daemons: Daemons::new(&settings.components),
            started: SystemTime::now(),
            system_id: id.chars().take(SYSTEM_ID_BYTES_MAX).collect(),
        })
    }

    /// What `memory/show` says.
    pub(super) fn memory_report(&self) -> memory::Report {
        let (bytes, rows) = self.databases.size();
        let figures = [("replica-bytes", bytes), ("replica-rows", rows)];
        let figures = figures.into_iter();
        figures
            .map(|(name, figure)| (name.to_owned(), figure as u64))
            .collect()
    }

    /// The page `/readyz`. Who has found nothing at all is not ready.
    pub(super) async fn ready(&self) -> Page {
        let has_databases = !self.databases.look().is_empty();
        if !has_databases && !self.daemons.ask().await.iter().any(|it| it.is_told) {
            return Page::plain(false, "nothing has been found\n");
        }
        let seen = self.databases.look();
        let missing = seen.iter().filter(|(_, seen)| !seen.is_up);
        let lines = missing.map(|(_, seen)| format!("{}: not connected\n", seen.database.name));
        let lines: String = lines.collect();
        match lines.is_empty() {
            true => Page::plain(true, "ok\n"),
            false => Page::plain(false, lines),
        }
    }

    /// The page `/metrics`.
    pub(super) async fn metrics(self: Arc<Exporter>) -> Page {
        let reports = self.daemons.ask().await;
        // A long page takes a moment.
        let making = tokio::task::spawn_blocking(move || self.text(&reports));
        match making.await {
            Ok(text) => Page {
                is_good: true,
                content_type: CONTENT_TYPE,
                text,
            },
            Err(error) => Page::plain(false, format!("{error}\n")),
        }
    }

    fn text(&self, reports: &[Report]) -> String {
        let databases = self.databases.look();
        let system_id = databases.iter().find_map(|(_, seen)| seen.system_id());
        let found = Found {
            databases,
            reports,
            system_id: system_id.unwrap_or_else(|| self.system_id.clone()),
        };
        let mut writing = Writing::default();
        writing.metric(&table::BUILD_INFO, |samples| {
            samples.add(&[("version", program::VERSION)], true);
        });
        found.write_databases(&mut writing);
        found.write_daemons(&mut writing);
        found.write_known_databases(&mut writing);
        for prefix in [OVN, OVS] {
            found.write_system(prefix, &mut writing);
        }
        for prefix in [OVN, OVS, OWN] {
            found.write_components(prefix, &mut writing);
        }
        cluster::write(reports, &found.system_id, &mut writing);
        datapaths::write(reports, &found.system_id, &mut writing);
        process::write(self.started, &mut writing);
        let rows = &self.databases;
        rows.write_rows(&found.databases, &found.system_id, &mut writing);
        writing.text.finish()
    }
}

impl Found<'_> {
    /// The databases, whichever they are.
    fn write_databases(&self, writing: &mut Writing) {
        let seen = || self.databases.iter().map(|(_, seen)| seen);
        let mut each = |metric: &Metric, value: &dyn Fn(&Seen<'_>) -> Option<u64>| {
            writing.metric(metric, |samples| {
                for seen in seen() {
                    if let Some(value) = value(seen) {
                        samples.add(&[("database", &seen.database.name)], value);
                    }
                }
            });
        };
        let flag = |flag: Option<bool>| flag.map(u64::from);
        let info = |seen: &Seen<'_>| seen.info.clone();
        each(&table::DATABASE_UP, &|seen| Some(u64::from(seen.is_up)));
        each(&table::DATABASE_CONNECTED, &|seen| {
            flag(info(seen)?.connected)
        });
        each(&table::DATABASE_LEADER, &|seen| flag(info(seen)?.leader));
        each(&table::DATABASE_INDEX, &|seen| {
            u64::try_from(info(seen)?.index?).ok()
        });
        each(&table::CONNECTIONS, &|seen| Some(seen.client.connections));
        each(&table::NOTIFICATIONS, &|seen| {
            Some(seen.client.notifications)
        });
        writing.metric(&table::DATABASE_INFO, |samples| {
            for seen in seen().filter(|seen| seen.is_up) {
                let Info {
                    model,
                    cluster,
                    server,
                    ..
                } = seen.info.clone().unwrap_or_default();
                let text = |id: Option<ovsdb_proto::uuid::Uuid>| {
                    id.map(|id| id.to_string()).unwrap_or_default()
                };
                let labels = [
                    ("database", seen.database.name.as_str()),
                    ("schema_version", &seen.schema_version()),
                    ("model", &model),
                    ("cluster_id", &text(cluster)),
                    ("server_id", &text(server)),
                ];
                samples.add(&labels, true);
            }
        });
        writing.metric(&table::DATABASE_ROWS, |samples| {
            for seen in seen() {
                let Some(contents) = &seen.contents else {
                    continue;
                };
                let tables = contents.schema().tables.iter();
                for table in tables.filter_map(|table| contents.table_named(&table.name)) {
                    let labels = [("database", &*seen.database.name), ("table", table.name())];
                    samples.add(&labels, table.len());
                }
            }
        });
    }

    /// The daemons of which something is to be told.
    fn told(&self) -> impl Iterator<Item = &Report> {
        self.reports.iter().filter(|report| report.is_told)
    }

    /// The daemons, whichever they are.
    fn write_daemons(&self, writing: &mut Writing) {
        writing.metric(&table::DAEMON_UP, |samples| {
            for report in self.told() {
                samples.add(&[("component", &report.component.name)], report.is_up);
            }
        });
        writing.metric(&table::DAEMON_INFO, |samples| {
            for report in self.told() {
                if let Some(version) = &report.version {
                    let library = version.open_vswitch.as_deref();
                    let labels = [
                        ("component", report.component.name.as_str()),
                        ("program", &version.program),
                        ("version", &version.version),
                        ("open_vswitch_version", library.unwrap_or_default()),
                    ];
                    samples.add(&labels, true);
                }
            }
        });
        writing.metric(&table::SYNC, |samples| {
            for report in self.told() {
                let parts = report.sync.iter().flat_map(|sync| &sync.parts);
                for part in parts {
                    let unnamed = [String::new()];
                    let databases = match part.databases.is_empty() {
                        true => &unnamed[..],
                        false => &part.databases,
                    };
                    for database in databases {
                        let labels = [
                            ("component", report.component.name.as_str()),
                            ("database", database),
                        ];
                        samples.add(&labels, part.state == SyncState::Active);
                    }
                }
            }
        });
    }

    /// What is told of OVN's databases by their names.
    fn write_known_databases(&self, writing: &mut Writing) {
        let of_ovn = |report: &&Report| report.component.prefix == OVN;
        let servers = || {
            let servers = self.told().filter(of_ovn);
            servers.filter_map(|report| Some((report.component.database?, report)))
        };
        if servers().next().is_none() {
            return;
        }
        let mut each = |metric: &Metric, figure: &dyn Fn(&Report) -> Option<u64>| {
            writing.metric(metric, |samples| {
                for (database, report) in servers() {
                    if let Some(value) = figure(report) {
                        samples.add(&[("db_name", database)], value);
                    }
                }
            });
        };
        // What there is nothing of is not in a report.
        let memory = |report: &Report, facility: &str| {
            let memory = report.memory.as_ref()?;
            Some(memory.get(facility).unwrap_or(0))
        };
        each(&table::OVN_SESSIONS, &|report| memory(report, "sessions"));
        each(&table::OVN_MONITORS, &|report| memory(report, "monitors"));
        each(&table::OVN_SIZE, &|report| {
            report.database_file.as_ref().map(|(_, bytes)| *bytes)
        });
        let version_of = |name: &str| {
            let mut all = self.databases.iter();
            let seen = all.find(|(_, seen)| seen.database.name == name);
            seen.map(|(_, seen)| seen.schema_version())
                .unwrap_or_default()
        };
        writing.metric(&table::OVN_BUILD, |samples| {
            let versions = servers().filter_map(|(_, report)| report.version.as_ref());
            if let Some(version) = versions.map(|it| &it.version).next() {
                let labels = [
                    ("version", version.as_str()),
                    ("nb_schema_version", &version_of(NORTHBOUND)),
                    ("sb_schema_version", &version_of(SOUTHBOUND)),
                ];
                samples.add(&labels, true);
            }
        });
    }

    /// What is told of Open vSwitch or of OVN as a whole.
    fn write_system(&self, prefix: &str, writing: &mut Writing) {
        let databases = self.databases.iter().map(|(_, seen)| seen);
        let databases = databases.filter(|seen| prefix_of(&seen.database.name) == Some(prefix));
        let daemons = self.told().filter(|it| it.component.prefix == prefix);
        let ups = databases.map(|seen| seen.is_up);
        let ups: Vec<bool> = ups.chain(daemons.map(|report| report.is_up)).collect();
        if ups.is_empty() {
            return;
        }
        let id = ("system_id", self.system_id.as_str());
        writing.named(prefix, &table::UP, |samples| {
            samples.add(&[], ups.iter().all(|is_up| *is_up));
        });
        let column = |name: &str| {
            let mut all = self.databases.iter();
            all.find_map(|(_, seen)| seen.system(name))
                .unwrap_or_default()
        };
        writing.named(prefix, &table::INFO, |samples| {
            let labels = [
                id,
                ("rundir", &dirs::rundir().display().to_string()),
                ("hostname", &system::hostname()),
                ("system_type", &column("system_type")),
                ("system_version", &column("system_version")),
                ("ovs_version", &column("ovs_version")),
                ("db_version", &column("db_version")),
            ];
            samples.add(&labels, true);
        });
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        writing.named(prefix, &table::NEXT_POLL, |samples| {
            samples.add(&[id], now.as_ref().map_or(0, Duration::as_secs));
        });
    }

    /// What is told of each daemon whose metrics begin with `prefix`.
    fn write_components(&self, prefix: &'static str, writing: &mut Writing) {
        let reports = self.told().filter(|it| it.component.prefix == prefix);
        let reports: Vec<&Report> = reports.collect();
        if reports.is_empty() {
            return;
        }
        let id = ("system_id", self.system_id.as_str());
        writing.named(prefix, &table::FAILED_REQUESTS, |samples| {
            let failures = reports.iter().map(|report| report.failures);
            samples.add(&[id], failures.sum::<u64>());
        });
        type Labels<'a> = &'a [(&'a str, &'a str)];
        let mut each = |metric: &Metric, add: &dyn Fn(&mut Samples<'_>, &Report, Labels<'_>)| {
            writing.named(prefix, metric, |samples| {
                for report in &reports {
                    let component = ("component", report.component.name.as_str());
                    add(samples, report, &[id, component]);
                }
            });
        };
        each(&table::PID, &|samples, report, labels| {
            let of = report.process.as_ref();
            let user = of.map_or("", |process| &process.user);
            let group = of.map_or("", |process| &process.group);
            let labels = [labels, &[("user", user), ("group", group)]].concat();
            samples.add(&labels, of.map_or(0, |process| u64::from(process.pid)));
        });
        each(&table::LOG_SIZE, &|samples, report, labels| {
            if let Some(log) = &report.log {
                let path = log.path.display().to_string();
                samples.add(&[labels, &[("filename", &*path)]].concat(), log.bytes);
            }
        });
        each(&table::LOG_EVENTS, &|samples, report, labels| {
            for (source, severity, count) in report.log.iter().flat_map(|log| &log.counts) {
                let kind = [("severity", *severity), ("source", source.as_str())];
                samples.add(&[labels, &kind].concat(), *count);
            }
        });
        each(&table::DATABASE_SIZE, &|samples, report, labels| {
            if let Some((path, bytes)) = &report.database_file {
                let path = path.display().to_string();
                samples.add(&[labels, &[("filename", &*path)]].concat(), *bytes);
            }
        });
        let events = |report: &Report| report.coverage.clone().unwrap_or_default();
        each(&table::COVERAGE_AVERAGE, &|samples, report, labels| {
            let Coverage { events, .. } = events(report);
            for event in events.iter().take(KINDS_MAX) {
                let rates = [
                    ("5s", event.rate),
                    ("5m", event.rate_minute),
                    ("1h", event.rate_hour),
                ];
                for (interval, rate) in rates {
                    let what = [("event", event.name.as_str()), ("interval", interval)];
                    samples.add(&[labels, &what].concat(), rate);
                }
            }
        });
        each(&table::COVERAGE_TOTAL, &|samples, report, labels| {
            for event in events(report).events.iter().take(KINDS_MAX) {
                let what = [("event", event.name.as_str())];
                samples.add(&[labels, &what].concat(), event.total);
            }
        });
        each(&table::MEMORY_USAGE, &|samples, report, labels| {
            let usage = report.memory.iter().flat_map(|memory| &memory.usage);
            for (facility, value) in usage.take(KINDS_MAX) {
                let what = [("facility", facility.as_str())];
                samples.add(&[labels, &what].concat(), *value);
            }
        });
        each(&table::NETWORK_PORT, &|samples, report, labels| {
            for (usage, port) in self.ports(report) {
                samples.add(&[labels, &[("usage", usage)]].concat(), u64::from(port));
            }
        });
    }

    /// The ports of a server, by what they are for; none of what is no server.
    fn ports(&self, report: &Report) -> Vec<(&'static str, u16)> {
        let Component { database, .. } = &report.component;
        if database.is_none() && report.remotes.is_empty() {
            return Vec::new();
        }
        let mut all = self.databases.iter();
        let seen = all.find(|(_, seen)| Some(seen.database.name.as_str()) == *database);
        let targets = seen.map(|(_, seen)| seen.targets()).unwrap_or_default();
        let remotes = || report.remotes.iter().chain(&targets).map(String::as_str);
        let cluster = report.clusters.first().map(|it| it.address.as_str());
        let raft = cluster.and_then(|address| address.rsplit(':').next()?.parse().ok());
        vec![
            ("default", port("ptcp:", remotes())),
            ("ssl", port("pssl:", remotes())),
            ("raft", raft.unwrap_or(0)),
        ]
    }
}
