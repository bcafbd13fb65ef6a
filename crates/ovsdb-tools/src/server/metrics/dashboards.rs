//! Figures under the names that dashboards for OVN and for Open vSwitch know, from exporters that stand beside the reference's
//! server and ask it.
//!
//! They are told only while such a database is served. What such exporters find in rows is in [`rows`](crate::metrics::rows).

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime};

use ovsdb_daemon::metrics::Samples;
use ovsdb_daemon::{coverage, dirs, memory, process, program, vlog};
use ovsdb_proto::atom::Atom;
use ovsdb_server::configuration::Configuration;
use ovsdb_server::database::Served;
use ovsdb_server::server::Server;
use parking_lot::Mutex;

use super::rows::{self, Identity};
use crate::metrics::known;
use crate::metrics::metric::{Metric, OVN, OVS, Writing};
use crate::metrics::rows::{NORTHBOUND, OPEN_VSWITCH, RowFigures, SOUTHBOUND};
use crate::server::control;

/// Figures for which rows are looked at are counted anew after this time at the earliest,
const COUNTING_INTERVAL: Duration = Duration::from_secs(60);
/// and after so many times the time that it took to count them.
const COUNTING_SHARE: u32 = 1_000;
/// At most so many values are looked at while somebody waits for the page.
const CELLS_AT_ONCE: u64 = 500_000;

/// Databases that dashboards know: what stands before the names, what the server of it is called, and the database.
const KNOWN: [(&str, &str, &str); 3] = [
    (OVN, "ovsdb-server-northbound", NORTHBOUND),
    (OVN, "ovsdb-server-southbound", SOUTHBOUND),
    (OVS, "ovsdb-server", OPEN_VSWITCH),
];

/// See the module's documentation.
pub(super) struct Dashboards {
    configuration: Arc<Configuration>,
    /// Those that were known last.
    ports: Mutex<BTreeMap<String, u16>>,
    /// The user and the group of the process, which may take long to find.
    owner: OnceLock<(String, String)>,
    counted: Arc<Mutex<Counted>>,
    rows: RowFigures<Identity>,
}

/// Figures for which rows were looked at.
#[derive(Default)]
struct Counted {
    report: memory::Report,
    /// When they are to be counted anew; somebody does if it is far away.
    due: Option<Instant>,
}

impl Counted {
    fn take(&mut self, report: memory::Report, begun: Instant) {
        self.report = report;
        let pause = (begun.elapsed() * COUNTING_SHARE).max(COUNTING_INTERVAL);
        self.due = Some(Instant::now() + pause);
    }
}

/// One of the databases that dashboards know.
struct Component {
    prefix: &'static str,
    name: &'static str,
    served: Arc<Served>,
}

/// What is said of the machine.
#[derive(Default)]
struct System {
    id: String,
    kind: String,
    version: String,
    ovs_version: String,
    db_version: String,
}

impl Dashboards {
    pub(super) fn new(configuration: Arc<Configuration>) -> Dashboards {
        Dashboards {
            configuration,
            ports: Mutex::default(),
            owner: OnceLock::new(),
            counted: Arc::default(),
            rows: RowFigures::default(),
        }
    }

    /// The port of the remotes that begin with `method`.
    fn port(&self, method: &str) -> u16 {
        let mut ports = self.ports.lock();
        if let Some(now) = self.configuration.ports() {
            *ports = now;
        }
        let of_method = ports.iter().filter(|(name, _)| name.starts_with(method));
        of_method.map(|(_, port)| *port).min().unwrap_or(0)
    }

    /// Goes on with what dashboards know of what is served.
    pub(super) fn write(&self, server: &Arc<Server>, is_ready: bool, writing: &mut Writing) {
        let components = KNOWN.iter().filter_map(|(prefix, name, database)| {
            let served = server.database(database)?;
            Some(Component {
                prefix,
                name,
                served,
            })
        });
        let components: Vec<Component> = components.collect();
        write_databases(server, &components, writing);
        for prefix in [OVN, OVS] {
            let of_prefix = components.iter().filter(|it| it.prefix == prefix);
            let of_prefix: Vec<&Component> = of_prefix.collect();
            if !of_prefix.is_empty() {
                self.write_exporter(prefix, server, &of_prefix, is_ready, writing);
            }
        }
        if !components.is_empty() {
            let system = System::of(server);
            rows::write(&self.rows, server, &system.id, writing);
        }
    }

