//! Connections: how fast they come and go, what idle ones cost, and many that come back at once.

use super::{Bench, Figure, Unit, Workload, WorkloadError, expect_rows, fill, mebibytes};
use crate::client::Client;
use crate::probe::Probe;
use crate::process;
use crate::rows::{DATABASE, item, network};
use crate::section::Effort;
use crate::server::ServerError;
use crate::watchers::{Told, Watchers};
use crate::watching::{Protocol, UNKNOWN_ID};

/// See the module's documentation.
pub(crate) struct Conns;

/// Clients that watch a table to which nothing happens.
const IDLE: usize = 2_000;

/// Connections that come and go beside them.
const CONNECTIONS: usize = 2_000;

/// Transactions of a writer beside them.
const TRANSACTIONS: usize = 2_000;

/// Clients that come back at once.
const RETURNING: usize = 500;

/// Rows that they had, and rows that they have missed.
const HAD: usize = 10_000;
const MISSED: usize = 100;

/// Who writes what: the rows that are there, those that were missed, and those beside idle clients.
const FILLER: usize = 1;
const MEANWHILE: usize = 2;
const WRITER: usize = 3;

/// Descriptors that this program needs besides its connections.
const OTHER_DESCRIPTORS: usize = 50;

impl Workload for Conns {
    fn name(&self) -> &'static str {
        "conns"
    }

    fn about(&self) -> &'static str {
        "connections and a writer beside 2,000 idle monitors, and 500 clients that come back at once"
    }

    fn figures(&self) -> &'static [Figure] {
        const FIGURES: &[Figure] = &[
            Figure::new(
                "arrive",
                Unit::PerSecond,
                "clients that come and begin to watch, 2,000 of them at once",
            ),
            Figure::new(
                "rate",
                Unit::PerSecond,
                "connections that come, ask for an echo and go, one after the other",
            ),
            Figure::new(
                "txn",
                Unit::PerSecond,
                "transactions of the writer, one after the other",
            ),
            Figure::new(
                "memory",
                Unit::Mebibytes,
                "what 2,000 idle monitors add to what is resident",
            ),
            Figure::new(
                "reconnect",
                Unit::Milliseconds,
                "until 500 clients that come back with monitor_cond_since are up to date",
            ),
        ];
        FIGURES
    }

    fn run(&self, bench: &mut Bench) -> Result<(), WorkloadError> {
        idle(bench)?;
        reconnect(bench)
    }
}

/// What happens beside idle clients.
fn idle(bench: &mut Bench) -> Result<(), WorkloadError> {
    let clients = bench.size().clients(IDLE);
    enough_descriptors(clients)?;
    bench.client()?.transact(&network(0, 100))?;
    let resident = |bench: &Bench| bench.server().resident_bytes();
    let before = resident(bench);
    let section = bench.section(Probe::Write)?;
    let mut watchers = Watchers::connect(bench.method(), clients)?;
    let told = watchers.call(Protocol::Since.method(), |_| {
        Protocol::Since.params("{\"Datapath\":[{}]}")
    })?;
    let effort = section.end()?;
    bench.record("arrive", effort.rate(clients), &effort);
    match (before, resident(bench)) {
        (Ok(before), Ok(after)) => {
            let added = mebibytes(after.saturating_sub(before));
            bench.record("memory", added, &Effort::default());
        }
        // A server of another machine keeps it to itself.
        (Err(ServerError::Process), _) => {}
        (Err(error), _) | (_, Err(error)) => return Err(error.into()),
    }

    let count = bench.size().of(CONNECTIONS);
    let section = bench.section(Probe::Write)?;
    for _ in 0..count {
        let mut client = Client::connect(bench.method())?;
        client.call_raw("echo", "[]")?;
    }
    let effort = section.end()?;
    bench.record("rate", effort.rate(count), &effort);

    let count = bench.size().of(TRANSACTIONS);
    let requests: Vec<String> = (0..count)
        .map(|number| item(WRITER, number, false))
        .collect();
    let mut writer = bench.client()?;
    let section = bench.section(Probe::Write)?;
    for request in &requests {
        writer.transact(request)?;
    }
    let effort = section.end()?;
    expect_rows(count, bench.client()?.count(&["Item"])?)?;
    // Nothing happened to what they watch, and all of them are still there.
    watchers.check(&vec![Told::default(); told.len()])?;
    bench.record("txn", effort.rate(count), &effort);
    Ok(())
}

/// Clients that were away and come back at once.
fn reconnect(bench: &mut Bench) -> Result<(), WorkloadError> {
    let (had, missed) = (bench.size().of(HAD), bench.size().of(MISSED));
    let mut writer = bench.client()?;
    let delete = format!("[\"{DATABASE}\",{{\"op\":\"delete\",\"table\":\"Item\",\"where\":[]}}]");
    writer.transact(&delete)?;
    fill::items(&mut writer, FILLER, had, had)?;
    // The version that all of them have.
    let params = |since: &str| format!("[\"{DATABASE}\",\"m\",{{\"Item\":[{{}}]}},\"{since}\"]");
    let reply = bench
        .client()?
        .call(Protocol::Since.method(), &params(UNKNOWN_ID))?;
    let since = reply.as_array().and_then(|reply| reply.get(1)?.as_str());
    let since = since.unwrap_or(UNKNOWN_ID).to_owned();
    for number in 0..missed {
        writer.transact(&item(MEANWHILE, number, false))?;
    }
    let news = Told::of(MEANWHILE, 0..missed);
    let mut everything = Told::of(FILLER, 0..had);
    everything += news;

    let section = bench.section(Probe::Write)?;
    let mut watchers = Watchers::connect(bench.method(), bench.size().clients(RETURNING))?;
    watchers.queue(Protocol::Since.method(), |_| params(&since));
    watchers.exchange()?;
    let effort = section.end()?;
    for (watcher, told) in watchers.take_told().into_iter().enumerate() {
        // A server that keeps no history tells everything.
        if told != everything {
            news.expect(told, watcher)?;
        }
    }
    bench.record("reconnect", effort.ms(), &effort);
    Ok(())
}

/// As many descriptors as clients must be allowed, here and, by inheritance, to the server.
fn enough_descriptors(clients: usize) -> Result<(), WorkloadError> {
    let allowed = process::raise_descriptors();
    let needed = (clients + OTHER_DESCRIPTORS) as u64;
    if allowed < needed {
        return Err(WorkloadError::Descriptors { needed, allowed });
    }
    Ok(())
}
