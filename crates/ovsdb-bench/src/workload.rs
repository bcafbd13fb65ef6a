//! What is measured: each workload brings a number of rows into an empty database and says how long that took.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::client::{Client, ClientError, succeeded};
use crate::rows::{NETWORK_TABLES, item, network};
use crate::server::{Server, ServerError};
use crate::watchers::WatchError;
use crate::watching::{CondNames, Protocol, Watching, conditions, fanout, long_condition};

/// A quantity and its unit.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Unit {
    /// More is better.
    PerSecond,
    /// Less is better.
    Microseconds,
    /// Less is better.
    Milliseconds,
    /// Less is better.
    Mebibytes,
}

impl Unit {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Unit::PerSecond => "1/s",
            Unit::Microseconds => "us",
            Unit::Milliseconds => "ms",
            Unit::Mebibytes => "MiB",
        }
    }

    /// Whether more of it is better.
    pub(crate) fn is_rate(self) -> bool {
        self == Unit::PerSecond
    }
}

/// One result of one run.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) name: &'static str,
    pub(crate) unit: Unit,
    pub(crate) value: f64,
}

/// Why a run is worth nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WorkloadError {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error(transparent)]
    Server(#[from] ServerError),
    #[error("{found} rows are there, {expected} should be")]
    Rows { expected: usize, found: usize },
    #[error(transparent)]
    Watch(#[from] WatchError),
    #[error("a client's thread has panicked")]
    Thread,
}

/// What can be measured.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Workload {
    /// One client, one small transaction after the other.
    Sequence,
    /// Clients with many small transactions in flight.
    Pipelined(Pipeline),
    /// One big transaction, and the download of what it wrote.
    Bulk,
    /// Start-up from a compacted file, and memory.
    Startup,
    /// Many clients that watch everything.
    Fanout(Protocol),
    /// Many clients that each watch the rows with so many values of their own.
    Conditions(usize),
    /// One client with a condition of so many clauses.
    LongCondition(usize),
}

/// How transactions are pipelined.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Pipeline {
    clients: usize,
    /// Transactions in flight, of each client.
    in_flight: usize,
    /// Whether each is to be on the disk before its reply.
    durable: bool,
}

impl Pipeline {
    fn name(self) -> &'static str {
        match self {
            Pipeline { durable: true, .. } => "txn_durable_16",
            Pipeline { clients: 1, .. } => "txn_pipelined",
            _ => "txn_pipelined_16",
        }
    }
}

/// All workloads by name.
pub(crate) const WORKLOADS: &[(&str, Workload)] = &[
    ("txn_seq", Workload::Sequence),
    (
        "txn_pipelined",
        Workload::Pipelined(Pipeline {
            clients: 1,
            in_flight: 64,
            durable: false,
        }),
    ),
    (
        "txn_pipelined_16",
        Workload::Pipelined(Pipeline {
            clients: 16,
            in_flight: 16,
            durable: false,
        }),
    ),
    (
        "txn_durable_16",
        Workload::Pipelined(Pipeline {
            clients: 16,
            in_flight: 16,
            durable: true,
        }),
    ),
    ("bulk", Workload::Bulk),
    ("startup", Workload::Startup),
    ("fanout_monitor", Workload::Fanout(Protocol::Monitor)),
    ("fanout_cond", Workload::Fanout(Protocol::Cond)),
    ("fanout_since", Workload::Fanout(Protocol::Since)),
    ("cond1", Workload::Conditions(1)),
    ("cond20", Workload::Conditions(20)),
    ("cond3000", Workload::LongCondition(3000)),
];

/// How much work a run is.
#[derive(Clone, Debug)]
pub(crate) struct Size {
    /// Transactions in sequence.
    pub(crate) sequence: usize,
    /// Pipelined transactions, of all clients together.
    pub(crate) pipelined: usize,
    /// Rows of the big transaction.
    pub(crate) bulk: usize,
    /// Rows of the file that is loaded.
    pub(crate) startup: usize,
    /// Clients that watch everything.
    pub(crate) fanout: Watching,
    /// Clients that each watch a part.
    pub(crate) conditions: Watching,
}

impl Default for Size {
    fn default() -> Self {
        Size {
            sequence: 5_000,
            pipelined: 20_000,
            bulk: 50_000,
            startup: 200_000,
            fanout: Watching {
                watchers: 200,
                transactions: 2_000,
                rows: 0,
            },
            conditions: Watching {
                watchers: 500,
                transactions: 2_000,
                rows: 100_000,
            },
        }
    }
}

/// Rows of one transaction while a database is filled.
const FILL_ROWS: usize = 50_000;