    /// What the exporter that begins its names with `prefix` tells.
    fn write_exporter(
        &self,
        prefix: &str,
        server: &Arc<Server>,
        components: &[&Component],
        is_ready: bool,
        writing: &mut Writing,
    ) {
        let system = System::of(server);
        let id = ("system_id", system.id.as_str());
        let by_component =
            |samples: &mut Samples<'_>, write: &dyn Fn(&mut Samples<'_>, &Component)| {
                components.iter().for_each(|it| write(samples, it));
            };
        writing.named(prefix, &known::UP, |samples| {
            samples.add(&[], is_ready);
        });
        writing.named(prefix, &known::INFO, |samples| {
            let labels = [
                id,
                ("rundir", &dirs::rundir().display().to_string()),
                ("hostname", &process::hostname()),
                ("system_type", &system.kind),
                ("system_version", &system.version),
                ("ovs_version", &system.ovs_version),
                ("db_version", &system.db_version),
            ];
            samples.add(&labels, true);
        });
        writing.named(prefix, &known::FAILED_REQUESTS, |samples| {
            samples.add(&[id], false);
        });
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        writing.named(prefix, &known::NEXT_POLL, |samples| {
            samples.add(&[id], now.as_ref().map_or(0, Duration::as_secs));
        });
        let (user, group) = self.owner.get_or_init(process::owner);
        writing.named(prefix, &known::PID, |samples| {
            by_component(samples, &|samples, it| {
                let labels = [id, ("component", it.name), ("user", user), ("group", group)];
                samples.add(&labels, u64::from(std::process::id()));
            });
        });
        let log = vlog::log_file().zip(vlog::log_file_bytes());
        let events = vlog::counts();
        writing.named(prefix, &known::LOG_SIZE, |samples| {
            by_component(samples, &|samples, it| {
                if let Some((path, bytes)) = &log {
                    let path = path.display().to_string();
                    samples.add(&[id, ("component", it.name), ("filename", &path)], *bytes);
                }
            });
        });
        writing.named(prefix, &known::LOG_EVENTS, |samples| {
            by_component(samples, &|samples, it| {
                for (module, level, count) in &events {
                    let severity = level.name().to_ascii_lowercase();
                    let what = [("severity", severity.as_str()), ("source", module)];
                    samples.add(&[id, ("component", it.name), what[0], what[1]], *count);
                }
            });
        });
        writing.named(prefix, &known::DATABASE_SIZE, |samples| {
            by_component(samples, &|samples, it| {
                if let Some((path, journal)) = it.served.path().zip(it.served.journal_meters()) {
                    let path = path.display().to_string();
                    let labels = [id, ("component", it.name), ("filename", &path)];
                    samples.add(&labels, journal.bytes.get());
                }
            });
        });
        let figures = coverage::figures();
        writing.named(prefix, &known::COVERAGE_AVERAGE, |samples| {
            by_component(samples, &|samples, it| {
                for figure in &figures {
                    let what = [id, ("component", it.name), ("event", figure.name)];
                    let rates = [
                        ("5s", figure.last),
                        ("5m", figure.minute),
                        ("1h", figure.hour),
                    ];
                    for (interval, rate) in rates {
                        samples.add(&[what[0], what[1], what[2], ("interval", interval)], rate);
                    }
                }
            });
        });
        writing.named(prefix, &known::COVERAGE_TOTAL, |samples| {
            by_component(samples, &|samples, it| {
                for figure in &figures {
                    let labels = [id, ("component", it.name), ("event", figure.name)];
                    samples.add(&labels, figure.total);
                }
            });
        });
        let memory = self.memory(server);
        writing.named(prefix, &known::MEMORY_USAGE, |samples| {
            by_component(samples, &|samples, it| {
                for (facility, value) in &memory {
                    let labels = [id, ("component", it.name), ("facility", facility)];
                    samples.add(&labels, *value);
                }
            });
        });
        let ports = [
            ("default", self.port("ptcp:")),
            ("ssl", self.port("pssl:")),
            ("raft", 0),
        ];
        writing.named(prefix, &known::NETWORK_PORT, |samples| {
            by_component(samples, &|samples, it| {
                for (usage, port) in ports {
                    let labels = [id, ("component", it.name), ("usage", usage)];
                    samples.add(&labels, u64::from(port));
                }
            });
        });
        if prefix == OVN {
            writing.named(prefix, &known::CLUSTER_ENABLED, |samples| {
                by_component(samples, &|samples, it| {
                    samples.add(&[id, ("component", it.name)], false);
                });
            });
        }
    }

    /// The figures of `memory/show`: those of now, and beside them those for which rows were looked at some time ago.
    fn memory(&self, server: &Arc<Server>) -> memory::Report {
        let mut now = control::count_quickly(server);
        let cells = now.get("cells").copied().unwrap_or(0);
        let mut counted = self.counted.lock();
        if counted.due.is_none_or(|due| due <= Instant::now()) {
            let begun = Instant::now();
            if cells <= CELLS_AT_ONCE {
                counted.take(control::count_rows(server), begun);
            } else {
                // As long as that takes, nobody else need begin.
                counted.due = begun.checked_add(Duration::from_secs(u64::from(u32::MAX)));
                let (counted, server) = (self.counted.clone(), server.clone());
                tokio::task::spawn_blocking(move || {
                    let report = control::count_rows(&server);
                    counted.lock().take(report, begun);
                });
            }
        }
        now.extend(counted.report.clone());
        now
    }
}

