//! Workloads of clients that watch: all of them everything, or each what it asks for.

use std::time::{Duration, Instant};

use crate::client::{Client, ClientError, succeeded};
use crate::rows::{DATABASE, item, valued};
use crate::watchers::Watchers;
use crate::workload::{Sample, Unit, WorkloadError, client_number, ms, pipeline};

/// What each row that is told of has once: the beginning of its name.
const MARK: &str = "\"item-";

/// A transaction id that no version has.
const UNKNOWN_ID: &str = "00000000-0000-0000-0000-000000000000";

/// By which method clients watch.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Protocol {
    Monitor,
    Cond,
    Since,
}

impl Protocol {
    fn method(self) -> &'static str {
        match self {
            Protocol::Monitor => "monitor",
            Protocol::Cond => "monitor_cond",
            Protocol::Since => "monitor_cond_since",
        }
    }

    fn params(self, requests: &str) -> String {
        match self {
            Protocol::Since => format!("[\"{DATABASE}\",\"m\",{requests},\"{UNKNOWN_ID}\"]"),
            _ => format!("[\"{DATABASE}\",\"m\",{requests}]"),
        }
    }
}

/// How much of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Watching {
    /// Clients that watch.
    pub(crate) watchers: usize,
    /// Transactions while they do.
    pub(crate) transactions: usize,
    /// Rows that are there before.
    pub(crate) rows: usize,
}