impl Workload {
    /// The processor time of the server: unlike all else it hardly depends on what else the machine does.
    fn cpu_name(self) -> &'static str {
        match self {
            Workload::Sequence => "txn_seq cpu",
            Workload::Pipelined(Pipeline { durable: true, .. }) => "txn_durable_16 cpu",
            Workload::Pipelined(Pipeline { clients: 1, .. }) => "txn_pipelined cpu",
            Workload::Pipelined(_) => "txn_pipelined_16 cpu",
            Workload::Bulk => "bulk cpu",
            Workload::Startup => "startup cpu",
            Workload::Fanout(Protocol::Monitor) => "fanout_monitor cpu",
            Workload::Fanout(Protocol::Cond) => "fanout_cond cpu",
            Workload::Fanout(Protocol::Since) => "fanout_since cpu",
            Workload::Conditions(1) => "cond1 cpu",
            Workload::Conditions(_) => "cond20 cpu",
            Workload::LongCondition(_) => "cond3000 cpu",
        }
    }

    /// Whether the workload must be able to start the server anew.
    pub(crate) fn needs_program(self) -> bool {
        self == Workload::Startup
    }

    /// Runs the workload on a fresh server.
    pub(crate) fn run_on_program(
        self,
        program: &Path,
        size: &Size,
    ) -> Result<Vec<Sample>, WorkloadError> {
        let mut server = Server::start(program)?;
        match self {
            Workload::Startup => startup(&mut server, size.startup),
            _ => {
                let before = server.cpu_time()?;
                let mut samples = self.run_on_server(&server.method(), size, 0)?;
                let used = server.cpu_time()?.saturating_sub(before);
                samples.push(Sample {
                    name: self.cpu_name(),
                    unit: Unit::Milliseconds,
                    value: ms(used),
                });
                Ok(samples)
            }
        }
    }

    /// Runs the workload on a server that runs already; `run` tells the rows of one run from those of another.
    pub(crate) fn run_on_server(
        self,
        method: &str,
        size: &Size,
        run: usize,
    ) -> Result<Vec<Sample>, WorkloadError> {
        match self {
            Workload::Sequence => sequence(method, size.sequence, run),
            Workload::Pipelined(pipeline) => pipelined(method, pipeline, size.pipelined, run),
            Workload::Bulk => bulk(method, size.bulk, run),
            Workload::Startup => Ok(Vec::new()),
            Workload::Fanout(protocol) => {
                let names = match protocol {
                    Protocol::Monitor => ["fanout_monitor", "fanout_monitor 16"],
                    Protocol::Cond => ["fanout_cond", "fanout_cond 16"],
                    Protocol::Since => ["fanout_since", "fanout_since 16"],
                };
                fanout(method, protocol, names, size.fanout, run)
            }
            Workload::Conditions(values) => {
                let names = match values {
                    1 => CondNames {
                        initial: "cond1 initial",
                        updates: "cond1 updates",
                        changes: "cond1 changes",
                    },
                    _ => CondNames {
                        initial: "cond20 initial",
                        updates: "cond20 updates",
                        changes: "cond20 changes",
                    },
                };
                conditions(method, values, &names, size.conditions, run)
            }
            Workload::LongCondition(clauses) => {
                long_condition(method, "cond3000 change", clauses, size.conditions, run)
            }
        }
    }
}

/// Names of clients that differ from run to run.
pub(crate) fn client_number(run: usize, client: usize) -> usize {
    run * 1000 + client
}

fn rate(count: usize, took: Duration) -> f64 {
    count as f64 / took.as_secs_f64()
}

pub(crate) fn ms(took: Duration) -> f64 {
    took.as_secs_f64() * 1e3
}

fn expect_rows(expected: usize, found: usize) -> Result<(), WorkloadError> {
    if found == expected {
        Ok(())
    } else {
        Err(WorkloadError::Rows { expected, found })
    }
}

fn sequence(method: &str, count: usize, run: usize) -> Result<Vec<Sample>, WorkloadError> {
    let mut client = Client::connect(method)?;
    let before = client.count(&["Item"])?;
    let requests: Vec<String> = (0..count)
        .map(|number| item(client_number(run, 0), number, false))
        .collect();
    let mut latencies = Vec::with_capacity(count);
    let begin = Instant::now();
    for request in &requests {
        let sent = Instant::now();
        let result = client.call("transact", request)?;
        latencies.push(sent.elapsed());
        succeeded(&result, 1)?;
    }
    let took = begin.elapsed();
    expect_rows(before + count, client.count(&["Item"])?)?;
    latencies.sort_unstable();
    let percentile = |percent: usize| {
        latencies.get((latencies.len() * percent / 100).min(latencies.len().saturating_sub(1)))
    };
    let us =
        |latency: Option<&Duration>| latency.map_or(0.0, |latency| latency.as_secs_f64() * 1e6);
    Ok(vec![
        Sample {
            name: "txn_seq",
            unit: Unit::PerSecond,
            value: rate(count, took),
        },
        Sample {
            name: "txn_seq p50",
            unit: Unit::Microseconds,
            value: us(percentile(50)),
        },
        Sample {
            name: "txn_seq p99",
            unit: Unit::Microseconds,
            value: us(percentile(99)),
        },
    ])
}