/// What is told of OVN's databases alone.
fn write_databases(server: &Server, components: &[Component], writing: &mut Writing) {
    let of_ovn = components.iter().filter(|it| it.prefix == OVN);
    let of_ovn: Vec<&Served> = of_ovn.map(|it| &*it.served).collect();
    if of_ovn.is_empty() {
        return;
    }
    let mut by_database = |metric: &Metric, figure: &dyn Fn(&Served) -> u64| {
        writing.metric(metric, |samples| {
            for served in &of_ovn {
                samples.add(&[("db_name", served.name())], figure(served));
            }
        });
    };
    let sessions = server.sessions() as u64;
    by_database(&known::OVN_SESSIONS, &|_| sessions);
    by_database(&known::OVN_MONITORS, &|served| {
        served.hub().monitors() as u64
    });
    by_database(&known::OVN_SIZE, &|served| {
        served
            .journal_meters()
            .map_or(0, |journal| journal.bytes.get())
    });
    let version_of = |name: &str| {
        let served = of_ovn.iter().find(|served| served.name() == name);
        let version = served.and_then(|served| served.schema().version.as_ref());
        version.map(ToString::to_string).unwrap_or_default()
    };
    writing.metric(&known::OVN_BUILD, |samples| {
        let labels = [
            ("version", program::OPEN_VSWITCH_VERSION),
            ("nb_schema_version", &version_of(NORTHBOUND)),
            ("sb_schema_version", &version_of(SOUTHBOUND)),
        ];
        samples.add(&labels, true);
    });
}

impl System {
    /// What the database Open_vSwitch says, if it is served.
    fn of(server: &Server) -> System {
        let mut system = System::default();
        let Some(served) = server.database(OPEN_VSWITCH) else {
            return system;
        };
        let version = served.version();
        let database = &version.database;
        let Some((id, schema)) = database.schema().table_by_name(OPEN_VSWITCH) else {
            return system;
        };
        // There is one at most.
        let Some(row) = database.table(id).iter().next() else {
            return system;
        };
        let column = |name: &str| schema.column_id(name).map(|column| row.get(column));
        let text = |atom: Option<&Atom>| match atom {
            Some(Atom::String(text)) => text.to_string(),
            _ => String::new(),
        };
        let first = |name: &str| text(column(name).and_then(|datum| datum.first()));
        let key = Atom::String("system-id".into());
        system.id = text(column("external_ids").and_then(|datum| datum.get(&key)));
        system.kind = first("system_type");
        system.version = first("system_version");
        system.ovs_version = first("ovs_version");
        system.db_version = first("db_version");
        system
    }
}
