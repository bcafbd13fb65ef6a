//! Replicas of a big southbound database, kept by this library and by others: how soon they are there, and what they cost.
//!
//! A server is filled, and then one process after another follows all of it, while rows change. What each has in the end must
//! be what the server has. What a process costs is what the system accounts for it.

mod bare;
mod keeper;
mod own;
mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::client::{Client, ClientError};
use crate::options::{JsonTo, ReplicaPlan};
use crate::process;
use crate::progress::Progress;
use crate::server::{self, Server, ServerError};
use crate::socket;
use crate::southbound::{self, COMPARED, Flow};
use crate::workload::{Unit, mebibytes};
use keeper::{Installed, Keeper, KeeperError, Library};
use ovsdb_daemon::signals;

pub(crate) use bare::{BareError, read};
pub(crate) use keeper::Named;
pub(crate) use own::{OwnError, keep};
use table::Outcome;

/// Rows of the database.
const ROWS: usize = 200_000;

/// Rows that change in each of the ways.
const CHANGES: usize = 10_000;

/// Rows of a transaction that changes many.
const ROWS_AT_ONCE: usize = 1_000;

/// A transaction that changes a row or two is sent so long after the one before, so that each is told by itself: a server
/// tells those who cannot follow of several at once, and that is cheaper for them.
const PACE: Duration = Duration::from_millis(1);

/// The same for a transaction that changes many.
const PACE_OF_MANY: Duration = Duration::from_millis(200);

/// So many small transactions are carried out while a process stands still that is told of each of them. Their updates have
/// room in a socket, so that no server tells of several at once.
const HELD: usize = 100;

/// Above the priorities that flows have at first.
const FIRST_PRIORITY: usize = 1_000;

/// One quantity that is measured. Of all of them less is better.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figure {
    /// Lower case and underscores.
    pub(crate) name: &'static str,
    /// What it is, in a phrase without a final stop.
    pub(crate) about: &'static str,
    pub(crate) unit: Unit,
}

const READY: Figure = Figure {
    name: "ready",
    about: "from the start of the process until it has the contents",
    unit: Unit::Milliseconds,
};
const READY_CPU: Figure = Figure {
    name: "ready_cpu",
    about: "processor time of the process until then",
    unit: Unit::Milliseconds,
};
const MEMORY: Figure = Figure {
    name: "memory",
    about: "resident memory then",
    unit: Unit::Mebibytes,
};
const PEAK: Figure = Figure {
    name: "peak",
    about: "the most resident memory until then",
    unit: Unit::Mebibytes,
};
const MODIFY: Figure = Figure {
    name: "modify",
    about: "processor time for each row, of transactions that change one",
    unit: Unit::Microseconds,
};
const REPLACE: Figure = Figure {
    name: "replace",
    about: "the same of transactions that delete one and insert another",
    unit: Unit::Microseconds,
};
const MODIFY_HELD: Figure = Figure {
    name: "modify_held",
    about: "the same of transactions that change one, when the updates of 100 are there before it reads the first",
    unit: Unit::Microseconds,
};
const MODIFY_MANY: Figure = Figure {
    name: "modify_many",
    about: "the same of transactions that change 1,000",
    unit: Unit::Microseconds,
};

/// All of them, in the order of the table.
pub(crate) const FIGURES: [Figure; 8] = [
    READY,
    READY_CPU,
    MEMORY,
    PEAK,
    MODIFY,
    REPLACE,
    MODIFY_HELD,
    MODIFY_MANY,
];

/// The results of one run, by the names of figures.
type Sample = BTreeMap<&'static str, f64>;