fn pipelined(
    method: &str,
    shape: Pipeline,
    count: usize,
    run: usize,
) -> Result<Vec<Sample>, WorkloadError> {
    let Pipeline {
        clients,
        in_flight,
        durable,
    } = shape;
    // A server that syncs for each transaction takes its time.
    let each = if durable { count / 10 } else { count } / clients;
    let mut watcher = Client::connect(method)?;
    let before = watcher.count(&["Item"])?;
    let ready = std::sync::Barrier::new(clients + 1);
    let took = std::thread::scope(|scope| {
        let ready = &ready;
        let work: Vec<_> = (0..clients)
            .map(|client| {
                scope.spawn(move || -> Result<(), ClientError> {
                    let requests: Vec<String> = (0..each)
                        .map(|number| item(client_number(run, client + 1), number, durable))
                        .collect();
                    let connection = Client::connect(method);
                    ready.wait();
                    pipeline(
                        &mut connection?,
                        &requests,
                        in_flight,
                        1 + usize::from(durable),
                    )
                })
            })
            .collect();
        ready.wait();
        let begin = Instant::now();
        for thread in work {
            thread.join().map_err(|_| WorkloadError::Thread)??;
        }
        Ok::<_, WorkloadError>(begin.elapsed())
    })?;
    expect_rows(before + each * clients, watcher.count(&["Item"])?)?;
    Ok(vec![Sample {
        name: shape.name(),
        unit: Unit::PerSecond,
        value: rate(each * clients, took),
    }])
}

/// Sends all requests, of so many operations each, never more than `in_flight` ahead of the replies. Sends again when half of them are answered,
/// so that both sides can work on several at a time.
pub(crate) fn pipeline(
    client: &mut Client,
    requests: &[String],
    in_flight: usize,
    operations: usize,
) -> Result<(), ClientError> {
    let mut rest = requests.iter();
    loop {
        if client.in_flight() <= in_flight / 2 {
            for request in rest.by_ref().take(in_flight - client.in_flight()) {
                client.queue("transact", request);
            }
            client.flush()?;
        }
        if client.in_flight() == 0 {
            return Ok(());
        }
        let result = client.receive()?;
        succeeded(&result, operations)?;
    }
}

fn bulk(method: &str, count: usize, run: usize) -> Result<Vec<Sample>, WorkloadError> {
    let mut client = Client::connect(method)?;
    let before = client.count(&NETWORK_TABLES)?;
    // Every run has datapaths, and so ports, of its own.
    let request = network(run * count.next_multiple_of(100), count);
    let begin = Instant::now();
    let result = client.call("transact", &request)?;
    let insert = begin.elapsed();
    succeeded(&result, count)?;
    expect_rows(before + count, client.count(&NETWORK_TABLES)?)?;

    let begin = Instant::now();
    let all = client.call(
        "monitor",
        "[\"Bench\",null,{\"Datapath\":{},\"Flow\":{},\"Port\":{}}]",
    )?;
    let download = begin.elapsed();
    let rows = |table| {
        all.get(table)
            .and_then(|rows| rows.as_object())
            .map_or(0, |rows| rows.len())
    };
    expect_rows(before + count, NETWORK_TABLES.into_iter().map(rows).sum())?;
    Ok(vec![
        Sample {
            name: "bulk insert",
            unit: Unit::Milliseconds,
            value: ms(insert),
        },
        Sample {
            name: "bulk download",
            unit: Unit::Milliseconds,
            value: ms(download),
        },
    ])
}

fn startup(server: &mut Server, count: usize) -> Result<Vec<Sample>, WorkloadError> {
    let mut client = Client::connect(&server.method())?;
    for first in (0..count).step_by(FILL_ROWS) {
        let rows = FILL_ROWS.min(count - first);
        let result = client.call("transact", &network(first, rows))?;
        succeeded(&result, rows)?;
    }
    let filled = server.resident_bytes()?;
    let begin = Instant::now();
    server.compact()?;
    let compact = begin.elapsed();
    drop(client);

    let ready = server.restart()?;
    let started = server.resident_bytes()?;
    let used = server.cpu_time()?;
    let mut client = Client::connect(&server.method())?;
    expect_rows(count, client.count(&NETWORK_TABLES)?)?;
    let mebibytes = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    Ok(vec![
        Sample {
            name: "memory filled",
            unit: Unit::Mebibytes,
            value: mebibytes(filled),
        },
        Sample {
            name: "compaction",
            unit: Unit::Milliseconds,
            value: ms(compact),
        },
        Sample {
            name: "file compacted",
            unit: Unit::Mebibytes,
            value: mebibytes(server.file_bytes()),
        },
        Sample {
            name: "startup",
            unit: Unit::Milliseconds,
            value: ms(ready),
        },
        Sample {
            name: Workload::Startup.cpu_name(),
            unit: Unit::Milliseconds,
            value: ms(used),
        },
        Sample {
            name: "memory started",
            unit: Unit::Mebibytes,
            value: mebibytes(started),
        },
    ])
}
