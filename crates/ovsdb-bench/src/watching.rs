//! What workloads of clients that watch have in common: requests, and transactions while they watch.

use crate::client::{Client, ClientError};
use crate::probe::Probe;
use crate::rows::DATABASE;
use crate::section::Effort;
use crate::watchers::{Told, Watchers};
use crate::workload::{Bench, WorkloadError, pipeline};
use std::time::Instant;

/// A transaction id that no version has.
pub(crate) const UNKNOWN_ID: &str = "00000000-0000-0000-0000-000000000000";

/// By which method clients watch.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Protocol {
    Monitor,
    Cond,
    Since,
}

impl Protocol {
    pub(crate) fn method(self) -> &'static str {
        match self {
            Protocol::Monitor => "monitor",
            Protocol::Cond => "monitor_cond",
            Protocol::Since => "monitor_cond_since",
        }
    }

    /// The parameters of a monitor called `m` with these requests, an object with a member for each table.
    pub(crate) fn params(self, requests: &str) -> String {
        match self {
            Protocol::Since => format!("[\"{DATABASE}\",\"m\",{requests},\"{UNKNOWN_ID}\"]"),
            _ => format!("[\"{DATABASE}\",\"m\",{requests}]"),
        }
    }
}

/// What it takes until all requests are answered, never more than `in_flight` of them ahead of the replies, and all
/// watchers have been told what they are to be told.
pub(crate) fn write_and_watch(
    bench: &Bench,
    requests: &[String],
    in_flight: usize,
    watchers: &mut Watchers,
    expected: &[Told],
) -> Result<Effort, WorkloadError> {
    let mut writer = Client::connect(bench.method())?;
    let section = bench.section(Probe::Write)?;
    let (written, watched) = std::thread::scope(|scope| {
        let writing = scope.spawn(move || -> Result<Instant, ClientError> {
            pipeline(&mut writer, requests, in_flight)?;
            Ok(Instant::now())
        });
        let watched = watchers.receive(expected);
        (writing.join(), watched)
    });
    let written = written.map_err(|_| WorkloadError::Thread)??;
    let effort = section.end_at(written.max(watched?))?;
    watchers.check(expected)?;
    Ok(effort)
}

/// The clauses of a condition on the column `value`: it is one of these.
pub(crate) fn one_of(values: impl IntoIterator<Item = usize>) -> String {
    let clauses: Vec<String> = values
        .into_iter()
        .map(|value| format!("[\"value\",\"==\",{value}]"))
        .collect();
    clauses.join(",")
}

/// The parameters of a request to change the condition of the monitor called `m` on the table Item to these clauses.
pub(crate) fn change(clauses: &str) -> String {
    format!("[\"m\",\"m\",{{\"Item\":[{{\"where\":[{clauses}]}}]}}]")
}