/// Why nothing could be measured.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReplicaError {
    #[error("{}: {source} (--southbound names another schema of OVN_Southbound)", .path.display())]
    Schema { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Server(#[from] ServerError),
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("standard output: {0}")]
    Output(#[from] io::Error),
    #[error("{}: {source}", .path.display())]
    File { path: PathBuf, source: io::Error },
}

/// Does what is planned. Says whether nothing failed; a library that is not installed is left out, and has not failed.
pub(crate) fn measure(plan: &ReplicaPlan) -> Result<bool, ReplicaError> {
    process::raise_descriptors();
    socket::set_patience(plan.patience);
    // Not being able to means that processes are left behind by Ctrl-C, no more.
    let _ = signals::install();
    signals::on_fatal(server::end_running);
    let schema = std::fs::read(&plan.southbound).map_err(|source| ReplicaError::Schema {
        path: plan.southbound.clone(),
        source,
    })?;
    let server = Server::start_with(&plan.server, &schema)?;
    let count = plan.size.of(ROWS);
    southbound::fill(&mut server.client()?, count)?;

    let found = Library::ALL.map(|library| (library, library.find(&plan.named)));
    let mut outcomes: Vec<(Library, Outcome)> = Vec::new();
    for (library, found) in &found {
        let outcome = match found {
            Ok(installed) => Outcome::Measured {
                about: installed.about.clone(),
                samples: Vec::new(),
            },
            Err(reason) => Outcome::LeftOut(reason.clone()),
        };
        outcomes.push((*library, outcome));
    }
    let progress = Progress::new(plan.runs * outcomes.len());
    let mut priorities = FIRST_PRIORITY..;
    for run in 1..=plan.runs {
        // In turn, so that what else the machine does meets all.
        for ((library, found), (_, outcome)) in found.iter().zip(&mut outcomes) {
            if let (Ok(installed), Outcome::Measured { samples, .. }) = (found, &mut *outcome) {
                progress.begin(format!("run {run} of {}, {}", plan.runs, library.name()));
                let priority = priorities.next().unwrap_or(FIRST_PRIORITY);
                match run_once(installed, &server, plan, priority) {
                    Ok(sample) => samples.push(sample),
                    Err(error) => *outcome = Outcome::Failed(error.to_string()),
                }
            }
            progress.end(1);
        }
    }
    drop(progress);
    tell(plan, count, &outcomes)?;
    Ok(outcomes
        .iter()
        .all(|(_, outcome)| !matches!(outcome, Outcome::Failed(_))))
}

fn tell(
    plan: &ReplicaPlan,
    rows: usize,
    outcomes: &[(Library, Outcome)],
) -> Result<(), ReplicaError> {
    let json = || {
        let mut text = table::json(plan, rows, outcomes).to_bytes();
        text.push(b'\n');
        text
    };
    for line in table::remarks(outcomes) {
        writeln!(io::stderr(), "{line}")?;
    }
    if matches!(plan.json, JsonTo::Output) {
        io::stdout().write_all(&json())?;
    } else {
        write!(io::stdout(), "{}", table::table(rows, outcomes))?;
    }
    if let JsonTo::File(path) = &plan.json {
        std::fs::write(path, json()).map_err(|source| ReplicaError::File {
            path: path.clone(),
            source,
        })?;
    }
    Ok(())
}

/// One process, from its start to its end. `priority` is one that no flow has yet.
fn run_once(
    installed: &Installed,
    server: &Server,
    plan: &ReplicaPlan,
    priority: usize,
) -> Result<Sample, KeeperError> {
    let mut client = server.client()?;
    client.transact(&southbound::mark(0))?;
    let flows = southbound::flows(&mut client)?;
    let changes = plan.size.of(CHANGES).min(flows.len() / 4);
    let ways = ways(&flows, changes, priority);

    let mut sample = Sample::new();
    let mut keeper = installed.start(server, &plan.southbound)?;
    let known = |bytes: Option<u64>| bytes.map_or(f64::NAN, mebibytes);
    let process = keeper.process;
    let cpu = process.cpu_time().ok_or(KeeperError::Ended)?;
    sample.insert(READY.name, keeper.took.as_secs_f64() * 1e3);
    sample.insert(READY_CPU.name, cpu.as_secs_f64() * 1e3);
    sample.insert(MEMORY.name, known(process.resident_bytes()));
    sample.insert(PEAK.name, known(process.peak_bytes()));
    // 0 is what was there before.
    let mut marks = 1..;
    for way in &ways {
        let cost = cost(&mut keeper, &mut client, &mut marks, way)?;
        sample.insert(way.figure.name, cost);
    }
    if keeper.has_contents() {
        for (table, column) in COMPARED {
            compare(&mut keeper, &mut client, table, column)?;
        }
    }
    Ok(sample)
}

/// A way in which rows change.
struct Way {
    figure: Figure,
    /// How many rows change.
    rows: usize,
    /// Transactions, made before time is measured.
    requests: Vec<String>,
    sent: Sent,
}

/// How transactions come one after another.
#[derive(Clone, Copy, Debug)]
enum Sent {
    /// Each so long after the one before.
    Paced(Duration),
    /// So many at once, while the keeper stands still. Then it goes on until it knows of all of them.
    Held(usize),
}

/// Every way in which some `rows` of the flows change, others each time.
fn ways(flows: &[Flow], rows: usize, priority: usize) -> [Way; 4] {
    let (one_by_one, rest) = flows.split_at(rows);
    let (replaced, rest) = rest.split_at(rows / 2);
    let (held, rest) = rest.split_at(rows);
    let many = &rest[..rows];
    let replace = replaced.iter().enumerate();
    let replace = replace.map(|(number, flow)| southbound::replace(flow, number, priority));
    let modify = |flows: &[Flow]| southbound::modify(flows, priority);
    [
        Way {
            figure: MODIFY,
            rows,
            requests: one_by_one.chunks(1).map(modify).collect(),
            sent: Sent::Paced(PACE),
        },
        Way {
            figure: REPLACE,
            // One goes and one comes.
            rows: 2 * replaced.len(),
            requests: replace.collect(),
            sent: Sent::Paced(PACE),
        },
        Way {
            figure: MODIFY_HELD,
            rows,
            requests: held.chunks(1).map(modify).collect(),
            sent: Sent::Held(HELD),
        },
        Way {
            figure: MODIFY_MANY,
            rows,
            requests: many.chunks(ROWS_AT_ONCE).map(modify).collect(),
            sent: Sent::Paced(PACE_OF_MANY),
        },
    ]
}

/// Has rows change, and says how much processor time the keeper spent on each, in microseconds.
fn cost(
    keeper: &mut Keeper,
    client: &mut Client,
    marks: &mut impl Iterator<Item = usize>,
    way: &Way,
) -> Result<f64, KeeperError> {
    let process = keeper.process;
    let cpu = || process.cpu_time().ok_or(KeeperError::Ended);
    let before = cpu()?;
    let told = match way.sent {
        Sent::Paced(pace) => {
            let mut due = Instant::now();
            for request in &way.requests {
                if let Some(rest) = due.checked_duration_since(Instant::now()) {
                    std::thread::sleep(rest);
                }
                due = Instant::now() + pace;
                client.transact(request)?;
            }
            count_told(keeper, client, marks)?
        }
        Sent::Held(count) => {
            let mut sum = Some(0);
            for requests in way.requests.chunks(count) {
                let held = process.hold();
                for request in requests {
                    client.transact(request)?;
                }
                drop(held);
                let told = count_told(keeper, client, marks)?;
                sum = sum.zip(told).map(|(sum, told)| sum + told);
            }
            sum
        }
    };
    let spent = cpu()?.saturating_sub(before);
    match told {
        Some(told) if told != way.rows => Err(KeeperError::Changes {
            told,
            expected: way.rows,
        }),
        _ => Ok(spent.as_secs_f64() * 1e6 / way.rows as f64),
    }
}

/// Waits until the keeper knows of all that has happened. Says of how many changes it was told, if that can be known.
fn count_told(
    keeper: &mut Keeper,
    client: &mut Client,
    marks: &mut impl Iterator<Item = usize>,
) -> Result<Option<usize>, KeeperError> {
    let mark = marks.next().unwrap_or(0);
    client.transact(&southbound::mark(mark))?;
    keeper.until(mark)
}

/// What the keeper has of a table must be what the server has.
fn compare(
    keeper: &mut Keeper,
    client: &mut Client,
    table: &'static str,
    column: &str,
) -> Result<(), KeeperError> {
    let kept = keeper.contents(table, column)?;
    let served = southbound::contents(client, table, column)?;
    if kept == served {
        return Ok(());
    }
    let rows: BTreeSet<&String> = kept.keys().chain(served.keys()).collect();
    let differing = rows.into_iter();
    let differing = differing.filter(|row| kept.get(*row) != served.get(*row));
    Err(KeeperError::Contents {
        table,
        kept: kept.len(),
        served: served.len(),
        differing: differing.count(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_about_performance_names_every_figure() {
        let page = include_str!("../../../docs/performance.md");
        for figure in &FIGURES {
            let line = format!("| `{}` | {} |", figure.name, figure.about);
            assert!(page.contains(&line), "docs/performance.md lacks {line}");
        }
    }
}
