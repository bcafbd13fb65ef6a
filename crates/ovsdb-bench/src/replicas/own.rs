//! A process that keeps a replica with our library, and counts the changes it is told of: what `--keep` does.
//!
//! Answers lines; see `keeper.rs`. All of it but the reading of standard input is done by one thread.

use std::io::{self, Write};

use ovsdb_client::Client;
use ovsdb_client::replica::{Changes, Interest, Limits, Replica, RowView, WaitError, Watcher};
use ovsdb_proto::schema::Selection;
use tokio::sync::{mpsc, watch};

use crate::southbound::{CHANGING, DATABASE};

/// Lines that are read before they are answered.
const LINES_MAX: usize = 1;

/// Why there is no replica.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OwnError {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("{0}")]
    Method(#[from] ovsdb_client::ConnectError),
    #[error("{0}")]
    Wait(#[from] WaitError),
    #[error("what is {0:?}?")]
    Question(String),
    #[error("there is no table {0}")]
    Table(String),
    #[error("{0}")]
    Column(#[from] ovsdb_proto::value::ColumnError),
}

/// How far changes have come, and how many there were.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    mark: i64,
    changes: usize,
}

/// Follows the server at `method` until standard input ends.
pub(crate) fn keep(method: &str) -> Result<(), OwnError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (to_asked, mut asked) = mpsc::channel(LINES_MAX);
    std::thread::spawn(move || {
        let mut lines = io::stdin().lines().map_while(Result::ok);
        lines.try_for_each(|line| to_asked.blocking_send(line))
    });
    runtime.block_on(async {
        let client = Client::builder(method).database(DATABASE).start()?;
        let replica = Replica::start(
            client.attach(),
            DATABASE,
            Selection::all(),
            Limits::default(),
        );
        replica.live(None).await?;
        let (to_seen, mut seen) = watch::channel(Seen::default());
        let interest = Interest::all()
            .table(CHANGING)
            .columns("SB_Global", ["nb_cfg"]);
        let watcher = replica.watch(interest);
        tokio::spawn(count(watcher, to_seen));
        answer("ready")?;
        let mut told = 0;
        while let Some(line) = asked.recv().await {
            let words: Vec<&str> = line.split(' ').collect();
            match words.as_slice() {
                ["until", number] => {
                    let number: Result<i64, _> = number.parse();
                    let number = number.map_err(|_| OwnError::Question(line.clone()))?;
                    let reached = seen.wait_for(|seen| seen.mark == number).await;
                    let changes = reached.map_err(|_| WaitError::Closed)?.changes;
                    answer(&format!("seen {}", changes - told))?;
                    told = changes;
                }
                ["rows", table, column] => tell_rows(&replica, table, column)?,
                _ => return Err(OwnError::Question(line)),
            }
        }
        Ok(())
    })
}

/// Counts changes as long as there are any.
async fn count(mut watcher: Watcher, to_seen: watch::Sender<Seen>) {
    while let Ok(changes) = watcher.next().await {
        let (mut flows, mut is_marked) = (0, false);
        for change in changes.iter(watcher.interest()) {
            match change.table() == CHANGING {
                true => flows += 1,
                false => is_marked = true,
            }
        }
        to_seen.send_if_modified(|seen| {
            seen.changes += flows;
            if is_marked {
                seen.mark = mark(&changes).unwrap_or(seen.mark);
            }
            is_marked
        });
    }
}

/// How far changes have come.
fn mark(changes: &Changes) -> Option<i64> {
    let row = changes.newer().table_named("SB_Global")?.iter().next()?;
    row.get("nb_cfg").ok()
}

fn tell_rows(replica: &Replica, table: &str, column: &str) -> Result<(), OwnError> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    let contents = replica.snapshot().ok_or(WaitError::Closed)?;
    let rows = contents.table_named(table);
    let rows = rows.ok_or_else(|| OwnError::Table(table.to_owned()))?;
    for row in rows.iter() {
        let value: i64 = RowView::get(row, column)?;
        writeln!(out, "{},{value}", row.uuid())?;
    }
    writeln!(out, "end")?;
    Ok(out.flush()?)
}

fn answer(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}