/// Small transactions, one after the other and 16 in flight, while all clients watch everything.
pub(crate) fn fanout(
    method: &str,
    protocol: Protocol,
    names: [&'static str; 2],
    size: Watching,
    run: usize,
) -> Result<Vec<Sample>, WorkloadError> {
    let mut watchers = Watchers::connect(method, size.watchers, MARK)?;
    watchers.call(protocol.method(), |_| {
        protocol.params("{\"Item\":{\"columns\":[\"name\",\"value\",\"tags\"]}}")
    })?;
    let expected = vec![size.transactions; size.watchers];
    let mut samples = Vec::new();
    for (number, (name, in_flight)) in names.into_iter().zip([1, 16]).enumerate() {
        let client = client_number(run, 500 + number);
        let requests: Vec<String> = (0..size.transactions)
            .map(|number| item(client, number, false))
            .collect();
        let took = write_and_watch(method, &requests, in_flight, &mut watchers, &expected)?;
        samples.push(Sample {
            name,
            unit: Unit::Milliseconds,
            value: ms(took),
        });
    }
    Ok(samples)
}

/// How long it takes until all requests are answered and all clients have been told of so many rows.
fn write_and_watch(
    method: &str,
    requests: &[String],
    in_flight: usize,
    watchers: &mut Watchers,
    expected: &[usize],
) -> Result<Duration, WorkloadError> {
    let mut writer = Client::connect(method)?;
    let begin = Instant::now();
    let (written, watched) = std::thread::scope(|scope| {
        let writing = scope.spawn(move || -> Result<Instant, ClientError> {
            pipeline(&mut writer, requests, in_flight, 1)?;
            Ok(Instant::now())
        });
        let watched = watchers.receive(expected);
        (writing.join(), watched)
    });
    let written = written.map_err(|_| WorkloadError::Thread)??;
    Ok(written.max(watched?) - begin)
}

/// The names of what conditional watching measures.
pub(crate) struct CondNames {
    pub(crate) initial: &'static str,
    pub(crate) updates: &'static str,
    pub(crate) changes: &'static str,
}

/// Clients that each watch the rows with some values of their own, `values` of them: how long until they have them, how
/// long small transactions take of which each concerns one of them, and how long until all have changed to other values.
pub(crate) fn conditions(
    method: &str,
    values: usize,
    names: &CondNames,
    size: Watching,
    run: usize,
) -> Result<Vec<Sample>, WorkloadError> {
    // Every client has its values before and after the change, and nobody else has them.
    let distinct = 2 * size.watchers * values;
    let mut filler = Client::connect(method)?;
    fill(&mut filler, size.rows, distinct, run)?;
    let per_value = |value: usize| size.rows / distinct + usize::from(value < size.rows % distinct);
    let own = |watcher: usize, after: bool| {
        let first = (2 * watcher + usize::from(after)) * values;
        first..first + values
    };
    let condition = |watcher: usize, after: bool| {
        let clauses: Vec<String> = own(watcher, after)
            .map(|value| format!("[\"value\",\"==\",{value}]"))
            .collect();
        clauses.join(",")
    };

    let mut watchers = Watchers::connect(method, size.watchers, MARK)?;
    let begin = Instant::now();
    let found = watchers.call(Protocol::Since.method(), |watcher| {
        let clauses = condition(watcher, false);
        Protocol::Since.params(&format!("{{\"Item\":{{\"where\":[{clauses}]}}}}"))
    })?;
    let initial = begin.elapsed();
    let of = |watcher: usize, after| own(watcher, after).map(per_value).sum::<usize>();
    // A client that runs against a server in use finds what others have left, too.
    let check = |found: Vec<usize>, after| {
        let mut found = found.into_iter().enumerate();
        found.try_for_each(|(watcher, found)| match of(watcher, after) {
            expected if found < expected || run == 0 && found > expected => {
                Err(WorkloadError::Rows { expected, found })
            }
            _ => Ok(()),
        })
    };
    check(found, false)?;

    let mut expected = vec![0; size.watchers];
    let client = client_number(run, 600);
    let requests: Vec<String> = (0..size.transactions)
        .map(|number| {
            let watcher = number % size.watchers;
            expected[watcher] += 1;
            let value = own(watcher, false).start + number / size.watchers % values;
            valued(client, number, value)
        })
        .collect();
    let updates = write_and_watch(method, &requests, 1, &mut watchers, &expected)?;

    let begin = Instant::now();
    let found = watchers.call("monitor_cond_change", |watcher| {
        let clauses = condition(watcher, true);
        format!("[\"m\",\"m\",{{\"Item\":[{{\"where\":[{clauses}]}}]}}]")
    })?;
    let changes = begin.elapsed();
    check(found, true)?;
    let sample = |name, took| Sample {
        name,
        unit: Unit::Milliseconds,
        value: ms(took),
    };
    Ok(vec![
        sample(names.initial, initial),
        sample(names.updates, updates),
        sample(names.changes, changes),
    ])
}

/// One client whose condition has `clauses` clauses, of which one in a hundred changes again and again.
pub(crate) fn long_condition(
    method: &str,
    name: &'static str,
    clauses: usize,
    size: Watching,
    run: usize,
) -> Result<Vec<Sample>, WorkloadError> {
    /// So many changes.
    const CHANGES: usize = 50;
    let (moved, distinct) = (
        (clauses / 100).max(1),
        clauses + CHANGES * clauses.div_ceil(100),
    );
    let mut filler = Client::connect(method)?;
    fill(&mut filler, size.rows, distinct, run)?;
    let condition = |change: usize| {
        let first = change * moved;
        let clauses: Vec<String> = (first..first + clauses)
            .map(|value| format!("[\"value\",\"==\",{value}]"))
            .collect();
        clauses.join(",")
    };
    let mut watchers = Watchers::connect(method, 1, MARK)?;
    watchers.call(Protocol::Since.method(), |_| {
        let clauses = condition(0);
        Protocol::Since.params(&format!("{{\"Item\":{{\"where\":[{clauses}]}}}}"))
    })?;
    let requests: Vec<String> = (1..=CHANGES)
        .map(|change| {
            let clauses = condition(change);
            format!("[\"m\",\"m\",{{\"Item\":[{{\"where\":[{clauses}]}}]}}]")
        })
        .collect();
    let begin = Instant::now();
    for (change, request) in requests.iter().enumerate() {
        let found = watchers.call("monitor_cond_change", |_| request.clone())?;
        let new = clauses + change * moved..clauses + (change + 1) * moved;
        let expected: usize = new
            .map(|value| size.rows / distinct + usize::from(value < size.rows % distinct))
            .sum();
        if found[0] < expected || run == 0 && found[0] > expected {
            let found = found[0];
            return Err(WorkloadError::Rows { expected, found });
        }
    }
    Ok(vec![Sample {
        name,
        unit: Unit::Milliseconds,
        value: ms(begin.elapsed()) / CHANGES as f64,
    }])
}

/// Rows of one transaction while a table is filled.
const FILL_ROWS: usize = 10_000;

/// Writes `rows` rows whose values go from 0 to `distinct` again and again.
fn fill(
    client: &mut Client,
    rows: usize,
    distinct: usize,
    run: usize,
) -> Result<(), WorkloadError> {
    for first in (0..rows).step_by(FILL_ROWS) {
        let count = FILL_ROWS.min(rows - first);
        let request = crate::rows::valued_rows(client_number(run, 700), first, count, distinct);
        let result = client.call("transact", &request)?;
        succeeded(&result, count)?;
    }
    Ok(())
}
